//! What stays reachable without a set of nodes.

use crate::bits::BitSet;
use crate::error::BuildError;
use crate::{NodeId, Source};

/// Bytes of what is reachable without entering the nodes with these numbers.
///
/// `order` has the node of each number, and `number_of` the reverse. What waits is on the stack
/// once, since it is marked when it is put there.
pub(crate) fn bytes_without(
    source: &impl Source,
    order: &[u32],
    number_of: impl Fn(NodeId) -> Option<u32>,
    removed: impl Iterator<Item = u32>,
) -> Result<u64, BuildError> {
    let mut marked = BitSet::new(order.len())?;
    for number in removed {
        marked.insert(number as usize);
    }
    let mut stack = Vec::new();
    let mut push = |target: NodeId, stack: &mut Vec<NodeId>| {
        if number_of(target).is_some_and(|number| marked.insert(number as usize)) {
            stack.push(target);
        }
    };
    source.roots(&mut |root| push(root, &mut stack));
    let mut bytes = 0_u64;
    while let Some(node) = stack.pop() {
        bytes = bytes.saturating_add(source.size(node));
        source.successors(node, &mut |target| push(target, &mut stack));
    }
    Ok(bytes)
}
