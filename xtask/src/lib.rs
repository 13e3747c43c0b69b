//! What people and CI run on this project, as a library too, so that tests of
//! other crates can ask for a Go toolchain or a built fixture.
//!
//! ```no_run
//! let go = xtask::toolchain::ensure("1.27")?;
//! println!("{}", go.goroot().display());
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod layout;
mod lock;
mod paths;
pub mod toolchain;
