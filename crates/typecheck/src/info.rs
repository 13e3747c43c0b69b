//! What was found out of one package: for each expression, name, selection and call.
//!
//! The syntax tree has no numbers for its nodes, so facts are kept by a node's address. The tree is never
//! changed or moved while its [`Checked`] lives, which owns it.

use std::rc::Rc;

use foldhash::HashMap;
use gosyn::ast;

use crate::constant::Value;
use crate::object::{Builtin, FunctionId, ObjectId, PackageId, Place};
use crate::parse::SourceFile;
use crate::types::TypeId;

/// What an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// A call of a function without results.
    NoValue,
    /// A type.
    Type,
    /// The name of a function that the language has.
    Builtin(Builtin),
    /// A constant.
    Constant,
    /// A value whose address can be taken.
    Variable,
    /// An element of a map: it can be assigned to, but has no address.
    MapElem,
    /// Any other value.
    Value,
    /// `nil`.
    Nil,
    /// It could not be told.
    Unknown,
}

/// What is known of an expression.
#[derive(Debug, Clone, PartialEq)]
pub struct ExprInfo {
    /// What it is.
    pub mode: Mode,
    /// Its type: constants without one have got that which their surroundings ask for.
    pub typ: TypeId,
    /// Its value, if it is a constant.
    pub value: Option<Value>,
    /// It stands where a second value says whether there was one: `v, ok := m[k]`.
    pub is_comma_ok: bool,
}

/// What `x.f` selects.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// A field or method.
    pub kind: SelectionKind,
    /// The type of `x`.
    pub receiver: TypeId,
    /// The embedded fields passed on the way, and the field itself if it is one.
    pub path: Vec<Step>,
    /// The type of the field, or the signature of the method.
    pub typ: TypeId,
}

/// One field on the way to a selected one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Whether what holds the field is a pointer, which is followed.
    pub through_pointer: bool,
    /// The field, by its index in the struct.
    pub field: u32,
    /// The field's type.
    pub typ: TypeId,
}

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionKind {
    /// A field.
    Field,
    /// A method of a value that is not an interface.
    Method {
        /// Its declaration.
        method: ObjectId,
        /// What happens to the value (after `path`) on its way to the receiver.
        adjust: Adjust,
        /// Whether the method's receiver is a pointer.
        pointer_receiver: bool,
    },
    /// A method of an interface (after `path`), or of a type parameter's constraint.
    InterfaceMethod,
    /// `T.f`: a method as a function whose first parameter is its receiver. None for interfaces.
    MethodExpr {
        /// Its declaration; none for a method of an interface.
        method: Option<ObjectId>,
    },
}

/// How a value becomes a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjust {
    /// As it is.
    None,
    /// Its address is taken.
    Address,
    /// It is a pointer, and is followed.
    Deref,
}

/// What a call does.
#[derive(Debug, Clone, PartialEq)]
pub struct CallInfo {
    /// What is called.
    pub kind: CallKind,
    /// The signature, instantiated; unknown for conversions and for what the language has.
    pub signature: TypeId,
    /// What it returns: nothing or several as a tuple.
    pub result: TypeId,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallKind {
    /// No call, but a conversion to this type.
    Conversion(TypeId),
    /// A function that the language has.
    Builtin(Builtin),
    /// A declared function.
    Function(ObjectId),
    /// A declared method: the call's function is a selector, whose selection has the rest.
    Method(ObjectId),
    /// A method of an interface or type parameter.
    InterfaceMethod,
    /// `T.f(x)`: a method as a function; its declaration, unless it is an interface's.
    MethodExpr(Option<ObjectId>),
    /// A function literal that is called where it stands.
    Literal(FunctionId),
    /// A value of a function type.
    Value,
    /// It could not be told.
    Unknown,
}

/// A function of the package: declared or a literal.
#[derive(Debug, Clone)]
pub struct Function {
    /// The function in which it stands, for a literal in one.
    pub parent: Option<FunctionId>,
    /// What declares it; none for literals.
    pub object: Option<ObjectId>,
    /// Its signature.
    pub signature: TypeId,
    /// Its receiver: none where it has none, or no name.
    pub receiver: Option<ObjectId>,
    /// For each parameter, its object: none where it has no name.
    pub params: Vec<Option<ObjectId>>,
    /// For each result, its object: none where it has no name.
    pub results: Vec<Option<ObjectId>>,
}

/// A package that was checked: its trees, and what is known of their nodes.
pub struct Checked {
    /// The package.
    pub package: PackageId,
    /// Its files.
    pub files: Vec<Rc<SourceFile>>,
    /// The Go release whose rules it is compiled by, as the module says: loop variables are new in each round
    /// from 1.22 on.
    pub go: (u32, u32),
    pub(crate) info: Info,
}

impl Checked {
    /// What is known of an expression.
    pub fn expr(&self, node: &ast::Expression) -> Option<&ExprInfo> {
        self.info.exprs.get(&key(node))
    }

    /// The type of an expression: unknown, if it is.
    pub fn type_of(&self, node: &ast::Expression) -> TypeId {
        self.expr(node).map_or(TypeId::UNKNOWN, |info| info.typ)
    }

    /// What a name stands for, where it is used; also the name behind a dot, if it names an object and not a
    /// field.
    pub fn use_of(&self, node: &ast::Ident) -> Option<ObjectId> {
        self.info.uses.get(&key(node)).copied()
    }

    /// What a name declares.
    pub fn definition(&self, node: &ast::Ident) -> Option<ObjectId> {
        self.info.definitions.get(&key(node)).copied()
    }

    /// What a name declares or stands for.
    pub fn object(&self, node: &ast::Ident) -> Option<ObjectId> {
        self.definition(node).or_else(|| self.use_of(node))
    }

    /// What is selected; none for a name of another package, of which [`Self::use_of`] tells.
    pub fn selection(&self, node: &ast::Selector) -> Option<&Selection> {
        self.info.selections.get(&key(node))
    }

    /// What a call does.
    pub fn call(&self, node: &ast::Call) -> Option<&CallInfo> {
        self.info.calls.get(&key(node))
    }

    /// The type of a composite literal's braces: also of those whose type is left out. It is a pointer where
    /// `&` is left out as well.
    pub fn literal(&self, node: &ast::LiteralValue) -> TypeId {
        self.info.literals.get(&key(node)).copied().unwrap_or(TypeId::UNKNOWN)
    }

    /// A function literal.
    pub fn function_literal(&self, node: &ast::FuncLit) -> Option<FunctionId> {
        self.info.function_literals.get(&key(node)).copied()
    }

    /// A declared function.
    pub fn function_declaration(&self, node: &ast::FuncDecl) -> Option<FunctionId> {
        self.info.function_declarations.get(&key(node)).copied()
    }

    /// All functions with bodies.
    pub fn functions(&self) -> &[Function] {
        &self.info.functions
    }

    /// One of them.
    ///
    /// # Panics
    ///
    /// If it is of another package.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.info.functions[id.index()]
    }

    /// The variable that `switch v := x.(type)` has in a clause.
    pub fn case_variable(&self, node: &ast::CaseClause) -> Option<ObjectId> {
        self.info.case_variables.get(&key(node)).copied()
    }

    /// Where nothing could be found out of an expression, in the order of the source.
    pub fn unresolved(&self) -> Vec<Place> {
        let is_open = |node: &usize| {
            self.info
                .exprs
                .get(node)
                .is_some_and(|info| info.typ.is_unknown() && !matches!(info.mode, Mode::Builtin(_)))
        };
        let open = self.info.unknown.iter().filter(|(node, _)| is_open(node));
        let mut places: Vec<Place> = open.map(|(_, place)| *place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The arguments for the type parameters of a generic function, where its name (that before the brackets,
    /// or behind the dot) is used.
    pub fn type_args(&self, node: &ast::Ident) -> Option<&[TypeId]> {
        self.info.type_args.get(&key(node)).map(|args| &**args)
    }
}

/// Facts by the addresses of nodes. Each kind of node has a map of its own, since a node and its first part may
/// have the same address.
#[derive(Default)]
pub(crate) struct Info {
    pub(crate) exprs: HashMap<usize, ExprInfo>,
    pub(crate) uses: HashMap<usize, ObjectId>,
    pub(crate) definitions: HashMap<usize, ObjectId>,
    pub(crate) selections: HashMap<usize, Selection>,
    pub(crate) calls: HashMap<usize, CallInfo>,
    pub(crate) literals: HashMap<usize, TypeId>,
    pub(crate) function_literals: HashMap<usize, FunctionId>,
    pub(crate) function_declarations: HashMap<usize, FunctionId>,
    pub(crate) functions: Vec<Function>,
    pub(crate) case_variables: HashMap<usize, ObjectId>,
    pub(crate) type_args: HashMap<usize, Rc<[TypeId]>>,
    /// Expressions of which nothing was known at first.
    pub(crate) unknown: Vec<(usize, Place)>,
}

/// The address of a node.
pub(crate) fn key<T>(node: &T) -> usize {
    std::ptr::from_ref(node).addr()
}
