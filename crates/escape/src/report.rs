//! Everything that was read of a build, and what can be asked of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::position::Position;
use crate::site::Site;

/// What the compiler said of some packages.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The packages, in the order in which they were built.
    pub packages: Vec<PackageReport>,
    /// The first lines that were of no known form, such as errors of a build.
    pub other: Vec<String>,
    /// How many such lines there were.
    pub other_lines: u64,
}

/// What the compiler said of one package.
#[derive(Debug, Clone, Default)]
pub struct PackageReport {
    /// The import path, as the go command prints it.
    pub path: Arc<str>,
    /// What goes to the heap, and what could have but stays; by place.
    pub sites: Vec<Site>,
    /// The functions, by place.
    pub functions: Vec<FunctionAt>,
    /// How many lines of each form there were.
    pub counts: Counts,
}

/// A function that the package declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionAt {
    /// Where.
    pub at: Position,
    /// Its name without the package: `(*T).Run`, `Run.func1`.
    pub name: Arc<str>,
    /// Whether calls of it are replaced by its body.
    pub is_inlined: bool,
}

/// How many lines of each form there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// `X escapes to heap`.
    pub escapes: u64,
    /// `moved to heap: X`.
    pub moved: u64,
    /// `X does not escape`, of parameters too.
    pub stays: u64,
    /// Explanations of what escapes.
    pub explanations: u64,
    /// Explanations of parameters.
    pub leaks: u64,
    /// Functions.
    pub functions: u64,
    /// Calls that were inlined.
    pub inlined: u64,
}

/// How many sites there are of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Places.
    pub sites: u64,
    /// Of them, maps and what has to do with maps.
    pub maps: u64,
}

impl Report {
    /// Every site that goes to the heap, with its package's path.
    pub fn escaping(&self) -> impl Iterator<Item = (&str, &Site)> {
        self.sites().filter(|(_, site)| site.escapes)
    }

    /// Every site, with its package's path.
    pub fn sites(&self) -> impl Iterator<Item = (&str, &Site)> {
        self.packages
            .iter()
            .flat_map(|package| package.sites.iter().map(move |site| (&*package.path, site)))
    }
}

/// Counts sites by what they have in common.
pub fn tally<'s, K: Ord>(sites: impl Iterator<Item = (K, &'s Site)>) -> BTreeMap<K, Tally> {
    let mut tallies: BTreeMap<K, Tally> = BTreeMap::new();
    for (key, site) in sites {
        let tally = tallies.entry(key).or_default();
        tally.sites += 1;
        tally.maps += u64::from(site.map.is_some());
    }
    tallies
}
