//! What a run is to do, checked before anything is asked of a broker.

use std::time::Duration;

use gavel_schemas::limits::STRING_BYTES;

use super::schedule::{Arrivals, Traffic};
use super::slo::Slo;
use super::texts::Texts;
use super::users::Crowd;
use crate::produce::Framing;

/// A run of the load.
#[derive(Debug, Clone)]
pub struct Plan {
    pub traffic: Traffic,
    pub crowd: Crowd,
    pub texts: Texts,
    pub framing: Framing,
    /// Of every message: consumers tell the load from real chat by it.
    pub community: String,
    pub seed: u64,
    /// Sending threads, each with a producer of its own.
    pub senders: usize,
    /// How long verdicts are waited for after the last message has left.
    pub drain: Duration,
    pub slos: Vec<Slo>,
}

/// Most messages of a run: what is remembered of them takes 0.8 GB.
pub const MESSAGES_MAX: u64 = 100_000_000;
/// Remembered of each message, in bits: when it was meant to leave, and whether its verdict has come.
const BITS_PER_MESSAGE: u64 = 64 + 1;
/// Most seconds of a run: each has a distribution of its own.
pub const SECONDS_MAX: f64 = 7_200.0;
/// Shorter periods are not bursts but a rate.
const BURST_EVERY_MIN: f64 = 0.1;
/// Room in a key for the user's name beside the community.
const USER_BYTES: usize = 16;

/// Why a run cannot be done as planned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "that makes {messages} messages, and remembering them takes {mebibytes} MiB; a run has at most {MESSAGES_MAX}"
    )]
    TooMany { messages: u64, mebibytes: u64 },
    #[error("that makes no message at all")]
    Nothing,
    #[error("a run has at most {SECONDS_MAX} s, warm-up included")]
    TooLong,
    #[error(
        "a burst of {seconds} s cannot come every {every_seconds} s: it is not shorter, or that is less than {BURST_EVERY_MIN} s"
    )]
    Burst { seconds: f64, every_seconds: f64 },
    #[error("community `{0}` cannot be in a key: it is empty, too long or has a `/`")]
    Community(String),
    #[error("`{0}` tells a hot user from the others, and there is none")]
    NoHotUser(Slo),
}

impl PlanError {
    /// What a person does next.
    pub fn next_step(&self) -> &'static str {
        match self {
            PlanError::TooMany { .. } | PlanError::TooLong => {
                "lower --rate, --seconds or --warm-up; several runs can follow each other"
            }
            PlanError::Nothing => "raise --rate or --seconds",
            PlanError::Burst { .. } => {
                "write --burst FACTORxSECONDS/EVERY with SECONDS less than EVERY, as 3x2/10"
            }
            PlanError::Community(_) => "choose another --community",
            PlanError::NoHotUser(_) => "add --hot-share, or leave out `hot.` and `others.`",
        }
    }
}

impl Plan {
    /// What stands against it, if anything does.
    pub fn check(&self) -> Result<(), PlanError> {
        let traffic = &self.traffic;
        if traffic.all_seconds() > SECONDS_MAX {
            return Err(PlanError::TooLong);
        }
        if let Some(burst) = traffic.burst
            && (burst.seconds >= burst.every_seconds
                || burst.seconds <= 0.0
                || burst.every_seconds < BURST_EVERY_MIN)
        {
            return Err(PlanError::Burst {
                seconds: burst.seconds,
                every_seconds: burst.every_seconds,
            });
        }
        let messages = self.messages();
        if messages == 0 {
            return Err(PlanError::Nothing);
        }
        if messages > MESSAGES_MAX {
            let mebibytes = (messages.saturating_mul(BITS_PER_MESSAGE) / 8) >> 20;
            return Err(PlanError::TooMany {
                messages,
                mebibytes,
            });
        }
        let community = &self.community;
        if community.is_empty()
            || community.contains('/')
            || community.len() + USER_BYTES > STRING_BYTES
        {
            return Err(PlanError::Community(community.clone()));
        }
        let lone = self.slos.iter().find(|slo| slo.needs_hot());
        match lone.filter(|_| self.crowd.hot_share.is_none()) {
            Some(slo) => Err(PlanError::NoHotUser(slo.clone())),
            None => Ok(()),
        }
    }

    /// How many messages it makes; with Poisson arrivals about so many.
    pub fn messages(&self) -> u64 {
        let expected = self.traffic.expected();
        match self.traffic.arrivals {
            Arrivals::Even => expected.ceil() as u64,
            Arrivals::Poisson => expected.round() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::schedule::Burst;

    fn plan() -> Plan {
        Plan {
            traffic: Traffic {
                arrivals: Arrivals::Even,
                from_per_second: 47_000.0,
                to_per_second: 47_000.0,
                burst: None,
                warm_up_seconds: 10.0,
                seconds: 60.0,
            },
            crowd: Crowd {
                users: 10,
                zipf_exponent: 1.0,
                hot_share: None,
            },
            texts: Texts::made_up(80, 1),
            framing: Framing::Avro,
            community: "load".into(),
            seed: 1,
            senders: 1,
            drain: Duration::from_secs(10),
            slos: Vec::new(),
        }
    }

    #[test]
    fn a_run_that_cannot_be_remembered_says_how_much_that_would_take() {
        assert_eq!((plan().check(), plan().messages()), (Ok(()), 3_290_000));
        let mut large = plan();
        large.traffic.seconds = 3_000.0;
        let error = large.check().expect_err("it is too large");
        assert_eq!(
            error.to_string(),
            "that makes 141470000 messages, and remembering them takes 1096 MiB; a run has at most 100000000"
        );
        large.traffic.seconds = 7_200.0;
        assert_eq!(large.check(), Err(PlanError::TooLong));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let refused = |change: fn(&mut Plan)| {
            let mut plan = plan();
            change(&mut plan);
            plan.check().expect_err("it must be refused")
        };
        for community in ["", "a/b"] {
            let mut plan = plan();
            plan.community = community.into();
            assert_eq!(plan.check(), Err(PlanError::Community(community.into())));
        }
        let nothing = refused(|plan| {
            plan.traffic.from_per_second = 0.0;
            plan.traffic.to_per_second = 0.0;
        });
        assert_eq!(nothing, PlanError::Nothing);
        let burst = refused(|plan| {
            plan.traffic.burst = Some(Burst {
                factor: 2.0,
                seconds: 3.0,
                every_seconds: 3.0,
            });
        });
        assert!(matches!(burst, PlanError::Burst { .. }));
        let slo = refused(|plan| plan.slos = vec!["others.p99<30ms".parse().expect("an SLO")]);
        assert!(matches!(slo, PlanError::NoHotUser(_)));
    }
}
