//! `tophash inspect`: from what a person names to a report.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use tophash_diagnose::Finding;
use tophash_memory::{ProcessOptions, Target};

use crate::Outcome;
use crate::analysis::analyse;
use crate::args::{Format, InspectOptions, SeverityName, TargetOptions, ViewOptions};
use crate::join::Source;
use crate::progress::Progress;
use crate::report::{Report, json, table};

pub(crate) fn run(options: &InspectOptions) -> Result<Outcome> {
    let progress = Progress::new();
    // First, since it may not be there at all.
    let source = Source::read(&options.source, &progress)?;
    let target = open(&options.target, &options.how, &progress)?;
    let mut report = analyse(&target, &options.view, &progress)?;
    if let Some(source) = source {
        source.explain(&mut report);
    }
    drop(progress);
    print(&report, &options.view)?;
    Ok(outcome(&report.findings, options.view.fail_on))
}

/// Tells whether a finding is as severe as the person said.
pub(crate) fn outcome(findings: &[Finding], fail_on: Option<SeverityName>) -> Outcome {
    let worst = findings.iter().map(|finding| finding.severity).max();
    match fail_on {
        Some(least) if worst >= Some(least.into()) => Outcome::Found,
        _ => Outcome::Done,
    }
}

/// Opens what the person named: a process by its number, else a core or heap dump.
pub(crate) fn open(target: &str, how: &TargetOptions, progress: &Progress) -> Result<Target> {
    let path = Path::new(target);
    match target.parse::<u32>() {
        Ok(pid) if !path.exists() => {
            let copied = progress.copying(pid);
            let process = ProcessOptions {
                mode: how.stop.mode(),
                executable: how.exe.clone(),
                progress: Some(&copied),
            };
            Ok(Target::open_process(pid, &process)?)
        }
        _ => {
            progress.step(format!("opening {}", path.display()));
            Ok(Target::open_file(path, how.exe.as_deref())?)
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
