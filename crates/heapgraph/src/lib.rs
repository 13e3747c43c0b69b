//! What holds what, and how much: dominators, retained sizes and root paths of a heap of 10⁸ objects.
//!
//! ```
//! use tophash_heapgraph::{HeapGraph, NodeId, Source};
//!
//! /// A root (node 0) holds a cache (1), which holds two entries (2, 3); the root also holds 3.
//! struct Drawing;
//!
//! impl Source for Drawing {
//!     fn node_count(&self) -> usize {
//!         4
//!     }
//!     fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
//!         visit(NodeId::new(0));
//!     }
//!     fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId)) {
//!         let targets: &[u32] = [&[1, 3][..], &[2, 3], &[], &[]][node.index()];
//!         targets.iter().for_each(|&target| visit(NodeId::new(target)));
//!     }
//!     fn size(&self, node: NodeId) -> u64 {
//!         [0, 100, 20, 7][node.index()]
//!     }
//! }
//!
//! let graph = HeapGraph::build(&Drawing, &mut |_stage, _done, _total| {})?;
//! let [root, cache, own, shared] = [0, 1, 2, 3].map(NodeId::new);
//! assert_eq!(graph.retained(cache), 120);
//! assert_eq!(graph.dominator(own), Some(cache));
//! assert_eq!(graph.dominator(shared), Some(root));
//! assert_eq!(graph.shortest_path(own), [root, cache, own]);
//! # Ok::<(), tophash_heapgraph::BuildError>(())
//! ```
//!
//! The caller supplies a [`Source`]: how many nodes there are, their sizes, and where each of them
//! points. It is asked for the pointers of each reachable node twice. This crate knows nothing of
//! Go, names nothing and reads no memory.
//!
//! # Memory
//!
//! Bytes while a graph is built and asked, for each of the source's nodes and, at `/edge`, for each
//! edge between reachable nodes (those from the roots included):
//!
//! | array | numbering | rows | dominators | sums | kept | by |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | stack, pusher and in-degree | 16 | | | | | node |
//! | number | 4 | 4 | 4 | 4 | 4 | node |
//! | order: node | 4 | 4 | 4 | 4 | 4 | number |
//! | parent, then dominator | 4 | 4 | 4 | 4 | 4 | number |
//! | end of the row of predecessors | 4⅛ | 4⅛ | 4⅛ | 4⅛ | 4⅛ | number |
//! | queue and marks of the breadth-first pass | | 4⅛ | | | | number |
//! | ancestor and label, then jump and depth | | | 8 | | | number |
//! | semidominator | | | 4 | | | number |
//! | objects and end of the dominated range | | | | 8 | 8 | number |
//! | retained bytes | | | | 8 | 8 | number |
//! | numbers in the order of the dominator tree | | | | 4 | 4 | number |
//! | predecessors | | 4/edge | 4/edge | 4/edge | 4/edge | |
//! | **sum, without edges** | **32⅛** | **20¼** | **28⅛** | **36⅛** | **36⅛** | |
//!
//! So at most 36⅛ bytes an object and 4 an edge, if all are reachable; arrays by number are only as
//! long as there are reachable nodes. [`HeapGraph::freed_without`] needs ⅛ more, and a stack of at
//! most 4. Nothing recurses, so no depth of the graph matters.
//!
//! # Time
//!
//! O(*m* log *n*) for *m* edges and *n* nodes whatever their shape, near *m* in practice, and bound
//! by how long memory takes to answer. On one core, generated heaps of two edges an object took 0.12 s
//! for 10⁶ objects, 1.4 s for 10⁷ and 33 s for 10⁸, and 42 bytes an object, edges included: `cargo run
//! --release -p tophash-heapgraph --example graph_scale -- 1000000 10000000` measures both.

mod bits;
mod dominators;
mod error;
mod freed;
mod graph;
mod node;
mod numbering;
mod path_tree;
mod progress;
mod referrers;
mod rows;
mod source;
mod tree;

pub use error::BuildError;
pub use graph::HeapGraph;
pub use node::NodeId;
pub use path_tree::{PathRow, PathTree, Pruning};
pub use progress::Stage;
pub use source::Source;
