//! Go types as the analysis needs them: name, size, pointers, and what the pointers point to.
//!
//! A type comes from one of two places. The runtime's own descriptors (`internal/abi.Type`) are in
//! every program, stripped or not, for every type that is allocated, converted to an interface or
//! used as a map. DWARF adds the types of globals and locals that have no descriptor.

mod descriptor;
mod edges;
mod mask;
mod table;

pub use edges::{Edge, Pointee};
pub use mask::PointerMask;
pub use table::TypeTable;

use tophash_memory::Address;

/// Index of a type in its [`TypeTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub(crate) u32);

impl TypeId {
    /// Returns the position in the table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The kinds of `reflect.Kind`, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is Go's type of that name")]
pub enum Kind {
    Bool = 1,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
}

impl Kind {
    const ALL: [Self; 26] = [
        Self::Bool,
        Self::Int,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Uintptr,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
        Self::Array,
        Self::Chan,
        Self::Func,
        Self::Interface,
        Self::Map,
        Self::Pointer,
        Self::Slice,
        Self::String,
        Self::Struct,
        Self::UnsafePointer,
    ];

    /// Reads a kind's number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// Returns the size in bytes of every type of this kind, where that is fixed (on 64 bits).
    pub fn fixed_size(self) -> Option<u64> {
        Some(match self {
            Self::Bool | Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4,
            Self::Int
            | Self::Int64
            | Self::Uint
            | Self::Uint64
            | Self::Uintptr
            | Self::Float64
            | Self::Complex64
            | Self::Chan
            | Self::Func
            | Self::Map
            | Self::Pointer
            | Self::UnsafePointer => 8,
            Self::Complex128 | Self::Interface | Self::String => 16,
            Self::Slice => 24,
            Self::Array | Self::Struct => return None,
        })
    }
}

/// A field of a struct.
#[derive(Debug, Clone)]
pub struct StructField {
    /// The field's name; an embedded one has its type's.
    pub name: Box<str>,
    /// The field's type.
    pub ty: TypeId,
    /// Distance from the struct's start, in bytes.
    pub offset: u64,
}

/// What a map type says of its maps, beyond key and elem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapTypeInfo {
    /// The key's type.
    pub key: TypeId,
    /// The elem's type.
    pub elem: TypeId,
    /// The type of a bucket (classic) or group (Swiss).
    pub group: TypeId,
    /// The function value that hashes a key.
    pub hasher: Address,
    /// Distance of the first key from the group's start, in bytes.
    pub keys_offset: u64,
    /// Distance of one key from the next, in bytes.
    pub key_stride: u64,
    /// Distance of the first elem from the group's start, in bytes.
    pub elems_offset: u64,
    /// Distance of one elem from the next, in bytes.
    pub elem_stride: u64,
    /// The slots hold pointers to keys.
    pub indirect_key: bool,
    /// The slots hold pointers to elems.
    pub indirect_elem: bool,
}

/// What a type is made of.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Numbers and booleans.
    Scalar,
    /// A string header.
    String,
    /// An `unsafe.Pointer`.
    UnsafePointer,
    /// A pointer to the type.
    Pointer(TypeId),
    /// A slice header over the type.
    Slice(TypeId),
    /// A number of elements in a row.
    Array {
        /// The element.
        elem: TypeId,
        /// How many.
        len: u64,
    },
    /// Fields.
    Struct(Box<[StructField]>),
    /// A pointer to a map's header.
    Map(Box<MapTypeInfo>),
    /// A pointer to a channel of the type.
    Chan(TypeId),
    /// A pointer to a function value.
    Func,
    /// An interface; `methods` is zero for `interface {}`.
    Interface {
        /// How many methods it has.
        methods: u32,
    },
    /// The descriptor is there, but its parts could not be read.
    Opaque,
}

/// A Go type.
#[derive(Debug, Clone)]
pub struct GoType {
    /// The name, as `reflect` prints it.
    pub name: Box<str>,
    /// The runtime's descriptor, where there is one.
    pub descriptor: Option<Address>,
    /// Size of a value, in bytes.
    pub size: u64,
    /// Bytes up to the last pointer of a value; 0 where it holds none.
    pub pointer_bytes: u64,
    /// The kind.
    pub kind: Kind,
    /// An interface holds such a value in its data word itself.
    pub is_direct: bool,
    /// The runtime's hash of the type; an interface's method table repeats it.
    pub hash: u32,
    /// What it is made of.
    pub shape: Shape,
}

impl GoType {
    /// Returns what a map type says of its maps; `None` for other types.
    pub fn as_map(&self) -> Option<&MapTypeInfo> {
        match &self.shape {
            Shape::Map(info) => Some(info),
            _ => None,
        }
    }
}
