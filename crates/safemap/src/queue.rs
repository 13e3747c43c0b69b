//! The bounded queue between a map and one observer.
//!
//! Writers put events in while they hold the entry's lock, so that events of a key come in the
//! order of its writes; they never wait there. What happens when the queue is full is the observer's
//! choice, and what it costs is counted, never silent. A queue that makes writers wait does so
//! before they take any lock, and for no longer than was stated; several writers that were let in at
//! once, or one write of several keys, may pass the capacity by as many events.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::event::{Change, Event};

/// What happens to events for which an observer has no room.
///
/// ```
/// use tophash_safemap::{Overflow, SafeMap, Schema, Notice};
///
/// let map = SafeMap::new(Schema::open());
/// let watch = map.watch("**".parse()?).capacity(1).overflow(Overflow::DropOldest).start();
/// map.set("a", 1)?;
/// map.set("a", 2)?;
/// assert!(matches!(watch.try_next(), Some(Notice::Missed(1))));
/// let Some(Notice::Event(event)) = watch.try_next() else { panic!() };
/// assert_eq!(event.value, Some(2.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest event in the queue goes; the newest are what matters.
    #[default]
    DropOldest,
    /// The new event goes.
    DropNewest,
    /// Writers wait before they write, for so long at most; then their write is refused. What no
    /// writer waits for (what expired, was evicted or refused) goes when there is no room.
    Wait(Duration),
}

/// What an observer gets: an event, or how many it did not get.
///
/// ```
/// use tophash_safemap::{Notice, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let watch = map.watch("**".parse()?).start();
/// map.set("a", 1)?;
/// assert!(matches!(watch.try_next(), Some(Notice::Event(_))));
/// assert!(watch.try_next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// What happened.
    Event(Event),
    /// So many events were dropped here since the last notice.
    Missed(u64),
}

pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    capacity: usize,
    overflow: Overflow,
}

impl fmt::Debug for Queue {
    /// How full it is; events hold values, which have no place in a log.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Queue")
            .field("counts", &self.counts())
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    /// Dropped since the last notice of it.
    missed: u64,
    dropped: u64,
    taken: u64,
    is_closed: bool,
}

/// What a queue has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueCounts {
    pub(crate) waiting: usize,
    pub(crate) dropped: u64,
    pub(crate) taken: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize, overflow: Overflow) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            capacity: capacity.max(1),
            overflow,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether writers wait for this queue.
    pub(crate) fn holds_writers(&self) -> bool {
        matches!(self.overflow, Overflow::Wait(_))
    }

    /// Waits for room, if that is the policy; says whether there was some in time.
    pub(crate) fn wait_for_room(&self) -> bool {
        let Overflow::Wait(longest) = self.overflow else { return true };
        let start = Instant::now();
        let mut state = self.lock();
        while state.events.len() >= self.capacity && !state.is_closed {
            let left = longest.saturating_sub(start.elapsed());
            if left.is_zero() {
                return false;
            }
            state =
                self.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Puts an event in; never waits.
    pub(crate) fn push(&self, event: &Event) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        if state.events.len() >= self.capacity {
            match self.overflow {
                // Its writer has waited for room.
                Overflow::Wait(_) if matches!(event.change, Change::Written | Change::Removed) => {}
                Overflow::Wait(_) | Overflow::DropNewest => {
                    state.missed += 1;
                    state.dropped += 1;
                    return;
                }
                Overflow::DropOldest => {
                    state.events.pop_front();
                    state.missed += 1;
                    state.dropped += 1;
                }
            }
        }
        state.events.push_back(event.clone());
        drop(state);
        self.filled.notify_one();
    }

    /// Puts an event in once there is room, if that is the policy; what found none is missed.
    pub(crate) fn push_waiting(&self, event: &Event) {
        if self.wait_for_room() { self.push(event) } else { self.miss(1) }
    }

    /// Notes that so many events will never come.
    pub(crate) fn miss(&self, count: u64) {
        let mut state = self.lock();
        if !state.is_closed {
            state.missed = state.missed.saturating_add(count);
            state.dropped = state.dropped.saturating_add(count);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// The next notice, if there is one. With [`Overflow::DropNewest`] what was missed comes after
    /// the events that were kept, as it came after them.
    pub(crate) fn try_pop(&self) -> Option<Notice> {
        let notice = Self::pop(&mut self.lock(), self.overflow);
        if notice.is_some() {
            self.emptied.notify_all();
        }
        notice
    }

    /// The next notice; `None` once the queue is closed and empty, or so long has gone by.
    pub(crate) fn pop_waiting(&self, longest: Option<Duration>) -> Option<Notice> {
        let start = longest.map(|_| Instant::now());
        let mut state = self.lock();
        loop {
            if let Some(notice) = Self::pop(&mut state, self.overflow) {
                drop(state);
                self.emptied.notify_all();
                return Some(notice);
            }
            if state.is_closed {
                return None;
            }
            let Some((longest, start)) = longest.zip(start) else {
                state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = longest.saturating_sub(start.elapsed());
            if left.is_zero() {
                return None;
            }
            let waited = self.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether nothing is in it, and nothing will be.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.lock();
        state.is_closed && state.events.is_empty() && state.missed == 0
    }

    fn pop(state: &mut State, overflow: Overflow) -> Option<Notice> {
        let missed_first = overflow != Overflow::DropNewest || state.events.is_empty();
        if state.missed > 0 && missed_first {
            return Some(Notice::Missed(std::mem::take(&mut state.missed)));
        }
        let event = state.events.pop_front()?;
        state.taken += 1;
        Some(Notice::Event(event))
    }

    /// Lets waiting writers and readers go; what is in the queue can still be taken.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    pub(crate) fn counts(&self) -> QueueCounts {
        let state = self.lock();
        QueueCounts { waiting: state.events.len(), dropped: state.dropped, taken: state.taken }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn event(version: u64) -> Event {
        Event { change: Change::Written, key: "k".into(), value: None, version, error: None }
    }

    fn drain(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.try_pop())
            .map(|notice| match notice {
                Notice::Event(event) => event.version.to_string(),
                Notice::Missed(count) => format!("missed {count}"),
            })
            .collect()
    }

    #[test]
    fn what_is_dropped_is_told_where_it_is_missing() {
        let oldest = Queue::new(2, Overflow::DropOldest);
        let newest = Queue::new(2, Overflow::DropNewest);
        for version in 1..=4 {
            oldest.push(&event(version));
            newest.push(&event(version));
        }
        assert_eq!(drain(&oldest), ["missed 2", "3", "4"]);
        assert_eq!(drain(&newest), ["1", "2", "missed 2"]);
        assert_eq!(oldest.counts(), QueueCounts { waiting: 0, dropped: 2, taken: 2 });
    }

    #[test]
    fn a_writer_waits_no_longer_than_it_was_told() {
        let queue = Queue::new(1, Overflow::Wait(Duration::ZERO));
        assert!(queue.wait_for_room());
        queue.push(&event(1));
        assert!(!queue.wait_for_room());
        assert_eq!(drain(&queue), ["1"]);
        assert!(queue.wait_for_room());
    }

    #[test]
    fn a_waiting_writer_goes_on_when_there_is_room() {
        let queue = Arc::new(Queue::new(1, Overflow::Wait(Duration::from_secs(3600))));
        queue.push(&event(1));
        let waiting = Arc::clone(&queue);
        let writer = thread::spawn(move || waiting.wait_for_room());
        assert_eq!(drain(&queue), ["1"]);
        assert!(writer.join().unwrap());
    }

    #[test]
    fn a_closed_queue_is_emptied_and_then_ends() {
        let queue = Queue::new(4, Overflow::DropOldest);
        queue.push(&event(1));
        queue.close();
        queue.push(&event(2));
        assert!(matches!(queue.pop_waiting(None), Some(Notice::Event(Event { version: 1, .. }))));
        assert!(queue.pop_waiting(None).is_none());
    }

    #[test]
    fn a_reader_waits_no_longer_than_it_was_told() {
        let queue = Arc::new(Queue::new(1, Overflow::DropOldest));
        assert!(queue.pop_waiting(Some(Duration::ZERO)).is_none());
        assert!(queue.pop_waiting(Some(Duration::from_millis(1))).is_none());
        assert!(!queue.is_over());
        let waiting = Arc::clone(&queue);
        let hour = Some(Duration::from_secs(3600));
        let reader = thread::spawn(move || waiting.pop_waiting(hour).is_some());
        queue.push(&event(1));
        assert!(reader.join().unwrap());
        queue.push(&event(2));
        queue.close();
        assert!(!queue.is_over());
        assert!(queue.pop_waiting(hour).is_some() && queue.pop_waiting(hour).is_none());
        assert!(queue.is_over());
    }
}
