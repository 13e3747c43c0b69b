//! Where maps were allocated, by the samples of the runtime's own memory profile.
//!
//! A map is several objects. Its bucket or group arrays are large and so nearly always sampled, its
//! header is small and rarely is; the largest sampled part speaks for the map. For an array that is
//! the assignment under which the map last grew, or the `make` with a hint.

use std::collections::HashMap;
use std::rc::Rc;

use tophash_gomap::HeaderLayout;
use tophash_goruntime::{AllocationSamples, CallFrame, Program};
use tophash_memory::Address;

/// The calls that allocated something, the innermost first, without those inside of the runtime.
pub(crate) type CallStack = Rc<[CallFrame]>;

/// The sampled stacks of a program.
pub(crate) struct AllocationSites<'p> {
    program: &'p Program<'p>,
    headers: &'p HeaderLayout,
    samples: AllocationSamples,
    stacks: HashMap<Address, Option<CallStack>>,
}

impl<'p> AllocationSites<'p> {
    pub(crate) fn new(program: &'p Program<'p>, headers: &'p HeaderLayout) -> Self {
        let samples = AllocationSamples::read(program.heap());
        Self { program, headers, samples, stacks: HashMap::new() }
    }

    /// Returns the calls that allocated the largest sampled part of the map whose header is at `at`.
    pub(crate) fn of_map(&mut self, at: Address) -> Option<CallStack> {
        if self.samples.is_empty() {
            return None;
        }
        let heap = self.program.heap();
        let largest = self
            .headers
            .objects(heap, at)
            .into_iter()
            .filter_map(|id| Some((heap.usable(heap.slot(id).span), self.samples.bucket(id)?)))
            .max_by_key(|(size, _)| *size);
        self.stack(largest?.1)
    }

    fn stack(&mut self, bucket: Address) -> Option<CallStack> {
        let program = self.program;
        self.stacks
            .entry(bucket)
            .or_insert_with(|| {
                let (_, frames) = program.allocation_stack(bucket)?;
                let outside = frames.iter().position(|frame| !is_runtime(&frame.function))?;
                Some(Rc::from(&frames[outside..]))
            })
            .clone()
    }
}

/// Tells whether a function is one of those that allocate on behalf of others.
pub(super) fn is_runtime(function: &str) -> bool {
    ["runtime.", "internal/runtime/"].iter().any(|package| function.starts_with(package))
}
