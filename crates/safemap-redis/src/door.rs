//! The schema as every process that opens a namespace must have it.
//!
//! The rules lie in the namespace as text, so that a process with others can be told which differs;
//! each call carries a mark made of them, which the server compares before it does anything. The mark
//! is FNV-1a of 128 bits: not against an attacker, who could write to the server anyway.

use tophash_safemap::Schema;

/// Changes with what lies in the namespace, so that versions that differ in it refuse each other.
const FORMAT: &str = "safemap 2";

/// The rules of a schema as text, a line each, in the order of their patterns.
pub(crate) fn rules(schema: &Schema) -> String {
    let mut lines: Vec<String> = schema
        .rules_by_pattern()
        .map(|(pattern, rule)| format!("{:?}: {}", pattern.as_str(), rule.canonical()))
        .collect();
    lines.sort();
    lines.insert(0, FORMAT.to_owned());
    lines.join("\n")
}

/// The mark of rules.
pub(crate) fn mark(rules: &str) -> String {
    const START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash =
        rules.bytes().fold(START, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{hash:032x}")
}

/// The first rule in which ours and theirs differ, in words; of a pattern that both have, both.
pub(crate) fn difference(ours: &str, theirs: &str) -> Option<String> {
    let lacks = |rules: &str, line: &str| !rules.lines().any(|other| other == line);
    let of_one = |one: &str, other: &str| match (one.split_once("\": "), other.split_once("\": ")) {
        (Some((one, _)), Some((other, _))) => one == other,
        // The format is no rule.
        (one, other) => one.is_none() && other.is_none(),
    };
    let here = ours.lines().find(|line| lacks(theirs, line));
    let there = match here {
        Some(here) => theirs.lines().find(|line| of_one(here, line)),
        None => theirs.lines().find(|line| lacks(ours, line)),
    };
    match (here, there) {
        (Some(here), Some(there)) => Some(format!("{here} here, {there} there")),
        (Some(here), None) => Some(format!("{here} here alone")),
        (None, Some(there)) => Some(format!("{there} there alone")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use tophash_safemap::Type;

    use super::*;

    #[test]
    fn the_order_of_rules_does_not_matter_and_their_limits_do() {
        let schema = |limit: i64, first: &str, second: &str| {
            let key = |name: &str| match name {
                "a" => Type::integer().range(limit..),
                _ => Type::string(),
            };
            rules(
                &Schema::builder().key(first, key(first)).key(second, key(second)).build().unwrap(),
            )
        };
        assert_eq!(schema(0, "a", "b"), schema(0, "b", "a"));
        assert_ne!(mark(&schema(0, "a", "b")), mark(&schema(1, "a", "b")));
        assert_eq!(
            difference(&schema(0, "a", "b"), &schema(1, "a", "b")).as_deref(),
            Some("\"a\": integer from 0 here, \"a\": integer from 1 there")
        );
        // Rules of different patterns are not told as if they were one.
        assert_eq!(
            difference(&schema(0, "a", "b"), &schema(0, "b", "a.*")).as_deref(),
            Some("\"a\": integer from 0 here alone")
        );
    }

    #[test]
    fn the_mark_is_the_published_function() {
        // The empty text's hash is the function's start; that of "a" is in its test vectors.
        assert_eq!(mark(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(mark("a"), "d228cb696f1a8caf78912b704e4a8964");
    }
}
