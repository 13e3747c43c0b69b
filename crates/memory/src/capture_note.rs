//! The note that our own cores have besides the usual ones: when and how they were taken.
//!
//! Its owner is `tophash`. Its type is like no other's, since debuggers tell notes apart by type
//! alone. Its body is the monotonic clock in nanoseconds (eight bytes, zero where it is not known) and
//! a number for how (four bytes), little-endian. More may be added behind.

use std::time::Duration;

/// Who the note is of.
pub(crate) const OWNER: &[u8] = b"tophash";
/// What it is: "top", and a number.
pub(crate) const KIND: u32 = 0x746f_7001;

/// How far a core's bytes belong to one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// All of them.
    Frozen,
    /// The process was let go before all was copied.
    InPart,
    /// The process was never stopped.
    Unfrozen,
}

/// The note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CaptureNote {
    /// What the system's monotonic clock showed.
    pub(crate) clock: Option<Duration>,
    pub(crate) taken: Taken,
}

impl CaptureNote {
    pub(crate) fn body(&self) -> Vec<u8> {
        let nanos = self.clock.map_or(0, |clock| u64::try_from(clock.as_nanos()).unwrap_or(0));
        let how: u32 = match self.taken {
            Taken::Frozen => 0,
            Taken::InPart => 1,
            Taken::Unfrozen => 2,
        };
        [nanos.to_le_bytes().as_slice(), &how.to_le_bytes()].concat()
    }

    /// Reads a note's body; `None` where it is cut off, or of a kind that is not known.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let (clock, rest) = body.split_first_chunk()?;
        let nanos = u64::from_le_bytes(*clock);
        let taken = match u32::from_le_bytes(*rest.first_chunk()?) {
            0 => Taken::Frozen,
            1 => Taken::InPart,
            2 => Taken::Unfrozen,
            _ => return None,
        };
        Some(Self { clock: (nanos > 0).then(|| Duration::from_nanos(nanos)), taken })
    }

    /// Says what may not fit together.
    pub(crate) fn doubt(&self) -> Option<&'static str> {
        match self.taken {
            Taken::Frozen => None,
            Taken::InPart => Some(
                "the process was let go before all of it was captured: what it changed meanwhile \
                 may not fit together",
            ),
            Taken::Unfrozen => Some(
                "the core was captured from a process that was not stopped: what it changed \
                 meanwhile may not fit together",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_a_damaged_one_is_none() {
        for taken in [Taken::Frozen, Taken::InPart, Taken::Unfrozen] {
            let note = CaptureNote { clock: Some(Duration::from_nanos(7)), taken };
            let mut body = note.body();
            assert_eq!(CaptureNote::read(&body), Some(note));
            body.push(9);
            assert_eq!(CaptureNote::read(&body), Some(note));
            assert_eq!(CaptureNote::read(&body[..11]), None);
        }
        let unknown = CaptureNote { clock: None, taken: Taken::Frozen };
        assert_eq!(CaptureNote::read(&unknown.body()), Some(unknown));
        assert_eq!(CaptureNote::read(&[3; 12]), None);
    }
}
