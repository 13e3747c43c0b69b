//! Events to Redis: appended to a stream, published on a channel, or as places in a ranking.

use std::fmt;
use std::time::Duration;

use redis::{Client, Cmd, Connection};

use super::{Sink, SinkError, TIMEOUT};
use crate::event::{Change, Event};
use crate::hook::HookError;
use crate::value::Value;

/// Delivers events to a Redis.
///
/// ```no_run
/// use tophash_safemap::{RedisSink, SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let url = "redis://127.0.0.1/";
/// let log = RedisSink::stream(url, "changes")?.max_len(100_000);
/// let log = map.watch("**".parse()?).retries(2).sink(log)?;
/// let scores = map.watch("score.*".parse()?).sink(RedisSink::ranking(url, "scores")?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It connects with the first event, and anew with the next event after a connection broke. An event
/// is delivered once Redis has said so; what Redis loses after that, it loses. `rediss://` encrypts, and
/// trusts the certificates that the system trusts unless it is given others; without the feature
/// `redis-tls` it is refused.
pub struct RedisSink {
    client: Client,
    #[cfg(feature = "redis-tls")]
    certificates: Certificates,
    connection: Option<Connection>,
    form: Form,
    timeout: Duration,
}

/// Whom to trust in place of the system's certificates, and what to show to who asks; PEM.
#[cfg(feature = "redis-tls")]
#[derive(Default)]
struct Certificates {
    roots: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Debug)]
enum Form {
    Stream { key: String, max_len: Option<u64> },
    Channel { channel: String },
    Ranking { key: String },
}

impl fmt::Debug for RedisSink {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client knows a password.
        out.debug_struct("RedisSink").field("form", &self.form).finish_non_exhaustive()
    }
}

impl RedisSink {
    /// Appends each event to a stream, with the fields `change`, `key` and `version`, and `value` (in
    /// JSON) or `error` where there is one.
    ///
    /// # Errors
    ///
    /// Fails when the URL is none of Redis's.
    pub fn stream(url: &str, key: impl Into<String>) -> Result<Self, SinkError> {
        Self::new(url, Form::Stream { key: key.into(), max_len: None })
    }

    /// Publishes each event on a channel, as JSON. Nobody may listen; that is no fault.
    ///
    /// # Errors
    ///
    /// As [`RedisSink::stream`].
    pub fn publish(url: &str, channel: impl Into<String>) -> Result<Self, SinkError> {
        Self::new(url, Form::Channel { channel: channel.into() })
    }

    /// Keeps keys in a sorted set, with their numbers as scores; what is gone from the map is taken
    /// out. Text and the like have no place there, and are dead letters.
    ///
    /// # Errors
    ///
    /// As [`RedisSink::stream`].
    pub fn ranking(url: &str, key: impl Into<String>) -> Result<Self, SinkError> {
        Self::new(url, Form::Ranking { key: key.into() })
    }

    fn new(url: &str, form: Form) -> Result<Self, SinkError> {
        #[cfg(feature = "redis-tls")]
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Where there are two to choose from, the client would panic. Another thread may be first.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = Client::open(url)
            .map_err(|fault| SinkError::Url { reason: fault.category().to_owned() })?;
        Ok(Self {
            client,
            #[cfg(feature = "redis-tls")]
            certificates: Certificates::default(),
            connection: None,
            form,
            timeout: TIMEOUT,
        })
    }

    /// The certificates to trust in place of the system's, in PEM, for `rediss://`.
    ///
    /// # Errors
    ///
    /// Fails when they can't be read, and when the URL is one of `redis://`.
    #[cfg(feature = "redis-tls")]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Result<Self, SinkError> {
        self.certificates.roots = Some(pem.into());
        self.certified()
    }

    /// The certificate to show a server that asks for one, with its chain, and its key; in PEM.
    ///
    /// # Errors
    ///
    /// As [`RedisSink::root_certificates`].
    #[cfg(feature = "redis-tls")]
    pub fn client_certificate(
        mut self,
        chain: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Result<Self, SinkError> {
        self.certificates.identity = Some((chain.into(), key.into()));
        self.certified()
    }

    #[cfg(feature = "redis-tls")]
    fn certified(mut self) -> Result<Self, SinkError> {
        let Certificates { roots, identity } = &self.certificates;
        let client_tls = identity
            .clone()
            .map(|(client_cert, client_key)| redis::ClientTlsConfig { client_cert, client_key });
        let certificates = redis::TlsCertificates { client_tls, root_cert: roots.clone() };
        self.client =
            Client::build_with_tls(self.client.get_connection_info().clone(), certificates)
                .map_err(|fault| match fault.kind() {
                    redis::ErrorKind::InvalidClientConfig => SinkError::Url {
                        reason: "certificates are of use to rediss:// alone".to_owned(),
                    },
                    _ => SinkError::Certificates,
                })?;
        Ok(self)
    }

    /// How many entries a stream keeps, or somewhat more; all unless said.
    #[must_use]
    pub fn max_len(mut self, entries: u64) -> Self {
        if let Form::Stream { max_len, .. } = &mut self.form {
            *max_len = Some(entries);
        }
        self
    }

    /// How long each of connecting, sending and an answer may take; two seconds unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        // The system takes a time of nothing for no limit at all.
        self.timeout = timeout.max(Duration::from_millis(1));
        self
    }

    fn connection(&mut self) -> Result<&mut Connection, HookError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = self.client.get_connection_with_timeout(self.timeout)?;
                connection.set_read_timeout(Some(self.timeout))?;
                connection.set_write_timeout(Some(self.timeout))?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }
}

impl Form {
    /// What to tell Redis of an event, if anything.
    fn command(&self, event: &Event) -> Result<Option<Cmd>, HookError> {
        let command = match self {
            Self::Stream { key, max_len } => {
                let mut command = redis::cmd("XADD");
                command.arg(key);
                if let Some(most) = max_len {
                    command.arg("MAXLEN").arg("~").arg(most);
                }
                command.arg("*").arg("change").arg(event.change.name());
                command.arg("key").arg(&*event.key).arg("version").arg(event.version);
                if let Some(value) = &event.value {
                    command.arg("value").arg(value.to_json()?);
                }
                if let Some(error) = &event.error {
                    command.arg("error").arg(error.to_string());
                }
                command
            }
            Self::Channel { channel } => {
                let mut command = redis::cmd("PUBLISH");
                command.arg(channel).arg(event.to_json()?);
                command
            }
            Self::Ranking { key } => match (event.change, &event.value) {
                (Change::Refused, _) => return Ok(None),
                (Change::Written, Some(value)) => {
                    let mut command = redis::cmd("ZADD");
                    command.arg(key).arg(score(value)?).arg(&*event.key);
                    command
                }
                _ => {
                    let mut command = redis::cmd("ZREM");
                    command.arg(key).arg(&*event.key);
                    command
                }
            },
        };
        Ok(Some(command))
    }
}

/// A number as a score. Whole numbers beyond 2^53 are rounded, as Redis would.
fn score(value: &Value) -> Result<f64, HookError> {
    match value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Float(number) if !number.is_nan() => Ok(*number),
        other => Err(format!("{} has no place in a ranking", other.kind()).into()),
    }
}

impl Sink for RedisSink {
    fn deliver(&mut self, event: &Event) -> Result<(), HookError> {
        let Some(command) = self.form.command(event)? else { return Ok(()) };
        let answer = command.exec(self.connection()?);
        if let Err(fault) = answer {
            // After anything but an answer of Redis's, it is open what the connection would say next.
            if fault.is_io_error() || fault.is_unrecoverable_error() {
                self.connection = None;
            }
            return Err(fault.into());
        }
        Ok(())
    }
}
