//! A cache of sessions: bounded, gone when idle, and told when one ends.

use std::time::Duration;

use tophash_safemap::{Change, Eviction, Notice, SafeMap, Schema, Type};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::builder()
        .key("session.*.user", Type::string().max_size(64).idle(Duration::from_secs(1800)))
        .key("session.*.visits", Type::integer().range(0..).idle(Duration::from_secs(1800)))
        .build()?;
    let sessions = SafeMap::builder(schema)
        .name("sessions")
        .max_entries(100_000)
        .max_bytes(64 << 20)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    let ended = sessions
        .watch("session.*.user".parse()?)
        .changes([Change::Removed, Change::Expired, Change::Evicted])
        .start();

    sessions.set("session.3f2a.user", "Ada")?;
    sessions.inc("session.3f2a.visits", 1)?;
    println!("{} visit", sessions.inc("session.3f2a.visits", 1)?);

    sessions.remove("session.3f2a.user")?;
    if let Some(Notice::Event(event)) = ended.try_next() {
        println!(
            "{} of {:?}",
            event.key,
            event.value.and_then(|user| user.as_str().map(str::to_owned))
        );
    }
    Ok(())
}
