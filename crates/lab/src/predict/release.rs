//! A Go release, or one with an experiment, as far as its maps and its allocator are concerned.

use tophash_gomap::{MapDesign, MapLayout, Release};
use tophash_goruntime::{Error, GoVersion, LayoutTable};

use super::ledger::Object;

/// A release whose maps can be predicted.
#[derive(Debug, Clone)]
pub struct NamedRelease {
    name: String,
    release: Release,
}

impl NamedRelease {
    /// Finds a release by its name, with an experiment behind a dash: `1.23`, `1.25-noswissmap`.
    /// `go1.23.4` and `go1.25.1 X:noswissmap` are understood, too.
    ///
    /// # Errors
    ///
    /// Fails where there is no layout table of the release; the error names those there are.
    pub fn named(name: &str) -> Result<Self, PredictError> {
        let unknown = || PredictError::UnknownRelease {
            name: name.to_owned(),
            known: Self::names().collect::<Vec<_>>().join(", "),
        };
        let plain = name.trim().trim_start_matches("go").replace(" X:", "-");
        let (number, experiment) = match plain.split_once('-') {
            Some((number, experiment)) => (number, Some(experiment)),
            None => (plain.as_str(), None),
        };
        let full = match experiment {
            Some(experiment) => format!("go{number} X:{experiment}"),
            None => format!("go{number}"),
        };
        let version = GoVersion::parse(&full).ok_or_else(unknown)?;
        LayoutTable::for_version(&version).map_err(|_| unknown())?;
        let minor = format!("1.{}", version.minor());
        Ok(Self {
            name: experiment.map_or_else(|| minor.clone(), |name| format!("{minor}-{name}")),
            release: Release::new(&version)?,
        })
    }

    /// Returns the names of all releases and experiments that can be predicted.
    pub fn names() -> impl Iterator<Item = String> {
        LayoutTable::known().map(|name| name.replace("-amd64", "").replacen("go", "", 1))
    }

    /// Returns the releases without experiments, the oldest first.
    ///
    /// # Errors
    ///
    /// Fails where a layout table that is built in lacks something.
    pub fn all() -> Result<Vec<Self>, PredictError> {
        Self::names().filter(|name| !name.contains('-')).map(|name| Self::named(&name)).collect()
    }

    /// Returns the name: `1.23`, `1.25-noswissmap`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the second number of the version.
    pub fn minor(&self) -> u32 {
        self.release.version().minor()
    }

    /// Returns how its maps are laid out.
    pub fn design(&self) -> MapDesign {
        self.release.design()
    }

    /// Returns how the design is called: `classic` or `swiss`.
    pub fn design_name(&self) -> &'static str {
        match self.design() {
            MapDesign::Classic => "classic",
            MapDesign::Swiss | MapDesign::SwissSplit => "swiss",
        }
    }

    /// Returns the release that running maps are of.
    pub fn release(&self) -> &Release {
        &self.release
    }

    pub(super) fn layout(&self) -> &MapLayout {
        self.release.layout()
    }

    pub(super) fn object(&self, size: u64, pointer_bytes: u64) -> Object {
        Object {
            bytes: self.release.sizes().slot_size(size, pointer_bytes == 0),
            scan: pointer_bytes,
        }
    }

    /// An object that consists of `count` values of `size` bytes, with `pointers_to(end)` giving where
    /// the last pointer of a value ends that ends there or before.
    ///
    /// From Go 1.22 on, the collector takes the pointers of an object of more than 512 bytes from the
    /// value's type, over and over to the end of the slot (`runtime.typePointers`). That it looks at
    /// large objects in parts of 128 KiB, each to its own last pointer, is left out: less than 1 %.
    pub(super) fn array(&self, count: u64, size: u64, pointers_to: impl Fn(u64) -> u64) -> Object {
        let (bytes, last) = (size.saturating_mul(count), pointers_to(size));
        if last == 0 || count == 0 {
            return self.object(bytes, 0);
        }
        let mut scan = bytes.saturating_sub(size).saturating_add(last);
        if self.release.sizes().is_scanned_by_type(bytes, false) {
            let usable = self.usable_size(bytes, false);
            let (whole, rest) = (usable / size, usable % size);
            scan = match pointers_to(rest) {
                0 => (whole - 1) * size + last,
                partial => whole * size + partial,
            };
        }
        Object { bytes: self.release.sizes().slot_size(bytes, false), scan }
    }

    pub(super) fn usable_size(&self, size: u64, is_noscan: bool) -> u64 {
        self.release.sizes().usable_size(size, is_noscan)
    }
}

/// Why a prediction could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// There is no layout table of the release.
    #[error("no layouts of Go {name} are known; there are {known}")]
    UnknownRelease {
        /// The release that was asked for.
        name: String,
        /// Those that can be asked for.
        known: String,
    },
    /// A layout table lacks something.
    #[error(transparent)]
    Layout(#[from] Error),
}
