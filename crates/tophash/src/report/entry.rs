//! Values of the target in Go's syntax, cut to a line, for `--show-entries`.

use tophash_goruntime::{Kind, Program, Shape, TypeId};
use tophash_memory::{Address, ByteSize, MemoryExt};

/// Longest text of a string that is printed, in bytes.
const MAX_TEXT: u64 = 64;
/// Fields and elements printed.
const MAX_PARTS: usize = 8;
/// How deep structs and arrays are opened; pointers are not.
const MAX_DEPTH: u32 = 3;

/// Prints the value of a type at an address.
pub(crate) fn format(program: &Program<'_>, ty: TypeId, at: Address) -> String {
    value(program, ty, at, MAX_DEPTH).unwrap_or_else(|| "(unreadable)".to_owned())
}

fn value(program: &Program<'_>, id: TypeId, at: Address, depth: u32) -> Option<String> {
    let memory = program.memory();
    let ty = program.types().get(id);
    let word = |index: u64| memory.read_u64(at + ByteSize::new(8 * index)).ok();
    Some(match &ty.shape {
        Shape::Scalar => scalar(program, ty.kind, at)?,
        Shape::String => {
            let (data, len) = (Address::new(word(0)?), word(1)?);
            let shown = len.min(MAX_TEXT);
            let bytes = memory.read_bytes(data, ByteSize::new(shown)).ok()?;
            let text = String::from_utf8_lossy(&bytes);
            let rest = if len > shown { format!("… ({len} bytes)") } else { String::new() };
            format!("{text:?}{rest}")
        }
        Shape::Slice(_) => format!("{}(len {}, cap {})", ty.name, word(1)?, word(2)?),
        Shape::Interface { methods } => {
            let _ = methods;
            match word(0)? {
                0 => "nil".to_owned(),
                _ => format!("{}({:#x})", ty.name, word(1)?),
            }
        }
        Shape::Struct(fields) => {
            let depth = depth.checked_sub(1)?;
            let mut parts = Vec::new();
            for field in fields.iter().take(MAX_PARTS) {
                let at = at + ByteSize::new(field.offset);
                let text = value(program, field.ty, at, depth).unwrap_or_else(|| "…".to_owned());
                parts.push(format!("{}: {text}", field.name));
            }
            if fields.len() > MAX_PARTS {
                parts.push("…".to_owned());
            }
            format!("{{{}}}", parts.join(", "))
        }
        Shape::Array { elem, len } => {
            let depth = depth.checked_sub(1)?;
            let size = program.types().get(*elem).size;
            let mut parts = Vec::new();
            for index in 0..(*len).min(MAX_PARTS as u64) {
                parts.push(value(program, *elem, at + ByteSize::new(index * size), depth)?);
            }
            if *len > MAX_PARTS as u64 {
                parts.push("…".to_owned());
            }
            format!("[{}]", parts.join(" "))
        }
        Shape::Opaque => format!("{}(…)", ty.name),
        _ => match word(0)? {
            0 => "nil".to_owned(),
            pointer => format!("({}) {pointer:#x}", ty.name),
        },
    })
}

fn scalar(program: &Program<'_>, kind: Kind, at: Address) -> Option<String> {
    let memory = program.memory();
    let size = kind.fixed_size()?;
    let mut bytes = [0; 16];
    memory.read(at, bytes.get_mut(..size as usize)?).ok()?;
    let [low, high] = [&bytes[..8], &bytes[8..]]
        .map(|half| half.first_chunk().map_or(0, |word| u64::from_le_bytes(*word)));
    // Shifting up and down extends the sign.
    let signed = (low << (64 - 8 * size.min(8)) as u32) as i64 >> (64 - 8 * size.min(8)) as u32;
    Some(match kind {
        Kind::Bool => (low != 0).to_string(),
        Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => signed.to_string(),
        Kind::Float32 => f32::from_bits(low as u32).to_string(),
        Kind::Float64 => f64::from_bits(low).to_string(),
        Kind::Complex64 => {
            format!("({}+{}i)", f32::from_bits(low as u32), f32::from_bits((low >> 32) as u32))
        }
        Kind::Complex128 => format!("({}+{}i)", f64::from_bits(low), f64::from_bits(high)),
        Kind::Uintptr => format!("{low:#x}"),
        _ => low.to_string(),
    })
}
