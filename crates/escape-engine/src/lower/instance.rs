//! Generic functions, lowered once for each list of type arguments that they are used with.
//!
//! The compiler does so for each shape of arguments; here it is for each list. Functions of other packages are
//! parsed and checked with their bodies for it, if their source is to be had; what they call in their own
//! package is lowered with them. Of such functions' parameters nothing is said, as the compiler says nothing.

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};
use tophash_typecheck::ast::{self, Declaration, Expression};
use tophash_typecheck::{
    FunctionId, ObjectId, ObjectKind, Source, Type, TypeId, check, parse_texts,
};

use super::Lower;
use super::facts::{Known, TypeArguments};
use crate::ir::{Callee, FuncId};

/// More instances than this are not made: polymorphic recursion would never end.
const MOST: usize = 5_000;

/// Where declarations lie in a package: by receiver and name, the file and the declaration in it.
type Places = HashMap<(String, String), (usize, usize)>;

/// A package whose functions are lowered for their uses.
#[derive(Clone)]
pub(super) struct Home<'a> {
    checked: Known<'a>,
    /// How many files come before its own in the list of all.
    first_file: u32,
    places: Rc<Places>,
}

/// A function that is yet to be lowered.
pub(super) struct Waiting<'a> {
    home: Home<'a>,
    place: (usize, usize),
    arguments: TypeArguments,
    function: FuncId,
    id: FunctionId,
}

impl<'a> Lower<'a> {
    /// The function that an object stands for when it is used with type arguments; none if it can't be had.
    pub(super) fn instance(&mut self, object: ObjectId, args: &[TypeId]) -> Option<Callee> {
        let key = (object, args.to_vec());
        if let Some(known) = self.instances.get(&key) {
            return known.map(Callee::Local);
        }
        if self.instances.len() >= MOST || args.iter().any(|typ| self.is_open(*typ, 0)) {
            return None;
        }
        let made = self.make_instance(object, args);
        self.instances.insert(key, made);
        made.map(Callee::Local)
    }

    /// Whether something in a type is not known: a type parameter, or all of it.
    fn is_open(&self, typ: TypeId, depth: u32) -> bool {
        let open = |typ: &TypeId| self.is_open(*typ, depth + 1);
        match &*self.universe.get(typ) {
            _ if depth > 20 => true,
            Type::Unknown | Type::TypeParam(_) => true,
            Type::Named { args, .. } => args.iter().any(open),
            Type::Pointer(elem) | Type::Slice(elem) => open(elem),
            Type::Array { elem, .. } | Type::Chan { elem, .. } => open(elem),
            Type::Map { key, elem } => open(key) || open(elem),
            _ => false,
        }
    }

    fn make_instance(&mut self, object: ObjectId, args: &[TypeId]) -> Option<FuncId> {
        let declared = self.universe.object(object);
        let receiver = match declared.kind {
            ObjectKind::Func { is_method: true } => {
                let (typ, _) = self.universe.receiver_of(object)?;
                match &*self.universe.get(typ) {
                    Type::Named { object, .. } => self.universe.object(*object).name.to_string(),
                    _ => return None,
                }
            }
            ObjectKind::Func { is_method: false } => String::new(),
            _ => return None,
        };
        let home = self.home(&self.universe.package_path(declared.package))?;
        let place = *home.places.get(&(receiver.clone(), declared.name.to_string()))?;
        let file = Rc::clone(home.checked.files.get(place.0)?);
        let Declaration::Function(declaration) = file.ast.decl.get(place.1)? else { return None };
        declaration.body.as_ref()?;
        let id = home.checked.function_declaration(declaration)?;
        let names = type_parameters(declaration);
        if names.len() != args.len() {
            return None;
        }
        let mut params = Vec::new();
        for name in names {
            let param = home.checked.definition(name)?;
            params.push(self.universe.type_of(param));
        }
        let name = match (receiver.as_str(), args.is_empty()) {
            ("", true) => declared.name.to_string(),
            ("", false) => format!("{}[...]", declared.name),
            (receiver, true) => format!("{receiver}.{}", declared.name),
            (receiver, false) => format!("{receiver}[...].{}", declared.name),
        };
        let function = self.new_function(name.into(), None);
        self.program.func_mut(function).is_silent = true;
        let arguments = TypeArguments { params, args: args.to_vec() };
        self.waiting.push(Waiting { home, place, arguments, function, id });
        Some(function)
    }

    /// A package with its functions' bodies.
    fn home(&mut self, path: &str) -> Option<Home<'a>> {
        if let Some(known) = self.homes.get(path) {
            return known.clone();
        }
        let made = self.read(path);
        self.homes.insert(path.to_owned(), made.clone());
        made
    }

    fn read(&mut self, path: &str) -> Option<Home<'a>> {
        let own = self.universe.package_path(self.own.package);
        let imported = self.bodies.import(path, &own)?;
        let texts = imported.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let parsed = parse_texts(texts);
        let checked = check(self.universe, Source::new(&imported.path, parsed.files));
        let first_file = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.extend(checked.files.iter().map(|file| file.path.clone()));
        Some(Self::home_of(Known::Other(Rc::new(checked)), first_file))
    }

    pub(super) fn home_of(checked: Known<'a>, first_file: u32) -> Home<'a> {
        let mut places = Places::new();
        for (index, file) in checked.files.iter().enumerate() {
            for (at, declaration) in file.ast.decl.iter().enumerate() {
                let Declaration::Function(function) = declaration else { continue };
                let receiver = function.recv.as_ref().and_then(|list| list.list.first());
                let receiver = receiver
                    .map_or_else(String::new, |field| super::function::receiver_name(&field.typ).0);
                places.insert((receiver, function.name.name.clone()), (index, at));
            }
        }
        Home { checked, first_file, places: Rc::new(places) }
    }

    /// Lowers what is waiting, and what that makes wait in turn. Of a generic type of the package that is used
    /// with some type arguments, all methods are compiled.
    pub(super) fn lower_instances(&mut self) {
        let mut seen = HashSet::new();
        let mut next = 0;
        loop {
            self.lower_waiting();
            let types: Vec<TypeId> = match self.program.nodes.get(next..) {
                Some(nodes) => nodes.iter().map(|node| node.typ).collect(),
                None => Vec::new(),
            };
            next += types.len();
            for typ in types {
                self.methods_of(typ, &mut seen);
            }
            if self.waiting.is_empty() {
                return;
            }
        }
    }

    fn methods_of(&mut self, typ: TypeId, seen: &mut HashSet<TypeId>) {
        if !seen.insert(typ) {
            return;
        }
        let (object, args) = match &*self.universe.get(typ) {
            Type::Pointer(elem) => return self.methods_of(*elem, seen),
            Type::Named { object, args } if !args.is_empty() => (*object, args.to_vec()),
            _ => return,
        };
        let declared = self.universe.object(object);
        if declared.package != self.own.package {
            return;
        }
        let Some(home) = self.home(&self.universe.package_path(declared.package)) else { return };
        for ((receiver, _), place) in home.places.iter() {
            if **receiver != *declared.name {
                continue;
            }
            let declaration =
                home.checked.files.get(place.0).and_then(|it| it.ast.decl.get(place.1));
            let Some(Declaration::Function(method)) = declaration else { continue };
            let Some(id) = home.checked.function_declaration(method) else { continue };
            if let Some(method) = home.checked.function(id).object {
                self.instance(method, &args);
            }
        }
    }

    fn lower_waiting(&mut self) {
        while let Some(waiting) = self.waiting.pop() {
            let Waiting { home, place, arguments, function, id } = waiting;
            let Some(file) = home.checked.files.get(place.0).cloned() else { continue };
            let Some(Declaration::Function(declaration)) = file.ast.decl.get(place.1) else {
                continue;
            };
            let index = u32::try_from(place.0).unwrap_or(u32::MAX);
            self.file_index = home.first_file.saturating_add(index);
            self.file = Some(Rc::clone(&file));
            self.checked = home.checked.clone();
            self.arguments = arguments;
            self.variables.clear();
            self.functions.clear();
            self.functions.insert(id, function);
            self.define_instance(function, id, declaration);
        }
    }

    /// Type arguments of a method's receiver.
    pub(super) fn receiver_arguments(&self, typ: TypeId) -> Vec<TypeId> {
        match &*self.universe.get(typ) {
            Type::Pointer(elem) => self.receiver_arguments(*elem),
            Type::Named { args, .. } => args.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The callee that a name stands for, with the type arguments that it is used with.
    pub(super) fn callee(&mut self, object: ObjectId, args: &[TypeId]) -> Callee {
        let known = self.by_object.callee(self.universe, object);
        let Callee::Imported(name) = &known else { return known };
        let is_foreign = self.checked.package != self.own.package;
        let is_needed = !args.is_empty()
            || (is_foreign
                && self.universe.object(object).package == self.checked.package
                && !self.imports.is_known(name));
        if !is_needed || crate::build::escapes_but_strings(name) {
            return known;
        }
        self.instance(object, args).unwrap_or(known)
    }
}

/// The names of a function's type parameters, or of those that its receiver's type has.
fn type_parameters(declaration: &ast::FuncDecl) -> Vec<&ast::Ident> {
    let receiver = declaration.recv.as_ref().and_then(|list| list.list.first());
    match receiver {
        Some(field) => of_receiver(&field.typ),
        None => declaration.typ.typ_params.list.iter().flat_map(|field| &field.name).collect(),
    }
}

fn of_receiver(typ: &Expression) -> Vec<&ast::Ident> {
    match typ {
        Expression::Paren(inner) => of_receiver(&inner.expr),
        Expression::TypePointer(pointer) => of_receiver(&pointer.typ),
        Expression::Star(pointer) => of_receiver(&pointer.right),
        Expression::Operation(star) if star.y.is_none() => of_receiver(&star.x),
        Expression::Index(index) => match &*index.index {
            Expression::Ident(name) => vec![name],
            Expression::List(list) => list.iter().filter_map(as_name).collect(),
            _ => Vec::new(),
        },
        Expression::IndexList(index) => index.indices.iter().filter_map(as_name).collect(),
        _ => Vec::new(),
    }
}

fn as_name(x: &Expression) -> Option<&ast::Ident> {
    match x {
        Expression::Ident(name) => Some(name),
        _ => None,
    }
}
