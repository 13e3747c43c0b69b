//! Running maps of Rust types do what `std::collections::HashMap` does.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use proptest::prelude::*;
use tophash_gomap::{
    BumpHeap, FallbackHash, GoKey, GoValue, MemoryHash, Release, SeededRandom, TypedMap,
};
use tophash_goruntime::LayoutTable;
use tophash_memory::ByteSize;

fn check<K, Q: ?Sized, V>(
    steps: &[(u16, u16, bool)],
    key: impl Fn(u16) -> K,
    borrow: impl Fn(&K) -> &Q,
    elem: impl Fn(u16) -> V,
) where
    K: GoKey<Borrowed = Q> + Hash + Eq + Clone + Debug,
    V: GoValue + PartialEq + Debug,
{
    for version in LayoutTable::releases() {
        let release = Release::new(&version).unwrap();
        let hash = MemoryHash::Fallback(FallbackHash::new([3, 1, 4, 1]).unwrap());
        let mut heap = BumpHeap::new(&release, ByteSize::new(1 << 30), 7).unwrap();
        let map: TypedMap<K, V> = TypedMap::new(&release, hash, &mut heap, 0).unwrap();
        let mut model: HashMap<K, u16> = HashMap::new();
        for (number, value, is_insert) in steps {
            let key = key(*number);
            if *is_insert {
                let is_new = map.insert(&mut heap, &key, &elem(*value)).unwrap();
                assert_eq!(is_new, model.insert(key.clone(), *value).is_none());
                assert_eq!(map.get(&mut heap, borrow(&key)), Some(elem(*value)));
            } else {
                let was_there = map.delete(&mut heap, borrow(&key)).unwrap();
                assert_eq!(was_there, model.remove(&key).is_some());
                assert_eq!(map.get(&mut heap, borrow(&key)), None);
            }
            assert_eq!(map.len(&heap), model.len() as u64);
        }
        let mut iter = map.iter(&mut heap).unwrap();
        while let Some((key, found)) = iter.next(&mut heap) {
            assert_eq!(model.remove(&key).map(&elem), Some(found));
        }
        assert!(model.is_empty(), "{version}: not ranged over: {model:?}");
        map.clear(&mut heap);
        assert!(map.is_empty(&heap));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn typed_maps_do_what_hash_maps_do(
        steps in prop::collection::vec((0..300_u16, any::<u16>(), prop::bool::weighted(0.7)), 1..900),
    ) {
        check(&steps, u64::from, |key| key, |value| value);
        check(&steps, i32::from, |key| key, |value| [value as u8; 200]);
        let text = |key: u16| format!("{key:>width$}", width = key as usize % 150);
        check(&steps, text, String::as_str, u32::from);
        check(&steps, |key| key, |key| key, |value| value.to_string());
        check(&steps, |key| u32::from(key).to_le_bytes(), |key| key, |_| ());
        check(&steps, |key| [key as u8, (key >> 8) as u8, 1], |key| key, f64::from);
        check(&steps, |key| [key.to_le_bytes(); 80].concat().try_into().unwrap(), |key: &[u8; 160]| key, i64::from);
    }
}

#[test]
fn a_seed_decides_where_a_range_starts() {
    let release = Release::new(&LayoutTable::releases().last().unwrap()).unwrap();
    let hash = MemoryHash::Fallback(FallbackHash::new([3, 1, 4, 1]).unwrap());
    let first = |seed| {
        let mut heap = BumpHeap::new(&release, ByteSize::new(1 << 24), seed).unwrap();
        let map: TypedMap<u64, ()> = TypedMap::new(&release, hash.clone(), &mut heap, 0).unwrap();
        for key in 0..100 {
            map.insert(&mut heap, &key, &()).unwrap();
        }
        map.iter(&mut heap).unwrap().next(&mut heap).unwrap().0
    };
    let mut seeds = SeededRandom::new(1);
    let starts: Vec<u64> = (0..20).map(|_| first(seeds.next_word())).collect();
    assert!(starts.iter().any(|start| *start != starts[0]));
    assert_eq!(first(5), first(5));
}
