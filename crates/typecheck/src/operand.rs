//! What an expression turned out to be, on its way to what contains it; and constants that have no type yet.

use gosyn::ast::Expression;
use gosyn::token::Operator;

use crate::checker::Checker;
use crate::constant::{self, Value};
use crate::info::{Mode, key};
use crate::types::{Basic, Type, TypeId};

/// What an expression turned out to be.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) mode: Mode,
    pub(crate) typ: TypeId,
    pub(crate) value: Option<Value>,
    /// It can say whether there was a value.
    pub(crate) can_comma_ok: bool,
}

impl Operand {
    pub(crate) fn new(mode: Mode, typ: TypeId) -> Self {
        Self { mode, typ, value: None, can_comma_ok: false }
    }

    pub(crate) fn unknown() -> Self {
        Self::new(Mode::Unknown, TypeId::UNKNOWN)
    }

    pub(crate) fn of_type(typ: TypeId) -> Self {
        Self::new(Mode::Type, typ)
    }

    pub(crate) fn value(typ: TypeId) -> Self {
        Self::new(if typ.is_unknown() { Mode::Unknown } else { Mode::Value }, typ)
    }

    pub(crate) fn variable(typ: TypeId) -> Self {
        Self::new(if typ.is_unknown() { Mode::Unknown } else { Mode::Variable }, typ)
    }

    pub(crate) fn constant(value: Value, typ: TypeId) -> Self {
        Self { value: Some(value), ..Self::new(Mode::Constant, typ) }
    }

    pub(crate) fn comma_ok(self) -> Self {
        Self { can_comma_ok: true, ..self }
    }

    pub(crate) fn is_nil(&self) -> bool {
        self.mode == Mode::Nil
    }
}

/// Order of untyped numbers: the larger one wins.
fn rank(basic: Basic) -> Option<u32> {
    match basic {
        Basic::UntypedInt => Some(0),
        Basic::UntypedRune => Some(1),
        Basic::UntypedFloat => Some(2),
        Basic::UntypedComplex => Some(3),
        _ => None,
    }
}

/// Of two types of constants that have none yet, the one that both can have.
pub(crate) fn larger(left: Basic, right: Basic) -> Option<Basic> {
    if left == right {
        return Some(left);
    }
    let (left_rank, right_rank) = (rank(left)?, rank(right)?);
    Some(if left_rank >= right_rank { left } else { right })
}

impl Checker<'_> {
    /// Gives a value that has no type that of what it is assigned to, or the one that it has by itself.
    pub(crate) fn assign(&mut self, node: &Expression, operand: &mut Operand, to: Option<TypeId>) {
        if !self.universe.is_untyped(operand.typ) {
            return;
        }
        let to = match to {
            Some(to) if self.universe.is_interface(to) => self.universe.default_type(operand.typ),
            Some(to) => to,
            None => self.universe.default_type(operand.typ),
        };
        self.convert_untyped(node, operand, to);
    }

    /// Gives a value that has no type this one, if it has none.
    pub(crate) fn convert_untyped(&mut self, node: &Expression, operand: &mut Operand, to: TypeId) {
        let Type::Basic(from) = *self.universe.get(operand.typ) else { return };
        if !from.is_untyped() || operand.typ == to {
            return;
        }
        if to.is_unknown() {
            if !operand.is_nil() {
                operand.typ = to;
                self.settle(node, to);
            }
            return;
        }
        let typ = match *self.universe.get(to) {
            Type::Basic(basic) if basic.is_untyped() => match larger(from, basic) {
                Some(larger) => larger.id(),
                None => return,
            },
            _ if operand.is_nil() => return,
            _ if self.universe.is_interface(to) => self.universe.default_type(operand.typ),
            _ => to,
        };
        if let (Some(value), Some(basic)) = (&operand.value, self.universe.basic(typ)) {
            operand.value = Some(constant::represent(value, basic).unwrap_or(Value::Unknown));
            self.settle_value(node, operand.value.clone());
        }
        if typ != operand.typ {
            operand.typ = typ;
            self.settle(node, typ);
        }
    }

    fn settle_value(&self, node: &Expression, value: Option<Value>) {
        if let Some(info) = self.info()
            && let Some(noted) = info.borrow_mut().exprs.get_mut(&key(node))
        {
            noted.value = value;
        }
    }

    /// Notes the type that an expression without one has got, and that of its operands which have it by that.
    pub(crate) fn settle(&self, node: &Expression, typ: TypeId) {
        let Some(info) = self.info() else { return };
        let mut node = node;
        // Chains of operators lean to the left: that side is followed here, the other one by a call.
        loop {
            {
                let mut info = info.borrow_mut();
                let Some(noted) = info.exprs.get_mut(&key(node)) else { return };
                if !self.universe.is_untyped(noted.typ) {
                    return;
                }
                noted.typ = typ;
                if let (Some(value), Some(basic)) = (&noted.value, self.universe.basic(typ))
                    && let Some(value) = constant::represent(value, basic)
                {
                    noted.value = Some(value);
                }
                // Operands of a constant never become values of their own.
                if noted.value.is_some() && !matches!(node, Expression::Paren(_)) {
                    return;
                }
            }
            node = match node {
                Expression::Paren(inner) => &inner.expr,
                Expression::Operation(operation) => match (&operation.y, operation.op) {
                    (None, _) => &operation.x,
                    (Some(_), Operator::Shl | Operator::Shr) => &operation.x,
                    (Some(_), op) if is_comparison(op) => return,
                    (Some(right), _) => {
                        self.settle(right, typ);
                        &operation.x
                    }
                },
                _ => return,
            };
        }
    }
}

pub(crate) fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Equal
            | Operator::NotEqual
            | Operator::Less
            | Operator::LessEqual
            | Operator::Greater
            | Operator::GreaterEqual
    )
}
