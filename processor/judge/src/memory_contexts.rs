//! Contexts without a store: for files, tests and straight folds.

use crate::fold::Contexts;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// All contexts by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryContexts(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl Contexts for MemoryContexts {
    type Error = Infallible;

    fn load(&mut self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, Infallible> {
        into.clear();
        let found = self.0.get(key);
        into.extend_from_slice(found.map_or(&[], Vec::as_slice));
        Ok(found.is_some())
    }

    fn store(&mut self, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.0.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), Infallible> {
        self.0.remove(key);
        Ok(())
    }
}
