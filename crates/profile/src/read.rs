//! Reading: the fields of the profile one after the other, as they are inflated, into columns.
//!
//! Samples come before what they refer to, so that they keep ids until all is read; then the ids
//! become positions, in place. Every reference is checked once, here; later look-ups can't fail.
//! What is refused is what Go's reader refuses, and what no profile has: `docs/profiles.md` lists it.
//!
//! Memory: the columns, at most what [`Limits`] allow, and a window of the bytes.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;

use crate::limits::{Budget, Limits};
use crate::profile::{
    FunctionEntry, LabelEntry, LineEntry, LocationEntry, MappingEntry, NONE, Profile, SampleEntry,
    SampleType,
};
use crate::stream::{Stream, Top};
use crate::strings::Strings;
use crate::wire::{Content, Field, field};
use crate::{ProfileError, WireError};

/// Fields of the profile message.
mod top {
    pub(super) const SAMPLE_TYPE: u64 = 1;
    pub(super) const SAMPLE: u64 = 2;
    pub(super) const MAPPING: u64 = 3;
    pub(super) const LOCATION: u64 = 4;
    pub(super) const FUNCTION: u64 = 5;
    pub(super) const STRING: u64 = 6;
    pub(super) const DROP_FRAMES: u64 = 7;
    pub(super) const KEEP_FRAMES: u64 = 8;
    pub(super) const TIME: u64 = 9;
    pub(super) const DURATION: u64 = 10;
    pub(super) const PERIOD_TYPE: u64 = 11;
    pub(super) const PERIOD: u64 = 12;
    pub(super) const COMMENT: u64 = 13;
    pub(super) const DEFAULT_TYPE: u64 = 14;
    pub(super) const DOC_URL: u64 = 15;
}

pub(crate) fn read(input: &mut dyn BufRead, limits: Limits) -> Result<Profile, ProfileError> {
    let mut stream = Stream::new(input, limits)?;
    let mut builder = Builder::new(limits);
    loop {
        let offset = stream.offset();
        let (number, content) = match stream.next()? {
            None => break,
            Some(Top::Bytes(number, bytes)) => (number, Content::Bytes(bytes)),
            Some(Top::Number(number, value)) => (number, Content::Number(value)),
            Some(Top::Other(number)) => (number, Content::Fixed),
        };
        builder.field(Field { number, content }).map_err(|fault| match fault {
            Fault::Wire(source) => ProfileError::NotAProfile { offset, source },
            Fault::Profile(fault) => fault,
        })?;
        stream.check_memory(builder.budget.used())?;
    }
    builder.finish()
}

enum Fault {
    Wire(WireError),
    Profile(ProfileError),
}

impl From<WireError> for Fault {
    fn from(fault: WireError) -> Self {
        Self::Wire(fault)
    }
}

impl From<ProfileError> for Fault {
    fn from(fault: ProfileError) -> Self {
        Self::Profile(fault)
    }
}

/// Ids of locations in four bytes. Those that don't fit are numbered, from [`WIDE`] on.
#[derive(Default)]
struct Ids {
    wide: Vec<u64>,
    numbers: HashMap<u64, u32>,
}

const WIDE: u32 = 1 << 31;

impl Ids {
    #[inline]
    fn narrow(&mut self, id: u64, budget: &mut Budget) -> Result<u32, ProfileError> {
        if id < u64::from(WIDE) {
            return Ok(id as u32);
        }
        if let Some(&number) = self.numbers.get(&id) {
            return Ok(number);
        }
        budget.take(40)?;
        let number = narrow(WIDE as usize + self.wide.len(), "locations")?;
        self.wide.push(id);
        self.numbers.insert(id, number);
        Ok(number)
    }

    fn id(&self, number: u32) -> u64 {
        match number.checked_sub(WIDE) {
            None => u64::from(number),
            Some(index) => self.wide.get(index as usize).copied().unwrap_or(u64::MAX),
        }
    }
}

/// Positions by id: in an array as long as ids are about as many as entries, as they ought to be.
struct Positions {
    dense: Vec<u32>,
    sparse: HashMap<u64, u32>,
}

impl Positions {
    fn new(
        what: &'static str,
        ids: impl ExactSizeIterator<Item = u64>,
    ) -> Result<Self, ProfileError> {
        let mut positions = Self { dense: vec![NONE; ids.len() + 1], sparse: HashMap::new() };
        for (position, id) in ids.enumerate() {
            let position = narrow(position, what)?;
            let before = match positions.dense.get_mut(id as usize) {
                Some(slot) if id < u64::from(WIDE) => std::mem::replace(slot, position),
                _ => positions.sparse.insert(id, position).unwrap_or(NONE),
            };
            if id == 0 || before != NONE {
                return Err(ProfileError::BadId { what, id });
            }
        }
        Ok(positions)
    }

    #[inline]
    fn get(&self, id: u64) -> Option<u32> {
        match self.dense.get(id as usize) {
            Some(&position) if id < u64::from(WIDE) => Some(position).filter(|&at| at != NONE),
            _ => self.sparse.get(&id).copied(),
        }
    }
}

/// Strings that the header names, by number.
#[derive(Default)]
struct HeaderStrings {
    sample_types: Vec<(i64, i64)>,
    period_type: (i64, i64),
    comments: Vec<i64>,
    default_type: i64,
    drop_frames: i64,
    keep_frames: i64,
    doc_url: i64,
}

/// Everything read so far, with the ids that the file uses.
struct Builder {
    profile: Profile,
    budget: Budget,
    header: HeaderStrings,
    /// Of each line.
    function_ids: Vec<u64>,
    /// Of each location.
    mapping_ids: Vec<u64>,
    ids: Ids,
    /// The largest number of a string that something refers to.
    last_string: u64,
    value_counts: Option<(usize, bool)>,
}

impl Builder {
    fn new(limits: Limits) -> Self {
        Self {
            profile: Profile::default(),
            budget: Budget::new(limits.memory_bytes),
            header: HeaderStrings::default(),
            function_ids: Vec::new(),
            mapping_ids: Vec::new(),
            ids: Ids::default(),
            last_string: 0,
            value_counts: None,
        }
    }

    fn field(&mut self, field: Field<'_>) -> Result<(), Fault> {
        match field.number {
            top::SAMPLE_TYPE => {
                self.budget.take(64)?;
                self.header.sample_types.push(value_type(field.bytes()?)?);
            }
            top::SAMPLE => self.sample(field.bytes()?)?,
            top::MAPPING => self.mapping(field.bytes()?)?,
            top::LOCATION => self.location(field.bytes()?)?,
            top::FUNCTION => self.function(field.bytes()?)?,
            top::STRING => {
                let bytes = field.bytes()?;
                self.budget.take(Strings::cost(bytes.len()))?;
                let number = self.profile.strings.push(bytes)?;
                if number == 0 && !bytes.is_empty() {
                    return Err(ProfileError::FirstString.into());
                }
            }
            top::DROP_FRAMES => self.header.drop_frames = field.signed()?,
            top::KEEP_FRAMES => self.header.keep_frames = field.signed()?,
            top::TIME => {
                if self.profile.header.time_nanos != 0 {
                    return Err(ProfileError::Concatenated.into());
                }
                self.profile.header.time_nanos = field.signed()?;
            }
            top::DURATION => self.profile.header.duration_nanos = field.signed()?,
            top::PERIOD_TYPE => self.header.period_type = value_type(field.bytes()?)?,
            top::PERIOD => self.profile.header.period = field.signed()?,
            top::COMMENT => {
                let comments = &mut self.header.comments;
                let before = comments.len();
                field.each(|number| comments.push(number as i64))?;
                self.budget.take((self.header.comments.len() - before) * 40)?;
            }
            top::DEFAULT_TYPE => self.header.default_type = field.signed()?,
            top::DOC_URL => self.header.doc_url = field.signed()?,
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, mut rest: &[u8]) -> Result<(), Fault> {
        let Self { profile, budget, ids, .. } = self;
        let values_before = profile.values.len();
        let stacks_before = profile.stacks.len();
        let labels_before = profile.labels.len();
        let mut too_much = Ok(());
        while let Some(field) = field(&mut rest)? {
            match field.number {
                1 => field.each(|id| match ids.narrow(id, budget) {
                    Ok(id) => profile.stacks.push(id),
                    Err(fault) => too_much = Err(fault),
                })?,
                2 => field.each(|value| profile.values.push(value as i64))?,
                3 => {
                    if let Some(label) = label(field.bytes()?, &mut self.last_string)? {
                        profile.labels.push(label);
                    }
                }
                _ => {}
            }
        }
        too_much?;
        let values = profile.values.len() - values_before;
        let calls = profile.stacks.len() - stacks_before;
        let labels = profile.labels.len() - labels_before;
        budget.take(8 + 8 * values + 4 * calls + 24 * labels)?;
        let (first, is_even) = self.value_counts.unwrap_or((values, true));
        self.value_counts = Some((first, is_even && first == values));
        profile.samples.push(SampleEntry {
            stack_end: narrow(profile.stacks.len(), "calls")?,
            labels_end: narrow(profile.labels.len(), "labels")?,
        });
        narrow(profile.samples.len(), "samples")?;
        Ok(())
    }

    fn mapping(&mut self, mut rest: &[u8]) -> Result<(), Fault> {
        let mut mapping = MappingEntry::default();
        while let Some(field) = field(&mut rest)? {
            match field.number {
                1 => mapping.id = field.unsigned()?,
                2 => mapping.start = field.unsigned()?,
                3 => mapping.limit = field.unsigned()?,
                4 => mapping.offset = field.unsigned()?,
                5 => mapping.file = self.string(field.signed()?)?,
                6 => mapping.build_id = self.string(field.signed()?)?,
                7..=10 => mapping.has[field.number as usize - 7] = field.flag()?,
                _ => {}
            }
        }
        self.budget.take(size_of::<MappingEntry>())?;
        self.profile.mappings.push(mapping);
        Ok(())
    }

    fn location(&mut self, mut rest: &[u8]) -> Result<(), Fault> {
        let start = narrow(self.profile.lines.len(), "lines")?;
        let mut location = LocationEntry {
            id: 0,
            address: 0,
            mapping: NONE,
            lines: start..start,
            is_folded: false,
        };
        let mut mapping_id = 0;
        while let Some(field) = field(&mut rest)? {
            match field.number {
                1 => location.id = field.unsigned()?,
                2 => mapping_id = field.unsigned()?,
                3 => location.address = field.unsigned()?,
                4 => self.line(field.bytes()?)?,
                5 => location.is_folded = field.flag()?,
                _ => {}
            }
        }
        location.lines.end = narrow(self.profile.lines.len(), "lines")?;
        self.budget.take(size_of::<LocationEntry>() + 8)?;
        self.profile.locations.push(location);
        self.mapping_ids.push(mapping_id);
        Ok(())
    }

    fn line(&mut self, mut rest: &[u8]) -> Result<(), Fault> {
        let mut line = LineEntry { function: NONE, line: 0, column: 0 };
        let mut function_id = 0;
        while let Some(field) = field(&mut rest)? {
            match field.number {
                1 => function_id = field.unsigned()?,
                2 => line.line = field.signed()?,
                3 => line.column = field.signed()?,
                _ => {}
            }
        }
        self.budget.take(size_of::<LineEntry>() + 8)?;
        self.profile.lines.push(line);
        self.function_ids.push(function_id);
        Ok(())
    }

    fn function(&mut self, mut rest: &[u8]) -> Result<(), Fault> {
        let mut function = FunctionEntry::default();
        while let Some(field) = field(&mut rest)? {
            match field.number {
                1 => function.id = field.unsigned()?,
                2 => function.name = self.string(field.signed()?)?,
                3 => function.system_name = self.string(field.signed()?)?,
                4 => function.file = self.string(field.signed()?)?,
                5 => function.start_line = field.signed()?,
                _ => {}
            }
        }
        self.budget.take(size_of::<FunctionEntry>())?;
        self.profile.functions.push(function);
        Ok(())
    }

    fn string(&mut self, number: i64) -> Result<u32, ProfileError> {
        string(number, &mut self.last_string)
    }

    /// Turns ids into positions, and checks that all that is referred to is there.
    fn finish(mut self) -> Result<Profile, ProfileError> {
        let expected = self.header.sample_types.len();
        if let Some((found, is_even)) = self.value_counts
            && (found != expected || !is_even || expected == 0)
        {
            return Err(ProfileError::ValueCount { found, expected });
        }
        if self.profile.strings.len() == 0 {
            return Err(ProfileError::FirstString);
        }
        self.finish_header()?;
        let Self { mut profile, mut budget, function_ids, mapping_ids, ids, .. } = self;
        if self.last_string >= profile.strings.len() as u64 {
            return Err(ProfileError::Dangling { what: "string", number: self.last_string });
        }
        budget.take(4 * (profile.mappings.len() + profile.functions.len()))?;
        let mappings = Positions::new("mapping", profile.mappings.iter().map(|entry| entry.id))?;
        for (location, id) in profile.locations.iter_mut().zip(mapping_ids) {
            // A mapping that is not there is none.
            location.mapping = mappings.get(id).unwrap_or(NONE);
        }
        let functions = Positions::new("function", profile.functions.iter().map(|entry| entry.id))?;
        for (line, number) in profile.lines.iter_mut().zip(function_ids) {
            let found = functions.get(number);
            line.function = found.ok_or(ProfileError::Dangling { what: "function", number })?;
        }
        budget.take(4 * profile.locations.len())?;
        let locations = Positions::new("location", profile.locations.iter().map(|entry| entry.id))?;
        for call in &mut profile.stacks {
            let number = ids.id(*call);
            let found = locations.get(number);
            *call = found.ok_or(ProfileError::Dangling { what: "location", number })?;
        }
        profile.check_sums()?;
        Ok(profile)
    }

    fn finish_header(&mut self) -> Result<(), ProfileError> {
        let strings = &self.profile.strings;
        let budget = &mut self.budget;
        // A profile may name one long string many times.
        let mut text = |number: i64| -> Result<String, ProfileError> {
            let position = u32::try_from(number).ok();
            let is_there = |&at: &u32| (at as usize) < strings.len();
            let position = position
                .filter(is_there)
                .ok_or(ProfileError::Dangling { what: "string", number: number as u64 })?;
            let text = strings.get(position);
            budget.take(text.len())?;
            Ok(text.to_owned())
        };
        let named = &self.header;
        let mut value_type = |&(name, unit): &(i64, i64)| {
            Ok::<_, ProfileError>(SampleType { name: text(name)?, unit: text(unit)? })
        };
        let sample_types: Vec<_> =
            named.sample_types.iter().map(&mut value_type).collect::<Result<_, _>>()?;
        let mut names = HashSet::new();
        if let Some(twice) = sample_types.iter().find(|ty| !names.insert(ty.name.as_str())) {
            return Err(ProfileError::TwoColumns { name: twice.name.clone() });
        }
        let header = &mut self.profile.header;
        header.sample_types = sample_types;
        header.period_type = value_type(&named.period_type)?;
        header.comments = named.comments.iter().map(|&at| text(at)).collect::<Result<_, _>>()?;
        header.default_sample_type = text(named.default_type)?;
        header.drop_frames = text(named.drop_frames)?;
        header.keep_frames = text(named.keep_frames)?;
        header.doc_url = text(named.doc_url)?;
        Ok(())
    }
}

fn value_type(mut rest: &[u8]) -> Result<(i64, i64), WireError> {
    let mut ty = (0, 0);
    while let Some(field) = field(&mut rest)? {
        match field.number {
            1 => ty.0 = field.signed()?,
            2 => ty.1 = field.signed()?,
            _ => {}
        }
    }
    Ok(ty)
}

/// A label, unless it says nothing.
fn label(mut rest: &[u8], last_string: &mut u64) -> Result<Option<LabelEntry>, Fault> {
    let (mut key, mut text, mut number, mut unit) = (0, 0, 0, 0);
    while let Some(field) = field(&mut rest)? {
        match field.number {
            1 => key = field.signed()?,
            2 => text = field.signed()?,
            3 => number = field.signed()?,
            4 => unit = field.signed()?,
            _ => {}
        }
    }
    let key = string(key, last_string)?;
    if text != 0 {
        let text = string(text, last_string)?;
        return Ok(Some(LabelEntry { key, text, number: 0, unit: 0 }));
    }
    if number == 0 && unit == 0 {
        return Ok(None);
    }
    let unit = string(unit, last_string)?;
    Ok(Some(LabelEntry { key, text: 0, number, unit }))
}

fn string(number: i64, last_string: &mut u64) -> Result<u32, ProfileError> {
    let dangling = ProfileError::Dangling { what: "string", number: number as u64 };
    let number = u32::try_from(number).map_err(|_| dangling)?;
    *last_string = (*last_string).max(u64::from(number));
    Ok(number)
}

fn narrow(count: usize, what: &'static str) -> Result<u32, ProfileError> {
    u32::try_from(count).ok().filter(|&count| count != NONE).ok_or(ProfileError::TooMany { what })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<Profile, ProfileError> {
        Profile::parse(bytes)
    }

    /// A field with a length: its number, and what is in it.
    fn part(number: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, body.len() as u8];
        out.extend(body);
        out
    }

    /// `inuse_space` of 96 bytes in objects of 48, in `main.fill` (a.go:7), inlined into `main.main`.
    fn drawing() -> Vec<u8> {
        let strings = ["", "inuse_space", "bytes", "main.fill", "a.go", "main.main"];
        [
            part(1, &[1 << 3, 1, 2 << 3, 2]),
            // A sample: location 9, value 96, label bytes = 48.
            part(2, &[0x0a, 1, 9, 0x12, 1, 96, 0x1a, 4, 1 << 3, 2, 3 << 3, 48]),
            // Location 9 at 0x40: function 1, line 7, in function 2, line 3.
            part(4, &[1 << 3, 9, 3 << 3, 0x40, 0x22, 4, 8, 1, 16, 7, 0x22, 4, 8, 2, 16, 3]),
            part(5, &[1 << 3, 1, 2 << 3, 3, 4 << 3, 4]),
            part(5, &[1 << 3, 2, 2 << 3, 5, 4 << 3, 4]),
            strings.iter().flat_map(|text| part(6, text.as_bytes())).collect(),
        ]
        .concat()
    }

    fn check(profile: &Profile) {
        let column = profile.column("inuse_space").unwrap();
        assert_eq!(profile.sample_types()[column].unit, "bytes");
        let samples: Vec<_> = profile.samples().collect();
        assert_eq!(samples.len(), 1);
        assert_eq!(samples[0].value(column), 96);
        assert_eq!(samples[0].value(7), 0);
        assert_eq!(samples[0].number_label("bytes"), Some(48));
        let spell = |frame: crate::Frame<'_>| {
            format!("{} {}:{} at {:#x}", frame.function, frame.file, frame.line, frame.address)
        };
        let spelled: Vec<_> = samples[0].frames().map(spell).collect();
        assert_eq!(spelled, ["main.fill a.go:7 at 0x40", "main.main a.go:3 at 0x40"]);
    }

    #[test]
    fn samples_have_values_labels_and_calls_with_what_was_inlined() {
        check(&parse(&drawing()).unwrap());
    }

    #[test]
    fn a_gzipped_profile_reads_the_same() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&drawing()).unwrap();
        let packed = packed.finish().unwrap();
        check(&parse(&packed).unwrap());
        let cut = parse(&packed[..packed.len() / 2]);
        assert!(matches!(cut, Err(ProfileError::Compression(_))), "{cut:?}");
    }

    #[test]
    fn every_cut_is_an_error_or_a_shorter_profile() {
        let bytes = drawing();
        for len in 0..bytes.len() {
            if let Ok(profile) = parse(&bytes[..len]) {
                assert!(profile.samples().all(|sample| sample.frames().count() < 3));
            }
        }
    }

    #[test]
    fn references_to_what_is_not_there_are_refused() {
        let sample = [part(1, &[]), part(6, b""), part(2, &[0x0a, 1, 9, 0x12, 1, 1])].concat();
        let refused = parse(&sample);
        assert!(
            matches!(refused, Err(ProfileError::Dangling { what: "location", number: 9 })),
            "{refused:?}"
        );
        let ty = [part(1, &[1 << 3, 1]), part(6, b"")].concat();
        assert!(matches!(parse(&ty), Err(ProfileError::Dangling { what: "string", .. })));
        assert!(matches!(parse(&part(1, &[])), Err(ProfileError::FirstString)));
        let uneven = [part(1, &[]), part(6, b""), part(2, &[0x12, 2, 1, 2])].concat();
        let refused = parse(&uneven);
        assert!(matches!(refused, Err(ProfileError::ValueCount { found: 2, expected: 1 })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn a_damaged_profile_is_read_or_refused(at in 0..100_usize, byte: u8) {
            let mut bytes = drawing();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(profile) = parse(&bytes) {
                for sample in profile.samples() {
                    prop_assert!(sample.frames().count() < 100);
                    let _ = sample.number_label("bytes");
                }
            }
        }
    }
}
