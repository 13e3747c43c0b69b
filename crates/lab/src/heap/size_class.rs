//! Size classes and what a span of each holds (`runtime/sizeclasses.go`, `runtime/msize.go`;
//! `internal/runtime/gc/sizeclasses.go` from Go 1.25).
//!
//! The sizes come from the layout tables. How many pages a span of a class has is found as the
//! runtime's generator finds it (`mksizeclasses.go`): so few that at most an eighth is wasted. It
//! starts from smaller sizes, and then widens them as far as as many fit the span. A test holds
//! the pages against the runtime's own table, and the sizes against the layouts'.
//!
//! A *span class* is a size class and whether its objects are free of pointers: twice the class,
//! plus one where they are (`makeSpanClass`).

use tophash_goruntime::{GoVersion, LayoutTable, PAGE};

use super::Rules;

/// The largest object that a size class serves (`maxSmallSize`).
pub(crate) const MAX_SMALL: u64 = 32768;
/// Objects without pointers below this share blocks of this size (`maxTinySize`).
pub(crate) const TINY: u64 = 16;
/// From Go 1.22 on, objects with pointers above this have a header (`minSizeForMallocHeader`).
pub(crate) const HEADER_ABOVE: u64 = 512;
/// That header (`mallocHeaderSize`).
pub(crate) const HEADER: u64 = 8;
/// Sizes are widened to multiples of this (`largeSizeDiv`).
const WIDENING: u64 = 128;
/// What a span of small objects ends with where the collector scans it as a whole
/// (`spanInlineMarkBits`, from Go 1.26 on).
const INLINE_MARKS: u64 = 128;

/// A size class, doubled, plus one where objects have no pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanClass(pub(crate) u8);

impl SpanClass {
    /// Where tiny objects lie.
    pub(crate) const TINY: Self = Self(5);

    pub(crate) fn new(size_class: usize, is_noscan: bool) -> Self {
        Self((size_class << 1) as u8 | u8::from(is_noscan))
    }

    /// Returns the size class; 0 is for large objects.
    pub fn size_class(self) -> usize {
        usize::from(self.0 >> 1)
    }

    /// Tells whether objects have no pointers.
    pub fn is_noscan(self) -> bool {
        self.0 & 1 == 1
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The slot sizes of a release, and the pages of a span of each.
#[derive(Debug, Clone)]
pub(crate) struct SizeClassTable {
    sizes: Vec<u64>,
    pages: Vec<u64>,
}

impl SizeClassTable {
    pub(crate) fn new(layout: &LayoutTable) -> Self {
        let sizes: Vec<u64> = layout.size_classes().iter().map(|&size| size.into()).collect();
        let found = span_pages();
        let pages = |size: &u64| found.iter().find(|(class, _)| class == size).map_or(0, |f| f.1);
        let pages = sizes.iter().map(pages).collect();
        Self { sizes, pages }
    }

    /// Returns the number of classes, that of large objects included.
    pub(crate) fn len(&self) -> usize {
        self.sizes.len()
    }

    pub(crate) fn size(&self, class: usize) -> u64 {
        self.sizes.get(class).copied().unwrap_or(0)
    }

    pub(crate) fn pages(&self, class: usize) -> u64 {
        self.pages.get(class).copied().unwrap_or(0)
    }

    /// Returns the least class whose slots hold `size` bytes.
    pub(crate) fn class_of(&self, size: u64) -> usize {
        self.sizes.partition_point(|&slot| slot < size).max(1)
    }
}

/// Returns the classes that there are, with the pages of a span of each.
fn span_pages() -> Vec<(u64, u64)> {
    let mut classes: Vec<(u64, u64)> = Vec::new();
    let mut size = 0_u64;
    loop {
        // Sizes are multiples of an eighth of the power of two below, within bounds.
        size += match size {
            0..32 => 8,
            32..128 => 16,
            128..2048 => (1_u64 << size.ilog2()) / 8,
            _ => 256,
        };
        if size > MAX_SMALL {
            break;
        }
        let fewest = (1..).find(|pages| pages * PAGE % size <= pages * PAGE / 8).unwrap_or(1);
        match classes.last_mut() {
            // As many fit as of the size before, which nobody needs then.
            Some((last, pages))
                if *pages == fewest && fewest * PAGE / size == fewest * PAGE / *last =>
            {
                *last = size;
            }
            _ => classes.push((size, fewest)),
        }
    }
    for (size, pages) in &mut classes {
        let bytes = *pages * PAGE;
        *size = (*size).max(bytes / (bytes / *size) / WIDENING * WIDENING);
    }
    classes
}

/// Returns how many slots of `size` fit a span, beside what the runtime keeps at its end
/// (`mheap.initSpan`).
pub(crate) fn slots(rules: &Rules, size: u64, pages: u64, is_noscan: bool) -> u64 {
    let bytes = pages * PAGE;
    let is_inline = size <= HEADER_ABOVE;
    let bitmap = match rules.has_headers && is_inline && !is_noscan {
        true => bytes / 64,
        false => 0,
    };
    let marks = match rules.has_inline_marks && is_inline && size >= TINY {
        true => INLINE_MARKS,
        false => 0,
    };
    (bytes - bitmap - marks) / size
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Into a block that it shares.
    Tiny,
    /// Into a slot, behind a header or not.
    Small { class: SpanClass, header: u64 },
    /// Into a span of its own.
    Large { pages: u64 },
}

impl Rules {
    /// Decides where a request of `size` bytes goes (`mallocgc`).
    pub(crate) fn place(&self, size: u64, is_noscan: bool) -> Placement {
        if is_noscan && size < TINY {
            return Placement::Tiny;
        }
        // From the release with headers on the bound leaves room for one, needed or not.
        let most = if self.has_headers { MAX_SMALL - HEADER } else { MAX_SMALL };
        if size > most {
            return Placement::Large { pages: size.div_ceil(PAGE) };
        }
        let header = match self.has_headers && !is_noscan && size > HEADER_ABOVE {
            true => HEADER,
            false => 0,
        };
        let class = self.classes.class_of(size + header);
        Placement::Small { class: SpanClass::new(class, is_noscan), header }
    }

    /// Returns the bytes that a request of `size` bytes gets to use (`roundupsize`). Releases up
    /// to 1.21 don't distinguish pointers, and have no headers.
    pub fn round_up(&self, size: u64, is_noscan: bool) -> u64 {
        let most = if self.has_headers { MAX_SMALL - HEADER } else { MAX_SMALL };
        // Up to 1.21 what is exactly as large as the largest class was rounded to a page.
        if size > most || (!self.has_headers && size == MAX_SMALL) {
            return size.checked_next_multiple_of(PAGE).unwrap_or(size);
        }
        let header = match self.has_headers && !is_noscan && size > HEADER_ABOVE {
            true => HEADER,
            false => 0,
        };
        self.classes.size(self.classes.class_of(size + header)) - header
    }

    /// Reads the rules of a release.
    ///
    /// # Errors
    ///
    /// Fails for a release that there is no layout table of.
    pub fn of(version: &GoVersion) -> Result<Self, tophash_goruntime::Error> {
        let layout = LayoutTable::for_version(version)?;
        let minor = version.minor();
        let has = |experiment: &str| version.experiments().iter().any(|name| name == experiment);
        Ok(Self {
            classes: SizeClassTable::new(&layout),
            has_headers: minor >= 22,
            has_inline_marks: match minor {
                25 => has("greenteagc"),
                _ => minor >= 26 && !has("nogreenteagc"),
            },
            has_random_base: minor >= 26,
            keeps_dense_chunks: minor >= 21,
            paces_as_1_19: minor < 21,
            headroom_percent: if minor >= 21 { 3 } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `class_to_allocnpages`, which every release from 1.19 to 1.27 has alike.
    const PAGES: [u64; 68] = [
        0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 1, 3, 2, 3, 1, 3, 2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2,
        9, 7, 5, 8, 3, 10, 7, 4,
    ];

    fn rules(version: &str) -> Rules {
        Rules::of(&GoVersion::parse(version).unwrap()).unwrap()
    }

    #[test]
    fn spans_have_as_many_pages_as_the_runtimes_table_says() {
        for version in LayoutTable::releases() {
            let classes = Rules::of(&version).unwrap().classes;
            let pages: Vec<u64> = (0..classes.len()).map(|class| classes.pages(class)).collect();
            assert_eq!(pages, PAGES, "{version:?}");
        }
    }

    #[test]
    fn what_lies_at_the_end_of_a_span_takes_slots() {
        let counts = |version: &str| {
            let rules = rules(version);
            [(16, true), (16, false), (512, true), (512, false), (8, false)]
                .map(|(size, is_noscan)| slots(&rules, size, 1, is_noscan))
        };
        assert_eq!(counts("go1.21.13"), [512, 512, 16, 16, 1024]);
        assert_eq!(counts("go1.24.11"), [512, 504, 16, 15, 1008]);
        assert_eq!(counts("go1.27.3"), [504, 496, 15, 15, 1008]);
    }

    #[test]
    fn requests_are_placed_as_mallocgc_places_them() {
        let (older, newer) = (rules("go1.21.13"), rules("go1.22.10"));
        assert_eq!(older.place(15, true), Placement::Tiny);
        assert_eq!(
            newer.place(513, false),
            Placement::Small { class: SpanClass::new(27, false), header: 8 }
        );
        assert_eq!(
            older.place(32768, true),
            Placement::Small { class: SpanClass::new(67, true), header: 0 }
        );
        assert_eq!(newer.place(32768, true), Placement::Large { pages: 4 });
        assert_eq!(newer.round_up(1024, false), 1144);
        assert_eq!(older.round_up(1024, false), 1024);
    }
}
