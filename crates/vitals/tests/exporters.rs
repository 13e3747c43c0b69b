//! What Prometheus's client library for Go (client_golang 1.25, built by Go 1.27.3) serves of a program
//! that keeps 20,000 slices of 1,000 bytes, comments left out: by default, and with all of
//! `runtime/metrics`.

use tophash_vitals::{Bill, Goal, Ruling, Vitals, parse_metrics};

const DEFAULT: &[u8] = include_bytes!("data/default-metrics.txt");
const ALL: &[u8] = include_bytes!("data/runtime-metrics.txt");

fn read(text: &[u8]) -> Vitals {
    parse_metrics(text).expect("the text is as the library serves it")
}

#[test]
fn by_default_the_bill_adds_up_and_the_goal_is_known_but_not_its_terms() {
    let vitals = read(DEFAULT);
    assert_eq!(vitals.go_version.as_deref(), Some("go1.27.3"));
    let bill = Bill::of(&vitals);
    assert_eq!(bill.torn, Some(0));
    assert!(bill.allocated >= Some(20_000 * 1024) && bill.goal_headroom.is_some());
    let sum: i128 = bill.rows().iter().map(|row| row.bytes).sum();
    assert_eq!(Some(sum), vitals.process.resident.map(i128::from));
    assert_eq!((vitals.live, Goal::of(&vitals)), (None, None));
}

#[test]
fn with_all_metrics_the_goal_follows_from_its_terms() {
    let vitals = read(ALL);
    let goal = Goal::of(&vitals).expect("all terms are there");
    assert_eq!(goal.computed, vitals.next_gc);
    assert_eq!((goal.ruling, vitals.gc_percent), (Ruling::Percent, Some(100)));
    assert_eq!(Bill::of(&vitals).torn, Some(0));
    assert!(vitals.gc_cpu_fraction.is_some() && vitals.gc_cpu_seconds.is_some());
    // The library keeps some of the bounds; 1,000 bytes take a slot of 1,024.
    let class = vitals.size_classes.iter().find(|class| class.size >= 1024);
    assert!(class.is_some_and(|class| class.mallocs >= 20_000), "{:?}", vitals.size_classes);
}
