//! What the compiler says of maps: of the lines that make and fill those that a finding names, and of
//! those of a heap that no finding is about.
//!
//! The latter are known again by the variable or field that the compiler sees them go into, and by the line
//! that allocated their largest array, which puts entries in.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use tophash_escape::{Owner, Programs, Step, advise, base_name, import_path, split_symbol};
use tophash_gomap::MapHolder;
use tophash_source::{MapIdentity, Position};

use super::known_map::KnownMap;
use super::matching::{MAX_CALLS, Matched};
use super::{EscapeAt, Explanation};
use crate::escape::{self, Site, ask_all, why};

/// A map is explained by no more verdicts than these.
const MOST: usize = 6;

/// What a compiler says of all packages of a folder.
pub(super) struct Verdicts {
    said: escape::Verdicts,
    /// As the person named it.
    dir: String,
}

impl Verdicts {
    /// Asks about all packages of a folder.
    pub(super) fn ask(dir: &Path, go: Option<&Path>) -> Result<Self> {
        Ok(Self { said: ask_all(dir, go)?, dir: dir.to_string_lossy().into_owned() })
    }

    pub(super) fn index(&self) -> Index<'_> {
        let mut sites: HashMap<_, Vec<&Site>> = HashMap::new();
        let mut maps: HashMap<&str, Vec<&Site>> = HashMap::new();
        let report = &self.said.report;
        for (package, site) in report.escaping().filter(|(_, site)| !site.at.is_made_up()) {
            let path = import_path(package);
            sites.entry((path, site.at.base_name(), site.at.line)).or_default().push(site);
            if site.kind.is_map() {
                maps.entry(path).or_default().push(site);
            }
        }
        let programs = Programs::of(report, &self.said.sources, &self.said.programs);
        Index { sites, maps, programs, dir: &self.dir }
    }
}

/// Verdicts by what they are of.
pub(super) struct Index<'v> {
    /// By package, the file's last part, and line.
    sites: HashMap<(&'v str, &'v str, u32), Vec<&'v Site>>,
    /// Those that make a map, by package.
    maps: HashMap<&'v str, Vec<&'v Site>>,
    programs: Programs<'v>,
    dir: &'v str,
}

impl<'v> Index<'v> {
    /// What is said of the lines that make and fill a map.
    pub(super) fn of(&self, map: &MapIdentity) -> Vec<EscapeAt> {
        let Some(path) = &map.import_path else { return Vec::new() };
        let mut found: Vec<EscapeAt> = Vec::new();
        for lines in map.makes.iter().chain(&map.inserts) {
            let file = base_name(&lines.at.path);
            for line in (lines.at.line..=lines.last_line).take(MOST) {
                let sites = self.sites.get(&(path.as_str(), file, line));
                found.extend(sites.into_iter().flatten().map(|site| verdict(site)));
            }
        }
        found.truncate(MOST);
        found
    }

    /// Explains a map of a heap that no finding is about.
    pub(super) fn explain(&self, map: &KnownMap) -> Option<Explanation> {
        // The inside of a sync.Map has no line of its own.
        if map.is_part {
            return None;
        }
        let (mut sites, by_name) = self.made(map);
        let made = sites.len();
        for site in self.on_line(map) {
            if !sites.iter().any(|known| std::ptr::eq(*known, site)) {
                sites.push(site);
            }
        }
        let (first, rest) = sites.split_first()?;
        let matched = if made > 0 { by_name } else { Matched::Line };
        let file = first.at.file.strip_prefix("./").unwrap_or(&first.at.file);
        let subject = match &map.holder {
            Some(MapHolder::Variable(symbol)) => split_symbol(symbol).1.to_owned(),
            Some(MapHolder::Field { of, name }) => format!("{}.{name}", split_symbol(of).1),
            Some(MapHolder::Local { name: Some(name), .. }) => name.clone(),
            _ => first.expression.to_string(),
        };
        Some(Explanation {
            rule: "escape",
            severity: "info",
            subject,
            at: Position {
                path: format!("{}/{file}", self.dir.trim_end_matches('/')),
                line: first.at.line,
                column: first.at.column,
            },
            message: format!("{} goes to the heap: {}", first.expression, why(first)),
            fix: advise(first).change.to_owned(),
            matched: matched.name(),
            matched_words: matched.words(),
            escapes: rest.iter().take(MOST).map(|site| verdict(site)).collect(),
        })
    }

    /// Where maps are made that go into what holds this one, by name.
    fn made(&self, map: &KnownMap) -> (Vec<&'v Site>, Matched) {
        let none = (Vec::new(), Matched::Line);
        match &map.holder {
            Some(MapHolder::Variable(symbol)) => {
                let (path, name) = split_symbol(symbol);
                let is_it = |site: &Site| goes_into(site, |to| to == name);
                (self.maps_of(&path, map, is_it), Matched::Variable)
            }
            Some(MapHolder::Local { function, name: Some(name) }) => {
                let (path, function) = split_symbol(function);
                let is_it = |site: &Site| {
                    is_around(&site.function, function) && goes_into(site, |to| to == name)
                };
                (self.maps_of(&path, map, is_it), Matched::Local)
            }
            Some(MapHolder::Field { of, name }) => {
                // Types have the package's name alone: those that allocated it say which it is.
                let package = of.split('.').next().unwrap_or_default();
                let calls = map.calls.iter().map(|call| split_symbol(&call.function).0);
                let Some(path) = calls.into_iter().find(|path| base_name(path) == package) else {
                    return none;
                };
                let is_it = |site: &Site| {
                    goes_into(site, |to| to.rsplit_once('.').is_some_and(|(_, last)| last == name))
                };
                (self.maps_of(&path, map, is_it), Matched::Field)
            }
            _ => none,
        }
    }

    fn maps_of(
        &self,
        symbol: &str,
        map: &KnownMap,
        is_it: impl Fn(&Site) -> bool,
    ) -> Vec<&'v Site> {
        let file = map.calls.iter().find(|call| split_symbol(&call.function).0 == symbol);
        let Some(path) = self.package(symbol, file.map_or("", |call| &call.file)) else {
            return Vec::new();
        };
        let maps = self.maps.get(path.as_str()).into_iter().flatten().copied();
        maps.filter(|site| is_it(site)).collect()
    }

    /// What is said of the line that allocated the map's largest array.
    fn on_line(&self, map: &KnownMap) -> Vec<&'v Site> {
        map.calls
            .iter()
            .take(MAX_CALLS)
            .find_map(|call| {
                let (symbol, _) = split_symbol(&call.function);
                let path = self.package(&symbol, &call.file)?;
                let file = base_name(&call.file);
                let sites = self.sites.get(&(path.as_str(), file, call.line))?;
                // What is stored in a map comes before what else is on the line.
                let mut sites = sites.clone();
                sites.sort_by_key(|site| site.map.is_none());
                Some(sites)
            })
            .unwrap_or_default()
    }

    /// The import path of a package as symbols spell it.
    fn package(&self, symbol: &str, file: &str) -> Option<String> {
        if symbol != "main" {
            return Some(symbol.to_owned());
        }
        match self.programs.owner_of(file) {
            Owner::Package(path) | Owner::Probably(path) => Some(path.to_owned()),
            Owner::OneOf(_) | Owner::Other => None,
        }
    }
}

/// Whether a map goes into a variable or field, by a name that an assignment has for it.
fn goes_into(site: &Site, is_it: impl Fn(&str) -> bool) -> bool {
    let target = |step: &Step| {
        let assigns = step.why.starts_with("assign");
        let (to, _) = step.expression.split_once(" := ").or(step.expression.split_once(" = "))?;
        assigns.then(|| to.to_owned())
    };
    site.flows.iter().any(|flow| {
        is_it(&flow.to) || flow.steps.iter().filter_map(target).any(|to| is_it(to.trim()))
    })
}

/// Whether a function is another, or that which a closure stands in.
fn is_around(outer: &str, function: &str) -> bool {
    let rest = function.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn verdict(site: &Site) -> EscapeAt {
    EscapeAt {
        file: site.at.file.to_string(),
        line: site.at.line,
        expression: site.expression.to_string(),
        reason: site.reason.name(),
        why: why(site),
    }
}
