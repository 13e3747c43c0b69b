//! The live view: one screen, drawn anew at every look.
//!
//! From top to bottom in the order in which a person on call asks: is something wrong, how long until
//! it hurts, what to do; then where the memory is, and how that came.

use std::time::{Duration, Instant};

use anyhow::Result;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Wrap};
use ratatui::{DefaultTerminal, Frame};
use tophash_vitals::{History, Record, Series};

use super::table::signed;
use super::words;
use crate::report::style::{bar, clean};

/// The longest that a key waits.
const TICK: Duration = Duration::from_millis(100);

/// The terminal, which is put back in order when this is dropped, and by a panic, too.
pub(super) struct Screen {
    terminal: DefaultTerminal,
}

/// What one frame shows.
pub(super) struct View<'v> {
    pub(super) name: &'v str,
    pub(super) record: &'v Record,
    pub(super) history: &'v History,
    pub(super) pid: Option<u32>,
    /// Something that went wrong at the last look.
    pub(super) fault: Option<&'v str>,
    pub(super) notes: &'v [String],
}

impl Screen {
    pub(super) fn open() -> Result<Self> {
        Ok(Self { terminal: ratatui::try_init()? })
    }

    pub(super) fn draw(&mut self, view: &View<'_>) -> Result<()> {
        self.terminal.draw(|frame| draw(frame, view))?;
        Ok(())
    }

    /// Waits until `deadline`; returns whether the person wants to leave. `redraw` is called where the
    /// terminal's size changed.
    pub(super) fn wait(&mut self, deadline: Instant, view: &View<'_>) -> Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            if !event::poll(left.min(TICK))? {
                continue;
            }
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    let is_interrupt = key.code == KeyCode::Char('c')
                        && key.modifiers.contains(KeyModifiers::CONTROL);
                    if is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
                        return Ok(true);
                    }
                }
                Event::Resize(..) => self.draw(view)?,
                _ => {}
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// The lines with a curve: a name, and points.
type Curve = (&'static str, String, Vec<(f64, f64)>);

fn draw(frame: &mut Frame<'_>, view: &View<'_>) {
    let outlook = view.history.outlook();
    let rows = view.record.bill.rows();
    let curves = curves(view.history);
    let bill_height = rows.len() as u16 + 2;
    let areas = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(4),
        Constraint::Length(bill_height),
        Constraint::Length(3),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .split(frame.area());
    let [head, alarm, bill, reasons, plots, foot] = *areas else { return };

    let version = view.record.vitals.go_version.as_deref().unwrap_or("Go");
    let title = format!("{}  {}", clean(version), clean(view.name));
    frame.render_widget(Span::styled(title, Style::new().add_modifier(Modifier::BOLD)), head);

    let (verdict, is_bad) = words::verdict(&outlook, view.history.span());
    let colour = if is_bad { Color::Red } else { Color::Green };
    let mut lines =
        vec![Line::styled(verdict, Style::new().fg(colour).add_modifier(Modifier::BOLD))];
    lines.extend(words::until_limit(&outlook, view.record).map(Line::from));
    lines.push(Line::from(format!("Next: {}", words::advice(outlook.advice, view.pid))));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), alarm);

    frame.render_widget(Paragraph::new(bill_lines(view)), bill);
    let mut lines: Vec<_> = words::goal(view.record).map(Line::from).into_iter().collect();
    lines.push(Line::from(words::counted(view.record, &outlook)));
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), reasons);
    draw_curves(frame, plots, &curves);

    let note = view.fault.or(view.notes.first().map(String::as_str));
    let foot_line = match note {
        Some(note) => Line::styled(clean(note), Style::new().fg(Color::Yellow)),
        None => Line::styled("q leaves", Style::new().add_modifier(Modifier::DIM)),
    };
    frame.render_widget(foot_line, foot);
}

fn bill_lines(view: &View<'_>) -> Vec<Line<'static>> {
    let bill = &view.record.bill;
    let (name, whole) = bill.whole().unwrap_or_default();
    let mut lines: Vec<_> = bill
        .rows()
        .iter()
        .map(|row| {
            let share = u64::try_from(row.bytes).unwrap_or(0);
            let drawn = bar(share, whole, 24);
            Line::from(vec![
                Span::raw(format!("{:<13} {:>11} ", row.name, signed(row.bytes))),
                Span::styled(drawn, Style::new().fg(Color::Cyan)),
                Span::styled(
                    format!("  {}", row.meaning),
                    Style::new().add_modifier(Modifier::DIM),
                ),
            ])
        })
        .collect();
    lines.push(Line::styled(
        format!("{name:<13} {:>11}", signed(whole.into())),
        Style::new().add_modifier(Modifier::BOLD),
    ));
    lines
}

fn curves(history: &History) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut add = |name, series, points: Vec<(f64, f64)>| {
        if let Some((_, last)) = points.last() {
            curves.push((name, words::amount(series, *last), points));
        }
    };
    add("heap", Series::Live, history.heap_alloc());
    add("live heap", Series::Live, history.points(Series::Live));
    add("RSS", Series::Resident, history.points(Series::Resident));
    add("goroutines", Series::Goroutines, history.points(Series::Goroutines));
    curves
}

fn draw_curves(frame: &mut Frame<'_>, area: Rect, curves: &[Curve]) {
    let shown = curves.len().min(usize::from(area.height)).max(1);
    let rows = Layout::vertical(vec![Constraint::Fill(1); shown]).spacing(0).split(area);
    // One axis for all, so that what happens together stands above each other.
    let times = || curves.iter().flat_map(|curve| &curve.2).map(|point| point.0);
    let range = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
    let most = curves.iter().map(|curve| curve.2.len()).max().unwrap_or(0);
    for ((name, now, points), row) in curves.iter().zip(rows.iter()) {
        let columns = Layout::horizontal([Constraint::Length(26), Constraint::Fill(1)]).split(*row);
        let [label, plot] = *columns else { continue };
        frame.render_widget(Paragraph::new(format!("{name:<11} {now:>12}")), label);
        let values = columns_of(points, range, usize::from(plot.width).min(most));
        let line = Sparkline::default().data(&values).style(Style::new().fg(Color::Cyan));
        frame.render_widget(line, plot);
    }
}

/// Puts points into columns by time, the highest of each, and the one before where there is none.
///
/// The scale begins at zero: a curve that starts at its own least makes noise look like a cliff.
fn columns_of(points: &[(f64, f64)], range: (f64, f64), width: usize) -> Vec<u64> {
    let span = range.1 - range.0;
    let mut columns: Vec<Option<f64>> = vec![None; width];
    for (at, value) in points {
        let share = if span > 0.0 { (at - range.0) / span } else { 0.0 };
        let index = (share * width.saturating_sub(1) as f64) as usize;
        if let Some(column) = columns.get_mut(index) {
            *column = Some(column.map_or(*value, |there| there.max(*value)));
        }
    }
    let mut before = 0.0;
    columns
        .into_iter()
        .map(|column| {
            before = column.unwrap_or(before);
            before as u64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn drawn(width: u16, height: u16) -> String {
        let (history, record) = words::tests::leaking();
        let view = View {
            name: "http://host/metrics",
            record: &record,
            history: &history,
            pid: Some(7),
            fault: None,
            notes: &[],
        };
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &view)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn one_screen_says_what_grows_until_when_and_what_to_do() {
        let text = drawn(100, 30);
        for words in [
            "go1.27.3  http://host/metrics",
            "GROWING: live heap by 1.0 MiB/s",
            "until the control group's limit (1.0 GiB)",
            "Next: what is reachable grows: `tophash inspect 7`",
            "fragmentation",
            "RSS",
            "next collection at 318.0 MiB",
            "7 goroutines",
            "q leaves",
            "█",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
    }

    #[test]
    fn any_size_of_terminal_is_survived() {
        for (width, height) in [(1, 1), (20, 5), (80, 8), (500, 3), (3, 200)] {
            drawn(width, height);
        }
    }

    #[test]
    fn columns_keep_peaks_and_gaps_keep_what_was() {
        let points = [(0.0, 1.0), (1.0, 9.0), (2.0, 2.0), (10.0, 3.0)];
        assert_eq!(columns_of(&points, (0.0, 10.0), 3), [9, 9, 3]);
        assert_eq!(columns_of(&[(5.0, 7.0)], (0.0, 10.0), 3), [0, 7, 7]);
        assert_eq!(columns_of(&[(0.0, 5.0)], (0.0, 0.0), 1), [5]);
        assert!(columns_of(&points, (0.0, 10.0), 0).is_empty());
    }
}
