//! One folder: its files parsed, its packages walked over, and the rules applied.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::finding::Position;
use crate::model::package::Package;
use crate::rules::{self, Found};
use crate::source_tree::Folder;
use crate::summary::View;
use crate::suppress::Suppressions;
use crate::walk;
use tophash_typecheck::{MAX_BYTES, PassedOver, Reason, SourceFile};

/// What is known of a folder.
#[derive(Default)]
pub(crate) struct Checked {
    pub(crate) found: Vec<Found>,
    pub(crate) passed_over: Vec<PassedOver>,
    /// Comments that were to take findings back and don't.
    pub(crate) faults: Vec<(Position, String)>,
    pub(crate) suppressed: usize,
    /// Names of maps that are cleaned without their type being known.
    pub(crate) cleaned_elsewhere: BTreeSet<String>,
    pub(crate) packages: usize,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

/// Parses and checks a folder. Each file is announced before it is parsed, and `None` before the rules.
pub(crate) fn folder(
    folder: &Folder,
    skipped: &BTreeSet<String>,
    announce: &dyn Fn(Option<&str>),
) -> Checked {
    let mut checked = Checked::default();
    let mut packages: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
    for path in &folder.files {
        let name = path.to_string_lossy();
        if skipped.contains(name.as_ref()) {
            continue;
        }
        announce(Some(&name));
        match read(path, &name).and_then(|text| tophash_typecheck::parse(&name, &text)) {
            Ok(file) => {
                checked.files += 1;
                checked.bytes += file.bytes as u64;
                packages.entry(file.ast.pkg_name.name.clone()).or_default().push(file);
            }
            Err(passed_over) => checked.passed_over.push(passed_over),
        }
    }
    announce(None);
    for files in packages.into_values() {
        package(&files, folder.go, &mut checked);
    }
    checked
}

fn read(path: &Path, name: &str) -> Result<String, PassedOver> {
    let pass = |reason| PassedOver { path: name.to_owned(), line: None, reason };
    let unreadable = |fault: std::io::Error| pass(Reason::Unreadable(fault.to_string()));
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_BYTES {
        return Err(pass(Reason::TooLarge(bytes)));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| pass(Reason::NotText))
}

/// Applies the rules to the files of one package.
pub(crate) fn package(files: &[SourceFile], go: Option<(u32, u32)>, checked: &mut Checked) {
    checked.packages += 1;
    let package = Package::new(files);
    let facts = walk::walk(&package);
    let view = View::new(&package, &facts, go);
    let mut suppressions = Suppressions::read(files);
    for found in rules::all(&view) {
        match suppressions.covers(&found.finding) {
            true => checked.suppressed += 1,
            false => checked.found.push(found),
        }
    }
    checked.faults.append(&mut suppressions.faults);
    checked.cleaned_elsewhere.extend(facts.cleaned_elsewhere.iter().map(|name| (*name).to_owned()));
}
