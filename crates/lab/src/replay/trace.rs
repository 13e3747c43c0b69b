//! Recorded operations on maps, as lines of text or in a compact binary form.
//!
//! A trace is a sequence of [`Record`]s. Keys are numbers that stand for a key of the program's: what
//! the key was is not recorded, only how long it was if it was a string.
//!
//! As text, a first line `tophash-trace 1`, then a line for each record, fields separated by blanks;
//! lines that are empty or start with `#` say nothing:
//!
//! ```text
//! make MAP HINT TYPE       a map is made; TYPE is map[K]V as Go writes it, to the line's end
//! key MAP KEY LENGTH       the key is a string of so many bytes (16 if this is not said)
//! set MAP KEY              m[key] = v
//! get MAP KEY              v, ok := m[key]
//! delete MAP KEY           delete(m, key)
//! range MAP                for range m {}
//! clear MAP                clear(m)
//! drop MAP                 nothing refers to the map any longer
//! ```
//!
//! In binary, the eight bytes `tophash` and 1, then a byte for each record, 0 to 7 in the order
//! above, and its fields as unsigned LEB128 numbers; a type is its length and its bytes.
//!
//! Maps and keys are numbered as the recorder likes. No count is trusted: types of more than 64 KiB,
//! and more than a million maps at once, are refused.

use std::io::{self, BufRead, Read};

/// The first line of a trace as text.
const TEXT_START: &[u8] = b"tophash-trace 1";
/// The first bytes of a binary trace.
const BINARY_START: [u8; 8] = *b"tophash\x01";
/// Bytes of a type.
const MAX_TYPE: u64 = 1 << 16;
/// Bytes of a line.
const MAX_LINE: u64 = 1 << 17;
/// Bytes of a string that is a key.
pub(super) const MAX_TEXT: u64 = 1 << 16;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A map was made.
    Make {
        /// Its number.
        map: u64,
        /// The entries that it was made for.
        hint: u64,
        /// Its type, as Go writes it.
        ty: String,
    },
    /// A key is a string of so many bytes.
    Key {
        /// The map's number.
        map: u64,
        /// The key's number.
        key: u64,
        /// Bytes.
        len: u64,
    },
    /// Something was done with a key.
    Access {
        /// What.
        access: Access,
        /// The map's number.
        map: u64,
        /// The key's number.
        key: u64,
    },
    /// Something was done with a whole map.
    Whole {
        /// What.
        whole: Whole,
        /// The map's number.
        map: u64,
    },
}

/// What can be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `m[key] = v`.
    Set,
    /// `m[key]`.
    Get,
    /// `delete(m, key)`.
    Delete,
}

/// What can be done with a whole map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// `for range m {}`.
    Range,
    /// `clear(m)`.
    Clear,
    /// Nothing refers to it any longer.
    Drop,
}

/// Where in a trace a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracePlace {
    /// A line of text, the first being 1.
    Line(u64),
    /// A distance from the start of a binary trace, in bytes.
    Offset(u64),
}

impl std::fmt::Display for TracePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Offset(offset) => write!(f, "byte {offset:#x}"),
        }
    }
}

/// Why a trace could not be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// It can't be read.
    #[error("the trace can't be read")]
    Read(#[from] io::Error),
    /// It does not start as one.
    #[error(
        "this is no trace of map operations: it starts neither with the line “tophash-trace 1” nor \
         as a binary trace of version 1"
    )]
    NoTrace,
    /// A record is none.
    #[error("{place} of the trace: {fault}")]
    BadRecord {
        /// Where.
        place: TracePlace,
        /// What is wrong.
        fault: String,
    },
    /// It ends within a record.
    #[error("the trace ends within the record at {place}; what comes before it is whole")]
    Truncated {
        /// Where the record starts.
        place: TracePlace,
    },
}

/// Reads a trace record by record, from anything.
#[derive(Debug)]
pub struct TraceReader<R> {
    input: R,
    is_binary: bool,
    place: u64,
    line: Vec<u8>,
    is_over: bool,
}

impl<R: BufRead> TraceReader<R> {
    /// Reads the start, and tells by it how the trace is written.
    ///
    /// # Errors
    ///
    /// Fails where it is no trace.
    pub fn new(mut input: R) -> Result<Self, TraceError> {
        let mut start = [0; BINARY_START.len()];
        let is_read = input.read_exact(&mut start);
        if is_read.is_err() {
            return Err(TraceError::NoTrace);
        }
        let is_binary = start == BINARY_START;
        let mut reader = Self { input, is_binary, place: 0, line: start.to_vec(), is_over: false };
        if is_binary {
            reader.place = BINARY_START.len() as u64;
            return Ok(reader);
        }
        (&mut reader.input).take(TEXT_START.len() as u64).read_until(b'\n', &mut reader.line)?;
        if reader.line.trim_ascii_end() != TEXT_START {
            return Err(TraceError::NoTrace);
        }
        reader.place = 1;
        Ok(reader)
    }

    fn read_record(&mut self) -> Result<Option<Record>, TraceError> {
        if self.is_binary { self.binary() } else { self.text() }
    }

    fn text(&mut self) -> Result<Option<Record>, TraceError> {
        loop {
            self.line.clear();
            let len = (&mut self.input).take(MAX_LINE).read_until(b'\n', &mut self.line)?;
            if len == 0 {
                return Ok(None);
            }
            self.place += 1;
            let place = TracePlace::Line(self.place);
            if len as u64 == MAX_LINE {
                let fault = format!("it is longer than {MAX_LINE} bytes");
                return Err(TraceError::BadRecord { place, fault });
            }
            let text = str::from_utf8(&self.line).map_err(|_| TraceError::BadRecord {
                place,
                fault: "it is not UTF-8".to_owned(),
            })?;
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let record = line(text).map_err(|fault| TraceError::BadRecord { place, fault })?;
            return Ok(Some(record));
        }
    }

    fn binary(&mut self) -> Result<Option<Record>, TraceError> {
        let place = TracePlace::Offset(self.place);
        let Some(kind) = self.byte()? else { return Ok(None) };
        let truncated = || TraceError::Truncated { place };
        let bad = |fault: String| TraceError::BadRecord { place, fault };
        let mut number = || self.number().and_then(|number| number.ok_or_else(truncated));
        let map = number()?;
        Ok(Some(match kind {
            0 => {
                let (hint, len) = (number()?, number()?);
                if len > MAX_TYPE {
                    return Err(bad(format!("a type of {len} bytes")));
                }
                let mut ty = vec![0; len as usize];
                self.input.read_exact(&mut ty).map_err(|_| truncated())?;
                self.place += len;
                let ty =
                    String::from_utf8(ty).map_err(|_| bad("a type that is not UTF-8".into()))?;
                Record::Make { map, hint, ty }
            }
            1 => Record::Key { map, key: number()?, len: checked_len(number()?).map_err(bad)? },
            2 => Record::Access { access: Access::Set, map, key: number()? },
            3 => Record::Access { access: Access::Get, map, key: number()? },
            4 => Record::Access { access: Access::Delete, map, key: number()? },
            5 => Record::Whole { whole: Whole::Range, map },
            6 => Record::Whole { whole: Whole::Clear, map },
            7 => Record::Whole { whole: Whole::Drop, map },
            kind => return Err(bad(format!("there is no record of kind {kind}"))),
        }))
    }

    fn byte(&mut self) -> Result<Option<u8>, TraceError> {
        let Some(byte) = self.input.fill_buf()?.first().copied() else { return Ok(None) };
        self.input.consume(1);
        self.place += 1;
        Ok(Some(byte))
    }

    /// Reads a number; `None` where the trace ends in it, or it is over 64 bits.
    fn number(&mut self) -> Result<Option<u64>, TraceError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.byte()? else { return Ok(None) };
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok((bits << shift >> shift == bits).then_some(number));
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Iterator for TraceReader<R> {
    type Item = Result<Record, TraceError>;

    /// Reads the next record; ends after a fault.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let record = self.read_record().transpose();
        self.is_over = !matches!(record, Some(Ok(_)));
        record
    }
}

fn checked_len(len: u64) -> Result<u64, String> {
    if len > MAX_TEXT {
        return Err(format!("a key of {len} bytes; up to {MAX_TEXT} are replayed"));
    }
    Ok(len)
}

/// Reads a line that says something.
fn line(text: &str) -> Result<Record, String> {
    let (name, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let mut rest = rest.trim_start();
    let mut number = |what: &str| -> Result<u64, String> {
        let (field, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        rest = after.trim_start();
        field.parse().map_err(|_| match field {
            "" => format!("“{name}” lacks the number of a {what}"),
            field => format!("“{field}” is no number of a {what}"),
        })
    };
    let map = number("map")?;
    let access = |access, key| Record::Access { access, map, key };
    let whole = |whole| Record::Whole { whole, map };
    let record = match name {
        "make" => {
            let hint = number("hint")?;
            let ty = std::mem::take(&mut rest);
            if ty.len() as u64 > MAX_TYPE {
                return Err(format!("a type of {} bytes", ty.len()));
            }
            Record::Make { map, hint, ty: ty.to_owned() }
        }
        "key" => Record::Key { map, key: number("key")?, len: checked_len(number("length")?)? },
        "set" => access(Access::Set, number("key")?),
        "get" => access(Access::Get, number("key")?),
        "delete" => access(Access::Delete, number("key")?),
        "range" => whole(Whole::Range),
        "clear" => whole(Whole::Clear),
        "drop" => whole(Whole::Drop),
        name => return Err(format!("there is no record “{name}”")),
    };
    match rest {
        "" => Ok(record),
        rest => Err(format!("“{rest}” is too much")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Result<Record, String>> {
        match TraceReader::new(bytes) {
            Ok(reader) => reader.map(|record| record.map_err(|e| e.to_string())).collect(),
            Err(error) => vec![Err(error.to_string())],
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let text = b"tophash-trace 1\n# a comment\n\nmake 3 100 map[string]struct { n int }\n\
                     key 3 7 300\nset 3 7\nget 3 7\ndelete 3 7\nrange 3\nclear 3\ndrop 3";
        let mut binary = BINARY_START.to_vec();
        let ty = b"map[string]struct { n int }";
        binary.extend([0, 3, 100, ty.len() as u8]);
        binary.extend(ty);
        binary.extend([1, 3, 7, 0xac, 2, 2, 3, 7, 3, 3, 7, 4, 3, 7, 5, 3, 6, 3, 7, 3]);
        let records = read(text);
        assert_eq!(records.len(), 8);
        assert_eq!(records, read(&binary));
        assert_eq!(records[1], Ok(Record::Key { map: 3, key: 7, len: 300 }));
    }

    #[test]
    fn faults_name_their_place_and_end_the_trace() {
        let faults = |text: &str| read(format!("tophash-trace 1\n{text}").as_bytes());
        assert_eq!(
            faults("set 1 2\nset 1\nset 1 2"),
            [
                Ok(Record::Access { access: Access::Set, map: 1, key: 2 }),
                Err("line 3 of the trace: “set” lacks the number of a key".to_owned()),
            ]
        );
        assert_eq!(
            faults("sett 1 2"),
            [Err("line 2 of the trace: there is no record “sett”".to_owned())]
        );
        assert_eq!(faults("clear 1 2"), [Err("line 2 of the trace: “2” is too much".to_owned())]);
        let cut = [&BINARY_START[..], &[2, 1, 5, 2, 1]].concat();
        assert_eq!(
            read(&cut)[1],
            Err("the trace ends within the record at byte 0xb; what comes before it is whole"
                .into())
        );
        assert!(read(b"tophash\x02")[0].as_ref().is_err_and(|e| e.contains("no trace")));
        assert!(read(b"")[0].is_err());
    }

    proptest::proptest! {
        #[test]
        fn hostile_traces_end(bytes in proptest::collection::vec(0_u8.., 0..200)) {
            read(&[&BINARY_START[..], &bytes].concat());
            read(&[b"tophash-trace 1\n", &bytes[..]].concat());
        }
    }
}
