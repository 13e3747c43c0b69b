//! From DWARF's types to the table's: by descriptor where there is one, by structure where not.

use std::collections::HashMap;

use gimli::{AttributeValue, DwAt};

use super::load::{Dwarf, Entry, Unit};
use super::names::reflect_name;
use super::variables;
use crate::types::{GoType, Kind, Shape, StructField, TypeId, TypeTable};
use tophash_memory::ByteSize;

/// Go's own attributes (`cmd/internal/dwarf/dwarf.go`).
const GO_KIND: DwAt = DwAt(0x2900);
const GO_ELEM: DwAt = DwAt(0x2902);
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);
/// Type names nest no deeper in programs that compile.
const MAX_DEPTH: u32 = 64;

/// Loads types as entries name them.
pub(super) struct TypeLoader<'t, 'd, 'm> {
    dwarf: &'t Dwarf<'d>,
    units: &'t [Unit<'d>],
    types: &'t mut TypeTable<'m>,
    loaded: HashMap<usize, Option<TypeId>>,
    added: Vec<TypeId>,
}

impl<'t, 'd, 'm> TypeLoader<'t, 'd, 'm> {
    pub(super) fn new(
        dwarf: &'t Dwarf<'d>,
        units: &'t [Unit<'d>],
        types: &'t mut TypeTable<'m>,
    ) -> Self {
        Self { dwarf, units, types, loaded: HashMap::new(), added: Vec::new() }
    }

    /// Returns the type that an entry's `DW_AT_type` names.
    pub(super) fn type_of(&mut self, unit: &Unit<'d>, entry: &Entry<'d>) -> Option<TypeId> {
        self.refer(unit, entry, gimli::DW_AT_type, MAX_DEPTH)
    }

    pub(super) fn size_of(&self, ty: TypeId) -> u64 {
        self.types.get(ty).size
    }

    /// Works out how far the pointers of each added type reach, now that all parts are known.
    pub(super) fn finish(self) {
        for id in self.added {
            let bytes = pointer_bytes(self.types, id, MAX_DEPTH);
            let shape = self.types.get(id).shape.clone();
            self.types.set_shape(id, shape, bytes);
        }
    }

    fn refer(
        &mut self,
        unit: &Unit<'d>,
        entry: &Entry<'d>,
        attribute: DwAt,
        depth: u32,
    ) -> Option<TypeId> {
        let offset = match entry.attr_value(attribute)? {
            AttributeValue::DebugInfoRef(offset) => offset.0,
            AttributeValue::UnitRef(offset) => offset.to_debug_info_offset(&unit.header)?.0,
            _ => return None,
        };
        if let Some(known) = self.loaded.get(&offset) {
            return *known;
        }
        let depth = depth.checked_sub(1)?;
        // A type that refers to itself finds its index here.
        self.loaded.insert(offset, None);
        let id = self.load(offset, depth);
        self.loaded.insert(offset, id);
        id
    }

    fn load(&mut self, offset: usize, depth: u32) -> Option<TypeId> {
        let units: &'t [Unit<'d>] = self.units;
        let after = units.partition_point(|unit| start_of(unit) <= offset);
        let unit = units.get(after.checked_sub(1)?)?;
        let at = gimli::UnitOffset(offset - start_of(unit));
        let mut entries = unit.entries_at_offset(at).ok()?;
        entries.next_entry().ok()?;
        let entry = entries.current()?.clone();
        let number = |attribute| {
            entry.attr_value(attribute).and_then(|value| match value {
                AttributeValue::Addr(address) => Some(address),
                value => value.udata_value(),
            })
        };
        let name = variables::name(self.dwarf, unit, &entry).unwrap_or_default();
        if let Some(id) = self.described(&name, number(GO_RUNTIME_TYPE).unwrap_or(0)) {
            return Some(id);
        }
        let kind = number(GO_KIND).and_then(|kind| Kind::from_number(u8::try_from(kind).ok()?));
        let tag = entry.tag();
        let Some(kind) = kind.or(match name.as_str() {
            "unsafe.Pointer" => Some(Kind::UnsafePointer),
            _ if tag == gimli::DW_TAG_pointer_type => Some(Kind::Pointer),
            _ => None,
        }) else {
            // A named type without a kind is another name of the type it refers to.
            return self.refer(unit, &entry, gimli::DW_AT_type, depth);
        };
        let size = kind.fixed_size().or_else(|| number(gimli::DW_AT_byte_size))?;
        let id = self.types.add(GoType {
            name: reflect_name(&name).into(),
            descriptor: None,
            size,
            pointer_bytes: 0,
            kind,
            is_direct: false,
            hash: 0,
            shape: Shape::Opaque,
        });
        self.added.push(id);
        self.loaded.insert(offset, Some(id));
        let shape = match kind {
            Kind::Struct => self.fields(unit, at, size, depth),
            Kind::Array => {
                let elem = self.refer(unit, &entry, gimli::DW_AT_type, depth)?;
                let each = self.types.get(elem).size;
                size.checked_div(each).map(|len| Shape::Array { elem, len })
            }
            Kind::Slice => self.refer(unit, &entry, GO_ELEM, depth).map(Shape::Slice),
            Kind::Chan => self.refer(unit, &entry, GO_ELEM, depth).map(Shape::Chan),
            Kind::Pointer => self.refer(unit, &entry, gimli::DW_AT_type, depth).map(Shape::Pointer),
            Kind::String => Some(Shape::String),
            Kind::Func => Some(Shape::Func),
            Kind::UnsafePointer => Some(Shape::UnsafePointer),
            Kind::Interface => {
                let methods = u32::from(!self.is_empty_interface(unit, &entry));
                Some(Shape::Interface { methods })
            }
            // Without a descriptor no map of the type can have been made.
            Kind::Map => Some(Shape::UnsafePointer),
            _ => Some(Shape::Scalar),
        };
        self.types.set_shape(id, shape.unwrap_or(Shape::Opaque), 0);
        Some(id)
    }

    /// Finds the descriptor of a type, by the offset that DWARF gives or by its name.
    fn described(&self, name: &str, offset: u64) -> Option<TypeId> {
        let spelled = reflect_name(name);
        if offset != 0 {
            let at = self.types.section().start() + ByteSize::new(offset);
            if let Some(id) = self.types.by_descriptor(at)
                && *self.types.get(id).name == *spelled
            {
                return Some(id);
            }
        }
        // Maps must have a descriptor to be decoded; a name is proof enough where it is unique
        // by its path, and harmless where two packages share it, since sizes are compared later.
        name.starts_with("map[").then(|| self.types.by_name(&spelled)).flatten()
    }

    fn fields(
        &mut self,
        unit: &Unit<'d>,
        at: gimli::UnitOffset,
        size: u64,
        depth: u32,
    ) -> Option<Shape> {
        let mut entries = unit.entries_at_offset(at).ok()?;
        entries.next_entry().ok()?;
        let mut fields = Vec::new();
        let mut end = 0;
        while entries.next_entry().ok()? && entries.depth() > 0 {
            let Some(member) = entries.current() else { continue };
            if member.tag() != gimli::DW_TAG_member || member.depth() != 1 {
                continue;
            }
            let member = member.clone();
            let offset = member.attr_value(gimli::DW_AT_data_member_location)?.udata_value()?;
            let name = variables::name(self.dwarf, unit, &member)?;
            let ty = self.refer(unit, &member, gimli::DW_AT_type, depth)?;
            if offset < end {
                return None;
            }
            end = offset.checked_add(self.types.get(ty).size)?;
            fields.push(StructField { name: name.into(), ty, offset });
        }
        (end <= size).then(|| Shape::Struct(fields.into()))
    }

    /// The empty interface is `runtime.eface` underneath, all others `runtime.iface`.
    fn is_empty_interface(&self, unit: &Unit<'d>, entry: &Entry<'d>) -> bool {
        let mut name = variables::name(self.dwarf, unit, entry);
        let mut target = match entry.attr_value(gimli::DW_AT_type) {
            Some(AttributeValue::DebugInfoRef(offset)) => Some(offset.0),
            _ => None,
        };
        for _ in 0..4 {
            match name.as_deref() {
                Some("runtime.eface") => return true,
                Some("runtime.iface") => return false,
                _ => {}
            }
            let Some(offset) = target else { return false };
            let after = self.units.partition_point(|unit| start_of(unit) <= offset);
            let Some(unit) = after.checked_sub(1).and_then(|index| self.units.get(index)) else {
                return false;
            };
            let Ok(entry) = unit.entry(gimli::UnitOffset(offset - start_of(unit))) else {
                return false;
            };
            name = variables::name(self.dwarf, unit, &entry);
            target = match entry.attr_value(gimli::DW_AT_type) {
                Some(AttributeValue::DebugInfoRef(offset)) => Some(offset.0),
                _ => None,
            };
        }
        false
    }
}

fn start_of(unit: &Unit<'_>) -> usize {
    unit.header.offset().0
}

/// Returns the bytes of a value up to its last pointer.
fn pointer_bytes(types: &TypeTable<'_>, id: TypeId, depth: u32) -> u64 {
    let ty = types.get(id);
    let Some(depth) = depth.checked_sub(1) else { return 0 };
    if ty.descriptor.is_some() {
        return ty.pointer_bytes;
    }
    match &ty.shape {
        Shape::Scalar | Shape::Opaque => 0,
        Shape::Interface { .. } => 16,
        Shape::Array { elem, len } => match pointer_bytes(types, *elem, depth) {
            0 => 0,
            last => len
                .checked_sub(1)
                .map_or(0, |before| before.saturating_mul(types.get(*elem).size) + last),
        },
        Shape::Struct(fields) => fields
            .iter()
            .rev()
            .find_map(|field| match pointer_bytes(types, field.ty, depth) {
                0 => None,
                bytes => Some(field.offset + bytes),
            })
            .unwrap_or(0),
        _ => 8,
    }
}
