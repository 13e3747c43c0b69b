//! Axes: from values to places between 0 and 1, and where ticks stand.

use crate::report::style;

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Count,
    Bytes,
}

/// How values become places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// An axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) unit: Unit,
    pub(crate) scale: Scale,
}

impl Axis {
    /// From the least to the largest of the values that can be shown.
    pub(super) fn range(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let is_shown =
            |value: &f64| value.is_finite() && (*value > 0.0 || self.scale == Scale::Linear);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(is_shown) {
            low = low.min(value);
            high = high.max(value);
        }
        match self.scale {
            _ if low > high => (1.0, 2.0),
            Scale::Linear => (low.min(0.0), if high > low.min(0.0) { high } else { low + 1.0 }),
            Scale::Log => (low, if high > low { high } else { 2.0 * low }),
        }
    }

    /// The place of a value, 0 for the range's start and 1 for its end.
    pub(super) fn place(&self, value: f64, (low, high): (f64, f64)) -> f64 {
        match self.scale {
            Scale::Linear => (value - low) / (high - low),
            Scale::Log => (value.max(f64::MIN_POSITIVE) / low).ln() / (high / low).ln(),
        }
    }

    /// Values for ticks, at most so many.
    pub(super) fn ticks(&self, range: (f64, f64), most: usize) -> Vec<f64> {
        let most = most.max(2);
        match self.scale {
            Scale::Linear => linear_ticks(range, most),
            Scale::Log => self.log_ticks(range, most),
        }
    }

    fn log_ticks(&self, (low, high): (f64, f64), most: usize) -> Vec<f64> {
        // Bytes in powers of two, counts of ten.
        let base: f64 = if self.unit == Unit::Bytes { 2.0 } else { 10.0 };
        let first = (low.ln() / base.ln() - 1e-9).ceil() as i32;
        let last = (high.ln() / base.ln() + 1e-9).floor() as i32;
        let count = (last - first + 1).max(0) as usize;
        let mut step = count.div_ceil(most).max(1) as i32;
        if self.unit == Unit::Bytes && step > 1 {
            // 1 KiB, 32 KiB, 1 MiB: steps that meet the units.
            step = [2, 5, 10, 20, 30].into_iter().find(|good| *good >= step).unwrap_or(step);
        }
        (first..=last).filter(|power| power % step == 0).map(|power| base.powi(power)).collect()
    }

    /// Spells a tick.
    pub(super) fn spell(&self, value: f64) -> String {
        let whole = value.round().max(0.0) as u64;
        match self.unit {
            Unit::Bytes => style::bytes(whole).replace(".0 ", " "),
            Unit::Count => style::count(whole),
        }
    }
}

fn linear_ticks((low, high): (f64, f64), most: usize) -> Vec<f64> {
    let rough = (high - low) / most as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|by| by * power).into_iter().find(|step| *step >= rough);
    let Some(step) = step.filter(|step| step.is_normal()) else { return vec![low] };
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first + 1.0).clamp(0.0, 100.0) as usize;
    (0..count).map(|index| (first + index as f64) * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let bytes = Axis { label: String::new(), unit: Unit::Bytes, scale: Scale::Log };
        let ticks = bytes.ticks((48.0, 60e6), 6);
        assert_eq!(ticks, [1024.0, 32768.0, 1048576.0, 33554432.0]);
        assert_eq!(bytes.spell(32768.0), "32 KiB");
        let count = Axis { label: String::new(), unit: Unit::Count, scale: Scale::Log };
        assert_eq!(count.ticks((1.0, 1000.0), 9), [1.0, 10.0, 100.0, 1000.0]);
        let linear = Axis { label: String::new(), unit: Unit::Count, scale: Scale::Linear };
        assert_eq!(linear.ticks((0.0, 95.0), 5), [0.0, 20.0, 40.0, 60.0, 80.0]);
    }

    #[test]
    fn places_follow_the_scale() {
        let log = Axis { label: String::new(), unit: Unit::Count, scale: Scale::Log };
        assert!((log.place(100.0, (1.0, 10_000.0)) - 0.5).abs() < 1e-12);
        assert_eq!(log.range([].into_iter()), (1.0, 2.0));
        assert_eq!(log.range([0.0, 5.0, 5.0].into_iter()), (5.0, 10.0));
        let linear = Axis { label: String::new(), unit: Unit::Count, scale: Scale::Linear };
        assert_eq!(linear.range([3.0, 9.0].into_iter()), (0.0, 9.0));
    }
}
