//! Declarations of packages, resolved when they are asked for; and packages, read when they are.

use std::rc::Rc;

use gosyn::ast::{self, Declaration, Expression};

use crate::checker::Checker;
use crate::constant::Value;
use crate::folder;
use crate::object::{Declared, Object, ObjectId, ObjectKind, PackageId, State};
use crate::package;
use crate::types::{Type, TypeId};
use crate::universe::Universe;

/// More steps than this no package takes; beyond, all is unknown.
const MAX_STEPS: u64 = 100_000_000;

/// Declarations that need each other are followed this far.
const MAX_DEPTH: u32 = 500;

impl Universe {
    /// Counts a step. None is left when there were too many.
    pub(crate) fn step(&self) -> bool {
        let steps = self.steps.get();
        self.steps.set(steps + 1);
        steps < MAX_STEPS
    }

    /// Counts the steps of looking through a list.
    pub(crate) fn steps(&self, count: usize) {
        self.steps.set(self.steps.get() + count as u64 / 16);
    }

    /// Returns a package by its path, for one that imports it. It is read once.
    pub fn import(&self, path: &str, from: &str) -> Option<PackageId> {
        // Only the standard library and its commands see vendored packages by their short names.
        let key = if from.starts_with("cmd/") { format!("cmd {path}") } else { path.to_owned() };
        let key = if path == "unsafe" { path } else { &key };
        if let Some(known) = self.known_import(key) {
            return known;
        }
        // Packages that import each other in a circle find nothing.
        self.set_import(key, None);
        let imported = if path == "C" { None } else { self.importer.import(path, from) };
        let package = imported.and_then(|imported| {
            // A package that is found under two names is one.
            let whole = format!("={}", imported.path);
            if let Some(known) = self.known_import(&whole) {
                return known;
            }
            self.set_import(&whole, None);
            let files = folder::parse_declarations(&imported.texts);
            if files.is_empty() {
                return None;
            }
            let package = Some(package::enter(self, &imported.path, files, None));
            self.set_import(&whole, package);
            package
        });
        self.set_import(key, package);
        package
    }

    /// Lets packages that are looked at later import this one, unless they have its source already.
    pub(crate) fn know(&self, path: &str, package: PackageId) {
        for key in [path.to_owned(), format!("={path}")] {
            if self.known_import(&key).flatten().is_none() {
                self.set_import(&key, Some(package));
            }
        }
    }

    /// Resolves an object, if it was not.
    pub(crate) fn resolve(&self, id: ObjectId) {
        let object = self.object(id);
        if object.state.get() != State::Open {
            return;
        }
        let Some(declared) = object.declared else { return };
        let depth = self.resolving.get();
        if depth >= MAX_DEPTH || !self.step() {
            return;
        }
        object.state.set(State::Busy);
        self.resolving.set(depth + 1);
        let data = self.package(object.package);
        if let Some(file) = data.files.get(declared.file as usize)
            && let Some(declaration) = file.ast.decl.get(declared.declaration as usize)
        {
            let mut checker = Checker::new(self, object.package, declared.file);
            checker.resolve(&object, declaration, declared);
        }
        self.resolving.set(depth);
        object.state.set(State::Done);
    }
}

impl Checker<'_> {
    fn resolve(&mut self, object: &Object, declaration: &Declaration, at: Declared) {
        let spec = at.spec as usize;
        match declaration {
            Declaration::Function(function) => self.function_type(object, function),
            Declaration::Type(group) => {
                if let Some(spec) = group.specs.get(spec) {
                    self.type_spec(object, spec);
                }
            }
            Declaration::Const(group) => {
                let (typ, value) = self.constant_spec(group, spec, at.name as usize);
                object.typ.set(typ);
                *object.value.borrow_mut() = value;
            }
            Declaration::Variable(group) => {
                if let Some(spec) = group.specs.get(spec) {
                    self.variable(object, spec, at.name as usize);
                }
            }
        }
    }

    /// `type T …`, of the package or of a function.
    pub(crate) fn type_spec(&mut self, object: &Object, spec: &ast::TypeSpec) {
        self.open();
        let params = self.type_params(&spec.params);
        *object.type_params.borrow_mut() = params;
        let typ = self.typ(&spec.typ);
        self.close();
        match object.kind {
            ObjectKind::TypeName { is_alias: true } => object.typ.set(typ),
            _ => object.definition.set(typ),
        }
    }

    fn function_type(&mut self, object: &Object, function: &ast::FuncDecl) {
        self.open();
        if let Some(field) = function.recv.as_ref().and_then(|list| list.list.first()) {
            let receiver = self.receiver(object, &field.typ);
            object.definition.set(receiver);
        }
        let (typ, _) = self.signature(&function.typ);
        self.close();
        object.typ.set(typ);
    }

    /// The type of a receiver, whose type parameters are declared.
    pub(crate) fn receiver(&mut self, object: &Object, node: &Expression) -> TypeId {
        let receiver = self.receiver_type(object, node);
        self.record_type(node, receiver);
        receiver
    }

    fn receiver_type(&mut self, object: &Object, node: &Expression) -> TypeId {
        let pointed = match node {
            Expression::TypePointer(pointer) => Some(&pointer.typ),
            Expression::Star(star) => Some(&star.right),
            _ => None,
        };
        if let Some(elem) = pointed {
            let elem = self.receiver(object, elem);
            return self.universe.pointer_to(elem);
        }
        let (base, names): (&Expression, Vec<&Expression>) = match node {
            Expression::Paren(inner) => return self.receiver(object, &inner.expr),
            Expression::Index(index) => match &*index.index {
                Expression::List(list) => (&index.left, list.iter().collect()),
                one => (&index.left, vec![one]),
            },
            Expression::IndexList(index) => (&index.left, index.indices.iter().collect()),
            _ => return self.typ(node),
        };
        let origin = self.typ(base);
        let Type::Named { object: generic, .. } = *self.universe.get(origin) else {
            return TypeId::UNKNOWN;
        };
        let mut params = Vec::new();
        for name in names {
            let Expression::Ident(ident) = name else { continue };
            let (_, typ) = self.type_param(ident);
            self.record_type(name, typ);
            params.push(typ);
        }
        // Constraints are those of the type's own parameters, with the names that the receiver gives them.
        self.universe.resolve(generic);
        let own = Rc::clone(&self.universe.object(generic).type_params.borrow());
        for (param, bounded) in params.iter().zip(own.iter()) {
            if let (Type::TypeParam(param), Some(bound)) =
                (&*self.universe.get(*param), self.universe.constraint(*bounded))
            {
                let bound = self.universe.substitute(bound, &own, &params);
                self.universe.object(*param).definition.set(bound);
            }
        }
        *object.type_params.borrow_mut() = params.as_slice().into();
        self.universe.instantiate(generic, &params)
    }

    /// The type and value of a constant. One without an expression takes over those before.
    pub(crate) fn constant_spec(
        &mut self,
        group: &ast::Decl<ast::ConstSpec>,
        spec: usize,
        name: usize,
    ) -> (TypeId, Option<Value>) {
        let specs = group.specs.get(..=spec).unwrap_or_default();
        let own = specs.last().is_some_and(|spec| !spec.values.is_empty());
        let Some(from) = specs.iter().rev().find(|spec| !spec.values.is_empty()) else {
            return (TypeId::UNKNOWN, None);
        };
        let Some(node) = from.values.get(name) else { return (TypeId::UNKNOWN, None) };
        let (was, silent) = (self.iota.replace(spec as i128), self.is_silent);
        self.is_silent |= !own;
        let typ = from.typ.as_ref().map(|typ| self.typ(typ));
        let mut operand = self.expr(node);
        if let Some(typ) = typ {
            self.convert_untyped(node, &mut operand, typ);
            if !typ.is_unknown() {
                operand.typ = typ;
            }
        }
        (self.iota, self.is_silent) = (was, silent);
        (operand.typ, operand.value)
    }

    /// The type of a variable of the package.
    fn variable(&mut self, object: &Object, spec: &ast::VarSpec, name: usize) {
        if let Some(typ) = &spec.typ {
            object.typ.set(self.typ(typ));
            return;
        }
        if spec.values.len() == spec.name.len() {
            if let Some(node) = spec.values.get(name) {
                let mut operand = self.expr(node);
                self.assign(node, &mut operand, None);
                object.typ.set(operand.typ);
            }
            return;
        }
        // One call, or one value that says whether there is one: all names get their types at once.
        let Some(node) = spec.values.first() else { return };
        let types = self.several(node, spec.name.len());
        for (number, name) in spec.name.iter().enumerate() {
            let typ = types.get(number).copied().unwrap_or(TypeId::UNKNOWN);
            if number == at_name(spec, object) {
                object.typ.set(typ);
            } else if let Some(other) = self.data.scope.get(name.name.as_str()) {
                let other = self.universe.object(*other);
                if other.state.get() == State::Open {
                    other.typ.set(typ);
                    other.state.set(State::Done);
                }
            }
        }
    }
}

/// Which of the names an object has.
fn at_name(spec: &ast::VarSpec, object: &Object) -> usize {
    let at = object.place.map(|place| place.at);
    spec.name.iter().position(|name| Some(name.pos) == at).unwrap_or(0)
}
