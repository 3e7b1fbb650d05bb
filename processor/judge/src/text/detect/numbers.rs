//! Numbers that name a person: phone, card, account, internet and postal addresses.

use super::{Span, after, before, expression, span};
use regex::Regex;
use std::net::{Ipv4Addr, Ipv6Addr};

expression!(
    PHONE,
    r"(?:\+|\b00|\()?\(?[0-9](?:[\s().\-/]{0,3}[0-9]){6,14}"
);
expression!(
    CALLED,
    r"(?i)\b(?:call|text|phone|tel|cell|mobile|whatsapp|number|sms|ring|reach|dial)\b(?:\W+\w+){0,3}\W*$"
);
expression!(CARD, r"[0-9](?:[ -]?[0-9]){12,18}");
expression!(IBAN, r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,30}");
expression!(IPV4, r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}");
expression!(IPV6, r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}");
expression!(
    POSTAL,
    concat!(
        r"(?i)\b[0-9]{1,5}[a-z]?,?\s+(?:\p{L}+\.?\s+){1,3}(?:street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|terrace|crescent|close|square)\b",
        r"|\b\p{L}{3,}(?:straße|strasse|str\.|weg|gasse|platz|allee|damm)\s+[0-9]{1,4}[a-z]?\b",
        r"|\b[0-9]{1,4},?\s+(?:rue|avenue|boulevard|chemin|impasse|quai)\s+(?:(?:de|du|des|la|le)\s+)*\p{L}+",
        r"|\b(?:via|viale|piazza|calle|avenida|plaza|rua)\s+(?:\p{L}+\s+){1,4}[0-9]{1,4}\b",
    )
);

/// Whether a text has so many digits; nearly none has.
fn has_digits(text: &str, least: usize) -> bool {
    text.bytes().filter(u8::is_ascii_digit).take(least).count() == least
}

fn digits(text: &str) -> Vec<u8> {
    text.bytes()
        .filter(u8::is_ascii_digit)
        .map(|byte| byte - b'0')
        .collect()
}

/// Matches that stand by themselves and hold.
fn each(
    expression: &Option<Regex>,
    text: &str,
    spans: &mut Vec<Span>,
    holds: impl Fn(&str, usize) -> bool,
) {
    for found in expression
        .iter()
        .flat_map(|expression| expression.find_iter(text))
    {
        let beside = |ch: char| ch.is_alphanumeric() || matches!(ch, '$' | '€' | '£' | '#' | '_');
        let inside = before(text, found.start()).is_some_and(beside)
            || after(text, found.end()).is_some_and(char::is_alphanumeric);
        if !inside && holds(found.as_str(), found.start()) {
            spans.push(span(found.start(), found.end()));
        }
    }
}

pub(super) fn phones(text: &str, spans: &mut Vec<Span>) {
    if !has_digits(text, 7) {
        return;
    }
    each(&PHONE, text, spans, |number, at| {
        let digits = digits(number);
        let groups: Vec<usize> = number
            .split(|ch: char| !ch.is_ascii_digit())
            .map(str::len)
            .filter(|len| *len > 0)
            .collect();
        let count = digits.len();
        if digits.windows(2).all(|pair| pair[0] == pair[1]) {
            return false;
        }
        if number.starts_with('+') || number.starts_with("00") {
            return (9..=15).contains(&count);
        }
        let north_american = |digits: &[u8]| digits.len() == 10 && digits[0] >= 2 && digits[3] >= 2;
        match groups.as_slice() {
            [3, 3, 4] => north_american(&digits),
            [1, 3, 3, 4] => digits[0] == 1 && north_american(&digits[1..]),
            // National: a leading 0, then nine to eleven digits, in groups that are no date.
            groups if digits[0] == 0 => {
                (10..=12).contains(&count)
                    && groups.iter().all(|len| *len <= 7 || groups.len() == 1)
            }
            _ => {
                (7..=11).contains(&count)
                    && CALLED
                        .as_ref()
                        .is_some_and(|called| called.is_match(&text[..at]))
            }
        }
    });
}

pub(super) fn cards(text: &str, spans: &mut Vec<Span>) {
    if !has_digits(text, 13) {
        return;
    }
    each(&CARD, text, spans, |number, _| {
        let digits = digits(number);
        let first = |count: usize| {
            digits
                .iter()
                .take(count)
                .fold(0u32, |all, digit| all * 10 + u32::from(*digit))
        };
        let issued = match digits.len() {
            13 | 19 => first(1) == 4 || first(1) == 6,
            14 => matches!(first(2), 30 | 36 | 38 | 39),
            15 => matches!(first(2), 34 | 37),
            16 => {
                first(1) == 4
                    || matches!(first(2), 51..=55 | 35 | 60 | 64 | 65)
                    || (2221..=2720).contains(&first(4))
            }
            _ => false,
        };
        issued && luhn(&digits) && digits.windows(2).any(|pair| pair[0] != pair[1])
    });
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let doubled = u32::from(*digit) * if place % 2 == 1 { 2 } else { 1 };
            doubled / 10 + doubled % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Lengths by country, from the IBAN registry (SWIFT, ISO 13616).
const IBAN_LENGTHS: [(&str, usize); 78] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("XK", 20),
];

pub(super) fn ibans(text: &str, spans: &mut Vec<Span>) {
    if !has_digits(text, 6) {
        return;
    }
    for found in IBAN.iter().flat_map(|iban| iban.find_iter(text)) {
        let country = found
            .as_str()
            .get(..2)
            .unwrap_or_default()
            .to_ascii_uppercase();
        let Some((_, length)) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country) else {
            continue;
        };
        // What follows may be the next word of the sentence: the country says where the number ends.
        let mut letters = found.as_str().char_indices().filter(|(_, ch)| *ch != ' ');
        let Some((last, ch)) = letters.nth(length - 1) else {
            continue;
        };
        let end = found.start() + last + ch.len_utf8();
        let compact: String = text[found.start()..end]
            .chars()
            .filter(|ch| *ch != ' ')
            .collect();
        let ends = after(text, end).is_none_or(|ch| !ch.is_alphanumeric());
        if ends && checks_97(&compact) {
            spans.push(span(found.start(), end));
        }
    }
}

/// ISO 13616: the country and check digits at the end, letters as 10..35, modulo 97 is 1.
fn checks_97(iban: &str) -> bool {
    let turned = iban.chars().skip(4).chain(iban.chars().take(4));
    let rest = turned
        .filter_map(|ch| ch.to_digit(36))
        .fold(0u32, |rest, value| {
            let shift = if value >= 10 { 100 } else { 10 };
            (rest * shift + value) % 97
        });
    rest == 1
}

pub(super) fn addresses(text: &str, spans: &mut Vec<Span>) {
    if text.contains('.') && has_digits(text, 4) {
        each(&IPV4, text, spans, |address, at| {
            let version = before(text, at).is_some_and(|ch| matches!(ch, '.' | 'v' | 'V' | '-'))
                || text[..at]
                    .trim_end()
                    .to_ascii_lowercase()
                    .ends_with("version")
                || after(text, at + address.len()) == Some('.')
                    && after(text, at + address.len() + 1).is_some_and(|ch| ch.is_ascii_digit());
            let public = |address: &Ipv4Addr| {
                !(address.is_private()
                    || address.is_loopback()
                    || address.is_unspecified()
                    || address.is_link_local()
                    || address.octets()[0] < 2)
            };
            !version && address.parse().is_ok_and(|address| public(&address))
        });
    }
    if text.contains(':') {
        each(&IPV6, text, spans, |address, _| {
            let long = address.contains("::") || address.matches(':').count() == 7;
            let public = |address: &Ipv6Addr| {
                !(address.is_loopback()
                    || address.is_unspecified()
                    || address.segments()[0] & 0xfe80 == 0xfe80)
            };
            long && address.len() >= 7 && address.parse().is_ok_and(|address| public(&address))
        });
    }
}

pub(super) fn postal(text: &str, spans: &mut Vec<Span>) {
    if has_digits(text, 1) {
        // "12 people on the street".
        let prose = [
            "the", "on", "in", "a", "my", "your", "this", "that", "of", "to",
        ];
        each(&POSTAL, text, spans, |address, _| {
            !address
                .split_whitespace()
                .any(|word| prose.contains(&word.to_ascii_lowercase().as_str()))
                || address.to_ascii_lowercase().contains("rue ")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Finder = fn(&str, &mut Vec<Span>);

    #[track_caller]
    fn finds(find: Finder, text: &str, expected: &str) {
        let mut spans = Vec::new();
        find(text, &mut spans);
        let all: Vec<&str> = spans
            .iter()
            .map(|span| &text[span.start as usize..span.end as usize])
            .collect();
        assert_eq!(all, [expected], "{text}");
    }

    #[track_caller]
    fn misses(find: Finder, texts: &[&str]) {
        for text in texts {
            let mut spans = Vec::new();
            find(text, &mut spans);
            assert_eq!(spans, [], "{text}");
        }
    }

    #[test]
    fn every_expression_compiles() {
        let all = [&PHONE, &CALLED, &CARD, &IBAN, &IPV4, &IPV6, &POSTAL];
        assert!(all.iter().all(|expression| expression.is_some()));
    }

    #[test]
    fn phone_numbers_of_several_countries_are_found() {
        finds(phones, "call +49 30 1234567 now", "+49 30 1234567");
        finds(phones, "me: 555-867-5309", "555-867-5309");
        finds(phones, "it's (415) 867-5309!", "(415) 867-5309");
        finds(phones, "1-415-867-5309", "1-415-867-5309");
        finds(phones, "07700 900123", "07700 900123");
        finds(phones, "06 12 34 56 78", "06 12 34 56 78");
        finds(phones, "text me 4158675309", "4158675309");
        finds(phones, "my number is 867 5309", "867 5309");
    }

    #[test]
    fn other_numbers_are_no_phone_numbers() {
        misses(
            phones,
            &[
                "1000000000 gold",
                "2024-11-21 10:30",
                "12/05/2021 and 13/05/2021",
                "45 45 45",
                "0000000000",
                "order 4158675309",
                "192.168.10.20",
                "$415 867 5309",
                "1 2 3 4 5 6 7 8 9",
            ],
        );
    }

    #[test]
    fn a_card_is_known_by_its_issuer_length_and_check_digit() {
        finds(cards, "use 4111 1111 1111 1111 ok", "4111 1111 1111 1111");
        finds(cards, "5500-0000-0000-0004", "5500-0000-0000-0004");
        finds(cards, "378282246310005", "378282246310005");
        misses(
            cards,
            &[
                "4111 1111 1111 1112",
                "1234567890123456",
                "0000000000000000",
                "9111111111111111",
            ],
        );
    }

    #[test]
    fn an_iban_is_known_by_country_length_and_check_digits() {
        finds(
            ibans,
            "to DE89 3704 0044 0532 0130 00 please",
            "DE89 3704 0044 0532 0130 00",
        );
        finds(ibans, "gb82west12345698765432", "gb82west12345698765432");
        misses(
            ibans,
            &[
                "DE89 3704 0044 0532 0130 01",
                "ZZ89370400440532013000",
                "DE8937040044053201",
            ],
        );
    }

    #[test]
    fn public_addresses_are_found_and_versions_and_private_ones_are_not() {
        finds(addresses, "join 93.184.216.34:25565", "93.184.216.34");
        finds(
            addresses,
            "2606:2800:220:1:248:1893:25c8:1946",
            "2606:2800:220:1:248:1893:25c8:1946",
        );
        finds(addresses, "2606:2800::1946", "2606:2800::1946");
        misses(
            addresses,
            &[
                "192.168.0.1",
                "127.0.0.1",
                "v10.4.3.2",
                "version 12.4.3.2",
                "12:30:45",
                "1.2.3",
                "300.1.2.3",
                "12.1.2.3.4",
                "std::vec::Vec",
            ],
        );
    }

    #[test]
    fn postal_addresses_are_guessed() {
        finds(postal, "i live at 221b Baker Street", "221b Baker Street");
        finds(postal, "Hauptstraße 12", "Hauptstraße 12");
        finds(postal, "12 rue de la Paix", "12 rue de la Paix");
        misses(
            postal,
            &["12 people on the street", "meet at 5", "road rage 12"],
        );
    }
}
