//! The runtime's type descriptors, byte by byte (`internal/abi/type.go`, to 1.20 `runtime/type.go`).
//!
//! A descriptor starts with a common header; what follows depends on the kind. Descriptors lie in
//! the module's type section, with their names beside them, or in the heap, where `reflect` made
//! them. The header carries enough redundancy (size by kind, alignment, name flags) to tell a
//! descriptor from other bytes.

use std::borrow::Cow;

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use super::Kind;
use crate::error::Error;
use crate::layout::{Field, LayoutTable};
use crate::varint;
use crate::version::GoVersion;

/// `TFlagExtraStar`: the name has a `*` in front that is not part of it.
const EXTRA_STAR: u64 = 1 << 1;
/// `TFlagUnrolledBitmap` of 1.22 and 1.23: the allocator made this descriptor of a bitmap alone.
const UNROLLED_BITMAP: u64 = 1 << 4;
/// `TFlagDirectIface`, from 1.26 on.
const DIRECT_FLAG: u64 = 1 << 5;
/// `KindDirectIface`, to 1.25.
const DIRECT_KIND: u64 = 1 << 5;
/// `KindMask`, to 1.25; later the kind stands alone.
const KIND_MASK: u64 = (1 << 5) - 1;
/// Go refuses larger types (`cmd/compile`: 1 << 50); nothing real comes near a terabyte.
const MAX_SIZE: u64 = 1 << 40;
/// Longer than the longest name of an instantiated type seen, a few thousand bytes.
const MAX_NAME: u32 = 1 << 16;
/// Struct types beyond this many fields are not believed.
const MAX_FIELDS: u64 = 1 << 16;

/// The offsets read, and where descriptors can be.
pub(crate) struct DescriptorReader<'m> {
    memory: &'m dyn Memory,
    section: AddressRange,
    section_bytes: Cow<'m, [u8]>,
    header: HeaderFields,
    map: MapFields,
    direct_in_flags: bool,
    has_unrolled_bitmaps: bool,
}

struct HeaderFields {
    len: u64,
    size: Field,
    pointer_bytes: Field,
    hash: Field,
    flags: Field,
    align: Field,
    field_align: Field,
    kind: Field,
    gc_data: Field,
    name: Field,
}

struct MapFields {
    len: u64,
    key: Field,
    elem: Field,
    group: Field,
    hasher: Field,
    flags: Field,
    design: MapDesignFields,
}

enum MapDesignFields {
    /// Keys in a row behind eight control bytes, then elems in a row.
    Classic { bucket_size: Field, key_size: Field, elem_size: Field },
    /// Slots of a key and an elem each (1.24 to 1.26).
    Slots { slot_size: Field, elem_offset: Field },
    /// Strides of their own (from 1.27).
    Strides { keys_offset: Field, key_stride: Field, elems_offset: Field, elem_stride: Field },
}

/// A descriptor's header, decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) at: Address,
    pub(crate) size: u64,
    pub(crate) pointer_bytes: u64,
    pub(crate) hash: u32,
    pub(crate) kind: Kind,
    pub(crate) is_direct: bool,
    flags: u64,
    name: u64,
}

/// What follows the header, with other types by the address of their descriptors.
#[derive(Debug)]
pub(crate) enum Parts {
    None,
    Elem(Address),
    Array { elem: Address, len: u64 },
    Fields(Vec<(Box<str>, Address, u64)>),
    Map(MapParts),
    Interface { methods: u64 },
}

#[derive(Debug)]
pub(crate) struct MapParts {
    pub(crate) key: Address,
    pub(crate) elem: Address,
    pub(crate) group: Address,
    pub(crate) hasher: Address,
    pub(crate) keys_offset: u64,
    pub(crate) key_stride: u64,
    pub(crate) elems_offset: u64,
    pub(crate) elem_stride: u64,
    pub(crate) indirect_key: bool,
    pub(crate) indirect_elem: bool,
}

impl<'m> DescriptorReader<'m> {
    pub(crate) fn new(
        memory: &'m dyn Memory,
        section: AddressRange,
        version: &GoVersion,
        layout: &LayoutTable,
    ) -> Result<Self, Error> {
        let section_bytes = memory
            .read_bytes(section.start(), section.size())
            .map_err(Error::unreadable("the type section", section.start()))?;
        let both = |new: &str, old: &str| {
            layout.any_field(&[("internal/abi.Type", new), ("runtime._type", old)])
        };
        Ok(Self {
            memory,
            section,
            section_bytes,
            header: HeaderFields {
                len: layout.size_of(&["internal/abi.Type", "runtime._type"])?,
                size: both("Size_", "size")?,
                pointer_bytes: both("PtrBytes", "ptrdata")?,
                hash: both("Hash", "hash")?,
                flags: both("TFlag", "tflag")?,
                align: both("Align_", "align")?,
                field_align: both("FieldAlign_", "fieldAlign")?,
                kind: both("Kind_", "kind")?,
                gc_data: both("GCData", "gcdata")?,
                name: both("Str", "str")?,
            },
            map: MapFields::new(layout)?,
            direct_in_flags: version.minor() >= 26,
            has_unrolled_bitmaps: (22..=23).contains(&version.minor()),
        })
    }

    pub(crate) fn section(&self) -> AddressRange {
        self.section
    }

    fn bytes(&self, at: Address, len: u64) -> Option<Cow<'_, [u8]>> {
        if let Some(offset) = at.checked_offset_from(self.section.start()) {
            let start = offset.to_usize()?;
            if let Some(bytes) =
                self.section_bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
            {
                return Some(Cow::Borrowed(bytes));
            }
        }
        self.memory.read_bytes(at, ByteSize::new(len)).ok()
    }

    fn pointer(&self, at: Address) -> Option<Address> {
        let bytes = self.bytes(at, 8)?;
        Some(Address::new(u64::from_le_bytes(*bytes.first_chunk()?)))
    }

    /// Reads the header at `at`, or returns `None` where no descriptor can be.
    pub(crate) fn header(&self, at: Address) -> Option<Header> {
        if !at.is_aligned(8) {
            return None;
        }
        let bytes = self.bytes(at, self.header.len)?;
        self.header_in(at, &bytes)
    }

    fn header_in(&self, at: Address, bytes: &[u8]) -> Option<Header> {
        let h = &self.header;
        let raw_kind = h.kind.get(bytes);
        let flags = h.flags.get(bytes);
        let (number, is_direct) = if self.direct_in_flags {
            (raw_kind, flags & DIRECT_FLAG != 0)
        } else {
            (raw_kind & KIND_MASK, raw_kind & DIRECT_KIND != 0)
        };
        let kind = Kind::from_number(u8::try_from(number).ok()?)?;
        let header = Header {
            at,
            size: h.size.get(bytes),
            pointer_bytes: h.pointer_bytes.get(bytes),
            hash: h.hash.get(bytes) as u32,
            kind,
            is_direct,
            flags,
            name: h.name.get(bytes),
        };
        let in_section = self.section.contains(at);
        let is_alignment = |a: u64| matches!(a, 1 | 2 | 4 | 8);
        // Types that reflect makes leave the field alignment (bucket types) and the hash open.
        let field_align = h.field_align.get(bytes);
        let sound = header.size <= MAX_SIZE
            && kind.fixed_size().is_none_or(|size| size == header.size)
            && header.pointer_bytes <= header.size
            && header.pointer_bytes.is_multiple_of(8)
            && is_alignment(h.align.get(bytes))
            && (is_alignment(field_align) || (field_align == 0 && !in_section))
            && (header.hash != 0 || !in_section);
        if !sound {
            return None;
        }
        if in_section && self.name_of(&header).is_none() {
            return None;
        }
        Some(header)
    }

    /// Tells whether bytes can be the header of a type that consists of others.
    pub(crate) fn may_be_made(&self, bytes: &[u8]) -> bool {
        self.header_in(Address::NULL, bytes).is_some_and(|header| {
            header.pointer_bytes != 0
                && matches!(
                    header.kind,
                    Kind::Map | Kind::Slice | Kind::Array | Kind::Chan | Kind::Struct
                )
        })
    }

    /// Yields the headers of the type section, one try every eight bytes.
    pub(crate) fn scan(&self) -> impl Iterator<Item = Header> + '_ {
        let len = self.header.len as usize;
        let count = self.section_bytes.len().saturating_sub(len) / 8;
        (0..count).filter_map(move |index| {
            let bytes = self.section_bytes.get(8 * index..8 * index + len)?;
            self.header_in(self.section.start() + ByteSize::new(8 * index as u64), bytes)
        })
    }

    /// Returns the type's name as `reflect` prints it; `None` for descriptors without one (made by
    /// `reflect`) and for bytes that are no descriptor.
    pub(crate) fn name_of(&self, header: &Header) -> Option<String> {
        // Name offsets of heap descriptors are negative: an index of reflect's own table.
        let offset = u32::try_from(header.name).ok().filter(|&o| o != 0 && o < 1 << 31)?;
        if !self.section.contains(header.at) {
            return None;
        }
        let name = self.name_at(self.section.start() + ByteSize::new(offset.into()))?;
        if name.is_empty() || name.chars().any(char::is_control) {
            return None;
        }
        match header.flags & EXTRA_STAR {
            0 => Some(name),
            _ => name.strip_prefix('*').map(str::to_owned),
        }
    }

    /// Reads a name: a flag byte, a varint length, the text (`internal/abi.Name`).
    pub(crate) fn name_at(&self, at: Address) -> Option<String> {
        let head = match self.bytes(at, 6) {
            Some(head) => head,
            None => self.bytes(at, 2)?,
        };
        let (&flags, rest) = head.split_first()?;
        if flags > 0xf {
            return None;
        }
        let (len, used) = varint::read_u32(rest)?;
        if len > MAX_NAME {
            return None;
        }
        let text = self.bytes(at + ByteSize::new(1 + used as u64), len.into())?;
        std::str::from_utf8(&text).ok().map(str::to_owned)
    }

    /// Reads what follows a header.
    pub(crate) fn parts(&self, header: &Header) -> Option<Parts> {
        let after = header.at + ByteSize::new(self.header.len);
        let word = |index: u64| {
            let bytes = self.bytes(after + ByteSize::new(8 * index), 8)?;
            Some(u64::from_le_bytes(*bytes.first_chunk()?))
        };
        Some(match header.kind {
            Kind::Pointer | Kind::Slice | Kind::Chan => Parts::Elem(Address::new(word(0)?)),
            Kind::Array => Parts::Array { elem: Address::new(word(0)?), len: word(2)? },
            Kind::Struct => {
                // The package path, then a slice of fields of three words: name, type, offset.
                let (fields, count) = (Address::new(word(1)?), word(2)?);
                if count > MAX_FIELDS {
                    return None;
                }
                let bytes = self.bytes(fields, 24 * count)?;
                let fields = bytes.as_chunks::<24>().0.iter().map(|field| {
                    let [name, ty, offset] = [0, 8, 16].map(|at| {
                        field[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
                    });
                    let name = self.name_at(Address::new(name))?;
                    (offset <= header.size).then(|| (name.into(), Address::new(ty), offset))
                });
                Parts::Fields(fields.collect::<Option<_>>()?)
            }
            Kind::Map => Parts::Map(self.map_parts(header)?),
            Kind::Interface => Parts::Interface { methods: word(2)? },
            _ => Parts::None,
        })
    }

    fn map_parts(&self, header: &Header) -> Option<MapParts> {
        let bytes = self.bytes(header.at, self.map.len)?;
        let get = |field: Field| field.get(&bytes);
        let m = &self.map;
        let (key, elem) = (Address::new(get(m.key)), Address::new(get(m.elem)));
        let flags = get(m.flags);
        let (first, second) = (flags & 1 != 0, flags & 2 != 0);
        let (third, fourth) = (flags & 4 != 0, flags & 8 != 0);
        let group = Address::new(get(m.group));
        let (offsets, indirect) = match m.design {
            MapDesignFields::Classic { key_size, elem_size, bucket_size } => {
                let (key_size, elem_size) = (get(key_size), get(elem_size));
                if self.header(group)?.size != get(bucket_size) {
                    return None;
                }
                ((8, key_size, 8 + 8 * key_size, elem_size), (first, second))
            }
            MapDesignFields::Slots { slot_size, elem_offset } => {
                ((8, get(slot_size), 8 + get(elem_offset), get(slot_size)), (third, fourth))
            }
            MapDesignFields::Strides { keys_offset, key_stride, elems_offset, elem_stride } => (
                (get(keys_offset), get(key_stride), get(elems_offset), get(elem_stride)),
                (third, fourth),
            ),
        };
        let (keys_offset, key_stride, elems_offset, elem_stride) = offsets;
        let size = self.header(group)?.size;
        let fits = |offset: u64, stride: u64| {
            stride
                .checked_mul(7)
                .and_then(|last| last.checked_add(offset))
                .is_some_and(|e| e <= size)
        };
        (fits(keys_offset, key_stride) && fits(elems_offset, elem_stride)).then_some(MapParts {
            key,
            elem,
            group,
            hasher: Address::new(get(m.hasher)),
            keys_offset,
            key_stride,
            elems_offset,
            elem_stride,
            indirect_key: indirect.0,
            indirect_elem: indirect.1,
        })
    }

    /// Returns where the pointer bitmap of an anonymous descriptor is that the allocator of Go 1.22
    /// and 1.23 makes for types whose mask is a program (`TFlagUnrolledBitmap`).
    pub(crate) fn unrolled_bitmap(&self, at: Address) -> Option<(u64, u64, Address)> {
        if !self.has_unrolled_bitmaps {
            return None;
        }
        let bytes = self.bytes(at, self.header.len)?;
        let h = &self.header;
        let (size, pointers) = (h.size.get(&bytes), h.pointer_bytes.get(&bytes));
        let bitmap = self.pointer(h.gc_data.of(at))?;
        (h.flags.get(&bytes) & UNROLLED_BITMAP != 0 && pointers <= size && size <= MAX_SIZE)
            .then_some((size, pointers, bitmap))
    }
}

impl MapFields {
    fn new(layout: &LayoutTable) -> Result<Self, Error> {
        // 1.24 and 1.25 know both designs; which one the maps use shows in their headers.
        let structs: &[&str] = if layout.has("runtime.hmap") {
            &["internal/abi.OldMapType", "internal/abi.MapType", "runtime.maptype"]
        } else {
            &["internal/abi.SwissMapType", "internal/abi.MapType"]
        };
        let any = |new: &str, old: &str| {
            let spellings: Vec<_> = structs.iter().flat_map(|s| [(*s, new), (*s, old)]).collect();
            layout.any_field(&spellings)
        };
        let design = if let Ok(keys_offset) = any("KeysOff", "KeysOff") {
            MapDesignFields::Strides {
                keys_offset,
                key_stride: any("KeyStride", "KeyStride")?,
                elems_offset: any("ElemsOff", "ElemsOff")?,
                elem_stride: any("ElemStride", "ElemStride")?,
            }
        } else if let Ok(slot_size) = any("SlotSize", "SlotSize") {
            MapDesignFields::Slots { slot_size, elem_offset: any("ElemOff", "ElemOff")? }
        } else {
            MapDesignFields::Classic {
                bucket_size: any("BucketSize", "bucketsize")?,
                key_size: any("KeySize", "keysize")?,
                elem_size: any("ValueSize", "elemsize")?,
            }
        };
        Ok(Self {
            len: layout.size_of(structs)?,
            key: any("Key", "key")?,
            elem: any("Elem", "elem")?,
            group: any("Group", "Bucket").or_else(|_| any("bucket", "bucket"))?,
            hasher: any("Hasher", "hasher")?,
            flags: any("Flags", "flags")?,
            design,
        })
    }
}
