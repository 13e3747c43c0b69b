//! Why an operation on a shared map failed, and whether it may have been done all the same.

use std::time::Duration;

use tophash_safemap::{Failure, StoreError};

/// The first words of what a server says that may take the same call later.
const PASSING: [&str; 8] =
    ["LOADING", "BUSY", "TRYAGAIN", "MASTERDOWN", "CLUSTERDOWN", "OOM", "MISCONF", "NOREPLICAS"];

/// Why an operation failed.
///
/// ```
/// use tophash_safemap::Schema;
/// use tophash_safemap_redis::{Error, SharedMap};
///
/// // Nobody listens at the port that stands for none.
/// let refused = SharedMap::connect("redis://127.0.0.1:0/flags", Schema::open()).unwrap_err();
/// assert!(matches!(refused, Error::Unreachable { .. }));
/// assert!(!refused.is_unknown());
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refused, for a reason that a map in memory has as well. Nothing was done.
    #[error(transparent)]
    Map(#[from] tophash_safemap::Error),
    /// A URL that names no shared map.
    #[error("this URL can't be used: {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No connection could be made. Nothing was done.
    #[error("{server} can't be reached: {reason}")]
    Unreachable {
        /// Host and port.
        server: String,
        /// What the system said.
        reason: String,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer within {after:?}{}", maybe(*is_unknown))]
    TimedOut {
        /// Host and port.
        server: String,
        /// How long was waited.
        after: Duration,
        /// Whether a write had been sent, which may have been done.
        is_unknown: bool,
    },
    /// The connection broke before the answer came.
    #[error("the connection to {server} broke: {reason}{}", maybe(*is_unknown))]
    Broken {
        /// Host and port.
        server: String,
        /// What the system said.
        reason: String,
        /// Whether a write had been sent, which may have been done.
        is_unknown: bool,
    },
    /// The server is not the one to write to: a replica, or another part of a cluster, which is not
    /// followed. Nothing was done.
    #[error("{server} does not take this write: {message}")]
    Moved {
        /// Host and port.
        server: String,
        /// What it said.
        message: String,
    },
    /// Another process uses the namespace with another schema. Nothing was done.
    #[error("namespace {namespace:?} has another schema{}", difference.as_ref().map(|difference| format!(": {difference}")).unwrap_or_default())]
    OtherSchema {
        /// The namespace.
        namespace: String,
        /// The first rule that differs, when it is known.
        difference: Option<String>,
    },
    /// The server no longer knows the namespace: it was emptied, or came back without its data. Nothing
    /// was done; [`SharedMap::reclaim`](crate::SharedMap::reclaim) begins anew.
    #[error("the server no longer knows namespace {namespace:?}: its content is lost")]
    Forgotten {
        /// The namespace.
        namespace: String,
    },
    /// What lies in the namespace was not written by a shared map.
    #[error("namespace {namespace:?} holds what no shared map writes: {reason}")]
    Damaged {
        /// The namespace.
        namespace: String,
        /// What is wrong.
        reason: String,
    },
    /// One write of more entries than the server should be held up by. Nothing was done.
    #[error("{entries} entries are more than the {most} that one write may have")]
    TooMany {
        /// How many came.
        entries: usize,
        /// How many there may be.
        most: usize,
    },
    /// The server refused, for a reason of its own: memory, disk, rights, or that it starts or is busy.
    #[error("{server} refused: {message}")]
    Server {
        /// Host and port.
        server: String,
        /// The first word of what it said, such as `OOM`.
        code: String,
        /// What it said.
        message: String,
    },
    /// The system has no thread to give.
    #[error("no thread can be started: {reason}")]
    Thread {
        /// What the system said.
        reason: String,
    },
}

impl StoreError for Error {
    fn failure(&self) -> Failure<'_> {
        match self {
            Self::Map(refusal) => Failure::Refused(refusal),
            fault => Failure::Faulty(fault.to_string()),
        }
    }
}

impl Error {
    /// Whether a write may have been done: it was sent, and no answer came. All other errors mean that
    /// nothing was done.
    pub fn is_unknown(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { is_unknown: true, .. } | Self::Broken { is_unknown: true, .. }
        )
    }

    /// Whether the same call may succeed later with nothing changed by the caller: the server or the way
    /// to it is at fault. A server without memory (`OOM`), disk (`MISCONF`) or replicas (`NOREPLICAS`)
    /// is, too, though somebody may have to help it.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. } => true,
            Self::Server { code, .. } => PASSING.contains(&code.as_str()),
            _ => false,
        }
    }

    pub(crate) fn is_stale(&self) -> bool {
        matches!(self, Self::Map(tophash_safemap::Error::Stale))
    }
}

fn maybe(is_unknown: bool) -> &'static str {
    if is_unknown { "; the write may have been done" } else { "" }
}
