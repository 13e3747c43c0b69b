//! The sources with what escapes marked in them, as one page that needs nothing else.
//!
//! Files come in the order of what they cost, or of how many sites they have. Lines without a site are
//! there for reading; a line with sites opens to show their flows. No script is needed for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use tophash_escape::{Context, Sum, advise_sized};

use super::options::EscapeOptions;
use super::rows::{Row, Rows, is_wanted_line};
use super::table::why;
use crate::report::style::{bytes, count, counted, markup};

/// More files than this make no page that a browser shows gladly.
const MOST_FILES: usize = 400;

/// Lines that are shown before and after a marked one.
const AROUND: u32 = 6;

const STYLE: &str = include_str!("page.css");

/// What is on one line of a file.
#[derive(Default)]
struct Marked<'v> {
    rows: Vec<&'v Row<'v>>,
    sum: Sum,
}

struct FileMarks<'v> {
    name: &'v str,
    lines: BTreeMap<u32, Marked<'v>>,
    bytes: u64,
    sites: usize,
}

/// Writes the page.
pub(super) fn write(path: &Path, rows: &Rows<'_>, options: &EscapeOptions) -> Result<()> {
    let name = path.display();
    let file = File::create(path).with_context(|| format!("{name} can't be written"))?;
    let mut out = BufWriter::new(file);
    render(&mut out, rows, options)
        .and_then(|()| out.flush())
        .with_context(|| format!("{name} can't be written"))?;
    anstream::eprintln!("{}", crate::report::style::dim(&format!("wrote {name}")));
    Ok(())
}

fn marks<'v>(rows: &'v Rows<'v>, options: &EscapeOptions) -> Vec<FileMarks<'v>> {
    let mut files: BTreeMap<&str, FileMarks<'v>> = BTreeMap::new();
    for row in rows.sites.iter().filter(|row| !row.site.at.is_made_up()) {
        let name = &*row.site.at.file;
        let file = files.entry(name).or_insert_with(|| FileMarks {
            name,
            lines: BTreeMap::new(),
            bytes: 0,
            sites: 0,
        });
        file.sites += 1;
        file.lines.entry(row.site.at.line).or_default().rows.push(row);
    }
    let charged = rows.costs.iter().flat_map(|costs| &costs.charged.lines);
    for line in charged.filter(|line| line.sum.bytes > 0 && is_wanted_line(line, options)) {
        if let Some(file) = files.get_mut(&*line.at.file) {
            file.bytes = file.bytes.saturating_add(line.sum.bytes);
            file.lines.entry(line.at.line).or_default().sum = line.sum;
        }
    }
    let mut files: Vec<_> = files.into_values().collect();
    // Where something costs, what costs nothing is folded away.
    if files.iter().any(|file| file.bytes > 0) {
        files.retain(|file| file.bytes > 0);
    }
    files.sort_by_key(|file| std::cmp::Reverse((file.bytes, file.sites)));
    files
}

fn render(out: &mut dyn Write, rows: &Rows<'_>, options: &EscapeOptions) -> io::Result<()> {
    let files = marks(rows, options);
    let verdicts = rows.verdicts;
    let title = format!("What escapes, says {}", verdicts.version);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style></head><body>",
        markup(&title)
    )?;
    writeln!(out, "<nav><h1>{}</h1>", markup(&title))?;
    let sites = rows.sites.len() as u64;
    write!(out, "<p>{}", counted(sites, "place escapes", "places escape"))?;
    if let Some(costs) = &rows.costs {
        let total = bytes(costs.charged.total.bytes);
        write!(
            out,
            "; {total} {}; files that cost nothing are left out",
            markup(costs.account.meaning)
        )?;
    }
    writeln!(out, "</p><ol>")?;
    for (index, file) in files.iter().take(MOST_FILES).enumerate() {
        let cost = match file.bytes {
            0 => String::new(),
            cost => format!("<b>{}</b>", bytes(cost)),
        };
        let name = markup(file.name.strip_prefix("./").unwrap_or(file.name));
        writeln!(
            out,
            "<li><a href=\"#f{index}\">{name}</a> {cost}<span>{}</span></li>",
            count(file.sites as u64)
        )?;
    }
    writeln!(out, "</ol></nav>\n<main>")?;
    for (index, file) in files.iter().take(MOST_FILES).enumerate() {
        render_file(out, rows, index, file)?;
    }
    if files.len() > MOST_FILES {
        writeln!(
            out,
            "<p>{} more files are left out.</p>",
            count((files.len() - MOST_FILES) as u64)
        )?;
    }
    writeln!(out, "</main></body></html>")
}

fn render_file(
    out: &mut dyn Write,
    rows: &Rows<'_>,
    index: usize,
    file: &FileMarks<'_>,
) -> io::Result<()> {
    let name = markup(file.name.strip_prefix("./").unwrap_or(file.name));
    writeln!(out, "<section id=\"f{index}\"><h2>{name}</h2><div class=\"code\">")?;
    let Some(text) = rows.verdicts.sources.source(file.name) else {
        writeln!(out, "<p>The file can't be read.</p></div></section>")?;
        return Ok(());
    };
    let total = rows.costs.as_ref().map_or(0, |costs| costs.charged.total.bytes);
    // Where something costs, that is what is looked for.
    let is_shown = |marked: &Marked<'_>| file.bytes == 0 || marked.sum.bytes > 0;
    let near: BTreeSet<u32> = file
        .lines
        .iter()
        .filter(|(_, marked)| is_shown(marked))
        .flat_map(|(&line, _)| line.saturating_sub(AROUND)..=line.saturating_add(AROUND))
        .collect();
    // Long stretches without such a line are folded.
    let mut folded = false;
    for (line, text) in (1_u32..).zip(text.lines()) {
        if folded && near.contains(&line) {
            writeln!(out, "</details>")?;
            folded = false;
        } else if !folded && !near.contains(&line) {
            let next = near.range(line..).next();
            let last = next.map_or("the end".to_owned(), |&next| (next - 1).to_string());
            writeln!(
                out,
                "<details class=\"gap\"><summary><i>⋮</i>lines {line} to {last}</summary>"
            )?;
            folded = true;
        }
        match file.lines.get(&line) {
            None => writeln!(out, "<div><i>{line}</i><pre>{}</pre></div>", markup(text))?,
            Some(marked) => render_line(out, line, text, marked, total)?,
        }
    }
    if folded {
        writeln!(out, "</details>")?;
    }
    writeln!(out, "</div></section>")
}

fn render_line(
    out: &mut dyn Write,
    line: u32,
    text: &str,
    marked: &Marked<'_>,
    total: u64,
) -> io::Result<()> {
    let has_map = marked.rows.iter().any(|row| row.site.map.is_some());
    let class = match (marked.rows.is_empty(), has_map) {
        (true, _) => "grows",
        (false, true) => "map",
        (false, false) => "site",
    };
    let heat = match total {
        0 => 0,
        total => u64::min(100, marked.sum.bytes.saturating_mul(100) / total),
    };
    let cost = match marked.sum.bytes {
        0 => String::new(),
        cost => format!("<em style=\"--heat:{heat}\">{}</em>", bytes(cost)),
    };
    let columns: Vec<usize> = marked
        .rows
        .iter()
        .filter_map(|row| usize::try_from(row.site.at.column).ok()?.checked_sub(1))
        .collect();
    let code = underline(text, &columns);
    if marked.rows.is_empty() {
        writeln!(
            out,
            "<div class=\"{class}\"><i>{line}</i><pre>{code}</pre>{cost}\
             <s>nothing escapes here; the runtime allocates</s></div>"
        )?;
        return Ok(());
    }
    let first = marked.rows.first().map(|row| row.site.reason.title()).unwrap_or_default();
    let more = match marked.rows.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    writeln!(
        out,
        "<details class=\"{class}\"><summary><i>{line}</i><pre>{code}</pre>{cost}\
         <s>{}{more}</s></summary>",
        markup(first)
    )?;
    for row in &marked.rows {
        let site = row.site;
        writeln!(
            out,
            "<dl><dt><code>{}</code> {}</dt>",
            markup(&site.expression),
            markup(&why(site))
        )?;
        for told in site.story() {
            let at =
                told.at.map(|at| format!(" <small>{}:{}</small>", markup(at.base_name()), at.line));
            writeln!(out, "<dd>{}{}</dd>", markup(&told.words), at.unwrap_or_default())?;
        }
        let advice = advise_sized(site, row.size);
        writeln!(
            out,
            "<dd class=\"advice\"><b>Change:</b> {}.<br><b>Costs:</b> {}.</dd></dl>",
            markup(advice.change),
            markup(advice.cost)
        )?;
    }
    writeln!(out, "</details>")
}

/// Marks the word at each column. A call's column is that of its bracket: the word before is meant.
fn underline(text: &str, columns: &[usize]) -> String {
    let mut starts = columns.to_vec();
    starts.sort_unstable();
    starts.dedup();
    let mut out = String::new();
    let mut done = 0;
    for start in starts {
        let is_call = text.as_bytes().get(start) == Some(&b'(');
        let front = text.get(..start).filter(|_| is_call).unwrap_or_default();
        let name = front.bytes().rev().take_while(|&b| b.is_ascii_alphanumeric() || b == b'_');
        let start = start - name.count();
        let Some(rest) = text.get(start..).filter(|_| start >= done) else { continue };
        let word = rest
            .char_indices()
            .find(|&(index, c)| index > 0 && !(c.is_alphanumeric() || c == '_'))
            .map_or(rest.len(), |(index, _)| index);
        let end = start + word;
        out.push_str(&markup(text.get(done..start).unwrap_or_default()));
        out.push_str("<u>");
        out.push_str(&markup(text.get(start..end).unwrap_or_default()));
        out.push_str("</u>");
        done = end;
    }
    out.push_str(&markup(text.get(done..).unwrap_or_default()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_columns_are_marked_and_all_is_escaped() {
        assert_eq!(underline("a := &T{<x>}", &[5]), "a := <u>&amp;T</u>{&lt;x&gt;}");
        assert_eq!(underline("x", &[9, 0, 0]), "<u>x</u>");
        assert_eq!(underline("return make(x)", &[11]), "return <u>make</u>(x)");
        // Inside of a character.
        assert_eq!(underline("é", &[1]), "é");
    }
}
