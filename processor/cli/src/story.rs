//! A report that tells something in steps, for a terminal or as one page that needs nothing else.
//!
//! Invariant: a story is plain strings, and only here they become output; so every word from outside is made visible and, on a page,
//! escaped, whoever wrote it and whatever it holds.

use std::fmt::Write as _;
use std::io;

use crate::output::Out;
pub use crate::page::Tone;
use crate::page::{self, STYLE, safe};
use crate::table::visible;

/// A sentence, and then the steps that led to it.
#[derive(Debug)]
pub struct Story {
    /// Above everything: what this is about.
    pub title: String,
    /// A word or two.
    pub badge: String,
    pub tone: Tone,
    /// What a reader needs to know; each a paragraph, the first in large letters.
    pub sentences: Vec<String>,
    pub steps: Vec<Step>,
}

#[derive(Debug)]
pub struct Step {
    pub title: String,
    pub blocks: Vec<Block>,
}

#[derive(Debug)]
pub enum Block {
    Line(String),
    /// Name and value.
    Facts(Vec<(String, String)>),
    Grid {
        header: Vec<&'static str>,
        rows: Vec<Vec<Cell>>,
    },
    /// Somebody's words, some of them marked.
    Words(Vec<(String, bool)>),
    /// For machines and auditors.
    Code(String),
}

#[derive(Debug, Clone)]
pub enum Cell {
    Text(String),
    /// Somebody's words.
    Words(String),
    /// A word of action, coloured by what it is.
    Action(String),
    Number(String),
}

impl Step {
    pub fn new(title: &str) -> Step {
        Step {
            title: title.to_owned(),
            blocks: Vec::new(),
        }
    }

    #[must_use]
    pub fn with(mut self, block: Block) -> Step {
        self.blocks.push(block);
        self
    }

    pub fn line(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Line(text.into()));
    }
}

impl Cell {
    fn text(&self) -> &str {
        match self {
            Cell::Text(text) | Cell::Words(text) | Cell::Action(text) | Cell::Number(text) => text,
        }
    }
}

/// On a terminal.
pub fn write(story: &Story, out: &mut Out) -> io::Result<()> {
    out.line(&visible(&story.title))?;
    out.line("")?;
    for sentence in &story.sentences {
        out.line(&visible(sentence))?;
    }
    for (number, step) in story.steps.iter().enumerate() {
        out.line(&format!("\n{}. {}", number + 1, visible(&step.title)))?;
        for block in &step.blocks {
            write_block(block, out)?;
        }
    }
    Ok(())
}

fn write_block(block: &Block, out: &mut Out) -> io::Result<()> {
    match block {
        Block::Line(text) => out.line(&format!("   {}", visible(text))),
        Block::Facts(facts) => {
            let widest = facts.iter().map(|(name, _)| name.chars().count()).max();
            let width = widest.unwrap_or(0);
            facts.iter().try_for_each(|(name, value)| {
                out.line(&format!("   {:<width$}  {}", visible(name), visible(value)))
            })
        }
        Block::Grid { header, rows } => {
            let mut table = comfy_table::Table::new();
            table.load_preset(comfy_table::presets::NOTHING);
            table.set_header(header.iter().map(|name| name.to_uppercase()));
            for row in rows {
                table.add_row(row.iter().map(|cell| visible(cell.text())));
            }
            let text = table.trim_fmt();
            text.lines()
                .try_for_each(|line| out.line(&format!("  {line}")))
        }
        Block::Words(pieces) => {
            let mut line = String::from("   ");
            for (text, marked) in pieces {
                let text = visible(text);
                let _ = if *marked {
                    write!(line, "«{text}»")
                } else {
                    write!(line, "{text}")
                };
            }
            out.line(&line)
        }
        Block::Code(text) => text
            .lines()
            .try_for_each(|line| out.line(&format!("   {}", visible(line)))),
    }
}

/// As a page.
pub fn page(story: &Story) -> String {
    let mut html = page::begin(&story.title, STYLE);
    let about = (story.title.as_str(), story.badge.as_str());
    page::header(&mut html, story.tone, about, &story.sentences);
    html.push_str("<ol class=\"steps\">");
    for step in &story.steps {
        let _ = write!(html, "<li><h2>{}</h2>", safe(&step.title));
        step.blocks
            .iter()
            .for_each(|block| page_block(block, &mut html));
        html.push_str("</li>");
    }
    html.push_str("</ol>");
    page::end(html)
}

fn page_block(block: &Block, html: &mut String) {
    match block {
        Block::Line(text) => {
            let _ = write!(html, "<p>{}</p>", safe(text));
        }
        Block::Facts(facts) => {
            html.push_str("<dl>");
            for (name, value) in facts {
                let _ = write!(html, "<dt>{}</dt><dd>{}</dd>", safe(name), safe(value));
            }
            html.push_str("</dl>");
        }
        Block::Grid { header, rows } => page_grid(header, rows, html),
        Block::Words(pieces) => {
            html.push_str("<p class=\"words\"><bdi>");
            for (text, marked) in pieces {
                let text = safe(text);
                let _ = if *marked {
                    write!(html, "<mark>{text}</mark>")
                } else {
                    write!(html, "{text}")
                };
            }
            html.push_str("</bdi></p>");
        }
        Block::Code(text) => {
            html.push_str("<pre>");
            for line in text.lines() {
                let _ = writeln!(html, "{}", safe(line));
            }
            html.push_str("</pre>");
        }
    }
}

fn page_grid(header: &[&str], rows: &[Vec<Cell>], html: &mut String) {
    html.push_str("<div class=\"wide\"><table><thead><tr>");
    for name in header {
        let _ = write!(html, "<th>{}</th>", safe(name));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for cell in row {
            let text = safe(cell.text());
            let _ = match cell {
                Cell::Text(_) => write!(html, "<td>{text}</td>"),
                Cell::Words(_) => write!(html, "<td class=\"said\"><bdi>{text}</bdi></td>"),
                Cell::Number(_) => write!(html, "<td class=\"n\">{text}</td>"),
                Cell::Action(action) => {
                    let class = match action.as_str() {
                        "block" => "bad",
                        "mask" | "flag" => "careful",
                        "allow" => "good",
                        _ => "neutral",
                    };
                    write!(html, "<td class=\"act {class}\">{text}</td>")
                }
            };
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_stay_words_wherever_they_stand() {
        let evil = "<script>alert(1)</script>\u{202e}\"'&\n";
        let story = Story {
            title: evil.into(),
            badge: evil.into(),
            tone: Tone::Bad,
            sentences: vec![evil.into()],
            steps: vec![
                Step::new(evil)
                    .with(Block::Line(evil.into()))
                    .with(Block::Facts(vec![(evil.into(), evil.into())]))
                    .with(Block::Words(vec![
                        (evil.into(), true),
                        (evil.into(), false),
                    ]))
                    .with(Block::Code(evil.into()))
                    .with(Block::Grid {
                        header: vec!["a"],
                        rows: vec![vec![
                            Cell::Text(evil.into()),
                            Cell::Words(evil.into()),
                            Cell::Action(evil.into()),
                            Cell::Number(evil.into()),
                        ]],
                    }),
            ],
        };
        let page = page(&story);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains('\u{202e}'), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 15, "{page}");
    }
}
