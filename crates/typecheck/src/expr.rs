//! Expressions.

use std::rc::Rc;

use gosyn::ast::{self, Expression};
use gosyn::token::{LitKind, Operator};

use crate::checker::{Checker, unparen};
use crate::constant::{self, Value};
use crate::info::{Mode, key};
use crate::object::ObjectKind;
use crate::operand::{Operand, is_comparison, larger};
use crate::types::{Basic, Direction, Type, TypeId};

impl Checker<'_> {
    /// What an expression is. It is noted.
    pub(crate) fn expr(&mut self, node: &Expression) -> Operand {
        self.expr_for(node, None)
    }

    /// The same for a place that asks for a type, which generic functions may take theirs from.
    pub(crate) fn expr_for(&mut self, node: &Expression, wanted: Option<TypeId>) -> Operand {
        let operand = self
            .deeper(|checker| checker.expr_inner(node, wanted))
            .unwrap_or_else(Operand::unknown);
        self.record(node, &operand);
        match wanted {
            Some(wanted) => self.instantiated(node, operand, wanted),
            None => operand,
        }
    }

    fn expr_inner(&mut self, node: &Expression, wanted: Option<TypeId>) -> Operand {
        match node {
            Expression::Ident(name) => self.name(name),
            Expression::BasicLit(literal) => {
                let kind =
                    if literal.kind == LitKind::Ident { LitKind::String } else { literal.kind };
                let (value, basic) = constant::literal(kind, &literal.value);
                Operand::constant(value, basic.id())
            }
            Expression::FuncLit(literal) => self.function_literal(literal),
            Expression::CompositeLit(literal) => self.composite(literal),
            Expression::Selector(selector) => self.selector(selector),
            Expression::Index(index) => match &*index.index {
                Expression::List(list) => {
                    self.index(&index.left, &list.iter().collect::<Vec<_>>(), wanted)
                }
                one => self.index(&index.left, &[one], wanted),
            },
            Expression::IndexList(index) => {
                self.index(&index.left, &index.indices.iter().collect::<Vec<_>>(), wanted)
            }
            Expression::Slice(slice) => self.slice(slice),
            Expression::TypeAssert(assertion) => {
                self.expr(&assertion.left);
                match &assertion.right {
                    Some(typ) => Operand::value(self.typ(typ)).comma_ok(),
                    None => Operand::unknown(),
                }
            }
            Expression::Call(call) => self.call(call),
            Expression::Paren(inner) => self.expr_for(&inner.expr, wanted),
            Expression::Star(star) => self.star(&star.right),
            Expression::Operation(operation) => match (&operation.y, operation.op) {
                (None, Operator::Star) => self.star(&operation.x),
                (None, op) => self.unary(op, &operation.x),
                (Some(_), _) => self.chain(node),
            },
            Expression::TypePointer(pointer) => {
                // In an expression, it may as well be a value that is followed.
                self.star(&pointer.typ)
            }
            Expression::TypeArray(_)
            | Expression::TypeSlice(_)
            | Expression::TypeMap(_)
            | Expression::TypeChannel(_)
            | Expression::TypeFunction(_)
            | Expression::TypeStruct(_)
            | Expression::TypeInterface(_) => Operand::of_type(self.typ(node)),
            Expression::Range(range) => self.expr(&range.right),
            Expression::Ellipsis(_) | Expression::List(_) => Operand::unknown(),
        }
    }

    fn name(&mut self, name: &ast::Ident) -> Operand {
        let Some(id) = self.find(&name.name) else { return Operand::unknown() };
        self.record_use(name, id);
        self.object_operand(id)
    }

    /// What an object is where it is used.
    pub(crate) fn object_operand(&mut self, id: crate::object::ObjectId) -> Operand {
        let object = self.universe.object(id);
        match object.kind {
            ObjectKind::Var { .. } => Operand::variable(self.universe.type_of(id)),
            ObjectKind::Func { .. } => Operand::value(self.universe.type_of(id)),
            ObjectKind::TypeName { .. } => Operand::of_type(self.universe.type_of(id)),
            ObjectKind::Nil => Operand::new(Mode::Nil, Basic::UntypedNil.id()),
            ObjectKind::Builtin(builtin) => Operand::new(Mode::Builtin(builtin), TypeId::UNKNOWN),
            ObjectKind::Package(_) => Operand::unknown(),
            ObjectKind::Const => {
                let is_iota =
                    object.package == crate::object::PackageId::UNIVERSE && &*object.name == "iota";
                let value = match self.iota {
                    Some(iota) if is_iota => Some(Value::Int(iota)),
                    _ => self.universe.value_of(id),
                };
                let typ = self.universe.type_of(id);
                match value {
                    Some(value) if !typ.is_unknown() => Operand::constant(value, typ),
                    _ => Operand::unknown(),
                }
            }
        }
    }

    fn function_literal(&mut self, literal: &ast::FuncLit) -> Operand {
        self.open();
        let (signature, declared) = self.signature(&literal.typ);
        let function = self.add_function(None, signature, None, declared);
        if let Some(info) = self.info() {
            info.borrow_mut().function_literals.insert(key(literal), function);
        }
        // What stands outside of functions is looked into later: what it names may be on the way right now.
        if !self.is_package_level() {
            self.body(function, signature, &literal.body);
        }
        self.close();
        Operand::value(signature)
    }

    /// `*x`: a value, or a pointer type.
    fn star(&mut self, inner: &Expression) -> Operand {
        let operand = self.expr(inner);
        if operand.mode == Mode::Type {
            return Operand::of_type(self.universe.pointer_to(operand.typ));
        }
        match *self.universe.get(self.universe.core_type(operand.typ)) {
            Type::Pointer(elem) => Operand::variable(elem),
            _ => Operand::unknown(),
        }
    }

    fn unary(&mut self, op: Operator, inner: &Expression) -> Operand {
        if op == Operator::And {
            if let Expression::CompositeLit(literal) = unparen(inner) {
                let operand = self.composite(literal);
                self.record_through(inner, &operand);
                return Operand::value(self.universe.pointer_to(operand.typ));
            }
            let operand = self.expr(inner);
            return Operand::value(self.universe.pointer_to(operand.typ));
        }
        let operand = self.expr(inner);
        if op == Operator::Arrow {
            self.has_call = true;
            return match *self.universe.get(self.universe.core_type(operand.typ)) {
                Type::Chan { elem, .. } => Operand::value(elem).comma_ok(),
                _ => Operand::unknown(),
            };
        }
        if let (Some(value), Some(basic)) = (&operand.value, self.universe.basic(operand.typ)) {
            let value = constant::unary(op, value, basic);
            return Operand::constant(value, operand.typ);
        }
        match operand.mode {
            Mode::Unknown => operand,
            _ => Operand::value(operand.typ),
        }
    }

    /// Operators that lean to the left, from the left, without going as deep as there are many.
    fn chain(&mut self, node: &Expression) -> Operand {
        let mut operations = Vec::new();
        let mut first = node;
        while let Expression::Operation(operation) = first
            && operation.y.is_some()
        {
            operations.push((first, operation));
            first = &operation.x;
        }
        let mut left = self.expr(first);
        while let Some((whole, operation)) = operations.pop() {
            let Some(right) = &operation.y else { continue };
            left = self.binary(operation.op, (&operation.x, left), right);
            // The whole is noted by who asked for it.
            if !std::ptr::eq(whole, node) {
                self.record(whole, &left);
            }
        }
        left
    }

    /// `x op y`, of which `x` is known.
    pub(crate) fn binary(
        &mut self,
        op: Operator,
        (left_node, mut left): (&Expression, Operand),
        right_node: &Expression,
    ) -> Operand {
        let mut right = self.expr(right_node);
        if matches!(op, Operator::Shl | Operator::Shr) {
            return self.shift(op, &left, &right);
        }
        self.matched((left_node, &mut left), (right_node, &mut right));
        if is_comparison(op) {
            return self.comparison(op, (left_node, left), (right_node, right));
        }
        if left.mode == Mode::Unknown || right.mode == Mode::Unknown {
            // Both have the same type; one of them may be known.
            let typ = if left.typ.is_unknown() { right.typ } else { left.typ };
            return match self.universe.is_untyped(typ) {
                true => Operand::unknown(),
                false => Operand::value(typ),
            };
        }
        if let (Some(one), Some(other)) = (&left.value, &right.value) {
            let basic = self.universe.basic(left.typ);
            let integers = basic.is_some_and(Basic::is_integer);
            let value = constant::binary(op, one, other, integers);
            let value = match basic {
                Some(basic) if !basic.is_untyped() => {
                    constant::represent(&value, basic).unwrap_or(Value::Unknown)
                }
                _ => value,
            };
            return Operand::constant(value, left.typ);
        }
        Operand::value(left.typ)
    }

    /// Gives operands the type of each other, where one of them has none.
    pub(crate) fn matched(
        &mut self,
        (left_node, left): (&Expression, &mut Operand),
        (right_node, right): (&Expression, &mut Operand),
    ) {
        let (left_typ, right_typ) = (left.typ, right.typ);
        let left_untyped = self.universe.is_untyped(left_typ);
        let right_untyped = self.universe.is_untyped(right_typ);
        if left_untyped && right_untyped {
            let (Type::Basic(one), Type::Basic(other)) =
                (&*self.universe.get(left_typ), &*self.universe.get(right_typ))
            else {
                return;
            };
            if let Some(larger) = larger(*one, *other) {
                self.convert_untyped(left_node, left, larger.id());
                self.convert_untyped(right_node, right, larger.id());
            }
            return;
        }
        if left_untyped {
            self.convert_untyped(left_node, left, right_typ);
        }
        if right_untyped {
            self.convert_untyped(right_node, right, left_typ);
        }
    }

    fn comparison(
        &mut self,
        op: Operator,
        (left_node, left): (&Expression, Operand),
        (right_node, right): (&Expression, Operand),
    ) -> Operand {
        let boolean = Basic::UntypedBool.id();
        if let (Some(one), Some(other)) = (&left.value, &right.value) {
            return Operand::constant(constant::binary(op, one, other, false), boolean);
        }
        // At run time there are two values, so both need types.
        self.settle(left_node, self.universe.default_type(left.typ));
        self.settle(right_node, self.universe.default_type(right.typ));
        Operand::value(boolean)
    }

    fn shift(&mut self, op: Operator, left: &Operand, right: &Operand) -> Operand {
        if let (Some(value), Some(count)) = (&left.value, &right.value) {
            let mut typ = left.typ;
            if !self.universe.basic(typ).is_some_and(Basic::is_integer) {
                typ = Basic::UntypedInt.id();
            }
            let mut value = constant::shift(op, value, count);
            if let Some(basic) = self.universe.basic(typ).filter(|basic| !basic.is_untyped()) {
                value = constant::represent(&value, basic).unwrap_or(Value::Unknown);
            }
            return Operand::constant(value, typ);
        }
        match left.mode {
            Mode::Unknown => Operand::unknown(),
            // An untyped constant takes the type that the whole gets.
            _ => Operand::value(left.typ),
        }
    }

    fn slice(&mut self, slice: &ast::Slice) -> Operand {
        let operand = self.expr(&slice.left);
        for index in slice.index.iter().flatten() {
            self.integer(index);
        }
        let typ = match &*self.universe.get(self.universe.core_string(operand.typ)) {
            Type::Basic(Basic::UntypedString) => Basic::String.id(),
            // A slice of a named string is one of that name.
            Type::Basic(Basic::String) | Type::Slice(_) => operand.typ,
            Type::Array { elem, .. } => self.universe.slice_of(*elem),
            Type::Pointer(array) => match &*self.universe.get(self.universe.core_type(*array)) {
                Type::Array { elem, .. } => self.universe.slice_of(*elem),
                _ => TypeId::UNKNOWN,
            },
            _ => TypeId::UNKNOWN,
        };
        Operand::value(typ)
    }

    /// An index or length.
    pub(crate) fn integer(&mut self, node: &Expression) -> Operand {
        let mut operand = self.expr(node);
        self.convert_untyped(node, &mut operand, Basic::Int.id());
        operand
    }

    /// `x[i]`, or a generic function with arguments.
    fn index(
        &mut self,
        left: &Expression,
        indices: &[&Expression],
        wanted: Option<TypeId>,
    ) -> Operand {
        let operand = self.expr(left);
        self.index_of(operand, left, indices, wanted)
    }

    /// The same, where `x` is known.
    pub(crate) fn index_of(
        &mut self,
        operand: Operand,
        left: &Expression,
        indices: &[&Expression],
        wanted: Option<TypeId>,
    ) -> Operand {
        if operand.mode == Mode::Type {
            let typ = self.generic_type(left, indices);
            return Operand::of_type(typ);
        }
        if let Type::Func(signature) = &*self.universe.get(operand.typ)
            && !signature.type_params.is_empty()
        {
            let args: Vec<TypeId> = indices.iter().map(|arg| self.typ(arg)).collect();
            return Operand::value(self.instantiate_value(left, operand.typ, &args, wanted));
        }
        let Some(index) = indices.first() else { return Operand::unknown() };
        let Some(elem) = self.elem(operand.typ, index) else {
            self.expr(index);
            return Operand::unknown();
        };
        let (typ, mode) = elem;
        if mode == Mode::MapElem {
            let mut operand = Operand::new(mode, typ).comma_ok();
            if typ.is_unknown() {
                operand.mode = Mode::Unknown;
            }
            return operand;
        }
        self.integer(index);
        // An element of an array can be changed if the array can be.
        let is_array =
            matches!(&*self.universe.get(self.universe.core_type(operand.typ)), Type::Array { .. });
        match mode {
            Mode::Variable if is_array && operand.mode != Mode::Variable => Operand::value(typ),
            Mode::Variable => Operand::variable(typ),
            _ => Operand::value(typ),
        }
    }

    /// The type of an element, and what it is; the key of a map is looked at.
    fn elem(&mut self, typ: TypeId, index: &Expression) -> Option<(TypeId, Mode)> {
        let core = self.universe.core_type(typ);
        Some(match &*self.universe.get(core) {
            Type::Basic(basic) if basic.is_string() => (Basic::Uint8.id(), Mode::Value),
            Type::Slice(elem) | Type::Array { elem, .. } => (*elem, Mode::Variable),
            Type::Pointer(array) => match &*self.universe.get(self.universe.core_type(*array)) {
                Type::Array { elem, .. } => (*elem, Mode::Variable),
                _ => return None,
            },
            Type::Map { key, elem } => {
                let mut operand = self.expr_for(index, Some(*key));
                self.assign(index, &mut operand, Some(*key));
                (*elem, Mode::MapElem)
            }
            _ => return self.common_elem(typ),
        })
    }

    /// The element type that all types of a type parameter share.
    fn common_elem(&mut self, typ: TypeId) -> Option<(TypeId, Mode)> {
        if !self.universe.is_type_param(typ) {
            return None;
        }
        let terms = self.universe.type_set(typ).terms.clone()?;
        let mut common = None;
        let mut mode = Mode::Variable;
        for term in terms.iter() {
            let elem = match &*self.universe.under(term.typ) {
                Type::Basic(basic) if basic.is_string() => {
                    mode = Mode::Value;
                    Basic::Uint8.id()
                }
                Type::Slice(elem) | Type::Array { elem, .. } => *elem,
                _ => return None,
            };
            match common {
                None => common = Some(elem),
                Some(known) if self.universe.identical(known, elem) => {}
                Some(_) => return None,
            }
        }
        common.map(|elem| (elem, mode))
    }

    pub(crate) fn generic_type(&mut self, left: &Expression, indices: &[&Expression]) -> TypeId {
        let args: Vec<TypeId> = indices.iter().map(|arg| self.typ(arg)).collect();
        if args.iter().any(|arg| arg.is_unknown()) {
            return TypeId::UNKNOWN;
        }
        let object = match unparen(left) {
            Expression::Ident(name) => self.find(&name.name),
            Expression::Selector(selector) => match self.package_named(&selector.x) {
                Some(Some(package)) => self.universe.member(package, &selector.sel.name),
                _ => None,
            },
            _ => None,
        };
        object.map_or(TypeId::UNKNOWN, |object| self.universe.instantiate(object, &args))
    }

    /// The types of what is assigned to several names: results of a call, or a value and whether there was one.
    pub(crate) fn several(&mut self, node: &Expression, count: usize) -> Rc<[TypeId]> {
        let operand = self.expr(node);
        if let Type::Tuple(types) = &*self.universe.get(operand.typ) {
            return Rc::clone(types);
        }
        if count == 2 && operand.can_comma_ok {
            if let Some(info) = self.info() {
                let mut node = node;
                loop {
                    if let Some(noted) = info.borrow_mut().exprs.get_mut(&key(node)) {
                        noted.is_comma_ok = true;
                    }
                    let Expression::Paren(inner) = node else { break };
                    node = &inner.expr;
                }
            }
            return Rc::from([operand.typ, Basic::Bool.id()]);
        }
        Rc::from([])
    }

    /// The element type of a channel, if values can be received from it.
    pub(crate) fn channel_elem(&self, typ: TypeId) -> Option<TypeId> {
        match *self.universe.get(self.universe.core_type(typ)) {
            Type::Chan {
                direction: Direction::Both | Direction::Send | Direction::Receive,
                elem,
            } => Some(elem),
            _ => None,
        }
    }
}
