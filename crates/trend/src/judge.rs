//! From shapes to a verdict.
//!
//! Every shape speaks for a verdict, and the best shape of each verdict speaks for it. The difference
//! of their scores is how sure that is. To be called growing, a series must pass three gates besides,
//! since that is what wakes people at night: growth must be well ahead of everything that is no growth;
//! the order of values must be more than chance though neighbours agree (Hamed and Rao's test); and
//! floor, middle and peak must all have risen, so that a wave that was cut off does not pass.

use crate::period;
use crate::points::{Points, median, quantile};
use crate::shapes::{Kind, Shape, shapes};
use crate::slope::{TrendTest, theil_sen};
use crate::trend::{Change, ChangeKind, Explanation, Trend, Verdict};

/// Fewer points say nothing.
const FEWEST: usize = 8;
/// By how much growth must be ahead of what is no growth.
const AHEAD: f64 = 4.0;
/// By how much a rise that has ended must be ahead of a straight line.
const SETTLED_AHEAD: f64 = 3.0;
/// How many standard deviations the order of values must be off.
const ORDER: f64 = 2.4;
/// How many standard errors a slope beside steps or bends must have.
const SLOPE: f64 = 4.0;
/// The part of the range, all noise aside, that a series ends above all that was before its change.
const ABOVE: f64 = 0.05;
/// A rise that ends later than at this part of the span may as well not have ended.
const LATEST: f64 = 0.8;
/// Levels that differ by fewer deviations of what is around them are none.
const LEVELS_APART: f64 = 2.5;
/// Where what is around levels keeps more of itself, they are parts of something that moves.
const MOST_WANDERING: f64 = 0.75;
/// The part of the range that must be moved by where there is a wave.
const LEAST_OF_WAVE: f64 = 0.12;
/// A rise is at least this part of the range; how many there must be, how much may be lost again, and
/// how much must have come in the last third.
const TOOTH: f64 = 0.02;
const RISES: usize = 7;
const FALLS: f64 = 0.15;
const LATE_PART: f64 = 0.2;
/// Which part of its middle a series must go up and down by to churn.
const SWING: f64 = 0.15;
/// How many times what was at the start is more than ups and downs.
const MULTIPLE: f64 = 1.5;
/// By what a difference of scores is divided to be as sure as it is right; see `docs/series.md`.
const TEMPER: f64 = 2.4;
/// How often noise hides growth where it could.
const HIDES: f64 = 0.22;
/// No more is ever claimed, and how sure a verdict is that was made in spite of a better shape.
const SUREST: f64 = 0.99;
const LEAST_SURE: f64 = 0.4;

/// A shape, and what it speaks for.
struct Opinion<'s> {
    shape: &'s Shape,
    verdict: Verdict,
    explanation: Explanation,
}

/// Judges points; see [`Trend::of`].
pub(crate) fn judge(points: &[(f64, f64)], least: f64) -> Trend {
    let Some(points) = Points::of(points) else { return Trend::nothing(points.len()) };
    if points.seen < FEWEST {
        return Trend::nothing(points.seen);
    }
    let least = if least.is_finite() { least.max(0.0) } else { f64::MAX };
    let mut trend = Trend::nothing(points.seen);
    trend.verdict = Verdict::Flat;
    trend.explanation = Explanation::TooLittle;
    trend.confidence = SUREST;
    let end = points.seconds(1.0);
    trend.last = (end, points.value(0.0));
    if points.scale <= least || points.scale <= 0.0 {
        return trend;
    }
    let least = least / points.scale;
    let (values, period) = without_wave(&points);
    trend.period = period.map(|period| period * points.span);
    let slope = theil_sen(&points.times, &values);
    let to_units = points.scale / points.span;
    trend.per_second = slope * to_units;
    trend.strength = TrendTest::of(&points.times, &values, slope).strength;

    let shapes = shapes(&points, &values, (0.02 * least).powi(2) + 1e-8);
    let judge = Judge { points: &points, values: &values, least, has_wave: period.is_some() };
    let mut opinions: Vec<_> = shapes.iter().filter_map(|shape| judge.opinion(shape)).collect();
    opinions.sort_by(|a, b| a.shape.score.total_cmp(&b.shape.score));
    let moves = |it: &Opinion<'_>| matches!(it.verdict, Verdict::Growing | Verdict::Falling);
    // That a rise has just ended can't be told from one that has not: the better shape decides.
    let is_still = |it: &&Opinion<'_>| !moves(it) && it.explanation != Explanation::Settled;
    let still = opinions.iter().find(is_still).map(|it| it.shape.score);
    let line = shapes.iter().find(|it| it.kind == Kind::Line);
    let passes = |it: &Opinion<'_>| {
        if it.explanation == Explanation::Settled {
            return line.is_none_or(|line| line.score - it.shape.score > SETTLED_AHEAD);
        }
        // What moves beside something else may be the rest of that, fitted badly.
        let wanted = match it.shape.kind {
            Kind::SteppedLine => 2.5 * AHEAD,
            _ if period.is_some() => 1.5 * AHEAD,
            _ => AHEAD,
        };
        !moves(it) || (still.is_none_or(|still| still - it.shape.score > wanted) && judge.gates(it))
    };
    let first_still = || opinions.iter().find(|it| !moves(it));
    let Some(chosen) = opinions.iter().find(|it| passes(it)).or_else(first_still) else {
        return trend;
    };
    let kind = |it: &Opinion<'_>| match it.verdict {
        // Which of the two is a matter of size, not of form.
        Verdict::Churning => Verdict::Flat,
        verdict => verdict,
    };
    let other = opinions.iter().find(|it| kind(it) != kind(chosen)).map(|it| it.shape.score);
    let ahead = other.map_or(f64::INFINITY, |other| other - chosen.shape.score);
    let sure = 1.0 / (1.0 + (-ahead / 2.0 / TEMPER).exp());
    // Noise may hide growth as large as what it makes up; how often it does is a guess.
    let hidden = match line {
        Some(line) if chosen.verdict == Verdict::Flat || chosen.verdict == Verdict::Churning => {
            let (slope, error) = line.tail();
            HIDES * (1.0 - least / (slope.abs() + 2.0 * error).max(least).max(f64::MIN_POSITIVE))
        }
        _ => 0.0,
    };
    trend.confidence = (sure * (1.0 - hidden)).clamp(LEAST_SURE, SUREST);
    trend.verdict = chosen.verdict;
    trend.explanation = chosen.explanation;
    let shape = chosen.shape;
    if !moves(chosen)
        && chosen.explanation != Explanation::Settled
        && let Some(sure) = judge.ratchet()
    {
        trend.verdict = Verdict::Growing;
        trend.explanation = Explanation::StepByStep;
        trend.confidence = sure;
        trend.per_second_error = trend.per_second.abs() / 2.0;
        trend.last.1 = points.value(values.last().copied().unwrap_or(0.0));
        return trend;
    }
    trend.changes = changes(&points, chosen);
    if moves(chosen) && shape.kind != Kind::Steps {
        let (slope, error) = shape.tail();
        trend.per_second = slope * to_units;
        trend.per_second_error = error * to_units;
    }
    let rest = shape.fit.rest.last().copied().unwrap_or(0.0);
    let last = values.last().copied().unwrap_or(0.0) - rest;
    trend.last = (end, points.value(last));
    trend.last_error = shape.fit.level_error(points.len() / 4) * points.scale;
    trend
}

/// Takes a wave out, where there is one; what is left has the trend that it had.
fn without_wave(points: &Points) -> (Vec<f64>, Option<f64>) {
    let times = &points.times;
    let mut values = points.values.clone();
    let mut period = None;
    for _ in 0..2 {
        let slope = theil_sen(times, &values);
        let line = |at: f64| slope * at;
        let mut rest: Vec<_> =
            times.iter().zip(&points.values).map(|(at, value)| value - line(*at)).collect();
        let middle = rest.iter().sum::<f64>() / rest.len() as f64;
        rest.iter_mut().for_each(|it| *it -= middle);
        let Some((wave, found)) = period::wave(times, &rest) else {
            return (points.values.clone(), None);
        };
        values = points.values.iter().zip(&wave).map(|(value, wave)| value - wave).collect();
        period = Some(found);
    }
    (values, period)
}

struct Judge<'p> {
    points: &'p Points,
    values: &'p [f64],
    least: f64,
    has_wave: bool,
}

impl Judge<'_> {
    /// What a shape speaks for; nothing where it neither moves for certain nor has settled.
    fn opinion<'s>(&self, shape: &'s Shape) -> Option<Opinion<'s>> {
        let (slope, error) = shape.tail();
        let start = shape.tail_start();
        let moved = slope.abs() * (1.0 - start).max(0.0);
        // What is left where a wave was taken out, bins and an uneven end have made.
        let least = if self.has_wave { self.least.max(LEAST_OF_WAVE) } else { self.least };
        let direction = if slope > 0.0 { Verdict::Growing } else { Verdict::Falling };
        let is_clear = slope.abs() > SLOPE * error && moved > least;
        let (verdict, explanation) = match shape.kind {
            Kind::Flat => self.still(),
            Kind::Line if moved > least => (direction, Explanation::Steady),
            Kind::Line => (Verdict::Flat, Explanation::TooLittle),
            Kind::LevelRise | Kind::Bend if is_clear => (direction, Explanation::SinceChange),
            Kind::LevelRise => self.still(),
            Kind::SettlingLine | Kind::SteppedLine if is_clear => (direction, Explanation::Steady),
            Kind::Bend | Kind::SettlingLine => return None,
            Kind::RiseLevel if shape.places.iter().any(|place| *place > LATEST) => return None,
            Kind::RiseLevel | Kind::Settle => (Verdict::Flat, Explanation::Settled),
            Kind::Steps | Kind::SteppedLine => self.steps(shape),
        };
        Some(Opinion { shape, verdict, explanation })
    }

    /// What levels are: one that follows the other in one direction, or up and down.
    fn steps(&self, shape: &Shape) -> (Verdict, Explanation) {
        let heights = shape.heights();
        let net: f64 = heights.iter().sum();
        let mut level = 0.0;
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for height in heights {
            level += height;
            (low, high) = (low.min(level), high.max(level));
        }
        let is_one_way = heights.iter().all(|it| it * net > 0.0);
        let ends_late = shape.places.last().is_some_and(|last| *last > 0.6);
        // The first of three doublings is a seventh of all that came.
        let is_even = heights.iter().all(|it| it.abs() > net.abs() / 8.0);
        if heights.len() >= 3 && is_one_way && is_even && ends_late && net.abs() > self.least {
            let verdict = if net > 0.0 { Verdict::Growing } else { Verdict::Falling };
            return (verdict, Explanation::StepByStep);
        }
        let rest = &shape.fit.rest;
        let noise = (rest.iter().map(|it| it * it).sum::<f64>() / rest.len().max(1) as f64).sqrt();
        let is_level = shape.fit.kept < MOST_WANDERING;
        let least = if self.has_wave { self.least.max(2.0 * LEAST_OF_WAVE) } else { self.least };
        let is_clear = is_level && net.abs() > least.max(LEVELS_APART * noise);
        match is_clear && net.abs() >= 0.5 * (high - low) {
            true => (Verdict::Stepped, Explanation::Steps),
            false => self.still(),
        }
    }

    /// Flat or churning, by how far it goes up and down.
    fn still(&self) -> (Verdict, Explanation) {
        let mut values = self.points.values.clone();
        let swing = quantile(&mut values, 0.9) - quantile(&mut values, 0.1);
        let level = (self.points.middle / self.points.scale).abs();
        match (swing > (SWING * level).max(self.least), self.has_wave) {
            (true, false) if self.multiplied() => (Verdict::Stepped, Explanation::Steps),
            (true, true) => (Verdict::Churning, Explanation::Wave),
            (true, false) => (Verdict::Churning, Explanation::Swings),
            (false, _) => (Verdict::Flat, Explanation::Level),
        }
    }

    /// Whether nearly all of the end is far above nearly all of the start: what doubled, however it went
    /// up and down meanwhile, has not come back.
    fn multiplied(&self) -> bool {
        let units = |value: &f64| self.points.value(*value);
        let mut values: Vec<_> = self.points.values.iter().map(units).collect();
        let third = values.len() / 3;
        let end = values.len() - third;
        let low = quantile(&mut values[end..], 0.1);
        low > MULTIPLE * quantile(&mut values[..third], 0.9).max(0.0)
    }

    /// How sure it is that something grows which hardly ever falls, by the number of its rises.
    ///
    /// A leak that is seen through samples of half a megabyte is such a stair, and its noise adds up
    /// from point to point, so that no shape fits. If it did not grow, falls were as likely as rises.
    fn ratchet(&self) -> Option<f64> {
        let moves = || self.values.windows(2).map(|pair| pair[1] - pair[0]);
        let rises = moves().filter(|by| *by > TOOTH).count();
        let risen: f64 = moves().filter(|by| *by > 0.0).sum();
        let fallen: f64 = moves().filter(|by| *by < 0.0).sum();
        let late = self.values.len() - self.values.len() / 3;
        let first = moves().take(late).filter(|by| *by > 0.0).sum::<f64>();
        let goes_on = risen - first > LATE_PART * risen;
        let is_large = risen + fallen > 2.0 * self.least;
        (rises >= RISES && -fallen < FALLS * risen && goes_on && is_large)
            .then(|| (1.0 - 3.0 / rises as f64 / 2.0).clamp(LEAST_SURE, 0.95))
    }

    /// Whether what moves by its shape does so by all else, too.
    fn gates(&self, opinion: &Opinion<'_>) -> bool {
        let sign = if opinion.verdict == Verdict::Growing { 1.0 } else { -1.0 };
        let start = opinion.shape.tail_start();
        let times = &self.points.times;
        let first = times.partition_point(|at| *at < start);
        let (times, tail) = (&times[first..], &self.values[first..]);
        if tail.len() < FEWEST {
            return false;
        }
        let test = TrendTest::of(times, tail, theil_sen(times, tail));
        let order =
            if opinion.explanation == Explanation::SinceChange { 1.5 * ORDER } else { ORDER };
        if sign * test.strength < order {
            return false;
        }
        let raw = &self.points.values[first..];
        let third = raw.len() / 3;
        let (head, last) = (&raw[..third], &raw[raw.len() - third..]);
        let has_risen = [0.15, 0.5, 0.85].into_iter().all(|part| {
            let of = |values: &[f64]| quantile(&mut values.to_vec(), part);
            sign * (of(last) - of(head)) > 0.0
        });
        let is_new = opinion.explanation != Explanation::SinceChange || {
            // What only comes back to where it was before is no leak that started.
            let before = &self.values[..first];
            let there = |at: usize| {
                let near = before[at.saturating_sub(2)..(at + 3).min(before.len())].to_vec();
                sign * median(&mut { near })
            };
            let highest = (0..before.len()).map(there).fold(f64::NEG_INFINITY, f64::max);
            let ends = &tail[tail.len() - (tail.len() / 4).max(3).min(tail.len())..];
            sign * median(&mut ends.to_vec()) > highest + ABOVE
        };
        has_risen && is_new
    }
}

fn changes(points: &Points, chosen: &Opinion<'_>) -> Vec<Change> {
    let shape = chosen.shape;
    let steps = shape.heights();
    if !steps.is_empty() && chosen.verdict != Verdict::Flat {
        let each = shape.places.iter().zip(steps).map(|(at, by)| Change {
            at: points.seconds(*at),
            kind: ChangeKind::Step,
            by: by * points.scale,
        });
        return each.collect();
    }
    let (at, kind) = match (chosen.explanation, shape.kind) {
        (Explanation::SinceChange, _) => (shape.tail_start(), ChangeKind::Inflection),
        (Explanation::Settled, Kind::Bend | Kind::RiseLevel) => {
            (shape.places.first().copied().unwrap_or(0.0), ChangeKind::Settling)
        }
        (Explanation::Settled, _) => {
            // By then all but a twentieth is there.
            (3.0 * shape.places.first().copied().unwrap_or(0.0), ChangeKind::Settling)
        }
        _ => return Vec::new(),
    };
    vec![Change { at: points.seconds(at.min(1.0)), kind, by: 0.0 }]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::phases;

    fn line(n: u32) -> Vec<(f64, f64)> {
        (0..n).map(|at| (f64::from(at), f64::from(at))).collect()
    }

    #[test]
    fn few_points_say_nothing_and_small_growth_is_not_worth_a_word() {
        assert_eq!(Trend::of(&line(7), 1.0).verdict, Verdict::TooEarly);
        assert_eq!(Trend::of(&line(20), 1.0).verdict, Verdict::Growing);
        assert_eq!(Trend::of(&line(20), 100.0).verdict, Verdict::Flat);
        assert!((Trend::of(&line(20), 1.0).per_second - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_leak_that_starts_later_is_dated_and_projected() {
        let wobble = |n: u32| f64::from(n * 7919 % 101) / 10.0;
        let points: Vec<_> = (0..120_u32)
            .map(|n| (f64::from(n), 100.0 + wobble(n) + f64::from(n.saturating_sub(70))))
            .collect();
        let trend = Trend::of(&points, 2.0);
        assert_eq!(trend.verdict, Verdict::Growing, "{trend:?}");
        let inflection = trend.inflection().unwrap();
        assert!((inflection - 70.0).abs() < 8.0, "{trend:?}");
        let limit = trend.until(254.0).unwrap();
        assert!(limit.earliest < 100.0 && limit.latest.unwrap() > 100.0, "{limit:?}");
        assert!((80.0..120.0).contains(&limit.expected), "{limit:?}");
    }

    #[test]
    fn what_doubles_from_time_to_time_grows() {
        // A classic map of Go 1.23 while entries are added: at each doubling the old array stays until
        // all of it has moved.
        let mib = [
            0.2, 0.3, 0.6, 0.7, 1.3, 1.3, 1.3, 1.3, 3.9, 2.5, 2.5, 2.5, 2.5, 2.5, 2.6, 2.7, 2.8,
            7.8, 7.6, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.1, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6,
            5.7, 15.6, 15.4, 15.2, 15.1, 10.0,
        ];
        let points: Vec<_> = mib.iter().enumerate().map(|(at, it)| (at as f64, *it)).collect();
        let trend = Trend::of(&points, 0.5);
        assert!(matches!(trend.verdict, Verdict::Growing | Verdict::Stepped), "{trend:?}");
    }

    proptest! {
        #[test]
        fn any_series_is_survived(points in prop::collection::vec(any::<(f64, f64)>(), 0..300)) {
            let trend = Trend::of(&points, 1.0);
            prop_assert!((0.0..=1.0).contains(&trend.confidence));
            let _ = (phases(&points, 1.0), trend.until(1e9));
        }

        #[test]
        fn values_of_any_size_are_survived(
            points in prop::collection::vec((-1e3..1e3, -1e29..1e29), 8..60),
        ) {
            prop_assert!(Trend::of(&points, 0.0).per_second.is_finite());
        }
    }
}
