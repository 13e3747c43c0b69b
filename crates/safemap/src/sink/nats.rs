//! Events to NATS, each on a subject that is made of its key.
//!
//! The client is asynchronous; a runtime of one thread belongs to the sink, and nothing of it is seen
//! outside. NATS as such delivers at most once: what counts as delivered here is what was handed to
//! the server's socket.

use std::fmt;
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use tokio::runtime::Runtime;

use super::{Sink, SinkError, TIMEOUT};
use crate::event::Event;
use crate::hook::HookError;

/// Publishes events on a NATS server, as JSON, on the subject `PREFIX.KEY`.
///
/// ```no_run
/// use tophash_safemap::{NatsSink, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let sink = NatsSink::new("nats://127.0.0.1", "changes")?;
/// let hook = map.watch("user.**".parse()?).retries(2).sink(sink)?;
/// // Who wants all of one user subscribes to `changes.user.7.>`.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What a subject may not hold (blanks, `*`, `>`) is `_` in it; the key in the JSON is as it is.
pub struct NatsSink {
    url: String,
    prefix: String,
    timeout: Duration,
    client: Option<Client>,
    /// There until it is dropped.
    runtime: Option<Runtime>,
}

impl fmt::Debug for NatsSink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password.
        out.debug_struct("NatsSink").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl NatsSink {
    /// Publishes on a server. It connects with the first event, and anew after a fault.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn new(url: &str, prefix: impl Into<String>) -> Result<Self, SinkError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("safemap-nats")
            .enable_all()
            .build()
            .map_err(SinkError::Thread)?;
        let (url, prefix) = (url.to_owned(), prefix.into());
        Ok(Self { url, prefix, timeout: TIMEOUT, client: None, runtime: Some(runtime) })
    }

    /// How long a delivery may take, with connecting if need be; two seconds unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Sink for NatsSink {
    fn deliver(&mut self, event: &Event) -> Result<(), HookError> {
        let (subject, payload) = (subject(&self.prefix, &event.key), event.to_json()?);
        let (url, client) = (&self.url, self.client.take());
        let delivery = async {
            let client = match client {
                Some(client) => client,
                None => ConnectOptions::new().connect(url).await?,
            };
            client.publish(subject, payload.into()).await?;
            client.flush().await?;
            Ok::<_, HookError>(client)
        };
        let runtime = self.runtime.as_ref().ok_or("the sink has ended")?;
        let done = runtime.block_on(async { tokio::time::timeout(self.timeout, delivery).await });
        // A client that failed goes, and what it holds back with it.
        self.client = Some(done.map_err(|_| "the server did not take it in time")??);
        Ok(())
    }
}

/// A runtime that is dropped waits for its threads, which may not be done inside another runtime. There
/// is nothing to wait for: what was delivered has been flushed.
impl Drop for NatsSink {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn subject(prefix: &str, key: &str) -> String {
    let is_foreign = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '*' | '>');
    format!("{prefix}.{}", key.replace(is_foreign, "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_may_be_dropped_inside_of_another_runtime() {
        let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
        outer.block_on(async { drop(NatsSink::new("nats://127.0.0.1", "changes").unwrap()) });
    }

    #[test]
    fn a_key_is_a_subject_without_what_a_subject_may_not_hold() {
        assert_eq!(subject("changes", "user.7.name"), "changes.user.7.name");
        assert_eq!(subject("c", "a b.*.>\r\n"), "c.a_b._.___");
    }
}
