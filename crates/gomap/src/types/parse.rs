//! From text to the syntax of types (the Go specification, "Types").
//!
//! Nesting and the number of parts are bounded, and what is tried twice counts twice, so that no text
//! takes long.

use std::sync::Arc;

use super::cursor::Cursor;
use super::error::{SourceText, TypeError, TypeFault};
use super::syntax::{
    Constant, ConstantKind, Direction, FieldSyntax, Operator, Signature, TypeKind, TypeSyntax,
};

/// Levels of types within types.
const MAX_DEPTH: u32 = 50;
/// Types in a text.
const MAX_PARTS: u32 = 20_000;
/// Operators of one strength in a row.
const MAX_OPERATORS: u32 = 60;

/// Reads types from a text.
pub(super) struct Parser {
    pub(super) cursor: Cursor,
    depth: u32,
    parts: u32,
}

impl Parser {
    pub(super) fn new(source: Arc<SourceText>, at: usize) -> Self {
        Self { cursor: Cursor::new(source, at), depth: 0, parts: 0 }
    }

    /// Reads a type, which may be followed by anything.
    pub(super) fn ty(&mut self) -> Result<TypeSyntax, TypeError> {
        self.cursor.skip(true);
        self.parts += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH || self.parts > MAX_PARTS {
            return Err(self.cursor.fault(TypeFault::TooComplex));
        }
        let at = self.cursor.at;
        let kind = self.kind();
        self.depth -= 1;
        Ok(TypeSyntax { at, kind: kind? })
    }

    fn boxed(&mut self) -> Result<Box<TypeSyntax>, TypeError> {
        Ok(Box::new(self.ty()?))
    }

    fn kind(&mut self) -> Result<TypeKind, TypeError> {
        let cursor = &mut self.cursor;
        match cursor.peek() {
            Some('*') => {
                cursor.at += 1;
                return Ok(TypeKind::Pointer(self.boxed()?));
            }
            Some('(') => {
                cursor.at += 1;
                let inner = self.ty()?;
                self.cursor.need(")", "a closing parenthesis")?;
                return Ok(inner.kind);
            }
            Some('[') => {
                cursor.at += 1;
                if cursor.take("]") {
                    return Ok(TypeKind::Slice(self.boxed()?));
                }
                let len = Box::new(self.constant()?);
                self.cursor.need("]", "a closing bracket")?;
                return Ok(TypeKind::Array(len, self.boxed()?));
            }
            Some('<') => {
                cursor.need("<-", "<-chan")?;
                if !cursor.keyword("chan") {
                    return Err(cursor.expected("chan"));
                }
                return Ok(TypeKind::Chan(Direction::Receive, self.boxed()?));
            }
            _ => {}
        }
        match cursor.name_here() {
            "map" => {
                cursor.at += 3;
                cursor.need("[", "the key's type in brackets")?;
                let key = self.boxed()?;
                self.cursor.need("]", "a closing bracket")?;
                Ok(TypeKind::Map(key, self.boxed()?))
            }
            "chan" => {
                cursor.at += 4;
                let is_send = cursor.take("<-");
                let direction = if is_send { Direction::Send } else { Direction::Both };
                Ok(TypeKind::Chan(direction, self.boxed()?))
            }
            "func" => {
                cursor.at += 4;
                Ok(TypeKind::Func(self.signature()?))
            }
            "struct" => {
                cursor.at += 6;
                self.structure()
            }
            "interface" => {
                cursor.at += 9;
                self.interface()
            }
            _ => self.named(),
        }
    }

    fn named(&mut self) -> Result<TypeKind, TypeError> {
        let at = self.cursor.at;
        let Some((package, name)) = self.cursor.qualified_name() else {
            return Err(self.cursor.expected("a type"));
        };
        if package.is_none() && KEYWORDS.contains(&name.as_str()) {
            self.cursor.at = at;
            return Err(self.cursor.expected("a type"));
        }
        let mut arguments = Vec::new();
        if self.cursor.peek() == Some('[') {
            self.cursor.at += 1;
            while arguments.is_empty() || self.cursor.take(",") {
                arguments.push(self.ty()?);
            }
            self.cursor.need("]", "a closing bracket")?;
        }
        Ok(TypeKind::Name { package, name, arguments })
    }

    fn structure(&mut self) -> Result<TypeKind, TypeError> {
        self.cursor.need("{", "the fields in braces")?;
        let mut fields = Vec::new();
        loop {
            if self.cursor.take("}") {
                return Ok(TypeKind::Struct(fields));
            }
            if self.cursor.is_at_end() {
                return Err(self.cursor.expected("a closing brace"));
            }
            if self.cursor.take(";") {
                continue;
            }
            fields.push(self.field()?);
            self.end_of_member()?;
        }
    }

    /// A member ends at a semicolon, a line's end, or the closing brace.
    fn end_of_member(&mut self) -> Result<(), TypeError> {
        self.cursor.skip(false);
        match self.cursor.peek() {
            Some(';' | '}' | '\n') => Ok(()),
            _ if self.cursor.rest().starts_with("/*") => Ok(()),
            _ => Err(self.cursor.expected("a semicolon, a new line or a closing brace")),
        }
    }

    fn field(&mut self) -> Result<FieldSyntax, TypeError> {
        self.cursor.skip(true);
        let start = self.cursor.at;
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
        let is_embedded = match self.cursor.peek() {
            _ if names.is_empty() => true,
            Some('.' | '/' | ';' | '}' | '\n' | '"' | '`' | '-') | None => names.len() == 1,
            _ => false,
        };
        let ty = if is_embedded {
            self.cursor.at = start;
            names.clear();
            self.ty()?
        } else {
            let before = self.cursor.at;
            match self.ty() {
                Ok(ty) => ty,
                // `List[int]` is an embedded generic type; `List [4]int` was read above.
                Err(fault)
                    if names.len() == 1 && self.cursor.source.text[before..].starts_with('[') =>
                {
                    self.cursor.at = start;
                    names.clear();
                    self.ty().map_err(|_| fault)?
                }
                Err(fault) => return Err(fault),
            }
        };
        self.cursor.skip(false);
        let tag = self.cursor.string();
        Ok(FieldSyntax { names, ty, tag })
    }

    fn interface(&mut self) -> Result<TypeKind, TypeError> {
        self.cursor.need("{", "the methods in braces")?;
        let (mut methods, mut embedded) = (Vec::new(), Vec::new());
        loop {
            if self.cursor.take("}") {
                return Ok(TypeKind::Interface { methods, embedded });
            }
            if self.cursor.is_at_end() {
                return Err(self.cursor.expected("a closing brace"));
            }
            if self.cursor.take(";") {
                continue;
            }
            let start = self.cursor.at;
            if self.cursor.peek() == Some('~') {
                return Err(self.cursor.fault(TypeFault::Constraint));
            }
            let name = self.cursor.name();
            self.cursor.skip(false);
            match (name, self.cursor.peek()) {
                (Some(name), Some('(')) => methods.push((name, self.signature()?)),
                _ => {
                    self.cursor.at = start;
                    embedded.push(self.ty()?);
                    self.cursor.skip(false);
                    if self.cursor.peek() == Some('|') {
                        return Err(self.cursor.fault(TypeFault::Constraint));
                    }
                }
            }
            self.end_of_member()?;
        }
    }

    fn signature(&mut self) -> Result<Signature, TypeError> {
        let (parameters, is_variadic) = self.parameters()?;
        self.cursor.skip(false);
        let results = match self.cursor.peek() {
            Some('(') => self.parameters()?.0,
            Some(c) if c == '*' || c == '[' || c == '<' || c == '_' || c.is_alphabetic() => {
                vec![Arc::new(self.ty()?)]
            }
            _ => Vec::new(),
        };
        Ok(Signature { parameters, is_variadic, results })
    }

    /// Parameters in parentheses, with names or without.
    fn parameters(&mut self) -> Result<(Vec<Arc<TypeSyntax>>, bool), TypeError> {
        self.cursor.need("(", "the parameters in parentheses")?;
        let (mut types, mut is_variadic) = (Vec::<Arc<TypeSyntax>>::new(), false);
        // Names that wait for their type, if types follow any name at all.
        let mut waiting = 0;
        loop {
            if self.cursor.take(")") {
                return Ok((types, is_variadic));
            }
            is_variadic |= self.cursor.take("...");
            let mut ty = Arc::new(self.ty()?);
            self.cursor.skip(true);
            let is_name = matches!(&ty.kind, TypeKind::Name { package: None, arguments, .. }
                if arguments.is_empty());
            if is_name && !matches!(self.cursor.peek(), Some(',' | ')') | None) {
                is_variadic |= self.cursor.take("...");
                ty = Arc::new(self.ty()?);
                for earlier in types.iter_mut().rev().take(waiting) {
                    *earlier = ty.clone();
                }
                waiting = 0;
            } else {
                waiting += 1;
            }
            types.push(ty);
            if !self.cursor.take(",") {
                self.cursor.need(")", "a comma or a closing parenthesis")?;
                return Ok((types, is_variadic));
            }
        }
    }

    /// Reads a constant expression.
    pub(super) fn constant(&mut self) -> Result<Constant, TypeError> {
        self.binary(1)
    }

    fn binary(&mut self, least: u8) -> Result<Constant, TypeError> {
        let mut left = self.unary()?;
        for _ in 0..MAX_OPERATORS {
            self.cursor.skip(false);
            let rest = self.cursor.rest();
            let found = Operator::ALL
                .into_iter()
                .find(|(text, _, binds)| rest.starts_with(text) && *binds >= least);
            let Some((text, operator, binds)) = found else { return Ok(left) };
            self.cursor.at += text.len();
            let right = self.binary(binds + 1)?;
            let kind = ConstantKind::Binary(operator, Arc::new(left.clone()), Arc::new(right));
            left = Constant { at: left.at, kind };
        }
        Err(self.cursor.fault(TypeFault::TooComplex))
    }

    fn unary(&mut self) -> Result<Constant, TypeError> {
        self.cursor.skip(true);
        self.parts += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH || self.parts > MAX_PARTS {
            return Err(self.cursor.fault(TypeFault::TooComplex));
        }
        let at = self.cursor.at;
        let kind = match self.cursor.peek() {
            Some('(') => {
                self.cursor.at += 1;
                let inner = self.constant()?;
                self.cursor.need(")", "a closing parenthesis")?;
                inner.kind
            }
            Some(sign @ ('+' | '-' | '^')) => {
                self.cursor.at += 1;
                ConstantKind::Unary(sign as u8, Arc::new(self.unary()?))
            }
            Some(digit) if digit.is_ascii_digit() => ConstantKind::Number(self.number()?),
            Some('\'') => self.character()?,
            _ => match self.cursor.qualified_name() {
                Some((package, name)) => ConstantKind::Name { package, name },
                None => return Err(self.cursor.expected("a number")),
            },
        };
        self.depth -= 1;
        Ok(Constant { at, kind })
    }

    fn character(&mut self) -> Result<ConstantKind, TypeError> {
        let mut chars = self.cursor.rest().chars().skip(1);
        match (chars.next(), chars.next()) {
            (Some(c), Some('\'')) if c != '\\' => {
                self.cursor.at += 2 + c.len_utf8();
                Ok(ConstantKind::Number(i128::from(u32::from(c))))
            }
            _ => Err(self.cursor.fault(TypeFault::NoValue)),
        }
    }

    /// Decimal, `0x`, `0o`, `0b`, or octal with a leading zero; with underscores.
    fn number(&mut self) -> Result<i128, TypeError> {
        let rest = self.cursor.rest();
        let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let digits = text.replace('_', "").to_ascii_lowercase();
        let (radix, digits) = match digits.get(..2) {
            Some("0x") => (16, &digits[2..]),
            Some("0o") => (8, &digits[2..]),
            Some("0b") => (2, &digits[2..]),
            Some(_) if digits.starts_with('0') => (8, &digits[1..]),
            _ => (10, digits.as_str()),
        };
        let value = i128::from_str_radix(digits, radix);
        let value = value.map_err(|_| self.cursor.fault(TypeFault::NoValue))?;
        self.cursor.at += text.len();
        Ok(value)
    }
}

/// Words that are no names (the Go specification, "Keywords"), those that start types aside.
const KEYWORDS: [&str; 20] = [
    "break",
    "case",
    "const",
    "continue",
    "default",
    "defer",
    "else",
    "fallthrough",
    "for",
    "go",
    "goto",
    "if",
    "import",
    "package",
    "range",
    "return",
    "select",
    "switch",
    "type",
    "var",
];
