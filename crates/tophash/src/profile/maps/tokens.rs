//! Go source as tokens with their lines: as much of the language as it takes to see what one line
//! does. Nothing is refused: what is not understood is a token of one character.

/// The most tokens of a file; the rest is not looked at.
const MAX_TOKENS: usize = 4 << 20;
/// Operators of more than one character that matter here, the longest first.
const OPERATORS: [&str; 19] = [
    "<<=", ">>=", "&^=", "...", ":=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "++", "--",
    "==", "!=", "<=", ">=",
];

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Literal,
    Operator,
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    start: u32,
    end: u32,
    pub(super) line: u32,
}

/// A file's text and tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    text: String,
    tokens: Vec<Token>,
}

impl Tokens {
    pub(super) fn of(text: String) -> Self {
        let tokens = match u32::try_from(text.len()) {
            Ok(_) => scan(&text),
            Err(_) => Vec::new(),
        };
        Self { text, tokens }
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Returns a token's text; behind the last one, nothing.
    pub(super) fn text(&self, at: usize) -> &str {
        let token = self.tokens.get(at);
        token
            .and_then(|token| self.text.get(token.start as usize..token.end as usize))
            .unwrap_or("")
    }

    /// Returns the text from one token to before another.
    pub(super) fn between(&self, from: usize, to: usize) -> &str {
        let (first, last) =
            (self.tokens.get(from), to.checked_sub(1).and_then(|at| self.tokens.get(at)));
        let (Some(first), Some(last)) = (first, last) else { return "" };
        self.text.get(first.start as usize..last.end as usize).unwrap_or("")
    }

    /// Returns a token's line; 0 where there is none.
    pub(super) fn line(&self, at: usize) -> u32 {
        self.tokens.get(at).map_or(0, |token| token.line)
    }

    pub(super) fn is_word(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == TokenKind::Word)
    }

    /// Tells whether this is a name, which keywords are not.
    pub(super) fn is_name(&self, at: usize) -> bool {
        const KEYWORDS: [&str; 25] = [
            "break",
            "case",
            "chan",
            "const",
            "continue",
            "default",
            "defer",
            "else",
            "fallthrough",
            "for",
            "func",
            "go",
            "goto",
            "if",
            "import",
            "interface",
            "map",
            "package",
            "range",
            "return",
            "select",
            "struct",
            "switch",
            "type",
            "var",
        ];
        self.is_word(at) && !KEYWORDS.contains(&self.text(at))
    }

    pub(super) fn is_literal(&self, at: usize) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == TokenKind::Literal)
    }

    /// Tells whether a line ends before this token.
    pub(super) fn starts_line(&self, at: usize) -> bool {
        at == 0 || self.line(at - 1) != self.line(at)
    }

    /// Returns the first token on a line or behind it.
    pub(super) fn first_on(&self, line: u32) -> usize {
        self.tokens.partition_point(|token| token.line < line)
    }

    /// Finds what closes the bracket at `open`; the end of the file where nothing does.
    pub(super) fn closing(&self, open: usize) -> usize {
        let mut depth = 0_u32;
        for at in open..self.len() {
            match self.text(at) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => {}
            }
        }
        self.len()
    }

    /// Finds what opens the bracket that is closed at `close`.
    pub(super) fn opening(&self, close: usize) -> Option<usize> {
        let mut depth = 0_u32;
        for at in (0..=close).rev() {
            match self.text(at) {
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(at);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Returns where the type that starts here ends.
    pub(super) fn type_end(&self, at: usize) -> usize {
        let mut at = at;
        // Each round leaves a part behind.
        loop {
            match self.text(at) {
                "*" | "<" | "-" | "chan" => at += 1,
                "[" => at = self.closing(at) + 1,
                "map" if self.text(at + 1) == "[" => at = self.closing(at + 1) + 1,
                "struct" | "interface" => return (self.closing(at + 1) + 1).min(self.len()),
                "func" | "(" => {
                    let open = if self.text(at) == "func" { at + 1 } else { at };
                    return (self.closing(open) + 1).min(self.len());
                }
                _ if self.is_name(at) => {
                    at += 1;
                    while self.text(at) == "." && self.is_name(at + 1) {
                        at += 2;
                    }
                    if self.text(at) == "[" && !self.starts_line(at) {
                        at = self.closing(at) + 1;
                    }
                    return at.min(self.len());
                }
                _ => return at.min(self.len()),
            }
        }
    }
}

fn scan(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1_u32);
    while at < bytes.len() && tokens.len() < MAX_TOKENS {
        let rest = &bytes[at..];
        let (kind, len) = match rest {
            [b'\n', ..] => {
                line += 1;
                at += 1;
                continue;
            }
            [byte, ..] if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            [b'/', b'/', ..] => {
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            [b'/', b'*', inside @ ..] => {
                let end = inside.windows(2).position(|pair| pair == b"*/");
                let len = end.map_or(rest.len(), |end| end + 4);
                line += lines_in(&rest[..len]);
                at += len;
                continue;
            }
            [quote @ (b'"' | b'\'' | b'`'), inside @ ..] => {
                (TokenKind::Literal, 1 + quoted(*quote, inside))
            }
            [byte, ..] if byte.is_ascii_digit() => {
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._".contains(byte);
                (TokenKind::Literal, run(rest, is_part))
            }
            [byte, ..] if is_letter(*byte) => {
                (TokenKind::Word, run(rest, |byte| is_letter(*byte) || byte.is_ascii_digit()))
            }
            _ => {
                let known = OPERATORS.iter().find(|known| rest.starts_with(known.as_bytes()));
                (TokenKind::Operator, known.map_or(1, |known| known.len()))
            }
        };
        let len = len.min(rest.len());
        tokens.push(Token { kind, start: at as u32, end: (at + len) as u32, line });
        line += lines_in(&rest[..len]);
        at += len;
    }
    tokens
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn run(bytes: &[u8], is_part: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len())
}

fn lines_in(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u32
}

/// Bytes of what is quoted, with the quote at its end. All but raw strings end with the line at last.
fn quoted(quote: u8, inside: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = inside.get(at) {
        match byte {
            b'\\' if quote != b'`' => at += 2,
            b'\n' if quote != b'`' => return at,
            _ if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_hide_what_is_in_them() {
        let tokens =
            Tokens::of("a /* m[k] = 1\n */ b // c\n`x\ny` 'd' \"\\\"e\" <<= 0x1f".to_owned());
        let texts: Vec<_> =
            (0..tokens.len()).map(|at| (tokens.text(at), tokens.line(at))).collect();
        let wanted = [
            ("a", 1),
            ("b", 2),
            ("`x\ny`", 3),
            ("'d'", 4),
            ("\"\\\"e\"", 4),
            ("<<=", 4),
            ("0x1f", 4),
        ];
        assert_eq!(texts, wanted);
    }

    #[test]
    fn types_end_where_they_do_and_nothing_loops_on_broken_source() {
        let end = |text: &str| {
            let tokens = Tokens::of(text.to_owned());
            tokens.between(0, tokens.type_end(0)).to_owned()
        };
        assert_eq!(end("map[string][]*pkg.T { x }"), "map[string][]*pkg.T");
        assert_eq!(end("Set[int] = 1"), "Set[int]");
        assert_eq!(end("struct { a int } x"), "struct { a int }");
        for broken in ["map[", "[[[[", "func(", "", "\u{0}", "\"", "`", "/*", "a[", "é[ü"] {
            end(broken);
        }
    }
}
