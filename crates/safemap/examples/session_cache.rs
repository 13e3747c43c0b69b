//! A cache of sessions: bounded, gone when idle, and told when one ends.

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{Change, Eviction, ManualClock, Notice, SafeMap, Schema, Type, Watch};

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A session is one object, so that it goes as one.
    let session = Type::object()
        .member("user", Type::string().max_size(64))
        .member("visits", Type::integer().range(0..));
    let schema = Schema::builder().key("session.*", session.idle(HALF_AN_HOUR)).build()?;
    // A service leaves the clock out; with one that is moved by hand this runs at once.
    let clock = Arc::new(ManualClock::new());
    let sessions = SafeMap::builder(schema)
        .name("sessions")
        .max_entries(2)
        .max_bytes(64 << 20)
        .eviction(Eviction::LeastRecentlyUsed)
        .shards(1)
        .clock(clock.clone())
        .build();
    let ended = sessions
        .watch("session.*".parse()?)
        .changes([Change::Removed, Change::Expired, Change::Evicted])
        .start();

    visit(&sessions, "3f2a", "Ada")?;
    visit(&sessions, "77c1", "Grace")?;
    assert_eq!(visit(&sessions, "3f2a", "Ada")?, 2);

    // A third has no room, and the one goes that was used longest ago.
    visit(&sessions, "0b9e", "Kurt")?;
    assert_eq!(told(&ended), [(Change::Evicted, "session.77c1".to_owned())]);

    sessions.remove("session.0b9e")?;
    assert_eq!(told(&ended), [(Change::Removed, "session.0b9e".to_owned())]);

    clock.advance(HALF_AN_HOUR);
    assert_eq!(sessions.get("session.3f2a")?, None);
    sessions.sweep();
    assert_eq!(told(&ended), [(Change::Expired, "session.3f2a".to_owned())]);
    println!("{} bytes are held by {} sessions", sessions.bytes(), sessions.len());
    Ok(())
}

/// Notes a visit, in a session that is there or a new one; tells how many there were. Two visits at
/// once are both counted.
fn visit(sessions: &SafeMap, id: &str, user: &str) -> Result<i64, Box<dyn std::error::Error>> {
    let session = sessions.update(&format!("session.{id}"), |old| {
        let visits = old
            .as_ref()
            .and_then(|session| session.as_object()?.get("visits")?.as_integer())
            .unwrap_or(0);
        let fields = [("user".into(), user.into()), ("visits".into(), (visits + 1).into())];
        Some(tophash_safemap::Object::from(fields).into())
    })?;
    let visits = session.as_ref().and_then(|session| session.as_object()?.get("visits"));
    Ok(visits.and_then(|visits| visits.as_integer()).unwrap_or(0))
}

fn told(ended: &Watch) -> Vec<(Change, String)> {
    let notices = std::iter::from_fn(|| ended.try_next());
    let events = notices.filter_map(|notice| match notice {
        Notice::Event(event) => Some((event.change, event.key.to_string())),
        _ => None,
    });
    events.collect()
}
