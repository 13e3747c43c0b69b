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
use crate::report::style::{bytes, count, heading};
use crate::report::{MapRow, Report};

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
        tell(&report)?;
    }
    Ok(outcome(&report.findings, options.view.fail_on))
}

/// Says in words what the table shows.
fn tell(report: &Report) -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "\n{}", heading("What this core shows"))?;
    writeln!(
        out,
        "A session service (fixtures/leaky in the repository) served a burst of users, dropped \
         most of\ntheir sessions, and was captured. `pprof` would say who allocated; the table \
         says who holds:"
    )?;
    let worst = report.maps.iter().max_by_key(|row| row.reclaimable_bytes);
    if let Some(row) = worst {
        writeln!(
            out,
            "  • {} keeps {} for {} entries, in {} slots: {} of it would be returned by copying \
             the\n    entries into a fresh map, since a Go map never shrinks when entries are \
             deleted.",
            name(row),
            bytes(row.own_bytes),
            count(row.entries),
            count(row.slots),
            bytes(row.reclaimable_bytes),
        )?;
    }
    if let Some(row) = report.maps.iter().find(|row| {
        row.root.as_ref().is_some_and(|root| root.goroutine.is_some()) && row.entries > 100
    }) {
        let goroutine = row.root.as_ref().and_then(|root| root.goroutine).unwrap_or(0);
        writeln!(
            out,
            "  • {} with {} entries is alive only because goroutine {goroutine} is blocked in {}.",
            row.type_name(),
            count(row.entries),
            row.root.as_ref().map_or("?", |root| root.name.as_str()),
        )?;
    }
    if let Some(row) = report.maps.iter().find(|row| row.types == ["sync.Map"]) {
        writeln!(
            out,
            "  • The sync.Map {} holds {} entries, {} of its own for keys and nodes.",
            name(row),
            count(row.entries),
            bytes(row.own_bytes),
        )?;
    }
    writeln!(
        out,
        "\nNow on your own program, running or dead:\n  tophash inspect $(pidof server)\n  \
         tophash capture $(pidof server) -o server.core.zst && tophash inspect server.core.zst"
    )?;
    Ok(())
}

fn name(row: &MapRow) -> String {
    row.root.as_ref().map_or_else(|| row.type_name(), |root| root.steps.concat())
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
