//! Maps that take entries and never lose any, and maps of locks among them.

use tophash_typecheck::ast::FuncType;

use super::{Found, exported, finding, is_long_lived_root, keys, type_name};
use crate::finding::{Rule, Severity};
use crate::model::package::MapKind;
use crate::model::place::{Place, Root};
use crate::model::ty::{Shape, Ty};
use crate::model::words::{begins_with, words};
use crate::summary::{Lifetime, Summary, View};
use crate::walk::facts::{Action, Op, Origin, Stored};
use crate::walk::takes_what_comes_in;

/// Functions whose names begin with these words set things up, once for each thing that the program has.
const REGISTERS: [&str; 18] = [
    "register",
    "must register",
    "define",
    "declare",
    "install",
    "mount",
    "publish",
    "add flag",
    "add command",
    "configure",
    "start",
    "init",
    "initialize",
    "setup",
    "set up",
    "load",
    "provision",
    "parse",
];

/// Maps that only grow, by the places of their insertions.
pub(super) fn candidates<'v, 'a>(
    view: &'v View<'_, 'a>,
) -> impl Iterator<Item = (&'v Place<'a>, &'v Summary<'a>, Vec<&'v Op<'a>>)> {
    view.places
        .iter()
        .filter(|(place, summary)| {
            is_long_lived_root(place) && !summary.is_cleaned() && !view.is_measured(place)
        })
        .filter_map(|(place, summary)| {
            let growth: Vec<_> = summary.inserts().filter(|op| view.is_growth(op)).collect();
            (!growth.is_empty()).then_some((place, summary, growth))
        })
}

pub(super) fn lifetime(view: &View<'_, '_>, place: &Place<'_>) -> Lifetime {
    match place.root {
        Root::Global(_) => Lifetime::Process,
        Root::Type(name) if view.facts.renewed.contains(name) => Lifetime::Unknown,
        Root::Type(name) => view.lifetime(name),
        _ => Lifetime::Unknown,
    }
}

/// What speaks against a finding makes it less severe.
fn adjust(place: &Place<'_>, summary: &Summary<'_>, severity: Severity) -> Severity {
    let severity = match exported(place) {
        Some(_) => severity.lower(),
        None => severity,
    };
    match summary.has(Action::Escape) {
        true => Severity::Info,
        false => severity,
    }
}

pub(super) fn maps<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    let mut found = Vec::new();
    for (place, summary, growth) in candidates(view) {
        let lifetime = lifetime(view, place);
        let is_sync = matches!(view.package.map_kind(&view.type_of(place)), Some(MapKind::Sync));
        // A sync.Map is made for what lives long, and for more goroutines than one.
        let lifetime = match (lifetime, is_sync) {
            (Lifetime::Shared, true) => Lifetime::Server,
            (lifetime, _) => lifetime,
        };
        let Some((severity, growth)) = weigh(view, lifetime, growth) else { continue };
        let severity = adjust(place, summary, severity);
        let origin = growth.iter().map(|op| op.origin).max().unwrap_or(Origin::Plain);
        let ty = type_name(view, place);
        let from = keys(origin).map_or(String::new(), |keys| format!(", with keys from {keys},"));
        let (rule, holder) = match place.root {
            Root::Type(name) => (
                Rule::UnboundedField,
                match lifetime {
                    Lifetime::Process => {
                        format!("a field of {name}, which a package variable holds,")
                    }
                    Lifetime::Server => format!("a field of {name}, which serves,"),
                    Lifetime::Shared => format!("a field of {name}, which goroutines share,"),
                    Lifetime::Unknown => format!("a field of {name}"),
                },
            ),
            _ => (Rule::UnboundedGlobal, "a package variable".to_owned()),
        };
        let message = format!(
            "{} ({ty}), {} takes entries{from} and never loses any",
            place.spell(),
            holder.trim_end_matches(',').to_owned() + ","
        );
        let mut one = finding(view, rule, severity, place, &growth, message);
        one.fix = fix(view, place, origin);
        found.push((place.clone(), Found { finding: one, exported: exported(place) }));
    }
    found
}

/// How severe growth is, and the insertions that make it so.
fn weigh<'v, 'a>(
    view: &View<'_, 'a>,
    lifetime: Lifetime,
    growth: Vec<&'v Op<'a>>,
) -> Option<(Severity, Vec<&'v Op<'a>>)> {
    let severities: Vec<_> = growth.iter().map(|op| weigh_one(view, lifetime, op)).collect();
    let severity = severities.iter().flatten().max().copied()?;
    let ops = growth.into_iter().zip(severities).filter(|(_, one)| one.is_some());
    Some((severity, ops.map(|(op, _)| op).collect()))
}

fn weigh_one(view: &View<'_, '_>, lifetime: Lifetime, op: &Op<'_>) -> Option<Severity> {
    let is_from_outside = op.origin >= Origin::Time;
    let severity = match lifetime {
        _ if !is_from_outside && registers(view, op) => Severity::Info,
        // Nothing says that the package is part of something that serves.
        _ if !is_from_outside && !view.serves => Severity::Info,
        Lifetime::Process | Lifetime::Server => match (is_from_outside, op.is_locked) {
            (true, true) => Severity::Critical,
            (true, false) | (false, true) => Severity::Warning,
            (false, false) => Severity::Info,
        },
        Lifetime::Shared => match (is_from_outside, op.is_locked) {
            (true, true) => Severity::Warning,
            _ => Severity::Info,
        },
        Lifetime::Unknown => return None,
    };
    Some(severity)
}

/// Whether an insertion seems to happen once for each thing that the program has. What is called with each
/// request or connection does not, whatever its name.
fn registers(view: &View<'_, '_>, op: &Op<'_>) -> bool {
    let Some(function) = op.function.and_then(|number| view.package.functions.get(number)) else {
        return false;
    };
    let name = function.name();
    // What begins so registers a handler if it is given one, and handles what comes in if not.
    let is_setup = match begins_with(name, "handle") {
        true => takes_handler(&function.decl.typ),
        false => REGISTERS.iter().any(|start| begins_with(name, start)),
    };
    is_setup && !op.in_handler && !takes_what_comes_in(&function.decl.typ)
}

/// Whether a function is given another one, or something that is called a handler.
fn takes_handler(ty: &FuncType) -> bool {
    ty.params.list.iter().any(|field| match Ty::Written(&field.typ).shape() {
        Shape::Func => true,
        Shape::Name(name) | Shape::Foreign(_, name) => {
            words(name).iter().any(|word| word == "handler" || word == "func")
        }
        _ => false,
    })
}

fn fix(view: &View<'_, '_>, place: &Place<'_>, origin: Origin) -> String {
    let is_sync = matches!(view.package.map_kind(&view.type_of(place)), Some(MapKind::Sync));
    let name = place.last_name().unwrap_or("m");
    let delete = match is_sync {
        true => format!("{name}.Delete(key)"),
        false => format!("delete({name}, key)"),
    };
    match origin {
        Origin::Connection => format!("call {delete} where the connection is closed"),
        Origin::Request => format!(
            "call {delete} when the request or session is over, or keep a limit or an expiry"
        ),
        Origin::Address => {
            format!("keep a limit or an expiry, and {delete} what has not been seen for a while")
        }
        Origin::Time => format!("{delete} what is older than is needed"),
        Origin::Pointer => {
            format!("call {delete} when the object is done with; the map keeps it alive")
        }
        _ => format!("call {delete} when the entry is no longer needed, or keep a limit"),
    }
}

/// Maps of locks: there the fix differs, since a lock may only go while nobody waits for it.
pub(super) fn locks<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    let mut found = Vec::new();
    for (place, summary, growth) in candidates(view) {
        let holds_locks = growth.iter().any(|op| op.action == Action::Insert(Stored::Lock))
            || is_map_of_locks(view, place);
        if !holds_locks {
            continue;
        }
        let origin = growth.iter().map(|op| op.origin).max().unwrap_or(Origin::Plain);
        let is_reached = growth.iter().any(|op| op.is_locked);
        let severity = match (lifetime(view, place), origin >= Origin::Time) {
            (Lifetime::Process | Lifetime::Server, true) => Severity::Critical,
            (Lifetime::Unknown, _) if !is_reached => Severity::Info,
            _ => Severity::Warning,
        };
        let severity = adjust(place, summary, severity);
        let message = format!(
            "{} ({}) keeps a lock for each key that was ever locked",
            place.spell(),
            type_name(view, place)
        );
        let mut one = finding(view, Rule::LockPerKey, severity, place, &growth, message);
        one.fix = "count who holds or waits for each lock, and delete the entry when the count \
                   falls to zero; or take one of a fixed number of locks, by a hash of the key"
            .to_owned();
        found.push((place.clone(), Found { finding: one, exported: exported(place) }));
    }
    found
}

fn is_map_of_locks(view: &View<'_, '_>, place: &Place<'_>) -> bool {
    let Some(MapKind::Plain(_, elem)) = view.package.map_kind(&view.type_of(place)) else {
        return false;
    };
    let elem = match elem.shape() {
        Shape::Pointer(to) => to,
        _ => elem,
    };
    matches!(elem.shape(), Shape::Foreign("sync", "Mutex" | "RWMutex"))
}
