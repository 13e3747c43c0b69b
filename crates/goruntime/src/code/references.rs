//! Which functions refer to a global: the best name that a stripped global has left.

use std::collections::HashMap;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use rayon::prelude::*;
use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use crate::functions::{Function, FunctionId, FunctionTable};
use crate::module_data::ModuleData;

/// Code refers to the start of a variable; a word this far behind may still belong to it.
const NEAR: u64 = 512;
/// Immediates that can follow a displacement, by their size.
const TRAILING: [u64; 3] = [0, 1, 4];

/// The functions that refer to a word among the globals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalUse {
    /// The address that they refer to: the word's, or the nearest one before it.
    pub at: Address,
    /// The functions, in order of address.
    pub functions: Vec<FunctionId>,
}

/// Finds the functions that refer to each of some words, or else to the nearest address before it.
pub fn global_uses(
    memory: &dyn Memory,
    module: &ModuleData,
    functions: &FunctionTable<'_>,
    words: &[Address],
) -> HashMap<Address, GlobalUse> {
    let start = module.text.start();
    let Ok(text) = memory.read_bytes(start, module.text.size()) else { return HashMap::new() };
    let mut wanted: Vec<AddressRange> = words
        .iter()
        .map(|word| AddressRange::new(*word - ByteSize::new(NEAR), *word + ByteSize::new(8)))
        .collect();
    wanted.sort_unstable();
    let is_wanted = |at: Address| {
        let after = wanted.partition_point(|range| range.start() <= at);
        // Ranges are of one size, so the last that starts before is the last that can hold it.
        after.checked_sub(1).is_some_and(|index| wanted[index].contains(at))
    };
    let all: Vec<Function<'_>> = functions.iter().collect();
    let mut references: Vec<(Address, FunctionId)> = all
        .par_iter()
        .flat_map_iter(|function| {
            let range = function.range();
            let code = (range.start() - start)
                .to_usize()
                .and_then(|from| text.get(from..from + range.size().to_usize()?))
                .unwrap_or_default();
            let found = match may_refer(code, range.start(), &is_wanted) {
                true => references_in(code, range.start(), &is_wanted),
                false => Vec::new(),
            };
            let id = function.id();
            found.into_iter().map(move |at| (at, id))
        })
        .collect();
    references.sort_unstable();
    references.dedup();
    let mut uses = HashMap::new();
    for word in words {
        let after = references.partition_point(|(at, _)| at <= word);
        let Some((at, _)) = after.checked_sub(1).map(|index| references[index]) else { continue };
        if *word - at > ByteSize::new(NEAR) {
            continue;
        }
        let first = references.partition_point(|(other, _)| *other < at);
        let functions = references[first..after].iter().map(|(_, function)| *function).collect();
        uses.insert(*word, GlobalUse { at, functions });
    }
    uses
}

/// Tries every position for a displacement: a cheap test before decoding.
fn may_refer(code: &[u8], at: Address, is_wanted: &impl Fn(Address) -> bool) -> bool {
    code.windows(4).enumerate().any(|(index, bytes)| {
        let Some(bytes) = bytes.first_chunk::<4>() else { return false };
        let next = at.get().wrapping_add(index as u64 + 4);
        let target = next.wrapping_add_signed(i32::from_le_bytes(*bytes).into());
        TRAILING.iter().any(|trailing| is_wanted(Address::new(target.wrapping_add(*trailing))))
    })
}

fn references_in(code: &[u8], at: Address, is_wanted: &impl Fn(Address) -> bool) -> Vec<Address> {
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut found = Vec::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_ip_rel_memory_operand() {
            let target = Address::new(instruction.memory_displacement64());
            if is_wanted(target) {
                found.push(target);
            }
        }
    }
    found
}
