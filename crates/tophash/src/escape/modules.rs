//! Where packages lie: a GOROOT, a module, the modules that it requires.

use std::path::{Path, PathBuf};

use tophash_escape_engine::GoVersion;

/// A module: the folder with its `go.mod`, and what that says.
#[derive(Debug, Clone, Default)]
pub(super) struct Module {
    pub(super) path: String,
    pub(super) folder: PathBuf,
    /// The release that it asks for.
    pub(super) go: Option<(u32, u32)>,
    /// Required modules that lie in the module cache.
    pub(super) required: Vec<(String, PathBuf)>,
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
    let mut module = read(&text);
    module.folder = folder.to_owned();
    let cache = cache();
    let required = std::mem::take(&mut module.required);
    module.required = required
        .into_iter()
        .filter_map(|(path, version)| {
            let inside = format!("{}@{}", escaped(&path), escaped(&version.display().to_string()));
            let folder = cache.as_ref()?.join(inside);
            folder.is_dir().then_some((path, folder))
        })
        .collect();
    Some(module)
}

/// What a `go.mod` says; of required modules the version stands in the place of the folder.
fn read(text: &str) -> Module {
    let mut module = Module::default();
    let mut block = "";
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or(line).trim();
        let mut words = line.split_whitespace();
        let (first, second, third) = (words.next(), words.next(), words.next());
        match (first, second, third) {
            (Some(")"), ..) => block = "",
            (Some(word), Some("("), None) => block = word,
            (Some("module"), Some(path), _) => module.path = path.trim_matches('"').to_owned(),
            (Some("go"), Some(version), _) => module.go = release_numbers(version),
            (Some("require"), Some(path), Some(version)) => {
                module.required.push((path.to_owned(), version.into()));
            }
            (Some(path), Some(version), _) if block == "require" => {
                module.required.push((path.to_owned(), version.into()));
            }
            _ => {}
        }
    }
    module
}

fn release_numbers(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let digits = minor.bytes().take_while(u8::is_ascii_digit).count();
    Some((major, minor.get(..digits)?.parse().ok()?))
}

fn cache() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from);
    of("GOMODCACHE")
        .or_else(|| Some(of("GOPATH")?.join("pkg/mod")))
        .or_else(|| Some(of("HOME")?.join("go/pkg/mod")))
}

/// A path as the module cache spells it: capitals are marked.
fn escaped(path: &str) -> String {
    let mut out = String::new();
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            out.push('!');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
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
        return match rest.as_str() {
            "" => module.path.clone(),
            rest => format!("{}/{rest}", module.path),
        };
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
    let own = module.map(|module| (module.path.clone(), module.folder.clone()));
    let required = module.into_iter().flat_map(|module| module.required.clone());
    let in_modules = own.into_iter().chain(required).find_map(|(base, folder)| {
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
    fn a_module_says_its_path_its_release_and_what_it_requires() {
        let module = read(
            "module example.com/app\n\ngo 1.21.3\n\nrequire a.b/C v1.0.0 // indirect\n\
             require (\n\tx.y/z v0.1.0\n)\n",
        );
        assert_eq!(module.path, "example.com/app");
        assert_eq!(module.go, Some((1, 21)));
        let required: Vec<_> = module.required.iter().map(|(path, _)| &**path).collect();
        assert_eq!(required, ["a.b/C", "x.y/z"]);
    }

    #[test]
    fn capitals_are_marked_in_the_module_cache() {
        assert_eq!(escaped("github.com/BurntSushi/toml"), "github.com/!burnt!sushi/toml");
    }

    #[test]
    fn folders_are_imported_by_their_place_in_a_module() {
        let module = Module {
            path: "example.com/app".to_owned(),
            folder: "/work/app".into(),
            ..Module::default()
        };
        let path = |folder: &str| import_path(Path::new(folder), Some(&module), None);
        assert_eq!(path("/work/app"), "example.com/app");
        assert_eq!(path("/work/app/cmd/x"), "example.com/app/cmd/x");
        assert_eq!(path("/elsewhere/pkg"), "pkg");
    }
}
