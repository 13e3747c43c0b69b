//! What the analysis of a large heap takes, in time and memory.
//!
//! `cargo run --release -p tophash-heapgraph --example graph_scale -- 1000000 10000000` generates a
//! heap for each number of objects and prints the time of each stage, the most memory that was in
//! use, and for heaps of up to 10⁶ objects petgraph's time beside it. Each runs in a process of its
//! own, since the system keeps only the largest figure of a process.
//!
//! The heap is a formula, so that it takes no memory itself: lists, trees, tables and records of 4096
//! objects each, one in sixteen of them garbage. Every eighth object also points to a hub, which
//! thousands do, and one in 128 anywhere.

use std::env;
use std::error::Error;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::{DiGraph, NodeIndex};
use tophash_heapgraph::{HeapGraph, NodeId, Source, Stage};

/// Heaps of up to so many objects are given to petgraph too.
const PETGRAPH_LIMIT: u32 = 1_000_000;

/// Objects of a shape; 4096, so that trees are full and tables even.
const SHAPE: u32 = 4096;

/// One object in so many is a hub: the first of some shapes, none of them garbage.
const HUB: u32 = 32 * SHAPE;

/// Pseudo nodes that hold the shapes, as global variables would.
const GLOBALS: u32 = 64;

/// A heap of so many objects. The globals come after them.
struct Generated(u32);

impl Generated {
    /// A number that depends on a node alone (the finalizer of MurmurHash3).
    fn scramble(node: u32, salt: u32) -> u32 {
        let mut bits = node ^ salt.wrapping_mul(0x9e37_79b9);
        bits = (bits ^ bits >> 16).wrapping_mul(0x85eb_ca6b);
        bits = (bits ^ bits >> 13).wrapping_mul(0xc2b2_ae35);
        bits ^ bits >> 16
    }

    /// Every sixteenth shape is held by nothing outside it.
    fn is_garbage(shape: u32) -> bool {
        shape % 16 == 15
    }

    fn shapes(&self) -> u32 {
        self.0.div_ceil(SHAPE)
    }
}

impl Source for Generated {
    fn node_count(&self) -> usize {
        (self.0 + GLOBALS) as usize
    }

    fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
        (self.0..self.0 + GLOBALS).for_each(|global| visit(NodeId::new(global)));
    }

    fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId)) {
        let node = node.index() as u32;
        let mut point = |to: u32| {
            if to < self.0 {
                visit(NodeId::new(to));
            }
        };
        if node >= self.0 {
            let held = (node - self.0..self.shapes()).step_by(GLOBALS as usize);
            held.filter(|&shape| !Self::is_garbage(shape)).for_each(|shape| point(shape * SHAPE));
            return;
        }
        let (base, within) = (node / SHAPE * SHAPE, node % SHAPE);
        match (node / SHAPE) % 4 {
            // Four lists, linked both ways, of which the first object holds the heads.
            0 => {
                if within == 0 {
                    (1..4).for_each(|list| point(base + list * 1024));
                }
                if within % 1024 != 1023 {
                    point(node + 1);
                }
                if within % 1024 != 0 {
                    point(node - 1);
                }
            }
            // A tree that is linked both ways.
            1 => {
                if within < SHAPE / 2 {
                    point(base + 2 * within + 1);
                    point(base + 2 * within + 2);
                }
                if within > 0 {
                    point(base + (within - 1) / 2);
                }
            }
            // Tables, each of which holds the next and 255 objects that know their table.
            2 if within % 256 == 0 => {
                (1..=256)
                    .take_while(|step| within + step < SHAPE)
                    .for_each(|step| point(node + step));
            }
            2 => point(base + within / 256 * 256),
            // Records that hold the next and an object that 64 of them share.
            _ => {
                if within < SHAPE - 1 {
                    point(node + 1);
                }
                point(base + within / 64 * 64);
            }
        }
        let chance = Self::scramble(node, 1);
        let anywhere = Self::scramble(node, 2) % self.0;
        if chance.is_multiple_of(8) {
            // One of the objects that thousands know.
            point(anywhere / HUB * HUB);
        } else if chance % 128 == 1 && !Self::is_garbage(anywhere / SHAPE) {
            point(anywhere);
        }
    }

    fn size(&self, node: NodeId) -> u64 {
        let node = node.index() as u32;
        if node < self.0 { 16 << (Self::scramble(node, 3) % 4) } else { 0 }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--one", objects] => measure(objects.parse()?),
        ["--petgraph", objects] => measure_petgraph(objects.parse()?),
        [] => Err("name the numbers of objects, such as 1000000 10000000".into()),
        ref many => many.iter().try_for_each(|objects| {
            let program = env::current_exe()?;
            run(Command::new(&program).args(["--one", objects]))?;
            if objects.parse::<u32>()? <= PETGRAPH_LIMIT {
                run(Command::new(&program).args(["--petgraph", objects]))?;
            }
            Ok(())
        }),
    }
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}

fn measure(objects: u32) -> Result<(), Box<dyn Error>> {
    let heap = Generated(objects);
    let before = peak_bytes()?;
    let start = Instant::now();
    let mut stages: Vec<(Stage, Instant)> = Vec::new();
    let graph = HeapGraph::build(&heap, &mut |stage, _, _| {
        if stages.last().is_none_or(|&(last, _)| last != stage) {
            stages.push((stage, Instant::now()));
        }
    })?;
    let end = Instant::now();
    let built = peak_bytes()? - before;

    let (nodes, edges) = (graph.reachable_count(), graph.edge_count());
    println!("{objects} objects, {nodes} nodes reachable, {edges} edges");
    println!("  built in {}", seconds(end - start));
    let ends = stages.iter().skip(1).map(|&(_, began)| began).chain([end]);
    for (&(stage, began), end) in stages.iter().zip(ends) {
        println!("    {stage:?}: {}", seconds(end - began));
    }
    let all = heap.node_count() as f64;
    let arrays = built as f64 - 4.0 * edges as f64;
    println!(
        "  peak {} MB: {:.1} B an object, of which 4 B for each of {:.2} edges and {:.1} B beside",
        built / 1_000_000,
        built as f64 / all,
        edges as f64 / all,
        arrays / all,
    );
    println!("  kept {} MB", graph.state_bytes() / 1_000_000);

    let sample: Vec<NodeId> = (0..objects).step_by(9_973).map(NodeId::new).collect();
    let start = Instant::now();
    let retained = graph.retained_by_set(sample.iter().copied());
    let one_by_one = start.elapsed();
    let start = Instant::now();
    let freed = graph.freed_without(&heap, &sample)?;
    println!(
        "  a set of {}: {retained} B retained one by one ({}), {freed} B freed together ({})",
        sample.len(),
        seconds(one_by_one),
        seconds(start.elapsed()),
    );
    let start = Instant::now();
    let steps: usize = sample.iter().map(|&node| graph.shortest_path(node).len()).sum();
    let paths = start.elapsed() / sample.len() as u32;
    println!("  a shortest path: {} steps, {paths:?} on average", steps / sample.len());
    println!("  peak in all {} MB", (peak_bytes()? - before) / 1_000_000);
    Ok(())
}

/// petgraph's dominators, without sums and paths. Its graph is made before.
fn measure_petgraph(objects: u32) -> Result<(), Box<dyn Error>> {
    let heap = Generated(objects);
    let nodes = heap.node_count();
    let before = peak_bytes()?;
    let mut other = DiGraph::<(), ()>::with_capacity(nodes + 1, 0);
    (0..=nodes).for_each(|_| {
        other.add_node(());
    });
    let root = NodeIndex::new(nodes);
    heap.roots(&mut |target| {
        other.add_edge(root, NodeIndex::new(target.index()), ());
    });
    for node in 0..nodes {
        heap.successors(NodeId::new(node as u32), &mut |target| {
            other.add_edge(NodeIndex::new(node), NodeIndex::new(target.index()), ());
        });
    }
    let start = Instant::now();
    let dominators = simple_fast(&other, root);
    let elapsed = start.elapsed();
    let peak = peak_bytes()? - before;

    let graph = HeapGraph::build(&heap, &mut |_, _, _| {})?;
    for node in (0..nodes).map(|node| NodeId::new(node as u32)) {
        let theirs = dominators.immediate_dominator(NodeIndex::new(node.index()));
        let theirs = theirs.filter(|&dominator| dominator != root).map(NodeIndex::index);
        if theirs != graph.dominator(node).map(NodeId::index) {
            return Err(format!("petgraph has another dominator of {node}").into());
        }
    }
    println!(
        "  petgraph: the same dominators in {}, peak {} MB ({:.1} B an object), its graph included",
        seconds(elapsed),
        peak / 1_000_000,
        peak as f64 / nodes as f64,
    );
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

/// The most memory this process had in use.
fn peak_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.ok_or("no VmHWM")?.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
