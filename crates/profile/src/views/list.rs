//! Lines of source with what is charged to each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

use regex::Regex;

use super::clean;
use crate::profile::Profile;
use crate::{Report, units};

/// Lines shown before the first and behind the last with something on it.
const MARGIN: i64 = 5;
/// No function has more lines than are worth showing.
const MOST_LINES: i64 = 20_000;

/// What is charged to the lines of functions.
#[derive(Debug)]
pub struct SourceListing {
    /// By function and file: flat and cumulative by line, and where the function starts.
    functions: BTreeMap<(String, String), Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    charged: BTreeMap<i64, (i64, i64)>,
    first: Option<i64>,
}

impl SourceListing {
    /// Adds up a column by the lines of the functions whose names match.
    pub fn new(profile: &Profile, column: usize, names: &Regex) -> Self {
        let mut wanted = vec![false; profile.functions.len()];
        for (wanted, function) in wanted.iter_mut().zip(&profile.functions) {
            *wanted = names.is_match(profile.strings.get(function.name));
        }
        let mut charged: HashMap<(u32, i64), (i64, i64)> = HashMap::new();
        let mut seen = HashSet::new();
        for sample in 0..profile.samples.len() {
            let value = profile.value(sample, column);
            if value == 0 {
                continue;
            }
            seen.clear();
            let mut is_leaf = true;
            for &call in profile.stack(sample) {
                let lines = profile.lines_of(&profile.locations[call as usize]);
                for line in lines {
                    if wanted[line.function as usize] {
                        let function = profile.functions[line.function as usize];
                        let key = (function.name, function.file, line.line);
                        let entry = charged.entry((line.function, line.line)).or_default();
                        if is_leaf {
                            entry.0 += value;
                        }
                        if seen.insert(key) {
                            entry.1 += value;
                        }
                    }
                    is_leaf = false;
                }
                // Code without a name is something called, too.
                is_leaf = false;
            }
        }
        let mut functions: BTreeMap<(String, String), Lines> = BTreeMap::new();
        for ((at, line), (flat, cum)) in charged {
            let function = profile.functions[at as usize];
            let text = |number| profile.strings.get(number).to_owned();
            let lines = functions.entry((text(function.name), text(function.file))).or_default();
            let sums = lines.charged.entry(line).or_default();
            *sums = (sums.0 + flat, sums.1 + cum);
            if function.start_line > 0 {
                let first = lines.first.unwrap_or(function.start_line);
                lines.first = Some(first.min(function.start_line));
            }
        }
        Self { functions }
    }

    /// Tells whether no function matched.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

/// Writes the lines. `read` supplies the text of a file, or why there is none.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_list(
    out: &mut dyn Write,
    listing: &SourceListing,
    report: &Report,
    mut read: impl FnMut(&str) -> Result<String, String>,
) -> io::Result<()> {
    // A line's value is spelled in what fits it, as it stands alone.
    let spell = |value: i64| match value {
        0 => ".".to_owned(),
        _ => units::label(value, &report.unit, "minimum"),
    };
    writeln!(out, "Total: {}", units::label(report.total, &report.unit, "minimum"))?;
    for ((name, file), lines) in &listing.functions {
        if file.is_empty() {
            writeln!(out, "No source information for {}", clean(name))?;
            continue;
        }
        let sum = |part: fn(&(i64, i64)) -> i64| lines.charged.values().map(part).sum::<i64>();
        let (flat, cum) = (sum(|line| line.0), sum(|line| line.1));
        writeln!(out, "ROUTINE ======================== {} in {}", clean(name), clean(file))?;
        writeln!(
            out,
            "{:>10} {:>10} (flat, cum) {} of Total",
            units::label(flat, &report.unit, "minimum"),
            units::label(cum, &report.unit, "minimum"),
            report.share(cum)
        )?;
        let text = match read(file) {
            Ok(text) => text,
            Err(fault) => {
                writeln!(out, " Source not found: {}", clean(&fault))?;
                for (line, (flat, cum)) in &lines.charged {
                    writeln!(out, "{:>10} {:>10} {line:>6}:", spell(*flat), spell(*cum))?;
                }
                continue;
            }
        };
        let (Some(first), Some(last)) =
            (lines.charged.keys().next(), lines.charged.keys().next_back())
        else {
            continue;
        };
        let start = lines.first.unwrap_or(first.saturating_sub(MARGIN)).max(1);
        let end = last.saturating_add(MARGIN).min(start.saturating_add(MOST_LINES));
        let skipped = usize::try_from(start - 1).unwrap_or(usize::MAX);
        for (number, line) in (start..=end).zip(text.lines().skip(skipped)) {
            let (flat, cum) = lines.charged.get(&number).copied().unwrap_or_default();
            // Tabs are what Go is indented with.
            let line: String = line.chars().filter(|&c| c == '\t' || !c.is_control()).collect();
            writeln!(out, "{:>10} {:>10} {number:>6}:{line}", spell(flat), spell(cum))?;
        }
    }
    Ok(())
}
