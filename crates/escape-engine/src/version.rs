//! What differs between Go releases in escape analysis.

use crate::leaks::Leaks;

/// A Go release whose rules are followed: 1.22 to 1.27.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoVersion {
    minor: u8,
}

impl GoVersion {
    /// The newest release whose rules are known.
    pub const NEWEST: Self = Self { minor: 27 };
    /// All of them, oldest first.
    pub const ALL: [Self; 6] = [
        Self { minor: 22 },
        Self { minor: 23 },
        Self { minor: 24 },
        Self { minor: 25 },
        Self { minor: 26 },
        Self { minor: 27 },
    ];

    /// The rules of `go1.minor`, if they are known.
    pub fn new(minor: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.minor == minor)
    }

    /// Reads `1.25`, `go1.25` or `go1.25.3`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("go").unwrap_or(text).strip_prefix("1.")?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Self::new(rest.get(..digits)?.parse().ok()?)
    }

    /// The second number of the release: 25 for 1.25.
    pub fn minor(self) -> u8 {
        self.minor
    }

    pub(crate) fn rules(self) -> Rules {
        let from = |minor| self.minor >= minor;
        Rules {
            largest_variable: if from(24) { 128 << 10 } else { 10 << 20 },
            largest_implicit: 64 << 10,
            makes_small_unsized: from(25),
            has_append_sites: from(25),
            sees_literals: from(25),
            sees_len_of_literal: from(26),
            sees_assigned_callees: from(27),
            any_pointer_word_is_direct: from(26),
            frees_bare_closures: from(24),
            drops_dead_locals: from(24),
            follows_interfaces: from(26),
        }
    }
}

impl std::fmt::Display for GoVersion {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "1.{}", self.minor)
    }
}

/// Rules of a release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Larger variables are not on the stack.
    pub(crate) largest_variable: u64,
    /// Larger allocations without a variable are not on the stack.
    pub(crate) largest_implicit: u64,
    /// A slice whose size is not constant may start on the stack.
    pub(crate) makes_small_unsized: bool,
    /// What `append` allocates has a location of its own, and a verdict.
    pub(crate) has_append_sites: bool,
    /// A variable that is set once, to a constant, counts as the constant.
    pub(crate) sees_literals: bool,
    /// So does the length of a literal.
    pub(crate) sees_len_of_literal: bool,
    /// A function variable that is set several times is called as all that it is set to.
    pub(crate) sees_assigned_callees: bool,
    /// An interface holds any value that is one pointer, whatever type it has.
    pub(crate) any_pointer_word_is_direct: bool,
    /// A literal that captures nothing is analysed by itself.
    pub(crate) frees_bare_closures: bool,
    /// What is assigned to variables that are never read is left out.
    pub(crate) drops_dead_locals: bool,
    /// The type in an interface variable is known if all that is assigned has it.
    pub(crate) follows_interfaces: bool,
}

/// Functions of other packages, and where their parameters leak to.
pub trait Imports {
    /// Returns what is known of a function, by a name such as `fmt.Println` or `(*bytes.Buffer).Write`: leaks of
    /// the receiver, if it has one, and of each parameter. None if nothing is known.
    fn leaks(&self, name: &str) -> Option<&[Leaks]>;

    /// Whether something is known of a function.
    fn is_known(&self, name: &str) -> bool {
        self.leaks(name).is_some()
    }
}

/// Knows no function of any other package.
#[derive(Debug, Clone, Copy)]
pub struct NoTable;

impl Imports for NoTable {
    fn leaks(&self, _name: &str) -> Option<&[Leaks]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_in_the_forms_that_go_has() {
        for text in ["1.25", "go1.25", "go1.25.5", "1.25rc1"] {
            assert_eq!(GoVersion::parse(text), GoVersion::new(25), "{text}");
        }
        for text in ["1.19", "2.25", "", "go1."] {
            assert_eq!(GoVersion::parse(text), None, "{text}");
        }
    }
}
