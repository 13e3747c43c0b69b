//! Addresses, sizes and ranges in the *target's* address space.
//!
//! A target address is a `u64`, whatever machine runs the analysis, and never a `usize` or a
//! pointer. The two newtypes keep positions and lengths apart: `Address + ByteSize` is an
//! address, `Address - Address` is a size, and `Address + Address` does not compile.
//!
//! Arithmetic saturates. Every number here may come from a damaged or hostile core, so overflow
//! is ordinary input: it yields [`Address::MAX`], which no target maps, and the read that follows
//! reports it.

use std::fmt;
use std::ops::{Add, AddAssign, Mul, Sub};

/// A position in the target's address space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(u64);

/// A number of bytes in the target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteSize(u64);

/// A half-open range of target addresses: `start <= a < end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AddressRange {
    start: Address,
    end: Address,
}

impl Address {
    /// Go's `nil`.
    pub const NULL: Self = Self(0);
    /// The top of the address space, which no target maps.
    pub const MAX: Self = Self(u64::MAX);

    /// Makes an address of its numeric value.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Returns the numeric value.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Tells whether this is Go's `nil`.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Tells whether the address is a multiple of `align`, a power of two.
    pub const fn is_aligned(self, align: u64) -> bool {
        self.0 & (align - 1) == 0
    }

    /// Rounds down to a multiple of `align`, a power of two.
    pub const fn align_down(self, align: u64) -> Self {
        Self(self.0 & !(align - 1))
    }

    /// Returns the distance from `base` up to this address, or `None` below it.
    pub const fn checked_offset_from(self, base: Self) -> Option<ByteSize> {
        match self.0.checked_sub(base.0) {
            Some(bytes) => Some(ByteSize(bytes)),
            None => None,
        }
    }
}

impl ByteSize {
    /// No bytes.
    pub const ZERO: Self = Self(0);

    /// Makes a size of a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of bytes as a length on this machine, or `None` where it does not fit.
    pub fn to_usize(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }
}

impl AddressRange {
    /// Makes the range from `start` up to `end`; a range that would end before it starts is empty.
    pub fn new(start: Address, end: Address) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Makes the range of `size` bytes from `start`.
    pub fn from_size(start: Address, size: ByteSize) -> Self {
        Self { start, end: start + size }
    }

    /// Returns the first address.
    pub const fn start(self) -> Address {
        self.start
    }

    /// Returns the address after the last one.
    pub const fn end(self) -> Address {
        self.end
    }

    /// Returns the number of bytes in the range.
    pub const fn size(self) -> ByteSize {
        ByteSize(self.end.0 - self.start.0)
    }

    /// Tells whether the range holds no byte.
    pub const fn is_empty(self) -> bool {
        self.end.0 == self.start.0
    }

    /// Tells whether `at` lies in the range.
    pub fn contains(self, at: Address) -> bool {
        self.start <= at && at < self.end
    }

    /// Tells whether every byte of `other` lies in the range.
    pub fn contains_range(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Returns the bytes that both ranges hold; empty where they do not meet.
    pub fn intersection(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }
}

impl Add<ByteSize> for Address {
    type Output = Self;
    fn add(self, size: ByteSize) -> Self {
        Self(self.0.saturating_add(size.0))
    }
}

impl Sub<ByteSize> for Address {
    type Output = Self;
    fn sub(self, size: ByteSize) -> Self {
        Self(self.0.saturating_sub(size.0))
    }
}

impl Sub for Address {
    type Output = ByteSize;
    fn sub(self, base: Self) -> ByteSize {
        ByteSize(self.0.saturating_sub(base.0))
    }
}

impl Add for ByteSize {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for ByteSize {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for ByteSize {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Mul<u64> for ByteSize {
    type Output = Self;
    fn mul(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl std::iter::Sum for ByteSize {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B", self.0)
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_on_hostile_numbers_saturates() {
        assert_eq!(Address::new(u64::MAX - 1) + ByteSize::new(100), Address::MAX);
        assert_eq!(Address::new(1) - Address::new(2), ByteSize::ZERO);
        assert_eq!(ByteSize::new(u64::MAX) * 2, ByteSize::new(u64::MAX));
    }

    #[test]
    fn a_range_that_ends_before_it_starts_is_empty() {
        let range = AddressRange::new(Address::new(8), Address::new(4));
        assert!(range.is_empty());
        assert!(!range.contains(Address::new(8)));
    }

    #[test]
    fn the_intersection_of_ranges_apart_is_empty() {
        let low = AddressRange::from_size(Address::new(0x1000), ByteSize::new(16));
        let high = AddressRange::from_size(Address::new(0x2000), ByteSize::new(16));
        assert!(low.intersection(high).is_empty());
    }
}
