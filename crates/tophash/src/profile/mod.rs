//! `tophash profile`: what Go reports of itself, added up, compared, and shown.

mod fetch;
mod maps;
mod options;
mod series;
mod source;
mod words;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::json;
use tophash_profile::{
    Comparison, Filter, FlameGraph, Joiner, Order, Profile, Report, Shown, SourceListing, TagFilter,
};

pub(crate) use options::{FetchOptions, ProfileOptions};

use crate::args::Format;
use crate::report::style;
use options::FilterOptions;

const SCHEMA: u32 = 1;
/// Functions in a tree or a drawing, unless told otherwise.
const IN_GRAPH: usize = 80;

/// A profile, and what is shown of it.
struct Chosen {
    profile: Profile,
    column: usize,
    total: i64,
    is_change: bool,
}

impl Chosen {
    fn report(&self, shown: Shown, with_calls: bool) -> Result<Report> {
        Ok(Report::new(&self.profile, self.column, self.total, shown, with_calls)?)
    }

    fn title(&self) -> String {
        let ty = &self.profile.sample_types()[self.column].name;
        let program = self.profile.program().map_or("", |(file, _)| file);
        match program.rsplit('/').next() {
            Some(name) if !name.is_empty() => format!("{} {ty}", style::clean(name)),
            _ => ty.clone(),
        }
    }
}

pub(crate) fn run(options: &ProfileOptions) -> Result<()> {
    let filter = filter(&options.filter)?;
    if options.series {
        return series::run(options, &filter);
    }
    if options.view.maps {
        return show_maps(options, &filter);
    }
    let (profile, is_change) = load(options)?;
    let column = profile.column_meant(options.sample_type.as_deref())?;
    let total = tophash_profile::total(&profile, column);
    let mut chosen = Chosen { profile, column, total, is_change };
    for option in filter.apply(&mut chosen.profile) {
        note(&format!("--{option} matched nothing"));
    }
    show(options, &chosen)
}

/// Shows maps. An earlier profile is held against the later one place by place, and not taken away.
fn show_maps(options: &ProfileOptions, filter: &Filter) -> Result<()> {
    let sum = |sources: &[String]| joined(sources, &[], Comparison::Since, &options.fetch);
    let profile = sum(&options.sources)?;
    let knowledge = maps::MapKnowledge::new(options, &profile)?;
    let view = |mut profile: Profile| {
        for option in filter.apply(&mut profile) {
            note(&format!("--{option} matched nothing"));
        }
        knowledge.view(&profile)
    };
    let mut shown = view(profile)?;
    let before = [options.base.as_slice(), options.diff_base.as_slice()].concat();
    if !before.is_empty() {
        shown.compare(&view(sum(&before)?)?);
    }
    let mut out = BufWriter::new(anstream::stdout().lock());
    match options.format {
        Format::Json => maps::write_json(&mut out, &shown, options.top)?,
        _ => maps::write_table(&mut out, &shown, &knowledge, options.top, !before.is_empty())?,
    }
    out.flush()?;
    Ok(())
}

fn load(options: &ProfileOptions) -> Result<(Profile, bool)> {
    let (bases, how) = match options.diff_base.is_empty() {
        true => (&options.base, Comparison::Since),
        false => (&options.diff_base, Comparison::Difference),
    };
    let mut profile = joined(&options.sources, bases, how, &options.fetch)?;
    if options.view.proto.is_some() && !bases.is_empty() {
        // What cancelled out is not to be written.
        profile = profile.without_unused()?;
    }
    Ok((profile, !bases.is_empty()))
}

/// Adds profiles up, and takes earlier ones away.
fn joined(
    sources: &[String],
    bases: &[String],
    how: Comparison,
    options: &FetchOptions,
) -> Result<Profile> {
    let mut profile = match (sources, bases) {
        ([source], []) => one(source, options)?,
        (sources, bases) => {
            let mut joiner = Joiner::new();
            for source in sources {
                let profile = one(source, options)?;
                joiner.add(profile).with_context(|| format!("{source} can't be added"))?;
            }
            for base in bases {
                let profile = one(base, options)?;
                joiner
                    .take_away(profile, how)
                    .with_context(|| format!("{base} can't be taken away"))?;
            }
            joiner.finish()?
        }
    };
    if let Err(fault) = profile.drop_uninteresting() {
        note(&format!("{fault}: no calls are left out"));
    }
    Ok(profile)
}

/// Reads one profile, from a file or a URL, and what is to be known about it.
pub(crate) fn load_one(source: &str, options: &FetchOptions) -> Result<(Profile, Vec<String>)> {
    fetch::load(source, options)
}

fn one(source: &str, options: &FetchOptions) -> Result<Profile> {
    let (profile, notes) = fetch::load(source, options)?;
    notes.iter().for_each(|text| note(text));
    Ok(profile)
}

fn filter(options: &FilterOptions) -> Result<Filter> {
    let expression = |name: &str, text: &Option<String>| -> Result<Option<Regex>> {
        let text = text.as_deref().filter(|text| !text.is_empty());
        text.map(|text| expression(name, text)).transpose()
    };
    let tag = |name, text: &Option<String>| -> Result<Option<TagFilter>> {
        let text = text.as_deref().filter(|text| !text.is_empty());
        Ok(text.map(|text| TagFilter::parse(name, text)).transpose()?)
    };
    Ok(Filter {
        focus: expression("--focus", &options.focus)?,
        ignore: expression("--ignore", &options.ignore)?,
        hide: expression("--hide", &options.hide)?,
        show: expression("--show", &options.show)?,
        show_from: expression("--show-from", &options.show_from)?,
        tag_focus: tag("--tag-focus", &options.tag_focus)?,
        tag_ignore: tag("--tag-ignore", &options.tag_ignore)?,
    })
}

fn expression(option: &str, text: &str) -> Result<Regex> {
    Regex::new(text).with_context(|| format!("{option}: not a regular expression"))
}

fn show(options: &ProfileOptions, chosen: &Chosen) -> Result<()> {
    let view = &options.view;
    let Chosen { profile, column, .. } = chosen;
    let order = if options.cum { Order::Cumulative } else { Order::Flat };
    let graph = || Shown::with(order, options.top.unwrap_or(IN_GRAPH));
    let title = chosen.title();
    if options.format == Format::Json {
        let is_top = !view.tree && !view.dot && !view.folded;
        let has_file = view.flame.is_some() || view.html.is_some();
        if !is_top || has_file || view.peek.is_some() || view.list.is_some() {
            bail!("--format json is for the table of functions");
        }
    }
    if let Some(path) = &view.flame {
        let flame = FlameGraph::new(profile, *column);
        return to_file(path, |out| tophash_profile::write_svg(out, &flame, &title));
    }
    if let Some(path) = &view.html {
        let flame = FlameGraph::new(profile, *column);
        return to_file(path, |out| tophash_profile::write_html(out, &flame, &title));
    }
    if let Some(path) = &view.speedscope {
        return to_file(path, |out| {
            tophash_profile::write_speedscope(out, profile, *column, &title)
        });
    }
    if let Some(path) = &view.firefox {
        return to_file(path, |out| tophash_profile::write_firefox(out, profile, *column, &title));
    }
    if let Some(path) = &view.proto {
        return to_file(path, |out| profile.write(out));
    }
    let mut out = BufWriter::new(anstream::stdout().lock());
    let out: &mut dyn Write = &mut out;
    if view.folded {
        tophash_profile::write_folded(out, profile, *column)?;
    } else if view.dot {
        let shown = Shown::with(Order::Entropy, options.top.unwrap_or(IN_GRAPH));
        tophash_profile::write_dot(out, &chosen.report(shown, true)?, &title)?;
    } else if view.tree {
        let report = chosen.report(graph(), true)?;
        write_head(out, chosen, &report)?;
        tophash_profile::write_tree(out, &report, None)?;
    } else if let Some(text) = &view.peek {
        let names = expression("--peek", text)?;
        let report = chosen.report(Shown::all(order), true)?;
        write_head(out, chosen, &report)?;
        if tophash_profile::write_tree(out, &report, Some(&names))? == 0 {
            bail!("no function matches {text}");
        }
    } else if let Some(text) = &view.list {
        let names = expression("--list", text)?;
        let listing = SourceListing::new(profile, *column, &names);
        if listing.is_empty() {
            bail!("no function matches {text}");
        }
        let report = chosen.report(Shown::all(order), false)?;
        let read = |file: &str| source::read(file, &options.source);
        tophash_profile::write_list(out, &listing, &report, read)?;
    } else if options.format == Format::Json {
        write_json(out, options, chosen, order)?;
    } else {
        let shown = match options.top {
            Some(0) => Shown::all(order),
            count => Shown::with(order, count.unwrap_or(0)),
        };
        let report = chosen.report(shown, true)?;
        write_head(out, chosen, &report)?;
        tophash_profile::write_top(out, &report)?;
        if let Some(first) = report.functions.first()
            && io::stdout().is_terminal()
        {
            write_next_steps(out, &first.name, chosen.is_change)?;
        }
    }
    out.flush()?;
    Ok(())
}

fn write_json(
    out: &mut dyn Write,
    options: &ProfileOptions,
    chosen: &Chosen,
    order: Order,
) -> Result<()> {
    let shown = Shown { functions: options.top.unwrap_or(0), ..Shown::all(order) };
    let report = chosen.report(shown, false)?;
    let ty = &chosen.profile.sample_types()[chosen.column];
    let rows: Vec<_> = report
        .functions
        .iter()
        .map(|function| {
            json!({
                "function": function.name, "file": function.file,
                "flat": function.flat, "cum": function.cum,
            })
        })
        .collect();
    let whole = json!({
        "schema": SCHEMA, "sample_type": ty.name, "unit": ty.unit, "total": report.total,
        "meaning": words::meaning(&ty.name).map(|(what, _)| what),
        "rows": rows,
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)?;
    Ok(())
}

/// Says what the figures are before they come.
fn write_head(out: &mut dyn Write, chosen: &Chosen, report: &Report) -> io::Result<()> {
    let profile = &chosen.profile;
    let types = profile.sample_types();
    let ty = &types[chosen.column];
    writeln!(out, "{}", style::heading(&chosen.title()))?;
    if let Some((what, answers)) = words::meaning(&ty.name) {
        writeln!(out, "{what}.")?;
        writeln!(out, "It tells {answers}.")?;
    }
    if chosen.is_change {
        writeln!(out, "A comparison: negative where there is less than before.")?;
    }
    for other in types.iter().filter(|other| other.name != ty.name) {
        if let Some((_, answers)) = words::meaning(&other.name) {
            let name = format!("--sample-type {}", style::clean(&other.name));
            writeln!(out, "{}", style::dim(&format!("{name}: {answers}")))?;
        }
    }
    for comment in profile.comments().iter().filter(|comment| !comment.starts_with('#')) {
        writeln!(out, "{}", style::clean(comment))?;
    }
    let shown: i64 = report.functions.iter().map(|function| function.flat).sum();
    write!(
        out,
        "\n{} of {} ({})",
        report.spell(shown),
        report.spell(report.total),
        report.share(shown).trim()
    )?;
    let functions = report.functions.len();
    write!(out, " in {functions} of {} functions", report.considered_functions)?;
    if report.dropped_functions > 0 {
        write!(out, "; {} smaller ones are left out", report.dropped_functions)?;
    }
    writeln!(out, "\n")
}

/// Says what to ask next, to a person.
fn write_next_steps(out: &mut dyn Write, function: &str, is_change: bool) -> io::Result<()> {
    // What is to be typed must be what it looks like.
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    let name: String = function.chars().map(|c| if plain(c) { c } else { '.' }).collect();
    let step = |option: &str, what: &str| style::dim(&format!("{option}: {what}"));
    writeln!(out)?;
    writeln!(out, "{}", step(&format!("--peek {name}"), "who calls it, and what it calls"))?;
    writeln!(out, "{}", step(&format!("--list {name}"), "its lines of source"))?;
    writeln!(out, "{}", step("--html FILE.html", "all stacks, to zoom and search in"))?;
    if !is_change {
        writeln!(out, "{}", step("--diff-base EARLIER", "what changed since another profile"))?;
    }
    Ok(())
}

fn to_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<()> {
    let name = path.display();
    let file = File::create(path).with_context(|| format!("{name} can't be written"))?;
    let mut out = BufWriter::new(file);
    write(&mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("{name} can't be written"))?;
    note(&format!("wrote {name}"));
    Ok(())
}

fn note(text: &str) {
    anstream::eprintln!("{}", style::dim(&style::clean(text)));
}
