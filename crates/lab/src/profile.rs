//! Samples of allocations (`runtime/mprof.go`, `nextSample` in `runtime/malloc.go`), and a heap
//! profile of them (`runtime/pprof/protomem.go`).
//!
//! About every so many bytes, at distances that are distributed exponentially, an object is
//! sampled with the place that allocates it. A profile scales what was sampled to what that
//! stands for. What is freed counts from the end of the sweep that freed it, and what is allocated
//! from the cycle after, so that a profile shows the heap as it was when a collection ended.

use std::collections::HashMap;

use tophash_profile::{ProfileBuilder, SampleFrame, SampleLabel};

use crate::runtime::Runtime;
use tophash_gomap::SeededRandom;

/// Places and sizes that are told apart.
const MOST_BUCKETS: usize = 1 << 20;
/// The bits of a random number that decide on a distance (`randomBitCount`).
const RANDOM_BITS: u64 = 26;
/// Beyond this the mean distance is cut off.
const MOST_RATE: u64 = 0x700_0000;

/// A place that allocates, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SiteId(u32);

/// A call of a place's stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SiteFrame {
    /// The function's full name.
    pub function: String,
    /// Its file.
    pub file: String,
    /// The line.
    pub line: i64,
}

/// Objects of one size, sampled at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SampleId(u32);

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    allocated: u64,
    freed: u64,
}

#[derive(Debug)]
struct Bucket {
    site: SiteId,
    size: u64,
    active: Record,
    future: [Record; 3],
}

/// All samples.
#[derive(Debug)]
pub(crate) struct HeapSamples {
    rate: u64,
    site: SiteId,
    sites: Vec<Vec<SiteFrame>>,
    buckets: Vec<Bucket>,
    numbers: HashMap<(SiteId, u64), SampleId>,
    cycle: usize,
}

impl HeapSamples {
    pub(crate) fn new(rate: u64) -> Self {
        Self {
            rate,
            site: SiteId(0),
            sites: vec![Vec::new()],
            buckets: Vec::new(),
            numbers: HashMap::new(),
            cycle: 0,
        }
    }

    /// Draws the bytes until the next sample.
    pub(crate) fn next_sample(&mut self, random: &mut SeededRandom) -> i64 {
        match self.rate {
            0 => i64::MAX,
            1 => 0,
            rate => {
                let draw = random.below(1 << RANDOM_BITS) + 1;
                let log = ((draw as f64).log2() - RANDOM_BITS as f64).min(0.0);
                (log * -std::f64::consts::LN_2 * rate.min(MOST_RATE) as f64) as i64 + 1
            }
        }
    }

    /// Counts a sampled object.
    pub(crate) fn allocated(&mut self, size: u64) -> Option<SampleId> {
        let key = (self.site, size);
        let id = match self.numbers.get(&key) {
            Some(&id) => id,
            None if self.buckets.len() < MOST_BUCKETS => {
                let id = SampleId(self.buckets.len() as u32);
                let (active, future) = (Record::default(), [Record::default(); 3]);
                self.buckets.push(Bucket { site: self.site, size, active, future });
                self.numbers.insert(key, id);
                id
            }
            None => return None,
        };
        let at = (self.cycle + 2) % 3;
        self.buckets[id.0 as usize].future[at].allocated += 1;
        Some(id)
    }

    pub(crate) fn freed(&mut self, id: SampleId) {
        let at = (self.cycle + 1) % 3;
        self.buckets[id.0 as usize].future[at].freed += 1;
    }

    /// Marking ended (`mProf_NextCycle`, `mProf_Flush`).
    pub(crate) fn next_cycle(&mut self) {
        self.cycle += 1;
        self.publish(self.cycle % 3);
    }

    /// All is swept (`mProf_PostSweep`).
    pub(crate) fn swept(&mut self) {
        self.publish((self.cycle + 1) % 3);
    }

    fn publish(&mut self, at: usize) {
        for bucket in &mut self.buckets {
            let record = std::mem::take(&mut bucket.future[at]);
            bucket.active.allocated += record.allocated;
            bucket.active.freed += record.freed;
        }
    }
}

/// Scales a count of objects of a size to what it stands for (`scaleHeapSample`).
fn scale(count: u64, size: u64, rate: u64) -> (i64, i64) {
    if count == 0 || size == 0 {
        return (0, 0);
    }
    let bytes = count * size;
    if rate <= 1 {
        return (count as i64, bytes as i64);
    }
    let factor = 1.0 / (1.0 - (-(size as f64) / rate as f64).exp());
    ((count as f64 * factor) as i64, (bytes as f64 * factor) as i64)
}

impl Runtime {
    /// Gives a place that allocates a number: its calls, the innermost first.
    pub fn add_site(&mut self, frames: Vec<SiteFrame>) -> SiteId {
        let sites = &mut self.heap.samples.sites;
        sites.push(frames);
        SiteId((sites.len() - 1) as u32)
    }

    /// Says which place allocates from now on, and returns which did.
    pub fn set_site(&mut self, site: SiteId) -> SiteId {
        std::mem::replace(&mut self.heap.samples.site, site)
    }

    /// Returns a heap profile as `runtime/pprof` writes it: `profile.proto`, gzipped.
    pub fn heap_profile(&mut self) -> Vec<u8> {
        let samples = &mut self.heap.samples;
        let rate = samples.rate;
        let is_empty = |bucket: &Bucket| bucket.active.allocated == bucket.active.freed;
        if samples.buckets.iter().all(is_empty) {
            // No collection has ended yet: show what there is.
            for at in 0..3 {
                samples.publish(at);
            }
        }
        let mut profile = ProfileBuilder::new(&[
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ]);
        profile.set_period(("space", "bytes"), rate as i64);
        profile.set_default_sample_type("inuse_space");
        profile.set_time_nanos(self.clock.now as i64);
        for bucket in &samples.buckets {
            let Record { allocated, freed } = bucket.active;
            let (objects, bytes) = scale(allocated, bucket.size, rate);
            let (live, live_bytes) = scale(allocated.saturating_sub(freed), bucket.size, rate);
            let frames: Vec<SampleFrame<'_>> = samples.sites[bucket.site.0 as usize]
                .iter()
                .map(|frame| SampleFrame {
                    function: &frame.function,
                    file: &frame.file,
                    line: frame.line,
                    ..SampleFrame::default()
                })
                .collect();
            let size = SampleLabel::Number { key: "bytes", value: bucket.size as i64, unit: "" };
            profile.add_sample(&frames, &[objects, bytes, live, live_bytes], &[size]);
        }
        profile.finish()
    }
}
