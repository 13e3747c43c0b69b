//! What an interface stands for: all its methods, and the types that it allows.

use std::rc::Rc;

use crate::types::{Basic, Direction, Interface, Method, Term, Type, TypeId};
use crate::universe::Universe;

/// Interfaces that embed each other deeper are cut off.
const MAX_DEPTH: u32 = 180;

/// More methods than this are not gathered.
const MAX_METHODS: usize = 100_000;

/// Unions of more terms are taken for unknown ones.
const MAX_TERMS: usize = 1000;

/// What an interface stands for, with all that it embeds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeSet {
    /// All methods, by name.
    pub methods: Vec<Method>,
    /// The types that are allowed; none where all are.
    pub terms: Option<Rc<[Term]>>,
    /// Whether its types must be comparable.
    pub is_comparable: bool,
}

impl Universe {
    /// Returns what an interface stands for; of a type parameter, what its constraint does; of any other type,
    /// that type alone.
    pub fn type_set(&self, typ: TypeId) -> Rc<TypeSet> {
        if let Some(known) = self.type_sets.borrow().get(&typ) {
            return Rc::clone(known);
        }
        if self.depth.get() >= MAX_DEPTH {
            return Rc::default();
        }
        // One that embeds itself gets what is known by then.
        self.type_sets.borrow_mut().insert(typ, Rc::default());
        let depth = self.depth.replace(self.depth.get() + 1);
        let mut is_whole = true;
        let mut set = self.gather(typ, &mut is_whole);
        self.depth.set(depth);
        set.methods.sort_by(|left, right| left.name.cmp(&right.name));
        set.methods
            .dedup_by(|left, right| left.name == right.name && left.package == right.package);
        let set = Rc::new(set);
        if is_whole {
            self.type_sets.borrow_mut().insert(typ, Rc::clone(&set));
        } else {
            self.type_sets.borrow_mut().remove(&typ);
        }
        set
    }

    fn gather(&self, typ: TypeId, is_whole: &mut bool) -> TypeSet {
        let typ = self.constraint(typ).unwrap_or(typ);
        match &*self.under(typ) {
            Type::Interface(interface) => self.gather_interface(interface, is_whole),
            Type::TypeParam(_) => (*self.type_set(self.underlying(typ))).clone(),
            Type::Unknown => {
                *is_whole = false;
                TypeSet::default()
            }
            _ => {
                let term = Term { is_approximate: false, typ };
                TypeSet { terms: Some(Rc::from([term])), ..TypeSet::default() }
            }
        }
    }

    fn gather_interface(&self, listed: &Interface, is_whole: &mut bool) -> TypeSet {
        let mut set = TypeSet {
            methods: listed.methods.to_vec(),
            terms: None,
            is_comparable: listed.is_comparable,
        };
        for union in listed.embeds.iter() {
            let allowed = match &**union {
                [Term { is_approximate: false, typ }] => {
                    *is_whole &= !self.underlying(*typ).is_unknown();
                    let inner = self.type_set(*typ);
                    if set.methods.len() + inner.methods.len() < MAX_METHODS {
                        set.methods.extend_from_slice(&inner.methods);
                    }
                    set.is_comparable |= inner.is_comparable;
                    inner.terms.clone()
                }
                terms => self.terms_of(terms, is_whole),
            };
            set.terms = match (set.terms.take(), allowed) {
                (Some(left), Some(right)) => Some(self.both(&left, &right)),
                (left, right) => left.or(right),
            };
        }
        set
    }

    /// The terms of a union, with those of interfaces in it.
    fn terms_of(&self, terms: &[Term], is_whole: &mut bool) -> Option<Rc<[Term]>> {
        let mut all = Vec::new();
        for term in terms {
            match &*self.under(term.typ) {
                Type::Interface(_) => {
                    all.extend(self.type_set(term.typ).terms.as_ref()?.iter().copied());
                }
                Type::Unknown => *is_whole = false,
                _ => all.push(*term),
            }
            if all.len() > MAX_TERMS {
                return None;
            }
        }
        Some(all.into())
    }

    fn both(&self, left: &[Term], right: &[Term]) -> Rc<[Term]> {
        let mut both = Vec::new();
        for one in left {
            for other in right {
                let same = self.identical(one.typ, other.typ)
                    || (other.is_approximate
                        && self.identical(self.underlying(one.typ), self.underlying(other.typ)));
                let reverse = one.is_approximate
                    && self.identical(self.underlying(one.typ), self.underlying(other.typ));
                if same {
                    let is_approximate = one.is_approximate && other.is_approximate;
                    both.push(Term { is_approximate, typ: one.typ });
                } else if reverse {
                    both.push(*other);
                }
            }
        }
        both.into()
    }

    /// Whether it is an interface, and no type parameter.
    pub fn is_interface(&self, typ: TypeId) -> bool {
        matches!(&*self.under(typ), Type::Interface(_))
    }

    /// Whether it is a type parameter.
    pub fn is_type_param(&self, typ: TypeId) -> bool {
        matches!(&*self.get(typ), Type::TypeParam(_))
    }

    /// Returns the one underlying type that all types of a type parameter or constraint have, or the type's own.
    /// Unknown where there is none.
    pub fn core_type(&self, typ: TypeId) -> TypeId {
        if !self.is_type_param(typ) {
            return self.underlying(typ);
        }
        self.term_core(typ).unwrap_or(TypeId::UNKNOWN)
    }

    /// The same, and a string where there are strings and slices of bytes.
    pub(crate) fn core_string(&self, typ: TypeId) -> TypeId {
        let core = self.core_type(typ);
        if !core.is_unknown() {
            return core;
        }
        let Some(terms) = self.type_set(typ).terms.clone() else { return core };
        let bytes = self.slice_of(Basic::Uint8.id());
        let are_text = terms.iter().all(|term| {
            let under = self.underlying(term.typ);
            under == Basic::String.id() || under == bytes
        });
        if are_text && !terms.is_empty() { Basic::String.id() } else { core }
    }

    /// The one underlying type of all terms.
    pub(crate) fn term_core(&self, typ: TypeId) -> Option<TypeId> {
        let terms = self.type_set(typ).terms.clone()?;
        let mut core: Option<TypeId> = None;
        for term in terms.iter() {
            let under = self.underlying(term.typ);
            let Some(known) = core else {
                core = Some(under);
                continue;
            };
            if self.identical(known, under) {
                continue;
            }
            // Channels may differ in what they are for, if one of them is for both.
            match (&*self.get(known), &*self.get(under)) {
                (
                    Type::Chan { direction: left, elem: left_elem },
                    Type::Chan { direction: right, elem: right_elem },
                ) if self.identical(*left_elem, *right_elem) => match (left, right) {
                    (_, Direction::Both) => {}
                    (Direction::Both, _) => core = Some(under),
                    _ => return None,
                },
                _ => return None,
            }
        }
        core
    }

    /// Whether all types of a type parameter, or the type itself, have an underlying type like this.
    pub(crate) fn all_basic(&self, typ: TypeId, is: impl Fn(Basic) -> bool) -> bool {
        let like = |typ: TypeId| matches!(&*self.under(typ), Type::Basic(basic) if is(*basic));
        if !self.is_type_param(typ) {
            return like(typ);
        }
        match &self.type_set(typ).terms {
            Some(terms) => !terms.is_empty() && terms.iter().all(|term| like(term.typ)),
            None => false,
        }
    }
}
