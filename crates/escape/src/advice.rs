//! What could be changed at a site, and what the change would cost.
//!
//! The advice follows from the reason and the kind alone. It is a proposal to be measured, and says its
//! price so that it can be refused.

use crate::charge::Growth;
use crate::reason::Reason;
use crate::site::{MapRole, Site, SiteKind, has_top_level_comma};

/// A change, and its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What to change.
    pub change: &'static str,
    /// What that costs.
    pub cost: &'static str,
}

const fn advice(change: &'static str, cost: &'static str) -> Advice {
    Advice { change, cost }
}

/// The most bytes that a map stores in its own tables; what is larger, it allocates one by one
/// (`MAXELEMSIZE`, `MapMaxElemBytes`).
const MOST_IN_PLACE: u64 = 128;

/// Whether an elem of so many bytes is an object of its own, however the map has it.
pub fn is_apart_by_value(site: &Site, size: Option<u64>) -> bool {
    site.map == Some(MapRole::Elem)
        && matches!(site.kind, SiteKind::Object | SiteKind::Variable)
        && size.is_some_and(|size| size > MOST_IN_PLACE)
}

/// Proposes a change for a site, of whose objects it may be known how many bytes they have.
pub fn advise_sized(site: &Site, size: Option<u64>) -> Advice {
    match is_apart_by_value(site, size) {
        true => advice(
            "hold fewer of them, or less in each; storing them by value saves nothing, since a map \
             allocates elems over 128 bytes one by one as well",
            "what is taken out of the elem has to be kept, or found again, elsewhere",
        ),
        false => advise(site),
    }
}

/// Proposes a change for a site.
pub fn advise(site: &Site) -> Advice {
    match (site.map, site.kind) {
        (Some(MapRole::Map), _) => of_map(site),
        (Some(MapRole::BoxedKey), _) => advice(
            "use a key type that is no interface: a concrete type, or a struct of the cases",
            "one map for each type of key, or a field that tells them apart; interface keys also hash \
             slower, so that nothing is lost at run time",
        ),
        (Some(MapRole::BoxedElem), _) => advice(
            "use a concrete elem type in place of the interface",
            "a union struct is as large as all its cases; readers lose the type switch",
        ),
        (Some(MapRole::Elem), SiteKind::Object | SiteKind::Variable) => advice(
            "store the struct by value: map[K]T in place of map[K]*T",
            "each read and write copies it, m[k].f = x no longer compiles, nobody can share a pointer \
             to it; an elem over 128 bytes is allocated one by one all the same",
        ),
        (Some(MapRole::Key), SiteKind::Object | SiteKind::Variable) => advice(
            "key the map by what identifies the object, by value",
            "two objects with equal content become one key; comparing and hashing read all its bytes",
        ),
        (Some(MapRole::Key), SiteKind::Concatenation | SiteKind::Conversion) => advice(
            "use a struct or array of the parts as the key; a lookup m[string(b)] alone copies nothing",
            "the key is as large as its parts together",
        ),
        _ => of_reason(site),
    }
}

fn of_map(site: &Site) -> Advice {
    match (site.kind, site.reason) {
        (SiteKind::MakeMap, _) if !has_top_level_comma(&site.expression) => advice(
            "give make the number of entries that are expected: growing step by step allocates about \
             twice what the last step needs",
            "what is expected in vain stays allocated: a map never shrinks (tophash predict says the \
             bytes)",
        ),
        (_, Reason::Returned) => advice(
            "let the caller pass the map in, and clear() it between uses",
            "a cleared map keeps its largest size; callers must not keep what they got",
        ),
        _ => advice(
            "keep one map and clear() it in place of making a new one",
            "a cleared map keeps its largest size, and one that is shared needs a lock",
        ),
    }
}

fn of_reason(site: &Site) -> Advice {
    match (site.kind, site.reason) {
        (SiteKind::Append, _) => advice(
            "make the slice with its capacity before the loop: make([]T, 0, n)",
            "too large a capacity is memory that is held for nothing",
        ),
        (SiteKind::Concatenation, _) => advice(
            "append to a []byte or strings.Builder that is kept, and Grow it once",
            "the buffer stays as large as its largest use",
        ),
        (SiteKind::Conversion, _) => advice(
            "keep to one of string and []byte from end to end",
            "functions for both may be needed; bytes can be changed by others",
        ),
        (SiteKind::MethodValue, _) => advice(
            "pass the receiver and call the method there, or bind the method once",
            "the callee must know the type, or an interface of it",
        ),
        (SiteKind::Closure, Reason::Goroutine) => advice(
            "start one goroutine that takes work from a channel, in place of one for each piece",
            "work waits for a free goroutine; the pool has to be stopped",
        ),
        (SiteKind::Boxed, _) => advice(
            "avoid the interface: a concrete parameter, or a function for the type (strconv in place \
             of fmt); pass a pointer to what exists already",
            "a pointer lets the callee keep and change the value; more functions for more types",
        ),
        (_, Reason::TooLarge) => advice(
            "make it once and reuse it, or make it smaller: stacks take variables up to 128 KiB \
             (10 MiB before Go 1.24) and make up to 64 KiB",
            "what is reused must be cleared, and shared ones need a lock or a sync.Pool",
        ),
        (_, Reason::SizeNotConstant) => advice(
            "give a constant capacity where there is a bound, or build with Go 1.25 or later, which \
             keeps small ones on the stack",
            "the stack grows by the bound",
        ),
        (_, Reason::Returned) => advice(
            "return it by value, or let the caller pass a pointer in to be filled",
            "a copy for each call, cheap up to some 64 bytes; a pointer makes the signature longer",
        ),
        (_, Reason::Captured) => advice(
            "hand the value to the closure as a parameter, or copy it into a variable that is never \
             assigned again: such are captured by value up to 128 bytes",
            "the closure no longer sees later changes",
        ),
        (_, Reason::Goroutine) => advice(
            "pass by value what the goroutine needs, as arguments of the go statement",
            "a copy for each goroutine, which no longer sees changes",
        ),
        (_, Reason::UnknownCallee) => advice(
            "call through the concrete type where it is known, or reuse one buffer for all calls",
            "the code is tied to that type; a reused buffer must not be kept by the callee",
        ),
        (_, Reason::OtherPackage | Reason::Callee) => advice(
            "reuse one object for many calls, or use a variant of the callee that does not keep it \
             (Append… and Read into a buffer of yours)",
            "what the callee keeps must not be changed while it does",
        ),
        (_, Reason::Sent | Reason::Appended) => advice(
            "send or store it by value: chan T, []T",
            "each transfer copies it; a slice that grows copies all of it",
        ),
        (_, Reason::Deferred) => advice(
            "move the loop's body into a function of its own, so that defer is not in the loop",
            "a call for each round, unless it is inlined",
        ),
        (_, Reason::OutlivesLoop) => advice(
            "declare the variable inside of the loop, or keep the value and not a pointer",
            "a copy for each round",
        ),
        (_, Reason::Panicked) => {
            advice("panic with a constant or an error that exists already", "the message says less")
        }
        (_, Reason::Stored | Reason::MapElem | Reason::MapKey) => advice(
            "store the value and not a pointer, or reuse objects through a free list",
            "copies on reads; objects on a free list are never given back",
        ),
        _ => advice(
            "read the flow: the first step that can be changed is the cheapest",
            "nothing is known of this reason",
        ),
    }
}

/// Proposes a change where the runtime allocates.
pub fn advise_growth(growth: Growth) -> Advice {
    match growth {
        Growth::Map => advice(
            "give the map's make the number of entries that are expected, and delete what is done with",
            "what is expected in vain stays allocated: a map never shrinks",
        ),
        Growth::Slice => advice(
            "make the slice with its capacity before the loop: make([]T, 0, n)",
            "too large a capacity is memory that is held for nothing",
        ),
        Growth::Channel => {
            advice("use one channel for many rounds, with a smaller buffer", "senders wait sooner")
        }
        Growth::Goroutine => advice(
            "start fewer goroutines, which take work from a channel",
            "work waits for a free goroutine",
        ),
        Growth::Other => advice(
            "look at the line: what it calls allocates in the runtime",
            "nothing is known of this line",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elems_that_no_map_stores_in_place_are_not_proposed_by_value() {
        let text = "# p\n./a.go:3:9: &T{...} escapes to heap\n";
        let report = crate::read(text, &crate::NoContext);
        let (_, site) = report.escaping().next().unwrap();
        let mut site = site.clone();
        site.map = Some(MapRole::Elem);
        for (size, is_apart) in [(None, false), (Some(128), false), (Some(144), true)] {
            assert_eq!(is_apart_by_value(&site, size), is_apart, "{size:?}");
            let by_value =
                advise_sized(&site, size).change.starts_with("store the struct by value");
            assert_eq!(by_value, !is_apart, "{size:?}");
        }
        site.map = Some(MapRole::Key);
        assert!(!is_apart_by_value(&site, Some(144)));
    }

    #[test]
    fn a_hint_stands_after_the_type() {
        assert!(has_top_level_comma("make(map[string]int, n)"));
        assert!(!has_top_level_comma("make(map[string]int)"));
        assert!(!has_top_level_comma("make(map[string]func(int, int))"));
    }
}
