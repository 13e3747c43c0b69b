//! Following registers and spilled values through one function.

use std::collections::HashMap;

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};
use tophash_memory::Address;

use super::{Callee, CodeFact, CodeType};

/// A pointer in memory, by the way that leads to it.
///
/// From a global: the word there for no offsets; for each offset, the word at that distance from
/// where the last one points. From a closure: the first offset counts from the closure object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Where the way starts.
    pub base: PlaceBase,
    /// The way from there.
    pub offsets: Vec<i64>,
}

/// Where the way to a pointer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceBase {
    /// A word among the globals.
    Global(Address),
    /// The closure objects of the function with this entry.
    Closure(Address),
}

impl Place {
    fn global(address: u64) -> Self {
        Self { base: PlaceBase::Global(Address::new(address)), offsets: Vec::new() }
    }
}

/// Longer ways are not worth following.
const MAX_OFFSETS: usize = 6;

/// What a register or a word of the frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// An address that the code has in it.
    Constant(u64),
    /// What was at a place.
    Loaded(Place),
    /// A new object.
    New(CodeType),
    /// What a call returned whose result has no type by itself; the address after the call tells it
    /// from others.
    Result(u64),
}

/// What one function says.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) facts: Vec<CodeFact>,
    pub(super) map_types: Vec<Address>,
    /// Functions that new objects were made closures of, and the objects' types.
    pub(super) closures: Vec<(Address, Address)>,
    /// What the function returns in its first register, if it is the same new object's type on
    /// every way out.
    pub(super) returns: Option<CodeType>,
}

/// Registers by their number in the machine's encoding.
const AX: usize = 0;
const DX: usize = 2;
const BX: usize = 3;
const SP: usize = 4;
const SI: usize = 6;
const DI: usize = 7;
/// The registers of arguments, in order (`cmd/compile/abi-internal.md`).
const ARGUMENTS: [usize; 9] = [AX, BX, 1, DI, SI, 8, 9, 10, 11];
/// Longer functions are generated tables; the states of their branches would take too much.
const MAX_PENDING: usize = 1 << 12;

/// What registers and the frame hold at one point of the code.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    registers: [Option<Value>; 16],
    /// Words of the frame, by their distance from the stack pointer.
    frame: HashMap<i64, Value>,
}

impl Known {
    /// Keeps what is so on both ways to a point.
    fn merge(&mut self, other: &Self) {
        for (mine, other) in self.registers.iter_mut().zip(&other.registers) {
            if mine != other {
                *mine = None;
            }
        }
        self.frame.retain(|at, value| other.frame.get(at) == Some(value));
    }
}

/// What the ways back to each loop head know, by the head's address.
type Back = HashMap<u64, Known>;

struct State<'c> {
    /// `None` where no way has been found yet that leads to the point.
    known: Option<Known>,
    /// What is known on the branches to points ahead.
    pending: HashMap<u64, Known>,
    /// What the pass before knew on the branches back.
    back: &'c Back,
    /// What this pass knows on them.
    new_back: Back,
    /// Ways are not all seen (jump tables): a point that none leads to is reached, with nothing
    /// known.
    has_hidden_ways: bool,
    callees: &'c HashMap<u64, Callee>,
    /// What code took the results of calls for, by the address after the call.
    results: HashMap<u64, Vec<CodeType>>,
    /// Where they were stored.
    stored_results: Vec<(Place, u64)>,
    returned: Vec<Option<Value>>,
    found: Found,
}

/// Passes over a function until what loops know has settled; it mostly takes two.
const MAX_PASSES: usize = 8;

/// Follows one function.
///
/// Forward branches are joined as they are met. For loops the first pass assumes that the way back
/// changes nothing, and further passes take in what it does change, until nothing more comes; only
/// then is anything believed.
pub(super) fn interpret(code: &[u8], at: Address, callees: &HashMap<u64, Callee>) -> Found {
    let instructions: Vec<Instruction> =
        Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE).into_iter().collect();
    let has_hidden_ways = instructions.iter().any(|instruction| {
        instruction.is_invalid() || instruction.flow_control() == FlowControl::IndirectBranch
    });
    let mut back = Back::new();
    for _ in 0..MAX_PASSES {
        let mut state = State {
            known: Some(Known::default()),
            pending: HashMap::new(),
            back: &back,
            new_back: Back::new(),
            has_hidden_ways,
            callees,
            results: HashMap::new(),
            stored_results: Vec::new(),
            returned: Vec::new(),
            found: Found::default(),
        };
        state.run(&instructions, at);
        if state.new_back == back {
            return state.finish();
        }
        back = state.new_back;
    }
    Found::default()
}

/// Finds the address that the first round of AES in a function takes its key from.
pub(super) fn first_aes_operand(code: &[u8], at: Address) -> Option<Address> {
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    decoder.iter().find_map(|instruction| {
        let is_round = matches!(instruction.mnemonic(), Mnemonic::Aesenc | Mnemonic::Vaesenc);
        (is_round && instruction.is_ip_rel_memory_operand())
            .then(|| Address::new(instruction.memory_displacement64()))
    })
}

/// Returns a general register's number; `None` for others and for parts of one.
fn general(register: Register) -> Option<usize> {
    register.is_gpr64().then(|| register.number())
}

impl State<'_> {
    fn run(&mut self, instructions: &[Instruction], at: Address) {
        let closure = Place { base: PlaceBase::Closure(at), offsets: Vec::new() };
        if let Some(known) = &mut self.known {
            known.registers[DX] = Some(Value::Loaded(closure));
        }
        let mut info = InstructionInfoFactory::new();
        for instruction in instructions {
            self.arrive(instruction.ip());
            if instruction.is_invalid() {
                self.known = None;
            }
            if let Some(mut known) = self.known.take() {
                let goes_on = self.step(&mut known, instruction, &mut info);
                self.known = goes_on.then_some(known);
            }
        }
    }

    /// Joins what is known on the ways to an instruction.
    fn arrive(&mut self, ip: u64) {
        if self.pending.is_empty() && self.back.is_empty() && self.known.is_some() {
            return;
        }
        for other in self.pending.remove(&ip).iter().chain(self.back.get(&ip)) {
            match &mut self.known {
                Some(known) => known.merge(other),
                None => self.known = Some(other.clone()),
            }
        }
        if self.known.is_none() && self.has_hidden_ways {
            self.known = Some(Known::default());
        }
    }

    /// Notes what is known on a branch.
    fn branch(&mut self, known: &Known, instruction: &Instruction) {
        let target = instruction.near_branch_target();
        let is_back = target <= instruction.ip();
        let ways = if is_back { &mut self.new_back } else { &mut self.pending };
        if ways.len() >= MAX_PENDING {
            self.has_hidden_ways = true;
            return;
        }
        ways.entry(target).and_modify(|other| other.merge(known)).or_insert_with(|| known.clone());
    }

    fn finish(mut self) -> Found {
        let results = self.results;
        let ty = |value: &Option<Value>| match value {
            Some(Value::New(ty)) => Some(*ty),
            Some(Value::Result(call)) => match results.get(call)?.as_slice() {
                [one @ CodeType::Map(_)] => Some(*one),
                _ => None,
            },
            _ => None,
        };
        for (place, call) in self.stored_results {
            // Generic code can call one map by several types; the reader knows which are real.
            for ty in results.get(&call).into_iter().flatten() {
                self.found.facts.push(CodeFact { place: place.clone(), ty: *ty });
            }
        }
        let mut returned = self.returned.iter().map(ty);
        if let Some(Some(first)) = returned.next()
            && returned.all(|other| other == Some(first))
        {
            self.found.returns = Some(first);
        }
        self.found
    }

    /// Takes in one instruction; tells whether the next one follows it.
    fn step(
        &mut self,
        known: &mut Known,
        instruction: &Instruction,
        info: &mut InstructionInfoFactory,
    ) -> bool {
        match instruction.flow_control() {
            FlowControl::Call => self.call(known, instruction),
            FlowControl::IndirectCall => {
                self.interfaces(known);
                known.after_call(None);
            }
            FlowControl::ConditionalBranch => self.branch(known, instruction),
            FlowControl::UnconditionalBranch => {
                self.branch(known, instruction);
                return false;
            }
            FlowControl::Return => {
                self.returned.push(known.registers[AX].clone());
                return false;
            }
            FlowControl::IndirectBranch | FlowControl::Exception => return false,
            _ => match instruction.mnemonic() {
                Mnemonic::Lea => known.lea(instruction),
                Mnemonic::Mov => self.mov(known, instruction),
                Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop => {}
                _ => known.clobber(instruction, info),
            },
        }
        true
    }

    /// A map that is passed as an interface has its type in the register before.
    fn interfaces(&mut self, known: &Known) {
        for pair in ARGUMENTS.windows(2) {
            let (Some(Value::Constant(ty)), Some(data)) =
                (&known.registers[pair[0]], &known.registers[pair[1]])
            else {
                continue;
            };
            let ty = Address::new(*ty);
            match data {
                Value::Loaded(place) => {
                    let place = place.clone();
                    self.found.facts.push(CodeFact { place, ty: CodeType::Boxed(ty) });
                }
                Value::Result(call) => self.type_result(*call, CodeType::Boxed(ty)),
                _ => {}
            }
        }
    }

    /// Notes what the result of a call is taken for.
    fn type_result(&mut self, call: u64, ty: CodeType) {
        let types = self.results.entry(call).or_default();
        if !types.contains(&ty) {
            types.push(ty);
        }
    }

    fn call(&mut self, known: &mut Known, instruction: &Instruction) {
        let callee = self.callees.get(&instruction.near_branch_target()).copied();
        let constant = |value: &Option<Value>| match value {
            Some(Value::Constant(address)) => Some(Address::new(*address)),
            _ => None,
        };
        let registers = &known.registers;
        let first = constant(&registers[AX]);
        let new = |ty: Option<CodeType>| ty.map(Value::New);
        let result = match callee {
            Some(Callee::WriteBarrier) => return,
            Some(Callee::StoringBarrier(from)) => {
                if let Some(to) = constant(&registers[DI]) {
                    self.store_at(known, from, Place::global(to.get()));
                }
                return;
            }
            Some(Callee::UsesMap) => {
                if let Some(ty) = first {
                    self.found.map_types.push(ty);
                    match registers[BX].clone() {
                        Some(Value::Loaded(place)) => {
                            self.found.facts.push(CodeFact { place, ty: CodeType::Map(ty) });
                        }
                        Some(Value::Result(call)) => self.type_result(call, CodeType::Map(ty)),
                        _ => {}
                    }
                }
                None
            }
            Some(Callee::NewValue) => new(first.map(CodeType::Value)),
            Some(Callee::NewElements) => new(first.map(CodeType::Elements)),
            Some(Callee::NewMap) => new(first.map(CodeType::Map)),
            Some(Callee::GrownElements) => new(constant(&registers[SI]).map(CodeType::Elements)),
            Some(Callee::Returns(ty)) => {
                self.interfaces(known);
                Some(Value::New(ty))
            }
            Some(Callee::NewUntypedMap) | None => {
                self.interfaces(known);
                None
            }
        };
        known.after_call(Some(result.unwrap_or(Value::Result(instruction.next_ip()))));
    }

    fn mov(&mut self, known: &mut Known, instruction: &Instruction) {
        match (instruction.op0_kind(), instruction.op1_kind()) {
            (OpKind::Register, OpKind::Register) => {
                let from = general(instruction.op1_register());
                let value = from.and_then(|from| known.registers[from].clone());
                known.set(instruction.op0_register(), value);
            }
            (OpKind::Register, OpKind::Memory) => {
                let value = match known.address(instruction) {
                    Some(Operand::Global(address)) => Some(Value::Loaded(Place::global(address))),
                    Some(Operand::Behind(place)) => Some(Value::Loaded(place)),
                    Some(Operand::Frame(offset)) => known.frame.get(&offset).cloned(),
                    Some(Operand::New(..)) | None => None,
                };
                known.set(instruction.op0_register(), value);
            }
            (OpKind::Memory, OpKind::Register) => self.store(known, instruction),
            (OpKind::Memory, _) => {
                if let Some(Operand::Frame(offset)) = known.address(instruction) {
                    known.frame.remove(&offset);
                }
            }
            (OpKind::Register, _) => {
                let immediate = instruction.immediate(1);
                known.set(instruction.op0_register(), Some(Value::Constant(immediate)));
            }
            _ => {}
        }
    }

    fn store(&mut self, known: &mut Known, instruction: &Instruction) {
        let value =
            general(instruction.op1_register()).and_then(|from| known.registers[from].clone());
        let place = match known.address(instruction) {
            Some(Operand::Frame(offset)) => {
                match value {
                    Some(value) => known.frame.insert(offset, value),
                    None => known.frame.remove(&offset),
                };
                return;
            }
            Some(Operand::Global(address)) => Place::global(address),
            Some(Operand::Behind(place)) => place,
            Some(Operand::New(ty, 0)) => {
                // The first word of a closure is its code: the new object is one, of this type.
                if let (CodeType::Value(ty), Some(Value::Constant(code))) = (ty, value) {
                    self.found.closures.push((Address::new(code), ty));
                }
                return;
            }
            Some(Operand::New(..)) | None => return,
        };
        if let Some(from) = general(instruction.op1_register()) {
            self.store_at(known, from, place);
        }
    }

    /// Stores a register at a place.
    fn store_at(&mut self, known: &mut Known, from: usize, place: Place) {
        match known.registers[from].clone() {
            Some(Value::New(ty)) => self.found.facts.push(CodeFact { place, ty }),
            // The type may show only after the store.
            Some(Value::Result(call)) => self.stored_results.push((place, call)),
            // From here on the register holds what the place holds, and so has its type.
            None => known.registers[from] = Some(Value::Loaded(place)),
            Some(Value::Constant(_) | Value::Loaded(_)) => {}
        }
    }
}

impl Known {
    /// Every register is the callee's to use; the frame's words are not.
    fn after_call(&mut self, result: Option<Value>) {
        self.registers = Default::default();
        self.registers[AX] = result;
    }

    /// Returns the value of an instruction's memory operand's address, or its place in the frame.
    fn address(&self, instruction: &Instruction) -> Option<Operand> {
        if instruction.memory_index() != Register::None {
            return None;
        }
        let displacement = instruction.memory_displacement64();
        if instruction.is_ip_rel_memory_operand() {
            return Some(Operand::Global(displacement));
        }
        let base = general(instruction.memory_base())?;
        let offset = displacement as i64;
        if base == SP {
            return Some(Operand::Frame(offset));
        }
        match self.registers[base].as_ref()? {
            Value::Constant(address) => Some(Operand::Global(address.wrapping_add_signed(offset))),
            Value::New(ty) => Some(Operand::New(*ty, offset)),
            Value::Loaded(place) if place.offsets.len() < MAX_OFFSETS => {
                let mut place = place.clone();
                place.offsets.push(offset);
                Some(Operand::Behind(place))
            }
            _ => None,
        }
    }

    fn lea(&mut self, instruction: &Instruction) {
        let Some(to) = general(instruction.op0_register()) else { return };
        self.registers[to] = match self.address(instruction) {
            Some(Operand::Global(address)) => Some(Value::Constant(address)),
            _ => None,
        };
    }

    fn set(&mut self, register: Register, value: Option<Value>) {
        let full = register.full_register();
        if let Some(number) = general(full) {
            self.registers[number] = if full == register { value } else { None };
        }
    }

    /// Forgets what an instruction of no interest writes.
    fn clobber(&mut self, instruction: &Instruction, info: &mut InstructionInfoFactory) {
        let info = info.info(instruction);
        for used in info.used_registers() {
            if writes(used.access()) {
                self.set(used.register(), None);
                if used.register().full_register() == Register::RSP {
                    // The frame's words are counted from the stack pointer.
                    self.frame.clear();
                }
            }
        }
        for used in info.used_memory() {
            if writes(used.access()) && used.base() == Register::RSP {
                let offset = used.displacement() as i64;
                // Vector stores clear several words at once.
                self.frame.retain(|at, _| !(offset - 7..offset + 64).contains(at));
            }
        }
    }
}

enum Operand {
    Global(u64),
    Frame(i64),
    Behind(Place),
    /// Such a distance into a new object.
    New(CodeType, i64),
}

fn writes(access: OpAccess) -> bool {
    matches!(
        access,
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u64 = 0x40_0000;

    fn callees() -> HashMap<u64, Callee> {
        HashMap::from([
            (TEXT + 0x1000, Callee::UsesMap),
            (TEXT + 0x2000, Callee::NewValue),
            (TEXT + 0x3000, Callee::WriteBarrier),
        ])
    }

    /// `call target`, as the instruction at `offset`.
    fn call(code: &mut Vec<u8>, target: u64) {
        let next = TEXT + code.len() as u64 + 5;
        code.push(0xe8);
        code.extend((target.wrapping_sub(next) as u32).to_le_bytes());
    }

    /// An instruction of `opcode` whose operand is `[rip+…]`, for an absolute address.
    fn rip(code: &mut Vec<u8>, opcode: [u8; 3], address: u64) {
        let next = TEXT + code.len() as u64 + 7;
        code.extend(opcode);
        code.extend((address.wrapping_sub(next) as u32).to_le_bytes());
    }

    const LEA_AX: [u8; 3] = [0x48, 0x8d, 0x05];
    const LOAD_BX: [u8; 3] = [0x48, 0x8b, 0x1d];
    const STORE_AX: [u8; 3] = [0x48, 0x89, 0x05];

    #[test]
    fn a_map_call_types_the_global_it_loads() {
        let mut code = Vec::new();
        rip(&mut code, LOAD_BX, 0x50_0010); // mov rbx, [global]
        code.extend([0x48, 0x8b, 0x5b, 0x18]); // mov rbx, [rbx+0x18]
        rip(&mut code, LEA_AX, 0x60_0000); // lea rax, [type]
        call(&mut code, TEXT + 0x1000);
        let found = interpret(&code, Address::new(TEXT), &callees());
        let place = Place { offsets: vec![0x18], ..Place::global(0x50_0010) };
        let ty = CodeType::Map(Address::new(0x60_0000));
        assert_eq!(found.facts, [CodeFact { place, ty }]);
    }

    #[test]
    fn a_new_object_types_the_global_it_is_stored_to() {
        let mut code = Vec::new();
        rip(&mut code, LEA_AX, 0x60_0000);
        call(&mut code, TEXT + 0x2000);
        code.extend([0x48, 0x89, 0x44, 0x24, 0x20]); // mov [rsp+0x20], rax
        call(&mut code, TEXT + 0x9000); // some other function
        code.extend([0x48, 0x8b, 0x44, 0x24, 0x20]); // mov rax, [rsp+0x20]
        call(&mut code, TEXT + 0x3000); // the write barrier
        rip(&mut code, STORE_AX, 0x50_0020);
        let found = interpret(&code, Address::new(TEXT), &callees());
        let place = Place::global(0x50_0020);
        let ty = CodeType::Value(Address::new(0x60_0000));
        assert_eq!(found.facts, [CodeFact { place, ty }]);
    }

    #[test]
    fn where_two_ways_join_only_what_both_know_is_kept() {
        let mut code = Vec::new();
        rip(&mut code, LOAD_BX, 0x50_0010);
        rip(&mut code, LEA_AX, 0x60_0000);
        code.extend([0x74, 0x07]); // je over the next instruction
        rip(&mut code, LOAD_BX, 0x50_0018);
        call(&mut code, TEXT + 0x1000);
        let found = interpret(&code, Address::new(TEXT), &callees());
        assert_eq!(found.facts, []);
        assert_eq!(found.map_types, [Address::new(0x60_0000)]);
    }

    #[test]
    fn a_constructor_returns_what_it_made() {
        let mut code = Vec::new();
        rip(&mut code, LEA_AX, 0x60_0000);
        call(&mut code, TEXT + 0x2000);
        code.push(0xc3); // ret
        let found = interpret(&code, Address::new(TEXT), &callees());
        assert_eq!(found.returns, Some(CodeType::Value(Address::new(0x60_0000))));
    }

    #[test]
    fn a_new_object_that_starts_with_code_is_a_closure() {
        let mut code = Vec::new();
        rip(&mut code, LEA_AX, 0x60_0000);
        call(&mut code, TEXT + 0x2000);
        rip(&mut code, [0x48, 0x8d, 0x0d], TEXT + 0x5000); // lea rcx, [function]
        code.extend([0x48, 0x89, 0x08]); // mov [rax], rcx
        let found = interpret(&code, Address::new(TEXT), &callees());
        assert_eq!(found.closures, [(Address::new(TEXT + 0x5000), Address::new(0x60_0000))]);
    }

    #[test]
    fn what_a_closure_captured_is_typed_by_its_use() {
        let mut code = Vec::new();
        code.extend([0x48, 0x8b, 0x5a, 0x08]); // mov rbx, [rdx+8]
        rip(&mut code, LEA_AX, 0x60_0000);
        call(&mut code, TEXT + 0x1000);
        let found = interpret(&code, Address::new(TEXT), &callees());
        let place = Place { base: PlaceBase::Closure(Address::new(TEXT)), offsets: vec![8] };
        let ty = CodeType::Map(Address::new(0x60_0000));
        assert_eq!(found.facts, [CodeFact { place, ty }]);
    }

    #[test]
    fn bytes_that_are_no_code_end_without_a_fault() {
        for seed in 0..64u32 {
            let code: Vec<u8> = (0..512u32)
                .map(|index| (index.wrapping_mul(2_654_435_761).rotate_left(seed) >> 13) as u8)
                .collect();
            interpret(&code, Address::new(TEXT), &callees());
        }
    }
}
