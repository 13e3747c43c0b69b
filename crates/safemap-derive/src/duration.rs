//! Times as a person writes them: `30s`, `250ms`, `2h`.

/// The milliseconds of a time, or what is wrong with it.
pub(crate) fn millis(text: &str) -> Result<u64, &'static str> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("a time is a whole number with ms, s, m, h or d after it"),
    };
    let number: u64 = number.parse().map_err(|_| "a time begins with a whole number")?;
    let millis = number.checked_mul(factor).ok_or("a time of more than 64 bits")?;
    if millis == 0 { Err("an entry would be gone at once") } else { Ok(millis) }
}

#[cfg(test)]
mod tests {
    use super::millis;

    #[test]
    fn times_are_read_with_their_unit() {
        assert_eq!(millis("30s"), Ok(30_000));
        assert_eq!(millis("250ms"), Ok(250));
        assert_eq!(millis("2d"), Ok(172_800_000));
        for text in
            ["", "s", "30", "1.5h", "0s", "-1s", "99999999999999999999s", "9999999999999999d"]
        {
            assert!(millis(text).is_err(), "{text}");
        }
    }
}
