//! Which names of a Go package are maps, as its files declare them.
//!
//! No type checker: a name's type is read where it is declared, as a variable, parameter, result,
//! field or type, or from a `make` or composite literal that it is assigned. Within a function the
//! last declaration before a line counts; of fields and package variables all must agree, and where
//! they don't, nothing is said.

use std::collections::HashMap;
use std::rc::Rc;

use tophash_gomap::GoSource;

use super::tokens::Tokens;

/// Types that stand for types.
const MAX_NAMES: u32 = 8;
/// Maps of other packages that are used much.
const WELL_KNOWN: [(&str, &str); 5] = [
    ("url.Values", "map[string][]string"),
    ("http.Header", "map[string][]string"),
    ("textproto.MIMEHeader", "map[string][]string"),
    ("expvar.Map", "struct{}"),
    ("sync.Map", "struct{}"),
];

/// A file.
#[derive(Debug, Default)]
pub(super) struct GoFile {
    pub(super) tokens: Tokens,
    /// The tokens of functions, from `func` to the closing brace.
    functions: Vec<(usize, usize)>,
    declarations: Vec<Declaration>,
}

#[derive(Debug)]
struct Declaration {
    name: String,
    /// The type as it is written, or for an element of something `name` and what is indexed.
    ty: Declared,
    at: usize,
    /// Of `functions`.
    function: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Declared {
    Type(String),
    /// An element of what the name stands for.
    ElementOf(String),
}

/// The files of a package.
#[derive(Debug, Default)]
pub(super) struct GoPackage {
    pub(super) files: HashMap<String, GoFile>,
    types: HashMap<String, String>,
    /// The same types, for their layouts.
    pub(super) layouts: Rc<GoSource>,
}

impl GoPackage {
    /// Adds a file under its name.
    pub(super) fn add(&mut self, name: &str, text: String) {
        // A file that is no Go source has no types to add.
        let _ = Rc::make_mut(&mut self.layouts).add(name, &text);
        let tokens = Tokens::of(text);
        let mut file = GoFile { functions: functions(&tokens), tokens, declarations: Vec::new() };
        for at in 0..file.tokens.len() {
            if let Some((name, ty)) = type_declared(&file.tokens, at) {
                self.types.insert(name, ty);
            } else if let Some((names, ty)) = declared(&file.tokens, at) {
                let function = file.function_around(at);
                let new = |name| Declaration { name, ty: ty.clone(), at, function };
                file.declarations.extend(names.into_iter().map(new));
            }
        }
        self.files.insert(name.to_owned(), file);
    }

    /// Returns the type of a name at a token, without names of types where they are known here.
    pub(super) fn type_of(
        &self,
        file: &GoFile,
        name: &str,
        at: usize,
        is_field: bool,
    ) -> Option<String> {
        self.type_within(file, name, at, is_field, MAX_NAMES)
    }

    fn type_within(
        &self,
        file: &GoFile,
        name: &str,
        at: usize,
        is_field: bool,
        left: u32,
    ) -> Option<String> {
        let left = left.checked_sub(1)?;
        let function = file.function_around(at);
        let is_local = |declaration: &&Declaration| {
            declaration.name == name
                && function.is_some()
                && declaration.function == function
                && declaration.at <= at
        };
        let local = match is_field {
            true => None,
            false => file.declarations.iter().rev().find(is_local),
        };
        let written = |declared: &Declared, at| match declared {
            Declared::Type(text) => Some(text.clone()),
            Declared::ElementOf(base) => {
                let whole = self.type_within(file, base, at, false, left)?;
                element(&whole).map(str::to_owned)
            }
        };
        if let Some(local) = local {
            // An assignment to itself would ask for itself.
            return self.underlying(written(&local.ty, local.at.checked_sub(1)?)?);
        }
        let all = self.files.values().flat_map(|file| &file.declarations);
        // Local variables of other functions don't matter, but for literals that set a field.
        let outside =
            all.filter(|declaration| declaration.name == name && declaration.function.is_none());
        let mut found: Option<String> = None;
        for declaration in outside {
            let Declared::Type(text) = &declaration.ty else { return None };
            let ty = self.underlying(text.clone())?;
            match &found {
                Some(before) if *before != ty => {
                    // Both maps, or both not, would do; which one is not known.
                    return (!is_map(before) && !is_map(&ty)).then_some(ty);
                }
                _ => found = Some(ty),
            }
        }
        found
    }

    /// Returns what a type's name stands for; a type that is not known here as nothing.
    pub(super) fn underlying(&self, text: String) -> Option<String> {
        let mut text = text;
        for _ in 0..MAX_NAMES {
            let bare = text.split('[').next().unwrap_or_default().trim().to_owned();
            if is_spelled_out(&text) {
                return Some(text);
            }
            if let Some((_, known)) = WELL_KNOWN.iter().find(|(name, _)| *name == bare) {
                return Some((*known).to_owned());
            }
            text = self.types.get(&bare)?.clone();
        }
        None
    }
}

impl GoFile {
    fn function_around(&self, at: usize) -> Option<usize> {
        let after = self.functions.partition_point(|(start, _)| *start <= at);
        let index = after.checked_sub(1)?;
        self.functions.get(index).filter(|(_, end)| at <= *end).map(|_| index)
    }
}

/// Tells whether a type's text starts as a map's does.
pub(super) fn is_map(text: &str) -> bool {
    text.starts_with("map[")
}

/// Tells whether a type needs no look-up to know what it is.
fn is_spelled_out(text: &str) -> bool {
    const BASIC: [&str; 22] = [
        "string",
        "bool",
        "byte",
        "rune",
        "int",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "uintptr",
        "float32",
        "float64",
        "complex64",
        "complex128",
        "any",
        "error",
        "comparable",
    ];
    is_map(text)
        || ["[", "*", "struct", "interface", "func", "chan", "<-", "("]
            .iter()
            .any(|start| text.starts_with(start))
        || BASIC.contains(&text)
}

/// Returns the type of what an index into a map, slice or array gives.
pub(super) fn element(text: &str) -> Option<&str> {
    let inside = text.strip_prefix("map").unwrap_or(text);
    let mut depth = 0_u32;
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return inside.get(at + 1..).map(str::trim);
                }
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

fn functions(tokens: &Tokens) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens.text(at) {
            "func" => {
                let mut body = at + 1;
                // Parameters and results may hold braces, in brackets or behind struct and interface.
                while body < tokens.len() && tokens.text(body) != "{" {
                    body = match tokens.text(body) {
                        "(" | "[" => tokens.closing(body) + 1,
                        "struct" | "interface" => tokens.closing(body + 1) + 1,
                        // A declaration without a body.
                        "func" | "var" | "type" | "const" if tokens.starts_line(body) => break,
                        _ => body + 1,
                    };
                }
                if tokens.text(body) != "{" {
                    at = body.max(at + 1);
                    continue;
                }
                let end = tokens.closing(body);
                found.push((at, end));
                at = end + 1;
            }
            "{" | "(" => at = tokens.closing(at) + 1,
            _ => at += 1,
        }
    }
    found
}

/// A type that is declared here: `type T[…] U`, or `T U` in a group of them.
fn type_declared(tokens: &Tokens, at: usize) -> Option<(String, String)> {
    if at == 0 || tokens.text(at - 1) != "type" || !tokens.is_name(at) {
        return None;
    }
    let mut start = at + 1;
    // `[K comparable]` is of parameters, `[4]` or `[]` of an array.
    if tokens.text(start) == "[" && tokens.is_name(start + 1) && tokens.text(start + 2) != "]" {
        start = tokens.closing(start) + 1;
    }
    if tokens.text(start) == "=" {
        start += 1;
    }
    let text = tokens.between(start, tokens.type_end(start));
    (!text.is_empty()).then(|| (tokens.text(at).to_owned(), text.to_owned()))
}

/// Names that are declared with a type that ends or is told here, and the type.
fn declared(tokens: &Tokens, at: usize) -> Option<(Vec<String>, Declared)> {
    if !tokens.is_name(at) {
        return None;
    }
    let next = at + 1;
    let names = || {
        let mut names = vec![tokens.text(at).to_owned()];
        let mut first = at;
        while first >= 2 && tokens.text(first - 1) == "," && tokens.is_name(first - 2) {
            first -= 2;
            names.push(tokens.text(first).to_owned());
        }
        names
    };
    let is_selected = at > 0 && tokens.text(at - 1) == ".";
    match tokens.text(next) {
        _ if is_selected || tokens.starts_line(next) => None,
        ":=" | "=" => Some((vec![tokens.text(at).to_owned()], value_type(tokens, next + 1)?)),
        // `value, found := m[k]`.
        "," if tokens.is_name(next + 1) && tokens.text(next + 2) == ":=" => {
            match value_type(tokens, next + 3)? {
                ty @ Declared::ElementOf(_) => Some((vec![tokens.text(at).to_owned()], ty)),
                Declared::Type(_) => None,
            }
        }
        "map" | "*" | "[" | "chan" | "struct" | "interface" | "func" => {
            let before = if at == 0 { "" } else { tokens.text(at - 1) };
            let starts = tokens.starts_line(at) || ["(", ",", "var", "{", ";"].contains(&before);
            let is_index = tokens.text(next) == "[" && tokens.text(next + 1) != "]";
            let is_product =
                tokens.text(next) == "*" && !["map", "["].contains(&tokens.text(next + 1));
            if !starts || is_index || is_product {
                return None;
            }
            let text = tokens.between(next, tokens.type_end(next));
            Some((names(), Declared::Type(text.to_owned())))
        }
        _ if tokens.is_name(next) => {
            let text = tokens.between(next, tokens.type_end(next));
            Some((names(), Declared::Type(text.to_owned())))
        }
        _ => None,
    }
}

/// The type of a value as far as its first tokens tell.
fn value_type(tokens: &Tokens, at: usize) -> Option<Declared> {
    let ty = |at: usize| {
        let text = tokens.between(at, tokens.type_end(at));
        (!text.is_empty()).then(|| Declared::Type(text.to_owned()))
    };
    match tokens.text(at) {
        "make" if tokens.text(at + 1) == "(" => ty(at + 2),
        "map" | "[" => ty(at),
        "&" => Some(Declared::Type("*".to_owned())),
        _ if tokens.is_name(at) => {
            let end = tokens.type_end(at);
            match tokens.text(at + 1) {
                // `m[k]`, and nothing behind it.
                "[" if tokens.starts_line(tokens.closing(at + 1) + 1)
                    || [";", "{"].contains(&tokens.text(tokens.closing(at + 1) + 1)) =>
                {
                    Some(Declared::ElementOf(tokens.text(at).to_owned()))
                }
                _ if tokens.text(end) == "{" && !tokens.starts_line(end) => ty(at),
                _ => None,
            }
        }
        _ => None,
    }
}
