//! What is remembered of one user, as a few dozen bytes.
//!
//! Layout, little-endian: format u8, expires_at i64, standing (33 bytes), messages u8, events u16, fragments u8, consequences u8; then the
//! messages (digest 16 bytes, offset i64, action u8, code u8), the events (key u64, time i64, value u64), the ledger (see its module) and
//! the fragments (time i64, channel u64, bytes u8, text), all oldest first. A standing is mute_until i64, strikes u64 (thousandths),
//! strikes_at i64, trust_floor u64 (thousandths), trust u8. Times are milliseconds. A context that is not laid out like this is an error
//! and never read as another one.

mod ledger;
mod standing;
mod view;

pub(crate) use ledger::{Given, Relief};
pub(crate) use standing::Standing;
pub use view::{ConsequenceView, ContextView, describe_context};

use crate::policy::{EVENTS, Policy, Strikes};
use crate::ruling::{Action, Code};
use ledger::Ledger;

const FORMAT: u8 = 3;
const HEAD: usize = 1 + 8 + STANDING + 1 + 2 + 1 + 1;
const STANDING: usize = 8 * 4 + 1;
const MESSAGE: usize = 16 + 8 + 1 + 1;
const EVENT: usize = 24;
const FRAGMENT: usize = 17;
/// A user who says nothing for this long is forgotten, unless still muted.
const FORGET_MS: i64 = 90 * 86_400_000;
/// Messages among which a producer's retry is recognised.
const MESSAGES: usize = 8;
/// Longest text that is kept to be read together with the next.
pub(crate) const FRAGMENT_BYTES: usize = 32;

/// A message that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// BLAKE3, 128 bits, of all that makes it the same message.
    pub digest: [u8; 16],
    pub offset: i64,
    pub action: Action,
    pub code: Code,
}

/// Counted by the context rule (and group) that `key` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Event {
    key: u64,
    at: i64,
    /// What was counted: 0, the hash of a value, the near-fingerprint of a text.
    value: u64,
}

/// A short text that may be a part of a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub at: i64,
    /// Hash of the channel.
    pub channel: u64,
    pub text: String,
}

/// What is counted under one key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub key: u64,
    /// Milliseconds.
    pub timespan: i64,
    /// More events than this serve nobody.
    pub most: usize,
}

/// Decoded to be changed; kept between users for its memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Context {
    pub standing: Standing,
    said: Vec<Said>,
    events: Vec<Event>,
    ledger: Ledger,
    pub fragments: Vec<Fragment>,
}

/// Bytes that are no context.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes that are no context of format {FORMAT}")]
pub(crate) struct NoContext(usize);

impl Context {
    pub fn clear(&mut self) {
        self.standing = Standing::default();
        self.said.clear();
        self.events.clear();
        self.ledger.clear();
        self.fragments.clear();
    }

    pub fn decode(&mut self, bytes: &[u8]) -> Result<(), NoContext> {
        self.clear();
        self.read(bytes).ok_or(NoContext(bytes.len()))
    }

    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        if head[0] != FORMAT {
            return None;
        }
        self.standing = Standing::read(head.get(9..)?)?;
        let (messages, events) = (
            usize::from(head[42]),
            usize::from(u16::from_le_bytes([head[43], head[44]])),
        );
        let (said, rest) = rest.split_at_checked(messages * MESSAGE)?;
        let (counted, rest) = rest.split_at_checked(events * EVENT)?;
        let mut rest = self.ledger.read(head[46], rest)?;
        for _ in 0..head[45] {
            let (fragment, after) = rest.split_at_checked(FRAGMENT)?;
            let (text, after) = after.split_at_checked(usize::from(fragment[16]))?;
            self.fragments.push(Fragment {
                at: long(fragment, 0)?,
                channel: long(fragment, 8)? as u64,
                text: std::str::from_utf8(text).ok()?.to_owned(),
            });
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
        for one in said.chunks_exact(MESSAGE) {
            let digest = one[..16].try_into().ok()?;
            self.said.push(Said {
                digest,
                offset: long(one, 16)?,
                action: Action::from_byte(one[24])?,
                code: Code::from_byte(one[25])?,
            });
        }
        for one in counted.chunks_exact(EVENT) {
            self.events.push(Event {
                key: long(one, 0)? as u64,
                at: long(one, 8)?,
                value: long(one, 16)? as u64,
            });
        }
        Some(())
    }

    /// Writes the context as of `now`.
    pub fn encode(&self, now: i64, out: &mut Vec<u8>) {
        out.clear();
        out.push(FORMAT);
        let expires_at = now.saturating_add(FORGET_MS).max(self.standing.mute_until);
        out.extend_from_slice(&expires_at.to_le_bytes());
        self.standing.write(out);
        // Both lists are bounded where they grow.
        out.push(self.said.len() as u8);
        out.extend_from_slice(&(self.events.len() as u16).to_le_bytes());
        out.push(self.fragments.len() as u8);
        out.push(self.ledger.mark());
        for said in &self.said {
            out.extend_from_slice(&said.digest);
            out.extend_from_slice(&said.offset.to_le_bytes());
            out.extend_from_slice(&[said.action.as_byte(), said.code.as_byte()]);
        }
        for event in &self.events {
            out.extend_from_slice(&event.key.to_le_bytes());
            out.extend_from_slice(&event.at.to_le_bytes());
            out.extend_from_slice(&event.value.to_le_bytes());
        }
        self.ledger.write(out);
        for fragment in &self.fragments {
            out.extend_from_slice(&fragment.at.to_le_bytes());
            out.extend_from_slice(&fragment.channel.to_le_bytes());
            out.push(fragment.text.len() as u8);
            out.extend_from_slice(fragment.text.as_bytes());
        }
    }

    /// The recorded message with this digest.
    pub fn said_before(&self, digest: &[u8; 16]) -> Option<Said> {
        self.said
            .iter()
            .find(|said| said.digest == *digest)
            .copied()
    }

    pub fn say(&mut self, said: Said) {
        if self.said.len() == MESSAGES {
            self.said.remove(0);
        }
        self.said.push(said);
    }

    /// Notes what a message brought its user.
    pub fn give(&mut self, given: Given, strikes: Option<&Strikes>) {
        self.ledger.give(given, strikes);
    }

    /// Undoes what followed from the message at `offset`, and gives what that changed; None if nothing is known of it, or nothing is left
    /// to undo. Counted again by the strikes in force: what the user would have without that message, and never more than now.
    pub fn overturn(&mut self, offset: i64, strikes: Option<&Strikes>, now: i64) -> Option<Relief> {
        let given = self.ledger.take(offset);
        let said = self
            .said
            .iter_mut()
            .find(|said| said.offset == offset && said.action != Action::Allow);
        if !given && said.is_none() {
            return None;
        }
        if let Some(said) = said {
            // Also where the message was not read because its user was muted: its retry is let through, as one that was judged.
            (said.action, said.code) = (Action::Allow, Code::Judged);
        }
        let before = self.standing;
        if given {
            self.standing = self
                .ledger
                .count(strikes)
                .no_worse_than(&before, strikes, now);
        }
        Some(Relief::between(&before, &self.standing, strikes, now))
    }

    /// Forgets the events that no window of the policy reaches: `keep` is its longest.
    pub fn forget(&mut self, now: i64, keep: i64) {
        self.events
            .retain(|event| event.at > now.saturating_sub(keep));
    }

    /// Adds an event with a value and gives how many in `(now - timespan, now]` have one that is `alike`.
    pub fn count(
        &mut self,
        window: Window,
        now: i64,
        value: u64,
        alike: impl Fn(u64, u64) -> bool,
    ) -> usize {
        self.add(window, now, value);
        self.within(window, now)
            .filter(|event| alike(event.value, value))
            .count()
    }

    /// Adds an event with a value and gives how many different values there are in `(now - timespan, now]`.
    pub fn count_different(&mut self, window: Window, now: i64, value: u64) -> usize {
        // The value anew: only its last time counts.
        self.events
            .retain(|event| (event.key, event.value) != (window.key, value));
        self.add(window, now, value);
        self.within(window, now).count()
    }

    /// Whether the step before this one of an ordered rule was taken in `(now - timespan, now]` of its beginning; if so this one is. The
    /// value of an event is its step, its time the beginning of the order.
    pub fn step(&mut self, window: Window, now: i64, step: u64) -> bool {
        let began = if step == 0 {
            Some(now)
        } else {
            self.within(window, now)
                .filter(|event| event.value == step - 1)
                .map(|event| event.at)
                .max()
        };
        let Some(began) = began else { return false };
        self.events
            .retain(|event| (event.key, event.value) != (window.key, step));
        self.add(window, began, step);
        true
    }

    fn within(&self, window: Window, now: i64) -> impl Iterator<Item = &Event> {
        let since = now.saturating_sub(window.timespan);
        self.events
            .iter()
            .filter(move |event| event.key == window.key && event.at > since)
    }

    fn add(&mut self, window: Window, at: i64, value: u64) {
        let mine = |event: &Event| event.key == window.key;
        if self.events.iter().filter(|event| mine(event)).count() >= window.most
            && let Some(oldest) = self.events.iter().position(mine)
        {
            self.events.remove(oldest);
        }
        if self.events.len() == EVENTS {
            self.events.remove(0);
        }
        self.events.push(Event {
            key: window.key,
            at,
            value,
        });
    }

    /// Keeps a short text for a while, and at most `most` of them.
    pub fn keep(&mut self, fragment: Fragment, most: usize) {
        self.fragments.push(fragment);
        if self.fragments.len() > most {
            self.fragments.remove(0);
        }
    }

    /// Forgets the texts that will not be read together with another any more.
    pub fn forget_fragments(&mut self, policy: &Policy, now: i64) {
        match policy.join {
            Some(join) => {
                let since = now.saturating_sub(join.within);
                self.fragments.retain(|fragment| fragment.at > since);
            }
            None => self.fragments.clear(),
        }
    }

    /// The messages among which a retry is recognised, oldest first.
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Times and values of what is in a window.
    pub fn counted(&self, window: Window, now: i64) -> impl Iterator<Item = (i64, u64)> {
        self.within(window, now)
            .map(|event| (event.at, event.value))
    }
}

fn long(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Whether nobody would miss this context at `clock`: the fold reads it as empty from then on.
pub fn context_expired(context: &[u8], clock: i64) -> bool {
    long(context, 1).is_some_and(|expires_at| expires_at < clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::TrustLevel;

    #[test]
    fn a_context_reads_back_as_it_was_written() {
        let mut context = Context {
            standing: Standing {
                mute_until: 5,
                strikes: 1_250,
                strikes_at: 9,
                trust: TrustLevel::Untrusted,
                trust_floor: 600,
            },
            ..Context::default()
        };
        context.give(
            Given {
                offset: 3,
                at: 9,
                points: 1_250,
                mute_until: 5,
            },
            None,
        );
        context.say(Said {
            digest: [7; 16],
            offset: 3,
            action: Action::Mask,
            code: Code::Judged,
        });
        let window = Window {
            key: 11,
            timespan: 50,
            most: 9,
        };
        context.count(window, 100, 7, |_, _| true);
        context.keep(
            Fragment {
                at: 100,
                channel: 4,
                text: "é".into(),
            },
            2,
        );
        let mut bytes = Vec::new();
        context.encode(100, &mut bytes);
        let mut read = Context::default();
        read.decode(&bytes).unwrap();
        assert_eq!(read, context);
        assert!(
            !context_expired(&bytes, 100 + FORGET_MS) && context_expired(&bytes, 101 + FORGET_MS)
        );
        for cut in 0..bytes.len() {
            assert!(read.decode(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn the_last_eight_messages_are_remembered_and_no_more() {
        let mut context = Context::default();
        for n in 0..9 {
            context.say(Said {
                digest: [n; 16],
                offset: i64::from(n),
                action: Action::Allow,
                code: Code::Judged,
            });
        }
        assert!(context.said_before(&[0; 16]).is_none() && context.said_before(&[1; 16]).is_some());
    }

    #[test]
    fn a_window_is_open_at_its_old_end() {
        let mut context = Context::default();
        let window = |key| Window {
            key,
            timespan: 10,
            most: 9,
        };
        assert_eq!(
            [0, 5, 10, 14].map(|at| context.count(window(1), at, 0, |_, _| true)),
            [1, 2, 2, 3]
        );
        assert_eq!(context.count(window(2), 14, 0, |_, _| true), 1);
    }

    #[test]
    fn a_busy_window_keeps_no_more_events_than_it_counts_to() {
        let mut context = Context::default();
        let quiet = Window {
            key: 1,
            timespan: 1_000,
            most: 5,
        };
        context.count(quiet, 0, 0, |_, _| true);
        for at in 1..=600 {
            context.count(
                Window {
                    key: 2,
                    timespan: 1_000,
                    most: 3,
                },
                at,
                0,
                |_, _| true,
            );
        }
        assert_eq!(context.count(quiet, 601, 0, |_, _| true), 2);
        assert_eq!(context.events.len(), 5);
    }

    #[test]
    fn different_values_are_counted_once_each() {
        let mut context = Context::default();
        let window = Window {
            key: 1,
            timespan: 10,
            most: 9,
        };
        assert_eq!(
            [(0, 7), (1, 7), (2, 8), (3, 9), (11, 7)]
                .map(|(at, value)| context.count_different(window, at, value)),
            [1, 1, 2, 3, 3]
        );
    }

    #[test]
    fn steps_count_in_their_order_and_within_the_time_since_the_first() {
        let mut context = Context::default();
        let window = Window {
            key: 1,
            timespan: 10,
            most: 3,
        };
        assert!(!context.step(window, 0, 1));
        assert!(
            context.step(window, 1, 0) && context.step(window, 5, 1) && context.step(window, 10, 2)
        );
        let mut late = Context::default();
        assert!(late.step(window, 1, 0) && late.step(window, 9, 1) && !late.step(window, 11, 2));
    }
}
