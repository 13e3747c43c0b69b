//! Files as a code review names them: from the repository's root, wherever in it the command ran.
//!
//! The compiler's paths are relative to the folder that it was asked in.

use std::path::{Component, Path, PathBuf};

use tophash_escape::Position;

use super::revisions::git;

/// Where a folder lies in its repository.
pub(super) struct Repository {
    dir: PathBuf,
    /// The folder, from the root; none where paths can only be absolute.
    prefix: Option<PathBuf>,
}

impl Repository {
    /// Asks git; where there is no repository, the folder that the command runs in is taken for its root.
    pub(super) fn of(dir: &Path) -> Self {
        let in_repository = || git(dir, &["rev-parse", "--show-prefix"]).ok().map(PathBuf::from);
        let below_here = || {
            let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok()?;
            dir.strip_prefix(here).ok().map(Path::to_owned)
        };
        Self { dir: dir.to_owned(), prefix: in_repository().or_else(below_here) }
    }

    /// The file of a place. Those outside of the repository have their whole path.
    pub(super) fn name(&self, at: &Position) -> String {
        let file = Path::new(&*at.file);
        let inside = self.prefix.as_ref().and_then(|prefix| joined(prefix, file));
        let path = inside.filter(|_| file.is_relative()).or_else(|| joined(&self.dir, file));
        path.as_deref().unwrap_or(file).to_string_lossy().into_owned()
    }
}

/// A path without `.` and `..`; none where those lead out of it.
fn joined(folder: &Path, file: &Path) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.join(file).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                path.file_name()?;
                path.pop();
            }
            part => path.push(part),
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_root_of_the_repository() {
        let name = |prefix: Option<&str>, file: &str| {
            let dir = PathBuf::from("/w/repo/backend");
            let repository = Repository { dir, prefix: prefix.map(PathBuf::from) };
            repository.name(&Position { file: file.into(), line: 1, column: 0 })
        };
        assert_eq!(name(Some("backend/"), "./a.go"), "backend/a.go");
        assert_eq!(name(Some("backend/"), "../lib/a.go"), "lib/a.go");
        assert_eq!(name(Some("backend/"), "../../go/src/a.go"), "/w/go/src/a.go");
        assert_eq!(name(Some("backend/"), "/go/src/a.go"), "/go/src/a.go");
        assert_eq!(name(Some(""), "./a.go"), "a.go");
        assert_eq!(name(None, "./x/a.go"), "/w/repo/backend/x/a.go");
    }
}
