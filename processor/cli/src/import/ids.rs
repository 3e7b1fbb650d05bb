//! Ids of terms: they name rules in verdicts, so they must survive a new edition of the list.
//!
//! Invariant: an id depends on the term and not on its line or its neighbours' order. It is the term made plain (`kung-fu`); where several
//! terms would be called the same, only the one that is written like its id keeps it, and the others get a short hash of themselves.

use std::collections::{BTreeMap, BTreeSet};

/// A longer slug is cut.
const LONGEST: usize = 48;
/// Hexadecimal digits behind a slug that is not unique.
const HASH: usize = 8;

/// What an id is made from.
#[derive(Debug)]
pub struct Named<'a> {
    /// The list's own id, or the first pattern.
    pub name: &'a str,
    /// No two terms have the same.
    pub distinct: String,
}

/// Lower-case ASCII words joined with `-`; empty if there are none.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for ch in text.chars() {
        if ch.is_ascii_alphanumeric() {
            slug.push(ch.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(LONGEST);
    slug.trim_end_matches('-').to_owned()
}

/// One id for each, in their order.
pub fn ids(prefix: &str, terms: &[Named<'_>]) -> Vec<String> {
    let slugs: Vec<String> = terms.iter().map(|term| slug(term.name)).collect();
    let written: Vec<bool> = terms
        .iter()
        .zip(&slugs)
        .map(|(term, slug)| term.name == slug.replace('-', " ") || term.name == slug)
        .collect();
    let mut holders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (slug, written) in slugs.iter().zip(&written) {
        let (all, as_written) = holders.entry(slug).or_default();
        *all += 1;
        *as_written += usize::from(*written);
    }
    let mut taken = BTreeSet::new();
    let mut ids = Vec::with_capacity(terms.len());
    for ((term, slug), written) in terms.iter().zip(&slugs).zip(written) {
        let (all, as_written) = holders.get(slug.as_str()).copied().unwrap_or_default();
        let keeps = !slug.is_empty() && (all == 1 || (written && as_written == 1));
        let hash = blake3::hash(term.distinct.as_bytes()).to_hex();
        let with = |digits: usize| joined(&[prefix, slug, hash.get(..digits).unwrap_or(&hash)]);
        let mut id = if keeps {
            joined(&[prefix, slug])
        } else {
            with(HASH)
        };
        // Two hashes that begin alike, or a term that is spelled like an id with its hash.
        let mut digits = HASH;
        while taken.contains(&id) && digits <= hash.len() {
            digits *= 2;
            id = with(digits);
        }
        taken.insert(id.clone());
        ids.push(id);
    }
    ids
}

fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Vec<String> {
        let named: Vec<Named<'_>> = names
            .iter()
            .map(|name| Named {
                name,
                distinct: (*name).to_owned(),
            })
            .collect();
        ids("en", &named)
    }

    #[test]
    fn slugs_are_ascii_words() {
        assert_eq!(
            slug("Sexual anatomy / sexual acts"),
            "sexual-anatomy-sexual-acts"
        );
        assert_eq!(slug("--a__b--"), "a-b");
        assert_eq!(slug("点"), "");
        assert!(slug(&"ab ".repeat(100)).len() <= LONGEST);
    }

    #[test]
    fn an_id_is_the_term_made_plain() {
        assert_eq!(of(&["kung fu", "darn*"]), ["en-kung-fu", "en-darn"]);
    }

    #[test]
    fn on_a_clash_the_term_that_is_written_like_its_id_keeps_it_wherever_it_stands() {
        let forward = of(&["kung-fu", "kung_fu", "kung fu*"]);
        assert_eq!(forward[0], "en-kung-fu");
        assert_eq!(forward[1].len(), "en-kung-fu-".len() + HASH);
        let mut backward = of(&["kung fu*", "kung_fu", "kung-fu"]);
        backward.reverse();
        assert_eq!(forward, backward);
    }

    #[test]
    fn terms_without_ascii_are_called_by_their_hash() {
        let ids = of(&["点", "线"]);
        assert_ne!(ids[0], ids[1]);
        assert!(
            ids.iter().all(|id| id.len() == "en-".len() + HASH),
            "{ids:?}"
        );
        assert_eq!(of(&["线"])[0], ids[1]);
    }
}
