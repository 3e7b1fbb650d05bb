//! Flags that several commands share, and how they become a configuration.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gavel_runtime::config::{Config, Flag, Sources};

use crate::failure::Failure;

/// Understood by every command.
#[derive(Args, Debug)]
pub struct Globals {
    /// Settings as a TOML file
    #[arg(long, global = true, value_name = "FILE", env = "GAVEL_CONFIG")]
    config: Option<PathBuf>,

    /// How results are printed [default: json for judge, verdicts and state, table for the others]
    #[arg(long, global = true, value_enum, value_name = "FORM")]
    pub output: Option<Output>,

    /// How log lines are written to standard error
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Which log lines are written: a level, or levels by target (`info,gavel_runtime=debug`)
    #[arg(long, global = true, value_name = "FILTER", env = "GAVEL_LOG")]
    pub log: Option<String>,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// One JSON value per line
    Json,
    /// For people
    Table,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// For commands that talk to brokers.
#[derive(Args, Debug, Default)]
pub struct Brokers {
    /// Brokers to ask first [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "Kafka")]
    bootstrap_servers: Option<String>,

    /// A raw librdkafka setting (TLS, SASL, buffers); can be given again. Settings that the contract fixes are refused
    #[arg(short = 'X', value_name = "KEY=VALUE", help_heading = "Kafka")]
    properties: Vec<String>,
}

impl Brokers {
    /// Whether brokers were named on the command line.
    pub fn is_given(&self) -> bool {
        self.bootstrap_servers.is_some()
    }
}

/// For commands that use the partition stores.
#[derive(Args, Debug, Default)]
pub struct DataDir {
    /// Directory of the partition stores [default: ./gavel-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// As a setting.
    pub fn flags(&self) -> Vec<Flag> {
        let value = self
            .data_dir
            .as_ref()
            .map(|dir| dir.to_string_lossy().into_owned());
        value
            .map(|value| Flag {
                name: "--data-dir",
                section: "run",
                key: "data_dir",
                value,
            })
            .into_iter()
            .collect()
    }
}

impl Globals {
    /// The checked configuration: file, environment, then these flags.
    pub fn config(&self, brokers: &Brokers, mut flags: Vec<Flag>) -> Result<Config, Failure> {
        if let Some(value) = brokers.bootstrap_servers.clone() {
            flags.push(Flag {
                name: "--bootstrap-servers",
                section: "kafka",
                key: "bootstrap_servers",
                value,
            });
        }
        let environment = std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .collect();
        let properties = brokers.properties.clone();
        Ok(Config::load(&Sources {
            file: self.config.clone(),
            environment,
            flags,
            properties,
        })?)
    }

    /// The wanted form, or the command's own.
    pub fn output_or(&self, default: Output) -> Output {
        self.output.unwrap_or(default)
    }
}

/// Partitions as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionList(pub Vec<i32>);

/// More would be a typo: a cluster has fewer.
const PARTITIONS_MAX: i32 = 100_000;

/// Parses `0-3` or `0,2,5`.
pub fn partition_list(text: &str) -> Result<PartitionList, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<i32>()
            .ok()
            .filter(|n| (0..PARTITIONS_MAX).contains(n))
    };
    let mut partitions = Vec::new();
    for piece in text.split(',') {
        let range = match piece.split_once('-') {
            Some((from, to)) => number(from).zip(number(to)),
            None => number(piece).map(|one| (one, one)),
        };
        match range {
            Some((from, to)) if from <= to => partitions.extend(from..=to),
            _ => {
                return Err(format!(
                    "`{piece}` is neither a partition nor a range; write for example 0-3 or 0,2,5"
                ));
            }
        }
    }
    Ok(PartitionList(partitions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_listed_or_ranged() {
        assert_eq!(
            partition_list("0-3").map(|list| list.0),
            Ok(vec![0, 1, 2, 3])
        );
        assert_eq!(
            partition_list("5, 0-1").map(|list| list.0),
            Ok(vec![5, 0, 1])
        );
        for wrong in ["", "a", "3-1", "-1", "0-", "1,,2", "999999999"] {
            assert!(partition_list(wrong).is_err(), "{wrong}");
        }
    }
}
