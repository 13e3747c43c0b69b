//! Merged root paths: what is counted, how it is ordered, what is left out.

use tophash_heapgraph::{PathRow, PathTree, Pruning};

/// The tree as indented lines.
fn drawn(tree: &PathTree<&str>, pruning: Pruning) -> Vec<String> {
    let line = |row: &PathRow<'_, &str>| match *row {
        PathRow::Branch { depth, label, paths, ends, bytes } => {
            format!("{:depth$}{label}: {paths} paths, {ends} end, {bytes} B", "")
        }
        PathRow::More { depth, branches, paths, bytes } => {
            format!("{:depth$}… {branches} more: {paths} paths, {bytes} B", "")
        }
    };
    tree.rows(pruning).iter().map(line).collect()
}

fn sample() -> PathTree<&'static str> {
    let mut tree = PathTree::new();
    tree.add(["queue", "list"], 30);
    tree.add(["cache", "map", "entry"], 100);
    tree.add(["cache", "map", "entry"], 200);
    tree.add(["cache", "map"], 50);
    tree.add(["cache", "slice"], 60);
    tree.add(["stack"], 30);
    tree
}

#[test]
fn paths_that_begin_alike_are_one_branch_until_they_part() {
    let expected = [
        "cache: 4 paths, 0 end, 410 B",
        " map: 3 paths, 1 end, 350 B",
        "  entry: 2 paths, 2 end, 300 B",
        " slice: 1 paths, 1 end, 60 B",
        "queue: 1 paths, 0 end, 30 B",
        " list: 1 paths, 1 end, 30 B",
        "stack: 1 paths, 1 end, 30 B",
    ];
    let tree = sample();
    assert_eq!(drawn(&tree, Pruning::default()), expected);
    assert_eq!((tree.path_count(), tree.bytes(), tree.branch_count()), (6, 470, 7));
}

#[test]
fn what_is_left_out_is_summed_up_in_its_place() {
    let expected = [
        "cache: 4 paths, 0 end, 410 B",
        " map: 3 paths, 1 end, 350 B",
        "  entry: 2 paths, 2 end, 300 B",
        " … 1 more: 1 paths, 60 B",
        "… 2 more: 2 paths, 60 B",
    ];
    assert_eq!(drawn(&sample(), Pruning { children: 1, ..Pruning::default() }), expected);
}

#[test]
fn levels_below_the_last_wanted_are_summed_up() {
    let expected = [
        "cache: 4 paths, 0 end, 410 B",
        " … 2 more: 4 paths, 410 B",
        "queue: 1 paths, 0 end, 30 B",
        " … 1 more: 1 paths, 30 B",
        "stack: 1 paths, 1 end, 30 B",
    ];
    assert_eq!(drawn(&sample(), Pruning { depth: 1, ..Pruning::default() }), expected);
}

#[test]
fn branches_with_too_few_bytes_are_summed_up() {
    let expected = [
        "cache: 4 paths, 0 end, 410 B",
        " map: 3 paths, 1 end, 350 B",
        "  entry: 2 paths, 2 end, 300 B",
        " … 1 more: 1 paths, 60 B",
        "… 2 more: 2 paths, 60 B",
    ];
    assert_eq!(drawn(&sample(), Pruning { bytes: 61, ..Pruning::default() }), expected);
}

#[test]
fn the_same_label_at_two_places_is_two_branches() {
    let mut tree = PathTree::new();
    tree.add(["next", "next", "next"], 1);
    tree.add(["next"], 1);
    let expected =
        ["next: 2 paths, 1 end, 2 B", " next: 1 paths, 0 end, 1 B", "  next: 1 paths, 1 end, 1 B"];
    assert_eq!(drawn(&tree, Pruning::default()), expected);
}

#[test]
fn a_tree_without_paths_has_no_rows() {
    assert!(PathTree::<&str>::new().rows(Pruning::default()).is_empty());
}

#[test]
fn a_path_without_labels_counts_for_the_whole() {
    let mut tree = PathTree::<&str>::new();
    tree.add([], 8);
    assert_eq!((tree.path_count(), tree.bytes(), tree.branch_count()), (1, 8, 0));
    assert!(tree.rows(Pruning::default()).is_empty());
}

#[test]
fn a_long_path_is_cut_and_counted() {
    let mut tree = PathTree::with_bounds(2, 100);
    tree.add(std::iter::repeat_n("next", 1_000_000), 5);
    let expected = ["next: 1 paths, 0 end, 5 B", " next: 1 paths, 1 end, 5 B"];
    assert_eq!(drawn(&tree, Pruning::default()), expected);
    assert_eq!(tree.cut_count(), 1);
}

#[test]
fn a_tree_as_deep_as_its_bound_is_shown_and_dropped() {
    let mut tree = PathTree::with_bounds(usize::MAX, 1 << 20);
    tree.add(0..300_000_u32, 1);
    let rows = tree.rows(Pruning::default());
    assert_eq!(rows.len(), 300_000);
    assert_eq!(rows.last().map(PathRow::depth), Some(299_999));
}

#[test]
fn branches_beyond_the_bound_are_not_made_but_counted_above() {
    let mut tree = PathTree::with_bounds(10, 2);
    tree.add(["root", "one"], 1);
    tree.add(["root", "two"], 2);
    tree.add(["other"], 4);
    tree.add(["root", "one"], 8);
    let expected = ["root: 3 paths, 1 end, 11 B", " one: 2 paths, 2 end, 9 B"];
    assert_eq!(drawn(&tree, Pruning::default()), expected);
    assert_eq!((tree.cut_count(), tree.path_count(), tree.bytes()), (2, 4, 15));
}

#[test]
fn bytes_beyond_what_can_be_counted_stay_at_the_largest_number() {
    let mut tree = PathTree::new();
    tree.add(["root", "one"], u64::MAX);
    tree.add(["root", "two"], u64::MAX);
    let rows = tree.rows(Pruning { children: 0, ..Pruning::default() });
    assert_eq!(rows, [PathRow::More { depth: 0, branches: 1, paths: 2, bytes: u64::MAX }]);
}
