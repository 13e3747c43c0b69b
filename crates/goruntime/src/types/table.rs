//! Every type of a program, by index and by descriptor.
//!
//! The table is filled by a scan of the type section, not from the linker's list of types: that
//! list lacks named map types, and Go 1.27 has none.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use tophash_memory::{Address, AddressRange, Memory};

use super::descriptor::{DescriptorReader, Header, Parts};
use super::edges::{Edge, edges_of};
use super::mask::PointerMask;
use super::{GoType, Kind, MapTypeInfo, Shape, StructField, TypeId};
use crate::error::Error;
use crate::layout::LayoutTable;
use crate::module_data::ModuleData;
use crate::version::GoVersion;

/// Every known type.
pub struct TypeTable<'m> {
    reader: DescriptorReader<'m>,
    types: Vec<GoType>,
    masks: Vec<OnceLock<PointerMask>>,
    edges: Vec<OnceLock<Box<[Edge]>>>,
    by_descriptor: HashMap<Address, TypeId>,
    by_name: HashMap<Box<str>, TypeId>,
    classic_buckets: HashSet<TypeId>,
    is_classic: bool,
}

impl<'m> TypeTable<'m> {
    /// Reads every descriptor of a module's type section, and those they refer to.
    ///
    /// # Errors
    ///
    /// Fails where the section can't be read at all.
    pub fn read(
        memory: &'m dyn Memory,
        module: &ModuleData,
        version: &GoVersion,
        layout: &LayoutTable,
    ) -> Result<Self, Error> {
        let reader = DescriptorReader::new(memory, module.types, version, layout)?;
        let mut table = Self {
            reader,
            types: Vec::new(),
            masks: Vec::new(),
            edges: Vec::new(),
            by_descriptor: HashMap::new(),
            by_name: HashMap::new(),
            classic_buckets: HashSet::new(),
            is_classic: layout.has("runtime.hmap"),
        };
        let headers: Vec<Header> = table.reader.scan().collect();
        let mut pending = Vec::with_capacity(headers.len());
        for header in headers {
            pending.push((table.reserve(&header), header));
        }
        table.complete(pending);
        Ok(table)
    }

    /// Returns a type.
    ///
    /// # Panics
    ///
    /// Panics where the index is of another table.
    pub fn get(&self, id: TypeId) -> &GoType {
        &self.types[id.index()]
    }

    /// Returns the type at a position, as [`TypeId::index`] gives it.
    pub fn id_at(&self, index: usize) -> Option<TypeId> {
        (index < self.types.len()).then_some(TypeId(index as u32))
    }

    /// Returns how many types there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// Yields every type.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &GoType)> {
        self.types.iter().enumerate().map(|(index, ty)| (TypeId(index as u32), ty))
    }

    /// Returns where the module's descriptors lie.
    pub fn section(&self) -> AddressRange {
        self.reader.section()
    }

    /// Finds the type of a descriptor.
    pub fn by_descriptor(&self, at: Address) -> Option<TypeId> {
        self.by_descriptor.get(&at).copied()
    }

    /// Finds a type by its name; where several share one, the first.
    pub fn by_name(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    /// Returns which words of a value are pointers.
    pub fn mask(&self, id: TypeId) -> &PointerMask {
        self.masks[id.index()].get_or_init(|| PointerMask::of(self, self.get(id)))
    }

    /// Returns what the pointers of a value lead to.
    pub fn edges(&self, id: TypeId) -> &[Edge] {
        self.edges[id.index()].get_or_init(|| edges_of(self, id))
    }

    /// Tells whether a type is the bucket of a classic map.
    pub fn is_classic_bucket(&self, id: TypeId) -> bool {
        self.classic_buckets.contains(&id)
    }

    /// Returns the mask of an anonymous descriptor that the allocator made of a bitmap (1.22 and
    /// 1.23), with the size of the value it repeats over.
    pub fn unrolled_mask(&self, memory: &dyn Memory, at: Address) -> Option<(u64, PointerMask)> {
        use tophash_memory::{ByteSize, MemoryExt};
        let (size, pointers, bitmap) = self.reader.unrolled_bitmap(at)?;
        let words = pointers / 8;
        let bytes = memory.read_bytes(bitmap, ByteSize::new(words.div_ceil(8))).ok()?;
        Some((size, PointerMask::from_bytes(&bytes, usize::try_from(words).ok()?)))
    }

    /// Tells from an object's bytes whether it can be a descriptor that `reflect` made, of a kind
    /// whose parts can prove it: a cheap test before [`TypeTable::load`].
    pub fn may_be_made(&self, bytes: &[u8]) -> bool {
        self.reader.may_be_made(bytes)
    }

    /// Reads a descriptor outside of the type section, as `reflect` makes them in the heap.
    pub fn load(&mut self, at: Address) -> Option<TypeId> {
        if let Some(id) = self.by_descriptor(at) {
            return Some(id);
        }
        let header = self.reader.header(at)?;
        // A header is few bytes; the parts must agree before it is believed.
        match self.reader.parts(&header)? {
            Parts::Elem(elem) | Parts::Array { elem, .. } => {
                self.reader.header(elem)?;
            }
            Parts::Map(map) => {
                for part in [map.key, map.elem, map.group] {
                    self.reader.header(part)?;
                }
            }
            _ => {}
        }
        let id = self.reserve(&header);
        self.complete(vec![(id, header)]);
        Some(id)
    }

    /// Adds a type that has no descriptor.
    pub fn add(&mut self, ty: GoType) -> TypeId {
        let id = TypeId(self.types.len() as u32);
        if let Some(at) = ty.descriptor {
            self.by_descriptor.entry(at).or_insert(id);
        }
        self.types.push(ty);
        self.masks.push(OnceLock::new());
        self.edges.push(OnceLock::new());
        id
    }

    /// Replaces what a type added by [`TypeTable::add`] is made of, once its parts are known.
    pub fn set_shape(&mut self, id: TypeId, shape: Shape, pointer_bytes: u64) {
        let ty = &mut self.types[id.index()];
        ty.shape = shape;
        ty.pointer_bytes = pointer_bytes;
    }

    /// Takes an index for a header, its parts still open.
    fn reserve(&mut self, header: &Header) -> TypeId {
        let name = self.reader.name_of(header).unwrap_or_default();
        self.add(GoType {
            name: name.into(),
            descriptor: Some(header.at),
            size: header.size,
            pointer_bytes: header.pointer_bytes,
            kind: header.kind,
            is_direct: header.is_direct,
            hash: header.hash,
            shape: Shape::Opaque,
        })
    }

    /// Reads the parts of reserved types, and of the types those name, until none is open.
    fn complete(&mut self, mut pending: Vec<(TypeId, Header)>) {
        let first = pending.first().map_or(0, |(id, _)| id.index());
        while let Some((id, header)) = pending.pop() {
            let shape = match self.reader.parts(&header) {
                Some(parts) => self.shape(header.kind, parts, &mut pending),
                None => None,
            };
            self.types[id.index()].shape = shape.unwrap_or(Shape::Opaque);
        }
        for index in first..self.types.len() {
            if !self.is_sound(index) {
                self.types[index].shape = Shape::Opaque;
            }
        }
        for index in first..self.types.len() {
            if self.types[index].name.is_empty() {
                self.types[index].name = self.derived_name(TypeId(index as u32), 8).into();
            }
            self.complete_bucket(index);
            let id = TypeId(index as u32);
            self.by_name.entry(self.types[index].name.clone()).or_insert(id);
            if self.is_classic
                && let Some(map) = self.types[index].as_map()
            {
                let bucket = map.group;
                self.classic_buckets.insert(bucket);
            }
        }
    }

    /// Gives parts to the buckets of classic maps that `reflect` made, which have only a header:
    /// eight tophashes, keys, elems, and the overflow pointer.
    fn complete_bucket(&mut self, map: usize) {
        let Some(info) = self.types[map].as_map().copied().filter(|_| self.is_classic) else {
            return;
        };
        let bucket = self.get(info.group);
        let is_bare = match &bucket.shape {
            Shape::Opaque => true,
            Shape::Struct(fields) => fields.is_empty(),
            _ => false,
        };
        if !is_bare || bucket.size < info.elems_offset.saturating_add(8 * info.elem_stride + 8) {
            return;
        }
        let link = bucket.size - 8;
        let plain = |kind, size, pointer_bytes, shape| GoType {
            name: "".into(),
            descriptor: None,
            size,
            pointer_bytes,
            kind,
            is_direct: false,
            hash: 0,
            shape,
        };
        let mut row = |of: TypeId, is_indirect: bool, stride: u64| {
            let elem = match is_indirect {
                true => self.add(plain(Kind::Pointer, 8, 8, Shape::Pointer(of))),
                false => of,
            };
            let pointers = match self.get(elem).pointer_bytes {
                0 => 0,
                last => 7 * stride + last,
            };
            let shape = Shape::Array { elem, len: 8 };
            self.add(plain(Kind::Array, 8 * stride, pointers, shape))
        };
        let keys = row(info.key, info.indirect_key, info.key_stride);
        let elems = row(info.elem, info.indirect_elem, info.elem_stride);
        let pointer = self.add(plain(Kind::UnsafePointer, 8, 8, Shape::UnsafePointer));
        let field = |name: &str, ty, offset| StructField { name: name.into(), ty, offset };
        let mut fields =
            vec![field("keys", keys, info.keys_offset), field("elems", elems, info.elems_offset)];
        // Without pointers in it, the last word is no pointer to the collector either.
        if self.get(info.group).pointer_bytes == self.get(info.group).size {
            fields.push(field("overflow", pointer, link));
        }
        self.types[info.group.index()].shape = Shape::Struct(fields.into());
    }

    /// Tells whether a type's parts lie inside of it, one after the other, which bounds every walk
    /// over them by the type's size.
    fn is_sound(&self, index: usize) -> bool {
        let ty = &self.types[index];
        match &ty.shape {
            Shape::Struct(fields) => {
                let mut end = 0;
                fields.iter().all(|field| {
                    let start = std::mem::replace(
                        &mut end,
                        field.offset.saturating_add(self.get(field.ty).size),
                    );
                    start <= field.offset && end <= ty.size
                })
            }
            Shape::Array { elem, len } => {
                self.get(*elem).size.checked_mul(*len).is_some_and(|size| size == ty.size)
            }
            _ => true,
        }
    }

    fn shape(
        &mut self,
        kind: Kind,
        parts: Parts,
        pending: &mut Vec<(TypeId, Header)>,
    ) -> Option<Shape> {
        let mut refer = |at: Address| {
            if let Some(&id) = self.by_descriptor.get(&at) {
                return Some(id);
            }
            let header = self.reader.header(at)?;
            let id = self.reserve(&header);
            pending.push((id, header));
            Some(id)
        };
        Some(match (kind, parts) {
            (Kind::Pointer, Parts::Elem(elem)) => Shape::Pointer(refer(elem)?),
            (Kind::Slice, Parts::Elem(elem)) => Shape::Slice(refer(elem)?),
            (Kind::Chan, Parts::Elem(elem)) => Shape::Chan(refer(elem)?),
            (_, Parts::Array { elem, len }) => Shape::Array { elem: refer(elem)?, len },
            (_, Parts::Fields(fields)) => {
                let fields = fields
                    .into_iter()
                    .map(|(name, ty, offset)| Some(StructField { name, ty: refer(ty)?, offset }));
                Shape::Struct(fields.collect::<Option<_>>()?)
            }
            (_, Parts::Map(map)) => Shape::Map(Box::new(MapTypeInfo {
                key: refer(map.key)?,
                elem: refer(map.elem)?,
                group: refer(map.group)?,
                hasher: map.hasher,
                keys_offset: map.keys_offset,
                key_stride: map.key_stride,
                elems_offset: map.elems_offset,
                elem_stride: map.elem_stride,
                indirect_key: map.indirect_key,
                indirect_elem: map.indirect_elem,
            })),
            (_, Parts::Interface { methods }) => {
                Shape::Interface { methods: u32::try_from(methods).ok()? }
            }
            (Kind::String, _) => Shape::String,
            (Kind::UnsafePointer, _) => Shape::UnsafePointer,
            (Kind::Func, _) => Shape::Func,
            _ => Shape::Scalar,
        })
    }

    /// Spells the name of a type that carries none.
    fn derived_name(&self, id: TypeId, depth: u32) -> String {
        let ty = self.get(id);
        if !ty.name.is_empty() {
            return ty.name.to_string();
        }
        let Some(depth) = depth.checked_sub(1) else { return "…".to_owned() };
        let name = |id| self.derived_name(id, depth);
        match &ty.shape {
            Shape::Pointer(elem) => format!("*{}", name(*elem)),
            Shape::Slice(elem) => format!("[]{}", name(*elem)),
            Shape::Array { elem, len } => format!("[{len}]{}", name(*elem)),
            Shape::Chan(elem) => format!("chan {}", name(*elem)),
            Shape::Map(map) => format!("map[{}]{}", name(map.key), name(map.elem)),
            Shape::Struct(fields) if fields.is_empty() => "struct {}".to_owned(),
            Shape::Struct(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|f| format!("{} {}", f.name, name(f.ty))).collect();
                format!("struct {{ {} }}", fields.join("; "))
            }
            Shape::Func => "func".to_owned(),
            Shape::Interface { .. } => "interface".to_owned(),
            Shape::UnsafePointer => "unsafe.Pointer".to_owned(),
            Shape::String => "string".to_owned(),
            Shape::Scalar | Shape::Opaque => format!("{:?}", ty.kind).to_lowercase(),
        }
    }
}
