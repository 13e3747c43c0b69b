//! What escapes, as SARIF, with the flow of each site as a code flow.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use tophash_escape::{Position, Reason, Site, Sum, advise_sized, import_path};

use super::repository::Repository;
use super::table::why;
use crate::report::style::bytes;
use crate::sarif::{Entry, Level, Place, Rule, Run, step};

/// A site with what is known of its cost.
pub(super) struct Listed<'v> {
    pub(super) package: &'v str,
    pub(super) site: &'v Site,
    pub(super) sum: Option<Sum>,
    pub(super) size: Option<u64>,
}

pub(super) fn print(
    out: &mut dyn Write,
    repository: &Repository,
    sites: Vec<Listed<'_>>,
) -> Result<()> {
    let rules = Reason::ALL.into_iter().map(|reason| Rule {
        id: rule_of(reason),
        summary: format!("A value goes to the heap: {}.", reason.title()),
        level: Level::Note,
    });
    let mut run = Run::new(rules.collect());
    let names = fingerprints(&sites);
    for (listed, name) in sites.iter().zip(names) {
        if !listed.site.at.is_made_up() {
            add(&mut run, repository, listed, name);
        }
    }
    run.print(out)
}

fn rule_of(reason: Reason) -> String {
    format!("escape/{}", reason.name())
}

/// By which sites are known again when lines have moved: by what escapes in which function of which
/// package, and where that is spelt alike, by being the first, the second and so on in the source.
fn fingerprints(sites: &[Listed<'_>]) -> Vec<String> {
    let mut by_place: Vec<(usize, &Listed<'_>)> = sites.iter().enumerate().collect();
    by_place.sort_by_key(|(_, listed)| (listed.package, &listed.site.at));
    let mut seen: HashMap<String, u64> = HashMap::new();
    let mut names = vec![String::new(); sites.len()];
    for (number, Listed { package, site, .. }) in by_place {
        // The same code, compiled for a test.
        let package = import_path(package);
        let kind = site.kind.name();
        let mut name = format!("{package}|{}|{kind}|{}", site.function, site.expression);
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            name.push_str(&format!("|{times}"));
        }
        if let Some(place) = names.get_mut(number) {
            *place = name;
        }
    }
    names
}

fn add(run: &mut Run, repository: &Repository, listed: &Listed<'_>, name: String) {
    let Listed { site, sum, size, .. } = *listed;
    let cost = sum.filter(|sum| sum.bytes > 0);
    let cost = cost.map_or(String::new(), |sum| format!(" The line costs {}.", bytes(sum.bytes)));
    let flow = site.story().into_iter().filter_map(|told| {
        let at = told.at.filter(|at| !at.is_made_up())?;
        Some(step(&Place { words: Some(&told.words), ..place(&repository.name(&at), &at) }))
    });
    run.add(Entry {
        rule: &rule_of(site.reason),
        level: Level::Note,
        text: format!(
            "{} goes to the heap: {}.{cost} {}.",
            site.expression,
            why(site),
            advise_sized(site, size).change
        ),
        at: place(&repository.name(&site.at), &site.at),
        related: Vec::new(),
        flow: flow.collect(),
        fingerprint: ("escape/v2", name),
    });
}

fn place<'p>(file: &'p str, at: &Position) -> Place<'p> {
    Place { file, line: Some(at.line), column: Some(at.column), words: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_sites_of_two_packages_or_places_have_fingerprints_of_their_own() {
        let text = ["p", "q"].map(|package| {
            format!(
                "# {package}\n./{package}.go:3:6: cannot inline New: x\n\
                 ./{package}.go:4:9: &T{{...}} escapes to heap\n\
                 ./{package}.go:5:9: &T{{...}} escapes to heap\n"
            )
        });
        let report = tophash_escape::read(&text.concat(), &tophash_escape::NoContext);
        let listed = |(package, site)| Listed { package, site, sum: None, size: None };
        let mut sites: Vec<_> = report.sites().map(listed).collect();
        let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (p, q) = ("p|New|object|&T{...}", "q|New|object|&T{...}");
        assert_eq!(fingerprints(&sites), of(&[p, &format!("{p}|2"), q, &format!("{q}|2")]));
        // The costliest may come first: names stay.
        sites.reverse();
        assert_eq!(fingerprints(&sites), of(&[&format!("{q}|2"), q, &format!("{p}|2"), p]));
    }
}
