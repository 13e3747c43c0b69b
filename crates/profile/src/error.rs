//! Why a profile could not be read, joined or asked.

use std::io;

/// Why bytes are no profile, or profiles can't be worked with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// The bytes could not be read.
    #[error("it can't be read")]
    Unreadable(#[source] io::Error),
    /// The gzip stream is damaged or cut off.
    #[error("its gzip stream is damaged or cut off: fetch it again")]
    Compression(#[source] io::Error),
    /// It expands to more than is read.
    #[error("it expands to more than {}", crate::units::label(*limit as i64, "bytes", "auto"))]
    TooLarge {
        /// The bound, in bytes.
        limit: u64,
    },
    /// It expands as only a file does that is made for that.
    #[error("it expands more than {ratio} times, as no profile does")]
    Bomb {
        /// The bound.
        ratio: u64,
    },
    /// What it holds would take far more memory than the file is long, as only one does that is
    /// made for that.
    #[error("what it holds takes more than {ratio} times its size in memory, as no profile does")]
    Hollow {
        /// The bound.
        ratio: u64,
    },
    /// What it holds would take more memory than allowed.
    #[error(
        "what it holds would take more than {} of memory",
        crate::units::label(*limit as i64, "bytes", "auto")
    )]
    TooMuchMemory {
        /// The bound, in bytes.
        limit: u64,
    },
    /// One entry is larger than any is.
    #[error("one of its entries has {len} bytes (offset {offset})")]
    LongEntry {
        /// Where, after expanding.
        offset: u64,
        /// What the entry says.
        len: u64,
    },
    /// The bytes are no protocol buffer.
    #[error(
        "not a pprof profile (offset {offset}): tophash reads what /debug/pprof/heap and \
         runtime/pprof write, without debug=1"
    )]
    NotAProfile {
        /// Where, after expanding.
        offset: u64,
        /// What is wrong there.
        #[source]
        source: WireError,
    },
    /// The last field is not all there.
    #[error("it is cut off: fetch it again")]
    CutOff,
    /// The first string is not the empty one.
    #[error("its string table does not start with the empty string")]
    FirstString,
    /// Two columns of values that can't be told apart.
    #[error("two of its types of values are called {name}")]
    TwoColumns {
        /// Their name.
        name: String,
    },
    /// Two profiles, one behind the other.
    #[error("two profiles follow each other in it: split them")]
    Concatenated,
    /// Something refers to an entry that is not there.
    #[error("{what} {number} is not in the profile: it is damaged or cut off")]
    Dangling {
        /// What is referred to.
        what: &'static str,
        /// Its number or id.
        number: u64,
    },
    /// Two entries have one id, or one has the id that means none.
    #[error("{what} {id} is there more than once, or has the id that means none")]
    BadId {
        /// Of what kind.
        what: &'static str,
        /// The id.
        id: u64,
    },
    /// A sample has more or fewer values than there are types of them.
    #[error("a sample has {found} values where the profile has {expected} types")]
    ValueCount {
        /// Values of the sample.
        found: usize,
        /// Sample types of the profile.
        expected: usize,
    },
    /// Values are so large that their sum is not a number of 64 bits.
    #[error("the values of {sample_type} add up to more than 2^63: the profile is damaged")]
    Overflow {
        /// Of which values.
        sample_type: String,
    },
    /// More of something than is counted.
    #[error("more than four billion {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// Profiles of different things.
    #[error("the profiles are of different things: one has {first}; the other {second}")]
    Incompatible {
        /// What one is of.
        first: String,
        /// What the other is of.
        second: String,
    },
    /// It has no values of this type.
    #[error("no {wanted} in it; it has {known}")]
    NoSampleType {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// An expression that is none, of the profile or of whom asks.
    #[error("{option}: not a regular expression")]
    Expression {
        /// Where it comes from.
        option: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// No function has such a name.
    #[error("no function in it matches {expression}")]
    NoMatch {
        /// What was asked for.
        expression: String,
    },
}

/// What is wrong with the encoding of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A number that does not end.
    #[error("a number of more than ten bytes, or cut off")]
    BadNumber,
    /// A field that is longer than what holds it.
    #[error("a field reaches beyond the message")]
    BeyondEnd,
    /// A kind of field that does not exist.
    #[error("wire type {0}")]
    UnknownType(u8),
    /// A field of another kind than it is to be.
    #[error("field {field} is not of its type")]
    TypeMismatch {
        /// Its number.
        field: u64,
    },
}
