//! Comments that take findings back: `//tophash:ignore RULE reason`.
//!
//! The comment stands on the line of the map's declaration or of an insertion, or on the line before. Several
//! rules are parted by commas; `all` means every rule. Without a reason a comment takes nothing back, so that
//! whoever reads the code later knows why.

use std::collections::HashMap;

use crate::finding::{Finding, Position, Rule};
use tophash_typecheck::SourceFile;

const MARK: &str = "//tophash:ignore";

/// The comments of some files.
#[derive(Debug, Default)]
pub(crate) struct Suppressions {
    /// By file and the line on which the comment stands.
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
    pub(crate) fn read(files: &[SourceFile]) -> Self {
        let mut found = Self::default();
        for file in files {
            for comment in &file.ast.comments {
                let Some(rest) = comment.text.strip_prefix(MARK) else { continue };
                let (line, column) = file.line_column(comment.pos);
                match parse(rest) {
                    Ok(rules) => {
                        found
                            .comments
                            .entry((file.path.clone(), line))
                            .or_default()
                            .push(Comment { rules });
                    }
                    Err(fault) => {
                        let at = Position { path: file.path.clone(), line, column };
                        found.faults.push((at, fault));
                    }
                }
            }
        }
        found
    }

    /// Whether a comment takes the finding back.
    pub(crate) fn covers(&self, finding: &Finding) -> bool {
        if self.comments.is_empty() {
            return false;
        }
        let places = finding.evidence.iter().map(|evidence| &evidence.at).chain([&finding.at]);
        places.into_iter().any(|at| {
            [at.line, at.line.saturating_sub(1)].iter().any(|line| {
                self.comments.get(&(at.path.clone(), *line)).is_some_and(|comments| {
                    comments.iter().any(|comment| {
                        comment.rules.is_empty() || comment.rules.contains(&finding.rule)
                    })
                })
            })
        })
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
    fn a_comment_names_rules_and_a_reason() {
        assert_eq!(parse(" nan-key fine here"), Ok(vec![Rule::NanKey]));
        assert_eq!(parse(" nan-key,pointer-key x"), Ok(vec![Rule::NanKey, Rule::PointerKey]));
        assert_eq!(parse(" all generated"), Ok(Vec::new()));
        assert_eq!(parse(" nan-key"), Err("gives no reason".to_owned()));
        assert_eq!(parse(" nonsense x"), Err("names no rule: nonsense".to_owned()));
        assert_eq!(parse(""), Err("names no rule".to_owned()));
    }
}
