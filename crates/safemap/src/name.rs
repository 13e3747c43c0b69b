//! A key as an entry holds it: short ones in place, longer ones shared with whoever has them.
//!
//! Most keys fit into the three words that a pointer, a length and a count would take anyway, so that
//! to compare one costs no walk to another place in memory, and to copy it no count that others write.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::value::key_bytes;

/// The longest text that is kept in place.
const SHORT: usize = 22;

#[derive(Clone)]
pub(crate) enum Name {
    Short(u8, [u8; SHORT]),
    Long(Arc<str>),
}

impl Name {
    /// The name of no key.
    pub(crate) const EMPTY: Self = Self::Short(0, [0; SHORT]);

    /// The name of a key, which may be at hand as shared text.
    pub(crate) fn of(key: &str, shared: Option<&Arc<str>>) -> Self {
        let mut name = Self::EMPTY;
        name.set(key, shared);
        name
    }

    /// Makes an empty name that of a key.
    #[inline]
    pub(crate) fn set(&mut self, key: &str, shared: Option<&Arc<str>>) {
        if let Self::Short(length, bytes) = self
            && let Some(place) = bytes.get_mut(..key.len())
        {
            place.copy_from_slice(key.as_bytes());
            *length = key.len() as u8;
        } else {
            *self = Self::Long(shared.map_or_else(|| key.into(), Arc::clone));
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }

    #[inline]
    pub(crate) fn is(&self, key: &str) -> bool {
        match self {
            Self::Short(..) => is_same(self.as_bytes(), key.as_bytes()),
            Self::Long(text) => **text == *key,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            // It was text when it came.
            Self::Short(..) => str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Self::Long(text) => text,
        }
    }

    /// The key as shared text; of a short one, a copy.
    pub(crate) fn shared(&self) -> Arc<str> {
        match self {
            Self::Short(..) => self.as_str().into(),
            Self::Long(text) => Arc::clone(text),
        }
    }

    /// Bytes that it takes outside of itself.
    pub(crate) fn content_bytes(&self) -> usize {
        match self {
            Self::Short(..) => 0,
            Self::Long(text) => key_bytes(text),
        }
    }
}

/// Whether two short texts are the same: a few words of each, which may overlap, rather than the call
/// that a comparison of any length is.
#[inline]
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let length = one.len();
    if length > 24 {
        return one == other;
    }
    if length >= 8 {
        let ends = one.first_chunk::<8>() == other.first_chunk()
            && one.last_chunk::<8>() == other.last_chunk();
        let middle =
            |text: &[u8]| text.get(8..16).and_then(|text| text.first_chunk::<8>().copied());
        return ends && (length <= 16 || middle(one) == middle(other));
    }
    if length >= 4 {
        return one.first_chunk::<4>() == other.first_chunk()
            && one.last_chunk::<4>() == other.last_chunk();
    }
    std::iter::zip(one, other).all(|(one, other)| one == other)
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_three_words() {
        assert_eq!(size_of::<Name>(), 3 * size_of::<usize>());
    }

    #[test]
    fn names_of_any_length_are_what_they_were_made_of() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 1024] {
            let text = "k".repeat(length);
            let name = Name::of(&text, None);
            assert!(name.is(&text) && !name.is("other"));
            assert_eq!((name.as_str(), &*name.shared()), (&*text, &*text));
            assert_eq!(name.content_bytes() > 0, length > SHORT);
        }
        let umlauts = "ä".repeat(SHORT / 2);
        assert_eq!(Name::of(&umlauts, None).as_str(), umlauts);
    }

    #[test]
    fn texts_of_any_length_differ_where_any_byte_does() {
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            assert!(is_same(&text, &text));
            assert!(!is_same(&text, &[&text[..], &[7]].concat()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 1;
                assert!(!is_same(&text, &other), "{at} of {length}");
            }
        }
    }

    #[test]
    fn a_long_name_is_shared_with_its_handle() {
        let text: Arc<str> = "k".repeat(100).into();
        let Name::Long(held) = Name::of(&text, Some(&text)) else { panic!("it is long") };
        assert!(Arc::ptr_eq(&held, &text));
    }
}
