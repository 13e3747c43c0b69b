//! Profiles: figures held against `go tool pprof` of Go 1.27, on profiles of every release, made up
//! ones, and damaged ones; files for other viewers; running programs; and hostile input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tophash_profile::Profile;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;
use xtask::toolchain::{self, Release};

fn tophash(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tophash"))
        .arg("profile")
        .args(arguments)
        .output()
        .expect("tophash runs")
}

fn pprof(dir: &Path, arguments: &[&str]) -> Output {
    let toolchain = toolchain::ensure("1.27").expect("Go 1.27");
    let mut command = toolchain.go(dir, "");
    command.args(["tool", "pprof"]).args(arguments).output().expect("pprof runs")
}

/// What is printed from the head of the table on.
fn table(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().map(|line| line.trim_end().to_owned());
    let rows: Vec<_> = lines.skip_while(|line| !line.contains("flat%")).collect();
    assert!(!rows.is_empty(), "no table in {text}");
    rows
}

/// Both must print the same table.
fn check(dir: &Path, theirs: &[&str], ours: &[&str]) {
    let (theirs_printed, ours_printed) = (table(&pprof(dir, theirs)), table(&tophash(ours)));
    for (theirs, ours) in theirs_printed.iter().zip(&ours_printed) {
        assert_eq!(theirs, ours, "{ours_printed:#?}");
    }
    assert_eq!(theirs_printed.len(), ours_printed.len(), "{ours:?}");
}

fn real(version: &str, dir: &Path) {
    let program = fixture::build(version, Fixture::Profiles, Symbols::Kept).expect("it builds");
    let status = Command::new(program).arg("real").arg(dir).status().expect("it runs");
    assert!(status.success());
}

fn made(samples: usize, seed: u32, file: &Path) {
    let program = fixture::build("1.27", Fixture::Profiles, Symbols::Kept).expect("it builds");
    let mut command = Command::new(program);
    command.arg("made").arg(samples.to_string()).arg(file).arg(seed.to_string());
    assert!(command.status().expect("it runs").success());
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn figures_are_those_of_pprof_for_programs_of_every_release() {
    for release in Release::tested() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        real(release.version, dir);
        let [heap, later, allocs, goroutine, cpu] =
            ["heap", "heap-later", "allocs", "goroutine", "cpu"]
                .map(|name| dir.join(format!("{name}.pb.gz")));
        for file in [&heap, &later, &allocs, &goroutine, &cpu] {
            let file = text(file);
            check(dir, &["-top", file], &[file]);
            check(dir, &["-top", "-cum", file], &[file, "--cum"]);
            check(dir, &["-top", "-nodecount=5", file], &[file, "--top", "5"]);
            check(dir, &["-tree", file], &[file, "--tree"]);
            check(dir, &["-tree", "-nodecount=9", file], &[file, "--tree", "--top", "9"]);
            check(dir, &["-peek", "main|go", file], &[file, "--peek", "main|go"]);
        }
        let (heap, later, cpu) = (text(&heap), text(&later), text(&cpu));
        for ty in ["inuse_objects", "alloc_space", "alloc_objects"] {
            let index = format!("-sample_index={ty}");
            check(dir, &["-top", &index, later], &[later, "--sample-type", ty]);
        }
        check(dir, &["-tree", "-base", heap, later], &[later, "--base", heap, "--tree"]);
        check(dir, &["-tree", "-diff_base", heap, later], &[later, "--diff-base", heap, "--tree"]);
        check(dir, &["-top", heap, later], &[heap, later]);
        for (option, value) in [
            ("focus", "fill"),
            ("ignore", "fill"),
            ("hide", "fill|Sprint"),
            ("show", "^main"),
            ("show_from", "main.load"),
            ("focus", "proc.go"),
        ] {
            let (theirs, ours) = (format!("-{option}={value}"), option.replace('_', "-"));
            let ours = format!("--{ours}={value}");
            check(dir, &["-tree", &theirs, heap], &[heap, &ours, "--tree"]);
        }
        for tag in ["100b:1kb", ":512", "1kb:", "bytes=96b:128b"] {
            let (focus, ignore) = (format!("-tagfocus={tag}"), format!("-tagignore={tag}"));
            let focus_ours = format!("--tag-focus={tag}");
            let ignore_ours = format!("--tag-ignore={tag}");
            check(dir, &["-top", &focus, heap], &[heap, &focus_ours]);
            check(dir, &["-top", &ignore, heap], &[heap, &ignore_ours]);
        }
        for tag in ["login", "request=login,logout", "login,out"] {
            let (theirs, ours) = (format!("-tagfocus={tag}"), format!("--tag-focus={tag}"));
            check(dir, &["-top", &theirs, cpu], &[cpu, &ours]);
        }
    }
}

#[test]
fn figures_are_those_of_pprof_for_made_up_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let sizes: &[usize] = if toolchain::is_wide() { &[20_000, 200_000] } else { &[20_000] };
    for &samples in sizes {
        let [before, after] = ["before", "after"].map(|name| dir.join(name));
        made(samples, 1, &before);
        made(samples, 2, &after);
        let (before, after) = (text(&before), text(&after));
        check(dir, &["-top", before], &[before]);
        check(dir, &["-tree", "-cum", before], &[before, "--tree", "--cum"]);
        check(dir, &["-top", "-base", before, after], &[after, "--base", before]);
        check(dir, &["-top", "-diff_base", before, after], &[after, "--diff-base", before]);
        check(dir, &["-top", "-focus=pkg7", before], &[before, "--focus=pkg7"]);
        check(dir, &["-peek=Method77$", before], &[before, "--peek=Method77$"]);
    }
}

#[test]
fn what_is_written_is_read_by_pprof_and_by_us_with_nothing_lost() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    real("1.27", dir);
    for name in ["heap", "allocs", "goroutine", "cpu"] {
        let file = dir.join(format!("{name}.pb.gz"));
        let again = dir.join(format!("{name}-again.pb.gz"));
        let written = tophash(&[text(&file), "--proto", text(&again)]);
        assert!(written.status.success());
        let [raw, raw_again] = [&file, &again].map(|file| pprof(dir, &["-raw", text(file)]).stdout);
        assert!(raw.len() > 100);
        assert_eq!(String::from_utf8_lossy(&raw), String::from_utf8_lossy(&raw_again), "{name}");
        let plain = |file: &Path| {
            let profile = Profile::parse(&fs::read(file).unwrap()).unwrap();
            let mut out = Vec::new();
            profile.write_plain(&mut out).unwrap();
            out
        };
        assert_eq!(plain(&file), plain(&again), "{name}");
    }
    let (before, after) = (dir.join("heap.pb.gz"), dir.join("heap-later.pb.gz"));
    let difference = dir.join("difference.pb.gz");
    let joined = [text(&after), "--diff-base", text(&before), "--proto", text(&difference)];
    assert!(tophash(&joined).status.success());
    check(
        dir,
        &["-tree", text(&difference)],
        &[text(&after), "--diff-base", text(&before), "--tree"],
    );
}

#[test]
fn damaged_profiles_are_refused_by_both_or_read_by_both() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    real("1.27", dir);
    let mut plain = Vec::new();
    let profile = Profile::parse(&fs::read(dir.join("goroutine.pb.gz")).unwrap()).unwrap();
    profile.write_plain(&mut plain).unwrap();
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let rounds = if toolchain::is_wide() { 600 } else { 120 };
    let (mut read, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut bytes = plain.clone();
        match round % 4 {
            0 => bytes.truncate(random(bytes.len())),
            1 => {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            2 => {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            _ => {
                let at = random(bytes.len());
                bytes.drain(at..(at + 1 + random(4)).min(plain.len()));
            }
        }
        let file = dir.join("damaged.pb");
        fs::write(&file, &bytes).unwrap();
        let ours = tophash(&[text(&file)]);
        let theirs = pprof(dir, &["-top", text(&file)]);
        let told = String::from_utf8_lossy(&ours.stderr).into_owned();
        if told.contains("add up to more than 2^63") {
            // pprof wraps around there: see docs/profiles.md.
            continue;
        }
        assert!(matches!(ours.status.code(), Some(0 | 3)), "{:?} {told}", ours.status);
        let theirs_read = theirs.status.success();
        if ours.status.success() != theirs_read {
            fs::write(std::env::temp_dir().join("disputed.pb"), &bytes).unwrap();
        }
        let theirs_told = String::from_utf8_lossy(&theirs.stderr).into_owned();
        assert_eq!(ours.status.success(), theirs_read, "round {round}: {told}; {theirs_told}");
        if theirs_read { read += 1 } else { refused += 1 }
    }
    assert!(read > rounds / 10 && refused > rounds / 10, "{read} read, {refused} refused");
}

#[test]
fn json_has_what_is_promised() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    real("1.27", dir);
    let printed = tophash(&[text(&dir.join("heap.pb.gz")), "--format", "json", "--top", "3"]);
    let report: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["sample_type"], "inuse_space");
    assert_eq!(report["unit"], "bytes");
    assert!(report["total"].as_i64().unwrap() > 1 << 20);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["function"], "main.fill");
    assert!(rows[0]["file"].as_str().unwrap().ends_with("main.go"));
    assert!(rows[0]["cum"].as_i64().unwrap() >= rows[0]["flat"].as_i64().unwrap());
}

#[test]
fn files_for_viewers_hold_the_stacks() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    real("1.27", dir);
    let heap = dir.join("heap.pb.gz");
    let total = {
        let printed = tophash(&[text(&heap), "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
        report["total"].as_i64().unwrap()
    };
    let write = |option: &str, name: &str| {
        let file = dir.join(name);
        let done = tophash(&[text(&heap), option, text(&file)]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read_to_string(file).unwrap()
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();

    let speedscope = json(&write("--speedscope", "s.json"));
    let profiles = speedscope["profiles"].as_array().unwrap();
    let active = &profiles[speedscope["activeProfileIndex"].as_u64().unwrap() as usize];
    assert_eq!((&active["name"], &active["endValue"]), (&"inuse_space".into(), &total.into()));
    let (stacks, weights) = (&active["samples"], &active["weights"]);
    assert_eq!(stacks.as_array().unwrap().len(), weights.as_array().unwrap().len());

    let firefox = json(&write("--firefox", "f.json"));
    let thread = &firefox["threads"][0];
    let weights = thread["samples"]["weight"].as_array().unwrap();
    assert_eq!(weights.iter().map(|weight| weight.as_i64().unwrap()).sum::<i64>(), total);
    let rows = thread["stackTable"]["length"].as_u64().unwrap() as usize;
    for part in ["prefix", "frame", "category", "subcategory"] {
        assert_eq!(thread["stackTable"][part].as_array().unwrap().len(), rows, "{part}");
    }

    let svg = write("--flame", "f.svg");
    assert!(svg.starts_with("<svg") && svg.contains("main.fill") && svg.contains("main.load"));
    let page = write("--html", "f.html");
    assert!(page.contains("\"main.fill\"") && !page.contains("/*DATA*/"));
    for outside in ["src=", "href=", "@import", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(outside), "{outside}");
    }

    let folded = tophash(&[text(&heap), "--folded"]);
    let folded = String::from_utf8(folded.stdout).unwrap();
    let sum: i64 =
        folded.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum();
    assert_eq!(sum, total);
    assert!(folded.contains("runtime.main;main.main;main.real;main.load;main.fill"));

    let dot = tophash(&[text(&heap), "--dot"]);
    let dot = String::from_utf8(dot.stdout).unwrap();
    assert!(dot.starts_with("digraph") && dot.contains("main.fill") && dot.contains(" -> "));
    let source = fixture_source();
    let list = tophash(&[text(&heap), "--list", "main.fill", "--source", text(&source)]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("ROUTINE ======================== main.fill"), "{list}");
    assert!(list.contains("index[int64(i)] = make([]byte, 16+i%512)"), "{list}");
}

fn fixture_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles")
}

#[test]
fn running_programs_are_asked_within_bounds() {
    let program = fixture::build("1.27", Fixture::Profiles, Symbols::Stripped).unwrap();
    let mut command = Command::new(program);
    command.arg("serve");
    let running = Running::start_command(&mut command).unwrap();
    let address = running.lines().iter().find_map(|line| line.strip_prefix("ADDRESS\t")).unwrap();
    let url = |path: &str| format!("http://{address}{path}");
    let told = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let heap = tophash(&[&url("/debug/pprof/heap?gc=1")]);
    assert!(String::from_utf8_lossy(&heap.stdout).contains("main.fill"), "{}", told(&heap));
    assert!(told(&heap).contains("collected before"));
    assert!(tophash(&[&url("/")]).status.success());
    for name in ["allocs", "goroutine", "heap?seconds=1"] {
        let answer = tophash(&[&url(&format!("/debug/pprof/{name}"))]);
        assert!(answer.status.success(), "{name}: {}", told(&answer));
    }
    let refused = tophash(&[&url("/guarded")]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(told(&refused).contains("--header"), "{}", told(&refused));
    let secret = "Authorization: Bearer opensesame";
    let header = ["--header", secret];
    assert!(tophash(&[&url("/guarded"), header[0], header[1]]).status.success());
    assert!(tophash(&[&url("/away")]).status.success());
    let away = tophash(&[&url("/away"), header[0], header[1]]);
    assert_eq!(away.status.code(), Some(3));
    assert!(!told(&away).contains("opensesame"), "{}", told(&away));
    let begin = Instant::now();
    let slow = tophash(&[&url("/slow"), "--timeout", "300ms"]);
    assert_eq!(slow.status.code(), Some(3));
    assert!(told(&slow).contains("--timeout") && begin.elapsed() < Duration::from_secs(10));
    let large = tophash(&[&url("/debug/pprof/heap"), "--max-size", "1KiB"]);
    assert_eq!(large.status.code(), Some(3), "{}", told(&large));
    let none = tophash(&[&url("/debug/pprof/nothing")]);
    assert!(told(&none).contains("no such profile"), "{}", told(&none));
    let text_form = tophash(&[&url("/debug/pprof/heap?debug=1")]);
    assert!(told(&text_form).contains("debug=1"), "{}", told(&text_form));
}

#[test]
fn hostile_profiles_are_refused_soon_and_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let pack = |name: &str, write: &dyn Fn(&mut dyn std::io::Write)| {
        let file = folder.path().join(name);
        let out = fs::File::create(&file).unwrap();
        let mut packed = flate2::write::GzEncoder::new(out, flate2::Compression::best());
        write(&mut packed);
        packed.finish().unwrap();
        file
    };
    let types = [0x0a, 2, 8, 0, 0x32, 0];
    let bomb = pack("bomb", &|out| {
        for _ in 0..256 {
            out.write_all(&vec![0; 1 << 20]).unwrap();
        }
    });
    let strings = pack("strings", &|out| {
        let million: Vec<u8> = [0x32, 0].repeat(1 << 20);
        for _ in 0..128 {
            out.write_all(&million).unwrap();
        }
    });
    let claims = pack("claims", &|out| {
        out.write_all(&[0x32, 0, 0x32, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap();
    });
    let counts = pack("counts", &|out| {
        out.write_all(&types).unwrap();
        for _ in 0..2 {
            out.write_all(&[0x12, 11, 0x12, 9]).unwrap();
            out.write_all(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]).unwrap();
        }
    });
    let least = pack("least", &|out| {
        out.write_all(&types).unwrap();
        let value = [0x12, 12, 0x12, 10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1];
        out.write_all(&value).unwrap();
    });
    let dangling = pack("dangling", &|out| {
        out.write_all(&types).unwrap();
        out.write_all(&[0x12, 6, 0x0a, 1, 9, 0x12, 1, 1]).unwrap();
    });
    let twice = pack("twice", &|out| {
        out.write_all(&types).unwrap();
        out.write_all(&[0x22, 2, 8, 1, 0x22, 2, 8, 1]).unwrap();
    });
    for (file, word) in [
        (&bomb, "expands more than"),
        (&strings, "expands more than"),
        (&claims, "one of its entries has"),
        (&counts, "more than 2^63"),
        (&least, "more than 2^63"),
        (&dangling, "location 9 is not in the profile"),
        (&twice, "location 1 is there more than once"),
    ] {
        let begin = Instant::now();
        let mut command = Command::new("sh");
        // No more than 512 MiB, whatever the file says.
        command.args(["-c", "ulimit -v 524288; exec \"$0\" profile \"$1\""]);
        let output =
            command.arg(env!("CARGO_BIN_EXE_tophash")).arg(file).output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{}: {told}", file.display());
        assert!(told.contains(word), "{}: {told}", file.display());
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", file.display());
    }
}
