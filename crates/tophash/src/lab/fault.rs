//! `tophash lab fault`: what a collector with a fault frees too early.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::json;
use tophash_lab::{Fault, FaultStory, NamedRelease, tell_fault};

use crate::args::{FaultName, Format, LabFaultOptions};
use crate::report::style::{dim, heading};

/// Reports that are printed.
const SHOWN: usize = 3;

pub(super) fn run(options: &LabFaultOptions) -> Result<()> {
    let release = NamedRelease::named(&options.go)?;
    let (fault, what) = match options.fault {
        FaultName::None => (None, "a sound collector"),
        FaultName::MapArrays => {
            (Some(Fault::MapArraysNotScanned), "a collector that does not look into map arrays")
        }
        FaultName::LostBarrier => {
            (Some(Fault::LostBarrier { every: 1 }), "a program without write barriers")
        }
        FaultName::ShiftedPointer => (
            Some(Fault::ShiftedPointer { pointer: 0 }),
            "a pointer map with one pointer a word off",
        ),
        FaultName::SkippedOverflow => {
            (Some(Fault::SkippedOverflow { every: 1 }), "a collector that skips overflow buckets")
        }
    };
    let story = tell_fault(release.release().version(), fault)?;
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    match options.format {
        Format::Table => print(&mut out, &release, what, &story)?,
        Format::Json => {
            let reports: Vec<_> = story
                .reports
                .iter()
                .map(|report| {
                    json!({
                        "cycle": report.cycle,
                        "object": report.object.to_string(),
                        "bytes": report.size.get(),
                        "path": report.path.iter().map(|step| json!({
                            "holder": step.holder.to_string(),
                            "to": step.to.to_string(),
                            "marked": step.is_marked,
                        })).collect::<Vec<_>>(),
                        "read": report.following_read.map(|read| json!({
                            "at": read.at.to_string(),
                            "value": format!("{:#x}", read.value),
                        })),
                    })
                })
                .collect();
            let story = json!({
                "schema": 1, "go": release.name(), "fault": what, "lost": story.lost,
                "seed": story.seed, "reports": reports, "trace": story.trace,
            });
            serde_json::to_writer_pretty(&mut out, &story)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn print(
    out: &mut dyn Write,
    release: &NamedRelease,
    what: &str,
    story: &FaultStory,
) -> io::Result<()> {
    writeln!(out, "{} Go {}, seed {}", heading(what), release.name(), story.seed)?;
    writeln!(
        out,
        "A global holds a map[int64]*T of 50 entries; the elems move from key to key while the \
         collector marks.\n"
    )?;
    for line in &story.trace {
        writeln!(out, "  {}", dim(line))?;
    }
    match story.lost {
        0 => writeln!(out, "\nNothing that can be reached was freed.")?,
        lost => writeln!(out, "\n{lost} objects were freed while they could be reached:\n")?,
    }
    for report in story.reports.iter().take(SHOWN) {
        writeln!(out, "{report}\n")?;
    }
    if story.reports.len() > SHOWN {
        writeln!(out, "and {} more\n", story.lost as usize - SHOWN)?;
    }
    if story.lost > 0 {
        writeln!(out, "Next: tophash lab fault none; tophash lab run early-reclamation.")?;
    }
    Ok(())
}
