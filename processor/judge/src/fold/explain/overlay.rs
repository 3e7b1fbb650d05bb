//! Contexts that a step may change without anybody keeping it.

use crate::fold::Contexts;
use std::collections::BTreeMap;

/// What a step asked for and what it left.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    asked: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    left: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// Contexts seen through an overlay.
pub(super) struct Over<'o, C> {
    overlay: &'o mut Overlay,
    contexts: &'o mut C,
}

impl Overlay {
    pub fn over<'o, C: Contexts>(&'o mut self, contexts: &'o mut C) -> Over<'o, C> {
        Over {
            overlay: self,
            contexts,
        }
    }

    /// What was stored before the step, if the step asked for it.
    pub fn before(&self, key: &[u8]) -> Option<&[u8]> {
        self.asked.get(key)?.as_deref()
    }

    /// What would be stored after the step.
    pub fn after(&self, key: &[u8]) -> Option<&[u8]> {
        match self.left.get(key) {
            Some(left) => left.as_deref(),
            None => self.before(key),
        }
    }

    /// Whether the step removed something that was there.
    pub fn has_removed(&self, key: &[u8]) -> bool {
        self.before(key).is_some() && self.after(key).is_none()
    }
}

impl<C: Contexts> Contexts for Over<'_, C> {
    type Error = C::Error;

    fn load(&mut self, key: &[u8], into: &mut Vec<u8>) -> Result<bool, C::Error> {
        let found = self.contexts.load(key, into)?;
        self.overlay
            .asked
            .insert(key.to_vec(), found.then(|| into.clone()));
        if let Some(left) = self.overlay.left.get(key) {
            into.clear();
            into.extend_from_slice(left.as_deref().unwrap_or_default());
            return Ok(left.is_some());
        }
        Ok(found)
    }

    fn store(&mut self, key: &[u8], value: &[u8]) -> Result<(), C::Error> {
        self.overlay.left.insert(key.to_vec(), Some(value.to_vec()));
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), C::Error> {
        self.load(key, &mut Vec::new())?;
        self.overlay.left.insert(key.to_vec(), None);
        Ok(())
    }
}
