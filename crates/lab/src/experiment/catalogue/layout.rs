//! What headers, buckets and groups look like.

use std::sync::Arc;

use tophash_gomap::{GoType, MapLayout, SLOTS, StructField};
use tophash_memory::ByteSize;

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::{INT, Rig, process_hash};
use crate::experiment::{Experiment, Model};

type Measured = Result<Vec<Measurement>, ExperimentError>;

pub(super) static HEADER_SIZE: Experiment = Experiment {
    name: "header-size",
    question: "How large is a map's header, and what is first in it?",
    method: "Real Go makes 1,000 empty maps and counts bytes and objects; it then reads the first \
             word of a map of five entries.",
    claims: &[
        Claim {
            row: "header-56",
            says: "The header of a map takes 56 bytes.",
            figure: "56 B",
            bounds: &[Bound::exactly("header", 56.0)],
            verdict: Verdict::DoesNotHold,
            because: "48 bytes in both designs; the 56 leave out a field of the classic header and \
                      count others twice.",
        },
        Claim {
            row: "count-first",
            says: "The number of entries is the header's first field.",
            figure: "",
            bounds: &[Bound::exactly("first word of a map of five", 5.0)],
            verdict: Verdict::Holds,
            because: "len(m) reads the first word; that does not make reads safe beside writes.",
        },
    ],
    quantities: &[
        Quantity::exact("header", "bytes"),
        Quantity::exact("objects of a map never written", "objects"),
        Quantity::exact("first word of a map of five", ""),
    ],
    model: Model::Runs(|release| {
        let empty = Rig::ints(release, 0)?;
        let (bytes, objects) = empty.made();
        let five = Rig::filled(release, 5, 0)?;
        let first = five.arena().word(five.map.header());
        Ok(vec![
            Measurement::of("header", bytes),
            Measurement::of("objects of a map never written", objects),
            Measurement::of("first word of a map of five", first as f64),
        ])
    }),
    program: include_str!("../../../experiments/header-size.go"),
};

pub(super) static BUCKET_LAYOUT: Experiment = Experiment {
    name: "bucket-layout",
    question: "What is in a bucket or group, and how is it aligned?",
    method: "Real Go reads sizes from the map's type descriptor, and looks for one key and elem in \
             the map's first bucket or group.",
    claims: &[
        Claim {
            row: "bucket-of-eight",
            says: "A bucket holds eight hash tops, eight keys, eight values and a pointer to an \
                   overflow bucket.",
            figure: "144 B for map[int]int",
            bounds: &[
                Bound::exactly("bucket or group of map[int]int", 144.0),
                Bound::exactly("place of the first elem", 72.0),
            ],
            verdict: Verdict::On(Versions::Classic),
            because: "a Swiss group is a control word and eight slots of a key and an elem each; \
                      nothing is chained to it.",
        },
        Claim {
            row: "bucket-aligned-16",
            says: "Buckets are aligned to 16 bytes, with padding before the keys.",
            figure: "16 B",
            bounds: &[
                Bound::exactly("its alignment", 16.0),
                Bound::exactly("place of the first key", 16.0),
            ],
            verdict: Verdict::DoesNotHold,
            because: "alignment is 8, and keys follow the eight tops or control bytes at once.",
        },
        Claim {
            row: "entry-24",
            says: "A struct of one int as key and four ints as value take 24 bytes together.",
            figure: "24 B",
            bounds: &[Bound::exactly("an entry of that", 24.0)],
            verdict: Verdict::DoesNotHold,
            because: "8 and 32 bytes are 40.",
        },
    ],
    quantities: &[
        Quantity::exact("bucket or group of map[int]int", "bytes"),
        Quantity::exact("its alignment", "bytes"),
        Quantity::exact("bucket or group of map[struct{ X int }][4]int", "bytes"),
        Quantity::exact("an entry of that", "bytes"),
        Quantity::exact("place of the first key", "bytes"),
        Quantity::exact("place of the first elem", "bytes"),
    ],
    model: Model::Runs(|release| {
        let ints = release.shape(&INT, &INT);
        let (key, elem) = (structure(&[("X", INT)]), GoType::Array(4, Arc::new(INT)));
        let wide = release.shape(&key, &elem);
        Ok(vec![
            Measurement::of("bucket or group of map[int]int", ints.group_size as f64),
            // A control word, hash tops and pointers are words.
            Measurement::of("its alignment", GoType::Pointer.align() as f64),
            Measurement::of(
                "bucket or group of map[struct{ X int }][4]int",
                wide.group_size as f64,
            ),
            Measurement::of("an entry of that", (key.size() + elem.size()) as f64),
            Measurement::of("place of the first key", ints.keys_offset as f64),
            Measurement::of("place of the first elem", ints.elems_offset as f64),
        ])
    }),
    program: include_str!("../../../experiments/bucket-layout.go"),
};

const BY_ELEM: &str = "objects of an insert, by elem size";
const BY_KEY: &str = "objects of an insert, by key size";

pub(super) static INLINE_LIMIT: Experiment = Experiment {
    name: "inline-limit",
    question: "Up to what size do keys and values lie in the map itself?",
    method: "Seven inserts in a map that has its first bucket or group; the objects that they \
             allocate, for keys and values of several sizes.",
    claims: &[
        Claim {
            row: "inline-128",
            says: "Values of more than 128 bytes go to the heap.",
            figure: "128 B",
            bounds: &[
                Bound::exactly(BY_ELEM, 0.0).point(128),
                Bound::exactly(BY_ELEM, 1.0).point(129),
                Bound::exactly(BY_KEY, 0.0).point(128),
                Bound::exactly(BY_KEY, 1.0).point(129),
            ],
            verdict: Verdict::Holds,
            because: "one object for each larger key or value, wherever the map itself lies; the \
                      limit is one of slots, and has nothing to do with stack frames.",
        },
        Claim {
            row: "key-pointers",
            says: "Buckets hold pointers to keys.",
            figure: "",
            bounds: &[Bound::exactly(BY_KEY, 1.0).point(64)],
            verdict: Verdict::DoesNotHold,
            because: "keys of up to 128 bytes lie in the bucket or group itself.",
        },
        Claim {
            row: "inline-any",
            says: "A map[int]T stores its values inline, whatever their size.",
            figure: "",
            bounds: &[
                Bound::exactly(BY_ELEM, 0.0).point(64),
                Bound::exactly(BY_ELEM, 0.0).point(1024),
            ],
            verdict: Verdict::Partly,
            because: "up to 128 bytes; beyond, a slot holds a pointer.",
        },
    ],
    quantities: &[Quantity::exact(BY_ELEM, "objects"), Quantity::exact(BY_KEY, "objects")],
    model: Model::Runs(|release| {
        let bytes = |size| GoType::Array(size, Arc::new(GoType::Integer(1)));
        let mut measured = Vec::new();
        for size in [8, 64, 128, 129, 256, 1024] {
            let mut rig = Rig::of(release, INT, bytes(size), 0, 1)?;
            measured.push((BY_ELEM, size, objects_of_inserts(&mut rig, 8)?));
        }
        for size in [64, 128, 129, 256] {
            let mut rig = Rig::of(release, bytes(size), INT, 0, 1)?;
            measured.push((BY_KEY, size, objects_of_inserts(&mut rig, size as usize)?));
        }
        Ok(measured.into_iter().map(|(name, at, value)| Measurement::at(name, at, value)).collect())
    }),
    program: include_str!("../../../experiments/inline-limit.go"),
};

fn objects_of_inserts(rig: &mut Rig, key_size: usize) -> Result<f64, ExperimentError> {
    let mut key = vec![0; key_size];
    rig.put_bytes(&key)?;
    let (_, before) = rig.made();
    for i in 1..8 {
        if let Some(first) = key.first_mut() {
            *first = i;
        }
        rig.put_bytes(&key)?;
    }
    let (_, after) = rig.made();
    Ok((after - before) / 7.0)
}

const LOW_B: &str = "share of keys whose low B bits name their bucket";
const TOP_BYTE: &str = "share of keys whose top byte is their hash top";
const TOP_BITS: &str = "share of keys whose top bits name their table";
const LOW_SEVEN: &str = "share of keys whose low seven bits are their control byte";
const LOW_FIVE: &str = "share of keys whose low five bits name their bucket or group";

pub(super) static HASH_BITS: Experiment = Experiment {
    name: "hash-bits",
    question: "Which bits of a key's hash say where it goes?",
    method: "6,000 keys; the hash of each, by the type's own hash function and the map's seed, \
             against the place where it lies.",
    claims: &[
        Claim {
            row: "low-five-bits",
            says: "The low five bits of the hash choose the bucket.",
            figure: "5 bits",
            bounds: &[Bound::at_least(LOW_FIVE, 0.99)],
            verdict: Verdict::DoesNotHold,
            because: "classic maps of 2^B buckets take the low B bits; Swiss maps the top bits for \
                      the table, and the upper 57 for the place in it.",
        },
        Claim {
            row: "low-b-bits",
            says: "The low B bits choose the bucket, and the top byte marks the slot.",
            figure: "",
            bounds: &[Bound::exactly(LOW_B, 1.0), Bound::exactly(TOP_BYTE, 1.0)],
            verdict: Verdict::On(Versions::Classic),
            because: "in Swiss maps it is the other way round: the low seven bits mark the slot.",
        },
    ],
    quantities: &[
        Quantity::exact(LOW_B, "").on(Versions::Classic),
        Quantity::exact(TOP_BYTE, "").on(Versions::Classic),
        Quantity::exact(TOP_BITS, "").on(Versions::Swiss),
        Quantity::exact(LOW_SEVEN, "").on(Versions::Swiss),
        Quantity::within(0.0, 0.02, LOW_FIVE, ""),
    ],
    model: Model::Runs(hash_bits),
    program: include_str!("../../../experiments/hash-bits.go"),
};

/// Tops below this are marks.
const LEAST_TOP: u8 = 5;
/// Control bytes from this on are marks.
const NO_ENTRY: u8 = 0x80;

fn hash_bits(release: &GoRelease) -> Measured {
    const N: u64 = 6000;
    let rig = Rig::filled(release, N, N)?;
    let hash = process_hash().ok_or(ExperimentError::Absent { what: "hash" })?;
    let (mut place, mut five, mut mark) = (0_u64, 0_u64, 0_u64);
    let offset = |group, offset| group + ByteSize::new(offset);
    if release.is_classic() {
        let header = rig.classic()?;
        let mask = (1_u64 << header.log2) - 1;
        for (bucket, chain) in rig.chains()?.iter().enumerate() {
            for at in chain {
                for slot in 0..SLOTS {
                    let top = rig.byte(offset(*at, slot));
                    if top < LEAST_TOP {
                        continue;
                    }
                    let key = rig.arena().word(offset(*at, 8 + 8 * slot));
                    let code = hash.word_8(key, header.seed.into());
                    let wanted = (code >> 56) as u8;
                    let wanted = if wanted < LEAST_TOP { wanted + LEAST_TOP } else { wanted };
                    place += u64::from(code & mask == bucket as u64);
                    five += u64::from(code & 31 == bucket as u64);
                    mark += u64::from(wanted == top);
                }
            }
        }
    } else {
        let header = rig.swiss()?;
        let MapLayout::Swiss(layout) = release.layout() else { return Ok(Vec::new()) };
        for index in 0..header.directory_len {
            let entry = |index| rig.arena().word(offset(header.directory, 8 * index));
            let table = entry(index);
            if index > 0 && entry(index - 1) == table {
                continue;
            }
            let at = tophash_memory::Address::new(table);
            let groups = tophash_memory::Address::new(rig.arena().word(layout.table_groups.of(at)));
            let mask = rig.arena().word(layout.table_length_mask.of(at));
            for group in 0..=mask {
                let start = offset(groups, group * rig.map.map_type().shape().group_size);
                for slot in 0..SLOTS {
                    let control = rig.byte(offset(start, slot));
                    if control >= NO_ENTRY {
                        continue;
                    }
                    let key = rig.arena().word(offset(start, 8 + 16 * slot));
                    let code = hash.word_8(key, header.seed);
                    let top = match header.global_depth {
                        0 => 0,
                        depth => code >> (64 - depth),
                    };
                    place += u64::from(entry(top) == table);
                    five += u64::from(code & 31 == group);
                    mark += u64::from((code & 0x7f) as u8 == control);
                }
            }
        }
    }
    let share = |count: u64| count as f64 / N as f64;
    let [place_name, mark_name] =
        if release.is_classic() { [LOW_B, TOP_BYTE] } else { [TOP_BITS, LOW_SEVEN] };
    Ok(vec![
        Measurement::of(place_name, share(place)),
        Measurement::of(mark_name, share(mark)),
        Measurement::of(LOW_FIVE, share(five)),
    ])
}

pub(super) static POINTER_BYTES: Experiment = Experiment {
    name: "pointer-bytes",
    question: "Up to where does the collector look into a value?",
    method: "Real Go reads PtrBytes from the type descriptor.",
    claims: &[
        Claim {
            row: "pointer-kinds",
            says: "Strings, slices and pointers hold pointers, integers don't.",
            figure: "",
            bounds: &[
                Bound::exactly("pointer bytes of int", 0.0),
                Bound::at_least("pointer bytes of string", 8.0),
                Bound::at_least("pointer bytes of []byte", 8.0),
                Bound::at_least("pointer bytes of *int", 8.0),
            ],
            verdict: Verdict::Holds,
            because: "channels, functions, maps and interfaces do, too.",
        },
        Claim {
            row: "pointer-range",
            says: "A type records the range [offset, offset + size) that is to be scanned.",
            figure: "",
            bounds: &[Bound::exactly("pointer bytes of struct{ string; *int; int }", 32.0)],
            verdict: Verdict::DoesNotHold,
            because: "one length counts, from the start to behind the last pointer: 24 of 32 bytes.",
        },
    ],
    quantities: &[
        Quantity::exact("pointer bytes of int", "bytes"),
        Quantity::exact("pointer bytes of string", "bytes"),
        Quantity::exact("pointer bytes of []byte", "bytes"),
        Quantity::exact("pointer bytes of *int", "bytes"),
        Quantity::exact("pointer bytes of chan int", "bytes"),
        Quantity::exact("pointer bytes of func()", "bytes"),
        Quantity::exact("pointer bytes of map[int]int", "bytes"),
        Quantity::exact("pointer bytes of [2]any", "bytes"),
        Quantity::exact("pointer bytes of struct{ string; *int; int }", "bytes"),
        Quantity::exact("size of that", "bytes"),
    ],
    model: Model::Runs(|_| {
        let any = GoType::Interface { has_methods: false };
        let config = structure(&[("Name", GoType::String), ("Limit", GoType::Pointer), ("N", INT)]);
        let pointers = |ty: &GoType| ty.pointer_bytes() as f64;
        Ok(vec![
            Measurement::of("pointer bytes of int", pointers(&INT)),
            Measurement::of("pointer bytes of string", pointers(&GoType::String)),
            Measurement::of("pointer bytes of []byte", pointers(&GoType::Slice)),
            Measurement::of("pointer bytes of *int", pointers(&GoType::Pointer)),
            Measurement::of("pointer bytes of chan int", pointers(&GoType::Pointer)),
            Measurement::of("pointer bytes of func()", pointers(&GoType::Reference)),
            Measurement::of("pointer bytes of map[int]int", pointers(&GoType::Reference)),
            Measurement::of("pointer bytes of [2]any", pointers(&GoType::Array(2, Arc::new(any)))),
            Measurement::of("pointer bytes of struct{ string; *int; int }", pointers(&config)),
            Measurement::of("size of that", config.size() as f64),
        ])
    }),
    program: include_str!("../../../experiments/pointer-bytes.go"),
};

fn structure(fields: &[(&str, GoType)]) -> GoType {
    let field = |(name, ty): &(&str, GoType)| StructField { name: (*name).into(), ty: ty.clone() };
    GoType::Struct(fields.iter().map(field).collect())
}
