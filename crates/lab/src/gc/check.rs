//! What must never happen: an object is freed that the program can still reach.
//!
//! When marking ends, a second walk starts from all roots and follows the true pointer maps,
//! whatever the collector saw. It shares nothing with marking but the spans. What it reaches
//! without a mark will be freed, and is reported with the path that leads there.
//!
//! Costs: time and memory of another collection, some 60 bytes an object, so that it only runs
//! when it is asked for.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;

use tophash_memory::{Address, ByteSize};

use crate::heap::{Freed, Special};
use crate::pointer_map::{MapId, Role};
use crate::runtime::Runtime;

/// Reports that are kept.
const MOST_REPORTS: usize = 256;
/// Steps of a path that are kept.
const LONGEST_PATH: usize = 4096;
/// Freed objects that are remembered for whoever asks.
const MOST_FREED: usize = 1 << 20;

/// What holds a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// A global, by number.
    Global(usize),
    /// A slot of a goroutine's stack.
    Stack {
        /// The goroutine.
        goroutine: usize,
        /// The slot.
        slot: usize,
    },
    /// A map operation that is under way.
    Register,
    /// The queue of finalizers to run.
    FinalizerQueue,
    /// An object of the heap.
    Object {
        /// Where it starts.
        at: Address,
        /// The pointer's distance from there.
        offset: u64,
        /// What it is.
        role: Role,
    },
}

/// A pointer of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathStep {
    /// What holds it.
    pub holder: Holder,
    /// The object that it points to.
    pub to: Address,
    /// The collector marked that object.
    pub is_marked: bool,
}

/// A read of an object that should not have been freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleRead {
    /// What was read.
    pub at: Address,
    /// What is there now.
    pub value: u64,
    /// The memory is another object's by now.
    pub is_reused: bool,
}

/// An object that is freed although it can be reached.
#[derive(Debug, Clone, PartialEq)]
pub struct PrematureFree {
    /// The collection, from 1.
    pub cycle: u32,
    /// The object.
    pub object: Address,
    /// Bytes of its slot.
    pub size: ByteSize,
    /// What it is.
    pub role: Role,
    /// The pointers that lead to it, a root's first.
    pub path: Vec<PathStep>,
    /// It has been swept.
    pub is_freed: bool,
    /// The first read of it thereafter by [`Runtime::load`]. Running maps read the arena itself.
    pub following_read: Option<StaleRead>,
}

impl PrematureFree {
    /// Returns the pointer that the collector missed: the first of the path to lead to an object
    /// without a mark.
    pub fn missed(&self) -> Option<&PathStep> {
        self.path.iter().find(|step| !step.is_marked)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global(index) => write!(f, "global {index}"),
            Self::Stack { goroutine, slot } => write!(f, "goroutine {goroutine}, slot {slot}"),
            Self::Register => write!(f, "a map operation under way"),
            Self::FinalizerQueue => write!(f, "the finalizer queue"),
            Self::Object { at, offset, role } => {
                let what = match role {
                    Role::Plain => "object",
                    Role::MapHeader => "map",
                    Role::MapArray => "map array",
                    Role::OverflowBucket => "overflow bucket",
                };
                write!(f, "{what} {at}+{offset}")
            }
        }
    }
}

impl fmt::Display for PrematureFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycle, object, size, .. } = self;
        write!(f, "gc {cycle}: {object} ({} bytes) is freed while reachable:", size.get())?;
        for step in &self.path {
            let verdict = if step.is_marked { "marked" } else { "missed" };
            write!(f, "\n  {} -> {} ({verdict})", step.holder, step.to)?;
        }
        if let Some(read) = self.following_read {
            write!(f, "\n  then {} was read as {:#x}", read.at, read.value)?;
        }
        Ok(())
    }
}

/// What was found so far.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    pub(crate) is_on: bool,
    /// By the slot's start: its end, and where in `reports`.
    early: BTreeMap<u64, (u64, Option<usize>)>,
    pub(crate) reports: Vec<PrematureFree>,
    pub(crate) count: u64,
    pub(crate) freed: Vec<Freed>,
    /// Slots of `early` that serve another object.
    reused: HashSet<u64>,
}

impl Checker {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// Finds what was freed too early around `at`.
    fn around(&self, at: u64) -> Option<(u64, Option<usize>)> {
        let (&base, &(end, index)) = self.early.range(..=at).next_back()?;
        (at < end).then_some((base, index))
    }

    /// Hears of a new object.
    pub(crate) fn allocated(&mut self, at: u64, size: u64) {
        let end = at.saturating_add(size);
        let within = self.early.range(at..end).map(|(&base, _)| base);
        let around = self.around(at).map(|(base, _)| base);
        let found: Vec<u64> = within.chain(around).collect();
        self.reused.extend(found);
    }

    /// Hears that the word at `at` was read.
    pub(crate) fn read(&mut self, at: u64, value: u64) {
        let Some((base, Some(index))) = self.around(at) else { return };
        let is_reused = self.reused.contains(&base);
        if let Some(report) = self.reports.get_mut(index)
            && report.is_freed
            && report.following_read.is_none()
        {
            let at = Address::new(at);
            report.following_read = Some(StaleRead { at, value, is_reused });
        }
    }

    #[inline]
    pub(crate) fn has_early(&self) -> bool {
        !self.early.is_empty()
    }
}

/// The exact walk.
struct Walk {
    /// By slot, who led there; present once visited.
    parents: HashMap<u64, Holder>,
    queue: VecDeque<u64>,
}

impl Runtime {
    fn visit(&self, walk: &mut Walk, value: u64, holder: Holder) {
        let Some((id, slot)) = self.heap.slot_of(value) else { return };
        let span = self.heap.span(id);
        if !span.is_allocated(slot) {
            return;
        }
        let base = span.slot_base(slot);
        if let Entry::Vacant(entry) = walk.parents.entry(base) {
            entry.insert(holder);
            walk.queue.push_back(base);
        }
    }

    /// Walks from all roots.
    fn walk_exactly(&self) -> Walk {
        let mut walk = Walk { parents: HashMap::new(), queue: VecDeque::new() };
        for (index, &value) in self.globals.iter().enumerate() {
            self.visit(&mut walk, value, Holder::Global(index));
        }
        for (goroutine, state) in self.goroutines.iter().enumerate() {
            let slots = state.iter().flat_map(|state| state.slots.iter().enumerate());
            for (slot, &value) in slots {
                self.visit(&mut walk, value, Holder::Stack { goroutine, slot });
            }
        }
        for &value in &self.registers {
            self.visit(&mut walk, value, Holder::Register);
        }
        for &(value, _) in &self.heap.finalizable {
            self.visit(&mut walk, value, Holder::FinalizerQueue);
        }
        for (&base, specials) in &self.heap.specials {
            if specials.iter().any(|special| matches!(special, Special::Finalizer(_))) {
                self.visit_fields(&mut walk, base);
            }
        }
        while let Some(base) = walk.queue.pop_front() {
            self.visit_fields(&mut walk, base);
        }
        walk
    }

    fn visit_fields(&self, walk: &mut Walk, base: u64) {
        let Some((id, slot)) = self.heap.slot_of(base) else { return };
        let span = self.heap.span(id);
        let map_id = span.maps.get(slot).copied().unwrap_or(MapId::NONE);
        if map_id == MapId::NONE {
            return;
        }
        let object = span.object(slot);
        let map = self.maps.get(map_id);
        for offset in map.within(0, base + span.slot_size - object) {
            let value = self.heap.arena.word(Address::new(object + offset));
            let at = Address::new(object);
            self.visit(walk, value, Holder::Object { at, offset, role: map.role });
        }
    }

    /// Returns the addresses of all objects that the program can reach, in order. What an object
    /// with a finalizer refers to counts, the object itself only where something else does.
    pub fn reachable(&self) -> Vec<Address> {
        let walk = self.walk_exactly();
        let mut found: Vec<Address> =
            walk.parents.keys().filter_map(|&base| self.object_at(base)).collect();
        found.sort_unstable();
        found
    }

    /// Returns where the object starts that `at` points into, be it reachable or not.
    pub fn object_of(&self, at: Address) -> Option<Address> {
        self.object_at(at.get())
    }

    fn object_at(&self, at: u64) -> Option<Address> {
        let (id, slot) = self.heap.slot_of(at)?;
        let span = self.heap.span(id);
        span.is_allocated(slot).then(|| Address::new(span.object(slot)))
    }

    fn is_marked(&self, at: u64) -> bool {
        self.heap.slot_of(at).is_some_and(|(id, slot)| self.heap.span(id).marks.get(slot))
    }

    /// Holds the marks against what can be reached.
    pub(crate) fn check_marks(&mut self) {
        let walk = self.walk_exactly();
        let mut early: Vec<u64> =
            walk.parents.keys().copied().filter(|&base| !self.is_marked(base)).collect();
        early.sort_unstable();
        for base in early {
            self.checker.count += 1;
            let is_reported = self.checker.reports.len() < MOST_REPORTS;
            let index = is_reported.then_some(self.checker.reports.len());
            let report = self.report(&walk, base);
            self.checker.early.insert(base, (base + report.size.get(), index));
            self.checker.reused.remove(&base);
            if is_reported {
                self.checker.reports.push(report);
            }
        }
    }

    fn report(&self, walk: &Walk, base: u64) -> PrematureFree {
        let mut path = Vec::new();
        let mut at = base;
        while let Some(&holder) = walk.parents.get(&at)
            && path.len() < LONGEST_PATH
        {
            let to = self.object_at(at).unwrap_or_default();
            path.push(PathStep { holder, to, is_marked: self.is_marked(at) });
            let Holder::Object { at: object, .. } = holder else { break };
            let Some((id, slot)) = self.heap.slot_of(object.get()) else { break };
            at = self.heap.span(id).slot_base(slot);
        }
        path.reverse();
        let (mut size, mut role) = (0, Role::Plain);
        if let Some((id, slot)) = self.heap.slot_of(base) {
            let span = self.heap.span(id);
            size = span.slot_size;
            role = span.maps.get(slot).map_or(Role::Plain, |&map| self.maps.get(map).role);
        }
        PrematureFree {
            cycle: self.collector.count + 1,
            object: self.object_at(base).unwrap_or_default(),
            size: ByteSize::new(size),
            role,
            path,
            is_freed: false,
            following_read: None,
        }
    }

    /// Takes notice of what sweeping freed.
    pub(crate) fn hear_of_freed(&mut self) {
        let Some(freed) = &mut self.heap.freed else { return };
        for object in freed.drain(..) {
            if let Some((_, Some(index))) = self.checker.early.get(&object.base)
                && let Some(report) = self.checker.reports.get_mut(*index)
            {
                report.is_freed = true;
            }
            if self.checker.freed.len() < MOST_FREED {
                self.checker.freed.push(object);
            }
        }
    }

    /// Returns what was freed too early, as far as it was found: the first 256 reports.
    pub fn premature_frees(&self) -> &[PrematureFree] {
        &self.checker.reports
    }

    /// Returns how many objects were freed too early.
    pub fn premature_free_count(&self) -> u64 {
        self.checker.count
    }

    /// Returns the slots that were freed since the last call: address and size. There are only any
    /// where checks are on, and no more than a million.
    pub fn take_freed(&mut self) -> Vec<(Address, ByteSize)> {
        let freed = std::mem::take(&mut self.checker.freed);
        freed.iter().map(|f| (Address::new(f.base), ByteSize::new(f.size))).collect()
    }
}
