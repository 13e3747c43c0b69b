//! What DWARF adds where it was not stripped: names and types of globals, locals and what closures
//! captured.
//!
//! Everything else comes from the runtime's own tables, so all of this is optional. DWARF is read
//! once, front to back, into owned tables; of functions, only those are read that stand on some
//! stack or made a closure.

mod load;
mod names;
mod types;
mod variables;

pub(crate) use load::DwarfOptions;
pub use names::reflect_name;

use std::collections::HashMap;

use tophash_memory::{Address, AddressRange};

use crate::types::TypeId;

/// A package-level variable.
#[derive(Debug, Clone)]
pub struct GlobalVariable {
    /// Its name, such as `main.cache`.
    pub name: Box<str>,
    /// Where it is.
    pub address: Address,
    /// Its type.
    pub ty: TypeId,
}

/// A parameter or local variable.
#[derive(Debug, Clone)]
pub struct LocalVariable {
    /// Its name; that of a variable that was moved to the heap has an `&` in front.
    pub name: Box<str>,
    /// Its type.
    pub ty: TypeId,
    /// Where it is, by program counter.
    pub places: Vec<LocalPlace>,
}

/// A part of a local variable in the frame.
#[derive(Debug, Clone, Copy)]
pub struct LocalPlace {
    /// The program counters for which it is there.
    pub code: AddressRange,
    /// Distance from the canonical frame address, mostly negative, in bytes.
    pub frame_offset: i64,
    /// Distance of the part from the variable's start, in bytes.
    pub part_offset: u64,
    /// Size of the part in bytes.
    pub part_size: u64,
}

/// A variable that a closure captured.
#[derive(Debug, Clone)]
pub struct CapturedVariable {
    /// Its name.
    pub name: Box<str>,
    /// Its type; a pointer to it where it was captured by reference.
    pub ty: TypeId,
    /// Distance from the closure object's start, in bytes.
    pub offset: u64,
}

/// The tables.
#[derive(Debug, Default)]
pub struct DwarfInfo {
    globals: Vec<GlobalVariable>,
    locals: HashMap<Address, Vec<LocalVariable>>,
    captured: HashMap<Address, Vec<CapturedVariable>>,
}

impl DwarfInfo {
    /// Returns the package-level variables, by address.
    pub fn globals(&self) -> &[GlobalVariable] {
        &self.globals
    }

    /// Finds the package-level variable that starts at or before an address.
    pub fn global_before(&self, at: Address) -> Option<&GlobalVariable> {
        let after = self.globals.partition_point(|global| global.address <= at);
        self.globals.get(after.checked_sub(1)?)
    }

    /// Returns the parameters and locals of the function that starts at `entry`.
    pub fn locals(&self, entry: Address) -> &[LocalVariable] {
        self.locals.get(&entry).map_or(&[], Vec::as_slice)
    }

    /// Finds the variable that lies at a distance from a frame's canonical frame address, and the
    /// distance from that variable's start.
    pub fn local_at(
        &self,
        entry: Address,
        pc: Address,
        frame_offset: i64,
    ) -> Option<(&LocalVariable, u64)> {
        self.locals(entry).iter().find_map(|local| {
            local.places.iter().find_map(|place| {
                let into = u64::try_from(frame_offset.checked_sub(place.frame_offset)?).ok()?;
                (place.code.contains(pc) && into < place.part_size)
                    .then(|| (local, place.part_offset + into))
            })
        })
    }

    /// Returns what closures of the function that starts at `entry` captured.
    pub fn captured(&self, entry: Address) -> &[CapturedVariable] {
        self.captured.get(&entry).map_or(&[], Vec::as_slice)
    }
}
