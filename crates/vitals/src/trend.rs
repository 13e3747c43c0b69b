//! Whether a series of numbers grows, by robust means.
//!
//! The slope is Theil's and Sen's: the median of the slopes between all pairs, which a quarter of
//! outliers does not move. Whether it is more than chance is Mann's and Kendall's test: the signs of
//! all differences are counted, and their sum compared with what it would vary by. Both look at order
//! alone and assume no shape of the noise. O(n²) in the number of points, of which the caller keeps few.
//!
//! Neighbouring points of a slow wave agree with each other, and the test takes that for a trend. So
//! the middle of the series' last third must also lie above that of its first, and what grew must be
//! worth a word.

use serde::Serialize;

/// Fewer points say nothing.
const FEWEST: usize = 8;
/// The most points that are compared; more are thinned out.
const MOST: usize = 240;
/// How many standard deviations the test must be off: one false alarm in some thousand.
const CERTAIN: f64 = 3.3;

/// What a series does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not enough points to tell.
    TooEarly,
    /// Neither grows nor falls by more than noise.
    Flat,
    /// Grows.
    Growing,
    /// Falls.
    Falling,
}

/// The trend of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trend {
    /// What it does.
    pub verdict: Verdict,
    /// The median slope, in units a second.
    pub per_second: f64,
    /// By how many standard deviations the series is in order; negative if it falls.
    pub strength: f64,
    /// The points that were looked at.
    pub points: usize,
}

impl Trend {
    /// Looks at points of (seconds, value), by time; a change below `least` over all of it is noise.
    pub fn of(points: &[(f64, f64)], least: f64) -> Self {
        let step = points.len().div_ceil(MOST).max(1);
        let points: Vec<_> = points
            .iter()
            .step_by(step)
            .copied()
            .filter(|(at, value)| at.is_finite() && value.is_finite())
            .collect();
        let nothing = Self {
            verdict: Verdict::TooEarly,
            per_second: 0.0,
            strength: 0.0,
            points: points.len(),
        };
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return nothing };
        let span = last.0 - first.0;
        if points.len() < FEWEST || span <= 0.0 {
            return nothing;
        }
        let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
        let mut order = 0_i64;
        for (index, (at, value)) in points.iter().enumerate() {
            for (later_at, later) in points.iter().skip(index + 1) {
                order += i64::from(later > value) - i64::from(later < value);
                if later_at > at {
                    slopes.push((later - value) / (later_at - at));
                }
            }
        }
        let per_second = median(&mut slopes);
        let strength = order as f64 / deviation(&points);
        let third = points.len() / 3;
        let middle =
            |part: &[(f64, f64)]| median(&mut part.iter().map(|it| it.1).collect::<Vec<_>>());
        let (head, tail) = (&points[..third], &points[points.len() - third..]);
        let (moved, change) = (middle(tail) - middle(head), per_second * span);
        let verdict = if strength > CERTAIN && change > least && moved > least / 2.0 {
            Verdict::Growing
        } else if strength < -CERTAIN && -change > least && -moved > least / 2.0 {
            Verdict::Falling
        } else {
            Verdict::Flat
        };
        Self { verdict, per_second, strength, points: points.len() }
    }
}

fn median(numbers: &mut [f64]) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let middle = numbers.len() / 2;
    *numbers.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// What the sum of signs varies by if there is no trend; equal values make it smaller.
fn deviation(points: &[(f64, f64)]) -> f64 {
    let varies = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values: Vec<f64> = points.iter().map(|it| it.1).collect();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|run| varies(run.len() as f64)).sum();
    ((varies(points.len() as f64) - ties) / 18.0).max(1.0).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers that look random: SplitMix64.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    fn verdicts(shape: impl Fn(f64, f64) -> f64) -> impl Iterator<Item = Verdict> {
        (0..200).map(move |seed| {
            let mut next = noise(seed);
            let points: Vec<_> =
                (0..120).map(|at| (f64::from(at), shape(f64::from(at), next()))).collect();
            Trend::of(&points, 1.0).verdict
        })
    }

    #[test]
    fn growth_under_noise_twice_as_large_is_seen() {
        let seen = verdicts(|at, noise| at + 240.0 * noise)
            .filter(|verdict| *verdict == Verdict::Growing)
            .count();
        assert!(seen >= 190, "{seen} of 200");
    }

    #[test]
    fn noise_and_a_sawtooth_are_no_growth() {
        let alarms = verdicts(|_, noise| 1000.0 * noise)
            .chain(verdicts(|at, noise| 100.0 * (at % 10.0) + 30.0 * noise))
            .filter(|verdict| *verdict != Verdict::Flat)
            .count();
        assert!(alarms <= 4, "{alarms} of 400");
    }

    #[test]
    fn few_points_say_nothing_and_small_growth_is_not_worth_a_word() {
        let line = |n: u32| (0..n).map(|at| (f64::from(at), f64::from(at))).collect::<Vec<_>>();
        assert_eq!(Trend::of(&line(7), 1.0).verdict, Verdict::TooEarly);
        assert_eq!(Trend::of(&line(20), 1.0).verdict, Verdict::Growing);
        assert_eq!(Trend::of(&line(20), 100.0).verdict, Verdict::Flat);
        assert!((Trend::of(&line(20), 1.0).per_second - 1.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_series_is_survived(points in prop::collection::vec(any::<(f64, f64)>(), 0..300)) {
            let _ = Trend::of(&points, 1.0);
        }
    }
}
