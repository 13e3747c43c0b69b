//! One Go release, as the model knows it.

use tophash_gomap::{GoType, MapLayout, MapShape, Release};
use tophash_goruntime::{GoVersion, LayoutTable};

/// Why the model could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The release's layout table can't be used.
    #[error(transparent)]
    Layout(#[from] tophash_goruntime::Error),
    /// The simulated heap is full.
    #[error(transparent)]
    Full(#[from] tophash_gomap::OutOfMemory),
    /// The simulated heap could not be made.
    #[error("no memory for a simulated heap")]
    Memory(#[from] std::io::Error),
    /// There is no such map.
    #[error(transparent)]
    MapType(#[from] tophash_gomap::BadMapType),
    /// The simulated runtime could not be made.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::RuntimeError),
    /// What was to be looked at is not there.
    #[error("the model's map has no {what}")]
    Absent {
        /// What it is.
        what: &'static str,
    },
}

/// One Go release, as the model knows it.
#[derive(Debug)]
pub struct GoRelease {
    maps: Release,
    table: LayoutTable,
}

impl GoRelease {
    /// Takes the release Go 1.`minor`; `None` if it is not known.
    pub fn of(minor: u32) -> Option<Self> {
        let version = LayoutTable::releases().find(|version| version.minor() == minor)?;
        Self::new(&version).ok()
    }

    /// Returns every known release, the oldest first.
    ///
    /// # Errors
    ///
    /// Fails if a layout table lacks something.
    pub fn all() -> Result<Vec<Self>, ExperimentError> {
        LayoutTable::releases().map(|version| Self::new(&version)).collect()
    }

    fn new(version: &GoVersion) -> Result<Self, ExperimentError> {
        let table = LayoutTable::for_version(version)?;
        Ok(Self { maps: Release::new(version)?, table })
    }

    /// Returns `n` of Go 1.`n`.
    pub fn minor(&self) -> u32 {
        self.maps.version().minor()
    }

    /// Tells whether its maps have buckets.
    pub fn is_classic(&self) -> bool {
        self.maps.layout().is_classic()
    }

    /// Returns the version.
    pub(super) fn version(&self) -> &GoVersion {
        self.maps.version()
    }

    /// Returns how the release runs maps.
    pub(super) fn maps(&self) -> &Release {
        &self.maps
    }

    /// Returns where the fields of maps are.
    pub(super) fn layout(&self) -> &MapLayout {
        self.maps.layout()
    }

    /// Returns the table of all fields.
    pub(super) fn table(&self) -> &LayoutTable {
        &self.table
    }

    /// Lays out a map type.
    pub(super) fn shape(&self, key: &GoType, elem: &GoType) -> MapShape {
        MapShape::for_values(self.maps.design(), key.value_shape(), elem.value_shape())
    }

    /// Returns what the allocator takes for an object.
    pub(super) fn slot_size(&self, size: u64, is_noscan: bool) -> u64 {
        self.maps.sizes().slot_size(size, is_noscan)
    }
}
