//! Values as bytes: a letter for the kind, then the content.
//!
//! An integer is decimal text, so that a script can add to it; lists and objects hold their parts with
//! four bytes of length before each. What is decoded is foreign: lengths are held against what is
//! there, and depth is bounded.

use std::sync::Arc;

use tophash_safemap::{Object, Value};

/// How deep lists and objects may lie in one another; no schema admits more.
const DEEPEST: usize = 32;

pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Boolean(value) => out.extend(if *value { b"b1" } else { b"b0" }),
        Value::Integer(value) => {
            out.push(b'i');
            out.extend(value.to_string().bytes());
        }
        Value::Float(value) => {
            out.push(b'f');
            out.extend(value.to_bits().to_be_bytes());
        }
        Value::String(text) => {
            out.push(b's');
            out.extend(text.bytes());
        }
        Value::Bytes(bytes) => {
            out.push(b'y');
            out.extend(bytes.iter());
        }
        Value::List(items) => {
            out.push(b'l');
            for item in items.iter() {
                part(out, |out| write(item, out));
            }
        }
        Value::Object(members) => {
            out.push(b'o');
            for (name, member) in members.iter() {
                part(out, |out| out.extend(name.bytes()));
                part(out, |out| write(member, out));
            }
        }
        // A kind that is newer than this encoding: decoding refuses it.
        _ => out.push(b'?'),
    }
}

/// Writes with the length before it. Nothing of four gigabytes gets past the server's own limit.
fn part(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    write(out);
    let length = u32::try_from(out.len() - at - 4).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// The value, if the bytes are one.
pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    read(bytes, DEEPEST)
}

fn read(bytes: &[u8], levels: usize) -> Option<Value> {
    let (kind, content) = bytes.split_first()?;
    let text = || std::str::from_utf8(content).ok();
    Some(match kind {
        b'b' => match content {
            b"0" => Value::Boolean(false),
            b"1" => Value::Boolean(true),
            _ => return None,
        },
        b'i' => Value::Integer(text()?.parse().ok()?),
        b'f' => Value::Float(f64::from_bits(u64::from_be_bytes(content.try_into().ok()?))),
        b's' => Value::from(text()?),
        b'y' => Value::from(content),
        b'l' => {
            let levels = levels.checked_sub(1)?;
            let mut items = Vec::new();
            let mut left = content;
            while !left.is_empty() {
                items.push(read(take(&mut left)?, levels)?);
            }
            Value::from(items)
        }
        b'o' => {
            let levels = levels.checked_sub(1)?;
            let mut members = Object::new();
            let mut left = content;
            while !left.is_empty() {
                let name = std::str::from_utf8(take(&mut left)?).ok()?;
                members.insert(Arc::from(name), read(take(&mut left)?, levels)?);
            }
            Value::from(members)
        }
        _ => return None,
    })
}

fn take<'b>(left: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, rest) = left.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *left = rest;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        let inner = Object::from([
            (Arc::from(""), Value::from("")),
            (Arc::from("é"), Value::from(vec![Value::from(-0.5), Value::from(vec![])])),
        ]);
        for value in [
            true.into(),
            false.into(),
            i64::MIN.into(),
            i64::MAX.into(),
            f64::INFINITY.into(),
            Value::from("a b\0c\n"),
            Value::from(&[0_u8, 255, 32][..]),
            Value::from(inner),
        ] {
            assert_eq!(decode(&encode(&value)), Some(value));
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for bytes in [
            &b""[..],
            b"x",
            b"b2",
            b"i",
            b"i9223372036854775808",
            b"f1234567",
            b"s\xff",
            b"l\0\0",
            b"l\xff\xff\xff\xffi1",
            b"o\0\0\0\x01a",
        ] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
        let mut deep = encode(&Value::from(1));
        for _ in 0..40 {
            let length = u32::try_from(deep.len()).unwrap().to_be_bytes();
            deep = [b"l", &length[..], &deep].concat();
        }
        assert_eq!(decode(&deep), None);
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        let value = Value::from(vec![Value::from("abc"), Value::from(7), Value::from(1.5)]);
        let bytes = encode(&value);
        for end in 0..bytes.len() {
            decode(&bytes[..end]);
        }
        for at in 0..bytes.len() {
            for byte in [0, 1, 127, 255, b'l', b'o'] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                decode(&changed);
            }
        }
    }
}
