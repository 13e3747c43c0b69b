//! One look at a program: every figure that some source tells.
//!
//! Sources overlap, and none has all: `MemStats` has size classes but neither `GOGC` nor what was
//! marked; metrics have these, if the program exports them; `/proc` alone knows what is resident.
//! Each fills in what it knows, and [`Vitals::or`] puts two looks at one moment together.

use serde::{Deserialize, Serialize};

/// What is known of a program's memory at one moment. Sizes are bytes, times seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// The release, as the program spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub go_version: Option<String>,
    /// Objects that are allocated: live ones, and garbage that was not swept yet
    /// (`MemStats.HeapAlloc`).
    pub heap_alloc: Option<u64>,
    /// What the last collection marked (`/gc/heap/live:bytes`, since Go 1.21).
    pub live: Option<u64>,
    /// Spans that hold at least one object (`HeapInuse`).
    pub heap_in_use: Option<u64>,
    /// Pages of the heap in no span, not given back (`HeapIdle - HeapReleased`).
    pub heap_free: Option<u64>,
    /// Pages of the heap that were given back to the kernel (`HeapReleased`).
    pub heap_released: Option<u64>,
    /// Stacks of goroutines (`StackInuse`).
    pub stacks: Option<u64>,
    /// What the runtime needs for itself: spans' descriptions, caches, profiling buckets, the
    /// collector's bitmaps, stacks of threads that it made.
    pub runtime: Option<u64>,
    /// All that the runtime got from the kernel, and did not give back (`Sys - HeapReleased`): what
    /// `GOMEMLIMIT` limits.
    pub mapped: Option<u64>,
    /// Allocated objects.
    pub heap_objects: Option<u64>,
    /// Objects allocated since the program started.
    pub mallocs: Option<u64>,
    /// Objects freed since then.
    pub frees: Option<u64>,
    /// Bytes allocated since then.
    pub total_alloc: Option<u64>,
    /// The heap at which the next collection is to be done (`NextGC`).
    pub next_gc: Option<u64>,
    /// `GOGC`; negative where the collector is off.
    pub gc_percent: Option<i32>,
    /// `GOMEMLIMIT`; `None` also where there is none.
    pub memory_limit: Option<u64>,
    /// Bytes of stacks that the last collection scanned.
    pub stack_scan: Option<u64>,
    /// Bytes of globals that it scans.
    pub globals_scan: Option<u64>,
    /// Collections that are done.
    pub gc_cycles: Option<u64>,
    /// Of them, those that the program asked for.
    pub gc_forced: Option<u64>,
    /// The collector's part of the processor time that the program could have used since it started:
    /// 0 to 1.
    pub gc_cpu_fraction: Option<f64>,
    /// Processor time of the collector since the start.
    pub gc_cpu_seconds: Option<f64>,
    /// Processor time that the program could have used since the start.
    pub total_cpu_seconds: Option<f64>,
    /// Time since the start during which the world was stopped for the collector.
    pub gc_pause_seconds: Option<f64>,
    /// When the last collection ended, since 1970.
    pub last_gc_time: Option<f64>,
    /// Goroutines.
    pub goroutines: Option<u64>,
    /// Allocations by size class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub size_classes: Vec<SizeClass>,
    /// What the kernel says.
    pub process: ProcessVitals,
}

/// What the kernel says of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessVitals {
    /// The resident set.
    pub resident: Option<u64>,
    /// The part of it that no file backs: heaps and stacks, of Go and of C.
    pub anonymous: Option<u64>,
    /// The part that files back: code, and files that the program mapped.
    pub file: Option<u64>,
    /// The part that is shared memory.
    pub shared: Option<u64>,
    /// What was swapped out.
    pub swapped: Option<u64>,
    /// Of the resident set, what nobody else uses.
    pub private: Option<u64>,
    /// The largest the resident set has been.
    pub peak_resident: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Processor time since the start.
    pub cpu_seconds: Option<f64>,
    /// The smallest limit of the control groups that the process is in.
    pub limit: Option<u64>,
    /// What that group is charged with, page cache included.
    pub charged: Option<u64>,
}

/// Allocations of one size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SizeClass {
    /// Bytes of a slot.
    pub size: u64,
    /// Slots taken since the start.
    pub mallocs: u64,
    /// Slots freed since then.
    pub frees: u64,
}

macro_rules! fill {
    ($into:expr, $from:expr; $($field:ident),* $(,)?) => {
        $( if $into.$field.is_none() { $into.$field = $from.$field; } )*
    };
}

impl Vitals {
    /// Takes from another look at the same moment what this one does not tell.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        fill!(self, other;
            go_version, heap_alloc, live, heap_in_use, heap_free, heap_released, stacks, runtime,
            mapped, heap_objects, mallocs, frees, total_alloc, next_gc, gc_percent, memory_limit,
            stack_scan, globals_scan, gc_cycles, gc_forced, gc_cpu_fraction, gc_cpu_seconds,
            total_cpu_seconds, gc_pause_seconds, last_gc_time, goroutines,
        );
        if self.size_classes.is_empty() {
            self.size_classes = other.size_classes;
        }
        fill!(self.process, other.process;
            resident, anonymous, file, shared, swapped, private, peak_resident, threads,
            cpu_seconds, limit, charged,
        );
        self
    }

    /// Returns whether the runtime's own figures are known, not only the kernel's.
    pub fn has_heap(&self) -> bool {
        self.heap_alloc.is_some() || self.live.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_source_wins_and_the_second_fills_in() {
        let first = Vitals { heap_alloc: Some(1), ..Vitals::default() };
        let process = ProcessVitals { resident: Some(9), ..ProcessVitals::default() };
        let second = Vitals { heap_alloc: Some(2), live: Some(3), process, ..Vitals::default() };
        let both = first.or(second);
        assert_eq!((both.heap_alloc, both.live), (Some(1), Some(3)));
        assert_eq!(both.process.resident, Some(9));
    }
}
