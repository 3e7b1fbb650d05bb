//! Patterns: what may stand in `match`, `exceptions`, an allow or a guard.
//!
//! ```text
//! darn            a whole word              kung fu         words one after another
//! darn*  *head    prefix, suffix            @insult         any word of a class
//! @hate (0..3) @group                       at most three words between
//! ^ ez $                                    nothing before, nothing after
//! ```

/// Most elements of a phrase.
const ELEMENTS: usize = 10;
/// Most words between two elements.
pub(crate) const GAP_MAX: u32 = 8;
/// Longest pattern in bytes.
const LENGTH: usize = 200;

/// A pattern taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Plain(Plain),
    Phrase(Phrase),
}

/// One or more words in a row; `*` opens an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub text: String,
    pub open_start: bool,
    pub open_end: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phrase {
    pub elements: Vec<Element>,
    /// Begins with the message.
    pub at_start: bool,
    /// Ends with the message.
    pub at_end: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    /// Words between the element before and this one.
    pub gap: (u32, u32),
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Class(String),
    Words(Plain),
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, String> {
        if text.len() > LENGTH {
            let start: String = text.chars().take(20).collect();
            return Err(format!("`{start}…` is longer than {LENGTH} bytes"));
        }
        let tokens: Vec<&str> = text.split_whitespace().collect();
        let phrase = tokens.iter().any(|token| {
            class(token).is_some()
                || token.starts_with('(') && token.contains("..")
                || matches!(*token, "^" | "$")
        });
        if phrase {
            Pattern::phrase(text, &tokens).map(Pattern::Phrase)
        } else {
            Plain::parse(text).map(Pattern::Plain)
        }
    }

    fn phrase(text: &str, tokens: &[&str]) -> Result<Phrase, String> {
        let mut phrase = Phrase {
            elements: Vec::new(),
            at_start: false,
            at_end: false,
        };
        let mut gap = None;
        for (place, token) in tokens.iter().enumerate() {
            if *token == "^" && place == 0 {
                phrase.at_start = true;
            } else if *token == "$" && place + 1 == tokens.len() {
                phrase.at_end = true;
            } else if matches!(*token, "^" | "$") {
                return Err(format!(
                    "`{text}`: `^` stands only at the start, `$` only at the end"
                ));
            } else if let Some(inner) = token.strip_prefix('(') {
                if phrase.elements.is_empty() || gap.is_some() {
                    return Err(format!(
                        "`{text}`: `{token}` must stand between two words or classes"
                    ));
                }
                gap = Some(self::gap(inner).ok_or_else(|| {
                    format!("`{text}`: `{token}` is no gap; write (0..3), at most {GAP_MAX} words")
                })?);
            } else {
                let what = match class(token) {
                    Some(name) => What::Class(name.to_owned()),
                    None => What::Words(Plain::parse(token)?),
                };
                phrase.elements.push(Element {
                    gap: gap.take().unwrap_or((0, 0)),
                    what,
                });
            }
        }
        if gap.is_some() {
            return Err(format!(
                "`{text}` ends with a gap; a word or class must follow"
            ));
        }
        if phrase.elements.is_empty() || phrase.elements.len() > ELEMENTS {
            return Err(format!(
                "`{text}` has {} words and classes: 1 to {ELEMENTS}",
                phrase.elements.len()
            ));
        }
        Ok(phrase)
    }

    /// Names of the classes that it needs.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        let elements = match self {
            Pattern::Plain(_) => [].iter(),
            Pattern::Phrase(phrase) => phrase.elements.iter(),
        };
        elements.filter_map(|element| match &element.what {
            What::Class(name) => Some(name.as_str()),
            What::Words(_) => None,
        })
    }
}

impl Plain {
    pub fn parse(text: &str) -> Result<Plain, String> {
        let (open_start, inner) = text
            .strip_prefix('*')
            .map_or((false, text), |rest| (true, rest));
        let (open_end, inner) = inner
            .strip_suffix('*')
            .map_or((false, inner), |rest| (true, rest));
        if inner.contains('*') {
            return Err(format!(
                "`{text}`: `*` stands only at an end (prefix, suffix or both)"
            ));
        }
        if !inner.chars().any(crate::text::carries_meaning) {
            return Err(format!("`{text}` has no letter, digit or emoji to match"));
        }
        Ok(Plain {
            text: inner.to_owned(),
            open_start,
            open_end,
        })
    }
}

/// `@name`: a class. Anything else after an `@` is a letter in disguise.
fn class(token: &str) -> Option<&str> {
    let name = token.strip_prefix('@')?;
    is_class_name(name).then_some(name)
}

/// What a class may be called.
pub(crate) fn is_class_name(name: &str) -> bool {
    name.starts_with(|ch: char| ch.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// `0..3)`.
fn gap(inner: &str) -> Option<(u32, u32)> {
    let (least, most) = inner.strip_suffix(')')?.split_once("..")?;
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    (least <= most && most <= GAP_MAX).then_some((least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_classes_or_gaps_is_plain_text() {
        let plain = |text: &str| match Pattern::parse(text) {
            Ok(Pattern::Plain(plain)) => (plain.text, plain.open_start, plain.open_end),
            other => panic!("{other:?}"),
        };
        assert_eq!(plain("kung fu"), ("kung fu".into(), false, false));
        assert_eq!(plain("*head*"), ("head".into(), true, true));
        assert_eq!(plain("a$$ (c)"), ("a$$ (c)".into(), false, false));
        assert_eq!(plain("@55"), ("@55".into(), false, false));
    }

    #[test]
    fn a_phrase_names_classes_words_and_gaps() {
        let Ok(Pattern::Phrase(phrase)) = Pattern::parse("^ i @hate (0..3) those* $") else {
            panic!("a phrase");
        };
        assert!(phrase.at_start && phrase.at_end);
        let gaps: Vec<(u32, u32)> = phrase.elements.iter().map(|element| element.gap).collect();
        assert_eq!(gaps, [(0, 0), (0, 0), (0, 3)]);
        assert_eq!(phrase.elements[1].what, What::Class("hate".into()));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, problem) in [
            ("a*b", "`*` stands only at an end"),
            ("...", "no letter, digit or emoji"),
            ("@a (0..9) @b", "is no gap"),
            ("@a (3..1) @b", "is no gap"),
            ("@a (0..1)", "ends with a gap"),
            ("(0..1) @a", "must stand between"),
            ("@a ^ b", "`^` stands only at the start"),
            (&"x".repeat(300), "longer than 200 bytes"),
        ] {
            let error = Pattern::parse(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
