//! `tophash inspect`: from what a person names to a report.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use tophash_memory::{ProcessMode, ProcessOptions, Target};

use crate::analysis::analyse;
use crate::args::{Format, InspectOptions, ViewOptions};
use crate::progress::Progress;
use crate::report::{Report, json, style, table};

pub(crate) fn run(options: &InspectOptions) -> Result<()> {
    let progress = Progress::new();
    let target = open(options, &progress)?;
    let report = analyse(&target, &options.view, &progress)?;
    drop(progress);
    print(&report, &options.view)
}

/// Opens what the person named: a process by its number, else a core or heap dump.
fn open(options: &InspectOptions, progress: &Progress) -> Result<Target> {
    let path = Path::new(&options.target);
    match options.target.parse::<u32>() {
        Ok(pid) if !path.exists() => {
            progress.step(format!("copying the memory of process {pid}"));
            let copied = |done: u64, total: u64| {
                progress.step(format!(
                    "copying the memory of process {pid}: {} of {}",
                    style::bytes(done),
                    style::bytes(total)
                ));
            };
            let mode = match options.unfrozen {
                true => ProcessMode::Unfrozen,
                false => ProcessMode::Frozen { max_pause: options.max_pause },
            };
            let process =
                ProcessOptions { mode, executable: options.exe.clone(), progress: Some(&copied) };
            Ok(Target::open_process(pid, &process)?)
        }
        _ => {
            progress.step(format!("opening {}", path.display()));
            Ok(Target::open_file(path, options.exe.as_deref())?)
        }
    }
}

pub(crate) fn print(report: &Report, view: &ViewOptions) -> Result<()> {
    match view.format {
        Format::Json => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            json::print(&mut out, report, view)?;
            out.flush()?;
        }
        Format::Table => {
            let mut out = anstream::stdout().lock();
            table::print(&mut out, report, view)?;
            out.flush()?;
        }
    }
    Ok(())
}
