//! How a command fails: an exit code, what is wrong, what to do next.

use std::io;
use std::process::ExitCode;

use gavel_runtime::config::ConfigError;
use gavel_runtime::control::ControlError;
use gavel_runtime::erasure_proof::ProofError;
use gavel_runtime::inspect::InspectError;
use gavel_runtime::kafka::BrokerError;
use gavel_runtime::orders::OrderError;
use gavel_runtime::produce::ProduceError;
use gavel_runtime::replay::ReplayError;
use gavel_runtime::run::RunError;
use gavel_runtime::shadow_report::ReportError;
use gavel_runtime::topics::TopicsError;

/// The documented exit codes other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// A check failed or something differs.
    Difference = 1,
    /// Wrong usage or configuration.
    Usage = 2,
    /// A broker, a file or a disk failed.
    Broken = 3,
    /// Nothing differs, but not everything that was asked for could be looked at.
    Incomplete = 4,
}

/// The end of a command that did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    error: String,
    next: String,
    /// Whoever read the output has gone: nothing to say.
    is_quiet: bool,
}

impl Failure {
    fn new(exit: Exit, error: impl ToString, next: impl Into<String>) -> Failure {
        Failure {
            exit,
            error: error.to_string(),
            next: next.into(),
            is_quiet: false,
        }
    }

    /// A check failed or something differs.
    pub fn difference(error: impl ToString, next: impl Into<String>) -> Failure {
        Failure::new(Exit::Difference, error, next)
    }

    /// Wrong usage or configuration.
    pub fn usage(error: impl ToString, next: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, error, next)
    }

    /// A broker, a file or a disk failed.
    pub fn broken(error: impl ToString, next: impl Into<String>) -> Failure {
        Failure::new(Exit::Broken, error, next)
    }

    /// Not everything could be looked at.
    pub fn incomplete(error: impl ToString, next: impl Into<String>) -> Failure {
        Failure::new(Exit::Incomplete, error, next)
    }

    /// What went wrong, for those who say it themselves.
    pub fn message(&self) -> &str {
        &self.error
    }

    /// Prints to standard error and gives the exit code.
    pub fn report(self) -> ExitCode {
        if self.is_quiet {
            return ExitCode::SUCCESS;
        }
        let mut lines = self.error.lines();
        eprintln!("error: {}", lines.next().unwrap_or_default());
        for line in lines {
            eprintln!("       {line}");
        }
        if !self.next.is_empty() {
            eprintln!("next: {}", self.next);
        }
        ExitCode::from(self.exit as u8)
    }
}

/// From reading or writing standard streams; files say their name before they become a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let is_quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Failure {
            is_quiet,
            ..Failure::broken(error, "")
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::usage(
            error,
            "mend the setting where it is named; `gavel settings` lists all of them",
        )
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Failure {
        let next = error.next_step();
        match error {
            BrokerError::NoPartition { .. } | BrokerError::Client { .. } => {
                Failure::usage(error, next)
            }
            BrokerError::NoBroker { .. }
            | BrokerError::NoTopic { .. }
            | BrokerError::OffsetGone { .. }
            | BrokerError::Refused { .. }
            | BrokerError::Failed { .. } => Failure::broken(error, next),
        }
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Failure {
        let next = error.next_step();
        match error {
            ControlError::Broker(error) => error.into(),
            ControlError::Truncated { .. }
            | ControlError::Shorter { .. }
            | ControlError::Stopped => Failure::broken(error, next),
        }
    }
}

impl From<OrderError> for Failure {
    fn from(error: OrderError) -> Failure {
        let next = error.next_step();
        match error {
            OrderError::Broker(error) => error.into(),
            OrderError::Control(error) => error.into(),
            OrderError::Scope { .. }
            | OrderError::Ambiguous { .. }
            | OrderError::NotInLog { .. }
            | OrderError::OfARetry { .. }
            | OrderError::NotOverturnable { .. }
            | OrderError::NoUser { .. } => Failure::usage(error, next),
            OrderError::NotMarked { .. } => Failure::broken(error, next),
            OrderError::VerdictGone { .. }
            | OrderError::NoVerdict { .. }
            | OrderError::InForceAlready { .. }
            | OrderError::NothingInForce { .. }
            | OrderError::NoShadow { .. }
            | OrderError::ShadowPartitions { .. }
            | OrderError::NothingBefore { .. }
            | OrderError::GoneBackAlready { .. }
            | OrderError::NotInHistory { .. } => Failure::difference(error, next),
            OrderError::Nonce(_) | OrderError::Vanished { .. } => Failure::broken(error, next),
            OrderError::NotOpened { .. }
            | OrderError::PartitionsChanged { .. }
            | OrderError::NotPublished { .. }
            | OrderError::Schema { .. }
            | OrderError::Policy { .. }
            | OrderError::Tests { .. }
            | OrderError::EngineOfScope { .. } => Failure::difference(error, next),
        }
    }
}

impl From<TopicsError> for Failure {
    fn from(error: TopicsError) -> Failure {
        let next = error.next_step();
        match error {
            TopicsError::Broker(error) => error.into(),
            TopicsError::Order(error) => error.into(),
            TopicsError::NotVisible { .. } => Failure::broken(error, next),
            TopicsError::Drift(_)
            | TopicsError::HasHistory { .. }
            | TopicsError::OpenedWith { .. } => Failure::difference(error, next),
        }
    }
}

impl From<ProduceError> for Failure {
    fn from(error: ProduceError) -> Failure {
        match error {
            ProduceError::Broker(error) => error.into(),
            ProduceError::Input(_) => Failure::broken(error, "check the file"),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        let next = error.next_step();
        match error {
            RunError::Broker(error) => error.into(),
            RunError::Control(error) => error.into(),
            RunError::NotOpened { .. } | RunError::NoPolicy | RunError::CheckpointAddress(_) => {
                Failure::usage(error, next)
            }
            RunError::Io { .. }
            | RunError::CheckpointStore(_)
            | RunError::Metrics(_)
            | RunError::Lane { .. } => Failure::broken(error, next),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Failure {
        let next = error.next_step();
        match error {
            ReplayError::Broker(error) => error.into(),
            ReplayError::Control(error) => error.into(),
            ReplayError::NotOpened { .. }
            | ReplayError::LostHistory { .. }
            | ReplayError::Halted { .. } => Failure::difference(error, next),
            ReplayError::NoRecord { .. } | ReplayError::NoMessage { .. } => {
                Failure::usage(error, next)
            }
            ReplayError::Waits { .. }
            | ReplayError::Vanished { .. }
            | ReplayError::Missing(_)
            | ReplayError::State(_)
            | ReplayError::CorruptState(_)
            | ReplayError::Objects(_)
            | ReplayError::NoVerdict { .. }
            | ReplayError::Checkpoint { .. }
            | ReplayError::Scratch(_)
            | ReplayError::Output(_)
            | ReplayError::Panicked => Failure::broken(error, next),
            ReplayError::ObjectAddress(_) | ReplayError::NoPolicy(_) => Failure::usage(error, next),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Failure {
        let next = error.next_step();
        match error {
            ReportError::Broker(error) => error.into(),
            ReportError::Control(error) => error.into(),
            ReportError::NoCandidate { .. } => Failure::difference(error, next),
            ReportError::NotThen { .. } => Failure::usage(error, next),
            ReportError::Panicked => Failure::broken(error, next),
        }
    }
}

impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Failure {
        let next = error.next_step();
        match error {
            ProofError::Address(_) => Failure::usage(error, next),
            ProofError::Read { .. } | ProofError::Objects(_) => Failure::broken(error, next),
        }
    }
}

impl From<InspectError> for Failure {
    fn from(error: InspectError) -> Failure {
        let next = error.next_step();
        match error {
            InspectError::Directory { .. } | InspectError::Empty { .. } => {
                Failure::usage(error, next)
            }
            InspectError::Store(_) | InspectError::State { .. } => Failure::broken(error, next),
        }
    }
}
