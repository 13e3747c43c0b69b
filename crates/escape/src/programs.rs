//! Which package a symbol such as `main.run` is of, where several programs were asked about.
//!
//! The symbols of every program begin with `main`, and its file is mostly called `main.go`. What tells
//! them apart is the folder: below the module's root it is called the same wherever the program was
//! built, and with `-trimpath` too; the root itself may be called anything.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::explain::Context;
use crate::report::{PackageReport, Report};
use crate::stack::{base_name, folders_in_common, import_path};

/// Whose a file of a program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner<'r> {
    /// This package's.
    Package(&'r str),
    /// This package's, if its folder was called otherwise where it was built.
    Probably(&'r str),
    /// One of these.
    OneOf(Vec<&'r str>),
    /// None's that was asked about.
    Other,
}

struct Program<'r> {
    path: &'r str,
    files: HashSet<&'r str>,
    /// Where it lies here, as far as that is known.
    folder: String,
    /// The end of the folder that it has wherever it is built.
    below_root: Option<String>,
}

/// The packages called `main`.
#[derive(Default)]
pub struct Programs<'r> {
    known: Vec<Program<'r>>,
    asked: RefCell<HashMap<String, Owner<'r>>>,
}

impl<'r> Programs<'r> {
    /// Takes those of a report; `paths` are the packages that are called `main`.
    pub fn of(report: &'r Report, context: &dyn Context, paths: &HashSet<String>) -> Self {
        let mut programs = Self::default();
        for package in &report.packages {
            let path = import_path(&package.path);
            if paths.contains(path) {
                programs.add(path, package, context);
            }
        }
        programs
    }

    fn add(&mut self, path: &'r str, package: &'r PackageReport, context: &dyn Context) {
        let places = || {
            let functions = package.functions.iter().map(|function| &function.at);
            functions.chain(package.sites.iter().map(|site| &site.at))
        };
        let place = context.place_of(path);
        let below_root = place.as_ref().and_then(|place| {
            let rest = path.strip_prefix(place.module.as_deref()?)?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }.map(str::to_owned)
        });
        // Without it, the compiler's paths are relative to where it ran.
        let shown = || {
            let file = places().find(|at| !at.is_made_up()).map_or("", |at| &at.file);
            let folder = file.strip_suffix(base_name(file)).unwrap_or_default();
            let parts = folder.split('/').filter(|part| !matches!(*part, "" | "." | ".."));
            parts.collect::<Vec<_>>().join("/")
        };
        let files = places().map(|at| at.base_name());
        if let Some(known) = self.known.iter_mut().find(|known| known.path == path) {
            // The same, compiled for something else.
            known.files.extend(files);
            return;
        }
        self.known.push(Program {
            path,
            files: files.collect(),
            folder: place.map_or_else(shown, |place| place.folder.to_string()),
            below_root,
        });
    }

    /// Tells whose a file is, by its path where the program was built.
    pub fn owner_of(&self, file: &str) -> Owner<'r> {
        if let Some(known) = self.asked.borrow().get(file) {
            return known.clone();
        }
        let owner = self.find(file);
        self.asked.borrow_mut().insert(file.to_owned(), owner.clone());
        owner
    }

    fn find(&self, file: &str) -> Owner<'r> {
        let name = base_name(file);
        let candidates = self.known.iter().filter(|program| program.files.contains(name));
        let mut rated: Vec<(usize, &Program<'r>)> = candidates
            .filter_map(|program| {
                let below_root = program.below_root.as_deref();
                let folders = folders_for(file, program.path, below_root, &program.folder)?;
                Some((folders, program))
            })
            .collect();
        rated.sort_by_key(|&(rating, _)| std::cmp::Reverse(rating));
        match rated.as_slice() {
            [] => Owner::Other,
            [(best, first), rest @ ..] if rest.first().is_none_or(|(next, _)| next < best) => {
                match (best, &first.below_root) {
                    (1.., _) => Owner::Package(first.path),
                    (0, Some(_)) => Owner::Probably(first.path),
                    // Where the module's root is can't be told, unless the program lies in it.
                    (0, None) if first.folder.is_empty() => Owner::Probably(first.path),
                    (0, None) => Owner::Other,
                }
            }
            [(best, _), ..] => {
                let alike = rated.iter().take_while(|(rating, _)| rating == best);
                Owner::OneOf(alike.map(|(_, program)| program.path).collect())
            }
        }
    }
}

impl std::fmt::Debug for Programs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.known.iter().map(|program| program.path)).finish()
    }
}

/// How many folders speak for a file being of a program, by its import path and by where it lies `here`; none
/// if it can't be: wherever a program was built, its folder has the same end `below_root`, its module's root.
pub fn folders_for(file: &str, path: &str, below_root: Option<&str>, here: &str) -> Option<usize> {
    let folder = file.strip_suffix(base_name(file)).unwrap_or_default();
    if below_root.is_some_and(|end| folders_in_common(folder, end) != folder_count(end)) {
        return None;
    }
    Some(folders_in_common(folder, path).max(folders_in_common(folder, here)))
}

fn folder_count(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::explain::PackagePlace;

    /// Modules at `/home/u/MODULE'S LAST PART`.
    struct Modules(&'static [&'static str]);

    impl Context for Modules {
        fn source(&self, _: &str) -> Option<Arc<str>> {
            None
        }

        fn is_package(&self, _: &str, _: &str) -> bool {
            false
        }

        fn place_of(&self, package: &str) -> Option<PackagePlace> {
            let module = self.0.iter().find(|module| package.starts_with(**module))?;
            let below = package.strip_prefix(module)?;
            let folder = format!("/home/u/{}{below}", base_name(module));
            Some(PackagePlace { folder: folder.into(), module: Some((*module).into()) })
        }
    }

    fn owner(context: &dyn Context, packages: &[(&str, &str)], file: &str) -> String {
        let texts = packages.iter().map(|(path, file)| {
            format!("# {path}\n{file}:3:6: cannot inline main: function too complex\n")
        });
        let report = crate::read(&texts.collect::<String>(), context);
        let paths = packages.iter().map(|(path, _)| (*path).to_owned()).collect();
        let programs = Programs::of(&report, context, &paths);
        format!("{:?}", programs.owner_of(file))
    }

    #[test]
    fn programs_of_a_module_are_told_apart_by_their_folders() {
        let modules = Modules(&["example.com/app"]);
        let of = |file: &str| {
            let packages = [
                ("example.com/app", "./main.go"),
                ("example.com/app/cmd/a", "cmd/a/main.go"),
                ("example.com/app/cmd/b", "cmd/b/main.go"),
            ];
            owner(&modules, &packages, file)
        };
        // Here, with -trimpath, and copied elsewhere.
        for front in ["/home/u/app", "example.com/app", "/src"] {
            let file = format!("{front}/cmd/b/main.go");
            assert_eq!(of(&file), r#"Package("example.com/app/cmd/b")"#, "{file}");
        }
        assert_eq!(of("/home/u/app/main.go"), r#"Package("example.com/app")"#);
        assert_eq!(of("/src/main.go"), r#"Probably("example.com/app")"#);
        assert_eq!(of("/home/u/app/cmd/b/other.go"), "Other");
        assert_eq!(of(""), "Other");
    }

    #[test]
    fn another_program_is_not_taken_for_the_only_one() {
        let modules = Modules(&["example.com/app"]);
        let of = |file: &str| owner(&modules, &[("example.com/app/cmd/b", "./main.go")], file);
        assert_eq!(of("/home/u/app/cmd/a/main.go"), "Other");
        assert_eq!(of("/build/cmd/b/main.go"), r#"Package("example.com/app/cmd/b")"#);
    }

    #[test]
    fn what_folders_do_not_tell_is_said_to_be_unclear() {
        let modules = Modules(&["example.com/x", "example.com/y"]);
        let of = |file: &str| {
            let packages =
                [("example.com/x/cmd", "x/cmd/main.go"), ("example.com/y/cmd", "y/cmd/main.go")];
            owner(&modules, &packages, file)
        };
        assert_eq!(of("/home/u/y/cmd/main.go"), r#"Package("example.com/y/cmd")"#);
        assert_eq!(of("/src/cmd/main.go"), r#"OneOf(["example.com/x/cmd", "example.com/y/cmd"])"#);
    }

    #[test]
    fn without_modules_the_compiler_s_own_paths_tell() {
        let of = |path: &'static str, shown: &'static str, file: &str| {
            owner(&crate::NoContext, &[(path, shown)], file)
        };
        let program = "command-line-arguments";
        assert_eq!(of(program, "./main.go", "/src/main.go"), format!("Probably({program:?})"));
        assert_eq!(of("m/cmd/a", "cmd/a/main.go", "/src/cmd/b/main.go"), "Other");
        assert_eq!(of("m/cmd/a", "../a/main.go", "/src/a/main.go"), r#"Package("m/cmd/a")"#);
    }
}
