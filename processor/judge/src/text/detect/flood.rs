//! Shouting, repeating, picture walls.

use super::{Span, span};
use crate::text::letters;

/// The whole text, if it has `least` letters that have a case and `percent` of a hundred of them are capitals.
pub(super) fn caps(text: &str, least: u32, percent: u32, spans: &mut Vec<Span>) {
    let (mut letters, mut capitals) = (0u32, 0u32);
    for ch in text.chars() {
        if ch.is_uppercase() {
            capitals += 1;
            letters += 1;
        } else if ch.is_lowercase() {
            letters += 1;
        }
    }
    if letters >= least && u64::from(capitals) * 100 >= u64::from(percent) * u64::from(letters) {
        spans.push(span(0, text.len()));
    }
}

/// Runs of `times` equal characters, or of `times` equal words.
pub(super) fn repetition(text: &str, times: u32, spans: &mut Vec<Span>) {
    let mut run: Option<(char, usize, u32)> = None;
    for (at, ch) in text.char_indices().chain([(text.len(), '\0')]) {
        match &mut run {
            Some((last, _, count)) if *last == ch => *count += 1,
            _ => {
                if let Some((last, start, count)) = run.replace((ch, at, 1))
                    && count >= times
                    && !last.is_whitespace()
                {
                    spans.push(span(start, at));
                }
            }
        }
    }
    let mut words: Option<(&str, usize, usize, u32)> = None;
    for word in text.split_whitespace() {
        // `word` is a part of `text`.
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        let end = at + word.len();
        words = match words {
            Some((last, start, _, count)) if last.eq_ignore_ascii_case(word) => {
                Some((last, start, end, count + 1))
            }
            other => {
                words_end(other, times, spans);
                Some((word, at, end, 1))
            }
        };
    }
    words_end(words, times, spans);
}

fn words_end(words: Option<(&str, usize, usize, u32)>, times: u32, spans: &mut Vec<Span>) {
    if let Some((_, start, end, _)) = words.filter(|(.., count)| *count >= times) {
        spans.push(span(start, end));
    }
}

/// From the first picture to the last, if there are `least`.
pub(super) fn emoji(text: &str, least: u32, spans: &mut Vec<Span>) {
    if text.is_ascii() {
        return;
    }
    let mut pictures = text
        .char_indices()
        .filter(|(_, ch)| letters::is_emoji(*ch) || letters::emoji_letter(*ch).is_some());
    let Some((first, ch)) = pictures.next() else {
        return;
    };
    let (mut count, mut end) = (1u32, first + ch.len_utf8());
    for (at, ch) in pictures {
        count += 1;
        end = at + ch.len_utf8();
    }
    if count >= least {
        spans.push(span(first, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(find: impl Fn(&mut Vec<Span>)) -> Vec<(u32, u32)> {
        let mut spans = Vec::new();
        find(&mut spans);
        spans.iter().map(|span| (span.start, span.end)).collect()
    }

    #[test]
    fn shouting_needs_enough_letters_and_enough_capitals() {
        assert_eq!(
            found(|spans| caps("STOP IT RIGHT NOW", 10, 80, spans)),
            [(0, 17)]
        );
        assert_eq!(found(|spans| caps("GG WP", 10, 80, spans)), []);
        assert_eq!(found(|spans| caps("Stop it Right Now", 10, 80, spans)), []);
    }

    #[test]
    fn characters_and_words_in_a_row_are_counted() {
        assert_eq!(
            found(|spans| repetition("nooooooooo!!!!!!!!!", 8, spans)),
            [(1, 10), (10, 19)]
        );
        assert_eq!(
            found(|spans| repetition("go go GO go now", 4, spans)),
            [(0, 11)]
        );
        assert_eq!(found(|spans| repetition("            ", 4, spans)), []);
    }

    #[test]
    fn a_wall_of_pictures_is_one_span() {
        assert_eq!(found(|spans| emoji("😀😀 hi 😀", 3, spans)), [(0, 16)]);
        assert_eq!(found(|spans| emoji("😀😀", 3, spans)), []);
    }
}
