//! What differs between releases in how maps decide, beyond their layout.

use tophash_goruntime::{Error, GoVersion, LayoutTable, SizeClasses};

use crate::cost::MapDesign;
use crate::hash::HashRules;
use crate::layout::MapLayout;

/// A Go release, as far as maps run on it.
#[derive(Debug, Clone)]
pub struct Release {
    version: GoVersion,
    layout: MapLayout,
    design: MapDesign,
    sizes: SizeClasses,
}

/// Decisions of the classic design (`runtime/map.go`; in 1.24 and 1.25 `map_noswiss.go`).
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassicRules {
    /// A map grows when it would hold more than this many entries for two buckets.
    pub(super) load_by_two: u64,
    /// `clear` marks all cells empty first, so that iterators end (Go 1.21 to 1.23).
    pub(super) clear_marks: bool,
    /// The header counts calls of `clear`, for iterators to see (from Go 1.24).
    pub(super) counts_clears: bool,
}

/// Decisions of the Swiss design (`internal/runtime/maps`).
#[derive(Debug, Clone, Copy)]
pub(super) struct SwissRules {
    /// A full table removes tombstones that no probe needs before it grows, at least in the fast
    /// variants; the header remembers whether there can be any (from Go 1.25).
    pub(super) prunes: bool,
    /// A full small map looks for the key before it grows (from Go 1.27).
    pub(super) grows_late: bool,
    /// How `clear` treats groups without entries.
    pub(super) clear: ClearRule,
}

/// Which groups `clear` zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClearRule {
    /// All of them (Go 1.24).
    All,
    /// Those with entries (Go 1.25).
    Full,
    /// Those with entries where few have any or slots are large, else all (from Go 1.26).
    FullIfSparse,
}

impl Release {
    /// Takes a release by its version, experiments included: `go1.27`, `go1.25 X:noswissmap`.
    ///
    /// # Errors
    ///
    /// Fails for releases that there is no layout of.
    pub fn new(version: &GoVersion) -> Result<Self, Error> {
        let table = LayoutTable::for_version(version)?;
        Ok(Self {
            layout: MapLayout::new(&table, version)?,
            design: MapDesign::of(&table),
            sizes: SizeClasses::new(&table, version),
            version: version.clone(),
        })
    }

    /// Returns the version.
    pub fn version(&self) -> &GoVersion {
        &self.version
    }

    /// Returns the layout of headers, for the readers of maps.
    pub fn layout(&self) -> &MapLayout {
        &self.layout
    }

    /// Returns the design.
    pub fn design(&self) -> MapDesign {
        self.design
    }

    /// Returns the slot sizes of the release's allocator.
    pub fn sizes(&self) -> &SizeClasses {
        &self.sizes
    }

    /// Returns by which rules the compiler's hash functions cut keys.
    pub fn hash_rules(&self) -> HashRules {
        if self.version.minor() < 27 { HashRules::Fields } else { HashRules::Flat }
    }

    pub(super) fn classic_rules(&self) -> ClassicRules {
        let minor = self.version.minor();
        ClassicRules {
            load_by_two: match &self.layout {
                MapLayout::Classic(layout) => layout.load_factor_by_two,
                MapLayout::Swiss(_) => 13,
            },
            clear_marks: matches!(minor, 21..=23),
            counts_clears: minor >= 24,
        }
    }

    pub(super) fn swiss_rules(&self) -> SwissRules {
        let minor = self.version.minor();
        SwissRules {
            prunes: minor >= 25,
            grows_late: minor >= 27,
            clear: match minor {
                ..=24 => ClearRule::All,
                25 => ClearRule::Full,
                _ => ClearRule::FullIfSparse,
            },
        }
    }
}
