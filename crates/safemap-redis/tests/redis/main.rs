//! Shared maps over a real server that each test starts for itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[macro_use]
#[path = "../../../safemap/tests/support/mod.rs"]
mod support;

mod bounds;
mod failures;
mod feed;
mod histories;
mod operations;
mod processes;
mod same;
mod server;
mod watch;
