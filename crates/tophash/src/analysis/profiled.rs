//! Where maps were allocated by a heap profile, for those that the program's own samples don't tell.
//!
//! A heap profile names no object: each of its rows is a call stack and an object size. The arrays of
//! a large map have sizes that few others have, so that the size often leaves one stack. Where it
//! leaves several, each is a candidate, and none is called the site.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tophash_goruntime::{CallFrame, SourceLine};
use tophash_profile::Profile;

use super::sites::{CallStack, outside_of_runtime};

/// More stacks than this for one size tell nothing.
const MAX_CANDIDATES: usize = 8;

/// The stacks of a heap profile by the size of the objects they allocated.
pub(crate) struct ProfiledSites {
    by_size: HashMap<u64, Vec<CallStack>>,
}

impl ProfiledSites {
    /// Reads a heap profile.
    ///
    /// Objects in use count; a profile of allocations alone, which has none, is refused.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("{name} can't be read"))?;
        let profile = Profile::parse(&bytes).with_context(|| format!("{name} is no profile"))?;
        let Some(column) = profile.column("inuse_objects") else {
            bail!(
                "{name} is not a heap profile (it has no inuse_objects): take one from \
                 /debug/pprof/heap"
            );
        };
        let mut by_size: HashMap<u64, Vec<CallStack>> = HashMap::new();
        let mut seen = HashSet::new();
        for sample in profile.samples().filter(|sample| sample.value(column) > 0) {
            let size = sample.number_label("bytes").and_then(|size| u64::try_from(size).ok());
            let frames: Vec<CallFrame> = sample
                .frames()
                .map(|frame| CallFrame {
                    function: frame.function.to_owned(),
                    line: u32::try_from(frame.line)
                        .ok()
                        .map(|line| SourceLine { file: frame.file.to_owned(), line }),
                })
                .collect();
            if let (Some(size), Some(stack)) = (size, outside_of_runtime(&frames))
                && seen.insert((size, stack.clone()))
            {
                by_size.entry(size).or_default().push(stack);
            }
        }
        Ok(Self { by_size })
    }

    /// Returns the stacks that allocated objects of a size: none where there are too many to tell.
    pub(crate) fn of_size(&self, size: u64) -> &[CallStack] {
        self.by_size
            .get(&size)
            .filter(|stacks| stacks.len() <= MAX_CANDIDATES)
            .map_or(&[], Vec::as_slice)
    }
}
