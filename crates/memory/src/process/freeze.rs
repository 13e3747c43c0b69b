//! Stopping a process and letting it go again, whatever happens.
//!
//! Threads are seized (`PTRACE_SEIZE`) and interrupted one by one until no new one shows up. They
//! are let go in [`Frozen::release`] or, on any other way out, when [`Frozen`] is dropped. If the
//! tool is killed meanwhile, by `SIGKILL` even, the kernel detaches and the threads run on. Signals
//! that would stop the tool at the terminal (Ctrl-Z) are ignored while threads are stopped.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::freeze::job_control::JobControlIgnored;
use crate::OpenError;
use crate::mapping::Registers;

/// How long to sleep between looks at threads that have not stopped yet.
const NAP: Duration = Duration::from_micros(200);
/// How often to look at a thread that is to be let go and has not stopped yet. One that sleeps in
/// the kernel longer than that (on a dead disk, say) is let go when the tool ends.
const NAPS_AT_RELEASE: u32 = 1000;

/// Bytes that `FXSAVE` stores.
const FXSAVE: usize = 512;

/// A stopped process.
pub(super) struct Frozen {
    /// The threads held, each with a signal that was on its way to it.
    threads: BTreeMap<i32, Held>,
    started: Instant,
    _job_control: JobControlIgnored,
    /// ptrace is tied to the thread that attached: this type must not leave it.
    _not_send: std::marker::PhantomData<*const ()>,
}

#[derive(Clone, Copy)]
struct Held {
    is_stopped: bool,
    signal: Option<Signal>,
}

impl Frozen {
    /// Stops every thread of a process.
    ///
    /// # Errors
    ///
    /// Fails where the kernel refuses, the process is gone, or a thread does not stop within
    /// `max_pause`; nothing stays stopped then.
    pub(super) fn stop(pid: u32, max_pause: Duration) -> Result<Self, OpenError> {
        if pid == std::process::id() {
            let reason = "a process can't stop itself".to_owned();
            return Err(OpenError::NotPermitted { pid, reason });
        }
        let job_control = JobControlIgnored::new();
        let started = Instant::now();
        let deadline = started + max_pause;
        let mut frozen = Self {
            threads: BTreeMap::new(),
            started,
            _job_control: job_control,
            _not_send: std::marker::PhantomData,
        };
        loop {
            let mut found_new = false;
            for tid in threads_of(pid)? {
                if !frozen.threads.contains_key(&tid) {
                    found_new |= frozen.seize(pid, tid)?;
                }
            }
            frozen.wait(pid, deadline, max_pause)?;
            if !found_new {
                break;
            }
        }
        if frozen.threads.is_empty() {
            return Err(OpenError::NoProcess { pid });
        }
        Ok(frozen)
    }

    /// Seizes and interrupts one thread; `false` where it has ended.
    fn seize(&mut self, pid: u32, tid: i32) -> Result<bool, OpenError> {
        let thread = Pid::from_raw(tid);
        match ptrace::seize(thread, ptrace::Options::empty()) {
            Ok(()) => {}
            Err(Errno::ESRCH) => return Ok(false),
            Err(Errno::EPERM) if has_ended(pid, tid) => return Ok(false),
            Err(fault) => {
                return Err(OpenError::NotPermitted {
                    pid,
                    reason: match fault {
                        Errno::EPERM => {
                            "ptrace was refused; another debugger may be attached".to_owned()
                        }
                        other => other.desc().to_owned(),
                    },
                });
            }
        }
        self.threads.insert(tid, Held { is_stopped: false, signal: None });
        // A thread that ends between the two calls is noticed by the wait.
        let _ = ptrace::interrupt(thread);
        Ok(true)
    }

    /// Waits until every seized thread is stopped or gone.
    fn wait(&mut self, pid: u32, deadline: Instant, max_pause: Duration) -> Result<(), OpenError> {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        loop {
            let pending: Vec<i32> = self
                .threads
                .iter()
                .filter(|(_, held)| !held.is_stopped)
                .map(|(tid, _)| *tid)
                .collect();
            if pending.is_empty() {
                return Ok(());
            }
            let mut progressed = false;
            for tid in pending {
                let held = match waitpid(Pid::from_raw(tid), Some(flags)) {
                    Ok(WaitStatus::StillAlive) => continue,
                    Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => None,
                    // A signal was about to be delivered: it is passed on when the thread goes.
                    Ok(WaitStatus::Stopped(_, signal)) => {
                        Some(Held { is_stopped: true, signal: Some(signal) })
                    }
                    Ok(_) => Some(Held { is_stopped: true, signal: None }),
                };
                progressed = true;
                match held {
                    Some(held) => self.threads.insert(tid, held),
                    None => self.threads.remove(&tid),
                };
            }
            if Instant::now() >= deadline {
                return Err(OpenError::NotStopped { pid, max_pause_ms: max_pause.as_millis() });
            }
            if !progressed {
                std::thread::sleep(NAP);
            }
        }
    }

    /// Reads the threads' registers.
    pub(super) fn registers(&self) -> Vec<Registers> {
        let read = |tid: i32| {
            let r = ptrace::getregs(Pid::from_raw(tid)).ok()?;
            Some(Registers::from_amd64(
                tid as u32,
                [
                    r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax,
                    r.rcx, r.rdx, r.rsi, r.rdi, r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss,
                    r.fs_base, r.gs_base, r.ds, r.es, r.fs, r.gs,
                ],
            ))
        };
        self.threads.keys().filter_map(|tid| read(*tid)).collect()
    }

    /// Reads the threads' floating-point and vector registers, each as amd64's `FXSAVE` lays them
    /// out.
    pub(super) fn floating_point(&self) -> Vec<(u32, Vec<u8>)> {
        let read = |tid: i32| {
            let r = ptrace::getregset::<ptrace::regset::NT_PRFPREG>(Pid::from_raw(tid)).ok()?;
            let mut bytes = Vec::with_capacity(FXSAVE);
            for word in [r.cwd, r.swd, r.ftw, r.fop] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(r.rip.to_le_bytes());
            bytes.extend(r.rdp.to_le_bytes());
            bytes.extend(r.mxcsr.to_le_bytes());
            bytes.extend(r.mxcr_mask.to_le_bytes());
            bytes.extend(r.st_space.iter().chain(&r.xmm_space).flat_map(|w| w.to_le_bytes()));
            bytes.resize(FXSAVE, 0);
            Some((tid as u32, bytes))
        };
        self.threads.keys().filter_map(|tid| read(*tid)).collect()
    }

    /// Lets the process go and says how long it was stopped.
    pub(super) fn release(mut self) -> Duration {
        self.detach();
        self.started.elapsed()
    }

    fn detach(&mut self) {
        for (tid, held) in std::mem::take(&mut self.threads) {
            let thread = Pid::from_raw(tid);
            if held.is_stopped {
                let _ = ptrace::detach(thread, held.signal);
                continue;
            }
            // Only a stopped thread can be let go: see it stop first. What it was stopped by may be
            // a signal, which it is to have.
            for _ in 0..NAPS_AT_RELEASE {
                match waitpid(thread, Some(WaitPidFlag::__WALL | WaitPidFlag::WNOHANG)) {
                    Ok(WaitStatus::StillAlive) => std::thread::sleep(NAP),
                    Ok(WaitStatus::Stopped(_, signal)) => {
                        let _ = ptrace::detach(thread, Some(signal));
                        break;
                    }
                    Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => break,
                    Ok(_) => {
                        let _ = ptrace::detach(thread, None);
                        break;
                    }
                }
            }
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.detach();
    }
}

/// Tells whether a thread has ended, and only its number is left.
fn has_ended(pid: u32, tid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/task/{tid}/stat")) else {
        return true;
    };
    // The name may hold anything but ends with the last bracket; the state comes next.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X', 'x']))
}

fn threads_of(pid: u32) -> Result<Vec<i32>, OpenError> {
    let entries =
        std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| OpenError::NoProcess { pid })?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<libc::pid_t>().ok())
        .collect())
}

/// Ignoring Ctrl-Z for a while.
mod job_control {
    #![expect(unsafe_code, reason = "signal dispositions are the process's own, and set by libc")]

    use nix::sys::signal::{SigHandler, Signal, signal};

    const STOPPING: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU];

    /// While this lives, the terminal can't stop the tool.
    pub(super) struct JobControlIgnored {
        before: [Option<SigHandler>; 3],
    }

    impl JobControlIgnored {
        pub(super) fn new() -> Self {
            // SAFETY: ignoring a signal installs no handler that could run at a bad moment.
            let before = STOPPING.map(|which| unsafe { signal(which, SigHandler::SigIgn) }.ok());
            Self { before }
        }
    }

    impl Drop for JobControlIgnored {
        fn drop(&mut self) {
            for (which, before) in STOPPING.into_iter().zip(self.before) {
                if let Some(before) = before {
                    // SAFETY: the handler was installed before, by whoever owns it.
                    let _ = unsafe { signal(which, before) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use nix::sys::signal::kill;

    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").spawn().unwrap()
    }

    fn state(child: &Child) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1[..1].to_owned()
    }

    #[test]
    fn a_panic_while_the_process_is_stopped_lets_it_go() {
        let mut child = sleeper();
        let pid = child.id();
        let panicked = std::panic::catch_unwind(|| {
            let _stopped = Frozen::stop(pid, PATIENT).unwrap();
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            assert!(stat.contains(") t "));
            panic!("in the middle of a pause");
        });
        let after = state(&child);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(panicked.is_err());
        // It may be reading itself from the disk.
        assert!(["R", "S", "D"].contains(&after.as_str()), "{after}");
    }

    #[test]
    fn a_signal_that_comes_during_the_pause_is_delivered_after_it() {
        let mut child = sleeper();
        let pid = Pid::from_raw(child.id() as i32);
        let stopped = Frozen::stop(child.id(), PATIENT).unwrap();
        kill(pid, Signal::SIGUSR1).unwrap();
        assert_eq!(state(&child), "t");
        let _ = stopped.release();
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGUSR1 as i32));
    }

    #[test]
    fn a_signal_that_comes_as_the_process_is_stopped_is_not_lost() {
        for round in 0..50 {
            let mut child = sleeper();
            let pid = Pid::from_raw(child.id() as i32);
            std::thread::scope(|scope| {
                scope.spawn(|| kill(pid, Signal::SIGUSR1).unwrap());
                // Every other time there is no time to stop, and all is taken back.
                let max_pause = if round % 2 == 0 { PATIENT } else { Duration::ZERO };
                drop(Frozen::stop(child.id(), max_pause));
            });
            // Its end may have been seen by the attempt to stop it. Without the signal it would
            // sleep on.
            if let Ok(status) = child.wait() {
                assert_eq!(status.signal(), Some(Signal::SIGUSR1 as i32));
            }
        }
    }
}
