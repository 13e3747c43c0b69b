//! Reading the compiler's text into verdicts and explanations, package by package.
//!
//! Every line of an explanation begins with the place of what escapes, and so does the verdict: what
//! belongs together is found by place, so that explanations may lie between each other. Packages are
//! told apart by the headers that the go command writes.
//!
//! Time and memory are linear in the text. Expressions are cut at [`LONGEST`] bytes, an explanation at
//! [`MOST_FLOWS`] flows of [`MOST_STEPS`] steps; lines of another form are counted, and the first of
//! them kept, since a build that fails says why in such lines.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::explain::{self, Context};
use crate::line::{self, Line, Said};
use crate::position::{Place, Position};
use crate::report::{Counts, FunctionAt, PackageReport, Report};

/// Bytes of an expression that are kept.
const LONGEST: usize = 1024;
const MOST_FLOWS: usize = 64;
const MOST_STEPS: usize = 64;
/// Lines of another form that are kept.
const MOST_OTHER: usize = 200;

/// An explanation as it was read.
#[derive(Debug)]
pub(crate) struct Because {
    pub(crate) at: Position,
    pub(crate) what: Arc<str>,
    pub(crate) function: Option<Arc<str>>,
    pub(crate) flows: Vec<crate::Flow>,
}

/// What a verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Says {
    Escapes,
    Moved,
    Stays,
}

/// A verdict as it was read.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) at: Position,
    pub(crate) what: Arc<str>,
    pub(crate) says: Says,
    pub(crate) times: u32,
}

/// One package as it was read.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) path: Arc<str>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) becauses: Vec<Because>,
    pub(crate) functions: Vec<FunctionAt>,
    pub(crate) inlined: HashMap<Position, Vec<Arc<str>>>,
    pub(crate) counts: Counts,
    /// `X[k]` where the compiler says that `k` becomes a map's key.
    pub(crate) map_puts: HashSet<Arc<str>>,
    index: HashMap<(Position, Arc<str>, Says), usize>,
}

/// Reads what `go build -gcflags=-m=2` or `go list -export -gcflags=-m=2` printed.
///
/// Never fails: what is not the compiler's is kept in [`Report::other`].
pub fn read(text: &str, context: &dyn Context) -> Report {
    let mut reader = Reader::default();
    for line in text.lines() {
        reader.line(line);
    }
    let packages: Vec<PackageReport> =
        reader.packages.into_iter().map(|raw| explain::package(raw, context)).collect();
    Report { packages, other: reader.other, other_lines: reader.other_lines }
}

#[derive(Debug, Default)]
struct Reader {
    packages: Vec<Raw>,
    by_path: HashMap<Arc<str>, usize>,
    current: Option<usize>,
    strings: HashSet<Arc<str>>,
    /// The explanation that goes on, and its place; none while a parameter is explained.
    open: Option<usize>,
    other: Vec<String>,
    other_lines: u64,
}

impl Reader {
    fn line(&mut self, text: &str) {
        match line::parse(text) {
            Line::Package(path) => self.enter(path),
            Line::At(place, said) => self.at(place, said, text),
            Line::Other => self.keep(text),
        }
    }

    fn keep(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.other_lines = self.other_lines.saturating_add(1);
        if self.other.len() < MOST_OTHER {
            self.other.push(clip(text).to_owned());
        }
    }

    fn enter(&mut self, path: &str) {
        let path = self.intern(path);
        self.open = None;
        let index = *self.by_path.entry(path.clone()).or_insert_with(|| {
            self.packages.push(Raw { path, ..Raw::default() });
            self.packages.len() - 1
        });
        self.current = Some(index);
    }

    fn at(&mut self, place: Place<'_>, said: Said<'_>, text: &str) {
        if self.current.is_none() {
            // Without a header, as `go tool compile` prints it.
            self.enter("");
        }
        let at = self.position(place);
        let Some(index) = self.current else { return };
        match said {
            Said::Escapes(what) => self.verdict(index, at, what, Says::Escapes),
            Said::Moved(what) => self.verdict(index, at, what, Says::Moved),
            Said::Stays(what) => self.verdict(index, at, what, Says::Stays),
            Said::Because { what, function } => {
                let what = self.intern(what);
                let function = function.map(|name| self.intern(name));
                let Some(raw) = self.packages.get_mut(index) else { return };
                raw.counts.explanations += 1;
                raw.becauses.push(Because { at, what, function, flows: Vec::new() });
                self.open = Some(raw.becauses.len() - 1);
            }
            Said::Leaks(_) => {
                self.open = None;
                if let Some(raw) = self.packages.get_mut(index) {
                    raw.counts.leaks += 1;
                }
            }
            Said::Flow { to, from, derefs } => {
                if self.because(index, &at).is_none_or(|open| open.flows.len() >= MOST_FLOWS) {
                    return;
                }
                let (to, from) = (self.intern(to), self.intern(from));
                if let Some(because) = self.because(index, &at) {
                    because.flows.push(crate::Flow { to, from, derefs, steps: Vec::new() });
                }
            }
            Said::Step { expression, why, at: step } => {
                // What is said of parameters matters for this alone.
                if why == "key of map put" {
                    let put = self.intern(expression);
                    self.packages.get_mut(index).map(|raw| raw.map_puts.insert(put));
                }
                if self.because(index, &at).is_none() {
                    return;
                }
                let (expression, why) = (self.intern(expression), self.intern(why));
                let step = step.map(|place| self.position(place));
                if let Some(flow) = self.because(index, &at).and_then(|open| open.flows.last_mut())
                    && flow.steps.len() < MOST_STEPS
                {
                    flow.steps.push(crate::Step { expression, why, at: step });
                }
            }
            Said::Function { name, is_inlined } => {
                let name = self.intern(name);
                if let Some(raw) = self.packages.get_mut(index) {
                    raw.counts.functions += 1;
                    raw.functions.push(FunctionAt { at, name, is_inlined });
                }
            }
            Said::Inlined(callee) => {
                let callee = self.intern(callee);
                if let Some(raw) = self.packages.get_mut(index) {
                    raw.counts.inlined += 1;
                    let callees = raw.inlined.entry(at).or_default();
                    if callees.len() < MOST_STEPS && !callees.contains(&callee) {
                        callees.push(callee);
                    }
                }
            }
            Said::Remark => {}
            Said::Other => self.keep(text),
        }
    }

    /// The explanation that a line at a place goes on with: the open one, if the place agrees.
    fn because(&mut self, package: usize, at: &Position) -> Option<&mut Because> {
        let open = self.open?;
        let becauses = &mut self.packages.get_mut(package)?.becauses;
        if becauses.get(open).is_some_and(|because| because.at == *at) {
            return becauses.get_mut(open);
        }
        // Text that was mixed up: the last that began there, not far back.
        becauses.iter_mut().rev().take(64).find(|because| because.at == *at)
    }

    fn verdict(&mut self, package: usize, at: Position, what: &str, says: Says) {
        let what = self.intern(what);
        let Some(raw) = self.packages.get_mut(package) else { return };
        match says {
            Says::Escapes => raw.counts.escapes += 1,
            Says::Moved => raw.counts.moved += 1,
            Says::Stays => raw.counts.stays += 1,
        }
        let key = (at, what, says);
        if let Some(verdict) = raw.index.get(&key).and_then(|&found| raw.verdicts.get_mut(found)) {
            verdict.times = verdict.times.saturating_add(1);
            return;
        }
        let (at, what, _) = key.clone();
        raw.index.insert(key, raw.verdicts.len());
        raw.verdicts.push(Verdict { at, what, says, times: 1 });
    }

    fn position(&mut self, place: Place<'_>) -> Position {
        Position { file: self.intern(place.file), line: place.line, column: place.column }
    }

    fn intern(&mut self, text: &str) -> Arc<str> {
        let text = clip(text);
        if let Some(known) = self.strings.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.strings.insert(new.clone());
        new
    }
}

fn clip(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
