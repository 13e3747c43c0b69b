//! A profile in columns: all values, all stacks and all labels in one array each.

use std::ops::Range;

use crate::ProfileError;
use crate::read;

/// What one column of values means, such as `inuse_space` in `bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleType {
    /// What is counted.
    pub name: String,
    /// In what.
    pub unit: String,
}

/// A profile.
#[derive(Debug, Default)]
pub struct Profile {
    pub(crate) sample_types: Vec<SampleType>,
    pub(crate) strings: Vec<String>,
    pub(crate) functions: Vec<FunctionEntry>,
    pub(crate) locations: Vec<LocationEntry>,
    pub(crate) lines: Vec<LineEntry>,
    /// By sample, and in it by sample type.
    pub(crate) values: Vec<i64>,
    /// Positions in `locations`, the innermost first.
    pub(crate) stacks: Vec<u32>,
    pub(crate) labels: Vec<LabelEntry>,
    pub(crate) samples: Vec<SampleEntry>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct FunctionEntry {
    pub(crate) name: u32,
    pub(crate) file: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct LocationEntry {
    pub(crate) address: u64,
    pub(crate) lines: Range<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct LineEntry {
    pub(crate) function: u32,
    pub(crate) line: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelEntry {
    pub(crate) key: u32,
    pub(crate) number: i64,
}

/// Where a sample's stack and labels end; they start where those of the one before end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SampleEntry {
    pub(crate) stack_end: u32,
    pub(crate) labels_end: u32,
}

/// One stack of a profile.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'p> {
    profile: &'p Profile,
    index: usize,
}

/// A call of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame<'p> {
    /// The function's full name, or nothing where the profile was not symbolized.
    pub function: &'p str,
    /// The file.
    pub file: &'p str,
    /// The line; 0 where it is not known.
    pub line: i64,
    /// The program counter.
    pub address: u64,
}

impl Profile {
    /// Reads a profile, gzipped or not.
    ///
    /// # Errors
    ///
    /// Fails where the bytes are damaged, are no profile, or expand beyond 4 GiB.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProfileError> {
        read::parse(bytes)
    }

    /// Returns what the values of each sample mean, in order.
    pub fn sample_types(&self) -> &[SampleType] {
        &self.sample_types
    }

    /// Finds a column by its name, such as `inuse_space`.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.sample_types.iter().position(|ty| ty.name == name)
    }

    /// Returns every sample.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample<'_>> {
        (0..self.samples.len()).map(|index| Sample { profile: self, index })
    }
}

impl<'p> Sample<'p> {
    /// Returns a value by its column; 0 where there is no such column.
    pub fn value(self, column: usize) -> i64 {
        let columns = self.profile.sample_types.len();
        let at = (column < columns).then_some(self.index * columns + column);
        at.and_then(|at| self.profile.values.get(at)).copied().unwrap_or(0)
    }

    /// Returns the calls, the innermost first, inlined ones included.
    pub fn frames(self) -> impl Iterator<Item = Frame<'p>> {
        let profile = self.profile;
        let start = self.before().map_or(0, |sample| sample.stack_end) as usize;
        let end = profile.samples[self.index].stack_end as usize;
        profile.stacks[start..end].iter().flat_map(move |&location| {
            let location = &profile.locations[location as usize];
            let lines = &profile.lines[location.lines.start as usize..location.lines.end as usize];
            let bare = Frame { function: "", file: "", line: 0, address: location.address };
            let named = lines.iter().map(move |line| {
                let function = profile.functions[line.function as usize];
                Frame {
                    function: &profile.strings[function.name as usize],
                    file: &profile.strings[function.file as usize],
                    line: line.line,
                    address: location.address,
                }
            });
            named.chain(lines.is_empty().then_some(bare))
        })
    }

    /// Returns a label that is a number, such as `bytes`: the size of the objects of a heap profile.
    pub fn number_label(self, key: &str) -> Option<i64> {
        let profile = self.profile;
        let start = self.before().map_or(0, |sample| sample.labels_end) as usize;
        let end = profile.samples[self.index].labels_end as usize;
        let labels = profile.labels[start..end].iter();
        let mut found = labels.filter(|label| profile.strings[label.key as usize] == key);
        found.next().map(|label| label.number)
    }

    fn before(self) -> Option<SampleEntry> {
        self.profile.samples.get(self.index.checked_sub(1)?).copied()
    }
}
