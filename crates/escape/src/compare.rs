//! What escapes before and after: two revisions, or two releases of Go.
//!
//! Lines move when code is edited, so that sites are matched by package, function, kind and spelling;
//! of those that agree in all of these, it counts how many escape. Names that the compiler makes up
//! (`~r0`, `.autotmp_7`) and the spelling of type arguments differ between builds and count as equal.
//!
//! Of `append`, Go has verdicts from 1.25 on. Where only one side's compiler has them, they are left out:
//! on the other side they are on the heap as well, if anywhere. Which compilers those are is told by their
//! versions and not by the reports: code without an `append` has no such verdict either.

use std::collections::BTreeMap;

use crate::position::Position;
use crate::reason::Reason;
use crate::report::Report;
use crate::site::{Site, SiteKind};

/// How a site changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It escapes and did not, or was not there.
    New,
    /// It escapes for another reason.
    OtherReason,
    /// It no longer escapes, or is no longer there.
    Gone,
}

/// A change between two reports.
#[derive(Debug, Clone)]
pub struct Change<'r> {
    /// How it changed.
    pub kind: ChangeKind,
    /// The package.
    pub package: &'r str,
    /// The site: of the later report, or for what is gone, of the earlier one.
    pub site: &'r Site,
    /// Why it escaped before.
    pub before: Option<Reason>,
    /// Why it escapes now.
    pub after: Option<Reason>,
    /// Whether the later, or for what is new the earlier, report has it as staying on the stack.
    pub stays_otherwise: bool,
}

/// One side of a comparison.
#[derive(Debug, Clone, Copy)]
pub struct Build<'r> {
    /// What the compiler said.
    pub report: &'r Report,
    /// What it calls itself, as `go env GOVERSION` prints it: `go1.27.3`.
    pub version: &'r str,
}

impl Build<'_> {
    /// Whether the compiler says of each `append` where it allocates.
    fn judges_append(&self) -> bool {
        minor(self.version).is_none_or(|minor| minor >= 25)
    }
}

/// The number of the release in `go1.27.3` or `devel go1.28-4f2b6c3`.
fn minor(version: &str) -> Option<u32> {
    let rest = version.get(version.find("go1.")? + "go1.".len()..)?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}

type Key<'r> = (&'r str, String, SiteKind, String);

#[derive(Default)]
struct Sites<'r> {
    escaping: Vec<&'r Site>,
    staying: usize,
}

/// Lists what changed: new ones first, by place.
pub fn compare<'r>(before: Build<'r>, after: Build<'r>) -> Vec<Change<'r>> {
    let with_append = before.judges_append() == after.judges_append();
    let (mut old, new) = (group(before.report, with_append), group(after.report, with_append));
    let mut changes = Vec::new();
    for (key, now) in &new {
        let was = old.remove(key).unwrap_or_default();
        push_changes(&mut changes, key.0, &was, now);
    }
    let nothing = Sites::default();
    for (key, was) in &old {
        push_changes(&mut changes, key.0, was, &nothing);
    }
    changes.sort_by(|a, b| {
        let place = |change: &Change<'r>| -> (ChangeKind, &'r str, &'r Position) {
            (change.kind, change.package, &change.site.at)
        };
        place(a).cmp(&place(b))
    });
    changes
}

fn push_changes<'r>(
    changes: &mut Vec<Change<'r>>,
    package: &'r str,
    was: &Sites<'r>,
    now: &Sites<'r>,
) {
    let both = was.escaping.len().min(now.escaping.len());
    for (before, after) in was.escaping.iter().zip(&now.escaping) {
        if before.reason != after.reason {
            changes.push(Change {
                kind: ChangeKind::OtherReason,
                package,
                site: after,
                before: Some(before.reason),
                after: Some(after.reason),
                stays_otherwise: false,
            });
        }
    }
    for site in now.escaping.iter().skip(both) {
        changes.push(Change {
            kind: ChangeKind::New,
            package,
            site,
            before: None,
            after: Some(site.reason),
            stays_otherwise: was.staying > 0,
        });
    }
    for site in was.escaping.iter().skip(both) {
        changes.push(Change {
            kind: ChangeKind::Gone,
            package,
            site,
            before: Some(site.reason),
            after: None,
            stays_otherwise: now.staying > 0,
        });
    }
}

fn group(report: &Report, with_append: bool) -> BTreeMap<Key<'_>, Sites<'_>> {
    let mut groups: BTreeMap<Key<'_>, Sites<'_>> = BTreeMap::new();
    let is_wanted =
        |site: &Site| !site.at.is_made_up() && (with_append || site.kind != SiteKind::Append);
    for (package, site) in report.sites().filter(|(_, site)| is_wanted(site)) {
        // The releases name inner functions differently, and spell `append` with and without
        // arguments.
        let function = without_type_arguments(&outermost(&site.function), "");
        let expression = without_type_arguments(&plain(&site.expression), "go.shape.");
        let sites = groups.entry((package, function, site.kind, expression)).or_default();
        if site.escapes {
            sites.escaping.push(site);
        } else {
            sites.staying += 1;
        }
    }
    groups
}

/// The function that is not in another one.
fn outermost(function: &str) -> String {
    let mut name = function;
    while let Some((front, last)) = name.rsplit_once('.')
        && !front.is_empty()
        && ["func", "gowrap", "deferwrap", ""].into_iter().any(|prefix| {
            last.strip_prefix(prefix).is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
            })
        })
    {
        name = front;
    }
    // Initializers of globals have many names, and methods of other packages' types a prefix. A dot
    // belongs to each: functions may be called `initialize`, and types `global`.
    let is_initializer = ["init", "map.init", "glob."].iter().any(|name_of_it| {
        name.strip_prefix(name_of_it).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    if is_initializer {
        return "init".to_owned();
    }
    match name.find("(*") {
        Some(start) => name.get(start..).unwrap_or(name).to_owned(),
        None => name.to_owned(),
    }
}

/// Takes out what stands in square brackets and begins so.
fn without_type_arguments(text: &str, beginning: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut depth = 0_u32;
    for (index, c) in text.char_indices() {
        match c {
            '[' if depth > 0 => depth += 1,
            '[' if text.get(index + 1..).is_some_and(|rest| rest.starts_with(beginning)) => {
                depth = 1
            }
            ']' if depth > 0 => depth -= 1,
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Takes numbers out of names that the compiler made up.
fn plain(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len());
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        let is_made_up = c == '~' || out.ends_with(".autotmp_");
        if is_made_up {
            while chars.next_if(|next| next.is_alphanumeric() || *next == '_').is_some() {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoContext, read};

    fn compared<'r>(before: &'r Report, after: &'r Report) -> Vec<Change<'r>> {
        let build = |report| Build { report, version: "go1.27.3" };
        compare(build(before), build(after))
    }

    fn text(lines: &[(&str, &str)]) -> String {
        let mut text = "# p\n./a.go:1:6: cannot inline f: x\n".to_owned();
        for (place, verdict) in lines {
            text += &format!("./a.go:{place}: {verdict}\n");
        }
        text
    }

    #[test]
    fn lines_may_move_and_names_that_are_made_up_may_change() {
        let one = read(&text(&[("3:4", "\"a\" + ~r0 escapes to heap")]), &NoContext);
        let two = read(&text(&[("9:4", "\"a\" + ~r7 escapes to heap")]), &NoContext);
        assert!(compared(&one, &two).is_empty());
    }

    #[test]
    fn what_is_new_comes_before_what_is_gone() {
        let one =
            text(&[("3:4", "&T{...} escapes to heap"), ("4:4", "make([]int, n) escapes to heap")]);
        let two = text(&[
            ("3:4", "&T{...} escapes to heap"),
            ("4:4", "make([]int, n) does not escape"),
            ("5:4", "&T{...} escapes to heap"),
        ]);
        let (one, two) = (read(&one, &NoContext), read(&two, &NoContext));
        let changes = compared(&one, &two);
        let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::New, ChangeKind::Gone]);
        assert_eq!(changes[0].site.at.line, 5);
        assert!(changes[1].stays_otherwise);
    }

    #[test]
    fn type_arguments_may_be_spelt_otherwise() {
        let without = |text| without_type_arguments(text, "go.shape.");
        assert_eq!(without("&node[go.shape.[]int,go.shape.T]{}"), "&node{}");
        assert_eq!(without("[]int{...}"), "[]int{...}");
        assert_eq!(without("x[go.shape."), "x");
        assert_eq!(without_type_arguments("(*M[K,V[int]]).Get", ""), "(*M).Get");
    }

    #[test]
    fn append_is_compared_where_both_compilers_judge_it() {
        let one = text(&[("3:4", "&T{...} escapes to heap")]);
        let two = text(&[("3:4", "&T{...} escapes to heap"), ("5:4", "append escapes to heap")]);
        let (one, two) = (read(&one, &NoContext), read(&two, &NoContext));
        let changes = |first, second| {
            let before = Build { report: &one, version: first };
            let after = Build { report: &two, version: second };
            compare(before, after).len()
        };
        assert_eq!(changes("go1.24.11", "go1.25.5"), 0);
        // Code that has no `append` yet has no verdict of one.
        assert_eq!(changes("go1.27.3", "go1.27.3"), 1);
        assert_eq!(changes("go1.25.5", "devel go1.28-4f2b6c3 Mon Nov 2"), 1);
        assert_eq!(changes("go1.27, the native engine", "unknown"), 1);
    }

    #[test]
    fn functions_that_begin_like_an_initializer_are_not_one() {
        for name in ["initA", "initialize", "map.initA", "globals", "global.New", "(*init1).Run"] {
            assert_eq!(outermost(name), name);
        }
        for name in ["init", "init.0", "init.func1", "init.0.func2", "init.newHandler.func1"] {
            assert_eq!(outermost(name), "init", "{name}");
        }
        let of = |name: &str, line: u32| {
            format!(
                "# p\n./a.go:{line}:6: cannot inline {name}: x\n\
                 ./a.go:{}:4: make(map[int]int) escapes to heap\n",
                line + 1
            )
        };
        let (one, two) = (read(&of("initA", 3), &NoContext), read(&of("initB", 3), &NoContext));
        let kinds: Vec<_> = compared(&one, &two).iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::New, ChangeKind::Gone]);
    }

    #[test]
    fn inner_functions_belong_to_the_outer_one() {
        assert_eq!(outermost("(*T).Run.func2.1"), "(*T).Run");
        assert_eq!(outermost("run.gowrap1"), "run");
        assert_eq!(outermost("(*T).func1x"), "(*T).func1x");
        assert_eq!(outermost("glob..func1"), "init");
        assert_eq!(outermost("map.init.0"), "init");
        assert_eq!(outermost("sync.(*M[int]).Load"), "(*M[int]).Load");
    }
}
