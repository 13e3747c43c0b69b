//! The engine that needs no Go: verdicts from the source alone.
//!
//! Packages are named as folders, files, `./...` or import paths. Types of imports come from a GOROOT, if one is
//! found, from the module itself, its workspace and the module cache; what imports do with their arguments comes
//! from a table for the standard library, and for all others from their source, which is analysed first, whether
//! it was asked for or not. All else is unknown, and each place where that matters is listed.
//!
//! The verdicts are those of a build without inlining (`-gcflags=-l`), and are handed on as the text that the
//! compiler would print, so that all that reads the compiler reads them too.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context as _, Result, anyhow, bail};
use tophash_escape::PackagePlace;
use tophash_escape_engine::{
    Analysis, GoVersion, Imports, Leaks, Options, Table, Unresolved, analyze,
};
use tophash_typecheck::{
    BuildContext, Folders, Source, SourceFile, Universe, check, on_deep_stack, parse_folder,
    parse_texts, read,
};

use super::go::Verdicts;
use super::modules;
use super::sources::Sources;
use crate::report::style::plural;

/// What is asked of the engine.
pub(super) struct Question<'q> {
    pub(super) dir: &'q Path,
    pub(super) packages: &'q [String],
    pub(super) tags: Option<&'q str>,
    /// The release whose rules are followed: that of the GOROOT unless told.
    pub(super) rules: Option<&'q str>,
    /// How many places that could not be resolved are listed; 0 for all.
    pub(super) top: usize,
    /// The GOROOT that was named.
    pub(super) goroot: Option<&'q Path>,
}

/// More packages that are imported than this are not read.
const MAX_CALLEES: usize = 5000;

/// A package that was asked for, or that one of those imports.
struct Wanted {
    path: String,
    files: Vec<String>,
    folder: PathBuf,
}

/// What a package's analysis gave, as plain values that leave the deep stack.
struct Found {
    path: String,
    folder: PathBuf,
    name: String,
    files: Vec<String>,
    imports: HashSet<String>,
    analysis: Analysis,
}

/// What a run gave.
struct Answer {
    /// The packages that were asked for.
    found: Vec<Found>,
    /// Files that could not be read, and why.
    passed_over: Vec<String>,
    /// Imports whose source is not here.
    missing: BTreeSet<String>,
}

/// Analyses packages. Besides the verdicts it returns what is to be said of them.
pub(super) fn ask(question: &Question<'_>) -> Result<(Verdicts, Vec<String>)> {
    let dir = question
        .dir
        .canonicalize()
        .with_context(|| format!("{} can't be used", question.dir.display()))?;
    let goroot = modules::goroot(question.goroot)?;
    let release = goroot.as_deref().and_then(modules::release);
    let version = version(question, release.as_deref())?;
    let context = question.tags.unwrap_or_default().split(',').filter(|tag| !tag.is_empty());
    let context =
        context.fold(BuildContext::linux_amd64(version.minor().into()), BuildContext::tag);
    let folders = places(&context, goroot.as_deref(), &dir)?;
    let wanted = wanted(question.packages, &dir, &folders, goroot.as_deref())?;
    let table = Table::of(version)?;
    let run = Run { context, folders, goroot: goroot.clone(), version };
    let answer = on_deep_stack(move || run.all(wanted, table))?;

    let mut text = String::new();
    let mut names: HashMap<String, HashSet<String>> = HashMap::new();
    let mut programs = HashSet::new();
    let mut notes = notes(version, release.as_deref(), goroot.as_deref());
    notes.extend(answer.passed_over.iter().map(|fault| format!("passed over: {fault}")));
    if !answer.missing.is_empty() {
        notes.push(missing(&answer.missing));
    }
    let mut unresolved = Vec::new();
    for package in &answer.found {
        let shown: Vec<String> = package.files.iter().map(|file| relative(file, &dir)).collect();
        print(&mut text, package, &shown);
        let last = |path: &String| path.rsplit('/').next().unwrap_or(path).to_owned();
        names.insert(package.path.clone(), package.imports.iter().map(last).collect());
        if package.name == "main" {
            programs.insert(package.path.clone());
        }
        let places = &package.analysis.unresolved;
        unresolved.extend(places.iter().map(|place| shown_place(place, &shown)));
    }
    if !unresolved.is_empty() {
        notes.push(format!(
            "{} could not be resolved; what flows into {} is taken to go to the heap:",
            plural(unresolved.len() as u64, "place"),
            if unresolved.len() == 1 { "it" } else { "them" },
        ));
        let count = unresolved.len();
        let most = if question.top == 0 { count } else { question.top.min(count) };
        notes.extend(unresolved.into_iter().take(most));
        if most < count {
            notes.push(format!("  and {} more; --top 0 lists all", count - most));
        }
    }
    let places = answer.found.iter().map(|package| (package.path.clone(), place(package)));
    let sources = Sources::new(&dir, names).with_places(places.collect());
    let report = tophash_escape::read(&text, &sources);
    let version = format!("go{version}, the native engine");
    Ok((Verdicts { version, report, sources, programs, dir }, notes))
}

/// Where a package lies, by which frames of a profile are known to be its own.
fn place(package: &Found) -> PackagePlace {
    PackagePlace {
        folder: package.folder.to_string_lossy().into(),
        module: modules::find(&package.folder).map(|module| module.go_mod.module.into()),
    }
}

fn known_releases(text: &str) -> String {
    let known: Vec<_> = GoVersion::ALL.iter().map(ToString::to_string).collect();
    let text = text.trim_start_matches("go");
    format!("the engine has no rules of Go {text}: it knows {}", known.join(", "))
}

/// The release whose rules are followed.
fn version(question: &Question<'_>, release: Option<&str>) -> Result<GoVersion> {
    if let Some(text) = question.rules {
        return GoVersion::parse(text).with_context(|| known_releases(text));
    }
    match release.and_then(GoVersion::parse) {
        Some(version) => Ok(version),
        None if question.goroot.is_some() => Err(anyhow!(
            "{}; --rules follows those of one of them",
            known_releases(release.unwrap_or("this GOROOT"))
        )),
        None => Ok(GoVersion::NEWEST),
    }
}

fn notes(version: GoVersion, release: Option<&str>, goroot: Option<&Path>) -> Vec<String> {
    let mut notes =
        vec![format!("by the rules of Go {version}, as built without inlining (-gcflags=-l)")];
    match (goroot, release) {
        (None, _) => notes.push(
            "no GOROOT was found: types from the standard library are unknown; --go GOROOT names one"
                .to_owned(),
        ),
        (Some(goroot), Some(release)) if GoVersion::parse(release) != Some(version) => {
            notes.push(format!("types from the library of {release} in {}", goroot.display()));
        }
        _ => {}
    }
    notes
}

/// Imports that are not here.
fn missing(paths: &BTreeSet<String>) -> String {
    const SHOWN: usize = 5;
    let first: Vec<&str> = paths.iter().take(SHOWN).map(String::as_str).collect();
    let more = paths.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "the source of {}{more} is not here, though imported; go mod download fetches what go.mod requires",
        first.join(", ")
    )
}

/// Where imports of a folder's packages lie.
fn places(context: &BuildContext, goroot: Option<&Path>, dir: &Path) -> Result<Folders> {
    let mut folders = Folders::new(context.clone());
    if let Some(goroot) = goroot {
        folders = folders.goroot(goroot);
    }
    let own = modules::find(dir).map(|module| module.folder);
    let others = modules::workspace(own.as_deref().unwrap_or(dir));
    let cache = modules::cache().unwrap_or_default();
    for folder in own.iter().chain(&others) {
        let unreadable = || format!("{} can't be read", folder.join("go.mod").display());
        (folders, _) = folders.with_go_mod(folder, &cache).with_context(unreadable)?;
    }
    Ok(folders)
}

fn shown_place(place: &Unresolved, files: &[String]) -> String {
    let file = files.get(place.file).map_or("?", String::as_str);
    format!("  {file}:{}:{}: {}", place.line, place.column, place.what)
}

/// A file as the compiler prints it: relative to where it was asked.
fn relative(file: &str, dir: &Path) -> String {
    match Path::new(file).strip_prefix(dir) {
        Ok(inside) => format!("./{}", inside.display()),
        Err(_) => file.to_owned(),
    }
}

/// The text that the compiler would print with `-m=2`.
fn print(text: &mut String, package: &Found, files: &[String]) {
    let _ = writeln!(text, "# {}", package.path);
    for verdict in &package.analysis.verdicts {
        let file = files.get(verdict.file).map_or("?", String::as_str);
        let place = format!("{file}:{}:{}", verdict.line, verdict.column);
        for line in &verdict.flow {
            let line = with_shown_place(line, &package.files, files);
            let _ = writeln!(text, "{place}: {line}");
        }
        let _ = writeln!(text, "{place}: {}", verdict.text);
    }
}

/// A step of a flow, with the file that it names as it is shown.
fn with_shown_place(line: &str, files: &[String], shown: &[String]) -> String {
    let Some((head, place)) = line.rsplit_once(" at ") else { return line.to_owned() };
    let found = files.iter().zip(shown).find_map(|(file, shown)| {
        let rest = place.strip_prefix(file.as_str())?;
        rest.starts_with(':').then(|| format!("{head} at {shown}{rest}"))
    });
    found.unwrap_or_else(|| line.to_owned())
}

/// Packages by what names them; files form one package.
fn wanted(
    packages: &[String],
    dir: &Path,
    places: &Folders,
    goroot: Option<&Path>,
) -> Result<Vec<Wanted>> {
    let (files, others): (Vec<_>, Vec<_>) = packages.iter().partition(|name| name.ends_with(".go"));
    let mut found: BTreeMap<PathBuf, Wanted> = BTreeMap::new();
    if !files.is_empty() {
        let files: Vec<_> = files.iter().map(|name| dir.join(name).display().to_string()).collect();
        let path = "command-line-arguments".to_owned();
        found.insert(PathBuf::new(), Wanted { path, files, folder: dir.to_owned() });
    }
    for name in others {
        for folder in folders(name, dir, places)? {
            let path = modules::import_path(&folder, modules::find(&folder).as_ref(), goroot);
            found.insert(folder.clone(), Wanted { path, files: Vec::new(), folder });
        }
    }
    Ok(found.into_values().collect())
}

fn folders(name: &str, dir: &Path, places: &Folders) -> Result<Vec<PathBuf>> {
    let (base, is_tree) = match name.strip_suffix("...") {
        Some(base) => (base.trim_end_matches('/'), true),
        None => (name, false),
    };
    let is_local = base.is_empty() || base.starts_with('.') || Path::new(base).is_absolute();
    let folder = match is_local {
        true => Some(dir.join(base)),
        false => places.find(base, "").map(|(_, folder)| folder),
    };
    let Some(folder) = folder.and_then(|folder| folder.canonicalize().ok()) else {
        bail!(
            "{name} is no folder, file or package that can be found here; \
             a folder is named ./like/this"
        );
    };
    if !is_tree {
        return Ok(vec![folder]);
    }
    Ok(modules::tree(&folder))
}

/// Everything that a run needs on its own stack.
struct Run {
    context: BuildContext,
    folders: Folders,
    goroot: Option<PathBuf>,
    version: GoVersion,
}

struct Parsed {
    wanted: Wanted,
    files: Vec<Rc<SourceFile>>,
    passed_over: Vec<String>,
    imports: HashSet<String>,
}

impl Run {
    fn all(self, wanted: Vec<Wanted>, table: Table) -> Result<Answer> {
        let mut packages: Vec<Parsed> =
            wanted.into_iter().map(|wanted| self.parse(wanted)).collect::<Result<_>>()?;
        let passed_over: Vec<String> =
            packages.iter_mut().flat_map(|package| package.passed_over.drain(..)).collect();
        // Of a whole tree, folders without files for this build are no packages.
        packages.retain(|package| !package.files.is_empty());
        if packages.is_empty() {
            let faults = passed_over.iter().fold(String::new(), |all, fault| all + "\n" + fault);
            match faults.is_empty() {
                true => bail!("there are no Go files here that a build for linux/amd64 takes"),
                false => bail!("none of the Go files here can be read:{faults}"),
            }
        }
        let asked: HashSet<String> =
            packages.iter().map(|package| package.wanted.path.clone()).collect();
        let missing = self.add_callees(&mut packages)?;
        let folders = Rc::new(self.folders);
        let mut leaks = WithOthers { table, others: HashMap::new() };
        let mut found = Vec::new();
        for package in callees_first(packages) {
            let analysis = one(&package, &folders, self.version, &leaks);
            for (name, row) in &analysis.leaks {
                leaks.others.insert(format!("{}.{name}", package.wanted.path), row.clone());
            }
            if !asked.contains(&package.wanted.path) {
                continue;
            }
            let name = package.files.first().map(|file| file.ast.pkg_name.name.clone());
            found.push(Found {
                path: package.wanted.path,
                folder: package.wanted.folder,
                name: name.unwrap_or_default(),
                files: package.files.iter().map(|file| file.path.clone()).collect(),
                imports: package.imports,
                analysis,
            });
        }
        Ok(Answer { found, passed_over, missing })
    }

    fn parse(&self, wanted: Wanted) -> Result<Parsed> {
        let parsed = if wanted.files.is_empty() {
            parse_folder(&wanted.folder, &self.context)
        } else {
            let mut texts = Vec::new();
            for path in &wanted.files {
                let text = read(Path::new(path))
                    .map_err(|fault| anyhow!("{} {}", fault.path, fault.reason))?;
                texts.push((path.clone(), text));
            }
            parse_texts(texts.iter().map(|(path, text)| (path.as_str(), text.as_str())))
        };
        let imports = parsed
            .files
            .iter()
            .flat_map(|file| &file.ast.imports)
            .map(|import| import.path.value.trim_matches(['"', '`']).to_owned())
            .collect();
        let passed_over = parsed.passed_over.iter();
        let passed_over =
            passed_over.map(|fault| format!("{}: {}", fault.path, fault.reason)).collect();
        Ok(Parsed { wanted, files: parsed.files, passed_over, imports })
    }

    /// Adds the packages that these import, and those that they do, but for the standard library's, which are in
    /// the table. Returns what is imported by these and is not here.
    fn add_callees(&self, packages: &mut Vec<Parsed>) -> Result<BTreeSet<String>> {
        let asked = packages.len();
        let mut known: HashSet<String> =
            packages.iter().map(|package| package.wanted.path.clone()).collect();
        let mut missing = BTreeSet::new();
        let mut at = 0;
        while let Some(package) = packages.get(at).filter(|_| at < asked + MAX_CALLEES) {
            let from = package.wanted.path.clone();
            let imports: BTreeSet<String> = package.imports.iter().cloned().collect();
            for import in imports {
                if matches!(&*import, "C" | "unsafe") || known.contains(&import) {
                    continue;
                }
                let Some((path, folder)) = self.folders.find(&import, &from) else {
                    if at < asked && (self.goroot.is_some() || !is_of_library(&import)) {
                        missing.insert(import);
                    }
                    continue;
                };
                if let Some(package) = packages.get_mut(at) {
                    // A vendored one is called otherwise than where it is imported.
                    package.imports.insert(path.clone());
                }
                if !known.insert(path.clone()) || self.is_in_table(&folder) {
                    continue;
                }
                let callee = self.parse(Wanted { path, files: Vec::new(), folder })?;
                if !callee.files.is_empty() {
                    packages.push(callee);
                }
            }
            at += 1;
        }
        Ok(missing)
    }

    /// Whether a package is one of those that the table knows. It has none that the library keeps of others.
    fn is_in_table(&self, folder: &Path) -> bool {
        let library = self.goroot.as_ref().map(|goroot| goroot.join("src"));
        library.is_some_and(|library| {
            folder.strip_prefix(library).is_ok_and(|inside| !inside.starts_with("vendor"))
        })
    }
}

/// Whether this path is one of the standard library: the first part of any other is a domain.
fn is_of_library(path: &str) -> bool {
    !path.split('/').next().unwrap_or_default().contains('.')
}

fn one(
    package: &Parsed,
    folders: &Rc<Folders>,
    version: GoVersion,
    leaks: &WithOthers,
) -> Analysis {
    let universe = Universe::new(Box::new(Rc::clone(folders)));
    let mut source = Source::new(&package.wanted.path, package.files.clone());
    if let Some(go) = modules::language(&package.wanted.folder) {
        source = source.go(go);
    }
    let checked = check(&universe, source);
    let options = Options { version, imports: leaks, mutations_and_calls: false, bodies: folders };
    analyze(&universe, &checked, options)
}

/// The standard library, and packages that were analysed before.
struct WithOthers {
    table: Table,
    others: HashMap<String, Vec<Leaks>>,
}

impl Imports for WithOthers {
    fn leaks(&self, name: &str) -> Option<&[Leaks]> {
        self.others.get(name).map(|row| &**row).or_else(|| self.table.leaks(name))
    }
}

/// Packages in an order in which each comes after those that it imports.
fn callees_first(packages: Vec<Parsed>) -> Vec<Parsed> {
    let mut left = packages;
    let mut ordered = Vec::new();
    while !left.is_empty() {
        let waiting: HashSet<String> =
            left.iter().map(|package| package.wanted.path.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) =
            left.into_iter().partition(|package| package.imports.is_disjoint(&waiting));
        left = rest;
        if ready.is_empty() {
            // Packages that import one another do not compile; they are taken as they come.
            ordered.append(&mut left);
        }
        ordered.extend(ready);
    }
    ordered
}
