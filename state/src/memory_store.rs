//! A backend for simulations, with a disk that forgets.
//!
//! Keeps the promise of [`Backend`] in the most adverse way that is still legal: what was not synced may be lost in a
//! crash, but only as a suffix of whole batches.

use crate::backend::{Backend, Purged};
use crate::batch::Batch;
use crate::checkpoint::Snapshot;
use crate::error::Error;
use crate::meta::Meta;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Contexts of one partition in RAM. Empty by default; it takes the identity of its first batch.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    meta: Option<Meta>,
    contexts: BTreeMap<Vec<u8>, Vec<u8>>,
    /// How to take back the commits since the last sync, oldest first.
    unsynced: Vec<Undo>,
    purged: Option<Purged>,
    fail_next: bool,
}

/// What a commit replaced.
#[derive(Debug)]
struct Undo {
    meta: Option<Meta>,
    contexts: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl MemoryStore {
    /// Makes every commit so far safe from `crash`.
    pub fn sync(&self) {
        self.contents().unsynced.clear();
    }

    /// Forgets the newest `forget` commits, or all since the last sync if there are fewer. The rest is safe from then on,
    /// as what is found on a disk after a crash is.
    pub fn crash(&self, forget: usize) {
        let mut contents = self.contents();
        for _ in 0..forget {
            let Some(undo) = contents.unsynced.pop() else {
                break;
            };
            contents.take_back(undo);
        }
        contents.unsynced.clear();
    }

    /// The next commit fails and changes nothing.
    pub fn fail_next_commit(&self) {
        self.contents().fail_next = true;
    }

    /// Commits that a crash could still forget.
    pub fn unsynced(&self) -> usize {
        self.contents().unsynced.len()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // A panic elsewhere is that thread's problem: nothing here is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Option<Vec<u8>> {
        match value {
            Some(value) => self.contexts.insert(key.to_vec(), value.to_vec()),
            None => self.contexts.remove(key),
        }
    }

    fn take_back(&mut self, undo: Undo) {
        self.meta = undo.meta;
        for (key, value) in undo.contexts.into_iter().rev() {
            self.set(&key, value.as_deref());
        }
    }
}

impl Backend for MemoryStore {
    fn meta(&self) -> Result<Option<Meta>, Error> {
        Ok(self.contents().meta.clone())
    }

    fn get(&self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Error> {
        into.clear();
        let contents = self.contents();
        let value = contents.contexts.get(key);
        into.extend_from_slice(value.map(Vec::as_slice).unwrap_or_default());
        Ok(value.is_some())
    }

    fn commit(&self, batch: &Batch) -> Result<(), Error> {
        let mut contents = self.contents();
        if std::mem::take(&mut contents.fail_next) {
            return Err(Error::Io {
                operation: "commit",
                path: place(),
                detail: "injected".into(),
            });
        }
        if let Some(meta) = &contents.meta {
            meta.admit(&batch.meta, &place())?;
        }
        let mut undo = Undo {
            meta: contents.meta.replace(batch.meta.clone()),
            contexts: Vec::with_capacity(batch.len()),
        };
        for (key, value) in batch.iter() {
            let before = contents.set(key, value);
            undo.contexts.push((key.to_vec(), before));
        }
        contents.unsynced.push(undo);
        Ok(())
    }

    fn snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, Error> {
        let contents = self.contents();
        let Some(meta) = &contents.meta else {
            return Ok(None);
        };
        let mut files = BTreeMap::from([(META.to_owned(), meta.encode())]);
        for (key, value) in &contents.contexts {
            let spread = key.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % PIECES;
            let piece = files.entry(format!("{spread}")).or_default();
            for bytes in [key, value] {
                piece.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                piece.extend_from_slice(bytes);
            }
        }
        Ok(Some(Box::new(InMemory {
            meta: meta.clone(),
            files,
        })))
    }

    fn purge(&self, upto: Purged) -> Result<(), Error> {
        // It rewrites everything durably, so nothing before it can be taken back.
        let mut contents = self.contents();
        contents.unsynced.clear();
        contents.purged = Some(upto);
        Ok(())
    }

    fn purged(&self) -> Result<Option<Purged>, Error> {
        Ok(self.contents().purged)
    }

    fn scan(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<Option<Meta>, Error> {
        let contents = self.contents();
        for (key, value) in &contents.contexts {
            visit(key, value);
        }
        Ok(contents.meta.clone())
    }
}

/// Of the file that holds the [`Meta`].
const META: &str = "meta";
/// Files that the contexts are spread over, so that one checkpoint shares some with the next.
const PIECES: u8 = 4;

struct InMemory {
    meta: Meta,
    files: BTreeMap<String, Vec<u8>>,
}

impl Snapshot for InMemory {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn files(&self) -> Result<Vec<String>, Error> {
        Ok(self.files.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        Ok(self.files[name].clone())
    }
}

impl MemoryStore {
    /// The store whose snapshot had these files.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<MemoryStore, Error> {
        let malformed = || Error::Corrupt {
            path: place(),
            detail: "files of no snapshot".into(),
        };
        let mut contents = Contents::default();
        for (name, bytes) in files {
            if name == META {
                contents.meta = Some(Meta::decode(bytes).map_err(|_| malformed())?);
                continue;
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (key, after) = piece(rest).ok_or_else(malformed)?;
                let (value, after) = piece(after).ok_or_else(malformed)?;
                contents.contexts.insert(key.to_vec(), value.to_vec());
                rest = after;
            }
        }
        Ok(MemoryStore(Mutex::new(contents)))
    }
}

fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
}

fn place() -> PathBuf {
    PathBuf::from("memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Identity;

    fn batch(boundary: i64, contexts: &[(&str, Option<&str>)]) -> Batch {
        let identity = Identity {
            log_id: "log".into(),
            partition: 0,
        };
        let mut batch = Batch::new(Meta {
            identity,
            boundary,
            verdict_end: 0,
            topic: String::new(),
            state: Vec::new(),
        });
        for (key, value) in contexts {
            batch.push(key.as_bytes(), value.map(str::as_bytes));
        }
        batch
    }

    fn contents(store: &MemoryStore) -> (i64, Vec<String>) {
        let mut found = Vec::new();
        let meta = store.scan(&mut |key, value| {
            found.push(String::from_utf8([key, b"=", value].concat()).expect("text"))
        });
        (
            meta.expect("no fault").map_or(-1, |meta| meta.boundary),
            found,
        )
    }

    #[test]
    fn a_crash_forgets_whole_batches_from_the_end() {
        let store = MemoryStore::default();
        store
            .commit(&batch(1, &[("a", Some("1")), ("b", Some("1"))]))
            .expect("commit");
        store.sync();
        store
            .commit(&batch(2, &[("a", Some("2")), ("b", None)]))
            .expect("commit");
        store
            .commit(&batch(3, &[("a", None), ("b", Some("3"))]))
            .expect("commit");
        store.crash(1);
        assert_eq!(contents(&store), (2, vec!["a=2".to_owned()]));
        store.crash(9);
        assert_eq!(
            contents(&store),
            (2, vec!["a=2".to_owned()]),
            "what survived a crash survives the next"
        );
    }

    #[test]
    fn a_crash_never_forgets_what_was_synced() {
        let store = MemoryStore::default();
        store
            .commit(&batch(1, &[("a", Some("1"))]))
            .expect("commit");
        store.sync();
        store
            .commit(&batch(2, &[("a", Some("2"))]))
            .expect("commit");
        store.crash(usize::MAX);
        assert_eq!(contents(&store), (1, vec!["a=1".to_owned()]));
    }

    #[test]
    fn a_failed_commit_changes_nothing_and_fails_once() {
        let store = MemoryStore::default();
        store.fail_next_commit();
        assert!(matches!(
            store.commit(&batch(1, &[("a", Some("1"))])),
            Err(Error::Io { .. })
        ));
        assert_eq!(contents(&store), (-1, vec![]));
        assert_eq!(store.commit(&batch(1, &[("a", Some("1"))])), Ok(()));
    }

    #[test]
    fn a_batch_of_another_partition_or_of_the_past_is_refused() {
        let store = MemoryStore::default();
        store.commit(&batch(5, &[])).expect("commit");
        let mut foreign = batch(6, &[("a", Some("1"))]);
        foreign.meta.identity.partition = 1;
        assert!(matches!(
            store.commit(&foreign),
            Err(Error::WrongIdentity { .. })
        ));
        assert!(matches!(
            store.commit(&batch(4, &[])),
            Err(Error::Backwards {
                stored: 5,
                offered: 4,
                ..
            })
        ));
        assert_eq!(contents(&store), (5, vec![]));
    }
}
