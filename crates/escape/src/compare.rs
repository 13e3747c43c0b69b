//! What escapes before and after: two revisions, or two releases of Go.
//!
//! Lines move when code is edited, so that sites are matched by package, function, kind and spelling;
//! of those that agree in all of these, it counts how many escape. Names that the compiler makes up
//! (`~r0`, `.autotmp_7`) differ between builds and count as equal.

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

type Key<'r> = (&'r str, String, SiteKind, String);

#[derive(Default)]
struct Sites<'r> {
    escaping: Vec<&'r Site>,
    staying: usize,
}

/// Lists what changed: new ones first, by place.
pub fn compare<'r>(before: &'r Report, after: &'r Report) -> Vec<Change<'r>> {
    let (mut old, new) = (group(before), group(after));
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

fn group(report: &Report) -> BTreeMap<Key<'_>, Sites<'_>> {
    let mut groups: BTreeMap<Key<'_>, Sites<'_>> = BTreeMap::new();
    for (package, site) in report.sites().filter(|(_, site)| !site.at.is_made_up()) {
        // The releases name inner functions differently, and spell `append` with and without
        // arguments.
        let function = outermost(&site.function);
        let expression = plain(&site.expression);
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
    name.to_owned()
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
        assert!(compare(&one, &two).is_empty());
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
        let changes = compare(&one, &two);
        let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
        assert_eq!(kinds, [ChangeKind::New, ChangeKind::Gone]);
        assert_eq!(changes[0].site.at.line, 5);
        assert!(changes[1].stays_otherwise);
    }

    #[test]
    fn inner_functions_belong_to_the_outer_one() {
        assert_eq!(outermost("(*T).Run.func2.1"), "(*T).Run");
        assert_eq!(outermost("run.gowrap1"), "run");
        assert_eq!(outermost("(*T).func1x"), "(*T).func1x");
        assert_eq!(outermost("glob..func1"), "glob.");
    }
}
