//! The thread that follows the namespace's feed: it tells watchers, and the cache what changed.
//!
//! An event's place in the stream is its version, and versions follow one another without a gap; so
//! what is missing is known, and counted. The thread asks for a fifth of a second at a time, so that
//! it knows soon when the server no longer answers, and ends soon when the map is gone. A connection
//! that broke is made anew after a pause that grows to a second.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use redis::Connection;
use redis::Value as Answer;
use tophash_safemap::Change;

use crate::core::Core;
use crate::encoding::decode;
use crate::error::Error;
use crate::link::Purpose;
use crate::script::{Call, Parts};

/// How long the server holds a question that it has no answer to.
const BLOCK: Duration = Duration::from_millis(200);

/// How many events come at once.
const BATCH: usize = 512;

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A gap this long is none of events: the namespace was emptied and its numbers began anew.
const LONGEST_GAP: u64 = 1 << 32;

/// Starts the thread; all that happens from now on is told.
pub(crate) fn start(core: &Arc<Core>) -> Result<(), Error> {
    let mut connection = core.link.connect(BLOCK)?;
    let asked = Instant::now();
    let position = position(core, &mut connection)?;
    if let Some(cache) = &core.cache {
        cache.reset(position);
        cache.heard(asked);
    }
    let core = Arc::clone(core);
    let work = move || Listener { core, position }.run(connection);
    let thread = thread::Builder::new().name("safemap-feed".to_owned()).spawn(work);
    thread.map(drop).map_err(|error| Error::Thread { reason: error.to_string() })
}

/// The number of the last change.
fn position(core: &Core, connection: &mut Connection) -> Result<u64, Error> {
    let (_, mut parts) = core.run_on(connection, &Call::read())?;
    parts.number()
}

struct Listener {
    core: Arc<Core>,
    /// The number of the last event that was told.
    position: u64,
}

struct Told {
    number: u64,
    change: Option<Change>,
    key: String,
    payload: Vec<u8>,
}

impl Listener {
    fn run(mut self, connection: Connection) {
        let mut connection = Some(connection);
        let mut pause = SHORTEST_PAUSE;
        while !self.core.is_closing() {
            let step = match &mut connection {
                Some(connection) => self.follow(connection),
                None => self.resume().map(|fresh| connection = Some(fresh)),
            };
            match step {
                Ok(()) => pause = SHORTEST_PAUSE,
                Err(_) => {
                    connection = None;
                    if let Some(cache) = &self.core.cache {
                        cache.reset(self.position);
                    }
                    thread::park_timeout(pause);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Connects anew, and finds out whether the feed goes on from where it was.
    fn resume(&mut self) -> Result<Connection, Error> {
        let mut connection = self.core.link.connect(BLOCK)?;
        let asked = Instant::now();
        let last = position(&self.core, &mut connection)?;
        if last < self.position {
            self.rewind(last);
        }
        if let Some(cache) = &self.core.cache {
            cache.reset(last);
            cache.heard(asked);
        }
        Ok(connection)
    }

    /// The server came back without its last changes: what was told of them is no longer so.
    fn rewind(&mut self, last: u64) {
        self.core.supervisor.feed().miss(self.position - last);
        self.position = last;
        if let Some(cache) = &self.core.cache {
            cache.reset(last);
        }
    }

    /// Waits for the next events, for a while, and tells them.
    fn follow(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let asked = Instant::now();
        let [.., feed] = &self.core.keys;
        let mut question = redis::cmd("XREAD");
        question.arg("COUNT").arg(BATCH).arg("BLOCK").arg(BLOCK.as_millis() as u64);
        question.arg("STREAMS").arg(feed).arg(format!("{}-0", self.position));
        let answer = question
            .query::<Answer>(connection)
            .map_err(|error| self.core.link.explain(&error, Purpose::Read))?;
        let events = self.events(answer)?;
        let count = events.len();
        if count == 0 {
            // Silence is also what an emptied namespace has to say.
            let last = position(&self.core, connection)?;
            if last < self.position {
                self.rewind(last);
            }
        }
        for event in events {
            self.tell(event);
        }
        if let Some(cache) = self.core.cache.as_ref().filter(|_| count < BATCH) {
            cache.heard(asked);
        }
        Ok(())
    }

    fn tell(&mut self, event: Told) {
        let Told { number, change, key, payload } = event;
        let missed = number.saturating_sub(self.position.saturating_add(1));
        if missed > 0 {
            self.core.supervisor.feed().miss(if missed > LONGEST_GAP { 1 } else { missed });
        }
        if let Some(cache) = &self.core.cache {
            if missed > 0 { cache.all_changed(number) } else { cache.changed(&key, number) }
        }
        self.position = number;
        match change {
            Some(change) => {
                self.core.supervisor.feed().tell(change, &key, decode(&payload), number)
            }
            None => self.core.supervisor.feed().miss(1),
        }
    }

    /// The events of an answer: nil, or one stream's name and its entries.
    fn events(&self, answer: Answer) -> Result<Vec<Told>, Error> {
        if answer == Answer::Nil {
            return Ok(Vec::new());
        }
        let link = &self.core.link;
        let mut stream = Parts::new(link, vec![answer]).parts()?.parts()?;
        stream.text()?;
        let mut entries = stream.parts()?;
        let mut events = Vec::new();
        while !entries.is_empty() {
            let mut entry = entries.parts()?;
            let id = entry.text()?;
            let number = id.split('-').next().and_then(|number| number.parse().ok());
            let number =
                number.ok_or_else(|| link.damaged("the feed has an event of no number"))?;
            let mut event = Told { number, change: None, key: String::new(), payload: Vec::new() };
            let mut fields = entry.parts()?;
            while !fields.is_empty() {
                match fields.text()?.as_str() {
                    "c" => {
                        event.change = match fields.text()?.as_str() {
                            "w" => Some(Change::Written),
                            "r" => Some(Change::Removed),
                            "e" => Some(Change::Expired),
                            "x" => Some(Change::Evicted),
                            _ => None,
                        }
                    }
                    "k" => event.key = fields.text()?,
                    "v" => event.payload = fields.bytes()?,
                    _ => drop(fields.bytes_or_nil()?),
                }
            }
            events.push(event);
        }
        Ok(events)
    }
}
