//! Which files there are: the folders of packages below some paths, and the Go that their modules ask for.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tophash_typecheck::GoMod;

/// Folders that hold no packages of the module.
const SKIPPED: [&str; 3] = ["testdata", "vendor", "node_modules"];

/// Folders are entered this deep.
const MAX_DEPTH: usize = 64;

/// Files that were asked for, out of their folder's.
pub(crate) type Named = BTreeSet<String>;

/// A folder with the Go files in it that are no tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folder {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) bytes: u64,
    pub(crate) module: Module,
    /// Nothing but what is about these is asked for. The others are read since they may have the delete.
    pub(crate) named: Option<Named>,
}

/// What `go.mod` says of a folder.
#[derive(Debug, Clone, Default)]
pub(crate) struct Module {
    /// The release that the `go` line names.
    pub(crate) go: Option<(u32, u32)>,
    /// The import path of the folder's package.
    pub(crate) import_path: Option<String>,
    /// The folder's path below that of the `go.mod`.
    pub(crate) below: Option<String>,
}

/// A path that could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) path: PathBuf,
    pub(crate) fault: std::io::Error,
}

/// Whether a path is left out: as it was typed, and as the system knows it.
pub(crate) type Excluded<'e> = dyn Fn(&Path, &Path) -> bool + 'e;

/// Finds the folders below some paths, each once. A path to a file means its folder, of which that file is
/// asked for.
pub(crate) fn folders(
    paths: &[PathBuf],
    excluded: &Excluded<'_>,
) -> (Vec<Folder>, Vec<Unreadable>) {
    let mut search = Search {
        excluded,
        modules: HashMap::new(),
        found: Vec::new(),
        by_whole: HashMap::new(),
        faults: Vec::new(),
    };
    for path in paths {
        let path = without_dots(path);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => search.enter(&path, MAX_DEPTH),
            Ok(_) => search.name(&path),
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
    excluded: &'e Excluded<'e>,
    modules: HashMap<PathBuf, Module>,
    found: Vec<Folder>,
    /// The same by whole paths, however they are typed. A folder without files has no number.
    by_whole: HashMap<PathBuf, Option<usize>>,
    faults: Vec<Unreadable>,
}

impl Search<'_> {
    fn enter(&mut self, folder: &Path, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let Some((number, inner)) = self.read(folder) else { return };
        // All of it is asked for, whatever files of it were.
        if let Some(folder) = number.and_then(|number| self.found.get_mut(number)) {
            folder.named = None;
        }
        for path in inner {
            self.enter(&path, depth);
        }
    }

    /// Asks for one file. It is read whatever it is called, and whatever is left out.
    fn name(&mut self, file: &Path) {
        let parent = file.parent().unwrap_or(Path::new(""));
        let folder = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let whole = whole(folder);
        let known = self.by_whole.get(&whole).copied();
        let is_new = known.is_none();
        let number = known.unwrap_or_else(|| self.read(folder).and_then(|(number, _)| number));
        let number = match number {
            Some(number) => number,
            None => {
                let module = self.module(folder);
                self.found.push(Folder { module, ..Folder::default() });
                self.by_whole.insert(whole, Some(self.found.len() - 1));
                self.found.len() - 1
            }
        };
        let Some(folder) = self.found.get_mut(number) else { return };
        if is_new {
            // The others are called as this one is.
            for path in &mut folder.files {
                *path = parent.join(path.file_name().unwrap_or_default());
            }
            folder.named = Some(Named::new());
        }
        let known = folder.files.iter().find(|path| path.file_name() == file.file_name());
        let called = known.map_or(file, PathBuf::as_path).to_string_lossy().into_owned();
        if known.is_none() {
            folder.bytes += fs::metadata(file).map_or(0, |metadata| metadata.len());
            folder.files.push(file.to_path_buf());
        }
        if let Some(named) = &mut folder.named {
            named.insert(called);
        }
    }

    /// Lists a folder: its number, if it has files, and the folders in it.
    fn read(&mut self, folder: &Path) -> Option<(Option<usize>, Vec<PathBuf>)> {
        let whole = whole(folder);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(fault) => {
                self.faults.push(Unreadable { path: folder.to_path_buf(), fault });
                return None;
            }
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        let (mut files, mut bytes, mut inner) = (Vec::new(), 0, Vec::new());
        for entry in entries {
            let name = entry.file_name();
            let path = entry.path();
            if name.to_string_lossy().starts_with(['.', '_'])
                || (self.excluded)(&path, &whole.join(&name))
            {
                continue;
            }
            // Links are not followed: they could lead in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            let name = name.to_string_lossy();
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_ref()) {
                    inner.push(path);
                }
            } else if kind.is_file() && name.ends_with(".go") && !name.ends_with("_test.go") {
                bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                files.push(path);
            }
        }
        if let Some(known) = self.by_whole.get(&whole) {
            return Some((*known, inner));
        }
        let number = (!files.is_empty()).then_some(self.found.len());
        if number.is_some() {
            let module = self.module(folder);
            self.found.push(Folder { files, bytes, module, named: None });
        }
        self.by_whole.insert(whole, number);
        Some((number, inner))
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
                let name = name.map(OsStr::to_string_lossy);
                let below = |above: String, root: &str| match (&name, above == root) {
                    (Some(name), true) => Some(name.clone().into_owned()),
                    (Some(name), false) => Some(format!("{above}/{name}")),
                    (None, _) => None,
                };
                Module {
                    go: found.go,
                    import_path: found.import_path.and_then(|above| below(above, "std")),
                    below: found.below.and_then(|above| below(above, "")),
                }
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
    Module {
        go,
        import_path: Some(module).filter(|path| !path.is_empty()),
        below: Some(String::new()),
    }
}

/// A folder's path as the system knows it.
fn whole(folder: &Path) -> PathBuf {
    fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf())
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
        let (found, faults) = folders(&[dir.path().to_path_buf()], &|_, _| false);
        assert!(faults.is_empty());
        assert_eq!(found[0].module.import_path.as_deref(), Some("example.org/a/web/api"));
        assert_eq!(found[0].module.below.as_deref(), Some("web/api"));
        assert_eq!(found[0].module.go, Some((1, 22)));
    }

    #[test]
    fn all_packages_below_are_meant_by_dots() {
        assert_eq!(without_dots(Path::new("./...")), Path::new("."));
        assert_eq!(without_dots(Path::new("a/b/...")), Path::new("a/b"));
        assert_eq!(without_dots(Path::new("...")), Path::new("."));
    }

    /// A folder with two files, a test and a folder with one more.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("in")).expect("a folder");
        for name in ["a.go", "b.go", "a_test.go", "in/c.go"] {
            fs::write(dir.path().join(name), "package a\n").expect("a file");
        }
        dir
    }

    /// The names of each folder's files, and those that are asked for.
    fn names(found: &[Folder]) -> Vec<(Vec<String>, Option<usize>)> {
        let name =
            |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
        let mut names: Vec<_> = found
            .iter()
            .map(|folder| {
                let named = folder.named.as_ref().map(BTreeSet::len);
                (folder.files.iter().map(name).collect::<Vec<_>>(), named)
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_brings_its_folder_and_no_folder_comes_twice() {
        let dir = tree();
        let of = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| dir.path().join(path)).collect();
            let (found, faults) = folders(&paths, &|_, _| false);
            assert!(faults.is_empty());
            names(&found)
        };
        let both = || vec!["a.go".to_owned(), "b.go".to_owned()];
        let inner = || (vec!["c.go".to_owned()], None);
        assert_eq!(of(&["a.go"]), [(both(), Some(1))]);
        assert_eq!(of(&["a.go", "in/../b.go", "./a.go"]), [(both(), Some(2))]);
        for whole in [&["", "a.go"][..], &["a.go", ""], &["", "in/.."], &["in", "", "in/c.go"]] {
            assert_eq!(of(whole), [(both(), None), inner()], "{whole:?}");
        }
        let with_test = [both(), vec!["a_test.go".to_owned()]].concat();
        assert_eq!(of(&["a_test.go"]), [(with_test, Some(1))]);
    }

    #[test]
    fn what_is_left_out_is_told_by_its_whole_path() {
        let dir = tree();
        let whole = whole(dir.path());
        let excluded = |_: &Path, path: &Path| path == whole.join("in");
        let (found, _) = folders(&[dir.path().join("in/..")], &excluded);
        assert_eq!(names(&found).len(), 1);
    }
}
