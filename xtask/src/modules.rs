//! Modules of others that wide tests compile, from Go's module proxy by an ordinary `go get`.
//!
//! They land in the toolchains' own module cache, so that no release but the first needs the network; what
//! the proxy serves is checked against Go's checksum database.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use crate::toolchain::{self, run};
use crate::{lock, paths};

/// A module, at a version that every release of the matrix compiles.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// Its path.
    pub path: &'static str,
    /// Its version.
    pub version: &'static str,
}

impl Module {
    /// Those that tests compile: a server and a library.
    pub const ALL: [Self; 2] = [
        Self { path: "github.com/nats-io/nats-server/v2", version: "v2.9.15" },
        Self { path: "github.com/valyala/fasthttp", version: "v1.45.0" },
    ];

    /// Returns a folder in which `go` finds the module's packages without network, but for the tests
    /// of its dependencies. `GOFLAGS` is to be `-mod=mod` there.
    ///
    /// # Errors
    ///
    /// When the module can't be fetched.
    pub fn folder(self) -> Result<PathBuf> {
        let name = format!("{}@{}", self.path.replace('/', "-"), self.version);
        let folder = paths::target().join("modules").join(&name);
        let _lock = lock::hold(&paths::target().join("modules").join(format!("{name}.lock")))?;
        let stamp = folder.join("fetched");
        if !stamp.is_file() {
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("go.mod"), "module held.test/held\n\ngo 1.19\n")?;
            // The oldest, so that it does not ask for a newer Go.
            let oldest = toolchain::ensure("1.19")?;
            let mut get = oldest.go(&folder, "");
            get.env("GOFLAGS", "-mod=mod");
            toolchain::let_fetch(&mut get);
            run(get.args(["get", &format!("{}/...@{}", self.path, self.version)]))?;
            fs::write(stamp, "")?;
        }
        Ok(folder)
    }
}
