//! Units, and how values are spelled in them, as pprof does.

use crate::views::clean;

/// A unit: its name, other spellings, and how many of the smallest it is.
struct Unit {
    name: &'static str,
    aliases: &'static [&'static str],
    factor: f64,
}

const fn unit(name: &'static str, aliases: &'static [&'static str], factor: f64) -> Unit {
    Unit { name, aliases, factor }
}

/// Units that can be told in each other, and the one for what is too small for any.
struct Family {
    units: &'static [Unit],
    fallback: (&'static str, f64),
}

const FAMILIES: [Family; 3] = [
    Family {
        units: &[
            unit("B", &["b", "byte"], 1.0),
            unit("kB", &["kb", "kbyte", "kilobyte"], 1024.0),
            unit("MB", &["mb", "mbyte", "megabyte"], 1_048_576.0),
            unit("GB", &["gb", "gbyte", "gigabyte"], 1_073_741_824.0),
            unit("TB", &["tb", "tbyte", "terabyte"], 1_099_511_627_776.0),
            unit("PB", &["pb", "pbyte", "petabyte"], 1_125_899_906_842_624.0),
        ],
        fallback: ("B", 1.0),
    },
    Family {
        units: &[
            unit("ns", &["ns", "nanosecond"], 1.0),
            unit("us", &["μs", "us", "microsecond"], 1e3),
            unit("ms", &["ms", "millisecond"], 1e6),
            unit("s", &["s", "sec", "second"], 1e9),
            unit("hrs", &["hour", "hr"], 3600e9),
        ],
        fallback: ("s", 1e9),
    },
    Family {
        units: &[
            unit("n*GCU", &["nanogcu"], 1e-9),
            unit("u*GCU", &["microgcu"], 1e-6),
            unit("m*GCU", &["milligcu"], 1e-3),
            unit("GCU", &["gcu"], 1.0),
            unit("k*GCU", &["kilogcu"], 1e3),
            unit("M*GCU", &["megagcu"], 1e6),
            unit("G*GCU", &["gigagcu"], 1e9),
            unit("T*GCU", &["teragcu"], 1e12),
            unit("P*GCU", &["petagcu"], 1e15),
        ],
        fallback: ("GCU", 1.0),
    },
];

impl Family {
    fn find(&self, name: &str) -> Option<&Unit> {
        let lower = name.to_lowercase();
        let bare = match lower.len() > 2 {
            true => lower.strip_suffix('s').unwrap_or(&lower),
            false => &lower,
        };
        self.units.iter().find(|unit| unit.aliases.contains(&bare))
    }
}

/// Returns how many of `to` one `from` is, where that can be said.
pub(crate) fn ratio(from: &str, to: &str) -> Option<f64> {
    if from == to {
        return Some(1.0);
    }
    let known = |family: &Family| Some(family.find(from)?.factor / family.find(to)?.factor);
    FAMILIES.iter().find_map(known)
}

/// Tells a value in another unit; `minimum` and `auto` choose one that fits. Says in which it is,
/// unless that is not worth saying.
pub(crate) fn scale(value: i64, from: &str, to: &str) -> (f64, String) {
    if value < 0 && value != i64::MIN {
        let (scaled, unit) = scale(-value, from, to);
        return (-scaled, unit);
    }
    let is_free = to == "minimum" || to == "auto";
    for family in &FAMILIES {
        let Some(unit) = family.find(from) else { continue };
        let value = value as f64 * unit.factor;
        let chosen = match is_free {
            true => {
                let fits = |unit: &&Unit| value / unit.factor >= 1.0;
                family.units.iter().rev().find(fits)
            }
            false => family.find(to),
        };
        let (name, factor) = chosen.map_or(family.fallback, |unit| (unit.name, unit.factor));
        return (value / factor, name.to_owned());
    }
    match to {
        "count" | "sample" | "unit" | "minimum" | "auto" => (value as f64, String::new()),
        _ => (value as f64, to.to_owned()),
    }
}

/// Spells a value with its unit: `1.50MB`.
pub(crate) fn label(value: i64, from: &str, to: &str) -> String {
    let (scaled, unit) = scale(value, from, to);
    let text = format!("{scaled:.2}");
    match text.strip_suffix(".00").unwrap_or(&text) {
        "0" | "-0" => "0".to_owned(),
        // Units are the profile's own words, where they are not known.
        number => format!("{number}{}", clean(&unit)),
    }
}

/// Spells a share in six characters: ` 12.34%`, with two digits that count where it is small.
pub(crate) fn percentage(value: i64, total: i64) -> String {
    let share = match total {
        0 => 0.0,
        _ => (value as f64 / total as f64).abs() * 100.0,
    };
    match share {
        99.95..=100.05 => "  100%".to_owned(),
        1.0.. => format!("{share:5.2}%"),
        _ => format!("{:>5}%", two_digits(share)),
    }
}

/// Spells a number below 1 with two digits that count.
fn two_digits(share: f64) -> String {
    if share == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{share:.1e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 {
        return format!("{}e-{:02}", digits.strip_suffix(".0").unwrap_or(digits), -exponent);
    }
    let fixed = format!("{share:.*}", usize::try_from(1 - exponent).unwrap_or(0));
    match fixed.contains('.') {
        true => fixed.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => fixed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_in_the_unit_asked_for_or_one_that_fits() {
        assert_eq!(label(1_572_864, "bytes", "auto"), "1.50MB");
        assert_eq!(label(-2048, "bytes", "minimum"), "-2kB");
        assert_eq!(label(1_572_864, "bytes", "kB"), "1536kB");
        assert_eq!(label(0, "bytes", "MB"), "0");
        assert_eq!(label(90_000_000_000, "nanoseconds", "auto"), "90s");
        assert_eq!(label(7, "count", "auto"), "7");
        assert_eq!(label(7, "\u{7f}x", "\u{7f}x"), "7\u{fffd}x");
        assert_eq!(ratio("seconds", "ms"), Some(1000.0));
        assert_eq!(ratio("seconds", "bytes"), None);
    }

    #[test]
    fn small_shares_keep_two_digits() {
        assert_eq!(percentage(1, 8), "12.50%");
        assert_eq!(percentage(-5, 1000), "  0.5%");
        assert_eq!(percentage(123, 100_000), " 0.12%");
        assert_eq!(percentage(1, 10_000_000), "1e-05%");
        assert_eq!(percentage(0, 10), "    0%");
        assert_eq!(percentage(9996, 10_000), "  100%");
    }
}
