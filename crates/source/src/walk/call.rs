//! Calls: built-in functions, `sync.Map`, functions of the package, and the rest.

use tophash_typecheck::ast::{Call, Expression};

use super::Walker;
use super::expression::start;
use super::facts::{Action, Link, Origin, Stored, TimerInLoop, Use};
use crate::model::package::{MapKind, named};
use crate::model::place::{Place, RECEIVER, Root};
use crate::model::render;
use crate::model::ty::{Shape, Ty};

/// Packages that change no map that they are given, `maps` apart.
const READERS: [&str; 12] = [
    "fmt",
    "log",
    "log/slog",
    "encoding/json",
    "encoding/gob",
    "reflect",
    "maps",
    "slices",
    "sort",
    "strings",
    "errors",
    "strconv",
];

/// Packages that call a function value before they return.
const CALLERS: [&str; 9] =
    ["sort", "slices", "strings", "bytes", "maps", "path/filepath", "io/fs", "go/ast", "regexp"];

/// Methods by which a collection calls a function value for each element.
const EACH: [&str; 10] =
    ["Range", "Each", "ForEach", "Walk", "Visit", "VisitAll", "Iterate", "Ascend", "Do", "Run"];

impl<'a> Walker<'_, 'a> {
    /// Walks over a call. A function value that is called where it stands is used as is said.
    pub(super) fn visit_call(&mut self, call: &'a Call, usage: Use) {
        match call.func.as_ref() {
            Expression::FuncLit(function) => {
                self.visit_arguments(call, Use::Kept);
                self.walk_closure(&function.typ, &function.body.list, usage);
                return;
            }
            Expression::Ident(ident)
                if self.variable(&ident.name).is_none() && self.built_in(&ident.name, call) =>
            {
                return;
            }
            Expression::Selector(selector) => {
                if let Some(path) = self.package_path(&selector.x) {
                    self.foreign_call(path, &selector.sel.name, call);
                    return;
                }
                self.visit(&selector.x, Use::Kept);
                if self.map_method(&selector.x, &selector.sel.name, call) {
                    return;
                }
                if matches!(selector.sel.name.as_str(), "Lock" | "RLock") {
                    self.is_locked = true;
                }
            }
            _ => {}
        }
        match self.callee(&call.func) {
            Some(number) => self.own_call(number, call, usage),
            None => {
                if !matches!(call.func.as_ref(), Expression::Ident(_) | Expression::Selector(_)) {
                    self.visit(&call.func, Use::Direct);
                }
                let usage = self.usage_by_callee(&call.func);
                self.visit_arguments(call, usage);
                if !self.is_conversion(&call.func) {
                    call.args.iter().for_each(|argument| self.escape(argument));
                }
            }
        }
    }

    fn visit_arguments(&mut self, call: &'a Call, usage: Use) {
        for argument in &call.args {
            self.visit(argument, usage);
        }
    }

    fn is_conversion(&self, function: &Expression) -> bool {
        match function {
            Expression::Ident(ident) => {
                self.variable(&ident.name).is_none()
                    && self.package.types.contains_key(ident.name.as_str())
            }
            _ => false,
        }
    }

    /// When a method that is not known calls the function values that it is given.
    fn usage_by_callee(&self, function: &'a Expression) -> Use {
        let Expression::Selector(selector) = function else { return Use::Kept };
        let base = self.value(&selector.x).ty;
        let is_once = matches!(base.shape(), Shape::Foreign("sync", "Once"))
            || matches!(selector.x.as_ref(), Expression::Selector(inner) if inner.sel.name.ends_with("nce"))
            || matches!(selector.x.as_ref(), Expression::Ident(inner) if inner.name.ends_with("nce"));
        match selector.sel.name.as_str() {
            "Do" if is_once => Use::Once,
            name if EACH.contains(&name) => Use::Direct,
            _ => Use::Kept,
        }
    }

    /// Notes what the language's own functions do.
    fn built_in(&mut self, name: &str, call: &'a Call) -> bool {
        match (name, call.args.as_slice()) {
            ("delete", [map, key]) => {
                self.visit_arguments(call, Use::Kept);
                let value = self.value(map);
                match value.place {
                    Some(place) => {
                        self.note(place, Action::Delete, map, Some(key), value.is_fresh);
                    }
                    None => self.note_cleaned_elsewhere(map),
                }
                true
            }
            ("clear", [map]) => {
                self.visit_arguments(call, Use::Kept);
                let value = self.value(map);
                match value.place {
                    Some(place) => self.note(place, Action::Clear, map, None, value.is_fresh),
                    None => self.note_cleaned_elsewhere(map),
                }
                true
            }
            ("len" | "cap" | "print" | "println" | "panic" | "min" | "max" | "make" | "new", _) => {
                self.visit_arguments(call, Use::Kept);
                true
            }
            _ => false,
        }
    }

    fn note_cleaned_elsewhere(&mut self, map: &'a Expression) {
        if let Expression::Selector(selector) = map {
            self.facts.cleaned_elsewhere.insert(&selector.sel.name);
        }
    }

    /// Notes what functions of other packages do.
    fn foreign_call(&mut self, path: &str, name: &str, call: &'a Call) {
        let usage = match (path, name) {
            ("sync", "OnceFunc" | "OnceValue" | "OnceValues") => Use::Once,
            (path, _) if CALLERS.contains(&path) => Use::Direct,
            _ => Use::Kept,
        };
        self.visit_arguments(call, usage);
        match (path, name, call.args.as_slice()) {
            ("maps" | "golang.org/x/exp/maps", "DeleteFunc" | "Clear", [map, ..]) => {
                let value = self.value(map);
                match value.place {
                    Some(place) => self.note(place, Action::Clear, map, None, value.is_fresh),
                    None => self.note_cleaned_elsewhere(map),
                }
            }
            ("maps" | "golang.org/x/exp/maps", "Copy" | "Insert", [map, ..]) => {
                let value = self.value(map);
                if let Some(place) = value.place {
                    let stored = Action::Insert(Stored::Other);
                    self.note(place, stored, map, None, value.is_fresh);
                }
            }
            ("math", "IsNaN", _) => self.facts.asks_nan.extend(self.function),
            ("runtime", "GC", _) | ("runtime/debug", "FreeOSMemory", _) => self.collects = true,
            // Tickers are never stopped, whatever becomes of the select.
            ("time", "Tick", _) if self.loops.len() > self.frames.last().map_or(0, |f| f.loops) => {
                let spot = self.spot(start(&call.func));
                let call = format!("{}(…)", render::shown(&call.func));
                self.facts.timers.push(TimerInLoop { spot, call, is_short: false });
            }
            (path, ..) if READERS.contains(&path) => {}
            _ => call.args.iter().for_each(|argument| self.escape(argument)),
        }
    }

    /// Notes what methods of `sync.Map` do.
    fn map_method(&mut self, base: &'a Expression, name: &str, call: &'a Call) -> bool {
        let value = self.value(base);
        let is_sync = matches!(self.package.map_kind(&value.ty), Some(MapKind::Sync));
        let is_method = matches!(
            name,
            "Load"
                | "Store"
                | "LoadOrStore"
                | "Swap"
                | "CompareAndSwap"
                | "Delete"
                | "LoadAndDelete"
                | "CompareAndDelete"
                | "Clear"
                | "Range"
        );
        let place = match (is_sync, named(&value.ty)) {
            (true, _) => value.place.clone(),
            (false, Some(ty)) if is_method && !self.package.has_method(ty, name) => {
                self.package.embeds_sync_map(ty)
            }
            _ => None,
        };
        let Some(place) = place else {
            // Of a map that is out of reach, by its name alone.
            if matches!(name, "Delete" | "LoadAndDelete" | "Clear") && value.ty.is_unknown() {
                self.note_cleaned_elsewhere(base);
            }
            return false;
        };
        self.visit_arguments(call, Use::Direct);
        let action = match name {
            "Store" | "LoadOrStore" | "Swap" => {
                let stored = call.args.get(1).map_or(Stored::Other, |value| self.stored(value));
                Action::Insert(stored)
            }
            "Delete" | "LoadAndDelete" | "CompareAndDelete" => Action::Delete,
            "Clear" => Action::Clear,
            _ => return true,
        };
        let key = call.args.first();
        let key_ty = key.map_or(Ty::Unknown, |key| self.value(key).ty);
        let origin = key.map_or(Origin::Plain, |key| self.origin(&place, key, &key_ty));
        self.note(place, action, base, key, value.is_fresh);
        if let Some(op) = self.facts.ops.last_mut() {
            op.origin = origin;
            op.key_ty = key_ty;
            // It is made for several goroutines at once.
            op.is_locked = true;
        }
        true
    }

    /// Follows maps into functions of the package.
    fn own_call(&mut self, number: usize, call: &'a Call, usage: Use) {
        self.note_caller(number, usage != Use::Goroutine);
        if let Expression::Selector(selector) = call.func.as_ref() {
            self.link(number, RECEIVER, &selector.x);
        }
        let is_once = self.package.functions.get(number).is_some_and(|function| {
            function.name() == "Do" && function.receiver.is_some_and(|(_, ty)| ty == "Once")
        });
        self.visit_arguments(call, if is_once { Use::Once } else { Use::Kept });
        for (index, argument) in call.args.iter().enumerate() {
            self.link(number, index, argument);
        }
    }

    fn link(&mut self, function: usize, index: usize, argument: &'a Expression) {
        let argument = match argument {
            Expression::Operation(operation) if operation.y.is_none() => &operation.x,
            other => other,
        };
        let value = self.value(argument);
        if let Some(argument) = value.place
            && self.package.map_kind(&value.ty).is_some()
        {
            let parameter = Place::new(Root::Parameter { function, index });
            self.facts.links.push(Link { parameter, argument });
        }
    }
}
