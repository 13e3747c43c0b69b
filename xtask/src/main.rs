//! Tasks of the project, for people and CI alike.

fn main() {}
