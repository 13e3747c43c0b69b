//! Text without the bodies of its functions: all that other packages see of it, in a third of the time.
//!
//! One pass over the bytes: strings, runes and comments are stepped over, brackets are counted, and from the
//! brace that opens a declared function's body to its partner nothing but the two braces stays.

/// Leaves the bodies of declared functions out. Function literals outside of them stay.
pub(crate) fn without(text: &str) -> String {
    let mut scan = Scan { text: text.as_bytes(), at: 0, kept: 0, out: Vec::new() };
    scan.run();
    scan.out.extend_from_slice(scan.text.get(scan.kept..).unwrap_or_default());
    // Cuts are at braces, so whole characters stay.
    String::from_utf8(scan.out).unwrap_or_else(|_| text.to_owned())
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    /// What lies before was copied or left out.
    kept: usize,
    out: Vec<u8>,
}

impl<'a> Scan<'a> {
    fn run(&mut self) {
        let mut depth = 0_usize;
        // Inside of a declaration that begins with `func`, between that word and its body.
        let mut in_function = false;
        // The last word was `struct` or `interface`: its brace opens no body.
        let mut opens_type = false;
        while let Some(byte) = self.text.get(self.at).copied() {
            match byte {
                b'(' | b'[' => depth += 1,
                b')' | b']' => depth = depth.saturating_sub(1),
                b'{' if in_function && depth == 0 && !opens_type => {
                    let open = self.at;
                    self.block();
                    self.out.extend_from_slice(self.text.get(self.kept..=open).unwrap_or_default());
                    self.kept = self.at.saturating_sub(1).max(open + 1);
                    in_function = false;
                    continue;
                }
                b'{' => depth += 1,
                b'}' => depth = depth.saturating_sub(1),
                b'\n' if depth == 0 => in_function = false,
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                    let word = self.word();
                    if word == b"func" && depth == 0 && self.is_line_start(word.len()) {
                        in_function = true;
                    }
                    opens_type = matches!(word, b"struct" | b"interface");
                    continue;
                }
                _ => {
                    if self.step_over() {
                        continue;
                    }
                }
            }
            if !byte.is_ascii_whitespace() {
                opens_type = false;
            }
            self.at += 1;
        }
    }

    /// Whether a word that ends here is the first of its line.
    fn is_line_start(&self, length: usize) -> bool {
        let start = self.at.saturating_sub(length);
        start == 0 || self.text.get(start - 1) == Some(&b'\n')
    }

    /// Steps over a block, to behind its closing brace.
    fn block(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.text.get(self.at).copied() {
            match byte {
                b'{' => depth += 1,
                b'}' => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        self.at += 1;
                        return;
                    }
                }
                _ => {
                    if self.step_over() {
                        continue;
                    }
                }
            }
            self.at += 1;
        }
    }

    fn word(&mut self) -> &'a [u8] {
        let start = self.at;
        while self
            .text
            .get(self.at)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80)
        {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Steps over a string, rune or comment, if one begins here.
    fn step_over(&mut self) -> bool {
        match self.text.get(self.at) {
            Some(b'`') => {
                self.at += 1;
                self.until(b"`");
                true
            }
            Some(quote @ (b'"' | b'\'')) => {
                let quote = *quote;
                self.at += 1;
                while let Some(byte) = self.text.get(self.at).copied() {
                    self.at += if byte == b'\\' { 2 } else { 1 };
                    if byte == quote || byte == b'\n' {
                        break;
                    }
                }
                true
            }
            Some(b'/') => match self.text.get(self.at + 1) {
                Some(b'/') => {
                    while self.text.get(self.at).is_some_and(|byte| *byte != b'\n') {
                        self.at += 1;
                    }
                    true
                }
                Some(b'*') => {
                    self.at += 2;
                    self.until(b"*/");
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn until(&mut self, end: &[u8]) {
        while self.at < self.text.len() {
            if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(end)) {
                self.at += end.len();
                return;
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_left_out_and_nothing_else() {
        let text = "package a\n\nfunc f(x interface{ M() }) struct{ a int } {\n\treturn \"}\" // }\n}\n\
                    var g = func() int { return 1 }\nfunc h()\nfunc (t *T) k() { `}` }\n";
        let expected = "package a\n\nfunc f(x interface{ M() }) struct{ a int } {}\n\
                        var g = func() int { return 1 }\nfunc h()\nfunc (t *T) k() {}\n";
        assert_eq!(without(text), expected);
    }

    #[test]
    fn what_never_ends_is_no_fault() {
        for text in ["func f() {", "func f() { \"", "func f() { /*", "func {{{`", "func é() {é"] {
            without(text);
        }
    }
}
