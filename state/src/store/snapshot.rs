//! Snapshots of a store, and stores made from the files of one.
//!
//! Invariant: what is taken for the store of a partition is either the old directory or the new one, never a mixture: files are
//! written and synced beside it, opened, compared with what they claim to be, and only then renamed into its place.

use super::failure::{Doing, failure};
use super::{Shared, Store, is_condemned};
use crate::backend::Backend;
use crate::checkpoint::Snapshot;
use crate::error::Error;
use crate::meta::{Identity, Meta};
use rocksdb::checkpoint::Checkpoint;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// In a directory of its own, with hard links to the store's tables.
struct OnDisk {
    dir: PathBuf,
    meta: Meta,
}

impl Store {
    /// The store as it is now, or `None` before the first commit. Commits go on meanwhile; what is in memory is written out.
    pub(super) fn take_snapshot(&self) -> Result<Option<Box<dyn Snapshot>>, Error> {
        let dir = beside(&self.path, "snapshot");
        clear(&dir)?;
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(&dir))
            .map_err(|error| self.failure(error, Doing::Snapshot))?;
        let meta =
            Store::open_read_only(&dir, &Shared::for_a_look()).and_then(|store| store.meta());
        match meta {
            Ok(Some(meta)) => Ok(Some(Box::new(OnDisk { dir, meta }))),
            Ok(None) => clear(&dir).map(|()| None),
            Err(error) => {
                clear(&dir)?;
                Err(error)
            }
        }
    }
}

impl Snapshot for OnDisk {
    fn meta(&self) -> &Meta {
        &self.meta
    }

    fn files(&self) -> Result<Vec<String>, Error> {
        let failed = |error| failure(error, Doing::Snapshot, &self.dir);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            // RocksDB gives its files plain names; its lock and its text log are no part of the state.
            let name = name.to_string_lossy().into_owned();
            if name != "LOCK" && !name.starts_with("LOG") {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.dir.join(name);
        std::fs::read(&path).map_err(|error| failure(error, Doing::Snapshot, &path))
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        // What stays behind is removed before the next snapshot.
        let _tried = clear(&self.dir);
    }
}

/// A store on its way into a directory, file by file.
pub struct Incoming {
    dir: PathBuf,
    store: PathBuf,
}

impl Incoming {
    /// Begins beside the store in `store`, which is untouched until `finish`.
    pub fn begin(store: &Path) -> Result<Incoming, Error> {
        let dir = beside(store, "incoming");
        clear(&dir)?;
        std::fs::create_dir_all(&dir).map_err(|error| failure(error, Doing::Install, &dir))?;
        Ok(Incoming {
            dir,
            store: store.into(),
        })
    }

    /// Writes one file and syncs it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.dir.join(name);
        let write = || -> io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|error| failure(error, Doing::Install, &path))
    }

    /// Opens what was written, and takes it for what it claims to be only if it is `identity` at `boundary`. What comes after a store
    /// that was found corrupt is read from end to end besides: a table that was damaged on the disk of its owner is in the checkpoints of
    /// that owner as it was, under a hash that fits.
    pub fn check(
        self,
        identity: &Identity,
        boundary: i64,
        shared: &Shared,
    ) -> Result<Checked, Error> {
        let store = Store::open(&self.dir, identity, shared)?;
        let found = store.meta()?.map_or(-1, |meta| meta.boundary);
        if found != boundary {
            return Err(Error::Corrupt {
                path: self.dir.clone(),
                detail: format!("it holds offset {found}, not {boundary}"),
            });
        }
        if is_condemned(&self.store) {
            store.scan(&mut |_, _| {})?;
        }
        Ok(Checked(self))
    }
}

/// A store beside its place that is what it claims to be.
pub struct Checked(Incoming);

impl Checked {
    /// Puts it in the place of the store and opens it there. The store that was there is removed; nobody may hold it.
    pub fn install(self, identity: &Identity, shared: &Shared) -> Result<Store, Error> {
        let Checked(Incoming { dir, store }) = self;
        let failed = |error| failure(error, Doing::Install, &store);
        let old = beside(&store, "replaced");
        clear(&old)?;
        sync_dir(&dir).map_err(failed)?;
        match std::fs::rename(&store, &old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        std::fs::rename(&dir, &store).map_err(failed)?;
        sync_dir(store.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        clear(&old)?;
        Store::open(&store, identity, shared)
    }
}

/// Removes what a crash in the middle of an installation left beside the store in `store`. Called by whoever is about to open it.
/// A snapshot stays: it may still be on its way.
pub fn tidy(store: &Path) -> Result<(), Error> {
    for kind in ["incoming", "replaced"] {
        clear(&beside(store, kind))?;
    }
    Ok(())
}

fn beside(store: &Path, kind: &str) -> PathBuf {
    store.with_extension(kind)
}

fn clear(dir: &Path) -> Result<(), Error> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failure(error, Doing::Install, dir))
        }
        _ => Ok(()),
    }
}

/// Makes names in a directory survive a power cut.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
