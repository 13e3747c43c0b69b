//! Small steps that both designs take in memory.

use tophash_memory::Address;

use super::heap::{Heap, OutOfMemory, Piece, Request};
use super::map_type::MapType;

/// An address further on. Addresses in an arena are far from the end of the address space.
#[inline(always)]
pub(super) fn add(at: Address, bytes: u64) -> Address {
    Address::new(at.get().wrapping_add(bytes))
}

/// Stores bytes, behind a write barrier where they hold pointers.
#[inline(always)]
pub(super) fn store<H: Heap>(heap: &mut H, at: Address, bytes: &[u8], has_pointers: bool) {
    if bytes.is_empty() {
        return;
    }
    if has_pointers {
        heap.barrier(at, bytes.len() as u64, Some(bytes));
    }
    heap.arena_mut().slice_mut(at, bytes.len()).copy_from_slice(bytes);
}

/// Stores a pointer.
#[inline(always)]
pub(super) fn store_pointer<H: Heap>(heap: &mut H, at: Address, pointer: Address) {
    heap.barrier(at, 8, Some(&pointer.get().to_le_bytes()));
    heap.arena_mut().set_word(at, pointer.get());
}

/// Zeroes bytes, behind a write barrier where they hold pointers.
#[inline(always)]
pub(super) fn clear<H: Heap>(heap: &mut H, at: Address, len: u64, has_pointers: bool) {
    if len == 0 {
        return;
    }
    if has_pointers {
        heap.barrier(at, len, None);
    }
    match len {
        8 => heap.arena_mut().set_word(at, 0),
        16 => heap.arena_mut().store(at, [0; 16]),
        len => heap.arena_mut().slice_mut(at, len as usize).fill(0),
    }
}

/// Copies a value, behind a write barrier where it holds pointers. A copy of a length that is not
/// known when compiling is a call; the common lengths are none.
#[inline(always)]
pub(super) fn copy<H: Heap>(
    heap: &mut H,
    from: Address,
    to: Address,
    len: u64,
    has_pointers: bool,
) {
    match len {
        0 => {}
        8 => {
            let word: [u8; 8] = heap.arena().load(from);
            if has_pointers {
                heap.barrier(to, 8, Some(&word));
            }
            heap.arena_mut().store(to, word);
        }
        16 => {
            let words: [u8; 16] = heap.arena().load(from);
            if has_pointers {
                heap.barrier(to, 16, Some(&words));
            }
            heap.arena_mut().store(to, words);
        }
        len if has_pointers => {
            let bytes = heap.arena().slice(from, len as usize).to_vec();
            heap.barrier(to, len, Some(&bytes));
            heap.arena_mut().slice_mut(to, len as usize).copy_from_slice(&bytes);
        }
        len => heap.arena_mut().copy(from, to, len as usize),
    }
}

/// Gives a slot cells for its key and elem where they lie outside of it, and returns where each
/// belongs. Both cells are there before either is stored, so that a heap without room leaves the
/// slot as it was.
#[inline(always)]
pub(super) fn make_cells<H: Heap>(
    ty: &MapType,
    heap: &mut H,
    key: Address,
    elem: Address,
) -> Result<(Address, Address), OutOfMemory> {
    let shape = &ty.facts.shape;
    if !shape.indirect_key && !shape.indirect_elem {
        return Ok((key, elem));
    }
    let mut cell = |is_indirect, piece, size, is_noscan| match is_indirect {
        true => heap.allocate(Request { piece, size, is_noscan }).map(Some),
        false => Ok(None),
    };
    let key_cell = cell(shape.indirect_key, Piece::Key, shape.key_size, shape.key_is_noscan)?;
    let elem_cell = cell(shape.indirect_elem, Piece::Elem, shape.elem_size, shape.elem_is_noscan)?;
    for (slot, cell) in [(key, key_cell), (elem, elem_cell)] {
        if let Some(cell) = cell {
            store_pointer(heap, slot, cell);
        }
    }
    Ok((key_cell.unwrap_or(key), elem_cell.unwrap_or(elem)))
}

/// Clears a deleted slot: what could keep memory alive, and always the elem, since `m[k] += v`
/// starts from it. A key without pointers stays.
#[inline(always)]
pub(super) fn clear_slot<H: Heap>(ty: &MapType, heap: &mut H, key: Address, elem: Address) {
    let facts = &ty.facts;
    let shape = &facts.shape;
    retire_slot_cells(ty, heap, key, elem);
    if shape.indirect_key {
        store_pointer(heap, key, Address::NULL);
    } else if facts.key_has_pointers {
        clear(heap, key, shape.key_size, true);
    }
    if shape.indirect_elem {
        store_pointer(heap, elem, Address::NULL);
    } else {
        clear(heap, elem, shape.elem_size, facts.elem_has_pointers);
    }
}

/// Accounts for a slot's key and elem where they lie in cells that nothing else refers to.
#[inline(always)]
pub(super) fn retire_slot_cells<H: Heap>(ty: &MapType, heap: &mut H, key: Address, elem: Address) {
    let shape = &ty.facts.shape;
    let mut retire = |slot, piece, size, is_noscan| {
        let cell = Address::new(heap.arena().word(slot));
        heap.retire(cell, Request { piece, size, is_noscan });
    };
    if shape.indirect_key {
        retire(key, Piece::Key, shape.key_size, shape.key_is_noscan);
    }
    if shape.indirect_elem {
        retire(elem, Piece::Elem, shape.elem_size, shape.elem_is_noscan);
    }
}
