//! The rules, and what they share.

mod delete_skipped;
mod emptying;
mod keys;
mod locals;
mod pairs;
mod remembered;
mod timers;
mod unbounded;

use crate::finding::{Evidence, Finding, Position, Rule, Severity};
use crate::identity::{CodeLines, Held, MapIdentity};
use crate::model::package::Function;
use crate::model::place::{Place, Root};
use crate::model::render;
use crate::model::ty::Ty;
use crate::summary::View;
use crate::walk::facts::{Op, Origin, Spot};

/// A finding shows this many places at most.
const MAX_EVIDENCE: usize = 6;

/// A map's identity has this many insertions at most: generated code can have thousands.
const MAX_LINES: usize = 64;

/// A finding, and the name by which other packages may clean its map.
pub(crate) struct Found {
    pub(crate) finding: Finding,
    /// Set for maps that other packages can reach.
    pub(crate) exported: Option<String>,
}

/// Applies every rule to a package.
pub(crate) fn all(view: &View<'_, '_>) -> Vec<Found> {
    let mut found = Vec::new();
    // A map that a sharper rule has named is not named again.
    let mut named = std::collections::BTreeSet::new();
    for rule in [
        delete_skipped::check,
        pairs::nil_for_delete,
        pairs::half_cleaned,
        remembered::check,
        unbounded::locks,
        unbounded::maps,
        locals::check,
    ] {
        for (place, one) in rule(view) {
            if named.insert(place) {
                found.push(one);
            }
        }
    }
    found.extend(keys::check(view));
    found.extend(emptying::check(view));
    found.extend(timers::check(view));
    found
}

/// Turns a spot into lines and columns.
fn position(view: &View<'_, '_>, spot: Spot) -> Position {
    match view.package.files.get(spot.file) {
        Some(file) => {
            let (line, column) = file.line_column(spot.at);
            Position { path: file.path.clone(), line, column }
        }
        None => Position { path: String::new(), line: 1, column: 1 },
    }
}

/// Where a map is declared, or where it is first used.
fn declared_at(view: &View<'_, '_>, place: &Place<'_>, ops: &[&Op<'_>]) -> Position {
    let spot = match place.root {
        Root::Global(name) => {
            view.package.variables.get(name).map(|found| Spot { file: found.file, at: found.at })
        }
        Root::Type(name) => view.package.types.get(name).and_then(|(file, spec)| {
            let structure = view.package.structure(&Ty::Written(&spec.typ))?;
            let first = place.fields.first()?;
            let field = structure.fields.iter().find_map(|field| {
                field.name.iter().find(|ident| ident.name == *first).map(|ident| ident.pos)
            });
            Some(Spot { file: *file, at: field.unwrap_or(spec.name.pos) })
        }),
        Root::Local { file, at, .. } => Some(Spot { file, at }),
        Root::Parameter { .. } => None,
    };
    let spot = spot.or_else(|| ops.first().map(|op| op.spot));
    position(view, spot.unwrap_or(Spot { file: 0, at: 0 }))
}

/// Says what stands at each of some insertions.
fn evidence(view: &View<'_, '_>, ops: &[&Op<'_>], verb: &str) -> Vec<Evidence> {
    let mut list: Vec<Evidence> = ops
        .iter()
        .map(|op| {
            let function = op.function.and_then(|number| view.package.functions.get(number));
            let within =
                function.map_or(String::new(), |function| format!(" in {}", function.spell()));
            let what = match op.key {
                Some(key) => format!("{verb} [{}]{within}", render::shown(key)),
                None => format!("{verb}{within}"),
            };
            Evidence { at: position(view, op.spot), what }
        })
        .collect();
    list.sort_by(|a, b| a.at.cmp(&b.at));
    list.dedup();
    list.truncate(MAX_EVIDENCE);
    list
}

/// How keys are spoken of.
fn keys(origin: Origin) -> Option<&'static str> {
    match origin {
        Origin::Request => Some("requests or users"),
        Origin::Connection => Some("connections"),
        Origin::Address => Some("network addresses"),
        Origin::Time => Some("times"),
        Origin::Pointer => Some("pointers"),
        _ => None,
    }
}

/// The name by which other packages could reach the map.
fn exported(place: &Place<'_>) -> Option<String> {
    place.last_name().filter(|name| name.starts_with(char::is_uppercase)).map(str::to_owned)
}

/// Whether a map belongs to a variable or type of the package.
fn is_long_lived_root(place: &Place<'_>) -> bool {
    matches!(place.root, Root::Global(_) | Root::Type(_))
}

/// Spells a map type for people.
fn type_name(view: &View<'_, '_>, place: &Place<'_>) -> String {
    match view.type_of(place) {
        Ty::Written(ty) => render::shown(ty),
        _ => "map".to_owned(),
    }
}

/// How many files of the package were read.
fn read_files(view: &View<'_, '_>) -> String {
    match view.package.files.len() {
        1 => "the package's only file".to_owned(),
        files => format!("the package's {files} files"),
    }
}

fn finding(
    view: &View<'_, '_>,
    rule: Rule,
    severity: Severity,
    place: &Place<'_>,
    ops: &[&Op<'_>],
    message: String,
) -> Finding {
    let origin = ops.iter().map(|op| op.origin).max().unwrap_or(Origin::Plain);
    Finding {
        rule,
        severity,
        subject: place.spell(),
        at: declared_at(view, place, ops),
        message,
        evidence: evidence(view, ops, "insert"),
        absent: format!("no delete, clear or reassignment of it in {}", read_files(view)),
        fix: String::new(),
        keys: keys(origin),
        import_path: view.import_path.map(str::to_owned),
        map: identity(view, place),
    }
}

/// Names a map as programs and profiles know it.
fn identity(view: &View<'_, '_>, place: &Place<'_>) -> Option<MapIdentity> {
    let fields = place.fields.join(".");
    let spell = |number: usize| view.package.functions.get(number).map(Function::spell);
    let summary = view.places.get(place);
    let held = match place.root {
        Root::Global(name) if fields.is_empty() => Held::Variable { name: name.to_owned() },
        Root::Global(name) => Held::Variable { name: format!("{name}.{fields}") },
        Root::Type(name) => Held::Field { of: name.to_owned(), name: fields },
        Root::Local { name, .. } => {
            let function = summary.and_then(|summary| summary.ops.first()?.function);
            Held::Local { function: function.and_then(spell), name: name.to_owned() }
        }
        Root::Parameter { .. } => return None,
    };
    let lines = |spot: Spot, end: usize, function: Option<usize>| {
        let at = position(view, spot);
        let last = position(view, Spot { at: end.max(spot.at), ..spot }).line;
        let function = function.and_then(spell);
        CodeLines { last_line: last.max(at.line), at, function }
    };
    let sorted = |mut list: Vec<CodeLines>| {
        list.sort();
        list.dedup();
        list.truncate(MAX_LINES);
        list
    };
    let inserts = summary.into_iter().flat_map(|summary| summary.inserts());
    let makes = view.makes.get(place).into_iter().flatten();
    Some(MapIdentity {
        import_path: view.import_path.map(str::to_owned),
        folder: view.folder.map(str::to_owned),
        package: view.package.name().to_owned(),
        held,
        ty: match view.type_of(place) {
            Ty::Written(ty) => render::short(ty),
            _ => None,
        },
        inserts: sorted(inserts.map(|op| lines(op.spot, op.end, op.function)).collect()),
        makes: sorted(makes.map(|make| lines(make.spot, make.end, make.function)).collect()),
    })
}
