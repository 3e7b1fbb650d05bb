//! Where a replay keeps the contexts that do not fit into memory.
//!
//! Invariant: nothing of the processor is touched: a replay has a directory of its own, which goes with it unless it was named, to be
//! gone on with.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory for the stores of one replay.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    passing: bool,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    /// One that is gone with this value.
    pub fn passing() -> io::Result<Scratch> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gavel-replay-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        // Of a process that had this number and was killed.
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // What users said may lie here: for nobody else on this machine.
        let mut private = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        private.create(&dir)?;
        Ok(Scratch { dir, passing: true })
    }

    /// One that stays.
    pub fn kept(dir: &Path) -> io::Result<Scratch> {
        std::fs::create_dir_all(dir)?;
        Ok(Scratch {
            dir: dir.to_owned(),
            passing: false,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.passing {
            // What stays behind is in the system's directory for such things.
            let _tried = std::fs::remove_dir_all(&self.dir);
        }
    }
}
