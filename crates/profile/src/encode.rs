//! Writing a profile that was read, with all that was in it.
//!
//! Entries keep their ids, strings their numbers; unknown fields and labels that say nothing are
//! lost. Memory: a buffer of one entry, and what the compressor takes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::profile::{NONE, Profile, SampleType};
use crate::wire::{put_bytes, put_field, put_number};

/// A third larger than the best, in a fifth of the time.
const LEVEL: u32 = 1;

impl Profile {
    /// Writes the profile, gzipped, as pprof and Go's tools read it.
    ///
    /// # Errors
    ///
    /// Fails where writing to `out` does.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut packed = GzEncoder::new(out, Compression::new(LEVEL));
        self.write_plain(&mut packed)?;
        packed.finish()?.flush()
    }

    /// Writes the profile without compressing it.
    ///
    /// # Errors
    ///
    /// Fails where writing to `out` does.
    pub fn write_plain(&self, out: &mut impl Write) -> io::Result<()> {
        let mut writer = Writer { out, message: Vec::new(), bytes: Vec::new(), added: Vec::new() };
        writer.profile(self)
    }
}

struct Writer<'o, 'p, W> {
    out: &'o mut W,
    /// The entry that is being written.
    message: Vec<u8>,
    /// A part of it, or of what is put around it.
    bytes: Vec<u8>,
    /// Strings of the header that the table does not have yet.
    added: Vec<&'p str>,
}

impl<'p, W: Write> Writer<'_, 'p, W> {
    fn profile(&mut self, profile: &'p Profile) -> io::Result<()> {
        let header = &profile.header;
        for ty in &header.sample_types {
            self.value_type(profile, ty);
            self.entry(1)?;
        }
        for sample in 0..profile.samples.len() {
            self.sample(profile, sample);
            self.entry(2)?;
        }
        self.tables(profile)?;
        let [drop, keep, default, doc] = [
            &header.drop_frames,
            &header.keep_frames,
            &header.default_sample_type,
            &header.doc_url,
        ]
        .map(|text| self.string(profile, text));
        let comments: Vec<u64> =
            header.comments.iter().map(|comment| self.string(profile, comment)).collect();
        self.value_type(profile, &header.period_type);
        let period_type = std::mem::take(&mut self.message);

        if profile.strings.len() == 0 {
            put_bytes(&mut self.message, 6, b"");
        }
        for number in 0..profile.strings.len() {
            put_bytes(&mut self.message, 6, profile.strings.bytes(number as u32));
            self.flush()?;
        }
        for text in std::mem::take(&mut self.added) {
            put_bytes(&mut self.message, 6, text.as_bytes());
        }
        put_field(&mut self.message, 7, drop);
        put_field(&mut self.message, 8, keep);
        put_field(&mut self.message, 9, header.time_nanos as u64);
        put_field(&mut self.message, 10, header.duration_nanos as u64);
        if !period_type.is_empty() {
            put_bytes(&mut self.message, 11, &period_type);
        }
        put_field(&mut self.message, 12, header.period as u64);
        for comment in comments {
            put_number(&mut self.message, 13 << 3);
            put_number(&mut self.message, comment);
        }
        put_field(&mut self.message, 14, default);
        put_field(&mut self.message, 15, doc);
        self.flush()
    }

    fn sample(&mut self, profile: &Profile, sample: usize) {
        let Self { message, bytes, .. } = self;
        bytes.clear();
        for &call in profile.stack(sample) {
            put_number(bytes, profile.locations[call as usize].id);
        }
        if !bytes.is_empty() {
            put_bytes(message, 1, bytes);
        }
        bytes.clear();
        for column in 0..profile.sample_types().len() {
            put_number(bytes, profile.value(sample, column) as u64);
        }
        put_bytes(message, 2, bytes);
        for label in profile.labels_of(sample) {
            bytes.clear();
            put_field(bytes, 1, label.key.into());
            put_field(bytes, 2, label.text.into());
            put_field(bytes, 3, label.number as u64);
            put_field(bytes, 4, label.unit.into());
            put_bytes(message, 3, bytes);
        }
    }

    fn tables(&mut self, profile: &Profile) -> io::Result<()> {
        for mapping in &profile.mappings {
            let out = &mut self.message;
            put_field(out, 1, mapping.id);
            put_field(out, 2, mapping.start);
            put_field(out, 3, mapping.limit);
            put_field(out, 4, mapping.offset);
            put_field(out, 5, mapping.file.into());
            put_field(out, 6, mapping.build_id.into());
            for (number, has) in (7..).zip(mapping.has) {
                put_field(out, number, has.into());
            }
            self.entry(3)?;
        }
        for location in &profile.locations {
            let Self { message, bytes, .. } = self;
            put_field(message, 1, location.id);
            if location.mapping != NONE {
                put_field(message, 2, profile.mappings[location.mapping as usize].id);
            }
            put_field(message, 3, location.address);
            for line in profile.lines_of(location) {
                bytes.clear();
                put_field(bytes, 1, profile.functions[line.function as usize].id);
                put_field(bytes, 2, line.line as u64);
                put_field(bytes, 3, line.column as u64);
                put_bytes(message, 4, bytes);
            }
            put_field(message, 5, location.is_folded.into());
            self.entry(4)?;
        }
        for function in &profile.functions {
            let out = &mut self.message;
            put_field(out, 1, function.id);
            put_field(out, 2, function.name.into());
            put_field(out, 3, function.system_name.into());
            put_field(out, 4, function.file.into());
            put_field(out, 5, function.start_line as u64);
            self.entry(5)?;
        }
        Ok(())
    }

    fn value_type(&mut self, profile: &'p Profile, ty: &'p SampleType) {
        let [name, unit] = [&ty.name, &ty.unit].map(|text| self.string(profile, text));
        put_field(&mut self.message, 1, name);
        put_field(&mut self.message, 2, unit);
    }

    /// Numbers a string of the header.
    fn string(&mut self, profile: &'p Profile, text: &'p str) -> u64 {
        // There are few, and they come first in what Go writes.
        let table = profile.strings.len() as u64;
        if text.is_empty() {
            return 0;
        }
        let near = 0..table.min(64);
        if let Some(number) = near.into_iter().find(|&at| profile.strings.get(at as u32) == text) {
            return number;
        }
        let known = self.added.iter().position(|added| *added == text);
        let index = known.unwrap_or_else(|| {
            self.added.push(text);
            self.added.len() - 1
        });
        table.max(1) + index as u64
    }

    /// Puts the message out as a field of the profile.
    fn entry(&mut self, number: u64) -> io::Result<()> {
        self.bytes.clear();
        put_number(&mut self.bytes, number << 3 | 2);
        put_number(&mut self.bytes, self.message.len() as u64);
        self.out.write_all(&self.bytes)?;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.message)?;
        self.message.clear();
        Ok(())
    }
}
