//! Field offsets of the runtime's structures, one table a Go release.
//!
//! The tables are data: `cargo xtask layouts` builds a small program with each toolchain, reads
//! its DWARF, and writes `layouts/*.json`. Nothing in this crate knows an offset by heart, and no
//! walk asks for the version: it asks the table for a field, by the runtime's own name. Where a
//! field was renamed, the reader names both.
//!
//! Layouts do not change within a minor release, so the table of Go 1.27.3 serves all of 1.27.

use std::collections::HashMap;

use serde::Deserialize;
use tophash_memory::{Address, Memory, MemoryExt, ReadError};

use crate::error::Error;
use crate::version::GoVersion;

/// The architecture tables exist for.
const ARCH: &str = "amd64";

/// The experiments that move fields. Others leave the tables valid.
const LAYOUT_EXPERIMENTS: [&str; 6] =
    ["noswissmap", "swissmap", "greenteagc", "nogreenteagc", "mapsplitgroup", "nomapsplitgroup"];

macro_rules! tables {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../layouts/", $name, ".json")))),*]
    };
}

/// Every table, by the name of its file: minor release, architecture, experiment.
const TABLES: [(&str, &str); 14] = tables![
    "go1.19-amd64",
    "go1.21-amd64",
    "go1.22-amd64",
    "go1.23-amd64",
    "go1.24-amd64",
    "go1.24-amd64-noswissmap",
    "go1.25-amd64",
    "go1.25-amd64-greenteagc",
    "go1.25-amd64-noswissmap",
    "go1.26-amd64",
    "go1.26-amd64-nogreenteagc",
    "go1.27-amd64",
    "go1.27-amd64-mapsplitgroup",
    "go1.27-amd64-nogreenteagc",
];

/// Where a field lies in its struct, and how wide it is. Both in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Distance from the struct's start.
    pub offset: u64,
    /// The field's size.
    pub size: u64,
}

impl Field {
    /// Reads an integer field of 1 to 8 bytes of the struct at `base`.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    pub fn read<M: Memory + ?Sized>(self, memory: &M, base: Address) -> Result<u64, ReadError> {
        let at = base + tophash_memory::ByteSize::new(self.offset);
        let mut word = [0; 8];
        let len = self.size.min(8) as usize;
        memory.read(at, &mut word[..len])?;
        Ok(u64::from_le_bytes(word))
    }

    /// Reads a pointer field of the struct at `base`.
    ///
    /// # Errors
    ///
    /// As [`Memory::read`].
    pub fn read_address<M: Memory + ?Sized>(
        self,
        memory: &M,
        base: Address,
    ) -> Result<Address, ReadError> {
        memory.read_address(base + tophash_memory::ByteSize::new(self.offset))
    }

    /// Takes an integer field of 1 to 8 bytes out of a struct's bytes; 0 where they are too short.
    pub fn get(self, bytes: &[u8]) -> u64 {
        let mut word = [0; 8];
        let len = self.size.min(8) as usize;
        let start = self.offset as usize;
        if let Some(field) = bytes.get(start..start.saturating_add(len)) {
            word[..len].copy_from_slice(field);
        }
        u64::from_le_bytes(word)
    }

    /// Returns the field's address in the struct at `base`.
    pub fn of(self, base: Address) -> Address {
        base + tophash_memory::ByteSize::new(self.offset)
    }

    /// Returns the field `inner` of a struct that is itself this field.
    pub fn then(self, inner: Self) -> Self {
        Self { offset: self.offset + inner.offset, size: inner.size }
    }
}

#[derive(Debug, Deserialize)]
struct StructLayout {
    size: u64,
    fields: HashMap<String, (u64, u64)>,
}

/// The layout of one Go release on one architecture.
#[derive(Debug, Deserialize)]
pub struct LayoutTable {
    go: String,
    #[serde(default)]
    experiment: String,
    structs: HashMap<String, StructLayout>,
    constants: HashMap<String, i64>,
    #[serde(default)]
    wait_reasons: Vec<String>,
    size_classes: Vec<u32>,
}

impl LayoutTable {
    /// Finds the table of a version.
    ///
    /// # Errors
    ///
    /// [`Error::NoLayout`] names the tables there are.
    pub fn for_version(version: &GoVersion) -> Result<Self, Error> {
        let minor = format!("go1.{}-{ARCH}", version.minor());
        let experiment = version
            .experiments()
            .iter()
            .filter(|e| LAYOUT_EXPERIMENTS.contains(&e.as_str()))
            .map(|e| format!("-{e}"))
            .collect::<String>();
        let name = format!("{minor}{experiment}");
        let missing = || Error::NoLayout {
            version: version.clone(),
            arch: ARCH,
            known: TABLES.map(|(name, _)| name).join(", "),
        };
        let (_, text) = TABLES.iter().find(|(table, _)| *table == name).ok_or_else(missing)?;
        serde_json::from_str(text).map_err(|fault| Error::IncompleteLayout {
            table: name,
            item: format!("well-formed JSON ({fault})"),
        })
    }

    /// Returns the names of the tables that are built in.
    pub fn known() -> impl Iterator<Item = &'static str> {
        TABLES.into_iter().map(|(name, _)| name)
    }

    /// Returns the minor releases that there are tables of without experiments, the oldest first:
    /// versions to ask [`for_version`](Self::for_version) for.
    pub fn releases() -> impl Iterator<Item = GoVersion> {
        Self::known()
            .filter_map(|name| name.strip_suffix(ARCH)?.strip_suffix('-'))
            .filter_map(GoVersion::parse)
    }

    /// Tells whether the table was made with an experiment that moves fields.
    pub fn has_experiment(&self, name: &str) -> bool {
        self.experiment.split(',').any(|experiment| experiment == name)
    }

    /// Returns which release and experiment the table was made from.
    pub fn origin(&self) -> String {
        if self.experiment.is_empty() {
            self.go.clone()
        } else {
            format!("{} X:{}", self.go, self.experiment)
        }
    }

    /// Returns a field of a struct, both by the runtime's names.
    ///
    /// # Errors
    ///
    /// [`Error::IncompleteLayout`] where the table lacks it.
    pub fn field(&self, structure: &str, field: &str) -> Result<Field, Error> {
        self.find(structure, field).ok_or_else(|| self.lacks(format!("{structure}.{field}")))
    }

    /// Returns the first of several spellings of a field that the table has.
    ///
    /// # Errors
    ///
    /// [`Error::IncompleteLayout`] where it has none.
    pub fn any_field(&self, spellings: &[(&str, &str)]) -> Result<Field, Error> {
        spellings.iter().find_map(|(s, f)| self.find(s, f)).ok_or_else(|| {
            self.lacks(
                spellings.iter().map(|(s, f)| format!("{s}.{f}")).collect::<Vec<_>>().join("/"),
            )
        })
    }

    /// Returns a field that only some releases have.
    pub fn find(&self, structure: &str, field: &str) -> Option<Field> {
        let (offset, size) = *self.structs.get(structure)?.fields.get(field)?;
        Some(Field { offset, size })
    }

    /// Returns the size of a struct in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::IncompleteLayout`] where the table lacks it.
    pub fn size_of(&self, structures: &[&str]) -> Result<u64, Error> {
        structures
            .iter()
            .find_map(|s| self.structs.get(*s))
            .map(|s| s.size)
            .ok_or_else(|| self.lacks(structures.join("/")))
    }

    /// Tells whether the release has a struct.
    pub fn has(&self, structure: &str) -> bool {
        self.structs.contains_key(structure)
    }

    /// Returns a constant by the first of several names that the table has.
    pub fn constant(&self, names: &[&str]) -> Option<i64> {
        names.iter().find_map(|name| self.constants.get(*name)).copied()
    }

    /// Returns what a goroutine's wait reason says, as the runtime prints it.
    pub fn wait_reason(&self, reason: u64) -> Option<&str> {
        self.wait_reasons.get(usize::try_from(reason).ok()?).map(String::as_str)
    }

    /// Returns the allocator's slot sizes in bytes, by size class; class 0 is for large objects.
    pub fn size_classes(&self) -> &[u32] {
        &self.size_classes
    }

    fn lacks(&self, item: String) -> Error {
        Error::IncompleteLayout { table: self.origin(), item }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_well_formed_and_found_by_its_version() {
        for name in LayoutTable::known() {
            let mut parts = name.splitn(3, '-');
            let minor = parts.next().unwrap();
            let text = match parts.nth(1) {
                Some(experiment) => format!("{minor}.1 X:{experiment}"),
                None => format!("{minor}.1"),
            };
            let table = LayoutTable::for_version(&GoVersion::parse(&text).unwrap()).unwrap();
            assert_eq!(table.size_classes().len(), 68, "{name}");
            table.field("runtime.mspan", "startAddr").unwrap();
        }
    }

    #[test]
    fn an_unknown_release_names_the_tables_there_are() {
        let error = LayoutTable::for_version(&GoVersion::parse("go1.99.1").unwrap()).unwrap_err();
        assert!(error.to_string().contains("go1.27-amd64"), "{error}");
    }
}
