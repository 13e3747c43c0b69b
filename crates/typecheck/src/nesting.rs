//! How deep a parser would have to go for a text, found before anything is parsed.
//!
//! A parser that descends, and everything that walks its tree, uses stack for each level. Levels come
//! from brackets, and from tokens that follow each other without an end of a list element or statement
//! between: `!!!!x`, `****T`, `a.b.c`, `else if`. So the bound is the number of such tokens that are open
//! at one place, over all brackets around it. It is never less than the true depth, and costs one pass
//! over the bytes.

/// Words after which a line's end ends no statement.
const UNFINISHED: [&[u8]; 21] = [
    b"case",
    b"chan",
    b"const",
    b"default",
    b"defer",
    b"else",
    b"for",
    b"func",
    b"go",
    b"goto",
    b"if",
    b"import",
    b"interface",
    b"map",
    b"package",
    b"range",
    b"select",
    b"struct",
    b"switch",
    b"type",
    b"var",
];

/// Returns the largest number of tokens that are open at one place.
pub(crate) fn depth(text: &[u8]) -> usize {
    let mut scan = Scan { text, at: 0, open: vec![0], total: 0, deepest: 0, ends: false };
    while scan.step() {}
    scan.deepest
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// Tokens since the last separator, for each bracket that is open.
    open: Vec<usize>,
    /// Their sum.
    total: usize,
    deepest: usize,
    /// Whether a line's end would end the statement here.
    ends: bool,
}

impl Scan<'_> {
    /// Takes one token, comment or space.
    fn step(&mut self) -> bool {
        let Some(&byte) = self.text.get(self.at) else { return false };
        let next = self.text.get(self.at + 1).copied();
        match (byte, next) {
            (b'\n', _) => {
                if self.ends {
                    self.separate();
                }
                self.at += 1;
            }
            (b' ' | b'\t' | b'\r', _) => self.at += 1,
            (b'/', Some(b'/')) => self.skip_until(b'\n', false),
            (b'/', Some(b'*')) => self.skip_block(),
            (b'"' | b'\'', _) => self.quoted(byte),
            (b'`', _) => self.raw(),
            (b'(' | b'[' | b'{', _) => {
                self.token(false);
                self.open.push(0);
                self.at += 1;
            }
            (b')' | b']' | b'}', _) => {
                if self.open.len() > 1 {
                    self.total -= self.open.pop().unwrap_or(0);
                }
                self.token(true);
                self.at += 1;
            }
            (b',' | b';', _) => {
                self.separate();
                self.at += 1;
            }
            (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80.., _) => self.word(),
            (b'+', Some(b'+')) | (b'-', Some(b'-')) => {
                self.token(true);
                self.at += 2;
            }
            _ => {
                self.token(false);
                self.at += 1;
            }
        }
        true
    }

    fn token(&mut self, ends: bool) {
        if let Some(run) = self.open.last_mut() {
            *run += 1;
        }
        self.total += 1;
        self.deepest = self.deepest.max(self.total);
        self.ends = ends;
    }

    fn separate(&mut self) {
        if let Some(run) = self.open.last_mut() {
            self.total -= *run;
            *run = 0;
        }
        self.ends = false;
    }

    fn word(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_' && *byte < 0x80)
            .unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        self.token(!UNFINISHED.contains(&word));
        self.at += length.max(1);
    }

    /// Moves behind a quoted text, or to the end of a line that leaves it open.
    fn quoted(&mut self, quote: u8) {
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'\n' => break,
                _ => {
                    self.at += 1;
                    if byte == quote {
                        break;
                    }
                }
            }
        }
        self.token(true);
    }

    fn raw(&mut self) {
        self.at += 1;
        self.skip_until(b'`', true);
        self.token(true);
    }

    /// Moves to the next such byte, or behind it.
    fn skip_until(&mut self, byte: u8, behind: bool) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += match memchr::memchr(byte, rest) {
            Some(length) => length + usize::from(behind),
            None => rest.len(),
        };
    }

    fn skip_block(&mut self) {
        let start = self.at + 2;
        let rest = self.text.get(start..).unwrap_or_default();
        let end = memchr::memmem::find(rest, b"*/").map_or(rest.len(), |length| length + 2);
        if self.ends && memchr::memchr(b'\n', rest.get(..end).unwrap_or_default()).is_some() {
            self.separate();
        }
        self.at = start + end;
    }
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn statements_and_elements_do_not_add_up() {
        let lines = "a = b\n".repeat(1_000);
        assert!(depth(lines.as_bytes()) < 5);
        let list = format!("x := []int{{{}}}", "1, ".repeat(1_000));
        assert!(depth(list.as_bytes()) < 10);
    }

    #[test]
    fn what_nests_adds_up() {
        for unit in ["(", "[", "{", "!", "*", "a.", "a+", "if a {} else ", "a+\n", "if a {} else\n"]
        {
            assert!(depth(unit.repeat(500).as_bytes()) >= 500, "{unit}");
        }
    }

    #[test]
    fn text_and_comments_count_for_nothing() {
        let text = format!("a = \"{0}\" // {0}\nb = `{0}\n{0}` /* {0} */", "(".repeat(1_000));
        assert!(depth(text.as_bytes()) < 10);
    }

    #[test]
    fn what_never_ends_is_no_fault() {
        for text in ["\"", "'", "`", "/*", "//", "\"\\", "(", ")", "}}}}", "\\"] {
            depth(text.as_bytes());
        }
    }
}
