//! Heaps made to overflow a stack, to take quadratic time, or to answer differently each time.

use std::cell::Cell;

use tophash_heapgraph::{BuildError, HeapGraph, NodeId, Source};

use crate::drawing::Drawing;

/// A heap whose edges are computed; every node has one byte, and node 0 is the root.
struct Computed<F>(u32, F);

impl<F: Fn(u32, &mut dyn FnMut(u32))> Source for Computed<F> {
    fn node_count(&self) -> usize {
        self.0 as usize
    }

    fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
        visit(NodeId::new(0));
    }

    fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId)) {
        (self.1)(node.index() as u32, &mut |target| visit(NodeId::new(target)));
    }

    fn size(&self, _: NodeId) -> u64 {
        1
    }
}

fn computed<F: Fn(u32, &mut dyn FnMut(u32))>(count: u32, edges: F) -> Computed<F> {
    Computed(count, edges)
}

fn graph(source: &impl Source) -> HeapGraph {
    HeapGraph::build(source, &mut |_, _, _| {}).expect("a graph")
}

#[test]
fn a_list_of_ten_million_nodes_needs_no_stack() {
    let count = 10_000_000;
    let list = computed(count, |node, visit| visit(node + 1));
    let graph = graph(&list);
    for node in [0, 1, 5_000_000, count - 1] {
        assert_eq!(graph.retained(NodeId::new(node)), u64::from(count - node));
    }
    let last = NodeId::new(count - 1);
    assert_eq!(graph.dominator(last), Some(NodeId::new(count - 2)));
    assert!(graph.dominates(NodeId::new(0), last));
    assert_eq!(graph.shortest_path(last).len(), count as usize);
    assert_eq!(graph.ignored_edge_count(), 1);
    assert_eq!(graph.freed_without(&list, &[NodeId::new(count / 2)]).unwrap(), 5_000_000);
}

#[test]
fn a_list_linked_both_ways_with_a_table_of_all_its_elements() {
    // As in a cache: node 0 has the elements 1.. in a table, and each knows its neighbours.
    let count = 1_000_000;
    let cache = computed(count, move |node, visit| match node {
        0 => (1..count).for_each(visit),
        _ => [node + 1, node - 1].into_iter().for_each(visit),
    });
    let graph = graph(&cache);
    for node in [1, 2, 500_000, count - 1] {
        assert_eq!(graph.dominator(NodeId::new(node)), Some(NodeId::new(0)));
        assert_eq!(graph.retained(NodeId::new(node)), 1);
        assert_eq!(graph.distance(NodeId::new(node)), Some(1));
    }
}

#[test]
fn a_list_each_of_whose_nodes_points_back_to_all_ends_of_a_power_of_two() {
    // Long paths are shortened from everywhere.
    let count = 1_000_000;
    let graph = graph(&computed(count, move |node, visit| {
        visit(node + 1);
        (0..20).for_each(|bit| visit(node.saturating_sub(1 << bit)));
    }));
    assert_eq!(graph.retained(NodeId::new(count / 2)), u64::from(count / 2));
}

#[test]
fn many_shared_nodes_at_the_end_of_a_long_list_do_not_cost_its_length_each() {
    // A list 1..=length, at whose end hang as many nodes; the root points to all of these as well,
    // after the list. So the search for each dominator starts at the end and ends at the root.
    let length = 1_000_000;
    let graph = graph(&computed(2 * length + 1, move |node, visit| match node {
        0 => {
            visit(1);
            (length + 1..=2 * length).for_each(visit);
        }
        _ if node < length => visit(node + 1),
        _ if node == length => (length + 1..=2 * length).for_each(visit),
        _ => {}
    }));
    assert_eq!(graph.retained(NodeId::new(1)), u64::from(length));
    for node in [length + 1, length + 77, 2 * length] {
        assert_eq!(graph.dominator(NodeId::new(node)), Some(NodeId::new(0)));
    }
}

#[test]
fn hubs_that_all_point_to_each_other_are_read_in_the_time_of_their_edges() {
    let count = 1_500;
    let graph = graph(&computed(count, move |_, visit| (0..count).for_each(visit)));
    assert_eq!(graph.edge_count(), 1_500 * 1_500);
    assert_eq!(graph.predecessors(NodeId::new(7)).count(), 1_500);
    assert_eq!(graph.retained(NodeId::new(0)), 1_500);
    assert_eq!(graph.retained(NodeId::new(7)), 1);
}

#[test]
fn a_source_with_fewer_edges_the_second_time_is_refused() {
    let calls = Cell::new(0);
    let fading = computed(3, |node, visit| {
        calls.set(calls.get() + 1);
        if calls.get() <= 3 {
            visit(node + 1);
        }
    });
    let refused = HeapGraph::build(&fading, &mut |_, _, _| {}).err();
    assert_eq!(refused, Some(BuildError::SourceChanged { first: 3, second: 1 }));
}

#[test]
fn a_source_that_answers_at_random_neither_panics_nor_hangs() {
    let mut built = 0;
    for seed in 1..=3_000_u64 {
        let state = Cell::new(seed);
        let random = || {
            let mut next = state.get().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            next ^= next >> 29;
            state.set(next);
            next >> 16
        };
        // As many edges each time, so that the totals often agree.
        let fickle = computed(6, |_, visit| (0..2).for_each(|_| visit((random() % 6) as u32)));
        let Ok(graph) = HeapGraph::build(&fickle, &mut |_, _, _| {}) else { continue };
        built += 1;
        for node in (0..7).map(NodeId::new) {
            graph.retained(node);
            graph.distance(node);
            assert!(graph.shortest_path(node).len() <= 6);
            assert!(graph.predecessors(node).count() <= 12);
            assert!(graph.dominators(node).count() <= 6);
        }
        graph.freed_without(&fickle, &[NodeId::new(1)]).unwrap();
    }
    assert!(built > 0, "some must get past the check of the totals");
}

#[test]
fn the_state_is_as_large_as_documented() {
    let count = 1 << 16;
    let drawing = Drawing {
        roots: vec![0],
        targets: (0..count).map(|node| vec![node + 1, node / 2]).collect(),
    };
    let graph = drawing.graph();
    let edges = graph.edge_count() + 1;
    let nodes = u64::from(count);
    assert_eq!(graph.reachable_count(), nodes);
    // Of the virtual root there is one more in each array.
    let bound = nodes * 36 + nodes / 8 + edges * 4 + 64;
    assert!((bound - 64..=bound).contains(&graph.state_bytes()), "{}", graph.state_bytes());
}
