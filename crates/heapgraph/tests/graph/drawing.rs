//! Heaps drawn as lists of edges.

use tophash_heapgraph::{HeapGraph, NodeId, Source};

/// A heap with its edges spelled out; node *i* has 2^(*i* mod 40) bytes, so that small sums say
/// what is in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Drawing {
    /// What is held from outside.
    pub(crate) roots: Vec<u32>,
    /// By node: where it points.
    pub(crate) targets: Vec<Vec<u32>>,
}

impl Drawing {
    /// A heap of nodes `0..count`, of which some are roots, with these edges.
    pub(crate) fn new(count: usize, roots: &[u32], edges: &[(u32, u32)]) -> Self {
        let mut targets = vec![Vec::new(); count];
        for &(from, to) in edges {
            targets[from as usize].push(to);
        }
        Self { roots: roots.to_vec(), targets }
    }

    /// Its graph.
    pub(crate) fn graph(&self) -> HeapGraph {
        HeapGraph::build(self, &mut |_, _, _| {}).expect("a graph")
    }

    /// All nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        (0..self.targets.len() as u32).map(NodeId::new)
    }

    /// Bytes of some nodes.
    pub(crate) fn bytes(&self, nodes: impl IntoIterator<Item = NodeId>) -> u64 {
        nodes.into_iter().map(|node| self.size(node)).sum()
    }
}

impl Source for Drawing {
    fn node_count(&self) -> usize {
        self.targets.len()
    }

    fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
        self.roots.iter().for_each(|&root| visit(NodeId::new(root)));
    }

    fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId)) {
        self.targets[node.index()].iter().for_each(|&target| visit(NodeId::new(target)));
    }

    fn size(&self, node: NodeId) -> u64 {
        1 << (node.index() % 40)
    }
}
