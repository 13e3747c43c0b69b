//! Expressions as short text, to compare keys and to show them.

use tophash_typecheck::ast::{Element, Expression};

/// Longer texts are cut, and equal no other.
const MAX_LENGTH: usize = 96;

/// Spells an expression, or nothing if that would be long.
pub(crate) fn short(expression: &Expression) -> Option<String> {
    let mut text = String::new();
    write(expression, &mut text).then_some(text)
}

/// Spells an expression for people.
pub(crate) fn shown(expression: &Expression) -> String {
    short(expression).unwrap_or_else(|| "…".to_owned())
}

fn write(expression: &Expression, to: &mut String) -> bool {
    let fits = match expression {
        Expression::Ident(ident) => {
            to.push_str(&ident.name);
            true
        }
        Expression::BasicLit(literal) => {
            to.push_str(&literal.value);
            true
        }
        Expression::Selector(selector) => {
            let fits = write(&selector.x, to);
            to.push('.');
            to.push_str(&selector.sel.name);
            fits
        }
        Expression::Paren(inner) => {
            to.push('(');
            let fits = write(&inner.expr, to);
            to.push(')');
            fits
        }
        Expression::Star(star) => {
            to.push('*');
            write(&star.right, to)
        }
        Expression::TypePointer(pointer) => {
            to.push('*');
            write(&pointer.typ, to)
        }
        Expression::TypeSlice(slice) => {
            to.push_str("[]");
            write(&slice.typ, to)
        }
        Expression::TypeArray(array) => {
            to.push('[');
            let fits = write(&array.len, to);
            to.push(']');
            fits && write(&array.typ, to)
        }
        Expression::TypeMap(map) => {
            to.push_str("map[");
            let fits = write(&map.key, to);
            to.push(']');
            fits && write(&map.val, to)
        }
        Expression::TypeStruct(fields) if fields.fields.is_empty() => {
            to.push_str("struct{}");
            true
        }
        Expression::TypeStruct(_) => {
            to.push_str("struct{…}");
            true
        }
        Expression::TypeInterface(_) => {
            to.push_str("interface{…}");
            true
        }
        Expression::TypeFunction(_) => {
            to.push_str("func(…)");
            true
        }
        Expression::TypeChannel(channel) => {
            to.push_str("chan ");
            write(&channel.typ, to)
        }
        Expression::Index(index) => {
            let fits = write(&index.left, to);
            to.push('[');
            let fits = fits && write(&index.index, to);
            to.push(']');
            fits
        }
        Expression::Call(call) => {
            let mut fits = write(&call.func, to);
            to.push('(');
            for (number, argument) in call.args.iter().enumerate() {
                if number > 0 {
                    to.push_str(", ");
                }
                fits = fits && write(argument, to);
            }
            to.push(')');
            fits
        }
        Expression::Operation(operation) => match &operation.y {
            Some(right) => {
                let fits = write(&operation.x, to);
                to.push_str(&format!(" {} ", operator(operation.op)));
                fits && write(right, to)
            }
            None => {
                to.push_str(operator(operation.op));
                write(&operation.x, to)
            }
        },
        Expression::CompositeLit(literal) => {
            let mut fits = write(&literal.typ, to);
            to.push('{');
            for (number, element) in literal.val.values.iter().enumerate() {
                if number > 0 {
                    to.push_str(", ");
                }
                if let Some(Element::Expr(key)) = &element.key {
                    fits = fits && write(key, to);
                    to.push_str(": ");
                }
                match &element.val {
                    Element::Expr(value) => fits = fits && write(value, to),
                    Element::LitValue(_) => to.push_str("{…}"),
                }
            }
            to.push('}');
            fits
        }
        Expression::TypeAssert(assertion) => {
            let fits = write(&assertion.left, to);
            to.push_str(".(");
            let fits = fits && assertion.right.as_ref().is_none_or(|ty| write(ty, to));
            to.push(')');
            fits
        }
        _ => false,
    };
    fits && to.len() <= MAX_LENGTH
}

fn operator(operator: tophash_typecheck::token::Operator) -> &'static str {
    operator.into()
}
