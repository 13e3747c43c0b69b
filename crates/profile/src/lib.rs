//! Profiles as pprof writes them (`profile.proto`): read into columns, gzipped or not, and written.
//!
//! ```
//! use tophash_profile::Profile;
//!
//! // A profile of nothing: one string, the empty one, which the format asks for.
//! let profile = Profile::parse(&[0x32, 0x00])?;
//! assert_eq!(profile.samples().count(), 0);
//! assert!(Profile::parse(b"goroutine 1 [running]:").is_err());
//! # Ok::<(), tophash_profile::ProfileError>(())
//! ```
//!
//! A [`Joiner`] adds profiles up or takes one away from another, a [`Filter`] chooses samples and calls,
//! a [`Report`] adds them up by function, and the `write_…` functions spell, draw or convert.
//!
//! The caller supplies the bytes, and the text of source files. Nothing is fetched here, and nothing
//! is known of heaps or maps.

mod encode;
mod error;
mod filter;
mod graph;
mod join;
mod limits;
mod messages;
mod profile;
mod read;
mod stream;
mod strings;
mod tag_filter;
mod units;
mod views;
mod wire;
mod write;

pub use error::{ProfileError, WireError};
pub use filter::Filter;
pub use graph::{Call, Function, Order, Report, Shown, total};
pub use join::{Comparison, Joiner};
pub use limits::Limits;
pub use profile::{Frame, Profile, Sample, SampleType};
pub use tag_filter::TagFilter;
pub use views::{
    FlameGraph, FlameNode, SourceListing, write_dot, write_firefox, write_folded, write_html,
    write_list, write_speedscope, write_svg, write_top, write_tree,
};
pub use write::{ProfileBuilder, SampleFrame, SampleLabel};
