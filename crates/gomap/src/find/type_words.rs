//! Words by which memory tells types without DWARF: an interface's type word or method table, a
//! channel's element, a closure's code pointer.

use std::cell::RefCell;
use std::collections::HashMap;

use tophash_goruntime::{Field, Heap, Kind, Program, Slot, TypeId, TypeTable};
use tophash_memory::{Address, AddressRange, Memory};

/// The lowest address that a program can map; smaller numbers are numbers.
const LOWEST: u64 = 4096;
/// The end of the address space that user programs have.
const HIGHEST: u64 = 1 << 47;

/// Reads type words, remembering the method tables it met.
pub(super) struct TypeWords<'p> {
    program: &'p Program<'p>,
    types: &'p TypeTable<'p>,
    memory: &'p dyn Memory,
    heap_range: AddressRange,
    method_tables: RefCell<HashMap<Address, Option<TypeId>>>,
    itab: Option<ItabFields>,
    channel: Option<ChannelFields>,
    channel_slot: u64,
}

struct ItabFields {
    interface: Field,
    ty: Field,
    hash: Field,
}

struct ChannelFields {
    count: Field,
    capacity: Field,
    buffer: Field,
    elem_size: Field,
    elem_type: Field,
}

impl<'p> TypeWords<'p> {
    pub(super) fn new(program: &'p Program<'p>) -> Self {
        let layout = program.layout();
        let any = |names: &[(&str, &str)]| layout.any_field(names).ok();
        let itab = || {
            Some(ItabFields {
                interface: any(&[("internal/abi.ITab", "Inter"), ("runtime.itab", "inter")])?,
                ty: any(&[("internal/abi.ITab", "Type"), ("runtime.itab", "_type")])?,
                hash: any(&[("internal/abi.ITab", "Hash"), ("runtime.itab", "hash")])?,
            })
        };
        let field = |name| layout.find("runtime.hchan", name);
        let channel = || {
            Some(ChannelFields {
                count: field("qcount")?,
                capacity: field("dataqsiz")?,
                buffer: field("buf")?,
                elem_size: field("elemsize")?,
                elem_type: field("elemtype")?,
            })
        };
        let spans = program.heap().spans();
        let heap_range = AddressRange::new(
            spans.first().map_or(Address::NULL, |span| span.range().start()),
            spans.last().map_or(Address::NULL, |span| span.range().end()),
        );
        let size = layout.size_of(&["runtime.hchan"]).unwrap_or(0);
        Self {
            program,
            types: program.types(),
            memory: program.memory(),
            heap_range,
            method_tables: RefCell::new(HashMap::new()),
            itab: itab(),
            channel: channel(),
            channel_slot: program.heap().size_classes().slot_size(size, false),
        }
    }

    /// Tells whether a word can be a type word at all: a cheap test before the look-ups.
    #[inline]
    pub(super) fn may_be_type_word(&self, word: Address) -> bool {
        (LOWEST..HIGHEST).contains(&word.get()) && word.is_aligned(8)
    }

    /// Returns the type that an interface's first word names, be it a descriptor or a method table.
    pub(super) fn dynamic_type(&self, word: Address) -> Option<TypeId> {
        if !self.may_be_type_word(word) {
            return None;
        }
        if let Some(ty) = self.types.by_descriptor(word) {
            return Some(ty);
        }
        if self.heap_range.contains(word) {
            // Method tables are static data (from Go 1.27 among the types), or come from the
            // runtime's own allocator.
            return None;
        }
        if let Some(known) = self.method_tables.borrow().get(&word) {
            return *known;
        }
        let found = self.method_table(word);
        self.method_tables.borrow_mut().insert(word, found);
        found
    }

    fn method_table(&self, at: Address) -> Option<TypeId> {
        let itab = self.itab.as_ref()?;
        let interface = itab.interface.read_address(self.memory, at).ok()?;
        let interface = self.types.get(self.types.by_descriptor(interface)?);
        if interface.kind != Kind::Interface {
            return None;
        }
        let ty = self.types.by_descriptor(itab.ty.read_address(self.memory, at).ok()?)?;
        let hash = itab.hash.read(self.memory, at).ok()?;
        (u64::from(self.types.get(ty).hash) == hash).then_some(ty)
    }

    /// Returns the element type of the channel at an address.
    pub(super) fn channel_type(&self, at: Address) -> Option<TypeId> {
        self.channel_at(at)
    }

    /// Tells whether a channel of the element type is at `at`.
    pub(super) fn is_channel_of(&self, at: Address, elem: TypeId) -> bool {
        self.channel_at(at).is_some_and(|found| {
            found == elem || self.types.get(found).size == self.types.get(elem).size
        })
    }

    fn channel_at(&self, at: Address) -> Option<TypeId> {
        let channel = self.channel.as_ref()?;
        let read = |field: Field| field.read(self.memory, at).ok();
        let elem = self.types.by_descriptor(Address::new(read(channel.elem_type)?))?;
        let sound = read(channel.elem_size)? == self.types.get(elem).size & 0xffff
            && read(channel.count)? <= read(channel.capacity)?;
        sound.then_some(elem)
    }

    /// Returns the element type of an object that is a channel by its form.
    pub(super) fn channel_elem(&self, heap: &Heap<'_>, slot: Slot) -> Option<TypeId> {
        if heap.span(slot.span).elem_size() != self.channel_slot {
            return None;
        }
        self.channel_at(heap.object_start(slot))
    }

    /// Returns where a channel's buffer is and how many elements it has room for.
    pub(super) fn channel_buffer(&self, at: Address) -> Option<(Address, u64)> {
        let channel = self.channel.as_ref()?;
        let buffer = channel.buffer.read_address(self.memory, at).ok()?;
        Some((buffer, channel.capacity.read(self.memory, at).ok()?))
    }

    /// Tells whether an object is a function value: its first word is no pointer to the collector
    /// but is the entry of a function.
    pub(super) fn is_closure(&self, heap: &Heap<'_>, types: &TypeTable<'_>, slot: Slot) -> bool {
        let Some(code) = heap.object_bytes(slot).first_chunk::<8>() else { return false };
        let code = Address::new(u64::from_le_bytes(*code));
        self.program.functions().is_entry(code) && !heap.is_pointer_word(types, slot, 0)
    }
}
