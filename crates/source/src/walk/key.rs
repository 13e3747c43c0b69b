//! Where the keys of a map come from.

use tophash_typecheck::ast::{Call, Element, Expression};
use tophash_typecheck::token::LitKind;

use super::facts::Origin;
use super::{Source, Walker, is_connection, is_request};
use crate::model::place::{Place, Root};
use crate::model::render;
use crate::model::ty::{Shape, Ty};
use crate::model::words::words;

/// Variables are followed back to what they were made of this often, and expressions this deep.
const MAX_STEPS: usize = 12;

/// No more parts of a key are looked at, variables that it is made of included.
const MAX_PARTS: usize = 400;

/// Words in names of what there is one of for each request or user.
const REQUEST_WORDS: [&str; 17] = [
    "session",
    "cookie",
    "request",
    "req",
    "nonce",
    "uuid",
    "guid",
    "trace",
    "idempotency",
    "user",
    "username",
    "tenant",
    "customer",
    "visitor",
    "correlation",
    "ticket",
    "jti",
];
/// The same in names of types.
const REQUEST_TYPES: [&str; 4] = ["session", "request", "visitor", "ticket"];
const CONNECTION_TYPES: [&str; 5] = ["conn", "connection", "client", "peer", "websocket"];
const CONNECTION_WORDS: [&str; 4] = ["conn", "connection", "websocket", "socket"];
const ADDRESS_WORDS: [&str; 5] = ["ip", "ipaddr", "remoteaddr", "peer", "clientip"];

/// Where something comes from, and whether more than words in names says so. What is sure holds for the parts
/// of a thing, too: the path of a request's URL comes with the request. What a thing is called says nothing
/// of its parts: the name of a client's server is none of the client's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    origin: Origin,
    is_sure: bool,
}

impl Known {
    fn sure(origin: Origin) -> Self {
        Self { origin, is_sure: true }
    }

    fn guess(origin: Origin) -> Self {
        Self { origin, is_sure: false }
    }

    /// What holds for the parts.
    fn of_parts(self) -> Option<Self> {
        let is_whole = matches!(
            self.origin,
            Origin::Table | Origin::Address | Origin::Connection | Origin::Request
        );
        (is_whole && self.is_sure).then_some(self)
    }
}

const PLAIN: Known = Known { origin: Origin::Plain, is_sure: true };

impl<'a> Walker<'_, 'a> {
    /// Says where a key of this map comes from.
    pub(super) fn origin(&self, map: &Place<'a>, key: &'a Expression, key_ty: &Ty<'a>) -> Origin {
        if let Some(text) = render::short(key)
            && self.present.iter().any(|(place, known)| place == map && *known == text)
        {
            return Origin::Present;
        }
        let by_type = self.origin_by_type(key_ty).map(|known| known.origin);
        if let Some(origin) = by_type
            && origin < Origin::Plain
        {
            return origin;
        }
        self.fuel.set(MAX_PARTS);
        let Known { origin, .. } = self.origin_of(map, key, MAX_STEPS);
        match by_type {
            Some(by_type) if origin >= Origin::Plain => origin.max(by_type),
            _ => origin,
        }
    }

    fn origin_of(&self, map: &Place<'a>, key: &'a Expression, steps: usize) -> Known {
        let fuel = self.fuel.get().checked_sub(1);
        let (Some(steps), Some(fuel)) = (steps.checked_sub(1), fuel) else { return PLAIN };
        self.fuel.set(fuel);
        let deeper = |inner: &'a Expression| self.origin_of(map, inner, steps);
        match key {
            Expression::BasicLit(_) => Known::sure(Origin::Constant),
            Expression::Paren(inner) => deeper(&inner.expr),
            Expression::Star(star) => deeper(&star.right).max(PLAIN),
            Expression::Ident(ident) => self.origin_of_name(map, &ident.name, steps),
            Expression::Selector(selector) => {
                if self.package_path(&selector.x).is_some() {
                    // Constants and variables of other packages.
                    return Known::sure(Origin::Constant);
                }
                if is_request(&self.value(&selector.x).ty) {
                    return Known::sure(Origin::Request);
                }
                let ty = self.value(key).ty;
                // A field of a table's element is as the element.
                deeper(&selector.x).of_parts().unwrap_or_else(|| {
                    let by_type = self.origin_by_type(&ty).unwrap_or(PLAIN);
                    by_type.max(self.origin_by_words(&selector.sel.name, &ty).unwrap_or(PLAIN))
                })
            }
            Expression::Operation(operation) => match &operation.y {
                Some(right) => deeper(&operation.x).max(deeper(right)),
                None => deeper(&operation.x).max(PLAIN),
            },
            Expression::Index(index) => deeper(&index.left).of_parts().unwrap_or(PLAIN),
            Expression::CompositeLit(literal) => literal
                .val
                .values
                .iter()
                .filter_map(|element| match &element.val {
                    Element::Expr(value) => Some(deeper(value)),
                    Element::LitValue(_) => None,
                })
                .max()
                .unwrap_or(Known::sure(Origin::Constant)),
            Expression::Call(call) => self.origin_of_call(call, &deeper),
            Expression::Slice(slice) => deeper(&slice.left).max(PLAIN),
            Expression::TypeAssert(assertion) => deeper(&assertion.left).max(PLAIN),
            _ => PLAIN,
        }
    }

    fn origin_of_call(&self, call: &'a Call, deeper: &dyn Fn(&'a Expression) -> Known) -> Known {
        let arguments = call.args.iter().map(deeper).max();
        // What a function of this package finds for a request need not come with it.
        let found = |known: Known| Known::guess(known.origin);
        let Expression::Selector(selector) = call.func.as_ref() else {
            let is_conversion = match call.func.as_ref() {
                Expression::Ident(ident) => self.package.function(&ident.name).is_none(),
                _ => false,
            };
            return match is_conversion {
                true => arguments.unwrap_or(PLAIN).max(Known::sure(Origin::Constant)),
                false => found(arguments.unwrap_or(PLAIN).max(PLAIN)),
            };
        };
        let name = selector.sel.name.as_str();
        if let Some(path) = self.package_path(&selector.x) {
            return match (path, name) {
                ("reflect", "TypeOf" | "TypeFor") => Known::sure(Origin::Type),
                ("time", "Now") => Known::sure(Origin::Time),
                ("fmt" | "strings" | "strconv" | "path" | "path/filepath", _) => {
                    arguments.unwrap_or(PLAIN)
                }
                (path, _) if path.contains("uuid") => Known::sure(Origin::Request),
                _ => arguments.unwrap_or(PLAIN).max(PLAIN),
            };
        }
        if is_request(&self.value(&selector.x).ty) {
            return Known::sure(Origin::Request);
        }
        match name {
            "RemoteAddr" | "RemoteIP" | "ClientIP" | "PeerAddr" => Known::sure(Origin::Address),
            "Type" if call.args.is_empty() => Known::sure(Origin::Type),
            "UnixNano" | "UnixMilli" | "UnixMicro" => Known::sure(Origin::Time),
            _ => deeper(&selector.x).max(found(arguments.unwrap_or(PLAIN))).max(PLAIN),
        }
    }

    fn origin_of_name(&self, map: &Place<'a>, name: &'a str, steps: usize) -> Known {
        let Some((_, variable)) = self.variable(name) else {
            return match self.package.is_constant(name) {
                true => Known::sure(Origin::Constant),
                false => PLAIN,
            };
        };
        let by_name = || {
            self.origin_by_type(&variable.ty)
                .into_iter()
                .chain(self.origin_by_words(name, &variable.ty))
                .max()
                .unwrap_or(PLAIN)
        };
        match variable.source {
            Source::Parameter | Source::Unknown => by_name(),
            Source::Expression(made_of) => {
                self.origin_of(map, made_of, steps).max(match self.origin_by_type(&variable.ty) {
                    Some(known) if known.origin > Origin::Plain => known,
                    _ => Known::sure(Origin::Constant),
                })
            }
            Source::RangeKey(list) | Source::RangeValue(list) => {
                let ranged = self.value(list);
                let is_key = matches!(variable.source, Source::RangeKey(_));
                match ranged.place {
                    Some(place) if is_key && place == *map => Known::sure(Origin::Present),
                    Some(place) if is_key && self.package.map_kind(&ranged.ty).is_none() => {
                        // An index of a list.
                        match place.root {
                            Root::Global(_) => Known::sure(Origin::Table),
                            _ => by_name(),
                        }
                    }
                    Some(Place { root: Root::Global(_), .. })
                        if self.package.map_kind(&ranged.ty).is_none() =>
                    {
                        Known::sure(Origin::Table)
                    }
                    _ => match list {
                        Expression::CompositeLit(_) => Known::sure(Origin::Constant),
                        _ => by_name(),
                    },
                }
            }
        }
    }

    /// What a type alone says of how many values there can be.
    fn origin_by_type(&self, ty: &Ty<'a>) -> Option<Known> {
        let known = self.origin_by_kind(ty);
        if known.is_some_and(|known| known.origin != Origin::Pointer) {
            return known;
        }
        let name = match ty.shape() {
            Shape::Pointer(to) => to,
            _ => ty.clone(),
        };
        let name = match name.shape() {
            Shape::Name(name) | Shape::Foreign(_, name) => name,
            _ => return known,
        };
        let words = words(name);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        match () {
            () if has(&CONNECTION_TYPES) => Some(Known::guess(Origin::Connection)),
            () if has(&REQUEST_TYPES) => Some(Known::guess(Origin::Request)),
            () => known,
        }
    }

    fn origin_by_kind(&self, ty: &Ty<'a>) -> Option<Known> {
        let origin = match ty.shape() {
            Shape::Pointer(to) => match self.origin_by_type(&to) {
                Some(known) if known.origin >= Origin::Connection => return Some(known),
                _ if is_request(ty) => Origin::Request,
                _ => Origin::Pointer,
            },
            _ => self.origin_by_shape(ty)?,
        };
        Some(Known::sure(origin))
    }

    fn origin_by_shape(&self, ty: &Ty<'a>) -> Option<Origin> {
        match ty.shape() {
            Shape::Name(name) | Shape::Foreign("", name) => {
                if self.package.is_enumeration(name) && !matches!(name, "string" | "int") {
                    return Some(Origin::Enumeration);
                }
                match name {
                    "bool" | "uint8" | "int8" | "byte" => Some(Origin::Enumeration),
                    _ if self.package.types.contains_key(name) => {
                        match self.package.underlying(ty) {
                            Shape::Name("bool" | "uint8" | "int8" | "byte") => {
                                Some(Origin::Enumeration)
                            }
                            Shape::Pointer(_) | Shape::Chan(_) => Some(Origin::Pointer),
                            _ => None,
                        }
                    }
                    _ => None,
                }
            }
            Shape::Basic("bool" | "uint8") => Some(Origin::Enumeration),
            Shape::Foreign("reflect", "Type" | "Kind") => Some(Origin::Type),
            Shape::Foreign("os", "Signal") | Shape::Foreign("syscall", "Signal" | "Errno") => {
                Some(Origin::Enumeration)
            }
            Shape::Foreign("time", "Time") => Some(Origin::Time),
            _ if is_connection(ty) => Some(Origin::Connection),
            Shape::Foreign("net", "Addr" | "IP" | "TCPAddr" | "UDPAddr") => Some(Origin::Address),
            Shape::Foreign("netip", _) => Some(Origin::Address),
            Shape::Foreign("uuid", "UUID") => Some(Origin::Request),
            Shape::Chan(_) => Some(Origin::Pointer),
            _ if is_request(ty) => Some(Origin::Request),
            _ => None,
        }
    }

    /// What the words of a name say, for types that can be anything.
    fn origin_by_words(&self, name: &str, ty: &Ty<'a>) -> Option<Known> {
        let is_open = match self.package.underlying(ty) {
            Shape::Unknown | Shape::List(_) | Shape::Interface => true,
            Shape::Name(name) => matches!(name, "string" | "uint32" | "uint64" | "int64"),
            Shape::Basic(name) => name == "string",
            _ => false,
        };
        if !is_open {
            return None;
        }
        let words = words(name);
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        if has(&REQUEST_WORDS) {
            return Some(Known::guess(Origin::Request));
        }
        if has(&CONNECTION_WORDS) {
            return Some(Known::guess(Origin::Connection));
        }
        let is_address = words.last().is_some_and(|word| ADDRESS_WORDS.contains(&word.as_str()));
        let is_remote = has(&["addr"]) && has(&["remote", "client", "peer", "source"]);
        (is_address || is_remote).then_some(Known::guess(Origin::Address))
    }
}

/// Whether an expression is a number that is written out.
pub(super) fn is_zero(expression: &Expression) -> bool {
    matches!(expression, Expression::BasicLit(literal)
        if literal.kind == LitKind::Integer && literal.value == "0")
}
