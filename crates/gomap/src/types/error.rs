//! What can be wrong with a type as a person wrote it.

use std::fmt;
use std::sync::Arc;

/// A piece of Go source: what was typed, or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// The file's name; none for what was typed.
    pub file: Option<String>,
    /// The text.
    pub text: String,
}

/// A fault in a type, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TypeError {
    /// What is wrong.
    pub fault: TypeFault,
    /// The text it is in.
    pub source_text: Arc<SourceText>,
    /// Where in the text, in bytes.
    pub at: usize,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TypeFault {
    /// Something else should stand there.
    #[error("{wanted} should stand here")]
    Expected {
        /// What should stand there.
        wanted: &'static str,
    },
    /// Behind the type there is more.
    #[error("the type ends before this")]
    TrailingText,
    /// It is a type, but not of maps.
    #[error("{found} is no map type; one is written map[K]V")]
    NotAMap {
        /// What it is.
        found: String,
    },
    /// A name that nothing declares.
    #[error(
        "no type {name} is known: name the Go file, the folder of the package or the program that \
         declares it with --types"
    )]
    UnknownType {
        /// The name.
        name: String,
    },
    /// A constant that nothing declares, or that is not simple.
    #[error("the value of {name} is not known here: write the number")]
    UnknownConstant {
        /// The name.
        name: String,
    },
    /// A constant expression has no value.
    #[error("this is no constant that fits an int")]
    NoValue,
    /// An array has fewer than no elements.
    #[error("an array can't have {len} elements")]
    NegativeLength {
        /// What was given.
        len: i128,
    },
    /// A type of keys that can't be compared.
    #[error("{key} can't be a key: {part} can't be compared with ==")]
    NotComparable {
        /// The key.
        key: String,
        /// The part that can't be.
        part: String,
    },
    /// A value that would contain itself.
    #[error("{name} contains itself without a pointer between")]
    Recursive {
        /// The type.
        name: String,
    },
    /// Larger than Go allows.
    #[error("{name} is larger than Go allows (1 PiB)")]
    TooLarge {
        /// The type.
        name: String,
    },
    /// Nested too deeply, or of too many parts.
    #[error("the type is nested too deeply or has too many parts")]
    TooComplex,
    /// A generic type got another number of arguments than it has parameters.
    #[error("{name} takes {wanted} type arguments and got {got}")]
    Arguments {
        /// The generic type.
        name: String,
        /// How many it takes.
        wanted: usize,
        /// How many it got.
        got: usize,
    },
    /// An interface that only constrains type parameters.
    #[error("an interface with ~ or | constrains type parameters and has no values")]
    Constraint,
    /// `comparable` stands where a type should.
    #[error("{name} constrains type parameters and has no values")]
    NotAValueType {
        /// The name.
        name: String,
    },
    /// Types of one name that differ.
    #[error("several types are called {name}, and differ: write the package's whole path")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// A type whose structure the program does not tell.
    #[error("the program does not tell what {name} is made of")]
    Opaque {
        /// The name.
        name: String,
    },
}

impl fmt::Display for TypeError {
    /// Prints the fault, the line, and a mark under the character.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.source_text.text;
        let at = (0..=self.at.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        let (before, after) = text.split_at(at.unwrap_or(0));
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = after.find('\n').map_or(text.len(), |newline| before.len() + newline);
        let line: String = visible(text.get(line_start..line_end).unwrap_or_default());
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        write!(f, "{}", self.fault)?;
        if let Some(file) = &self.source_text.file {
            let number = before.matches('\n').count() + 1;
            write!(f, " ({file}:{number}:{})", column + 1)?;
        }
        // Of a long line, the part around the fault.
        let skipped = column.saturating_sub(60);
        let shown: String = line.chars().skip(skipped).take(100).collect();
        write!(f, "\n  {shown}\n  {}^", " ".repeat(column - skipped))
    }
}

/// Takes tabs and control characters out, one character for one.
fn visible(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_character() {
        let error = TypeError {
            fault: TypeFault::UnknownType { name: "Sessio".to_owned() },
            source_text: Arc::new(SourceText {
                file: Some("a.go".to_owned()),
                text: "package a\ntype ß struct {\tx Sessio }\n".to_owned(),
            }),
            at: 29,
        };
        let text = error.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with("(a.go:2:19)"), "{text}");
        assert_eq!(lines[1].find('S').map(|at| at - 1), lines[2].find('^'), "{text}");
    }
}
