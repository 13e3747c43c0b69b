//! Immediate dominators, by semi-NCA.
//!
//! A node *d* dominates *v* if every path from the virtual root to *v* leads through *d*; the
//! dominators of *v* form a chain, and the nearest but *v* itself is the immediate one. The
//! semidominator of *v* is the smallest-numbered node with a path to *v* whose inner nodes all have
//! larger numbers than *v*. T. Lengauer and R. E. Tarjan, *A Fast Algorithm for Finding Dominators
//! in a Flowgraph* (TOPLAS 1, 1979), compute them from the largest number down, over a forest that
//! answers "which is the least semidominator between here and the root of its tree" and shortens the
//! paths it walks. L. Georgiadis, *Linear-Time Algorithms for Dominators and Related Problems*
//! (Princeton, 2005), found that the immediate dominator is then the nearest common ancestor, in the
//! part of the dominator tree that is built, of the semidominator and the parent: the first node
//! at or above the parent whose number does not exceed the semidominator's.
//!
//! Two things differ from the usual form, so that no heap can overflow a stack or make it quadratic:
//!
//! - Paths are shortened by reversing their links on the way up and setting them on the way down.
//! - The search upward takes jumps (E. W. Myers, *An applicative random-access stack*, IPL 17,
//!   1983): each node has one more link, far up, chosen so that any ancestor is found in a
//!   logarithm of the depth. Step by step, a long list whose end holds many shared nodes would cost
//!   the list's length for each of them. The jumps lie in the forest's array, which is done with.
//!
//! O(*m* log *n*) for *m* edges and *n* nodes, and twelve bytes a node beside the result.

use crate::Stage;
use crate::error::{BuildError, filled};
use crate::progress::Ticker;
use crate::rows::Rows;

/// Turns parents into immediate dominators, both by number; those of the virtual root are itself.
pub(crate) fn immediate_dominators(
    parents: &mut [u32],
    rows: &Rows,
    progress: &mut dyn FnMut(Stage, u64, u64),
) -> Result<(), BuildError> {
    let len = parents.len();
    let mut ticker = Ticker::new(progress, Stage::Dominators, len);
    let mut semidominators = filled(len, 0_u32)?;
    let mut forest = Forest(filled(len, Link { above: 0, value: 0 })?);
    for number in (1..len).rev() {
        let last = number as u32;
        let mut least = parents[number];
        for &from in rows.row(number) {
            // What has a smaller number is in no tree yet.
            least = least.min(if from <= last { from } else { forest.least(from, last) });
        }
        semidominators[number] = least;
        forest.0[number] = Link { above: parents[number], value: least };
        ticker.tick(len - number);
    }

    let mut jumps = Jumps(forest.0);
    jumps.0[0] = Link { above: 0, value: 0 };
    for number in 1..len {
        let dominator = jumps.first_up_to(semidominators[number], parents[number], parents);
        jumps.add(number, dominator);
        parents[number] = dominator;
    }
    ticker.finish();
    Ok(())
}

/// A link upward and a value, in one piece since both are read at once.
#[derive(Clone, Copy)]
struct Link {
    above: u32,
    value: u32,
}

/// The forest of nodes that are done: `above` is an ancestor, and `value` the least semidominator
/// from the node up to below that ancestor. A node is done if its number is larger than the last.
struct Forest(Vec<Link>);

impl Forest {
    /// The least semidominator from a node, which is done, up to below the root of its tree, which
    /// is not.
    #[inline]
    fn least(&mut self, node: u32, last: u32) -> u32 {
        let Link { above, value } = self.0[node as usize];
        if above <= last { value } else { self.shorten(node, last) }
    }

    /// The same, making every node on the way point to the root.
    fn shorten(&mut self, node: u32, last: u32) -> u32 {
        // Upward: each link is turned to the node below. None is 0, which is never done.
        let (mut at, mut below) = (node, 0);
        loop {
            let link = &mut self.0[at as usize];
            if link.above <= last {
                break;
            }
            let above = std::mem::replace(&mut link.above, below);
            (below, at) = (at, above);
        }
        let Link { above: root, value: mut least } = self.0[at as usize];
        while below != 0 {
            let link = &mut self.0[below as usize];
            least = least.min(link.value);
            below = std::mem::replace(&mut link.above, root);
            link.value = least;
        }
        least
    }
}

/// The dominator tree as far as it is built: `above` is the jump of a node, and `value` its depth.
struct Jumps(Vec<Link>);

impl Jumps {
    /// The first node at or above `from` whose number is at most `limit`.
    #[inline]
    fn first_up_to(&self, limit: u32, from: u32, dominators: &[u32]) -> u32 {
        let mut at = from;
        while at > limit {
            let jump = self.0[at as usize].above;
            at = if jump > limit { jump } else { dominators[at as usize] };
        }
        at
    }

    /// Adds a node below its dominator: if the dominator's jump and that one's are as long, they
    /// become one.
    #[inline]
    fn add(&mut self, number: usize, dominator: u32) {
        let Link { above: first, value: depth } = self.0[dominator as usize];
        let Link { above: second, value: first_depth } = self.0[first as usize];
        let second_depth = self.0[second as usize].value;
        let is_as_long = depth - first_depth == first_depth - second_depth;
        let above = if is_as_long { second } else { dominator };
        self.0[number] = Link { above, value: depth + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_reach_every_ancestor_in_a_logarithm_of_the_depth() {
        let len = 100_000_u32;
        let dominators: Vec<u32> = (0..len).map(|number| number.saturating_sub(1)).collect();
        let mut jumps = Jumps(vec![Link { above: 0, value: 0 }; len as usize]);
        (1..len).for_each(|number| jumps.add(number as usize, number - 1));
        for limit in [0, 1, 7, 4_095, 65_536, len - 2] {
            assert_eq!(jumps.first_up_to(limit, len - 1, &dominators), limit);
            let (mut at, mut steps) = (len - 1, 0);
            while at > limit {
                let jump = jumps.0[at as usize].above;
                at = if jump > limit { jump } else { dominators[at as usize] };
                steps += 1;
            }
            assert!(steps <= 3 * len.ilog2(), "{steps} steps to {limit}");
        }
    }

    #[test]
    fn shortening_makes_every_node_on_the_way_point_to_the_root() {
        let values = [0, 9, 3, 5, 2, 8];
        let mut forest = Forest(
            values
                .iter()
                .zip([0, 0, 1, 2, 3, 4])
                .map(|(&value, above)| Link { above, value })
                .collect(),
        );
        assert_eq!(forest.least(5, 1), 2);
        let links: Vec<_> = forest.0.iter().map(|link| (link.above, link.value)).collect();
        assert_eq!(links, [(0, 0), (0, 9), (1, 3), (1, 3), (1, 2), (1, 2)]);
    }
}
