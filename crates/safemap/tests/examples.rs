//! The examples run, and what they show is so: they assert it themselves.

#[path = "../examples/feature_flags.rs"]
mod feature_flags;
#[path = "../examples/hot_configuration.rs"]
mod hot_configuration;
#[path = "../examples/rate_limit.rs"]
mod rate_limit;
#[path = "../examples/session_cache.rs"]
mod session_cache;

#[test]
fn feature_flags() {
    feature_flags::main().unwrap();
}

#[test]
fn hot_configuration() {
    hot_configuration::main().unwrap();
}

#[test]
fn rate_limit() {
    rate_limit::main().unwrap();
}

#[test]
fn session_cache() {
    session_cache::main().unwrap();
}
