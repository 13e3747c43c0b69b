//! Cycles (`gcStart`, `gcMarkDone`, `gcMarkTermination`, `runtime.GC`, `runtime/mgc.go`).
//!
//! A cycle starts when the heap reaches the pacer's trigger, or when the program asks for it.
//! The world stops, what is left of the last cycle is swept, barriers go on, and the world runs
//! again while roots and objects are marked. Once no work is left it stops for the second time, the
//! marks become what is in use, and sweeping begins.
//!
//! `tick` runs the collector's share of the time that an operation of the program took. How much
//! of it comes at once is drawn at random, from the seed.

use std::collections::VecDeque;

use tophash_goruntime::PAGE;

use super::clock;
use super::mark::RootJob;
use super::record::GcRecord;
use crate::heap::SCAVENGE_STEP;
use crate::pointer_map::PointerMap;
use crate::runtime::Runtime;

/// Records that are kept.
const MOST_RECORDS: usize = 4096;

/// What the collector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing.
    Idle,
    /// Marking, while the program runs.
    Marking,
    /// Sweeping, while the program runs.
    Sweeping,
}

/// The state of a cycle.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// Grey objects, and pieces of large ones.
    pub(crate) work: Vec<u64>,
    pub(crate) roots: Vec<RootJob>,
    /// Pointers found in an object; kept to be used again.
    pub(crate) found: Vec<u64>,
    /// A pointer map with a fault.
    pub(crate) view: Option<PointerMap>,
    pub(crate) records: VecDeque<GcRecord>,
    pub(crate) count: u32,
    pub(crate) forced: u32,
    pub(crate) paused: u64,
    pub(crate) last_end: u64,
    is_forced: bool,
    started: u64,
    mark_started: u64,
    heap_before: u64,
    /// Time that workers may use, in nanoseconds; below zero where they took more.
    budget: i64,
    sweep_budget: u64,
    /// When the scavenger has its next turn; never, where it waits for a cycle.
    next_scavenge: u64,
}

impl Runtime {
    /// Tells what the collector is doing.
    pub fn phase(&self) -> Phase {
        match (self.heap.is_marking, self.heap.sweep.is_done) {
            (true, _) => Phase::Marking,
            (false, false) => Phase::Sweeping,
            (false, true) => Phase::Idle,
        }
    }

    /// Starts a cycle if the heap is large enough (`gcTriggerHeap`).
    pub(crate) fn collect_if_due(&mut self) {
        self.heap.refresh_mapped();
        if !self.heap.is_marking && self.heap.pacer.heap_live >= self.heap.pacer.trigger().0 {
            self.start_cycle(false);
        }
    }

    pub(crate) fn start_cycle(&mut self, is_forced: bool) {
        self.collector.started = self.clock.now;
        self.heap.finish_sweep();
        self.hear_of_freed();
        if self.collector.next_scavenge == u64::MAX {
            self.collector.next_scavenge = self.clock.now;
        }
        for span in &mut self.heap.spans {
            span.has_marks = false;
        }
        let heap = &mut self.heap;
        self.collector.heap_before = heap.pacer.heap_live;
        self.collector.is_forced = is_forced;
        heap.marked = 0;
        heap.refresh_mapped();
        heap.pacer.start_cycle();
        heap.is_marking = true;
        for goroutine in self.goroutines.iter_mut().flatten() {
            goroutine.is_scanned = false;
            goroutine.assist_bytes = 0;
        }
        self.collector.work.clear();
        self.prepare_roots();
        // Tiny blocks may be used further, whether anything refers to them or not.
        let tiny: Vec<u64> = self.heap.caches.iter().map(|cache| cache.tiny).collect();
        for block in tiny {
            self.shade(block);
        }
        self.stop_the_world(clock::STOP_AT_START);
        self.collector.mark_started = self.clock.now;
        self.collector.budget = 0;
    }

    fn stop_the_world(&mut self, nanos: u64) {
        self.clock.now += nanos;
        self.clock.collecting += nanos * self.heap.caches.len() as u64;
        self.collector.paused += nanos;
    }

    /// Ends marking if no work is left, and no map operation is under way.
    pub(crate) fn finish_if_done(&mut self) -> bool {
        let is_done = self.heap.is_marking
            && !self.is_in_flight
            && self.collector.work.is_empty()
            && self.collector.roots.is_empty();
        if is_done {
            self.finish_cycle();
        }
        is_done
    }

    fn finish_cycle(&mut self) {
        let processors = self.heap.caches.len();
        let ended = self.clock.now;
        let marking = ended - self.collector.mark_started;
        self.heap.refresh_mapped();
        self.heap.pacer.end_cycle(marking, processors as u64);
        let heap_at_end = self.heap.pacer.heap_live;
        if self.checker.is_on {
            self.check_marks();
        }
        self.stop_the_world(clock::STOP_AT_END);
        let heap = &mut self.heap;
        heap.is_marking = false;
        for cache in &mut heap.caches {
            cache.scan = 0;
        }
        let marked = heap.marked;
        heap.pacer.reset_live(marked);
        heap.start_sweep();
        heap.last_in_use = heap.in_use;
        self.commit();
        let heap = &mut self.heap;
        heap.pages.index.next_generation();
        heap.samples.next_cycle();
        for processor in 0..processors {
            heap.release_cache(processor);
            // One that runs nothing keeps no pages, either.
            let mut running = self.goroutines.iter().skip(processor).step_by(processors);
            if processor > 0 && running.all(Option::is_none) {
                heap.flush_page_cache(processor);
            }
        }
        let collector = &mut self.collector;
        collector.count += 1;
        collector.forced += u32::from(collector.is_forced);
        collector.last_end = self.clock.now;
        let pacer = &self.heap.pacer;
        let record = GcRecord {
            number: collector.count,
            started: collector.started,
            percent: (self.gc_cpu_fraction() * 100.0) as u32,
            wall: [clock::STOP_AT_START, marking, clock::STOP_AT_END],
            assist: pacer.assist_nanos,
            background: pacer.background_nanos,
            idle: pacer.idle_nanos,
            heap: [self.collector.heap_before, heap_at_end, marked],
            goal: pacer.last_goal,
            stacks: pacer.last_stack_scan,
            globals: pacer.globals_scan,
            processors: processors as u32,
            is_forced: self.collector.is_forced,
        };
        let records = &mut self.collector.records;
        if records.len() == MOST_RECORDS {
            records.pop_front();
        }
        records.push_back(record);
        self.hear_of_freed();
    }

    /// Sets all goals anew (`gcControllerCommit`).
    pub(crate) fn commit(&mut self) {
        let heap = &mut self.heap;
        heap.refresh_mapped();
        heap.pacer.commit(heap.sweep.is_done);
        if heap.is_marking {
            heap.pacer.revise();
        }
        let (trigger, goal) = heap.pacer.trigger();
        heap.pace_sweep(trigger);
        heap.pace_scavenger(goal);
    }

    pub(crate) fn gc_cpu_fraction(&self) -> f64 {
        let total = self.clock.now * self.heap.caches.len() as u64;
        self.clock.collecting as f64 / total.max(1) as f64
    }

    /// Makes one step of collecting while the program waits: scans roots or an object, ends marking,
    /// or sweeps a span. Returns false where there is nothing to do.
    pub fn step(&mut self) -> bool {
        if self.heap.is_marking {
            match self.mark_step() {
                Some(work) => {
                    let nanos = work + clock::MARK_OBJECT;
                    // All processors have nothing better to do.
                    self.clock.now += nanos / self.heap.caches.len() as u64;
                    self.heap.pacer.idle_nanos += nanos;
                    self.heap.pacer.background_credit += work as i64;
                    true
                }
                None => self.finish_if_done(),
            }
        } else {
            let was_swept = self.heap.sweep_one();
            if was_swept {
                self.hear_of_freed();
            }
            was_swept
        }
    }

    /// Lets `nanos` pass, and the collector use its share.
    pub(crate) fn tick(&mut self, nanos: u64) {
        self.clock.now += nanos;
        if self.heap.is_marking {
            // A quarter of all time, and so a third of the program's, now more and now less.
            let processors = self.heap.caches.len() as u64;
            let share = self.random.below(nanos * processors) * 2 / 3;
            self.collector.budget = self.collector.budget.saturating_add_unsigned(share);
            while self.collector.budget > 0 {
                let Some(work) = self.mark_step() else {
                    self.finish_if_done();
                    self.collector.budget = 0;
                    break;
                };
                let nanos = work + clock::MARK_OBJECT;
                self.clock.now += nanos / processors;
                self.clock.collecting += nanos;
                self.heap.pacer.background_nanos += nanos;
                self.heap.pacer.background_credit += work as i64;
                // A step may take more than is left, which the next ones wait for.
                self.collector.budget = self.collector.budget.saturating_sub_unsigned(nanos);
            }
        } else if !self.heap.sweep.is_done {
            self.collector.sweep_budget += self.random.below(nanos + 1) / 2;
            while self.collector.sweep_budget >= clock::SWEEP_SPAN && self.heap.sweep_one() {
                self.collector.sweep_budget -= clock::SWEEP_SPAN;
            }
            self.hear_of_freed();
        }
        if self.clock.now >= self.collector.next_scavenge {
            self.scavenge_in_background();
        }
    }

    /// One turn of the background scavenger (`scavengerState.run`). Where there is nothing to give
    /// back it waits for the next cycle, else it sleeps for a while.
    fn scavenge_in_background(&mut self) {
        let mut worked = 0;
        while worked < clock::SCAVENGE_WORK {
            let released = self.heap.scavenge_step();
            worked += released / PAGE * clock::RELEASE_PAGE;
            if released < SCAVENGE_STEP {
                break;
            }
        }
        self.collector.next_scavenge = match worked {
            0 => u64::MAX,
            _ => self.clock.now + worked * clock::SCAVENGE_SLEEP,
        };
    }

    /// Collects: ends the cycle that is running, runs another and sweeps all (`runtime.GC`).
    pub fn gc(&mut self) {
        self.is_in_flight = false;
        self.registers.clear();
        while self.heap.is_marking {
            self.step();
        }
        self.start_cycle(true);
        while self.heap.is_marking {
            self.step();
        }
        self.heap.finish_sweep();
        self.hear_of_freed();
        self.heap.samples.swept();
    }

    /// Starts a cycle, as another goroutine's `runtime.GC` would, and returns while it marks; what
    /// the program does next goes on beside it. Returns false where one is marking already.
    pub fn start_gc(&mut self) -> bool {
        let starts = !self.heap.is_marking;
        if starts {
            self.start_cycle(true);
        }
        starts
    }

    /// Collects and gives all free memory back to the system (`debug.FreeOSMemory`). Returns the
    /// bytes that were given back now.
    pub fn free_os_memory(&mut self) -> u64 {
        self.gc();
        self.heap.give_back_all()
    }

    /// Sets `GOGC`, or switches it off, and returns what it was (`debug.SetGCPercent`).
    pub fn set_gc_percent(&mut self, percent: Option<u32>) -> Option<u32> {
        let before = std::mem::replace(&mut self.heap.pacer.percent, percent);
        self.commit();
        before
    }

    /// Sets the memory limit (`debug.SetMemoryLimit`).
    pub fn set_memory_limit(&mut self, limit: Option<u64>) -> Option<u64> {
        let before = std::mem::replace(&mut self.heap.pacer.limit, limit);
        self.commit();
        before
    }

    /// Returns what the last collections were like, the oldest first: at most 4096 of them. Each
    /// prints as the line of `GODEBUG=gctrace=1`.
    pub fn gc_records(&self) -> impl ExactSizeIterator<Item = &GcRecord> {
        self.collector.records.iter()
    }
}
