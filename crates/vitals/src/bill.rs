//! What a program's memory is, in parts that add up to the resident set.
//!
//! The runtime counts what it mapped, the kernel what is resident. The two differ by pages that the
//! runtime mapped and never touched, and by memory that is not the runtime's: files (the program's own
//! code among them), and what C code allocated. The kernel says which pages files back, so that only
//! one number has to stand for the rest: anonymous pages less what the runtime mapped. Where that is
//! positive it is memory outside of Go ([`Bill::off_heap`]), where it is negative, pages that were
//! never touched ([`Bill::untouched`]). Both at once can't be told apart: each hides as much of the
//! other.
//!
//! A `MemStats` adds up to the byte. Figures that were read while the program ran may not;
//! [`Bill::torn`] is by how much.

use serde::Serialize;

use crate::vitals::Vitals;

/// Parts of a program's memory, in bytes; `None` is what no source told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bill {
    /// Marked by the last collection.
    pub live: Option<u64>,
    /// Allocated, and not marked then: garbage that is not swept yet, and what is newer.
    pub garbage: Option<u64>,
    /// Live and garbage together.
    pub allocated: Option<u64>,
    /// Slots without an object in spans that have some: fragmentation.
    pub free_slots: Option<u64>,
    /// Pages of the heap that are in no span, kept for later.
    pub free_pages: Option<u64>,
    /// Stacks of goroutines.
    pub stacks: Option<u64>,
    /// What the runtime has for itself.
    pub runtime: Option<u64>,
    /// By how much the parts above miss [`mapped`](Self::mapped).
    pub torn: Option<i64>,
    /// The sum of all above: what the runtime got from the kernel and kept.
    pub mapped: Option<u64>,
    /// Resident pages that files back, or that are shared.
    pub files: Option<u64>,
    /// Resident memory that is neither the runtime's nor a file's: C, and mappings by the program.
    /// Where the kernel does not tell files apart, they are part of it.
    pub off_heap: Option<u64>,
    /// Mapped by the runtime and not resident: never touched, or swapped out.
    pub untouched: Option<u64>,
    /// The resident set.
    pub resident: Option<u64>,
    /// Given back to the kernel: address space, and no memory.
    pub released: Option<u64>,
    /// How much the heap may grow before the next collection.
    pub goal_headroom: Option<u64>,
    /// How much may be mapped before the memory limit is reached.
    pub limit_headroom: Option<u64>,
    /// How much may be charged before the control group's limit is reached.
    pub group_headroom: Option<u64>,
}

/// How far something may grow.
pub fn headroom(end: u64, now: u64) -> u64 {
    end.saturating_sub(now)
}

/// Of the resident set, what is not among the parts that are known. Parts may hold pages that are not
/// resident, so that this can only be too small.
pub fn outside(resident: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(resident, |rest, part| rest.saturating_sub(*part))
}

fn minus(whole: Option<u64>, part: Option<u64>) -> Option<u64> {
    whole.zip(part).map(|(whole, part)| whole.saturating_sub(part))
}

impl Bill {
    /// Adds up a program's memory.
    pub fn of(vitals: &Vitals) -> Self {
        let process = &vitals.process;
        let allocated = vitals.heap_alloc;
        // What was marked may have been freed at once, by hand.
        let live = vitals.live.map(|live| allocated.map_or(live, |all| live.min(all)));
        let files = process
            .file
            .map(|file| file.saturating_add(process.shared.unwrap_or(0)))
            .map(|files| process.resident.map_or(files, |resident| files.min(resident)));
        let anonymous = minus(process.resident, Some(files.unwrap_or(0)));
        let mut bill = Self {
            live,
            garbage: minus(allocated, live),
            allocated,
            free_slots: minus(vitals.heap_in_use, allocated),
            free_pages: vitals.heap_free,
            stacks: vitals.stacks,
            runtime: vitals.runtime,
            torn: None,
            mapped: vitals.mapped,
            files,
            off_heap: minus(anonymous, vitals.mapped),
            untouched: minus(vitals.mapped, anonymous),
            resident: process.resident,
            released: vitals.heap_released,
            goal_headroom: minus(vitals.next_gc, allocated),
            limit_headroom: minus(vitals.memory_limit, vitals.mapped),
            group_headroom: minus(process.limit, process.charged.or(process.resident)),
        };
        let parts = [bill.allocated, bill.free_slots, bill.free_pages, bill.stacks, bill.runtime];
        if let Some(mapped) = bill.mapped
            && let Some(sum) =
                parts.into_iter().try_fold(0_i128, |sum, part| Some(sum + i128::from(part?)))
        {
            bill.torn = i64::try_from(i128::from(mapped) - sum).ok();
        }
        bill
    }

    /// Returns what [`rows`](Self::rows) add up to, and what it is called.
    pub fn whole(&self) -> Option<(&'static str, u64)> {
        let resident = self.resident.map(|bytes| ("RSS", bytes));
        let mapped = self.mapped.map(|bytes| ("mapped by Go", bytes));
        resident.or(mapped).or(self.allocated.map(|bytes| ("allocated", bytes)))
    }

    /// Lists the parts, with signs: they add up to the resident set, or to what the runtime mapped
    /// where nobody asked the kernel, or to what is allocated where a log tells no more.
    pub fn rows(&self) -> Vec<BillRow> {
        let mut rows = Vec::new();
        let mut add = |name, bytes: Option<u64>, meaning| {
            if let Some(bytes) = bytes {
                rows.push(BillRow { name, bytes: i128::from(bytes), meaning });
            }
        };
        if self.mapped.is_none() && self.resident.is_none() {
            add("live", self.live, "marked by the last collection");
            add("garbage", self.garbage, "or newer than that collection");
            return rows;
        }
        let Some(mapped) = self.mapped else {
            add("files", self.files, "code, and files that were mapped");
            let rest = minus(self.resident, Some(self.files.unwrap_or(0)));
            add("anonymous", rest, "heaps and stacks, of Go and of C");
            return rows;
        };
        if self.torn.is_some() {
            match self.live {
                Some(_) => {
                    add("live", self.live, "marked by the last collection");
                    add("garbage", self.garbage, "or newer than that collection");
                }
                None => add("allocated", self.allocated, "live, and garbage that is not swept"),
            }
            add("free slots", self.free_slots, "fragmentation: between objects");
            add("free pages", self.free_pages, "kept for the heap to grow into");
            add("stacks", self.stacks, "of goroutines");
            add("runtime", self.runtime, "what it has for itself");
        } else {
            add("Go's runtime", Some(mapped), "all that it mapped and kept");
        }
        if self.resident.is_some() {
            add("files", self.files, "code, and files that were mapped");
            let outside = "C, and mappings by the program";
            add("off-heap", self.off_heap.filter(|bytes| *bytes > 0), outside);
        }
        if let Some(torn) = self.torn.filter(|torn| *torn != 0) {
            let meaning = "read while the program ran";
            rows.push(BillRow { name: "unclear", bytes: torn.into(), meaning });
        }
        let untouched = self.untouched.filter(|bytes| *bytes > 0);
        if let (Some(untouched), true) = (untouched, self.resident.is_some()) {
            let bytes = -i128::from(untouched);
            rows.push(BillRow { name: "untouched", bytes, meaning: "mapped, not resident" });
        }
        rows
    }
}

/// A part of the bill.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillRow {
    /// What it is called.
    pub name: &'static str,
    /// How many bytes it adds, or takes away.
    pub bytes: i128,
    /// What it is.
    pub meaning: &'static str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vitals::ProcessVitals;

    #[test]
    fn a_bill_without_the_kernel_adds_up_to_what_is_mapped() {
        let bill = Bill::of(&Vitals {
            heap_alloc: Some(30),
            heap_in_use: Some(40),
            heap_free: Some(10),
            stacks: Some(5),
            runtime: Some(25),
            mapped: Some(80),
            next_gc: Some(50),
            ..Vitals::default()
        });
        assert_eq!((bill.torn, bill.goal_headroom), (Some(0), Some(20)));
        assert_eq!(bill.rows().iter().map(|row| row.bytes).sum::<i128>(), 80);
        assert!(bill.rows().iter().all(|row| row.name != "off-heap"));
    }

    #[test]
    fn without_the_runtime_the_kernels_parts_are_told() {
        let process =
            ProcessVitals { resident: Some(9), file: Some(4), ..ProcessVitals::default() };
        let bill = Bill::of(&Vitals { process, ..Vitals::default() });
        assert_eq!(bill.rows().iter().map(|row| row.bytes).collect::<Vec<_>>(), [4, 5]);
    }

    fn bytes() -> impl Strategy<Value = Option<u64>> {
        proptest::option::weighted(0.9, prop_oneof![0..1_u64 << 40, any::<u64>()])
    }

    proptest! {
        #[test]
        fn the_rows_add_up_whatever_the_figures(
            a in proptest::array::uniform6(bytes()), b in proptest::array::uniform6(bytes()),
        ) {
            let [heap_alloc, heap_in_use, heap_free, stacks, runtime, mapped] = a;
            let [live, resident, file, shared, limit, next_gc] = b;
            let process = ProcessVitals { resident, file, shared, limit, ..ProcessVitals::default() };
            let bill = Bill::of(&Vitals {
                heap_alloc, heap_in_use, heap_free, stacks, runtime, mapped, live, next_gc, process,
                ..Vitals::default()
            });
            let sum: i128 = bill.rows().iter().map(|row| row.bytes).sum();
            match (resident, mapped, bill.rows().is_empty()) {
                (_, _, true) => {}
                (Some(resident), _, _) => prop_assert_eq!(sum, i128::from(resident)),
                (None, Some(mapped), _) => prop_assert_eq!(sum, i128::from(mapped)),
                (None, None, _) if live.is_some() && heap_alloc.is_some() => {
                    prop_assert_eq!(sum, i128::from(heap_alloc.unwrap()));
                }
                (None, None, _) => {}
            }
        }
    }
}
