//! The dominator tree with its sums.
//!
//! A node's dominator has a smaller number than the node, so one pass downward adds up what each
//! holds, and one upward gives each node its place in the preorder of the tree: what it dominates
//! lies in one range, of which the end and the length are kept.

use crate::error::{BuildError, filled};
use crate::progress::Ticker;
use crate::{NodeId, Source, Stage};

/// A node's range in the preorder, itself first.
#[derive(Clone, Copy)]
struct Range {
    end: u32,
    len: u32,
}

pub(crate) struct DominatorTree {
    /// By number: the immediate dominator's.
    dominators: Vec<u32>,
    ranges: Vec<Range>,
    /// By number: bytes of all in the range.
    retained: Vec<u64>,
    /// By place in the preorder: numbers.
    preorder: Vec<u32>,
}

impl DominatorTree {
    pub(crate) fn new(
        dominators: Vec<u32>,
        order: &[u32],
        source: &impl Source,
        progress: &mut dyn FnMut(Stage, u64, u64),
    ) -> Result<Self, BuildError> {
        let len = dominators.len();
        let mut ticker = Ticker::new(progress, Stage::Sizes, len);
        let mut retained = filled(len, 0_u64)?;
        let mut ranges = filled(len, Range { end: 0, len: 1 })?;
        for number in (1..len).rev() {
            let node = NodeId::new(order[number]);
            let bytes = retained[number].saturating_add(source.size(node));
            retained[number] = bytes;
            let nodes = ranges[number].len;
            let above = dominators[number] as usize;
            retained[above] = retained[above].saturating_add(bytes);
            ranges[above].len += nodes;
            ticker.tick(len - number);
        }
        // Until all below a node are placed, its end is where the next of them goes.
        ranges[0].end = 1;
        for number in 1..len {
            let nodes = ranges[number].len;
            let above = &mut ranges[dominators[number] as usize].end;
            let start = *above;
            *above += nodes;
            ranges[number].end = start + 1;
        }
        let mut preorder = filled(len, 0_u32)?;
        for (number, range) in ranges.iter().enumerate() {
            preorder[(range.end - range.len) as usize] = number as u32;
        }
        ticker.finish();
        Ok(Self { dominators, ranges, retained, preorder })
    }

    pub(crate) fn dominator(&self, number: u32) -> u32 {
        self.dominators[number as usize]
    }

    pub(crate) fn retained(&self, number: u32) -> u64 {
        self.retained[number as usize]
    }

    /// How many a node dominates, itself included.
    pub(crate) fn dominated_count(&self, number: u32) -> u32 {
        self.ranges[number as usize].len
    }

    /// Where a node stands in the preorder, and where what it dominates ends there.
    pub(crate) fn range(&self, number: u32) -> std::ops::Range<u32> {
        let Range { end, len } = self.ranges[number as usize];
        end - len..end
    }

    /// What a node dominates, itself first, in preorder.
    pub(crate) fn dominated(&self, number: u32) -> &[u32] {
        let range = self.range(number);
        &self.preorder[range.start as usize..range.end as usize]
    }

    /// What a node dominates immediately.
    pub(crate) fn immediately_dominated(&self, number: u32) -> impl Iterator<Item = u32> {
        let mut rest = &self.dominated(number)[1..];
        std::iter::from_fn(move || {
            let &next = rest.first()?;
            rest = &rest[self.dominated_count(next) as usize..];
            Some(next)
        })
    }

    /// Bytes of the arrays.
    pub(crate) fn state_bytes(&self) -> usize {
        size_of_val(&*self.dominators)
            + size_of_val(&*self.ranges)
            + size_of_val(&*self.retained)
            + size_of_val(&*self.preorder)
    }
}
