//! Graphs of the papers, and cases that are easily got wrong, one by one.

use tophash_heapgraph::{BuildError, HeapGraph, NodeId, Source, Stage};

use crate::drawing::Drawing;

/// Dominators as letters or digits, `-` for none.
fn dominators(drawing: &Drawing, names: &str) -> String {
    let graph = drawing.graph();
    let name = |node: NodeId| names.as_bytes()[node.index()] as char;
    drawing.nodes().map(|node| graph.dominator(node).map_or('-', name)).collect()
}

/// A drawing whose nodes are the characters of `names`, and whose first node is the root; edges are
/// written as a node and where it points.
fn spelled(names: &str, edges: &[&str]) -> Drawing {
    let index = |name: char| names.find(name).expect("a name") as u32;
    let mut drawing = Drawing::new(names.len(), &[0], &[]);
    for edge in edges {
        let mut ends = edge.chars().map(index);
        let from = ends.next().expect("a name") as usize;
        drawing.targets[from].extend(ends);
    }
    drawing
}

#[test]
fn the_flowgraph_of_lengauer_and_tarjan() {
    // Figure 1 of the paper of 1979; figure 2 has its dominator tree.
    let edges =
        ["RABC", "AD", "BADE", "CFG", "DL", "EH", "FI", "GIJ", "HEK", "IK", "JI", "KIR", "LH"];
    let figure = spelled("RABCDEFGHIJKL", &edges);
    assert_eq!(dominators(&figure, "RABCDEFGHIJKL"), "-RRRRRCCRRGRD");
}

#[test]
fn the_irreducible_graphs_of_cooper_harvey_and_kennedy() {
    // Figures 2 and 4 of "A Simple, Fast Dominance Algorithm", 2001.
    let figure = spelled("54321", &["543", "41", "32", "21", "12"]);
    assert_eq!(dominators(&figure, "54321"), "-5555");
    let figure = spelled("654321", &["654", "51", "423", "32", "213", "12"]);
    assert_eq!(dominators(&figure, "654321"), "-66666");
}

#[test]
fn nothing_alone_holds_what_two_roots_hold() {
    let drawing = Drawing::new(4, &[0, 1], &[(0, 2), (1, 2), (2, 3)]);
    let graph = drawing.graph();
    let [one, other, shared, below] = [0, 1, 2, 3].map(NodeId::new);
    assert_eq!(graph.dominator(shared), None);
    assert_eq!(graph.dominator(below), Some(shared));
    assert_eq!([one, other, shared, below].map(|node| graph.retained(node)), [1, 2, 12, 8]);
    assert_eq!(graph.retained_by_set([one, other]), 3);
    assert_eq!(graph.freed_without(&drawing, &[one, other]).unwrap(), 15);
    assert_eq!(graph.immediately_dominated(None).collect::<Vec<_>>(), [one, shared, other]);
    assert!([one, other].iter().all(|&root| graph.is_root(root)));
    assert!(!graph.is_root(shared));
}

#[test]
fn a_set_counts_what_one_member_holds_of_another_once() {
    let drawing = Drawing::new(4, &[0], &[(0, 1), (1, 2), (0, 3)]);
    let graph = drawing.graph();
    let set = [2, 1, 1, 3].map(NodeId::new);
    assert_eq!(graph.retained_by_set(set), 0b1110);
    assert_eq!(graph.retained_by_set([]), 0);
}

#[test]
fn what_no_root_reaches_holds_nothing_and_is_held_by_nothing() {
    let drawing = Drawing::new(4, &[0], &[(0, 1), (2, 1), (2, 3), (3, 2)]);
    let graph = drawing.graph();
    let garbage = NodeId::new(2);
    assert!(!graph.is_reachable(garbage));
    assert_eq!((graph.retained(garbage), graph.retained_objects(garbage)), (0, 0));
    assert_eq!((graph.dominator(garbage), graph.distance(garbage)), (None, None));
    assert!(!graph.dominates(garbage, garbage));
    assert!(graph.shortest_path(garbage).is_empty());
    assert_eq!(graph.predecessors(NodeId::new(1)).collect::<Vec<_>>(), [NodeId::new(0)]);
    assert_eq!((graph.reachable_count(), graph.reachable_bytes(), graph.edge_count()), (2, 3, 1));
    assert_eq!(graph.immediately_dominated(Some(garbage)).count(), 0);
}

#[test]
fn without_roots_nothing_is_reachable() {
    let drawing = Drawing::new(3, &[], &[(0, 1), (1, 2)]);
    let graph = drawing.graph();
    assert_eq!((graph.reachable_count(), graph.reachable_bytes(), graph.edge_count()), (0, 0, 0));
    assert_eq!(graph.freed_without(&drawing, &[NodeId::new(0)]).unwrap(), 0);
}

#[test]
fn a_heap_without_nodes_is_a_graph() {
    let graph = Drawing::default().graph();
    assert_eq!(graph.reachable_count(), 0);
    assert_eq!(graph.retained(NodeId::new(0)), 0);
    assert!(graph.shortest_path(NodeId::new(u32::MAX)).is_empty());
}

#[test]
fn a_node_that_points_to_itself_holds_what_it_did() {
    let drawing = Drawing::new(2, &[0], &[(0, 0), (0, 1), (1, 1), (1, 0)]);
    let graph = drawing.graph();
    assert_eq!(drawing.nodes().map(|node| graph.retained(node)).collect::<Vec<_>>(), [3, 2]);
    assert_eq!(graph.edge_count(), 4);
    let own: Vec<_> = graph.predecessors(NodeId::new(1)).collect();
    assert_eq!(own, [NodeId::new(0), NodeId::new(1)]);
}

#[test]
fn repeated_edges_count_as_edges_and_as_one_referrer() {
    let drawing = Drawing::new(3, &[0, 0], &[(0, 1), (0, 1), (1, 2), (0, 1), (0, 2), (1, 2)]);
    let graph = drawing.graph();
    assert_eq!(graph.edge_count(), 6);
    assert_eq!(graph.referrer_count(NodeId::new(1)), 3);
    let referrers: Vec<_> = graph.predecessors(NodeId::new(2)).collect();
    assert_eq!(referrers, [NodeId::new(0), NodeId::new(1)]);
    assert_eq!(graph.dominator(NodeId::new(2)), Some(NodeId::new(0)));
}

#[test]
fn edges_to_nodes_that_do_not_exist_are_ignored_and_counted() {
    let drawing = Drawing::new(2, &[7, 0, u32::MAX], &[(0, 2), (0, 1), (1, u32::MAX), (1, 0)]);
    let graph = drawing.graph();
    assert_eq!((graph.reachable_count(), graph.edge_count()), (2, 2));
    assert_eq!(graph.ignored_edge_count(), 4);
    assert_eq!(graph.retained(NodeId::new(0)), 3);
    assert!(!graph.is_reachable(NodeId::new(u32::MAX)));
}

#[test]
fn the_shortest_path_is_not_that_of_the_depth_first_search() {
    let drawing = Drawing::new(5, &[0], &[(0, 1), (1, 2), (2, 3), (3, 4), (0, 3)]);
    let graph = drawing.graph();
    assert_eq!(graph.shortest_path(NodeId::new(4)), [0, 3, 4].map(NodeId::new));
    assert_eq!(graph.distance(NodeId::new(4)), Some(2));
    let referrers: Vec<_> = graph.predecessors(NodeId::new(3)).collect();
    assert_eq!(referrers, [NodeId::new(0), NodeId::new(2)], "the nearer to a root first");
}

#[test]
fn of_shortest_paths_the_first_in_the_source_is_taken() {
    let drawing = Drawing::new(6, &[1, 0], &[(0, 2), (1, 4), (1, 3), (2, 5), (3, 5), (4, 5)]);
    assert_eq!(drawing.graph().shortest_path(NodeId::new(5)), [1, 4, 5].map(NodeId::new));
}

#[test]
fn the_dominator_tree_can_be_walked_both_ways() {
    let drawing = Drawing::new(5, &[0], &[(0, 1), (1, 2), (1, 3), (2, 4)]);
    let graph = drawing.graph();
    let node = NodeId::new;
    assert_eq!(graph.dominated(node(1)).collect::<Vec<_>>(), [1, 2, 4, 3].map(node));
    assert_eq!(graph.immediately_dominated(Some(node(1))).collect::<Vec<_>>(), [2, 3].map(node));
    assert_eq!(graph.dominators(node(4)).collect::<Vec<_>>(), [2, 1, 0].map(node));
    assert!(graph.dominates(node(1), node(4)) && !graph.dominates(node(4), node(1)));
}

#[test]
fn sizes_beyond_what_can_be_counted_stay_at_the_largest_number() {
    struct Huge;
    impl Source for Huge {
        fn node_count(&self) -> usize {
            2
        }
        fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
            visit(NodeId::new(0));
        }
        fn successors(&self, _: NodeId, visit: &mut dyn FnMut(NodeId)) {
            visit(NodeId::new(1));
        }
        fn size(&self, _: NodeId) -> u64 {
            u64::MAX - 1
        }
    }
    let graph = HeapGraph::build(&Huge, &mut |_, _, _| {}).unwrap();
    assert_eq!(graph.reachable_bytes(), u64::MAX);
    let both = [NodeId::new(0), NodeId::new(1)];
    assert_eq!(graph.freed_without(&Huge, &both).unwrap(), u64::MAX);
}

#[test]
fn more_nodes_than_numbers_are_refused() {
    struct Many;
    impl Source for Many {
        fn node_count(&self) -> usize {
            u32::MAX as usize
        }
        fn roots(&self, _: &mut dyn FnMut(NodeId)) {}
        fn successors(&self, _: NodeId, _: &mut dyn FnMut(NodeId)) {}
        fn size(&self, _: NodeId) -> u64 {
            0
        }
    }
    let refused = HeapGraph::build(&Many, &mut |_, _, _| {}).err();
    assert!(matches!(refused, Some(BuildError::TooManyNodes { .. })), "{refused:?}");
}

#[test]
fn progress_tells_each_stage_from_nothing_to_all() {
    let drawing = Drawing::new(3, &[0], &[(0, 1)]);
    let mut told = Vec::new();
    HeapGraph::build(&drawing, &mut |stage, done, total| told.push((stage, done, total))).unwrap();
    let stages = [Stage::Number, Stage::Referrers, Stage::Dominators, Stage::Sizes];
    assert_eq!(told.iter().map(|&(stage, ..)| stage).collect::<Vec<_>>(), {
        stages.iter().flat_map(|&stage| [stage, stage]).collect::<Vec<_>>()
    });
    assert!(told.chunks(2).all(|of| of[0].1 == 0 && of[1].1 == of[1].2));
}
