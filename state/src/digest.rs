//! One number for everything a partition remembers.
//!
//! Invariant: equal state, equal digest, wherever and however it is stored. Contexts that have expired at S's clock are
//! left out, because the fold treats them as absent and a store may or may not have dropped them yet.

use crate::backend::Backend;
use crate::error::Error;

/// BLAKE3 over the live contexts in key order, then the boundary and the fold's state. `clock` is the fold's clock at S
/// in milliseconds; `expired` tells of a context whether it counts as absent at that clock.
///
/// Verdict end and identity are left out: they say where state came from, not what it is.
pub fn digest(
    backend: &dyn Backend,
    clock: i64,
    expired: &dyn Fn(&[u8], i64) -> bool,
) -> Result<[u8; 32], Error> {
    let mut hasher = blake3::Hasher::new_derive_key("gavel partition state 1");
    let meta = backend.scan(&mut |key, value| {
        if !expired(value, clock) {
            hasher.update(b"c");
            update(&mut hasher, key);
            update(&mut hasher, value);
        }
    })?;
    hasher.update(b"s");
    let (boundary, state) = meta.map_or((-1, Vec::new()), |meta| (meta.boundary, meta.state));
    hasher.update(&boundary.to_le_bytes());
    update(&mut hasher, &state);
    Ok(*hasher.finalize().as_bytes())
}

/// The length goes first, so that no two lists of byte strings run together into the same input.
fn update(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
