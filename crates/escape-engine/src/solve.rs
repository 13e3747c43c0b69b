//! The solver: which locations must be on the heap, and where parameters leak to.
//!
//! From each location a walk goes against the edges and finds the least number of dereferences to every
//! other one, in the manner of Bellman and Ford: an edge may weigh -1, but a count below zero is raised to
//! zero before it is carried on, so there is no cycle that makes it ever smaller. Where a count is -1, the
//! location's address is what flows to the walk's root; if the root may live longer, the location escapes.
//! A location that starts to escape, or to persist, is walked from once more; each can happen once, so
//! there are at most three walks from a location and each costs at most locations times edges.
//!
//! The rules are those of `cmd/compile/internal/escape/solve.go` in Go 1.22 to 1.27.

use std::collections::VecDeque;

use hashbrown::HashSet;

use crate::graph::{
    CALLEE, CALLS, ESCAPES, Graph, HEAP, Holds, LocId, MUTATES, MUTATOR, NoteId, PERSISTS,
};
use crate::ir::FuncId;

/// What the solver must know of functions.
pub(crate) trait Functions {
    /// Whether a closure lies somewhere within a function.
    fn contains(&self, outer: FuncId, closure: FuncId) -> bool;
    /// If a location is a closure of this batch: the closure, and its results' locations.
    fn closure_results(&self, holds: Holds) -> Option<(FuncId, Vec<LocId>)>;
}

/// One assignment on the way of an explanation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) to: LocId,
    pub(crate) from: LocId,
    pub(crate) derefs: i32,
    pub(crate) notes: Option<NoteId>,
}

/// Why a location escapes: the assignments from it to what outlives it.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) what: LocId,
    pub(crate) ways: Vec<Way>,
}

/// What the solver found besides the attributes that it left on the locations.
#[derive(Debug, Default)]
pub(crate) struct Solution {
    pub(crate) explanations: Vec<Explanation>,
}

/// Solves a batch.
pub(crate) fn solve(graph: &mut Graph, functions: &dyn Functions) -> Solution {
    let mut solver = Solver {
        graph,
        functions,
        queue: VecDeque::new(),
        lost: HashSet::new(),
        solution: Solution::default(),
        walk: 0,
    };
    for (what, hole) in std::mem::take(&mut solver.graph.direct) {
        let way = Way { to: hole.to, from: what, derefs: hole.derefs, notes: hole.notes };
        solver.solution.explanations.push(Explanation { what, ways: vec![way] });
    }
    solver.run();
    solver.solution
}

struct Solver<'g> {
    graph: &'g mut Graph,
    functions: &'g dyn Functions,
    queue: VecDeque<LocId>,
    /// Closures that are called where their results are not tracked.
    lost: HashSet<FuncId>,
    solution: Solution,
    walk: u32,
}

impl Solver<'_> {
    fn run(&mut self) {
        for id in self.graph.ids() {
            self.queue.push_front(id);
        }
        for id in [MUTATOR, CALLEE, HEAP] {
            self.queue.push_front(id);
        }
        for &id in &self.queue {
            self.graph.at_mut(id).is_queued = true;
        }
        while let Some(root) = self.queue.pop_front() {
            self.graph.at_mut(root).is_queued = false;
            self.walk = self.walk.wrapping_add(1).max(1);
            self.walk_from(root);
        }
    }

    fn enqueue(&mut self, id: LocId) {
        let location = self.graph.at_mut(id);
        if location.is_queued {
            return;
        }
        location.is_queued = true;
        if location.has(ESCAPES) {
            self.queue.push_front(id);
        } else {
            self.queue.push_back(id);
        }
    }

    fn walk_from(&mut self, root: LocId) {
        let walk = self.walk;
        let location = self.graph.at_mut(root);
        location.walk = walk;
        location.derefs = 0;
        location.to = None;
        let holds = location.holds;
        if location.has(CALLS)
            && let Some((closure, results)) = self.functions.closure_results(holds)
            && self.lost.insert(closure)
        {
            for result in results {
                self.enqueue(result);
            }
        }

        let mut open = VecDeque::from([root]);
        while let Some(id) = open.pop_front() {
            self.graph.at_mut(id).queued_in = 0;
            let mut derefs = self.graph.at(id).derefs;
            let mut gained = 0;
            if derefs < 0 {
                derefs = 0;
                if self.outlives(root, id) {
                    if !self.graph.at(id).has(ESCAPES) {
                        self.explain(root, id);
                    }
                    gained |= ESCAPES | PERSISTS | MUTATES | CALLS;
                } else if self.graph.at(root).has(PERSISTS) {
                    gained |= PERSISTS;
                }
            }
            if derefs == 0 {
                gained |= self.graph.at(root).attrs & (MUTATES | CALLS);
            }
            if self.graph.at(id).is_param {
                self.leak(root, id, derefs);
            }
            let location = self.graph.at_mut(id);
            if gained & !location.attrs != 0 {
                location.attrs |= gained;
                let escapes = location.has(ESCAPES);
                self.enqueue(id);
                if escapes {
                    continue;
                }
            }
            for index in 0..self.graph.at(id).edges.len() {
                let edge = self.graph.at(id).edges[index];
                let from = self.graph.at_mut(edge.from);
                if from.has(ESCAPES) {
                    continue;
                }
                let reached = derefs.saturating_add(edge.derefs);
                if from.walk != walk || from.derefs > reached {
                    from.walk = walk;
                    from.derefs = reached;
                    from.to = Some((id, index as u32));
                    if from.queued_in != walk {
                        from.queued_in = walk;
                        open.push_back(edge.from);
                    }
                }
            }
        }
    }

    fn leak(&mut self, root: LocId, id: LocId, derefs: i32) {
        if self.outlives(root, id) {
            let sink = self.graph.at(root);
            let is_result = !sink.has(ESCAPES)
                && sink.result > 0
                && sink.function == self.graph.at(id).function;
            let result = sink.result.saturating_sub(1) as usize;
            let leaks = &mut self.graph.at_mut(id).leaks;
            if !(is_result && leaks.add_result(result, derefs)) {
                leaks.add_heap(derefs);
            }
        }
        let attrs = self.graph.at(root).attrs;
        let leaks = &mut self.graph.at_mut(id).leaks;
        if attrs & MUTATES != 0 {
            leaks.add_mutator(derefs);
        }
        if attrs & CALLS != 0 {
            leaks.add_callee(derefs);
        }
    }

    /// Whether what is stored in one location may be used when another, on the stack, is gone.
    fn outlives(&self, id: LocId, other: LocId) -> bool {
        let (it, that) = (self.graph.at(id), self.graph.at(other));
        if it.has(ESCAPES) {
            return true;
        }
        if id == MUTATOR || id == CALLEE {
            return false;
        }
        let (Some(its), Some(of_that)) = (it.function, that.function) else { return false };
        if it.result > 0 {
            // A closure that is only called where it is seen may return what lies outside it.
            return !self.functions.contains(of_that, its) || self.lost.contains(&its);
        }
        (its == of_that && it.loop_depth < that.loop_depth) || self.functions.contains(its, of_that)
    }

    fn explain(&mut self, root: LocId, what: LocId) {
        let mut ways = Vec::new();
        let mut seen = HashSet::new();
        let mut from = what;
        while from != root && seen.insert(from) {
            let Some((to, index)) = self.graph.at(from).to else { break };
            let Some(edge) = self.graph.at(to).edges.get(index as usize) else { break };
            ways.push(Way { to, from, derefs: edge.derefs, notes: edge.notes });
            from = to;
        }
        self.solution.explanations.push(Explanation { what, ways });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{BLANK, Hole};

    const F: FuncId = FuncId(0);
    const CLOSURE: FuncId = FuncId(1);

    /// A function and a closure in it.
    struct Two;

    impl Functions for Two {
        fn contains(&self, outer: FuncId, closure: FuncId) -> bool {
            outer == F && closure == CLOSURE
        }

        fn closure_results(&self, _: Holds) -> Option<(FuncId, Vec<LocId>)> {
            None
        }
    }

    fn local(graph: &mut Graph, depth: u32) -> LocId {
        graph.add(Holds::Temporary, Some(F), depth, true)
    }

    fn param(graph: &mut Graph) -> LocId {
        let id = local(graph, 1);
        graph.at_mut(id).is_param = true;
        id
    }

    fn result(graph: &mut Graph, index: u32) -> LocId {
        let id = local(graph, 1);
        graph.at_mut(id).result = index;
        id
    }

    fn assign(graph: &mut Graph, to: LocId, derefs: i32, from: LocId) {
        graph.flow(Hole::of(to).shift(derefs), from);
    }

    fn leaks(graph: &Graph, id: LocId) -> String {
        graph.at(id).leaks.to_string()
    }

    #[test]
    fn an_address_that_reaches_the_heap_over_a_variable_escapes() {
        let mut graph = Graph::new();
        let (x, p) = (local(&mut graph, 1), local(&mut graph, 1));
        assign(&mut graph, p, -1, x);
        assign(&mut graph, HEAP, 0, p);
        let solution = solve(&mut graph, &Two);
        assert!(graph.at(x).has(ESCAPES));
        assert!(!graph.at(p).has(ESCAPES));
        assert_eq!(solution.explanations.len(), 1);
        assert_eq!(solution.explanations[0].ways.len(), 2);
    }

    #[test]
    fn what_is_read_through_the_address_does_not_escape_with_it() {
        let mut graph = Graph::new();
        let (x, p) = (local(&mut graph, 1), local(&mut graph, 1));
        assign(&mut graph, p, -1, x);
        assign(&mut graph, HEAP, 1, p);
        solve(&mut graph, &Two);
        assert!(!graph.at(x).has(ESCAPES));
    }

    #[test]
    fn a_variable_outside_the_loop_outlives_one_inside() {
        let mut graph = Graph::new();
        let (outer, inner) = (local(&mut graph, 1), local(&mut graph, 2));
        assign(&mut graph, outer, -1, inner);
        let (twin, other) = (local(&mut graph, 2), local(&mut graph, 2));
        assign(&mut graph, twin, -1, other);
        solve(&mut graph, &Two);
        assert!(graph.at(inner).has(ESCAPES));
        assert!(!graph.at(other).has(ESCAPES));
    }

    #[test]
    fn what_a_closure_makes_does_not_outlive_its_call() {
        let mut graph = Graph::new();
        let outer = local(&mut graph, 1);
        let inner = graph.add(Holds::Temporary, Some(CLOSURE), 1, false);
        assign(&mut graph, outer, -1, inner);
        solve(&mut graph, &Two);
        assert!(graph.at(inner).has(ESCAPES));
    }

    #[test]
    fn a_parameter_leaks_to_the_result_that_it_is_returned_in() {
        let mut graph = Graph::new();
        let (p, q) = (param(&mut graph), param(&mut graph));
        let (first, second) = (result(&mut graph, 1), result(&mut graph, 2));
        assign(&mut graph, first, 0, p);
        assign(&mut graph, second, 2, q);
        solve(&mut graph, &Two);
        assert_eq!(leaks(&graph, p), "r0:0");
        assert_eq!(leaks(&graph, q), "r1:2");
    }

    #[test]
    fn a_sixth_result_counts_as_the_heap() {
        let mut graph = Graph::new();
        let (p, sixth) = (param(&mut graph), result(&mut graph, 6));
        assign(&mut graph, sixth, 1, p);
        solve(&mut graph, &Two);
        assert_eq!(leaks(&graph, p), "h1");
    }

    #[test]
    fn a_returned_address_escapes() {
        let mut graph = Graph::new();
        let (x, out) = (local(&mut graph, 1), result(&mut graph, 1));
        assign(&mut graph, out, -1, x);
        solve(&mut graph, &Two);
        assert!(graph.at(x).has(ESCAPES));
    }

    #[test]
    fn what_is_stored_in_something_that_escapes_leaks() {
        let mut graph = Graph::new();
        let (p, object) = (param(&mut graph), local(&mut graph, 1));
        assign(&mut graph, object, 0, p);
        assign(&mut graph, HEAP, -1, object);
        solve(&mut graph, &Two);
        assert_eq!(leaks(&graph, p), "h0,m0,c0");
    }

    #[test]
    fn a_write_through_a_parameter_is_told_apart_from_a_leak() {
        let mut graph = Graph::new();
        let p = param(&mut graph);
        assign(&mut graph, MUTATOR, 0, p);
        solve(&mut graph, &Two);
        assert_eq!(leaks(&graph, p), "m0");
    }

    #[test]
    fn a_cycle_ends() {
        let mut graph = Graph::new();
        let (p, q) = (local(&mut graph, 1), local(&mut graph, 1));
        assign(&mut graph, p, -1, q);
        assign(&mut graph, q, -1, p);
        assign(&mut graph, p, 1, p);
        assign(&mut graph, p, 0, p);
        solve(&mut graph, &Two);
        assert!(!graph.at(p).has(ESCAPES));
    }

    #[test]
    fn nothing_flows_into_what_discards() {
        let mut graph = Graph::new();
        let x = local(&mut graph, 1);
        assign(&mut graph, BLANK, -1, x);
        solve(&mut graph, &Two);
        assert!(!graph.at(x).has(ESCAPES));
        assert!(graph.at(x).is_addressed);
    }
}
