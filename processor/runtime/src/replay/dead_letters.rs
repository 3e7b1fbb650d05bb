//! Looks for the dead letter of each refused record.
//!
//! Dead letters of a partition stand in the order of their records, with copies after a crash, so one pass beside the
//! verdicts is enough: a letter of a later record means that the wanted one is not there.

use gavel_schemas::limits;
use rdkafka::Message;
use rdkafka::message::BorrowedMessage;
use sha2::{Digest, Sha256};

use super::ReplayError;
use crate::config::Config;
use crate::hex::hex;
use crate::kafka::{LogReader, raw_headers};

/// A record that was refused.
pub struct Refused<'a> {
    pub offset: i64,
    /// The refusal's code.
    pub reason: &'a str,
    pub value: Option<&'a [u8]>,
}

/// The dead letters of one partition.
pub struct DeadLetters {
    reader: LogReader,
    /// Topic that the letters must come from.
    messages: String,
    /// First offset still in the topic, and the end as far as it is known.
    start: i64,
    end: i64,
    held: Option<Letter>,
    /// Letters found so far.
    pub found: u64,
}

/// What a letter says, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Letter {
    offset: i64,
    reason: Vec<u8>,
    bytes: usize,
    sha256: [u8; 32],
    /// Of the whole record, where the value is only its beginning.
    whole: Option<Vec<u8>>,
}

impl DeadLetters {
    pub fn open(config: &Config, partition: i32) -> Result<DeadLetters, ReplayError> {
        let mut reader = LogReader::open(config, &config.topics.dead_letters, partition)?;
        let bounds = reader.bounds()?;
        reader.start(bounds.start);
        Ok(DeadLetters {
            reader,
            messages: config.topics.messages.clone(),
            start: bounds.start,
            end: bounds.end,
            held: None,
            found: 0,
        })
    }

    /// What is wrong with the dead letter of this record, if anything. Records come in order.
    pub fn expect(&mut self, refused: &Refused<'_>) -> Result<Option<String>, ReplayError> {
        loop {
            let Some(letter) = self.next()? else {
                return Ok(Some("there is no dead letter".into()));
            };
            if letter.offset < refused.offset {
                continue;
            }
            if letter.offset > refused.offset {
                let expired = self.found == 0 && self.start > 0;
                self.held = Some(letter);
                return Ok((!expired).then(|| "there is no dead letter".to_owned()));
            }
            self.found += 1;
            return Ok(letter.differs(refused));
        }
    }

    fn next(&mut self) -> Result<Option<Letter>, ReplayError> {
        if self.held.is_some() {
            return Ok(self.held.take());
        }
        if self.reader.next_offset() >= self.end {
            // The processor may have sent more since this reader began.
            self.end = self.reader.bounds()?.end;
        }
        while let Some(record) = self.reader.read_to(self.end)? {
            if let Some(letter) = Letter::read(&record, &self.messages) {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }
}

impl Letter {
    /// `None` for what is no dead letter of this topic.
    fn read(record: &BorrowedMessage<'_>, messages: &str) -> Option<Letter> {
        let (mut topic, mut offset, mut reason, mut whole) = (None, None, None, None);
        raw_headers(record, |key, value| {
            let value = value.unwrap_or_default();
            match key {
                b"gavel.topic" => topic = Some(value == messages.as_bytes()),
                b"gavel.offset" => {
                    offset = std::str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.parse().ok())
                }
                b"gavel.reason" => reason = Some(value.to_vec()),
                b"gavel.sha256" => whole = Some(value.to_vec()),
                _ => {}
            }
        });
        let value = record.payload().unwrap_or_default();
        topic?.then_some(())?;
        Some(Letter {
            offset: offset?,
            reason: reason?,
            bytes: value.len(),
            sha256: Sha256::digest(value).into(),
            whole,
        })
    }

    fn differs(&self, refused: &Refused<'_>) -> Option<String> {
        let value = refused.value.unwrap_or_default();
        let kept = &value[..value.len().min(limits::DEAD_LETTER_BYTES)];
        let whole = (kept.len() < value.len()).then(|| hex(&Sha256::digest(value)));
        if self.reason != refused.reason.as_bytes() {
            let found = String::from_utf8_lossy(&self.reason);
            Some(format!(
                "its dead letter gives the reason `{found}` instead of `{}`",
                refused.reason
            ))
        } else if self.bytes != kept.len() || self.sha256[..] != Sha256::digest(kept)[..] {
            Some(format!(
                "its dead letter holds {} bytes that are not the record's {}",
                self.bytes,
                kept.len()
            ))
        } else if self.whole != whole.map(String::into_bytes) {
            Some("its dead letter has another SHA-256 than the record".into())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(value: &[u8]) -> Letter {
        Letter {
            offset: 4,
            reason: b"empty-value".to_vec(),
            bytes: value.len(),
            sha256: Sha256::digest(value).into(),
            whole: None,
        }
    }

    fn refused(value: &[u8]) -> Refused<'_> {
        Refused {
            offset: 4,
            reason: "empty-value",
            value: Some(value),
        }
    }

    #[test]
    fn a_letter_must_hold_the_record_and_its_reason() {
        assert_eq!(letter(b"raw").differs(&refused(b"raw")), None);
        assert!(
            letter(b"raw")
                .differs(&refused(b"row"))
                .is_some_and(|what| what.contains("bytes"))
        );
        let other = Letter {
            reason: b"too-large".to_vec(),
            ..letter(b"raw")
        };
        assert!(
            other
                .differs(&refused(b"raw"))
                .is_some_and(|what| what.contains("`too-large`"))
        );
    }

    #[test]
    fn a_shortened_letter_must_carry_the_hash_of_the_whole() {
        let value = vec![b'x'; limits::DEAD_LETTER_BYTES + 1];
        let mut short = letter(&value[..limits::DEAD_LETTER_BYTES]);
        assert!(
            short
                .differs(&refused(&value))
                .is_some_and(|what| what.contains("SHA-256"))
        );
        short.whole = Some(hex(&Sha256::digest(&value)).into_bytes());
        assert_eq!(short.differs(&refused(&value)), None);
    }
}
