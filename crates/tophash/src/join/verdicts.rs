//! What the compiler says of the lines that make and fill a map.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use tophash_escape::base_name;
use tophash_source::MapIdentity;

use super::EscapeAt;
use crate::escape::{Site, ask_all, why};

/// A map is explained by no more verdicts than these.
const MOST: usize = 6;

/// Verdicts by package, the file's last part, and line.
pub(super) struct Verdicts {
    sites: HashMap<(String, String, u32), Vec<EscapeAt>>,
}

impl Verdicts {
    /// Asks about all packages of a folder.
    pub(super) fn ask(dir: &Path, go: Option<&Path>) -> Result<Self> {
        let report = ask_all(dir, go)?;
        let mut sites: HashMap<_, Vec<EscapeAt>> = HashMap::new();
        for (package, site) in report.escaping().filter(|(_, site)| !site.at.is_made_up()) {
            let path = package.split(" [").next().unwrap_or(package).to_owned();
            let key = (path, site.at.base_name().to_owned(), site.at.line);
            sites.entry(key).or_default().push(verdict(site));
        }
        Ok(Self { sites })
    }

    pub(super) fn of(&self, map: &MapIdentity) -> Vec<EscapeAt> {
        let Some(path) = &map.import_path else { return Vec::new() };
        let mut found: Vec<EscapeAt> = Vec::new();
        for lines in map.makes.iter().chain(&map.inserts) {
            let file = base_name(&lines.at.path);
            for line in (lines.at.line..=lines.last_line).take(MOST) {
                let key = (path.clone(), file.to_owned(), line);
                found.extend(self.sites.get(&key).into_iter().flatten().cloned());
            }
        }
        found.truncate(MOST);
        found
    }
}

fn verdict(site: &Site) -> EscapeAt {
    EscapeAt {
        file: site.at.file.to_string(),
        line: site.at.line,
        expression: site.expression.to_string(),
        reason: site.reason.name(),
        why: why(site),
    }
}
