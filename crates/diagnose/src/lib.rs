//! From evidence on maps to ranked findings: what is wrong, what it costs, and what to change in Go.
//!
//! ```
//! use tophash_diagnose::{Design, Evidence, MapEvidence, Rule, diagnose};
//!
//! let sessions = MapEvidence {
//!     ty: "map[string]*main.Session".to_owned(),
//!     design: Design::Swiss,
//!     entries: 5_000,
//!     slots: 65_536,
//!     tombstones: 21_780,
//!     own_bytes: 1_747_504,
//!     fresh_bytes: Some(218_520),
//!     ..MapEvidence::default()
//! };
//! let evidence = Evidence { live_bytes: 12_000_000, maps: vec![sessions], ..Default::default() };
//! let findings = diagnose(&evidence);
//! assert_eq!(findings[0].rule, Rule::NeverShrinks);
//! assert_eq!(findings[0].bytes, 1_747_504 - 218_520);
//! ```
//!
//! The caller supplies the [`Evidence`], however it was gathered. Nothing is read or printed here,
//! and a rule says what was measured apart from what it concludes.

mod evidence;
mod finding;
mod rules;

pub use evidence::{
    Blocked, CallFrame, Design, Evidence, GrowthEvidence, MapEvidence, Pin, PointeeEvidence,
    SyncMapEvidence, ValueEvidence,
};
pub use finding::{Finding, Rule, Severity};

/// Applies every rule, and puts what was found in order: the worst first.
pub fn diagnose(evidence: &Evidence) -> Vec<Finding> {
    let mut findings = rules::all(evidence);
    findings.sort_by(|a, b| {
        (b.severity, b.bytes, a.rule, a.map).cmp(&(a.severity, a.bytes, b.rule, b.map))
    });
    findings
}
