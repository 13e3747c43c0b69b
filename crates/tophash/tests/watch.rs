//! `tophash watch` on programs of every release, held against what they say of themselves.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use common::{releases, tophash};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;

/// What the program allocates between counting and being looked at: it has just printed an account of
/// its own, and serves the looks.
const ALLOWANCE: u64 = 768 << 10;

/// Runs `tophash watch` and returns the JSON that it prints.
fn watch(arguments: &[&str]) -> Value {
    let mut all = vec!["watch", "--format", "json"];
    all.extend(arguments);
    let output = tophash(&all);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

struct Service {
    running: Running,
    url: String,
}

impl Service {
    fn start(version: &str, symbols: Symbols) -> Self {
        let program = fixture::build(version, Fixture::Vitals, symbols).unwrap();
        let mut command = Command::new(program);
        command.env("GOGC", "150").env("GOMEMLIMIT", "1GiB");
        let running = Running::start_command(&mut command).unwrap();
        let host = running.lines()[0].strip_prefix("listen\t").unwrap();
        let url = format!("http://{host}");
        Self { running, url }
    }

    fn pid(&self) -> String {
        self.running.pid().to_string()
    }

    /// What `metrics.Read` returns in the program.
    fn metrics(&mut self) -> Vec<String> {
        let metrics = self.running.tell("metrics").unwrap();
        let metrics = metrics.iter().filter_map(|line| line.strip_prefix("metric\t"));
        metrics.map(str::to_owned).collect()
    }

    /// What `runtime.ReadMemStats` returns in the program, for which it allocates little.
    fn stats(&mut self) -> Value {
        let lines = self.running.tell("stats").unwrap();
        serde_json::from_str(lines[0].strip_prefix("memstats\t").unwrap()).unwrap()
    }
}

/// Looks between two accounts of the program's own, with no collection and nothing given back to the
/// kernel between them: the scavenger gives back, and the heap takes again, whenever they like.
fn look_between(service: &mut Service, arguments: &[&str]) -> (Value, Vec<String>, Value, Value) {
    for _ in 0..100 {
        let first = service.stats();
        // They tell of the same collection as the rest, and what they allocate comes before it.
        let metrics = service.metrics();
        let stats = service.stats();
        let look = watch(arguments);
        let later = service.stats();
        let is_same_cycle = [&stats, &later].iter().all(|it| it["NumGC"] == first["NumGC"]);
        if is_same_cycle && stats["HeapReleased"] == later["HeapReleased"] {
            return (stats, metrics, look, later);
        }
    }
    panic!("{arguments:?}: the scavenger did not come to rest");
}

/// Checks that the rows of the bill add up to the resident set.
fn adds_up(case: &str, look: &Value) {
    let bill = &look["bill"];
    let bytes = |field: &str| bill[field].as_i64().unwrap_or(0);
    let sum = bytes("allocated")
        + bytes("free_slots")
        + bytes("free_pages")
        + bytes("stacks")
        + bytes("runtime")
        + bytes("torn");
    assert_eq!(sum, bytes("mapped"), "{case}: {bill:#}");
    if !bill["resident"].is_null() {
        let sum = sum + bytes("files") + bytes("off_heap") - bytes("untouched");
        assert_eq!(sum, bytes("resident"), "{case}: {bill:#}");
    }
}

#[test]
fn one_look_is_what_the_program_says_of_itself() {
    for release in releases() {
        let version = release.version;
        let mut service = Service::start(version, Symbols::Kept);
        service.running.tell("grow 50000").unwrap();
        service.running.tell("gc").unwrap();
        let (url, pid) = (service.url.clone(), service.pid());
        let vars = format!("{url}/debug/vars");
        let page = format!("{url}/metrics");
        let heap = format!("{url}/debug/pprof/heap?debug=1");
        for arguments in [
            vec![vars.as_str(), "--once"],
            vec![page.as_str(), "--once"],
            vec![heap.as_str(), "--once"],
            vec![url.as_str(), "--once", "--pid", &pid],
            vec![pid.as_str(), "--once"],
        ] {
            let case = format!("go{version} {arguments:?}");
            let (stats, metrics, look, later) = look_between(&mut service, &arguments);
            let vitals = &look["vitals"];
            let is_between = |name: &str, ours: u64, theirs: [u64; 2]| {
                let least = theirs[0].min(theirs[1]).saturating_sub(ALLOWANCE);
                let most = theirs[0].max(theirs[1]) + ALLOWANCE;
                assert!((least..=most).contains(&ours), "{case}: {name} {ours} not {theirs:?}");
            };
            let near = |ours: &str, theirs: &str| {
                let both = [&stats, &later].map(|stats| stats[theirs].as_u64().unwrap());
                let ours = vitals[ours].as_u64();
                let ours = ours.unwrap_or_else(|| panic!("{case}: {theirs}: {vitals:#}"));
                is_between(theirs, ours, both);
            };
            // Nothing is collected in between, so that what a collection sets is the same to the byte.
            assert_eq!(vitals["gc_cycles"], stats["NumGC"], "{case}");
            assert_eq!(vitals["next_gc"], stats["NextGC"], "{case}");
            near("heap_alloc", "HeapAlloc");
            near("heap_in_use", "HeapInuse");
            near("heap_released", "HeapReleased");
            near("total_alloc", "TotalAlloc");
            near("stacks", "StackInuse");
            let mapped = [&stats, &later].map(|stats| {
                stats["Sys"].as_u64().unwrap() - stats["HeapReleased"].as_u64().unwrap()
            });
            is_between("mapped", vitals["mapped"].as_u64().unwrap(), mapped);
            adds_up(&case, &look);

            let live = metrics.iter().find_map(|it| it.strip_prefix("go_gc_heap_live_bytes "));
            let knows_terms = ![&vars, &heap].contains(&&arguments[0].to_owned())
                && (live.is_some() || arguments[0] == pid);
            if knows_terms {
                // The formula, term by term, gives what the runtime gives.
                let goal = &look["goal"];
                assert_eq!(goal["computed"], stats["NextGC"], "{case}: {goal:#}");
                assert_eq!(goal["ruling"], "percent", "{case}");
                assert_eq!(goal["terms"]["percent"], 150, "{case}");
                assert_eq!(vitals["memory_limit"], 1 << 30, "{case}");
            }
            if let (Some(live), true) = (live, knows_terms) {
                let live: f64 = live.parse().unwrap();
                assert_eq!(vitals["live"].as_u64().unwrap(), live as u64, "{case}");
            }
        }
    }
}

#[test]
fn a_stripped_program_is_watched_by_what_the_kernel_says() {
    let version = releases().last().unwrap().version;
    let service = Service::start(version, Symbols::Stripped);
    let look = watch(&[&service.pid(), "--once"]);
    let resident = look["vitals"]["process"]["resident"].as_u64().unwrap();
    let bill = &look["bill"];
    assert_eq!(bill["resident"], resident);
    assert!(bill["mapped"].is_null() && look["goal"].is_null());
    let smaps = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", service.pid())).unwrap();
    let line = smaps.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(resident.abs_diff(kib << 10) <= ALLOWANCE);
}

#[test]
fn the_memory_limit_caps_the_goal_as_in_the_runtime() {
    for release in releases() {
        let program = fixture::build(release.version, Fixture::Vitals, Symbols::Kept).unwrap();
        let mut command = Command::new(program);
        command.env("GOGC", "off").env("GOMEMLIMIT", "64MiB");
        let mut running = Running::start_command(&mut command).unwrap();
        running.tell("grow 50000").unwrap();
        running.tell("gc").unwrap();
        let told = running.tell("stats").unwrap();
        let stats: Value =
            serde_json::from_str(told[0].strip_prefix("memstats\t").unwrap()).unwrap();
        let look = watch(&[&running.pid().to_string(), "--once"]);
        let (goal, case) = (&look["goal"], release.version);
        assert_eq!(goal["ruling"], "limit", "{case}: {goal:#}");
        // The runtime computes it anew at every look, from what is mapped and allocated by then.
        let (ours, theirs) =
            (goal["computed"].as_u64().unwrap(), stats["NextGC"].as_u64().unwrap());
        assert!(ours.abs_diff(theirs) <= ALLOWANCE, "{case}: {ours} not {theirs}");
    }
}

#[test]
fn a_load_is_told_in_heap_size_classes_and_maps() {
    for release in releases() {
        let service = Service::start(release.version, Symbols::Stripped);
        let pid = service.pid();
        // Asking over HTTP is what makes the program store 20,000 sessions.
        let host = service.url.strip_prefix("http://").unwrap();
        let (name, port) = host.split_once(':').unwrap();
        let ask = format!(
            "exec bash -c 'exec 3<>/dev/tcp/{name}/{port}; \
             printf \"GET /grow HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3'"
        );
        for target in [vec![service.url.as_str(), "--pid", &pid], vec![pid.as_str()]] {
            let case = format!("go{} {target:?}", release.version);
            let mut arguments = target.clone();
            arguments.extend(["--around", &ask, "--max-pause", "20s"]);
            let probe = watch(&arguments);
            assert_eq!(probe["exit_code"], 0, "{case}");
            let objects = probe["delta"]["heap_objects"].as_i64().unwrap();
            assert!((10_000..60_000).contains(&objects), "{case}: {objects}");
            let class = &probe["delta"]["size_classes"][0];
            assert_eq!(class["size"], 240, "{case}: {:#}", probe["delta"]);
            let grown = class["objects"].as_i64().unwrap();
            assert!((19_900..=20_100).contains(&grown), "{case}: {grown}");
            let map = &probe["maps"]["maps"][0];
            assert_eq!(map["type"], "map[int]*main.Session", "{case}");
            let entries = |side: &str| map[side]["entries"].as_u64().unwrap_or(0);
            assert_eq!(entries("after") - entries("before"), 20_000, "{case}");
            assert_eq!(probe["pauses_ms"].as_array().unwrap().len(), 2, "{case}");
            if target.len() > 1 {
                let mallocs = probe["delta"]["mallocs"].as_i64().unwrap();
                assert!(mallocs > 40_000, "{case}: {mallocs}");
            }
        }
    }
}

/// Looks as `--record` writes them, one a second: the heap rises to its goal and falls back, and what
/// is live grows from one collection to the next.
fn recorded(file: &Path, growth: u64) {
    let mut lines = String::new();
    for at in 0..180_u64 {
        let cycle = at / 3;
        let live = (40 << 20) + cycle * growth;
        // What is live at a collection is not quite the same each time.
        let live = live + ((cycle * 7919 % 101) << 12);
        let heap = live + (at % 3) * (12 << 20);
        let vitals = tophash_vitals::Vitals {
            heap_alloc: Some(heap),
            live: Some(live),
            gc_cycles: Some(cycle),
            gc_percent: Some(100),
            goroutines: Some(20 + at % 4),
            memory_limit: Some(1 << 30),
            mapped: Some(2 * live + (8 << 20)),
            next_gc: Some(2 * live),
            heap_in_use: Some(heap),
            heap_free: Some(2 * live - heap),
            ..tophash_vitals::Vitals::default()
        };
        let record = tophash_vitals::Record::of(at as f64, vitals);
        lines += &serde_json::to_string(&record).unwrap();
        lines.push('\n');
    }
    std::fs::write(file, lines).unwrap();
}

#[test]
fn churn_is_steady_and_a_leak_under_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    for (growth, advice) in [(0, "nothing"), (1 << 18, "heap")] {
        let file = dir.path().join(format!("{advice}.jsonl"));
        recorded(&file, growth);
        let look = watch(&[file.to_str().unwrap()]);
        let outlook = &look["outlook"];
        assert_eq!(outlook["advice"], advice, "{outlook:#}");
        let live = |list: &str| {
            let named = |it: &Value| *it == "live" || it["series"] == "live";
            outlook[list].as_array().unwrap().iter().any(named)
        };
        assert_eq!((live("growing"), live("steady")), (growth > 0, growth == 0), "{outlook:#}");
        let verdicts = outlook["verdicts"].as_array().unwrap();
        let live = verdicts.iter().find(|it| it["series"] == "live").unwrap();
        assert_eq!(live["verdict"] == "growing", growth > 0, "{outlook:#}");
        assert_eq!(outlook["until_limit"].is_array(), growth > 0, "{outlook:#}");
        if growth > 0 {
            assert!(live["confidence"].as_f64().unwrap() > 0.9, "{outlook:#}");
            let seconds = outlook["until_limit"][1].as_f64().unwrap();
            let range = &outlook["until_limit_range"];
            assert!(range[0].as_f64().unwrap() <= seconds, "{outlook:#}");
            assert!(range[1].as_f64().unwrap() >= seconds, "{outlook:#}");
        }
    }
}

#[test]
fn a_live_watch_has_an_outlook_whatever_the_machine_is_busy_with() {
    let version = releases().last().unwrap().version;
    let service = Service::start(version, Symbols::Kept);
    let arguments =
        ["watch", &service.pid(), "--interval", "50ms", "--for", "300ms", "--format", "json"];
    let output = tophash(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert!(last["outlook"]["advice"].is_string() && last["outlook"]["verdicts"].is_array());
}

/// Serves figures of memory, and a heap profile, each at its place.
fn serve_profiles() -> String {
    let mut builder =
        tophash_profile::ProfileBuilder::new(&[("alloc_space", "bytes"), ("inuse_space", "bytes")]);
    builder.set_time_nanos(1_790_000_000_000_000_000);
    let call = tophash_profile::SampleFrame { function: "main.fill", ..Default::default() };
    builder.add_sample(&[call], &[1 << 22, 1 << 20], &[]);
    let profile = builder.finish();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let metrics = b"go_memstats_heap_alloc_bytes 3e+06\n".to_vec();
            let (status, body) = match request.split(' ').nth(1) {
                Some("/debug/pprof/heap") => ("200 OK", profile.clone()),
                Some("/metrics") => ("200 OK", metrics),
                _ => ("404 Not Found", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

#[test]
fn profiles_are_saved_whole_and_only_so_many_stay() {
    let url = serve_profiles();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    for _ in 0..4 {
        watch(&[&url, "--once", "--profiles", folder, "--keep", "3"]);
    }
    let files: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|name| name.starts_with("127.0.0.1_") && name.ends_with("Z.pb.gz")));
    let output = tophash(&["profile", "--series", folder]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("3 profiles of inuse_space"), "{text}");

    // A run for some time takes one at its first look, and more only where --every says so.
    let other = tempfile::tempdir().unwrap();
    let folder = other.path().to_str().unwrap();
    let output =
        tophash(&["watch", &url, "--for", "200ms", "--interval", "50ms", "--profiles", folder]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(other.path()).unwrap().count(), 1);

    let without = answer(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsorry".to_vec(), false);
    let output = tophash(&["watch", &without, "--once", "--profiles", folder]);
    assert!(!output.status.success());
    let output = tophash(&["watch", "1", "--once", "--profiles", folder]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("--profiles needs a URL"));
}

#[test]
fn looks_are_recorded_and_read_back_and_the_watch_ends_with_the_process() {
    let version = releases().last().unwrap().version;
    let mut service = Service::start(version, Symbols::Kept);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("looks.jsonl");
    let file = file.to_str().unwrap();
    let pid = service.pid();
    let arguments =
        ["watch", &pid, "--interval", "100ms", "--for", "1s", "--record", file, "--format", "json"];
    let output = tophash(&arguments);
    assert!(output.status.success());
    let printed: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!printed.is_empty());
    let recorded = std::fs::read_to_string(file).unwrap();
    assert_eq!(recorded.lines().count(), printed.len());
    let back = watch(&[file]);
    assert_eq!(back["vitals"], printed.last().unwrap()["vitals"]);
    assert_eq!(back["bill"], printed.last().unwrap()["bill"]);

    let mut child = Command::new(env!("CARGO_BIN_EXE_tophash"))
        .args(["watch", &pid, "--interval", "100ms"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("heap"));
    service.running.tell("gc").unwrap();
    drop(service);
    // What is not read would stop it from writing.
    lines.for_each(drop);
    let status = child.wait().unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(status.code(), Some(3), "{errors}");
    assert!(errors.contains("process"), "{errors}");
}

#[test]
fn a_log_of_the_collector_is_read_among_other_lines() {
    let version = releases().last().unwrap().version;
    let program = fixture::build(version, Fixture::Vitals, Symbols::Stripped).unwrap();
    let output = Command::new(program)
        .arg("trace")
        .env("GODEBUG", "gctrace=1,scavtrace=1")
        .output()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("service.log");
    let mut text = vec![b'x'; 3 << 20];
    text.extend(b"\n\xff\xfe not text\n");
    text.extend(&output.stderr);
    std::fs::write(&log, text).unwrap();
    let look = watch(&[log.to_str().unwrap()]);
    let told = String::from_utf8(output.stdout).unwrap();
    let cycles: u64 =
        told.lines().next().unwrap().strip_prefix("cycles\t").unwrap().parse().unwrap();
    assert_eq!(look["vitals"]["gc_cycles"], cycles);
    assert!(look["vitals"]["live"].as_u64().unwrap() > 20 << 20);
}

/// Answers every request with the same bytes, over and over if they are to have no end.
fn answer(bytes: Vec<u8>, is_endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let mut sent = stream.write_all(&bytes);
            while is_endless && sent.is_ok() {
                sent = stream.write_all(&[b' '; 65536]);
            }
        }
    });
    url
}

fn refused(url: &str, says: &str) {
    let output = tophash(&["watch", url, "--once", "--timeout", "20s"]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{url}: {errors}");
    assert!(errors.contains(says), "{url}: {errors}");
}

#[test]
fn hostile_answers_are_refused_in_bounded_memory_and_time() {
    let page = |url: String| format!("{url}metrics");
    let plain = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        answer(format!("{head}{body}").into_bytes(), false)
    };
    refused(&page(plain("<html>")), "no metric of a Go program");
    refused(&page(plain("")), "no metric of a Go program");
    refused(&page(plain("go_goroutines x\n")), "line 1: its value is no number");
    refused(&page(plain("{\"memstats\":{}}")), "not the JSON");
    refused(&page(plain("{\"a\":")), "not the JSON");
    refused(&page(plain(&format!("{{\"a\":{}", "[".repeat(1 << 20)))), "not the JSON");
    refused(&page(answer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec(), false)), "500");
    refused(
        &page(answer(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n".to_vec(), false)),
        "--header",
    );
    refused(&page(answer(b"nonsense\r\n\r\n".to_vec(), false)), "can't be reached");
    refused(&page(answer(b"HTTP/1.1 200 OK\r\n\r\n{".to_vec(), true)), "longer than");
    // Headers without an end.
    refused(&page(answer(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), true)), "can't be reached");
    let again = b"HTTP/1.1 302 Found\r\nLocation: /metrics\r\nContent-Length: 0\r\n\r\n".to_vec();
    refused(&page(answer(again, false)), "can't be reached");
    // A gigabyte of spaces in a megabyte.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..1024 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n".to_vec();
    bytes.extend(bomb.finish().unwrap());
    refused(&page(answer(bytes, false)), "longer than");
}

#[test]
fn what_can_not_be_watched_is_refused_with_advice() {
    refused("http://127.0.0.1:1/metrics", "can't be reached");
    refused("nothing-of-the-kind", "is no URL, process number or file");
    refused("4294967295", "4294967295");
    refused("http://", "http://");
    let own = Path::new(file!()).file_name().unwrap().to_str().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(own);
    refused(path.to_str().unwrap(), "has no line of GODEBUG=gctrace=1");
}
