//! Where maps were allocated: by the samples of the runtime's own memory profile, and where these
//! don't tell, by a heap profile.
//!
//! A map is several objects. Its bucket or group arrays are large and so nearly always sampled, its
//! header is small and rarely is; the largest sampled part speaks for the map. For an array that is
//! the assignment under which the map last grew, or the `make` with a hint.

use std::collections::HashMap;
use std::rc::Rc;

use tophash_gomap::HeaderLayout;
use tophash_goruntime::{AllocationSamples, CallFrame, Program};
use tophash_memory::Address;

use super::profiled::ProfiledSites;

/// The calls that allocated something, the innermost first, without those inside of the runtime.
pub(crate) type CallStack = Rc<[CallFrame]>;

/// Where a map was allocated, and how that is known.
#[derive(Debug, Clone)]
pub(crate) enum AllocationSite {
    /// The runtime sampled an object of the map as it was allocated.
    Sampled(CallStack),
    /// The stacks by which a heap profile says that objects of the size of the map's largest were
    /// allocated: more than one are candidates.
    Profiled(Vec<CallStack>),
}

impl AllocationSite {
    /// Returns the calls, where they are known.
    pub(crate) fn calls(&self) -> Option<&CallStack> {
        match self {
            Self::Sampled(stack) => Some(stack),
            Self::Profiled(stacks) => match stacks.as_slice() {
                [one] => Some(one),
                _ => None,
            },
        }
    }
}

/// The sampled stacks of a program.
pub(crate) struct AllocationSites<'p> {
    program: &'p Program<'p>,
    headers: &'p HeaderLayout,
    samples: AllocationSamples,
    profile: Option<&'p ProfiledSites>,
    stacks: HashMap<Address, Option<CallStack>>,
}

impl<'p> AllocationSites<'p> {
    pub(crate) fn new(
        program: &'p Program<'p>,
        headers: &'p HeaderLayout,
        profile: Option<&'p ProfiledSites>,
    ) -> Self {
        let samples = AllocationSamples::read(program.heap());
        Self { program, headers, samples, profile, stacks: HashMap::new() }
    }

    /// Finds where the map whose header is at `at` was allocated.
    pub(crate) fn of_map(&mut self, at: Address) -> Option<AllocationSite> {
        if self.samples.is_empty() && self.profile.is_none() {
            return None;
        }
        let heap = self.program.heap();
        let size = |id| heap.span(heap.slot(id).span).elem_size();
        let objects = self.headers.objects(heap, at);
        let sampled = objects
            .iter()
            .filter_map(|id| Some((size(*id), self.samples.bucket(*id)?)))
            .max_by_key(|(size, _)| *size);
        if let Some(stack) = sampled.and_then(|(_, bucket)| self.stack(bucket)) {
            return Some(AllocationSite::Sampled(stack));
        }
        let largest = objects.into_iter().map(size).max()?;
        let stacks = self.profile?.of_size(largest);
        (!stacks.is_empty()).then(|| AllocationSite::Profiled(stacks.to_vec()))
    }

    fn stack(&mut self, bucket: Address) -> Option<CallStack> {
        let program = self.program;
        self.stacks
            .entry(bucket)
            .or_insert_with(|| {
                let (_, frames) = program.allocation_stack(bucket)?;
                outside_of_runtime(&frames)
            })
            .clone()
    }
}

/// Leaves out the calls inside of the runtime that a stack ends in.
pub(super) fn outside_of_runtime(frames: &[CallFrame]) -> Option<CallStack> {
    let outside = frames.iter().position(|frame| !is_runtime(&frame.function))?;
    Some(Rc::from(&frames[outside..]))
}

/// Tells whether a function is one of those that allocate on behalf of others.
pub(super) fn is_runtime(function: &str) -> bool {
    ["runtime.", "internal/runtime/"].iter().any(|package| function.starts_with(package))
}
