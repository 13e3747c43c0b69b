//! A package's declarations by name, before any of them is resolved.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt};
use gosyn::ast::{self, Declaration, Expression};

use crate::info::Info;
use crate::object::{Declared, Object, ObjectId, ObjectKind, PackageId, Place, VarRole};
use crate::parse::SourceFile;
use crate::types::{Type, TypeId};
use crate::universe::Universe;

/// A package's files and what they declare.
pub(crate) struct PackageData {
    pub(crate) path: Rc<str>,
    pub(crate) name: Rc<str>,
    pub(crate) files: Vec<Rc<SourceFile>>,
    pub(crate) scope: HashMap<Rc<str>, ObjectId>,
    /// For each file, what it imports.
    pub(crate) imports: Vec<Vec<ImportEntry>>,
    /// Methods, by the name of the receiver's type.
    pub(crate) methods: HashMap<Rc<str>, Methods>,
    /// What is found out, if someone wants to know.
    pub(crate) info: Option<RefCell<Info>>,
}

/// Methods that are declared for a type.
#[derive(Default)]
pub(crate) struct Methods {
    /// In the order of the source.
    pub(crate) list: Vec<ObjectId>,
    pub(crate) by_name: HashMap<Rc<str>, ObjectId>,
}

/// One import of a file.
pub(crate) struct ImportEntry {
    /// Its path, without quotes.
    pub(crate) path: Rc<str>,
    /// The name that the file gives it.
    pub(crate) name: Option<Rc<str>>,
    /// The object that stands for it, once it was asked for.
    pub(crate) object: Cell<Option<ObjectId>>,
    pub(crate) place: usize,
}

impl ImportEntry {
    /// Whether the name is likely to mean this import: certain only where the file gives it one.
    pub(crate) fn may_be(&self, name: &str) -> bool {
        if let Some(given) = &self.name {
            return **given == *name;
        }
        let mut parts = self.path.rsplit('/');
        let last = parts.next().unwrap_or_default();
        if last == name {
            return true;
        }
        let is_version = last
            .strip_prefix('v')
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        is_version && parts.next() == Some(name)
    }
}

impl PackageData {
    pub(crate) fn empty(path: &str, name: &str) -> Self {
        Self {
            path: path.into(),
            name: name.into(),
            files: Vec::new(),
            scope: HashMap::new(),
            imports: Vec::new(),
            methods: HashMap::new(),
            info: None,
        }
    }
}

/// Enters a package with all that its files declare.
pub(crate) fn enter(
    universe: &Universe,
    path: &str,
    files: Vec<Rc<SourceFile>>,
    info: Option<Info>,
) -> PackageId {
    let name = files.first().map_or("", |file| &file.ast.pkg_name.name).to_owned();
    // The number that it will have: nothing else is entered before.
    let id = universe.next_package();
    let mut data = PackageData { files, ..PackageData::empty(path, &name) };
    data.info = info.map(RefCell::new);
    let files = data.files.clone();
    for (number, file) in files.iter().enumerate() {
        let mut collect = Collect { universe, data: &mut data, package: id, file: number as u32 };
        collect.imports(&file.ast);
        collect.declarations(&file.ast);
    }
    methods_of_aliases(&mut data);
    universe.add_package(data)
}

/// Gives methods that are declared for another name of a type to the type.
fn methods_of_aliases(data: &mut PackageData) {
    let mut targets = Vec::new();
    for file in &data.files {
        for declaration in &file.ast.decl {
            let Declaration::Type(group) = declaration else { continue };
            for spec in group.specs.iter().filter(|spec| spec.alias) {
                if let Some(target) = base_name(&spec.typ)
                    && data.methods.contains_key(spec.name.name.as_str())
                {
                    targets.push((spec.name.name.clone(), target.to_owned()));
                }
            }
        }
    }
    for (alias, target) in targets {
        if let Some(methods) = data.methods.remove(alias.as_str()) {
            let all = data.methods.entry(target.as_str().into()).or_default();
            all.list.extend(methods.list);
            all.by_name.extend(methods.by_name);
        }
    }
}

struct Collect<'a> {
    universe: &'a Universe,
    data: &'a mut PackageData,
    package: PackageId,
    file: u32,
}

impl Collect<'_> {
    fn imports(&mut self, file: &ast::File) {
        let entries = file.imports.iter().map(|import| ImportEntry {
            path: import.path.value.trim_matches(['"', '`']).into(),
            name: import.name.as_ref().map(|name| name.name.as_str().into()),
            object: Cell::new(None),
            place: import.path.pos,
        });
        self.data.imports.push(entries.collect());
    }

    fn declarations(&mut self, file: &ast::File) {
        for (number, declaration) in file.decl.iter().enumerate() {
            match declaration {
                Declaration::Function(function) => {
                    self.function(function, at_spec(self.file, number, 0, 0))
                }
                Declaration::Type(group) => {
                    for (spec_number, spec) in group.specs.iter().enumerate() {
                        let kind = ObjectKind::TypeName { is_alias: spec.alias };
                        let declared = at_spec(self.file, number, spec_number, 0);
                        self.declare(&spec.name, kind, declared);
                    }
                }
                Declaration::Const(group) => {
                    let kind = ObjectKind::Const;
                    for (spec_number, spec) in group.specs.iter().enumerate() {
                        for (name_number, name) in spec.name.iter().enumerate() {
                            let declared = at_spec(self.file, number, spec_number, name_number);
                            self.declare(name, kind, declared);
                        }
                    }
                }
                Declaration::Variable(group) => {
                    let kind = ObjectKind::Var { role: VarRole::Package, function: None };
                    for (spec_number, spec) in group.specs.iter().enumerate() {
                        for (name_number, name) in spec.name.iter().enumerate() {
                            let declared = at_spec(self.file, number, spec_number, name_number);
                            self.declare(name, kind, declared);
                        }
                    }
                }
            }
        }
    }

    fn declare(&mut self, name: &ast::Ident, kind: ObjectKind, declared: Declared) -> ObjectId {
        let text: Rc<str> = name.name.as_str().into();
        let object = Object::new(Rc::clone(&text), self.package, kind, TypeId::UNKNOWN)
            .at(Place { file: self.file, at: name.pos })
            .open(declared);
        let id = self.universe.add_object(object);
        if kind == (ObjectKind::TypeName { is_alias: false }) {
            let typ = self.universe.intern(Type::Named { object: id, args: Rc::from([]) });
            self.universe.object(id).typ.set(typ);
        }
        if let Some(info) = &self.data.info {
            info.borrow_mut().definitions.insert(crate::info::key(name), id);
        }
        // Nobody can name a blank or an initializer.
        let is_init = matches!(kind, ObjectKind::Func { .. }) && &*text == "init";
        if &*text != "_" && !is_init {
            self.data.scope.entry(text).or_insert(id);
        }
        id
    }

    fn function(&mut self, function: &ast::FuncDecl, declared: Declared) {
        let name = &function.name;
        let Some(receiver) = &function.recv else {
            let kind = ObjectKind::Func { is_method: false };
            self.declare(name, kind, declared);
            return;
        };
        let text: Rc<str> = name.name.as_str().into();
        let kind = ObjectKind::Func { is_method: true };
        let object = Object::new(Rc::clone(&text), self.package, kind, TypeId::UNKNOWN)
            .at(Place { file: self.file, at: name.pos })
            .open(declared);
        let id = self.universe.add_object(object);
        if let Some(info) = &self.data.info {
            info.borrow_mut().definitions.insert(crate::info::key(name), id);
        }
        if let Some(base) = receiver.list.first().and_then(|field| base_name(&field.typ)) {
            let methods = self.data.methods.entry(base.into()).or_default();
            methods.list.push(id);
            methods.by_name.entry(text).or_insert(id);
        }
    }
}

fn at_spec(file: u32, declaration: usize, spec: usize, name: usize) -> Declared {
    Declared { file, declaration: declaration as u32, spec: spec as u32, name: name as u32 }
}

/// The name of a receiver's type.
fn base_name(typ: &Expression) -> Option<&str> {
    match typ {
        Expression::Ident(name) => Some(&name.name),
        Expression::TypePointer(pointer) => base_name(&pointer.typ),
        Expression::Star(star) => base_name(&star.right),
        Expression::Paren(inner) => base_name(&inner.expr),
        Expression::Index(index) => base_name(&index.left),
        Expression::IndexList(index) => base_name(&index.left),
        _ => None,
    }
}
