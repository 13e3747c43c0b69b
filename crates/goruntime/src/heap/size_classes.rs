//! How the allocator rounds a request (`runtime/msize.go`, `runtime/malloc.go`).

use super::PAGE;
use crate::layout::LayoutTable;
use crate::version::GoVersion;

/// The largest request that is served from a size class (`maxSmallSize`).
const MAX_SMALL: u64 = 32768;
/// From Go 1.22, objects with pointers above this size carry a header (`minSizeForMallocHeader`).
const HEADER_ABOVE: u64 = 512;
/// Size of that header in bytes (`mallocHeaderSize`).
const HEADER: u64 = 8;

/// The slot sizes of a release.
#[derive(Debug, Clone)]
pub struct SizeClasses {
    classes: Vec<u64>,
    has_headers: bool,
}

impl SizeClasses {
    /// Takes the sizes of a release.
    pub fn new(layout: &LayoutTable, version: &GoVersion) -> Self {
        Self {
            classes: layout.size_classes().iter().map(|&size| size.into()).collect(),
            has_headers: version.minor() >= 22,
        }
    }

    /// Returns the bytes of the header before an object of `size` bytes, in its slot.
    pub fn header_size(&self, size: u64, is_noscan: bool) -> u64 {
        let is_small = size.saturating_add(HEADER) <= MAX_SMALL;
        match self.has_headers && !is_noscan && size > HEADER_ABOVE && is_small {
            true => HEADER,
            false => 0,
        }
    }

    /// Returns the bytes that the allocator takes for an object of `size` bytes.
    pub fn slot_size(&self, size: u64, is_noscan: bool) -> u64 {
        let header = self.header_size(size, is_noscan);
        if size.saturating_add(header) <= MAX_SMALL {
            let wanted = size + header;
            let class = self.classes.partition_point(|&class| class < wanted);
            if let Some(&class) = self.classes.get(class) {
                return class;
            }
        }
        size.saturating_add(PAGE - 1) / PAGE * PAGE
    }

    /// Tells whether the collector takes an object's pointers from its type, over and over to the
    /// slot's end, and not from bits of its own.
    pub fn is_scanned_by_type(&self, size: u64, is_noscan: bool) -> bool {
        self.has_headers && !is_noscan && size > HEADER_ABOVE
    }

    /// Returns how many bytes of such a slot an object can use: those that are not the header's
    /// (`roundupsize`).
    pub fn usable_size(&self, size: u64, is_noscan: bool) -> u64 {
        self.slot_size(size, is_noscan).saturating_sub(self.header_size(size, is_noscan))
    }
}
