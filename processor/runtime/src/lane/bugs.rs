//! Defects that tests seed on purpose, to see that the checks catch them. Compiled in only with the feature `seeded-bugs`.

/// One defect in a process of the simulation. Defects of the store and of checkpoints are seeded there, see `gavel_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeededBug {
    /// Restart from the group's committed offset instead of S+1.
    RestartFromCommitted,
    /// Write state before its verdicts are acknowledged.
    StateAheadOfVerdicts,
    /// Fold a refused record silently without sending its dead letter.
    SilentDeadLetter,
    /// Hand a restored partition over before its dead letters are acknowledged.
    HandOverBeforeDeadLetters,
    /// Commit what was folded instead of what is acknowledged.
    CommitBeforeAck,
    /// Write an epoch in two batches, both of which say that they hold all of it.
    EpochInTwoBatches,
    /// Drop contexts that are not written yet when the budget is full.
    EvictDirtyContexts,
    /// Take every verdict of the topic's tail for one of this log.
    TrustTheTailBlindly,
    /// Keep the producer and go on after a delivery error.
    SendOnAfterDeliveryError,
    /// Let V pass an offset whose dead letter is still in flight.
    VIgnoresDeadLetters,
    /// Fold a record that was folded already.
    FoldTwice,
    /// Believe that the first record after a seek follows the last one folded.
    BelieveEveryGap,
    /// Take an answer that was meant for an earlier assignment of the partition.
    TakeStaleAnswers,
    /// Store the fold's state of an earlier epoch with newer contexts.
    StaleFoldState,
    /// Iterate over a hash map where the order shows in a verdict.
    HashMapOrder,
    /// Read the wall clock in the fold.
    WallClock,
    /// Defects of the repository of checkpoints.
    Repository(gavel_state::RepositoryBug),
}

impl SeededBug {
    /// The defect of the repository, if it is one.
    pub fn of_repository(self) -> Option<gavel_state::RepositoryBug> {
        match self {
            SeededBug::Repository(bug) => Some(bug),
            _ => None,
        }
    }
}
