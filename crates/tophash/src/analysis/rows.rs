//! Rows of a report, made of what a survey found.

use std::collections::{HashMap, HashSet};

use tophash_diagnose::diagnose;
use tophash_gomap::{
    FoundMap, FoundSyncMap, Growth, HeaderLayout, Holder, MapLayout, MapPlace, MapShape, PathNamer,
    RootPath, RootPathKind, Survey, SyncMapDesign, Walk, entries, fresh_cost,
};
use tophash_goruntime::{Program, Root, RootKind, global_uses};
use tophash_memory::{Address, Consistency};

use super::bill::bill;
use super::evidence::Gatherer;
use super::profiled::ProfiledSites;
use super::shares::{Retention, path_tree};
use super::sites::AllocationSites;
use super::what_if::WhatIf;
use crate::args::{By, Format, Sort, ViewOptions};
use crate::report::{HolderRow, MapRow, Report, TargetInfo, entry};

/// How many maps get their path for a table.
const NAMED_FOR_TABLE: usize = 20_000;
/// How many holders without a name are told by who uses them.
const HOLDERS_NAMED: usize = 100;
/// How many functions that use a nameless global are named.
const USERS_NAMED: usize = 3;

/// Who uses a word of a global.
struct Users {
    words: String,
    /// All of them; none where they use something near it.
    functions: Vec<String>,
}

/// Makes rows of what a survey found.
pub(super) struct RowBuilder<'b> {
    pub(super) program: &'b Program<'b>,
    pub(super) layout: &'b MapLayout,
    pub(super) headers: &'b HeaderLayout,
    pub(super) walk: &'b Walk<'b>,
    pub(super) survey: &'b Survey,
    pub(super) profile: Option<&'b ProfiledSites>,
    pub(super) retention: Option<Retention<'b>>,
}

impl RowBuilder<'_> {
    pub(super) fn report(&self, view: &ViewOptions, diagnostics: Vec<String>) -> Report {
        let target = self.program.target();
        let format = |ty, at| entry::format(self.program, ty, at);
        let mut namer = PathNamer::new(self.program, self.walk);
        if view.show_entries.is_some() {
            namer = namer.showing_keys(&format);
        }
        let inner = self.inner_maps();
        let mut rows: Vec<MapRow> =
            self.survey.maps.iter().map(|map| self.row(map, &inner)).collect();
        rows.extend(self.survey.sync_maps.iter().map(|map| self.sync_row(map)));
        let total_maps = rows.iter().filter(|row| row.part_of.is_none()).count();
        let total_own =
            rows.iter().filter(|row| row.part_of.is_none()).map(|row| row.own_bytes).sum();
        rows.retain(|row| {
            row.own_bytes >= view.min_bytes
                && view
                    .type_contains
                    .as_ref()
                    .is_none_or(|text| row.types.iter().any(|name| name.contains(text.as_str())))
        });
        sort(&mut rows, view.sort);
        // Paths cost more than rows. The table puts maps together that are held alike, and for that
        // needs more of them than it shows.
        let named = match (view.format, view.top) {
            (_, Some(0)) | (Format::Json, None) => usize::MAX,
            _ if view.by == By::Paths => usize::MAX,
            (Format::Json, Some(top)) => top,
            (Format::Table, top) => top.unwrap_or(0).max(NAMED_FOR_TABLE),
        };
        let with_entries = view.top.filter(|top| *top > 0).unwrap_or(NAMED_FOR_TABLE);
        let maps: HashMap<u64, &FoundMap> =
            self.survey.maps.iter().map(|map| (map.address.get(), map)).collect();
        let sync_maps: HashMap<u64, &FoundSyncMap> =
            self.survey.sync_maps.iter().map(|map| (map.address.get(), map)).collect();
        let what_if = view.what_if.then(|| WhatIf::new(self.program, self.layout));
        let mut sites = AllocationSites::new(self.program, self.headers, self.profile);
        for (index, row) in rows.iter_mut().take(named).enumerate() {
            if let Some(map) = sync_maps.get(&row.address).filter(|_| row.types == ["sync.Map"]) {
                row.root = self.sync_root(&namer, map);
            } else if let Some(map) = maps.get(&row.address) {
                row.root = self.root(&namer, map);
                row.allocated_at = sites.of_map(map.address);
                if let Some(what_if) = what_if.as_ref().filter(|_| index < with_entries) {
                    row.what_if = what_if.of(map);
                }
                if let Some(limit) = view.show_entries.filter(|_| index < with_entries) {
                    row.shown_entries = self.shown_entries(map, limit);
                }
            }
        }
        let mut holders = self
            .retention
            .map(|retention| retention.holders(self.program, &namer))
            .unwrap_or_default();
        let largest = holders.len().min(HOLDERS_NAMED);
        self.name_stripped_globals(&mut rows, &mut holders[..largest]);
        let heap = self.walk.attribution();
        let gatherer = Gatherer {
            program: self.program,
            layout: self.layout,
            walk: self.walk,
            survey: self.survey,
            retention: self.retention,
        };
        let findings = diagnose(&gatherer.gather(&rows, &mut sites, heap.live_bytes));
        let pause_ms = match target.consistency() {
            Consistency::Frozen { pause, .. } => Some(pause.as_secs_f64() * 1e3),
            _ => None,
        };
        Report {
            target: TargetInfo {
                go: self.program.build().version.to_string(),
                executable: target.executable().path().display().to_string(),
                source: match target.consistency() {
                    Consistency::Core => "core",
                    Consistency::HeapDump => "heapdump",
                    _ => "process",
                },
                types: if self.program.dwarf().is_some() { "dwarf" } else { "runtime" },
                pause_ms,
            },
            bill: bill(self.program, &heap, total_own),
            heap,
            findings,
            spans: self.program.heap().spans().len(),
            holders,
            types: match self.retention {
                Some(retention) if view.by == By::Types => retention.types(self.program, self.walk),
                _ => Vec::new(),
            },
            paths: (view.by == By::Paths).then(|| path_tree(&rows)),
            maps: rows,
            total_maps,
            total_own,
            diagnostics,
            source: None,
        }
    }

    /// A stripped global has no name; who uses it says what it is.
    fn name_stripped_globals(&self, rows: &mut [MapRow], holders: &mut [HolderRow]) {
        let is_nameless = |kind, name: &str, at: Address| {
            kind == RootPathKind::Global && name.starts_with('.') && !at.is_null()
        };
        let is_root = |root: &RootPath| is_nameless(root.kind, &root.name, root.at);
        let is_holder = |row: &HolderRow| is_nameless(row.kind, &row.name, row.at);
        let roots = rows.iter().filter_map(|row| row.root.as_ref()).filter(|root| is_root(root));
        let words = roots.map(|root| root.at);
        let words = words.chain(holders.iter().filter(|row| is_holder(row)).map(|row| row.at));
        let named = self.users_of(words.collect());
        for row in rows {
            if let Some(root) = row.root.as_mut().filter(|root| is_root(root))
                && let Some(used) = named.get(&root.at)
            {
                root.name = format!("{} ({})", root.name, used.words);
                if let Some(first) = root.steps.first_mut() {
                    first.clone_from(&root.name);
                }
                row.users.clone_from(&used.functions);
            }
        }
        for row in holders {
            if is_holder(row)
                && let Some(used) = named.get(&row.at)
            {
                row.name = format!("{} ({})", row.name, used.words);
            }
        }
    }

    /// Says which functions use words of globals.
    fn users_of(&self, mut words: Vec<Address>) -> HashMap<Address, Users> {
        words.sort_unstable();
        words.dedup();
        if words.is_empty() {
            return HashMap::new();
        }
        let program = self.program;
        let functions = program.functions();
        let uses = global_uses(program.memory(), program.module(), functions, &words);
        uses.into_iter()
            .map(|(word, found)| {
                let mut names: Vec<String> = found
                    .functions
                    .iter()
                    .filter_map(|id| Some(functions.get(*id)?.name().into_owned()))
                    .filter(|name| !name.is_empty())
                    .collect();
                names.dedup();
                let functions = if found.at == word { names.clone() } else { Vec::new() };
                let more = names.len().saturating_sub(USERS_NAMED);
                names.truncate(USERS_NAMED);
                let verb = if found.at == word { "used by" } else { "near what is used by" };
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let words = format!("{verb} {}{more}", names.join(", "));
                (word, Users { words, functions })
            })
            .collect()
    }

    /// Finds which maps are the insides of a `sync.Map`.
    fn inner_maps(&self) -> HashMap<Address, u64> {
        self.survey
            .sync_maps
            .iter()
            .flat_map(|map| map.inner.iter().map(|inner| (*inner, map.address.get())))
            .collect()
    }

    fn row(&self, map: &FoundMap, inner: &HashMap<Address, u64>) -> MapRow {
        let types = self.program.types();
        let reading = &map.reading;
        let own = reading.own.get();
        let fresh = map.types.first().and_then(|ty| {
            let shape = MapShape::of(types, types.get(*ty).as_map()?);
            let classes = self.program.heap().size_classes();
            Some(fresh_cost(self.layout, &shape, reading.entries, &|size, is_noscan| {
                classes.slot_size(size, is_noscan)
            }))
        });
        let mut names: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for ty in &map.types {
            let name = types.get(*ty).name.to_string();
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
        names.sort();
        MapRow {
            address: map.address.get(),
            types: names,
            design: if self.layout.is_classic() { "classic" } else { "swiss" },
            entries: reading.entries,
            slots: reading.slots,
            tombstones: reading.tombstones,
            overflow_buckets: reading.overflow_buckets,
            tables: reading.tables,
            is_growing: reading.growth != Growth::None,
            own_bytes: own,
            retained_bytes: self
                .retention
                .map(|retention| retention.of_map(self.program, self.headers, map)),
            reclaimable_bytes: fresh.map_or(0, |fresh| own.saturating_sub(fresh)),
            root: None,
            users: Vec::new(),
            explained_by: Vec::new(),
            allocated_at: None,
            is_approximate: reading.is_approximate,
            is_torn: map.is_torn,
            part_of: inner.get(&map.address).copied(),
            shown_entries: Vec::new(),
            what_if: Vec::new(),
        }
    }

    fn sync_row(&self, map: &FoundSyncMap) -> MapRow {
        MapRow {
            address: map.address.get(),
            types: vec!["sync.Map".to_owned()],
            design: match map.design {
                SyncMapDesign::ReadDirty => "sync.Map (read and dirty maps)",
                SyncMapDesign::HashTrie => "sync.Map (hash trie)",
            },
            entries: map.entries,
            slots: map.slots,
            tombstones: map.slots - map.entries,
            overflow_buckets: 0,
            tables: 0,
            is_growing: false,
            own_bytes: map.own.get(),
            retained_bytes: self
                .retention
                .map(|retention| retention.of_sync_map(self.program, map)),
            reclaimable_bytes: 0,
            root: None,
            users: Vec::new(),
            explained_by: Vec::new(),
            allocated_at: None,
            is_approximate: false,
            is_torn: false,
            part_of: None,
            shown_entries: Vec::new(),
            what_if: Vec::new(),
        }
    }

    fn root(&self, namer: &PathNamer<'_>, map: &FoundMap) -> Option<RootPath> {
        match map.place {
            MapPlace::Heap(id) => namer.path_to(id),
            MapPlace::Stack { goroutine, frame, .. } => {
                let root = self.stack_root(map.address).unwrap_or(Root {
                    kind: RootKind::StackObject { goroutine, frame },
                    at: map.address,
                    value: map.address,
                });
                Some(namer.name_root(&root))
            }
        }
    }

    /// Finds the word in a frame that points at something in that frame's stack.
    fn stack_root(&self, value: Address) -> Option<Root> {
        self.walk.roots().iter().find(|root| root.value == value).copied()
    }

    fn sync_root(&self, namer: &PathNamer<'_>, map: &FoundSyncMap) -> Option<RootPath> {
        match map.holder {
            Holder::Object(id) => namer.path_to(id).map(|mut path| {
                path.holder = namer.holder_at(id, map.address).or(path.holder);
                path
            }),
            Holder::Place(at) => {
                Some(namer.name_root(&Root { kind: RootKind::Global, at, value: at }))
            }
        }
    }

    fn shown_entries(&self, map: &FoundMap, limit: usize) -> Vec<(String, String)> {
        let types = self.program.types();
        let [ty] = map.types.as_slice() else { return Vec::new() };
        let Some(info) = types.get(*ty).as_map() else { return Vec::new() };
        let shape = MapShape::of(types, info);
        entries(self.program.memory(), self.layout, &shape, &map.header)
            .map_while(Result::ok)
            .take(limit)
            .map(|found| {
                (
                    entry::format(self.program, info.key, found.key),
                    entry::format(self.program, info.elem, found.elem),
                )
            })
            .collect()
    }
}

fn sort(rows: &mut [MapRow], by: Sort) {
    use std::cmp::Reverse;
    match by {
        Sort::Retained => rows
            .sort_by_key(|row| (Reverse(row.retained_bytes.unwrap_or(row.own_bytes)), row.address)),
        Sort::Own => rows.sort_by_key(|row| (Reverse(row.own_bytes), row.address)),
        Sort::Reclaimable => {
            rows.sort_by_key(|row| (Reverse(row.reclaimable_bytes), row.address));
        }
        Sort::Entries => rows.sort_by_key(|row| (Reverse(row.entries), row.address)),
        Sort::Slots => rows.sort_by_key(|row| (Reverse(row.slots), row.address)),
        Sort::Tombstones => rows.sort_by_key(|row| (Reverse(row.tombstones), row.address)),
        Sort::Type => {
            rows.sort_by(|a, b| {
                (&a.types, Reverse(a.own_bytes)).cmp(&(&b.types, Reverse(b.own_bytes)))
            });
        }
    }
}
