//! Values of constants, and what can be computed with them.
//!
//! Integers have 128 bits: what is larger is unknown. Fractions are floating-point numbers, where Go keeps them
//! exactly; so two that are almost equal are not compared, and none becomes an integer of more bits than it has.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use gosyn::token::{LitKind, Operator};

use crate::types::Basic;

/// The value of a constant.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A string, which need not be UTF-8.
    String(Rc<[u8]>),
    /// An integer.
    Int(i128),
    /// A number that is no integer, or too large for one. It may be off by its last bits.
    Float(f64),
    /// A complex number.
    Complex(f64, f64),
    /// It is constant, but its value is not known.
    Unknown,
}

impl Value {
    /// The value as an integer, if it is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Float(value) => exact_int(*value),
            Self::Complex(real, imaginary) if *imaginary == 0.0 => exact_int(*real),
            _ => None,
        }
    }

    /// The value as a floating-point number, if it is a real one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Complex(real, imaginary) if *imaginary == 0.0 => Some(*real),
            _ => None,
        }
    }

    /// The value as a complex number, if it is a number.
    pub fn as_complex(&self) -> Option<(f64, f64)> {
        match self {
            Self::Complex(real, imaginary) => Some((*real, *imaginary)),
            _ => self.as_float().map(|real| (real, 0.0)),
        }
    }
}

impl fmt::Display for Value {
    /// Spells the value as Go's source would, whole: strings quoted, bytes that are no text as escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Complex(real, imaginary) => write!(f, "({real} + {imaginary}i)"),
            Self::Unknown => f.write_str("?"),
            Self::String(bytes) => {
                f.write_str("\"")?;
                for chunk in bytes.utf8_chunks() {
                    for letter in chunk.valid().chars() {
                        match letter {
                            '"' | '\\' => write!(f, "\\{letter}")?,
                            '\n' => f.write_str("\\n")?,
                            '\t' => f.write_str("\\t")?,
                            '\r' => f.write_str("\\r")?,
                            letter if letter.is_control() => {
                                write!(f, "\\x{:02x}", u32::from(letter))?;
                            }
                            letter => write!(f, "{letter}")?,
                        }
                    }
                    for byte in chunk.invalid() {
                        write!(f, "\\x{byte:02x}")?;
                    }
                }
                f.write_str("\"")
            }
        }
    }
}

/// Beyond 53 bits, a floating-point number may be another than was meant.
fn exact_int(value: f64) -> Option<i128> {
    let fits = value.trunc() == value && value.abs() <= 2f64.powi(53);
    fits.then_some(value as i128)
}

/// A string constant.
pub(crate) fn string(text: &[u8]) -> Value {
    Value::String(text.into())
}

/// The value of a literal, and its type.
pub(crate) fn literal(kind: LitKind, text: &str) -> (Value, Basic) {
    match kind {
        LitKind::Integer => (integer(text).unwrap_or(Value::Unknown), Basic::UntypedInt),
        LitKind::Float => {
            let value = whole(text).map(Value::Int).or_else(|| float(text).map(normal));
            (value.unwrap_or(Value::Unknown), Basic::UntypedFloat)
        }
        LitKind::Imag => {
            let digits = text.trim_end_matches('i');
            // Decimal, also with leading zeros.
            let value = float(digits).or_else(|| integer(digits)?.as_float());
            (
                value.map_or(Value::Unknown, |value| Value::Complex(0.0, value)),
                Basic::UntypedComplex,
            )
        }
        LitKind::Char => {
            let bytes = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
            let value = bytes.and_then(rune).map_or(Value::Unknown, |rune| Value::Int(rune.into()));
            (value, Basic::UntypedRune)
        }
        LitKind::String | LitKind::Ident => (unquote(text), Basic::UntypedString),
    }
}

fn integer(text: &str) -> Option<Value> {
    let digits: String = text.chars().filter(|letter| *letter != '_').collect();
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        _ if lower.len() > 1 && lower.starts_with('0') => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    i128::from_str_radix(digits, radix).ok().map(Value::Int)
}

/// The value of `1.5e3`: an integer that is written as a fraction.
fn whole(text: &str) -> Option<i128> {
    let digits: String = text.chars().filter(|letter| *letter != '_').collect();
    let lower = digits.to_ascii_lowercase();
    if lower.starts_with("0x") {
        // Digits are powers of two, so nothing is lost.
        let value = float(&lower)?;
        let fits = value.trunc() == value && value.abs() < 2f64.powi(126);
        return fits.then_some(value as i128);
    }
    let (mantissa, exponent) = lower.split_once('e').unwrap_or((&lower, "0"));
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let exponent: i32 = exponent.parse().ok()?;
    let zeros = u32::try_from(exponent.checked_sub(i32::try_from(after.len()).ok()?)?).ok()?;
    let number: i128 = format!("0{before}{after}").parse().ok()?;
    number.checked_mul(10_i128.checked_pow(zeros)?)
}

fn float(text: &str) -> Option<f64> {
    let digits: String = text.chars().filter(|letter| *letter != '_').collect();
    let lower = digits.to_ascii_lowercase();
    let Some(hex) = lower.strip_prefix("0x") else { return lower.parse().ok() };
    let (mantissa, exponent) = hex.split_once('p')?;
    let mut exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    exponent = exponent.saturating_sub(4 * fraction.len() as i32);
    // In two halves, so that neither is out of range.
    let half = exponent / 2;
    Some(value * 2f64.powi(half) * 2f64.powi(exponent - half))
}

/// Numbers without a fraction are kept as integers.
fn normal(value: f64) -> Value {
    if !value.is_finite() {
        return Value::Unknown;
    }
    exact_int(value).map_or(Value::Float(value), Value::Int)
}

fn unquote(text: &str) -> Value {
    if let Some(raw) = text.strip_prefix('`').and_then(|text| text.strip_suffix('`')) {
        let bytes: Vec<u8> = raw.bytes().filter(|byte| *byte != b'\r').collect();
        return string(&bytes);
    }
    let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Value::Unknown;
    };
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some(letter) = rest.chars().next() {
        if letter != '\\' {
            bytes.extend_from_slice(rest.get(..letter.len_utf8()).unwrap_or_default().as_bytes());
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            continue;
        }
        let Some((value, is_byte, length)) = escape(rest) else { return Value::Unknown };
        if is_byte {
            bytes.push(value as u8);
        } else {
            let letter = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    string(&bytes)
}

fn rune(text: &str) -> Option<u32> {
    match text.starts_with('\\') {
        true => escape(text).map(|(value, ..)| value),
        false => text.chars().next().map(u32::from),
    }
}

/// The value of an escape, whether it stands for a byte, and its length.
fn escape(text: &str) -> Option<(u32, bool, usize)> {
    let hex = |digits: usize| u32::from_str_radix(text.get(2..2 + digits)?, 16).ok();
    let simple = |value: u8| Some((u32::from(value), false, 2));
    match text.as_bytes().get(1)? {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(11),
        byte @ (b'\\' | b'\'' | b'"') => simple(*byte),
        b'x' => Some((hex(2)?, true, 4)),
        b'u' => Some((hex(4)?, false, 6)),
        b'U' => Some((hex(8)?, false, 10)),
        b'0'..=b'7' => Some((u32::from_str_radix(text.get(1..4)?, 8).ok()?, true, 4)),
        _ => None,
    }
}

/// `-x`, `^x`, `!x`, `+x`; `^` of an unsigned type has that type's width.
pub(crate) fn unary(op: Operator, value: &Value, typ: Basic) -> Value {
    match (op, value) {
        (Operator::Add, value) => value.clone(),
        (Operator::Not, Value::Bool(value)) => Value::Bool(!value),
        (Operator::Sub, Value::Int(value)) => {
            value.checked_neg().map_or(Value::Unknown, Value::Int)
        }
        (Operator::Sub, Value::Float(value)) => Value::Float(-value),
        (Operator::Sub, Value::Complex(real, imaginary)) => Value::Complex(-real, -imaginary),
        (Operator::Xor, Value::Int(value)) if typ.is_unsigned() => {
            let mask = range(typ).map_or(i128::MAX, |(_, high)| high);
            Value::Int(!value & mask)
        }
        (Operator::Xor, Value::Int(value)) => Value::Int(!value),
        _ => Value::Unknown,
    }
}

/// Any operation of two operands but shifts. `integers` divides as integers are.
pub(crate) fn binary(op: Operator, left: &Value, right: &Value, integers: bool) -> Value {
    use Operator::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    if matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual) {
        return compare(op, left, right).map_or(Value::Unknown, Value::Bool);
    }
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => match op {
            Operator::AndAnd => Value::Bool(*left && *right),
            Operator::OrOr => Value::Bool(*left || *right),
            _ => Value::Unknown,
        },
        (Value::String(left), Value::String(right)) if op == Operator::Add => {
            // Text that is put together from thousands of pieces would be copied as often.
            if left.len() + right.len() > 1 << 16 {
                return Value::Unknown;
            }
            Value::String([&**left, &**right].concat().into())
        }
        (Value::Int(left), Value::Int(right)) => {
            let divides = op == Operator::Quo && !integers;
            if divides && (*right == 0 || left % right != 0) {
                return floats(op, *left as f64, *right as f64);
            }
            ints(op, *left, *right).map_or(Value::Unknown, Value::Int)
        }
        (Value::Complex(..), _) | (_, Value::Complex(..)) => {
            match (left.as_complex(), right.as_complex()) {
                (Some(left), Some(right)) => complexes(op, left, right),
                _ => Value::Unknown,
            }
        }
        _ => match (left.as_float(), right.as_float()) {
            (Some(left), Some(right)) => floats(op, left, right),
            _ => Value::Unknown,
        },
    }
}

fn ints(op: Operator, left: i128, right: i128) -> Option<i128> {
    match op {
        Operator::Add => left.checked_add(right),
        Operator::Sub => left.checked_sub(right),
        Operator::Star => left.checked_mul(right),
        Operator::Quo => left.checked_div(right),
        Operator::Rem => left.checked_rem(right),
        Operator::And => Some(left & right),
        Operator::Or => Some(left | right),
        Operator::Xor => Some(left ^ right),
        Operator::AndNot => Some(left & !right),
        _ => None,
    }
}

fn floats(op: Operator, left: f64, right: f64) -> Value {
    let value = match op {
        Operator::Add => left + right,
        Operator::Sub => left - right,
        Operator::Star => left * right,
        Operator::Quo => left / right,
        _ => return Value::Unknown,
    };
    normal(value)
}

fn complexes(op: Operator, (a, b): (f64, f64), (c, d): (f64, f64)) -> Value {
    let (real, imaginary) = match op {
        Operator::Add => (a + c, b + d),
        Operator::Sub => (a - c, b - d),
        Operator::Star => (a * c - b * d, b * c + a * d),
        Operator::Quo => {
            let size = c * c + d * d;
            ((a * c + b * d) / size, (b * c - a * d) / size)
        }
        _ => return Value::Unknown,
    };
    Value::Complex(real, imaginary)
}

fn compare(op: Operator, left: &Value, right: &Value) -> Option<bool> {
    let order = match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Complex(..), _) | (_, Value::Complex(..)) => {
            match left.as_complex()? == right.as_complex()? {
                true => Ordering::Equal,
                false => Ordering::Less,
            }
        }
        _ => {
            let (left, right) = (left.as_float()?, right.as_float()?);
            let is_close = (left - right).abs() <= 1e-9 * left.abs().max(right.abs());
            left.partial_cmp(&right).filter(|_| !is_close)?
        }
    };
    match op {
        Operator::Equal => Some(order.is_eq()),
        Operator::NotEqual => Some(order.is_ne()),
        Operator::Less => Some(order.is_lt()),
        Operator::LessEqual => Some(order.is_le()),
        Operator::Greater => Some(order.is_gt()),
        Operator::GreaterEqual => Some(order.is_ge()),
        _ => None,
    }
}

/// `x << n` and `x >> n`.
pub(crate) fn shift(op: Operator, value: &Value, count: &Value) -> Value {
    let (Some(value), Some(count)) = (value.as_int(), count.as_int()) else {
        return Value::Unknown;
    };
    let Ok(count) = u32::try_from(count) else { return Value::Unknown };
    match op {
        Operator::Shr => Value::Int(value >> count.min(127)),
        _ if value == 0 => Value::Int(0),
        _ => {
            let shifted = 1_i128.checked_shl(count).and_then(|factor| value.checked_mul(factor));
            match shifted {
                Some(value) if count < 126 => Value::Int(value),
                _ => Value::Unknown,
            }
        }
    }
}

/// The least and the greatest value of an integer type.
pub(crate) fn range(typ: Basic) -> Option<(i128, i128)> {
    let signed = |bits: u32| Some((-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1));
    let unsigned = |bits: u32| Some((0, (1_i128 << bits) - 1));
    match typ {
        Basic::Int8 => signed(8),
        Basic::Int16 => signed(16),
        Basic::Int32 => signed(32),
        Basic::Int | Basic::Int64 => signed(64),
        Basic::Uint8 => unsigned(8),
        Basic::Uint16 => unsigned(16),
        Basic::Uint32 => unsigned(32),
        Basic::Uint | Basic::Uint64 | Basic::Uintptr => unsigned(64),
        _ => None,
    }
}

/// The value as one of this type: rounded as Go rounds it. None if it can't be one.
pub(crate) fn represent(value: &Value, typ: Basic) -> Option<Value> {
    if *value == Value::Unknown {
        return Some(Value::Unknown);
    }
    if typ.is_integer() {
        let int = value.as_int()?;
        let fits = range(typ).is_none_or(|(low, high)| (low..=high).contains(&int));
        return fits.then_some(Value::Int(int));
    }
    if typ.is_float() {
        let float = value.as_float()?;
        return Some(match typ {
            Basic::UntypedFloat => match value {
                Value::Int(_) => value.clone(),
                _ => normal(float),
            },
            Basic::Float32 => normal(f64::from(float as f32)),
            _ => normal(float),
        });
    }
    if typ.is_complex() {
        let (real, imaginary) = value.as_complex()?;
        return Some(Value::Complex(real, imaginary));
    }
    let same = match value {
        Value::Bool(_) => typ.is_boolean(),
        Value::String(_) => typ.is_string(),
        _ => false,
    };
    same.then(|| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read() {
        let int = |text| literal(LitKind::Integer, text).0;
        assert_eq!(int("0x_FF"), Value::Int(255));
        assert_eq!(int("0755"), Value::Int(493));
        assert_eq!(int("1_000"), Value::Int(1000));
        assert_eq!(literal(LitKind::Float, "0x1p-2").0, Value::Float(0.25));
        assert_eq!(literal(LitKind::Float, "1e3").0, Value::Int(1000));
        assert_eq!(literal(LitKind::Float, "1.5e18").0, Value::Int(1_500_000_000_000_000_000));
        assert_eq!(literal(LitKind::Float, "1.25e1").0, Value::Float(12.5));
        assert_eq!(literal(LitKind::Char, r"'\u00e9'").0, Value::Int(0xe9));
        assert_eq!(literal(LitKind::Char, "'é'").0, Value::Int(0xe9));
        assert_eq!(literal(LitKind::String, r#""a\xff\u00e9""#).0, string(b"a\xff\xc3\xa9"));
        assert_eq!(literal(LitKind::String, "`a\\n`").0, string(b"a\\n"));
    }

    #[test]
    fn arithmetic_is_exact_or_unknown() {
        let one = Value::Int(1);
        let shifted = shift(Operator::Shl, &one, &Value::Int(64));
        assert_eq!(binary(Operator::Sub, &shifted, &one, true), Value::Int(u64::MAX.into()));
        assert_eq!(binary(Operator::Quo, &Value::Int(7), &Value::Int(2), true), Value::Int(3));
        assert_eq!(binary(Operator::Quo, &Value::Int(7), &Value::Int(2), false), Value::Float(3.5));
        assert_eq!(binary(Operator::Quo, &one, &Value::Int(0), true), Value::Unknown);
        assert_eq!(unary(Operator::Xor, &Value::Int(0), Basic::Uint8), Value::Int(255));
        assert_eq!(shift(Operator::Shl, &one, &Value::Int(1 << 40)), Value::Unknown);
        assert_eq!(represent(&Value::Int(300), Basic::Uint8), None);
        let sum = binary(Operator::Add, &Value::Float(0.1), &Value::Float(0.2), false);
        assert_eq!(binary(Operator::Equal, &sum, &Value::Float(0.3), false), Value::Unknown);
        assert_eq!(represent(&Value::Float(31_556_951_999_999_996.0), Basic::Int64), None);
    }
}
