//! What a pointer is said to lead to, and by whom: by the static type of the word, by the type word
//! of an interface, by DWARF.

use tophash_goruntime::{Pointee, TypeId};
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::Walk;

/// What a pointer is said to lead to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Claim {
    Nothing,
    One(TypeId),
    /// So many values in a row; the slot may have room for more.
    Elements(TypeId, u64),
    /// An array of buckets or groups, which fills its object, with more behind it.
    MapArray(TypeId, u64),
    Text,
    Map(TypeId),
    Channel(TypeId),
    Closure,
}

impl Walk<'_> {
    /// Calls `visit` with each pointer of a value, its arrays written out.
    pub(super) fn each_edge(
        &self,
        ty: TypeId,
        at: u64,
        depth: u32,
        visit: &mut impl FnMut(u64, Pointee),
    ) {
        if depth > 16 {
            return;
        }
        for edge in self.types.edges(ty) {
            match edge.pointee {
                Pointee::Repeat { elem, len } => {
                    let size = self.types.get(elem).size;
                    for index in 0..len {
                        self.each_edge(elem, at + edge.offset + index * size, depth + 1, visit);
                    }
                }
                pointee => visit(at + edge.offset, pointee),
            }
        }
    }

    /// Says what the pointer word at `offset` of a value of type `ty` leads to.
    pub(super) fn claim_of_word(&self, ty: TypeId, base: Address, offset: u64) -> Option<Claim> {
        let pointee = self.pointee_at(ty, offset, 0)?;
        let at = base + ByteSize::new(offset);
        Some(self.claim_of_edge(pointee, at))
    }

    fn pointee_at(&self, ty: TypeId, offset: u64, depth: u32) -> Option<Pointee> {
        let edges = self.types.edges(ty);
        let after = edges.partition_point(|edge| edge.offset <= offset);
        let edge = edges.get(after.checked_sub(1)?)?;
        match edge.pointee {
            Pointee::Repeat { elem, len } if depth < 16 => {
                let size = self.types.get(elem).size;
                let into = offset - edge.offset;
                let index = into.checked_div(size)?;
                (index < len).then(|| self.pointee_at(elem, into % size, depth + 1)).flatten()
            }
            pointee => (edge.offset == offset).then_some(pointee),
        }
    }

    /// Turns a pointer's static type into a claim about what it leads to; `at` is where it stands.
    pub(super) fn claim_of_edge(&self, pointee: Pointee, at: Address) -> Claim {
        match pointee {
            Pointee::Value(ty) => Claim::One(ty),
            Pointee::Elements(ty) => self.claim_of_slice(ty, at).unwrap_or(Claim::Nothing),
            Pointee::Text => Claim::Text,
            Pointee::Map(ty) => Claim::Map(ty),
            Pointee::Channel(ty) => Claim::Channel(ty),
            Pointee::Closure => Claim::Closure,
            Pointee::Any | Pointee::Methods => self
                .memory()
                .read_address(at - ByteSize::new(8))
                .ok()
                .and_then(|word| self.claim_of_pair(word))
                .unwrap_or(Claim::Nothing),
            Pointee::Unknown | Pointee::Repeat { .. } => Claim::Nothing,
        }
    }

    pub(super) fn claim_of_slice(&self, elem: TypeId, at: Address) -> Option<Claim> {
        let cap = self.memory().read_u64(at + ByteSize::new(16)).ok()?;
        Some(Claim::Elements(elem, cap))
    }

    /// Reads a type word and a data word as an interface.
    pub(super) fn claim_of_pair(&self, word: Address) -> Option<Claim> {
        let ty = self.words.dynamic_type(word)?;
        Some(self.claim_of_dynamic(ty))
    }

    pub(super) fn claim_of_dynamic(&self, ty: TypeId) -> Claim {
        if !self.types.get(ty).is_direct {
            return Claim::One(ty);
        }
        match self.types.edges(ty).first() {
            Some(edge) => match edge.pointee {
                Pointee::Value(ty) => Claim::One(ty),
                Pointee::Map(ty) => Claim::Map(ty),
                Pointee::Channel(ty) => Claim::Channel(ty),
                Pointee::Closure => Claim::Closure,
                _ => Claim::Nothing,
            },
            None => Claim::Nothing,
        }
    }
}
