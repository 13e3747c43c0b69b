//! Which files there are: the folders of packages below some paths, and the Go that their modules ask for.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tophash_typecheck::GoMod;

/// Folders that hold no packages of the module.
const SKIPPED: [&str; 3] = ["testdata", "vendor", "node_modules"];

/// Folders are entered this deep.
const MAX_DEPTH: usize = 64;

/// A folder with the Go files in it that are no tests.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) bytes: u64,
    pub(crate) module: Module,
}

/// What `go.mod` says of a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Module {
    /// The release that the `go` line names.
    pub(crate) go: Option<(u32, u32)>,
    /// The import path of the folder's package.
    pub(crate) import_path: Option<String>,
}

/// A path that could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) fault: std::io::Error,
}

/// Finds the folders below some paths. A path to a file means that file alone.
pub(crate) fn folders(
    paths: &[PathBuf],
    excluded: &dyn Fn(&Path) -> bool,
) -> (Vec<Folder>, Vec<Unreadable>) {
    let mut search =
        Search { excluded, modules: HashMap::new(), found: Vec::new(), faults: Vec::new() };
    for path in paths {
        let path = without_dots(path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => search.enter(&path, MAX_DEPTH),
            Ok(metadata) => {
                let module = path.parent().map(|folder| search.module(folder));
                let module = module.unwrap_or_default();
                search.found.push(Folder { files: vec![path], bytes: metadata.len(), module });
            }
            Err(fault) => search.faults.push(Unreadable { path, fault }),
        }
    }
    // The largest first, so that no thread ends long after the others.
    search.found.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.files.cmp(&b.files)));
    (search.found, search.faults)
}

/// Takes `/...` off the end, by which the `go` command means all packages below.
fn without_dots(path: &Path) -> PathBuf {
    match (path.file_name() == Some(OsStr::new("...")), path.parent()) {
        (true, Some(folder)) if folder.as_os_str().is_empty() => PathBuf::from("."),
        (true, Some(folder)) => folder.to_path_buf(),
        _ => path.to_path_buf(),
    }
}

struct Search<'e> {
    excluded: &'e dyn Fn(&Path) -> bool,
    modules: HashMap<PathBuf, Module>,
    found: Vec<Folder>,
    faults: Vec<Unreadable>,
}

impl Search<'_> {
    fn enter(&mut self, folder: &Path, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(fault) => {
                self.faults.push(Unreadable { path: folder.to_path_buf(), fault });
                return;
            }
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        let (mut files, mut bytes, mut inner) = (Vec::new(), 0, Vec::new());
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let path = entry.path();
            if name.starts_with(['.', '_']) || (self.excluded)(&path) {
                continue;
            }
            // Links are not followed: they could lead in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_ref()) {
                    inner.push(path);
                }
            } else if kind.is_file() && name.ends_with(".go") && !name.ends_with("_test.go") {
                bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                files.push(path);
            }
        }
        if !files.is_empty() {
            let module = self.module(folder);
            self.found.push(Folder { files, bytes, module });
        }
        for path in inner {
            self.enter(&path, depth);
        }
    }

    /// Returns what the nearest `go.mod` says.
    fn module(&mut self, folder: &Path) -> Module {
        if let Some(known) = self.modules.get(folder) {
            return known.clone();
        }
        let module = match fs::read_to_string(folder.join("go.mod")) {
            Ok(text) => module_of(&text),
            Err(_) => {
                // A folder that is not named from where this runs is asked for its whole name.
                let named = folder.file_name().and(folder.parent()).map(Path::to_path_buf);
                let above = named.filter(|above| !above.as_os_str().is_empty());
                let whole = match above {
                    Some(_) => Some(folder.to_path_buf()),
                    None => fs::canonicalize(folder).ok(),
                };
                let above = above.or_else(|| Some(whole.as_deref()?.parent()?.to_path_buf()));
                let found = above.map(|above| self.module(&above)).unwrap_or_default();
                let name = whole.as_deref().and_then(Path::file_name);
                let import_path = found.import_path.zip(name).map(|(above, name)| {
                    let name = name.to_string_lossy();
                    if above == "std" { name.into_owned() } else { format!("{above}/{name}") }
                });
                Module { go: found.go, import_path }
            }
        };
        self.modules.insert(folder.to_path_buf(), module.clone());
        module
    }
}

/// What a `go.mod` says of its own folder. Without a `go` line, a module is of Go 1.16.
fn module_of(text: &str) -> Module {
    let GoMod { go, module, .. } = GoMod::parse(text);
    let names_one = || text.lines().any(|line| line.trim().starts_with("go "));
    let go = go.or_else(|| (!names_one()).then_some((1, 16)));
    Module { go, import_path: Some(module).filter(|path| !path.is_empty()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_is_read_from_the_go_line() {
        assert_eq!(module_of("module a\n\ngo 1.22.3\n").go, Some((1, 22)));
        assert_eq!(module_of("module a\ngo 1.23rc1 // soon\n").go, Some((1, 23)));
        assert_eq!(module_of("module a\n").go, Some((1, 16)));
        assert_eq!(module_of("go one\n").go, None);
    }

    #[test]
    fn import_paths_come_from_the_nearest_module() {
        let dir = tempfile::tempdir().expect("a folder");
        let inner = dir.path().join("web/api");
        fs::create_dir_all(&inner).expect("a folder");
        fs::write(dir.path().join("go.mod"), "module \"example.org/a\" // old\n\ngo 1.22\n")
            .expect("a file");
        fs::write(inner.join("a.go"), "package api\n").expect("a file");
        let (found, faults) = folders(&[dir.path().to_path_buf()], &|_| false);
        assert!(faults.is_empty());
        assert_eq!(found[0].module.import_path.as_deref(), Some("example.org/a/web/api"));
        assert_eq!(found[0].module.go, Some((1, 22)));
    }

    #[test]
    fn all_packages_below_are_meant_by_dots() {
        assert_eq!(without_dots(Path::new("./...")), Path::new("."));
        assert_eq!(without_dots(Path::new("a/b/...")), Path::new("a/b"));
        assert_eq!(without_dots(Path::new("...")), Path::new("."));
    }
}
