//! Cores and executables, sound and damaged, as a user might give them.
#![expect(clippy::unwrap_used, reason = "where a test's own set-up fails, the test fails")]

mod synth;

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use synth::*;
use tempfile::TempDir;
use tophash_memory::{Address, ByteSize, Consistency, MemoryExt, OpenError, ReadError, Target};

/// A directory with a tiny program and a core of it.
struct Files {
    dir: TempDir,
    program: PathBuf,
    core: PathBuf,
}

impl Files {
    fn new(program: &TinyProgram, change: impl FnOnce(&mut Elf)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = program.write(dir.path());
        let mut core = tiny_core(program, &path);
        change(&mut core);
        Self::with_core(dir, path, &core.bytes())
    }

    fn with_core(dir: TempDir, program: PathBuf, bytes: &[u8]) -> Self {
        let core = dir.path().join("core");
        std::fs::write(&core, bytes).unwrap();
        Self { dir, program, core }
    }

    /// A sound program and core of which the core's bytes are changed.
    fn damaged(change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let files = Self::new(&TinyProgram::new(), |_| {});
        let mut bytes = std::fs::read(&files.core).unwrap();
        change(&mut bytes);
        std::fs::write(&files.core, bytes).unwrap();
        files
    }

    fn open(&self) -> Result<Target, OpenError> {
        Target::open_file(&self.core, None)
    }

    fn open_with(&self, executable: &Path) -> Result<Target, OpenError> {
        Target::open_file(&self.core, Some(executable))
    }
}

fn sound() -> Files {
    Files::new(&TinyProgram::new(), |_| {})
}

fn read(target: &Target, at: u64, len: u64) -> Result<Vec<u8>, ReadError> {
    target.memory().read_bytes(Address::new(at), ByteSize::new(len)).map(|bytes| bytes.into_owned())
}

fn fault<T>(result: Result<T, OpenError>) -> OpenError {
    result.err().expect("it is refused")
}

const BASE: u64 = 0x40_0000;

#[test]
fn a_core_gives_memory_mappings_and_threads() {
    let files = sound();
    let target = files.open().unwrap();
    assert_eq!(target.consistency(), Consistency::Core);
    assert!(target.diagnostics().is_empty(), "{:?}", target.diagnostics());
    assert_eq!(target.load_bias(), 0);
    assert_eq!(target.executable().path(), files.program);
    assert!(target.live().is_none());

    assert_eq!(read(&target, HEAP, 2 * PAGE).unwrap(), pattern(0x44, 2 * PAGE));
    assert_eq!(read(&target, BASE + 2 * PAGE, 2 * PAGE).unwrap(), pattern(0x33, 2 * PAGE));

    let starts: Vec<u64> = target.mappings().iter().map(|m| m.range.start().get()).collect();
    assert_eq!(starts, [BASE, BASE + PAGE, BASE + 2 * PAGE, HEAP]);
    let data = &target.mappings()[2];
    assert!(data.permissions.write && !data.permissions.execute);
    let file = data.file.as_ref().unwrap();
    assert_eq!((file.path.as_path(), file.offset), (files.program.as_path(), 2 * PAGE));
    assert_eq!(target.mappings()[3].file, None);
}

#[test]
fn text_that_a_core_lacks_comes_from_the_executable() {
    let target = sound().open().unwrap();
    assert_eq!(read(&target, BASE + PAGE, PAGE).unwrap(), pattern(0x11, PAGE));
}

#[test]
fn a_core_s_own_bytes_go_before_those_of_the_executable() {
    // The executable's data is pattern 0x22; the program wrote 0x33.
    let target = sound().open().unwrap();
    assert_eq!(read(&target, BASE + 2 * PAGE, 8).unwrap(), pattern(0x33, 8));
}

#[test]
fn memory_behind_a_segment_s_stored_bytes_is_zero() {
    let target = sound().open().unwrap();
    assert_eq!(read(&target, HEAP + 2 * PAGE, 2 * PAGE).unwrap(), vec![0; 2 * PAGE as usize]);
    let mut both = pattern(0x44, 2 * PAGE)[PAGE as usize..].to_vec();
    both.resize(2 * PAGE as usize, 0);
    assert_eq!(read(&target, HEAP + PAGE, 2 * PAGE).unwrap(), both);
    assert!(matches!(read(&target, HEAP + 4 * PAGE, 1), Err(ReadError::Unmapped { .. })));
}

#[test]
fn registers_of_every_thread_are_read() {
    let target = sound().open().unwrap();
    let threads = target.threads();
    assert_eq!(threads.iter().map(|thread| thread.tid).collect::<Vec<_>>(), [100, 101]);
    for thread in threads {
        let all = registers(thread.tid);
        assert_eq!(thread.general, all);
        assert_eq!((thread.pc.get(), thread.sp.get()), (all[16], all[19]));
    }
}

#[test]
fn a_compressed_core_is_equal_to_the_plain_one() {
    let files = sound();
    let bytes = std::fs::read(&files.core).unwrap();
    let packed = files.dir.path().join("core.zst");
    std::fs::write(&packed, zstd::encode_all(&*bytes, 3).unwrap()).unwrap();
    let plain = files.open().unwrap();
    let expanded = Target::open_file(&packed, None).unwrap();
    assert_eq!(plain.mappings(), expanded.mappings());
    assert_eq!(plain.threads(), expanded.threads());
    for mapping in plain.mappings() {
        let (at, len) = (mapping.range.start().get(), mapping.range.size().get());
        assert_eq!(read(&plain, at, len), read(&expanded, at, len));
    }
}

#[test]
fn of_a_compressed_core_that_is_cut_off_the_beginning_is_kept() {
    let files = sound();
    let core = std::fs::read(&files.core).unwrap();
    // The last page is its own frame, so that a cut leaves all the others.
    let (kept, lost) = core.split_at(core.len() - PAGE as usize);
    let mut bytes = zstd::encode_all(kept, 3).unwrap();
    bytes.extend(&zstd::encode_all(lost, 3).unwrap()[..9]);
    let packed = files.dir.path().join("core.zst");
    std::fs::write(&packed, &bytes).unwrap();
    let target = Target::open_file(&packed, None).unwrap();
    let told = target.diagnostics().join("\n");
    assert!(told.contains("core.zst is cut off or damaged"), "{told}");
    assert!(told.contains("is missing, from"), "{told}");

    std::fs::write(&packed, &bytes[..3]).unwrap();
    let refused = fault(Target::open_file(&packed, None));
    assert!(matches!(refused, OpenError::File { .. }), "{refused}");
}

mod executables {
    use super::*;

    #[test]
    fn one_of_the_same_build_serves_from_anywhere() {
        let files = sound();
        let moved = files.dir.path().join("elsewhere");
        std::fs::rename(&files.program, &moved).unwrap();
        let target = files.open_with(&moved).unwrap();
        assert_eq!(read(&target, BASE + PAGE, PAGE).unwrap(), pattern(0x11, PAGE));
    }

    #[test]
    fn one_of_another_build_is_refused_with_both_build_ids_and_a_remedy() {
        let files = sound();
        let mut other = TinyProgram::new();
        other.notes = build_id_note(&[0xee; 20]);
        let path = files.dir.path().join("other");
        std::fs::write(&path, other.bytes()).unwrap();
        let refused = fault(files.open_with(&path));
        assert!(matches!(refused, OpenError::WrongExecutable { .. }));
        let text = refused.to_string();
        for part in ["a0a1a2a3a4", &"ee".repeat(20), "--exe"] {
            assert!(text.contains(part), "{part} is not in: {text}");
        }
    }

    #[test]
    fn one_of_another_build_is_refused_by_go_s_own_build_id_where_there_is_no_other() {
        let mut program = TinyProgram::new();
        program.notes = go_build_id_note("that/ran");
        let files = Files::new(&program, |_| {});
        files.open().unwrap();
        for notes in [go_build_id_note("an/other"), build_id_note(&[0xee; 20])] {
            program.notes = notes;
            let path = files.dir.path().join("other");
            std::fs::write(&path, program.bytes()).unwrap();
            let text = fault(files.open_with(&path)).to_string();
            assert!(text.contains("that/ran"), "{text}");
        }
    }

    #[test]
    fn one_that_is_gone_is_asked_for() {
        let files = sound();
        std::fs::remove_file(&files.program).unwrap();
        let refused = fault(files.open());
        assert!(matches!(&refused, OpenError::ExecutableNeeded { recorded: Some(path), .. }
            if *path == files.program));
        assert!(refused.to_string().contains("--exe"), "{refused}");
    }

    #[test]
    fn one_that_the_core_does_not_name_is_asked_for() {
        let files = Files::new(&TinyProgram::new(), |core| core.parts[0] = note_segment(&[]));
        let refused = fault(files.open());
        assert!(matches!(refused, OpenError::ExecutableNeeded { recorded: None, .. }));
        assert!(refused.to_string().contains("--exe"), "{refused}");
    }

    #[test]
    fn one_without_a_build_id_is_taken_as_it_is() {
        let mut program = TinyProgram::new();
        program.notes.clear();
        let target = Files::new(&program, |_| {}).open().unwrap();
        assert_eq!(target.executable().build_id(), None);
    }

    #[test]
    fn a_core_without_the_build_id_says_that_it_could_not_be_checked() {
        // As under a `coredump_filter` that leaves out ELF headers.
        let files = Files::new(&TinyProgram::new(), |core| {
            core.parts[1] = load_larger(BASE, R, &[], PAGE);
        });
        let target = files.open().unwrap();
        assert!(target.diagnostics().iter().any(|d| d.contains("build ID")));
        assert_eq!(read(&target, BASE, PAGE).unwrap(), TinyProgram::new().bytes()[..PAGE as usize]);
    }

    #[test]
    fn a_position_independent_one_is_placed_by_the_kernel_s_word() {
        let mut program = TinyProgram::new();
        (program.is_pie, program.base) = (true, 0x5555_5000_0000);
        let target = Files::new(&program, |_| {}).open().unwrap();
        assert_eq!(target.load_bias(), 0x5555_5000_0000);
        assert_eq!(read(&target, program.base + PAGE, PAGE).unwrap(), pattern(0x11, PAGE));
        assert_eq!(target.image_ranges()[0].start().get(), program.base);
    }

    #[test]
    fn a_position_independent_one_is_placed_by_the_list_of_files() {
        let mut program = TinyProgram::new();
        (program.is_pie, program.base) = (true, 0x5555_5000_0000);
        let base = program.base;
        let dir = tempfile::tempdir().unwrap();
        let path = program.write(dir.path());
        let mut core = tiny_core(&program, &path);
        core.parts[0] = note_segment(&[file_note(&[
            (base, base + PAGE, 0, &path),
            (base + PAGE, base + 2 * PAGE, PAGE, &path),
        ])]);
        let target = Files::with_core(dir, path, &core.bytes()).open().unwrap();
        assert_eq!(target.load_bias(), base);
        assert_eq!(read(&target, base + PAGE, PAGE).unwrap(), pattern(0x11, PAGE));
    }

    #[test]
    fn libraries_are_mapped_but_their_bytes_are_missing() {
        let library = Path::new("/lib/libc.so.6");
        let dir = tempfile::tempdir().unwrap();
        let program = TinyProgram::new();
        let path = program.write(dir.path());
        let mut core = tiny_core(&program, &path);
        let at = 0x7f00_0000_0000;
        core.parts[0] = note_segment(&[
            auxv_note(BASE + 64, BASE + TinyProgram::ENTRY),
            file_note(&[(at, at + PAGE, 0, library), (BASE, BASE + PAGE, 0, &path)]),
        ]);
        core.parts.push(load_larger(at, R | X, &[], PAGE));
        let target = Files::with_core(dir, path.clone(), &core.bytes()).open().unwrap();
        assert_eq!(target.executable().path(), path);
        assert!(matches!(read(&target, at, 8), Err(ReadError::Missing { .. })));
    }
}

mod wrong_kinds {
    use super::*;

    #[test]
    fn a_file_that_is_not_there() {
        let refused = fault(Target::open_file(Path::new("/nowhere/core"), None));
        assert!(matches!(refused, OpenError::File { .. }));
        assert!(refused.to_string().contains("/nowhere/core"), "{refused}");
    }

    #[test]
    fn an_empty_file() {
        let refused = fault(Files::damaged(Vec::clear).open());
        assert!(matches!(refused, OpenError::NotElf { .. }), "{refused}");
    }

    #[test]
    fn a_directory() {
        let files = sound();
        let refused = fault(Target::open_file(files.dir.path(), None));
        assert!(matches!(refused, OpenError::File { .. }), "{refused}");
    }

    #[test]
    fn text() {
        let refused =
            fault(Files::damaged(|bytes| *bytes = b"goroutine 1 [running]:".into()).open());
        assert!(matches!(refused, OpenError::NotElf { .. }), "{refused}");
    }

    #[test]
    fn a_32_bit_core() {
        let refused = fault(Files::new(&TinyProgram::new(), |core| core.class = 1).open());
        assert!(refused.to_string().contains("32-bit"), "{refused}");
    }

    #[test]
    fn a_big_endian_core() {
        let refused = fault(Files::new(&TinyProgram::new(), |core| core.byte_order = 2).open());
        assert!(refused.to_string().contains("is a big-endian"), "{refused}");
    }

    #[test]
    fn a_core_of_arm64() {
        let refused =
            fault(Files::new(&TinyProgram::new(), |core| core.machine = EM_AARCH64).open());
        assert!(refused.to_string().contains("arm64"), "{refused}");
    }

    #[test]
    fn an_executable_where_the_core_should_be() {
        let files = sound();
        let refused = fault(Target::open_file(&files.program, None));
        assert!(matches!(refused, OpenError::NotACore { .. }));
        assert!(refused.to_string().contains("tophash capture"), "{refused}");
    }

    #[test]
    fn a_core_where_the_executable_should_be() {
        let files = sound();
        let refused = fault(files.open_with(&files.core));
        assert!(matches!(refused, OpenError::NotAnExecutable { .. }));
        assert!(refused.to_string().contains("--exe"), "{refused}");
    }

    #[test]
    fn text_where_the_executable_should_be() {
        let files = sound();
        let script = files.dir.path().join("script");
        std::fs::write(&script, "#!/bin/sh\nexec prog\n").unwrap();
        let refused = fault(files.open_with(&script));
        assert!(matches!(refused, OpenError::NotElf { .. }), "{refused}");
    }
}

mod damage {
    use super::*;

    #[test]
    fn a_core_cut_in_its_memory_opens_and_says_how_much_is_lost() {
        // The last page of the heap's two stored ones, and half of the one before.
        let lost = PAGE + PAGE / 2;
        let files = Files::damaged(|bytes| bytes.truncate(bytes.len() - lost as usize));
        let target = files.open().unwrap();
        let held = 2 * PAGE - lost;
        assert_eq!(read(&target, HEAP, held).unwrap(), pattern(0x44, held));
        assert_eq!(
            read(&target, HEAP, PAGE),
            Err(ReadError::Missing { at: Address::new(HEAP + held), len: ByteSize::new(PAGE) })
        );
        // What was never touched is zero still.
        assert_eq!(read(&target, HEAP + 2 * PAGE, 8).unwrap(), [0; 8]);
        let said = target.diagnostics().join("\n");
        assert!(said.contains("cut off"), "{said}");
        assert!(said.contains(&format!("{:#x}", HEAP + held)), "{said}");
    }

    #[test]
    fn a_cut_core_counts_every_lost_segment() {
        let files = Files::new(&TinyProgram::new(), |core| {
            core.parts.push(load(HEAP + 0x1000_0000, R | W, &pattern(1, 512 * PAGE)));
            core.parts.push(load(HEAP + 0x2000_0000, R | W, &pattern(2, 512 * PAGE)));
        });
        let mut bytes = std::fs::read(&files.core).unwrap();
        bytes.truncate(bytes.len() - (3 << 20));
        std::fs::write(&files.core, bytes).unwrap();
        let said = files.open().unwrap().diagnostics().join("\n");
        assert!(said.contains("3.0 MiB"), "{said}");
    }

    #[test]
    fn a_core_cut_in_its_headers_is_refused() {
        for len in [4, 5, 16, 63, 64, 100, 64 + 56 * 5 - 1] {
            let refused = fault(Files::damaged(|bytes| bytes.truncate(len)).open());
            assert!(matches!(refused, OpenError::Damaged { .. }), "{len}: {refused}");
            assert!(refused.to_string().contains("cut off"), "{refused}");
        }
    }

    #[test]
    fn a_core_cut_in_its_notes_still_has_the_threads_before_the_cut() {
        let program = TinyProgram::new();
        let dir = tempfile::tempdir().unwrap();
        let path = program.write(dir.path());
        let bytes = tiny_core(&program, &path).bytes();
        let cut = 64 + 56 * 5 + thread_note(100, &registers(100)).len() + 8;
        let files = Files::with_core(dir, path.clone(), &bytes[..cut]);
        let target = files.open_with(&path).unwrap();
        assert_eq!(target.threads().iter().map(|t| t.tid).collect::<Vec<_>>(), [100]);
        assert!(matches!(read(&target, HEAP, 8), Err(ReadError::Missing { .. })));
        assert!(!target.diagnostics().is_empty());
    }

    #[test]
    fn a_core_without_memory_is_refused() {
        let files = Files::new(&TinyProgram::new(), |core| core.parts.truncate(1));
        assert!(matches!(fault(files.open()), OpenError::Damaged { .. }));
    }

    #[test]
    fn notes_with_lengths_beyond_the_end_are_left_out() {
        for (name, body) in [
            (u32::MAX, 0),
            (0, u32::MAX),
            (u32::MAX, u32::MAX),
            (u32::MAX - 3, 8),
            (5, u32::MAX - 11),
            (5, 0x7fff_ffff),
        ] {
            let mut bad = Vec::new();
            bad.extend(u32::to_le_bytes(name)); // n_namesz
            bad.extend(u32::to_le_bytes(body)); // n_descsz
            bad.extend(1_u32.to_le_bytes()); // n_type
            bad.extend(b"CORE\0\0\0\0");
            let files = Files::new(&TinyProgram::new(), |core| {
                core.parts.push(note_segment(&[thread_note(102, &registers(102)), bad]));
            });
            let target = files.open().unwrap();
            assert_eq!(target.threads().len(), 3, "{name:#x} {body:#x}");
        }
    }

    #[test]
    fn a_list_of_files_that_claims_more_than_it_holds_is_left_out() {
        for count in [4, 1 << 20, 1 << 61, u64::MAX] {
            let mut body = Vec::new();
            body.extend(u64::to_le_bytes(count));
            body.extend(PAGE.to_le_bytes());
            body.extend([0xff; 100]);
            let files = Files::new(&TinyProgram::new(), |core| {
                core.parts[0] = note_segment(&[note("CORE", 0x4649_4c45, &body)]);
            });
            assert!(files.open_with(&files.program).is_ok(), "{count:#x}");
        }
    }

    #[test]
    fn a_file_offset_at_the_end_of_all_numbers_is_harmless() {
        // The segment lies inside the file's mapping, so that the offset is added to.
        let mut body = Vec::new();
        for word in [1, PAGE, HEAP - PAGE, HEAP + PAGE, u64::MAX] {
            body.extend(u64::to_le_bytes(word));
        }
        body.extend(b"/x\0");
        let files = Files::new(&TinyProgram::new(), |core| {
            core.parts[0] = note_segment(&[note("CORE", 0x4649_4c45, &body)]);
        });
        let target = files.open_with(&files.program).unwrap();
        assert_eq!(target.mappings().last().unwrap().range.start().get(), HEAP);
    }

    #[test]
    fn segments_beyond_the_end_of_all_numbers_are_harmless() {
        for claims in [
            (u64::MAX, u64::MAX),
            (u64::MAX - 4095, 8192),
            (0, u64::MAX),
            (1 << 63, 1 << 63),
            (4096, u64::MAX - 4096),
        ] {
            let files = Files::new(&TinyProgram::new(), |core| {
                let mut segment = load_larger(HEAP + 0x1000_0000, R | W, &[], u64::MAX);
                segment.claims = Some(claims);
                core.parts.push(segment);
                let mut notes = note_segment(&[]);
                notes.claims = Some(claims);
                core.parts.push(notes);
            });
            let target = files.open().unwrap();
            assert_eq!(read(&target, HEAP, 8).unwrap(), pattern(0x44, 8));
            // Zero or missing, as the header claims that it is stored or not.
            let _ = read(&target, u64::MAX - 8, 8);
        }
    }

    #[test]
    fn an_executable_s_segments_beyond_all_numbers_are_harmless() {
        let files = sound();
        let mut bytes = std::fs::read(&files.program).unwrap();
        // p_offset and p_filesz of its second segment, then of its note.
        for header in [1, 3] {
            let at = 64 + 56 * header;
            bytes[at + 8..at + 16].fill(0xff);
            bytes[at + 32..at + 40].fill(0xff);
        }
        std::fs::write(&files.program, bytes).unwrap();
        let target = files.open().unwrap();
        assert_eq!(read(&target, HEAP, 8).unwrap(), pattern(0x44, 8));
    }

    #[test]
    fn where_segments_overlap_the_first_one_counts() {
        let files = Files::new(&TinyProgram::new(), |core| {
            core.parts.push(load(HEAP + PAGE, R | W, &pattern(0x55, 4 * PAGE)));
        });
        let target = files.open().unwrap();
        assert_eq!(read(&target, HEAP, 2 * PAGE).unwrap(), pattern(0x44, 2 * PAGE));
        let rest = pattern(0x55, 4 * PAGE)[PAGE as usize..].to_vec();
        assert_eq!(read(&target, HEAP + 2 * PAGE, 3 * PAGE).unwrap(), rest);
    }
}

/// Reads from every part of what a damaged core claims to map, in bounded pieces.
fn explore(target: &Target) {
    for mapping in target.mappings() {
        for at in [mapping.range.start(), mapping.range.end() - ByteSize::new(64)] {
            let _ = target.memory().read_u64(at);
            let _ = target.memory().read_bytes(at, ByteSize::new(64));
            let _ = target.memory().bytes(at, ByteSize::new(3 * PAGE));
            let _ = target.memory().bytes(at, ByteSize::new(u64::MAX));
        }
    }
    let _ = target.image_ranges();
    assert!(target.threads().len() < 100);
}

proptest! {
    #[test]
    fn damaged_cores_and_executables_never_panic(
        in_core in prop::collection::vec((0_usize..2200, any::<u8>()), 0..12),
        words in prop::collection::vec((0_usize..270, prop_oneof![
            Just(0), Just(u64::MAX), Just(1 << 63), Just(u64::MAX - 4095), any::<u64>(), 0..10_000_u64,
        ]), 0..4),
        in_program in prop::collection::vec((0_usize..4096, any::<u8>()), 0..6),
        len in prop_oneof![4 => Just(usize::MAX), 1 => 0..30_000_usize],
        is_pie in any::<bool>(),
    ) {
        let mut program = TinyProgram::new();
        program.is_pie = is_pie;
        let dir = tempfile::tempdir().unwrap();
        let path = program.write(dir.path());
        let mut bytes = tiny_core(&program, &path).bytes();
        for (at, byte) in in_core {
            bytes[at] = byte;
        }
        for (index, word) in words {
            bytes[8 * index..8 * index + 8].copy_from_slice(&u64::to_le_bytes(word));
        }
        bytes.truncate(len);
        let mut executable = program.bytes();
        for (at, byte) in in_program {
            executable[at] = byte;
        }
        std::fs::write(&path, executable).unwrap();
        let files = Files::with_core(dir, path, &bytes);
        for opened in [files.open(), files.open_with(&files.program)] {
            match opened {
                Ok(target) => explore(&target),
                Err(refused) => prop_assert!(!refused.to_string().is_empty()),
            }
        }
    }
}
