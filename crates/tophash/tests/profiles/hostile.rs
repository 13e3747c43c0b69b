//! Profiles made to do harm: refused by name, or shown, within a bound of memory that is measured.
//!
//! Ids can't form cycles: samples name locations, these name functions, and those only strings.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use xtask::measure::{Usage, run_only_child};

use crate::oracle::{text, told, tophash};

/// The most that a command may have in use at once: 320 MiB, and 32 times the length of the file.
/// 64 MiB of it are for the program and the bytes that are being read.
fn most_kib(file: &Path) -> u64 {
    (320 << 10) + 32 * fs::metadata(file).unwrap().len() / 1024
}

/// Names the file that the process of [`one_file`] shows, and where it writes what that took.
const FILE: &str = "TOPHASH_TEST_HOSTILE";
const MIB: usize = 1 << 20;

/// Two types, and the empty string.
const TYPES: [u8; 8] = [0x0a, 2, 8, 0, 0x32, 0, 0x60, 1];

/// Not a test by itself: the process in which [`confront`] runs the command as the only child.
#[test]
fn one_file() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let file = PathBuf::from(file);
    let arguments = fs::read_to_string(file.with_extension("arguments")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
    command
        .arg("profile")
        .arg(&file)
        .args(arguments.lines())
        .stdout(File::create(file.with_extension("out")).unwrap())
        .stderr(File::create(file.with_extension("told")).unwrap());
    let usage = run_only_child(&mut command).unwrap();
    fs::write(file.with_extension("usage"), serde_json::to_vec(&usage).unwrap()).unwrap();
}

/// Shows a file in a process of its own; returns what that took, and what was said.
fn confront(file: &Path, arguments: &[&str]) -> (Usage, String) {
    fs::write(file.with_extension("arguments"), arguments.join("\n")).unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::one_file"])
        .env(FILE, file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", told(&done));
    let usage: Usage =
        serde_json::from_slice(&fs::read(file.with_extension("usage")).unwrap()).unwrap();
    let said = fs::read_to_string(file.with_extension("told")).unwrap();
    eprintln!(
        "{} {arguments:?}: {} KiB of {} bytes; {}",
        file.file_stem().unwrap().display(),
        usage.peak_kib,
        fs::metadata(file).unwrap().len(),
        said.trim()
    );
    assert!(usage.peak_kib <= most_kib(file), "{}: {} KiB", file.display(), usage.peak_kib);
    (usage, said)
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// A start, and then one piece over and over, each in a gzip member of its own.
fn repeated(dir: &Path, name: &str, start: &[u8], piece: &[u8], times: usize) -> PathBuf {
    let file = dir.join(name).with_extension("gz");
    let mut out = File::create(&file).unwrap();
    out.write_all(&packed(start)).unwrap();
    let piece = packed(piece);
    for _ in 0..times {
        out.write_all(&piece).unwrap();
    }
    file
}

/// A field with a length.
fn part(field: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    let mut len = body.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(body);
    out
}

/// An unknown field that can't be compressed, so that a file is not far smaller than what it holds.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as u8
    };
    let body: Vec<u8> = std::iter::repeat_with(&mut random).take(len).collect();
    let mut out = part(16, &body);
    // The number of field 16 takes a byte more than those of known ones.
    out.insert(1, 1);
    out
}

#[test]
fn bombs_are_refused_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let of = |entry: &[u8]| entry.repeat(MIB / entry.len());
    // As hollow as can be, and with as much noise as gets them past a look at the ratio.
    let with_noise = |entry: &[u8]| [noise(8 << 10), of(entry)].concat();
    let string = part(6, b"");
    let location = part(4, b"");
    let sample = part(2, &part(2, &[0; 8]));
    let label = part(3, &[0x18, 1]);
    for (name, entry, times) in [
        ("zeros", &[0, 0][..], 4096),
        ("a billion strings", &string, 2048),
        ("locations", &location, 2048),
        ("samples", &sample, 2048),
        ("labels", &part(2, &label.repeat(1000)), 2048),
        ("comments", &part(13, &[0; 100]), 2048),
        ("types", &part(1, b""), 2048),
    ] {
        let bomb = repeated(dir, name, &TYPES, &of(entry), times);
        let (usage, said) = confront(&bomb, &[]);
        let is_named =
            ["expands more than", "more than 32 times its size"].iter().any(|w| said.contains(w));
        assert!(!usage.is_success && is_named, "{name}: {said}");
        let patient = repeated(dir, name, &TYPES, &with_noise(entry), 1024);
        let (usage, said) = confront(&patient, &["--max-size", "512MiB"]);
        let is_named =
            ["more than 32 times its size", "more than 512MB"].iter().any(|w| said.contains(w));
        assert!(!usage.is_success && is_named, "{name}: {said}");
        fs::remove_file(patient).unwrap();
    }
}

#[test]
fn claims_beyond_what_is_there_cost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let largest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let least = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
    let sample = |value: &[u8]| part(2, &part(2, value));
    for (name, bytes, word) in [
        ("an entry of 32 GB", vec![0x32, 0xff, 0xff, 0xff, 0xff, 0x7f], "one of its entries has"),
        ("an entry of 60 MB", vec![0x32, 0x80, 0x8e, 0xce, 0x1c], "cut off"),
        (
            "counts of 2^63, added up",
            [sample(&largest), sample(&largest)].concat(),
            "more than 2^63",
        ),
        ("a count of -2^63", sample(&least), "more than 2^63"),
        ("a location that is not there", part(2, &[0x0a, 1, 9, 0x12, 1, 1]), "location 9 is not"),
        ("a location twice", [part(4, &[8, 1]), part(4, &[8, 1])].concat(), "location 1 is there"),
        ("ids at the end of numbers", part(4, &[8, 1, 0x22, 2, 8, 9]), "function 9 is not"),
    ] {
        let bytes = [&TYPES[..], &bytes].concat();
        for (ending, bytes) in [("gz", packed(&bytes)), ("pb", bytes)] {
            let file = folder.path().join(name).with_extension(ending);
            fs::write(&file, bytes).unwrap();
            let (usage, said) = confront(&file, &[]);
            assert!(!usage.is_success && said.contains(word), "{name}: {said}");
            assert!(usage.peak_kib < 32 << 10, "{name}: {} KiB", usage.peak_kib);
        }
    }
}

/// A stack of a million calls, each of another function: no view recurses.
#[test]
fn a_stack_of_a_million_calls_is_shown_in_every_way() {
    const CALLS: u64 = 1_000_000;
    let folder = tempfile::tempdir().unwrap();
    let number = |mut value: u64| {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    };
    let mut bytes = TYPES.to_vec();
    let stack: Vec<u8> = (1..=CALLS).flat_map(number).collect();
    bytes.extend(part(2, &[part(1, &stack), part(2, &[1])].concat()));
    for id in 1..=CALLS {
        let id_field = [vec![8], number(id)].concat();
        bytes.extend(part(4, &[&id_field[..], &part(4, &id_field)].concat()));
        bytes.extend(part(5, &[&id_field[..], &[0x10], &number(id)].concat()));
    }
    for id in 1..=CALLS {
        bytes.extend(part(6, format!("f{id}").as_bytes()));
    }
    let file = folder.path().join("deep.pb");
    fs::write(&file, bytes).unwrap();
    let out = folder.path().join("written");
    for view in [
        &["--top", "10"][..],
        &["--tree", "--top", "10"],
        &["--dot"],
        &["--folded"],
        &["--peek", "^f77$"],
        &["--list", "^f77$"],
        &["--flame", text(&out)],
        &["--html", text(&out)],
        &["--speedscope", text(&out)],
        &["--proto", text(&out)],
        &["--show-from", "^f500000$"],
        &["--focus", "^f500000$", "--hide", "^f7"],
        &["--base", text(&file)],
    ] {
        let done: Output = tophash(&[&[text(&file)], view].concat());
        assert!(done.status.success(), "{view:?}: {}", told(&done));
    }
}
