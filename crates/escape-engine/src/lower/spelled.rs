//! Types as the source spells them.

use tophash_typecheck::ast::Expression;
use tophash_typecheck::{ObjectKind, Type};

use super::Lower;

impl Lower<'_> {
    /// A type's text in the compiler's form; none where that must be made from the type itself.
    pub(super) fn spelled(&self, x: &Expression) -> Option<String> {
        match x {
            Expression::Paren(x) => self.spelled(&x.expr),
            Expression::Ident(name) => {
                let object = self.universe.object(self.checked.use_of(name)?);
                if matches!(&*self.universe.get(self.checked.type_of(x)), Type::TypeParam(_)) {
                    return None;
                }
                let is_alias = matches!(object.kind, ObjectKind::TypeName { is_alias: true });
                let stays = matches!(name.name.as_str(), "byte" | "rune" | "any");
                (!is_alias || stays).then(|| name.name.clone())
            }
            Expression::Selector(selector) => {
                let object = self.universe.object(self.checked.use_of(&selector.sel)?);
                if matches!(object.kind, ObjectKind::TypeName { is_alias: true }) {
                    return None;
                }
                let package = self.universe.package_name(object.package);
                Some(format!("{package}.{}", selector.sel.name))
            }
            Expression::TypePointer(x) => Some(format!("*{}", self.spelled(&x.typ)?)),
            Expression::Star(x) => Some(format!("*{}", self.spelled(&x.right)?)),
            Expression::Operation(x) if x.y.is_none() => Some(format!("*{}", self.spelled(&x.x)?)),
            Expression::TypeSlice(x) => Some(format!("[]{}", self.spelled(&x.typ)?)),
            Expression::TypeArray(array) => {
                let length = match &*self.universe.get(self.type_of(x)) {
                    Type::Array { length: Some(length), .. } => *length,
                    _ => return None,
                };
                Some(format!("[{length}]{}", self.spelled(&array.typ)?))
            }
            Expression::TypeMap(x) => {
                Some(format!("map[{}]{}", self.spelled(&x.key)?, self.spelled(&x.val)?))
            }
            Expression::TypeInterface(x) if x.methods.list.is_empty() => {
                Some("interface {}".to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn spell(&mut self, id: crate::ir::NodeId, x: &Expression) {
        let spelled = self.spelled(x).map(Into::into);
        self.program.nodes[id.0 as usize].spelled = spelled;
    }
}
