//! What alone keeps a map alive, where that is something other than a variable of the program's own.
//!
//! Read off the dominator tree: whatever dominates the map's header would free the map if it let go.
//! A closure, a pool, a timer or a finalizer there is worth a word, and so is a goroutine. Maps that
//! several holders share have no dominator but the collector's roots, and so no pin.

use tophash_gomap::{ObjectType, RootPathKind, Walk};
use tophash_goruntime::{Field, LayoutTable, ObjectId, Pointee, Program, Root, RootKind};
use tophash_heapgraph::NodeId;
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::shares::Retention;

/// Something without which a map would be garbage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pin {
    /// A goroutine's stack; its index in the program's list.
    Goroutine(u32),
    /// The iterator of a `range` in a goroutine.
    Iterator(u32),
    /// A function value, by the name of its function.
    Closure(String),
    /// What an object that has a finalizer or cleanup points to, or such a function itself.
    Finalizer,
    /// A `sync.Pool`.
    Pool,
    /// A timer or ticker.
    Timer,
}

/// Finds pins.
pub(super) struct Pins<'p> {
    program: &'p Program<'p>,
    walk: &'p Walk<'p>,
    retention: Retention<'p>,
    iterator: Option<IteratorFields>,
}

/// Where an iterator keeps what tells it from other structs.
struct IteratorFields {
    size: u64,
    ty: Field,
    map: Field,
}

impl IteratorFields {
    fn new(layout: &LayoutTable) -> Option<Self> {
        const SWISS: &str = "internal/runtime/maps.Iter";
        const CLASSIC: &str = "runtime.hiter";
        let either =
            |swiss, classic| layout.find(SWISS, swiss).or_else(|| layout.find(CLASSIC, classic));
        Some(Self {
            size: layout.size_of(&[SWISS, CLASSIC]).ok()?,
            ty: either("typ", "t")?,
            map: either("m", "h")?,
        })
    }
}

impl<'p> Pins<'p> {
    pub(super) fn new(
        program: &'p Program<'p>,
        walk: &'p Walk<'p>,
        retention: Retention<'p>,
    ) -> Self {
        let iterator = IteratorFields::new(program.layout());
        Self { program, walk, retention, iterator }
    }

    /// Returns what alone keeps the map with this header, the nearest first.
    pub(super) fn of(&self, header: NodeId) -> Vec<Pin> {
        let mut found = Vec::new();
        for node in self.retention.graph.dominators(header) {
            let pin = match self.retention.heap.resolve(node) {
                Ok(object) => self.object_pin(object),
                Err(holder) => match (holder.kind(), holder.goroutine()) {
                    (_, Some(goroutine)) => Some(match self.is_iterator(goroutine, node, header) {
                        true => Pin::Iterator(goroutine),
                        false => Pin::Goroutine(goroutine),
                    }),
                    (RootPathKind::Finalizer, _) => Some(Pin::Finalizer),
                    _ => None,
                },
            };
            found.extend(pin);
        }
        found.dedup();
        found
    }

    fn object_pin(&self, object: ObjectId) -> Option<Pin> {
        let heap = self.program.heap();
        match self.walk.object_type(object)? {
            ObjectType::Closure => {
                let start = heap.object_start(heap.slot(object));
                let code = self.program.memory().read_address(start).ok()?;
                let function = self.program.functions().find(code)?;
                Some(Pin::Closure(function.name().into_owned()))
            }
            ObjectType::Whole(ty) | ObjectType::Part(ty) => {
                match &*self.program.types().get(ty).name {
                    "sync.poolLocal" | "sync.poolLocalInternal" | "sync.poolChainElt" => {
                        Some(Pin::Pool)
                    }
                    "time.Timer" | "time.Ticker" | "runtime.timer" | "runtime.timeTimer" => {
                        Some(Pin::Timer)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Tells whether of a goroutine's words, only an iterator's lead to the map: a `range` that has
    /// not ended, over a map that nothing else refers to.
    fn is_iterator(&self, goroutine: u32, holder: NodeId, header: NodeId) -> bool {
        // The map must hang on the goroutine directly, not through something else it holds.
        if self.retention.graph.dominator(header) != Some(holder) {
            return false;
        }
        let heap = self.program.heap();
        let Ok(object) = self.retention.heap.resolve(header) else { return false };
        let at = heap.object_start(heap.slot(object));
        self.only_iterators(goroutine, at, |value| {
            let target = self.retention.heap.node_at(value);
            target.is_some_and(|target| self.retention.graph.dominates(header, target))
        })
    }

    /// The same for a map whose header lies in a frame.
    pub(super) fn is_iterated(&self, goroutine: u32, header: Address) -> bool {
        self.only_iterators(goroutine, header, |value| value == header)
    }

    /// Tells whether the words of a goroutine that lead to a map are all an iterator's.
    fn only_iterators(
        &self,
        goroutine: u32,
        header: Address,
        leads_to_map: impl Fn(Address) -> bool,
    ) -> bool {
        let of_goroutine = |root: &&Root| match root.kind {
            RootKind::Stack { goroutine: of, .. } | RootKind::StackObject { goroutine: of, .. } => {
                of == goroutine
            }
            _ => false,
        };
        let mut words = self
            .walk
            .roots()
            .iter()
            .filter(of_goroutine)
            .filter(|root| leads_to_map(root.value))
            .peekable();
        words.peek().is_some() && words.all(|root| self.is_in_iterator(root, header))
    }

    /// Tells whether a word lies in an iterator over the map with this header. The compiler's
    /// iterators have no names, but each holds the map's type beside the map
    /// (`internal/runtime/maps.Iter`, to Go 1.23 `runtime.hiter`).
    fn is_in_iterator(&self, root: &Root, header: Address) -> bool {
        let Some(iterator) = &self.iterator else { return false };
        let memory = self.program.memory();
        let is_map_type = |at: Address| {
            let types = self.program.types();
            types.by_descriptor(at).is_some_and(|ty| types.get(ty).as_map().is_some())
        };
        (0..iterator.size / 8).any(|word| {
            let start = root.at - ByteSize::new(8 * word);
            iterator.map.read_address(memory, start).is_ok_and(|map| map == header)
                && iterator.ty.read_address(memory, start).is_ok_and(is_map_type)
        })
    }

    /// Tells whether every pointer to the map comes from a word of type `unsafe.Pointer`, as far as
    /// the types of what points to it are known: nothing but the program's own discipline says then
    /// that a map is there.
    pub(super) fn is_only_unsafe(&self, header: NodeId, at: Address) -> bool {
        let graph = self.retention.graph;
        let mut referrers = 0;
        for node in graph.predecessors(header).take(MAX_REFERRERS) {
            let Ok(object) = self.retention.heap.resolve(node) else {
                if !self.holder_is_unsafe(node, at) {
                    return false;
                }
                referrers += 1;
                continue;
            };
            let Some(ObjectType::Whole(ty)) = self.walk.object_type(object) else { return false };
            let heap = self.program.heap();
            let types = self.program.types();
            let size = types.get(ty).size.max(1);
            let mut is_bare = false;
            heap.for_each_pointer(types, heap.slot(object), |word, value| {
                if value == at {
                    let offset = 8 * word as u64 % size;
                    is_bare |= types
                        .edges(ty)
                        .iter()
                        .any(|edge| edge.offset == offset && edge.pointee == Pointee::Unknown);
                }
            });
            if !is_bare {
                return false;
            }
            referrers += 1;
        }
        referrers > 0
    }

    /// The same for a global or frame, whose words have types only by DWARF.
    fn holder_is_unsafe(&self, _holder: NodeId, at: Address) -> bool {
        let types = self.program.types();
        let mut words = self.walk.roots().iter().filter(|root| root.value == at).peekable();
        words.peek().is_some()
            && words.all(|root| {
                self.walk.typed_place(root).is_some_and(|(ty, base)| {
                    let offset = (root.at - base).get();
                    types
                        .edges(ty)
                        .iter()
                        .any(|edge| edge.offset == offset && edge.pointee == Pointee::Unknown)
                })
            })
    }
}

/// A map with more referrers than this is no secret.
const MAX_REFERRERS: usize = 64;
