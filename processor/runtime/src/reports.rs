//! Reports where other machines find them: objects in the store that checkpoints may be in, too.
//!
//! The parts of an audit are written by many pods, which share no disk, and merged by one.

use gavel_state::{ObjectAddressError, ObjectError, ObjectOptions, ObjectStore, Objects};

const S3: &str = "s3://";

/// Why a report was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("`{0}` names no object: write s3://BUCKET/PREFIX/NAME")]
    NoName(String),
    #[error(transparent)]
    Address(#[from] ObjectAddressError),
    #[error(transparent)]
    Object(#[from] ObjectError),
}

/// Whether a place is an object rather than a file.
pub fn is_object(place: &str) -> bool {
    place.starts_with(S3)
}

/// Writes an object; what stood there, from an earlier attempt, is replaced.
pub fn write(place: &str, text: &[u8]) -> Result<(), ReportError> {
    let (store, name) = open(place)?;
    Ok(store.replace(name, text.to_vec())?)
}

pub fn read(place: &str) -> Result<Vec<u8>, ReportError> {
    let (store, name) = open(place)?;
    Ok(store.get(name)?)
}

/// The places under one that ends with a slash, in their order; another stands for itself.
pub fn expand(place: &str) -> Result<Vec<String>, ReportError> {
    let Some(prefix) = place.strip_suffix('/') else {
        return Ok(vec![place.to_owned()]);
    };
    let store = ObjectStore::open(prefix, &ObjectOptions::default())?;
    let listed = store.list("")?;
    Ok(listed
        .into_iter()
        .map(|object| format!("{prefix}/{}", object.path))
        .collect())
}

/// The store that a place is in, and its name there.
fn open(place: &str) -> Result<(ObjectStore, &str), ReportError> {
    let none = || ReportError::NoName(place.to_owned());
    let (prefix, name) = place.rsplit_once('/').ok_or_else(none)?;
    if name.is_empty() || prefix.len() <= S3.len() {
        return Err(none());
    }
    Ok((ObjectStore::open(prefix, &ObjectOptions::default())?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_needs_a_name_in_a_bucket() {
        for place in ["s3://", "s3://bucket", "s3://bucket/prefix/"] {
            assert!(
                matches!(open(place), Err(ReportError::NoName(_))),
                "{place}"
            );
        }
    }

    #[test]
    fn what_is_written_is_read_and_found_under_its_prefix() {
        let dir = tempfile::tempdir().expect("a directory");
        let under = format!("file://{}/audit", dir.path().display());
        for (name, text) in [
            ("part-1.json", "old"),
            ("part-0.json", "b"),
            ("part-1.json", "c"),
        ] {
            write(&format!("{under}/{name}"), text.as_bytes()).expect("written");
        }
        let found = expand(&format!("{under}/")).expect("listed");
        assert_eq!(
            found,
            ["0", "1"].map(|part| format!("{under}/part-{part}.json"))
        );
        assert_eq!(read(&found[1]).expect("read"), b"c");
        assert_eq!(expand("a.json").expect("itself"), ["a.json"]);
    }
}
