//! An S3 that fails: what comes out of each fault, and that every call ends.

use super::stub::{Fault, Stub};
use super::{limits, open, options};
use gavel_state::{ObjectError, ObjectLimits, ObjectStore, Objects, Probe, Put};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

fn is_failed<T: std::fmt::Debug>(outcome: Result<T, ObjectError>) -> bool {
    matches!(outcome, Err(ObjectError::Failed { .. }))
}

fn is_refused<T: std::fmt::Debug>(outcome: Result<T, ObjectError>) -> bool {
    matches!(outcome, Err(ObjectError::Refused { .. }))
}

#[test]
fn the_prefix_of_an_address_stands_before_every_path_and_may_be_missing() {
    let stub = Stub::start();
    let options = options(&stub.endpoint(), ObjectLimits::default());
    for (address, key) in [
        ("s3://bucket", "a/1"),
        ("s3://bucket/", "a/1"),
        ("s3://bucket/one", "one/a/1"),
        ("s3://bucket/one/two/", "one/two/a/1"),
    ] {
        let store = ObjectStore::open(address, &options).expect("options are fine");
        assert_eq!(store.put_if_absent("a/1", vec![1]), Ok(Put::Created));
        assert_eq!(stub.keys(), [key], "{address}");
        let listed = store.list("").expect("listed");
        assert_eq!(listed, store.list("a").expect("listed"));
        assert_eq!(listed[0].path, "a/1");
        assert_eq!(store.delete("a/1"), Ok(()));
    }
}

#[test]
fn a_busy_store_is_asked_again() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    let busy = [
        Fault::Status(500, "InternalError"),
        Fault::Status(503, "SlowDown"),
        Fault::Status(429, "TooManyRequests"),
    ];
    stub.fail("PUT", &busy);
    assert_eq!(store.put_if_absent("a", vec![1]), Ok(Put::Created));
    stub.fail("GET", &busy);
    assert_eq!(store.get("a"), Ok(vec![1]));
    stub.fail("GET", &busy);
    assert_eq!(store.list("").expect("listed").len(), 1);
    stub.fail("DELETE", &busy);
    assert_eq!(store.delete("a"), Ok(()));
    assert_eq!((stub.faults_left(), stub.keys()), (0, vec![]));
}

#[test]
fn a_store_that_stays_busy_has_failed() {
    let stub = Stub::start();
    let store = open(&stub, limits());
    stub.fail("PUT", &[Fault::Status(503, "SlowDown"); 100]);
    assert!(is_failed(store.put_if_absent("a", vec![1])));
}

#[test]
fn a_put_whose_answer_was_lost_finds_its_own_object() {
    for fault in [Fault::AnswerLost, Fault::AnswerCut] {
        let stub = Stub::start();
        let store = open(&stub, ObjectLimits::default());
        stub.fail("PUT", &[fault]);
        assert_eq!(store.put_if_absent("a", vec![1]), Ok(Put::Existed));
        assert_eq!(stub.keys(), ["some/prefix/a"]);
        assert_eq!(store.get("a"), Ok(vec![1]));
    }
}

#[test]
fn a_put_that_gets_no_answer_in_time_is_asked_again() {
    let stub = Stub::start();
    let limits = ObjectLimits {
        request: Duration::from_millis(300),
        ..ObjectLimits::default()
    };
    let store = open(&stub, limits);
    stub.fail("PUT", &[Fault::Silent]);
    assert_eq!(store.put_if_absent("a", vec![1]), Ok(Put::Created));
}

#[test]
fn a_conflict_with_a_put_that_came_to_nothing_does_not_hide_that_there_is_no_object() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    stub.fail("PUT", &[Fault::Status(409, "ConditionalRequestConflict")]);
    assert_eq!(store.put_if_absent("a", vec![1]), Ok(Put::Created));
    assert_eq!(store.get("a"), Ok(vec![1]));
}

#[test]
fn a_conflict_with_a_put_that_succeeded_finds_its_object() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    store.put_if_absent("a", vec![1]).expect("created");
    stub.fail("PUT", &[Fault::Status(409, "ConditionalRequestConflict")]);
    assert_eq!(store.put_if_absent("a", vec![2]), Ok(Put::Existed));
}

#[test]
fn a_conflict_that_never_ends_has_failed() {
    let stub = Stub::start();
    let store = open(&stub, limits());
    stub.fail(
        "PUT",
        &[Fault::Status(409, "ConditionalRequestConflict"); 100],
    );
    assert!(is_failed(store.put_if_absent("a", vec![1])));
    assert_eq!(stub.keys(), Vec::<String>::new());
}

#[test]
fn an_object_that_comes_short_is_fetched_to_its_end() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    let bytes: Vec<u8> = (0_u32..50_000).flat_map(u32::to_le_bytes).collect();
    store.put_if_absent("a", bytes.clone()).expect("created");
    for most in [0, 1, 77_777, 199_999] {
        stub.fail("GET", &[Fault::Truncated(most); 2]);
        assert!(store.get("a") == Ok(bytes.clone()), "cut after {most}");
    }
}

#[test]
fn an_object_that_always_comes_short_is_never_given_out() {
    let stub = Stub::start();
    let store = open(&stub, limits());
    store.put_if_absent("a", vec![1; 1_000]).expect("created");
    stub.fail("GET", &[Fault::Truncated(0); 100]);
    assert!(is_failed(store.get("a")));
}

#[test]
fn what_may_not_be_done_is_refused() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    for (status, code) in [
        (403, "AccessDenied"),
        (401, "Unauthorized"),
        (403, "InvalidAccessKeyId"),
        (400, "ExpiredToken"),
        (404, "NoSuchBucket"),
        (400, "AuthorizationHeaderMalformed"),
        (301, "PermanentRedirect"),
    ] {
        let fault = [Fault::Status(status, code)];
        stub.fail("PUT", &fault);
        assert!(is_refused(store.put_if_absent("a", vec![1])), "{code}");
        stub.fail("GET", &fault);
        assert!(is_refused(store.get("a")), "{code}");
        stub.fail("GET", &fault);
        assert!(is_refused(store.list("a")), "{code}");
        stub.fail("DELETE", &fault);
        assert!(is_refused(store.delete("a")), "{code}");
    }
    assert_eq!(stub.faults_left(), 0);
}

#[test]
fn a_store_that_is_too_slow_has_failed() {
    let stub = Stub::start();
    let store = open(&stub, limits());
    store.put_if_absent("a", vec![1; 100_000]).expect("created");
    stub.fail("GET", &[Fault::Slow; 100]);
    assert!(is_failed(store.get("a")));
}

#[test]
fn a_store_that_says_nothing_has_failed() {
    let stub = Stub::start();
    let limits = ObjectLimits {
        request: Duration::from_millis(300),
        call: Duration::from_secs(1),
        little: Duration::from_secs(1),
        ..ObjectLimits::default()
    };
    let store = open(&stub, limits);
    for method in ["PUT", "GET", "DELETE"] {
        stub.fail(method, &[Fault::Silent; 20]);
    }
    assert!(is_failed(store.put_if_absent("a", vec![1])));
    assert!(is_failed(store.get("a")));
    assert!(is_failed(store.list("a")));
    assert!(is_failed(store.delete("a")));
}

#[test]
fn a_store_that_is_down_has_failed() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = port.local_addr().expect("bound");
    drop(port);
    let options = options(&format!("http://{address}"), limits());
    let store = ObjectStore::open("s3://bucket", &options).expect("options are fine");
    assert!(is_failed(store.put_if_absent("a", vec![1])));
    assert!(is_failed(store.get("a")));
    let error = store.probe(Probe::Read).expect_err("it is down");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn a_machine_without_credentials_says_what_to_set() {
    let sources = ["AWS_ACCESS_KEY_ID", "AWS_CONTAINER_", "AWS_WEB_IDENTITY_"];
    let configured = |name: &str| sources.iter().any(|source| name.starts_with(source));
    if std::env::vars().any(|(name, _)| configured(&name)) {
        return; // A machine with credentials cannot show it.
    }
    let stub = Stub::start();
    let mut options = options(&stub.endpoint(), limits());
    options.s3.retain(|(key, _)| !key.contains("access_key"));
    let nobody = ("metadata_endpoint", "http://127.0.0.1:9");
    options.s3.push((nobody.0.to_owned(), nobody.1.to_owned()));
    let store = ObjectStore::open("s3://bucket", &options).expect("options are fine");
    let error = store.probe(Probe::Read).expect_err("no credentials");
    assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"), "{error}");
    assert_eq!(stub.requests(), Vec::<String>::new());
}

#[test]
fn a_list_that_lags_is_shown_as_it_is() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    for path in ["a/1", "a/2"] {
        store.put_if_absent(path, vec![1]).expect("created");
    }
    stub.hide("some/prefix/a/2");
    let listed = store.list("a").expect("listed");
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].path.as_str(), listed[0].modified),
        ("a/1", 1_445_412_480_000)
    );
    assert_eq!(store.put_if_absent("a/2", vec![2]), Ok(Put::Existed));
}

#[test]
fn a_probe_finds_out_that_a_store_replaces_objects() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    assert_eq!(store.probe(Probe::Write), Ok(()));
    assert_eq!(store.probe(Probe::Write), Ok(()));
    stub.fail("PUT", &[Fault::Replaces; 2]);
    let error = store.probe(Probe::Write).expect_err("it replaces");
    assert!(error.to_string().contains("If-None-Match"), "{error}");
}

#[test]
fn a_probe_for_reading_writes_nothing() {
    let stub = Stub::start();
    let store = open(&stub, ObjectLimits::default());
    assert_eq!(store.probe(Probe::Read), Ok(()));
    assert_eq!(stub.keys(), Vec::<String>::new());
    assert!(
        stub.requests()
            .iter()
            .all(|request| request.starts_with("GET "))
    );
}

#[test]
fn an_endpoint_with_tls_is_spoken_to_in_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut hello = [0; 5];
            let greeted = connection.read_exact(&mut hello).is_ok() && hello[0] == 22;
            // A fatal alert: access denied. Whoever understands it speaks TLS.
            let alert = [21, 3, 3, 0, 2, 2, 49];
            if greeted && connection.write_all(&alert).is_err() {
                break;
            }
        }
    });
    let options = options(&format!("https://{address}"), limits());
    let store = ObjectStore::open("s3://bucket", &options).expect("options are fine");
    let error = store.get("a").expect_err("an alert");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
}
