//! Where the walk starts: every root, with the type that DWARF gives it; globals that roots do not
//! lead to; and what blocked goroutines are sending.

use tophash_goruntime::{Field, Root, RootKind, TypeId};
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::claim::Claim;
use super::{Parent, Walk};

/// A goroutine waits for no more channels at once than a `select` has cases.
const MAX_WAITS: usize = 1 << 16;

impl Walk<'_> {
    pub(super) fn follow_root(&mut self, index: u32, root: Root) {
        // An interface in memory whose type nobody knows still tells the type of its data.
        let claim = match root.kind {
            RootKind::Global | RootKind::Stack { .. } | RootKind::StackObject { .. } => self
                .memory()
                .read_address(root.at - ByteSize::new(8))
                .ok()
                .and_then(|word| self.claim_of_pair(word)),
            RootKind::Goroutine { .. } | RootKind::Finalizer => Some(Claim::Closure),
            _ => None,
        };
        self.follow(root.value, claim.unwrap_or(Claim::Nothing), Parent::Root(index));
    }

    /// Finds what DWARF says of the word that a root is.
    pub(super) fn claim_of_root(&self, root: &Root) -> Option<Claim> {
        if self.program.goroutine_list() == Some(root.at) {
            let g = self.types.by_name("*runtime.g")?;
            return self.claim_of_slice(g, root.at);
        }
        let (ty, base) = self.typed_place(root)?;
        self.claim_of_word(ty, base, (root.at - base).get())
    }

    /// Finds the variable that a root belongs to: its type, and where it starts.
    pub fn typed_place(&self, root: &Root) -> Option<(TypeId, Address)> {
        let dwarf = self.program.dwarf()?;
        match root.kind {
            RootKind::Global => {
                let global = dwarf.global_before(root.at)?;
                let into = root.at.checked_offset_from(global.address)?;
                (into.get() < self.types.get(global.ty).size).then_some((global.ty, global.address))
            }
            RootKind::Stack { goroutine, frame } | RootKind::StackObject { goroutine, frame } => {
                let frame = self
                    .program
                    .roots()
                    .stacks
                    .get(goroutine as usize)?
                    .frames
                    .get(frame as usize)?;
                let function = self.program.functions().get(frame.function)?;
                let cfa = frame.canonical_frame_address();
                let offset = root.at.get().wrapping_sub(cfa.get()) as i64;
                let (local, into) = dwarf.local_at(function.entry(), frame.pc, offset)?;
                Some((local.ty, root.at - ByteSize::new(into)))
            }
            _ => None,
        }
    }

    /// Globals can point to unnamed globals, which no root leads to: follow all by type.
    pub(super) fn follow_typed_globals(&mut self) {
        let Some(dwarf) = self.program.dwarf() else { return };
        for global in dwarf.globals() {
            if self.program.module().global_section(global.address).is_some() {
                self.push_range(global.address, global.ty, 1, Parent::Root(0));
            }
        }
    }

    /// What a blocked goroutine sends lies where its wait record points, and is of the channel's
    /// element type (`runtime.sudog`).
    pub(super) fn follow_blocked_sends(&mut self) {
        let layout = self.program.layout();
        let (Some(waiting), Some(elem), Some(channel), Some(next)) = (
            layout.find("runtime.g", "waiting"),
            layout.find("runtime.sudog", "elem"),
            layout.find("runtime.sudog", "c"),
            layout.find("runtime.sudog", "waitlink"),
        ) else {
            return;
        };
        let memory = self.memory();
        for (index, goroutine) in self.program.goroutines().iter().enumerate() {
            let is_own = |root: &Root| match root.kind {
                RootKind::Stack { goroutine, .. } => goroutine as usize == index,
                _ => false,
            };
            let mut at = waiting.read_address(memory, goroutine.address).unwrap_or_default();
            for _ in 0..MAX_WAITS {
                if at.is_null() {
                    break;
                }
                let read = |field: Field| field.read_address(memory, at).ok();
                if let (Some(value), Some(channel)) = (read(elem), read(channel))
                    && let Some(ty) = self.words.channel_type(channel)
                    && !value.is_null()
                {
                    let root = self.roots.iter().position(is_own).unwrap_or(0) as u32;
                    self.push_range(value, ty, 1, Parent::Root(root));
                }
                at = read(next).unwrap_or_default();
            }
        }
    }
}
