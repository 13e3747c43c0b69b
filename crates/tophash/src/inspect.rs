//! `tophash inspect`: from a target to a report.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tophash_gomap::{
    FoundMap, FoundSyncMap, Growth, HeaderLayout, Holder, MapLayout, MapPlace, MapShape, PathNamer,
    RootPath, RootPathKind, Survey, Surveyor, SyncMapDesign, Walk, entries, fresh_cost, revalidate,
};
use tophash_goruntime::{Program, Root, RootKind, Step, global_uses};
use tophash_memory::{Address, Consistency, ProcessOptions, Target};

use crate::args::{Format, InspectOptions, Sort, ViewOptions};
use crate::progress::Progress;
use crate::report::{MapRow, Report, TargetInfo, entry, json, table};

pub(crate) fn run(options: &InspectOptions) -> Result<()> {
    let progress = Progress::new();
    let target = open(options, &progress)?;
    let report = analyse(&target, &options.view, &progress)?;
    drop(progress);
    print(&report, &options.view)
}

/// Opens what the person named: a process by its number, else a core.
fn open(options: &InspectOptions, progress: &Progress) -> Result<Target> {
    let path = Path::new(&options.target);
    match options.target.parse::<u32>() {
        Ok(pid) if !path.exists() => {
            let copied = progress.copying(pid);
            let process = ProcessOptions {
                mode: options.stop.mode(),
                executable: options.exe.clone(),
                progress: Some(&copied),
            };
            Ok(Target::open_process(pid, &process)?)
        }
        _ => {
            progress.step(format!("opening {}", path.display()));
            Ok(Target::open_core(path, options.exe.as_deref())?)
        }
    }
}

/// Reads the program in a target and makes the report.
pub(crate) fn analyse(target: &Target, view: &ViewOptions, progress: &Progress) -> Result<Report> {
    let program = Program::open(target, |step| {
        progress.step(match step {
            Step::Metadata => "reading the function table",
            Step::Types => "reading the types",
            Step::Heap => "reading the heap's spans",
            Step::Roots => "reading stacks and globals",
            Step::Dwarf => "reading DWARF",
        });
    })
    .with_context(|| format!("{} can't be analysed", target.executable().path().display()))?;
    let layout = MapLayout::new(program.layout(), &program.build().version)?;
    let headers = HeaderLayout::new(program.layout(), program.heap())?;
    progress.step("following pointers");
    let mut walk = Walk::new(&program, &headers);
    walk.run();
    progress.step("decoding maps");
    let mut survey = Surveyor::new(&program, &layout, &headers).run(&mut walk);
    let mut diagnostics = target.diagnostics().to_vec();
    diagnostics.extend(program.diagnostics().iter().cloned());
    diagnostics.append(&mut survey.diagnostics);
    if let Some(live) = target.live() {
        progress.step("reading the maps again");
        let torn = revalidate(&program, &layout, &mut survey.maps, live);
        diagnostics.push(match torn {
            0 => "the process ran while it was read; every map read the same twice".to_owned(),
            torn => format!(
                "the process ran while it was read; {torn} of {} maps changed meanwhile and are \
                 marked, and maps made or dropped meanwhile may be missing",
                survey.maps.len()
            ),
        });
    }
    progress.step("naming what holds them");
    let builder = RowBuilder { program: &program, layout: &layout, walk: &walk, survey: &survey };
    Ok(builder.report(view, diagnostics))
}

pub(crate) fn print(report: &Report, view: &ViewOptions) -> Result<()> {
    match view.format {
        Format::Json => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            json::print(&mut out, report, view.top)?;
            out.flush()?;
        }
        Format::Table => {
            let mut out = anstream::stdout().lock();
            table::print(&mut out, report, view.top, view.sort)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// How many maps get their path for a table.
const NAMED_FOR_TABLE: usize = 20_000;
/// How many functions that use a nameless global are named.
const USERS_NAMED: usize = 3;

/// Makes rows of what a survey found.
struct RowBuilder<'b> {
    program: &'b Program<'b>,
    layout: &'b MapLayout,
    walk: &'b Walk<'b>,
    survey: &'b Survey,
}

impl RowBuilder<'_> {
    fn report(&self, view: &ViewOptions, diagnostics: Vec<String>) -> Report {
        let target = self.program.target();
        let namer = PathNamer::new(self.program, self.walk);
        let inner = self.inner_maps();
        let mut rows: Vec<MapRow> =
            self.survey.maps.iter().map(|map| self.row(map, &inner)).collect();
        rows.extend(self.survey.sync_maps.iter().map(sync_row));
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
            (Format::Json, Some(top)) => top,
            (Format::Table, top) => top.unwrap_or(0).max(NAMED_FOR_TABLE),
        };
        let with_entries = view.top.filter(|top| *top > 0).unwrap_or(NAMED_FOR_TABLE);
        let maps: HashMap<u64, &FoundMap> =
            self.survey.maps.iter().map(|map| (map.address.get(), map)).collect();
        let sync_maps: HashMap<u64, &FoundSyncMap> =
            self.survey.sync_maps.iter().map(|map| (map.address.get(), map)).collect();
        for (index, row) in rows.iter_mut().take(named).enumerate() {
            if let Some(map) = sync_maps.get(&row.address).filter(|_| row.types == ["sync.Map"]) {
                row.root = self.sync_root(&namer, map);
            } else if let Some(map) = maps.get(&row.address) {
                row.root = self.root(&namer, map);
                if let Some(limit) = view.show_entries.filter(|_| index < with_entries) {
                    row.shown_entries = self.shown_entries(map, limit);
                }
            }
        }
        self.name_stripped_globals(&mut rows);
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
                    _ => "process",
                },
                types: if self.program.dwarf().is_some() { "dwarf" } else { "runtime" },
                pause_ms,
            },
            heap: self.walk.attribution(),
            spans: self.program.heap().spans().len(),
            maps: rows,
            total_maps,
            total_own,
            diagnostics,
        }
    }

    /// A stripped global has no name; who uses it says what it is.
    fn name_stripped_globals(&self, rows: &mut [MapRow]) {
        let is_nameless = |root: &RootPath| {
            root.kind == RootPathKind::Global && root.name.starts_with('.') && !root.at.is_null()
        };
        let mut words: Vec<Address> = rows
            .iter()
            .filter_map(|row| row.root.as_ref().filter(|root| is_nameless(root)))
            .map(|root| root.at)
            .collect();
        words.sort_unstable();
        words.dedup();
        if words.is_empty() {
            return;
        }
        let program = self.program;
        let functions = program.functions();
        let uses = global_uses(program.memory(), program.module(), functions, &words);
        let named: HashMap<Address, String> = uses
            .into_iter()
            .map(|(word, found)| {
                let mut names: Vec<String> = found
                    .functions
                    .iter()
                    .filter_map(|id| Some(functions.get(*id)?.name().into_owned()))
                    .filter(|name| !name.is_empty())
                    .collect();
                names.dedup();
                let more = names.len().saturating_sub(USERS_NAMED);
                names.truncate(USERS_NAMED);
                let verb = if found.at == word { "used by" } else { "near what is used by" };
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                (word, format!("{verb} {}{more}", names.join(", ")))
            })
            .collect();
        for root in rows.iter_mut().filter_map(|row| row.root.as_mut()) {
            if is_nameless(root)
                && let Some(used) = named.get(&root.at)
            {
                root.name = format!("{} ({used})", root.name);
                if let Some(first) = root.steps.first_mut() {
                    first.clone_from(&root.name);
                }
            }
        }
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
            reclaimable_bytes: fresh.map_or(0, |fresh| own.saturating_sub(fresh)),
            root: None,
            is_approximate: reading.is_approximate,
            is_torn: map.is_torn,
            part_of: inner.get(&map.address).copied(),
            shown_entries: Vec::new(),
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
            Holder::Object(id) => namer.path_to(id),
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

fn sync_row(map: &FoundSyncMap) -> MapRow {
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
        reclaimable_bytes: 0,
        root: None,
        is_approximate: false,
        is_torn: false,
        part_of: None,
        shown_entries: Vec::new(),
    }
}

fn sort(rows: &mut [MapRow], by: Sort) {
    use std::cmp::Reverse;
    match by {
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

/// Writes an embedded file where a reader can open it.
pub(crate) fn unpack(dir: &Path, name: &str, compressed: &[u8]) -> Result<PathBuf> {
    let path = dir.join(name);
    let mut out = std::fs::File::create(&path)
        .with_context(|| format!("{} can't be written", path.display()))?;
    zstd::stream::copy_decode(compressed, &mut out)
        .with_context(|| format!("the sample could not be unpacked to {}", path.display()))?;
    Ok(path)
}
