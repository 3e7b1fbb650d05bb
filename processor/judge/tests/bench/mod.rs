//! A partition under test: a control log, contexts, a fold; time moves when told.

#![allow(dead_code, reason = "each test binary uses its part")]

use gavel_judge::{
    ControlLog, Digest, Document, Fold, MemoryContexts, PartitionState, Patience, Record, Step,
    Timestamp,
};
use gavel_schemas::{
    ChatMessage, ControlMarker, LogOpened, Order, PolicyActivated, PolicyDocument, VerdictRecord,
    decode_verdict, encode_marker, encode_message, encode_order,
};

pub const T: i64 = 1_767_636_000_000;
pub const POLICY: &str = r#"
[policy]
id = "fold-tests"
topics = ["vulgar", "threat", "spam"]
[audience.default]
default = { flag = 2, mask = 3, block = 5, escalate = 7 }
[audience.under13]
default = { flag = 1, mask = 2, block = 4 }
threat = { block = 2 }
[channel]
"kids-*" = { audience = "under13" }
[trust]
untrusted = -2
pinned = ["threat"]
[[term]]
id = "v2"
match = ["heck"]
topic = "vulgar"
risk = 2
[[term]]
id = "v3"
match = ["darn*"]
topic = "vulgar"
risk = 3
exceptions = ["darning needle"]
[[term]]
id = "v5"
match = ["crud"]
topic = "vulgar"
risk = 5
[[term]]
id = "t7"
match = ["i will find you"]
topic = "threat"
risk = 7
[[allow]]
match = ["heck yeah"]
max_risk = 3
[[context]]
id = "flood"
type = "event_count"
group_by = ["user", "channel"]
timespan = "10s"
condition = { gte = 4 }
then = { topic = "spam", risk = 4, action = "mute", for = "30s" }
[strikes]
per_risk = { "5" = 2.0, "7" = 4.0 }
half_life = "1h"
at = [ { gte = 2.0, trust = "untrusted" }, { gte = 4.0, action = "mute", for = "10m" } ]
"#;

/// A partition under test: its control log, its contexts, its fold, and the next offset.
pub struct Bench {
    pub control: ControlLog,
    pub contexts: MemoryContexts,
    pub fold: Fold,
    pub offset: i64,
    pub at: i64,
    /// Store and load everything between any two records.
    pub reload: bool,
    /// What the candidate said about the last record.
    pub shadowed: Option<VerdictRecord>,
}

pub fn document(text: &str) -> Document {
    Document::parse("test.toml", text, &mut |_| Err("no lists".into()))
        .expect("the policy is valid")
}

pub fn opened() -> Vec<u8> {
    let opened = LogOpened {
        log_id: "log".into(),
        partitions: 1,
        engine: 1,
        starts: vec![0],
        nonce: vec![1; 16],
        issued_at: 0,
    };
    encode_order(&Order::LogOpened(opened))
}

impl Bench {
    pub fn empty() -> Bench {
        let mut control = ControlLog::new();
        control.append(0, &opened());
        control.set_read_to(1);
        let fold = Fold::new("log", 0, true, PartitionState::default(), &control)
            .expect("nothing is active");
        Bench {
            control,
            contexts: MemoryContexts::default(),
            fold,
            offset: 0,
            at: T,
            reload: false,
            shadowed: None,
        }
    }

    pub fn new() -> Bench {
        let mut bench = Bench::empty();
        let order = bench.publish(POLICY, "*", 1);
        assert_eq!(bench.mark(order).code, "control");
        bench
    }

    /// Writes document and activation; gives the activation's number.
    pub fn publish(&mut self, policy: &str, scope: &str, engine: i32) -> i64 {
        let document = document(policy);
        let bytes = document.canonical();
        let chunk = PolicyDocument {
            digest: document.digest().to_string(),
            chunk: 0,
            chunks: 1,
            bytes,
            nonce: vec![2; 16],
            issued_at: 0,
        };
        self.order(&Order::PolicyDocument(chunk));
        self.activate(document.digest(), scope, engine)
    }

    pub fn activate(&mut self, digest: Digest, scope: &str, engine: i32) -> i64 {
        self.order_activation(digest, scope, engine, false)
    }

    /// Publishes a candidate for the shadow of a scope and puts its marker into the log.
    pub fn shadow(&mut self, policy: &str, scope: &str) -> i64 {
        self.publish(policy, "nobody", 1);
        let order = self.order_activation(document(policy).digest(), scope, 1, true);
        assert_eq!(self.mark(order).code, "control");
        order
    }

    fn order_activation(&mut self, digest: Digest, scope: &str, engine: i32, shadow: bool) -> i64 {
        let (by, reason) = ("me".to_owned(), String::new());
        let digest = digest.to_string();
        let nonce = vec![self.control.read_to() as u8; 16];
        self.order(&Order::PolicyActivated(PolicyActivated {
            scope: scope.into(),
            digest,
            engine,
            shadow,
            by,
            reason,
            nonce,
            issued_at: 0,
        }))
    }

    pub fn order(&mut self, order: &Order) -> i64 {
        let number = self.control.read_to();
        self.control.append(number, &encode_order(order));
        self.control.set_read_to(number + 1);
        number
    }

    pub fn marker(&self, order: i64) -> Vec<u8> {
        let recorded = self
            .control
            .orders()
            .find(|recorded| recorded.offset == order)
            .expect("the order is there");
        let mut value = Vec::new();
        encode_marker(
            &ControlMarker {
                order,
                kind: recorded.kind(),
                sha256: recorded.sha256,
            },
            &mut value,
        );
        value
    }

    pub fn mark(&mut self, order: i64) -> VerdictRecord {
        self.control.compile_order(order);
        let marker = self.marker(order);
        self.record(&marker)
    }

    /// Folds one record and leaves time where it is.
    pub fn record(&mut self, value: &[u8]) -> VerdictRecord {
        let bytes = self.bytes(value);
        decode_verdict(&bytes).expect("a verdict")
    }

    pub fn bytes(&mut self, value: &[u8]) -> Vec<u8> {
        if self.reload {
            let state = PartitionState::from_bytes(&self.fold.state().to_bytes()).expect("a state");
            self.fold =
                Fold::new("log", 0, true, state, &self.control).expect("its policies are there");
        }
        let record = Record {
            offset: self.offset,
            timestamp: Timestamp::LogAppend(self.at),
            key: None,
            value: Some(value),
            headers_len: 0,
        };
        self.offset += 1;
        match self
            .fold
            .step(&record, &self.control, Patience::Refuse, &mut self.contexts)
        {
            Ok(Step::Verdict(ruling)) => {
                let shadow = ruling.shadow.map(decode_verdict);
                self.shadowed = shadow.map(|verdict| verdict.expect("a verdict"));
                ruling.verdict.to_vec()
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn say(&mut self, seconds: i64, text: &str) -> VerdictRecord {
        self.send(
            seconds,
            ChatMessage {
                text: text.into(),
                ..message()
            },
        )
    }

    pub fn send(&mut self, seconds: i64, message: ChatMessage<'_>) -> VerdictRecord {
        self.at += seconds * 1_000;
        let mut value = Vec::new();
        encode_message(&message, &mut value);
        self.record(&value)
    }
}

pub fn message() -> ChatMessage<'static> {
    ChatMessage {
        community: "c".into(),
        channel: "lobby".into(),
        user: "u".into(),
        text: "hello".into(),
        kind: "message".into(),
        ..ChatMessage::default()
    }
}

pub fn mute(verdict: &VerdictRecord) -> Option<i64> {
    verdict
        .effects
        .iter()
        .find(|effect| effect.kind == "mute")
        .and_then(|effect| effect.until)
}
