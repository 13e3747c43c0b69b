//! When maps grow, what that costs, and what small ones take.

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::{INT, Rig, key};
use crate::experiment::{Experiment, Model};

type Measured = Result<Vec<Measurement>, ExperimentError>;

const GROWS_AT: &str = "insert that grows the map";
const SLOTS_AFTER: &str = "slots after that";
const BY_HINT: &str = "slots by the hint of make";

pub(super) static GROWTH_POINTS: Experiment = Experiment {
    name: "growth-points",
    question: "At which insert does a map grow, and to what?",
    method: "Entries are assigned one by one to a map made without a hint; each insert that gives it \
             more slots is noted. Overflow buckets count no slots.",
    claims: &[
        Claim {
            row: "load-6.5",
            says: "A map doubles when it holds 6.5 entries a bucket.",
            figure: "6.5",
            bounds: &[Bound::exactly(GROWS_AT, 417.0).point(7)],
            verdict: Verdict::On(Versions::SixAndAHalf),
            because: "Go 1.20 and 1.21 compute 6 by rounding too early; Swiss tables grow when seven \
                      of eight slots are full.",
        },
        Claim {
            row: "load-formula",
            says: "The test is count > B<<2 + B<<1.",
            figure: "25th entry for 16 buckets",
            bounds: &[Bound::between(GROWS_AT, 24.0, 25.0).point(5)],
            verdict: Verdict::DoesNotHold,
            because: "it counts with 2^B buckets: 16 of them take 104 entries.",
        },
        Claim {
            row: "made-for-four",
            says: "make(map[K]V, 4) makes four buckets.",
            figure: "4 buckets",
            bounds: &[Bound::exactly(BY_HINT, 32.0).point(4)],
            verdict: Verdict::DoesNotHold,
            because: "up to eight entries fit one bucket or group, which the first insert makes.",
        },
        Claim {
            row: "insert-27",
            says: "The 27th insert grows the map from four to eight buckets.",
            figure: "27",
            bounds: &[Bound::exactly(GROWS_AT, 27.0).point(3)],
            verdict: Verdict::On(Versions::SixAndAHalf),
            because: "Go 1.21 grows at the 25th, and a Swiss map gets its 64 slots at the 29th.",
        },
        Claim {
            row: "make-allocates",
            says: "make allocates the first bucket.",
            figure: "1 bucket",
            bounds: &[Bound::exactly("slots before the first insert", 8.0)],
            verdict: Verdict::DoesNotHold,
            because: "without a hint there is a header alone; the first insert makes the rest.",
        },
        Claim {
            row: "seven-eighths",
            says: "A table grows when seven of eight slots are full.",
            figure: "7/8",
            bounds: &[
                Bound::exactly(GROWS_AT, 15.0).point(2),
                Bound::exactly(GROWS_AT, 449.0).point(7),
            ],
            verdict: Verdict::On(Versions::Swiss),
            because: "and a map of one group fills all eight.",
        },
    ],
    quantities: &[
        Quantity::exact("slots before the first insert", "slots"),
        Quantity::exact("slots after the first insert", "slots"),
        Quantity::exact(GROWS_AT, "entries").over("growth"),
        Quantity::exact(SLOTS_AFTER, "slots").over("growth"),
        Quantity::exact(BY_HINT, "slots"),
    ],
    model: Model::Runs(growth_points),
    program: include_str!("../../../experiments/growth-points.go"),
};

fn growth_points(release: &GoRelease) -> Measured {
    let mut rig = Rig::ints(release, 0)?;
    let mut measured = vec![Measurement::of("slots before the first insert", rig.slots()? as f64)];
    rig.put(key(1))?;
    let (mut room, mut points) = (rig.slots()?, 0);
    measured.push(Measurement::of("slots after the first insert", room as f64));
    for i in 2_u64.. {
        rig.put(key(i))?;
        let now = rig.slots()?;
        if now > room {
            points += 1;
            measured.push(Measurement::at(GROWS_AT, points, i as f64));
            measured.push(Measurement::at(SLOTS_AFTER, points, now as f64));
            room = now;
        }
        if points == 7 {
            break;
        }
    }
    for hint in [4, 8, 9, 100, 500] {
        // On the stack, a map of eight entries or fewer has its bucket or group at once.
        let mut rig = Rig::ints(release, hint)?;
        if hint <= 8 {
            rig.put(key(0))?;
        }
        measured.push(Measurement::at(BY_HINT, hint, rig.slots()? as f64));
    }
    Ok(measured)
}

const GROWING_BYTES: &str = "bytes of the insert that grows";
const MADE_GROWS: &str = "insert that grows a map made for 1,024";
const GAINED: &str = "live bytes gained from 1,024 to 50,000 entries";
const AT_1024: &str = "live bytes of 1,024 entries";

pub(super) static GROWTH_BYTES: Experiment = Experiment {
    name: "growth-bytes",
    question: "What does growing allocate?",
    method: "The bytes that are allocated by each insert that grows the map, and the live heap before \
             and after filling it. Which insert grows a map made for 1,024 is the mean of 100 maps.",
    claims: &[
        Claim {
            row: "growth-320",
            says: "Growing from four to eight buckets takes 320 bytes.",
            figure: "320 B",
            bounds: &[Bound::exactly(GROWING_BYTES, 320.0).point(3)],
            verdict: Verdict::DoesNotHold,
            because: "eight buckets of a map[int]int are 1,152 bytes; a table of eight groups is \
                      1,184 with its header.",
        },
        Claim {
            row: "growth-6657",
            says: "A map made for 1,024 grows at its 6,657th entry, by 32 KB.",
            figure: "6,657; 32 KB",
            bounds: &[Bound::exactly(MADE_GROWS, 6657.0), Bound::exactly("its bytes", 32768.0)],
            verdict: Verdict::DoesNotHold,
            because: "1,024 entries fit 256 buckets, which grow at the 1,665th; 1,024 buckets would \
                      grow at the 6,657th, by 319,488 bytes.",
        },
        Claim {
            row: "growth-128k",
            says: "From 1,024 to 50,000 entries the heap gains 128 KB.",
            figure: "128 KB",
            bounds: &[Bound::between(GAINED, 117_965.0, 144_179.0)],
            verdict: Verdict::DoesNotHold,
            because: "it gains more than a megabyte.",
        },
    ],
    quantities: &[
        // Where keys fall decides whether a growing classic map needs an overflow bucket at once.
        Quantity::within(0.0, 200.0, GROWING_BYTES, "bytes").over("growth"),
        // Of two tables the first one to be full: 26 inserts are a standard deviation, and 2.6 for the mean
        // of a hundred maps. This is ten standard errors of the two means.
        Quantity::within(0.02, 0.0, MADE_GROWS, "entries"),
        Quantity::within(0.05, 0.0, "its bytes", "bytes"),
        Quantity::within(0.03, 4096.0, GAINED, "bytes"),
        Quantity::within(0.02, 512.0, AT_1024, "bytes"),
    ],
    model: Model::Runs(growth_bytes),
    program: include_str!("../../../experiments/growth-bytes.go"),
};

/// Maps made for 1,024 entries.
const MADE: u64 = 100;

fn growth_bytes(release: &GoRelease) -> Measured {
    let mut measured = Vec::new();
    let mut rig = Rig::ints(release, 0)?;
    rig.put(key(1))?;
    let (mut room, mut points) = (rig.slots()?, 0);
    for i in 2_u64.. {
        let (before, _) = rig.made();
        rig.put(key(i))?;
        if rig.slots()? > room {
            room = rig.slots()?;
            points += 1;
            measured.push(Measurement::at(GROWING_BYTES, points, rig.made().0 - before));
        }
        if points == 5 {
            break;
        }
    }
    let (mut inserts, mut bytes) = (0_u64, 0.0);
    for seed in 0..MADE {
        let mut made = Rig::of(release, INT, INT, 1024, seed)?;
        let room = made.slots()?;
        for i in 1_u64.. {
            let (before, _) = made.made();
            made.put(key(i))?;
            inserts += 1;
            if made.slots()? > room {
                bytes = made.made().0 - before;
                break;
            }
        }
    }
    measured.push(Measurement::of(MADE_GROWS, inserts as f64 / MADE as f64));
    measured.push(Measurement::of("its bytes", bytes));
    let mut few = Rig::filled(release, 1024, 1024)?;
    let before = few.live();
    few.fill(1024..50_000)?;
    measured.push(Measurement::of(GAINED, few.live() - before));
    measured.push(Measurement::of(AT_1024, before));
    Ok(measured)
}

const WHILE_GROWING: &str = "objects allocated by deletes while the map grows";
const SETTLED: &str = "objects allocated by deletes from a settled map";
const MOST_MOVED: &str = "most old buckets that one write moves";
const MEAN_MOVED: &str = "old buckets that a write moves, on average";
const OLD_SHARE: &str = "old buckets of a map that doubles, over new ones";

pub(super) static EVACUATION: Experiment = Experiment {
    name: "evacuation",
    question: "How do entries move when a classic map grows, and what do deletes do meanwhile?",
    method: "A full map is made to grow. Deletes then go on while old buckets are left, and in \
             another map assignments to keys that are there; moved buckets are counted by their \
             marks.",
    claims: &[
        Claim {
            row: "delete-allocates",
            says: "Deleting may allocate.",
            figure: "",
            bounds: &[Bound::at_least(WHILE_GROWING, 1.0), Bound::at_least(SETTLED, 1.0)],
            verdict: Verdict::PartlyOn(Versions::Classic),
            because: "while a classic map grows, deletes move buckets, which may need overflow \
                      buckets; from a settled map, and from any Swiss map, they allocate nothing.",
        },
        Claim {
            row: "one-bucket-a-write",
            says: "Each write moves one old bucket.",
            figure: "1",
            bounds: &[Bound::exactly(MOST_MOVED, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the one that it needs and one more; Swiss tables move whole.",
        },
        Claim {
            row: "old-half",
            says: "A map that doubles has half as many old buckets as new ones.",
            figure: "2^(B-1)",
            bounds: &[Bound::exactly(OLD_SHARE, 0.5)],
            verdict: Verdict::On(Versions::Classic),
            because: "a map that is made anew at the same size has as many.",
        },
    ],
    quantities: &[
        Quantity::within(0.5, 30.0, WHILE_GROWING, "objects"),
        Quantity::exact("deletes move buckets", "").on(Versions::Classic),
        Quantity::exact(SETTLED, "objects"),
        Quantity::exact(OLD_SHARE, "").on(Versions::Classic),
        Quantity::exact(MOST_MOVED, "buckets").on(Versions::Classic),
        // Of runs, the standard deviation is 2 %.
        Quantity::within(0.15, 0.0, MEAN_MOVED, "buckets").on(Versions::Classic),
    ],
    model: Model::Runs(evacuation),
    program: include_str!("../../../experiments/evacuation.go"),
};

/// Entries that so many buckets take without growing.
pub(super) fn full(release: &GoRelease, log2: u32) -> u64 {
    let by_two = match release.layout() {
        tophash_gomap::MapLayout::Classic(layout) => layout.load_factor_by_two,
        tophash_gomap::MapLayout::Swiss(_) => 13,
    };
    by_two << log2 >> 1
}

fn evacuation(release: &GoRelease) -> Measured {
    let n = full(release, 14);
    let mut measured = Vec::new();
    let mut rig = Rig::filled(release, n, n)?;
    rig.put(key(n))?;
    let (_, before) = rig.made();
    let mut moved = 0;
    for i in 0..n {
        if release.is_classic() && rig.classic()?.old_buckets.is_null() {
            break;
        }
        rig.delete(key(i))?;
        if release.is_classic() && !rig.classic()?.old_buckets.is_null() {
            moved = rig.classic()?.evacuated;
        }
    }
    measured.push(Measurement::of(WHILE_GROWING, rig.made().1 - before));

    let mut settled = Rig::filled(release, n, n)?;
    let (_, before) = settled.made();
    (0..n).try_for_each(|i| settled.delete(key(i)).map(|_| ()))?;
    measured.push(Measurement::of(SETTLED, settled.made().1 - before));
    if !release.is_classic() {
        return Ok(measured);
    }
    measured.push(Measurement::of("deletes move buckets", f64::from(u8::from(moved > 100))));

    let few = full(release, 8);
    let mut grown = Rig::filled(release, few, few)?;
    grown.put(u64::MAX >> 1)?;
    let header = grown.classic()?;
    let (old, length) = (header.old_buckets, header.old_units);
    let size = grown.map.map_type().shape().group_size;
    let count = |rig: &Rig| {
        let mark = |i: u64| rig.byte(old + tophash_memory::ByteSize::new(i * size));
        (0..length).filter(|&i| (2..=4).contains(&mark(i))).count() as u64
    };
    let first = count(&grown);
    let (mut before, mut writes, mut most) = (first, 0_u64, 0);
    for i in 0.. {
        grown.put(key(i))?;
        writes += 1;
        if grown.classic()?.old_buckets.is_null() {
            break;
        }
        let now = count(&grown);
        most = most.max(now - before);
        before = now;
    }
    measured.push(Measurement::of(OLD_SHARE, length as f64 / (1_u64 << header.log2) as f64));
    measured.push(Measurement::of(MOST_MOVED, most as f64));
    measured.push(Measurement::of(MEAN_MOVED, (length - first) as f64 / writes as f64));
    Ok(measured)
}

const SMALL_BYTES: &str = "bytes allocated, by entries";
const SMALL_OBJECTS: &str = "objects allocated, by entries";
const LOCAL_OBJECTS: &str = "objects allocated by a map that stays in its function, by entries";
const ABSENT_OBJECTS: &str = "objects allocated by 1,000 reads of absent keys";

pub(super) static SMALL_MAPS: Experiment = Experiment {
    name: "small-maps",
    question: "What do maps of a few entries take?",
    method: "500 maps of 0, 1, 8 and 9 entries on the heap, and maps that never leave a function. \
             Where a local map lies is the compiler's decision, which the model does not cover.",
    claims: &[
        Claim {
            row: "small-inline",
            says: "A map of fewer than eight entries keeps them in its header, and has nothing for \
                   the collector to look at.",
            figure: "1 object",
            bounds: &[Bound::exactly(SMALL_OBJECTS, 1.0).point(8)],
            verdict: Verdict::DoesNotHold,
            because: "the first insert makes a bucket or group beside the header: 48 and 144 bytes.",
        },
        Claim {
            row: "make-escapes",
            says: "make(map[K]V) always goes to the heap.",
            figure: "",
            bounds: &[
                Bound::at_least(LOCAL_OBJECTS, 1.0).point(0),
                Bound::at_least(LOCAL_OBJECTS, 1.0).point(8),
            ],
            verdict: Verdict::DoesNotHold,
            because: "a map that stays in its function has header and first eight slots on the \
                      stack; the ninth entry allocates.",
        },
        Claim {
            row: "absent-read",
            says: "Reading an absent key is not the same as storing a zero.",
            figure: "",
            bounds: &[
                Bound::exactly(ABSENT_OBJECTS, 0.0),
                Bound::exactly("entries after reading absent keys", 1.0),
                Bound::exactly("entries after storing a zero", 2.0),
            ],
            verdict: Verdict::Holds,
            because: "a read adds nothing and allocates nothing; a zero is an entry like any other.",
        },
    ],
    quantities: &[
        Quantity::within(0.02, 0.0, SMALL_BYTES, "bytes"),
        Quantity::within(0.01, 0.05, SMALL_OBJECTS, "objects"),
        Quantity::real(LOCAL_OBJECTS, "objects"),
        Quantity::exact(ABSENT_OBJECTS, "objects"),
        Quantity::exact("entries after reading absent keys", "entries"),
        Quantity::exact("entries after storing a zero", "entries"),
    ],
    model: Model::Runs(|release| {
        let mut measured = Vec::new();
        for n in [0, 1, 8, 9] {
            let (bytes, objects) = Rig::filled(release, n, 0)?.made();
            measured.push(Measurement::at(SMALL_BYTES, n, bytes));
            measured.push(Measurement::at(SMALL_OBJECTS, n, objects));
        }
        let mut rig = Rig::ints(release, 0)?;
        rig.put(1)?;
        let (_, before) = rig.made();
        for absent in 2_u64..1002 {
            rig.map.get(&mut rig.heap, &absent.to_le_bytes());
        }
        measured.push(Measurement::of(ABSENT_OBJECTS, rig.made().1 - before));
        let entries = |rig: &Rig| rig.map.len(&rig.heap) as f64;
        measured.push(Measurement::of("entries after reading absent keys", entries(&rig)));
        rig.put(7)?;
        measured.push(Measurement::of("entries after storing a zero", entries(&rig)));
        Ok(measured)
    }),
    program: include_str!("../../../experiments/small-maps.go"),
};

const FILLING: &str = "live bytes while it fills, by entries";
const STEPS: &str = "entries at which that steps up by more than a third, by step";
const ALLOCATED: &str = "bytes allocated by 100,000 inserts";
const HALF_FREES: &str = "bytes that deleting half frees";
const FALLS: &str = "bytes by which TotalAlloc falls meanwhile";

pub(super) static PHASES: Experiment = Experiment {
    name: "phases",
    question: "What does the heap look like while a map is made, filled and half emptied?",
    method: "Live bytes after each 10,000 of 125,000 inserts, then after deleting half. The steps of \
             the series are where the map grows.",
    claims: &[
        Claim {
            row: "phase-make",
            says: "Making the map takes 24 to 48 KiB.",
            figure: "24–48 KiB",
            bounds: &[Bound::between("live bytes after make", 24_576.0, 49_152.0)],
            verdict: Verdict::DoesNotHold,
            because: "48 bytes.",
        },
        Claim {
            row: "phase-insert",
            says: "100,000 inserts allocate 3.2 MiB.",
            figure: "3.2 MiB",
            bounds: &[Bound::between(ALLOCATED, 3_250_000.0, 3_460_000.0)],
            verdict: Verdict::DoesNotHold,
            because: "all arrays that were outgrown count: 4.5 MiB with Swiss maps, 5.5 with classic \
                      ones, 10 with Go 1.21's, which has just doubled.",
        },
        Claim {
            row: "phase-delete",
            says: "Deleting half of the entries gives back 1.1 MiB.",
            figure: "1.1 MiB",
            bounds: &[Bound::at_least(HALF_FREES, 1_000_000.0), Bound::at_least(FALLS, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "deleting frees nothing of the map, and what a profile counts as allocated \
                      never falls.",
        },
    ],
    quantities: &[
        Quantity::exact("live bytes after make", "bytes"),
        // Chance decides which tables have split, of 61 by 30,000 entries within 1.6, as a standard
        // deviation. This is five of them, and as much as the model is off by its own chance.
        Quantity::within(0.13, 36_928.0, FILLING, "bytes").over("entries"),
        Quantity::exact(STEPS, "entries"),
        Quantity::within(0.03, 0.0, ALLOCATED, "bytes"),
        Quantity::within(0.0, 4096.0, HALF_FREES, "bytes"),
        Quantity::exact(FALLS, "bytes"),
    ],
    model: Model::Runs(|release| {
        let mut rig = Rig::ints(release, 0)?;
        let mut measured = vec![Measurement::of("live bytes after make", rig.live())];
        let (mut before, mut steps) = (f64::INFINITY, 0);
        for i in 0..125_000 {
            rig.put(key(i))?;
            if (i + 1) % 10_000 == 0 {
                let live = rig.live();
                measured.push(Measurement::at(FILLING, i + 1, live));
                if live > 1.36 * before && i < 100_000 {
                    steps += 1;
                    measured.push(Measurement::at(STEPS, steps, (i + 1) as f64));
                }
                before = live;
            }
            if i + 1 == 100_000 {
                measured.push(Measurement::of(ALLOCATED, rig.made().0 - 48.0));
            }
        }
        let (full, (made, _)) = (rig.live(), rig.made());
        (0..125_000 / 2).try_for_each(|i| rig.delete(key(i)).map(|_| ()))?;
        measured.push(Measurement::of(HALF_FREES, full - rig.live()));
        measured.push(Measurement::of(FALLS, (made - rig.made().0).max(0.0)));
        Ok(measured)
    }),
    program: include_str!("../../../experiments/phases.go"),
};
