//! Rust source cut into code and comments, so that a word in a text or in
//! prose is not taken for code.
//!
//! No full lexer: strings (plain, byte, raw), characters and both kinds of
//! comment are told apart, and the rest is code. The contents of strings and
//! characters are neither code nor comment.

/// The parts of one file, each with as many lines as the file has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) code: String,
    pub(super) comments: String,
}

/// Cuts `source` into its parts.
pub(super) fn cut(source: &str) -> Parts {
    let mut parts = Parts::default();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let (len, is_comment) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if rest.starts_with("/*") {
            (block_comment(rest), true)
        } else if let Some(len) = literal(rest) {
            let held = rest.get(..len).unwrap_or_default();
            keep_lines(held, &mut parts.code);
            keep_lines(held, &mut parts.comments);
            rest = rest.get(len..).unwrap_or_default();
            continue;
        } else if is_word(first) {
            (rest.find(|c| !is_word(c)).unwrap_or(rest.len()), false)
        } else {
            (first.len_utf8(), false)
        };
        let (taken, left) = rest.split_at(len);
        let (into, other) = match is_comment {
            true => (&mut parts.comments, &mut parts.code),
            false => (&mut parts.code, &mut parts.comments),
        };
        into.push_str(taken);
        keep_lines(taken, other);
        rest = left;
    }
    parts
}

/// The words of code, each with the number of its line.
pub(super) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(index, line)| {
        line.split(|c| !is_word(c))
            .filter(|word| !word.is_empty())
            .map(move |word| (index + 1, word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn keep_lines(text: &str, into: &mut String) {
    into.extend(text.chars().map(|c| if c == '\n' { c } else { ' ' }));
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of the string or character that `text` starts with.
fn literal(text: &str) -> Option<usize> {
    if text.starts_with('\'') {
        return character(text);
    }
    let bare = text.strip_prefix(['b', 'c']).unwrap_or(text);
    if text.len() != bare.len() && bare.starts_with('\'') {
        return character(bare).map(|len| len + 1);
    }
    let prefix = text.len() - bare.len();
    if let Some(raw) = bare.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let body = raw.get(hashes..)?.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let len = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix + 1 + hashes + 1 + len);
    }
    let body = bare.strip_prefix('"')?;
    let mut is_escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

/// The length of a character, which a lifetime looks much like.
fn character(text: &str) -> Option<usize> {
    let mut body = text.char_indices().skip(1);
    let (_, first) = body.next()?;
    if first != '\\' {
        let (at, end) = body.next()?;
        return (end == '\'').then_some(at + 1);
    }
    body.next()?;
    body.find(|(_, c)| *c == '\'').map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_comments_keep_their_lines_apart() {
        let parts = cut("let a = 1; // one\n/* two\nlines */ let b;\n");
        assert_eq!(parts.code.lines().count(), 3);
        assert_eq!(words(&parts.code).map(|(line, _)| line).max(), Some(3));
        assert!(parts.code.contains("let b;") && !parts.code.contains("one"));
        assert!(parts.comments.contains("one") && parts.comments.contains("lines"));
    }

    #[test]
    fn texts_are_neither_code_nor_comment() {
        for literal in [
            r#""gone // gone""#,
            r##"r#"gone " gone"#"##,
            r#"b"gone""#,
            r#""\" gone""#,
            "r\"gone\"",
        ] {
            let parts = cut(&format!("kept({literal}) // and kept"));
            assert!(!parts.code.contains("gone"), "{literal}: {parts:?}");
            assert!(!parts.comments.contains("gone"), "{literal}: {parts:?}");
            assert!(parts.code.contains("kept(") && parts.comments.contains("and kept"));
        }
    }

    #[test]
    fn a_quote_character_opens_no_text_and_a_lifetime_is_no_character() {
        let parts = cut("fn f<'a>(x: &'a str) { g('\"', '\\'', b'\"'); kept() }");
        assert!(parts.code.contains("kept()"), "{parts:?}");
        assert!(parts.code.contains("<'a>"), "{parts:?}");
    }

    #[test]
    fn a_comment_may_hold_comments_and_may_never_end() {
        assert!(cut("/* a /* b */ c */ kept").code.contains("kept"));
        assert!(!cut("/* a /* b */ c").code.contains('c'));
    }
}
