//! What several replays are told alike.

use std::path::PathBuf;
use std::thread;

use clap::Args;
use gavel_runtime::config::Flag;
use gavel_runtime::replay::{Bound, Effort, Stretch};

use crate::failure::Failure;
use crate::options::{PartitionList, partition_list};
use crate::output::write_whole;

/// Which part of the past, and with how much of the machine.
#[derive(Args)]
pub struct Stint {
    /// From this record on: an offset, or a time such as 2026-11-01T00:00:00Z [default: the beginning of the log]
    #[arg(long, value_name = "PLACE", value_parser = bound)]
    from: Option<Bound>,

    /// Up to this record, without it [default: the end of the log]
    #[arg(long, value_name = "PLACE", value_parser = bound)]
    to: Option<Bound>,

    /// Only these, for example 0-3 or 0,2,5
    #[arg(long, value_name = "LIST", value_parser = partition_list)]
    partitions: Option<PartitionList>,

    /// Partitions worked on at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    parallel: Option<u16>,

    /// At most so many records per second in all, so that live traffic keeps the brokers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
}

/// The same for what is folded again.
#[derive(Args)]
pub struct Scope {
    #[command(flatten)]
    stint: Stint,

    /// Where checkpoints are: a directory, s3://bucket/prefix, or none [default: checkpoints.store]
    #[arg(long, value_name = "ADDRESS")]
    checkpoints: Option<String>,
}

impl Stint {
    pub fn stretch(&self) -> Stretch {
        Stretch {
            from: self.from,
            to: self.to,
        }
    }

    pub fn effort(&self, work: Option<PathBuf>) -> Effort {
        let partitions = self.partitions.as_ref();
        Effort {
            partitions: partitions.map(|list| list.0.clone()).unwrap_or_default(),
            threads: match self.parallel {
                Some(threads) => usize::from(threads),
                None => thread::available_parallelism().map_or(1, usize::from),
            },
            most_per_s: self.rate,
            work,
        }
    }
}

impl Scope {
    pub fn stretch(&self) -> Stretch {
        self.stint.stretch()
    }

    pub fn effort(&self, work: Option<PathBuf>) -> Effort {
        self.stint.effort(work)
    }

    /// As a setting.
    pub fn flags(&self) -> Vec<Flag> {
        let flag = |value: &String| Flag {
            name: "--checkpoints",
            section: "checkpoints",
            key: "store",
            value: value.clone(),
        };
        self.checkpoints.iter().map(flag).collect()
    }
}

/// Files to write besides what is printed.
#[derive(Args)]
pub struct Files {
    /// Write the report here, as JSON: a file, or s3://BUCKET/PREFIX/NAME
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write the report here, as a page for a browser that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Files {
    /// Each file appears whole or not at all.
    pub fn write(
        &self,
        json: impl FnOnce() -> String,
        page: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if let Some(path) = &self.report {
            write_whole(path, &json())?;
        }
        if let Some(path) = &self.html {
            write_whole(path, &page())?;
        }
        Ok(())
    }
}

/// Parses an offset or a time.
pub fn bound(text: &str) -> Result<Bound, String> {
    if let Ok(offset) = text.parse::<i64>() {
        return if offset >= 0 {
            Ok(Bound::Offset(offset))
        } else {
            Err("offsets begin at 0".into())
        };
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| Bound::Time(time.as_millisecond()))
        .map_err(|_| {
            "write an offset, or a time with its zone such as 2026-11-01T00:00:00Z".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_an_offset_or_a_time_with_its_zone() {
        assert_eq!(bound("12"), Ok(Bound::Offset(12)));
        assert_eq!(
            bound("1970-01-01T00:00:01Z"),
            Ok(Bound::Time(1_000)),
            "milliseconds"
        );
        for wrong in ["-1", "yesterday", "2026-11-01", "2026-11-01T00:00:00"] {
            assert!(bound(wrong).is_err(), "{wrong}");
        }
    }
}
