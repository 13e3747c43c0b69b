//! What must be on the heap whatever happens to its address: too large, or of a size that is not known.

use crate::graph::Holds;
use crate::ir::{Class, NodeId, Op, Program};
use crate::types::Types;
use crate::version::Rules;

/// Why a location must be on the heap, if it must.
pub(crate) fn must_be_on_heap(
    program: &Program,
    types: &Types<'_>,
    rules: &Rules,
    holds: Holds,
) -> Option<&'static str> {
    match holds {
        Holds::Temporary => None,
        Holds::Variable(var) => {
            let var = program.var(var);
            if var.class != Class::Local {
                return None;
            }
            let size = types.size(var.typ)?;
            (size > rules.largest_variable).then_some("too large for stack")
        }
        Holds::Node(id) => of_node(program, types, rules, id),
    }
}

fn of_node(
    program: &Program,
    types: &Types<'_>,
    rules: &Rules,
    id: NodeId,
) -> Option<&'static str> {
    let node = program.node(id);
    if types.size(node.typ).is_some_and(|size| size > rules.largest_variable) {
        return Some("too large for stack");
    }
    match &node.op {
        Op::New | Op::PtrLit(_) => {
            let size = types.size(types.elem(node.typ)?)?;
            (size > rules.largest_implicit).then_some("too large for stack")
        }
        Op::Closure(closure) => {
            // The record: a word for the code, and what is captured, by value at the most.
            let words = program.func(*closure).captures.len() as u64 + 1;
            (words.saturating_mul(8) > rules.largest_implicit).then_some("too large for stack")
        }
        // The receiver's copy, beside a word for the code.
        Op::MethodValue { x, .. } => {
            let size = types.size(program.node(*x).typ)?;
            (size.saturating_add(8) > rules.largest_implicit).then_some("too large for stack")
        }
        Op::MakeSlice { len, cap } => {
            let elem = types.size(types.elem(node.typ)?)?;
            if elem == 0 && rules.makes_small_unsized {
                return Some("zero-sized element");
            }
            let count = match &program.node(cap.unwrap_or(*len)).op {
                Op::Literal(literal) => literal.int.filter(|int| i32::try_from(*int).is_ok()),
                _ => None,
            };
            match count {
                None if rules.makes_small_unsized => None,
                None => Some("non-constant size"),
                Some(count) => {
                    let most = rules.largest_implicit.checked_div(elem)?;
                    u64::try_from(count)
                        .is_ok_and(|count| count > most)
                        .then_some("too large for stack")
                }
            }
        }
        _ => None,
    }
}
