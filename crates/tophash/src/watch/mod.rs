//! `tophash watch`: what a program says of its memory, look by look.
//!
//! A process is neither stopped nor copied for it: some dozen words of the runtime's are read, and what
//! the kernel says. With `--around` it is inspected, as `tophash diff` does, before and after.

mod around;
mod profiles;
mod replay;
mod screen;
mod source;
mod table;
mod words;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tophash_vitals::{History, Outlook, Record};

use crate::args::{Format, WatchOptions};
use crate::report::style::{clean, warning};
use profiles::Profiles;
use replay::Replay;
use screen::{Screen, View};
use source::Source;

/// Looks that fail one after the other before the watch ends.
const MOST_FAULTS: u32 = 5;

pub(crate) fn run(options: &WatchOptions) -> Result<()> {
    if options.around.is_some() {
        return around::run(options);
    }
    if options.target == "-" || Path::new(&options.target).is_file() {
        if options.profiles.is_some() {
            bail!("--profiles needs a URL: what was recorded can't be asked any more");
        }
        return replay(options);
    }
    let source = Source::open(options)?;
    if options.once {
        return once(&source, options);
    }
    watch(&source, options)
}

/// What `--format json` prints of a look.
#[derive(Serialize)]
struct Printed<'p> {
    #[serde(flatten)]
    record: &'p Record,
    outlook: &'p Outlook,
}

fn once(source: &Source, options: &WatchOptions) -> Result<()> {
    if let Some(profiles) = Profiles::open(options)? {
        profiles.save()?;
    }
    let record = source.look(true)?;
    let mut recorder = Recorder::open(options)?;
    recorder.keep(&record)?;
    let mut history = History::new();
    history.push(record.time, record.vitals.clone());
    print_whole(&source.name, &record, &history, source.pid(), options)?;
    print_notes(&source.notes)
}

/// Prints a look with all that follows.
fn print_whole(
    name: &str,
    record: &Record,
    history: &History,
    pid: Option<u32>,
    options: &WatchOptions,
) -> Result<()> {
    let outlook = history.outlook();
    match options.format {
        Format::Json => {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &Printed { record, outlook: &outlook })?;
            writeln!(out)?;
        }
        Format::Table => {
            let mut out = anstream::stdout().lock();
            table::print(&mut out, name, record, &outlook, history.span(), pid)?;
        }
    }
    Ok(())
}

fn print_notes(notes: &[String]) -> Result<()> {
    for note in notes {
        anstream::eprintln!("{} {}", warning("note:"), clean(note));
    }
    Ok(())
}

/// Prints a look as a line.
fn print_line(record: &Record, outlook: &Outlook, format: Format, began: f64) -> Result<()> {
    match format {
        Format::Json => {
            let mut out = io::stdout().lock();
            serde_json::to_writer(&mut out, &Printed { record, outlook })?;
            writeln!(out)?;
            out.flush()?;
        }
        Format::Table => {
            let mut out = anstream::stdout().lock();
            let at = record.time - began;
            writeln!(out, "{at:>8.1}s  {}", words::line(record, outlook))?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Looks until told to stop.
fn watch(source: &Source, options: &WatchOptions) -> Result<()> {
    let mut recorder = Recorder::open(options)?;
    let mut history = History::new();
    // The first look fails at once if it does, before the screen is taken.
    let mut record = source.look(false)?;
    let profiles = Profiles::open(options)?;
    if let Some(profiles) = &profiles {
        profiles.save()?;
    }
    let mut next_profile = Instant::now() + options.every;
    let is_live = io::stdout().is_terminal() && options.format == Format::Table;
    let mut screen = if is_live { Some(Screen::open()?) } else { None };
    let (began, started) = (record.time, Instant::now());
    if screen.is_none() {
        print_notes(&source.notes)?;
    }
    let mut fault: Option<String> = None;
    let mut faults = 0;
    loop {
        if fault.is_none() {
            recorder.keep(&record)?;
            history.push(record.time, record.vitals.clone());
        }
        let view = View {
            name: &source.name,
            record: &record,
            history: &history,
            pid: source.pid(),
            fault: fault.as_deref(),
            notes: &source.notes,
        };
        let next = Instant::now() + options.interval.max(Duration::from_millis(50));
        match &mut screen {
            Some(screen) => {
                screen.draw(&view)?;
                if screen.wait(next, &view)? {
                    break;
                }
            }
            None => {
                match &fault {
                    None => print_line(&record, &history.outlook(), options.format, began)?,
                    Some(fault) => print_notes(std::slice::from_ref(fault))?,
                }
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }
        if options.span.is_some_and(|span| started.elapsed() >= span) {
            break;
        }
        let mut lost = None;
        if let Some(profiles) = &profiles
            && Instant::now() >= next_profile
        {
            // From now on, not from when it was due: a slow program is not asked ever more often.
            next_profile = Instant::now() + options.every;
            lost = profiles.save().err();
        }
        match source.look(false).and_then(|found| lost.map_or(Ok(found), Err)) {
            Ok(found) => (record, fault, faults) = (found, None, 0),
            Err(found) => {
                faults += 1;
                if faults == MOST_FAULTS {
                    drop(screen);
                    return Err(found);
                }
                fault = Some(format!("{found:#}"));
            }
        }
    }
    let was_live = screen.is_some();
    drop(screen);
    // The screen is gone; what it said last stays.
    if was_live {
        print_whole(&source.name, &record, &history, source.pid(), options)?;
        print_notes(&source.notes)?;
    }
    Ok(())
}

/// Goes through lines: each as it comes from a pipe, all at once from a file.
fn replay(options: &WatchOptions) -> Result<()> {
    let mut lines = Replay::open(&options.target)?;
    let mut recorder = Recorder::open(options)?;
    let mut history = History::new();
    let mut last = None;
    let is_live = options.target == "-" && !options.once;
    while let Some(record) = lines.next()? {
        recorder.keep(&record)?;
        history.push(record.time, record.vitals.clone());
        if is_live {
            print_line(&record, &history.outlook(), options.format, 0.0)?;
        }
        last = Some(record);
    }
    let Some(record) = last else {
        bail!("{} has no line of GODEBUG=gctrace=1, nor any that --record wrote", options.target);
    };
    if !is_live || options.format == Format::Table {
        print_whole(&options.target, &record, &history, None, options)?;
    }
    if let (Some(gc), Format::Table) = (&lines.last_gc, options.format) {
        let forced = if gc.is_forced { ", which the program asked for," } else { "" };
        anstream::println!(
            "The last collection{forced} stopped the world for {:.3} ms, on {} processors.",
            gc.stopped_ms(),
            gc.processors
        );
    }
    Ok(())
}

/// Where looks are kept.
struct Recorder {
    file: Option<File>,
}

impl Recorder {
    fn open(options: &WatchOptions) -> Result<Self> {
        let open = |path: &std::path::PathBuf| {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("{} can't be written", path.display()))
        };
        Ok(Self { file: options.record.as_ref().map(open).transpose()? })
    }

    /// Writes a line in one piece, so that a reader never sees a part of one.
    fn keep(&mut self, record: &Record) -> Result<()> {
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(record)?;
            line.push(b'\n');
            file.write_all(&line).context("the look can't be recorded")?;
        }
        Ok(())
    }
}
