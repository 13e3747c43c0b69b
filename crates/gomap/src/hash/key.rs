//! The hash of a key of a given map type.

use std::collections::HashMap;

use tophash_goruntime::{Kind, MapTypeInfo, Program, TypeTable, aes_key_schedule};
use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use super::aes::AesHash;

/// Longer keys and longer strings are not read to tell types apart.
const MAX_BYTES: u64 = 1 << 16;

/// How a map type hashes its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    /// `strhash`: the string's bytes.
    Text,
    /// `memhash32`.
    Four,
    /// `memhash64`.
    Eight,
    /// `memhash` over so many bytes.
    Bytes(u64),
}

/// What can be said of a key's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHash {
    /// The hash.
    Known(u64),
    /// This key can't be of the type: it can't be read as one.
    Impossible,
    /// The type's hash function is not one that can be recomputed.
    Unknown,
}

/// Hashes keys as a program does.
pub struct KeyHasher<'p> {
    memory: &'p dyn Memory,
    types: &'p TypeTable<'p>,
    hash: Option<AesHash>,
    functions: HashMap<Address, Option<Function>>,
    program: &'p Program<'p>,
}

impl<'p> KeyHasher<'p> {
    /// Finds a program's key schedule.
    pub fn new(program: &'p Program<'p>) -> Self {
        let schedule = aes_key_schedule(program.memory(), program.functions());
        Self {
            memory: program.memory(),
            types: program.types(),
            hash: schedule.as_ref().and_then(AesHash::new),
            functions: HashMap::new(),
            program,
        }
    }

    /// Stops recomputing: what was computed for keys whose type is known was wrong.
    pub fn give_up(&mut self) {
        self.hash = None;
    }

    /// Hashes the key at an address as a map type does.
    pub fn hash(&mut self, map: &MapTypeInfo, key: Address, seed: u64) -> KeyHash {
        if self.hash.is_none() {
            return KeyHash::Unknown;
        }
        let Some(function) = self.function(map) else { return KeyHash::Unknown };
        let Some(hash) = &self.hash else { return KeyHash::Unknown };
        let memory = self.memory;
        let value = || -> Option<KeyHash> {
            Some(match function {
                Function::Four => {
                    let key = memory.read_u32(key).ok()?;
                    KeyHash::Known(hash.hash_4(key.to_le_bytes(), seed))
                }
                Function::Eight => {
                    let key = memory.read_u64(key).ok()?;
                    KeyHash::Known(hash.hash_8(key.to_le_bytes(), seed))
                }
                Function::Text => {
                    let data = memory.read_address(key).ok()?;
                    let len = memory.read_u64(key + ByteSize::new(8)).ok()?;
                    self.bytes(hash, data, len, seed)?
                }
                Function::Bytes(len) => self.bytes(hash, key, len, seed)?,
            })
        };
        value().unwrap_or(KeyHash::Impossible)
    }

    fn bytes(&self, hash: &AesHash, at: Address, len: u64, seed: u64) -> Option<KeyHash> {
        if len > MAX_BYTES {
            return Some(KeyHash::Unknown);
        }
        let bytes = match len {
            0 => std::borrow::Cow::default(),
            _ => self.memory.read_bytes(at, ByteSize::new(len)).ok()?,
        };
        Some(KeyHash::Known(hash.hash(&bytes, seed)))
    }

    /// Recognises a map type's hash function by its name.
    fn function(&mut self, map: &MapTypeInfo) -> Option<Function> {
        if let Some(known) = self.functions.get(&map.hasher) {
            return *known;
        }
        let found = self.recognise(map);
        self.functions.insert(map.hasher, found);
        found
    }

    fn recognise(&self, map: &MapTypeInfo) -> Option<Function> {
        let code = self.memory.read_address(map.hasher).ok()?;
        let name = self.program.functions().find(code)?.name().to_lowercase();
        let key = self.types.get(map.key);
        let name = name.rsplit('.').next()?;
        match name {
            _ if name.starts_with("strhash") => {
                (key.kind == Kind::String).then_some(Function::Text)
            }
            _ if name.starts_with("memhash32") => Some(Function::Four),
            _ if name.starts_with("memhash64") => Some(Function::Eight),
            "memhash8" => Some(Function::Bytes(1)),
            "memhash16" => Some(Function::Bytes(2)),
            "memhash128" => Some(Function::Bytes(16)),
            // A closure over the size.
            "memhash_varlen" => {
                let len = self.memory.read_u64(map.hasher + ByteSize::new(8)).ok()?;
                (len == key.size).then_some(Function::Bytes(len))
            }
            _ => None,
        }
    }
}
