//! What the kernel says of a process in text: files of `/proc` and of its control groups.
//!
//! They are handed out as they are, for whoever knows what they mean. None is believed to be longer
//! than some multiple of what kernels write.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::OpenError;

/// A process in a container has some thousand mounts at the most.
const LONGEST: u64 = 4 << 20;

/// The texts of one process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessAccounts {
    pid: u32,
}

impl ProcessAccounts {
    /// Names a process.
    ///
    /// # Errors
    ///
    /// Fails where there is none of that number.
    pub fn of(pid: u32) -> Result<Self, OpenError> {
        match Path::new(&format!("/proc/{pid}")).exists() {
            true => Ok(Self { pid }),
            false => Err(OpenError::NoProcess { pid }),
        }
    }

    /// Reads `/proc/PID/status`.
    ///
    /// # Errors
    ///
    /// Fails where the process has ended.
    pub fn status(&self) -> Result<String, OpenError> {
        // What has ended and was not waited for still has a name, but no memory.
        let text = self.file("status").ok_or(OpenError::NoProcess { pid: self.pid })?;
        match text.lines().any(|line| line.starts_with("VmRSS:")) {
            true => Ok(text),
            false => Err(OpenError::NoProcess { pid: self.pid }),
        }
    }

    /// Reads `/proc/PID/smaps_rollup`, for which the kernel walks all page tables; `None` where it may
    /// not be read.
    pub fn smaps_rollup(&self) -> Option<String> {
        self.file("smaps_rollup")
    }

    /// Reads `/proc/PID/cgroup`.
    pub fn cgroup(&self) -> Option<String> {
        self.file("cgroup")
    }

    /// Reads the mounts as this process sees them, which are those that it can open.
    pub fn own_mounts() -> Option<String> {
        text(Path::new("/proc/self/mountinfo")).ok()
    }

    /// Reads a file of a control group.
    pub fn group_file(directory: &str, name: &str) -> Option<String> {
        text(&Path::new(directory).join(name)).ok()
    }

    /// Returns when the process was started, in ticks since the machine was: two processes that had
    /// one number after the other differ in it.
    pub fn start(&self) -> Option<u64> {
        let stat = self.file("stat")?;
        // The name may hold anything but ends with the last bracket; the state comes next.
        stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()
    }

    fn file(&self, name: &str) -> Option<String> {
        text(Path::new(&format!("/proc/{}/{name}", self.pid))).ok()
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_accounts_and_one_that_can_not_be_has_none() {
        let own = ProcessAccounts::of(std::process::id()).unwrap();
        assert!(own.status().unwrap().contains("VmRSS:"));
        assert!(own.start().unwrap() > 0);
        assert!(own.cgroup().is_some());
        assert!(matches!(ProcessAccounts::of(u32::MAX), Err(OpenError::NoProcess { .. })));
    }
}
