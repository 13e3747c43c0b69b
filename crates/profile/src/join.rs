//! Profiles joined into one, added or taken away: merging, and both ways to compare.
//!
//! Equal stacks with equal labels become one sample. Profiles are added one at a time and let go of,
//! so that memory holds the result and one more. Sources: `profile/merge.go` of
//! github.com/google/pprof, for what is equal to what.

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable, hash_table};
use std::hash::BuildHasher;

use crate::profile::{
    FunctionEntry, LabelEntry, LineEntry, LocationEntry, MappingEntry, NONE, Profile, SampleEntry,
};
use crate::{ProfileError, units};

/// The label of what was taken away, by which shares are of the earlier profile.
pub(crate) const BASE_LABEL: (&str, &str) = ("pprof::base", "true");

/// How a profile is compared with an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Values of the earlier one are taken away; shares are of what is left (`-base`). For profiles
    /// that only grow, such as of allocations since the start.
    Since,
    /// The same, but shares are of the earlier one (`-diff_base`). For profiles of two states.
    Difference,
}

/// Profiles that are being joined.
#[derive(Debug, Default)]
pub struct Joiner {
    joined: Profile,
    count: usize,
    hasher: DefaultHashBuilder,
    strings: HashTable<u32>,
    functions: HashMap<(i64, u32, u32, u32), u32>,
    mappings: HashMap<(u64, u64, u32), u32>,
    locations: HashTable<u32>,
    samples: HashTable<u32>,
}

/// Where entries of a profile are in the joined one; [`NONE`] until asked for.
struct Positions {
    strings: Vec<u32>,
    functions: Vec<u32>,
    mappings: Vec<u32>,
    locations: Vec<u32>,
}

impl Joiner {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a profile.
    ///
    /// # Errors
    ///
    /// Fails where it is of other things than those before, or sums get too large.
    pub fn add(&mut self, profile: Profile) -> Result<(), ProfileError> {
        self.include(profile, 1, false)
    }

    /// Takes an earlier profile away.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn take_away(&mut self, profile: Profile, how: Comparison) -> Result<(), ProfileError> {
        self.include(profile, -1, how == Comparison::Difference)
    }

    /// Returns what was joined, without samples that came to nothing. What only these named is
    /// still in its tables: [`Profile::without_unused`] takes that out.
    ///
    /// # Errors
    ///
    /// Fails where sums got too large.
    pub fn finish(self) -> Result<Profile, ProfileError> {
        let mut joined = self.joined;
        joined.drop_zero_samples();
        joined.check_sums()?;
        Ok(joined)
    }

    fn include(&mut self, profile: Profile, sign: i64, is_base: bool) -> Result<(), ProfileError> {
        let columns = self.agree(&profile)?;
        self.combine_headers(&profile);
        let mut positions = Positions {
            strings: vec![NONE; profile.strings.len()],
            functions: vec![NONE; profile.functions.len()],
            mappings: vec![NONE; profile.mappings.len()],
            locations: vec![NONE; profile.locations.len()],
        };
        if self.joined.strings.len() == 0 {
            self.intern(b"")?;
        }
        if self.joined.mappings.is_empty() && !profile.mappings.is_empty() {
            // The first one is the program.
            self.mapping(&profile, &mut positions, 0)?;
        }
        let base_label = match is_base {
            false => None,
            true => Some(LabelEntry {
                key: self.intern(BASE_LABEL.0.as_bytes())?,
                text: self.intern(BASE_LABEL.1.as_bytes())?,
                number: 0,
                unit: 0,
            }),
        };
        let types = self.joined.sample_types().len();
        let (mut stack, mut labels, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for sample in 0..profile.samples.len() {
            values.clear();
            for &(column, factor) in &columns {
                let value = profile.value(sample, column);
                values.push(scaled(value, factor).saturating_mul(sign));
            }
            if values.iter().all(|&value| value == 0) {
                continue;
            }
            stack.clear();
            for &location in profile.stack(sample) {
                let known = positions.locations[location as usize];
                stack.push(match known {
                    NONE => self.location(&profile, &mut positions, location)?,
                    _ => known,
                });
            }
            labels.clear();
            for label in profile.labels_of(sample) {
                labels.push(LabelEntry {
                    key: self.string(&profile, &mut positions, label.key)?,
                    text: self.string(&profile, &mut positions, label.text)?,
                    number: label.number,
                    unit: self.string(&profile, &mut positions, label.unit)?,
                });
            }
            labels.extend(base_label);
            labels.sort_by_key(|label| (label.text == 0, label.key));
            self.sample(&stack, &labels, &values, types)?;
        }
        Ok(())
    }

    /// Finds the columns that both have. What the new one lacks is dropped from the joined one.
    fn agree(&mut self, profile: &Profile) -> Result<Vec<(usize, f64)>, ProfileError> {
        self.count += 1;
        if self.count == 1 {
            self.joined.header = profile.header.clone();
            return Ok((0..profile.sample_types().len()).map(|column| (column, 1.0)).collect());
        }
        let names = |profile: &Profile| {
            let types: Vec<_> = profile.sample_types().iter().map(|ty| ty.name.as_str()).collect();
            match profile.header.period_type.name.as_str() {
                "" => types.join(", "),
                period => format!("{}, sampled by {period}", types.join(", ")),
            }
        };
        let incompatible =
            || ProfileError::Incompatible { first: names(&self.joined), second: names(profile) };
        if self.joined.header.period_type.name != profile.header.period_type.name {
            return Err(incompatible());
        }
        let mut kept = Vec::new();
        let mut columns = Vec::new();
        for (index, ty) in self.joined.sample_types().iter().enumerate() {
            let Some(column) = profile.column(&ty.name) else { continue };
            let unit = &profile.sample_types()[column].unit;
            let Some(ratio) = units::ratio(unit, &ty.unit) else { return Err(incompatible()) };
            // The finer of two units is kept.
            let (own, new) = if ratio < 1.0 { (1.0 / ratio, 1.0) } else { (1.0, ratio) };
            let unit = if ratio < 1.0 { unit.clone() } else { ty.unit.clone() };
            kept.push((index, own, unit));
            columns.push((column, new));
        }
        if kept.is_empty() {
            return Err(incompatible());
        }
        self.keep_columns(&kept);
        Ok(columns)
    }

    fn keep_columns(&mut self, kept: &[(usize, f64, String)]) {
        let types = self.joined.sample_types().len();
        if kept.len() == types && kept.iter().all(|(_, factor, _)| *factor == 1.0) {
            return;
        }
        let mut values = Vec::with_capacity(self.joined.samples.len() * kept.len());
        for row in self.joined.values.chunks_exact(types) {
            values.extend(kept.iter().map(|&(index, factor, _)| scaled(row[index], factor)));
        }
        self.joined.values = values;
        let header = &mut self.joined.header;
        header.sample_types = kept
            .iter()
            .map(|(index, _, unit)| {
                let mut ty = header.sample_types[*index].clone();
                ty.unit.clone_from(unit);
                ty
            })
            .collect();
        if !header.sample_types.iter().any(|ty| ty.name == header.default_sample_type) {
            header.default_sample_type.clone_from(&header.sample_types[0].name);
        }
    }

    fn combine_headers(&mut self, profile: &Profile) {
        if self.count == 1 {
            return;
        }
        let (own, new) = (&mut self.joined.header, &profile.header);
        if own.time_nanos == 0 || new.time_nanos < own.time_nanos {
            own.time_nanos = new.time_nanos;
        }
        own.duration_nanos = own.duration_nanos.saturating_add(new.duration_nanos);
        own.period = own.period.max(new.period);
        for comment in &new.comments {
            if !own.comments.contains(comment) {
                own.comments.push(comment.clone());
            }
        }
        for (own, new) in [
            (&mut own.default_sample_type, &new.default_sample_type),
            (&mut own.doc_url, &new.doc_url),
        ] {
            if own.is_empty() {
                own.clone_from(new);
            }
        }
    }

    fn sample(
        &mut self,
        stack: &[u32],
        labels: &[LabelEntry],
        values: &[i64],
        types: usize,
    ) -> Result<(), ProfileError> {
        let Self { joined, samples, hasher, .. } = self;
        let hash = hasher.hash_one((stack, labels));
        let is_same = |&known: &u32| {
            joined.stack(known as usize) == stack && joined.labels_of(known as usize) == labels
        };
        if let Some(&known) = samples.find(hash, is_same) {
            let start = known as usize * types;
            for (index, (sum, value)) in joined.values[start..].iter_mut().zip(values).enumerate() {
                *sum = sum.checked_add(*value).ok_or_else(|| ProfileError::Overflow {
                    sample_type: joined.header.sample_types[index].name.clone(),
                })?;
            }
            return Ok(());
        }
        let number = position(joined.samples.len(), "samples")?;
        joined.stacks.extend_from_slice(stack);
        joined.labels.extend_from_slice(labels);
        joined.values.extend_from_slice(values);
        joined.samples.push(SampleEntry {
            stack_end: position(joined.stacks.len(), "calls")?,
            labels_end: position(joined.labels.len(), "labels")?,
        });
        samples.insert_unique(hash, number, |&known| {
            let known = known as usize;
            hasher.hash_one((joined.stack(known), joined.labels_of(known)))
        });
        Ok(())
    }

    fn location(
        &mut self,
        profile: &Profile,
        positions: &mut Positions,
        at: u32,
    ) -> Result<u32, ProfileError> {
        let source = &profile.locations[at as usize];
        let (mapping, moved) = match source.mapping {
            NONE => (NONE, 0),
            mapping => {
                let own = self.mapping(profile, positions, mapping)?;
                let start = self.joined.mappings[own as usize].start;
                (own, start.wrapping_sub(profile.mappings[mapping as usize].start))
            }
        };
        let mut lines = Vec::new();
        for line in profile.lines_of(source) {
            let function = self.function(profile, positions, line.function)?;
            lines.push(LineEntry { function, ..*line });
        }
        let address = source.address.wrapping_add(moved);
        let Self { joined, locations, hasher, .. } = self;
        let key = (address, mapping, source.is_folded);
        let key_of = |entry: &LocationEntry| (entry.address, entry.mapping, entry.is_folded);
        let is_same = |&known: &u32| {
            let known = &joined.locations[known as usize];
            key_of(known) == key && joined.lines_of(known) == lines
        };
        let hash = hasher.hash_one((key, &lines[..]));
        let own = match locations.find(hash, is_same) {
            Some(&known) => known,
            None => {
                let own = position(joined.locations.len(), "locations")?;
                let start = position(joined.lines.len(), "lines")?;
                joined.lines.extend_from_slice(&lines);
                joined.locations.push(LocationEntry {
                    id: u64::from(own) + 1,
                    address,
                    mapping,
                    lines: start..position(joined.lines.len(), "lines")?,
                    is_folded: source.is_folded,
                });
                locations.insert_unique(hash, own, |&known| {
                    let known = &joined.locations[known as usize];
                    hasher.hash_one((key_of(known), joined.lines_of(known)))
                });
                own
            }
        };
        positions.locations[at as usize] = own;
        Ok(own)
    }

    fn mapping(
        &mut self,
        profile: &Profile,
        positions: &mut Positions,
        at: u32,
    ) -> Result<u32, ProfileError> {
        const PAGE: u64 = 0x1000;
        let known = positions.mappings[at as usize];
        if known != NONE {
            return Ok(known);
        }
        let source = profile.mappings[at as usize];
        let file = self.string(profile, positions, source.file)?;
        let build_id = self.string(profile, positions, source.build_id)?;
        let size = source.limit.wrapping_sub(source.start).wrapping_add(PAGE - 1) / PAGE;
        let name = if build_id == 0 { file } else { build_id };
        let mappings = &mut self.joined.mappings;
        let own = match self.mappings.entry((size, source.offset, name)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let own = position(mappings.len(), "mappings")?;
                mappings.push(MappingEntry { id: u64::from(own) + 1, file, build_id, ..source });
                *free.insert(own)
            }
        };
        positions.mappings[at as usize] = own;
        Ok(own)
    }

    fn function(
        &mut self,
        profile: &Profile,
        positions: &mut Positions,
        at: u32,
    ) -> Result<u32, ProfileError> {
        let known = positions.functions[at as usize];
        if known != NONE {
            return Ok(known);
        }
        let source = profile.functions[at as usize];
        let name = self.string(profile, positions, source.name)?;
        let system_name = self.string(profile, positions, source.system_name)?;
        let file = self.string(profile, positions, source.file)?;
        let functions = &mut self.joined.functions;
        let own = match self.functions.entry((source.start_line, name, system_name, file)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                let own = position(functions.len(), "functions")?;
                let start_line = source.start_line;
                let id = u64::from(own) + 1;
                functions.push(FunctionEntry { id, name, system_name, file, start_line });
                *free.insert(own)
            }
        };
        positions.functions[at as usize] = own;
        Ok(own)
    }

    fn string(
        &mut self,
        profile: &Profile,
        positions: &mut Positions,
        at: u32,
    ) -> Result<u32, ProfileError> {
        match positions.strings.get(at as usize) {
            Some(&NONE) => {
                let own = self.intern(profile.strings.bytes(at))?;
                positions.strings[at as usize] = own;
                Ok(own)
            }
            Some(&known) => Ok(known),
            None => Ok(0),
        }
    }

    fn intern(&mut self, text: &[u8]) -> Result<u32, ProfileError> {
        let Self { joined, strings, hasher, .. } = self;
        let table = &mut joined.strings;
        let hash = hasher.hash_one(text);
        match strings.entry(
            hash,
            |&known| table.bytes(known) == text,
            |&known| hasher.hash_one(table.bytes(known)),
        ) {
            hash_table::Entry::Occupied(known) => Ok(*known.get()),
            hash_table::Entry::Vacant(free) => {
                let number = table.push(text)?;
                free.insert(number);
                Ok(number)
            }
        }
    }
}

impl Profile {
    /// Takes out what no sample names, and numbers the rest in order, as pprof does to what it
    /// compared.
    ///
    /// # Errors
    ///
    /// None that a profile which was read or joined can have.
    pub fn without_unused(self) -> Result<Self, ProfileError> {
        let mut used = vec![false; self.locations.len()];
        for &call in &self.stacks {
            used[call as usize] = true;
        }
        if !used.contains(&false) {
            return Ok(self);
        }
        let mut joiner = Joiner::new();
        joiner.add(self)?;
        Ok(joiner.joined)
    }
}

fn scaled(value: i64, factor: f64) -> i64 {
    if factor == 1.0 { value } else { (value as f64 * factor).round() as i64 }
}

fn position(count: usize, what: &'static str) -> Result<u32, ProfileError> {
    u32::try_from(count).ok().filter(|&count| count != NONE).ok_or(ProfileError::TooMany { what })
}
