//! Expressions.

use std::rc::Rc;

use tophash_typecheck::ast::{self, Expression};
use tophash_typecheck::token::{LitKind, Operator};
use tophash_typecheck::{
    Adjust, Basic, ExprInfo, Mode, ObjectKind, SelectionKind, Step, Type, TypeId, Value, VarRole,
};

use super::Lower;
use crate::ir::{Literal, NodeId, Op, Pos};

/// A string constant is printed up to this length.
const LONGEST_STRING: usize = 72;

impl Lower<'_> {
    pub(super) fn expr(&mut self, x: &Expression) -> NodeId {
        let x = super::bare(x);
        let at = self.place(x);
        let info = self.expr_info(x);
        let typ = info.as_ref().map_or(TypeId::UNKNOWN, |info| info.typ);
        if let Some(info) = &info {
            match info.mode {
                Mode::Constant => return self.constant(x, info, at),
                Mode::Nil => return self.add(Op::Nil, typ, at),
                Mode::Unknown => {}
                _ => {}
            }
        }
        match x {
            Expression::Ident(name) => self.ident(name, typ, at),
            Expression::FuncLit(literal) => self.function_literal(literal, typ),
            Expression::CompositeLit(literal) => {
                let id = self.literal(&literal.val, Some(&literal.typ));
                if !matches!(self.program.node(id).op, Op::PtrLit(_)) {
                    self.spell(id, &literal.typ);
                }
                id
            }
            Expression::Selector(selector) => self.selector(selector, typ, at),
            Expression::Index(index) => self.index(index, typ, at),
            Expression::IndexList(index) => self.expr(&index.left),
            Expression::Slice(slice) => self.slice(slice, typ, at),
            Expression::TypeAssert(assertion) => {
                let inner = self.expr(&assertion.left);
                let id = self.add(Op::Assert(inner), typ, at);
                if let Some(typ) = &assertion.right {
                    self.spell(id, typ);
                }
                id
            }
            Expression::Call(call) => self.call(call, typ, at),
            Expression::Star(star) => {
                let inner = self.expr(&star.right);
                self.add(Op::Deref(inner), typ, at)
            }
            Expression::Operation(operation) => match &operation.y {
                None => self.unary(operation, typ, at),
                Some(y) => self.binary(operation, y, typ, at),
            },
            Expression::BasicLit(literal) => {
                let text: Rc<str> = literal.value.as_str().into();
                self.add(
                    Op::Literal(Literal { raw: text.clone(), text, int: None, length: None }),
                    typ,
                    at,
                )
            }
            _ => self.unknown("an expression", Vec::new(), typ, at),
        }
    }

    fn constant(&mut self, x: &Expression, info: &ExprInfo, at: Pos) -> NodeId {
        let is_rune = match x {
            Expression::BasicLit(literal) => literal.kind == LitKind::Char,
            Expression::Ident(name) => self.is_rune_constant(name),
            Expression::Selector(selector) => self.is_rune_constant(&selector.sel),
            _ => false,
        };
        let literal = self.literal_of(info.value.as_ref(), info.typ, is_rune);
        self.add(Op::Literal(literal), info.typ, at)
    }

    /// Whether a name stands for a constant that was written as a character.
    fn is_rune_constant(&self, name: &ast::Ident) -> bool {
        self.checked
            .use_of(name)
            .is_some_and(|object| self.universe.type_of(object) == Basic::UntypedRune.id())
    }

    pub(super) fn literal_of(&self, value: Option<&Value>, typ: TypeId, is_rune: bool) -> Literal {
        let int = value.and_then(Value::as_int).and_then(|int| i64::try_from(int).ok());
        let basic = match &*self.universe.get(typ) {
            Type::Basic(basic) => Some(*basic),
            _ => None,
        };
        let under = self.types.basic(typ);
        let is_float = under.is_some_and(Basic::is_float);
        let (text, default) = match value {
            Some(Value::Bool(value)) => (value.to_string(), Basic::Bool),
            Some(Value::String(bytes)) => (quoted(bytes), Basic::String),
            Some(Value::Int(value)) if is_rune && basic == Some(Basic::Int32) => {
                let letter = u32::try_from(*value).ok().and_then(char::from_u32);
                let text: Rc<str> = rune_text(letter).into();
                return Literal { raw: value.to_string().into(), text, int, length: None };
            }
            Some(Value::Int(value)) if is_float => (shortened(*value as f64), Basic::Float64),
            Some(Value::Int(value)) => (value.to_string(), Basic::Int),
            Some(Value::Float(value)) => (shortened(*value), Basic::Float64),
            Some(Value::Complex(real, imaginary)) => {
                let (real, imaginary) = (shortened(*real), shortened(*imaginary));
                (format!("({real} + {imaginary}i)"), Basic::Complex128)
            }
            _ => ("...".to_owned(), Basic::Int),
        };
        let is_default = basic.is_some_and(|basic| basic == default || basic.is_untyped());
        let raw: Rc<str> = text.into();
        let text = match is_default {
            true => raw.clone(),
            // What people write is mostly `byte`; the type alone does not tell which it was.
            false if basic == Some(Basic::Uint8) => format!("byte({raw})").into(),
            false => format!("{}({raw})", self.name_of(typ)).into(),
        };
        let length = match value {
            Some(Value::String(bytes)) => Some(bytes.len() as u64),
            _ => None,
        };
        Literal { text, raw, int, length }
    }

    /// A type's name in the form that verdicts have.
    pub(super) fn name_of(&self, typ: TypeId) -> String {
        let printer = crate::print::Printer {
            program: &self.program,
            universe: self.universe,
            package: self.own.package,
        };
        printer.typ(typ)
    }

    fn ident(&mut self, name: &ast::Ident, typ: TypeId, at: Pos) -> NodeId {
        let Some(object) = self.checked.object(name) else {
            if name.name == "_" {
                return self.add(Op::Nil, typ, at);
            }
            return self.unknown("a name", Vec::new(), typ, at);
        };
        let args = self.type_arguments(name);
        self.object(object, &args, typ, at)
    }

    /// Type arguments that a generic function's name is used with.
    fn type_arguments(&self, name: &ast::Ident) -> Vec<TypeId> {
        let args = self.checked.type_args(name).unwrap_or_default();
        args.iter().map(|typ| self.put(*typ)).collect()
    }

    fn object(
        &mut self,
        id: tophash_typecheck::ObjectId,
        args: &[TypeId],
        typ: TypeId,
        at: Pos,
    ) -> NodeId {
        let object = self.universe.object(id);
        match object.kind {
            ObjectKind::Var { role: VarRole::Package, .. } => {
                let name = self.qualified(&object);
                self.add(Op::Global(name), typ, at)
            }
            ObjectKind::Var { .. } => {
                let var = self.local(id, at);
                self.name(var, at)
            }
            ObjectKind::Func { .. } => {
                let callee = self.callee(id, args);
                let name = self.qualified(&object);
                self.add(Op::Function { name, callee }, typ, at)
            }
            ObjectKind::Nil => self.add(Op::Nil, typ, at),
            _ => self.unknown("a name", Vec::new(), typ, at),
        }
    }

    fn qualified(&self, object: &tophash_typecheck::Object) -> Rc<str> {
        if object.package == self.own.package {
            return Rc::clone(&object.name);
        }
        format!("{}.{}", self.universe.package_name(object.package), object.name).into()
    }

    fn unary(&mut self, operation: &ast::Operation, typ: TypeId, at: Pos) -> NodeId {
        match operation.op {
            Operator::And => {
                let inner = super::bare(&operation.x);
                let x = self.expr(inner);
                if matches!(inner, Expression::CompositeLit(_)) {
                    return self.add(Op::PtrLit(x), typ, at);
                }
                self.address(x, at, false)
            }
            Operator::Star => {
                let x = self.expr(&operation.x);
                let id = self.deref(x, at, false);
                if !typ.is_unknown() {
                    self.program.nodes[id.0 as usize].typ = typ;
                }
                id
            }
            Operator::Arrow => {
                let x = self.expr(&operation.x);
                self.add(Op::Receive(x), typ, at)
            }
            op => {
                let x = self.expr(&operation.x);
                self.add(Op::Unary(op.into(), x), typ, at)
            }
        }
    }

    fn binary(
        &mut self,
        operation: &ast::Operation,
        y: &Expression,
        typ: TypeId,
        at: Pos,
    ) -> NodeId {
        let op = operation.op;
        let (mut left, mut right) = (self.expr(&operation.x), self.expr(y));
        let places = (self.place(&operation.x), self.place(y));
        if matches!(op, Operator::Shl | Operator::Shr) {
            // A count without a type is unsigned.
            if matches!(super::bare(y), Expression::BasicLit(_))
                && let Op::Literal(count) = &mut self.program.nodes[right.0 as usize].op
            {
                count.text = format!("uint({})", count.raw).into();
            }
        } else {
            // Of two types, one of which is an interface, both sides get that.
            let (from, to) = (self.typ(left), self.typ(right));
            match (self.types.is_interface(from), self.types.is_interface(to)) {
                (false, true) => left = self.implicit_conversion(left, to, places.0),
                (true, false) => right = self.implicit_conversion(right, from, places.1),
                _ => {}
            }
        }
        if op == Operator::Add && self.types.is_string(typ) {
            let mut list = self.concatenated(left);
            list.extend(self.concatenated(right));
            return self.add(Op::Concat(list.into()), typ, at);
        }
        self.add(Op::Binary(op.into(), left, right), typ, at)
    }

    fn concatenated(&self, id: NodeId) -> Vec<NodeId> {
        match &self.program.node(id).op {
            Op::Concat(list) => list.to_vec(),
            _ => vec![id],
        }
    }

    fn index(&mut self, index: &ast::Index, typ: TypeId, at: Pos) -> NodeId {
        // `f[int]` is a function, instantiated.
        if self.checked.expr(&index.index).is_some_and(|info| info.mode == Mode::Type) {
            return self.expr(&index.left);
        }
        let x = self.expr(&index.left);
        match &*self.types.under(self.typ(x)) {
            Type::Map { key, .. } => {
                let key = self.converted(&index.index, *key);
                self.add(Op::IndexMap(x, key), typ, at)
            }
            Type::Array { .. } => {
                let index = self.expr(&index.index);
                self.add(Op::IndexArray(x, index), typ, at)
            }
            Type::Pointer(_) => {
                // Of a pointer to an array.
                let x = self.deref(x, at, true);
                let index = self.expr(&index.index);
                self.add(Op::IndexArray(x, index), typ, at)
            }
            Type::Slice(_) | Type::Basic(_) => {
                let index = self.expr(&index.index);
                self.add(Op::Index(x, index), typ, at)
            }
            _ => {
                let index = self.expr(&index.index);
                self.unknown("what is indexed", vec![x, index], typ, at)
            }
        }
    }

    fn slice(&mut self, slice: &ast::Slice, typ: TypeId, at: Pos) -> NodeId {
        let mut x = self.expr(&slice.left);
        if self.types.is_array(self.typ(x)) {
            x = self.address(x, at, true);
        }
        let mut bounds = [None; 3];
        for (bound, index) in bounds.iter_mut().zip(&slice.index) {
            if let Some(index) = index {
                *bound = Some(self.expr(index));
            }
        }
        let [low, high, max] = bounds;
        self.add(Op::Slice { x, low, high, max }, typ, at)
    }

    fn selector(&mut self, selector: &ast::Selector, typ: TypeId, at: Pos) -> NodeId {
        let Some(selection) = self.selection_of(selector) else {
            // A name of another package.
            return match self.checked.use_of(&selector.sel) {
                Some(object) => {
                    let args = self.type_arguments(&selector.sel);
                    self.object(object, &args, typ, at)
                }
                None => {
                    let parts = match &*selector.x {
                        Expression::Ident(name) if self.is_package(name) => Vec::new(),
                        x => vec![self.expr(x)],
                    };
                    self.unknown("a name behind a dot", parts, typ, at)
                }
            };
        };
        let name: Rc<str> = selector.sel.name.as_str().into();
        match selection.kind {
            SelectionKind::Field => {
                let x = self.expr(&selector.x);
                self.follow(x, &selection.path, at)
            }
            SelectionKind::Method { method, adjust, .. } => {
                let x = self.expr(&selector.x);
                let x = self.follow(x, &selection.path, at);
                let x = self.adjusted(x, adjust, at);
                let results = self.result_count(selection.typ);
                let args = self.receiver_arguments(self.typ(x));
                let callee = Some(self.callee(method, &args));
                self.add(Op::MethodValue { x, name, callee, results }, typ, at)
            }
            SelectionKind::InterfaceMethod => {
                let x = self.expr(&selector.x);
                let x = self.follow(x, &selection.path, at);
                let results = self.result_count(selection.typ);
                self.add(Op::MethodValue { x, name, callee: None, results }, typ, at)
            }
            SelectionKind::MethodExpr { method } => {
                let receiver = selection.receiver;
                let args = self.receiver_arguments(receiver);
                let callee = method.map(|method| self.callee(method, &args));
                self.add(Op::MethodExpr { receiver, name, callee }, typ, at)
            }
            _ => self.unknown("a selector", Vec::new(), typ, at),
        }
    }

    fn is_package(&self, name: &ast::Ident) -> bool {
        self.checked.object(name).is_none_or(|object| {
            matches!(self.universe.object(object).kind, ObjectKind::Package(_))
        })
    }

    fn result_count(&self, signature: TypeId) -> usize {
        match &*self.types.under(signature) {
            Type::Func(signature) => signature.results.len(),
            _ => 0,
        }
    }

    /// Fields on the way to what is selected.
    pub(super) fn follow(&mut self, mut x: NodeId, path: &[Step], at: Pos) -> NodeId {
        for step in path {
            let name = self.field_name(self.typ(x), step);
            let op = match step.through_pointer {
                true => Op::DotPtr(x, name),
                false => Op::Dot(x, name),
            };
            x = self.add(op, step.typ, at);
        }
        x
    }

    fn field_name(&self, holder: TypeId, step: &Step) -> Rc<str> {
        let mut typ = holder;
        if step.through_pointer {
            typ = self.types.elem(typ).unwrap_or(TypeId::UNKNOWN);
        }
        match &*self.types.under(typ) {
            Type::Struct(fields) => {
                fields.get(step.field as usize).map_or_else(|| "?".into(), |f| Rc::clone(&f.name))
            }
            _ => "?".into(),
        }
    }

    pub(super) fn adjusted(&mut self, x: NodeId, adjust: Adjust, at: Pos) -> NodeId {
        match adjust {
            Adjust::None => x,
            Adjust::Address => self.address(x, at, true),
            Adjust::Deref => self.deref(x, at, true),
        }
    }
}

/// A string constant as it is printed.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' | '\\' => {
                    text.push('\\');
                    text.push(letter);
                }
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                '\x07' => text.push_str("\\a"),
                '\x08' => text.push_str("\\b"),
                '\x0c' => text.push_str("\\f"),
                '\x0b' => text.push_str("\\v"),
                letter if letter.is_ascii_control() => {
                    text.push_str(&format!("\\x{:02x}", u32::from(letter)));
                }
                letter => text.push(letter),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text.push('"');
    let count = text.chars().count();
    if count > LONGEST_STRING {
        let end = text.char_indices().nth(LONGEST_STRING - 3).map_or(text.len(), |(at, _)| at);
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// A number with six digits at the most, as Go's `%.6g` has it.
fn shortened(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or(0);
        return trim(&format!("{value:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits), exponent.abs())
}

fn rune_text(letter: Option<char>) -> String {
    match letter {
        Some('\n') => "'\\n'".to_owned(),
        Some('\t') => "'\\t'".to_owned(),
        Some('\r') => "'\\r'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        Some('\\') => "'\\\\'".to_owned(),
        Some('\0') => "'\\x00'".to_owned(),
        Some(letter) => format!("'{letter}'"),
        None => "'\u{fffd}'".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits_at_the_most() {
        for (value, text) in [
            (0.5, "0.5"),
            (1.0, "1"),
            (3.402_823_466e38, "3.40282e+38"),
            (1_000_000.0, "1e+06"),
            (123_456.0, "123456"),
            (0.000_012_5, "1.25e-05"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(shortened(value), text);
        }
    }

    #[test]
    fn strings_are_quoted_byte_for_byte_where_they_are_no_text() {
        assert_eq!(quoted(b"a\"\n\xff"), r#""a\"\n\xff""#);
        assert_eq!(quoted(&[b'x'; 100]).chars().count(), LONGEST_STRING);
    }
}
