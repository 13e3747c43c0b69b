//! Comments that take findings back: `//tophash:ignore RULE reason`.
//!
//! The comment stands behind the map's declaration or an insertion, on the same line, or alone on the line
//! before: behind code, it says nothing of the next line. Several rules are parted by commas; `all` means every
//! rule. Without a reason a comment takes nothing back, so that whoever reads the code later knows why.

use std::collections::HashMap;

use crate::finding::{Finding, Position, Rule};
use tophash_typecheck::SourceFile;

const MARK: &str = "//tophash:ignore";

/// The comments of some files.
#[derive(Debug, Default)]
pub(crate) struct Suppressions {
    /// By file and the line that the comment speaks of.
    comments: HashMap<(String, u32), Vec<Comment>>,
    /// Comments that take nothing back, and why.
    pub(crate) faults: Vec<(Position, String)>,
}

#[derive(Debug)]
struct Comment {
    /// No rule means all.
    rules: Vec<Rule>,
}

impl Suppressions {
    /// Takes the comments of a file, with the text that it was read from.
    pub(crate) fn read(&mut self, file: &SourceFile, text: &str) {
        let mut lines = (1_u32..).zip(text.lines());
        for comment in &file.ast.comments {
            let rest = match comment.text.strip_prefix(MARK) {
                Some(rest) => Ok(rest),
                None => match misspelt(&comment.text) {
                    Some(fault) => Err(fault.to_owned()),
                    None => continue,
                },
            };
            let (line, column) = file.line_column(comment.pos);
            match rest.and_then(parse) {
                Ok(rules) => {
                    // Comments come in the order of the text.
                    let own = lines.find(|(number, _)| *number == line).map_or("", |(_, own)| own);
                    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(0);
                    let is_alone = own.chars().take(before).all(|letter| letter.is_whitespace());
                    let of = (file.path.clone(), line.saturating_add(u32::from(is_alone)));
                    self.comments.entry(of).or_default().push(Comment { rules });
                }
                Err(fault) => {
                    let at = Position { path: file.path.clone(), line, column };
                    self.faults.push((at, fault));
                }
            }
        }
    }

    /// Whether a comment takes the finding back.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        if self.comments.is_empty() {
            return false;
        }
        let mut places = finding.evidence.iter().map(|evidence| &evidence.at).chain([&finding.at]);
        places.any(|at| {
            self.comments.get(&(at.path.clone(), at.line)).is_some_and(|comments| {
                comments.iter().any(|comment| {
                    comment.rules.is_empty() || comment.rules.contains(&finding.rule)
                })
            })
        })
    }
}

/// Why a comment is none that is understood, if it looks like one.
fn misspelt(comment: &str) -> Option<&'static str> {
    let is_meant = |text: &str| text.trim_start().starts_with("tophash:ignore");
    match comment.strip_prefix("//") {
        Some(text) => is_meant(text).then_some("has a space before its name"),
        None => is_meant(comment.strip_prefix("/*")?).then_some("begins with /*, not with //"),
    }
}

fn parse(rest: &str) -> Result<Vec<Rule>, String> {
    let mut words = rest.split_whitespace();
    let Some(names) = words.next() else { return Err("names no rule".to_owned()) };
    let rules = match names {
        "all" => Vec::new(),
        names => names
            .split(',')
            .map(|name| Rule::by_name(name).ok_or_else(|| format!("names no rule: {name}")))
            .collect::<Result<_, _>>()?,
    };
    match words.next() {
        Some(_) => Ok(rules),
        None => Err("gives no reason".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_such_a_comment_is_told_from_others() {
        assert!(misspelt("// tophash:ignore nan-key x").is_some());
        assert!(misspelt("/*tophash:ignore nan-key x*/").is_some());
        assert!(misspelt("/* tophash:ignore all x */").is_some());
        assert!(misspelt("// See tophash:ignore.").is_none());
        assert!(misspelt("/* */").is_none());
    }

    #[test]
    fn a_comment_names_rules_and_a_reason() {
        assert_eq!(parse(" nan-key fine here"), Ok(vec![Rule::NanKey]));
        assert_eq!(parse(" nan-key,pointer-key x"), Ok(vec![Rule::NanKey, Rule::PointerKey]));
        assert_eq!(parse(" all generated"), Ok(Vec::new()));
        assert_eq!(parse(" nan-key"), Err("gives no reason".to_owned()));
        assert_eq!(parse(" nonsense x"), Err("names no rule: nonsense".to_owned()));
        assert_eq!(parse(""), Err("names no rule".to_owned()));
    }
}
