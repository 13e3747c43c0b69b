//! Maps that something keeps alive which few think of.

use super::{NOTABLE, bytes, finding, type_name};
use crate::evidence::{Blocked, MapEvidence, Pin};
use crate::finding::{Finding, Rule, Severity};

/// Reasons to wait for something that other parts of the program must do, and may never do
/// (`runtime/runtime2.go`, `waitReasonStrings`). Sleep and input are not among them: a goroutine that
/// waits so owns its data as any function does.
const BLOCKED: [&str; 6] = ["chan ", "select", "sync.", "semacquire", "wait group", "coroutine"];
/// What nothing can end.
const FOREVER: [&str; 3] = ["(nil chan)", "(no cases)", "(durable)"];
/// Calls of a goroutine that are listed.
const CALLS: usize = 4;

/// Says what alone keeps a map: the nearest such thing.
pub(super) fn pinned(map: &MapEvidence, live: u64) -> Option<Finding> {
    let retained = map.retained_bytes.unwrap_or(map.own_bytes);
    if retained < NOTABLE {
        return None;
    }
    let pin = map.pins.first()?;
    let name = type_name(map);
    let (rule, title, fix) = match pin {
        Pin::Iterator(blocked) => (
            Rule::PinnedByIterator,
            format!(
                "{name} lives only for a range over it in goroutine {}, which has not ended",
                blocked.goroutine
            ),
            "collect the keys first, let go of the map, and then do what takes long:\n    \
             keys := slices.Collect(maps.Keys(m))"
                .to_owned(),
        ),
        Pin::Goroutine(blocked) if is_blocked(blocked) => (
            Rule::PinnedByGoroutine,
            format!("{name} lives only for goroutine {}, which is blocked", blocked.goroutine),
            "end the wait: give it a context or a timeout, close the channel it waits on, or have \
             it drop the map (m = nil) before it waits"
                .to_owned(),
        ),
        Pin::Goroutine(_) => return None,
        Pin::Closure(function) => (
            Rule::PinnedByClosure,
            format!("{name} lives only for the function value {function}, which captured it"),
            "have the closure capture what it needs of the map rather than the map, or drop the \
             function value when it is done"
                .to_owned(),
        ),
        Pin::Finalizer => (
            Rule::PinnedByFinalizer,
            format!("{name} lives only until a finalizer has run"),
            "call Close explicitly; an object with a finalizer, and all it points to, lives at least \
             one collection longer, and forever in a cycle"
                .to_owned(),
        ),
        Pin::Pool => (
            Rule::PinnedByPool,
            format!("{name} lives only in a sync.Pool"),
            "don't put maps that grew large back: clear keeps their arrays:\n    \
             if len(m) <= maxPooled { clear(m); pool.Put(m) }"
                .to_owned(),
        ),
        Pin::Timer => (
            Rule::PinnedByTimer,
            format!("{name} lives only for a timer that has not fired"),
            "stop the timer when its work is no longer wanted: t.Stop()".to_owned(),
        ),
    };
    let title = format!("{title}: it retains {}", bytes(retained));
    let mut found = finding(rule, map, retained, live, title);
    if let Pin::Iterator(blocked) | Pin::Goroutine(blocked) = pin {
        tell(blocked, &mut found);
    }
    found.fix = fix;
    Some(found)
}

fn is_blocked(goroutine: &Blocked) -> bool {
    goroutine
        .wait_reason
        .as_ref()
        .is_some_and(|reason| BLOCKED.iter().any(|start| reason.to_lowercase().starts_with(start)))
}

/// Adds what a goroutine waits for, and where.
fn tell(goroutine: &Blocked, found: &mut Finding) {
    if let Some(reason) = &goroutine.wait_reason {
        let since = match goroutine.waited {
            Some(waited) if waited.as_secs() > 0 => format!(" for at least {} s", waited.as_secs()),
            _ => String::new(),
        };
        found.evidence.push(format!("goroutine {}: {reason}{since}", goroutine.goroutine));
        if FOREVER.iter().any(|end| reason.ends_with(end)) {
            found.evidence.push("nothing can end this wait".to_owned());
            found.severity = found.severity.max(Severity::Warning);
        }
    }
    for call in goroutine.calls.iter().take(CALLS) {
        found.evidence.push(format!("  {} ({})", call.function, call.place));
    }
}

/// Nothing but `unsafe.Pointer` leads to the map.
pub(super) fn only_unsafe(map: &MapEvidence, live: u64) -> Option<Finding> {
    let retained = map.retained_bytes.unwrap_or(map.own_bytes);
    if !map.is_only_unsafe || retained < NOTABLE {
        return None;
    }
    let title = format!(
        "{} is held through unsafe.Pointer alone: it retains {}",
        type_name(map),
        bytes(retained)
    );
    let mut found = finding(Rule::OnlyUnsafe, map, retained, live, title);
    found.fix = "keep a typed reference beside it, so that profiles, vet and people see the map; \
                 atomic.Pointer[T] holds a typed pointer without a lock"
        .to_owned();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::CallFrame;

    fn held(pin: Pin) -> MapEvidence {
        MapEvidence {
            ty: "map[int64][]uint8".to_owned(),
            own_bytes: 160_000,
            retained_bytes: Some(800_000),
            pins: vec![pin],
            ..MapEvidence::default()
        }
    }

    fn waiting(reason: &str) -> Blocked {
        Blocked {
            goroutine: 17,
            wait_reason: Some(reason.to_owned()),
            calls: vec![CallFrame {
                function: "main.replay".to_owned(),
                place: "replay.go:15".to_owned(),
            }],
            ..Blocked::default()
        }
    }

    #[test]
    fn each_kind_of_pin_has_its_rule() {
        for (pin, rule) in [
            (Pin::Goroutine(waiting("chan receive")), Rule::PinnedByGoroutine),
            (Pin::Iterator(waiting("chan receive")), Rule::PinnedByIterator),
            (Pin::Closure("main.New.func1".to_owned()), Rule::PinnedByClosure),
            (Pin::Finalizer, Rule::PinnedByFinalizer),
            (Pin::Pool, Rule::PinnedByPool),
            (Pin::Timer, Rule::PinnedByTimer),
        ] {
            let found = pinned(&held(pin), 0).unwrap();
            assert_eq!((found.rule, found.bytes), (rule, 800_000));
        }
    }

    #[test]
    fn a_blocked_goroutine_is_named_with_its_calls() {
        let found = pinned(&held(Pin::Goroutine(waiting("chan receive (nil chan)"))), 0).unwrap();
        let told = found.evidence.join("\n");
        assert!(told.contains("goroutine 17: chan receive (nil chan)"), "{told}");
        assert!(told.contains("main.replay (replay.go:15)"), "{told}");
        assert!(told.contains("nothing can end this wait"), "{told}");
    }

    #[test]
    fn a_goroutine_that_runs_sleeps_or_reads_owns_its_map() {
        for reason in [Some("sleep"), Some("IO wait"), None] {
            let mut goroutine = waiting("");
            goroutine.wait_reason = reason.map(str::to_owned);
            assert!(pinned(&held(Pin::Goroutine(goroutine)), 0).is_none());
        }
    }

    #[test]
    fn small_maps_and_maps_of_variables_are_no_findings() {
        let small = MapEvidence { retained_bytes: Some(1_000), ..held(Pin::Pool) };
        assert!(pinned(&small, 0).is_none());
        assert!(pinned(&MapEvidence { pins: Vec::new(), ..held(Pin::Pool) }, 0).is_none());
        assert!(only_unsafe(&held(Pin::Pool), 0).is_none());
        assert!(only_unsafe(&MapEvidence { is_only_unsafe: true, ..held(Pin::Pool) }, 0).is_some());
    }
}
