//! Heap dumps: the file that a Go program writes of itself with `runtime/debug.WriteHeapDump`, the
//! one dump that needs neither a debugger nor a privilege (`runtime/heapdump.go`).
//!
//! A dump holds less than a core. What there is: every object with its contents and the offsets of
//! its pointers, the contents of stack frames, and the two data sections that hold pointers. What
//! is missing: code and read-only data, which the executable has; globals without pointers, of
//! which the executable has those with an initial value, as they were at the start; and all that
//! the runtime keeps outside the heap, such as spans, registers, and cleanups. An object of 2 GiB
//! or more makes the runtime write a dump that can't be read past it.
//!
//! A dump carries no build ID. The executable is checked by what both hold: here by where the data
//! section lies, and by whoever knows Go by version, sections and functions.

mod cursor;
mod record;
mod relocate;

pub(crate) use relocate::relocated;

use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

pub use self::record::{DumpedAllocation, DumpedCall, DumpedFinalizer};

use self::cursor::{Cursor, Fault};
use self::record::{Parameters, Records, Stop};
use crate::executable::Executable;
use crate::image::{Backing, Image, Store};
use crate::mapping::{Mapping, Permissions};
use crate::pieces::{Piece, Pieces};
use crate::target::{Consistency, PAGE, Target};
use crate::{Address, AddressRange, ByteSize, OpenError};

/// Tells whether a file is a heap dump.
pub(crate) fn is_heap_dump(data: &[u8]) -> bool {
    data.starts_with(record::MAGIC)
}

/// What a heap dump says beyond bytes.
#[derive(Debug)]
pub struct HeapDump {
    file: Arc<Mmap>,
    go_version: String,
    objects: Arc<Pieces>,
    data: Option<Piece>,
    bss: Option<Piece>,
    finalizers: Vec<DumpedFinalizer>,
    roots: Vec<Address>,
    functions: Vec<(Address, String)>,
    buckets: Vec<(Address, usize)>,
    samples: Vec<(Address, Address)>,
}

/// An object of a heap dump: a whole slot of the allocator.
#[derive(Debug, Clone, Copy)]
pub struct DumpedObject<'d> {
    dump: &'d HeapDump,
    piece: Piece,
}

/// A data section of a heap dump.
#[derive(Debug, Clone, Copy)]
pub struct DumpedSection<'d> {
    dump: &'d HeapDump,
    piece: Piece,
}

impl HeapDump {
    /// Returns the release that built the program, as the runtime spells it.
    pub fn go_version(&self) -> &str {
        &self.go_version
    }

    /// Returns how many objects there are.
    pub fn object_count(&self) -> usize {
        self.objects.as_slice().len()
    }

    /// Returns an object by its place in the order of addresses.
    pub fn object(&self, index: usize) -> Option<DumpedObject<'_>> {
        let piece = *self.objects.as_slice().get(index)?;
        Some(DumpedObject { dump: self, piece })
    }

    /// Returns the objects, by address.
    pub fn objects(&self) -> impl Iterator<Item = DumpedObject<'_>> {
        self.objects.as_slice().iter().map(|piece| DumpedObject { dump: self, piece: *piece })
    }

    /// Returns the globals that hold pointers and have an initial value.
    pub fn data(&self) -> Option<DumpedSection<'_>> {
        self.data.map(|piece| DumpedSection { dump: self, piece })
    }

    /// Returns the globals that hold pointers and are zero at the start.
    pub fn bss(&self) -> Option<DumpedSection<'_>> {
        self.bss.map(|piece| DumpedSection { dump: self, piece })
    }

    /// Returns the objects with finalizers.
    pub fn finalizers(&self) -> &[DumpedFinalizer] {
        &self.finalizers
    }

    /// Returns further objects that the runtime holds, of which no release since Go 1.19 names any.
    pub fn other_roots(&self) -> &[Address] {
        &self.roots
    }

    /// Returns the objects that the memory profile has sampled, each with its bucket.
    pub fn samples(&self) -> &[(Address, Address)] {
        &self.samples
    }

    /// Reads a bucket of the memory profile.
    pub fn allocation(&self, bucket: Address) -> Option<DumpedAllocation> {
        let index = self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket).ok()?;
        record::allocation(&mut Cursor::new(&self.file, self.buckets[index].1))
    }

    /// Returns functions that were on stacks, by entry: enough to tell executables apart.
    pub fn functions(&self) -> &[(Address, String)] {
        &self.functions
    }

    fn bytes(&self, piece: &Piece) -> &[u8] {
        let end = piece.offset.saturating_add(piece.len as usize);
        self.file.get(piece.offset..end).unwrap_or_default()
    }

    /// The list of fields follows the contents. It was read once; a file that changed since ends
    /// the list.
    fn pointer_offsets(&self, piece: Piece) -> impl Iterator<Item = u64> + use<'_> {
        let mut at = Cursor::new(&self.file, piece.offset.saturating_add(piece.len as usize));
        std::iter::from_fn(move || record::field(&mut at).ok().flatten())
    }
}

impl<'d> DumpedObject<'d> {
    /// Returns where it lies.
    pub fn range(&self) -> AddressRange {
        self.piece.range()
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &'d [u8] {
        self.dump.bytes(&self.piece)
    }

    /// Returns the offsets, in bytes, at which it holds pointers.
    pub fn pointer_offsets(&self) -> impl Iterator<Item = u64> + use<'d> {
        self.dump.pointer_offsets(self.piece)
    }
}

impl<'d> DumpedSection<'d> {
    /// Returns where it lies.
    pub fn range(&self) -> AddressRange {
        self.piece.range()
    }

    /// Returns the offsets, in bytes, at which it holds pointers.
    pub fn pointer_offsets(&self) -> impl Iterator<Item = u64> + use<'d> {
        self.dump.pointer_offsets(self.piece)
    }
}

/// Opens a dump that is mapped already; of one that was compressed, `fault` is what cut it off.
pub(crate) fn open(
    path: &Path,
    file: Mmap,
    fault: Option<String>,
    executable: Option<&Path>,
) -> Result<Target, OpenError> {
    let executable =
        executable.ok_or_else(|| OpenError::HeapDumpAlone { dump: path.to_owned() })?;
    let executable = Executable::open(executable)?;
    let records = Records::read(&file);
    let mut diagnostics = Vec::from_iter(fault);
    let parameters = check_parameters(path, &records)?;
    if let Some(stop) = &records.stop {
        diagnostics.push(what_is_missing(stop, &records));
    }
    let load_bias = load_bias(path, &records, &executable)?;

    let file = Arc::new(file);
    let mut buckets = records.buckets;
    buckets.sort_unstable();
    let (objects, overlapping) = Pieces::sort(records.objects);
    let (frames, _) = Pieces::sort(records.frames);
    if overlapping > 0 {
        diagnostics.push(format!(
            "{overlapping} objects of the heap dump overlap others and are left out: it is damaged"
        ));
    }
    let dump = HeapDump {
        file: file.clone(),
        go_version: parameters.go_version,
        objects: Arc::new(objects),
        data: records.data,
        bss: records.bss,
        finalizers: records.finalizers,
        roots: records.roots,
        buckets,
        samples: records.samples,
        functions: records
            .functions
            .into_iter()
            .map(|(entry, name)| (entry, String::from_utf8_lossy(&name).into_owned()))
            .collect(),
    };
    let (image, mappings) = assemble(file, &dump, Arc::new(frames), &executable, load_bias)
        .map_err(OpenError::file(executable.path()))?;
    Ok(Target {
        image,
        live: None,
        mappings,
        threads: Vec::new(),
        executable,
        load_bias,
        consistency: Consistency::HeapDump,
        heap_dump: Some(dump),
        diagnostics,
        clock: None,
        resident: None,
    })
}

/// Puts the memory together; of the executable's writable pages only what the dump lacks is taken.
fn assemble(
    file: Arc<Mmap>,
    dump: &HeapDump,
    frames: Arc<Pieces>,
    executable: &Executable,
    load_bias: u64,
) -> std::io::Result<(Image, Vec<Mapping>)> {
    let mut image = Image::default();
    let mut mappings = Vec::new();
    let mut map = |range, write| {
        let permissions = Permissions { read: true, write, execute: !write };
        mappings.push(Mapping { range, permissions, file: None });
    };
    let from_dump = image.add_store(Store::File(file));
    for section in [dump.data, dump.bss].into_iter().flatten() {
        let backing = Backing::Store { index: from_dump, offset: section.offset };
        image.add(section.range(), backing);
    }
    if let Some(bss) = dump.bss {
        map(bss.range(), true);
    }
    let program = match load_bias {
        0 => Store::File(executable.map()),
        bias => Store::Copy(relocated(executable, bias)?),
    };
    let from_program = image.add_store(program);
    for segment in executable.segments() {
        let start = segment.virtual_range.start().get().wrapping_add(load_bias);
        let held = segment.file_range();
        let size = ByteSize::new(held.len() as u64).min(segment.virtual_range.size());
        let range = AddressRange::from_size(Address::new(start), size);
        image.add(range, Backing::Store { index: from_program, offset: held.start });
        map(range, segment.is_writable);
        let whole = AddressRange::from_size(range.start(), segment.virtual_range.size());
        image.add(whole, Backing::Missing);
    }
    image.finish();
    image.add_pieces(from_dump, dump.objects.clone());
    image.add_pieces(from_dump, frames);
    mappings.sort_by_key(|mapping| mapping.range.start());
    Ok((image, mappings))
}

fn check_parameters(path: &Path, records: &Records) -> Result<Parameters, OpenError> {
    let Some(parameters) = records.parameters.clone() else {
        return Err(OpenError::Damaged { path: path.to_owned(), what: "its first record" });
    };
    let found = if parameters.is_big_endian {
        "of a big-endian machine".to_owned()
    } else if parameters.pointer_size != 8 {
        format!("of a machine with pointers of {} bytes", parameters.pointer_size)
    } else if parameters.arch != "amd64" {
        format!("of {:?}", parameters.arch)
    } else {
        return Ok(parameters);
    };
    Err(OpenError::UnsupportedHeapDump { path: path.to_owned(), found })
}

/// Says where reading ended, and what the parts that did not come are needed for.
fn what_is_missing(stop: &Stop, records: &Records) -> String {
    let Stop { offset, record, fault } = stop;
    let mut missing = Vec::new();
    // The order in which the runtime writes.
    if records.goroutines == 0 {
        missing.push("objects and all goroutines");
    }
    if records.data.is_none() {
        missing.push("the initialised globals");
    }
    if records.bss.is_none() {
        missing.push("the zeroed globals, without which little is known to be reachable");
    }
    let missing = match missing.as_slice() {
        [] => "finalizers may be missing".to_owned(),
        list => format!("{} are missing", list.join(", ")),
    };
    let how = match fault {
        Fault::CutOff => "is cut off".to_owned(),
        Fault::Malformed(what) => format!("is damaged ({what})"),
    };
    format!("the heap dump {how} within {record} at offset {offset}: {missing}")
}

/// Finds what was added to the executable's addresses, by the data section of both.
fn load_bias(path: &Path, records: &Records, executable: &Executable) -> Result<u64, OpenError> {
    let wrong = |why| OpenError::HeapDumpOfAnother {
        dump: path.to_owned(),
        executable: executable.path().to_owned(),
        why,
    };
    let dumped = records.data.map(|piece| piece.range());
    let section = executable.section(".data");
    let (dumped, section) = match (dumped, section) {
        (Some(dumped), Some(section)) => (dumped, section),
        _ if !executable.is_position_independent() => return Ok(0),
        (None, _) => {
            let what = "its data section, which tells where the program was loaded,";
            return Err(OpenError::Damaged { path: path.to_owned(), what });
        }
        (_, None) => {
            return Err(wrong(
                "it is position-independent and has no section headers, so that where it was \
                 loaded is not known",
            ));
        }
    };
    // The linker may have put others' data before Go's; segments are loaded at whole pages.
    let bias = match executable.is_position_independent() {
        true => dumped.start().get().wrapping_sub(section.start().get()) & !(PAGE - 1),
        false => 0,
    };
    let start = Address::new(section.start().get().wrapping_add(bias));
    if !AddressRange::from_size(start, section.size()).contains_range(dumped) {
        return Err(wrong("its globals lie at other addresses"));
    }
    Ok(bias)
}
