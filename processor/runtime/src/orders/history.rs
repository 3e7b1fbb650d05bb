//! What was activated, when, and what follows from it: read from the control log alone.
//!
//! Invariant: the same log gives the same answer to everybody. Nothing is remembered beside it, so a rollback that somebody else made,
//! or that was made with `activate`, counts like any other.

use std::collections::BTreeMap;
use std::fmt;

use gavel_judge::{ControlLog, Digest};
use gavel_schemas::{Order, PolicyActivated};

use super::EVERYWHERE;

/// `*` or one community, for sentences and commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(pub String);

impl Scope {
    /// ` --community C`, or nothing.
    pub fn flag(&self) -> String {
        if self.0 == EVERYWHERE {
            String::new()
        } else {
            format!(" --community {}", self.0)
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == EVERYWHERE {
            f.write_str("all communities without a policy of their own")
        } else {
            write!(f, "community {}", self.0)
        }
    }
}

/// Where an activation stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is what judges its scope.
    InForce,
    /// It is the candidate of its scope.
    InShadow,
    /// It ended the shadow of its scope, or its candidate is in force.
    NoShadow,
    /// A later order of its scope took its place.
    Past,
}

impl Standing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::InForce => "in-force",
            Standing::InShadow => "in-shadow",
            Standing::NoShadow => "no-shadow",
            Standing::Past => "past",
        }
    }
}

/// One activation with its number.
#[derive(Debug, Clone)]
pub struct Activated<'a> {
    pub order: i64,
    pub digest: Digest,
    pub recorded: &'a PolicyActivated,
    pub standing: Standing,
}

/// All activations, oldest first. One with a digest that is none never counted for anybody.
fn all(control: &ControlLog) -> impl Iterator<Item = (i64, Digest, &PolicyActivated)> {
    control
        .orders()
        .filter_map(|recorded| match recorded.order() {
            Order::PolicyActivated(order) => {
                Some((recorded.offset, order.digest.parse().ok()?, order))
            }
            _ => None,
        })
}

/// Number and content of the newest activation of a scope, in force or in shadow.
pub fn newest<'a>(
    control: &'a ControlLog,
    scope: &str,
    shadow: bool,
) -> Option<(i64, Digest, &'a PolicyActivated)> {
    all(control)
        .filter(|(_, _, order)| order.scope == scope && order.shadow == shadow)
        .last()
}

/// What judges a scope: its own policy, else that of all.
pub fn in_force(control: &ControlLog, scope: &str) -> Option<Digest> {
    newest(control, scope, false)
        .or_else(|| newest(control, EVERYWHERE, false))
        .map(|(_, digest, _)| digest)
}

/// The candidate in shadow of exactly this scope, with the number of its order. As in the fold: what names the policy in force ends the
/// shadow, and so does its candidate when it takes force, both for good.
pub fn candidate(control: &ControlLog, scope: &str) -> Option<(i64, Digest)> {
    let (mut own, mut everywhere, mut candidate) = (None, None, None);
    for (number, digest, order) in all(control) {
        if order.shadow && order.scope == scope {
            candidate = (own.or(everywhere) != Some(digest)).then_some((number, digest));
        } else if !order.shadow && order.scope == scope {
            own = Some(digest);
            candidate = candidate.filter(|(_, candidate)| *candidate != digest);
        }
        if !order.shadow && order.scope == EVERYWHERE {
            everywhere = Some(digest);
        }
    }
    candidate.filter(|(_, candidate)| own.or(everywhere) != Some(*candidate))
}

/// Every activation, newest first, with where it stands.
pub fn activations(control: &ControlLog) -> Vec<Activated<'_>> {
    let mut newest_of: BTreeMap<(&str, bool), i64> = BTreeMap::new();
    for (number, _, order) in all(control) {
        newest_of.insert((&order.scope, order.shadow), number);
    }
    let standing = |number: i64, order: &PolicyActivated| {
        let key = (order.scope.as_str(), order.shadow);
        if newest_of.get(&key) != Some(&number) {
            Standing::Past
        } else if !order.shadow {
            Standing::InForce
        } else if candidate(control, &order.scope).is_some() {
            Standing::InShadow
        } else {
            Standing::NoShadow
        }
    };
    let mut activations: Vec<_> = all(control)
        .map(|(order, digest, recorded)| Activated {
            order,
            digest,
            recorded,
            standing: standing(order, recorded),
        })
        .collect();
    activations.reverse();
    activations
}

/// The policies of a scope as a stack, the one in force on top. A new policy is put on top; one that lies in the stack is a way back to
/// it, and what lay above is undone. So going back twice after A, B, C comes to A, whoever ordered it and with which command.
pub fn stack(control: &ControlLog, scope: &str) -> Vec<(i64, Digest)> {
    let mut stack: Vec<(i64, Digest)> = Vec::new();
    for (number, digest, order) in all(control) {
        if order.shadow || order.scope != scope {
            continue;
        }
        match stack.iter().position(|(_, below)| *below == digest) {
            Some(at) => {
                stack.truncate(at + 1);
                stack[at].0 = number;
            }
            None => stack.push((number, digest)),
        }
    }
    stack
}

/// Policies that were in force in a scope and are not in its stack any more, newest first.
pub fn undone(control: &ControlLog, scope: &str) -> Vec<Digest> {
    let stack = stack(control, scope);
    let mut undone: Vec<Digest> = Vec::new();
    for activation in activations(control) {
        let of_scope = activation.recorded.scope == scope && !activation.recorded.shadow;
        let stacked = stack.iter().any(|(_, digest)| *digest == activation.digest);
        if of_scope && !stacked && !undone.contains(&activation.digest) {
            undone.push(activation.digest);
        }
    }
    undone
}

/// What a person means by a number or (the beginning of) a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meant {
    One(Digest),
    Several,
    None,
}

/// Finds a policy that was in force in a scope by the number of its order, or by its digest or eight digits of it and more.
pub fn find(control: &ControlLog, scope: &str, target: &str) -> Meant {
    let mut found = Meant::None;
    for (number, digest, order) in all(control) {
        if order.shadow || order.scope != scope {
            continue;
        }
        if target == number.to_string() {
            return Meant::One(digest);
        }
        if target.len() >= 8 && digest.to_string().starts_with(target) {
            found = match found {
                Meant::None => Meant::One(digest),
                Meant::One(other) if other == digest => found,
                Meant::One(_) | Meant::Several => Meant::Several,
            };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use gavel_schemas::encode_order;

    fn digest(letter: char) -> Digest {
        let text: String = std::iter::repeat_n(letter, 64).collect();
        text.parse().expect("a digest")
    }

    /// Words such as `*a` (in force), `c:b` (community c), `*!d` (in shadow), as orders from number 10 on.
    fn log(words: &str) -> ControlLog {
        let mut control = ControlLog::new();
        for (number, word) in (10..).zip(words.split_whitespace()) {
            let shadow = word.contains('!');
            let scope = if word.starts_with('c') { "c" } else { "*" };
            let letter = word.chars().last().expect("a word");
            let order = PolicyActivated {
                scope: scope.into(),
                digest: digest(letter).to_string(),
                engine: 1,
                shadow,
                by: String::new(),
                reason: String::new(),
                nonce: vec![0; 16],
                issued_at: 0,
            };
            control.append(number, &encode_order(&Order::PolicyActivated(order)));
        }
        control
    }

    fn stacked(words: &str) -> String {
        let letters = stack(&log(words), "*").into_iter();
        letters
            .map(|(_, digest)| digest.to_string().remove(0))
            .collect()
    }

    #[test]
    fn the_newest_activation_of_a_scope_is_that_of_the_scope_and_for_real() {
        let control = log("*a c:b *d *!e");
        let newest = |scope, shadow| {
            newest(&control, scope, shadow).map(|(number, digest, _)| (number, digest))
        };
        assert_eq!(newest("*", false), Some((12, digest('d'))));
        assert_eq!(newest("c", false), Some((11, digest('b'))));
        assert_eq!(newest("x", false), None);
        assert_eq!(newest("*", true), Some((13, digest('e'))));
        assert_eq!(in_force(&control, "x"), Some(digest('d')));
    }

    #[test]
    fn going_back_twice_goes_on_back() {
        assert_eq!(stacked("*a *b *c"), "abc");
        assert_eq!(stacked("*a *b *c *b"), "ab");
        assert_eq!(stacked("*a *b *c *b *a"), "a");
        assert_eq!(stacked("*a *b *c *b *d"), "abd");
    }

    #[test]
    fn the_same_policy_twice_other_scopes_and_shadows_are_no_steps() {
        assert_eq!(stacked("*a *a *!e c:f *b *b"), "ab");
        assert_eq!(stack(&log("*a *a"), "*"), [(11, digest('a'))]);
    }

    #[test]
    fn what_was_gone_back_from_can_still_be_named() {
        let control = log("*a *b *c *b *a");
        assert_eq!(undone(&control, "*"), [digest('b'), digest('c')]);
        assert_eq!(find(&control, "*", "12"), Meant::One(digest('c')));
        assert_eq!(find(&control, "*", "cccccccc"), Meant::One(digest('c')));
        assert_eq!(find(&control, "*", "cccc"), Meant::None);
        assert_eq!(find(&control, "c", "12"), Meant::None);
    }

    #[test]
    fn a_candidate_stands_in_shadow_until_it_or_nothing_judges() {
        let standing = |words: &str| {
            let control = log(words);
            let standings = activations(&control).into_iter();
            standings
                .map(|activation| activation.standing.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(standing("*a *!b"), ["in-shadow", "in-force"]);
        assert_eq!(standing("*a *!b *!a"), ["no-shadow", "past", "in-force"]);
        assert_eq!(standing("*a *!b *b"), ["in-force", "no-shadow", "past"]);
        assert_eq!(
            standing("*a *!b *b *c"),
            ["in-force", "past", "no-shadow", "past"]
        );
        assert_eq!(candidate(&log("*a *!b *!a *c"), "*"), None);
        assert_eq!(candidate(&log("*a c:!b"), "*"), None);
        assert_eq!(candidate(&log("*a c:!b"), "c"), Some((11, digest('b'))));
    }
}
