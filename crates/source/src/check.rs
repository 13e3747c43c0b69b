//! One folder: its files parsed, its packages walked over, and the rules applied.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Position, Severity};
use crate::model::package::Package;
use crate::rules::{self, Found};
use crate::source_tree::{Folder, Module, Named};
use crate::summary::View;
use crate::suppress::Suppressions;
use crate::{walk, whole};
use tophash_typecheck::{PassedOver, SourceFile};

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
    let mut texts = Texts::default();
    for path in &folder.files {
        let name = path.to_string_lossy();
        if skipped.contains(name.as_ref()) {
            continue;
        }
        announce(Some(&name));
        match tophash_typecheck::read(path) {
            Ok(text) => texts.read(&name, &text, &mut checked),
            Err(passed_over) => checked.passed_over.push(passed_over),
        }
    }
    announce(None);
    texts.check(folder.named.as_ref(), &folder.module, &mut checked);
    checked
}

/// The files of a folder, by package.
#[derive(Default)]
pub(crate) struct Texts {
    packages: BTreeMap<String, (Vec<SourceFile>, Suppressions)>,
    /// What could not be parsed in the folder, whatever package it is of.
    unread: Vec<String>,
}

impl Texts {
    /// Parses a file, and takes what is whole of it.
    pub(crate) fn read(&mut self, path: &str, text: &str, checked: &mut Checked) {
        let whole::Read { file, passed_over, unread } = whole::parse_as_far_as_whole(path, text);
        if let Some(file) = file {
            checked.files += 1;
            checked.bytes += file.bytes as u64;
            let name = file.ast.pkg_name.name.clone();
            let (files, suppressions) = self.packages.entry(name).or_default();
            suppressions.read(&file, text);
            files.push(file);
        }
        checked.passed_over.extend(passed_over);
        if !unread.is_empty() {
            self.unread.push(unread);
        }
    }

    /// Applies the rules to all packages.
    pub(crate) fn check(self, named: Option<&Named>, module: &Module, checked: &mut Checked) {
        let is_asked_for = |path: &str| named.is_none_or(|named| named.contains(path));
        for (files, mut suppressions) in self.packages.into_values() {
            let faults = std::mem::take(&mut suppressions.faults);
            checked.faults.extend(faults.into_iter().filter(|(at, _)| is_asked_for(&at.path)));
            package(&files, &suppressions, &self.unread, module, &is_asked_for, checked);
        }
    }
}

/// Applies the rules to the files of one package, and keeps what is about files that were asked for.
fn package(
    files: &[SourceFile],
    suppressions: &Suppressions,
    unread: &[String],
    module: &Module,
    is_asked_for: &dyn Fn(&str) -> bool,
    checked: &mut Checked,
) {
    checked.packages += 1;
    let package = Package::new(files);
    let facts = walk::walk(&package);
    let view = View::new(&package, &facts, module);
    for mut found in rules::all(&view) {
        if !found.finding.places().any(|at| is_asked_for(&at.path)) {
            continue;
        }
        // What is absent may stand in what could not be read.
        if let Some(map) = &found.finding.map
            && unread.iter().any(|text| has_word(text, map.held.last_name()))
        {
            found.finding.severity = Severity::Info;
            found.finding.absent.push_str(", as far as they could be read");
        }
        match suppressions.covers(&found.finding) {
            true => checked.suppressed += 1,
            false => checked.found.push(found),
        }
    }
    checked.cleaned_elsewhere.extend(facts.cleaned_elsewhere.iter().map(|name| (*name).to_owned()));
}

/// Whether a name stands in a text.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|after| after.chars().next());
        !name.is_empty() && !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}
