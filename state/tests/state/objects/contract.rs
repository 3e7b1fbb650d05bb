//! The same promises of every store.

use super::open;
use super::stub::Stub;
use gavel_state::{
    MemoryObjects, ObjectError, ObjectLimits, ObjectOptions, ObjectStore, Objects, Put,
};
use std::sync::Barrier;

/// Runs `check` on an empty store of each kind.
fn everywhere(check: impl Fn(&dyn Objects)) {
    check(&MemoryObjects::default());
    let dir = tempfile::tempdir().expect("a directory");
    let address = dir.path().display().to_string();
    check(&ObjectStore::open(&address, &ObjectOptions::default()).expect("open"));
    let stub = Stub::start();
    check(&open(&stub, ObjectLimits::default()));
}

fn paths(store: &dyn Objects, prefix: &str) -> Vec<String> {
    let listed = store.list(prefix).expect("listed");
    listed.into_iter().map(|object| object.path).collect()
}

#[test]
fn what_was_created_is_read_back() {
    everywhere(|store| {
        assert_eq!(
            store.put_if_absent("a/b/c", b"bytes".to_vec()),
            Ok(Put::Created)
        );
        assert_eq!(store.get("a/b/c"), Ok(b"bytes".to_vec()));
    });
}

#[test]
fn what_exists_is_never_replaced() {
    everywhere(|store| {
        assert_eq!(
            store.put_if_absent("a", b"first".to_vec()),
            Ok(Put::Created)
        );
        assert_eq!(
            store.put_if_absent("a", b"second".to_vec()),
            Ok(Put::Existed)
        );
        assert_eq!(store.get("a"), Ok(b"first".to_vec()));
    });
}

#[test]
fn of_writers_that_race_for_a_path_one_creates_it() {
    const WRITERS: usize = 8;
    everywhere(|store| {
        let start = Barrier::new(WRITERS);
        let write = |writer: usize| {
            start.wait();
            let bytes = vec![writer as u8; 10_000];
            (writer, store.put_if_absent("race/winner", bytes))
        };
        let write = &write;
        let outcomes = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..WRITERS)
                .map(|writer| scope.spawn(move || write(writer)))
                .collect();
            let ended = writers.into_iter().map(|writer| writer.join());
            ended
                .map(|outcome| outcome.expect("no panic"))
                .collect::<Vec<_>>()
        });
        let created = outcomes
            .iter()
            .filter(|(_, put)| *put == Ok(Put::Created))
            .map(|(writer, _)| *writer)
            .collect::<Vec<_>>();
        assert_eq!(created.len(), 1, "{outcomes:?}");
        assert_eq!(store.get("race/winner"), Ok(vec![created[0] as u8; 10_000]));
        assert_eq!(paths(store, "race"), ["race/winner"]);
    });
}

#[test]
fn what_is_not_there_is_missing() {
    everywhere(|store| {
        let path = "a/b".to_owned();
        assert_eq!(store.get("a/b"), Err(ObjectError::Missing { path }));
        assert_eq!(store.list("a"), Ok(vec![]));
        assert_eq!(store.list(""), Ok(vec![]));
    });
}

#[test]
fn a_list_shows_what_is_under_its_prefix_in_order_and_nothing_else() {
    everywhere(|store| {
        let mut expected = Vec::new();
        for n in 0..40 {
            let path = format!("log/0/{n}");
            let put = store.put_if_absent(&path, vec![0; n]);
            assert_eq!(put, Ok(Put::Created));
            expected.push((path, n as u64));
        }
        for similar in [
            "log/01",
            "log/0-1",
            "log/0.x",
            "log/10/0",
            "lo",
            "log0/0",
            "a/log/0/1",
        ] {
            assert_eq!(store.put_if_absent(similar, vec![1]), Ok(Put::Created));
        }
        expected.sort();
        let listed = store.list("log/0").expect("listed");
        let listed: Vec<_> = listed
            .into_iter()
            .map(|object| (object.path, object.size))
            .collect();
        assert_eq!(listed, expected);
        let all = paths(store, "");
        assert_eq!(all.len(), 47);
        assert!(all.is_sorted());
    });
}

#[test]
fn a_deleted_object_is_gone_and_can_be_deleted_and_created_again() {
    everywhere(|store| {
        for path in ["a/b/c", "a/d"] {
            assert_eq!(store.put_if_absent(path, vec![1]), Ok(Put::Created));
        }
        assert_eq!(store.delete("a/b/c"), Ok(()));
        assert_eq!(store.delete("a/b/c"), Ok(()));
        assert_eq!(store.delete("never/was"), Ok(()));
        assert!(matches!(
            store.get("a/b/c"),
            Err(ObjectError::Missing { .. })
        ));
        assert_eq!(paths(store, "a"), ["a/d"]);
        assert_eq!(store.put_if_absent("a/b/c", vec![2]), Ok(Put::Created));
        assert_eq!(store.get("a/b/c"), Ok(vec![2]));
    });
}

#[test]
fn an_object_may_be_empty() {
    everywhere(|store| {
        assert_eq!(store.put_if_absent("empty", vec![]), Ok(Put::Created));
        assert_eq!(store.put_if_absent("empty", vec![1]), Ok(Put::Existed));
        assert_eq!(store.get("empty"), Ok(vec![]));
        assert_eq!(store.list("").expect("listed")[0].size, 0);
    });
}

#[test]
fn an_object_may_be_large() {
    let bytes: Vec<u8> = (0_u32..5_000_000).flat_map(u32::to_le_bytes).collect();
    everywhere(|store| {
        assert_eq!(
            store.put_if_absent("large", bytes.clone()),
            Ok(Put::Created)
        );
        assert!(store.get("large") == Ok(bytes.clone()));
    });
}

#[test]
fn odd_names_are_as_good_as_others() {
    let names = [
        "-",
        "~",
        "...",
        "..a",
        ".hidden/.x",
        "a~b/c_d-e.f",
        "UPPER/lower/UPPER",
        "0/00/000",
        "x.partial",
        "name.with.many.dots..",
    ];
    let long = "n".repeat(200);
    everywhere(|store| {
        for name in names.into_iter().chain([long.as_str()]) {
            let put = store.put_if_absent(name, name.as_bytes().to_vec());
            assert_eq!(put, Ok(Put::Created), "{name}");
        }
        for name in names.into_iter().chain([long.as_str()]) {
            assert_eq!(store.get(name), Ok(name.as_bytes().to_vec()), "{name}");
            assert!(paths(store, "").iter().any(|path| path == name), "{name}");
            assert_eq!(store.delete(name), Ok(()));
        }
        assert_eq!(paths(store, ""), Vec::<String>::new());
    });
}

#[test]
fn paths_that_stores_would_understand_differently_are_refused() {
    everywhere(|store| {
        for path in [
            "", "/a", "a/", "a//b", "../a", "a/./b", "a b", "a#1", "ä", "a%20b",
        ] {
            let refused = |error: ObjectError| matches!(error, ObjectError::Refused { .. });
            let put = store.put_if_absent(path, vec![1]);
            assert!(refused(put.expect_err(path)));
            assert!(refused(store.get(path).expect_err(path)));
            assert!(refused(store.delete(path).expect_err(path)));
            assert!(path.is_empty() || refused(store.list(path).expect_err(path)));
        }
        assert_eq!(store.list(""), Ok(vec![]));
    });
}
