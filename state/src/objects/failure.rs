//! From what an object store says to what has to be done.

use super::{ObjectError, Operation};
use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as StdError;
use std::io;

/// Longest detail of an error: an answer may carry a whole page of a proxy.
const DETAIL_MOST: usize = 700;

/// What S3 says when nothing changes until somebody mends the configuration. The kind of the error alone does not tell: a
/// missing bucket is like a missing object, and a listing is told apart from others by its words only.
const FOR_GOOD: [&str; 11] = [
    "status code: 401",
    "status code: 403",
    // To another region, or to wherever a proxy wants the client to be.
    "status code: 301",
    "Received redirect without LOCATION",
    "<Code>PermanentRedirect</Code>",
    "<Code>NoSuchBucket</Code>",
    "<Code>InvalidBucketName</Code>",
    "<Code>AuthorizationHeaderMalformed</Code>",
    "<Code>InvalidToken</Code>",
    "<Code>ExpiredToken</Code>",
    "<Code>InvalidAccessKeyId</Code>",
];
/// There is always a list, be it empty, unless there is no bucket; an object that is being made cannot be missing either.
const NOT_FOUND: &str = "status code: 404";

/// Where the credentials of a machine come from when none are configured.
const METADATA: &str = "/latest/api/token";

pub fn failure(error: &Error, operation: Operation, path: &str) -> ObjectError {
    let says = words(error);
    let detail = detail(error);
    let path = path.to_owned();
    let finds = matches!(operation, Operation::Get | Operation::Delete);
    let for_good = FOR_GOOD.iter().any(|word| says.contains(word))
        || !finds && says.contains(NOT_FOUND)
        || is_forbidden_by_the_file_system(error);
    match error {
        Error::NotFound { .. } if finds && !for_good => ObjectError::Missing { path },
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotImplemented { .. }
        | Error::NotSupported { .. }
        | Error::InvalidPath { .. } => refused(operation, path, detail),
        _ if for_good => refused(operation, path, detail),
        _ => ObjectError::Failed {
            operation,
            path,
            detail,
        },
    }
}

pub fn refused(operation: Operation, path: impl Into<String>, detail: String) -> ObjectError {
    ObjectError::Refused {
        operation,
        path: path.into(),
        detail,
    }
}

/// A put whose answer was lost: it may have happened. What was never sent, or refused, is not meant.
pub fn is_answer_lost(error: &Error) -> bool {
    sources(error).any(|source| {
        source.downcast_ref::<HttpError>().is_some_and(|error| {
            matches!(
                error.kind(),
                HttpErrorKind::Timeout
                    | HttpErrorKind::Interrupted
                    | HttpErrorKind::Decode
                    | HttpErrorKind::Unknown
            )
        })
    })
}

/// S3 says "conflict" also when another request for the same path is under way, which may come to nothing.
pub fn is_conflict(error: &Error) -> bool {
    match error {
        Error::AlreadyExists { source, .. } => {
            !source.is::<Error>() && !source.is::<io::Error>() // a condition that failed, a file that is there
        }
        _ => false,
    }
}

fn is_forbidden_by_the_file_system(error: &Error) -> bool {
    // A connection may be forbidden as well, by a firewall that is being restarted.
    !sources(error).any(|source| source.is::<HttpError>())
        && sources(error).any(|source| {
            source.downcast_ref::<io::Error>().is_some_and(|error| {
                matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                )
            })
        })
}

fn sources<'a>(error: &'a Error) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let first: &'a (dyn StdError + 'static) = error;
    let next = |error: &&'a (dyn StdError + 'static)| (*error).source();
    std::iter::successors(Some(first), next)
}

/// All that the error and its causes say, each thing once.
fn words(error: &Error) -> String {
    let mut text = String::new();
    for source in sources(error) {
        let says = source.to_string();
        let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            text = says;
        } else if !text.contains(&says) {
            text = format!("{text}: {says}");
        }
    }
    text
}

/// For a reader, who is not to be shown everything.
pub fn detail(error: &Error) -> String {
    let mut text = words(error);
    let asked_the_machine = text.contains(METADATA);
    if let Some((end, _)) = text.char_indices().nth(DETAIL_MOST) {
        text.truncate(end);
        text.push('…');
    }
    if asked_the_machine {
        text.push_str(
            "; no credentials are configured, and this machine's metadata service gave none: set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY",
        );
    }
    text
}
