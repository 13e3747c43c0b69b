//! Reading: the fields of the profile one after the other, each sample into reused buffers.
//!
//! Samples come before what they refer to, so that they keep ids until all is read. Every reference
//! is checked once, here; later look-ups can't fail.
//!
//! Memory: the expanded bytes, at most 4 GiB, and the columns, which are smaller.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost::{DecodeError, Message};

use crate::ProfileError;
use crate::messages;
use crate::profile::{
    FunctionEntry, LabelEntry, LineEntry, LocationEntry, Profile, SampleEntry, SampleType,
};

const LIMIT_MIB: usize = 4096;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Fields of the profile message.
mod field {
    pub(super) const SAMPLE_TYPE: u32 = 1;
    pub(super) const SAMPLE: u32 = 2;
    pub(super) const LOCATION: u32 = 4;
    pub(super) const FUNCTION: u32 = 5;
    pub(super) const STRING: u32 = 6;
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Profile, ProfileError> {
    let bytes = expand(bytes)?;
    let mut builder = Builder::default();
    let mut rest: &[u8] = &bytes;
    while rest.has_remaining() {
        let offset = bytes.len() - rest.len();
        builder.field(&mut rest).map_err(|fault| match fault {
            Fault::Message(source) => ProfileError::NotAProfile { offset, source },
            Fault::Profile(fault) => fault,
        })?;
    }
    builder.finish()
}

fn expand(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ProfileError> {
    if !bytes.starts_with(&GZIP) {
        return Ok(Cow::Borrowed(bytes));
    }
    let limit = LIMIT_MIB << 20;
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(ProfileError::Compression)?;
    if out.len() > limit {
        return Err(ProfileError::TooLarge { limit_mib: LIMIT_MIB });
    }
    Ok(Cow::Owned(out))
}

enum Fault {
    Message(DecodeError),
    Profile(ProfileError),
}

impl From<DecodeError> for Fault {
    fn from(fault: DecodeError) -> Self {
        Self::Message(fault)
    }
}

impl From<ProfileError> for Fault {
    fn from(fault: ProfileError) -> Self {
        Self::Profile(fault)
    }
}

/// Everything read so far, with the ids that the file uses.
#[derive(Default)]
struct Builder {
    profile: Profile,
    types: Vec<messages::ValueType>,
    functions: Vec<messages::Function>,
    locations: Vec<messages::Location>,
    /// Location ids, by sample.
    stacks: Vec<u64>,
    /// Keys and numbers.
    labels: Vec<(i64, i64)>,
    sample: messages::Sample,
    value_counts: Option<(usize, bool)>,
}

impl Builder {
    fn field(&mut self, rest: &mut &[u8]) -> Result<(), Fault> {
        let (tag, wire) = decode_key(rest)?;
        if wire != WireType::LengthDelimited {
            skip_field(wire, tag, rest, DecodeContext::default())?;
            return Ok(());
        }
        let len = decode_varint(rest)?;
        let body = usize::try_from(len).ok().and_then(|len| rest.split_at_checked(len));
        let (body, after) = body.ok_or(ProfileError::CutOff)?;
        *rest = after;
        match tag {
            field::SAMPLE_TYPE => self.types.push(Message::decode(body)?),
            field::SAMPLE => self.sample(body)?,
            field::LOCATION => self.locations.push(Message::decode(body)?),
            field::FUNCTION => self.functions.push(Message::decode(body)?),
            field::STRING => {
                self.profile.strings.push(String::from_utf8_lossy(body).into_owned());
            }
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, body: &[u8]) -> Result<(), Fault> {
        self.sample.clear();
        self.sample.merge(body)?;
        let count = self.sample.values.len();
        let (first, is_even) = self.value_counts.unwrap_or((count, true));
        self.value_counts = Some((first, is_even && first == count));
        self.profile.values.extend(&self.sample.values);
        self.stacks.extend(&self.sample.locations);
        // Labels with a text have no number.
        let numbers = self.sample.labels.iter().filter(|label| label.text == 0);
        self.labels.extend(numbers.map(|label| (label.key, label.number)));
        let entry = SampleEntry {
            stack_end: narrow(self.stacks.len(), "calls")?,
            labels_end: narrow(self.labels.len(), "labels")?,
        };
        self.profile.samples.push(entry);
        narrow(self.profile.samples.len(), "samples")?;
        Ok(())
    }

    /// Turns ids into positions, and checks that all that is referred to is there.
    fn finish(self) -> Result<Profile, ProfileError> {
        let Self { mut profile, types, functions, locations, stacks, labels, .. } = self;
        if let Some((found, is_even)) = self.value_counts
            && (found != types.len() || !is_even)
        {
            return Err(ProfileError::ValueCount { found, expected: types.len() });
        }
        let strings = profile.strings.len();
        let string = |number: i64| match u32::try_from(number) {
            Ok(index) if (index as usize) < strings => Ok(index),
            _ => Err(ProfileError::Dangling { what: "string", number: number as u64 }),
        };
        let text = |number| Ok(profile.strings[string(number)? as usize].clone());
        let sample_types: Result<_, ProfileError> = types
            .iter()
            .map(|ty| Ok(SampleType { name: text(ty.ty)?, unit: text(ty.unit)? }))
            .collect();
        profile.sample_types = sample_types?;

        let mut function_ids = HashMap::with_capacity(functions.len());
        for function in &functions {
            function_ids.insert(function.id, narrow(profile.functions.len(), "functions")?);
            let entry =
                FunctionEntry { name: string(function.name)?, file: string(function.file)? };
            profile.functions.push(entry);
        }
        let mut location_ids = HashMap::with_capacity(locations.len());
        for location in &locations {
            location_ids.insert(location.id, narrow(profile.locations.len(), "locations")?);
            let start = narrow(profile.lines.len(), "lines")?;
            for line in &location.lines {
                let function = *function_ids
                    .get(&line.function)
                    .ok_or(ProfileError::Dangling { what: "function", number: line.function })?;
                profile.lines.push(LineEntry { function, line: line.line });
            }
            let lines = start..narrow(profile.lines.len(), "lines")?;
            profile.locations.push(LocationEntry { address: location.address, lines });
        }
        let location = |id: &u64| {
            let found = location_ids.get(id).copied();
            found.ok_or(ProfileError::Dangling { what: "location", number: *id })
        };
        profile.stacks = stacks.iter().map(location).collect::<Result<_, _>>()?;
        let label = |&(key, number): &(i64, i64)| Ok(LabelEntry { key: string(key)?, number });
        profile.labels = labels.iter().map(label).collect::<Result<_, ProfileError>>()?;
        Ok(profile)
    }
}

fn narrow(count: usize, what: &'static str) -> Result<u32, ProfileError> {
    u32::try_from(count).map_err(|_| ProfileError::TooMany { what })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

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
        let sample = part(2, &[0x0a, 1, 9]);
        let refused = parse(&sample);
        assert!(
            matches!(refused, Err(ProfileError::Dangling { what: "location", number: 9 })),
            "{refused:?}"
        );
        let ty = part(1, &[1 << 3, 1]);
        assert!(matches!(parse(&ty), Err(ProfileError::Dangling { what: "string", .. })));
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
