//! Go's escape analysis from source alone: what a package's values do, without a compiler.
//!
//! ```
//! use tophash_escape_engine::{GoVersion, NoTable, Options, analyze};
//! use tophash_typecheck::{NoImports, Source, Universe, check, parse_texts};
//!
//! let text = "package a\n\nfunc f() *int {\n\tx := 1\n\treturn &x\n}\n";
//! let universe = Universe::new(Box::new(NoImports));
//! let checked = check(&universe, Source::new("a", parse_texts([("a.go", text)]).files));
//! let options = Options {
//!     version: GoVersion::NEWEST,
//!     imports: &NoTable,
//!     mutations_and_calls: false,
//!     bodies: &NoImports,
//! };
//! let analysis = analyze(&universe, &checked, options);
//! assert_eq!(analysis.verdicts[0].text, "moved to heap: x");
//! ```
//!
//! One package is analysed at a time, with the rules of one Go release. What its imports do with their
//! arguments comes from the caller. It is assumed that the code compiles; what could not be resolved is
//! listed, and values that meet it are taken to go to the heap.

mod analyze;
mod bounds;
mod build;
mod components;
mod dead_locals;
mod devirtualize;
mod graph;
mod ir;
mod leaks;
mod lower;
mod print;
mod solve;
mod statics;
mod table;
mod types;
mod version;

pub use analyze::{Analysis, Options, Unresolved, Verdict, analyze};
pub use leaks::Leaks;
pub use table::{Table, TableError};
pub use version::{GoVersion, Imports, NoTable};
