//! How much is read at most.

use crate::ProfileError;

/// How much of a profile is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes after expanding.
    pub expanded_bytes: u64,
    /// Bytes of memory for what is in it.
    pub memory_bytes: u64,
}

impl Default for Limits {
    /// 4 GiB each, some eight times a profile of two million samples.
    fn default() -> Self {
        Self { expanded_bytes: 4 << 30, memory_bytes: 4 << 30 }
    }
}

/// Memory that may still be used.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { left: limit, limit }
    }

    pub(crate) fn used(&self) -> u64 {
        self.limit - self.left
    }

    #[inline]
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), ProfileError> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(ProfileError::TooMuchMemory { limit: self.limit }),
        }
    }
}
