//! Function literals in an expression that stand in no other one.

use gosyn::ast::{Element, Expression, FuncLit, LiteralValue};

/// Finds them, in the order of the source.
pub(crate) fn find<'a>(node: &'a Expression, found: &mut Vec<&'a FuncLit>) {
    match node {
        Expression::FuncLit(literal) => found.push(literal),
        Expression::Call(call) => {
            find(&call.func, found);
            call.args.iter().for_each(|argument| find(argument, found));
        }
        Expression::Index(index) => {
            find(&index.left, found);
            find(&index.index, found);
        }
        Expression::IndexList(index) => find(&index.left, found),
        Expression::Slice(slice) => {
            find(&slice.left, found);
            slice.index.iter().flatten().for_each(|index| find(index, found));
        }
        Expression::Selector(selector) => find(&selector.x, found),
        Expression::Star(star) => find(&star.right, found),
        Expression::Paren(inner) => find(&inner.expr, found),
        Expression::TypeAssert(assertion) => find(&assertion.left, found),
        Expression::CompositeLit(literal) => of_literal(&literal.val, found),
        Expression::Operation(operation) => {
            find(&operation.x, found);
            if let Some(right) = &operation.y {
                find(right, found);
            }
        }
        _ => {}
    }
}

fn of_literal<'a>(literal: &'a LiteralValue, found: &mut Vec<&'a FuncLit>) {
    for value in &literal.values {
        for element in value.key.iter().chain([&value.val]) {
            match element {
                Element::Expr(node) => find(node, found),
                Element::LitValue(inner) => of_literal(inner, found),
            }
        }
    }
}
