//! Topics, thresholds, channels, weights: what no message reaches.

use super::{Lints, decimal, highest_risks};
use crate::policy::document::{Channel, Document, Levels};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Thousandths: hits count once it is more likely than not that one of them is right.
const EVEN: u32 = 500;

pub(super) fn lint(document: &Document, lints: &mut Lints) {
    let highest = highest_risks(document);
    for topic in document
        .topics
        .iter()
        .filter(|topic| !highest.contains_key(topic.as_str()))
    {
        lints.add(
            "topic-without-rule",
            topic,
            "no term, detector or context rule names the topic",
            "write a rule for it, or take it out of policy.topics",
        );
    }
    for (name, thresholds) in &document.audiences {
        let judged_by_default = document
            .topics
            .iter()
            .filter(|topic| !thresholds.topics.contains_key(*topic));
        let judged_by_default: Vec<&str> = judged_by_default.map(String::as_str).collect();
        let own = thresholds
            .topics
            .iter()
            .map(|(topic, levels)| (format!("{name}/{topic}"), levels, vec![topic.as_str()]));
        let default = (name.clone(), &thresholds.default, judged_by_default);
        for (place, levels, topics) in std::iter::once(default).chain(own) {
            out_of_order(&place, levels, lints);
            unreached(document, &place, levels, &topics, lints);
        }
    }
    weights(document, lints);
    channels(&document.channels, lints);
}

fn named(levels: &Levels) -> [(&'static str, Option<u8>); 4] {
    [
        ("flag", levels.flag),
        ("mask", levels.mask),
        ("block", levels.block),
        ("escalate", levels.escalate),
    ]
}

fn out_of_order(place: &str, levels: &Levels, lints: &mut Lints) {
    let [flag, mask, block, _] = named(levels);
    for ((milder, low), (harder, high)) in [(flag, mask), (mask, block), (flag, block)] {
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            lints.add(
                "levels-out-of-order",
                place,
                format!("`{milder} = {low}` stands above `{harder} = {high}`: from {high} on the answer is {harder}, so `{milder}` never is"),
                format!("write `{milder}` below `{high}`, or leave it out"),
            );
        }
    }
    let acted = [levels.flag, levels.mask, levels.block]
        .into_iter()
        .flatten()
        .min();
    if let (Some(escalate), Some(acted)) = (levels.escalate, acted)
        && escalate < acted
    {
        lints.add(
            "levels-out-of-order",
            place,
            format!("`escalate = {escalate}` stands below the first action, at {acted}: people are sent messages that are allowed and not even flagged"),
            format!("write `flag = {escalate}`, or raise `escalate`"),
        );
    }
}

/// Levels that no rule reaches, even for untrusted users.
fn unreached(
    document: &Document,
    place: &str,
    levels: &Levels,
    topics: &[&str],
    lints: &mut Lints,
) {
    let highest = highest_risks(document);
    let lowered = |topic: &str| {
        let pinned = document.trust.pinned.iter().any(|pinned| pinned == topic);
        let shift = document.trust.untrusted.min(document.trust.trusted).min(0);
        if pinned { 0 } else { shift }
    };
    // A topic without rules has a lint of its own.
    let reach = topics.iter().filter_map(|topic| {
        let risk = highest.get(topic)?;
        Some(i16::from(*risk) - i16::from(lowered(topic)))
    });
    let Some(reach) = reach.max() else { return };
    for (action, level) in named(levels) {
        if let Some(level) = level.filter(|level| i16::from(*level).max(1) > reach) {
            lints.add(
                "unreached-level",
                place,
                format!("`{action}` starts at {level}, and no rule brings more than {reach} there: it never happens"),
                format!("lower `{action}`, leave it out, or write the rules for it"),
            );
        }
    }
}

/// Risk, the highest first, id and weight of a rule that is more often wrong than right.
type Weak<'a> = (Reverse<u8>, &'a String, u32);

/// Rules that are more often wrong than right and have no others to count with, nor a context rule that hears them.
fn weights(document: &Document, lints: &mut Lints) {
    let terms = document
        .terms
        .iter()
        .map(|term| (&term.topic, term.risk, &term.id, term.weight));
    let detectors = document
        .detectors
        .iter()
        .map(|rule| (&rule.topic, rule.risk, &rule.id, rule.weight));
    let mut weak: BTreeMap<&String, Vec<Weak<'_>>> = BTreeMap::new();
    for (topic, risk, id, weight) in terms.chain(detectors) {
        if weight < EVEN {
            weak.entry(topic)
                .or_default()
                .push((Reverse(risk), id, weight));
        }
    }
    // Context rules hear them even so.
    let named: BTreeSet<&String> = document
        .contexts
        .iter()
        .flat_map(|rule| &rule.rules)
        .collect();
    for (topic, rules) in &mut weak {
        rules.sort();
        for (risk, id, weight) in rules.iter().filter(|(_, id, _)| !named.contains(*id)) {
            let together = rules.iter().filter(|(other, _, _)| other <= risk);
            // As the fold weighs them, from the highest risk down.
            let wrong = together.fold(1_000, |wrong, (_, _, weight)| {
                wrong * (1_000 - weight) / 1_000
            });
            if wrong > EVEN {
                lints.add(
                    "weight-too-low",
                    id,
                    format!(
                        "weight {} is below 0.5, and with all other weak rules of `{topic}` from risk {} on it does not come to even: it can never count",
                        decimal((*weight).into()),
                        risk.0
                    ),
                    "raise the weight to 0.5 or more, or give the topic more rules that count with it",
                );
            }
        }
    }
}

/// Patterns of channels that an earlier one takes everything from.
fn channels(channels: &[Channel], lints: &mut Lints) {
    for (at, channel) in channels.iter().enumerate() {
        let earlier = || {
            channels[..at]
                .iter()
                .filter(|earlier| covers(&earlier.pattern, &channel.pattern))
        };
        let audience = earlier().find(|earlier| earlier.audience.is_some());
        let urls = earlier().find(|earlier| earlier.urls.is_some());
        for (key, hider, used) in [
            ("audience", audience, channel.audience.is_some()),
            ("urls", urls, channel.urls.is_some()),
        ] {
            if let Some(hider) = hider.filter(|_| used) {
                lints.add(
                    "hidden-channel",
                    &channel.pattern,
                    format!(
                        "its `{key}` never counts: `{}` is the longer pattern, fits every channel that this one fits, and goes first",
                        hider.pattern
                    ),
                    "take it out, or make it the longer one: the longest pattern that fits counts",
                );
            }
        }
    }
}

/// Whether every channel that `pattern` fits, `wide` fits too.
fn covers(wide: &str, pattern: &str) -> bool {
    let core = pattern.trim_matches('*');
    let (open_start, open_end) = (pattern.starts_with('*'), pattern.ends_with('*'));
    match (wide.strip_prefix('*'), wide.strip_suffix('*')) {
        (Some(""), _) => true,
        (Some(inner), Some(_)) => core.contains(inner.strip_suffix('*').unwrap_or(inner)),
        (Some(suffix), None) => !open_end && core.ends_with(suffix),
        (None, Some(prefix)) => !open_start && core.starts_with(prefix),
        (None, None) => wide == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DARN, linted, lints, names};

    const TEST: &str = "[[test]]\nin = { text = \"a\" }\nexpect = {}\n";

    fn with_levels(levels: &str) -> Vec<super::super::Lint> {
        linted("", &format!("[audience.default]\n{levels}\n{TEST}{DARN}"))
    }

    #[test]
    fn a_topic_that_no_rule_names_is_told() {
        assert_eq!(names(&lints("")), [("topic-without-rule", "vulgar")]);
    }

    #[test]
    fn a_level_that_no_rule_reaches_is_told_unless_mistrust_lowers_it() {
        let found = with_levels("default = { flag = 2, block = 4 }");
        assert_eq!(names(&found), [("unreached-level", "default")]);
        assert!(
            found[0]
                .what
                .contains("`block` starts at 4, and no rule brings more than 3"),
            "{found:?}"
        );
        let found = with_levels("vulgar = { flag = 2, block = 5 }");
        assert_eq!(names(&found), [("unreached-level", "default/vulgar")]);
        let strikes = "[trust]\nuntrusted = -1\n[strikes]\nper_risk = { \"3\" = 1.0 }\nhalf_life = \"1d\"\nat = [{ gte = 1.0, trust = \"untrusted\" }]\n";
        assert_eq!(
            with_levels(&format!("default = {{ flag = 2, block = 4 }}\n{strikes}")),
            []
        );
    }

    #[test]
    fn a_milder_action_above_a_harder_one_is_told() {
        let found = with_levels("default = { flag = 3, mask = 2 }");
        assert_eq!(names(&found), [("levels-out-of-order", "default")]);
        let found = with_levels("default = { flag = 3, escalate = 1 }");
        assert!(found[0].what.contains("not even flagged"), "{found:?}");
        assert_eq!(
            with_levels("default = { flag = 1, mask = 2, block = 3, escalate = 3 }"),
            []
        );
    }

    #[test]
    fn a_weight_below_even_that_is_alone_in_its_topic_can_never_count() {
        let weak = |id: &str, risk: u8| {
            format!(
                "[[term]]\nid = \"{id}\"\nmatch = [\"{id}\"]\ntopic = \"vulgar\"\nrisk = {risk}\nweight = 0.3\n"
            )
        };
        assert_eq!(names(&lints(&weak("hat", 3))), [("weight-too-low", "hat")]);
        assert_eq!(lints(&format!("{}{}", weak("hat", 3), weak("coat", 3))), []);
        // Two of them come to even at the risk of the lower one.
        let found = lints(&format!("{}{}", weak("hat", 3), weak("coat", 2)));
        assert_eq!(names(&found), [("weight-too-low", "hat")]);
        assert!(found[0].what.contains("weight 0.3 "), "{found:?}");
        // A context rule hears even what does not count.
        let heard = "[[context]]\nid = \"often\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\nrules = [\"hat\"]\ntimespan = \"1h\"\n\
            condition = { gte = 3 }\nthen = { topic = \"vulgar\", risk = 3 }\n";
        assert_eq!(lints(&format!("{}{heard}", weak("hat", 3))), []);
    }

    #[test]
    fn a_channel_pattern_that_an_earlier_one_hides_is_told() {
        let channels = |wide: &str| {
            let text = format!(
                "[channel]\n\"{wide}\" = {{ audience = \"default\" }}\n\"kids-*\" = {{ audience = \"default\" }}\n{DARN}"
            );
            lints(&text)
        };
        assert_eq!(names(&channels("*kids-*")), [("hidden-channel", "kids-*")]);
        assert_eq!(channels("kids-lobby"), []);
        assert_eq!(channels("*"), []);
        for (wide, pattern, expected) in [
            ("*s-*", "kids-*", true),
            ("*-kids-x", "kids-x", false),
            ("kids-*", "kids-lobby", true),
            ("kids-*", "*kids-x", false),
            ("*-lobby", "kids-lobby", true),
            ("*-lobby", "kids-lobby*", false),
        ] {
            assert_eq!(super::covers(wide, pattern), expected, "{wide} {pattern}");
        }
    }
}
