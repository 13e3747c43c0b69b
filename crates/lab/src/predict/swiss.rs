//! A Swiss map as far as allocations go (`internal/runtime/maps` of Go 1.24 and newer): the mean
//! over all hash seeds, computed.
//!
//! One group takes 8 entries; a table of 16 slots follows, and doubles each time 7 of 8 slots are
//! full, up to 1024; then it splits in two, by the next bit of the hash, each half with 1024 slots.
//! A table at a depth therefore exists once the one above it got more than 896 keys, and is there
//! still if it did not get so many itself; how likely that is, is a matter of binomials. Sums of
//! likelihoods over depths are means of counts of tables, exactly, however large the map.

use tophash_gomap::SLOTS;

use super::binomial::{likely_both_over, likely_over};
use super::ledger::Object;
use super::pieces::Pieces;

/// Slots of the largest table (`maxTableCapacity`).
const MAX_TABLE: u64 = 1024;
/// Of eight slots, seven may be full (`maxAvgGroupLoad`).
const MAX_LOAD: u64 = 7;
/// Groups of more memory than this are taken for a mistake, and the hint for none (`maxAlloc`).
const MAX_ALLOC: u64 = 1 << 48;
/// No directory is deeper.
const MAX_DEPTH: u32 = 48;
/// What is less likely than this does not happen.
const NEVER: f64 = 1e-9;
/// If one thing is sure to happen, it has as likely as not when half of it is expected; if many
/// unlikely things may, when the logarithm of two of them are. Between the two.
const MEDIAN: f64 = 0.6;
/// Of so many maps, one is another than all others.
const RARELY: f64 = 1e-6;

/// What is the same for all maps of a type that are made with one hint.
#[derive(Debug)]
pub(super) struct SwissKind<'p> {
    pieces: &'p Pieces<'p>,
    table: Object,
    /// The first directory has `2^depth` tables of this capacity; none where a group comes first.
    first: Option<(u32, u64)>,
}

/// The mean account of a map with so many entries, cells aside.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Means {
    pub(super) retained: f64,
    pub(super) objects: f64,
    pub(super) scan: f64,
    pub(super) allocated: f64,
    pub(super) mallocs: f64,
    pub(super) slots: f64,
    /// How often something grew.
    pub(super) growths: f64,
    /// The standard deviation of what is retained.
    pub(super) deviation: f64,
    /// Chance has no say.
    pub(super) is_certain: bool,
}

impl Means {
    fn keep(&mut self, object: Object, count: f64) {
        self.retained += object.bytes as f64 * count;
        self.scan += object.scan as f64 * count;
        self.objects += count;
    }

    fn make(&mut self, object: Object, count: f64) {
        self.allocated += object.bytes as f64 * count;
        self.mallocs += count;
    }
}

impl<'p> SwissKind<'p> {
    /// `NewMap` with a hint, or 0 without.
    pub(super) fn new(pieces: &'p Pieces<'p>, table: Object, hint: u64) -> Self {
        let target = hint.saturating_mul(SLOTS) / MAX_LOAD;
        let tables = target.div_ceil(MAX_TABLE).next_power_of_two();
        let bytes = tables.saturating_mul(MAX_TABLE).saturating_mul(pieces.shape.group_size);
        let first = (hint > SLOTS && bytes <= MAX_ALLOC)
            .then(|| (tables.trailing_zeros(), (target / tables).max(SLOTS).next_power_of_two()));
        Self { pieces, table, first }
    }

    /// Returns the account of a map with `n` entries.
    pub(super) fn at(&self, n: u64) -> Means {
        let mut means = Means { is_certain: true, ..Means::default() };
        means.keep(self.pieces.header, 1.0);
        means.make(self.pieces.header, 1.0);
        let (depth, capacity) = match self.first {
            Some(first) => first,
            None => {
                let group = self.pieces.groups(1);
                if n > 0 {
                    means.make(group, 1.0);
                }
                if n <= SLOTS {
                    if n > 0 {
                        means.keep(group, 1.0);
                        means.slots = SLOTS as f64;
                    }
                    return means;
                }
                means.growths = 1.0;
                (0, 2 * SLOTS)
            }
        };
        let places = f64::from(depth).exp2();
        let mut reached = 1.0;
        let mut capacity = capacity;
        while capacity <= MAX_TABLE {
            let over = likely_over(n, depth, most_in(capacity));
            means.is_certain &= is_certain(over, places);
            let there = places * (reached - over).max(0.0);
            self.make_tables(&mut means, capacity, places * reached);
            self.keep_tables(&mut means, capacity, there);
            means.growths += places * over;
            means.deviation += places * over * (1.0 - over) * self.bytes(capacity).powi(2) / 4.0;
            reached = over;
            capacity *= 2;
        }
        self.split_tables(&mut means, n, depth, reached);
        means.deviation = means.deviation.sqrt();
        means
    }

    /// Adds the tables below those of a depth, which split with a likelihood of `above`, and the
    /// directory.
    fn split_tables(&self, means: &mut Means, n: u64, depth: u32, above: f64) {
        let (mut above, mut depth) = (above, depth);
        let mut directory_lasts = 1.0;
        loop {
            // How likely any table of this depth split, so that the directory is deeper.
            let places = f64::from(depth).exp2();
            let deeper = match depth {
                1 => 2.0 * above - likely_both_over(n, most_in(MAX_TABLE)),
                _ => 1.0 - (places * (-above.min(1.0 - 1e-15)).ln_1p()).exp(),
            };
            let deeper = deeper.clamp(0.0, directory_lasts);
            let directory = self.pieces.pointers(1 << depth);
            means.make(directory, directory_lasts);
            means.keep(directory, directory_lasts - deeper);
            directory_lasts = deeper;
            if above * places < NEVER || depth >= MAX_DEPTH {
                return;
            }
            depth += 1;
            let places = 2.0 * places;
            let over = likely_over(n, depth, most_in(MAX_TABLE));
            means.is_certain &= is_certain(over, places);
            self.make_tables(means, MAX_TABLE, places * above);
            self.keep_tables(means, MAX_TABLE, places * (above - over).max(0.0));
            means.growths += places * over;
            means.deviation += places * over * (1.0 - over) * self.bytes(MAX_TABLE).powi(2);
            above = over;
        }
    }

    /// Returns the most that was alive at once while the map grew to `n` entries: what it holds now,
    /// or what it held when it last grew, and what that replaced.
    pub(super) fn peak(&self, n: u64, now: &Means, cells: Object) -> f64 {
        let with_cells = |means: &Means, n: u64| means.retained + (cells.bytes as f64) * n as f64;
        let held = with_cells(now, n);
        if now.growths < 1.0 - NEVER {
            return held;
        }
        let grew = self.last_at_most(n, now.growths - 1.0 + NEVER);
        let (before, after) = (self.at(grew), self.at(grew + 1));
        // While there is one table or group, what it makes is known, and alive with what was before.
        if before.slots <= MAX_TABLE as f64 {
            let made = after.allocated - before.allocated;
            return held.max(with_cells(&before, grew) + made);
        }
        // Of many tables, one is replaced, of about the size that they have.
        let tables = (before.objects - 2.0).max(2.0) / 2.0;
        let capacity = (before.slots / tables).round().max(SLOTS as f64) as u64;
        let replaced = self.bytes(capacity.next_power_of_two().min(MAX_TABLE));
        held.max(now.retained + cells.bytes as f64 * grew as f64 + replaced)
    }

    /// Returns how many entries there are when the next assignment makes it grow; of many tables that
    /// grow one by one, when it is as likely as not that the next has.
    pub(super) fn next_growth(&self, n: u64, now: &Means) -> u64 {
        let aim = now.growths + MEDIAN;
        let mut beyond = n.max(SLOTS).saturating_mul(2);
        while self.at(beyond + 1).growths < aim && beyond < 1 << 60 {
            beyond *= 2;
        }
        let mut low = n;
        while low < beyond {
            let middle = low + (beyond - low) / 2;
            match self.at(middle + 1).growths < aim {
                true => low = middle + 1,
                false => beyond = middle,
            }
        }
        low
    }

    /// The most entries, up to `n`, with so many growths at the most.
    fn last_at_most(&self, n: u64, growths: f64) -> u64 {
        let (mut low, mut high) = (0, n);
        while low < high {
            let middle = high - (high - low) / 2;
            match self.at(middle).growths <= growths {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        low
    }

    /// Bytes of a table of the largest size.
    pub(super) fn table_bytes(&self) -> f64 {
        self.bytes(MAX_TABLE)
    }

    fn bytes(&self, capacity: u64) -> f64 {
        (self.table.bytes + self.pieces.groups(capacity / SLOTS).bytes) as f64
    }

    fn make_tables(&self, means: &mut Means, capacity: u64, count: f64) {
        means.make(self.table, count);
        means.make(self.pieces.groups(capacity / SLOTS), count);
    }

    fn keep_tables(&self, means: &mut Means, capacity: u64, count: f64) {
        means.keep(self.table, count);
        means.keep(self.pieces.groups(capacity / SLOTS), count);
        means.slots += capacity as f64 * count;
    }
}

/// Entries that a table takes (`maxGrowthLeft`).
fn most_in(capacity: u64) -> u64 {
    if capacity <= SLOTS { capacity - 1 } else { capacity * MAX_LOAD / SLOTS }
}

/// Tells whether so many places agree on something that is so likely for each.
fn is_certain(likelihood: f64, places: f64) -> bool {
    likelihood * places < RARELY || (1.0 - likelihood) * places < RARELY
}
