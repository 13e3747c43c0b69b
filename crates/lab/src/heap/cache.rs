//! What one processor allocates from without asking anyone (`mcache`, `runtime/mcache.go`).

use super::pages::PageCache;
use super::span::SpanId;

/// A processor's spans, one a span class, and its tiny block.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) spans: Vec<Option<SpanId>>,
    /// The current tiny block; 0 for none.
    pub(crate) tiny: u64,
    pub(crate) tiny_offset: u64,
    /// Tiny objects that share a block with another.
    pub(crate) tiny_count: u64,
    /// Bytes with pointers allocated since the pacer last heard.
    pub(crate) scan: u64,
    /// Bytes until the next object is sampled.
    pub(crate) next_sample: i64,
    pub(crate) pages: PageCache,
}

impl Cache {
    pub(crate) fn new(span_classes: usize) -> Self {
        Self {
            spans: vec![None; span_classes],
            tiny: 0,
            tiny_offset: 0,
            tiny_count: 0,
            scan: 0,
            next_sample: 0,
            pages: PageCache::default(),
        }
    }

    /// Fits a tiny object behind the last one of the block.
    pub(crate) fn tiny_slot(&mut self, size: u64) -> Option<u64> {
        let align = match size {
            size if size.is_multiple_of(8) => 8,
            size if size.is_multiple_of(4) => 4,
            size if size.is_multiple_of(2) => 2,
            _ => 1,
        };
        let offset = self.tiny_offset.next_multiple_of(align);
        if self.tiny == 0 || offset + size > super::size_class::TINY {
            return None;
        }
        self.tiny_offset = offset + size;
        self.tiny_count += 1;
        Some(self.tiny + offset)
    }
}
