//! Types and functions as text.

use std::fmt::Write as _;

use crate::object::{ObjectId, ObjectKind, PackageId};
use crate::types::{Direction, Interface, Param, Signature, Term, Type, TypeId};
use crate::universe::Universe;

/// Types that nest deeper are cut off.
const MAX_DEPTH: u32 = 60;

/// So are spellings that are longer.
const MAX_LENGTH: usize = 1 << 20;

impl Universe {
    /// Spells a type as Go does, with the whole paths of packages and without names of parameters. What is
    /// unknown is a question mark.
    pub fn spell(&self, typ: TypeId) -> String {
        let mut out = String::new();
        self.write_type(&mut out, typ, MAX_DEPTH);
        out
    }

    fn write_type(&self, out: &mut String, typ: TypeId, depth: u32) {
        let Some(depth) = depth.checked_sub(1).filter(|_| out.len() < MAX_LENGTH) else {
            out.push('…');
            return;
        };
        let within = |out: &mut String, typ: TypeId| self.write_type(out, typ, depth);
        match &*self.get(typ) {
            Type::Unknown => out.push('?'),
            Type::Basic(basic) => out.push_str(basic.name()),
            Type::Named { object, args } => {
                let object = self.object(*object);
                let package = self.package(object.package);
                if object.package != PackageId::UNIVERSE {
                    let _ = write!(out, "{}.", package.path);
                }
                out.push_str(&object.name);
                if !args.is_empty() {
                    out.push('[');
                    self.write_list(out, args, ",", depth);
                    out.push(']');
                }
            }
            Type::Pointer(elem) => {
                out.push('*');
                within(out, *elem);
            }
            Type::Slice(elem) => {
                out.push_str("[]");
                within(out, *elem);
            }
            Type::Array { length, elem } => {
                match length {
                    Some(length) => _ = write!(out, "[{length}]"),
                    None => out.push_str("[?]"),
                }
                within(out, *elem);
            }
            Type::Map { key, elem } => {
                out.push_str("map[");
                within(out, *key);
                out.push(']');
                within(out, *elem);
            }
            Type::Chan { direction, elem } => {
                out.push_str(match direction {
                    Direction::Both => "chan ",
                    Direction::Send => "chan<- ",
                    Direction::Receive => "<-chan ",
                });
                let is_receive =
                    matches!(&*self.get(*elem), Type::Chan { direction: Direction::Receive, .. });
                let parens = *direction != Direction::Send && is_receive;
                out.push_str(if parens { "(" } else { "" });
                within(out, *elem);
                out.push_str(if parens { ")" } else { "" });
            }
            Type::Func(signature) => {
                out.push_str("func");
                self.write_signature(out, signature, depth);
            }
            Type::Struct(fields) => {
                out.push_str("struct{");
                for (number, field) in fields.iter().enumerate() {
                    out.push_str(if number > 0 { "; " } else { "" });
                    if !field.is_embedded {
                        let _ = write!(out, "{} ", field.name);
                    }
                    within(out, field.typ);
                    if !field.tag.is_empty() {
                        let _ = write!(out, " {}", field.tag);
                    }
                }
                out.push('}');
            }
            Type::Interface(interface) => self.write_interface(out, interface, depth),
            Type::Tuple(types) => {
                out.push('(');
                self.write_list(out, types, ", ", depth);
                out.push(')');
            }
            Type::TypeParam(object) => out.push_str(&self.object(*object).name),
        }
    }

    fn write_list(&self, out: &mut String, types: &[TypeId], between: &str, depth: u32) {
        for (number, typ) in types.iter().enumerate() {
            out.push_str(if number > 0 { between } else { "" });
            self.write_type(out, *typ, depth);
        }
    }

    fn write_signature(&self, out: &mut String, signature: &Signature, depth: u32) {
        if !signature.type_params.is_empty() {
            out.push('[');
            self.write_list(out, &signature.type_params, ", ", depth);
            out.push(']');
        }
        out.push('(');
        for (number, param) in signature.params.iter().enumerate() {
            out.push_str(if number > 0 { ", " } else { "" });
            let is_last = number + 1 == signature.params.len();
            match &*self.get(param.typ) {
                Type::Slice(elem) if is_last && signature.is_variadic => {
                    out.push_str("...");
                    self.write_type(out, *elem, depth);
                }
                _ => self.write_type(out, param.typ, depth),
            }
        }
        out.push(')');
        match &*signature.results {
            [] => {}
            [Param { typ, .. }] => {
                out.push(' ');
                self.write_type(out, *typ, depth);
            }
            results => {
                let types: Vec<TypeId> = results.iter().map(|result| result.typ).collect();
                out.push_str(" (");
                self.write_list(out, &types, ", ", depth);
                out.push(')');
            }
        }
    }

    fn write_interface(&self, out: &mut String, interface: &Interface, depth: u32) {
        out.push_str("interface{");
        let mut between = "";
        for method in interface.methods.iter() {
            let _ = write!(out, "{between}{}", method.name);
            between = "; ";
            if let Type::Func(signature) = &*self.get(method.signature) {
                self.write_signature(out, signature, depth);
            }
        }
        for union in interface.embeds.iter() {
            out.push_str(between);
            between = "; ";
            for (number, Term { is_approximate, typ }) in union.iter().enumerate() {
                out.push_str(if number > 0 { " | " } else { "" });
                out.push_str(if *is_approximate { "~" } else { "" });
                self.write_type(out, *typ, depth);
            }
        }
        out.push('}');
    }

    /// Returns how the linker and the compiler's messages name a function: `net/http.(*Client).Do`. Of an
    /// instantiated one, without arguments.
    pub fn full_name(&self, function: ObjectId) -> String {
        let object = self.object(function);
        let path = self.package_path(object.package);
        if let ObjectKind::Func { is_method: true } = object.kind
            && let Some((base, is_pointer)) = self.receiver_of(function)
            && let Type::Named { object: base, .. } = &*self.get(base)
        {
            let base = &self.object(*base).name;
            return match is_pointer {
                true => format!("{path}.(*{base}).{}", object.name),
                false => format!("{path}.{base}.{}", object.name),
            };
        }
        match &*path {
            "" => object.name.to_string(),
            _ => format!("{path}.{}", object.name),
        }
    }
}
