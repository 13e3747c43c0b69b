//! A package as the compiler sees it when escape analysis begins.
//!
//! The tree is the source's with all that is implicit spelled out: conversions to interfaces, addresses and
//! dereferences of receivers, embedded fields that a selector passes, arguments of variadic calls as slices,
//! calls of `go` and `defer` as closures without parameters. Nodes lie in one arena and are named by number.
//! A node is marked implicit where the compiler does not print it.

use std::rc::Rc;

use tophash_typecheck::{Builtin, TypeId};

/// A node's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// A variable's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VarId(pub(crate) u32);

/// A function's number: a declared one, a literal, or one that stands for a `go` or `defer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FuncId(pub(crate) u32);

/// A place in the source, counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Pos {
    pub(crate) file: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

pub(crate) type List = Rc<[NodeId]>;

/// A function that is known where it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Callee {
    /// Of this package.
    Local(FuncId),
    /// Of another, by the name that the table has: `fmt.Println`, `(*bytes.Buffer).Write`.
    Imported(Rc<str>),
}

/// A constant, as it is printed and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) text: Rc<str>,
    /// Its text without a type around it.
    pub(crate) raw: Rc<str>,
    pub(crate) int: Option<i64>,
    /// Of a string, how many bytes it has.
    pub(crate) length: Option<u64>,
}

/// What a node does.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    // Expressions.
    Literal(Literal),
    Nil,
    Name(VarId),
    /// A variable of a package.
    Global(Rc<str>),
    Function {
        name: Rc<str>,
        callee: Callee,
    },
    /// `T.f`, also as the function of a method call, whose receiver is then its first argument.
    MethodExpr {
        receiver: TypeId,
        name: Rc<str>,
        callee: Option<Callee>,
    },
    Unary(&'static str, NodeId),
    Binary(&'static str, NodeId, NodeId),
    Addr(NodeId),
    /// The address of a literal.
    PtrLit(NodeId),
    Deref(NodeId),
    Dot(NodeId, Rc<str>),
    DotPtr(NodeId, Rc<str>),
    Assert(NodeId),
    /// Of an array, which lies where its elements lie.
    IndexArray(NodeId, NodeId),
    /// Of a slice, string or pointer.
    Index(NodeId, NodeId),
    IndexMap(NodeId, NodeId),
    Slice {
        x: NodeId,
        low: Option<NodeId>,
        high: Option<NodeId>,
        max: Option<NodeId>,
    },
    /// Between numbers, and the like.
    Convert(NodeId),
    /// Between types of one representation.
    ConvertNop(NodeId),
    ConvertIface(NodeId),
    /// Between strings and slices, which allocates.
    ConvertText(NodeId),
    SliceToArray(NodeId),
    SliceToArrayPtr(NodeId),
    Receive(NodeId),
    Call {
        function: NodeId,
        args: List,
        spread: bool,
    },
    CallInterface {
        x: NodeId,
        name: Rc<str>,
        args: List,
        spread: bool,
    },
    Builtin {
        which: Builtin,
        args: List,
        spread: bool,
    },
    New,
    MakeSlice {
        len: NodeId,
        cap: Option<NodeId>,
    },
    MakeChan(Option<NodeId>),
    MakeMap(Option<NodeId>),
    MethodValue {
        x: NodeId,
        name: Rc<str>,
        callee: Option<Callee>,
        results: usize,
    },
    ArrayLit(List),
    SliceLit {
        values: List,
        len: u64,
    },
    StructLit(List),
    MapLit(Rc<[(NodeId, NodeId)]>),
    Closure(FuncId),
    Concat(List),
    /// What could not be resolved: what its parts are used for is not known.
    Unresolved(List),

    // Statements.
    Declare(VarId),
    Assign {
        to: Option<NodeId>,
        from: Option<NodeId>,
        defines: bool,
    },
    /// `x op= y`, `x++`.
    Combine {
        to: NodeId,
        op: &'static str,
        from: NodeId,
        is_step: bool,
    },
    AssignList {
        to: List,
        from: List,
        kind: ListKind,
        defines: bool,
    },
    AssignCall {
        to: List,
        call: NodeId,
        defines: bool,
    },
    Branch,
    Goto(Rc<str>),
    Label(Rc<str>),
    If {
        cond: NodeId,
        then: List,
        otherwise: List,
    },
    For {
        cond: Option<NodeId>,
        post: Option<NodeId>,
        body: List,
    },
    Range {
        key: Option<NodeId>,
        value: Option<NodeId>,
        x: NodeId,
        body: List,
    },
    Switch {
        tag: Option<NodeId>,
        cases: Rc<[Case]>,
    },
    TypeSwitch {
        x: NodeId,
        has_name: bool,
        cases: Rc<[Case]>,
    },
    Select(Rc<[Case]>),
    Send {
        channel: NodeId,
        value: NodeId,
    },
    Return(List),
    Go(NodeId),
    Defer(NodeId),
}

/// How several values are assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Pairs,
    Assertion,
    MapRead,
    Receive,
}

/// A clause of a switch or select.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Values or types; of a select, its communication.
    pub(crate) list: List,
    /// The variable that a type switch declares in it.
    pub(crate) variable: Option<VarId>,
    pub(crate) body: List,
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) typ: TypeId,
    pub(crate) at: Pos,
    /// The compiler put it in, and does not print it.
    pub(crate) is_implicit: bool,
    /// Statements that are done before.
    pub(crate) init: List,
    /// Its type as the source spells it: the compiler tells `byte` from `uint8` when it prints.
    pub(crate) spelled: Option<Rc<str>>,
}

/// What sort of variable it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Local,
    Param,
    /// A result, counted from one.
    Result(u32),
}

/// A variable of a function.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    pub(crate) name: Rc<str>,
    pub(crate) at: Pos,
    pub(crate) typ: TypeId,
    pub(crate) class: Class,
    pub(crate) function: FuncId,
    /// The statement that declares and sets it.
    pub(crate) definition: Option<NodeId>,
    pub(crate) is_addressed: bool,
}

/// A parameter: its variable, unless it is blank or has no name.
#[derive(Debug, Clone)]
pub(crate) struct Param {
    pub(crate) variable: Option<VarId>,
    pub(crate) name: Rc<str>,
    pub(crate) at: Pos,
    pub(crate) typ: TypeId,
    /// `...T`.
    pub(crate) is_variadic: bool,
}

/// Directives of a declaration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pragmas {
    pub(crate) noescape: bool,
    pub(crate) uintptr_escapes: bool,
    pub(crate) uintptr_keepalive: bool,
}

/// A function.
#[derive(Debug, Clone)]
pub(crate) struct Func {
    pub(crate) name: Rc<str>,
    pub(crate) parent: Option<FuncId>,
    /// The receiver first.
    pub(crate) params: Vec<Param>,
    pub(crate) has_receiver: bool,
    pub(crate) results: Vec<VarId>,
    /// All variables, parameters and results included.
    pub(crate) variables: Vec<VarId>,
    /// Variables of functions around it, that it uses.
    pub(crate) captures: Vec<VarId>,
    /// None for those that are written in assembly.
    pub(crate) body: Option<List>,
    pub(crate) pragmas: Pragmas,
    /// It stands for a `go` or `defer`, and nothing is said of it.
    pub(crate) is_wrapper: bool,
    /// The compiler analyses it, but not under its own name: it is generic.
    pub(crate) is_silent: bool,
    /// A literal that is analysed with the function that it stands in.
    pub(crate) is_attached: bool,
}

/// A package.
#[derive(Debug, Default)]
pub(crate) struct Program {
    pub(crate) nodes: Vec<Node>,
    pub(crate) variables: Vec<Var>,
    pub(crate) functions: Vec<Func>,
}

impl Program {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn var(&self, id: VarId) -> &Var {
        &self.variables[id.0 as usize]
    }

    pub(crate) fn var_mut(&mut self, id: VarId) -> &mut Var {
        &mut self.variables[id.0 as usize]
    }

    pub(crate) fn func(&self, id: FuncId) -> &Func {
        &self.functions[id.0 as usize]
    }

    pub(crate) fn func_mut(&mut self, id: FuncId) -> &mut Func {
        &mut self.functions[id.0 as usize]
    }

    pub(crate) fn func_ids(&self) -> impl Iterator<Item = FuncId> + use<> {
        (0..self.functions.len()).map(|index| FuncId(index as u32))
    }

    /// Whether a closure lies within a function, at any depth.
    pub(crate) fn contains(&self, outer: FuncId, closure: FuncId) -> bool {
        let mut at = self.func(closure).parent;
        while let Some(parent) = at {
            if parent == outer {
                return true;
            }
            at = self.func(parent).parent;
        }
        false
    }

    /// The declared function in which a closure lies.
    pub(crate) fn outermost(&self, mut id: FuncId) -> FuncId {
        while let Some(parent) = self.func(id).parent {
            id = parent;
        }
        id
    }

    /// Calls `visit` with a node and all below it, closures' bodies left out.
    pub(crate) fn visit(&self, id: NodeId, visit: &mut dyn FnMut(NodeId, &Node)) {
        let node = self.node(id);
        for &before in node.init.iter() {
            self.visit(before, visit);
        }
        visit(id, node);
        self.children(id, &mut |child| self.visit(child, visit));
    }

    /// As [`Self::visit`], for a function's body and those of the closures in it.
    pub(crate) fn visit_deep(&self, id: FuncId, visit: &mut dyn FnMut(NodeId, &Node)) {
        let Some(body) = self.func(id).body.clone() else { return };
        let mut inner = Vec::new();
        for &statement in body.iter() {
            self.visit(statement, &mut |id, node| {
                if let Op::Closure(closure) = node.op {
                    inner.push(closure);
                }
                visit(id, node);
            });
        }
        for closure in inner {
            self.visit_deep(closure, visit);
        }
    }

    /// Calls `each` with the nodes right below one, but for those that are done before it.
    pub(crate) fn children(&self, id: NodeId, each: &mut dyn FnMut(NodeId)) {
        match &self.node(id).op {
            Op::Literal(_)
            | Op::Nil
            | Op::Name(_)
            | Op::Global(_)
            | Op::Function { .. }
            | Op::MethodExpr { .. }
            | Op::New
            | Op::Closure(_)
            | Op::Declare(_)
            | Op::Branch
            | Op::Goto(_)
            | Op::Label(_) => {}
            Op::Unary(_, x)
            | Op::Addr(x)
            | Op::PtrLit(x)
            | Op::Deref(x)
            | Op::Dot(x, _)
            | Op::DotPtr(x, _)
            | Op::Assert(x)
            | Op::Convert(x)
            | Op::ConvertNop(x)
            | Op::ConvertIface(x)
            | Op::ConvertText(x)
            | Op::SliceToArray(x)
            | Op::SliceToArrayPtr(x)
            | Op::Receive(x)
            | Op::MethodValue { x, .. }
            | Op::Go(x)
            | Op::Defer(x) => each(*x),
            Op::Binary(_, x, y) | Op::IndexArray(x, y) | Op::Index(x, y) | Op::IndexMap(x, y) => {
                each(*x);
                each(*y);
            }
            Op::Slice { x, low, high, max } => {
                each(*x);
                [low, high, max].into_iter().flatten().for_each(|index| each(*index));
            }
            Op::Call { function, args, .. } => {
                each(*function);
                args.iter().for_each(|arg| each(*arg));
            }
            Op::CallInterface { x, args, .. } => {
                each(*x);
                args.iter().for_each(|arg| each(*arg));
            }
            Op::Builtin { args: list, .. }
            | Op::ArrayLit(list)
            | Op::SliceLit { values: list, .. }
            | Op::StructLit(list)
            | Op::Concat(list)
            | Op::Unresolved(list)
            | Op::Return(list) => list.iter().for_each(|x| each(*x)),
            Op::MakeSlice { len, cap } => {
                each(*len);
                cap.iter().for_each(|cap| each(*cap));
            }
            Op::MakeChan(len) | Op::MakeMap(len) => len.iter().for_each(|len| each(*len)),
            Op::MapLit(pairs) => pairs.iter().for_each(|(key, value)| {
                each(*key);
                each(*value);
            }),
            Op::Assign { to, from, .. } => [to, from].into_iter().flatten().for_each(|x| each(*x)),
            Op::Combine { to, from, .. } => {
                each(*to);
                each(*from);
            }
            Op::AssignList { to, from, .. } => to.iter().chain(from.iter()).for_each(|x| each(*x)),
            Op::AssignCall { to, call, .. } => {
                to.iter().for_each(|x| each(*x));
                each(*call);
            }
            Op::If { cond, then, otherwise } => {
                each(*cond);
                then.iter().chain(otherwise.iter()).for_each(|x| each(*x));
            }
            Op::For { cond, post, body } => {
                cond.iter().chain(post.iter()).chain(body.iter()).for_each(|x| each(*x));
            }
            Op::Range { key, value, x, body, .. } => {
                each(*x);
                key.iter().chain(value.iter()).chain(body.iter()).for_each(|x| each(*x));
            }
            Op::Switch { tag, cases } => {
                tag.iter().for_each(|x| each(*x));
                Self::cases(cases, each);
            }
            Op::TypeSwitch { x, cases, .. } => {
                each(*x);
                Self::cases(cases, each);
            }
            Op::Select(cases) => Self::cases(cases, each),
            Op::Send { channel, value } => {
                each(*channel);
                each(*value);
            }
        }
    }

    fn cases(cases: &[Case], each: &mut dyn FnMut(NodeId)) {
        for case in cases {
            case.list.iter().chain(case.body.iter()).for_each(|x| each(*x));
        }
    }

    /// The name that a value is part of, if it lies in a variable of its own: that of `x.f[1]` is `x`.
    pub(crate) fn outer_name(&self, mut id: NodeId) -> Option<VarId> {
        loop {
            match &self.node(id).op {
                Op::Name(var) => return Some(*var),
                Op::Dot(x, _) | Op::ConvertNop(x) | Op::IndexArray(x, _) => id = *x,
                _ => return None,
            }
        }
    }
}
