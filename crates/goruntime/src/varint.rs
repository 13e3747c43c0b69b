//! The little-endian base-128 integers of function tables, names and build information.

/// Reads an unsigned varint of at most five bytes; returns it and how many bytes it took.
pub(crate) fn read_u32(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value: u32 = 0;
    for (i, &byte) in bytes.iter().take(5).enumerate() {
        value |= u32::from(byte & 0x7f).checked_shl(7 * i as u32)?;
        if byte & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::read_u32;

    #[test]
    fn varints_are_read_and_bounded() {
        assert_eq!(read_u32(&[5, 9]), Some((5, 1)));
        assert_eq!(read_u32(&[0x80, 0x01]), Some((128, 2)));
        assert_eq!(read_u32(&[0xff; 9]), None);
        assert_eq!(read_u32(&[0x80]), None);
    }
}
