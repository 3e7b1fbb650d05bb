use super::*;
use proptest::prelude::*;

fn even(from: f64, to: f64, seconds: f64) -> Traffic {
    Traffic {
        arrivals: Arrivals::Even,
        from_per_second: from,
        to_per_second: to,
        burst: None,
        warm_up_seconds: 0.0,
        seconds,
    }
}

/// Messages in each tenth of a second.
fn tenths(schedule: &Schedule) -> Vec<usize> {
    let mut counts = Vec::new();
    for sequence in 0..schedule.len() {
        let tenth = (schedule.time(sequence).unwrap_or(0) / 100_000_000) as usize;
        if counts.len() <= tenth {
            counts.resize(tenth + 1, 0);
        }
        counts[tenth] += 1;
    }
    counts
}

#[test]
fn an_even_rate_ticks_like_a_clock() {
    let schedule = Schedule::new(&even(1_000.0, 1_000.0, 3.0), 1);
    assert_eq!(schedule.len(), 3_000);
    for sequence in 0..3_000 {
        let due = sequence as u64 * 1_000_000;
        let time = schedule.time(sequence).expect("it is in the schedule");
        assert!(time.abs_diff(due) <= 1, "{sequence}: {time}");
    }
    assert_eq!(schedule.time(3_000), None);
}

#[test]
fn a_ramp_grows_linearly() {
    let schedule = Schedule::new(&even(0.0, 20_000.0, 2.0), 1);
    assert_eq!(schedule.len(), 20_000);
    // A quarter of the messages in the first half, as the area of a triangle.
    assert!(schedule.before(1_000_000_000).abs_diff(5_000) <= 1);
    let counts = tenths(&schedule);
    let steps: Vec<i64> = counts
        .windows(2)
        .map(|pair| pair[1] as i64 - pair[0] as i64)
        .collect();
    assert!(
        steps.iter().all(|step| (98..=102).contains(step)),
        "{counts:?}"
    );
    let falling = Schedule::new(&even(20_000.0, 0.0, 2.0), 1);
    assert_eq!(falling.len(), 20_000);
    assert!(falling.before(1_000_000_000).abs_diff(15_000) <= 1);
}

#[test]
fn a_burst_ends_every_period() {
    let traffic = Traffic {
        burst: Some(Burst {
            factor: 4.0,
            seconds: 0.2,
            every_seconds: 1.0,
        }),
        ..even(1_000.0, 1_000.0, 2.5)
    };
    let schedule = Schedule::new(&traffic, 1);
    let expected: Vec<usize> = (0..25)
        .map(|tenth| if tenth % 10 >= 8 { 400 } else { 100 })
        .collect();
    for (tenth, (count, wanted)) in tenths(&schedule).iter().zip(&expected).enumerate() {
        assert!(
            count.abs_diff(*wanted) <= 1,
            "tenth {tenth}: {count}, not {wanted}"
        );
    }
}

#[test]
fn the_warm_up_has_the_first_rate_and_no_bursts_and_is_not_measured() {
    let traffic = Traffic {
        warm_up_seconds: 2.0,
        burst: Some(Burst {
            factor: 3.0,
            seconds: 1.0,
            every_seconds: 1.0,
        }),
        ..even(100.0, 100.0, 1.0)
    };
    let schedule = Schedule::new(&traffic, 1);
    assert_eq!((schedule.measured_from(), schedule.len()), (200, 500));
    assert_eq!(schedule.second(1_999_999_999), None);
    assert_eq!(schedule.second(2_000_000_000), Some(0));
    assert_eq!(schedule.second(3_500_000_000), Some(1));
}

#[test]
fn poisson_has_the_rate_on_average_and_the_gaps_of_independent_people() {
    let traffic = Traffic {
        arrivals: Arrivals::Poisson,
        ..even(10_000.0, 10_000.0, 20.0)
    };
    let schedule = Schedule::new(&traffic, 3);
    // Five standard deviations.
    assert!(
        schedule.len().abs_diff(200_000) < 2_236,
        "{}",
        schedule.len()
    );
    let gaps: Vec<f64> = (1..schedule.len())
        .map(|sequence| {
            let time = |at| schedule.time(at).unwrap_or(0) as f64;
            time(sequence) - time(sequence - 1)
        })
        .collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    // Of exponential gaps the deviation equals the mean.
    assert!(
        (variance.sqrt() / mean - 1.0).abs() < 0.02,
        "{mean} {variance}"
    );
    let longer = gaps.iter().filter(|gap| **gap > mean).count() as f64 / gaps.len() as f64;
    assert!((longer - (-1.0f64).exp()).abs() < 0.01, "{longer}");
}

proptest! {
    #[test]
    fn times_never_go_back_stay_within_the_plan_and_follow_from_the_seed(
        poisson in any::<bool>(),
        from in prop_oneof![Just(0.0), 0.0..5_000.0f64],
        to in 1.0..5_000.0f64,
        warm_up_seconds in prop_oneof![Just(0.0), 0.1..2.0f64],
        seconds in 0.5..3.0f64,
        burst in proptest::option::of((0.0..6.0f64, 0.1..1.0f64, 0.05..2.0f64)),
        seed in any::<u64>(),
    ) {
        let burst = burst.map(|(factor, share, every_seconds)| Burst { factor, seconds: share * every_seconds, every_seconds });
        let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Even };
        let traffic = Traffic { arrivals, from_per_second: from, to_per_second: to, burst, warm_up_seconds, seconds };
        let schedule = Schedule::new(&traffic, seed);
        let times: Vec<u64> = (0..schedule.len()).filter_map(|at| schedule.time(at)).collect();
        prop_assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(times.last().is_none_or(|last| *last as f64 <= traffic.all_seconds() * SECOND + 1.0));
        let expected = traffic.expected();
        let tolerance = if poisson { 6.0 * expected.sqrt() + 6.0 } else { 1.0 };
        prop_assert!((schedule.len() as f64 - expected).abs() <= tolerance, "{} of {expected}", schedule.len());
        let again = Schedule::new(&traffic, seed);
        prop_assert!((0..=schedule.len()).all(|at| again.time(at) == schedule.time(at)));
    }
}
