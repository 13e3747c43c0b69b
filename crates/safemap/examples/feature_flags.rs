//! Feature flags: known by name, switched for all readers at once, and slips are mended.

use tophash_safemap::{Conflict, SafeMap, Schema, Type};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let schema = Schema::builder()
        .key("flag.new-search", Type::boolean())
        .key("flag.new-cart", Type::boolean())
        .key("share.new-cart", Type::float().between(0.0, 1.0))
        .build()?;
    let flags = SafeMap::builder(schema).name("flags").build();

    // The compiler knows that this is a bool: `flags.set(&search, "yes")` does not compile.
    let search = flags.key::<bool>("flag.new-search")?;
    flags.set(&search, true)?;
    assert_eq!(flags.get(&search)?, Some(true));

    // Both or neither: no reader sees the cart on with nobody's share of it.
    flags.transaction(|transaction| {
        transaction.set("flag.new-cart", true)?;
        transaction.set("share.new-cart", 0.1)
    })?;

    // What a person has set stays when defaults arrive.
    let defaults = [("flag.new-search", false), ("flag.new-cart", false)];
    let merged = flags.merge(defaults, Conflict::Ours)?;
    assert_eq!((merged.written, merged.kept), (0, 2));

    let refused = flags.set("flag.new-serach", true).expect_err("there is no such flag");
    println!("{refused}");
    assert!(refused.to_string().ends_with("perhaps \"flag.new-search\" was meant"));
    let refused = flags.set("share.new-cart", 10.0).expect_err("a share is no percentage");
    println!("{refused}");
    Ok(())
}
