//! A rate limit: so many requests a client and minute, counted without a race and forgotten by itself.

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{Error, ManualClock, SafeMap, Schema, Type};

const MINUTE: Duration = Duration::from_secs(60);
const LIMIT: i64 = 3;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The schema is the limit: a sum beyond the range is refused. The key names the minute, so that
    // counting goes on from write to write but not from minute to minute; and each count ends a minute
    // after its last write, so that clients who never come back leave nothing behind.
    let count = Type::integer().range(0..=LIMIT).ttl(MINUTE);
    let schema = Schema::builder().key("minute.*.client.*", count).build()?;
    // There is no breaker: that a limit is reached is an ordinary answer here, but a refusal to the map,
    // and one client who goes on asking would make it read-only for all.
    // A service leaves the clock out; with one that is moved by hand this runs at once.
    let clock = Arc::new(ManualClock::new());
    let requests = SafeMap::builder(schema)
        .name("requests")
        .clock(clock.clone())
        .max_entries(1_000_000)
        .build();

    for request in 1..=LIMIT {
        assert_eq!(admit(&requests, 0, "ada")?, Some(LIMIT - request));
    }
    assert_eq!(admit(&requests, 0, "ada")?, None, "one too many");
    assert_eq!(admit(&requests, 0, "grace")?, Some(2), "another client");

    clock.advance(MINUTE);
    assert_eq!(admit(&requests, 1, "ada")?, Some(2), "another minute");
    requests.sweep();
    assert_eq!(requests.len(), 1, "what ended is gone");
    println!("{:?}", requests.operations());
    Ok(())
}

/// Counts a request; tells how many are left to the client in this minute, or that it has to wait.
fn admit(requests: &SafeMap, minute: u64, client: &str) -> Result<Option<i64>, Error> {
    match requests.inc(&format!("minute.{minute}.client.{client}"), 1) {
        Ok(count) => Ok(Some(LIMIT - count)),
        Err(Error::Refused { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
