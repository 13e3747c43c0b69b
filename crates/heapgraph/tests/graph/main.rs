//! The graph against figures, oracles and hostile heaps.

mod drawing;
mod figures;
mod hostile;
mod oracles;
