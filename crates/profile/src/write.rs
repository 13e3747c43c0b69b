//! Writing: samples are added one at a time, and what they name is numbered as it comes up.
//!
//! Strings, functions and calls are stored once each. The runtime's own profiles give every
//! program counter a location; calls without an address share one by function and line, and those
//! that were inlined share that of the call which they were inlined into, as the format asks for.

use std::collections::HashMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::messages::{Function, Label, Line, Location, Sample, ValueType, WholeProfile};

/// A call of a sample that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SampleFrame<'a> {
    /// The function's full name.
    pub function: &'a str,
    /// The file.
    pub file: &'a str,
    /// The line; 0 where it is not known.
    pub line: i64,
    /// The program counter; 0 where there is none.
    pub address: u64,
    /// It was inlined into the frame that follows.
    pub is_inlined: bool,
}

/// What distinguishes samples of one stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SampleLabel<'a> {
    /// A text.
    Text {
        /// The label's name.
        key: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// A number.
    Number {
        /// The label's name.
        key: &'a str,
        /// Its value.
        value: i64,
        /// In what it counts; nothing where the key says so.
        unit: &'a str,
    },
}

/// A profile that is being written.
///
/// ```
/// use tophash_profile::{Profile, ProfileBuilder, SampleFrame};
///
/// let mut builder = ProfileBuilder::new(&[("inuse_space", "bytes")]);
/// let call = SampleFrame { function: "main.fill", file: "main.go", line: 7, ..Default::default() };
/// builder.add_sample(&[call], &[4096], &[]);
/// let profile = Profile::parse(&builder.finish())?;
/// assert_eq!(profile.samples().next().map(|sample| sample.value(0)), Some(4096));
/// # Ok::<(), tophash_profile::ProfileError>(())
/// ```
#[derive(Debug)]
pub struct ProfileBuilder {
    profile: WholeProfile,
    strings: HashMap<String, i64>,
    functions: HashMap<(i64, i64), u64>,
    /// By address, and the lines at it.
    locations: HashMap<(u64, Vec<(u64, i64)>), u64>,
}

impl ProfileBuilder {
    /// Starts a profile whose samples have values of these types, each a name and a unit.
    pub fn new(sample_types: &[(&str, &str)]) -> Self {
        let mut builder = Self {
            profile: WholeProfile::default(),
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
        };
        // The format asks for the empty string first.
        builder.string("");
        for &ty in sample_types {
            let ty = builder.value_type(ty);
            builder.profile.sample_types.push(ty);
        }
        builder
    }

    /// Says what lies between two samples, on average.
    pub fn set_period(&mut self, ty: (&str, &str), period: i64) {
        self.profile.period_type = Some(self.value_type(ty));
        self.profile.period = period;
    }

    /// Says when the profile was taken, in nanoseconds since 1970.
    pub fn set_time_nanos(&mut self, nanos: i64) {
        self.profile.time_nanos = nanos;
    }

    /// Says how long it took.
    pub fn set_duration_nanos(&mut self, nanos: i64) {
        self.profile.duration_nanos = nanos;
    }

    /// Says which values are shown where nobody asks for others.
    pub fn set_default_sample_type(&mut self, name: &str) {
        self.profile.default_sample_type = self.string(name);
    }

    /// Adds a comment, which readers print.
    pub fn add_comment(&mut self, text: &str) {
        let text = self.string(text);
        self.profile.comments.push(text);
    }

    /// Adds a sample: its calls, the innermost first, and one value for each type. Values that are
    /// missing are 0, and what is too many is left out.
    pub fn add_sample(
        &mut self,
        frames: &[SampleFrame<'_>],
        values: &[i64],
        labels: &[SampleLabel<'_>],
    ) {
        let mut locations = Vec::with_capacity(frames.len());
        let mut lines = Vec::new();
        for frame in frames {
            lines.push((self.function(frame.function, frame.file), frame.line));
            if !frame.is_inlined {
                locations.push(self.location(frame.address, std::mem::take(&mut lines)));
            }
        }
        if let Some(last) = frames.last()
            && !lines.is_empty()
        {
            // An inlined call without one around it.
            locations.push(self.location(last.address, lines));
        }
        let mut values = values.to_vec();
        values.resize(self.profile.sample_types.len(), 0);
        let labels = labels.iter().map(|label| self.label(*label)).collect();
        self.profile.samples.push(Sample { locations, values, labels });
    }

    /// Returns the profile's bytes, gzipped.
    pub fn finish(self) -> Vec<u8> {
        let bytes = self.profile.encode_to_vec();
        let mut out = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail.
        let _ = out.write_all(&bytes);
        out.finish().unwrap_or_default()
    }

    fn value_type(&mut self, (name, unit): (&str, &str)) -> ValueType {
        ValueType { ty: self.string(name), unit: self.string(unit) }
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&number) = self.strings.get(text) {
            return number;
        }
        let number = self.profile.strings.len() as i64;
        self.profile.strings.push(text.to_owned());
        self.strings.insert(text.to_owned(), number);
        number
    }

    fn function(&mut self, name: &str, file: &str) -> u64 {
        let (name, file) = (self.string(name), self.string(file));
        let functions = &mut self.profile.functions;
        *self.functions.entry((name, file)).or_insert_with(|| {
            let id = functions.len() as u64 + 1;
            functions.push(Function { id, name, system_name: name, file });
            id
        })
    }

    fn location(&mut self, address: u64, lines: Vec<(u64, i64)>) -> u64 {
        let locations = &mut self.profile.locations;
        *self.locations.entry((address, lines)).or_insert_with_key(|(address, lines)| {
            let id = locations.len() as u64 + 1;
            let lines = lines.iter().map(|&(function, line)| Line { function, line }).collect();
            locations.push(Location { id, address: *address, lines });
            id
        })
    }

    fn label(&mut self, label: SampleLabel<'_>) -> Label {
        match label {
            SampleLabel::Text { key, value } => {
                Label { key: self.string(key), text: self.string(value), ..Label::default() }
            }
            SampleLabel::Number { key, value, unit } => Label {
                key: self.string(key),
                number: value,
                unit: self.string(unit),
                ..Label::default()
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profile;

    fn call(function: &'static str, line: i64, is_inlined: bool) -> SampleFrame<'static> {
        SampleFrame { function, file: "main.go", line, address: 0, is_inlined }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut builder = ProfileBuilder::new(&[("objects", "count"), ("space", "bytes")]);
        builder.set_period(("space", "bytes"), 524_288);
        let stack =
            [call("main.leaf", 3, true), call("main.fill", 9, false), call("main.main", 1, false)];
        let label = SampleLabel::Number { key: "bytes", value: 48, unit: "" };
        builder.add_sample(&stack, &[2, 96], &[label]);
        builder.add_sample(&stack[2..], &[1], &[SampleLabel::Text { key: "kind", value: "map" }]);
        let profile = Profile::parse(&builder.finish()).unwrap();
        assert_eq!(profile.column("space"), Some(1));
        let samples: Vec<_> = profile.samples().collect();
        let names: Vec<_> = samples[0].frames().map(|frame| (frame.function, frame.line)).collect();
        assert_eq!(names, [("main.leaf", 3), ("main.fill", 9), ("main.main", 1)]);
        assert_eq!((samples[0].value(0), samples[0].value(1)), (2, 96));
        assert_eq!(samples[0].number_label("bytes"), Some(48));
        assert_eq!((samples[1].value(0), samples[1].value(1)), (1, 0));
    }

    #[test]
    fn equal_calls_are_stored_once() {
        let mut builder = ProfileBuilder::new(&[("n", "count")]);
        for value in 0..100 {
            builder.add_sample(&[call("main.main", 1, false)], &[value], &[]);
        }
        assert_eq!((builder.profile.functions.len(), builder.profile.locations.len()), (1, 1));
    }
}
