//! Calls and conversions.

use gosyn::ast::{self, Expression};

use crate::checker::{Checker, unparen};
use crate::constant::{self, Value};
use crate::info::{CallInfo, CallKind, Mode, SelectionKind, key};
use crate::object::{Builtin, ObjectKind};
use crate::operand::Operand;
use crate::types::{Basic, Signature, Type, TypeId};

/// An argument: with its expression, unless it is one of the results of a call.
pub(crate) type Argument<'a> = (Option<&'a Expression>, Operand);

impl Checker<'_> {
    pub(crate) fn call(&mut self, node: &ast::Call) -> Operand {
        let (callee, generic) = self.callee(&node.func);
        match callee.mode {
            Mode::Type => {
                let operand = self.conversion(node, callee.typ);
                self.note_call(node, CallKind::Conversion(callee.typ), TypeId::UNKNOWN, &operand);
                return operand;
            }
            Mode::Builtin(builtin) => {
                let operand = self.builtin(builtin, node);
                self.has_call |=
                    operand.value.is_none() && !matches!(builtin, Builtin::Len | Builtin::Cap);
                self.note_call(node, CallKind::Builtin(builtin), TypeId::UNKNOWN, &operand);
                return operand;
            }
            _ => {}
        }
        let shape = self.universe.get(self.universe.core_type(callee.typ));
        let (signature, result) = match &*shape {
            Type::Func(signature) => {
                let typ = self.called(node, callee.typ, signature, generic);
                (typ, self.result_of(typ))
            }
            _ => {
                self.arguments(node, None);
                (TypeId::UNKNOWN, Operand::unknown())
            }
        };
        self.has_call = true;
        let kind = self.call_kind(&node.func);
        self.note_call(node, kind, signature, &result);
        result
    }

    fn note_call(&self, node: &ast::Call, kind: CallKind, signature: TypeId, result: &Operand) {
        if let Some(info) = self.info() {
            let noted = CallInfo { kind, signature, result: result.typ };
            info.borrow_mut().calls.insert(key(node), noted);
        }
    }

    /// What is called; and if it is a generic function with arguments for its type parameters, its name with
    /// those.
    fn callee<'a>(
        &mut self,
        node: &'a Expression,
    ) -> (Operand, Option<(&'a Expression, Vec<TypeId>)>) {
        let (left, indices): (&Expression, Vec<&Expression>) = match unparen(node) {
            Expression::Index(index) => match &*index.index {
                Expression::List(list) => (&index.left, list.iter().collect()),
                one => (&index.left, vec![one]),
            },
            Expression::IndexList(index) => (&index.left, index.indices.iter().collect()),
            _ => return (self.expr(node), None),
        };
        let operand = self.expr(left);
        let is_generic = operand.mode != Mode::Type
            && matches!(
                &*self.universe.get(operand.typ),
                Type::Func(signature) if !signature.type_params.is_empty()
            );
        if is_generic {
            let args = indices.iter().map(|arg| self.typ(arg)).collect();
            return (operand, Some((left, args)));
        }
        let operand = self.index_of(operand, left, &indices, None);
        self.record_through(node, &operand);
        (operand, None)
    }

    /// Notes what an expression is, and the same within the brackets around it.
    pub(crate) fn record_through(&self, node: &Expression, operand: &Operand) {
        let mut node = node;
        loop {
            self.record(node, operand);
            let Expression::Paren(inner) = node else { return };
            node = &inner.expr;
        }
    }

    /// Looks at arguments and gives them the types of parameters. Returns the signature, instantiated.
    fn called(
        &mut self,
        node: &ast::Call,
        typ: TypeId,
        signature: &Signature,
        generic: Option<(&Expression, Vec<TypeId>)>,
    ) -> TypeId {
        if signature.type_params.is_empty() {
            self.arguments(node, Some(signature));
            return typ;
        }
        let mut arguments = self.evaluate(node, None);
        let (name, given) = match generic {
            Some((name, given)) => (name, given),
            None => (unparen(&node.func), Vec::new()),
        };
        let inferred = self.infer_call(signature, &given, &arguments, node.dots.is_some());
        let Some(types) = inferred else {
            self.give_types(&mut arguments, None, node.dots.is_some());
            self.record_through(&node.func, &Operand::unknown());
            return TypeId::UNKNOWN;
        };
        let bare = Signature { type_params: [].into(), ..signature.clone() };
        let bare = self.universe.intern(Type::Func(bare));
        let typ = self.universe.substitute(bare, &signature.type_params, &types);
        self.note_type_args(name, &types);
        self.record_through(&node.func, &Operand::value(typ));
        if let Type::Func(signature) = &*self.universe.get(typ) {
            self.give_types(&mut arguments, Some(signature), node.dots.is_some());
        }
        typ
    }

    fn arguments(&mut self, node: &ast::Call, signature: Option<&Signature>) {
        let mut arguments = self.evaluate(node, signature);
        self.give_types(&mut arguments, signature, node.dots.is_some());
    }

    /// Looks at arguments: a single call may bring several.
    pub(crate) fn evaluate<'a>(
        &mut self,
        node: &'a ast::Call,
        signature: Option<&Signature>,
    ) -> Vec<Argument<'a>> {
        let mut arguments = Vec::with_capacity(node.args.len());
        for (number, argument) in node.args.iter().enumerate() {
            let wanted =
                signature.map(|signature| self.param(signature, number, node.dots.is_some()));
            let operand = self.expr_for(argument, wanted);
            match &*self.universe.get(operand.typ) {
                Type::Tuple(types) if node.args.len() == 1 => {
                    arguments.extend(types.iter().map(|typ| (None, Operand::value(*typ))));
                }
                _ => arguments.push((Some(argument), operand)),
            }
        }
        arguments
    }

    /// The type that a signature asks of an argument.
    pub(crate) fn param(&self, signature: &Signature, number: usize, has_dots: bool) -> TypeId {
        let last = signature.params.len().saturating_sub(1);
        let Some(param) = signature.params.get(number.min(last)) else { return TypeId::UNKNOWN };
        if !signature.is_variadic || has_dots || number < last {
            return if number <= last { param.typ } else { TypeId::UNKNOWN };
        }
        match *self.universe.get(param.typ) {
            Type::Slice(elem) => elem,
            _ => TypeId::UNKNOWN,
        }
    }

    fn give_types(
        &mut self,
        arguments: &mut [Argument<'_>],
        signature: Option<&Signature>,
        has_dots: bool,
    ) {
        for (number, (node, operand)) in arguments.iter_mut().enumerate() {
            let Some(node) = node else { continue };
            let to = signature.map(|signature| self.param(signature, number, has_dots));
            if let Some(to) = to {
                *operand = self.instantiated(node, operand.clone(), to);
            }
            self.assign(node, operand, Some(to.unwrap_or(TypeId::UNKNOWN)));
        }
    }

    fn result_of(&self, signature: TypeId) -> Operand {
        let Type::Func(signature) = &*self.universe.get(self.universe.core_type(signature)) else {
            return Operand::unknown();
        };
        match &*signature.results {
            [] => Operand::new(Mode::NoValue, self.universe.empty_tuple),
            [one] => Operand::value(one.typ),
            several => {
                let types: Vec<TypeId> = several.iter().map(|result| result.typ).collect();
                Operand::value(self.universe.tuple(&types))
            }
        }
    }

    fn call_kind(&self, node: &Expression) -> CallKind {
        let node = match unparen(node) {
            Expression::Index(index) => unparen(&index.left),
            Expression::IndexList(index) => unparen(&index.left),
            node => node,
        };
        let Some(info) = self.info() else { return CallKind::Unknown };
        let info = info.borrow();
        let by_name = |name: &ast::Ident| match info.uses.get(&key(name)) {
            Some(object) => match self.universe.object(*object).kind {
                ObjectKind::Func { .. } => CallKind::Function(*object),
                ObjectKind::Var { .. } => CallKind::Value,
                _ => CallKind::Unknown,
            },
            None => CallKind::Unknown,
        };
        match node {
            // An element of a map or slice was called, if its name is none of a function.
            Expression::Ident(name) => by_name(name),
            Expression::Selector(selector) => match info.selections.get(&key(selector)) {
                None => by_name(&selector.sel),
                Some(selection) => match selection.kind {
                    SelectionKind::Field => CallKind::Value,
                    SelectionKind::Method { method, .. } => CallKind::Method(method),
                    SelectionKind::InterfaceMethod => CallKind::InterfaceMethod,
                    SelectionKind::MethodExpr { method } => CallKind::MethodExpr(method),
                },
            },
            Expression::FuncLit(literal) => info
                .function_literals
                .get(&key(literal))
                .map_or(CallKind::Unknown, |function| CallKind::Literal(*function)),
            _ => CallKind::Value,
        }
    }

    fn conversion(&mut self, node: &ast::Call, to: TypeId) -> Operand {
        let Some(argument) = node.args.first() else { return Operand::value(to) };
        let mut operand = self.expr_for(argument, Some(to));
        let target = self.universe.basic(to).filter(|_| !self.universe.is_type_param(to));
        let mut converted = Operand::value(to);
        if let (Some(value), Some(basic)) = (&operand.value, target) {
            let is_integer = self.universe.basic(operand.typ).is_some_and(Basic::is_integer);
            let value = match value {
                Value::Int(code) if basic.is_string() && is_integer => {
                    let code = u32::try_from(*code).ok().and_then(char::from_u32);
                    let code = code.unwrap_or(char::REPLACEMENT_CHARACTER);
                    Some(constant::string(code.encode_utf8(&mut [0; 4]).as_bytes()))
                }
                value => constant::represent(value, basic),
            };
            if basic != Basic::UnsafePointer {
                converted = Operand::constant(value.unwrap_or(Value::Unknown), to);
            }
        }
        if self.universe.is_untyped(operand.typ) && !operand.is_nil() {
            let own = self.universe.default_type(operand.typ);
            let is_code = operand.value.is_some()
                && self.universe.basic(operand.typ).is_some_and(Basic::is_integer)
                && self.universe.all_basic(to, Basic::is_string);
            let settled = if is_code {
                operand.typ
            } else if self.universe.is_interface(to)
                || (operand.value.is_some() && converted.value.is_none())
            {
                own
            } else {
                to
            };
            if settled != operand.typ {
                self.settle(argument, settled);
                operand.typ = settled;
            }
        }
        converted
    }
}
