//! Old state in the data directory that nobody here uses: stores of partitions that live elsewhere now, and what was set aside.
//!
//! Invariant: an erasure reaches only the owner of a partition, so what is not owned must not outlive the time that erasures have. It
//! is removed so long after it was last written, whether anybody was erased or not. A store that somebody here holds is never
//! touched: its partition's lease is held meanwhile. It is a cache of the log; what goes costs a download or a fold.

use super::world::partition_dir;
use crate::restore::Leases;
use gavel_state::Store;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Old directories of one process.
pub struct Leftovers {
    pub data_dir: PathBuf,
    pub leases: Leases,
    pub within: Duration,
    /// Between two looks. The first comes as late, when what is assigned here has been taken.
    pub every: Duration,
    pub last: Instant,
}

/// A directory that belongs to a partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Held {
    pub partition: i32,
    /// When it was set aside, in milliseconds since 1970. None: its files tell its age.
    pub aside: Option<i64>,
}

impl Held {
    /// What the name of an entry of the data directory says, if it is one of ours.
    pub fn parse(name: &str) -> Option<Held> {
        let (partition, kind) = match name.strip_prefix("partition-")?.split_once('.') {
            Some((partition, kind)) => (partition, Some(kind)),
            None => (name.strip_prefix("partition-")?, None),
        };
        let aside = kind.and_then(|kind| {
            let at = kind
                .strip_prefix("corrupt-")
                .or_else(|| kind.strip_prefix("former-log-"));
            at?.parse().ok()
        });
        Some(Held {
            partition: partition.parse().ok()?,
            aside,
        })
    }

    /// Since when nobody has written to it.
    pub fn since(&self, dir: &Path) -> Option<i64> {
        self.aside.or_else(|| newest(dir))
    }
}

impl Leftovers {
    pub fn look(&mut self, now: i64) {
        if self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        let Ok(entries) = std::fs::read_dir(&self.data_dir) else {
            return;
        };
        for entry in entries.flatten() {
            if let Some(held) = entry.file_name().to_str().and_then(Held::parse) {
                self.look_at(&entry.path(), &held, now);
            }
        }
    }

    fn look_at(&self, dir: &Path, held: &Held, now: i64) {
        let within = i64::try_from(self.within.as_millis()).unwrap_or(i64::MAX);
        let is_old = || {
            held.since(dir)
                .is_some_and(|since| since.saturating_add(within) <= now)
        };
        if !is_old() {
            return;
        }
        let Some(_lease) = self.leases.take(held.partition) else {
            return;
        };
        // It may have been written to before the lease was ours.
        if !is_old() {
            return;
        }
        let removed = if *dir == partition_dir(&self.data_dir, held.partition) {
            Store::destroy(dir).map_err(|error| error.to_string())
        } else {
            std::fs::remove_dir_all(dir).map_err(|error| error.to_string())
        };
        let (partition, dir) = (held.partition, dir.display());
        match removed {
            Ok(()) => {
                tracing::info!(partition, %dir, "nobody has used this for as long as erased users may take to be gone; it is removed");
            }
            Err(error) => {
                tracing::warn!(partition, %dir, "old state stays, and what was erased with it: {error}");
            }
        }
    }
}

/// When the directory or a file in it was last written, in milliseconds since 1970.
fn newest(dir: &Path) -> Option<i64> {
    let modified = |path: &Path| {
        let time = std::fs::metadata(path).ok()?.modified().ok()?;
        i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    };
    let entries = std::fs::read_dir(dir).ok()?;
    let files = entries
        .flatten()
        .filter_map(|entry| modified(&entry.path()));
    files.chain(modified(dir)).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wall_ms;

    fn look(dir: &Path, leases: &Leases, now: i64) -> Vec<String> {
        let mut leftovers = Leftovers {
            data_dir: dir.into(),
            leases: leases.clone(),
            within: Duration::from_secs(60),
            every: Duration::ZERO,
            last: Instant::now(),
        };
        leftovers.look(now);
        let entries = std::fs::read_dir(dir).expect("a directory").flatten();
        let mut left: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        left
    }

    #[test]
    fn what_nobody_holds_goes_when_it_is_old_and_nothing_else_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let make = |name: &str| std::fs::create_dir(dir.path().join(name)).expect("made");
        let now = wall_ms();
        let aside = format!("partition-1.corrupt-{}", now - 50_000);
        for name in [
            "partition-1",
            "partition-2",
            "partition-2.snapshot",
            "checkpoints",
            &aside,
        ] {
            make(name);
        }
        let leases = Leases::default();
        assert_eq!(look(dir.path(), &leases, now).len(), 5);
        let left = look(dir.path(), &leases, now + 20_000);
        assert_eq!(
            left,
            [
                "checkpoints",
                "partition-1",
                "partition-2",
                "partition-2.snapshot"
            ]
        );
        let _held = leases.take(2);
        let left = look(dir.path(), &leases, now + 120_000);
        assert_eq!(left, ["checkpoints", "partition-2", "partition-2.snapshot"]);
    }

    #[test]
    fn names_say_whose_a_directory_is() {
        let held = |partition, aside| Some(Held { partition, aside });
        assert_eq!(Held::parse("partition-7"), held(7, None));
        assert_eq!(Held::parse("partition-7.corrupt-55"), held(7, Some(55)));
        assert_eq!(Held::parse("partition-7.former-log-5"), held(7, Some(5)));
        assert_eq!(Held::parse("partition-7.incoming"), held(7, None));
        assert_eq!(Held::parse("checkpoints"), None);
        assert_eq!(Held::parse("partition-x"), None);
    }
}
