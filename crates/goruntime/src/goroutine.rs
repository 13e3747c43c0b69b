//! Goroutines: the runtime's list of them, their state, and where each one's stack is
//! (`runtime/runtime2.go`, `type g`).
//!
//! The list, `allgs`, is a slice among the globals. Without symbols it is found as the slice whose
//! elements look like goroutines: a stack with its ends in order, a known status, a saved context
//! that points back at the goroutine. Some goroutine has a number; dead ones may have lost theirs.

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use crate::error::Error;
use crate::layout::{Field, LayoutTable};
use crate::module_data::ModuleData;

/// What a goroutine is doing (`runtime._Gidle` and its followers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoroutineStatus {
    /// Just made, or not a state that the runtime documents.
    Idle,
    /// Ready to run.
    Runnable,
    /// Running on a thread.
    Running,
    /// In a system call.
    Syscall,
    /// Blocked.
    Waiting,
    /// Ended; its record is kept for reuse.
    Dead,
    /// Its stack is being moved.
    CopyStack,
    /// Stopped for preemption.
    Preempted,
}

impl GoroutineStatus {
    fn from_number(number: u64) -> Option<Self> {
        // `_Gscan` (0x1000) is set while the collector looks at the stack.
        Some(match number & !0x1000 {
            0 | 5 | 7 | 10..=12 => Self::Idle,
            1 => Self::Runnable,
            2 => Self::Running,
            3 => Self::Syscall,
            4 => Self::Waiting,
            6 => Self::Dead,
            8 => Self::CopyStack,
            9 => Self::Preempted,
            _ => return None,
        })
    }
}

/// A goroutine.
#[derive(Debug, Clone)]
pub struct Goroutine {
    /// Where its record is.
    pub address: Address,
    /// Its number, as stack traces print it.
    pub id: u64,
    /// What it is doing.
    pub status: GoroutineStatus,
    /// Why it waits, in the runtime's words; `None` where it does not.
    pub wait_reason: Option<String>,
    /// Since when it waits, in nanoseconds of the runtime's clock: the collector notes it at the
    /// first collection that finds the goroutine waiting. 0 where none has.
    pub waiting_since: u64,
    /// The latest time in its record, in nanoseconds of the runtime's clock.
    pub(crate) last_time: u64,
    /// Its stack.
    pub stack: AddressRange,
    /// The program counter of the `go` statement that made it.
    pub created_at: Address,
    /// The saved program counter.
    pub pc: Address,
    /// The saved stack pointer.
    pub sp: Address,
    /// The saved closure register.
    pub context: Address,
    /// The first of its deferred calls.
    pub first_defer: Address,
    /// The kernel's id of the thread it runs on; 0 where none.
    pub thread: u32,
}

pub(crate) struct GoroutineFields {
    stack: Field,
    status: Field,
    id: Field,
    wait_reason: Field,
    waiting_since: Field,
    tracked_since: Option<Field>,
    created_at: Field,
    sched: [Field; 3],
    sched_g: Option<Field>,
    syscall_pc: Field,
    syscall_sp: Field,
    first_defer: Field,
    m: Field,
    m_thread: Field,
}

/// A program with more goroutines than this runs out of memory first.
const MAX_GOROUTINES: u64 = 1 << 28;
const MAX_STACK: u64 = 1 << 40;
const SAMPLES: u64 = 64;
const MAX_SECTION: ByteSize = ByteSize::new(1 << 32);
const DEAD: u64 = 6;

impl GoroutineFields {
    pub(crate) fn new(layout: &LayoutTable) -> Result<Self, Error> {
        let g = |name| layout.field("runtime.g", name);
        let gobuf = |name| layout.field("runtime.gobuf", name);
        let sched = g("sched")?;
        Ok(Self {
            stack: g("stack")?,
            status: g("atomicstatus")?,
            id: g("goid")?,
            wait_reason: g("waitreason")?,
            waiting_since: g("waitsince")?,
            tracked_since: layout.find("runtime.g", "trackingStamp"),
            created_at: g("gopc")?,
            sched: [sched.then(gobuf("pc")?), sched.then(gobuf("sp")?), sched.then(gobuf("ctxt")?)],
            sched_g: layout.find("runtime.gobuf", "g").map(|field| sched.then(field)),
            syscall_pc: g("syscallpc")?,
            syscall_sp: g("syscallsp")?,
            first_defer: g("_defer")?,
            m: g("m")?,
            m_thread: layout.field("runtime.m", "procid")?,
        })
    }

    /// Finds `allgs` and returns where its header is.
    pub(crate) fn find_list(&self, memory: &dyn Memory, module: &ModuleData) -> Option<Address> {
        for section in [module.bss, module.noptrbss, module.data] {
            let Ok(bytes) = memory.read_bytes(section.start(), section.size().min(MAX_SECTION))
            else {
                continue;
            };
            let words = bytes.as_chunks::<8>().0.array_windows::<3>();
            for (index, [list, len, cap]) in
                words.map(|words| words.map(u64::from_le_bytes)).enumerate()
            {
                let plausible = len >= 2 && len <= cap && cap <= MAX_GOROUTINES;
                if plausible && list % 8 == 0 && self.check(memory, Address::new(list), len) {
                    return Some(section.start() + ByteSize::new(8 * index as u64));
                }
            }
        }
        None
    }

    fn check(&self, memory: &dyn Memory, list: Address, len: u64) -> bool {
        let mut numbered = 0;
        for index in 0..len.min(SAMPLES) {
            let entry = list + ByteSize::new(8) * index;
            let Some(is_numbered) =
                memory.read_address(entry).ok().and_then(|g| self.looks_like_goroutine(memory, g))
            else {
                return false;
            };
            numbered += u32::from(is_numbered);
        }
        numbered > 0
    }

    /// Tells whether `g` looks like a goroutine, and if it does, whether it has a number.
    fn looks_like_goroutine(&self, memory: &dyn Memory, g: Address) -> Option<bool> {
        let status = self.status.read(memory, g).ok()? & !0x1000;
        GoroutineStatus::from_number(status)?;
        let low = self.stack.read(memory, g).ok()?;
        let high = memory.read_u64(self.stack.of(g) + ByteSize::new(8)).ok()?;
        let id = self.id.read(memory, g).ok()?;
        let has_stack = low < high && high - low <= MAX_STACK;
        let may_lack_stack = status == DEAD || status >= 10;
        if !(has_stack || may_lack_stack) {
            return None;
        }
        if let Some(field) = self.sched_g {
            let own = field.read_address(memory, g).ok()?;
            if !own.is_null() && own != g {
                return None;
            }
        }
        Some(id != 0)
    }

    /// Reads every goroutine of the list whose header is at `list`.
    pub(crate) fn read_all(
        &self,
        memory: &dyn Memory,
        layout: &LayoutTable,
        list: Address,
        diagnostics: &mut Vec<String>,
    ) -> Vec<Goroutine> {
        let (Ok(start), Ok(len)) =
            (memory.read_address(list), memory.read_u64(list + ByteSize::new(8)))
        else {
            return Vec::new();
        };
        let mut bad = 0_u64;
        let mut found = Vec::new();
        for index in 0..len.min(MAX_GOROUTINES) {
            let Ok(g) = memory.read_address(start + ByteSize::new(8) * index) else {
                bad += len - index;
                break;
            };
            match self.read(memory, layout, g) {
                Some(goroutine) => found.push(goroutine),
                None => bad += 1,
            }
        }
        if bad > 0 {
            diagnostics.push(format!(
                "{bad} of {len} goroutines could not be read: what only they hold is missing"
            ));
        }
        found
    }

    fn read(&self, memory: &dyn Memory, layout: &LayoutTable, g: Address) -> Option<Goroutine> {
        let word = |field: Field| field.read(memory, g).ok();
        let address = |field: Field| field.read_address(memory, g).ok();
        let status = GoroutineStatus::from_number(word(self.status)?)?;
        let low = address(self.stack)?;
        let high = memory.read_address(self.stack.of(g) + ByteSize::new(8)).ok()?;
        let [mut pc, mut sp, context] =
            [address(self.sched[0])?, address(self.sched[1])?, address(self.sched[2])?];
        let syscall_sp = address(self.syscall_sp)?;
        let in_syscall = status == GoroutineStatus::Syscall
            || (!syscall_sp.is_null() && status != GoroutineStatus::Running);
        if in_syscall && !syscall_sp.is_null() {
            (pc, sp) = (address(self.syscall_pc)?, syscall_sp);
        }
        let machine = address(self.m)?;
        let thread = match machine.is_null() {
            true => 0,
            false => self.m_thread.read(memory, machine).unwrap_or(0) as u32,
        };
        let wait_reason = (status == GoroutineStatus::Waiting)
            .then(|| layout.wait_reason(word(self.wait_reason)?).map(str::to_owned))
            .flatten();
        let waiting_since = word(self.waiting_since)?;
        let tracked_since = self.tracked_since.and_then(word).unwrap_or(0);
        Some(Goroutine {
            address: g,
            id: word(self.id)?,
            status,
            wait_reason,
            waiting_since,
            last_time: waiting_since.max(tracked_since),
            stack: AddressRange::new(low, high),
            created_at: address(self.created_at)?,
            pc,
            sp,
            context,
            first_defer: address(self.first_defer)?,
            thread,
        })
    }
}
