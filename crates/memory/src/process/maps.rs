//! `/proc/PID/maps`.

use std::io;
use std::path::PathBuf;

use crate::mapping::{MappedFile, Mapping, Permissions};
use crate::{Address, AddressRange, OpenError};

/// Reads the mappings of a process, by address.
pub(super) fn read(pid: u32) -> Result<Vec<Mapping>, OpenError> {
    let path = PathBuf::from(format!("/proc/{pid}/maps"));
    let text = std::fs::read(&path).map_err(|fault| match fault.kind() {
        io::ErrorKind::NotFound => OpenError::NoProcess { pid },
        io::ErrorKind::PermissionDenied => {
            OpenError::NotPermitted { pid, reason: fault.to_string() }
        }
        _ => OpenError::File { path: path.clone(), source: fault },
    })?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(line).collect())
}

/// `7f1c-7f1d r-xp 00001000 fe:00 1234    /usr/bin/thing`
fn line(text: &str) -> Option<Mapping> {
    let mut words = text.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?.as_bytes();
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let path = words.nth(2).unwrap_or_default().trim_start();
    let address = |text: &str| u64::from_str_radix(text, 16).ok().map(Address::new);
    // The kernel names anonymous memory that a program named: `[anon: Go: heap]`. That is no file.
    let is_anonymous = path.is_empty()
        || path.starts_with("[anon")
        || path == "[heap]"
        || path.starts_with("[stack");
    Some(Mapping {
        range: AddressRange::new(address(start)?, address(end)?),
        permissions: Permissions {
            read: permissions.first() == Some(&b'r'),
            write: permissions.get(1) == Some(&b'w'),
            execute: permissions.get(2) == Some(&b'x'),
        },
        file: (!is_anonymous).then(|| MappedFile { path: PathBuf::from(path), offset }),
    })
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn lines_of_files_and_of_anonymous_memory_are_read() {
        let file = line("00400000-004a1000 r-xp 00001000 fe:00 1234    /opt/a b/prog").unwrap();
        assert_eq!(file.range.start().get(), 0x40_0000);
        assert!(file.permissions.execute && !file.permissions.write);
        let mapped = file.file.unwrap();
        assert_eq!((mapped.path.to_str(), mapped.offset), (Some("/opt/a b/prog"), 0x1000));

        let anonymous = line("c000000000-c000400000 rw-p 00000000 00:00 0 [anon: Go: heap]");
        assert_eq!(anonymous.unwrap().file, None);
        assert_eq!(line("c000000000-c000400000 rw-p 00000000 00:00 0 ").unwrap().file, None);
    }
}
