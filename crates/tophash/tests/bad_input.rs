//! Input that is not what it should be: each is refused in words that name the input, the fault and
//! the remedy, with exit code 3, and nothing on standard output.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use common::{folder, tophash};

/// The core and program that ship with tophash, unpacked.
struct Sample {
    core: PathBuf,
    program: PathBuf,
}

fn sample(dir: &Path) -> Sample {
    let unpack = |name: &str| {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("sample/{name}.zst"));
        let path = dir.join(name);
        fs::write(&path, zstd::decode_all(fs::File::open(packed).unwrap()).unwrap()).unwrap();
        path
    };
    Sample { core: unpack("leaky.core"), program: unpack("leaky") }
}

/// Runs `tophash inspect`, which must refuse, and checks that what it says has these parts.
fn refused(arguments: &[&Path], parts: &[&str]) {
    let mut all = vec!["inspect"];
    all.extend(arguments.iter().map(|argument| argument.to_str().unwrap()));
    let output = tophash(&all);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{all:?}: {told}");
    assert!(output.stdout.is_empty(), "{all:?} printed a report");
    assert!(told.starts_with("error: "), "{told}");
    for part in parts {
        assert!(told.contains(part), "{all:?}: {part:?} is not in: {told}");
    }
}

/// Overwrites each place that holds `from`, which must be there.
fn replace(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let places: Vec<usize> = bytes
        .windows(from.len())
        .enumerate()
        .filter(|(_, w)| *w == from)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    fs::write(path, bytes).unwrap();
}

/// A child that is ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_core_with_another_program_s_executable() {
    let (_guard, dir) = folder();
    let Sample { core, program } = sample(&dir);
    // The same program of another build: one letter of its build ID differs.
    let bytes = fs::read(&program).unwrap();
    let at = bytes.windows(4).position(|window| window == b"Go\0\0").unwrap() + 4;
    let mut other = bytes;
    other[at] ^= 1;
    let path = dir.join("other");
    fs::write(&path, other).unwrap();
    refused(
        &[&core, Path::new("--exe"), &path],
        &[path.to_str().unwrap(), "is not the executable that ran", "build ID", "--exe BIN"],
    );
}

#[test]
fn a_core_that_was_cut_off() {
    let (_guard, dir) = folder();
    let Sample { core, program } = sample(&dir);
    let bytes = fs::read(&core).unwrap();
    for (share, parts) in [
        (2, ["the core is cut off", "MiB of the program's memory is missing, from 0x"]),
        (
            100_000,
            ["is damaged: its list of segments can't be read", "cut off while it was written"],
        ),
    ] {
        fs::write(&core, &bytes[..bytes.len() / share]).unwrap();
        refused(&[&core, Path::new("--exe"), &program], &parts);
    }
}

#[test]
fn a_compressed_core_that_was_cut_off() {
    let (_guard, dir) = folder();
    let Sample { core, program } = sample(&dir);
    let packed = dir.join("cut.core.zst");
    let bytes = zstd::encode_all(&*fs::read(core).unwrap(), 1).unwrap();
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    refused(
        &[&packed, Path::new("--exe"), &program],
        &["cut.core.zst is cut off or damaged", "the core is cut off"],
    );
}

#[test]
fn a_core_without_its_executable() {
    let (_guard, dir) = folder();
    let Sample { core, program } = sample(&dir);
    fs::remove_file(program).unwrap();
    refused(&[&core], &["needs its executable", "which ran as", "--exe BIN"]);
}

#[test]
fn a_32_bit_program() {
    let (_guard, dir) = folder();
    let Sample { core, .. } = sample(&dir);
    let mut bytes = fs::read(&core).unwrap();
    // The class of an ELF file: 1 is 32 bits.
    bytes[4] = 1;
    fs::write(&core, bytes).unwrap();
    refused(&[&core], &["is a 32-bit ELF file", "tophash reads 64-bit little-endian ELF of amd64"]);
}

#[test]
fn a_program_in_c() {
    let child = Ended(Command::new("sleep").arg("600").spawn().unwrap());
    let pid = child.0.id().to_string();
    // Until it has become `sleep` it is this test, which is no Go program either.
    let parts = ["holds no Go build information", "it is not a Go program"];
    refused(&[Path::new(&pid)], &parts);
    let (_guard, dir) = folder();
    let core = dir.join("core");
    xtask::core::write_core(child.0.id(), &core).unwrap();
    refused(&[&core], &parts);
}

#[test]
fn a_program_of_a_go_release_that_does_not_exist() {
    let (_guard, dir) = folder();
    let Sample { core, program } = sample(&dir);
    for file in [&core, &program] {
        replace(file, b"go1.27.3", b"go1.99.3");
    }
    refused(
        &[&core, Path::new("--exe"), &program],
        &["no layout table for go1.99.3", "go1.27-amd64", "cargo xtask layouts --go"],
    );
}

#[test]
fn what_is_no_core_at_all() {
    let (_guard, dir) = folder();
    let Sample { program, .. } = sample(&dir);
    let text = dir.join("text");
    fs::write(&text, "goroutine 1 [running]:\n").unwrap();
    refused(&[&text], &["is not an ELF file"]);
    refused(&[&program], &["is an executable, not a core", "tophash capture PID"]);
    refused(&[&dir], &["is a directory"]);
    refused(&[&dir.join("nothing")], &["nothing", "No such file"]);
    refused(&[Path::new("4194303999")], &["4194303999"]);
}
