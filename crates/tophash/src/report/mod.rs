//! What an inspection found, in rows that the terminal and JSON both print.

pub(crate) mod chart;
pub(crate) mod diff_table;
pub(crate) mod entry;
mod findings;
pub(crate) mod json;
pub(crate) mod predict_json;
pub(crate) mod predict_table;
pub(crate) mod style;
pub(crate) mod table;
mod views;

use std::time::Duration;

pub(crate) use json::FindingLine;
pub(crate) use table::held_by;

use serde::Serialize;
use tophash_diagnose::Finding;
use tophash_gomap::{Attribution, RootPath, RootPathKind};
use tophash_goruntime::Pacing;
use tophash_heapgraph::PathTree;
use tophash_memory::Address;

use crate::analysis::AllocationSite;
use crate::join::{Explanation, SourceRead};

/// Everything a report says.
pub(crate) struct Report {
    pub(crate) target: TargetInfo,
    pub(crate) heap: Attribution,
    pub(crate) spans: usize,
    pub(crate) bill: Bill,
    /// The rows that pass the filters, sorted; all of them.
    pub(crate) maps: Vec<MapRow>,
    /// How many maps there are, filters aside, and what they own.
    pub(crate) total_maps: usize,
    pub(crate) total_own: u64,
    /// All holders that retain something, the largest first.
    pub(crate) holders: Vec<HolderRow>,
    /// All types, where they were asked for.
    pub(crate) types: Vec<TypeRow>,
    /// The paths of the maps that pass the filters, where they were asked for.
    pub(crate) paths: Option<PathTree<PathBranch>>,
    /// What the rules found, the worst first.
    pub(crate) findings: Vec<Finding>,
    pub(crate) diagnostics: Vec<String>,
    /// How source was read, where it was.
    pub(crate) source: Option<SourceRead>,
}

impl Report {
    /// What source says of the map that a finding is about.
    pub(crate) fn explanations(&self, finding: &Finding) -> &[Explanation] {
        let of_map = |row: &&MapRow| Some(row.address) == finding.map;
        match self.source {
            Some(_) => self.maps.iter().find(of_map).map_or(&[], |row| &row.explained_by),
            None => &[],
        }
    }
}

/// What the memory of a program is. All in bytes.
pub(crate) struct Bill {
    /// What the kernel counts; none for a file.
    pub(crate) resident: Option<u64>,
    pub(crate) reachable: u64,
    pub(crate) maps_own: u64,
    /// Allocated, and reached by no root.
    pub(crate) garbage: u64,
    /// Slots of spans in use that hold no object, and what is left beside them.
    pub(crate) free_slots: u64,
    pub(crate) stacks: u64,
    /// Of the resident set, what is none of these: code, the runtime's own, free pages, C.
    pub(crate) other: Option<u64>,
    pub(crate) pacing: Option<Pacing>,
    /// How much the heap may grow before the next collection; `None` where the collector is off or its
    /// aims are not known.
    pub(crate) goal_headroom: Option<u64>,
    /// How much it may grow before the memory limit makes the collector run, at the most: what the
    /// runtime takes for itself counts against the limit, too.
    pub(crate) limit_headroom: Option<u64>,
    pub(crate) size_classes: Vec<SizeClassRow>,
}

/// All spans of one slot size; 0 for those of a single large object.
#[derive(Default, Serialize)]
pub(crate) struct SizeClassRow {
    pub(crate) slot_bytes: u64,
    pub(crate) span_bytes: u64,
    pub(crate) live_bytes: u64,
}

/// A global, a goroutine or a finalizer, with what it alone keeps alive.
pub(crate) struct HolderRow {
    pub(crate) kind: RootPathKind,
    pub(crate) name: String,
    /// Null where it is no place in memory.
    pub(crate) at: Address,
    pub(crate) goroutine: Option<u64>,
    pub(crate) wait_reason: Option<String>,
    pub(crate) waited: Option<Duration>,
    pub(crate) retained_bytes: u64,
    pub(crate) objects: u64,
}

/// All objects of a type.
pub(crate) struct TypeRow {
    pub(crate) name: String,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// What they retain one by one, nothing counted twice.
    pub(crate) retained_bytes: u64,
}

/// A step of a root path, or the map at its end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum PathBranch {
    Step(String),
    Map(String),
}

/// What was opened.
pub(crate) struct TargetInfo {
    pub(crate) go: String,
    pub(crate) executable: String,
    pub(crate) source: &'static str,
    pub(crate) types: &'static str,
    pub(crate) pause_ms: Option<f64>,
}

/// One map.
pub(crate) struct MapRow {
    pub(crate) address: u64,
    /// The type, or those that it may be.
    pub(crate) types: Vec<String>,
    pub(crate) design: &'static str,
    pub(crate) entries: u64,
    pub(crate) slots: u64,
    pub(crate) tombstones: u64,
    pub(crate) overflow_buckets: u64,
    pub(crate) tables: u64,
    pub(crate) is_growing: bool,
    pub(crate) own_bytes: u64,
    /// With what is reachable through the map alone.
    pub(crate) retained_bytes: Option<u64>,
    pub(crate) reclaimable_bytes: u64,
    pub(crate) root: Option<RootPath>,
    /// Functions that use the variable that leads to it, where that has no name.
    pub(crate) users: Vec<String>,
    /// What source says of it.
    pub(crate) explained_by: Vec<Explanation>,
    pub(crate) allocated_at: Option<AllocationSite>,
    pub(crate) is_approximate: bool,
    pub(crate) is_torn: bool,
    /// The `sync.Map` that the map belongs to.
    pub(crate) part_of: Option<u64>,
    pub(crate) shown_entries: Vec<(String, String)>,
    /// What it would cost otherwise, where that was asked for.
    pub(crate) what_if: Vec<Scenario>,
}

/// What a map would cost otherwise.
pub(crate) struct Scenario {
    /// `hint`: made for as many entries and filled; `grown`: filled without a hint; `values`: made
    /// with a hint, and with what the elems point to in their place; `release`: grown under another
    /// release.
    pub(crate) change: &'static str,
    /// The release, for `release`.
    pub(crate) go: String,
    pub(crate) bytes: u64,
    /// What there is now in its place.
    pub(crate) now_bytes: u64,
}

impl MapRow {
    /// Spells the type, or the choice of types.
    pub(crate) fn type_name(&self) -> String {
        match self.types.as_slice() {
            one @ [_] => type_name(one, &[]),
            several => type_name(&[], several),
        }
    }
}

/// Spells a map's type: the one there is, or that there is a choice.
pub(crate) fn type_name(one: &[String], candidates: &[String]) -> String {
    match (one, candidates) {
        ([one], _) => one.clone(),
        (_, []) => "map (never written)".to_owned(),
        (_, [only]) => only.clone(),
        (_, [first, second]) => format!("{first} or {second}"),
        (_, [first, rest @ ..]) => format!("{first} or {} others", rest.len()),
    }
}
