//! Parameters, locals and captured variables.

use tophash_memory::{Address, AddressRange};

use super::load::{Dwarf, Entry, Reader, Unit};
use super::types::TypeLoader;
use super::{CapturedVariable, LocalPlace, LocalVariable};

pub(super) fn name<'d>(dwarf: &Dwarf<'d>, unit: &Unit<'d>, entry: &Entry<'d>) -> Option<String> {
    let name = dwarf.attr_string(unit, entry.attr_value(gimli::DW_AT_name)?).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// Returns a function's first address, as the executable has it.
pub(super) fn entry_address<'d>(
    dwarf: &Dwarf<'d>,
    unit: &Unit<'d>,
    entry: &Entry<'d>,
) -> Option<u64> {
    dwarf.attr_address(unit, entry.attr_value(gimli::DW_AT_low_pc)?).ok()?
}

pub(super) fn captured<'d>(
    dwarf: &Dwarf<'d>,
    unit: &Unit<'d>,
    entry: &Entry<'d>,
    offset: u64,
    loader: &mut TypeLoader<'_, 'd, '_>,
) -> Option<CapturedVariable> {
    let ty = loader.type_of(unit, entry)?;
    Some(CapturedVariable { name: name(dwarf, unit, entry)?.into(), ty, offset })
}

pub(super) fn local<'d>(
    dwarf: &Dwarf<'d>,
    unit: &Unit<'d>,
    entry: &Entry<'d>,
    load_bias: u64,
    loader: &mut TypeLoader<'_, 'd, '_>,
) -> Option<LocalVariable> {
    let ty = loader.type_of(unit, entry)?;
    let size = loader.size_of(ty);
    let location = entry.attr_value(gimli::DW_AT_location)?;
    let mut places = Vec::new();
    if let gimli::AttributeValue::Exprloc(expression) = location {
        let code = AddressRange::new(Address::NULL, Address::MAX);
        places_in(expression, unit, code, size, &mut places);
    } else if let Ok(Some(mut list)) = dwarf.attr_locations(unit, location) {
        while let Ok(Some(range)) = list.next() {
            let at = |pc: u64| Address::new(pc.wrapping_add(load_bias));
            let code = AddressRange::new(at(range.range.begin), at(range.range.end));
            places_in(range.data, unit, code, size, &mut places);
        }
    }
    (!places.is_empty()).then_some(())?;
    Some(LocalVariable { name: name(dwarf, unit, entry)?.into(), ty, places })
}

/// Takes the parts of a location that lie in the frame; those in registers are left out.
fn places_in<'d>(
    expression: gimli::Expression<Reader<'d>>,
    unit: &Unit<'d>,
    code: AddressRange,
    size: u64,
    places: &mut Vec<LocalPlace>,
) {
    let mut operations = expression.operations(unit.encoding());
    let mut frame_offset = None;
    let mut part_offset = 0;
    let mut place = |frame_offset: Option<i64>, part_offset: u64, part_size: u64| {
        if let Some(frame_offset) = frame_offset {
            places.push(LocalPlace { code, frame_offset, part_offset, part_size });
        }
    };
    let mut in_pieces = false;
    while let Ok(Some(operation)) = operations.next() {
        match operation {
            // Go's frame base is the canonical frame address.
            gimli::Operation::FrameOffset { offset } => frame_offset = Some(offset),
            gimli::Operation::CallFrameCFA => frame_offset = Some(0),
            gimli::Operation::PlusConstant { value } => {
                frame_offset = frame_offset.map(|offset| offset.wrapping_add_unsigned(value));
            }
            gimli::Operation::SignedConstant { value } => {
                // `call_frame_cfa, consts n, plus`, as older linkers write a frame offset.
                frame_offset = frame_offset.map(|offset| offset.wrapping_add(value));
            }
            gimli::Operation::Plus => {}
            gimli::Operation::Piece { size_in_bits, .. } => {
                in_pieces = true;
                let part_size = size_in_bits / 8;
                place(frame_offset.take(), part_offset, part_size);
                part_offset = part_offset.saturating_add(part_size);
            }
            _ => frame_offset = None,
        }
    }
    if !in_pieces {
        place(frame_offset, 0, size);
    }
}
