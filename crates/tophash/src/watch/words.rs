//! What is known of a program, in words: the same on the screen, in lines and in tables.

use std::time::Duration;

use tophash_trend::{Explanation, Verdict};
use tophash_vitals::{Advice, Goal, Grower, LimitKind, Outlook, Record, Ruling, Series};

use crate::report::style::{bytes, count, duration};

/// Spells an amount of a series.
pub(super) fn amount(series: Series, value: f64) -> String {
    match series.is_bytes() {
        true => bytes(value.max(0.0) as u64),
        false => count(value.max(0.0) as u64),
    }
}

/// Spells how fast something grows, in the unit of time that gives a number worth reading.
pub(super) fn pace(grower: &Grower) -> String {
    let least = if grower.series.is_bytes() { 64.0 * 1024.0 } else { 1.0 };
    let (factor, unit) = [(1.0, "s"), (60.0, "min"), (3600.0, "h")]
        .into_iter()
        .find(|(factor, _)| grower.per_second * factor >= least)
        .unwrap_or((86400.0, "day"));
    format!("{}/{unit}", amount(grower.series, grower.per_second * factor))
}

/// The verdict in one line, and whether it is bad.
pub(super) fn verdict(outlook: &Outlook, span: f64) -> (String, bool) {
    let watched = duration(Duration::from_secs_f64(span.max(0.0)));
    if let Some(first) = outlook.growing.first() {
        let also: Vec<_> = outlook.growing[1..]
            .iter()
            .map(|grower| format!("{} {}", grower.series.name(), pace(grower)))
            .collect();
        let also =
            if also.is_empty() { String::new() } else { format!("; with it {}", also.join(", ")) };
        // Without its decimals: 99 % is the surest that is ever said.
        let sure = format!("{:.0} % sure", 100.0 * first.confidence);
        let (name, pace) = (first.series.name(), pace(first));
        return (format!("GROWING: {name} by {pace} for {watched}{also} ({sure})"), true);
    }
    match outlook.advice {
        Advice::CollectorBusy => {
            let share = outlook.gc_cpu_share.unwrap_or(0.0);
            (
                format!("BUSY: the collector takes {:.0} % of the processor time", 100.0 * share),
                true,
            )
        }
        _ if outlook.steady.is_empty() => (
            "too early to tell: a trend takes eight looks, and collections between them".to_owned(),
            false,
        ),
        _ => {
            let steady: Vec<_> = outlook.steady.iter().map(|it| steadiness(outlook, *it)).collect();
            (format!("steady for {watched}: {}", steady.join(", ")), false)
        }
    }
}

/// What a series does that does not grow: nothing is said of one that is flat.
fn steadiness(outlook: &Outlook, series: Series) -> String {
    let found = outlook.verdicts.iter().find(|it| it.series == series);
    let name = series.name();
    match found.map(|it| (it.verdict, it.explanation)) {
        Some((_, Explanation::Settled)) => format!("{name} (settled)"),
        Some((Verdict::Churning | Verdict::Stepped | Verdict::Falling, _)) => {
            format!("{name} ({})", found.map_or("", |it| it.verdict.name()))
        }
        _ => name.to_owned(),
    }
}

/// How long until a limit, if something leads there.
pub(super) fn until_limit(outlook: &Outlook, record: &Record) -> Option<String> {
    let (kind, seconds) = outlook.until_limit?;
    let left = match seconds {
        s if s < 365.0 * 86400.0 => duration(Duration::from_secs_f64(s.max(0.0))),
        _ => "more than a year".to_owned(),
    };
    let between = match outlook.until_limit_range {
        Some((least, Some(most))) if seconds > 0.0 && most > 1.2 * least && most < 1e10 => {
            let [least, most] = [least, most].map(|it| duration(Duration::from_secs_f64(it)));
            format!(" (between {least} and {most})")
        }
        _ => String::new(),
    };
    let left = left + &between;
    Some(match kind {
        LimitKind::MemoryLimit => {
            let limit = record.vitals.memory_limit.map_or(String::new(), bytes);
            format!(
                "{left} until GOMEMLIMIT ({limit}): from there on the collector runs without end"
            )
        }
        LimitKind::ControlGroup => {
            let limit = record.vitals.process.limit.map_or(String::new(), bytes);
            format!(
                "{left} until the control group's limit ({limit}): there the kernel ends the process"
            )
        }
    })
}

/// What to do next.
pub(super) fn advice(advice: Advice, pid: Option<u32>) -> String {
    let pid = pid.map_or("PID".to_owned(), |pid| pid.to_string());
    match advice {
        Advice::Wait => "nothing yet; watch on, under load".to_owned(),
        Advice::Nothing => "nothing grows".to_owned(),
        Advice::Goroutines => {
            "goroutines start and do not end: look where they wait, at /debug/pprof/goroutine?debug=1"
                .to_owned()
        }
        Advice::Heap => format!(
            "what is reachable grows: `tophash inspect {pid}` says which maps hold it, `tophash diff` \
             of two cores which grew"
        ),
        Advice::OffHeap => {
            "the growth is outside of Go: C code, or mappings by the program; a heap profile won't show \
             it"
            .to_owned()
        }
        Advice::CollectorBusy => {
            "raise GOMEMLIMIT or GOGC, or allocate less: /debug/pprof/allocs says where".to_owned()
        }
        Advice::Unknown => {
            "the live heap does not grow with it: watch through some more collections".to_owned()
        }
        Advice::MuchFree => {
            "more than half of what Go holds is free: a peak that has passed; debug.FreeOSMemory gives \
             it back"
                .to_owned()
        }
        _ => String::new(),
    }
}

/// When the collector runs next, and why.
pub(super) fn goal(record: &Record) -> Option<String> {
    let vitals = &record.vitals;
    let Some(goal) = &record.goal else {
        let (next, headroom) = vitals.next_gc.zip(record.bill.goal_headroom)?;
        return Some(format!("next collection at {}, {} from here", bytes(next), bytes(headroom)));
    };
    let at = goal.reported.or(goal.computed).map_or("never".to_owned(), bytes);
    Some(format!("next collection at {at}: {}", terms(goal)))
}

fn terms(goal: &Goal) -> String {
    let by_percent = goal.terms.map(|terms| {
        format!(
            "{} live + ({} live + {} stacks + {} globals) × {} %",
            bytes(terms.live),
            bytes(terms.live),
            bytes(terms.stacks),
            bytes(terms.globals),
            terms.percent
        )
    });
    match (goal.ruling, by_percent, goal.limit) {
        (Ruling::Floor, Some(sum), _) => format!("the least there is; {sum} would be less"),
        (Ruling::Limit, _, Some(limit)) => format!(
            "GOMEMLIMIT {} - {} beside the heap - {} over it, less some room",
            bytes(limit.limit),
            bytes(limit.beside_heap()),
            bytes(limit.excess())
        ),
        (_, Some(sum), _) => sum,
        (_, None, _) => "GOGC is off".to_owned(),
    }
}

/// What is counted and is no size, with the collector's share of the processor.
pub(super) fn counted(record: &Record, outlook: &Outlook) -> String {
    let vitals = &record.vitals;
    let counted = [
        ("objects", vitals.heap_objects),
        ("goroutines", vitals.goroutines),
        ("threads", vitals.process.threads),
        ("collections", vitals.gc_cycles),
    ];
    let counted =
        counted.into_iter().filter_map(|(name, value)| Some(format!("{} {name}", count(value?))));
    let share = outlook
        .gc_cpu_share
        .map(|share| format!("{:.2} % of the CPU to the collector", 100.0 * share));
    counted.chain(share).collect::<Vec<_>>().join(", ")
}

/// One look in a line.
pub(super) fn line(record: &Record, outlook: &Outlook) -> String {
    let vitals = &record.vitals;
    let mut parts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{name} {value}")));
    };
    add("heap", vitals.heap_alloc.map(bytes));
    add("live", record.bill.live.map(bytes));
    add("next GC", vitals.next_gc.map(bytes));
    add("mapped", vitals.mapped.map(bytes));
    add("RSS", vitals.process.resident.map(bytes));
    add("goroutines", vitals.goroutines.map(count));
    add("GCs", vitals.gc_cycles.map(count));
    add("GC CPU", outlook.gc_cpu_share.map(|share| format!("{:.1} %", 100.0 * share)));
    let grows: Vec<_> = outlook
        .growing
        .iter()
        .map(|grower| format!("{} +{}", grower.series.name(), pace(grower)))
        .collect();
    if !grows.is_empty() {
        parts.push(format!("GROWING {}", grows.join(", ")));
    }
    parts.join("  ")
}

#[cfg(test)]
pub(super) mod tests {
    use tophash_vitals::{History, ProcessVitals, Vitals};

    use super::*;

    /// A service whose live heap grows by 1 MiB a second below a limit of 1 GiB.
    pub(in crate::watch) fn leaking() -> (History, Record) {
        let mut history = History::new();
        let mut record = None;
        for at in 0..60_u64 {
            let live = (100 + at) << 20;
            let vitals = Vitals {
                go_version: Some("go1.27.3".to_owned()),
                heap_alloc: Some(live + (5 << 20)),
                live: Some(live),
                heap_in_use: Some(live + (9 << 20)),
                heap_free: Some(1 << 20),
                heap_released: Some(7 << 20),
                stacks: Some(1 << 20),
                runtime: Some(6 << 20),
                mapped: Some(live + (17 << 20)),
                next_gc: Some(2 * live),
                gc_percent: Some(100),
                stack_scan: Some(1 << 20),
                globals_scan: Some(1 << 19),
                gc_cycles: Some(at),
                goroutines: Some(7),
                process: ProcessVitals {
                    resident: Some(live + (20 << 20)),
                    file: Some(4 << 20),
                    limit: Some(1 << 30),
                    ..ProcessVitals::default()
                },
                ..Vitals::default()
            };
            history.push(at as f64, vitals.clone());
            record = Some(Record::of(at as f64, vitals));
        }
        (history, record.unwrap())
    }

    #[test]
    fn a_leak_is_told_with_its_pace_its_limit_and_what_to_do() {
        let (history, record) = leaking();
        let outlook = history.outlook();
        let (text, is_bad) = verdict(&outlook, history.span());
        assert!(is_bad && text.starts_with("GROWING: live heap by 1.0 MiB/s for 59s"), "{text}");
        let left = until_limit(&outlook, &record).unwrap();
        assert!(left.starts_with("14m 5s until the control group's limit (1.0 GiB)"), "{left}");
        assert!(advice(outlook.advice, Some(7)).contains("tophash inspect 7"));
        let goal = goal(&record).unwrap();
        assert!(goal.contains("159.0 MiB live + (159.0 MiB live + 1.0 MiB stacks"), "{goal}");
    }

    #[test]
    fn slow_growth_has_a_unit_of_time_that_can_be_read() {
        let (history, _) = leaking();
        let mut grower = history.outlook().growing[0].clone();
        for (per_second, text) in
            [(10e6, "9.5 MiB/s"), (2000.0, "117.2 KiB/min"), (1.0, "84.4 KiB/day")]
        {
            grower.per_second = per_second;
            assert_eq!(pace(&grower), text);
        }
    }
}
