//! The thread that follows the namespace's feed: it tells watchers, and the cache what changed.
//!
//! An event's place in the stream is its version, and versions follow one another without a gap; so
//! what is missing is known, and counted. A server that comes back without its last changes gives their
//! versions to others; these came later, which the moment in an event's id tells, and are told once what
//! was lost is counted as missed.
//!
//! The thread asks for a fifth of a second at a time, or a third of the cache's lease, so that it knows
//! soon when the server no longer answers, and ends soon when the map is gone. A connection that broke
//! is made anew after a pause that grows to a second.

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

/// How long the server holds a question that it has no answer to, at most and at least.
const LONGEST_BLOCK: Duration = Duration::from_millis(200);
const SHORTEST_BLOCK: Duration = Duration::from_millis(10);

/// How long it is, so that a cache hears of a quiet feed before its lease is over.
fn block(core: &Core) -> Duration {
    let third = core.cache.as_ref().map_or(LONGEST_BLOCK, |cache| cache.lease() / 3);
    third.clamp(SHORTEST_BLOCK, LONGEST_BLOCK)
}

/// How many events come at once.
const BATCH: usize = 512;

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Starts the thread; all that happens from now on is told.
pub(crate) fn start(core: &Arc<Core>) -> Result<(), Error> {
    let mut connection = core.link.connect(block(core))?;
    let asked = Instant::now();
    // What is held against no number at all is the last.
    let Place { last: position, first, moment, .. } =
        Place::find(core, &mut connection, u64::MAX, None)?;
    if let Some(cache) = &core.cache {
        cache.reset(position);
        cache.heard(asked);
    }
    let core = Arc::clone(core);
    let work = move || Listener { core, first, position, moment }.run(connection);
    let thread = thread::Builder::new().name("safemap-feed".to_owned()).spawn(work);
    thread.map(drop).map_err(|error| Error::Thread { reason: error.to_string() })
}

/// Where the server's feed is.
struct Place {
    /// The number of the last change.
    last: u64,
    /// The number with which the namespace began.
    first: u64,
    /// The last number up to which the feed is as it was told.
    same: u64,
    /// When the event of that number was told, if that was asked and the feed still has it.
    moment: Option<u64>,
}

impl Place {
    /// Asks for it, as seen by who was told up to a number, by an event of that moment.
    fn find(
        core: &Core,
        connection: &mut Connection,
        reached: u64,
        moment: Option<u64>,
    ) -> Result<Self, Error> {
        let mut call = Call::place();
        call.arg(reached.to_string());
        call.arg(moment.map(|moment| moment.to_string()).unwrap_or_default());
        let (_, mut parts) = core.run_on(connection, &call)?;
        let (last, first, same) = (parts.number()?, parts.number()?, parts.number()?);
        Ok(Self { last, first, same, moment: parts.text()?.parse().ok() })
    }
}

struct Listener {
    core: Arc<Core>,
    /// The number with which the namespace began: another says that it was emptied meanwhile.
    first: u64,
    /// The number of the last event that was told.
    position: u64,
    /// When the server told it, in microseconds of its clock.
    moment: Option<u64>,
}

struct Told {
    number: u64,
    moment: u64,
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
        let mut connection = self.core.link.connect(block(&self.core))?;
        let asked = Instant::now();
        let last = self.settle(&mut connection)?;
        if let Some(cache) = &self.core.cache {
            cache.reset(last);
            cache.heard(asked);
        }
        Ok(connection)
    }

    /// Goes back to where the feed is as it was told, if the server lost what came after: what was told
    /// of that is no longer so. Returns the number of the last change.
    fn settle(&mut self, connection: &mut Connection) -> Result<u64, Error> {
        let place = Place::find(&self.core, connection, self.position, self.moment)?;
        let lost = if place.first != self.first {
            // Begun anew, and how much was lost with the old is not known.
            (self.first, self.position, self.moment) = (place.first, place.first, None);
            1
        } else if place.same < self.position {
            let lost = self.position - place.same;
            (self.position, self.moment) = (place.same, place.moment);
            lost
        } else {
            return Ok(place.last);
        };
        self.core.supervisor.feed().miss(lost);
        if let Some(cache) = &self.core.cache {
            cache.reset(place.last);
        }
        Ok(place.last)
    }

    /// Waits for the next events, for a while, and tells them.
    fn follow(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let asked = Instant::now();
        let [.., feed] = &self.core.keys;
        let mut question = redis::cmd("XREAD");
        let block = block(&self.core).as_millis() as u64;
        question.arg("COUNT").arg(BATCH).arg("BLOCK").arg(block);
        // After all that has this number, whichever moment it was told at.
        question.arg("STREAMS").arg(feed).arg(format!("{}-{}", self.position, u64::MAX));
        let answer = question
            .query::<Answer>(connection)
            .map_err(|error| self.core.link.explain(&error, Purpose::Read))?;
        let events = self.events(answer)?;
        let count = events.len();
        let next = self.position.saturating_add(1);
        if events.first().is_none_or(|event| event.number != next) {
            // Silence is also what an emptied namespace has to say, and a gap what it says when it is
            // begun anew.
            let place = Place::find(&self.core, connection, self.position, None)?;
            if place.first != self.first || place.same < self.position {
                return self.settle(connection).map(drop);
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
        let Told { number, moment, change, key, payload } = event;
        let missed = number.saturating_sub(self.position.saturating_add(1));
        if missed > 0 {
            self.core.supervisor.feed().miss(missed);
        }
        if let Some(cache) = &self.core.cache {
            if missed > 0 { cache.all_changed(number) } else { cache.changed([&*key], number) }
        }
        (self.position, self.moment) = (number, Some(moment));
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
            let id = id.split_once('-').map(|(number, moment)| (number.parse(), moment.parse()));
            let Some((Ok(number), Ok(moment))) = id else {
                return Err(link.damaged("the feed has an event of no number"));
            };
            let (change, key, payload) = (None, String::new(), Vec::new());
            let mut event = Told { number, moment, change, key, payload };
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
