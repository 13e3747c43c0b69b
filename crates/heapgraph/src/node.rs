//! Nodes by index.

use std::fmt;

/// Index of a node: the objects of the heap and, after them, pseudo nodes such as a global
/// variable, a goroutine or an entry of the finalizer table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The node with this index.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its index, as one into arrays of all nodes.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its index, as it was given.
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
