//! Fields and methods by name, also those of embedded fields.
//!
//! Level by level: the shallowest one counts, and none does where a level has two.

use std::rc::Rc;

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::identical::is_exported;
use crate::info::Step;
use crate::object::{ObjectId, PackageId};
use crate::types::{Field, Type, TypeId};
use crate::universe::Universe;

/// Fields embedded deeper are not seen.
const MAX_LEVELS: usize = 50;

/// Types that are looked through for one name.
const MAX_TYPES: usize = 10_000;

/// A field or method that was found by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it is.
    pub kind: FoundKind,
    /// The embedded fields passed on the way, and the field itself if it is one.
    pub path: Vec<Step>,
    /// The field's type, or the method's signature.
    pub typ: TypeId,
    /// Whether a pointer was followed on the way.
    pub is_indirect: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// A field.
    Field,
    /// A declared method, and whether its receiver is a pointer.
    Method {
        /// Its declaration.
        method: ObjectId,
        /// Whether its receiver is a pointer.
        pointer_receiver: bool,
    },
    /// A method of an interface.
    InterfaceMethod,
}

/// One type of a level.
struct Entry {
    typ: TypeId,
    path: Vec<Step>,
    is_indirect: bool,
    /// It comes along several ways: what it has is ambiguous.
    is_multiple: bool,
}

impl Universe {
    /// Finds a field or method as `x.name` in a package would.
    pub fn lookup(&self, typ: TypeId, package: PackageId, name: &str) -> Option<Found> {
        if name == "_" {
            return None;
        }
        let (base, is_pointer) = self.dereferenced(typ);
        if is_pointer && matches!(&*self.under(base), Type::Interface(_) | Type::TypeParam(_)) {
            return None;
        }
        // A named pointer type has its element's fields, but no methods.
        if !is_pointer
            && let Type::Named { .. } = &*self.get(base)
            && let Type::Pointer(elem) = &*self.under(base)
        {
            let found = self.lookup(self.pointer_to(*elem), package, name)?;
            return (found.kind == FoundKind::Field).then_some(found);
        }
        let mut level = vec![Entry {
            typ: base,
            path: Vec::new(),
            is_indirect: is_pointer,
            is_multiple: false,
        }];
        let mut seen: HashSet<TypeId> = HashSet::new();
        for _ in 0..MAX_LEVELS {
            if level.is_empty() || seen.len() > MAX_TYPES {
                break;
            }
            let mut next = Vec::new();
            let mut found: Option<Found> = None;
            for entry in &level {
                if let Type::Named { .. } = &*self.get(entry.typ)
                    && !seen.insert(entry.typ)
                {
                    continue;
                }
                let here = self.own(entry, package, name, &mut next);
                if let Some(here) = here {
                    if found.is_some() || entry.is_multiple {
                        return None;
                    }
                    found = Some(here);
                }
            }
            if found.is_some() {
                return found;
            }
            level = merged(next);
        }
        None
    }

    /// What a type has by itself. Its embedded fields are added to the next level.
    fn own(
        &self,
        entry: &Entry,
        package: PackageId,
        name: &str,
        next: &mut Vec<Entry>,
    ) -> Option<Found> {
        let found =
            |kind, typ, path| Some(Found { kind, path, typ, is_indirect: entry.is_indirect });
        if let Some((method, typ)) = self.declared_method(entry.typ, package, name) {
            let pointer_receiver = self.receiver_of(method).is_some_and(|(_, pointer)| pointer);
            let kind = FoundKind::Method { method, pointer_receiver };
            return found(kind, typ, entry.path.clone());
        }
        match &*self.under(entry.typ) {
            Type::Struct(fields) => {
                self.steps(fields.len());
                let mut here = None;
                for (number, field) in fields.iter().enumerate() {
                    let through_pointer = match entry.path.last() {
                        Some(step) => matches!(&*self.under(step.typ), Type::Pointer(_)),
                        None => entry.is_indirect,
                    };
                    let step = Step { through_pointer, field: number as u32, typ: field.typ };
                    if is_seen(field, package, name) {
                        let mut path = entry.path.clone();
                        path.push(step);
                        here = found(FoundKind::Field, field.typ, path);
                    } else if field.is_embedded {
                        let (typ, is_pointer) = self.dereferenced(field.typ);
                        let mut path = entry.path.clone();
                        path.push(step);
                        let is_indirect = entry.is_indirect || is_pointer;
                        let is_multiple = entry.is_multiple;
                        next.push(Entry { typ, path, is_indirect, is_multiple });
                    }
                }
                here
            }
            Type::Interface(_) | Type::TypeParam(_) => {
                let set = self.type_set(entry.typ);
                self.steps(set.methods.len());
                let method = set.methods.iter().find(|method| {
                    *method.name == *name && (is_exported(name) || method.package == package)
                });
                if let Some(method) = method {
                    return found(FoundKind::InterfaceMethod, method.signature, entry.path.clone());
                }
                self.term_field(entry, package, name)
            }
            _ => None,
        }
    }

    /// A method that all types of a type parameter's only term have, by its declaration.
    fn term_field(&self, entry: &Entry, package: PackageId, name: &str) -> Option<Found> {
        let set = self.type_set(entry.typ);
        match set.terms.as_deref() {
            Some([term]) if self.is_type_param(entry.typ) && !term.is_approximate => {
                let found = self.lookup(term.typ, package, name)?;
                (found.kind != FoundKind::Field).then(|| Found {
                    kind: FoundKind::InterfaceMethod,
                    path: entry.path.clone(),
                    ..found
                })
            }
            _ => None,
        }
    }

    /// A method that is declared for a type, and its signature for the type's arguments.
    fn declared_method(
        &self,
        typ: TypeId,
        package: PackageId,
        name: &str,
    ) -> Option<(ObjectId, TypeId)> {
        let shape = self.get(typ);
        let Type::Named { object, args } = &*shape else { return None };
        let declared = self.object(*object);
        let home = self.package(declared.package);
        // A type of the same name in a function has no methods.
        if home.scope.get(&declared.name) != Some(object) {
            return None;
        }
        let methods = home.methods.get(&declared.name)?;
        if !is_exported(name) && declared.package != package {
            return None;
        }
        let method = methods.by_name.get(name)?;
        let signature = self.type_of(*method);
        let params = Rc::clone(&self.object(*method).type_params.borrow());
        Some((*method, self.substitute(signature, &params, args)))
    }

    /// The element of an unnamed pointer type.
    pub(crate) fn dereferenced(&self, typ: TypeId) -> (TypeId, bool) {
        match &*self.get(typ) {
            Type::Pointer(elem) => (*elem, true),
            _ => (typ, false),
        }
    }

    /// Returns the methods that a type declares itself, in the order of the source.
    pub fn declared_methods(&self, typ: TypeId) -> Vec<ObjectId> {
        let shape = self.get(typ);
        let Type::Named { object, .. } = &*shape else { return Vec::new() };
        let declared = self.object(*object);
        let home = self.package(declared.package);
        if home.scope.get(&declared.name) != Some(object) {
            return Vec::new();
        }
        home.methods.get(&declared.name).map_or_else(Vec::new, |methods| methods.list.clone())
    }
}

fn is_seen(field: &Field, package: PackageId, name: &str) -> bool {
    *field.name == *name && (is_exported(name) || field.package == package)
}

/// Marks what comes along several ways, and keeps one of each.
fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    let mut places: HashMap<TypeId, usize> = HashMap::new();
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        let place = *places.entry(entry.typ).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(other) => other.is_multiple = true,
            None => kept.push(entry),
        }
    }
    kept
}
