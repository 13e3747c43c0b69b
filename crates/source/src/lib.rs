//! Go source: parsed, and read for maps that grow without end. No Go toolchain is needed.
//!
//! ```
//! use tophash_source::{Config, Rule, lint_texts};
//!
//! let text = "package web
//!
//! import (
//!     \"net/http\"
//!     \"sync\"
//! )
//!
//! var (
//!     mu   sync.Mutex
//!     seen = map[string]int{}
//! )
//!
//! func Count(w http.ResponseWriter, r *http.Request) {
//!     mu.Lock()
//!     defer mu.Unlock()
//!     seen[r.RemoteAddr]++
//! }
//! ";
//! let report = lint_texts(&[("web.go", text)], Some((1, 24)), &Config::default());
//! assert_eq!(report.findings[0].rule, Rule::UnboundedGlobal);
//! assert_eq!(report.findings[0].at.line, 10);
//! ```
//!
//! The caller names files and folders, or hands over texts, and says what to leave out. Nothing is printed
//! here, and what could not be read is part of the result.

mod broken;
mod check;
mod config;
mod finding;
mod identity;
mod lint;
mod model;
mod rules;
mod source_tree;
mod summary;
mod suppress;
mod walk;
mod whole;
mod workers;

pub use config::{Config, ConfigError};
pub use finding::{Evidence, Finding, Position, Rule, Severity};
pub use identity::{CodeLines, Held, MapIdentity};
pub use lint::{LintReport, lint, lint_texts};
pub use tophash_typecheck::{PassedOver, Reason};
