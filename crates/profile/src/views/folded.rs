//! One line a stack: functions from the outermost, and the value. Flame graph scripts read it.

use std::io::{self, Write};

use crate::graph::Functions;
use crate::profile::Profile;

/// Writes all stacks of a column with a value.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_folded(out: &mut dyn Write, profile: &Profile, column: usize) -> io::Result<()> {
    let functions = Functions::new(profile);
    // What separates calls and lines can't be in a name.
    let names: Vec<String> =
        functions.names.iter().map(|name| super::clean(name).replace(';', ":")).collect();
    let mut line = String::new();
    for sample in 0..profile.samples.len() {
        let value = profile.value(sample, column);
        if value == 0 || profile.stack(sample).is_empty() {
            continue;
        }
        line.clear();
        for &location in profile.stack(sample).iter().rev() {
            for &function in functions.at(profile, location).iter().rev() {
                if !line.is_empty() {
                    line.push(';');
                }
                line.push_str(&names[function as usize]);
            }
        }
        writeln!(out, "{line} {value}")?;
    }
    Ok(())
}
