//! What a rule found.

use std::fmt;

/// The rules. Their names are stable: reports and exit codes are built on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Entries were deleted, and the room for them is kept.
    NeverShrinks,
    /// Slots of deleted entries fill a Swiss map.
    Tombstones,
    /// Overflow chains of a classic map.
    Overflow,
    /// Made for far more entries than it holds.
    OverHinted,
    /// Still growing between two snapshots.
    Growing,
    /// Pointers in a map that could have none.
    PointerFree,
    /// Keys or elems too large for a slot, each in a cell of its own.
    Indirect,
    /// Many small maps of one type.
    TinyMaps,
    /// Alive only for a `range` that has not ended.
    PinnedByIterator,
    /// Alive only for a function value.
    PinnedByClosure,
    /// Alive only for a blocked goroutine.
    PinnedByGoroutine,
    /// Alive only for a finalizer.
    PinnedByFinalizer,
    /// Alive only in a `sync.Pool`.
    PinnedByPool,
    /// Alive only for a timer.
    PinnedByTimer,
    /// A `sync.Map` that holds its entries twice, or deleted ones.
    SyncMapChurn,
    /// The same text as a key in many places.
    DuplicateKeys,
    /// Held through `unsafe.Pointer` alone.
    OnlyUnsafe,
}

impl Rule {
    /// Returns the rule's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverShrinks => "never-shrinks",
            Self::Tombstones => "tombstones",
            Self::Overflow => "overflow",
            Self::OverHinted => "over-hinted",
            Self::Growing => "growing",
            Self::PointerFree => "pointer-free",
            Self::Indirect => "indirect",
            Self::TinyMaps => "tiny-maps",
            Self::PinnedByIterator => "pinned-by-iterator",
            Self::PinnedByClosure => "pinned-by-closure",
            Self::PinnedByGoroutine => "pinned-by-goroutine",
            Self::PinnedByFinalizer => "pinned-by-finalizer",
            Self::PinnedByPool => "pinned-by-pool",
            Self::PinnedByTimer => "pinned-by-timer",
            Self::SyncMapChurn => "sync-map-churn",
            Self::DuplicateKeys => "duplicate-keys",
            Self::OnlyUnsafe => "only-unsafe",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Worth a change.
    Warning,
    /// A large part of the heap.
    Critical,
}

/// From this share of the live heap on, a finding is critical, if it is this many bytes, too.
const CRITICAL_SHARE: u64 = 10;
const CRITICAL_BYTES: u64 = 1 << 20;
/// The same for a warning.
const WARNING_SHARE: u64 = 100;
const WARNING_BYTES: u64 = 256 << 10;

impl Severity {
    /// Weighs bytes at stake against the live heap.
    pub(crate) fn of(bytes: u64, live_bytes: u64) -> Self {
        let is_share = |share: u64| bytes.saturating_mul(share) >= live_bytes;
        if bytes >= CRITICAL_BYTES && is_share(CRITICAL_SHARE) {
            Self::Critical
        } else if bytes >= WARNING_BYTES && is_share(WARNING_SHARE) {
            Self::Warning
        } else {
            Self::Info
        }
    }

    /// Returns the word for it in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One finding.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What found it.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// The map's header, or that of the first of several.
    pub map: Option<u64>,
    /// The bytes that the fix could save.
    pub bytes: u64,
    /// One line.
    pub title: String,
    /// What was measured, a fact each.
    pub evidence: Vec<String>,
    /// What to change, in Go.
    pub fix: String,
}
