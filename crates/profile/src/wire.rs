//! Protocol buffers, as far as profiles need them: numbers of seven bits a byte, and fields.
//!
//! What is refused is what Go's reader refuses: numbers of more than ten bytes, fields that reach
//! beyond their message, and known fields of another type. Unknown fields are skipped.

use crate::WireError;

/// A field's content.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'a> {
    Number(u64),
    Fixed,
    Bytes(&'a [u8]),
}

/// A field with its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    pub(crate) content: Content<'a>,
}

impl<'a> Field<'a> {
    pub(crate) fn unsigned(&self) -> Result<u64, WireError> {
        match self.content {
            Content::Number(value) => Ok(value),
            _ => Err(WireError::TypeMismatch { field: self.number }),
        }
    }

    pub(crate) fn signed(&self) -> Result<i64, WireError> {
        self.unsigned().map(|value| value as i64)
    }

    pub(crate) fn flag(&self) -> Result<bool, WireError> {
        self.unsigned().map(|value| value != 0)
    }

    pub(crate) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.content {
            Content::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::TypeMismatch { field: self.number }),
        }
    }

    /// Hands on each number of a repeated field, packed or not.
    pub(crate) fn each(&self, mut take: impl FnMut(u64)) -> Result<(), WireError> {
        match self.content {
            Content::Number(value) => take(value),
            Content::Bytes(mut rest) => {
                while !rest.is_empty() {
                    take(number(&mut rest)?);
                }
            }
            Content::Fixed => return Err(WireError::TypeMismatch { field: self.number }),
        }
        Ok(())
    }
}

/// Takes a number off the front.
#[inline]
pub(crate) fn number(rest: &mut &[u8]) -> Result<u64, WireError> {
    let bytes = *rest;
    match bytes {
        [first, after @ ..] if *first < 0x80 => {
            *rest = after;
            return Ok(u64::from(*first));
        }
        [first, second, after @ ..] if *second < 0x80 => {
            *rest = after;
            return Ok(u64::from(first & 0x7f) | u64::from(*second) << 7);
        }
        _ => {}
    }
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *rest = &bytes[index + 1..];
            return Ok(value);
        }
    }
    Err(WireError::BadNumber)
}

/// Takes a field off the front; nothing at the end.
#[inline]
pub(crate) fn field<'a>(rest: &mut &'a [u8]) -> Result<Option<Field<'a>>, WireError> {
    if rest.is_empty() {
        return Ok(None);
    }
    let key = number(rest)?;
    let content = match key & 7 {
        0 => Content::Number(number(rest)?),
        2 => {
            let len = number(rest)?;
            Content::Bytes(take(rest, len)?)
        }
        1 => take(rest, 8).map(|_| Content::Fixed)?,
        5 => take(rest, 4).map(|_| Content::Fixed)?,
        other => return Err(WireError::UnknownType(other as u8)),
    };
    Ok(Some(Field { number: key >> 3, content }))
}

fn take<'a>(rest: &mut &'a [u8], len: u64) -> Result<&'a [u8], WireError> {
    let parts = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
    let (taken, after) = parts.ok_or(WireError::BeyondEnd)?;
    *rest = after;
    Ok(taken)
}

/// Appends a number.
pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a number's field, unless it is 0, which is what a missing one means.
pub(crate) fn put_field(out: &mut Vec<u8>, number: u32, value: u64) {
    if value != 0 {
        put_number(out, u64::from(number) << 3);
        put_number(out, value);
    }
}

/// Appends a field of bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_number(out, u64::from(number) << 3 | 2);
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_come_back() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1_u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                put_number(&mut out, value);
                let mut rest = out.as_slice();
                assert_eq!(number(&mut rest), Ok(value));
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn a_number_without_an_end_is_refused() {
        assert_eq!(number(&mut [0x80; 9].as_slice()), Err(WireError::BadNumber));
        assert_eq!(number(&mut [0xff; 20].as_slice()), Err(WireError::BadNumber));
        assert_eq!(number(&mut [].as_slice()), Err(WireError::BadNumber));
    }
}
