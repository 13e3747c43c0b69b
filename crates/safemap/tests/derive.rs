//! Schemas and handles that are derived from structs.

use std::sync::Arc;
use std::time::Duration;

use tophash_safemap::{
    Error, Key, KeyFamily, ManualClock, Object, SafeMap, Schema, SchemaKeys, Type, Value,
};

#[derive(Schema)]
#[safemap(prefix = "web")]
struct Web {
    #[safemap(range(1..=65_535), required)]
    port: Key<i64>,
    #[safemap(range(0.0..=1.0))]
    ratio: Key<f64>,
    r#type: Key<bool>,
    #[safemap(one_of("light", "dark"))]
    theme: Key<Arc<str>>,
    #[safemap(key = "user.*.name", pattern = "[a-z]+", max_characters = 3, max_size = 1 << 4)]
    names: KeyFamily<String>,
    #[safemap(key = "session.*", max_size = 8, ttl = "30s")]
    sessions: KeyFamily<Arc<[u8]>>,
    #[safemap(key = "list")]
    list: Key<Vec<Value>>,
    #[safemap(key = "rest.**", idle = "250ms")]
    rest: KeyFamily<Value>,
    #[safemap(key = "object", max_size = 1)]
    object: Key<Object>,
}

#[test]
fn a_struct_says_the_same_as_a_builder() {
    let built = Schema::builder()
        .key("web.port", Type::integer().range(1..=65_535).required())
        .key("web.ratio", Type::float().between(0.0, 1.0))
        .key("web.type", Type::boolean())
        .key("web.theme", Type::one_of(["light", "dark"]))
        .key(
            "web.user.*.name",
            Type::string().pattern("[a-z]+").unwrap().max_characters(3).max_size(16),
        )
        .key("web.session.*", Type::bytes().max_size(8).ttl(Duration::from_secs(30)))
        .key("web.list", Type::list(Type::any()))
        .key("web.rest.**", Type::any().idle(Duration::from_millis(250)))
        .key("web.object", Type::object().other_members(Type::any()).max_size(1))
        .build()
        .unwrap();
    assert_eq!(format!("{:?}", Web::schema().unwrap()), format!("{built:?}"));
}

#[test]
fn the_fields_are_handles() {
    let clock = Arc::new(ManualClock::new());
    let map = SafeMap::builder(Web::schema().unwrap()).clock(clock.clone()).build();
    let web = Web::open(&map).unwrap();
    map.set(&web.port, 80).unwrap();
    map.set(&web.ratio, 0.5).unwrap();
    map.set(&web.r#type, true).unwrap();
    map.set(&web.theme, "dark").unwrap();
    map.set(&web.names.at(["7"]).unwrap(), "ada").unwrap();
    map.set(&web.list, vec![Value::from(1)]).unwrap();
    map.set(&web.object, Object::new()).unwrap();
    map.set(&web.rest.at(["a.b"]).unwrap(), 1).unwrap();
    let session = web.sessions.at(["3f"]).unwrap();
    map.set(&session, &b"12"[..]).unwrap();
    assert_eq!(map.get("web.user.7.name").unwrap(), Some("ada".into()));

    assert!(matches!(map.set(&web.port, 0), Err(Error::Refused { .. })));
    assert!(matches!(map.set(&web.theme, "drak"), Err(Error::Refused { .. })));
    assert!(map.set(&web.names.at(["7"]).unwrap(), "adam").is_err());
    assert!(matches!(web.names.at(["7.x"]), Err(Error::InvalidKey { .. })));
    assert!(matches!(map.remove(&web.port), Err(Error::Required { .. })));

    clock.advance(Duration::from_secs(31));
    assert_eq!(map.get(&session).unwrap(), None);
    assert_eq!(map.get(&web.port).unwrap(), Some(80));
}

#[test]
fn a_map_with_another_schema_is_told_apart() {
    let other = SafeMap::new(Schema::builder().key("web.port", Type::string()).build().unwrap());
    assert!(matches!(Web::open(&other), Err(Error::OtherType { .. })));
    let open = SafeMap::new(Schema::open());
    assert!(Web::open(&open).is_ok());
}
