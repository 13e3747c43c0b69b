//! Functions: declared ones and literals, with their bodies.

use std::cell::RefCell;

use gosyn::ast::{self, Declaration, Expression};

use crate::checker::Checker;
use crate::info::{Function, Info, key};
use crate::object::{FunctionId, ObjectId, ObjectKind, VarRole};
use crate::type_expr::Declared;
use crate::types::{Type, TypeId};
use crate::universe::Universe;

impl Checker<'_> {
    pub(crate) fn add_function(
        &self,
        object: Option<ObjectId>,
        signature: TypeId,
        receiver: Option<ObjectId>,
        declared: Declared,
    ) -> FunctionId {
        let Some(info) = self.data.info.as_ref() else { return FunctionId(0) };
        let mut info = info.borrow_mut();
        let id = FunctionId(info.functions.len() as u32);
        let universe = self.universe;
        // Parameters were declared before their function had a number.
        let own = |objects: &[Option<ObjectId>]| -> Vec<Option<ObjectId>> {
            objects
                .iter()
                .map(|object| object.inspect(|object| universe.give_to(*object, id)))
                .collect()
        };
        let function = Function {
            parent: self.function,
            object,
            signature,
            params: own(&declared.params),
            results: own(&declared.results),
            receiver: own(&[receiver]).into_iter().flatten().next(),
        };
        info.functions.push(function);
        id
    }

    /// Checks a body, whose parameters are declared in the innermost block.
    pub(crate) fn body(&mut self, function: FunctionId, signature: TypeId, body: &ast::BlockStmt) {
        let results = match &*self.universe.get(signature) {
            Type::Func(signature) => signature.results.clone(),
            _ => [].into(),
        };
        let outer = (
            self.function.replace(function),
            std::mem::replace(&mut self.results, results),
            self.iota.take(),
        );
        // Parameters are of the body's own block: `:=` assigns to them.
        self.block(&body.list);
        (self.function, self.results, self.iota) = outer;
    }

    /// Checks a declared function.
    pub(crate) fn function(&mut self, node: &ast::FuncDecl) {
        let object = self.definition(&node.name);
        self.open();
        let mut receiver = None;
        if let (Some(field), Some(object)) =
            (node.recv.as_ref().and_then(|list| list.list.first()), object)
        {
            // Its type parameters are declared by each look at it; those of the method's type count.
            let found = self.universe.object(object);
            let typ = found.definition.get();
            self.enter_type_params(&found.type_params.borrow(), &field.typ);
            receiver =
                field.name.first().and_then(|name| self.declare_var(name, VarRole::Receiver, typ));
        }
        let signature = object.map_or(TypeId::UNKNOWN, |object| self.universe.type_of(object));
        let declared = self.declare_resolved(node, signature);
        let function = self.add_function(object, signature, receiver, declared);
        if let Some(info) = self.info() {
            info.borrow_mut().function_declarations.insert(key(node), function);
        }
        if let Some(body) = &node.body {
            self.body(function, signature, body);
        }
        self.close();
    }

    fn definition(&self, name: &ast::Ident) -> Option<ObjectId> {
        self.info()?.borrow().definitions.get(&key(name)).copied()
    }

    /// Enters the type parameters of a receiver under the names that it gives them.
    fn enter_type_params(&mut self, params: &[TypeId], node: &Expression) {
        let index = match node {
            Expression::TypePointer(pointer) => {
                return self.enter_type_params(params, &pointer.typ);
            }
            Expression::Star(star) => return self.enter_type_params(params, &star.right),
            Expression::Paren(inner) => return self.enter_type_params(params, &inner.expr),
            Expression::Index(_) | Expression::IndexList(_) => params,
            _ => return,
        };
        for param in index {
            if let Type::TypeParam(object) = &*self.universe.get(*param) {
                let name = self.universe.object(*object).name.clone();
                if &*name != "_" {
                    self.enter(name, *object);
                }
            }
        }
    }

    /// Declares what a signature names, with the types that were found when it was resolved.
    fn declare_resolved(&mut self, node: &ast::FuncDecl, signature: TypeId) -> Declared {
        let shape = self.universe.get(signature);
        let Type::Func(signature) = &*shape else {
            return self.signature(&node.typ).1;
        };
        for param in signature.type_params.iter() {
            if let Type::TypeParam(object) = &*self.universe.get(*param) {
                let name = self.universe.object(*object).name.clone();
                self.enter(name, *object);
            }
        }
        let mut declared = Declared::default();
        let lists = [
            (&node.typ.params, &signature.params, VarRole::Param),
            (&node.typ.result, &signature.results, VarRole::Result),
        ];
        for (list, params, role) in lists {
            let names = list.list.iter().flat_map(|field| {
                let blank = if field.name.is_empty() { Some(None) } else { None };
                blank.into_iter().chain(field.name.iter().map(Some))
            });
            for (name, param) in names.zip(params.iter()) {
                let object = name.and_then(|name| self.declare_var(name, role, param.typ));
                match role {
                    VarRole::Param => declared.params.push(object),
                    _ => declared.results.push(object),
                }
            }
        }
        declared
    }

    /// Checks all of a file: what its declarations say, and their bodies.
    pub(crate) fn file(&mut self, file: &ast::File) {
        for declaration in &file.decl {
            match declaration {
                Declaration::Function(function) => {
                    if let Some(object) = self.definition(&function.name) {
                        self.universe.resolve(object);
                    }
                    self.function(function);
                }
                Declaration::Type(group) => {
                    group.specs.iter().for_each(|spec| self.resolve_named(&spec.name));
                }
                Declaration::Const(group) => {
                    group.specs.iter().flat_map(|spec| &spec.name).for_each(|name| {
                        self.resolve_named(name);
                    });
                }
                Declaration::Variable(group) => {
                    group.specs.iter().for_each(|spec| self.package_variables(spec));
                }
            }
        }
    }

    fn resolve_named(&mut self, name: &ast::Ident) {
        if let Some(object) = self.definition(name) {
            self.universe.resolve(object);
        }
    }

    /// Variables of the package: those without a type were looked at for it.
    fn package_variables(&mut self, spec: &ast::VarSpec) {
        spec.name.iter().for_each(|name| self.resolve_named(name));
        if spec.typ.is_some() {
            let typ = spec.name.first().and_then(|name| self.definition(name));
            let typ = typ.map_or(TypeId::UNKNOWN, |object| self.universe.type_of(object));
            self.initialize(&spec.values, spec.name.len(), Some(typ));
        }
        let mut literals = Vec::new();
        for value in &spec.values {
            crate::outer_literals::find(value, &mut literals);
        }
        for literal in literals {
            let function = self
                .info()
                .and_then(|info| info.borrow().function_literals.get(&key(literal)).copied());
            let Some(function) = function else { continue };
            self.literal_body(function, literal);
        }
    }

    /// The body of a literal that stands outside of functions. Its parameters have been declared before.
    fn literal_body(&mut self, function: FunctionId, literal: &ast::FuncLit) {
        let known = self.data.info.as_ref().map(RefCell::borrow).and_then(
            |info: std::cell::Ref<'_, Info>| info.functions.get(function.index()).cloned(),
        );
        let Some(known) = known else { return };
        self.open();
        for object in known.params.iter().chain(&known.results).flatten() {
            let name = self.universe.object(*object).name.clone();
            self.enter(name, *object);
        }
        self.body(function, known.signature, &literal.body);
        self.close();
    }
}

impl Universe {
    /// Notes to which function a parameter belongs.
    fn give_to(&self, object: ObjectId, function: FunctionId) {
        self.change_object(object, |object| {
            if let ObjectKind::Var { function: of, .. } = &mut object.kind {
                *of = Some(function);
            }
        });
    }
}
