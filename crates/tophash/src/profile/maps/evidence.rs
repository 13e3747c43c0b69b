//! What is asked beside the profile: source files, the executable, a report of an inspection.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tophash_gomap::GoSource;
use tophash_goruntime::{CallTarget, GoVersion, call_targets};
use tophash_memory::{Address, Target};
use tophash_profile::Profile;

use super::names::GoPackage;
use super::source_line::{self, LineFacts};
use crate::profile::source;

/// Files of one package that are read, and bytes of all of them.
const MAX_FILES: usize = 2000;
const MAX_BYTES: usize = 64 << 20;
/// The longest report of an inspection.
const MAX_REPORT: u64 = 1 << 30;

/// Packages that were read, by their folder.
pub(super) struct Sources<'s> {
    folders: &'s [PathBuf],
    packages: RefCell<HashMap<PathBuf, GoPackage>>,
    /// Where a recorded path was found.
    found: RefCell<HashMap<String, Option<PathBuf>>>,
}

impl<'s> Sources<'s> {
    pub(super) fn new(folders: &'s [PathBuf]) -> Self {
        Self { folders, packages: RefCell::default(), found: RefCell::default() }
    }

    /// Reads what a line does, with the types of its package; `None` where the file is not here, or has
    /// no such line.
    pub(super) fn line(&self, file: &str, line: u32) -> Option<(LineFacts, Rc<GoSource>)> {
        let path = self.find(file)?;
        let folder = path.parent()?.to_owned();
        let mut packages = self.packages.borrow_mut();
        let package = packages.entry(folder).or_insert_with_key(|folder| read_package(folder));
        let name = path.file_name()?.to_str()?;
        let facts = source_line::read(package, package.files.get(name)?, line)?;
        Some((facts, package.layouts.clone()))
    }

    fn find(&self, file: &str) -> Option<PathBuf> {
        if !file.ends_with(".go") {
            return None;
        }
        if let Some(known) = self.found.borrow().get(file) {
            return known.clone();
        }
        let path = source::find(file, self.folders).ok();
        self.found.borrow_mut().insert(file.to_owned(), path.clone());
        path
    }

    /// Tells whether any file that the profile names was found.
    pub(super) fn found_any(&self) -> bool {
        self.found.borrow().values().any(Option::is_some)
    }
}

fn read_package(folder: &Path) -> GoPackage {
    let mut package = GoPackage::default();
    let Ok(entries) = std::fs::read_dir(folder) else { return package };
    let mut paths: Vec<PathBuf> = entries.flatten().take(MAX_FILES).map(|e| e.path()).collect();
    paths.sort();
    let mut left = MAX_BYTES;
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.ends_with(".go") || name.ends_with("_test.go") {
            continue;
        }
        let is_small = std::fs::metadata(&path)
            .is_ok_and(|about| about.is_file() && about.len() <= left as u64);
        if !is_small {
            continue;
        }
        if let Ok(bytes) = std::fs::read(&path) {
            left = left.saturating_sub(bytes.len());
            package.add(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
    package
}

/// What the program's code calls, by the addresses of a profile.
pub(super) struct Code {
    pub(super) version: GoVersion,
    calls: HashMap<u64, CallTarget>,
}

impl Code {
    /// Reads the calls at the innermost addresses of a profile in the executable that wrote it.
    pub(super) fn read(path: &Path, profile: &Profile) -> Result<Self> {
        let target = Target::open_executable(path)?;
        check_build(&target, path, profile)?;
        let bias = match target.executable().is_position_independent() {
            true => load_bias(&target, profile),
            false => 0,
        };
        let mut addresses: Vec<u64> = profile
            .samples()
            .filter_map(|sample| sample.frames().next())
            .map(|frame| frame.address)
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let inside: Vec<Address> =
            addresses.iter().map(|at| Address::new(at.wrapping_sub(bias))).collect();
        let (version, found) = call_targets(&target, &inside)
            .with_context(|| format!("the calls of {} can't be read", path.display()))?;
        if found.len() * 2 < inside.len() {
            bail!(
                "only {} of the profile's {} addresses are those of calls in {}: it is another program, \
                 or another build of it",
                found.len(),
                inside.len(),
                path.display()
            );
        }
        let calls = found.into_iter().map(|(at, call)| (at.get().wrapping_add(bias), call));
        Ok(Self { version, calls: calls.collect() })
    }

    pub(super) fn call(&self, address: u64) -> Option<&CallTarget> {
        self.calls.get(&address)
    }
}

/// Refuses an executable that is known to be another one.
fn check_build(target: &Target, path: &Path, profile: &Profile) -> Result<()> {
    let Some((_, theirs)) = profile.program() else { return Ok(()) };
    let Some(ours) = target.executable().build_id() else { return Ok(()) };
    let ours: String = ours.iter().map(|byte| format!("{byte:02x}")).collect();
    // Go's own build ID, which is longer and a text, is not what profiles hold.
    if theirs.len() == ours.len() && !theirs.eq_ignore_ascii_case(&ours) {
        bail!(
            "{} has the build ID {ours}, but the profile is of {theirs}: name the executable that ran",
            path.display()
        );
    }
    Ok(())
}

/// How far from where its file says a program was mapped.
fn load_bias(target: &Target, profile: &Profile) -> u64 {
    let Some((start, offset)) = profile.program_mapping() else { return 0 };
    let segments = target.executable().segments().iter();
    let mut holding = segments.filter(|segment| segment.file_range().contains(&(offset as usize)));
    let placed = holding.next().map(|segment| {
        let into = offset.wrapping_sub(segment.file_range().start as u64);
        segment.virtual_range.start().get().wrapping_add(into)
    });
    placed.map_or(0, |placed| start.wrapping_sub(placed))
}

/// A report of `tophash inspect --format json`, as far as it tells where maps were allocated.
#[derive(Deserialize)]
struct InspectReport {
    maps: Vec<ReportedMap>,
}

#[derive(Deserialize)]
struct ReportedMap {
    #[serde(rename = "type")]
    ty: Option<String>,
    #[serde(default)]
    entries: u64,
    #[serde(default)]
    slots: u64,
    #[serde(default)]
    own_bytes: u64,
    allocated_at: Option<Vec<ReportedFrame>>,
    #[serde(default)]
    allocated_candidates: Vec<Vec<ReportedFrame>>,
}

#[derive(Deserialize)]
struct ReportedFrame {
    function: String,
    line: Option<u32>,
}

/// The maps that were found to be allocated on one line.
#[derive(Debug, Default, Clone)]
pub(crate) struct InspectedMaps {
    pub(crate) maps: u64,
    pub(crate) entries: u64,
    pub(crate) slots: u64,
    pub(crate) own_bytes: u64,
    pub(crate) types: Vec<String>,
}

/// The maps of an inspection by the innermost call outside of the runtime.
#[derive(Default)]
pub(super) struct Inspected {
    by_line: HashMap<(String, u32), InspectedMaps>,
}

impl Inspected {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let about = std::fs::metadata(path).with_context(|| format!("{name} can't be read"))?;
        if about.len() > MAX_REPORT {
            bail!("{name} is longer than a report of an inspection gets");
        }
        let bytes = std::fs::read(path).with_context(|| format!("{name} can't be read"))?;
        let report: InspectReport = serde_json::from_slice(&bytes).with_context(|| {
            format!("{name} is no report: save one with `tophash inspect … --format json`")
        })?;
        let mut all = Self::default();
        for map in &report.maps {
            let sites = map.allocated_at.iter().chain(match map.allocated_candidates.as_slice() {
                [one] => Some(one),
                _ => None,
            });
            let Some((function, line)) = sites
                .filter_map(|stack| stack.first())
                .find_map(|frame| Some((bare(&frame.function), frame.line?)))
            else {
                continue;
            };
            let held = all.by_line.entry((function, line)).or_default();
            held.maps += 1;
            held.entries = held.entries.saturating_add(map.entries);
            held.slots = held.slots.saturating_add(map.slots);
            held.own_bytes = held.own_bytes.saturating_add(map.own_bytes);
            if let Some(ty) = &map.ty
                && !held.types.contains(ty)
            {
                held.types.push(ty.clone());
            }
        }
        if all.by_line.is_empty() {
            bail!(
                "{name} tells of no map where it was allocated: the program's own samples do, unless \
                 memory profiling is off"
            );
        }
        Ok(all)
    }

    pub(super) fn at(&self, function: &str, line: u32) -> Option<&InspectedMaps> {
        self.by_line.get(&(bare(function), line))
    }
}

/// A function's name without type arguments, which are spelled in more than one way.
fn bare(function: &str) -> String {
    match (function.find('['), function.rfind(']')) {
        (Some(start), Some(end)) if start < end => {
            format!("{}[...]{}", &function[..start], &function[end + 1..])
        }
        _ => function.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_arguments_do_not_matter() {
        assert_eq!(bare("main.set[go.shape.int64].put"), "main.set[...].put");
        assert_eq!(bare("main.f"), "main.f");
        assert_eq!(bare("main.]["), "main.][");
    }
}
