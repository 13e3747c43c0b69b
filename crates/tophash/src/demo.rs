//! `tophash demo`: the whole story on a sample that ships inside the program.
//!
//! The sample is a core of `fixtures/leaky`, a small session service, taken by `cargo xtask sample`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tophash_memory::Target;

use crate::Outcome;
use crate::analysis::analyse;
use crate::args::{DemoOptions, Format};
use crate::inspect::{outcome, print};
use crate::progress::Progress;
use crate::report::style::heading;

const CORE: &[u8] = include_bytes!("../sample/leaky.core.zst");
const EXECUTABLE: &[u8] = include_bytes!("../sample/leaky.zst");

pub(crate) fn run(options: &DemoOptions) -> Result<Outcome> {
    let progress = Progress::new();
    progress.step("unpacking the sample");
    let dir = tempfile::tempdir().context("a temporary folder can't be made")?;
    let executable = unpack(dir.path(), "leaky", EXECUTABLE)?;
    let core = unpack(dir.path(), "leaky.core", CORE)?;
    let target = Target::open_file(&core, Some(&executable))?;
    let mut report = analyse(&target, &options.view, &progress)?;
    report.target.executable = "leaky (the sample)".to_owned();
    drop(progress);
    print(&report, &options.view)?;
    if options.view.format == Format::Table {
        tell()?;
    }
    Ok(outcome(&report.findings, options.view.fail_on))
}

/// Says what the person has seen, and what to do now.
fn tell() -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "\n{}", heading("What this was"))?;
    writeln!(
        out,
        "A core of a session service (fixtures/leaky in the repository) that served a burst of \
         users and\ndropped most of their sessions. `pprof` would say who allocated; the table \
         says who holds, and\nthe findings what to change."
    )?;
    writeln!(
        out,
        "\nNow on your own program:\n  tophash inspect $(pidof server)\n  tophash capture \
         $(pidof server) -o before.core.zst\n  tophash diff before.core.zst $(pidof server)"
    )?;
    Ok(())
}

/// Writes an embedded file where a reader can open it.
fn unpack(dir: &Path, name: &str, compressed: &[u8]) -> Result<PathBuf> {
    let path = dir.join(name);
    let mut out = std::fs::File::create(&path)
        .with_context(|| format!("{} can't be written", path.display()))?;
    zstd::stream::copy_decode(compressed, &mut out)
        .with_context(|| format!("the sample could not be unpacked to {}", path.display()))?;
    Ok(path)
}
