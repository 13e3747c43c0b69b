//! Following registers and spilled values through one function.

use std::collections::{HashMap, HashSet};

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
    /// A new map whose type the call that made it does not say; the number tells them apart.
    NewUntypedMap(u32),
}

/// What one function says.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) facts: Vec<CodeFact>,
    pub(super) map_types: Vec<Address>,
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
/// The registers of arguments, in order (`cmd/compile/abi-internal.md`).
const ARGUMENTS: [usize; 9] = [AX, BX, 1, 7, SI, 8, 9, 10, 11];
/// Longer functions are generated tables; the states of their branches would take too much.
const MAX_PENDING: usize = 1 << 12;

/// What registers and the frame hold at one point of the code.
#[derive(Debug, Clone, Default)]
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

struct State<'c> {
    known: Known,
    /// The point can't be reached from the instruction before.
    is_cut: bool,
    /// What is known on the branches to points ahead.
    pending: HashMap<u64, Known>,
    callees: &'c HashMap<u64, Callee>,
    /// Types of maps that were made without, by their number.
    untyped_maps: Vec<Option<Address>>,
    returned: Vec<Option<Value>>,
    found: Found,
}

pub(super) fn interpret(code: &[u8], at: Address, callees: &HashMap<u64, Callee>) -> Found {
    let loops = loop_heads(code, at);
    let mut state = State {
        known: Known::default(),
        is_cut: false,
        pending: HashMap::new(),
        callees,
        untyped_maps: Vec::new(),
        returned: Vec::new(),
        found: Found::default(),
    };
    let closure = Place { base: PlaceBase::Closure(at), offsets: Vec::new() };
    state.known.registers[DX] = Some(Value::Loaded(closure));
    let mut info = InstructionInfoFactory::new();
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        state.arrive(instruction.ip(), instruction.is_invalid() || loops.contains(&instruction.ip()));
        state.step(&instruction, &mut info);
    }
    state.finish()
}

/// Finds where branches lead back to: what holds there depends on code that comes later. The
/// function's entry does not count, which is come back to after the stack has grown.
fn loop_heads(code: &[u8], at: Address) -> HashSet<u64> {
    let mut heads = HashSet::new();
    let mut decoder = Decoder::with_ip(64, code, at.get(), DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if matches!(
            instruction.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        ) {
            let target = instruction.near_branch_target();
            if target <= instruction.ip() && target != at.get() {
                heads.insert(target);
            }
        }
    }
    heads
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
    fn forget(&mut self) {
        self.known = Known::default();
    }

    /// Joins what is known on the ways to an instruction.
    fn arrive(&mut self, ip: u64, is_open: bool) {
        match self.pending.remove(&ip) {
            Some(known) if self.is_cut => self.known = known,
            Some(known) => self.known.merge(&known),
            None if self.is_cut => self.forget(),
            None => {}
        }
        self.is_cut = false;
        if is_open {
            self.forget();
        }
    }

    /// Notes what is known on a branch.
    fn branch(&mut self, instruction: &Instruction) {
        let target = instruction.near_branch_target();
        if target <= instruction.ip() || self.pending.len() >= MAX_PENDING {
            return;
        }
        match self.pending.get_mut(&target) {
            Some(known) => known.merge(&self.known),
            None => {
                self.pending.insert(target, self.known.clone());
            }
        }
    }

    fn finish(mut self) -> Found {
        let untyped = self.untyped_maps;
        let ty = |value: &Option<Value>| match value {
            Some(Value::New(ty)) => Some(*ty),
            Some(Value::NewUntypedMap(number)) => {
                untyped.get(*number as usize).copied().flatten().map(CodeType::Map)
            }
            _ => None,
        };
        let mut returned = self.returned.iter().map(ty);
        if let Some(Some(first)) = returned.next()
            && returned.all(|other| other == Some(first))
        {
            self.found.returns = Some(first);
        }
        self.found
    }

    fn step(&mut self, instruction: &Instruction, info: &mut InstructionInfoFactory) {
        match instruction.flow_control() {
            FlowControl::Call => self.call(instruction),
            FlowControl::IndirectCall => {
                self.interfaces();
                self.after_call(None);
            }
            FlowControl::ConditionalBranch => self.branch(instruction),
            FlowControl::UnconditionalBranch => {
                self.branch(instruction);
                self.is_cut = true;
            }
            FlowControl::Return => {
                self.returned.push(self.known.registers[AX].clone());
                self.is_cut = true;
            }
            FlowControl::IndirectBranch | FlowControl::Exception => self.is_cut = true,
            _ => match instruction.mnemonic() {
                Mnemonic::Lea => self.lea(instruction),
                Mnemonic::Mov => self.mov(instruction),
                Mnemonic::Cmp | Mnemonic::Test | Mnemonic::Nop => {}
                _ => self.clobber(instruction, info),
            },
        }
    }

    /// A map that is passed as an interface has its type in the register before.
    fn interfaces(&mut self) {
        for pair in ARGUMENTS.windows(2) {
            let (Some(Value::Constant(ty)), Some(data)) =
                (&self.known.registers[pair[0]], &self.known.registers[pair[1]])
            else {
                continue;
            };
            let ty = Address::new(*ty);
            match data {
                Value::Loaded(place) => {
                    let place = place.clone();
                    self.found.facts.push(CodeFact { place, ty: CodeType::Boxed(ty) });
                }
                Value::NewUntypedMap(number) => self.type_map(*number, ty),
                _ => {}
            }
        }
    }

    /// Notes the type of a map that was made without.
    fn type_map(&mut self, number: u32, ty: Address) {
        if let Some(known) = self.untyped_maps.get_mut(number as usize) {
            known.get_or_insert(ty);
        }
    }

    fn call(&mut self, instruction: &Instruction) {
        let callee = self.callees.get(&instruction.near_branch_target()).copied();
        let constant = |value: &Option<Value>| match value {
            Some(Value::Constant(address)) => Some(Address::new(*address)),
            _ => None,
        };
        let registers = &self.known.registers;
        let first = constant(&registers[AX]);
        let new = |ty: Option<CodeType>| ty.map(Value::New);
        let result = match callee {
            Some(Callee::WriteBarrier) => return,
            Some(Callee::UsesMap) => {
                if let Some(ty) = first {
                    self.found.map_types.push(ty);
                    match registers[BX].clone() {
                        Some(Value::Loaded(place)) => {
                            self.found.facts.push(CodeFact { place, ty: CodeType::Map(ty) });
                        }
                        Some(Value::NewUntypedMap(number)) => self.type_map(number, ty),
                        _ => {}
                    }
                }
                None
            }
            Some(Callee::NewValue) => new(first.map(CodeType::Value)),
            Some(Callee::NewElements) => new(first.map(CodeType::Elements)),
            Some(Callee::NewMap) => new(first.map(CodeType::Map)),
            Some(Callee::GrownElements) => {
                new(constant(&registers[SI]).map(CodeType::Elements))
            }
            Some(Callee::NewUntypedMap) => {
                self.untyped_maps.push(None);
                Some(Value::NewUntypedMap(self.untyped_maps.len() as u32 - 1))
            }
            Some(Callee::Returns(ty)) => {
                self.interfaces();
                Some(Value::New(ty))
            }
            None => {
                self.interfaces();
                None
            }
        };
        self.after_call(result);
    }

    /// Every register is the callee's to use; the frame's words are not.
    fn after_call(&mut self, result: Option<Value>) {
        self.known.registers = Default::default();
        self.known.registers[AX] = result;
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
        match self.known.registers[base].as_ref()? {
            Value::Constant(address) => Some(Operand::Global(address.wrapping_add_signed(offset))),
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
        self.known.registers[to] = match self.address(instruction) {
            Some(Operand::Global(address)) => Some(Value::Constant(address)),
            _ => None,
        };
    }

    fn mov(&mut self, instruction: &Instruction) {
        match (instruction.op0_kind(), instruction.op1_kind()) {
            (OpKind::Register, OpKind::Register) => {
                let from = general(instruction.op1_register());
                let value = from.and_then(|from| self.known.registers[from].clone());
                self.set(instruction.op0_register(), value);
            }
            (OpKind::Register, OpKind::Memory) => {
                let value = match self.address(instruction) {
                    Some(Operand::Global(address)) => Some(Value::Loaded(Place::global(address))),
                    Some(Operand::Behind(place)) => Some(Value::Loaded(place)),
                    Some(Operand::Frame(offset)) => self.known.frame.get(&offset).cloned(),
                    None => None,
                };
                self.set(instruction.op0_register(), value);
            }
            (OpKind::Memory, OpKind::Register) => self.store(instruction),
            (OpKind::Memory, _) => {
                if let Some(Operand::Frame(offset)) = self.address(instruction) {
                    self.known.frame.remove(&offset);
                }
            }
            (OpKind::Register, _) => {
                let immediate = instruction.immediate(1);
                self.set(instruction.op0_register(), Some(Value::Constant(immediate)));
            }
            _ => {}
        }
    }

    fn set(&mut self, register: Register, value: Option<Value>) {
        let full = register.full_register();
        if let Some(number) = general(full) {
            self.known.registers[number] = if full == register { value } else { None };
        }
    }

    fn store(&mut self, instruction: &Instruction) {
        let value = general(instruction.op1_register())
            .and_then(|from| self.known.registers[from].clone());
        let place = match self.address(instruction) {
            Some(Operand::Frame(offset)) => {
                match value {
                    Some(value) => self.known.frame.insert(offset, value),
                    None => self.known.frame.remove(&offset),
                };
                return;
            }
            Some(Operand::Global(address)) => {
                Place::global(address)
            }
            Some(Operand::Behind(place)) => place,
            None => return,
        };
        if value.is_none()
            && let Some(from) = general(instruction.op1_register())
        {
            // From here on the register holds what the place holds, and so has its type.
            self.known.registers[from] = Some(Value::Loaded(place));
            return;
        }
        match value {
            Some(Value::New(ty)) => self.found.facts.push(CodeFact { place, ty }),
            Some(Value::NewUntypedMap(number)) => {
                // The type may show before the store, seldom after it.
                if let Some(Some(ty)) = self.untyped_maps.get(number as usize) {
                    self.found.facts.push(CodeFact { place, ty: CodeType::Map(*ty) });
                }
            }
            _ => {}
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
                    self.known.frame.clear();
                }
            }
        }
        for used in info.used_memory() {
            if writes(used.access()) && used.base() == Register::RSP {
                let offset = used.displacement() as i64;
                // Vector stores clear several words at once.
                self.known.frame.retain(|at, _| !(offset - 7..offset + 64).contains(at));
            }
        }
    }
}

enum Operand {
    Global(u64),
    Frame(i64),
    Behind(Place),
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
