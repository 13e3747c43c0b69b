//! How likely a table gets more keys than it takes.

/// From so many keys on, a share is as likely as by Poisson's law: a share that matters is of a
/// thousand keys then, and the laws differ by less than a thousandth.
const MANY: u64 = 1 << 22;

/// How likely one of `2^depth` places gets more than `most` of `n` keys.
pub(super) fn likely_over(n: u64, depth: u32, most: u64) -> f64 {
    if n <= most {
        return 0.0;
    }
    if depth == 0 {
        return 1.0;
    }
    let part = (-f64::from(depth)).exp2();
    let mean = n as f64 * part;
    // Twenty standard deviations: no number is small enough to tell the difference.
    let reach = 20.0 * mean.sqrt() + 20.0;
    if mean - reach > most as f64 {
        return 1.0;
    }
    if mean + reach < most as f64 {
        return 0.0;
    }
    // Summed away from the middle, where terms only fall.
    match (most as f64) < mean {
        true => (1.0 - sum_down(n, part, most)).clamp(0.0, 1.0),
        false => sum_up(n, part, most + 1).clamp(0.0, 1.0),
    }
}

/// How likely both halves of `n` keys are more than `most`.
pub(super) fn likely_both_over(n: u64, most: u64) -> f64 {
    if n < 2 * (most + 1) {
        return 0.0;
    }
    let (one, neither) = (likely_over(n, 1, most), likely_over(n, 1, n - most - 1));
    (one - neither).clamp(0.0, 1.0)
}

fn sum_down(n: u64, part: f64, from: u64) -> f64 {
    let mut term = likelihood(n, part, from);
    let (mut sum, mut k) = (0.0, from);
    while term > sum * 1e-18 {
        sum += term;
        if k == 0 {
            break;
        }
        let left =
            if n >= MANY { n as f64 * part } else { (n - k + 1) as f64 * part / (1.0 - part) };
        term *= k as f64 / left;
        k -= 1;
    }
    sum
}

fn sum_up(n: u64, part: f64, from: u64) -> f64 {
    let mut term = likelihood(n, part, from);
    let (mut sum, mut k) = (0.0, from);
    while term > sum * 1e-18 && k <= n {
        sum += term;
        let left = if n >= MANY { n as f64 * part } else { (n - k) as f64 * part / (1.0 - part) };
        term *= left / (k + 1) as f64;
        k += 1;
    }
    sum
}

/// How likely a place that gets each key with a likelihood of `part` gets `k` of `n`.
fn likelihood(n: u64, part: f64, k: u64) -> f64 {
    let (n_keys, share) = (n as f64, k as f64);
    let log = if n >= MANY {
        let mean = n_keys * part;
        share * mean.ln() - mean - ln_factorial(share)
    } else {
        ln_factorial(n_keys) - ln_factorial(share) - ln_factorial(n_keys - share)
            + share * part.ln()
            + (n_keys - share) * (-part).ln_1p()
    };
    log.exp()
}

/// The logarithm of a factorial, by Stirling's series.
fn ln_factorial(n: f64) -> f64 {
    if n < 16.0 {
        return (2..=n as u32).map(|factor| f64::from(factor).ln()).sum();
    }
    let (x, inverse) = (n + 1.0, 1.0 / (n + 1.0));
    let series =
        inverse * (1.0 / 12.0 - inverse * inverse * (1.0 / 360.0 - inverse * inverse / 1260.0));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cases_are_those_counted_by_hand() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        // Of three keys, all four ways in which two or more lie in the first half.
        near(likely_over(3, 1, 1), 0.5);
        near(likely_over(2, 1, 1), 0.25);
        near(likely_over(2, 2, 0), 1.0 - 0.5625);
        near(likely_over(10, 0, 9), 1.0);
        near(likely_over(9, 3, 9), 0.0);
        // Four keys: two and two is the one way for both to have more than one.
        near(likely_both_over(4, 1), 6.0 / 16.0);
    }

    #[test]
    fn the_laws_for_few_and_many_keys_meet() {
        for depth in [11, 12, 13] {
            let (few, many) = (MANY - 1, MANY);
            let (a, b) = (likely_over(few, depth, 896), likely_over(many, depth, 896));
            assert!((a - b).abs() < 1e-2, "{depth}: {a} {b}");
        }
    }
}
