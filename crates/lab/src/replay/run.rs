//! Running a trace on a release's maps.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tophash_gomap::{
    AesHash, BumpHeap, GoType, Heap, HeapCounts, MapType, MemoryHash, OutOfMemory, Piece, Release,
    Request, RunningMap, StandardTypes, parse_map_type,
};
use tophash_goruntime::SizeClasses;
use tophash_memory::{Address, Arena, ByteSize};

use super::keys::{DYNAMIC_WORD, USUAL_TEXT, key_bytes};
use super::trace::{Access, Record, TraceError, Whole};

/// Operations that are prepared at once and then timed.
const BATCH: usize = 1 << 16;
/// Points of the course over time, at least half of them used.
const MAX_POINTS: usize = 512;
/// Maps at once.
const MAX_MAPS: usize = 1 << 20;
/// Keys of all maps together.
const MAX_KEYS: usize = 1 << 27;
/// Address space of the simulated heap.
const ROOM: ByteSize = ByteSize::new(1 << 38);

/// Why a trace could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The trace can't be read on.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// A map's type is none.
    #[error("map {map} of the trace has a type that can't be replayed: {fault}")]
    BadType {
        /// The map's number.
        map: u64,
        /// What is wrong with the type.
        fault: String,
    },
    /// Something was done with a map that was not made.
    #[error("record {record} of the trace uses map {map}, which no “make” before it makes")]
    NoMap {
        /// The record, the first being 1.
        record: u64,
        /// The map's number.
        map: u64,
    },
    /// More maps at once, or more keys, than are replayed.
    #[error("the trace has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are replayed.
        limit: usize,
    },
    /// The simulated heap is full.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
    /// The system has no address space for the simulated heap.
    #[error("there is no address space for the simulated heap")]
    NoAddressSpace(#[source] std::io::Error),
}

/// What a trace did on a release.
#[derive(Debug, Default)]
pub struct Replay {
    /// Operations on maps.
    pub operations: u64,
    /// What all of them took together.
    pub time: Duration,
    /// Maps that were made.
    pub maps: u64,
    /// Entries at the end, of the maps that are there then.
    pub entries: u64,
    /// Bytes and objects of all maps. Keys and elems outside of them do not count.
    pub heap: HeapCounts,
    /// How often arrays or tables were replaced by larger ones, or by two.
    pub growths: u64,
    /// How often a classic map's array was replaced by one as large.
    pub same_size_growths: u64,
    /// Overflow buckets that were made beyond those that arrays carry.
    pub overflow_buckets: u64,
    /// The bytes that were live after so many operations.
    pub course: Vec<(u64, u64)>,
    /// The trace was cut short.
    pub cut: Option<TraceError>,
}

/// Replays a trace on a release's maps.
///
/// The hash is a fixed one, and so is chance: the same trace gives the same bytes again. `time` is
/// that of the operations alone. A trace that is cut short is replayed as far as it goes, and
/// [`Replay::cut`] says so.
///
/// # Errors
///
/// Fails where the trace is damaged, has a type that is none, or needs more memory than there is
/// address space.
pub fn replay(
    release: &Release,
    records: impl IntoIterator<Item = Result<Record, TraceError>>,
) -> Result<Replay, ReplayError> {
    let mut player = Player::new(release)?;
    let mut batch = Vec::new();
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(cut @ TraceError::Truncated { .. }) => {
                player.replay.cut = Some(cut);
                break;
            }
            Err(fault) => return Err(fault.into()),
        };
        player.records += 1;
        match record {
            Record::Make { map, hint, ty } => {
                player.run(&mut batch)?;
                player.make(map, hint, &ty)?;
            }
            Record::Key { map, key, len } => {
                let index = player.find(map)?;
                player.maps[index].texts.insert(key, len);
            }
            Record::Access { access, map, key } => {
                let map = player.find(map)?;
                let key = player.key(map, key)?;
                batch.push(Step { map, does: Does::Access(access, key) });
            }
            Record::Whole { whole: Whole::Drop, map } => {
                player.run(&mut batch)?;
                player.drop_map(map)?;
            }
            Record::Whole { whole, map } => {
                let map = player.find(map)?;
                batch.push(Step { map, does: Does::Whole(whole) });
            }
        }
        if batch.len() >= BATCH {
            player.run(&mut batch)?;
        }
    }
    player.run(&mut batch)?;
    Ok(player.finish())
}

/// An operation that is ready to be timed.
struct Step {
    map: usize,
    does: Does,
}

enum Does {
    /// With the key whose bytes start there.
    Access(Access, usize),
    Whole(Whole),
}

struct PlayedMap {
    map: RunningMap,
    /// Where the bytes of a key start, by its number.
    keys: HashMap<u64, usize>,
    bytes: Vec<u8>,
    texts: HashMap<u64, u64>,
    /// How many keys of a length there are, of lengths that do not hold every number.
    short: HashMap<u64, u64>,
    elem: Vec<u8>,
}

struct Player<'r> {
    release: &'r Release,
    hash: MemoryHash,
    types: HashMap<String, Arc<MapType>>,
    heap: CountingHeap,
    /// The place of a map by its number.
    numbers: HashMap<u64, usize>,
    maps: Vec<PlayedMap>,
    keys: usize,
    records: u64,
    /// Operations from one point of the course to the next.
    stride: usize,
    replay: Replay,
}

impl<'r> Player<'r> {
    fn new(release: &'r Release) -> Result<Self, ReplayError> {
        let heap = BumpHeap::new(release, ROOM, 1).map_err(ReplayError::NoAddressSpace)?.reusing();
        let schedule = std::array::from_fn(|at| (at * 37 + 11) as u8);
        let hash = match AesHash::new(&schedule) {
            Some(hash) => MemoryHash::Aes(hash),
            None => unreachable!("the schedule is not all zero"),
        };
        Ok(Self {
            release,
            hash,
            types: HashMap::new(),
            heap: CountingHeap {
                heap,
                sizes: release.sizes().clone(),
                counts: HeapCounts::default(),
                maps: Vec::new(),
                current: 0,
                growths: 0,
                same_size_growths: 0,
                overflow_buckets: 0,
            },
            numbers: HashMap::new(),
            maps: Vec::new(),
            keys: 0,
            records: 0,
            stride: 1,
            replay: Replay::default(),
        })
    }

    fn find(&self, map: u64) -> Result<usize, ReplayError> {
        let record = self.records;
        self.numbers.get(&map).copied().ok_or(ReplayError::NoMap { record, map })
    }

    fn make(&mut self, number: u64, hint: u64, ty: &str) -> Result<(), ReplayError> {
        if self.maps.len() >= MAX_MAPS {
            return Err(ReplayError::TooMany { what: "maps", limit: MAX_MAPS });
        }
        let ty = match self.types.get(ty) {
            Some(known) => Arc::clone(known),
            None => {
                let bad = |fault: String| ReplayError::BadType { map: number, fault };
                let names = StandardTypes::of(self.release.version().minor());
                let written = parse_map_type(ty, &names).map_err(|e| bad(e.to_string()))?;
                let mut made =
                    MapType::new(self.release, written.key, written.elem, self.hash.clone())
                        .map_err(|e| bad(e.to_string()))?;
                made.add_dynamic(Address::new(DYNAMIC_WORD), &GoType::Integer(8))
                    .map_err(|e| bad(e.to_string()))?;
                let made = Arc::new(made);
                self.types.insert(ty.to_owned(), Arc::clone(&made));
                made
            }
        };
        self.heap.start_map(self.maps.len());
        let start = Instant::now();
        let map = RunningMap::new(Arc::clone(&ty), &mut self.heap, hint)?;
        self.replay.time += start.elapsed();
        self.numbers.insert(number, self.maps.len());
        let elem = vec![0; ty.shape().elem_size as usize];
        self.maps.push(PlayedMap {
            map,
            keys: HashMap::new(),
            bytes: Vec::new(),
            texts: HashMap::new(),
            short: HashMap::new(),
            elem,
        });
        self.replay.maps += 1;
        Ok(())
    }

    /// Makes a key that was not seen before, and says where its bytes start.
    fn key(&mut self, map: usize, number: u64) -> Result<usize, ReplayError> {
        let played = &mut self.maps[map];
        if let Some(at) = played.keys.get(&number) {
            return Ok(*at);
        }
        self.keys += 1;
        if self.keys > MAX_KEYS {
            return Err(ReplayError::TooMany { what: "keys", limit: MAX_KEYS });
        }
        let text = played.texts.remove(&number).unwrap_or(USUAL_TEXT);
        let mut value = number;
        if text < 8 {
            let before = played.short.entry(text).or_insert(0);
            value = *before;
            *before += 1;
        }
        let bytes = key_bytes(&mut self.heap, played.map.map_type().key(), value, text)?;
        let at = played.bytes.len();
        played.bytes.extend(bytes);
        played.keys.insert(number, at);
        Ok(at)
    }

    /// Runs and times what was prepared.
    fn run(&mut self, batch: &mut Vec<Step>) -> Result<(), ReplayError> {
        let mut rest = &batch[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.stride.min(rest.len()));
            rest = later;
            let start = Instant::now();
            for step in now {
                self.step(step)?;
            }
            self.replay.time += start.elapsed();
            self.replay.operations += now.len() as u64;
            self.mark();
        }
        batch.clear();
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), OutOfMemory> {
        let played = &self.maps[step.map];
        self.heap.current = step.map;
        match step.does {
            Does::Access(access, at) => {
                let size = played.map.map_type().shape().key_size as usize;
                let key = &played.bytes[at..at + size];
                match access {
                    Access::Set => drop(played.map.insert(&mut self.heap, key, &played.elem)?),
                    Access::Get => drop(played.map.get(&mut self.heap, key)),
                    Access::Delete => drop(played.map.delete(&mut self.heap, key)?),
                }
            }
            Does::Whole(Whole::Range) => {
                let mut iter = played.map.iter(&mut self.heap)?;
                while iter.next(&mut self.heap).is_some() {}
            }
            Does::Whole(Whole::Clear | Whole::Drop) => played.map.clear(&mut self.heap),
        }
        Ok(())
    }

    /// Adds a point to the course; with too many of them, every other one goes.
    fn mark(&mut self) {
        let course = &mut self.replay.course;
        course.push((self.replay.operations, self.heap.counts.live_bytes));
        if course.len() > MAX_POINTS {
            let mut keep = false;
            course.retain(|_| {
                keep = !keep;
                keep
            });
            self.stride *= 2;
        }
    }

    fn drop_map(&mut self, number: u64) -> Result<(), ReplayError> {
        let index = self.find(number)?;
        self.numbers.remove(&number);
        self.heap.drop_map(index);
        // The place stays; the keys' bytes need not.
        self.maps[index].keys = HashMap::new();
        self.maps[index].bytes = Vec::new();
        Ok(())
    }

    fn finish(mut self) -> Replay {
        let mut replay = std::mem::take(&mut self.replay);
        let live = self.numbers.values().map(|index| self.maps[*index].map.len(&self.heap));
        replay.entries = live.sum();
        replay.heap = self.heap.counts;
        replay.growths = self.heap.growths;
        replay.same_size_growths = self.heap.same_size_growths;
        replay.overflow_buckets = self.heap.overflow_buckets;
        replay
    }
}

/// A heap that counts the objects of maps, and why they are made.
struct CountingHeap {
    heap: BumpHeap,
    sizes: SizeClasses,
    counts: HeapCounts,
    maps: Vec<MapCounts>,
    /// The map that is worked on.
    current: usize,
    growths: u64,
    same_size_growths: u64,
    overflow_buckets: u64,
}

/// What a map has.
#[derive(Clone, Copy, Default)]
struct MapCounts {
    objects: u64,
    bytes: u64,
    /// Buckets of the classic array.
    buckets: u64,
}

impl CountingHeap {
    fn start_map(&mut self, index: usize) {
        self.current = index;
        self.maps.push(MapCounts::default());
    }

    fn drop_map(&mut self, index: usize) {
        let counts = std::mem::take(&mut self.maps[index]);
        self.counts.live_objects -= counts.objects;
        self.counts.live_bytes -= counts.bytes;
    }
}

impl Heap for CountingHeap {
    #[inline(always)]
    fn arena(&self) -> &Arena {
        self.heap.arena()
    }

    #[inline(always)]
    fn arena_mut(&mut self) -> &mut Arena {
        self.heap.arena_mut()
    }

    fn allocate(&mut self, request: Request) -> Result<Address, OutOfMemory> {
        let at = self.heap.allocate(request)?;
        if matches!(request.piece, Piece::Text(_)) {
            return Ok(at);
        }
        let slot = self.sizes.slot_size(request.size, request.is_noscan);
        let counts = &mut self.counts;
        counts.live_objects += 1;
        counts.live_bytes += slot;
        counts.made_objects += 1;
        counts.made_bytes += slot;
        counts.peak_bytes = counts.peak_bytes.max(counts.live_bytes);
        let map = &mut self.maps[self.current];
        map.objects += 1;
        map.bytes += slot;
        match request.piece {
            Piece::OverflowBucket => self.overflow_buckets += 1,
            Piece::Buckets(units) => match std::mem::replace(&mut map.buckets, units) {
                0 => {}
                before if before == units => self.same_size_growths += 1,
                _ => self.growths += 1,
            },
            _ => {}
        }
        Ok(at)
    }

    fn round_up(&self, size: u64, is_noscan: bool) -> u64 {
        self.heap.round_up(size, is_noscan)
    }

    fn random(&mut self) -> u64 {
        self.heap.random()
    }

    fn retire(&mut self, at: Address, request: Request) {
        self.heap.retire(at, request);
        let slot = self.sizes.slot_size(request.size, request.is_noscan);
        self.counts.live_objects -= 1;
        self.counts.live_bytes -= slot;
        let map = &mut self.maps[self.current];
        map.objects -= 1;
        map.bytes -= slot;
        // A Swiss table's groups are retired when it is replaced, and then alone.
        if matches!(request.piece, Piece::Groups(_)) {
            self.growths += 1;
        }
    }
}
