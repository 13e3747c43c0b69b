//! Where a parameter's value goes, as one byte for each place it may go to.
//!
//! A byte holds the least number of dereferences on any way to that place, plus one; zero says that there
//! is no way. The places are the heap, a pointer through which something is written, a function value
//! that is called, and the first five results. Go's compilers store the same eight bytes with each
//! parameter that they export (`cmd/compile/internal/escape/leaks.go`, 1.22 to 1.27; older ones know no
//! writes and no calls).

use std::fmt;

/// Results that a parameter can be said to flow to; what goes to a later one is taken to go to the heap.
pub(crate) const RESULTS: usize = 5;

const HEAP: usize = 0;
const MUTATOR: usize = 1;
const CALLEE: usize = 2;
const FIRST_RESULT: usize = 3;

/// Where a parameter's value goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Leaks([u8; FIRST_RESULT + RESULTS]);

impl Leaks {
    /// A parameter of which nothing is known: it goes to the heap as it is.
    pub fn unknown() -> Self {
        let mut leaks = Self::default();
        leaks.add_heap(0);
        leaks
    }

    /// Least dereferences on a way to the heap.
    pub fn heap(&self) -> Option<u8> {
        self.get(HEAP)
    }

    /// Least dereferences on a way to a pointer that is written through.
    pub fn mutator(&self) -> Option<u8> {
        self.get(MUTATOR)
    }

    /// Least dereferences on a way to a function value that is called.
    pub fn callee(&self) -> Option<u8> {
        self.get(CALLEE)
    }

    /// Least dereferences on a way to a result, counted from zero.
    pub fn result(&self, index: usize) -> Option<u8> {
        if index < RESULTS { self.get(FIRST_RESULT + index) } else { None }
    }

    /// Adds a way to the heap.
    pub fn add_heap(&mut self, derefs: i32) {
        self.add(HEAP, derefs);
    }

    /// Adds a way to a pointer that is written through.
    pub fn add_mutator(&mut self, derefs: i32) {
        self.add(MUTATOR, derefs);
    }

    /// Adds a way to a function value that is called.
    pub fn add_callee(&mut self, derefs: i32) {
        self.add(CALLEE, derefs);
    }

    /// Adds a way to a result; false if that result is too late to have a byte.
    pub fn add_result(&mut self, index: usize, derefs: i32) -> bool {
        if index < RESULTS {
            self.add(FIRST_RESULT + index, derefs);
        }
        index < RESULTS
    }

    /// Drops ways that are no shorter than the one to the heap, which says more.
    pub fn optimize(&mut self) {
        let heap = self.0[HEAP];
        if heap == 0 {
            return;
        }
        for way in self.0.iter_mut().skip(1) {
            if *way >= heap {
                *way = 0;
            }
        }
    }

    fn get(&self, index: usize) -> Option<u8> {
        self.0.get(index).and_then(|way| way.checked_sub(1))
    }

    fn add(&mut self, index: usize, derefs: i32) {
        let way = u8::try_from(derefs.max(0).saturating_add(1)).unwrap_or(u8::MAX);
        if let Some(old) = self.0.get_mut(index)
            && (*old == 0 || way < *old)
        {
            *old = way;
        }
    }

    /// Reads the form that [`Leaks`] has as text: `h0`, `m1`, `c0`, `r0:1`, joined with commas, `-` if
    /// nothing leaks.
    pub fn parse(text: &str) -> Option<Self> {
        let mut leaks = Self::default();
        if text == "-" {
            return Some(leaks);
        }
        for way in text.split(',') {
            let (place, rest) = way.split_at_checked(1)?;
            match place {
                "h" => leaks.add_heap(rest.parse().ok()?),
                "m" => leaks.add_mutator(rest.parse().ok()?),
                "c" => leaks.add_callee(rest.parse().ok()?),
                "r" => {
                    let (index, derefs) = rest.split_once(':')?;
                    leaks.add_result(index.parse().ok()?, derefs.parse().ok()?);
                }
                _ => return None,
            }
        }
        Some(leaks)
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ways = Vec::new();
        ways.extend(self.heap().map(|derefs| format!("h{derefs}")));
        ways.extend(self.mutator().map(|derefs| format!("m{derefs}")));
        ways.extend(self.callee().map(|derefs| format!("c{derefs}")));
        for index in 0..RESULTS {
            ways.extend(self.result(index).map(|derefs| format!("r{index}:{derefs}")));
        }
        out.write_str(if ways.is_empty() { "-" } else { "" })?;
        out.write_str(&ways.join(","))
    }
}

impl fmt::Debug for Leaks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_way_counts() {
        let mut leaks = Leaks::default();
        leaks.add_heap(3);
        leaks.add_heap(1);
        leaks.add_heap(2);
        assert_eq!(leaks.heap(), Some(1));
    }

    #[test]
    fn ways_longer_than_the_one_to_the_heap_are_dropped() {
        let mut leaks = Leaks::default();
        leaks.add_heap(1);
        assert!(leaks.add_result(0, 1));
        assert!(leaks.add_result(1, 0));
        leaks.optimize();
        assert_eq!(leaks.to_string(), "h1,r1:0");
    }

    #[test]
    fn a_sixth_result_has_no_byte() {
        let mut leaks = Leaks::default();
        assert!(!leaks.add_result(RESULTS, 0));
        assert_eq!(leaks, Leaks::default());
    }

    #[test]
    fn text_is_read_as_it_was_written() {
        for text in ["-", "h0", "h1,r0:0", "m0,c0,r0:0,r4:2"] {
            assert_eq!(Leaks::parse(text).expect("valid").to_string(), text);
        }
        assert_eq!(Leaks::parse("x0"), None);
        assert_eq!(Leaks::parse(""), None);
    }

    #[test]
    fn more_dereferences_than_a_byte_holds_count_as_the_most() {
        let mut leaks = Leaks::default();
        leaks.add_heap(1000);
        assert_eq!(leaks.heap(), Some(254));
    }
}
