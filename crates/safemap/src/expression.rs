//! Expressions that a string has to match as a whole, and a short way for most of them.
//!
//! An expression such as `\d+\.\d+\.\d+` is a row of classes of bytes with a count each, in which no
//! class that may come in several counts holds a byte that what follows it could begin with. So to take
//! as many as there are is always right, and one look at each byte decides. Any other expression is
//! left to `regex-lite`, which also says which text is an expression at all.

use regex_lite::Regex;

/// Bytes of ASCII, a bit each.
type Class = u128;

#[derive(Clone, Debug)]
pub(crate) struct Expression {
    regex: Regex,
    parts: Option<Vec<Part>>,
}

/// So many bytes of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    class: Class,
    least: usize,
    most: usize,
}

impl Expression {
    pub(crate) fn new(expression: &str) -> Result<Self, regex_lite::Error> {
        let regex = Regex::new(&format!("^(?:{expression})$"))?;
        Ok(Self { regex, parts: parts(expression) })
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.parts {
            Some(parts) => all_match(parts, text.as_bytes()),
            None => self.regex.is_match(text),
        }
    }

    /// The expression as `regex-lite` has it: with what makes it match the whole.
    pub(crate) fn as_str(&self) -> &str {
        self.regex.as_str()
    }
}

fn all_match(parts: &[Part], mut text: &[u8]) -> bool {
    for part in parts {
        let fits = |byte: &u8| *byte < 128 && part.class >> *byte & 1 == 1;
        let count = text.iter().take(part.most).take_while(|byte| fits(byte)).count();
        if count < part.least {
            return false;
        }
        text = &text[count..];
    }
    text.is_empty()
}

/// An expression as a row of counted classes, if it is one that never has to take a byte back.
fn parts(expression: &str) -> Option<Vec<Part>> {
    let mut rest = expression;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let class = take_class(&mut rest)?;
        let (least, most) = take_count(&mut rest)?;
        parts.push(Part { class, least, most });
    }
    let is_greed_right = parts.iter().enumerate().all(|(place, part)| {
        part.least == part.most || part.class & beginnings(&parts[place + 1..]) == 0
    });
    is_greed_right.then_some(parts)
}

/// The bytes that a row can begin with.
fn beginnings(parts: &[Part]) -> Class {
    let optional = parts.iter().take_while(|part| part.least == 0).count();
    parts.iter().take(optional + 1).fold(0, |class, part| class | part.class)
}

fn of(byte: u8) -> Option<Class> {
    byte.is_ascii().then(|| 1 << byte)
}

fn range(first: u8, last: u8) -> Option<Class> {
    (first <= last && last < 128).then(|| (first..=last).fold(0, |class, byte| class | 1 << byte))
}

/// Takes the first byte off.
fn take(rest: &mut &str) -> Option<u8> {
    let byte = *rest.as_bytes().first().filter(|byte| byte.is_ascii())?;
    *rest = &rest[1..];
    Some(byte)
}

/// A class by a letter behind a backslash, or a mark that stands for itself there.
fn take_escaped(rest: &mut &str) -> Option<Class> {
    match take(rest)? {
        b'd' => range(b'0', b'9'),
        b'w' => Some(range(b'0', b'9')? | range(b'a', b'z')? | range(b'A', b'Z')? | of(b'_')?),
        mark if mark.is_ascii_punctuation() && mark != b'<' && mark != b'>' => of(mark),
        _ => None,
    }
}

fn take_class(rest: &mut &str) -> Option<Class> {
    match take(rest)? {
        b'\\' => take_escaped(rest),
        b'[' => take_set(rest),
        b'.' | b'^' | b'$' | b'(' | b')' | b'|' | b'*' | b'+' | b'?' | b'{' | b'}' | b']' => None,
        byte => of(byte),
    }
}

/// A set of letters, digits, some marks and ranges; any that reads otherwise is not one of ours.
fn take_set(rest: &mut &str) -> Option<Class> {
    let mut class = 0;
    loop {
        let first = match take(rest)? {
            b']' if class != 0 => return Some(class),
            b'\\' => {
                class |= take_escaped(rest)?;
                // A range from there would be read otherwise.
                if rest.starts_with('-') && !rest.starts_with("-]") {
                    return None;
                }
                continue;
            }
            byte if byte.is_ascii_alphanumeric() || b"_.:/@ +%".contains(&byte) => byte,
            b'-' if rest.starts_with(']') => b'-',
            _ => return None,
        };
        if rest.starts_with('-') && !rest.starts_with("-]") {
            take(rest)?;
            let last = take(rest).filter(u8::is_ascii_alphanumeric)?;
            class |= range(first, last)?;
        } else {
            class |= of(first)?;
        }
    }
}

fn take_count(rest: &mut &str) -> Option<(usize, usize)> {
    let (count, length) = match rest.as_bytes().first() {
        Some(b'*') => ((0, usize::MAX), 1),
        Some(b'+') => ((1, usize::MAX), 1),
        Some(b'?') => ((0, 1), 1),
        Some(b'{') => {
            let end = rest.find('}')?;
            let inner = &rest[1..end];
            let number = |text: &str| {
                let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if is_plain { text.parse::<usize>().ok() } else { None }
            };
            let count = match inner.split_once(',') {
                None => (number(inner)?, number(inner)?),
                Some((least, "")) => (number(least)?, usize::MAX),
                Some((least, most)) => (number(least)?, number(most)?),
            };
            (count, end + 1)
        }
        _ => return Some((1, 1)),
    };
    *rest = &rest[length..];
    // A second one would change what the first one means.
    if rest.starts_with(['*', '+', '?', '{']) { None } else { Some(count) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_rows_take_the_short_way_and_others_do_not() {
        for row in
            [r"\d+\.\d+\.\d+", "[a-z0-9_-]+", r"\w{2,8}@[a-z]+", "abc", "", "a?b*c", r"#\w{6}"]
        {
            assert!(parts(row).is_some(), "{row}");
        }
        let others = [
            "a|b",
            "(ab)+",
            "a.c",
            r"\d+\d",
            "[^a]",
            r"a*ab",
            "a+?",
            "a{2}{3}",
            r"\bword",
            "ä+",
            r"\s",
            r"[\d-z]",
            "[[:alpha:]]",
            "[a&&b]",
            "^a",
            "a?a",
        ];
        for other in others {
            assert!(parts(other).is_none(), "{other}");
        }
    }

    proptest! {
        /// Of random expressions and texts, both ways say the same.
        #[test]
        fn the_short_way_says_what_the_library_says(
            atoms in prop::collection::vec(
                (
                    prop::sample::select(vec![
                        "a", "b", r"\d", r"\w", "[ab]", "[a-c1]", r"[\d.]", r"\.", "-", "[b-]", "0", "ä",
                    ]),
                    prop::sample::select(vec!["", "", "+", "*", "?", "{2}", "{1,2}", "{2,}"]),
                ),
                0..5,
            ),
            texts in prop::collection::vec("[abcä01.-]{0,6}", 12),
        ) {
            let text: String = atoms.iter().flat_map(|(atom, count)| [*atom, *count]).collect();
            let expression = Expression::new(&text).unwrap();
            for candidate in texts {
                let expected = expression.regex.is_match(&candidate);
                prop_assert_eq!(expression.matches(&candidate), expected, "{} {}", &text, candidate);
            }
        }
    }
}
