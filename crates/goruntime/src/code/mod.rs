//! What machine code says of types: which map type the code passes along with which global, and
//! what type it allocates and stores where (amd64).
//!
//! A stripped program has lost the types of its globals, but not the code that uses them. To read
//! a map, compiled code calls the runtime with the map's type in `AX` and the map in `BX`
//! (`cmd/compile/abi-internal.md`); to make an object it calls `runtime.newobject` with the type in
//! `AX` and stores the result. Following registers backwards from such calls gives types for
//! globals, by address and path.
//!
//! Functions are decoded one by one, from their entry, and only those that contain a call of
//! interest. Where ways through the code join, only what holds on all of them is kept, and at the
//! head of a loop nothing: what is reported is so on every way to the call, as long as the code is
//! the compiler's. A constructor's result has a type too, so the whole is done again with what the
//! functions were found to return, until nothing new comes out.

mod calls;
mod interpret;
mod references;

pub use calls::{CallTarget, call_targets};
pub use interpret::{Place, PlaceBase};
pub use references::{GlobalUse, global_uses};

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use tophash_memory::{Address, Memory, MemoryExt};

use crate::error::Error;
use crate::functions::{Function, FunctionId, FunctionTable};
use crate::module_data::ModuleData;

/// What a function that code calls does with types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    /// `AX` is a map's type, `BX` the map.
    UsesMap,
    /// `AX` is a type; the result is a new value of it.
    NewValue,
    /// `AX` is an element type; the result is a new array of them.
    NewElements,
    /// `SI` is an element type; the result is a new array of them.
    GrownElements,
    /// `AX` is a map's type; the result is the map.
    NewMap,
    /// The result is a map of a type that is not said; what happens to it may say it.
    NewUntypedMap,
    /// The result is a new object of this type, by the callee's own code.
    Returns(CodeType),
    /// Keeps all registers.
    WriteBarrier,
    /// Keeps all registers, and stores the one of this number where `DI` points (to Go 1.20).
    StoringBarrier(usize),
}

/// What a pointer found in code leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CodeType {
    /// A value of the type.
    Value(Address),
    /// Elements of the type.
    Elements(Address),
    /// A map of the map type.
    Map(Address),
    /// What an interface of this dynamic type holds in its data word.
    Boxed(Address),
}

/// That a pointer in memory has a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeFact {
    /// Where the pointer is.
    pub place: Place,
    /// What it leads to; the addresses are of descriptors.
    pub ty: CodeType,
}

/// What the code of a program says.
#[derive(Debug, Default)]
pub struct CodeFacts {
    /// Types of pointers in memory.
    pub facts: Vec<CodeFact>,
    /// The map types that each function uses, by its index.
    pub map_types: HashMap<FunctionId, Vec<Address>>,
    /// The types of closure objects, by the entry of their function; `None` where code disagrees.
    pub closures: BTreeMap<Address, Option<Address>>,
}

impl CodeFacts {
    /// Reads all code of a program.
    ///
    /// # Errors
    ///
    /// Fails where the text can't be read at all.
    pub fn read(
        memory: &dyn Memory,
        module: &ModuleData,
        functions: &FunctionTable<'_>,
    ) -> Result<Self, Error> {
        let start = module.text.start();
        let text = memory
            .read_bytes(start, module.text.size())
            .map_err(Error::unreadable("the program's code", start))?;
        let mut callees: HashMap<u64, Callee> = functions
            .iter()
            .filter_map(|function| Some((function.entry().get(), callee(&function.name())?)))
            .collect();
        let all: Vec<Function<'_>> = functions.iter().collect();
        let interpret_all = |which: &HashMap<u64, Callee>, callees: &HashMap<u64, Callee>| {
            all.par_iter()
                .filter_map(|function| {
                    let range = function.range();
                    let from = (range.start() - start).to_usize()?;
                    let code = text.get(from..from.checked_add(range.size().to_usize()?)?)?;
                    calls_any(code, range.start(), which).then(|| {
                        (function.id(), interpret::interpret(code, range.start(), callees))
                    })
                })
                .collect::<HashMap<_, _>>()
        };
        let mut found = interpret_all(&callees, &callees);
        let mut fresh = found.keys().copied().collect::<Vec<_>>();
        for _ in 0..MAX_ROUNDS {
            // What functions were found to return is news to those that call them.
            let mut news = HashMap::new();
            for id in fresh {
                let entry = functions.get(id).map(|function| function.entry().get());
                if let (Some(entry), Some(ty)) = (entry, found[&id].returns)
                    && !callees.contains_key(&entry)
                {
                    news.insert(entry, Callee::Returns(ty));
                }
            }
            if news.is_empty() {
                break;
            }
            callees.extend(news.iter().map(|(entry, callee)| (*entry, *callee)));
            let again = interpret_all(&news, &callees);
            fresh = again.keys().copied().collect();
            found.extend(again);
        }
        let mut facts = Self::default();
        // In the order of the code, so that whoever learns from it learns the same each time.
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by_key(|(function, _)| *function);
        for (function, mut one) in found {
            facts.facts.append(&mut one.facts);
            for (code, ty) in one.closures {
                facts
                    .closures
                    .entry(code)
                    .and_modify(|known| *known = known.filter(|known| *known == ty))
                    .or_insert(Some(ty));
            }
            if !one.map_types.is_empty() {
                one.map_types.sort_unstable();
                one.map_types.dedup();
                facts.map_types.insert(function, one.map_types);
            }
        }
        Ok(facts)
    }
}

/// Recognises the runtime's functions by name.
fn callee(name: &str) -> Option<Callee> {
    const MAP_PREFIXES: [&str; 8] = [
        "runtime.mapaccess",
        "runtime.mapassign",
        "runtime.mapdelete",
        "runtime.mapiterinit",
        "runtime.mapIterStart",
        "runtime.mapclear",
        "internal/runtime/maps.runtime_map",
        "internal/runtime/maps.runtime_fast",
    ];
    Some(match name {
        "runtime.newobject" => Callee::NewValue,
        "runtime.makeslice" | "runtime.newarray" => Callee::NewElements,
        "runtime.growslice" => Callee::GrownElements,
        "runtime.makemap" | "runtime.makemap64" => Callee::NewMap,
        "runtime.makemap_small" | "internal/runtime/maps.NewEmptyMap" => Callee::NewUntypedMap,
        _ if name.starts_with("runtime.gcWriteBarrier") => write_barrier(name)?,
        _ if MAP_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) => Callee::UsesMap,
        _ => return None,
    })
}

/// Recognises the write barriers. To Go 1.20 there is one for each register, which does the store;
/// from 1.21 on they are numbered, and the code stores by itself.
fn write_barrier(name: &str) -> Option<Callee> {
    let register = name.strip_prefix("runtime.gcWriteBarrier")?;
    let registers = ["", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "R8", "R9"];
    Some(match registers.iter().position(|known| *known == register) {
        Some(number) => Callee::StoringBarrier(number),
        None => Callee::WriteBarrier,
    })
}

/// Constructors call constructors, but not deeper than this.
const MAX_ROUNDS: usize = 4;
/// `call rel32`.
const CALL: u8 = 0xe8;

/// Tells whether bytes can hold a call of one of the callees: every `e8` is tried, in step with the
/// instructions or not.
fn calls_any(code: &[u8], at: Address, callees: &HashMap<u64, Callee>) -> bool {
    memchr::memchr_iter(CALL, code).any(|index| {
        let Some(relative) = code.get(index + 1..).and_then(|rest| rest.first_chunk::<4>()) else {
            return false;
        };
        let next = at.get().wrapping_add(index as u64 + 5);
        let target = next.wrapping_add_signed(i32::from_le_bytes(*relative).into());
        !matches!(
            callees.get(&target),
            None | Some(Callee::WriteBarrier | Callee::StoringBarrier(_))
        )
    })
}

/// Functions that start with a round of AES under the key schedule, by release.
const AES_HASHERS: [&str; 6] = [
    "runtime.memhash64",
    "runtime.memhash64.abi0",
    "runtime.memhash32",
    "internal/runtime/maps.memHash64AES",
    "internal/runtime/maps.MemHash64",
    "internal/runtime/maps.memHash32AES",
];

/// Reads the key schedule of the program's hash functions: the memory operand of the first AES
/// round in one of them. `None` where there is none, or it can't be read.
pub fn aes_key_schedule(memory: &dyn Memory, functions: &FunctionTable<'_>) -> Option<[u8; 128]> {
    AES_HASHERS.into_iter().filter_map(|name| functions.by_name(name)).find_map(|function| {
        let range = function.range();
        let code = memory.read_bytes(range.start(), range.size()).ok()?;
        let at = interpret::first_aes_operand(&code, range.start())?;
        let mut schedule = [0; 128];
        memory.read(at, &mut schedule).ok()?;
        Some(schedule)
    })
}
