//! What a rule found in source.

use std::fmt;

use serde::Serialize;

use crate::identity::MapIdentity;

/// The rules. Their names are stable: suppressions, baselines and exit codes are built on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// A map of the package takes entries and loses none.
    UnboundedGlobal,
    /// The same for a map in an object that lives long.
    UnboundedField,
    /// The same for a map that a handler captured.
    UnboundedCaptured,
    /// A lock for each key, and no end of keys.
    LockPerKey,
    /// `nil` is stored where an entry should be deleted.
    NilForDelete,
    /// Of two maps with the same keys, one is cleaned.
    HalfCleanedPair,
    /// An entry is deleted on some ways out of a function, and left on others.
    DeleteSkipped,
    /// A map is emptied to give memory back, which that does not do.
    DeleteToShrink,
    /// Keys that are equal to no other although they look it.
    PointerKey,
    /// Keys that can be NaN, which no delete finds.
    NanKey,
    /// `time.After` in a loop, before Go 1.23.
    TimeAfterInLoop,
    /// A map that grows in a goroutine that does not end.
    GoroutineMap,
}

impl Rule {
    /// All rules, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::UnboundedGlobal,
        Self::UnboundedField,
        Self::UnboundedCaptured,
        Self::LockPerKey,
        Self::NilForDelete,
        Self::HalfCleanedPair,
        Self::DeleteSkipped,
        Self::DeleteToShrink,
        Self::PointerKey,
        Self::NanKey,
        Self::TimeAfterInLoop,
        Self::GoroutineMap,
    ];

    /// Returns the rule's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnboundedGlobal => "unbounded-global",
            Self::UnboundedField => "unbounded-field",
            Self::UnboundedCaptured => "unbounded-captured",
            Self::LockPerKey => "lock-per-key",
            Self::NilForDelete => "nil-for-delete",
            Self::HalfCleanedPair => "half-cleaned-pair",
            Self::DeleteSkipped => "delete-skipped",
            Self::DeleteToShrink => "delete-to-shrink",
            Self::PointerKey => "pointer-key",
            Self::NanKey => "nan-key",
            Self::TimeAfterInLoop => "time-after-in-loop",
            Self::GoroutineMap => "goroutine-map",
        }
    }

    /// Finds a rule by its name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// Says in one line what the rule finds.
    pub fn summary(self) -> &'static str {
        match self {
            Self::UnboundedGlobal => "A package's map takes entries and never loses any.",
            Self::UnboundedField => {
                "A map in a long-lived object takes entries and never loses any."
            }
            Self::UnboundedCaptured => {
                "A map that a handler captured takes entries and never loses any."
            }
            Self::LockPerKey => "A map holds a lock for each key, and no lock is ever removed.",
            Self::NilForDelete => "nil is stored under a key in place of deleting the entry.",
            Self::HalfCleanedPair => "Two maps get the same keys, and only one of them is cleaned.",
            Self::DeleteSkipped => {
                "An entry is deleted on some ways out of a function and left on others."
            }
            Self::DeleteToShrink => "A map is emptied to give memory back, but keeps its room.",
            Self::PointerKey => "Keys hold pointers, so that equal contents are different keys.",
            Self::NanKey => "Keys can be NaN, and such entries can't be found or deleted.",
            Self::TimeAfterInLoop => {
                "time.After in a loop leaves a timer behind for each turn, before Go 1.23."
            }
            Self::GoroutineMap => "A map grows in a goroutine that does not end.",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Could be: something that a rule needs to know is not in the source that it read.
    Info,
    /// Likely to grow without end.
    Warning,
    /// Grows with what others send.
    Critical,
}

impl Severity {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Finds a severity by its word.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|known| known.name() == name)
    }

    /// One step less severe.
    pub(crate) fn lower(self) -> Self {
        match self {
            Self::Critical => Self::Warning,
            Self::Warning | Self::Info => Self::Info,
        }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The file, as it was found.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// Something that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Where it is seen.
    pub at: Position,
    /// What is seen there.
    pub what: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What found it.
    pub rule: Rule,
    /// How much it matters.
    pub severity: Severity,
    /// The map, as `sessions` or `Server.sessions`.
    pub subject: String,
    /// Where it is declared, or used first.
    pub at: Position,
    /// What is the matter.
    pub message: String,
    /// What that rests on, in the order of the source.
    pub evidence: Vec<Evidence>,
    /// What was looked for and is not there.
    pub absent: String,
    /// What to change.
    pub fix: String,
    /// Where keys come from, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<&'static str>,
    /// The package's import path, where a `go.mod` says so.
    #[serde(skip)]
    pub import_path: Option<String>,
    /// Which map it is about; none for timers, and for maps that are not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map: Option<MapIdentity>,
}

impl Finding {
    /// Names the finding in a way that outlives edits elsewhere in the file: rule, file and map. The file is
    /// called after its package, so that it does not matter how its path was typed, and where.
    pub fn identity(&self) -> String {
        let file = match &self.import_path {
            Some(package) => {
                let name = self.at.path.rsplit('/').next().unwrap_or_default();
                format!("{package}/{name}")
            }
            // Without a go.mod, the path is all there is.
            None => self.at.path.trim_start_matches("./").to_owned(),
        };
        format!("{} {file} {}", self.rule.name(), self.subject)
    }

    /// Everywhere in the source that it speaks of.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Position> {
        let inserts = self.map.iter().flat_map(|map| &map.inserts).map(|lines| &lines.at);
        let evidence = self.evidence.iter().map(|evidence| &evidence.at);
        evidence.chain(inserts).chain([&self.at])
    }
}
