//! Tables of letters: which are invisible, which stand for others. What is well kept elsewhere (NFKC, Unicode's confusables) is not here.

use super::cells::Kind;

/// An ASCII character in lower case and what it is; None for all others.
pub(crate) fn ascii(ch: char) -> Option<(char, Kind)> {
    u8::try_from(ch).ok().filter(u8::is_ascii).map(ascii_byte)
}

/// The same of a byte that is one.
#[inline]
pub(crate) fn ascii_byte(byte: u8) -> (char, Kind) {
    ASCII[usize::from(byte & 0x7f)]
}

/// By ASCII character: it in lower case, and what it is.
const ASCII: [(char, Kind); 128] = {
    let mut all = [('\0', Kind::Other); 128];
    let mut byte = 0u8;
    while byte < 128 {
        let kind = if byte.is_ascii_alphabetic() {
            Kind::Letter
        } else if byte.is_ascii_digit() {
            Kind::Digit
        } else {
            Kind::Other
        };
        all[byte as usize] = (byte.to_ascii_lowercase() as char, kind);
        byte += 1;
    }
    all
};

/// What a character is that is not ASCII.
pub(crate) fn kind(ch: char) -> Kind {
    if ch.is_alphabetic() {
        Kind::Letter
    } else if ch.is_numeric() {
        Kind::Digit
    } else {
        Kind::Other
    }
}

/// Zero-width, bidirectional controls, variation selectors, soft hyphen, tags.
pub(crate) fn is_invisible(ch: char) -> bool {
    matches!(ch,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Marks that are put upon Latin letters: accents, and the piles of them called zalgo. Vowel signs of other scripts are not here: they
/// are letters to those who write them.
pub(crate) fn is_stacked_mark(ch: char) -> bool {
    matches!(ch, '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The letter in a picture of one: negative circled and squared letters, regional indicators. (NFKC does the other enclosed letters.)
pub(crate) fn emoji_letter(ch: char) -> Option<char> {
    let from = match ch {
        '\u{1f150}'..='\u{1f169}' => 0x1f150,
        '\u{1f170}'..='\u{1f189}' => 0x1f170,
        '\u{1f1e6}'..='\u{1f1ff}' => 0x1f1e6,
        _ => return None,
    };
    char::from_u32(ch as u32 - from + u32::from(b'a'))
}

/// Pictures, each a word of its own.
pub(crate) fn is_emoji(ch: char) -> bool {
    matches!(ch, '\u{1f300}'..='\u{1f3fa}' | '\u{1f400}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b1b}'..='\u{2b55}' | '\u{231a}'..='\u{23f3}')
}

/// An apostrophe: what it parts is one word to its writer ("he'll").
pub(crate) const fn is_apostrophe(ch: char) -> bool {
    matches!(
        ch,
        '\'' | '\u{2018}' | '\u{2019}' | '\u{2bc}' | '`' | '\u{b4}'
    )
}

/// Ends a sentence where no word follows at once.
pub(crate) const fn ends_sentence(ch: char) -> bool {
    matches!(ch, '.' | '!' | '?' | ';' | '\u{2026}' | '\u{3002}')
}

/// Stands for letters that somebody hid.
pub(crate) fn hides_letter(ch: char) -> bool {
    matches!(ch, '*' | '#' | '-' | '_' | '.' | '•' | '×')
}

/// A sign that is used for a letter, or hides one.
pub(crate) const fn is_sign(ch: char) -> bool {
    leet(ch).is_some() || matches!(ch, '*' | '#')
}

/// What an ASCII character is to words, as bits: part of one; parts what was one; ends a line; ends a sentence.
pub(crate) const WORD: u8 = 1;
pub(crate) const APOSTROPHE: u8 = 2;
pub(crate) const NEWLINE: u8 = 4;
pub(crate) const SENTENCE_END: u8 = 8;

/// By ASCII character.
pub(crate) const CLASSES: [u8; 128] = {
    let mut classes = [0; 128];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = if byte.is_ascii_alphanumeric() {
            WORD
        } else if byte == b'\n' {
            NEWLINE
        } else if is_apostrophe(byte as char) {
            APOSTROPHE
        } else if ends_sentence(byte as char) {
            SENTENCE_END
        } else {
            0
        };
        byte += 1;
    }
    classes
};

/// By ASCII character: a digit, or a sign that is used for a letter or hides one.
pub(crate) const SIGNS: [bool; 128] = {
    let mut signs = [false; 128];
    let mut byte = 0u8;
    while byte < 128 {
        signs[byte as usize] = byte.is_ascii_digit() || is_sign(byte as char);
        byte += 1;
    }
    signs
};

/// The letter that a digit or sign is used for.
pub(crate) const fn leet(ch: char) -> Option<char> {
    Some(match ch {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '2' => 'z',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' | '+' => 't',
        '8' => 'b',
        '(' | '¢' => 'c',
        '£' => 'l',
        _ => return None,
    })
}

/// The other letter that a sign is used for.
pub(crate) fn leet_other(ch: char) -> Option<char> {
    Some(match ch {
        '1' | '!' | '|' => 'l',
        '6' => 'b',
        '@' => 'o',
        _ => return None,
    })
}

/// The Latin letter that a letter of another script is drawn for, where it stands among Latin ones. Unicode's confusables are stricter:
/// they list what cannot be told apart, this what can still be read.
pub(crate) fn stands_for(ch: char) -> Option<char> {
    Some(match ch {
        'α' | 'д' | 'ά' | 'ª' | 'ʌ' => 'a',
        'в' | 'ь' | 'ъ' | 'б' | 'β' | 'ʙ' => 'b',
        'ц' | 'ç' | 'ς' => 'c',
        'δ' | 'ժ' => 'd',
        'э' | 'є' | 'ε' | 'έ' | 'ξ' | 'з' | 'ə' | 'ɛ' => 'e',
        'ғ' | 'ƒ' => 'f',
        'г' | 'ɢ' => 'r',
        'н' | 'ң' | 'ʜ' | 'ћ' => 'h',
        'ι' | 'ї' | 'ί' | 'ɪ' => 'i',
        'к' | 'қ' | 'κ' | 'ĸ' | 'ᴋ' => 'k',
        'λ' | 'ʟ' | 'л' => 'l',
        'м' | 'μ' | 'ᴍ' | 'ʍ' => 'm',
        'п' | 'и' | 'й' | 'η' | 'ή' | 'ո' | 'ɴ' => 'n',
        'ф' | 'θ' | 'φ' | 'σ' | 'ө' | 'ю' => 'o',
        'ρ' | 'þ' => 'p',
        'я' | 'ʀ' => 'r',
        'т' | 'τ' | 'ᴛ' => 't',
        'υ' | 'ս' | 'џ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ш' | 'щ' | 'ω' | 'ώ' => 'w',
        'ж' | 'χ' => 'x',
        'ү' | 'ұ' | 'ч' | 'γ' | 'ʏ' => 'y',
        'ζ' | 'ʐ' => 'z',
        _ => return None,
    })
}

/// Opens or closes a quotation.
pub(crate) fn is_quote(ch: char) -> bool {
    matches!(
        ch,
        '"' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}'
    )
}

/// Whether `close` ends what `open` began; people mix them freely.
pub(crate) fn closes_quote(open: char, close: char) -> bool {
    match open {
        '"' => close == '"',
        '\u{ab}' => close == '\u{bb}',
        '\u{bb}' => close == '\u{ab}',
        _ => matches!(close, '"' | '\u{201c}' | '\u{201d}'),
    }
}
