//! Configuration from a file that is loaded anew while the service runs: all of it or none of it, with
//! every fault told at once, and with news for whoever has to act on a change.

use std::path::Path;

use tophash_safemap::{Change, Error, Notice, SafeMap, Schema, Type};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::builder()
        .key("http.port", Type::integer().range(1..=65_535).required())
        .key("http.host", Type::string().max_size(255).required())
        .key("log.level", Type::one_of(["debug", "info", "warn"]))
        .build()?;
    let config = SafeMap::builder(schema).name("config").build();

    // Whoever reads a setting often keeps a handle: no parsing, and the compiler knows the type.
    let port = config.key::<i64>("http.port")?;
    // Whoever must act on a change is told of it.
    let level = config.watch("log.level".parse()?).changes([Change::Written]).start();

    let folder = tempfile::tempdir()?;
    let file = folder.path().join("service.json");
    std::fs::write(
        &file,
        r#"{ "http": { "port": 8080, "host": "localhost" }, "log": { "level": "info" } }"#,
    )?;
    reload(&config, &file)?;
    assert_eq!(config.get(&port)?, Some(8080));

    // A slip in the file: nothing of it is taken, and the service goes on with what it had.
    std::fs::write(&file, r#"{ "http": { "prot": 8081 }, "log": { "level": "wran" } }"#)?;
    let refused = reload(&config, &file).expect_err("there are faults in it");
    if let Some(Error::Invalid { faults }) = refused.downcast_ref::<Error>() {
        for fault in faults {
            println!("{fault}");
        }
        assert_eq!(faults.len(), 4);
    }
    assert_eq!(config.get(&port)?, Some(8080));

    std::fs::write(
        &file,
        r#"{ "http": { "port": 8081, "host": "localhost" }, "log": { "level": "debug" } }"#,
    )?;
    reload(&config, &file)?;
    assert_eq!(config.get(&port)?, Some(8081));

    let mut levels = Vec::new();
    while let Some(Notice::Event(event)) = level.try_next() {
        levels.extend(event.value.and_then(|value| value.as_str().map(str::to_owned)));
    }
    assert_eq!(levels, ["info", "debug"]);
    println!("levels: {levels:?}");
    Ok(())
}

/// What a service calls when it gets a SIGHUP, or sees that the file has another date.
fn reload(config: &SafeMap, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    config.load_json(&std::fs::read_to_string(file)?)?;
    Ok(())
}
