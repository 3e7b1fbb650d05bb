//! What a store of objects promises, tried on a directory, on S3 and in memory.

mod contract;
mod directory;
mod faults;
mod stub;

use gavel_state::{ObjectLimits, ObjectOptions, ObjectStore};
use std::time::Duration;
use stub::Stub;

/// Short enough for a test that waits for them to end.
fn limits() -> ObjectLimits {
    ObjectLimits {
        connect: Duration::from_secs(2),
        request: Duration::from_secs(2),
        call: Duration::from_secs(4),
        little: Duration::from_secs(4),
    }
}

/// Of an S3 that listens at `endpoint`.
fn options(endpoint: &str, limits: ObjectLimits) -> ObjectOptions {
    let s3 = [
        ("endpoint", endpoint),
        ("region", "us-east-1"),
        ("allow_http", "true"),
        ("access_key_id", "key"),
        ("secret_access_key", "secret"),
    ];
    let s3 = s3.map(|(key, value)| (key.to_owned(), value.to_owned()));
    ObjectOptions {
        s3: s3.to_vec(),
        limits,
    }
}

fn open(stub: &Stub, limits: ObjectLimits) -> ObjectStore {
    ObjectStore::open(
        "s3://bucket/some/prefix",
        &options(&stub.endpoint(), limits),
    )
    .expect("options are fine")
}
