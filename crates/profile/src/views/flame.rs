//! Stacks as a tree, from the outermost call: what a flame graph draws.
//!
//! Samples are sorted into groups level by level, and groups too narrow to be seen are not followed.
//! So the tree stays small for any profile, and no level recurses.

use crate::graph::Functions;
use crate::profile::{NONE, Profile};

/// Deeper calls are not drawn.
const MOST_LEVELS: usize = 400;
/// Narrower parts of the whole are not drawn.
const NARROWEST: f64 = 0.0005;

/// A tree of calls.
#[derive(Debug, Clone, Default)]
pub struct FlameGraph {
    /// The root first, and each node behind its caller.
    pub nodes: Vec<FlameNode>,
    /// Names of functions, which nodes refer to.
    pub names: Vec<String>,
    /// In what values are counted.
    pub unit: String,
    /// What values are of.
    pub sample_type: String,
    /// Some samples are negative: what is drawn is a change.
    pub is_change: bool,
}

/// A function as called by those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlameNode {
    /// Its name's position.
    pub name: usize,
    /// Its caller's position; its own for the root.
    pub parent: usize,
    /// 0 for the root.
    pub level: usize,
    /// What is charged to it and what it calls.
    pub value: i64,
    /// How wide it is: the values without their signs.
    pub width: u64,
    /// Where it starts.
    pub start: u64,
}

/// A sample, and where in its stack the next call is.
#[derive(Clone, Copy)]
struct Item {
    sample: u32,
    /// Calls that are left, and lines that are left of the next.
    calls: u32,
    lines: u32,
    /// The function at the level, or none behind the leaf.
    function: u32,
}

impl FlameGraph {
    /// Makes the tree of a column.
    pub fn new(profile: &Profile, column: usize) -> Self {
        let functions = Functions::new(profile);
        let ty = profile.sample_types().get(column).cloned().unwrap_or_default();
        let mut items: Vec<Item> = (0..profile.samples.len())
            .filter(|&sample| profile.value(sample, column) != 0)
            .map(|sample| Item {
                sample: sample as u32,
                calls: profile.stack(sample).len() as u32,
                lines: 0,
                function: NONE,
            })
            .collect();
        let sums = |items: &[Item]| {
            items.iter().fold((0_i64, 0_u64), |(sum, width), item| {
                let value = profile.value(item.sample as usize, column);
                (sum + value, width + value.unsigned_abs())
            })
        };
        let (value, width) = sums(&items);
        let mut graph = Self {
            names: functions.names.clone(),
            unit: ty.unit,
            sample_type: ty.name,
            is_change: value.unsigned_abs() != width,
            nodes: Vec::new(),
        };
        graph.names.push("all".to_owned());
        let root = graph.names.len() - 1;
        graph.nodes.push(FlameNode { name: root, parent: 0, level: 0, value, width, start: 0 });
        let least = ((width as f64 * NARROWEST) as u64).max(1);
        let mut work = vec![(0, 0..items.len())];
        while let Some((parent, range)) = work.pop() {
            let FlameNode { level, start: mut at, .. } = graph.nodes[parent];
            if level == MOST_LEVELS {
                continue;
            }
            let Some(group) = items.get_mut(range.clone()) else { continue };
            for item in &mut *group {
                advance(item, profile, &functions);
            }
            group.sort_unstable_by_key(|item| item.function);
            let mut parts = Vec::new();
            let mut offset = range.start;
            for part in group.chunk_by(|a, b| a.function == b.function) {
                let (value, width) = sums(part);
                if part[0].function != NONE && width >= least {
                    parts.push((width, value, part[0].function, offset..offset + part.len()));
                }
                offset += part.len();
            }
            parts.sort_by(|a, b| {
                b.0.cmp(&a.0)
                    .then_with(|| graph.names[a.2 as usize].cmp(&graph.names[b.2 as usize]))
            });
            for (width, value, function, range) in parts {
                let level = level + 1;
                let name = function as usize;
                work.push((graph.nodes.len(), range));
                graph.nodes.push(FlameNode { name, parent, level, value, width, start: at });
                at += width;
            }
        }
        graph.forget_unused_names();
        graph
    }

    fn forget_unused_names(&mut self) {
        let mut places = vec![usize::MAX; self.names.len()];
        let mut names = Vec::new();
        for node in &mut self.nodes {
            if places[node.name] == usize::MAX {
                places[node.name] = names.len();
                names.push(std::mem::take(&mut self.names[node.name]));
            }
            node.name = places[node.name];
        }
        self.names = names;
    }

    /// Spells a value in a unit that fits it.
    pub fn spell(&self, value: i64) -> String {
        crate::units::label(value, &self.unit, "auto")
    }
}

fn advance(item: &mut Item, profile: &Profile, functions: &Functions) {
    let stack = profile.stack(item.sample as usize);
    if item.lines == 0 {
        let Some(next) = item.calls.checked_sub(1) else {
            item.function = NONE;
            return;
        };
        item.calls = next;
        item.lines = functions.at(profile, stack[next as usize]).len() as u32;
    }
    item.lines -= 1;
    item.function = functions.at(profile, stack[item.calls as usize])[item.lines as usize];
}
