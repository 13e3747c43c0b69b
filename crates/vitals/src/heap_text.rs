//! What a heap profile in text says of the runtime's memory: `/debug/pprof/heap?debug=1`.
//!
//! Below its stacks the runtime prints most of `MemStats` (`runtime/pprof/pprof.go`,
//! `writeHeapInternal`), as comments that have had the same form since Go 1.11. Programs that only
//! import `net/http/pprof` say it nowhere else. Left out are size classes and the sum of all pauses.

use std::collections::HashMap;

use crate::error::Error;
use crate::memstats::MemStats;
use crate::vitals::Vitals;

/// How such a profile begins.
const START: &str = "heap profile:";
/// What stands before the figures.
const HEADING: &str = "# runtime.MemStats";

/// Tells whether a text begins as a heap profile.
pub fn is_heap_text(text: &[u8]) -> bool {
    text.starts_with(START.as_bytes())
}

/// Reads the figures at the end of a heap profile in text.
///
/// # Errors
///
/// Fails where they are missing, or one of them is.
pub fn parse_heap_text(text: &[u8]) -> Result<Vitals, Error> {
    let text = String::from_utf8_lossy(text);
    let (_, figures) = text.rsplit_once(HEADING).ok_or(Error::NoHeapFigures)?;
    let figures: HashMap<&str, &str> =
        figures.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = ")).collect();
    let word = |name: &str| figures.get(name).copied().ok_or(Error::NoHeapFigures);
    let number = |name: &str| word(name)?.parse().map_err(|_| Error::NoHeapFigures);
    // What is in use, and what was mapped for it.
    let pair = |name: &str| -> Result<(u64, u64), Error> {
        let (in_use, mapped) = word(name)?.split_once(" / ").ok_or(Error::NoHeapFigures)?;
        in_use.parse().ok().zip(mapped.parse().ok()).ok_or(Error::NoHeapFigures)
    };
    let (stack_inuse, stack_sys) = pair("Stack")?;
    let stats = MemStats {
        sys: number("Sys")?,
        total_alloc: number("TotalAlloc")?,
        mallocs: number("Mallocs")?,
        frees: number("Frees")?,
        heap_alloc: number("HeapAlloc")?,
        heap_idle: number("HeapIdle")?,
        heap_inuse: number("HeapInuse")?,
        heap_released: number("HeapReleased")?,
        heap_objects: number("HeapObjects")?,
        stack_inuse,
        stack_sys,
        mspan_sys: pair("MSpan")?.1,
        mcache_sys: pair("MCache")?.1,
        buck_hash_sys: number("BuckHashSys")?,
        gc_sys: number("GCSys")?,
        other_sys: number("OtherSys")?,
        next_gc: number("NextGC")?,
        last_gc: number("LastGC")?,
        pause_total_ns: 0,
        num_gc: number("NumGC")?,
        num_forced_gc: number("NumForcedGC")?,
        gc_cpu_fraction: word("GCCPUFraction")?.parse().map_err(|_| Error::NoHeapFigures)?,
        by_size: Vec::new(),
    };
    Ok(Vitals { gc_pause_seconds: None, ..stats.vitals() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "heap profile: 1: 2 [3: 4] @ heap/1048576\n1: 2 [3: 4] @ 0x1\n#\t0x1\tmain.f\n\n\
        # runtime.MemStats\n# Alloc = 30\n# TotalAlloc = 9\n# Sys = 100\n# Lookups = 0\n# Mallocs = 7\n\
        # Frees = 3\n# HeapAlloc = 30\n# HeapSys = 70\n# HeapIdle = 30\n# HeapInuse = 40\n\
        # HeapReleased = 20\n# HeapObjects = 4\n# Stack = 5 / 6\n# MSpan = 1 / 7\n# MCache = 1 / 3\n\
        # BuckHashSys = 2\n# GCSys = 8\n# OtherSys = 4\n# NextGC = 55\n# LastGC = 1500000000\n\
        # PauseNs = [1 2 0]\n# PauseEnd = [1 2 0]\n# NumGC = 2\n# NumForcedGC = 1\n\
        # GCCPUFraction = 0.25\n# DebugGC = false\n# MaxRSS = 9\n";

    #[test]
    fn the_figures_below_the_stacks_are_those_of_memstats() {
        assert!(is_heap_text(TEXT.as_bytes()));
        let vitals = parse_heap_text(TEXT.as_bytes()).unwrap();
        assert_eq!((vitals.heap_alloc, vitals.heap_free), (Some(30), Some(10)));
        assert_eq!((vitals.mapped, vitals.runtime), (Some(80), Some(25)));
        assert_eq!((vitals.gc_cycles, vitals.gc_cpu_fraction), (Some(2), Some(0.25)));
        assert_eq!((vitals.gc_pause_seconds, vitals.last_gc_time), (None, Some(1.5)));
    }

    #[test]
    fn a_profile_without_figures_is_refused_in_words_that_help() {
        let fault = parse_heap_text(b"heap profile: 1: 2 [3: 4] @ heap/1048576\n").unwrap_err();
        assert!(fault.to_string().contains("?debug=1"), "{fault}");
    }

    proptest! {
        #[test]
        fn any_damage_is_survived(at in 0..TEXT.len(), len in 0_usize..40, with in any::<Vec<u8>>()) {
            let mut text = TEXT.as_bytes().to_vec();
            let end = (at + len).min(text.len());
            text.splice(at..end, with);
            if let Ok(vitals) = parse_heap_text(&text) {
                let bill = crate::Bill::of(&vitals);
                let sum: i128 = bill.rows().iter().map(|row| row.bytes).sum();
                prop_assert_eq!(sum, i128::from(vitals.mapped.unwrap()));
            }
        }
    }
}
