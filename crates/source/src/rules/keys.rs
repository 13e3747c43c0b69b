//! Keys that are not found again: fresh pointers, pointers within, and NaN.

use std::collections::BTreeSet;

use tophash_typecheck::ast::Expression;
use tophash_typecheck::token::Operator;

use super::{Found, exported, finding, is_long_lived_root};
use crate::finding::{Rule, Severity};
use crate::model::package::Package;
use crate::model::place::Root;
use crate::model::render;
use crate::model::ty::{Shape, Ty};
use crate::summary::{Lifetime, View};
use crate::walk::facts::{Op, Origin};

/// Structures are looked into this deep.
const MAX_DEPTH: usize = 6;

pub(super) fn check(view: &View<'_, '_>) -> Vec<Found> {
    let mut found = Vec::new();
    for (place, summary) in &view.places {
        let inserts: Vec<_> = summary.inserts().collect();
        let fresh: Vec<_> =
            inserts.iter().filter(|op| op.key.is_some_and(is_new)).copied().collect();
        if !fresh.is_empty() {
            let message = format!(
                "{} is keyed by new pointers: no lookup finds such a key again",
                place.spell()
            );
            let mut one =
                finding(view, Rule::PointerKey, Severity::Warning, place, &fresh, message);
            one.absent = "the pointer is kept nowhere else".to_owned();
            one.fix = "use the value as the key, or a name for it".to_owned();
            found.push(Found { finding: one, exported: None });
        }
        let with_time: Vec<_> =
            inserts.iter().filter(|op| is_raw_time(view.package, op)).copied().collect();
        if !with_time.is_empty() {
            // Where entries are deleted by the key that put them in, the key is kept.
            let severity = match is_long_lived_root(place) && !summary.is_cleaned() {
                true => Severity::Warning,
                false => Severity::Info,
            };
            let message = format!(
                "{} is keyed by time.Time, which holds a pointer to its zone and a reading of the \
                 process's clock: equal times are different keys",
                place.spell()
            );
            let mut one = finding(view, Rule::PointerKey, severity, place, &with_time, message);
            one.absent = "the key is not brought into one form before".to_owned();
            one.fix = "use t.UnixNano() as the key, or t.UTC().Round(0)".to_owned();
            found.push(Found { finding: one, exported: exported(place) });
        }
        let with_pointer: Vec<_> = inserts
            .iter()
            .filter(|op| {
                op.origin >= Origin::Plain && !op.is_fresh && has_pointer(view.package, &op.key_ty)
            })
            .copied()
            .collect();
        if !with_pointer.is_empty() && is_long_lived_root(place) {
            let message = format!(
                "keys of {} are structures with a pointer in them: equal contents are different keys",
                place.spell()
            );
            let mut one =
                finding(view, Rule::PointerKey, Severity::Info, place, &with_pointer, message);
            one.absent = "what the pointer leads to is not compared".to_owned();
            one.fix = "leave the pointer out of the key, or put what identifies its target there"
                .to_owned();
            found.push(Found { finding: one, exported: exported(place) });
        }
        found.extend(nan(view, place, &inserts));
    }
    found
}

fn nan<'a>(
    view: &View<'_, 'a>,
    place: &crate::model::place::Place<'a>,
    inserts: &[&Op<'a>],
) -> Option<Found> {
    let asks: &BTreeSet<usize> = &view.facts.asks_nan;
    let floats: Vec<_> = inserts
        .iter()
        .filter(|op| op.origin >= Origin::Plain)
        .filter(|op| has_float(view.package, &op.key_ty, MAX_DEPTH))
        .filter(|op| !op.function.is_some_and(|number| asks.contains(&number)))
        .filter(|op| !op.key.is_some_and(is_made_of_whole_number))
        .copied()
        .collect();
    if floats.is_empty() {
        return None;
    }
    let severity = match place.root {
        Root::Global(_) => Severity::Warning,
        Root::Type(name) if view.lifetime(name) > Lifetime::Unknown => Severity::Warning,
        _ => Severity::Info,
    };
    let message = format!(
        "keys of {} are floating-point numbers: NaN makes a new entry each time, which no delete finds",
        place.spell()
    );
    let mut one = finding(view, Rule::NanKey, severity, place, &floats, message);
    one.absent = "no test for NaN in the functions that insert".to_owned();
    one.fix = "leave out keys for which math.IsNaN(key), or use a whole number as the key; \
               only clear(m) removes NaN"
        .to_owned();
    Some(Found { finding: one, exported: None })
}

fn is_new(key: &Expression) -> bool {
    match key {
        Expression::Operation(operation) => {
            operation.op == Operator::And
                && operation.y.is_none()
                && matches!(operation.x.as_ref(), Expression::CompositeLit(_))
        }
        Expression::Call(call) => {
            matches!(call.func.as_ref(), Expression::Ident(ident) if ident.name == "new")
        }
        _ => false,
    }
}

fn is_raw_time(package: &Package<'_>, op: &Op<'_>) -> bool {
    let is_time = matches!(package.underlying(&op.key_ty), Shape::Foreign("time", "Time"));
    let brings_into_form = |key: &Expression| {
        render::short(key).is_none_or(|text| {
            ["Truncate", "Round", "UTC", "Date(", "Unix("].iter().any(|call| text.contains(call))
        })
    };
    is_time && op.origin >= Origin::Plain && !op.key.is_none_or(brings_into_form)
}

/// Whether a structure has a pointer in it.
fn has_pointer(package: &Package<'_>, ty: &Ty<'_>) -> bool {
    let Shape::Struct(structure) = package.underlying(ty) else { return false };
    structure
        .fields
        .iter()
        .any(|field| matches!(package.underlying(&Ty::Written(&field.typ)), Shape::Pointer(_)))
}

fn has_float(package: &Package<'_>, ty: &Ty<'_>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match package.underlying(ty) {
        Shape::Name("float32" | "float64" | "complex64" | "complex128")
        | Shape::Basic("float64") => true,
        Shape::Struct(structure) => {
            structure.fields.iter().any(|field| has_float(package, &Ty::Written(&field.typ), depth))
        }
        _ => false,
    }
}

/// `float64(count)` and `math.Floor(x)`: the first can't be NaN.
fn is_made_of_whole_number(key: &Expression) -> bool {
    match key {
        Expression::Call(call) => {
            matches!(call.func.as_ref(), Expression::Ident(ident) if ident.name.starts_with("float"))
        }
        _ => false,
    }
}
