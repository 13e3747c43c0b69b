//! Memory, measured by an allocator that counts. Each thread, and so each test, has a count of its own.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tophash_safemap::{Error, Eviction, SafeMap, Schema};

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator can't be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().wrapping_add(layout.size()));
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get().wrapping_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn held() -> usize {
    HELD.get()
}

fn fill(map: &SafeMap, count: usize) {
    for number in 0..count {
        map.set(format!("key.{number}").as_str(), format!("value {number}")).unwrap();
    }
}

#[test]
fn the_bytes_told_are_the_bytes_held() {
    let map = SafeMap::new(Schema::open());
    let empty = held();
    assert_eq!(map.bytes(), 0);
    for count in [10, 1000, 50_000] {
        fill(&map, count);
        let (told, really) = (map.bytes(), held() - empty);
        // Counts before shared contents are padded to whole words.
        assert!(really >= told && really - told <= 16 * count, "{told} told, {really} held");
    }
}

#[test]
fn memory_comes_back_after_removals() {
    let map = SafeMap::new(Schema::open());
    let empty = held();
    fill(&map, 100_000);
    let full = held() - empty;
    for number in 0..99_000 {
        map.remove(format!("key.{number}").as_str()).unwrap();
    }
    let rest = held() - empty;
    assert!(rest * 20 < full, "{rest} of {full} are held for a hundredth of the entries");
    for number in 99_000..100_000 {
        map.remove(format!("key.{number}").as_str()).unwrap();
    }
    map.shrink_to_fit();
    assert_eq!(map.bytes(), 0);
    assert_eq!(held(), empty);
}

#[test]
fn churn_holds_no_more_than_what_is_there() {
    let map = SafeMap::new(Schema::open());
    fill(&map, 1000);
    let before = held();
    for number in 1000..200_000 {
        map.remove(format!("key.{}", number - 1000).as_str()).unwrap();
        map.set(format!("key.{number}").as_str(), format!("value {number}")).unwrap();
    }
    // Shards are filled by chance, so that some tables have doubled.
    assert!(held() < 2 * before, "{} after {before}", held());
}

#[test]
fn the_bound_in_bytes_holds_at_every_moment() {
    for most in [20_000, 300_000, 3_000_000] {
        let map = SafeMap::builder(Schema::open())
            .max_bytes(most)
            .eviction(Eviction::LeastRecentlyUsed)
            .build();
        let empty = held();
        for number in 0..60_000_usize {
            let key = format!("key.{}", number * 7919 % 50_021);
            map.set(key.as_str(), "x".repeat(number % 100)).unwrap();
            if number % 64 == 0 {
                assert!(map.bytes() <= most, "{} of {most}", map.bytes());
                let really = held() - empty;
                assert!(really <= most + 16 * map.len(), "{really} held of {most}");
            }
        }
        // Nor is the bound kept by holding next to nothing.
        assert!(map.bytes() * 2 > most, "{} of {most}", map.bytes());
    }
}

#[test]
fn what_does_not_fit_at_all_costs_the_others_nothing() {
    let map = SafeMap::builder(Schema::open())
        .max_bytes(100_000)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    fill(&map, 100);
    let entries = map.len();
    assert!(matches!(map.set("large", "x".repeat(200_000)), Err(Error::Full { .. })));
    let many = (0..5000).map(|number| (format!("many.{number}"), 1));
    assert!(matches!(map.load(many), Err(Error::Full { .. })));
    assert_eq!(map.len(), entries);
}
