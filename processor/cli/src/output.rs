//! Results on standard output: buffered when piped, line by line on a terminal.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

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
