//! A slope that outliers do not move, and whether the order of values is more than chance.
//!
//! The slope is Theil's and Sen's: the median of the slopes between all pairs (Sen, "Estimates of the
//! regression coefficient based on Kendall's tau", 1968). The test is Mann's and Kendall's, with the
//! variance that Hamed and Rao give for values that depend on those before ("A modified Mann-Kendall
//! trend test for autocorrelated data", 1998): what a slow wave repeats counts once. O(n²) in points,
//! of which the caller keeps few.

use serde::Serialize;

use crate::points::median;

/// A trend test: how far values are in order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrendTest {
    /// By how many standard deviations; negative if they fall.
    pub strength: f64,
    /// How many independent points the series is worth.
    pub effective_points: f64,
}

/// The median slope between all pairs of points; 0 where there are no two of different times.
///
/// Takes time and memory for every pair: give it some hundred points at most.
pub fn theil_sen(times: &[f64], values: &[f64]) -> f64 {
    let count = times.len().min(values.len());
    let mut slopes = Vec::with_capacity(count * count.saturating_sub(1) / 2);
    for (index, (at, value)) in times.iter().zip(values).enumerate() {
        for (later_at, later) in times.iter().zip(values).skip(index + 1) {
            if later_at > at {
                slopes.push((later - value) / (later_at - at));
            }
        }
    }
    median(&mut slopes)
}

impl TrendTest {
    /// Tests values in order of time.
    pub(crate) fn of(times: &[f64], values: &[f64], slope: f64) -> Self {
        let count = values.len() as f64;
        let mut order = 0_i64;
        for (index, value) in values.iter().enumerate() {
            for later in &values[index + 1..] {
                order += i64::from(later > value) - i64::from(later < value);
            }
        }
        let rest: Vec<_> = times.iter().zip(values).map(|(t, v)| v - slope * t).collect();
        let factor = inflation(&ranks(&rest));
        let deviation = (variance(values) * factor).max(1.0).sqrt();
        Self { strength: order as f64 / deviation, effective_points: count / factor }
    }
}

/// What the sum of signs varies by if there is no trend; equal values make it smaller.
fn variance(values: &[f64]) -> f64 {
    let varies = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let ties: f64 = values.chunk_by(|a, b| a == b).map(|run| varies(run.len() as f64)).sum();
    (varies(values.len() as f64) - ties) / 18.0
}

/// Each value's place among all, from -1/2 to 1/2; equal ones share theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().map(|value| value.abs()).fold(0.0, f64::max);
    // What sums round off is no order.
    let same = |a: &usize, b: &usize| (values[*a] - values[*b]).abs() <= 1e-9 * largest;
    let mut order: Vec<_> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for run in order.chunk_by(same) {
        let middle = before as f64 + (run.len() - 1) as f64 / 2.0;
        for at in run {
            ranks[*at] = middle / (values.len() as f64 - 1.0).max(1.0) - 0.5;
        }
        before += run.len();
    }
    ranks
}

/// By what the variance grows since neighbours agree, from the ranks' own correlation at each lag that
/// is more than chance.
fn inflation(ranks: &[f64]) -> f64 {
    let count = ranks.len() as f64;
    let chance = 1.96 / count.sqrt();
    let whole: f64 = ranks.iter().map(|rank| rank * rank).sum();
    if ranks.len() < 4 || whole <= 0.0 {
        return 1.0;
    }
    let lags = (ranks.len() / 3).min(60);
    let sum: f64 = (1..=lags)
        .map(|lag| {
            let both = ranks.iter().zip(&ranks[lag..]).map(|(a, b)| a * b).sum::<f64>() / whole;
            let left = count - lag as f64;
            if both.abs() > chance { left * (left - 1.0) * (left - 2.0) * both } else { 0.0 }
        })
        .sum();
    // Waves may cancel more than there is; never believe that points say more than they are.
    (1.0 + 2.0 * sum / (count * (count - 1.0) * (count - 2.0))).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_outliers_does_not_move_the_slope() {
        let times: Vec<_> = (0..40).map(f64::from).collect();
        let values: Vec<_> =
            (0..40).map(|n| if n % 5 == 0 { 1e9 } else { f64::from(3 * n) }).collect();
        assert!((theil_sen(&times, &values) - 3.0).abs() < 0.5);
        assert_eq!(theil_sen(&[1.0, 1.0], &[5.0, 9.0]), 0.0);
    }

    #[test]
    fn a_wave_is_worth_fewer_points_than_it_has() {
        let times: Vec<_> = (0..100).map(f64::from).collect();
        let wave: Vec<_> = times.iter().map(|t| (t / 8.0).sin()).collect();
        let test = TrendTest::of(&times, &wave, theil_sen(&times, &wave));
        assert!(test.effective_points < 60.0, "{test:?}");
        let line: Vec<_> = times.iter().map(|t| t + (t * 7.0) % 5.0).collect();
        assert!(TrendTest::of(&times, &line, theil_sen(&times, &line)).strength > 10.0);
    }
}
