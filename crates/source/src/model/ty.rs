//! Types, as references into the syntax tree.
//!
//! The resolver trusts that the code compiles, and says [`Shape::Unknown`] wherever it would have to look
//! into another package: a rule then has to do without.

use std::rc::Rc;

use tophash_typecheck::ast::{Expression, FuncType, StructType};

/// A type as it is written somewhere, or made of one that is.
#[derive(Debug, Clone)]
pub(crate) enum Ty<'a> {
    Unknown,
    Written(&'a Expression),
    Pointer(Rc<Ty<'a>>),
    /// A type of this package, or one that every package has.
    Name(&'a str),
    Basic(&'static str),
    /// What a call with several results yields.
    Results(&'a FuncType),
}

/// A type, one step of the way down.
#[derive(Debug, Clone)]
pub(crate) enum Shape<'a> {
    Unknown,
    /// Declared in this package, a type parameter, or one that every package has.
    Name(&'a str),
    Basic(&'static str),
    /// Declared in another package: its name there, and the type's.
    Foreign(&'a str, &'a str),
    Pointer(Ty<'a>),
    Map(Ty<'a>, Ty<'a>),
    /// A slice, an array, or what a variadic parameter is.
    List(Ty<'a>),
    Chan(Ty<'a>),
    Struct(&'a StructType),
    Func,
    Interface,
}

impl<'a> Ty<'a> {
    pub(crate) fn pointer_to(ty: Self) -> Self {
        Self::Pointer(Rc::new(ty))
    }

    pub(crate) fn shape(&self) -> Shape<'a> {
        match self {
            Self::Unknown | Self::Results(_) => Shape::Unknown,
            Self::Name(name) => Shape::Name(name),
            Self::Basic(name) => Shape::Basic(name),
            Self::Pointer(to) => Shape::Pointer(to.as_ref().clone()),
            Self::Written(expression) => shape_of(expression),
        }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

fn shape_of(expression: &Expression) -> Shape<'_> {
    match expression {
        Expression::Ident(ident) => Shape::Name(&ident.name),
        Expression::Selector(selector) => match selector.x.as_ref() {
            Expression::Ident(package) => Shape::Foreign(&package.name, &selector.sel.name),
            _ => Shape::Unknown,
        },
        Expression::Paren(inner) => shape_of(&inner.expr),
        // Type arguments are left out: what depends on them stays unknown.
        Expression::Index(index) => shape_of(&index.left),
        Expression::IndexList(index) => shape_of(&index.left),
        Expression::Star(star) => Shape::Pointer(Ty::Written(&star.right)),
        Expression::TypePointer(pointer) => Shape::Pointer(Ty::Written(&pointer.typ)),
        Expression::TypeMap(map) => Shape::Map(Ty::Written(&map.key), Ty::Written(&map.val)),
        Expression::TypeSlice(slice) => Shape::List(Ty::Written(&slice.typ)),
        Expression::TypeArray(array) => Shape::List(Ty::Written(&array.typ)),
        Expression::Ellipsis(variadic) => match &variadic.elt {
            Some(elem) => Shape::List(Ty::Written(elem)),
            None => Shape::Unknown,
        },
        Expression::TypeChannel(channel) => Shape::Chan(Ty::Written(&channel.typ)),
        Expression::TypeStruct(fields) => Shape::Struct(fields),
        Expression::TypeFunction(_) => Shape::Func,
        Expression::TypeInterface(_) => Shape::Interface,
        _ => Shape::Unknown,
    }
}
