//! What the pointers of a value point to, flattened: one list of (offset, pointee) a type.
//!
//! The collector's masks say *where* the pointers of an object are; these lists say *what* each of
//! them leads to, so that one pass over the heap can hand types from owner to owned.

use super::{Shape, StructField, TypeId, TypeTable};

/// What a pointer word of a value leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pointee {
    /// One value of the type.
    Value(TypeId),
    /// The array of a slice; length and capacity stand in the next two words.
    Elements(TypeId),
    /// The bytes of a string; the length stands in the next word.
    Text,
    /// The header of a map of this map type.
    Map(TypeId),
    /// A channel whose elements are of the type.
    Channel(TypeId),
    /// A function value: a code pointer, then what it captured.
    Closure,
    /// Whatever the type word before says (`interface {}`).
    Any,
    /// Whatever the method table before says (interfaces with methods).
    Methods,
    /// The program did not say (`unsafe.Pointer`).
    Unknown,
    /// No pointer: `len` values of the type lie here in a row, too many to write out.
    Repeat {
        /// The element.
        elem: TypeId,
        /// How many.
        len: u64,
    },
}

/// One pointer of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Distance of the pointer word from the value's start, in bytes.
    pub offset: u64,
    /// What it leads to.
    pub pointee: Pointee,
}

/// Arrays up to this length are written out, which keeps lists short and walks without recursion.
const WRITTEN_OUT: u64 = 8;
/// No struct that compiles holds more pointers outside of arrays.
const MAX_EDGES: usize = 1 << 20;
/// Types nest no deeper in programs that compile.
const MAX_DEPTH: u32 = 64;

pub(super) fn edges_of(table: &TypeTable<'_>, ty: TypeId) -> Box<[Edge]> {
    let mut edges = Vec::new();
    collect(table, ty, 0, MAX_DEPTH, &mut edges);
    if table.is_classic_bucket(ty)
        && let Some(last) = edges.last_mut()
        && last.pointee == Pointee::Unknown
        && last.offset + 8 == table.get(ty).size
    {
        // The overflow pointer of a bucket leads to a bucket of the same map.
        last.pointee = Pointee::Value(ty);
    }
    edges.into_boxed_slice()
}

fn collect(table: &TypeTable<'_>, id: TypeId, at: u64, depth: u32, out: &mut Vec<Edge>) {
    let ty = table.get(id);
    if ty.pointer_bytes == 0 || depth == 0 || out.len() >= MAX_EDGES {
        return;
    }
    let pointee = match &ty.shape {
        Shape::Scalar | Shape::Opaque => return,
        Shape::Struct(fields) => {
            let first = out.len();
            for field in fields {
                collect(table, field.ty, at + field.offset, depth - 1, out);
            }
            if &*ty.name == "sync.Pool" {
                type_pool_arrays(table, fields, at, &mut out[first..]);
            }
            // An atomic.Pointer[T] keeps a bare pointer, but it can only be a *T.
            if let [edge] = &mut out[first..]
                && edge.pointee == Pointee::Unknown
                && let Some(target) = atomic_target(table, &ty.name, fields)
            {
                edge.pointee = Pointee::Value(target);
            }
            return;
        }
        Shape::Array { elem, len } => {
            let size = table.get(*elem).size;
            if *len > WRITTEN_OUT {
                out.push(Edge { offset: at, pointee: Pointee::Repeat { elem: *elem, len: *len } });
            } else {
                for index in 0..*len {
                    collect(table, *elem, at + index * size, depth - 1, out);
                }
            }
            return;
        }
        Shape::Interface { methods } => {
            let pointee = if *methods == 0 { Pointee::Any } else { Pointee::Methods };
            out.push(Edge { offset: at + 8, pointee });
            return;
        }
        Shape::String => Pointee::Text,
        Shape::UnsafePointer => Pointee::Unknown,
        Shape::Pointer(elem) => Pointee::Value(*elem),
        Shape::Slice(elem) => Pointee::Elements(*elem),
        Shape::Map(_) => Pointee::Map(id),
        Shape::Chan(elem) => Pointee::Channel(*elem),
        Shape::Func => Pointee::Closure,
    };
    out.push(Edge { offset: at, pointee });
}

/// A pool keeps bare pointers to arrays, but these are of a part for each processor (`sync/pool.go`).
fn type_pool_arrays(table: &TypeTable<'_>, fields: &[StructField], at: u64, edges: &mut [Edge]) {
    let Some(local) = table.by_name("sync.poolLocal") else { return };
    for field in fields.iter().filter(|field| ["local", "victim"].contains(&&*field.name)) {
        let of_field = edges.iter_mut().find(|edge| edge.offset == at + field.offset);
        if let Some(edge) = of_field.filter(|edge| edge.pointee == Pointee::Unknown) {
            edge.pointee = Pointee::Value(local);
        }
    }
}

/// Returns the `T` of an `atomic.Pointer[T]`: from Go 1.20 a field of no size mentions it, before
/// that only the type's name does.
fn atomic_target(table: &TypeTable<'_>, name: &str, fields: &[StructField]) -> Option<TypeId> {
    let argument = name.strip_prefix("atomic.Pointer[")?.strip_suffix(']')?;
    let mentioned = fields.iter().find_map(|field| match &table.get(field.ty).shape {
        Shape::Array { elem, len: 0 } => match &table.get(*elem).shape {
            Shape::Pointer(target) => Some(*target),
            _ => None,
        },
        _ => None,
    });
    mentioned.or_else(|| table.by_name(argument.rsplit('/').next()?))
}
