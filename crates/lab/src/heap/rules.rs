//! What differs between releases, decided once.

use super::size_class::SizeClassTable;

/// How a Go release allocates and paces its collector.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(crate) classes: SizeClassTable,
    /// Larger objects with pointers carry a header, and spans of smaller ones a bitmap (Go 1.22).
    pub(crate) has_headers: bool,
    /// Spans of small objects end with marks of their own (the Green Tea collector, Go 1.26).
    pub(crate) has_inline_marks: bool,
    /// The heap starts at a random page (Go 1.26).
    pub(crate) has_random_base: bool,
    /// The scavenger leaves chunks alone that are nearly full (Go 1.21).
    pub(crate) keeps_dense_chunks: bool,
    /// The pacer has Go 1.19's controller.
    pub(crate) paces_as_1_19: bool,
    /// Percent of the memory limit's goal that stays free (Go 1.21).
    pub(crate) headroom_percent: u64,
}
