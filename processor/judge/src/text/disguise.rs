//! Disguises of letters, undone cell by cell: runs, digits and signs for letters, letters of other scripts among Latin ones, letters
//! starred out, letters written apart.
//!
//! Invariant: a cell that is changed keeps the original bytes that it stands for, and says what was undone. Numbers stay numbers.

use super::Marks;
use super::cells::{Cell, Kind};
use super::letters;

/// Cuts runs of three or more equal letters to `keep`.
pub(super) fn squeeze(cells: &[Cell], keep: usize, into: &mut Vec<Cell>) {
    into.clear();
    let mut at = 0;
    while let Some(cell) = cells.get(at) {
        let run = cells[at..]
            .iter()
            .take_while(|other| other.ch == cell.ch)
            .count();
        if run < 3 || !cell.is_letter() {
            into.extend_from_slice(&cells[at..at + run]);
        } else {
            let kept = cells[at..at + keep].iter();
            into.extend(kept.map(|cell| Cell {
                marks: cell.marks.with(Marks::REPEAT),
                ..*cell
            }));
            if let Some(last) = into.last_mut() {
                // Displayed backwards, the end of the run stands before its beginning.
                let end = cells[at + run - 1];
                (last.start, last.end) = (last.start.min(end.start), last.end.max(end.end));
            }
        }
        at += run;
    }
}

/// Reads digits, signs and letters of other scripts as Latin letters where such stand beside them; whether there were any. Only then is
/// `into` a copy: most texts have none, and a look is cheaper than a copy.
pub(super) fn decode(
    cells: &[Cell],
    leet: impl Fn(char) -> Option<char>,
    into: &mut Vec<Cell>,
) -> bool {
    let (mut copied, mut any) = (false, false);
    let mut at = 0;
    while at < cells.len() {
        let run = cells[at..]
            .iter()
            .take_while(|cell| cell.is_word() || leet(cell.ch).is_some())
            .count();
        if run > 0
            && let Some(disguise) = disguise(&cells[at..at + run], &leet)
        {
            if !copied {
                into.clear();
                into.extend_from_slice(cells);
                copied = true;
            }
            any |= disguise.undo(&mut into[at..at + run], &leet);
        }
        at += run.max(1);
    }
    any
}

/// How far a word may be one in disguise.
struct Disguise {
    /// So many cells of it.
    end: usize,
    /// Its digits and signs stand for letters, too.
    word_like: bool,
}

fn disguise(word: &[Cell], leet: &impl Fn(char) -> Option<char>) -> Option<Disguise> {
    let ascii = |cell: &Cell| cell.is_letter() && cell.ch.is_ascii();
    if word.iter().all(ascii) {
        return None;
    }
    // A sign at the end is punctuation, "yes!", but for the end of "a$$".
    let end = word.iter().rposition(|cell| cell.is_word());
    let mut end = end.map_or(0, |last| last + 1);
    let tail = word[end..].iter().map(|cell| cell.ch);
    let dollars = tail.clone().eq("$$".chars()) || end == 0 && tail.eq("@$$".chars());
    if dollars {
        end = word.len();
    }
    let word = &word[..end];
    let latin = word.iter().filter(|cell| ascii(cell)).count();
    let signs = word.iter().filter(|cell| leet(cell.ch).is_some()).count();
    // A word that is all of another script is left as it is.
    let written_latin = |cell: &Cell| ascii(cell) && !cell.marks.has(Marks::CONFUSABLE);
    let foreign = word
        .iter()
        .any(|cell| cell.is_letter() && !cell.ch.is_ascii())
        && word.iter().any(written_latin);
    // "$h00t", "b00b5" and "5h00t" are words, "45s", "1v1" and "a1234" are not.
    let mostly = if word.len() >= 4 {
        3 * latin >= signs
    } else {
        latin > signs
    };
    let word_like = dollars || mostly && !is_count(word);
    ((latin > 0 || dollars) && (foreign || signs > 0 && word_like))
        .then_some(Disguise { end, word_like })
}

impl Disguise {
    /// Whether there was anything to undo.
    fn undo(&self, word: &mut [Cell], leet: &impl Fn(char) -> Option<char>) -> bool {
        let mut any = false;
        for cell in &mut word[..self.end] {
            let found = if cell.is_letter() {
                letters::stands_for(cell.ch).map(|letter| (letter, Marks::CONFUSABLE))
            } else if self.word_like {
                leet(cell.ch).map(|letter| (letter, Marks::LEET))
            } else {
                None
            };
            if let Some((ch, mark)) = found {
                *cell = Cell {
                    ch,
                    kind: Kind::Letter,
                    marks: cell.marks.with(mark),
                    ..*cell
                };
                any = true;
            }
        }
        any
    }
}

/// A number with a unit or an ordinal: "100km", "1st", "2nd", "45min".
fn is_count(word: &[Cell]) -> bool {
    let digits = word
        .iter()
        .take_while(|cell| cell.kind == Kind::Digit)
        .count();
    let rest = word.get(digits..).unwrap_or_default();
    digits > 0
        && (digits >= 2 || rest.len() <= 2)
        && rest.len() <= 4
        && rest.iter().all(|cell| cell.is_letter())
}

/// Marks what hides a letter inside a word ("f*ck", "f-ck"); whether there was anything. Only then is `into` a copy.
pub(super) fn censor(cells: &[Cell], into: &mut Vec<Cell>) -> bool {
    let mut any = false;
    let mut at = 1;
    while at < cells.len() {
        let sign = cells[at].ch;
        if !letters::hides_letter(sign) || !cells[at - 1].is_letter() {
            at += 1;
            continue;
        }
        let run = cells[at..]
            .iter()
            .take_while(|cell| cell.ch == sign)
            .count();
        let within = cells.get(at + run).is_some_and(|cell| cell.is_letter());
        // Only stars end a word: "fuc*"; other signs are punctuation there.
        let at_end = sign == '*' && at >= 2 && cells[at - 2].is_letter() && !emphasis(&cells[..at]);
        if (within && (run == 1 || matches!(sign, '*' | '#' | '-' | '_'))) || at_end {
            if !any {
                into.clear();
                into.extend_from_slice(cells);
            }
            for cell in &mut into[at..at + run] {
                *cell = Cell {
                    ch: '*',
                    kind: Kind::Hidden,
                    marks: cell.marks.with(Marks::CENSORED),
                    ..*cell
                };
                any = true;
            }
        }
        at += run;
    }
    any
}

/// Whether the word that ends here began with a star: "*so*".
fn emphasis(cells: &[Cell]) -> bool {
    let start = cells.iter().rposition(|cell| !cell.is_word());
    start.is_some_and(|start| cells[start].ch == '*')
}

/// Single letters with the same few separators between them ("d a r n", "d.a.r.n", "d - a - r - n"), three or more, joined to words;
/// whether there were any. Only then are all other words copied, as `decoded` has them.
pub(super) fn join_spaced(
    cells: &[Cell],
    decoded: &[Cell],
    leet: bool,
    into: &mut Vec<Cell>,
) -> bool {
    let Some(mut at) = (0..cells.len()).find(|at| spaced_run(cells, *at).is_some()) else {
        return false;
    };
    into.clear();
    into.extend_from_slice(&decoded[..at]);
    while at < cells.len() {
        let Some((letters, gap)) = spaced_run(cells, at) else {
            into.push(decoded[at]);
            at += 1;
            continue;
        };
        let run = cells[at..].iter().step_by(gap + 1).take(letters);
        let mut joined: Vec<Cell> = run
            .map(|cell| Cell {
                marks: cell.marks.with(Marks::SPACED),
                ..*cell
            })
            .collect();
        if leet {
            let leet = &self::letters::leet;
            disguise(&joined, leet).map(|disguise| disguise.undo(&mut joined, leet));
        }
        // "I d a r n": the pronoun is a word of its own.
        if letters > 3 && joined[0].ch == 'i' && gap == 1 {
            let pronoun = Cell {
                marks: Marks::NONE,
                ..joined.remove(0)
            };
            into.extend([pronoun, cells[at + 1]]);
        }
        into.append(&mut joined);
        at += (letters - 1) * (gap + 1) + 1;
    }
    true
}

/// How many single letters stand from `at` on, and how many separators between any two.
fn spaced_run(cells: &[Cell], at: usize) -> Option<(usize, usize)> {
    let word = |at: usize| cells.get(at).is_some_and(|cell| cell.is_word());
    let alone = |at: usize| !word(at + 1) && !at.checked_sub(1).is_some_and(word);
    // A sign by itself may be a letter, one beside a letter is punctuation.
    let sign = |at: usize| {
        cells
            .get(at)
            .is_some_and(|cell| letters::leet(cell.ch).is_some())
    };
    let single = |at: usize| (word(at) || sign(at)) && alone(at);
    if !word(at) || !alone(at) {
        return None;
    }
    let gap = (1..=3).find(|gap| single(at + gap + 1))?;
    let same = |from: usize| (1..=gap).all(|step| !word(from + step));
    let apostrophe = (1..=gap).any(|step| letters::is_apostrophe(cells[at + step].ch));
    let (mut count, mut last, mut latin) = (1, at, usize::from(cells[at].is_letter()));
    while same(last) && single(last + gap + 1) {
        last += gap + 1;
        count += 1;
        latin += usize::from(cells[last].is_letter());
    }
    (count >= 3 && latin >= 2 && !apostrophe).then_some((count, gap))
}
