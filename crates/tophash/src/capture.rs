//! `tophash capture`: from a running process to a core in a file.
//!
//! The output is made first, so that a process is not stopped for a core that can't be stored.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tophash_goruntime::{Error, free_heap_pages};
use tophash_memory::{
    AddressRange, Capture, Compression, Consistency, CoreContents, CoreError, NewFile,
    ProcessOptions, Target,
};

use crate::args::CaptureOptions;
use crate::progress::Progress;
use crate::report::style::{bytes, clean, count, heading, warning};

pub(crate) fn run(options: &CaptureOptions) -> Result<()> {
    let path = &options.output;
    let output =
        NewFile::create(path).with_context(|| format!("{} can't be written", path.display()))?;
    let progress = Progress::new();
    let capture = take(options, &progress)?;
    let target = capture.target();
    let mut notes = target.diagnostics().to_vec();
    progress.step("looking for free pages of the heap");
    let free = free_pages(target, options, &mut notes)?;
    progress.step("looking for pages of zeros");
    let core = capture.core(&free)?;
    let contents = core.contents();
    let compression = match path.extension() {
        Some(extension) if extension == "zst" => Compression::Zstd,
        _ => Compression::None,
    };
    let stored = bytes(contents.stored.get());
    core.write(output.file(), compression, &|done| {
        progress.step(format!("writing {}: {} of {stored}", path.display(), bytes(done.get())));
    })
    .map_err(|fault| explained(fault, path, &contents))?;
    let size = output.file().metadata().context("the size of the core can't be had")?;
    output.finish().with_context(|| format!("{} can't be written", path.display()))?;
    drop(progress);
    let summary = Summary {
        options,
        target,
        contents,
        size: size.len(),
        on_disk: 512 * size.blocks(),
        is_compressed: compression == Compression::Zstd,
    };
    summary.print(&notes)?;
    Ok(())
}

/// Copies the process.
fn take(options: &CaptureOptions, progress: &Progress) -> Result<Capture> {
    let copied = progress.copying(options.pid);
    let process = ProcessOptions {
        mode: options.stop.mode(),
        executable: options.exe.clone(),
        progress: Some(&copied),
    };
    Ok(Capture::of_process(options.pid, &process)?)
}

/// Finds what of the heap need not be stored. Only a Go program is captured; one of an unknown
/// release is captured whole.
fn free_pages(
    target: &Target,
    options: &CaptureOptions,
    notes: &mut Vec<String>,
) -> Result<Vec<AddressRange>> {
    match free_heap_pages(target) {
        Ok(_) if options.full => Ok(Vec::new()),
        Ok(free) => Ok(free),
        Err(fault @ Error::NotGo { .. }) => {
            Err(fault).with_context(|| format!("process {} is not captured", options.pid))
        }
        Err(fault) => {
            notes.push(format!("free pages of the heap are stored too: {fault}"));
            Ok(Vec::new())
        }
    }
}

/// Says what a fault of the output means.
fn explained(fault: CoreError, path: &Path, contents: &CoreContents) -> anyhow::Error {
    let is_full = matches!(&fault, CoreError::Output(fault) if matches!(
        fault.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    ));
    let advice = match is_full {
        true => format!(
            "{} can't be written: the core holds {}; name a file with more room, or one that ends \
             in .zst to have it compressed",
            path.display(),
            bytes(contents.stored.get())
        ),
        false => format!("{} can't be written", path.display()),
    };
    match fault {
        CoreError::Output(fault) => anyhow::Error::new(fault).context(advice),
        other => other.into(),
    }
}

/// What a person is told at the end.
struct Summary<'s> {
    options: &'s CaptureOptions,
    target: &'s Target,
    contents: CoreContents,
    /// The length of the file.
    size: u64,
    /// What it takes on the disk.
    on_disk: u64,
    is_compressed: bool,
}

impl Summary<'_> {
    fn print(&self, notes: &[String]) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        let CoreContents { mappings, threads, stored, free, zeros, .. } = self.contents;
        let rows = [
            ("file", self.options.output.display().to_string()),
            ("size", self.size()),
            ("mappings", count(mappings as u64)),
            ("threads", self.threads(threads)),
            ("stored", format!("{} in {}", bytes(stored.get()), pages(stored.get()))),
            (
                "left out",
                format!("{} of free heap, {} of zeros", bytes(free.get()), bytes(zeros.get())),
            ),
            ("taken", self.taken()),
        ];
        for (name, value) in rows {
            writeln!(out, "{} {}", heading(&format!("{name:<9}")), clean(&value))?;
        }
        for note in notes {
            writeln!(out, "{} {}", warning("note:"), clean(note))?;
        }
        self.print_next(&mut out)?;
        out.flush()
    }

    fn size(&self) -> String {
        let whole = bytes(self.contents.file_size.get());
        match self.is_compressed {
            true => format!("{} ({whole} before compression)", bytes(self.size)),
            false => format!(
                "{} ({} on disk; the rest are holes)",
                bytes(self.size),
                bytes(self.on_disk)
            ),
        }
    }

    fn threads(&self, threads: usize) -> String {
        match self.target.consistency() {
            Consistency::Unfrozen => {
                format!(
                    "{}, without registers but those of calls they sleep in",
                    count(threads as u64)
                )
            }
            _ => count(threads as u64),
        }
    }

    /// How the pages came about.
    fn taken(&self) -> String {
        match self.target.consistency() {
            Consistency::Frozen { pause, is_complete: true } => {
                format!("frozen: stopped for {:.1} ms", pause.as_secs_f64() * 1e3)
            }
            Consistency::Frozen { pause, is_complete: false } => format!(
                "frozen in part: stopped for {:.1} ms, then read while it ran; torn pages possible",
                pause.as_secs_f64() * 1e3
            ),
            _ => "unfrozen: never stopped; torn pages possible".to_owned(),
        }
    }

    fn print_next(&self, out: &mut dyn Write) -> io::Result<()> {
        let core = self.options.output.display();
        let executable = self.executable();
        let named = executable
            .as_ref()
            .map_or_else(String::new, |path| format!(" --exe {}", path.display()));
        let next = format!("tophash inspect {core}{named}");
        writeln!(out, "\nNext: {}", clean(&next))?;
        if executable.is_some() && self.options.exe.is_none() {
            writeln!(
                out,
                "The executable is no longer at its path. While the process runs, get it with\n  \
                 cp /proc/{}/exe BIN",
                self.options.pid
            )?;
        }
        writeln!(
            out,
            "A core holds the program's secrets: only you may read this one. To read it elsewhere, \
             take the\nexecutable along."
        )
    }

    /// The executable, where the core alone does not lead to it.
    fn executable(&self) -> Option<PathBuf> {
        match &self.options.exe {
            Some(given) => Some(given.clone()),
            None => (!self.target.executable().path().exists()).then(|| PathBuf::from("BIN")),
        }
    }
}

/// Spells a size in pages.
fn pages(bytes: u64) -> String {
    format!("{} pages", count(bytes / 4096))
}
