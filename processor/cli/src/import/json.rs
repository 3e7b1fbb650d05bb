//! JSON from outside: an error names its line; nesting is bounded by the reader itself (128 levels).

use serde::de::DeserializeOwned;

use super::ImportError;

/// Reads a whole text as one value.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, ImportError> {
    serde_json::from_str(text).map_err(|error| {
        let line = error.line().max(1);
        let what = error.to_string();
        // The line stands in front already.
        let place = format!(" at line {} column {}", error.line(), error.column());
        ImportError::Malformed {
            line,
            what: what.strip_suffix(&place).unwrap_or(&what).to_owned(),
        }
    })
}
