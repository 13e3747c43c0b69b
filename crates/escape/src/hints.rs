//! What the text of a package's files adds to the compiler's lines: which names are maps, whether a
//! closure belongs to `go` or to `defer`, how a function calls its results.
//!
//! Nothing is parsed; words and signs are looked at with comments and strings left out. A name that is
//! declared as a map in one place and as something else in another counts as neither; a file is asked
//! where its package can't tell.

use hashbrown::HashSet;

/// Map types of packages that many import.
const MAP_TYPES: [&str; 10] = [
    "http.Header",
    "url.Values",
    "textproto.MIMEHeader",
    "mail.Header",
    "metadata.MD",
    "bson.M",
    "gin.H",
    "jwt.MapClaims",
    "logrus.Fields",
    "prometheus.Labels",
];

/// What is known of a package's names.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    maps: HashSet<String>,
    others: HashSet<String>,
    map_types: HashSet<String>,
    /// Expressions that are maps for certain: `c.subs` of `c.subs[id]`.
    certain: HashSet<String>,
}

/// A word, or one sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    Word(&'t str),
    Sign(char),
}

impl Hints {
    /// Learns from one file. Types are known from the file that was learnt last on.
    pub(crate) fn learn(&mut self, text: &str) {
        let tokens = tokens(text);
        for (index, window) in tokens.windows(2).enumerate() {
            match window {
                [Token::Word("map"), Token::Sign('[')] => {
                    for name in declared(&tokens, index) {
                        let word = |back| index.checked_sub(back).and_then(|at| tokens.get(at));
                        let is_type = |back| word(back) == Some(&Token::Word("type"));
                        if is_type(2) || is_type(3) {
                            self.map_types.insert(name.to_owned());
                        } else {
                            self.maps.insert(name.to_owned());
                        }
                    }
                }
                // Arrays are written as what is indexed is, and left out.
                [Token::Sign('['), Token::Sign(']')] => {
                    for name in declared(&tokens, index) {
                        self.others.insert(name.to_owned());
                    }
                }
                _ => {}
            }
        }
        for window in tokens.windows(2) {
            if let [Token::Word(name), Token::Word(ty)] = window
                && self.map_types.contains(*ty)
                && *name != "type"
            {
                self.maps.insert((*name).to_owned());
            }
        }
    }

    /// Whether a name, with or without its package's, is that of a map type.
    pub(crate) fn is_map_type(&self, name: &str) -> bool {
        MAP_TYPES.contains(&name) || self.map_types.contains(name)
    }

    /// Learns from expressions `X[k]` of which the compiler says that they index maps.
    pub(crate) fn confirm<'t>(&mut self, expressions: impl Iterator<Item = &'t str>) {
        let bases = expressions.filter_map(|expression| Some(indexed(expression)?.0.to_owned()));
        self.certain.extend(bases);
    }

    /// Whether `X[…]` indexes a map; nothing where it can't be told.
    pub(crate) fn indexes_map(&self, expression: &str) -> Option<bool> {
        let (base, key) = indexed(expression)?;
        // A key that is a string is a map's, whatever its name.
        if key.starts_with('"') || self.certain.contains(base) {
            return Some(true);
        }
        let name = base.rsplit(['.', ' ', '(', '*']).next()?;
        match (self.maps.contains(name), self.others.contains(name)) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// Splits `X[k]` into `X` and `k`.
fn indexed(expression: &str) -> Option<(&str, &str)> {
    let inner = expression.strip_suffix(']')?;
    let mut depth = 0_u32;
    let open = inner.char_indices().rev().find_map(|(index, c)| {
        match c {
            ']' => depth += 1,
            '[' if depth == 0 => return Some(index),
            '[' => depth -= 1,
            _ => {}
        }
        None
    })?;
    Some((inner.get(..open)?, inner.get(open + 1..)?))
}

/// The names that a type or value at `index` is declared for: `a, b map[…`, `a := make(map[…`,
/// `a = map[…`, `a: map[…`.
fn declared<'t>(tokens: &[Token<'t>], index: usize) -> Vec<&'t str> {
    let at = |back: usize| index.checked_sub(back).and_then(|place| tokens.get(place)).copied();
    let mut back = 1;
    let mut is_value = false;
    if at(1) == Some(Token::Sign('(')) && at(2) == Some(Token::Word("make")) {
        (back, is_value) = (3, true);
    }
    if at(back) == Some(Token::Sign('=')) {
        (back, is_value) = (back + 1, true);
    }
    if at(back) == Some(Token::Sign(':')) {
        (back, is_value) = (back + 1, true);
    }
    let mut names = Vec::new();
    let Some(Token::Word(name)) = at(back) else { return names };
    if is_keyword(name) {
        return names;
    }
    names.push(name);
    // Fields and parameters may share a type.
    while !is_value
        && names.len() < 32
        && at(back + 1) == Some(Token::Sign(','))
        && let Some(Token::Word(name)) = at(back + 2)
    {
        names.push(name);
        back += 2;
    }
    names
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "return" | "range" | "case" | "func" | "chan" | "map" | "in" | "var" | "go")
}

/// What a statement on the closure's line makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    Go,
    Defer,
}

/// Tells by which statement a line starts something, looking for the last before `column`.
pub(crate) fn starter(line: &str, column: u32) -> Option<Starter> {
    let end = usize::try_from(column).unwrap_or(usize::MAX).saturating_add(6);
    let mut found = None;
    for (index, word) in words(line) {
        if index >= end {
            break;
        }
        match word {
            "go" => found = Some(Starter::Go),
            "defer" => found = Some(Starter::Defer),
            _ => {}
        }
    }
    found
}

/// Whether a function, whose declaration `text` begins with, names a result so.
pub(crate) fn names_result(text: &str, name: &str) -> bool {
    let Some(head) = text.split('{').next() else { return false };
    let mut depth = 0_u32;
    let mut groups: Vec<(usize, usize)> = Vec::new();
    let mut start = 0;
    for (index, c) in head.char_indices().take(4096) {
        match c {
            '(' => {
                if depth == 0 {
                    start = index + 1;
                }
                depth += 1;
            }
            ')' if depth == 1 => {
                depth = 0;
                groups.push((start, index));
            }
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    // Receiver, parameters, results: a method has one group more in front.
    let is_method = head
        .trim_start()
        .strip_prefix("func")
        .is_some_and(|rest| rest.trim_start().starts_with('(') && groups.len() >= 2);
    let Some(&(from, to)) = groups.get(if is_method { 2 } else { 1 }) else { return false };
    let Some(results) = head.get(from..to) else { return false };
    results.split(',').any(|item| {
        let mut words = item.split_whitespace();
        words.next() == Some(name)
    })
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = None;
    let ends = text.char_indices().chain(std::iter::once((text.len(), ' ')));
    ends.filter_map(move |(index, c)| {
        let is_part = c.is_alphanumeric() || c == '_';
        match (start, is_part) {
            (None, true) => {
                start = Some(index);
                None
            }
            (Some(from), false) => {
                start = None;
                text.get(from..index).map(|word| (from, word))
            }
            _ => None,
        }
    })
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        match c {
            '/' if chars.peek().is_some_and(|&(_, next)| next == '/') => {
                while chars.next_if(|&(_, next)| next != '\n').is_some() {}
            }
            '/' if chars.peek().is_some_and(|&(_, next)| next == '*') => {
                let mut last = ' ';
                chars.next();
                for (_, next) in chars.by_ref() {
                    if last == '*' && next == '/' {
                        break;
                    }
                    last = next;
                }
            }
            '"' | '`' | '\'' => {
                while let Some((_, next)) = chars.next() {
                    if next == '\\' && c != '`' {
                        chars.next();
                    } else if next == c || (next == '\n' && c != '`') {
                        break;
                    }
                }
                tokens.push(Token::Sign('"'));
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut end = index + c.len_utf8();
                while let Some((at, next)) =
                    chars.next_if(|&(_, next)| next.is_alphanumeric() || next == '_')
                {
                    end = at + next.len_utf8();
                }
                tokens.extend(text.get(index..end).map(Token::Word));
            }
            '\n' => tokens.push(Token::Sign(';')),
            c if c.is_whitespace() => {}
            c => tokens.push(Token::Sign(c)),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_known_by_how_they_are_declared() {
        let mut hints = Hints::default();
        hints.learn(
            "type Header map[string]int\ntype Alias = map[int]int\n\
             type t struct { byName, byID map[string]*t; list []int; both map[int]int }\n\
             func f(h Header, both []int) { seen := make(map[int]bool); x := T{index: map[int]int{}} }\n\
             // comment map[\n var s = \"quoted map[\"\n",
        );
        for name in ["byName", "byID", "seen", "index", "h"] {
            assert_eq!(hints.indexes_map(&format!("r.{name}[k]")), Some(true), "{name}");
        }
        assert!(hints.is_map_type("Header") && hints.is_map_type("Alias"));
        assert!(hints.is_map_type("http.Header") && !hints.is_map_type("t"));
        assert_eq!(hints.indexes_map("t.list[i]"), Some(false));
        assert_eq!(hints.indexes_map("both[a[i]]"), None);
        assert_eq!(hints.indexes_map("whatever[\"key\"]"), Some(true));
        assert_eq!(hints.indexes_map("comment[i]"), None);
        hints.confirm(["t.both[k]", "odd]", "["].into_iter());
        assert_eq!(hints.indexes_map("t.both[a[i]]"), Some(true));
    }

    #[test]
    fn statements_are_told_by_their_word() {
        assert_eq!(starter("\tgo func() {", 5), Some(Starter::Go));
        assert_eq!(starter("\tdefer func() {", 8), Some(Starter::Defer));
        assert_eq!(starter("\tgo run(s, done)", 8), Some(Starter::Go));
        assert_eq!(starter("\tgopher(func() {})", 9), None);
    }

    #[test]
    fn results_may_have_names() {
        let text = "func (t *T) Get(err int) (n int, out *T) {\n}";
        assert!(names_result(text, "out"));
        assert!(!names_result(text, "err"));
        assert!(!names_result("func Get(out int) int {", "out"));
        assert!(names_result("func Get(\n\tf func() (a int),\n) (out *T, err error) {", "err"));
    }

    #[test]
    fn broken_text_is_no_fault() {
        for text in
            ["", "map[", "make(map[", "/*", "\"", "'\\", "`", "[[[[[", "é map[", "type map["]
        {
            Hints::default().learn(text);
            let _ = Hints::default().indexes_map(text);
            let _ = (starter(text, 3), names_result(text, "x"));
        }
    }
}
