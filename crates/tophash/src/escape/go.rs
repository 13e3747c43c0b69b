//! The installed Go compiler, asked for its verdicts.
//!
//! `go list -export -gcflags=-m=2` compiles the packages that are named, and only these with `-m`; it
//! links nothing and writes nothing into the user's folders, however many programs are among them. What
//! was compiled before is printed again from the build cache, in all releases from 1.19 on. On its
//! standard output it says where the packages lie and on what they depend.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tophash_escape::{Build, PackagePlace, Report};

use super::sources::Sources;
use crate::go_command::GoCommand;

/// Lines of a fault that are shown.
const FAULT_LINES: usize = 15;

/// A go command.
#[derive(Debug, Clone)]
pub(super) struct Go {
    command: PathBuf,
    goroot: Option<PathBuf>,
}

/// What a compiler says of some packages.
pub(crate) struct Verdicts {
    /// What the compiler calls itself: `go1.27.3`.
    pub(crate) version: String,
    pub(crate) report: Report,
    pub(crate) sources: Sources,
    /// Import paths of packages called `main`.
    pub(crate) programs: HashSet<String>,
    /// The folder that files are relative to.
    pub(crate) dir: PathBuf,
}

impl Verdicts {
    /// For a comparison.
    pub(super) fn build(&self) -> Build<'_> {
        Build { report: &self.report, version: &self.version }
    }
}

/// What is asked of the compiler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'q> {
    pub(super) dir: &'q Path,
    pub(super) packages: &'q [String],
    pub(super) tags: Option<&'q str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    import_path: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    deps: Vec<String>,
    dir: Option<String>,
    module: Option<Module>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Module {
    path: String,
}

impl Go {
    /// Takes a GOROOT, a go command by path or by name; the PATH's `go` unless told.
    pub(super) fn find(place: Option<&Path>) -> Result<Self> {
        let Some(place) = place else { return Ok(Self { command: "go".into(), goroot: None }) };
        let GoCommand { path, goroot } = GoCommand::find(place)?;
        Ok(Self { command: path, goroot })
    }

    fn run(&self, dir: &Path, arguments: &[&str]) -> Result<std::process::Output> {
        let mut command = Command::new(&self.command);
        command.args(arguments).current_dir(dir).env("PWD", dir);
        if let Some(goroot) = &self.goroot {
            // The one that was asked for, not the one that go.mod would have.
            command.env("GOROOT", goroot).env("GOTOOLCHAIN", "local");
        }
        command.output().with_context(|| {
            format!(
                "there is no {} that can be run; install Go, name one with --go GOROOT, or take \
                 --engine native, which needs none",
                self.command.display()
            )
        })
    }

    fn version(&self, dir: &Path) -> Result<String> {
        let output = self.run(dir, &["env", "GOVERSION"])?;
        if !output.status.success() {
            bail!("go env failed:\n{}", excerpt(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Compiles packages and reads what is said of them.
    pub(super) fn ask(&self, question: Question<'_>) -> Result<Verdicts> {
        let dir = question
            .dir
            .canonicalize()
            .with_context(|| format!("{} can't be used", question.dir.display()))?;
        let version = self.version(&dir)?;
        let mut arguments =
            vec!["list", "-export", "-gcflags=-m=2", "-json=ImportPath,Name,Deps,Dir,Module"];
        if let Some(tags) = question.tags {
            arguments.extend(["-tags", tags]);
        }
        arguments.push("--");
        arguments.extend(question.packages.iter().map(String::as_str));
        let output = self.run(&dir, &arguments)?;
        let text = String::from_utf8_lossy(&output.stderr);
        let listed = read_list(&output.stdout);
        let sources = Sources::new(&dir, names_of(&listed)).with_places(places_of(&listed));
        let report = tophash_escape::read(&text, &sources);
        if !output.status.success() {
            return Err(fault(&report, &version));
        }
        if listed.is_empty() {
            bail!("{} names no package", question.packages.join(" "));
        }
        let programs = listed.into_iter().filter(|package| package.name == "main");
        let programs = programs.map(|package| package.import_path).collect();
        Ok(Verdicts { version, report, sources, programs, dir })
    }
}

/// Says why nothing was built, and what to do.
fn fault(report: &Report, version: &str) -> anyhow::Error {
    let said = excerpt(&report.other.join("\n"));
    let remedy = if said.contains("go.mod file not found")
        || said.contains("cannot find main module")
    {
        "\nrun it in a module's folder, or name one with -C DIR"
    } else if said.contains("is not in std") || said.contains("is not in GOROOT") {
        "\nis the package's path right? -C DIR names the module's folder"
    } else if said.contains("missing go.sum entry") || said.contains("no required module provides")
    {
        "\ngo mod tidy, or go get, adds what is missing"
    } else {
        "\nonly what compiles has verdicts: go build must succeed first"
    };
    anyhow::anyhow!("{version} can't build this:\n{said}{remedy}")
}

/// Reads the objects that `go list -json` prints one after the other.
fn read_list(json: &[u8]) -> Vec<Listed> {
    serde_json::Deserializer::from_slice(json).into_iter().map_while(Result::ok).collect()
}

/// Where the packages lie.
fn places_of(listed: &[Listed]) -> HashMap<String, PackagePlace> {
    let place = |package: &Listed| {
        let module = package.module.as_ref().map(|module| module.path.as_str().into());
        Some(PackagePlace { folder: package.dir.as_deref()?.into(), module })
    };
    listed
        .iter()
        .filter_map(|package| Some((package.import_path.clone(), place(package)?)))
        .collect()
}

/// For each package, the names that the packages it depends on probably have.
fn names_of(listed: &[Listed]) -> HashMap<String, HashSet<String>> {
    let names = |package: &Listed| -> HashSet<String> {
        package.deps.iter().flat_map(|path| probable_names(path)).collect()
    };
    listed.iter().map(|package| (package.import_path.clone(), names(package))).collect()
}

/// A package is mostly called like the last part of its path, without a version and without `go`.
fn probable_names(path: &str) -> Vec<String> {
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let mut parts = path.rsplit('/');
    let mut last = parts.next().unwrap_or(path);
    if is_version(last) {
        last = parts.next().unwrap_or(last);
    }
    if let Some((front, version)) = last.rsplit_once('.')
        && is_version(version)
    {
        last = front;
    }
    let mut names = vec![last.to_owned()];
    let bare = last.strip_prefix("go-").or_else(|| last.strip_prefix("go."));
    let bare = bare.or_else(|| last.strip_suffix("-go")).or_else(|| last.strip_suffix(".go"));
    names.extend(bare.map(str::to_owned));
    // Names have no dashes: a-b is called b, or ab.
    if let Some((_, end)) = last.rsplit_once('-') {
        names.push(end.to_owned());
        names.push(last.replace('-', ""));
    }
    names
}

fn excerpt(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let left_out = lines.len().saturating_sub(FAULT_LINES);
    lines.truncate(FAULT_LINES);
    let mut out = lines.join("\n");
    if left_out > 0 {
        out.push_str(&format!("\n({left_out} more lines)"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_called_like_the_end_of_their_path() {
        for (path, name) in [
            ("net/http", "http"),
            ("gopkg.in/yaml.v3", "yaml"),
            ("github.com/x/pb/v2", "pb"),
            ("github.com/x/go-isatty", "isatty"),
            ("fmt", "fmt"),
        ] {
            assert!(probable_names(path).contains(&name.to_owned()), "{path}");
        }
    }

    #[test]
    fn a_list_is_read_as_far_as_it_goes() {
        let listed = read_list(br#"{"ImportPath":"a","Name":"main"} {"ImportPath":"b"} {"Imp"#);
        assert_eq!(listed.len(), 2);
        assert_eq!(listed[0].name, "main");
    }
}
