//! Escapes for programs.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};
use tophash_escape::{Site, Sum};

use super::rows::Rows;

const SCHEMA: u32 = 1;

pub(super) fn print(out: &mut dyn Write, rows: &Rows<'_>) -> Result<()> {
    let report = &rows.verdicts.report;
    let sites: Vec<_> = rows
        .sites
        .iter()
        .map(|row| {
            let mut value = site(row.package, row.site);
            if let (Some(fields), Some(sum)) = (value.as_object_mut(), row.sum) {
                fields.insert("line_bytes".to_owned(), json!(sum.bytes));
                fields.insert("line_objects".to_owned(), json!(sum.objects));
                fields.insert("line_sites".to_owned(), json!(row.sharers));
            }
            value
        })
        .collect();
    let reasons: serde_json::Map<String, Value> = rows
        .by_reason()
        .into_iter()
        .map(|(reason, tally)| (reason.name().to_owned(), json!(tally.sites)))
        .collect();
    let kinds: serde_json::Map<String, Value> = rows
        .by_kind()
        .into_iter()
        .map(|(kind, tally)| (kind.name().to_owned(), json!(tally.sites)))
        .collect();
    let costs = rows.costs.as_ref().map(|costs| {
        let charged = &costs.charged;
        let lines: Vec<_> = charged
            .lines
            .iter()
            .filter(|line| line.sum != Sum::default())
            .map(|line| {
                json!({
                    "package": line.package, "file": &*line.at.file, "line": line.at.line,
                    "function": &*line.function, "bytes": line.sum.bytes,
                    "objects": line.sum.objects, "sites": line.sites.len(),
                    "map_growth_bytes": line.map_growth.bytes,
                    "map_growth_by": line.growth_by.name(),
                    "runtime": line.growth.filter(|_| line.sites.is_empty()).map(|g| g.title()),
                })
            })
            .collect();
        let outside: Vec<_> = charged
            .outside
            .iter()
            .map(|(package, sum)| {
                json!({ "package": package, "bytes": sum.bytes, "objects": sum.objects })
            })
            .collect();
        json!({
            "meaning": costs.account.meaning,
            "total_bytes": charged.total.bytes, "total_objects": charged.total.objects,
            "lines": lines, "outside": outside,
        })
    });
    let whole = json!({
        "schema": SCHEMA, "go": rows.verdicts.version, "dir": rows.verdicts.dir,
        "packages": report.packages.iter().map(|package| &*package.path).collect::<Vec<_>>(),
        "reasons": reasons, "kinds": kinds, "sites": sites, "costs": costs,
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)?;
    Ok(())
}

/// A site with its flow.
pub(super) fn site(package: &str, site: &Site) -> Value {
    let flow: Vec<_> = site
        .flows
        .iter()
        .map(|flow| {
            let steps: Vec<_> = flow
                .steps
                .iter()
                .map(|step| {
                    json!({
                        "expression": &*step.expression, "why": &*step.why,
                        "at": step.at.as_ref().map(ToString::to_string),
                    })
                })
                .collect();
            json!({ "to": &*flow.to, "from": &*flow.from, "derefs": flow.derefs, "steps": steps })
        })
        .collect();
    json!({
        "package": package, "file": &*site.at.file, "line": site.at.line, "column": site.at.column,
        "function": &*site.function, "kind": site.kind.name(), "expression": &*site.expression,
        "reason": site.reason.name(), "ends": site.ends.name(), "callee": site.callee.as_deref(),
        "map": site.map.map(|role| role.name()), "times": site.times,
        "inlined": site.inlined.iter().map(|name| &**name).collect::<Vec<_>>(), "flow": flow,
    })
}
