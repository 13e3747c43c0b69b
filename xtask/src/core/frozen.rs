//! A process all of whose threads stand still.
//!
//! Threads are seized, which unlike attaching sends them no signal of their
//! own, and interrupted. A thread may start others until it stands, so the
//! list of threads is read again until it holds no new one.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The registers of a thread in the order of a core's notes.
pub(super) type Registers = [u64; 27];

/// Threads more than this are taken for a process that runs away.
const MOST_THREADS: usize = 10_000;

/// The threads of a process, stopped until this is dropped.
#[derive(Debug)]
pub(super) struct Frozen {
    pid: u32,
    threads: BTreeMap<u32, Thread>,
}

#[derive(Debug)]
struct Thread {
    registers: Registers,
    /// A signal that was on its way when the thread stopped. It is delivered
    /// when the thread goes on, or it would be lost.
    signal: Option<Signal>,
}

impl Frozen {
    pub(super) fn freeze(pid: u32) -> Result<Self> {
        let mut frozen = Self { pid, threads: BTreeMap::new() };
        loop {
            let new = frozen.new_threads()?;
            if new.is_empty() {
                return Ok(frozen);
            }
            for thread in new {
                frozen.stop(thread).with_context(|| format!("cannot stop thread {thread}"))?;
            }
            if frozen.threads.len() > MOST_THREADS {
                bail!("process {pid} has too many threads");
            }
        }
    }

    /// The threads by number, the process's first thread first.
    pub(super) fn threads(&self) -> impl Iterator<Item = (u32, &Registers)> {
        let first = self.threads.get_key_value(&self.pid);
        let others = self.threads.iter().filter(|(thread, _)| **thread != self.pid);
        first.into_iter().chain(others).map(|(thread, state)| (*thread, &state.registers))
    }

    fn new_threads(&self) -> Result<Vec<u32>> {
        let pid = self.pid;
        let listed = std::fs::read_dir(format!("/proc/{pid}/task"))
            .with_context(|| format!("there is no process {pid}"))?;
        let mut new = Vec::new();
        for entry in listed {
            let name = entry?.file_name();
            let thread = name.to_str().and_then(|name| name.parse().ok());
            let thread = thread.context("a thread without a number")?;
            if !self.threads.contains_key(&thread) {
                new.push(thread);
            }
        }
        Ok(new)
    }

    fn stop(&mut self, thread: u32) -> Result<()> {
        let id = tracee(thread)?;
        match ptrace::seize(id, ptrace::Options::empty()) {
            Ok(()) => {}
            // It has ended since it was listed.
            Err(nix::Error::ESRCH) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        // Noted at once, so that it is let go whatever happens next.
        let state =
            self.threads.entry(thread).or_insert(Thread { registers: [0; 27], signal: None });
        ptrace::interrupt(id)?;
        match waitpid(id, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                self.threads.remove(&thread);
                return Ok(());
            }
            WaitStatus::Stopped(_, signal) => state.signal = Some(signal),
            _ => {}
        }
        state.registers = in_order(&ptrace::getregs(id)?);
        Ok(())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for (thread, state) in &self.threads {
            // One that was killed meanwhile needs no detaching.
            if let Ok(id) = tracee(*thread) {
                let _ = ptrace::detach(id, state.signal);
            }
        }
    }
}

fn tracee(thread: u32) -> Result<Pid> {
    Ok(Pid::from_raw(i32::try_from(thread)?))
}

fn in_order(r: &nix::libc::user_regs_struct) -> Registers {
    [
        r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx,
        r.rsi, r.rdi, r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base, r.gs_base, r.ds,
        r.es, r.fs, r.gs,
    ]
}
