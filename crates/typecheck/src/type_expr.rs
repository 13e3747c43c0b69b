//! Types as they are written.

use std::rc::Rc;

use gosyn::ast::{self, ChanMode, Expression};
use gosyn::token::Operator;

use crate::checker::Checker;
use crate::object::{ObjectId, ObjectKind, VarRole};
use crate::types::{
    Direction, Field, Interface, Method, Param, Signature, Term, Type, TypeId, Union,
};

/// Objects that a signature declares.
#[derive(Default)]
pub(crate) struct Declared {
    pub(crate) params: Vec<Option<ObjectId>>,
    pub(crate) results: Vec<Option<ObjectId>>,
}

impl Checker<'_> {
    /// The type that an expression spells, which is noted.
    pub(crate) fn typ(&mut self, node: &Expression) -> TypeId {
        let typ = self.deeper(|checker| checker.typ_inner(node)).unwrap_or(TypeId::UNKNOWN);
        self.record_type(node, typ);
        typ
    }

    fn typ_inner(&mut self, node: &Expression) -> TypeId {
        match node {
            Expression::Ident(name) => self.named(name),
            Expression::Selector(selector) => self.qualified(selector),
            Expression::Index(index) => {
                let args: Vec<&Expression> = match &*index.index {
                    Expression::List(list) => list.iter().collect(),
                    one => vec![one],
                };
                self.instance(&index.left, &args)
            }
            Expression::IndexList(index) => {
                self.instance(&index.left, &index.indices.iter().collect::<Vec<_>>())
            }
            Expression::Paren(inner) => self.typ(&inner.expr),
            Expression::TypePointer(pointer) => {
                let elem = self.typ(&pointer.typ);
                self.universe.pointer_to(elem)
            }
            Expression::Star(star) => {
                let elem = self.typ(&star.right);
                self.universe.pointer_to(elem)
            }
            Expression::Operation(operation) => match (operation.op, &operation.y) {
                (Operator::Star, None) => {
                    let elem = self.typ(&operation.x);
                    self.universe.pointer_to(elem)
                }
                (Operator::Or | Operator::Tiled, _) => {
                    let union = self.union(node);
                    let embeds = Rc::from([union]);
                    let interface = Interface { embeds, ..Interface::default() };
                    self.universe.intern(Type::Interface(interface))
                }
                _ => TypeId::UNKNOWN,
            },
            Expression::TypeArray(array) => {
                let length = self.array_length(&array.len);
                let elem = self.typ(&array.typ);
                self.array(length, elem)
            }
            Expression::TypeSlice(slice) => {
                let elem = self.typ(&slice.typ);
                self.universe.slice_of(elem)
            }
            Expression::Ellipsis(ellipsis) => {
                let elem = ellipsis.elt.as_ref().map_or(TypeId::UNKNOWN, |elem| self.typ(elem));
                self.universe.slice_of(elem)
            }
            Expression::TypeMap(map) => {
                let (key, elem) = (self.typ(&map.key), self.typ(&map.val));
                self.universe.intern(Type::Map { key, elem })
            }
            Expression::TypeChannel(channel) => {
                let elem = self.typ(&channel.typ);
                let direction = match channel.dir {
                    None => Direction::Both,
                    Some(ChanMode::Send) => Direction::Send,
                    Some(ChanMode::Recv) => Direction::Receive,
                };
                self.universe.intern(Type::Chan { direction, elem })
            }
            Expression::TypeFunction(function) => {
                self.open();
                let (typ, _) = self.signature(function);
                self.close();
                typ
            }
            Expression::TypeStruct(listed) => self.structure(listed),
            Expression::TypeInterface(listed) => self.interface(listed),
            _ => TypeId::UNKNOWN,
        }
    }

    pub(crate) fn array(&self, length: Option<u64>, elem: TypeId) -> TypeId {
        match length {
            Some(_) if !elem.is_unknown() => self.universe.intern(Type::Array { length, elem }),
            _ => TypeId::UNKNOWN,
        }
    }

    /// The length of an array; none for `...`, and where it is not known.
    pub(crate) fn array_length(&mut self, node: &Expression) -> Option<u64> {
        if let Expression::Ellipsis(_) = node {
            return None;
        }
        let operand = self.expr(node);
        operand.value?.as_int().and_then(|length| u64::try_from(length).ok())
    }

    fn named(&mut self, name: &ast::Ident) -> TypeId {
        let Some(object) = self.find(&name.name) else { return TypeId::UNKNOWN };
        self.record_use(name, object);
        match self.universe.object(object).kind {
            ObjectKind::TypeName { .. } => self.universe.type_of(object),
            _ => TypeId::UNKNOWN,
        }
    }

    fn qualified(&mut self, selector: &ast::Selector) -> TypeId {
        let Some(Some(package)) = self.package_named(&selector.x) else { return TypeId::UNKNOWN };
        let Some(object) = self.universe.member(package, &selector.sel.name) else {
            return TypeId::UNKNOWN;
        };
        self.record_use(&selector.sel, object);
        match self.universe.object(object).kind {
            ObjectKind::TypeName { .. } => self.universe.type_of(object),
            _ => TypeId::UNKNOWN,
        }
    }

    /// A generic type with arguments.
    fn instance(&mut self, generic: &Expression, args: &[&Expression]) -> TypeId {
        let origin = self.typ(generic);
        let typ = self.generic_type(generic, args);
        if origin.is_unknown() { TypeId::UNKNOWN } else { typ }
    }

    fn structure(&mut self, listed: &ast::StructType) -> TypeId {
        let mut fields = Vec::new();
        for field in &listed.fields {
            let typ = self.typ(&field.typ);
            let tag: Rc<str> = match &field.tag {
                Some(tag) => quoted(&tag.value).into(),
                None => "".into(),
            };
            let mut add = |name: &str, is_embedded| {
                fields.push(Field {
                    name: name.into(),
                    package: self.package,
                    typ,
                    is_embedded,
                    tag: Rc::clone(&tag),
                });
            };
            match field.name.is_empty() {
                true => add(embedded_name(&field.typ), true),
                false => field.name.iter().for_each(|name| add(&name.name, false)),
            }
        }
        self.universe.intern(Type::Struct(fields.into()))
    }

    fn interface(&mut self, listed: &ast::InterfaceType) -> TypeId {
        let (mut methods, mut embeds) = (Vec::new(), Vec::new());
        for field in &listed.methods.list {
            match (field.name.first(), &field.typ) {
                (Some(name), Expression::TypeFunction(function)) => {
                    self.open();
                    let (signature, _) = self.signature(function);
                    self.close();
                    let name = name.name.as_str().into();
                    methods.push(Method { name, package: self.package, signature });
                }
                (_, typ) => embeds.push(self.union(typ)),
            }
        }
        methods.sort_by(|left, right| left.name.cmp(&right.name));
        let interface =
            Interface { methods: methods.into(), embeds: embeds.into(), is_comparable: false };
        self.universe.intern(Type::Interface(interface))
    }

    /// `~A | B`.
    fn union(&mut self, node: &Expression) -> Union {
        let mut terms = Vec::new();
        self.terms(node, &mut terms);
        terms.into()
    }

    fn terms(&mut self, node: &Expression, terms: &mut Vec<Term>) {
        let Expression::Operation(operation) = node else {
            let typ = self.typ(node);
            terms.push(Term { is_approximate: false, typ });
            return;
        };
        match (operation.op, &operation.y) {
            (Operator::Or, Some(right)) => {
                self.deeper(|checker| checker.terms(&operation.x, terms));
                self.deeper(|checker| checker.terms(right, terms));
            }
            (Operator::Tiled, None) => {
                let typ = self.typ(&operation.x);
                terms.push(Term { is_approximate: true, typ });
            }
            _ => {
                let typ = self.typ(node);
                terms.push(Term { is_approximate: false, typ });
            }
        }
    }

    /// A signature, whose parameters are declared in the innermost block.
    pub(crate) fn signature(&mut self, function: &ast::FuncType) -> (TypeId, Declared) {
        let type_params = self.type_params(&function.typ_params);
        let mut declared = Declared::default();
        // All types are looked up before any name is declared.
        let params = self.param_types(&function.params);
        let results = self.param_types(&function.result);
        let params = self.declare_params(params, VarRole::Param, &mut declared.params);
        let results = self.declare_params(results, VarRole::Result, &mut declared.results);
        let last = function.params.list.last();
        let is_variadic = last.is_some_and(|last| matches!(last.typ, Expression::Ellipsis(_)));
        let signature = Signature { type_params, params, results, is_variadic };
        (self.universe.intern(Type::Func(signature)), declared)
    }

    /// Names and types of parameters or results.
    fn param_types<'a>(
        &mut self,
        list: &'a ast::FieldList,
    ) -> Vec<(Option<&'a ast::Ident>, TypeId)> {
        let mut params = Vec::new();
        for field in &list.list {
            let typ = self.typ(&field.typ);
            if field.name.is_empty() {
                params.push((None, typ));
            }
            params.extend(field.name.iter().map(|name| (Some(name), typ)));
        }
        params
    }

    fn declare_params(
        &mut self,
        params: Vec<(Option<&ast::Ident>, TypeId)>,
        role: VarRole,
        objects: &mut Vec<Option<ObjectId>>,
    ) -> Rc<[Param]> {
        let mut listed = Vec::with_capacity(params.len());
        for (name, typ) in params {
            let object = name.and_then(|name| self.declare_var(name, role, typ));
            objects.push(object);
            listed.push(Param { name: name.map_or("", |name| name.name.as_str()).into(), typ });
        }
        listed.into()
    }

    /// Type parameters, which are declared in the innermost block.
    pub(crate) fn type_params(&mut self, list: &ast::FieldList) -> Rc<[TypeId]> {
        let mut params = Vec::new();
        for field in &list.list {
            for name in &field.name {
                params.push((self.type_param(name), &field.typ));
            }
        }
        let mut types = Vec::with_capacity(params.len());
        let mut last: Option<(*const Expression, TypeId)> = None;
        for ((object, typ), constraint) in params {
            let bound = match last {
                Some((node, bound)) if std::ptr::eq(node, constraint) => bound,
                _ => self.typ(constraint),
            };
            last = Some((std::ptr::from_ref(constraint), bound));
            self.universe.object(object).definition.set(bound);
            types.push(typ);
        }
        types.into()
    }

    /// Declares a type parameter.
    pub(crate) fn type_param(&mut self, name: &ast::Ident) -> (ObjectId, TypeId) {
        let kind = ObjectKind::TypeName { is_alias: false };
        let object = self.declare(name, kind, TypeId::UNKNOWN).unwrap_or_else(|| {
            let blank = crate::object::Object::new("_".into(), self.package, kind, TypeId::UNKNOWN);
            self.universe.add_object(blank)
        });
        let typ = self.universe.intern(Type::TypeParam(object));
        self.universe.object(object).typ.set(typ);
        (object, typ)
    }
}

/// A tag as a quoted string, whichever quotes it has. An empty one is none.
fn quoted(text: &str) -> String {
    match crate::constant::literal(gosyn::token::LitKind::String, text).0 {
        crate::constant::Value::String(bytes) if bytes.is_empty() => String::new(),
        crate::constant::Value::String(bytes) => {
            format!("{:?}", String::from_utf8_lossy(&bytes))
        }
        _ => text.to_owned(),
    }
}

/// The name of an embedded field: that of its type.
fn embedded_name(typ: &Expression) -> &str {
    match typ {
        Expression::Ident(name) => &name.name,
        Expression::Selector(selector) => &selector.sel.name,
        Expression::TypePointer(pointer) => embedded_name(&pointer.typ),
        Expression::Star(star) => embedded_name(&star.right),
        Expression::Paren(inner) => embedded_name(&inner.expr),
        Expression::Index(index) => embedded_name(&index.left),
        Expression::IndexList(index) => embedded_name(&index.left),
        Expression::Operation(operation) => embedded_name(&operation.x),
        _ => "_",
    }
}
