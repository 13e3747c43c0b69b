//! Key patterns, and which of them a key belongs to.
//!
//! A key is segments with dots between: `user.42.id`. In a pattern `*` stands for one segment, and a
//! last `**` for one or more; in a rule neither stands for nothing, so that no key is made of a name
//! that is missing. Patterns lie in a tree by segment; of several that match, the one
//! whose first difference is more exact wins: a literal before `*`, `*` before `**`. Looking a key
//! up visits each node of the tree at most once, so its time is bounded by the schema.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::SchemaError;
use crate::name::is_same;

/// The longest key, in bytes.
pub(crate) const LONGEST_KEY: usize = 1024;

/// What is wrong with a text as a key, if anything.
pub(crate) fn key_fault(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        Some("it is empty")
    } else if key.len() > LONGEST_KEY {
        Some("it is longer than 1024 bytes")
    } else {
        None
    }
}

/// Which keys an observer or a rule is for.
///
/// ```
/// use tophash_safemap::KeyPattern;
///
/// let ids: KeyPattern = "user.*.id".parse()?;
/// assert!(ids.matches("user.7.id"));
/// assert!(!ids.matches("user.7.name"));
/// assert!("config.**".parse::<KeyPattern>()?.matches("config.http.port"));
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPattern {
    text: Arc<str>,
}

impl std::str::FromStr for KeyPattern {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let fault = |reason| SchemaError::Pattern { pattern: text.to_owned(), reason };
        if let Some(reason) = key_fault(text) {
            return Err(fault(reason));
        }
        let mut segments = text.split('.').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            match segment {
                "" => return Err(fault("a segment is empty")),
                "*" => {}
                "**" if is_last => {}
                "**" => return Err(fault("** may only be last")),
                _ if segment.contains('*') => return Err(fault("* stands for a whole segment")),
                _ => {}
            }
        }
        Ok(Self { text: text.into() })
    }
}

impl KeyPattern {
    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern is a key, with nothing left open.
    pub fn is_literal(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether a key belongs to the pattern. One with an empty name in it does as well, so that an
    /// observer hears that it was refused; no rule of a schema is for it.
    pub fn matches(&self, key: &str) -> bool {
        let mut parts = key.split('.');
        for segment in self.text.split('.') {
            let part = parts.next();
            match (segment, part) {
                (_, None) => return false,
                ("**", Some(_)) => return true,
                ("*", Some(_)) => {}
                (segment, Some(part)) if segment == part => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// The pattern with its `*` filled from a key of as many segments, to show what was meant.
    pub(crate) fn fill(&self, key: &str) -> String {
        let mut parts = key.split('.');
        let filled: Vec<&str> = self
            .text
            .split('.')
            .map(|segment| {
                let part = parts.next();
                if segment.starts_with('*') { part.unwrap_or(segment) } else { segment }
            })
            .collect();
        filled.join(".")
    }
}

/// So many segments are compared one by one; of a few, that is quicker than a hash.
const FEW: usize = 8;

/// Nodes below a node, by their literal segments.
#[derive(Debug, Default)]
struct Children {
    /// The first ones, one more than a few at most.
    few: Vec<(Arc<str>, usize)>,
    /// All of them, once they are more than a few.
    many: HashMap<Arc<str>, usize>,
}

impl Children {
    /// The node of a segment, which is `fresh` if there is none yet.
    fn find_or_add(&mut self, segment: &str, fresh: usize) -> usize {
        if let Some(node) = self.find(segment) {
            return node;
        }
        if self.few.len() <= FEW {
            self.few.push((segment.into(), fresh));
        }
        if self.few.len() > FEW {
            if self.many.is_empty() {
                self.many = self.few.iter().cloned().collect();
            }
            self.many.insert(segment.into(), fresh);
        }
        fresh
    }

    #[inline]
    fn find(&self, segment: &str) -> Option<usize> {
        if self.few.len() > FEW {
            return self.many.get(segment).copied();
        }
        let is_it = |(name, _): &&(Arc<str>, usize)| is_same(name.as_bytes(), segment.as_bytes());
        self.few.iter().find(is_it).map(|(_, node)| *node)
    }
}

/// From a key to the number of its rule.
#[derive(Debug)]
pub(crate) struct PatternTree {
    literals: HashMap<Arc<str>, u16>,
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    children: Children,
    any: Option<usize>,
    rest: Option<u16>,
    rule: Option<u16>,
}

impl PatternTree {
    pub(crate) fn new() -> Self {
        Self { literals: HashMap::new(), nodes: vec![Node::default()] }
    }

    /// Adds a pattern; says whether it was new.
    pub(crate) fn add(&mut self, pattern: &KeyPattern, rule: u16) -> bool {
        if pattern.is_literal() {
            return self.literals.insert(Arc::clone(&pattern.text), rule).is_none();
        }
        let mut at = 0;
        for segment in pattern.text.split('.') {
            if segment == "**" {
                return self.nodes[at].rest.replace(rule).is_none();
            }
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                "*" => *node.any.get_or_insert(fresh),
                _ => node.children.find_or_add(segment, fresh),
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].rule.replace(rule).is_none()
    }

    /// The rule of a key.
    pub(crate) fn find(&self, key: &str) -> Option<u16> {
        if !self.literals.is_empty()
            && let Some(rule) = self.literals.get(key)
        {
            return Some(*rule);
        }
        // The first way that offers itself is nearly always the right one, and then the only one.
        let (mut at, mut left, mut is_forked) = (0, key, false);
        loop {
            let node = &self.nodes[at];
            let (segment, rest) = first_segment(left);
            let child = node.children.find(segment);
            let Some(next) = child.or(node.any.filter(|_| !segment.is_empty())) else {
                return if is_forked { self.descend(0, Some(key)) } else { node.rest_of(left) };
            };
            is_forked |= node.rest.is_some() || (child.is_some() && node.any.is_some());
            at = next;
            match rest {
                Some(rest) => left = rest,
                None => break,
            }
        }
        match self.nodes[at].rule {
            None if is_forked => self.descend(0, Some(key)),
            rule => rule,
        }
    }

    /// As [`PatternTree::find`], with a way back from each end.
    #[cold]
    fn descend(&self, at: usize, left: Option<&str>) -> Option<u16> {
        let node = &self.nodes[at];
        let Some(left) = left else { return node.rule };
        let (segment, rest) = first_segment(left);
        let child = node.children.find(segment);
        child
            .and_then(|child| self.descend(child, rest))
            .or_else(|| {
                let any = node.any.filter(|_| !segment.is_empty());
                any.and_then(|any| self.descend(any, rest))
            })
            .or_else(|| node.rest_of(left))
    }
}

impl Node {
    /// The rule for what is left of a key, whatever it is, if there is one and anything left.
    fn rest_of(&self, left: &str) -> Option<u16> {
        self.rest.filter(|_| !left.is_empty())
    }
}

/// What lies before the first dot, and what behind it.
#[inline]
fn first_segment(text: &str) -> (&str, Option<&str>) {
    match first_dot(text.as_bytes()) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Where the first dot is, eight bytes at a time: segments are short, and a search that is made for
/// long text takes longer to begin.
#[inline]
fn first_dot(text: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const DOTS: u64 = u64::from_ne_bytes([b'.'; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        // A byte is zero, and its high bit comes out of the subtraction, where there is a dot; above
        // the first one carries may tell of more.
        let word = u64::from_le_bytes(*word) ^ DOTS;
        let found = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if found != 0 {
            return Some(number * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| *byte == b'.').map(|at| words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(patterns: &[&str]) -> PatternTree {
        let mut tree = PatternTree::new();
        for (rule, pattern) in patterns.iter().enumerate() {
            assert!(tree.add(&pattern.parse().unwrap(), rule as u16));
        }
        tree
    }

    #[test]
    fn the_more_exact_pattern_wins() {
        let tree = tree(&["**", "user.**", "user.*.id", "user.7.*", "user.7.id"]);
        assert_eq!(tree.find("user.7.id"), Some(4));
        assert_eq!(tree.find("user.7.name"), Some(3));
        assert_eq!(tree.find("user.8.id"), Some(2));
        assert_eq!(tree.find("user.8.name"), Some(1));
        assert_eq!(tree.find("user.8"), Some(1));
        assert_eq!(tree.find("user"), Some(0));
    }

    #[test]
    fn a_star_stands_for_no_empty_name() {
        let tree = tree(&["user.*.id", "session.*", "config.**", "job.**", "job.*.owner"]);
        for key in ["user..id", "session.", "config.", "job.", "user.7.", ".7.id", "."] {
            assert_eq!(tree.find(key), None, "{key}");
        }
        assert_eq!(tree.find("job..owner"), Some(3));
        // Observers hear of them all the same.
        assert!("session.*".parse::<KeyPattern>().unwrap().matches("session."));
    }

    #[test]
    fn a_way_that_ends_nowhere_is_left_again() {
        let tree = tree(&["a.b.c", "a.b.*.d", "a.*.x.e"]);
        assert_eq!(tree.find("a.b.x.e"), Some(2));
        assert_eq!(tree.find("a.b.x.d"), Some(1));
        assert_eq!(tree.find("a.b"), None);
        assert_eq!(tree.find("a.b.c.d.e"), None);
    }

    #[test]
    fn what_a_tree_finds_is_what_the_way_with_all_turns_finds() {
        let segments = ["a", "b", "*"];
        let mut patterns = vec!["**".to_owned()];
        for first in segments {
            patterns.push(format!("{first}.**"));
            for second in segments {
                patterns.push(format!("{first}.{second}"));
                patterns.extend(segments.map(|third| format!("{first}.{second}.{third}")));
            }
        }
        let keys: Vec<String> = ["a", "b", "c"]
            .into_iter()
            .flat_map(|first| {
                ["", ".a", ".b", ".c", ".a.b", ".c.a", ".b.c"].map(|rest| first.to_owned() + rest)
            })
            .collect();
        let mut state = 1_u64;
        for _ in 0..2000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let chosen: Vec<&str> = patterns
                .iter()
                .enumerate()
                .filter(|(number, _)| (state >> 20) >> (number % 40) & 1 == 1)
                .map(|(_, pattern)| pattern.as_str())
                .collect();
            let tree = tree(&chosen);
            for key in keys.iter().filter(|key| !tree.literals.contains_key(key.as_str())) {
                assert_eq!(tree.find(key), tree.descend(0, Some(key)), "{key} in {chosen:?}");
            }
        }
    }

    #[test]
    fn a_pattern_of_its_own_agrees_with_the_tree() {
        for pattern in ["a.*", "a.**", "*.b", "**", "a.b"] {
            let (alone, tree) = (pattern.parse::<KeyPattern>().unwrap(), tree(&[pattern]));
            for key in ["a", "a.b", "a.b.c", "b.b", ".", "a.", "", "a..b"] {
                let (observed, ruled) = (alone.matches(key), tree.find(key).is_some());
                let has_names = key.split('.').all(|name| !name.is_empty());
                assert!(observed == ruled || (observed && !has_names), "{pattern} {key:?}");
            }
        }
    }

    #[test]
    fn the_first_dot_is_found_wherever_it_is() {
        for length in 0..40 {
            let plain = vec![b'/'; length];
            assert_eq!(first_dot(&plain), None);
            for at in 0..length {
                let mut text = plain.clone();
                // What could be taken for a dot, and dots behind the first.
                text[at..].fill(b'.');
                text[..at].fill(0xAE);
                assert_eq!(first_dot(&text), Some(at));
            }
        }
    }

    #[test]
    fn many_literals_below_one_node_are_told_apart() {
        let patterns: Vec<String> = (0..40).map(|number| format!("a.{number}.*")).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let tree = tree(&patterns);
        for number in 0..40 {
            assert_eq!(tree.find(&format!("a.{number}.x")), Some(number));
        }
        assert_eq!(tree.find("a.40.x"), None);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "a..b", "a.**.b", "a.x*", "."] {
            assert!(text.parse::<KeyPattern>().is_err(), "{text:?}");
        }
        assert!(!{
            let mut twice = tree(&["a.*"]);
            twice.add(&"a.*".parse().unwrap(), 9)
        });
    }
}
