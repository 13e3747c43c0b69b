//! Text that no compiler wrote, or that was cut, mixed up or blown up, costs what it says and no more.

use std::collections::HashSet;

use proptest::prelude::*;
use tophash_escape::{
    Build, Charger, Frame, NoContext, Report, Sum, compare, import_path, read, tally,
};

/// Everything that can be asked of a report.
fn exercise(report: &Report) {
    let named = report
        .escaping()
        .map(|(package, site)| ((package, site.reason, site.kind, &*site.function), site));
    let _ = tally(named);
    for (_, site) in report.sites() {
        let _ = (site.story(), site.cause(), tophash_escape::advise(site));
    }
    let mut charger = Charger::new(report, &NoContext, &HashSet::new());
    for (package, site) in report.sites() {
        let function = format!("{package}.{}", site.function);
        let frame =
            Frame { function: &function, file: &site.at.file, line: site.at.line, location: 7 };
        charger.charge(&[frame, frame, frame], Sum { bytes: u64::MAX, objects: u64::MAX });
    }
    let charged = charger.finish();
    assert!(charged.lines.len() <= report.sites().count().saturating_mul(2) + 1);
    // The same, as if every package were a program.
    let programs =
        report.packages.iter().map(|package| import_path(&package.path).to_owned()).collect();
    let mut charger = Charger::new(report, &NoContext, &programs);
    for (_, site) in report.sites() {
        let frame = Frame { function: "main.f", file: &site.at.file, line: 1, location: 0 };
        charger.charge(&[frame], Sum { bytes: 1, objects: 1 });
    }
    for line in charger.finish().lines {
        let _ = (line.own_sum(), line.object_size());
    }
    let build = Build { report, version: "go1.27" };
    assert!(compare(build, build).is_empty());
}

const GOOD: &str = "# example.com/app\n\
    ./a.go:3:6: can inline New with cost 4 as: func() *T { return &T{...} }\n\
    ./a.go:9:6: cannot inline (*T).fill: too complex\n\
    ./a.go:12:11: inlining call to New\n\
    ./a.go:13:9: &T{...} escapes to heap in (*T).fill:\n\
    ./a.go:13:9:   flow: {storage for func literal} ← &{storage for &T{...}}:\n\
    ./a.go:13:9:     from &T{...} (spill) at ./a.go:13:9\n\
    ./a.go:13:9:     from m[k] = &T{...} (assign) at ./a.go:13:2\n\
    ./a.go:14:2: func literal escapes to heap:\n\
    ./a.go:14:2:   flow: {storage for &T{...}} = &{storage for func literal}:\n\
    ./a.go:14:2:     from f(x, \"(\") (call parameter) at ./a.go:14:2\n\
    ./a.go:13:9: &T{...} escapes to heap\n\
    ./a.go:14:2: func literal escapes to heap\n\
    ./a.go:15:2: moved to heap: x\n\
    ./a.go:16:2: make(map[string]int) does not escape\n";

#[test]
fn text_may_end_anywhere() {
    for end in (0..=GOOD.len()).filter(|&end| GOOD.is_char_boundary(end)) {
        exercise(&read(&GOOD[..end], &NoContext));
    }
}

#[test]
fn explanations_that_go_in_a_circle_end() {
    let report = read(GOOD, &NoContext);
    assert_eq!(report.escaping().count(), 3);
    exercise(&report);
}

#[test]
fn a_huge_line_is_cut() {
    let huge = "x(".repeat(2 << 20);
    let text = format!(
        "# p\na.go:1:1: {huge} escapes to heap:\na.go:1:1:   flow: {{heap}} = &{huge}:\n\
         a.go:1:1:     from {huge} (call parameter) at a.go:1:1\na.go:1:1: {huge} escapes to heap\n{huge}\n"
    );
    let report = read(&text, &NoContext);
    exercise(&report);
    let (_, site) = report.escaping().next().unwrap();
    assert!(site.expression.len() <= 1024);
    assert!(report.other.iter().all(|line| line.len() <= 1024));
}

#[test]
fn many_flows_and_steps_are_cut() {
    let mut text = "# p\na.go:1:1: x escapes to heap:\n".to_owned();
    for _ in 0..5000 {
        text += "a.go:1:1:   flow: y = x:\n";
        text += &"a.go:1:1:     from y = x (assign) at a.go:1:1\n".repeat(20);
    }
    text += "a.go:1:1: moved to heap: x\n";
    let report = read(&text, &NoContext);
    let (_, site) = report.escaping().next().unwrap();
    assert!(site.flows.len() <= 64 && site.flows.iter().all(|flow| flow.steps.len() <= 64));
    exercise(&report);
}

/// Many explanations of one spelling must not be searched for each of them again and again.
#[test]
fn many_namesakes_take_linear_time() {
    let mut text = "# p\n".to_owned();
    for line in 1..20_000 {
        text += &format!(
            "a.go:{line}:1: x escapes to heap:\na.go:{line}:1:   flow: {{storage for x}} = &x:\n\
             a.go:{line}:1: moved to heap: x\n"
        );
    }
    let report = read(&text, &NoContext);
    assert_eq!(report.escaping().count(), 19_999);
}

fn lines() -> impl Strategy<Value = String> {
    let good: Vec<String> = GOOD.lines().map(str::to_owned).collect();
    let line = prop_oneof![
        6 => proptest::sample::select(good.clone()),
        1 => "\\PC{0,60}",
        1 => "(a|./b c|<auto>).go:[0-9]{1,12}(:[0-9]{0,4})?: (  |    )?(flow: |from |moved to heap: )?\\PC{0,30}",
        2 => (proptest::sample::select(good), any::<prop::sample::Index>(), "\\PC{0,3}").prop_map(
            |(line, at, put)| {
                let ends: Vec<usize> = line.char_indices().map(|(index, _)| index).collect();
                let at = ends[at.index(ends.len())];
                format!("{}{put}{}", &line[..at], &line[at..])
            }
        ),
    ];
    proptest::collection::vec(line, 0..60).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_lines_in_any_order_are_read(text in lines()) {
        exercise(&read(&text, &NoContext));
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,400}") {
        exercise(&read(&text, &NoContext));
    }
}
