//! Samples chosen by their labels: by a range of numbers, or by expressions.

use std::collections::HashMap;

use regex::Regex;

use crate::profile::LabelEntry;
use crate::strings::Strings;
use crate::{ProfileError, units};

/// A condition on labels, such as `32kb:1mb`, `bytes=:512` or `request=login,logout`.
#[derive(Debug)]
pub struct TagFilter {
    key: Option<String>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Range {
        low: f64,
        high: f64,
        unit: String,
    },
    /// All of them for any key, one of them for a given one, as pprof has it.
    Expressions(Vec<Regex>),
}

impl TagFilter {
    /// Reads a condition.
    ///
    /// # Errors
    ///
    /// Fails where an expression is none.
    pub fn parse(option: &'static str, text: &str) -> Result<Self, ProfileError> {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (Some(key.to_owned()).filter(|key| !key.is_empty()), value),
            None => (None, text),
        };
        let kind = match range(value) {
            Some(range) => range,
            None => Kind::Expressions(
                value.split(',').map(Regex::new).collect::<Result<_, _>>().map_err(|source| {
                    ProfileError::Expression { option, source: Box::new(source) }
                })?,
            ),
        };
        Ok(Self { key, kind })
    }

    /// Tells whether it was read as a range of numbers.
    pub fn is_range(&self) -> bool {
        matches!(self.kind, Kind::Range { .. })
    }

    pub(crate) fn is_match(
        &self,
        labels: &[LabelEntry],
        strings: &Strings,
        label_units: &HashMap<u32, String>,
    ) -> bool {
        let is_asked =
            |label: &&LabelEntry| self.key.as_ref().is_none_or(|key| strings.get(label.key) == key);
        match &self.kind {
            Kind::Range { low, high, unit } => {
                labels.iter().filter(is_asked).filter(|label| label.text == 0).any(|label| {
                    let of = label_units.get(&label.key).map_or("", String::as_str);
                    let (value, found) = units::scale(label.number, of, unit);
                    found == *unit && (*low..=*high).contains(&value)
                })
            }
            Kind::Expressions(all) => {
                let texts = labels.iter().filter(is_asked).filter(|label| label.text != 0);
                let is_match = |expression: &Regex| {
                    texts.clone().any(|label| match self.key {
                        Some(_) => expression.is_match(strings.get(label.text)),
                        None => {
                            let (key, text) = (strings.get(label.key), strings.get(label.text));
                            expression.is_match(&format!("{key}:{text}"))
                        }
                    })
                };
                match self.key {
                    Some(_) => all.iter().any(is_match),
                    None => all.iter().all(is_match),
                }
            }
        }
    }
}

/// Reads `32kb`, `:32kb`, `32kb:` or `32kb:64kb`.
fn range(text: &str) -> Option<Kind> {
    let (from, to) = match text.split_once(':') {
        None => (text, text),
        Some((from, to)) => (from, to),
    };
    let mut unit = String::new();
    let mut end = |text: &str, unbounded: f64, unit_asked: Option<&str>| -> Option<f64> {
        if text.is_empty() {
            return Some(unbounded);
        }
        let (number, of) = number_with_unit(text)?;
        let (value, found) = units::scale(number, of, unit_asked.unwrap_or(of));
        unit = found;
        Some(value)
    };
    if from.is_empty() && to.is_empty() {
        return None;
    }
    let low = end(from, f64::NEG_INFINITY, None)?;
    let first = if from.is_empty() { None } else { number_with_unit(from) };
    let first_unit = first.map(|(number, of)| units::scale(number, of, of).1);
    let high = end(to, f64::INFINITY, first_unit.as_deref())?;
    if first_unit.as_ref().is_some_and(|first| *first != unit) {
        return None;
    }
    Some(Kind::Range { low, high, unit })
}

fn number_with_unit(text: &str) -> Option<(i64, &str)> {
    let is_number = |c: char| c.is_ascii_digit();
    let signed = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = signed.find(|c| !is_number(c)).unwrap_or(signed.len());
    let (number, unit) = text.split_at(text.len() - signed.len() + digits);
    (digits > 0 && unit.chars().all(|c| c.is_ascii_alphabetic())).then_some(())?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_expressions_are_told_apart() {
        for text in ["32kb", "bytes=:64kb", "-4:", "1mb:2mb", "a=7"] {
            assert!(TagFilter::parse("tag-focus", text).unwrap().is_range(), "{text}");
        }
        for text in ["login", "k=v1,v2", ":", "12kb:x", "1s:2mb"] {
            assert!(!TagFilter::parse("tag-focus", text).unwrap().is_range(), "{text}");
        }
        assert!(TagFilter::parse("tag-focus", "(").is_err());
    }
}
