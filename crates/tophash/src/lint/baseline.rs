//! Findings that are known, so that only new ones are shown.
//!
//! A finding is known by its rule, its file and its map, not by its line: edits elsewhere in the file leave it
//! known.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use tophash_source::Finding;

/// The version of the file's format. The first one called files as they were typed.
const SCHEMA: u32 = 2;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    schema: u32,
    /// How often each is known.
    findings: BTreeMap<String, usize>,
}

impl Baseline {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let mut baseline = Self { schema: SCHEMA, findings: BTreeMap::new() };
        for finding in findings {
            *baseline.findings.entry(finding.identity()).or_default() += 1;
        }
        baseline
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        let baseline: Self = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no baseline", path.display()))?;
        ensure!(
            baseline.schema == SCHEMA,
            "{} is a baseline of format {}, this is for {SCHEMA}: write it anew with --write-baseline",
            path.display(),
            baseline.schema
        );
        Ok(baseline)
    }

    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(path, text).with_context(|| format!("can't write {}", path.display()))
    }

    /// Takes a finding off, if it is known.
    pub(super) fn takes(&mut self, finding: &Finding) -> bool {
        match self.findings.get_mut(&finding.identity()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}
