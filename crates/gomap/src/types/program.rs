//! Named types of a program, by its own descriptors.
//!
//! Names are those that `reflect` prints, `store.Session`: two packages whose paths end alike share
//! them. Types of one name and one layout do no harm; if they differ, no guess is made.

use std::collections::HashMap;

use tophash_goruntime::{Kind, Shape, TypeId, TypeTable};

use super::names::{Definition, TypeNames, last_part};
use super::{GoType, StructField};

/// Types within types.
const MAX_DEPTH: u32 = 50;
/// Types that one consists of.
const MAX_PARTS: u32 = 10_000;

/// The types of a program.
pub struct ProgramTypes<'p> {
    types: &'p TypeTable<'p>,
    by_name: HashMap<&'p str, Vec<TypeId>>,
}

impl<'p> ProgramTypes<'p> {
    /// Indexes a program's types by name.
    pub fn new(types: &'p TypeTable<'p>) -> Self {
        let mut by_name: HashMap<&str, Vec<TypeId>> = HashMap::new();
        for (id, ty) in types.iter() {
            by_name.entry(&ty.name).or_default().push(id);
        }
        Self { types, by_name }
    }

    fn layout(&self, id: TypeId, depth: u32, parts: &mut u32) -> Option<GoType> {
        *parts += 1;
        if depth > MAX_DEPTH || *parts > MAX_PARTS {
            return None;
        }
        let info = self.types.get(id);
        let ty = match &info.shape {
            Shape::Scalar => match info.kind {
                Kind::Float32 | Kind::Float64 => GoType::Float(info.size),
                Kind::Complex64 | Kind::Complex128 => GoType::Complex(info.size),
                _ => GoType::Integer(info.size),
            },
            Shape::String => GoType::String,
            Shape::UnsafePointer | Shape::Pointer(_) | Shape::Chan(_) => GoType::Pointer,
            Shape::Map(_) | Shape::Func => GoType::Reference,
            Shape::Slice(_) => GoType::Slice,
            Shape::Interface { methods } => GoType::Interface { has_methods: *methods > 0 },
            Shape::Array { elem, len } => {
                GoType::Array(*len, self.layout(*elem, depth + 1, parts)?.into())
            }
            Shape::Struct(fields) => GoType::Struct(
                fields
                    .iter()
                    .map(|field| {
                        let ty = self.layout(field.ty, depth + 1, parts)?;
                        Some(StructField { name: (*field.name).into(), ty })
                    })
                    .collect::<Option<_>>()?,
            ),
            Shape::Opaque => return None,
        };
        // What the program says of its size is the test of all the rest.
        (ty.size() == info.size).then_some(ty)
    }
}

impl TypeNames for ProgramTypes<'_> {
    fn find(&self, package: Option<&str>, name: &str) -> Option<Definition> {
        let spelling = format!("{}.{name}", last_part(package.unwrap_or("main")));
        let ids = self.by_name.get(spelling.as_str())?;
        let mut layouts = ids.iter().map(|id| self.layout(*id, 0, &mut 0));
        let Some(first) = layouts.next()? else { return Some(Definition::Opaque) };
        if layouts.any(|other| other.as_ref() != Some(&first)) {
            return Some(Definition::Ambiguous);
        }
        Some(Definition::Type { ty: first, spelling })
    }
}
