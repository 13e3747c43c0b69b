//! Statements.

use gosyn::ast::{self, CaseClause, DeclStmt, Expression, Statement};
use gosyn::token::Operator;

use crate::checker::{Checker, unparen};
use crate::info::{Mode, key};
use crate::object::{Object, ObjectKind, Place, VarRole};
use crate::operand::Operand;
use crate::types::{Basic, Type, TypeId};

impl Checker<'_> {
    pub(crate) fn block(&mut self, list: &[Statement]) {
        for statement in list {
            self.statement(statement);
        }
    }

    fn inner(&mut self, list: &[Statement]) {
        self.open();
        self.block(list);
        self.close();
    }

    pub(crate) fn statement(&mut self, node: &Statement) {
        self.deeper(|checker| checker.statement_inner(node));
    }

    fn statement_inner(&mut self, node: &Statement) {
        match node {
            Statement::Go(statement) => self.call_statement(&statement.call),
            Statement::Defer(statement) => self.call_statement(&statement.call),
            Statement::Expr(statement) => {
                self.expr(&statement.expr);
            }
            Statement::Send(send) => {
                let channel = self.expr(&send.chan);
                let elem = self.channel_elem(channel.typ).unwrap_or(TypeId::UNKNOWN);
                let mut value = self.expr_for(&send.value, Some(elem));
                self.assign(&send.value, &mut value, Some(elem));
            }
            Statement::IncDec(statement) => {
                self.expr(&statement.expr);
            }
            Statement::Assign(assign) => self.assignment(assign),
            Statement::Declaration(declaration) => self.declaration(declaration),
            Statement::Return(statement) => self.returned(&statement.ret),
            Statement::Block(block) => self.inner(&block.list),
            Statement::Label(labeled) => self.statement(&labeled.stmt),
            Statement::If(_) => self.conditional(node),
            Statement::For(statement) => {
                self.open();
                for part in [&statement.init, &statement.cond, &statement.post] {
                    let Some(part) = part else { continue };
                    match &**part {
                        Statement::Expr(condition) => {
                            self.expr(&condition.expr);
                        }
                        part => self.statement(part),
                    }
                }
                self.inner(&statement.body.list);
                self.close();
            }
            Statement::Range(statement) => self.range(statement),
            Statement::Switch(statement) => self.switch(statement),
            Statement::TypeSwitch(statement) => self.type_switch(statement),
            Statement::Select(statement) => {
                for clause in &statement.body.body {
                    self.open();
                    if let Some(communication) = &clause.comm {
                        self.statement(communication);
                    }
                    self.block(&clause.body);
                    self.close();
                }
            }
            Statement::Branch(_) | Statement::Empty(_) => {}
        }
    }

    fn call_statement(&mut self, call: &ast::Call) {
        self.call(call);
    }

    /// A case of a switch without a tag.
    fn condition(&mut self, node: &Expression) {
        let mut operand = self.expr(node);
        self.assign(node, &mut operand, None);
    }

    /// A chain of `else if` is followed without going deeper.
    fn conditional(&mut self, node: &Statement) {
        let (mut node, mut opened) = (node, 0);
        loop {
            let Statement::If(statement) = node else {
                self.statement(node);
                break;
            };
            self.open();
            opened += 1;
            if let Some(init) = &statement.init {
                self.statement(init);
            }
            self.expr(&statement.cond);
            self.inner(&statement.body.list);
            match &statement.else_ {
                Some(other) => node = other,
                None => break,
            }
        }
        for _ in 0..opened {
            self.close();
        }
    }

    fn assignment(&mut self, node: &ast::AssignStmt) {
        match node.op {
            Operator::Define => self.define(&node.left, &node.right),
            Operator::Assign => self.assigned(&node.left, &node.right),
            op => {
                let (Some(left), Some(right)) = (node.left.first(), node.right.first()) else {
                    return;
                };
                let operand = self.expr(left);
                let Some(op) = plain(op) else { return };
                let to = operand.typ;
                let mut result = self.binary(op, (left, operand), right);
                self.assign(right, &mut result, Some(to));
            }
        }
    }

    fn assigned(&mut self, left: &[Expression], right: &[Expression]) {
        let targets: Vec<Option<TypeId>> = left.iter().map(|node| self.target(node)).collect();
        if left.len() == right.len() {
            for (node, target) in right.iter().zip(targets) {
                let mut operand = self.expr_for(node, target);
                self.assign(node, &mut operand, target);
            }
        } else if let Some(node) = right.first() {
            self.several(node, left.len());
        }
    }

    /// The type of what is assigned to; none for a blank.
    fn target(&mut self, node: &Expression) -> Option<TypeId> {
        match unparen(node) {
            Expression::Ident(name) if name.name == "_" => None,
            _ => Some(self.expr(node).typ),
        }
    }

    fn define(&mut self, left: &[Expression], right: &[Expression]) {
        let mut types = Vec::with_capacity(left.len());
        if left.len() == right.len() {
            for (target, node) in left.iter().zip(right) {
                // What is declared already asks for its type.
                let known = match target {
                    Expression::Ident(name) => self.innermost(&name.name),
                    _ => None,
                };
                let to = known.map(|object| self.universe.type_of(object));
                let mut operand = self.expr_for(node, to);
                self.assign(node, &mut operand, to);
                types.push(operand.typ);
            }
        } else if let Some(node) = right.first() {
            types.extend(self.several(node, left.len()).iter().copied());
        }
        let types = types.into_iter().chain(std::iter::repeat(TypeId::UNKNOWN));
        for (target, typ) in left.iter().zip(types) {
            let Expression::Ident(name) = target else { continue };
            self.define_name(target, name, typ);
        }
    }

    fn define_name(&mut self, target: &Expression, name: &ast::Ident, typ: TypeId) {
        if let Some(object) = self.innermost(&name.name) {
            self.record_use(name, object);
            let operand = self.object_operand(object);
            self.record(target, &operand);
            return;
        }
        let typ = self.variable_type(typ);
        self.declare_var(name, VarRole::Local, typ);
    }

    /// A variable never has the type of a constant that has none.
    fn variable_type(&self, typ: TypeId) -> TypeId {
        self.universe.default_type(typ)
    }

    fn declaration(&mut self, node: &DeclStmt) {
        match node {
            DeclStmt::Variable(group) => {
                for spec in &group.specs {
                    let typ = spec.typ.as_ref().map(|typ| self.typ(typ));
                    let types = self.initialize(&spec.values, spec.name.len(), typ);
                    for (number, name) in spec.name.iter().enumerate() {
                        let own = types.get(number).copied().unwrap_or(TypeId::UNKNOWN);
                        let typ = typ.unwrap_or_else(|| self.variable_type(own));
                        self.declare_var(name, VarRole::Local, typ);
                    }
                }
            }
            DeclStmt::Const(group) => {
                for number in 0..group.specs.len() {
                    let Some(spec) = group.specs.get(number) else { continue };
                    let values: Vec<_> = (0..spec.name.len())
                        .map(|name| self.constant_spec(group, number, name))
                        .collect();
                    for (name, (typ, value)) in spec.name.iter().zip(values) {
                        if let Some(object) = self.declare(name, ObjectKind::Const, typ) {
                            *self.universe.object(object).value.borrow_mut() = value;
                        }
                    }
                }
            }
            DeclStmt::Type(group) => {
                for spec in &group.specs {
                    self.local_type(spec);
                }
            }
        }
    }

    fn local_type(&mut self, spec: &ast::TypeSpec) {
        let kind = ObjectKind::TypeName { is_alias: spec.alias };
        // An alias is not seen in what it stands for; a defined type is.
        if spec.alias {
            self.open();
            let params = self.type_params(&spec.params);
            let typ = self.typ(&spec.typ);
            self.close();
            if let Some(object) = self.declare(&spec.name, kind, typ) {
                *self.universe.object(object).type_params.borrow_mut() = params;
            }
            return;
        }
        let Some(id) = self.declare(&spec.name, kind, TypeId::UNKNOWN) else {
            self.typ(&spec.typ);
            return;
        };
        let typ = self.universe.intern(Type::Named { object: id, args: [].into() });
        let object = self.universe.object(id);
        object.typ.set(typ);
        self.type_spec(&object, spec);
    }

    /// Initial values of variables, and the types that they give them.
    pub(crate) fn initialize(
        &mut self,
        values: &[Expression],
        count: usize,
        typ: Option<TypeId>,
    ) -> Vec<TypeId> {
        if values.len() == count {
            let mut types = Vec::with_capacity(count);
            for node in values {
                let mut operand = self.expr_for(node, typ);
                self.assign(node, &mut operand, typ);
                types.push(operand.typ);
            }
            return types;
        }
        values.first().map(|node| self.several(node, count).to_vec()).unwrap_or_default()
    }

    fn returned(&mut self, values: &[Expression]) {
        let results = self.results.clone();
        if values.len() == 1 && results.len() > 1 {
            if let Some(node) = values.first() {
                self.expr(node);
            }
            return;
        }
        for (number, node) in values.iter().enumerate() {
            let to = results.get(number).map_or(TypeId::UNKNOWN, |result| result.typ);
            let mut operand = self.expr_for(node, Some(to));
            self.assign(node, &mut operand, Some(to));
        }
    }

    fn range(&mut self, node: &ast::RangeStmt) {
        self.open();
        let mut operand = self.expr(&node.expr);
        let is_define = matches!(node.op, Some((_, Operator::Define)));
        let untyped = self.universe.is_untyped(operand.typ);
        let is_count = untyped && self.universe.basic(operand.typ).is_some_and(Basic::is_numeric);
        let mut targets = [None, None];
        if !is_define {
            for (target, node) in targets.iter_mut().zip([&node.key, &node.value]) {
                *target = node.as_ref().and_then(|node| self.target(node));
            }
        }
        // A constant count takes the type of the variable that it is assigned to.
        let [wanted, _] = targets;
        if is_count {
            self.assign(&node.expr, &mut operand, wanted);
        }
        let (first, second) = self.universe.range_types(operand.typ);
        if is_define {
            let mut names = Vec::new();
            for (target, typ) in [(&node.key, first), (&node.value, second)] {
                if let Some(Expression::Ident(name)) = target {
                    names.push((name, typ.unwrap_or(TypeId::UNKNOWN)));
                }
            }
            for (name, typ) in names {
                self.declare_var(name, VarRole::Local, typ);
            }
        }
        self.inner(&node.body.list);
        self.close();
    }

    fn switch(&mut self, node: &ast::SwitchStmt) {
        self.open();
        if let Some(init) = &node.init {
            self.statement(init);
        }
        let tag = node.tag.as_ref().map(|tag| {
            let mut operand = self.expr(tag);
            self.assign(tag, &mut operand, None);
            (tag, operand)
        });
        for clause in &node.block.body {
            for value in &clause.list {
                match &tag {
                    Some((tag, operand)) => {
                        let mut value_operand = self.expr(value);
                        let mut tag_operand = operand.clone();
                        self.matched((value, &mut value_operand), (tag, &mut tag_operand));
                        self.settle(value, self.universe.default_type(value_operand.typ));
                    }
                    None => self.condition(value),
                }
            }
            self.inner(&clause.body);
        }
        self.close();
    }

    fn type_switch(&mut self, node: &ast::TypeSwitchStmt) {
        self.open();
        if let Some(init) = &node.init {
            self.statement(init);
        }
        let (name, assertion) = match node.tag.as_deref() {
            Some(Statement::Expr(statement)) => (None, Some(&statement.expr)),
            Some(Statement::Assign(assign)) => {
                let name = match assign.left.first() {
                    Some(Expression::Ident(name)) => Some(name),
                    _ => None,
                };
                (name, assign.right.first())
            }
            _ => (None, None),
        };
        let operand = match assertion {
            Some(Expression::TypeAssert(assertion)) => self.expr(&assertion.left),
            _ => Operand::unknown(),
        };
        for clause in &node.block.body {
            self.type_clause(clause, name, operand.typ);
        }
        self.close();
    }

    fn type_clause(&mut self, clause: &CaseClause, name: Option<&ast::Ident>, switched: TypeId) {
        self.open();
        let mut types = Vec::with_capacity(clause.list.len());
        for node in &clause.list {
            let is_nil = matches!(unparen(node), Expression::Ident(name)
                if self.find(&name.name) == self.universe.predeclared("nil"));
            if is_nil {
                self.record(node, &Operand::new(Mode::Nil, Basic::UntypedNil.id()));
                types.push(switched);
            } else {
                types.push(self.typ(node));
            }
        }
        if let Some(name) = name.filter(|name| name.name != "_") {
            let typ = if let [one] = types.as_slice() { *one } else { switched };
            let kind = ObjectKind::Var { role: VarRole::Local, function: self.function };
            let place = Place { file: self.file, at: name.pos };
            let object = Object::new(name.name.as_str().into(), self.package, kind, typ).at(place);
            let id = self.universe.add_object(object);
            if let Some(info) = self.info() {
                info.borrow_mut().case_variables.insert(key(clause), id);
            }
            self.enter(name.name.as_str().into(), id);
        }
        self.block(&clause.body);
        self.close();
    }
}

/// The operator of `x op= y`.
fn plain(op: Operator) -> Option<Operator> {
    Some(match op {
        Operator::AddAssign => Operator::Add,
        Operator::SubAssign => Operator::Sub,
        Operator::MulAssign => Operator::Star,
        Operator::QuoAssign => Operator::Quo,
        Operator::RemAssign => Operator::Rem,
        Operator::AndAssign => Operator::And,
        Operator::OrAssign => Operator::Or,
        Operator::XorAssign => Operator::Xor,
        Operator::ShlAssign => Operator::Shl,
        Operator::ShrAssign => Operator::Shr,
        Operator::AndNotAssign => Operator::AndNot,
        _ => return None,
    })
}
