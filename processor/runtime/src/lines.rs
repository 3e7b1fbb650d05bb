//! Lines of a file or a pipe, with a bound.
//!
//! Invariant: a line takes no more memory than one byte over the largest record, whatever the file holds; what is cut is
//! over the limit either way, and is judged so.

use std::io::{self, BufRead};

use gavel_schemas::limits::RECORD_BYTES;

/// Reads line after line; `line` and `number` describe the current one.
pub struct LineReader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> LineReader<R> {
    pub fn new(input: R) -> LineReader<R> {
        LineReader {
            input,
            line: Vec::with_capacity(4096),
            number: 0,
        }
    }

    /// Moves to the next line; `false` at the end of the input.
    pub fn advance(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut any = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                self.number += u64::from(any);
                return Ok(any);
            }
            any = true;
            let newline = available.iter().position(|byte| *byte == b'\n');
            let used = newline.unwrap_or(available.len());
            let room = (RECORD_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&available[..used.min(room)]);
            self.input.consume(newline.map_or(used, |at| at + 1));
            if newline.is_some() {
                self.number += 1;
                return Ok(true);
            }
        }
    }

    /// The current line without white space around it. Longer than [`RECORD_BYTES`] only if the line is.
    pub fn line(&self) -> &[u8] {
        if self.line.len() > RECORD_BYTES {
            &self.line
        } else {
            self.line.trim_ascii()
        }
    }

    /// Number of the current line, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut lines = LineReader::new(io::BufReader::with_capacity(7, input));
        let mut out = Vec::new();
        while lines.advance().expect("memory does not fail") {
            out.push((lines.number(), lines.line().to_vec()));
        }
        out
    }

    #[test]
    fn lines_are_trimmed_and_numbered_and_the_last_needs_no_newline() {
        let expected = [
            (1, b"{\"a\": 1}".to_vec()),
            (2, Vec::new()),
            (3, b"longer than the buffer".to_vec()),
        ];
        assert_eq!(all(b"  {\"a\": 1}\r\n\nlonger than the buffer"), expected);
        assert_eq!(all(b"x\n"), [(1, b"x".to_vec())]);
        assert!(all(b"").is_empty());
    }

    #[test]
    fn an_endless_line_stays_bounded_and_over_the_limit() {
        let mut input = vec![b'x'; 3 * RECORD_BYTES];
        input.extend_from_slice(b"\nnext\n");
        let lines = all(&input);
        assert_eq!(
            (lines[0].1.len(), lines[1].1.as_slice()),
            (RECORD_BYTES + 1, b"next".as_slice())
        );
    }
}
