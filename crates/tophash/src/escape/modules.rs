//! Where packages lie: a GOROOT, a module, the modules that it requires.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tophash_typecheck::GoMod;

use crate::go_command::GoCommand;

/// A module: the folder with its `go.mod`, and what that says.
#[derive(Debug, Clone)]
pub(super) struct Module {
    pub(super) folder: PathBuf,
    pub(super) go_mod: GoMod,
}

/// The GOROOT that was named, or one where they usually are. No program is run for it.
pub(super) fn goroot(named: Option<&Path>) -> Result<Option<PathBuf>> {
    let has_library = |folder: &PathBuf| folder.join("src/runtime").is_dir();
    if let Some(named) = named {
        // Without its commands it is a GOROOT still.
        let folder = Some(named.to_owned()).filter(has_library);
        let folder = match folder {
            Some(folder) => Some(folder),
            None => of_command(&GoCommand::find(named)?.path).filter(has_library),
        };
        let folder = folder.and_then(|folder| folder.canonicalize().ok());
        return folder.map(Some).with_context(|| {
            format!("{} lies in no GOROOT: there is no src/runtime beside its bin", named.display())
        });
    }
    let variable = std::env::var_os("GOROOT").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|folder| of_command(&folder.join("go")));
    let usual = ["/usr/local/go", "/usr/lib/go"].map(PathBuf::from);
    Ok(variable.into_iter().chain(on_path).chain(usual).find(has_library))
}

/// The GOROOT of a go command.
fn of_command(command: &Path) -> Option<PathBuf> {
    Some(command.canonicalize().ok()?.parent()?.parent()?.to_owned())
}

/// The release that a GOROOT is, as it says itself: `go1.27.3`.
pub(super) fn release(goroot: &Path) -> Option<String> {
    let text = std::fs::read_to_string(goroot.join("VERSION")).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

/// The module that a folder lies in.
pub(super) fn find(dir: &Path) -> Option<Module> {
    let folder = dir.ancestors().find(|folder| folder.join("go.mod").is_file())?;
    let text = std::fs::read_to_string(folder.join("go.mod")).ok()?;
    Some(Module { folder: folder.to_owned(), go_mod: GoMod::parse(&text) })
}

/// Where Go unpacks the modules that others need.
pub(super) fn cache() -> Option<PathBuf> {
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

/// The release by whose rules the package in a folder is compiled: that of the next `go.mod` above it.
pub(super) fn language(folder: &Path) -> Option<(u32, u32)> {
    find(folder)?.go_mod.go
}

/// The folders of the modules that are worked on together with this one, by `go.work`.
pub(super) fn workspace(folder: &Path) -> Vec<PathBuf> {
    let named = std::env::var_os("GOWORK").filter(|named| !named.is_empty());
    let found = match named {
        Some(off) if off == "off" => None,
        Some(named) => Some(PathBuf::from(named)),
        None => folder.ancestors().map(|up| up.join("go.work")).find(|path| path.is_file()),
    };
    let Some((text, base)) = found
        .and_then(|path| Some((std::fs::read_to_string(&path).ok()?, path.parent()?.to_owned())))
    else {
        return Vec::new();
    };
    let used = uses(&text).into_iter().filter_map(|used| base.join(used).canonicalize().ok());
    used.filter(|used| used != folder && used.join("go.mod").is_file()).collect()
}

/// What the `use` lines of a `go.work` name.
fn uses(text: &str) -> Vec<String> {
    let (mut found, mut is_inside) = (Vec::new(), false);
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let words: Vec<&str> =
            line.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
        match words.as_slice() {
            ["use", "("] => is_inside = true,
            [")"] => is_inside = false,
            ["use", folder] => found.push((*folder).to_owned()),
            [folder] if is_inside => found.push((*folder).to_owned()),
            _ => {}
        }
    }
    found
}

/// A folder and those below it that `...` means. Ones that can't be read are among them.
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
        let go_mod = GoMod::parse("module example.com/app");
        let module = Module { folder: "/home/app".into(), go_mod };
        let path = |folder: &str| import_path(Path::new(folder), Some(&module), None);
        assert_eq!(path("/home/app"), "example.com/app");
        assert_eq!(path("/home/app/cmd/x"), "example.com/app/cmd/x");
        assert_eq!(path("/elsewhere/pkg"), "pkg");
    }

    #[test]
    fn a_workspace_names_its_modules() {
        let text = "go 1.22\n\nuse ./a // here\nuse (\n\t\"./b\"\n\t../c\n)\nreplace x => ./d\n";
        assert_eq!(uses(text), ["./a", "./b", "../c"]);
    }
}
