//! Rules of the project that neither the compiler nor clippy knows.
//!
//! Each rule stands in `ARCHITECTURE.md` as an invariant; here it is checked,
//! from what cargo says of the packages and from the text of the sources. A
//! fault is one line that says where it is and what is wrong.

mod dependencies;
mod licence;
mod map;
mod metadata;
mod scan;
mod sources;

use anyhow::Result;

/// Checks every rule and lists the faults; an empty list means there are none.
///
/// # Errors
///
/// When cargo cannot be asked or a source file cannot be read.
pub fn check() -> Result<Vec<String>> {
    let packages = metadata::load()?;
    let files = sources::load()?;
    let mut faults = dependencies::faults(&packages);
    faults.extend(sources::faults(&files));
    faults.extend(map::faults(&files)?);
    Ok(faults)
}
