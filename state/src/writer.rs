//! The thread that commits.
//!
//! Invariant: `submit` never waits, so no lane ever waits for a disk. The queue is bounded by construction: a partition
//! has at most one epoch in flight, and it submits the next only after it was told of the last one.

use crate::backend::Backend;
use crate::batch::Batch;
use crate::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

struct Job {
    backend: Arc<dyn Backend>,
    batch: Batch,
    done: Done,
}

/// Commits batches in the order in which they are submitted, one at a time, so that what a commit copies is in memory once
/// and not once a partition. Dropping it commits what is queued, then ends the thread.
pub struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. The error is that of the operating system, which has no thread to give.
    pub fn start() -> std::io::Result<Writer> {
        let (queue, jobs) = channel();
        let thread = std::thread::Builder::new()
            .name("state-writer".into())
            .spawn(move || run(&jobs))?;
        Ok(Writer {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// Commits `batch` in the background, then calls `done` on the writer's thread. When `done` runs, the writer has let
    /// go of `backend`: whoever held it last can open it again. `done` should only pass the outcome on.
    pub fn submit(
        &self,
        backend: Arc<dyn Backend>,
        batch: Batch,
        done: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        let job = Job {
            backend,
            batch,
            done: Box::new(done),
        };
        match &self.queue {
            Some(queue) => {
                if let Err(refused) = queue.send(job) {
                    (refused.0.done)(Err(ended()));
                }
            }
            None => (job.done)(Err(ended())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // Only a `done` that panicked ends the thread early; that panic was reported where it happened.
            let _ended = thread.join();
        }
    }
}

fn run(jobs: &Receiver<Job>) {
    for Job {
        backend,
        batch,
        done,
    } in jobs
    {
        // A panic must not take the outcomes of all other partitions with it.
        let outcome = catch_unwind(AssertUnwindSafe(|| backend.commit(&batch)))
            .unwrap_or_else(|_| Err(ended()));
        drop(batch);
        drop(backend);
        done(outcome);
    }
}

fn ended() -> Error {
    Error::Io {
        operation: "commit",
        path: PathBuf::new(),
        detail: "the writer panicked".into(),
    }
}
