//! Gathering what the rules conclude from.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use tophash_diagnose as diagnose;
use tophash_diagnose::{
    Blocked, Design, Evidence, MapEvidence, PointeeEvidence, SyncMapEvidence, ValueEvidence,
};
use tophash_gomap::{
    FoundMap, FoundSyncMap, Growth, MapLayout, MapPlace, MapShape, Survey, SyncMapDesign, Walk,
    entries,
};
use tophash_goruntime::{MapTypeInfo, Program, Shape, TypeId};
use tophash_heapgraph::NodeId;
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::heap_graph::GoHeap;
use super::pins::{Pin, Pins};
use super::shares::Retention;
use super::sites::{AllocationSites, is_runtime};
use crate::report::{MapRow, held_by};

/// Only maps that own at least so much are looked at closely: the rules say nothing of less.
const CLOSE_LOOK: u64 = 16 << 10;
/// Keys of a map, and of all maps, whose text is compared: some forty bytes of state each. Of a
/// larger map, what is said is of its first keys.
const KEYS_COMPARED: usize = 1 << 16;
const MAX_KEYS: usize = 1 << 21;
/// Longer keys are not compared.
const MAX_TEXT: u64 = 4096;
/// Frames of a blocked goroutine that are named.
const MAX_CALLS: usize = 8;

/// Everything the gathering needs.
pub(super) struct Gatherer<'g> {
    pub(super) program: &'g Program<'g>,
    pub(super) layout: &'g MapLayout,
    pub(super) walk: &'g Walk<'g>,
    pub(super) survey: &'g Survey,
    pub(super) retention: Option<Retention<'g>>,
}

impl Gatherer<'_> {
    /// Makes evidence of the maps in a report's rows.
    pub(super) fn gather(
        &self,
        rows: &[MapRow],
        sites: &mut AllocationSites<'_>,
        live_bytes: u64,
    ) -> Evidence {
        let by_address: HashMap<u64, &FoundMap> =
            self.survey.maps.iter().map(|map| (map.address.get(), map)).collect();
        let mut texts = KeyTexts::default();
        let maps = rows
            .iter()
            .filter(|row| row.part_of.is_none())
            .filter_map(|row| Some((row, *by_address.get(&row.address)?)))
            .map(|(row, map)| self.map(row, map, sites, &mut texts))
            .collect();
        let sync_rows: HashMap<u64, &MapRow> = rows
            .iter()
            .filter(|row| row.types == ["sync.Map"])
            .map(|row| (row.address, row))
            .collect();
        let sync_maps = self
            .survey
            .sync_maps
            .iter()
            .filter_map(|map| Some((map, *sync_rows.get(&map.address.get())?)))
            .map(|(map, row)| self.sync_map(map, row, &by_address))
            .collect();
        Evidence { live_bytes, maps, sync_maps }
    }

    fn map(
        &self,
        row: &MapRow,
        map: &FoundMap,
        sites: &mut AllocationSites<'_>,
        texts: &mut KeyTexts,
    ) -> MapEvidence {
        let reading = &map.reading;
        let mut evidence = MapEvidence {
            address: row.address,
            design: if self.layout.is_classic() { Design::Classic } else { Design::Swiss },
            entries: reading.entries,
            slots: reading.slots,
            tombstones: reading.tombstones,
            overflow_buckets: reading.overflow_buckets,
            grows_in_place: matches!(reading.growth, Growth::SameSize { .. }),
            own_bytes: row.own_bytes,
            retained_bytes: row.retained_bytes,
            held_by: held_by(row.root.as_ref()),
            ..MapEvidence::default()
        };
        let types = self.program.types();
        if let [ty] = map.types.as_slice()
            && let Some(info) = types.get(*ty).as_map()
        {
            evidence.ty = types.get(*ty).name.to_string();
            evidence.fresh_bytes = Some(row.own_bytes.saturating_sub(row.reclaimable_bytes));
            self.add_types(&mut evidence, info);
            if row.own_bytes >= CLOSE_LOOK && evidence.key.is_string {
                evidence.duplicate_key_bytes = self.duplicates(map, info, texts);
            }
        }
        let is_large = row.own_bytes.max(row.retained_bytes.unwrap_or(0)) >= CLOSE_LOOK;
        if let (true, Some(retention)) = (is_large, self.retention) {
            let pins = Pins::new(self.program, self.walk, retention);
            match map.place {
                MapPlace::Heap(id) => {
                    let header = GoHeap::node(id);
                    evidence.pins = self.pins(&pins, header);
                    evidence.is_only_unsafe = pins.is_only_unsafe(header, map.address);
                }
                // A header in a frame goes with the frame.
                MapPlace::Stack { goroutine, .. } => {
                    let pin = match pins.is_iterated(goroutine, map.address) {
                        true => Pin::Iterator(goroutine),
                        false => Pin::Goroutine(goroutine),
                    };
                    evidence.pins = vec![self.pin(pin)];
                }
            }
            let site = sites.of_map(map.address);
            let calls = site.as_ref().and_then(super::AllocationSite::calls);
            evidence.allocated_at =
                calls.into_iter().flat_map(|calls| calls.iter().take(1)).map(call_frame).collect();
        }
        evidence
    }

    fn add_types(&self, evidence: &mut MapEvidence, info: &MapTypeInfo) {
        let types = self.program.types();
        let shape = MapShape::of(types, info);
        let classes = self.program.heap().size_classes();
        let cell = |is_indirect, size, is_noscan| match is_indirect {
            true => classes.slot_size(size, is_noscan),
            false => 0,
        };
        let cells = cell(shape.indirect_key, shape.key_size, shape.key_is_noscan)
            + cell(shape.indirect_elem, shape.elem_size, shape.elem_is_noscan);
        evidence.cell_bytes = cells * evidence.entries;
        evidence.group_bytes = shape.group_size;
        if !shape.is_noscan {
            evidence.scan_bytes = evidence.slots / tophash_gomap::SLOTS * shape.group_size;
        }
        evidence.key = self.value(info.key);
        evidence.elem = self.value(info.elem);
    }

    fn value(&self, ty: TypeId) -> ValueEvidence {
        let types = self.program.types();
        let info = types.get(ty);
        let pointee = match info.shape {
            Shape::Pointer(pointee) => Some(types.get(pointee)),
            _ => None,
        };
        ValueEvidence {
            ty: info.name.to_string(),
            size: info.size,
            has_pointers: info.pointer_bytes > 0,
            is_string: matches!(info.shape, Shape::String),
            pointee: pointee.map(|pointee| PointeeEvidence {
                ty: pointee.name.to_string(),
                size: pointee.size,
                has_pointers: pointee.pointer_bytes > 0,
            }),
        }
    }

    fn pins(&self, pins: &Pins<'_>, header: NodeId) -> Vec<diagnose::Pin> {
        pins.of(header).into_iter().map(|pin| self.pin(pin)).collect()
    }

    fn pin(&self, pin: Pin) -> diagnose::Pin {
        match pin {
            Pin::Goroutine(index) => diagnose::Pin::Goroutine(self.goroutine(index)),
            Pin::Iterator(index) => diagnose::Pin::Iterator(self.goroutine(index)),
            Pin::Closure(function) => diagnose::Pin::Closure(function),
            Pin::Finalizer => diagnose::Pin::Finalizer,
            Pin::Pool => diagnose::Pin::Pool,
            Pin::Timer => diagnose::Pin::Timer,
        }
    }

    fn goroutine(&self, index: u32) -> Blocked {
        let program = self.program;
        let Some(goroutine) = program.goroutines().get(index as usize) else {
            return Blocked::default();
        };
        let frames = program.roots().stacks.get(index as usize).map(|stack| &*stack.frames);
        let calls = frames
            .unwrap_or_default()
            .iter()
            .flat_map(|frame| program.calls_at(frame.pc))
            .filter(|call| !is_runtime(&call.function))
            .take(MAX_CALLS)
            .map(|call| call_frame(&call))
            .collect();
        Blocked {
            goroutine: goroutine.id,
            wait_reason: goroutine.wait_reason.clone(),
            waited: program.waited(goroutine),
            calls,
        }
    }

    /// Sums up the text objects of a map's keys whose text another object holds, too, that was seen
    /// before.
    fn duplicates(&self, map: &FoundMap, info: &MapTypeInfo, texts: &mut KeyTexts) -> u64 {
        let memory = self.program.memory();
        let heap = self.program.heap();
        let shape = MapShape::of(self.program.types(), info);
        let mut bytes = 0;
        let keys = entries(memory, self.layout, &shape, &map.header).map_while(Result::ok);
        for entry in keys.take(KEYS_COMPARED) {
            if let Some((at, text)) = self.text(entry.key)
                && let Some(slot) = heap.object_holding(at)
                && texts.is_stored_elsewhere(at, &text)
            {
                bytes += heap.span(slot.span).elem_size();
            }
        }
        bytes
    }

    fn text(&self, string: Address) -> Option<(Address, Cow<'_, [u8]>)> {
        let memory = self.program.memory();
        let at = memory.read_address(string).ok()?;
        let len = memory.read_u64(string + ByteSize::new(8)).ok()?;
        let is_compared = !at.is_null() && (1..=MAX_TEXT).contains(&len);
        let bytes =
            is_compared.then(|| memory.read_bytes(at, ByteSize::new(len)).ok()).flatten()?;
        Some((at, bytes))
    }

    fn sync_map(
        &self,
        map: &FoundSyncMap,
        row: &MapRow,
        maps: &HashMap<u64, &FoundMap>,
    ) -> SyncMapEvidence {
        let mut inner: Vec<u64> =
            map.inner.iter().filter_map(|at| Some(maps.get(&at.get())?.reading.entries)).collect();
        inner.sort_unstable_by(|a, b| b.cmp(a));
        inner.resize(2, 0);
        SyncMapEvidence {
            address: map.address.get(),
            has_two_maps: map.design == SyncMapDesign::ReadDirty,
            entries: map.entries,
            slots: map.slots,
            own_bytes: map.own.get(),
            inner_entries: inner,
            held_by: held_by(row.root.as_ref()),
        }
    }
}

/// The texts of keys, by hash, with where each was seen first.
#[derive(Default)]
struct KeyTexts {
    /// Seeded at random: keys come from the target, where an attacker may choose them.
    state: RandomState,
    seen: HashMap<u64, Address>,
    /// What several keys share counts once.
    objects: HashSet<Address>,
}

impl KeyTexts {
    /// Tells whether the same text was seen in another object.
    fn is_stored_elsewhere(&mut self, at: Address, text: &[u8]) -> bool {
        if self.seen.len() >= MAX_KEYS || !self.objects.insert(at) {
            return false;
        }
        let hash = self.state.hash_one(text);
        *self.seen.entry(hash).or_insert(at) != at
    }
}

fn call_frame(call: &tophash_goruntime::CallFrame) -> diagnose::CallFrame {
    let place = call.line.as_ref().map(|line| {
        let file = line.file.rsplit('/').next().unwrap_or(&line.file);
        format!("{file}:{}", line.line)
    });
    diagnose::CallFrame { function: call.function.clone(), place: place.unwrap_or_default() }
}
