//! Damaged profiles: pprof and tophash both refuse, or both read the same.
//!
//! Two corpora. The first is drawn by hand: one fault each, of every kind that the format allows.
//! The second damages bytes at random, with fixed seeds. Where both read, both must count the same
//! (all functions, however small), and pprof must read the same in what tophash writes of it. Where
//! they part, [`Difference`] says why, and `docs/profiles.md` the same to people.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use xtask::toolchain;

use crate::oracle::{pprof, printed, raw_of_ours, same, table, text, told, tophash, written};

/// Where tophash refuses what pprof reads, by intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Sums beyond 2^63: pprof's wrap around.
    Overflow,
    /// Text that programs wrote before there was a format.
    Legacy,
    /// Two columns of one name: pprof leaves both out, and shows what is left.
    TwoColumns,
    /// Flags of gzip's header that RFC 1952 reserves, and asks to refuse: Go does not look at them.
    ReservedFlags,
}

impl Difference {
    /// What tophash says then.
    fn words(self) -> &'static str {
        match self {
            Self::Overflow => "add up to more than 2^63",
            Self::Legacy => "without debug=1",
            Self::TwoColumns => "types of values are called",
            Self::ReservedFlags => "invalid gzip header",
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    read: usize,
    refused: usize,
    differed: Vec<Difference>,
}

/// Shows a file to both.
fn confront(bytes: &[u8], name: &str, allowed: &[Difference], dir: &Path, tally: &mut Tally) {
    let file = dir.join("damaged.pb");
    fs::write(&file, bytes).unwrap();
    let file = text(&file);
    let (ours, theirs) = (
        tophash(&[file, "--top", "0"]),
        pprof(&["-top", "-nodefraction=0", "-edgefraction=0", file]),
    );
    let (our_words, their_words) = (told(&ours), told(&theirs));
    assert!(matches!(ours.status.code(), Some(0 | 3)), "{name}: {:?} {our_words}", ours.status);
    match (ours.status.success(), theirs.status.success()) {
        (false, false) => tally.refused += 1,
        (true, true) => {
            tally.read += 1;
            let (theirs, ours) = (table(&theirs), table(&ours));
            if !ours.iter().any(|line| line.contains('\u{fffd}')) {
                same(&theirs, &ours, name);
            } else {
                // Names that could give a terminal commands, or break a line, are cleaned.
                let bare = |lines: &[String]| {
                    let bare = |c: &char| !c.is_whitespace() && !c.is_control() && *c != '\u{fffd}';
                    vec![lines.concat().chars().filter(bare).collect::<String>()]
                };
                same(&bare(&theirs), &bare(&ours), name);
            }
            let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let raw = lines(printed(&pprof(&["-raw", file])));
            same(&raw, &lines(raw_of_ours(&[file], dir)), name);
        }
        (false, true) => {
            let known = allowed.iter().find(|known| our_words.contains(known.words()));
            let known = known.unwrap_or_else(|| panic!("{name}: pprof reads it; {our_words}"));
            let has_reserved = bytes.get(3).is_some_and(|flags| flags & 0xe0 != 0);
            assert!(*known != Difference::ReservedFlags || has_reserved, "{name}: {our_words}");
            tally.differed.push(*known);
        }
        (true, false) => panic!("{name}: pprof does not read it: {their_words}"),
    }
}

fn plain(file: &str) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(fs::File::open(file).unwrap()).read_to_end(&mut out).unwrap();
    out
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Numbers as the format has them.
fn number(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

/// A field that is a number.
fn value(field: u64, value: u64) -> Vec<u8> {
    [number(field << 3), number(value)].concat()
}

/// A field with a length.
fn part(field: u64, body: &[u8]) -> Vec<u8> {
    [number(field << 3 | 2), number(body.len() as u64), body.to_vec()].concat()
}

/// A small profile, drawn so that a fault can be put into any of its parts.
#[derive(Clone)]
struct Drawing {
    types: Vec<Vec<u8>>,
    samples: Vec<Vec<u8>>,
    mappings: Vec<Vec<u8>>,
    locations: Vec<Vec<u8>>,
    functions: Vec<Vec<u8>>,
    strings: Vec<&'static [u8]>,
    header: Vec<u8>,
}

impl Drawing {
    /// `main.main` calls `main.load`, into which `main.fill` is inlined.
    fn whole() -> Self {
        let line = |function, at| part(4, &[value(1, function), value(2, at)].concat());
        Self {
            types: vec![[value(1, 1), value(2, 2)].concat(), [value(1, 3), value(2, 4)].concat()],
            samples: vec![sample(&[1, 2], &[3, 96]), sample(&[2], &[1, 4096])],
            mappings: vec![
                [value(1, 1), value(2, 0x40_0000), value(3, 0x50_0000), value(5, 9)].concat(),
            ],
            locations: vec![
                [value(1, 1), value(2, 1), value(3, 0x40_1000), line(1, 7), line(2, 12)].concat(),
                [value(1, 2), value(2, 1), value(3, 0x40_2000), line(3, 30)].concat(),
            ],
            functions: (1..4)
                .map(|id| [value(1, id), value(2, 4 + id), value(3, 4 + id), value(4, 8)].concat())
                .collect(),
            strings: vec![
                b"",
                b"inuse_objects",
                b"count",
                b"inuse_space",
                b"bytes",
                b"main.fill",
                b"main.load",
                b"main.main",
                b"main.go",
                b"/bin/app",
                b"request",
                b"login",
                b"kB",
            ],
            header: [value(9, 1_700_000_000_000_000_000), value(12, 512)].concat(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let all = |number, parts: &[Vec<u8>]| {
            parts.iter().flat_map(|body| part(number, body)).collect::<Vec<_>>()
        };
        [
            all(1, &self.types),
            all(2, &self.samples),
            all(3, &self.mappings),
            all(4, &self.locations),
            all(5, &self.functions),
            self.strings.iter().flat_map(|text| part(6, text)).collect(),
            self.header.clone(),
        ]
        .concat()
    }
}

fn sample(stack: &[u64], values: &[i64]) -> Vec<u8> {
    let stack: Vec<u8> = stack.iter().flat_map(|&id| number(id)).collect();
    let values: Vec<u8> = values.iter().flat_map(|&value| number(value as u64)).collect();
    [part(1, &stack), part(2, &values)].concat()
}

fn label(key: u64, text: u64, amount: u64, unit: u64) -> Vec<u8> {
    part(3, &[value(1, key), value(2, text), value(3, amount), value(4, unit)].concat())
}

/// Each fault by its name.
fn faults() -> Vec<(&'static str, Vec<u8>)> {
    let with = |name: &'static str, change: &dyn Fn(&mut Drawing)| {
        let mut drawing = Drawing::whole();
        change(&mut drawing);
        (name, drawing.bytes())
    };
    let whole = Drawing::whole().bytes();
    let behind = |name, more: &[u8]| (name, [&whole[..], more].concat());
    let gzip = packed(&whole);
    let mut wrong_sum = gzip.clone();
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 1;
    let mut wrong_length = gzip.clone();
    let at = wrong_length.len() - 1;
    wrong_length[at] ^= 1;
    vec![
        ("nothing wrong", whole.clone()),
        ("gzipped", gzip.clone()),
        ("empty", Vec::new()),
        ("one byte", vec![0x0a]),
        ("nothing, gzipped", packed(b"")),
        ("gzipped twice", packed(&gzip)),
        ("the start of a gzip header", gzip[..2].to_vec()),
        ("a gzip header alone", gzip[..10].to_vec()),
        ("gzip without its end", gzip[..gzip.len() - 8].to_vec()),
        ("gzip without its last byte", gzip[..gzip.len() - 1].to_vec()),
        ("gzip with a wrong sum", wrong_sum),
        ("gzip with a wrong length", wrong_length),
        ("garbage behind gzip", [&gzip[..], b"garbage"].concat()),
        ("zeros behind gzip", [&gzip[..], &[0; 64]].concat()),
        ("two gzip members of one profile", [packed(&whole[..50]), packed(&whole[50..])].concat()),
        ("two gzip members, one profile each", [gzip.clone(), gzip.clone()].concat()),
        ("two profiles", [whole.clone(), whole.clone()].concat()),
        with("two profiles without a time", &|drawing| drawing.header.clear()),
        behind("garbage", b"\xff\xff\xff\xff"),
        behind("text", b"garbage"),
        behind("zeros", &[0; 8]),
        behind("an unknown number", &value(99, 7)),
        behind("an unknown part", &part(99, b"abc")),
        behind("an unknown part that is longer than what is left", &[0x9a, 0x06, 9, 1]),
        behind("field 0", &value(0, 7)),
        behind("eight bytes", &[number(98 << 3 | 1), vec![0; 8]].concat()),
        behind("eight bytes, cut off", &[number(98 << 3 | 1), vec![0; 7]].concat()),
        behind("four bytes", &[number(98 << 3 | 5), vec![0; 4]].concat()),
        behind("a group", &number(98 << 3 | 3)),
        behind("a kind of field that does not exist", &number(98 << 3 | 6)),
        behind("a known field as eight bytes", &[number(12 << 3 | 1), vec![0; 8]].concat()),
        behind("a sample that is a number", &value(2, 7)),
        behind("a string that is a number", &value(6, 7)),
        behind("a period that is a part", &part(12, b"abc")),
        behind("a number of eleven bytes", &[vec![0x60], vec![0x80; 10], vec![1]].concat()),
        behind(
            "a number of ten bytes, longer than need be",
            &[vec![0x60], vec![0x80; 9], vec![0]].concat(),
        ),
        behind(
            "a number of ten bytes beyond 2^64",
            &[vec![0x60], vec![0xff; 9], vec![0x7f]].concat(),
        ),
        behind("a second time", &value(9, 5)),
        behind("comments", &[value(13, 5), value(13, 6)].concat()),
        behind("packed comments", &part(13, &[5, 6])),
        behind("a comment that is not there", &value(13, 99)),
        behind("a page about it", &value(15, 6)),
        behind("a default type", &value(14, 1)),
        behind("a default type of another name", &value(14, 5)),
        behind("a default type that is not there", &value(14, 99)),
        behind("a negative string", &value(14, u64::MAX)),
        behind("a string beyond 2^32", &value(14, 1 << 40)),
        behind("frames to drop", &value(7, 5)),
        behind("frames to drop, all of them", &value(7, 7)),
        behind("frames to drop and to keep", &[value(7, 5), value(8, 5)].concat()),
        with("no string table", &|drawing| drawing.strings.clear()),
        with("a string table of one", &|drawing| drawing.strings.truncate(1)),
        with("a string table without its end", &|drawing| drawing.strings.truncate(8)),
        with("a first string that is not empty", &|drawing| drawing.strings[0] = b"x"),
        with("an empty string twice", &|drawing| drawing.strings[10] = b""),
        with("a name that is not UTF-8", &|drawing| drawing.strings[5] = b"main.\xff\xfefill"),
        with("a name with control characters", &|drawing| drawing.strings[5] = b"main.fi\tll"),
        with("a name that is empty", &|drawing| drawing.strings[5] = b""),
        with("two functions of one name", &|drawing| drawing.strings[5] = b"main.load"),
        with("no sample types", &|drawing| drawing.types.clear()),
        with("no samples", &|drawing| drawing.samples.clear()),
        with("no samples and no mappings", &|drawing| {
            drawing.samples.clear();
            drawing.mappings.clear();
        }),
        with("nothing but strings", &|drawing| {
            *drawing = Drawing { strings: vec![b""], ..Drawing::whole() };
            drawing.types.clear();
            drawing.samples.clear();
            drawing.mappings.clear();
            drawing.locations.clear();
            drawing.functions.clear();
        }),
        ("nothing but a time", value(9, 7)),
        with("a type of no name", &|drawing| drawing.types[0] = Vec::new()),
        with("a type of a name that is not there", &|drawing| drawing.types[0] = value(1, 99)),
        with("two types of one name", &|drawing| drawing.types[0] = drawing.types[1].clone()),
        with("two types of one name beside another", &|drawing| {
            drawing.types = [&drawing.types[..], &drawing.types[1..]].concat();
            drawing.samples = vec![sample(&[1], &[1, 96, 96])];
        }),
        with("a third type", &|drawing| drawing.types.push(value(1, 5))),
        with("a value too few", &|drawing| drawing.samples[0] = sample(&[1], &[1])),
        with("a value too many", &|drawing| drawing.samples[1] = sample(&[1], &[1, 2, 3])),
        with("no values", &|drawing| drawing.samples[1] = sample(&[1], &[])),
        with("an empty sample", &|drawing| drawing.samples.push(Vec::new())),
        with("values that are not packed", &|drawing| {
            drawing.samples[0] = [value(1, 1), value(1, 2), value(2, 3), value(2, 96)].concat();
        }),
        with("values half packed", &|drawing| {
            drawing.samples[0] = [value(2, 3), part(1, &[1]), part(2, &[96]), value(1, 2)].concat();
        }),
        with("a packed value that is cut off", &|drawing| {
            drawing.samples[0] = [part(1, &[1]), part(2, &[1, 0x80])].concat();
        }),
        with("negative values", &|drawing| drawing.samples[0] = sample(&[1, 2], &[-3, -96])),
        with("values of nothing", &|drawing| drawing.samples[0] = sample(&[1, 2], &[0, 0])),
        with("the least value", &|drawing| drawing.samples[0] = sample(&[1], &[1, i64::MIN])),
        with("the largest value, alone", &|drawing| {
            drawing.samples = vec![sample(&[1], &[1, i64::MAX])];
        }),
        with("the largest value, twice", &|drawing| {
            drawing.samples = vec![sample(&[1], &[1, i64::MAX]); 2];
        }),
        with("a stack of nothing", &|drawing| drawing.samples[0] = sample(&[], &[3, 96])),
        with("only stacks of nothing", &|drawing| drawing.samples = vec![sample(&[], &[3, 96])]),
        with("a location that is not there", &|drawing| {
            drawing.samples[0] = sample(&[9], &[3, 96])
        }),
        with("a location beyond 2^32", &|drawing| {
            drawing.samples[0] = sample(&[1 << 40], &[3, 96]);
        }),
        with("location 0", &|drawing| drawing.samples[0] = sample(&[0], &[3, 96])),
        with("ids beyond 2^32", &|drawing| {
            drawing.samples[0] = sample(&[1, u64::MAX], &[3, 96]);
            let far = [value(1, u64::MAX), value(3, 7), part(4, &value(1, 1 << 50))].concat();
            drawing.locations.push(far);
            drawing.functions.push([value(1, 1 << 50), value(2, 5)].concat());
        }),
        with("ids in no order, with gaps", &|drawing| {
            drawing.samples[0] = sample(&[700, 2], &[3, 96]);
            drawing.locations.insert(0, [value(1, 700), part(4, &value(1, 2))].concat());
        }),
        with("a location with id 0", &|drawing| drawing.locations.push(value(3, 7))),
        with("a location twice", &|drawing| drawing.locations.push(drawing.locations[0].clone())),
        with("a function with id 0", &|drawing| drawing.functions.push(value(2, 5))),
        with("a function twice", &|drawing| drawing.functions.push(drawing.functions[0].clone())),
        with("a mapping with id 0", &|drawing| drawing.mappings.push(value(2, 5))),
        with("a mapping twice", &|drawing| drawing.mappings.push(drawing.mappings[0].clone())),
        with("no mappings", &|drawing| drawing.mappings.clear()),
        with("no functions", &|drawing| drawing.functions.clear()),
        with("no locations", &|drawing| drawing.locations.clear()),
        with("a location without lines", &|drawing| {
            drawing.locations[0] = [value(1, 1), value(2, 1), value(3, 0x40_1000)].concat();
        }),
        with("locations without lines or mappings", &|drawing| {
            drawing.mappings.clear();
            for (at, location) in drawing.locations.iter_mut().enumerate() {
                *location = [value(1, at as u64 + 1), value(3, 0x40_1000)].concat();
            }
        }),
        with("a location in a mapping that is not there", &|drawing| {
            drawing.locations[0] = [value(1, 1), value(2, 5), part(4, &value(1, 1))].concat();
        }),
        with("a line of a function that is not there", &|drawing| {
            drawing.locations[0] = [value(1, 1), part(4, &value(1, 99))].concat();
        }),
        with("a line of no function", &|drawing| {
            drawing.locations[0] = [value(1, 1), part(4, &value(2, 7))].concat();
        }),
        with("columns", &|drawing| {
            let line = [value(1, 1), value(2, 7), value(3, 42)].concat();
            drawing.locations[0] = [value(1, 1), value(5, 1), part(4, &line)].concat();
        }),
        with("negative lines", &|drawing| {
            let line = [value(1, 1), value(2, u64::MAX)].concat();
            drawing.locations[0] = [value(1, 1), part(4, &line)].concat();
        }),
        with("a function of a name that is not there", &|drawing| {
            drawing.functions[0] = [value(1, 1), value(2, 99)].concat();
        }),
        with("a system name of its own", &|drawing| {
            drawing.functions[0] = [value(1, 1), value(2, 5), value(3, 6), value(5, 3)].concat();
        }),
        with("flags", &|drawing| {
            let flags = [value(7, 1), value(8, 1), value(9, 7), value(10, 1), value(6, 5)];
            drawing.mappings[0].extend(flags.concat());
        }),
        with("two mappings side by side", &|drawing| {
            let next = [value(1, 2), value(2, 0x50_0000), value(3, 0x60_0000), value(5, 9)];
            drawing.mappings.push(next.concat());
        }),
        with("a library before the program", &|drawing| {
            drawing.strings[10] = b"/lib/libc.so.6";
            let library = [value(1, 2), value(2, 0x70_0000), value(3, 0x71_0000), value(5, 10)];
            drawing.mappings.insert(0, library.concat());
        }),
        with("a mapping that ends before it starts", &|drawing| {
            drawing.mappings[0] = [value(1, 1), value(2, 0x50_0000), value(3, 7)].concat();
        }),
        with("labels", &|drawing| {
            drawing.samples[0].extend([label(10, 11, 0, 0), label(4, 0, 48, 0)].concat());
        }),
        with("labels of text and number", &|drawing| {
            drawing.samples[0].extend(label(10, 11, 48, 12));
        }),
        with("labels that say nothing", &|drawing| drawing.samples[0].extend(label(10, 0, 0, 0))),
        with("a label of 0 kB", &|drawing| drawing.samples[0].extend(label(10, 0, 0, 12))),
        with("a label of no name", &|drawing| drawing.samples[0].extend(label(0, 11, 0, 0))),
        with("an empty label", &|drawing| drawing.samples[0].extend(part(3, &[]))),
        with("labels of one name", &|drawing| {
            let labels = [label(10, 11, 0, 0), label(10, 5, 0, 0), label(10, 11, 0, 0)];
            drawing.samples[0].extend(labels.concat());
        }),
        with("numbers of one name, with and without a unit", &|drawing| {
            let labels = [label(4, 0, 48, 0), label(4, 0, 4, 12), label(4, 0, 7, 0)];
            drawing.samples[0].extend(labels.concat());
        }),
        with("a label that is not there", &|drawing| {
            drawing.samples[0].extend(label(99, 11, 0, 0))
        }),
        with("a text that is not there", &|drawing| drawing.samples[0].extend(label(10, 99, 0, 0))),
        with("a unit that is not there", &|drawing| drawing.samples[0].extend(label(10, 0, 1, 99))),
        with("the label of what was taken away", &|drawing| {
            drawing.strings[10] = b"pprof::base";
            drawing.strings[11] = b"true";
            drawing.samples[0].extend(label(10, 11, 0, 0));
        }),
        with("an expression that is none", &|drawing| {
            drawing.strings[10] = b"(";
            drawing.header.extend(value(7, 10));
        }),
        ("text", b"hello, this is no profile\n".to_vec()),
        ("a page", b"<html><body>404</body></html>\n".to_vec()),
        ("JSON", b"{\"memstats\": {}}\n".to_vec()),
    ]
}

/// What programs wrote before there was a format, and still do for `?debug=1`.
fn legacy() -> Vec<(&'static str, &'static [u8])> {
    vec![
        (
            "heap, debug=1",
            b"heap profile: 1: 96 [3: 288] @ heap/1048576\n1: 96 [3: 288] @ 0x401000 0x402000\n",
        ),
        (
            "goroutine, debug=1",
            b"goroutine profile: total 2\n2 @ 0x401000 0x402000\n#\t0x1\tmain\n",
        ),
        ("threadcreate, debug=1", b"threadcreate profile: total 1\n1 @ 0x401000\n"),
        (
            "mutex, debug=1",
            b"--- mutex:\ncycles/second=2000\nsampling period=1\n10 2 @ 0x401000 0x402000\n",
        ),
    ]
}

#[test]
fn every_fault_that_is_drawn_is_judged_as_pprof_judges_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut tally = Tally::default();
    let all = faults();
    for (name, bytes) in &all {
        let allowed: &[_] = match *name {
            "the largest value, twice" | "the least value" => &[Difference::Overflow],
            "two types of one name beside another" => &[Difference::TwoColumns],
            _ => &[],
        };
        confront(bytes, name, allowed, dir, &mut tally);
    }
    for (name, bytes) in legacy() {
        confront(bytes, name, &[Difference::Legacy], dir, &mut tally);
        confront(&packed(bytes), name, &[Difference::Legacy], dir, &mut tally);
    }
    tally.differed.sort();
    let overflows = tally.differed.iter().filter(|&&d| d == Difference::Overflow).count();
    assert_eq!((overflows, tally.differed.len()), (2, 2 + 8 + 1), "{tally:?}");
    assert!(tally.read > 40 && tally.refused > 40, "{tally:?}");
}

/// Numbers that look random and are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below.max(1)
    }
}

#[test]
fn random_damage_is_judged_as_pprof_judges_it() {
    let written = written("1.27", "");
    let rounds = if toolchain::is_wide() { 2_000 } else { 150 };
    let mut tally = Tally::default();
    for (seed, kind) in (1..).zip(["heap", "goroutine", "cpu", "block"]) {
        let mut random = Random(seed);
        let whole = plain(&written.file(kind));
        for round in 0..rounds {
            let mut bytes = whole.clone();
            let at = random.below(bytes.len());
            match round % 6 {
                0 => bytes.truncate(at),
                1 => bytes[at] = random.below(256) as u8,
                2 => bytes[at] ^= 1 << random.below(8),
                3 => drop(bytes.drain(at..(at + 1 + random.below(4)).min(whole.len()))),
                4 => {
                    // A piece of it once more, where it does not belong.
                    let from = random.below(whole.len());
                    let piece = &whole[from..(from + random.below(40)).min(whole.len())];
                    drop(bytes.splice(at..at, piece.iter().copied()));
                }
                _ => {
                    bytes = packed(&bytes);
                    let at = random.below(bytes.len());
                    bytes[at] ^= 1 << random.below(8);
                }
            }
            let name = format!("{kind}, round {round}");
            let allowed = [Difference::Overflow, Difference::ReservedFlags];
            confront(&bytes, &name, &allowed, written.dir(), &mut tally);
        }
    }
    let all = 4 * rounds;
    eprintln!(
        "{} read, {} refused, {} refused by tophash alone",
        tally.read,
        tally.refused,
        tally.differed.len()
    );
    assert!(tally.read > all / 10 && tally.refused > all / 10, "{tally:?}");
}
