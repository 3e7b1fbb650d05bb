//! From what an object store says to what has to be done.

use super::{ObjectError, Operation};
use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error as StdError;
use std::io;

/// Longest detail of an error: an answer may carry a whole page of a proxy.
const DETAIL_MOST: usize = 700;

/// Codes in an S3 answer that stay what they are until somebody mends the configuration. Their status alone does not say
/// so: it is that of a missing object, of a malformed request or of a redirect.
const FOR_GOOD: [&str; 9] = [
    "<Code>NoSuchBucket</Code>",
    "<Code>InvalidBucketName</Code>",
    "<Code>PermanentRedirect</Code>",
    "<Code>AuthorizationHeaderMalformed</Code>",
    "<Code>InvalidToken</Code>",
    "<Code>ExpiredToken</Code>",
    "<Code>InvalidAccessKeyId</Code>",
    // A redirect to another region comes with nothing else.
    "Received redirect without LOCATION",
    "301 Moved Permanently",
];

/// Where the credentials of a machine come from when none are configured.
const METADATA: &str = "/latest/";

pub fn failure(error: &Error, operation: Operation, path: &str) -> ObjectError {
    let detail = detail(error);
    let path = path.to_owned();
    let for_good = FOR_GOOD.iter().any(|code| detail.contains(code));
    match error {
        Error::NotFound { .. } if !for_good => ObjectError::Missing { path },
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotImplemented { .. }
        | Error::NotSupported { .. }
        | Error::InvalidPath { .. } => refused(operation, path, detail),
        error if for_good || is_forbidden_by_the_file_system(error) => {
            refused(operation, path, detail)
        }
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
pub fn detail(error: &Error) -> String {
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
    if let Some((end, _)) = text.char_indices().nth(DETAIL_MOST) {
        text.truncate(end);
        text.push('…');
    }
    if text.contains(METADATA) && sources(error).any(|source| source.is::<HttpError>()) {
        text.push_str(
            "; no credentials are configured, and this machine's metadata service gave none: set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY",
        );
    }
    text
}
