//! What was read: sites, and the flows that lead from them to the heap.

use std::sync::Arc;

use crate::position::Position;
use crate::reason::Reason;

/// What is allocated at a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteKind {
    /// `make(map[K]V)`.
    MakeMap,
    /// `map[K]V{…}`.
    MapLiteral,
    /// `make([]T, n)`.
    MakeSlice,
    /// `[]T{…}`.
    SliceLiteral,
    /// The backing array that `append` makes.
    Append,
    /// `&T{…}` or `new(T)`.
    Object,
    /// A variable whose address outlives its function.
    Variable,
    /// A function literal, with what it captures.
    Closure,
    /// The slice of a variadic call's arguments.
    Variadic,
    /// A value that an interface points to.
    Boxed,
    /// A string that `+` makes.
    Concatenation,
    /// A copy that a conversion between strings and slices makes.
    Conversion,
    /// A method bound to its receiver, `x.Method`.
    MethodValue,
}

impl SiteKind {
    /// Every kind, maps first.
    pub const ALL: [Self; 13] = [
        Self::MakeMap,
        Self::MapLiteral,
        Self::MakeSlice,
        Self::SliceLiteral,
        Self::Append,
        Self::Object,
        Self::Variable,
        Self::Closure,
        Self::Variadic,
        Self::Boxed,
        Self::Concatenation,
        Self::Conversion,
        Self::MethodValue,
    ];

    /// A short name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::MakeMap => "make-map",
            Self::MapLiteral => "map-literal",
            Self::MakeSlice => "make-slice",
            Self::SliceLiteral => "slice-literal",
            Self::Append => "append",
            Self::Object => "object",
            Self::Variable => "variable",
            Self::Closure => "closure",
            Self::Variadic => "variadic",
            Self::Boxed => "boxed",
            Self::Concatenation => "concatenation",
            Self::Conversion => "conversion",
            Self::MethodValue => "method-value",
        }
    }

    /// Whether it is a map itself.
    pub fn is_map(self) -> bool {
        matches!(self, Self::MakeMap | Self::MapLiteral)
    }

    /// Tells the kind from the expression of a verdict that is not about a variable.
    pub(crate) fn of(expression: &str) -> Self {
        let text = expression;
        if text.starts_with("make(map[") || is_made_without_size(text) {
            Self::MakeMap
        } else if text.starts_with("make(") {
            Self::MakeSlice
        } else if text == "func literal" {
            Self::Closure
        } else if text == "... argument" {
            Self::Variadic
        } else if text == "append" || text.starts_with("append(") {
            Self::Append
        } else if text.starts_with("new(") {
            Self::Object
        } else if text.ends_with('}') && text.starts_with("map[") {
            Self::MapLiteral
        } else if text.ends_with('}') && text.starts_with("[]") {
            Self::SliceLiteral
        } else if text.ends_with('}') && text.starts_with('&') {
            Self::Object
        } else if is_conversion(text) {
            Self::Conversion
        } else if has_top_level_plus(text) {
            Self::Concatenation
        } else {
            Self::Boxed
        }
    }
}

/// `make(T)`: of a slice it would name a length, and channels have no verdict.
fn is_made_without_size(text: &str) -> bool {
    text.starts_with("make(") && !has_top_level_comma(text)
}

/// The type that `make(T, n)` or `T{…}` names, where it is a name.
pub(crate) fn named_type(text: &str) -> Option<&str> {
    let name = match text.strip_prefix("make(") {
        Some(rest) => rest.split([',', ')']).next()?,
        None => text.strip_suffix('}')?.split('{').next()?,
    };
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// Whether a comma separates arguments of the outermost call.
pub(crate) fn has_top_level_comma(text: &str) -> bool {
    let mut depth = 0_i64;
    text.bytes().any(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        byte == b',' && depth == 1
    })
}

fn is_conversion(text: &str) -> bool {
    const FORMS: [&str; 5] = ["string(", "([]byte)(", "([]rune)(", "[]byte(", "[]rune("];
    text.ends_with(')') && FORMS.iter().any(|form| text.starts_with(form))
}

/// Whether ` + ` stands outside all brackets and quotes.
fn has_top_level_plus(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (mut depth, mut quote, mut index) = (0_i64, 0_u8, 0);
    while let Some(&byte) = bytes.get(index) {
        match byte {
            b'\\' if quote != 0 && quote != b'`' => index += 1,
            b'"' | b'`' | b'\'' if quote == 0 => quote = byte,
            _ if quote == byte => quote = 0,
            _ if quote != 0 => {}
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b'+' if depth == 0
                && index > 0
                && bytes.get(index - 1) == Some(&b' ')
                && bytes.get(index + 1) == Some(&b' ') =>
            {
                return true;
            }
            _ => {}
        }
        index += 1;
    }
    false
}

/// One step of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The expression through which the value goes.
    pub expression: Arc<str>,
    /// What happens there, in the compiler's words: `assign`, `call parameter`, `return`.
    pub why: Arc<str>,
    /// Where that is.
    pub at: Option<Position>,
}

/// How a value gets from one place of storage to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// Where it gets to: `{heap}`, a variable, `{storage for X}`.
    pub to: Arc<str>,
    /// Where it comes from.
    pub from: Arc<str>,
    /// -1 where the address goes over, 0 for the value, 1 and more for what it points to.
    pub derefs: i8,
    /// By which steps, the innermost first.
    pub steps: Vec<Step>,
}

/// What a site has to do with a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapRole {
    /// It is a map.
    Map,
    /// It is reached through a map's key.
    Key,
    /// It is reached through a map's elem.
    Elem,
    /// It is the box of a map's key that is an interface.
    BoxedKey,
    /// It is the box of a map's elem that is an interface.
    BoxedElem,
}

impl MapRole {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Map => "maps",
            Self::Key => "stored as keys",
            Self::Elem => "stored as elems",
            Self::BoxedKey => "keys boxed in interfaces",
            Self::BoxedElem => "elems boxed in interfaces",
        }
    }

    /// A short name, for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Key => "key",
            Self::Elem => "elem",
            Self::BoxedKey => "boxed-key",
            Self::BoxedElem => "boxed-elem",
        }
    }
}

/// Something that is allocated on the heap, or could have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Where it stands; for what was inlined, where the call stands.
    pub at: Position,
    /// The compiler's spelling of it.
    pub expression: Arc<str>,
    /// The function that it is in, without package: `(*T).Run`, `main.func1`. Up to Go 1.24 the
    /// compiler does not say, and it is the last function that begins above in the file.
    pub function: Arc<str>,
    /// What is allocated.
    pub kind: SiteKind,
    /// Whether it goes to the heap.
    pub escapes: bool,
    /// How often the compiler said so: once for each instance of generic code, and for each copy that
    /// was inlined with the same call.
    pub times: u32,
    /// Why it escapes.
    pub reason: Reason,
    /// Where that leads in the end: a value that is boxed is then returned, or passed to a call.
    pub ends: Reason,
    /// The function that the value is passed to, where a call is the reason.
    pub callee: Option<Arc<str>>,
    /// What it has to do with a map.
    pub map: Option<MapRole>,
    /// Functions that were inlined at this place.
    pub inlined: Vec<Arc<str>>,
    /// How it gets to the heap.
    pub flows: Vec<Flow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_may_have_names() {
        for (text, name) in [
            ("make(http.Header, n)", Some("http.Header")),
            ("labels{...}", Some("labels")),
            ("labels{}", Some("labels")),
            ("[]int{...}", None),
            ("&T{...}", None),
            ("make([]int, n)", None),
            ("x", None),
        ] {
            assert_eq!(named_type(text), name, "{text}");
        }
    }

    #[test]
    fn kinds_are_told_from_the_spelling() {
        for (text, kind) in [
            ("make(map[string]int)", SiteKind::MakeMap),
            ("make(map[string][]int, n)", SiteKind::MakeMap),
            ("make([]map[string]int, n)", SiteKind::MakeSlice),
            ("make(http.Header)", SiteKind::MakeMap),
            ("make(Names, n)", SiteKind::MakeSlice),
            ("map[string]*T{...}", SiteKind::MapLiteral),
            ("[]map[string]int{...}", SiteKind::SliceLiteral),
            ("&T{...}", SiteKind::Object),
            ("new(map[string]int)", SiteKind::Object),
            ("func literal", SiteKind::Closure),
            ("... argument", SiteKind::Variadic),
            ("([]byte)(s)", SiteKind::Conversion),
            ("string(b)", SiteKind::Conversion),
            ("\"a + b\"", SiteKind::Boxed),
            ("\"a\" + f(b + c)", SiteKind::Concatenation),
            ("f(b + c)", SiteKind::Boxed),
            ("x.name", SiteKind::Boxed),
            ("", SiteKind::Boxed),
        ] {
            assert_eq!(SiteKind::of(text), kind, "{text}");
        }
    }
}
