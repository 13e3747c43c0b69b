//! Every expression of a file, with the place and kind by which the oracle names it.

use gosyn::ast::{
    self, DeclStmt, Declaration, Element, Expression, FieldList, LiteralValue, Statement,
};
use gosyn::token::Operator;

/// A node that has a type.
pub(crate) enum Node<'a> {
    /// An expression.
    Expression(&'a Expression),
    /// A composite literal's braces, whose type is left out.
    Literal(&'a LiteralValue),
    /// A name, where it is used or declared.
    Name(&'a ast::Ident),
    /// The call of a `go` or `defer` statement.
    Call(&'a ast::Call),
}

type Visit<'v> = dyn FnMut(usize, &'static str, Node<'_>) + 'v;

/// Visits every expression of a file.
pub(crate) fn visit(file: &ast::File, visit: &mut Visit<'_>) {
    let mut walk = Walk { visit };
    for declaration in &file.decl {
        match declaration {
            Declaration::Function(function) => {
                walk.name(&function.name);
                if let Some(receiver) = &function.recv {
                    walk.fields(receiver);
                }
                walk.signature(&function.typ);
                if let Some(body) = &function.body {
                    walk.statements(&body.list);
                }
            }
            Declaration::Type(group) => group.specs.iter().for_each(|spec| walk.type_spec(spec)),
            Declaration::Const(group) => group.specs.iter().for_each(|spec| {
                walk.names(&spec.name);
                walk.expressions(spec.typ.iter());
                walk.expressions(spec.values.iter());
            }),
            Declaration::Variable(group) => group.specs.iter().for_each(|spec| {
                walk.names(&spec.name);
                walk.expressions(spec.typ.iter());
                walk.expressions(spec.values.iter());
            }),
        }
    }
}

struct Walk<'w, 'v> {
    visit: &'w mut Visit<'v>,
}

impl Walk<'_, '_> {
    fn type_spec(&mut self, spec: &ast::TypeSpec) {
        self.name(&spec.name);
        self.fields(&spec.params);
        self.expression(&spec.typ);
    }

    fn name(&mut self, name: &ast::Ident) {
        (self.visit)(name.pos, "object", Node::Name(name));
    }

    fn names(&mut self, names: &[ast::Ident]) {
        names.iter().for_each(|name| self.name(name));
    }

    fn fields(&mut self, list: &FieldList) {
        list.list.iter().for_each(|field| self.names(&field.name));
        self.expressions(list.list.iter().map(|field| &field.typ));
    }

    fn signature(&mut self, typ: &ast::FuncType) {
        self.fields(&typ.typ_params);
        self.fields(&typ.params);
        self.fields(&typ.result);
    }

    fn expressions<'a>(&mut self, list: impl Iterator<Item = &'a Expression>) {
        list.for_each(|node| self.expression(node));
    }

    fn expression(&mut self, node: &Expression) {
        match node {
            Expression::Ident(name) => self.name(name),
            Expression::Selector(selector) => self.name(&selector.sel),
            _ => {}
        }
        if let Some((at, kind)) = place(node) {
            (self.visit)(at, kind, Node::Expression(node));
        }
        match node {
            Expression::Call(call) => self.call(call),
            Expression::Index(index) => {
                self.expression(&index.left);
                self.expression(&index.index);
            }
            Expression::IndexList(index) => {
                self.expression(&index.left);
                self.expressions(index.indices.iter());
            }
            Expression::Slice(slice) => {
                self.expression(&slice.left);
                self.expressions(slice.index.iter().flatten().map(|index| &**index));
            }
            Expression::Ident(_) | Expression::BasicLit(_) => {}
            Expression::FuncLit(literal) => {
                self.signature(&literal.typ);
                self.statements(&literal.body.list);
            }
            Expression::Ellipsis(ellipsis) => {
                self.expressions(ellipsis.elt.iter().map(|elem| &**elem));
            }
            Expression::Selector(selector) => self.expression(&selector.x),
            Expression::Range(range) => self.expression(&range.right),
            Expression::Star(star) => self.expression(&star.right),
            Expression::Paren(inner) => self.expression(&inner.expr),
            Expression::TypeAssert(assertion) => {
                self.expression(&assertion.left);
                self.expressions(assertion.right.iter().map(|typ| &**typ));
            }
            Expression::CompositeLit(literal) => {
                self.expression(&literal.typ);
                self.literal(&literal.val);
            }
            Expression::List(list) => self.expressions(list.iter()),
            Expression::Operation(operation) => {
                self.expression(&operation.x);
                self.expressions(operation.y.iter().map(|right| &**right));
            }
            Expression::TypeMap(map) => {
                self.expression(&map.key);
                self.expression(&map.val);
            }
            Expression::TypeArray(array) => {
                self.expression(&array.len);
                self.expression(&array.typ);
            }
            Expression::TypeSlice(slice) => self.expression(&slice.typ),
            Expression::TypeFunction(function) => self.signature(function),
            Expression::TypeStruct(listed) => {
                self.expressions(listed.fields.iter().map(|field| &field.typ));
            }
            Expression::TypeChannel(channel) => self.expression(&channel.typ),
            Expression::TypePointer(pointer) => self.expression(&pointer.typ),
            Expression::TypeInterface(listed) => self.fields(&listed.methods),
        }
    }

    fn call(&mut self, call: &ast::Call) {
        self.expression(&call.func);
        self.expressions(call.args.iter());
    }

    fn literal(&mut self, value: &LiteralValue) {
        for value in &value.values {
            for element in value.key.iter().chain([&value.val]) {
                match element {
                    Element::Expr(node) => self.expression(node),
                    Element::LitValue(inner) => {
                        (self.visit)(inner.pos.0, "composite", Node::Literal(inner));
                        self.literal(inner);
                    }
                }
            }
        }
    }

    fn statements(&mut self, list: &[Statement]) {
        list.iter().for_each(|statement| self.statement(statement));
    }

    fn optional(&mut self, statement: &Option<Box<Statement>>) {
        if let Some(statement) = statement {
            self.statement(statement);
        }
    }

    fn statement(&mut self, node: &Statement) {
        match node {
            Statement::Go(ast::GoStmt { call, .. })
            | Statement::Defer(ast::DeferStmt { call, .. }) => {
                (self.visit)(call.pos.0, "call", Node::Call(call));
                self.call(call);
            }
            Statement::If(statement) => {
                self.optional(&statement.init);
                self.expression(&statement.cond);
                self.statements(&statement.body.list);
                self.optional(&statement.else_);
            }
            Statement::For(statement) => {
                self.optional(&statement.init);
                self.optional(&statement.cond);
                self.optional(&statement.post);
                self.statements(&statement.body.list);
            }
            Statement::Send(send) => {
                self.expression(&send.chan);
                self.expression(&send.value);
            }
            Statement::Expr(statement) => self.expression(&statement.expr),
            Statement::Block(block) => self.statements(&block.list),
            Statement::Range(statement) => {
                self.expressions(statement.key.iter().chain(&statement.value));
                self.expression(&statement.expr);
                self.statements(&statement.body.list);
            }
            Statement::Label(labeled) => self.statement(&labeled.stmt),
            Statement::IncDec(statement) => self.expression(&statement.expr),
            Statement::Assign(assign) => {
                self.expressions(assign.left.iter().chain(&assign.right));
            }
            Statement::Return(statement) => self.expressions(statement.ret.iter()),
            Statement::Switch(statement) => {
                self.optional(&statement.init);
                self.expressions(statement.tag.iter());
                for clause in &statement.block.body {
                    self.expressions(clause.list.iter());
                    self.statements(&clause.body);
                }
            }
            Statement::TypeSwitch(statement) => {
                self.optional(&statement.init);
                self.optional(&statement.tag);
                for clause in &statement.block.body {
                    self.expressions(clause.list.iter());
                    self.statements(&clause.body);
                }
            }
            Statement::Select(statement) => {
                for clause in &statement.body.body {
                    self.optional(&clause.comm);
                    self.statements(&clause.body);
                }
            }
            Statement::Declaration(DeclStmt::Type(group)) => {
                group.specs.iter().for_each(|spec| self.type_spec(spec));
            }
            Statement::Declaration(DeclStmt::Const(group)) => group.specs.iter().for_each(|spec| {
                self.names(&spec.name);
                self.expressions(spec.typ.iter());
                self.expressions(spec.values.iter());
            }),
            Statement::Declaration(DeclStmt::Variable(group)) => {
                group.specs.iter().for_each(|spec| {
                    self.names(&spec.name);
                    self.expressions(spec.typ.iter());
                    self.expressions(spec.values.iter());
                });
            }
            Statement::Branch(_) | Statement::Empty(_) => {}
        }
    }
}

/// The token that is an expression's own, and what kind it is.
fn place(node: &Expression) -> Option<(usize, &'static str)> {
    Some(match node {
        Expression::Call(call) => (call.pos.0, "call"),
        Expression::Index(index) => (index.pos.0, "index"),
        Expression::IndexList(index) => (index.pos.0, "index"),
        Expression::Slice(slice) => (slice.pos.0, "slice"),
        Expression::Ident(name) => (name.pos, "name"),
        Expression::FuncLit(literal) => (literal.typ.pos, "function"),
        Expression::Selector(selector) => (selector.sel.pos, "selector"),
        Expression::BasicLit(literal) => (literal.pos, "literal"),
        Expression::Star(star) => (star.pos, "star"),
        Expression::Paren(inner) => (inner.pos.0, "paren"),
        Expression::TypeAssert(assertion) => (assertion.pos.1, "assertion"),
        Expression::CompositeLit(literal) => (literal.val.pos.0, "composite"),
        Expression::Operation(operation) => match (&operation.y, operation.op) {
            (None, Operator::Star) => (operation.pos, "star"),
            (None, _) => (operation.pos, "unary"),
            (Some(_), _) => (operation.pos, "binary"),
        },
        Expression::TypeMap(map) => (map.pos.0, "map"),
        Expression::TypeArray(array) => (array.pos.0, "array"),
        Expression::TypeSlice(slice) => (slice.pos.0, "array"),
        Expression::TypeFunction(function) => (function.pos, "signature"),
        Expression::TypeStruct(listed) => (listed.pos.0, "struct"),
        Expression::TypePointer(pointer) => (pointer.pos, "star"),
        Expression::TypeInterface(listed) => (listed.pos, "interface"),
        Expression::Ellipsis(_)
        | Expression::Range(_)
        | Expression::List(_)
        | Expression::TypeChannel(_) => return None,
    })
}
