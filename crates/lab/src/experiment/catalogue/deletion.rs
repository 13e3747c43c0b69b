//! What deleting leaves behind, and what gives memory back.

use tophash_gomap::{GoType, Heap};
use tophash_memory::ByteSize;

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::{Rig, key};
use crate::experiment::{Experiment, Model};

type Measured = Result<Vec<Measurement>, ExperimentError>;

const FULL: &str = "bytes of a map with 180,000 entries";
const DELETED: &str = "share of them that deleting every entry leaves";
const STILL_LINKED: &str = "share of overflow buckets that deleting leaves linked";
const REBUILT_AFTER: &str = "share left by a map made for len(m) after deleting";
const REBUILT_BEFORE: &str = "share left by a map made for len(m) before deleting";
const RANGED: &str = "share left by a loop that deletes every key in range";
const RANGED_LINKED: &str = "share of overflow buckets that such a loop leaves linked";
const REFILLED: &str = "share in use once it is filled again";
const COPIED: &str = "share left by a copy of the twentieth that stays";
const DROPPED: &str = "share left when nothing refers to the map";

pub(super) static DELETE_MEMORY: Experiment = Experiment {
    name: "delete-memory",
    question: "What gives a map's memory back?",
    method: "The live heap after each way to empty a map of 180,000 entries, as a share of the full \
             map.",
    claims: &[
        Claim {
            row: "delete-keeps",
            says: "delete empties slots and keeps the buckets.",
            figure: "",
            bounds: &[Bound::between(DELETED, 0.99, 1.01)],
            verdict: Verdict::Holds,
            because: "nothing of a map that was emptied key by key goes back.",
        },
        Claim {
            row: "delete-frees-overflow",
            says: "delete frees overflow buckets that become empty.",
            figure: "",
            bounds: &[Bound::at_most(STILL_LINKED, 0.9)],
            verdict: Verdict::DoesNotHold,
            because: "every overflow bucket stays linked; the runtime has no code to free one.",
        },
        Claim {
            row: "rebuild-after",
            says: "Deleting in a loop and then making the map anew for len(m) frees it.",
            figure: "",
            bounds: &[Bound::at_most(REBUILT_AFTER, 0.001)],
            verdict: Verdict::Holds,
            because: "only because len(m) is 0 by then: the loop itself does nothing for it.",
        },
        Claim {
            row: "rebuild-before",
            says: "So does making it anew for len(m) at once.",
            figure: "",
            bounds: &[Bound::at_most(REBUILT_BEFORE, 0.5)],
            verdict: Verdict::DoesNotHold,
            because: "a map for as many entries takes as much: the order matters.",
        },
        Claim {
            row: "range-delete-keeps",
            says: "A loop that deletes every key keeps the main array.",
            figure: "",
            bounds: &[Bound::between(RANGED, 0.9, 1.01)],
            verdict: Verdict::Holds,
            because: "the compiler turns it into a clear, which zeroes arrays and keeps them.",
        },
        Claim {
            row: "range-delete-unlinks",
            says: "It lets go of overflow buckets.",
            figure: "",
            bounds: &[Bound::exactly(RANGED_LINKED, 0.0)],
            verdict: Verdict::On(Versions::Classic),
            because: "a few percent of the map, here; Swiss maps have none.",
        },
        Claim {
            row: "old-overflow-leaks",
            says: "Overflow buckets that the collector can't reach leak.",
            figure: "",
            bounds: &[Bound::at_least(REFILLED, 1.05), Bound::at_least(DROPPED, 0.01)],
            verdict: Verdict::DoesNotHold,
            because: "what can't be reached is freed: a map that was cleared and filled again takes \
                      what it took before.",
        },
    ],
    quantities: &[
        Quantity::within(0.02, 0.0, FULL, "bytes"),
        Quantity::within(0.0, 0.005, DELETED, ""),
        Quantity::exact(STILL_LINKED, "").on(Versions::Classic),
        Quantity::within(0.0, 0.001, REBUILT_AFTER, ""),
        Quantity::within(0.0, 0.03, REBUILT_BEFORE, ""),
        Quantity::within(0.0, 0.03, RANGED, ""),
        Quantity::exact(RANGED_LINKED, "").on(Versions::Classic),
        Quantity::within(0.0, 0.03, REFILLED, ""),
        Quantity::within(0.0, 0.01, COPIED, ""),
        Quantity::real(DROPPED, "").expected(&[(Versions::All, 0.0, 0.001)]),
    ],
    model: Model::Runs(delete_memory),
    program: include_str!("../../../experiments/delete-memory.go"),
};

fn delete_memory(release: &GoRelease) -> Measured {
    const N: u64 = 180_000;
    let mut rig = Rig::filled(release, N, 0)?;
    let full = rig.live();
    let mut measured = vec![Measurement::of(FULL, full)];
    let linked = if release.is_classic() { rig.linked()? } else { 0 };
    (0..N).try_for_each(|i| rig.delete(key(i)).map(|_| ()))?;
    measured.push(Measurement::of(DELETED, rig.live() / full));
    if release.is_classic() {
        measured.push(Measurement::of(STILL_LINKED, rig.linked()? as f64 / linked as f64));
    }
    let made = |n| Ok::<_, ExperimentError>(Rig::ints(release, n)?.live() / full);
    measured.push(Measurement::of(REBUILT_AFTER, made(0)?));
    measured.push(Measurement::of(REBUILT_BEFORE, made(N)?));

    let mut rig = Rig::filled(release, N, 0)?;
    let full = rig.live();
    rig.map.clear(&mut rig.heap);
    measured.push(Measurement::of(RANGED, rig.live() / full));
    if release.is_classic() {
        measured.push(Measurement::of(RANGED_LINKED, rig.linked()? as f64 / linked as f64));
    }
    rig.fill(0..N)?;
    measured.push(Measurement::of(REFILLED, rig.live() / full));
    let copy = Rig::filled(release, N / 20, N / 20)?;
    measured.push(Measurement::of(COPIED, copy.live() / full));
    Ok(measured)
}

const AMID: &str = "mark of an entry deleted amid others, one bucket or group";
const LAST: &str = "mark of the last entry deleted, one bucket or group";
const KEY_STAYS: &str = "its key is still in the slot";
const ELEM_STAYS: &str = "its elem is still in the slot";
const POINTER_STAYS: &str = "a deleted key with pointers is still in the slot";
const FULL_GROUP: &str = "mark of an entry deleted from a full group";
const ROOMY_GROUP: &str = "mark of an entry deleted from a group with room";

pub(super) static DELETE_MARKS: Experiment = Experiment {
    name: "delete-marks",
    question: "What does delete write into the slot and its mark?",
    method: "Hash tops or control bytes, keys and values are read after deletes: from a map of one \
             full bucket or group, and from groups of a table with and without room.",
    claims: &[
        Claim {
            row: "empty-one",
            says: "delete sets the slot's hash top to 1, empty.",
            figure: "0x01",
            bounds: &[Bound::exactly(AMID, 1.0), Bound::exactly(LAST, 1.0)],
            verdict: Verdict::PartlyOn(Versions::Classic),
            because: "to 0, and those before it, too, where nothing follows in the chain.",
        },
        Claim {
            row: "always-tombstone",
            says: "delete leaves a tombstone that takes room until the map grows.",
            figure: "0xFE",
            bounds: &[Bound::exactly(FULL_GROUP, 254.0), Bound::exactly(ROOMY_GROUP, 254.0)],
            verdict: Verdict::PartlyOn(Versions::Swiss),
            because: "only in a full group; where a group has room, a probe ends there anyhow, and \
                      the slot is free again (0x80).",
        },
        Claim {
            row: "key-zeroed",
            says: "delete zeroes key and value.",
            figure: "",
            bounds: &[Bound::exactly(KEY_STAYS, 0.0), Bound::exactly(ELEM_STAYS, 0.0)],
            verdict: Verdict::Partly,
            because: "the value always; a key only if it holds pointers.",
        },
    ],
    quantities: &[
        Quantity::exact(AMID, ""),
        Quantity::exact(KEY_STAYS, ""),
        Quantity::exact(ELEM_STAYS, ""),
        Quantity::exact(LAST, ""),
        Quantity::exact(POINTER_STAYS, ""),
        Quantity::exact(FULL_GROUP, "").on(Versions::Swiss),
        Quantity::exact(ROOMY_GROUP, "").on(Versions::Swiss),
    ],
    model: Model::Runs(delete_marks),
    program: include_str!("../../../experiments/delete-marks.go"),
};

fn delete_marks(release: &GoRelease) -> Measured {
    const FIRST: u64 = 0x1122_3344_5566_7700;
    const ELEM: u64 = 77;
    let mut rig = Rig::ints(release, 0)?;
    for i in 0..8_u64 {
        let (key, elem) = ((FIRST + i).to_le_bytes(), ELEM.to_le_bytes());
        rig.map.insert(&mut rig.heap, &key, &elem)?;
    }
    let shape = *rig.map.map_type().shape();
    let at = rig.first_group()?;
    let mark = |rig: &Rig, slot: u64| f64::from(rig.byte(at + ByteSize::new(slot)));
    let is = |rig: &Rig, offset: u64, stride: u64, slot: u64, word: u64| {
        let there = rig.arena().word(at + ByteSize::new(offset + slot * stride));
        f64::from(u8::from(there == word))
    };
    rig.delete(FIRST + 3)?;
    let mut measured = vec![
        Measurement::of(AMID, mark(&rig, 3)),
        Measurement::of(KEY_STAYS, is(&rig, shape.keys_offset, shape.key_stride, 3, FIRST + 3)),
        Measurement::of(ELEM_STAYS, is(&rig, shape.elems_offset, shape.elem_stride, 3, ELEM)),
    ];
    rig.delete(FIRST + 7)?;
    measured.push(Measurement::of(LAST, mark(&rig, 7)));

    // A string's bytes lie in the same arena.
    let mut texts = Rig::of(release, GoType::String, GoType::Integer(8), 0, 1)?;
    let text =
        tophash_gomap::Request { piece: tophash_gomap::Piece::Text(1), size: 1, is_noscan: true };
    let data = texts.heap.allocate(text)?;
    let name = (u128::from(data.get()) | 1 << 64).to_le_bytes();
    texts.put_bytes(&name)?;
    let slot = texts.first_group()? + ByteSize::new(texts.map.map_type().shape().keys_offset);
    texts.map.delete(&mut texts.heap, &name)?;
    let stays = texts.arena().word(slot) != 0;
    measured.push(Measurement::of(POINTER_STAYS, f64::from(u8::from(stays))));
    if release.is_classic() {
        return Ok(measured);
    }

    let mut big = Rig::filled(release, 800, 800)?;
    let (mut full, mut roomy) = (None, None);
    for group in big.groups()? {
        let controls: Vec<u8> = (0..8).map(|slot| big.byte(group + ByteSize::new(slot))).collect();
        let Some(victim) = controls.iter().position(|control| *control < 0x80) else { continue };
        let found = if controls.contains(&0x80) { &mut roomy } else { &mut full };
        if found.is_none() {
            let victim = victim as u64;
            big.delete(big.arena().word(group + ByteSize::new(8 + 16 * victim)))?;
            *found = Some(f64::from(big.byte(group + ByteSize::new(victim))));
        }
    }
    for (name, found) in [(FULL_GROUP, full), (ROOMY_GROUP, roomy)] {
        let found = found.ok_or(ExperimentError::Absent { what: "group to delete from" })?;
        measured.push(Measurement::of(name, found));
    }
    Ok(measured)
}

const CAN_IMPORT: &str = "a program can import arena";
const EMPTIED: &str = "share left when every entry is deleted";
const GONE: &str = "share left when the map is dropped";

pub(super) static ARENA: Experiment = Experiment {
    name: "arena",
    question: "Can a map live in an arena that is freed as a whole?",
    method: "Real Go is asked for its arena package without an experiment switched on; then a map is \
             emptied, and dropped. The model's map lies in an arena, which is reset.",
    claims: &[
        Claim {
            row: "arena-in-go",
            says: "Go programs can put maps into arenas.",
            figure: "",
            bounds: &[Bound::exactly(CAN_IMPORT, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "the package exists from Go 1.20 on under GOEXPERIMENT=arenas alone, and makes \
                      no maps.",
        },
        Claim {
            row: "arena-reset",
            says: "Erasing entries frees nothing; only letting go of the whole does.",
            figure: "",
            bounds: &[Bound::at_least(EMPTIED, 0.99), Bound::at_most(GONE, 0.01)],
            verdict: Verdict::Holds,
            because: "so it is for an arena, and for any map: drop the map.",
        },
    ],
    quantities: &[
        Quantity::real(CAN_IMPORT, ""),
        Quantity::within(0.0, 0.005, EMPTIED, ""),
        Quantity::within(0.0, 0.005, GONE, ""),
    ],
    model: Model::Runs(|release| {
        const N: u64 = 100_000;
        let mut rig = Rig::filled(release, N, N)?;
        let full = rig.live();
        (0..N).try_for_each(|i| rig.delete(key(i)).map(|_| ()))?;
        let emptied = rig.live() / full;
        // The arena goes with the rig; a new one starts with nothing.
        let fresh = Rig::ints(release, 0)?;
        Ok(vec![Measurement::of(EMPTIED, emptied), Measurement::of(GONE, fresh.live() / full)])
    }),
    program: include_str!("../../../experiments/arena.go"),
};
