//! Go toolchains: finding them, building the experiments' programs and running them.
//!
//! All programs are built into one, in a temporary folder, without network and without settings of
//! the user; each experiment then runs in a process and a folder of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tophash_goruntime::{GoVersion, LayoutTable};
use tophash_lab::{Experiment, GoRelease, HARNESS, Measurement, read_measurements};

use crate::go_command::GoCommand;

/// How often a running experiment is looked after.
const LOOK: Duration = Duration::from_millis(10);
/// More output than this is not an experiment's.
const MOST_OUTPUT: u64 = 4 << 20;
/// How much of a fault's text is shown.
const FAULT_LINES: usize = 12;

/// An installed Go.
pub(crate) struct Toolchain {
    go: PathBuf,
    goroot: PathBuf,
    version: String,
    release: GoRelease,
}

/// The experiments' programs, built.
pub(crate) struct Programs<'t> {
    toolchain: &'t Toolchain,
    folder: TempDir,
}

impl Toolchain {
    /// Finds the toolchain that a person means: a GOROOT, or a `go` command by path or name.
    pub(crate) fn find(place: &Path) -> Result<Self> {
        let go = GoCommand::find(place)?.path;
        let output = clean(Command::new(&go))
            .args(["env", "GOVERSION", "GOROOT"])
            .output()
            .with_context(|| format!("{} can't be run", go.display()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        let (Some(version), Some(goroot)) = (lines.next(), lines.next()) else {
            bail!("{} env failed: {}", go.display(), excerpt(&output.stderr));
        };
        let parsed = GoVersion::parse(version)
            .with_context(|| format!("{} is {version}, which is no release", go.display()))?;
        let release = GoRelease::of(parsed.minor()).with_context(|| {
            let known: Vec<_> =
                LayoutTable::releases().map(|known| format!("1.{}", known.minor())).collect();
            format!("{version} is not known here; the experiments run with Go {}", known.join(", "))
        })?;
        Ok(Self { go, goroot: goroot.into(), version: version.to_owned(), release })
    }

    /// What the toolchain calls itself: `go1.27.3`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn release(&self) -> &GoRelease {
        &self.release
    }

    /// Builds the programs of all experiments.
    pub(crate) fn build(&self, experiments: &[&'static Experiment]) -> Result<Programs<'_>> {
        let folder = tempfile::tempdir().context("a temporary folder can't be made")?;
        let source = folder.path().join("source");
        let write = |name: &str, text: &str| {
            let path = source.join(name);
            fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))
        };
        fs::create_dir(&source).context("a temporary folder can't be made")?;
        write("go.mod", &format!("module experiments\n\ngo 1.{}\n", self.release.minor()))?;
        write("harness.go", HARNESS)?;
        for experiment in experiments {
            write(&format!("{}.go", experiment.name), experiment.program)?;
        }
        let output = self
            .command(folder.path())
            .current_dir(&source)
            .args(["build", "-o", "../experiments", "."])
            .output()
            .with_context(|| format!("{} can't be run", self.go.display()))?;
        ensure!(
            output.status.success(),
            "{} can't build the experiments; is its GOROOT complete?\n{}",
            self.version,
            excerpt(&output.stderr)
        );
        Ok(Programs { toolchain: self, folder })
    }

    /// A `go` command without network or settings of the user.
    fn command(&self, folder: &Path) -> Command {
        let mut command = clean(Command::new(&self.go));
        self.environment(&mut command, folder);
        command
    }

    fn environment(&self, command: &mut Command, folder: &Path) {
        command.env("GOROOT", &self.goroot).env("TOPHASH_GO", &self.go);
        let has = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !["GOCACHE", "XDG_CACHE_HOME", "HOME"].into_iter().any(has) {
            command.env("GOCACHE", folder.join("cache"));
        }
    }
}

impl Programs<'_> {
    /// Runs an experiment's program and reads its figures.
    pub(crate) fn run(
        &self,
        experiment: &'static Experiment,
        timeout: Duration,
    ) -> Result<Vec<Measurement>> {
        let place = || format!("{} with {}", experiment.name, self.toolchain.version);
        let scratch = tempfile::tempdir_in(self.folder.path()).with_context(place)?;
        let (out_path, err_path) =
            (self.folder.path().join("output"), self.folder.path().join("errors"));
        let mut command = clean(Command::new(self.folder.path().join("experiments")));
        self.toolchain.environment(&mut command, self.folder.path());
        let mut child = command
            .arg(experiment.name)
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out_path).with_context(place)?)
            .stderr(File::create(&err_path).with_context(place)?)
            .spawn()
            .with_context(|| format!("{} can't be run", place()))?;
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().with_context(place)? {
                break status;
            }
            if start.elapsed() > timeout {
                child.kill().with_context(place)?;
                child.wait().with_context(place)?;
                bail!(
                    "{} did not end within {}; --timeout gives it longer",
                    place(),
                    humantime::format_duration(timeout)
                );
            }
            std::thread::sleep(LOOK);
        };
        let errors = fs::read(&err_path).unwrap_or_default();
        ensure!(status.success(), "{} failed: {}", place(), excerpt(&errors));
        let len = fs::metadata(&out_path).with_context(place)?.len();
        ensure!(len <= MOST_OUTPUT, "{} printed {len} bytes", place());
        let output = fs::read_to_string(&out_path).with_context(place)?;
        read_measurements(experiment.quantities, &self.toolchain.release, &output)
            .with_context(place)
    }
}

/// Takes settings of the user out of a command's environment.
fn clean(mut command: Command) -> Command {
    for name in ["GODEBUG", "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GOTRACEBACK", "GOROOT", "GOAMD64"]
    {
        command.env_remove(name);
    }
    for (name, value) in [
        ("GOTOOLCHAIN", "local"),
        ("GOENV", "off"),
        ("GOFLAGS", ""),
        ("GOWORK", "off"),
        ("GO111MODULE", "on"),
        ("GOPROXY", "off"),
        ("GOEXPERIMENT", ""),
        ("CGO_ENABLED", "0"),
        ("GOOS", "linux"),
        ("GOARCH", "amd64"),
    ] {
        command.env(name, value);
    }
    command
}

/// The first lines of what a program complained of.
fn excerpt(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<_> = text.lines().take(FAULT_LINES).map(crate::report::style::clean).collect();
    if lines.is_empty() { "it says nothing".to_owned() } else { lines.join("\n") }
}
