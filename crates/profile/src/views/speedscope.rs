//! Speedscope's file format: every column as a profile of its own, sharing frames.
//!
//! Weights can't be negative there, so that of a comparison only what grew is written.

use std::io::{self, Write};

use super::json_text;
use crate::graph::Functions;
use crate::profile::Profile;

/// Writes all columns; `first` is the one that is shown.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_speedscope(
    out: &mut dyn Write,
    profile: &Profile,
    first: usize,
    title: &str,
) -> io::Result<()> {
    let functions = Functions::new(profile);
    write!(
        out,
        "{{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\"exporter\":\
         \"tophash\",\"name\":{},\"activeProfileIndex\":{first},\"shared\":{{\"frames\":[",
        json_text(title)
    )?;
    for (at, (name, file)) in functions.names.iter().zip(&functions.files).enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{{\"name\":{},\"file\":{}}}", json_text(name), json_text(file))?;
    }
    write!(out, "]}},\"profiles\":[")?;
    for (column, ty) in profile.sample_types().iter().enumerate() {
        let grown = |&sample: &usize| profile.value(sample, column) > 0;
        let samples = || (0..profile.samples.len()).filter(grown);
        let end: i64 = samples().map(|sample| profile.value(sample, column)).sum();
        let unit = match ty.unit.as_str() {
            unit @ ("bytes" | "nanoseconds" | "microseconds" | "milliseconds" | "seconds") => unit,
            _ => "none",
        };
        write!(
            out,
            "{}{{\"type\":\"sampled\",\"name\":{},\"unit\":\"{unit}\",\"startValue\":0,\
             \"endValue\":{end},\"samples\":[",
            if column == 0 { "" } else { "," },
            json_text(&ty.name)
        )?;
        for (at, sample) in samples().enumerate() {
            write!(out, "{}[", if at == 0 { "" } else { "," })?;
            let mut comma = "";
            for &location in profile.stack(sample).iter().rev() {
                for function in functions.at(profile, location).iter().rev() {
                    write!(out, "{comma}{function}")?;
                    comma = ",";
                }
            }
            write!(out, "]")?;
        }
        write!(out, "],\"weights\":[")?;
        for (at, sample) in samples().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}{}", profile.value(sample, column))?;
        }
        write!(out, "]}}")?;
    }
    writeln!(out, "]}}")
}
