//! What the maps of findings cost: by the stacks of a heap profile or a process, or by an inspection.
//!
//! A profile is charged by lines: to the statements that put entries in, all that was allocated while they
//! ran, and to the places that make the map. So the bytes of keys and elems that are made on the way in
//! count as the map's, as they would go with it. Beside that stands what the functions around these lines
//! allocated otherwise, since an entry is often made some lines above. A stack counts once for a finding,
//! however many of its lines it has. An inspection knows the map itself, and what it retains.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use serde::Serialize;
use tophash_escape::{Frame, MapWork, Sum, base_name, outside_of_runtime, split_symbol};
use tophash_source::Finding;

use super::options::LintOptions;
use super::{Shown, is_heavy};
use crate::charge::stacks;
use crate::join::known_map::{KnownMap, read_report};
use crate::join::matching::{Index, of_code};
use crate::progress::Progress;
use crate::report::style::{bytes, counted, plural};

/// No more frames of a stack are looked at.
const MAX_FRAMES: usize = 1024;

/// What one finding costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Weight {
    /// By which findings are ranked: of lines, or of maps.
    pub(super) bytes: u64,
    /// The same in objects; of an inspection, in entries.
    pub(super) objects: u64,
    /// Of the bytes, those that the runtime took for maps themselves, where the stacks tell.
    pub(super) map_bytes: u64,
    /// Bytes that the functions around the lines allocated otherwise.
    pub(super) function_bytes: u64,
    /// Maps that the finding was known again in; of an inspection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) maps: Vec<String>,
}

/// What all of them cost, by the number of the finding.
pub(super) struct Costs {
    pub(super) weights: Vec<Weight>,
    /// Everything that was counted.
    pub(super) total: Sum,
    pub(super) meaning: &'static str,
    pub(super) is_inspection: bool,
    pub(super) notes: Vec<String>,
}

/// Weighs findings by what the options name; `None` where they name nothing.
pub(super) fn weigh(
    findings: &[Finding],
    options: &LintOptions,
    progress: &Progress,
) -> Result<Option<Costs>> {
    if let Some(path) = &options.inspect {
        return Ok(Some(by_inspection(findings, &read_report(path)?)));
    }
    let mut charger = Charger::new(findings);
    let account = stacks(&options.cost, progress, &mut |frames, sum| charger.charge(frames, sum))?;
    Ok(account.map(|account| Costs {
        meaning: account.meaning,
        is_inspection: false,
        notes: account.notes.into_iter().chain(charger.doubts()).collect(),
        weights: charger.weights,
        total: charger.total,
    }))
}

fn by_inspection(findings: &[Finding], maps: &[KnownMap]) -> Costs {
    let index = Index::new(findings);
    let mut weights = vec![Weight::default(); findings.len()];
    let mut total = Sum::default();
    for map in maps {
        // What is inside of a sync.Map is counted with it.
        if map.is_part {
            continue;
        }
        total.add(Sum { bytes: map.own_bytes, objects: map.entries });
        for (number, _) in index.find(map) {
            let Some(weight) = weights.get_mut(number) else { continue };
            weight.bytes = weight.bytes.saturating_add(map.weight());
            weight.objects = weight.objects.saturating_add(map.entries);
            weight.map_bytes = weight.map_bytes.saturating_add(map.own_bytes);
            weight.maps.push(format!("{:#x}", map.address));
        }
    }
    Costs {
        weights,
        total,
        meaning: "retained by the maps of an inspection",
        is_inspection: true,
        notes: Vec::new(),
    }
}

/// Charges stacks to findings.
struct Charger<'f> {
    findings: &'f [Finding],
    weights: Vec<Weight>,
    total: Sum,
    /// Findings by the last part of the files that their lines are in.
    by_file: HashMap<&'f str, Vec<usize>>,
    /// Files that may be of several packages.
    doubtful: BTreeSet<String>,
}

impl<'f> Charger<'f> {
    fn new(findings: &'f [Finding]) -> Self {
        let mut by_file: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, finding) in findings.iter().enumerate() {
            let Some(map) = &finding.map else { continue };
            for lines in map.inserts.iter().chain(&map.makes) {
                let known = by_file.entry(base_name(&lines.at.path)).or_default();
                if known.last() != Some(&number) {
                    known.push(number);
                }
            }
        }
        let weights = vec![Weight::default(); findings.len()];
        Self { findings, weights, total: Sum::default(), by_file, doubtful: BTreeSet::new() }
    }

    /// Says of which files it is not sure whose they are.
    fn doubts(&self) -> Option<String> {
        let first = self.doubtful.first()?;
        let others = match self.doubtful.len() as u64 - 1 {
            0 => String::new(),
            others => format!(" and {}", plural(others, "other file")),
        };
        Some(format!("{first}{others}: several packages may be meant, and each is charged"))
    }

    fn charge(&mut self, frames: &[Frame<'_>], sum: Sum) {
        self.total.add(sum);
        let (frames, work) = outside_of_runtime(frames);
        // By finding: whether one of its lines is in the stack, and whether it is the innermost call.
        let mut hit: HashMap<usize, (bool, bool)> = HashMap::new();
        for (depth, frame) in frames.iter().take(MAX_FRAMES).enumerate() {
            let file = base_name(frame.file);
            let Some(known) = self.by_file.get(file) else { continue };
            let (path, function) = split_symbol(frame.function);
            let maps = known
                .iter()
                .filter_map(|&number| Some((number, self.findings.get(number)?.map.as_ref()?)));
            let mut program = None;
            for (number, map) in of_code(maps, &path, frame.file) {
                let mut own = map
                    .inserts
                    .iter()
                    .chain(&map.makes)
                    .filter(|lines| base_name(&lines.at.path) == file);
                let mut is_around = false;
                let is_line = own.any(|lines| {
                    is_around |= lines.is_in(function);
                    lines.has_line(frame.line)
                });
                if is_line || is_around {
                    // Without a go.mod, only the folder is known.
                    let at = &self.findings[number].at.path;
                    let package = (&map.import_path, at.strip_suffix(base_name(at)));
                    if *program.get_or_insert(package) != package {
                        self.doubtful.insert(frame.file.to_owned());
                    }
                    let (line, is_innermost) = hit.entry(number).or_default();
                    *line |= is_line;
                    *is_innermost |= is_line && depth == 0;
                }
            }
        }
        for (number, (is_line, is_innermost)) in hit {
            let Some(weight) = self.weights.get_mut(number) else { continue };
            if !is_line {
                weight.function_bytes = weight.function_bytes.saturating_add(sum.bytes);
                continue;
            }
            weight.bytes = weight.bytes.saturating_add(sum.bytes);
            weight.objects = weight.objects.saturating_add(sum.objects);
            if is_innermost && work != MapWork::None {
                weight.map_bytes = weight.map_bytes.saturating_add(sum.bytes);
            }
        }
    }
}

/// Says what a finding costs; `None` where nothing is charged to it.
pub(super) fn words(weight: &Weight, shown: &Shown) -> Option<String> {
    let costs = shown.costs.as_ref()?;
    if weight.bytes == 0 && weight.function_bytes == 0 {
        return None;
    }
    if costs.is_inspection {
        let maps = weight.maps.len() as u64;
        return Some(format!(
            "{} {}, {} of it {} own, with {}",
            counted(maps, "map retains", "maps retain"),
            bytes(weight.bytes),
            bytes(weight.map_bytes),
            if maps == 1 { "its" } else { "their" },
            counted(weight.objects, "entry", "entries"),
        ));
    }
    let share = 100.0 * weight.bytes as f64 / costs.total.bytes.max(1) as f64;
    let mut text = format!(
        "its lines cost {} ({share:.1} %) in {}",
        bytes(weight.bytes),
        plural(weight.objects, "object"),
    );
    if weight.map_bytes > 0 {
        text.push_str(&format!(", {} of it the map itself", bytes(weight.map_bytes)));
    }
    if weight.function_bytes > 0 {
        let function = bytes(weight.function_bytes);
        text.push_str(&format!("; the functions around them cost {function} besides"));
    }
    Some(text)
}

/// Puts the costliest first; what costs the same stays in order.
pub(super) fn rank(findings: Vec<Finding>, costs: &mut Costs) -> Vec<Finding> {
    let weights = std::mem::take(&mut costs.weights);
    let mut both: Vec<_> = findings.into_iter().zip(weights).collect();
    both.sort_by_key(|(_, weight)| {
        std::cmp::Reverse((is_heavy(weight, costs.total), weight.bytes, weight.function_bytes))
    });
    let (findings, weights) = both.into_iter().unzip();
    costs.weights = weights;
    findings
}

#[cfg(test)]
mod tests {
    use tophash_source::{Config, lint_texts};

    use super::*;

    const TEXT: &str = "package web\n\nimport (\n\t\"net/http\"\n\t\"sync\"\n)\n\n\
        type visit struct{ n int }\n\nvar (\n\tmu sync.Mutex\n\tseen = map[string]*visit{}\n)\n\n\
        func count(w http.ResponseWriter, r *http.Request) {\n\tmu.Lock()\n\tdefer mu.Unlock()\n\
        \tv := newVisit()\n\tseen[r.RemoteAddr] = v\n}\n\nfunc newVisit() *visit { return &visit{} }\n";

    fn frame(function: &'static str, line: u32) -> Frame<'static> {
        Frame { function, file: "/build/web/web.go", line, location: 0 }
    }

    fn charged(frames: &[Frame<'_>]) -> Weight {
        let report = lint_texts(&[("web.go", TEXT)], Some((1, 24)), &Config::default());
        let mut charger = Charger::new(&report.findings);
        charger.charge(frames, Sum { bytes: 64, objects: 2 });
        assert_eq!(charger.total.bytes, 64);
        charger.weights.remove(0)
    }

    #[test]
    fn an_insertion_is_charged_with_what_is_allocated_under_it() {
        let insert = frame("example.org/web.count", 19);
        let grown = charged(&[frame("runtime.mapassign_faststr", 200), insert]);
        assert_eq!((grown.bytes, grown.objects, grown.map_bytes), (64, 2, 64));
        let below = charged(&[frame("fmt.Sprintf", 1), insert, frame("main.main", 9)]);
        assert_eq!((below.bytes, below.map_bytes, below.function_bytes), (64, 0, 0));
    }

    #[test]
    fn what_the_function_allocates_elsewhere_stands_beside() {
        let visit =
            charged(&[frame("example.org/web.newVisit", 22), frame("example.org/web.count", 18)]);
        assert_eq!((visit.bytes, visit.function_bytes), (0, 64));
        assert_eq!(charged(&[frame("example.org/shop.count", 19)]), Weight::default());
        assert_eq!(charged(&[frame("example.org/web.newVisit", 22)]), Weight::default());
    }

    #[test]
    fn of_two_programs_the_one_is_charged_whose_folder_it_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("go.mod"), "module example.org/two\n\ngo 1.24\n").unwrap();
        for folder in ["", "cmd/a", "cmd/b"] {
            let folder = dir.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            let text = TEXT.replace("package web", "package main");
            std::fs::write(folder.join("main.go"), text).unwrap();
        }
        let report = tophash_source::lint(&[dir.path().to_path_buf()], &Config::default());
        let charged = |file: &str| {
            let mut charger = Charger::new(&report.findings);
            let frame = Frame { function: "main.count", file, line: 19, location: 0 };
            charger.charge(&[frame], Sum { bytes: 64, objects: 2 });
            assert_eq!(charger.doubts(), None);
            let weights = report.findings.iter().zip(charger.weights);
            let charged = weights.filter(|(_, weight)| weight.bytes > 0);
            charged.map(|(finding, _)| finding.import_path.clone().unwrap()).collect::<Vec<_>>()
        };
        for front in ["/home/u/two", "example.org/two", "/src"] {
            assert_eq!(charged(&format!("{front}/cmd/b/main.go")), ["example.org/two/cmd/b"]);
            assert_eq!(charged(&format!("{front}/main.go")), ["example.org/two"]);
        }
    }

    #[test]
    fn programs_of_several_modules_may_not_be_told_apart_and_that_is_said() {
        let dir = tempfile::tempdir().unwrap();
        for module in ["x", "y"] {
            let folder = dir.path().join(module);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("go.mod"), format!("module example.org/{module}\n"))
                .unwrap();
            std::fs::write(folder.join("main.go"), TEXT.replace("package web", "package main"))
                .unwrap();
        }
        let report = tophash_source::lint(&[dir.path().to_path_buf()], &Config::default());
        let mut charger = Charger::new(&report.findings);
        let frame = Frame { function: "main.count", file: "/src/main.go", line: 19, location: 0 };
        charger.charge(&[frame], Sum { bytes: 64, objects: 2 });
        assert!(charger.weights.iter().all(|weight| weight.bytes == 64));
        assert!(charger.doubts().is_some_and(|text| text.starts_with("/src/main.go: several")));
    }

    #[test]
    fn a_map_is_charged_where_it_is_made() {
        let made = charged(&[frame("runtime.makemap", 1), frame("example.org/web.init", 12)]);
        assert_eq!((made.bytes, made.map_bytes), (64, 64));
    }
}
