//! What changed between two looks at a program, as around a command that loads it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::vitals::Vitals;

/// Later less earlier; `None` is what one of the two does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Delta {
    /// Bytes of allocated objects.
    pub heap_alloc: Option<i64>,
    /// Bytes of what collections marked.
    pub live: Option<i64>,
    /// Allocated objects.
    pub heap_objects: Option<i64>,
    /// Bytes that were allocated in between, freed or not.
    pub allocated: Option<i64>,
    /// Objects that were allocated in between, freed or not.
    pub mallocs: Option<i64>,
    /// Objects that were freed in between.
    pub frees: Option<i64>,
    /// Bytes of stacks.
    pub stacks: Option<i64>,
    /// Goroutines.
    pub goroutines: Option<i64>,
    /// Bytes of the resident set.
    pub resident: Option<i64>,
    /// Collections in between.
    pub gc_cycles: Option<i64>,
    /// Seconds of processor time that the collector took in between.
    pub gc_cpu_seconds: Option<f64>,
    /// Size classes that changed, by the bytes of slots that they hold now and did not hold before.
    pub size_classes: Vec<SizeClassDelta>,
}

/// Change of a size class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SizeClassDelta {
    /// Bytes of a slot.
    pub size: u64,
    /// How many more slots hold an object.
    pub objects: i64,
    /// Slots taken in between, where they are counted.
    pub mallocs: Option<i64>,
    /// Slots freed in between.
    pub frees: Option<i64>,
}

impl SizeClassDelta {
    /// Returns how many more bytes the objects take.
    pub fn bytes(&self) -> i64 {
        self.objects.saturating_mul(i64::try_from(self.size).unwrap_or(i64::MAX))
    }
}

fn difference(before: u64, after: u64) -> i64 {
    let difference = i128::from(after) - i128::from(before);
    difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

impl Delta {
    /// Compares two looks at one program.
    pub fn between(before: &Vitals, after: &Vitals) -> Self {
        let change = |of: fn(&Vitals) -> Option<u64>| {
            of(before).zip(of(after)).map(|(before, after)| difference(before, after))
        };
        let classes_before: BTreeMap<u64, _> =
            before.size_classes.iter().map(|class| (class.size, *class)).collect();
        let mut size_classes: Vec<_> = after
            .size_classes
            .iter()
            .filter_map(|now| {
                let was = classes_before.get(&now.size)?;
                let mallocs = difference(was.mallocs, now.mallocs);
                let frees = difference(was.frees, now.frees);
                Some(SizeClassDelta {
                    size: now.size,
                    objects: mallocs.saturating_sub(frees),
                    mallocs: Some(mallocs),
                    frees: Some(frees),
                })
            })
            .filter(|class| class.mallocs != Some(0) || class.frees != Some(0))
            .collect();
        size_classes.sort_by_key(|class| std::cmp::Reverse(class.bytes().unsigned_abs()));
        Self {
            heap_alloc: change(|it| it.heap_alloc),
            live: change(|it| it.live),
            heap_objects: change(|it| it.heap_objects),
            allocated: change(|it| it.total_alloc),
            mallocs: change(|it| it.mallocs),
            frees: change(|it| it.frees),
            stacks: change(|it| it.stacks),
            goroutines: change(|it| it.goroutines),
            resident: change(|it| it.process.resident),
            gc_cycles: change(|it| it.gc_cycles),
            gc_cpu_seconds: before
                .gc_cpu_seconds
                .zip(after.gc_cpu_seconds)
                .map(|(before, after)| after - before),
            size_classes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vitals::SizeClass;

    #[test]
    fn what_changed_most_comes_first_and_what_did_not_is_left_out() {
        let class = |size, mallocs, frees| SizeClass { size, mallocs, frees };
        let before = Vitals {
            heap_alloc: Some(100),
            size_classes: vec![class(8, 1, 0), class(16, 5, 5), class(32, 1, 1)],
            ..Vitals::default()
        };
        let after = Vitals {
            heap_alloc: Some(40),
            mallocs: Some(9),
            size_classes: vec![class(8, 3, 1), class(16, 5, 5), class(32, 11, 1)],
            ..Vitals::default()
        };
        let delta = Delta::between(&before, &after);
        assert_eq!((delta.heap_alloc, delta.mallocs), (Some(-60), None));
        let sizes: Vec<_> = delta.size_classes.iter().map(|it| (it.size, it.bytes())).collect();
        assert_eq!(sizes, [(32, 320), (8, 8)]);
        let extreme = Vitals { heap_alloc: Some(u64::MAX), ..Vitals::default() };
        assert_eq!(Delta::between(&after, &extreme).heap_alloc, Some(i64::MAX));
    }
}
