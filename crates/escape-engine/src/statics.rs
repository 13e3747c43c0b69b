//! What a variable is known to hold: the value that it was declared with, if nothing else is ever assigned
//! to it.
//!
//! For each declared function, with its closures, all assignments are looked at once. A variable whose
//! address is taken may be assigned through it, and counts as reassigned. The rules are those of
//! `cmd/compile/internal/ir/reassignment.go`.

use hashbrown::{HashMap, HashSet};

use crate::ir::{Class, FuncId, NodeId, Op, Program, VarId};

/// Variables of one declared function and its closures.
#[derive(Debug, Default)]
pub(crate) struct Statics {
    reassigned: HashSet<VarId>,
    /// Plain assignments to variables that have no other.
    assigned: HashMap<VarId, Vec<NodeId>>,
    /// Variables that are assigned in other ways too.
    otherwise: HashSet<VarId>,
}

impl Statics {
    pub(crate) fn of(program: &Program, function: FuncId) -> Self {
        let mut statics = Self::default();
        program.visit_deep(function, &mut |id, node| match &node.op {
            Op::Assign { to: Some(to), from, .. } => {
                let Some(var) = program.outer_name(*to) else { return };
                if program.var(var).definition != Some(id) && from.is_some() {
                    statics.reassigned.insert(var);
                }
                if let Some(from) = from {
                    statics.assigned.entry(var).or_default().push(*from);
                }
            }
            Op::Combine { to, .. } => {
                let var = program.outer_name(*to);
                statics.reassigned.extend(var);
                statics.otherwise.extend(var);
            }
            Op::AssignList { to, .. } | Op::AssignCall { to, .. } => {
                for to in to.iter() {
                    let Some(var) = program.outer_name(*to) else { continue };
                    if program.var(var).definition != Some(id) {
                        statics.reassigned.insert(var);
                    }
                    statics.otherwise.insert(var);
                }
            }
            Op::Range { key, value, .. } => {
                for to in key.iter().chain(value) {
                    let var = program.outer_name(*to);
                    statics.reassigned.extend(var);
                    statics.otherwise.extend(var);
                }
            }
            _ => {}
        });
        statics
    }

    /// What an expression is, after variables that are set once have been looked through.
    pub(crate) fn value(&self, program: &Program, mut id: NodeId) -> NodeId {
        // Each step goes to a declaration that comes before; the bound is for trees that are not so.
        for _ in 0..1000 {
            match &program.node(id).op {
                Op::ConvertNop(x) => id = *x,
                Op::Name(var) => match self.definition(program, *var) {
                    Some(value) => id = value,
                    None => return id,
                },
                _ => return id,
            }
        }
        id
    }

    fn definition(&self, program: &Program, id: VarId) -> Option<NodeId> {
        let var = program.var(id);
        if var.class != Class::Local || var.is_addressed || self.reassigned.contains(&id) {
            return None;
        }
        match &program.node(var.definition?).op {
            Op::Assign { from, .. } => *from,
            Op::AssignList { to, from, kind: crate::ir::ListKind::Pairs, .. } => {
                let is_it = |to: &NodeId| matches!(program.node(*to).op, Op::Name(it) if it == id);
                from.get(to.iter().position(is_it)?).copied()
            }
            _ => None,
        }
    }

    /// All that a function variable is ever set to; none if it may be set in ways that are not followed.
    pub(crate) fn assigned(&self, program: &Program, id: VarId) -> Option<&[NodeId]> {
        let var = program.var(id);
        if var.class != Class::Local || var.is_addressed || self.otherwise.contains(&id) {
            return None;
        }
        // Declared by something other than an assignment or nothing at all.
        if let Some(definition) = var.definition
            && !matches!(program.node(definition).op, Op::Assign { .. })
        {
            return None;
        }
        self.assigned.get(&id).map(Vec::as_slice)
    }
}
