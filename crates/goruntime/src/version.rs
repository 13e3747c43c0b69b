//! Go versions, as executables spell them: `go1.27.3`, `go1.24rc1`, `go1.25.5 X:noswissmap`
//! (to 1.25) or `go1.27.3-X:mapsplitgroup` (from 1.26).

use std::fmt;

/// A released Go version with the experiments the toolchain was told to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoVersion {
    minor: u32,
    release: String,
    experiments: Vec<String>,
}

impl GoVersion {
    /// Reads a version string; `None` where it is not of a Go 1 release.
    pub fn parse(text: &str) -> Option<Self> {
        let (release, experiments) = match text.split_once("X:") {
            Some((release, list)) => (
                release.trim_end_matches([' ', '-']),
                list.split([',', ' ']).filter(|e| !e.is_empty()).map(str::to_owned).collect(),
            ),
            None => (text, Vec::new()),
        };
        // Vendors append words of their own ("go1.21.0 (Red Hat 1.21.0-1.el9)", "go1.22.5-fips").
        let release = release.split([' ', '-']).next()?;
        let digits = release.strip_prefix("go1.")?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let minor = digits.get(..end)?.parse().ok()?;
        Some(Self { minor, release: release.to_owned(), experiments })
    }

    /// Returns `n` of Go 1.`n`.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Returns the release without its experiments: `go1.27.3`.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Returns the toolchain experiments that differ from the release's defaults.
    pub fn experiments(&self) -> &[String] {
        &self.experiments
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.release)?;
        if !self.experiments.is_empty() {
            write!(f, " X:{}", self.experiments.join(","))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::GoVersion;

    #[test]
    fn releases_candidates_and_vendor_builds_are_read() {
        for (text, minor, release) in [
            ("go1.19.8", 19, "go1.19.8"),
            ("go1.24rc1", 24, "go1.24rc1"),
            ("go1.27", 27, "go1.27"),
            ("go1.21.0 (Red Hat 1.21.0-1.el9)", 21, "go1.21.0"),
        ] {
            let version = GoVersion::parse(text).unwrap();
            assert_eq!((version.minor(), version.release()), (minor, release));
        }
    }

    #[test]
    fn experiments_are_read_in_both_spellings() {
        for text in ["go1.25.5 X:noswissmap,greenteagc", "go1.26.1-X:noswissmap,greenteagc"] {
            let version = GoVersion::parse(text).unwrap();
            assert_eq!(version.experiments(), ["noswissmap", "greenteagc"]);
        }
    }

    #[test]
    fn development_builds_are_not_releases() {
        assert_eq!(GoVersion::parse("devel go1.28-abcdef Thu Jan 1"), None);
        assert_eq!(GoVersion::parse("go2.0"), None);
    }
}
