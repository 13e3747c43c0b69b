//! The graph as it is asked.

use std::iter;

use crate::error::BuildError;
use crate::numbering::Numbering;
use crate::rows::Rows;
use crate::tree::DominatorTree;
use crate::{NodeId, Source, Stage, dominators, freed, referrers};

/// What is reachable, what holds it, and how much that is.
///
/// The crate's documentation says what it needs of memory and time.
pub struct HeapGraph {
    /// By node: its number, or 0.
    numbers: Vec<u32>,
    /// By number: its node.
    order: Vec<u32>,
    /// By number: numbers of what points there, breadth first; 0 is the virtual root.
    rows: Rows,
    tree: DominatorTree,
    root_edges: u64,
    ignored_edges: u64,
}

impl HeapGraph {
    /// Reads a heap and computes all of it that takes time.
    ///
    /// `progress` is told the stage, how much of it is done, and how much there is to do.
    ///
    /// # Errors
    ///
    /// When there are more nodes or edges than numbers for them, too little memory, or the source
    /// answers differently the second time.
    pub fn build(
        source: &impl Source,
        progress: &mut dyn FnMut(Stage, u64, u64),
    ) -> Result<Self, BuildError> {
        let mut numbering = Numbering::new(source, progress)?;
        referrers::fill(source, &mut numbering, progress)?;
        let Numbering { numbers, order, mut parents, rows, root_edges, ignored_edges } = numbering;
        dominators::immediate_dominators(&mut parents, &rows, progress)?;
        let tree = DominatorTree::new(parents, &order, source, progress)?;
        Ok(Self { numbers, order, rows, tree, root_edges, ignored_edges })
    }

    /// Whether a root leads to the node.
    pub fn is_reachable(&self, node: NodeId) -> bool {
        self.number(node).is_some()
    }

    /// Whether the node is itself a root.
    pub fn is_root(&self, node: NodeId) -> bool {
        self.referrers(node).first() == Some(&0)
    }

    /// How many nodes are reachable, pseudo nodes included.
    pub fn reachable_count(&self) -> u64 {
        self.order.len() as u64 - 1
    }

    /// Bytes of all that is reachable.
    pub fn reachable_bytes(&self) -> u64 {
        self.tree.retained(0)
    }

    /// Edges between reachable nodes, repeated ones as often as they occur.
    pub fn edge_count(&self) -> u64 {
        self.rows.room() - self.root_edges
    }

    /// Edges and roots that were ignored, because there is no such node.
    pub fn ignored_edge_count(&self) -> u64 {
        self.ignored_edges
    }

    /// Bytes that would become unreachable without the node, its own included; 0 for one that is
    /// not reachable.
    pub fn retained(&self, node: NodeId) -> u64 {
        self.number(node).map_or(0, |number| self.tree.retained(number))
    }

    /// How many nodes would become unreachable without the node, itself included.
    pub fn retained_objects(&self, node: NodeId) -> u64 {
        self.number(node).map_or(0, |number| self.tree.dominated_count(number).into())
    }

    /// The nearest other node without which the node would be unreachable; none if no node alone
    /// holds it, or if it is unreachable as it is.
    pub fn dominator(&self, node: NodeId) -> Option<NodeId> {
        self.node(self.tree.dominator(self.number(node)?))
    }

    /// Whether every path from a root to `node` leads through `above`. A node dominates itself;
    /// what is not reachable neither dominates nor is dominated.
    pub fn dominates(&self, above: NodeId, node: NodeId) -> bool {
        let (Some(above), Some(node)) = (self.number(above), self.number(node)) else {
            return false;
        };
        self.tree.range(above).contains(&self.tree.range(node).start)
    }

    /// All that would become unreachable without the node, itself first, each after its dominator.
    pub fn dominated(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let numbers = self.number(node).map(|number| self.tree.dominated(number));
        numbers.unwrap_or_default().iter().filter_map(|&number| self.node(number))
    }

    /// What has the node as its [`dominator`](Self::dominator); for `None`, all that no node alone
    /// holds.
    pub fn immediately_dominated(&self, node: Option<NodeId>) -> impl Iterator<Item = NodeId> {
        let number = node.map_or(Some(0), |node| self.number(node));
        let numbers = number.map(|number| self.tree.immediately_dominated(number));
        numbers.into_iter().flatten().filter_map(|number| self.node(number))
    }

    /// Bytes that the nodes retain one by one, nothing counted twice: the sum over those that no
    /// other of them dominates.
    ///
    /// This is at most what removing all of them would free, which
    /// [`freed_without`](Self::freed_without) finds: an object that two of the nodes hold is
    /// retained by neither.
    pub fn retained_by_set(&self, nodes: impl IntoIterator<Item = NodeId>) -> u64 {
        let numbers = nodes.into_iter().filter_map(|node| self.number(node));
        let mut ranges: Vec<_> =
            numbers.map(|number| (self.tree.range(number), self.tree.retained(number))).collect();
        ranges.sort_unstable_by_key(|(range, _)| range.start);
        let mut end = 0;
        let mut sum = 0_u64;
        for (range, bytes) in ranges {
            if range.start >= end {
                sum = sum.saturating_add(bytes);
                end = range.end;
            }
        }
        sum
    }

    /// Bytes that would become unreachable without all of these nodes, their own included.
    ///
    /// Marks the whole heap once, without entering them: as long as a stage of the build. `source`
    /// must be the one that the graph was built from.
    ///
    /// # Errors
    ///
    /// When there is too little memory: a bit for each reachable node and, at worst, four bytes.
    pub fn freed_without(&self, source: &impl Source, nodes: &[NodeId]) -> Result<u64, BuildError> {
        let removed = nodes.iter().filter_map(|&node| self.number(node));
        let number_of = |node| self.number(node);
        let kept = freed::bytes_without(source, &self.order, number_of, removed)?;
        Ok(self.reachable_bytes().saturating_sub(kept))
    }

    /// A path with the fewest steps, from a root to the node; empty if there is none.
    ///
    /// Among several, it takes what comes first among the roots and successors of the source.
    pub fn shortest_path(&self, node: NodeId) -> Vec<NodeId> {
        let mut path = Vec::new();
        let mut at = self.number(node).unwrap_or(0);
        // The bound matters only if the source's two answers differed.
        while let Some(step) = self.node(at)
            && (path.len() as u64) < self.reachable_count()
        {
            path.push(step);
            at = self.rows.row(at as usize).first().map_or(0, |&number| number);
        }
        path.reverse();
        path
    }

    /// How many steps from a root the node is, a root being none.
    pub fn distance(&self, node: NodeId) -> Option<usize> {
        let mut at = self.number(node)?;
        let mut steps = 0;
        while let Some(&above) = self.rows.row(at as usize).first()
            && above != 0
            && (steps as u64) < self.reachable_count()
        {
            at = above;
            steps += 1;
        }
        Some(steps)
    }

    /// What points to the node and is reachable: each once, the nearest to a root first.
    ///
    /// There may be as many as there are nodes; the caller takes what it needs.
    pub fn predecessors(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let row = self.referrers(node);
        // Repeated edges of one node were filled in together.
        let mut last = 0;
        let once = move |&&number: &&u32| std::mem::replace(&mut last, number) != number;
        row.iter().filter(once).filter_map(|&number| self.node(number))
    }

    /// How many edges lead to the node from reachable ones and from the roots, repeated ones as
    /// often as they occur.
    pub fn referrer_count(&self, node: NodeId) -> u64 {
        self.referrers(node).len() as u64
    }

    /// The dominators of a node, nearest first.
    pub fn dominators(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        iter::successors(self.dominator(node), |&above| self.dominator(above))
    }

    /// Bytes of the graph's arrays.
    pub fn state_bytes(&self) -> u64 {
        let own = size_of_val(&*self.numbers) + size_of_val(&*self.order);
        (own + self.rows.state_bytes() + self.tree.state_bytes()) as u64
    }

    fn referrers(&self, node: NodeId) -> &[u32] {
        self.number(node).map(|number| self.rows.row(number as usize)).unwrap_or_default()
    }

    /// The number of a node, if it is reachable.
    fn number(&self, node: NodeId) -> Option<u32> {
        self.numbers.get(node.index()).copied().filter(|&number| number != 0)
    }

    /// The node with a number, unless that is the virtual root's.
    fn node(&self, number: u32) -> Option<NodeId> {
        if number == 0 {
            return None;
        }
        self.order.get(number as usize).map(|&node| NodeId::new(node))
    }
}
