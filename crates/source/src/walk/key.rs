//! Where the keys of a map come from.

use tophash_typecheck::ast::{Element, Expression};
use tophash_typecheck::token::LitKind;

use super::facts::Origin;
use super::{Source, Walker, is_request};
use crate::model::place::{Place, Root};
use crate::model::render;
use crate::model::ty::{Shape, Ty};

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

impl<'a> Walker<'_, 'a> {
    /// Says where a key of this map comes from.
    pub(super) fn origin(&self, map: &Place<'a>, key: &'a Expression, key_ty: &Ty<'a>) -> Origin {
        if let Some(text) = render::short(key)
            && self.present.iter().any(|(place, known)| place == map && *known == text)
        {
            return Origin::Present;
        }
        if let Some(origin) = self.origin_by_type(key_ty)
            && origin < Origin::Plain
        {
            return origin;
        }
        self.fuel.set(MAX_PARTS);
        let origin = self.origin_of(map, key, MAX_STEPS);
        match self.origin_by_type(key_ty) {
            Some(by_type) if origin >= Origin::Plain => origin.max(by_type),
            _ => origin,
        }
    }

    fn origin_of(&self, map: &Place<'a>, key: &'a Expression, steps: usize) -> Origin {
        let fuel = self.fuel.get().checked_sub(1);
        let (Some(steps), Some(fuel)) = (steps.checked_sub(1), fuel) else { return Origin::Plain };
        self.fuel.set(fuel);
        let deeper = |inner: &'a Expression| self.origin_of(map, inner, steps);
        match key {
            Expression::BasicLit(_) => Origin::Constant,
            Expression::Paren(inner) => deeper(&inner.expr),
            Expression::Star(star) => deeper(&star.right).max(Origin::Plain),
            Expression::Ident(ident) => self.origin_of_name(map, &ident.name, steps),
            Expression::Selector(selector) => {
                if self.package_path(&selector.x).is_some() {
                    // Constants and variables of other packages.
                    return Origin::Constant;
                }
                let base = self.value(&selector.x);
                if is_request(&base.ty) {
                    return Origin::Request;
                }
                let ty = self.value(key).ty;
                // A field of a table's element is as the element.
                match deeper(&selector.x) {
                    Origin::Table => Origin::Table,
                    _ => self.origin_by_type(&ty).unwrap_or(Origin::Plain).max(
                        self.origin_by_words(&selector.sel.name, &ty).unwrap_or(Origin::Plain),
                    ),
                }
            }
            Expression::Operation(operation) => match &operation.y {
                Some(right) => deeper(&operation.x).max(deeper(right)),
                None => deeper(&operation.x).max(Origin::Plain),
            },
            Expression::Index(index) => match deeper(&index.left) {
                Origin::Table => Origin::Table,
                _ => Origin::Plain,
            },
            Expression::CompositeLit(literal) => literal
                .val
                .values
                .iter()
                .filter_map(|element| match &element.val {
                    Element::Expr(value) => Some(deeper(value)),
                    Element::LitValue(_) => None,
                })
                .max()
                .unwrap_or(Origin::Constant),
            Expression::Call(call) => {
                let arguments = call.args.iter().map(deeper).max();
                let Expression::Selector(selector) = call.func.as_ref() else {
                    let is_conversion = match call.func.as_ref() {
                        Expression::Ident(ident) => self.package.function(&ident.name).is_none(),
                        _ => false,
                    };
                    let least = if is_conversion { Origin::Constant } else { Origin::Plain };
                    return arguments.unwrap_or(Origin::Plain).max(least);
                };
                let name = selector.sel.name.as_str();
                if let Some(path) = self.package_path(&selector.x) {
                    return match (path, name) {
                        ("reflect", "TypeOf" | "TypeFor") => Origin::Type,
                        ("time", "Now") => Origin::Time,
                        ("fmt" | "strings" | "strconv" | "path" | "path/filepath", _) => {
                            arguments.unwrap_or(Origin::Plain)
                        }
                        (path, _) if path.contains("uuid") => Origin::Request,
                        _ => arguments.unwrap_or(Origin::Plain).max(Origin::Plain),
                    };
                }
                if is_request(&self.value(&selector.x).ty) {
                    return Origin::Request;
                }
                match name {
                    "RemoteAddr" | "RemoteIP" | "ClientIP" | "PeerAddr" => Origin::Address,
                    "Type" if call.args.is_empty() => Origin::Type,
                    "UnixNano" | "UnixMilli" | "UnixMicro" => Origin::Time,
                    _ => deeper(&selector.x)
                        .max(arguments.unwrap_or(Origin::Plain))
                        .max(Origin::Plain),
                }
            }
            Expression::Slice(slice) => deeper(&slice.left).max(Origin::Plain),
            Expression::TypeAssert(assertion) => deeper(&assertion.left).max(Origin::Plain),
            _ => Origin::Plain,
        }
    }

    fn origin_of_name(&self, map: &Place<'a>, name: &'a str, steps: usize) -> Origin {
        let Some((_, variable)) = self.variable(name) else {
            return match self.package.is_constant(name) {
                true => Origin::Constant,
                false => Origin::Plain,
            };
        };
        let by_name = || {
            self.origin_by_type(&variable.ty)
                .into_iter()
                .chain(self.origin_by_words(name, &variable.ty))
                .max()
                .unwrap_or(Origin::Plain)
        };
        match variable.source {
            Source::Parameter | Source::Unknown => by_name(),
            Source::Expression(made_of) => {
                self.origin_of(map, made_of, steps).max(match self.origin_by_type(&variable.ty) {
                    Some(origin) if origin > Origin::Plain => origin,
                    _ => Origin::Constant,
                })
            }
            Source::RangeKey(list) | Source::RangeValue(list) => {
                let ranged = self.value(list);
                let is_key = matches!(variable.source, Source::RangeKey(_));
                match ranged.place {
                    Some(place) if is_key && place == *map => Origin::Present,
                    Some(place) if is_key && self.package.map_kind(&ranged.ty).is_none() => {
                        // An index of a list.
                        match place.root {
                            Root::Global(_) => Origin::Table,
                            _ => by_name(),
                        }
                    }
                    Some(Place { root: Root::Global(_), .. })
                        if self.package.map_kind(&ranged.ty).is_none() =>
                    {
                        Origin::Table
                    }
                    _ => match list {
                        Expression::CompositeLit(_) => Origin::Constant,
                        _ => by_name(),
                    },
                }
            }
        }
    }

    /// What a type alone says of how many values there can be.
    pub(super) fn origin_by_type(&self, ty: &Ty<'a>) -> Option<Origin> {
        let known = self.origin_by_kind(ty);
        if known.is_some_and(|known| known != Origin::Pointer) {
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
            () if has(&CONNECTION_TYPES) => Some(Origin::Connection),
            () if has(&REQUEST_TYPES) => Some(Origin::Request),
            () => known,
        }
    }

    fn origin_by_kind(&self, ty: &Ty<'a>) -> Option<Origin> {
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
            Shape::Foreign("net", "Conn" | "TCPConn" | "UDPConn" | "UnixConn") => {
                Some(Origin::Connection)
            }
            Shape::Foreign("websocket", "Conn") | Shape::Foreign("tls", "Conn") => {
                Some(Origin::Connection)
            }
            Shape::Foreign("net", "Addr" | "IP" | "TCPAddr" | "UDPAddr") => Some(Origin::Address),
            Shape::Foreign("netip", _) => Some(Origin::Address),
            Shape::Foreign("uuid", "UUID") => Some(Origin::Request),
            Shape::Pointer(to) => match self.origin_by_type(&to) {
                Some(Origin::Connection) => Some(Origin::Connection),
                Some(Origin::Request) => Some(Origin::Request),
                _ if is_request(ty) => Some(Origin::Request),
                _ => Some(Origin::Pointer),
            },
            Shape::Chan(_) => Some(Origin::Pointer),
            _ if is_request(ty) => Some(Origin::Request),
            _ => None,
        }
    }

    /// What the words of a name say, for types that can be anything.
    fn origin_by_words(&self, name: &str, ty: &Ty<'a>) -> Option<Origin> {
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
            return Some(Origin::Request);
        }
        if has(&CONNECTION_WORDS) {
            return Some(Origin::Connection);
        }
        let is_address = words.last().is_some_and(|word| ADDRESS_WORDS.contains(&word.as_str()));
        let is_remote = has(&["addr"]) && has(&["remote", "client", "peer", "source"]);
        (is_address || is_remote).then_some(Origin::Address)
    }
}

/// Splits a name into its words, in lower case: `remoteAddr`, `HTTPConn`, `user_id`.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let next = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && (before.is_some_and(|before| !before.is_uppercase())
                || next.is_some_and(|next| next.is_lowercase()));
        if (begins || letter == '_') && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter != '_' {
            word.extend(letter.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether an expression is a number that is written out.
pub(super) fn is_zero(expression: &Expression) -> bool {
    matches!(expression, Expression::BasicLit(literal)
        if literal.kind == LitKind::Integer && literal.value == "0")
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words("remoteAddr"), ["remote", "addr"]);
        assert_eq!(words("HTTPConn"), ["http", "conn"]);
        assert_eq!(words("user_ID"), ["user", "id"]);
        assert_eq!(words("description"), ["description"]);
        assert!(words("_").is_empty());
    }
}
