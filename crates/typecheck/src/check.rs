//! One package, checked: every declaration and every body.

use std::rc::Rc;

use crate::checker::Checker;
use crate::info::{Checked, Info};
use crate::package;
use crate::parse::SourceFile;
use crate::universe::Universe;

/// The source of a package.
pub struct Source {
    path: String,
    files: Vec<Rc<SourceFile>>,
    go: (u32, u32),
}

impl Source {
    /// A package of this import path, whose rules are those of the newest Go.
    pub fn new(path: &str, files: Vec<Rc<SourceFile>>) -> Self {
        Self { path: path.to_owned(), files, go: (1, u32::MAX) }
    }

    /// With the release that its module asks for.
    #[must_use]
    pub fn go(mut self, go: (u32, u32)) -> Self {
        self.go = go;
        self
    }
}

/// Checks a package. Those that are checked after it in the same universe import it as it is here.
pub fn check(universe: &Universe, source: Source) -> Checked {
    let Source { path, files, go } = source;
    let package = package::enter(universe, &path, files.clone(), Some(Info::default()));
    universe.know(&path, package);
    let data = universe.package(package);
    for (number, file) in files.iter().enumerate() {
        Checker::new(universe, package, number as u32).file(&file.ast);
    }
    let info = data.info.as_ref().map(std::cell::RefCell::take).unwrap_or_default();
    Checked { package, files, go, info }
}
