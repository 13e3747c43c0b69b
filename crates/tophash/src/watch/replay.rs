//! Looks that come as lines: a log of `gctrace`, or what `--record` wrote, from a file or as they come.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context, Result};
use tophash_vitals::{GcTrace, Record, TraceLine, parse_trace_line};

/// The longest line that is read; of a longer one, the rest is passed over.
const LONGEST_LINE: u64 = 1 << 20;

/// Lines, of which some are looks.
pub(super) struct Replay {
    input: Box<dyn BufRead>,
    /// What was given back to the kernel, by the last line on it.
    released: Option<u64>,
    /// The last collection.
    pub(super) last_gc: Option<GcTrace>,
}

impl Replay {
    pub(super) fn open(name: &str) -> Result<Self> {
        let input: Box<dyn BufRead> = match name {
            "-" => Box::new(BufReader::new(io::stdin())),
            name => {
                let file =
                    File::open(Path::new(name)).with_context(|| format!("{name} can't be read"))?;
                Box::new(BufReader::new(file))
            }
        };
        Ok(Self { input, released: None, last_gc: None })
    }

    /// Reads on to the next look; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut self.input).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
                self.input.skip_until(b'\n')?;
                continue;
            }
            let text = String::from_utf8_lossy(&line);
            if text.starts_with('{')
                && let Some(record) = Record::from_line(&text)
            {
                return Ok(Some(record));
            }
            match parse_trace_line(&text) {
                Some(TraceLine::Gc(gc)) => {
                    let mut vitals = gc.vitals();
                    vitals.heap_released = self.released;
                    let record = Record::of(gc.at, vitals);
                    self.last_gc = Some(gc);
                    return Ok(Some(record));
                }
                Some(TraceLine::Scav(scav)) => self.released = Some(scav.released),
                _ => {}
            }
        }
    }
}
