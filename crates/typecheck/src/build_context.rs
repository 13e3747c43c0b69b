//! Which files a build takes: constraints in the text and in a file's name, as `go help buildconstraint` has
//! them.

use std::collections::BTreeSet;

/// For what is built.
#[derive(Debug, Clone)]
pub struct BuildContext {
    /// The minor release of Go 1.
    pub release: u32,
    tags: BTreeSet<String>,
}

/// Systems that file names may end with: `internal/syslist` of Go 1.27.
const SYSTEMS: [&str; 18] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "plan9",
    "solaris",
    "wasip1",
    "windows",
    "zos",
];

/// Architectures that file names may end with.
const ARCHITECTURES: [&str; 24] = [
    "386",
    "amd64",
    "amd64p32",
    "arm",
    "arm64",
    "arm64be",
    "armbe",
    "loong64",
    "mips",
    "mips64",
    "mips64le",
    "mips64p32",
    "mips64p32le",
    "mipsle",
    "ppc",
    "ppc64",
    "ppc64le",
    "riscv",
    "riscv64",
    "s390",
    "s390x",
    "sparc",
    "sparc64",
    "wasm",
];

/// Experiments that are on unless someone turns them off, by `internal/buildcfg/exp.go` of each release: from
/// which release, and until which.
const EXPERIMENTS: [(&str, u32, u32); 14] = [
    ("regabiwrappers", 18, u32::MAX),
    ("regabiargs", 18, u32::MAX),
    ("coverageredesign", 20, 24),
    ("exectracer2", 22, 22),
    ("allocheaders", 22, 22),
    ("aliastypeparams", 24, 25),
    ("swissmap", 24, 25),
    ("spinbitmutex", 24, 24),
    ("synchashtriemap", 24, 25),
    ("dwarf5", 25, u32::MAX),
    ("greenteagc", 26, u32::MAX),
    ("randomizedheapbase64", 26, u32::MAX),
    ("jsonv2", 27, u32::MAX),
    ("sizespecializedmalloc", 27, u32::MAX),
];

/// Longer constraints are never met. That bounds how deep they nest, too.
const MAX_CONSTRAINT: usize = 1000;

impl BuildContext {
    /// For linux/amd64 without cgo, with Go 1.`release`.
    pub fn linux_amd64(release: u32) -> Self {
        let mut tags: BTreeSet<String> =
            ["linux", "amd64", "gc", "unix", "amd64.v1"].map(str::to_owned).into();
        for (name, from, to) in EXPERIMENTS {
            if (from..=to).contains(&release) {
                tags.insert(format!("goexperiment.{name}"));
            }
        }
        Self { release, tags }
    }

    /// With one more tag, such as `cgo`.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.insert(tag.to_owned());
        self
    }

    fn has(&self, tag: &str) -> bool {
        if let Some(minor) = tag.strip_prefix("go1.") {
            return minor.parse().is_ok_and(|minor: u32| minor <= self.release);
        }
        self.tags.contains(tag)
    }

    /// Whether the build takes a file of this name and text.
    pub fn takes(&self, name: &str, text: &str) -> bool {
        self.takes_name(name) && self.takes_text(text)
    }

    fn takes_name(&self, name: &str) -> bool {
        let Some(stem) = name.strip_suffix(".go") else { return false };
        if stem.ends_with("_test") || stem.starts_with(['_', '.']) {
            return false;
        }
        let mut parts = stem.rsplit('_');
        let count = stem.split('_').count();
        let last = if count > 1 { parts.next() } else { None };
        let before = if count > 2 { parts.next() } else { None };
        let fits = |word: &str| self.has(word);
        match (before, last) {
            (Some(system), Some(arch))
                if SYSTEMS.contains(&system) && ARCHITECTURES.contains(&arch) =>
            {
                fits(system) && fits(arch)
            }
            (_, Some(word)) if SYSTEMS.contains(&word) || ARCHITECTURES.contains(&word) => {
                fits(word)
            }
            _ => true,
        }
    }

    fn takes_text(&self, text: &str) -> bool {
        for line in text.lines() {
            let line = line.trim();
            if let Some(constraint) = line.strip_prefix("//go:build")
                && constraint.starts_with([' ', '\t'])
            {
                return constraint.len() <= MAX_CONSTRAINT
                    && Constraint { context: self, rest: constraint }.any();
            }
            // What stands before the package clause is comments.
            if line.starts_with("package ") {
                break;
            }
        }
        true
    }
}

struct Constraint<'a> {
    context: &'a BuildContext,
    rest: &'a str,
}

impl Constraint<'_> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("||") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("&&") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("!") {
            return !self.one();
        }
        if self.take("(") {
            let met = self.any();
            self.take(")");
            return met;
        }
        self.rest = self.rest.trim_start();
        let end = self
            .rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '.'));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        !word.is_empty() && self.context.has(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_for_what_they_are() {
        let context = BuildContext::linux_amd64(27);
        for name in ["a.go", "a_linux.go", "a_linux_amd64.go", "linux.go", "a_unix.go"] {
            assert!(context.takes_name(name), "{name}");
        }
        for name in ["a_windows.go", "a_arm64.go", "a_linux_arm.go", "a_test.go", "a.s"] {
            assert!(!context.takes_name(name), "{name}");
        }
    }

    #[test]
    fn constraints_are_followed() {
        let context = BuildContext::linux_amd64(21);
        let takes = |line: &str| context.takes("a.go", &format!("// x\n\n{line}\n\npackage a\n"));
        assert!(takes("//go:build linux && (amd64 || arm64) && !cgo"));
        assert!(takes("//go:build go1.21"));
        assert!(!takes("//go:build go1.22"));
        assert!(!takes("//go:build ignore"));
        assert!(takes("//go:build !windows && unix"));
        assert!(takes("// no constraint"));
        assert!(!takes("//go:build\tignore"));
        assert!(takes("//go:builder ignore"));
    }

    #[test]
    fn a_constraint_too_long_to_follow_is_not_met() {
        let context = BuildContext::linux_amd64(27);
        let takes = |constraint: &str| {
            context.takes("a.go", &format!("//go:build {constraint}\n\npackage a\n"))
        };
        let nested = |depth: usize| format!("{}linux{}", "(".repeat(depth), ")".repeat(depth));
        assert!(takes(&nested(400)));
        assert!(!takes(&nested(1_000_000)));
        // A character of two bytes where it would be cut.
        assert!(!takes(&format!("{}é || {}linux", "a".repeat(999), "(".repeat(1_000_000))));
        assert!(!takes(&format!("linux || {}", "!".repeat(1_000_000))));
    }
}
