//! The records of a heap dump, one after the other (`runtime/heapdump.go`, the same from Go 1.7
//! to 1.27): a tag, then numbers and runs of bytes.
//!
//! A dump holds parameters, interface tables and the types that these name, every object,
//! goroutines with their frames, threads, the two data sections that hold pointers, finalizers,
//! statistics, the memory profile, and an end mark, in this order. Objects, frames and sections
//! come with their contents and a list of the offsets at which they hold pointers.
//!
//! Nothing is allocated for a count or length of the file: what is kept grows with the records that
//! were read, by at most three times the bytes that they take.

use std::collections::BTreeMap;

use super::cursor::{Cursor, Fault};
use crate::pieces::Piece;
use crate::{Address, AddressRange, ByteSize};

/// What every dump starts with.
pub(crate) const MAGIC: &[u8] = b"go1.7 heap dump\n";

/// How many functions of frames are kept: enough to tell one executable from another.
const MAX_FUNCTIONS: usize = 4096;
/// No object is smaller than the smallest slot.
const MIN_OBJECT: u64 = 8;

/// What a dump starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) is_big_endian: bool,
    pub(super) pointer_size: u64,
    pub(super) arch: String,
    pub(super) go_version: String,
}

/// A function that runs when an object is unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpedFinalizer {
    /// The object.
    pub object: Address,
    /// The closure.
    pub function: Address,
    /// The object was found unreachable, and the call is due: the object itself is alive until
    /// then.
    pub is_queued: bool,
}

/// What the memory profile knows of allocations of one size and stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedAllocation {
    /// The size of each object.
    pub size: ByteSize,
    /// The calls, the innermost first.
    pub calls: Vec<DumpedCall>,
}

/// A call on a stack of the memory profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedCall {
    /// The function; of an inlined call, the one that it was inlined into.
    pub function: String,
    /// The source file.
    pub file: String,
    /// The line in it.
    pub line: u64,
}

/// Everything that is kept of a dump.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) parameters: Option<Parameters>,
    pub(super) objects: Vec<Piece>,
    pub(super) frames: Vec<Piece>,
    pub(super) functions: BTreeMap<Address, Vec<u8>>,
    pub(super) data: Option<Piece>,
    pub(super) bss: Option<Piece>,
    pub(super) finalizers: Vec<DumpedFinalizer>,
    pub(super) roots: Vec<Address>,
    /// Buckets of the memory profile, and where in the file each one's size is.
    pub(super) buckets: Vec<(Address, usize)>,
    /// Sampled objects and their buckets.
    pub(super) samples: Vec<(Address, Address)>,
    pub(super) goroutines: u64,
    pub(super) stop: Option<Stop>,
}

/// Where and why reading ended before the end mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) offset: usize,
    /// The record it was in.
    pub(super) record: &'static str,
    pub(super) fault: Fault,
}

impl Records {
    /// Reads the records behind the magic up to the end mark, or as far as they go.
    pub(super) fn read(data: &[u8]) -> Self {
        let mut records = Self::default();
        let mut cursor = Cursor::new(data, MAGIC.len());
        loop {
            let offset = cursor.offset();
            let mut record = "a record";
            match records.next(&mut cursor, &mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    records.stop = Some(Stop { offset, record, fault });
                    break;
                }
            }
        }
        records
    }

    /// Reads one record; false at the end mark.
    fn next(&mut self, from: &mut Cursor<'_>, record: &mut &'static str) -> Result<bool, Fault> {
        let tag = from.number()?;
        let (name, numbers) = match tag {
            0 => return Ok(false),
            1 => ("an object", 0),
            2 => ("a root", 0),
            3 => ("a type", 0),
            4 => ("a goroutine", 0),
            5 => ("a stack frame", 0),
            6 => ("the parameters", 0),
            7 | 11 => ("a finalizer", 0),
            8 => ("an interface table", 2),
            9 => ("a thread", 3),
            // 24 figures, 256 pauses, and how many collections there were.
            10 => ("the statistics", 24 + 256 + 1),
            12 => ("the initialised globals", 0),
            13 => ("the zeroed globals", 0),
            14 => ("a deferred call", 7),
            15 => ("a panic", 6),
            16 => ("a profile record", 0),
            17 => ("a profile sample", 0),
            _ => return Err(Fault::Malformed("a record of an unknown kind")),
        };
        *record = name;
        from.skip_numbers(numbers)?;
        match tag {
            1 => self.objects.push(object(from)?),
            2 => {
                from.bytes()?;
                self.roots.push(Address::new(from.number()?));
            }
            3 => {
                from.skip_numbers(2)?;
                from.bytes()?;
                from.number()?;
            }
            4 => {
                // Its address, stack pointer, number, creator, status, and three more.
                from.skip_numbers(8)?;
                from.bytes()?;
                from.skip_numbers(4)?;
                self.goroutines += 1;
            }
            5 => self.frame(from)?,
            6 => self.parameters = Some(parameters(from)?),
            7 | 11 => self.finalizers.push(finalizer(from, tag == 11)?),
            12 => self.data = Some(section(from)?),
            13 => self.bss = Some(section(from)?),
            16 => {
                let bucket = Address::new(from.number()?);
                let offset = from.offset();
                profile_record(from, |_, _, _| {})?;
                self.buckets.push((bucket, offset));
            }
            17 => {
                let [object, bucket] = [from.number()?, from.number()?].map(Address::new);
                self.samples.push((object, bucket));
            }
            _ => {}
        }
        Ok(true)
    }

    fn frame(&mut self, from: &mut Cursor<'_>) -> Result<(), Fault> {
        let at = Address::new(from.number()?);
        from.skip_numbers(2)?;
        let piece = contents(from, at)?;
        let entry = Address::new(from.number()?);
        from.skip_numbers(2)?;
        let name = from.bytes()?;
        pass_fields(from)?;
        self.frames.push(piece);
        if self.functions.len() < MAX_FUNCTIONS {
            self.functions.entry(entry).or_insert_with(|| name.to_vec());
        }
        Ok(())
    }
}

/// Reads contents behind their length.
fn contents(from: &mut Cursor<'_>, at: Address) -> Result<Piece, Fault> {
    let len = from.bytes()?.len();
    let range = AddressRange::from_size(at, ByteSize::new(len as u64));
    if range.size().get() != len as u64 {
        return Err(Fault::Malformed("contents beyond the address space"));
    }
    Ok(Piece { at, len: len as u64, offset: from.offset() - len })
}

fn object(from: &mut Cursor<'_>) -> Result<Piece, Fault> {
    let at = Address::new(from.number()?);
    let piece = contents(from, at)?;
    if piece.len < MIN_OBJECT {
        return Err(Fault::Malformed("an object smaller than the smallest slot"));
    }
    pass_fields(from)?;
    Ok(piece)
}

fn section(from: &mut Cursor<'_>) -> Result<Piece, Fault> {
    let at = Address::new(from.number()?);
    let piece = contents(from, at)?;
    pass_fields(from)?;
    Ok(piece)
}

fn finalizer(from: &mut Cursor<'_>, is_queued: bool) -> Result<DumpedFinalizer, Fault> {
    let [object, function] = [from.number()?, from.number()?].map(Address::new);
    // Its code, and two types.
    from.skip_numbers(3)?;
    Ok(DumpedFinalizer { object, function, is_queued })
}

fn parameters(from: &mut Cursor<'_>) -> Result<Parameters, Fault> {
    let is_big_endian = from.number()? != 0;
    let pointer_size = from.number()?;
    // The lowest and the highest address of the heap.
    from.skip_numbers(2)?;
    let mut text = || Ok(String::from_utf8_lossy(from.bytes()?).into_owned());
    let (arch, go_version) = (text()?, text()?);
    from.number()?;
    Ok(Parameters { is_big_endian, pointer_size, arch, go_version })
}

/// Reads a profile record from its size on, which is returned; `call` hears of function, file and
/// line of each call.
fn profile_record<'d>(
    from: &mut Cursor<'d>,
    mut call: impl FnMut(&'d [u8], &'d [u8], u64),
) -> Result<u64, Fault> {
    let size = from.number()?;
    let calls = from.number()?;
    for _ in 0..calls {
        let (function, file, line) = (from.bytes()?, from.bytes()?, from.number()?);
        call(function, file, line);
    }
    // How many were allocated, and freed.
    from.skip_numbers(2)?;
    Ok(size)
}

/// Reads a profile record that was read before.
pub(super) fn allocation(from: &mut Cursor<'_>) -> Option<DumpedAllocation> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut calls = Vec::new();
    let size = profile_record(from, |function, file, line| {
        calls.push(DumpedCall { function: text(function), file: text(file), line });
    });
    Some(DumpedAllocation { size: ByteSize::new(size.ok()?), calls })
}

/// Passes over a list of fields.
fn pass_fields(from: &mut Cursor<'_>) -> Result<(), Fault> {
    while field(from)?.is_some() {}
    Ok(())
}

/// Reads the offset of one pointer field; `None` at the list's end. Interfaces, of which current
/// runtimes write none, are two words, and only the second one is followed.
pub(super) fn field(from: &mut Cursor<'_>) -> Result<Option<u64>, Fault> {
    match from.number()? {
        0 => Ok(None),
        1 => Ok(Some(from.number()?)),
        2 | 3 => Ok(Some(from.number()?.saturating_add(8))),
        _ => Err(Fault::Malformed("a field of an unknown kind")),
    }
}
