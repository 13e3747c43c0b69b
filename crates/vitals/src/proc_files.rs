//! What the kernel says of a process and of the control groups that it is in.
//!
//! The kernel writes `kB` for KiB. A control group without a limit says `max` (version 2), or the
//! largest number of whole pages (version 1). Limits hold for all below them, so that the smallest of
//! all groups from the process's up to the root counts.

use crate::vitals::ProcessVitals;

/// Groups nest, but not this deep.
const DEEPEST: usize = 64;
/// Numbers from here on stand for "no limit".
const NONE: u64 = 1 << 62;

/// Reads `/proc/PID/status`.
pub fn parse_status(text: &str) -> ProcessVitals {
    let kib = |label: &str| field(text, label)?.checked_mul(1024);
    ProcessVitals {
        resident: kib("VmRSS:"),
        anonymous: kib("RssAnon:"),
        file: kib("RssFile:"),
        shared: kib("RssShmem:"),
        swapped: kib("VmSwap:"),
        peak_resident: kib("VmHWM:"),
        threads: field(text, "Threads:"),
        ..ProcessVitals::default()
    }
}

/// Reads `/proc/PID/smaps_rollup`, which is exact where the other counts lag behind by some pages for
/// each processor.
pub fn parse_smaps_rollup(text: &str) -> ProcessVitals {
    let kib = |label: &str| field(text, label)?.checked_mul(1024);
    let private = kib("Private_Clean:").zip(kib("Private_Dirty:"));
    let resident = kib("Rss:");
    let anonymous = kib("Anonymous:");
    ProcessVitals {
        resident,
        anonymous,
        // Shared memory is counted with files here.
        file: resident.zip(anonymous).map(|(all, anonymous)| all.saturating_sub(anonymous)),
        shared: resident.map(|_| 0),
        swapped: kib("Swap:"),
        private: private.map(|(clean, dirty)| clean.saturating_add(dirty)),
        ..ProcessVitals::default()
    }
}

fn field(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The two designs of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// A hierarchy for each resource.
    V1,
    /// One for all.
    V2,
}

impl CgroupVersion {
    /// Returns the name of the file with the limit.
    pub fn limit_file(self) -> &'static str {
        match self {
            Self::V1 => "memory.limit_in_bytes",
            Self::V2 => "memory.max",
        }
    }

    /// Returns the name of the file with what is charged.
    pub fn charged_file(self) -> &'static str {
        match self {
            Self::V1 => "memory.usage_in_bytes",
            Self::V2 => "memory.current",
        }
    }
}

/// A folder whose files say what a group may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupDirectory {
    /// Which files lie there.
    pub version: CgroupVersion,
    /// The folder.
    pub path: String,
}

/// Lists the folders of the groups that limit a process's memory, its own first, from
/// `/proc/PID/cgroup` and `/proc/self/mountinfo`.
///
/// In a container the mount shows a part of the hierarchy; what lies above it can't be seen.
pub fn cgroup_directories(membership: &str, mounts: &str) -> Vec<CgroupDirectory> {
    let mut found = Vec::new();
    for mount in mounts.lines().filter_map(mount) {
        let Some(group) = membership.lines().find_map(|line| member(line, mount.version)) else {
            continue;
        };
        // A group outside of what is mounted is looked for as if the mount were the root.
        let below = match group.strip_prefix(mount.root.trim_end_matches('/')) {
            Some(below) if below.is_empty() || below.starts_with('/') => below,
            _ => "",
        };
        let is_safe = |path: &str| !path.split('/').any(|part| part == "..");
        let mut below = if is_safe(below) { below } else { "" }.trim_end_matches('/');
        for _ in 0..DEEPEST {
            let path = format!("{}{below}", mount.point.trim_end_matches('/'));
            found.push(CgroupDirectory { version: mount.version, path });
            match below.rfind('/') {
                Some(at) => below = below.get(..at).unwrap_or(""),
                None => break,
            }
        }
    }
    found
}

struct Mount {
    version: CgroupVersion,
    /// The group that is shown at `point`.
    root: String,
    point: String,
}

/// `30 23 0:26 /group /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,memory`
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => CgroupVersion::V2,
        "cgroup" if kind.nth(1)?.split(',').any(|option| option == "memory") => CgroupVersion::V1,
        _ => return None,
    };
    let mut place = place.split(' ').skip(3);
    let root = unescaped(place.next()?);
    Some(Mount { version, root, point: unescaped(place.next()?) })
}

/// Spaces are written as octal numbers.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// `0::/group`, or `4:memory,other:/group`
fn member(line: &str, version: CgroupVersion) -> Option<&str> {
    let mut parts = line.splitn(3, ':');
    let (number, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let is_it = match version {
        CgroupVersion::V1 => controllers.split(',').any(|controller| controller == "memory"),
        CgroupVersion::V2 => number == "0" && controllers.is_empty(),
    };
    is_it.then_some(group)
}

/// Reads a group's limit; `None` where there is none.
pub fn parse_cgroup_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < NONE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn status_and_rollup_are_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t     300 kB\nVmRSS:\t     120 kB\nRssAnon:\t 80 kB\n\
                      RssFile:\t 39 kB\nRssShmem:\t 1 kB\nVmSwap:\t 0 kB\nThreads:\t7\n";
        let process = parse_status(status);
        assert_eq!(process.resident, Some(120 << 10));
        assert_eq!((process.anonymous, process.file), (Some(80 << 10), Some(39 << 10)));
        assert_eq!((process.threads, process.swapped), (Some(7), Some(0)));
        let rollup = "1-2 ---p 0 00:00 0 [rollup]\nRss: 100 kB\nPss: 1 kB\nPrivate_Clean: 2 kB\n\
                      Private_Dirty: 3 kB\nAnonymous: 60 kB\nSwap: 0 kB\n";
        let process = parse_smaps_rollup(rollup);
        assert_eq!((process.resident, process.file), (Some(100 << 10), Some(40 << 10)));
        assert_eq!(process.private, Some(5 << 10));
        let hostile = parse_status("VmRSS: 18446744073709551615 kB\nThreads: -1\n");
        assert_eq!((hostile.resident, hostile.threads), (None, None));
    }

    #[test]
    fn groups_are_found_in_both_designs_from_the_leaf_to_the_root() {
        let v1 = cgroup_directories(
            "9:cpu:/x\n4:memory:/a/b\n0::/\n",
            "1 0 0:1 / / rw - ext4 d rw\n\
             2 1 0:2 / /sys/fs/cgroup/memory rw,nosuid shared:1 - cgroup cgroup rw,memory\n\
             3 1 0:3 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
        );
        let paths: Vec<_> = v1.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(
            paths,
            ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"]
        );
        assert!(v1.iter().all(|it| it.version == CgroupVersion::V1));
        let mounted = "2 1 0:2 /pod /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let of = |membership: &str| cgroup_directories(membership, mounted);
        assert_eq!(of("0::/pod/c")[0].path, "/sys/fs/cgroup/c");
        assert_eq!(of("0::/elsewhere")[0].path, "/sys/fs/cgroup");
        assert_eq!(of("0::/pod/../../etc")[0].path, "/sys/fs/cgroup");
        assert!(of("").is_empty());
        let deep = "/a".repeat(100_000);
        assert_eq!(of(&format!("0::/pod{deep}")).len(), DEEPEST);
    }

    #[test]
    fn no_limit_is_told_from_one() {
        assert_eq!(parse_cgroup_limit("max\n"), None);
        assert_eq!(parse_cgroup_limit("9223372036854771712\n"), None);
        assert_eq!(parse_cgroup_limit("1073741824\n"), Some(1 << 30));
    }

    proptest! {
        #[test]
        fn no_group_leads_out_of_the_mount(group in "[a./]{0,20}", root in "[a./]{0,8}") {
            let mounts = format!("2 1 0:2 /{root} /cg rw - cgroup2 cgroup2 rw");
            for found in cgroup_directories(&format!("0::/{group}"), &mounts) {
                prop_assert!(found.path == "/cg" || found.path.starts_with("/cg/"), "{}", found.path);
                prop_assert!(!found.path.split('/').any(|part| part == ".."));
            }
        }
    }
}
