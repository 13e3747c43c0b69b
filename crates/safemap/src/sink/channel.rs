//! Events into a bounded channel of the standard library.

use std::sync::mpsc::SyncSender;

use super::Sink;
use crate::event::Event;
use crate::hook::HookError;

/// Sends events into a channel, for a thread of the caller's to take.
///
/// ```
/// use std::sync::mpsc;
/// use tophash_safemap::{ChannelSink, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let (sender, events) = mpsc::sync_channel(16);
/// let hook = map.watch("user.*".parse()?).sink(ChannelSink::new(sender))?;
/// map.set("user.7", "Ada")?;
/// assert_eq!(&*events.recv()?.key, "user.7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// While the channel is full the hook waits, and events gather in its queue as its policy says; when
/// nobody receives any more, each event is a dead letter. A [`Watch`](crate::Watch) does with one
/// queue what this does with two; this one is for code that has a channel already.
#[derive(Debug)]
pub struct ChannelSink {
    sender: SyncSender<Event>,
}

impl ChannelSink {
    /// Sends into a channel.
    pub fn new(sender: SyncSender<Event>) -> Self {
        Self { sender }
    }
}

impl Sink for ChannelSink {
    fn deliver(&mut self, event: &Event) -> Result<(), HookError> {
        self.sender.send(event.clone()).map_err(|_| "nobody receives from the channel".into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::map::SafeMap;
    use crate::schema::Schema;

    #[test]
    fn a_full_channel_holds_no_writer_and_a_closed_one_loses_no_write() {
        let map = SafeMap::new(Schema::open());
        let (sender, events) = mpsc::sync_channel(1);
        let watch = map.watch("**".parse().unwrap()).capacity(1);
        let hook = watch.sink(ChannelSink::new(sender)).unwrap();
        for number in 0..1000 {
            map.set("a", number).unwrap();
        }
        drop(events);
        let outcome = hook.finish();
        assert_eq!(map.get("a").unwrap(), Some(999.into()));
        assert_eq!(outcome.done + outcome.failed + outcome.dropped, 1000);
        assert!(outcome.failed > 0);
        assert_eq!(outcome.dead_letters[0].reason, "nobody receives from the channel");
    }
}
