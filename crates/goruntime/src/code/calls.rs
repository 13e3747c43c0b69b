//! What single call instructions call: for addresses that a profile recorded, in an executable that
//! need not run.
//!
//! A profile's address lies inside the call, at its last byte. Functions are decoded from their entry,
//! so that instructions are in step. A call of a map function takes the map's type in `AX`; where the
//! code loads that address right before, with no jump between, the type is told, too.

use std::collections::{BTreeMap, HashMap};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use tophash_memory::{Address, MemoryExt, Target};

use crate::error::Error;
use crate::functions::{FunctionId, FunctionTable};
use crate::program::identify;
use crate::types::{Kind, TypeTable};
use crate::version::GoVersion;

/// What is called at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallTarget {
    /// The called function's full name.
    pub function: String,
    /// The type that is passed first, where it is a map's, as `reflect` prints it.
    pub map_type: Option<String>,
}

/// Reads what is called at each of some addresses, which lie inside of calls, and the program's
/// version. Addresses at which no function is called by name are left out.
///
/// # Errors
///
/// Fails where the target is no Go program of a known release.
pub fn call_targets(
    target: &Target,
    addresses: &[Address],
) -> Result<(GoVersion, HashMap<Address, CallTarget>), Error> {
    let (build, layout, module) = identify(target)?;
    let memory = target.memory();
    let functions = FunctionTable::read(memory, &module, &layout)?;
    let types = TypeTable::read(memory, &module, &build.version, &layout)?;
    let mut wanted: BTreeMap<FunctionId, Vec<Address>> = BTreeMap::new();
    for &address in addresses {
        if let Some(function) = functions.find(address) {
            wanted.entry(function.id()).or_default().push(address);
        }
    }
    let mut found = HashMap::new();
    for (id, addresses) in wanted {
        let Some(function) = functions.get(id) else { continue };
        let range = function.range();
        let Ok(code) = memory.read_bytes(range.start(), range.size()) else { continue };
        let calls = calls_in(&code, range.start());
        for address in addresses {
            let Some(call) = calls.iter().find(|call| call.covers(address)) else { continue };
            let Some(callee) = functions.find(call.target) else { continue };
            if callee.entry() != call.target {
                continue;
            }
            let map_type = call.first_argument.and_then(|at| types.by_descriptor(at));
            let map_type = map_type
                .map(|id| types.get(id))
                .filter(|ty| ty.kind == Kind::Map)
                .map(|ty| ty.name.to_string());
            let function = callee.name().into_owned();
            found.insert(address, CallTarget { function, map_type });
        }
    }
    Ok((build.version, found))
}

/// A direct call.
struct DirectCall {
    at: Address,
    next: Address,
    target: Address,
    /// What was loaded into `AX` last, if it is an address that the code names.
    first_argument: Option<Address>,
}

impl DirectCall {
    fn covers(&self, address: Address) -> bool {
        self.at < address && address <= self.next
    }
}

fn calls_in(code: &[u8], at: Address) -> Vec<DirectCall> {
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    let mut calls = Vec::new();
    let mut instruction = Instruction::default();
    let mut first_argument = None;
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        match instruction.flow_control() {
            FlowControl::Call => {
                calls.push(DirectCall {
                    at: Address::new(instruction.ip()),
                    next: Address::new(instruction.next_ip()),
                    target: Address::new(instruction.near_branch_target()),
                    first_argument: first_argument.take(),
                });
                continue;
            }
            FlowControl::Next => {}
            _ => {
                first_argument = None;
                continue;
            }
        }
        let writes_first = instruction.op0_kind() == OpKind::Register
            && instruction.op0_register().full_register() == Register::RAX
            && !matches!(instruction.mnemonic(), Mnemonic::Cmp | Mnemonic::Test);
        if writes_first {
            let is_address =
                instruction.mnemonic() == Mnemonic::Lea && instruction.is_ip_rel_memory_operand();
            first_argument = is_address.then(|| Address::new(instruction.ip_rel_memory_address()));
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_by_its_last_byte_with_the_type_loaded_before_it() {
        let code = [
            0x48, 0x8d, 0x05, 0x10, 0x00, 0x00, 0x00, // lea rax, [rip+0x10]
            0x48, 0x8b, 0x5c, 0x24, 0x08, // mov rbx, [rsp+8]
            0xe8, 0x0f, 0x00, 0x00, 0x00, // call 0x1020
            0xe8, 0x0a, 0x00, 0x00, 0x00, // call 0x1020
        ];
        let calls = calls_in(&code, Address::new(0x1000));
        assert_eq!(calls.len(), 2);
        assert!(calls[0].covers(Address::new(0x1010)) && !calls[0].covers(Address::new(0x100c)));
        assert_eq!(calls[0].target, Address::new(0x1020));
        assert_eq!(calls[0].first_argument, Some(Address::new(0x1017)));
        assert_eq!(calls[1].first_argument, None, "the call before it overwrote the register");
    }
}
