//! What a project asks of the lints: `tophash.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::finding::{Rule, Severity};

/// Settings of the lints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The least severity that is shown.
    pub severity: Option<Severity>,
    /// The least severity at which the command fails.
    pub fail_on: Option<Severity>,
    /// Paths that are passed over: `*` stands for any text.
    pub exclude: Vec<String>,
    /// The folder below which patterns hold, whole: a path is then matched from there on, however it was typed.
    pub root: Option<PathBuf>,
    /// Rules that are off, or have another severity.
    pub rules: BTreeMap<Rule, Option<Severity>>,
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It is no TOML, or has settings that there are not.
    #[error("it does not read as settings")]
    Syntax(#[from] toml::de::Error),
    /// It names a rule that there is not.
    #[error("there is no rule {name:?}")]
    UnknownRule {
        /// What it names.
        name: String,
    },
    /// It gives a severity that there is not.
    #[error("there is no severity {name:?}: it is info, warning or critical, or off for a rule")]
    UnknownSeverity {
        /// What it gives.
        name: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    lint: Table,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Table {
    severity: Option<String>,
    fail_on: Option<String>,
    exclude: Vec<String>,
    rules: BTreeMap<String, String>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Fails if it is no TOML, or names settings, rules or severities that there are not.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let table = toml::from_str::<Document>(text)?.lint;
        let mut rules = BTreeMap::new();
        for (name, setting) in table.rules {
            let rule = Rule::by_name(&name).ok_or(ConfigError::UnknownRule { name })?;
            let severity = match setting.as_str() {
                "off" => None,
                other => Some(severity(other)?),
            };
            rules.insert(rule, severity);
        }
        Ok(Self {
            severity: table.severity.as_deref().map(severity).transpose()?,
            fail_on: table.fail_on.as_deref().map(severity).transpose()?,
            exclude: table.exclude,
            root: None,
            rules,
        })
    }

    /// Whether a path is passed over, as it was typed or as it is whole.
    pub(crate) fn excludes(&self, typed: &Path, whole: &Path) -> bool {
        if self.exclude.is_empty() {
            return false;
        }
        let below = self.root.as_deref().and_then(|root| whole.strip_prefix(root).ok());
        self.fits(&below.unwrap_or(typed).to_string_lossy())
    }

    /// Whether a pattern fits a path, or the end of it from a folder on.
    fn fits(&self, path: &str) -> bool {
        self.exclude.iter().any(|pattern| {
            let pattern = pattern.trim_start_matches("./").trim_end_matches('/');
            let path = path.trim_start_matches("./");
            let ends =
                path.match_indices('/').map(|(at, _)| path.get(at + 1..).unwrap_or_default());
            ends.chain([path]).any(|end| fits(pattern.as_bytes(), end.as_bytes()))
        })
    }
}

fn severity(name: &str) -> Result<Severity, ConfigError> {
    Severity::by_name(name).ok_or_else(|| ConfigError::UnknownSeverity { name: name.to_owned() })
}

/// Whether a text fits a pattern in which `*` stands for any text. Goes back to the last star alone, so the
/// cost is the product of both lengths at most.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, seen));
            at += 1;
        } else if pattern.get(at) == text.get(seen) {
            at += 1;
            seen += 1;
        } else if let Some((star_at, star_seen)) = star {
            star = Some((star_at, star_seen + 1));
            at = star_at + 1;
            seen = star_seen + 1;
        } else {
            return false;
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let text = "[lint]\nseverity = \"info\"\nfail-on = \"critical\"\nexclude = [\"gen/*\"]\n\
                    [lint.rules]\nnan-key = \"off\"\npointer-key = \"info\"\n";
        let config = Config::parse(text).expect("it is well formed");
        assert_eq!(config.severity, Some(Severity::Info));
        assert_eq!(config.fail_on, Some(Severity::Critical));
        assert_eq!(config.rules.get(&Rule::NanKey), Some(&None));
        assert_eq!(config.rules.get(&Rule::PointerKey), Some(&Some(Severity::Info)));
        let mut config = config;
        let excludes = |config: &Config, path: &str| {
            config.excludes(Path::new(path), &Path::new("/home/gen/app").join(path))
        };
        assert!(excludes(&config, "./gen/a.go"));
        assert!(excludes(&config, "deep/gen/a.go"));
        assert!(!excludes(&config, "general/a.go"));
        // Below the root alone: what it lies in is none of the project's.
        config.root = Some("/home/gen/app".into());
        assert!(excludes(&config, "deep/gen/a.go"));
        assert!(!excludes(&config, "deep/a.go"));
        config.exclude = vec!["deep/gen".to_owned()];
        let whole = Path::new("/home/gen/app/deep/gen");
        assert!(config.excludes(Path::new("./gen"), whole));
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for text in [
            "[lint]\nseverty = \"info\"",
            "[lint]\nseverity = \"bad\"",
            "[lint.rules]\nnothing = \"off\"",
            "[other]",
            "[",
        ] {
            let Err(fault) = Config::parse(text) else { panic!("{text}") };
            // A cause is told once, by what tells causes.
            let cause = std::error::Error::source(&fault).map(ToString::to_string);
            assert_ne!(cause, Some(fault.to_string()), "{text}");
        }
    }

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, is_fit) in [
            ("*.pb.go", "api/a.pb.go", true),
            ("*.pb.go", "a.go", false),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b*c", "aXXbYY", false),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), is_fit, "{pattern} {text}");
        }
    }
}
