//! Reads what the Go compiler says of values that go to the heap, and says why in a person's terms.
mod callee;
mod explain;
mod hints;
mod line;
mod position;
mod read;
mod reason;
mod report;
mod site;

pub use explain::{Context, NoContext};
pub use position::Position;
pub use read::read;
pub use reason::Reason;
pub use report::{Counts, FunctionAt, PackageReport, Report, Tally};
pub use site::{Flow, MapRole, Site, SiteKind, Step};
