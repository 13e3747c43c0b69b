//! Reads what the Go compiler says of values that go to the heap, and says why in a person's terms.
//!
//! ```
//! use tophash_escape::{NoContext, Reason, read};
//!
//! let report = read(
//!     "# example.com/app\n\
//!      ./app.go:7:9: &T{...} escapes to heap:\n\
//!      ./app.go:7:9:   flow: ~r0 = &{storage for &T{...}}:\n\
//!      ./app.go:7:9:     from &T{...} (spill) at ./app.go:7:9\n\
//!      ./app.go:7:9:     from return &T{...} (return) at ./app.go:7:2\n\
//!      ./app.go:7:9: &T{...} escapes to heap\n",
//!     &NoContext,
//! );
//! let (package, site) = report.escaping().next().expect("one");
//! assert_eq!(package, "example.com/app");
//! assert_eq!(site.reason, Reason::Returned);
//! ```
//!
//! The text is that of `-gcflags=-m=2` of Go 1.19 and 1.21 to 1.27, which the caller gets; a
//! [`Context`] adds the sources and the names of packages. [`Charger`] adds what a profile charges to
//! lines, [`compare`] says what changed between two reports, [`advise`] what could be changed.
//!
//! This crate runs and opens nothing. Any text is read without a panic, in linear time and memory.

mod advice;
mod blocks;
mod callee;
mod charge;
mod compare;
mod explain;
mod hints;
mod line;
mod position;
mod programs;
mod read;
mod reason;
mod report;
mod site;
mod stack;
mod story;

pub use advice::{Advice, advise, advise_growth, advise_sized, is_apart_by_value};
pub use charge::{Charged, ChargedLine, Charger, Doubt, Growth, GrowthBy};
pub use compare::{Build, Change, ChangeKind, compare};
pub use explain::{Context, NoContext, PackagePlace};
pub use position::Position;
pub use programs::{Owner, Programs, folders_for};
pub use read::read;
pub use reason::Reason;
pub use report::{Counts, FunctionAt, PackageReport, Report, Tally, tally};
pub use site::{Flow, MapRole, Site, SiteKind, Step};
pub use stack::{Frame, MapWork, Sum, base_name, import_path, outside_of_runtime, split_symbol};
pub use story::Told;
