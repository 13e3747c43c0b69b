//! The notes of a core: threads, process, auxiliary vector, mapped files.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;

use super::{PAGE, is_outside};
use crate::capture_note::{self, CaptureNote, Taken};
use crate::mapping::{Mapping, Registers};
use crate::process::{Details, Identity};
use crate::{Consistency, Target};

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// Bytes of the name and of the arguments in `elf_prpsinfo`.
const NAME: usize = 16;
const ARGUMENTS: usize = 80;

/// Makes all notes. The first thread comes first: debuggers start with it.
pub(super) fn all(target: &Target, details: &Details) -> Vec<u8> {
    let identity = &details.identity;
    let floating_point: HashMap<u32, &[u8]> =
        details.floating_point.iter().map(|(tid, bytes)| (*tid, bytes.as_slice())).collect();
    let mut threads: Vec<&Registers> = target.threads().iter().chain(&details.running).collect();
    threads.sort_by_key(|thread| (thread.tid != identity.pid, thread.tid));
    let mut out = Vec::new();
    for (index, thread) in threads.iter().enumerate() {
        note(
            &mut out,
            b"CORE",
            NT_PRSTATUS,
            &status(thread, identity, floating_point.contains_key(&thread.tid)),
        );
        if index == 0 {
            process(&mut out, target, details);
        }
        if let Some(bytes) = floating_point.get(&thread.tid) {
            note(&mut out, b"CORE", NT_FPREGSET, bytes);
        }
    }
    if threads.is_empty() {
        process(&mut out, target, details);
    }
    out
}

fn process(out: &mut Vec<u8>, target: &Target, details: &Details) {
    note(out, b"CORE", NT_PRPSINFO, &info(&details.identity));
    note(out, b"CORE", NT_AUXV, &details.auxiliary);
    note(out, b"CORE", NT_FILE, &files(target.mappings()));
    let taken = match target.consistency() {
        Consistency::Unfrozen => Taken::Unfrozen,
        Consistency::Frozen { is_complete: false, .. } => Taken::InPart,
        _ => Taken::Frozen,
    };
    let capture = CaptureNote { clock: target.clock(), taken };
    note(out, capture_note::OWNER, capture_note::KIND, &capture.body());
}

/// Adds a note: lengths of owner and body, type, both texts filled up to whole words.
fn note(out: &mut Vec<u8>, owner: &[u8], kind: u32, body: &[u8]) {
    out.extend((owner.len() as u32 + 1).to_le_bytes());
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(kind.to_le_bytes());
    out.extend(owner);
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(body);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// `elf_prstatus`: no signal was the cause, and the times are not known.
fn status(thread: &Registers, identity: &Identity, has_floating_point: bool) -> Vec<u8> {
    let mut out = vec![0; 32];
    for number in [thread.tid, identity.parent, identity.group, identity.session] {
        out.extend(number.to_le_bytes());
    }
    out.extend([0; 64]);
    out.extend(thread.general.iter().flat_map(|word| word.to_le_bytes()));
    out.extend(u32::from(has_floating_point).to_le_bytes());
    out.extend([0; 4]);
    out
}

/// `elf_prpsinfo`.
fn info(identity: &Identity) -> Vec<u8> {
    // The kernel numbers the states in this order.
    let state = b"RSDTZW".iter().position(|letter| *letter == identity.state).unwrap_or(0);
    let mut out = vec![state as u8, identity.state, u8::from(identity.state == b'Z')];
    out.extend(identity.nice.to_le_bytes());
    out.extend([0; 4]);
    out.extend(identity.flags.to_le_bytes());
    let Identity { user, user_group, pid, parent, group, session, .. } = identity;
    for number in [user, user_group, pid, parent, group, session] {
        out.extend(number.to_le_bytes());
    }
    text(&mut out, &identity.name, NAME);
    let arguments: Vec<u8> =
        identity.arguments.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    text(&mut out, arguments.trim_ascii_end(), ARGUMENTS);
    out
}

/// Adds a text in a field of a fixed size, the last byte of which is zero.
fn text(out: &mut Vec<u8>, text: &[u8], size: usize) {
    let end = out.len() + size;
    out.extend(text.iter().take(size - 1));
    out.resize(end, 0);
}

/// `NT_FILE`: count and page size, then start, end and offset in pages of each, then the paths.
fn files(mappings: &[Mapping]) -> Vec<u8> {
    let files: Vec<_> = mappings
        .iter()
        .filter(|mapping| !is_outside(mapping.range))
        .filter_map(|mapping| Some((mapping.range, mapping.file.as_ref()?)))
        .filter(|(_, file)| file.path.is_absolute())
        .collect();
    let mut out = Vec::new();
    out.extend((files.len() as u64).to_le_bytes());
    out.extend(PAGE.to_le_bytes());
    for (range, file) in &files {
        for word in [range.start().get(), range.end().get(), file.offset / PAGE] {
            out.extend(word.to_le_bytes());
        }
    }
    for (_, file) in &files {
        out.extend(file.path.as_os_str().as_bytes());
        out.push(0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executable::notes;

    #[test]
    fn notes_are_filled_up_to_whole_words() {
        let mut out = Vec::new();
        note(&mut out, b"CORE", 7, b"abcde");
        note(&mut out, b"tophash", 8, b"");
        let read: Vec<_> = notes(&out).collect();
        assert_eq!(read, [(&b"CORE"[..], 7, &b"abcde"[..]), (&b"tophash"[..], 8, &b""[..])]);
    }

    #[test]
    fn records_have_the_sizes_that_the_kernel_gives_them() {
        let identity = Identity {
            name: b"a name that is far too long".to_vec(),
            arguments: b"prog\0-x\0".to_vec(),
            state: b'S',
            ..Identity::default()
        };
        let info = info(&identity);
        assert_eq!(info.len(), 136);
        assert_eq!((info[0], info[1]), (1, b'S'));
        assert_eq!(&info[40..56], b"a name that is \0");
        assert_eq!(&info[56..64], b"prog -x\0");
        let thread = Registers::from_amd64(7, [5; Registers::WORDS]);
        let status = status(&thread, &identity, true);
        assert_eq!(status.len(), 336);
        assert_eq!((status[32], status[112], status[328]), (7, 5, 1));
    }
}
