//! Who is protected and who is watched: audiences, channels, trust, strikes.

use super::super::document::{
    Channel, Consequence, Levels, LinkAction, RISK_MAX, Step, Strikes, Thresholds, TrustLevel,
    TrustShift, Urls,
};
use super::super::error::did_you_mean;
use super::super::source;
use super::{CONSEQUENCES, Parser};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

impl Parser<'_> {
    pub(super) fn audiences(
        &mut self,
        audiences: BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, source::Levels>>,
    ) -> BTreeMap<String, Thresholds> {
        let mut compiled = BTreeMap::new();
        for (name, table) in audiences {
            let mut thresholds = Thresholds::default();
            for (topic, levels) in table {
                let levels = self.levels(&levels);
                if topic.get_ref() == "default" {
                    thresholds.default = levels;
                } else {
                    thresholds.topics.insert(self.topic(topic), levels);
                }
            }
            compiled.insert(name.into_inner(), thresholds);
        }
        if !compiled.contains_key("default") {
            self.problems.add("[audience.default] is missing: it judges messages without an audience, or with an unknown one".to_owned());
        }
        compiled
    }

    fn levels(&mut self, levels: &source::Levels) -> Levels {
        let mut level = |level: &Option<Spanned<u8>>| level.as_ref().map(|level| self.risk(level));
        Levels {
            flag: level(&levels.flag),
            mask: level(&levels.mask),
            block: level(&levels.block),
            escalate: level(&levels.escalate),
            queue: levels.queue.clone(),
        }
    }

    pub(super) fn channels(
        &mut self,
        channels: BTreeMap<Spanned<String>, source::Channel>,
        audiences: &BTreeMap<String, Thresholds>,
    ) -> Vec<Channel> {
        let mut compiled = Vec::new();
        for (pattern, channel) in channels {
            let at = pattern.span().start;
            if channel.audience.is_none() && channel.urls.is_none() {
                self.problems.at(
                    at,
                    "a channel needs `audience`, `urls` or both; without, it changes nothing",
                );
            }
            if let Some(audience) = &channel.audience
                && !audiences.contains_key(audience.get_ref())
            {
                let known: Vec<&str> = audiences.keys().map(String::as_str).collect();
                let hint = did_you_mean(audience.get_ref(), &known);
                self.problems.at(
                    audience.span().start,
                    format!("there is no audience `{}`{hint}", audience.get_ref()),
                );
            }
            compiled.push(Channel {
                pattern: pattern.into_inner(),
                audience: channel.audience.map(Spanned::into_inner),
                urls: channel.urls.map(|urls| self.urls(urls)),
            });
        }
        // The most specific pattern first; the order in the file does not matter.
        compiled.sort_by(|a, b| {
            b.pattern
                .len()
                .cmp(&a.pattern.len())
                .then_with(|| a.pattern.cmp(&b.pattern))
        });
        compiled
    }

    fn urls(&mut self, urls: source::Urls) -> Urls {
        let other = match urls.other.get_ref().as_str() {
            "allow" => LinkAction::Allow,
            "flag" => LinkAction::Flag,
            "mask" => LinkAction::Mask,
            "block" => LinkAction::Block,
            unknown => {
                let hint = did_you_mean(unknown, &["allow", "flag", "mask", "block"]);
                self.problems.at(
                    urls.other.span().start,
                    format!("unknown action `{unknown}`{hint}"),
                );
                LinkAction::Allow
            }
        };
        let allow = urls
            .allow
            .into_iter()
            .map(|domain| self.domain(domain.span().start, domain.get_ref()));
        let allow: BTreeSet<String> = allow.collect();
        Urls {
            allow: allow.into_iter().collect(),
            other,
        }
    }

    pub(super) fn trust(&mut self, trust: source::Trust) -> TrustShift {
        let mut shift = |shift: Option<Spanned<i8>>| {
            let Some(shift) = shift else { return 0 };
            if shift.get_ref().unsigned_abs() > RISK_MAX {
                self.problems.at(
                    shift.span().start,
                    format!(
                        "a shift of {} is out of range: -{RISK_MAX} to {RISK_MAX}",
                        shift.get_ref()
                    ),
                );
            }
            shift.into_inner()
        };
        let (untrusted, trusted) = (shift(trust.untrusted), shift(trust.trusted));
        let pinned: BTreeSet<String> = trust
            .pinned
            .into_iter()
            .map(|topic| self.topic(topic))
            .collect();
        TrustShift {
            untrusted,
            trusted,
            pinned: pinned.into_iter().collect(),
        }
    }

    pub(super) fn consequence(
        &mut self,
        action: Option<Spanned<String>>,
        duration: Option<Spanned<String>>,
        queue: Option<String>,
    ) -> Option<Consequence> {
        let mutes = action
            .as_ref()
            .is_some_and(|action| action.get_ref() == "mute");
        if let Some(duration) = duration.as_ref().filter(|_| !mutes) {
            self.problems.at(
                duration.span().start,
                "`for` belongs to `action = \"mute\"`",
            );
        }
        let action = action?;
        match action.get_ref().as_str() {
            "flag" => Some(Consequence::Flag),
            "mask" => Some(Consequence::Mask),
            "block" => Some(Consequence::Block),
            "escalate" => Some(Consequence::Escalate(
                queue.unwrap_or_else(|| "default".to_owned()),
            )),
            "mute" => {
                if duration.is_none() {
                    self.problems.at(
                        action.span().start,
                        "a mute needs `for`, such as for = \"60s\"",
                    );
                }
                Some(Consequence::Mute(
                    duration.map_or(0, |duration| self.duration(&duration)),
                ))
            }
            other => {
                self.problems.at(
                    action.span().start,
                    format!(
                        "unknown action `{other}`{}",
                        did_you_mean(other, &CONSEQUENCES)
                    ),
                );
                None
            }
        }
    }

    pub(super) fn strikes(&mut self, strikes: source::Strikes) -> Strikes {
        let mut per_risk = [0u64; RISK_MAX as usize + 1];
        for (risk, points) in &strikes.per_risk {
            let points = self.thousandths(points, 1_000_000);
            match risk
                .get_ref()
                .parse::<usize>()
                .ok()
                .and_then(|risk| per_risk.get_mut(risk))
            {
                Some(slot) => *slot = points,
                None => self.problems.at(
                    risk.span().start,
                    format!("`{}` is no risk: \"0\" to \"{RISK_MAX}\"", risk.get_ref()),
                ),
            }
        }
        let mut steps: Vec<Step> = Vec::new();
        for step in strikes.at {
            let gte = self.thousandths(&step.gte, 1_000_000_000);
            let trust = step.trust.and_then(|trust| match trust.get_ref().as_str() {
                "untrusted" => Some(TrustLevel::Untrusted),
                "normal" => Some(TrustLevel::Normal),
                "trusted" => Some(TrustLevel::Trusted),
                other => {
                    let hint = did_you_mean(other, &["untrusted", "normal", "trusted"]);
                    self.problems.at(
                        trust.span().start,
                        format!("unknown trust level `{other}`{hint}"),
                    );
                    None
                }
            });
            steps.push(Step {
                gte,
                trust,
                consequence: self.consequence(step.action, step.duration, step.queue),
            });
        }
        steps.sort_by_key(|step| step.gte);
        Strikes {
            per_risk,
            half_life: self.duration(&strikes.half_life),
            steps,
        }
    }
}
