//! The maps of a profile, for people and for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::{Certainty, Figures, InspectedMaps, KnownBy, MapKnowledge, MapSite, MapView, Trend};
use crate::report::style;

const SCHEMA: u32 = 1;
/// Rows that are shown unless told otherwise.
const SHOWN: usize = 15;
/// Characters of a type.
const TYPE_WIDTH: usize = 34;

/// Writes the totals, and a row for each place.
pub(crate) fn write_table(
    out: &mut dyn Write,
    view: &MapView,
    knowledge: &MapKnowledge<'_>,
    top: Option<usize>,
    is_compared: bool,
) -> io::Result<()> {
    let bytes = |value: i64| style::bytes(value.max(0).unsigned_abs());
    let share = |part: i64, whole: i64| match whole {
        ..=0 => String::new(),
        _ => format!(" ({:.0} %)", part as f64 * 100.0 / whole as f64),
    };
    let mut maps = view.certain;
    maps.add(view.likely);
    writeln!(out, "{}", style::heading("maps in the heap profile"))?;
    let total = view.total;
    writeln!(
        out,
        "in use     {} of {}{}: {} certain, {} likely; {} more could be maps; {} not told",
        bytes(maps.inuse_bytes),
        bytes(total.inuse_bytes),
        share(maps.inuse_bytes, total.inuse_bytes),
        bytes(view.certain.inuse_bytes),
        bytes(view.likely.inuse_bytes),
        bytes(view.possible.inuse_bytes),
        bytes(view.untold().inuse_bytes),
    )?;
    writeln!(
        out,
        "allocated  {} of {}{} since the start, in {} objects",
        bytes(maps.alloc_bytes),
        bytes(total.alloc_bytes),
        share(maps.alloc_bytes, total.alloc_bytes),
        style::count(maps.alloc_objects.max(0).unsigned_abs()),
    )?;
    for advice in advice(view, knowledge) {
        writeln!(out, "{}", style::dim(&advice))?;
    }
    if view.sites.is_empty() {
        return writeln!(out, "\nNothing in it is known to be a map.");
    }
    writeln!(
        out,
        "\n{:>10} {:>9} {:>10} {:>5}  {:<9}  {:<20}  {:<TYPE_WIDTH$}  WHERE",
        "IN USE", "OBJECTS", "ALLOCATED", "KEPT", "THEY ARE", "KNOWN BY", "TYPE"
    )?;
    let shown = match top {
        Some(0) => usize::MAX,
        Some(count) => count,
        None => SHOWN,
    };
    for site in view.sites.iter().take(shown) {
        let figures = site.figures;
        let kept = match figures.alloc_bytes {
            ..=0 => String::new(),
            allocated => format!("{:.0} %", figures.inuse_bytes as f64 * 100.0 / allocated as f64),
        };
        writeln!(
            out,
            "{:>10} {:>9} {:>10} {:>5}  {:<9}  {:<20}  {:<TYPE_WIDTH$}  {} ({}:{})",
            bytes(figures.inuse_bytes),
            style::count(figures.inuse_objects.max(0).unsigned_abs()),
            bytes(figures.alloc_bytes),
            kept,
            site.trend.map_or("", Trend::word),
            known(site),
            shortened(&type_text(site)),
            style::clean(&site.place.function),
            style::clean(site.place.file.rsplit('/').next().unwrap_or_default()),
            site.place.line,
        )?;
        if let Some(maps) = &site.inspected {
            let text = format!(
                "{:37}  {} of {} slots in use in {} found by inspection",
                "",
                style::count(maps.entries),
                style::count(maps.slots),
                style::plural(maps.maps, "map"),
            );
            writeln!(out, "{}", style::dim(&text))?;
        }
    }
    if let Some(more) = view.sites.len().checked_sub(shown).filter(|more| *more > 0) {
        writeln!(
            out,
            "{}",
            style::dim(&format!("{} more; --top 0 shows all", style::plural(more as u64, "place")))
        )?;
    }
    let legend = match is_compared {
        true => {
            "growing: more in use than in the earlier profile. churning: allocated meanwhile, and let \
             go again. steady: nothing allocated."
        }
        false => {
            "grown: doubled, half of all it allocated is in use. kept: made for its size. churning: \
             maps or their arrays come and go. Whether they still grow: --diff-base EARLIER."
        }
    };
    writeln!(out, "\n{}", style::dim(legend))
}

/// Which option would tell more.
fn advice(view: &MapView, knowledge: &MapKnowledge<'_>) -> Vec<String> {
    let mut advice = Vec::new();
    let unsure = view.possible.inuse_bytes.saturating_add(view.untold().inuse_bytes);
    let is_much = unsure.saturating_mul(20) > view.total.inuse_bytes || view.sites.is_empty();
    if is_much && knowledge.code.is_none() {
        let lead = "Go leaves its own calls out of heap profiles.";
        advice.push(match knowledge.sources.found_any() {
            true => format!("{lead} --exe PROGRAM tells the rest by the program's code."),
            false => format!(
                "{lead} --exe PROGRAM tells maps by the program's code, --source DIR by the lines, \
                 --inspect REPORT.json by what an inspection found; sizes alone tell little."
            ),
        });
    }
    advice
}

fn known(site: &MapSite) -> String {
    let by = match site.judgement.known_by {
        KnownBy::Frames => "frames",
        KnownBy::Code => "code",
        KnownBy::Source => "source",
        KnownBy::Inspection => "inspection",
        KnownBy::Sizes => "sizes",
    };
    let sure = match site.judgement.map {
        Some(Certainty::Certain) => "certain",
        Some(Certainty::Likely) => "likely",
        _ => "possible",
    };
    format!("{by}, {sure}")
}

fn type_text(site: &MapSite) -> String {
    match (&site.judgement.map_type, site.judgement.layout) {
        (Some(ty), _) => style::clean(ty),
        (None, Some(layout)) => match layout.is_classic {
            true => format!("buckets of {} bytes", layout.group),
            false => format!("groups of {} bytes", layout.group),
        },
        (None, None) => String::new(),
    }
}

fn shortened(text: &str) -> String {
    match text.chars().count() > TYPE_WIDTH {
        true => text.chars().take(TYPE_WIDTH - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[derive(Serialize)]
struct Document<'v> {
    schema: u32,
    total: Figures,
    certain: Figures,
    likely: Figures,
    possible: Figures,
    other: Figures,
    untold: Figures,
    maps: Vec<Row<'v>>,
}

#[derive(Serialize)]
struct Row<'v> {
    function: &'v str,
    file: &'v str,
    line: u32,
    known_by: KnownBy,
    certainty: Option<Certainty>,
    #[serde(rename = "type")]
    ty: Option<&'v str>,
    design: Option<&'static str>,
    group_bytes: Option<u64>,
    #[serde(flatten)]
    figures: Figures,
    largest_object: u64,
    trend: Option<Trend>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inspected: Option<Inspected<'v>>,
}

#[derive(Serialize)]
struct Inspected<'v> {
    maps: u64,
    entries: u64,
    slots: u64,
    own_bytes: u64,
    types: &'v [String],
}

impl<'v> Inspected<'v> {
    fn of(maps: &'v InspectedMaps) -> Self {
        let &InspectedMaps { maps: count, entries, slots, own_bytes, ref types } = maps;
        Self { maps: count, entries, slots, own_bytes, types }
    }
}

/// Writes the same as JSON: all places, unless it is said how many.
pub(crate) fn write_json(
    out: &mut dyn Write,
    view: &MapView,
    top: Option<usize>,
) -> io::Result<()> {
    let shown = top.filter(|count| *count > 0).unwrap_or(usize::MAX);
    let maps = view.sites.iter().take(shown).map(|site| Row {
        function: &site.place.function,
        file: &site.place.file,
        line: site.place.line,
        known_by: site.judgement.known_by,
        certainty: site.judgement.map,
        ty: site.judgement.map_type.as_deref(),
        design: site.judgement.layout.map(|layout| match layout.is_classic {
            true => "classic",
            false => "swiss",
        }),
        group_bytes: site.judgement.layout.map(|layout| layout.group),
        figures: site.figures,
        largest_object: site.largest,
        trend: site.trend,
        inspected: site.inspected.as_ref().map(Inspected::of),
    });
    let document = Document {
        schema: SCHEMA,
        total: view.total,
        certain: view.certain,
        likely: view.likely,
        possible: view.possible,
        other: view.other,
        untold: view.untold(),
        maps: maps.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}
