//! Made up workloads whose answer is known, by the hundred, and how often the verdict is right.
//!
//! All are in megabytes by the minute and follow from their seed alone. What is printed is the table
//! in `docs/series.md`.

mod workloads {
    pub(crate) mod random;
    pub(crate) mod shapes;
}

use tophash_trend::{Trend, Verdict};
use workloads::random::Random;
use workloads::shapes::{Workload, workloads};

/// What is not worth a word: 2 MB.
const LEAST: f64 = 2.0;
const SEEDS: u64 = 200;
/// None of the seeds with which thresholds were chosen.
const FIRST_SEED: u64 = 20_000;

fn judge(workload: &Workload, seed: u64) -> Trend {
    Trend::of(&(workload.make)(&mut Random::new(seed)), LEAST)
}

#[test]
fn verdicts_are_right_and_what_does_not_grow_is_hardly_ever_said_to() {
    let mut faults = Vec::new();
    let (mut alarms, mut innocent) = (0, 0);
    println!("| workload | points | right | said to grow | other verdicts |");
    println!("| --- | ---: | ---: | ---: | --- |");
    for workload in workloads() {
        let mut other: Vec<(Verdict, u32)> = Vec::new();
        let (mut right, mut growing) = (0, 0);
        for seed in FIRST_SEED..FIRST_SEED + SEEDS {
            let verdict = judge(&workload, seed).verdict;
            growing += u64::from(verdict == Verdict::Growing);
            if workload.answers.contains(&verdict) {
                right += 1;
            } else {
                match other.iter_mut().find(|it| it.0 == verdict) {
                    Some((_, count)) => *count += 1,
                    None => other.push((verdict, 1)),
                }
            }
        }
        let other: Vec<_> =
            other.iter().map(|(verdict, count)| format!("{count} {}", verdict.name())).collect();
        println!(
            "| {} | {} | {:.1} % | {growing} of {SEEDS} | {} |",
            workload.name,
            workload.points,
            100.0 * right as f64 / SEEDS as f64,
            other.join(", ")
        );
        if right * 100 < SEEDS * 95 {
            faults.push(format!("{}, {} points: {right} right", workload.name, workload.points));
        }
        if !workload.answers.contains(&Verdict::Growing) {
            alarms += growing;
            innocent += SEEDS;
        }
    }
    println!("false alarms: {alarms} of {innocent}");
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(innocent >= 1000 && alarms * 100 < innocent, "{alarms} false alarms of {innocent}");
}

#[test]
fn a_confidence_is_how_often_such_a_verdict_is_right() {
    // Leaks from ones that nobody could see to ones that nobody could miss, and steps likewise,
    // beside all that is no leak: what is claimed must be what comes true, in each band.
    let mut bands = [(0.0, 0_u32, 0_u32); 5];
    for seed in FIRST_SEED..FIRST_SEED + 1200 {
        let mut random = Random::new(seed);
        let (points, answers) = workloads::shapes::of_any_size(&mut random);
        let trend = Trend::of(&points, LEAST);
        let band = match trend.confidence {
            ..0.6 => 0,
            0.6..0.75 => 1,
            0.75..0.9 => 2,
            0.9..0.97 => 3,
            _ => 4,
        };
        bands[band].0 += trend.confidence;
        bands[band].1 += u32::from(answers.contains(&trend.verdict));
        bands[band].2 += 1;
    }
    println!("| claimed | verdicts | right |\n| ---: | ---: | ---: |");
    for (claimed, right, count) in bands {
        let count_or_one = f64::from(count.max(1));
        let (claimed, right) = (claimed / count_or_one, f64::from(right) / count_or_one);
        println!("| {:.0} % | {count} | {:.0} % |", 100.0 * claimed, 100.0 * right);
        // Five standard errors, and a tenth for what generators are not.
        let allowed = 0.1 + 5.0 * (claimed * (1.0 - claimed) / count_or_one).sqrt();
        assert!(count == 0 || right > claimed - allowed, "{claimed} claimed, {right} right");
    }
}

#[test]
fn the_slope_of_a_leak_is_near_what_it_is_and_its_error_honest() {
    let leak = &workloads()[0];
    let (mut within, mut growing) = (0, 0);
    for seed in FIRST_SEED..FIRST_SEED + SEEDS {
        let trend = judge(leak, seed);
        let (slope, error) = (trend.per_second * 60.0, trend.per_second_error * 60.0);
        if trend.verdict != Verdict::Growing {
            continue;
        }
        growing += 1;
        assert!((slope - 1.0).abs() < 0.2 + 5.0 * error, "seed {seed}: {slope} ± {error}");
        within += u32::from((slope - 1.0).abs() <= 2.0 * error);
    }
    // 95 % of a perfect normal error; five standard errors below.
    assert!(within * 100 >= growing * 87, "{within} of {growing} within two standard errors");
}
