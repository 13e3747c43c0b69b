//! Audits now and then: a thread that sleeps by the map's clock, takes the map's shape, and hands it on.
//!
//! The thread holds the map weakly, so that it keeps no map alive, and ends with the map or its handle,
//! whichever goes first. Audits that fell into a time when the process did not run are not made up for:
//! after a delay the next is due one interval later.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use crate::audit::AuditRecord;
use crate::clock::Clock;
use crate::hook::HookError;
use crate::map::{Inner, SafeMap};
use crate::supervisor::Supervisor;

/// Audits more often than this are a slip, and would do nothing else.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// What an [`Auditor`] has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditorOutcome {
    /// Records that were handed on.
    pub done: u64,
    /// Records that were lost, since the function failed or panicked.
    pub failed: u64,
    /// What it said the last time.
    pub last_fault: Option<String>,
}

/// Audits a map now and then; stops when it is dropped, or the map is.
pub struct Auditor {
    map: Box<dyn Audited>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A map as its auditor holds it, which keeps it alive no longer than it looks at it.
trait Audited: Send + Sync {
    /// The map's clock; `None` once the map is gone.
    fn clock(&self) -> Option<Arc<dyn Clock>>;

    /// Takes the map's shape; `None` once the map is gone.
    fn audit(&self) -> Option<Result<AuditRecord, HookError>>;

    /// Works on the threads that are to be woken when the map goes.
    fn with_threads(&self, work: &mut dyn FnMut(&mut Vec<Thread>));
}

impl Audited for Weak<Inner> {
    fn clock(&self) -> Option<Arc<dyn Clock>> {
        self.upgrade().map(|inner| Arc::clone(&inner.clock))
    }

    fn audit(&self) -> Option<Result<AuditRecord, HookError>> {
        self.upgrade().map(|inner| Ok(SafeMap { inner }.audit()))
    }

    fn with_threads(&self, work: &mut dyn FnMut(&mut Vec<Thread>)) {
        if let Some(inner) = self.upgrade() {
            work(&mut inner.auditors.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// A map that lies in another store, and how to take its shape.
struct Far<F> {
    supervisor: Weak<Supervisor>,
    audit: Arc<F>,
}

impl<F> Clone for Far<F> {
    fn clone(&self) -> Self {
        Self { supervisor: self.supervisor.clone(), audit: Arc::clone(&self.audit) }
    }
}

impl<F: Fn() -> Option<Result<AuditRecord, HookError>> + Send + Sync> Audited for Far<F> {
    fn clock(&self) -> Option<Arc<dyn Clock>> {
        let supervisor = self.supervisor.upgrade()?;
        (!supervisor.is_closed()).then(|| Arc::clone(supervisor.clock()))
    }

    fn audit(&self) -> Option<Result<AuditRecord, HookError>> {
        (self.audit)()
    }

    fn with_threads(&self, work: &mut dyn FnMut(&mut Vec<Thread>)) {
        if let Some(supervisor) = self.supervisor.upgrade() {
            work(&mut supervisor.auditors());
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    outcome: Mutex<AuditorOutcome>,
}

impl fmt::Debug for Auditor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Auditor").field("outcome", &self.outcome()).finish_non_exhaustive()
    }
}

impl SafeMap {
    /// Starts to audit the map on a thread of its own: at once, and then each time that the interval
    /// has gone by on the map's clock. Each record is handed to a function, such as one that appends
    /// it to an `AuditLog`.
    ///
    /// What the function fails on is lost, and counted; the next record tells as much.
    ///
    /// ```
    /// use std::sync::{Arc, mpsc};
    /// use std::time::Duration;
    /// use tophash_safemap::{ManualClock, SafeMap, Schema};
    ///
    /// let clock = Arc::new(ManualClock::new());
    /// let map = SafeMap::builder(Schema::open()).clock(clock.clone()).build();
    /// let (sender, records) = mpsc::channel();
    /// let hour = Duration::from_secs(3600);
    /// let auditor = map.audit_every(hour, move |record| Ok(sender.send(record.entries)?))?;
    /// assert_eq!(records.recv()?, 0);
    /// map.set("a", 1)?;
    /// clock.advance(hour);
    /// assert_eq!(records.recv()?, 1);
    /// assert_eq!(auditor.finish().done, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn audit_every(
        &self,
        interval: Duration,
        sink: impl FnMut(&AuditRecord) -> Result<(), HookError> + Send + 'static,
    ) -> std::io::Result<Auditor> {
        start(Arc::downgrade(&self.inner), interval, sink)
    }
}

impl Supervisor {
    /// As [`SafeMap::audit_every`], for a map in another store: `audit` takes its shape, or says that
    /// the map is gone. An audit that failed is counted as one that was lost.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn audit_every(
        self: &Arc<Self>,
        interval: Duration,
        audit: impl Fn() -> Option<Result<AuditRecord, HookError>> + Send + Sync + 'static,
        sink: impl FnMut(&AuditRecord) -> Result<(), HookError> + Send + 'static,
    ) -> std::io::Result<Auditor> {
        start(Far { supervisor: Arc::downgrade(self), audit: Arc::new(audit) }, interval, sink)
    }
}

fn start(
    map: impl Audited + Clone + 'static,
    interval: Duration,
    sink: impl FnMut(&AuditRecord) -> Result<(), HookError> + Send + 'static,
) -> std::io::Result<Auditor> {
    let shared = Arc::new(Shared::default());
    let (watched, notes) = (map.clone(), Arc::clone(&shared));
    let interval = interval.max(LEAST_INTERVAL);
    let thread = std::thread::Builder::new()
        .name("safemap-audit".to_owned())
        .spawn(move || work(&watched, interval, sink, &notes))?;
    let handle = thread.thread().clone();
    map.with_threads(&mut |threads| threads.push(handle.clone()));
    Ok(Auditor { map: Box::new(map), shared, thread: Some(thread) })
}

fn work(
    map: &impl Audited,
    interval: Duration,
    mut sink: impl FnMut(&AuditRecord) -> Result<(), HookError>,
    shared: &Shared,
) {
    let mut due = None;
    while !shared.is_over.load(Ordering::Acquire) {
        let Some(clock) = map.clock() else { return };
        let now = clock.now();
        match due {
            // The map may go while this thread sleeps; it is woken then.
            Some(due) if now < due => clock.park_until(due),
            _ => {
                due = Some(now.saturating_add(interval));
                let audit = || Some(map.audit()?.and_then(|record| sink(&record)));
                let fault = match catch_unwind(AssertUnwindSafe(audit)) {
                    Ok(None) => return,
                    Ok(Some(Ok(()))) => None,
                    Ok(Some(Err(error))) => Some(error.to_string()),
                    Err(_) => Some("the function panicked".to_owned()),
                };
                shared.note(fault);
            }
        }
    }
}

impl Shared {
    fn note(&self, fault: Option<String>) {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            None => outcome.done += 1,
            Some(fault) => {
                outcome.failed += 1;
                outcome.last_fault = Some(fault);
            }
        }
    }
}

impl Auditor {
    /// What it has done so far.
    pub fn outcome(&self) -> AuditorOutcome {
        self.shared.outcome.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it, once the record that is being handed on is.
    pub fn finish(mut self) -> AuditorOutcome {
        self.end();
        self.outcome()
    }

    fn end(&mut self) {
        self.shared.is_over.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        let id = thread.thread().id();
        self.map.with_threads(&mut |threads| threads.retain(|other| other.id() != id));
        thread.thread().unpark();
        // A function that drops the handle can't wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            // Panics of the function are caught where it is called.
            let _ = thread.join();
        }
    }
}

impl Drop for Auditor {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::schema::Schema;

    const HOUR: Duration = Duration::from_secs(3600);

    fn map() -> (SafeMap, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new());
        (SafeMap::builder(Schema::open()).clock(clock.clone()).build(), clock)
    }

    #[test]
    fn an_audit_is_taken_when_it_is_due_and_not_made_up_for() {
        let (map, clock) = map();
        let (sender, times) = mpsc::channel();
        let auditor = map.audit_every(HOUR, move |record| Ok(sender.send(record.at)?)).unwrap();
        assert_eq!(times.recv().unwrap(), 0);
        clock.advance(HOUR);
        assert_eq!(times.recv().unwrap(), 3600);
        clock.advance(HOUR / 2);
        clock.advance(HOUR * 5);
        assert_eq!(times.recv().unwrap(), 3600 + 5 * 3600 + 1800);
        clock.advance(HOUR);
        assert_eq!(times.recv().unwrap(), 3600 + 6 * 3600 + 1800);
        assert_eq!(auditor.finish().done, 4);
        assert!(map.inner.auditors.lock().unwrap().is_empty());
        assert!(times.recv().is_err());
    }

    #[test]
    fn a_function_that_fails_or_panics_ends_nothing() {
        let (map, clock) = map();
        let (sender, calls) = mpsc::channel();
        let mut count = 0;
        let auditor = map
            .audit_every(HOUR, move |_| {
                count += 1;
                sender.send(count)?;
                match count {
                    1 => Err("the disk is full".into()),
                    2 => panic!("a function of the test"),
                    _ => Ok(()),
                }
            })
            .unwrap();
        for call in 1..=3 {
            assert_eq!(calls.recv().unwrap(), call);
            clock.advance(HOUR);
        }
        assert_eq!(calls.recv().unwrap(), 4);
        let outcome = auditor.finish();
        assert_eq!((outcome.done, outcome.failed), (2, 2));
        assert_eq!(outcome.last_fault.as_deref(), Some("the function panicked"));
    }

    #[test]
    fn an_audit_that_panics_is_counted_and_ends_nothing() {
        let clock = Arc::new(ManualClock::new());
        let supervisor = Supervisor::builder().clock(clock.clone()).build("far", Schema::open());
        let supervisor = Arc::new(supervisor);
        let (sender, calls) = mpsc::channel();
        let (audited, mut count) = (Arc::clone(&supervisor), 0);
        let counted = Mutex::new(move || {
            count += 1;
            count
        });
        let audit = move || {
            let call = counted.lock().unwrap_or_else(PoisonError::into_inner)();
            sender.send(call).ok()?;
            assert_ne!(call, 1, "a fault of the test");
            Some(Ok(audited.audit(&crate::supervisor::Holding::default())))
        };
        let auditor = supervisor.audit_every(HOUR, audit, |_| Ok(())).unwrap();
        assert_eq!(calls.recv().unwrap(), 1);
        clock.advance(HOUR);
        assert_eq!(calls.recv().unwrap(), 2);
        let outcome = auditor.finish();
        assert_eq!((outcome.done, outcome.failed), (1, 1));
    }

    #[test]
    fn the_thread_keeps_no_map_and_ends_with_it() {
        let (map, _clock) = map();
        let (sender, told) = mpsc::channel();
        let auditor = map.audit_every(HOUR, move |_| Ok(sender.send(())?)).unwrap();
        told.recv().unwrap();
        let watch = map.watch("**".parse().unwrap()).start();
        drop(map);
        assert_eq!(watch.count(), 0);
        // The function went with its thread, which nothing but the map's end has stopped.
        assert!(told.recv().is_err());
        assert_eq!(auditor.outcome().done, 1);
    }

    #[test]
    fn the_system_s_clock_wakes_it_too() {
        let map = SafeMap::new(Schema::open());
        let (sender, told) = mpsc::channel();
        let often = Duration::from_millis(1);
        let _auditor = map.audit_every(often, move |_| Ok(sender.send(())?)).unwrap();
        for _ in 0..3 {
            told.recv().unwrap();
        }
    }
}
