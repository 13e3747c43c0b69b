//! Struct layouts and integer constants, read from the debug information of a
//! program that a Go toolchain has just built.
//!
//! Go describes each package as one compilation unit whose children are types,
//! constants and variables; nothing that a layout needs is nested deeper than
//! a struct's members. Go's descriptions give no size for pointers, which
//! have the size of an address.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use gimli::{AttributeValue, DebuggingInformationEntry, EndianSlice, LittleEndian};
use object::{File, Object as _, ObjectSection as _};

use super::table::Struct;

type Slice<'data> = EndianSlice<'data, LittleEndian>;
type Unit<'data> = gimli::Unit<Slice<'data>>;
type Entry<'data> = DebuggingInformationEntry<Slice<'data>>;

/// A named type chain longer than this is taken for a loop.
const LONGEST_CHAIN: usize = 32;

/// All that the debug information says about structs and constants.
#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) structs: BTreeMap<String, Struct>,
    pub(crate) constants: BTreeMap<String, i64>,
}

/// Reads the structs that `wants_struct` names and the constants that
/// `wants_constant` names.
pub(crate) fn read(
    file: &File<'_>,
    wants_struct: impl Fn(&str) -> bool,
    wants_constant: impl Fn(&str) -> bool,
) -> Result<Described> {
    let sections = gimli::DwarfSections::load(|id| -> Result<Cow<'_, [u8]>> {
        match file.section_by_name(id.name()) {
            Some(section) => {
                section.uncompressed_data().with_context(|| format!("cannot unpack {}", id.name()))
            }
            None => Ok(Cow::Borrowed(&[])),
        }
    })?;
    let dwarf = sections.borrow(|section| EndianSlice::new(section, LittleEndian));
    let mut described = Described::default();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        let mut tree = unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let tag = child.entry().tag();
            if tag != gimli::DW_TAG_structure_type && tag != gimli::DW_TAG_constant {
                continue;
            }
            let Some(name) = name_of(&dwarf, &unit, child.entry())? else { continue };
            if tag == gimli::DW_TAG_constant {
                if wants_constant(&name)
                    && let Some(value) = constant(child.entry())
                {
                    described.constants.insert(name, value);
                }
            } else if wants_struct(&name) && !described.structs.contains_key(&name) {
                let Some(size) = byte_size(child.entry()) else { continue };
                let mut layout = Struct { size, fields: BTreeMap::new() };
                let mut members = child.children();
                while let Some(member) = members.next()? {
                    let entry = member.entry();
                    if entry.tag() != gimli::DW_TAG_member {
                        continue;
                    }
                    let field = name_of(&dwarf, &unit, entry)?
                        .with_context(|| format!("a member of {name} has no name"))?;
                    let offset = entry
                        .attr_value(gimli::DW_AT_data_member_location)
                        .and_then(|value| value.udata_value())
                        .with_context(|| format!("{name}.{field} has no offset"))?;
                    let size = size_of_type(&dwarf, &unit, entry)
                        .with_context(|| format!("{name}.{field} has no size"))?;
                    layout.fields.insert(field, (offset, size));
                }
                described.structs.insert(name, layout);
            }
        }
    }
    Ok(described)
}

fn name_of(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<'_>,
    entry: &Entry<'_>,
) -> Result<Option<String>> {
    let Some(value) = entry.attr_value(gimli::DW_AT_name) else { return Ok(None) };
    Ok(Some(dwarf.attr_string(unit, value)?.to_string_lossy().into_owned()))
}

fn constant(entry: &Entry<'_>) -> Option<i64> {
    let value = entry.attr_value(gimli::DW_AT_const_value)?;
    value.sdata_value().or_else(|| value.udata_value().map(u64::cast_signed))
}

fn byte_size(entry: &Entry<'_>) -> Option<u64> {
    entry.attr_value(gimli::DW_AT_byte_size)?.udata_value()
}

/// The size of the type that `entry` refers to, through any named types.
fn size_of_type(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    unit: &Unit<'_>,
    entry: &Entry<'_>,
) -> Result<u64> {
    let mut next = entry.attr_value(gimli::DW_AT_type);
    for _ in 0..LONGEST_CHAIN {
        let target = match next {
            Some(AttributeValue::UnitRef(offset)) => unit.entry(offset)?,
            Some(AttributeValue::DebugInfoRef(offset)) => {
                return size_in_other_unit(dwarf, offset);
            }
            _ => bail!("a type refers to nothing"),
        };
        if let Some(size) = own_size(unit, &target) {
            return Ok(size);
        }
        next = target.attr_value(gimli::DW_AT_type);
    }
    bail!("a chain of types has no end")
}

/// As [`size_of_type`], for a reference that counts from the section's start.
/// That is the only kind Go writes, so each is looked up anew in its unit.
fn size_in_other_unit(
    dwarf: &gimli::Dwarf<Slice<'_>>,
    mut offset: gimli::DebugInfoOffset,
) -> Result<u64> {
    for _ in 0..LONGEST_CHAIN {
        let mut owner = None;
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            if let Some(within) = offset.to_unit_offset(&header) {
                owner = Some((header, within));
                break;
            }
        }
        let (header, within) = owner.context("a type lies in no unit")?;
        let unit = dwarf.unit(header)?;
        let target = unit.entry(within)?;
        if let Some(size) = own_size(&unit, &target) {
            return Ok(size);
        }
        offset = match target.attr_value(gimli::DW_AT_type) {
            Some(AttributeValue::DebugInfoRef(offset)) => offset,
            Some(AttributeValue::UnitRef(within)) => within
                .to_debug_info_offset(&header)
                .context("a unit lies outside the debug information")?,
            _ => bail!("a type refers to nothing"),
        };
    }
    bail!("a chain of types has no end")
}

fn own_size(unit: &Unit<'_>, entry: &Entry<'_>) -> Option<u64> {
    match entry.tag() {
        gimli::DW_TAG_pointer_type | gimli::DW_TAG_subroutine_type => {
            Some(u64::from(unit.encoding().address_size))
        }
        _ => byte_size(entry),
    }
}
