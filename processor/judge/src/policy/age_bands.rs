//! The table of topics by audiences: what each age is protected from, as regulators ask for it.
//!
//! Invariant: the cells are the levels by which the fold decides, the audience's defaults filled in; a table kept by hand beside the
//! policy would be wrong after its first change.

use super::document::{Document, Levels};
use serde::Serialize;

/// What happens to a topic before an audience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgeBand {
    pub topic: String,
    pub audience: String,
    /// The lowest risk from which a message is flagged; None: never.
    pub flag: Option<u8>,
    pub mask: Option<u8>,
    pub block: Option<u8>,
    pub escalate: Option<u8>,
    /// Where an escalation goes.
    pub queue: Option<String>,
    /// Whether the topic has levels of its own there.
    pub own: bool,
}

impl Document {
    /// Topics in the author's order, audiences by name with `default` first.
    pub fn age_bands(&self) -> Vec<AgeBand> {
        let mut audiences: Vec<_> = self.audiences.iter().collect();
        audiences.sort_by_key(|(name, _)| (*name != "default", *name));
        let mut bands = Vec::with_capacity(self.topics.len() * audiences.len());
        for topic in &self.topics {
            for (audience, thresholds) in &audiences {
                let own = thresholds.topics.get(topic);
                let levels: &Levels = own.unwrap_or(&thresholds.default);
                let queue = || levels.queue.clone().unwrap_or_else(|| "default".to_owned());
                bands.push(AgeBand {
                    topic: topic.clone(),
                    audience: (*audience).clone(),
                    // A level never starts below 1: what is harmless stays allowed.
                    flag: levels.flag.map(|level| level.max(1)),
                    mask: levels.mask.map(|level| level.max(1)),
                    block: levels.block.map(|level| level.max(1)),
                    escalate: levels.escalate.map(|level| level.max(1)),
                    queue: levels.escalate.map(|_| queue()),
                    own: own.is_some(),
                });
            }
        }
        bands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_the_levels_of_each_audience_or_its_defaults() {
        let text = "[policy]\nid = \"p\"\ntopics = [\"threat\", \"rude\"]\n[audience.adult]\ndefault = { flag = 4 }\n\
            threat = { flag = 0, block = 5, escalate = 6, queue = \"police\" }\n[audience.default]\ndefault = { flag = 2, escalate = 7 }\n";
        let document =
            Document::parse("p.toml", text, &mut |_| Err(String::new())).expect("it is sound");
        let bands = document.age_bands();
        let cells: Vec<_> = bands
            .iter()
            .map(|band| {
                (
                    band.topic.as_str(),
                    band.audience.as_str(),
                    band.flag,
                    band.block,
                    band.queue.as_deref(),
                    band.own,
                )
            })
            .collect();
        assert_eq!(
            cells,
            [
                ("threat", "default", Some(2), None, Some("default"), false),
                ("threat", "adult", Some(1), Some(5), Some("police"), true),
                ("rude", "default", Some(2), None, Some("default"), false),
                ("rude", "adult", Some(4), None, None, false),
            ]
        );
    }
}
