//! What sites cost: the allocations of a profile, charged to the lines that made them.
//!
//! A profile knows functions, files and lines, but no columns and no expressions; and it may come from
//! another machine. So lines are matched by the package that the function's name tells, the file's last
//! part, and the number. Where a call was inlined, the compiler speaks of the line of the outermost
//! call, and the allocation is charged there; where that line is unknown, to the next one inside.
//!
//! A line is charged once, however many sites it has. What is allocated on a line of these packages
//! without a verdict, the runtime allocates on its behalf: maps and slices that grow, channels.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::explain::Context;
use crate::position::Position;
use crate::report::Report;
use crate::site::Site;
use crate::stack::{Frame, MapWork, Sum, base_name, outside_of_runtime, split_symbol};

/// How many frames of inlined calls are followed outward.
const DEEPEST: usize = 64;

/// What the runtime allocates on behalf of a line that has no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Growth {
    /// A map that gets another entry.
    Map,
    /// A slice that `append` enlarges.
    Slice,
    /// A channel.
    Channel,
    /// A goroutine.
    Goroutine,
    /// It can't be told.
    Other,
}

impl Growth {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Map => "a map grows",
            Self::Slice => "append enlarges a slice",
            Self::Channel => "a channel",
            Self::Goroutine => "a goroutine starts",
            Self::Other => "the runtime allocates",
        }
    }
}

/// A line with what was allocated on it.
#[derive(Debug, Clone)]
pub struct ChargedLine<'r> {
    /// The package's import path.
    pub package: &'r str,
    /// File and line; the column is 0.
    pub at: Position,
    /// The function, without package.
    pub function: Arc<str>,
    /// What escapes on it.
    pub sites: Vec<&'r Site>,
    /// What was allocated there.
    pub sum: Sum,
    /// The part of it that maps took to grow, where the stacks tell.
    pub map_growth: Sum,
    /// What the runtime allocates, where nothing escapes on the line.
    pub growth: Option<Growth>,
}

/// All that a profile says, by who is to blame.
#[derive(Debug, Clone, Default)]
pub struct Charged<'r> {
    /// Lines of these packages, the costliest first.
    pub lines: Vec<ChargedLine<'r>>,
    /// Other packages, the costliest first.
    pub outside: Vec<(String, Sum)>,
    /// Everything.
    pub total: Sum,
}

struct LineOf<'r> {
    package: &'r str,
    at: Position,
    sites: Vec<&'r Site>,
    function: Arc<str>,
    sum: Sum,
    map_growth: Sum,
    growth: Option<Growth>,
}

/// Charges allocations to the lines of a report.
pub struct Charger<'r> {
    context: &'r dyn Context,
    /// By package, file's last part and line.
    index: HashMap<(String, String, u32), usize>,
    lines: Vec<LineOf<'r>>,
    /// Full paths by the name that symbols have: `main` for each that is a program.
    packages: HashMap<String, &'r str>,
    files: HashMap<(String, String), Position>,
    inlined: HashSet<(String, String, u32, String)>,
    outside: BTreeMap<String, Sum>,
    total: Sum,
}

impl<'r> Charger<'r> {
    /// Makes a charger; `programs` are the packages that are called `main`.
    pub fn new(report: &'r Report, context: &'r dyn Context, programs: &HashSet<String>) -> Self {
        let mut charger = Self {
            context,
            index: HashMap::new(),
            lines: Vec::new(),
            packages: HashMap::new(),
            files: HashMap::new(),
            inlined: HashSet::new(),
            outside: BTreeMap::new(),
            total: Sum::default(),
        };
        for package in &report.packages {
            let path = package.path.split(" [").next().unwrap_or(&package.path);
            let symbol = if programs.contains(path) { "main" } else { path };
            charger.packages.insert(symbol.to_owned(), path);
            for function in &package.functions {
                let file = function.at.base_name().to_owned();
                let first = Position { line: 1, column: 0, ..function.at.clone() };
                charger.files.entry((symbol.to_owned(), file)).or_insert(first);
            }
            for site in &package.sites {
                let (base, line) = (site.at.base_name().to_owned(), site.at.line);
                for callee in &site.inlined {
                    let key = (symbol.to_owned(), base.clone(), line, last_name(callee).to_owned());
                    charger.inlined.insert(key);
                }
                if site.escapes {
                    let line = charger.line(symbol, path, &site.at, &site.function);
                    charger.lines[line].sites.push(site);
                }
            }
        }
        charger
    }

    fn line(
        &mut self,
        symbol: &str,
        package: &'r str,
        at: &Position,
        function: &Arc<str>,
    ) -> usize {
        let key = (symbol.to_owned(), at.base_name().to_owned(), at.line);
        *self.index.entry(key).or_insert_with(|| {
            self.lines.push(LineOf {
                package,
                at: Position { column: 0, ..at.clone() },
                sites: Vec::new(),
                function: function.clone(),
                sum: Sum::default(),
                map_growth: Sum::default(),
                growth: None,
            });
            self.lines.len() - 1
        })
    }

    /// Charges what was allocated with a stack, the innermost call first.
    pub fn charge(&mut self, frames: &[Frame<'_>], sum: Sum) {
        self.total.add(sum);
        let (frames, work) = outside_of_runtime(frames);
        let Some(first) = frames.first() else {
            self.outside.entry("the runtime".to_owned()).or_default().add(sum);
            return;
        };
        // From the innermost call out, as far as calls were inlined.
        let mut outermost = 0;
        while let (Some(here), Some(next)) = (frames.get(outermost), frames.get(outermost + 1))
            && outermost < DEEPEST
            && ((here.location != 0 && here.location == next.location)
                || self.is_inlined(here, next))
        {
            outermost += 1;
        }
        let known = (0..=outermost).rev().find_map(|index| {
            let frame = frames.get(index)?;
            self.index.get(&key_of(frame)).copied()
        });
        let line = known.or_else(|| {
            (0..=outermost).rev().find_map(|index| {
                let frame = frames.get(index)?;
                let (symbol, name) = split_symbol(frame.function);
                let path = self.packages.get(&symbol).copied()?;
                let base = base_name(frame.file).to_owned();
                let file = self.files.get(&(symbol.clone(), base))?.file.clone();
                let at = Position { file, line: frame.line, column: 0 };
                Some(self.line(&symbol, path, &at, &name.into()))
            })
        });
        match line.and_then(|line| self.lines.get_mut(line)) {
            Some(line) => {
                line.sum.add(sum);
                if work == MapWork::Grows {
                    line.map_growth.add(sum);
                    line.growth = Some(Growth::Map);
                }
            }
            None => {
                let (symbol, _) = split_symbol(first.function);
                self.outside.entry(symbol).or_default().add(sum);
            }
        }
    }

    fn is_inlined(&self, callee: &Frame<'_>, caller: &Frame<'_>) -> bool {
        let (symbol, base, line) = key_of(caller);
        let name = last_name(callee.function).to_owned();
        self.inlined.contains(&(symbol, base, line, name))
    }

    /// Ranks what was charged.
    pub fn finish(self) -> Charged<'r> {
        let context = self.context;
        let mut lines: Vec<_> = self
            .lines
            .into_iter()
            .map(|line| {
                let growth = match line.sites.is_empty() {
                    true => line.growth.or_else(|| Some(growth(context, &line.at))),
                    false => None,
                };
                let LineOf { package, at, sites, function, sum, map_growth, .. } = line;
                ChargedLine { package, at, function, sites, sum, map_growth, growth }
            })
            .collect();
        lines.sort_by(|a, b| b.sum.bytes.cmp(&a.sum.bytes).then_with(|| a.at.cmp(&b.at)));
        let mut outside: Vec<_> = self.outside.into_iter().collect();
        outside.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.bytes));
        Charged { lines, outside, total: self.total }
    }
}

impl std::fmt::Debug for Charger<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Charger").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

/// Tells from a line's text what the runtime allocates there.
fn growth(context: &dyn Context, at: &Position) -> Growth {
    let text = context.source(&at.file);
    let index = usize::try_from(at.line).unwrap_or(0).saturating_sub(1);
    let Some(line) = text.as_deref().and_then(|text| text.lines().nth(index)) else {
        return Growth::Other;
    };
    let line = line.trim();
    if line.contains("append(") {
        Growth::Slice
    } else if line.contains("make(chan") {
        Growth::Channel
    } else if line.starts_with("go ") {
        Growth::Goroutine
    } else if ["] = ", "] += ", "]++", "]--", "] |= ", "] -= "]
        .iter()
        .any(|sign| line.contains(sign))
    {
        Growth::Map
    } else {
        Growth::Other
    }
}

fn key_of(frame: &Frame<'_>) -> (String, String, u32) {
    let (symbol, _) = split_symbol(frame.function);
    (symbol, base_name(frame.file).to_owned(), frame.line)
}

/// The last part of a function's name, without type arguments: `fmt.Sprint` and `Sprint` agree.
fn last_name(function: &str) -> &str {
    let plain = function.split('[').next().unwrap_or(function);
    plain.rsplit('.').next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoContext;

    const TEXT: &str = "# example.com/app\n\
        ./a.go:3:6: can inline New with cost 4 as: func() *T { return &T{...} }\n\
        ./a.go:9:6: cannot inline fill: too complex\n\
        ./a.go:12:11: inlining call to New\n\
        ./a.go:4:9: &T{...} escapes to heap:\n\
        ./a.go:4:9:   flow: ~r0 = &{storage for &T{...}}:\n\
        ./a.go:4:9:     from return &T{...} (return) at ./a.go:4:2\n\
        ./a.go:4:9: &T{...} escapes to heap\n\
        ./a.go:12:11: &T{...} escapes to heap\n";

    fn frame(function: &'static str, line: u32, location: u64) -> Frame<'static> {
        Frame { function, file: "/build/app/a.go", line, location }
    }

    fn charged(frames: &[Frame<'_>]) -> Vec<(u32, u64)> {
        let report = crate::read(TEXT, &NoContext);
        let programs = HashSet::new();
        let mut charger = Charger::new(&report, &NoContext, &programs);
        charger.charge(frames, Sum { bytes: 64, objects: 2 });
        let charged = charger.finish();
        assert_eq!(charged.total, Sum { bytes: 64, objects: 2 });
        let lines = charged.lines.iter().filter(|line| line.sum.bytes > 0);
        lines.map(|line| (line.at.line, line.sum.bytes)).collect()
    }

    #[test]
    fn an_allocation_is_charged_to_its_line() {
        let new = frame("example.com/app.New", 4, 1);
        let caller = frame("example.com/app.fill", 20, 2);
        assert_eq!(charged(&[frame("runtime.newobject", 1, 9), new, caller]), [(4, 64)]);
    }

    #[test]
    fn what_was_inlined_is_charged_where_the_call_stands() {
        let new = frame("example.com/app.New", 4, 1);
        assert_eq!(charged(&[new, frame("example.com/app.fill", 12, 1)]), [(12, 64)]);
        // Without locations, the compiler's own line says that it was inlined.
        let new = frame("example.com/app.New", 4, 0);
        assert_eq!(charged(&[new, frame("example.com/app.fill", 12, 0)]), [(12, 64)]);
    }

    #[test]
    fn a_line_without_a_verdict_is_charged_as_such_and_other_packages_by_name() {
        assert_eq!(charged(&[frame("example.com/app.fill", 30, 1)]), [(30, 64)]);
        let report = crate::read(TEXT, &NoContext);
        let mut charger = Charger::new(&report, &NoContext, &HashSet::new());
        charger
            .charge(&[frame("gopkg.in/yaml%2ev3.Unmarshal", 3, 0)], Sum { bytes: 8, objects: 1 });
        charger.charge(&[], Sum { bytes: 1, objects: 1 });
        let charged = charger.finish();
        assert_eq!(charged.outside[0].0, "gopkg.in/yaml.v3");
        assert_eq!(charged.outside[1].0, "the runtime");
    }
}
