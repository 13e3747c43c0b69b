//! Sinks: places where events end, ready to be put behind a watch.
//!
//! A sink is a hook like any other. It runs on the hook's thread, behind the hook's bounded queue, so
//! that a place which is away or slow costs a write what [`Overflow`](crate::Overflow) says and no
//! more: nothing, unless writers are made to wait. Each delivery ends within the sink's timeout. What
//! a sink fails on is tried again as [`WatchBuilder::retries`] says and is a dead letter then; the next
//! event is tried anew. A delivery whose answer was lost may have arrived, so that a retry can deliver
//! an event twice; its key and version tell.

mod channel;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "webhook")]
mod webhook;

pub use channel::ChannelSink;
#[cfg(feature = "nats")]
pub use nats::NatsSink;
#[cfg(feature = "redis")]
pub use redis::RedisSink;
#[cfg(feature = "webhook")]
pub use webhook::{AlertWebhook, WebhookSink};

use crate::event::{Event, WatchBuilder};
use crate::hook::{Hook, HookError};

/// How long a delivery may take unless said.
#[cfg(any(feature = "nats", feature = "redis", feature = "webhook"))]
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Why a sink could not be made. It repeats no part of a URL, which may be a secret.
#[cfg(any(feature = "nats", feature = "redis", feature = "webhook"))]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// A URL that the sink has no use for.
    #[error("the sink can't use that URL: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// A URL of `https`, where the system trusts no certificates.
    #[error("this machine has no certificates to trust")]
    NoCertificates,
    /// Certificates or a key that the sink was given and can't read.
    #[error("the sink can't read the certificates or the key that it was given")]
    Certificates,
    /// The system has no thread to give.
    #[error("the sink can't have a thread of its own")]
    Thread(#[source] std::io::Error),
}

/// A place where events end.
///
/// ```
/// use tophash_safemap::{Event, HookError, SafeMap, Schema, Sink};
///
/// struct Printer;
///
/// impl Sink for Printer {
///     fn deliver(&mut self, event: &Event) -> Result<(), HookError> {
///         println!("{}", event.key);
///         Ok(())
///     }
/// }
///
/// let map = SafeMap::new(Schema::open());
/// let hook = map.watch("**".parse()?).sink(Printer)?;
/// map.set("a", 1)?;
/// assert_eq!(hook.finish().done, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink: Send + 'static {
    /// Delivers an event; called for one at a time, those of a key in the order of its changes.
    ///
    /// # Errors
    ///
    /// Fails when the event could not be delivered, or not be known to be.
    fn deliver(&mut self, event: &Event) -> Result<(), HookError>;
}

impl WatchBuilder {
    /// Starts to deliver what happens from now on to a sink.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn sink(self, mut sink: impl Sink) -> std::io::Result<Hook> {
        self.hook(move |event| sink.deliver(event))
    }
}

#[cfg(feature = "json")]
impl Event {
    /// The event as JSON: `change`, `key` and `version`, and `value` or `error` where there is one.
    ///
    /// ```
    /// use tophash_safemap::{Notice, SafeMap, Schema};
    ///
    /// let map = SafeMap::new(Schema::open());
    /// let watch = map.watch("**".parse()?).start();
    /// map.set("a", 1)?;
    /// let Some(Notice::Event(event)) = watch.try_next() else { panic!() };
    /// let json: serde_json::Value = serde_json::from_str(&event.to_json()?)?;
    /// assert_eq!((&json["change"], &json["key"]), (&"written".into(), &"a".into()));
    /// assert_eq!(json["value"], 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails where [`Value::to_json`](crate::Value::to_json) does.
    pub fn to_json(&self) -> Result<String, crate::JsonError> {
        let mut json = serde_json::json!({
            "change": self.change.name(),
            "key": self.key.as_ref(),
            "version": self.version,
        });
        if let Some(value) = &self.value {
            json["value"] = serde_json::Value::try_from(value)?;
        }
        if let Some(error) = &self.error {
            json["error"] = error.to_string().into();
        }
        Ok(json.to_string())
    }
}
