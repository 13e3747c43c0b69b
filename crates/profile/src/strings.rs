//! All strings of a profile, one behind the other in one text, by number.

use crate::ProfileError;

/// A table of strings.
#[derive(Debug, Default, Clone)]
pub(crate) struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    /// Adds a string. What is not UTF-8 in it is replaced: the format asks for UTF-8.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<u32, ProfileError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(bytes)),
        }
        let too_many = ProfileError::TooMany { what: "bytes of strings" };
        let end = u32::try_from(self.text.len()).map_err(|_| too_many)?;
        let number = u32::try_from(self.ends.len())
            .map_err(|_| ProfileError::TooMany { what: "strings" })?;
        self.ends.push(end);
        Ok(number)
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
