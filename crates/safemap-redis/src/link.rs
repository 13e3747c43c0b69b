//! Connections to the server, and what its errors mean.
//!
//! A call takes a connection of its own from those that lie ready, or makes one, and puts it back if it
//! still is good; so callers never wait for one another here. One that has lain for a while is asked
//! first whether it lives, so that a server that came back since does not cost a write whose outcome
//! is unknown. A read is tried again once on a new connection; a write that was sent never is.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Client, Connection, ConnectionLike, RedisError, RedisResult};

use crate::address::Address;
use crate::encryption::Encryption;
use crate::error::Error;

/// How many connections lie ready at most; others are closed after use.
const MOST_IDLE: usize = 16;

/// After how long a connection that lies ready is asked whether it lives.
const TRUSTED: Duration = Duration::from_millis(200);

/// What a call does, which decides what its failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

pub(crate) struct Link {
    client: Client,
    server: String,
    namespace: String,
    timeout: Duration,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

impl Link {
    pub(crate) fn new(
        address: &Address,
        encryption: &Encryption,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let client = encryption.client(address)?;
        Ok(Self {
            client,
            server: address.server.clone(),
            namespace: address.namespace.clone(),
            timeout,
            idle: Mutex::default(),
        })
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A connection of one's own; `longest` is how much longer than others its answers may take.
    pub(crate) fn connect(&self, longest: Duration) -> Result<Connection, Error> {
        let connected =
            self.client.get_connection_with_timeout(self.timeout).and_then(|connection| {
                connection.set_read_timeout(Some(self.timeout + longest))?;
                connection.set_write_timeout(Some(self.timeout))?;
                Ok(connection)
            });
        connected.map_err(|error| match self.explain(&error, Purpose::Read) {
            Error::TimedOut { server, after, .. } => {
                Error::Unreachable { server, reason: format!("no answer within {after:?}") }
            }
            Error::Broken { server, reason, .. } => Error::Unreachable { server, reason },
            other => other,
        })
    }

    /// Does something over a connection. `work` may run twice if it is a read.
    pub(crate) fn call<R>(
        &self,
        purpose: Purpose,
        mut work: impl FnMut(&mut Connection) -> RedisResult<R>,
    ) -> Result<R, Error> {
        let (mut connection, was_idle) = match self.take() {
            Some(connection) => (connection, true),
            None => (self.connect(Duration::ZERO)?, false),
        };
        let mut result = work(&mut connection);
        if was_idle && purpose == Purpose::Read && result.as_ref().is_err_and(is_broken) {
            self.forget_idle();
            connection = self.connect(Duration::ZERO)?;
            result = work(&mut connection);
        }
        match result {
            Ok(answer) => {
                self.put_back(connection);
                Ok(answer)
            }
            Err(error) => {
                let is_usable = error.code().is_some() && !error.is_unrecoverable_error();
                if is_usable {
                    self.put_back(connection)
                } else {
                    self.forget_idle()
                }
                Err(self.explain(&error, purpose))
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(Connection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.idle().pop()?;
            if since.elapsed() < TRUSTED || connection.check_connection() {
                return Some(connection);
            }
        }
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if connection.is_open() && idle.len() < MOST_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    fn forget_idle(&self) {
        let forgotten = std::mem::take(&mut *self.idle());
        drop(forgotten);
    }

    /// What an error of the client or the server means to a caller.
    pub(crate) fn explain(&self, error: &RedisError, purpose: Purpose) -> Error {
        let server = self.server.clone();
        let is_unknown = purpose == Purpose::Write;
        if let Some(code) = error.code() {
            let code = code.to_owned();
            let message = match error.detail() {
                Some(detail) => format!("{code} {detail}"),
                None => code.clone(),
            };
            return match code.as_str() {
                "READONLY" | "MOVED" | "ASK" => Error::Moved { server, message },
                "WRONGTYPE" => self.damaged(&message),
                _ => Error::Server { server, code, message },
            };
        }
        if error.is_timeout() {
            return Error::TimedOut { server, after: self.timeout, is_unknown };
        }
        if error.is_connection_refusal() {
            return Error::Unreachable { server, reason: error.to_string() };
        }
        Error::Broken { server, reason: error.to_string(), is_unknown }
    }

    pub(crate) fn damaged(&self, reason: &str) -> Error {
        Error::Damaged { namespace: self.namespace.clone(), reason: reason.to_owned() }
    }
}

fn is_broken(error: &RedisError) -> bool {
    error.code().is_none() && !error.is_timeout()
}
