//! The report for programs: one object, whose fields are added to and never renamed.

use std::io::Write;

use serde::Serialize;
use tophash_diagnose::Finding;
use tophash_gomap::{MapHolder, RootPath, RootPathKind};
use tophash_goruntime::CallFrame;
use tophash_heapgraph::{PathRow, PathTree, Pruning};

use super::{Bill, HolderRow, MapRow, PathBranch, Report, SizeClassRow, TypeRow};
use crate::analysis::AllocationSite;
use crate::args::ViewOptions;
use crate::join::Explanation;

/// The version of the format.
pub(crate) const SCHEMA: u32 = 1;
/// Holders listed, of which a stripped program has one for each word of its globals.
const HOLDERS: usize = 1000;

#[derive(Serialize)]
struct Document<'r> {
    schema: u32,
    target: Target<'r>,
    heap: Heap,
    bill: BillFields<'r>,
    maps: Vec<Map<'r>>,
    holders: Vec<Holder<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    types: Vec<Type<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<Branch<'r>>,
    findings: Vec<FindingLine<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    diagnostics: &'r [String],
}

/// How source was read.
#[derive(Serialize)]
struct Source {
    files: usize,
    findings: usize,
    passed_over: usize,
}

#[derive(Serialize)]
struct Target<'r> {
    go: &'r str,
    arch: &'static str,
    exe: &'r str,
    source: &'static str,
    types: &'static str,
    pause_ms: f64,
}

#[derive(Serialize)]
struct Heap {
    spans: usize,
    objects: u64,
    live_bytes: u64,
    reachable_bytes: u64,
    unattributed_bytes: u64,
}

#[derive(Serialize)]
struct BillFields<'r> {
    resident_bytes: Option<u64>,
    reachable_bytes: u64,
    maps_own_bytes: u64,
    garbage_bytes: u64,
    free_slot_bytes: u64,
    stack_bytes: u64,
    other_bytes: Option<u64>,
    gc: Option<Gc>,
    size_classes: &'r [SizeClassRow],
}

#[derive(Serialize)]
struct Gc {
    percent: Option<u32>,
    memory_limit_bytes: Option<u64>,
    marked_bytes: u64,
    goal_bytes: Option<u64>,
    headroom_bytes: Option<u64>,
    limit_headroom_bytes: Option<u64>,
}

impl<'r> BillFields<'r> {
    fn of(bill: &'r Bill) -> Self {
        Self {
            resident_bytes: bill.resident,
            reachable_bytes: bill.reachable,
            maps_own_bytes: bill.maps_own,
            garbage_bytes: bill.garbage,
            free_slot_bytes: bill.free_slots,
            stack_bytes: bill.stacks,
            other_bytes: bill.other,
            gc: bill.pacing.map(|pacing| Gc {
                percent: pacing.gc_percent,
                memory_limit_bytes: pacing.memory_limit.map(|limit| limit.get()),
                marked_bytes: pacing.marked.get(),
                goal_bytes: pacing.goal.map(|goal| goal.get()),
                headroom_bytes: bill.goal_headroom,
                limit_headroom_bytes: bill.limit_headroom,
            }),
            size_classes: &bill.size_classes,
        }
    }
}

#[derive(Serialize)]
struct Map<'r> {
    address: String,
    #[serde(rename = "type")]
    ty: Option<&'r str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    type_candidates: &'r [String],
    design: &'static str,
    entries: u64,
    slots: u64,
    tombstones: u64,
    overflow_buckets: u64,
    tables: u64,
    growing: bool,
    own_bytes: u64,
    retained_bytes: Option<u64>,
    reclaimable_bytes: u64,
    root: Option<Root<'r>>,
    allocated_at: Option<Vec<Frame<'r>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allocated_by: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allocated_candidates: Vec<Vec<Frame<'r>>>,
    approximate: bool,
    torn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<String>,
    #[serde(skip_serializing_if = "<[Explanation]>::is_empty")]
    explained_by: &'r [Explanation],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    what_if: Vec<WhatIf<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shown_entries: Vec<Entry<'r>>,
}

#[derive(Serialize)]
struct WhatIf<'r> {
    change: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    go: &'r str,
    bytes: u64,
    now_bytes: u64,
}

#[derive(Serialize)]
struct Root<'r> {
    kind: &'static str,
    name: &'r str,
    goroutine: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<u64>,
    path: &'r [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<SourceName<'r>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    users: &'r [String],
}

/// What the source calls what holds a map.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum SourceName<'r> {
    Variable { name: &'r str },
    Field { of: &'r str, name: &'r str },
    Local { function: &'r str, name: Option<&'r str> },
}

impl<'r> SourceName<'r> {
    fn of(holder: &'r MapHolder) -> Self {
        match holder {
            MapHolder::Variable(name) => Self::Variable { name },
            MapHolder::Field { of, name } => Self::Field { of, name },
            MapHolder::Local { function, name } => Self::Local { function, name: name.as_deref() },
        }
    }
}

#[derive(Serialize)]
struct Holder<'r> {
    kind: &'static str,
    name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    goroutine: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait_reason: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<u64>,
    retained_bytes: u64,
    objects: u64,
}

#[derive(Serialize)]
struct Type<'r> {
    #[serde(rename = "type")]
    name: &'r str,
    objects: u64,
    bytes: u64,
    retained_bytes: u64,
}

/// A finding, in every report alike.
#[derive(Serialize)]
pub(crate) struct FindingLine<'r> {
    rule: &'static str,
    severity: &'static str,
    map: Option<String>,
    bytes: u64,
    title: &'r str,
    evidence: &'r [String],
    fix: &'r str,
    #[serde(skip_serializing_if = "<[Explanation]>::is_empty")]
    explained_by: &'r [Explanation],
}

/// A step of the merged root paths; what is below it follows it.
#[derive(Serialize)]
struct Branch<'r> {
    depth: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'r str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    ty: Option<&'r str>,
    maps: u64,
    own_bytes: u64,
}

#[derive(Serialize)]
struct Frame<'r> {
    function: &'r str,
    file: Option<&'r str>,
    line: Option<u32>,
}

#[derive(Serialize)]
struct Entry<'r> {
    key: &'r str,
    value: &'r str,
}

/// Prints a report.
pub(crate) fn print(
    out: &mut dyn Write,
    report: &Report,
    view: &ViewOptions,
) -> std::io::Result<()> {
    let target = &report.target;
    let top = match view.top {
        None | Some(0) => usize::MAX,
        Some(top) => top,
    };
    let document = Document {
        schema: SCHEMA,
        target: Target {
            go: &target.go,
            arch: "amd64",
            exe: &target.executable,
            source: target.source,
            types: target.types,
            pause_ms: target.pause_ms.unwrap_or(0.0),
        },
        heap: Heap {
            spans: report.spans,
            objects: report.heap.objects,
            live_bytes: report.heap.live_bytes,
            reachable_bytes: report.heap.reachable_bytes,
            unattributed_bytes: report.heap.reachable_bytes - report.heap.attributed_bytes,
        },
        bill: BillFields::of(&report.bill),
        maps: report.maps.iter().take(top).map(Map::of).collect(),
        holders: report.holders.iter().take(top.min(HOLDERS)).map(Holder::of).collect(),
        types: report.types.iter().take(top).map(Type::of).collect(),
        paths: report.paths.as_ref().map(branches).unwrap_or_default(),
        findings: report
            .findings
            .iter()
            .map(|finding| FindingLine::explained(finding, report))
            .collect(),
        source: report.source.as_ref().map(|source| Source {
            files: source.files,
            findings: source.findings,
            passed_over: source.passed_over,
        }),
        diagnostics: &report.diagnostics,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

impl<'r> Map<'r> {
    fn of(row: &'r MapRow) -> Self {
        let (ty, type_candidates) = match row.types.as_slice() {
            [one] => (Some(one.as_str()), &[][..]),
            several => (None, several),
        };
        let site = row.allocated_at.as_ref();
        Self {
            address: format!("{:#x}", row.address),
            ty,
            type_candidates,
            design: row.design,
            entries: row.entries,
            slots: row.slots,
            tombstones: row.tombstones,
            overflow_buckets: row.overflow_buckets,
            tables: row.tables,
            growing: row.is_growing,
            own_bytes: row.own_bytes,
            retained_bytes: row.retained_bytes,
            reclaimable_bytes: row.reclaimable_bytes,
            root: row.root.as_ref().map(|root| Root::of(root, &row.users)),
            allocated_at: site.and_then(AllocationSite::calls).map(|stack| frames(stack)),
            allocated_by: site.map(|site| match site {
                AllocationSite::Sampled(_) => "sample",
                AllocationSite::Profiled(_) => "profile",
            }),
            allocated_candidates: match site {
                Some(AllocationSite::Profiled(stacks)) if stacks.len() > 1 => {
                    stacks.iter().map(|stack| frames(stack)).collect()
                }
                _ => Vec::new(),
            },
            approximate: row.is_approximate,
            torn: row.is_torn,
            part_of: row.part_of.map(|at| format!("{at:#x}")),
            explained_by: &row.explained_by,
            what_if: row
                .what_if
                .iter()
                .map(|scenario| WhatIf {
                    change: scenario.change,
                    go: &scenario.go,
                    bytes: scenario.bytes,
                    now_bytes: scenario.now_bytes,
                })
                .collect(),
            shown_entries: row
                .shown_entries
                .iter()
                .map(|(key, value)| Entry { key, value })
                .collect(),
        }
    }
}

fn frames(stack: &[CallFrame]) -> Vec<Frame<'_>> {
    stack.iter().map(Frame::of).collect()
}

impl<'r> Frame<'r> {
    fn of(frame: &'r CallFrame) -> Self {
        Self {
            function: &frame.function,
            file: frame.line.as_ref().map(|line| line.file.as_str()),
            line: frame.line.as_ref().map(|line| line.line),
        }
    }
}

impl<'r> Holder<'r> {
    fn of(row: &'r HolderRow) -> Self {
        Self {
            kind: kind(row.kind),
            name: &row.name,
            address: (!row.at.is_null()).then(|| row.at.to_string()),
            goroutine: row.goroutine,
            wait_reason: row.wait_reason.as_deref(),
            waited_seconds: row.waited.map(|waited| waited.as_secs()),
            retained_bytes: row.retained_bytes,
            objects: row.objects,
        }
    }
}

impl<'r> Type<'r> {
    fn of(row: &'r TypeRow) -> Self {
        Self {
            name: &row.name,
            objects: row.objects,
            bytes: row.bytes,
            retained_bytes: row.retained_bytes,
        }
    }
}

impl<'r> FindingLine<'r> {
    pub(crate) fn of(finding: &'r Finding) -> Self {
        Self {
            rule: finding.rule.name(),
            severity: finding.severity.name(),
            map: finding.map.map(|at| format!("{at:#x}")),
            bytes: finding.bytes,
            title: &finding.title,
            evidence: &finding.evidence,
            fix: &finding.fix,
            explained_by: &[],
        }
    }

    /// With what source says of its map.
    fn explained(finding: &'r Finding, report: &'r Report) -> Self {
        Self { explained_by: report.explanations(finding), ..Self::of(finding) }
    }
}

fn branches(tree: &PathTree<PathBranch>) -> Vec<Branch<'_>> {
    tree.rows(Pruning::default())
        .into_iter()
        .filter_map(|row| {
            let PathRow::Branch { depth, label, paths, bytes, .. } = row else { return None };
            let (step, ty) = match label {
                PathBranch::Step(step) => (Some(step.as_str()), None),
                PathBranch::Map(ty) => (None, Some(ty.as_str())),
            };
            Some(Branch { depth, step, ty, maps: paths, own_bytes: bytes })
        })
        .collect()
}

fn kind(kind: RootPathKind) -> &'static str {
    match kind {
        RootPathKind::Global => "global",
        RootPathKind::Stack => "stack",
        RootPathKind::Finalizer => "finalizer",
        RootPathKind::Other => "other",
    }
}

impl<'r> Root<'r> {
    fn of(root: &'r RootPath, users: &'r [String]) -> Self {
        Self {
            kind: kind(root.kind),
            name: &root.name,
            goroutine: root.goroutine,
            wait_reason: root.wait_reason.as_deref(),
            waited_seconds: root.waited.map(|waited| waited.as_secs()),
            path: &root.steps,
            file: root.line.as_ref().map(|line| line.file.as_str()),
            line: root.line.as_ref().map(|line| line.line),
            holder: root.holder.as_ref().map(SourceName::of),
            users,
        }
    }
}
