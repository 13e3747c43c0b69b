//! The runtime's module data: where the linker put text, types, globals and function tables
//! (`runtime/symtab.go`, `type moduledata`).
//!
//! It is found without symbols. The function table starts with a magic number; the one word of
//! writable memory that holds its address, and is followed by fields that agree with one another,
//! is `firstmoduledata.pcHeader`. Every Go program seen has exactly one such word.

use tophash_memory::{Address, AddressRange, ByteSize, MemoryExt, Target};

use crate::build_info::find_all;
use crate::error::Error;
use crate::layout::LayoutTable;
use crate::version::GoVersion;

/// Go 1.18 and 1.19 (`go118magic`), and 1.20 on (`go120magic`).
const FUNCTION_TABLE_MAGIC: [(u32, u32); 2] = [(19, 0xffff_fff0), (u32::MAX, 0xffff_fff1)];
/// No data section that Go's linker writes comes near; keeps scans of hostile input short.
const MAX_SECTION: ByteSize = ByteSize::new(1 << 34);

/// What the linker recorded of one module (a program without plugins has one).
#[derive(Debug, Clone)]
pub struct ModuleData {
    /// Where the record itself lies.
    pub address: Address,
    /// Machine code.
    pub text: AddressRange,
    /// Globals with pointers and an initial value.
    pub data: AddressRange,
    /// Globals with pointers, zero at start.
    pub bss: AddressRange,
    /// Globals without pointers and with an initial value.
    pub noptrdata: AddressRange,
    /// Globals without pointers, zero at start.
    pub noptrbss: AddressRange,
    /// Type descriptors and their names.
    pub types: AddressRange,
    /// The base of offsets to read-only data (stack objects' pointer masks).
    pub rodata: Address,
    /// The base of offsets to function data (stack maps).
    pub gofunc: Address,
    /// Names of functions.
    pub function_names: AddressRange,
    /// File-number tables of compilation units, four bytes an entry.
    pub cutab: AddressRange,
    /// Names of files.
    pub file_names: AddressRange,
    /// Program-counter tables.
    pub pctab: AddressRange,
    /// Function records.
    pub pclntable: AddressRange,
    /// Function index: pairs of text offset and record offset, four bytes each.
    pub ftab: AddressRange,
    /// Which words of `data` are pointers, one bit each.
    pub data_mask: BitVector,
    /// Which words of `bss` are pointers, one bit each.
    pub bss_mask: BitVector,
    /// Whether further modules (plugins) are loaded, which tophash does not read.
    pub has_more_modules: bool,
}

/// A bit mask in the target (`runtime.bitvector`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BitVector {
    /// Where its bytes are.
    pub at: Address,
    /// How many bits it has.
    pub bits: u64,
}

impl ModuleData {
    /// Finds and reads the first module's data.
    ///
    /// # Errors
    ///
    /// [`Error::NoModuleData`] where no word of the executable's writable memory passes every
    /// check.
    pub fn find(target: &Target, version: &GoVersion, layout: &LayoutTable) -> Result<Self, Error> {
        let tables = function_tables(target, version);
        let record_size = ByteSize::new(layout.size_of(&["runtime.moduledata"])?);
        let fields = Fields::new(layout)?;
        let memory = target.memory();
        let image = target.image_ranges();
        for mapping in target.mappings().iter().filter(|m| m.permissions.write) {
            if !image.iter().any(|segment| !segment.intersection(mapping.range).is_empty()) {
                continue;
            }
            let size = mapping.range.size().min(MAX_SECTION);
            let Ok(bytes) = memory.read_bytes(mapping.range.start(), size) else { continue };
            for (index, word) in bytes.as_chunks::<8>().0.iter().enumerate() {
                let word = Address::new(u64::from_le_bytes(*word));
                if tables.binary_search(&word).is_err() {
                    continue;
                }
                let at = mapping.range.start() + ByteSize::new(8 * index as u64);
                let Ok(record) = memory.read_bytes(at, record_size) else { continue };
                if let Some(found) = fields.read(at, &record) {
                    return Ok(found);
                }
            }
        }
        Err(Error::NoModuleData {
            executable: target.executable().path().display().to_string(),
            candidates: tables.len(),
        })
    }

    /// Tells whether an address lies in a data section that can hold pointers.
    pub fn global_section(&self, at: Address) -> Option<(AddressRange, BitVector)> {
        [(self.data, self.data_mask), (self.bss, self.bss_mask)]
            .into_iter()
            .find(|(range, _)| range.contains(at))
    }

    /// Returns every data section, with pointers or without.
    pub fn data_sections(&self) -> [AddressRange; 4] {
        [self.noptrdata, self.data, self.bss, self.noptrbss]
    }
}

/// Finds where function tables start in the executable's file, as target addresses, sorted.
fn function_tables(target: &Target, version: &GoVersion) -> Vec<Address> {
    let magic = FUNCTION_TABLE_MAGIC
        .into_iter()
        .find(|(last, _)| version.minor() <= *last)
        .map_or(u32::MAX, |(_, magic)| magic)
        .to_le_bytes();
    // Two zero bytes, the program-counter quantum (1 on amd64) and the pointer size follow.
    let pattern = [magic[0], magic[1], magic[2], magic[3], 0, 0, 1, 8];
    let executable = target.executable();
    let mut tables = Vec::new();
    for segment in executable.segments() {
        let Some(bytes) = executable.data().get(segment.file_range()) else { continue };
        for offset in find_all(bytes, &pattern) {
            let at = segment.virtual_range.start().get().wrapping_add(offset as u64);
            let at = Address::new(at.wrapping_add(target.load_bias()));
            if at.is_aligned(8) {
                tables.push(at);
            }
        }
    }
    tables.sort_unstable();
    tables
}

/// The offsets of the fields read, looked up once.
struct Fields<'l> {
    layout: &'l LayoutTable,
}

impl<'l> Fields<'l> {
    fn new(layout: &'l LayoutTable) -> Result<Self, Error> {
        for name in [
            "text",
            "etext",
            "minpc",
            "maxpc",
            "data",
            "edata",
            "bss",
            "ebss",
            "noptrdata",
            "enoptrdata",
            "noptrbss",
            "enoptrbss",
            "types",
            "etypes",
            "rodata",
            "gofunc",
            "funcnametab",
            "cutab",
            "filetab",
            "pctab",
            "pclntable",
            "ftab",
            "gcdatamask",
            "gcbssmask",
            "next",
        ] {
            layout.field("runtime.moduledata", name)?;
        }
        Ok(Self { layout })
    }

    fn word(&self, record: &[u8], name: &str, skip: u64) -> u64 {
        self.layout.find("runtime.moduledata", name).map_or(0, |field| {
            crate::layout::Field { offset: field.offset + skip, size: 8 }.get(record)
        })
    }

    fn range(&self, record: &[u8], start: &str, end: &str) -> AddressRange {
        AddressRange::new(
            Address::new(self.word(record, start, 0)),
            Address::new(self.word(record, end, 0)),
        )
    }

    /// A Go slice of elements of `element` bytes.
    fn slice(&self, record: &[u8], name: &str, element: u64) -> AddressRange {
        AddressRange::from_size(
            Address::new(self.word(record, name, 0)),
            ByteSize::new(self.word(record, name, 8)) * element,
        )
    }

    fn bits(&self, record: &[u8], name: &str) -> BitVector {
        BitVector {
            at: Address::new(self.word(record, name, 8)),
            bits: self.word(record, name, 0) & 0x7fff_ffff,
        }
    }

    /// Reads the record, or returns `None` where its fields do not agree with one another.
    fn read(&self, address: Address, record: &[u8]) -> Option<ModuleData> {
        let text = self.range(record, "text", "etext");
        let code = self.range(record, "minpc", "maxpc");
        let found = ModuleData {
            address,
            text,
            data: self.range(record, "data", "edata"),
            bss: self.range(record, "bss", "ebss"),
            noptrdata: self.range(record, "noptrdata", "enoptrdata"),
            noptrbss: self.range(record, "noptrbss", "enoptrbss"),
            types: self.range(record, "types", "etypes"),
            rodata: Address::new(self.word(record, "rodata", 0)),
            gofunc: Address::new(self.word(record, "gofunc", 0)),
            function_names: self.slice(record, "funcnametab", 1),
            cutab: self.slice(record, "cutab", 4),
            file_names: self.slice(record, "filetab", 1),
            pctab: self.slice(record, "pctab", 1),
            pclntable: self.slice(record, "pclntable", 1),
            ftab: self.slice(record, "ftab", 8),
            data_mask: self.bits(record, "gcdatamask"),
            bss_mask: self.bits(record, "gcbssmask"),
            has_more_modules: self.word(record, "next", 0) != 0,
        };
        let sizes = [found.data, found.bss, found.types, found.ftab, found.pclntable];
        let sound = !code.is_empty()
            && text.contains_range(code)
            && !found.types.is_empty()
            && !found.ftab.is_empty()
            && !found.function_names.is_empty()
            && sizes.iter().all(|range| range.size() <= MAX_SECTION);
        sound.then_some(found)
    }
}
