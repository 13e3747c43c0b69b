//! What the walk keeps of each object: its type and what led to it, four bytes each.

use tophash_goruntime::{ObjectId, TypeId, TypeTable};

/// What an object was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectType {
    /// A value of the type, or an array of them that fills the slot.
    Whole(TypeId),
    /// A value of the type lies somewhere in the object; the rest is unknown.
    Part(TypeId),
    /// The header of a map of this map type.
    MapHeader(TypeId),
    /// Directory, table, or list of overflow buckets of some map.
    MapInternal,
    /// A channel.
    Channel,
    /// A function value with what it captured.
    Closure,
    /// Bytes of strings.
    Text,
}

impl ObjectType {
    const KIND_BITS: u32 = 3;

    pub(super) fn pack(self) -> u32 {
        let (kind, id) = match self {
            Self::Whole(id) => (1, id.index() as u32),
            Self::Part(id) => (2, id.index() as u32),
            Self::MapHeader(id) => (3, id.index() as u32),
            Self::MapInternal => (4, 0),
            Self::Channel => (5, 0),
            Self::Closure => (6, 0),
            Self::Text => (7, 0),
        };
        id << Self::KIND_BITS | kind
    }

    pub(super) fn unpack(packed: u32, types: &TypeTable<'_>) -> Option<Self> {
        let id = || types.id_at((packed >> Self::KIND_BITS) as usize);
        Some(match packed & ((1 << Self::KIND_BITS) - 1) {
            1 => Self::Whole(id()?),
            2 => Self::Part(id()?),
            3 => Self::MapHeader(id()?),
            4 => Self::MapInternal,
            5 => Self::Channel,
            6 => Self::Closure,
            7 => Self::Text,
            _ => return None,
        })
    }
}

/// What led to an object first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// A root, by its index in `Walk::roots`.
    Root(u32),
    /// Another object.
    Object(ObjectId),
}

impl Parent {
    const ROOT: u32 = 1 << 31;
    pub(super) const NONE: u32 = u32::MAX;

    pub(super) fn pack(self) -> u32 {
        match self {
            Self::Root(index) => index | Self::ROOT,
            Self::Object(id) => id.index() as u32,
        }
    }

    pub(super) fn unpack(packed: u32) -> Option<Self> {
        match packed {
            Self::NONE => None,
            root if root & Self::ROOT != 0 => Some(Self::Root(root & !Self::ROOT)),
            id => Some(Self::Object(ObjectId::from_index(id as usize))),
        }
    }
}
