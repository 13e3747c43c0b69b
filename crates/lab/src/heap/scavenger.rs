//! Giving memory back to the system (`runtime/mgcscavenge.go`, `mheap.allocSpan`,
//! `debug.FreeOSMemory`).
//!
//! Memory that was given back stays part of the heap's address space: `HeapSys` never falls, and
//! `HeapReleased` says how much of it costs nothing. The background scavenger retains a tenth
//! more than the next collection's goal should need, and, close to a memory limit, 95 % of that.

use tophash_goruntime::PAGE;

use super::allocator::Allocator;

/// Bytes that the background scavenger gives back at a time (`scavengeQuantum`).
pub(crate) const SCAVENGE_STEP: u64 = 64 << 10;
/// A page of the system's (`physPageSize`).
const SYSTEM_PAGE: u64 = 4096;

impl Allocator {
    /// Gives memory back before `released` bytes of it, and `growth` more, are used: as much as
    /// keeps the heap within its limit and its goal.
    pub(crate) fn scavenge_for(&mut self, released: u64, growth: u64) {
        let mut bytes = 0;
        let mut is_forced = false;
        self.refresh_mapped();
        if let Some(limit) = self.pacer.limit {
            let over = (released + self.pacer.mapped.ready).saturating_sub(limit);
            bytes = over;
            is_forced = over > 0;
        }
        if let Some(goal) = self.retain_goal
            && growth > 0
        {
            bytes = bytes.max(growth.min((self.retained() + growth).saturating_sub(goal)));
        }
        if bytes > 0 {
            self.give_back(bytes, is_forced);
        }
    }

    /// Gives back all that is free, and returns how much (`scavengeAll`).
    pub(crate) fn give_back_all(&mut self) -> u64 {
        self.give_back(u64::MAX, true)
    }

    fn give_back(&mut self, bytes: u64, is_forced: bool) -> u64 {
        let done = self.pages.release(bytes, is_forced);
        self.free -= done;
        self.released += done;
        done
    }

    /// One step of the background scavenger; returns how much it gave back.
    pub(crate) fn scavenge_step(&mut self) -> u64 {
        self.refresh_mapped();
        let over_goal = self.retain_goal.is_some_and(|goal| self.retained() > goal);
        let over_limit = self.limit_goal.is_some_and(|goal| self.pacer.mapped.ready > goal);
        match over_goal || over_limit {
            true => self.give_back(SCAVENGE_STEP, false),
            false => 0,
        }
    }

    /// Sets what the background scavenger aims at (`gcPaceScavenger`).
    pub(crate) fn pace_scavenger(&mut self, goal: u64) {
        self.refresh_mapped();
        self.limit_goal = self
            .pacer
            .limit
            .map(|limit| (limit as f64 * 0.95) as u64)
            .filter(|&aim| self.pacer.mapped.ready > aim);
        self.retain_goal = None;
        if self.pacer.last_goal == 0 {
            return;
        }
        let ratio = goal as f64 / self.pacer.last_goal as f64;
        let retain = (self.last_in_use as f64 * ratio) as u64;
        let retain = retain.saturating_add((retain as f64 / 10.0) as u64);
        let retain = retain.checked_next_multiple_of(SYSTEM_PAGE).unwrap_or(u64::MAX);
        if self.retained() > retain && self.retained() - retain >= SYSTEM_PAGE {
            self.retain_goal = Some(retain);
        }
    }
}

const _: () = assert!(SCAVENGE_STEP.is_multiple_of(PAGE));
