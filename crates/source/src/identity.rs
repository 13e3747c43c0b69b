//! Which map a finding is about, as programs, heaps and profiles know it.
//!
//! A heap knows a map by the variable or field that leads to it, a profile by the lines and functions that
//! allocate for it. Both spell names as the linker does: `main.sessions`, `example.org/web.(*Server).Serve`.

use serde::Serialize;

use crate::finding::Position;

/// A map as it is known outside of its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapIdentity {
    /// The package's import path, where a `go.mod` says so.
    pub import_path: Option<String>,
    /// The package's folder below that of its `go.mod`; empty for the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The package's name.
    pub package: String,
    /// What leads to the map.
    pub held: Held,
    /// The map's type as it is written, where that is short: `map[string]*Session`.
    #[serde(rename = "type")]
    pub ty: Option<String>,
    /// Statements that put entries in, in the order of the source.
    pub inserts: Vec<CodeLines>,
    /// Where maps are made that the variable or field gets.
    pub makes: Vec<CodeLines>,
}

/// The variable or field that leads to a map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Held {
    /// A variable of the package, with the fields from there on where its type has no name: `state.seen`.
    Variable {
        /// Without the package.
        name: String,
    },
    /// A field of a type that has a name.
    Field {
        /// The type, without the package.
        of: String,
        /// The field, with those from there on where its type has no name.
        name: String,
    },
    /// A variable of a function.
    Local {
        /// The function, as `Serve` or `Server.Serve`; none for the value of a variable of the package.
        function: Option<String>,
        /// The variable.
        name: String,
    },
}

/// Lines of a file that belong to one statement or expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CodeLines {
    /// Where it begins.
    pub at: Position,
    /// The line on which it ends.
    pub last_line: u32,
    /// The function around it, as `Serve` or `Server.Serve`; none for the value of a variable of the package.
    pub function: Option<String>,
}

impl CodeLines {
    /// Whether a line of the same file is one of these.
    pub fn has_line(&self, line: u32) -> bool {
        (self.at.line..=self.last_line).contains(&line)
    }

    /// Whether a symbol's name, its package taken off, is that of the function or of a closure in it:
    /// `(*Server).Serve.func1` is of `Server.Serve`.
    pub fn is_in(&self, symbol: &str) -> bool {
        self.function.as_deref().is_some_and(|function| is_of(function, symbol))
    }
}

impl MapIdentity {
    /// Whether symbols of a package by this path, `main` for programs, are this package's.
    pub fn is_of_package(&self, path: &str) -> bool {
        match (&self.import_path, path) {
            _ if self.package == "main" => path == "main",
            (Some(known), path) => known == path,
            // Without a go.mod, the last part is all there is to go by.
            (None, path) => path.rsplit('/').next() == Some(&self.package),
        }
    }
}

impl Held {
    /// The name that stands where the map is used.
    pub(crate) fn last_name(&self) -> &str {
        let (Self::Variable { name } | Self::Field { name, .. } | Self::Local { name, .. }) = self;
        name.rsplit('.').next().unwrap_or(name)
    }

    /// Whether a function's symbol, its package taken off, is that which has the variable, or a closure in it.
    pub fn is_local_of(&self, symbol: &str) -> bool {
        match self {
            Self::Local { function: Some(function), .. } => is_of(function, symbol),
            _ => false,
        }
    }
}

/// Whether a symbol belongs to a function: spelled like it, or a closure within, also where the function was
/// inlined into another (`init.newHandler.func1`). Type arguments and the marks of pointer receivers are
/// left out of account.
fn is_of(function: &str, symbol: &str) -> bool {
    let mut depth = 0_usize;
    let mut plain = String::with_capacity(symbol.len());
    for letter in symbol.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '(' | ')' | '*' => {}
            letter if depth == 0 => plain.push(letter),
            _ => {}
        }
    }
    let plain = plain.strip_suffix("-fm").unwrap_or(&plain);
    let is_end = |rest: &str| rest.is_empty() || rest.starts_with('.');
    if plain.strip_prefix(function).is_some_and(is_end) {
        return true;
    }
    plain.split_once(&format!(".{function}.")).is_some_and(|(_, rest)| rest.starts_with("func"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_told_to_belong_to_functions() {
        for symbol in
            ["Server.Serve", "(*Server).Serve", "(*Server[...]).Serve.func1.2", "Server.Serve-fm"]
        {
            assert!(is_of("Server.Serve", symbol), "{symbol}");
        }
        assert!(is_of("newHandler", "init.newHandler.func1"));
        assert!(!is_of("newHandler", "init.newHandler"));
        for symbol in ["Server.Server", "Serve", "(*Server).ServeHTTP", "glob..func1", ""] {
            assert!(!is_of("Server.Serve", symbol), "{symbol}");
        }
    }

    #[test]
    fn packages_are_known_by_path_and_programs_as_main() {
        let of = |import_path: Option<&str>, package: &str| MapIdentity {
            import_path: import_path.map(str::to_owned),
            folder: None,
            package: package.to_owned(),
            held: Held::Variable { name: "m".to_owned() },
            ty: None,
            inserts: Vec::new(),
            makes: Vec::new(),
        };
        assert!(of(Some("a.b/c"), "c").is_of_package("a.b/c"));
        assert!(!of(Some("a.b/c"), "c").is_of_package("x/c"));
        assert!(of(None, "c").is_of_package("x/c"));
        assert!(of(Some("a.b/cmd"), "main").is_of_package("main"));
        assert!(!of(Some("a.b/cmd"), "main").is_of_package("a.b/cmd"));
    }
}
