//! One term as a policy can hold it: lower case, single spaces, signs that stand for letters read as these letters.
//!
//! Invariant: what a term says does not change its kind. The policy language reads some signs itself (`@name`, `(0..3)`, `^`, `|`) and the
//! matcher takes other signs for gaps between words: `tw@t` left as it stands would stop "tw t", `a$$` every "a". Written undone, the
//! matcher finds both the word and its disguise.

/// A term in the policy's spelling.
#[derive(Debug, PartialEq, Eq)]
pub struct Spelled {
    pub text: String,
    /// Whether signs were read as letters.
    pub is_undone: bool,
    /// Whether the matcher undoes the same in messages, so that the term as it was written is found too.
    pub is_found: bool,
}

/// Spells a pattern, or says why it cannot be.
pub fn spell(pattern: &str) -> Result<Spelled, String> {
    if pattern
        .chars()
        .any(|ch| ch.is_control() && !ch.is_whitespace())
    {
        return Err("it holds control characters".to_owned());
    }
    let lower = pattern.to_lowercase();
    let (start, inner) = ends(lower.trim(), str::strip_prefix);
    let (end, inner) = ends(inner, str::strip_suffix);
    let mut words = Vec::new();
    let (mut is_undone, mut is_found) = (false, true);
    for word in inner.split_whitespace() {
        let written = word;
        let (word, undone) = spell_word(written)?;
        is_undone |= undone;
        is_found &= !undone || gavel_judge::reads_as(written, &word);
        if !word.is_empty() {
            words.push(word);
        }
    }
    if words.is_empty() {
        return Err("it has nothing to match".to_owned());
    }
    Ok(Spelled {
        text: format!("{start}{}{end}", words.join(" ")),
        is_undone,
        is_found,
    })
}

/// An open end, and the rest.
fn ends<'a>(text: &'a str, strip: fn(&'a str, char) -> Option<&'a str>) -> (&'static str, &'a str) {
    strip(text, '*').map_or(("", text), |rest| ("*", rest))
}

fn spell_word(word: &str) -> Result<(String, bool), String> {
    if word.starts_with('(') && word.contains("..") || word == "^" {
        return Err(format!(
            "`{word}` has a meaning of its own in a policy; write the term there by hand"
        ));
    }
    // At a word's end it is punctuation, to the matcher too.
    let word = word.trim_end_matches(['!', '！']);
    if !word.chars().any(is_sign) {
        return Ok((word.to_owned(), false));
    }
    if word.chars().all(is_sign) {
        return Err(format!(
            "`{word}` stands alone: signs without letters match nothing"
        ));
    }
    let spelled_out = word.starts_with(['@', '＠']) || word.chars().any(char::is_alphabetic);
    if !spelled_out {
        return Err(format!(
            "only digits of `{word}` would be left, and stop every such number"
        ));
    }
    Ok((word.chars().map(letter).collect(), true))
}

/// Signs that people write for letters and that are no part of a word to the matcher.
fn is_sign(ch: char) -> bool {
    !ch.is_alphanumeric() && letter(ch) != ch
}

/// The letter that a digit or sign is used for in word lists, also full-width.
fn letter(ch: char) -> char {
    match ch {
        '0' => 'o',
        '1' | '!' | '！' => 'i',
        '3' => 'e',
        '4' | '@' | '＠' => 'a',
        '5' | '$' | '＄' => 's',
        '7' | '+' | '＋' => 't',
        '8' => 'b',
        '|' | '｜' => 'l',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(pattern: &str) -> String {
        spell(pattern).unwrap().text
    }

    #[test]
    fn terms_are_lower_case_with_single_spaces() {
        assert_eq!(text("  Kung \t FU* "), "kung fu*");
        assert_eq!(text("*Head*"), "*head*");
        assert_eq!(text("b1tch"), "b1tch", "the matcher undoes digits itself");
        assert_eq!(text("S&M"), "s&m");
    }

    #[test]
    fn signs_that_stand_for_letters_are_written_as_letters() {
        for (pattern, spelled) in [
            ("@ss", "ass"),
            ("@55*", "ass*"),
            ("d@rn it!", "darn it"),
            ("b！ll", "bill"),
            ("dra+", "drat"),
            ("he||o", "hello"),
        ] {
            assert_eq!(text(pattern), spelled, "{pattern}");
        }
        assert!(!spell("darn!").unwrap().is_undone);
        assert!(spell("d@rn").unwrap().is_undone);
    }

    #[test]
    fn a_disguise_that_the_matcher_does_not_undo_is_known() {
        let found = |pattern| spell(pattern).unwrap().is_found;
        assert!(found("d@rn") && found("$h00t") && found("darn"));
        assert!(found("a$$") && found("he||o"));
        assert!(!found("dra+") && !found("@55") && !found("dra+ it"));
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        for pattern in [
            "a (0..3) b",
            "^ ez",
            "18+",
            "$5",
            "sh! +",
            "$$$",
            "*",
            "",
            "!!",
            "a\u{7}b",
        ] {
            assert!(spell(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn what_is_spelled_holds_no_sign_of_the_policy_language(pattern in "\\PC{0,30}|[@$!|+*a5 (.]{0,12}") {
            if let Ok(spelled) = spell(&pattern) {
                prop_assert!(!spelled.text.contains('|'));
                prop_assert!(!spelled.text.split(' ').any(|word| word.starts_with('@')));
            }
        }
    }
}
