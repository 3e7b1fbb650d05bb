//! Links and e-mail addresses, also with their dots in disguise: `example[.]com`, `example (dot) com`.

use super::{Span, after, before, expression, span};
use crate::text::{Cells, letters};

/// A link, or a bare domain that is meant as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub span: Span,
    /// Lower case, its dots undisguised.
    host: String,
    /// From the slash on.
    path: String,
}

const DOT: &str = r"(?:\.|\s?[\[({]\s?(?:\.|dot)\s?[\])}]\s?|\s+dot\s+)";

// A host is anything with dots; what is meant as one is decided below. Repetitions are not counted: that would make large automata.
expression!(
    LINK,
    &format!(
        r"(?i)(?:(h[tx]{{2}}ps?|ftp)://(?:[^\s/@]+@)?)?((?:[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}\p{{M}}_-]*{DOT})+[\p{{L}}\p{{N}}-]+)(:[0-9]+)?([/?\#][^\s]*)?"
    )
);
expression!(DOTS, DOT);
expression!(
    EMAIL,
    &format!(
        r"(?i)[\p{{L}}\p{{N}}][\p{{L}}\p{{N}}._%+-]*(?:@|\s?[\[({{]\s?(?:at|@)\s?[\])}}]\s?)(?:[\p{{L}}\p{{N}}-]+{DOT})+\p{{L}}{{2,24}}"
    )
);
expression!(
    EMAIL_IN_WORDS,
    r"(?i)[a-z0-9][a-z0-9._-]+ at (?:[a-z0-9-]{2,63} dot )+(?:com|net|org|edu|gov|io|de|fr|uk|ru|es|it|nl|pl|me)\b"
);

/// Domains that are links without `http` and without a path. Those that are words in chat ("ok.so", "trust.me") need one of both.
const TOP_LEVEL: [&str; 64] = [
    "com", "net", "org", "info", "biz", "edu", "gov", "xyz", "io", "app", "dev", "shop", "store",
    "site", "website", "space", "online", "ru", "su", "ua", "by", "kz", "de", "fr", "uk", "nl",
    "pl", "cz", "sk", "ro", "bg", "hu", "se", "fi", "dk", "gr", "tr", "ir", "cn", "jp", "kr", "tw",
    "hk", "vn", "br", "mx", "ar", "cl", "pe", "ca", "au", "nz", "za", "ng", "ke", "eg", "il", "sa",
    "ae", "pk", "tk", "ml", "cf", "gq",
];

/// Where a link with a path joins one to a place.
const INVITES: [(&str, &str); 20] = [
    ("discord.gg", "/"),
    ("discord.com", "/invite/"),
    ("discordapp.com", "/invite/"),
    ("discord.me", "/"),
    ("dsc.gg", "/"),
    ("invite.gg", "/"),
    ("t.me", "/"),
    ("telegram.me", "/"),
    ("telegram.dog", "/"),
    ("chat.whatsapp.com", "/"),
    ("wa.me", "/"),
    ("join.skype.com", "/"),
    ("signal.group", "/"),
    ("guilded.gg", "/"),
    ("line.me", "/ti/"),
    ("m.me", "/"),
    ("kik.me", "/"),
    ("snapchat.com", "/add/"),
    ("zoom.us", "/j/"),
    ("meet.google.com", "/"),
];

pub(super) fn find(text: &str, links: &mut Vec<Link>) {
    // Nearly every message has neither.
    if !text.contains('.') && !holds(text, "dot") {
        return;
    }
    let (Some(link), Some(dots)) = (LINK.as_ref(), DOTS.as_ref()) else {
        return;
    };
    for found in link.captures_iter(text) {
        let (Some(whole), Some(host)) = (found.get(0), found.get(2)) else {
            continue;
        };
        let scheme = found.get(1).is_some();
        let mail = before(text, host.start()) == Some('@') && !scheme;
        let inside = before(text, whole.start()).is_some_and(char::is_alphanumeric)
            || after(text, host.end()).is_some_and(|ch| ch == '@' || ch.is_alphanumeric());
        let name = dots.replace_all(host.as_str(), ".").to_lowercase();
        let path = found.get(4).map_or("", |path| path.as_str());
        let top = name.rsplit('.').next().unwrap_or_default();
        let number = top.bytes().all(|byte| byte.is_ascii_digit());
        let meant = scheme
            || name.starts_with("www.")
            || TOP_LEVEL.contains(&top)
            || (path.len() > 1 && path.starts_with('/') && top.len() < 7);
        if mail || inside || number || !meant {
            continue;
        }
        let end = whole.end() - trailing(whole.as_str());
        links.push(Link {
            span: span(whole.start(), end),
            host: name.trim_matches('-').to_owned(),
            path: path.to_owned(),
        });
    }
}

/// Bytes of punctuation at the end of a link that belong to the sentence.
fn trailing(link: &str) -> usize {
    link.len()
        - link
            .trim_end_matches(['.', ',', '!', '?', ')', ']', '"', '\'', ';', ':'])
            .len()
}

/// Whether a part stands there, in capitals or not.
fn holds(text: &str, part: &str) -> bool {
    let mut parts = text.as_bytes().windows(part.len());
    parts.any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

pub(super) fn emails(text: &str, spans: &mut Vec<Span>) {
    if text.contains('@') || holds(text, "at)") || holds(text, "at]") {
        let all = EMAIL.iter().flat_map(|email| email.find_iter(text));
        spans.extend(all.map(|found| span(found.start(), found.end())));
    }
    if holds(text, " at ") && holds(text, " dot ") {
        let all = EMAIL_IN_WORDS
            .iter()
            .flat_map(|email| email.find_iter(text));
        spans.extend(all.map(|found| span(found.start(), found.end())));
    }
}

impl Link {
    /// The host is one of `domains`, or below one.
    pub fn within(&self, domains: &[String]) -> bool {
        domains.iter().any(|domain| below(&self.host, domain))
    }

    pub(super) fn invites(&self) -> bool {
        let at = |(domain, path): &(&str, &str)| {
            below(&self.host, domain) && self.path.len() > path.len() && self.path.starts_with(path)
        };
        INVITES.iter().any(at)
    }

    /// The host is none of `domains`, but somebody who reads quickly may take it for one.
    pub(super) fn resembles(&self, domains: &[String], cells: &mut Cells) -> bool {
        if self.within(domains) {
            return false;
        }
        let own = registered(&self.host);
        domains.iter().any(|domain| {
            let name = domain.split('.').next().unwrap_or_default();
            let mut near = |label: &str| {
                let plain = plain(label, cells);
                plain == name || name.len() >= 5 && strsim::damerau_levenshtein(&plain, name) == 1
            };
            let whole = self.host.split('.');
            // The name itself below another top level domain is mostly the same firm: "paypal.de".
            whole
                .clone()
                .chain(whole.flat_map(|label| label.split('-')))
                .any(|label| near(label) && !(label == name && own == name))
        })
    }
}

/// The label that somebody registered: `example` of `www.example.co.uk`.
fn registered(host: &str) -> &str {
    let mut labels = host.rsplit('.');
    let (top, second) = (
        labels.next().unwrap_or_default(),
        labels.next().unwrap_or_default(),
    );
    let shared = top.len() == 2 && matches!(second, "co" | "com" | "org" | "net" | "ac" | "gov");
    if shared {
        labels.next().unwrap_or(second)
    } else {
        second
    }
}

fn below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A label of a host as it looks: look-alikes and digits read as letters, `rn` as `m`, `vv` as `w`.
fn plain(label: &str, cells: &mut Cells) -> String {
    cells.read(label);
    let letter = |ch: char| {
        if ch == '1' {
            'l'
        } else {
            letters::leet(ch)
                .or_else(|| letters::stands_for(ch))
                .unwrap_or(ch)
        }
    };
    let text: String = cells.all().iter().map(|cell| letter(cell.ch)).collect();
    text.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<(&str, String)> {
        let mut links = Vec::new();
        find(text, &mut links);
        links
            .iter()
            .map(|link| {
                (
                    &text[link.span.start as usize..link.span.end as usize],
                    link.host.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn every_expression_compiles() {
        assert!(LINK.is_some() && DOTS.is_some() && EMAIL.is_some() && EMAIL_IN_WORDS.is_some());
    }

    #[test]
    fn links_are_found_plain_and_with_disguised_dots() {
        for (text, link, host) in [
            (
                "see https://Example.com/a?b=c.",
                "https://Example.com/a?b=c",
                "example.com",
            ),
            (
                "go to www.example.lol now",
                "www.example.lol",
                "www.example.lol",
            ),
            ("example.com!", "example.com", "example.com"),
            ("hxxp://evil.example", "hxxp://evil.example", "evil.example"),
            ("evil[.]com", "evil[.]com", "evil.com"),
            ("evil (dot) com", "evil (dot) com", "evil.com"),
            ("evil dot com", "evil dot com", "evil.com"),
            ("join discord.gg/abc", "discord.gg/abc", "discord.gg"),
        ] {
            assert_eq!(links(text), [(link, host.to_owned())], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_link_is_none() {
        for text in [
            "ok.so what",
            "trust.me",
            "wait...what",
            "gg.ez",
            "1.5 and 2.0",
            "mail a@example.com",
            "e.g. this",
            "v1.2.3",
            "dot com",
        ] {
            assert_eq!(links(text), [], "{text}");
        }
    }

    #[test]
    fn mail_addresses_are_found_plain_and_disguised() {
        let found = |text: &str| {
            let mut spans = Vec::new();
            emails(text, &mut spans);
            spans
                .iter()
                .map(|span| text[span.start as usize..span.end as usize].to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            found("write to ada.l+x@mail.example.com, ok?"),
            ["ada.l+x@mail.example.com"]
        );
        assert_eq!(
            found("ada (at) example (dot) com"),
            ["ada (at) example (dot) com"]
        );
        assert_eq!(found("ada at example dot com"), ["ada at example dot com"]);
        assert_eq!(found("@ada are you at home"), [""; 0]);
        assert_eq!(found("look at that dot over there"), [""; 0]);
    }

    #[test]
    fn a_domain_that_looks_like_a_guarded_one_is_found_and_the_real_one_is_not() {
        let domains = [
            "paypal.com".to_owned(),
            "steamcommunity.com".to_owned(),
            "microsoft.com".to_owned(),
        ];
        let resembles = |text: &str| {
            let mut links = Vec::new();
            find(text, &mut links);
            let mut cells = Cells::default();
            links
                .iter()
                .any(|link| link.resembles(&domains, &mut cells))
        };
        for text in [
            "paypa1.com",
            "https://paypal.com.evil.ru/x",
            "paypal-login.com",
            "http://раураl.com",
            "steamcommunlty.com",
            "rnicrosoft.com",
        ] {
            assert!(resembles(text), "{text}");
        }
        for text in [
            "https://www.paypal.com/x",
            "https://paypal.de/x",
            "www.paypal.co.uk",
            "paypal.com",
            "example.com",
            "https://steampowered.com",
        ] {
            assert!(!resembles(text), "{text}");
        }
    }

    #[test]
    fn an_invitation_is_a_link_with_a_place_to_join() {
        let invites = |text: &str| {
            let mut links = Vec::new();
            find(text, &mut links);
            links.iter().any(Link::invites)
        };
        assert!(
            invites("discord.gg/abc")
                && invites("https://discord.com/invite/abc")
                && invites("t.me/somewhere")
        );
        assert!(!invites("https://discord.com/download") && !invites("https://discord.gg/"));
    }
}
