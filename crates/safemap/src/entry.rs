//! An entry: a key, its value, and the account of both.
//!
//! An entry lies in its table with a short key and a number in it, so that one look at memory finds all
//! of it: a walk to another place costs more than all else about a read in a map that is larger than
//! the caches. So it is made small; what a read needs lies at its front, and what few entries have
//! (an end, a content whose size can't be told at a glance) lies elsewhere.

use std::sync::Arc;

use crate::name::Name;
use crate::value::{Value, Weighed};

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
    /// How it was used, where eviction asks for it; see [`Stamps`](crate::shard::Stamps).
    pub(crate) touched: u32,
    /// Ticks of the map at which it came to be.
    born: u32,
    /// What few entries have.
    extra: Option<Box<Extra>>,
}

/// When an entry is no more, and the bytes of its content where it is a list or an object: to count
/// them takes longer than a lock may be held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    term: Term,
    content: usize,
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

/// Bytes that an entry with this value and end takes for what few entries have.
pub(crate) fn extra_bytes(value: &Value, term: Term) -> usize {
    if value.is_flat() && term == Term::NEVER { 0 } else { size_of::<Extra>() }
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
        value: Weighed,
        rule: u16,
        is_required: bool,
    ) -> Self {
        let mut entry = Self::BLANK;
        entry.name.set(key, shared);
        if !value.value.is_flat() {
            entry.extra().content = value.bytes;
        }
        entry.value = value.value;
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
        extra: None,
    };

    /// Writes a value over the one that is held, which is returned: it may take long to drop.
    #[inline]
    pub(crate) fn set_value(&mut self, value: Weighed) -> Value {
        if !value.value.is_flat() {
            self.extra().content = value.bytes;
        }
        std::mem::replace(&mut self.value, value.value)
    }

    fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_with(|| Box::new(Extra { term: Term::NEVER, content: 0 }))
    }

    /// Bytes that the content takes outside of the entry.
    #[inline]
    pub(crate) fn content_bytes(&self) -> usize {
        if self.value.is_scalar() {
            0
        } else if self.value.is_flat() {
            self.value.content_bytes()
        } else {
            self.extra.as_ref().map_or(0, |extra| extra.content)
        }
    }

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
        self.extra.as_ref().map_or(Term::NEVER, |extra| extra.term)
    }

    pub(crate) fn set_term(&mut self, term: Term) {
        if self.extra.is_some() || term != Term::NEVER {
            self.extra().term = term;
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
        let extra = if self.extra.is_some() { size_of::<Extra>() } else { 0 };
        self.name.content_bytes() + self.content_bytes() + extra
    }

    /// The same, once it holds another value until another end.
    pub(crate) fn bytes_with(&self, value: &Weighed, term: Term) -> usize {
        let extra = if self.extra.is_some() { size_of::<Extra>() } else { 0 };
        self.name.content_bytes() + value.bytes + extra.max(extra_bytes(&value.value, term))
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
    fn the_bytes_of_a_list_are_those_that_were_counted_when_it_came() {
        let list = Value::from(vec![Value::from("ab"), Value::from(1)]);
        let weighed = Weighed::of(list.clone());
        let mut entry = Entry::new("key", None, Weighed::of(Value::from(1)), 0, false);
        let told = entry.bytes_with(&weighed, Term::NEVER);
        entry.set_value(weighed);
        assert_eq!(entry.content_bytes(), list.content_bytes());
        assert_eq!(entry.bytes(), told);
        entry.set_value(Weighed::of(Value::from("abc")));
        assert_eq!(entry.content_bytes(), Value::from("abc").content_bytes());
    }

    #[test]
    fn a_version_and_whether_it_is_required_do_not_mix() {
        for is_required in [false, true] {
            let mut entry = Entry::new("key", None, Weighed::of(Value::from(1)), 7, is_required);
            for version in [0, 1, u64::from(u32::MAX), 1 << 32, (1 << 47) - 1] {
                entry.set_version(version);
                assert_eq!((entry.version(), entry.is_required()), (version, is_required));
            }
        }
    }
}
