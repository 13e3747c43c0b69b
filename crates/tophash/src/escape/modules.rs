//! Where packages lie: a GOROOT, a module, the modules that it requires.

use std::path::{Path, PathBuf};

use tophash_escape_engine::GoVersion;
use tophash_typecheck::GoMod;

/// A module: the folder with its `go.mod`, and what that says.
#[derive(Debug, Clone, Default)]
pub(super) struct Module {
    pub(super) folder: PathBuf,
    pub(super) go_mod: GoMod,
    /// Where Go unpacks the modules that it needs.
    pub(super) cache: PathBuf,
}

/// The GOROOT that was named, or one where they usually are. No program is run for it.
pub(super) fn goroot(named: Option<&Path>) -> Option<PathBuf> {
    let has_library = |folder: &PathBuf| folder.join("src/runtime").is_dir();
    if let Some(named) = named {
        return of_command(named).filter(has_library);
    }
    let variable = std::env::var_os("GOROOT").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|folder| of_command(&folder.join("go")));
    let usual = ["/usr/local/go", "/usr/lib/go"].map(PathBuf::from);
    variable.into_iter().chain(on_path).chain(usual).find(has_library)
}

/// A GOROOT as it is, or that of a go command.
fn of_command(place: &Path) -> Option<PathBuf> {
    let place = place.canonicalize().ok()?;
    if place.is_dir() {
        return Some(place);
    }
    Some(place.parent()?.parent()?.to_owned())
}

/// The release that a GOROOT is, if its rules are known.
pub(super) fn release(goroot: &Path) -> Option<GoVersion> {
    let text = std::fs::read_to_string(goroot.join("VERSION")).ok()?;
    GoVersion::parse(text.lines().next()?.trim())
}

/// The module that a folder lies in.
pub(super) fn find(dir: &Path) -> Option<Module> {
    let folder = dir.ancestors().find(|folder| folder.join("go.mod").is_file())?;
    let text = std::fs::read_to_string(folder.join("go.mod")).ok()?;
    let cache = cache().unwrap_or_default();
    Some(Module { folder: folder.to_owned(), go_mod: GoMod::parse(&text), cache })
}

fn cache() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from);
    of("GOMODCACHE")
        .or_else(|| Some(of("GOPATH")?.join("pkg/mod")))
        .or_else(|| Some(of("HOME")?.join("go/pkg/mod")))
}

/// The path by which a folder's package is imported.
pub(super) fn import_path(folder: &Path, module: Option<&Module>, goroot: Option<&Path>) -> String {
    let inside = |base: &Path| {
        let rest = folder.strip_prefix(base).ok()?;
        Some(rest.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"))
    };
    if let Some(path) = goroot.and_then(|goroot| inside(&goroot.join("src"))) {
        return path;
    }
    if let Some(module) = module
        && let Some(rest) = inside(&module.folder)
    {
        let path = &module.go_mod.module;
        return if rest.is_empty() { path.clone() } else { format!("{path}/{rest}") };
    }
    folder.file_name().map_or_else(|| "p".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The folder of a package, by its import path.
pub(super) fn folder_of(
    path: &str,
    module: Option<&Module>,
    goroot: Option<&Path>,
) -> Option<PathBuf> {
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return None;
    }
    let own = module.map(|module| (module.go_mod.module.clone(), module.folder.clone()));
    let needed =
        module.into_iter().flat_map(|module| module.go_mod.folders(&module.folder, &module.cache));
    let in_modules = own.into_iter().chain(needed).find_map(|(base, folder)| {
        let rest = path.strip_prefix(&base)?;
        (rest.is_empty() || rest.starts_with('/'))
            .then(|| folder.join(rest.trim_start_matches('/')))
    });
    let in_library = || goroot.map(|goroot| goroot.join("src").join(path));
    in_modules.or_else(in_library).filter(|folder| folder.is_dir())
}

/// A folder and those below it that `...` means.
pub(super) fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_passed_over = name.starts_with(['.', '_'])
                || matches!(&*name, "testdata" | "vendor")
                || entry.path().join("go.mod").is_file();
            if is_folder && !is_passed_over {
                open.push(entry.path());
            }
        }
        all.push(folder);
    }
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_imported_by_their_place_in_a_module() {
        let module = Module {
            folder: "/home/app".into(),
            go_mod: GoMod::parse("module example.com/app"),
            ..Module::default()
        };
        let path = |folder: &str| import_path(Path::new(folder), Some(&module), None);
        assert_eq!(path("/home/app"), "example.com/app");
        assert_eq!(path("/home/app/cmd/x"), "example.com/app/cmd/x");
        assert_eq!(path("/elsewhere/pkg"), "pkg");
    }
}
