//! A map of a heap, as far as source can know it again: from an inspection, or from a report of one.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tophash_gomap::MapHolder;

use crate::report::MapRow;

/// A call of the stack that allocated a map's largest array.
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// What is known of a map.
pub(crate) struct KnownMap {
    pub(crate) address: u64,
    /// The type, or those that it may be.
    pub(crate) types: Vec<String>,
    pub(crate) holder: Option<MapHolder>,
    /// Functions that use the variable that leads to it, where that has no name.
    pub(crate) users: Vec<String>,
    /// The innermost first.
    pub(crate) calls: Vec<Call>,
    pub(crate) entries: u64,
    pub(crate) own_bytes: u64,
    pub(crate) retained_bytes: Option<u64>,
    /// It is the inside of a `sync.Map`.
    pub(crate) is_part: bool,
}

impl KnownMap {
    pub(crate) fn of_row(row: &MapRow) -> Self {
        let calls = row.allocated_at.as_ref().and_then(|site| site.calls());
        let calls = calls.into_iter().flat_map(|calls| calls.iter());
        Self {
            address: row.address,
            types: row.types.clone(),
            holder: row.root.as_ref().and_then(|root| root.holder.clone()),
            users: row.users.clone(),
            calls: calls
                .filter_map(|call| {
                    let line = call.line.as_ref()?;
                    Some(Call {
                        function: call.function.clone(),
                        file: line.file.clone(),
                        line: line.line,
                    })
                })
                .collect(),
            entries: row.entries,
            own_bytes: row.own_bytes,
            retained_bytes: row.retained_bytes,
            is_part: row.part_of.is_some(),
        }
    }

    /// What would go with the map.
    pub(crate) fn weight(&self) -> u64 {
        self.retained_bytes.unwrap_or(self.own_bytes)
    }
}

/// Reads the maps of a report that `inspect --format json` printed.
pub(crate) fn read_report(path: &Path) -> Result<Vec<KnownMap>> {
    let text = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    let report: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no report of inspect --format json", path.display()))?;
    ensure!(
        report["schema"] == crate::report::json::SCHEMA && report["maps"].is_array(),
        "{} is no report of inspect --format json",
        path.display()
    );
    Ok(report["maps"].as_array().into_iter().flatten().map(of_json).collect())
}

fn of_json(map: &Value) -> KnownMap {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    let hex = text(&map["address"]);
    let calls = map["allocated_at"].as_array().into_iter().flatten();
    KnownMap {
        address: u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap_or(0),
        types: match map["type"].as_str() {
            Some(one) => vec![one.to_owned()],
            None => texts(&map["type_candidates"]),
        },
        holder: holder_of_json(&map["root"]["holder"]),
        users: texts(&map["root"]["users"]),
        calls: calls
            .map(|call| Call {
                function: text(&call["function"]),
                file: text(&call["file"]),
                line: call["line"].as_u64().and_then(|line| line.try_into().ok()).unwrap_or(0),
            })
            .collect(),
        entries: map["entries"].as_u64().unwrap_or(0),
        own_bytes: map["own_bytes"].as_u64().unwrap_or(0),
        retained_bytes: map["retained_bytes"].as_u64(),
        is_part: map["part_of"].is_string(),
    }
}

fn holder_of_json(holder: &Value) -> Option<MapHolder> {
    let text = |field: &str| holder[field].as_str().map(str::to_owned);
    Some(match holder["kind"].as_str()? {
        "variable" => MapHolder::Variable(text("name")?),
        "field" => MapHolder::Field { of: text("of")?, name: text("name")? },
        "local" => MapHolder::Local { function: text("function")?, name: text("name") },
        _ => return None,
    })
}
