//! Why a profile could not be read.

use std::io;

/// Why bytes are no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The gzip stream is damaged or cut off.
    #[error("its gzip stream is damaged or cut off: fetch it again")]
    Compression(#[source] io::Error),
    /// It expands to more than is read.
    #[error("it expands to more than {limit_mib} MiB")]
    TooLarge {
        /// The bound.
        limit_mib: usize,
    },
    /// The bytes are no protocol buffer.
    #[error(
        "not a pprof profile (offset {offset}): tophash reads what /debug/pprof/heap and \
         runtime/pprof write, without debug=1"
    )]
    NotAProfile {
        /// Where, after expanding.
        offset: usize,
        /// What is wrong there.
        #[source]
        source: prost::DecodeError,
    },
    /// The last field is not all there.
    #[error("it is cut off: fetch it again")]
    CutOff,
    /// Something refers to an entry that is not there.
    #[error("{what} {number} is not in the profile: it is damaged or cut off")]
    Dangling {
        /// What is referred to.
        what: &'static str,
        /// Its number or id.
        number: u64,
    },
    /// A sample has more or fewer values than there are types of them.
    #[error("a sample has {found} values where the profile has {expected} types")]
    ValueCount {
        /// Values of the sample.
        found: usize,
        /// Sample types of the profile.
        expected: usize,
    },
    /// More of something than is counted.
    #[error("more than four billion {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
}
