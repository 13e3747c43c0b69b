//! A rate limit: so many requests a client and minute, counted without a race and forgotten by itself.

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{Error, ManualClock, SafeMap, Schema, Type};

const MINUTE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The schema is the limit: a sum beyond the range is refused. The key names the minute, so that
    // counting goes on from write to write but not from minute to minute.
    let schema =
        Schema::builder().key("minute.*.client.*", Type::integer().range(0..=3).ttl(MINUTE));
    let clock = Arc::new(ManualClock::new());
    let requests = SafeMap::builder(schema.build()?)
        .name("requests")
        .clock(clock.clone())
        .max_entries(1_000_000)
        .build();
    let mut minute = 0;
    let mut admit = |client: &str, advance: bool| {
        if advance {
            clock.advance(MINUTE);
            minute += 1;
        }
        match requests.inc(&format!("minute.{minute}.client.{client}"), 1) {
            Ok(count) => Ok(Some(count)),
            Err(Error::Refused { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    };
    for _ in 0..4 {
        println!("{:?}", admit("a", false)?);
    }
    println!("a minute later: {:?}", admit("a", true)?);
    println!("held: {}", requests.len());
    Ok(())
}
