//! A package analysed: its verdicts, in the compiler's words.

use std::rc::Rc;

use hashbrown::HashMap;
use tophash_typecheck::{Basic, Checked, Importer, Type, TypeId, Universe};

use crate::bounds;
use crate::build::{self, Built, Surroundings};
use crate::components::components;
use crate::dead_locals;
use crate::devirtualize::devirtualize;
use crate::graph::{ESCAPES, Graph, HEAP, Holds, Hole, LocId, MUTATES, NoteAt};
use crate::ir::{Class, FuncId, Literal, NodeId, Op, Pos, Program};
use crate::leaks::{Leaks, RESULTS};
use crate::lower::{self, Lowered};
use crate::print::Printer;
use crate::solve::{self, Explanation, Functions, Solution};
use crate::statics::Statics;
use crate::types::Types;
use crate::version::{GoVersion, Imports, Rules};

/// One thing that is said of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The file, by its index in the package.
    pub file: usize,
    /// The line, from 1.
    pub line: u32,
    /// The column in bytes, from 1.
    pub column: u32,
    /// What the compiler says with `-m`.
    pub text: String,
    /// What it says before that with `-m=2`: through which assignments the value goes.
    pub flow: Vec<String>,
}

/// A place at which something could not be told, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The file, by its index in the package.
    pub file: usize,
    /// The line, from 1.
    pub line: u32,
    /// The column in bytes, from 1.
    pub column: u32,
    /// What could not be told.
    pub what: String,
}

/// What is known of a package.
#[derive(Debug, Clone, Default)]
pub struct Analysis {
    /// Verdicts, by place.
    pub verdicts: Vec<Verdict>,
    /// What could not be resolved, by place. Verdicts that depend on it are those for values that may go
    /// anywhere.
    pub unresolved: Vec<Unresolved>,
    /// For each function with a name, where its parameters leak to: the receiver's first.
    pub leaks: Vec<(String, Vec<Leaks>)>,
}

/// How a package is analysed.
#[derive(Clone, Copy)]
pub struct Options<'o> {
    /// The release whose rules are followed.
    pub version: GoVersion,
    /// Functions of other packages.
    pub imports: &'o dyn Imports,
    /// Whether it is said of parameters what is written through them and which are called, as
    /// `-d=escapemutationscalls` has it.
    pub mutations_and_calls: bool,
    /// Where generic functions of other packages come from, with their bodies.
    pub bodies: &'o dyn Importer,
}

/// Analyses a package.
pub fn analyze(universe: &Universe, checked: &Checked, options: Options<'_>) -> Analysis {
    let types = Types::new(universe);
    let rules = options.version.rules();
    let Lowered { mut program, unresolved, callees, files } =
        lower::lower(universe, &types, checked, options.imports, options.bodies);
    let callee = |object| callees.callee(universe, object);
    let said = devirtualize(&mut program, universe, &types, &rules, checked.package, &callee);
    let mut run = Run {
        universe,
        types: &types,
        checked,
        files,
        options,
        rules,
        program,
        done: HashMap::new(),
        out: said.into_iter().map(|(at, text)| (at, text, Vec::new())).collect(),
        unknown: unresolved.into_iter().map(|(at, what)| (at, what.to_owned())).collect(),
    };
    run.attach();
    if rules.drops_dead_locals {
        dead_locals::remove(&mut run.program);
    }
    run.all();
    for at in bounds::elided(&run.program, &types) {
        run.out.push((at, "index bounds check elided".to_owned(), Vec::new()));
    }
    run.finish()
}

struct Run<'a> {
    universe: &'a Universe,
    types: &'a Types<'a>,
    checked: &'a Checked,
    /// All files that places name: the package's own first.
    files: Vec<String>,
    options: Options<'a>,
    rules: Rules,
    program: Program,
    done: HashMap<FuncId, Vec<Leaks>>,
    out: Vec<(Pos, String, Vec<String>)>,
    unknown: Vec<(Pos, String)>,
}

impl Run<'_> {
    fn printer(&self) -> Printer<'_> {
        let package = self.checked.package;
        Printer { program: &self.program, universe: self.universe, package }
    }

    /// Decides which closures are analysed with the functions that they stand in.
    fn attach(&mut self) {
        for id in self.program.func_ids() {
            let function = self.program.func(id);
            let in_body = function.parent.is_some_and(|parent| {
                self.program.func(parent).parent.is_some()
                    || &*self.program.func(parent).name != "init"
            });
            let is_attached = function.parent.is_some()
                && (!function.captures.is_empty() || (in_body && !self.rules.frees_bare_closures));
            self.program.func_mut(id).is_attached = is_attached;
        }
    }

    fn all(&mut self) {
        let statics: HashMap<FuncId, Rc<Statics>> = self
            .program
            .func_ids()
            .filter(|id| self.program.func(*id).parent.is_none())
            .map(|id| (id, Rc::new(Statics::of(&self.program, id))))
            .collect();
        for batch in components(&self.program) {
            let mut built = {
                let around = Surroundings {
                    program: &self.program,
                    types: self.types,
                    rules: &self.rules,
                    imports: self.options.imports,
                    done: &self.done,
                    statics: &statics,
                };
                build::build(&around, &batch)
            };
            for id in built.graph.ids() {
                self.see_literals(&built.graph, id, &statics);
                let holds = built.graph.at(id).holds;
                let reason = build::must_be_on_heap(&self.program, self.types, &self.rules, holds);
                if let Some(why) = reason {
                    let at = match holds {
                        Holds::Node(node) => NoteAt::Node(node),
                        Holds::Variable(var) => NoteAt::Variable(var),
                        Holds::Temporary => continue,
                    };
                    let hole = built.graph.note(Hole::of(HEAP).shift(-1), at, why);
                    built.graph.flow(hole, id);
                }
            }
            let solution = {
                let functions =
                    Batch { program: &self.program, variables: &built.variables, batch: &batch };
                solve::solve(&mut built.graph, &functions)
            };
            self.say(&batch, &built, &solution);
        }
    }

    /// Puts constants in the place of variables that are always one.
    fn see_literals(&mut self, graph: &Graph, id: LocId, statics: &HashMap<FuncId, Rc<Statics>>) {
        let location = graph.at(id);
        let (Holds::Node(node), Some(function)) = (location.holds, location.function) else {
            return;
        };
        if !self.rules.sees_literals {
            return;
        }
        let Some(statics) = statics.get(&self.program.outermost(function)) else { return };
        match self.program.node(node).op.clone() {
            Op::MakeSlice { len, cap } => {
                let size = cap.unwrap_or(len);
                let Some(literal) = self.constant_size(statics, size) else { return };
                let typ = self.program.node(size).typ;
                let at = self.program.node(node).at;
                let new = self.literal(literal, typ, at);
                self.program.nodes[node.0 as usize].op = match cap {
                    Some(_) => Op::MakeSlice { len, cap: Some(new) },
                    None => Op::MakeSlice { len: new, cap: None },
                };
            }
            Op::ConvertIface(x) => {
                let inner = self.program.node(x).clone();
                if matches!(inner.op, Op::Literal(_)) || self.types.is_interface(inner.typ) {
                    return;
                }
                let value = statics.value(&self.program, x);
                let Op::Literal(literal) = self.program.node(value).op.clone() else { return };
                if !matches!(&*self.types.under(inner.typ), Type::Basic(_)) {
                    return;
                }
                let literal = self.retyped(literal, self.program.node(value).typ, inner.typ);
                let at = self.program.node(node).at;
                let new = self.literal(literal, inner.typ, at);
                self.program.nodes[node.0 as usize].op = Op::ConvertIface(new);
            }
            _ => {}
        }
    }

    fn constant_size(&self, statics: &Statics, size: NodeId) -> Option<Literal> {
        if matches!(self.program.node(size).op, Op::Literal(_)) {
            return None;
        }
        let value = statics.value(&self.program, size);
        match &self.program.node(value).op {
            Op::Literal(literal) => {
                let text = literal.raw.clone();
                (literal.int? >= 0).then(|| Literal { text, ..literal.clone() })
            }
            Op::Builtin { which: tophash_typecheck::Builtin::Len, args, .. }
                if self.rules.sees_len_of_literal =>
            {
                let inner = statics.value(&self.program, *args.first()?);
                let Op::SliceLit { len, .. } = self.program.node(inner).op else { return None };
                let text: Rc<str> = len.to_string().into();
                Some(Literal {
                    raw: text.clone(),
                    text,
                    int: i64::try_from(len).ok(),
                    length: None,
                })
            }
            _ => None,
        }
    }

    fn retyped(&self, literal: Literal, from: TypeId, to: TypeId) -> Literal {
        if from == to {
            return literal;
        }
        let is_default = matches!(
            &*self.universe.get(to),
            Type::Basic(Basic::Int | Basic::String | Basic::Bool | Basic::Float64)
        );
        let text = match is_default {
            true => literal.raw.clone(),
            false => format!("{}({})", self.printer().typ(to), literal.raw).into(),
        };
        Literal { text, ..literal }
    }

    fn literal(&mut self, literal: Literal, typ: TypeId, at: Pos) -> NodeId {
        let id = NodeId(u32::try_from(self.program.nodes.len()).unwrap_or(u32::MAX));
        self.program.nodes.push(crate::ir::Node {
            op: Op::Literal(literal),
            typ,
            at,
            is_implicit: false,
            init: Rc::from([]),
            spelled: None,
        });
        id
    }

    fn say(&mut self, batch: &[FuncId], built: &Built, solution: &Solution) {
        for (at, name) in &built.unknown_callees {
            self.unknown.push((*at, format!("what {name} does with its arguments")));
        }
        for &(function, statement) in &built.self_assignments {
            let name = self.program.func(function).name.clone();
            let text = self.printer().expr(statement);
            let at = self.program.node(statement).at;
            self.out.push((at, format!("{name} ignoring self-assignment in {text}"), Vec::new()));
        }
        for &id in batch {
            let leaks = self.params(id, built);
            self.done.insert(id, leaks);
        }
        let explained: HashMap<LocId, &Explanation> =
            solution.explanations.iter().map(|said| (said.what, said)).collect();
        for id in built.graph.ids() {
            self.verdict(&built.graph, id, explained.get(&id).copied());
        }
    }

    fn verdict(&mut self, graph: &Graph, id: LocId, why: Option<&Explanation>) {
        let location = graph.at(id);
        let escapes = location.has(ESCAPES);
        let (at, text) = match location.holds {
            Holds::Temporary => return,
            Holds::Variable(var) => {
                if !escapes {
                    return;
                }
                let var = self.program.var(var);
                (var.at, format!("moved to heap: {}", var.name))
            }
            Holds::Node(node) => {
                if let Op::Closure(closure) = self.program.node(node).op
                    && self.program.func(closure).is_wrapper
                {
                    return;
                }
                let what = self.what(node);
                let says = if escapes { "escapes to heap" } else { "does not escape" };
                (self.program.node(node).at, format!("{what} {says}"))
            }
        };
        let flow = match why {
            Some(why) if escapes => self.flow(graph, id, why),
            _ => Vec::new(),
        };
        self.out.push((at, text, flow));
        if let Holds::Node(node) = location.holds
            && !location.has(MUTATES)
            && let Op::ConvertText(x) = self.program.node(node).op
            && self.types.is_string(self.program.node(x).typ)
            && let Some(elem) = self.types.elem(self.program.node(node).typ)
            && self.types.basic(elem) == Some(Basic::Uint8)
        {
            let text = "zero-copy string->[]byte conversion".to_owned();
            self.out.push((at, text, Vec::new()));
        }
    }

    fn what(&self, node: NodeId) -> String {
        match self.program.node(node).op {
            Op::Builtin { which: tophash_typecheck::Builtin::Append, .. } => "append".to_owned(),
            _ => self.printer().expr(node),
        }
    }

    fn flow(&self, graph: &Graph, id: LocId, why: &Explanation) -> Vec<String> {
        let function = graph.at(id).function;
        let name = function.map_or_else(String::new, |id| self.program.func(id).name.to_string());
        let mut lines = vec![format!("{} escapes to heap in {name}:", self.source_of(graph, id))];
        for way in &why.ways {
            let derefs = match way.derefs {
                ..0 => "&".to_owned(),
                derefs => "*".repeat(derefs as usize),
            };
            lines.push(format!(
                "  flow: {} ← {derefs}{}:",
                self.place(graph, way.to),
                self.place(graph, way.from)
            ));
            for note in graph.steps(way.notes) {
                let (text, at) = match note.at {
                    NoteAt::Node(node) => (self.what(node), self.program.node(node).at),
                    NoteAt::Variable(var) => {
                        let var = self.program.var(var);
                        (var.name.to_string(), var.at)
                    }
                };
                let file = self.file_name(at);
                let (line, column) = (at.line, at.column);
                lines.push(format!("    from {text} ({}) at {file}:{line}:{column}", note.why));
            }
        }
        lines
    }

    fn source_of(&self, graph: &Graph, id: LocId) -> String {
        match graph.at(id).holds {
            Holds::Variable(var) => self.program.var(var).name.to_string(),
            Holds::Node(node) => self.what(node),
            Holds::Temporary => String::new(),
        }
    }

    fn place(&self, graph: &Graph, id: LocId) -> String {
        if id == HEAP {
            return "{heap}".to_owned();
        }
        match graph.at(id).holds {
            Holds::Temporary => "{temp}".to_owned(),
            Holds::Variable(var) => self.program.var(var).name.to_string(),
            Holds::Node(node) => format!("{{storage for {}}}", self.what(node)),
        }
    }

    fn file_name(&self, at: Pos) -> String {
        self.files.get(at.file as usize).cloned().unwrap_or_default()
    }

    /// What is said of a function's parameters, and where they leak to.
    fn params(&mut self, id: FuncId, built: &Built) -> Vec<Leaks> {
        let function = self.program.func(id).clone();
        let outermost = self.program.func(self.program.outermost(id));
        let is_said = !function.is_wrapper && !outermost.is_silent;
        let mut all = Vec::new();
        for (index, param) in function.params.iter().enumerate() {
            let name = match &*param.name {
                "" => format!("~p{}", index - usize::from(function.has_receiver && index > 0)),
                name => name.to_owned(),
            };
            let mut said = Vec::new();
            let leaks = self.param(&function, param, &name, built, &mut said);
            if is_said {
                self.out.extend(said.into_iter().map(|text| (param.at, text, Vec::new())));
            }
            all.push(leaks);
        }
        all
    }

    fn param(
        &self,
        function: &crate::ir::Func,
        param: &crate::ir::Param,
        name: &str,
        built: &Built,
        said: &mut Vec<String>,
    ) -> Leaks {
        let is_named = !param.name.is_empty();
        if function.body.is_none() {
            if self.types.is_uintptr(param.typ) {
                said.push(format!("assuming {name} is unsafe uintptr"));
                return Leaks::unknown();
            }
            if !self.types.has_pointers(param.typ) {
                return Leaks::unknown();
            }
            if !function.pragmas.noescape {
                if is_named {
                    said.push(format!("leaking param: {name}"));
                }
                return Leaks::unknown();
            }
            if is_named {
                said.push(format!("{name} does not escape"));
            }
            let mut leaks = Leaks::default();
            leaks.add_mutator(0);
            leaks.add_callee(0);
            return leaks;
        }
        if function.pragmas.uintptr_escapes {
            if self.types.is_uintptr(param.typ) {
                said.push(format!("marking {name} as escaping uintptr"));
                return Leaks::unknown();
            }
            let elem = self.types.elem(param.typ);
            if param.is_variadic && elem.is_some_and(|elem| self.types.is_uintptr(elem)) {
                said.push(format!("marking {name} as escaping ...uintptr"));
                return Leaks::unknown();
            }
        }
        if !self.types.has_pointers(param.typ) {
            return Leaks::unknown();
        }
        let Some(location) = param.variable.and_then(|var| built.variables.get(&var)) else {
            return Leaks::default();
        };
        let location = built.graph.at(*location);
        let mut leaks = location.leaks;
        leaks.optimize();
        if !location.has(ESCAPES) {
            self.leaks(function, name, leaks, said);
        }
        leaks
    }

    fn leaks(&self, function: &crate::ir::Func, name: &str, leaks: Leaks, said: &mut Vec<String>) {
        match leaks.heap() {
            Some(0) => said.push(format!("leaking param: {name}")),
            Some(_) => said.push(format!("leaking param content: {name}")),
            None => {}
        }
        for index in 0..RESULTS {
            let Some(derefs) = leaks.result(index) else { continue };
            let Some(result) = function.results.get(index) else { continue };
            let result = &self.program.var(*result).name;
            said.push(format!("leaking param: {name} to result {result} level={derefs}"));
        }
        if !self.options.mutations_and_calls {
            if said.is_empty() {
                said.push(format!("{name} does not escape"));
            }
            return;
        }
        if let Some(derefs) = leaks.mutator() {
            said.push(format!("mutates param: {name} derefs={derefs}"));
        }
        if let Some(derefs) = leaks.callee() {
            said.push(format!("calls param: {name} derefs={derefs}"));
        }
        if said.is_empty() {
            said.push(format!("{name} does not escape, mutate, or call"));
        }
    }

    fn finish(mut self) -> Analysis {
        self.out.sort_by_key(|(at, ..)| *at);
        self.out.dedup_by(|next, before| next.0 == before.0 && next.1 == before.1);
        // Of generic functions of other packages nothing is said here.
        let own = self.checked.files.len();
        self.out.retain(|(at, ..)| (at.file as usize) < own && at.line > 0);
        self.unknown.retain(|(at, _)| (at.file as usize) < own);
        self.unknown.sort();
        self.unknown.dedup();
        let verdicts = self.out.into_iter().map(|(at, text, flow)| Verdict {
            file: at.file as usize,
            line: at.line,
            column: at.column,
            text,
            flow,
        });
        let unresolved = self.unknown.into_iter().map(|(at, what)| Unresolved {
            file: at.file as usize,
            line: at.line,
            column: at.column,
            what,
        });
        let program = &self.program;
        let leaks = program.func_ids().filter_map(|id| {
            let leaks = self.done.get(&id)?;
            Some((program.func(id).name.to_string(), leaks.clone()))
        });
        Analysis {
            verdicts: verdicts.collect(),
            unresolved: unresolved.collect(),
            leaks: leaks.collect(),
        }
    }
}

/// What the solver asks of the functions of a batch.
struct Batch<'b> {
    program: &'b Program,
    variables: &'b HashMap<crate::ir::VarId, LocId>,
    batch: &'b [FuncId],
}

impl Functions for Batch<'_> {
    fn contains(&self, outer: FuncId, closure: FuncId) -> bool {
        self.program.contains(outer, closure)
    }

    fn closure_results(&self, holds: Holds) -> Option<(FuncId, Vec<LocId>)> {
        let Holds::Node(node) = holds else { return None };
        let Op::Closure(closure) = self.program.node(node).op else { return None };
        if !self.batch.contains(&closure) {
            return None;
        }
        let results = &self.program.func(closure).results;
        debug_assert!(
            results.iter().all(|var| matches!(self.program.var(*var).class, Class::Result(_)))
        );
        let results = results.iter().filter_map(|var| self.variables.get(var).copied());
        Some((closure, results.collect()))
    }
}
