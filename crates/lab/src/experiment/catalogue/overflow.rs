//! Overflow buckets, and what stands in for them in Swiss maps.

use super::growth::full;
use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::{INT, Rig, key, process_hash};
use crate::experiment::{Experiment, Model};
use tophash_gomap::{ClassicLayout, GoType, MapLayout};
use tophash_memory::{Address, ByteSize};

type Measured = Result<Vec<Measurement>, ExperimentError>;

const COUNTED: &str =
    "overflow buckets counted when the map is first made anew, by log2 of buckets";
const CHURNED: &str = "times as many slots after a hundred windows, by log2 of buckets";

pub(super) static OVERFLOW_GROWTH: Experiment = Experiment {
    name: "overflow-growth",
    question: "What does churn do to a map whose length stays the same?",
    method: "A window of keys slides through maps that are nine tenths full: each step deletes the \
             oldest key and adds a new one, a hundred windows long.",
    claims: &[
        Claim {
            row: "overflow-rebuild",
            says: "With as many overflow buckets as buckets, a map is made anew at the same size.",
            figure: "2^B",
            bounds: &[
                Bound::exactly(COUNTED, 16.0).point(4),
                Bound::exactly(COUNTED, 256.0).point(8),
                Bound::exactly(COUNTED, 1024.0).point(10),
            ],
            verdict: Verdict::On(Versions::Classic),
            because: "at exactly 2^B up to B = 15; Swiss maps have no overflow buckets.",
        },
        Claim {
            row: "churn-keeps-size",
            says: "A map whose number of entries does not grow keeps its size.",
            figure: "1×",
            bounds: &[Bound::exactly(CHURNED, 1.0)],
            verdict: Verdict::On(Versions::Classic),
            because: "marks of deleted entries take a Swiss table's room until it doubles: twice as \
                      many slots, and four times in Go 1.24, which removes no marks.",
        },
    ],
    quantities: &[
        Quantity::exact(COUNTED, "buckets").on(Versions::Classic),
        Quantity::exact(CHURNED, ""),
    ],
    model: Model::Runs(overflow_growth),
    program: include_str!("../../../experiments/overflow-growth.go"),
};

fn overflow_growth(release: &GoRelease) -> Measured {
    let mut measured = Vec::new();
    for log2 in [4, 6, 8, 10] {
        let n = full(release, log2) * 9 / 10;
        let mut rig = Rig::filled(release, n, n)?;
        let room = rig.slots()?;
        let counter = match release.layout() {
            MapLayout::Classic(_) => Some(noverflow(release)?),
            MapLayout::Swiss(_) => None,
        };
        let mut is_open = counter.is_some();
        for i in 0..100 * n {
            let before = match counter {
                Some(counter) if is_open => read_u16(&rig, counter),
                _ => 0,
            };
            rig.delete(key(i))?;
            rig.put(key(n + i))?;
            if is_open && !rig.classic()?.old_buckets.is_null() {
                is_open = false;
                measured.push(Measurement::at(COUNTED, log2.into(), before as f64));
            }
        }
        let times = rig.slots()? as f64 / room as f64;
        measured.push(Measurement::at(CHURNED, log2.into(), times));
    }
    Ok(measured)
}

/// Where the header keeps its count of overflow buckets.
fn noverflow(release: &GoRelease) -> Result<u64, ExperimentError> {
    Ok(release.table().field("runtime.hmap", "noverflow")?.offset)
}

fn read_u16(rig: &Rig, offset: u64) -> u64 {
    let bytes: [u8; 2] = rig.arena().load(rig.map.header() + ByteSize::new(offset));
    u16::from_le_bytes(bytes).into()
}

const THERE: &str = "overflow buckets that are there, by log2 of buckets";
const COUNT_SHARE: &str = "the runtime's count as a share of that, by log2 of buckets";

pub(super) static OVERFLOW_COUNT: Experiment = Experiment {
    name: "overflow-count",
    question: "Does the header's noverflow count overflow buckets?",
    method: "Maps of 2^8 to 2^17 buckets, full but for ten entries; their chains are walked, and \
             counted against the header's field.",
    claims: &[Claim {
        row: "noverflow-exact",
        says: "noverflow is the number of overflow buckets.",
        figure: "",
        bounds: &[
            Bound::exactly(COUNT_SHARE, 1.0).point(12),
            Bound::between(COUNT_SHARE, 0.95, 1.05).point(17),
        ],
        verdict: Verdict::PartlyOn(Versions::Classic),
        because: "up to 2^15 buckets; beyond, it goes up with a chance of 1 in 2^(B-15), to fit 16 \
                  bits: a quarter at 2^17.",
    }],
    quantities: &[
        // Five standard deviations of some forty and of some six hundred buckets, which are 5 and 22.
        Quantity::within(0.15, 25.0, THERE, "buckets").on(Versions::Classic),
        Quantity::within(0.0, 0.02, COUNT_SHARE, "").on(Versions::Classic),
    ],
    model: Model::Runs(|release| {
        let mut measured = Vec::new();
        if !release.is_classic() {
            return Ok(measured);
        }
        for log2 in [8, 12, 15, 17] {
            let n = full(release, log2) - 10;
            let rig = Rig::filled(release, n, n)?;
            let there = rig.linked()? as f64;
            let counted = read_u16(&rig, noverflow(release)?) as f64;
            measured.push(Measurement::at(THERE, log2.into(), there));
            measured.push(Measurement::at(COUNT_SHARE, log2.into(), counted / there));
        }
        Ok(measured)
    }),
    program: include_str!("../../../experiments/overflow-count.go"),
};

const INTS_LIST: &str = "map[int]int lists its overflow buckets";
const POINTERS_LIST: &str = "map[int]*int lists its overflow buckets";

pub(super) static OVERFLOW_LISTS: Experiment = Experiment {
    name: "overflow-lists",
    question: "Does a map keep a list of its overflow buckets?",
    method: "The extra record of two maps of 10,000 entries.",
    claims: &[Claim {
        row: "overflow-lists",
        says: "A map's extra record lists its overflow buckets for the collector.",
        figure: "",
        bounds: &[Bound::exactly(INTS_LIST, 1.0), Bound::exactly(POINTERS_LIST, 1.0)],
        verdict: Verdict::PartlyOn(Versions::Classic),
        because: "only where the collector does not look into buckets, since keys and values hold no \
                  pointers.",
    }],
    quantities: &[
        Quantity::exact(INTS_LIST, "").on(Versions::Classic),
        Quantity::exact(POINTERS_LIST, "").on(Versions::Classic),
    ],
    model: Model::Runs(|release| {
        let MapLayout::Classic(layout) = release.layout() else { return Ok(Vec::new()) };
        let lists = |elem| -> Result<f64, ExperimentError> {
            let mut rig = Rig::of(release, INT, elem, 0, 1)?;
            rig.fill(0..10_000)?;
            Ok(f64::from(u8::from(has_list(&rig, layout)?)))
        };
        Ok(vec![
            Measurement::of(INTS_LIST, lists(INT)?),
            Measurement::of(POINTERS_LIST, lists(GoType::Pointer)?),
        ])
    }),
    program: include_str!("../../../experiments/overflow-lists.go"),
};

fn has_list(rig: &Rig, layout: &ClassicLayout) -> Result<bool, ExperimentError> {
    let extra = rig.classic()?.extra;
    Ok(!extra.is_null() && rig.arena().word(layout.overflow.of(extra)) != 0)
}

const SPREAD_BYTES: &str = "bytes of 100,000 ints, spread";
const CRAFTED_BYTES: &str = "bytes of 100,000 ints, crafted";
const SPREAD_CHAIN: &str = "longest chain, spread";
const CRAFTED_CHAIN: &str = "longest chain, crafted";
const CRAFTED_TIME: &str = "time of a lookup, crafted over spread";
const SPREAD_MISSES: &str = "cache lines that a lookup misses, spread";
const CRAFTED_MISSES: &str = "cache lines that a lookup misses, crafted";
const MISS_RATIO: &str = "cache lines that a lookup misses, crafted over spread";
const SPREAD_WALK: &str = "buckets that a lookup reads, spread";
const CRAFTED_WALK: &str = "buckets that a lookup reads, crafted";

pub(super) static COLLISION_CHAINS: Experiment = Experiment {
    name: "collision-chains",
    question: "What do long chains of overflow buckets cost?",
    method: "100,000 ints in a map made for them: once as they come, and once so chosen, by the \
             map's own hash and seed, that they fill 2,500 chains of five buckets. Times are the \
             least of 31 rounds or more for each 500 lookups, and noisy. The model looks every key up \
             through a simulated cache of 1 MiB in 16 ways of 64-byte lines.",
    claims: &[
        Claim {
            row: "ints-1.2mb",
            says: "100,000 int keys without overflow take 1.2 MB.",
            figure: "1.2 MB",
            bounds: &[Bound::between(SPREAD_BYTES, 1_100_000.0, 1_300_000.0)],
            verdict: Verdict::DoesNotHold,
            because: "keys and values alone are 1.6 MB; the map takes 2.4 to 5 MB, since many \
                      of its slots are free.",
        },
        Claim {
            row: "chains-of-five",
            says: "In chains of five buckets they take 3.8 MB.",
            figure: "3.8 MB",
            bounds: &[Bound::between(CRAFTED_BYTES, 3_600_000.0, 4_100_000.0)],
            verdict: Verdict::On(Versions::SixAndAHalf),
            because: "but such chains have to be crafted: by chance none is longer than three. Go 1.21 \
                      makes twice the buckets, and takes 6.3 MB.",
        },
        Claim {
            row: "chains-slow",
            says: "Lookups then take longer.",
            figure: "3×",
            bounds: &[Bound::exactly(CRAFTED_CHAIN, 5.0), Bound::at_least(CRAFTED_TIME, 1.05)],
            verdict: Verdict::On(Versions::Classic),
            because: "1.4 to 1.9 times as long here, for three buckets that a lookup walks through on \
                      average in place of one.",
        },
        Claim {
            row: "chains-miss",
            says: "They miss the processor's cache three times as often.",
            figure: "12 %, 41 %",
            bounds: &[Bound::at_least(MISS_RATIO, 2.0)],
            verdict: Verdict::DoesNotHold,
            because: "in a simulated cache they miss about as often: the chains are fewer, and \
                      together hardly larger than the map that spreads its keys.",
        },
    ],
    quantities: &[
        Quantity::within(0.03, 0.0, SPREAD_BYTES, "bytes"),
        Quantity::within(0.0, 1.0, SPREAD_CHAIN, "buckets").on(Versions::Classic),
        Quantity::within(0.02, 0.0, CRAFTED_BYTES, "bytes").on(Versions::Classic),
        Quantity::exact(CRAFTED_CHAIN, "buckets").on(Versions::Classic),
        Quantity::real(CRAFTED_TIME, "").on(Versions::Classic),
        Quantity::model(SPREAD_MISSES, "lines"),
        Quantity::model(CRAFTED_MISSES, "lines").on(Versions::Classic),
        Quantity::model(MISS_RATIO, "").on(Versions::Classic),
        Quantity::model(SPREAD_WALK, "buckets").on(Versions::Classic),
        Quantity::model(CRAFTED_WALK, "buckets").on(Versions::Classic),
    ],
    model: Model::Runs(collision_chains),
    program: include_str!("../../../experiments/collision-chains.go"),
};

fn collision_chains(release: &GoRelease) -> Measured {
    const N: u64 = 100_000;
    let keys: Vec<u64> = (0..N).map(key).collect();
    let mut rig = Rig::ints(release, N)?;
    keys.iter().try_for_each(|&key| rig.put(key))?;
    let spread_misses = misses(&rig, &keys)?;
    let mut measured = vec![
        Measurement::of(SPREAD_BYTES, rig.live()),
        Measurement::of(SPREAD_MISSES, spread_misses),
    ];
    if !release.is_classic() {
        return Ok(measured);
    }
    let longest = |rig: &Rig| -> Result<f64, ExperimentError> {
        Ok(rig.chains()?.iter().map(Vec::len).max().unwrap_or(0) as f64)
    };
    measured.push(Measurement::of(SPREAD_CHAIN, longest(&rig)?));
    measured.push(Measurement::of(SPREAD_WALK, walk(&rig)?));

    let mut rig = Rig::ints(release, N)?;
    let header = rig.classic()?;
    let hash = process_hash().ok_or(ExperimentError::Absent { what: "hash" })?;
    let mut counts = vec![0_u8; (N / 40) as usize];
    let mut chosen = Vec::with_capacity(N as usize);
    for i in 0.. {
        let key = key(i);
        let bucket = hash.word_8(key, header.seed.into()) & ((1 << header.log2) - 1);
        if let Some(count) = counts.get_mut(bucket as usize)
            && *count < 40
        {
            *count += 1;
            chosen.push(key);
            rig.put(key)?;
        }
        if chosen.len() as u64 == N {
            break;
        }
    }
    measured.push(Measurement::of(CRAFTED_BYTES, rig.live()));
    measured.push(Measurement::of(CRAFTED_CHAIN, longest(&rig)?));
    measured.push(Measurement::of(CRAFTED_WALK, walk(&rig)?));
    let crafted_misses = misses(&rig, &chosen)?;
    measured.push(Measurement::of(CRAFTED_MISSES, crafted_misses));
    measured.push(Measurement::of(MISS_RATIO, crafted_misses / spread_misses));
    Ok(measured)
}

/// Buckets that a lookup reads, on average over all entries.
fn walk(rig: &Rig) -> Result<f64, ExperimentError> {
    let (mut entries, mut read) = (0, 0);
    for chain in rig.chains()? {
        for (passed, &bucket) in chain.iter().enumerate() {
            let full = (0..8).filter(|&slot| rig.byte(bucket + ByteSize::new(slot)) >= 5).count();
            entries += full;
            read += full * (passed + 1);
        }
    }
    Ok(read as f64 / entries as f64)
}

/// Lines that a lookup reads and the cache does not hold, on average over two rounds of all keys.
///
/// A lookup of a classic map reads the tops, the key and the elem in each bucket of the chain that
/// has the key, and the tops and the link of those before; in a Swiss map the control word, key and
/// elem, which lie in one group.
fn misses(rig: &Rig, keys: &[u64]) -> Result<f64, ExperimentError> {
    let mut cache = Cache::new();
    let size = rig.map.map_type().shape().group_size;
    let chains = match rig.map.map_type().release().layout() {
        MapLayout::Classic(_) => rig.chains()?,
        MapLayout::Swiss(_) => Vec::new(),
    };
    // Each key's place: the buckets that are passed, and the slot.
    let mut places = std::collections::HashMap::new();
    for chain in &chains {
        for (passed, &bucket) in chain.iter().enumerate() {
            for slot in 0..8 {
                let at = bucket + ByteSize::new(8 + 8 * slot);
                if rig.byte(bucket + ByteSize::new(slot)) >= 5 {
                    places.insert(rig.arena().word(at), (chain, passed, slot));
                }
            }
        }
    }
    let groups = if chains.is_empty() { rig.groups()? } else { Vec::new() };
    let mut in_groups = std::collections::HashMap::new();
    for &group in &groups {
        for slot in 0..8 {
            if rig.byte(group + ByteSize::new(slot)) < 0x80 {
                in_groups
                    .insert(rig.arena().word(group + ByteSize::new(8 + 16 * slot)), (group, slot));
            }
        }
    }
    for _ in 0..2 {
        cache.misses = 0;
        // Not in the order of inserts: early keys lie in the first bucket of a chain.
        for key in (0..keys.len()).filter_map(|i| keys.get(i * 61_803 % keys.len())) {
            if let Some((chain, passed, slot)) = places.get(key) {
                for (index, &bucket) in chain.iter().take(passed + 1).enumerate() {
                    cache.read(bucket);
                    if index < *passed {
                        cache.read(bucket + ByteSize::new(size - 8));
                    } else {
                        cache.read(bucket + ByteSize::new(8 + 8 * slot));
                        cache.read(bucket + ByteSize::new(72 + 8 * slot));
                    }
                }
            } else if let Some(&(group, slot)) = in_groups.get(key) {
                cache.read(group);
                cache.read(group + ByteSize::new(8 + 16 * slot));
                cache.read(group + ByteSize::new(16 + 16 * slot));
            }
        }
    }
    Ok(cache.misses as f64 / keys.len() as f64)
}

/// A set-associative cache that drops what was not used for longest.
struct Cache {
    /// The lines of each set, the one used last in front.
    sets: Vec<Vec<u64>>,
    misses: u64,
}

impl Cache {
    const LINE: u64 = 64;
    const WAYS: usize = 16;
    const SETS: u64 = (1 << 20) / Self::LINE / Self::WAYS as u64;

    fn new() -> Self {
        Self { sets: vec![Vec::with_capacity(Self::WAYS + 1); Self::SETS as usize], misses: 0 }
    }

    fn read(&mut self, at: Address) {
        let line = at.get() / Self::LINE;
        let Some(set) = self.sets.get_mut((line % Self::SETS) as usize) else { return };
        match set.iter().position(|held| *held == line) {
            Some(place) => {
                set.remove(place);
            }
            None => self.misses += 1,
        }
        set.insert(0, line);
        set.truncate(Self::WAYS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_drops_the_line_that_was_not_used_for_longest() {
        let mut cache = Cache::new();
        let line = |i: u64| Address::new(i * Cache::SETS * Cache::LINE);
        (0..16).for_each(|i| cache.read(line(i)));
        cache.read(line(0));
        assert_eq!(cache.misses, 16);
        cache.read(line(16));
        cache.read(line(0));
        assert_eq!(cache.misses, 17);
        cache.read(line(1));
        assert_eq!(cache.misses, 18);
    }
}
