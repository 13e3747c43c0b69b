//! The buckets or groups that the compiler lays out for a key and an elem
//! (`cmd/compile/internal/reflectdata/map*.go`, `reflect/map*.go`).

use tophash_goruntime::{LayoutTable, Shape, TypeId, TypeTable};

use crate::layout::{MapShape, SLOTS};

/// Keys and elems larger than this lie in cells of their own (`abi.MapMaxKeyBytes`,
/// `abi.MapMaxElemBytes`).
const MAX_INLINE: u64 = 128;
/// Bytes of a pointer, and of a group's control word or a bucket's hash tops.
const WORD: u64 = 8;
/// Types nest no deeper in programs that compile.
const MAX_DEPTH: u32 = 32;

/// How a release lays out its maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapDesign {
    /// Buckets: eight hash tops, eight keys, eight elems, a link to an overflow bucket.
    Classic,
    /// Groups: a control word, then eight slots of a key and an elem each.
    Swiss,
    /// Groups: a control word, eight keys, eight elems (`GOEXPERIMENT=mapsplitgroup`).
    SwissSplit,
}

impl MapDesign {
    /// Tells the design from a release's layout.
    pub fn of(layout: &LayoutTable) -> Self {
        match (layout.has("runtime.hmap"), layout.has_experiment("mapsplitgroup")) {
            (true, _) => Self::Classic,
            (false, true) => Self::SwissSplit,
            (false, false) => Self::Swiss,
        }
    }
}

/// What the layout of a map needs to know of a type. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueShape {
    /// Size of a value.
    pub size: u64,
    /// What its address is a multiple of.
    pub align: u64,
    /// The collector finds pointers in it.
    pub has_pointers: bool,
}

impl ValueShape {
    /// A pointer.
    pub const POINTER: Self = Self { size: WORD, align: WORD, has_pointers: true };

    /// Takes the shape of a type.
    ///
    /// A named type whose underlying one is `complex64` is taken to be aligned as an `int64`: the
    /// type table does not tell them apart.
    pub fn of(types: &TypeTable<'_>, ty: TypeId) -> Self {
        let info = types.get(ty);
        Self {
            size: info.size,
            align: align_of(types, ty, 0),
            has_pointers: info.pointer_bytes > 0,
        }
    }

    /// What stands in a slot for a value: itself, or a pointer to its cell.
    fn stored(self) -> Self {
        if self.size > MAX_INLINE { Self::POINTER } else { self }
    }
}

fn align_of(types: &TypeTable<'_>, ty: TypeId, depth: u32) -> u64 {
    let info = types.get(ty);
    match &info.shape {
        _ if depth > MAX_DEPTH => WORD,
        Shape::Scalar if &*info.name == "complex64" => 4,
        Shape::Scalar => info.size.clamp(1, WORD),
        Shape::Array { elem, .. } => align_of(types, *elem, depth + 1),
        Shape::Struct(fields) => {
            fields.iter().map(|field| align_of(types, field.ty, depth + 1)).max().unwrap_or(1)
        }
        _ => WORD,
    }
}

impl MapShape {
    /// Lays out a map type as a release's compiler would.
    pub fn for_values(design: MapDesign, key: ValueShape, elem: ValueShape) -> Self {
        let (stored_key, stored_elem) = (key.stored(), elem.stored());
        let mut shape = Self {
            group_size: 0,
            key_size: key.size,
            elem_size: elem.size,
            keys_offset: align_up(WORD, stored_key.align),
            key_stride: stored_key.size,
            elems_offset: 0,
            elem_stride: stored_elem.size,
            indirect_key: key.size > MAX_INLINE,
            indirect_elem: elem.size > MAX_INLINE,
            key_is_noscan: !key.has_pointers,
            elem_is_noscan: !elem.has_pointers,
            is_noscan: !(stored_key.has_pointers || stored_elem.has_pointers),
        };
        let keys_end = shape.keys_offset + SLOTS * stored_key.size;
        let align = stored_key.align.max(stored_elem.align);
        match design {
            MapDesign::Classic => {
                shape.elems_offset = align_up(keys_end, stored_elem.align);
                let end = shape.elems_offset + SLOTS * stored_elem.size;
                shape.group_size = align_up(end, WORD) + WORD;
            }
            MapDesign::Swiss => {
                let into = align_up(stored_key.size, stored_elem.align);
                let slot = struct_size(into, stored_elem.size, align);
                shape.keys_offset = align_up(WORD, align);
                shape.elems_offset = shape.keys_offset + into;
                (shape.key_stride, shape.elem_stride) = (slot, slot);
                shape.group_size = struct_size(shape.keys_offset, SLOTS * slot, WORD);
            }
            MapDesign::SwissSplit => {
                shape.elems_offset = align_up(keys_end, stored_elem.align);
                let elems = SLOTS * stored_elem.size;
                shape.group_size = struct_size(shape.elems_offset, elems, WORD);
            }
        }
        shape
    }
}

/// Returns the size of a struct whose last field is at `offset`: one that ends in a field without
/// size gets a byte more, so that a pointer to that field points into the struct.
fn struct_size(offset: u64, last: u64, align: u64) -> u64 {
    let end = match (offset, last) {
        (0, 0) => 0,
        (offset, 0) => offset + 1,
        (offset, last) => offset + last,
    };
    align_up(end, align)
}

fn align_up(value: u64, align: u64) -> u64 {
    value.next_multiple_of(align.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT64: ValueShape = ValueShape { size: 8, align: 8, has_pointers: false };
    const INT32: ValueShape = ValueShape { size: 4, align: 4, has_pointers: false };
    const STRING: ValueShape = ValueShape { size: 16, align: 8, has_pointers: true };
    const EMPTY: ValueShape = ValueShape { size: 0, align: 1, has_pointers: false };
    const WIDE: ValueShape = ValueShape { size: 129, align: 1, has_pointers: false };

    #[test]
    fn a_classic_bucket_has_hash_tops_keys_elems_and_a_link() {
        let shape = MapShape::for_values(MapDesign::Classic, INT64, INT64);
        assert_eq!((shape.group_size, shape.keys_offset, shape.elems_offset), (144, 8, 72));
        let shape = MapShape::for_values(MapDesign::Classic, STRING, INT32);
        assert_eq!((shape.group_size, shape.is_noscan), (8 + 128 + 32 + 8, false));
    }

    #[test]
    fn a_swiss_group_has_a_control_word_and_slots() {
        let shape = MapShape::for_values(MapDesign::Swiss, INT64, INT64);
        assert_eq!((shape.group_size, shape.elems_offset, shape.elem_stride), (136, 16, 16));
        let shape = MapShape::for_values(MapDesign::Swiss, INT32, INT64);
        assert_eq!((shape.group_size, shape.elems_offset, shape.key_stride), (136, 16, 16));
    }

    #[test]
    fn a_set_s_slots_are_padded_unless_groups_are_split() {
        let set = MapShape::for_values(MapDesign::Swiss, INT64, EMPTY);
        assert_eq!((set.group_size, set.key_stride), (136, 16));
        let split = MapShape::for_values(MapDesign::SwissSplit, INT64, EMPTY);
        assert_eq!((split.group_size, split.key_stride), (80, 8));
    }

    #[test]
    fn values_over_128_bytes_leave_a_pointer_in_the_slot() {
        let shape = MapShape::for_values(MapDesign::Swiss, INT64, WIDE);
        assert_eq!((shape.group_size, shape.indirect_elem, shape.is_noscan), (136, true, false));
        assert!(shape.elem_is_noscan);
    }
}
