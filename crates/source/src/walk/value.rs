//! What an expression is: its type, and the map that it denotes.

use tophash_typecheck::ast::{Call, Expression, FuncType};
use tophash_typecheck::token::{LitKind, Operator};

use super::Walker;
use crate::model::package::{field_of, named};
use crate::model::place::{Place, Root};
use crate::model::ty::{Shape, Ty};

/// What an expression is.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub(super) ty: Ty<'a>,
    /// The variable or field, or the map that a local variable is another name for.
    pub(super) place: Option<Place<'a>>,
    /// It is, or belongs to, an object that was made in this function.
    pub(super) is_fresh: bool,
    /// It is a map in the map at the place.
    pub(super) is_inner: bool,
}

impl<'a> Value<'a> {
    fn unknown() -> Self {
        Self::of(Ty::Unknown)
    }

    fn of(ty: Ty<'a>) -> Self {
        Self { ty, place: None, is_fresh: false, is_inner: false }
    }

    fn fresh(ty: Ty<'a>) -> Self {
        Self { is_fresh: true, ..Self::of(ty) }
    }
}

impl<'a> Walker<'_, 'a> {
    pub(super) fn value(&self, expression: &'a Expression) -> Value<'a> {
        match expression {
            Expression::Ident(ident) => self.value_of_name(&ident.name),
            Expression::Paren(inner) => self.value(&inner.expr),
            Expression::Selector(selector) => self.value_of_field(&selector.x, &selector.sel.name),
            Expression::Star(star) => {
                let pointer = self.value(&star.right);
                match self.package.underlying(&pointer.ty) {
                    Shape::Pointer(to) => Value { ty: to, ..pointer },
                    _ => Value { ty: Ty::Unknown, ..pointer },
                }
            }
            Expression::Operation(operation) => match (operation.op, &operation.y) {
                (Operator::And, None) => {
                    let inner = self.value(&operation.x);
                    Value { ty: Ty::pointer_to(inner.ty.clone()), ..inner }
                }
                (Operator::Arrow, None) => {
                    match self.package.underlying(&self.value(&operation.x).ty) {
                        Shape::Chan(elem) => Value::of(elem),
                        _ => Value::unknown(),
                    }
                }
                (Operator::Equal | Operator::NotEqual | Operator::Not, _) => {
                    Value::of(Ty::Basic("bool"))
                }
                (_, Some(_)) => Value::of(self.value(&operation.x).ty),
                _ => Value::of(self.value(&operation.x).ty),
            },
            Expression::Index(index) => self.value_of_index(&index.left),
            Expression::Slice(slice) => Value::of(self.value(&slice.left).ty),
            Expression::CompositeLit(literal) => Value::fresh(Ty::Written(&literal.typ)),
            Expression::TypeAssert(assertion) => match &assertion.right {
                Some(ty) => Value::of(Ty::Written(ty)),
                None => Value::unknown(),
            },
            Expression::BasicLit(literal) => Value::of(Ty::Basic(match literal.kind {
                LitKind::String => "string",
                LitKind::Float => "float64",
                LitKind::Char => "rune",
                _ => "int",
            })),
            Expression::Call(call) => self.value_of_call(call),
            _ => Value::unknown(),
        }
    }

    fn value_of_name(&self, name: &'a str) -> Value<'a> {
        if let Some((_, variable)) = self.variable(name) {
            return Value {
                ty: variable.ty.clone(),
                place: variable.place.clone(),
                is_fresh: variable.is_fresh,
                is_inner: variable.is_inner,
            };
        }
        match self.package.variables.get(name) {
            Some(variable) => {
                let ty = match (variable.ty, variable.value) {
                    (Some(ty), _) => Ty::Written(ty),
                    (None, Some(value)) => self.declared_type(value),
                    (None, None) => Ty::Unknown,
                };
                Value { place: Some(Place::new(Root::Global(name))), ..Value::of(ty) }
            }
            None => Value::unknown(),
        }
    }

    /// Returns the type of the value of a variable of the package. Only what needs no other variable is
    /// looked at, so that variables that refer to each other come to an end.
    fn declared_type(&self, value: &'a Expression) -> Ty<'a> {
        match value {
            Expression::CompositeLit(literal) => Ty::Written(&literal.typ),
            Expression::Operation(operation)
                if operation.op == Operator::And && operation.y.is_none() =>
            {
                Ty::pointer_to(self.declared_type(&operation.x))
            }
            Expression::Paren(inner) => self.declared_type(&inner.expr),
            Expression::Call(call) => self.value_of_call(call).ty,
            Expression::BasicLit(_) => self.value(value).ty,
            _ => Ty::Unknown,
        }
    }

    /// Whether a name stands for a package, and which.
    pub(super) fn package_path(&self, expression: &Expression) -> Option<&'a str> {
        match expression {
            Expression::Ident(ident) if self.variable(&ident.name).is_none() => {
                self.package.import(self.file, &ident.name)
            }
            _ => None,
        }
    }

    fn value_of_field(&self, base: &'a Expression, name: &'a str) -> Value<'a> {
        if self.package_path(base).is_some() {
            return Value::unknown();
        }
        let base = self.value(base);
        if let Some(owner) = named(&base.ty)
            && let Some(found) = self.package.field(owner, name)
        {
            let place = Some(Place::new(Root::Type(found.owner)).field(name));
            return Value { place, is_fresh: base.is_fresh, ..Value::of(found.ty) };
        }
        let Some(structure) = self.package.structure(&base.ty) else { return Value::unknown() };
        match field_of(structure, name) {
            // A structure without a name: its fields belong to what holds it.
            Some(ty) => {
                let place = base.place.map(|place| place.field(name));
                Value { place, is_fresh: base.is_fresh, ..Value::of(ty) }
            }
            None => Value::unknown(),
        }
    }

    /// An element of a list, or what a map holds. A map in a map counts as the outer one.
    fn value_of_index(&self, left: &'a Expression) -> Value<'a> {
        let base = self.value(left);
        let shape = match self.package.underlying(&base.ty) {
            Shape::Pointer(to) => self.package.underlying(&to),
            other => other,
        };
        match shape {
            Shape::Map(_, elem) => {
                let place = match self.package.map_kind(&elem) {
                    Some(_) => base.place,
                    None => None,
                };
                let is_inner = place.is_some();
                Value { ty: elem, place, is_fresh: base.is_fresh, is_inner }
            }
            Shape::List(elem) => Value { is_fresh: base.is_fresh, ..Value::of(elem) },
            Shape::Name("string") => Value::of(Ty::Basic("uint8")),
            // An instance of a generic type or function.
            _ => Value::of(base.ty),
        }
    }

    fn value_of_call(&self, call: &'a Call) -> Value<'a> {
        match call.func.as_ref() {
            Expression::Ident(ident) if self.variable(&ident.name).is_none() => {
                match (ident.name.as_str(), call.args.first()) {
                    ("make", Some(ty)) => return Value::fresh(Ty::Written(ty)),
                    ("new", Some(ty)) => return Value::fresh(Ty::pointer_to(Ty::Written(ty))),
                    ("append", Some(list)) => return Value::of(self.value(list).ty),
                    ("len" | "cap" | "copy", _) => return Value::of(Ty::Basic("int")),
                    (name, _) => {
                        if let Some(number) = self.package.function(name) {
                            return self.result_of(number);
                        }
                        let is_type = self.package.types.contains_key(name)
                            || matches!(self.package.underlying(&Ty::Name(name)), Shape::Name(_));
                        // A conversion.
                        if is_type && call.args.len() == 1 {
                            let inner = call.args.first().map(|inner| self.value(inner));
                            let is_fresh = inner.is_some_and(|inner| inner.is_fresh);
                            return Value { is_fresh, ..Value::of(Ty::Name(name)) };
                        }
                    }
                }
                Value::unknown()
            }
            Expression::Selector(selector) => {
                if let Some(path) = self.package_path(&selector.x) {
                    return Value::of(foreign_result(path, &selector.sel.name));
                }
                match self.method_of(&selector.x, &selector.sel.name) {
                    Some(number) => self.result_of(number),
                    None => Value::unknown(),
                }
            }
            Expression::Paren(inner) => match inner.expr.as_ref() {
                // A conversion to a pointer.
                Expression::Star(_) => Value::of(Ty::Written(&inner.expr)),
                _ => Value::unknown(),
            },
            ty @ (Expression::TypeMap(_)
            | Expression::TypeSlice(_)
            | Expression::TypePointer(_)) => Value::of(Ty::Written(ty)),
            Expression::Index(index) => match index.left.as_ref() {
                Expression::Ident(ident) => match self.package.function(&ident.name) {
                    Some(number) => self.result_of(number),
                    None => Value::unknown(),
                },
                _ => Value::unknown(),
            },
            Expression::FuncLit(function) => Value::of(results(&function.typ)),
            _ => Value::unknown(),
        }
    }

    /// Finds the method of this package that a call means.
    pub(super) fn method_of(&self, base: &'a Expression, name: &str) -> Option<usize> {
        let base = self.value(base);
        self.package.method(named(&base.ty)?, name)
    }

    fn result_of(&self, number: usize) -> Value<'a> {
        let Some(function) = self.package.functions.get(number) else { return Value::unknown() };
        let ty = results(&function.decl.typ);
        let name = function.name();
        let is_fresh = name.starts_with("new") || name.starts_with("New");
        Value { is_fresh, ..Value::of(ty) }
    }
}

fn results(ty: &FuncType) -> Ty<'_> {
    match ty.result.list.as_slice() {
        [] => Ty::Unknown,
        [only] if only.name.len() <= 1 => Ty::Written(&only.typ),
        _ => Ty::Results(ty),
    }
}

/// Returns the type of one of several results.
pub(super) fn result<'a>(ty: &Ty<'a>, number: usize) -> Ty<'a> {
    let Ty::Results(function) = ty else {
        return if number == 0 { ty.clone() } else { Ty::Unknown };
    };
    let mut at = 0;
    for field in &function.result.list {
        at += field.name.len().max(1);
        if number < at {
            return Ty::Written(&field.typ);
        }
    }
    Ty::Unknown
}

/// Types of calls into the standard library that keys are made with.
fn foreign_result<'a>(path: &str, name: &str) -> Ty<'a> {
    match (path, name) {
        ("fmt", "Sprint" | "Sprintf" | "Sprintln")
        | ("strings", _)
        | ("strconv", "Itoa" | "Quote" | "FormatInt" | "FormatUint")
        | ("path" | "path/filepath", "Join" | "Clean" | "Base" | "Dir" | "Ext") => {
            Ty::Basic("string")
        }
        ("math", _) => Ty::Basic("float64"),
        ("strconv", "ParseFloat") => Ty::Basic("float64"),
        _ => Ty::Unknown,
    }
}
