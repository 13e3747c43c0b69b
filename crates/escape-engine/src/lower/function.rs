//! Declarations: functions, literals, and the package's variables.

use std::rc::Rc;

use tophash_typecheck::ast::{self, Declaration};
use tophash_typecheck::{FunctionId, ObjectId, Type, TypeId};

use super::Lower;
use crate::ir::{Class, Func, FuncId, NodeId, Op, Param, Pos, Pragmas, VarId};

impl Lower<'_> {
    pub(super) fn package(&mut self) {
        let files = self.checked.files.clone();
        // All functions get their numbers before any body is lowered, which may call any of them.
        for (index, file) in files.iter().enumerate() {
            self.enter(index, file);
            for declaration in &file.ast.decl {
                if let Declaration::Function(declared) = declaration {
                    self.declare(declared);
                }
            }
        }
        let init = self.new_function("init".into(), None);
        let mut body = Vec::new();
        for (index, file) in files.iter().enumerate() {
            self.enter(index, file);
            for declaration in &file.ast.decl {
                match declaration {
                    Declaration::Function(declared) => self.define_function(declared),
                    Declaration::Variable(variables) => {
                        self.function = init;
                        for spec in &variables.specs {
                            self.package_variable(spec, &mut body);
                        }
                    }
                    _ => {}
                }
            }
        }
        self.program.func_mut(init).body = Some(body.into());
    }

    fn enter(&mut self, index: usize, file: &Rc<tophash_typecheck::SourceFile>) {
        self.file = Some(Rc::clone(file));
        self.file_index = u32::try_from(index).unwrap_or(u32::MAX);
    }

    pub(super) fn new_function(&mut self, name: Rc<str>, parent: Option<FuncId>) -> FuncId {
        let id = FuncId(u32::try_from(self.program.functions.len()).unwrap_or(u32::MAX));
        self.program.functions.push(Func {
            name,
            parent,
            params: Vec::new(),
            has_receiver: false,
            results: Vec::new(),
            variables: Vec::new(),
            captures: Vec::new(),
            body: None,
            pragmas: Pragmas::default(),
            is_wrapper: false,
            is_silent: false,
            is_attached: false,
        });
        id
    }

    fn declare(&mut self, declared: &ast::FuncDecl) {
        let id = self.checked.function_declaration(declared);
        let receiver = declared.recv.as_ref().and_then(|list| list.list.first());
        let name = match receiver {
            Some(field) => {
                let (base, is_pointer, _) = receiver_name(&field.typ);
                match is_pointer {
                    true => format!("(*{base}).{}", declared.name.name),
                    false => format!("{base}.{}", declared.name.name),
                }
            }
            None => declared.name.name.clone(),
        };
        let is_generic = !declared.typ.typ_params.list.is_empty()
            || receiver.is_some_and(|field| receiver_name(&field.typ).2);
        if is_generic {
            // Lowered where it is used, for the types that it is used with.
            return;
        }
        let function = self.new_function(name.into(), None);
        let pragmas = self.pragmas(declared);
        let func = self.program.func_mut(function);
        func.pragmas = pragmas;
        if let Some(id) = id {
            self.functions.insert(id, function);
            if let Some(object) = self.checked.function(id).object {
                self.by_object.0.insert(object, function);
            }
            self.signature(function, id, declared.recv.as_ref(), &declared.typ);
        }
    }

    fn define_function(&mut self, declared: &ast::FuncDecl) {
        let Some(id) = self.checked.function_declaration(declared) else { return };
        let Some(&function) = self.functions.get(&id) else { return };
        let Some(body) = &declared.body else { return };
        self.function = function;
        let list = self.statements(&body.list);
        self.program.func_mut(function).body = Some(list.into());
    }

    /// A function of another package, or a generic one, for one use.
    pub(super) fn define_instance(
        &mut self,
        function: FuncId,
        id: FunctionId,
        declared: &ast::FuncDecl,
    ) {
        self.signature(function, id, declared.recv.as_ref(), &declared.typ);
        let Some(body) = &declared.body else { return };
        self.function = function;
        let list = self.statements(&body.list);
        self.program.func_mut(function).body = Some(list.into());
    }

    /// A function literal.
    pub(super) fn function_literal(&mut self, literal: &ast::FuncLit, typ: TypeId) -> NodeId {
        let at = self.pos(literal.typ.pos);
        let Some(id) = self.checked.function_literal(literal) else {
            return self.unknown("a function literal", Vec::new(), typ, at);
        };
        let outer = self.function;
        let name = self.closure_name("func");
        let function = self.new_function(name, Some(outer));
        self.functions.insert(id, function);
        self.signature(function, id, None, &literal.typ);
        self.function = function;
        let body = self.statements(&literal.body.list);
        self.program.func_mut(function).body = Some(body.into());
        self.function = outer;
        self.add(Op::Closure(function), typ, at)
    }

    /// The name of the next closure of the current function: `f.func1`, and `f.func1.2` within it.
    pub(super) fn closure_name(&mut self, kind: &str) -> Rc<str> {
        let outer = self.program.func(self.function);
        let is_nested = outer.parent.is_some();
        let base = outer.name.clone();
        let count = self.closures.entry(self.function).or_default();
        *count += 1;
        match (is_nested, kind) {
            (true, "func") => format!("{base}.{count}").into(),
            _ if &*base == "init" => format!("glob..{kind}{count}").into(),
            _ => format!("{base}.{kind}{count}").into(),
        }
    }

    fn signature(
        &mut self,
        function: FuncId,
        id: FunctionId,
        receiver: Option<&ast::FieldList>,
        typ: &ast::FuncType,
    ) {
        let known = self.checked.function(id).clone();
        let signature = match &*self.universe.get(self.put(known.signature)) {
            Type::Func(signature) => signature.clone(),
            _ => Default::default(),
        };
        if let Some(list) = receiver
            && let Some(field) = list.list.first()
        {
            let name = field.name.first();
            let typ = self.receiver_type(known.receiver, known.object);
            self.param(function, name, typ, known.receiver, super::offset(&field.typ), false);
            self.program.func_mut(function).has_receiver = true;
        }
        let mut index = 0;
        for field in &typ.params.list {
            let is_variadic = matches!(field.typ, ast::Expression::Ellipsis(_));
            let names: Vec<_> = match field.name.len() {
                0 => vec![None],
                _ => field.name.iter().map(Some).collect(),
            };
            for name in names {
                let typ = signature.params.get(index).map_or(TypeId::UNKNOWN, |param| param.typ);
                let object = known.params.get(index).copied().flatten();
                let place = super::offset(&field.typ);
                self.param(function, name, typ, object, place, is_variadic);
                index += 1;
            }
        }
        self.results(function, &signature.results, &known.results, typ);
    }

    fn receiver_type(&self, object: Option<ObjectId>, method: Option<ObjectId>) -> TypeId {
        if let Some(object) = object {
            return self.object_type(object);
        }
        match method.and_then(|method| self.universe.receiver_of(method)) {
            Some((typ, true)) => self.put(self.universe.pointer_to(typ)),
            Some((typ, false)) => self.put(typ),
            None => TypeId::UNKNOWN,
        }
    }

    fn param(
        &mut self,
        function: FuncId,
        name: Option<&ast::Ident>,
        typ: TypeId,
        object: Option<ObjectId>,
        place: usize,
        is_variadic: bool,
    ) {
        let at = self.pos(name.map_or(place, |name| name.pos));
        let text: Rc<str> = name.map_or("", |name| &name.name).into();
        let mut variable = None;
        if let Some(object) = object
            && &*text != "_"
        {
            let var = self.variable(text.clone(), typ, at, function);
            self.program.var_mut(var).class = Class::Param;
            self.variables.insert(object, var);
            variable = Some(var);
        }
        let param = Param { variable, name: text, at, typ, is_variadic };
        self.program.func_mut(function).params.push(param);
    }

    fn results(
        &mut self,
        function: FuncId,
        results: &[tophash_typecheck::Param],
        objects: &[Option<ObjectId>],
        typ: &ast::FuncType,
    ) {
        let names: Vec<Option<&ast::Ident>> = typ
            .result
            .list
            .iter()
            .flat_map(|field| match field.name.len() {
                0 => vec![None],
                _ => field.name.iter().map(Some).collect(),
            })
            .collect();
        let places: Vec<usize> = typ
            .result
            .list
            .iter()
            .flat_map(|field| {
                std::iter::repeat_n(super::offset(&field.typ), field.name.len().max(1))
            })
            .collect();
        for (index, result) in results.iter().enumerate() {
            let ident = names.get(index).copied().flatten();
            let place = places.get(index).copied().unwrap_or_default();
            let at = self.pos(ident.map_or(place, |ident| ident.pos));
            let name: Rc<str> = match ident {
                Some(ident) if ident.name != "_" => ident.name.as_str().into(),
                _ => format!("~r{index}").into(),
            };
            let var = self.variable(name, result.typ, at, function);
            self.program.var_mut(var).class =
                Class::Result(u32::try_from(index + 1).unwrap_or(u32::MAX));
            if let Some(object) = objects.get(index).copied().flatten() {
                self.variables.insert(object, var);
            }
            self.program.func_mut(function).results.push(var);
        }
    }

    fn package_variable(&mut self, spec: &ast::VarSpec, body: &mut Vec<NodeId>) {
        let Some(first) = spec.name.first() else { return };
        if spec.values.is_empty() {
            return;
        }
        let at = self.pos(first.pos);
        let targets: Vec<_> = spec
            .name
            .iter()
            .map(|name| {
                let at = self.pos(name.pos);
                if name.name == "_" {
                    return (None, TypeId::UNKNOWN);
                }
                let object = self.checked.object(name);
                let typ = object.map_or(TypeId::UNKNOWN, |object| self.object_type(object));
                (Some(self.add(Op::Global(name.name.as_str().into()), typ, at)), typ)
            })
            .collect();
        if spec.values.len() == targets.len() {
            for ((to, typ), value) in targets.into_iter().zip(&spec.values) {
                let from = match to {
                    Some(_) => self.converted(value, typ),
                    None => self.expr(value),
                };
                let at = to.map_or(at, |to| self.at(to));
                for from in self.dynamic_parts(from) {
                    let op = Op::Assign { to, from: Some(from), defines: false };
                    body.push(self.add(op, TypeId::UNKNOWN, at));
                }
            }
            return;
        }
        let Some(value) = spec.values.first() else { return };
        let wanted: Vec<_> = targets.iter().map(|(to, typ)| to.map(|_| *typ)).collect();
        let from = self.several(value, &wanted, at);
        let to: Vec<_> = targets.into_iter().map(|(to, _)| self.or_blank(to, at)).collect();
        let kind = crate::ir::ListKind::Pairs;
        let op = Op::AssignList { to: to.into(), from: from.into(), kind, defines: false };
        body.push(self.add(op, TypeId::UNKNOWN, at));
    }

    /// Parts of a package variable's value that are computed when the program starts; all else is laid out by
    /// the linker, and nobody allocates it.
    fn dynamic_parts(&self, id: NodeId) -> Vec<NodeId> {
        match &self.program.node(id).op {
            Op::Literal(_)
            | Op::Nil
            | Op::Function { .. }
            | Op::MethodExpr { .. }
            | Op::Global(_) => Vec::new(),
            Op::Addr(x) if matches!(self.program.node(*x).op, Op::Global(_)) => Vec::new(),
            Op::Closure(closure) if self.program.func(*closure).captures.is_empty() => Vec::new(),
            Op::ConvertText(x) if matches!(self.program.node(*x).op, Op::Literal(_)) => Vec::new(),
            Op::PtrLit(x) | Op::ConvertNop(x) | Op::ConvertIface(x) => self.dynamic_parts(*x),
            Op::StructLit(list) | Op::ArrayLit(list) | Op::SliceLit { values: list, .. } => {
                list.iter().flat_map(|x| self.dynamic_parts(*x)).collect()
            }
            _ => vec![id],
        }
    }

    /// Directives between the declaration before and this one, wherever they stand.
    fn pragmas(&self, declared: &ast::FuncDecl) -> Pragmas {
        let mut pragmas = Pragmas::default();
        let Some(file) = &self.file else { return pragmas };
        let end = declared.typ.pos.min(declared.name.pos);
        let start = file.ast.decl.iter().map(declaration_end).filter(|at| *at <= end).max();
        for comment in &file.ast.comments {
            if comment.pos < start.unwrap_or(0) || comment.pos > declared.name.pos {
                continue;
            }
            match comment.text.trim_end().strip_prefix("//go:") {
                Some("noescape") => pragmas.noescape = true,
                Some("uintptrescapes") => pragmas.uintptr_escapes = true,
                Some("uintptrkeepalive") => pragmas.uintptr_keepalive = true,
                _ => {}
            }
        }
        pragmas
    }

    /// `_`, where nothing is assigned to.
    pub(super) fn or_blank(&mut self, to: Option<NodeId>, at: Pos) -> NodeId {
        to.unwrap_or_else(|| self.add(Op::Nil, TypeId::UNKNOWN, at))
    }

    /// Declares a variable where it is defined.
    pub(super) fn declaration(&mut self, var: VarId, at: Pos) -> NodeId {
        self.add(Op::Declare(var), TypeId::UNKNOWN, at)
    }
}

/// A receiver's type as it is written: its name, whether it is a pointer, whether it has type parameters.
pub(super) fn receiver_name(typ: &ast::Expression) -> (String, bool, bool) {
    match super::bare(typ) {
        ast::Expression::TypePointer(pointer) => {
            let (name, _, is_generic) = receiver_name(&pointer.typ);
            (name, true, is_generic)
        }
        ast::Expression::Star(star) => {
            let (name, _, is_generic) = receiver_name(&star.right);
            (name, true, is_generic)
        }
        ast::Expression::Operation(operation) if operation.y.is_none() => {
            let (name, _, is_generic) = receiver_name(&operation.x);
            (name, true, is_generic)
        }
        ast::Expression::Ident(name) => (name.name.clone(), false, false),
        ast::Expression::Index(index) => (receiver_name(&index.left).0, false, true),
        ast::Expression::IndexList(index) => (receiver_name(&index.left).0, false, true),
        _ => ("?".to_owned(), false, false),
    }
}

/// Where a declaration ends, or at least a place in it.
fn declaration_end(declaration: &Declaration) -> usize {
    let group = |start: usize, parens: Option<(usize, usize)>| parens.map_or(start, |at| at.1);
    match declaration {
        Declaration::Function(function) => {
            function.body.as_ref().map_or(function.name.pos, |body| body.pos.1)
        }
        Declaration::Type(list) => group(list.pos0, list.pos1),
        Declaration::Const(list) => group(list.pos0, list.pos1),
        Declaration::Variable(list) => group(list.pos0, list.pos1),
    }
}
