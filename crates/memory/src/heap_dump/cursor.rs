//! The two things that a heap dump consists of: numbers (Go's `binary.Uvarint`, seven bits a byte,
//! lowest first, the high bit set on all but the last) and runs of bytes behind their length.

/// Why a record could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The file ends within it.
    CutOff,
    /// It can't be what Go writes.
    Malformed(&'static str),
}

/// A place in a dump. Every step moves it on, so that whoever loops over it ends with the file.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'d> {
    data: &'d [u8],
    at: usize,
}

impl<'d> Cursor<'d> {
    pub(super) fn new(data: &'d [u8], at: usize) -> Self {
        Self { data, at: at.min(data.len()) }
    }

    /// Returns the offset in the file.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn number(&mut self) -> Result<u64, Fault> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let byte = *self.data.get(self.at).ok_or(Fault::CutOff)?;
            self.at += 1;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed("a number of more than 64 bits"))
    }

    /// Passes over numbers.
    pub(super) fn skip_numbers(&mut self, count: usize) -> Result<(), Fault> {
        for _ in 0..count {
            self.number()?;
        }
        Ok(())
    }

    /// Reads a run of bytes behind its length.
    pub(super) fn bytes(&mut self) -> Result<&'d [u8], Fault> {
        let len = self.number()?;
        let rest = &self.data[self.at..];
        let len = usize::try_from(len).map_err(|_| Fault::CutOff)?;
        let bytes = rest.get(..len).ok_or(Fault::CutOff)?;
        self.at += len;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_writes_them() {
        let numbers = |bytes: &[u8]| Cursor::new(bytes, 0).number();
        assert_eq!(numbers(&[0x00]), Ok(0));
        assert_eq!(numbers(&[0x7f]), Ok(127));
        assert_eq!(numbers(&[0x80, 0x01]), Ok(128));
        assert_eq!(
            numbers(&[0xff; 9].iter().copied().chain([1]).collect::<Vec<_>>()),
            Ok(u64::MAX)
        );
    }

    #[test]
    fn numbers_that_go_never_writes_are_refused() {
        assert_eq!(Cursor::new(&[0x80], 0).number(), Err(Fault::CutOff));
        let too_long = Fault::Malformed("a number of more than 64 bits");
        assert_eq!(Cursor::new(&[0xff; 11], 0).number(), Err(too_long));
        let mut ten = [0xff; 10];
        ten[9] = 2;
        assert_eq!(Cursor::new(&ten, 0).number(), Err(too_long));
    }

    #[test]
    fn a_length_beyond_the_file_is_cut_off() {
        let mut cursor = Cursor::new(&[5, 1, 2], 0);
        assert_eq!(cursor.bytes(), Err(Fault::CutOff));
        let mut huge =
            Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 7], 0);
        assert_eq!(huge.bytes(), Err(Fault::CutOff));
    }
}
