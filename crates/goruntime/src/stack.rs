//! Unwinding goroutine stacks and reading their frames as the collector does
//! (`runtime/traceback.go`, `runtime/stkframe.go`, `runtime/mgcmark.go`).
//!
//! On amd64 the compiler records each function's frame size for every program counter, so no frame
//! pointers are needed: the caller's counter lies just below `sp + frame size + 8`. Which words of
//! a frame are live pointers is recorded for every call (stack maps); objects that live in the
//! frame and whose address is taken are listed apart (stack objects), and count only when
//! something live points at them.

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt, Registers};

use crate::functions::{FuncData, FunctionId, FunctionTable, PcData};
use crate::goroutine::{Goroutine, GoroutineStatus};
use crate::layout::LayoutTable;
use crate::types::PointerMask;

/// Deeper stacks are cut; Go's default limit of 1 GB of stack is some 10 million frames.
const MAX_FRAMES: usize = 1 << 24;
/// No frame has a larger pointer map (a frame of 64 MiB).
const MAX_MAP_BITS: u32 = 1 << 23;
/// No function lists more stack objects.
const MAX_OBJECTS: u64 = 1 << 16;

/// One call on a stack.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// The function.
    pub function: FunctionId,
    /// A program counter within the call, good for line and map look-ups (the return address less
    /// one, except where the frame was interrupted).
    pub pc: Address,
    /// The stack pointer: the frame's lowest address.
    pub sp: Address,
    /// The address after the return address, where arguments start.
    pub base: Address,
    /// The address after the locals.
    pub locals_end: Address,
    /// No stack map is exact here: the frame was interrupted between calls.
    pub is_imprecise: bool,
}

impl Frame {
    /// Returns where DWARF's frame base is (`DW_OP_call_frame_cfa`).
    pub fn canonical_frame_address(&self) -> Address {
        self.base
    }
}

/// An object that lives in a frame.
#[derive(Debug, Clone)]
pub struct StackObject {
    /// Where it is.
    pub range: AddressRange,
    /// Which of its words are pointers.
    pub mask: PointerMask,
    /// Bytes up to its last pointer.
    pub pointer_bytes: u64,
    /// The index of its frame, innermost first.
    pub frame: usize,
}

/// What a goroutine's stack holds.
#[derive(Debug, Default)]
pub struct StackContents {
    /// The calls, innermost first.
    pub frames: Vec<Frame>,
    /// Live pointer words: where, and in which frame.
    pub slots: Vec<(Address, usize)>,
    /// Objects in frames, live or not, by address.
    pub objects: Vec<StackObject>,
    /// The stack could not be followed to its end.
    pub is_incomplete: bool,
}

/// Reads stacks.
pub struct StackReader<'r> {
    memory: &'r dyn Memory,
    functions: &'r FunctionTable<'r>,
    rodata: Address,
    last: [Option<u64>; 3],
    interrupted: [Option<u64>; 3],
    async_preempt: Option<u64>,
}

impl<'r> StackReader<'r> {
    /// Makes a reader for a program's functions.
    pub fn new(
        memory: &'r dyn Memory,
        functions: &'r FunctionTable<'r>,
        layout: &LayoutTable,
        rodata: Address,
    ) -> Self {
        let id = |name: &str| {
            let spellings =
                [format!("internal/abi.FuncID_{name}"), format!("runtime.funcID_{name}")];
            let value = layout.constant(&[&spellings[0], &spellings[1]])?;
            u64::try_from(value).ok()
        };
        Self {
            memory,
            functions,
            rodata,
            last: [id("goexit"), id("rt0_go"), id("mstart")],
            interrupted: [id("asyncPreempt"), id("sigpanic"), id("debugCallV2")],
            async_preempt: id("asyncPreempt"),
        }
    }

    /// Reads a goroutine's stack. A running one needs its thread's registers: without them (or
    /// while it runs on the system stack) it is read from where it last gave up the processor.
    pub fn read(&self, goroutine: &Goroutine, threads: &[Registers]) -> StackContents {
        let mut contents = StackContents::default();
        if matches!(goroutine.status, GoroutineStatus::Dead | GoroutineStatus::Idle)
            || goroutine.stack.is_empty()
        {
            return contents;
        }
        let registers = self.registers(goroutine, threads);
        let (pc, sp) = match registers {
            Some(registers) => (registers.pc, registers.sp),
            None => (goroutine.pc, goroutine.sp),
        };
        contents.is_incomplete =
            !self.unwind(goroutine.stack, pc, sp, registers.is_some(), &mut contents.frames);
        let mut callee_interrupted = false;
        for index in 0..contents.frames.len() {
            let frame = contents.frames[index];
            let function = self.functions.get(frame.function);
            let id = function.map(|function| function.func_id());
            let is_preempt = id.is_some() && id == self.async_preempt;
            contents.frames[index].is_imprecise |= is_preempt || callee_interrupted;
            let imprecise = contents.frames[index].is_imprecise;
            callee_interrupted = is_preempt;
            self.read_slots(&frame, index, imprecise, &mut contents);
            self.read_objects(&frame, index, &mut contents);
        }
        contents.objects.sort_by_key(|object| object.range.start());
        contents
    }

    /// Returns the registers of the thread that a goroutine runs on, if it is on its own stack.
    pub fn registers<'t>(
        &self,
        goroutine: &Goroutine,
        threads: &'t [Registers],
    ) -> Option<&'t Registers> {
        if goroutine.status != GoroutineStatus::Running {
            return None;
        }
        threads
            .iter()
            .find(|thread| thread.tid == goroutine.thread)
            .filter(|thread| goroutine.stack.contains(thread.sp))
    }

    /// Follows the calls; tells whether it came to the stack's end.
    fn unwind(
        &self,
        stack: AddressRange,
        mut pc: Address,
        mut sp: Address,
        interrupted: bool,
        frames: &mut Vec<Frame>,
    ) -> bool {
        let mut exact = interrupted;
        while stack.contains(sp) && frames.len() < MAX_FRAMES {
            let Some(function) = self.functions.find(pc) else { return false };
            let lookup = if exact || pc == function.entry() { pc } else { pc - ByteSize::new(1) };
            let Some(delta) = function.stack_delta(lookup) else { return false };
            let base = sp + ByteSize::new(delta) + ByteSize::new(8);
            // Locals end below the return address, and below the saved frame pointer if there is
            // a frame at all.
            let mut locals_end = base - ByteSize::new(8);
            if locals_end > sp {
                locals_end = locals_end - ByteSize::new(8);
            }
            frames.push(Frame {
                function: function.id(),
                pc: lookup,
                sp,
                base,
                locals_end,
                is_imprecise: exact && interrupted && frames.is_empty(),
            });
            let id = Some(function.func_id());
            if self.last.contains(&id) {
                return true;
            }
            exact = self.interrupted.contains(&id);
            let Ok(caller) = self.memory.read_address(base - ByteSize::new(8)) else {
                return false;
            };
            if base <= sp {
                return false;
            }
            (pc, sp) = (caller, base);
        }
        false
    }

    fn read_slots(
        &self,
        frame: &Frame,
        index: usize,
        imprecise: bool,
        contents: &mut StackContents,
    ) {
        if imprecise {
            let mut at = frame.sp;
            while at < frame.base {
                contents.slots.push((at, index));
                at = at + ByteSize::new(8);
            }
            return;
        }
        let Some(function) = self.functions.get(frame.function) else { return };
        // Functions without calls that can stop have no index; their first map serves.
        let which = match function.pc_data(PcData::StackMapIndex, frame.pc) {
            Some(which) if which >= 0 => which as u32,
            _ => 0,
        };
        if frame.locals_end > frame.sp
            && let Some(maps) = function.func_data(FuncData::LocalsPointerMaps)
            && let Some((mask, bits)) = self.stack_map(maps, which)
        {
            let start = frame.locals_end - ByteSize::new(8 * u64::from(bits));
            contents
                .slots
                .extend(mask.iter().map(|word| (start + ByteSize::new(8 * word as u64), index)));
        }
        if function.argument_size().is_some_and(|size| size > 0)
            && let Some(maps) = function.func_data(FuncData::ArgsPointerMaps)
            && let Some((mask, _)) = self.stack_map(maps, which)
        {
            contents.slots.extend(
                mask.iter().map(|word| (frame.base + ByteSize::new(8 * word as u64), index)),
            );
        }
    }

    /// Reads one bitmap of a `runtime.stackmap`: a count, a width in bits, then the bitmaps.
    fn stack_map(&self, maps: Address, which: u32) -> Option<(PointerMask, u32)> {
        let count = self.memory.read_u32(maps).ok()?;
        let bits = self.memory.read_u32(maps + ByteSize::new(4)).ok()?;
        if which >= count || bits > MAX_MAP_BITS {
            return None;
        }
        let len = u64::from(bits).div_ceil(8);
        let at = maps + ByteSize::new(8 + u64::from(which) * len);
        let bytes = self.memory.read_bytes(at, ByteSize::new(len)).ok()?;
        Some((PointerMask::from_bytes(&bytes, bits as usize), bits))
    }

    /// Reads a function's list of `runtime.stackObjectRecord`: offset, size, pointer bytes, and
    /// where the mask is, four bytes each.
    fn read_objects(&self, frame: &Frame, index: usize, contents: &mut StackContents) {
        let Some(list) = self
            .functions
            .get(frame.function)
            .and_then(|function| function.func_data(FuncData::StackObjects))
        else {
            return;
        };
        let Ok(count) = self.memory.read_u64(list) else { return };
        for number in 0..count.min(MAX_OBJECTS) {
            let record = list + ByteSize::new(8 + 16 * number);
            let mut bytes = [0; 16];
            if self.memory.read(record, &mut bytes).is_err() {
                return;
            }
            let word =
                |at: usize| bytes[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
            let (offset, size, pointer_bytes) = (word(0) as i32, word(4), word(8) as i32);
            // Below the locals' end for locals, above the frame for arguments and results.
            let start = match offset < 0 {
                true => frame.locals_end - ByteSize::new(u64::from(offset.unsigned_abs())),
                false => frame.base + ByteSize::new(offset.unsigned_abs().into()),
            };
            let words = (pointer_bytes.unsigned_abs() / 8) as usize;
            let mask = if pointer_bytes >= 0 {
                let at = self.rodata + ByteSize::new(word(12).into());
                let len = ByteSize::new(words.div_ceil(8) as u64);
                let bytes = self.memory.read_bytes(at, len).unwrap_or_default();
                PointerMask::from_bytes(&bytes, words)
            } else {
                // The mask is a program (to 1.23): every word may be a pointer, as for a frame
                // without a map.
                let all = vec![0xff; words.div_ceil(8)];
                PointerMask::from_bytes(&all, words)
            };
            contents.objects.push(StackObject {
                range: AddressRange::from_size(start, ByteSize::new(size.into())),
                mask,
                pointer_bytes: u64::from(pointer_bytes.unsigned_abs()),
                frame: index,
            });
        }
    }
}
