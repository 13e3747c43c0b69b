//! When to collect, and how hard allocations must help (`gcControllerState`,
//! `runtime/mgcpacer.go`, Go 1.19 to 1.27).
//!
//! The goal is what was marked, plus `GOGC` percent of that and of the stacks and globals that were
//! scanned; at least 4 MiB at `GOGC=100`; and no more than the memory limit leaves. A cycle starts
//! ahead of the goal by as much as is likely to be allocated while it marks, which the pacer
//! learns from earlier cycles. From Go 1.21 on it takes the worst of five; up to 1.19 it fed a
//! proportional-integral controller.
//!
//! Not modelled: the limiter that lets the heap grow beyond the memory limit rather than spend
//! more than half of the processor time on collecting (`gcCPULimiter`).

use super::controller::Controller;

/// The smallest goal at `GOGC=100` (`defaultHeapMinimum`).
pub(crate) const HEAP_MINIMUM: u64 = 4 << 20;
/// Share of processor time for background marking (`gcBackgroundUtilization`, `gcGoalUtilization`).
pub(crate) const UTILIZATION: f64 = 0.25;
/// A cycle does not start within as many bytes of the last one's end while sweeping goes on
/// (`sweepMinHeapDistance`).
const SWEEP_DISTANCE: u64 = 1 << 20;
/// Room left below the memory limit at least (`memoryLimitMinHeapGoalHeadroom`).
const HEADROOM: u64 = 1 << 20;
/// A running cycle's goal is no closer to its start (`minRunway`).
const RUNWAY: u64 = 64 << 10;
const NEVER: u64 = u64::MAX;

/// What the process has beside what the model allocates, and the pacer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// Bytes of objects that are always reachable.
    pub heap_live: u64,
    /// Bytes of those that are scanned.
    pub heap_scan: u64,
    /// Bytes of stacks that are scanned (`/gc/scan/stack:bytes`).
    pub stack_scan: u64,
    /// Bytes of globals that are scanned (`/gc/scan/globals:bytes`).
    pub globals_scan: u64,
    /// Memory outside of the heap that counts towards the memory limit.
    pub other_memory: u64,
}

/// Memory as the limit counts it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mapped {
    /// Free pages that the system does not have back.
    pub(crate) free: u64,
    /// All that is mapped and not given back.
    pub(crate) ready: u64,
}

/// The pacer's state, by the runtime's names.
#[derive(Debug, Clone)]
pub(crate) struct Pacer {
    pub(crate) percent: Option<u32>,
    pub(crate) limit: Option<u64>,
    paces_as_1_19: bool,
    headroom_percent: u64,
    pub(crate) surroundings: Surroundings,

    pub(crate) heap_live: u64,
    pub(crate) heap_scan: u64,
    pub(crate) heap_marked: u64,
    last_heap_scan: u64,
    pub(crate) last_stack_scan: u64,
    pub(crate) max_stack_scan: u64,
    /// Bytes of globals, those of the surroundings included.
    pub(crate) globals_scan: u64,
    percent_goal: u64,
    sweep_trigger: u64,
    triggered: u64,
    pub(crate) last_goal: u64,
    runway: u64,
    cons_mark: f64,
    last_cons_mark: [f64; 4],
    controller: Controller,

    pub(crate) heap_scan_work: u64,
    pub(crate) stack_scan_work: u64,
    pub(crate) globals_scan_work: u64,
    pub(crate) background_credit: i64,
    pub(crate) assist_nanos: u64,
    pub(crate) background_nanos: u64,
    /// Marking while the program waited.
    pub(crate) idle_nanos: u64,
    pub(crate) work_per_byte: f64,
    pub(crate) bytes_per_work: f64,

    pub(crate) total_alloc: u64,
    pub(crate) total_free: u64,
    pub(crate) mapped: Mapped,
}

impl Pacer {
    pub(crate) fn new(
        percent: Option<u32>,
        limit: Option<u64>,
        surroundings: Surroundings,
        paces_as_1_19: bool,
        headroom_percent: u64,
    ) -> Self {
        let mut pacer = Self {
            percent,
            limit,
            paces_as_1_19,
            headroom_percent,
            surroundings,
            heap_live: surroundings.heap_live,
            heap_scan: surroundings.heap_scan,
            heap_marked: 0,
            last_heap_scan: 0,
            last_stack_scan: 0,
            max_stack_scan: surroundings.stack_scan,
            globals_scan: surroundings.globals_scan,
            percent_goal: 0,
            sweep_trigger: 0,
            triggered: NEVER,
            last_goal: 0,
            runway: 0,
            cons_mark: 0.0,
            last_cons_mark: [0.0; 4],
            controller: Controller::new(),
            heap_scan_work: 0,
            stack_scan_work: 0,
            globals_scan_work: 0,
            background_credit: 0,
            assist_nanos: 0,
            background_nanos: 0,
            idle_nanos: 0,
            work_per_byte: 0.0,
            bytes_per_work: 0.0,
            total_alloc: 0,
            total_free: 0,
            mapped: Mapped::default(),
        };
        pacer.commit(true);
        pacer
    }

    /// A cache took a span, or an object its own: bytes and pointers that the next cycle may have
    /// to deal with (`update`).
    pub(crate) fn update(&mut self, live: i64, scan: u64, is_marking: bool) {
        self.heap_live = self.heap_live.saturating_add_signed(live);
        if is_marking {
            self.revise();
        } else {
            self.heap_scan += scan;
        }
    }

    /// A cycle starts (`startCycle`).
    pub(crate) fn start_cycle(&mut self) {
        self.heap_scan_work = 0;
        self.stack_scan_work = 0;
        self.globals_scan_work = 0;
        self.background_credit = 0;
        self.assist_nanos = 0;
        self.background_nanos = 0;
        self.idle_nanos = 0;
        self.triggered = match self.paces_as_1_19 {
            true => self.trigger().0,
            false => self.heap_live,
        };
        self.revise();
    }

    fn scan_work(&self) -> u64 {
        self.heap_scan_work + self.stack_scan_work + self.globals_scan_work
    }

    /// Sets how much an allocation must mark per byte, so that marking is done when the heap
    /// reaches its goal (`revise`).
    pub(crate) fn revise(&mut self) {
        let percent = self.percent.map_or(100_000, i64::from);
        let (live, work) = (self.heap_live as i64, self.scan_work() as i64);
        let mut goal = self.goal().min(i64::MAX as u64) as i64;
        let expected = self.last_heap_scan + self.last_stack_scan + self.globals_scan;
        let mut expected = expected as i64;
        let most = (self.heap_scan + self.max_stack_scan + self.globals_scan) as i64;
        if work > expected {
            // More is alive than was last time: let the heap grow on, but not beyond the goal's
            // own goal.
            let triggered = self.triggered.min(i64::MAX as u64) as i64;
            let extended =
                (goal.wrapping_sub(triggered) as f64 / expected as f64 * most as f64) as i64;
            let hard = ((1.0 + percent as f64 / 100.0) * goal as f64) as i64;
            goal = extended.saturating_add(triggered).min(hard);
            expected = most;
        }
        if live > goal {
            goal = (goal as f64 * 1.1) as i64;
            expected = most;
        }
        let remaining_work = expected.saturating_sub(work).max(1000);
        let remaining_heap = goal.saturating_sub(live).max(1);
        self.work_per_byte = remaining_work as f64 / remaining_heap as f64;
        self.bytes_per_work = remaining_heap as f64 / remaining_work as f64;
    }

    /// Marking ends after `nanos`: learn how fast the program allocates while the collector marks
    /// (`endCycle`).
    pub(crate) fn end_cycle(&mut self, nanos: u64, processors: u64) {
        self.last_goal = self.goal();
        let time = (nanos * processors) as f64;
        let (mut utilization, mut idle) = (UTILIZATION, 0.0);
        if nanos > 0 {
            utilization += self.assist_nanos as f64 / time;
            idle = self.idle_nanos as f64 / time;
        }
        if self.heap_live <= self.triggered {
            return;
        }
        let allocated = (self.heap_live - self.triggered) as f64;
        let current = allocated * (utilization + idle)
            / (self.scan_work() as f64 * (1.0 - utilization).max(0.01));
        if self.paces_as_1_19 {
            self.cons_mark = self.controller.next(self.cons_mark, current).unwrap_or(0.0);
        } else {
            self.cons_mark = self.last_cons_mark.into_iter().fold(current, f64::max);
            self.last_cons_mark.rotate_left(1);
            self.last_cons_mark[3] = current;
        }
    }

    /// Marking is over: what was marked is alive (`resetLive`).
    pub(crate) fn reset_live(&mut self, marked: u64) {
        self.heap_marked = marked;
        self.heap_live = marked;
        self.heap_scan = self.heap_scan_work;
        self.last_heap_scan = self.heap_scan_work;
        self.last_stack_scan = self.stack_scan_work;
        self.triggered = NEVER;
    }

    /// Fixes the goal for what is known now (`commit`).
    pub(crate) fn commit(&mut self, is_swept: bool) {
        self.sweep_trigger = if is_swept { 0 } else { self.heap_live + SWEEP_DISTANCE };
        self.percent_goal = match self.percent {
            Some(percent) => {
                let scanned = self.heap_marked + self.last_stack_scan + self.globals_scan;
                let grown = scanned.saturating_mul(u64::from(percent)) / 100;
                let grown = self.heap_marked.saturating_add(grown);
                grown.max(HEAP_MINIMUM * u64::from(percent) / 100)
            }
            None => NEVER,
        };
        let scan = self.last_heap_scan + self.last_stack_scan + self.globals_scan;
        let factor = (1.0 - UTILIZATION) / UTILIZATION;
        self.runway = (self.cons_mark * factor * scan as f64) as u64;
    }

    /// Returns the heap's size that the cycle is to end at (`heapGoal`).
    pub(crate) fn goal(&self) -> u64 {
        self.goal_and_floor().0
    }

    fn goal_and_floor(&self) -> (u64, u64) {
        let (goal, limited) = (self.percent_goal, self.limit_goal());
        if limited < goal {
            return (limited, 0);
        }
        let mut goal = goal.max(self.sweep_trigger);
        if self.triggered != NEVER {
            goal = goal.max(self.triggered.saturating_add(RUNWAY));
        }
        (goal, self.sweep_trigger)
    }

    /// Returns the goal that the memory limit leaves (`memoryLimitHeapGoal`).
    fn limit_goal(&self) -> u64 {
        let limit = self.limit.unwrap_or(i64::MAX as u64);
        let Mapped { free, ready } = self.mapped;
        let allocated = self.total_alloc.saturating_sub(self.total_free);
        let elsewhere = ready.saturating_sub(free + allocated);
        let overage = ready.saturating_sub(limit);
        if elsewhere + overage >= limit {
            return self.heap_marked;
        }
        let goal = limit - (elsewhere + overage);
        let headroom = (goal / 100 * self.headroom_percent).max(HEADROOM);
        let goal = match goal < headroom || goal - headroom < headroom {
            true => headroom,
            false => goal - headroom,
        };
        goal.max(self.heap_marked)
    }

    /// Returns the heap's size at which a cycle starts, and its goal (`trigger`).
    pub(crate) fn trigger(&self) -> (u64, u64) {
        let (goal, floor) = self.goal_and_floor();
        let marked = self.heap_marked;
        if marked >= goal {
            return (goal, goal);
        }
        let lowest = (goal - marked) / 64 * 45 + marked;
        let highest = (goal - marked) / 64 * 61 + marked;
        let lowest = floor.max(marked).max(lowest);
        let highest = match goal > HEAP_MINIMUM {
            true => highest.max(goal - HEAP_MINIMUM),
            false => highest,
        };
        let highest = highest.max(lowest);
        let trigger = if self.runway > goal { lowest } else { goal - self.runway };
        (trigger.max(lowest).min(highest), goal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(percent: Option<u32>, limit: Option<u64>) -> Pacer {
        Pacer::new(percent, limit, Surroundings::default(), false, 3)
    }

    #[test]
    fn the_goal_is_live_plus_its_percentage_with_stacks_and_globals() {
        let mut pacer = pacer(Some(50), None);
        assert_eq!(pacer.goal(), 2 << 20);
        pacer.heap_marked = 100 << 20;
        pacer.last_stack_scan = 2 << 20;
        pacer.globals_scan = 8 << 20;
        pacer.commit(true);
        assert_eq!(pacer.goal(), 155 << 20);
    }

    #[test]
    fn a_cycle_starts_between_seven_tenths_and_the_goal() {
        let mut pacer = pacer(Some(100), None);
        pacer.heap_marked = 64 << 20;
        pacer.commit(true);
        let (trigger, goal) = pacer.trigger();
        assert_eq!((trigger >> 20, goal >> 20), (125, 128));
        pacer.runway = u64::MAX;
        assert_eq!(pacer.trigger().0, 109 << 20);
    }

    #[test]
    fn a_limit_without_percentage_is_the_goal() {
        let mut pacer = pacer(None, Some(100 << 20));
        pacer.mapped = Mapped { free: 5 << 20, ready: 20 << 20 };
        pacer.total_alloc = 5 << 20;
        // 10 MiB lie elsewhere, and three percent of the rest stays free.
        assert_eq!(pacer.goal(), (90 << 20) - (90 << 20) / 100 * 3);
        pacer.mapped.ready = 300 << 20;
        pacer.heap_marked = 7;
        assert_eq!(pacer.goal(), 7);
    }
}
