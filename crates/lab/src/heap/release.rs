//! Which chunk to give memory back from (`scavengeIndex`, `runtime/mgcscavenge.go`).
//!
//! The highest addresses go first. Two cursors remember down to where nothing is left: one for
//! forced releases and one for those in the background. From Go 1.21 on, the background leaves
//! chunks alone that are nearly full, or were when the collection before ended, since breaking up
//! their huge page costs more than it gains; up to 1.19 both are alike.

use super::chunk::{CHUNK_PAGES, Chunk};

/// Chunks with as many pages in use are dense (`scavChunkHiOccPages`: 96.875 %).
const DENSE_PAGES: usize = CHUNK_PAGES * 31 / 32;

/// The cursors. They hold the last page to look at, plus one.
#[derive(Debug)]
pub(crate) struct ReleaseIndex {
    background: usize,
    forced: usize,
    /// The highest page freed in this generation, plus one.
    freed: usize,
    lowest_chunk: usize,
    generation: u32,
    keeps_dense_chunks: bool,
}

impl ReleaseIndex {
    pub(crate) fn new(keeps_dense_chunks: bool) -> Self {
        Self {
            background: 0,
            forced: 0,
            freed: 0,
            lowest_chunk: usize::MAX,
            generation: 0,
            keeps_dense_chunks,
        }
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn grow(&mut self, chunk: usize) {
        self.lowest_chunk = self.lowest_chunk.min(chunk);
    }

    pub(crate) fn took(chunk: &mut Chunk, pages: usize, generation: u32) {
        Self::turn(chunk, generation);
        chunk.used += pages;
        if chunk.used == CHUNK_PAGES {
            chunk.may_release = false;
        }
    }

    pub(crate) fn freed(chunk: &mut Chunk, pages: usize, generation: u32) {
        Self::turn(chunk, generation);
        chunk.used -= pages.min(chunk.used);
        chunk.may_release = true;
    }

    fn turn(chunk: &mut Chunk, generation: u32) {
        if chunk.generation != generation {
            chunk.last_used = chunk.used;
            chunk.generation = generation;
        }
    }

    pub(crate) fn freed_up_to(&mut self, page: usize) {
        self.freed = self.freed.max(page + 1);
        self.forced = self.forced.max(page + 1);
        if !self.keeps_dense_chunks {
            self.background = self.background.max(page + 1);
        }
    }

    /// A collection ended: what was freed since the last may go (`nextGen`).
    pub(crate) fn next_generation(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.background = self.background.max(self.freed);
        self.freed = 0;
    }

    /// Finds a chunk to give memory back from, and its page to start from downward.
    pub(crate) fn find(&mut self, chunks: &[Chunk], is_forced: bool) -> Option<(usize, usize)> {
        let cursor = if is_forced { &mut self.forced } else { &mut self.background };
        let last = cursor.checked_sub(1)?;
        let start = last / CHUNK_PAGES;
        for index in (self.lowest_chunk..=start).rev() {
            let Some(chunk) = chunks.get(index) else { continue };
            let is_dense = chunk.used >= DENSE_PAGES
                || (chunk.generation == self.generation && chunk.last_used >= DENSE_PAGES);
            let may = chunk.may_release && (is_forced || !self.keeps_dense_chunks || !is_dense);
            if !may {
                continue;
            }
            if index == start {
                return Some((index, last % CHUNK_PAGES));
            }
            *cursor = (index + 1) * CHUNK_PAGES;
            return Some((index, CHUNK_PAGES - 1));
        }
        *cursor = 0;
        None
    }
}
