//! Types and constants that Go source declares.
//!
//! Only declarations at a file's top level are looked for, and only where they start: a type is read
//! when it is asked for. So function bodies, and syntax that is newer than this, do no harm.

use std::collections::HashMap;
use std::sync::Arc;

use super::cursor::Cursor;
use super::error::{SourceText, TypeError};
use super::names::{ConstantDefinition, Definition, TypeNames, last_part};

/// The declarations of the files of one package, or of several.
#[derive(Debug, Clone, Default)]
pub struct GoSource {
    types: HashMap<(String, String), Definition>,
    constants: HashMap<(String, String), ConstantDefinition>,
    /// The packages in the order in which they were added.
    packages: Vec<String>,
}

impl GoSource {
    /// Adds a file. `name` is for error messages.
    ///
    /// # Errors
    ///
    /// Fails where the text does not start as Go source does, with a package clause.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), TypeError> {
        let source = Arc::new(SourceText { file: Some(name.to_owned()), text: text.to_owned() });
        let mut cursor = Cursor::new(source, 0);
        if cursor.rest().starts_with('\u{feff}') {
            cursor.at += '\u{feff}'.len_utf8();
        }
        if !cursor.keyword("package") {
            return Err(cursor.expected("the package clause of a Go file"));
        }
        cursor.skip(true);
        let Some(package) = cursor.name() else {
            return Err(cursor.expected("the package's name"));
        };
        if !self.packages.contains(&package) {
            self.packages.push(package.clone());
        }
        let mut reader = Reader { cursor, package, into: self, is_broken: false };
        reader.declarations();
        Ok(())
    }

    /// Returns how many types are declared.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Tells whether no type is declared.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// Where a name is looked up: in the package that is named, or in all of them.
    fn places<'s>(&'s self, package: Option<&'s str>) -> impl Iterator<Item = String> + 's {
        let named = package.map(|package| last_part(package).to_owned());
        let all = named.is_none().then(|| self.packages.iter().cloned());
        named.into_iter().chain(all.into_iter().flatten())
    }
}

impl TypeNames for GoSource {
    fn find(&self, package: Option<&str>, name: &str) -> Option<Definition> {
        self.places(package).find_map(|place| self.types.get(&(place, name.to_owned())).cloned())
    }

    fn constant(&self, package: Option<&str>, name: &str) -> Option<ConstantDefinition> {
        self.places(package)
            .find_map(|place| self.constants.get(&(place, name.to_owned())).cloned())
    }
}

/// Reads a file's declarations.
struct Reader<'s> {
    cursor: Cursor,
    package: String,
    into: &'s mut GoSource,
    /// A bracket was never closed: from there on, brackets enclose nothing.
    is_broken: bool,
}

impl Reader<'_> {
    fn declarations(&mut self) {
        loop {
            self.cursor.skip(true);
            if self.cursor.is_at_end() {
                return;
            }
            match self.cursor.name_here() {
                "type" => self.group("type", |reader, _| reader.ty()),
                "const" => {
                    // A constant without an expression repeats the one before.
                    let mut last = None;
                    self.group("const", |reader, index| reader.constants(index, &mut last));
                }
                "" => self.skip_token(),
                name => {
                    let len = name.len();
                    self.cursor.at += len;
                }
            }
        }
    }

    /// Reads one declaration, or several in parentheses.
    fn group(&mut self, keyword: &str, mut each: impl FnMut(&mut Self, i128)) {
        self.cursor.at += keyword.len();
        if !self.cursor.take("(") {
            self.cursor.skip(true);
            each(self, 0);
            return;
        }
        let mut index = 0;
        loop {
            if self.cursor.take(")") || self.cursor.is_at_end() {
                return;
            }
            if self.cursor.take(";") {
                continue;
            }
            let before = self.cursor.at;
            each(self, index);
            index += 1;
            self.skip_line();
            if self.cursor.at == before {
                self.skip_token();
            }
        }
    }

    fn ty(&mut self) {
        let Some(name) = self.cursor.name() else { return };
        self.cursor.skip(false);
        let start = self.cursor.at;
        let parameters = self.parameters().unwrap_or_default();
        if parameters.is_empty() {
            self.cursor.at = start;
        }
        let is_alias = self.cursor.take("=");
        self.cursor.skip(true);
        let spelling = (!is_alias).then(|| format!("{}.{name}", self.package));
        let definition = Definition::Source {
            text: self.cursor.source.clone(),
            at: self.cursor.at,
            parameters: parameters.into(),
            spelling,
            package: self.package.clone(),
        };
        self.into.types.entry((self.package.clone(), name)).or_insert(definition);
    }

    /// The names of type parameters: `[K comparable, V any]`. An array's length starts alike, but is
    /// not followed by a constraint.
    fn parameters(&mut self) -> Option<Vec<String>> {
        if self.cursor.peek() != Some('[') {
            return None;
        }
        self.cursor.at += 1;
        let (mut names, mut waiting) = (Vec::new(), Vec::new());
        loop {
            self.cursor.skip(true);
            waiting.push(self.cursor.name()?);
            self.cursor.skip(true);
            match self.cursor.peek()? {
                ',' => self.cursor.at += 1,
                // `[N]T` and `[N*2]T` are arrays; so, by rule, is what looks like both.
                ']' => return None,
                c if c.is_alphabetic() || "_~([*<".contains(c) => {
                    let is_array = c == '*' && self.is_product();
                    if is_array {
                        return None;
                    }
                    names.append(&mut waiting);
                    match self.skip_constraint()? {
                        ',' => {}
                        _ => return Some(names),
                    }
                }
                _ => return None,
            }
        }
    }

    /// Tells whether a star is followed by a number, and so multiplies.
    fn is_product(&self) -> bool {
        let rest = self.cursor.rest().trim_start_matches('*').trim_start();
        rest.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Skips to the comma or bracket behind a constraint; returns which, and skips it.
    fn skip_constraint(&mut self) -> Option<char> {
        let mut depth = 0_u32;
        loop {
            self.cursor.skip(true);
            let c = self.cursor.peek()?;
            match c {
                '(' | '[' | '{' => depth += 1,
                ',' | ']' if depth == 0 => {
                    self.cursor.at += 1;
                    return Some(c);
                }
                ')' | ']' | '}' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            self.cursor.at += c.len_utf8();
        }
    }

    fn constants(&mut self, index: i128, last: &mut Option<Vec<usize>>) {
        let mut names = Vec::new();
        while let Some(name) = self.cursor.name() {
            names.push(name);
            self.cursor.skip(false);
            if self.cursor.peek() != Some(',') {
                break;
            }
            self.cursor.at += 1;
            self.cursor.skip(true);
        }
        // A type may stand before the expressions.
        let line = self.cursor.rest().lines().next().unwrap_or_default();
        let line = line.split("//").next().unwrap_or_default();
        if let Some(equals) = line.find('=') {
            let start = self.cursor.at + equals + 1;
            *last = Some(expressions(&self.cursor, start, names.len()));
        }
        let Some(starts) = last else { return };
        for (name, &at) in names.into_iter().zip(starts.iter()) {
            let definition = ConstantDefinition {
                text: self.cursor.source.clone(),
                at,
                iota: index,
                package: self.package.clone(),
            };
            self.into.constants.entry((self.package.clone(), name)).or_insert(definition);
        }
    }

    /// Skips what is left of a declaration: to a line's end outside of all brackets.
    fn skip_line(&mut self) {
        while !self.cursor.is_at_end() {
            self.cursor.skip(false);
            match self.cursor.peek() {
                Some('\n' | ';' | ')') | None => return,
                _ => self.skip_token(),
            }
        }
    }

    /// Skips a token; of an opening bracket, all that it encloses.
    fn skip_token(&mut self) {
        let mut depth = 0_u32;
        self.cursor.skip(true);
        let start = self.cursor.at;
        loop {
            self.cursor.skip(true);
            match self.cursor.peek() {
                None if depth > 0 => {
                    self.is_broken = true;
                    self.cursor.at = start + 1;
                    return;
                }
                None => return,
                Some('(' | '[' | '{') => {
                    depth += 1;
                    self.cursor.at += 1;
                }
                Some(')' | ']' | '}') => {
                    depth = depth.saturating_sub(1);
                    self.cursor.at += 1;
                }
                Some('"' | '`') => {
                    if self.cursor.string().is_none() {
                        self.cursor.at += 1;
                    }
                }
                Some('\'') => self.skip_character(),
                Some(c) => match self.cursor.name_here().len() {
                    0 => self.cursor.at += c.len_utf8(),
                    len => self.cursor.at += len,
                },
            }
            if depth == 0 || self.is_broken {
                return;
            }
        }
    }

    /// Skips a character in quotes.
    fn skip_character(&mut self) {
        let rest = self.cursor.rest();
        let mut chars = rest.char_indices().skip(1);
        let mut end = 1;
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => {
                    chars.next();
                }
                '\'' => {
                    end = at + 1;
                    break;
                }
                '\n' => break,
                _ => {}
            }
        }
        self.cursor.at += end;
    }
}

/// Where expressions start that commas separate.
fn expressions(cursor: &Cursor, start: usize, count: usize) -> Vec<usize> {
    let mut starts = vec![start];
    let rest = cursor.source.text.get(start..).unwrap_or_default();
    let mut depth = 0_i32;
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => starts.push(start + at + 1),
            '\n' => break,
            _ => {}
        }
        if starts.len() >= count {
            break;
        }
    }
    starts
}
