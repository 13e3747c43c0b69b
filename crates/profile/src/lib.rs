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
//! The caller supplies the bytes. Nothing is fetched, merged or drawn here, and nothing is known of
//! heaps or maps.

mod error;
mod messages;
mod profile;
mod read;
mod write;

pub use error::ProfileError;
pub use profile::{Frame, Profile, Sample, SampleType};
pub use write::{ProfileBuilder, SampleFrame, SampleLabel};
