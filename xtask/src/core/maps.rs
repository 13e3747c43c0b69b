//! The memory mappings of a process, as `/proc/PID/maps` lists them.

use anyhow::{Context, Result};

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) readable: bool,
    pub(super) writable: bool,
    pub(super) executable: bool,
    /// Where in the file it starts.
    pub(super) offset: u64,
    /// The file, or the kernel's name for it in brackets, or nothing.
    pub(super) name: String,
}

impl Mapping {
    /// Whether a file's contents stand behind it.
    pub(super) fn has_file(&self) -> bool {
        self.name.starts_with('/')
    }

    /// Whether its memory belongs to the kernel and cannot be copied.
    pub(super) fn is_kernels(&self) -> bool {
        self.name.starts_with("[vvar") || self.name == "[vsyscall]"
    }
}

pub(super) fn read(pid: u32) -> Result<Vec<Mapping>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    text.lines()
        .map(|line| parse(line).with_context(|| format!("not a mapping: {line}")))
        .filter(|mapping| !mapping.as_ref().is_ok_and(Mapping::is_kernels))
        .collect()
}

/// Parses `start-end rwxp offset device inode   name`.
fn parse(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut field = || {
        let (first, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after;
        (!first.is_empty()).then_some(first)
    };
    let (start, end) = field()?.split_once('-')?;
    let access = field()?.as_bytes();
    let offset = field()?;
    let (_device, _inode) = (field()?, field()?);
    Some(Mapping {
        start: u64::from_str_radix(start, 16).ok()?,
        end: u64::from_str_radix(end, 16).ok()?,
        readable: access.first() == Some(&b'r'),
        writable: access.get(1) == Some(&b'w'),
        executable: access.get(2) == Some(&b'x'),
        offset: u64::from_str_radix(offset, 16).ok()?,
        name: rest.trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_space_in_its_name_is_one_name() {
        let line = "00400000-00500000 r-xp 00001000 fe:00 123        /tmp/a program";
        let mapping = parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x40_0000, 0x50_0000, 0x1000));
        assert!(mapping.readable && !mapping.writable && mapping.executable);
        assert_eq!(mapping.name, "/tmp/a program");
    }

    #[test]
    fn a_mapping_without_a_name_is_anonymous() {
        let mapping = parse("c000000000-c000400000 rw-p 00000000 00:00 0 ").unwrap();
        assert!(!mapping.has_file());
        assert_eq!(mapping.name, "");
    }

    #[test]
    fn other_text_is_no_mapping() {
        assert_eq!(parse("hello"), None);
        assert_eq!(parse(""), None);
    }
}
