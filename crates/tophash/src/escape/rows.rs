//! Sites as they are listed: filtered, with what they cost, the costliest first.

use std::collections::HashMap;

use tophash_escape::{ChargedLine, Reason, Site, SiteKind, Sum, Tally, import_path, tally};

use super::cost::Costs;
use super::go::Verdicts;
use super::options::{EscapeOptions, FailOn};
use super::sarif::Listed;

/// A site in a list.
pub(super) struct Row<'v> {
    pub(super) package: &'v str,
    pub(super) site: &'v Site,
    /// What its line costs, where a profile tells.
    pub(super) sum: Option<Sum>,
    /// How many sites the line has: they share its cost.
    pub(super) sharers: usize,
    /// How many bytes an object has that is made here, where that is known.
    pub(super) size: Option<u64>,
}

impl Row<'_> {
    /// Whether the site is one for which the run is to fail.
    pub(super) fn fails(&self, fail_on: Option<FailOn>) -> bool {
        match fail_on {
            Some(FailOn::Any) => true,
            Some(FailOn::Map) => self.site.map.is_some(),
            Some(FailOn::Bytes(least)) => self.sum.is_some_and(|sum| sum.bytes >= least),
            Some(FailOn::New) | None => false,
        }
    }
}

/// What is listed, and all that is known of it.
pub(super) struct Rows<'v> {
    pub(super) verdicts: &'v Verdicts,
    pub(super) costs: Option<Costs<'v>>,
    pub(super) sites: Vec<Row<'v>>,
}

impl<'v> Rows<'v> {
    pub(super) fn new(
        verdicts: &'v Verdicts,
        costs: Option<Costs<'v>>,
        options: &EscapeOptions,
    ) -> Self {
        let mut lines: HashMap<(String, String, u32), &ChargedLine<'_>> = HashMap::new();
        for line in costs.iter().flat_map(|costs| &costs.charged.lines) {
            let key = (line.package.to_owned(), line.at.base_name().to_owned(), line.at.line);
            lines.insert(key, line);
        }
        let mut sites: Vec<Row<'v>> = verdicts
            .report
            .escaping()
            .filter(|(_, site)| is_wanted(site, options))
            .map(|(package, site)| {
                let path = import_path(package);
                let base = site.at.base_name().to_owned();
                let cost = lines.get(&(path.to_owned(), base, site.at.line));
                Row {
                    package,
                    site,
                    // Without what a map took to grow: that is not the site's.
                    sum: costs.as_ref().map(|_| cost.map_or(Sum::default(), |line| line.own_sum())),
                    sharers: cost.map_or(1, |line| line.sites.len()),
                    size: cost.and_then(|line| line.object_size()),
                }
            })
            .collect();
        sites.sort_by(|a, b| {
            let bytes = |row: &Row<'_>| row.sum.map_or(0, |sum| sum.bytes);
            bytes(b)
                .cmp(&bytes(a))
                .then_with(|| (a.package, &a.site.at).cmp(&(b.package, &b.site.at)))
        });
        Self { verdicts, costs, sites }
    }

    /// How many are listed for each reason, in the order of [`Reason::ALL`].
    pub(super) fn by_reason(&self) -> Vec<(Reason, Tally)> {
        let tallies = tally(self.sites.iter().map(|row| (row.site.reason, row.site)));
        let order = Reason::ALL.into_iter();
        order.filter_map(|reason| Some((reason, *tallies.get(&reason)?))).collect()
    }

    /// How many are listed of each kind, in the order of [`SiteKind::ALL`].
    pub(super) fn by_kind(&self) -> Vec<(SiteKind, Tally)> {
        let tallies = tally(self.sites.iter().map(|row| (row.site.kind, row.site)));
        let order = SiteKind::ALL.into_iter();
        order.filter_map(|kind| Some((kind, *tallies.get(&kind)?))).collect()
    }

    /// How many are listed in each function, by package and name, those with most first.
    pub(super) fn by_function(&self) -> Vec<((&'v str, &'v str), Tally)> {
        let named = |row: &Row<'v>| ((row.package, &*row.site.function), row.site);
        let mut rows: Vec<_> = tally(self.sites.iter().map(named)).into_iter().collect();
        rows.sort_by_key(|&(_, tally)| std::cmp::Reverse(tally.sites));
        rows
    }

    /// Sites for SARIF.
    pub(super) fn sarif(&self) -> Vec<Listed<'v>> {
        let listed = |row: &Row<'v>| Listed {
            package: row.package,
            site: row.site,
            sum: row.sum,
            size: row.size,
        };
        self.sites.iter().map(listed).collect()
    }
}

/// Whether the person wants to see a site.
pub(super) fn is_wanted(site: &Site, options: &EscapeOptions) -> bool {
    let reason = options.reason.is_empty()
        || options.reason.iter().any(|&reason| reason == site.reason || reason == site.ends);
    let function = options.function.as_deref().is_none_or(|text| site.function.contains(text));
    reason && function
}

/// Whether the person wants to see a line: for a site on it, or for what the runtime allocates there.
pub(super) fn is_wanted_line(line: &ChargedLine<'_>, options: &EscapeOptions) -> bool {
    if line.sites.is_empty() {
        let function = options.function.as_deref();
        return options.reason.is_empty()
            && function.is_none_or(|text| line.function.contains(text));
    }
    line.sites.iter().any(|site| is_wanted(site, options))
}
