//! The checks are checked: each defect that is seeded on purpose must be caught.

use crate::Simulation;
use gavel_runtime::lane::SeededBug;
use gavel_state::RepositoryBug;

fn caught(bug: SeededBug) -> Option<(u64, String)> {
    (0..500)
        .find_map(|seed| {
            let run = || Simulation::new(seed, Some(bug)).run();
            match std::panic::catch_unwind(run) {
                Ok(run) => run.err().map(|problem| (seed, problem)),
                // The assertions of what is simulated are checks like any other.
                Err(_) => Some((seed, "it panicked, as said above".into())),
            }
        })
        .inspect(|(seed, problem)| println!("{bug:?}: caught at seed {seed}: {problem}"))
}

#[test]
fn restarting_from_the_committed_offset_is_caught() {
    assert!(caught(SeededBug::RestartFromCommitted).is_some());
}

#[test]
fn writing_state_ahead_of_its_verdicts_is_caught() {
    assert!(caught(SeededBug::StateAheadOfVerdicts).is_some());
}

#[test]
fn handing_over_before_dead_letters_are_acknowledged_is_caught() {
    assert!(caught(SeededBug::HandOverBeforeDeadLetters).is_some());
}

#[test]
fn committing_before_the_acknowledgement_is_caught() {
    assert!(caught(SeededBug::CommitBeforeAck).is_some());
}

#[test]
fn a_flush_that_is_not_atomic_is_caught() {
    assert!(caught(SeededBug::EpochInTwoBatches).is_some());
}

#[test]
fn evicting_a_dirty_context_is_caught() {
    assert!(caught(SeededBug::EvictDirtyContexts).is_some());
}

#[test]
fn trusting_the_tail_blindly_is_caught() {
    assert!(caught(SeededBug::TrustTheTailBlindly).is_some());
}

#[test]
fn sending_on_after_a_delivery_error_is_caught() {
    assert!(caught(SeededBug::SendOnAfterDeliveryError).is_some());
}

#[test]
fn letting_v_pass_a_dead_letter_in_flight_is_caught() {
    assert!(caught(SeededBug::VIgnoresDeadLetters).is_some());
}

#[test]
fn folding_a_record_twice_is_caught() {
    assert!(caught(SeededBug::FoldTwice).is_some());
}

#[test]
fn believing_every_gap_after_a_seek_is_caught() {
    assert!(caught(SeededBug::BelieveEveryGap).is_some());
}

#[test]
fn taking_answers_of_an_earlier_assignment_is_caught() {
    assert!(caught(SeededBug::TakeStaleAnswers).is_some());
}

#[test]
fn storing_the_folds_state_of_an_earlier_epoch_is_caught() {
    assert!(caught(SeededBug::StaleFoldState).is_some());
}

#[test]
fn the_order_of_a_hash_map_in_the_fold_is_caught() {
    assert!(caught(SeededBug::HashMapOrder).is_some());
}

#[test]
fn a_wall_clock_in_the_fold_is_caught() {
    assert!(caught(SeededBug::WallClock).is_some());
}

#[test]
fn a_checkpoint_that_is_seen_before_it_is_complete_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::ManifestFirst)).is_some());
}

#[test]
fn using_a_checkpoint_without_verifying_it_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::SkipVerification)).is_some());
}

#[test]
fn taking_a_file_of_the_same_name_for_the_same_file_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::ShareFilesByName)).is_some());
}

#[test]
fn deleting_a_file_that_a_checkpoint_names_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::SweepNamedFiles)).is_some());
}

#[test]
fn an_offset_that_is_not_that_of_the_checkpoint_is_caught() {
    assert!(caught(SeededBug::Repository(RepositoryBug::OffsetBesideTheFiles)).is_some());
}

#[test]
fn folding_a_dead_letter_silently_is_caught() {
    let (_, problem) = caught(SeededBug::SilentDeadLetter).expect("caught");
    assert!(problem.contains("dead letter"), "{problem}");
}
