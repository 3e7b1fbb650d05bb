//! A partition of the message topic, ready to be gone through from where its history begins.

use std::sync::Arc;

use gavel_judge::{ControlLog, Opened};

use super::ReplayError;
use crate::config::Config;
use crate::control;
use crate::kafka::{Bounds, LogReader};

/// One message partition with its orders.
pub struct OpenedLog {
    pub messages: LogReader,
    pub bounds: Bounds,
    pub control: Arc<ControlLog>,
    pub opened: Opened,
    pub partition: i32,
}

impl OpenedLog {
    pub fn open(config: &Config, partition: i32) -> Result<OpenedLog, ReplayError> {
        let messages = LogReader::open(config, &config.topics.messages, partition)?;
        let bounds = messages.bounds()?;
        // After the end of the messages, so that every order which they name is there.
        let control = Arc::new(control::read_whole(config)?);
        let opened = control
            .opened(partition)
            .ok_or_else(|| ReplayError::NotOpened {
                partition,
                control: config.topics.control.clone(),
            })?;
        Ok(OpenedLog {
            messages,
            bounds,
            control,
            opened,
            partition,
        })
    }
}
