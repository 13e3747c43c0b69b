//! From functions to the graph of their locations.
//!
//! A batch is a group of functions that call one another, with their closures. Each variable gets a location
//! first; then statements and expressions are followed in the order in which the compiler follows them, which
//! matters where a closure captures a variable that is assigned before. When all is seen, it is decided for
//! each captured variable whether the closure holds its value or its address.
//!
//! The rules are those of `cmd/compile/internal/escape` in Go 1.22 to 1.27.

mod assign;
mod call;
mod expression;
mod reason;
mod self_assignment;
mod statement;

use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use crate::graph::{BLANK, CALLEE, Graph, HEAP, Holds, Hole, LocId, MUTATOR, NoteAt};
use crate::ir::{Class, FuncId, List, NodeId, Op, Pos, Program, VarId};
use crate::leaks::Leaks;
use crate::statics::Statics;
use crate::types::Types;
use crate::version::{Imports, Rules};

pub(crate) use call::escapes_but_strings;
pub(crate) use reason::must_be_on_heap;

/// A captured variable that is larger than this is captured by its address.
const LARGEST_BY_VALUE: u64 = 128;

/// What all batches of a package share.
pub(crate) struct Surroundings<'a> {
    pub(crate) program: &'a Program,
    pub(crate) types: &'a Types<'a>,
    pub(crate) rules: &'a Rules,
    pub(crate) imports: &'a dyn Imports,
    /// Leaks of functions that were analysed before.
    pub(crate) done: &'a HashMap<FuncId, Vec<Leaks>>,
    pub(crate) statics: &'a HashMap<FuncId, Rc<Statics>>,
}

/// The graph of a batch, and what was noticed on the way.
pub(crate) struct Built {
    pub(crate) graph: Graph,
    pub(crate) variables: HashMap<VarId, LocId>,
    /// Statements that assign to a value what it already holds.
    pub(crate) self_assignments: Vec<(FuncId, NodeId)>,
    /// Calls of functions of other packages of which nothing is known.
    pub(crate) unknown_callees: Vec<(Pos, Rc<str>)>,
}

struct Builder<'a> {
    around: &'a Surroundings<'a>,
    batch: HashSet<FuncId>,
    graph: Graph,
    variables: HashMap<VarId, LocId>,
    closures: Vec<(Hole, FuncId)>,
    self_assignments: Vec<(FuncId, NodeId)>,
    unknown_callees: Vec<(Pos, Rc<str>)>,
    function: FuncId,
    loop_depth: u32,
    /// For each label, whether a `goto` after it leads back to it.
    labels: HashMap<Rc<str>, bool>,
}

/// Builds the graph of a batch.
pub(crate) fn build(around: &Surroundings<'_>, batch: &[FuncId]) -> Built {
    let Some(&first) = batch.first() else {
        return Built {
            graph: Graph::new(),
            variables: HashMap::new(),
            self_assignments: Vec::new(),
            unknown_callees: Vec::new(),
        };
    };
    let mut builder = Builder {
        around,
        batch: batch.iter().copied().collect(),
        graph: Graph::new(),
        variables: HashMap::new(),
        closures: Vec::new(),
        self_assignments: Vec::new(),
        unknown_callees: Vec::new(),
        function: first,
        loop_depth: 1,
        labels: HashMap::new(),
    };
    for &id in batch {
        builder.declare_all(id);
    }
    for &id in batch {
        if !around.program.func(id).is_attached {
            builder.follow(id);
        }
    }
    for (hole, closure) in std::mem::take(&mut builder.closures) {
        builder.capture(hole, closure);
    }
    Built {
        graph: builder.graph,
        variables: builder.variables,
        self_assignments: builder.self_assignments,
        unknown_callees: builder.unknown_callees,
    }
}

impl<'a> Builder<'a> {
    fn program(&self) -> &'a Program {
        self.around.program
    }

    fn types(&self) -> &'a Types<'a> {
        self.around.types
    }

    fn declare_all(&mut self, id: FuncId) {
        for &var in &self.program().func(id).variables {
            let location = self.graph.add(Holds::Variable(var), Some(id), 1, true);
            self.variables.insert(var, location);
            match self.program().var(var).class {
                Class::Local => {}
                Class::Param => self.graph.at_mut(location).is_param = true,
                Class::Result(index) => self.graph.at_mut(location).result = index,
            }
        }
    }

    /// Follows a function's body.
    fn follow(&mut self, id: FuncId) {
        let Some(body) = self.program().func(id).body.clone() else { return };
        let labels = looping_labels(self.program(), &body);
        let outer = (self.function, self.loop_depth, std::mem::replace(&mut self.labels, labels));
        (self.function, self.loop_depth) = (id, 1);
        self.block(&body);
        (self.function, self.loop_depth, self.labels) = outer;
    }

    /// Lets captured variables flow into a closure.
    fn capture(&mut self, hole: Hole, closure: FuncId) {
        for &var in &self.program().func(closure).captures {
            let Some(&location) = self.variables.get(&var) else { continue };
            let at = self.graph.at(location);
            let size = self.types().size(self.program().var(var).typ);
            let by_value = !at.is_addressed
                && !at.is_reassigned
                && size.is_none_or(|size| size <= LARGEST_BY_VALUE);
            let mut hole = hole;
            if !by_value {
                hole = self.graph.note(hole.shift(-1), NoteAt::Variable(var), "reference");
            }
            let hole = self.graph.note(hole, NoteAt::Variable(var), "captured by a closure");
            self.graph.flow(hole, location);
        }
    }

    fn location(&self, var: VarId) -> LocId {
        // A variable of a function that is not in the batch would be a fault of the tree: it is taken to be
        // anywhere.
        self.variables.get(&var).copied().unwrap_or(HEAP)
    }

    fn heap(&self) -> Hole {
        Hole::of(HEAP)
    }

    fn mutator(&self) -> Hole {
        Hole::of(MUTATOR)
    }

    fn callee(&self) -> Hole {
        Hole::of(CALLEE)
    }

    fn discarded(&self) -> Hole {
        Hole::of(BLANK)
    }

    fn note(&mut self, hole: Hole, at: NodeId, why: &'static str) -> Hole {
        self.graph.note(hole, NoteAt::Node(at), why)
    }

    fn deref(&mut self, hole: Hole, at: NodeId, why: &'static str) -> Hole {
        self.note(hole.shift(1), at, why)
    }

    fn tee(&mut self, holes: &[Hole]) -> Hole {
        self.graph.tee(holes, self.function, self.loop_depth)
    }

    fn temporary(&mut self, persists: bool) -> LocId {
        self.graph.add(Holds::Temporary, Some(self.function), self.loop_depth, persists)
    }

    /// Storage that an expression allocates: its address flows on, and what is put into it flows to the hole
    /// that is returned.
    fn spill(&mut self, hole: Hole, at: NodeId) -> Hole {
        let location = self.graph.add(Holds::Node(at), Some(self.function), self.loop_depth, false);
        let address = self.note(hole.shift(-1), at, "spill");
        self.graph.flow(address, location);
        Hole::of(location)
    }

    fn is_in_batch(&self, id: FuncId) -> bool {
        self.batch.contains(&id)
    }
}

/// For each label of a body whether a later `goto` leads back to it.
fn looping_labels(program: &Program, body: &List) -> HashMap<Rc<str>, bool> {
    let mut labels = HashMap::new();
    for &statement in body.iter() {
        program.visit(statement, &mut |_, node| match &node.op {
            Op::Label(name) => {
                labels.insert(name.clone(), false);
            }
            Op::Goto(name) => {
                labels.get_mut(name).into_iter().for_each(|loops| *loops = true);
            }
            _ => {}
        });
    }
    labels
}
