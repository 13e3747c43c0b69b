//! Reading Go source character by character: blanks, comments, names, literals.

use std::sync::Arc;

use super::error::{SourceText, TypeError, TypeFault};

/// A place in a text.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    pub(super) source: Arc<SourceText>,
    pub(super) at: usize,
}

impl Cursor {
    pub(super) fn new(source: Arc<SourceText>, at: usize) -> Self {
        Self { source, at }
    }

    pub(super) fn rest(&self) -> &str {
        self.source.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.source.text.len()
    }

    pub(super) fn fault(&self, fault: TypeFault) -> TypeError {
        self.fault_at(self.at, fault)
    }

    pub(super) fn fault_at(&self, at: usize, fault: TypeFault) -> TypeError {
        TypeError { fault, source_text: self.source.clone(), at }
    }

    pub(super) fn expected(&self, wanted: &'static str) -> TypeError {
        self.fault(TypeFault::Expected { wanted })
    }

    /// Skips blanks and comments on the line; with `lines`, newlines, too. Tells whether a newline
    /// was among what was skipped.
    pub(super) fn skip(&mut self, lines: bool) -> bool {
        let mut newline = false;
        loop {
            let rest = self.rest();
            if let Some(comment) = rest.strip_prefix("/*") {
                let len = comment.find("*/").map_or(comment.len(), |end| end + 2);
                if comment.get(..len).is_some_and(|text| text.contains('\n')) && !lines {
                    return newline;
                }
                self.at += 2 + len;
            } else if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else {
                match rest.chars().next() {
                    Some('\n') if lines => {
                        newline = true;
                        self.at += 1;
                    }
                    Some(c) if c != '\n' && c.is_whitespace() => self.at += c.len_utf8(),
                    _ => return newline,
                }
            }
        }
    }

    /// Takes a piece of punctuation, behind blanks.
    pub(super) fn take(&mut self, text: &str) -> bool {
        self.skip(true);
        let is_there = self.rest().starts_with(text);
        if is_there {
            self.at += text.len();
        }
        is_there
    }

    pub(super) fn need(&mut self, text: &str, wanted: &'static str) -> Result<(), TypeError> {
        match self.take(text) {
            true => Ok(()),
            false => Err(self.expected(wanted)),
        }
    }

    /// The name at the cursor; empty where there is none.
    pub(super) fn name_here(&self) -> &str {
        let rest = self.rest();
        if !rest.starts_with(|c: char| c == '_' || c.is_alphabetic()) {
            return "";
        }
        let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric());
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    /// Takes the name at the cursor.
    pub(super) fn name(&mut self) -> Option<String> {
        let name = self.name_here().to_owned();
        self.at += name.len();
        (!name.is_empty()).then_some(name)
    }

    /// Takes a keyword, behind blanks.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        self.skip(true);
        let is_there = self.name_here() == word;
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    /// Takes a name with a package: `time.Time`, `example.com/app/v2/store.Session`.
    pub(super) fn qualified_name(&mut self) -> Option<(Option<String>, String)> {
        let rest = self.rest();
        let is_path = |c: char| c.is_alphanumeric() || "_-./~%+".contains(c);
        let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
        let path = rest.get(..end).unwrap_or_default();
        if let (Some(slash), false) = (path.rfind('/'), path.contains("//"))
            && let Some(dot) = path.rfind('.').filter(|dot| *dot > slash)
            && path.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            let (package, name) = (path[..dot].to_owned(), path[dot + 1..].to_owned());
            if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
                self.at += end;
                return Some((Some(package), name));
            }
        }
        let first = self.name()?;
        let before = self.at;
        if self.peek() == Some('.') && !self.rest().starts_with("...") {
            self.at += 1;
            if let Some(name) = self.name() {
                return Some((Some(first), name));
            }
            self.at = before;
        }
        Some((None, first))
    }

    /// Takes a string literal, and returns what it spells.
    pub(super) fn string(&mut self) -> Option<String> {
        let rest = self.rest();
        if let Some(raw) = rest.strip_prefix('`') {
            let len = raw.find('`')?;
            let text = raw.get(..len)?.to_owned();
            self.at += len + 2;
            return Some(text);
        }
        let quoted = rest.strip_prefix('"')?;
        let mut text = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 2;
                    return Some(text);
                }
                '\n' => return None,
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    other => text.push(other),
                },
                c => text.push(c),
            }
        }
        None
    }
}
