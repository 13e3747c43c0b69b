//! `tophash profile --maps`: what part of a heap profile belongs to maps, and to which.
//!
//! Samples are put together by the place that shows: the innermost call outside of the runtime, and
//! below it by the call's address. Each address is judged by itself ([`judge`]), by the best that is
//! known: names in the profile, the program's code, the source line, an inspection, sizes alone. All
//! else adds up what was judged.

mod evidence;
mod frames;
mod growth;
mod judge;
mod names;
mod sizes;
mod source_line;
mod table;
mod tokens;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Result, bail};
use serde::Serialize;
use tophash_gomap::GoSource;
use tophash_profile::{Frame, Profile, Sample};

pub(crate) use evidence::InspectedMaps;
pub(crate) use growth::Trend;
pub(crate) use judge::{Certainty, Judgement, KnownBy};
pub(super) use table::{write_json, write_table};

use super::options::ProfileOptions;
use evidence::{Code, Inspected, Sources};
use frames::{FrameVerdict, is_pass_through};
use growth::Held;
use judge::CallFacts;
use sizes::{Size, SizeRules};

/// What is known beside profiles, to judge them by.
pub(crate) struct MapKnowledge<'o> {
    rules: SizeRules,
    sources: Sources<'o>,
    code: Option<Code>,
    inspected: Inspected,
}

/// Bytes and objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Figures {
    pub(crate) inuse_bytes: i64,
    pub(crate) inuse_objects: i64,
    pub(crate) alloc_bytes: i64,
    pub(crate) alloc_objects: i64,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.inuse_bytes = self.inuse_bytes.saturating_add(other.inuse_bytes);
        self.inuse_objects = self.inuse_objects.saturating_add(other.inuse_objects);
        self.alloc_bytes = self.alloc_bytes.saturating_add(other.alloc_bytes);
        self.alloc_objects = self.alloc_objects.saturating_add(other.alloc_objects);
    }

    fn held(self) -> Held {
        Held { inuse: self.inuse_bytes, allocated: self.alloc_bytes }
    }
}

/// A place in the program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Place {
    fn of(call: Frame<'_>) -> Self {
        Self {
            function: call.function.to_owned(),
            file: call.file.to_owned(),
            line: u32::try_from(call.line).unwrap_or(0),
        }
    }
}

/// A place that allocates maps, for sure or possibly: what is as sure of one place is one site.
#[derive(Debug, Clone)]
pub(crate) struct MapSite {
    pub(crate) place: Place,
    /// Of the place's calls, the one that holds most.
    pub(crate) judgement: Judgement,
    pub(crate) figures: Figures,
    /// Most bytes that one object has.
    pub(crate) largest: u64,
    pub(crate) trend: Option<Trend>,
    pub(crate) inspected: Option<InspectedMaps>,
}

/// Calls that allocate maps, of any number of profiles of one program.
#[derive(Debug, Default)]
pub(crate) struct MapCalls {
    by_place: HashMap<Place, CallsOfPlace>,
}

#[derive(Debug, Default)]
struct CallsOfPlace {
    addresses: HashSet<u64>,
    map_type: Option<String>,
}

impl MapCalls {
    /// Returns the place that a sample is charged to, if the sample is of a map.
    pub(crate) fn place<'p>(&self, sample: Sample<'p>) -> Option<Frame<'p>> {
        let (placed, innermost) = placed(sample)?;
        let calls = self.by_place.get(&Place::of(placed))?;
        calls.addresses.contains(&innermost.address).then_some(placed)
    }

    /// Returns the type of a place's maps, where it is known.
    pub(crate) fn map_type(&self, function: &str, file: &str, line: u32) -> Option<&str> {
        let place = Place { function: function.to_owned(), file: file.to_owned(), line };
        self.by_place.get(&place)?.map_type.as_deref()
    }
}

/// The maps of a profile.
pub(crate) struct MapView {
    /// The most bytes in use first.
    pub(crate) sites: Vec<MapSite>,
    pub(crate) total: Figures,
    pub(crate) certain: Figures,
    pub(crate) likely: Figures,
    pub(crate) possible: Figures,
    /// What is known to be no map; the rest is not told.
    pub(crate) other: Figures,
}

impl<'o> MapKnowledge<'o> {
    /// Prepares to judge profiles of the program that wrote `profile`.
    pub(crate) fn new(options: &'o ProfileOptions, profile: &Profile) -> Result<Self> {
        let code = options.exe.as_deref().map(|path| Code::read(path, profile)).transpose()?;
        let version = code.as_ref().map(|code| {
            let version = &code.version;
            match version.experiments() {
                [] => format!("1.{}", version.minor()),
                experiments => format!("1.{}-{}", version.minor(), experiments.join(",")),
            }
        });
        // An experiment without a layout of its own leaves maps as they are.
        let rules = match (options.go.as_deref(), version.as_deref()) {
            (Some(go), _) => SizeRules::new(Some(go))?,
            (None, Some(version)) => {
                SizeRules::new(Some(version)).or_else(|_| SizeRules::new(None))?
            }
            (None, None) => SizeRules::new(None)?,
        };
        let inspected = match &options.inspect {
            Some(path) => Inspected::read(Path::new(path))?,
            None => Inspected::default(),
        };
        Ok(Self { rules, sources: Sources::new(&options.source), code, inspected })
    }

    /// Judges every place of a profile.
    ///
    /// # Errors
    ///
    /// Fails where the profile is none of a heap.
    pub(crate) fn view(&self, profile: &Profile) -> Result<MapView> {
        let mut view = MapView {
            sites: Vec::new(),
            total: Figures::default(),
            certain: Figures::default(),
            likely: Figures::default(),
            possible: Figures::default(),
            other: Figures::default(),
        };
        let mut sites: HashMap<(Place, Certainty), (MapSite, i64)> = HashMap::new();
        self.judge(profile, |place, _, judgement, call| {
            view.count(&judgement, call.figures);
            let Some(certainty) = judgement.map else { return };
            let weight = call.figures.inuse_bytes.max(call.figures.alloc_bytes / 2);
            let largest = call.sizes.iter().map(|size| size.bytes).max().unwrap_or(0);
            let (site, most) = sites.entry((place.clone(), certainty)).or_insert_with(|| {
                let site = MapSite {
                    place: place.clone(),
                    judgement: judgement.clone(),
                    figures: Figures::default(),
                    largest: 0,
                    trend: None,
                    inspected: self.inspected.at(&place.function, place.line).cloned(),
                };
                (site, i64::MIN)
            });
            site.figures.add(call.figures);
            site.largest = site.largest.max(largest);
            if weight > *most {
                *most = weight;
                site.judgement = judgement;
            }
        })?;
        view.sites.extend(sites.into_values().map(|(mut site, _)| {
            site.trend = Trend::of(site.figures.held());
            site
        }));
        view.sites.sort_by(|a, b| {
            let key = |site: &MapSite| (site.figures.inuse_bytes, site.figures.alloc_bytes);
            key(b)
                .cmp(&key(a))
                .then_with(|| a.place.cmp(&b.place))
                .then_with(|| b.judgement.map.cmp(&a.judgement.map))
        });
        Ok(view)
    }

    /// Adds the calls of a profile that allocate maps, for sure or likely.
    ///
    /// # Errors
    ///
    /// Fails where the profile is none of a heap.
    pub(crate) fn add_calls(&self, profile: &Profile, calls: &mut MapCalls) -> Result<()> {
        self.judge(profile, |place, address, judgement, _| {
            if judgement.map >= Some(Certainty::Likely) {
                let of_place = calls.by_place.entry(place.clone()).or_default();
                of_place.addresses.insert(address);
                of_place.map_type = judgement.map_type.or(of_place.map_type.take());
            }
        })
    }

    /// Judges each call of each place: the place, the call's address, the judgement, and what the call
    /// allocated.
    fn judge(
        &self,
        profile: &Profile,
        mut take: impl FnMut(&Place, u64, Judgement, Call),
    ) -> Result<()> {
        let no_names = GoSource::default();
        for (line, calls) in lines_of(profile)? {
            let facts: Vec<CallFacts<'_>> = calls
                .iter()
                .map(|(address, call)| CallFacts {
                    sizes: &call.sizes,
                    frames: frames::verdict(line.leaf),
                    code: self.called(*address),
                })
                .collect();
            let is_told = facts.iter().all(|call| call.frames.is_some() || call.code.is_some());
            let inspected = self.inspected.at(&line.place.function, line.place.line);
            // What passes on has a line of its own, which is not the place's.
            let source = match is_told && inspected.is_none() {
                true => None,
                false => self.sources.line(&line.place.file, line.place.line),
            };
            let source = source.as_ref().map(|(facts, names)| (facts, &**names));
            let names = source.map_or(&no_names, |(_, names)| names);
            let types = inspected.map_or(&[][..], |maps| &maps.types);
            let judged =
                judge::line(&self.rules, names, &facts, source.map(|(facts, _)| facts), types);
            for (judgement, (address, call)) in judged.into_iter().zip(calls) {
                take(&line.place, address, judgement, call);
            }
        }
        Ok(())
    }

    fn called(&self, address: u64) -> Option<(FrameVerdict, Option<&str>)> {
        let call = self.code.as_ref()?.call(address)?;
        let verdict = frames::verdict(&call.function)?;
        Some((verdict, call.map_type.as_deref()))
    }
}

impl MapView {
    /// Tells growth from churn by what has changed since an earlier profile.
    pub(crate) fn compare(&mut self, before: &Self) {
        let mut earlier: HashMap<&Place, Figures> = HashMap::new();
        let mut now: HashMap<Place, Figures> = HashMap::new();
        // Both profiles need not make the same calls as sure.
        for site in &before.sites {
            earlier.entry(&site.place).or_default().add(site.figures);
        }
        for site in &self.sites {
            now.entry(site.place.clone()).or_default().add(site.figures);
        }
        for site in &mut self.sites {
            let before = earlier.get(&site.place).copied().unwrap_or_default();
            let held = now.get(&site.place).copied().unwrap_or_default().held();
            site.trend = Trend::since(held, before.held());
        }
    }

    fn count(&mut self, judgement: &Judgement, figures: Figures) {
        self.total.add(figures);
        match judgement.map {
            Some(Certainty::Certain) => self.certain.add(figures),
            Some(Certainty::Likely) => self.likely.add(figures),
            Some(Certainty::Possible) => self.possible.add(figures),
            None if judgement.known_by != KnownBy::Sizes => self.other.add(figures),
            None => {}
        }
    }

    /// Returns what can't be told to be maps or not.
    pub(crate) fn untold(&self) -> Figures {
        let mut rest = self.total;
        for known in [self.certain, self.likely, self.possible, self.other] {
            rest.add(Figures {
                inuse_bytes: -known.inuse_bytes,
                inuse_objects: -known.inuse_objects,
                alloc_bytes: -known.alloc_bytes,
                alloc_objects: -known.alloc_objects,
            });
        }
        rest
    }
}

/// A place, and the function below it that the profile names innermost.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line<'p> {
    place: Place,
    leaf: &'p str,
}

/// What one call allocated.
#[derive(Default)]
struct Call {
    sizes: Vec<Size>,
    figures: Figures,
}

fn lines_of(profile: &Profile) -> Result<BTreeMap<Line<'_>, BTreeMap<u64, Call>>> {
    let [inuse_bytes, inuse_objects, alloc_bytes, alloc_objects] =
        ["inuse_space", "inuse_objects", "alloc_space", "alloc_objects"]
            .map(|name| profile.column(name));
    if inuse_bytes.is_none() && alloc_bytes.is_none() {
        bail!(
            "--maps needs a heap profile: take one from /debug/pprof/heap or /debug/pprof/allocs"
        );
    }
    let mut lines: BTreeMap<Line<'_>, BTreeMap<u64, Call>> = BTreeMap::new();
    for sample in profile.samples() {
        let Some((placed, innermost)) = placed(sample) else { continue };
        let place = Place::of(placed);
        let value = |column: Option<usize>| column.map_or(0, |column| sample.value(column));
        let figures = Figures {
            inuse_bytes: value(inuse_bytes),
            inuse_objects: value(inuse_objects),
            alloc_bytes: value(alloc_bytes),
            alloc_objects: value(alloc_objects),
        };
        let objects = figures.alloc_objects.max(figures.inuse_objects);
        let size = sample.number_label("bytes").and_then(|size| u64::try_from(size).ok());
        let leaf = frames::verdict(innermost.function).map_or("", |_| innermost.function);
        let call =
            lines.entry(Line { place, leaf }).or_default().entry(innermost.address).or_default();
        call.figures.add(figures);
        if let Some(bytes) = size {
            match call.sizes.iter_mut().find(|size| size.bytes == bytes) {
                Some(size) => size.objects = size.objects.saturating_add(objects),
                None => call.sizes.push(Size { bytes, objects }),
            }
        }
    }
    Ok(lines)
}

/// Returns the call that a sample is charged to, and the innermost one that the profile names.
fn placed(sample: Sample<'_>) -> Option<(Frame<'_>, Frame<'_>)> {
    let mut calls = sample.frames();
    let innermost = calls.next()?;
    // Who made or grew a map called the functions that did it, where these are named.
    let placed = match frames::verdict(innermost.function) {
        Some(FrameVerdict::Map | FrameVerdict::SyncMap) if is_pass_through(innermost.function) => {
            calls.find(|call| !is_pass_through(call.function)).unwrap_or(innermost)
        }
        _ => innermost,
    };
    Some((placed, innermost))
}
