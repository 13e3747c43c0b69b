//! What the fixture programs say of their own maps, line by line: the truth
//! that a reader of their memory is held against.
//!
//! The lines are those that `fixtures/maps` and `fixtures/mapcost` describe.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// A map as `fixtures/maps` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapFact {
    /// The name of the case: `state.Nine`.
    pub name: String,
    /// Where its header is; zero for a nil map.
    pub address: u64,
    /// The type as Go's `reflect` prints it.
    pub type_name: String,
    /// What `len` gives.
    pub entries: u64,
    /// The cells of its current arrays, with those of linked overflow buckets
    /// but without those of old arrays. `None` for a nil map.
    pub slots: Option<u64>,
    /// Swiss maps: the cells that are marked as deleted.
    pub tombstones: Option<u64>,
    /// What holds it, in words.
    pub held: String,
    /// More of its shape, by name.
    pub details: BTreeMap<String, String>,
}

/// A sync.Map as `fixtures/maps` tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncMapFact {
    /// The name of the case.
    pub name: String,
    /// Where it is.
    pub address: u64,
    /// How many entries a range over it finds.
    pub entries: u64,
    /// The state it is in, in words.
    pub state: String,
}

/// Maps as `fixtures/mapcost` measured them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostFact {
    /// The type as Go's `reflect` prints it.
    pub type_name: String,
    /// The entries that were put into each map.
    pub entries: u64,
    /// What all maps together keep.
    pub bytes: u64,
    /// Where their headers are.
    pub addresses: Vec<u64>,
    /// How they came about: `grow`, `hint`, `half` or `none`.
    pub mode: String,
}

/// The maps among the lines.
///
/// # Errors
///
/// When a line that tells of a map lacks a field.
pub fn maps(lines: &[String]) -> Result<Vec<MapFact>> {
    parse(lines, "MAP", |field| {
        Some(MapFact {
            name: field(1)?.to_owned(),
            address: address(field(2)?)?,
            type_name: field(3)?.to_owned(),
            entries: field(4)?.parse().ok()?,
            slots: optional(field(5)?)?,
            tombstones: optional(field(6)?)?,
            held: field(8)?.to_owned(),
            details: field(9)?
                .split(';')
                .filter_map(|detail| detail.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    })
}

/// The sync.Maps among the lines.
///
/// # Errors
///
/// When a line that tells of one lacks a field.
pub fn sync_maps(lines: &[String]) -> Result<Vec<SyncMapFact>> {
    parse(lines, "SYNCMAP", |field| {
        Some(SyncMapFact {
            name: field(1)?.to_owned(),
            address: address(field(2)?)?,
            entries: field(3)?.parse().ok()?,
            state: field(4)?.to_owned(),
        })
    })
}

/// The header addresses of maps that nothing holds any more.
///
/// # Errors
///
/// When a line that tells of one lacks a field.
pub fn garbage(lines: &[String]) -> Result<Vec<u64>> {
    parse(lines, "GARBAGE", |field| address(field(2)?))
}

/// The measured costs among the lines.
///
/// # Errors
///
/// When a line that tells of one lacks a field.
pub fn costs(lines: &[String]) -> Result<Vec<CostFact>> {
    parse(lines, "COST", |field| {
        Some(CostFact {
            type_name: field(1)?.to_owned(),
            entries: field(2)?.parse().ok()?,
            bytes: field(4)?.parse().ok()?,
            addresses: field(5)?.split(',').map(address).collect::<Option<_>>()?,
            mode: field(6)?.to_owned(),
        })
    })
}

/// Reads the lines of one kind; `read` gets a line's fields by number.
fn parse<'line, T>(
    lines: &'line [String],
    kind: &str,
    read: impl Fn(&dyn Fn(usize) -> Option<&'line str>) -> Option<T>,
) -> Result<Vec<T>> {
    lines
        .iter()
        .map(|line| (line, line.split('\t').collect::<Vec<_>>()))
        .filter(|(_, fields)| fields.first() == Some(&kind))
        .map(|(line, fields)| {
            read(&|index| fields.get(index).copied())
                .with_context(|| format!("not understood: {line}"))
        })
        .collect()
}

fn address(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// A number, or `-` for none; the outer `None` is for text that is neither.
fn optional(text: &str) -> Option<Option<u64>> {
    match text {
        "-" => Some(None),
        _ => text.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_line_is_read_field_by_field() {
        let line = "MAP\tstate.Nine\t0xc000012340\tmap[int64]*main.session\t9\t16\t-\t-\t\
                    global main.stateNine\tbits=1;growing=false";
        let found = maps(&["GO\tgo1.19\tclassic".to_owned(), line.to_owned()]).unwrap();
        assert_eq!(found.len(), 1);
        let map = &found[0];
        assert_eq!((map.address, map.entries), (0xc0_0001_2340, 9));
        assert_eq!((map.slots, map.tombstones), (Some(16), None));
        assert_eq!(map.details["growing"], "false");
    }

    #[test]
    fn a_cost_line_lists_every_address() {
        let line = "COST\tmap[int64]int64\t8\t2\t384\t0xc000010000,0xc000010030\tgrow";
        let found = costs(&[line.to_owned()]).unwrap();
        assert_eq!(found[0].addresses, [0xc0_0001_0000, 0xc0_0001_0030]);
        assert_eq!(found[0].bytes, 384);
    }

    #[test]
    fn a_line_that_is_cut_short_is_an_error() {
        assert!(maps(&["MAP\tstate.Nine\t0xc000012340".to_owned()]).is_err());
    }
}
