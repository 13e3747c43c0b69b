//! A profile in columns: all values, all stacks and all labels in one array each.
//!
//! A call of a stack is four bytes, a sample eight and what its values take, so that two million
//! samples of thirty calls fit into 300 MB. Every position was checked when it was read.

use std::io::BufRead;
use std::ops::Range;

use crate::limits::Limits;
use crate::strings::Strings;
use crate::{ProfileError, read};

/// No mapping, or no position at all.
pub(crate) const NONE: u32 = u32::MAX;

/// What one column of values means, such as `inuse_space` in `bytes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampleType {
    /// What is counted.
    pub name: String,
    /// In what.
    pub unit: String,
}

/// A profile.
#[derive(Debug, Default, Clone)]
pub struct Profile {
    pub(crate) header: Header,
    pub(crate) strings: Strings,
    pub(crate) mappings: Vec<MappingEntry>,
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

/// What is said of a profile as a whole.
#[derive(Debug, Default, Clone)]
pub(crate) struct Header {
    pub(crate) sample_types: Vec<SampleType>,
    pub(crate) default_sample_type: String,
    pub(crate) period_type: SampleType,
    pub(crate) period: i64,
    pub(crate) time_nanos: i64,
    pub(crate) duration_nanos: i64,
    pub(crate) comments: Vec<String>,
    pub(crate) drop_frames: String,
    pub(crate) keep_frames: String,
    pub(crate) doc_url: String,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MappingEntry {
    pub(crate) id: u64,
    pub(crate) start: u64,
    pub(crate) limit: u64,
    pub(crate) offset: u64,
    pub(crate) file: u32,
    pub(crate) build_id: u32,
    /// Functions, file names, line numbers, inlined calls.
    pub(crate) has: [bool; 4],
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FunctionEntry {
    pub(crate) id: u64,
    pub(crate) name: u32,
    pub(crate) system_name: u32,
    pub(crate) file: u32,
    pub(crate) start_line: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct LocationEntry {
    pub(crate) id: u64,
    pub(crate) address: u64,
    /// Of `mappings`, or [`NONE`].
    pub(crate) mapping: u32,
    pub(crate) lines: Range<u32>,
    pub(crate) is_folded: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LineEntry {
    pub(crate) function: u32,
    pub(crate) line: i64,
    pub(crate) column: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LabelEntry {
    pub(crate) key: u32,
    /// 0 where the label is a number.
    pub(crate) text: u32,
    pub(crate) number: i64,
    pub(crate) unit: u32,
}

/// Where a sample's stack and labels end; they start where those of the one before end.
#[derive(Debug, Clone, Copy, Default)]
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
    /// Fails where the bytes are damaged, are no profile, or are more than [`Limits`] allow.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, ProfileError> {
        read::read(&mut bytes, Limits::default())
    }

    /// As [`parse`](Self::parse), from what is read bit by bit, with limits of one's own.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and where reading fails.
    pub fn read(input: &mut dyn BufRead, limits: Limits) -> Result<Self, ProfileError> {
        read::read(input, limits)
    }

    /// Returns what the values of each sample mean, in order.
    pub fn sample_types(&self) -> &[SampleType] {
        &self.header.sample_types
    }

    /// Finds a column by its name, such as `inuse_space`.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.sample_types().iter().position(|ty| ty.name == name)
    }

    /// Finds the column that is meant by a name, a number, or nothing: then it is the one the profile
    /// names, or the last. `inuse_` before a name may be missing in the profile.
    ///
    /// # Errors
    ///
    /// Fails where there is none.
    pub fn column_meant(&self, wanted: Option<&str>) -> Result<usize, ProfileError> {
        let types = self.sample_types();
        let found = match wanted {
            None => {
                let default = &self.header.default_sample_type;
                let named = types.iter().position(|ty| !default.is_empty() && ty.name == *default);
                named.or(types.len().checked_sub(1))
            }
            Some(name) => match name.parse::<usize>() {
                Ok(index) => Some(index).filter(|&index| index < types.len()),
                Err(_) => {
                    let bare = name.strip_prefix("inuse_").unwrap_or(name);
                    types.iter().position(|ty| ty.name == name || ty.name == bare)
                }
            },
        };
        found.ok_or_else(|| ProfileError::NoSampleType {
            wanted: wanted.map_or_else(|| "type of values".to_owned(), str::to_owned),
            known: match types {
                [] => "none".to_owned(),
                _ => types.iter().map(|ty| ty.name.as_str()).collect::<Vec<_>>().join(", "),
            },
        })
    }

    /// Returns every sample.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample<'_>> {
        (0..self.samples.len()).map(|index| Sample { profile: self, index })
    }

    /// Returns when it was taken, in nanoseconds since 1970; 0 if it is not said.
    pub fn time_nanos(&self) -> i64 {
        self.header.time_nanos
    }

    /// Returns how long it took; 0 if it is not said.
    pub fn duration_nanos(&self) -> i64 {
        self.header.duration_nanos
    }

    /// Returns what lies between two samples, on average, and in what it is counted.
    pub fn period(&self) -> (&SampleType, i64) {
        (&self.header.period_type, self.header.period)
    }

    /// Returns what its writer has to say of it.
    pub fn comments(&self) -> &[String] {
        &self.header.comments
    }

    /// Returns the program's file and build id, where they are told.
    pub fn program(&self) -> Option<(&str, &str)> {
        let first = self.mappings.first()?;
        Some((self.strings.get(first.file), self.strings.get(first.build_id)))
    }

    /// Returns where the program's code was mapped, and which offset of its file lies there.
    pub fn program_mapping(&self) -> Option<(u64, u64)> {
        let first = self.mappings.first()?;
        Some((first.start, first.offset))
    }

    /// Returns how many functions it names.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    pub(crate) fn value(&self, sample: usize, column: usize) -> i64 {
        let at = sample * self.sample_types().len() + column;
        self.values.get(at).copied().unwrap_or(0)
    }

    pub(crate) fn stack_range(&self, sample: usize) -> Range<usize> {
        let start = sample.checked_sub(1).map_or(0, |before| self.samples[before].stack_end);
        start as usize..self.samples[sample].stack_end as usize
    }

    pub(crate) fn stack(&self, sample: usize) -> &[u32] {
        &self.stacks[self.stack_range(sample)]
    }

    pub(crate) fn labels_range(&self, sample: usize) -> Range<usize> {
        let start = sample.checked_sub(1).map_or(0, |before| self.samples[before].labels_end);
        start as usize..self.samples[sample].labels_end as usize
    }

    pub(crate) fn labels_of(&self, sample: usize) -> &[LabelEntry] {
        &self.labels[self.labels_range(sample)]
    }

    pub(crate) fn lines_of(&self, location: &LocationEntry) -> &[LineEntry] {
        &self.lines[location.lines.start as usize..location.lines.end as usize]
    }

    pub(crate) fn mapping_file(&self, location: &LocationEntry) -> u32 {
        self.mappings.get(location.mapping as usize).map_or(NONE, |mapping| mapping.file)
    }

    /// Checks that no sum of values is beyond what is counted in.
    pub(crate) fn check_sums(&self) -> Result<(), ProfileError> {
        let types = self.sample_types();
        for (column, ty) in types.iter().enumerate() {
            let mut sum = 0_u64;
            for value in self.values.iter().skip(column).step_by(types.len()) {
                sum = sum.saturating_add(value.unsigned_abs());
            }
            if sum > i64::MAX as u64 {
                return Err(ProfileError::Overflow { sample_type: ty.name.clone() });
            }
        }
        Ok(())
    }
}

impl<'p> Sample<'p> {
    /// Returns a value by its column; 0 where there is no such column.
    pub fn value(self, column: usize) -> i64 {
        match column < self.profile.sample_types().len() {
            true => self.profile.value(self.index, column),
            false => 0,
        }
    }

    /// Returns the calls, the innermost first, inlined ones included.
    pub fn frames(self) -> impl Iterator<Item = Frame<'p>> {
        let profile = self.profile;
        profile.stack(self.index).iter().flat_map(move |&location| {
            let location = &profile.locations[location as usize];
            let lines = profile.lines_of(location);
            let bare = Frame { function: "", file: "", line: 0, address: location.address };
            let named = lines.iter().map(move |line| {
                let function = profile.functions[line.function as usize];
                Frame {
                    function: profile.strings.get(function.name),
                    file: profile.strings.get(function.file),
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
        let labels = profile.labels_of(self.index).iter();
        let mut found =
            labels.filter(|label| label.text == 0 && profile.strings.get(label.key) == key);
        found.next().map(|label| label.number)
    }
}

impl Profile {
    /// Goes through all samples, in place: `change` may take calls out of the stack, and says whether
    /// the sample stays.
    pub(crate) fn retain_samples(
        &mut self,
        mut change: impl FnMut(&mut Vec<u32>, &[LabelEntry], &[i64]) -> bool,
    ) {
        let types = self.header.sample_types.len();
        let (mut kept, mut stack_end, mut labels_end) = (0, 0, 0);
        let (mut stack_start, mut labels_start) = (0, 0);
        let mut stack = Vec::new();
        for index in 0..self.samples.len() {
            let entry = self.samples[index];
            let calls = stack_start..entry.stack_end as usize;
            let labels = labels_start..entry.labels_end as usize;
            (stack_start, labels_start) = (calls.end, labels.end);
            stack.clear();
            stack.extend_from_slice(&self.stacks[calls]);
            let values = index * types..(index + 1) * types;
            if !change(&mut stack, &self.labels[labels.clone()], &self.values[values.clone()]) {
                continue;
            }
            // What is written never passes what is still to be read: stacks only get shorter.
            let end = stack_end + stack.len();
            self.stacks[stack_end..end].copy_from_slice(&stack);
            stack_end = end;
            let len = labels.len();
            self.labels.copy_within(labels, labels_end);
            labels_end += len;
            self.values.copy_within(values, kept * types);
            let (stack_end, labels_end) = (stack_end as u32, labels_end as u32);
            self.samples[kept] = SampleEntry { stack_end, labels_end };
            kept += 1;
        }
        self.samples.truncate(kept);
        self.stacks.truncate(stack_end);
        self.labels.truncate(labels_end);
        self.values.truncate(kept * types);
    }

    pub(crate) fn drop_zero_samples(&mut self) {
        let types = self.header.sample_types.len().max(1);
        let is_zero = |row: &[i64]| row.iter().all(|&value| value == 0);
        if self.values.chunks_exact(types).any(is_zero) {
            self.retain_samples(|_, _, values| !is_zero(values));
        }
    }

    /// Finds the number of a string.
    pub(crate) fn find_string(&self, text: &str) -> Option<u32> {
        (0..self.strings.len() as u32).find(|&number| self.strings.get(number) == text)
    }
}
