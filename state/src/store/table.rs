//! What one table holds, apart from the store that it belongs to.

use super::CONTEXTS;
use super::failure::{Doing, failure};
use crate::error::Error;
use rocksdb::{DB, Options, ReadOptions};
use std::path::Path;

/// The end of every table.
const MAGIC: [u8; 8] = 0x88e2_41b7_85f4_cff7_u64.to_le_bytes();

/// Whether these are the bytes of a table, in which what is searched for may be compressed.
pub fn is_table(bytes: &[u8]) -> bool {
    bytes.ends_with(&MAGIC)
}

/// Visits every context in a table, also those that newer tables of its store replace. `scratch` is a directory that is used for
/// nothing else: what is in it is removed.
pub fn visit_table(
    bytes: &[u8],
    scratch: &Path,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), Error> {
    let failed = |error: std::io::Error| failure(error, Doing::Read, scratch);
    let unreadable = |error: rocksdb::Error| failure(error, Doing::Read, scratch);
    if scratch.exists() {
        std::fs::remove_dir_all(scratch).map_err(failed)?;
    }
    std::fs::create_dir_all(scratch).map_err(failed)?;
    std::fs::write(scratch.join("000007.sst"), bytes).map_err(failed)?;
    // Makes a store of whatever tables it finds.
    let options = Options::default();
    DB::repair(&options, scratch).map_err(unreadable)?;
    let db = DB::open_for_read_only(&options, scratch, false).map_err(unreadable)?;
    let mut whole = ReadOptions::default();
    whole.set_total_order_seek(true);
    let mut entries = db.raw_iterator_opt(whole);
    entries.seek_to_first();
    while let Some((key, value)) = entries.item() {
        if let Some((&CONTEXTS, key)) = key.split_first() {
            visit(key, value);
        }
        entries.next();
    }
    entries.status().map_err(unreadable)
}
