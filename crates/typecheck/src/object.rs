//! What names stand for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::constant::Value;
use crate::types::TypeId;

/// An object, by its index in the universe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub(crate) u32);

/// A package, by its index in the universe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageId(pub(crate) u32);

impl PackageId {
    /// The package of what is predeclared.
    pub const UNIVERSE: Self = Self(0);
    /// `unsafe`.
    pub const UNSAFE: Self = Self(1);
}

/// A function of the package that is checked: a declaration or a literal, by its index in `Checked::functions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub(crate) u32);

impl FunctionId {
    /// Its index in [`Checked::functions`](crate::Checked::functions).
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place in the source of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, by its index in the package.
    pub file: u32,
    /// The character at which it begins, as the syntax tree counts.
    pub at: usize,
}

/// What a name stands for.
#[derive(Debug)]
pub struct Object {
    /// Its name.
    pub name: Rc<str>,
    /// The package that declares it.
    pub package: PackageId,
    /// Where; none for what is predeclared.
    pub place: Option<Place>,
    /// What it is.
    pub kind: ObjectKind,
    /// Its type; ask [`Universe::type_of`](crate::Universe::type_of), which resolves it.
    pub(crate) typ: Cell<TypeId>,
    /// The value of a constant.
    pub(crate) value: RefCell<Option<Value>>,
    pub(crate) state: Cell<State>,
    pub(crate) declared: Option<Declared>,
    /// For a generic type its parameters; for a method those of its receiver.
    pub(crate) type_params: RefCell<Rc<[TypeId]>>,
    /// For a defined type, what follows its name; for a type parameter its constraint.
    pub(crate) definition: Cell<TypeId>,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ObjectKind {
    /// A variable.
    Var {
        /// Of what sort.
        role: VarRole,
        /// The function that declares it; none for variables of the package.
        function: Option<FunctionId>,
    },
    /// A constant.
    Const,
    /// A type's name, of a type parameter too.
    TypeName {
        /// Whether it is another name of a type.
        is_alias: bool,
    },
    /// A function or method.
    Func {
        /// Whether it has a receiver.
        is_method: bool,
    },
    /// An imported package.
    Package(Option<PackageId>),
    /// A function that the language has.
    Builtin(Builtin),
    /// `nil`.
    Nil,
}

/// Sorts of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarRole {
    /// Of the package.
    Package,
    /// Declared in a function's body.
    Local,
    /// A parameter.
    Param,
    /// A named result.
    Result,
    /// A receiver.
    Receiver,
}

/// Functions that the language has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named as Go names it")]
#[non_exhaustive]
pub enum Builtin {
    Append,
    Cap,
    Clear,
    Close,
    Complex,
    Copy,
    Delete,
    Imag,
    Len,
    Make,
    Max,
    Min,
    New,
    Panic,
    Print,
    Println,
    Real,
    Recover,
    UnsafeAdd,
    UnsafeAlignof,
    UnsafeOffsetof,
    UnsafeSizeof,
    UnsafeSlice,
    UnsafeSliceData,
    UnsafeString,
    UnsafeStringData,
}

/// How far an object is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Busy,
    Done,
}

/// Where in its package an object is declared, for what is resolved when it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Declared {
    /// The file's index.
    pub(crate) file: u32,
    /// The declaration's index in the file.
    pub(crate) declaration: u32,
    /// Within it, the specification.
    pub(crate) spec: u32,
    /// Within that, the name.
    pub(crate) name: u32,
}
