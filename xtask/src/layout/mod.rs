//! Layout tables: where each Go release puts the fields of its runtime.
//!
//! For every release, and every experiment that changes layouts, the program
//! in `fixtures/layout` is built with debug information and symbols, and what
//! those say is written to `crates/goruntime/layouts`. The tables are data
//! that the readers load; nothing in them is typed by hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use self::table::Table;
use crate::paths;
use crate::toolchain::{self, Release, Toolchain, run};

mod dwarf;
mod table;
mod wanted;

const ARCH: &str = "amd64";

/// The arrays that hold the runtime's size classes, newest name first.
const SIZE_CLASSES: [&str; 2] = ["internal/runtime/gc.SizeClassToSize", "runtime.class_to_size"];

const WAIT_REASONS: &str = "runtime.waitReasonStrings";

/// The longest text of a wait reason that is believed.
const LONGEST_REASON: u64 = 128;

/// Writes the tables of `releases`.
///
/// # Errors
///
/// When a toolchain is missing and cannot be installed, or cannot build the
/// program, or what it built cannot be understood.
pub fn write(releases: &[Release]) -> Result<()> {
    let dir = tables();
    fs::create_dir_all(&dir)?;
    for (name, table) in generate(releases)? {
        fs::write(dir.join(&name), table.to_text())?;
        eprintln!("{name}: {}", summary(&table));
    }
    Ok(())
}

/// Makes the tables of `releases` anew and lists how they differ from the
/// files in the tree; an empty list means that all are as they should be.
///
/// # Errors
///
/// As for [`write()`], and when a file in the tree cannot be read at all.
pub fn check(releases: &[Release]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (name, fresh) in generate(releases)? {
        let path = tables().join(&name);
        if !path.exists() {
            found.push(format!("{name}: missing"));
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let kept: Table =
            serde_json::from_str(&text).with_context(|| format!("{name} is not a table"))?;
        let differences = kept.differences(&fresh);
        if differences.is_empty() && text != fresh.to_text() {
            found.push(format!("{name}: same table, written differently"));
        }
        found.extend(differences.iter().map(|difference| format!("{name}: {difference}")));
    }
    Ok(found)
}

fn tables() -> PathBuf {
    paths::workspace().join("crates/goruntime/layouts")
}

fn summary(table: &Table) -> String {
    format!(
        "{} structs, {} constants, {} size classes, {} wait reasons",
        table.structs.len(),
        table.constants.len(),
        table.size_classes.len(),
        table.wait_reasons.len()
    )
}

fn generate(releases: &[Release]) -> Result<Vec<(String, Table)>> {
    let mut made = Vec::new();
    for release in releases {
        let toolchain = toolchain::ensure(release.version)?;
        for experiment in std::iter::once(&"").chain(release.experiments) {
            let table = generate_one(&toolchain, experiment)
                .with_context(|| format!("no table for Go {} {experiment}", release.version))?;
            made.push((Table::file_name(release.language(), ARCH, experiment), table));
        }
    }
    Ok(made)
}

fn generate_one(toolchain: &Toolchain, experiment: &str) -> Result<Table> {
    let dir = tempfile::tempdir()?;
    let program = dir.path().join("layout");
    run(toolchain
        .go(&paths::workspace().join("fixtures/layout"), experiment)
        .args(["build", "-trimpath", "-o"])
        .arg(&program)
        .arg("."))?;
    let bytes = fs::read(&program)?;
    let file = object::File::parse(bytes.as_slice())?;
    let described =
        dwarf::read(&file, |name| wanted::struct_name(name).is_some(), wanted::wants_constant)?;
    let structs = described
        .structs
        .into_iter()
        .filter_map(|(name, layout)| Some((wanted::struct_name(&name)?.to_owned(), layout)))
        .collect();
    let mut constants = described.constants;
    if let Some(offset) = arena_base_offset(toolchain.goroot())? {
        constants.insert("runtime.arenaBaseOffset".into(), offset);
    }
    Ok(Table {
        go: toolchain.full_version()?,
        arch: ARCH.into(),
        experiment: experiment.into(),
        structs,
        constants,
        size_classes: size_classes(&file)?,
        wait_reasons: wait_reasons(&file)?,
    })
}

/// The constant that does not fit an `int`, which is why the compiler leaves
/// it out of the debug information: taken from the runtime's source.
fn arena_base_offset(goroot: &Path) -> Result<Option<i64>> {
    let source = fs::read_to_string(goroot.join("src/runtime/malloc.go"))?;
    let value = source.lines().find_map(|line| {
        let value = line.trim().strip_prefix("arenaBaseOffset = 0x")?;
        u64::from_str_radix(value.split_once("*goarch.IsAmd64")?.0, 16).ok()
    });
    Ok(value.map(u64::cast_signed))
}

fn size_classes(file: &object::File<'_>) -> Result<Vec<u64>> {
    let found = SIZE_CLASSES.iter().find_map(|name| symbol(file, name));
    let bytes = found.context("no symbol of the size classes")?;
    let classes = bytes.chunks_exact(2).map(|pair| u64::from(u16_at(pair))).collect::<Vec<_>>();
    ensure!(classes.first() == Some(&0), "the size classes do not start with 0");
    ensure!(classes.is_sorted(), "the size classes are not in order");
    Ok(classes)
}

fn wait_reasons(file: &object::File<'_>) -> Result<Vec<String>> {
    let headers = symbol(file, WAIT_REASONS).context("no symbol of the wait reasons")?;
    let mut reasons = Vec::new();
    for header in headers.chunks_exact(16) {
        let (start, len) = header.split_at(8);
        let (start, len) = (u64_at(start), u64_at(len));
        ensure!(len <= LONGEST_REASON, "a wait reason of {len} bytes");
        let text = match len {
            0 => &[][..],
            _ => bytes_at(file, start, len).context("a wait reason lies in no section")?,
        };
        reasons.push(std::str::from_utf8(text)?.to_owned());
    }
    ensure!(reasons.iter().any(|reason| reason == "chan receive"), "unlikely wait reasons");
    Ok(reasons)
}

/// The bytes of a named symbol.
fn symbol<'data>(file: &object::File<'data>, name: &str) -> Option<&'data [u8]> {
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok(name))?;
    bytes_at(file, symbol.address(), symbol.size())
}

fn bytes_at<'data>(file: &object::File<'data>, address: u64, len: u64) -> Option<&'data [u8]> {
    file.sections()
        .filter(|section| section.address() != 0)
        .find_map(|section| section.data_range(address, len).ok().flatten())
}

fn u16_at(bytes: &[u8]) -> u16 {
    bytes.first_chunk().copied().map_or(0, u16::from_le_bytes)
}

fn u64_at(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_le_bytes)
}
