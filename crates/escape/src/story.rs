//! A flow told in words, step by step.

use crate::position::Position;
use crate::site::{Site, Step};

/// One step in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What happens.
    pub words: String,
    /// Where.
    pub at: Option<Position>,
}

impl Site {
    /// Tells how the value gets to the heap, without the steps that change nothing.
    pub fn story(&self) -> Vec<Told> {
        let mut told: Vec<Told> = Vec::new();
        for flow in &self.flows {
            for step in &flow.steps {
                let Some(words) = words(step) else { continue };
                if told.last().is_none_or(|last| last.words != words) {
                    told.push(Told { words, at: step.at.clone() });
                }
            }
        }
        told
    }

    /// The step that decides: the last one of the last flow that says anything.
    pub fn cause(&self) -> Option<Told> {
        self.story().pop()
    }
}

fn words(step: &Step) -> Option<String> {
    let expression = short(&step.expression);
    Some(match &*step.why {
        "spill" | "reference" | "dot" | "dot of pointer" | "indirection" | "slice" => return None,
        "address-of" => format!("its address is taken: {expression}"),
        "assign" | "assign-pair" => format!("assigned: {expression}"),
        "return" => format!("returned: {expression}"),
        "call parameter" => format!("passed to {}", short(crate::callee::called(&step.expression))),
        "captured by a closure" => format!("captured by a closure: {expression}"),
        "interface-converted" => format!("converted to an interface: {expression}"),
        "slice-literal-element" if expression == "... argument" => {
            "one of a variadic call's arguments".to_owned()
        }
        "slice-literal-element" | "array literal element" => format!("put into {expression}"),
        "struct literal element" => format!("put into {expression}"),
        "send" => format!("sent: {expression}"),
        "key of map put" => format!("key of a map: {expression}"),
        "map literal key" => format!("key in {expression}"),
        "map literal value" => format!("elem in {expression}"),
        "appendee slice" | "appended slice..." => format!("appended: {expression}"),
        "copied slice" => format!("copied: {expression}"),
        "range" | "range-deref" => format!("ranged over: {expression}"),
        "too large for stack" => "too large for a stack".to_owned(),
        "non-constant size" => "its size is not constant".to_owned(),
        why => format!("{why}: {expression}"),
    })
}

/// An expression as far as a line of a table takes it.
fn short(expression: &str) -> String {
    const LONGEST: usize = 72;
    if expression.chars().count() <= LONGEST {
        return expression.to_owned();
    }
    let mut text: String = expression.chars().take(LONGEST - 1).collect();
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use crate::{NoContext, read};

    #[test]
    fn steps_that_say_nothing_are_left_out() {
        let text = "# p\n\
            ./a.go:7:9: n escapes to heap:\n\
            ./a.go:7:9:   flow: {storage for ... argument} = &{storage for n}:\n\
            ./a.go:7:9:     from n (spill) at ./a.go:7:9\n\
            ./a.go:7:9:     from ... argument (slice-literal-element) at ./a.go:7:8\n\
            ./a.go:7:9:   flow: {heap} = {storage for ... argument}:\n\
            ./a.go:7:9:     from ... argument (spill) at ./a.go:7:8\n\
            ./a.go:7:9:     from fmt.Sprint(... argument...) (call parameter) at ./a.go:7:8\n\
            ./a.go:7:9: n escapes to heap\n";
        let report = read(text, &NoContext);
        let (_, site) = report.escaping().next().unwrap();
        let words: Vec<_> = site.story().into_iter().map(|told| told.words).collect();
        assert_eq!(words, ["one of a variadic call's arguments", "passed to fmt.Sprint"]);
        assert_eq!(site.reason.name(), "interface");
        assert_eq!(site.ends.name(), "other-package");
    }
}
