//! Cores that `tophash capture` writes of real Go programs: read back, they must tell what the program
//! says of its own maps, and what the live process shows. The process goes on as if nothing were.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::check::{Check, Excuse, UNSEEN_WHEN_STRIPPED, open_types};
use common::{builds, by_address, folder, inspect, is_wide, releases, say, tophash};
use xtask::debugger;
use xtask::fixture::{Fixture, Symbols, build, build_experiment};
use xtask::running::Running;

/// The exit code for input that can't be read.
const UNREADABLE: i32 = 3;

#[test]
fn captures_of_every_release_tell_what_the_program_says_of_itself() {
    let mut faults = String::new();
    let mut checked = 0;
    for (version, experiment) in builds() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = build_experiment(version, experiment, Fixture::Maps, symbols).unwrap();
            let running = Running::start(&program).unwrap();
            let live = inspect(&[&running.pid().to_string(), "--max-pause", "20s"]);
            for name in ["maps.core", "maps.core.zst"] {
                let (_guard, dir) = folder();
                let core = dir.join(name);
                let output = capture(running.pid(), &core, &["--max-pause", "20s"]);
                let said = String::from_utf8(output.stdout).unwrap();
                let mut check = Check {
                    case: format!("go{version} {experiment} {symbols:?} {name}"),
                    open: open_types(symbols),
                    unseen: unseen(symbols),
                    faults: &mut faults,
                };
                check.that(output.status.success(), &String::from_utf8_lossy(&output.stderr));
                check.that(said.contains("frozen: stopped for "), &said);
                check.that(!said.contains("note:"), &said);
                // The core leads to its executable.
                let report = inspect(&[core.to_str().unwrap()]);
                check.that(report["target"]["source"] == "core", "it is no core");
                checked += check.maps(&report, running.lines());
                for part in ["maps", "heap", "diagnostics"] {
                    let is_same = report[part] == live[part];
                    check.that(is_same, &format!("{part} differ from the live process's"));
                }
                check.that(is_going_on(running.pid()), "the process does not go on");
                let mode = core.metadata().unwrap().permissions().mode() & 0o777;
                check.that(mode == 0o600, &format!("the mode is {mode:o}"));
                check.that(names(&dir) == [name], "something was left behind");
            }
        }
    }
    assert!(checked > 1000, "only {checked} maps were looked at");
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn a_process_that_is_never_stopped_is_captured_and_the_core_says_so() {
    let (_guard, dir) = folder();
    let program = build("1.27", Fixture::Maps, Symbols::Stripped).unwrap();
    let running = Running::start(&program).unwrap();
    let core = dir.join("maps.core");
    let output = capture(running.pid(), &core, &["--unfrozen"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("unfrozen: never stopped; torn pages possible"), "{said}");
    let report = inspect(&[core.to_str().unwrap()]);
    let doubt = report["diagnostics"][0].as_str().unwrap();
    assert!(doubt.contains("not stopped"), "{doubt}");
    let mut faults = String::new();
    let mut check = Check {
        case: "unfrozen".to_owned(),
        open: open_types(Symbols::Stripped),
        unseen: unseen(Symbols::Stripped),
        faults: &mut faults,
    };
    check.maps(&report, running.lines());
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn a_core_that_is_there_is_replaced_and_free_pages_are_kept_where_asked() {
    let (_guard, dir) = folder();
    // It has measured what garbage costs, and so has free pages.
    let program = build("1.27", Fixture::MapCost, Symbols::Kept).unwrap();
    let running = Running::start(&program).unwrap();
    let core = dir.join("mapcost.core");
    fs::write(&core, "not a core").unwrap();
    let output = capture(running.pid(), &core, &["--max-pause", "20s"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = inspect(&[core.to_str().unwrap()]);
    let lean = fs::metadata(&core).unwrap().len();

    capture(running.pid(), &core, &["--full", "--max-pause", "20s"]);
    assert_eq!(inspect(&[core.to_str().unwrap()])["maps"], report["maps"]);
    assert!(fs::metadata(&core).unwrap().len() >= lean);
}

#[test]
fn what_can_not_be_captured_is_refused_and_leaves_no_file() {
    let (_guard, dir) = folder();
    let sleeper = Started::new({
        let mut command = Command::new("sleep");
        command.arg("600");
        command
    });
    let core = dir.join("core");
    let refused = |pid: u32, core: &Path, words: &str| {
        let output = capture(pid, core, &[]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(UNREADABLE), "{errors}");
        assert!(errors.contains(words), "{errors:?} does not say {words:?}");
        assert!(output.stdout.is_empty());
        assert_eq!(names(&dir), [""; 0]);
    };
    let ended = {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    };
    refused(ended, &core, &format!("there is no process {ended}"));
    refused(sleeper.pid(), &core, "is not a Go program");
    let pid = sleeper.pid();
    refused(pid, &dir.join("none/core"), "none/core can't be written: No such file or directory");
    refused(pid, &dir, "can't be written: is a directory");
    refused(pid, Path::new("/dev/null/core"), "/dev/null/core can't be written");
    refused(pid, Path::new("/proc/core"), "/proc/core can't be written");
    assert!(is_going_on(pid));
}

#[test]
fn a_core_that_does_not_fit_is_refused_and_leaves_no_file() {
    let (_guard, dir) = folder();
    let program = build("1.27", Fixture::Maps, Symbols::Kept).unwrap();
    let running = Running::start(&program).unwrap();
    // A limit of the file size stands in for a full disk: both end a write in the middle.
    let script = format!(
        "trap '' XFSZ; ulimit -f 100; exec {} capture {} --output {}",
        env!("CARGO_BIN_EXE_tophash"),
        running.pid(),
        dir.join("core").display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(UNREADABLE), "{errors}");
    assert!(errors.contains("name a file with more room"), "{errors}");
    assert_eq!(names(&dir), [""; 0]);
    assert!(is_going_on(running.pid()));
}

#[test]
fn a_capture_that_is_ended_leaves_no_half_of_a_file_and_lets_the_process_go() {
    let program = build("1.27", Fixture::Maps, Symbols::Kept).unwrap();
    let running = Running::start(&program).unwrap();
    let mut ended = 0;
    for (round, signal) in ["-INT", "-TERM", "-KILL"].into_iter().cycle().take(24).enumerate() {
        let (_guard, dir) = folder();
        let core = dir.join("core.zst");
        let mut tool = start_capture(running.pid(), &core);
        // At one step of its work or another.
        std::thread::sleep(Duration::from_millis(2 * round as u64));
        let sent = Command::new("kill").args([signal, &tool.id().to_string()]).output();
        assert!(sent.unwrap().status.success());
        let status = tool.wait().unwrap();
        match status.success() {
            true => assert!(!by_address(&inspect(&[core.to_str().unwrap()])).is_empty()),
            false => {
                ended += 1;
                // It may have been ended when all was done but the summary.
                assert!(names(&dir).iter().all(|name| name == "core.zst"), "{:?}", names(&dir));
                if core.exists() {
                    inspect(&[core.to_str().unwrap()]);
                }
            }
        }
        assert!(is_going_on(running.pid()), "round {round}: {status}");
    }
    assert!(ended > 0, "none was ended in time");
}

#[test]
fn if_wide_two_gigabytes_under_load_are_captured_within_the_pause() {
    if !is_wide() {
        return say("a capture of 2 GiB under load: NOT RUN, as TOPHASH_WIDE is not set");
    }
    let (_guard, dir) = folder();
    let program = build("1.27", Fixture::Bench, Symbols::Kept).unwrap();
    let mut command = Command::new(&program);
    // Little garbage, so that there are two gigabytes and not four.
    command.args(["24000000", "busy"]).env("GOGC", "20");
    let running = Running::start_command(&mut command).unwrap();
    let core = dir.join("busy.core");
    // For how many milliseconds it was stopped, or none if it did not stop in time.
    let pause = |max_pause: &str| {
        let output = capture(running.pid(), &core, &["--max-pause", max_pause]);
        assert!(is_going_on(running.pid()));
        let told = String::from_utf8(output.stdout).unwrap();
        let Some((_, rest)) = told.split_once("stopped for ") else {
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(errors.contains("did not stop within 100 ms"), "{errors}");
            return None;
        };
        say(&format!("{max_pause}: {}", told.lines().find(|it| it.starts_with("taken")).unwrap()));
        Some(rest.split(' ').next().unwrap().parse::<f64>().unwrap())
    };
    let whole = pause("60s").unwrap();
    let report = inspect(&[core.to_str().unwrap(), "--no-retained"]);
    assert!(report["heap"]["live_bytes"].as_u64().unwrap() > 2 << 30);
    let maps = report["maps"].as_array().unwrap();
    assert!(maps.iter().any(|map| map["type"] == "map[int64]int64"));
    // How soon a bound is kept depends on the machine's other work, and so does whether the process
    // stops in time; that it is kept does not: what takes seconds was cut short. Were it not, no
    // attempt would be shorter.
    let mut parts = (0..20).filter_map(|_| pause("100ms"));
    assert!(parts.any(|part| part < whole / 2.0), "none was shorter than half of {whole} ms");
}

#[test]
fn if_wide_a_hundred_captures_that_are_killed_let_the_process_go() {
    if !is_wide() {
        return say("a hundred killed captures: NOT RUN, as TOPHASH_WIDE is not set");
    }
    let (_guard, dir) = folder();
    let core = dir.join("core");
    let program = build("1.27", Fixture::Bench, Symbols::Kept).unwrap();
    let mut command = Command::new(&program);
    let running = Running::start_command(command.args(["300000", "busy"])).unwrap();
    for round in 0..100 {
        let mut tool = start_capture(running.pid(), &core);
        // Through all of the pause, and before and after it.
        std::thread::sleep(Duration::from_micros(500 * round));
        tool.kill().unwrap();
        tool.wait().unwrap();
        assert!(is_going_on(running.pid()), "round {round}");
    }
}

#[test]
fn gdb_shows_threads_and_stacks_of_a_capture_if_it_is_installed_or_the_run_is_wide() {
    let gdb = match is_wide() {
        true => debugger::ensure().unwrap(),
        false => match debugger::find() {
            Some(gdb) => gdb,
            None => return say("gdb opens a capture: NOT RUN, as gdb is not installed"),
        },
    };
    let (_guard, dir) = folder();
    let core = dir.join("maps.core");
    for release in releases() {
        let program = build(release.version, Fixture::Maps, Symbols::Kept).unwrap();
        let running = Running::start(&program).unwrap();
        capture(running.pid(), &core, &["--max-pause", "20s"]);
        let threads = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap().count();
        let output = Command::new(&gdb)
            .args(["-nx", "-batch", "-ex", "thread apply all backtrace"])
            .args([&program, &core])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let case = format!("go{}:\n{said}", release.version);
        assert!(output.status.success(), "{case}");
        let listed =
            said.lines().filter(|line| line.contains(" LWP ") && !line.contains("Thread "));
        assert_eq!(listed.count(), threads, "{case}");
        assert!(said.contains("runtime.futex"), "{case}");
        assert!(said.contains("main.main"), "{case}");
    }
}

fn unseen(symbols: Symbols) -> &'static [&'static [Excuse]] {
    match symbols {
        Symbols::Kept => &[],
        Symbols::Stripped => &[UNSEEN_WHEN_STRIPPED],
    }
}

fn capture(pid: u32, core: &Path, more: &[&str]) -> Output {
    let pid = pid.to_string();
    let mut arguments = vec!["capture", &pid, "--output", core.to_str().unwrap()];
    arguments.extend(more);
    tophash(&arguments)
}

/// Starts a capture that is to be ended before it is done.
fn start_capture(pid: u32, core: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tophash"))
        .args(["capture", &pid.to_string(), "--max-pause", "20s", "--output"])
        .arg(core)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Tells whether a process is neither stopped nor traced, and is there. A thread that was let go a
/// moment ago may not have run since; one that was not never does.
fn is_going_on(pid: u32) -> bool {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is_free(pid) {
        if Instant::now() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

fn is_free(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks.into_iter().all(|task| {
        // A thread may end between the two.
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else {
            return true;
        };
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        field("TracerPid:") == "0" && field("State:").starts_with(['R', 'S', 'D'])
    })
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A process that ends with the test.
struct Started {
    child: Child,
}

impl Started {
    fn new(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let started = Self { child };
        // Until it has become the program that it is to be.
        let own = fs::read_link("/proc/self/exe").unwrap();
        while fs::read_link(format!("/proc/{}/exe", started.pid())).unwrap() == own {
            std::thread::yield_now();
        }
        started
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
