//! What the handles of a shared map and its listener have in common: the way to the server, the schema,
//! and the two basic steps, to read keys and to write keys if others are as they were read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::Connection;
use tophash_safemap::{AsKey, Error as Refusal, Rule, Schema, Supervisor, TypedValue, Value};

use crate::cache::Cache;
use crate::door;
use crate::encoding::{decode, encode};
use crate::error::Error;
use crate::link::Link;
use crate::script::{Call, Parts};

/// The most entries that one write may have, as the server does nothing else meanwhile.
pub(crate) const MOST_WRITES: usize = 100_000;

/// How often an optimistic operation is tried.
pub(crate) const MOST_ATTEMPTS: u32 = 1_000;

pub(crate) struct Core {
    pub(crate) link: Link,
    pub(crate) keys: [String; 4],
    pub(crate) schema: Schema,
    pub(crate) bounds: Bounds,
    pub(crate) rules: String,
    pub(crate) mark: String,
    /// How many events and bytes of them the feed keeps, as text.
    pub(crate) keep: String,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) cache: Option<Cache>,
    pub(crate) is_closing: AtomicBool,
}

/// The bounds that this process asks for; what it leaves open is as the namespace has it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) entries: Option<u64>,
    pub(crate) bytes: Option<u64>,
    /// Whether what ends soonest makes room.
    pub(crate) evicts: Option<bool>,
}

/// An entry as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) version: String,
    pub(crate) value: Value,
    /// How long the entry has left, if it ends.
    pub(crate) left: Option<Duration>,
}

/// A key whose version was read; `None` if it was not there.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) key: Arc<str>,
    pub(crate) version: Option<String>,
}

/// A write that the schema has admitted; `None` removes.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) key: Arc<str>,
    pub(crate) value: Option<Value>,
    pub(crate) ttl: String,
    pub(crate) idle: String,
}

impl Core {
    /// Opens the namespace with our schema.
    pub(crate) fn claim(&self) -> Result<(), Error> {
        let call = Call::claim(&self.bounds);
        let first = [self.mark.as_str(), self.rules.as_str()];
        let answer = self
            .link
            .call(call.purpose(), |connection| call.run_on(connection, &self.keys, first))?;
        let mut parts = Parts::new(&self.link, answer);
        match parts.text()?.as_str() {
            "ok" => Ok(()),
            "other" => {
                let theirs = parts.text()?;
                Err(self.other_schema(door::difference(&self.rules, &theirs)))
            }
            _ => Err(self.link.damaged("there are entries but no schema")),
        }
    }

    fn other_schema(&self, difference: Option<String>) -> Error {
        Error::OtherSchema { namespace: self.link.namespace().to_owned(), difference }
    }

    /// Runs a script, and returns the first word of its answer and the rest.
    pub(crate) fn run(&self, call: &Call) -> Result<(String, Parts<'_>), Error> {
        let answer = self.link.call(call.purpose(), |connection| {
            call.run_on(connection, &self.keys, [&self.mark, &self.keep])
        })?;
        self.open(Parts::new(&self.link, answer))
    }

    /// As [`Core::run`], for a script that writes keys, or may change all: where it is not known
    /// whether it did, the cache forgets them.
    pub(crate) fn run_write<'k>(
        &self,
        call: &Call,
        keys: impl IntoIterator<Item = &'k str>,
        all: bool,
    ) -> Result<(String, Parts<'_>), Error> {
        self.run(call).inspect_err(|error| {
            if let Some(cache) = self.cache.as_ref().filter(|_| error.is_unknown()) {
                cache.forget(keys, all);
            }
        })
    }

    /// As [`Core::run`], over a connection of the caller's.
    pub(crate) fn run_on(
        &self,
        connection: &mut Connection,
        call: &Call,
    ) -> Result<(String, Parts<'_>), Error> {
        let answer = call
            .run_on(connection, &self.keys, [&self.mark, &self.keep])
            .map_err(|error| self.link.explain(&error, call.purpose()))?;
        self.open(Parts::new(&self.link, answer))
    }

    fn open<'p>(&self, mut parts: Parts<'p>) -> Result<(String, Parts<'p>), Error> {
        let word = parts.text()?;
        match word.as_str() {
            "gone" => Err(Error::Forgotten { namespace: self.link.namespace().to_owned() }),
            "other" => Err(self.other_schema(None)),
            "ok" => {
                self.supervisor.note_size(parts.number()?, parts.number()?);
                self.supervisor.note_evictions(parts.number()?);
                Ok((word, parts))
            }
            _ => Ok((word, parts)),
        }
    }

    /// Reads keys as of one moment, and the number up to which all changes are seen in them. Reads of
    /// keys with an idle time count as use of them if `is_use`.
    pub(crate) fn read<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k str>,
        is_use: bool,
    ) -> Result<(u64, Vec<Option<Found>>), Error> {
        let mut call = Call::read();
        for key in keys {
            let rule = self.schema.rule_of(key)?;
            let idle = if is_use { milliseconds(rule.idle_time()) } else { "0".to_owned() };
            call.arg(key).arg(idle);
        }
        let (_, mut parts) = self.run(&call)?;
        let number = parts.number()?;
        let mut found = Vec::new();
        while !parts.is_empty() {
            let mut entry = parts.parts()?;
            if entry.is_empty() {
                found.push(None);
                continue;
            }
            let version = entry.text()?;
            let left: i64 = entry.number()?;
            let value = self.decode(&entry.bytes()?)?;
            let left = u64::try_from(left).ok().map(Duration::from_millis);
            found.push(Some(Found { version, value, left }));
        }
        Ok((number, found))
    }

    /// Reads one key.
    pub(crate) fn read_one(&self, key: &str) -> Result<(u64, Option<Found>), Error> {
        let (number, mut found) = self.read([key], true)?;
        Ok((number, found.pop().flatten()))
    }

    /// Reads one key, from the cache if it is there.
    pub(crate) fn look_up(&self, key: &str) -> Result<Option<Value>, Error> {
        let rule = self.schema.rule_of(key)?;
        // What must know of each use can't be read from a cache.
        let cache = self.cache.as_ref().filter(|_| rule.idle_time().is_none());
        let asked = Instant::now();
        if let Some(value) = cache.and_then(|cache| cache.get(key, asked)) {
            return Ok(Some(value));
        }
        let epoch = cache.map_or(0, Cache::epoch);
        let (as_of, found) = self.read_one(key)?;
        if let (Some(cache), Some(found)) = (cache, &found) {
            let until = found.left.and_then(|left| asked.checked_add(left));
            if found.left.is_none() || until.is_some() {
                cache.offer(key, &found.value, (epoch, as_of), until);
            }
        }
        Ok(found.map(|found| found.value))
    }

    /// Writes all or nothing, if all that was read is as it was; else fails as stale. Returns what a
    /// single removal removed.
    pub(crate) fn commit(
        &self,
        reads: &[Read],
        writes: &[Write],
        replaces: bool,
    ) -> Result<Option<Value>, Error> {
        let entries = reads.len().max(writes.len());
        if entries > MOST_WRITES {
            return Err(Error::TooMany { entries, most: MOST_WRITES });
        }
        let mut call = Call::commit();
        call.arg(if replaces { "1" } else { "0" }).arg(reads.len().to_string());
        for read in reads {
            call.arg(&*read.key).arg(read.version.as_deref().unwrap_or("-"));
        }
        for write in writes {
            call.arg(&*write.key).arg(if write.value.is_some() { "p" } else { "d" });
            call.arg(write.ttl.as_str()).arg(write.idle.as_str());
            call.arg(write.value.as_ref().map(encode).unwrap_or_default());
        }
        let keys = writes.iter().map(|write| &*write.key);
        let (word, mut parts) = self.run_write(&call, keys, replaces)?;
        match word.as_str() {
            "ok" => {}
            "stale" => return Err(Refusal::Stale.into()),
            _ => {
                let key = writes.first().map_or_else(|| "".into(), |write| Arc::clone(&write.key));
                return Err(full(key, &mut parts)?);
            }
        }
        let written = writes.iter().filter(|write| write.value.is_some()).count() as u64;
        let number = parts.number()?;
        if let Some(cache) = &self.cache {
            if replaces {
                cache.all_changed(number);
            } else {
                cache.changed(writes.iter().map(|write| &*write.key), number);
            }
        }
        let removed = parts.bytes_or_nil()?.map(|bytes| self.decode(&bytes)).transpose()?;
        self.supervisor.note_changes(written, writes.len() as u64 - written);
        Ok(removed)
    }

    /// A write, if the schema admits it.
    pub(crate) fn checked_write(&self, key: &str, value: Option<Value>) -> Result<Write, Error> {
        let rule = self.schema.rule_of(key)?;
        match &value {
            Some(value) => self.schema.check(key, value)?,
            None if rule.is_required() => return Err(Refusal::Required { key: key.into() }.into()),
            None => {}
        }
        Ok(self.write_under(rule, key, value))
    }

    fn write_under(&self, rule: &Rule, key: &str, value: Option<Value>) -> Write {
        let (ttl, idle) = (milliseconds(rule.time_to_live()), milliseconds(rule.idle_time()));
        Write { key: key.into(), value, ttl, idle }
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Value, Error> {
        decode(bytes).ok_or_else(|| self.link.damaged("an entry's value can't be read"))
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }
}

/// What a script answers to a write that has no room.
pub(crate) fn full(key: Arc<str>, answer: &mut Parts<'_>) -> Result<Error, Error> {
    let bound = if answer.text()? == "entries" { "entries" } else { "bytes" };
    Ok(Refusal::Full { key, bound, most: Some(answer.number()?) }.into())
}

/// A time as a script takes it: whole milliseconds, rounded up; 0 for none.
pub(crate) fn milliseconds(time: Option<Duration>) -> String {
    /// More than ten thousand years, and exact as a Lua number together with the time.
    const LONGEST: u128 = 1 << 49;
    let Some(time) = time else { return "0".to_owned() };
    time.as_nanos().div_ceil(1_000_000).clamp(1, LONGEST).to_string()
}

/// A value as the type that a key is for. It can have another only where the schema takes any.
pub(crate) fn typed<K: AsKey>(key: &K, value: &Value) -> Result<K::Value, Error> {
    K::Value::from_value(value).ok_or_else(|| {
        let refusal = Refusal::OtherType {
            key: key.text().into(),
            expected: value.kind().to_string(),
            asked: K::Value::KIND.unwrap_or(value.kind()),
        };
        refusal.into()
    })
}
