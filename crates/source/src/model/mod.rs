//! What a package declares, and the types of its expressions as far as rules need them.

pub(crate) mod package;
pub(crate) mod place;
pub(crate) mod render;
pub(crate) mod ty;
pub(crate) mod words;
