//! Values that were read lately, kept until the feed says that they changed.
//!
//! What is read is as of some number of the namespace's sequence; it is kept only if the feed has not
//! got past that number, nor a write of this map, so that no change of it can have been missed. Numbers
//! come again when a server loses its last changes, so a read that was under way when the cache began
//! anew is not kept either, nor one beside a write whose answer was lost. The feed's thread says each time the server answered it; when it has not for as long as the lease, or
//! its connection broke, nothing is served from here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use tophash_safemap::Value;

pub(crate) struct Cache {
    most: usize,
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: HashMap<Arc<str>, Kept>,
    /// Keys in the order in which they came; some are gone from `entries` or came again.
    order: VecDeque<Arc<str>>,
    /// Up to which number all changes are known here.
    floor: u64,
    /// How often it began anew, or may have missed something.
    epoch: u64,
    /// When the server was last asked something that it answered; `None` while the feed is down.
    heard: Option<Instant>,
    hits: u64,
}

struct Kept {
    value: Value,
    as_of: u64,
    until: Option<Instant>,
}

impl Cache {
    pub(crate) fn new(most: usize, lease: Duration) -> Self {
        Self { most, lease, state: Mutex::default() }
    }

    pub(crate) fn lease(&self) -> Duration {
        self.lease
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: &str, now: Instant) -> Option<Value> {
        let mut state = self.lock();
        let heard = state.heard?;
        if now.saturating_duration_since(heard) > self.lease {
            return None;
        }
        let kept = state.entries.get(key)?;
        if kept.until.is_some_and(|until| now >= until) {
            return None;
        }
        let value = kept.value.clone();
        state.hits += 1;
        Some(value)
    }

    /// What a read that begins now is to be offered with.
    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Keeps what was read as of a number, by a read that began in an epoch.
    pub(crate) fn offer(
        &self,
        key: &str,
        value: &Value,
        (epoch, as_of): (u64, u64),
        until: Option<Instant>,
    ) {
        let mut state = self.lock();
        let is_sure = epoch == state.epoch && as_of >= state.floor;
        if state.heard.is_none() || !is_sure || self.most == 0 {
            return;
        }
        // Of two reads that overtook one another, the later counts.
        if state.entries.get(key).is_some_and(|kept| kept.as_of > as_of) {
            return;
        }
        let key: Arc<str> = key.into();
        let kept = Kept { value: value.clone(), as_of, until };
        if state.entries.insert(Arc::clone(&key), kept).is_none() {
            state.order.push_back(key);
        }
        while state.entries.len() > self.most || state.order.len() > 2 * self.most {
            let Some(oldest) = state.order.pop_front() else { break };
            state.entries.remove(&oldest);
        }
    }

    /// Notes that keys changed, with the number of the last change or a later one.
    pub(crate) fn changed<'k>(&self, keys: impl IntoIterator<Item = &'k str>, number: u64) {
        let mut state = self.lock();
        state.floor = state.floor.max(number);
        for key in keys {
            state.entries.remove(key);
        }
    }

    /// Drops keys, or all, that may have changed or may do so yet.
    pub(crate) fn forget<'k>(&self, keys: impl IntoIterator<Item = &'k str>, all: bool) {
        self.lock().epoch += 1;
        // No number is below the floor, which so stays where it is.
        if all { self.all_changed(0) } else { self.changed(keys, 0) }
    }

    /// Drops all, as what changed is not known one by one.
    pub(crate) fn all_changed(&self, number: u64) {
        let mut state = self.lock();
        state.floor = state.floor.max(number);
        state.entries.clear();
        state.order.clear();
    }

    /// Notes that the feed is heard: the server has answered what it was asked at `asked`.
    pub(crate) fn heard(&self, asked: Instant) {
        self.lock().heard = Some(asked);
    }

    /// Begins anew at a number, with nothing kept and nothing served until the feed is heard.
    pub(crate) fn reset(&self, floor: u64) {
        let mut state = self.lock();
        let (hits, epoch) = (state.hits, state.epoch + 1);
        *state = State { floor, hits, epoch, ..State::default() };
    }

    pub(crate) fn hits(&self) -> u64 {
        self.lock().hits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (Cache, Instant) {
        let (cache, now) = (Cache::new(2, Duration::from_secs(1)), Instant::now());
        cache.reset(10);
        cache.heard(now);
        (cache, now)
    }

    #[test]
    fn what_was_read_before_a_known_change_is_not_kept() {
        let (cache, now) = cache();
        cache.offer("a", &1.into(), (cache.epoch(), 9), None);
        assert_eq!(cache.get("a", now), None);
        cache.changed(["a"], 12);
        cache.offer("a", &1.into(), (cache.epoch(), 11), None);
        assert_eq!(cache.get("a", now), None);
        cache.offer("a", &2.into(), (cache.epoch(), 12), None);
        assert_eq!(cache.get("a", now), Some(2.into()));
        cache.changed(["a"], 13);
        assert_eq!(cache.get("a", now), None);
    }

    #[test]
    fn a_read_that_was_under_way_when_all_began_anew_is_not_kept() {
        let (cache, now) = cache();
        let before = cache.epoch();
        // The server lost its last changes: 9 and 10 will be others.
        cache.reset(8);
        cache.heard(now);
        cache.offer("a", &1.into(), (before, 10), None);
        assert_eq!(cache.get("a", now), None);
        let before = cache.epoch();
        cache.forget(["a"], false);
        cache.offer("a", &1.into(), (before, 10), None);
        assert_eq!(cache.get("a", now), None);
        cache.offer("a", &1.into(), (cache.epoch(), 10), None);
        assert_eq!(cache.get("a", now), Some(1.into()));
    }

    #[test]
    fn nothing_is_served_when_the_feed_is_not_heard() {
        let (cache, now) = cache();
        cache.offer("a", &1.into(), (cache.epoch(), 10), None);
        assert!(cache.get("a", now + Duration::from_secs(1)).is_some());
        assert!(cache.get("a", now + Duration::from_millis(1001)).is_none());
        cache.reset(10);
        assert!(cache.get("a", now).is_none());
        cache.offer("a", &1.into(), (cache.epoch(), 10), None);
        cache.heard(now);
        assert!(cache.get("a", now).is_none(), "offered while the feed was down");
    }

    #[test]
    fn it_is_bounded_and_keeps_to_the_end_of_entries() {
        let (cache, now) = cache();
        let until = now + Duration::from_millis(5);
        for key in ["a", "b", "c"] {
            cache.offer(key, &1.into(), (cache.epoch(), 10), Some(until));
        }
        assert!(cache.get("a", now).is_none());
        assert!(cache.get("c", now).is_some());
        assert!(cache.get("c", until).is_none());
        for _ in 0..100 {
            cache.offer("d", &1.into(), (cache.epoch(), 10), None);
            cache.changed(["d"], 10);
        }
        assert!(cache.lock().order.len() <= 4);
    }
}
