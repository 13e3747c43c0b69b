//! Lines that the runtime prints under `GODEBUG=gctrace=1` and `scavtrace=1`, among others.
//!
//! ```text
//! gc 7 @1.234s 2%: 0.018+1.2+0.003 ms clock, 0.07+0.3/1.0/2.1+0.01 ms cpu, 40->42->21 MB, 43 MB goal, 0 MB stacks, 1 MB globals, 4 P
//! scav 128 KiB work (bg), 0 KiB work (eager), 2048 KiB now, 87% util
//! ```
//!
//! Programs write to the same stream, and collectors of logs put words in front: a line is looked
//! through for where the runtime's begins. The runtime writes a line piece by piece, so that another
//! thread's may cut it in two; what was cut is passed over. The forms of Go 1.19 to 1.27 are read (`runtime/mgc.go`,
//! `gcMarkTermination`; `runtime/mgcscavenge.go`, `printScavTrace`): `(forced)` may follow, since
//! 1.26 `(checking for goroutine leaks)` stands before the colon; and before 1.20 scavenger lines
//! had one number for work, and `total` where `now` stands. Sizes are rounded down by the runtime, to whole MiB ("MB" in its words)
//! and KiB.

use serde::{Deserialize, Serialize};

use crate::vitals::Vitals;

/// A line from the runtime is shorter.
const LONGEST_LINE: usize = 4096;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// A line that the runtime printed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TraceLine {
    /// Of the collector.
    Gc(GcTrace),
    /// Of what gives memory back.
    Scav(ScavTrace),
}

/// One collection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GcTrace {
    /// Its number, from 1.
    pub cycle: u64,
    /// Seconds since the program started, at its begin.
    pub at: f64,
    /// Part of the processor time since the start that went to the collector, in percent.
    pub cpu_percent: u32,
    /// Wall time in milliseconds: stopping the world to begin, marking, stopping it to end.
    pub clock_ms: [f64; 3],
    /// Processor time in milliseconds: begin, assists, workers, idle workers, end.
    pub cpu_ms: [f64; 5],
    /// Bytes of heap at its begin.
    pub heap_at_start: u64,
    /// Bytes of heap at its end, before sweeping.
    pub heap_at_end: u64,
    /// Bytes that were marked.
    pub live: u64,
    /// The goal that it had.
    pub goal: u64,
    /// Bytes of stacks that it scanned.
    pub stacks: Option<u64>,
    /// Bytes of globals.
    pub globals: Option<u64>,
    /// `GOMAXPROCS`.
    pub processors: u32,
    /// The program asked for it.
    pub is_forced: bool,
}

/// What was given back to the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScavTrace {
    /// Bytes given back since the line before, in the background; before Go 1.20, all.
    pub background: u64,
    /// Bytes given back by allocations that had to.
    pub eager: u64,
    /// Bytes that are given back now.
    pub released: u64,
    /// Part of what is kept that is in use, in percent.
    pub utilization_percent: u64,
    /// `debug.FreeOSMemory` asked for it.
    pub is_forced: bool,
}

impl GcTrace {
    /// Returns what the line says, as of the end of the collection.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            heap_alloc: Some(self.heap_at_end),
            live: Some(self.live),
            stack_scan: self.stacks,
            globals_scan: self.globals,
            gc_cycles: Some(self.cycle),
            gc_cpu_fraction: Some(f64::from(self.cpu_percent.min(100)) / 100.0),
            ..Vitals::default()
        }
    }

    /// Returns how long the world was stopped, in milliseconds.
    pub fn stopped_ms(&self) -> f64 {
        self.clock_ms[0] + self.clock_ms[2]
    }
}

/// Looks for a line of the runtime in a line of a log.
pub fn parse_trace_line(line: &str) -> Option<TraceLine> {
    if line.len() > LONGEST_LINE {
        return None;
    }
    // Each place where one could begin is tried; the line is short.
    let gc = line.match_indices("gc ").find_map(|(at, _)| gc(line.get(at..)?));
    if let Some(gc) = gc {
        return Some(TraceLine::Gc(gc));
    }
    line.match_indices("scav ").find_map(|(at, _)| scav(line.get(at..)?)).map(TraceLine::Scav)
}

/// Text that is read from the front.
struct Cursor<'t>(&'t str);

impl<'t> Cursor<'t> {
    fn skip(&mut self, word: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(word)?;
        Some(())
    }

    fn has(&mut self, word: &str) -> bool {
        self.skip(word).is_some()
    }

    fn digits(&mut self, more: &str) -> Option<&'t str> {
        let is_end = |c: char| !c.is_ascii_digit() && !more.contains(c);
        let end = self.0.find(is_end).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        (!digits.is_empty()).then_some(digits)
    }

    fn whole(&mut self) -> Option<u64> {
        self.digits("")?.parse().ok()
    }

    fn decimal(&mut self) -> Option<f64> {
        self.digits(".")?.parse().ok()
    }

    fn size(&mut self, unit: u64, after: &str) -> Option<u64> {
        let size = self.whole()?.saturating_mul(unit);
        self.skip(after)?;
        Some(size)
    }

    /// Numbers with one character between each two.
    fn decimals<const N: usize>(&mut self, between: [&str; N]) -> Option<[f64; N]> {
        let mut numbers = [0.0; N];
        for (number, before) in numbers.iter_mut().zip(between) {
            self.skip(before)?;
            *number = self.decimal()?;
        }
        Some(numbers)
    }
}

fn gc(text: &str) -> Option<GcTrace> {
    let mut text = Cursor(text);
    text.skip("gc ")?;
    let cycle = text.whole()?;
    text.skip(" @")?;
    let at = text.decimal()?;
    text.skip("s ")?;
    let cpu_percent = u32::try_from(text.whole()?).ok()?;
    text.skip("%")?;
    text.has(" (checking for goroutine leaks)");
    text.skip(": ")?;
    let clock_ms = text.decimals(["", "+", "+"])?;
    text.skip(" ms clock, ")?;
    let cpu_ms = text.decimals(["", "+", "/", "/", "+"])?;
    text.skip(" ms cpu, ")?;
    let heap_at_start = text.size(MIB, "->")?;
    let heap_at_end = text.size(MIB, "->")?;
    let live = text.size(MIB, " MB, ")?;
    let goal = text.size(MIB, " MB goal, ")?;
    // What follows is newer, or may be cut off by another thread's line.
    let mut found = GcTrace {
        cycle,
        at,
        cpu_percent,
        clock_ms,
        cpu_ms,
        heap_at_start,
        heap_at_end,
        live,
        goal,
        ..GcTrace::default()
    };
    let mut rest = Cursor(text.0);
    found.stacks = rest.size(MIB, " MB stacks, ");
    if found.stacks.is_some() {
        found.globals = rest.size(MIB, " MB globals, ");
    } else {
        rest = text;
    }
    found.processors = rest.whole().and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
    found.is_forced = rest.has(" P (forced)");
    Some(found)
}

fn scav(text: &str) -> Option<ScavTrace> {
    let mut text = Cursor(text);
    text.skip("scav ")?;
    let background = text.size(KIB, " KiB work")?;
    let eager = match text.has(" (bg), ") {
        true => text.size(KIB, " KiB work (eager), ")?,
        false => {
            text.skip(", ")?;
            0
        }
    };
    let released = text.size(KIB, " KiB ")?;
    if !text.has("now, ") {
        text.skip("total, ")?;
    }
    let utilization_percent = text.whole()?;
    text.skip("% util")?;
    let is_forced = text.has(" (forced)");
    Some(ScavTrace { background, eager, released, utilization_percent, is_forced })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GC: &str = "gc 7 @1.234s 2%: 0.018+1.2+0.003 ms clock, 0.07+0.3/1.0/2.1+0.01 ms cpu, \
                      40->42->21 MB, 43 MB goal, 0 MB stacks, 1 MB globals, 4 P";

    fn gc_of(line: &str) -> GcTrace {
        match parse_trace_line(line) {
            Some(TraceLine::Gc(gc)) => gc,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_number_of_a_collection_is_read() {
        let gc = gc_of(GC);
        assert_eq!((gc.cycle, gc.at, gc.cpu_percent), (7, 1.234, 2));
        assert_eq!(gc.clock_ms, [0.018, 1.2, 0.003]);
        assert_eq!(gc.cpu_ms, [0.07, 0.3, 1.0, 2.1, 0.01]);
        assert_eq!((gc.heap_at_start, gc.heap_at_end, gc.live), (40 * MIB, 42 * MIB, 21 * MIB));
        assert_eq!((gc.goal, gc.stacks, gc.globals), (43 * MIB, Some(0), Some(MIB)));
        assert_eq!((gc.processors, gc.is_forced), (4, false));
        assert!((gc.stopped_ms() - 0.021).abs() < 1e-9);
    }

    #[test]
    fn a_collection_is_found_behind_and_before_other_words() {
        let forced = format!("2026-01-02T03:04:05Z stderr F app: gc done gc 1 {GC} (forced)");
        assert!(gc_of(&forced).is_forced);
        let leaks = GC.replace("2%:", "2% (checking for goroutine leaks):");
        assert_eq!(gc_of(&leaks), gc_of(GC));
        let old = GC.replace("0 MB stacks, 1 MB globals, ", "");
        let old = gc_of(&old);
        assert_eq!((old.stacks, old.globals, old.processors), (None, None, 4));
        for line in ["", "gc", "gc 1", "gc x @1s", "gc 1 @1s 2%: 1+1 ms clock", "forced gc now"] {
            assert_eq!(parse_trace_line(line), None, "{line}");
        }
    }

    #[test]
    fn lines_on_giving_back_are_read_in_both_forms() {
        let new = "scav 128 KiB work (bg), 4 KiB work (eager), 2048 KiB now, 87% util (forced)";
        let expected = ScavTrace {
            background: 128 * KIB,
            eager: 4 * KIB,
            released: 2 * MIB,
            utilization_percent: 87,
            is_forced: true,
        };
        assert_eq!(parse_trace_line(new), Some(TraceLine::Scav(expected.clone())));
        let old = "scav 128 KiB work, 2048 KiB total, 87% util [controller reset]";
        let expected = ScavTrace { eager: 0, is_forced: false, ..expected };
        assert_eq!(parse_trace_line(old), Some(TraceLine::Scav(expected)));
    }

    proptest! {
        #[test]
        fn any_damage_to_a_line_is_survived(at in 0_usize..160, len in 0_usize..8, with in ".{0,4}") {
            let mut line: Vec<char> = GC.chars().collect();
            let at = at.min(line.len());
            let end = (at + len).min(line.len());
            line.splice(at..end, with.chars());
            let _ = parse_trace_line(&line.iter().collect::<String>());
        }

        #[test]
        fn any_text_is_survived(text in "(gc |scav |[0-9@%+/.>-]|.){0,200}") {
            let _ = parse_trace_line(&text);
        }
    }
}
