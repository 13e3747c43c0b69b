//! Expressions: what is inside of them, and maps that leave by them.

use tophash_typecheck::ast::{CompositeLit, Element, Expression, LiteralValue, Statement};
use tophash_typecheck::token::Operator;

use super::facts::{Action, Make, Op, Origin, Spot, Stored, TimerInLoop, Use};
use super::key::is_zero;
use super::{Binding, Walker};
use crate::model::package::named;
use crate::model::place::{Place, Root};
use crate::model::render;
use crate::model::ty::{Shape, Ty};

impl<'a> Walker<'_, 'a> {
    /// Walks over an expression. Function values in it are used as is said.
    pub(super) fn visit(&mut self, expression: &'a Expression, usage: Use) {
        match expression {
            Expression::Call(call) => self.visit_call(call, Use::Direct),
            Expression::FuncLit(function) => {
                self.walk_closure(&function.typ, &function.body.list, usage);
            }
            Expression::Ident(ident) => self.note_value(&ident.name),
            Expression::Selector(selector) => {
                if let Some(method) = self.callee(expression) {
                    self.note_caller(method, false);
                }
                self.visit(&selector.x, usage);
            }
            Expression::Index(index) => {
                self.visit(&index.left, usage);
                self.visit(&index.index, usage);
            }
            Expression::IndexList(index) => self.visit(&index.left, usage),
            Expression::Slice(slice) => {
                self.visit(&slice.left, usage);
                for bound in slice.index.iter().flatten() {
                    self.visit(bound, usage);
                }
            }
            Expression::Ellipsis(variadic) => {
                if let Some(elt) = &variadic.elt {
                    self.visit(elt, usage);
                }
            }
            Expression::Range(range) => self.visit(&range.right, usage),
            Expression::Star(star) => self.visit(&star.right, usage),
            Expression::Paren(inner) => self.visit(&inner.expr, usage),
            Expression::TypeAssert(assertion) => self.visit(&assertion.left, usage),
            Expression::CompositeLit(literal) => {
                self.note_fields_made(literal);
                self.visit_elements(&literal.val);
            }
            Expression::List(list) => list.iter().for_each(|part| self.visit(part, usage)),
            Expression::Operation(operation) => {
                self.visit(&operation.x, usage);
                match &operation.y {
                    Some(right) => {
                        self.visit(right, usage);
                        self.compare(operation.op, &operation.x, right);
                    }
                    None if operation.op == Operator::And => self.escape_address(&operation.x),
                    None => {}
                }
            }
            Expression::BasicLit(_)
            | Expression::TypeMap(_)
            | Expression::TypeArray(_)
            | Expression::TypeSlice(_)
            | Expression::TypeFunction(_)
            | Expression::TypeStruct(_)
            | Expression::TypeChannel(_)
            | Expression::TypePointer(_)
            | Expression::TypeInterface(_) => {}
        }
    }

    /// Walks over what an assignment's left side looks up.
    pub(super) fn visit_target(&mut self, target: &'a Expression) {
        match target {
            Expression::Index(index) => {
                self.visit(&index.left, Use::Kept);
                self.visit(&index.index, Use::Kept);
            }
            Expression::Selector(selector) => self.visit_target(&selector.x),
            Expression::Paren(inner) => self.visit_target(&inner.expr),
            Expression::Star(star) => self.visit(&star.right, Use::Kept),
            Expression::Call(call) => self.visit_call(call, Use::Direct),
            _ => {}
        }
    }

    fn visit_elements(&mut self, literal: &'a LiteralValue) {
        for element in &literal.values {
            for part in element.key.iter().chain([&element.val]) {
                match part {
                    Element::Expr(value) => {
                        // The key may be a field's name, which is no variable.
                        let is_field =
                            element.key.as_ref().is_some_and(|key| std::ptr::eq(key, part))
                                && matches!(value, Expression::Ident(_));
                        if !is_field {
                            self.visit(value, Use::Kept);
                            self.escape(value);
                        }
                    }
                    Element::LitValue(inner) => self.visit_elements(inner),
                }
            }
        }
    }

    /// Notes maps that a literal of a structure makes for its fields.
    fn note_fields_made(&mut self, literal: &'a CompositeLit) {
        let Some(ty) = named(&Ty::Written(&literal.typ)) else { return };
        for element in &literal.val.values {
            if let (Some(Element::Expr(Expression::Ident(field))), Element::Expr(value)) =
                (&element.key, &element.val)
                && let Some(found) = self.package.field(ty, &field.name)
            {
                let place = Place::new(Root::Type(found.owner)).field(&field.name);
                self.note_made(place, value);
            }
        }
    }

    /// Notes that a place gets a map, if a value makes one.
    pub(super) fn note_made(&mut self, place: Place<'a>, value: &'a Expression) {
        let ty = match value {
            Expression::CompositeLit(literal) => Ty::Written(&literal.typ),
            Expression::Call(call) => match (call.func.as_ref(), call.args.first()) {
                (Expression::Ident(ident), Some(ty)) if ident.name == "make" => Ty::Written(ty),
                _ => return,
            },
            _ => return,
        };
        if matches!(self.package.underlying(&ty), Shape::Map(..)) {
            let (spot, function) = (self.spot(start(value)), self.function);
            self.facts.makes.push(Make { place, spot, end: end(value), function });
        }
    }

    /// A name that is no callee: a function's is its value.
    fn note_value(&mut self, name: &'a str) {
        if self.variable(name).is_none()
            && let Some(number) = self.package.function(name)
        {
            self.note_caller(number, false);
        }
    }

    /// Notes that a map goes where it is not followed.
    pub(super) fn escape(&mut self, expression: &'a Expression) {
        // Only what can denote a map that lives on is worth a look.
        if !matches!(
            expression,
            Expression::Ident(_)
                | Expression::Selector(_)
                | Expression::Index(_)
                | Expression::Paren(_)
        ) {
            return;
        }
        let value = self.value(expression);
        if let Some(place) = value.place
            && self.package.map_kind(&value.ty).is_some()
        {
            self.note(place, Action::Escape, expression, None, value.is_fresh);
        }
    }

    fn escape_address(&mut self, expression: &'a Expression) {
        let value = self.value(expression);
        if let Some(place) = value.place
            && matches!(self.package.underlying(&value.ty), Shape::Map(..))
        {
            self.note(place, Action::Escape, expression, None, value.is_fresh);
        }
    }

    /// Notes a map whose length is compared with something but zero: it has a limit.
    fn compare(&mut self, operator: Operator, left: &'a Expression, right: &'a Expression) {
        let is_comparison = matches!(
            operator,
            Operator::Less
                | Operator::Greater
                | Operator::LessEqual
                | Operator::GreaterEqual
                | Operator::Equal
                | Operator::NotEqual
        );
        if !is_comparison {
            return;
        }
        if operator == Operator::NotEqual
            && let (Some(function), Some(text)) = (self.function, render::short(left))
            && render::short(right) == Some(text)
        {
            self.facts.asks_nan.insert(function);
        }
        if !is_zero(right) {
            self.measure(left);
        }
        if !is_zero(left) {
            self.measure(right);
        }
    }

    /// Notes the map of `len(m)`, also through a variable that has it, or added to something.
    pub(super) fn measure(&mut self, expression: &'a Expression) {
        match expression {
            Expression::Call(call) => {
                if let (Expression::Ident(ident), [map]) =
                    (call.func.as_ref(), call.args.as_slice())
                    && ident.name == "len"
                {
                    self.facts.measured.extend(self.value(map).place);
                }
                // A conversion: int64(len(m)).
                if let [inner @ Expression::Call(_)] = call.args.as_slice() {
                    self.measure(inner);
                }
            }
            Expression::Operation(operation) if operation.y.is_some() => {
                self.measure(&operation.x);
            }
            Expression::Ident(ident) => {
                if let Some((_, Binding { source: super::Source::Expression(made_of), .. })) =
                    self.variable(&ident.name)
                    && let made_of @ Expression::Call(_) = *made_of
                {
                    self.measure(made_of);
                }
            }
            Expression::Paren(inner) => self.measure(&inner.expr),
            _ => {}
        }
    }

    /// Notes a timer that a choice in a loop may leave behind.
    pub(super) fn note_timer(&mut self, communication: &'a Statement) {
        let received = match communication {
            Statement::Expr(expression) => Some(&expression.expr),
            Statement::Assign(assignment) => assignment.right.first(),
            _ => None,
        };
        if let Some(Expression::Operation(operation)) = received
            && operation.op == Operator::Arrow
            && let Expression::Call(call) = operation.x.as_ref()
            && let Expression::Selector(selector) = call.func.as_ref()
            && self.package_path(&selector.x) == Some("time")
            && selector.sel.name == "After"
            && self.is_in_own_loop()
        {
            let spot = self.spot(start(&operation.x));
            let is_short =
                call.args.first().and_then(seconds).is_some_and(|time| time <= SHORT_SECONDS);
            self.facts.timers.push(TimerInLoop {
                spot,
                call: render::shown(&operation.x),
                is_short,
            });
        }
    }

    /// Whether there is a loop within the function value at hand.
    fn is_in_own_loop(&self) -> bool {
        let outer = self.frames.last().map_or(0, |frame| frame.loops);
        self.loops.len() > outer
    }

    /// What a value is, as far as rules ask.
    pub(super) fn stored(&self, value: &'a Expression) -> Stored {
        match value {
            Expression::Ident(ident) if ident.name == "nil" => Stored::Nil,
            _ => match self.is_lock(&self.value(value).ty) {
                true => Stored::Lock,
                false => Stored::Other,
            },
        }
    }

    fn is_lock(&self, ty: &Ty<'a>) -> bool {
        let shape = match ty.shape() {
            Shape::Pointer(to) => to.shape(),
            other => other,
        };
        matches!(shape, Shape::Foreign("sync", "Mutex" | "RWMutex"))
    }

    /// Notes what is done to a map.
    pub(super) fn note(
        &mut self,
        place: Place<'a>,
        action: Action,
        at: &'a Expression,
        key: Option<&'a Expression>,
        is_fresh: bool,
    ) {
        let declared = match place.root {
            Root::Local { .. } => {
                self.variables.iter().position(|variable| variable.place.as_ref() == Some(&place))
            }
            _ => None,
        };
        let loops = declared.and_then(|at| self.variables.get(at)).map_or(0, |found| found.loops);
        let around: Vec<_> = match declared {
            Some(declared) => {
                self.frames.iter().filter(|frame| frame.variables > declared).collect()
            }
            None => self.frames.iter().collect(),
        };
        let captured = around.iter().map(|frame| frame.usage).max_by_key(|usage| match usage {
            Use::Direct | Use::Once => 0,
            Use::Kept => 1,
            Use::Goroutine => 2,
        });
        let is_fresh = is_fresh && !matches!(place.root, Root::Local { .. });
        let is_inner = match (action, at) {
            (Action::Insert(_), Expression::Index(index)) => self.value(&index.left).is_inner,
            _ => self.value(at).is_inner,
        };
        self.facts.ops.push(Op {
            action,
            spot: Spot { file: self.file, at: start(at) },
            end: end(at),
            function: self.function,
            key,
            key_ty: Ty::Unknown,
            origin: Origin::Plain,
            is_fresh,
            is_inner,
            in_endless_loop: self.loops.iter().skip(loops).any(|around| around.is_endless),
            is_locked: self.is_locked,
            is_once: self.frames.iter().any(|frame| frame.usage == Use::Once),
            captured,
            in_handler: around.iter().any(|frame| frame.takes_request),
            place,
        });
    }

    /// Finds the function of this package that an expression names.
    pub(super) fn callee(&self, function: &'a Expression) -> Option<usize> {
        match function {
            Expression::Ident(ident) if self.variable(&ident.name).is_none() => {
                self.package.function(&ident.name)
            }
            Expression::Selector(selector) if self.package_path(&selector.x).is_none() => {
                let base = self.value(&selector.x);
                self.package.method(named(&base.ty)?, &selector.sel.name)
            }
            Expression::Index(index) => self.callee(&index.left),
            Expression::IndexList(index) => self.callee(&index.left),
            Expression::Paren(inner) => self.callee(&inner.expr),
            _ => None,
        }
    }
}

/// Where an expression ends, as far as that tells lines: on the line of its last bracket or name.
pub(crate) fn end(expression: &Expression) -> usize {
    let mut expression = expression;
    loop {
        expression = match expression {
            Expression::Call(call) => return call.pos.1,
            Expression::Index(index) => return index.pos.1,
            Expression::Slice(slice) => return slice.pos.1,
            Expression::Paren(inner) => return inner.pos.1,
            Expression::CompositeLit(literal) => return literal.val.pos.1,
            Expression::Selector(selector) => return selector.sel.pos,
            Expression::FuncLit(function) => return function.body.pos.1,
            Expression::Star(star) => &star.right,
            Expression::Operation(operation) => operation.y.as_ref().unwrap_or(&operation.x),
            Expression::List(list) => match list.last() {
                Some(last) => last,
                None => return 0,
            },
            other => return start(other),
        }
    }
}

/// Timers that fire so soon are gone before there are many.
const SHORT_SECONDS: f64 = 10.0;

/// A time that is written out: `5 * time.Second`.
fn seconds(expression: &Expression) -> Option<f64> {
    match expression {
        Expression::Paren(inner) => seconds(&inner.expr),
        Expression::BasicLit(literal) => literal.value.parse().ok(),
        Expression::Selector(selector) => match selector.sel.name.as_str() {
            "Nanosecond" => Some(1e-9),
            "Microsecond" => Some(1e-6),
            "Millisecond" => Some(1e-3),
            "Second" => Some(1.0),
            "Minute" => Some(60.0),
            "Hour" => Some(3600.0),
            _ => None,
        },
        Expression::Operation(operation) if operation.op == Operator::Star => {
            Some(seconds(&operation.x)? * seconds(operation.y.as_ref()?)?)
        }
        _ => None,
    }
}

/// Where an expression begins.
pub(crate) fn start(expression: &Expression) -> usize {
    let mut expression = expression;
    loop {
        expression = match expression {
            Expression::Call(call) => &call.func,
            Expression::Index(index) => &index.left,
            Expression::IndexList(index) => &index.left,
            Expression::Slice(slice) => &slice.left,
            Expression::Selector(selector) => &selector.x,
            Expression::TypeAssert(assertion) => &assertion.left,
            Expression::CompositeLit(literal) => &literal.typ,
            Expression::Operation(operation) if operation.y.is_some() => &operation.x,
            Expression::Operation(operation) => return operation.pos,
            Expression::List(list) => match list.first() {
                Some(first) => first,
                None => return 0,
            },
            other => return other.pos(),
        }
    }
}
