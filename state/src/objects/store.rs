//! Objects where they last: in a directory or in a bucket of S3 or of something that speaks its language.
//!
//! Invariant: an object is created by one request that the store itself makes conditional, and what was created is durable.
//! A look before the write would let two writers see nothing and both write. A directory is synced, files and names alike; a
//! deletion is not, so a power cut may bring a deleted object back.
//!
//! Every call ends within its limits, whatever the network does: what hangs would hold back every checkpoint after it.

use super::failure::{detail, failure, is_answer_lost, is_conflict, refused};
use super::path::objection;
use super::{Listed, ObjectAddressError, ObjectError, ObjectOptions, Objects, Operation, Put};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore as Remote, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// How often a put whose answer was lost is tried again.
const PUT_AGAIN: u32 = 3;
/// Wait before it is, times the number of the attempt.
const PUT_WAIT: Duration = Duration::from_millis(100);
/// Threads for files and names, which have no asynchronous interface. They end when idle.
const FILE_THREADS: usize = 4;
/// Of the object that a probe writes.
const PROBE: &str = "probe/is-never-replaced";

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLimits {
    /// Until a connection stands.
    pub connect: Duration,
    /// One request and its answer. The largest object has to pass in this time.
    pub request: Duration,
    /// A whole call, with everything that is tried again.
    pub call: Duration,
    /// As `call`, for lists and deletions: somebody waits for a restore.
    pub little: Duration,
}

impl Default for ObjectLimits {
    fn default() -> ObjectLimits {
        ObjectLimits {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(25),
            call: Duration::from_secs(35),
            little: Duration::from_secs(10),
        }
    }
}

/// What a probe finds out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// That objects can be listed.
    Read,
    /// Also that they can be created and read back, and are never replaced. Leaves one small object, always the same.
    Write,
}

/// The objects at an address. Calls come from any thread that is not one of an asynchronous runtime.
pub struct ObjectStore {
    address: String,
    remote: Arc<dyn Remote>,
    limits: ObjectLimits,
    runtime: Option<Runtime>,
}

impl ObjectStore {
    /// The objects at `address`: a directory, which is made if it is missing, `file:///directory` or `s3://bucket/prefix`.
    /// Nothing is asked of the network yet.
    pub fn open(address: &str, options: &ObjectOptions) -> Result<ObjectStore, ObjectAddressError> {
        let remote = options.remote(address)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(FILE_THREADS)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|error| ObjectAddressError::Threads {
                detail: error.to_string(),
            })?;
        Ok(ObjectStore {
            address: address.to_owned(),
            remote,
            limits: options.limits,
            runtime: Some(runtime),
        })
    }

    /// As it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts an object, whether or not there is one. For reports, from which nothing is derived; never for checkpoints.
    pub fn replace(&self, path: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let location = location(Operation::Put, path)?;
        self.run(Operation::Put, path, async {
            let outcome = self.remote.put(&location, bytes.into()).await;
            outcome
                .map(drop)
                .map_err(|error| failure(&error, Operation::Put, path))
        })
    }

    /// Finds out now what would otherwise come out at the first checkpoint.
    pub fn probe(&self, probe: Probe) -> Result<(), ObjectError> {
        let directory = PROBE.split('/').next().unwrap_or(PROBE);
        self.list(directory)?;
        if probe == Probe::Read {
            return Ok(());
        }
        // The second attempt always meets the first, or what an earlier process left.
        let content = b"A store of objects that are never replaced.\n".to_vec();
        self.put_if_absent(PROBE, content.clone())?;
        if self.put_if_absent(PROBE, content.clone())? == Put::Created {
            return Err(refused(
                Operation::Put,
                PROBE,
                "the store replaces objects: it ignores the header If-None-Match, and two writers would undo each other"
                    .to_owned(),
            ));
        }
        if self.get(PROBE)? != content {
            return Err(refused(
                Operation::Get,
                PROBE,
                "what was read is not what was written".to_owned(),
            ));
        }
        Ok(())
    }

    /// Runs `work` within the limit of a call.
    fn run<T>(
        &self,
        operation: Operation,
        path: &str,
        work: impl Future<Output = Result<T, ObjectError>>,
    ) -> Result<T, ObjectError> {
        let failed = |detail: String| ObjectError::Failed {
            operation,
            path: path.to_owned(),
            detail,
        };
        let Some(runtime) = &self.runtime else {
            return Err(failed("the store is closed".to_owned()));
        };
        // Lists and deletions carry little.
        let limit = match operation {
            Operation::Put | Operation::Get => self.limits.call,
            Operation::List | Operation::Delete => self.limits.little,
        };
        runtime.block_on(async {
            tokio::time::timeout(limit, work)
                .await
                .unwrap_or_else(|_elapsed| Err(failed(format!("no answer within {limit:?}"))))
        })
    }

    async fn create(&self, location: &Path, payload: PutPayload) -> Result<Put, Error> {
        let mut attempt = 0;
        loop {
            let options = PutOptions::from(PutMode::Create);
            let outcome = self.remote.put_opts(location, payload.clone(), options);
            let error = match outcome.await {
                Ok(_) => return Ok(Put::Created),
                Err(error) => error,
            };
            let again = if is_conflict(&error) {
                if self.exists(location).await? {
                    return Ok(Put::Existed);
                }
                true
            } else if matches!(error, Error::AlreadyExists { .. }) {
                return Ok(Put::Existed);
            } else {
                is_answer_lost(&error)
            };
            if !again || attempt == PUT_AGAIN {
                return Err(error);
            }
            attempt += 1;
            tokio::time::sleep(PUT_WAIT * attempt).await;
        }
    }

    async fn exists(&self, location: &Path) -> Result<bool, Error> {
        match self.remote.head(location).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn fetch(&self, path: &str, location: &Path) -> Result<Vec<u8>, ObjectError> {
        let failure = |error: &Error| failure(error, Operation::Get, path);
        let answer = self.remote.get(location).await.map_err(|e| failure(&e))?;
        let expected = answer.meta.size;
        let bytes = answer.bytes().await.map_err(|e| match e {
            // It was there when the answer began; its absence now says nothing about the object.
            Error::NotFound { .. } => ObjectError::Failed {
                operation: Operation::Get,
                path: path.to_owned(),
                detail: detail(&e),
            },
            e => failure(&e),
        })?;
        if bytes.len() as u64 != expected {
            return Err(ObjectError::Failed {
                operation: Operation::Get,
                path: path.to_owned(),
                detail: format!("{} of {expected} bytes came", bytes.len()),
            });
        }
        Ok(bytes.into())
    }

    async fn collect(&self, prefix: Option<&Path>) -> Result<Vec<Listed>, Error> {
        let mut found = Vec::new();
        let mut listing = self.remote.list(prefix);
        while let Some(object) = listing.try_next().await? {
            found.push(Listed {
                path: object.location.into(),
                size: object.size,
                modified: object.last_modified.timestamp_millis(),
            });
        }
        // A directory is walked in the order of its entries; a bucket sorts a prefix of ours in between.
        found.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }
}

impl Objects for ObjectStore {
    fn put_if_absent(&self, path: &str, bytes: Vec<u8>) -> Result<Put, ObjectError> {
        let location = location(Operation::Put, path)?;
        self.run(Operation::Put, path, async {
            let outcome = self.create(&location, bytes.into()).await;
            outcome.map_err(|error| failure(&error, Operation::Put, path))
        })
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, ObjectError> {
        let location = location(Operation::Get, path)?;
        self.run(Operation::Get, path, self.fetch(path, &location))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectError> {
        let location = match prefix {
            "" => None,
            prefix => Some(location(Operation::List, prefix)?),
        };
        self.run(Operation::List, prefix, async {
            let outcome = self.collect(location.as_ref()).await;
            outcome.map_err(|error| failure(&error, Operation::List, prefix))
        })
    }

    fn delete(&self, path: &str) -> Result<(), ObjectError> {
        let location = location(Operation::Delete, path)?;
        let outcome = self.run(Operation::Delete, path, async {
            let outcome = self.remote.delete(&location).await;
            outcome.map_err(|error| failure(&error, Operation::Delete, path))
        });
        match outcome {
            Err(ObjectError::Missing { .. }) => Ok(()),
            outcome => outcome,
        }
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // Without waiting: a file system that hangs would hold up whoever lets go of the store.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn location(operation: Operation, path: &str) -> Result<Path, ObjectError> {
    if let Some(objection) = objection(path) {
        return Err(refused(operation, path, objection));
    }
    Path::parse(path).map_err(|error| refused(operation, path, error.to_string()))
}
