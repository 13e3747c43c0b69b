//! The page allocator: the lowest address that fits (`runtime/mpagealloc.go`).
//!
//! The runtime keeps a radix tree of summaries over chunks of 512 pages to find that address
//! quickly. What it finds is the first fit, so the model keeps the leaves' summaries alone and
//! walks over them from the lowest chunk that has a free page. A chunk costs some 200 bytes, for
//! 4 MiB of the heap.
//!
//! Pages leave the allocator in one of two ways: in runs, or 64 at a time into a *page cache*
//! of a processor (`runtime/mpagecache.go`), which serves runs below 16 pages.

use tophash_goruntime::PAGE;

use super::chunk::{CHUNK_PAGES, Chunk};
use super::release::ReleaseIndex;

/// Pages that a page cache takes at a time (`pageCachePages`).
const CACHE_PAGES: usize = 64;

/// All pages of the heap, by their distance from where the heap may begin.
#[derive(Debug)]
pub(crate) struct PageAllocator {
    pub(crate) chunks: Vec<Chunk>,
    /// No page of a chunk below is free.
    first_free: usize,
    pub(crate) index: ReleaseIndex,
}

/// Up to 64 free pages that one processor took (`pageCache`).
#[derive(Debug, Default, Clone)]
pub(crate) struct PageCache {
    base: usize,
    free: u64,
    released: u64,
}

/// Pages, and how many of them the system had back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pages {
    pub(crate) first: usize,
    pub(crate) released: u64,
}

impl PageAllocator {
    pub(crate) fn new(keeps_dense_chunks: bool) -> Self {
        Self { chunks: Vec::new(), first_free: 0, index: ReleaseIndex::new(keeps_dense_chunks) }
    }

    /// Adds whole chunks, all of them free and not asked of the system.
    pub(crate) fn grow(&mut self, first: usize, count: usize) {
        let (start, end) = (first / CHUNK_PAGES, (first + count) / CHUNK_PAGES);
        if self.chunks.len() < end {
            self.chunks.resize(end, Chunk::absent());
        }
        for chunk in &mut self.chunks[start..end] {
            chunk.become_free();
        }
        self.index.grow(start);
        self.first_free = self.first_free.min(start);
    }

    /// Takes pages off the start of the heap, so that addresses differ from run to run
    /// (`markRandomPaddingPages`).
    pub(crate) fn pad(&mut self, first: usize, count: usize) {
        self.take(first, count);
        self.for_chunks(first, count, |chunk, start, end| chunk.released.set(start, end));
    }

    fn for_chunks(
        &mut self,
        first: usize,
        count: usize,
        mut each: impl FnMut(&mut Chunk, usize, usize),
    ) {
        let mut at = first;
        while at < first + count {
            let (index, start) = (at / CHUNK_PAGES, at % CHUNK_PAGES);
            let end = (start + first + count - at).min(CHUNK_PAGES);
            let Some(chunk) = self.chunks.get_mut(index) else { return };
            each(chunk, start, end);
            at += end - start;
        }
    }

    /// Marks pages as used and returns how many of them the system had back.
    fn take(&mut self, first: usize, count: usize) -> u64 {
        let (mut released, generation) = (0, self.index.generation());
        self.for_chunks(first, count, |chunk, start, end| {
            chunk.in_use.set(start, end);
            released += chunk.released.take(start, end);
            chunk.update();
            ReleaseIndex::took(chunk, end - start, generation);
        });
        released
    }

    /// Allocates pages at the lowest address.
    pub(crate) fn allocate(&mut self, count: usize) -> Option<Pages> {
        let first = self.find(count)?;
        let released = self.take(first, count);
        self.skip_full();
        Some(Pages { first, released })
    }

    fn skip_full(&mut self) {
        while self.chunks.get(self.first_free).is_some_and(|chunk| chunk.runs.longest == 0) {
            self.first_free += 1;
        }
    }

    fn find(&self, count: usize) -> Option<usize> {
        // Free pages at the end of the chunks before.
        let mut run = 0;
        for (index, chunk) in self.chunks.iter().enumerate().skip(self.first_free) {
            let runs = chunk.runs;
            if run + runs.start >= count {
                return Some(index * CHUNK_PAGES - run);
            }
            if runs.longest >= count {
                return chunk.in_use.find_clear(count).map(|page| index * CHUNK_PAGES + page);
            }
            run = if runs.start == CHUNK_PAGES { run + CHUNK_PAGES } else { runs.end };
        }
        None
    }

    /// Frees pages that are not in a page cache.
    pub(crate) fn free(&mut self, first: usize, count: usize) {
        let generation = self.index.generation();
        self.for_chunks(first, count, |chunk, start, end| {
            chunk.in_use.clear(start, end);
            chunk.update();
            ReleaseIndex::freed(chunk, end - start, generation);
        });
        self.index.freed_up_to(first + count - 1);
        self.first_free = self.first_free.min(first / CHUNK_PAGES);
    }

    /// Fills a page cache with the free pages of the first block of 64 that has any.
    pub(crate) fn fill_cache(&mut self) -> PageCache {
        self.skip_full();
        let Some(chunk) = self.chunks.get_mut(self.first_free) else { return PageCache::default() };
        let Some(page) = chunk.in_use.find_clear(1) else { return PageCache::default() };
        let block = page / CACHE_PAGES * CACHE_PAGES;
        let free = !chunk.in_use.block(page);
        let released = chunk.released.block(page) & free;
        *chunk.in_use.block_mut(page) |= free;
        *chunk.released.block_mut(page) &= !free;
        chunk.update();
        ReleaseIndex::took(chunk, free.count_ones() as usize, self.index.generation());
        PageCache { base: self.first_free * CHUNK_PAGES + block, free, released }
    }

    /// Gives a page cache's pages back.
    pub(crate) fn flush_cache(&mut self, cache: &mut PageCache) {
        let cache = std::mem::take(cache);
        let generation = self.index.generation();
        for bit in (0..CACHE_PAGES).filter(|bit| cache.free >> bit & 1 == 1) {
            let page = cache.base + bit;
            let Some(chunk) = self.chunks.get_mut(page / CHUNK_PAGES) else { continue };
            chunk.in_use.clear(page % CHUNK_PAGES, page % CHUNK_PAGES + 1);
            if cache.released >> bit & 1 == 1 {
                chunk.released.set(page % CHUNK_PAGES, page % CHUNK_PAGES + 1);
            }
            ReleaseIndex::freed(chunk, 1, generation);
            self.index.freed_up_to(page);
        }
        if cache.free != 0
            && let Some(chunk) = self.chunks.get_mut(cache.base / CHUNK_PAGES)
        {
            chunk.update();
            self.first_free = self.first_free.min(cache.base / CHUNK_PAGES);
        }
    }

    /// Gives at least `bytes` back to the system, if there are as many free ones, the highest
    /// addresses first, and returns how many (`pageAlloc.scavenge`).
    pub(crate) fn release(&mut self, bytes: u64, is_forced: bool) -> u64 {
        let mut done = 0;
        while done < bytes {
            let Some((index, from)) = self.index.find(&self.chunks, is_forced) else { break };
            let most = (bytes - done).div_ceil(PAGE);
            let most = usize::try_from(most).unwrap_or(usize::MAX).min(CHUNK_PAGES);
            let Some(chunk) = self.chunks.get_mut(index) else { break };
            match chunk.release_candidate(from, most) {
                Some((start, count)) => {
                    chunk.released.set(start, start + count);
                    done += count as u64 * PAGE;
                }
                None => chunk.may_release = false,
            }
        }
        done
    }
}

impl PageCache {
    pub(crate) fn is_empty(&self) -> bool {
        self.free == 0
    }

    /// Takes `count` pages in a row, the lowest.
    pub(crate) fn allocate(&mut self, count: usize) -> Option<Pages> {
        let mut starts = self.free;
        for _ in 1..count {
            starts &= starts >> 1;
        }
        // A bit is left where as many set bits follow each other from it on.
        if starts == 0 {
            return None;
        }
        let bit = starts.trailing_zeros();
        let mask = (u64::MAX >> (CACHE_PAGES - count)) << bit;
        let released = u64::from((self.released & mask).count_ones());
        self.free &= !mask;
        self.released &= !mask;
        Some(Pages { first: self.base + bit as usize, released })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_from_the_lowest_address_that_fits() {
        let mut pages = PageAllocator::new(true);
        pages.grow(0, 2 * CHUNK_PAGES);
        let at = |pages: &mut PageAllocator, count| pages.allocate(count).map(|run| run.first);
        assert_eq!(at(&mut pages, 500), Some(0));
        assert_eq!(at(&mut pages, 20), Some(500), "across chunks");
        pages.free(10, 5);
        assert_eq!(at(&mut pages, 6), Some(520));
        assert_eq!(at(&mut pages, 5), Some(10));
        assert_eq!(at(&mut pages, 600), None);
    }

    #[test]
    fn caches_take_what_is_free_of_a_block() {
        let mut pages = PageAllocator::new(true);
        pages.grow(0, CHUNK_PAGES);
        assert_eq!(pages.allocate(3).map(|run| (run.first, run.released)), Some((0, 3)));
        let mut cache = pages.fill_cache();
        assert_eq!(cache.allocate(2), Some(Pages { first: 3, released: 2 }));
        assert_eq!(pages.allocate(1).map(|run| run.first), Some(64));
        pages.flush_cache(&mut cache);
        assert!(cache.is_empty());
        assert_eq!(pages.allocate(1).map(|run| run.first), Some(5));
    }

    #[test]
    fn what_was_given_back_is_counted_when_it_is_used_again() {
        let mut pages = PageAllocator::new(true);
        pages.grow(0, CHUNK_PAGES);
        assert!(pages.allocate(100).is_some());
        pages.free(20, 30);
        assert_eq!(pages.release(u64::MAX, true), 30 * PAGE);
        assert_eq!(pages.allocate(30), Some(Pages { first: 20, released: 30 }));
    }
}
