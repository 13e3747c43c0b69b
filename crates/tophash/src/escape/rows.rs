//! Sites as they are listed: filtered, with what they cost, the costliest first.

use std::collections::HashMap;

use tophash_escape::{Site, Sum};

use super::cost::Costs;
use super::go::Verdicts;
use super::options::EscapeOptions;

/// A site in a list.
pub(super) struct Row<'v> {
    pub(super) package: &'v str,
    pub(super) site: &'v Site,
    /// What its line costs, where a profile tells.
    pub(super) sum: Option<Sum>,
    /// How many sites the line has: they share its cost.
    pub(super) sharers: usize,
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
        let mut lines: HashMap<(String, String, u32), (Sum, usize)> = HashMap::new();
        for line in costs.iter().flat_map(|costs| &costs.charged.lines) {
            // Without what a map took to grow: that is not the site's.
            let sum = Sum {
                bytes: line.sum.bytes.saturating_sub(line.map_growth.bytes),
                objects: line.sum.objects.saturating_sub(line.map_growth.objects),
            };
            let key = (line.package.to_owned(), line.at.base_name().to_owned(), line.at.line);
            lines.insert(key, (sum, line.sites.len()));
        }
        let mut sites: Vec<Row<'v>> = verdicts
            .report
            .escaping()
            .filter(|(_, site)| is_wanted(site, options))
            .map(|(package, site)| {
                let path = package.split(" [").next().unwrap_or(package);
                let base = site.at.base_name().to_owned();
                let cost = lines.get(&(path.to_owned(), base, site.at.line));
                Row {
                    package,
                    site,
                    sum: costs.as_ref().map(|_| cost.map_or(Sum::default(), |&(sum, _)| sum)),
                    sharers: cost.map_or(1, |&(_, sharers)| sharers),
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

    /// Sites for SARIF.
    pub(super) fn sarif(&self) -> Vec<(&'v str, &'v Site, Option<Sum>)> {
        self.sites.iter().map(|row| (row.package, row.site, row.sum)).collect()
    }
}

/// Whether the person wants to see a site.
pub(super) fn is_wanted(site: &Site, options: &EscapeOptions) -> bool {
    let reason = options.reason.is_empty()
        || options.reason.iter().any(|&reason| reason == site.reason || reason == site.ends);
    let function = options.function.as_deref().is_none_or(|text| site.function.contains(text));
    reason && function
}
