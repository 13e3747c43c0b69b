//! What a line of Go source does with maps.
//!
//! An assignment to an index allocates only where a map is indexed: a slice's or array's element is
//! there already. So an allocation on such a line is the map's, or that of a value beside it. What
//! functions of the package `maps` allocate shows under names of their own.

use super::names::{GoFile, GoPackage, element, is_map};
use super::tokens::Tokens;

const ASSIGNMENTS: [&str; 14] =
    ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "&^=", "++", "--"];
/// Conversions between numbers, and functions of the language that allocate nothing.
const WITHOUT_ALLOCATION: [&str; 22] = [
    "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64",
    "uintptr", "byte", "rune", "float32", "float64", "len", "cap", "delete", "clear", "min", "max",
    "make",
];
/// Lines that a statement may go on for and still count.
const MOST_LINES: u32 = 200;

/// What the line does to a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MapUse {
    Makes,
    Literal,
    Assigns,
    Deletes,
}

/// How much is known of what is indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operand {
    /// A map, with its type where that can be spelled.
    Map(Option<String>),
    /// A slice, an array or a pointer to one.
    NotAMap,
    /// Its declaration was not found.
    Unknown,
}

/// A map, or what may be one, and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineUse {
    pub(super) what: MapUse,
    pub(super) operand: Operand,
}

/// What a line does.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct LineFacts {
    pub(super) uses: Vec<LineUse>,
    /// Something else on the line may allocate.
    pub(super) has_others: bool,
}

/// Reads a line; `None` where the file does not have it.
pub(super) fn read(package: &GoPackage, file: &GoFile, line: u32) -> Option<LineFacts> {
    let tokens = &file.tokens;
    let first = tokens.first_on(line);
    if line == 0 || tokens.line(first) != line {
        return None;
    }
    let end = tokens.first_on(line + 1);
    let mut facts = LineFacts::default();
    let spelled = |at: usize| {
        let text = tokens.between(at, tokens.type_end(at)).to_owned();
        package.underlying(text)
    };
    let mut add = |what, operand| facts.uses.push(LineUse { what, operand });
    let mut has_others = false;
    for at in first..end {
        let text = tokens.text(at);
        match text {
            "map" if tokens.text(at + 1) == "[" => {
                let after = tokens.type_end(at);
                let before = at.checked_sub(1).map_or("", |before| tokens.text(before));
                if tokens.text(after) == "{" && before != "]" {
                    add(MapUse::Literal, Operand::Map(spelled(at)));
                }
            }
            "make" if tokens.text(at + 1) == "(" => match spelled(at + 2) {
                Some(ty) if is_map(&ty) => add(MapUse::Makes, Operand::Map(Some(ty))),
                Some(_) => has_others = true,
                None => add(MapUse::Makes, Operand::Unknown),
            },
            "delete" | "clear" if tokens.text(at + 1) == "(" => {
                let operand =
                    operand_before(package, file, tokens, last_of_operand(tokens, at + 2), 0);
                if text == "delete" || matches!(operand, Operand::Map(_)) {
                    let known = matches!(operand, Operand::Map(_));
                    add(MapUse::Deletes, if known { operand } else { Operand::Map(None) });
                }
            }
            "&" | "func" | "new" | "append" => has_others = true,
            "+" => has_others |= tokens.is_literal(at + 1) || tokens.is_word(at + 1),
            "(" if at > 0 && tokens.is_name(at - 1) => {
                has_others |= !WITHOUT_ALLOCATION.contains(&tokens.text(at - 1));
            }
            "{" if at > 0 && (tokens.is_name(at - 1) || tokens.text(at - 1) == "]") => {
                let start = start_of_type(tokens, at);
                match spelled(start) {
                    Some(ty) if is_map(&ty) && !is_map(tokens.between(start, at)) => {
                        add(MapUse::Literal, Operand::Map(Some(ty)));
                    }
                    Some(ty) if is_map(&ty) => {}
                    _ => has_others = true,
                }
            }
            _ => {}
        }
    }
    // Statements that begin on the line or before it, and assign on it or behind it.
    let until = tokens.first_on(line.saturating_add(MOST_LINES));
    let mut depth = 0_i64;
    for at in first..until {
        let text = tokens.text(at);
        match text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if ASSIGNMENTS.contains(&text) {
            for close in targets(tokens, at) {
                let start = start_of_operand(tokens, close);
                if (tokens.line(start)..=tokens.line(at)).contains(&line) {
                    let operand = operand_before(package, file, tokens, close, 0);
                    add(MapUse::Assigns, operand);
                }
            }
        }
        // What begins behind the line is of no interest, unless the line itself goes on.
        if tokens.line(at) > line && depth <= 0 {
            break;
        }
    }
    // The line lies within a literal that began before it.
    if facts.uses.is_empty()
        && let Some(ty) = literal_around(package, tokens, first)
    {
        facts.uses.push(LineUse { what: MapUse::Literal, operand: Operand::Map(Some(ty)) });
    }
    facts.has_others = has_others;
    Some(facts)
}

/// The closing brackets of the indexed targets of an assignment.
fn targets(tokens: &Tokens, assignment: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = assignment;
    while let Some(last) = at.checked_sub(1) {
        let start = match tokens.text(last) {
            "]" => {
                found.push(last);
                start_of_operand(tokens, last)
            }
            _ if tokens.is_name(last) => start_of_operand(tokens, last),
            _ => break,
        };
        match start.checked_sub(1) {
            Some(comma) if tokens.text(comma) == "," && start < at => at = comma,
            _ => break,
        }
    }
    found
}

/// Where an operand such as `a.b[c].d` starts that ends with this token.
fn start_of_operand(tokens: &Tokens, last: usize) -> usize {
    let mut at = last;
    loop {
        at = match tokens.text(at) {
            ")" | "]" => match tokens.opening(at) {
                Some(open)
                    if open > 0
                        && (tokens.is_name(open - 1)
                            || [")", "]"].contains(&tokens.text(open - 1))) =>
                {
                    open - 1
                }
                Some(open) => return open,
                None => return at,
            },
            _ if at >= 2 && tokens.text(at - 1) == "." => at - 2,
            _ => return at,
        };
    }
}

/// Where the name or the composite type before a brace starts.
fn start_of_type(tokens: &Tokens, brace: usize) -> usize {
    let mut at = brace.saturating_sub(1);
    while at >= 1 {
        at = match tokens.text(at) {
            "]" => tokens.opening(at).unwrap_or(at),
            _ => at,
        };
        match at.checked_sub(1).map(|before| tokens.text(before)) {
            Some("." | "*" | "map") => at -= 1,
            Some("]") => at -= 1,
            Some(_) if tokens.text(at) == "[" && tokens.is_name(at - 1) => at -= 1,
            Some(_) if tokens.text(at) == "." && tokens.is_name(at - 1) => at -= 1,
            _ => break,
        }
    }
    at
}

/// The last token of an argument that starts here.
fn last_of_operand(tokens: &Tokens, start: usize) -> usize {
    let mut at = start;
    while at < tokens.len() {
        match tokens.text(at) {
            "," | ")" => break,
            "(" | "[" | "{" => at = tokens.closing(at) + 1,
            _ => at += 1,
        }
    }
    // `operand_before` takes the closing bracket of an index; here it is the argument itself.
    at
}

/// What is indexed by the bracket that closes at `close`; where that is none, what ends before it.
fn operand_before(
    package: &GoPackage,
    file: &GoFile,
    tokens: &Tokens,
    close: usize,
    levels: u32,
) -> Operand {
    if levels > 8 {
        return Operand::Unknown;
    }
    let open = match tokens.text(close) {
        "]" => tokens.opening(close),
        _ => Some(close),
    };
    let Some(last) = open.and_then(|open| open.checked_sub(1)) else { return Operand::Unknown };
    match type_before(package, file, tokens, last, 0) {
        Some(ty) if is_map(&ty) => Operand::Map(Some(ty)),
        Some(ty) if ty.starts_with('[') || ty.starts_with("*[") => Operand::NotAMap,
        // A pointer or a struct can't be indexed: another name was meant.
        _ => Operand::Unknown,
    }
}

/// The type of the operand that ends with this token.
fn type_before(
    package: &GoPackage,
    file: &GoFile,
    tokens: &Tokens,
    last: usize,
    levels: u32,
) -> Option<String> {
    if levels > 8 {
        return None;
    }
    match tokens.text(last) {
        "]" => {
            let inner = tokens.opening(last)?.checked_sub(1)?;
            let whole = type_before(package, file, tokens, inner, levels + 1)?;
            package.underlying(element(&whole)?.to_owned())
        }
        ")" => {
            // `(*m)[k]`.
            let open = tokens.opening(last)?;
            let is_pointed = tokens.text(open + 1) == "*" && tokens.is_name(open + 2);
            if !is_pointed || open + 3 != last {
                return None;
            }
            let pointer = package.type_of(file, tokens.text(open + 2), last, false)?;
            package.underlying(pointer.strip_prefix('*')?.to_owned())
        }
        name if tokens.is_name(last) => {
            let is_field = last > 0 && tokens.text(last - 1) == ".";
            package.type_of(file, name, last, is_field)
        }
        _ => None,
    }
}

/// The type of a map literal that began before a line and goes on behind it.
fn literal_around(package: &GoPackage, tokens: &Tokens, first: usize) -> Option<String> {
    let mut depth = 0_u32;
    let from = tokens.first_on(tokens.line(first).saturating_sub(MOST_LINES));
    for at in (from..first).rev() {
        match tokens.text(at) {
            ")" | "]" | "}" => depth += 1,
            "(" | "[" => depth = depth.saturating_sub(1),
            "{" if depth > 0 => depth -= 1,
            "{" => {
                let start = start_of_type(tokens, at);
                let text = tokens.between(start, at).to_owned();
                return package.underlying(text).filter(|ty| is_map(ty));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(package: &[&str], line: u32) -> LineFacts {
        let mut all = GoPackage::default();
        for (index, text) in package.iter().enumerate() {
            all.add(&index.to_string(), (*text).to_owned());
        }
        read(&all, &all.files["0"], line).expect("the line is there")
    }

    fn one(body: &str) -> (MapUse, Operand, bool) {
        let text = format!(
            "package p\nvar m map[int]string; var s []int; var n = map[int]map[string]bool{{}}\ntype set[K comparable] map[K]struct{{}}\ntype reg struct {{ index map[string]int; items []int }}\nfunc (r *reg) f(a, b map[byte]int8, t set[int], p *map[int]int) {{\n{body}\n}}\n"
        );
        let facts = facts(&[&text], 6);
        assert_eq!(facts.uses.len(), 1, "{body}: {facts:?}");
        (facts.uses[0].what, facts.uses[0].operand.clone(), facts.has_others)
    }

    #[test]
    fn assignments_to_indexes_tell_maps_from_slices() {
        let map = |text: &str| Operand::Map(Some(text.to_owned()));
        assert_eq!(one("m[1] = \"x\""), (MapUse::Assigns, map("map[int]string"), false));
        assert_eq!(one("s[1] += 2"), (MapUse::Assigns, Operand::NotAMap, false));
        assert_eq!(one("n[1][\"k\"] = true"), (MapUse::Assigns, map("map[string]bool"), false));
        assert_eq!(one("r.index[f(1)]++").1, map("map[string]int"));
        assert_eq!(one("r.items[3]--").1, Operand::NotAMap);
        assert_eq!(one("b[1] = 2").1, map("map[byte]int8"));
        assert_eq!(one("t[1] = struct{}{}").1, map("map[K]struct{}"));
        assert_eq!(one("(*p)[1] = 2").1, map("map[int]int"));
        assert_eq!(one("x, m[2] = 1, \"\"").1, map("map[int]string"));
        assert_eq!(one("y[1] = 2").1, Operand::Unknown);
        assert_eq!(one("inner := n[1]; inner[\"k\"] = false").1, map("map[string]bool"));
        assert!(one("m[1] = string(b)").2);
    }

    #[test]
    fn what_makes_maps_is_seen() {
        let map = |text: &str| Operand::Map(Some(text.to_owned()));
        assert_eq!(one("x := make(map[string]int, 9)").0, MapUse::Makes);
        assert_eq!(one("x := make(set[int])"), (MapUse::Makes, map("map[K]struct{}"), false));
        assert_eq!(one("x := map[string]int{\"a\": 1}").0, MapUse::Literal);
        assert_eq!(one("x := set[int]{}").0, MapUse::Literal);
        assert_eq!(one("delete(m, 1)"), (MapUse::Deletes, map("map[int]string"), false));
    }

    #[test]
    fn lines_without_maps_have_no_use() {
        let text = "package p\nvar s []map[int]int\nfunc f() {\ns = append(s, nil)\nx := []int{1}\n\"m[k] = v\"\nif m[1] == 2 {\n}\n}\n";
        for line in [4, 5, 6, 7] {
            assert_eq!(facts(&[text], line).uses, [], "{line}");
        }
        let text = "package p\nvar m = map[string]int{\n\"a\": f(),\n}\n";
        assert_eq!(facts(&[text], 3).uses[0].what, MapUse::Literal);
    }
}
