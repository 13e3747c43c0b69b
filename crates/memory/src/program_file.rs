//! An executable by itself: the memory that its program would start with.

use std::path::Path;

use crate::executable::Executable;
use crate::heap_dump::relocated;
use crate::image::{Backing, Image, Store};
use crate::mapping::{Mapping, Permissions};
use crate::target::{Consistency, Target};
use crate::{AddressRange, ByteSize, OpenError};

/// Opens an executable: its segments where the file says that they go, relocated for that place.
pub(crate) fn open(path: &Path) -> Result<Target, OpenError> {
    let executable = Executable::open(path)?;
    let store = match executable.is_position_independent() {
        false => Store::File(executable.map()),
        true => {
            let copy = relocated(&executable, 0).map_err(OpenError::file(path))?;
            Store::Copy(copy)
        }
    };
    let mut image = Image::default();
    let index = image.add_store(store);
    let mut mappings = Vec::new();
    for segment in executable.segments() {
        let held = segment.file_range();
        let start = segment.virtual_range.start();
        let size = ByteSize::new(held.len() as u64).min(segment.virtual_range.size());
        let range = AddressRange::from_size(start, size);
        image.add(range, Backing::Store { index, offset: held.start });
        let write = segment.is_writable;
        let permissions = Permissions { read: true, write, execute: !write };
        mappings.push(Mapping { range, permissions, file: None });
        // What the file does not hold starts as zeros.
        image.add(segment.virtual_range, Backing::Zero);
    }
    image.finish();
    mappings.sort_by_key(|mapping| mapping.range.start());
    Ok(Target {
        image,
        live: None,
        mappings,
        threads: Vec::new(),
        executable,
        load_bias: 0,
        consistency: Consistency::Core,
        heap_dump: None,
        diagnostics: Vec::new(),
        clock: None,
        resident: None,
    })
}
