//! Detectors: what is recognised by its form and not by a list of words.
//!
//! Invariant: a detector looks at the text as it was written and its cost is linear in it; each has a cheap test that nearly every message
//! fails. They prefer to miss: a phone number that is none costs more trust than one that slips through.

mod flood;
mod links;
mod numbers;

use super::{Cells, Found, Hit, Marks, Span};
pub(crate) use links::Link;
use serde::{Deserialize, Serialize};

/// What is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Detector {
    Email,
    Phone,
    /// Payment cards, by their check digit.
    Card,
    /// Bank accounts, by their check digits.
    Iban,
    /// Public internet addresses.
    Ip,
    /// Postal addresses: a guess.
    Postal,
    /// Links to all domains but these.
    Url {
        allow: Vec<String>,
    },
    /// Links to these domains.
    Domain {
        domains: Vec<String>,
    },
    /// Links to domains that look like these and are not.
    LookAlike {
        domains: Vec<String>,
    },
    /// Invitations to other places: of the well-known services, and links to these domains.
    Invite {
        domains: Vec<String>,
    },
    /// So many letters, of which so many of a hundred are capitals.
    Caps {
        letters: u32,
        percent: u32,
    },
    /// A character or a word so many times in a row.
    Repetition {
        times: u32,
    },
    /// So many pictures.
    Emoji {
        count: u32,
    },
}

/// What a text has besides words. Kept between texts for its memory.
#[derive(Debug, Default)]
pub(crate) struct Detected {
    pub links: Vec<Link>,
    spans: Vec<Span>,
    /// For the names of domains.
    cells: Cells,
}

impl Detected {
    /// Adds to `found` what the detectors recognise; each comes with the index of its rule. `links` are wanted even without one.
    pub fn look(
        &mut self,
        text: &str,
        detectors: &[(u32, Detector)],
        links: bool,
        found: &mut Found,
    ) {
        self.links.clear();
        let wants_links = |(_, detector): &(u32, Detector)| {
            matches!(
                detector,
                Detector::Url { .. }
                    | Detector::Domain { .. }
                    | Detector::LookAlike { .. }
                    | Detector::Invite { .. }
            )
        };
        if links || detectors.iter().any(wants_links) {
            links::find(text, &mut self.links);
        }
        for (term, detector) in detectors {
            self.spans.clear();
            let (spans, cells) = (&mut self.spans, &mut self.cells);
            let links = self.links.iter();
            match detector {
                Detector::Email => links::emails(text, spans),
                Detector::Phone => numbers::phones(text, spans),
                Detector::Card => numbers::cards(text, spans),
                Detector::Iban => numbers::ibans(text, spans),
                Detector::Ip => numbers::addresses(text, spans),
                Detector::Postal => numbers::postal(text, spans),
                Detector::Url { allow } => spans.extend(
                    links
                        .filter(|link| !link.within(allow))
                        .map(|link| link.span),
                ),
                Detector::Domain { domains } => spans.extend(
                    links
                        .filter(|link| link.within(domains))
                        .map(|link| link.span),
                ),
                Detector::LookAlike { domains } => {
                    spans.extend(
                        links
                            .filter(|link| link.resembles(domains, cells))
                            .map(|link| link.span),
                    );
                }
                Detector::Invite { domains } => {
                    spans.extend(
                        links
                            .filter(|link| link.invites() || link.within(domains))
                            .map(|link| link.span),
                    );
                }
                Detector::Caps { letters, percent } => flood::caps(text, *letters, *percent, spans),
                Detector::Repetition { times } => flood::repetition(text, *times, spans),
                Detector::Emoji { count } => flood::emoji(text, *count, spans),
            }
            found.hits.extend(self.spans.iter().map(|span| Hit {
                span: *span,
                term: *term,
                marks: Marks::NONE,
                cells: (0, 0),
                risk: u8::MAX,
            }));
        }
    }
}

/// A part of a text; texts are bounded far below 4 GiB.
fn span(start: usize, end: usize) -> Span {
    Span {
        start: start as u32,
        end: end as u32,
    }
}

/// The character before a byte.
fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// The character at a byte.
fn after(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

/// A regular expression of this crate's own: that it compiles is tested.
macro_rules! expression {
    ($name:ident, $text:expr) => {
        static $name: std::sync::LazyLock<Option<regex::Regex>> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).ok());
    };
}
use expression;
