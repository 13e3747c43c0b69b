//! The experiments, in families.

mod allocator;
mod collector;
mod compiler;
mod deletion;
mod growth;
mod layout;
mod lifetime;
mod overflow;
mod sync_map;
mod tools;

use super::Experiment;

static ALL: &[&Experiment] = &[
    &layout::HEADER_SIZE,
    &layout::BUCKET_LAYOUT,
    &layout::INLINE_LIMIT,
    &layout::HASH_BITS,
    &layout::POINTER_BYTES,
    &growth::GROWTH_POINTS,
    &growth::GROWTH_BYTES,
    &growth::EVACUATION,
    &growth::SMALL_MAPS,
    &growth::PHASES,
    &overflow::OVERFLOW_GROWTH,
    &overflow::OVERFLOW_COUNT,
    &overflow::OVERFLOW_LISTS,
    &overflow::COLLISION_CHAINS,
    &deletion::DELETE_MEMORY,
    &deletion::DELETE_MARKS,
    &deletion::ARENA,
    &lifetime::ITERATOR_PINS,
    &lifetime::HELD_MAPS,
    &lifetime::EARLY_RECLAMATION,
    &collector::VALUES_OR_POINTERS,
    &collector::WRITE_BARRIER,
    &collector::DELETE_COLLECTION,
    &collector::NEXT_GC,
    &allocator::SIZE_CLASSES,
    &allocator::FRAGMENTATION,
    &allocator::POOLING,
    &sync_map::SYNC_MAP,
    &compiler::ESCAPES,
    &compiler::INTERFACES,
    &tools::PROFILES,
    &tools::PROFILE_WINDOW,
    &tools::GC_TRACE,
    &tools::MEM_STATS,
    &tools::CONCURRENT_WRITES,
    &tools::NAMES,
    &tools::TOOLS,
];

/// Returns every experiment.
pub fn all() -> &'static [&'static Experiment] {
    ALL
}
