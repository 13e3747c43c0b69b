//! What a collector with a fault does to a program with one map: which object is freed although it
//! can be reached, which pointer was missed, and what is read there afterwards.

use std::sync::Arc;

use tophash_gomap::{
    AesHash, BadMapType, GoType, Heap as _, MapType, MemoryHash, OutOfMemory, Release, RunningMap,
};
use tophash_goruntime::{Error, GoVersion};
use tophash_memory::Address;

use crate::gc::{Fault, PrematureFree};
use crate::map_heap::MapPieces;
use crate::mutator::{GoroutineId, Slot};
use crate::pointer_map::{MapId, PointerMap, Role};
use crate::runtime::{Runtime, RuntimeError, RuntimeOptions};

/// Entries of the map.
const ENTRIES: u64 = 50;
/// Objects beside it, so that the collector marks for a while.
const BALLAST: usize = 30;
/// Seeds that are tried: what a fault strikes is chance.
const SEEDS: u64 = 64;

/// What happened.
#[derive(Debug)]
pub struct FaultStory {
    /// Objects that were freed although they could be reached.
    pub lost: u64,
    /// The first of them, each with what was read there afterwards.
    pub reports: Vec<PrematureFree>,
    /// The collections, as `GODEBUG=gctrace=1` tells of them.
    pub trace: Vec<String>,
    /// The seed of the run.
    pub seed: u64,
}

/// Why there is no story.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultStoryError {
    /// There is no layout of the release.
    #[error(transparent)]
    Release(#[from] Error),
    /// The model could not run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// There is no room for the program.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// There is no such map.
    #[error(transparent)]
    Map(#[from] BadMapType),
}

/// Runs a program whose global holds a `map[int64]*T`, whose elems nothing else refers to, beside a
/// collector with a fault or without, until something is lost or every seed was tried.
///
/// # Errors
///
/// Fails where there is no layout of the release, or no memory for the model.
pub fn tell_fault(
    version: &GoVersion,
    fault: Option<Fault>,
) -> Result<FaultStory, FaultStoryError> {
    let mut seed = 1;
    loop {
        let story = Program::new(version, fault, seed)?.run()?;
        if story.lost > 0 || seed >= SEEDS || fault.is_none() {
            return Ok(story);
        }
        seed += 1;
    }
}

struct Program {
    runtime: Runtime,
    main: GoroutineId,
    pieces: MapPieces,
    map: RunningMap,
    seed: u64,
}

impl Program {
    fn new(version: &GoVersion, fault: Option<Fault>, seed: u64) -> Result<Self, FaultStoryError> {
        let release = Release::new(version)?;
        let options = RuntimeOptions {
            seed,
            checks: true,
            faults: fault.into_iter().collect(),
            ..RuntimeOptions::new(version.clone())
        };
        let mut runtime = Runtime::new(options)?;
        let main = runtime.go(2, &[])?;
        let schedule = std::array::from_fn(|at| (at as u64 * 37 + seed) as u8 | 1);
        let hash = match AesHash::new(&schedule) {
            Some(hash) => MemoryHash::Aes(hash),
            None => unreachable!("no byte of the schedule is zero"),
        };
        let ty = Arc::new(MapType::new(&release, GoType::Integer(8), GoType::Pointer, hash)?);
        let pieces = runtime.map_pieces(&ty);
        let map = RunningMap::new(ty, &mut runtime.map_heap(main, pieces), 0)?;
        let global = runtime.add_globals(1 + BALLAST);
        runtime.store(Slot::Global(global), map.header());
        let pointers = runtime.pointer_map(PointerMap::new(8, [0], Role::Plain));
        for index in 1..=BALLAST {
            let at = runtime.allocate(main, 30_000, pointers)?;
            runtime.store(Slot::Global(global + index), at);
        }
        Ok(Self { runtime, main, pieces, map, seed })
    }

    fn set(&mut self, key: u64, target: Address) -> Result<(), FaultStoryError> {
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        let elem = target.get().to_le_bytes();
        self.map.insert(&mut heap, &key.to_le_bytes(), &elem)?;
        Ok(())
    }

    /// `m[to] = m[from]; delete(m, from)`, with time for the collector between.
    fn rename(&mut self, from: u64, to: u64) -> Result<(), FaultStoryError> {
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        let Some(slot) = self.map.get(&mut heap, &from.to_le_bytes()) else { return Ok(()) };
        let target = Address::new(heap.arena().word(slot.elem));
        self.map.delete(&mut heap, &from.to_le_bytes())?;
        self.runtime.store(Slot::Stack(self.main, 1), target);
        self.runtime.step();
        // The map's own memory may be gone; a real program would crash about here.
        if self.has_lost() {
            return Ok(());
        }
        self.set(to, target)?;
        self.runtime.store(Slot::Stack(self.main, 1), Address::NULL);
        Ok(())
    }

    fn has_lost(&self) -> bool {
        self.runtime.premature_free_count() > 0
    }

    fn run(mut self) -> Result<FaultStory, FaultStoryError> {
        for key in 0..ENTRIES {
            let target = self.runtime.allocate(self.main, 48, MapId::NONE)?;
            self.runtime.store(Slot::Stack(self.main, 1), target);
            self.runtime.arena_mut().set_word(target, key);
            self.set(key, target)?;
            self.runtime.store(Slot::Stack(self.main, 1), Address::NULL);
        }
        // Elems move within the map while the collector marks.
        for key in 0..ENTRIES {
            self.runtime.start_gc();
            if self.has_lost() {
                break;
            }
            self.rename(key, key + 1000)?;
        }
        while self.runtime.step() {}
        let objects: Vec<Address> =
            self.runtime.premature_frees().iter().map(|report| report.object).collect();
        for object in objects.iter().take(8) {
            self.runtime.load(Slot::Heap(*object));
        }
        Ok(FaultStory {
            lost: self.runtime.premature_free_count(),
            reports: self.runtime.premature_frees().to_vec(),
            trace: self.runtime.gc_records().map(ToString::to_string).collect(),
            seed: self.seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_told_with_the_pointer_that_was_missed_and_the_read_that_follows() {
        for version in ["go1.19", "go1.23", "go1.24", "go1.27"] {
            let version = GoVersion::parse(version).unwrap();
            let sound = tell_fault(&version, None).unwrap();
            assert_eq!((sound.lost, sound.reports.len()), (0, 0));
            assert!(sound.trace.iter().all(|line| line.starts_with("gc ")));
            for fault in [
                Fault::MapArraysNotScanned,
                Fault::LostBarrier { every: 1 },
                Fault::ShiftedPointer { pointer: 0 },
                Fault::SkippedOverflow { every: 1 },
            ] {
                let story = tell_fault(&version, Some(fault)).unwrap();
                let has_overflow = version.minor() < 24;
                let is_caught = has_overflow || !matches!(fault, Fault::SkippedOverflow { .. });
                assert_eq!(story.lost > 0, is_caught, "{version}, {fault:?}");
                if let Some(report) = story.reports.first() {
                    assert!(report.missed().is_some(), "{version}, {fault:?}: {report}");
                    let text = report.to_string();
                    assert!(text.contains("global 0") && text.contains("was read as"), "{text}");
                }
            }
        }
    }
}
