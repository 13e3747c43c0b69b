//! `tophash escape`: why values go to the heap, in the compiler's own words, ranked by what they cost.

mod annotations;
mod changes;
mod cost;
mod go;
mod json;
mod modules;
mod native;
mod options;
mod page;
mod repository;
mod revisions;
mod rows;
mod sarif;
mod sources;
mod table;

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use tophash_escape::{Change, ChangeKind, compare};

pub(crate) use go::Verdicts;
pub(crate) use options::EscapeOptions;
pub(crate) use table::why;
pub(crate) use tophash_escape::Site;

use crate::Outcome;
use crate::progress::Progress;
use crate::report::style;
use go::{Go, Question};
use options::{Engine, FailOn, Format};
use repository::Repository;
use rows::Rows;
use sarif::Listed;

pub(crate) fn run(options: &EscapeOptions) -> Result<Outcome> {
    options.check()?;
    let everything = vec![".".to_owned()];
    let packages = if options.packages.is_empty() { &everything } else { &options.packages };
    let ask =
        |go: &Go, dir: &Path| go.ask(Question { dir, packages, tags: options.tags.as_deref() });
    let progress = Progress::new();
    if options.engine == Engine::Native {
        return native(options, packages, progress);
    }
    match (options.go.as_slice(), options.diff.as_slice()) {
        ([first, second], _) => {
            let (first, second) = (Go::find(Some(first))?, Go::find(Some(second))?);
            progress.step("asking the first compiler");
            let before = ask(&first, &options.dir)?;
            progress.step("asking the second compiler");
            let after = ask(&second, &options.dir)?;
            let names = [before.version.clone(), after.version.clone()];
            drop(progress);
            two(options, &before, &after, &names)
        }
        (_, [first, second]) => {
            revisions::take_away_on_signals()?;
            let go = Go::find(options.go.first().map(|place| &**place))?;
            progress.step(format!("bringing out {first} and {second}"));
            let sides = [first, second].map(|name| revisions::bring_out(&options.dir, name));
            let [a, b] = sides;
            let (a, b) = (a?, b?);
            progress.step(format!("asking the compiler about {first}"));
            let before = ask(&go, &a.dir)?;
            progress.step(format!("asking the compiler about {second}"));
            let after = ask(&go, &b.dir)?;
            drop(progress);
            two(options, &before, &after, &[first.clone(), second.clone()])
        }
        _ => {
            let go = Go::find(options.go.first().map(|place| &**place))?;
            progress.step("asking the compiler");
            let verdicts = ask(&go, &options.dir)?;
            one(options, &verdicts, progress)
        }
    }
}

/// The source alone.
fn native(options: &EscapeOptions, packages: &[String], progress: Progress) -> Result<Outcome> {
    progress.step("reading the source");
    let question = native::Question {
        dir: &options.dir,
        packages,
        tags: options.tags.as_deref(),
        rules: options.rules.as_deref(),
        top: options.top,
        goroot: options.go.first().map(|place| &**place),
    };
    let (verdicts, notes) = native::ask(&question)?;
    for note in notes {
        anstream::eprintln!("{}", style::dim(&style::clean(&note)));
    }
    one(options, &verdicts, progress)
}

/// What a compiler says of all packages of a folder.
pub(crate) fn ask_all(dir: &Path, go: Option<&Path>) -> Result<Verdicts> {
    let packages = ["./...".to_owned()];
    Go::find(go)?.ask(Question { dir, packages: &packages, tags: None })
}

/// One build.
fn one(options: &EscapeOptions, verdicts: &Verdicts, progress: Progress) -> Result<Outcome> {
    let costs = cost::charge(verdicts, &options.cost, &progress)?;
    drop(progress);
    for note in costs.iter().flat_map(|costs| &costs.account.notes) {
        anstream::eprintln!("{}", style::dim(&style::clean(note)));
    }
    let rows = Rows::new(verdicts, costs, options);
    let mut out = BufWriter::new(anstream::stdout().lock());
    match options.format {
        Format::Table => table::print(&mut out, &rows, options)?,
        Format::Json => json::print(&mut out, &rows)?,
        Format::Github => {
            annotations::print(&mut out, &rows, options, &Repository::of(&verdicts.dir))?;
        }
        Format::Sarif => sarif::print(&mut out, &Repository::of(&verdicts.dir), rows.sarif())?,
    }
    out.flush()?;
    if let Some(path) = &options.html {
        page::write(path, &rows, options)?;
    }
    let found = rows.sites.iter().any(|row| row.fails(options.fail_on));
    Ok(if found { Outcome::Found } else { Outcome::Done })
}

/// Two builds.
fn two(
    options: &EscapeOptions,
    before: &Verdicts,
    after: &Verdicts,
    names: &[String; 2],
) -> Result<Outcome> {
    let mut all = compare(before.build(), after.build());
    all.retain(|change| rows::is_wanted(change.site, options));
    let mut out = BufWriter::new(anstream::stdout().lock());
    let new = |change: &&Change<'_>| change.kind == ChangeKind::New;
    match options.format {
        Format::Table => changes::print(&mut out, &all, names, options)?,
        Format::Json => changes::print_json(&mut out, &all, names)?,
        Format::Github => {
            let repository = Repository::of(&after.dir);
            annotations::print_new(&mut out, all.iter().filter(new), &names[0], &repository)?;
        }
        Format::Sarif => {
            let sites = all.iter().filter(new).map(|change| Listed {
                package: change.package,
                site: change.site,
                sum: None,
                size: None,
            });
            sarif::print(&mut out, &Repository::of(&after.dir), sites.collect())?;
        }
    }
    out.flush()?;
    let found = match options.fail_on {
        Some(FailOn::Any | FailOn::New) => all.iter().any(|change| change.kind == ChangeKind::New),
        Some(FailOn::Map) => {
            all.iter().any(|change| change.kind == ChangeKind::New && change.site.map.is_some())
        }
        Some(FailOn::Bytes(_)) | None => false,
    };
    Ok(if found { Outcome::Found } else { Outcome::Done })
}
