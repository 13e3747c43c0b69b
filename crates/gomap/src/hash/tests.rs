//! The hashes against Go's own.

use std::borrow::Cow;

use proptest::prelude::*;
use tophash_memory::{Address, ByteSize};

use super::aes::AesHash;
use super::fallback::FallbackHash;
use super::memory_hash::MemoryHash;
use super::plan::{HashPlan, HashRules, KeyField, KeyReferences, KeyShape};
use super::vectors::{SEED, Secrets, VECTORS, Vectors};

fn hash_of(vectors: &Vectors) -> MemoryHash {
    match &vectors.secrets {
        Secrets::Schedule(schedule) => MemoryHash::Aes(AesHash::new(schedule).unwrap()),
        Secrets::Keys(keys) if vectors.go < "1.23" => {
            MemoryHash::Fallback(FallbackHash::before_go_1_23(*keys).unwrap())
        }
        Secrets::Keys(keys) => MemoryHash::Fallback(FallbackHash::new(*keys).unwrap()),
    }
}

fn compiled(vectors: &Vectors) -> HashRules {
    if vectors.go < "1.27" { HashRules::Fields } else { HashRules::Flat }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 + 3) as u8).collect()
}

/// Texts and boxed values by their number, which stands for their address.
struct References<'t> {
    hash: &'t MemoryHash,
    texts: &'t [&'t str],
    values: &'t [(KeyShape, Vec<u8>)],
}

impl KeyReferences for References<'_> {
    fn text(&self, data: Address, len: ByteSize) -> Option<Cow<'_, [u8]>> {
        let text = self.texts.get(data.get() as usize)?.as_bytes();
        assert_eq!(text.len() as u64, len.get());
        Some(Cow::Borrowed(text))
    }

    fn dynamic(&self, has_methods: bool, ty: Address, _: Address, seed: u64) -> Option<u64> {
        assert!(!has_methods);
        let (shape, value) = self.values.get(ty.get() as usize - 1)?;
        HashPlan::new(shape, HashRules::Runtime)?.hash(self.hash, value, seed, self)
    }
}

fn field(offset: u64, shape: KeyShape) -> KeyField {
    KeyField { offset, is_blank: false, shape }
}

fn text(number: u64, len: u64) -> Vec<u8> {
    [number.to_le_bytes(), len.to_le_bytes()].concat()
}

const TEXTS: [&str; 8] = ["", "four", "tophash", "x", "a", "b", "c", "d"];

/// `struct { A uint8; B uint8; I struct { X uint16; S string; Y uint32 }; Z uint64; _ uint64;
/// W uint32 }`, with 1, 2, {3, "four", 5}, 6, 7, 8.
fn outer() -> (KeyShape, Vec<u8>) {
    let inner = KeyShape::Struct {
        size: 32,
        fields: vec![
            field(0, KeyShape::Plain(2)),
            field(8, KeyShape::String),
            field(24, KeyShape::Plain(4)),
        ],
    };
    let shape = KeyShape::Struct {
        size: 64,
        fields: vec![
            field(0, KeyShape::Plain(1)),
            field(1, KeyShape::Plain(1)),
            field(8, inner),
            field(40, KeyShape::Plain(8)),
            KeyField { offset: 48, is_blank: true, shape: KeyShape::Plain(8) },
            field(56, KeyShape::Plain(4)),
        ],
    };
    // What is in padding and blank fields does not count.
    let mut key = vec![0xee; 64];
    key[0] = 1;
    key[1] = 2;
    key[8..10].copy_from_slice(&3u16.to_le_bytes());
    key[16..32].copy_from_slice(&text(1, 4));
    key[32..36].copy_from_slice(&5u32.to_le_bytes());
    key[40..48].copy_from_slice(&6u64.to_le_bytes());
    key[56..60].copy_from_slice(&8u32.to_le_bytes());
    (shape, key)
}

/// `struct { A uint8; B uint32; C uint32; D float64 }`, with 1, 2, 3, 4.
fn padded() -> (KeyShape, Vec<u8>) {
    let shape = KeyShape::Struct {
        size: 24,
        fields: vec![
            field(0, KeyShape::Plain(1)),
            field(4, KeyShape::Plain(4)),
            field(8, KeyShape::Plain(4)),
            field(16, KeyShape::Float64),
        ],
    };
    let mut key = vec![0xee; 24];
    key[0] = 1;
    key[4..8].copy_from_slice(&2u32.to_le_bytes());
    key[8..12].copy_from_slice(&3u32.to_le_bytes());
    key[16..24].copy_from_slice(&4f64.to_le_bytes());
    (shape, key)
}

/// `struct { A uint32; L [5]string; B uint32 }`, with 1, {"a", "b", "c", "d", "e"}, 2.
fn array_of_text() -> (KeyShape, Vec<u8>) {
    let shape = KeyShape::Struct {
        size: 96,
        fields: vec![
            field(0, KeyShape::Plain(4)),
            field(8, KeyShape::Array { elem: Box::new(KeyShape::String), len: 5 }),
            field(88, KeyShape::Plain(4)),
        ],
    };
    let mut key = vec![1, 0, 0, 0, 0xee, 0xee, 0xee, 0xee];
    for number in 4..9 {
        key.extend(text(number, 1));
    }
    key.extend([2, 0, 0, 0, 0xee, 0xee, 0xee, 0xee]);
    (shape, key)
}

/// `[3]struct { A uint8; B uint16 }`, with {1, 2}, {3, 4}, {5, 6}.
fn array_of_padded() -> (KeyShape, Vec<u8>) {
    let elem = KeyShape::Struct {
        size: 4,
        fields: vec![field(0, KeyShape::Plain(1)), field(2, KeyShape::Plain(2))],
    };
    let key = vec![1, 0xee, 2, 0, 3, 0xee, 4, 0, 5, 0xee, 6, 0];
    (KeyShape::Array { elem: Box::new(elem), len: 3 }, key)
}

#[test]
fn bytes_hash_as_in_go() {
    for vectors in &VECTORS {
        let hash = hash_of(vectors);
        for (len, expected) in vectors.lengths {
            assert_eq!(hash.bytes(&bytes(len), SEED), expected, "{} bytes, {}", len, vectors.go);
        }
        let all =
            (0..=300).fold(0u64, |sum, len| sum.rotate_left(1) ^ hash.bytes(&bytes(len), SEED));
        assert_eq!(all, vectors.every_length, "{}", vectors.go);
    }
}

#[test]
fn words_and_floats_hash_as_in_go() {
    for vectors in &VECTORS {
        let hash = hash_of(vectors);
        assert_eq!([4, 8].map(|len| hash.value(&bytes(len), SEED)), vectors.words);
        let floats =
            [0.0, -1e-309, 1.5].map(|value: f64| hash.float64(value.to_le_bytes(), SEED).unwrap());
        assert_eq!(floats, vectors.floats);
        assert_eq!(hash.float64((-0f64).to_le_bytes(), SEED), Some(vectors.floats[0]));
        assert_eq!(hash.float64(f64::NAN.to_le_bytes(), SEED), None);
        assert_eq!(hash.float32(f32::NAN.to_le_bytes(), SEED), None);
    }
}

#[test]
fn keys_of_several_parts_hash_as_in_go() {
    let complex64 = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    let boxed_7 = [1u64.to_le_bytes(), 0u64.to_le_bytes()].concat();
    let values = [(KeyShape::Plain(8), 7u64.to_le_bytes().to_vec())];
    let keys = [
        outer(),
        padded(),
        array_of_text(),
        array_of_padded(),
        (KeyShape::Complex64, complex64),
        (KeyShape::Interface { has_methods: false }, boxed_7),
        (KeyShape::Array { elem: Box::new(KeyShape::Plain(1)), len: 3 }, vec![1, 2, 3]),
    ];
    let texts = [&TEXTS[..], &["e"]].concat();
    for vectors in &VECTORS {
        let hash = hash_of(vectors);
        let references = References { hash: &hash, texts: &texts, values: &values };
        for ((shape, key), expected) in keys.iter().zip(vectors.keys) {
            let plan = HashPlan::new(shape, compiled(vectors)).unwrap();
            let found = plan.hash(&hash, key, SEED, &references);
            assert_eq!(found, Some(expected), "{shape:?} in {}: {plan:?}", vectors.go);
        }
    }
}

#[test]
fn values_in_interfaces_hash_as_in_go() {
    let k = KeyShape::Struct {
        size: 24,
        fields: vec![field(0, KeyShape::Plain(4)), field(8, KeyShape::String)],
    };
    let complex128 = [1f64.to_le_bytes(), 2f64.to_le_bytes()].concat();
    let values = [
        (KeyShape::Plain(8), 7u64.to_le_bytes().to_vec()),
        (KeyShape::String, text(2, 7)),
        (KeyShape::Plain(4), 7u32.to_le_bytes().to_vec()),
        (KeyShape::Float64, 0f64.to_le_bytes().to_vec()),
        (k, [vec![5, 0, 0, 0, 0xee, 0xee, 0xee, 0xee], text(3, 1)].concat()),
        (KeyShape::Array { elem: Box::new(KeyShape::Plain(1)), len: 3 }, vec![1, 2, 3]),
        (KeyShape::Complex128, complex128),
        outer(),
        padded(),
    ];
    let interface = HashPlan::new(&KeyShape::Interface { has_methods: false }, HashRules::Flat);
    let interface = interface.unwrap();
    for vectors in &VECTORS {
        let hash = hash_of(vectors);
        let references = References { hash: &hash, texts: &TEXTS, values: &values };
        // Number 0 is the nil interface.
        for (number, expected) in vectors.boxed.iter().enumerate() {
            let key = [(number as u64).to_le_bytes(), 0u64.to_le_bytes()].concat();
            let found = interface.hash(&hash, &key, SEED, &references);
            assert_eq!(found, Some(*expected), "value {number} in {}", vectors.go);
        }
    }
}

#[test]
fn secrets_of_the_other_hash_make_none() {
    assert!(AesHash::new(&[0; 128]).is_none());
    assert!(FallbackHash::new([0; 4]).is_none());
    assert!(FallbackHash::before_go_1_23([0; 4]).is_none());
}

#[test]
fn a_key_that_is_cut_short_has_no_hash() {
    let hash = hash_of(&VECTORS[0]);
    let references = References { hash: &hash, texts: &TEXTS, values: &[] };
    let (shape, key) = outer();
    let plan = HashPlan::new(&shape, HashRules::Fields).unwrap();
    for len in 0..60 {
        assert_eq!(plan.hash(&hash, &key[..len], SEED, &references), None, "{len} bytes");
    }
}

#[test]
fn hostile_shapes_make_no_plan() {
    let array = |elem, len| KeyShape::Array { elem: Box::new(elem), len };
    assert_eq!(HashPlan::new(&array(KeyShape::String, u64::MAX), HashRules::Flat), None);
    let deep = (0..100).fold(KeyShape::String, |elem, _| array(elem, 1));
    assert_eq!(HashPlan::new(&deep, HashRules::Fields), None);
    let wide = array(array(array(KeyShape::String, 1000), 1000), 1000);
    assert_eq!(HashPlan::new(&wide, HashRules::Runtime), None);
    let far = KeyShape::Struct {
        size: 16,
        fields: vec![field(u64::MAX, KeyShape::Plain(8)), field(8, KeyShape::String)],
    };
    assert_eq!(HashPlan::new(&far, HashRules::Flat), None);
}

/// Nothing that a key refers to can be read.
struct Unreadable;

impl KeyReferences for Unreadable {
    fn text(&self, _: Address, _: ByteSize) -> Option<Cow<'_, [u8]>> {
        None
    }
    fn dynamic(&self, _: bool, _: Address, _: Address, _: u64) -> Option<u64> {
        None
    }
}

fn any_shape() -> impl Strategy<Value = KeyShape> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(KeyShape::Plain),
        (0..64u64).prop_map(KeyShape::Plain),
        Just(KeyShape::Float32),
        Just(KeyShape::Complex128),
        Just(KeyShape::String),
        any::<bool>().prop_map(|has_methods| KeyShape::Interface { has_methods }),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let field = (any::<u64>(), any::<bool>(), inner.clone())
            .prop_map(|(offset, is_blank, shape)| KeyField { offset, is_blank, shape });
        prop_oneof![
            (any::<u64>(), prop::collection::vec(field, 0..4))
                .prop_map(|(size, fields)| KeyShape::Struct { size, fields }),
            (inner, any::<u64>())
                .prop_map(|(elem, len)| KeyShape::Array { elem: Box::new(elem), len }),
        ]
    })
}

proptest! {
    #[test]
    fn any_shape_over_any_bytes_ends_without_a_fault(
        shape in any_shape(),
        key in prop::collection::vec(any::<u8>(), 0..256),
    ) {
        let hash = hash_of(&VECTORS[2]);
        for rules in [HashRules::Fields, HashRules::Flat, HashRules::Runtime] {
            if let Some(plan) = HashPlan::new(&shape, rules) {
                let _ = plan.hash(&hash, &key, SEED, &Unreadable);
            }
        }
    }

    #[test]
    fn any_byte_changes_the_hash(
        mut key in prop::collection::vec(any::<u8>(), 1..400),
        index in any::<prop::sample::Index>(),
    ) {
        for vectors in &VECTORS {
            let hash = hash_of(vectors);
            let before = hash.bytes(&key, SEED);
            let at = index.index(key.len());
            key[at] ^= 0x10;
            prop_assert_ne!(before, hash.bytes(&key, SEED));
        }
    }
}
