//! Which paths an object may have.
//!
//! Invariant: a path means the same object in every store. Characters that one store escapes and another does not, or parts
//! that a file system resolves, would make two objects of one or one of two.

/// Why `path` is none, or nothing.
pub fn objection(path: &str) -> Option<String> {
    path.split('/').find_map(|part| match part {
        "" => Some("a part of the path is empty".to_owned()),
        "." | ".." => Some(format!("a part of the path is `{part}`")),
        part => part
            .chars()
            .find(|character| !is_plain(*character))
            .map(|character| format!("the path has the character {character:?}")),
    })
}

/// The unreserved characters of a URL: nobody escapes these.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_paths() {
        for path in ["a", "a/b", "A-1_2.3~4/..x/...", ".hidden", "-", "0/0/0"] {
            assert_eq!(objection(path), None, "{path}");
        }
    }

    #[test]
    fn paths_that_a_store_would_escape_or_resolve_are_none() {
        let bad = [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a b", "a#1", "a%20", "a?b", "a\\b",
            "ä", "a\n", "a:b", "a=b", "a+b",
        ];
        for path in bad {
            assert!(objection(path).is_some(), "{path:?}");
        }
    }
}
