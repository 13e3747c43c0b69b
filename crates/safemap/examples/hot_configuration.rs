//! Configuration that is loaded anew while the service runs: all of it or none of it.

use tophash_safemap::{SafeMap, Schema, Type};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::builder()
        .key("http.port", Type::integer().range(1..=65_535).required())
        .key("http.host", Type::string().max_size(255).required())
        .key("log.level", Type::one_of(["debug", "info", "warn"]))
        .build()?;
    let config = SafeMap::builder(schema).name("config").build();
    let port = config.key::<i64>("http.port")?;

    config.load(parse("http.port=8080 http.host=localhost log.level=info"))?;
    println!("port {:?}", config.get(&port)?);

    // Every fault is told, and what was there stays.
    let refused = config.load(parse("http.prot=8081 log.level=wran"));
    if let Err(tophash_safemap::Error::Invalid { faults }) = refused {
        for fault in faults {
            println!("  {fault}");
        }
    }
    println!("port {:?}", config.get(&port)?);
    Ok(())
}

/// Words of the form `key=value`; what reads as a number is one.
fn parse(text: &str) -> Vec<(String, tophash_safemap::Value)> {
    let pairs = text.split_whitespace().filter_map(|word| word.split_once('='));
    pairs
        .map(|(key, value)| {
            let value = value.parse::<i64>().map_or_else(|_| value.into(), Into::into);
            (key.to_owned(), value)
        })
        .collect()
}
