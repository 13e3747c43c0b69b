//! What can be wrong with a target as a whole. Damage in single objects never ends an analysis;
//! it becomes a diagnostic of the walk that met it.

use tophash_memory::{Address, ReadError};

use crate::version::GoVersion;

/// Why a target could not be opened as a Go program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No Go build information: not a Go program, or one that was packed or obfuscated.
    #[error(
        "{executable} holds no Go build information: it is not a Go program, or it was packed \
         (UPX) or obfuscated; tophash needs the executable that `go build` wrote"
    )]
    NotGo {
        /// The executable looked at.
        executable: String,
    },
    /// A Go version string that is not of a release.
    #[error(
        "the program was built by {found:?}, which is not a Go release tophash knows; build it \
         with a release from Go 1.19 on"
    )]
    UnknownVersion {
        /// The version as the executable spells it.
        found: String,
    },
    /// No layout table for this release.
    #[error(
        "no layout table for {version} on {arch}: tophash ships tables for {known}; make one with \
         `cargo xtask layouts --go {version}`"
    )]
    NoLayout {
        /// The program's Go version.
        version: GoVersion,
        /// The architecture, as `GOARCH` names it.
        arch: &'static str,
        /// The tables there are.
        known: String,
    },
    /// A layout table that lacks a field the reader needs.
    #[error("the layout table of {table} lacks {item}; make it anew with `cargo xtask layouts`")]
    IncompleteLayout {
        /// Which table.
        table: String,
        /// The struct and field.
        item: String,
    },
    /// Module data was not where every Go program has it.
    #[error(
        "the runtime's module data was not found ({candidates} function tables looked at): the \
         memory is damaged, or it does not belong to {executable}; name the very binary that ran \
         with --exe BIN"
    )]
    NoModuleData {
        /// The executable given.
        executable: String,
        /// How many function tables were seen in it.
        candidates: usize,
    },
    /// The executable is not the one that wrote the heap dump.
    #[error(
        "{executable} did not write the heap dump: {what}; name the very binary that ran with \
         --exe BIN"
    )]
    OtherHeapDump {
        /// The executable given.
        executable: String,
        /// What does not agree.
        what: String,
    },
    /// The heap's root structure was not found.
    #[error(
        "the runtime's heap structure was not found: the process is still starting (try again), or \
         its memory is damaged or cut off (take another core), or the executable is not the one \
         that ran, or it was built by a changed {version}"
    )]
    NoHeap {
        /// The program's Go version.
        version: GoVersion,
    },
    /// A structure that the whole analysis rests on could not be read.
    #[error("{what} could not be read at {at}")]
    Unreadable {
        /// The structure.
        what: &'static str,
        /// Where it should be.
        at: Address,
        /// Why the read failed.
        #[source]
        source: ReadError,
    },
}

impl Error {
    pub(crate) fn unreadable(what: &'static str, at: Address) -> impl FnOnce(ReadError) -> Self {
        move |source| Self::Unreadable { what, at, source }
    }
}
