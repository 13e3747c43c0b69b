//! From flows to reasons.
//!
//! An explanation ends where its value meets something that outlives the function: the heap, a result,
//! a variable outside of the loop, or the storage of another expression that goes to the heap itself.
//! In the last case that one's explanation says more, and is followed, [`DEEPEST`] times at most: the
//! compiler does not repeat it.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::callee::{self, Callee, Names};
use crate::hints::{self, Hints, Starter};
use crate::position::Position;
use crate::read::{Because, Raw, Says, Verdict};
use crate::reason::Reason;
use crate::report::{FunctionAt, PackageReport};
use crate::site::{self, Flow, MapRole, Site, SiteKind};

/// How many explanations one after the other are followed.
const DEEPEST: usize = 12;
/// How many explanations of one spelling are looked at for the nearest.
const MOST_NAMESAKES: usize = 4096;

/// What is known besides the compiler's text. Nothing need be known: reasons are coarser then.
pub trait Context {
    /// The text of a file, by the name that the compiler prints.
    fn source(&self, file: &str) -> Option<Arc<str>>;
    /// Whether a name is that of a package which `importer` depends on.
    fn is_package(&self, importer: &str, name: &str) -> bool;
    /// Where a package lies, by its import path.
    fn place_of(&self, _package: &str) -> Option<PackagePlace> {
        None
    }
}

/// Where a package lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagePlace {
    /// Its folder.
    pub folder: Arc<str>,
    /// The path of the module that it is in.
    pub module: Option<Arc<str>>,
}

/// Knows nothing: a name in front of an exported one is taken for a package's.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoContext;

impl Context for NoContext {
    fn source(&self, _: &str) -> Option<Arc<str>> {
        None
    }

    fn is_package(&self, _: &str, name: &str) -> bool {
        name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_lowercase())
    }
}

/// Where a value ends up.
#[derive(Debug, Clone)]
struct End {
    reason: Reason,
    callee: Option<Arc<str>>,
}

impl From<Reason> for End {
    fn from(reason: Reason) -> Self {
        Self { reason, callee: None }
    }
}

struct Explainer<'p> {
    path: Arc<str>,
    context: &'p dyn Context,
    becauses: &'p [Because],
    by_place: HashMap<(&'p Position, &'p str), usize>,
    by_spelling: HashMap<&'p str, Vec<usize>>,
    /// The first and the last explanation that begin at a place.
    places: HashMap<&'p Position, (usize, usize)>,
    functions: HashSet<&'p str>,
    /// The last part of methods' names.
    methods: HashSet<&'p str>,
    /// Functions that are not in others, by file and line.
    regions: Vec<&'p FunctionAt>,
    sources: HashMap<Arc<str>, Option<Lines>>,
    hints: Hints,
    /// Of each file alone: where names mean different things in the package.
    hints_of: HashMap<Arc<str>, Hints>,
}

/// A file's text, and where its lines begin.
struct Lines {
    text: Arc<str>,
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: Arc<str>) -> Self {
        let starts = text.match_indices('\n').map(|(index, _)| index + 1);
        let starts = std::iter::once(0).chain(starts).collect();
        Self { text, starts }
    }

    /// The text from the beginning of a line on.
    fn from(&self, line: u32) -> Option<&str> {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        self.text.get(*self.starts.get(index)?..)
    }
}

impl Names for Explainer<'_> {
    fn is_function(&self, name: &str) -> bool {
        self.functions.contains(name)
    }

    fn is_package(&self, name: &str) -> bool {
        self.context.is_package(&self.path, name)
    }
}

/// Makes sites of what was read of a package.
pub(crate) fn package(raw: Raw, context: &dyn Context) -> PackageReport {
    let Raw { path, verdicts, becauses, mut functions, inlined, counts, map_puts, .. } = raw;
    functions.sort_by(|a, b| a.at.cmp(&b.at));
    functions.dedup();
    let sites = {
        let mut explainer = Explainer::new(&path, context, &becauses, &functions);
        explainer.learn();
        explainer.hints.confirm(map_puts.iter().map(|put| &**put));
        let mut sites: Vec<Site> =
            verdicts.iter().filter_map(|verdict| explainer.site(verdict, &inlined)).collect();
        sites.sort_by(|a, b| a.at.cmp(&b.at));
        sites
    };
    PackageReport { path, sites, functions, counts }
}

impl<'p> Explainer<'p> {
    fn new(
        path: &Arc<str>,
        context: &'p dyn Context,
        becauses: &'p [Because],
        functions: &'p [FunctionAt],
    ) -> Self {
        let mut by_place = HashMap::new();
        let mut by_spelling: HashMap<&str, Vec<usize>> = HashMap::new();
        let mut places: HashMap<&Position, (usize, usize)> = HashMap::new();
        for (index, because) in becauses.iter().enumerate() {
            places.entry(&because.at).or_insert((index, index)).1 = index;
            by_place.entry((&because.at, &*because.what)).or_insert(index);
            by_spelling.entry(&because.what).or_default().push(index);
        }
        let bare =
            |function: &'p FunctionAt| function.name.split('[').next().unwrap_or(&function.name);
        let names: HashSet<&str> = functions.iter().map(bare).collect();
        let regions: Vec<&FunctionAt> =
            functions.iter().filter(|function| is_outermost(&function.name)).collect();
        let methods = regions.iter().filter_map(|function| function.name.rsplit_once('.'));
        let methods = methods.map(|(_, last)| last).collect();
        Self {
            path: path.clone(),
            context,
            becauses,
            by_place,
            by_spelling,
            places,
            functions: names,
            methods,
            regions,
            sources: HashMap::new(),
            hints: Hints::default(),
            hints_of: HashMap::new(),
        }
    }

    /// Reads the files in which something escapes, twice: a type may be declared after its use.
    fn learn(&mut self) {
        let becauses = self.becauses.iter().map(|because| &because.at);
        let declared = self.regions.iter().map(|function| &function.at);
        for at in becauses.chain(declared) {
            if !self.sources.contains_key(&at.file) {
                let text = if at.is_made_up() { None } else { self.context.source(&at.file) };
                self.sources.insert(at.file.clone(), text.map(Lines::new));
            }
        }
        for _ in 0..2 {
            for (file, lines) in &self.sources {
                let Some(lines) = lines else { continue };
                self.hints.learn(&lines.text);
                self.hints_of.entry(file.clone()).or_default().learn(&lines.text);
            }
        }
    }

    fn site(&self, verdict: &Verdict, inlined: &HashMap<Position, Vec<Arc<str>>>) -> Option<Site> {
        let Verdict { at, what, says, times } = verdict;
        let mut kind = match says {
            Says::Moved => SiteKind::Variable,
            _ => SiteKind::of(what),
        };
        // A map's literal is spelt like a struct's in a box, and made like a slice.
        if matches!(kind, SiteKind::Boxed | SiteKind::MakeSlice)
            && site::named_type(what).is_some_and(|name| self.hints.is_map_type(name))
        {
            let is_made = kind == SiteKind::MakeSlice;
            kind = if is_made { SiteKind::MakeMap } else { SiteKind::MapLiteral };
        }
        let escapes = *says != Says::Stays;
        // Parameters are spoken of in the words for values; which is which can't be told of a name.
        let is_name =
            |text: &str| text.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
        if !escapes && kind == SiteKind::Boxed && is_name(what) {
            return None;
        }
        let because = match self.by_place.get(&(at, &**what)) {
            Some(&index) => self.becauses.get(index),
            // `append escapes to heap` leaves out of what.
            None if kind == SiteKind::Append => self.spelt_at(at, "append("),
            // Go 1.19 writes calls with the arguments packed up by then.
            None => what.split_once("... argument").and_then(|(front, _)| self.spelt_at(at, front)),
        };
        if kind == SiteKind::Boxed && self.is_method_value(what) {
            kind = SiteKind::MethodValue;
        }
        let (reason, end) = match because {
            Some(because) => self.reasons(kind, because),
            None => (Reason::Unexplained, Reason::Unexplained.into()),
        };
        let function = because.and_then(|because| because.function.clone());
        let function = function.or_else(|| self.function_at(at));
        // Before the first function of a file stand globals alone.
        let function = function.unwrap_or_else(|| "init".into());
        let map = match (kind, end.reason) {
            _ if kind.is_map() => Some(MapRole::Map),
            (SiteKind::Boxed, Reason::MapKey) => Some(MapRole::BoxedKey),
            (SiteKind::Boxed, Reason::MapElem) => Some(MapRole::BoxedElem),
            (_, Reason::MapKey) => Some(MapRole::Key),
            (_, Reason::MapElem) => Some(MapRole::Elem),
            _ => None,
        };
        Some(Site {
            at: at.clone(),
            expression: match because {
                Some(because) if kind == SiteKind::Append => because.what.clone(),
                _ => what.clone(),
            },
            function,
            kind,
            escapes,
            times: *times,
            reason,
            ends: end.reason,
            callee: end.callee,
            map,
            inlined: inlined.get(at).cloned().unwrap_or_default(),
            flows: because.map(|because| because.flows.clone()).unwrap_or_default(),
        })
    }

    /// The explanation at a place of what begins so.
    fn spelt_at(&self, at: &Position, front: &str) -> Option<&'p Because> {
        let &(start, end) = self.places.get(at)?;
        let here = self.becauses.get(start..=end)?.iter();
        here.take(MOST_NAMESAKES)
            .find(|because| because.at == *at && because.what.starts_with(front))
    }

    /// The reason that counts for a kind, and where the value ends up.
    fn reasons(&self, kind: SiteKind, because: &Because) -> (Reason, End) {
        let end = self.end(because, DEEPEST);
        let shape = matches!(
            end.reason,
            Reason::TooLarge | Reason::SizeNotConstant | Reason::OddShape | Reason::Goroutine
        );
        let captured = because
            .flows
            .iter()
            .flat_map(|flow| &flow.steps)
            .any(|step| &*step.why == "captured by a closure");
        let reason = if kind == SiteKind::Boxed {
            Reason::Interface
        } else if captured && !shape && end.reason != Reason::Deferred {
            Reason::Captured
        } else {
            end.reason
        };
        (reason, end)
    }

    fn end(&self, because: &Because, deepest: usize) -> End {
        let first = because.flows.first().and_then(|flow| flow.steps.first());
        if let Some(reason) = first.and_then(|step| shape(&step.why)) {
            return reason.into();
        }
        let Some(last) = because.flows.last() else { return Reason::Unexplained.into() };
        if &*last.to == "{heap}" {
            return self.to_heap(because, last);
        }
        let outermost = last.steps.last().map(|step| &*step.why);
        if outermost == Some("return") || last.to.starts_with("~r") {
            return Reason::Returned.into();
        }
        let storage = last.to.strip_prefix("{storage for ").and_then(|to| to.strip_suffix('}'));
        let near = last.steps.last().and_then(|step| step.at.as_ref()).unwrap_or(&because.at);
        let next = self.nearest(storage.unwrap_or(&last.to), near, because);
        match next {
            Some(next) if deepest > 0 => self.end(next, deepest - 1),
            Some(_) => Reason::Unexplained.into(),
            None if storage.is_some() => Reason::Stored.into(),
            None if self.is_result(because, &last.to) => Reason::Returned.into(),
            None => Reason::OutlivesLoop.into(),
        }
    }

    /// The flow's last step says what put the value on the heap.
    fn to_heap(&self, because: &Because, last: &Flow) -> End {
        let Some(step) = last.steps.last() else {
            // Through a temporary place: the step before it says how it got there. A method that is
            // bound to its receiver leaves none.
            let before = because.flows.iter().rev().skip(1).take(2);
            let call = before.filter_map(|flow| flow.steps.last()).next();
            return match call.filter(|step| &*step.why == "call parameter") {
                Some(step) => self.to_call(&step.expression),
                None => Reason::Captured.into(),
            };
        };
        match &*step.why {
            "send" => Reason::Sent.into(),
            "return" => Reason::Returned.into(),
            "key of map put" | "map literal key" => Reason::MapKey.into(),
            "map literal value" => Reason::MapElem.into(),
            "appendee slice" | "appended slice..." | "copied slice" => Reason::Appended.into(),
            "call parameter" => self.to_call(&step.expression),
            "assign"
            | "assign-pair"
            | "assign-pair-mapr"
            | "assign-pair-receive"
            | "assign-pair-dot-type" => {
                let target = step.expression.split(" = ").next().unwrap_or_default();
                let here = || self.hints_of.get(&because.at.file)?.indexes_map(target);
                match self.hints.indexes_map(target).or_else(here) {
                    Some(true) => Reason::MapElem.into(),
                    _ => Reason::Stored.into(),
                }
            }
            "spill" if because.flows.len() == 1 || &*last.from == "{storage for func literal}" => {
                self.started(because, last)
            }
            why => shape(why).unwrap_or(Reason::Stored).into(),
        }
    }

    fn to_call(&self, call: &str) -> End {
        let (reason, callee) = match callee::of(call, self) {
            Callee::Builtin("append" | "copy") => return Reason::Appended.into(),
            Callee::Builtin("panic") => return Reason::Panicked.into(),
            Callee::Builtin(name) => (Reason::Callee, name),
            Callee::Own(name) => (Reason::Callee, name),
            Callee::Other(name) => (Reason::OtherPackage, name),
            Callee::Unknown(name) => (Reason::UnknownCallee, name),
        };
        End { reason, callee: Some(callee.into()) }
    }

    /// What flows to the heap by itself belongs to a `go`, or to a `defer` in a loop.
    fn started(&self, because: &Because, last: &Flow) -> End {
        let at = last.steps.last().and_then(|step| step.at.as_ref()).unwrap_or(&because.at);
        let line = self.line(at);
        match line.and_then(|line| hints::starter(line, at.column)) {
            Some(Starter::Defer) => Reason::Deferred.into(),
            Some(Starter::Go) => Reason::Goroutine.into(),
            None if line.is_some() => Reason::Stored.into(),
            // Without source, the far more frequent one.
            None if &*because.what == "func literal" => Reason::Goroutine.into(),
            None => Reason::Stored.into(),
        }
    }

    /// The explanation of what is spelt so, that begins nearest before a place in the same file.
    fn nearest(&self, what: &str, near: &Position, from: &Because) -> Option<&'p Because> {
        let home = self.region_of(near);
        let all = self.by_spelling.get(what)?;
        let at = |&index: &usize| self.becauses.get(index);
        let after =
            all.partition_point(|index| at(index).is_some_and(|because| because.at <= *near));
        // Explanations of another function are no help, and functions do not lie between each other.
        let is_here = |because: &&Because| {
            because.at.file == near.file && self.region_of(&because.at) == home
        };
        let other = |because: &&Because| !std::ptr::eq(*because, from);
        let before = all.get(..after)?.iter().rev().filter_map(at).take_while(is_here).find(other);
        before.or_else(|| all.get(after..)?.iter().filter_map(at).take_while(is_here).find(other))
    }

    fn is_result(&self, because: &Because, name: &str) -> bool {
        let Some(function) = self.region_of(&because.at).and_then(|index| self.regions.get(index))
        else {
            return false;
        };
        let lines = self.sources.get(&function.at.file).and_then(Option::as_ref);
        let text = lines.and_then(|lines| lines.from(function.at.line));
        text.is_some_and(|text| hints::names_result(text, name))
    }

    fn is_method_value(&self, what: &str) -> bool {
        let Some((_, method)) = what.rsplit_once('.') else { return false };
        self.methods.contains(method)
    }

    fn function_at(&self, at: &Position) -> Option<Arc<str>> {
        self.region_of(at).and_then(|index| self.regions.get(index)).map(|found| found.name.clone())
    }

    /// The last function that begins before a place in its file.
    fn region_of(&self, at: &Position) -> Option<usize> {
        let after = self.regions.partition_point(|function| {
            function.at.file < at.file
                || (function.at.file == at.file && function.at.line <= at.line)
        });
        let index = after.checked_sub(1)?;
        self.regions.get(index).filter(|function| function.at.file == at.file).map(|_| index)
    }

    fn line(&self, at: &Position) -> Option<&str> {
        let text = self.sources.get(&at.file)?.as_ref()?.from(at.line)?;
        text.lines().next()
    }
}

fn shape(why: &str) -> Option<Reason> {
    Some(match why {
        "too large for stack" => Reason::TooLarge,
        "non-constant size" => Reason::SizeNotConstant,
        "too aligned for stack" | "zero-sized element" => Reason::OddShape,
        _ => return None,
    })
}

/// Whether a function is not inside another one: `Run.func1` and `Run.gowrap2` are.
fn is_outermost(name: &str) -> bool {
    let last = name.rsplit_once('.').map_or("", |(_, last)| last);
    let is_numbered = |prefix: &str| {
        last.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_inner = ["func", "gowrap", "deferwrap"].into_iter().any(is_numbered)
        || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    !is_inner || name.starts_with("glob..") || name.starts_with("init.")
}
