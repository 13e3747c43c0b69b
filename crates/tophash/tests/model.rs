//! The executable maps against real ones: the same operations, and the same memory after each.
//!
//! `fixtures/mapstate` does random operations and tells the hash seed and a digest of the map's
//! memory after each; its hash secrets are read from a core.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use common::{builds, folder, is_wide};
use tophash_gomap::{
    AesHash, BumpHeap, GoType, Heap, MapDesign, MapShape, MapType, MemoryHash, OutOfMemory, Piece,
    Release, Request, RunningMap, StructField,
};
use tophash_goruntime::{Program, aes_key_schedule};
use tophash_memory::{Address, Arena, ByteSize, Target};
use xtask::fixture::{Fixture, Symbols, build_experiment};
use xtask::running::Running;

#[test]
fn a_map_s_memory_is_the_same_as_a_real_map_s_after_each_operation() {
    let operations = if is_wide() { 100_000 } else { 10_000 };
    let builds = builds();
    let next = AtomicUsize::new(0);
    // The model takes a core's time, and there are two.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((version, experiment)) =
                    builds.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let (release, hash, running) = start_program(version, experiment, operations);
                    assert_eq!(replay(&release, &hash, running.lines()), 8 * operations);
                }
            });
        }
    });
}

fn start_program(
    version: &str,
    experiment: &str,
    operations: usize,
) -> (Release, MemoryHash, Running) {
    let (_guard, dir) = folder();
    let program = build_experiment(version, experiment, Fixture::MapState, Symbols::Kept).unwrap();
    let mut command = Command::new(&program);
    let running = Running::start_command(command.arg(operations.to_string())).unwrap();
    let core = dir.join("core");
    xtask::core::write_core(running.pid(), &core).unwrap();
    let target = Target::open_file(&core, Some(&program)).unwrap();
    let opened = Program::open(&target, |_| {}).unwrap();
    let schedule = aes_key_schedule(opened.memory(), opened.functions()).unwrap();
    let hash = MemoryHash::Aes(AesHash::new(&schedule).unwrap());
    let release = Release::new(&opened.build().version).unwrap();
    (release, hash, running)
}

/// What a key or elem is, and how its digest is made.
#[derive(Clone, Copy)]
enum Form {
    Plain,
    Text,
    Cell,
    Pointer,
}

struct Case {
    map: RunningMap,
    heap: ScriptedHeap,
    key: Form,
    elem: Form,
}

/// A heap whose random numbers are those that the real process drew.
struct ScriptedHeap {
    heap: BumpHeap,
    next: u64,
}

impl Heap for ScriptedHeap {
    fn arena(&self) -> &Arena {
        self.heap.arena()
    }

    fn arena_mut(&mut self) -> &mut Arena {
        self.heap.arena_mut()
    }

    fn allocate(&mut self, request: Request) -> Result<Address, OutOfMemory> {
        self.heap.allocate(request)
    }

    fn round_up(&self, size: u64, is_noscan: bool) -> u64 {
        self.heap.round_up(size, is_noscan)
    }

    fn random(&mut self) -> u64 {
        self.next
    }
}

/// Does what the lines tell, and compares after each; returns how many there were.
fn replay(release: &Release, hash: &MemoryHash, lines: &[String]) -> usize {
    let mut case = None;
    let (mut checked, mut step) = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["TYPE", key, elem] => {
                let seed = lines[at + 1].split('\t').nth(3).unwrap().parse().unwrap();
                case = Some(start(release, hash, key, elem, seed));
                step = 0;
            }
            ["OP", operation, number, seed, digest] => {
                let case = case.as_mut().unwrap();
                let parse = |text: &str| text.parse::<u64>().unwrap();
                case.heap.next = parse(seed);
                apply(case, operation, parse(number), step);
                let (release, ty) = (release.version(), case.map.map_type());
                assert_eq!(
                    state(case),
                    parse(digest),
                    "{release}, map[{:?}]{:?}, operation {step}: {operation} {number}",
                    ty.key(),
                    ty.elem(),
                );
                (checked, step) = (checked + 1, step + 1);
            }
            _ => panic!("{line}"),
        }
    }
    checked
}

fn start(release: &Release, hash: &MemoryHash, key: &str, elem: &str, seed: u64) -> Case {
    let (key, key_form) = type_of(key);
    let (elem, elem_form) = type_of(elem);
    let ty = Arc::new(MapType::new(release, key, elem, hash.clone()).unwrap());
    let heap = BumpHeap::new(release, ByteSize::new(1 << 35), 1).unwrap();
    let mut heap = ScriptedHeap { heap, next: seed };
    let map = RunningMap::new(ty, &mut heap, 0).unwrap();
    Case { map, heap, key: key_form, elem: elem_form }
}

fn type_of(name: &str) -> (GoType, Form) {
    let bytes = |len| GoType::Array(len, Arc::new(GoType::Integer(1)));
    let fields: [StructField; 0] = [];
    match name {
        "int64" => (GoType::Integer(8), Form::Plain),
        "uint32" => (GoType::Integer(4), Form::Plain),
        "uint16" => (GoType::Integer(2), Form::Plain),
        "uint8" => (GoType::Integer(1), Form::Plain),
        "[3]uint8" => (bytes(3), Form::Plain),
        "[16]uint8" => (bytes(16), Form::Plain),
        "[130]uint8" => (bytes(130), Form::Cell),
        "main.empty" => (GoType::Struct(Arc::new(fields)), Form::Plain),
        "string" => (GoType::String, Form::Text),
        "*uint64" => (GoType::Pointer, Form::Pointer),
        other => panic!("the fixture has a type {other}"),
    }
}

fn object(heap: &mut ScriptedHeap, bytes: &[u8]) -> Address {
    let size = bytes.len() as u64;
    let request = Request { piece: Piece::Text(size), size, is_noscan: true };
    let at = heap.allocate(request).unwrap();
    heap.arena_mut().slice_mut(at, bytes.len()).copy_from_slice(bytes);
    at
}

/// The bytes of a key or elem by its number, as the fixture makes it.
fn value(heap: &mut ScriptedHeap, ty: &GoType, form: Form, number: u64, is_key: bool) -> Vec<u8> {
    let size = ty.size() as usize;
    match form {
        Form::Text => {
            let text = format!("{}{number}", "k".repeat((number % 40) as usize));
            let at = object(heap, text.as_bytes());
            [at.get().to_le_bytes(), (text.len() as u64).to_le_bytes()].concat()
        }
        Form::Cell => (0..size).map(|at| (number >> (8 * (at % 8))) as u8 ^ at as u8).collect(),
        Form::Pointer => {
            let at = object(heap, &(number % 1024 * 7).to_le_bytes());
            at.get().to_le_bytes().to_vec()
        }
        Form::Plain => match (size, is_key) {
            (3, _) => vec![number as u8, (number >> 20) as u8, 1],
            (16, _) => {
                let mut bytes = vec![0; 16];
                (bytes[0], bytes[1], bytes[9]) = (number as u8, (number >> 8) as u8, 3);
                bytes
            }
            (1, false) => vec![(number >> 20) as u8],
            (size, _) => number.to_le_bytes()[..size].to_vec(),
        },
    }
}

fn apply(case: &mut Case, operation: &str, number: u64, step: u64) {
    let Case { map, heap, key, elem } = case;
    let ty = Arc::clone(map.map_type());
    match operation {
        "set" => {
            let key = value(heap, ty.key(), *key, number, true);
            let elem = value(heap, ty.elem(), *elem, number ^ step << 20, false);
            map.insert(heap, &key, &elem).unwrap();
        }
        "delete" => {
            let key = value(heap, ty.key(), *key, number, true);
            map.delete(heap, &key).unwrap();
        }
        "clear" => map.clear(heap),
        "range" => {
            map.iter(heap).unwrap().next(heap);
        }
        other => panic!("the fixture has an operation {other}"),
    }
}

/// A digest that takes words in, one by one.
struct Digest<'a> {
    value: u64,
    arena: &'a Arena,
}

impl Digest<'_> {
    fn word(&mut self, word: u64) {
        self.value = (self.value ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn bytes(&mut self, at: Address, len: u64) {
        let (words, rest) = self.arena.slice(at, len as usize).as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.word(rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    fn at(&self, at: Address, offset: u64) -> u64 {
        self.arena.word(at + ByteSize::new(offset))
    }

    fn value(&mut self, form: Form, at: Address, size: u64) {
        let (to, size) = match form {
            Form::Plain => {
                if size > 0 {
                    self.bytes(at, size);
                }
                return;
            }
            Form::Text => {
                let len = self.at(at, 8);
                self.word(len);
                (self.at(at, 0), len)
            }
            Form::Cell => (self.at(at, 0), size),
            Form::Pointer => (self.at(at, 0), 8),
        };
        if to == 0 {
            self.word(0);
        } else {
            self.word(1);
            self.bytes(Address::new(to), size);
        }
    }

    fn slots(&mut self, case: &Case, group: Address) {
        let shape = case.map.map_type().shape();
        self.bytes(group, 8);
        for slot in 0..8 {
            let key = group + ByteSize::new(shape.keys_offset + slot * shape.key_stride);
            let elem = group + ByteSize::new(shape.elems_offset + slot * shape.elem_stride);
            self.value(case.key, key, shape.key_size);
            self.value(case.elem, elem, shape.elem_size);
        }
    }
}

fn state(case: &Case) -> u64 {
    let mut digest = Digest { value: 0, arena: case.heap.arena() };
    match case.map.map_type().release().design() {
        MapDesign::Classic => classic(&mut digest, case),
        _ => swiss(&mut digest, case),
    }
    digest.value
}

fn swiss(digest: &mut Digest<'_>, case: &Case) {
    let shape = *case.map.map_type().shape();
    let header = case.map.header();
    let len = digest.at(header, 24);
    for word in [digest.at(header, 0), digest.at(header, 8), len] {
        digest.word(word);
    }
    digest.word(digest.at(header, 32) & 0xffff_ffff);
    digest.word(digest.at(header, 40));
    let directory = Address::new(digest.at(header, 16));
    if directory.is_null() {
        return;
    }
    if len == 0 {
        return digest.slots(case, directory);
    }
    let mut last = 0;
    for index in 0..len {
        let table = digest.at(directory, 8 * index);
        if table == last {
            digest.word(0);
            continue;
        }
        last = table;
        let table = Address::new(table);
        digest.word(digest.at(table, 0) << 8 >> 8);
        let (groups, mask) = (Address::new(digest.at(table, 16)), digest.at(table, 24));
        digest.word(digest.at(table, 8));
        digest.word(mask);
        for unit in 0..=mask {
            digest.slots(case, groups + ByteSize::new(unit * shape.group_size));
        }
    }
}

fn classic(digest: &mut Digest<'_>, case: &Case) {
    let shape = *case.map.map_type().shape();
    let header = case.map.header();
    let counts_clears = case.map.map_type().release().layout().header_size().get() == 56;
    let second = digest.at(header, 8);
    let (flags, log2) = (second as u8, (second >> 8) as u8);
    for word in [digest.at(header, 0), second, digest.at(header, 32)] {
        digest.word(word);
    }
    digest.word(if counts_clears { digest.at(header, 40) } else { 0 });
    let buckets_at = digest.at(header, 16);
    buckets(digest, case, &shape, buckets_at, 1 << log2);
    let old_units = if flags & 8 != 0 { 1 << log2 } else { (1 << log2) / 2 };
    buckets(digest, case, &shape, digest.at(header, 24), old_units);
    let extra = digest.at(header, if counts_clears { 48 } else { 40 });
    if extra == 0 {
        return digest.word(0);
    }
    digest.word(1);
    let extra = Address::new(extra);
    match digest.at(extra, 16) {
        0 => digest.word(0),
        spare => digest.word(1 + (spare - buckets_at) / shape.group_size),
    }
    for list in [0, 8] {
        match digest.at(extra, list) {
            0 => digest.word(0),
            list => {
                digest.word(1);
                digest.word(digest.at(Address::new(list), 8));
                digest.word(digest.at(Address::new(list), 16));
            }
        }
    }
}

fn buckets(digest: &mut Digest<'_>, case: &Case, shape: &MapShape, array: u64, units: u64) {
    if array == 0 {
        return digest.word(0);
    }
    digest.word(1);
    for unit in 0..units {
        let mut bucket = Address::new(array + unit * shape.group_size);
        while !bucket.is_null() {
            digest.slots(case, bucket);
            bucket = Address::new(digest.at(bucket, shape.group_size - 8));
        }
        digest.word(2);
    }
}
