//! `tophash profile --series` on made up profiles, and on programs of others under load.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{folder, is_wide, releases, say, tophash};
use serde_json::Value;
use tophash_profile::{ProfileBuilder, SampleFrame};
use xtask::fixture::{self, Fixture, Symbols};
use xtask::programs::Growth;
use xtask::running::Running;

/// From here on a verdict on a program of others is relied on.
const SURE: f64 = 0.9;
/// A day on which profiles may have been taken, in nanoseconds.
const START: i64 = 1_790_000_000_000_000_000;
const MINUTE: i64 = 60_000_000_000;

/// Writes a profile of sites, each a function, what it holds and what it has allocated.
fn write(path: &Path, nanos: i64, sites: &[(&str, i64, i64)]) {
    let mut builder = ProfileBuilder::new(&[
        ("alloc_objects", "count"),
        ("alloc_space", "bytes"),
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
    ]);
    builder.set_period(("space", "bytes"), 512 << 10);
    builder.set_time_nanos(nanos);
    for (function, in_use, allocated) in sites {
        let grow = SampleFrame { function: "runtime.mallocgc", line: 9, ..Default::default() };
        let site = SampleFrame { function, file: "main.go", line: 7, ..Default::default() };
        let values = [allocated / 100, *allocated, in_use / 100, *in_use];
        builder.add_sample(&[grow, site], &values, &[]);
    }
    fs::write(path, builder.finish()).unwrap();
}

/// A service with a leak, a cache that churns, and something that came with a deploy.
fn service(dir: &Path, count: i64, start: i64) {
    for at in 0..count {
        let wobble = at * 7919 % 101;
        let sites = [
            ("main.(*Sessions).add", (20 << 20) + (at << 18) + (wobble << 14), (at + 1) << 19),
            ("main.(*Cache).put", (80 << 20) + (wobble << 14), (at + 1) << 26),
            ("main.loadModel", if at < count / 2 { 0 } else { 40 << 20 }, 40 << 20),
            ("main.init", 5 << 20, 5 << 20),
        ];
        let nanos = if start == 0 { 0 } else { start + at * MINUTE };
        // Names don't follow time.
        write(&dir.join(format!("{:03}.pb.gz", (at * 37) % 1000)), nanos, &sites);
    }
}

fn series(arguments: &[&str]) -> Value {
    let mut all = vec!["profile", "--series", "--format", "json"];
    all.extend(arguments);
    let output = tophash(&all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn site<'v>(report: &'v Value, list: &str, function: &str) -> &'v Value {
    let mut rows = report[list].as_array().unwrap().iter();
    rows.find(|row| row["function"] == function).unwrap_or_else(|| panic!("{report:#}"))
}

#[test]
fn maps_that_grow_are_told_from_their_contents_on_every_release() {
    for release in releases() {
        let version = release.version;
        let program = fixture::build(version, Fixture::Vitals, Symbols::Kept).unwrap();
        let mut command = Command::new(&program);
        command.env("VITALS_EVERY_OBJECT", "1");
        let mut running = Running::start_command(&mut command).unwrap();
        let url = format!("http://{}", running.lines()[0].strip_prefix("listen\t").unwrap());
        let (_guard, dir) = folder();
        let dir = dir.to_str().unwrap();
        for _ in 0..40 {
            running.tell("grow 6000").unwrap();
            let saved = tophash(&["watch", &url, "--profiles", dir, "--collect", "--once"]);
            assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
        }
        let report = series(&["--maps", "--exe", program.to_str().unwrap(), dir]);
        assert_eq!(report["times"].as_array().unwrap().len(), 40, "go{version}");
        let map = &report["sites"][0];
        assert_eq!(map["function"], "main.grow", "go{version}: {map:#}");
        assert_eq!(map["map_type"], "map[int]*main.Session", "go{version}");
        // A classic map doubles at once; Swiss tables split one after the other.
        let verdict = map["verdict"].as_str().unwrap();
        assert!(["growing", "stepped"].contains(&verdict), "go{version}: {map:#}");
        // The sessions, which the maps only point to, are not theirs.
        let sessions = 240_000 * 240;
        let all = series(&[dir]);
        let maps = report["total"]["now"].as_u64().unwrap();
        let whole = all["total"]["now"].as_u64().unwrap();
        assert!(maps + sessions <= whole, "go{version}: {maps} of {whole}");
        assert_eq!(all["total"]["verdict"], "growing", "go{version}");
    }
}

#[test]
fn each_site_has_a_verdict_and_the_whole_a_limit() {
    let (_guard, dir) = folder();
    service(&dir, 120, START);
    let report = series(&[dir.to_str().unwrap(), "--limit", "1GiB"]);
    let verdict = |list: &str, name: &str| site(&report, list, name)["verdict"].clone();
    for list in ["sites", "functions"] {
        assert_eq!(verdict(list, "main.(*Sessions).add"), "growing");
        assert_eq!(verdict(list, "main.(*Cache).put"), "churning");
        assert_eq!(verdict(list, "main.loadModel"), "stepped");
        assert_eq!(verdict(list, "main.init"), "flat");
    }
    let leak = site(&report, "sites", "main.(*Sessions).add");
    let per_hour = leak["per_hour"].as_f64().unwrap();
    let truth = 60.0 * f64::from(1 << 18);
    assert!((per_hour - truth).abs() < 0.02 * truth, "{per_hour}");
    assert!(leak["confidence"].as_f64().unwrap() > 0.9);
    assert_eq!((&leak["line"], &leak["file"]), (&7.into(), &"main.go".into()));
    assert_eq!(report["sites"][0], *leak);
    let step = &site(&report, "sites", "main.loadModel")["changes"][0];
    let at = step["at"].as_f64().unwrap() - START as f64 / 1e9;
    assert!((at - 3600.0).abs() <= 60.0 && step["kind"] == "step", "{step}");
    assert_eq!(report["clock"], "profiles");
    assert_eq!(report["times"].as_array().unwrap().len(), 120);
    // A leak and a step: what is left of a gigabyte is filled at the leak's pace.
    assert_eq!(report["total"]["verdict"], "growing", "{:#}", report["total"]["explanation"]);
    let seconds = report["limit"]["seconds"]["expected"].as_f64().unwrap();
    let left = f64::from((1 << 30) - (145 << 20)) - 120.0 * f64::from(1 << 18);
    let expected = left / f64::from(1 << 18) * 60.0;
    assert!((seconds - expected).abs() < 0.1 * expected, "{seconds} not {expected}");
}

#[test]
fn the_table_fits_on_a_screen_and_says_what_to_do() {
    let (_guard, dir) = folder();
    service(&dir, 120, START);
    let output = tophash(&["profile", "--series", dir.to_str().unwrap(), "--limit", "1GiB"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "120 profiles of inuse_space over 1h 59m",
        "GROWING: +1",
        "MiB an hour",
        "1.0 GiB is reached in",
        "growing",
        "main.(*Sessions).add:7",
        "tophash profile --base",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert!(text.lines().count() <= 24, "{text}");
}

#[test]
fn profiles_without_times_are_taken_by_file_or_by_order_and_it_is_said() {
    let (_guard, dir) = folder();
    service(&dir, 20, 0);
    fs::write(dir.join("notes.pb.gz"), "no profile").unwrap();
    let moment = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
    for entry in fs::read_dir(&dir).unwrap() {
        let file = fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(moment).unwrap();
    }
    let output = tophash(&["profile", "--series", dir.to_str().unwrap()]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("nothing says when"), "{errors}");
    assert!(errors.contains("1 files are no profiles"), "{errors}");
    assert!(output.status.success());
    let named = dir.join("notes.pb.gz");
    let output = tophash(&["profile", "--series", named.to_str().unwrap()]);
    assert!(!output.status.success(), "a file that was named must be a profile");
}

#[test]
fn few_profiles_are_too_few_and_a_url_is_told_of_watch() {
    let (_guard, dir) = folder();
    service(&dir, 5, START);
    let report = series(&[dir.to_str().unwrap()]);
    assert_eq!(report["total"]["verdict"], "too_early");
    let output = tophash(&["profile", "--series", "http://localhost:1/debug/pprof/heap"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("watch URL --profiles DIR"), "{errors}");
}

/// The functions of which one must be among the first that are said to grow.
fn leaking(growth: Growth) -> &'static [&'static str] {
    match growth.program.name() {
        "prometheus" => &["tsdb", "labels", "index"],
        // Its log keeps the requests, and its tree the keys.
        "etcd" => &["mvcc", "btree", "InternalRaftRequest"],
        _ => &["Sublist", "processSub", "newNode", "newLevel"],
    }
}

/// Prints the verdicts on a program and its first site, and returns what is wrong with them.
fn fault_of(growth: Growth, report: &Value) -> Option<String> {
    let total = &report["total"];
    let first = &report["sites"][0];
    let (verdict, sure) = (&total["verdict"], total["confidence"].as_f64().unwrap());
    let (words, function) = (growth.words(), first["function"].as_str().unwrap());
    let site = format!("{} {function}", first["verdict"]);
    let now = total["now"].as_i64().unwrap() >> 10;
    say(&format!("| {words} | {verdict} | {:.0} % | {now} KiB | {site} |", 100.0 * sure));
    if (verdict == "growing") != growth.leaks {
        return Some(format!("{words}: {verdict}"));
    }
    let is_named = leaking(growth).iter().any(|part| function.contains(part));
    let is_right = !growth.leaks || is_named && first["verdict"] == "growing";
    (!is_right).then(|| format!("{words}: {site}"))
}

#[test]
fn if_wide_three_of_six_programs_of_others_leak() {
    if !is_wide() {
        return say("six programs under load: NOT RUN, as TOPHASH_WIDE is not set");
    }
    let mut faults = Vec::new();
    for growth in Growth::ALL {
        // Who is not sure enough watches for longer, as `docs/series.md` says. And of verdicts that are
        // sure, one in fifty is wrong by its own account; what is wrong of longer and longer series of
        // as many processes is no chance.
        let mut fault = None;
        for count in [80, 160, 240] {
            let (_guard, dir) = folder();
            growth.run(count, &dir).unwrap();
            let report = series(&[dir.to_str().unwrap()]);
            fault = fault_of(growth, &report);
            let is_sure = report["total"]["confidence"].as_f64().unwrap() >= SURE;
            if is_sure && fault.is_none() {
                break;
            }
        }
        faults.extend(fault);
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
