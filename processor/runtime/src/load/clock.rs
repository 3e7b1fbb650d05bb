//! One clock for everything that is measured: the monotonic one, from the run's beginning.

use std::time::{Duration, Instant};

/// Longest sleep, so that a run that is told to end does.
const NAP: Duration = Duration::from_millis(100);

/// Nanoseconds since the run's beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    origin: Instant,
}

impl Clock {
    /// The run begins after this long.
    pub fn starting_in(lead: Duration) -> Clock {
        Clock {
            origin: Instant::now() + lead,
        }
    }

    /// 0 before the beginning.
    pub fn ns(&self) -> u64 {
        nanoseconds(Instant::now().saturating_duration_since(self.origin))
    }

    /// Sleeps until the run begins.
    pub fn wait_for_start(&self) {
        std::thread::sleep(self.origin.saturating_duration_since(Instant::now()));
    }

    /// Sleeps until this time or for a nap, whatever is shorter. Never spins: generator, broker and processor may share the cores.
    pub fn sleep_towards(&self, ns: u64) {
        let at = self.origin + Duration::from_nanos(ns);
        std::thread::sleep(at.saturating_duration_since(Instant::now()).min(NAP));
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
