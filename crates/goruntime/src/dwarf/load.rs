//! Reading `.debug_info` front to back.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use gimli::{EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};
use tophash_memory::{Address, Executable};

use super::types::TypeLoader;
use super::variables;
use super::{DwarfInfo, GlobalVariable};
use crate::types::TypeTable;

pub(super) type Reader<'d> = EndianSlice<'d, LittleEndian>;
pub(super) type Dwarf<'d> = gimli::Dwarf<Reader<'d>>;
pub(super) type Unit<'d> = gimli::Unit<Reader<'d>>;
pub(super) type Entry<'d> = gimli::DebuggingInformationEntry<Reader<'d>>;

/// `DW_AT_go_closure_offset` (`cmd/internal/dwarf`).
const GO_CLOSURE_OFFSET: gimli::DwAt = gimli::DwAt(0x2907);

/// What to read besides globals and types.
pub(crate) struct DwarfOptions<'o> {
    /// Entries of functions whose locals are wanted.
    pub(crate) functions: &'o HashSet<Address>,
    /// What was added to the executable's addresses when it was loaded.
    pub(crate) load_bias: u64,
}

impl DwarfInfo {
    /// Reads an executable's DWARF, adding types to the table; `None` where it has none.
    ///
    /// Damaged entries end the reading of their unit, no more.
    pub(crate) fn read(
        executable: &Executable,
        options: &DwarfOptions<'_>,
        types: &mut TypeTable<'_>,
    ) -> Option<Self> {
        let file = object::File::parse(executable.data()).ok()?;
        file.section_by_name(".debug_info").or_else(|| file.section_by_name(".zdebug_info"))?;
        let load = |id: SectionId| -> Result<Cow<'_, [u8]>, gimli::Error> {
            Ok(file
                .section_by_name(id.name())
                .and_then(|section| section.uncompressed_data().ok())
                .unwrap_or_default())
        };
        let sections = gimli::DwarfSections::load(load).ok()?;
        let dwarf = sections.borrow(|section| EndianSlice::new(section, LittleEndian));
        let units = read_units(&dwarf);
        let mut info = Self::default();
        let mut loader = TypeLoader::new(&dwarf, &units, types);
        for unit in &units {
            info.read_unit(&dwarf, unit, options, &mut loader);
        }
        loader.finish();
        info.globals.sort_by_key(|global| global.address);
        Some(info)
    }

    fn read_unit<'d>(
        &mut self,
        dwarf: &Dwarf<'d>,
        unit: &Unit<'d>,
        options: &DwarfOptions<'_>,
        loader: &mut TypeLoader<'_, 'd, '_>,
    ) {
        let mut entries = unit.entries();
        // Depth of the function whose variables are being read, and its entry.
        let mut function: Option<(isize, Address)> = None;
        while let Ok(true) = entries.next_entry() {
            let depth = entries.depth();
            let Some(entry) = entries.current() else { continue };
            if function.is_some_and(|(outer, _)| depth <= outer) {
                function = None;
            }
            match entry.tag() {
                gimli::DW_TAG_variable if depth == 1 => {
                    if let Some(global) = self.global(dwarf, unit, entry, options, loader) {
                        self.globals.push(global);
                    }
                }
                gimli::DW_TAG_subprogram => {
                    function = variables::entry_address(dwarf, unit, entry)
                        .map(|at| (depth, Address::new(at.wrapping_add(options.load_bias))));
                }
                gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter => {
                    let Some((_, at)) = function else { continue };
                    if let Some(offset) = entry.attr_value(GO_CLOSURE_OFFSET)
                        && let Some(offset) = offset.udata_value()
                    {
                        let captured = variables::captured(dwarf, unit, entry, offset, loader);
                        self.captured.entry(at).or_default().extend(captured);
                    }
                    if options.functions.contains(&at) {
                        let local = variables::local(dwarf, unit, entry, options.load_bias, loader);
                        self.locals.entry(at).or_default().extend(local);
                    }
                }
                _ => {}
            }
        }
    }

    fn global<'d>(
        &self,
        dwarf: &Dwarf<'d>,
        unit: &Unit<'d>,
        entry: &Entry<'d>,
        options: &DwarfOptions<'_>,
        loader: &mut TypeLoader<'_, 'd, '_>,
    ) -> Option<GlobalVariable> {
        let gimli::AttributeValue::Exprloc(expression) = entry.attr_value(gimli::DW_AT_location)?
        else {
            return None;
        };
        let gimli::Operation::Address { address } =
            expression.operations(unit.encoding()).next().ok()??
        else {
            return None;
        };
        if address == 0 {
            // The linker leaves variables it removed at zero.
            return None;
        }
        Some(GlobalVariable {
            name: variables::name(dwarf, unit, entry)?.into(),
            address: Address::new(address.wrapping_add(options.load_bias)),
            ty: loader.type_of(unit, entry)?,
        })
    }
}

fn read_units<'d>(dwarf: &Dwarf<'d>) -> Vec<Unit<'d>> {
    let mut headers = dwarf.units();
    let mut units = Vec::new();
    // Go's units share one table of abbreviations; gimli would parse it anew for each.
    let mut abbreviations = HashMap::new();
    while let Ok(Some(header)) = headers.next() {
        let offset = header.debug_abbrev_offset();
        let table = match abbreviations.entry(offset) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let Ok(table) = dwarf.debug_abbrev.abbreviations(offset) else { continue };
                entry.insert(std::sync::Arc::new(table))
            }
        };
        if let Ok(unit) = gimli::Unit::new_with_abbreviations(dwarf, header, table.clone()) {
            units.push(unit);
        }
    }
    units
}
