//! Times operations on running maps: of a runtime type, of Rust types, and on `hashbrown`'s, as
//! `fixtures/mapspeed` does on real ones. `cargo xtask bench-maps` runs both.
//!
//! ```text
//! map_speed go1.27 1000 100000
//! SPEED  key type, entries, operation, map, nanoseconds for each
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::hash::Hash;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use tophash_gomap::{
    AesHash, BumpHeap, GoKey, GoType, GoValue, Heap, MapType, MemoryHash, Piece, Release, Request,
    RunningMap, TypedMap,
};
use tophash_goruntime::GoVersion;
use tophash_memory::ByteSize;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Each figure is the mean of at least so many operations.
const TIMED: usize = 2_000_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let version = arguments.next().and_then(|text| GoVersion::parse(&text));
    let release = Release::new(&version.ok_or("usage: map_speed GO ENTRIES…")?)?;
    for entries in arguments {
        let entries = entries.parse()?;
        let word = |random: u64| random.to_le_bytes().to_vec();
        speed(&release, "uint64", entries, &GoType::Integer(8), word)?;
        typed(&release, "uint64", entries, |random: u64| random)?;
        rust("uint64", entries, |random: u64| random);
        let text = |random: u64| format!("key-{random:016x}").into_bytes();
        speed(&release, "string", entries, &GoType::String, text)?;
        rust("string", entries, |random| format!("key-{random:016x}"));
        let bytes = |random: u64| [random.to_le_bytes(), random.to_le_bytes()].concat();
        let array = GoType::Array(16, Arc::new(GoType::Integer(1)));
        speed(&release, "[16]uint8", entries, &array, bytes)?;
        rust("[16]uint8", entries, |random: u64| [random, random]);
    }
    Ok(())
}

/// splitmix64.
fn randoms(mut state: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(word ^ (word >> 31))
    })
}

fn shuffled<K: Clone>(keys: &[K]) -> Vec<K> {
    let mut keys = keys.to_vec();
    for (at, random) in (1..keys.len()).rev().zip(randoms(99)) {
        keys.swap(at, (random % (at as u64 + 1)) as usize);
    }
    keys
}

/// Times what is done in rounds, and prints it.
struct Timer {
    name: String,
    entries: usize,
    rounds: usize,
}

impl Timer {
    fn new(name: &str, map: &str, entries: usize) -> Self {
        let rounds = (TIMED / entries).max(1);
        Self { name: format!("{name}\t{entries}\t{map}"), entries, rounds }
    }

    fn time<T>(&self, operation: &str, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = run();
        let nanos = start.elapsed().as_nanos() as f64 / (self.rounds * self.entries) as f64;
        println!("SPEED\t{}\t{operation}\t{nanos:.2}", self.name);
        done
    }
}

/// A key's bytes in memory: of a string, its header, whose bytes go to the heap.
fn stored(heap: &mut BumpHeap, is_text: bool, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !is_text {
        return Ok(bytes);
    }
    let size = bytes.len() as u64;
    let at = heap.allocate(Request { piece: Piece::Text(size), size, is_noscan: true })?;
    heap.arena_mut().slice_mut(at, bytes.len()).copy_from_slice(&bytes);
    Ok([at.get().to_le_bytes(), size.to_le_bytes()].concat())
}

fn heap_for(release: &Release) -> Result<(BumpHeap, MemoryHash)> {
    let schedule = std::array::from_fn(|at| (at * 37 + 11) as u8);
    let hash = MemoryHash::Aes(AesHash::new(&schedule).ok_or("a schedule of zeros")?);
    Ok((BumpHeap::new(release, ByteSize::new(1 << 36), 1)?, hash))
}

fn speed(
    release: &Release,
    name: &str,
    entries: usize,
    key: &GoType,
    bytes: impl Fn(u64) -> Vec<u8>,
) -> Result<()> {
    let timer = Timer::new(name, "running", entries);
    let (mut heap, hash) = heap_for(release)?;
    let ty = Arc::new(MapType::new(release, key.clone(), GoType::Integer(8), hash)?);
    let size = key.size() as usize;
    let mut keys = |seed| -> Result<Vec<Vec<u8>>> {
        let is_text = *key == GoType::String;
        randoms(seed).take(entries).map(|r| stored(&mut heap, is_text, bytes(r))).collect()
    };
    let (keys, absent) = (keys(1)?, keys(2)?);
    // Side by side, as in Go.
    let flat = |keys: &[Vec<u8>]| keys.concat();
    let (there, absent) = (flat(&shuffled(&keys)), flat(&shuffled(&absent)));
    let keys = flat(&keys);

    let maps = timer.time("insert", || -> Result<Vec<RunningMap>> {
        (0..timer.rounds)
            .map(|_| {
                let map = RunningMap::new(Arc::clone(&ty), &mut heap, 0)?;
                for (elem, key) in keys.chunks_exact(size).enumerate() {
                    map.insert(&mut heap, key, &(elem as u64).to_le_bytes())?;
                }
                Ok(map)
            })
            .collect()
    })?;
    let map = &maps[0];
    let mut look_up = |operation, keys: &[u8], found| {
        let mut sum = 0;
        let count = timer.time(operation, || {
            let mut count = 0;
            for _ in 0..timer.rounds {
                for key in keys.chunks_exact(size) {
                    if let Some(slot) = map.get(&mut heap, key) {
                        sum += heap.arena().word(slot.elem);
                        count += 1;
                    }
                }
            }
            count
        });
        black_box(sum);
        assert_eq!(count, found);
    };
    look_up("hit", &there, timer.rounds * entries);
    look_up("miss", &absent, 0);
    let mut count = 0;
    timer.time("iterate", || -> Result<()> {
        for _ in 0..timer.rounds {
            let mut iter = map.iter(&mut heap)?;
            while let Some(slot) = iter.next(&mut heap) {
                black_box(heap.arena().word(slot.elem));
                count += 1;
            }
        }
        Ok(())
    })?;
    assert_eq!(count, timer.rounds * entries);
    timer.time("delete", || -> Result<()> {
        for map in &maps {
            for key in there.chunks_exact(size) {
                map.delete(&mut heap, key)?;
            }
        }
        Ok(())
    })?;
    assert!(maps.iter().all(|map| map.is_empty(&heap)));
    Ok(())
}

fn typed<K: GoKey<Borrowed = K> + GoValue + Clone>(
    release: &Release,
    name: &str,
    entries: usize,
    key: impl Fn(u64) -> K,
) -> Result<()> {
    let timer = Timer::new(name, "typed", entries);
    let (mut heap, hash) = heap_for(release)?;
    let keys = |seed| randoms(seed).take(entries).map(&key).collect::<Vec<K>>();
    let (keys, absent) = (keys(1), shuffled(&keys(2)));
    let there = shuffled(&keys);

    let maps = timer.time("insert", || -> Result<Vec<TypedMap<K, u64>>> {
        (0..timer.rounds)
            .map(|_| {
                let map = TypedMap::new(release, hash.clone(), &mut heap, 0)?;
                for (elem, key) in keys.iter().enumerate() {
                    map.insert(&mut heap, key, &(elem as u64))?;
                }
                Ok(map)
            })
            .collect()
    })?;
    let map = &maps[0];
    let mut look_up = |operation, keys: &[K]| {
        let sum = timer.time(operation, || {
            let mut sum = 0;
            for _ in 0..timer.rounds {
                sum += keys.iter().filter_map(|key| map.get(&mut heap, key)).sum::<u64>();
            }
            sum
        });
        black_box(sum);
    };
    look_up("hit", &there);
    look_up("miss", &absent);
    timer.time("iterate", || -> Result<()> {
        for _ in 0..timer.rounds {
            let mut iter = map.iter(&mut heap)?;
            while let Some((_, elem)) = iter.next(&mut heap) {
                black_box(elem);
            }
        }
        Ok(())
    })?;
    timer.time("delete", || -> Result<()> {
        for map in &maps {
            for key in &there {
                map.delete(&mut heap, key)?;
            }
        }
        Ok(())
    })?;
    assert!(maps.iter().all(|map| map.is_empty(&heap)));
    Ok(())
}

fn rust<K: Hash + Eq + Clone>(name: &str, entries: usize, key: impl Fn(u64) -> K) {
    let timer = Timer::new(name, "hashbrown", entries);
    let keys = |seed| randoms(seed).take(entries).map(&key).collect::<Vec<K>>();
    let (keys, absent) = (keys(1), shuffled(&keys(2)));
    let there = shuffled(&keys);
    // A Go string is copied without its bytes; here the key is a reference.
    let mut maps: Vec<hashbrown::HashMap<&K, u64>> = timer.time("insert", || {
        let fill = |_| keys.iter().enumerate().map(|(elem, key)| (key, elem as u64));
        (0..timer.rounds)
            .map(|round| {
                let mut map = hashbrown::HashMap::new();
                for (key, elem) in fill(round) {
                    map.insert(key, elem);
                }
                map
            })
            .collect()
    });
    let map = &maps[0];
    let look_up = |operation, keys: &[K]| {
        let sum = timer.time(operation, || {
            let mut sum = 0;
            for _ in 0..timer.rounds {
                sum += keys.iter().filter_map(|key| map.get(key)).sum::<u64>();
            }
            sum
        });
        black_box(sum);
    };
    look_up("hit", &there);
    look_up("miss", &absent);
    timer.time("iterate", || {
        for _ in 0..timer.rounds {
            for elem in map.values() {
                black_box(elem);
            }
        }
    });
    timer.time("delete", || {
        for map in &mut maps {
            for key in &there {
                map.remove(key);
            }
        }
    });
    assert!(maps.iter().all(hashbrown::HashMap::is_empty));
}
