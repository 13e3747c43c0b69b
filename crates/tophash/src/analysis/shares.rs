//! What maps, types and holders retain.

use std::collections::HashMap;

use tophash_gomap::{FoundMap, FoundSyncMap, HeaderLayout, ObjectType, PathNamer, Walk};
use tophash_goruntime::{ObjectId, Program};
use tophash_heapgraph::{HeapGraph, NodeId, PathTree};
use tophash_memory::{ByteSize, MemoryExt};

use super::heap_graph::GoHeap;
use crate::report::{HolderRow, MapRow, PathBranch, TypeRow};

/// The graph of a heap, built.
#[derive(Clone, Copy)]
pub(super) struct Retention<'g> {
    pub(super) heap: &'g GoHeap<'g>,
    pub(super) graph: &'g HeapGraph,
}

impl Retention<'_> {
    /// Bytes that would go with a map: its own, and what is reachable through it alone.
    ///
    /// That is what its header and arrays retain together: an iterator holds arrays of its own, so
    /// that the header alone does not dominate them.
    pub(super) fn of_map(
        &self,
        program: &Program<'_>,
        headers: &HeaderLayout,
        map: &FoundMap,
    ) -> u64 {
        let parts = headers.objects(program.heap(), map.address);
        self.graph.retained_by_set(parts.into_iter().map(GoHeap::node))
    }

    /// The same for a `sync.Map`, which lies in something else: what its fields lead to.
    pub(super) fn of_sync_map(&self, program: &Program<'_>, map: &FoundSyncMap) -> u64 {
        let words = program.layout().size_of(&["sync.Map"]).unwrap_or(0) / 8;
        let targets = (0..words).filter_map(|word| {
            let at = map.address + ByteSize::new(8 * word);
            self.heap.node_at(program.memory().read_address(at).ok()?)
        });
        self.graph.retained_by_set(targets)
    }

    /// Every holder that retains something, the largest first.
    pub(super) fn holders(&self, program: &Program<'_>, namer: &PathNamer<'_>) -> Vec<HolderRow> {
        let mut rows: Vec<HolderRow> = self
            .heap
            .holders()
            .filter(|(node, _)| self.graph.retained(*node) > 0)
            .map(|(node, holder)| {
                let goroutine =
                    holder.goroutine().and_then(|index| program.goroutines().get(index as usize));
                HolderRow {
                    kind: holder.kind(),
                    name: holder.name(program, namer),
                    at: holder.at(),
                    goroutine: goroutine.map(|goroutine| goroutine.id),
                    wait_reason: goroutine.and_then(|goroutine| goroutine.wait_reason.clone()),
                    waited: goroutine.and_then(|goroutine| program.waited(goroutine)),
                    retained_bytes: self.graph.retained(node),
                    objects: self.graph.retained_objects(node) - 1,
                }
            })
            .collect();
        rows.sort_by(|a, b| {
            b.retained_bytes.cmp(&a.retained_bytes).then_with(|| a.name.cmp(&b.name))
        });
        rows
    }

    /// Every type of the heap with its objects, the type that retains most first.
    pub(super) fn types(&self, program: &Program<'_>, walk: &Walk<'_>) -> Vec<TypeRow> {
        let heap = program.heap();
        let mut objects: HashMap<Option<ObjectType>, Vec<NodeId>> = HashMap::new();
        for index in 0..heap.slot_count() {
            let id = ObjectId::from_index(index);
            if walk.is_reachable(id) {
                let ty = walk.object_type(id).filter(|ty| !matches!(ty, ObjectType::Part(_)));
                objects.entry(ty).or_default().push(GoHeap::node(id));
            }
        }
        let mut rows: Vec<TypeRow> = objects
            .into_iter()
            .map(|(ty, nodes)| TypeRow {
                name: type_name(program, ty),
                objects: nodes.len() as u64,
                bytes: nodes.iter().map(|node| self.heap.size_of(*node)).sum(),
                retained_bytes: self.graph.retained_by_set(nodes),
            })
            .collect();
        rows.sort_by(|a, b| {
            b.retained_bytes.cmp(&a.retained_bytes).then_with(|| a.name.cmp(&b.name))
        });
        rows
    }
}

fn type_name(program: &Program<'_>, ty: Option<ObjectType>) -> String {
    let name = |id| program.types().get(id).name.to_string();
    match ty {
        Some(ObjectType::Whole(id) | ObjectType::MapHeader(id)) => name(id),
        Some(ObjectType::MapInternal) => "(inside of maps)".to_owned(),
        Some(ObjectType::Channel) => "(channels)".to_owned(),
        Some(ObjectType::Closure) => "(closures)".to_owned(),
        Some(ObjectType::Text) => "(bytes of strings)".to_owned(),
        Some(ObjectType::Part(_)) | None => "(type not known)".to_owned(),
    }
}

/// Levels and branches of the tree of paths that are kept apart.
const TREE_DEPTH: usize = 64;
const TREE_BRANCHES: usize = 1 << 20;

/// Merges the paths of maps into one tree.
pub(super) fn path_tree(rows: &[MapRow]) -> PathTree<PathBranch> {
    let mut tree = PathTree::with_bounds(TREE_DEPTH, TREE_BRANCHES);
    for row in rows.iter().filter(|row| row.part_of.is_none()) {
        let Some(root) = &row.root else { continue };
        let steps = root.steps.iter().cloned().map(PathBranch::Step);
        let end = PathBranch::Map(row.type_name());
        tree.add(steps.chain([end]), row.own_bytes);
    }
    tree
}
