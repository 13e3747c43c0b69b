//! Marking (`runtime/mgcmark.go`, `runtime/mbarrier.go`).
//!
//! White is what has no mark, grey what is marked and on the list of work, black what is marked
//! and not on it. Every root is looked at once, each stack at a time of its own. That this is
//! enough while the program runs is what the write barrier is for: a store into the heap or a
//! global greys what was there, so that nothing that a stack not yet scanned could reach is lost,
//! and what it stores, so that a scanned stack can't hide anything in a black object. New objects
//! are black.
//!
//! Objects above 128 KiB are scanned in pieces. From Go 1.26 on, the runtime collects pointers to
//! small objects span by span and scans them in the order of addresses ("Green Tea"). Order does
//! not change what is marked, so the model keeps one list.

use tophash_memory::Address;

use super::clock;
use crate::heap::Special;
use crate::pointer_map::MapId;
use crate::runtime::Runtime;

/// Bytes of an object that are scanned in one go (`maxObletBytes`).
const PIECE: u64 = 128 << 10;
/// Globals that are scanned in one go (`rootBlockBytes`, in words).
const ROOT_BLOCK: usize = (256 << 10) / 8;
/// An assist does at least as much (`gcOverAssistWork`).
const LEAST_ASSIST: i64 = 64 << 10;

/// Roots that are scanned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RootJob {
    /// Objects whose finalizers are to run.
    FinalizerQueue,
    /// What objects with finalizers refer to.
    Finalizers,
    /// Globals from this one on.
    Globals(usize),
    /// A goroutine's stack.
    Stack(usize),
    /// What the process has beside the model's objects.
    Surroundings,
}

impl Runtime {
    /// Lists the roots to scan (`gcMarkRootPrepare`).
    pub(crate) fn prepare_roots(&mut self) {
        let mut jobs = vec![RootJob::Surroundings, RootJob::FinalizerQueue, RootJob::Finalizers];
        jobs.extend((0..self.globals.len()).step_by(ROOT_BLOCK).map(RootJob::Globals));
        let stacks = self.goroutines.iter().enumerate().filter(|(_, g)| g.is_some());
        jobs.extend(stacks.map(|(index, _)| RootJob::Stack(index)));
        // Workers take jobs in order and finish them in any.
        for last in (1..jobs.len()).rev() {
            jobs.swap(last, self.random.below(last as u64 + 1) as usize);
        }
        self.collector.roots = jobs;
    }

    /// Scans some roots or an object; returns how much work that was, or nothing where none is
    /// left.
    pub(crate) fn mark_step(&mut self) -> Option<u64> {
        if let Some(at) = self.collector.work.pop() {
            return Some(self.scan_object(at));
        }
        let job = self.collector.roots.pop()?;
        Some(self.scan_root(job))
    }

    fn scan_root(&mut self, job: RootJob) -> u64 {
        match job {
            RootJob::FinalizerQueue => {
                let queue: Vec<u64> = self.heap.finalizable.iter().map(|&(at, _)| at).collect();
                for at in queue {
                    self.shade(at);
                }
                0
            }
            RootJob::Finalizers => {
                let specials = self.heap.specials.iter();
                let with_finalizer = specials
                    .filter(|(_, list)| list.iter().any(|s| matches!(s, Special::Finalizer(_))))
                    .map(|(&at, _)| at)
                    .collect::<Vec<u64>>();
                // The object itself stays white: only then its finalizer runs.
                with_finalizer.into_iter().map(|at| self.scan_object(at)).sum()
            }
            RootJob::Globals(first) => {
                let end = (first + ROOT_BLOCK).min(self.globals.len());
                for index in first..end {
                    self.shade(self.globals[index]);
                }
                let work = (end - first) as u64 * 8;
                self.heap.pacer.globals_scan_work += work;
                work
            }
            RootJob::Stack(index) => self.scan_stack(index),
            RootJob::Surroundings => {
                let pacer = &mut self.heap.pacer;
                let around = pacer.surroundings;
                pacer.heap_scan_work += around.heap_scan;
                pacer.stack_scan_work += around.stack_scan;
                pacer.globals_scan_work += around.globals_scan;
                self.heap.marked += around.heap_live;
                around.heap_scan + around.stack_scan + around.globals_scan
            }
        }
    }

    /// Greys what an object that gets a finalizer refers to.
    pub(crate) fn scan_finalizable(&mut self, base: u64) {
        self.scan_object(base);
    }

    fn scan_stack(&mut self, index: usize) -> u64 {
        let Some(Some(goroutine)) = self.goroutines.get_mut(index) else { return 0 };
        goroutine.is_scanned = true;
        let slots = std::mem::take(&mut goroutine.slots);
        for &value in &slots {
            self.shade(value);
        }
        let work = slots.len() as u64 * 8;
        if let Some(Some(goroutine)) = self.goroutines.get_mut(index) {
            goroutine.slots = slots;
        }
        // What an operation in flight holds lies in registers of whoever runs it.
        for index in 0..self.registers.len() {
            self.shade(self.registers[index]);
        }
        self.heap.pacer.stack_scan_work += work;
        work
    }

    /// Greys the object that `at` points into, if it does and is white (`greyobject`).
    pub(crate) fn shade(&mut self, at: u64) {
        let Some((id, slot)) = self.heap.slot_of(at) else { return };
        let span = self.heap.span_mut(id);
        if !span.is_allocated(slot) || !span.mark(slot) {
            return;
        }
        let (base, size, is_noscan) = (span.slot_base(slot), span.slot_size, span.maps.is_empty());
        self.heap.marked += size;
        if !is_noscan {
            self.collector.work.push(base);
        }
    }

    /// Greys what an object, or the piece of one that starts at `at`, points to (`scanobject`).
    fn scan_object(&mut self, at: u64) -> u64 {
        let Some((id, slot)) = self.heap.slot_of(at) else { return 0 };
        let span = self.heap.span(id);
        let Some(&map_id) = span.maps.get(slot) else { return 0 };
        if map_id == MapId::NONE {
            return 0;
        }
        let (object, end) = (span.object(slot), span.slot_base(slot) + span.slot_size);
        let start = at.max(object);
        if end - object > PIECE && start == object {
            let pieces = (object..end).step_by(PIECE as usize).skip(1);
            self.collector.work.extend(pieces);
        }
        let stop = end.min(start + PIECE);
        let mut found = std::mem::take(&mut self.collector.found);
        let mut work = 0;
        let map = self.maps.get(map_id);
        let map = match self.faults.is_empty() {
            true => map,
            // Without a copy the faults could not count along.
            false => match self.faults.view(map_id, map).cloned() {
                Some(view) => &*self.collector.view.insert(view),
                None => {
                    self.collector.found = found;
                    return 0;
                }
            },
        };
        for offset in map.within(start - object, stop - object) {
            work = object + offset + 8 - start;
            let value = self.heap.arena.word(Address::new(object + offset));
            if value == 0 {
                continue;
            }
            if map.overflow.is_some() && self.faults.skips(map.overflow, offset % map.unit) {
                continue;
            }
            found.push(value);
        }
        for value in found.drain(..) {
            self.shade(value);
        }
        self.collector.found = found;
        self.heap.pacer.heap_scan_work += work;
        work
    }

    /// The write barrier: the word at `at` is about to become `new`
    /// (`gcWriteBarrier`; `bulkBarrierPreWrite` for several).
    pub(crate) fn write_barrier(&mut self, old: u64, new: u64) {
        if !self.heap.is_marking || (!self.faults.is_empty() && self.faults.loses_barrier()) {
            return;
        }
        self.shade(old);
        self.shade(new);
    }

    /// Makes an allocation pay for what it takes, by work that background workers did in advance or
    /// by marking itself (`deductAssistCredit`, `gcAssistAlloc`).
    pub(crate) fn assist(&mut self, goroutine: usize, bytes: u64) {
        let Some(Some(running)) = self.goroutines.get_mut(goroutine) else { return };
        running.assist_bytes = running.assist_bytes.saturating_sub_unsigned(bytes);
        if running.assist_bytes >= 0 {
            return;
        }
        let mut debt = running.assist_bytes.saturating_neg();
        let pacer = &mut self.heap.pacer;
        let mut work = (pacer.work_per_byte * debt as f64) as i64;
        if work < LEAST_ASSIST {
            work = LEAST_ASSIST;
            debt = (pacer.bytes_per_work * work as f64) as i64;
        }
        let mut earned = 0;
        let stolen = pacer.background_credit.clamp(0, work);
        if stolen > 0 {
            pacer.background_credit -= stolen;
            earned = match stolen == work {
                true => debt,
                false => ((pacer.bytes_per_work * stolen as f64) as i64).saturating_add(1),
            };
        }
        let mut left = work - stolen;
        if left > 0 {
            let mut done = 0;
            while left > 0 {
                let Some(step) = self.mark_step() else {
                    // Whoever waits for others to finish may go on.
                    done += left;
                    break;
                };
                let nanos = step + clock::MARK_OBJECT;
                self.clock.now += nanos;
                self.clock.collecting += nanos;
                self.heap.pacer.assist_nanos += nanos;
                done += step.max(1) as i64;
                left -= step.max(1) as i64;
            }
            let bytes = (self.heap.pacer.bytes_per_work * done as f64) as i64;
            earned = bytes.saturating_add(1).saturating_add(earned);
            self.finish_if_done();
        }
        if let Some(Some(running)) = self.goroutines.get_mut(goroutine) {
            running.assist_bytes = running.assist_bytes.saturating_add(earned);
        }
    }
}
