//! The function table: which function a program counter is in, and what the compiler recorded
//! about it (`runtime/symtab.go`, `cmd/link/internal/ld/pcln.go`). Stripping does not remove it.
//!
//! The index is two `u32`s a function, sorted by entry: an offset into text and an offset to a
//! record (`runtime._func`) in the pclntable. The record points at program-counter tables: runs of
//! (value delta, pc delta) varints that give a value for each range of counters, such as the frame
//! size, the file, the line, or the index of the live stack map.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use crate::error::Error;
use crate::layout::{Field, LayoutTable};
use crate::module_data::ModuleData;
use crate::varint;

/// Index of a function, in order of entry address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(u32);

impl FunctionId {
    /// Returns the position in the function table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place in the program's source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceLine {
    /// The file, as the compiler recorded it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// All functions of a module.
pub struct FunctionTable<'m> {
    text: AddressRange,
    gofunc: Address,
    index: Vec<(u32, u32)>,
    records: Cow<'m, [u8]>,
    names: Cow<'m, [u8]>,
    pctab: Cow<'m, [u8]>,
    cutab: Cow<'m, [u8]>,
    files: Cow<'m, [u8]>,
    fields: RecordFields,
    by_name: OnceLock<HashMap<String, FunctionId>>,
}

#[derive(Clone, Copy)]
struct RecordFields {
    size: u64,
    name_offset: Field,
    args: Field,
    pcsp: Field,
    pcfile: Field,
    pcln: Field,
    npcdata: Field,
    cu_offset: Field,
    func_id: Field,
    nfuncdata: Field,
}

/// One function's record.
#[derive(Clone, Copy)]
pub struct Function<'a> {
    table: &'a FunctionTable<'a>,
    id: FunctionId,
    record: &'a [u8],
}

/// Program-counter tables (`internal/abi/symtab.go`).
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum PcData {
    /// Index into the stack maps.
    StackMapIndex = 1,
    /// Index into the inline tree.
    InlineTreeIndex = 2,
}

/// Data that belongs to a function (`internal/abi/symtab.go`).
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub enum FuncData {
    /// Pointer maps of the arguments.
    ArgsPointerMaps = 0,
    /// Pointer maps of the locals.
    LocalsPointerMaps = 1,
    /// Objects that the frame holds.
    StackObjects = 2,
    /// The calls that were inlined.
    InlineTree = 3,
}

impl<'m> FunctionTable<'m> {
    /// Reads the table of a module.
    ///
    /// # Errors
    ///
    /// Fails where a table can't be read at all.
    pub fn read(
        memory: &'m dyn Memory,
        module: &ModuleData,
        layout: &LayoutTable,
    ) -> Result<Self, Error> {
        let bytes = |what, range: AddressRange| {
            memory
                .read_bytes(range.start(), range.size())
                .map_err(Error::unreadable(what, range.start()))
        };
        let index = bytes("the function index", module.ftab)?
            .as_chunks::<8>()
            .0
            .iter()
            .map(|pair| {
                let [a, b, c, d, e, f, g, h] = *pair;
                (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
            })
            .collect();
        let field = |name: &str| layout.field("runtime._func", name);
        Ok(Self {
            text: module.text,
            gofunc: module.gofunc,
            index,
            records: bytes("the function records", module.pclntable)?,
            names: bytes("the function names", module.function_names)?,
            pctab: bytes("the program-counter tables", module.pctab)?,
            cutab: bytes("the compilation units", module.cutab)?,
            files: bytes("the file names", module.file_names)?,
            fields: RecordFields {
                size: layout.size_of(&["runtime._func"])?,
                name_offset: layout
                    .any_field(&[("runtime._func", "nameOff"), ("runtime._func", "nameoff")])?,
                args: field("args")?,
                pcsp: field("pcsp")?,
                pcfile: field("pcfile")?,
                pcln: field("pcln")?,
                npcdata: field("npcdata")?,
                cu_offset: field("cuOffset")?,
                func_id: field("funcID")?,
                nfuncdata: field("nfuncdata")?,
            },
            by_name: OnceLock::new(),
        })
    }

    /// Returns how many functions there are.
    pub fn len(&self) -> usize {
        // The last entry only marks the end of the last function.
        self.index.len().saturating_sub(1)
    }

    /// Tells whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds the function whose code holds `pc`.
    pub fn find(&self, pc: Address) -> Option<Function<'_>> {
        if !self.text.contains(pc) {
            return None;
        }
        let offset = u32::try_from((pc - self.text.start()).get()).ok()?;
        let after = self.index.partition_point(|(entry, _)| *entry <= offset);
        self.get(FunctionId(u32::try_from(after.checked_sub(1)?).ok()?))
    }

    /// Returns a function by its index.
    pub fn get(&self, id: FunctionId) -> Option<Function<'_>> {
        if id.index() >= self.len() {
            return None;
        }
        let (_, offset) = self.index[id.index()];
        let record = self.records.get(offset as usize..)?;
        (record.len() as u64 >= self.fields.size).then_some(Function { table: self, id, record })
    }

    /// Returns every function.
    pub fn iter(&self) -> impl Iterator<Item = Function<'_>> {
        (0..self.len() as u32).filter_map(|index| self.get(FunctionId(index)))
    }

    /// Finds a function by its full name, such as `runtime.mallocinit`.
    pub fn by_name(&self, name: &str) -> Option<Function<'_>> {
        let names = self.by_name.get_or_init(|| {
            self.iter().map(|function| (function.name().into_owned(), function.id)).collect()
        });
        self.get(*names.get(name)?)
    }

    /// Tells whether a function starts at `pc`, as the code pointer of a closure must.
    pub fn is_entry(&self, pc: Address) -> bool {
        let Some(offset) = pc.checked_offset_from(self.text.start()) else { return false };
        let Ok(offset) = u32::try_from(offset.get()) else { return false };
        let index = self.index.partition_point(|(entry, _)| *entry < offset);
        index < self.len() && self.index[index].0 == offset
    }

    fn entry(&self, index: usize) -> Address {
        let offset = self.index.get(index).map_or(0, |(entry, _)| *entry);
        self.text.start() + ByteSize::new(offset.into())
    }

    /// Returns the name at an offset into the table of names.
    pub(crate) fn name_at(&self, offset: u64) -> Cow<'_, str> {
        usize::try_from(offset)
            .map_or(Cow::Borrowed(""), |offset| Self::string(&self.names, offset))
    }

    fn string(bytes: &[u8], offset: usize) -> Cow<'_, str> {
        let rest = bytes.get(offset..).unwrap_or_default();
        let end = memchr::memchr(0, rest).unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end])
    }

    /// Walks a program-counter table up to the run that holds `pc`.
    fn pc_value(&self, table: u32, entry: Address, pc: Address) -> Option<i32> {
        if table == 0 {
            return None;
        }
        let mut rest = self.pctab.get(table as usize..)?;
        let mut value: i32 = -1;
        let mut at = entry;
        let mut first = true;
        loop {
            let (delta, used) = varint::read_u32(rest)?;
            if delta == 0 && !first {
                return None;
            }
            first = false;
            // Zig-zag: the low bit is the sign.
            let delta = (delta >> 1) as i32 ^ -((delta & 1) as i32);
            value = value.wrapping_add(delta);
            rest = rest.get(used..)?;
            let (advance, used) = varint::read_u32(rest)?;
            rest = rest.get(used..)?;
            at = at + ByteSize::new(advance.into());
            if pc < at {
                return Some(value);
            }
        }
    }
}

impl<'a> Function<'a> {
    /// Returns the function's index.
    pub fn id(self) -> FunctionId {
        self.id
    }

    /// Returns the code's first address.
    pub fn entry(self) -> Address {
        self.table.entry(self.id.index())
    }

    /// Returns the range of the code, up to the next function.
    pub fn range(self) -> AddressRange {
        AddressRange::new(self.entry(), self.table.entry(self.id.index() + 1))
    }

    /// Returns the full name, such as `net/http.(*Server).Serve`.
    pub fn name(self) -> Cow<'a, str> {
        self.table.name_at(self.get(self.table.fields.name_offset))
    }

    /// Returns the runtime's mark for functions it treats specially (`internal/abi.FuncID`).
    pub fn func_id(self) -> u64 {
        self.get(self.table.fields.func_id)
    }

    /// Returns the size of the arguments in bytes; `None` where the function is variadic assembly.
    pub fn argument_size(self) -> Option<u64> {
        let size = self.get(self.table.fields.args) as u32 as i32;
        u64::try_from(size).ok()
    }

    /// Returns by how many bytes the stack pointer is below the frame's base at `pc`.
    pub fn stack_delta(self, pc: Address) -> Option<u64> {
        let table = self.get(self.table.fields.pcsp) as u32;
        u64::try_from(self.table.pc_value(table, self.entry(), pc)?).ok()
    }

    /// Returns the value of one of the collector's tables at `pc`; `None` where it has none.
    pub fn pc_data(self, which: PcData, pc: Address) -> Option<i32> {
        let which = which as u64;
        if which >= self.get(self.table.fields.npcdata) {
            return None;
        }
        let table = self.word(self.table.fields.size + 4 * which)?;
        self.table.pc_value(table, self.entry(), pc)
    }

    /// Returns the address of a piece of the function's data.
    pub fn func_data(self, which: FuncData) -> Option<Address> {
        let which = which as u64;
        if which >= self.get(self.table.fields.nfuncdata) {
            return None;
        }
        let npcdata = self.get(self.table.fields.npcdata);
        let offset = self.word(self.table.fields.size + 4 * (npcdata + which))?;
        (offset != u32::MAX).then(|| self.table.gofunc + ByteSize::new(offset.into()))
    }

    /// Returns the source line of `pc`, that of the innermost inlined call.
    pub fn line(self, pc: Address) -> Option<SourceLine> {
        let value = |table: Field| self.table.pc_value(self.get(table) as u32, self.entry(), pc);
        let line = u32::try_from(value(self.table.fields.pcln)?).ok()?;
        let file = u64::try_from(value(self.table.fields.pcfile)?).ok()?;
        let unit = self.get(self.table.fields.cu_offset);
        let at = usize::try_from(unit.checked_add(file)?.checked_mul(4)?).ok()?;
        let offset = self.table.cutab.get(at..)?.first_chunk::<4>()?;
        let offset = u32::from_le_bytes(*offset);
        if offset == u32::MAX {
            return None;
        }
        let file = FunctionTable::string(&self.table.files, offset as usize).into_owned();
        Some(SourceLine { file, line })
    }

    fn get(self, field: Field) -> u64 {
        field.get(self.record)
    }

    fn word(self, offset: u64) -> Option<u32> {
        let at = usize::try_from(offset).ok()?;
        Some(u32::from_le_bytes(*self.record.get(at..)?.first_chunk::<4>()?))
    }
}
