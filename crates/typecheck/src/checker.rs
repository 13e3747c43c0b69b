//! The state of resolving one declaration or body: where it stands, and which names it sees.

use std::cell::RefCell;
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt};
use gosyn::ast::{self, Expression};

use crate::info::{ExprInfo, Info, key};
use crate::object::{FunctionId, Object, ObjectId, ObjectKind, PackageId, Place, VarRole};
use crate::operand::Operand;
use crate::package::{ImportEntry, PackageData};
use crate::types::{Param, TypeId};
use crate::universe::Universe;

/// Expressions and statements that nest deeper are unknown.
pub(crate) const MAX_DEPTH: u32 = 12_000;

/// Resolves one declaration or body.
pub(crate) struct Checker<'u> {
    pub(crate) universe: &'u Universe,
    pub(crate) package: PackageId,
    pub(crate) data: Rc<PackageData>,
    pub(crate) file: u32,
    /// The names that each open block declares, the innermost last.
    blocks: Vec<Vec<Rc<str>>>,
    /// What names stand for in open blocks, by the number of blocks around.
    names: HashMap<Rc<str>, Vec<(usize, ObjectId)>>,
    pub(crate) function: Option<FunctionId>,
    /// What the function returns.
    pub(crate) results: Rc<[Param]>,
    pub(crate) iota: Option<i128>,
    /// A call or receive stands in what was just looked at.
    pub(crate) has_call: bool,
    pub(crate) depth: u32,
    /// The type of what the last selector was asked of.
    pub(crate) selected: TypeId,
    /// Nothing is noted: an expression is looked at a second time.
    pub(crate) is_silent: bool,
}

impl<'u> Checker<'u> {
    pub(crate) fn new(universe: &'u Universe, package: PackageId, file: u32) -> Self {
        Self {
            universe,
            package,
            data: universe.package(package),
            file,
            blocks: Vec::new(),
            names: HashMap::new(),
            function: None,
            results: Rc::from([]),
            iota: None,
            has_call: false,
            depth: 0,
            selected: TypeId::UNKNOWN,
            is_silent: false,
        }
    }

    pub(crate) fn open(&mut self) {
        self.blocks.push(Vec::new());
    }

    pub(crate) fn close(&mut self) {
        for name in self.blocks.pop().into_iter().flatten() {
            if let Some(objects) = self.names.get_mut(&name) {
                objects.pop();
            }
        }
    }

    /// Whether it stands outside of all functions.
    pub(crate) fn is_package_level(&self) -> bool {
        self.function.is_none()
    }

    pub(crate) fn info(&self) -> Option<&RefCell<Info>> {
        self.data.info.as_ref().filter(|_| !self.is_silent)
    }

    /// Notes what an expression is.
    pub(crate) fn record(&self, node: &Expression, operand: &Operand) {
        let Some(info) = self.info() else { return };
        let noted = ExprInfo {
            mode: operand.mode,
            typ: operand.typ,
            value: operand.value.clone(),
            is_comma_ok: false,
        };
        let mut info = info.borrow_mut();
        // A list has no place of its own.
        if noted.typ.is_unknown() && !matches!(node, Expression::List(_)) {
            info.unknown.push((key(node), Place { file: self.file, at: node.pos() }));
        }
        info.exprs.insert(key(node), noted);
    }

    pub(crate) fn record_type(&self, node: &Expression, typ: TypeId) {
        self.record(node, &Operand::of_type(typ));
    }

    pub(crate) fn record_use(&self, name: &ast::Ident, object: ObjectId) {
        if let Some(info) = self.info() {
            info.borrow_mut().uses.insert(key(name), object);
        }
    }

    /// Declares a name in the innermost block.
    pub(crate) fn declare(
        &mut self,
        name: &ast::Ident,
        kind: ObjectKind,
        typ: TypeId,
    ) -> Option<ObjectId> {
        if name.name == "_" {
            return None;
        }
        let text: Rc<str> = name.name.as_str().into();
        let place = Place { file: self.file, at: name.pos };
        let object = Object::new(Rc::clone(&text), self.package, kind, typ).at(place);
        let id = self.universe.add_object(object);
        if let Some(info) = self.info() {
            info.borrow_mut().definitions.insert(key(name), id);
        }
        self.enter(text, id);
        Some(id)
    }

    pub(crate) fn declare_var(
        &mut self,
        name: &ast::Ident,
        role: VarRole,
        typ: TypeId,
    ) -> Option<ObjectId> {
        self.declare(name, ObjectKind::Var { role, function: self.function }, typ)
    }

    /// Enters an object into the innermost block.
    pub(crate) fn enter(&mut self, name: Rc<str>, object: ObjectId) {
        let level = self.blocks.len();
        if let Some(block) = self.blocks.last_mut() {
            block.push(Rc::clone(&name));
            self.names.entry(name).or_default().push((level, object));
        }
    }

    /// What the innermost block declares by this name.
    pub(crate) fn innermost(&self, name: &str) -> Option<ObjectId> {
        let (level, object) = self.names.get(name)?.last()?;
        (*level == self.blocks.len()).then_some(*object)
    }

    /// What a name stands for here.
    pub(crate) fn find(&self, name: &str) -> Option<ObjectId> {
        if let Some((_, object)) = self.names.get(name).and_then(|objects| objects.last()) {
            return Some(*object);
        }
        if let Some(object) = self.data.scope.get(name) {
            return Some(*object);
        }
        self.imported(name, true)
            .or_else(|| self.dot_imported(name))
            .or_else(|| self.universe.predeclared(name))
            .or_else(|| self.imported(name, false))
    }

    fn entries(&self) -> &[ImportEntry] {
        self.data.imports.get(self.file as usize).map_or(&[], Vec::as_slice)
    }

    /// The import that a name stands for: of those that look like it, or of all others.
    fn imported(&self, name: &str, likely: bool) -> Option<ObjectId> {
        for entry in self.entries() {
            if entry.may_be(name) != likely || matches!(entry.name.as_deref(), Some("_" | ".")) {
                continue;
            }
            if !likely && entry.name.is_some() {
                continue;
            }
            let package = self.universe.import(&entry.path, &self.data.path);
            let fits = match (&entry.name, package) {
                (Some(_), _) => true,
                (None, Some(package)) => *self.universe.package_name(package) == *name,
                (None, None) => likely,
            };
            if fits {
                return Some(self.import_object(entry, name, package));
            }
        }
        None
    }

    fn import_object(
        &self,
        entry: &ImportEntry,
        name: &str,
        package: Option<PackageId>,
    ) -> ObjectId {
        if let Some(known) = entry.object.get() {
            return known;
        }
        let place = Place { file: self.file, at: entry.place };
        let kind = ObjectKind::Package(package);
        let object = Object::new(name.into(), self.package, kind, TypeId::UNKNOWN).at(place);
        let id = self.universe.add_object(object);
        entry.object.set(Some(id));
        id
    }

    fn dot_imported(&self, name: &str) -> Option<ObjectId> {
        for entry in self.entries() {
            if entry.name.as_deref() == Some(".")
                && let Some(package) = self.universe.import(&entry.path, &self.data.path)
                && let Some(object) = self.universe.member(package, name)
            {
                return Some(object);
            }
        }
        None
    }

    /// The package that an expression names, as in `fmt.Println`.
    pub(crate) fn package_named(&self, node: &Expression) -> Option<Option<PackageId>> {
        let Expression::Ident(name) = node else { return None };
        let object = self.find(&name.name)?;
        let ObjectKind::Package(package) = self.universe.object(object).kind else { return None };
        self.record_use(name, object);
        Some(package)
    }

    /// Runs this one level deeper; not at all if that is too deep.
    pub(crate) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH || !self.universe.step() {
            return None;
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        Some(result)
    }
}

/// An expression without the brackets around it.
pub(crate) fn unparen(mut node: &Expression) -> &Expression {
    while let Expression::Paren(inner) = node {
        node = &inner.expr;
    }
    node
}
