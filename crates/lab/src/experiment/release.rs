//! One Go release, as the model knows it.

use tophash_gomap::{GoType, MapDesign, MapLayout, MapShape};
use tophash_goruntime::{GoVersion, LayoutTable, SizeClasses};

/// Why the model could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The release's layout table can't be used.
    #[error(transparent)]
    Layout(#[from] tophash_goruntime::Error),
    /// The simulated heap is full.
    #[error(transparent)]
    Memory(#[from] tophash_gomap::OutOfMemory),
}

/// One Go release, as the model knows it.
#[derive(Debug)]
pub struct Release {
    version: GoVersion,
    table: LayoutTable,
    layout: MapLayout,
    classes: SizeClasses,
}

impl Release {
    /// Takes the release Go 1.`minor`; `None` if it is not known.
    pub fn of(minor: u32) -> Option<Self> {
        let version = LayoutTable::releases().find(|version| version.minor() == minor)?;
        Self::new(version).ok()
    }

    /// Returns every known release, the oldest first.
    ///
    /// # Errors
    ///
    /// Fails if a layout table lacks something.
    pub fn all() -> Result<Vec<Self>, ModelError> {
        LayoutTable::releases().map(Self::new).collect()
    }

    fn new(version: GoVersion) -> Result<Self, ModelError> {
        let table = LayoutTable::for_version(&version)?;
        let layout = MapLayout::new(&table, &version)?;
        let classes = SizeClasses::new(&table, &version);
        Ok(Self { version, table, layout, classes })
    }

    /// Returns `n` of Go 1.`n`.
    pub fn minor(&self) -> u32 {
        self.version.minor()
    }

    /// Tells whether its maps have buckets.
    pub fn is_classic(&self) -> bool {
        self.layout.is_classic()
    }

    /// Returns the version.
    pub fn version(&self) -> &GoVersion {
        &self.version
    }

    /// Returns where the fields of maps are.
    pub(super) fn layout(&self) -> &MapLayout {
        &self.layout
    }

    /// Returns the table of all fields.
    pub(super) fn table(&self) -> &LayoutTable {
        &self.table
    }

    /// Lays out a map type.
    pub(super) fn shape(&self, key: &GoType, elem: &GoType) -> MapShape {
        let design = MapDesign::of(&self.table);
        MapShape::for_values(design, key.value_shape(), elem.value_shape())
    }

    /// Returns what the allocator takes for an object.
    pub(super) fn slot_size(&self, size: u64, is_noscan: bool) -> u64 {
        self.classes.slot_size(size, is_noscan)
    }
}
