//! `tophash diff`: what grew between two looks at one program, and who holds it.
//!
//! Maps are matched by what they are called: their type and their root path, so that neither
//! addresses nor the build need be the same. Maps of one type that are held alike are added up.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, Serializer};
use tophash_diagnose::{Evidence, Finding, GrowthEvidence, MapEvidence, Rule, diagnose};

use crate::Outcome;
use crate::analysis::analyse;
use crate::args::{DiffOptions, Format, TargetOptions, ViewOptions};
use crate::inspect::{open, outcome};
use crate::progress::Progress;
use crate::report::{FindingLine, Report, diff_table};

/// The version of the JSON format.
const SCHEMA: u32 = 1;

/// What two snapshots differ in.
#[derive(Debug, Serialize)]
pub(crate) struct Diff {
    schema: u32,
    pub(crate) before: Source,
    pub(crate) after: Source,
    /// What changed, by the bytes it changed by.
    pub(crate) maps: Vec<Change<MapFigures>>,
    pub(crate) types: Vec<Change<TypeFigures>>,
    /// What grew enough to be worth a word.
    #[serde(serialize_with = "as_lines")]
    pub(crate) findings: Vec<Finding>,
    /// How many maps, by type and root path, are as they were.
    pub(crate) unchanged_maps: usize,
}

/// One of the two snapshots.
#[derive(Debug, Serialize)]
pub(crate) struct Source {
    /// What was given on the command line.
    pub(crate) name: String,
    pub(crate) go: String,
    pub(crate) live_bytes: u64,
    pub(crate) reachable_bytes: u64,
    /// How long the process was stopped for it, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pause_ms: Option<f64>,
}

/// Something that was, is, or both.
#[derive(Debug, Serialize)]
pub(crate) struct Change<F> {
    #[serde(rename = "type")]
    pub(crate) ty: String,
    /// From the root on; empty for types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) path: Vec<String>,
    pub(crate) before: Option<F>,
    pub(crate) after: Option<F>,
}

/// Figures of all maps of one type and root path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct MapFigures {
    pub(crate) maps: u64,
    pub(crate) entries: u64,
    pub(crate) slots: u64,
    pub(crate) tombstones: u64,
    pub(crate) own_bytes: u64,
    pub(crate) retained_bytes: u64,
}

/// Figures of all objects of one type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TypeFigures {
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    pub(crate) retained_bytes: u64,
}

impl MapFigures {
    fn add(&mut self, more: Self) {
        self.maps = self.maps.saturating_add(more.maps);
        self.entries = self.entries.saturating_add(more.entries);
        self.slots = self.slots.saturating_add(more.slots);
        self.tombstones = self.tombstones.saturating_add(more.tombstones);
        self.own_bytes = self.own_bytes.saturating_add(more.own_bytes);
        self.retained_bytes = self.retained_bytes.saturating_add(more.retained_bytes);
    }
}

impl TypeFigures {
    fn add(&mut self, more: Self) {
        self.objects = self.objects.saturating_add(more.objects);
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.retained_bytes = self.retained_bytes.saturating_add(more.retained_bytes);
    }
}

/// Figures that changes can be put in order by.
pub(crate) trait Figures: Copy + Default + PartialEq {
    /// The bytes that matter most.
    fn bytes(&self) -> u64;
}

impl Figures for MapFigures {
    fn bytes(&self) -> u64 {
        self.retained_bytes
    }
}

impl Figures for TypeFigures {
    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl<F: Figures> Change<F> {
    /// The figures on both sides, zeros where it was not there.
    pub(crate) fn sides(&self) -> (F, F) {
        (self.before.unwrap_or_default(), self.after.unwrap_or_default())
    }
}

pub(crate) fn run(options: &DiffOptions) -> Result<Outcome> {
    let progress = Progress::new();
    let exe_before = options.exe_before.as_ref().or(options.target.exe.as_ref());
    let target = TargetOptions { exe: exe_before.cloned(), ..options.target.clone() };
    let before = Snapshot::take(&options.before, &target, &progress)?;
    let after = Snapshot::take(&options.after, &options.target, &progress)?;
    let diff = compare(before, after, options.type_contains.as_deref());
    drop(progress);
    match options.format {
        Format::Json => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            serde_json::to_writer_pretty(&mut out, &diff)?;
            writeln!(out)?;
            out.flush()?;
        }
        Format::Table => {
            let mut out = anstream::stdout().lock();
            diff_table::print(&mut out, &diff, options.top)?;
            out.flush()?;
        }
    }
    Ok(outcome(&diff.findings, options.fail_on))
}

/// A snapshot, reduced to what is compared.
pub(crate) struct Snapshot {
    pub(crate) source: Source,
    maps: BTreeMap<(String, Vec<String>), MapFigures>,
    types: BTreeMap<String, TypeFigures>,
}

impl Snapshot {
    /// Analyses a target, or reads the report on one that `inspect --format json` printed.
    fn take(name: &str, target: &TargetOptions, progress: &Progress) -> Result<Self> {
        if is_report(Path::new(name)) {
            return Self::read(name);
        }
        let opened = open(name, target, progress)?;
        let report = analyse(&opened, &ViewOptions::all_for_diff(), progress)
            .with_context(|| name.to_owned())?;
        Ok(Self::of(name, &report))
    }

    pub(crate) fn of(name: &str, report: &Report) -> Self {
        let mut maps: BTreeMap<_, MapFigures> = BTreeMap::new();
        for row in report.maps.iter().filter(|row| row.part_of.is_none()) {
            let path = row.root.as_ref().map(|root| root.steps.clone()).unwrap_or_default();
            maps.entry((row.type_name(), path)).or_default().add(MapFigures {
                maps: 1,
                entries: row.entries,
                slots: row.slots,
                tombstones: row.tombstones,
                own_bytes: row.own_bytes,
                retained_bytes: row.retained_bytes.unwrap_or(row.own_bytes),
            });
        }
        let mut types: BTreeMap<_, TypeFigures> = BTreeMap::new();
        for row in &report.types {
            types.entry(row.name.clone()).or_default().add(TypeFigures {
                objects: row.objects,
                bytes: row.bytes,
                retained_bytes: row.retained_bytes,
            });
        }
        let source = Source {
            name: name.to_owned(),
            go: report.target.go.clone(),
            live_bytes: report.heap.live_bytes,
            reachable_bytes: report.heap.reachable_bytes,
            pause_ms: report.target.pause_ms,
        };
        Self { source, maps, types }
    }

    fn read(name: &str) -> Result<Self> {
        let bytes = fs::read(name).with_context(|| format!("{name} can't be read"))?;
        let saved: SavedReport = serde_json::from_slice(&bytes).with_context(|| {
            format!("{name} is not a report of `tophash inspect --format json`")
        })?;
        let mut maps: BTreeMap<_, MapFigures> = BTreeMap::new();
        for map in saved.maps.into_iter().filter(|map| map.part_of.is_none()) {
            let ty = crate::report::type_name(map.ty.as_slice(), &map.type_candidates);
            let figures = map.figures();
            let path = map.root.map(|root| root.path).unwrap_or_default();
            maps.entry((ty, path)).or_default().add(figures);
        }
        let mut types: BTreeMap<_, TypeFigures> = BTreeMap::new();
        for row in saved.types {
            types.entry(row.ty).or_default().add(row.figures);
        }
        let source = Source {
            name: name.to_owned(),
            go: saved.target.go,
            live_bytes: saved.heap.live_bytes,
            reachable_bytes: saved.heap.reachable_bytes,
            pause_ms: None,
        };
        Ok(Self { source, maps, types })
    }
}

/// Tells whether a file is a report in JSON rather than memory.
fn is_report(path: &Path) -> bool {
    let mut first = [0];
    let read =
        fs::File::open(path).and_then(|mut file| io::Read::read_exact(&mut file, &mut first));
    read.is_ok() && first == *b"{"
}

/// As much of the report's JSON as is compared.
#[derive(Deserialize)]
struct SavedReport {
    target: SavedTarget,
    heap: SavedHeap,
    maps: Vec<SavedMap>,
    #[serde(default)]
    types: Vec<SavedType>,
}

#[derive(Deserialize)]
struct SavedTarget {
    go: String,
}

#[derive(Deserialize)]
struct SavedHeap {
    live_bytes: u64,
    reachable_bytes: u64,
}

#[derive(Deserialize)]
struct SavedMap {
    #[serde(rename = "type")]
    ty: Option<String>,
    #[serde(default)]
    type_candidates: Vec<String>,
    entries: u64,
    slots: u64,
    tombstones: u64,
    own_bytes: u64,
    retained_bytes: Option<u64>,
    root: Option<SavedRoot>,
    part_of: Option<String>,
}

impl SavedMap {
    fn figures(&self) -> MapFigures {
        MapFigures {
            maps: 1,
            entries: self.entries,
            slots: self.slots,
            tombstones: self.tombstones,
            own_bytes: self.own_bytes,
            retained_bytes: self.retained_bytes.unwrap_or(self.own_bytes),
        }
    }
}

#[derive(Deserialize)]
struct SavedRoot {
    path: Vec<String>,
}

#[derive(Deserialize)]
struct SavedType {
    #[serde(rename = "type")]
    ty: String,
    #[serde(flatten)]
    figures: TypeFigures,
}

/// Puts two snapshots side by side, of types that contain a text.
pub(crate) fn compare(before: Snapshot, after: Snapshot, type_contains: Option<&str>) -> Diff {
    let wanted = |ty: &str| type_contains.is_none_or(|text| ty.contains(text));
    let (maps, unchanged_maps) = changes(before.maps, after.maps, |(ty, path)| (ty, path));
    let maps: Vec<_> = maps.into_iter().filter(|change| wanted(&change.ty)).collect();
    let findings = growth(&maps, after.source.live_bytes);
    // A saved report lists types only if it was asked to.
    let (types, _) = match before.types.is_empty() || after.types.is_empty() {
        true => Default::default(),
        false => changes(before.types, after.types, |ty| (ty, Vec::new())),
    };
    Diff {
        schema: SCHEMA,
        before: before.source,
        after: after.source,
        maps,
        findings,
        types: types.into_iter().filter(|change| wanted(&change.ty)).collect(),
        unchanged_maps,
    }
}

/// Applies the rule on growth to what was there before and is there now.
fn growth(maps: &[Change<MapFigures>], live_bytes: u64) -> Vec<Finding> {
    let evidence = |change: &Change<MapFigures>| {
        let (was, is) = (change.before?, change.after?);
        Some(MapEvidence {
            ty: change.ty.clone(),
            entries: is.entries,
            own_bytes: is.own_bytes,
            retained_bytes: Some(is.retained_bytes),
            held_by: diff_table::path_text(&change.path),
            before: Some(GrowthEvidence { entries: was.entries, own_bytes: was.own_bytes }),
            ..MapEvidence::default()
        })
    };
    let maps = maps.iter().filter_map(evidence).collect();
    let mut found = diagnose(&Evidence { live_bytes, maps, sync_maps: Vec::new() });
    found.retain(|finding| finding.rule == Rule::Growing);
    // Maps are told by their paths here, not by address.
    found.iter_mut().for_each(|finding| finding.map = None);
    found
}

fn as_lines<S: Serializer>(
    findings: &[Finding],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_seq(findings.iter().map(FindingLine::of))
}

/// Puts two sides together: what differs, by how much, and how many are the same.
fn changes<K: Ord + Clone, F: Figures>(
    before: BTreeMap<K, F>,
    mut after: BTreeMap<K, F>,
    name: impl Fn(K) -> (String, Vec<String>),
) -> (Vec<Change<F>>, usize) {
    let mut unchanged = 0;
    let mut found = Vec::new();
    for (key, was) in before {
        let is = after.remove(&key);
        if is == Some(was) {
            unchanged += 1;
            continue;
        }
        let (ty, path) = name(key);
        found.push(Change { ty, path, before: Some(was), after: is });
    }
    found.extend(after.into_iter().map(|(key, is)| {
        let (ty, path) = name(key);
        Change { ty, path, before: None, after: Some(is) }
    }));
    found.sort_by_key(|change| {
        let (was, is) = change.sides();
        std::cmp::Reverse(was.bytes().abs_diff(is.bytes()))
    });
    (found, unchanged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(entries: u64, bytes: u64) -> MapFigures {
        MapFigures {
            maps: 1,
            entries,
            own_bytes: bytes,
            retained_bytes: bytes,
            ..Default::default()
        }
    }

    #[test]
    fn maps_are_new_gone_changed_or_the_same_and_the_largest_change_comes_first() {
        let before = [("a", figures(1, 10)), ("b", figures(2, 20)), ("c", figures(3, 30))];
        let after = [("b", figures(9, 90)), ("c", figures(3, 30)), ("d", figures(4, 40))];
        let name = |key: &str| (key.to_owned(), Vec::new());
        let (found, unchanged) = changes(before.into(), after.into(), name);
        assert_eq!(unchanged, 1);
        let told: Vec<_> = found
            .iter()
            .map(|change| (&*change.ty, change.before.is_some(), change.after.is_some()))
            .collect();
        assert_eq!(told, [("b", true, true), ("d", false, true), ("a", true, false)]);
    }
}
