//! Functions and the calls between them, with what samples charge to them.
//!
//! Two passes over the stacks: the first weighs every function, the second adds up the calls between
//! those that are shown. A function is its name, as pprof has it; one without a name is the program
//! it belongs to. Cost: one step for every call of every sample and pass, twelve bytes a function,
//! and an entry for each distinct pair of those shown.
//!
//! Sources: `internal/graph/graph.go` and `internal/report/report.go` of github.com/google/pprof.

use std::collections::HashMap;

use crate::join::BASE_LABEL;
use crate::profile::{NONE, Profile};
use crate::{ProfileError, units};

/// A function with what is charged to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Function {
    /// Its name, or what stands for it.
    pub name: String,
    /// Its file; empty where that is not known.
    pub file: String,
    /// By itself.
    pub flat: i64,
    /// By itself and what it calls.
    pub cum: i64,
}

/// Calls from one function to another. Both are positions that [`Report::function`] takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The caller.
    pub from: usize,
    /// What is called.
    pub to: usize,
    /// What is charged to samples with this call.
    pub weight: i64,
    /// Functions between them are not shown.
    pub is_residual: bool,
    /// All of them were inlined.
    pub is_inlined: bool,
}

/// Which functions come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Those to which most is charged by themselves.
    #[default]
    Flat,
    /// Those to which most is charged with what they call.
    Cumulative,
    /// Those that make a drawing telling.
    Entropy,
}

/// What is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Which functions come first.
    pub order: Order,
    /// How many; 0 for all.
    pub functions: usize,
    /// Functions below this share of all are left out.
    pub function_share: f64,
    /// Calls below this share of all are left out.
    pub call_share: f64,
}

impl Shown {
    /// What pprof shows unless told otherwise.
    pub fn with(order: Order, functions: usize) -> Self {
        Self { order, functions, function_share: 0.005, call_share: 0.001 }
    }

    /// All there is.
    pub fn all(order: Order) -> Self {
        Self { order, functions: 0, function_share: 0.0, call_share: 0.0 }
    }
}

/// A column of a profile by function.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The sum that shares are of.
    pub total: i64,
    /// In what values are counted.
    pub unit: String,
    /// In what they are spelled.
    pub(crate) shown_unit: String,
    /// Functions that are shown, in order.
    pub functions: Vec<Function>,
    /// Functions with calls but without a row: what is charged to them cancels out.
    pub cancelled: Vec<Function>,
    /// Calls between them, the heaviest into a function first.
    pub calls: Vec<Call>,
    /// How many functions were too small.
    pub dropped_functions: usize,
    /// How many were not.
    pub considered_functions: usize,
    /// How many calls were too small.
    pub dropped_calls: usize,
}

/// The sum that shares are of: of all samples, or of those of the earlier profile. It is to be taken
/// before samples are left out.
pub fn total(profile: &Profile, column: usize) -> i64 {
    let numbers = (profile.find_string(BASE_LABEL.0), profile.find_string(BASE_LABEL.1));
    let (mut sum, mut base_sum) = (0_i64, 0_i64);
    for sample in 0..profile.samples.len() {
        let value = profile.value(sample, column).saturating_abs();
        sum = sum.saturating_add(value);
        if let (Some(key), Some(text)) = numbers
            && profile.labels_of(sample).iter().any(|label| (label.key, label.text) == (key, text))
        {
            base_sum = base_sum.saturating_add(value);
        }
    }
    if base_sum > 0 { base_sum } else { sum }
}

/// Returns the unit of each label that is a number, by the number of its key: the first that the
/// profile gives it, else what its name says.
pub(crate) fn label_units(profile: &Profile) -> HashMap<u32, String> {
    let mut units: HashMap<u32, String> = HashMap::new();
    for label in profile.labels.iter().filter(|label| label.text == 0) {
        let unit = units.entry(label.key).or_default();
        if unit.is_empty() && label.unit != 0 {
            unit.push_str(profile.strings.get(label.unit));
        }
    }
    for (key, unit) in &mut units {
        if unit.is_empty() {
            unit.push_str(match profile.strings.get(*key) {
                "alignment" | "request" => "bytes",
                key => key,
            });
        }
    }
    units
}

/// The functions of a profile, and which of them each line is.
pub(crate) struct Functions {
    pub(crate) names: Vec<String>,
    pub(crate) files: Vec<String>,
    /// By line.
    by_line: Vec<u32>,
    /// By location, for those without lines.
    bare: Vec<u32>,
}

impl Functions {
    pub(crate) fn new(profile: &Profile) -> Self {
        let mut functions =
            Self { names: Vec::new(), files: Vec::new(), by_line: Vec::new(), bare: Vec::new() };
        let mut by_name: HashMap<&str, u32> = HashMap::new();
        let mut by_program: HashMap<(u32, i64, bool), u32> = HashMap::new();
        let mut known = vec![NONE; profile.functions.len()];
        functions.by_line = vec![NONE; profile.lines.len()];
        functions.bare = vec![NONE; profile.locations.len()];
        for (index, location) in profile.locations.iter().enumerate() {
            let file = profile.mapping_file(location);
            let range = location.lines.start as usize..location.lines.end as usize;
            for at in range.clone() {
                let number = profile.lines[at].function as usize;
                let function = profile.functions[number];
                let name = profile.strings.get(function.name);
                functions.by_line[at] = if !name.is_empty() {
                    if known[number] == NONE {
                        known[number] = *by_name.entry(name).or_insert_with(|| {
                            functions.add(name, profile.strings.get(function.file))
                        });
                    }
                    known[number]
                } else {
                    let key = (file, function.start_line, true);
                    *by_program
                        .entry(key)
                        .or_insert_with(|| functions.add(&program_name(profile, file), ""))
                };
            }
            if range.is_empty() {
                functions.bare[index] = *by_program
                    .entry((file, 0, false))
                    .or_insert_with(|| functions.add(&program_name(profile, file), ""));
            }
        }
        functions
    }

    fn add(&mut self, name: &str, file: &str) -> u32 {
        self.names.push(name.to_owned());
        self.files.push(file.to_owned());
        self.names.len() as u32 - 1
    }

    /// Returns the functions at a location, the innermost first.
    #[inline]
    pub(crate) fn at<'f>(&'f self, profile: &Profile, location: u32) -> &'f [u32] {
        let lines = &profile.locations[location as usize].lines;
        match lines.is_empty() {
            true => std::slice::from_ref(&self.bare[location as usize]),
            false => &self.by_line[lines.start as usize..lines.end as usize],
        }
    }
}

fn program_name(profile: &Profile, file: u32) -> String {
    let file = if file == NONE { "" } else { profile.strings.get(file) };
    match file.trim_end_matches('/').rsplit('/').next() {
        Some(base) if !base.is_empty() => format!("[{base}]"),
        _ => "<unknown>".to_owned(),
    }
}

impl Report {
    /// Adds up a column of a profile by function.
    ///
    /// `total` is what [`total`] says of the profile before it was filtered.
    ///
    /// # Errors
    ///
    /// Fails where there is no such column.
    pub fn new(
        profile: &Profile,
        column: usize,
        total: i64,
        shown: Shown,
        with_calls: bool,
    ) -> Result<Self, ProfileError> {
        let unit = match profile.sample_types().get(column) {
            Some(ty) => ty.unit.clone(),
            None => profile.column_meant(Some(&column.to_string())).map(|_| String::new())?,
        };
        let functions = Functions::new(profile);
        let (flat, cum) = weigh(profile, column, &functions);
        let mut order: Vec<u32> = (0..functions.names.len() as u32)
            .filter(|&at| flat[at as usize] != 0 || cum[at as usize] != 0)
            .collect();
        let all = order.len();
        let flat_sum: i64 = order.iter().map(|&at| flat[at as usize]).sum();
        let cutoff = |share: f64| ((flat_sum as f64 * share) as i64).saturating_abs();
        let (cutoff, call_cutoff) = (cutoff(shown.function_share), cutoff(shown.call_share));
        order.retain(|&at| cum[at as usize].saturating_abs() >= cutoff);
        let considered = order.len();
        let weight = |at: u32| (flat[at as usize], cum[at as usize]);
        let mut kept = (considered < all).then(|| set(&order, functions.names.len()));
        let mut report = Self {
            total,
            unit,
            shown_unit: String::new(),
            functions: Vec::new(),
            cancelled: Vec::new(),
            calls: Vec::new(),
            dropped_functions: all - considered,
            considered_functions: considered,
            dropped_calls: 0,
        };
        let mut calls = Vec::new();
        let needs_calls = with_calls && (shown.functions == 0 || shown.functions >= considered);
        if needs_calls || shown.order == Order::Entropy {
            calls = add_calls(profile, column, &functions, kept.as_deref());
        }
        match shown.order {
            Order::Flat => order.sort_by(|&a, &b| {
                let ((flat_a, cum_a), (flat_b, cum_b)) = (weight(a), weight(b));
                flat_b
                    .saturating_abs()
                    .cmp(&flat_a.saturating_abs())
                    .then_with(|| functions.names[a as usize].cmp(&functions.names[b as usize]))
                    .then_with(|| cum_b.saturating_abs().cmp(&cum_a.saturating_abs()))
            }),
            Order::Cumulative | Order::Entropy => {
                let scores = match shown.order {
                    Order::Entropy => entropy(&calls, &flat, &cum, call_cutoff),
                    _ => cum.clone(),
                };
                order.sort_by(|&a, &b| {
                    let score = |at: u32| scores[at as usize].saturating_abs();
                    score(b)
                        .cmp(&score(a))
                        .then_with(|| functions.names[a as usize].cmp(&functions.names[b as usize]))
                        .then_with(|| {
                            weight(b).0.saturating_abs().cmp(&weight(a).0.saturating_abs())
                        })
                });
            }
        }
        if shown.functions > 0 && shown.functions < order.len() {
            order.truncate(shown.functions);
            if with_calls {
                kept = Some(set(&order, functions.names.len()));
                calls = add_calls(profile, column, &functions, kept.as_deref());
            }
        }
        report.functions = order
            .iter()
            .map(|&at| Function {
                name: functions.names[at as usize].clone(),
                file: functions.files[at as usize].clone(),
                flat: flat[at as usize],
                cum: cum[at as usize],
            })
            .collect();
        if with_calls {
            report.place_calls(&calls, &order, &functions, call_cutoff);
        }
        report.choose_unit();
        Ok(report)
    }

    /// Turns functions of calls into positions in the report, without calls that are too small.
    fn place_calls(&mut self, calls: &[Call], order: &[u32], functions: &Functions, cutoff: i64) {
        let mut places = vec![usize::MAX; functions.names.len()];
        for (place, &at) in order.iter().enumerate() {
            places[at as usize] = place;
        }
        for call in calls {
            // As pprof does, calls of what cancels out are never too small.
            let is_cancelled = places[call.to] >= self.functions.len();
            if call.weight.saturating_abs() < cutoff && !is_cancelled {
                self.dropped_calls += 1;
                continue;
            }
            let [from, to] = [call.from, call.to].map(|at| {
                if places[at] == usize::MAX {
                    places[at] = self.functions.len() + self.cancelled.len();
                    let (name, file) = (functions.names[at].clone(), functions.files[at].clone());
                    self.cancelled.push(Function { name, file, flat: 0, cum: 0 });
                }
                places[at]
            });
            self.calls.push(Call { from, to, ..*call });
        }
        let mut calls = std::mem::take(&mut self.calls);
        let name = |at| &self.function(at).name;
        calls.sort_by(|a, b| {
            b.weight
                .saturating_abs()
                .cmp(&a.weight.saturating_abs())
                .then_with(|| name(a.from).cmp(name(b.from)))
                .then_with(|| name(a.to).cmp(name(b.to)))
        });
        self.calls = calls;
    }

    /// Returns a function by its position: of those that are shown, and behind them of those that
    /// cancel out.
    ///
    /// # Panics
    ///
    /// Where a position comes from another report.
    pub fn function(&self, at: usize) -> &Function {
        match at.checked_sub(self.functions.len()) {
            None => &self.functions[at],
            Some(behind) => &self.cancelled[behind],
        }
    }

    /// Chooses the unit in which the smallest value still says something.
    fn choose_unit(&mut self) {
        let weight = |function: &Function| match function.flat.saturating_abs() {
            0 => function.cum.saturating_abs(),
            flat => flat,
        };
        let smallest = self.functions.iter().map(weight).filter(|&value| value > 0).min();
        let smallest = smallest.unwrap_or(self.total);
        let fitting = |value: i64| units::scale(value, &self.unit, "minimum").1;
        let mut unit = fitting(smallest);
        if unit != fitting(self.total) && smallest.saturating_mul(100) < self.total {
            unit = fitting(smallest.saturating_mul(100));
        }
        self.shown_unit = if unit.is_empty() { self.unit.clone() } else { unit };
        if self.functions.is_empty() {
            self.shown_unit = "minimum".to_owned();
        }
    }

    /// Spells a value in the unit of the report.
    pub fn spell(&self, value: i64) -> String {
        units::label(value, &self.unit, &self.shown_unit)
    }

    /// Spells a value's share of all.
    pub fn share(&self, value: i64) -> String {
        units::percentage(value, self.total)
    }

    /// Tells whether calls of a function were inlined: all, some, or none.
    pub fn inlining(&self) -> Vec<&'static str> {
        let mut seen = vec![(false, false); self.functions.len() + self.cancelled.len()];
        for call in &self.calls {
            match call.is_inlined {
                true => seen[call.to].0 = true,
                false => seen[call.to].1 = true,
            }
        }
        seen.into_iter()
            .map(|inlined| match inlined {
                (true, true) => " (partial-inline)",
                (true, false) => " (inline)",
                _ => "",
            })
            .collect()
    }
}

fn set(members: &[u32], len: usize) -> Vec<bool> {
    let mut set = vec![false; len];
    for &member in members {
        set[member as usize] = true;
    }
    set
}

/// What is charged to each function, by itself and with what it calls.
fn weigh(profile: &Profile, column: usize, functions: &Functions) -> (Vec<i64>, Vec<i64>) {
    let count = functions.names.len();
    let (mut flat, mut cum) = (vec![0_i64; count], vec![0_i64; count]);
    // The last sample that each function was seen in.
    let mut seen = vec![NONE; count];
    for sample in 0..profile.samples.len() {
        let value = profile.value(sample, column);
        if value == 0 {
            continue;
        }
        let stack = profile.stack(sample);
        for &location in stack {
            for &function in functions.at(profile, location) {
                let function = function as usize;
                if seen[function] != sample as u32 {
                    seen[function] = sample as u32;
                    cum[function] += value;
                }
            }
        }
        if let Some(&leaf) = stack.first().and_then(|&at| functions.at(profile, at).first()) {
            flat[leaf as usize] += value;
        }
    }
    (flat, cum)
}

/// Adds up the calls between functions that are kept; all are if none is named.
fn add_calls(
    profile: &Profile,
    column: usize,
    functions: &Functions,
    kept: Option<&[bool]>,
) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut seen: Vec<u32> = Vec::new();
    let mut numbers: hashbrown::HashMap<(u32, u32), u32> = hashbrown::HashMap::new();
    for sample in 0..profile.samples.len() {
        let value = profile.value(sample, column);
        if value == 0 {
            continue;
        }
        let mut caller = None;
        let mut is_residual = false;
        for &location in profile.stack(sample).iter().rev() {
            let here = functions.at(profile, location);
            for (index, &function) in here.iter().enumerate().rev() {
                if kept.is_some_and(|kept| !kept[function as usize]) {
                    is_residual = true;
                    continue;
                }
                if let Some(from) = caller.filter(|&caller| caller != function) {
                    let number = *numbers.entry((from, function)).or_insert_with(|| {
                        seen.push(NONE);
                        calls.push(Call {
                            from: from as usize,
                            to: function as usize,
                            weight: 0,
                            is_residual: false,
                            is_inlined: true,
                        });
                        calls.len() as u32 - 1
                    }) as usize;
                    if seen[number] != sample as u32 {
                        seen[number] = sample as u32;
                        let call = &mut calls[number];
                        call.weight += value;
                        call.is_residual |= is_residual;
                        call.is_inlined &= index + 1 != here.len();
                    }
                }
                caller = Some(function);
                is_residual = false;
            }
        }
    }
    calls
}

/// Scores functions by how much the calls at them branch: one that only hands on says little.
fn entropy(calls: &[Call], flat: &[i64], cum: &[i64], cutoff: i64) -> Vec<i64> {
    let mut incoming = vec![Vec::new(); flat.len()];
    let mut outgoing = vec![Vec::new(); flat.len()];
    for call in calls.iter().filter(|call| call.weight.saturating_abs() >= cutoff) {
        incoming[call.to].push(call.weight);
        outgoing[call.from].push(call.weight);
    }
    let score = |weights: &[i64], own: i64| {
        if weights.is_empty() {
            return 1.0;
        }
        let sum: i64 = own + weights.iter().filter(|&&weight| weight > 0).sum::<i64>();
        if sum == 0 {
            return 0.0;
        }
        let part = |weight: i64| {
            let share = weight.saturating_abs() as f64 / sum as f64;
            if share > 0.0 { -share * share.log2() } else { 0.0 }
        };
        let own = if own > 0 { part(own) } else { 0.0 };
        weights.iter().map(|&weight| part(weight)).sum::<f64>() + own
    };
    (0..flat.len())
        .map(|at| {
            let score = score(&incoming[at], 0) + score(&outgoing[at], flat[at]);
            ((score * cum[at] as f64) as i64).saturating_add(flat[at])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Comparison, Joiner, ProfileBuilder, SampleFrame};

    fn profile(line: i64, other: i64) -> Profile {
        let mut builder = ProfileBuilder::new(&[("inuse_space", "bytes")]);
        let frame = |function, line| SampleFrame { function, line, ..SampleFrame::default() };
        builder.add_sample(&[frame("leaf", line), frame("main", 1)], &[5], &[]);
        builder.add_sample(&[frame("other", 1), frame("main", 2)], &[other], &[]);
        Profile::parse(&builder.finish()).unwrap()
    }

    #[test]
    fn a_call_of_what_cancels_out_is_shown_however_small() {
        let mut joiner = Joiner::new();
        joiner.add(profile(1, 100_000)).unwrap();
        joiner.take_away(profile(2, 10_000), Comparison::Difference).unwrap();
        let joined = joiner.finish().unwrap();
        let shown = Shown { call_share: 0.5, function_share: 0.0, ..Shown::all(Order::Flat) };
        let report = Report::new(&joined, 0, total(&joined, 0), shown, true).unwrap();
        let names: Vec<_> = report.functions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["other", "main"]);
        let called = |call: &Call| (report.function(call.to).name.as_str(), call.weight);
        let mut calls: Vec<_> = report.calls.iter().map(called).collect();
        calls.sort_unstable();
        assert_eq!(calls, [("leaf", 0), ("other", 90_000)]);
    }
}
