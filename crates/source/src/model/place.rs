//! Where a map lives: the variable or field that rules speak of.
//!
//! Fields are told apart by type and name, not by object: all values of a type share their places. So a
//! delete on any of them counts for all.

/// What holds the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Root<'a> {
    /// A variable of the package.
    Global(&'a str),
    /// A field of a type of the package.
    Type(&'a str),
    /// A variable of a function, by where it is declared.
    Local { file: usize, at: usize, name: &'a str },
    /// A parameter of a function, by the function's number and its own; the receiver is [`RECEIVER`].
    Parameter { function: usize, index: usize },
}

/// The receiver's number among parameters.
pub(crate) const RECEIVER: usize = usize::MAX;

/// A place: what holds the map, and the fields from there on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place<'a> {
    pub(crate) root: Root<'a>,
    pub(crate) fields: Vec<&'a str>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(root: Root<'a>) -> Self {
        Self { root, fields: Vec::new() }
    }

    pub(crate) fn field(mut self, name: &'a str) -> Self {
        self.fields.push(name);
        self
    }

    /// Returns the name that other packages would use last.
    pub(crate) fn last_name(&self) -> Option<&'a str> {
        self.fields.last().copied().or(match self.root {
            Root::Global(name) | Root::Local { name, .. } => Some(name),
            Root::Type(_) | Root::Parameter { .. } => None,
        })
    }

    /// Spells the place as people would: `sessions`, `Server.sessions`.
    pub(crate) fn spell(&self) -> String {
        let root = match self.root {
            Root::Global(name) | Root::Type(name) | Root::Local { name, .. } => name,
            Root::Parameter { .. } => "parameter",
        };
        let mut text = root.to_owned();
        for field in &self.fields {
            text.push('.');
            text.push_str(field);
        }
        text
    }
}
