//! The syntax of types, as it was written.

use std::sync::Arc;

/// A type expression and where it starts, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TypeSyntax {
    pub(super) at: usize,
    pub(super) kind: TypeKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TypeKind {
    /// A name, with the package as it was written and type arguments.
    Name {
        package: Option<String>,
        name: String,
        arguments: Vec<TypeSyntax>,
    },
    Pointer(Box<TypeSyntax>),
    Slice(Box<TypeSyntax>),
    Array(Box<Constant>, Box<TypeSyntax>),
    Map(Box<TypeSyntax>, Box<TypeSyntax>),
    Chan(Direction, Box<TypeSyntax>),
    Func(Signature),
    Struct(Vec<FieldSyntax>),
    Interface {
        methods: Vec<(String, Signature)>,
        embedded: Vec<TypeSyntax>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Both,
    Receive,
    Send,
}

/// Parameters and results of a function.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Signature {
    pub(super) parameters: Vec<Arc<TypeSyntax>>,
    pub(super) is_variadic: bool,
    pub(super) results: Vec<Arc<TypeSyntax>>,
}

/// A field, or several of one type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldSyntax {
    /// None for an embedded one.
    pub(super) names: Vec<String>,
    pub(super) ty: TypeSyntax,
    /// The tag, unquoted.
    pub(super) tag: Option<String>,
}

/// A constant expression and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    pub(super) at: usize,
    pub(super) kind: ConstantKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ConstantKind {
    Number(i128),
    Name { package: Option<String>, name: String },
    Unary(u8, Arc<Constant>),
    Binary(Operator, Arc<Constant>, Arc<Constant>),
}

/// Operators on integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Multiply,
    Divide,
    Remainder,
    ShiftLeft,
    ShiftRight,
    And,
    AndNot,
    Add,
    Subtract,
    Or,
    Xor,
}

impl Operator {
    /// All of them as they are written, the longest first, with how strongly they bind.
    pub(super) const ALL: [(&'static str, Self, u8); 11] = [
        ("<<", Self::ShiftLeft, 5),
        (">>", Self::ShiftRight, 5),
        ("&^", Self::AndNot, 5),
        ("*", Self::Multiply, 5),
        ("/", Self::Divide, 5),
        ("%", Self::Remainder, 5),
        ("&", Self::And, 5),
        ("+", Self::Add, 4),
        ("-", Self::Subtract, 4),
        ("|", Self::Or, 4),
        ("^", Self::Xor, 4),
    ];

    /// Computes; `None` where there is no value, or none of reasonable size.
    pub(super) fn apply(self, left: i128, right: i128) -> Option<i128> {
        match self {
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
            Self::Remainder => left.checked_rem(right),
            Self::ShiftLeft => {
                let by = u32::try_from(right).ok().filter(|by| *by < 100)?;
                left.checked_mul(1_i128.checked_shl(by)?)
            }
            Self::ShiftRight => left.checked_shr(u32::try_from(right).ok()?.min(127)),
            Self::And => Some(left & right),
            Self::AndNot => Some(left & !right),
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Or => Some(left | right),
            Self::Xor => Some(left ^ right),
        }
    }
}
