//! Escapes for a person at a terminal: maps first, and what costs most before all else.

use std::io::{self, Write};

use tophash_escape::{
    Advice, ChargedLine, Growth, GrowthBy, MapRole, Site, SiteKind, Sum, Tally, advise_growth,
    advise_sized, is_apart_by_value,
};

use super::options::{EscapeOptions, View};
use super::rows::{Row, Rows, is_wanted_line};
use super::sources::Sources;
use crate::charge::Count;
use crate::report::style::{bar, bytes, clean, count, counted, dim, heading, plural};
use crate::report::table::{align_right, plain_table};

/// Steps of a flow that are shown.
const STEPS: usize = 8;

pub(super) fn print(
    out: &mut dyn Write,
    rows: &Rows<'_>,
    options: &EscapeOptions,
) -> io::Result<()> {
    print_head(out, rows)?;
    if rows.sites.is_empty() && (options.by != View::Summary || rows.costs.is_none()) {
        let which = if options.is_filtered() { "Nothing of what was asked for" } else { "Nothing" };
        return writeln!(out, "\n{which} escapes here.");
    }
    match options.by {
        View::Summary if rows.costs.is_some() => print_ranked(out, rows, options),
        View::Summary => {
            print_maps(out, rows, options)?;
            print_reasons(out, rows, options, false)?;
            writeln!(
                out,
                "\nNext: --by sites, maps, reasons or functions; --profile heap.pb.gz ranks them by \
                 what they cost."
            )
        }
        View::Sites => print_sites(out, rows, options),
        View::Maps => print_maps(out, rows, options),
        View::Reasons => print_reasons(out, rows, options, true),
        View::Functions => print_functions(out, rows, options),
    }
}

fn print_head(out: &mut dyn Write, rows: &Rows<'_>) -> io::Result<()> {
    let report = &rows.verdicts.report;
    let stays: u64 = report.packages.iter().map(|package| package.counts.stays).sum();
    let maps_stay =
        report.sites().filter(|(_, site)| !site.escapes && site.kind.is_map()).count() as u64;
    let maps = report.escaping().filter(|(_, site)| site.kind.is_map()).count() as u64;
    writeln!(
        out,
        "{} {}, {}",
        heading(&clean(&rows.verdicts.version)),
        plural(report.packages.len() as u64, "package"),
        counted(
            report.escaping().count() as u64,
            "place that allocates on the heap",
            "places that allocate on the heap"
        ),
    )?;
    let text = format!(
        "{} made on the heap and {} on the stack; {} `does not escape`.",
        counted(maps, "map is", "maps are"),
        count(maps_stay),
        counted(stays, "verdict in all says", "verdicts in all say"),
    );
    writeln!(out, "{}", dim(&text))?;
    if report.packages.is_empty() {
        writeln!(out, "The compiler has nothing to say: are there functions in these packages?")?;
    }
    Ok(())
}

/// What costs most, each with its flow and what could be changed.
fn print_ranked(out: &mut dyn Write, rows: &Rows<'_>, options: &EscapeOptions) -> io::Result<()> {
    let Some(costs) = &rows.costs else { return Ok(()) };
    let charged = &costs.charged;
    let wanted = |line: &&ChargedLine<'_>| is_wanted_line(line, options);
    let here = charged.lines.iter().fold(0_u64, |sum, line| sum.saturating_add(line.sum.bytes));
    writeln!(
        out,
        "\n{} {}, {} of them from these packages.",
        heading(&bytes(charged.total.bytes)),
        costs.account.meaning,
        share(here, charged.total.bytes)
    )?;
    let lines = || charged.lines.iter().filter(wanted).filter(|line| line.sum.bytes > 0);
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    for (index, line) in lines().take(shown).enumerate() {
        writeln!(out)?;
        print_line(out, index + 1, line, charged.total, costs.account.count)?;
    }
    let rest = lines().skip(shown);
    let (left, sum) = rest
        .fold((0_u64, 0_u64), |(left, sum), line| (left + 1, sum.saturating_add(line.sum.bytes)));
    writeln!(out)?;
    if left > 0 {
        writeln!(out, "{} more cost {}: --top 0 shows them.", plural(left, "line"), bytes(sum))?;
    }
    let idle = rows.sites.iter().filter(|row| row.sum.is_none_or(|sum| sum.bytes == 0)).count();
    if idle > 0 {
        writeln!(
            out,
            "{} and cost nothing in this profile: --by sites shows them.",
            counted(idle as u64, "place escapes", "places escape")
        )?;
    }
    if !charged.outside.is_empty() {
        let named: Vec<_> = charged
            .outside
            .iter()
            .take(6)
            .map(|(package, sum)| format!("{} {}", clean(package), bytes(sum.bytes)))
            .collect();
        writeln!(out, "Packages that were not asked about: {}.", named.join(", "))?;
    }
    Ok(())
}

fn print_line(
    out: &mut dyn Write,
    rank: usize,
    line: &ChargedLine<'_>,
    total: Sum,
    per: Count,
) -> io::Result<()> {
    writeln!(
        out,
        "{rank:>2}. {} {} {} in {}  {}",
        heading(&bytes(line.sum.bytes)),
        bar(line.sum.bytes, total.bytes, 10),
        share(line.sum.bytes, total.bytes),
        plural(line.sum.objects, "object"),
        heading(&format!("{}  {}", clean(&Sources::shown(&line.at)), clean(&line.function))),
    )?;
    if !line.sites.is_empty() {
        print_map_growth(out, line, per)?;
    }
    if let Some(growth) = line.growth.filter(|_| line.sites.is_empty()) {
        writeln!(out, "    {}: nothing on this line escapes", growth.title())?;
        return print_advice(out, advise_growth(growth), saved_growing(per, line.sum));
    }
    if line.sites.len() > 1 {
        writeln!(
            out,
            "    {}",
            dim("several share this line; a profile does not tell them apart")
        )?;
    }
    // What holds the bytes is rarely the closure or the arguments beside it; and of what is in use, it
    // is what a map keeps, and not what a call was given.
    let mut sites = line.sites.clone();
    sites.sort_by_key(|site| {
        let is_passing = per == Count::Inuse && site.map.is_none();
        (is_passing, matches!(site.kind, SiteKind::Variadic | SiteKind::Closure), &site.at)
    });
    for site in sites.iter().take(3) {
        print_site(out, site)?;
    }
    if sites.len() > 3 {
        writeln!(out, "    {}", dim(&format!("and {} more", sites.len() - 3)))?;
    }
    match sites.first() {
        Some(site) => {
            let size = line.object_size();
            print_advice(out, advise_sized(site, size), saved_at(site, line.own_sum(), size))
        }
        None => Ok(()),
    }
}

/// What of a line is not what escapes on it, but a map that grows.
fn print_map_growth(out: &mut dyn Write, line: &ChargedLine<'_>, per: Count) -> io::Result<()> {
    let how = match line.growth_by {
        GrowthBy::Nothing => return Ok(()),
        GrowthBy::Unknown => {
            return writeln!(out, "    {}", dim("what the map itself takes may be in it"));
        }
        GrowthBy::Calls => "",
        GrowthBy::Sizes => ", by the sizes of the blocks",
    };
    let growth = bytes(line.map_growth.bytes);
    writeln!(out, "    {growth} of it is a map that grows{how}, and none of what escapes here")?;
    if line.map_growth.bytes.saturating_mul(2) <= line.sum.bytes {
        return Ok(());
    }
    print_advice(out, advise_growth(Growth::Map), saved_growing(per, line.map_growth))
}

fn print_site(out: &mut dyn Write, site: &Site) -> io::Result<()> {
    let inlined: Vec<_> = site.inlined.iter().take(2).map(|name| clean(&short(name))).collect();
    let inlined = match inlined.is_empty() {
        true => String::new(),
        false => dim(&format!("  (inlined here: {})", inlined.join(", "))),
    };
    writeln!(out, "    {}  {}{inlined}", clean(&short(&site.expression)), why(site))?;
    let story = site.story();
    let left_out = story.len().saturating_sub(STEPS);
    for (index, told) in story.iter().enumerate() {
        // The ends tell most: where it starts and where it goes to.
        if left_out > 0 && (STEPS / 2..STEPS / 2 + left_out).contains(&index) {
            if index == STEPS / 2 {
                writeln!(out, "      {}", dim(&format!("… {left_out} more steps")))?;
            }
            continue;
        }
        let place = told.at.as_ref().map(|at| format!("  {}", Sources::shown(at)));
        let text = format!("{}{}", told.words, place.unwrap_or_default());
        writeln!(out, "      {}", dim(&clean(&text)))?;
    }
    Ok(())
}

/// The reason, and where that leads.
pub(crate) fn why(site: &Site) -> String {
    let mut text = site.reason.title().to_owned();
    if site.ends != site.reason {
        text.push_str(", ");
        text.push_str(site.ends.title());
    }
    if let Some(callee) = &site.callee {
        text.push_str(&format!(" ({})", clean(&short(callee))));
    }
    text
}

/// What is proposed, what it can save at most, and its price.
fn print_advice(out: &mut dyn Write, advice: Advice, saves: Option<String>) -> io::Result<()> {
    writeln!(out, "    Change: {}", wrapped(advice.change))?;
    if let Some(saves) = saves {
        writeln!(out, "    Saves:  {saves}")?;
    }
    writeln!(out, "    Costs:  {}", wrapped(advice.cost))
}

/// A sentence in lines of 100 columns, the first of which begins behind `    Change: `.
fn wrapped(text: &str) -> String {
    const INDENT: usize = 12;
    const WIDTH: usize = 100;
    let mut out = String::new();
    let mut column = INDENT;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > INDENT && column + 1 + width > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(INDENT));
            column = INDENT;
        } else if column > INDENT {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += width;
    }
    out
}

/// The most that a change at a site can save; none where that can't be said.
fn saved_at(site: &Site, sum: Sum, size: Option<u64>) -> Option<String> {
    let objects = plural(sum.objects, "object");
    match site.map {
        _ if is_apart_by_value(site, size) => None,
        Some(MapRole::Elem | MapRole::Key) if site.kind == SiteKind::Object => {
            Some(format!("at most {objects}; their bytes go into the map"))
        }
        _ => Some(format!("at most {} and {objects}", bytes(sum.bytes))),
    }
}

/// What growing in one step saves: garbage, of which what is in use has none.
fn saved_growing(count: Count, sum: Sum) -> Option<String> {
    (count == Count::Alloc).then(|| format!("about half of {}", bytes(sum.bytes)))
}

fn print_maps(out: &mut dyn Write, rows: &Rows<'_>, options: &EscapeOptions) -> io::Result<()> {
    let roles = [MapRole::Map, MapRole::Elem, MapRole::Key, MapRole::BoxedKey, MapRole::BoxedElem];
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    for role in roles {
        let of: Vec<&Row<'_>> =
            rows.sites.iter().filter(|row| row.site.map == Some(role)).collect();
        if of.is_empty() {
            continue;
        }
        writeln!(out, "\n{} {}", heading(role.title()), dim(&count(of.len() as u64)))?;
        let mut table = plain_table(&["WHAT", "WHY", "WHERE", "FUNCTION"]);
        for row in of.iter().take(shown) {
            table.add_row([
                clean(&short(&row.site.expression)),
                why(row.site),
                clean(&Sources::shown(&row.site.at)),
                clean(&row.site.function),
            ]);
        }
        writeln!(out, "{table}")?;
        if of.len() > shown {
            let more = format!("{} more: --by maps --top 0", count((of.len() - shown) as u64));
            writeln!(out, "{}", dim(&more))?;
        }
    }
    Ok(())
}

fn print_reasons(
    out: &mut dyn Write,
    rows: &Rows<'_>,
    options: &EscapeOptions,
    with_functions: bool,
) -> io::Result<()> {
    let tallies = rows.by_reason();
    let all: u64 = tallies.iter().map(|(_, tally)| tally.sites).sum();
    writeln!(out, "\n{}", heading("by reason"))?;
    let columns = ["WHY", "PLACES", "", "OF MAPS", "--reason", "MOST IN"];
    let shown = if with_functions { 6 } else { 5 };
    let mut table = plain_table(columns.get(..shown).unwrap_or(&columns));
    let mut ordered = tallies;
    ordered.sort_by_key(|&(_, tally)| std::cmp::Reverse(tally.sites));
    for (reason, tally) in ordered {
        let of = rows.sites.iter().filter(|row| row.site.reason == reason);
        let mut functions: Vec<(&str, u64)> = Vec::new();
        let mut names: Vec<&str> = of.map(|row| &*row.site.function).collect();
        names.sort_unstable();
        for chunk in names.chunk_by(|a, b| a == b) {
            if let Some(name) = chunk.first() {
                functions.push((*name, chunk.len() as u64));
            }
        }
        functions.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        let most = options.top.clamp(1, 5);
        let named: Vec<_> = functions
            .iter()
            .take(most)
            .map(|(name, n)| format!("{} {n}", clean(&short(name))))
            .collect();
        let mut row = vec![
            reason.title().to_owned(),
            count(tally.sites),
            bar(tally.sites, all, 10),
            if tally.maps == 0 { "-".to_owned() } else { count(tally.maps) },
            reason.name().to_owned(),
        ];
        if with_functions {
            row.push(named.join(", "));
        }
        table.add_row(row);
    }
    align_right(&mut table, &[1, 3]);
    writeln!(out, "{table}")
}

fn print_functions(
    out: &mut dyn Write,
    rows: &Rows<'_>,
    options: &EscapeOptions,
) -> io::Result<()> {
    let tallies = rows.by_function();
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    writeln!(out)?;
    let mut table = plain_table(&["FUNCTION", "PACKAGE", "PLACES", "OF MAPS"]);
    for ((package, function), Tally { sites, maps }) in tallies.iter().take(shown) {
        table.add_row([clean(function), clean(package), count(*sites), count(*maps)]);
    }
    align_right(&mut table, &[2, 3]);
    writeln!(out, "{table}")?;
    if tallies.len() > shown {
        writeln!(out, "{}", dim(&format!("{} more functions: --top 0", tallies.len() - shown)))?;
    }
    Ok(())
}

fn print_sites(out: &mut dyn Write, rows: &Rows<'_>, options: &EscapeOptions) -> io::Result<()> {
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    for row in rows.sites.iter().take(shown) {
        let cost = match row.sum {
            Some(sum) if sum.bytes > 0 && row.sharers > 1 => {
                let others = plural(row.sharers as u64 - 1, "other");
                format!("  {} with {others}", bytes(sum.bytes))
            }
            Some(sum) if sum.bytes > 0 => format!("  {}", bytes(sum.bytes)),
            _ => String::new(),
        };
        let place = format!("{}  {}", Sources::shown(&row.site.at), row.site.function);
        writeln!(out, "\n{}{cost}", heading(&clean(&place)))?;
        print_site(out, row.site)?;
    }
    if rows.sites.len() > shown {
        let more = format!("\n{} more: --top 0", count((rows.sites.len() - shown) as u64));
        writeln!(out, "{}", dim(&more))?;
    }
    Ok(())
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    format!("{:.1} %", part as f64 * 100.0 / whole as f64)
}

/// An expression as far as a table takes it.
pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 48;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(LONGEST - 1).collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_wrapped_and_lose_nothing() {
        let text = "word ".repeat(60);
        let lines = wrapped(text.trim_end());
        assert!(lines.lines().all(|line| line.chars().count() <= 100));
        assert_eq!(lines.split_whitespace().count(), 60);
        assert_eq!(wrapped("short"), "short");
    }
}
