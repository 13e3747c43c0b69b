//! The shapes that a series may have, each fitted, with what speaks for it.
//!
//! What speaks for a shape is Schwarz's criterion on what is new at each point ([`Fit`]): the better
//! of two shapes tells more of the values than it has parameters. The place of a change is searched for
//! and counts as parameters, too, a step's as two (Zhang and Siegmund, "A modified Bayes information
//! criterion", 2007). Steps lie where they leave least, of all ways to cut (Auger and Lawrence,
//! "Algorithms for the optimal identification of segment neighborhoods", 1989), O(n²) once. About a
//! hundred fits, O(n) each.

use crate::fit::Fit;
use crate::points::Points;

/// Places that are tried for a bend.
const PLACES: usize = 18;
/// The fewest points before or after a change.
const FEWEST: usize = 4;
/// The most steps.
const STEPS: usize = 3;
/// Parts of the span within which a cache fills up to all but a third.
const SETTLING: [f64; 8] = [0.02, 0.032, 0.05, 0.075, 0.11, 0.16, 0.23, 0.3];
/// Parts of the best of these, which are tried then.
const FINER: [f64; 8] = [0.8, 0.86, 0.91, 0.955, 1.045, 1.09, 1.14, 1.2];
/// What the place of a bend, a settling or a step costs, in parameters.
const PLACE: f64 = 1.0;
const STEP_PLACE: f64 = 2.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A level.
    Flat,
    /// A straight line.
    Line,
    /// Levels, one after the other.
    Steps,
    /// Steps, and a slope all along.
    SteppedLine,
    /// A level, from which a slope starts.
    LevelRise,
    /// A slope that ends in a level.
    RiseLevel,
    /// A slope that becomes another.
    Bend,
    /// Ever slower, up to a level.
    Settle,
    /// The same, and a slope all along.
    SettlingLine,
}

/// A shape that was fitted.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// Where it changes, from 0 to 1.
    pub(crate) places: Vec<f64>,
    pub(crate) fit: Fit,
    /// Schwarz's criterion: the least is best.
    pub(crate) score: f64,
}

impl Shape {
    /// The slope at the end, and its standard error.
    pub(crate) fn tail(&self) -> (f64, f64) {
        match self.kind {
            Kind::Line | Kind::LevelRise | Kind::SteppedLine | Kind::SettlingLine => {
                self.fit.sum(&[1])
            }
            Kind::Bend => self.fit.sum(&[1, 2]),
            _ => (0.0, 0.0),
        }
    }

    /// Since when it has had that slope.
    pub(crate) fn tail_start(&self) -> f64 {
        match self.kind {
            Kind::Bend | Kind::LevelRise => self.places.last().copied().unwrap_or(0.0),
            Kind::SettlingLine => 3.0 * self.places.first().copied().unwrap_or(0.0),
            _ => 0.0,
        }
    }

    /// The heights of its steps.
    pub(crate) fn heights(&self) -> &[f64] {
        let first = match self.kind {
            Kind::Steps => 1,
            Kind::SteppedLine => 2,
            _ => return &[],
        };
        &self.fit.factors[first..first + self.places.len()]
    }
}

/// Fits all shapes.
pub(crate) fn shapes(points: &Points, values: &[f64], least_variance: f64) -> Vec<Shape> {
    let times = &points.times;
    let maker = Maker { times, values, least_variance };
    let column = |of: &dyn Fn(f64) -> f64| times.iter().map(|at| of(*at)).collect::<Vec<_>>();
    let (one, line) = (column(&|_| 1.0), column(&|at| at));
    let mut all = Vec::new();
    let mut add = |shape: Option<Shape>| all.extend(shape);
    add(maker.make(Kind::Flat, vec![], std::slice::from_ref(&one), 0.0));
    add(maker.make(Kind::Line, vec![], &[one.clone(), line.clone()], 0.0));
    for place in places(times) {
        let after = column(&|at| (at - place).max(0.0));
        let before = column(&|at| at.min(place));
        let step = column(&|at| if at >= place { 1.0 } else { 0.0 });
        add(maker.make(Kind::LevelRise, vec![place], &[one.clone(), after.clone()], PLACE));
        add(maker.make(Kind::RiseLevel, vec![place], &[one.clone(), before], PLACE));
        add(maker.make(Kind::Bend, vec![place], &[one.clone(), line.clone(), after], PLACE));
        let columns = [one.clone(), line.clone(), step];
        add(maker.make(Kind::SteppedLine, vec![place], &columns, STEP_PLACE));
    }
    let settling = |part: f64| {
        let settles = column(&|at| 1.0 - (-at / part).exp());
        let columns = [one.clone(), settles.clone()];
        let bare = maker.make(Kind::Settle, vec![part], &columns, PLACE);
        let columns = [one.clone(), line.clone(), settles];
        [bare, maker.make(Kind::SettlingLine, vec![part], &columns, PLACE)]
    };
    let coarse: Vec<_> = SETTLING.iter().flat_map(|part| settling(*part)).flatten().collect();
    let best = coarse.iter().min_by(|a, b| a.score.total_cmp(&b.score));
    let near = best.map_or(0.0, |best| best.places[0]);
    FINER.iter().flat_map(|by| settling(near * by)).for_each(&mut add);
    coarse.into_iter().map(Some).for_each(&mut add);
    for splits in best_splits(values) {
        let places: Vec<_> = splits.iter().map(|at| times[*at]).collect();
        let steps = places.iter().map(|place| column(&|at| if at >= *place { 1.0 } else { 0.0 }));
        let mut columns = vec![one.clone()];
        columns.extend(steps);
        let cost = STEP_PLACE * places.len() as f64;
        add(maker.make(Kind::Steps, places.clone(), &columns, cost));
        columns.insert(1, line.clone());
        add(maker.make(Kind::SteppedLine, places, &columns, cost));
    }
    all
}

struct Maker<'p> {
    times: &'p [f64],
    values: &'p [f64],
    least_variance: f64,
}

impl Maker<'_> {
    fn make(
        &self,
        kind: Kind,
        places: Vec<f64>,
        columns: &[Vec<f64>],
        for_places: f64,
    ) -> Option<Shape> {
        let fit = Fit::of(columns, self.values, self.least_variance)?;
        let count = self.times.len() as f64;
        let parameters = columns.len() as f64 + for_places;
        // As many parameters as points explain anything.
        if parameters + 3.0 >= count {
            return None;
        }
        let score = count * fit.fresh.ln() + parameters * count.ln();
        Some(Shape { kind, places, fit, score })
    }
}

/// Places for a bend, with some points on either side.
fn places(times: &[f64]) -> impl Iterator<Item = f64> {
    let inner = times.len().saturating_sub(2 * FEWEST);
    let step = (inner / PLACES).max(1);
    (0..inner).step_by(step).filter_map(move |at| times.get(at + FEWEST)).copied()
}

/// Where one, two, … steps leave least: for each count, the best of all ways to cut.
fn best_splits(values: &[f64]) -> Vec<Vec<usize>> {
    let count = values.len();
    let mut sums = vec![0.0];
    let mut sum = 0.0;
    for value in values {
        sum += value;
        sums.push(sum);
    }
    // What a level tells of a piece; what it leaves is the rest, and that is the same for all.
    let told = |start: usize, end: usize| {
        let sum: f64 = sums[end] - sums[start];
        sum * sum / (end - start) as f64
    };
    let mut before: Vec<_> = (0..=count)
        .map(|end| if end >= FEWEST { told(0, end) } else { f64::NEG_INFINITY })
        .collect();
    let mut starts: Vec<Vec<usize>> = Vec::new();
    let mut found = Vec::new();
    for pieces in 2..=STEPS + 1 {
        let mut best = vec![f64::NEG_INFINITY; count + 1];
        let mut from = vec![0; count + 1];
        for end in pieces * FEWEST..=count {
            let least = (pieces - 1) * FEWEST;
            let starts = before.iter().enumerate().take(end - FEWEST + 1).skip(least);
            for (start, before) in starts {
                let told = before + told(start, end);
                if told > best[end] {
                    (best[end], from[end]) = (told, start);
                }
            }
        }
        if best[count] == f64::NEG_INFINITY {
            break;
        }
        starts.push(from);
        before = best;
        let mut splits = Vec::new();
        let mut end = count;
        for from in starts.iter().rev() {
            end = from[end];
            splits.push(end);
        }
        splits.reverse();
        found.push(splits);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(value: impl Fn(usize) -> f64) -> Shape {
        let points: Vec<_> = (0..100)
            .map(|n| (n as f64, value(n) + ((n * 7919 + 13) * 104_729 % 101) as f64 / 50.0))
            .collect();
        let points = Points::of(&points).unwrap();
        let all = shapes(&points, &points.values, 1e-8);
        all.into_iter().min_by(|a, b| a.score.total_cmp(&b.score)).unwrap()
    }

    #[test]
    fn each_shape_is_the_best_for_what_has_it() {
        assert_eq!(best(|_| 0.0).kind, Kind::Flat);
        assert_eq!(best(|n| n as f64 / 5.0).kind, Kind::Line);
        let step = best(|n| if n >= 40 { 20.0 } else { 0.0 });
        assert_eq!(step.kind, Kind::Steps);
        assert!((step.places[0] - 0.4).abs() < 0.02, "{:?}", step.places);
        let late = best(|n| (n as f64 - 60.0).max(0.0));
        assert!(matches!(late.kind, Kind::LevelRise | Kind::Bend));
        assert!((late.places[0] - 0.6).abs() < 0.06, "{:?}", late.places);
        let settled = best(|n| 60.0 * (1.0 - (-(n as f64) / 10.0).exp()));
        assert!(matches!(settled.kind, Kind::Settle | Kind::SettlingLine), "{settled:?}");
    }
}
