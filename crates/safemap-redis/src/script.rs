//! What the server is asked to do, each as one script, and its answers.
//!
//! A script runs alone on the server, so that each call is atomic, and the change, the feed's events
//! and the version are one. Scripts are sent once and then called by their hash.

use std::sync::LazyLock;

use redis::{Connection, RedisResult, Script, Value as Answer};

use crate::core::Bounds;
use crate::error::Error;
use crate::link::{Link, Purpose};

static READ: LazyLock<Script> = LazyLock::new(|| with_prelude(include_str!("lua/read.lua")));
static ALL: LazyLock<Script> = LazyLock::new(|| with_prelude(include_str!("lua/all.lua")));
static COMMIT: LazyLock<Script> = LazyLock::new(|| with_prelude(include_str!("lua/commit.lua")));
static INC: LazyLock<Script> = LazyLock::new(|| with_prelude(include_str!("lua/inc.lua")));
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/claim.lua")));

fn with_prelude(body: &str) -> Script {
    Script::new(&[include_str!("lua/prelude.lua"), body].concat())
}

/// A script with what is asked of it.
pub(crate) struct Call {
    script: &'static Script,
    purpose: Purpose,
    arguments: Vec<Vec<u8>>,
}

impl Call {
    pub(crate) fn read() -> Self {
        Self { script: &READ, purpose: Purpose::Read, arguments: Vec::new() }
    }

    pub(crate) fn all() -> Self {
        Self { script: &ALL, purpose: Purpose::Read, arguments: Vec::new() }
    }

    pub(crate) fn commit() -> Self {
        Self { script: &COMMIT, purpose: Purpose::Write, arguments: Vec::new() }
    }

    pub(crate) fn inc() -> Self {
        Self { script: &INC, purpose: Purpose::Write, arguments: Vec::new() }
    }

    /// Opens a namespace: the mark and the rules stand in place of the mark and the feed's length.
    pub(crate) fn claim(bounds: &Bounds) -> Self {
        let text = |bound: Option<u64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
        let (entries, bytes) = (text(bounds.entries), text(bounds.bytes));
        let evicts = text(bounds.evicts.map(u64::from));
        let arguments = vec![format!("{entries} {bytes} {evicts}").into_bytes()];
        // To do it twice is to do it once.
        Self { script: &CLAIM, purpose: Purpose::Read, arguments }
    }

    pub(crate) fn arg(&mut self, argument: impl Into<Vec<u8>>) -> &mut Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn run_on(
        &self,
        connection: &mut Connection,
        keys: &[String; 4],
        first: [&str; 2],
    ) -> RedisResult<Vec<Answer>> {
        let mut invocation = self.script.prepare_invoke();
        for key in keys {
            invocation.key(key);
        }
        for argument in first {
            invocation.arg(argument);
        }
        for argument in &self.arguments {
            invocation.arg(argument.as_slice());
        }
        invocation.invoke(connection)
    }

    pub(crate) fn purpose(&self) -> Purpose {
        self.purpose
    }
}

/// An answer's parts, in order.
pub(crate) struct Parts<'l> {
    link: &'l Link,
    parts: std::vec::IntoIter<Answer>,
}

impl<'l> Parts<'l> {
    pub(crate) fn new(link: &'l Link, parts: Vec<Answer>) -> Self {
        Self { link, parts: parts.into_iter() }
    }

    fn fault(&self) -> Error {
        self.link.damaged("an answer has not the expected form")
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.len() == 0
    }

    /// The next part as bytes; `None` if it is nil.
    pub(crate) fn bytes_or_nil(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.parts.next() {
            Some(Answer::BulkString(bytes)) => Ok(Some(bytes)),
            Some(Answer::SimpleString(text)) => Ok(Some(text.into_bytes())),
            Some(Answer::Okay) => Ok(Some(b"OK".to_vec())),
            Some(Answer::Int(number)) => Ok(Some(number.to_string().into_bytes())),
            Some(Answer::Nil) | None => Ok(None),
            Some(_) => Err(self.fault()),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        self.bytes_or_nil()?.ok_or_else(|| self.fault())
    }

    pub(crate) fn text(&mut self) -> Result<String, Error> {
        String::from_utf8(self.bytes()?).map_err(|_| self.fault())
    }

    pub(crate) fn number<N: std::str::FromStr>(&mut self) -> Result<N, Error> {
        self.text()?.parse().map_err(|_| self.fault())
    }

    /// The next part as parts of its own.
    pub(crate) fn parts(&mut self) -> Result<Self, Error> {
        match self.parts.next() {
            Some(Answer::Array(parts)) => Ok(Self::new(self.link, parts)),
            _ => Err(self.fault()),
        }
    }
}
