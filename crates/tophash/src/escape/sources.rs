//! The text of the files that the compiler names, and the names of packages.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tophash_escape::{Context, PackagePlace, Position, import_path};

/// No file of source is larger.
const LARGEST: u64 = 32 << 20;

/// Files relative to a folder, read once.
pub(crate) struct Sources {
    dir: PathBuf,
    /// By the package that imports.
    names: HashMap<String, HashSet<String>>,
    places: HashMap<String, PackagePlace>,
    read: RefCell<HashMap<String, Option<Arc<str>>>>,
}

impl Sources {
    pub(super) fn new(dir: &Path, names: HashMap<String, HashSet<String>>) -> Self {
        Self { dir: dir.to_owned(), names, places: HashMap::new(), read: RefCell::default() }
    }

    /// Also knows where packages lie.
    pub(super) fn with_places(self, places: HashMap<String, PackagePlace>) -> Self {
        Self { places, ..self }
    }

    /// The file's path, without the `./` in front that the compiler prints.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file.strip_prefix("./").unwrap_or(file))
    }

    /// A place as a person in the folder would name it.
    pub(super) fn shown(at: &Position) -> String {
        let file = at.file.strip_prefix("./").unwrap_or(&at.file);
        format!("{file}:{}", at.line)
    }
}

impl Context for Sources {
    fn source(&self, file: &str) -> Option<Arc<str>> {
        if let Some(known) = self.read.borrow().get(file) {
            return known.clone();
        }
        let path = self.path(file);
        let about = std::fs::metadata(&path).ok();
        let is_source = about.is_some_and(|about| about.is_file() && about.len() <= LARGEST);
        let bytes = if is_source { std::fs::read(&path).ok() } else { None };
        let text: Option<Arc<str>> = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into());
        self.read.borrow_mut().insert(file.to_owned(), text.clone());
        text
    }

    fn is_package(&self, importer: &str, name: &str) -> bool {
        let importer = import_path(importer);
        self.names.get(importer).is_some_and(|names| names.contains(name))
    }

    fn place_of(&self, package: &str) -> Option<PackagePlace> {
        self.places.get(package).cloned()
    }
}
