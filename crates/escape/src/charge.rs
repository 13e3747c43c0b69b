//! What sites cost: the allocations of a profile, charged to the lines that made them.
//!
//! A profile knows functions, files and lines, but no columns and no expressions; and it may come from
//! another machine. So lines are matched by the package that the function's name tells, the file's last
//! part, and the number; packages called `main` by the file's folder, too. Where a call was inlined, the compiler speaks of the line of the outermost
//! call, and the allocation is charged there; where that line is unknown, to the next one inside.
//!
//! A line is charged once, however many sites it has. What is allocated on a line of these packages
//! without a verdict, the runtime allocates on its behalf: maps and slices that grow, channels. What a map
//! grew by on a line with verdicts is told by the stacks, or by the blocks' sizes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::blocks::{Blocks, fills_map, have_fixed_sizes};
use crate::explain::Context;
use crate::position::Position;
use crate::programs::{Owner, Programs};
use crate::report::Report;
use crate::site::Site;
use crate::stack::{Frame, MapWork, Sum, base_name, import_path, outside_of_runtime, split_symbol};

/// How many frames of inlined calls are followed outward.
const DEEPEST: usize = 64;

/// Files whose program is unclear that are told of.
const MOST_DOUBTS: usize = 16;

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

/// How it is known what a map took to grow, of what was allocated on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrowthBy {
    /// No map grows there.
    Nothing,
    /// By the runtime's calls.
    Calls,
    /// By the blocks that are few, and much larger than what is stored.
    Sizes,
    /// It is not: what the map took may be in the sum.
    Unknown,
}

impl GrowthBy {
    /// A short name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Calls => "calls",
            Self::Sizes => "sizes",
            Self::Unknown => "unknown",
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
    /// The part of it that maps took to grow, as far as that is known.
    pub map_growth: Sum,
    /// How that is known.
    pub growth_by: GrowthBy,
    /// What the runtime allocates, where nothing escapes on the line.
    pub growth: Option<Growth>,
}

impl ChargedLine<'_> {
    /// What was allocated there, without what maps took to grow.
    pub fn own_sum(&self) -> Sum {
        Sum {
            bytes: self.sum.bytes.saturating_sub(self.map_growth.bytes),
            objects: self.sum.objects.saturating_sub(self.map_growth.objects),
        }
    }

    /// How many bytes an object has that escapes there, where it can only be of one site.
    pub fn object_size(&self) -> Option<u64> {
        let is_clear = self.sites.len() == 1 && self.growth_by != GrowthBy::Unknown;
        let Sum { bytes, objects } = self.own_sum();
        bytes.checked_div(objects).filter(|_| is_clear)
    }
}

/// A file of a program, of which it is not sure whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Where the program was built.
    pub file: String,
    /// The package that it was taken to be of; or several, and it was charged to none of them.
    pub packages: Vec<String>,
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
    /// Files that may be another program's.
    pub doubts: Vec<Doubt>,
}

struct LineOf<'r> {
    package: &'r str,
    at: Position,
    sites: Vec<&'r Site>,
    function: Arc<str>,
    sum: Sum,
    map_growth: Sum,
    growth: Option<Growth>,
    /// What the stacks do not say of what it is.
    blocks: Blocks,
    has_calls: bool,
}

/// Charges allocations to the lines of a report.
pub struct Charger<'r> {
    context: &'r dyn Context,
    /// By package, file's last part and line.
    index: HashMap<(String, String, u32), usize>,
    lines: Vec<LineOf<'r>>,
    packages: HashMap<String, &'r str>,
    /// Those that symbols call `main`.
    programs: Programs<'r>,
    files: HashMap<(String, String), Position>,
    inlined: HashSet<(String, String, u32, String)>,
    outside: BTreeMap<String, Sum>,
    total: Sum,
    doubts: BTreeMap<String, Vec<String>>,
}

impl<'r> Charger<'r> {
    /// Makes a charger; `programs` are the packages that are called `main`.
    pub fn new(report: &'r Report, context: &'r dyn Context, programs: &HashSet<String>) -> Self {
        let mut charger = Self {
            context,
            index: HashMap::new(),
            lines: Vec::new(),
            packages: HashMap::new(),
            programs: Programs::of(report, context, programs),
            doubts: BTreeMap::new(),
            files: HashMap::new(),
            inlined: HashSet::new(),
            outside: BTreeMap::new(),
            total: Sum::default(),
        };
        for package in &report.packages {
            let path = import_path(&package.path);
            charger.packages.insert(path.to_owned(), path);
            for function in &package.functions {
                let file = function.at.base_name().to_owned();
                let first = Position { line: 1, column: 0, ..function.at.clone() };
                charger.files.entry((path.to_owned(), file)).or_insert(first);
            }
            for site in &package.sites {
                let (base, line) = (site.at.base_name().to_owned(), site.at.line);
                for callee in &site.inlined {
                    let key = (path.to_owned(), base.clone(), line, last_name(callee).to_owned());
                    charger.inlined.insert(key);
                }
                if site.escapes {
                    let line = charger.line(path, &site.at, &site.function);
                    charger.lines[line].sites.push(site);
                }
            }
        }
        charger
    }

    fn line(&mut self, package: &'r str, at: &Position, function: &Arc<str>) -> usize {
        let key = (package.to_owned(), at.base_name().to_owned(), at.line);
        *self.index.entry(key).or_insert_with(|| {
            self.lines.push(LineOf {
                package,
                at: Position { column: 0, ..at.clone() },
                sites: Vec::new(),
                function: function.clone(),
                sum: Sum::default(),
                map_growth: Sum::default(),
                growth: None,
                blocks: Blocks::default(),
                has_calls: false,
            });
            self.lines.len() - 1
        })
    }

    /// Charges what was allocated with a stack, the innermost call first.
    pub fn charge(&mut self, frames: &[Frame<'_>], sum: Sum) {
        self.total.add(sum);
        let depth = frames.len();
        let (frames, work) = outside_of_runtime(frames);
        let has_calls = frames.len() < depth;
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
            self.index.get(&self.key_of(frame)).copied()
        });
        let line = known.or_else(|| {
            (0..=outermost).rev().find_map(|index| {
                let frame = frames.get(index)?;
                let (path, base, line) = self.key_of(frame);
                let path = self.packages.get(&path).copied()?;
                let file = self.files.get(&(path.to_owned(), base))?.file.clone();
                let at = Position { file, line, column: 0 };
                let (_, name) = split_symbol(frame.function);
                Some(self.line(path, &at, &name.into()))
            })
        });
        match line.and_then(|line| self.lines.get_mut(line)) {
            Some(line) => {
                line.sum.add(sum);
                line.has_calls |= has_calls;
                if work == MapWork::Grows {
                    line.map_growth.add(sum);
                    line.growth = Some(Growth::Map);
                } else {
                    line.blocks.add(sum);
                }
            }
            None => {
                let (symbol, _) = split_symbol(first.function);
                self.outside.entry(symbol).or_default().add(sum);
            }
        }
        self.doubt(frames.get(..=outermost).unwrap_or_default());
    }

    /// Keeps in mind which files may be another program's.
    fn doubt(&mut self, frames: &[Frame<'_>]) {
        for frame in frames.iter().filter(|frame| frame.function.starts_with("main.")) {
            let packages = match self.programs.owner_of(frame.file) {
                Owner::Probably(path) => vec![path.to_owned()],
                Owner::OneOf(paths) => paths.into_iter().map(str::to_owned).collect(),
                Owner::Package(_) | Owner::Other => continue,
            };
            if self.doubts.len() < MOST_DOUBTS {
                self.doubts.insert(frame.file.to_owned(), packages);
            }
        }
    }

    /// The package, the file's last part, and the line.
    fn key_of(&self, frame: &Frame<'_>) -> (String, String, u32) {
        let (symbol, _) = split_symbol(frame.function);
        let owner = (symbol == "main").then(|| self.programs.owner_of(frame.file));
        let package = match owner {
            Some(Owner::Package(path) | Owner::Probably(path)) => path.to_owned(),
            _ => symbol,
        };
        (package, base_name(frame.file).to_owned(), frame.line)
    }

    fn is_inlined(&self, callee: &Frame<'_>, caller: &Frame<'_>) -> bool {
        let (path, base, line) = self.key_of(caller);
        let name = last_name(callee.function).to_owned();
        self.inlined.contains(&(path, base, line, name))
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
                let (map_growth, growth_by) = map_growth(&line);
                let LineOf { package, at, sites, function, sum, .. } = line;
                ChargedLine { package, at, function, sites, sum, map_growth, growth_by, growth }
            })
            .collect();
        lines.sort_by(|a, b| b.sum.bytes.cmp(&a.sum.bytes).then_with(|| a.at.cmp(&b.at)));
        let mut outside: Vec<_> = self.outside.into_iter().collect();
        outside.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.bytes));
        let doubts = self.doubts.into_iter().map(|(file, packages)| Doubt { file, packages });
        Charged { lines, outside, total: self.total, doubts: doubts.collect() }
    }
}

impl std::fmt::Debug for Charger<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Charger").field("lines", &self.lines.len()).finish_non_exhaustive()
    }
}

/// What maps took to grow on a line, and how that is known.
fn map_growth(line: &LineOf<'_>) -> (Sum, GrowthBy) {
    if line.map_growth != Sum::default() {
        return (line.map_growth, GrowthBy::Calls);
    }
    if line.has_calls || line.sum == Sum::default() || !fills_map(&line.sites) {
        return (Sum::default(), GrowthBy::Nothing);
    }
    let tables = line.blocks.tables().filter(|_| have_fixed_sizes(&line.sites));
    tables.map_or((Sum::default(), GrowthBy::Unknown), |tables| (tables, GrowthBy::Sizes))
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

/// The last part of a function's name, without type arguments: `fmt.Sprint` and `Sprint` agree.
fn last_name(function: &str) -> &str {
    let plain = function.split('[').next().unwrap_or(function);
    plain.rsplit('.').next().unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoContext;
    use crate::explain::PackagePlace;

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

    /// Two programs of one module.
    struct Module;

    impl Context for Module {
        fn source(&self, _: &str) -> Option<Arc<str>> {
            None
        }

        fn is_package(&self, _: &str, _: &str) -> bool {
            false
        }

        fn place_of(&self, package: &str) -> Option<PackagePlace> {
            let below = package.strip_prefix("example.com/two/")?;
            let folder = format!("/home/u/two/{below}");
            Some(PackagePlace { folder: folder.into(), module: Some("example.com/two".into()) })
        }
    }

    #[test]
    fn programs_are_not_charged_for_one_another() {
        let paths = ["example.com/two/cmd/a", "example.com/two/cmd/b"];
        let text = paths.map(|path| {
            let file = format!("cmd/{}/main.go", last_part(path));
            format!(
                "# {path}\n{file}:9:6: cannot inline fill: function too complex\n\
                 {file}:12:9: &rec{{...}} escapes to heap\n"
            )
        });
        let report = crate::read(&text.concat(), &Module);
        let programs = paths.map(str::to_owned).into_iter().collect();
        let mut charger = Charger::new(&report, &Module, &programs);
        let at = |file| Frame { function: "main.fill", file, line: 12, location: 1 };
        let sum = |bytes| Sum { bytes, objects: 1 };
        charger.charge(&[at("/home/u/two/cmd/b/main.go")], sum(5));
        charger.charge(&[at("example.com/two/cmd/a/main.go")], sum(7));
        charger.charge(&[at("/home/u/two/cmd/c/main.go")], sum(11));
        let charged = charger.finish();
        let lines: Vec<_> = charged
            .lines
            .iter()
            .map(|line| (last_part(line.package), line.sites.len(), line.sum.bytes))
            .collect();
        assert_eq!(lines, [("a", 1, 7), ("b", 1, 5)]);
        assert_eq!(charged.outside, [("main".to_owned(), sum(11))]);
        assert!(charged.doubts.is_empty(), "{:?}", charged.doubts);
    }

    fn last_part(path: &str) -> &str {
        base_name(path)
    }

    const FILLS: &str = "# example.com/app\n\
        ./a.go:3:6: cannot inline fill: function too complex\n\
        ./a.go:5:9: &T{...} escapes to heap in fill:\n\
        ./a.go:5:9:   flow: {heap} ← &{storage for &T{...}}:\n\
        ./a.go:5:9:     from &T{...} (spill) at ./a.go:5:9\n\
        ./a.go:5:9:     from m[k] = &T{...} (assign) at ./a.go:5:7\n\
        ./a.go:5:9: &T{...} escapes to heap\n";

    /// Knows that `m` is a map.
    struct Text;

    impl Context for Text {
        fn source(&self, _: &str) -> Option<Arc<str>> {
            Some("package app\n\nfunc fill(m map[int]*T, k int) {\n\n\tm[k] = &T{}\n}\n".into())
        }

        fn is_package(&self, _: &str, _: &str) -> bool {
            false
        }
    }

    fn filled(stacks: &[(&[Frame<'_>], Sum)]) -> (Sum, GrowthBy, Option<u64>) {
        let report = crate::read(FILLS, &Text);
        let mut charger = Charger::new(&report, &Text, &HashSet::new());
        for (frames, sum) in stacks {
            charger.charge(frames, *sum);
        }
        let charged = charger.finish();
        let line = &charged.lines[0];
        assert_eq!(line.sites[0].map, Some(crate::MapRole::Elem));
        (line.own_sum(), line.growth_by, line.object_size())
    }

    #[test]
    fn what_a_map_grew_by_is_no_object_s() {
        let here = frame("example.com/app.fill", 5, 1);
        let objects = Sum { bytes: 208_000, objects: 1000 };
        let tables = Sum { bytes: 81_920, objects: 2 };
        // A profile has the sizes alone, a process the runtime's calls.
        assert_eq!(
            filled(&[(&[here], objects), (&[here], tables)]),
            (objects, GrowthBy::Sizes, Some(208))
        );
        assert_eq!(filled(&[(&[here], objects)]), (objects, GrowthBy::Unknown, None));
        let makes: &[_] = &[frame("runtime.newobject", 1, 9), here];
        let grows: &[_] = &[frame("runtime.mapassign_fast64", 1, 9), here];
        assert_eq!(
            filled(&[(makes, objects), (grows, tables)]),
            (objects, GrowthBy::Calls, Some(208))
        );
        assert_eq!(filled(&[(makes, objects)]), (objects, GrowthBy::Nothing, Some(208)));
    }
}
