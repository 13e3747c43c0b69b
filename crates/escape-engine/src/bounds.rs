//! Indexes into arrays and constant strings that need no check, which the compiler says with `-m` as well.
//!
//! An index is within bounds if its type holds no larger number, or if it is masked, divided, shifted or taken
//! modulo a constant so that it is none. The rules are those of `cmd/compile/internal/walk`.

use hashbrown::HashSet;
use tophash_typecheck::{Builtin, Type};

use crate::ir::{NodeId, Op, Pos, Program};
use crate::types::Types;

/// Places of such indexes.
pub(crate) fn elided(program: &Program, types: &Types<'_>) -> Vec<Pos> {
    let mut places = Vec::new();
    // What is appended as it is has its checks made elsewhere, and nothing said of them.
    let appended: HashSet<NodeId> = program
        .nodes
        .iter()
        .filter_map(|node| match &node.op {
            Op::Builtin { which: Builtin::Append, args, .. } => args.get(1..),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    for function in program.func_ids() {
        let Some(body) = program.func(function).body.clone() else { continue };
        for &statement in body.iter() {
            program.visit(statement, &mut |id, node| {
                if appended.contains(&id) {
                    return;
                }
                let (index, length) = match &node.op {
                    Op::IndexArray(x, index) => match &*types.under(program.node(*x).typ) {
                        Type::Array { length: Some(length), .. } => (*index, *length),
                        _ => return,
                    },
                    Op::Index(x, index) => match &program.node(*x).op {
                        Op::Literal(literal) => match literal.length {
                            Some(length) => (*index, length),
                            None => return,
                        },
                        _ => return,
                    },
                    _ => return,
                };
                let is_constant = matches!(program.node(index).op, Op::Literal(_));
                if !is_constant && is_bounded(program, types, index, length) {
                    places.push(node.at);
                }
            });
        }
    }
    places
}

fn small_constant(program: &Program, id: NodeId) -> Option<i64> {
    match &program.node(id).op {
        Op::Literal(literal) => literal.int.filter(|int| i32::try_from(*int).is_ok()),
        _ => None,
    }
}

fn is_bounded(program: &Program, types: &Types<'_>, index: NodeId, length: u64) -> bool {
    let node = program.node(index);
    let Some(basic) = types.basic(node.typ).filter(|basic| basic.is_integer()) else {
        return false;
    };
    let Some(bytes) = types.size(node.typ) else { return false };
    let is_signed = !basic.is_unsigned();
    let mut bits = bytes.saturating_mul(8);
    let fits = |value: i64| u64::try_from(value).is_ok_and(|value| value < length);
    match node.op {
        Op::Binary(op @ ("&" | "&^"), x, y) => {
            let mask = match (small_constant(program, x), small_constant(program, y)) {
                (Some(mask), _) => Some(mask),
                (None, Some(mask)) if op == "&" => Some(mask),
                (None, Some(mask)) if is_signed || bits >= 64 => Some(!mask),
                (None, Some(mask)) => Some(!mask & ((1 << bits) - 1)),
                (None, None) => None,
            };
            if mask.is_some_and(fits) {
                return true;
            }
        }
        Op::Binary("%", _, y) if !is_signed => {
            let modulus = small_constant(program, y).and_then(|y| u64::try_from(y).ok());
            if modulus.is_some_and(|modulus| modulus <= length) {
                return true;
            }
        }
        Op::Binary("/", _, y) if !is_signed => {
            let mut divisor = small_constant(program, y).unwrap_or(0);
            while bits > 0 && divisor >= 2 {
                bits -= 1;
                divisor >>= 1;
            }
        }
        Op::Binary(">>", _, y) if !is_signed => {
            if let Some(shift) = small_constant(program, y).and_then(|y| u64::try_from(y).ok()) {
                if shift > bits {
                    return length > 0;
                }
                bits -= shift;
            }
        }
        _ => {}
    }
    !is_signed && bits <= 62 && 1_u64 << bits <= length
}
