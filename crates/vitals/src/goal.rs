//! When the collector runs next, and why: the runtime's own formula, term by term.
//!
//! From `runtime/mgcpacer.go` (`commit`, `heapGoalInternal`, `memoryLimitHeapGoal`), the same in Go
//! 1.19 to 1.27 but for one constant:
//!
//! - by `GOGC`: `live + (live + stacks + globals) * GOGC / 100`, where `live` is what the last
//!   collection marked, and stacks and globals what it scanned of them;
//! - at the least `4 MiB * GOGC / 100`;
//! - by `GOMEMLIMIT`: the limit, less what is mapped and is not heap objects or free pages, less what
//!   is over the limit already, less 3 % (1 MiB at the least; to Go 1.20 always 1 MiB), but no less
//!   than `live`;
//! - the smaller of both holds.
//!
//! While a collection runs or sweeps, the runtime may move the goal up a little, so that it stays
//! ahead of the heap; what is computed here is then too small.

use serde::Serialize;

use crate::vitals::Vitals;

/// The least goal for `GOGC=100`.
const LEAST: u64 = 4 << 20;
/// The least room below the memory limit.
const LEAST_ROOM: u64 = 1 << 20;
/// The first minor release that keeps a share of the limit free.
const SHARE_SINCE: u32 = 21;

/// What the goal by `GOGC` is made of. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GoalTerms {
    /// Marked by the last collection.
    pub live: u64,
    /// Scanned of stacks.
    pub stacks: u64,
    /// Scanned of globals.
    pub globals: u64,
    /// `GOGC`.
    pub percent: u32,
}

impl GoalTerms {
    /// Returns the goal without a floor: the live heap, and `GOGC` percent of all that is scanned.
    pub fn goal(&self) -> u64 {
        let scanned = u128::from(self.live) + u128::from(self.stacks) + u128::from(self.globals);
        let growth = scanned * u128::from(self.percent) / 100;
        u64::try_from(u128::from(self.live) + growth).unwrap_or(u64::MAX)
    }

    /// Returns the least goal.
    pub fn floor(&self) -> u64 {
        LEAST * u64::from(self.percent) / 100
    }
}

/// What the goal by the memory limit is made of. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LimitTerms {
    /// `GOMEMLIMIT`.
    pub limit: u64,
    /// Mapped by the runtime and not given back.
    pub mapped: u64,
    /// Of that, free pages of the heap.
    pub heap_free: u64,
    /// Of that, objects.
    pub heap_alloc: u64,
    /// Marked by the last collection.
    pub live: u64,
    /// Whether 3 % stay free, not only 1 MiB.
    pub keeps_share: bool,
}

impl LimitTerms {
    /// Returns what counts against the limit and is no heap.
    pub fn beside_heap(&self) -> u64 {
        self.mapped.saturating_sub(self.heap_free).saturating_sub(self.heap_alloc)
    }

    /// Returns by how much the limit is exceeded.
    pub fn excess(&self) -> u64 {
        self.mapped.saturating_sub(self.limit)
    }

    /// Returns the goal.
    pub fn goal(&self) -> u64 {
        let taken = self.beside_heap().saturating_add(self.excess());
        if taken >= self.limit {
            return self.live;
        }
        let goal = self.limit - taken;
        let room = if self.keeps_share { (goal / 100 * 3).max(LEAST_ROOM) } else { LEAST_ROOM };
        let goal = match goal.checked_sub(room) {
            Some(less) if less >= room => less,
            _ => room,
        };
        goal.max(self.live)
    }
}

/// What decides on the goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// `GOGC`.
    Percent,
    /// The heap is so small that the floor holds.
    Floor,
    /// `GOMEMLIMIT`.
    Limit,
    /// Neither: the collector is off.
    Off,
}

/// The goal with its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// The terms of `GOGC`; `None` where it is off.
    pub terms: Option<GoalTerms>,
    /// The terms of the limit; `None` where there is none.
    pub limit: Option<LimitTerms>,
    /// The smaller of both.
    pub computed: Option<u64>,
    /// What the program says.
    pub reported: Option<u64>,
    /// What decides.
    pub ruling: Ruling,
}

impl Goal {
    /// Explains the goal; `None` where a source does not tell every term.
    pub fn of(vitals: &Vitals) -> Option<Self> {
        let live = vitals.live?;
        let terms = match u32::try_from(vitals.gc_percent?) {
            Ok(percent) => Some(GoalTerms {
                live,
                stacks: vitals.stack_scan?,
                globals: vitals.globals_scan?,
                percent,
            }),
            Err(_) => None,
        };
        let limit = vitals.memory_limit.and_then(|limit| {
            Some(LimitTerms {
                limit,
                mapped: vitals.mapped?,
                heap_free: vitals.heap_free?,
                heap_alloc: vitals.heap_alloc?,
                live,
                keeps_share: keeps_share(vitals.go_version.as_deref()),
            })
        });
        let by_percent = terms.map(|terms| terms.goal().max(terms.floor()));
        let by_limit = limit.map(|limit| limit.goal());
        let computed = match (by_percent, by_limit) {
            (Some(percent), Some(limit)) => Some(percent.min(limit)),
            (one, other) => one.or(other),
        };
        let ruling = match (computed, terms) {
            (None, _) => Ruling::Off,
            (goal, _) if goal != by_percent => Ruling::Limit,
            (_, Some(terms)) if terms.goal() < terms.floor() => Ruling::Floor,
            _ => Ruling::Percent,
        };
        Some(Self { terms, limit, computed, reported: vitals.next_gc, ruling })
    }
}

/// Reads the minor release out of `go1.21.3`; what is not known is new.
fn keeps_share(version: Option<&str>) -> bool {
    let minor = version.and_then(|version| {
        let rest = version.strip_prefix("go1.")?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse::<u32>().ok()
    });
    minor.is_none_or(|minor| minor >= SHARE_SINCE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn vitals() -> Vitals {
        Vitals {
            live: Some(100 * MIB),
            gc_percent: Some(50),
            stack_scan: Some(2 * MIB),
            globals_scan: Some(18 * MIB),
            heap_alloc: Some(120 * MIB),
            heap_free: Some(10 * MIB),
            mapped: Some(150 * MIB),
            ..Vitals::default()
        }
    }

    #[test]
    fn stacks_and_globals_count_but_are_not_heap() {
        let goal = Goal::of(&vitals()).unwrap();
        assert_eq!(goal.computed, Some(160 * MIB));
        assert_eq!(goal.ruling, Ruling::Percent);
        let small =
            Vitals { live: Some(MIB), stack_scan: Some(0), globals_scan: Some(0), ..vitals() };
        let goal = Goal::of(&small).unwrap();
        assert_eq!((goal.computed, goal.ruling), (Some(2 * MIB), Ruling::Floor));
    }

    #[test]
    fn the_limit_caps_the_goal_and_stands_alone_where_gogc_is_off() {
        let capped = Vitals { memory_limit: Some(150 * MIB), ..vitals() };
        let goal = Goal::of(&capped).unwrap();
        // 20 MiB are neither objects nor free pages, and 3 % of the rest stay free.
        let rest = 130 * MIB;
        assert_eq!(goal.computed, Some(rest - rest / 100 * 3));
        assert_eq!(goal.ruling, Ruling::Limit);
        let old = Vitals { go_version: Some("go1.19.8".into()), ..capped.clone() };
        assert_eq!(Goal::of(&old).unwrap().computed, Some(129 * MIB));
        let off = Vitals { gc_percent: Some(-1), ..capped };
        assert_eq!(Goal::of(&off).unwrap().computed, goal.computed);
        let none = Vitals { memory_limit: None, ..off };
        assert_eq!(Goal::of(&none).unwrap().ruling, Ruling::Off);
    }

    #[test]
    fn without_a_term_nothing_is_claimed() {
        assert_eq!(Goal::of(&Vitals { globals_scan: None, ..vitals() }), None);
        assert_eq!(Goal::of(&Vitals { live: None, ..vitals() }), None);
    }

    proptest! {
        #[test]
        fn any_numbers_are_survived_and_no_goal_is_below_the_live_heap(
            [live, stacks, globals, limit, mapped, free, alloc] in any::<[u64; 7]>(),
            percent in any::<i32>(),
        ) {
            let goal = Goal::of(&Vitals {
                live: Some(live),
                stack_scan: Some(stacks),
                globals_scan: Some(globals),
                memory_limit: Some(limit),
                mapped: Some(mapped),
                heap_free: Some(free),
                heap_alloc: Some(alloc),
                gc_percent: Some(percent),
                ..Vitals::default()
            }).unwrap();
            prop_assert!(goal.computed.unwrap() >= live);
        }
    }
}
