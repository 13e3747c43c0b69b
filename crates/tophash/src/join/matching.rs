//! Which map of a heap a finding in source is about.
//!
//! By what holds the map, where that has a name: the variable, or the field of a type. Else by the line that
//! allocated its largest array, which is a statement that puts entries in; and at last, for a variable that
//! a stripped program has no name for, by the functions that use it. A map whose holder has a name that no
//! finding has is not looked for any further, and types must agree wherever both are known.

use std::collections::HashMap;

use tophash_escape::{base_name, folders_for, split_symbol};
use tophash_gomap::MapHolder;
use tophash_source::{Finding, Held, MapIdentity};

use super::known_map::KnownMap;

/// How a map was known again, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Matched {
    Variable,
    Field,
    Local,
    Line,
    Function,
}

impl Matched {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Variable => "variable",
            Self::Field => "field",
            Self::Local => "local",
            Self::Line => "line",
            Self::Function => "function",
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Variable => "by its variable",
            Self::Field => "by its field",
            Self::Local => "by its variable and function",
            Self::Line => "by the line that allocated it",
            Self::Function => "by the functions that use it",
        }
    }
}

/// The innermost calls that may stand for the insertion: code that was inlined into it comes before.
pub(super) const MAX_CALLS: usize = 4;

/// Of the maps of findings, those whose package some code can be of, by the path in its symbols and its file,
/// wherever it was built. Every program is called `main`, and most have a `main.go`: of several, it is the one
/// that most folders speak for.
pub(crate) fn of_code<'i>(
    maps: impl Iterator<Item = (usize, &'i MapIdentity)>,
    path: &str,
    file: &str,
) -> Vec<(usize, &'i MapIdentity)> {
    let rated = maps.filter(|(_, map)| map.is_of_package(path)).filter_map(|(number, map)| {
        let folders = match (&map.folder, path) {
            (Some(below_root), "main") => {
                let import_path = map.import_path.as_deref().unwrap_or_default();
                folders_for(file, import_path, Some(below_root), "")?
            }
            _ => 0,
        };
        Some((folders, number, map))
    });
    let rated: Vec<_> = rated.collect();
    let most = rated.iter().map(|(folders, ..)| *folders).max();
    let best = rated.into_iter().filter(|(folders, ..)| Some(*folders) == most);
    best.map(|(_, number, map)| (number, map)).collect()
}

/// Findings by what their maps are called.
pub(crate) struct Index<'f> {
    findings: &'f [Finding],
    by_variable: HashMap<&'f str, Vec<usize>>,
    /// By package, type and field.
    by_field: HashMap<(&'f str, &'f str, &'f str), Vec<usize>>,
    by_local: HashMap<&'f str, Vec<usize>>,
    /// By the file's last part.
    by_file: HashMap<&'f str, Vec<usize>>,
}

impl<'f> Index<'f> {
    pub(crate) fn new(findings: &'f [Finding]) -> Self {
        let mut index = Self {
            findings,
            by_variable: HashMap::new(),
            by_field: HashMap::new(),
            by_local: HashMap::new(),
            by_file: HashMap::new(),
        };
        for (number, finding) in findings.iter().enumerate() {
            let Some(map) = &finding.map else { continue };
            match &map.held {
                Held::Variable { name } => index.by_variable.entry(name).or_default(),
                Held::Field { of, name } => {
                    index.by_field.entry((&map.package, of, name)).or_default()
                }
                Held::Local { name, .. } => index.by_local.entry(name).or_default(),
            }
            .push(number);
            let lines = map.inserts.iter().chain(&map.makes);
            let mut files: Vec<&str> = lines.map(|lines| base_name(&lines.at.path)).collect();
            files.sort_unstable();
            files.dedup();
            for file in files {
                index.by_file.entry(file).or_default().push(number);
            }
        }
        index
    }

    /// Finds what explains a map: findings by their number.
    pub(crate) fn find(&self, map: &KnownMap) -> Vec<(usize, Matched)> {
        match &map.holder {
            // The inside of a sync.Map is explained with it.
            _ if map.is_part => Vec::new(),
            Some(MapHolder::Variable(symbol)) => self.of_variable(symbol),
            Some(MapHolder::Field { of, name }) => self.of_field(of, name, map),
            Some(MapHolder::Local { function, name: Some(name) }) => self.of_local(function, name),
            Some(MapHolder::Local { function, name: None }) => {
                let by_line = self.of_line(map);
                if by_line.is_empty() { self.of_nameless_local(function, map) } else { by_line }
            }
            None => {
                let by_line = self.of_line(map);
                if by_line.is_empty() { self.of_users(map) } else { by_line }
            }
        }
    }

    fn identity(&self, number: usize) -> Option<&'f MapIdentity> {
        self.findings.get(number)?.map.as_ref()
    }

    fn of_variable(&self, symbol: &str) -> Vec<(usize, Matched)> {
        let (path, name) = split_symbol(symbol);
        let known = self.by_variable.get(name).into_iter().flatten();
        known
            .filter(|number| {
                self.identity(**number).is_some_and(|identity| identity.is_of_package(&path))
            })
            .map(|number| (*number, Matched::Variable))
            .collect()
    }

    /// Types are spelled with the package's name alone: where several packages have it, the calls that
    /// allocated the map may tell.
    fn of_field(&self, of: &str, name: &str, map: &KnownMap) -> Vec<(usize, Matched)> {
        let plain = of.split('[').next().unwrap_or(of);
        let Some((package, ty)) = plain.split_once('.') else { return Vec::new() };
        let Some(known) = self.by_field.get(&(package, ty, name)) else { return Vec::new() };
        let is_of_calls = |number: &&usize| {
            self.identity(**number).is_some_and(|identity| {
                map.calls.iter().any(|call| identity.is_of_package(&split_symbol(&call.function).0))
            })
        };
        let sure: Vec<usize> = known.iter().filter(is_of_calls).copied().collect();
        let chosen = if sure.is_empty() { known.clone() } else { sure };
        chosen.into_iter().map(|number| (number, Matched::Field)).collect()
    }

    fn of_local(&self, function: &str, name: &str) -> Vec<(usize, Matched)> {
        let (path, rest) = split_symbol(function);
        let known = self.by_local.get(name).into_iter().flatten();
        known
            .filter(|number| {
                self.identity(**number).is_some_and(|identity| {
                    identity.is_of_package(&path) && identity.held.is_local_of(rest)
                })
            })
            .map(|number| (*number, Matched::Local))
            .collect()
    }

    /// The one variable that it can be, of those that the function has.
    fn of_nameless_local(&self, function: &str, map: &KnownMap) -> Vec<(usize, Matched)> {
        let (path, rest) = split_symbol(function);
        let known = self.by_local.values().flatten().filter(|number| {
            self.identity(**number).is_some_and(|identity| {
                identity.is_of_package(&path)
                    && identity.held.is_local_of(rest)
                    && may_be_of_type(identity, map)
            })
        });
        let found: Vec<_> = known.map(|number| (*number, Matched::Local)).collect();
        if found.len() == 1 { found } else { Vec::new() }
    }

    fn of_line(&self, map: &KnownMap) -> Vec<(usize, Matched)> {
        map.calls
            .iter()
            .take(MAX_CALLS)
            .map(|call| {
                let (path, _) = split_symbol(&call.function);
                let file = base_name(&call.file);
                let known = self.by_file.get(file).into_iter().flatten();
                let known = known.filter_map(|number| Some((*number, self.identity(*number)?)));
                let known = of_code(known, &path, &call.file).into_iter();
                let of_line = known.filter(|(_, identity)| {
                    let mut lines = identity.inserts.iter().chain(&identity.makes);
                    may_be_of_type(identity, map)
                        && lines.any(|lines| {
                            base_name(&lines.at.path) == file && lines.has_line(call.line)
                        })
                });
                of_line.map(|(number, _)| (number, Matched::Line)).collect::<Vec<_>>()
            })
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    fn of_users(&self, map: &KnownMap) -> Vec<(usize, Matched)> {
        if map.users.is_empty() {
            return Vec::new();
        }
        let users: Vec<_> = map.users.iter().map(|user| split_symbol(user)).collect();
        let known = self.by_variable.values().flatten().filter(|number| {
            self.identity(**number).is_some_and(|identity| {
                may_be_of_type(identity, map)
                    && users.iter().any(|(path, function)| {
                        identity.is_of_package(path)
                            && identity.inserts.iter().any(|lines| lines.is_in(function))
                    })
            })
        });
        let mut found: Vec<_> = known.map(|number| (*number, Matched::Function)).collect();
        found.sort_unstable();
        found
    }
}

/// Whether a map can be of the type that source has for it, as far as both are known.
fn may_be_of_type(identity: &MapIdentity, map: &KnownMap) -> bool {
    let Some(written) = identity.ty.as_deref().and_then(plain_type) else { return true };
    let known: Option<Vec<String>> = map.types.iter().map(|ty| plain_type(ty)).collect();
    // A map that was never written to has no type.
    known.is_none_or(|known| known.is_empty() || known.contains(&written))
}

/// A type without the names of packages, and in one spelling; `None` where spellings can't be compared.
fn plain_type(ty: &str) -> Option<String> {
    if ty.contains("struct") || ty.contains("func(") || ty.contains('…') {
        return None;
    }
    let ty = ty.replace("interface {}", "any").replace("interface{}", "any");
    let mut out = String::new();
    let mut word = String::new();
    for letter in ty.chars().chain([' ']) {
        if letter.is_alphanumeric() || matches!(letter, '_' | '/' | '-') {
            word.push(letter);
            continue;
        }
        // A package's name, or a path in type arguments, goes.
        if letter != '.' {
            out.push_str(match word.as_str() {
                "byte" => "uint8",
                "rune" => "int32",
                word => word,
            });
        }
        word.clear();
        if !matches!(letter, '.' | ' ') {
            out.push(letter);
        }
    }
    // The length of an array may be a constant's name.
    let has_array = out.match_indices('[').any(|(at, _)| {
        !out.get(..at).is_some_and(|before| before.ends_with("map"))
            && !out.get(at..).is_some_and(|rest| rest.starts_with("[]"))
    });
    (!has_array).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(module: &str, folder: &str) -> MapIdentity {
        let import_path =
            if folder.is_empty() { module.to_owned() } else { format!("{module}/{folder}") };
        MapIdentity {
            import_path: Some(import_path),
            folder: Some(folder.to_owned()),
            package: "main".to_owned(),
            held: Held::Variable { name: "m".to_owned() },
            ty: None,
            inserts: Vec::new(),
            makes: Vec::new(),
        }
    }

    fn owners<'m>(known: &'m [MapIdentity], path: &str, file: &str) -> Vec<&'m str> {
        let found = of_code(known.iter().enumerate(), path, file);
        found.into_iter().filter_map(|(_, map)| map.import_path.as_deref()).collect()
    }

    #[test]
    fn programs_are_told_apart_by_the_folders_of_their_files() {
        let known = ["", "cmd/a", "cmd/b"].map(|folder| program("a.b/two", folder));
        for front in ["/home/u/two", "a.b/two", "/src"] {
            let of = |file: &str| owners(&known, "main", &format!("{front}/{file}"));
            assert_eq!(of("cmd/a/main.go"), ["a.b/two/cmd/a"], "{front}");
            assert_eq!(of("cmd/b/main.go"), ["a.b/two/cmd/b"], "{front}");
            assert_eq!(of("main.go"), ["a.b/two"], "{front}");
        }
        assert!(owners(&known[1..], "main", "/src/mycmd/a/main.go").is_empty());
        assert!(owners(&known[1..], "main", "main.go").is_empty());
        assert!(owners(&known, "a.b/c", "/src/main.go").is_empty());
        let modules = ["x", "y"].map(|module| program(module, ""));
        assert_eq!(owners(&modules, "main", "y/main.go"), ["y"], "as -trimpath leaves it");
        assert_eq!(owners(&modules, "main", "/src/main.go").len(), 2);
    }

    #[test]
    fn types_are_compared_without_packages() {
        assert_eq!(plain_type("map[string]*main.Session"), plain_type("map[string]*Session"));
        assert_eq!(plain_type("map[netip.Addr][]byte"), plain_type("map[netip.Addr][]uint8"));
        assert_eq!(plain_type("map[string]interface {}"), plain_type("map[string]any"));
        assert_ne!(plain_type("map[string]int"), plain_type("map[string]int64"));
        assert_eq!(plain_type("map[[sha256.Size]byte]int"), None);
        assert_eq!(plain_type("map[string]struct {}"), None);
    }
}
