//! A classic map as far as allocations go (`runtime/map.go` of Go 1.19 to 1.23): how many entries
//! each bucket has, and nothing of the entries themselves.
//!
//! Which bucket an assignment falls into is drawn; when a bucket is split, a coin is tossed for each
//! entry. All else follows the runtime: growth at the load factor, old buckets that are moved by the
//! assignments after it, spare overflow buckets at an array's end that are used first, and lists of
//! overflow buckets where the collector does not look into buckets.
//!
//! Buckets are alike, so a large map is followed in a part of it: past [`MAX_BUCKETS`] each growth
//! drops half of the buckets, and those left stand for twice as many. Arrays and lists keep their
//! true sizes. Time grows with the logarithm of the entries then, and memory not at all.

use tophash_gomap::SLOTS;

use super::chance::Chance;
use super::ledger::{Ledger, Object};
use super::pieces::Pieces;

/// Buckets that are followed one by one.
const MAX_BUCKETS: usize = 1 << 13;
/// From this many buckets on, an array carries spare overflow buckets (`makeBucketArray`).
const CARRYING_LOG2: u32 = 4;
/// Up to this length, a slice doubles when it grows (`nextslicecap`).
const DOUBLING: u64 = 256;
/// A larger request for buckets is taken for a mistake, and the hint for none (`maxAlloc`).
const MAX_ALLOC: u64 = 1 << 48;
/// How far the mark of what has been moved advances at once (`advanceEvacuationMark`).
const ADVANCE: usize = 1024;

/// What is the same for all maps of a type.
#[derive(Debug)]
pub(super) struct ClassicKind<'p> {
    pub(super) pieces: &'p Pieces<'p>,
    pub(super) load_by_two: u64,
    pub(super) extra: Object,
}

/// The entries of a bucket and its overflow buckets.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    entries: u16,
    has_moved: bool,
    /// Overflow buckets that were allocated one by one, of all the buckets that it stands for.
    apart: u32,
}

/// A slice of pointers to overflow buckets.
#[derive(Debug, Default)]
struct List {
    len: u64,
    capacity: u64,
}

/// Buckets of the array before, which are still to be moved.
#[derive(Debug)]
struct Old {
    chains: Vec<Chain>,
    array: Object,
    list: Option<List>,
    apart: u64,
    /// All before this one have been moved.
    mark: usize,
}

/// One map while it is built.
#[derive(Debug)]
pub(super) struct ClassicMap<'k> {
    kind: &'k ClassicKind<'k>,
    chance: Chance,
    pub(super) ledger: Ledger,
    count: u64,
    log2: u32,
    /// How many buckets each chain stands for.
    scale: u64,
    chains: Vec<Chain>,
    array: Object,
    has_extra: bool,
    /// Overflow buckets at the array's end that are not in use yet.
    spare: u64,
    list: Option<List>,
    /// Overflow buckets that were allocated one by one.
    apart: u64,
    /// Overflow buckets of the array, in use.
    carried: u64,
    old: Option<Old>,
}

impl<'k> ClassicMap<'k> {
    /// `makemap` with a hint, or 0 without.
    pub(super) fn new(kind: &'k ClassicKind<'k>, hint: u64, seed: u64) -> Self {
        let mut map = Self {
            kind,
            chance: Chance::seeded(seed),
            ledger: Ledger::default(),
            count: 0,
            log2: 0,
            scale: 1,
            chains: Vec::new(),
            array: Object::default(),
            has_extra: false,
            spare: 0,
            list: None,
            apart: 0,
            carried: 0,
            old: None,
        };
        map.ledger.allocate(kind.pieces.header, 1);
        let is_too_large = hint.saturating_mul(kind.pieces.shape.group_size) > MAX_ALLOC;
        let hint = if is_too_large { 0 } else { hint };
        while hint > map.most_entries() {
            map.log2 += 1;
        }
        if map.log2 > 0 {
            while (1_u64 << map.log2) / map.scale > MAX_BUCKETS as u64 {
                map.scale *= 2;
            }
            map.make_array();
        }
        map
    }

    /// Entries that the buckets take before they are too few (`overLoadFactor`).
    pub(super) fn most_entries(&self) -> u64 {
        SLOTS.max(self.kind.load_by_two * ((1 << self.log2) / 2))
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many buckets one that is followed stands for.
    pub(super) fn scale(&self) -> u64 {
        self.scale
    }

    /// Room for entries: in the array, and in overflow buckets that are in use.
    pub(super) fn slots(&self) -> u64 {
        if self.chains.is_empty() {
            return 0;
        }
        ((1_u64 << self.log2) + self.carried + self.apart).saturating_mul(SLOTS)
    }

    /// Tells whether chance has had a say so far.
    pub(super) fn is_certain(&self) -> bool {
        self.log2 == 0
    }

    /// Assigns until there are so many entries.
    pub(super) fn grow_to(&mut self, n: u64) {
        while self.count < n {
            self.assign(n - self.count);
        }
    }

    fn assign(&mut self, at_most: u64) {
        if self.chains.is_empty() {
            self.make_array();
        }
        let hash = self.chance.next() as usize;
        self.grow_work(hash);
        if self.old.is_none() && self.count + 1 > self.most_entries() {
            self.grow();
            self.grow_work(hash);
        }
        // What is left of the array's room, where it is less, so that growth comes when it should.
        let room = self.most_entries().saturating_sub(self.count).max(1);
        let step = at_most.min(self.scale).min(room);
        let mask = self.chains.len() - 1;
        let at = hash & mask;
        let entries = u64::from(self.chains[at].entries);
        if entries > 0 && entries.is_multiple_of(SLOTS) {
            self.add_overflow(at);
        }
        self.chains[at].entries = self.chains[at].entries.saturating_add(1);
        self.count += step;
        let (cells, objects) = self.kind.pieces.entry_cells();
        if objects > 0 {
            self.ledger.allocate(cells, step);
            self.ledger.live_objects += (objects - 1) * step;
            self.ledger.mallocs += (objects - 1) * step;
        }
    }

    /// Deletes so many entries: what they had outside the buckets goes, and old buckets are moved.
    pub(super) fn delete(&mut self, count: u64) {
        let count = count.min(self.count);
        let mut left = count;
        while left > 0 && self.old.is_some() {
            let hash = self.chance.next() as usize;
            self.grow_work(hash);
            let at = hash & (self.chains.len() - 1);
            self.chains[at].entries = self.chains[at].entries.saturating_sub(1);
            left = left.saturating_sub(self.scale);
        }
        self.count -= count;
        let (cells, objects) = self.kind.pieces.entry_cells();
        if objects > 0 {
            self.ledger.free(cells, count);
            self.ledger.live_objects =
                self.ledger.live_objects.saturating_sub((objects - 1) * count);
        }
    }

    /// `makeBucketArray`.
    fn make_array(&mut self) {
        let base = 1_u64 << self.log2;
        let mut count = base;
        if self.log2 >= CARRYING_LOG2 {
            count = self.kind.pieces.groups_that_fit(base + (base >> CARRYING_LOG2));
        }
        self.array = self.kind.pieces.groups(count);
        self.ledger.allocate(self.array, 1);
        self.chains = vec![Chain::default(); (base / self.scale) as usize];
        self.spare = count.saturating_sub(base);
        self.carried = 0;
        if self.spare > 0 {
            self.need_extra();
        }
    }

    fn need_extra(&mut self) {
        if !self.has_extra {
            self.has_extra = true;
            self.ledger.allocate(self.kind.extra, 1);
        }
    }

    /// `newoverflow`, for all the buckets that a chain stands for.
    fn add_overflow(&mut self, at: usize) {
        let from_spare = self.spare.min(self.scale);
        let apart = self.scale - from_spare;
        self.spare -= from_spare;
        self.carried += from_spare;
        if apart > 0 {
            self.apart += apart;
            self.ledger.allocate(self.kind.pieces.groups(1), apart);
            let chain = &mut self.chains[at];
            chain.apart = chain.apart.saturating_add(apart as u32);
        }
        if !self.kind.pieces.shape.is_noscan {
            return;
        }
        self.need_extra();
        let mut list = self.list.take().unwrap_or_else(|| {
            self.ledger.allocate(self.kind.pieces.slice_header(), 1);
            List::default()
        });
        list.len += self.scale;
        while list.capacity < list.len {
            if list.capacity > 0 {
                self.ledger.free(self.kind.pieces.pointers(list.capacity), 1);
            }
            let wanted = match list.capacity {
                0 => 1,
                capacity if capacity < DOUBLING => 2 * capacity,
                capacity => capacity + (capacity + 3 * DOUBLING) / 4,
            };
            list.capacity = self.kind.pieces.pointers_that_fit(wanted);
            self.ledger.allocate(self.kind.pieces.pointers(list.capacity), 1);
        }
        self.list = Some(list);
    }

    /// `hashGrow`.
    fn grow(&mut self) {
        self.log2 += 1;
        let mut chains = std::mem::take(&mut self.chains);
        if 2 * chains.len() > MAX_BUCKETS && chains.len() > 1 {
            chains.truncate(chains.len() / 2);
            self.scale *= 2;
            for chain in &mut chains {
                chain.apart = chain.apart.saturating_mul(2);
            }
        }
        let (array, list, apart) = (self.array, self.list.take(), self.apart);
        self.apart = 0;
        self.make_array();
        self.old = Some(Old { chains, array, list, apart, mark: 0 });
    }

    /// `growWork`: moves the bucket that is needed, and the first that was not moved.
    fn grow_work(&mut self, hash: usize) {
        let Some(mut old) = self.old.take() else { return };
        let needed = hash & (old.chains.len() - 1);
        let is_done = self.move_chain(&mut old, needed) || {
            let first = old.mark;
            self.move_chain(&mut old, first)
        };
        match is_done {
            false => self.old = Some(old),
            true => {
                self.ledger.free(old.array, 1);
                self.ledger.free(self.kind.pieces.groups(1), old.apart);
                if let Some(list) = old.list {
                    self.ledger.free(self.kind.pieces.pointers(list.capacity), 1);
                    self.ledger.free(self.kind.pieces.slice_header(), 1);
                }
            }
        }
    }

    /// `evacuate`; tells whether all has been moved.
    fn move_chain(&mut self, old: &mut Old, at: usize) -> bool {
        let chain = old.chains[at];
        if !chain.has_moved {
            old.chains[at].has_moved = true;
            let all = u64::from(chain.entries);
            let high = self.chance.heads(all);
            for (to, entries) in [(at, all - high), (at + old.chains.len(), high)] {
                for _ in 0..entries.saturating_sub(1) / SLOTS {
                    self.add_overflow(to);
                }
                self.chains[to].entries = entries as u16;
            }
            // With pointers in it, a bucket that was moved lets go of its overflow buckets.
            if !self.kind.pieces.shape.is_noscan {
                let apart = u64::from(chain.apart).min(old.apart);
                old.apart -= apart;
                self.ledger.free(self.kind.pieces.groups(1), apart);
            }
        }
        if at == old.mark {
            let stop = (old.mark + 1 + ADVANCE).min(old.chains.len());
            old.mark += 1;
            while old.mark < stop && old.chains[old.mark].has_moved {
                old.mark += 1;
            }
        }
        old.mark >= old.chains.len()
    }
}
