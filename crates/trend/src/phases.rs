//! A series cut into parts that rise, stay or fall.
//!
//! Optimal partitioning (Jackson et al., "An algorithm for optimal partitioning of data on an
//! interval", 2005; Killick, Fearnhead and Eckley's PELT, 2012, prunes the same search): of all ways to
//! cut, the one whose straight pieces leave least, where each piece costs a price. The price follows
//! from the noise, which second differences tell whatever the shape; it is raised until the pieces are
//! few enough to be read. O(n²) in thinned points.

use serde::Serialize;

use crate::points::{Points, median};

/// The most phases.
const MOST: usize = 8;
/// The fewest points of a phase.
const FEWEST: usize = 3;
/// The part of the whole range that a phase must move by to rise or fall.
const LEAST_PART: f64 = 0.08;

/// What happens in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseKind {
    /// The first rise: a map is filled.
    Init,
    /// A rise: entries are inserted.
    Insert,
    /// A level.
    Level,
    /// A fall: entries are deleted, or the whole is dropped.
    Delete,
}

/// A part of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phase {
    /// What happens in it.
    pub kind: PhaseKind,
    /// When it begins and ends, in seconds.
    pub from: f64,
    /// When it ends.
    pub to: f64,
    /// The value at its beginning.
    pub before: f64,
    /// The value at its end.
    pub after: f64,
}

/// Cuts points of (seconds, value) into phases; a change below `least` is a level.
pub fn phases(points: &[(f64, f64)], least: f64) -> Vec<Phase> {
    let Some(points) = Points::of(points).filter(|points| points.len() >= 2 * FEWEST) else {
        return Vec::new();
    };
    let sums = Sums::of(&points);
    let noise = noise(&points.values).max(1e-4);
    let mut price = 6.0 * noise * noise * (points.len() as f64).ln();
    let mut pieces = cut(&sums, points.len(), price);
    // From a price of the whole on there is one piece.
    while pieces.len() > MOST && price < points.len() as f64 {
        price *= 1.6;
        pieces = cut(&sums, points.len(), price);
    }
    let least = (least / points.scale.max(f64::MIN_POSITIVE)).max(LEAST_PART);
    let mut found: Vec<Phase> = Vec::new();
    for (start, end) in pieces {
        let (level, slope) = sums.line(start, end);
        let value = |at: usize| (level + slope * points.times[at]).clamp(-1.0, 1.0);
        let (before, after) = (value(start), value(end - 1));
        let kind = match after - before {
            by if by > least => PhaseKind::Insert,
            by if by < -least => PhaseKind::Delete,
            _ => PhaseKind::Level,
        };
        let phase = Phase {
            kind,
            from: points.seconds(points.times[start]),
            to: points.seconds(points.times[(end).min(points.len() - 1)]),
            before: points.value(before),
            after: points.value(after),
        };
        match found.last_mut() {
            Some(last) if last.kind == kind => (last.to, last.after) = (phase.to, phase.after),
            _ => found.push(phase),
        }
    }
    if let Some(first) = found.iter_mut().find(|it| it.kind != PhaseKind::Level)
        && first.kind == PhaseKind::Insert
    {
        first.kind = PhaseKind::Init;
    }
    found
}

/// What straight pieces leave, from sums up to each point.
struct Sums(Vec<[f64; 5]>);

impl Sums {
    fn of(points: &Points) -> Self {
        let mut sums = vec![[0.0; 5]];
        let mut sum = [0.0; 5];
        for (t, v) in points.times.iter().zip(&points.values) {
            for (sum, by) in sum.iter_mut().zip([*t, *v, t * t, t * v, v * v]) {
                *sum += by;
            }
            sums.push(sum);
        }
        Self(sums)
    }

    fn between(&self, start: usize, end: usize) -> ([f64; 5], f64) {
        let mut sums = self.0[end];
        sums.iter_mut().zip(self.0[start]).for_each(|(sum, before)| *sum -= before);
        (sums, (end - start) as f64)
    }

    /// Level and slope of the line through a piece.
    fn line(&self, start: usize, end: usize) -> (f64, f64) {
        let ([t, v, tt, tv, _], count) = self.between(start, end);
        let spread = tt - t * t / count;
        let slope = if spread > 1e-12 { (tv - t * v / count) / spread } else { 0.0 };
        ((v - slope * t) / count, slope)
    }

    /// The squares that its line leaves.
    fn left(&self, start: usize, end: usize) -> f64 {
        let ([t, v, tt, tv, vv], count) = self.between(start, end);
        let (spread, both) = (tt - t * t / count, tv - t * v / count);
        let told = if spread > 1e-12 { both * both / spread } else { 0.0 };
        (vv - v * v / count - told).max(0.0)
    }
}

fn cut(sums: &Sums, count: usize, price: f64) -> Vec<(usize, usize)> {
    let mut best = vec![(f64::INFINITY, 0); count + 1];
    best[0].0 = -price;
    for end in FEWEST..=count {
        for start in 0..=end - FEWEST {
            let cost = best[start].0 + sums.left(start, end) + price;
            if cost < best[end].0 {
                best[end] = (cost, start);
            }
        }
    }
    let mut pieces = Vec::new();
    let mut end = count;
    while end > 0 {
        let start = best[end].1;
        pieces.push((start, end));
        end = start;
    }
    pieces.reverse();
    pieces
}

/// The deviation of noise, by second differences, which a slope does not enter.
fn noise(values: &[f64]) -> f64 {
    let mut second: Vec<_> =
        values.windows(3).map(|it| (it[0] - 2.0 * it[1] + it[2]).abs()).collect();
    median(&mut second) / 0.6745 / 6.0_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_filled_used_and_emptied_has_its_phases() {
        let value = |n: u32| match n {
            0..30 => f64::from(n) * 10.0,
            30..60 => 300.0,
            60..80 => 300.0 + f64::from(n - 60) * 8.0,
            _ => (460.0 - f64::from(n - 80) * 15.0).max(0.0),
        };
        let points: Vec<_> =
            (0..100).map(|n| (f64::from(n), value(n) + f64::from(n * 7 % 5))).collect();
        let found = phases(&points, 1.0);
        let kinds: Vec<_> = found.iter().map(|it| it.kind).collect();
        use PhaseKind::{Delete, Init, Insert, Level};
        assert_eq!(kinds, [Init, Level, Insert, Delete], "{found:#?}");
        for (phase, from) in found.iter().zip([0.0, 30.0, 60.0, 80.0]) {
            assert!((phase.from - from).abs() <= 2.0, "{phase:?}");
        }
    }

    #[test]
    fn noise_is_a_level_and_phases_are_few() {
        let level: Vec<_> = (0..80).map(|n| (f64::from(n), f64::from(n * 37 % 11))).collect();
        assert!(phases(&level, 12.0).iter().all(|it| it.kind == PhaseKind::Level));
        let wild: Vec<_> = (0..5000).map(|n| (f64::from(n), (f64::from(n) / 50.0).sin())).collect();
        assert!(phases(&wild, 0.0).len() <= MOST);
        assert!(phases(&[(0.0, 1.0)], 0.0).is_empty());
    }
}
