//! What the files in Go's `test` folder expect of the compiler: `// ERROR "one" "two"` behind a line.
//!
//! Each quoted text is a regular expression that some message of the line must match, and every message must
//! be matched by one. The rules are those of Go's own test driver, `cmd/internal/testdir`.

use anyhow::{Context, Result};
use regex::Regex;

/// The expectations of one file.
#[derive(Debug)]
pub(crate) struct Expectations {
    /// Lines from 1, each with what must be said of it.
    lines: Vec<(u32, Vec<Regex>)>,
}

/// How messages compare with expectations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Score {
    /// Regular expressions that a message matches.
    pub(crate) matched: usize,
    /// All regular expressions.
    pub(crate) expected: usize,
    /// Lines all of whose expressions are matched, without a message too many.
    pub(crate) whole_lines: usize,
    /// Lines with expectations.
    pub(crate) lines: usize,
    /// Messages that nothing expects.
    pub(crate) surplus: usize,
}

impl Score {
    /// Whether Go's own driver would pass the file.
    pub(crate) fn is_whole(&self) -> bool {
        self.matched == self.expected && self.surplus == 0
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.matched += other.matched;
        self.expected += other.expected;
        self.whole_lines += other.whole_lines;
        self.lines += other.lines;
        self.surplus += other.surplus;
    }
}

/// The flags of a file that wants its messages compared, from its first lines: `-0 -m -l`.
pub(crate) fn flags(text: &str) -> Option<Vec<&str>> {
    let first = text.lines().find(|line| !line.is_empty() && !line.starts_with("//go:build"))?;
    let mut words = first.strip_prefix("// ")?.split_whitespace();
    (words.next()? == "errorcheck").then(|| words.collect())
}

impl Expectations {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let error = Regex::new(r"// (?:GC_)?ERROR (.*)")?;
        let quoted = Regex::new("\"([^\"]*)\"")?;
        let relative = Regex::new(r"LINE(([+-])(\d+))?")?;
        let mut lines = Vec::new();
        for (line, number) in text.lines().zip(1_u32..) {
            if line.contains("////") {
                continue;
            }
            let Some(found) = error.captures(line) else { continue };
            let mut wanted = Vec::new();
            for text in quoted.captures_iter(&found[1]) {
                let text = relative.replace_all(&text[1], "${3}");
                let regex = Regex::new(&plain_braces(&text))
                    .with_context(|| format!("line {number}: {text}"))?;
                wanted.push(regex);
            }
            lines.push((number, wanted));
        }
        Ok(Self { lines })
    }

    /// Compares messages, each with its line.
    pub(crate) fn score(&self, messages: &[(u32, String)]) -> Score {
        let mut left: Vec<&(u32, String)> = messages.iter().collect();
        let mut score = Score { lines: self.lines.len(), ..Score::default() };
        let mut clean = Vec::new();
        for (line, wanted) in &self.lines {
            let mut all = true;
            score.expected += wanted.len();
            for regex in wanted {
                let before = left.len();
                left.retain(|(at, text)| at != line || !regex.is_match(text));
                let is_matched = left.len() < before;
                score.matched += usize::from(is_matched);
                all &= is_matched;
            }
            if all {
                clean.push(*line);
            }
        }
        score.surplus = left.len();
        clean.retain(|line| left.iter().all(|(at, _)| at != line));
        score.whole_lines = clean.len();
        score
    }
}

/// Escapes braces that enclose no count: Go's regular expressions take them for themselves.
fn plain_braces(text: &str) -> String {
    let is_count = |rest: &str| {
        let Some((inside, _)) = rest.split_once('}') else { return false };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        match inside.split_once(',') {
            Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
            None => is_number(inside),
        }
    };
    let (mut out, mut is_escaped, mut in_count) = (String::new(), false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' if !is_escaped => {
                in_count = is_count(&text[at + 1..]);
                out.push_str(if in_count { "{" } else { "\\{" });
            }
            '}' if !is_escaped => {
                out.push_str(if in_count { "}" } else { "\\}" });
                in_count = false;
            }
            letter => out.push(letter),
        }
        is_escaped = letter == '\\' && !is_escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "// errorcheck -0 -m -l\n\
        x // ERROR \"^moved to heap: x$\" \"y\"\n\
        //// ERROR \"not this\"\n\
        z // GC_ERROR \"z (does )?not\"\n";

    fn messages(list: &[(u32, &str)]) -> Vec<(u32, String)> {
        list.iter().map(|(line, text)| (*line, (*text).to_owned())).collect()
    }

    #[test]
    fn every_expression_needs_a_message_and_every_message_an_expression() {
        let wanted = Expectations::read(TEXT).unwrap();
        let all = [(2, "moved to heap: x"), (2, "y escapes"), (4, "z does not escape")];
        let score = wanted.score(&messages(&all));
        assert!(score.is_whole());
        assert_eq!((score.matched, score.expected, score.whole_lines), (3, 3, 2));

        let score = wanted.score(&messages(&all[..2]));
        assert_eq!((score.matched, score.whole_lines, score.is_whole()), (2, 1, false));

        let mut more = messages(&all);
        more.push((2, "q escapes to heap".to_owned()));
        let score = wanted.score(&more);
        assert_eq!((score.matched, score.surplus, score.whole_lines), (3, 1, 1));
    }

    #[test]
    fn one_expression_takes_all_messages_that_it_matches() {
        let wanted = Expectations::read("x // ERROR \"x\"\n").unwrap();
        assert!(wanted.score(&messages(&[(1, "x one"), (1, "x two")])).is_whole());
    }

    #[test]
    fn braces_are_counts_or_themselves() {
        assert_eq!(plain_braces("&T{...} \\{ a{2} b{1,}"), "&T\\{...\\} \\{ a{2} b{1,}");
    }

    #[test]
    fn flags_are_those_of_the_first_line() {
        assert_eq!(flags(TEXT).unwrap(), ["-0", "-m", "-l"]);
        assert_eq!(flags("// run\n"), None);
        assert_eq!(flags("package a\n"), None);
    }
}
