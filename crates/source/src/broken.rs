//! Files that the parser refuses, read as far as they are whole: half-edited ones, mostly.
//!
//! tree-sitter's grammar of Go yields a tree of any text. Top-level declarations in it that have no fault are
//! kept, all else becomes spaces, so that every line and column stays, and the usual parser reads the
//! rest. A fault can take the declarations behind it along; there, the text is cut where a line begins with
//! a declaration's keyword, as gofmt leaves it, and each piece is looked at by itself. A declaration that is
//! whole for the grammar and not for the parser is left out as well. Each byte is parsed three times at
//! most by each of the two.

use std::ops::Range;

use tree_sitter::{Node, Parser};

/// Pieces beyond this number are left out: source that people write has fewer.
const MAX_PIECES: usize = 100_000;

/// Words with which a declaration begins.
const KEYWORDS: [&str; 5] = ["func", "type", "var", "const", "import"];

/// What is left of a text.
pub(crate) struct Remains {
    /// As many characters as before, with spaces in place of what was left out.
    pub(crate) text: String,
    /// What was left out, by bytes of the text as it was; space aside.
    pub(crate) left_out: Vec<Range<usize>>,
}

/// Leaves out what is not whole. `None` if that is the package clause, or everything else.
pub(crate) fn whole_parts(text: &str, is_whole: &dyn Fn(&str) -> bool) -> Option<Remains> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_go::LANGUAGE.into()).ok()?;
    let mut cut = Cut { parser, text, is_whole, kept: Vec::new(), has_clause: false };
    cut.read(0..text.len(), true);
    if !cut.has_clause || cut.kept.len() < 2 {
        return None;
    }
    cut.kept.sort_by_key(|part| part.start);
    Some(blank(text, &cut.kept))
}

struct Cut<'t> {
    parser: Parser,
    text: &'t str,
    /// What the parser says of one declaration.
    is_whole: &'t dyn Fn(&str) -> bool,
    /// In any order, and not overlapping.
    kept: Vec<Range<usize>>,
    has_clause: bool,
}

impl Cut<'_> {
    /// Reads a part of the text; what is broken in it is cut into pieces once.
    fn read(&mut self, part: Range<usize>, may_cut: bool) {
        let Some(text) = self.text.get(part.clone()) else { return };
        let Some(tree) = self.parser.parse(text, None) else { return };
        let root = tree.root_node();
        let mut broken: Vec<Range<usize>> = Vec::new();
        if root.is_error() {
            broken.push(part.clone());
        } else {
            let mut cursor = root.walk();
            for child in root.children(&mut cursor) {
                let range = child.byte_range();
                let mut range = part.start + range.start..part.start + range.end;
                if child.has_error() || child.is_missing() || !self.keep(child, &range) {
                    // A function that ends where the fault begins has lost its body.
                    if let Some(last) = self.kept.last()
                        && let Some(between) = self.text.get(last.end..range.start)
                        && last.start >= part.start
                        && !between.contains('\n')
                    {
                        range.start = last.start;
                        self.kept.pop();
                    }
                    broken.push(range);
                }
            }
        }
        if !may_cut {
            return;
        }
        // Faults next to each other belong together.
        let mut joined: Vec<Range<usize>> = Vec::new();
        for range in broken {
            match joined.last_mut() {
                Some(last) if !self.is_kept_between(last.end, range.start) => last.end = range.end,
                _ => joined.push(range),
            }
        }
        for range in joined {
            let pieces = pieces(self.text, range.clone());
            if pieces.len() > 1 || pieces.first().is_some_and(|piece| *piece != part) {
                for piece in pieces {
                    self.read(piece, false);
                }
            }
        }
    }

    fn is_kept_between(&self, start: usize, end: usize) -> bool {
        self.kept.iter().rev().any(|part| part.start >= start && part.end <= end)
    }

    /// Keeps a part without a fault, if it is one that the parser takes.
    fn keep(&mut self, node: Node<'_>, range: &Range<usize>) -> bool {
        let Some(text) = self.text.get(range.clone()) else { return false };
        let is_whole = match node.kind() {
            "package_clause" if !self.has_clause => {
                self.has_clause = true;
                true
            }
            "comment" | ";" | "\n" => true,
            "import_declaration"
            | "function_declaration"
            | "method_declaration"
            | "type_declaration"
            | "var_declaration"
            | "const_declaration" => (self.is_whole)(&format!("package p\n{text}\n")),
            _ => false,
        };
        if is_whole {
            self.kept.push(range.clone());
        }
        is_whole
    }
}

/// Cuts a part of a text before each line that begins with a declaration's keyword.
fn pieces(text: &str, part: Range<usize>) -> Vec<Range<usize>> {
    let mut starts = vec![part.start];
    let mut at = part.start;
    let begins = |line: &str| {
        KEYWORDS.iter().any(|word| {
            line.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '\t', '(']))
        })
    };
    for line in text.get(part.clone()).unwrap_or_default().split_inclusive('\n') {
        if at > part.start && begins(line) && starts.len() < MAX_PIECES {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([part.end]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// Puts spaces in place of all but some parts of a text, character for character.
fn blank(text: &str, kept: &[Range<usize>]) -> Remains {
    let mut remains = Remains { text: String::with_capacity(text.len()), left_out: Vec::new() };
    let mut at = 0;
    let end = text.len()..text.len();
    for part in kept.iter().chain([&end]) {
        let between = at..part.start.max(at);
        let gone = text.get(between.clone()).unwrap_or_default();
        remains.text.extend(gone.chars().map(|letter| match letter {
            '\n' | '\r' => letter,
            _ => ' ',
        }));
        if gone.contains(|letter: char| !letter.is_whitespace() && letter != ';') {
            remains.left_out.push(between);
        }
        remains.text.push_str(text.get(part.clone()).unwrap_or_default());
        at = part.end.max(at);
    }
    remains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remains(text: &str) -> Option<(String, Vec<&str>)> {
        let Remains { text: left, left_out } = whole_parts(text, &|_| true)?;
        assert_eq!(left.chars().count(), text.chars().count());
        assert_eq!(left.matches('\n').count(), text.matches('\n').count());
        Some((left, left_out.into_iter().map(|part| text[part].trim()).collect()))
    }

    #[test]
    fn what_is_whole_around_a_fault_is_kept_in_its_place() {
        let text = "package a\n\nvar é = 1\n\nfunc broken( {\n\tx :=\n}\n\nfunc whole() int { return 2 }\n";
        let (left, out) = remains(text).expect("something is whole");
        assert_eq!(out, ["func broken( {\n\tx :=\n}"]);
        assert!(left.starts_with("package a\n\nvar é = 1\n\n "));
        assert!(left.ends_with("\n\nfunc whole() int { return 2 }\n"));
    }

    #[test]
    fn a_brace_that_is_missing_costs_its_own_declaration_only() {
        let text = "package a\n\nfunc open() {\n\tif true {\n\t\tf()\n\nfunc next() {}\n\n// Last is whole.\nfunc last() {}\n";
        let (left, out) = remains(text).expect("something is whole");
        assert!(left.contains("func next() {}") && left.contains("func last() {}"), "{left}");
        assert!(out[0].starts_with("func open() {"), "{out:?}");
    }

    #[test]
    fn without_a_package_or_a_declaration_nothing_is_left() {
        assert!(remains("").is_none());
        assert!(remains("pakage a\n\nfunc f() {}\n").is_none());
        assert!(remains("package a\n\nfunc f( {\n").is_none());
        assert!(remains("\u{0}\u{1}}}}}{{{{").is_none());
    }

    #[test]
    fn what_the_parser_refuses_is_left_out_though_it_looks_whole() {
        let text = "package a\n\nvar x = 1\n\nvar y = 2\n";
        let left = whole_parts(text, &|part| !part.contains('y')).expect("x is whole");
        assert_eq!(left.text, "package a\n\nvar x = 1\n\n         \n");
    }
}
