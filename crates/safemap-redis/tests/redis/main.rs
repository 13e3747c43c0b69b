//! Shared maps over a real server that each test starts for itself.

mod failures;
mod feed;
mod histories;
mod operations;
mod processes;
mod server;
#[path = "../../../safemap/tests/support/mod.rs"]
mod support;
