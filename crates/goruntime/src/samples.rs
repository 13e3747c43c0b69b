//! Where objects were allocated: the samples of the runtime's memory profile (`runtime/mprof.go`).
//!
//! The runtime samples one allocation in `MemProfileRate` bytes (512 KiB unless the program says
//! otherwise), so that a large object is nearly always sampled and a small one rarely. A sampled
//! object has a special record that points to a *bucket*: one stack of return addresses and one
//! size, shared by all samples alike. The linker switches sampling off in a program that never
//! refers to `runtime.MemProfile`; then there are none.

use std::collections::HashMap;

use tophash_memory::{Address, ByteSize, HeapDump, Memory, MemoryExt};

use crate::error::Error;
use crate::functions::SourceLine;
use crate::heap::{Heap, ObjectId, SpecialKind};
use crate::inlining::CallFrame;
use crate::layout::{Field, LayoutTable};

/// `runtime.maxProfStackDepth`.
const MAX_DEPTH: u64 = 1024;
/// `runtime.memProfile`, the type of a memory profile's bucket.
const MEMORY_PROFILE: u64 = 1;

/// A sampled allocation.
#[derive(Debug, Clone)]
pub struct AllocationSample {
    /// The bytes of the object's slot.
    pub size: ByteSize,
    /// The return addresses of the calls that allocated it, the innermost first.
    pub stack: Vec<Address>,
}

/// All sampled objects of a heap.
#[derive(Debug, Default)]
pub struct AllocationSamples {
    /// Sorted by object.
    buckets: Vec<(ObjectId, Address)>,
}

impl AllocationSamples {
    /// Reads which objects were sampled.
    pub fn read(heap: &Heap<'_>) -> Self {
        let mut buckets = Vec::new();
        for index in 0..heap.spans().len() {
            for special in heap.specials(heap.slot_at(index, 0).span) {
                if special.kind == SpecialKind::Profile
                    && let Some(slot) = heap.object_holding(special.object)
                {
                    buckets.push((heap.id(slot), special.pointer));
                }
            }
        }
        buckets.sort_unstable();
        buckets.dedup_by_key(|(object, _)| *object);
        Self { buckets }
    }

    /// Returns how many objects were sampled.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Tells whether no object was sampled: the program has sampling switched off, or is tiny.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Returns the bucket of an object's sample: equal for objects of one stack and size.
    pub fn bucket(&self, object: ObjectId) -> Option<Address> {
        let index = self.buckets.binary_search_by_key(&object, |(object, _)| *object).ok()?;
        Some(self.buckets[index].1)
    }

    /// Returns how many sampled objects share each bucket.
    pub fn objects_by_bucket(&self) -> HashMap<Address, usize> {
        let mut counts = HashMap::new();
        for (_, bucket) in &self.buckets {
            *counts.entry(*bucket).or_default() += 1;
        }
        counts
    }
}

/// Where buckets are read from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Buckets<'t> {
    /// The target's memory.
    InMemory(BucketFields),
    /// The records of a heap dump, in which the runtime has named functions and lines.
    Dumped(&'t HeapDump),
}

/// Takes a bucket of a heap dump.
pub(crate) fn dumped_stack(dump: &HeapDump, bucket: Address) -> Option<(ByteSize, Vec<CallFrame>)> {
    let allocation = dump.allocation(bucket)?;
    let calls = allocation.calls.into_iter().map(|call| {
        let line = u32::try_from(call.line).ok().filter(|line| *line > 0);
        CallFrame {
            function: call.function,
            line: line.map(|line| SourceLine { file: call.file, line }),
        }
    });
    Some((allocation.size, calls.collect()))
}

/// How a release lays out buckets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketFields {
    end: u64,
    kind: Field,
    size: Field,
    depth: Field,
}

impl BucketFields {
    pub(crate) fn new(layout: &LayoutTable) -> Result<Self, Error> {
        let field = |name| layout.field("runtime.bucket", name);
        Ok(Self {
            end: layout.size_of(&["runtime.bucket"])?,
            kind: field("typ")?,
            size: field("size")?,
            depth: field("nstk")?,
        })
    }

    /// Reads a bucket; `None` where there is none of a memory profile.
    pub(crate) fn read(&self, memory: &dyn Memory, at: Address) -> Option<AllocationSample> {
        let depth = self.depth.read(memory, at).ok().filter(|depth| *depth <= MAX_DEPTH)?;
        if self.kind.read(memory, at).ok()? != MEMORY_PROFILE {
            return None;
        }
        let stack = memory
            .read_bytes(at + ByteSize::new(self.end), ByteSize::new(8 * depth))
            .ok()?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|word| Address::new(u64::from_le_bytes(*word)))
            .collect();
        Some(AllocationSample { size: ByteSize::new(self.size.read(memory, at).ok()?), stack })
    }
}
