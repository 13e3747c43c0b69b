//! One layout table: what it holds and how it is written down.
//!
//! The file is JSON with every key in order and one field, one constant or one
//! string a line, so that what a new Go release changes reads as a line diff.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The layout of one struct.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Struct {
    pub(crate) size: u64,
    /// Offset and size in bytes, by the field's name.
    pub(crate) fields: BTreeMap<String, (u64, u64)>,
}

/// What one toolchain with one experiment lays out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) go: String,
    pub(crate) arch: String,
    pub(crate) experiment: String,
    pub(crate) structs: BTreeMap<String, Struct>,
    /// Signed: a constant above the signed range is written as the negative
    /// number with the same 64 bits.
    pub(crate) constants: BTreeMap<String, i64>,
    pub(crate) size_classes: Vec<u64>,
    pub(crate) wait_reasons: Vec<String>,
}

impl Table {
    /// The name of the file that holds this table.
    pub(crate) fn file_name(language: &str, arch: &str, experiment: &str) -> String {
        match experiment {
            "" => format!("go{language}-{arch}.json"),
            _ => format!("go{language}-{arch}-{experiment}.json"),
        }
    }

    /// Writes the table as the text of its file.
    pub(crate) fn to_text(&self) -> String {
        let structs = self.structs.iter().map(|(name, layout)| {
            let fields = layout
                .fields
                .iter()
                .map(|(field, (offset, size))| format!("{}: [{offset}, {size}]", quoted(field)));
            let fields = block(fields, 3, '{', '}');
            format!("{}: {{ \"size\": {}, \"fields\": {fields} }}", quoted(name), layout.size)
        });
        let constants =
            self.constants.iter().map(|(name, value)| format!("{}: {value}", quoted(name)));
        let classes: Vec<_> = self.size_classes.iter().map(u64::to_string).collect();
        let mut parts = vec![
            format!("\"arch\": {}", quoted(&self.arch)),
            format!("\"constants\": {}", block(constants, 2, '{', '}')),
            format!("\"experiment\": {}", quoted(&self.experiment)),
            format!("\"go\": {}", quoted(&self.go)),
            format!("\"size_classes\": [{}]", classes.join(", ")),
            format!("\"structs\": {}", block(structs, 2, '{', '}')),
        ];
        let reasons = self.wait_reasons.iter().map(|reason| quoted(reason));
        parts.push(format!("\"wait_reasons\": {}", block(reasons, 2, '[', ']')));
        block(parts.into_iter(), 1, '{', '}') + "\n"
    }

    /// Lists what differs from `other`, a line a difference.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |what: String, ours: Option<String>, theirs: Option<String>| {
            if ours != theirs {
                let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".into());
                found.push(format!("{what}: {} is now {}", shown(ours), shown(theirs)));
            }
        };
        note("go".into(), Some(self.go.clone()), Some(other.go.clone()));
        for name in keys(&self.constants, &other.constants) {
            let value = |table: &Self| table.constants.get(name).map(i64::to_string);
            note(name.clone(), value(self), value(other));
        }
        for name in keys(&self.structs, &other.structs) {
            let layout = |table: &Self| table.structs.get(name).cloned();
            let (ours, theirs) = (layout(self), layout(other));
            let size = |layout: &Option<Struct>| layout.as_ref().map(|it| format!("{} B", it.size));
            note(name.clone(), size(&ours), size(&theirs));
            let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
            for field in keys(&ours.fields, &theirs.fields) {
                let place = |layout: &Struct| layout.fields.get(field).map(|it| format!("{it:?}"));
                note(format!("{name}.{field}"), place(&ours), place(&theirs));
            }
        }
        let joined = |classes: &[u64]| Some(format!("{classes:?}"));
        note("size classes".into(), joined(&self.size_classes), joined(&other.size_classes));
        let joined = |reasons: &[String]| Some(reasons.join(", "));
        note("wait reasons".into(), joined(&self.wait_reasons), joined(&other.wait_reasons));
        found
    }
}

/// The keys of both maps, each once.
fn keys<'map, T>(
    left: &'map BTreeMap<String, T>,
    right: &'map BTreeMap<String, T>,
) -> impl Iterator<Item = &'map String> {
    left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)))
}

/// JSON items between brackets, each on its own line, `depth` spaces deep.
fn block(items: impl Iterator<Item = String>, depth: usize, open: char, close: char) -> String {
    let indent = " ".repeat(depth);
    let items: Vec<_> = items.map(|item| format!("\n{indent}{item}")).collect();
    if items.is_empty() {
        return format!("{open}{close}");
    }
    format!("{open}{}\n{}{close}", items.join(","), &indent[1..])
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let fields = BTreeMap::from([("nelems".into(), (50, 2)), ("limit".into(), (120, 8))]);
        Table {
            go: "go1.27.3".into(),
            arch: "amd64".into(),
            experiment: String::new(),
            structs: BTreeMap::from([("runtime.mspan".into(), Struct { size: 160, fields })]),
            constants: BTreeMap::from([("runtime.arenaBaseOffset".into(), -0x8000_0000_0000)]),
            size_classes: vec![0, 8, 16],
            wait_reasons: vec![String::new(), "GC \"assist\"".into()],
        }
    }

    #[test]
    fn the_written_text_reads_back_as_the_same_table() {
        let text = table().to_text();
        assert_eq!(serde_json::from_str::<Table>(&text).unwrap(), table());
        assert!(text.contains("\n   \"nelems\": [50, 2]\n"), "{text}");
    }

    #[test]
    fn each_changed_field_is_one_difference() {
        let mut other = table();
        other.structs.get_mut("runtime.mspan").unwrap().fields.insert("limit".into(), (128, 8));
        other.constants.clear();
        let found = table().differences(&other);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.contains(&"runtime.mspan.limit: (120, 8) is now (128, 8)".to_owned()));
    }

    #[test]
    fn a_table_is_filed_by_language_version_and_experiment() {
        assert_eq!(Table::file_name("1.27", "amd64", ""), "go1.27-amd64.json");
        assert_eq!(Table::file_name("1.25", "amd64", "greenteagc"), "go1.25-amd64-greenteagc.json");
    }
}
