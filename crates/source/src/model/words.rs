//! Names as words: `remoteAddr` is "remote addr".
//!
//! What a name says is read from whole words, so that `handler` is not taken for `handle`.

/// Splits a name into its words, in lower case: `remoteAddr`, `HTTPConn`, `user_id`.
pub(crate) fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| letters.get(at));
        let next = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && (before.is_some_and(|before| !before.is_uppercase())
                || next.is_some_and(|next| next.is_lowercase()));
        if (begins || letter == '_') && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter != '_' {
            word.extend(letter.to_lowercase());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether a name begins with these words, in lower case and parted by spaces.
pub(crate) fn begins_with(name: &str, start: &str) -> bool {
    let words = words(name);
    start.split(' ').enumerate().all(|(at, word)| words.get(at).is_some_and(|have| have == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(words("remoteAddr"), ["remote", "addr"]);
        assert_eq!(words("HTTPConn"), ["http", "conn"]);
        assert_eq!(words("user_ID"), ["user", "id"]);
        assert_eq!(words("description"), ["description"]);
        assert!(words("_").is_empty());
    }

    #[test]
    fn names_begin_with_whole_words() {
        assert!(begins_with("MustRegister", "must register"));
        assert!(begins_with("HandleFunc", "handle func"));
        assert!(begins_with("start", "start"));
        for (name, start) in [("handler", "handle"), ("parser", "parse"), ("add", "add flag")] {
            assert!(!begins_with(name, start), "{name}");
        }
    }
}
