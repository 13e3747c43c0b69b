//! The command line of tophash.

fn main() {}
