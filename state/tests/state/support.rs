//! Small things that every test needs.

use gavel_state::{Backend, Batch, Error, Identity, Memory, MemoryStore, Meta, Shared, Store};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub type Contexts = BTreeMap<Vec<u8>, Vec<u8>>;

pub fn identity() -> Identity {
    Identity {
        log_id: "log-1".into(),
        partition: 3,
    }
}

pub fn meta(boundary: i64) -> Meta {
    Meta {
        identity: identity(),
        boundary,
        verdict_end: boundary + 1,
        topic: String::new(),
        state: format!("state at {boundary}").into_bytes(),
    }
}

pub fn batch(boundary: i64, contexts: &[(&[u8], Option<&[u8]>)]) -> Batch {
    let mut batch = Batch::new(meta(boundary));
    for (key, value) in contexts {
        batch.push(key, *value);
    }
    batch
}

pub fn shared() -> Shared {
    Shared::new(8 << 20, 8 << 20)
}

pub fn open(dir: &Path) -> Result<Store, Error> {
    Store::open(dir, &identity(), &shared())
}

/// Everything in the backend, with its meta.
pub fn contents(backend: &dyn Backend) -> Result<(Option<Meta>, Contexts), Error> {
    let mut contexts = Contexts::new();
    let mut last: Option<Vec<u8>> = None;
    let meta = backend.scan(&mut |key, value| {
        assert!(last.as_deref() < Some(key), "keys come in order");
        last = Some(key.to_vec());
        contexts.insert(key.to_vec(), value.to_vec());
    })?;
    Ok((meta, contexts))
}

pub fn digest(backend: &dyn Backend) -> [u8; 32] {
    gavel_state::digest(backend, 0, &|_, _| false).expect("readable")
}

pub fn load(memory: &mut Memory, key: &[u8]) -> Option<Vec<u8>> {
    let mut value = b"left over".to_vec();
    let present = memory.load(key, &mut value).expect("readable");
    assert!(present || value.is_empty());
    present.then_some(value)
}

/// A whole epoch at once, into the backend.
pub fn commit_epoch(memory: &mut Memory, boundary: i64) {
    memory.begin_epoch(meta(boundary));
    assert!(memory.freeze(usize::MAX));
    let batch = memory.take_batch().expect("complete");
    memory.backend().commit(&batch).expect("commit");
    memory.epoch_committed(boundary);
}

pub fn memory(budget: usize) -> (Arc<MemoryStore>, Memory) {
    let store: Arc<MemoryStore> = Arc::default();
    let memory = Memory::new(Arc::clone(&store) as Arc<dyn Backend>, budget);
    (store, memory)
}
