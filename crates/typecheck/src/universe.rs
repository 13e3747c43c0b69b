//! All types, objects and packages of one analysis, and what the language declares by itself.
//!
//! Everything here is behind shared references: objects are resolved when they are asked for, from whatever
//! place asks first, and asking may make new types. Borrows are short and never held while resolving.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use foldhash::{HashMap, HashMapExt};

use crate::constant::Value;
use crate::importer::Importer;
use crate::object::{Builtin, Declared, Object, ObjectId, ObjectKind, PackageId, Place, State};
use crate::package::PackageData;
use crate::sizes::Layout;
use crate::type_set::TypeSet;
use crate::types::{Basic, Interface, Method, Param, Signature, Type, TypeId};

/// All types, objects and packages of one analysis.
pub struct Universe {
    types: RefCell<Vec<Rc<Type>>>,
    ids: RefCell<HashMap<Rc<Type>, TypeId>>,
    objects: RefCell<Vec<Rc<Object>>>,
    packages: RefCell<Vec<Rc<PackageData>>>,
    imported: RefCell<HashMap<Rc<str>, Option<PackageId>>>,
    predeclared: HashMap<&'static str, ObjectId>,
    unsafe_scope: HashMap<&'static str, ObjectId>,
    pub(crate) importer: Box<dyn Importer>,
    pub(crate) underlying: RefCell<HashMap<TypeId, TypeId>>,
    pub(crate) layouts: RefCell<HashMap<TypeId, Option<Layout>>>,
    pub(crate) substituted: RefCell<HashMap<(TypeId, TypeId, TypeId), TypeId>>,
    pub(crate) type_sets: RefCell<HashMap<TypeId, Rc<TypeSet>>>,
    pub(crate) depth: Cell<u32>,
    pub(crate) resolving: Cell<u32>,
    pub(crate) steps: Cell<u64>,
    pub(crate) error: TypeId,
    pub(crate) any: TypeId,
    pub(crate) comparable: TypeId,
    pub(crate) empty_tuple: TypeId,
}

impl Universe {
    /// Makes a universe that finds other packages with this.
    pub fn new(importer: Box<dyn Importer>) -> Self {
        let mut universe = Self {
            types: RefCell::new(Vec::new()),
            ids: RefCell::new(HashMap::new()),
            objects: RefCell::new(Vec::new()),
            packages: RefCell::new(vec![
                Rc::new(PackageData::empty("", "")),
                Rc::new(PackageData::empty("unsafe", "unsafe")),
            ]),
            imported: RefCell::new(HashMap::new()),
            predeclared: HashMap::new(),
            unsafe_scope: HashMap::new(),
            importer,
            underlying: RefCell::new(HashMap::new()),
            layouts: RefCell::new(HashMap::new()),
            substituted: RefCell::new(HashMap::new()),
            type_sets: RefCell::new(HashMap::new()),
            depth: Cell::new(0),
            resolving: Cell::new(0),
            steps: Cell::new(0),
            error: TypeId::UNKNOWN,
            any: TypeId::UNKNOWN,
            comparable: TypeId::UNKNOWN,
            empty_tuple: TypeId::UNKNOWN,
        };
        universe.intern(Type::Unknown);
        for basic in Basic::ALL {
            universe.intern(Type::Basic(basic));
        }
        universe.imported.borrow_mut().insert("unsafe".into(), Some(PackageId::UNSAFE));
        universe.declare_types();
        universe.declare_values();
        universe
    }

    fn declare_types(&mut self) {
        for basic in Basic::ALL.into_iter().filter(|basic| !basic.is_untyped()) {
            if basic != Basic::UnsafePointer {
                self.predeclare(basic.name(), ObjectKind::TypeName { is_alias: false }, basic.id());
            }
        }
        self.empty_tuple = self.intern(Type::Tuple(Rc::from([])));
        self.any = self.intern(Type::Interface(Interface::default()));
        let alias = ObjectKind::TypeName { is_alias: true };
        self.predeclare("byte", alias, Basic::Uint8.id());
        self.predeclare("rune", alias, Basic::Int32.id());
        self.predeclare("any", alias, self.any);
        let text = Param { name: "".into(), typ: Basic::String.id() };
        let signature = Signature { results: Rc::from([text]), ..Signature::default() };
        let method = Method {
            name: "Error".into(),
            package: PackageId::UNIVERSE,
            signature: self.intern(Type::Func(signature)),
        };
        let error = Interface { methods: Rc::from([method]), ..Interface::default() };
        self.error = self.predeclare_named("error", error);
        let comparable = Interface { is_comparable: true, ..Interface::default() };
        self.comparable = self.predeclare_named("comparable", comparable);
    }

    fn predeclare(&mut self, name: &'static str, kind: ObjectKind, typ: TypeId) -> ObjectId {
        let id = self.add_object(Object::new(name.into(), PackageId::UNIVERSE, kind, typ));
        self.predeclared.insert(name, id);
        id
    }

    fn predeclare_named(&mut self, name: &'static str, interface: Interface) -> TypeId {
        let kind = ObjectKind::TypeName { is_alias: false };
        let object = self.predeclare(name, kind, TypeId::UNKNOWN);
        let typ = self.intern(Type::Named { object, args: Rc::from([]) });
        let definition = self.intern(Type::Interface(interface));
        let declared = self.object(object);
        declared.typ.set(typ);
        declared.definition.set(definition);
        typ
    }

    fn declare_values(&mut self) {
        for (name, value) in [("true", true), ("false", false)] {
            let id = self.predeclare(name, ObjectKind::Const, Basic::UntypedBool.id());
            *self.object(id).value.borrow_mut() = Some(Value::Bool(value));
        }
        let iota = self.predeclare("iota", ObjectKind::Const, Basic::UntypedInt.id());
        *self.object(iota).value.borrow_mut() = Some(Value::Int(0));
        self.predeclare("nil", ObjectKind::Nil, Basic::UntypedNil.id());
        for (name, builtin) in [
            ("append", Builtin::Append),
            ("cap", Builtin::Cap),
            ("clear", Builtin::Clear),
            ("close", Builtin::Close),
            ("complex", Builtin::Complex),
            ("copy", Builtin::Copy),
            ("delete", Builtin::Delete),
            ("imag", Builtin::Imag),
            ("len", Builtin::Len),
            ("make", Builtin::Make),
            ("max", Builtin::Max),
            ("min", Builtin::Min),
            ("new", Builtin::New),
            ("panic", Builtin::Panic),
            ("print", Builtin::Print),
            ("println", Builtin::Println),
            ("real", Builtin::Real),
            ("recover", Builtin::Recover),
        ] {
            self.predeclare(name, ObjectKind::Builtin(builtin), TypeId::UNKNOWN);
        }
        for (name, builtin) in [
            ("Add", Builtin::UnsafeAdd),
            ("Alignof", Builtin::UnsafeAlignof),
            ("Offsetof", Builtin::UnsafeOffsetof),
            ("Sizeof", Builtin::UnsafeSizeof),
            ("Slice", Builtin::UnsafeSlice),
            ("SliceData", Builtin::UnsafeSliceData),
            ("String", Builtin::UnsafeString),
            ("StringData", Builtin::UnsafeStringData),
        ] {
            let kind = ObjectKind::Builtin(builtin);
            let object = Object::new(name.into(), PackageId::UNSAFE, kind, TypeId::UNKNOWN);
            let id = self.add_object(object);
            self.unsafe_scope.insert(name, id);
        }
        let kind = ObjectKind::TypeName { is_alias: false };
        let pointer = Basic::UnsafePointer.id();
        let id = self.add_object(Object::new("Pointer".into(), PackageId::UNSAFE, kind, pointer));
        self.unsafe_scope.insert("Pointer", id);
    }

    /// Returns a type.
    pub fn get(&self, id: TypeId) -> Rc<Type> {
        let types = self.types.borrow();
        types.get(id.0 as usize).map_or_else(|| Rc::new(Type::Unknown), Rc::clone)
    }

    /// Returns the id of a type, a new one if it is new.
    pub fn intern(&self, typ: Type) -> TypeId {
        if let Some(id) = self.ids.borrow().get(&typ) {
            return *id;
        }
        let mut types = self.types.borrow_mut();
        // Hostile source cannot make that many: the checker's steps are bounded.
        let id = TypeId(u32::try_from(types.len()).unwrap_or(0));
        let typ = Rc::new(typ);
        types.push(Rc::clone(&typ));
        self.ids.borrow_mut().insert(typ, id);
        id
    }

    /// `*T`.
    pub fn pointer_to(&self, typ: TypeId) -> TypeId {
        if typ.is_unknown() { typ } else { self.intern(Type::Pointer(typ)) }
    }

    /// `[]T`.
    pub fn slice_of(&self, typ: TypeId) -> TypeId {
        if typ.is_unknown() { typ } else { self.intern(Type::Slice(typ)) }
    }

    /// `(A, B)`.
    pub fn tuple(&self, types: &[TypeId]) -> TypeId {
        self.intern(Type::Tuple(types.into()))
    }

    /// Returns an object.
    ///
    /// # Panics
    ///
    /// If it is of another universe.
    pub fn object(&self, id: ObjectId) -> Rc<Object> {
        Rc::clone(&self.objects.borrow()[id.0 as usize])
    }

    pub(crate) fn add_object(&self, object: Object) -> ObjectId {
        let mut objects = self.objects.borrow_mut();
        let id = ObjectId(u32::try_from(objects.len()).unwrap_or(0));
        objects.push(Rc::new(object));
        id
    }

    /// Changes an object that nobody holds.
    pub(crate) fn change_object(&self, id: ObjectId, change: impl FnOnce(&mut Object)) {
        let mut objects = self.objects.borrow_mut();
        if let Some(object) = objects.get_mut(id.0 as usize).and_then(Rc::get_mut) {
            change(object);
        }
    }

    pub(crate) fn package(&self, id: PackageId) -> Rc<PackageData> {
        Rc::clone(&self.packages.borrow()[id.0 as usize])
    }

    pub(crate) fn next_package(&self) -> PackageId {
        PackageId(self.packages.borrow().len() as u32)
    }

    pub(crate) fn add_package(&self, package: PackageData) -> PackageId {
        let mut packages = self.packages.borrow_mut();
        let id = PackageId(u32::try_from(packages.len()).unwrap_or(0));
        packages.push(Rc::new(package));
        id
    }

    pub(crate) fn known_import(&self, path: &str) -> Option<Option<PackageId>> {
        self.imported.borrow().get(path).copied()
    }

    pub(crate) fn set_import(&self, path: &str, package: Option<PackageId>) {
        self.imported.borrow_mut().insert(path.into(), package);
    }

    /// Returns a package's import path.
    pub fn package_path(&self, id: PackageId) -> Rc<str> {
        Rc::clone(&self.package(id).path)
    }

    /// Returns a package's name.
    pub fn package_name(&self, id: PackageId) -> Rc<str> {
        Rc::clone(&self.package(id).name)
    }

    /// Returns what the language declares by this name.
    pub fn predeclared(&self, name: &str) -> Option<ObjectId> {
        self.predeclared.get(name).copied()
    }

    /// Returns what a package declares by this name.
    pub fn member(&self, package: PackageId, name: &str) -> Option<ObjectId> {
        match package {
            PackageId::UNIVERSE => self.predeclared(name),
            PackageId::UNSAFE => self.unsafe_scope.get(name).copied(),
            _ => self.package(package).scope.get(name).copied(),
        }
    }

    /// `error`.
    pub fn error_type(&self) -> TypeId {
        self.error
    }

    /// `any`.
    pub fn any_type(&self) -> TypeId {
        self.any
    }
}

impl Object {
    pub(crate) fn new(name: Rc<str>, package: PackageId, kind: ObjectKind, typ: TypeId) -> Self {
        Self {
            name,
            package,
            place: None,
            kind,
            typ: Cell::new(typ),
            value: RefCell::new(None),
            state: Cell::new(State::Done),
            declared: None,
            type_params: RefCell::new(Rc::from([])),
            definition: Cell::new(TypeId::UNKNOWN),
        }
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    pub(crate) fn open(mut self, declared: Declared) -> Self {
        self.declared = Some(declared);
        self.state = Cell::new(State::Open);
        self
    }
}
