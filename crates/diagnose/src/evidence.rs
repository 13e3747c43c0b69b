//! What rules conclude from: figures of maps, and what holds them. Sizes are in bytes.

use std::time::Duration;

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// Bytes of all objects that were not yet freed.
    pub live_bytes: u64,
    /// The maps; those inside of a `sync.Map` aside.
    pub maps: Vec<MapEvidence>,
    /// The `sync.Map`s.
    pub sync_maps: Vec<SyncMapEvidence>,
}

/// The two designs of Go's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Design {
    /// Buckets with overflow chains, to Go 1.23.
    Classic,
    /// Groups with control words, from Go 1.24.
    #[default]
    Swiss,
}

/// One map.
#[derive(Debug, Clone, Default)]
pub struct MapEvidence {
    /// Where its header is.
    pub address: u64,
    /// The type as `reflect` prints it; empty where it is open between several.
    pub ty: String,
    /// Its keys.
    pub key: ValueEvidence,
    /// Its elems.
    pub elem: ValueEvidence,
    /// The design.
    pub design: Design,
    /// Live entries.
    pub entries: u64,
    /// Room for entries, deleted ones and overflow buckets included.
    pub slots: u64,
    /// Slots of deleted entries that are marked as such: none does not mean that nothing was ever
    /// deleted, since most deletions leave a slot as if it had never been used.
    pub tombstones: u64,
    /// Overflow buckets (classic).
    pub overflow_buckets: u64,
    /// Bytes of a bucket or group.
    pub group_bytes: u64,
    /// Whether entries move to as many buckets, to be rid of overflow (classic).
    pub grows_in_place: bool,
    /// Every allocation that belongs to the map.
    pub own_bytes: u64,
    /// What `make` with a hint and as many assignments would cost; `None` where the type is open.
    pub fresh_bytes: Option<u64>,
    /// With what is reachable through the map alone.
    pub retained_bytes: Option<u64>,
    /// Bytes of its arrays in which the collector looks for pointers, each cycle.
    pub scan_bytes: u64,
    /// Bytes of cells for keys and elems too large for a slot.
    pub cell_bytes: u64,
    /// Bytes of key text that is stored elsewhere, too.
    pub duplicate_key_bytes: u64,
    /// What holds it, in one line.
    pub held_by: String,
    /// What alone keeps it, the nearest first; empty where a variable of the program does, or
    /// several do.
    pub pins: Vec<Pin>,
    /// Nothing but words of type `unsafe.Pointer` lead to it.
    pub is_only_unsafe: bool,
    /// Where its largest array was allocated, the innermost call first; empty where unknown.
    pub allocated_at: Vec<CallFrame>,
    /// What it was in an earlier snapshot.
    pub before: Option<GrowthEvidence>,
}

/// A key or an elem.
#[derive(Debug, Clone, Default)]
pub struct ValueEvidence {
    /// The type as `reflect` prints it.
    pub ty: String,
    /// Size of a value.
    pub size: u64,
    /// The collector finds pointers in it.
    pub has_pointers: bool,
    /// It is a string.
    pub is_string: bool,
    /// What it points to, where it is a pointer.
    pub pointee: Option<PointeeEvidence>,
}

/// What a pointer points to.
#[derive(Debug, Clone, Default)]
pub struct PointeeEvidence {
    /// The type as `reflect` prints it.
    pub ty: String,
    /// Size of a value.
    pub size: u64,
    /// The collector finds pointers in it.
    pub has_pointers: bool,
}

/// Something without which a map would be garbage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// A goroutine's stack.
    Goroutine(Blocked),
    /// The iterator of a `range` that has not ended.
    Iterator(Blocked),
    /// A function value, by its function's name.
    Closure(String),
    /// A finalizer or cleanup, or an object that has one.
    Finalizer,
    /// A `sync.Pool`.
    Pool,
    /// A timer or ticker.
    Timer,
}

/// A goroutine, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Blocked {
    /// Its number.
    pub goroutine: u64,
    /// Why it waits, in the runtime's words; `None` where it runs.
    pub wait_reason: Option<String>,
    /// For how long, at least.
    pub waited: Option<Duration>,
    /// Its calls, the innermost first, those inside of the runtime aside.
    pub calls: Vec<CallFrame>,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFrame {
    /// The function's full name.
    pub function: String,
    /// `file.go:12`, or nothing.
    pub place: String,
}

/// What a map was in an earlier snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrowthEvidence {
    /// Entries then.
    pub entries: u64,
    /// Bytes that it owned then.
    pub own_bytes: u64,
}

/// A `sync.Map`.
#[derive(Debug, Clone, Default)]
pub struct SyncMapEvidence {
    /// Where it is.
    pub address: u64,
    /// Which design: the one of two maps (to Go 1.23), or the hash trie.
    pub has_two_maps: bool,
    /// Entries that a `Range` would visit.
    pub entries: u64,
    /// Entries that are still held, deleted ones included.
    pub slots: u64,
    /// Every allocation that belongs to it.
    pub own_bytes: u64,
    /// Entries of the inner maps, the larger first (the design of two maps).
    pub inner_entries: Vec<u64>,
    /// What holds it, in one line.
    pub held_by: String,
}
