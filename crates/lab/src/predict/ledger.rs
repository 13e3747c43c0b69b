//! What building a map allocates and lets go of, added up.
//!
//! An object is freed when the map lets go of it, as if a collection followed each assignment: what
//! is live at the end is what a collection leaves, and the most that was live is what the heap must
//! hold whatever the collector does.

/// An object, or several alike, as the allocator and the collector see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Object {
    /// Bytes that the allocator takes for it.
    pub(super) bytes: u64,
    /// Bytes from its start to the end of its last pointer; 0 for one without pointers.
    pub(super) scan: u64,
}

/// Allocations so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    pub(super) live_bytes: u64,
    pub(super) live_objects: u64,
    pub(super) scan_bytes: u64,
    pub(super) allocated_bytes: u64,
    pub(super) mallocs: u64,
    pub(super) peak_bytes: u64,
}

impl Ledger {
    pub(super) fn allocate(&mut self, object: Object, times: u64) {
        let bytes = object.bytes.saturating_mul(times);
        self.live_bytes = self.live_bytes.saturating_add(bytes);
        self.allocated_bytes = self.allocated_bytes.saturating_add(bytes);
        self.live_objects += times;
        self.mallocs += times;
        self.scan_bytes = self.scan_bytes.saturating_add(object.scan.saturating_mul(times));
        self.peak_bytes = self.peak_bytes.max(self.live_bytes);
    }

    pub(super) fn free(&mut self, object: Object, times: u64) {
        self.live_bytes = self.live_bytes.saturating_sub(object.bytes.saturating_mul(times));
        self.live_objects = self.live_objects.saturating_sub(times);
        self.scan_bytes = self.scan_bytes.saturating_sub(object.scan.saturating_mul(times));
    }
}
