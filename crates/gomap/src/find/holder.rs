//! What a map is called in the source: the variable or field that leads to it.
//!
//! A path from a root says how a map is reached; of that, source has the last variable or field. Maps in
//! maps count as the outer one, as do cells that hold a variable which a closure captured. Without DWARF,
//! fields have their names still, since the runtime's types do, and variables have none.

use tophash_goruntime::{ObjectId, Shape, TypeId};
use tophash_memory::Address;

use super::path::PathNamer;
use super::walk::ObjectType;

/// The last variable or field that leads to a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapHolder {
    /// A variable of a package, as the linker names it, with the fields of a type without a name:
    /// `main.state.seen`.
    Variable(String),
    /// A field of a named type.
    Field {
        /// The type as `reflect` prints it: `main.Server`.
        of: String,
        /// The field, with those from there on where its type has no name.
        name: String,
    },
    /// A variable of a function.
    Local {
        /// The function or closure, as the linker names it.
        function: String,
        /// The variable; `None` without DWARF.
        name: Option<String>,
    },
}

impl PathNamer<'_> {
    /// Finds what holds the last object of a chain, each of which leads to the next; `None` where
    /// nothing but the root does.
    pub(super) fn holder_in(&self, chain: &[ObjectId]) -> Option<MapHolder> {
        chain.windows(2).rev().find_map(|pair| {
            let &[from, to] = pair else { return None };
            match self.walk.object_type(from)? {
                ObjectType::Whole(ty) => {
                    let offset = self.pointer_between(from, to)?;
                    self.field_holder(ty, offset % self.types.get(ty).size.max(1))
                }
                ObjectType::Closure => self.captured_by(from, to),
                _ => None,
            }
        })
    }

    /// Finds the field of an object in which an address is, as for a `sync.Map`.
    pub fn holder_at(&self, id: ObjectId, at: Address) -> Option<MapHolder> {
        let ObjectType::Whole(ty) = self.walk.object_type(id)? else { return None };
        let start = self.heap.object_start(self.heap.slot(id));
        let into = at.get().checked_sub(start.get())?;
        self.field_holder(ty, into % self.types.get(ty).size.max(1))
    }

    /// The innermost named structure around a byte of a value, and the field from there.
    pub(super) fn field_holder(&self, ty: TypeId, offset: u64) -> Option<MapHolder> {
        let (mut ty, mut offset) = (ty, offset);
        let mut found: Option<(String, String)> = None;
        for _ in 0..16 {
            let info = self.types.get(ty);
            match &info.shape {
                Shape::Struct(_) if &*info.name == "sync.Map" => break,
                Shape::Struct(fields) => {
                    let field = fields.iter().rev().find(|field| {
                        field.offset <= offset && self.types.get(field.ty).size > 0
                    })?;
                    // What the compiler makes of maps is no one's type.
                    if info.name.starts_with("map.") || info.name.starts_with("noalg.") {
                        return None;
                    }
                    if info.name.starts_with("struct {") {
                        if let Some((_, name)) = &mut found {
                            name.push('.');
                            name.push_str(&field.name);
                        }
                    } else {
                        found = Some((info.name.to_string(), field.name.to_string()));
                    }
                    offset -= field.offset;
                    ty = field.ty;
                }
                Shape::Array { elem, .. } => {
                    offset = offset.checked_rem(self.types.get(*elem).size)?;
                    ty = *elem;
                }
                _ => break,
            }
        }
        found.map(|(of, name)| MapHolder::Field { of, name })
    }

    /// Finds what a word among the globals belongs to.
    pub(super) fn global_holder(&self, at: Address, depth: u32) -> Option<MapHolder> {
        if let Some(dwarf) = self.program.dwarf()
            && let Some(global) = dwarf.global_before(at)
        {
            let into = (at - global.address).get();
            if into < self.types.get(global.ty).size {
                return self.field_holder(global.ty, into).or_else(|| {
                    let field = self.field_path(global.ty, into);
                    Some(MapHolder::Variable(format!("{}{field}", global.name)))
                });
            }
        }
        let target = self.walk.static_target(at)?;
        let into = (at - target.range.start()).get();
        let into = into % self.types.get(target.ty).size.max(1);
        self.field_holder(target.ty, into)
            .or_else(|| self.global_holder(target.pointed_from, depth.checked_sub(1)?))
    }

    fn captured_by(&self, closure: ObjectId, to: ObjectId) -> Option<MapHolder> {
        let code = self.code_of(closure)?;
        let function = self.program.functions().find(code)?.name().into_owned();
        let offset = self.pointer_between(closure, to);
        let captured = offset.and_then(|offset| self.captured_at(code, offset));
        if let Some((variable, into)) = captured
            && let Some(field) = self.field_holder(variable.ty, into)
        {
            return Some(field);
        }
        let name = captured.map(|(variable, _)| variable.name.trim_start_matches('&').to_owned());
        Some(MapHolder::Local { function, name })
    }
}
