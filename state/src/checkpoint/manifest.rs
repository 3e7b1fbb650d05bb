//! What a checkpoint consists of.
//!
//! Invariant: a manifest names every byte of its checkpoint by length and SHA-256, its own included, so that whatever a store
//! or a wire did to a checkpoint is seen before anything of it is used.

use crate::meta::{Identity, Meta};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Version of the manifest's layout and of the paths. Another version is refused, never guessed at.
const FORMAT: u32 = 1;

/// The state of a partition at one boundary, as files. One line of JSON, then a line with the SHA-256 of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    pub log_id: String,
    pub partition: i32,
    /// K: offset of the last record folded into it.
    pub boundary: i64,
    /// As in [`Meta`].
    pub verdict_end: i64,
    #[serde(flatten)]
    pub about: About,
    /// In the order of their names.
    pub files: Vec<File>,
}

/// What the fold says of its state at the boundary; this crate only carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The fold's clock at the boundary: milliseconds since 1970.
    pub clock: i64,
    /// The newest engine that the state needs.
    pub engine: u32,
    /// Digests of the policies in force.
    pub policies: Vec<String>,
    /// The fold's clock at the last erasure before the boundary. None of the files holds anything of what was erased. Absent if
    /// there was none, and in manifests of releases that did not purge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_at: Option<i64>,
}

/// One file of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// In the directory of the store.
    pub name: String,
    pub size: u64,
    /// In hexadecimal digits.
    pub sha256: String,
    /// The object that holds it, beside the manifests.
    pub object: String,
}

/// Why bytes are no manifest of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// Written by a release that lays out manifests in another way.
    Newer(u32),
    /// What is wrong with them.
    Broken(String),
}

impl From<String> for Unfit {
    fn from(detail: String) -> Unfit {
        Unfit::Broken(detail)
    }
}

impl From<&str> for Unfit {
    fn from(detail: &str) -> Unfit {
        Unfit::Broken(detail.into())
    }
}

/// What every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Manifest {
    pub fn new(meta: &Meta, about: About, files: Vec<File>) -> Manifest {
        Manifest {
            format: FORMAT,
            log_id: meta.identity.log_id.clone(),
            partition: meta.identity.partition,
            boundary: meta.boundary,
            verdict_end: meta.verdict_end,
            about,
            files,
        }
    }

    /// Bytes of all its files together.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    pub fn encode(&self) -> Vec<u8> {
        // Integers, strings and lists of them: there is nothing JSON could refuse.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        let sum = sha256(&bytes);
        bytes.push(b'\n');
        bytes.extend_from_slice(sum.as_bytes());
        bytes.push(b'\n');
        bytes
    }

    pub fn decode(bytes: &[u8], identity: &Identity) -> Result<Manifest, Unfit> {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (body, sum) = bytes.split_at(end.ok_or("the line with its SHA-256 is missing")?);
        if sum != format!("\n{}\n", sha256(body)).as_bytes() {
            return Err("its bytes do not have its SHA-256".into());
        }
        let malformed = |error: serde_json::Error| Unfit::Broken(error.to_string());
        let Format { format } = serde_json::from_slice(body).map_err(malformed)?;
        if format != FORMAT {
            return Err(Unfit::Newer(format));
        }
        let manifest: Manifest = serde_json::from_slice(body).map_err(malformed)?;
        if (manifest.log_id.as_str(), manifest.partition)
            != (identity.log_id.as_str(), identity.partition)
        {
            return Err(format!(
                "it is of partition {} of log {}",
                manifest.partition, manifest.log_id
            )
            .into());
        }
        if let Some(file) = manifest.files.iter().find(|file| !plain(&file.name)) {
            return Err(format!("`{}` is no name of a file", file.name).into());
        }
        Ok(manifest)
    }
}

/// A name that stays in its directory.
fn plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
}

/// In hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing to a string does not fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            log_id: "log".into(),
            partition: 3,
        }
    }

    fn manifest() -> Manifest {
        let meta = Meta {
            identity: identity(),
            boundary: 41,
            verdict_end: 43,
            topic: String::new(),
            state: Vec::new(),
        };
        let about = About {
            clock: 1_700_000_000_000,
            engine: 1,
            policies: vec!["p".into()],
            erased_at: Some(1_690_000_000_000),
        };
        let file = File {
            name: "000007.sst".into(),
            size: 5,
            sha256: sha256(b"hello"),
            object: "files/x".into(),
        };
        Manifest::new(&meta, about, vec![file])
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        assert_eq!(
            Manifest::decode(&manifest().encode(), &identity()),
            Ok(manifest())
        );
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let bytes = manifest().encode();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(
                    Manifest::decode(&flipped, &identity()).is_err(),
                    "byte {at}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn another_format_is_told_from_a_broken_manifest() {
        let mut later = manifest();
        later.format = 7;
        assert_eq!(
            Manifest::decode(&later.encode(), &identity()),
            Err(Unfit::Newer(7))
        );
    }

    #[test]
    fn every_truncation_is_found() {
        let bytes = manifest().encode();
        for len in 0..bytes.len() {
            assert!(
                Manifest::decode(&bytes[..len], &identity()).is_err(),
                "{len}"
            );
        }
    }

    #[test]
    fn a_manifest_of_another_partition_or_log_is_refused() {
        for (log_id, partition) in [("log", 4), ("other", 3)] {
            let other = Identity {
                log_id: log_id.into(),
                partition,
            };
            assert!(Manifest::decode(&manifest().encode(), &other).is_err());
        }
    }

    #[test]
    fn a_file_name_that_leaves_the_directory_is_refused() {
        for name in ["../CURRENT", "/etc/passwd", "a/b", "", ".", "..", "a\\b"] {
            let mut manifest = manifest();
            manifest.files[0].name = name.into();
            assert!(
                Manifest::decode(&manifest.encode(), &identity()).is_err(),
                "{name:?}"
            );
        }
    }
}
