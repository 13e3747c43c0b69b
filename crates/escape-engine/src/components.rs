//! Functions in the order in which they are analysed: callees before callers, and those that call one
//! another together.
//!
//! These are the strongly connected components of the graph of calls, by Tarjan's algorithm ("Depth-first
//! search and linear graph algorithms", 1972). A closure that captures something belongs to
//! the function in which it is written. The
//! walk keeps its own stack, so a long chain of calls costs memory and no stack frames.

use crate::ir::{Callee, FuncId, Op, Program};

/// Groups the functions of a program: each group calls only functions in it or in groups before it.
pub(crate) fn components(program: &Program) -> Vec<Vec<FuncId>> {
    let count = program.functions.len();
    let mut state = Tarjan {
        edges: (0..count).map(|index| mentions(program, FuncId(index as u32))).collect(),
        index: vec![0; count],
        low: vec![0; count],
        on_stack: vec![false; count],
        stack: Vec::new(),
        next: 1,
        groups: Vec::new(),
    };
    for id in program.func_ids() {
        if !program.func(id).is_attached && state.index[id.0 as usize] == 0 {
            state.visit(id.0 as usize);
        }
    }
    state.groups
}

/// Functions that a function's body names, its closures among them; of an attached closure, also the function
/// around it, which keeps both in one group.
fn mentions(program: &Program, id: FuncId) -> Vec<usize> {
    let mut found = Vec::new();
    let function = program.func(id);
    if let (true, Some(parent)) = (function.is_attached, function.parent) {
        found.push(parent.0 as usize);
    }
    let Some(body) = &function.body else { return found };
    for &statement in body.iter() {
        program.visit(statement, &mut |_, node| match &node.op {
            Op::Function { callee: Callee::Local(id), .. }
            | Op::MethodExpr { callee: Some(Callee::Local(id)), .. }
            | Op::MethodValue { callee: Some(Callee::Local(id)), .. }
            | Op::Closure(id) => found.push(id.0 as usize),
            _ => {}
        });
    }
    found
}

struct Tarjan {
    edges: Vec<Vec<usize>>,
    index: Vec<u32>,
    low: Vec<u32>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: u32,
    groups: Vec<Vec<FuncId>>,
}

impl Tarjan {
    fn enter(&mut self, at: usize) {
        self.index[at] = self.next;
        self.low[at] = self.next;
        self.next += 1;
        self.stack.push(at);
        self.on_stack[at] = true;
    }

    fn visit(&mut self, root: usize) {
        self.enter(root);
        let mut path = vec![(root, 0_usize)];
        while let Some((at, edge)) = path.last_mut() {
            let at = *at;
            if let Some(&to) = self.edges[at].get(*edge) {
                *edge += 1;
                if self.index[to] == 0 {
                    self.enter(to);
                    path.push((to, 0));
                } else if self.on_stack[to] {
                    self.low[at] = self.low[at].min(self.index[to]);
                }
                continue;
            }
            path.pop();
            if let Some(&(above, _)) = path.last() {
                self.low[above] = self.low[above].min(self.low[at]);
            }
            if self.low[at] == self.index[at] {
                self.close(at);
            }
        }
    }

    fn close(&mut self, root: usize) {
        let mut group = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack[member] = false;
            group.push(FuncId(member as u32));
            if member == root {
                break;
            }
        }
        group.reverse();
        self.groups.push(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(edges: &[&[usize]]) -> Vec<Vec<u32>> {
        let mut state = Tarjan {
            edges: edges.iter().map(|to| to.to_vec()).collect(),
            index: vec![0; edges.len()],
            low: vec![0; edges.len()],
            on_stack: vec![false; edges.len()],
            stack: Vec::new(),
            next: 1,
            groups: Vec::new(),
        };
        for at in 0..edges.len() {
            if state.index[at] == 0 {
                state.visit(at);
            }
        }
        let numbers = |group: Vec<FuncId>| group.into_iter().map(|id| id.0).collect();
        state.groups.into_iter().map(numbers).collect()
    }

    #[test]
    fn callees_come_first() {
        assert_eq!(groups(&[&[1, 2], &[2], &[]]), [[2], [1], [0]]);
    }

    #[test]
    fn what_calls_one_another_is_one_group() {
        assert_eq!(groups(&[&[1], &[2], &[1, 3], &[]]), [vec![3], vec![1, 2], vec![0]]);
    }

    #[test]
    fn a_long_chain_of_calls_is_followed() {
        let edges: Vec<Vec<usize>> =
            (0..200_000).map(|at| if at == 199_999 { vec![] } else { vec![at + 1] }).collect();
        let edges: Vec<&[usize]> = edges.iter().map(Vec::as_slice).collect();
        assert_eq!(groups(&edges).len(), 200_000);
    }
}
