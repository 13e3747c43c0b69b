//! Numbering what is reachable, depth first.
//!
//! Number 0 is the virtual root, whose successors are the roots. All later work is done in numbers:
//! a parent's is smaller than its children's, and neighbours in the heap tend to be neighbours here.
//!
//! The stack is a doubly linked list through the nodes themselves. A node that is found again before
//! its turn is moved up to its new place, as if it had been pushed twice and the older entry been
//! skipped later. So the stack takes nothing for an edge, however many lead to nodes that wait.
//! Successors are put below each other, so that the first is visited first.
//!
//! The same pass counts the edges into each node, which the rows of predecessors are laid out by.

use crate::error::{BuildError, filled, with_room};
use crate::progress::Ticker;
use crate::rows::Rows;
use crate::{NodeId, Source, Stage};

/// Nodes that can be numbered, so that three values of 32 bits are no node's.
const NODE_LIMIT: usize = u32::MAX as usize - 2;

/// In `below`: not found yet.
const UNSEEN: u32 = u32::MAX;
/// In `below`: numbered.
const NUMBERED: u32 = u32::MAX - 1;
/// In `below` and `above`: no node there.
const NONE: u32 = u32::MAX - 2;

/// What is kept of a node meanwhile, in one piece since it is used at once.
#[derive(Clone, Copy)]
struct Slot {
    /// What lies above it on the stack; once numbered, its number.
    above: u32,
    /// What lies below it on the stack, or one of the constants.
    below: u32,
    /// Number of the node that pushed it last.
    pusher: u32,
    /// Edges that lead to it.
    edges_in: u32,
}

/// Reachable nodes by number.
pub(crate) struct Numbering {
    /// By node: its number, or 0 for what is not reachable.
    pub(crate) numbers: Vec<u32>,
    /// By number: its node. What stands at 0 has no meaning.
    pub(crate) order: Vec<u32>,
    /// By number: its parent's.
    pub(crate) parents: Vec<u32>,
    /// Room for the predecessors of each number.
    pub(crate) rows: Rows,
    /// Edges from the virtual root.
    pub(crate) root_edges: u64,
    /// Edges to nodes that don't exist.
    pub(crate) ignored_edges: u64,
}

impl Numbering {
    pub(crate) fn new(
        source: &impl Source,
        progress: &mut dyn FnMut(Stage, u64, u64),
    ) -> Result<Self, BuildError> {
        let nodes = source.node_count();
        if nodes > NODE_LIMIT {
            return Err(BuildError::TooManyNodes { nodes, limit: NODE_LIMIT });
        }
        let mut ticker = Ticker::new(progress, Stage::Number, nodes);
        let unseen = Slot { above: NONE, below: UNSEEN, pusher: 0, edges_in: 0 };
        let mut stack = Stack {
            slots: filled(nodes, unseen)?,
            top: NONE,
            last: NONE,
            ignored: 0,
            is_overfull: false,
        };
        let mut order = with_room(nodes + 1)?;
        let mut parents = with_room(nodes + 1)?;
        order.push(0);
        parents.push(0);

        let mut root_edges = 0;
        source.roots(&mut |root| {
            root_edges += u64::from(stack.push(root, 0));
        });
        while let Some((node, parent)) = stack.pop(order.len() as u32) {
            let number = order.len() as u32;
            order.push(node);
            parents.push(parent);
            stack.last = NONE;
            source.successors(NodeId::new(node), &mut |target| {
                stack.push(target, number);
            });
            ticker.tick(number as usize);
        }
        if stack.is_overfull {
            return Err(BuildError::TooManyEdges { limit: u64::from(u32::MAX) });
        }
        ticker.finish();

        order.shrink_to_fit();
        parents.shrink_to_fit();
        let Stack { slots, ignored, .. } = stack;
        let edges_in = |&node: &u32| slots[node as usize].edges_in;
        let rows = Rows::lay_out(order.iter().enumerate().map(|(number, node)| {
            // The virtual root has no node, and nothing leads to it.
            if number == 0 { 0 } else { edges_in(node) }
        }))?;
        let mut numbers = with_room(nodes)?;
        numbers
            .extend(slots.iter().map(|slot| if slot.below == NUMBERED { slot.above } else { 0 }));
        Ok(Self { numbers, order, parents, rows, root_edges, ignored_edges: ignored })
    }

    /// How many numbers there are, that of the virtual root included.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

struct Stack {
    slots: Vec<Slot>,
    top: u32,
    /// What was pushed last for the node whose successors are being visited.
    last: u32,
    ignored: u64,
    is_overfull: bool,
}

impl Stack {
    /// Counts an edge from the node numbered `pusher`, and puts its target below the one before.
    /// Says whether there is such a node.
    #[inline]
    fn push(&mut self, target: NodeId, pusher: u32) -> bool {
        let Some(slot) = self.slots.get_mut(target.index()) else {
            self.ignored += 1;
            return false;
        };
        match slot.edges_in.checked_add(1) {
            Some(more) => slot.edges_in = more,
            None => self.is_overfull = true,
        }
        let Slot { above, below, pusher: before, .. } = *slot;
        if below == NUMBERED {
            return true;
        }
        if below != UNSEEN {
            // Repeated targets of one node: the first counts.
            if before == pusher {
                return true;
            }
            self.unlink(above, below);
        }
        let target = target.raw();
        let under = match self.last {
            NONE => std::mem::replace(&mut self.top, target),
            last => std::mem::replace(&mut self.slots[last as usize].below, target),
        };
        if under != NONE {
            self.slots[under as usize].above = target;
        }
        let slot = &mut self.slots[target as usize];
        (slot.above, slot.below, slot.pusher) = (self.last, under, pusher);
        self.last = target;
        true
    }

    /// Takes the topmost node, to which the number is given, and says what pushed it.
    #[inline]
    fn pop(&mut self, number: u32) -> Option<(u32, u32)> {
        let node = self.top;
        if node == NONE {
            return None;
        }
        let slot = &mut self.slots[node as usize];
        let pusher = slot.pusher;
        self.top = std::mem::replace(&mut slot.below, NUMBERED);
        slot.above = number;
        if self.top != NONE {
            self.slots[self.top as usize].above = NONE;
        }
        Some((node, pusher))
    }

    fn unlink(&mut self, above: u32, below: u32) {
        match above {
            NONE => self.top = below,
            above => self.slots[above as usize].below = below,
        }
        if below != NONE {
            self.slots[below as usize].above = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Targets by node; node 0 is the root.
    struct Lists(Vec<Vec<u32>>);

    impl Source for Lists {
        fn node_count(&self) -> usize {
            self.0.len()
        }

        fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
            visit(NodeId::new(0));
        }

        fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId)) {
            self.0[node.index()].iter().for_each(|&target| visit(NodeId::new(target)));
        }

        fn size(&self, _: NodeId) -> u64 {
            1
        }
    }

    /// Nodes and their parents in the order in which a recursive search enters them.
    fn search(lists: &Lists, node: u32, parent: u32, entered: &mut Vec<(u32, u32)>) {
        if entered.iter().any(|&(other, _)| other == node) {
            return;
        }
        entered.push((node, parent));
        for &target in &lists.0[node as usize] {
            search(lists, target, node, entered);
        }
    }

    #[test]
    fn numbers_are_those_of_a_recursive_search() {
        let mut state = 1_u32;
        let mut random = |below: u32| {
            state = state.wrapping_mul(0x915f_77f5).wrapping_add(0x3c6e_f35f);
            (state >> 8) % below
        };
        for _ in 0..500 {
            let count = 1 + random(30);
            let lists = (0..count).map(|_| (0..random(5)).map(|_| random(count)).collect());
            let lists = Lists(lists.collect());
            let numbering = Numbering::new(&lists, &mut |_, _, _| {}).unwrap();
            let mut entered = Vec::new();
            search(&lists, 0, 0, &mut entered);
            let parents =
                numbering.parents[1..].iter().map(|&parent| numbering.order[parent as usize]);
            let found: Vec<_> = numbering.order[1..].iter().copied().zip(parents).collect();
            assert_eq!(found, entered);
            for (number, &node) in numbering.order.iter().enumerate().skip(1) {
                assert_eq!(numbering.numbers[node as usize] as usize, number);
            }
        }
    }
}
