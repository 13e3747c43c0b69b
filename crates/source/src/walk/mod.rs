//! Walks over the bodies of a package's functions, and notes what they do to maps.

mod call;
pub(crate) mod expression;
pub(crate) mod facts;
mod key;
mod statement;
mod value;

use std::cell::Cell;

use tophash_typecheck::ast::{Declaration, Expression, FieldList, FuncDecl, FuncType};

use crate::model::package::Package;
use crate::model::place::{Place, RECEIVER, Root};
use crate::model::ty::{Shape, Ty};
use facts::{Caller, Facts, Spot, Use};

/// What a variable of a function was made of.
#[derive(Clone, Copy)]
enum Source<'a> {
    Parameter,
    Expression(&'a Expression),
    RangeKey(&'a Expression),
    RangeValue(&'a Expression),
    Unknown,
}

/// A variable of a function.
#[derive(Clone)]
struct Binding<'a> {
    name: &'a str,
    ty: Ty<'a>,
    /// The map that it is, or that it is another name for.
    place: Option<Place<'a>>,
    /// It holds an object that was made in this function.
    is_fresh: bool,
    /// It is another name for a map in the map at the place.
    is_inner: bool,
    source: Source<'a>,
    /// How many loops were around its declaration.
    loops: usize,
}

/// A function value around the statement at hand.
struct Frame {
    usage: Use,
    /// Variables from here on are its own.
    variables: usize,
    /// Loops up to here are not.
    loops: usize,
    takes_request: bool,
}

/// A loop around the statement at hand.
struct Loop {
    is_endless: bool,
}

/// Walks over a package.
pub(crate) struct Walker<'p, 'a> {
    package: &'p Package<'a>,
    facts: Facts<'a>,
    file: usize,
    function: Option<usize>,
    variables: Vec<Binding<'a>>,
    frames: Vec<Frame>,
    loops: Vec<Loop>,
    /// Maps that are known to be nil here.
    nil: Vec<Place<'a>>,
    /// Keys that are known to be in a map here.
    present: Vec<(Place<'a>, String)>,
    is_locked: bool,
    collects: bool,
    /// How many more parts of the key at hand are looked at.
    fuel: Cell<usize>,
}

/// Walks over all functions, and the values of variables.
pub(crate) fn walk<'a>(package: &Package<'a>) -> Facts<'a> {
    let mut walker = Walker {
        package,
        facts: Facts::default(),
        file: 0,
        function: None,
        variables: Vec::new(),
        frames: Vec::new(),
        loops: Vec::new(),
        nil: Vec::new(),
        present: Vec::new(),
        is_locked: false,
        collects: false,
        fuel: Cell::new(0),
    };
    let mut number = 0;
    for (file, source) in package.files.iter().enumerate() {
        walker.file = file;
        for declaration in &source.ast.decl {
            match declaration {
                Declaration::Function(decl) => {
                    walker.walk_function(number, decl);
                    number += 1;
                }
                Declaration::Variable(variables) => {
                    walker.function = None;
                    for spec in &variables.specs {
                        for value in &spec.values {
                            walker.visit(value, Use::Kept);
                        }
                        for (name, value) in spec.name.iter().zip(&spec.values) {
                            walker.note_made(Place::new(Root::Global(&name.name)), value);
                        }
                    }
                }
                Declaration::Type(_) | Declaration::Const(_) => {}
            }
        }
    }
    walker.facts
}

impl<'a> Walker<'_, 'a> {
    fn walk_function(&mut self, number: usize, decl: &'a FuncDecl) {
        self.function = Some(number);
        self.variables.clear();
        self.frames.clear();
        self.loops.clear();
        self.nil.clear();
        self.present.clear();
        self.is_locked = decl.name.name.ends_with("Locked");
        self.collects = false;
        if let Some(receiver) = &decl.recv {
            self.declare_parameters(receiver, Some((number, RECEIVER)));
        }
        self.declare_parameters(&decl.typ.params, Some((number, 0)));
        self.declare_parameters(&decl.typ.result, None);
        if let Some(body) = &decl.body {
            let first = self.facts.emptying.len();
            self.block(&body.list);
            for emptying in self.facts.emptying.iter_mut().skip(first) {
                emptying.collects = self.collects;
            }
        }
    }

    /// Declares parameters; those of a function that has a number can be maps of its callers.
    fn declare_parameters(&mut self, list: &'a FieldList, first: Option<(usize, usize)>) {
        let mut index = first.map_or(0, |(_, index)| index);
        for field in &list.list {
            let ty = Ty::Written(&field.typ);
            for name in &field.name {
                let place = first
                    .filter(|_| self.package.map_kind(&ty).is_some())
                    .map(|(function, _)| Place::new(Root::Parameter { function, index }));
                let source = Source::Parameter;
                // A receiver or result that is a value is no object of this function.
                self.declare(&name.name, ty.clone(), place, false, source);
                index = index.saturating_add(1);
            }
            if field.name.is_empty() {
                index = index.saturating_add(1);
            }
        }
    }

    fn declare(
        &mut self,
        name: &'a str,
        ty: Ty<'a>,
        place: Option<Place<'a>>,
        is_fresh: bool,
        source: Source<'a>,
    ) {
        if name == "_" {
            return;
        }
        let loops = self.loops.len();
        let is_inner = false;
        self.variables.push(Binding { name, ty, place, is_fresh, is_inner, source, loops });
    }

    /// Declares another name for a map.
    fn declare_alias(
        &mut self,
        name: &'a str,
        ty: Ty<'a>,
        place: Place<'a>,
        of: (bool, bool),
        source: Source<'a>,
    ) {
        let (is_fresh, is_inner) = of;
        self.declare(name, ty, Some(place), is_fresh, source);
        if name != "_"
            && let Some(variable) = self.variables.last_mut()
        {
            variable.is_inner = is_inner;
        }
    }

    /// Declares a variable of this function that may be a map of its own.
    fn declare_local(
        &mut self,
        name: &'a str,
        at: usize,
        ty: Ty<'a>,
        is_fresh: bool,
        source: Source<'a>,
    ) {
        let place = self.package.map_kind(&ty).map(|_| {
            let place = Place::new(Root::Local { file: self.file, at, name });
            self.facts.locals.entry(place.clone()).or_insert_with(|| ty.clone());
            place
        });
        self.declare(name, ty, place, is_fresh, source);
    }

    fn variable(&self, name: &str) -> Option<(usize, &Binding<'a>)> {
        self.variables.iter().enumerate().rev().find(|(_, variable)| variable.name == name)
    }

    /// Walks over the body of a function value.
    fn walk_closure(
        &mut self,
        ty: &'a FuncType,
        body: &'a [tophash_typecheck::ast::Statement],
        usage: Use,
    ) {
        let variables = self.variables.len();
        let takes_request = takes_request(ty);
        // What is known here need not hold when it is called.
        let (nil, present, is_locked) = match usage {
            Use::Direct => (self.nil.clone(), self.present.clone(), self.is_locked),
            _ => (Vec::new(), Vec::new(), self.is_locked),
        };
        let nil = std::mem::replace(&mut self.nil, nil);
        let present = std::mem::replace(&mut self.present, present);
        let loops = self.loops.len();
        self.frames.push(Frame { usage, variables, loops, takes_request });
        self.declare_parameters(&ty.params, None);
        self.declare_parameters(&ty.result, None);
        self.block(body);
        self.frames.pop();
        self.variables.truncate(variables);
        self.nil = nil;
        self.present = present;
        self.is_locked = is_locked;
    }

    fn spot(&self, at: usize) -> Spot {
        Spot { file: self.file, at }
    }

    /// Notes that a function is called, or used as a value.
    fn note_caller(&mut self, function: usize, is_call: bool) {
        let is_kept = self.frames.iter().any(|frame| frame.usage != Use::Direct);
        let caller = match self.function {
            _ if !is_call || is_kept => Caller::Anything,
            None => Caller::Startup,
            Some(caller) => {
                let declared = self.package.functions.get(caller);
                let is_plain = declared.is_some_and(|function| function.receiver.is_none());
                match declared.map(|function| function.name()) {
                    Some("init") if is_plain => Caller::Startup,
                    Some("main") if is_plain && self.loops.is_empty() => Caller::Startup,
                    _ => Caller::Function(caller),
                }
            }
        };
        self.facts.callers.entry(function).or_default().insert(caller);
    }
}

/// Whether a function is given a request of one of the usual servers.
pub(crate) fn takes_request(ty: &FuncType) -> bool {
    ty.params.list.iter().any(|field| is_request(&Ty::Written(&field.typ)))
}

/// Whether a function is given a request or a connection.
pub(crate) fn takes_what_comes_in(ty: &FuncType) -> bool {
    let mut types = ty.params.list.iter().map(|field| Ty::Written(&field.typ));
    types.any(|ty| is_request(&ty) || is_connection(&ty))
}

/// Whether a type is a connection of the usual packages.
pub(crate) fn is_connection(ty: &Ty<'_>) -> bool {
    let shape = match ty.shape() {
        Shape::Pointer(to) => to.shape(),
        other => other,
    };
    matches!(
        shape,
        Shape::Foreign("net", "Conn" | "TCPConn" | "UDPConn" | "UnixConn")
            | Shape::Foreign("websocket" | "tls", "Conn")
    )
}

/// Whether a type is a request of one of the usual servers, or what they hand to handlers for it.
pub(crate) fn is_request(ty: &Ty<'_>) -> bool {
    let shape = match ty.shape() {
        Shape::Pointer(to) => to.shape(),
        other => other,
    };
    matches!(
        shape,
        Shape::Foreign("http", "Request" | "ResponseWriter")
            | Shape::Foreign("fasthttp", "RequestCtx" | "Request")
            | Shape::Foreign("fiber", "Ctx")
            | Shape::Foreign("gin" | "echo" | "iris" | "macaron", "Context")
            | Shape::Foreign("events", _)
    )
}
