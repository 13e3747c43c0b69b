//! Types, as an arena of small values.
//!
//! Equal types have equal ids, but for one thing: signatures keep the names of their parameters, so that two
//! identical signatures, and what contains them, may have two ids. [`Universe::identical`] decides then.
//! `TypeId::UNKNOWN` is a type like any other, and spreads to what is made of it.
//!
//! [`Universe::identical`]: crate::Universe::identical

use std::rc::Rc;

use crate::object::{ObjectId, PackageId};

/// A type, by its index in the universe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) u32);

impl TypeId {
    /// The type of what could not be resolved.
    pub const UNKNOWN: Self = Self(0);

    /// Whether the type could not be resolved.
    pub fn is_unknown(self) -> bool {
        self == Self::UNKNOWN
    }
}

/// A type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// It could not be resolved.
    Unknown,
    /// A predeclared type, or the type of a constant without one.
    Basic(Basic),
    /// A defined type, with arguments for its type parameters where it has any.
    Named {
        /// Its declaration.
        object: ObjectId,
        /// Its type arguments. Empty for a generic type that is not instantiated.
        args: Rc<[TypeId]>,
    },
    /// `*T`.
    Pointer(TypeId),
    /// `[]T`.
    Slice(TypeId),
    /// `[N]T`.
    Array {
        /// How many elements; none if unknown.
        length: Option<u64>,
        /// Their type.
        elem: TypeId,
    },
    /// `map[K]V`.
    Map {
        /// The type of its keys.
        key: TypeId,
        /// The type of its elements.
        elem: TypeId,
    },
    /// `chan T`.
    Chan {
        /// What it is for.
        direction: Direction,
        /// What is sent.
        elem: TypeId,
    },
    /// A signature.
    Func(Signature),
    /// A struct.
    Struct(Rc<[Field]>),
    /// An interface, or a constraint.
    Interface(Interface),
    /// Several values, or none.
    Tuple(Rc<[TypeId]>),
    /// A type parameter, by its declaration.
    TypeParam(ObjectId),
}

/// Predeclared types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named as Go names it")]
pub enum Basic {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    String,
    UnsafePointer,
    UntypedBool,
    UntypedInt,
    UntypedRune,
    UntypedFloat,
    UntypedComplex,
    UntypedString,
    UntypedNil,
}

impl Basic {
    /// All of them, in order: the first types of every universe.
    pub(crate) const ALL: [Self; 25] = [
        Self::Bool,
        Self::Int,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Uintptr,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
        Self::String,
        Self::UnsafePointer,
        Self::UntypedBool,
        Self::UntypedInt,
        Self::UntypedRune,
        Self::UntypedFloat,
        Self::UntypedComplex,
        Self::UntypedString,
        Self::UntypedNil,
    ];

    /// Its id, the same in every universe.
    pub const fn id(self) -> TypeId {
        TypeId(self as u32 + 1)
    }

    /// How Go spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint => "uint",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Uintptr => "uintptr",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::String => "string",
            Self::UnsafePointer => "unsafe.Pointer",
            Self::UntypedBool => "untyped bool",
            Self::UntypedInt => "untyped int",
            Self::UntypedRune => "untyped rune",
            Self::UntypedFloat => "untyped float",
            Self::UntypedComplex => "untyped complex",
            Self::UntypedString => "untyped string",
            Self::UntypedNil => "untyped nil",
        }
    }

    /// Whether it is the type of a constant, or of `nil`, that has none yet.
    pub fn is_untyped(self) -> bool {
        self >= Self::UntypedBool
    }

    /// Whether its values are integers.
    pub fn is_integer(self) -> bool {
        (self >= Self::Int && self <= Self::Uintptr)
            || matches!(self, Self::UntypedInt | Self::UntypedRune)
    }

    /// Whether its values are integers that are never negative.
    pub fn is_unsigned(self) -> bool {
        self >= Self::Uint && self <= Self::Uintptr
    }

    /// Whether its values are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64 | Self::UntypedFloat)
    }

    /// Whether its values are complex numbers.
    pub fn is_complex(self) -> bool {
        matches!(self, Self::Complex64 | Self::Complex128 | Self::UntypedComplex)
    }

    /// Whether its values are numbers.
    pub fn is_numeric(self) -> bool {
        self.is_integer() || self.is_float() || self.is_complex()
    }

    /// Whether its values are strings.
    pub fn is_string(self) -> bool {
        matches!(self, Self::String | Self::UntypedString)
    }

    /// Whether its values are truth values.
    pub fn is_boolean(self) -> bool {
        matches!(self, Self::Bool | Self::UntypedBool)
    }

    /// The type that a value takes where nothing asks for another.
    pub fn default_type(self) -> Self {
        match self {
            Self::UntypedBool => Self::Bool,
            Self::UntypedInt => Self::Int,
            Self::UntypedRune => Self::Int32,
            Self::UntypedFloat => Self::Float64,
            Self::UntypedComplex => Self::Complex128,
            Self::UntypedString => Self::String,
            other => other,
        }
    }
}

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// `chan T`.
    Both,
    /// `chan<- T`.
    Send,
    /// `<-chan T`.
    Receive,
}

/// What a function takes and returns. Type parameters of a generic function are listed until it is
/// instantiated.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Signature {
    /// Type parameters, as types.
    pub type_params: Rc<[TypeId]>,
    /// Parameters, without the receiver. The last of a variadic function is a slice.
    pub params: Rc<[Param]>,
    /// Results.
    pub results: Rc<[Param]>,
    /// Whether the last parameter takes any number of arguments.
    pub is_variadic: bool,
}

/// A parameter or result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Param {
    /// Its name: empty where it has none.
    pub name: Rc<str>,
    /// Its type.
    pub typ: TypeId,
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name: for an embedded one, that of its type.
    pub name: Rc<str>,
    /// The package that declares it: other packages see exported fields alone.
    pub package: PackageId,
    /// Its type.
    pub typ: TypeId,
    /// Whether it is embedded.
    pub is_embedded: bool,
    /// Its tag, as it is written: empty where there is none.
    pub tag: Rc<str>,
}

/// An interface as it is written. What it embeds is followed by `Universe::type_set`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Interface {
    /// Methods that it lists, by name.
    pub methods: Rc<[Method]>,
    /// Interfaces and unions of types that it embeds.
    pub embeds: Rc<[Union]>,
    /// The predeclared `comparable`.
    pub is_comparable: bool,
}

/// A method of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Method {
    /// Its name.
    pub name: Rc<str>,
    /// The package that declares it.
    pub package: PackageId,
    /// Its signature.
    pub signature: TypeId,
}

/// `~A | B`: terms of a constraint.
pub type Union = Rc<[Term]>;

/// One term of a union.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Term {
    /// `~T`: all types whose underlying type is `T`.
    pub is_approximate: bool,
    /// `T`.
    pub typ: TypeId,
}
