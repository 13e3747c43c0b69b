//! One line of what `go build -gcflags=-m=2` prints, taken apart.
//!
//! What differs between releases is here and nowhere else (cmd/compile/internal/escape, `solve.go`
//! and `graph.go`):
//!
//! | | Go 1.19 to 1.24 | Go 1.25 to 1.27 |
//! | --- | --- | --- |
//! | an explanation begins | `X escapes to heap:` | `X escapes to heap in F:` |
//! | a parameter's | `parameter P leaks to D with derefs=N:` | `parameter P leaks to D for F with derefs=N:` |
//! | a flow | `flow: D = *S:` | `flow: D ← *S:` |
//!
//! Verdicts (`X escapes to heap`, `moved to heap: X`, `X does not escape`) and steps (`from X (why) at
//! PLACE`) are the same in all. Time is linear in the line; nothing is allocated.

use crate::position::{self, Place};

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line<'t> {
    /// The lines that follow are of this package.
    Package(&'t str),
    /// Something at a place.
    At(Place<'t>, Said<'t>),
    /// Nothing of the kind.
    Other,
}

/// What is said of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said<'t> {
    /// A verdict: the expression's value is allocated on the heap.
    Escapes(&'t str),
    /// A verdict: the variable is allocated on the heap.
    Moved(&'t str),
    /// A verdict: it stays on the stack. Parameters are spoken of in the same words.
    Stays(&'t str),
    /// An explanation begins: why this escapes, and in which function, where the release says it.
    Because { what: &'t str, function: Option<&'t str> },
    /// An explanation of a parameter begins.
    Leaks(&'t str),
    /// A flow of an explanation.
    Flow { to: &'t str, from: &'t str, derefs: i8 },
    /// A step of a flow.
    Step { expression: &'t str, why: &'t str, at: Option<Place<'t>> },
    /// A function is declared here.
    Function { name: &'t str, is_inlined: bool },
    /// A call was replaced by the function's body.
    Inlined(&'t str),
    /// Of another optimization, or of how parameters and captures are passed on.
    Remark,
    /// Anything else.
    Other,
}

/// What the compiler remarks besides.
const REMARKS: [&str; 13] = [
    "leaking param",
    " capturing by ",
    "ignoring self-assignment",
    "index bounds check elided",
    "slice bounds check elided",
    "zero-copy string->[]byte conversion",
    "devirtualizing ",
    "alias analysis: ",
    "assuming ",
    "marking ",
    "mutates param",
    "calls param",
    "skipping ",
];

/// Takes a line apart.
pub(crate) fn parse(line: &str) -> Line<'_> {
    let line = line.trim_end_matches(['\r', '\n']);
    if let Some(package) = line.strip_prefix("# ") {
        return Line::Package(package.trim());
    }
    match position::split(line) {
        Some((place, text)) => Line::At(place, said(text)),
        None => Line::Other,
    }
}

fn said(text: &str) -> Said<'_> {
    if let Some(inner) = text.strip_prefix("  ") {
        return explanation(inner).unwrap_or(Said::Remark);
    }
    if let Some(variable) = text.strip_prefix("moved to heap: ") {
        return Said::Moved(variable);
    }
    if let Some(rest) = text.strip_prefix("can inline ") {
        let name = rest.split(" with cost ").next().unwrap_or(rest);
        return Said::Function { name, is_inlined: true };
    }
    if let Some(rest) = text.strip_prefix("cannot inline ") {
        let name = rest.split(": ").next().unwrap_or(rest);
        return Said::Function { name, is_inlined: false };
    }
    if let Some(callee) = text.strip_prefix("inlining call to ") {
        return Said::Inlined(callee);
    }
    if let Some(what) = text.strip_suffix(" escapes to heap") {
        return Said::Escapes(what);
    }
    if let Some(what) = text.strip_suffix(" does not escape") {
        return Said::Stays(what);
    }
    if let Some(head) = text.strip_suffix(':') {
        if let Some(what) = head.strip_suffix(" escapes to heap") {
            return Said::Because { what, function: None };
        }
        if head.starts_with("parameter ") && head.contains(" leaks to ") {
            return Said::Leaks(head);
        }
        if let Some((what, function)) = head.rsplit_once(" escapes to heap in ") {
            return Said::Because { what, function: Some(function) };
        }
    }
    if REMARKS.iter().any(|remark| text.contains(remark)) { Said::Remark } else { Said::Other }
}

/// `flow: …` and `  from …`, of which two spaces are gone already.
fn explanation(text: &str) -> Option<Said<'_>> {
    if let Some(flow) = text.strip_prefix("flow: ") {
        let flow = flow.strip_suffix(':')?;
        let (to, from) = flow.split_once(" ← ").or_else(|| flow.rsplit_once(" = "))?;
        let stars = from.bytes().take_while(|&byte| byte == b'*').count();
        let (derefs, from) = match from.strip_prefix('&') {
            Some(from) => (-1, from),
            None => (i8::try_from(stars).unwrap_or(i8::MAX), from.get(stars..)?),
        };
        return Some(Said::Flow { to, from, derefs });
    }
    let step = text.strip_prefix("  from ")?;
    let (step, place) = step.rsplit_once(") at ")?;
    let (expression, why) = step.rsplit_once(" (")?;
    Some(Said::Step { expression, why, at: position::whole(place) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Said<'_> {
        match parse(line) {
            Line::At(_, said) => said,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn verdicts_are_told_from_explanations() {
        assert_eq!(of("./a.go:1:2: &T{...} escapes to heap"), Said::Escapes("&T{...}"));
        assert_eq!(of("./a.go:1:2: moved to heap: x"), Said::Moved("x"));
        assert_eq!(of("./a.go:1:2: x does not escape"), Said::Stays("x"));
        let older = of("./a.go:1:2: x escapes to heap:");
        assert_eq!(older, Said::Because { what: "x", function: None });
        let newer = of("./a.go:1:2: x escapes to heap in (*T).F.func1:");
        assert_eq!(newer, Said::Because { what: "x", function: Some("(*T).F.func1") });
        assert!(matches!(
            of("a.go:1:2: parameter p leaks to {heap} with derefs=0:"),
            Said::Leaks(_)
        ));
    }

    #[test]
    fn flows_are_read_in_both_spellings() {
        let flow = |to, from, derefs| Said::Flow { to, from, derefs };
        assert_eq!(of("a.go:1:2:   flow: {heap} = &x:"), flow("{heap}", "x", -1));
        assert_eq!(of("a.go:1:2:   flow: ~r0 ← **x:"), flow("~r0", "x", 2));
        assert_eq!(
            of("a.go:1:2:   flow: {heap} ← {storage for a = b}:"),
            flow("{heap}", "{storage for a = b}", 0)
        );
    }

    #[test]
    fn steps_may_hold_brackets_and_the_words_around_them() {
        let said = of("a.go:1:2:     from f(\") at \", g()) (call parameter) at ./b.go:7:9");
        let Said::Step { expression, why, at } = said else { panic!("{said:?}") };
        assert_eq!((expression, why), ("f(\") at \", g())", "call parameter"));
        assert_eq!(at.map(|at| (at.file, at.line)), Some(("./b.go", 7)));
    }

    #[test]
    fn functions_are_named() {
        let said = of("a.go:1:2: cannot inline (*T).Run: function too complex: cost 91");
        assert_eq!(said, Said::Function { name: "(*T).Run", is_inlined: false });
        let said = of("a.go:1:2: can inline F[go.shape.int] with cost 7 as: func() { }");
        assert_eq!(said, Said::Function { name: "F[go.shape.int]", is_inlined: true });
    }
}
