//! Hooks: a function that is called for what happens to the keys of a pattern, on a thread of its own.
//!
//! A hook sits behind a bounded queue, so a slow or failing one costs a write no more than its stated
//! policy allows. It gets the events of a key in the order of its changes, one at a time. What it
//! fails on is tried again at once, as often as was said, and then put with the dead letters, of which
//! the last ones are kept and all are counted.
//!
//! A hook that is dropped is in a hurry, since its owner waits for it: each event has one try more, and
//! after the first that fails all others are dead letters. Else a sink that is away would hold up the
//! end of a program for as long as its time-out, for every event and every try.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use crate::event::{Event, Hub, WatchBuilder};
use crate::queue::{Notice, Queue};

/// How many dead letters are kept.
const MOST_LETTERS: usize = 256;

/// Why a hook could not do its work.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// An event that a hook failed on.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let hook = map.watch("**".parse()?).hook(|_| Err("the other end is away".into()))?;
/// map.set("a", 1)?;
/// let letters = hook.finish().dead_letters;
/// assert_eq!(&*letters[0].event.key, "a");
/// assert_eq!(letters[0].reason, "the other end is away");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The event.
    pub event: Event,
    /// What the hook said at the last try.
    pub reason: String,
}

/// What a hook has done.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let hook = map.watch("**".parse()?).hook(|event| {
///     println!("{} is now {:?}", event.key, event.value);
///     Ok(())
/// })?;
/// map.set("a", 1)?;
/// let outcome = hook.finish();
/// assert_eq!((outcome.done, outcome.failed, outcome.dropped), (1, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HookOutcome {
    /// Events that it took without a fault.
    pub done: u64,
    /// Events that it failed on for good.
    pub failed: u64,
    /// Events that did not fit its queue.
    pub dropped: u64,
    /// The last of those that it failed on.
    pub dead_letters: Vec<DeadLetter>,
}

#[derive(Debug, Default)]
struct Record {
    done: u64,
    failed: u64,
    letters: VecDeque<DeadLetter>,
}

/// A hook at work.
///
/// Dropping it waits until it has gone through what is in its queue: once for each event, and no longer
/// than until the function fails, after which the rest are dead letters that nobody sees.
/// [`Hook::finish`] takes the time for all tries, and tells what came of them.
pub struct Hook {
    hub: Weak<Hub>,
    queue: Arc<Queue>,
    is_in_hurry: Arc<AtomicBool>,
    record: Arc<Mutex<Record>>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who looks at it takes no dead letters, nor puts their values into a log.
        let Record { done, failed, .. } =
            *self.record.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = self.queue.counts();
        out.debug_struct("Hook")
            .field("done", &done)
            .field("failed", &failed)
            .field("queue", &counts)
            .finish_non_exhaustive()
    }
}

impl WatchBuilder {
    /// Starts to call a function for what happens from now on, on a thread of its own.
    ///
    /// What the function fails on, or panics at, is tried again as often as
    /// [`WatchBuilder::retries`] says. It may use the map; but a hook that writes, and makes writers
    /// wait for its queue, can come to wait for itself, as long as its policy says.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn hook(
        self,
        mut call: impl FnMut(&Event) -> Result<(), HookError> + Send + 'static,
    ) -> std::io::Result<Hook> {
        let hub = Arc::downgrade(&self.hub);
        let tries = self.retries.saturating_add(1);
        let queue = self.attach();
        let record = Arc::new(Mutex::new(Record::default()));
        let (events, notes) = (Arc::clone(&queue), Arc::clone(&record));
        let is_in_hurry = Arc::new(AtomicBool::new(false));
        let hurries = Arc::clone(&is_in_hurry);
        let work = move || {
            // What it failed on since it is in a hurry.
            let mut given_up: Option<String> = None;
            while let Some(notice) = events.pop_waiting(None) {
                let Notice::Event(event) = notice else { continue };
                let fault = given_up.clone().or_else(|| {
                    let mut fault = None;
                    for attempt in 0..tries {
                        if attempt > 0 && hurries.load(Ordering::Acquire) {
                            break;
                        }
                        fault = match catch_unwind(AssertUnwindSafe(|| call(&event))) {
                            Ok(Ok(())) => None,
                            Ok(Err(error)) => Some(error.to_string()),
                            Err(_) => Some("the hook panicked".to_owned()),
                        };
                        if fault.is_none() {
                            break;
                        }
                    }
                    fault
                });
                if hurries.load(Ordering::Acquire) {
                    given_up.clone_from(&fault);
                }
                notes.lock().unwrap_or_else(PoisonError::into_inner).note(event, fault);
            }
        };
        let thread = std::thread::Builder::new().name("safemap-hook".to_owned()).spawn(work);
        match thread {
            Ok(thread) => Ok(Hook { hub, queue, is_in_hurry, record, thread: Some(thread) }),
            Err(error) => {
                if let Some(hub) = hub.upgrade() {
                    hub.remove(&queue);
                }
                Err(error)
            }
        }
    }
}

impl Record {
    fn note(&mut self, event: Event, fault: Option<String>) {
        let Some(reason) = fault else {
            self.done += 1;
            return;
        };
        self.failed += 1;
        if self.letters.len() == MOST_LETTERS {
            self.letters.pop_front();
        }
        self.letters.push_back(DeadLetter { event, reason });
    }
}

impl Hook {
    /// What the hook has done so far; takes the dead letters.
    pub fn outcome(&self) -> HookOutcome {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        HookOutcome {
            done: record.done,
            failed: record.failed,
            dropped: self.queue.counts().dropped,
            dead_letters: record.letters.drain(..).collect(),
        }
    }

    /// Ends the hook, once it has worked through its queue, with all the tries that it has.
    pub fn finish(mut self) -> HookOutcome {
        self.end();
        self.outcome()
    }

    fn end(&mut self) {
        self.queue.close();
        // A hook that drops its own handle can't wait for itself.
        let own =
            self.thread.take().filter(|thread| thread.thread().id() != std::thread::current().id());
        if let Some(thread) = own {
            // Panics of the function are caught where it is called.
            let _ = thread.join();
        }
        // Last, so that what it took on the way counts.
        if let Some(hub) = self.hub.upgrade() {
            hub.remove(&self.queue);
        }
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.is_in_hurry.store(true, Ordering::Release);
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::error::Error;
    use crate::event::Change;
    use crate::map::SafeMap;
    use crate::queue::Overflow;
    use crate::schema::Schema;
    use crate::value::Value;

    fn map() -> SafeMap {
        SafeMap::new(Schema::open())
    }

    #[test]
    fn a_key_s_events_come_in_the_order_of_its_changes() {
        let map = map();
        let (sender, told) = mpsc::channel();
        let hook = map
            .watch("count.*".parse().unwrap())
            .capacity(100_000)
            .hook(move |event| Ok(sender.send(event.clone())?))
            .unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..1000 {
                        map.inc(&format!("count.{}", round % 3), 1).unwrap();
                    }
                });
            }
        });
        let outcome = hook.finish();
        assert_eq!((outcome.done, outcome.dropped), (3000, 0));
        let mut last = [(0, 0); 3];
        for event in told {
            let key: usize = event.key[6..].parse().unwrap();
            let value = event.value.and_then(|value| value.as_integer()).unwrap();
            assert_eq!(value, last[key].0 + 1);
            assert!(event.version > last[key].1);
            last[key] = (value, event.version);
        }
    }

    #[test]
    fn what_fails_is_tried_again_and_then_kept() {
        let map = map();
        let mut calls = 0;
        let hook = map
            .watch("**".parse().unwrap())
            .retries(2)
            .hook(move |event| {
                calls += 1;
                match (&*event.key, calls) {
                    ("mended", 3) => Ok(()),
                    ("panics", _) => panic!("a hook of the test"),
                    _ => Err(format!("call {calls}").into()),
                }
            })
            .unwrap();
        for key in ["mended", "broken", "panics"] {
            map.set(key, 1).unwrap();
        }
        let outcome = hook.finish();
        assert_eq!((outcome.done, outcome.failed), (1, 2));
        let letters: Vec<_> = outcome
            .dead_letters
            .iter()
            .map(|letter| (&*letter.event.key, letter.reason.as_str()))
            .collect();
        assert_eq!(letters, [("broken", "call 6"), ("panics", "the hook panicked")]);
        // And all writes were done.
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn what_is_printed_with_a_struct_that_holds_them_has_no_value_in_it() {
        let map = map();
        let watch = map.watch("**".parse().unwrap()).start();
        let failing = map.watch("**".parse().unwrap()).hook(|_| Err("away".into())).unwrap();
        map.set("token", "hunter2").unwrap();
        while !format!("{failing:?}").contains("failed: 1") {
            std::thread::yield_now();
        }
        let printed = [
            format!("{map:?}"),
            format!("{watch:?} {:?}", map.watch("*".parse().unwrap())),
            format!("{failing:?} {:?}", map.iter()),
            map.transaction(|transaction| {
                transaction.get("token")?;
                transaction.set("other", "hunter2")?;
                Ok(format!("{transaction:?}"))
            })
            .unwrap(),
        ];
        for text in &printed {
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(printed[0].contains("entries: 1"), "{}", printed[0]);
        assert!(printed[3].contains("token") && printed[3].contains("other"), "{}", printed[3]);
        // Nor does it take what the hook's owner is to see.
        assert_eq!(failing.finish().dead_letters[0].reason, "away");
    }

    #[test]
    fn a_hook_that_is_dropped_gives_up_with_its_first_failure() {
        let map = map();
        let (release, gate) = mpsc::channel::<()>();
        let (entered, calls) = mpsc::channel();
        let hook = map
            .watch("**".parse().unwrap())
            .retries(2)
            .hook(move |event| {
                let _ = entered.send(event.key.as_ref().to_owned());
                let _ = gate.recv();
                if &*event.key == "taken" { Ok(()) } else { Err("away".into()) }
            })
            .unwrap();
        map.set("taken", 1).unwrap();
        assert_eq!(calls.recv().unwrap(), "taken");
        for _ in 0..100 {
            map.set("refused", 1).unwrap();
        }
        hook.is_in_hurry.store(true, Ordering::Release);
        let record = Arc::clone(&hook.record);
        drop(release);
        drop(hook);
        assert_eq!(calls.iter().collect::<Vec<_>>(), ["refused"]);
        let record = record.lock().unwrap();
        assert_eq!((record.done, record.failed, record.letters.len()), (1, 100, 100));
        assert!(record.letters.iter().all(|letter| letter.reason == "away"));
    }

    #[test]
    fn a_failure_of_before_does_not_make_a_hook_that_is_dropped_give_up() {
        let map = map();
        let (entered, calls) = mpsc::channel();
        let hook = map
            .watch("**".parse().unwrap())
            .retries(0)
            .hook(move |event| {
                let _ = entered.send(event.key.as_ref().to_owned());
                if &*event.key == "refused" { Err("away".into()) } else { Ok(()) }
            })
            .unwrap();
        map.set("refused", 1).unwrap();
        while !format!("{hook:?}").contains("failed: 1") {
            std::thread::yield_now();
        }
        hook.is_in_hurry.store(true, Ordering::Release);
        map.set("taken", 1).unwrap();
        let record = Arc::clone(&hook.record);
        drop(hook);
        assert_eq!(calls.iter().collect::<Vec<_>>(), ["refused", "taken"]);
        let record = record.lock().unwrap();
        assert_eq!((record.done, record.failed), (1, 1));
    }

    #[test]
    fn a_hook_that_hangs_blocks_no_write() {
        let map = map();
        let (release, gate) = mpsc::channel::<()>();
        let (entered, inside) = mpsc::channel();
        let hook = map
            .watch("**".parse().unwrap())
            .capacity(10)
            .hook(move |_| {
                let _ = entered.send(());
                let _ = gate.recv();
                Ok(())
            })
            .unwrap();
        map.set("first", 0).unwrap();
        inside.recv().unwrap();
        for round in 0..1000 {
            map.set("k", round).unwrap();
        }
        assert_eq!(map.get("k").unwrap(), Some(Value::from(999)));
        drop(release);
        let outcome = hook.finish();
        assert_eq!((outcome.done, outcome.dropped), (11, 990));
    }

    #[test]
    fn a_hook_that_holds_writers_refuses_them_and_loses_nothing() {
        let map = map();
        let (release, gate) = mpsc::channel::<()>();
        let (entered, inside) = mpsc::channel();
        let hook = map
            .watch("held.*".parse().unwrap())
            .capacity(1)
            .overflow(Overflow::Wait(Duration::ZERO))
            .hook(move |_| {
                let _ = entered.send(());
                let _ = gate.recv();
                Ok(())
            })
            .unwrap();
        map.set("held.1", 1).unwrap();
        inside.recv().unwrap();
        map.set("held.2", 1).unwrap();
        assert!(matches!(map.set("held.3", 1), Err(Error::Backpressure { .. })));
        assert_eq!(map.get("held.3").unwrap(), None);
        map.set("free", 1).unwrap();
        drop(release);
        // The refusal itself found no room in the queue either, and was counted.
        let outcome = hook.finish();
        assert_eq!((outcome.done, outcome.dropped, map.len()), (2, 1, 3));
    }

    #[test]
    fn every_sort_of_change_is_told() {
        let clock = Arc::new(crate::clock::ManualClock::new());
        let schema = Schema::builder()
            .key("a", crate::rule::Type::integer())
            .key("b", crate::rule::Type::integer().ttl(Duration::from_secs(1)));
        let map = SafeMap::builder(schema.build().unwrap())
            .clock(clock.clone())
            .max_entries(1)
            .eviction(crate::bounds::Eviction::LeastRecentlyUsed)
            .build();
        let watch = map.watch("*".parse().unwrap()).start();
        map.set("a", 1).unwrap();
        map.set("a", "x").unwrap_err();
        map.set("b", 2).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!(map.get("b").unwrap(), None);
        map.set("a", 3).unwrap();
        map.remove("a").unwrap();
        drop(map);
        let told: Vec<_> = watch
            .map(|notice| match notice {
                Notice::Event(event) => (event.change, event.key.as_ref().to_owned()),
                Notice::Missed(count) => panic!("{count} missed"),
            })
            .collect();
        let expected = [
            (Change::Written, "a"),
            (Change::Refused, "a"),
            (Change::Evicted, "a"),
            (Change::Written, "b"),
            (Change::Expired, "b"),
            (Change::Written, "a"),
            (Change::Removed, "a"),
        ];
        assert_eq!(told, expected.map(|(change, key)| (change, key.to_owned())));
    }
}
