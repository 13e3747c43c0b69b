//! What is known of nodes, with type arguments put in where a generic function is lowered for one use.

use std::ops::Deref;
use std::rc::Rc;

use tophash_typecheck::ast;
use tophash_typecheck::{CallInfo, CallKind, Checked, ExprInfo, ObjectId, Selection, TypeId};

use super::Lower;

/// A checked package: the one that is analysed, or one whose functions are used with types of it.
#[derive(Clone)]
pub(crate) enum Known<'a> {
    Own(&'a Checked),
    Other(Rc<Checked>),
}

impl Deref for Known<'_> {
    type Target = Checked;

    fn deref(&self) -> &Checked {
        match self {
            Self::Own(checked) => checked,
            Self::Other(checked) => checked,
        }
    }
}

/// Type parameters, and what stands for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct TypeArguments {
    pub(super) params: Vec<TypeId>,
    pub(super) args: Vec<TypeId>,
}

impl Lower<'_> {
    /// A type with type arguments put in.
    pub(super) fn put(&self, typ: TypeId) -> TypeId {
        if self.arguments.params.is_empty() {
            return typ;
        }
        self.universe.substitute(typ, &self.arguments.params, &self.arguments.args)
    }

    pub(super) fn expr_info(&self, x: &ast::Expression) -> Option<ExprInfo> {
        let mut info = self.checked.expr(x)?.clone();
        info.typ = self.put(info.typ);
        Some(info)
    }

    pub(super) fn type_of(&self, x: &ast::Expression) -> TypeId {
        self.put(self.checked.type_of(x))
    }

    pub(super) fn object_type(&self, object: ObjectId) -> TypeId {
        self.put(self.universe.type_of(object))
    }

    pub(super) fn call_info(&self, call: &ast::Call) -> Option<CallInfo> {
        let mut info = self.checked.call(call)?.clone();
        info.signature = self.put(info.signature);
        info.result = self.put(info.result);
        if let CallKind::Conversion(to) = info.kind {
            info.kind = CallKind::Conversion(self.put(to));
        }
        Some(info)
    }

    pub(super) fn selection_of(&self, selector: &ast::Selector) -> Option<Selection> {
        let mut selection = self.checked.selection(selector)?.clone();
        selection.typ = self.put(selection.typ);
        selection.receiver = self.put(selection.receiver);
        for step in &mut selection.path {
            step.typ = self.put(step.typ);
        }
        Some(selection)
    }
}
