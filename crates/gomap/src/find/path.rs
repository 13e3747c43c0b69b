//! Naming what holds a map: from a root, through fields, elements and captured variables.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::time::Duration;

use tophash_goruntime::{
    CapturedVariable, FunctionId, Heap, ObjectId, Program, Root, RootKind, Shape, Slot, SourceLine,
    TypeId, TypeTable,
};
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::holder::MapHolder;
use super::walk::{ObjectType, Parent, Walk};
use crate::layout::{MapShape, SLOTS};

/// The path that the walk took to an object.
#[derive(Debug, Clone)]
pub struct RootPath {
    /// What kind of root it starts at.
    pub kind: RootPathKind,
    /// The root's name: a variable or a function, or, stripped, a place.
    pub name: String,
    /// The goroutine's number, where the root is one's.
    pub goroutine: Option<u64>,
    /// Why the goroutine waits, in the runtime's words, where it does.
    pub wait_reason: Option<String>,
    /// How long it has been waiting, at least.
    pub waited: Option<Duration>,
    /// Where the root's frame is in the source.
    pub line: Option<SourceLine>,
    /// The root word's address; null for registers.
    pub at: Address,
    /// The steps, the root first.
    pub steps: Vec<String>,
    /// What the map is called in the source.
    pub holder: Option<MapHolder>,
}

/// Kinds of roots, as reports tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootPathKind {
    /// A package-level variable.
    Global,
    /// A goroutine's stack or registers.
    Stack,
    /// A finalizer or cleanup, or what an object that has one points to.
    Finalizer,
    /// Any other.
    Other,
}

/// Longer paths are cut in the middle.
const MAX_STEPS: usize = 24;
/// A chain of objects is followed no further (a linked list of this length is named by its ends).
const MAX_OBJECTS: usize = 1 << 20;

/// Spells a value of a type at an address.
pub type ValueFormat<'w> = dyn Fn(TypeId, Address) -> String + 'w;

/// Names paths of one walk.
pub struct PathNamer<'w> {
    pub(super) walk: &'w Walk<'w>,
    pub(super) program: &'w Program<'w>,
    pub(super) heap: &'w Heap<'w>,
    pub(super) types: &'w TypeTable<'w>,
    /// How keys are spelled, where they may be shown at all.
    keys: Option<&'w ValueFormat<'w>>,
    /// The map type of each type of bucket or group.
    maps: OnceCell<HashMap<TypeId, TypeId>>,
}

impl<'w> PathNamer<'w> {
    /// Makes a namer.
    pub fn new(program: &'w Program<'w>, walk: &'w Walk<'w>) -> Self {
        let (heap, types) = (program.heap(), program.types());
        Self { walk, program, heap, types, keys: None, maps: OnceCell::new() }
    }

    /// Names entries of maps by their keys, which may be secrets: `["…"]` in place of `[…]`.
    #[must_use]
    pub fn showing_keys(mut self, format: &'w ValueFormat<'w>) -> Self {
        self.keys = Some(format);
        self
    }

    /// Names the path to an object; `None` where no root reaches it.
    pub fn path_to(&self, id: ObjectId) -> Option<RootPath> {
        let mut chain = vec![id];
        let mut at = id;
        let root = loop {
            match self.walk.parent(at)? {
                Parent::Root(index) => break *self.walk.roots().get(index as usize)?,
                Parent::Object(parent) => {
                    if chain.len() >= MAX_OBJECTS {
                        return None;
                    }
                    chain.push(parent);
                    at = parent;
                }
            }
        };
        chain.reverse();
        let mut path = self.name_root(&root);
        let mut steps = Vec::new();
        // Long chains are linked structures: both ends say what they are.
        let cut = (chain.len() > 2 * MAX_STEPS)
            .then(|| (MAX_STEPS, chain.len().saturating_sub(MAX_STEPS)));
        for (index, pair) in chain.windows(2).enumerate() {
            match cut {
                Some((from, _)) if index == from => steps.push("…".to_owned()),
                Some((from, to)) if index > from && index < to => {}
                _ => steps.extend(self.step(pair[0], pair[1])),
            }
        }
        steps.dedup_by(|later, earlier| later == earlier && later == "[…]");
        if steps.len() > MAX_STEPS {
            let end = steps.split_off(steps.len() - MAX_STEPS / 2);
            steps.truncate(MAX_STEPS / 2);
            steps.push("…".to_owned());
            steps.extend(end);
        }
        path.steps.extend(steps);
        path.holder = self.holder_in(&chain).or(path.holder);
        Some(path)
    }

    /// Names a root by itself, as for a map whose header lies in a frame.
    pub fn name_root(&self, root: &Root) -> RootPath {
        let mut path = RootPath {
            kind: RootPathKind::Other,
            name: String::new(),
            goroutine: None,
            wait_reason: None,
            waited: None,
            line: None,
            at: root.at,
            steps: Vec::new(),
            holder: None,
        };
        match root.kind {
            RootKind::Global => {
                path.kind = RootPathKind::Global;
                let steps = self.name_global(root.at, 8);
                path.name = steps.first().cloned().unwrap_or_default();
                path.steps = steps;
                path.holder = self.global_holder(root.at, 8);
            }
            RootKind::Stack { goroutine, frame } | RootKind::StackObject { goroutine, frame } => {
                path.kind = RootPathKind::Stack;
                self.name_frame(&mut path, goroutine, frame as usize);
                let place = self.walk.typed_place(root);
                let name = place.and_then(|(_, base)| self.local_name(root, base));
                let local = place.map(|(ty, base)| {
                    let name = name.as_deref().unwrap_or_default();
                    format!("{name}{}", self.field_path(ty, (root.at - base).get()))
                });
                let field =
                    |(ty, base): (TypeId, Address)| self.field_holder(ty, (root.at - base).get());
                path.holder = place
                    .and_then(field)
                    .or_else(|| Some(MapHolder::Local { function: path.name.clone(), name }));
                path.steps.push(path.name.clone());
                path.steps.extend(local);
            }
            RootKind::Register { goroutine } => {
                path.kind = RootPathKind::Stack;
                self.name_frame(&mut path, goroutine, 0);
                path.steps.push(path.name.clone());
                path.steps.push("(register)".to_owned());
            }
            RootKind::Goroutine { goroutine } => {
                path.kind = RootPathKind::Stack;
                let last = self
                    .program
                    .roots()
                    .stacks
                    .get(goroutine as usize)
                    .map_or(0, |stack| stack.frames.len().saturating_sub(2));
                self.name_frame(&mut path, goroutine, last);
                path.steps.push(path.name.clone());
                path.steps.push("(deferred or running closure)".to_owned());
            }
            RootKind::Finalizer => {
                path.kind = RootPathKind::Finalizer;
                path.name = "finalizer".to_owned();
                path.steps.push("finalizer".to_owned());
            }
            RootKind::FinalizedObject => {
                path.kind = RootPathKind::Finalizer;
                path.name = "object with a finalizer".to_owned();
                path.steps.push(path.name.clone());
            }
        }
        path
    }

    /// Names the frame of a goroutine: one inside of the runtime by the function that called into it.
    fn name_frame(&self, path: &mut RootPath, goroutine: u32, frame: usize) {
        let Some(g) = self.program.goroutines().get(goroutine as usize) else { return };
        path.goroutine = Some(g.id);
        path.wait_reason.clone_from(&g.wait_reason);
        path.waited = self.program.waited(g);
        let frames = &self.program.roots().stacks[goroutine as usize].frames;
        let of_program = frames
            .iter()
            .skip(frame)
            .find(|frame| !self.function_name(frame.function).starts_with("runtime."));
        if let Some(frame) = of_program.or_else(|| frames.get(frame)) {
            path.name = self.function_name(frame.function);
            // The frame is the function's own, whatever was inlined into it.
            path.line = self.program.calls_at(frame.pc).pop().and_then(|call| call.line);
        }
    }

    fn function_name(&self, id: FunctionId) -> String {
        self.program
            .functions()
            .get(id)
            .map_or_else(|| "?".to_owned(), |function| function.name().into_owned())
    }

    fn local_name(&self, root: &Root, base: Address) -> Option<String> {
        let (RootKind::Stack { goroutine, frame } | RootKind::StackObject { goroutine, frame }) =
            root.kind
        else {
            return None;
        };
        let frame =
            self.program.roots().stacks.get(goroutine as usize)?.frames.get(frame as usize)?;
        let function = self.program.functions().get(frame.function)?;
        let offset = base.get().wrapping_sub(frame.canonical_frame_address().get()) as i64;
        let dwarf = self.program.dwarf()?;
        let (local, _) = dwarf.local_at(function.entry(), frame.pc, offset)?;
        Some(local.name.trim_start_matches('&').to_owned())
    }

    /// Names a word among the globals: by its variable, by the variable that points to it, or by
    /// its section.
    fn name_global(&self, at: Address, depth: u32) -> Vec<String> {
        if let Some(dwarf) = self.program.dwarf()
            && let Some(global) = dwarf.global_before(at)
        {
            let into = (at - global.address).get();
            if into < self.types.get(global.ty).size {
                let field = self.field_path(global.ty, into);
                let mut steps = vec![global.name.to_string()];
                steps.extend((!field.is_empty()).then_some(field));
                return steps;
            }
        }
        if let Some(target) = self.walk.static_target(at)
            && let Some(depth) = depth.checked_sub(1)
        {
            let mut steps = self.name_global(target.pointed_from, depth);
            let size = self.types.get(target.ty).size.max(1);
            let into = (at - target.range.start()).get();
            let field = self.field_path(target.ty, into % size);
            steps.extend((!field.is_empty()).then_some(field));
            return steps;
        }
        let module = self.program.module();
        let names = [".noptrdata", ".data", ".bss", ".noptrbss"];
        let place = module
            .data_sections()
            .into_iter()
            .zip(names)
            .find(|(range, _)| range.contains(at))
            .map(|(range, name)| format!("{name}+{:#x}", (at - range.start()).get()));
        vec![place.unwrap_or_else(|| at.to_string())]
    }

    /// Names the step from one object to the next.
    fn step(&self, from: ObjectId, to: ObjectId) -> Option<String> {
        let slot = self.heap.slot(from);
        let found = self.pointer_between(from, to);
        let ty = self.walk.object_type(from);
        match ty {
            Some(ObjectType::MapHeader(_) | ObjectType::MapInternal) => None,
            Some(ObjectType::Channel) => Some("(channel)".to_owned()),
            Some(ObjectType::Text) => None,
            Some(ObjectType::Closure) => Some(self.captured_name(from, found)),
            Some(ObjectType::Whole(ty)) => {
                let name = &self.types.get(ty).name;
                if name.starts_with("map.bucket[")
                    || name.starts_with("map.group[")
                    || name.starts_with("noalg.map.")
                {
                    let key = found.and_then(|offset| self.entry_key(slot, ty, offset));
                    return Some(key.map_or_else(|| "[…]".to_owned(), |key| format!("[{key}]")));
                }
                let Some(offset) = found else { return Some("?".to_owned()) };
                let size = self.types.get(ty).size.max(1);
                let is_array = self.heap.usable(slot.span) >= 2 * size;
                let field = self.field_path(ty, offset % size);
                let index = if is_array { format!("[{}]", offset / size) } else { String::new() };
                let step = format!("{index}{field}");
                (!step.is_empty()).then_some(step)
            }
            Some(ObjectType::Part(_)) | None => {
                Some(found.map_or_else(|| "?".to_owned(), |offset| format!("+{offset:#x}")))
            }
        }
    }

    /// Spells the key of the entry that a word of a bucket or group array belongs to.
    fn entry_key(&self, slot: Slot, group: TypeId, offset: u64) -> Option<String> {
        let format = self.keys?;
        let maps = self.maps.get_or_init(|| {
            let all = (0..self.types.len()).filter_map(|index| self.types.id_at(index));
            all.filter_map(|id| Some((self.types.get(id).as_map()?.group, id))).collect()
        });
        let info = self.types.get(*maps.get(&group)?).as_map()?;
        let shape = MapShape::of(self.types, info);
        let into = offset % shape.group_size.max(1);
        let within = |start: u64, stride: u64| {
            let index = into.checked_sub(start)?.checked_div(stride)?;
            (index < SLOTS).then_some(index)
        };
        // Keys and elems may lie slot by slot, so that a word is looked for among the elems first.
        let index = match (shape.keys_offset, shape.elems_offset) {
            (keys, elems)
                if shape.key_stride == shape.elem_stride && elems - keys < shape.key_stride =>
            {
                within(keys, shape.key_stride)
            }
            (keys, elems) => {
                within(elems, shape.elem_stride).or_else(|| within(keys, shape.key_stride))
            }
        }?;
        let into_key = offset - into + shape.keys_offset + index * shape.key_stride;
        let mut at = self.heap.object_start(slot) + ByteSize::new(into_key);
        if shape.indirect_key {
            at = self.heap.memory().read_address(at).ok()?;
        }
        Some(format(info.key, at))
    }

    fn captured_name(&self, closure: ObjectId, offset: Option<u64>) -> String {
        let Some(code) = self.code_of(closure) else { return "(closure)".to_owned() };
        let function = self.program.functions().find(code);
        let name = function.map_or_else(|| "closure".to_owned(), |f| f.name().into_owned());
        let captured = offset.and_then(|offset| {
            let (captured, into) = self.captured_at(code, offset)?;
            let field = self.field_path(captured.ty, into);
            Some(format!(".{}{field}", captured.name.trim_start_matches('&')))
        });
        format!("({name}){}", captured.unwrap_or_default())
    }

    /// The code of a function value.
    pub(super) fn code_of(&self, closure: ObjectId) -> Option<Address> {
        let code = self.heap.object_bytes(self.heap.slot(closure)).first_chunk::<8>()?;
        Some(Address::new(u64::from_le_bytes(*code)))
    }

    /// The variable that a function value has at a distance, and how far into it that is.
    pub(super) fn captured_at(
        &self,
        code: Address,
        offset: u64,
    ) -> Option<(&CapturedVariable, u64)> {
        let variables = self.program.dwarf()?.captured(code);
        variables.iter().find_map(|variable| {
            let into = offset.checked_sub(variable.offset)?;
            (into < self.types.get(variable.ty).size).then_some((variable, into))
        })
    }

    /// How far into an object its first pointer to another is.
    pub(super) fn pointer_between(&self, from: ObjectId, to: ObjectId) -> Option<u64> {
        let next = self.heap.slot(to);
        let mut found = None;
        self.heap.for_each_pointer(self.types, self.heap.slot(from), |word, value| {
            if found.is_none() && self.heap.slot_holding(value) == Some(next) {
                found = Some(8 * word as u64);
            }
        });
        found
    }

    /// Spells the way to a byte of a value: `.sessions`, `[3].name`.
    pub(super) fn field_path(&self, ty: TypeId, offset: u64) -> String {
        let mut out = String::new();
        let (mut ty, mut offset) = (ty, offset);
        for _ in 0..16 {
            match &self.types.get(ty).shape {
                // What a sync.Map is made of is nobody's business.
                Shape::Struct(_) if &*self.types.get(ty).name == "sync.Map" => break,
                Shape::Struct(fields) => {
                    let Some(field) = fields
                        .iter()
                        .rev()
                        .find(|field| field.offset <= offset && self.types.get(field.ty).size > 0)
                    else {
                        break;
                    };
                    out.push('.');
                    out.push_str(&field.name);
                    offset -= field.offset;
                    ty = field.ty;
                }
                Shape::Array { elem, .. } => {
                    let size = self.types.get(*elem).size;
                    if size == 0 {
                        break;
                    }
                    out.push_str(&format!("[{}]", offset / size));
                    offset %= size;
                    ty = *elem;
                }
                _ => break,
            }
        }
        out
    }
}
