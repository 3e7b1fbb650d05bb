//! One module per command: its flags, what it calls, what it prints.

pub mod completions;
pub mod demo;
pub mod judge;
pub mod load;
pub mod policy;
pub mod produce;
pub mod replay;
pub mod run;
pub mod schemas;
pub mod settings;
pub mod state;
pub mod topics;
pub mod verdicts;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use crate::failure::Failure;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 18;

/// A file, or standard input for `-`.
pub fn input(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::with_capacity(READ_BYTES, io::stdin())));
    }
    match File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::with_capacity(READ_BYTES, file))),
        Err(error) => Err(Failure::usage(
            format!("{}: cannot be read: {error}", path.display()),
            "check the path; `-` reads standard input",
        )),
    }
}
