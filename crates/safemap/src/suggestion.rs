//! What was probably meant by a name that is not known.

/// Names longer than this are not compared: the time is in proportion to the product of lengths.
const LONGEST: usize = 128;

/// No more names than this are compared.
const MOST: usize = 1024;

/// The name that is nearest to the one given, when it is near enough to be a slip.
///
/// Slips are letters left out, added, changed, and neighbours exchanged. One in four letters may be
/// wrong, and one of less than four, but not all that there is.
pub(crate) fn nearest<'a>(
    given: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if given.len() > LONGEST {
        return None;
    }
    let length = characters(given);
    names
        .into_iter()
        .take(MOST)
        // Of a name that is shorter or longer by more than may be wrong, nothing else is asked.
        .filter(|name| {
            name.len() <= LONGEST && characters(name).abs_diff(length) <= most_wrong(name)
        })
        .map(|name| (strsim::osa_distance(given, name), name))
        .filter(|(distance, name)| *distance > 0 && *distance <= most_wrong(name))
        .filter(|(distance, name)| *distance < characters(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The letters of a name that may be wrong.
fn most_wrong(name: &str) -> usize {
    (name.len() / 4).max(1)
}

fn characters(name: &str) -> usize {
    name.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_mended_and_another_word_is_not() {
        let names = ["config.version", "config.theme", "id"];
        assert_eq!(nearest("config.verison", names), Some("config.version"));
        assert_eq!(nearest("confg.theme", names), Some("config.theme"));
        assert_eq!(nearest("xd", names), Some("id"));
        assert_eq!(nearest("session", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("z", ["x", "y"]), None);
    }

    #[test]
    fn what_is_not_compared_would_not_have_been_near() {
        let words =
            ["", "a", "ab", "ä", "äöü", "abcd", "abcdefgh", "abcdefghijkl", "äbcdefghijklmn"];
        for given in words {
            for name in words {
                let distance = strsim::osa_distance(given, name);
                let is_near = distance > 0
                    && distance <= (name.len() / 4).max(1)
                    && distance < name.chars().count();
                assert_eq!(nearest(given, [name]).is_some(), is_near, "{given} {name}");
            }
        }
    }

    #[test]
    fn a_very_long_name_is_not_compared() {
        assert_eq!(nearest(&"a".repeat(1000), ["a"]), None);
    }
}
