//! Eight control bytes at once, as one word.
//!
//! A Swiss group starts with a control byte a slot: `0x80` empty, `0xfe` deleted, else the low
//! seven bits of the hash (`internal/runtime/maps/group.go`). A classic bucket starts with a
//! tophash a slot: 0 empty from here on, 1 empty, 2 to 4 moved, else the top byte of the hash
//! (`runtime/map.go`).

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Counts of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) full: u64,
    pub(super) deleted: u64,
}

/// Counts a Swiss group's slots, or returns `None` where a byte is no control byte.
#[inline]
pub(super) fn swiss(word: u64) -> Option<Counts> {
    let high = word & HIGH;
    let full = 8 - u64::from(high.count_ones());
    // Of the bytes with the high bit, empty ones are 0x80 and deleted ones 0xfe.
    let rest = word & !HIGH & (high >> 7).wrapping_mul(0x7f);
    let deleted_mask = (rest >> 1) & (high >> 7);
    // Each deleted byte must be exactly 0x7e behind its high bit, each empty one 0.
    if rest != deleted_mask.wrapping_mul(0x7e) {
        return None;
    }
    Some(Counts { full, deleted: u64::from(deleted_mask.count_ones()) })
}

/// Counts a classic bucket's slots. `ended` carries from bucket to bucket of a chain that an empty
/// rest was seen, behind which nothing may come. Returns `None` where a byte can't be.
#[inline]
pub(super) fn classic(word: u64, ended: &mut bool) -> Option<Counts> {
    if word == 0 {
        *ended = true;
        return Some(Counts { full: 0, deleted: 0 });
    }
    let mut counts = Counts { full: 0, deleted: 0 };
    for byte in word.to_le_bytes() {
        match byte {
            0 => {
                *ended = true;
                continue;
            }
            1 => counts.deleted += 1,
            2..=4 => return None,
            _ => counts.full += 1,
        }
        if *ended {
            return None;
        }
    }
    Some(counts)
}

/// Tells whether an old bucket of a classic map has moved, by its first tophash.
#[inline]
pub(super) fn is_evacuated(word: u64) -> bool {
    matches!(word & 0xff, 2..=4)
}

/// Yields the slots of a group that hold an entry, and their control bytes.
pub(super) fn full_slots(word: u64, is_classic: bool) -> impl Iterator<Item = (u64, u8)> {
    (0..8).filter_map(move |slot| {
        let byte = (word >> (8 * slot)) as u8;
        let is_full = if is_classic { byte >= 5 } else { byte < 0x80 };
        is_full.then_some((slot, byte))
    })
}

const _: () = assert!(LOW.wrapping_mul(0x80) == HIGH);

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: [u8; 8]) -> u64 {
        u64::from_le_bytes(bytes)
    }

    #[test]
    fn swiss_groups_are_counted() {
        let counts = swiss(word([0x80, 0xfe, 0x00, 0x7f, 0x80, 0xfe, 0xfe, 0x12])).unwrap();
        assert_eq!(counts, Counts { full: 3, deleted: 3 });
        assert_eq!(swiss(HIGH), Some(Counts { full: 0, deleted: 0 }));
    }

    #[test]
    fn bytes_that_are_no_control_bytes_are_refused() {
        for bad in 0x81..=0xffu8 {
            let refused = swiss(word([0x80, 0x11, bad, 0xfe, 0x80, 0x80, 0x00, 0x80])).is_none();
            assert_eq!(refused, bad != 0xfe, "{bad:#x}");
        }
    }

    #[test]
    fn classic_buckets_are_counted() {
        let mut ended = false;
        let counts = classic(word([5, 1, 255, 6, 1, 7, 0, 0]), &mut ended);
        assert_eq!(counts, Some(Counts { full: 4, deleted: 2 }));
        assert!(ended);
    }

    #[test]
    fn nothing_follows_an_empty_rest() {
        assert_eq!(classic(word([5, 0, 6, 0, 0, 0, 0, 0]), &mut false), None);
        assert_eq!(classic(word([5, 0, 0, 0, 0, 0, 0, 0]), &mut true), None);
    }

    #[test]
    fn evacuation_marks_are_refused_in_current_buckets() {
        assert_eq!(classic(word([2, 4, 3, 4, 4, 4, 4, 4]), &mut false), None);
        assert!(is_evacuated(word([2, 4, 3, 4, 4, 4, 4, 4])));
    }
}
