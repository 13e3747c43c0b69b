//! The text of source files that a profile names.
//!
//! A profile may name any path. Only regular files of a moderate size that are called like source are
//! opened: no devices, no secrets, nothing that never ends.

use std::path::{Path, PathBuf};

const LARGEST: u64 = 16 << 20;
const ENDINGS: [&str; 8] = ["go", "s", "c", "h", "cc", "cpp", "rs", "y"];

/// Reads a source file: where the profile says, or by the end of its path in one of the folders.
pub(super) fn read(file: &str, folders: &[PathBuf]) -> Result<String, String> {
    let path = find(file, folders)?;
    let bytes = std::fs::read(&path).map_err(|fault| format!("{}: {fault}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Finds a source file that can be read.
pub(super) fn find(file: &str, folders: &[PathBuf]) -> Result<PathBuf, String> {
    let path = Path::new(file);
    let is_source = path
        .extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| ENDINGS.contains(&ending));
    if !is_source {
        return Err(format!("{file} is not called like source"));
    }
    let parts: Vec<_> = path.iter().collect();
    let climbs = parts.iter().any(|part| *part == "..");
    let in_folder = |folder: &PathBuf| {
        let ends = (0..parts.len()).map(|start| parts[start..].iter().collect::<PathBuf>());
        let inside = ends.filter(|end| end.is_relative()).map(|end| folder.join(end));
        inside.collect::<Vec<_>>()
    };
    let mut candidates = vec![path.to_owned()];
    if !climbs {
        candidates.extend(folders.iter().flat_map(in_folder));
    }
    for candidate in candidates {
        let Ok(about) = std::fs::metadata(&candidate) else { continue };
        if about.is_file() && about.len() <= LARGEST {
            return Ok(candidate);
        }
    }
    Err(format!("{file} is not here; --source DIR says where the sources are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_source_is_read_and_found_by_the_end_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("cache")).unwrap();
        std::fs::write(folder.path().join("cache/a.go"), "package cache\n").unwrap();
        let folders = [folder.path().to_owned()];
        assert_eq!(read("/build/x/cache/a.go", &folders).unwrap(), "package cache\n");
        assert!(read("/build/x/cache/b.go", &folders).unwrap_err().contains("--source"));
        assert!(read("/etc/passwd", &folders).unwrap_err().contains("not called like source"));
        assert!(read("/build/../cache/a.go", &folders).is_err());
    }
}
