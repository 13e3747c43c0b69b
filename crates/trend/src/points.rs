//! Points made fit for statistics: finite, in order, few, and without lone spikes.
//!
//! Times lie in 0..=1 and values are measured from their middle in units of their range, so that the
//! sums of least squares stay well conditioned for bytes and nanoseconds alike. O(n log n).

/// The most points that are looked at. More are replaced by the middles of neighbours, which keeps the
/// mean of a sawtooth where taking every n-th would hit one phase of it again and again.
pub(crate) const MOST: usize = 256;
/// Neighbours on either side that say what a point should be.
const NEIGHBOURS: usize = 3;
/// A point this many deviations from its neighbours' middle is a spike.
const SPIKE: f64 = 4.5;

/// A series, scaled.
#[derive(Debug, Clone)]
pub(crate) struct Points {
    /// In 0..=1.
    pub(crate) times: Vec<f64>,
    /// Around 0, with a range of 1 or of 0.
    pub(crate) values: Vec<f64>,
    pub(crate) start: f64,
    pub(crate) span: f64,
    pub(crate) middle: f64,
    pub(crate) scale: f64,
    /// How many finite points there were.
    pub(crate) seen: usize,
}

impl Points {
    /// Sorts, thins and scales; `None` where all were taken at once.
    pub(crate) fn of(points: &[(f64, f64)]) -> Option<Self> {
        // Sums of squares of what is larger have no end.
        let is_usable = |it: &(f64, f64)| it.0.abs() < 1e15 && it.1.abs() < 1e30;
        let mut points: Vec<_> = points.iter().copied().filter(is_usable).collect();
        let seen = points.len();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        clip_spikes(&mut points);
        let points = thinned(&points);
        let (start, end) = (points.first()?.0, points.last()?.0);
        let span = end - start;
        if span <= 0.0 {
            return None;
        }
        let times: Vec<_> = points.iter().map(|it| (it.0 - start) / span).collect();
        let mut values: Vec<_> = points.iter().map(|it| it.1).collect();
        let middle = median(&mut values.clone());
        let range = |fold: fn(f64, f64) -> f64, start| values.iter().copied().fold(start, fold);
        let scale = range(f64::max, f64::NEG_INFINITY) - range(f64::min, f64::INFINITY);
        let unit = if scale > 0.0 { scale } else { 1.0 };
        values.iter_mut().for_each(|value| *value = (*value - middle) / unit);
        Some(Self { times, values, start, span, middle, scale, seen })
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns a scaled time in seconds.
    pub(crate) fn seconds(&self, time: f64) -> f64 {
        self.start + time * self.span
    }

    /// Returns a scaled value as it was.
    pub(crate) fn value(&self, value: f64) -> f64 {
        self.middle + value * self.scale
    }
}

/// Replaces neighbours by the middle of them where there are too many points.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MOST {
        return points.to_vec();
    }
    // The middle of three or more is a value from one side of a step or the other, never between.
    let together = points.len().div_ceil(MOST).max(3);
    points
        .chunks(together)
        .map(|chunk| {
            let at = chunk.iter().map(|it| it.0 / chunk.len() as f64).sum();
            (at, median(&mut chunk.iter().map(|it| it.1).collect::<Vec<_>>()))
        })
        .collect()
}

/// Moves a point that lies far off its neighbours to their middle (after Hampel's filter).
fn clip_spikes(points: &mut [(f64, f64)]) {
    if points.len() < 2 * NEIGHBOURS + 2 {
        return;
    }
    let around = |at: usize| {
        let window = at.saturating_sub(NEIGHBOURS)..(at + NEIGHBOURS + 1).min(points.len());
        let mut near = [0.0; 2 * NEIGHBOURS];
        let mut count = 0;
        for (cell, other) in near.iter_mut().zip(window.filter(|it| *it != at)) {
            *cell = points[other].1;
            count += 1;
        }
        let near = &mut near[..count];
        near.sort_by(f64::total_cmp);
        // The outermost may be a spike itself.
        (near[count / 2], near[usize::from(count > 3)], near[count - 1 - usize::from(count > 3)])
    };
    let all: Vec<_> = (0..points.len()).map(around).collect();
    let mut off: Vec<_> = points.iter().zip(&all).map(|(it, near)| (it.1 - near.0).abs()).collect();
    let deviation = median(&mut off) / 0.6745;
    if deviation <= 0.0 {
        return;
    }
    for ((_, value), (middle, low, high)) in points.iter_mut().zip(all) {
        // Where all rises, the next point lies outside of its neighbours, too: but not by far.
        let beyond = (*value - high).max(low - *value);
        if (*value - middle).abs() > SPIKE * deviation && beyond > SPIKE / 3.0 * (high - low) {
            *value = middle;
        }
    }
}

/// The middle one; 0 of none.
pub(crate) fn median(numbers: &mut [f64]) -> f64 {
    quantile(numbers, 0.5)
}

/// The number below which a part of all lie; 0 of none.
pub(crate) fn quantile(numbers: &mut [f64], part: f64) -> f64 {
    if numbers.is_empty() {
        return 0.0;
    }
    let index = ((numbers.len() as f64 * part) as usize).min(numbers.len() - 1);
    *numbers.select_nth_unstable_by(index, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_sorted_thinned_and_scaled() {
        let points: Vec<_> = (0..10_000).rev().map(|n| (f64::from(n), f64::from(n))).collect();
        let points = Points::of(&points).unwrap();
        assert!(points.len() <= MOST && points.seen == 10_000);
        assert!(points.times.is_sorted() && points.values.is_sorted());
        assert_eq!((points.times[0], points.times[points.len() - 1]), (0.0, 1.0));
        assert!(Points::of(&[(1.0, 2.0), (1.0, 3.0)]).is_none());
        assert!(Points::of(&[(f64::NAN, 2.0)]).is_none());
    }

    #[test]
    fn a_lone_spike_is_clipped_and_a_step_is_not() {
        let wobble = |n: usize| 10.0 + (n * 7 % 5) as f64;
        let mut points: Vec<_> = (0..40).map(|n| (n as f64, wobble(n))).collect();
        points[20].1 = 1e6;
        points[39].1 = 1e6;
        clip_spikes(&mut points);
        assert!(points.iter().all(|it| it.1 < 40.0));
        let step = |n: usize| if n >= 20 { 1e6 } else { 0.0 };
        let mut points: Vec<_> = (0..40).map(|n| (n as f64, wobble(n) + step(n))).collect();
        let before = points.clone();
        clip_spikes(&mut points);
        assert_eq!(points, before);
    }
}
