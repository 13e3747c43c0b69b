//! Assignments.

use crate::graph::Hole;
use crate::ir::{NodeId, Op};
use tophash_typecheck::Type;

use super::Builder;

impl Builder<'_> {
    /// Returns a hole for what is stored where an expression says; none stands for `_`.
    pub(super) fn address(&mut self, id: Option<NodeId>) -> Hole {
        let Some(id) = id else { return self.discarded() };
        let program = self.program();
        let node = program.node(id);
        match &node.op {
            Op::Name(var) => Hole::of(self.location(*var)),
            Op::Dot(x, _) => self.address(Some(*x)),
            Op::IndexArray(x, index) => {
                self.discard(*index);
                self.address(Some(*x))
            }
            Op::Index(x, index) => {
                self.discard(*index);
                self.mutate(*x);
                self.heap()
            }
            Op::Deref(x) | Op::DotPtr(x, _) => {
                self.mutate(*x);
                self.heap()
            }
            Op::IndexMap(x, key) => {
                self.discard(*x);
                self.assign_heap(*key, "key of map put", id);
                self.heap()
            }
            // A conversion of the same representation, as of a generic type.
            Op::ConvertNop(x) => self.address(Some(*x)),
            // `_`.
            Op::Nil => self.discarded(),
            Op::Unresolved(list) => {
                for &part in list.iter() {
                    let heap = self.heap();
                    self.expr(heap, part);
                }
                self.heap()
            }
            _ => self.heap(),
        }
    }

    fn mutate(&mut self, id: NodeId) {
        let hole = self.mutator();
        self.expr(hole, id);
    }

    pub(super) fn assign_heap(&mut self, from: NodeId, why: &'static str, at: NodeId) {
        let heap = self.heap();
        let hole = self.note(heap, at, why);
        self.expr(hole, from);
    }

    pub(super) fn assign_list(
        &mut self,
        to: &[Option<NodeId>],
        from: &[Option<NodeId>],
        why: &'static str,
        at: NodeId,
    ) {
        let holes: Vec<Hole> = to.iter().map(|to| self.address(*to)).collect();
        for (index, hole) in holes.iter().enumerate() {
            let from = from.get(index).copied().flatten();
            let mut hole = *hole;
            if let Some(to) = to.get(index).copied().flatten() {
                if let Some(from) = from
                    && matches!(self.program().node(to).op, Op::DotPtr(..))
                    && self.is_reflect_header(to)
                {
                    let heap = self.heap();
                    let hole = self.note(heap, at, why);
                    self.unsafe_value(hole, from);
                    continue;
                }
                if let Some(from) = from
                    && super::self_assignment::is_self_assignment(self.program(), to, from)
                {
                    self.self_assignments.push((self.function, at));
                    hole = self.discarded();
                }
            }
            let hole = self.note(hole, at, why);
            from.iter().for_each(|from| self.expr(hole, *from));
        }
        self.reassigned(&holes, at);
    }

    /// Notes that variables are assigned, unless the statement is the one that declares them.
    pub(super) fn reassigned(&mut self, holes: &[Hole], at: NodeId) {
        let program = self.program();
        if let Op::Assign { to: Some(to), from: None, .. } = &program.node(at).op
            && let Op::Name(var) = program.node(*to).op
            && program.var(var).definition.is_none()
        {
            return;
        }
        let is_range = matches!(program.node(at).op, Op::Range { .. });
        for hole in holes {
            let location = self.graph.at_mut(hole.to);
            if let crate::graph::Holds::Variable(var) = location.holds
                && program.var(var).definition == Some(at)
                && !is_range
            {
                continue;
            }
            location.is_reassigned = true;
        }
    }

    /// Whether a selector is `p.Data` of a header that package reflect declares.
    pub(super) fn is_reflect_header(&self, id: NodeId) -> bool {
        let program = self.program();
        let (x, name, is_pointer) = match &program.node(id).op {
            Op::Dot(x, name) => (*x, name, false),
            Op::DotPtr(x, name) => (*x, name, true),
            _ => return false,
        };
        if &**name != "Data" || !self.types().is_uintptr(program.node(id).typ) {
            return false;
        }
        let mut typ = program.node(x).typ;
        if is_pointer {
            match self.types().elem(typ) {
                Some(elem) => typ = elem,
                None => return false,
            }
        }
        let universe = self.types().universe;
        let Type::Named { object, .. } = &*universe.get(typ) else { return false };
        let object = universe.object(*object);
        matches!(&*object.name, "SliceHeader" | "StringHeader")
            && &*universe.package_path(object.package) == "reflect"
    }
}
