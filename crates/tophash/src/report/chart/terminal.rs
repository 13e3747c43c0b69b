//! A chart in a terminal: dots of braille, two by four to a character.
//!
//! A line's letter stands at its right end, so that lines can be told apart without colour, too.

use owo_colors::{AnsiColors, OwoColorize};

use super::Chart;

/// Dots of a character, by column and row (Unicode, "Braille Patterns").
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
/// Characters of the axis on the left.
const MARGIN: usize = 10;
const COLOURS: [AnsiColors; 6] = [
    AnsiColors::Cyan,
    AnsiColors::Yellow,
    AnsiColors::Magenta,
    AnsiColors::Green,
    AnsiColors::Blue,
    AnsiColors::Red,
];

/// Draws a chart, `width` characters wide in all, with its legend.
pub(crate) fn terminal(chart: &Chart, width: usize) -> String {
    let columns = width.clamp(40, 200) - MARGIN - 4;
    let rows = (columns / 4).clamp(10, 24);
    let mut canvas = Canvas::new(columns, rows);
    let [x_range, y_range] = chart.ranges();
    let (right, top) = ((2 * columns - 1) as f64, (4 * rows - 1) as f64);
    let mut ends: Vec<Option<(usize, usize)>> = vec![None; rows];
    for (index, series) in chart.series.iter().enumerate() {
        let mut before: Option<(f64, f64)> = None;
        for &(x, y) in &series.points {
            let (x, y) = (chart.x.place(x, x_range), chart.y.place(y, y_range));
            if !(x.is_finite() && y.is_finite()) {
                continue;
            }
            let here = (x.clamp(0.0, 1.0) * right, (1.0 - y.clamp(0.0, 1.0)) * top);
            canvas.line(before.unwrap_or(here), here, index);
            before = Some(here);
        }
        if let Some((_, y)) = before {
            // The nearest row that is free.
            let row = (y / 4.0) as usize;
            let free = |row: &usize| ends.get(*row).is_some_and(Option::is_none);
            let found = (0..rows).flat_map(|by| [row.wrapping_sub(by), row + by]).find(free);
            if let Some(place) = found.and_then(|row| ends.get_mut(row)) {
                *place = Some((index, row));
            }
        }
    }
    let mut labels = vec![String::new(); rows];
    for tick in chart.y.ticks(y_range, rows / 2) {
        let row = ((1.0 - chart.y.place(tick, y_range)) * top / 4.0) as usize;
        if let Some(label) = labels.get_mut(row) {
            *label = chart.y.spell(tick);
        }
    }
    let mut out = format!("{}\n{}\n", chart.title.bold(), chart.y.label.dimmed());
    for row in 0..rows {
        let mark = if labels[row].is_empty() { '│' } else { '┤' };
        let end = ends[row].map(|(index, _)| letter(index).color(colour(index)).to_string());
        out.push_str(&format!("{:>MARGIN$}{mark}", labels[row]));
        out.push_str(&canvas.row(row));
        out.push_str(&format!(" {}\n", end.unwrap_or_default()));
    }
    out.push_str(&bottom(chart, x_range, columns));
    for (index, series) in chart.series.iter().enumerate() {
        let mark = format!("{} ━━", letter(index));
        out.push_str(&format!("{:MARGIN$} {} {}\n", "", mark.color(colour(index)), series.name));
    }
    out
}

/// The axis below: a line with ticks, and what they say.
fn bottom(chart: &Chart, range: (f64, f64), columns: usize) -> String {
    let mut line = vec!['─'; columns];
    let mut text = vec![' '; MARGIN + 1 + columns + 3];
    let mut free_from = 0;
    for tick in chart.x.ticks(range, columns / 12) {
        let at = (chart.x.place(tick, range) * (columns - 1) as f64).round() as usize;
        let label: Vec<char> = chart.x.spell(tick).chars().collect();
        let last = text.len().saturating_sub(label.len());
        let start = (MARGIN + 1 + at).saturating_sub(label.len() / 2).min(last);
        if start < free_from || start + label.len() > text.len() {
            continue;
        }
        if let Some(place) = line.get_mut(at) {
            *place = '┬';
        }
        free_from = start + label.len() + 1;
        text[start..start + label.len()].copy_from_slice(&label);
    }
    let (line, text): (String, String) = (line.into_iter().collect(), text.into_iter().collect());
    let label = chart.x.label.dimmed();
    format!("{:>MARGIN$}└{line}\n{}\n{:MARGIN$} {label}\n", "", text.trim_end(), "")
}

fn letter(index: usize) -> char {
    char::from(b'a' + (index % 26) as u8)
}

fn colour(index: usize) -> AnsiColors {
    COLOURS[index % COLOURS.len()]
}

/// Characters of dots.
struct Canvas {
    columns: usize,
    /// The dots of each character, and the line that drew there last.
    cells: Vec<(u8, usize)>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, cells: vec![(0, 0); columns * rows] }
    }

    /// Draws from one dot to another.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), series: usize) {
        let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
        for step in 0..=steps as usize {
            let share = step as f64 / steps;
            let x = (from.0 + (to.0 - from.0) * share).round() as usize;
            let y = (from.1 + (to.1 - from.1) * share).round() as usize;
            if let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2) {
                *cell = (cell.0 | DOTS[x % 2][y % 4], series);
            }
        }
    }

    /// A row, each run of one line's characters in its colour.
    fn row(&self, row: usize) -> String {
        let cells =
            self.cells.get(row * self.columns..(row + 1) * self.columns).unwrap_or_default();
        let mut out = String::new();
        for run in cells.chunk_by(|a, b| (a.0 == 0, a.1) == (b.0 == 0, b.1)) {
            let dots = |cell: &(u8, usize)| match cell.0 {
                0 => ' ',
                dots => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
            };
            let text: String = run.iter().map(dots).collect();
            match run.first() {
                Some((0, _)) | None => out.push_str(&text),
                Some((_, series)) => out.push_str(&text.color(colour(*series)).to_string()),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_chart_has_axes_lines_and_a_legend_and_keeps_to_its_width() {
        for width in [0, 40, 80, 500] {
            let text = plain(&terminal(&super::super::sample(), width));
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= width.clamp(40, 200), "{widest} of {width}\n{text}");
            for part in ["bytes retained", "entries", "a ━━ 1.19, 1.23", "b ━━ 1.24 to 1.27"]
            {
                assert!(text.contains(part), "{text}");
            }
            assert!(text.lines().any(|line| line.ends_with(" a")), "{text}");
            assert!(text.lines().any(|line| line.ends_with(" b")), "{text}");
        }
    }

    #[test]
    fn a_rising_line_goes_from_the_lower_left_to_the_upper_right() {
        let mut chart = super::super::sample();
        chart.series.truncate(1);
        let text = plain(&terminal(&chart, 60));
        let rows: Vec<&str> = text.lines().filter(|line| line.contains(['│', '┤'])).collect();
        let is_dot = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
        let place = |row: &str| row.chars().position(is_dot).unwrap();
        assert!(place(rows[0]) > 40, "{text}");
        assert_eq!(place(rows[rows.len() - 1]), MARGIN + 1, "{text}");
    }

    #[test]
    fn a_chart_of_nothing_is_empty() {
        let mut chart = super::super::sample();
        chart.series.iter_mut().for_each(|series| series.points = vec![(f64::NAN, 1.0)]);
        terminal(&chart, 80);
        chart.series.clear();
        assert!(terminal(&chart, 80).contains("entries"));
    }
}
