//! Many root paths as one tree.
//!
//! A million objects that are held in the same three ways differ in their addresses alone. Paths of
//! labels that leave those out fall together, so that the tree has a branch for each way, with how
//! many paths take it and how many bytes hang on them.
//!
//! Labels are stored once, and a branch takes some fifty bytes. Depth and number of branches are
//! bounded: a path is cut where it would exceed them, and counts for the branch that it reached.

use std::collections::HashMap;
use std::hash::Hash;

/// No branch.
const NONE: u32 = u32::MAX;

/// Merges paths of labels into a tree, with counts and bytes at each branch.
///
/// ```
/// use tophash_heapgraph::{PathRow, PathTree, Pruning};
///
/// let mut tree = PathTree::new();
/// tree.add(["main.cache", "map[string]*Entry"], 4_096);
/// tree.add(["main.cache", "map[string]*Entry"], 1_024);
/// tree.add(["main.index", "[]string"], 64);
///
/// let rows = tree.rows(Pruning { children: 1, ..Pruning::default() });
/// let shown: Vec<_> = rows.iter().map(|row| (row.depth(), row.paths(), row.bytes())).collect();
/// assert_eq!(shown, [(0, 2, 5_120), (1, 2, 5_120), (0, 1, 64)]);
/// assert!(matches!(rows[2], PathRow::More { branches: 1, .. }));
/// ```
#[derive(Debug, Clone)]
pub struct PathTree<L> {
    /// Labels by number.
    labels: HashMap<L, u32>,
    /// The root of the tree first, which has no label.
    branches: Vec<Branch>,
    /// Branches by the one above and the label.
    below: HashMap<(u32, u32), u32>,
    max_depth: usize,
    max_branches: usize,
    cut: u64,
}

#[derive(Debug, Clone, Copy)]
struct Branch {
    label: u32,
    /// The branch below that was added last, and the one beside that was added before.
    newest_below: u32,
    older_beside: u32,
    paths: u64,
    ends: u64,
    bytes: u64,
}

impl Branch {
    fn new(label: u32, older_beside: u32) -> Self {
        Self { label, newest_below: NONE, older_beside, paths: 0, ends: 0, bytes: 0 }
    }

    fn count(&mut self, bytes: u64) {
        self.paths += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// How much of a tree is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruning {
    /// Branches below each branch: those with the most bytes.
    pub children: usize,
    /// Levels.
    pub depth: usize,
    /// Bytes that a branch must have.
    pub bytes: u64,
}

impl Default for Pruning {
    /// All of it.
    fn default() -> Self {
        Self { children: usize::MAX, depth: usize::MAX, bytes: 0 }
    }
}

/// A line of the tree as it is shown, each branch followed by what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRow<'a, L> {
    /// A branch.
    Branch {
        /// Its level, from 0.
        depth: usize,
        /// Its label.
        label: &'a L,
        /// How many paths lead through it or end there.
        paths: u64,
        /// How many end there.
        ends: u64,
        /// Bytes on all of its paths.
        bytes: u64,
    },
    /// Branches that are left out at this place: "… n more".
    More {
        /// Their level, from 0.
        depth: usize,
        /// How many.
        branches: usize,
        /// How many paths lead through them.
        paths: u64,
        /// Bytes on all of these.
        bytes: u64,
    },
}

impl<L> PathRow<'_, L> {
    /// The level, from 0.
    pub fn depth(&self) -> usize {
        match self {
            Self::Branch { depth, .. } | Self::More { depth, .. } => *depth,
        }
    }

    /// How many paths there are.
    pub fn paths(&self) -> u64 {
        match self {
            Self::Branch { paths, .. } | Self::More { paths, .. } => *paths,
        }
    }

    /// Bytes on the paths.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Branch { bytes, .. } | Self::More { bytes, .. } => *bytes,
        }
    }
}

impl<L: Eq + Hash> PathTree<L> {
    /// Levels of a tree, if the caller sets no bound.
    pub const MAX_DEPTH: usize = 1 << 10;

    /// Branches of a tree, if the caller sets no bound.
    pub const MAX_BRANCHES: usize = 1 << 20;

    /// A tree without paths.
    pub fn new() -> Self {
        Self::with_bounds(Self::MAX_DEPTH, Self::MAX_BRANCHES)
    }

    /// A tree without paths that gets no more levels and branches than these.
    pub fn with_bounds(max_depth: usize, max_branches: usize) -> Self {
        Self {
            labels: HashMap::new(),
            branches: vec![Branch::new(NONE, NONE)],
            below: HashMap::new(),
            max_depth,
            max_branches: max_branches.min(NONE as usize - 1),
            cut: 0,
        }
    }

    /// Adds a path with what hangs on it. The label that all paths should share comes first: the
    /// root's, to see what the roots hold, or the object's, to see what holds it.
    pub fn add(&mut self, path: impl IntoIterator<Item = L>, bytes: u64) {
        let mut at = 0;
        self.branches[0].count(bytes);
        for (depth, label) in path.into_iter().enumerate() {
            let next = if depth < self.max_depth { self.branch_below(at, label) } else { None };
            let Some(next) = next else {
                self.cut += 1;
                break;
            };
            self.branches[next as usize].count(bytes);
            at = next;
        }
        self.branches[at as usize].ends += 1;
    }

    /// How many paths there are.
    pub fn path_count(&self) -> u64 {
        self.branches[0].paths
    }

    /// Bytes on all paths.
    pub fn bytes(&self) -> u64 {
        self.branches[0].bytes
    }

    /// How many branches there are.
    pub fn branch_count(&self) -> usize {
        self.branches.len() - 1
    }

    /// How many paths were cut because of a bound.
    pub fn cut_count(&self) -> u64 {
        self.cut
    }

    /// The tree from top to bottom, what has most bytes first; of equals, what has more paths and
    /// then what was added first.
    pub fn rows(&self, pruning: Pruning) -> Vec<PathRow<'_, L>> {
        let mut labels: Vec<Option<&L>> = vec![None; self.labels.len()];
        for (label, &number) in &self.labels {
            labels[number as usize] = Some(label);
        }
        let mut rows = Vec::new();
        // What is still to be shown, the next at the end.
        let mut waiting = vec![Waiting::Below { of: 0, depth: 0 }];
        while let Some(next) = waiting.pop() {
            match next {
                Waiting::Below { of, depth } => self.expand(of, depth, pruning, &mut waiting),
                Waiting::More { depth, branches, paths, bytes } => {
                    rows.push(PathRow::More { depth, branches, paths, bytes });
                }
                Waiting::Branch { branch, depth } => {
                    let Branch { label, paths, ends, bytes, .. } = self.branches[branch as usize];
                    let Some(label) = labels[label as usize] else { continue };
                    rows.push(PathRow::Branch { depth, label, paths, ends, bytes });
                    waiting.push(Waiting::Below { of: branch, depth: depth + 1 });
                }
            }
        }
        rows
    }

    /// Puts what is shown below a branch on the stack.
    fn expand(&self, of: u32, depth: usize, pruning: Pruning, waiting: &mut Vec<Waiting>) {
        let mut below = Vec::new();
        let mut at = self.branches[of as usize].newest_below;
        while let Some(branch) = self.branches.get(at as usize) {
            below.push((at, branch));
            at = branch.older_beside;
        }
        below.sort_unstable_by(|(a, one), (b, other)| {
            (other.bytes, other.paths, a).cmp(&(one.bytes, one.paths, b))
        });
        let enough = below.partition_point(|(_, branch)| branch.bytes >= pruning.bytes);
        let shown = if depth < pruning.depth { enough.min(pruning.children) } else { 0 };
        let (shown, hidden) = below.split_at(shown);
        if !hidden.is_empty() {
            let paths = hidden.iter().map(|(_, branch)| branch.paths).sum();
            let bytes =
                hidden.iter().fold(0_u64, |sum, (_, branch)| sum.saturating_add(branch.bytes));
            waiting.push(Waiting::More { depth, branches: hidden.len(), paths, bytes });
        }
        let branches = shown.iter().rev().map(|&(branch, _)| Waiting::Branch { branch, depth });
        waiting.extend(branches);
    }

    /// The branch with a label below another, made if there is room.
    fn branch_below(&mut self, above: u32, label: L) -> Option<u32> {
        let known = self.labels.get(&label).copied();
        let found = known.and_then(|label| self.below.get(&(above, label)).copied());
        if found.is_some() {
            return found;
        }
        if self.branch_count() >= self.max_branches {
            return None;
        }
        // There are never more labels than branches.
        let unused = self.labels.len() as u32;
        let label = known.unwrap_or_else(|| *self.labels.entry(label).or_insert(unused));
        let branch = self.branches.len() as u32;
        let newest = &mut self.branches[above as usize].newest_below;
        let older_beside = std::mem::replace(newest, branch);
        self.branches.push(Branch::new(label, older_beside));
        self.below.insert((above, label), branch);
        Some(branch)
    }
}

impl<L: Eq + Hash> Default for PathTree<L> {
    fn default() -> Self {
        Self::new()
    }
}

enum Waiting {
    Below { of: u32, depth: usize },
    Branch { branch: u32, depth: usize },
    More { depth: usize, branches: usize, paths: u64, bytes: u64 },
}
