//! Many profiles, each reduced to values by site.
//!
//! Profiles are read one at a time, and each is reduced at once to values by site: a function and line,
//! the innermost that is not the runtime's. So memory follows the number of sites and profiles, not the
//! size of profiles; and where that is too much, the smallest sites become one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tophash_profile::{Filter, Frame, Profile, Sample};

use super::super::fetch;
use super::super::options::FetchOptions;
use crate::http;

/// More profiles are thinned out.
const MOST_PROFILES: usize = 4096;
/// Values by site and profile, 40 bytes each; from there on the smallest sites become one.
const MOST_CELLS: usize = 2_000_000;
/// How files of profiles are called, where a folder is named.
const ENDINGS: [&str; 5] = [".pb.gz", ".pb", ".pprof", ".prof", ".profile"];
/// What the smallest sites become.
const OTHERS: &str = "(smaller ones)";
/// A day before 1980 is no day on which a profile was taken.
const EARLIEST_NANOS: i64 = 315_532_800_000_000_000;

/// Where something was allocated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Site {
    pub(super) function: String,
    pub(super) file: String,
    /// 0 where sites are whole functions.
    pub(super) line: i64,
}

/// What a profile says of a site, as far as it says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Values {
    /// Bytes in use, or whatever is followed.
    pub(super) in_use: i64,
    /// Bytes allocated since the start.
    pub(super) allocated: i64,
}

impl Values {
    fn add(&mut self, other: Self) {
        self.in_use = self.in_use.saturating_add(other.in_use);
        self.allocated = self.allocated.saturating_add(other.allocated);
    }
}

/// Where times come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Clock {
    /// Each profile says when it was taken.
    Profiles,
    /// Some don't, and the time of the file had to do.
    Files,
    /// Nothing tells; they count as a second apart, in their order.
    Order,
}

/// Says which call a sample is charged to; with `None` it is not counted.
pub(super) type SiteOf<'w> = dyn for<'p> Fn(Sample<'p>) -> Option<Frame<'p>> + 'w;

/// Many profiles, reduced.
#[derive(Debug)]
pub(super) struct Gathered {
    /// When each was taken, in seconds since 1970.
    pub(super) times: Vec<f64>,
    pub(super) names: Vec<String>,
    pub(super) totals: Vec<Values>,
    pub(super) clock: Clock,
    /// The column that is followed, and in what it is counted.
    pub(super) sample_type: String,
    pub(super) unit: String,
    /// Whether profiles tell what was allocated, too.
    pub(super) has_allocated: bool,
    /// What lies between two samples, on average.
    pub(super) period: i64,
    /// By site the profiles that name it, and what they say.
    pub(super) sites: HashMap<Site, Vec<(u32, Values)>>,
    cells: usize,
}

/// Reads all profiles of some files and folders. Returns with them what is to be known about that.
pub(super) fn gather(
    sources: &[String],
    options: &FetchOptions,
    filter: &Filter,
    sample_type: Option<&str>,
    site_of: &SiteOf<'_>,
) -> Result<(Gathered, Vec<String>)> {
    let mut gathered = Gathered::empty();
    let mut notes = each_profile(sources, options, filter, |profile, path| {
        let added = gathered.add(&profile, path, sample_type, site_of);
        added.with_context(|| format!("{} is of another kind", path.display()))
    })?;
    gathered.order();
    match gathered.clock {
        Clock::Profiles => {}
        Clock::Files => notes.push(
            "some profiles don't say when they were taken: the time of their file had to do"
                .to_owned(),
        ),
        Clock::Order => notes.push(
            "nothing says when the profiles were taken: they count as a second apart, in order"
                .to_owned(),
        ),
    }
    let restarts = gathered.restarts();
    if restarts > 0 {
        notes.push(format!(
            "what was allocated since the start falls {restarts} times: the program was started anew, \
             and each start looks like a step"
        ));
    }
    Ok((gathered, notes))
}

/// Reads all profiles of some files and folders, one at a time, without what filters leave out. Returns
/// what is to be known about that.
pub(super) fn each_profile(
    sources: &[String],
    options: &FetchOptions,
    filter: &Filter,
    mut take: impl FnMut(Profile, &Path) -> Result<()>,
) -> Result<Vec<String>> {
    let (files, mut notes) = files(sources)?;
    let mut skipped: Vec<String> = Vec::new();
    let mut taken = 0;
    for (path, is_named) in files {
        let name = path.display().to_string();
        match fetch::load(&name, options) {
            Ok((mut profile, _)) => {
                filter.apply(&mut profile);
                take(profile, &path)?;
                taken += 1;
            }
            Err(fault) if is_named => return Err(fault),
            Err(_) => skipped.push(name),
        }
    }
    if let [first, ..] = skipped.as_slice() {
        notes.push(format!("{} files are no profiles, such as {first}", skipped.len()));
    }
    if taken == 0 {
        bail!("there is no profile among what was named");
    }
    Ok(notes)
}

impl Gathered {
    fn empty() -> Self {
        Self {
            times: Vec::new(),
            names: Vec::new(),
            totals: Vec::new(),
            clock: Clock::Profiles,
            sample_type: String::new(),
            unit: String::new(),
            has_allocated: false,
            period: 0,
            sites: HashMap::new(),
            cells: 0,
        }
    }

    fn add(
        &mut self,
        profile: &Profile,
        path: &Path,
        sample_type: Option<&str>,
        site_of: &SiteOf<'_>,
    ) -> Result<()> {
        let in_use = match sample_type {
            None => profile.column("inuse_space"),
            Some(_) => None,
        };
        let in_use = in_use.map_or_else(|| profile.column_meant(sample_type), Ok)?;
        let ty = &profile.sample_types()[in_use];
        if self.times.is_empty() {
            (self.sample_type, self.unit) = (ty.name.clone(), ty.unit.clone());
        } else if ty.name != self.sample_type {
            bail!("it has {} where those before have {}", ty.name, self.sample_type);
        }
        let allocated = match ty.name.as_str() {
            "inuse_objects" => profile.column("alloc_objects"),
            "inuse_space" => profile.column("alloc_space"),
            _ => None,
        };
        self.has_allocated = allocated.is_some();
        if let ("space", period) = (profile.period().0.name.as_str(), profile.period().1) {
            self.period = period.max(0);
        }
        let index = self.times.len() as u32;
        let time = self.time(profile, path);
        self.times.push(time);
        self.names.push(path.display().to_string());
        let mut found: HashMap<(&str, &str, i64), Values> = HashMap::new();
        let mut total = Values::default();
        for sample in profile.samples() {
            let Some(frame) = site_of(sample) else { continue };
            let values = Values {
                in_use: sample.value(in_use),
                allocated: allocated.map_or(0, |column| sample.value(column)),
            };
            total.add(values);
            found.entry((frame.function, frame.file, frame.line)).or_default().add(values);
        }
        self.totals.push(total);
        self.cells += found.len();
        for ((function, file, line), values) in found {
            let site = Site { function: function.to_owned(), file: file.to_owned(), line };
            self.sites.entry(site).or_default().push((index, values));
        }
        if self.cells > MOST_CELLS {
            self.fold_smallest();
        }
        Ok(())
    }

    fn time(&mut self, profile: &Profile, path: &Path) -> f64 {
        let nanos = profile.time_nanos();
        if nanos > EARLIEST_NANOS {
            return nanos as f64 / 1e9;
        }
        if self.clock == Clock::Profiles {
            self.clock = Clock::Files;
        }
        let changed = std::fs::metadata(path).and_then(|about| about.modified()).ok();
        let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        since.map_or(0.0, |since| since.as_secs_f64())
    }

    /// Makes one of the smaller half of all sites.
    fn fold_smallest(&mut self) {
        let largest = |cells: &[(u32, Values)]| {
            cells.iter().map(|(_, it)| it.in_use.unsigned_abs()).max().unwrap_or(0)
        };
        let mut sizes: Vec<_> = self.sites.values().map(|cells| largest(cells)).collect();
        sizes.sort_unstable();
        let middle = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        let mut others = vec![Values::default(); self.times.len()];
        self.sites.retain(|site, cells| {
            let stays = largest(cells) > middle && site.function != OTHERS;
            if !stays {
                for (index, values) in cells.iter() {
                    if let Some(other) = others.get_mut(*index as usize) {
                        other.add(*values);
                    }
                }
            }
            stays
        });
        let others = others.into_iter().enumerate().map(|(index, it)| (index as u32, it)).collect();
        let site = Site { function: OTHERS.to_owned(), file: String::new(), line: 0 };
        self.sites.insert(site, others);
        self.cells = self.sites.values().map(Vec::len).sum();
    }

    /// Brings profiles into the order of time.
    fn order(&mut self) {
        let mut order: Vec<_> = (0..self.times.len()).collect();
        order.sort_by(|a, b| self.times[*a].total_cmp(&self.times[*b]));
        let first = self.times[order[0]];
        let last = self.times[order[order.len() - 1]];
        if last <= first && order.len() > 1 {
            self.clock = Clock::Order;
            self.times = (0..order.len()).map(|at| at as f64).collect();
            return;
        }
        self.times = order.iter().map(|at| self.times[*at]).collect();
        self.names = order.iter().map(|at| std::mem::take(&mut self.names[*at])).collect();
        self.totals = order.iter().map(|at| self.totals[*at]).collect();
        let mut place = vec![0; order.len()];
        for (now, before) in order.into_iter().enumerate() {
            place[before] = now as u32;
        }
        for cells in self.sites.values_mut() {
            cells.iter_mut().for_each(|cell| cell.0 = place[cell.0 as usize]);
        }
    }

    fn restarts(&self) -> usize {
        let fell = |pair: &[Values]| pair[1].allocated < pair[0].allocated;
        self.totals.windows(2).filter(|pair| fell(pair)).count()
    }

    /// Returns the values of cells at each time, with nothing where a profile does not name the site.
    pub(super) fn values(&self, cells: &[(u32, Values)]) -> Vec<Values> {
        let mut values = vec![Values::default(); self.times.len()];
        for (index, value) in cells {
            if let Some(cell) = values.get_mut(*index as usize) {
                cell.add(*value);
            }
        }
        values
    }

    /// Returns sites put together to whole functions.
    pub(super) fn functions(&self) -> HashMap<Site, Vec<(u32, Values)>> {
        let mut functions: HashMap<Site, Vec<(u32, Values)>> = HashMap::new();
        for (site, cells) in &self.sites {
            let function = Site { line: 0, ..site.clone() };
            functions.entry(function).or_default().extend(cells);
        }
        functions
    }
}

/// The innermost call that is not the runtime's; that itself where all are.
pub(super) fn site_frame(sample: Sample<'_>) -> Option<Frame<'_>> {
    let is_runtime = |frame: &Frame<'_>| {
        ["runtime.", "internal/runtime/"].iter().any(|start| frame.function.starts_with(start))
    };
    sample.frames().find(|frame| !is_runtime(frame)).or_else(|| sample.frames().next())
}

/// All files that are meant, and whether a person named each.
type Files = Vec<(PathBuf, bool)>;

fn files(sources: &[String]) -> Result<(Files, Vec<String>)> {
    let mut files = Vec::new();
    let mut notes = Vec::new();
    for source in sources {
        let path = Path::new(source);
        if http::is_url(source) {
            bail!(
                "{} is a URL, and a series needs many profiles: `tophash watch URL --profiles DIR` \
                 saves them",
                http::without_secrets(source)
            );
        }
        if !path.is_dir() {
            files.push((path.to_owned(), true));
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("{source} can't be read"))?;
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("{source} can't be read"))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let name = name.unwrap_or_default();
            if !name.starts_with('.') && ENDINGS.iter().any(|end| name.ends_with(end)) {
                found.push(path);
            }
        }
        if found.is_empty() {
            notes.push(format!("{source} has no files called {}", ENDINGS.join(", ")));
        }
        found.sort();
        files.extend(found.into_iter().map(|path| (path, false)));
    }
    if files.len() > MOST_PROFILES {
        let step = files.len().div_ceil(MOST_PROFILES);
        notes.push(format!("of {} profiles every {step}th is read", files.len()));
        files = files.into_iter().step_by(step).collect();
    }
    Ok((files, notes))
}

#[cfg(test)]
mod tests {
    use tophash_profile::{ProfileBuilder, SampleFrame};

    use super::*;

    fn profile(nanos: i64, bytes: &[(&str, i64)]) -> Profile {
        let mut builder =
            ProfileBuilder::new(&[("alloc_space", "bytes"), ("inuse_space", "bytes")]);
        builder.set_time_nanos(nanos);
        for (function, bytes) in bytes {
            let runtime = SampleFrame { function: "runtime.mallocgc", ..SampleFrame::default() };
            let own = SampleFrame { function, line: 3, ..SampleFrame::default() };
            builder.add_sample(&[runtime, own], &[10 * bytes, *bytes], &[]);
        }
        Profile::parse(&builder.finish()).unwrap()
    }

    #[test]
    fn profiles_are_put_in_order_of_time_and_missing_sites_are_nothing() {
        let mut gathered = Gathered::empty();
        let start = EARLIEST_NANOS + 1_000_000_000;
        let path = Path::new("x");
        gathered.add(&profile(2 * start, &[("a", 7), ("b", 1)]), path, None, &site_frame).unwrap();
        gathered.add(&profile(start, &[("a", 5)]), path, None, &site_frame).unwrap();
        gathered.order();
        let site = |name: &str| Site { function: name.to_owned(), file: String::new(), line: 3 };
        let in_use = |name: &str| {
            let values = gathered.values(&gathered.sites[&site(name)]);
            values.iter().map(|it| it.in_use).collect::<Vec<_>>()
        };
        assert_eq!((in_use("a"), in_use("b")), (vec![5, 7], vec![0, 1]));
        assert_eq!(gathered.totals[1], Values { in_use: 8, allocated: 80 });
        assert_eq!((gathered.clock, gathered.restarts()), (Clock::Profiles, 0));
    }

    #[test]
    fn the_smallest_sites_become_one_and_nothing_is_lost() {
        let mut gathered = Gathered::empty();
        for nanos in 1..=3 {
            let found = profile(EARLIEST_NANOS + nanos, &[("a", 100), ("b", 2), ("c", 1)]);
            gathered.add(&found, Path::new("x"), None, &site_frame).unwrap();
        }
        gathered.fold_smallest();
        let sum: i64 = gathered.sites.values().flatten().map(|cell| cell.1.in_use).sum();
        assert_eq!(sum, 3 * 103);
        assert!(gathered.sites.len() <= 2);
        gathered.fold_smallest();
        let sum: i64 = gathered.sites.values().flatten().map(|cell| cell.1.in_use).sum();
        assert_eq!(sum, 3 * 103);
    }

    #[test]
    fn other_samples_can_be_asked_for_alone() {
        let mut gathered = Gathered::empty();
        fn only(sample: Sample<'_>) -> Option<Frame<'_>> {
            site_frame(sample).filter(|frame| frame.function == "b")
        }
        let found = profile(EARLIEST_NANOS + 1, &[("a", 100), ("b", 2)]);
        gathered.add(&found, Path::new("x"), None, &only).unwrap();
        assert_eq!((gathered.sites.len(), gathered.totals[0].in_use), (1, 2));
    }
}
