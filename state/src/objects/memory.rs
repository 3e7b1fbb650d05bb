//! Objects for simulations, in a store that fails as it is told to.
//!
//! Keeps the promise of [`Objects`] in the most adverse ways that are still legal, and some that are not: a real store's bytes
//! may have been damaged before they came. Nothing here is left to chance or to a real clock: a simulation replays.

use super::failure::refused;
use super::path::objection;
use super::{Listed, ObjectError, Objects, Operation, Put};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that goes wrong once, with the next call that it can happen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFault {
    /// Any call fails, and nothing was done.
    NotDone,
    /// Any call is refused for good, and nothing was done.
    Refused,
    /// A put or a delete is done and its answer is lost: it seems to have failed.
    AnswerLost,
    /// A get comes with one bit in the middle turned over.
    Flipped,
    /// A get comes with the second half missing.
    Truncated,
    /// A listing lacks the object that was created last of those it would show.
    ListLags,
}

impl ObjectFault {
    fn can_happen_to(self, operation: Operation) -> bool {
        match self {
            ObjectFault::NotDone | ObjectFault::Refused => true,
            ObjectFault::AnswerLost => matches!(operation, Operation::Put | Operation::Delete),
            ObjectFault::Flipped | ObjectFault::Truncated => operation == Operation::Get,
            ObjectFault::ListLags => operation == Operation::List,
        }
    }
}

/// Objects in RAM. Empty by default, at time 0.
#[derive(Debug, Default)]
pub struct MemoryObjects(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    objects: BTreeMap<String, Object>,
    now: i64,
    /// How many objects were ever created.
    created: u64,
    faults: Vec<ObjectFault>,
}

#[derive(Debug)]
struct Object {
    bytes: Vec<u8>,
    modified: i64,
    /// Its place in the order of creation, which a clock that stands still does not tell.
    created: u64,
}

impl MemoryObjects {
    /// Sets the clock of the store, in milliseconds since 1970.
    pub fn set_time(&self, now: i64) {
        self.contents().now = now;
    }

    /// Lets `fault` happen to the next call it can happen to. Of several the one asked for first comes first.
    pub fn fail_next(&self, fault: ObjectFault) {
        self.contents().faults.push(fault);
    }

    /// Faults that have not happened yet.
    pub fn faults_left(&self) -> usize {
        self.contents().faults.len()
    }

    /// Turns over a bit of the stored byte at `index`, for good. False: there is no such byte.
    pub fn corrupt(&self, path: &str, index: usize) -> bool {
        let mut contents = self.contents();
        let object = contents.objects.get_mut(path);
        let byte = object.and_then(|object| object.bytes.get_mut(index));
        byte.map(|byte| *byte ^= 1).is_some()
    }

    /// Takes the object away, as somebody else might. False: there is none.
    pub fn remove(&self, path: &str) -> bool {
        self.contents().objects.remove(path).is_some()
    }

    /// Of all objects, in order.
    pub fn paths(&self) -> Vec<String> {
        self.contents().objects.keys().cloned().collect()
    }

    /// What is really stored, past all faults.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let contents = self.contents();
        contents
            .objects
            .get(path)
            .map(|object| object.bytes.clone())
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // A panic elsewhere is that thread's problem: nothing here is left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    /// The fault that happens to this call, if it may be made at all and goes on.
    fn begin(
        &mut self,
        operation: Operation,
        path: &str,
    ) -> Result<Option<ObjectFault>, ObjectError> {
        let whole = operation == Operation::List && path.is_empty();
        if let Some(objection) = objection(path)
            && !whole
        {
            return Err(refused(operation, path, objection));
        }
        let next = self
            .faults
            .iter()
            .position(|fault| fault.can_happen_to(operation));
        let fault = next.map(|next| self.faults.remove(next));
        match fault {
            Some(ObjectFault::NotDone) => Err(failed(operation, path)),
            Some(ObjectFault::Refused) => Err(refused(operation, path, INJECTED.to_owned())),
            fault => Ok(fault),
        }
    }
}

const INJECTED: &str = "injected";

fn failed(operation: Operation, path: &str) -> ObjectError {
    ObjectError::Failed {
        operation,
        path: path.to_owned(),
        detail: INJECTED.to_owned(),
    }
}

impl Objects for MemoryObjects {
    fn put_if_absent(&self, path: &str, bytes: Vec<u8>) -> Result<Put, ObjectError> {
        let mut contents = self.contents();
        let fault = contents.begin(Operation::Put, path)?;
        let existed = contents.objects.contains_key(path);
        if !existed {
            contents.created += 1;
            let (modified, created) = (contents.now, contents.created);
            let object = Object {
                bytes,
                modified,
                created,
            };
            contents.objects.insert(path.to_owned(), object);
        }
        match (fault, existed) {
            (Some(ObjectFault::AnswerLost), _) => Err(failed(Operation::Put, path)),
            (_, true) => Ok(Put::Existed),
            (_, false) => Ok(Put::Created),
        }
    }

    fn get(&self, path: &str) -> Result<Vec<u8>, ObjectError> {
        let mut contents = self.contents();
        let fault = contents.begin(Operation::Get, path)?;
        let object = contents.objects.get(path);
        let object = object.ok_or_else(|| ObjectError::Missing { path: path.into() })?;
        let mut bytes = object.bytes.clone();
        let middle = bytes.len() / 2;
        match fault {
            Some(ObjectFault::Flipped) => {
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
            }
            Some(ObjectFault::Truncated) => bytes.truncate(middle),
            _ => {}
        }
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, ObjectError> {
        let mut contents = self.contents();
        let fault = contents.begin(Operation::List, prefix)?;
        let mut found: Vec<(&String, &Object)> = contents
            .objects
            .iter()
            .filter(|(path, _)| is_under(path, prefix))
            .collect();
        if fault == Some(ObjectFault::ListLags) {
            let newest = found.iter().map(|(_, object)| object.created).max();
            found.retain(|(_, object)| Some(object.created) != newest);
        }
        let listed = found.into_iter().map(|(path, object)| Listed {
            path: path.clone(),
            size: object.bytes.len() as u64,
            modified: object.modified,
        });
        Ok(listed.collect())
    }

    fn delete(&self, path: &str) -> Result<(), ObjectError> {
        let mut contents = self.contents();
        let fault = contents.begin(Operation::Delete, path)?;
        contents.objects.remove(path);
        match fault {
            Some(ObjectFault::AnswerLost) => Err(failed(Operation::Delete, path)),
            _ => Ok(()),
        }
    }
}

fn is_under(path: &str, prefix: &str) -> bool {
    prefix.is_empty()
        || path
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(objects: &[(&str, &[u8])]) -> MemoryObjects {
        let store = MemoryObjects::default();
        for (path, bytes) in objects {
            assert_eq!(store.put_if_absent(path, bytes.to_vec()), Ok(Put::Created));
        }
        store
    }

    fn listed(store: &MemoryObjects, prefix: &str) -> Vec<String> {
        let listed = store.list(prefix).expect("listed");
        listed.into_iter().map(|object| object.path).collect()
    }

    #[test]
    fn what_failed_before_it_was_done_has_done_nothing() {
        let store = MemoryObjects::default();
        for fault in [ObjectFault::NotDone, ObjectFault::Refused] {
            store.fail_next(fault);
            assert!(store.put_if_absent("a", vec![1]).is_err());
            assert_eq!(store.paths(), Vec::<String>::new());
        }
        assert_eq!(store.put_if_absent("a", vec![1]), Ok(Put::Created));
    }

    #[test]
    fn a_lost_answer_of_a_put_hides_that_it_happened() {
        let store = MemoryObjects::default();
        store.fail_next(ObjectFault::AnswerLost);
        let error = store.put_if_absent("a", vec![1]).expect_err("lost");
        assert!(matches!(error, ObjectError::Failed { .. }), "{error}");
        assert_eq!(store.put_if_absent("a", vec![2]), Ok(Put::Existed));
        assert_eq!(store.get("a"), Ok(vec![1]));
    }

    #[test]
    fn a_lost_answer_of_a_delete_hides_that_it_happened() {
        let store = of(&[("a", b"1")]);
        store.fail_next(ObjectFault::AnswerLost);
        assert!(store.delete("a").is_err());
        assert_eq!(store.paths(), Vec::<String>::new());
    }

    #[test]
    fn damage_on_the_way_happens_once_and_only_to_a_get() {
        let store = of(&[("a", &[0; 4])]);
        store.fail_next(ObjectFault::Flipped);
        store.fail_next(ObjectFault::Truncated);
        assert_eq!(store.put_if_absent("b", vec![]), Ok(Put::Created));
        assert_eq!(store.get("a"), Ok(vec![0, 0, 1, 0]));
        assert_eq!(store.get("a"), Ok(vec![0, 0]));
        assert_eq!(store.get("a"), Ok(vec![0; 4]));
        assert_eq!(store.faults_left(), 0);
    }

    #[test]
    fn damage_in_the_store_stays() {
        let store = of(&[("a", &[0; 4])]);
        assert!(store.corrupt("a", 3));
        assert!(!store.corrupt("a", 4));
        assert!(!store.corrupt("b", 0));
        assert_eq!(store.get("a"), Ok(vec![0, 0, 0, 1]));
        assert_eq!(store.bytes("a"), Some(vec![0, 0, 0, 1]));
    }

    #[test]
    fn a_lagging_list_lacks_what_was_created_last_and_a_get_does_not() {
        let store = of(&[("a/2", b""), ("a/1", b"x"), ("b/1", b"")]);
        store.fail_next(ObjectFault::ListLags);
        assert_eq!(listed(&store, "a"), ["a/2"]);
        assert_eq!(store.get("a/1"), Ok(b"x".to_vec()));
        assert_eq!(listed(&store, "a"), ["a/1", "a/2"]);
    }

    #[test]
    fn an_object_that_was_taken_away_is_missing() {
        let store = of(&[("a", b"")]);
        assert!(store.remove("a"));
        assert!(!store.remove("a"));
        assert_eq!(
            store.get("a"),
            Err(ObjectError::Missing { path: "a".into() })
        );
    }

    #[test]
    fn objects_carry_the_time_at_which_they_were_created() {
        let store = of(&[("a", b"")]);
        store.set_time(7_000);
        assert_eq!(store.put_if_absent("b", vec![]), Ok(Put::Created));
        assert_eq!(store.put_if_absent("a", vec![]), Ok(Put::Existed));
        let times = store.list("").expect("listed");
        let times: Vec<i64> = times.iter().map(|object| object.modified).collect();
        assert_eq!(times, [0, 7_000]);
    }
}
