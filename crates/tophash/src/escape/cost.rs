//! What sites cost: by a heap profile, or by the samples that a process keeps of itself.

use std::collections::HashMap;

use anyhow::{Result, bail};
use tophash_escape::{Charged, Charger, Frame, Sum};
use tophash_goruntime::{AllocationSamples, Program};

use super::go::Verdicts;
use super::options::{CostOptions, Count};
use crate::args::TargetOptions;
use crate::progress::Progress;

/// `runtime.MemProfileRate`, unless a program changes it.
const RATE: f64 = 512.0 * 1024.0;

/// What everything costs, and in which words to say so.
pub(super) struct Costs<'v> {
    pub(super) charged: Charged<'v>,
    pub(super) meaning: &'static str,
    pub(super) count: Count,
    pub(super) notes: Vec<String>,
}

/// Charges what the options name; nothing where they name nothing.
pub(super) fn charge<'v>(
    verdicts: &'v Verdicts,
    options: &CostOptions,
    progress: &Progress,
) -> Result<Option<Costs<'v>>> {
    let charger = Charger::new(&verdicts.report, &verdicts.sources, &verdicts.programs);
    if let Some(source) = &options.profile {
        return by_profile(charger, source, options).map(Some);
    }
    if let Some(pid) = options.pid {
        return by_process(charger, pid, options, progress).map(Some);
    }
    Ok(None)
}

fn by_profile<'v>(
    mut charger: Charger<'v>,
    source: &str,
    options: &CostOptions,
) -> Result<Costs<'v>> {
    let (profile, notes) = crate::profile::load_one(source, &options.fetch)?;
    let (space, objects, meaning) = match options.count {
        Count::Inuse => ("inuse_space", "inuse_objects", "in use at the last collection"),
        Count::Alloc => ("alloc_space", "alloc_objects", "allocated since the start"),
    };
    let (Some(space), Some(objects)) = (profile.column(space), profile.column(objects)) else {
        bail!(
            "{source} is not a heap profile (it has no {space}): take one from /debug/pprof/heap"
        );
    };
    let mut frames: Vec<Frame<'_>> = Vec::new();
    for sample in profile.samples() {
        let positive = |column| u64::try_from(sample.value(column)).unwrap_or(0);
        let sum = Sum { bytes: positive(space), objects: positive(objects) };
        if sum == Sum::default() {
            continue;
        }
        frames.clear();
        frames.extend(sample.frames().map(|frame| Frame {
            function: frame.function,
            file: frame.file,
            line: u32::try_from(frame.line).unwrap_or(0),
            location: frame.address,
        }));
        charger.charge(&frames, sum);
    }
    Ok(Costs { charged: charger.finish(), meaning, count: options.count, notes })
}

/// The process's own samples, each of which stands for as many objects as the sampling rate passes over.
fn by_process<'v>(
    mut charger: Charger<'v>,
    pid: u32,
    options: &CostOptions,
    progress: &Progress,
) -> Result<Costs<'v>> {
    if options.count == Count::Alloc {
        bail!("a process is asked for what is in use; --count alloc is for profiles");
    }
    let how = TargetOptions { exe: None, stop: options.stop.clone() };
    let target = crate::inspect::open(&pid.to_string(), &how, progress)?;
    let program = Program::open(&target, |_| {})?;
    let samples = AllocationSamples::read(program.heap());
    let mut buckets: Vec<_> = samples.objects_by_bucket().into_iter().collect();
    buckets.sort_unstable();
    let mut stacks = HashMap::new();
    for (bucket, count) in buckets {
        let Some((size, calls)) = program.allocation_stack(bucket) else { continue };
        let size = size.get();
        let stack = stacks.entry(bucket).or_insert(calls);
        let frames: Vec<Frame<'_>> = stack
            .iter()
            .map(|call| Frame {
                function: &call.function,
                file: call.line.as_ref().map_or("", |line| &line.file),
                line: call.line.as_ref().map_or(0, |line| line.line),
                location: 0,
            })
            .collect();
        let objects = count as f64 * scale(size);
        let bytes = objects * size as f64;
        charger.charge(&frames, Sum { bytes: bytes as u64, objects: objects.round() as u64 });
    }
    let mut notes = Vec::new();
    if samples.is_empty() {
        notes.push(format!("process {pid} sampled nothing: has it switched sampling off?"));
    }
    Ok(Costs {
        charged: charger.finish(),
        meaning: "in use, from the process's own samples",
        count: Count::Inuse,
        notes,
    })
}

/// How many objects of a size a sampled one stands for: the chance of being sampled, turned round.
fn scale(size: u64) -> f64 {
    1.0 / (1.0 - (-(size.max(1) as f64) / RATE).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_stand_for_many_and_large_ones_for_themselves() {
        assert!((scale(64) - 8192.5).abs() < 1.0);
        assert!((scale(64 << 20) - 1.0).abs() < 1e-9);
        assert!(scale(0).is_finite());
    }
}
