//! The build information that the linker leaves in every executable.
//!
//! A 16-byte aligned record in the data segment: magic, pointer size, flags, and at 32 two
//! strings, each behind a varint length (`cmd/link/internal/ld/data.go`, `debug/buildinfo`). It is
//! found by its magic, since stripped files may have no section headers.
//!
//! Some distributors overwrite the record (esbuild's builds are reproducible that way). The version
//! is still in the program, as the string variable `runtime.buildVersion`: a pointer and a length
//! among the globals. Other strings can look like it, so each is a candidate to be tried.

use crate::error::Error;
use crate::version::GoVersion;
use tophash_memory::{Address, ByteSize, Executable, MemoryExt, Target};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGN: usize = 16;
const FLAGS: usize = 15;
const STRINGS: usize = 32;
/// Set where the strings follow inline; they have since Go 1.18.
const INLINE_STRINGS: u8 = 2;
/// Longer than any version string; keeps a damaged length from running on.
const MAX_VERSION: usize = 256;

/// What the executable says of its own making.
#[derive(Debug, Clone)]
pub struct BuildInfo {
    /// The toolchain's version.
    pub version: GoVersion,
    /// `module\tversion` lines and settings, as `go version -m` prints them; may be empty.
    pub modules: String,
}

impl BuildInfo {
    /// Reads the build information of an executable.
    ///
    /// # Errors
    ///
    /// [`Error::NotGo`] where there is none, [`Error::UnknownVersion`] where it is of no release.
    pub fn of(executable: &Executable) -> Result<Self, Error> {
        let data = executable.data();
        let mut unknown = None;
        for start in find_all(data, MAGIC).filter(|start| start % ALIGN == 0) {
            let Some(record) = data.get(start..) else { continue };
            if record.get(FLAGS).is_none_or(|flags| flags & INLINE_STRINGS == 0) {
                continue;
            }
            let Some((text, rest)) = record.get(STRINGS..).and_then(string) else { continue };
            let modules = string(rest).map(|(text, _)| strip_sentinels(text)).unwrap_or_default();
            match std::str::from_utf8(text) {
                Ok(text) if text.len() <= MAX_VERSION => match GoVersion::parse(text) {
                    Some(version) => return Ok(Self { version, modules }),
                    None => unknown = Some(text.to_owned()),
                },
                _ => {}
            }
        }
        Err(match unknown {
            Some(found) if !found.is_empty() => Error::UnknownVersion { found },
            _ => Error::NotGo { executable: executable.path().display().to_string() },
        })
    }
}

/// Lengths that `runtime.buildVersion` can have: from `go1.19` to one with experiments.
const VERSION_LENGTHS: std::ops::RangeInclusive<u64> = 6..=96;
/// No writable mapping of an executable is larger.
const MAX_SECTION: ByteSize = ByteSize::new(1 << 32);

/// Looks for the version among the program's global strings, likeliest first.
pub(crate) fn versions_in_memory(target: &Target) -> Vec<BuildInfo> {
    let memory = target.memory();
    let image = target.image_ranges();
    let mut found: Vec<GoVersion> = Vec::new();
    for mapping in target.mappings().iter().filter(|mapping| mapping.permissions.write) {
        if !image.iter().any(|segment| !segment.intersection(mapping.range).is_empty()) {
            continue;
        }
        let size = mapping.range.size().min(MAX_SECTION);
        let Ok(bytes) = memory.read_bytes(mapping.range.start(), size) else { continue };
        let words = bytes.as_chunks::<8>().0.array_windows::<2>();
        for [at, len] in words.map(|pair| pair.map(u64::from_le_bytes)) {
            let at = Address::new(at);
            if !VERSION_LENGTHS.contains(&len) || !image.iter().any(|range| range.contains(at)) {
                continue;
            }
            let Ok(text) = memory.read_bytes(at, ByteSize::new(len)) else { continue };
            let version = std::str::from_utf8(&text).ok().and_then(GoVersion::parse);
            if let Some(version) = version.filter(|version| !found.contains(version)) {
                found.push(version);
            }
        }
    }
    // A release with a patch number is no build tag, and the newest is the likeliest.
    found.sort_by_key(|version| {
        let has_patch = version.release().matches('.').count() == 2;
        std::cmp::Reverse((has_patch, version.minor()))
    });
    found.into_iter().map(|version| BuildInfo { version, modules: String::new() }).collect()
}

/// Takes a varint length and that many bytes off the front.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, used) = crate::varint::read_u32(bytes)?;
    let rest = bytes.get(used..)?;
    rest.split_at_checked(len as usize)
}

/// The module text stands between two 16-byte marks.
fn strip_sentinels(text: &[u8]) -> String {
    match text.len().checked_sub(33) {
        Some(_) => String::from_utf8_lossy(&text[16..text.len() - 16]).into_owned(),
        None => String::new(),
    }
}

/// Yields every position at which `needle` starts.
pub(crate) fn find_all<'a>(
    haystack: &'a [u8],
    needle: &'a [u8],
) -> impl Iterator<Item = usize> + 'a {
    let finder = memchr::memmem::Finder::new(needle);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + finder.find(haystack.get(from..)?)?;
        from = at + 1;
        Some(at)
    })
}
