//! Filling the rows of predecessors, breadth first.
//!
//! Any order of nodes would fill them. Breadth first, what comes first in a row is the node from
//! which a breadth-first search reaches the row's: its step on a shortest path from a root. So
//! shortest paths take no memory of their own, and referrers come nearest to the roots first.

use crate::bits::BitSet;
use crate::error::{BuildError, with_room};
use crate::numbering::Numbering;
use crate::progress::Ticker;
use crate::{NodeId, Source, Stage};

/// Fills the rows of a numbering.
pub(crate) fn fill(
    source: &impl Source,
    numbering: &mut Numbering,
    progress: &mut dyn FnMut(Stage, u64, u64),
) -> Result<(), BuildError> {
    let len = numbering.len();
    let mut ticker = Ticker::new(progress, Stage::Referrers, len - 1);
    let Numbering { numbers, order, rows, .. } = numbering;
    rows.open()?;
    let mut seen = BitSet::new(len)?;
    let mut queue: Vec<u32> = with_room(len)?;
    let mut edges = 0_u64;
    let mut follow = |from: u32, target: NodeId, queue: &mut Vec<u32>| {
        // What is not reachable was not there in the first pass.
        let number = numbers.get(target.index()).map_or(0, |&number| number);
        if number == 0 {
            return;
        }
        edges += 1;
        rows.push(number as usize, from);
        if seen.insert(number as usize) {
            queue.push(number);
        }
    };
    source.roots(&mut |root| follow(0, root, &mut queue));
    let mut next = 0;
    while let Some(&number) = queue.get(next) {
        next += 1;
        let node = NodeId::new(order[number as usize]);
        source.successors(node, &mut |target| follow(number, target, &mut queue));
        ticker.tick(next);
    }
    if edges != rows.room() || next != len - 1 {
        return Err(BuildError::SourceChanged { first: rows.room(), second: edges });
    }
    ticker.finish();
    Ok(())
}
