//! What the caller supplies: nodes, edges and sizes.

use crate::NodeId;

/// A heap as nodes and edges, read wherever it lies.
///
/// A node is asked for more than once, and must answer the same each time, in the same order. One
/// that does not costs figures or the build ([`BuildError::SourceChanged`](crate::BuildError)), but
/// neither a panic nor a loop without end.
///
/// The visitors are trait objects, so that a source can be one too: visitors that are inlined make a
/// generated heap of 10⁷ objects, whose edges cost nothing to find, less than a tenth faster.
pub trait Source {
    /// How many nodes there are: at most `u32::MAX - 2`.
    fn node_count(&self) -> usize;

    /// Visits the nodes that are held from outside, in order. They are the successors of a virtual
    /// root, which has no identifier.
    fn roots(&self, visit: &mut dyn FnMut(NodeId));

    /// Visits what a node points to, in order. Repeated targets and the node itself are allowed;
    /// targets from [`node_count`](Self::node_count) on are ignored and counted.
    fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId));

    /// Bytes of the node alone.
    fn size(&self, node: NodeId) -> u64;
}
