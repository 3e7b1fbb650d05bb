//! Results on standard output: buffered when piped, line by line on a terminal.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::Failure;
use gavel_runtime::reports;

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

    /// Bytes that hold lines of their own.
    pub fn raw(&mut self) -> &mut dyn Write {
        &mut self.inner
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

/// A file on its way: readers see the old one or the new one, and nothing of one that was given up.
pub struct Whole {
    file: BufWriter<fs::File>,
    beside: PathBuf,
    path: PathBuf,
}

impl Whole {
    pub fn begin(path: &Path) -> Result<Whole, Failure> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.tmp", std::process::id()));
        let beside = PathBuf::from(beside);
        match fs::File::create_new(&beside) {
            Ok(file) => Ok(Whole {
                file: BufWriter::with_capacity(1 << 16, file),
                beside,
                path: path.to_owned(),
            }),
            Err(error) => Err(unwritten(path, &error)),
        }
    }

    /// Writes by `write`, then puts the file in its place.
    pub fn fill(
        mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let written = write(&mut self.file)
            .and_then(|()| self.file.flush())
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.beside, &self.path));
        written.map_err(|error| unwritten(&self.path, &error))
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        // It is not there if all went well; what went wrong before is what counts.
        let _ = fs::remove_file(&self.beside);
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::broken(
        format!("{}: cannot be written: {error}", path.display()),
        "check the directory and the space on its disk",
    )
}

/// Writes beside the file and renames; or puts the object, if the path is `s3://…`.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(place) = object(path) {
        return reports::write(place, text.as_bytes()).map_err(|error| {
            Failure::broken(
                format!("{place}: cannot be written: {error}"),
                "check the bucket, AWS_REGION and that the role may put there",
            )
        });
    }
    Whole::begin(path)?.fill(|file| file.write_all(text.as_bytes()))
}

/// A report of an earlier command: a file, or an object.
pub fn read_whole(path: &Path) -> Result<Vec<u8>, String> {
    match object(path) {
        Some(place) => reports::read(place).map_err(|error| error.to_string()),
        None => fs::read(path).map_err(|error| error.to_string()),
    }
}

/// The reports under a place of objects that ends with a slash; anything else stands for itself.
pub fn expand(path: &Path) -> Result<Vec<PathBuf>, String> {
    let Some(place) = object(path) else {
        return Ok(vec![path.to_owned()]);
    };
    let found = reports::expand(place).map_err(|error| error.to_string())?;
    if found.is_empty() {
        return Err("there are no objects".into());
    }
    Ok(found.into_iter().map(PathBuf::from).collect())
}

fn object(path: &Path) -> Option<&str> {
    path.to_str().filter(|place| reports::is_object(place))
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
        let given_up = Whole::begin(&path).unwrap().fill(|file| {
            file.write_all(b"three")?;
            Err(io::Error::other("the power is gone"))
        });
        assert!(given_up.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
