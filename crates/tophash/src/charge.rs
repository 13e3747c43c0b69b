//! What allocations cost, by their stacks: of a heap profile, or of the samples that a process keeps.
//!
//! Whoever asks is handed each stack with what it stands for, and charges it to lines of source as it
//! sees fit: `escape` to what escapes there, `lint` to maps.

use std::collections::HashMap;

use anyhow::{Result, bail};
use clap::{ArgGroup, Args, ValueEnum};
use tophash_escape::{Frame, Sum};
use tophash_goruntime::{AllocationSamples, Program};

use crate::args::{StopOptions, TargetOptions};
use crate::profile::FetchOptions;
use crate::progress::Progress;

/// `runtime.MemProfileRate`, unless a program changes it.
const RATE: f64 = 512.0 * 1024.0;

/// What sites cost, and by what account.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("charged").args(["profile", "pid"])))]
pub(crate) struct CostOptions {
    /// Rank by what this heap profile charges to each line.
    #[arg(long, value_name = "FILE|URL", conflicts_with = "pid")]
    pub(crate) profile: Option<String>,

    /// Rank by what this process has sampled of its own allocations: what is in use.
    #[arg(long)]
    pub(crate) pid: Option<u32>,

    /// What of the profile counts.
    #[arg(long, value_enum, default_value_t = Count::Inuse, requires = "charged")]
    pub(crate) count: Count,

    #[command(flatten)]
    pub(crate) stop: StopOptions,

    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

impl CostOptions {
    /// Whether they go together, before anything is done that takes time.
    pub(crate) fn check(&self) -> Result<()> {
        if self.count == Count::Alloc && self.profile.is_none() {
            bail!("--count alloc is for a profile: name one with --profile");
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Count {
    /// What was live at the last collection.
    Inuse,
    /// All that was allocated since the start.
    Alloc,
}

/// What the stacks were of.
pub(crate) struct Account {
    /// In words, behind what was counted.
    pub(crate) meaning: &'static str,
    pub(crate) count: Count,
    /// What a person should know of it.
    pub(crate) notes: Vec<String>,
}

/// Takes a stack, the innermost call first, and what it stands for.
pub(crate) type Take<'t> = dyn FnMut(&[Frame<'_>], Sum) + 't;

/// Hands out all stacks that the options name; `None` where they name nothing.
pub(crate) fn stacks(
    options: &CostOptions,
    progress: &Progress,
    take: &mut Take<'_>,
) -> Result<Option<Account>> {
    if let Some(source) = &options.profile {
        return of_profile(source, options, take).map(Some);
    }
    if let Some(pid) = options.pid {
        return of_process(pid, options, progress, take).map(Some);
    }
    Ok(None)
}

fn of_profile(source: &str, options: &CostOptions, take: &mut Take<'_>) -> Result<Account> {
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
        take(&frames, sum);
    }
    Ok(Account { meaning, count: options.count, notes })
}

/// The process's own samples, each of which stands for as many objects as the sampling rate passes over.
fn of_process(
    pid: u32,
    options: &CostOptions,
    progress: &Progress,
    take: &mut Take<'_>,
) -> Result<Account> {
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
        take(&frames, Sum { bytes: bytes as u64, objects: objects.round() as u64 });
    }
    let mut notes = Vec::new();
    if samples.is_empty() {
        notes.push(format!("process {pid} sampled nothing: has it switched sampling off?"));
    }
    Ok(Account { meaning: "in use, from the process's own samples", count: Count::Inuse, notes })
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
