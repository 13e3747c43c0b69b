//! The workloads.

use std::f64::consts::TAU;

use tophash_trend::Verdict;

use super::random::Random;

pub(crate) type Points = Vec<(f64, f64)>;

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) points: usize,
    /// The verdicts that are right.
    pub(crate) answers: &'static [Verdict],
    pub(crate) make: Box<dyn Fn(&mut Random) -> Points>,
}

const GROWING: &[Verdict] = &[Verdict::Growing];
const STEPPED: &[Verdict] = &[Verdict::Stepped];
const STILL: &[Verdict] = &[Verdict::Flat, Verdict::Churning];

/// All of them, at two lengths each.
pub(crate) fn workloads() -> Vec<Workload> {
    let mut all = Vec::new();
    for points in [75, 240] {
        let n = points;
        let mut add = |name, answers, make: Box<dyn Fn(&mut Random) -> Points>| {
            let points = make(&mut Random::new(0)).len();
            all.push(Workload { name, points, answers, make });
        };
        add("leak of 1 MB/min, noise of 10 MB", GROWING, Box::new(move |r| leak(r, n, 1.0)));
        add("the same, with spikes of 500 MB", GROWING, Box::new(move |r| spiked_leak(r, n)));
        add("leak that starts in the middle", GROWING, Box::new(move |r| late_leak(r, n)));
        // The least length at which it is seen often enough.
        let n = points.max(120);
        add("slow leak under churn", GROWING, Box::new(move |r| leak_under_churn(r, n)));
        let n = points;
        add("slow leak under a sawtooth", GROWING, Box::new(move |r| leak_under_sawtooth(r, n)));
        add("leak seen through samples", GROWING, Box::new(move |r| sampled(r, n, true)));
        add("pool seen through samples", STILL, Box::new(move |r| sampled(r, n, false)));
        add("sawtooth, regular", STILL, Box::new(move |r| sawtooth(r, n, 0.0, 0.0)));
        add("sawtooth, irregular looks", STILL, Box::new(move |r| sawtooth(r, n, 0.9, 0.0)));
        add("sawtooth of uneven teeth", STILL, Box::new(move |r| sawtooth(r, n, 0.9, 0.5)));
        add("insert and delete phases", STILL, Box::new(move |r| churn(r, n)));
        add("cache that warms up", STILL, Box::new(move |r| warm_up(r, n)));
        add("cache that fills to its limit", STILL, Box::new(move |r| filling(r, n)));
        add("step after a deploy", STEPPED, Box::new(move |r| step(r, n)));
        add("two steps up", STEPPED, Box::new(move |r| two_steps(r, n)));
        add("wandering noise (φ = 0.7)", STILL, Box::new(move |r| wander(r, n, 0.7)));
        // Of a slow wander, 75 points are worth four.
        let n = points.max(150);
        add("wandering noise (φ = 0.9)", STILL, Box::new(move |r| wander(r, n, 0.9)));
        let n = points;
        add("days (3 of them)", STILL, Box::new(move |r| days(r, n)));
        add("noise alone", STILL, Box::new(move |r| leak(r, n, 0.0)));
    }
    all
}

/// One look a minute, not quite on time where `jitter` is not 0.
fn series(
    random: &mut Random,
    points: usize,
    jitter: f64,
    mut value: impl FnMut(&mut Random, f64) -> f64,
) -> Points {
    (0..points)
        .map(|n| {
            let minute = n as f64 + jitter * random.part();
            (minute * 60.0, value(random, minute))
        })
        .collect()
}

fn leak(random: &mut Random, points: usize, pace: f64) -> Points {
    series(random, points, 0.5, |r, t| 300.0 + pace * t + 10.0 * r.normal())
}

fn spiked_leak(random: &mut Random, points: usize) -> Points {
    series(random, points, 0.5, |r, t| {
        let spike = if r.part() < 0.03 { 500.0 } else { 0.0 };
        300.0 + t + 10.0 * r.normal() + spike
    })
}

fn late_leak(random: &mut Random, points: usize) -> Points {
    let start = points as f64 * random.between(0.4, 0.6);
    let pace = 120.0 / points as f64;
    series(random, points, 0.5, |r, t| 300.0 + pace * (t - start).max(0.0) + 5.0 * r.normal())
}

/// Values that come back to 0, with a deviation of one.
fn wandering(kept: f64) -> impl FnMut(&mut Random) -> f64 {
    let mut now = 0.0;
    move |random| {
        now = kept * now + (1.0 - kept * kept).sqrt() * random.normal();
        now
    }
}

fn leak_under_churn(random: &mut Random, points: usize) -> Points {
    // As much in all as the churn goes up and down by.
    let pace = 100.0 / points as f64;
    let mut churn = wandering(0.5);
    series(random, points, 0.5, move |r, t| 300.0 + pace * t + 20.0 * churn(r))
}

fn leak_under_sawtooth(random: &mut Random, points: usize) -> Points {
    let period = random.between(5.0, 9.0);
    let pace = 60.0 / points as f64;
    series(random, points, 0.5, |r, t| {
        200.0 + pace * t + 100.0 * (t / period).fract() + 3.0 * r.normal()
    })
}

/// As heap profiles see it: half a megabyte a sample, which comes by chance and, but for a leak, goes.
fn sampled(random: &mut Random, points: usize, leaks: bool) -> Points {
    let mut samples: u32 = if leaks { 2 } else { 12 };
    let comes = if leaks { 40.0 / points as f64 } else { 1.2 };
    series(random, points, 0.5, move |r, _| {
        for _ in 0..8 {
            samples += u32::from(r.part() < comes / 8.0);
        }
        if !leaks {
            samples -= (0..samples).filter(|_| r.part() < 0.1).count() as u32;
        }
        0.5 * f64::from(samples)
    })
}

fn sawtooth(random: &mut Random, points: usize, jitter: f64, uneven: f64) -> Points {
    let period = points as f64 / random.between(4.0, 15.0);
    let phase = random.part();
    let mut teeth = vec![0.0];
    while teeth[teeth.len() - 1] < points as f64 + period * 3.0 {
        let next = teeth[teeth.len() - 1] + period * (1.0 + uneven * random.between(-1.0, 1.0));
        teeth.push(next);
    }
    series(random, points, jitter, |r, t| {
        let t = t + phase * period;
        let tooth = teeth.partition_point(|at| *at <= t);
        200.0 + 100.0 * (t - teeth[tooth - 1]) / period + 3.0 * r.normal()
    })
}

fn churn(random: &mut Random, points: usize) -> Points {
    let (mut level, mut target) = (200.0_f64, 300.0_f64);
    series(random, points, 0.3, |r, _| {
        if (level - target).abs() < 12.0 {
            target = r.between(150.0, 350.0);
        }
        level += 12.0 * (target - level).signum();
        level + 3.0 * r.normal()
    })
}

fn warm_up(random: &mut Random, points: usize) -> Points {
    let tau = points as f64 * random.between(0.05, 0.2);
    series(random, points, 0.5, |r, t| 100.0 + 200.0 * (1.0 - (-t / tau).exp()) + 5.0 * r.normal())
}

fn filling(random: &mut Random, points: usize) -> Points {
    let full = points as f64 * random.between(0.3, 0.6);
    series(random, points, 0.5, |r, t| 100.0 + 200.0 * (t / full).min(1.0) + 5.0 * r.normal())
}

fn step(random: &mut Random, points: usize) -> Points {
    let at = points as f64 * random.between(0.2, 0.8);
    series(random, points, 0.5, |r, t| if t < at { 200.0 } else { 260.0 } + 10.0 * r.normal())
}

fn two_steps(random: &mut Random, points: usize) -> Points {
    let at = [0.3, 0.65].map(|part| points as f64 * (part + random.between(-0.05, 0.05)));
    series(random, points, 0.5, |r, t| {
        200.0 + at.iter().filter(|at| t >= **at).count() as f64 * 60.0 + 6.0 * r.normal()
    })
}

fn wander(random: &mut Random, points: usize, kept: f64) -> Points {
    let mut noise = wandering(kept);
    for _ in 0..50 {
        noise(random);
    }
    series(random, points, 0.5, move |r, _| 300.0 + 20.0 * noise(r))
}

fn days(random: &mut Random, points: usize) -> Points {
    let (day, phase) = (points as f64 / 3.0, random.part());
    series(random, points, 0.5, |r, t| {
        300.0 + 60.0 * (TAU * (t / day + phase)).sin() + 6.0 * r.normal()
    })
}

/// A series of any kind and any size, from one that drowns in noise to one that stands out.
pub(crate) fn of_any_size(random: &mut Random) -> (Points, &'static [Verdict]) {
    let points = random.between(30.0, 250.0) as usize;
    let size = (random.between(0.0, 5.0)).exp() * 2.0;
    let place = random.between(0.25, 0.75) * points as f64;
    let kept = random.between(0.0, 0.7);
    let mut noise = wandering(kept);
    let per_look = size / points as f64;
    match random.bits() % 5 {
        0 | 1 => {
            let make = move |r: &mut Random, t| 300.0 + per_look * t + 10.0 * noise(r);
            (series(random, points, 0.5, make), GROWING)
        }
        2 => {
            let make = move |r: &mut Random, t: f64| {
                300.0 + if t < place { 0.0 } else { size } + 10.0 * noise(r)
            };
            (series(random, points, 0.5, make), STEPPED)
        }
        3 => (warm_up(random, points), STILL),
        _ => (wander(random, points, kept), STILL),
    }
}
