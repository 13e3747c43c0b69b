//! The Firefox profiler's processed format, one thread with one column.
//!
//! Stacks are a table in which each row has the row of its caller, so that what stacks share is
//! stored once. Version 49 of the format; later viewers upgrade it.

use std::io::{self, Write};

use hashbrown::HashMap;
use serde_json::{Value, json};

use crate::graph::Functions;
use crate::profile::Profile;

const VERSION: u32 = 49;

/// Writes a column.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_firefox(
    out: &mut dyn Write,
    profile: &Profile,
    column: usize,
    title: &str,
) -> io::Result<()> {
    let functions = Functions::new(profile);
    let mut strings: Vec<Value> = Vec::new();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut string = |text| {
        *numbers.entry(text).or_insert_with(|| {
            strings.push(Value::from(text));
            strings.len() - 1
        })
    };
    let names: Vec<usize> = functions.names.iter().map(|name| string(name.as_str())).collect();
    let files: Vec<usize> = functions.files.iter().map(|file| string(file.as_str())).collect();

    let mut rows: HashMap<(Option<usize>, u32), usize> = HashMap::new();
    let (mut prefixes, mut frames) = (Vec::new(), Vec::new());
    let (mut stacks, mut weights) = (Vec::new(), Vec::new());
    for sample in 0..profile.samples.len() {
        let value = profile.value(sample, column);
        let mut row = None;
        for &location in profile.stack(sample).iter().rev() {
            for &function in functions.at(profile, location).iter().rev() {
                row = Some(*rows.entry((row, function)).or_insert_with(|| {
                    prefixes.push(row);
                    frames.push(function);
                    frames.len() - 1
                }));
            }
        }
        if value != 0 && row.is_some() {
            stacks.push(row);
            weights.push(value);
        }
    }
    let ty = profile.sample_types().get(column).cloned().unwrap_or_default();
    let weight_type = match ty.unit.as_str() {
        "bytes" => "bytes",
        "nanoseconds" => "tracing-ms",
        _ => "samples",
    };
    let weights: Vec<Value> = weights
        .into_iter()
        .map(|value: i64| match weight_type {
            "tracing-ms" => Value::from(value as f64 / 1e6),
            _ => Value::from(value),
        })
        .collect();
    let count = functions.names.len();
    let rows = frames.len();
    let repeat = |value: Value, len: usize| vec![value; len];
    let nulls = |len: usize| repeat(Value::Null, len);
    let each: Vec<usize> = (0..count).collect();
    let times: Vec<usize> = (0..stacks.len()).collect();
    let thread = json!({
        "name": ty.name, "processType": "default", "processStartupTime": 0,
        "processShutdownTime": null, "registerTime": 0, "unregisterTime": null,
        "pausedRanges": [], "isMainThread": true, "pid": "0", "tid": 0,
        "samples": {
            "length": stacks.len(), "stack": stacks, "time": times, "weight": weights,
            "weightType": weight_type,
        },
        "markers": {
            "length": 0, "data": [], "name": [], "startTime": [], "endTime": [], "phase": [],
            "category": [],
        },
        "stackTable": {
            "length": rows, "prefix": prefixes, "frame": frames,
            "category": repeat(json!(0), rows), "subcategory": repeat(json!(0), rows),
        },
        "frameTable": {
            "length": count, "address": repeat(json!(-1), count),
            "inlineDepth": repeat(json!(0), count), "category": repeat(json!(0), count),
            "subcategory": repeat(json!(0), count), "func": each, "nativeSymbol": nulls(count),
            "innerWindowID": nulls(count), "implementation": nulls(count), "line": nulls(count),
            "column": nulls(count),
        },
        "funcTable": {
            "length": count, "name": names, "fileName": files,
            "isJS": repeat(json!(false), count), "relevantForJS": repeat(json!(false), count),
            "resource": repeat(json!(-1), count), "lineNumber": nulls(count),
            "columnNumber": nulls(count),
        },
        "resourceTable": { "length": 0, "lib": [], "name": [], "host": [], "type": [] },
        "nativeSymbols":
            { "length": 0, "libIndex": [], "address": [], "name": [], "functionSize": [] },
        "stringArray": strings,
    });
    let whole = json!({
        "meta": {
            "interval": 1, "startTime": profile.time_nanos() as f64 / 1e6, "processType": 0,
            "product": title, "stackwalk": 1, "version": 24,
            "preprocessedProfileVersion": VERSION, "symbolicated": true, "markerSchema": [],
            "categories": [{ "name": "Go", "color": "blue", "subcategories": ["Other"] }],
        },
        "libs": [], "pages": [], "threads": [thread],
    });
    serde_json::to_writer(&mut *out, &whole)?;
    writeln!(out)
}
