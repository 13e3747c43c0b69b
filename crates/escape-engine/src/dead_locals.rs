//! Variables that are set and never read: what is assigned to them is not computed, if nobody would notice.
//!
//! That holds for names, constants and function literals; a literal that captures something is then not
//! compiled at all. From Go 1.24 on; the rules are those of `cmd/compile/internal/deadlocals`.

use std::rc::Rc;

use hashbrown::HashMap;
use tophash_typecheck::Basic;

use crate::ir::{Class, FuncId, ListKind, Literal, Node, NodeId, Op, Program, VarId};

/// Takes such assignments away.
pub(crate) fn remove(program: &mut Program) {
    for id in program.func_ids() {
        if program.func(id).is_attached {
            continue;
        }
        let mut reader = Reader { program, waiting: HashMap::new() };
        reader.body(id);
        let waiting = reader.waiting;
        for (var, assignments) in waiting {
            let Some(assignments) = assignments else { continue };
            for assignment in &assignments {
                clear(program, assignment);
            }
            if !assignments.is_empty() {
                program.var_mut(var).definition = None;
            }
        }
    }
}

/// One assignment: the statement, and which of its targets.
#[derive(Debug, Clone, Copy)]
struct Assignment {
    statement: NodeId,
    index: usize,
    value: Option<NodeId>,
}

struct Reader<'p> {
    program: &'p Program,
    /// Assignments to variables that were not read so far; none for those that were.
    waiting: HashMap<VarId, Option<Vec<Assignment>>>,
}

impl Reader<'_> {
    fn body(&mut self, id: FuncId) {
        let program = self.program;
        for &statement in program.func(id).body.iter().flat_map(|body| body.iter()) {
            self.node(statement);
        }
    }

    fn node(&mut self, id: NodeId) {
        let program = self.program;
        let node = program.node(id);
        match &node.op {
            Op::Declare(_) => {}
            Op::Name(var) => {
                node.init.iter().for_each(|before| self.node(*before));
                self.read(*var);
            }
            Op::Closure(closure) => {
                node.init.iter().for_each(|before| self.node(*before));
                for &var in &program.func(*closure).captures {
                    self.read(var);
                }
                self.body(*closure);
            }
            Op::Assign { to, from, .. } => {
                let assignment = Assignment { statement: id, index: 0, value: *from };
                self.assign(*to, assignment, false);
            }
            Op::AssignList { to, from, kind: ListKind::Pairs, .. } => {
                let is_blank = |to: &NodeId| matches!(program.node(*to).op, Op::Nil);
                let has_named = !to.iter().all(is_blank);
                for (index, to) in to.iter().enumerate() {
                    let value = from.get(index).copied();
                    let to = Some(*to).filter(|to| !is_blank(to));
                    self.assign(to, Assignment { statement: id, index, value }, has_named);
                }
            }
            _ => {
                node.init.iter().for_each(|before| self.node(*before));
                program.children(id, &mut |child| self.node(child));
            }
        }
    }

    fn read(&mut self, var: VarId) {
        if matches!(self.program.var(var).class, Class::Result(_)) {
            return;
        }
        if let Some(Some(skipped)) = self.waiting.insert(var, None) {
            for assignment in skipped {
                assignment.value.iter().for_each(|value| self.node(*value));
            }
        }
    }

    /// A blank target reads the value, unless there are others that are not blank.
    fn assign(&mut self, to: Option<NodeId>, assignment: Assignment, blank_discards: bool) {
        let var = match to.map(|to| &self.program.node(to).op) {
            Some(Op::Name(var)) => Some(*var),
            Some(_) => {
                to.iter().for_each(|to| self.node(*to));
                assignment.value.iter().for_each(|value| self.node(*value));
                return;
            }
            None => None,
        };
        let is_effect = assignment.value.is_some_and(|value| self.has_effects(value));
        match var {
            Some(var) if !is_effect && !matches!(self.program.var(var).class, Class::Result(_)) => {
                if let Some(waiting) = self.waiting.entry(var).or_insert_with(|| Some(Vec::new())) {
                    waiting.push(assignment);
                    return;
                }
            }
            None if blank_discards && !is_effect => return,
            _ => {}
        }
        assignment.value.iter().for_each(|value| self.node(*value));
    }

    fn has_effects(&self, id: NodeId) -> bool {
        let node = self.program.node(id);
        !node.init.is_empty()
            || !matches!(node.op, Op::Name(_) | Op::Literal(_) | Op::Nil | Op::Closure(_))
            // What the source names beyond functions is a name as well.
            && !matches!(node.op, Op::Global(_) | Op::Function { .. })
    }
}

fn clear(program: &mut Program, assignment: &Assignment) {
    let at = program.node(assignment.statement).at;
    let mut add = |op: Op| {
        let id = NodeId(u32::try_from(program.nodes.len()).unwrap_or(u32::MAX));
        program.nodes.push(Node {
            op,
            typ: Basic::Int.id(),
            at,
            is_implicit: false,
            init: Rc::from([]),
            spelled: None,
        });
        id
    };
    let text: Rc<str> = "0".into();
    let zero = add(Op::Literal(Literal { raw: text.clone(), text, int: Some(0), length: None }));
    let blank = add(Op::Nil);
    let node = &mut program.nodes[assignment.statement.0 as usize];
    match &mut node.op {
        Op::Assign { to, from, .. } => {
            *to = None;
            *from = Some(zero);
        }
        Op::AssignList { to, from, .. } => {
            let put = |list: &Rc<[NodeId]>, new: NodeId| -> Rc<[NodeId]> {
                let with = |(index, old): (usize, &NodeId)| {
                    if index == assignment.index { new } else { *old }
                };
                list.iter().enumerate().map(with).collect()
            };
            *to = put(to, blank);
            *from = put(from, zero);
        }
        _ => {}
    }
}
