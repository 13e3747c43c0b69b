//! Types of Go source, for code that compiles: what each expression, name, selection and call is.
//!
//! ```
//! use tophash_typecheck::{NoImports, Source, Universe, check, parse_texts};
//!
//! let text = "package a\n\nfunc f(m map[string][]int) int { return len(m[\"x\"]) }\n";
//! let universe = Universe::new(Box::new(NoImports));
//! let parsed = parse_texts([("a.go", text)]);
//! let checked = check(&universe, Source::new("a", parsed.files));
//! assert_eq!(universe.spell(checked.functions()[0].signature), "func(map[string][]int) int");
//! ```
//!
//! It trusts: what does not compile gets some type or none, and is never reported. What could not be resolved,
//! because a package is not to be had or a rule is not known here, is `TypeId::UNKNOWN`, and nothing is
//! guessed. The caller says where other packages are to be found; only their declarations are read.
//!
//! Trees may be deep: see [`on_deep_stack`].

mod assignable;
mod bodies;
mod build_context;
mod builtin;
mod call;
mod check;
mod checker;
mod constant;
mod deep_stack;
mod expr;
mod folder;
mod function;
mod go_mod;
mod identical;
mod importer;
mod infer;
mod info;
mod literal;
mod lookup;
mod nesting;
mod object;
mod operand;
mod outer_literals;
mod package;
mod parse;
mod query;
mod resolve;
mod selector;
mod sizes;
mod spell;
mod stmt;
mod type_expr;
mod type_set;
mod types;
mod underlying;
mod universe;

pub use build_context::BuildContext;
pub use check::{Source, check};
pub use constant::Value;
pub use deep_stack::on_deep_stack;
// The syntax tree, which is the parser's own.
pub use gosyn::{ast, token};

pub use folder::{Parsed, Texts, parse_folder, parse_texts};
pub use go_mod::{GoMod, Replacement};
pub use importer::{Folders, Imported, Importer, NoImports};
pub use info::{
    Adjust, CallInfo, CallKind, Checked, ExprInfo, Function, Mode, Selection, SelectionKind, Step,
};
pub use lookup::{Found, FoundKind};
pub use object::{Builtin, FunctionId, Object, ObjectId, ObjectKind, PackageId, Place, VarRole};
pub use parse::{MAX_BYTES, MAX_DEPTH, PassedOver, Reason, SourceFile, parse, read};
pub use type_set::TypeSet;
pub use types::{
    Basic, Direction, Field, Interface, Method, Param, Signature, Term, Type, TypeId, Union,
};
pub use universe::Universe;
