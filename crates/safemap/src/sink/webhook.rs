//! Events and alerts by HTTP, to a URL that whoever sets the map up has named.
//!
//! A webhook's URL is often all that is needed to post there, so that neither errors nor `Debug` show
//! it. No redirect is followed, the answer's body is not read, and TLS is checked against the
//! certificates that the system trusts.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::{Sink, SinkError, TIMEOUT};
use crate::alert::Alert;
use crate::event::Event;
use crate::hook::HookError;

/// How many alerts wait at most. A breaker opens and closes at most every few seconds.
const MOST_ALERTS: usize = 64;

/// Posts each event as JSON.
///
/// ```no_run
/// use tophash_safemap::{SafeMap, Schema, WebhookSink};
///
/// let map = SafeMap::new(Schema::open());
/// let sink = WebhookSink::new("https://hooks.example.org/changes")?
///     .header("Authorization", "Bearer …");
/// let hook = map.watch("order.*".parse()?).retries(2).sink(sink)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct WebhookSink {
    post: Post,
}

impl fmt::Debug for WebhookSink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WebhookSink").finish_non_exhaustive()
    }
}

impl WebhookSink {
    /// Posts to a URL, of `http` or `https`.
    ///
    /// # Errors
    ///
    /// Fails when it is no such URL, or, of `https`, when the system trusts no certificates.
    pub fn new(url: &str) -> Result<Self, SinkError> {
        Ok(Self { post: Post::new(url, TIMEOUT)? })
    }

    /// Sends a header along.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.post.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How long a delivery may take; two seconds unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.post.timeout = timeout;
        self
    }
}

impl Sink for WebhookSink {
    fn deliver(&mut self, event: &Event) -> Result<(), HookError> {
        self.post.send(event.to_json()?)
    }
}

/// Posts alerts in Slack's format, from a thread of its own.
///
/// ```no_run
/// use tophash_safemap::{AlertWebhook, Breaker, SafeMap, Schema};
///
/// let map = SafeMap::builder(Schema::open())
///     .breaker(Breaker::default())
///     .on_alert(AlertWebhook::slack("https://hooks.slack.com/services/…")?.start()?)
///     .build();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A write that makes a breaker open waits for nothing here: when 64 alerts wait already, a new one
/// goes. The thread ends with the map, once it has sent what waits; alerts that wait when the process
/// ends are lost.
pub struct AlertWebhook {
    post: Post,
    tries: u32,
    pause: Duration,
}

impl fmt::Debug for AlertWebhook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AlertWebhook").finish_non_exhaustive()
    }
}

impl AlertWebhook {
    /// Posts to a webhook of Slack's, or of one that speaks its format.
    ///
    /// # Errors
    ///
    /// As [`WebhookSink::new`].
    pub fn slack(url: &str) -> Result<Self, SinkError> {
        Ok(Self { post: Post::new(url, TIMEOUT)?, tries: 3, pause: Duration::from_secs(5) })
    }

    /// How long a delivery may take; two seconds unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.post.timeout = timeout;
        self
    }

    /// How often an alert is tried in all, with a pause in between; three times, five seconds apart,
    /// unless said.
    #[must_use]
    pub fn tries(mut self, tries: u32, pause: Duration) -> Self {
        (self.tries, self.pause) = (tries.max(1), pause);
        self
    }

    /// Starts the thread, and gives what [`SafeMapBuilder::on_alert`](crate::SafeMapBuilder::on_alert)
    /// takes.
    ///
    /// # Errors
    ///
    /// Fails when the system has no thread to give.
    pub fn start(self) -> std::io::Result<impl Fn(&Alert) + Send + Sync + 'static> {
        let (sender, alerts) = sync_channel::<Alert>(MOST_ALERTS);
        std::thread::Builder::new().name("safemap-alert".to_owned()).spawn(move || {
            for alert in alerts {
                for attempt in 1..=self.tries {
                    if self.post.send(alert.to_slack()).is_ok() {
                        break;
                    }
                    if attempt < self.tries {
                        std::thread::sleep(self.pause);
                    }
                }
            }
        })?;
        Ok(told_by(sender))
    }
}

fn told_by(sender: SyncSender<Alert>) -> impl Fn(&Alert) + Send + Sync + 'static {
    move |alert| {
        // No room: those that wait say enough.
        let _ = sender.try_send(alert.clone());
    }
}

/// A place to post JSON to.
struct Post {
    agent: Agent,
    url: String,
    headers: Vec<(String, String)>,
    timeout: Duration,
}

impl Post {
    fn new(url: &str, timeout: Duration) -> Result<Self, SinkError> {
        let uri: ureq::http::Uri =
            url.parse().map_err(|_| SinkError::Url { reason: "it is none".to_owned() })?;
        let mut config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("tophash-safemap/", env!("CARGO_PKG_VERSION")));
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => config = config.tls_config(tls()?),
            _ => {
                let reason = "it is neither of http nor of https".to_owned();
                return Err(SinkError::Url { reason });
            }
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_loopback = host == "localhost"
            || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        if is_loopback {
            config = config.proxy(None);
        }
        let agent = config.build().into();
        Ok(Self { agent, url: url.to_owned(), headers: Vec::new(), timeout })
    }

    fn send(&self, body: String) -> Result<(), HookError> {
        let mut request = self.agent.post(&self.url).header("Content-Type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        match request.config().timeout_global(Some(self.timeout)).build().send(body) {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the webhook answers {}", answer.status().as_u16()).into()),
            Err(ureq::Error::StatusCode(status)) => {
                Err(format!("the webhook answers {status}").into())
            }
            Err(ureq::Error::Timeout(_)) => Err("the webhook did not answer in time".into()),
            Err(ureq::Error::Io(fault)) => {
                Err(format!("the webhook can't be reached: {}", fault.kind()).into())
            }
            // Others may repeat the URL or a header.
            Err(_) => Err("the webhook can't be reached".into()),
        }
    }
}

fn tls() -> Result<TlsConfig, SinkError> {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<_> =
        found.certs.iter().map(|root| Certificate::from_der(root.as_ref()).to_owned()).collect();
    if roots.is_empty() {
        return Err(SinkError::NoCertificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}
