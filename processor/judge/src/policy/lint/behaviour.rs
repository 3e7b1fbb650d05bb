//! Windows, trust, strikes: what a user can never trip, or trips by coming back.

use super::{Lints, risks};
use crate::policy::document::{
    Consequence, ContextRule, Document, RISK_MAX, Step, Strikes, TrustLevel,
};
use std::collections::BTreeSet;

const HOUR: i64 = 3_600_000;
/// Bytes that one event takes in what is remembered of a user.
const EVENT_BYTES: u32 = 24;
/// In a long window, so few messages are those of everybody.
const FEW: u32 = 3;

pub(super) fn lint(document: &Document, lints: &mut Lints) {
    for rule in &document.contexts {
        window(rule, lints);
        silent(document, rule, lints);
    }
    trust(document, lints);
    if let Some(strikes) = &document.strikes {
        points(document, strikes, lints);
        steps(strikes, lints);
    }
}

fn window(rule: &ContextRule, lints: &mut Lints) {
    if rule.timespan <= HOUR {
        return;
    }
    let (span, gte) = (duration(rule.timespan), rule.gte);
    let (what, mend) = if gte <= FEW && rule.rules.is_empty() && rule.by_text.is_none() {
        (
            format!("{gte} messages of any kind in {span} are those of everybody who comes back"),
            "name in `rules` what is to be counted, or make the window shorter",
        )
    } else {
        (
            format!(
                "a window of {span}: up to {gte} events ({} bytes) of each user stay in the state for so long, and those of the other windows with them",
                gte * EVENT_BYTES
            ),
            "an hour is enough against floods; for what users do over days write [strikes], which take no more room with time",
        )
    };
    lints.add("long-window", &rule.id, what, mend);
}

/// A context rule whose risk reaches no level anywhere and that does nothing else.
fn silent(document: &Document, rule: &ContextRule, lints: &mut Lints) {
    let named = document
        .contexts
        .iter()
        .any(|other| other.rules.contains(&rule.id));
    if rule.risk == 0 && rule.consequence.is_none() && !named {
        lints.add(
            "harmless-context",
            &rule.id,
            "risk 0 reaches no threshold, there is no `action`, and no other context rule names it",
            "give `then` a risk from 1 on or an `action`, or take the rule out",
        );
    }
}

fn trust(document: &Document, lints: &mut Lints) {
    let shift = &document.trust;
    let steps = document.strikes.as_ref().map(|strikes| &strikes.steps);
    let gives = |level: TrustLevel| {
        steps.is_some_and(|steps| steps.iter().any(|step| step.trust == Some(level)))
    };
    for (name, level, by, wrong) in [
        (
            "untrusted",
            TrustLevel::Untrusted,
            shift.untrusted,
            shift.untrusted > 0,
        ),
        (
            "trusted",
            TrustLevel::Trusted,
            shift.trusted,
            shift.trusted < 0,
        ),
    ] {
        if by == 0 && gives(level) {
            lints.add(
                "trust-without-shift",
                name,
                format!("a step of [strikes] makes users {name}, and [trust] gives that no shift: nothing changes for them"),
                format!("write `{name} = {}` under [trust]", if level == TrustLevel::Untrusted { -1 } else { 1 }),
            );
        } else if by != 0 && !gives(level) {
            lints.add(
                "shift-without-step",
                name,
                format!("[trust] shifts the thresholds of {name} users, and no step of [strikes] makes anybody {name}"),
                format!("write a step with trust = \"{name}\", or take the shift out"),
            );
        }
        if wrong {
            lints.add(
                "trust-backwards",
                name,
                format!(
                    "a shift of {by} makes the thresholds of {name} users {}: the wrong way round",
                    if by > 0 { "higher" } else { "lower" }
                ),
                "a negative shift is stricter, a positive one laxer",
            );
        }
    }
}

fn points(document: &Document, strikes: &Strikes, lints: &mut Lints) {
    let lowered = document.guards.values().map(|guard| guard.lowers_to);
    let brought: BTreeSet<u8> = risks(document)
        .map(|(_, risk)| risk)
        .chain(lowered)
        .collect();
    let of = |risk: u8| {
        strikes
            .per_risk
            .get(usize::from(risk))
            .copied()
            .unwrap_or(0)
    };
    if brought.iter().all(|risk| of(*risk) == 0) {
        lints.add(
            "strikes-without-points",
            "strikes",
            "no risk that a rule brings has points in `per_risk`: no step is ever reached",
            format!(
                "give points to the risks that your rules have: {}",
                brought
                    .iter()
                    .map(u8::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        );
    }
    for risk in 1..=RISK_MAX {
        if of(risk) > 0 && !brought.contains(&risk) {
            lints.add(
                "points-without-rule",
                "strikes",
                format!("risk {risk} has points, and no rule brings that risk"),
                "take it out of `per_risk`, or write the rules for it",
            );
        }
    }
    let brought: Vec<u8> = brought.into_iter().collect();
    for pair in brought.windows(2) {
        let (milder, worse) = (pair[0], pair[1]);
        if of(worse) < of(milder) {
            lints.add(
                "points-out-of-order",
                "strikes",
                format!(
                    "risk {worse} has fewer points than risk {milder}: the worse message costs less"
                ),
                "give each risk at least the points of those below",
            );
        }
    }
}

fn steps(strikes: &Strikes, lints: &mut Lints) {
    for (at, step) in strikes.steps.iter().enumerate() {
        let place = format!("strikes/{}", decimal(step.gte));
        if step.trust.is_none() && step.consequence.is_none() {
            lints.add(
                "empty-step",
                &place,
                "the step has neither `trust` nor `action`: nothing follows from it",
                "give it one of them, or take it out",
            );
        }
        if step.gte == 0 {
            lints.add(
                "step-at-zero",
                &place,
                "the step is reached with the first point, however small",
                "write `gte` in points: 2.0 is two messages of one point",
            );
        }
        if matches!(
            step.consequence,
            Some(Consequence::Flag | Consequence::Mask | Consequence::Block)
        ) {
            lints.add(
                "step-too-late",
                &place,
                "steps act on what follows, never on the message at hand: flag, mask and block do nothing here",
                "write a mute, an escalation or a trust level",
            );
        }
        if let Some(Consequence::Mute(ms)) = step.consequence
            && ms > strikes.half_life
        {
            lints.add(
                "mute-outlasts-strikes",
                &place,
                format!(
                    "the mute of {} is longer than the half-life of {}: when they may speak again, half of the points are gone, and the trust level with them",
                    duration(ms),
                    duration(strikes.half_life)
                ),
                "make the half-life longer than the longest mute",
            );
        }
        for earlier in &strikes.steps[..at] {
            order(&place, earlier, step, lints);
        }
    }
}

/// Steps are taken from the lowest up, and all that are reached count: a later one can only add.
fn order(place: &str, earlier: &Step, step: &Step, lints: &mut Lints) {
    let mend = "order the steps so that more points never bring less";
    if let (Some(before), Some(after)) = (earlier.trust, step.trust) {
        let what = if earlier.gte == step.gte {
            Some(format!(
                "two steps at {} points give trust levels: only one of them counts",
                decimal(step.gte)
            ))
        } else if after.as_byte() > before.as_byte() {
            Some(format!(
                "more points bring more trust than the step at {}",
                decimal(earlier.gte)
            ))
        } else if after == before {
            Some(format!(
                "the step at {} gave the same trust level",
                decimal(earlier.gte)
            ))
        } else {
            None
        };
        // Renewed at more points, a level holds until fewer are left: that is worth a step only beside something else.
        let renews = after == before && step.consequence.is_some();
        if let Some(what) = what.filter(|_| !renews) {
            lints.add("steps-out-of-order", place, what, mend);
        }
    }
    if let (Some(Consequence::Mute(before)), Some(Consequence::Mute(after))) =
        (&earlier.consequence, &step.consequence)
        && after <= before
    {
        lints.add(
            "steps-out-of-order",
            place,
            format!(
                "its mute of {} is not longer than that of {} at {} points, which is given too: it never counts",
                duration(*after),
                duration(*before),
                decimal(earlier.gte)
            ),
            mend,
        );
    }
}

/// Thousandths as an author writes them.
pub(in crate::policy) fn decimal(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    let short = text.trim_end_matches('0');
    if short.ends_with('.') {
        format!("{short}0")
    } else {
        short.to_owned()
    }
}

/// Milliseconds as an author writes them.
pub(in crate::policy) fn duration(ms: i64) -> String {
    for (unit, length) in [("d", 86_400_000), ("h", HOUR), ("m", 60_000), ("s", 1_000)] {
        if ms != 0 && ms % length == 0 {
            return format!("{}{unit}", ms / length);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
mod tests {
    use super::super::Lint;
    use super::super::tests::{DARN, lints, names};

    fn with(rest: &str) -> Vec<Lint> {
        lints(&format!("{DARN}{rest}"))
    }

    fn context(rest: &str) -> Vec<Lint> {
        with(&format!(
            "[[context]]\nid = \"flood\"\ntype = \"event_count\"\ngroup_by = [\"user\"]\n{rest}"
        ))
    }

    fn strikes(per_risk: &str, at: &str) -> Vec<Lint> {
        with(&format!(
            "[trust]\nuntrusted = -1\n[strikes]\nper_risk = {{ {per_risk} }}\nhalf_life = \"1d\"\nat = [\n{{ gte = 1.0, trust = \"untrusted\" }},\n{at}\n]\n"
        ))
    }

    #[test]
    fn a_long_window_costs_memory_and_a_small_number_in_it_trips_everybody() {
        let then = "then = { topic = \"vulgar\", risk = 3 }\n";
        let found = context(&format!(
            "timespan = \"2h\"\ncondition = {{ gte = 50 }}\n{then}"
        ));
        assert_eq!(names(&found), [("long-window", "flood")]);
        assert!(
            found[0].what.contains("50 events (1200 bytes)"),
            "{found:?}"
        );
        let found = context(&format!(
            "timespan = \"1d\"\ncondition = {{ gte = 2 }}\n{then}"
        ));
        assert!(
            found[0].what.contains("everybody who comes back"),
            "{found:?}"
        );
        assert_eq!(
            context(&format!(
                "timespan = \"1h\"\ncondition = {{ gte = 50 }}\n{then}"
            )),
            []
        );
    }

    #[test]
    fn a_context_rule_from_which_nothing_follows_is_told() {
        let found = context(
            "timespan = \"10s\"\ncondition = { gte = 6 }\nthen = { topic = \"vulgar\", risk = 0 }\n",
        );
        assert_eq!(names(&found), [("harmless-context", "flood")]);
    }

    #[test]
    fn a_trust_level_without_a_shift_and_a_shift_without_a_level_are_told() {
        let found = with("[trust]\nuntrusted = -1\n");
        assert_eq!(names(&found), [("shift-without-step", "untrusted")]);
        let found = with(
            "[strikes]\nper_risk = { \"3\" = 1.0 }\nhalf_life = \"1d\"\nat = [{ gte = 1.0, trust = \"untrusted\" }]\n",
        );
        assert_eq!(names(&found), [("trust-without-shift", "untrusted")]);
        let found = with(
            "[trust]\nuntrusted = 1\n[strikes]\nper_risk = { \"3\" = 1.0 }\nhalf_life = \"1d\"\nat = [{ gte = 1.0, trust = \"untrusted\" }]\n",
        );
        assert_eq!(names(&found), [("trust-backwards", "untrusted")]);
    }

    #[test]
    fn steps_that_nobody_reaches_are_told() {
        let found = strikes("\"7\" = 1.0", "");
        assert_eq!(
            names(&found),
            [
                ("strikes-without-points", "strikes"),
                ("points-without-rule", "strikes")
            ]
        );
        assert!(found[0].mend.contains("rules have: 3"), "{found:?}");
        assert_eq!(strikes("\"3\" = 1.0", ""), []);
    }

    #[test]
    fn a_worse_message_that_costs_less_is_told() {
        let heck = DARN.replace("darn", "heck").replace("3", "2");
        let strikes = "[trust]\nuntrusted = -1\n[strikes]\nper_risk = { \"2\" = 2.0, \"3\" = 1.0 }\nhalf_life = \"1d\"\nat = [{ gte = 2.0, trust = \"untrusted\" }]\n";
        let found = with(&format!("{heck}{strikes}"));
        assert_eq!(names(&found), [("points-out-of-order", "strikes")]);
    }

    #[test]
    fn steps_that_bring_less_for_more_are_told() {
        let step = |step: &str| strikes("\"3\" = 1.0", step);
        for (steps, lint, place) in [
            (
                "{ gte = 2.0, trust = \"normal\" }",
                "steps-out-of-order",
                "strikes/2.0",
            ),
            (
                "{ gte = 2.5, trust = \"untrusted\" }",
                "steps-out-of-order",
                "strikes/2.5",
            ),
            (
                "{ gte = 2.0, action = \"mute\", for = \"10m\" }, { gte = 3.0, action = \"mute\", for = \"5m\" }",
                "steps-out-of-order",
                "strikes/3.0",
            ),
            (
                "{ gte = 2.0, action = \"mute\", for = \"2d\" }",
                "mute-outlasts-strikes",
                "strikes/2.0",
            ),
            (
                "{ gte = 0.0, action = \"escalate\" }",
                "step-at-zero",
                "strikes/0.0",
            ),
            ("{ gte = 2.0 }", "empty-step", "strikes/2.0"),
            (
                "{ gte = 2.0, action = \"block\" }",
                "step-too-late",
                "strikes/2.0",
            ),
        ] {
            assert_eq!(names(&step(steps)), [(lint, place)], "{steps}");
        }
        assert_eq!(
            step(
                "{ gte = 2.0, action = \"mute\", for = \"10m\" }, { gte = 3.0, action = \"mute\", for = \"50m\" }"
            ),
            []
        );
    }

    #[test]
    fn times_read_as_they_are_written() {
        for (ms, text) in [
            (7 * 86_400_000, "7d"),
            (90_000, "90s"),
            (1_500, "1500ms"),
            (60_000, "1m"),
        ] {
            assert_eq!(super::duration(ms), text);
        }
    }
}
