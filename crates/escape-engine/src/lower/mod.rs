//! From the syntax tree to the tree that the compiler analyses.
//!
//! Types say what is implicit in the source, and here it is spelled out. What could not be resolved becomes a
//! node of its own, whose parts may flow anywhere, and is remembered with its place.
//!
//! The rewriting is what `cmd/compile/internal/noder` and `typecheck` do in Go 1.22 to 1.27.

mod call;
mod convert;
mod deferred;
mod expression;
mod facts;
mod function;
mod instance;
mod literal;
mod loops;
mod range_function;
mod spelled;
mod statement;
mod switch;

use std::rc::Rc;

use hashbrown::HashMap;
use tophash_typecheck::ast;
use tophash_typecheck::{
    Checked, FunctionId, Importer, ObjectId, ObjectKind, SourceFile, TypeId, Universe,
};

use crate::ir::{Callee, Class, FuncId, List, NodeId, Op, Pos, Program, Var, VarId};
use crate::types::Types;
use crate::version::Imports;
use facts::{Known, TypeArguments};
use instance::{Home, Waiting};

/// A package's tree, and what in it could not be resolved.
pub(crate) struct Lowered {
    pub(crate) program: Program,
    pub(crate) unresolved: Vec<(Pos, &'static str)>,
    pub(crate) callees: Callees,
    /// All files that places name: the package's own first.
    pub(crate) files: Vec<String>,
}

/// Functions of the package, by what declares them.
#[derive(Debug, Default)]
pub(crate) struct Callees(HashMap<ObjectId, FuncId>);

impl Callees {
    /// The function that an object stands for.
    pub(crate) fn callee(&self, universe: &Universe, id: ObjectId) -> Callee {
        match self.0.get(&id) {
            Some(function) => Callee::Local(*function),
            None => Callee::Imported(universe.full_name(id).into()),
        }
    }
}

/// Lowers a package.
pub(crate) fn lower(
    universe: &Universe,
    types: &Types<'_>,
    checked: &Checked,
    imports: &dyn Imports,
    bodies: &dyn Importer,
) -> Lowered {
    let files: Vec<String> = checked.files.iter().map(|file| file.path.clone()).collect();
    let mut homes = HashMap::new();
    let home = Lower::home_of(Known::Own(checked), 0);
    homes.insert(universe.package_path(checked.package).to_string(), Some(home));
    let mut lower = Lower {
        universe,
        types,
        own: checked,
        checked: Known::Own(checked),
        imports,
        bodies,
        files,
        homes,
        instances: HashMap::new(),
        waiting: Vec::new(),
        arguments: TypeArguments::default(),
        bodies_of_loops: Vec::new(),
        states: HashMap::new(),
        file: None,
        file_index: 0,
        program: Program::default(),
        functions: HashMap::new(),
        by_object: Callees::default(),
        variables: HashMap::new(),
        function: FuncId(0),
        unresolved: Vec::new(),
        closures: HashMap::new(),
    };
    lower.package();
    lower.lower_instances();
    let callees = lower.by_object;
    let files = lower.files;
    Lowered { program: lower.program, unresolved: lower.unresolved, callees, files }
}

struct Lower<'a> {
    universe: &'a Universe,
    types: &'a Types<'a>,
    /// The package that is analysed.
    own: &'a Checked,
    /// The package whose function is lowered.
    checked: Known<'a>,
    imports: &'a dyn Imports,
    /// Where other packages' functions come from.
    bodies: &'a dyn Importer,
    /// All files that places name: the package's own first.
    files: Vec<String>,
    homes: HashMap<String, Option<Home<'a>>>,
    instances: HashMap<(ObjectId, Vec<TypeId>), Option<FuncId>>,
    waiting: Vec<Waiting<'a>>,
    arguments: TypeArguments,
    /// Loops over functions around what is lowered, outermost first.
    bodies_of_loops: Vec<range_function::Body>,
    /// How many such loops a function has so far.
    states: HashMap<FuncId, u32>,
    file: Option<Rc<SourceFile>>,
    file_index: u32,
    program: Program,
    functions: HashMap<FunctionId, FuncId>,
    by_object: Callees,
    variables: HashMap<ObjectId, VarId>,
    function: FuncId,
    unresolved: Vec<(Pos, &'static str)>,
    /// How many closures a declared function has so far.
    closures: HashMap<FuncId, u32>,
}

impl Lower<'_> {
    fn pos(&self, at: usize) -> Pos {
        let (line, column) = self.file.as_ref().map_or((0, 0), |file| file.line_byte_column(at));
        Pos { file: self.file_index, line, column }
    }

    fn add(&mut self, op: Op, typ: TypeId, at: Pos) -> NodeId {
        let id = NodeId(u32::try_from(self.program.nodes.len()).unwrap_or(u32::MAX));
        let init = Rc::from([]);
        let node = crate::ir::Node { op, typ, at, is_implicit: false, init, spelled: None };
        self.program.nodes.push(node);
        id
    }

    fn implicit(&mut self, op: Op, typ: TypeId, at: Pos) -> NodeId {
        let id = self.add(op, typ, at);
        self.program.nodes[id.0 as usize].is_implicit = true;
        id
    }

    fn before(&mut self, id: NodeId, init: Vec<NodeId>) {
        if init.is_empty() {
            return;
        }
        let node = &mut self.program.nodes[id.0 as usize];
        let all: Vec<_> = init.into_iter().chain(node.init.iter().copied()).collect();
        node.init = all.into();
    }

    fn typ(&self, id: NodeId) -> TypeId {
        self.program.node(id).typ
    }

    fn at(&self, id: NodeId) -> Pos {
        self.program.node(id).at
    }

    fn none(&self) -> List {
        Rc::from([])
    }

    fn unknown(&mut self, what: &'static str, parts: Vec<NodeId>, typ: TypeId, at: Pos) -> NodeId {
        self.unresolved.push((at, what));
        self.add(Op::Unresolved(parts.into()), typ, at)
    }

    /// A new variable of the current function.
    fn variable(&mut self, name: Rc<str>, typ: TypeId, at: Pos, function: FuncId) -> VarId {
        let id = VarId(u32::try_from(self.program.variables.len()).unwrap_or(u32::MAX));
        self.program.variables.push(Var {
            name,
            at,
            typ,
            class: Class::Local,
            function,
            definition: None,
            is_addressed: false,
        });
        self.program.func_mut(function).variables.push(id);
        id
    }

    /// A variable that the compiler puts in.
    fn temporary(&mut self, typ: TypeId, at: Pos) -> VarId {
        // Numbered by how many variables the function has so far.
        let count = self.program.func(self.function).variables.len();
        let name = format!(".autotmp_{count}");
        self.variable(name.into(), typ, at, self.function)
    }

    /// The variable that an object stands for, which gets one when it is met first.
    fn local(&mut self, object: ObjectId, at: Pos) -> VarId {
        if let Some(known) = self.variables.get(&object) {
            return *known;
        }
        let declared = self.universe.object(object);
        let function = match declared.kind {
            ObjectKind::Var { function: Some(id), .. } => self.functions.get(&id).copied(),
            _ => None,
        };
        let function = function.map_or(self.function, |declared| self.owner(declared));
        let typ = self.object_type(object);
        let var = self.variable(declared.name.clone(), typ, at, function);
        self.variables.insert(object, var);
        var
    }

    /// A use of a variable, which captures it where it is another function's.
    fn name(&mut self, var: VarId, at: Pos) -> NodeId {
        let owner = self.program.var(var).function;
        let mut inside = self.function;
        while inside != owner {
            let function = self.program.func_mut(inside);
            let Some(parent) = function.parent else { break };
            if !function.captures.contains(&var) {
                function.captures.push(var);
            }
            inside = parent;
        }
        let typ = self.program.var(var).typ;
        self.add(Op::Name(var), typ, at)
    }

    /// The address of an expression, which its variable then has had taken.
    fn address(&mut self, x: NodeId, at: Pos, is_implicit: bool) -> NodeId {
        if let Some(var) = self.program.outer_name(x) {
            self.program.var_mut(var).is_addressed = true;
        }
        let typ = self.universe.pointer_to(self.typ(x));
        let id = self.add(Op::Addr(x), typ, at);
        self.program.nodes[id.0 as usize].is_implicit = is_implicit;
        id
    }

    fn deref(&mut self, x: NodeId, at: Pos, is_implicit: bool) -> NodeId {
        let typ = self.types.elem(self.typ(x)).unwrap_or(TypeId::UNKNOWN);
        let id = self.add(Op::Deref(x), typ, at);
        self.program.nodes[id.0 as usize].is_implicit = is_implicit;
        id
    }

    /// Where the compiler says an expression is.
    fn place(&self, x: &ast::Expression) -> Pos {
        self.pos(offset(x))
    }
}

/// The character that stands for an expression's place: the operator, the dot, the bracket.
fn offset(x: &ast::Expression) -> usize {
    match x {
        ast::Expression::Call(x) => x.pos.0,
        ast::Expression::Index(x) => x.pos.0,
        ast::Expression::IndexList(x) => x.pos.0,
        ast::Expression::Slice(x) => x.pos.0,
        ast::Expression::Ident(x) => x.pos,
        ast::Expression::FuncLit(x) => x.typ.pos,
        ast::Expression::Selector(x) => x.pos,
        ast::Expression::BasicLit(x) => x.pos,
        ast::Expression::Star(x) => x.pos,
        ast::Expression::Paren(x) => x.pos.0,
        ast::Expression::TypeAssert(x) => x.pos.0,
        ast::Expression::CompositeLit(x) => x.val.pos.0,
        ast::Expression::Operation(x) => x.pos,
        ast::Expression::Ellipsis(x) => x.pos,
        ast::Expression::Range(x) => x.pos,
        ast::Expression::List(list) => list.first().map_or(0, offset),
        ast::Expression::TypeMap(x) => x.pos.0,
        ast::Expression::TypeArray(x) => x.pos.0,
        ast::Expression::TypeSlice(x) => x.pos.0,
        ast::Expression::TypeFunction(x) => x.pos,
        ast::Expression::TypeStruct(x) => x.pos.0,
        ast::Expression::TypeChannel(x) => x.pos.0,
        ast::Expression::TypePointer(x) => x.pos,
        ast::Expression::TypeInterface(x) => x.pos,
    }
}

/// An expression without the parentheses around it.
fn bare(mut x: &ast::Expression) -> &ast::Expression {
    while let ast::Expression::Paren(inner) = x {
        x = &inner.expr;
    }
    x
}
