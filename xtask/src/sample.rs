//! The sample that ships with the command line: a core of the leaking service
//! and its program, both packed.
//!
//! The core holds whatever the process holds, so the process runs from a
//! neutral folder, with no environment, under a name that tells nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::core::write_core;
use crate::fixture::{self, Fixture, Symbols};
use crate::paths;
use crate::running::Running;

const VERSION: &str = "1.27";
const RUN_IN: &str = "/tmp/tophash-sample";
const LEVEL: i32 = 19;

/// What the repository can carry.
const MOST_BYTES: u64 = 8 << 20;

/// Makes the sample anew and gives the files it consists of.
///
/// # Errors
///
/// When the service cannot be built, run or captured, or the sample is larger
/// than it may be.
pub fn write() -> Result<Vec<PathBuf>> {
    let program = fixture::build(VERSION, Fixture::Leaky, Symbols::Kept)?;
    let folder = Path::new(RUN_IN);
    fs::create_dir_all(folder)?;
    let neutral = folder.join("leaky");
    fs::copy(&program, &neutral).with_context(|| format!("cannot write {}", neutral.display()))?;
    let core = folder.join("leaky.core");
    {
        let running =
            Running::start_command(Command::new(&neutral).env_clear().current_dir(folder))?;
        // Long enough for the runtime's own threads to find nothing to do.
        std::thread::sleep(Duration::from_millis(500));
        write_core(running.pid(), &core)?;
    }

    let sample = paths::workspace().join("crates/tophash/sample");
    fs::create_dir_all(&sample)?;
    let mut written = Vec::new();
    let mut total = 0;
    for source in [&core, &neutral] {
        let name = source.file_name().context("a file without a name")?;
        let mut name = name.to_owned();
        name.push(".zst");
        let packed = sample.join(name);
        let bytes = zstd::encode_all(fs::File::open(source)?, LEVEL)?;
        total += bytes.len() as u64;
        fs::write(&packed, bytes)?;
        written.push(packed);
    }
    fs::remove_dir_all(folder)?;
    ensure!(total <= MOST_BYTES, "the sample has {total} bytes");
    Ok(written)
}
