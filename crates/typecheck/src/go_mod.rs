//! `go.mod`: which modules a module needs, and where their source lies.

use std::path::{Path, PathBuf};

/// More lines are not read.
const MAX_LINES: usize = 100_000;

/// What a `go.mod` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoMod {
    /// The module's path.
    pub module: String,
    /// The release whose rules it is compiled by.
    pub go: Option<(u32, u32)>,
    /// Modules that it needs, with their versions.
    pub requires: Vec<(String, String)>,
    /// Modules that others take the place of: a path and version, or a folder.
    pub replaces: Vec<(String, Replacement)>,
}

/// What takes a module's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replacement {
    /// A folder, relative to that of `go.mod`.
    Folder(PathBuf),
    /// Another module.
    Module(String, String),
}

impl GoMod {
    /// Reads a `go.mod`. What it does not know is passed over.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        let mut block: Option<String> = None;
        for line in text.lines().take(MAX_LINES) {
            let line = line.split("//").next().unwrap_or_default();
            let mut words: Vec<&str> =
                line.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
            match (words.as_slice(), &block) {
                ([")"], _) => {
                    block = None;
                    continue;
                }
                ([word, "("], None) => {
                    block = Some((*word).to_owned());
                    continue;
                }
                _ => {}
            }
            if let Some(block) = &block {
                words.insert(0, block);
            }
            found.line(&words);
        }
        found
    }

    fn line(&mut self, words: &[&str]) {
        match words {
            ["module", path] => self.module = (*path).to_owned(),
            ["go", release] => {
                let mut numbers = release.split(['.', 'r', 'b']);
                let mut number = || numbers.next().and_then(|number| number.parse().ok());
                if let (Some(major), Some(minor)) = (number(), number()) {
                    self.go = Some((major, minor));
                }
            }
            ["require", path, version] => {
                self.requires.push(((*path).to_owned(), (*version).to_owned()));
            }
            ["replace", path, "=>", to @ ..] | ["replace", path, _, "=>", to @ ..] => {
                let replacement = match to {
                    [folder] => Replacement::Folder(PathBuf::from(folder)),
                    [path, version] => {
                        Replacement::Module((*path).to_owned(), (*version).to_owned())
                    }
                    _ => return,
                };
                self.replaces.push(((*path).to_owned(), replacement));
            }
            _ => {}
        }
    }

    /// Returns for each module that is needed where its source lies: beside `go.mod`, or in the folder into which
    /// Go unpacks modules (`go env GOMODCACHE`).
    pub fn folders(&self, here: &Path, cache: &Path) -> Vec<(String, PathBuf)> {
        let replaced = |path: &str| {
            self.replaces
                .iter()
                .find(|(other, _)| other == path)
                .map(|(_, replacement)| replacement)
        };
        let unpacked = |path: &str, version: &str| {
            cache.join(format!("{}@{}", escaped(path), escaped(version)))
        };
        let place = |path: &str, version: &str| match replaced(path) {
            Some(Replacement::Folder(folder)) => here.join(folder),
            Some(Replacement::Module(path, version)) => unpacked(path, version),
            None => unpacked(path, version),
        };
        let needed = self.requires.iter();
        needed.map(|(path, version)| (path.clone(), place(path, version))).collect()
    }
}

/// A path as it is spelled where upper and lower case may be the same.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(letter.to_ascii_lowercase());
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_where_go_unpacks_them() {
        let text = "module example.com/own // mine\n\ngo 1.22.3\n\nrequire (\n\
                    \tgithub.com/BurntSushi/toml v1.2.0\n\tx.org/y v0.1.0 // indirect\n)\n\
                    require z.org/z v1.0.0\nreplace x.org/y => ../y\n\
                    replace (\n\tz.org/z v1.0.0 => w.org/w v2.0.0\n)\n";
        let found = GoMod::parse(text);
        assert_eq!((found.module.as_str(), found.go), ("example.com/own", Some((1, 22))));
        let own = |path: &str, folder: &str| (path.to_owned(), PathBuf::from(folder));
        assert_eq!(
            found.folders(Path::new("/own"), Path::new("/cache")),
            [
                own("github.com/BurntSushi/toml", "/cache/github.com/!burnt!sushi/toml@v1.2.0"),
                own("x.org/y", "/own/../y"),
                own("z.org/z", "/cache/w.org/w@v2.0.0"),
            ]
        );
    }

    #[test]
    fn what_is_no_module_file_says_nothing() {
        for text in ["", ")))", "require (", "replace =>", "go x.y", "replace a b => \n module"] {
            assert!(GoMod::parse(text).requires.is_empty());
        }
    }
}
