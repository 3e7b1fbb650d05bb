//! Why an order could not be written, each with the step that mends it.

use gavel_judge::{Digest, NoRegistration, PolicyError};
use gavel_schemas::{SchemaId, limits};

use super::history::Scope;
use crate::control::ControlError;
use crate::kafka::BrokerError;

/// Why an order was not written, or not spread.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the log has no identity yet: `{control}` holds no LogOpened")]
    NotOpened { control: String },
    #[error("`{messages}` has {found} partitions, but the log was opened with {opened}")]
    PartitionsChanged {
        messages: String,
        found: i32,
        opened: i32,
    },
    #[error("no complete policy {digest} in `{control}`")]
    NotPublished { digest: Digest, control: String },
    #[error("policy {digest} cannot be used: {source}")]
    Policy { digest: Digest, source: PolicyError },
    #[error("policy {digest} fails its own tests: {}", .failed.join("; "))]
    Tests { digest: Digest, failed: Vec<String> },
    #[error(
        "policy {digest} is for engine {engine}, but `*` runs engine {current}; only `*` may change the engine"
    )]
    EngineOfScope {
        digest: Digest,
        engine: u32,
        current: u32,
    },
    #[error(
        "`{scope}` is no scope: use `*` or one community, without `/` and at most {} bytes",
        limits::STRING_BYTES
    )]
    Scope { scope: String },
    #[error("policy {digest} judges {scope} already: a candidate in shadow must be another one")]
    InForceAlready { digest: Digest, scope: Scope },
    #[error("no policy has been activated for {scope}")]
    NothingInForce { scope: Scope },
    #[error("no candidate has been activated in shadow for {scope}")]
    NoShadow { scope: Scope },
    #[error("`{topic}` has {found} partitions, but the log was opened with {opened}")]
    ShadowPartitions {
        topic: String,
        found: i32,
        opened: i32,
    },
    #[error("there is no policy before {digest} to go back to for {scope}")]
    NothingBefore {
        digest: Digest,
        scope: Scope,
        /// Policies that were in force and have been gone back from, newest first.
        others: Vec<Digest>,
    },
    #[error("policy {digest} is in force for {scope} by order {order} already")]
    GoneBackAlready {
        digest: Digest,
        scope: Scope,
        order: i64,
    },
    #[error("`{target}` is no activation in the history of {scope}")]
    NotInHistory { target: String, scope: Scope },
    #[error("`{target}` means several policies in the history of {scope}")]
    Ambiguous { target: String, scope: Scope },
    #[error("order {order} is written, but not every partition has its marker: {source}")]
    NotMarked {
        order: i64,
        /// The command that sends the missing ones.
        finish: String,
        source: Box<OrderError>,
    },
    #[error(
        "`{topic}` partition {partition} holds offsets {start} to {end}: a log cannot begin at {offset}"
    )]
    NotInLog {
        topic: String,
        partition: i32,
        offset: i64,
        start: i64,
        end: i64,
    },
    #[error(
        "the verdict about {partition}:{offset} is gone: the topic begins with {}",
        .oldest.map_or("none of this log".into(), |oldest| format!("that about {partition}:{oldest}"))
    )]
    VerdictGone {
        partition: i32,
        offset: i64,
        /// The first message whose verdict is still there.
        oldest: Option<i64>,
    },
    #[error("there is no verdict about {partition}:{offset}")]
    NoVerdict { partition: i32, offset: i64 },
    #[error(
        "{partition}:{offset} is a producer's retry, from which nothing followed; the message stands at {partition}:{first}"
    )]
    OfARetry {
        partition: i32,
        offset: i64,
        first: i64,
    },
    #[error("the verdict about {partition}:{offset} has code `{code}`: nothing followed from it")]
    NotOverturnable {
        partition: i32,
        offset: i64,
        code: String,
    },
    #[error(
        "no message can be of community `{community}` and user `{user}`: a community has no `/`, and both at most {} bytes",
        limits::STRING_BYTES
    )]
    NoUser { community: String, user: String },
    #[error("schema {id} cannot be registered: {source}")]
    Schema {
        id: SchemaId,
        source: NoRegistration,
    },
    #[error("no randomness for the order's nonce: {0}")]
    Nonce(getrandom::Error),
    #[error("the order was acknowledged but is not in `{control}` when read back")]
    Vanished { control: String },
}

impl OrderError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            OrderError::Broker(error) => error.next_step(),
            OrderError::Control(error) => error.next_step(),
            OrderError::NotOpened { .. } => {
                "run `gavel topics create --partitions N`, or `gavel topics adopt` for topics that exist".into()
            }
            OrderError::PartitionsChanged { .. } => {
                "check [topics]; the number of partitions is fixed for the life of a log, because users would move".into()
            }
            OrderError::NotPublished { .. } => "run `gavel policy publish FILE` first, or activate the file itself".into(),
            OrderError::Policy { .. } => "run `gavel policy check FILE`, then publish again".into(),
            OrderError::Tests { .. } => "run `gavel policy check FILE`, mend the policy or its tests, then publish again".into(),
            OrderError::EngineOfScope { .. } => "activate a policy of the new engine for `*` first".into(),
            OrderError::Scope { .. } => "check --community".into(),
            OrderError::InForceAlready { scope, .. } => {
                format!("to end a shadow, run `gavel policy activate --end-shadow{}`", scope.flag())
            }
            OrderError::NothingInForce { scope } => format!(
                "run `gavel policy activate DIGEST{}`; `gavel policy history` shows what was activated",
                scope.flag()
            ),
            OrderError::NoShadow { .. } => "`gavel policy history` shows which scopes have one".into(),
            OrderError::ShadowPartitions { .. } => {
                "delete that topic and run `gavel topics create --partitions N`, or name another in [topics]".into()
            }
            OrderError::NothingBefore { scope, others, .. } => match others.first() {
                Some(other) => format!(
                    "`gavel policy rollback --to {other}{}` goes to one that was gone back from; `gavel policy history` shows all",
                    scope.flag()
                ),
                None => format!("activate another one: `gavel policy activate DIGEST|FILE{}`", scope.flag()),
            },
            OrderError::GoneBackAlready { digest, scope, .. } => format!(
                "there is nothing to do; if that activation was interrupted, `gavel policy activate {digest}{}` sends its markers again",
                scope.flag()
            ),
            OrderError::NotInHistory { scope, .. } | OrderError::Ambiguous { scope, .. } => format!(
                "`gavel policy history{}` shows its orders and digests",
                scope.flag()
            ),
            OrderError::NotMarked { finish, .. } => format!("run `{finish}`, which sends the missing ones"),
            OrderError::NotInLog { start, end, .. } => {
                format!("give --from an offset from {start} to {end}, or leave it out")
            }
            OrderError::VerdictGone { .. } => {
                "retention removed it, and it cannot be overturned any more; `gavel state inspect --user` shows what is remembered of its user".into()
            }
            OrderError::NoVerdict { .. } => {
                "check the place: `gavel verdicts --user COMMUNITY/USER` shows it; a message that is not judged yet has none".into()
            }
            OrderError::OfARetry {
                partition, first, ..
            } => format!("overturn {partition}:{first}"),
            OrderError::NotOverturnable { .. } => {
                "only verdicts with code `judged` or `muted` can be overturned".into()
            }
            OrderError::NoUser { .. } => "check --community and --user".into(),
            OrderError::Schema { source, .. } => match source {
                NoRegistration::Taken { .. } => {
                    "a registry never gives an id a second schema: check the id; `gavel schemas list` shows what is registered".into()
                }
                NoRegistration::TooMany => "write with one of the registered schemas, or send JSON".into(),
                NoRegistration::NoId(_) => "write confluent:NUMBER or glue:UUID".into(),
                NoRegistration::Unusable(_) => {
                    "check that this is the writer's schema; schemas/README.md says which can be registered".into()
                }
            },
            OrderError::Nonce(_) => "try again; this machine's random source does not answer".into(),
            OrderError::Vanished { .. } => "check that nobody deletes or replaces the control topic, then run again".into(),
        }
    }
}
