//! A sawtooth or another wave that repeats, found and taken out.
//!
//! Phase dispersion minimization (Stellingwerf, "Period determination using phase dispersion
//! minimization", 1978): for every period that is tried, points are put into bins by their phase; at
//! the right one, each bin agrees with itself. That needs neither a form of the wave nor regular times.
//! Only what repeats four times counts: a wave that was seen but twice may be anything.
//! Some hundred periods are tried, O(n) each.

const BINS: usize = 8;
/// The fewest repetitions.
const FEWEST_WAVES: f64 = 4.0;
/// The fewest points a wave.
const FEWEST_POINTS: f64 = 3.5;
/// The part of the variance that a wave must explain, beyond what bins explain by chance.
const LEAST_PART: f64 = 0.45;
/// Steps of the frequency for each wave more: the last point moves by a part of a wave.
const STEPS: f64 = 6.0;

/// Takes a wave out of `rest`, which has no trend; returns the wave at each point, and its period.
pub(crate) fn wave(times: &[f64], rest: &[f64]) -> Option<(Vec<f64>, f64)> {
    let most = times.len() as f64 / FEWEST_POINTS;
    if most < FEWEST_WAVES || times.len() < 4 * BINS {
        return None;
    }
    let whole: f64 = rest.iter().map(|it| it * it).sum();
    if whole <= 0.0 {
        return None;
    }
    let tried = ((most - FEWEST_WAVES) * STEPS) as usize;
    let frequency = |step: usize| FEWEST_WAVES + step as f64 / STEPS;
    let explained = |frequency: f64| {
        let (sums, counts) = bins(times, rest, frequency);
        let by_bins: f64 =
            sums.iter().zip(&counts).map(|(sum, n)| sum * sum / f64::max(*n, 1.0)).sum();
        by_bins / whole
    };
    // The lowest of several equally good: a multiple of the period explains as much.
    let best = (0..=tried)
        .map(|step| (step, explained(frequency(step))))
        .fold((0, 0.0), |best, it| if it.1 > best.1 { it } else { best });
    let by_chance = BINS as f64 / times.len() as f64;
    if (best.1 - by_chance) / (1.0 - by_chance) < LEAST_PART {
        return None;
    }
    let frequency = frequency(best.0);
    let (sums, counts) = bins(times, rest, frequency);
    let means: Vec<_> = sums.iter().zip(&counts).map(|(sum, n)| sum / f64::max(*n, 1.0)).collect();
    let at = times.iter().map(|time| means[bin(*time, frequency)]).collect();
    Some((at, 1.0 / frequency))
}

fn bins(times: &[f64], rest: &[f64], frequency: f64) -> ([f64; BINS], [f64; BINS]) {
    let (mut sums, mut counts) = ([0.0; BINS], [0.0; BINS]);
    for (time, value) in times.iter().zip(rest) {
        let bin = bin(*time, frequency);
        sums[bin] += value;
        counts[bin] += 1.0;
    }
    (sums, counts)
}

fn bin(time: f64, frequency: f64) -> usize {
    ((time * frequency).fract() * BINS as f64) as usize % BINS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sawtooth_is_found_at_irregular_times_and_a_straight_line_is_none() {
        let times = (0..120).map(|n| (f64::from(n) + f64::from(n * 7 % 5) / 6.0) / 121.0);
        let times: Vec<_> = times.collect();
        let saw: Vec<_> = times.iter().map(|t| (t * 9.0).fract() - 0.5).collect();
        let (wave, period) = wave(&times, &saw).unwrap();
        assert!((period - 1.0 / 9.0).abs() < 0.01, "{period}");
        let left: f64 = saw.iter().zip(&wave).map(|(a, b)| (a - b) * (a - b)).sum();
        assert!(left < 0.1 * saw.iter().map(|a| a * a).sum::<f64>());
        let line: Vec<_> = times.iter().map(|t| t - 0.5).collect();
        assert!(super::wave(&times, &line).is_none());
    }
}
