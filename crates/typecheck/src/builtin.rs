//! Calls of functions that the language has.

use gosyn::ast::{self, Expression};
use gosyn::token::Operator;

use crate::checker::{Checker, unparen};
use crate::constant::{self, Value};
use crate::info::Mode;
use crate::object::Builtin;
use crate::operand::Operand;
use crate::types::{Basic, Type, TypeId};

impl Checker<'_> {
    pub(crate) fn builtin(&mut self, builtin: Builtin, node: &ast::Call) -> Operand {
        let nothing = Operand::new(Mode::NoValue, self.universe.empty_tuple);
        let int = Basic::Int.id();
        match builtin {
            Builtin::Len | Builtin::Cap => self.length(builtin, node),
            Builtin::Make => {
                let Some((typ, sizes)) = node.args.split_first() else { return Operand::unknown() };
                let typ = self.typ(typ);
                for size in sizes {
                    self.integer(size);
                }
                Operand::value(typ)
            }
            Builtin::New => self.new_value(node),
            Builtin::Append => self.append(node),
            Builtin::Copy => {
                self.operands(node);
                Operand::value(int)
            }
            Builtin::Delete => {
                let Some((map, keys)) = node.args.split_first() else { return Operand::unknown() };
                let map = self.expr(map);
                for key_node in keys {
                    let mut operand = self.expr(key_node);
                    let to = match *self.universe.get(self.universe.core_type(map.typ)) {
                        Type::Map { key, .. } => key,
                        _ => TypeId::UNKNOWN,
                    };
                    self.assign(key_node, &mut operand, Some(to));
                }
                nothing
            }
            Builtin::Clear | Builtin::Close => {
                self.operands(node);
                nothing
            }
            Builtin::Panic | Builtin::Print | Builtin::Println => {
                let operands = self.operands(node);
                self.defaults(node, &operands);
                nothing
            }
            Builtin::Recover => Operand::value(self.universe.any),
            Builtin::Complex => self.complex(node),
            Builtin::Real | Builtin::Imag => self.part(builtin, node),
            Builtin::Max | Builtin::Min => self.extreme(builtin, node),
            Builtin::UnsafeSizeof | Builtin::UnsafeAlignof | Builtin::UnsafeOffsetof => {
                self.size(builtin, node)
            }
            Builtin::UnsafeAdd => {
                self.with_integers(node);
                Operand::value(Basic::UnsafePointer.id())
            }
            Builtin::UnsafeString => {
                self.with_integers(node);
                Operand::value(Basic::String.id())
            }
            Builtin::UnsafeSlice => {
                let first = self.with_integers(node);
                match *self.universe.get(self.universe.core_type(first)) {
                    Type::Pointer(elem) => Operand::value(self.universe.slice_of(elem)),
                    _ => Operand::unknown(),
                }
            }
            Builtin::UnsafeSliceData => {
                let first = self.with_integers(node);
                match *self.universe.get(self.universe.core_type(first)) {
                    Type::Slice(elem) => Operand::value(self.universe.pointer_to(elem)),
                    _ => Operand::unknown(),
                }
            }
            Builtin::UnsafeStringData => {
                let operands = self.operands(node);
                self.defaults(node, &operands);
                Operand::value(self.universe.pointer_to(Basic::Uint8.id()))
            }
        }
    }

    fn operands(&mut self, node: &ast::Call) -> Vec<Operand> {
        node.args.iter().map(|argument| self.expr(argument)).collect()
    }

    /// Gives arguments without types those that they have by themselves.
    fn defaults(&mut self, node: &ast::Call, operands: &[Operand]) {
        for (argument, operand) in node.args.iter().zip(operands) {
            self.assign(argument, &mut operand.clone(), None);
        }
    }

    /// One value, and integers behind it. Returns the type of the first.
    fn with_integers(&mut self, node: &ast::Call) -> TypeId {
        let Some((first, rest)) = node.args.split_first() else { return TypeId::UNKNOWN };
        let first = self.expr(first);
        for length in rest {
            self.integer(length);
        }
        first.typ
    }

    fn length(&mut self, builtin: Builtin, node: &ast::Call) -> Operand {
        let int = Basic::Int.id();
        let Some(argument) = node.args.first() else { return Operand::unknown() };
        let outer = std::mem::replace(&mut self.has_call, false);
        let operand = self.expr(argument);
        let has_call = std::mem::replace(&mut self.has_call, outer);
        self.has_call |= has_call;
        if operand.typ.is_unknown() {
            // The length of an unknown array may be a constant, but is an integer all the same.
            return Operand::value(int);
        }
        if let (Some(value), Builtin::Len) = (&operand.value, builtin) {
            let length = match value {
                Value::String(text) => Value::Int(text.len() as i128),
                _ => Value::Unknown,
            };
            return Operand::constant(length, int);
        }
        let mut core = self.universe.core_type(operand.typ);
        if self.universe.is_type_param(operand.typ) {
            return Operand::value(int);
        }
        if let Type::Pointer(array) = *self.universe.get(core) {
            core = self.universe.core_type(array);
        }
        match *self.universe.get(core) {
            Type::Array { length: Some(length), .. } if !has_call => {
                Operand::constant(Value::Int(length.into()), int)
            }
            _ => {
                self.assign(argument, &mut operand.clone(), None);
                Operand::value(int)
            }
        }
    }

    /// `new(T)`, and from Go 1.26 on `new(x)`.
    fn new_value(&mut self, node: &ast::Call) -> Operand {
        let Some(argument) = node.args.first() else { return Operand::unknown() };
        let mut operand = self.expr(argument);
        if operand.mode != Mode::Type {
            self.assign(argument, &mut operand, None);
        }
        Operand::value(self.universe.pointer_to(operand.typ))
    }

    fn append(&mut self, node: &ast::Call) -> Operand {
        let Some((first, rest)) = node.args.split_first() else { return Operand::unknown() };
        let slice = self.expr(first);
        // append(f()), where f returns a slice and elements.
        if let Type::Tuple(types) = &*self.universe.get(slice.typ) {
            return Operand::value(types.first().copied().unwrap_or(TypeId::UNKNOWN));
        }
        let elem = match *self.universe.get(self.universe.core_string(slice.typ)) {
            Type::Slice(elem) => elem,
            _ => TypeId::UNKNOWN,
        };
        for argument in rest {
            let wanted = if node.dots.is_some() { slice.typ } else { elem };
            let mut operand = self.expr_for(argument, Some(wanted));
            // append([]byte, "text"...) takes the text as it is.
            let is_text = node.dots.is_some()
                && matches!(&*self.universe.get(operand.typ), Type::Basic(Basic::UntypedString));
            if !is_text {
                self.assign(argument, &mut operand, Some(wanted));
            }
        }
        Operand::value(slice.typ)
    }

    fn complex(&mut self, node: &ast::Call) -> Operand {
        let [left_node, right_node] = node.args.as_slice() else {
            let operands = self.operands(node);
            let results = operands.first().map(|operand| self.universe.get(operand.typ));
            return match results.as_deref() {
                // complex(f()), where f returns both parts.
                Some(Type::Tuple(types)) => self.complex_of(types.first().copied()),
                _ => Operand::unknown(),
            };
        };
        let (mut left, mut right) = (self.expr(left_node), self.expr(right_node));
        let untyped = |operand: &Operand| self.universe.is_untyped(operand.typ);
        if left.value.is_none() || right.value.is_none() || !untyped(&left) || !untyped(&right) {
            self.matched((left_node, &mut left), (right_node, &mut right));
        }
        if let (Some(one), Some(other)) = (&left.value, &right.value) {
            let value = match (one.as_float(), other.as_float()) {
                (Some(real), Some(imaginary)) => Value::Complex(real, imaginary),
                _ => Value::Unknown,
            };
            let typ = match self.universe.basic(left.typ) {
                Some(Basic::Float32) => Basic::Complex64,
                Some(Basic::Float64) => Basic::Complex128,
                _ => Basic::UntypedComplex,
            };
            return Operand::constant(value, typ.id());
        }
        let float = Basic::Float64.id();
        self.convert_untyped(left_node, &mut left, float);
        self.convert_untyped(right_node, &mut right, float);
        self.complex_of(Some(left.typ))
    }

    fn complex_of(&self, part: Option<TypeId>) -> Operand {
        match part.and_then(|part| self.universe.basic(part)) {
            Some(Basic::Float32) => Operand::value(Basic::Complex64.id()),
            Some(Basic::Float64) => Operand::value(Basic::Complex128.id()),
            _ => Operand::unknown(),
        }
    }

    /// `real(x)`, `imag(x)`.
    fn part(&mut self, builtin: Builtin, node: &ast::Call) -> Operand {
        let Some(argument) = node.args.first() else { return Operand::unknown() };
        let operand = self.expr(argument);
        let typ = match self.universe.basic(operand.typ) {
            Some(Basic::Complex64) => Basic::Float32,
            Some(Basic::Complex128) => Basic::Float64,
            Some(basic) if basic.is_untyped() => Basic::UntypedFloat,
            _ => return Operand::unknown(),
        };
        let Some(value) = &operand.value else { return Operand::value(typ.id()) };
        let value = match (value.as_complex(), builtin) {
            (Some((real, _)), Builtin::Real) => Value::Float(real),
            (Some((_, imaginary)), _) => Value::Float(imaginary),
            _ => Value::Unknown,
        };
        let value = constant::represent(&value, typ).unwrap_or(Value::Unknown);
        Operand::constant(value, typ.id())
    }

    fn extreme(&mut self, builtin: Builtin, node: &ast::Call) -> Operand {
        let op = if builtin == Builtin::Min { Operator::Less } else { Operator::Greater };
        let mut arguments = node.args.iter();
        let Some(first) = arguments.next() else { return Operand::unknown() };
        let mut result = self.expr(first);
        let mut seen: Vec<&Expression> = vec![first];
        for argument in arguments {
            let mut operand = self.expr(argument);
            // All arguments take the type that the first with one has.
            let Some(last) = seen.last() else { break };
            let mut left = result.clone();
            self.matched((last, &mut left), (argument, &mut operand));
            if left.typ != result.typ {
                for node in &seen {
                    self.settle(node, left.typ);
                }
            }
            seen.push(argument);
            result = match (&left.value, &operand.value) {
                (Some(one), Some(other)) => {
                    let takes_other = constant::binary(op, other, one, false) == Value::Bool(true);
                    let value = if takes_other { other.clone() } else { one.clone() };
                    Operand::constant(value, left.typ)
                }
                _ => Operand::value(left.typ),
            };
        }
        if result.value.is_none() {
            for node in seen {
                self.settle(node, self.universe.default_type(result.typ));
            }
        }
        match result.mode {
            Mode::Constant | Mode::Unknown => result,
            _ => Operand::value(result.typ),
        }
    }

    fn size(&mut self, builtin: Builtin, node: &ast::Call) -> Operand {
        let uintptr = Basic::Uintptr.id();
        let Some(argument) = node.args.first() else { return Operand::unknown() };
        let mut operand = self.expr(argument);
        if builtin == Builtin::UnsafeOffsetof {
            let offset = self.offset(argument);
            return Operand::constant(offset.map_or(Value::Unknown, Value::Int), uintptr);
        }
        self.assign(argument, &mut operand, None);
        let has_params = self.universe.size_of(operand.typ).is_none() && !operand.typ.is_unknown();
        let size = match builtin {
            Builtin::UnsafeSizeof => self.universe.size_of(operand.typ),
            _ => self.universe.align_of(operand.typ),
        };
        match size {
            Some(size) => Operand::constant(Value::Int(size.into()), uintptr),
            // What depends on type parameters is no constant.
            None if has_params => Operand::value(uintptr),
            None => Operand::constant(Value::Unknown, uintptr),
        }
    }

    /// The offset of `x.f`, over embedded fields too.
    fn offset(&self, argument: &Expression) -> Option<i128> {
        let Expression::Selector(selector) = unparen(argument) else { return None };
        let receiver = self.selected;
        let found = self.universe.lookup(receiver, self.package, &selector.sel.name)?;
        let (mut typ, mut offset) = (self.universe.dereferenced(receiver).0, 0_i128);
        for step in found.path {
            let offsets = self.universe.offsets_of(typ)?;
            offset += i128::from(*offsets.get(step.field as usize)?);
            typ = step.typ;
        }
        Some(offset)
    }
}
