//! HTML pages that need nothing else: no script, no font, no image, no network.
//!
//! Invariant: the page's own policy forbids scripts and requests, and a word that is not ours goes through `safe`.

use std::fmt::Write as _;

use crate::table::visible;

/// What all pages of a replay look like.
pub const STYLE: &str = include_str!("page.css");

/// How a page begins: what a reader sees in the first second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Careful,
    Bad,
    Neutral,
}

/// What it is about in small letters, a word or two in large ones, and then what a reader needs to know.
pub fn header(html: &mut String, tone: Tone, (what, badge): (&str, &str), sentences: &[String]) {
    let tone = match tone {
        Tone::Good => "good",
        Tone::Careful => "careful",
        Tone::Bad => "bad",
        Tone::Neutral => "neutral",
    };
    let _ = write!(
        html,
        "<header class=\"{tone}\"><p class=\"what\">{}</p><p class=\"badge\">{}</p>",
        safe(what),
        safe(badge)
    );
    for sentence in sentences {
        let _ = write!(html, "<p>{}</p>", safe(sentence));
    }
    html.push_str("</header>");
}

/// The page up to its body; `title` is escaped here, `style` is CSS of ours.
pub fn begin(title: &str, style: &str) -> String {
    let title = safe(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><meta name=\"viewport\" content=\"width=device-width, \
         initial-scale=1\"><title>{title}</title><style>{style}</style></head><body>"
    )
}

/// The whole page.
pub fn end(mut html: String) -> String {
    html.push_str("</body></html>\n");
    html
}

/// What is invisible made visible, then escaped for HTML text and attributes.
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(
            safe("<script>'\"&\u{202e}\0"),
            "&lt;script&gt;&#39;&quot;&amp;\\u{202e}\\u{0}"
        );
    }
}
