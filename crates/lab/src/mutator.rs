//! What a program does with its memory.

use tophash_gomap::{GoType, OutOfMemory};
use tophash_memory::{Address, Arena};

use crate::gc::FinalizerId;
use crate::heap::{MemStats, Special};
use crate::pointer_map::{MapId, PointerMap};
use crate::runtime::{Goroutine, Runtime};

/// What objects without size are addressed by (`zerobase`); not in the heap.
const ZERO_BASE: Address = Address::new(0x5a_0000);
/// A stack as it starts.
const FIRST_STACK: u64 = 2048;

/// A goroutine's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoroutineId(pub(crate) usize);

/// A place that holds a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// A global, by number.
    Global(usize),
    /// A goroutine's stack slot.
    Stack(GoroutineId, usize),
    /// A word of an object.
    Heap(Address),
}

impl Runtime {
    /// Adds globals, all nil, and returns the first one's number.
    pub fn add_globals(&mut self, count: usize) -> usize {
        let first = self.globals.len();
        self.globals.resize(first + count, 0);
        self.heap.pacer.globals_scan += count as u64 * 8;
        first
    }

    /// Starts a goroutine with so many stack slots, the first of which hold its arguments.
    ///
    /// # Errors
    ///
    /// Fails where there is no room for its stack.
    pub fn go(&mut self, slots: usize, arguments: &[Address]) -> Result<GoroutineId, OutOfMemory> {
        let size = (slots as u64 * 8).max(FIRST_STACK);
        let memory = self.heap.allocate_stack(0, size).ok_or(OutOfMemory { size })?;
        let mut stack = vec![0; slots.max(arguments.len())];
        for (slot, argument) in stack.iter_mut().zip(arguments) {
            *slot = argument.get();
        }
        // A stack that appears while others are scanned is not scanned itself: its arguments lie
        // in an object that the starting goroutine stores.
        if self.heap.is_marking {
            for &argument in arguments {
                self.shade(argument.get());
            }
        }
        self.heap.pacer.max_stack_scan += memory.size;
        let is_scanned = self.heap.is_marking;
        let goroutine = Goroutine { slots: stack, memory, assist_bytes: 0, is_scanned };
        let free = self.goroutines.iter().position(Option::is_none);
        let index = free.unwrap_or(self.goroutines.len());
        match free {
            Some(index) => self.goroutines[index] = Some(goroutine),
            None => self.goroutines.push(Some(goroutine)),
        }
        Ok(GoroutineId(index))
    }

    /// Ends a goroutine.
    pub fn exit(&mut self, goroutine: GoroutineId) {
        if let Some(ended) = self.goroutines.get_mut(goroutine.0).and_then(Option::take) {
            self.heap.pacer.max_stack_scan -= ended.memory.size;
            self.heap.free_stack(ended.memory);
        }
    }

    /// Gives a pointer map a number.
    pub fn pointer_map(&mut self, map: PointerMap) -> MapId {
        self.maps.intern(map)
    }

    /// Allocates `size` zeroed bytes with pointers by `map` (`mallocgc`). The address must be stored
    /// before the next call.
    ///
    /// # Errors
    ///
    /// Fails where the address space ends.
    pub fn allocate(
        &mut self,
        goroutine: GoroutineId,
        size: u64,
        map: MapId,
    ) -> Result<Address, OutOfMemory> {
        if size == 0 {
            return Ok(ZERO_BASE);
        }
        self.tick(crate::gc::allocation_nanos(size));
        if self.heap.is_marking {
            self.assist(goroutine.0, size);
        }
        let processor = goroutine.0 % self.heap.caches.len();
        let pointer_bytes = self.maps.get(map).pointer_bytes(size);
        let new = self.heap.allocate(processor, size, map, pointer_bytes);
        let new = new.ok_or(OutOfMemory { size })?;
        self.hear_of_freed();
        if self.heap.is_marking
            && let Some(Some(running)) = self.goroutines.get_mut(goroutine.0)
        {
            // What the slot has beyond the request is owed, too.
            let beyond = new.slot_size.saturating_sub(size);
            running.assist_bytes = running.assist_bytes.saturating_sub_unsigned(beyond);
        }
        if self.checker.has_early() {
            self.checker.allocated(new.at, new.slot_size);
        }
        if new.may_trigger {
            self.collect_if_due();
        }
        Ok(Address::new(new.at))
    }

    /// Allocates a value of a type (`new`).
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate).
    pub fn new_value(
        &mut self,
        goroutine: GoroutineId,
        ty: &GoType,
    ) -> Result<Address, OutOfMemory> {
        self.new_array(goroutine, ty, 1)
    }

    /// Allocates an array of a type (`make([]T, len)`).
    ///
    /// # Errors
    ///
    /// As [`allocate`](Self::allocate).
    pub fn new_array(
        &mut self,
        goroutine: GoroutineId,
        ty: &GoType,
        len: u64,
    ) -> Result<Address, OutOfMemory> {
        let map = self.maps.intern(PointerMap::of(ty));
        let size = ty.size().checked_mul(len).ok_or(OutOfMemory { size: u64::MAX })?;
        self.allocate(goroutine, size, map)
    }

    /// Reads a pointer.
    ///
    /// # Panics
    ///
    /// Where there is no such slot.
    pub fn load(&mut self, slot: Slot) -> Address {
        self.tick(crate::gc::ACCESS);
        let value = match slot {
            Slot::Global(index) => self.globals[index],
            Slot::Stack(goroutine, index) => self.stack(goroutine)[index],
            Slot::Heap(at) => {
                let value = self.heap.arena.word(at);
                if self.checker.has_early() {
                    self.checker.read(at.get(), value);
                }
                value
            }
        };
        Address::new(value)
    }

    fn stack(&mut self, goroutine: GoroutineId) -> &mut Vec<u64> {
        match &mut self.goroutines[goroutine.0] {
            Some(goroutine) => &mut goroutine.slots,
            None => panic!("goroutine {} has ended", goroutine.0),
        }
    }

    /// Writes a pointer, behind a write barrier where the collector needs one.
    ///
    /// As in Go, a goroutine can only store on its stack what it can reach: from its own slots,
    /// globals and objects. [`send`](Self::send) is for what another one has.
    ///
    /// # Panics
    ///
    /// Where there is no such slot.
    pub fn store(&mut self, slot: Slot, value: Address) {
        match slot {
            // Stacks have no barrier.
            Slot::Stack(goroutine, index) => self.stack(goroutine)[index] = value.get(),
            Slot::Global(index) => {
                let old = self.globals[index];
                self.write_barrier(old, value.get());
                self.globals[index] = value.get();
            }
            Slot::Heap(at) => {
                if self.heap.is_marking {
                    let old = self.heap.arena.word(at);
                    self.write_barrier(old, value.get());
                }
                self.heap.arena.set_word(at, value.get());
            }
        }
        self.tick(crate::gc::ACCESS);
    }

    /// Hands a pointer to another goroutine's stack, as a channel does whose receiver waits
    /// (`sendDirect`, `runtime/chan.go`): the one store to a stack that has a write barrier.
    ///
    /// # Panics
    ///
    /// Where there is no such slot.
    pub fn send(&mut self, value: Address, to: GoroutineId, slot: usize) {
        let old = self.stack(to)[slot];
        self.write_barrier(old, value.get());
        self.store(Slot::Stack(to, slot), value);
    }

    /// Returns the memory that objects lie in.
    pub fn arena(&self) -> &Arena {
        &self.heap.arena
    }

    /// Returns the memory that objects lie in, to write what is no pointer.
    pub fn arena_mut(&mut self) -> &mut Arena {
        &mut self.heap.arena
    }

    /// Sets or, with nothing, clears an object's finalizer (`runtime.SetFinalizer`). Returns false
    /// where `object` is none, or has one already.
    pub fn set_finalizer(&mut self, object: Address, finalizer: Option<FinalizerId>) -> bool {
        let Some((id, slot)) = self.heap.slot_of(object.get()) else { return false };
        let span = self.heap.span(id);
        if !span.is_allocated(slot) {
            return false;
        }
        let is_unswept = span.sweep_gen == self.heap.sweep.generation.wrapping_sub(2);
        let base = span.slot_base(slot);
        if is_unswept && self.heap.acquire_for_sweep(id) {
            // Else the sweep would take marks of the last cycle for an answer
            // (`mspan.ensureSwept`).
            self.heap.sweep_span(id, false);
            self.hear_of_freed();
        }
        let specials = self.heap.specials.entry(base).or_default();
        let has_one = specials.iter().any(|special| matches!(special, Special::Finalizer(_)));
        match finalizer {
            Some(finalizer) if !has_one => {
                specials.push(Special::Finalizer(finalizer));
                if self.heap.is_marking {
                    // The root was scanned before it was one (`addfinalizer`).
                    self.scan_finalizable(base);
                }
                true
            }
            Some(_) => false,
            None => {
                specials.retain(|special| !matches!(special, Special::Finalizer(_)));
                if specials.is_empty() {
                    self.heap.specials.remove(&base);
                }
                true
            }
        }
    }

    /// Takes the next finalizer that is due, with its object, which lives for as long as something
    /// refers to it.
    pub fn next_finalizer(&mut self) -> Option<(Address, FinalizerId)> {
        let (object, finalizer) = self.heap.finalizable.pop_front()?;
        if self.heap.is_marking {
            self.shade(object);
        }
        Some((Address::new(object), finalizer))
    }

    /// Reads the figures of the heap (`runtime.ReadMemStats`).
    pub fn mem_stats(&mut self) -> MemStats {
        let mut stats = self.heap.read_stats();
        self.hear_of_freed();
        stats.num_gc = self.collector.count;
        stats.num_forced_gc = self.collector.forced;
        stats.last_gc = self.collector.last_end;
        stats.pause_total_ns = self.collector.paused;
        stats.gc_cpu_fraction = self.gc_cpu_fraction();
        stats
    }
}
