//! What is done to each map of a package, over all of its functions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::package::{Function, Package, named};
use crate::model::place::{Place, Root};
use crate::model::ty::{Shape, Ty};
use crate::source_tree::Module;
use crate::walk::facts::{Action, Caller, Facts, Make, Op, Origin};
use crate::walk::takes_request;

/// Maps are followed through this many calls.
const MAX_CALLS: usize = 4;

/// No more operations than these are counted for maps that are handed to functions.
const MAX_COPIES: usize = 200_000;

/// Types are followed this deep into each other.
const MAX_NESTING: usize = 12;

/// How long an object lives, as far as its type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lifetime {
    Unknown,
    /// It has a lock: several goroutines share it.
    Shared,
    /// It serves, or a goroutine runs one of its methods.
    Server,
    /// A variable of the package holds it.
    Process,
}

/// What is done to one map.
#[derive(Debug, Default)]
pub(crate) struct Summary<'a> {
    pub(crate) ops: Vec<Op<'a>>,
}

impl<'a> Summary<'a> {
    /// Insertions; those into maps in the map only where nothing takes entries out of these again.
    pub(crate) fn inserts(&self) -> impl Iterator<Item = &Op<'a>> {
        let are_inner_cleaned = self.takes_away(true);
        self.ops.iter().filter(move |op| {
            matches!(op.action, Action::Insert(_)) && !(op.is_inner && are_inner_cleaned)
        })
    }

    pub(crate) fn has(&self, action: Action) -> bool {
        self.ops.iter().any(|op| op.action == action && !op.is_fresh)
    }

    /// Whether anything takes entries away. What goes from the maps in the map leaves its own there.
    pub(crate) fn is_cleaned(&self) -> bool {
        self.takes_away(false)
    }

    fn takes_away(&self, is_inner: bool) -> bool {
        self.ops.iter().any(|op| {
            matches!(op.action, Action::Delete | Action::Clear | Action::Replace)
                && op.is_inner == is_inner
                && !op.is_fresh
        })
    }
}

/// A package as rules see it.
pub(crate) struct View<'p, 'a> {
    pub(crate) package: &'p Package<'a>,
    pub(crate) facts: &'p Facts<'a>,
    pub(crate) places: BTreeMap<Place<'a>, Summary<'a>>,
    /// Where maps are made, by what they are made for.
    pub(crate) makes: HashMap<&'p Place<'a>, Vec<&'p Make<'a>>>,
    lifetimes: HashMap<&'a str, Lifetime>,
    /// Functions that only run while the program starts.
    startup: BTreeSet<usize>,
    /// Functions that only run then, or while an object is made.
    setup: BTreeSet<usize>,
    /// The package deals with connections, requests or contexts.
    pub(crate) serves: bool,
    /// The Go release that the module asks for.
    pub(crate) go: Option<(u32, u32)>,
    /// The package's import path.
    pub(crate) import_path: Option<&'p str>,
    /// The package's folder below that of the `go.mod`.
    pub(crate) folder: Option<&'p str>,
}

impl<'p, 'a> View<'p, 'a> {
    pub(crate) fn new(package: &'p Package<'a>, facts: &'p Facts<'a>, module: &'p Module) -> Self {
        let mut makes: HashMap<_, Vec<_>> = HashMap::new();
        for make in &facts.makes {
            makes.entry(&make.place).or_default().push(make);
        }
        Self {
            package,
            facts,
            places: places(facts),
            makes,
            lifetimes: lifetimes(package, facts),
            startup: closed(package, facts, is_init),
            setup: closed(package, facts, |function| is_init(function) || makes_objects(function)),
            serves: package.imports_any(is_serving),
            go: module.go,
            import_path: module.import_path.as_deref(),
            folder: module.below.as_deref(),
        }
    }

    pub(crate) fn lifetime(&self, ty: &str) -> Lifetime {
        self.lifetimes.get(ty).copied().unwrap_or(Lifetime::Unknown)
    }

    /// Whether an insertion can add a key that was not there, again and again.
    pub(crate) fn is_growth(&self, op: &Op<'a>) -> bool {
        matches!(op.action, Action::Insert(_))
            && !self.package.is_for_tests(op.spot.file)
            && op.origin >= Origin::Plain
            && !op.is_fresh
            && !op.is_once
            // What a handler does, it does with each request, wherever it was made.
            && (op.in_handler || !op.function.is_some_and(|number| match op.place.root {
                Root::Type(_) => self.setup.contains(&number),
                _ => self.startup.contains(&number),
            }))
    }

    /// Whether a limit is kept: the map's length is compared with something.
    pub(crate) fn is_measured(&self, place: &Place<'a>) -> bool {
        self.facts.measured.contains(place)
    }

    pub(crate) fn function_name(&self, op: &Op<'a>) -> Option<&'a str> {
        self.package.functions.get(op.function?).map(|function| function.name())
    }

    /// The type of the map at a place that is a variable or field.
    pub(crate) fn type_of(&self, place: &Place<'a>) -> Ty<'a> {
        let (mut ty, fields) = match (place.root, place.fields.as_slice()) {
            (Root::Global(name), fields) => match self.package.variables.get(name) {
                Some(variable) => match (variable.ty, variable.value) {
                    (Some(ty), _) => (Ty::Written(ty), fields),
                    (None, Some(value)) => (value_type(value), fields),
                    (None, None) => return Ty::Unknown,
                },
                None => return Ty::Unknown,
            },
            (Root::Type(name), [first, rest @ ..]) => match self.package.field(name, first) {
                Some(found) => (found.ty, rest),
                None => return Ty::Unknown,
            },
            (Root::Local { .. }, _) => {
                return self.facts.locals.get(place).cloned().unwrap_or(Ty::Unknown);
            }
            _ => return Ty::Unknown,
        };
        for field in fields {
            let Some(structure) = self.package.structure(&ty) else { return Ty::Unknown };
            let Some(found) = crate::model::package::field_of(structure, field) else {
                return Ty::Unknown;
            };
            ty = found;
        }
        ty
    }
}

fn value_type(value: &tophash_typecheck::ast::Expression) -> Ty<'_> {
    use tophash_typecheck::ast::Expression;
    match value {
        Expression::CompositeLit(literal) => Ty::Written(&literal.typ),
        Expression::Call(call) => match (call.func.as_ref(), call.args.first()) {
            (Expression::Ident(ident), Some(ty)) if ident.name == "make" => Ty::Written(ty),
            (Expression::Ident(ident), Some(ty)) if ident.name == "new" => {
                Ty::pointer_to(Ty::Written(ty))
            }
            _ => Ty::Unknown,
        },
        Expression::Operation(operation) if operation.y.is_none() => {
            Ty::pointer_to(value_type(&operation.x))
        }
        _ => Ty::Unknown,
    }
}

/// Sorts operations by map, with those of functions that a map is handed to.
fn places<'a>(facts: &Facts<'a>) -> BTreeMap<Place<'a>, Summary<'a>> {
    let mut targets: BTreeMap<&Place<'a>, BTreeSet<&Place<'a>>> = BTreeMap::new();
    for link in &facts.links {
        targets.entry(&link.parameter).or_default().insert(&link.argument);
    }
    let mut places: BTreeMap<Place<'a>, Summary<'a>> = BTreeMap::new();
    let mut copies = 0;
    for op in &facts.ops {
        let is_parameter = matches!(op.place.root, Root::Parameter { .. });
        if !is_parameter {
            places.entry(op.place.clone()).or_default().ops.push(op.clone());
            continue;
        }
        if op.action == Action::Replace {
            // The caller's variable keeps its map.
            continue;
        }
        let mut reached = BTreeSet::new();
        let mut next: Vec<&Place<'a>> = vec![&op.place];
        for _ in 0..MAX_CALLS {
            let found: Vec<_> =
                next.iter().filter_map(|place| targets.get(place)).flatten().copied().collect();
            next = found.into_iter().filter(|place| reached.insert(*place)).collect();
        }
        for place in reached {
            if !matches!(place.root, Root::Parameter { .. }) && copies < MAX_COPIES {
                copies += 1;
                let op = Op { place: place.clone(), ..op.clone() };
                places.entry(place.clone()).or_default().ops.push(op);
            }
        }
    }
    places
}

/// Whether a package of this path is imported by what serves.
fn is_serving(path: &str) -> bool {
    matches!(path, "net" | "net/http" | "net/netip" | "net/rpc" | "net/textproto" | "context")
        || ["grpc", "websocket", "fasthttp", "gin-gonic", "fiber", "echo", "quic"]
            .iter()
            .any(|part| path.contains(part))
}

fn is_init(function: &Function<'_>) -> bool {
    function.receiver.is_none() && function.name() == "init"
}

/// Whether a function makes objects, by its name: `newsletter` does not if it is given a request.
fn makes_objects(function: &Function<'_>) -> bool {
    let name = function.name();
    function.receiver.is_none()
        && (name.starts_with("New") || name.starts_with("new"))
        && !takes_request(&function.decl.typ)
}

/// Finds the functions that such functions and values of variables alone call, and these themselves.
fn closed(
    package: &Package<'_>,
    facts: &Facts<'_>,
    is_first: impl Fn(&Function<'_>) -> bool,
) -> BTreeSet<usize> {
    let functions = package.functions.iter().enumerate();
    let first: Vec<usize> =
        functions.filter(|(_, function)| is_first(function)).map(|(number, _)| number).collect();
    // By function, those that it calls, and how many of their callers are not known to be within.
    let mut called: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut open: HashMap<usize, usize> = HashMap::new();
    let mut within: BTreeSet<usize> = first.iter().copied().collect();
    let mut next = first;
    for (&number, callers) in &facts.callers {
        let is_exported = package
            .functions
            .get(number)
            .is_some_and(|function| function.name().starts_with(char::is_uppercase));
        if is_exported || callers.contains(&Caller::Anything) {
            continue;
        }
        let mut count = 0_usize;
        for caller in callers {
            if let Caller::Function(caller) = caller {
                called.entry(*caller).or_default().push(number);
                count += 1;
            }
        }
        match count {
            0 if within.insert(number) => next.push(number),
            count => {
                open.insert(number, count);
            }
        }
    }
    // Calls that lead in a circle add nothing: they stay out until a caller is known to be within.
    while let Some(caller) = next.pop() {
        for &number in called.get(&caller).into_iter().flatten() {
            let Some(count) = open.get_mut(&number) else { continue };
            *count = count.saturating_sub(1);
            if *count == 0 && within.insert(number) {
                next.push(number);
            }
        }
    }
    within
}

/// Methods of what serves until the program ends.
const SERVING: [&str; 9] = [
    "ServeHTTP",
    "Serve",
    "ListenAndServe",
    "ListenAndServeTLS",
    "Listen",
    "Accept",
    "Shutdown",
    "ServeDNS",
    "ServeConn",
];

fn lifetimes<'a>(package: &Package<'a>, facts: &Facts<'a>) -> HashMap<&'a str, Lifetime> {
    let mut found = HashMap::new();
    for (name, (_, spec)) in &package.types {
        if let Shape::Struct(structure) = Ty::Written(&spec.typ).shape() {
            let is_shared = structure.fields.iter().any(|field| {
                matches!(
                    Ty::Written(&field.typ).shape(),
                    Shape::Foreign("sync", "Mutex" | "RWMutex" | "Map" | "Once")
                )
            });
            if is_shared {
                raise(&mut found, name, Lifetime::Shared);
            }
        }
    }
    for (number, function) in package.functions.iter().enumerate() {
        let Some((_, ty)) = function.receiver else { continue };
        if SERVING.contains(&function.name())
            || facts.launched.contains(&number)
            || takes_request(&function.decl.typ)
        {
            hold(package, &mut found, &Ty::Name(ty), Lifetime::Server, MAX_NESTING);
        }
    }
    for (name, variable) in &package.variables {
        if *name == "_" {
            continue;
        }
        let ty = match (variable.ty, variable.value) {
            (Some(ty), _) => Ty::Written(ty),
            (None, Some(value)) => held_type(package, value),
            (None, None) => continue,
        };
        hold(package, &mut found, &ty, Lifetime::Process, MAX_NESTING);
    }
    found
}

/// The type of a variable's value, also of one that a function of the package makes.
fn held_type<'a>(package: &Package<'a>, value: &'a tophash_typecheck::ast::Expression) -> Ty<'a> {
    use tophash_typecheck::ast::Expression;
    if let Expression::Call(call) = value
        && let Expression::Ident(ident) = call.func.as_ref()
        && let Some(function) =
            package.function(&ident.name).and_then(|at| package.functions.get(at))
        && let Some(first) = function.decl.typ.result.list.first()
    {
        return Ty::Written(&first.typ);
    }
    value_type(value)
}

fn raise<'a>(found: &mut HashMap<&'a str, Lifetime>, name: &'a str, lifetime: Lifetime) -> bool {
    let known = found.entry(name).or_insert(Lifetime::Unknown);
    let is_more = *known < lifetime;
    *known = (*known).max(lifetime);
    is_more
}

/// Notes that objects of a type live that long, and what they hold directly with them.
fn hold<'a>(
    package: &Package<'a>,
    found: &mut HashMap<&'a str, Lifetime>,
    ty: &Ty<'a>,
    lifetime: Lifetime,
    steps: usize,
) {
    let Some(steps) = steps.checked_sub(1) else { return };
    if let Some(name) = named(ty)
        && package.types.contains_key(name)
        && !raise(found, name, lifetime)
    {
        return;
    }
    if let Some(structure) = package.structure(ty) {
        for field in &structure.fields {
            hold(package, found, &Ty::Written(&field.typ), lifetime, steps);
        }
    }
}
