//! Feature flags: known by name, switched for all readers at once, and slips are mended.

use tophash_safemap::{Conflict, SafeMap, Schema, Type};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::builder()
        .key("flag.new-search", Type::boolean())
        .key("flag.new-cart", Type::boolean())
        .key("share.new-cart", Type::float().between(0.0, 1.0))
        .build()?;
    let flags = SafeMap::builder(schema).name("flags").build();
    let search = flags.key::<bool>("flag.new-search")?;

    flags.set(&search, true)?;
    println!("search: {:?}", flags.get(&search)?);

    // Both or neither.
    flags.transaction(|transaction| {
        transaction.set("flag.new-cart", true)?;
        transaction.set("share.new-cart", 0.1)
    })?;
    // What a person has set stays when defaults arrive.
    let defaults = [("flag.new-search", false), ("flag.new-cart", false)];
    println!("{:?}", flags.merge(defaults, Conflict::Ours)?);

    println!("{}", flags.set("flag.new-serach", true).expect_err("there is no such flag"));
    Ok(())
}
