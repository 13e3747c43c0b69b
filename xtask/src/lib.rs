//! What people and CI run on this project, as a library too, so that tests of
//! other crates can ask for a Go toolchain, a built fixture or a core.
//!
//! ```no_run
//! use xtask::fixture::{Fixture, Symbols};
//!
//! let program = xtask::fixture::build("1.27", Fixture::Maps, Symbols::Stripped)?;
//! let running = xtask::running::Running::start(&program)?;
//! for map in xtask::facts::maps(running.lines())? {
//!     println!("{:#x} {} of {}", map.address, map.entries, map.type_name);
//! }
//! xtask::core::write_core(running.pid(), "maps.core".as_ref())?;
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod bench;
pub mod bench_lint;
pub mod bench_maps;
pub mod bench_profiles;
pub mod bench_safemap;
pub mod core;
pub mod debugger;
pub mod escape_table;
mod expectations;
pub mod facts;
pub mod fixture;
pub mod folklore;
pub mod layout;
pub mod leak_table;
mod lock;
pub mod measure;
pub mod modules;
mod paths;
pub mod policy;
pub mod programs;
pub mod redis;
pub mod running;
pub mod sample;
pub mod schemas;
pub mod servers;
pub mod suite;
pub mod toolchain;
pub mod viewers;
