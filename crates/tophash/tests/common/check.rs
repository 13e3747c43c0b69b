//! Holding a report against what the fixture says of its own maps.

use std::fmt::Write;

use serde_json::Value;
use xtask::facts::{self, MapFact, SyncMapFact};
use xtask::fixture::Symbols;

use super::{by_address, types};

/// A map's name, and why it is excused. A name that ends in a dot stands for all that start with
/// it.
pub(crate) type Excuse = (&'static str, &'static str);

/// Maps whose type a stripped program does not hold in every release, and why. The report must then
/// offer the true type among others.
const OPEN_WHEN_STRIPPED: &[Excuse] = &[
    ("stack.", "only words of a frame lead to it, and its arrays fit several types"),
    ("held.PointerToPointer", "only untyped cells lead to it"),
    ("held.Closure", "the closure's code asks for its length alone"),
    ("held.ClosureByReference", "the closure's code asks for its length alone"),
    ("held.FuncElem", "the closure's code asks for its length alone"),
    ("held.Timer", "the closure's code asks for its length alone"),
    ("held.SliceFirst", "the code fills the array through a pointer that has no type"),
    ("held.Twice", "no code that uses the two globals says what they are"),
    ("held.AtomicPointer", "the pointer is an unsafe.Pointer to the runtime's types"),
];

/// Maps whose type even DWARF does not tell in every release, and why.
const OPEN_WITH_DWARF: &[Excuse] =
    &[("stack.Defer", "to Go 1.22 DWARF does not say what a closure captured")];

/// Maps that a stripped program hides, and why.
pub(crate) const UNSEEN_WHEN_STRIPPED: &[Excuse] =
    &[("sync.Empty", "it was never written to and is zero, and only DWARF says where it is")];

/// Returns the maps whose type may stay open.
pub(crate) fn open_types(symbols: Symbols) -> &'static [Excuse] {
    match symbols {
        Symbols::Kept => OPEN_WITH_DWARF,
        Symbols::Stripped => OPEN_WHEN_STRIPPED,
    }
}

/// Counts the maps that the program does not tell of: the runtime's and the library's.
pub(crate) fn other_maps(report: &Value, lines: &[String]) -> usize {
    let own: Vec<u64> = facts::maps(lines).unwrap().iter().map(|fact| fact.address).collect();
    by_address(report)
        .iter()
        .filter(|(address, map)| !own.contains(address) && map["type"] != "sync.Map")
        .count()
}

/// Faults of one report.
pub(crate) struct Check<'f> {
    /// What is checked, as faults call it.
    pub(crate) case: String,
    /// Maps whose type may stay open, if the true one is among the candidates.
    pub(crate) open: &'static [Excuse],
    /// Maps that may be missing.
    pub(crate) unseen: &'static [&'static [Excuse]],
    pub(crate) faults: &'f mut String,
}

fn is_excused(name: &str, excuses: &[Excuse]) -> bool {
    excuses.iter().any(|(excused, _)| {
        *excused == name || (excused.ends_with('.') && name.starts_with(excused))
    })
}

impl Check<'_> {
    pub(crate) fn that(&mut self, holds: bool, fault: &str) {
        if !holds {
            writeln!(self.faults, "{}: {fault}", self.case).unwrap();
        }
    }

    fn may_be_missing(&self, name: &str) -> bool {
        self.unseen.iter().any(|excuses| is_excused(name, excuses))
    }

    /// Checks every map that the program tells of, and that there is no garbage; returns how many
    /// there are.
    pub(crate) fn maps(&mut self, report: &Value, lines: &[String]) -> usize {
        let maps = by_address(report);
        let facts = facts::maps(lines).unwrap();
        let mut checked = 0;
        for fact in facts.iter().filter(|fact| fact.address != 0) {
            self.map(fact, maps.get(&fact.address));
            checked += 1;
        }
        for fact in facts::sync_maps(lines).unwrap() {
            self.sync_map(&fact, maps.get(&fact.address));
        }
        for address in facts::garbage(lines).unwrap() {
            self.that(!maps.contains_key(&address), "garbage was taken for a map");
        }
        checked
    }

    pub(crate) fn map(&mut self, fact: &MapFact, found: Option<&Value>) {
        let Some(map) = found else {
            let may_be_missing = self.may_be_missing(&fact.name);
            self.that(may_be_missing, &format!("{} ({}) is missing", fact.name, fact.type_name));
            return;
        };
        let mut equal = |what: &str, expected: Option<u64>| {
            if let Some(expected) = expected {
                let got = map[what].as_u64().unwrap();
                self.that(got == expected, &format!("{}: {what} {got} not {expected}", fact.name));
            }
        };
        equal("entries", Some(fact.entries));
        equal("slots", fact.slots);
        let counted = fact.details.get("empty_one").and_then(|count| count.parse().ok());
        equal("tombstones", fact.tombstones.or(counted));
        equal("overflow_buckets", fact.details.get("overflow").and_then(|n| n.parse().ok()));
        if let Some(growing) = fact.details.get("growing") {
            let fault = format!("{}: growing is {}", fact.name, map["growing"]);
            self.that(map["growing"].as_bool() == growing.parse().ok(), &fault);
        }
        let types = types(map);
        if types == [fact.type_name.as_str()] {
            return;
        }
        let may_be_open = is_excused(&fact.name, self.open) && types.contains(&fact.type_name);
        self.that(may_be_open, &format!("{}: {types:?} not {}", fact.name, fact.type_name));
    }

    pub(crate) fn sync_map(&mut self, fact: &SyncMapFact, found: Option<&Value>) {
        let Some(map) = found else {
            let may_be_missing = self.may_be_missing(&fact.name);
            self.that(may_be_missing, &format!("{} is missing", fact.name));
            return;
        };
        let fault = format!("{}: {} entries not {}", fact.name, map["entries"], fact.entries);
        self.that(map["entries"] == fact.entries && map["type"] == "sync.Map", &fault);
    }
}
