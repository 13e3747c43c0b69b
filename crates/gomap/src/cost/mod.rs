//! What maps cost that are not there: made anew, grown anew, with other types, by other releases.

mod fresh;
mod grown;
mod shape;

pub use fresh::fresh_cost;
pub use grown::grown_cost;
pub use shape::{MapDesign, ValueShape};
