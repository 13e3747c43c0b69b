//! Maps in heap profiles, held against the program's own account: `fixtures/mapsites` reads its whole
//! stacks with `runtime.MemProfile`, which leaves out nothing, and says of each line what the runtime
//! was called for there.
//!
//! `TOPHASH_PRINT=1` with `--nocapture` prints the figures that docs/profiles.md shows.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;
use xtask::toolchain::{self, Release};

/// Bytes in use and bytes allocated.
type Bytes = [f64; 2];

/// What the program says: by function and line, bytes of maps and of all else.
#[derive(Default)]
struct Account {
    sites: HashMap<(String, u64), (Bytes, Bytes)>,
}

impl Account {
    fn of(lines: &[String], profile: &str) -> Self {
        let mut account = Self::default();
        for line in lines {
            let parts: Vec<&str> = line.split('\t').collect();
            let ["SITE", name, kind, function, line, figures @ ..] = parts.as_slice() else {
                continue;
            };
            // What taking profiles itself allocates is not of interest.
            if *name != profile || !is_ours(function) {
                continue;
            }
            let figures: Vec<f64> =
                figures.iter().map(|text| text.parse().expect("as promised")).collect();
            let site = account
                .sites
                .entry((bare(function), line.parse().expect("as promised")))
                .or_default();
            let side = if *kind == "other" { &mut site.1 } else { &mut site.0 };
            side[0] += figures[0];
            side[1] += figures[2];
        }
        // Of some 47 sites chance leaves out some when there are samples only.
        assert!(account.sites.len() > 15, "{}", account.sites.len());
        account
    }
}

fn is_ours(function: &str) -> bool {
    function.starts_with("main.") || function.starts_with("net/url.")
}

/// Type arguments are spelled in more than one way.
fn bare(function: &str) -> String {
    match (function.find('['), function.rfind(']')) {
        (Some(start), Some(end)) => format!("{}[...]{}", &function[..start], &function[end + 1..]),
        _ => function.to_owned(),
    }
}

/// How much of the maps was found, and how much of all else was called a map.
#[derive(Debug, Default)]
struct Score {
    maps: Bytes,
    found: Bytes,
    others: Bytes,
    wrong: Bytes,
    wrong_places: Vec<String>,
    missed_places: Vec<String>,
}

impl Score {
    fn of(account: &Account, report: &Value, least: &[&str]) -> Self {
        let mut told: HashMap<(String, u64), Bytes> = HashMap::new();
        for row in report["maps"].as_array().expect("as promised") {
            let function = row["function"].as_str().expect("as promised");
            if least.contains(&row["certainty"].as_str().expect("as promised")) && is_ours(function)
            {
                let site = told
                    .entry((bare(function), row["line"].as_u64().expect("as promised")))
                    .or_default();
                site[0] += row["inuse_bytes"].as_f64().expect("as promised");
                site[1] += row["alloc_bytes"].as_f64().expect("as promised");
            }
        }
        let mut score = Self::default();
        for (place, (maps, others)) in &account.sites {
            let told = told.get(place).copied().unwrap_or_default();
            for at in 0..2 {
                score.maps[at] += maps[at];
                score.others[at] += others[at];
                score.found[at] += told[at].min(maps[at]);
                score.wrong[at] += (told[at] - maps[at]).max(0.0);
            }
            if told[1] > maps[1] * 1.01 + 64.0 {
                score.wrong_places.push(format!("{place:?}: {told:?} of {maps:?}"));
            }
            if told[1] < maps[1] * 0.99 - 64.0 {
                score.missed_places.push(format!("{place:?}: {told:?} of {maps:?}"));
            }
        }
        score
    }

    fn recall(&self) -> Bytes {
        [self.found[0] / self.maps[0], self.found[1] / self.maps[1]]
    }

    fn false_share(&self) -> Bytes {
        [self.wrong[0] / self.others[0], self.wrong[1] / self.others[1]]
    }

    fn print(&self, release: &str, how: &str) {
        if std::env::var_os("TOPHASH_PRINT").is_some() {
            let [recall, recall_alloc] = self.recall().map(|share| share * 100.0);
            let [wrong, wrong_alloc] = self.false_share().map(|share| share * 100.0);
            println!(
                "{release:8} {how:28} found {recall:6.2} {recall_alloc:6.2}  false {wrong:6.2} {wrong_alloc:6.2}"
            );
            self.wrong_places.iter().for_each(|place| println!("    wrong {place}"));
            self.missed_places.iter().for_each(|place| println!("    missed {place}"));
        }
    }
}

struct Run {
    running: Running,
    program: String,
    dir: tempfile::TempDir,
}

fn start(release: &Release, rate: u32, scale: u32) -> Run {
    let program =
        fixture::build(release.version, Fixture::MapSites, Symbols::Kept).expect("as promised");
    let dir = tempfile::tempdir().expect("as promised");
    let mut command = Command::new(&program);
    command.arg(rate.to_string()).arg(scale.to_string()).arg(dir.path());
    let running = Running::start_command(&mut command).expect("as promised");
    Run { running, program: program.to_str().expect("as promised").to_owned(), dir }
}

impl Run {
    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("as promised").to_owned()
    }

    fn maps(&self, name: &str, arguments: &[&str]) -> Value {
        let mut all = vec!["profile", name, "--maps", "--format", "json"];
        all.extend(arguments);
        serde_json::from_slice(tophash(&all).as_bytes()).expect("as promised")
    }
}

fn tophash(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tophash"))
        .args(arguments)
        // Files at recorded paths are looked for; there are none here.
        .current_dir(std::env::temp_dir())
        .output()
        .expect("as promised");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("as promised")
}

const SURE: [&str; 2] = ["certain", "likely"];

fn sources(release: &Release) -> [String; 2] {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mapsites");
    let root = toolchain::ensure(release.version).expect("as promised").goroot().join("src");
    [own, root].map(|path| path.to_str().expect("as promised").to_owned())
}

#[test]
fn sources_and_code_tell_maps_from_what_looks_like_them() {
    for release in Release::tested() {
        // All allocations, and samples of them as by default.
        for (rate, scale) in [(1, 4000), (0, 60_000)] {
            let run = start(&release, rate, scale);
            let heap = run.file("heap.pb.gz");
            let account = Account::of(run.running.lines(), "heap");
            let name = format!("{}{}", release.version, if rate == 1 { "" } else { " sampled" });
            let [own, root] = sources(&release);

            let report = run.maps(&heap, &["--source", &own, "--source", &root]);
            let score = Score::of(&account, &report, &SURE);
            score.print(&name, "--source");
            // Of samples, chance decides what there is to judge by.
            let (least, most) = if rate == 1 { (0.999, 0.0) } else { (0.9, 0.01) };
            assert!(score.recall().iter().all(|share| *share >= least), "{name} {score:#?}");
            assert!(score.false_share().iter().all(|share| *share <= most), "{name} {score:#?}");

            let report = run.maps(&heap, &["--exe", &run.program]);
            let score = Score::of(&account, &report, &["certain"]);
            score.print(&name, "--exe");
            assert!(score.recall().iter().all(|share| *share >= 0.999), "{name} {score:#?}");
            assert!(score.false_share().iter().all(|share| *share == 0.0), "{name} {score:#?}");

            let report = run.maps(&heap, &[]);
            let score = Score::of(&account, &report, &SURE);
            score.print(&name, "sizes, likely or better");
            if rate == 1 {
                // Of look-alikes, none may be called a map by sizes.
                assert!(score.false_share().iter().all(|share| *share < 0.01), "{name} {score:#?}");
                assert!(score.recall().iter().all(|share| *share >= 0.7), "{name} {score:#?}");
            }
            let certain = Score::of(&account, &report, &["certain"]);
            assert!(certain.wrong_places.is_empty(), "{name} {certain:#?}");
            let all = Score::of(&account, &report, &["certain", "likely", "possible"]);
            all.print(&name, "sizes, with what is possible");
        }
    }
}

#[test]
fn an_inspection_gives_sites_their_types_and_entries() {
    for release in Release::tested() {
        let run = start(&release, 1, 4000);
        let later = run.file("later.pb.gz");
        let report = run.file("report.json");
        let pid = run.running.pid().to_string();
        let arguments = ["inspect", &pid, "--max-pause", "20s", "--format", "json", "--top", "0"];
        std::fs::write(&report, tophash(&arguments)).unwrap();
        let account = Account::of(run.running.lines(), "later");
        let maps = run.maps(&later, &["--inspect", &report]);
        let score = Score::of(&account, &maps, &SURE);
        score.print(release.version, "--inspect");
        assert!(score.false_share().iter().all(|share| *share < 0.01), "{score:#?}");
        assert!(score.recall()[0] > 0.9, "{score:#?}");
        let expected: [(&str, &[&str]); 10] = [
            ("main.growInts", &["map[int]int"]),
            ("main.growSessions", &["map[string]*main.session"]),
            ("main.growWide", &["map[int]main.wide"]),
            ("main.makeHinted", &["map[int64]int64"]),
            ("main.count", &["map[string]int", "map[main.point]float64"]),
            ("main.growLists", &["map[int][]int"]),
            ("main.growMixed", &["map[int]interface {}"]),
            ("main.growBuffers", &["map[int][]uint8"]),
            ("main.(*registry).fill", &["map[string]int"]),
            ("main.growTwo", &["map[int]int", "map[int]string"]),
        ];
        for (function, types) in expected {
            let rows = maps["maps"].as_array().unwrap();
            let row = rows.iter().find(|row| row["function"] == function);
            let row = row.unwrap_or_else(|| panic!("{} {function}", release.version));
            let ty = row["type"].as_str().unwrap_or_default();
            assert!(types.contains(&ty), "{} {function}: {row:#}", release.version);
            assert!(row["inspected"]["entries"].as_u64().unwrap() > 0, "{row:#}");
        }
    }
}

#[test]
fn growth_is_told_from_churn() {
    for release in Release::tested() {
        let run = start(&release, 1, 4000);
        let (heap, later) = (run.file("heap.pb.gz"), run.file("later.pb.gz"));
        let trend = |report: &Value, function: &str| {
            let rows = report["maps"].as_array().unwrap();
            let row = rows.iter().find(|row| row["function"] == function).unwrap();
            row["trend"].as_str().unwrap().to_owned()
        };
        let first = run.maps(&heap, &["--exe", &run.program]);
        assert_eq!(trend(&first, "main.growInts"), "grown", "{}", release.version);
        assert_eq!(trend(&first, "main.makeHinted"), "kept", "{}", release.version);
        assert_eq!(trend(&first, "main.perRequest"), "churning", "{}", release.version);
        let both = run.maps(&later, &["--exe", &run.program, "--diff-base", &heap]);
        assert_eq!(trend(&both, "main.growInts"), "growing", "{}", release.version);
        assert_eq!(trend(&both, "main.makeHinted"), "steady", "{}", release.version);
        assert_eq!(trend(&both, "main.perRequest"), "churning", "{}", release.version);
        let text = tophash(&["profile", &later, "--maps", "--diff-base", &heap]);
        assert!(text.contains("growing") && text.contains("--exe PROGRAM"), "{text}");
        assert!(text.lines().count() < 30, "one screen: {text}");
    }
}

#[test]
fn what_is_no_heap_profile_or_another_program_is_refused() {
    let release = Release::tested()[0];
    let run = start(&release, 1, 400);
    let refused = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tophash")).args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let heap = run.file("heap.pb.gz");
    let other = fixture::build(release.version, Fixture::Profiles, Symbols::Kept).unwrap();
    let told = refused(&["profile", &heap, "--maps", "--exe", other.to_str().unwrap()]);
    assert!(told.contains("another"), "{told}");
    let told = refused(&["profile", &heap, "--maps", "--inspect", &heap]);
    assert!(told.contains("no report"), "{told}");
    let told = refused(&["profile", &heap, "--maps", "--go", "1.5"]);
    assert!(told.contains("1.5"), "{told}");
    let status = Command::new(other).arg("real").arg(run.dir.path()).status().unwrap();
    assert!(status.success());
    let told = refused(&["profile", &run.file("cpu.pb.gz"), "--maps"]);
    assert!(told.contains("--maps needs a heap profile"), "{told}");
}
