//! Random heaps against slow algorithms that share nothing with the fast one: removing each node in
//! turn, and petgraph's dominators.

use std::collections::BTreeSet;

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};
use proptest::prelude::*;
use tophash_heapgraph::{HeapGraph, NodeId};

use crate::drawing::Drawing;

/// What the roots reach without entering some nodes.
fn reached(drawing: &Drawing, without: &[NodeId]) -> BTreeSet<NodeId> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<u32> = drawing.roots.clone();
    while let Some(node) = waiting.pop() {
        let id = NodeId::new(node);
        let Some(targets) = drawing.targets.get(node as usize) else { continue };
        if !without.contains(&id) && reached.insert(id) {
            waiting.extend(targets);
        }
    }
    reached
}

/// Steps from the roots, by rounds over all edges.
fn distances(drawing: &Drawing) -> Vec<Option<usize>> {
    let count = drawing.targets.len();
    let mut distances = vec![None; count];
    for &root in drawing.roots.iter().filter(|&&root| (root as usize) < count) {
        distances[root as usize] = Some(0);
    }
    for steps in 0..count {
        for node in 0..count {
            if distances[node] == Some(steps) {
                for &target in &drawing.targets[node] {
                    if let Some(distance @ None) = distances.get_mut(target as usize) {
                        *distance = Some(steps + 1);
                    }
                }
            }
        }
    }
    distances
}

fn check_against_removal(drawing: &Drawing, graph: &HeapGraph) {
    let all = reached(drawing, &[]);
    assert_eq!(graph.reachable_count(), all.len() as u64);
    assert_eq!(graph.reachable_bytes(), drawing.bytes(all.iter().copied()));
    // What each node dominates.
    let held: Vec<BTreeSet<NodeId>> =
        drawing.nodes().map(|node| &all - &reached(drawing, &[node])).collect();
    for node in drawing.nodes() {
        let own = &held[node.index()];
        assert_eq!(graph.is_reachable(node), all.contains(&node));
        assert_eq!(graph.retained(node), drawing.bytes(own.iter().copied()));
        assert_eq!(graph.retained_objects(node), own.len() as u64);
        let dominated: Vec<_> = graph.dominated(node).collect();
        assert_eq!(dominated.len(), own.len());
        assert_eq!(dominated.iter().copied().collect::<BTreeSet<_>>(), *own);
        for other in drawing.nodes() {
            assert_eq!(graph.dominates(node, other), own.contains(&other), "{node} over {other}");
        }
        // Of the others that dominate it, the nearest is the one that holds least.
        let nearest = drawing
            .nodes()
            .filter(|above| *above != node && held[above.index()].contains(&node))
            .min_by_key(|above| held[above.index()].len());
        assert_eq!(graph.dominator(node), nearest);
        let below: BTreeSet<_> = graph.immediately_dominated(Some(node)).collect();
        let expected: BTreeSet<_> =
            drawing.nodes().filter(|&other| graph.dominator(other) == Some(node)).collect();
        assert_eq!(below, expected);
    }
}

fn check_against_petgraph(drawing: &Drawing, graph: &HeapGraph) {
    let mut other = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = drawing.nodes().map(|_| other.add_node(())).collect();
    let root = other.add_node(());
    for &target in drawing.roots.iter().filter(|&&target| (target as usize) < nodes.len()) {
        other.add_edge(root, nodes[target as usize], ());
    }
    for (from, targets) in drawing.targets.iter().enumerate() {
        for &target in targets.iter().filter(|&&target| (target as usize) < nodes.len()) {
            other.add_edge(nodes[from], nodes[target as usize], ());
        }
    }
    let dominators = simple_fast(&other, root);
    for node in drawing.nodes() {
        let expected = dominators
            .immediate_dominator(nodes[node.index()])
            .filter(|&dominator| dominator != root)
            .map(|dominator| NodeId::new(dominator.index() as u32));
        assert_eq!(graph.dominator(node), expected, "{node}");
    }
}

fn check_paths(drawing: &Drawing, graph: &HeapGraph) {
    let all = reached(drawing, &[]);
    let mut edges = 0;
    for (node, distance) in drawing.nodes().zip(distances(drawing)) {
        let path = graph.shortest_path(node);
        assert_eq!(path.len(), distance.map_or(0, |steps| steps + 1));
        assert_eq!(graph.distance(node), distance);
        if let (Some(first), Some(last)) = (path.first(), path.last()) {
            assert!(drawing.roots.contains(&(first.index() as u32)) && *last == node);
        }
        for step in path.windows(2) {
            assert!(drawing.targets[step[0].index()].contains(&(step[1].index() as u32)));
        }
        assert_eq!(
            graph.is_root(node),
            drawing.roots.contains(&(node.index() as u32)),
            "what is a root"
        );
        let referrers: Vec<_> = graph.predecessors(node).collect();
        let expected: BTreeSet<_> = all
            .iter()
            .copied()
            .filter(|from| drawing.targets[from.index()].contains(&(node.index() as u32)))
            .filter(|_| all.contains(&node))
            .collect();
        assert_eq!(referrers.len(), expected.len(), "each referrer once");
        assert_eq!(referrers.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert!(referrers.is_sorted_by_key(|&from| graph.distance(from)));
        if all.contains(&node) {
            let there = |&&target: &&u32| (target as usize) < drawing.targets.len();
            edges += drawing.targets[node.index()].iter().filter(there).count();
        }
    }
    assert_eq!(graph.edge_count(), edges as u64);
}

fn check_set(drawing: &Drawing, graph: &HeapGraph, set: &[NodeId]) {
    let freed = &reached(drawing, &[]) - &reached(drawing, set);
    let freed = drawing.bytes(freed);
    assert_eq!(graph.freed_without(drawing, set).expect("memory"), freed);
    let one_by_one: BTreeSet<_> = set.iter().flat_map(|&node| graph.dominated(node)).collect();
    let retained = graph.retained_by_set(set.iter().copied());
    assert_eq!(retained, drawing.bytes(one_by_one));
    assert!(retained <= freed);
}

/// Heaps of up to `most` nodes, with a few edges each, some of them to nodes that don't exist.
fn heaps(most: u32, edges: usize) -> impl Strategy<Value = Drawing> {
    (1..most).prop_flat_map(move |count| {
        let target = 0..count + 2;
        let targets = prop::collection::vec(target.clone(), 0..=edges);
        let nodes = prop::collection::vec(targets, count as usize);
        let roots = prop::collection::vec(target, 0..4);
        (roots, nodes).prop_map(|(roots, targets)| Drawing { roots, targets })
    })
}

/// Heaps like lists: most edges lead a few nodes on or back, so that there is depth.
fn deep_heaps(most: u32) -> impl Strategy<Value = Drawing> {
    let steps = prop::collection::vec((0..12_u32).prop_map(|step| step.saturating_sub(4)), 0..4);
    prop::collection::vec(steps, 1..most as usize).prop_map(|nodes| {
        let count = nodes.len() as u32;
        let target = |from: usize, step: u32| (from as u32 + step).saturating_sub(3) % count;
        let targets = nodes
            .iter()
            .enumerate()
            .map(|(from, steps)| steps.iter().map(|&step| target(from, step)).collect())
            .collect();
        Drawing { roots: vec![0], targets }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn sparse_heaps_agree_with_the_oracles(drawing in heaps(40, 3), set in prop::collection::vec(0..42_u32, 0..6)) {
        let graph = drawing.graph();
        check_against_removal(&drawing, &graph);
        check_against_petgraph(&drawing, &graph);
        check_paths(&drawing, &graph);
        let set: Vec<_> = set.into_iter().map(NodeId::new).collect();
        check_set(&drawing, &graph, &set);
    }

    #[test]
    fn dense_heaps_agree_with_the_oracles(drawing in heaps(16, 8), set in prop::collection::vec(0..18_u32, 0..4)) {
        let graph = drawing.graph();
        check_against_removal(&drawing, &graph);
        check_against_petgraph(&drawing, &graph);
        check_paths(&drawing, &graph);
        let set: Vec<_> = set.into_iter().map(NodeId::new).collect();
        check_set(&drawing, &graph, &set);
    }

    #[test]
    fn deep_heaps_agree_with_the_oracles(drawing in deep_heaps(40), set in prop::collection::vec(0..40_u32, 0..4)) {
        let graph = drawing.graph();
        check_against_removal(&drawing, &graph);
        check_against_petgraph(&drawing, &graph);
        check_paths(&drawing, &graph);
        let set: Vec<_> = set.into_iter().map(NodeId::new).collect();
        check_set(&drawing, &graph, &set);
    }

    #[test]
    fn large_heaps_agree_with_petgraph(drawing in prop_oneof![heaps(3_000, 3), deep_heaps(3_000)]) {
        check_against_petgraph(&drawing, &drawing.graph());
    }
}
