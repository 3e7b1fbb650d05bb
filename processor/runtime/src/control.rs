//! The control log as this process knows it: `chat.control`, partition 0, from its first record on.
//!
//! Invariant: a `ControlLog` says `read_to(n)` only when every committed order below `n` was really read, in order, from
//! the beginning. A fold that trusted a shorter log would refuse a marker whose order exists, and that verdict would
//! stand for ever. So a control topic whose beginning is gone, or that got shorter, is an error and never an answer.

mod follower;

pub use follower::{Consulted, ControlFollower};

use gavel_judge::ControlLog;
use rdkafka::Message;
use std::time::Duration;

use crate::config::Config;
use crate::kafka::{BrokerError, Cluster, LogReader};

/// The only partition of the control topic.
const PARTITION: i32 = 0;

/// Why the control log cannot be known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("`{topic}` begins at offset {start}: orders before it are lost")]
    Truncated { topic: String, start: i64 },
    #[error(
        "`{topic}` ends at offset {end}, but was read up to {read_to} before: it is not the same topic any more"
    )]
    Shorter {
        topic: String,
        end: i64,
        read_to: i64,
    },
    #[error("the control log is not followed any more: this process is shutting down")]
    Stopped,
}

impl ControlError {
    /// What a person does next.
    pub fn next_step(&self) -> String {
        match self {
            ControlError::Broker(error) => error.next_step(),
            ControlError::Truncated { .. } => {
                "give the control topic retention.ms=-1 and cleanup.policy=delete, and restore its records; `gavel topics check` shows drift"
                    .into()
            }
            ControlError::Shorter { .. } => {
                "restore the control topic; verdicts cannot be derived without its orders".into()
            }
            ControlError::Stopped => "start again".into(),
        }
    }
}

/// Reads the control log, and on as it grows.
pub struct ControlReader {
    reader: LogReader,
    /// Asks where the log ends, if not the reader: whoever follows has a fetch at the broker, and a question would wait behind it.
    asks: Option<Cluster>,
    log: ControlLog,
    topic: String,
    started: bool,
}

impl ControlReader {
    /// Makes the client; nothing is sent yet.
    pub fn open(config: &Config) -> Result<ControlReader, ControlError> {
        let topic = config.topics.control.clone();
        Ok(ControlReader {
            reader: LogReader::open(config, &topic, PARTITION)?,
            asks: None,
            log: ControlLog::new(),
            topic,
            started: false,
        })
    }

    /// As `open`, for who reads on and on; with another time after which a silent broker is an error.
    pub fn following(config: &Config, patience: Duration) -> Result<ControlReader, ControlError> {
        let opened = ControlReader::open(config)?;
        Ok(ControlReader {
            reader: opened.reader.with_patience(patience),
            asks: Some(Cluster::with_patience(config, patience)?),
            ..opened
        })
    }

    /// What has been read so far.
    pub fn log(&self) -> &ControlLog {
        &self.log
    }

    /// Asks where the log ends now and reads to there.
    pub fn catch_up(&mut self) -> Result<&ControlLog, ControlError> {
        let bounds = match &self.asks {
            Some(cluster) => cluster.bounds(&self.topic, PARTITION)?,
            None => self.reader.bounds()?,
        };
        if bounds.start > 0 && !self.started {
            return Err(ControlError::Truncated {
                topic: self.topic.clone(),
                start: bounds.start,
            });
        }
        if bounds.end < self.log.read_to() {
            return Err(ControlError::Shorter {
                topic: self.topic.clone(),
                end: bounds.end,
                read_to: self.log.read_to(),
            });
        }
        if !self.started {
            self.reader.start(0);
            self.started = true;
        }
        while let Some(record) = self.reader.read_to(bounds.end)? {
            self.log
                .append(record.offset(), record.payload().unwrap_or_default());
        }
        self.log.set_read_to(bounds.end);
        Ok(&self.log)
    }

    /// Takes in what has arrived by itself; waits for nothing. True when there was something.
    fn take_arrived(&mut self) -> Result<bool, ControlError> {
        let mut changed = false;
        while self.started {
            let Some(record) = self.reader.follow(Duration::ZERO)? else {
                break;
            };
            let offset = record.offset();
            self.log
                .append(offset, record.payload().unwrap_or_default());
            self.log.set_read_to(offset + 1);
            changed = true;
        }
        Ok(changed)
    }
}

/// Reads the whole control log as it is now. For commands; it blocks for as long as that takes.
pub fn read_whole(config: &Config) -> Result<ControlLog, ControlError> {
    let mut reader = ControlReader::open(config)?;
    reader.catch_up()?;
    Ok(reader.log)
}
