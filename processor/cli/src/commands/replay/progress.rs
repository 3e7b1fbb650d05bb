//! How far a replay is: a bar on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gavel_runtime::replay::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

pub struct Shown {
    done: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Shown {
    pub fn start(progress: &Arc<Progress>) -> Shown {
        let done = Arc::new(AtomicBool::new(false));
        let (told, progress) = (Arc::clone(&done), Arc::clone(progress));
        let show = if std::io::stderr().is_terminal() {
            draw
        } else {
            log
        };
        Shown {
            done,
            thread: thread::spawn(move || show(&progress, &told)),
        }
    }

    pub fn stop(self) {
        self.done.store(true, Ordering::Release);
        // A bar that failed is no reason to fail.
        drop(self.thread.join());
    }
}

fn draw(progress: &Progress, done: &AtomicBool) {
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} records, {per_sec}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    while !done.load(Ordering::Acquire) {
        bar.set_length(progress.total.load(Ordering::Relaxed));
        bar.set_position(progress.done.load(Ordering::Relaxed));
        thread::sleep(LOOK);
    }
    bar.finish_and_clear();
}

fn log(progress: &Progress, done: &AtomicBool) {
    let began = Instant::now();
    let mut told = began;
    while !done.load(Ordering::Acquire) {
        thread::sleep(LOOK);
        if told.elapsed() < LINE_EVERY {
            continue;
        }
        told = Instant::now();
        let total = progress.total.load(Ordering::Relaxed);
        let folded = progress.done.load(Ordering::Relaxed);
        let per_s = folded as f64 / began.elapsed().as_secs_f64();
        let left = total.saturating_sub(folded) as f64 / per_s.max(1.0);
        eprintln!("replayed {folded} of {total} records, {per_s:.0}/s, {left:.0} s left");
    }
}
