//! Why a value goes to the heap, in the terms in which a person would change it.

/// Why a value goes to the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It is a key of a map, or reached from one.
    MapKey,
    /// It is stored in a map, or reached from what is.
    MapElem,
    /// It is returned.
    Returned,
    /// A closure that outlives the function captures it.
    Captured,
    /// It is put into an interface that outlives the function.
    Interface,
    /// It is passed to code that the compiler does not know: a method of an interface, a function value.
    UnknownCallee,
    /// A goroutine gets it.
    Goroutine,
    /// A `defer` in a loop gets it.
    Deferred,
    /// It is larger than what may lie on a stack.
    TooLarge,
    /// Its size is not known when compiling.
    SizeNotConstant,
    /// It asks for an alignment that stacks don't have, or has no size at all.
    OddShape,
    /// A function of another package keeps it.
    OtherPackage,
    /// A function of the same package keeps it.
    Callee,
    /// It is sent on a channel.
    Sent,
    /// It is appended to a slice, or copied into one.
    Appended,
    /// It is what the program panics with.
    Panicked,
    /// It is stored where something on the heap, or a global, leads to it.
    Stored,
    /// A variable outside of its loop or closure keeps it.
    OutlivesLoop,
    /// The compiler's explanation was cut short or is missing.
    Unexplained,
}

impl Reason {
    /// Every reason, in the order in which they are shown.
    pub const ALL: [Self; 19] = [
        Self::MapKey,
        Self::MapElem,
        Self::Returned,
        Self::Captured,
        Self::Interface,
        Self::UnknownCallee,
        Self::Goroutine,
        Self::Deferred,
        Self::TooLarge,
        Self::SizeNotConstant,
        Self::OddShape,
        Self::OtherPackage,
        Self::Callee,
        Self::Sent,
        Self::Appended,
        Self::Panicked,
        Self::Stored,
        Self::OutlivesLoop,
        Self::Unexplained,
    ];

    /// A short name, for programs and for `--reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MapKey => "map-key",
            Self::MapElem => "map-elem",
            Self::Returned => "returned",
            Self::Captured => "captured",
            Self::Interface => "interface",
            Self::UnknownCallee => "unknown-callee",
            Self::Goroutine => "goroutine",
            Self::Deferred => "deferred",
            Self::TooLarge => "too-large",
            Self::SizeNotConstant => "size-not-constant",
            Self::OddShape => "odd-shape",
            Self::OtherPackage => "other-package",
            Self::Callee => "callee",
            Self::Sent => "sent",
            Self::Appended => "appended",
            Self::Panicked => "panic",
            Self::Stored => "stored",
            Self::OutlivesLoop => "outlives-loop",
            Self::Unexplained => "unexplained",
        }
    }

    /// In words, for a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::MapKey => "key of a map",
            Self::MapElem => "stored in a map",
            Self::Returned => "returned",
            Self::Captured => "captured by a closure",
            Self::Interface => "converted to an interface",
            Self::UnknownCallee => "passed to an unknown callee",
            Self::Goroutine => "given to a goroutine",
            Self::Deferred => "deferred in a loop",
            Self::TooLarge => "too large for a stack",
            Self::SizeNotConstant => "size not constant",
            Self::OddShape => "alignment or size of zero",
            Self::OtherPackage => "kept by a callee in another package",
            Self::Callee => "kept by a callee in this package",
            Self::Sent => "sent on a channel",
            Self::Appended => "appended to a slice",
            Self::Panicked => "panicked with",
            Self::Stored => "stored in what is on the heap",
            Self::OutlivesLoop => "outlives its loop or closure",
            Self::Unexplained => "not explained",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
