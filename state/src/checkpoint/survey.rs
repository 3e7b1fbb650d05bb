//! Every object of a repository, with the time at which it goes because of what was erased.

use super::retention::{Dated, Retention};
use super::sweep::UNNAMED_FILES_GO;
use super::{FetchError, Repository, manifest_path, object_path, parse_aside, root};
use crate::meta::Identity;
use crate::objects::{Listed, ObjectError};
use std::collections::{BTreeMap, BTreeSet};

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    pub path: String,
    /// When the sweeps of its partition's owner remove it because of an erasure, or because nobody names it; milliseconds since 1970.
    /// None: they keep it.
    pub until: Option<i64>,
}

impl Repository {
    /// Every object there is, of all logs and partitions.
    pub fn survey(&self, retention: &Retention) -> Result<Vec<Surveyed>, ObjectError> {
        let mut by_partition: BTreeMap<Option<Identity>, Vec<Listed>> = BTreeMap::new();
        for object in self.objects.list("")? {
            let identity = identity_of(&object.path);
            by_partition.entry(identity).or_default().push(object);
        }
        let mut surveyed = Vec::new();
        for (identity, objects) in by_partition {
            match identity {
                Some(identity) => {
                    surveyed.extend(self.survey_of(&identity, objects, retention)?);
                }
                None => surveyed.extend(objects.into_iter().map(|object| Surveyed {
                    path: object.path,
                    until: None,
                })),
            }
        }
        Ok(surveyed)
    }

    /// The bytes of a surveyed object; None if it has gone meanwhile.
    pub fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        match self.objects.get(path) {
            Err(ObjectError::Missing { .. }) => Ok(None),
            bytes => bytes.map(Some),
        }
    }

    fn survey_of(
        &self,
        identity: &Identity,
        objects: Vec<Listed>,
        retention: &Retention,
    ) -> Result<Vec<Surveyed>, ObjectError> {
        let (mut dated, mut files) = (Vec::new(), BTreeMap::new());
        for (checkpoint, put) in self.listed(identity)? {
            let manifest = match self.manifest(identity, checkpoint) {
                Err(FetchError::Objects(error)) => return Err(error),
                manifest => manifest.ok(),
            };
            dated.push(Dated {
                checkpoint,
                put,
                erased_at: manifest.as_ref().and_then(|found| found.about.erased_at),
            });
            files.insert(
                checkpoint,
                manifest.map(|found| found.files).unwrap_or_default(),
            );
        }
        // A file goes when the last checkpoint that names it has gone, and its own time has passed.
        let mut ends: BTreeMap<String, Option<i64>> = BTreeMap::new();
        let mut kept = BTreeSet::new();
        for (checkpoint, files) in files {
            let end = retention.expires(checkpoint, &dated);
            ends.insert(manifest_path(identity, checkpoint), end);
            for file in files {
                let path = object_path(identity, &file);
                let until = ends.entry(path.clone()).or_default();
                *until = (*until).max(end.map(|end| end.saturating_add(UNNAMED_FILES_GO)));
                if end.is_none() {
                    kept.insert(path);
                }
            }
        }
        let (aside, stored) = (
            format!("{}/quarantine", root(identity)),
            format!("{}/files/", root(identity)),
        );
        let until = |object: &Listed| match ends.get(&object.path) {
            Some(_) if kept.contains(&object.path) => None,
            Some(end) => *end,
            None if object.path.starts_with(&stored) => {
                Some(object.modified.saturating_add(UNNAMED_FILES_GO))
            }
            None => {
                let checkpoint = object.path.strip_prefix(&aside).and_then(parse_aside);
                checkpoint.and_then(|checkpoint| retention.expires(checkpoint, &dated))
            }
        };
        let surveyed = objects.into_iter().map(|object| Surveyed {
            until: until(&object),
            path: object.path,
        });
        Ok(surveyed.collect())
    }
}

fn identity_of(path: &str) -> Option<Identity> {
    let (log_id, rest) = path.split_once('/')?;
    let (partition, _) = rest.split_once('/')?;
    Some(Identity {
        log_id: log_id.to_owned(),
        partition: partition.parse().ok()?,
    })
}
