//! Threads that parse and check folders, with room for deep texts, and a time limit.
//!
//! A parser that runs in a circle can't be stopped from outside. So its thread is left behind, the file is
//! named as passed over, the rest of its folder is handed to a new thread, and the work goes on. A tree is
//! not handed between threads: it is made, used and dropped on one.

use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{self, Checked};
use crate::source_tree::Folder;
use tophash_typecheck::{PassedOver, Reason};

/// Room for trees as deep as `tophash_typecheck::MAX_DEPTH` allows, also without optimization. It is taken from the
/// system as it is used.
const STACK_BYTES: usize = 256 << 20;

/// How often threads are looked after.
const ROUND: Duration = Duration::from_millis(200);

struct Job {
    number: usize,
    skipped: BTreeSet<String>,
}

/// What a thread does now.
#[derive(Default)]
struct Doing {
    job: Option<usize>,
    /// The file that it parses; none while it applies the rules.
    file: Option<String>,
    since: Option<Instant>,
    /// It took too long, and what it brings is not waited for.
    is_left: bool,
}

/// Checks a folder but for some files, and announces each file before it is parsed.
type Check = dyn Fn(&Folder, &BTreeSet<String>, &dyn Fn(Option<&str>)) -> Checked + Send + Sync;

struct Shared {
    folders: Vec<Folder>,
    jobs: Mutex<Vec<Job>>,
    check: Box<Check>,
}

/// Checks folders on so many threads, none of which may take longer than this for one file.
pub(crate) fn check(folders: Vec<Folder>, threads: usize, limit: Duration) -> Vec<Checked> {
    run(folders, threads, Box::new(check::folder), &|_, time| time > limit)
}

/// The same for any work, and any notion of what took too long.
fn run(
    folders: Vec<Folder>,
    threads: usize,
    check: Box<Check>,
    is_late: &dyn Fn(Option<&str>, Duration) -> bool,
) -> Vec<Checked> {
    let total = folders.len();
    // The first folder is taken first.
    let jobs = (0..total).rev().map(|number| Job { number, skipped: BTreeSet::new() }).collect();
    let shared = Arc::new(Shared { folders, jobs: Mutex::new(jobs), check });
    let (sender, receiver) = mpsc::channel();
    let mut pool =
        Pool { shared, sender, threads: Vec::new(), skipped: vec![BTreeSet::new(); total] };
    for _ in 0..threads.clamp(1, total.max(1)) {
        pool.start();
    }
    pool.gather(&receiver, total, is_late)
}

struct Pool {
    shared: Arc<Shared>,
    sender: Sender<(usize, Checked)>,
    threads: Vec<Arc<Mutex<Doing>>>,
    /// For each folder, the files that took too long.
    skipped: Vec<BTreeSet<String>>,
}

impl Pool {
    fn start(&mut self) {
        let doing = Arc::new(Mutex::new(Doing::default()));
        let (shared, sender, of_thread) =
            (Arc::clone(&self.shared), self.sender.clone(), Arc::clone(&doing));
        let started = thread::Builder::new()
            .name("tophash-lint".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || work(&shared, &sender, &of_thread));
        if started.is_ok() {
            self.threads.push(doing);
        }
    }

    /// Waits for all folders, and looks after threads that take too long.
    fn gather(
        mut self,
        receiver: &Receiver<(usize, Checked)>,
        total: usize,
        is_late: &dyn Fn(Option<&str>, Duration) -> bool,
    ) -> Vec<Checked> {
        let mut done = Vec::with_capacity(total);
        let mut finished = BTreeSet::new();
        while finished.len() < total && !self.threads.is_empty() {
            if let Ok((number, checked)) = receiver.recv_timeout(ROUND) {
                if finished.insert(number) {
                    done.push(checked);
                }
                continue;
            }
            for (number, given_up) in self.look_after(is_late) {
                if finished.insert(number) {
                    done.push(given_up);
                }
            }
        }
        // Without a thread, nothing is read, and that is said.
        for (number, folder) in self.shared.folders.iter().enumerate() {
            if !finished.contains(&number) {
                let reason = Reason::Unreadable("no thread could be started".to_owned());
                done.push(passed_over(first_file(folder), reason));
            }
        }
        // Files that were passed over on the way to a folder that was then finished.
        for path in self.skipped.into_iter().flatten() {
            done.push(passed_over(path, Reason::TookTooLong));
        }
        done
    }

    /// Leaves threads behind that took too long, and starts others. Returns folders that are given up.
    fn look_after(
        &mut self,
        is_late: &dyn Fn(Option<&str>, Duration) -> bool,
    ) -> Vec<(usize, Checked)> {
        let mut given_up = Vec::new();
        let mut left = Vec::new();
        for (at, thread) in self.threads.iter().enumerate() {
            let mut doing = thread.lock().unwrap_or_else(PoisonError::into_inner);
            let is_too_late =
                doing.since.is_some_and(|since| is_late(doing.file.as_deref(), since.elapsed()));
            let Some(number) = doing.job.filter(|_| is_too_late) else { continue };
            doing.is_left = true;
            left.push(at);
            match (&doing.file, self.skipped.get_mut(number)) {
                (Some(file), Some(skipped)) => {
                    skipped.insert(file.clone());
                    let job = Job { number, skipped: skipped.clone() };
                    self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(job);
                }
                _ => {
                    let path = self.shared.folders.get(number).map_or(String::new(), first_file);
                    given_up.push((number, passed_over(path, Reason::RulesTookTooLong)));
                }
            }
        }
        for at in left.into_iter().rev() {
            self.threads.swap_remove(at);
            self.start();
        }
        given_up
    }
}

/// What each thread does: folder after folder, until there is none.
fn work(shared: &Shared, sender: &Sender<(usize, Checked)>, doing: &Mutex<Doing>) {
    loop {
        let job = shared.jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(job) = job else {
            // A folder may yet come back; whoever gives it back starts a thread for it.
            return;
        };
        let Some(folder) = shared.folders.get(job.number) else { continue };
        let announce = |file: Option<&str>| {
            let mut doing = doing.lock().unwrap_or_else(PoisonError::into_inner);
            doing.job = Some(job.number);
            doing.file = file.map(str::to_owned);
            doing.since = Some(Instant::now());
        };
        let checked = panic::catch_unwind(AssertUnwindSafe(|| {
            (shared.check)(folder, &job.skipped, &announce)
        }));
        let checked =
            checked.unwrap_or_else(|_| passed_over(first_file(folder), Reason::ParserFault));
        let mut now = doing.lock().unwrap_or_else(PoisonError::into_inner);
        now.job = None;
        now.since = None;
        let is_left = now.is_left;
        drop(now);
        if is_left || sender.send((job.number, checked)).is_err() {
            return;
        }
    }
}

/// A folder is named by its first file.
fn first_file(folder: &Folder) -> String {
    folder.files.first().map_or(String::new(), |path| path.to_string_lossy().into_owned())
}

fn passed_over(path: String, reason: Reason) -> Checked {
    let passed_over = PassedOver { path, line: None, reason, parts: Vec::new() };
    Checked { passed_over: vec![passed_over], ..Checked::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(names: &[&str]) -> Vec<Folder> {
        let folder = |name: &&str| Folder { files: vec![name.into()], ..Folder::default() };
        names.iter().map(folder).collect()
    }

    /// Checks each folder's only file: one of them without end, and one with a panic.
    fn strange(
        folder: &Folder,
        skipped: &BTreeSet<String>,
        announce: &dyn Fn(Option<&str>),
    ) -> Checked {
        let name = first_file(folder);
        if skipped.contains(&name) {
            return Checked::default();
        }
        announce((name != "endless rule").then_some(&name));
        match name.as_str() {
            "endless" | "endless rule" => loop {
                thread::park();
            },
            "panic" => panic::resume_unwind(Box::new("as planned")),
            _ => Checked { files: 1, ..Checked::default() },
        }
    }

    #[test]
    fn what_does_not_end_or_fails_is_named_and_the_rest_is_done() {
        let names = ["a", "endless", "b", "panic", "endless rule", "c"];
        for threads in [1, 2, 8] {
            // Nothing else is ever late, so that no clock decides.
            let is_late = |file: Option<&str>, _| matches!(file, Some("endless") | None);
            let done = run(folders(&names), threads, Box::new(strange), &is_late);
            assert_eq!(done.iter().map(|folder| folder.files).sum::<usize>(), 3);
            let mut named: Vec<_> =
                done.into_iter().flat_map(|folder| folder.passed_over).collect();
            named.sort_by(|a, b| a.path.cmp(&b.path));
            let named: Vec<_> =
                named.iter().map(|file| (file.path.as_str(), &file.reason)).collect();
            let expected = [
                ("endless", &Reason::TookTooLong),
                ("endless rule", &Reason::RulesTookTooLong),
                ("panic", &Reason::ParserFault),
            ];
            assert_eq!(named, expected);
        }
    }
}
