//! Predictions against the executable maps, which also tell what real maps do not: the most bytes
//! that were alive at once, and when a map grows.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::sync::Arc;

use tophash_gomap::{
    AesHash, BumpHeap, GoType, HeapCounts, MapType, MemoryHash, Release, RunningMap,
};
use tophash_goruntime::GoVersion;
use tophash_lab::{NamedRelease, Plan, predict};
use tophash_memory::ByteSize;

/// Runs a plan with a seed. Keys are numbers, at the start of the key's bytes.
fn run(release: &Release, key: &GoType, elem: &GoType, plan: Plan, seed: u64) -> HeapCounts {
    let hash = MemoryHash::Aes(AesHash::new(&secret(seed)).unwrap());
    let ty = MapType::new(release, key.clone(), elem.clone(), hash).unwrap();
    let mut heap = BumpHeap::new(release, ByteSize::new(1 << 30), seed).unwrap();
    let map = RunningMap::new(Arc::new(ty), &mut heap, plan.hint).unwrap();
    let bytes = |n: u64| {
        let mut bytes = vec![0; key.size() as usize];
        let len = bytes.len().min(8);
        bytes[..len].copy_from_slice(&n.to_le_bytes()[..len]);
        bytes
    };
    for n in 0..plan.entries {
        map.assign(&mut heap, &bytes(n)).unwrap();
    }
    for n in 0..plan.deleted {
        map.delete(&mut heap, &bytes(n)).unwrap();
    }
    heap.counts()
}

/// Different bytes for each seed.
fn secret(seed: u64) -> [u8; 128] {
    std::array::from_fn(|at| {
        let word = (seed * 128 + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (word >> 32) as u8
    })
}

/// Mean and its standard error.
fn mean(figures: &[f64]) -> (f64, f64) {
    let n = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / n;
    let squares = figures.iter().map(|figure| (figure - mean).powi(2)).sum::<f64>();
    (mean, (squares / n / n).sqrt())
}

const RELEASES: [&str; 5] = ["1.19", "1.21", "1.23", "1.25-noswissmap", "1.27"];

fn types() -> [(GoType, GoType); 4] {
    let word = GoType::Integer(8);
    let bytes = |len: u64| GoType::Array(len, GoType::Integer(1).into());
    [
        (word.clone(), word.clone()),
        (word.clone(), GoType::Pointer),
        (bytes(12), bytes(0)),
        (bytes(130), GoType::Array(10, GoType::String.into())),
    ]
}

fn release(name: &str) -> Release {
    let text = format!("go{}", name.replace('-', " X:"));
    Release::new(&GoVersion::parse(&text).unwrap()).unwrap()
}

#[test]
fn executable_maps_cost_what_is_predicted() {
    let mut faults = Vec::new();
    for name in RELEASES {
        let (known, real) = (NamedRelease::named(name).unwrap(), release(name));
        for (key, elem) in types() {
            for entries in [0, 5, 8, 9, 14, 20, 53, 60, 105, 300, 833, 897, 1300, 2000, 9000] {
                let plans = [
                    Plan { entries, ..Plan::default() },
                    Plan { entries, hint: entries, ..Plan::default() },
                    Plan { entries, hint: entries / 3, deleted: 0 },
                    Plan { entries, hint: 2 * entries, deleted: entries / 2 },
                    Plan { entries, hint: 0, deleted: entries },
                ];
                for plan in plans {
                    let ours = predict(&known, &key, &elem, plan);
                    let seeds = (6000 / (entries + 1)).clamp(12, 60);
                    let runs: Vec<HeapCounts> =
                        (0..seeds).map(|seed| run(&real, &key, &elem, plan, seed)).collect();
                    for (what, is, of) in [
                        (
                            "retained",
                            ours.retained_bytes,
                            (|c| c.live_bytes) as fn(&HeapCounts) -> u64,
                        ),
                        ("allocated", ours.allocated_bytes, |c| c.made_bytes),
                        ("objects", ours.objects, |c| c.live_objects),
                        ("mallocs", ours.mallocs, |c| c.made_objects),
                        ("peak", ours.peak_bytes, |c| c.peak_bytes),
                    ] {
                        let figures: Vec<f64> = runs.iter().map(|run| of(run) as f64).collect();
                        let (real, error) = mean(&figures);
                        let within =
                            if ours.is_exact { 0.0 } else { 0.01 * real + 4.0 * error + 1.0 };
                        if (is as f64 - real).abs() > within {
                            faults.push(format!(
                                "{name} {key:?} {plan:?}: {what} {is} not {real:.1} ± {error:.1}, {}",
                                ours.is_exact
                            ));
                        }
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} deviate:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn the_next_growth_comes_when_it_is_predicted() {
    for name in RELEASES {
        let (known, real) = (NamedRelease::named(name).unwrap(), release(name));
        let word = GoType::Integer(8);
        for entries in [0, 8, 9, 14, 100, 600, 897, 1500, 3000] {
            for hint in [0, entries] {
                let plan = Plan { entries, hint, deleted: 0 };
                let ours = predict(&known, &word, &word, plan);
                let grown: Vec<f64> = (0..24).map(|seed| next_growth(&real, plan, seed)).collect();
                let (real, error) = mean(&grown);
                let within = if ours.is_exact && error == 0.0 { 0.0 } else { 0.06 * real };
                let off = (ours.next_growth_at as f64 - real).abs();
                assert!(
                    off <= within,
                    "{name} {plan:?}: {} not {real:.1} ± {error:.1}",
                    ours.next_growth_at
                );
            }
        }
    }
}

/// With how many entries the next assignment made something larger than an overflow bucket.
fn next_growth(release: &Release, plan: Plan, seed: u64) -> f64 {
    let word = GoType::Integer(8);
    let hash = MemoryHash::Aes(AesHash::new(&secret(seed)).unwrap());
    let ty = MapType::new(release, word.clone(), word, hash).unwrap();
    let group = ty.shape().group_size;
    let mut heap = BumpHeap::new(release, ByteSize::new(1 << 30), seed).unwrap();
    let map = RunningMap::new(Arc::new(ty), &mut heap, plan.hint).unwrap();
    for n in 0_u64.. {
        let before = heap.counts();
        map.assign(&mut heap, &(n * 0x9e37_79b9_u64).to_le_bytes()).unwrap();
        let after = heap.counts();
        let made = after.made_bytes - before.made_bytes;
        // The first array or group of a map without a hint is not what it grows to, and a classic map
        // also makes overflow buckets and lists of them.
        let is_list = release.layout().is_classic() && 2 * made < before.live_bytes;
        if n >= plan.entries && n >= 8 && made >= 2 * group && !is_list {
            return n as f64;
        }
    }
    f64::NAN
}
