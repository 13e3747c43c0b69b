//! All strings of a profile, one behind the other in one text, by number.
//!
//! The format asks for UTF-8. What is not is shown with U+FFFD in place of each fault, and written
//! again as it was.

use std::collections::BTreeMap;

use crate::ProfileError;

/// A table of strings.
#[derive(Debug, Default, Clone)]
pub(crate) struct Strings {
    text: String,
    ends: Vec<u32>,
    /// Those that are not UTF-8.
    odd: BTreeMap<u32, Box<[u8]>>,
}

impl Strings {
    /// The most memory that a string of so many bytes takes, all of them at fault.
    pub(crate) const fn cost(bytes: usize) -> usize {
        4 * bytes + 4
    }

    /// Adds a string.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<u32, ProfileError> {
        let number = u32::try_from(self.ends.len())
            .map_err(|_| ProfileError::TooMany { what: "strings" })?;
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => {
                self.text.push_str(&String::from_utf8_lossy(bytes));
                self.odd.insert(number, bytes.into());
            }
        }
        let too_many = ProfileError::TooMany { what: "bytes of strings" };
        self.ends.push(u32::try_from(self.text.len()).map_err(|_| too_many)?);
        Ok(number)
    }

    /// Returns a string as it was read.
    pub(crate) fn bytes(&self, number: u32) -> &[u8] {
        match self.odd.get(&number) {
            Some(bytes) => bytes,
            None => self.get(number).as_bytes(),
        }
    }

    /// Returns a string; the empty one where there is none of this number.
    pub(crate) fn get(&self, number: u32) -> &str {
        let index = number as usize;
        let Some(&end) = self.ends.get(index) else { return "" };
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |n| *n);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}
