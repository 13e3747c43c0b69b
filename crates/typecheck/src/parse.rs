//! One Go file, parsed, or the reason why it was not.
//!
//! The parser is gosyn's. It is young, and what it reads may be hostile: the text's depth is bounded
//! before (see `nesting.rs`), and a panic in it costs the file alone. Whoever calls gives it enough stack
//! ([`on_deep_stack`](crate::on_deep_stack)), and a time limit where one is wanted.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use gosyn::ast;

use crate::nesting;

/// Larger files are passed over: the largest of Go's own is 4 MB.
pub const MAX_BYTES: u64 = 32 << 20;

/// Texts that nest deeper are passed over. The deepest file of Go 1.27's own has 1,928, of Go 1.19's 14,200.
pub const MAX_DEPTH: usize = 20_000;

/// A file that was passed over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The file.
    pub path: String,
    /// The line, where one is to blame: as the parser counts, which may be the one before.
    pub line: Option<u32>,
    /// What is the matter.
    pub reason: Reason,
    /// The first and last lines of the parts that were passed over; empty for the whole file.
    pub parts: Vec<(u32, u32)>,
}

/// Why a file was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The system would not let it be read.
    Unreadable(String),
    /// It is larger than any source that people write.
    TooLarge(u64),
    /// It is no text in UTF-8.
    NotText,
    /// It nests deeper than a parser can follow.
    TooDeep(usize),
    /// The parser does not accept it.
    Syntax(String),
    /// The parser gave up in an unforeseen way.
    ParserFault,
    /// The parser did not come to an end.
    TookTooLong,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(fault) => write!(f, "can't be read: {fault}"),
            Self::TooLarge(bytes) => write!(f, "has {bytes} bytes, more than is read"),
            Self::NotText => f.write_str("is not UTF-8"),
            Self::TooDeep(depth) => write!(f, "nests {depth} tokens deep, more than is followed"),
            Self::Syntax(fault) => write!(f, "can't be parsed: {fault}"),
            Self::ParserFault => f.write_str("can't be parsed: the parser failed"),
            Self::TookTooLong => f.write_str("can't be parsed: the parser took too long"),
        }
    }
}

/// A parsed file.
pub struct SourceFile {
    /// How it is named.
    pub path: String,
    /// Its syntax. Places are counted in characters.
    pub ast: ast::File,
    /// Where each line but the first begins.
    lines: Vec<usize>,
    /// Where characters of several bytes are, and how many bytes they have beyond the first.
    wide: Vec<(usize, u8)>,
    /// Its size.
    pub bytes: usize,
}

impl SourceFile {
    /// Returns line and column of a place, from 1. The parser counts characters, not bytes.
    pub fn line_column(&self, at: usize) -> (u32, u32) {
        let (line, start) = self.line(at);
        (line, (at.saturating_sub(start) + 1) as u32)
    }

    /// Returns line and column of a place, from 1, the column in bytes: as the Go compiler counts.
    pub fn line_byte_column(&self, at: usize) -> (u32, u32) {
        let (line, start) = self.line(at);
        let from = self.wide.partition_point(|(wide, _)| *wide < start);
        let before = self.wide.iter().skip(from).take_while(|(wide, _)| *wide < at);
        let more: usize = before.map(|(_, more)| usize::from(*more)).sum();
        (line, (at.saturating_sub(start) + more + 1) as u32)
    }

    /// The line of a place, and where it begins.
    fn line(&self, at: usize) -> (u32, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or(0);
        (line as u32 + 1, start)
    }
}

/// Where each line but the first begins, in characters.
fn lines(text: &str) -> Vec<usize> {
    if text.is_ascii() {
        return memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1).collect();
    }
    text.chars().enumerate().filter(|(_, letter)| *letter == '\n').map(|(at, _)| at + 1).collect()
}

/// Where characters of several bytes are.
fn wide(text: &str) -> Vec<(usize, u8)> {
    if text.is_ascii() {
        return Vec::new();
    }
    let wide = text.chars().enumerate().filter(|(_, letter)| !letter.is_ascii());
    wide.map(|(at, letter)| (at, letter.len_utf8() as u8 - 1)).collect()
}

/// Reads the text of a file.
///
/// # Errors
///
/// A file that can't be read, that is larger than [`MAX_BYTES`], or that is not UTF-8.
pub fn read(path: &Path) -> Result<String, PassedOver> {
    let pass = |reason| {
        let path = path.to_string_lossy().into_owned();
        PassedOver { path, line: None, reason, parts: Vec::new() }
    };
    let unreadable = |fault: std::io::Error| pass(Reason::Unreadable(fault.to_string()));
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > MAX_BYTES {
        return Err(pass(Reason::TooLarge(bytes)));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|_| pass(Reason::NotText))
}

/// Parses a text.
///
/// # Errors
///
/// A text that the parser does not accept, or that nests deeper than [`MAX_DEPTH`].
pub fn parse(path: &str, text: &str) -> Result<SourceFile, PassedOver> {
    let pass = |line, reason| PassedOver { path: path.to_owned(), line, reason, parts: Vec::new() };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let depth = nesting::depth(text.as_bytes());
    if depth > MAX_DEPTH {
        return Err(pass(None, Reason::TooDeep(depth)));
    }
    let without_unknown = |text: &str| {
        gosyn::parse_source(text).or_else(|fault| match without_method_parameters(text) {
            Some((blanked, ranges)) => {
                let mut file = gosyn::parse_source(blanked)?;
                restore_method_parameters(&mut file, text, &ranges);
                Ok(file)
            }
            None => Err(fault),
        })
    };
    // The parser owns its state, and what a panic leaves of it is dropped.
    let parsed = panic::catch_unwind(AssertUnwindSafe(|| {
        without_unknown(text).or_else(|fault| match with_ended_defers(text) {
            Some(ended) => without_unknown(&ended),
            None => Err(fault),
        })
    }));
    match parsed {
        Ok(Ok(ast)) => Ok(SourceFile {
            path: path.to_owned(),
            ast,
            lines: lines(text),
            wide: wide(text),
            bytes: text.len(),
        }),
        Ok(Err(fault)) => {
            let (line, what) = explain(&fault);
            Err(pass(line, Reason::Syntax(what)))
        }
        Err(_) => Err(pass(None, Reason::ParserFault)),
    }
}

/// A deferred call that is longer does not end its block on its line.
const MAX_DEFER: usize = 1000;

/// Puts a semicolon for the space between a `defer` and the brace that ends its block, on one line: the parser
/// asks for one there, where the language needs none.
fn with_ended_defers(text: &str) -> Option<String> {
    let mut ended: Option<Vec<u8>> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        for (start, _) in line.match_indices("defer ") {
            let end = end_of_block(&line.as_bytes()[start..]).map(|end| at + start + end);
            if let Some(end) = end.filter(|end| text.as_bytes()[end - 1] == b' ') {
                ended.get_or_insert_with(|| text.as_bytes().to_vec())[end - 1] = b';';
            }
        }
        at += line.len();
    }
    String::from_utf8(ended?).ok()
}

/// Where a brace closes that opened before.
fn end_of_block(code: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in code.iter().enumerate().take(MAX_DEFER) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}

/// More type parameters of methods than this in a file are not read, but for their names' sake.
const MAX_METHOD_PARAMETERS: usize = 200;

/// Blanks the type parameters of methods, which Go has from 1.27 on and the parser does not know. Returns also
/// where they are.
fn without_method_parameters(text: &str) -> Option<(String, Vec<Range<usize>>)> {
    let mut blanked: Option<Vec<u8>> = None;
    let mut ranges = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if let Some(range) = method_parameters(line) {
            let bytes = blanked.get_or_insert_with(|| text.as_bytes().to_vec());
            if let Some(part) = bytes.get_mut(at + range.start..at + range.end) {
                // Places are counted in characters: they stay right unless a name there is no ASCII.
                part.fill(b' ');
                ranges.push(at + range.start..at + range.end);
            }
        }
        at += line.len();
    }
    // Whole characters were replaced: from one bracket to its partner.
    Some((String::from_utf8(blanked?).ok()?, ranges))
}

/// Parses type parameters of methods by themselves, at their places, and puts them where the parser would.
fn restore_method_parameters(file: &mut ast::File, text: &str, ranges: &[Range<usize>]) {
    for range in ranges.iter().take(MAX_METHOD_PARAMETERS) {
        let (Some(before), Some(list)) = (text.get(..range.start), text.get(range.clone())) else {
            continue;
        };

        let start = before.chars().count();
        let (head, function) = ("package p;", "func _");
        let Some(room) = start.checked_sub(head.len() + function.len()) else { continue };
        let alone = format!("{head}{}{function}{list}(){{}}", " ".repeat(room));
        let Ok(parsed) = gosyn::parse_source(alone) else { continue };
        let Some(ast::Declaration::Function(parsed)) = parsed.decl.into_iter().next() else {
            continue;
        };
        let method = file.decl.iter_mut().find_map(|declaration| match declaration {
            ast::Declaration::Function(function)
                if function.name.pos + function.name.name.chars().count() == start =>
            {
                Some(function)
            }
            _ => None,
        });
        if let Some(method) = method {
            method.typ.typ_params = parsed.typ.typ_params;
        }
    }
}

/// Finds the brackets in `func (r *T) Name[P any](`, on one line.
fn method_parameters(line: &str) -> Option<Range<usize>> {
    let rest = line.strip_prefix("func (")?;
    let receiver_end = line.len() - rest.len() + rest.find(") ")? + 2;
    let name = line.get(receiver_end..)?;
    let length = name.find(|letter: char| !letter.is_alphanumeric() && letter != '_')?;
    let start = receiver_end + length;
    if length == 0 || !line.get(start..)?.starts_with('[') {
        return None;
    }
    let mut depth = 0_usize;
    for (at, byte) in line.bytes().enumerate().skip(start) {
        match byte {
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(start..at + 1);
        }
    }
    None
}

/// What the parser says, with its place apart.
fn explain(
    fault: &(impl fmt::Display + AsRef<dyn std::error::Error + Send + Sync>),
) -> (Option<u32>, String) {
    let error: &(dyn std::error::Error + Send + Sync + 'static) = fault.as_ref();
    match error.downcast_ref::<gosyn::Error>() {
        Some(gosyn::Error::UnexpectedToken { location, actual, .. }) => {
            let what = match actual {
                Some(token) => format!("unexpected {token:?}"),
                None => "unexpected end of file".to_owned(),
            };
            (u32::try_from(location.0).ok(), what)
        }
        Some(gosyn::Error::Else { location, reason, .. }) => {
            (u32::try_from(location.0).ok(), reason.clone())
        }
        _ => (None, fault.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one() {
        let file = parse("a.go", "package a\n\nvar é, x int\n").expect("it parses");
        let ast::Declaration::Variable(declared) = &file.ast.decl[0] else { panic!("a variable") };
        let names = &declared.specs[0].name;
        assert_eq!(file.line_column(names[0].pos), (3, 5));
        assert_eq!(file.line_column(names[1].pos), (3, 8));
        assert_eq!(file.line_byte_column(names[1].pos), (3, 9));
        assert_eq!(file.line_column(0), (1, 1));
    }

    #[test]
    fn methods_with_type_parameters_are_read() {
        let text = "package a\n\nfunc (r *T) Pick[P Int, Q []P](n P) P { return n }\n";
        let file = parse("a.go", text).expect("it parses");
        let ast::Declaration::Function(method) = &file.ast.decl[0] else { panic!("a method") };
        let params = &method.typ.typ_params.list;
        assert_eq!(params.len(), 2);
        assert_eq!(params[1].name[0].name, "Q");
        assert_eq!(file.line_column(params[1].name[0].pos), (3, 25));
        assert!(parse("a.go", "package a\nfunc (r *T) Pick[").is_err());
    }

    #[test]
    fn a_defer_may_end_its_block_on_its_line() {
        for line in [
            "func f() { go func() { defer done() }() }",
            "func f() { x(func() { defer close(c) }) }",
            "func f() { defer func() { defer g([]int{1}) }() }",
            "func (t T) F[P any]() { defer g() }",
        ] {
            let text = format!("package a\n\n{line}\n\nvar after int\n");
            let file = parse("a.go", &text).unwrap_or_else(|fault| panic!("{line}: {fault:?}"));
            let Some(ast::Declaration::Variable(after)) = file.ast.decl.last() else {
                panic!("{line}");
            };
            assert_eq!(file.line_column(after.specs[0].name[0].pos), (5, 5));
        }
        assert!(parse("a.go", "package a\nfunc f() { defer \"}\n").is_err());
    }

    #[test]
    fn broken_text_says_where() {
        let fault = parse("a.go", "package a\n\nfunc f( {\n").err().expect("it is broken");
        assert!(matches!(fault.line, Some(2 | 3)));
        assert!(matches!(fault.reason, Reason::Syntax(_)));
    }

    #[test]
    fn a_text_that_nests_too_deep_is_passed_over() {
        let text = format!("package a\nvar x = {}1", "!".repeat(MAX_DEPTH));
        let fault = parse("a.go", &text).err().expect("it is too deep");
        assert!(matches!(fault.reason, Reason::TooDeep(_)));
    }
}
