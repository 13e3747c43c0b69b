//! A report held against what the fixture `maps` says of its own maps.

use std::fmt::Write;

use serde_json::Value;
use xtask::facts::{self, MapFact};

use super::{Way, by_address, types};

/// Maps whose type a stripped program does not hold in every release, and why. The report must then
/// offer the true type among others. A name that ends in a dot stands for all that start with it.
const OPEN_WHEN_STRIPPED: [(&str, &str); 9] = [
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
const OPEN_WITH_DWARF: [(&str, &str); 1] =
    [("stack.Defer", "to Go 1.22 DWARF does not say what a closure captured")];

/// `sync.Map`s that were never written to are zero, and only DWARF says where they are.
const UNSEEN_WHEN_STRIPPED: [&str; 1] = ["sync.Empty"];

/// Counts the maps that the program does not tell of: the runtime's and the library's.
pub(crate) fn other_maps(report: &Value, lines: &[String]) -> usize {
    let own: Vec<u64> = facts::maps(lines).unwrap().iter().map(|fact| fact.address).collect();
    by_address(report)
        .iter()
        .filter(|(address, map)| !own.contains(address) && map["type"] != "sync.Map")
        .count()
}

/// Holds one report against what the program says of itself.
pub(crate) struct Check<'f> {
    /// Which build, and how it was opened.
    pub(crate) case: String,
    pub(crate) is_stripped: bool,
    /// What is wrong, a line each.
    pub(crate) faults: &'f mut String,
}

impl Check<'_> {
    pub(crate) fn that(&mut self, holds: bool, fault: &str) {
        if !holds {
            writeln!(self.faults, "{}: {fault}", self.case).unwrap();
        }
    }

    pub(crate) fn target(&mut self, report: &Value, way: Way) {
        let target = &report["target"];
        let source = if way == Way::Core { "core" } else { "process" };
        self.that(target["source"] == source, &format!("source is {}", target["source"]));
        let types = if self.is_stripped { "runtime" } else { "dwarf" };
        self.that(target["types"] == types, &format!("types are from {}", target["types"]));
        let pause = target["pause_ms"].as_f64().unwrap();
        self.that((pause > 0.0) == (way == Way::Frozen), &format!("the pause was {pause} ms"));
        if way == Way::Unfrozen {
            let torn = report["maps"].as_array().unwrap().iter().filter(|map| map["torn"] == true);
            let torn = torn.count();
            self.that(torn == 0, &format!("{torn} maps of an idle process are torn"));
        }
    }

    /// Checks every map that the program tells of, and returns how many.
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

    fn map(&mut self, fact: &MapFact, found: Option<&Value>) {
        let Some(map) = found else {
            self.that(false, &format!("{} ({}) is missing", fact.name, fact.type_name));
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
        let excused: &[(&str, &str)] =
            if self.is_stripped { &OPEN_WHEN_STRIPPED } else { &OPEN_WITH_DWARF };
        let is_excused = excused.iter().any(|(name, _)| {
            *name == fact.name || (name.ends_with('.') && fact.name.starts_with(name))
        });
        let may_be_open = is_excused && types.contains(&fact.type_name);
        self.that(may_be_open, &format!("{}: {types:?} not {}", fact.name, fact.type_name));
    }

    fn sync_map(&mut self, fact: &facts::SyncMapFact, found: Option<&Value>) {
        let Some(map) = found else {
            let is_excused = self.is_stripped && UNSEEN_WHEN_STRIPPED.contains(&fact.name.as_str());
            self.that(is_excused, &format!("{} is missing", fact.name));
            return;
        };
        let fault = format!("{}: {} entries not {}", fact.name, map["entries"], fact.entries);
        self.that(map["entries"] == fact.entries && map["type"] == "sync.Map", &fault);
    }
}
