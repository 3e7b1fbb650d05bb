//! Chat and policies that nobody wrote: made from a number, the same on every machine. Benches, curves and tests share them.
//!
//! Invariant: ordinary messages hit a policy equally often whatever its size, so a curve over sizes shows the cost of looking and not that
//! of finding more: terms beyond the first thousand are never in a message, neither as words nor within one.

#![allow(dead_code, reason = "each binary uses its part")]

use gavel_judge::{
    Contexts, ControlLog, Document, Fold, PartitionState, Patience, Policy, Record, Step, Timestamp,
};
use gavel_schemas::{ChatMessage, encode_message};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

/// SplitMix64: small, and the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit as u64) as usize
    }

    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// The words that most of any chat is made of, most frequent first.
const COMMON: &str = "i you the to a it is and that in of for me my on was not just so like this have be \
what do are but with im we its your dont no he can if they all get at now one know good out up lol how there go \
think want will really got see some why about been did when time oh her him from here she them game an as or who \
even people yeah has then would u need still too never make am well back more right us our his thanks play guys \
going by because where only first new stream should love much had could work thing gonna day man look great cant \
say than over off team better way sure nice next lets which any though these other maybe did were after last yes \
please two long wait tell always someone again also before something very down into every take come hope fun night \
let mean best win start said stuff help feel might give big actually anyone pretty watch old those play guess free \
hard check ok three again until used trying getting doing made already around another literally hello wow remember \
anything build level map chat friend music friends point house food world school tomorrow server update money ranked";

const ONSETS: [&str; 24] = [
    "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "w", "br", "cr", "st", "tr",
    "sh", "th", "pl", "gr", "ch", "k",
];
const NUCLEI: [&str; 12] = [
    "a", "e", "i", "o", "u", "a", "e", "i", "o", "ea", "ou", "ai",
];
const CODAS: [&str; 14] = [
    "", "", "", "n", "r", "t", "s", "l", "nd", "st", "ck", "ng", "m", "d",
];

/// A word that looks like one.
fn coin(dice: &mut Dice) -> String {
    let syllables = 1 + dice.below(3) + usize::from(dice.percent(20));
    let mut word = String::new();
    for _ in 0..syllables {
        word.push_str(dice.of(&ONSETS));
        word.push_str(dice.of(&NUCLEI));
        word.push_str(dice.of(&CODAS));
    }
    word
}

/// What people say, and what they should not say.
pub struct Corpus {
    /// Most frequent first.
    pub vocabulary: Vec<String>,
    /// None of them stands in a word of the vocabulary.
    pub terms: Vec<String>,
}

const VOCABULARY: usize = 20_000;
const FIRST_TERMS: usize = 1_000;

impl Corpus {
    pub fn new(terms: usize) -> Corpus {
        Corpus::sized(VOCABULARY, terms)
    }

    pub fn sized(words: usize, terms: usize) -> Corpus {
        let mut dice = Dice(1);
        let mut known: BTreeSet<String> = BTreeSet::new();
        let mut vocabulary: Vec<String> = Vec::with_capacity(words);
        for word in COMMON.split_whitespace() {
            if known.insert(word.to_owned()) {
                vocabulary.push(word.to_owned());
            }
        }
        while vocabulary.len() < words {
            let word = coin(&mut dice);
            if known.insert(word.clone()) {
                vocabulary.push(word);
            }
        }
        let parts: BTreeSet<&str> = vocabulary
            .iter()
            .flat_map(|word| {
                (0..word.len())
                    .flat_map(move |from| (from + 4..=word.len()).map(move |to| &word[from..to]))
            })
            .collect();
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut all = Vec::with_capacity(terms);
        while all.len() < terms {
            let mut term = coin(&mut dice);
            if all.len() > 20_000 {
                // There are only so many short words.
                term.push_str(&coin(&mut dice));
            }
            if term.len() >= 4 && !parts.contains(term.as_str()) && taken.insert(term.clone()) {
                all.push(term);
            }
        }
        Corpus {
            vocabulary,
            terms: all,
        }
    }

    /// One that every policy made here has.
    fn term(&self, dice: &mut Dice) -> &str {
        &self.terms[dice.below(FIRST_TERMS.min(self.terms.len()))]
    }

    /// Rank r comes about as often as 1/r.
    fn word(&self, dice: &mut Dice) -> &str {
        let count = self.vocabulary.len();
        // The logarithm of the rank is even: choose a power of two, then a word below it.
        let power = dice.below(count.ilog2() as usize + 1);
        let (from, to) = ((1usize << power) - 1, ((2usize << power) - 1).min(count));
        &self.vocabulary[from + dice.below(to - from)]
    }

    /// About 80 bytes of chat. Of a hundred messages two hold a term, three a word in disguise, three one in capitals, eight a number, five
    /// a stretched word or a picture, ten an exclamation mark.
    pub fn message(&self, dice: &mut Dice) -> String {
        let length = 50 + dice.below(61);
        self.message_of(dice, length)
    }

    /// As `message`, until it has `length` bytes.
    pub fn message_of(&self, dice: &mut Dice, length: usize) -> String {
        let mut text = String::with_capacity(length + 16);
        let place = |dice: &mut Dice, percent| dice.percent(percent).then(|| dice.below(length));
        let (mut term, mut disguised, mut shouted) =
            (place(dice, 2), place(dice, 3), place(dice, 3));
        let (mut number, mut other) = (place(dice, 8), place(dice, 5));
        let mut first = true;
        while text.len() < length {
            if !text.is_empty() {
                let mark = match dice.below(40) {
                    0 => ". ",
                    1 | 2 => ", ",
                    3 => "... ",
                    _ => " ",
                };
                text.push_str(mark);
                first = mark == ". ";
            }
            let word = self.word(dice);
            let here = |place: &mut Option<usize>| place.take_if(|at| *at <= text.len()).is_some();
            if here(&mut term) {
                text.push_str(self.term(dice));
            } else if here(&mut disguised) {
                text.push_str(&leet(word));
            } else if here(&mut shouted) {
                text.push_str(&word.to_uppercase());
            } else if here(&mut number) {
                let _ = write!(text, "{}", dice.below(2_000));
            } else if here(&mut other) {
                text.push_str(dice.of(&[
                    "😀", "lmaooooo", "<3", ":)", "nooo", "🔥🔥", "c'est", "naïve",
                ]));
            } else if first && dice.percent(50) {
                let mut letters = word.chars();
                text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
                text.push_str(letters.as_str());
            } else {
                text.push_str(word);
            }
            first = false;
        }
        if dice.percent(30) {
            text.push_str(dice.of(&["!", "?", "...", "?", "!!", "."]));
        }
        text
    }

    pub fn messages(&self, count: usize, seed: u64) -> Vec<String> {
        let mut dice = Dice(seed);
        (0..count).map(|_| self.message(&mut dice)).collect()
    }
}

pub fn leet(word: &str) -> String {
    let swap = |ch| match ch {
        'a' => '4',
        'e' => '3',
        'i' => '1',
        'o' => '0',
        's' => '5',
        other => other,
    };
    word.chars().map(swap).collect()
}

/// A policy of `terms.csv` with a flood rule and strikes; `scripts/bench` and `scripts/instructions` judge by it.
pub const MEASURED: &str = include_str!("measured.toml");

/// The head of every policy made here.
const HEAD: &str = "[policy]\nid = \"made\"\ntopics = [\"vulgar\", \"spam\"]\nlists = [\"terms.csv\"]\n\
[audience.default]\ndefault = { flag = 2, mask = 3, block = 6 }\n";

/// `count` terms, `whole` of a hundred whole words, the others prefixes, suffixes, phrases and parts in turn.
pub fn term_list(corpus: &Corpus, count: usize, whole: usize) -> String {
    let mut csv = String::from("id,match,topic,risk,partial\n");
    let mut dice = Dice(7);
    let mut other = 0usize;
    for (number, term) in corpus.terms.iter().take(count).enumerate() {
        let (mut pattern, mut partial) = (term.clone(), false);
        if !dice.percent(whole) {
            other += 1;
            match other % 4 {
                0 => pattern = format!("{term}*"),
                1 => pattern = format!("*{term}"),
                2 => pattern = format!("{term} {}", corpus.vocabulary[dice.below(500)]),
                _ => partial = true,
            }
        }
        let _ = writeln!(
            csv,
            "t{number:06},{pattern},vulgar,{},{partial}",
            2 + number % 4
        );
    }
    csv
}

/// A policy of words alone.
pub fn document(list: &str) -> Document {
    parse(HEAD, list)
}

pub fn parse(text: &str, list: &str) -> Document {
    let list = list.to_owned();
    match Document::parse("made.toml", text, &mut |_| Ok(list.clone())) {
        Ok(document) => document,
        Err(error) => panic!("{error}"),
    }
}

pub fn compiled(document: &Document) -> Arc<Policy> {
    match Policy::compile(document) {
        Ok(policy) => Arc::new(policy),
        Err(error) => panic!("{error}"),
    }
}

/// Everything that a policy can hold, at once, besides a list.
pub fn everything(corpus: &Corpus) -> String {
    let mut text = String::from(
        r#"[policy]
id = "everything"
topics = ["vulgar", "threat", "spam", "privacy"]
lists = ["terms.csv"]
normalise = { join_messages = { last = 4, within = "1m" } }
[audience.default]
default = { flag = 2, mask = 3, block = 7, escalate = 7 }
[channel]
"links-*" = { urls = { allow = ["example.com"], other = "mask" } }
[trust]
untrusted = -1
[words]
insult = { match = ["darn", "crud", "heck", "noob", "dimwit*"], fuzzy = true }
hate = ["hate", "despise", "loathe", "can't stand"]
group = ["women", "men", "cats", "dogs", "newbies"]
them = ["you", "u", "them", "@group"]
[guard.not]
before = ["not", "never", "no"]
within = 2
lowers_to = 1
topics = ["vulgar"]
[guard.quoted]
quoted = true
lowers_to = 2
[guard.joke]
after = ["just kidding", "jk"]
within = 8
lowers_to = 0
[[term]]
id = "v-words"
match = ["darn", "crud*", "*heck", "dang it", "ass", "shoot", "frak"]
topic = "vulgar"
risk = 3
fuzzy = true
guards = ["quoted"]
exceptions = ["darning needle", "crudités"]
[[term]]
id = "v-part"
match = ["frick"]
topic = "vulgar"
risk = 4
partial = true
[[term]]
id = "v-weak"
match = ["scrub", "trash"]
topic = "vulgar"
risk = 3
weight = 0.3
[[term]]
id = "v-weaker"
match = ["loser"]
topic = "vulgar"
risk = 3
weight = 0.4
[[term]]
id = "v-de"
match = ["mist"]
topic = "vulgar"
risk = 3
language = "de"
[[term]]
id = "t-hate"
match = ["i (0..2) @hate (0..3) @group", "@them (0..1) @insult", "^ @insult $", "@hate @them"]
topic = "threat"
risk = 5
guards = ["joke"]
[[term]]
id = "t-find"
match = ["i will find you", "i (0..4) know where you live"]
topic = "threat"
risk = 6
fuzzy = true
[[allow]]
match = ["oh heck", "darn socks"]
max_risk = 3
[[context]]
id = "flood"
type = "event_count"
group_by = ["user", "channel"]
timespan = "10s"
condition = { gte = 30 }
then = { topic = "spam", risk = 2, action = "flag" }
[[context]]
id = "near"
type = "event_count"
group_by = ["user", "text.near"]
timespan = "1m"
condition = { gte = 4 }
then = { topic = "spam", risk = 3 }
[[context]]
id = "spray"
type = "value_count"
field = "text.fingerprint"
group_by = ["user"]
rules = ["topic/vulgar"]
timespan = "1m"
condition = { gte = 6 }
then = { topic = "spam", risk = 4, action = "escalate", queue = "spam" }
[[context]]
id = "order"
type = "temporal_ordered"
group_by = ["user"]
rules = ["v-words", "t-hate"]
timespan = "1h"
then = { topic = "threat", risk = 6 }
[strikes]
per_risk = { "5" = 0.5, "6" = 1.0 }
half_life = "1h"
at = [ { gte = 2.0, trust = "untrusted" }, { gte = 50.0, action = "mute", for = "10s" } ]
"#,
    );
    for (kind, more) in [
        ("email", ""),
        ("phone", ""),
        ("card", ""),
        ("iban", ""),
        ("ip", ""),
        ("postal", ""),
        ("url", "allow = [\"example.com\"]\n"),
        ("look_alike", "domains = [\"paypal.com\"]\n"),
        ("domain", "domains = [\"evil.test\", \"evil.com\"]\n"),
        ("invite", ""),
        ("caps", "letters = 12\n"),
        ("repetition", ""),
        ("emoji", ""),
    ] {
        let _ = write!(
            text,
            "[[detector]]\nid = \"d-{kind}\"\ntype = \"{kind}\"\ntopic = \"privacy\"\nrisk = 3\n{more}"
        );
    }
    // What an author's list of ordinary words would hold.
    let words = corpus
        .vocabulary
        .iter()
        .take(300)
        .map(|word| format!("\"{word}\""));
    let _ = writeln!(
        text,
        "[words.ordinary-talk]\nmatch = [{}]",
        words.collect::<Vec<_>>().join(", ")
    );
    text
}

/// 200 phrases over 30 classes of words that most messages have; most have four steps, some two.
pub fn phrases(corpus: &Corpus) -> String {
    let mut dice = Dice(11);
    let mut text = String::from(HEAD);
    text.push_str("[words]\n");
    for class in 0..30 {
        let mut words: BTreeSet<&String> = BTreeSet::new();
        while words.len() < 20 {
            words.insert(&corpus.vocabulary[dice.below(2_000)]);
        }
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        let _ = writeln!(text, "c{class} = [{}]", words.join(", "));
    }
    for phrase in 0..200 {
        let mut class = || dice.below(30);
        let mut pattern = format!("@c{} (0..3) @c{}", class(), class());
        if phrase % 10 > 0 {
            let _ = write!(pattern, " (0..2) @c{} (0..3) @c{}", class(), class());
        }
        let _ = write!(
            text,
            "[[term]]\nid = \"p{phrase:03}\"\nmatch = [\"{pattern}\"]\ntopic = \"vulgar\"\nrisk = 3\n"
        );
    }
    text
}

/// Texts that try to cost more than they should, `length` bytes of each.
pub fn hostile(corpus: &Corpus, length: usize, seed: u64) -> Vec<(&'static str, String)> {
    type Make<'a> = Box<dyn Fn(&mut Dice, &mut String) + 'a>;
    let insults = ["darn", "crud", "heck", "frick", "shoot", "dang it", "ass"];
    let kinds: Vec<(&str, Make<'_>)> = vec![
        (
            "confusables",
            Box::new(|dice, text| {
                for ch in corpus.word(dice).chars() {
                    let from = "abcdefghijklmnopqrstuvwxyz".find(ch).unwrap_or(0);
                    let like: Vec<char> = "аЬсԁеfɡһіјkӏмпорqгѕтцѵшхуz".chars().collect();
                    let math = char::from_u32(0x1d41a + from as u32).unwrap_or('x');
                    text.push(if dice.percent(50) { like[from] } else { math });
                }
                text.push(' ');
            }),
        ),
        (
            "full-width",
            Box::new(|dice, text| {
                let wide = |ch: char| char::from_u32(ch as u32 + 0xfee0).unwrap_or('x');
                text.extend(corpus.word(dice).chars().map(wide));
                text.push(' ');
            }),
        ),
        (
            "terms only",
            Box::new(|dice, text| {
                text.push_str(if dice.percent(50) {
                    dice.of(&insults)
                } else {
                    corpus.term(dice)
                });
                text.push(' ');
            }),
        ),
        (
            "guarded terms",
            Box::new(|dice, text| {
                text.push_str(dice.of(&["not ", "never ", "jk ", "\"", ""]));
                text.push_str(dice.of(&insults));
                text.push(' ');
            }),
        ),
        (
            "phrases only",
            Box::new(|dice, text| {
                text.push_str(dice.of(&[
                    "i hate women",
                    "you noob",
                    "i will find you",
                    "i hate u",
                    "them darn cats",
                ]));
                text.push(' ');
            }),
        ),
        (
            "zalgo",
            Box::new(|dice, text| {
                text.push((b'a' + dice.below(26) as u8) as char);
                for _ in 0..5 {
                    text.extend(char::from_u32(0x300 + dice.below(0x60) as u32));
                }
            }),
        ),
        (
            "spaced letters",
            Box::new(|dice, text| {
                text.push((b'a' + dice.below(26) as u8) as char);
                text.push(' ');
                if dice.percent(15) {
                    text.push_str(" . ");
                }
            }),
        ),
        (
            "pieces",
            Box::new(|dice, text| {
                let word = dice.of(&["darn", "crud", "heck", "noob"]);
                let at = 1 + dice.below(word.len() - 1);
                let _ = write!(text, "{} {} ", &word[..at], &word[at..]);
            }),
        ),
        (
            "glued words",
            Box::new(|dice, text| {
                for _ in 0..8 {
                    text.push_str(
                        dice.of(&["you", "hate", "women", "darn", "i", "them", "u", "crud"]),
                    );
                }
                text.push(' ');
            }),
        ),
        (
            "one long word",
            Box::new(|dice, text| text.push_str(dice.of(&["darn", "hate", "you", "crudh"]))),
        ),
        (
            "censored",
            Box::new(|dice, text| {
                text.push_str(dice.of(&[
                    "d*rn ", "d**n ", "c-ud ", "h*ck ", "f*ck ", "n**b ", "*so* ",
                ]));
            }),
        ),
        (
            "leet",
            Box::new(|dice, text| {
                text.push_str(&leet(corpus.word(dice)));
                text.push_str(dice.of(&[" ", "! ", "1 ", "$ "]));
            }),
        ),
        (
            "signs",
            Box::new(|dice, text| {
                text.push(dice.of(&['@', '$', '!', '1', '0', '(', '+', '*', '#', 'a', ' ']))
            }),
        ),
        (
            "long runs",
            Box::new(|dice, text| {
                let ch = (b'a' + dice.below(26) as u8) as char;
                text.extend(std::iter::repeat_n(ch, 3 + dice.below(9)));
            }),
        ),
        ("one letter", Box::new(|_, text| text.push('a'))),
        (
            "emoji",
            Box::new(|dice, text| {
                text.push_str(dice.of(&["😀", "👩\u{200d}🚀", "🇩🇪", "❤\u{fe0f}", "🅰"]))
            }),
        ),
        ("ligatures", Box::new(|_, text| text.push('\u{fdfa}'))),
        (
            "invisible",
            Box::new(|dice, text| {
                text.push((b'a' + dice.below(26) as u8) as char);
                text.push_str(dice.of(&["\u{200b}", "\u{2060}", "\u{ad}", "\u{200d}"]));
            }),
        ),
        (
            "overrides",
            Box::new(|dice, text| {
                let word = corpus.word(dice);
                let _ = write!(
                    text,
                    "\u{202e}{}\u{202c} ",
                    word.chars().rev().collect::<String>()
                );
            }),
        ),
        (
            "hebrew",
            Box::new(|dice, text| text.extend(char::from_u32(0x5d0 + dice.below(27) as u32))),
        ),
        (
            "han",
            Box::new(|dice, text| text.extend(char::from_u32(0x4e00 + dice.below(8_000) as u32))),
        ),
        (
            "any character",
            Box::new(|dice, text| text.extend(char::from_u32(dice.below(0x2_0000) as u32))),
        ),
        (
            "numbers",
            Box::new(|dice, text| {
                let _ = write!(text, "{} ", dice.roll() % 10_000_000_000);
            }),
        ),
        (
            "phone numbers",
            Box::new(|_, text| text.push_str("call 2125550147, ")),
        ),
        (
            "links",
            Box::new(|dice, text| {
                let _ = write!(text, "{}.com/{} ", corpus.word(dice), corpus.word(dice));
            }),
        ),
        (
            "dots",
            Box::new(|dice, text| {
                text.push_str(dice.of(&["a.", "b.", "1.", "dot ", "(dot) ", "@"]))
            }),
        ),
        (
            "addresses",
            Box::new(|dice, text| {
                let _ = write!(
                    text,
                    "{} {} street ::{}:1 ",
                    dice.below(999),
                    corpus.word(dice),
                    dice.below(99)
                );
            }),
        ),
        (
            "quotes",
            Box::new(|dice, text| text.push_str(dice.of(&["\"", "“darn”", "«ass»", "darn "]))),
        ),
        (
            "capitals",
            Box::new(|dice, text| {
                text.push_str(&corpus.word(dice).to_uppercase());
                text.push(' ');
            }),
        ),
    ];
    let mut dice = Dice(seed);
    let mut texts = Vec::with_capacity(kinds.len());
    for (name, make) in kinds {
        let mut text = String::with_capacity(length + 64);
        while text.len() < length {
            make(&mut dice, &mut text);
        }
        while text.len() > length || !text.is_char_boundary(text.len()) {
            text.pop();
        }
        texts.push((name, text));
    }
    texts
}

/// Parts of all sorts of texts, put together.
pub fn mixed(corpus: &Corpus, count: usize, seed: u64) -> Vec<String> {
    let mut dice = Dice(seed);
    let mut pool: Vec<Vec<char>> = Vec::new();
    for _ in 0..8 {
        let seed = dice.roll();
        let hostile = hostile(corpus, 300, seed).into_iter();
        pool.extend(hostile.map(|(_, text)| text.chars().collect()));
    }
    for text in corpus.messages(100, seed) {
        pool.push(text.chars().collect());
    }
    let mut mix = || {
        let mut text = String::new();
        for _ in 0..1 + dice.below(4) {
            let from = dice.below(pool.len());
            let part = &pool[from];
            let at = dice.below(part.len());
            let most = dice.of(&[3, 10, 40]);
            text.extend(part[at..].iter().take(1 + dice.below(most)));
            text.push_str(dice.of(&["", " ", " ", ". "]));
        }
        text
    };
    (0..count).map(|_| mix()).collect()
}

/// Every user is new each time.
pub struct NoContexts;

impl Contexts for NoContexts {
    type Error = Infallible;

    fn load(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, Infallible> {
        Ok(false)
    }

    fn store(&mut self, _: &[u8], _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn remove(&mut self, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A message of user `number` as it would come from Kafka.
pub fn record(text: &str, number: usize) -> Vec<u8> {
    let mut value = Vec::new();
    let message = ChatMessage {
        message_id: format!("m{number}").into(),
        community: "north".into(),
        channel: "lobby".into(),
        user: format!("u{}", number % 500).into(),
        text: text.into(),
        kind: "message".into(),
        sent_at: 1_767_636_000_000 + number as i64,
        ..ChatMessage::default()
    };
    encode_message(&message, &mut value);
    value
}

pub fn records(texts: &[String]) -> Vec<Vec<u8>> {
    texts
        .iter()
        .enumerate()
        .map(|(number, text)| record(text, number))
        .collect()
}

/// A partition that judges by one policy.
pub struct Partition<C> {
    fold: Fold,
    control: ControlLog,
    pub contexts: C,
    offset: i64,
}

impl<C: Contexts<Error = Infallible>> Partition<C> {
    pub fn new(policy: &Arc<Policy>, contexts: C) -> Partition<C> {
        Partition {
            fold: Fold::with_policy("made", 0, PartitionState::default(), Arc::clone(policy)),
            control: ControlLog::new(),
            contexts,
            offset: 0,
        }
    }

    /// The verdict's bytes.
    pub fn judge(&mut self, value: &[u8]) -> &[u8] {
        let record = Record {
            offset: self.offset,
            timestamp: Timestamp::LogAppend(1_767_636_000_000 + self.offset * 50),
            key: None,
            value: Some(value),
            headers_len: 0,
        };
        self.offset += 1;
        match self
            .fold
            .step(&record, &self.control, Patience::Refuse, &mut self.contexts)
        {
            Ok(Step::Verdict(ruling)) => ruling.verdict,
            other => panic!("{other:?}"),
        }
    }

    /// Judges all and gives the bytes of all verdicts, so that nothing can be left out.
    pub fn judge_all(&mut self, values: &[Vec<u8>]) -> usize {
        values.iter().map(|value| self.judge(value).len()).sum()
    }
}
