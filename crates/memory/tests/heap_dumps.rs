//! Heap dumps, sound, cut off, damaged and hostile, as a user might give them.
#![expect(clippy::unwrap_used, reason = "where a test's own set-up fails, the test fails")]

#[expect(dead_code, reason = "shared with the tests of cores, which use all of it")]
mod synth;

use std::path::PathBuf;

use proptest::prelude::*;
use synth::{PAGE, TinyProgram, pattern};
use tempfile::TempDir;
use tophash_memory::{
    Address, ByteSize, Consistency, DumpedCall, DumpedFinalizer, MemoryExt, OpenError, ReadError,
    Target,
};

const HEAP: u64 = 0xc0_0000_0000;
const STACK: u64 = 0xc0_0008_0000;
const PROGRAM: u64 = 0x40_0000;
const DATA: u64 = PROGRAM + 2 * PAGE + 0x100;
const BSS: u64 = PROGRAM + 3 * PAGE + 0x40;

/// Writes records as the runtime does.
#[derive(Clone, Default)]
struct Dump {
    bytes: Vec<u8>,
    /// Where each record starts, and what a diagnostic calls it.
    records: Vec<(usize, &'static str)>,
}

impl Dump {
    fn new() -> Self {
        Self { bytes: b"go1.7 heap dump\n".to_vec(), records: Vec::new() }
    }

    fn number(&mut self, mut value: u64) -> &mut Self {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
        self
    }

    fn numbers(&mut self, values: &[u64]) -> &mut Self {
        for value in values {
            self.number(*value);
        }
        self
    }

    fn run(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    /// A list of fields: pointers at these offsets.
    fn fields(&mut self, offsets: &[u64]) -> &mut Self {
        for offset in offsets {
            self.numbers(&[1, *offset]);
        }
        self.number(0)
    }

    fn tag(&mut self, tag: u64, name: &'static str) -> &mut Self {
        self.records.push((self.bytes.len(), name));
        self.number(tag)
    }

    fn parameters(&mut self, is_big_endian: u64, pointer_size: u64, arch: &str) -> &mut Self {
        self.tag(6, "the parameters").numbers(&[
            is_big_endian,
            pointer_size,
            HEAP,
            HEAP + (64 << 20),
        ]);
        self.run(arch.as_bytes()).run(b"go1.27.3").number(8)
    }

    fn object(&mut self, at: u64, bytes: &[u8], pointers: &[u64]) -> &mut Self {
        self.tag(1, "an object").number(at).run(bytes).fields(pointers)
    }

    fn globals(&mut self, tag: u64, name: &'static str, at: u64, bytes: &[u8]) -> &mut Self {
        self.tag(tag, name).number(at).run(bytes).fields(&[0, 16])
    }

    fn end(&mut self) -> &mut Self {
        self.tag(0, "a record")
    }
}

/// A dump with every kind of record, in the runtime's order.
fn sound() -> Dump {
    let mut dump = Dump::new();
    dump.parameters(0, 8, "amd64");
    dump.tag(3, "a type").numbers(&[PROGRAM + 0x500, 24]).run(b"main.session").number(1);
    dump.tag(8, "an interface table").numbers(&[PROGRAM + 0x600, PROGRAM + 0x500]);
    // Two spans: the second one listed first, as the runtime lists them in no order.
    dump.object(HEAP + 0x2000, &pattern(0x66, 64), &[]);
    dump.object(HEAP, &pattern(0x44, 48), &[8, 40]);
    dump.object(HEAP + 48, &pattern(0x55, 48), &[8]);
    let goroutine = HEAP + 0x2000;
    dump.tag(4, "a goroutine").numbers(&[goroutine, STACK, 1, PROGRAM + PAGE, 4, 0, 0, 0]);
    dump.run(b"dumping heap").numbers(&[0, 0, 0, 0]);
    for (depth, at) in [STACK, STACK + 32].into_iter().enumerate() {
        dump.tag(5, "a stack frame").numbers(&[at, depth as u64, 0]).run(&pattern(0x77, 32));
        dump.numbers(&[PROGRAM + PAGE + 0x10, PROGRAM + PAGE + 0x18, PROGRAM + PAGE + 0x18]);
        dump.run(b"main.main").fields(&[16]);
    }
    dump.tag(14, "a deferred call").numbers(&[HEAP, goroutine, STACK, 1, HEAP + 48, 2, 0]);
    dump.tag(15, "a panic").numbers(&[HEAP, goroutine, 1, HEAP + 48, 0, 0]);
    dump.tag(9, "a thread").numbers(&[HEAP, 0, 4711]);
    dump.tag(2, "a root").run(b"a reason").number(HEAP + 48);
    dump.globals(12, "the initialised globals", DATA, &pattern(0x33, 0x80));
    dump.globals(13, "the zeroed globals", BSS, &pattern(0x99, 0x100));
    dump.tag(7, "a finalizer").numbers(&[HEAP, HEAP + 48, PROGRAM + PAGE, 1, 2]);
    dump.tag(11, "a finalizer").numbers(&[HEAP + 0x2000, HEAP + 48, PROGRAM + PAGE, 1, 2]);
    dump.tag(10, "the statistics").numbers(&[1 << 40; 24 + 256 + 1]);
    dump.tag(16, "a profile record").numbers(&[HEAP + 0x3000, 48, 1]);
    dump.run(b"main.main").run(b"main.go").numbers(&[7, 1, 0]);
    dump.tag(17, "a profile sample").numbers(&[HEAP, HEAP + 0x3000]);
    dump.end();
    dump
}

struct Files {
    _dir: TempDir,
    program: PathBuf,
    dump: PathBuf,
}

impl Files {
    fn new(program: &TinyProgram, bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = program.write(dir.path());
        let dump = dir.path().join("heap.dump");
        std::fs::write(&dump, bytes).unwrap();
        Self { _dir: dir, program, dump }
    }

    fn open(&self) -> Result<Target, OpenError> {
        Target::open_file(&self.dump, Some(&self.program))
    }
}

fn open(bytes: &[u8]) -> Result<Target, OpenError> {
    Files::new(&TinyProgram::new(), bytes).open()
}

fn read(target: &Target, at: u64, len: u64) -> Result<Vec<u8>, ReadError> {
    target.memory().read_bytes(Address::new(at), ByteSize::new(len)).map(|bytes| bytes.into_owned())
}

fn fault(opened: Result<Target, OpenError>) -> String {
    opened.err().expect("it should be refused").to_string()
}

#[test]
fn a_dump_and_its_executable_make_one_memory() {
    let target = open(&sound().bytes).unwrap();
    assert_eq!(target.consistency(), Consistency::HeapDump);
    assert_eq!(target.diagnostics(), [""; 0]);
    // Objects, alone and across two of them, borrowed and copied.
    assert_eq!(read(&target, HEAP, 48).unwrap(), pattern(0x44, 48));
    let two = [pattern(0x44, 48), pattern(0x55, 48)].concat();
    assert_eq!(read(&target, HEAP, 96).unwrap(), two);
    let memory = target.memory();
    assert!(memory.bytes(Address::new(HEAP + 8), ByteSize::new(40)).is_some());
    assert!(memory.bytes(Address::new(HEAP + 8), ByteSize::new(41)).is_none());
    memory.done_with(Address::new(HEAP), ByteSize::new(96));
    assert_eq!(read(&target, HEAP, 96).unwrap(), two);
    // A slot that holds no object is not there.
    assert!(matches!(read(&target, HEAP + 96, 8), Err(ReadError::Unmapped { .. })));
    // Frames lie one above the other.
    let frames = [pattern(0x77, 32), pattern(0x77, 32)].concat();
    assert_eq!(read(&target, STACK, 64).unwrap(), frames);
    // Of the globals those with pointers are the dump's, the others the executable's.
    assert_eq!(read(&target, DATA, 0x80).unwrap(), pattern(0x33, 0x80));
    assert_eq!(read(&target, DATA - 8, 8).unwrap(), pattern(0x22, 0x200)[0xf8..0x100]);
    assert_eq!(read(&target, BSS, 0x100).unwrap(), pattern(0x99, 0x100));
    assert!(matches!(read(&target, BSS - 8, 8), Err(ReadError::Missing { .. })));
    assert_eq!(read(&target, PROGRAM + PAGE, 16).unwrap(), pattern(0x11, 16));
}

#[test]
fn what_a_dump_says_beyond_bytes_is_kept() {
    let target = open(&sound().bytes).unwrap();
    let dump = target.heap_dump().unwrap();
    assert_eq!(dump.go_version(), "go1.27.3");
    let objects: Vec<(u64, Vec<u64>)> = dump
        .objects()
        .map(|object| (object.range().start().get(), object.pointer_offsets().collect()))
        .collect();
    let expected = [(HEAP, vec![8, 40]), (HEAP + 48, vec![8]), (HEAP + 0x2000, vec![])];
    assert_eq!(objects, expected);
    assert_eq!(dump.object(2).unwrap().bytes(), pattern(0x66, 64));
    assert!(dump.object(3).is_none());
    let data = dump.data().unwrap();
    assert_eq!(data.range().start().get(), DATA);
    assert_eq!(data.pointer_offsets().collect::<Vec<_>>(), [0, 16]);
    let finalizer = |object, is_queued| DumpedFinalizer {
        object: Address::new(object),
        function: Address::new(HEAP + 48),
        is_queued,
    };
    assert_eq!(dump.finalizers(), [finalizer(HEAP, false), finalizer(HEAP + 0x2000, true)]);
    assert_eq!(dump.other_roots(), [Address::new(HEAP + 48)]);
    let bucket = Address::new(HEAP + 0x3000);
    assert_eq!(dump.samples(), [(Address::new(HEAP), bucket)]);
    let allocation = dump.allocation(bucket).unwrap();
    let call = DumpedCall { function: "main.main".to_owned(), file: "main.go".to_owned(), line: 7 };
    assert_eq!((allocation.size.get(), allocation.calls), (48, vec![call]));
    assert_eq!(dump.allocation(Address::new(HEAP)), None);
    let entry = Address::new(PROGRAM + PAGE + 0x10);
    assert_eq!(dump.functions(), [(entry, "main.main".to_owned())]);
}

mod refusals {
    use super::*;

    #[test]
    fn a_dump_without_its_executable_is_refused_with_what_to_do() {
        let files = Files::new(&TinyProgram::new(), &sound().bytes);
        let refused = fault(Target::open_file(&files.dump, None));
        assert!(refused.contains("needs its executable") && refused.contains("--exe"), "{refused}");
    }

    #[test]
    fn a_dump_in_place_of_its_executable_is_refused() {
        let files = Files::new(&TinyProgram::new(), &sound().bytes);
        let refused = fault(Target::open_file(&files.dump, Some(&files.dump)));
        assert!(refused.contains("is not an ELF file"), "{refused}");
    }

    #[test]
    fn what_only_starts_like_a_dump_is_refused() {
        let refused = fault(open(b"go1.7 heap dum"));
        assert!(refused.contains("is not an ELF file"), "{refused}");
        let refused = fault(open(b"go1.7 heap dump\n"));
        assert!(refused.contains("is damaged"), "{refused}");
    }

    #[test]
    fn dumps_of_other_machines_are_refused_by_name() {
        for (is_big_endian, pointer_size, arch, expected) in [
            (1, 8, "s390x", "big-endian"),
            (0, 4, "386", "pointers of 4 bytes"),
            (0, 8, "arm64", "\"arm64\""),
        ] {
            let mut dump = Dump::new();
            dump.parameters(is_big_endian, pointer_size, arch).end();
            let refused = fault(open(&dump.bytes));
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn where_a_program_without_sections_was_loaded_is_not_guessed() {
        let mut program = TinyProgram::new();
        program.is_pie = true;
        let refused = fault(Files::new(&program, &sound().bytes).open());
        assert!(refused.contains("no section headers"), "{refused}");
        let mut dump = Dump::new();
        dump.parameters(0, 8, "amd64").end();
        let refused = fault(Files::new(&program, &dump.bytes).open());
        assert!(refused.contains("its data section"), "{refused}");
    }
}

mod damage {
    use super::*;

    #[test]
    fn a_dump_that_is_cut_off_says_in_which_record() {
        let dump = sound();
        let ends = dump.records.iter().map(|(start, _)| *start).skip(1).chain([dump.bytes.len()]);
        let spans: Vec<_> = dump.records.iter().zip(ends).collect();
        // The first record says what the others mean.
        for ((start, name), end) in &spans[1..] {
            for cut in *start..*end {
                let target = open(&dump.bytes[..cut]).unwrap();
                let [said] = target.diagnostics() else { panic!("{:?}", target.diagnostics()) };
                let name = if cut == *start { "a record" } else { name };
                let expected = format!("cut off within {name} at offset {start}");
                assert!(said.contains(&expected), "{cut}: {said} lacks {expected:?}");
            }
        }
        assert!(fault(open(&dump.bytes[..20])).contains("is damaged"));
    }

    #[test]
    fn what_a_cut_costs_is_said_by_how_far_the_dump_goes() {
        let dump = sound();
        let said = |name: &str| {
            let (start, _) = dump.records.iter().rfind(|(_, kind)| *kind == name).unwrap();
            open(&dump.bytes[..start + 1]).unwrap().diagnostics().join("\n")
        };
        assert!(said("an object").contains("all goroutines, the initialised globals"));
        assert!(said("the zeroed globals").contains(": the zeroed globals"));
        assert!(said("a profile sample").contains("finalizers may be missing"));
    }

    #[test]
    fn what_came_before_a_cut_is_there() {
        let dump = sound();
        let (start, _) = dump.records[5];
        let target = open(&dump.bytes[..start + 20]).unwrap();
        assert_eq!(read(&target, HEAP, 48).unwrap(), pattern(0x44, 48));
        assert!(read(&target, HEAP + 48, 48).is_err());
        // Globals that the dump did not come to are as they were when the program started.
        assert_eq!(read(&target, PROGRAM + 2 * PAGE, 16).unwrap(), pattern(0x22, 16));
        assert!(read(&target, BSS, 8).is_err());
    }

    #[test]
    fn a_record_of_an_unknown_kind_ends_the_dump_with_its_offset() {
        let mut dump = sound();
        let (at, _) = dump.records[4];
        dump.bytes[at] = 99;
        let target = open(&dump.bytes).unwrap();
        let said = target.diagnostics().join("\n");
        assert!(said.contains(&format!("unknown kind) within a record at offset {at}")), "{said}");
    }

    #[test]
    fn lengths_and_counts_beyond_the_file_cost_nothing() {
        for (tag, numbers) in [
            (1, vec![HEAP, u64::MAX]),
            (1, vec![HEAP, 1 << 40]),
            (2, vec![1 << 62]),
            (3, vec![1, 2, 1 << 33]),
            (5, vec![STACK, 0, 0, u64::MAX >> 1]),
            (12, vec![DATA, u64::MAX]),
            (13, vec![BSS, 1 << 50]),
            (16, vec![1, 2, u64::MAX]),
        ] {
            let mut dump = Dump::new();
            dump.parameters(0, 8, "amd64").tag(tag, "hostile").numbers(&numbers);
            let target = open(&dump.bytes).unwrap();
            assert!(target.diagnostics()[0].contains("cut off"), "{:?}", target.diagnostics());
        }
    }

    #[test]
    fn objects_that_overlap_are_counted_and_left_out() {
        let mut dump = Dump::new();
        dump.parameters(0, 8, "amd64");
        dump.object(HEAP, &pattern(1, 48), &[]).object(HEAP + 8, &pattern(2, 48), &[]).end();
        let target = open(&dump.bytes).unwrap();
        assert!(target.diagnostics()[0].starts_with("1 objects"), "{:?}", target.diagnostics());
        assert_eq!(read(&target, HEAP, 48).unwrap(), pattern(1, 48));
    }

    #[test]
    fn objects_at_the_end_of_the_address_space_are_refused() {
        let mut dump = Dump::new();
        dump.parameters(0, 8, "amd64").object(u64::MAX - 7, &pattern(1, 48), &[]).end();
        let target = open(&dump.bytes).unwrap();
        assert!(target.diagnostics()[0].contains("beyond the address space"));
        assert_eq!(target.heap_dump().unwrap().object_count(), 0);
    }
}

proptest! {
    #[test]
    fn damaged_dumps_never_panic(
        changes in prop::collection::vec((0_usize..3000, any::<u8>()), 0..12),
        runs in prop::collection::vec((0_usize..3000, 1_usize..12), 0..3),
        len in prop_oneof![3 => Just(usize::MAX), 1 => 0..3000_usize],
    ) {
        let mut bytes = sound().bytes;
        for (at, byte) in changes {
            let len = bytes.len();
            bytes[16 + at % (len - 16)] = byte;
        }
        for (at, count) in runs {
            let len = bytes.len();
            let start = 16 + at % (len - 16);
            bytes[start..(start + count).min(len)].fill(0xff);
        }
        bytes.truncate(len);
        match open(&bytes) {
            Ok(target) => {
                let dump = target.heap_dump().unwrap();
                for object in dump.objects().take(100) {
                    let range = object.range();
                    prop_assert_eq!(range.size().get(), object.bytes().len() as u64);
                    prop_assert!(object.pointer_offsets().count() < bytes.len());
                    let _ = read(&target, range.start().get().wrapping_sub(8), 64);
                    target.memory().done_with(range.start(), ByteSize::new(u64::MAX));
                }
            }
            Err(refused) => prop_assert!(!refused.to_string().is_empty()),
        }
    }
}
