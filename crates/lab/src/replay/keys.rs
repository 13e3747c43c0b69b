//! Keys by their number: different numbers make different values of the type.

use tophash_gomap::{GoType, Heap, OutOfMemory, Piece, Request};

/// Bytes of a string whose length is not known.
pub(super) const USUAL_TEXT: u64 = 16;

/// A type that stands in interfaces for any.
pub(super) const DYNAMIC_WORD: u64 = 0x1000;

/// Makes the bytes of a key in memory. What it refers to goes to the heap.
///
/// The number's bytes are spread over the plain parts of the type, again and again, so that each type
/// tells as many keys apart as its values can be.
///
/// # Errors
///
/// Fails where the heap has no room.
pub(super) fn key_bytes<H: Heap>(
    heap: &mut H,
    ty: &GoType,
    number: u64,
    text: u64,
) -> Result<Vec<u8>, OutOfMemory> {
    let mut bytes = vec![0; ty.size() as usize];
    let mut maker = Maker { heap, number, text, taken: 0 };
    maker.fill(ty, &mut bytes)?;
    Ok(bytes)
}

struct Maker<'h, H> {
    heap: &'h mut H,
    number: u64,
    text: u64,
    /// How many of the number's bytes were given out.
    taken: usize,
}

impl<H: Heap> Maker<'_, H> {
    fn plain(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.number.to_le_bytes()[self.taken % 8];
            self.taken += 1;
        }
    }

    fn object(&mut self, bytes: &[u8]) -> Result<u64, OutOfMemory> {
        let size = bytes.len() as u64;
        let at = self.heap.allocate(Request { piece: Piece::Text(size), size, is_noscan: true })?;
        self.heap.arena_mut().slice_mut(at, bytes.len()).copy_from_slice(bytes);
        Ok(at.get())
    }

    fn fill(&mut self, ty: &GoType, bytes: &mut [u8]) -> Result<(), OutOfMemory> {
        match ty {
            GoType::Integer(_) => self.plain(bytes),
            // Small whole numbers are themselves, and none is NaN.
            GoType::Float(4) => bytes.copy_from_slice(&(self.number as f32).to_le_bytes()),
            GoType::Float(_) => bytes.copy_from_slice(&(self.number as f64).to_le_bytes()),
            GoType::Complex(8) => bytes[..4].copy_from_slice(&(self.number as f32).to_le_bytes()),
            GoType::Complex(_) => bytes[..8].copy_from_slice(&(self.number as f64).to_le_bytes()),
            // As objects of 16 bytes would lie.
            GoType::Pointer => bytes.copy_from_slice(&(self.number << 4).to_le_bytes()),
            GoType::String => {
                let mut text = vec![b'.'; self.text as usize];
                for (byte, part) in text.iter_mut().zip(self.number.to_le_bytes()) {
                    *byte = part;
                }
                let at = if text.is_empty() { 0 } else { self.object(&text)? };
                bytes[..8].copy_from_slice(&at.to_le_bytes());
                bytes[8..].copy_from_slice(&self.text.to_le_bytes());
            }
            GoType::Interface { .. } => {
                let at = self.object(&self.number.to_le_bytes())?;
                bytes[..8].copy_from_slice(&DYNAMIC_WORD.to_le_bytes());
                bytes[8..].copy_from_slice(&at.to_le_bytes());
            }
            GoType::Array(_, elem) => {
                let size = elem.size() as usize;
                if size > 0 {
                    for bytes in bytes.chunks_exact_mut(size) {
                        self.fill(elem, bytes)?;
                    }
                }
            }
            GoType::Struct(fields) => {
                for (offset, field) in GoType::fields(fields) {
                    let (start, size) = (offset as usize, field.ty.size() as usize);
                    if &*field.name != "_" {
                        self.fill(&field.ty, &mut bytes[start..start + size])?;
                    }
                }
            }
            // No keys.
            GoType::Reference | GoType::Slice => {}
        }
        Ok(())
    }
}
