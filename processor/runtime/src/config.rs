//! What a person can choose, and nothing else.
//!
//! Invariant: a `Config` that exists has passed every check, alone and in combination, before anything is opened or
//! sent. A setting nobody knows is an error that names the nearest one, so that a typo cannot run for a month as the
//! default. Nothing here reaches the fold: two processors with different settings give the same verdicts.
//!
//! Sources, the last wins: defaults, one TOML file, environment (`GAVEL_<SECTION>_<KEY>`), flags.

mod properties;
mod setting;
mod sources;

pub use properties::{Properties, refusal};
pub use setting::{Auth, ByteSize, Key, Protocol};
pub use sources::{Flag, Sources};

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::aws::region_of;
use setting::section;

/// Everything that can be chosen, checked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub kafka: Kafka,
    pub topics: Topics,
    pub run: Run,
    pub store: Store,
    pub checkpoints: Checkpoints,
    pub http: Http,
    pub traces: Traces,
    pub log: Log,
}

/// Why a configuration was refused: every problem found, not only the first.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line each: where (file and line, variable or flag), what, and what would be right.
    pub problems: Vec<String>,
}

section! {
    /// `[kafka]`: how brokers are reached and how long they are waited for.
    Kafka ["kafka"] {
        /// Brokers to ask first, `host:port`, separated by commas; or `msk:ARN`: those that this Amazon MSK cluster names for the way
        /// that clients come in. Default `127.0.0.1:9092`. With only one of them, a start while that broker is down fails although
        /// the cluster is up.
        bootstrap_servers: String = "127.0.0.1:9092",
        /// Consumer group of the processor. Default `gavel`. Two deployments on one group share the partitions of the
        /// message topic; two groups on the same topics judge everything twice.
        group: String = "gavel",
        /// Group protocol: `classic` (cooperative-sticky) or `consumer` (KIP-848, brokers from 4.0). Default `classic`.
        /// With `consumer` the session and the heartbeat are the broker's settings.
        protocol: Protocol = Protocol::Classic,
        /// Milliseconds without a heartbeat after which the group gives a dead processor's partitions away. Default
        /// 6000, the lowest that brokers accept unless told otherwise. Longer: a crash stays dark longer. Shorter: a
        /// pause of the machine looks like a crash. Only for protocol `classic`.
        session_timeout_ms: u64 = 6_000u64,
        /// Milliseconds between heartbeats. Default 500: members learn of a rebalance by heartbeat, so this is most of
        /// the time that a moving partition is dark. At most a third of the session. Only for protocol `classic`.
        heartbeat_ms: u64 = 500u64,
        /// Milliseconds that verdicts of one partition wait for each other. Default 2. 0: tiny requests, several times
        /// the CPU. Above 10: every verdict is late by as much. More partitions want more.
        linger_ms: u64 = 2u64,
        /// Bytes of messages that a broker gathers before it answers a lane's fetch. Default 32768. 1: thousands of tiny
        /// fetches a second, which cost processor and broker more than the judging.
        fetch_min_bytes: u64 = 32_768u64,
        /// Milliseconds after which it answers all the same. Default 5, which is what a quiet chat waits. There is one
        /// fetch in flight per broker, so a partition that resumes waits for up to this long, too; near 0 idle
        /// processors spin on the broker.
        fetch_wait_max_ms: u64 = 5u64,
        /// How clients prove who they are: `properties` (by TLS or SASL as kafka.properties say, or not at all), `msk-iam` (tokens for
        /// Amazon MSK, signed with the credentials of this process: region and role come from the `AWS_…` variables) or `token-file`
        /// (OAUTHBEARER with the token in kafka.token_file). Default `properties`. The last two use TLS unless security.protocol says otherwise.
        auth: Auth = Auth::Properties,
        /// File with a JSON Web Token, read again before the token ends. Default none. Only for auth `token-file`.
        token_file: Option<String> = None::<String>,
        /// Raw librdkafka settings (TLS, SASL, buffers) for every client, as a table `[kafka.properties]`, as
        /// `GAVEL_KAFKA_PROPERTIES="key=value;key=value"`, or as `-X key=value`. Default none. Keys that the contract
        /// fixes are refused with the reason.
        properties: Properties = Properties::default(),
    }
}

section! {
    /// `[topics]`: names. All five must differ; the first three have the same number of partitions.
    Topics ["topics"] {
        /// Chat messages and control markers. Default `chat.messages`.
        messages: String = "chat.messages",
        /// Verdicts: partition i holds those of message partition i, in order. Default `chat.verdicts`.
        verdicts: String = "chat.verdicts",
        /// Raw bytes of refused records. Default `chat.dead-letters`.
        dead_letters: String = "chat.dead-letters",
        /// Orders: policies, activations, the log's identity. One partition. Default `chat.control`.
        control: String = "chat.control",
        /// What a candidate policy would have said. Default `chat.shadow`.
        shadow: String = "chat.shadow",
    }
}

section! {
    /// `[run]`: one processor.
    Run ["run"] {
        /// Directory of the partition stores; a cache of the log, safe to delete while nothing runs. Default
        /// `./gavel-data`. On a slow or shared disk restarts are slow; it is never shared by two processors.
        data_dir: PathBuf = "./gavel-data",
        /// Lanes: threads that each own a consumer, a producer and some partitions. Default 1. More than cores or
        /// partitions only costs memory.
        lanes: usize = 1usize,
        /// Background threads that make assigned partitions ready. Default 2. More: a restart with many partitions is
        /// faster and takes CPU from the live ones.
        restorers: usize = 2usize,
        /// Verdicts of one partition that may wait for their ack before the partition pauses. Default 20000. Too low:
        /// throughput is this number per broker round trip. Too high: memory, and long drains when a partition leaves.
        in_flight: usize = 20_000usize,
        /// Memory for hot user contexts of the whole process. Default 256 MiB. Too low: partitions pause while the
        /// store is written, and users are read from disk again and again.
        context_bytes: ByteSize = ByteSize::mib(256),
        /// Milliseconds between epochs, in which changed contexts and the offset go to the store together. Default
        /// 5000. Longer: more to fold again after a crash. Much shorter: each change is written, none is combined.
        epoch_ms: u64 = 5_000u64,
        /// Milliseconds between commits of the group offset, a lag signal for autoscalers and nothing else. Default
        /// 500. Longer: scaling reacts late.
        commit_ms: u64 = 500u64,
        /// Records of the verdict partition's end that are read at a restart to learn which verdicts are out already.
        /// Default 2000: the newest stand at the end, so a few are enough, and more only make restarts slower. 0 switches
        /// it off: after each crash the verdicts since the stored offset come again, as identical copies.
        tail_scan: u64 = 2_000u64,
        /// Milliseconds that a leaving partition may wait for its acks. Default 1500. At least 100; less than a third
        /// of the session, because a loss cannot be seen while a revoke is unanswered.
        drain_ms: u64 = 1_500u64,
        /// Start although no policy is active. Default false, because every message is then allowed with the code
        /// `no-policy`, and that verdict stands.
        allow_no_policy: bool = false,
        /// Static membership: a name that is unique in the group and stays the same over restarts. Default none. With
        /// it a restart within the session moves no partition. A stop for good needs a file `leave` in the data directory
        /// (docs/operations.md), or run.stateful_set; without it the partitions wait for a whole session.
        instance_id: Option<String> = None::<String>,
        /// In a pod: the StatefulSet that it is of. Default none. At a stop it is asked for its replicas, and a pod that it wants no more
        /// leaves the group for good. Needs run.instance_id to be the pod's name, and `get` on this StatefulSet for its service
        /// account; without an answer within two seconds the pod counts as one that comes back.
        stateful_set: Option<String> = None::<String>,
        /// Where the service account is mounted. Default `/var/run/secrets/kubernetes.io/serviceaccount`.
        service_account_dir: PathBuf = "/var/run/secrets/kubernetes.io/serviceaccount",
    }
}

section! {
    /// `[store]`: RocksDB, shared by all partition stores of the process.
    Store ["store"] {
        /// Block cache. Default 64 MiB. Too low: each cold user costs disk reads.
        block_cache_bytes: ByteSize = ByteSize::mib(64),
        /// Memtables of all stores together. Default 64 MiB. Too low: many small files and much compaction.
        write_buffer_bytes: ByteSize = ByteSize::mib(64),
    }
}

section! {
    /// `[checkpoints]`: copies of the partition stores, from which another machine restores them.
    Checkpoints ["checkpoints"] {
        /// A directory, `s3://BUCKET/PREFIX` (region, credentials and endpoint from the `AWS_…` variables), or `none`. Default
        /// empty: `checkpoints` below run.data_dir, which helps against corruption and nothing else. Several processors need
        /// one that they share, or a moved partition is folded again from the beginning of its log.
        store: String = "",
        /// Milliseconds between checkpoints of a partition. Default 60000. Longer: whoever takes a partition over folds more.
        /// Shorter: more requests to the object store, about six for each checkpoint.
        every_ms: u64 = 60_000u64,
        /// The newest checkpoints of a partition that stay. Default 3, at least 3: the newest may turn out to be broken.
        keep: usize = 3usize,
        /// Milliseconds of log time between audit anchors: checkpoints that stay, so that an audit need not begin at the
        /// beginning. Default 21600000 (6 h). Shorter: quicker audits, more storage (each anchor is a whole state).
        anchor_every_ms: u64 = 21_600_000u64,
        /// Milliseconds of log time that anchors stay: the audit window. Default 2592000000 (30 days).
        anchor_keep_ms: u64 = 2_592_000_000u64,
        /// Milliseconds after which nothing of an erased user is left in checkpoints and on local disks, but for a day that files
        /// stay which nobody names. Default 2592000000 (30 days). Checkpoints from before an erasure go then, anchors as well, and
        /// audits begin later; what was set aside, and stores of partitions that live elsewhere, go at that age in any case.
        erase_within_ms: u64 = 2_592_000_000u64,
        /// Bytes per second that uploads may use. Default 64 MiB. Too low: checkpoints lag behind. Too high: they take
        /// bandwidth from the verdicts.
        upload_bytes_per_s: ByteSize = ByteSize::mib(64),
        /// Milliseconds that a stopping processor may take to upload its last checkpoints; its partitions have new owners by
        /// then. Default 20000. Keep it below the grace period of the pod.
        last_ms: u64 = 20_000u64,
        /// Records that are folded again rather than fetching a newer checkpoint. Default 100000, about half a second.
        near_records: u64 = 100_000u64,
    }
}

section! {
    /// `[http]`: `/metrics`, `/healthz`, `/readyz`.
    Http ["http"] {
        /// Address and port. Default `127.0.0.1:9464`, reachable from this machine only; in a pod use `0.0.0.0:9464`.
        /// Port 0 takes a free one and logs it. There is no authentication.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 9464)),
    }
}

section! {
    /// `[traces]`: spans for messages that bear a `traceparent` header whose sender samples them.
    Traces ["traces"] {
        /// Collector that takes OTLP over HTTP, such as `http://collector:4318`; `/v1/traces` is added. Default none: nothing is traced,
        /// and headers travel on to the verdicts all the same. A collector that is slow or away costs spans and nothing else.
        endpoint: Option<String> = None::<String>,
        /// Of the traces that senders sample, one in so many, chosen by the trace's number. Default 1. With senders that sample
        /// everything, 1 is a span for each message.
        one_in: u64 = 1u64,
    }
}

section! {
    /// `[log]`: what `gavel run` says.
    Log ["log"] {
        /// Which lines: a level, or levels by target (`info,gavel_runtime=debug`). Default `info`. --log and GAVEL_LOG win. A change in the
        /// file of --config is in force within ten seconds, without a restart: the only setting of which that is true.
        filter: String = "info",
    }
}

/// Most lanes and restorers that make sense on one machine; above it, a typo.
const THREADS_MAX: usize = 1_024;
/// A third of the session is the longest that a drain may hold up a rebalance (librdkafka cannot see a loss meanwhile).
const SESSION_PARTS: u64 = 3;
/// At 47,000 messages a second of 200 bytes, what comes in a tenth of a second.
const FETCH_BYTES_MOST: u64 = 1 << 20;

impl Config {
    /// Reads all sources, then checks. Nothing is opened or sent.
    pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
        let (config, mut problems) = sources.read();
        problems.extend(config.problems());
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError { problems })
        }
    }

    /// What is wrong with the values, alone and together; empty when they can be used.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.kafka_problems();
        problems.extend(self.topic_problems());
        problems.extend(self.run_problems());
        problems.extend(self.checkpoint_problems());
        problems.extend(self.trace_problems());
        problems
    }

    /// Where checkpoints go; None when they are switched off.
    pub fn checkpoint_address(&self) -> Option<String> {
        match self.checkpoints.store.as_str() {
            "none" => None,
            "" => Some(
                self.run
                    .data_dir
                    .join("checkpoints")
                    .to_string_lossy()
                    .into_owned(),
            ),
            address => Some(address.to_owned()),
        }
    }

    fn trace_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let known =
            |endpoint: &str| endpoint.starts_with("http://") || endpoint.starts_with("https://");
        if let Some(endpoint) = self.traces.endpoint.as_deref().filter(|one| !known(one)) {
            problems.push(format!(
                "traces.endpoint is `{endpoint}`: write the collector's address for OTLP over HTTP, such as http://collector:4318"
            ));
        }
        if self.traces.one_in == 0 {
            problems.push("traces.one_in is 0: use 1 for every sampled trace, or leave traces.endpoint out for none".into());
        }
        problems
    }

    fn checkpoint_problems(&self) -> Vec<String> {
        let checkpoints = &self.checkpoints;
        let mut problems = Vec::new();
        if checkpoints.every_ms < 100 {
            problems.push(format!(
                "checkpoints.every_ms ({}) is less than 100: use 60000, or checkpoints.store = \"none\" to have none",
                checkpoints.every_ms
            ));
        }
        if checkpoints.keep < 3 {
            problems.push(format!(
                "checkpoints.keep ({}) is less than 3: the newest may turn out to be broken",
                checkpoints.keep
            ));
        }
        for (key, value) in [
            ("anchor_every_ms", checkpoints.anchor_every_ms),
            ("anchor_keep_ms", checkpoints.anchor_keep_ms),
            ("erase_within_ms", checkpoints.erase_within_ms),
        ] {
            if value == 0 || i64::try_from(value).is_err() {
                problems.push(format!(
                    "checkpoints.{key} ({value}) must be more than 0 milliseconds, and fewer than there are"
                ));
            }
        }
        problems
    }

    fn kafka_problems(&self) -> Vec<String> {
        let kafka = &self.kafka;
        let mut problems = Vec::new();
        let mut refuse = |when: bool, text: String| {
            if when {
                problems.push(text);
            }
        };
        refuse(
            kafka.bootstrap_servers.trim().is_empty(),
            "kafka.bootstrap_servers is empty: name at least one broker as host:port".into(),
        );
        refuse(
            kafka.group.is_empty(),
            "kafka.group is empty: the processor needs a consumer group".into(),
        );
        refuse(
            kafka.heartbeat_ms == 0,
            "kafka.heartbeat_ms is 0: use about 500".into(),
        );
        refuse(
            kafka.protocol == Protocol::Classic
                && kafka.heartbeat_ms > kafka.session_timeout_ms / SESSION_PARTS,
            format!(
                "kafka.heartbeat_ms ({}) is more than a third of kafka.session_timeout_ms ({}): a lost heartbeat or two would \
                 look like a crash; lower it to at most {}",
                kafka.heartbeat_ms,
                kafka.session_timeout_ms,
                kafka.session_timeout_ms / SESSION_PARTS
            ),
        );
        refuse(
            kafka.linger_ms > 1_000,
            format!(
                "kafka.linger_ms ({}) is more than a second: every verdict would be late by as much",
                kafka.linger_ms
            ),
        );
        refuse(
            kafka.fetch_wait_max_ms > 5_000,
            format!(
                "kafka.fetch_wait_max_ms ({}) is more than 5000: a resumed partition would wait that long",
                kafka.fetch_wait_max_ms
            ),
        );
        refuse(
            !(1..=FETCH_BYTES_MOST).contains(&kafka.fetch_min_bytes),
            format!(
                "kafka.fetch_min_bytes ({}) is not between 1 and {FETCH_BYTES_MOST}: a fetch would end with the wait alone",
                kafka.fetch_min_bytes
            ),
        );
        problems.extend(kafka.properties.problems());
        problems.extend(kafka.auth_problems());
        problems
    }

    fn topic_problems(&self) -> Vec<String> {
        let named = self.topics.named();
        let mut problems: Vec<String> = named
            .iter()
            .filter(|(_, name)| !valid_topic_name(name))
            .map(|(key, name)| {
                format!("topics.{key} is `{name}`: a topic name is 1 to 249 characters of a-z, A-Z, 0-9, `.`, `_` and `-`")
            })
            .collect();
        for (i, (key, name)) in named.iter().enumerate() {
            if let Some((other, _)) = named[..i].iter().find(|(_, earlier)| earlier == name) {
                problems.push(format!(
                    "topics.{other} and topics.{key} are both `{name}`: each needs its own topic"
                ));
            }
        }
        problems
    }

    fn run_problems(&self) -> Vec<String> {
        let run = &self.run;
        let mut problems = Vec::new();
        let mut refuse = |when: bool, text: String| {
            if when {
                problems.push(text);
            }
        };
        let mut between = |key: &str, value: u64, low: u64, high: u64| {
            refuse(
                !(low..=high).contains(&value),
                format!("{key} is {value}: it must lie between {low} and {high}"),
            );
        };
        between("run.lanes", run.lanes as u64, 1, THREADS_MAX as u64);
        between("run.restorers", run.restorers as u64, 1, THREADS_MAX as u64);
        between("run.in_flight", run.in_flight as u64, 1, 10_000_000);
        between("run.context_bytes", run.context_bytes.0, 1 << 20, 1 << 44);
        between("run.epoch_ms", run.epoch_ms, 10, 600_000);
        between("run.commit_ms", run.commit_ms, 50, 600_000);
        between("run.tail_scan", run.tail_scan, 0, 100_000_000);
        between(
            "store.block_cache_bytes",
            self.store.block_cache_bytes.0,
            1 << 20,
            1 << 44,
        );
        between(
            "store.write_buffer_bytes",
            self.store.write_buffer_bytes.0,
            1 << 20,
            1 << 44,
        );
        between("run.drain_ms", run.drain_ms, 100, 600_000);
        refuse(
            self.kafka.protocol == Protocol::Classic
                && run.drain_ms >= self.kafka.session_timeout_ms / SESSION_PARTS,
            format!(
                "run.drain_ms ({}) is not less than a third of kafka.session_timeout_ms ({}): a lost partition could not be told from a \
                 leaving one; lower it below {} or lengthen the session",
                run.drain_ms,
                self.kafka.session_timeout_ms,
                self.kafka.session_timeout_ms / SESSION_PARTS
            ),
        );
        refuse(
            run.data_dir.as_os_str().is_empty(),
            "run.data_dir is empty: name a directory".into(),
        );
        refuse(
            run.instance_id
                .as_deref()
                .is_some_and(|id| !valid_topic_name(id)),
            "run.instance_id: 1 to 249 characters of a-z, A-Z, 0-9, `.`, `_` and `-`".into(),
        );
        refuse(
            run.stateful_set.is_some() && run.instance_id.is_none(),
            "run.stateful_set needs run.instance_id, the name of the pod: without it there is no seat in the group to leave".into(),
        );
        problems
    }
}

/// In front of the ARN of a cluster whose brokers are asked for.
const MSK: &str = "msk:";

impl Kafka {
    /// The Amazon MSK cluster whose brokers are meant, if they are not named themselves.
    pub fn cluster_arn(&self) -> Option<&str> {
        self.bootstrap_servers.strip_prefix(MSK)
    }

    fn auth_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(arn) = self.cluster_arn()
            && region_of(arn).is_none()
        {
            problems.push(format!(
                "kafka.bootstrap_servers: `{arn}` is not the ARN of an MSK cluster: \
                 arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/ID"
            ));
        }
        let of_file = self.auth == Auth::TokenFile;
        if of_file != self.token_file.is_some() {
            problems.push(if of_file {
                "kafka.auth is `token-file`, but kafka.token_file names no file".into()
            } else {
                "kafka.token_file is set, but kafka.auth is not `token-file`: nothing would read it"
                    .into()
            });
        }
        if self.auth == Auth::Properties {
            return problems;
        }
        for (key, value) in self.properties.iter() {
            let (sasl, protocol) = (key.starts_with("sasl."), key == "security.protocol");
            let open = self.auth == Auth::MskIam && !value.eq_ignore_ascii_case("SASL_SSL");
            if sasl || key == "enable.sasl.oauthbearer.unsecure.jwt" || (protocol && open) {
                problems.push(format!(
                    "kafka.properties: `{key}` contradicts kafka.auth, which sets it: take one of the two away"
                ));
            }
        }
        problems
    }
}

impl Topics {
    /// Key and name of each topic.
    pub fn named(&self) -> [(&'static str, &str); 5] {
        [
            ("messages", &self.messages),
            ("verdicts", &self.verdicts),
            ("dead_letters", &self.dead_letters),
            ("control", &self.control),
            ("shadow", &self.shadow),
        ]
    }
}

/// Kafka's own rule, which is also its rule for instance ids.
fn valid_topic_name(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests;
