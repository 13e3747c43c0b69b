//! Bytes as they are inflated, field by field: what was read is let go of.
//!
//! Memory: a window of 256 KiB, and as much more as the longest entry has, up to 64 MiB. A length
//! that an entry only claims costs nothing: the window grows as bytes come.

use std::cell::Cell;
use std::io::{self, BufRead, Chain, Cursor, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::limits::Limits;
use crate::{ProfileError, WireError};

const WINDOW: usize = 256 << 10;
/// No entry of a profile is longer: it would be a stack of ten million calls.
const LONGEST_ENTRY: u64 = 64 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Deflate can't do better than 1,032; profiles of one stack over and over come to some 100.
const MOST_RATIO: u64 = 400;
/// Below this nothing is called a bomb.
const SMALL: u64 = 64 << 20;
/// Memory for each byte of a file, besides what any may take. Profiles of programs take three to
/// ten.
const MOST_MEMORY_RATIO: u64 = 32;
/// What any file may take.
const SMALL_MEMORY: u64 = 256 << 20;

type Input<'r> = Chain<Cursor<Vec<u8>>, &'r mut dyn BufRead>;

/// Counts what is taken from the reader below the inflater.
struct Counted<'r> {
    input: Input<'r>,
    count: Rc<Cell<u64>>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count.set(self.count.get() + amount as u64);
        self.input.consume(amount);
    }
}

enum Kind<'r> {
    Plain(Input<'r>),
    Packed(Box<MultiGzDecoder<Counted<'r>>>),
}

/// A field at the top of a profile.
pub(crate) enum Top<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
    Other(u64),
}

/// The bytes of a profile, expanded where they are packed.
pub(crate) struct Stream<'r> {
    kind: Kind<'r>,
    packed: Rc<Cell<u64>>,
    window: Vec<u8>,
    start: usize,
    end: usize,
    is_over: bool,
    /// Of the window's start.
    offset: u64,
    expanded: u64,
    limits: Limits,
}

impl<'r> Stream<'r> {
    pub(crate) fn new(input: &'r mut dyn BufRead, limits: Limits) -> Result<Self, ProfileError> {
        let mut head = Vec::new();
        (&mut *input).take(2).read_to_end(&mut head).map_err(ProfileError::Unreadable)?;
        if head.is_empty() {
            return Err(ProfileError::Empty);
        }
        let is_packed = head == GZIP;
        let input = Cursor::new(head).chain(input);
        let packed = Rc::new(Cell::new(0));
        let kind = match is_packed {
            true => {
                let counted = Counted { input, count: Rc::clone(&packed) };
                Kind::Packed(Box::new(MultiGzDecoder::new(counted)))
            }
            false => Kind::Plain(input),
        };
        let mut stream = Self {
            kind,
            packed,
            window: vec![0; WINDOW],
            start: 0,
            end: 0,
            is_over: false,
            offset: 0,
            expanded: 0,
            limits,
        };
        if !stream.fill()? {
            return Err(ProfileError::Empty);
        }
        Ok(stream)
    }

    /// Where the next field starts, after expanding.
    pub(crate) fn offset(&self) -> u64 {
        self.offset + self.start as u64
    }

    /// Reads more behind what is there; tells whether there was more.
    fn fill(&mut self) -> Result<bool, ProfileError> {
        if self.is_over {
            return Ok(false);
        }
        if self.start > 0 {
            self.window.copy_within(self.start..self.end, 0);
            self.offset += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.window.len() {
            self.window.resize(self.window.len() * 2, 0);
        }
        let room = &mut self.window[self.end..];
        let read = match &mut self.kind {
            Kind::Plain(input) => input.read(room).map_err(ProfileError::Unreadable)?,
            Kind::Packed(input) => input.read(room).map_err(ProfileError::Compression)?,
        };
        self.end += read;
        self.expanded += read as u64;
        self.is_over = read == 0;
        if self.expanded > self.limits.expanded_bytes {
            return Err(ProfileError::TooLarge { limit: self.limits.expanded_bytes });
        }
        let packed = self.packed.get();
        if self.is_packed() && self.expanded > SMALL && self.expanded / MOST_RATIO > packed {
            return Err(ProfileError::Bomb { ratio: MOST_RATIO });
        }
        Ok(read > 0)
    }

    fn have(&mut self, len: usize) -> Result<bool, ProfileError> {
        while self.end - self.start < len {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fault(&self, source: WireError) -> ProfileError {
        ProfileError::NotAProfile { offset: self.offset(), source }
    }

    fn number(&mut self) -> Result<u64, ProfileError> {
        if self.end - self.start < 10 {
            self.have(10)?;
        }
        let mut rest = &self.window[self.start..self.end];
        let before = rest.len();
        if before == 0 {
            return Err(ProfileError::CutOff);
        }
        let value = crate::wire::number(&mut rest);
        let taken = before - rest.len();
        match value {
            Ok(value) => {
                self.start += taken;
                Ok(value)
            }
            Err(_) if before < 10 => Err(ProfileError::CutOff),
            Err(fault) => Err(self.fault(fault)),
        }
    }

    fn bytes(&mut self, len: u64) -> Result<&[u8], ProfileError> {
        if len > LONGEST_ENTRY {
            return Err(ProfileError::LongEntry { offset: self.offset(), len });
        }
        let len = len as usize;
        if !self.have(len)? {
            return Err(ProfileError::CutOff);
        }
        let start = self.start;
        self.start += len;
        Ok(&self.window[start..start + len])
    }

    /// Checks that what was read so far does not take more memory than such a file can need.
    #[inline]
    pub(crate) fn check_memory(&self, used: u64) -> Result<(), ProfileError> {
        if used <= SMALL_MEMORY {
            return Ok(());
        }
        let read = if self.is_packed() { self.packed.get() } else { self.expanded };
        match (used - SMALL_MEMORY) / MOST_MEMORY_RATIO <= read {
            true => Ok(()),
            false => Err(ProfileError::Hollow { ratio: MOST_MEMORY_RATIO }),
        }
    }

    fn is_packed(&self) -> bool {
        matches!(self.kind, Kind::Packed(_))
    }

    /// Returns the next field; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Top<'_>>, ProfileError> {
        if self.start == self.end && !self.fill()? {
            return Ok(None);
        }
        let key = self.number()?;
        let number = key >> 3;
        Ok(Some(match key & 7 {
            0 => Top::Number(number, self.number()?),
            2 => {
                let len = self.number()?;
                Top::Bytes(number, self.bytes(len)?)
            }
            1 => self.bytes(8).map(|_| Top::Other(number))?,
            5 => self.bytes(4).map(|_| Top::Other(number))?,
            other => return Err(self.fault(WireError::UnknownType(other as u8))),
        }))
    }
}
