//! Least squares whose errors depend on those before.
//!
//! Errors are taken to be of first order: each is a part φ of the one before, and something new. So a
//! slow wander is not taken for a shape. φ comes from the rest of the fit itself, which makes it too
//! small, the more so the more is fitted; what is known of that is added back (Kendall, "Note on bias in
//! the estimation of autocorrelation", 1954). Then all is fitted anew to what is new at each point
//! (Prais and Winsten, 1954). A fit of k columns is O(n k²).

/// The most columns of a shape.
pub(crate) const COLUMNS: usize = 5;
/// The most that an error may keep of the one before: at 1 it has no level to return to.
const MOST_KEPT: f64 = 0.97;
const ROUNDS: usize = 3;

/// What was fitted.
#[derive(Debug, Clone)]
pub(crate) struct Fit {
    /// What each column is taken by.
    pub(crate) factors: [f64; COLUMNS],
    /// The variances and covariances of these.
    covariance: [[f64; COLUMNS]; COLUMNS],
    /// What errors keep of those before.
    pub(crate) kept: f64,
    /// The variance of what is new at each point.
    pub(crate) fresh: f64,
    pub(crate) rest: Vec<f64>,
}

impl Fit {
    /// Fits columns, at most [`COLUMNS`] of them; `least` is a variance below which nothing is.
    pub(crate) fn of(columns: &[Vec<f64>], values: &[f64], least: f64) -> Option<Self> {
        let width = columns.len().min(COLUMNS);
        let mut fit = solve(columns, values, 0.0)?;
        for _ in 0..ROUNDS {
            let kept = kept(&fit.rest, width);
            fit = solve(columns, values, kept)?;
        }
        let count = values.len() as f64;
        fit.fresh = fresh(&fit.rest, fit.kept) / count + least;
        let by = fit.fresh * count / (count - width as f64 - 1.0).max(1.0);
        fit.covariance.iter_mut().flatten().for_each(|it| *it *= by);
        Some(fit)
    }

    /// The sum of some factors, and its standard error.
    pub(crate) fn sum(&self, of: &[usize]) -> (f64, f64) {
        let sum = of.iter().map(|at| self.factors[*at]).sum();
        let variance: f64 =
            of.iter().flat_map(|a| of.iter().map(|b| self.covariance[*a][*b])).sum();
        (sum, variance.max(0.0).sqrt())
    }

    /// What a level over `points` points varies by.
    pub(crate) fn level_error(&self, points: usize) -> f64 {
        let long_run = self.fresh.sqrt() / (1.0 - self.kept);
        long_run / (points.max(1) as f64).sqrt()
    }
}

fn kept(rest: &[f64], width: usize) -> f64 {
    let own: f64 = rest.iter().map(|it| it * it).sum();
    let next: f64 = rest.iter().zip(rest.iter().skip(1)).map(|(a, b)| a * b).sum();
    if own <= 0.0 {
        return 0.0;
    }
    let (count, width) = (rest.len() as f64, width as f64);
    let corrected = (next / own + width / count) / (1.0 - (width + 2.0) / count).max(0.3);
    corrected.clamp(0.0, MOST_KEPT)
}

/// The squares of what is new at each point.
fn fresh(rest: &[f64], kept: f64) -> f64 {
    let first = rest.first().copied().unwrap_or(0.0);
    let next = rest.iter().zip(rest.iter().skip(1)).map(|(a, b)| (b - kept * a).powi(2));
    first * first * (1.0 - kept * kept) + next.sum::<f64>()
}

fn solve(columns: &[Vec<f64>], values: &[f64], kept: f64) -> Option<Fit> {
    let width = columns.len().min(COLUMNS);
    let mut normal = [[0.0; COLUMNS]; COLUMNS];
    let mut right = [0.0; COLUMNS];
    let head = (1.0 - kept * kept).sqrt();
    for (at, value) in values.iter().enumerate() {
        let new = |of: &[f64]| match at {
            0 => of[0] * head,
            _ => of[at] - kept * of[at - 1],
        };
        let mut row = [0.0; COLUMNS];
        for (cell, column) in row.iter_mut().zip(columns) {
            *cell = new(column);
        }
        let value = if at == 0 { value * head } else { value - kept * values[at - 1] };
        for a in 0..width {
            right[a] += row[a] * value;
            for b in 0..width {
                normal[a][b] += row[a] * row[b];
            }
        }
    }
    let inverse = invert(normal, width)?;
    let mut factors = [0.0; COLUMNS];
    for a in 0..width {
        factors[a] = (0..width).map(|b| inverse[a][b] * right[b]).sum();
    }
    let rest = (0..values.len())
        .map(|at| {
            let told: f64 = columns.iter().zip(&factors).map(|(column, by)| column[at] * by).sum();
            values[at] - told
        })
        .collect();
    Some(Fit { factors, covariance: inverse, kept, fresh: 0.0, rest })
}

/// Inverts a small symmetric matrix, by Gauss and Jordan; `None` where columns say the same.
fn invert(
    mut matrix: [[f64; COLUMNS]; COLUMNS],
    width: usize,
) -> Option<[[f64; COLUMNS]; COLUMNS]> {
    let mut inverse = [[0.0; COLUMNS]; COLUMNS];
    for (at, row) in inverse.iter_mut().enumerate() {
        row[at] = 1.0;
    }
    let largest = (0..width).map(|at| matrix[at][at].abs()).fold(0.0, f64::max);
    for at in 0..width {
        let pivot =
            (at..width).max_by(|a, b| matrix[*a][at].abs().total_cmp(&matrix[*b][at].abs()))?;
        matrix.swap(at, pivot);
        inverse.swap(at, pivot);
        let by = matrix[at][at];
        if by.is_nan() || by.abs() <= 1e-10 * largest {
            return None;
        }
        for column in 0..width {
            matrix[at][column] /= by;
            inverse[at][column] /= by;
        }
        let (own, own_inverse) = (matrix[at], inverse[at]);
        for row in (0..width).filter(|row| *row != at) {
            let by = matrix[row][at];
            for column in 0..width {
                matrix[row][column] -= by * own[column];
                inverse[row][column] -= by * own_inverse[column];
            }
        }
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_fitted_and_columns_that_say_the_same_are_refused() {
        let times: Vec<_> = (0..50).map(|n| f64::from(n) / 49.0).collect();
        let values: Vec<_> =
            (0..50).map(|n| 2.0 + 3.0 * times[n] + 0.01 * (n * 7 % 5) as f64).collect();
        let one = vec![1.0; 50];
        let fit = Fit::of(&[one.clone(), times.clone()], &values, 0.0).unwrap();
        assert!((fit.factors[1] - 3.0).abs() < 0.01, "{fit:?}");
        assert!(fit.sum(&[1]).1 < 0.02);
        assert!(Fit::of(&[one.clone(), one], &values, 0.0).is_none());
    }

    #[test]
    fn errors_that_depend_on_those_before_are_noticed() {
        let mut state = 1_u64;
        let mut value = 0.0;
        let values: Vec<f64> = (0..200)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                value = 0.8 * value + (state >> 40) as f64 / (1 << 24) as f64 - 0.5;
                value
            })
            .collect();
        let fit = Fit::of(&[vec![1.0; 200]], &values, 0.0).unwrap();
        assert!((0.65..0.95).contains(&fit.kept), "{}", fit.kept);
    }
}
