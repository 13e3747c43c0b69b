//! Assignments that store nowhere what was not there before: `b.buf = b.buf[n:m]`, `v.x = v.y`.

use crate::ir::{NodeId, Op, Program};

/// Whether an assignment can be left out of account.
pub(crate) fn is_self_assignment(program: &Program, to: NodeId, from: NodeId) -> bool {
    if is_slice_of_itself(program, to, from) {
        return true;
    }
    match (&program.node(to).op, &program.node(from).op) {
        (Op::Dot(x, _), Op::Dot(y, _)) | (Op::DotPtr(x, _), Op::DotPtr(y, _)) => {
            is_same(program, *x, *y)
        }
        (Op::Index(x, i), Op::Index(y, j)) | (Op::IndexArray(x, i), Op::IndexArray(y, j)) => {
            !may_change_memory(program, *i)
                && !may_change_memory(program, *j)
                && is_same(program, *x, *y)
        }
        _ => false,
    }
}

/// What a name's pointer leads to, if an expression is that: `*p` or `p.f`.
fn behind_name(program: &Program, id: NodeId) -> Option<crate::ir::VarId> {
    match &program.node(id).op {
        Op::Deref(x) | Op::DotPtr(x, _) => match program.node(*x).op {
            Op::Name(var) => Some(var),
            _ => None,
        },
        _ => None,
    }
}

fn is_slice_of_itself(program: &Program, to: NodeId, from: NodeId) -> bool {
    let Some(var) = behind_name(program, to) else { return false };
    // An array that is sliced is an address that was not there before; its slice is of an implicit address.
    match &program.node(from).op {
        Op::Slice { x, .. } => behind_name(program, *x) == Some(var),
        _ => false,
    }
}

/// Whether two expressions are the same, and evaluating them changes nothing.
fn is_same(program: &Program, x: NodeId, y: NodeId) -> bool {
    let bare = |mut id: NodeId| {
        while let Op::ConvertNop(x) = program.node(id).op {
            id = x;
        }
        id
    };
    let (x, y) = (bare(x), bare(y));
    if program.node(x).typ != program.node(y).typ {
        return false;
    }
    match (&program.node(x).op, &program.node(y).op) {
        (Op::Name(x), Op::Name(y)) => x == y,
        (Op::Global(x), Op::Global(y)) => x == y,
        (Op::Dot(x, f), Op::Dot(y, g)) | (Op::DotPtr(x, f), Op::DotPtr(y, g)) => {
            f == g && is_same(program, *x, *y)
        }
        (Op::Deref(x), Op::Deref(y)) | (Op::Convert(x), Op::Convert(y)) => is_same(program, *x, *y),
        (Op::Unary(o, x), Op::Unary(p, y)) => o == p && is_same(program, *x, *y),
        (Op::Index(x, i), Op::Index(y, j))
        | (Op::IndexArray(x, i), Op::IndexArray(y, j))
        | (Op::IndexMap(x, i), Op::IndexMap(y, j)) => {
            is_same(program, *x, *y) && is_same(program, *i, *j)
        }
        (Op::Binary(o, a, b), Op::Binary(p, c, d)) => {
            o == p && is_same(program, *a, *c) && is_same(program, *b, *d)
        }
        (Op::Literal(x), Op::Literal(y)) => x == y,
        (Op::Nil, Op::Nil) => true,
        _ => false,
    }
}

fn may_change_memory(program: &Program, id: NodeId) -> bool {
    match &program.node(id).op {
        Op::Name(_) | Op::Global(_) | Op::Literal(_) | Op::Nil => false,
        Op::Binary(_, x, y) | Op::Index(x, y) | Op::IndexArray(x, y) => {
            may_change_memory(program, *x) || may_change_memory(program, *y)
        }
        Op::Convert(x)
        | Op::ConvertNop(x)
        | Op::Unary(_, x)
        | Op::Dot(x, _)
        | Op::DotPtr(x, _)
        | Op::Deref(x) => may_change_memory(program, *x),
        Op::Builtin { which, args, .. } => {
            !matches!(which, tophash_typecheck::Builtin::Len | tophash_typecheck::Builtin::Cap)
                || args.iter().any(|x| may_change_memory(program, *x))
        }
        _ => true,
    }
}
