//! Schemas of others against which tests hold what tophash writes. None is in the tree: they are fetched
//! when a wide run first asks, and lie in `target/schemas` from then on.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::programs::fetch::npm;
use crate::{lock, paths};

/// The package of the standard's editors that has SARIF's schema with its corrections.
const PACKAGE: (&str, &str) = ("@microsoft/jest-sarif", "1.0.0-beta.0");
const IN_PACKAGE: &str = "package/lib/schemas/sarif-2.1.0-rtm.5.json";

/// Returns the file with the JSON schema of SARIF 2.1.0; `None` if it is not there yet and may not be
/// fetched.
///
/// # Errors
///
/// When it can't be fetched, or the package does not have it.
pub fn sarif(may_fetch: bool) -> Result<Option<PathBuf>> {
    let folder = paths::target().join("schemas");
    let file = folder.join("sarif-2.1.0.json");
    if file.is_file() {
        return Ok(Some(file));
    }
    if !may_fetch {
        return Ok(None);
    }
    fs::create_dir_all(&folder)?;
    let _lock = lock::hold(&folder.join("sarif.lock"))?;
    if !file.is_file() {
        let work = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&folder)?;
        let unpacked = work.path().join("unpacked");
        fs::create_dir(&unpacked)?;
        npm(PACKAGE.0, PACKAGE.1, work.path(), &unpacked)?;
        fs::rename(unpacked.join(IN_PACKAGE), &file)
            .with_context(|| format!("{} has no {IN_PACKAGE}", PACKAGE.0))?;
    }
    Ok(Some(file))
}
