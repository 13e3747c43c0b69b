//! Type arguments that are left out: found by laying the types of parameters over those of arguments.
//!
//! Only the pattern's type parameters are unknowns, also where a generic function calls itself with types that
//! hold the same ones.

use std::cell::Cell;

use gosyn::ast::{self, Expression};

use crate::call::Argument;
use crate::checker::{Checker, unparen};
use crate::info::key;
use crate::operand::{Operand, larger};
use crate::types::{Basic, Signature, Type, TypeId};
use crate::universe::Universe;

/// Types that nest deeper fit nothing.
const MAX_DEPTH: u32 = 60;

/// So do types of more parts.
const MAX_PARTS: u32 = 100_000;

/// Type parameters and what was found for them.
struct Bindings<'a> {
    params: &'a [TypeId],
    found: Vec<Option<TypeId>>,
    /// How many parts of types may still be laid over each other.
    parts: u32,
}

impl Bindings<'_> {
    fn position(&self, typ: TypeId) -> Option<usize> {
        self.params.iter().position(|param| *param == typ)
    }

    fn all(&self) -> Option<Vec<TypeId>> {
        self.found.iter().copied().collect()
    }
}

impl Universe {
    /// Lays a pattern over a type, and notes what its parameters stand for.
    fn fit(&self, bindings: &mut Bindings<'_>, pattern: TypeId, typ: TypeId, depth: u32) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        bindings.parts = bindings.parts.saturating_sub(1);
        if typ.is_unknown() || bindings.parts == 0 || !self.step() {
            return false;
        }
        if let Some(at) = bindings.position(pattern) {
            return self.bind(bindings, at, typ);
        }
        if pattern == typ && !self.mentions(pattern, bindings.params) {
            return true;
        }
        let (mut shape, mut other) = (self.get(pattern), self.get(typ));
        match (&*shape, &*other) {
            (
                Type::Named { object: left, args: left_args },
                Type::Named { object: right, args: right_args },
            ) if left == right && left_args.len() == right_args.len() => {
                let pairs = left_args.iter().zip(right_args.iter());
                return pairs.fold(true, |fits, (left, right)| {
                    self.fit(bindings, *left, *right, depth) && fits
                });
            }
            _ => {}
        }
        if let Type::Named { .. } = &*shape {
            let under = self.underlying(pattern);
            if let Type::Interface(_) = &*self.get(under) {
                return self.fit_interface(bindings, under, typ, depth);
            }
            if let Type::Named { .. } = &*other {
                return false;
            }
            shape = self.get(under);
        }
        if let Type::Interface(interface) = &*shape
            && !matches!(&*self.under(typ), Type::Interface(_))
            && !interface.methods.is_empty()
        {
            return self.fit_interface(bindings, pattern, typ, depth);
        }
        match &*other {
            Type::Named { .. } => other = self.under(typ),
            // All types that another function's parameter stands for look like this.
            Type::TypeParam(_) => other = self.get(self.core_type(typ)),
            _ => {}
        }
        let mut pair = |left: TypeId, right: TypeId| self.fit(bindings, left, right, depth);
        match (&*shape, &*other) {
            (Type::Pointer(left), Type::Pointer(right))
            | (Type::Slice(left), Type::Slice(right)) => pair(*left, *right),
            (Type::Array { elem: left, .. }, Type::Array { elem: right, .. })
            | (Type::Chan { elem: left, .. }, Type::Chan { elem: right, .. }) => {
                pair(*left, *right)
            }
            (
                Type::Map { key: left_key, elem: left },
                Type::Map { key: right_key, elem: right },
            ) => {
                let keys = pair(*left_key, *right_key);
                pair(*left, *right) && keys
            }
            (Type::Func(left), Type::Func(right)) => {
                left.params.len() == right.params.len()
                    && left.results.len() == right.results.len()
                    && left
                        .params
                        .iter()
                        .chain(left.results.iter())
                        .zip(right.params.iter().chain(right.results.iter()))
                        .fold(true, |fits, (left, right)| pair(left.typ, right.typ) && fits)
            }
            (Type::Struct(left), Type::Struct(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right.iter())
                        .fold(true, |fits, (left, right)| pair(left.typ, right.typ) && fits)
            }
            (Type::Interface(left), Type::Interface(right)) => {
                left.methods.len() == right.methods.len()
                    && left
                        .methods
                        .iter()
                        .zip(right.methods.iter())
                        .fold(true, |fits, (left, right)| {
                            pair(left.signature, right.signature) && fits
                        })
            }
            _ => true,
        }
    }

    /// Lays the methods of an interface over those of a type that has them.
    fn fit_interface(
        &self,
        bindings: &mut Bindings<'_>,
        pattern: TypeId,
        typ: TypeId,
        depth: u32,
    ) -> bool {
        for method in &self.type_set(pattern).methods {
            if let Some(found) = self.lookup(typ, method.package, &method.name) {
                self.fit(bindings, method.signature, found.typ, depth);
            }
        }
        true
    }

    fn bind(&self, bindings: &mut Bindings<'_>, at: usize, typ: TypeId) -> bool {
        let Some(place) = bindings.found.get_mut(at) else { return false };
        match *place {
            None => {
                *place = Some(typ);
                true
            }
            Some(known) if self.identical(known, typ) => true,
            Some(known) => {
                // Of a type and its underlying one, that with the name counts.
                let same = self.identical(self.underlying(known), self.underlying(typ));
                if same && matches!(&*self.get(typ), Type::Named { .. }) {
                    *place = Some(typ);
                }
                same
            }
        }
    }

    /// Finds more by what constraints ask for.
    fn by_constraints(&self, bindings: &mut Bindings<'_>) {
        for _ in 0..=bindings.params.len() {
            let before = bindings.found.clone();
            for (at, param) in bindings.params.iter().enumerate() {
                let known = bindings.found.get(at).copied().flatten();
                if let Some(core) = self.term_core(*param) {
                    match known {
                        Some(known) => {
                            let under = self.core_type(known);
                            self.fit(bindings, core, under, MAX_DEPTH);
                        }
                        None if self.all_exact(*param) => {
                            let only = self.type_set(*param).terms.clone();
                            let only = only.and_then(|terms| terms.first().map(|term| term.typ));
                            self.put_core(bindings, at, only.unwrap_or(core));
                        }
                        None => self.put_core(bindings, at, core),
                    }
                } else if let Some(known) = known {
                    for method in &self.type_set(*param).methods {
                        if let Some(found) = self.lookup(known, method.package, &method.name) {
                            self.fit(bindings, method.signature, found.typ, MAX_DEPTH);
                        }
                    }
                }
            }
            if bindings.found == before {
                return;
            }
        }
    }

    /// Whether a type parameter allows one type alone.
    fn all_exact(&self, param: TypeId) -> bool {
        let set = self.type_set(param);
        matches!(set.terms.as_deref(), Some([term]) if !term.is_approximate)
    }

    fn put_core(&self, bindings: &mut Bindings<'_>, at: usize, core: TypeId) {
        let (params, types): (Vec<TypeId>, Vec<TypeId>) = bindings
            .params
            .iter()
            .zip(&bindings.found)
            .filter_map(|(param, found)| found.map(|found| (*param, found)))
            .unzip();
        let typ = self.substitute(core, &params, &types);
        let open: Vec<TypeId> =
            bindings.params.iter().copied().filter(|param| !params.contains(param)).collect();
        if !self.mentions(typ, &open)
            && let Some(place) = bindings.found.get_mut(at)
        {
            *place = Some(typ);
        }
    }

    /// Whether one of these type parameters is in a type.
    pub(crate) fn mentions(&self, typ: TypeId, params: &[TypeId]) -> bool {
        self.mentions_within(typ, params, MAX_DEPTH, &Cell::new(MAX_PARTS))
    }

    fn mentions_within(
        &self,
        typ: TypeId,
        params: &[TypeId],
        depth: u32,
        parts: &Cell<u32>,
    ) -> bool {
        let (Some(depth), Some(left)) = (depth.checked_sub(1), parts.get().checked_sub(1)) else {
            return true;
        };
        parts.set(left);
        if params.contains(&typ) {
            return true;
        }
        let within = |typ: &TypeId| self.mentions_within(*typ, params, depth, parts);
        match &*self.get(typ) {
            Type::Pointer(elem) | Type::Slice(elem) => within(elem),
            Type::Array { elem, .. } | Type::Chan { elem, .. } => within(elem),
            Type::Map { key, elem } => within(key) || within(elem),
            Type::Named { args, .. } => args.iter().any(within),
            Type::Tuple(types) => types.iter().any(within),
            Type::Func(signature) => {
                signature.params.iter().chain(signature.results.iter()).any(|p| within(&p.typ))
            }
            Type::Struct(fields) => fields.iter().any(|field| within(&field.typ)),
            Type::Interface(interface) => {
                interface.methods.iter().any(|method| within(&method.signature))
            }
            _ => false,
        }
    }
}

impl Checker<'_> {
    /// Type arguments of a call, of which some may be given.
    pub(crate) fn infer_call(
        &mut self,
        signature: &Signature,
        given: &[TypeId],
        arguments: &[Argument<'_>],
        has_dots: bool,
    ) -> Option<Vec<TypeId>> {
        let params = &signature.type_params;
        let mut bindings = Bindings { params, found: vec![None; params.len()], parts: MAX_PARTS };
        for (place, typ) in bindings.found.iter_mut().zip(given) {
            *place = Some(*typ).filter(|typ| !typ.is_unknown());
        }
        // Arguments with types first; constants without one, where nothing else tells.
        let mut untyped: Vec<Option<Basic>> = vec![None; params.len()];
        let mut generic = Vec::new();
        for (number, (_, operand)) in arguments.iter().enumerate() {
            let pattern = self.param(signature, number, has_dots);
            match &*self.universe.get(operand.typ) {
                Type::Basic(basic) if basic.is_untyped() => {
                    if let Some(at) = bindings.position(pattern)
                        && let Some(place) = untyped.get_mut(at)
                    {
                        *place = match *place {
                            Some(known) => larger(known, *basic),
                            None => Some(*basic),
                        };
                    }
                }
                Type::Func(function) if !function.type_params.is_empty() => {
                    generic.push((pattern, function.clone()));
                }
                _ => {
                    self.universe.fit(&mut bindings, pattern, operand.typ, MAX_DEPTH);
                }
            }
        }
        self.universe.by_constraints(&mut bindings);
        for (place, basic) in bindings.found.iter_mut().zip(untyped) {
            if place.is_none()
                && let Some(basic) = basic.filter(|basic| *basic != Basic::UntypedNil)
            {
                *place = Some(basic.default_type().id());
            }
        }
        self.universe.by_constraints(&mut bindings);
        bindings.all()
    }

    /// A generic function as a value: some arguments may be given, the others follow from what is wanted.
    pub(crate) fn instantiate_value(
        &mut self,
        name: &Expression,
        typ: TypeId,
        given: &[TypeId],
        wanted: Option<TypeId>,
    ) -> TypeId {
        let shape = self.universe.get(typ);
        let Type::Func(signature) = &*shape else { return TypeId::UNKNOWN };
        let params = &signature.type_params;
        let mut bindings = Bindings { params, found: vec![None; params.len()], parts: MAX_PARTS };
        for (place, typ) in bindings.found.iter_mut().zip(given) {
            *place = Some(*typ).filter(|typ| !typ.is_unknown());
        }
        let bare = Signature { type_params: [].into(), ..signature.clone() };
        let bare = self.universe.intern(Type::Func(bare));
        if let Some(wanted) = wanted.filter(|wanted| !wanted.is_unknown()) {
            self.universe.fit(&mut bindings, bare, wanted, MAX_DEPTH);
        }
        self.universe.by_constraints(&mut bindings);
        let Some(types) = bindings.all() else {
            // Still generic, for whoever knows more.
            return if given.is_empty() { typ } else { TypeId::UNKNOWN };
        };
        self.note_type_args(name, &types);
        self.universe.substitute(bare, params, &types)
    }

    /// The value of a generic function where a function is wanted.
    pub(crate) fn instantiated(
        &mut self,
        node: &Expression,
        operand: Operand,
        wanted: TypeId,
    ) -> Operand {
        let is_generic = match &*self.universe.get(operand.typ) {
            Type::Func(signature) => !signature.type_params.is_empty(),
            _ => false,
        };
        let wants = matches!(&*self.universe.get(self.universe.core_type(wanted)), Type::Func(_));
        if !is_generic || !wants {
            return operand;
        }
        let typ = self.instantiate_value(unparen(node), operand.typ, &[], Some(wanted));
        let operand = Operand { typ, ..operand };
        self.record_through(node, &operand);
        operand
    }

    /// Notes type arguments at the name of a generic function.
    pub(crate) fn note_type_args(&self, name: &Expression, types: &[TypeId]) {
        let name: &ast::Ident = match unparen(name) {
            Expression::Ident(name) => name,
            Expression::Selector(selector) => &selector.sel,
            _ => return,
        };
        if let Some(info) = self.info() {
            info.borrow_mut().type_args.insert(key(name), types.into());
        }
    }
}
