//! Where the source of other packages comes from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::build_context::BuildContext;
use crate::folder::{self, Texts};
use crate::go_mod::GoMod;

/// Finds the source of other packages.
pub trait Importer {
    /// Returns the texts of a package: those that the build takes. `from` is the path of the package that asks.
    /// None where it is not to be had; then what is used of it is unknown.
    fn import(&self, path: &str, from: &str) -> Option<Imported>;
}

impl<I: Importer + ?Sized> Importer for Rc<I> {
    fn import(&self, path: &str, from: &str) -> Option<Imported> {
        (**self).import(path, from)
    }
}

/// The source of a package.
pub struct Imported {
    /// Its path: that of a vendored package has a longer one than the import says.
    pub path: String,
    /// Its files' names and texts.
    pub texts: Texts,
}

/// Finds nothing.
pub struct NoImports;

impl Importer for NoImports {
    fn import(&self, _path: &str, _from: &str) -> Option<Imported> {
        None
    }
}

/// Finds the standard library in a GOROOT, and modules in folders.
pub struct Folders {
    context: BuildContext,
    goroot: Option<PathBuf>,
    modules: Vec<(String, PathBuf)>,
    /// Modules that others need, which have no vendored ones of their own.
    needed: Vec<(String, PathBuf)>,
}

impl Folders {
    /// Finds packages for this build.
    pub fn new(context: BuildContext) -> Self {
        Self { context, goroot: None, modules: Vec::new(), needed: Vec::new() }
    }

    /// Finds the standard library here.
    #[must_use]
    pub fn goroot(mut self, goroot: &Path) -> Self {
        self.goroot = Some(goroot.to_path_buf());
        self
    }

    /// Finds packages of a module here: those whose path begins with its own.
    #[must_use]
    pub fn module(mut self, path: &str, folder: &Path) -> Self {
        self.modules.push((path.to_owned(), folder.to_path_buf()));
        self
    }

    /// Finds packages of the module in this folder and of those that its `go.mod` needs, which Go has unpacked
    /// in `cache` (`go env GOMODCACHE`). Returns also what `go.mod` says.
    ///
    /// # Errors
    ///
    /// If `go.mod` can't be read.
    pub fn with_go_mod(self, folder: &Path, cache: &Path) -> io::Result<(Self, GoMod)> {
        let found = GoMod::parse(&fs::read_to_string(folder.join("go.mod"))?);
        let mut folders = self.module(&found.module, folder);
        folders.needed.extend(found.folders(folder, cache));
        Ok((folders, found))
    }

    /// Returns the path and the folder of a package, if there is one: a vendored one's path is longer than the
    /// import says. `from` is the path of the package that asks.
    pub fn find(&self, path: &str, from: &str) -> Option<(String, PathBuf)> {
        self.candidates(path, from).into_iter().find(|(_, folder)| folder.is_dir())
    }

    fn candidates(&self, path: &str, from: &str) -> Vec<(String, PathBuf)> {
        // No path leaves the folders.
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Vec::new();
        }
        let within = |(module, folder): &(String, PathBuf)| {
            let rest = path.strip_prefix(module.as_str())?;
            let is_within = rest.is_empty() || rest.starts_with('/');
            is_within.then(|| (path.to_owned(), folder.join(rest.trim_start_matches('/'))))
        };
        let vendored =
            |(_, folder): &(String, PathBuf)| (path.to_owned(), folder.join("vendor").join(path));
        let mut found: Vec<_> = self.modules.iter().filter_map(within).collect();
        found.extend(self.modules.iter().map(vendored));
        // Of modules within each other, the innermost has the package.
        let mut needed: Vec<_> = self
            .needed
            .iter()
            .filter_map(|needed| Some((needed.0.len(), within(needed)?)))
            .collect();
        needed.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        found.extend(needed.into_iter().map(|(_, place)| place));
        if let Some(goroot) = &self.goroot {
            let src = goroot.join("src");
            let vendor = if from.starts_with("cmd/") { "cmd/vendor" } else { "vendor" };
            found.push((path.to_owned(), src.join(path)));
            found.push((format!("{vendor}/{path}"), src.join(vendor).join(path)));
        }
        found
    }
}

impl Importer for Folders {
    fn import(&self, path: &str, from: &str) -> Option<Imported> {
        for (path, folder) in self.candidates(path, from) {
            let texts = folder::texts(&folder, &self.context);
            if !texts.is_empty() {
                return Some(Imported { path, texts });
            }
        }
        None
    }
}
