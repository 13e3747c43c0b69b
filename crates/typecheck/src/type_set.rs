//! What an interface stands for: all its methods, and the types that it allows.

use std::rc::Rc;

use crate::types::{Method, Term};

/// What an interface stands for, with all that it embeds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeSet {
    /// All methods, by name.
    pub methods: Vec<Method>,
    /// The types that are allowed; none where all are.
    pub terms: Option<Rc<[Term]>>,
    /// Whether its types must be comparable.
    pub is_comparable: bool,
}
