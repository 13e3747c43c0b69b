//! The maps that are compared, each as it would be used for keys of text.

pub(crate) mod latency;

use std::sync::RwLock;

use foldhash::fast::FixedState;
use tophash_safemap::{Breaker, Key, SafeMap, Schema, Type, Value};

use crate::workload::Engine;

const SOUND: &str = "nothing panics under the lock, and nothing is refused";

/// A SafeMap through typed handles.
pub(crate) struct ByHandle<'k>(pub(crate) SafeMap, pub(crate) &'k [Key<i64>]);

impl Engine for ByHandle<'_> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(&self.1[key as usize]).expect(SOUND).map(|value| value as u64)
    }

    fn set(&self, key: u64, value: u64) {
        self.0.set(&self.1[key as usize], value as i64).expect(SOUND);
    }

    fn remove(&self, key: u64) {
        self.0.remove(&self.1[key as usize]).expect(SOUND);
    }
}

/// A SafeMap by text.
pub(crate) struct ByText<'k>(pub(crate) SafeMap, pub(crate) &'k [String]);

impl Engine for ByText<'_> {
    fn get(&self, key: u64) -> Option<u64> {
        match self.0.get(self.1[key as usize].as_str()) {
            Ok(Some(Value::Integer(number))) => Some(number as u64),
            Ok(None) => None,
            other => panic!("{other:?}"),
        }
    }

    fn set(&self, key: u64, value: u64) {
        self.0.set(self.1[key as usize].as_str(), value as i64).expect(SOUND);
    }

    fn remove(&self, key: u64) {
        if let Err(error) = self.0.remove(self.1[key as usize].as_str()) {
            panic!("{error}");
        }
    }
}

/// A map of another library. All of them hash alike.
pub(crate) struct Peer<'k, M>(pub(crate) M, pub(crate) &'k [String]);

pub(crate) type DashMap = dashmap::DashMap<String, u64, FixedState>;
pub(crate) type Papaya = papaya::HashMap<String, u64, FixedState>;
pub(crate) type Scc = scc::HashMap<String, u64, FixedState>;
pub(crate) type Moka = moka::sync::Cache<String, u64, FixedState>;
pub(crate) type Locked = RwLock<std::collections::HashMap<String, u64, FixedState>>;

pub(crate) fn state() -> FixedState {
    FixedState::with_seed(7)
}

impl Engine for Peer<'_, DashMap> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(self.1[key as usize].as_str()).map(|value| *value)
    }

    fn set(&self, key: u64, value: u64) {
        let key = &self.1[key as usize];
        // Without a copy of the key where the entry is there.
        if let Some(mut held) = self.0.get_mut(key.as_str()) {
            *held = value;
            return;
        }
        self.0.insert(key.clone(), value);
    }

    fn remove(&self, key: u64) {
        self.0.remove(self.1[key as usize].as_str());
    }

    fn insert(&self, key: u64, value: u64) {
        self.0.insert(self.1[key as usize].clone(), value);
    }
}

impl Engine for Peer<'_, Papaya> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.pin().get(self.1[key as usize].as_str()).copied()
    }

    fn set(&self, key: u64, value: u64) {
        self.0.pin().insert(self.1[key as usize].clone(), value);
    }

    fn remove(&self, key: u64) {
        self.0.pin().remove(self.1[key as usize].as_str());
    }
}

impl Engine for Peer<'_, Scc> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.read_sync(self.1[key as usize].as_str(), |_, value| *value)
    }

    fn set(&self, key: u64, value: u64) {
        let key = &self.1[key as usize];
        if self.0.update_sync(key.as_str(), |_, held| *held = value).is_none() {
            self.0.upsert_sync(key.clone(), value);
        }
    }

    fn remove(&self, key: u64) {
        self.0.remove_sync(self.1[key as usize].as_str());
    }

    fn insert(&self, key: u64, value: u64) {
        self.0.upsert_sync(self.1[key as usize].clone(), value);
    }
}

impl Engine for Peer<'_, Moka> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.get(self.1[key as usize].as_str())
    }

    fn set(&self, key: u64, value: u64) {
        self.0.insert(self.1[key as usize].clone(), value);
    }

    fn remove(&self, key: u64) {
        self.0.invalidate(self.1[key as usize].as_str());
    }
}

impl Engine for Peer<'_, Locked> {
    fn get(&self, key: u64) -> Option<u64> {
        self.0.read().expect(SOUND).get(self.1[key as usize].as_str()).copied()
    }

    fn set(&self, key: u64, value: u64) {
        let key = &self.1[key as usize];
        let mut map = self.0.write().expect(SOUND);
        if let Some(held) = map.get_mut(key.as_str()) {
            *held = value;
        } else {
            map.insert(key.clone(), value);
        }
    }

    fn remove(&self, key: u64) {
        self.0.write().expect(SOUND).remove(self.1[key as usize].as_str());
    }

    fn insert(&self, key: u64, value: u64) {
        let key = self.1[key as usize].clone();
        self.0.write().expect(SOUND).insert(key, value);
    }
}

/// A map with all that can be turned on for writes that are right: a schema of twenty patterns, a
/// breaker, and metrics that time operations.
pub(crate) fn full(schema: &Schema) -> SafeMap {
    let map = SafeMap::builder(schema.clone()).breaker(Breaker::default()).build();
    #[cfg(feature = "metrics")]
    tophash_safemap::MapMetrics::new().add(&map);
    map
}

/// The schema of such a map; its first pattern is that of the keys.
pub(crate) fn schema_of_twenty() -> Schema {
    let mut schema = Schema::builder().key("key.*.number", Type::integer().range(0..));
    for other in 0..19 {
        schema = schema.key(format!("other.{other}.*"), Type::string());
    }
    schema.build().expect(SOUND)
}
