//! `gavel state inspect` on stores written here.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{run, text};
use gavel_judge::{
    Contexts, ControlLog, Document, Fold, MemoryContexts, PartitionState, Patience, Policy, Record,
    Step, Timestamp,
};
use gavel_runtime::replay::StraightFold;
use gavel_runtime::shell::partition_dir;
use gavel_state::{Backend, Batch, Identity, Meta, Shared, Store};
use serde_json::json;

const POLICY: &str = r#"
[policy]
id = "inspect"
topics = ["rude"]
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }
[[term]]
id = "rude-1"
match = ["drat"]
topic = "rude"
risk = 4
[strikes]
per_risk = { "4" = 1.0 }
half_life = "14d"
at = [ { gte = 3.0, action = "mute", for = "1h" } ]
"#;

const EVENING: i64 = 1_767_636_000_000;
const LOG: &str = "log-a";

fn policy() -> Arc<Policy> {
    let document = Document::parse("policy.toml", POLICY, &mut |name| {
        Err(format!("no list {name}"))
    })
    .expect("a valid policy");
    Arc::new(Policy::compile(&document).expect("it compiles"))
}

fn records() -> Vec<(i64, String)> {
    (0..40)
        .map(|n| {
            (
                n,
                format!(
                    "{{\"community\":\"c\",\"user\":\"u{}\",\"text\":\"drat {n}\"}}",
                    n % 5
                ),
            )
        })
        .collect()
}

fn record(offset: i64, value: &str) -> Record<'_> {
    let timestamp = Timestamp::LogAppend(EVENING + offset * 1_000);
    Record {
        offset,
        timestamp,
        key: None,
        value: Some(value.as_bytes()),
        headers_len: 0,
    }
}

/// Folds the records as a processor does, and stores what it remembers.
fn stored(data_dir: &Path, partition: i32) {
    let mut contexts = MemoryContexts::default();
    let control = ControlLog::new();
    let mut fold = Fold::with_policy(LOG, partition, PartitionState::default(), policy());
    for (offset, value) in records() {
        let step = fold.step(
            &record(offset, &value),
            &control,
            Patience::Refuse,
            &mut contexts,
        );
        assert!(matches!(step, Ok(Step::Verdict(_))));
    }
    let identity = Identity {
        log_id: LOG.into(),
        partition,
    };
    let meta = Meta {
        identity: identity.clone(),
        boundary: 39,
        verdict_end: 45,
        topic: String::new(),
        state: fold.state().to_bytes(),
    };
    let mut batch = Batch::new(meta);
    let mut value = Vec::new();
    for n in 0..5 {
        let key = format!("c/u{n}");
        let Ok(found) = contexts.load(key.as_bytes(), &mut value);
        assert!(found, "{key}");
        batch.push(key.as_bytes(), Some(&value));
    }
    let store = Store::open(
        &partition_dir(data_dir, partition),
        &identity,
        &Shared::new(1 << 20, 1 << 20),
    )
    .expect("opened");
    store.commit(&batch).expect("committed");
}

#[test]
fn a_store_is_described_and_its_digest_is_that_of_a_straight_fold() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    stored(directory.path(), 0);
    stored(directory.path(), 3);
    let mut straight = StraightFold::with_policy(LOG, 3, policy());
    for (offset, value) in records() {
        straight
            .judge(&record(offset, &value), |_| ())
            .expect("judged");
    }
    let digest: String = straight
        .digest()
        .expect("a digest")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();

    let inspect = ["state", "inspect", "--data-dir", text(directory.path())];
    let all = run(&[&inspect[..], &["--digest"]].concat())
        .expect(0)
        .json();
    assert_eq!(all.len(), 2);
    assert_eq!(
        [
            &all[1]["partition"],
            &all[1]["log_id"],
            &all[1]["boundary"],
            &all[1]["verdict_end"],
            &all[1]["clock"],
            &all[1]["contexts"]
        ],
        [
            &json!(3),
            &json!(LOG),
            &json!(39),
            &json!(45),
            &json!(EVENING + 39_000),
            &json!(5)
        ]
    );
    assert_eq!(all[1]["digest"], json!(digest));
    assert!(
        all[1]["state"]["activations"]["*"].is_object(),
        "{}",
        all[1]
    );

    let one = run(&[&inspect[..], &["--partition", "0"]].concat())
        .expect(0)
        .json();
    assert_eq!(
        (one.len(), &one[0]["partition"], &one[0]["digest"]),
        (1, &json!(0), &json!(null))
    );
    let people = run(&[&inspect[..], &["--output", "table"]].concat())
        .expect(0)
        .stdout;
    assert!(
        people.contains("PARTITION") && people.contains(LOG),
        "{people}"
    );
}

#[test]
fn a_user_is_found_in_whichever_partition_has_them() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    stored(directory.path(), 2);
    let inspect = [
        "state",
        "inspect",
        "--data-dir",
        text(directory.path()),
        "--user",
    ];
    let user = run(&[&inspect[..], &["c/u1"]].concat())
        .expect(0)
        .json()
        .remove(0);
    assert_eq!(
        (&user["partition"], &user["user"], &user["expired"]),
        (&json!(2), &json!("c/u1"), &json!(false))
    );
    assert!(user["context"].is_object(), "{user}");
    run(&[&inspect[..], &["c/nobody"]].concat())
        .expect_error(1, "nothing is remembered of c/nobody");
    run(&[&inspect[..], &["u1"]].concat()).expect_error(2, "COMMUNITY/USER");
}

#[test]
fn looking_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    stored(directory.path(), 0);
    let content = |path: &Path| {
        let mut files: Vec<_> = std::fs::read_dir(path)
            .expect("a directory")
            .map(|entry| {
                let path = entry.expect("an entry").path();
                (path.clone(), std::fs::read(&path).expect("a file"))
            })
            .collect();
        files.sort();
        files
    };
    let store = partition_dir(directory.path(), 0);
    let before = content(&store);
    run(&[
        "state",
        "inspect",
        "--data-dir",
        text(directory.path()),
        "--digest",
    ])
    .expect(0);
    assert!(content(&store) == before, "the store's files changed");
}

#[test]
fn a_store_without_a_commit_is_shown_and_said_to_be_empty() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let identity = Identity {
        log_id: LOG.into(),
        partition: 1,
    };
    drop(
        Store::open(
            &partition_dir(directory.path(), 1),
            &identity,
            &Shared::new(1 << 20, 1 << 20),
        )
        .expect("opened"),
    );
    let inspect = ["state", "inspect", "--data-dir", text(directory.path())];
    let all = run(&inspect).expect(0).json();
    assert_eq!(
        (&all[0]["boundary"], &all[0]["contexts"], &all[0]["state"]),
        (&json!(-1), &json!(0), &json!(null))
    );
    run(&[&inspect[..], &["--partition", "1"]].concat())
        .expect_error(1, "nothing is stored yet for partition 1");
}

#[test]
fn a_wrong_directory_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ran = run(&["state", "inspect", "--data-dir", text(directory.path())])
        .expect_error(2, "holds no partition");
    assert!(
        ran.stderr.contains("next: check --data-dir"),
        "{}",
        ran.stderr
    );
    run(&["state", "inspect", "--data-dir", "/nowhere"])
        .expect_error(2, "/nowhere: cannot be read");
    run(&[
        "state",
        "inspect",
        "--data-dir",
        text(directory.path()),
        "--partition",
        "7",
    ])
    .expect_error(3, "there is no store");
}
