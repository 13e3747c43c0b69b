//! Locations, and the assignments between them.
//!
//! A location is whatever storage one statement or expression brings into being: a variable, a `new`, a
//! literal, the box behind an interface. An edge says that a location is assigned from another, and its
//! weight counts dereferences less address-taking: `p = &q` weighs -1, `p = q` 0, `p = *q` 1. Edges are kept
//! with the location that they lead to, since the solver walks against them.
//!
//! Four locations stand for no storage: the heap, the place of pointers that are written through, that of
//! functions that are called, and the one that discards. A [`Hole`] is where an expression's value goes.
//!
//! The rules are those of `cmd/compile/internal/escape/graph.go` in Go 1.22 to 1.27.

use crate::ir::{FuncId, NodeId, VarId};
use crate::leaks::Leaks;

/// A location's number in its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LocId(pub(crate) u32);

pub(crate) const HEAP: LocId = LocId(0);
pub(crate) const MUTATOR: LocId = LocId(1);
pub(crate) const CALLEE: LocId = LocId(2);
pub(crate) const BLANK: LocId = LocId(3);
/// Locations before those of the program.
pub(crate) const PSEUDO: usize = 4;

/// Must be on the heap.
pub(crate) const ESCAPES: u8 = 1;
/// Outlives the statement that it is made in.
pub(crate) const PERSISTS: u8 = 2;
/// What it points to may be written.
pub(crate) const MUTATES: u8 = 4;
/// A function that it holds may be called with its results lost.
pub(crate) const CALLS: u8 = 8;
const ALL: u8 = ESCAPES | PERSISTS | MUTATES | CALLS;

/// What a location stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing that the source names.
    Temporary,
    Variable(VarId),
    /// What an expression allocates.
    Node(NodeId),
}

/// Storage.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) holds: Holds,
    pub(crate) function: Option<FuncId>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) loop_depth: u32,
    /// Which result it is, counted from one; 0 for all else.
    pub(crate) result: u32,
    pub(crate) is_param: bool,
    pub(crate) attrs: u8,
    pub(crate) leaks: Leaks,
    pub(crate) is_captured: bool,
    pub(crate) is_reassigned: bool,
    pub(crate) is_addressed: bool,

    // The solver's.
    pub(crate) derefs: i32,
    pub(crate) walk: u32,
    pub(crate) to: Option<(LocId, u32)>,
    pub(crate) is_queued: bool,
    pub(crate) queued_in: u32,
}

impl Location {
    pub(crate) fn has(&self, attr: u8) -> bool {
        self.attrs & attr != 0
    }
}

/// An assignment, seen from what is assigned to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) from: LocId,
    pub(crate) derefs: i32,
    pub(crate) notes: Option<NoteId>,
}

/// A step of an explanation, in the batch's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoteId(u32);

/// Why a value goes on: through which expression, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    pub(crate) next: Option<NoteId>,
    pub(crate) at: NoteAt,
    pub(crate) why: &'static str,
}

/// What a step of an explanation is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NoteAt {
    Node(NodeId),
    Variable(VarId),
}

/// Where an expression's value goes: to a location, after so many dereferences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hole {
    pub(crate) to: LocId,
    pub(crate) derefs: i32,
    pub(crate) notes: Option<NoteId>,
    pub(crate) is_address: bool,
}

impl Hole {
    pub(crate) fn of(to: LocId) -> Self {
        Self { to, derefs: 0, notes: None, is_address: false }
    }

    pub(crate) fn shift(mut self, by: i32) -> Self {
        self.derefs = self.derefs.saturating_add(by).max(-1);
        self.is_address = by < 0;
        self
    }
}

/// The graph of one batch: functions that call one another, with their closures.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) locations: Vec<Location>,
    pub(crate) notes: Vec<Note>,
    /// Flows straight to the heap, found while building: what, and how.
    pub(crate) direct: Vec<(LocId, Hole)>,
}

impl Graph {
    pub(crate) fn new() -> Self {
        let mut graph = Self { locations: Vec::new(), notes: Vec::new(), direct: Vec::new() };
        for attrs in [ALL, MUTATES, CALLS, 0] {
            let id = graph.add(Holds::Temporary, None, 0, false);
            graph.at_mut(id).attrs = attrs;
        }
        graph
    }

    pub(crate) fn at(&self, id: LocId) -> &Location {
        &self.locations[id.0 as usize]
    }

    pub(crate) fn at_mut(&mut self, id: LocId) -> &mut Location {
        &mut self.locations[id.0 as usize]
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = LocId> + use<> {
        (PSEUDO..self.locations.len()).map(|index| LocId(index as u32))
    }

    pub(crate) fn add(
        &mut self,
        holds: Holds,
        function: Option<FuncId>,
        loop_depth: u32,
        persists: bool,
    ) -> LocId {
        let id = LocId(u32::try_from(self.locations.len()).unwrap_or(u32::MAX));
        self.locations.push(Location {
            holds,
            function,
            edges: Vec::new(),
            loop_depth,
            result: 0,
            is_param: false,
            attrs: if persists { PERSISTS } else { 0 },
            leaks: Leaks::default(),
            is_captured: false,
            is_reassigned: false,
            is_addressed: false,
            derefs: 0,
            walk: 0,
            to: None,
            is_queued: false,
            queued_in: 0,
        });
        id
    }

    pub(crate) fn note(&mut self, mut hole: Hole, at: NoteAt, why: &'static str) -> Hole {
        let id = NoteId(u32::try_from(self.notes.len()).unwrap_or(u32::MAX));
        self.notes.push(Note { next: hole.notes, at, why });
        hole.notes = Some(id);
        hole
    }

    /// The steps of an edge, first to last.
    pub(crate) fn steps(&self, mut from: Option<NoteId>) -> Vec<Note> {
        let mut steps = Vec::new();
        while let Some(note) = from.and_then(|id| self.notes.get(id.0 as usize)) {
            steps.push(*note);
            from = note.next;
        }
        steps
    }

    /// Lets a location's value flow into a hole.
    pub(crate) fn flow(&mut self, hole: Hole, from: LocId) {
        if hole.is_address {
            self.at_mut(from).is_addressed = true;
        }
        if hole.to == BLANK || (hole.to == from && hole.derefs >= 0) {
            return;
        }
        if self.at(hole.to).has(ESCAPES) && hole.derefs < 0 {
            if !self.at(from).has(ESCAPES) {
                self.direct.push((from, hole));
            }
            self.at_mut(from).attrs |= ALL;
            return;
        }
        let edge = Edge { from, derefs: hole.derefs, notes: hole.notes };
        self.at_mut(hole.to).edges.push(edge);
    }

    /// A hole that flows into each of several.
    pub(crate) fn tee(&mut self, holes: &[Hole], function: FuncId, loop_depth: u32) -> Hole {
        match holes {
            [] => Hole::of(BLANK),
            [one] => *one,
            several => {
                let between = self.add(Holds::Temporary, Some(function), loop_depth, false);
                for hole in several {
                    self.flow(*hole, between);
                }
                Hole::of(between)
            }
        }
    }
}
