//! Statements: scopes, loops, assignments, and what conditions say of maps.

use tophash_typecheck::ast::{
    AssignStmt, Decl, DeclStmt, Expression, ForStmt, GoStmt, IfStmt, RangeStmt, Statement, VarSpec,
};
use tophash_typecheck::token::{Keyword, Operator};

use super::expression::end;
use super::facts::{Action, Emptying, Use};
use super::value::result;
use super::{Loop, Source, Walker};
use crate::model::package::{MapKind, named};
use crate::model::place::{Place, Root};
use crate::model::render;
use crate::model::ty::{Shape, Ty};

impl<'a> Walker<'_, 'a> {
    pub(super) fn block(&mut self, list: &'a [Statement]) {
        let (variables, nil, present) = (self.variables.len(), self.nil.len(), self.present.len());
        for statement in list {
            self.statement(statement);
            if let Statement::If(condition) = statement {
                self.learn_after(condition);
            }
        }
        self.variables.truncate(variables);
        self.nil.truncate(nil);
        self.present.truncate(present);
    }

    /// Walks in a scope of its own.
    fn scoped(&mut self, walk: impl FnOnce(&mut Self)) {
        let (variables, nil, present) = (self.variables.len(), self.nil.len(), self.present.len());
        walk(self);
        self.variables.truncate(variables);
        self.nil.truncate(nil);
        self.present.truncate(present);
    }

    fn statement(&mut self, statement: &'a Statement) {
        match statement {
            Statement::Go(go) => self.launch(go),
            Statement::If(condition) => self.scoped(|walker| walker.condition(condition)),
            Statement::For(repeated) => self.scoped(|walker| walker.repeat(repeated)),
            Statement::Send(send) => {
                self.visit(&send.chan, Use::Kept);
                self.visit(&send.value, Use::Kept);
                self.escape(&send.value);
            }
            Statement::Expr(expression) => self.visit(&expression.expr, Use::Direct),
            Statement::Defer(deferred) => self.visit_call(&deferred.call, Use::Direct),
            Statement::Block(block) => self.block(&block.list),
            Statement::Range(range) => self.scoped(|walker| walker.range(range)),
            Statement::Label(label) => self.statement(&label.stmt),
            Statement::IncDec(change) => {
                self.visit(&change.expr, Use::Kept);
                self.assign_to(&change.expr, None);
            }
            Statement::Assign(assignment) => self.assign(assignment),
            Statement::Return(returned) => {
                for value in &returned.ret {
                    self.visit(value, Use::Kept);
                    self.escape(value);
                }
            }
            Statement::Switch(switch) => self.scoped(|walker| {
                if let Some(first) = &switch.init {
                    walker.statement(first);
                }
                if let Some(tag) = &switch.tag {
                    walker.visit(tag, Use::Kept);
                    walker.measure(tag);
                }
                for case in &switch.block.body {
                    for value in &case.list {
                        walker.visit(value, Use::Kept);
                    }
                    walker.block(&case.body);
                }
            }),
            Statement::TypeSwitch(switch) => self.scoped(|walker| {
                if let Some(first) = &switch.init {
                    walker.statement(first);
                }
                let variable = walker.type_switch_variable(switch.tag.as_deref());
                for case in &switch.block.body {
                    walker.scoped(|walker| {
                        if let Some(name) = variable {
                            let ty = match case.list.as_slice() {
                                [only] => Ty::Written(only),
                                _ => Ty::Unknown,
                            };
                            walker.declare(name, ty, None, false, Source::Unknown);
                        }
                        walker.block(&case.body);
                    });
                }
            }),
            Statement::Select(select) => {
                let cases = &select.body.body;
                for (number, case) in cases.iter().enumerate() {
                    // A timer is left behind where another case leads to the next turn.
                    let others = cases.iter().enumerate().filter(|(other, _)| *other != number);
                    let is_left = others.into_iter().any(|(_, other)| {
                        !leaves_loop(&other.body) && !other.comm.as_deref().is_some_and(is_farewell)
                    });
                    self.scoped(|walker| {
                        if let Some(communication) = &case.comm {
                            if is_left {
                                walker.note_timer(communication);
                            }
                            walker.statement(communication);
                        }
                        walker.block(&case.body);
                    });
                }
            }
            Statement::Declaration(DeclStmt::Variable(variables)) => self.declare_all(variables),
            Statement::Declaration(_) | Statement::Branch(_) | Statement::Empty(_) => {}
        }
    }

    fn launch(&mut self, go: &'a GoStmt) {
        if let Some(started) = self.callee(&go.call.func) {
            self.facts.launched.insert(started);
        }
        self.visit_call(&go.call, Use::Goroutine);
    }

    fn type_switch_variable(&mut self, tag: Option<&'a Statement>) -> Option<&'a str> {
        match tag {
            Some(Statement::Assign(assignment)) => {
                for value in &assignment.right {
                    self.visit(value, Use::Kept);
                }
                match assignment.left.as_slice() {
                    [Expression::Ident(ident)] => Some(&ident.name),
                    _ => None,
                }
            }
            Some(other) => {
                self.statement(other);
                None
            }
            None => None,
        }
    }

    fn declare_all(&mut self, variables: &'a Decl<VarSpec>) {
        for spec in &variables.specs {
            for value in &spec.values {
                self.visit(value, Use::Kept);
            }
            for (number, name) in spec.name.iter().enumerate() {
                let value = spec.values.get(number);
                match (&spec.typ, value) {
                    (Some(ty), value) => {
                        let ty = Ty::Written(ty);
                        // A variable that is no pointer is an object of this function.
                        let is_object = !matches!(self.package.underlying(&ty), Shape::Pointer(_));
                        let source = value.map_or(Source::Unknown, Source::Expression);
                        let is_fresh = is_object && value.is_none();
                        let value = value.map(|value| self.value(value));
                        let is_inner = value.as_ref().is_some_and(|value| value.is_inner);
                        match value.and_then(|value| value.place) {
                            Some(place) if self.package.map_kind(&ty).is_some() => {
                                let of = (false, is_inner);
                                self.declare_alias(&name.name, ty, place, of, source);
                            }
                            _ => self.declare_local(&name.name, name.pos, ty, is_fresh, source),
                        }
                    }
                    (None, Some(value)) => self.declare_as(&name.name, name.pos, value),
                    (None, None) => {
                        let ty =
                            spec.values.first().map(|value| result(&self.value(value).ty, number));
                        let ty = ty.unwrap_or(Ty::Unknown);
                        self.declare(&name.name, ty, None, false, Source::Unknown);
                    }
                }
            }
        }
    }

    /// Declares a variable by its value.
    fn declare_as(&mut self, name: &'a str, at: usize, made_of: &'a Expression) {
        let value = self.value(made_of);
        let source = Source::Expression(made_of);
        let ty = result(&value.ty, 0);
        let is_map = self.package.map_kind(&ty).is_some();
        match value.place {
            Some(place) if is_map => {
                self.declare_alias(name, ty, place, (value.is_fresh, value.is_inner), source);
            }
            _ if is_map && value.is_fresh => {
                self.declare_local(name, at, ty, true, source);
                self.note_made(Place::new(Root::Local { file: self.file, at, name }), made_of);
            }
            _ => self.declare(name, ty, None, value.is_fresh, source),
        }
    }

    fn assign(&mut self, assignment: &'a AssignStmt) {
        for value in &assignment.right {
            self.visit(value, Use::Kept);
        }
        let paired = assignment.left.len() == assignment.right.len();
        for (number, left) in assignment.left.iter().enumerate() {
            let right = if paired { assignment.right.get(number) } else { None };
            match (assignment.op, left) {
                (Operator::Define, Expression::Ident(ident)) => match right {
                    Some(value) => self.declare_as(&ident.name, ident.pos, value),
                    None => {
                        let made_of = assignment.right.first();
                        let ty = match made_of {
                            Some(value) => self.type_of_part(value, number),
                            None => Ty::Unknown,
                        };
                        let source = made_of.map_or(Source::Unknown, Source::Expression);
                        self.declare(&ident.name, ty, None, false, source);
                    }
                },
                (Operator::Define, _) => {}
                (_, left) => {
                    self.visit_target(left);
                    self.assign_to(left, right);
                }
            }
        }
    }

    /// The type of one of several values of an expression: of a call, or with `, ok`.
    fn type_of_part(&self, made_of: &'a Expression, number: usize) -> Ty<'a> {
        let value = self.value(made_of);
        match (&value.ty, number) {
            (Ty::Results(_), number) => result(&value.ty, number),
            (_, 0) => value.ty,
            (_, 1) => Ty::Basic("bool"),
            _ => Ty::Unknown,
        }
    }

    /// Notes an assignment. Without a value, what is there is changed.
    fn assign_to(&mut self, left: &'a Expression, right: Option<&'a Expression>) {
        match left {
            Expression::Paren(inner) => self.assign_to(&inner.expr, right),
            Expression::Index(index) => {
                let map = self.value(&index.left);
                if let Some(MapKind::Plain(key_ty, _)) = self.package.map_kind(&map.ty)
                    && let Some(place) = map.place
                {
                    let stored =
                        right.map_or(super::facts::Stored::Other, |right| self.stored(right));
                    let origin = self.origin(&place, &index.index, &key_ty);
                    self.note(
                        place,
                        Action::Insert(stored),
                        left,
                        Some(&index.index),
                        map.is_fresh,
                    );
                    if let Some(op) = self.facts.ops.last_mut() {
                        op.origin = origin;
                        op.key_ty = key_ty;
                        op.end = right.map_or(op.end, end).max(op.end);
                    }
                } else if let Some(right) = right {
                    self.escape(right);
                }
            }
            _ => self.replace(left, right),
        }
    }

    /// Notes that a variable or field gets another value.
    fn replace(&mut self, left: &'a Expression, right: Option<&'a Expression>) {
        let target = self.value(left);
        if let (Some(place), Some(right)) = (&target.place, right) {
            self.note_made(place.clone(), right);
        }
        let source = right.map(|right| self.value(right));
        if let Expression::Ident(ident) = left
            && let Some((number, variable)) = self.variable(&ident.name)
        {
            // A variable of the function becomes another name for a map, or gets a new one.
            let is_map = self.package.map_kind(&variable.ty).is_some();
            let loops = variable.loops;
            if let Some(place) = source.as_ref().and_then(|source| source.place.clone())
                && is_map
            {
                let is_inner = source.is_some_and(|source| source.is_inner);
                if let Some(variable) = self.variables.get_mut(number) {
                    variable.place = Some(place);
                    variable.is_inner = is_inner;
                }
                return;
            }
            if is_map && let Some(place) = target.place {
                // Made anew once, in the loop it is declared around or without one, is a start.
                let is_start = self.loops.len() == loops;
                if !is_start || matches!(place.root, Root::Parameter { .. }) {
                    self.note(place, Action::Replace, left, None, false);
                }
            }
            return;
        }
        if let Some(right) = right {
            self.escape(right);
        }
        let is_start = target.is_fresh || self.is_constructor();
        match target.place {
            Some(place) if self.package.map_kind(&target.ty).is_some() => {
                if !self.nil.contains(&place) && !is_start {
                    self.note(place, Action::Replace, left, None, false);
                }
            }
            place => {
                let is_first = place.is_some_and(|place| self.nil.contains(&place));
                let source = source.filter(|source| source.is_fresh);
                if let Some(name) = source.and_then(|source| named(&source.ty))
                    && !is_start
                    && !is_first
                    && self.package.structure(&Ty::Name(name)).is_some()
                {
                    self.facts.renewed.insert(name);
                }
            }
        }
    }

    /// Whether the function at hand sets objects up.
    fn is_constructor(&self) -> bool {
        let Some(function) = self.function.and_then(|number| self.package.functions.get(number))
        else {
            return true;
        };
        let name = function.name();
        ["new", "New", "init", "Init", "make", "Make", "setup", "Setup", "open", "Open"]
            .iter()
            .any(|start| name.starts_with(start))
    }

    fn condition(&mut self, condition: &'a IfStmt) {
        if let Some(first) = &condition.init {
            self.statement(first);
        }
        self.visit(&condition.cond, Use::Kept);
        let is_off = matches!(&condition.cond, Expression::Ident(ident)
            if self.variable(&ident.name).is_none() && self.package.is_switched_off(&ident.name));
        let (nil, present) = (self.nil.len(), self.present.len());
        self.learn(&condition.cond, true);
        if !is_off {
            self.block(&condition.body.list);
        }
        self.nil.truncate(nil);
        self.present.truncate(present);
        if let Some(otherwise) = &condition.else_ {
            self.learn(&condition.cond, false);
            self.statement(otherwise);
            self.nil.truncate(nil);
            self.present.truncate(present);
        }
    }

    /// After `if !ok { return }`, the key is there.
    fn learn_after(&mut self, condition: &'a IfStmt) {
        let ends = match condition.body.list.last() {
            Some(Statement::Return(_)) => true,
            Some(Statement::Branch(branch)) => branch.key != Keyword::FallThrough,
            Some(Statement::Expr(expression)) => is_panic(&expression.expr),
            _ => false,
        };
        if ends && condition.else_.is_none() {
            let first = self.variables.len();
            if let Some(Statement::Assign(assignment)) = condition.init.as_deref()
                && assignment.op == Operator::Define
            {
                // The variables of the condition are gone by now; they are needed to read it.
                for (number, left) in assignment.left.iter().enumerate() {
                    if let (Expression::Ident(ident), Some(right)) =
                        (left, assignment.right.first())
                    {
                        let ty = self.type_of_part(right, number);
                        self.declare(&ident.name, ty, None, false, Source::Expression(right));
                    }
                }
            }
            self.learn(&condition.cond, false);
            self.variables.truncate(first);
        }
    }

    /// Notes what holds if a condition does, or does not.
    fn learn(&mut self, condition: &'a Expression, holds: bool) {
        match condition {
            Expression::Paren(inner) => self.learn(&inner.expr, holds),
            Expression::Operation(operation) => match (operation.op, &operation.y) {
                (Operator::Not, None) => self.learn(&operation.x, !holds),
                (Operator::AndAnd, Some(right)) if holds => {
                    self.learn(&operation.x, holds);
                    self.learn(right, holds);
                }
                (Operator::OrOr, Some(right)) if !holds || is_nil_test(&operation.x) => {
                    self.learn(&operation.x, holds);
                    self.learn(right, holds);
                }
                (Operator::Equal | Operator::NotEqual, Some(right)) if is_nil(right) => {
                    let is_nil = (operation.op == Operator::Equal) == holds;
                    match is_nil {
                        true => self.nil.extend(self.value(&operation.x).place),
                        // What was found under a key is not nil: the key is there.
                        false => self.learn_present(&operation.x),
                    }
                }
                _ => {}
            },
            Expression::Ident(_) | Expression::Index(_) if holds => self.learn_present(condition),
            _ => {}
        }
    }

    /// The key by which this was looked up is in its map.
    fn learn_present(&mut self, found: &'a Expression) {
        let looked_up = match found {
            Expression::Ident(ident) => match self.variable(&ident.name) {
                Some((_, variable)) => match variable.source {
                    Source::Expression(made_of) => made_of,
                    _ => return,
                },
                None => return,
            },
            other => other,
        };
        if let Expression::Index(index) = looked_up
            && let Some(place) = self.value(&index.left).place
            && let Some(key) = render::short(&index.index)
        {
            self.present.push((place, key));
        }
    }

    fn repeat(&mut self, repeated: &'a ForStmt) {
        if let Some(first) = &repeated.init {
            self.statement(first);
        }
        self.loops.push(Loop { is_endless: repeated.cond.is_none() });
        if let Some(condition) = &repeated.cond {
            self.statement(condition);
        }
        if let Some(next) = &repeated.post {
            self.statement(next);
        }
        self.block(&repeated.body.list);
        self.loops.pop();
    }

    fn range(&mut self, range: &'a RangeStmt) {
        self.visit(&range.expr, Use::Direct);
        let ranged = self.value(&range.expr);
        let shape = match self.package.underlying(&ranged.ty) {
            Shape::Pointer(to) => self.package.underlying(&to),
            other => other,
        };
        let (key_ty, value_ty) = match &shape {
            Shape::Map(key, elem) => (key.clone(), elem.clone()),
            Shape::List(elem) => (Ty::Basic("int"), elem.clone()),
            Shape::Chan(elem) => (elem.clone(), Ty::Unknown),
            _ => (Ty::Unknown, Ty::Unknown),
        };
        let is_define = matches!(range.op, Some((_, Operator::Define)));
        let parts = [
            (&range.key, key_ty, Source::RangeKey(&range.expr)),
            (&range.value, value_ty, Source::RangeValue(&range.expr)),
        ];
        for (variable, ty, source) in parts {
            match variable {
                Some(Expression::Ident(ident)) if is_define => {
                    self.declare(&ident.name, ty, None, false, source);
                }
                Some(target) if !is_define => self.assign_to(target, None),
                _ => {}
            }
        }
        self.note_emptying(range);
        self.loops.push(Loop { is_endless: matches!(shape, Shape::Chan(_)) });
        self.block(&range.body.list);
        self.loops.pop();
    }

    /// Notes a loop that does nothing but delete all that it ranges over.
    fn note_emptying(&mut self, range: &'a RangeStmt) {
        let [Statement::Expr(only)] = range.body.list.as_slice() else { return };
        let Expression::Call(call) = &only.expr else { return };
        let (Expression::Ident(name), [map, key]) = (call.func.as_ref(), call.args.as_slice())
        else {
            return;
        };
        let same = |a: &Expression, b: &Expression| {
            render::short(a).is_some_and(|text| render::short(b) == Some(text))
        };
        if name.name == "delete"
            && same(map, &range.expr)
            && range.key.as_ref().is_some_and(|variable| same(variable, key))
        {
            let emptying = Emptying {
                place: self.value(map).place,
                map: render::shown(map),
                spot: self.spot(range.pos.0),
                function: self.function,
                collects: false,
            };
            self.facts.emptying.push(emptying);
        }
    }
}

fn is_nil(expression: &Expression) -> bool {
    matches!(expression, Expression::Ident(ident) if ident.name == "nil")
}

fn is_nil_test(expression: &Expression) -> bool {
    matches!(expression, Expression::Operation(operation)
        if operation.op == Operator::Equal && operation.y.as_ref().is_some_and(|right| is_nil(right)))
}

/// Whether statements end in what leaves the loop around a `select`: a plain `break` does not.
fn leaves_loop(list: &[Statement]) -> bool {
    match list.last() {
        Some(Statement::Return(_)) => true,
        Some(Statement::Branch(branch)) => {
            matches!(branch.key, Keyword::Break | Keyword::Goto) && branch.ident.is_some()
        }
        Some(Statement::Expr(expression)) => is_panic(&expression.expr),
        Some(Statement::Block(block)) => leaves_loop(&block.list),
        _ => false,
    }
}

/// Words in names of channels that say that all is over.
const FAREWELLS: [&str; 8] =
    ["done", "stop", "quit", "exit", "clos", "shutdown", "cancel", "interest"];

/// Whether a communication receives what says that all is over: `<-ctx.Done()`.
fn is_farewell(communication: &Statement) -> bool {
    let received = match communication {
        Statement::Expr(expression) => &expression.expr,
        Statement::Assign(assignment) => match assignment.right.first() {
            Some(received) => received,
            None => return false,
        },
        _ => return false,
    };
    let Expression::Operation(operation) = received else { return false };
    let text = render::shown(&operation.x).to_lowercase();
    operation.op == Operator::Arrow && FAREWELLS.iter().any(|word| text.contains(word))
}

fn is_panic(expression: &Expression) -> bool {
    let Expression::Call(call) = expression else { return false };
    match call.func.as_ref() {
        Expression::Ident(ident) => ident.name == "panic",
        Expression::Selector(selector) => selector.sel.name.starts_with("Fatal"),
        _ => false,
    }
}
