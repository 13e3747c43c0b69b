//! Looks at a program over time, and what follows: what grows, how long until a limit, what to do.
//!
//! The heap goes up and down with every collection. What is followed is its floor: what each
//! collection marked, or, where no source says, the lowest that was seen from one collection to the
//! next. Without a new collection there is no new point, so that the way up to a goal is never taken
//! for a leak. What is mapped and resident follows the heap up to its goal, too: that is no growth of
//! its own while the floor stays where it is.

use std::collections::VecDeque;

use serde::Serialize;
use tophash_trend::{Explanation, Projection, Trend, Verdict};

use crate::bill::Bill;
use crate::vitals::Vitals;

/// The most looks that are kept; then every second of them goes.
const MOST: usize = 2048;
/// In fewer seconds every program grows: it starts.
const SHORTEST: f64 = 3.0;
/// Growth of bytes that is not worth a word, and as a share of what is there.
const LEAST_BYTES: f64 = 1024.0 * 1024.0;
const LEAST_SHARE: f64 = 0.02;
/// Growth of goroutines that is not worth a word.
const LEAST_GOROUTINES: f64 = 20.0;
/// From this part of the processor time on, the collector is a problem.
const HIGH_GC_CPU: f64 = 0.25;
/// How many times its goal the heap may take with free slots and pages.
const ROOM_AROUND_GOAL: f64 = 1.25;
/// From this part of what is mapped on, free room is.
const HIGH_FREE: f64 = 0.5;

/// What is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// The heap's floor.
    Live,
    /// The resident set.
    Resident,
    /// What the runtime mapped and kept.
    Mapped,
    /// Resident memory outside of Go and of files.
    OffHeap,
    /// Goroutines.
    Goroutines,
}

impl Series {
    /// All of them, in the order in which they explain each other.
    pub const ALL: [Self; 5] =
        [Self::Goroutines, Self::Live, Self::OffHeap, Self::Mapped, Self::Resident];

    /// Returns what a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live heap",
            Self::Resident => "RSS",
            Self::Mapped => "Go's memory",
            Self::OffHeap => "off-heap",
            Self::Goroutines => "goroutines",
        }
    }

    /// Whether it counts bytes.
    pub fn is_bytes(self) -> bool {
        self != Self::Goroutines
    }
}

/// A limit that growth runs into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// `GOMEMLIMIT`: the collector runs without end.
    MemoryLimit,
    /// The control group's: the kernel ends the process.
    ControlGroup,
}

/// Something that grows.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Grower {
    /// What.
    pub series: Series,
    /// How fast, in units a second.
    pub per_second: f64,
    /// By how many standard deviations it is in order.
    pub strength: f64,
    /// How certain it is that it grows, from 0 to 1.
    pub confidence: f64,
    /// Since when, in the looks' own time, if it began in their course.
    pub since: Option<f64>,
}

/// What one series does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SeriesVerdict {
    /// Which.
    pub series: Series,
    /// What it does by itself.
    pub verdict: Verdict,
    /// What is behind that.
    pub explanation: Explanation,
    /// How certain that is, from 0 to 1.
    pub confidence: f64,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Advice {
    /// Nothing is known yet.
    Wait,
    /// Nothing grows.
    Nothing,
    /// Goroutines are started and do not end.
    Goroutines,
    /// What is reachable grows.
    Heap,
    /// Memory outside of Go grows.
    OffHeap,
    /// RSS grows, and neither the heap nor anything else that is known.
    Unknown,
    /// The collector takes much of the processor.
    CollectorBusy,
    /// Much of what is kept is free.
    MuchFree,
}

/// What follows from all looks.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Outlook {
    /// What grows, the cause before its effects.
    pub growing: Vec<Grower>,
    /// What was followed, and found not to grow.
    pub steady: Vec<Series>,
    /// What each series does by itself; of these, `growing` and `steady` leave out what only follows
    /// another.
    pub verdicts: Vec<SeriesVerdict>,
    /// Seconds until a limit is reached at this pace, and which.
    pub until_limit: Option<(LimitKind, f64)>,
    /// The least and the most that this is likely to be; no most where it may never be.
    pub until_limit_range: Option<(f64, Option<f64>)>,
    /// The collector's part of the processor time: since the last look if that is known, else since
    /// the program's start.
    pub gc_cpu_share: Option<f64>,
    /// What to do.
    pub advice: Advice,
}

/// One look, reduced to what is followed.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    time: f64,
    heap_alloc: Option<u64>,
    live: Option<u64>,
    gc_cycles: Option<u64>,
    resident: Option<u64>,
    mapped: Option<u64>,
    off_heap: Option<u64>,
    goroutines: Option<u64>,
}

/// Looks over time, of which the oldest become sparse.
#[derive(Debug, Default)]
pub struct History {
    looks: VecDeque<Look>,
    /// The lowest heap from one collection to the next: the cycle, when, and how much.
    floors: VecDeque<(f64, u64)>,
    current_floor: Option<(u64, f64, u64)>,
    latest: Option<Vitals>,
    before: Option<(f64, f64)>,
    gc_cpu_share: Option<f64>,
}

impl History {
    /// Makes one without looks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a look, taken at `time` in seconds. Looks come in order of time; one that does not, or is
    /// of a program that was started anew, begins a new history.
    pub fn push(&mut self, time: f64, vitals: Vitals) {
        let goes_back = self.looks.back().is_some_and(|last| {
            let restarted = last.gc_cycles.zip(vitals.gc_cycles).is_some_and(|(was, is)| is < was);
            time < last.time || restarted
        });
        if goes_back {
            *self = Self::default();
        }
        self.follow_collector(&vitals);
        let look = Look {
            time,
            heap_alloc: vitals.heap_alloc,
            live: vitals.live,
            gc_cycles: vitals.gc_cycles,
            resident: vitals.process.resident,
            mapped: vitals.mapped,
            off_heap: Bill::of(&vitals).off_heap,
            goroutines: vitals.goroutines,
        };
        self.follow_floor(&look);
        self.looks.push_back(look);
        thin(&mut self.looks);
        thin(&mut self.floors);
        self.latest = Some(vitals);
    }

    fn follow_collector(&mut self, vitals: &Vitals) {
        let now = vitals.gc_cpu_seconds.zip(vitals.total_cpu_seconds);
        let since_last = self.before.zip(now).and_then(|((gc, total), (gc_now, total_now))| {
            (total_now > total).then(|| ((gc_now - gc) / (total_now - total)).clamp(0.0, 1.0))
        });
        // The runtime counts at the end of collections; between two there is nothing new.
        self.gc_cpu_share = match (since_last, self.before == now) {
            (None, true) => self.gc_cpu_share,
            (since_last, _) => since_last,
        }
        .or(vitals.gc_cpu_fraction);
        self.before = now;
    }

    fn follow_floor(&mut self, look: &Look) {
        let (Some(cycle), Some(heap)) = (look.gc_cycles, look.live.or(look.heap_alloc)) else {
            return;
        };
        match &mut self.current_floor {
            Some((current, at, lowest)) if *current == cycle => {
                if heap < *lowest {
                    (*at, *lowest) = (look.time, heap);
                }
            }
            current => {
                if let Some((_, at, lowest)) = current.take() {
                    self.floors.push_back((at, lowest));
                }
                *current = Some((cycle, look.time, heap));
            }
        }
    }

    /// Returns the points of a series: seconds and value.
    pub fn points(&self, series: Series) -> Vec<(f64, f64)> {
        let of = |value: fn(&Look) -> Option<u64>| {
            self.looks.iter().filter_map(|look| Some((look.time, value(look)? as f64))).collect()
        };
        match series {
            Series::Live => {
                let floors = self.floors.iter().map(|(at, floor)| (*at, *floor as f64));
                let current = self.current_floor.map(|(_, at, floor)| (at, floor as f64));
                floors.chain(current).collect()
            }
            Series::Resident => of(|look| look.resident),
            Series::Mapped => of(|look| look.mapped),
            Series::OffHeap => of(|look| look.off_heap),
            Series::Goroutines => of(|look| look.goroutines),
        }
    }

    /// Returns all that was allocated, look by look.
    pub fn heap_alloc(&self) -> Vec<(f64, f64)> {
        self.looks.iter().filter_map(|it| Some((it.time, it.heap_alloc? as f64))).collect()
    }

    /// Returns how many seconds the looks span.
    pub fn span(&self) -> f64 {
        let ends = self.looks.front().zip(self.looks.back());
        ends.map_or(0.0, |(first, last)| last.time - first.time)
    }

    /// Returns the trend of a series.
    pub fn trend(&self, series: Series) -> Trend {
        let points = self.points(series);
        let last = points.last().map_or(0.0, |point| point.1);
        let least = match series {
            Series::Goroutines => LEAST_GOROUTINES,
            _ => LEAST_BYTES.max(LEAST_SHARE * last),
        };
        Trend::of(&points, least)
    }

    /// Says what follows from all looks.
    pub fn outlook(&self) -> Outlook {
        let mut growing = Vec::new();
        let mut steady = Vec::new();
        let mut verdicts = Vec::new();
        let mut trends = Vec::new();
        for series in Series::ALL {
            let trend = self.trend(series);
            let Trend { verdict, explanation, confidence, .. } = trend;
            if self.span() < SHORTEST || verdict == Verdict::TooEarly {
                continue;
            }
            verdicts.push(SeriesVerdict { series, verdict, explanation, confidence });
            match verdict {
                Verdict::Growing if growing.is_empty() && self.follows_goal(series) => {
                    if steady.contains(&Series::Live) {
                        steady.push(series);
                    }
                }
                Verdict::Growing => {
                    let Trend { per_second, strength, .. } = trend;
                    let since = trend.inflection();
                    growing.push(Grower { series, per_second, strength, confidence, since });
                    trends.push((series, trend));
                }
                _ => steady.push(series),
            }
        }
        let advice = self.advice(&growing, &steady);
        let until = self.until_limit(&trends);
        Outlook {
            growing,
            steady,
            verdicts,
            until_limit: until.map(|(kind, it)| (kind, it.expected)),
            until_limit_range: until.map(|(_, it)| (it.earliest, it.latest)),
            gc_cpu_share: self.gc_cpu_share,
            advice,
        }
    }

    /// Whether growth of a series is no more than the heap's way up to its goal.
    fn follows_goal(&self, series: Series) -> bool {
        let Some(latest) = &self.latest else { return false };
        let heap = latest.heap_in_use.zip(latest.heap_free).zip(latest.next_gc);
        matches!(series, Series::Mapped | Series::Resident)
            && heap.is_some_and(|((in_use, free), goal)| {
                in_use.saturating_add(free) as f64 <= ROOM_AROUND_GOAL * goal as f64
            })
    }

    fn until_limit(&self, growing: &[(Series, Trend)]) -> Option<(LimitKind, Projection)> {
        let latest = self.latest.as_ref()?;
        let bill = Bill::of(latest);
        // A live heap that grows takes room for garbage along, by GOGC.
        let with_garbage = 1.0 + f64::from(latest.gc_percent.unwrap_or(0).max(0)) / 100.0;
        let until = |headroom: Option<u64>, series: Series| {
            let of = |series| growing.iter().find(|it| it.0 == series).map(|it| &it.1);
            let headroom = headroom? as f64;
            let (trend, room) = match of(series) {
                Some(trend) => (trend, headroom),
                None => (of(Series::Live)?, headroom / with_garbage),
            };
            trend.until(trend.last.1 + room)
        };
        let soft = until(bill.limit_headroom, Series::Mapped);
        let hard = until(bill.group_headroom, Series::Resident);
        let soft = soft.map(|it| (LimitKind::MemoryLimit, it));
        let hard = hard.map(|it| (LimitKind::ControlGroup, it));
        soft.into_iter().chain(hard).min_by(|a, b| a.1.expected.total_cmp(&b.1.expected))
    }

    fn advice(&self, growing: &[Grower], steady: &[Series]) -> Advice {
        let grows = |series| growing.iter().any(|it| it.series == series);
        let bill = self.latest.as_ref().map(Bill::of).unwrap_or_default();
        let free = bill.free_slots.zip(bill.free_pages).zip(bill.mapped);
        let is_mostly_free = free.is_some_and(|((slots, pages), mapped)| {
            let free = slots.saturating_add(pages) as f64;
            mapped as f64 > 64.0 * LEAST_BYTES && free > HIGH_FREE * mapped as f64
        });
        if grows(Series::Goroutines) {
            Advice::Goroutines
        } else if grows(Series::Live) {
            Advice::Heap
        } else if grows(Series::OffHeap) {
            Advice::OffHeap
        } else if self.gc_cpu_share.is_some_and(|share| share > HIGH_GC_CPU) {
            Advice::CollectorBusy
        } else if grows(Series::Resident) || grows(Series::Mapped) {
            Advice::Unknown
        } else if is_mostly_free {
            Advice::MuchFree
        } else if steady.is_empty() {
            Advice::Wait
        } else {
            Advice::Nothing
        }
    }
}

/// Lets every second one of the older half go where there are too many.
fn thin<T>(looks: &mut VecDeque<T>) {
    if looks.len() < MOST {
        return;
    }
    let half = looks.len() / 2;
    let mut index = 0;
    looks.retain(|_| {
        index += 1;
        index > half || index % 2 == 1
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::ProcessVitals;

    const MIB: u64 = 1 << 20;

    fn look(live: u64, over: u64, cycle: u64) -> Vitals {
        let process = ProcessVitals {
            resident: Some(400 * MIB + live),
            limit: Some(1024 * MIB),
            ..ProcessVitals::default()
        };
        Vitals {
            heap_alloc: Some(live + over),
            gc_cycles: Some(cycle),
            goroutines: Some(10),
            process,
            ..Vitals::default()
        }
    }

    #[test]
    fn a_sawtooth_is_flat_and_a_leak_under_it_is_seen_with_its_limit() {
        let mut flat = History::new();
        let mut leak = History::new();
        for at in 0..200_u64 {
            let over = (at % 5) * 20 * MIB;
            flat.push(at as f64, look(100 * MIB, over, at / 5));
            leak.push(at as f64, look((100 + at) * MIB, over, at / 5));
        }
        let outlook = flat.outlook();
        assert_eq!((outlook.growing.len(), outlook.advice), (0, Advice::Nothing));
        let outlook = leak.outlook();
        assert_eq!(outlook.advice, Advice::Heap);
        let (limit, seconds) = outlook.until_limit.unwrap();
        assert_eq!(limit, LimitKind::ControlGroup);
        assert!((300.0..350.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn the_way_up_to_the_first_collection_is_no_leak() {
        let mut history = History::new();
        for at in 0..100 {
            let mut vitals = look(10 * MIB, at * MIB, 1);
            vitals.process.resident = None;
            history.push(at as f64, vitals);
        }
        assert_eq!(history.trend(Series::Live).verdict, Verdict::TooEarly);
        assert!(history.outlook().growing.is_empty());
    }

    #[test]
    fn memory_that_fills_up_to_the_goal_does_not_grow_and_beyond_it_does() {
        for (goal, advice) in [(400 * MIB, Advice::Nothing), (200 * MIB, Advice::Unknown)] {
            let mut history = History::new();
            for at in 0..100 {
                let mut vitals = look(100 * MIB, (at % 5) * MIB, at / 5);
                let heap = (100 + at * 2) * MIB;
                vitals.live = Some(100 * MIB);
                vitals.heap_alloc = Some(heap);
                vitals.heap_in_use = Some(heap);
                vitals.heap_free = Some(0);
                vitals.mapped = Some(heap);
                vitals.next_gc = Some(goal);
                vitals.process.resident = Some(heap);
                history.push(at as f64, vitals);
            }
            assert_eq!(history.outlook().advice, advice);
        }
    }

    #[test]
    fn a_program_that_started_anew_has_a_new_history_and_looks_are_bounded() {
        let mut history = History::new();
        for at in 0..100_000 {
            history.push(at as f64, look(MIB, 0, at));
        }
        assert!(history.looks.len() <= MOST && history.floors.len() <= MOST);
        assert_eq!(history.span(), 99_999.0);
        history.push(100_000.0, look(MIB, 0, 0));
        assert_eq!(history.looks.len(), 1);
    }
}
