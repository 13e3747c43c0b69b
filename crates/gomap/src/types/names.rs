//! Where named types come from.

use std::sync::Arc;

use super::GoType;
use super::error::SourceText;

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum Definition {
    /// A type whose structure is known.
    Type {
        /// The type.
        ty: GoType,
        /// As `reflect` prints it.
        spelling: String,
    },
    /// A declaration in source.
    Source {
        /// The text.
        text: Arc<SourceText>,
        /// Where in it the type starts that is declared, in bytes.
        at: usize,
        /// The names of type parameters.
        parameters: Arc<[String]>,
        /// As `reflect` prints the declared type's name; none of an alias, which has no name of its
        /// own.
        spelling: Option<String>,
        /// The package's path or name, in which names without a package are looked up.
        package: String,
    },
    /// Several types of that name, which differ.
    Ambiguous,
    /// A type whose structure is not known.
    Opaque,
}

/// A constant's expression in source.
#[derive(Debug, Clone)]
pub struct ConstantDefinition {
    pub(super) text: Arc<SourceText>,
    pub(super) at: usize,
    pub(super) iota: i128,
    pub(super) package: String,
}

/// Knows named types.
pub trait TypeNames {
    /// Finds what a name stands for. `package` is what stands before it, or the package that it is
    /// used in; none for a name that was typed without.
    fn find(&self, package: Option<&str>, name: &str) -> Option<Definition>;

    /// Finds a constant.
    fn constant(&self, package: Option<&str>, name: &str) -> Option<ConstantDefinition> {
        let _ = (package, name);
        None
    }
}

/// The first of two that knows a name.
impl<A: TypeNames + ?Sized, B: TypeNames + ?Sized> TypeNames for (&A, &B) {
    fn find(&self, package: Option<&str>, name: &str) -> Option<Definition> {
        self.0.find(package, name).or_else(|| self.1.find(package, name))
    }

    fn constant(&self, package: Option<&str>, name: &str) -> Option<ConstantDefinition> {
        self.0.constant(package, name).or_else(|| self.1.constant(package, name))
    }
}

/// A package's name, by its path: the last part that is no version, up to a dot, which no name has
/// (`gopkg.in/yaml.v3` is `yaml`).
pub(super) fn last_part(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or(path);
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
    let part = match parts.next() {
        Some(before) if is_version(last) => before,
        _ => last,
    };
    part.split('.').find(|name| !name.is_empty()).unwrap_or(part)
}
