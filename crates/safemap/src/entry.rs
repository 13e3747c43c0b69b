//! An entry: a key, its value, and the account of both.
//!
//! An entry lies in its table with a short key and a number in it, so that one look at memory finds all
//! of it: a walk to another place costs more than all else about a read in a map that is larger than
//! the caches. So it is made small; what a read needs lies at its front, and times are kept only where
//! an entry can expire.

use std::sync::Arc;

use crate::name::Name;
use crate::value::Value;

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

/// Milliseconds in a tick, in which ages are counted: four billion of them are seventeen years.
const TICK: u64 = 125;

#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) value: Value,
    /// How often it was read; stays at the highest count.
    pub(crate) reads: u32,
    pub(crate) writes: u32,
    /// The lowest 32 bits of its version, and 15 more: a hundred thousand billion writes of a shard.
    version: u32,
    higher_version: u16,
    /// The number of its rule.
    pub(crate) rule: u16,
    /// The shard's count of accesses at the last one, where eviction asks for it.
    pub(crate) touched: u32,
    /// Ticks of the map at which it came to be.
    born: u32,
    /// When it is no more; `None` if it is not known that it ever will be.
    term: Option<Box<Term>>,
}

/// The bit beside the higher part of a version that says that the entry has to be there.
const REQUIRED: u16 = 1 << 15;

/// When an entry is no more, in milliseconds of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// As things stand.
    pub(crate) expires: u64,
    /// Even if it is read.
    pub(crate) ends: u64,
}

impl Term {
    pub(crate) const NEVER: Self = Self { expires: NEVER, ends: NEVER };
}

impl Entry {
    /// An entry that was never read, and whose version its shard fills in.
    ///
    /// It is filled in where it lies: put together elsewhere and then copied, the copy would wait for
    /// each of its pieces.
    #[inline]
    pub(crate) fn new(
        key: &str,
        shared: Option<&Arc<str>>,
        value: Value,
        rule: u16,
        is_required: bool,
    ) -> Self {
        let mut entry = Self::BLANK;
        entry.name.set(key, shared);
        entry.value = value;
        entry.rule = rule;
        entry.higher_version = if is_required { REQUIRED } else { 0 };
        entry
    }

    const BLANK: Self = Self {
        name: Name::EMPTY,
        value: Value::Boolean(false),
        reads: 0,
        writes: 1,
        version: 0,
        higher_version: 0,
        rule: 0,
        touched: 0,
        born: 0,
        term: None,
    };

    /// The number of the write of its shard that it was last written by.
    #[inline]
    pub(crate) fn version(&self) -> u64 {
        u64::from(self.higher_version & !REQUIRED) << 32 | u64::from(self.version)
    }

    #[inline]
    pub(crate) fn set_version(&mut self, version: u64) {
        self.version = version as u32;
        let higher = (version >> 32) as u16 & !REQUIRED;
        self.higher_version = self.higher_version & REQUIRED | higher;
    }

    /// Whether it has to be there.
    #[inline]
    pub(crate) fn is_required(&self) -> bool {
        self.higher_version & REQUIRED != 0
    }

    /// Sets when it came to be, in milliseconds of the map.
    #[inline]
    pub(crate) fn set_born(&mut self, milliseconds: u64) {
        self.born = u32::try_from(milliseconds / TICK).unwrap_or(u32::MAX);
    }

    /// Milliseconds of the map at which it came to be, to the tick.
    pub(crate) fn born(&self) -> u64 {
        u64::from(self.born) * TICK
    }

    pub(crate) fn term(&self) -> Term {
        self.term.as_deref().copied().unwrap_or(Term::NEVER)
    }

    pub(crate) fn set_term(&mut self, term: Term) {
        match &mut self.term {
            Some(held) => **held = term,
            None if term == Term::NEVER => {}
            None => self.term = Some(Box::new(term)),
        }
    }

    pub(crate) fn expires(&self) -> u64 {
        self.term().expires
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires() <= now
    }

    /// Bytes of the entry itself, and of what it alone holds.
    pub(crate) fn bytes(&self) -> usize {
        let term = if self.term.is_some() { size_of::<Term>() } else { 0 };
        self.name.content_bytes() + self.value.content_bytes() + term
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_ten_words() {
        assert_eq!(size_of::<Entry>(), 80);
    }

    #[test]
    fn a_version_and_whether_it_is_required_do_not_mix() {
        for is_required in [false, true] {
            let mut entry = Entry::new("key", None, Value::from(1), 7, is_required);
            for version in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 47) - 1] {
                entry.set_version(version);
                assert_eq!((entry.version(), entry.is_required()), (version, is_required));
            }
        }
    }
}
