//! Events of a map that is kept elsewhere, for the same observers.

use std::sync::Arc;

use crate::error::Error;
use crate::event::{Change, Event, Hub, WatchBuilder};
use crate::pattern::KeyPattern;
use crate::value::Value;

/// Tells observers what happens to entries that some other store holds; a
/// [`SafeMap`](crate::SafeMap) has one inside. A clone is another handle of the same feed.
///
/// ```
/// use tophash_safemap::{Change, ChangeFeed, Notice};
///
/// let feed = ChangeFeed::default();
/// let watch = feed.watch("user.*".parse()?).start();
/// feed.tell(Change::Written, "user.7", Some("Ada".into()), 1);
/// let Some(Notice::Event(event)) = watch.try_next() else { panic!() };
/// assert_eq!((&*event.key, event.version), ("user.7", 1));
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChangeFeed {
    hub: Arc<Hub>,
}

impl ChangeFeed {
    /// Starts to set up who is told of changes to the keys of a pattern.
    ///
    /// With [`Overflow::Wait`](crate::Overflow::Wait) it is who tells that waits, not a writer; what
    /// then still has no room is counted as missed.
    pub fn watch(&self, pattern: KeyPattern) -> WatchBuilder {
        WatchBuilder::new(&self.hub, pattern)
    }

    /// Tells the observers of a key what happened to it.
    pub fn tell(&self, change: Change, key: &str, value: Option<Value>, version: u64) {
        if self.hub.is_wanted(change, key) {
            self.hub.tell_waiting(&Event { change, key: key.into(), value, version, error: None });
        }
    }

    /// Tells the observers of a key that something was refused; never waits for them.
    pub fn refuse(&self, key: &str, error: &Error) {
        if self.hub.is_wanted(Change::Refused, key) {
            self.hub.tell(&Event {
                change: Change::Refused,
                key: key.into(),
                value: None,
                version: 0,
                error: Some(Arc::new(error.clone())),
            });
        }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Tells all observers that so many events can't be told.
    pub fn miss(&self, events: u64) {
        self.hub.miss(events);
    }

    /// Ends all watches: nothing will happen any more.
    pub fn close(&self) {
        self.hub.close();
    }
}
