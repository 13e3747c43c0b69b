//! The two data sections that the collector scans, and which of their words are pointers.
//!
//! The linker writes each mask as a program, which the runtime runs when it starts; the result lies
//! outside the heap (`runtime/symtab.go`, `modulesinit`). A heap dump lists the pointers instead.

use tophash_memory::{AddressRange, ByteSize, DumpedSection, HeapDump, Memory, MemoryExt};

use crate::module_data::{BitVector, ModuleData};
use crate::types::PointerMask;

/// A data section that can hold pointers.
#[derive(Debug)]
pub(crate) struct GlobalSection {
    pub(crate) range: AddressRange,
    pub(crate) mask: PointerMask,
}

impl GlobalSection {
    /// Reads the sections' masks, `data` and then `bss`.
    pub(crate) fn read(
        memory: &dyn Memory,
        module: &ModuleData,
        diagnostics: &mut Vec<String>,
    ) -> [Self; 2] {
        [(module.data, module.data_mask), (module.bss, module.bss_mask)].map(|(range, bits)| {
            let BitVector { at, bits } = bits;
            let mask = match memory.read_bytes(at, ByteSize::new(bits.div_ceil(8))) {
                Ok(bytes) => PointerMask::from_bytes(&bytes, bits as usize),
                Err(_) => {
                    diagnostics.push(format!("the pointers of the globals at {range} are unknown"));
                    PointerMask::default()
                }
            };
            Self { range, mask }
        })
    }

    /// Takes the sections of a heap dump; one that it lacks holds no pointers.
    pub(crate) fn of_dump(dump: &HeapDump, module: &ModuleData) -> [Self; 2] {
        [(module.data, dump.data()), (module.bss, dump.bss())].map(|(range, section)| {
            let words = (range.size().get() / 8) as usize;
            let offsets = section.iter().flat_map(DumpedSection::pointer_offsets);
            Self { range, mask: PointerMask::from_words(offsets.map(|at| at / 8), words) }
        })
    }
}
