//! Entries that a function puts in and takes out again, but not on every way out.
//!
//! Only maps are looked at that no other function cleans: what is left there by this function is left for
//! good. The ways through the function are followed statement by statement, with two bits: the entry may
//! be out, and it may be in.

use std::collections::BTreeSet;

use tophash_typecheck::ast::{BlockStmt, Call, Expression, Statement};
use tophash_typecheck::token::{Keyword, Operator};

use super::{Found, exported, finding, is_long_lived_root, position};
use crate::finding::{Evidence, Rule, Severity};
use crate::model::place::Place;
use crate::model::render;
use crate::summary::{Summary, View};
use crate::walk::expression::start;
use crate::walk::facts::{Action, Op, Spot, Use};

/// The entry may be out.
const OUT: u8 = 1;
/// The entry may be in.
const IN: u8 = 2;

pub(super) fn check<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    view.places
        .iter()
        .filter(|(place, _)| is_long_lived_root(place))
        .filter_map(|(place, summary)| Some((place.clone(), one(view, place, summary)?)))
        .collect()
}

fn one<'a>(view: &View<'_, 'a>, place: &Place<'a>, summary: &Summary<'a>) -> Option<Found> {
    if summary.has(Action::Clear) || summary.has(Action::Replace) || summary.has(Action::Escape) {
        return None;
    }
    let growth: Vec<_> = summary.inserts().filter(|op| view.is_growth(op)).collect();
    let deletes: Vec<_> = summary.ops.iter().filter(|op| op.action == Action::Delete).collect();
    let insert = growth.iter().find(|op| {
        deletes.iter().all(|delete| {
            delete.function == op.function
                && delete.captured.is_none_or(|usage| usage == Use::Direct)
                && same_key(op, delete)
        })
    })?;
    if deletes.is_empty() {
        return None;
    }
    let function = view.package.functions.get(insert.function?)?;
    let body = function.decl.body.as_ref()?;
    let spots = |ops: &[&Op<'a>]| ops.iter().map(|op| op.spot.at).collect::<BTreeSet<_>>();
    let mut ways = Ways {
        inserts: spots(
            &growth.iter().filter(|op| op.function == insert.function).copied().collect::<Vec<_>>(),
        ),
        deletes: spots(&deletes),
        deletes_after: false,
        is_deferred: false,
        is_lost: false,
        waits: false,
        last_exit: 0,
        exits: Vec::new(),
        breaks: Vec::new(),
    };
    let end = ways.block(&body.list, OUT);
    if end != 0 {
        ways.last_exit = body.pos.1;
    }
    if end & IN != 0 {
        ways.exits.push(body.pos.1);
    }
    ways.exits.sort_unstable();
    ways.exits.dedup();
    // Where the last way out leaves the entry in, it may be meant to stay: what is deleted on a failure is an
    // entry that turned out wrong. Not so where the function waits for an answer in between.
    let last = ways.exits.last().is_some_and(|exit| *exit >= ways.last_exit);
    if last && !ways.waits {
        return None;
    }
    if ways.is_deferred || ways.is_lost || !ways.deletes_after || ways.exits.is_empty() {
        return None;
    }
    let severity = match exported(place) {
        Some(_) => Severity::Info,
        None => Severity::Warning,
    };
    let message = format!(
        "{} gets an entry in {} that is deleted on some ways out and left on others",
        place.spell(),
        function.spell()
    );
    let mut found = finding(view, Rule::DeleteSkipped, severity, place, &[insert], message);
    for delete in deletes.iter().take(2) {
        let what = "deleted here".to_owned();
        found.evidence.push(Evidence { at: position(view, delete.spot), what });
    }
    for exit in ways.exits.iter().take(3) {
        let what = "left here with the entry still in".to_owned();
        found.evidence.push(Evidence {
            at: position(view, Spot { file: insert.spot.file, at: *exit }),
            what,
        });
    }
    found.absent = "no other function deletes, clears or reassigns it".to_owned();
    found.fix = "defer the delete right behind the insertion".to_owned();
    Some(Found { finding: found, exported: exported(place) })
}

fn same_key(a: &Op<'_>, b: &Op<'_>) -> bool {
    match (a.key, b.key) {
        (Some(first), Some(second)) => {
            render::short(first).is_some_and(|text| render::short(second) == Some(text))
        }
        _ => false,
    }
}

/// The ways through a function.
struct Ways {
    inserts: BTreeSet<usize>,
    deletes: BTreeSet<usize>,
    /// A delete was reached with the entry in.
    deletes_after: bool,
    is_deferred: bool,
    /// There is a jump that is not followed.
    is_lost: bool,
    /// It waits for a channel with the entry in.
    waits: bool,
    /// The last way out.
    last_exit: usize,
    /// Where the function is left with the entry in.
    exits: Vec<usize>,
    /// What holds where loops and switches are broken out of.
    breaks: Vec<u8>,
}

impl Ways {
    /// Returns what holds behind the statements; nothing does if the end is not reached.
    fn block(&mut self, list: &[Statement], mut state: u8) -> u8 {
        for statement in list {
            state = self.statement(statement, state);
        }
        state
    }

    fn statement(&mut self, statement: &Statement, state: u8) -> u8 {
        match statement {
            Statement::Expr(expression) => match is_end(&expression.expr) {
                true => 0,
                false => self.expression(&expression.expr, state),
            },
            Statement::Assign(assignment) => {
                let mut state = state;
                for part in assignment.right.iter().chain(&assignment.left) {
                    state = self.expression(part, state);
                }
                state
            }
            Statement::IncDec(change) => self.expression(&change.expr, state),
            Statement::Return(returned) => {
                let state =
                    returned.ret.iter().fold(state, |state, value| self.expression(value, state));
                if state != 0 {
                    self.last_exit = self.last_exit.max(returned.pos);
                }
                if state & IN != 0 {
                    self.exits.push(returned.pos);
                }
                0
            }
            Statement::Branch(branch) => {
                match branch.key {
                    Keyword::Break | Keyword::Continue if branch.ident.is_none() => {
                        if let Some(outer) = self.breaks.last_mut() {
                            *outer |= state;
                        }
                    }
                    Keyword::FallThrough => return state,
                    _ => self.is_lost = true,
                }
                0
            }
            Statement::Block(block) => self.block(&block.list, state),
            Statement::Label(label) => self.statement(&label.stmt, state),
            Statement::If(condition) => {
                let state = self.optional(condition.init.as_deref(), state);
                let state = self.expression(&condition.cond, state);
                let then = self.block(&condition.body.list, state);
                let otherwise = match &condition.else_ {
                    Some(otherwise) => self.statement(otherwise, state),
                    None => state,
                };
                forget(then, state) | forget(otherwise, state)
            }
            Statement::For(repeated) => {
                let state = self.optional(repeated.init.as_deref(), state);
                let skips = if repeated.cond.is_some() { state } else { 0 };
                self.repeat(&repeated.body, state, skips)
            }
            Statement::Range(range) => {
                let state = self.expression(&range.expr, state);
                self.repeat(&range.body, state, state)
            }
            Statement::Switch(switch) => {
                let state = self.optional(switch.init.as_deref(), state);
                let has_default = switch.block.body.iter().any(|case| case.tok == Keyword::Default);
                let bodies = switch.block.body.iter().map(|case| case.body.as_slice());
                self.choice(bodies, state, !has_default)
            }
            Statement::TypeSwitch(switch) => {
                let state = self.optional(switch.init.as_deref(), state);
                let has_default = switch.block.body.iter().any(|case| case.tok == Keyword::Default);
                let bodies = switch.block.body.iter().map(|case| case.body.as_slice());
                self.choice(bodies, state, !has_default)
            }
            Statement::Select(select) => {
                self.waits |= state & IN != 0;
                self.breaks.push(0);
                let mut after = 0;
                for case in &select.body.body {
                    let state = self.optional(case.comm.as_deref(), state);
                    after |= self.block(&case.body, state);
                }
                after | self.breaks.pop().unwrap_or(0)
            }
            Statement::Defer(deferred) => {
                if self.is_delete(&deferred.call) || self.deletes_within(&deferred.call) {
                    self.is_deferred = true;
                }
                state
            }
            Statement::Go(_)
            | Statement::Send(_)
            | Statement::Declaration(_)
            | Statement::Empty(_) => state,
        }
    }

    fn optional(&mut self, statement: Option<&Statement>, state: u8) -> u8 {
        statement.map_or(state, |statement| self.statement(statement, state))
    }

    /// A loop. Each turn has a key of its own, so what one turn leaves in is not what the next takes out.
    fn repeat(&mut self, body: &BlockStmt, state: u8, skips: u8) -> u8 {
        self.breaks.push(0);
        let again = self.block(&body.list, state);
        let broken = self.breaks.pop().unwrap_or(0);
        match skips {
            0 => broken,
            skips => skips | again | broken,
        }
    }

    fn choice<'s>(
        &mut self,
        bodies: impl Iterator<Item = &'s [Statement]>,
        state: u8,
        may_skip: bool,
    ) -> u8 {
        self.breaks.push(0);
        let mut after = if may_skip { state } else { 0 };
        for body in bodies {
            after |= forget(self.block(body, state), state);
        }
        after | self.breaks.pop().unwrap_or(0)
    }

    /// An expression that is, or begins with, one of the operations.
    fn expression(&mut self, expression: &Expression, state: u8) -> u8 {
        if state == 0 {
            return 0;
        }
        if let Expression::Call(call) = expression
            && self.is_delete(call)
        {
            self.deletes_after |= state & IN != 0;
            return OUT;
        }
        if let Expression::Operation(operation) = expression
            && operation.op == Operator::Arrow
            && operation.y.is_none()
        {
            self.waits |= state & IN != 0;
        }
        match self.inserts.contains(&start(expression)) && is_insertion(expression) {
            true => IN,
            false => state,
        }
    }

    fn is_delete(&self, call: &Call) -> bool {
        let of_argument = call.args.first().is_some_and(|map| self.deletes.contains(&start(map)));
        let is_built_in =
            matches!(call.func.as_ref(), Expression::Ident(ident) if ident.name == "delete");
        let is_method = matches!(call.func.as_ref(), Expression::Selector(selector)
            if matches!(selector.sel.name.as_str(), "Delete" | "LoadAndDelete" | "CompareAndDelete"));
        (is_built_in && of_argument) || (is_method && self.deletes.contains(&start(&call.func)))
    }

    /// Whether a deferred function value has a delete in it.
    fn deletes_within(&self, call: &Call) -> bool {
        let Expression::FuncLit(function) = call.func.as_ref() else { return false };
        let (from, to) = function.body.pos;
        self.deletes.range(from..=to).next().is_some()
    }
}

/// What is put in under a condition may be taken out under the same one: behind it, nothing is known of it.
fn forget(after: u8, before: u8) -> u8 {
    match after & IN != 0 && before & IN == 0 {
        true => OUT,
        false => after,
    }
}

/// Whether an expression can be where an entry is put in: a place, or a call of `sync.Map`.
fn is_insertion(expression: &Expression) -> bool {
    match expression {
        Expression::Index(_) => true,
        Expression::Call(call) => matches!(call.func.as_ref(), Expression::Selector(selector)
            if matches!(selector.sel.name.as_str(), "Store" | "LoadOrStore" | "Swap")),
        _ => false,
    }
}

fn is_end(expression: &Expression) -> bool {
    let Expression::Call(call) = expression else { return false };
    match call.func.as_ref() {
        Expression::Ident(ident) => ident.name == "panic",
        Expression::Selector(selector) => {
            selector.sel.name.starts_with("Fatal") || selector.sel.name == "Exit"
        }
        _ => false,
    }
}
