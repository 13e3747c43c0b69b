//! 512 pages as bits: which are in use and which the system has back (`pallocData`,
//! `runtime/mpallocbits.go`, `runtime/mgcscavenge.go`).

use super::HUGE_PAGE_PAGES;

/// Pages of a chunk (`pallocChunkPages`).
pub(crate) const CHUNK_PAGES: usize = 512;
const WORDS: usize = CHUNK_PAGES / 64;

/// One bit a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageBits([u64; WORDS]);

impl PageBits {
    pub(crate) const NONE: Self = Self([0; WORDS]);
    pub(crate) const ALL: Self = Self([u64::MAX; WORDS]);

    /// Applies `change` to every word that has bits from `start` to `end`, with these.
    fn each(&mut self, start: usize, end: usize, mut change: impl FnMut(&mut u64, u64)) {
        let mut at = start;
        while at < end {
            let (word, bit) = (at / 64, at % 64);
            let count = (64 - bit).min(end - at);
            let mask = (u64::MAX >> (64 - count)) << bit;
            change(&mut self.0[word], mask);
            at += count;
        }
    }

    pub(crate) fn set(&mut self, start: usize, end: usize) {
        self.each(start, end, |word, mask| *word |= mask);
    }

    pub(crate) fn clear(&mut self, start: usize, end: usize) {
        self.each(start, end, |word, mask| *word &= !mask);
    }

    /// Clears bits and returns how many were set.
    pub(crate) fn take(&mut self, start: usize, end: usize) -> u64 {
        let mut count = 0;
        self.each(start, end, |word, mask| {
            count += u64::from((*word & mask).count_ones());
            *word &= !mask;
        });
        count
    }

    /// Returns the 64 bits that `page` is among.
    pub(crate) fn block(&self, page: usize) -> u64 {
        self.0[page / 64]
    }

    pub(crate) fn block_mut(&mut self, page: usize) -> &mut u64 {
        &mut self.0[page / 64]
    }

    /// Finds the first run of `count` clear bits.
    pub(crate) fn find_clear(&self, count: usize) -> Option<usize> {
        let mut run = 0;
        let mut at = 0;
        while at < CHUNK_PAGES {
            let rest = self.0[at / 64] >> (at % 64);
            let left = 64 - at % 64;
            let free = (rest.trailing_zeros() as usize).min(left);
            run += free;
            if run >= count {
                return Some(at + free - run);
            }
            at += free;
            if free < left {
                run = 0;
                at += (!(rest >> free)).trailing_zeros() as usize;
            }
        }
        None
    }

    /// Returns how many bits are clear at the start, at most in a row, and at the end.
    pub(crate) fn runs(&self) -> Runs {
        let mut runs = Runs { start: CHUNK_PAGES, longest: 0, end: 0 };
        let (mut run, mut seen_set) = (0, false);
        for word in self.0 {
            if word == 0 {
                run += 64;
                continue;
            }
            let mut at = 0;
            while at < 64 {
                let rest = word >> at;
                let free = (rest.trailing_zeros() as usize).min(64 - at);
                run += free;
                at += free;
                if at < 64 {
                    if !seen_set {
                        runs.start = run;
                        seen_set = true;
                    }
                    runs.longest = runs.longest.max(run);
                    run = 0;
                    at += (!(word >> at)).trailing_zeros() as usize;
                }
            }
        }
        runs.longest = runs.longest.max(run);
        runs.end = run;
        runs
    }
}

/// Lengths of runs of free pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runs {
    pub(crate) start: usize,
    pub(crate) longest: usize,
    pub(crate) end: usize,
}

/// A chunk: its pages' bits, and what the scavenger keeps of it (`scavChunkData`).
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) in_use: PageBits,
    pub(crate) released: PageBits,
    pub(crate) runs: Runs,
    /// Pages in use, those that a page cache holds included.
    pub(crate) used: usize,
    /// As many when the generation before ended.
    pub(crate) last_used: usize,
    pub(crate) generation: u32,
    /// There may be something to give back.
    pub(crate) may_release: bool,
}

impl Chunk {
    /// A chunk that is no part of the heap: nothing in it is free.
    pub(crate) fn absent() -> Self {
        Self {
            in_use: PageBits::ALL,
            released: PageBits::NONE,
            runs: Runs { start: 0, longest: 0, end: 0 },
            used: CHUNK_PAGES,
            last_used: 0,
            generation: 0,
            may_release: false,
        }
    }

    /// Makes the chunk free and not yet asked of the system.
    pub(crate) fn become_free(&mut self) {
        self.in_use = PageBits::NONE;
        self.released = PageBits::ALL;
        self.used = 0;
        self.update();
    }

    pub(crate) fn update(&mut self) {
        self.runs = self.in_use.runs();
    }

    /// Finds pages to give back, at or below `from`: the highest run of pages that are free and
    /// not given back, at most `most` of them, and more where that keeps a huge page whole
    /// (`findScavengeCandidate`).
    pub(crate) fn release_candidate(&self, from: usize, most: usize) -> Option<(usize, usize)> {
        let busy = |word: usize| self.in_use.0[word] | self.released.0[word];
        let word = (0..=from / 64).rev().find(|&word| busy(word) != u64::MAX)?;
        let last = 63 - (!busy(word)).leading_zeros() as usize;
        let end = word * 64 + last + 1;
        let is_free = |page: usize| busy(page / 64) >> (page % 64) & 1 == 0;
        let mut first = end - 1;
        while first > 0 && is_free(first - 1) {
            first -= 1;
        }
        let run = end - first;
        let mut size = run.min(most.max(1));
        let mut start = end - size;
        // A huge page is not broken up where it could go whole.
        if start.next_multiple_of(HUGE_PAGE_PAGES) <= end {
            let below = start / HUGE_PAGE_PAGES * HUGE_PAGE_PAGES;
            if below >= first {
                size += start - below;
                start = below;
            }
        }
        Some((start, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive_first(bits: &PageBits, count: usize) -> Option<usize> {
        let clear = |page: usize| bits.0[page / 64] >> (page % 64) & 1 == 0;
        (0..=CHUNK_PAGES - count).find(|&at| (at..at + count).all(clear))
    }

    proptest! {
        #[test]
        fn the_first_run_is_found(
            spans in proptest::collection::vec((0..CHUNK_PAGES, 1..90_usize), 0..12),
            count in 1..200_usize,
        ) {
            let mut bits = PageBits::NONE;
            for (start, len) in spans {
                bits.set(start, (start + len).min(CHUNK_PAGES));
            }
            prop_assert_eq!(bits.find_clear(count), naive_first(&bits, count));
            let runs = bits.runs();
            prop_assert_eq!(bits.find_clear(runs.longest.max(1)).is_some(), runs.longest > 0);
            prop_assert_eq!(bits.find_clear(runs.longest + 1), None);
        }
    }

    #[test]
    fn the_highest_pages_go_first_and_huge_pages_go_whole() {
        let mut chunk = Chunk::absent();
        chunk.become_free();
        chunk.released = PageBits::NONE;
        chunk.in_use.set(500, 512);
        assert_eq!(chunk.release_candidate(511, 8), Some((492, 8)));
        assert_eq!(chunk.release_candidate(511, 300), Some((0, 500)));
        chunk.in_use.set(3, 4);
        assert_eq!(chunk.release_candidate(511, 300), Some((200, 300)));
        assert_eq!(chunk.release_candidate(2, 300), Some((4, 60)), "words are looked at whole");
    }
}
