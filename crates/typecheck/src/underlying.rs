//! The types behind names, and type arguments put in for type parameters.

use std::rc::Rc;

use crate::object::{ObjectId, ObjectKind};
use crate::types::{Field, Interface, Method, Param, Signature, Term, Type, TypeId, Union};
use crate::universe::Universe;

/// Names that stand for names are followed this far, and types this deep into each other: beyond, they are
/// unknown.
const MAX_DEPTH: u32 = 200;

/// Arguments, and for what.
struct Put<'a> {
    params: &'a [TypeId],
    args: &'a [TypeId],
    /// Both as types.
    key: (TypeId, TypeId),
}

impl Universe {
    /// Returns the type behind a type's name. That of a type parameter is itself.
    pub fn underlying(&self, typ: TypeId) -> TypeId {
        let shape = self.get(typ);
        let Type::Named { object, args } = &*shape else { return typ };
        if let Some(known) = self.underlying.borrow().get(&typ) {
            return *known;
        }
        let found = self.nested(|universe| {
            universe.resolve(*object);
            let declared = universe.object(*object);
            let behind = universe.underlying(declared.definition.get());
            let params = Rc::clone(&declared.type_params.borrow());
            universe.substitute(behind, &params, args)
        });
        if !found.is_unknown() {
            self.underlying.borrow_mut().insert(typ, found);
        }
        found
    }

    /// Runs this unless too much of it runs already.
    pub(crate) fn nested(&self, run: impl FnOnce(&Self) -> TypeId) -> TypeId {
        let depth = self.depth.get();
        if depth >= MAX_DEPTH {
            return TypeId::UNKNOWN;
        }
        self.depth.set(depth + 1);
        let result = run(self);
        self.depth.set(depth);
        result
    }

    /// Returns the structure of the type behind a type's name.
    pub fn under(&self, typ: TypeId) -> Rc<Type> {
        self.get(self.underlying(typ))
    }

    /// Returns a type's constraint, if it is a type parameter.
    pub fn constraint(&self, typ: TypeId) -> Option<TypeId> {
        match &*self.get(typ) {
            Type::TypeParam(object) => Some(self.object(*object).definition.get()),
            _ => None,
        }
    }

    /// A generic type with arguments.
    pub fn instantiate(&self, object: ObjectId, args: &[TypeId]) -> TypeId {
        let declared = self.object(object);
        if let ObjectKind::TypeName { is_alias: true } = declared.kind {
            let typ = self.type_of(object);
            let params = Rc::clone(&declared.type_params.borrow());
            return self.substitute(typ, &params, args);
        }
        self.intern(Type::Named { object, args: args.into() })
    }

    /// Puts arguments in for type parameters.
    pub fn substitute(&self, typ: TypeId, params: &[TypeId], args: &[TypeId]) -> TypeId {
        if params.is_empty() || args.is_empty() {
            return typ;
        }
        let put = Put { params, args, key: (self.tuple(params), self.tuple(args)) };
        self.put(typ, &put)
    }

    fn put(&self, typ: TypeId, put: &Put<'_>) -> TypeId {
        let Put { params, args, .. } = put;
        if let Some(at) = params.iter().position(|param| *param == typ) {
            return args.get(at).copied().unwrap_or(TypeId::UNKNOWN);
        }
        if let Type::Unknown | Type::Basic(_) | Type::TypeParam(_) = &*self.get(typ) {
            return typ;
        }
        // Types are made of each other: each is changed once.
        let key = (typ, put.key.0, put.key.1);
        if let Some(known) = self.substituted.borrow().get(&key) {
            return *known;
        }
        let changed = self.nested(|universe| universe.put_within(typ, put));
        if !changed.is_unknown() {
            self.substituted.borrow_mut().insert(key, changed);
        }
        changed
    }

    fn put_within(&self, typ: TypeId, put: &Put<'_>) -> TypeId {
        let put = |typ: TypeId| self.put(typ, put);
        let shape = self.get(typ);
        let changed = match &*shape {
            Type::Unknown | Type::Basic(_) | Type::TypeParam(_) => return typ,
            Type::Named { object, args: given } => {
                if given.is_empty() {
                    return typ;
                }
                Type::Named { object: *object, args: given.iter().map(|arg| put(*arg)).collect() }
            }
            Type::Pointer(elem) => return self.pointer_to(put(*elem)),
            Type::Slice(elem) => return self.slice_of(put(*elem)),
            Type::Array { length, elem } => Type::Array { length: *length, elem: put(*elem) },
            Type::Map { key, elem } => Type::Map { key: put(*key), elem: put(*elem) },
            Type::Chan { direction, elem } => {
                Type::Chan { direction: *direction, elem: put(*elem) }
            }
            Type::Tuple(types) => Type::Tuple(types.iter().map(|typ| put(*typ)).collect()),
            Type::Func(signature) => {
                let each = |list: &[Param]| -> Rc<[Param]> {
                    let put = |param: &Param| Param { typ: put(param.typ), ..param.clone() };
                    list.iter().map(put).collect()
                };
                Type::Func(Signature {
                    type_params: Rc::clone(&signature.type_params),
                    params: each(&signature.params),
                    results: each(&signature.results),
                    is_variadic: signature.is_variadic,
                })
            }
            Type::Struct(fields) => {
                let put = |field: &Field| Field { typ: put(field.typ), ..field.clone() };
                Type::Struct(fields.iter().map(put).collect())
            }
            Type::Interface(interface) => {
                let method =
                    |method: &Method| Method { signature: put(method.signature), ..method.clone() };
                let term = |term: &Term| Term { typ: put(term.typ), ..*term };
                let union = |union: &Union| -> Union { union.iter().map(term).collect() };
                Type::Interface(Interface {
                    methods: interface.methods.iter().map(method).collect(),
                    embeds: interface.embeds.iter().map(union).collect(),
                    is_comparable: interface.is_comparable,
                })
            }
        };
        self.intern(changed)
    }
}
