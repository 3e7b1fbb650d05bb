//! Results on standard output: buffered when piped, line by line on a terminal.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::Failure;

/// Standard output, locked for a command.
pub struct Out {
    inner: BufWriter<StdoutLock<'static>>,
    /// Whether each line must be seen at once.
    eager: bool,
}

impl Out {
    pub fn new() -> Out {
        let stdout = io::stdout();
        let eager = stdout.is_terminal();
        Out {
            inner: BufWriter::with_capacity(1 << 16, stdout.lock()),
            eager,
        }
    }

    /// Each line is passed on at once, for output that somebody waits for.
    #[must_use]
    pub fn eager(mut self) -> Out {
        self.eager = true;
        self
    }

    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.inner.write_all(text.as_bytes())?;
        self.end_line()
    }

    /// One JSON value on one line.
    pub fn json<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer(&mut self.inner, value)?;
        self.end_line()
    }

    /// The end of the results: an error here means that they are not complete.
    pub fn finish(mut self) -> io::Result<()> {
        self.inner.flush()
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.inner.write_all(b"\n")?;
        if self.eager {
            self.inner.flush()
        } else {
            Ok(())
        }
    }
}

/// Writes beside the file and renames: readers see the old file or the new one.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = fs::File::create_new(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| {
        // It may not be there; what went wrong before is what counts.
        let _ = fs::remove_file(&beside);
        Failure::broken(
            format!("{}: cannot be written: {error}", path.display()),
            "check the directory and the space on its disk",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write_whole(&directory.path().join("none/file"), "x").is_err());
    }
}
