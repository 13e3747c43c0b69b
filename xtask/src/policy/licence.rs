//! Licence expressions of package manifests (SPDX): names joined by `OR`,
//! `AND` and `WITH`, with parentheses, and `/` as the `OR` of older manifests.

/// Whether `expression` can be met with allowed licences alone. One that is
/// not understood cannot.
pub(super) fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { rest: spaced.split_whitespace().collect(), next: 0, allowed };
    words.either() == Some(true) && words.peek().is_none()
}

struct Words<'e> {
    rest: Vec<&'e str>,
    next: usize,
    allowed: &'e [&'e str],
}

impl<'e> Words<'e> {
    fn peek(&self) -> Option<&'e str> {
        self.rest.get(self.next).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.peek() == Some(word);
        self.next += usize::from(is_there);
        is_there
    }

    fn either(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.either()?;
            return self.take(")").then_some(met);
        }
        let name = self.peek()?;
        self.next += 1;
        if self.take("WITH") {
            let exception = self.peek()?;
            self.next += 1;
            // An exception only ever grants more than its licence alone.
            let whole = format!("{name} WITH {exception}");
            return Some(self.allowed.contains(&name) || self.allowed.contains(&whole.as_str()));
        }
        Some(self.allowed.contains(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: [&str; 2] = ["MIT", "Unicode-3.0"];

    #[test]
    fn one_allowed_choice_is_enough() {
        assert!(is_met("MIT", &ALLOWED));
        assert!(is_met("Apache-2.0 OR MIT", &ALLOWED));
        assert!(is_met("Unlicense/MIT", &ALLOWED));
        assert!(is_met("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", &ALLOWED));
        assert!(!is_met("GPL-3.0-only", &ALLOWED));
    }

    #[test]
    fn every_part_of_a_conjunction_must_be_allowed() {
        assert!(is_met("(MIT OR Apache-2.0) AND Unicode-3.0", &ALLOWED));
        assert!(!is_met("(MIT OR Apache-2.0) AND GPL-3.0-only", &ALLOWED));
        assert!(!is_met("MIT AND Apache-2.0 OR GPL-3.0-only", &ALLOWED));
    }

    #[test]
    fn what_is_not_understood_is_not_met() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT", "OR MIT", "MIT WITH"] {
            assert!(!is_met(expression, &ALLOWED), "{expression}");
        }
    }
}
