//! Live processes, stopped and running. The programs looked at are this very test binary, run again
//! as a child: see [`the_program_that_is_looked_at`].
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "where a test's own set-up fails, the test fails")]

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tophash_memory::{
    Address, ByteSize, Consistency, Memory, MemoryExt, OpenError, ProcessMode, ProcessOptions,
    Target,
};

/// Set in the child: what it does.
const ROLE: &str = "TOPHASH_TEST_ROLE";
/// Set in a child that is the tool: which process it looks at.
const LOOKS_AT: &str = "TOPHASH_TEST_LOOKS_AT";
const WORDS: u64 = 1 << 20;
const WORKERS: u64 = 4;

fn word(index: u64) -> u64 {
    index.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

static WRITTEN: AtomicU64 = AtomicU64::new(0);
static WORK: AtomicU64 = AtomicU64::new(0);

/// Holds 8 MiB of a known pattern, runs some threads, and answers each line of its input with how
/// far they have come, after writing down how many lines there were. No test in itself.
#[test]
fn the_program_that_is_looked_at() {
    let Ok(role) = std::env::var(ROLE) else { return };
    if role != "target" && role != "churn" {
        return;
    }
    let pattern: Vec<u64> = (0..WORDS).map(word).collect();
    for _ in 0..WORKERS {
        let is_churning = role == "churn";
        std::thread::spawn(move || {
            loop {
                WORK.fetch_add(1, Ordering::Relaxed);
                match is_churning {
                    true => drop(std::thread::spawn(|| {}).join()),
                    false => std::thread::sleep(Duration::from_micros(200)),
                }
            }
        });
    }
    println!("\nready {} {}", pattern.as_ptr() as u64, WRITTEN.as_ptr() as u64);
    for (number, line) in std::io::stdin().lines().enumerate() {
        assert!(line.is_ok());
        WRITTEN.store(number as u64 + 1, Ordering::SeqCst);
        println!("\nwork {}", WORK.load(Ordering::Relaxed));
    }
    assert_eq!(pattern[7], word(7));
    std::process::exit(0);
}

/// Stops and copies another process again and again, until it is killed. No test in itself.
#[test]
fn the_tool_that_is_killed() {
    if std::env::var(ROLE).is_ok_and(|role| role == "tool") {
        let pid = std::env::var(LOOKS_AT).unwrap().parse().unwrap();
        println!("\nready 0 0");
        loop {
            let _ = Target::open_process(pid, &frozen(PATIENT));
        }
    }
}

/// A child of ours, which ends with the test.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pattern: Address,
    written: Address,
}

impl Program {
    fn start() -> Self {
        Self::run(&std::env::current_exe().unwrap(), "the_program_that_is_looked_at", "target", 0)
    }

    fn run(binary: &Path, test: &str, role: &str, looks_at: u32) -> Self {
        let mut command = Command::new(binary);
        command
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(LOOKS_AT, looks_at.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let patience = Instant::now() + PATIENT;
        let mut child = loop {
            match command.spawn() {
                // A child of another test, not yet at its own program, has our copy of the binary
                // open for writing.
                Err(fault)
                    if fault.kind() == ErrorKind::ExecutableFileBusy
                        && Instant::now() < patience =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                child => break child.unwrap(),
            }
        };
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut program =
            Self { child, input, output, pattern: Address::NULL, written: Address::NULL };
        let places = program.answer("ready");
        [program.pattern, program.written] = [0, 1].map(|index| Address::new(places[index]));
        program
    }

    /// Waits for a line that starts with a word, and returns the numbers behind it.
    fn answer(&mut self, start: &str) -> Vec<u64> {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the program ended");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.split_whitespace().map(|number| number.parse().unwrap()).collect();
            }
        }
    }

    /// Asks the program how far its threads have come, which it only says when it runs.
    fn work(&mut self) -> u64 {
        self.input.as_mut().unwrap().write_all(b"go on\n").unwrap();
        self.answer("work")[0]
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).unwrap();
    }

    /// The threads' states, as the kernel shows them.
    fn states(&self) -> Vec<char> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        tasks
            .filter_map(|task| {
                let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
                stat.rsplit_once(") ")?.1.chars().next()
            })
            .collect()
    }

    fn threads(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let mut ids: Vec<u32> = tasks
            .map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        ids.sort_unstable();
        ids
    }

    #[track_caller]
    fn assert_is_running(&mut self) {
        let patience = Instant::now() + PATIENT;
        while self.states().iter().any(|state| "tT".contains(*state)) {
            assert!(Instant::now() < patience, "some threads are still stopped");
            std::thread::sleep(Duration::from_millis(1));
        }
        let before = self.work();
        while self.work() == before {
            assert!(Instant::now() < patience, "the threads do nothing");
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn frozen(max_pause: Duration) -> ProcessOptions<'static> {
    ProcessOptions { mode: ProcessMode::Frozen { max_pause }, ..ProcessOptions::default() }
}

fn unfrozen() -> ProcessOptions<'static> {
    ProcessOptions { mode: ProcessMode::Unfrozen, ..ProcessOptions::default() }
}

/// Longer than any of this takes on a machine that is busy with other things.
const PATIENT: Duration = Duration::from_secs(60);

#[track_caller]
fn assert_holds_the_pattern(memory: &dyn Memory, at: Address) {
    let bytes = memory.read_bytes(at, ByteSize::new(8 * WORDS)).unwrap();
    let words = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    assert!(words.enumerate().all(|(index, found)| found == word(index as u64)));
}

fn refused(pid: u32, options: &ProcessOptions<'_>) -> OpenError {
    Target::open_process(pid, options).err().expect("it is refused")
}

mod stopped {
    use super::*;

    #[test]
    fn memory_and_every_thread_s_registers_are_copied_and_the_process_runs_on() {
        let mut program = Program::start();
        let target = Target::open_process(program.pid(), &frozen(PATIENT)).unwrap();
        program.assert_is_running();
        assert_holds_the_pattern(target.memory(), program.pattern);
        let Consistency::Frozen { pause, is_complete: true } = target.consistency() else {
            panic!("{:?}", target.consistency());
        };
        assert!(pause > Duration::ZERO && pause < PATIENT);
        assert!(target.live().is_none());
        assert!(target.diagnostics().is_empty(), "{:?}", target.diagnostics());

        let mut threads: Vec<u32> = target.threads().iter().map(|thread| thread.tid).collect();
        threads.sort_unstable();
        assert_eq!(threads, program.threads());
        assert!(threads.len() > WORKERS as usize);
        for thread in target.threads() {
            let holds = |at: Address| {
                target.mappings().iter().find(|mapping| mapping.range.contains(at)).unwrap()
            };
            assert!(holds(thread.pc).permissions.execute);
            assert!(holds(thread.sp).permissions.write);
            assert!(target.memory().read_u64(thread.sp).is_ok());
            assert_eq!(thread.general.len(), 27);
        }
    }

    #[test]
    fn the_copy_is_of_one_moment() {
        let mut program = Program::start();
        program.work();
        let target = Target::open_process(program.pid(), &frozen(PATIENT)).unwrap();
        program.work();
        assert_eq!(target.memory().read_u64(program.written), Ok(1));
    }

    #[test]
    fn a_process_that_does_not_stop_in_time_is_let_go() {
        let mut program = Program::start();
        for _ in 0..20 {
            match Target::open_process(program.pid(), &frozen(Duration::ZERO)) {
                Err(OpenError::NotStopped { .. }) => {}
                Ok(target) => {
                    let Consistency::Frozen { is_complete: false, .. } = target.consistency()
                    else {
                        panic!("{:?}", target.consistency());
                    };
                    assert!(target.diagnostics().iter().any(|d| d.contains("--max-pause")));
                    // What was not copied in time was copied later.
                    assert_holds_the_pattern(target.memory(), program.pattern);
                }
                Err(other) => panic!("{other}"),
            }
            program.assert_is_running();
        }
    }

    #[test]
    fn one_stopped_by_a_signal_is_read_and_stays_stopped() {
        let mut program = Program::start();
        program.signal(Signal::SIGSTOP);
        let patience = Instant::now() + PATIENT;
        while program.states().iter().any(|state| *state != 'T') {
            assert!(Instant::now() < patience, "{:?}", program.states());
        }
        let target = Target::open_process(program.pid(), &frozen(PATIENT)).unwrap();
        assert_holds_the_pattern(target.memory(), program.pattern);
        assert_eq!(target.threads().len(), program.threads().len());
        std::thread::sleep(Duration::from_millis(20));
        assert!(program.states().iter().all(|state| *state == 'T'), "{:?}", program.states());
        program.signal(Signal::SIGCONT);
        program.assert_is_running();
    }

    #[test]
    fn threads_that_come_and_go_are_no_hindrance() {
        let binary = std::env::current_exe().unwrap();
        let mut program = Program::run(&binary, "the_program_that_is_looked_at", "churn", 0);
        for _ in 0..40 {
            let target = Target::open_process(program.pid(), &frozen(PATIENT)).unwrap();
            assert!(target.threads().len() > WORKERS as usize);
        }
        program.assert_is_running();
    }

    #[test]
    fn a_tool_killed_at_any_moment_leaves_the_process_running() {
        if std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
            .is_ok_and(|scope| scope.trim() != "0")
        {
            eprintln!("left out: here only parents may stop processes");
            return;
        }
        let binary = std::env::current_exe().unwrap();
        let mut program = Program::start();
        for round in 0..30_u64 {
            let mut tool = Program::run(&binary, "the_tool_that_is_killed", "tool", program.pid());
            // Spread over some rounds of copying.
            std::thread::sleep(Duration::from_micros(word(round) % 30_000));
            tool.child.kill().unwrap();
            tool.child.wait().unwrap();
            program.assert_is_running();
        }
    }

    #[test]
    fn a_second_tool_at_once_is_refused_or_waits_its_turn() {
        let mut program = Program::start();
        let pid = program.pid();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(move || {
                    for _ in 0..20 {
                        match Target::open_process(pid, &frozen(PATIENT)) {
                            Ok(_) | Err(OpenError::NotPermitted { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
        });
        program.assert_is_running();
    }
}

mod running {
    use super::*;

    #[test]
    fn memory_is_copied_and_can_be_read_again() {
        let mut program = Program::start();
        program.work();
        let target = Target::open_process(program.pid(), &unfrozen()).unwrap();
        assert_eq!(target.consistency(), Consistency::Unfrozen);
        assert!(target.threads().is_empty());
        assert_holds_the_pattern(target.memory(), program.pattern);
        assert_eq!(target.memory().read_u64(program.written), Ok(1));
        program.work();
        assert_eq!(target.memory().read_u64(program.written), Ok(1));
        assert_eq!(target.live().unwrap().read_u64(program.written), Ok(2));
        program.assert_is_running();
    }

    #[test]
    fn progress_is_told_up_to_the_end() {
        let program = Program::start();
        let last = std::cell::Cell::new((0, 0));
        let hear = |done, total| {
            assert!(done >= last.get().0);
            last.set((done, total));
        };
        let options = ProcessOptions { progress: Some(&hear), ..unfrozen() };
        Target::open_process(program.pid(), &options).unwrap();
        let (done, total) = last.get();
        assert_eq!(done, total);
        assert!(total >= 8 * WORDS);
    }

    #[test]
    fn text_lies_where_the_process_has_it() {
        let program = Program::start();
        let target = Target::open_process(program.pid(), &unfrozen()).unwrap();
        let entry = target.executable().entry().get().wrapping_add(target.load_bias());
        let at = Address::new(entry);
        let len = ByteSize::new(256);
        let copied = target.memory().read_bytes(at, len).unwrap();
        assert_eq!(copied, target.live().unwrap().read_bytes(at, len).unwrap());
    }

    #[test]
    fn one_that_ends_meanwhile_can_be_read_no_more() {
        let mut program = Program::start();
        let target = Target::open_process(program.pid(), &unfrozen()).unwrap();
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        assert_holds_the_pattern(target.memory(), program.pattern);
        assert!(target.live().unwrap().read_u64(program.pattern).is_err());
    }

    #[test]
    fn an_executable_that_was_deleted_is_read_still() {
        let dir = tempfile::tempdir().unwrap();
        let binary: PathBuf = dir.path().join("program");
        std::fs::copy(std::env::current_exe().unwrap(), &binary).unwrap();
        let program = Program::run(&binary, "the_program_that_is_looked_at", "target", 0);
        std::fs::remove_file(&binary).unwrap();
        let target = Target::open_process(program.pid(), &unfrozen()).unwrap();
        assert_holds_the_pattern(target.memory(), program.pattern);
        let entry = target.executable().entry().get().wrapping_add(target.load_bias());
        let (at, len) = (Address::new(entry), ByteSize::new(64));
        let copied = target.memory().read_bytes(at, len).unwrap();
        assert_eq!(copied, target.live().unwrap().read_bytes(at, len).unwrap());
    }
}

mod refused {
    use super::*;

    #[test]
    fn numbers_of_no_process() {
        for pid in [0, 4_194_305, u32::MAX] {
            for options in [frozen(PATIENT), unfrozen()] {
                assert!(matches!(refused(pid, &options), OpenError::NoProcess { .. }), "{pid}");
                let executable = Some(std::env::current_exe().unwrap());
                let options = ProcessOptions { executable, ..options };
                assert!(matches!(refused(pid, &options), OpenError::NoProcess { .. }), "{pid}");
            }
        }
    }

    #[test]
    fn a_process_that_has_ended() {
        let mut program = Program::start();
        program.child.kill().unwrap();
        // Not waited for: it is a zombie.
        while program.states() != ['Z'] {}
        for options in [frozen(PATIENT), unfrozen()] {
            let refused = refused(program.pid(), &options);
            assert!(matches!(refused, OpenError::NoExecutable { .. }), "{refused}");
        }
    }

    #[test]
    fn a_kernel_thread() {
        if !std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name.trim() == "kthreadd") {
            eprintln!("left out: process 2 is no kernel thread here");
            return;
        }
        for options in [frozen(PATIENT), unfrozen()] {
            let refused = refused(2, &options);
            assert!(
                matches!(refused, OpenError::NoExecutable { .. } | OpenError::NotPermitted { .. }),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_tool_itself() {
        let refused = refused(std::process::id(), &frozen(PATIENT));
        assert!(matches!(refused, OpenError::NotPermitted { .. }), "{refused}");
        assert!(refused.to_string().contains("itself"), "{refused}");
    }

    #[test]
    fn another_kind_of_executable() {
        let program = Program::start();
        let options = ProcessOptions { executable: Some("/proc/self/maps".into()), ..unfrozen() };
        assert!(Target::open_process(program.pid(), &options).is_err());
    }
}
