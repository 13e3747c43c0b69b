//! What the functions of a package do to its maps.

use std::collections::{BTreeMap, BTreeSet};

use tophash_typecheck::ast::Expression;

use crate::model::place::Place;
use crate::model::ty::Ty;

/// Where something stands: a file of the package, and a character of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Spot {
    pub(crate) file: usize,
    pub(crate) at: usize,
}

/// What is done to a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Insert(Stored),
    Delete,
    /// All entries go.
    Clear,
    /// Another map takes its place.
    Replace,
    /// It goes where it is not followed.
    Escape,
}

/// What is stored with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Nil,
    Lock,
    Other,
}

/// Where keys come from: the further down, the more there can be of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Origin {
    /// Literals and constants.
    Constant,
    /// A type with few values.
    Enumeration,
    /// Types of the program.
    Type,
    /// Keys that the map has already.
    Present,
    /// Elements of a variable of the package.
    Table,
    /// Nothing is known.
    Plain,
    Pointer,
    Time,
    Address,
    Connection,
    Request,
}

/// How a function value that does something to a map is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `go func() { … }()`.
    Goroutine,
    /// Returned, stored, or handed to a call: it may be called at any time.
    Kept,
    /// Called where it stands, or deferred.
    Direct,
    /// Handed to something that calls it once in the program's life.
    Once,
}

/// One thing that is done to a map.
#[derive(Debug, Clone)]
pub(crate) struct Op<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) action: Action,
    pub(crate) spot: Spot,
    /// The function, unless it is the value of a variable of the package.
    pub(crate) function: Option<usize>,
    pub(crate) key: Option<&'a Expression>,
    pub(crate) key_ty: Ty<'a>,
    pub(crate) origin: Origin,
    /// The object that has the map was made in the same function.
    pub(crate) is_fresh: bool,
    /// It is done to a map in the map.
    pub(crate) is_inner: bool,
    /// In a loop without a condition, begun after the map was declared.
    pub(crate) in_endless_loop: bool,
    /// A lock was taken before.
    pub(crate) is_locked: bool,
    /// In something that runs once.
    pub(crate) is_once: bool,
    /// The function value around it, if the map is declared outside of that.
    pub(crate) captured: Option<Use>,
    /// That function value takes a request.
    pub(crate) in_handler: bool,
}

/// A map that is handed to a function of the package.
#[derive(Debug, Clone)]
pub(crate) struct Link<'a> {
    pub(crate) parameter: Place<'a>,
    pub(crate) argument: Place<'a>,
}

/// Who calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    /// A value of a variable of the package, `init`, or `main` outside of loops.
    Startup,
    Function(usize),
    /// It is used as a value: anything may call it.
    Anything,
}

/// `time.After` in a loop.
#[derive(Debug, Clone)]
pub(crate) struct TimerInLoop {
    pub(crate) spot: Spot,
    pub(crate) call: String,
    /// It fires after a few seconds at most, as is written there.
    pub(crate) is_short: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) ops: Vec<Op<'a>>,
    pub(crate) links: Vec<Link<'a>>,
    pub(crate) callers: BTreeMap<usize, BTreeSet<Caller>>,
    /// Functions that a `go` statement starts.
    pub(crate) launched: BTreeSet<usize>,
    /// Maps whose length is compared with something.
    pub(crate) measured: BTreeSet<Place<'a>>,
    /// Types of which objects that live on are replaced.
    pub(crate) renewed: BTreeSet<&'a str>,
    /// Names of maps of other packages, or of unknown ones, that are cleaned here.
    pub(crate) cleaned_elsewhere: BTreeSet<&'a str>,
    /// What local maps are declared with.
    pub(crate) locals: BTreeMap<Place<'a>, Ty<'a>>,
    pub(crate) timers: Vec<TimerInLoop>,
    /// Loops that delete what they range over.
    pub(crate) emptying: Vec<Emptying<'a>>,
    /// Functions that ask whether a number is NaN.
    pub(crate) asks_nan: BTreeSet<usize>,
}

/// `for k := range m { delete(m, k) }`, and nothing else in the loop.
#[derive(Debug, Clone)]
pub(crate) struct Emptying<'a> {
    pub(crate) place: Option<Place<'a>>,
    pub(crate) map: String,
    pub(crate) spot: Spot,
    pub(crate) function: Option<usize>,
    /// The collector is asked to run in the same function.
    pub(crate) collects: bool,
}
