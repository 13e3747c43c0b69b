//! Which function a call in the compiler's spelling calls, and whether the compiler could know it.
//!
//! The compiler spells a call of a known method as a method expression, `(*T).Write(b, p)`, and one
//! through an interface as it is written, `w.Write(p)`. Calls of functions and of function values look
//! alike: `f(x)` is a function where the package declares one of that name, `fmt.Print(x)` where `fmt`
//! is a package. In code that was inlined from another package its variables carry the package's name
//! in front, `http.w.Write(p)`.

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee<'t> {
    /// `append`, `copy`, `panic` and the like.
    Builtin(&'t str),
    /// A function or method of the package.
    Own(&'t str),
    /// A function or method of another package.
    Other(&'t str),
    /// A method of an interface, or a function value.
    Unknown(&'t str),
}

/// What is known of names.
pub(crate) trait Names {
    /// Whether the package declares this function, without type arguments.
    fn is_function(&self, name: &str) -> bool;
    /// Whether this is the name of another package.
    fn is_package(&self, name: &str) -> bool;
}

const BUILTINS: [&str; 9] =
    ["append", "copy", "panic", "print", "println", "delete", "clear", "recover", "close"];

/// Tells what a call calls.
pub(crate) fn of<'t>(call: &'t str, names: &dyn Names) -> Callee<'t> {
    let name = called(call);
    let bare = name.split('[').next().unwrap_or(name);
    if BUILTINS.contains(&name) {
        return Callee::Builtin(name);
    }
    if name.ends_with("func literal") || name.starts_with("func(") {
        return Callee::Own(name);
    }
    // (*T).M, (*pkg.T).M and (pkg.T).M
    if let Some(inner) = name.strip_prefix('(') {
        let Some((receiver, method)) = inner.split_once(").") else { return Callee::Unknown(name) };
        if method.contains(['.', '(', '[']) || !receiver.starts_with('*') {
            return Callee::Unknown(name);
        }
        let ty = receiver.trim_start_matches('*').split('[').next().unwrap_or_default();
        return if ty.contains('.') { Callee::Other(name) } else { Callee::Own(name) };
    }
    if names.is_function(bare) || bare.is_empty() {
        return Callee::Own(name);
    }
    if bare.contains(['(', '*', '&', ' ']) || (name.ends_with(']') && !name.contains("go.shape")) {
        return Callee::Unknown(name);
    }
    let mut parts = bare.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(first), Some(_), None, None) if names.is_package(first) => Callee::Other(name),
        // A method expression of a type of another package; a variable's name would be lower case.
        (Some(first), Some(second), Some(_), None)
            if names.is_package(first) && is_exported(second) =>
        {
            Callee::Other(name)
        }
        _ => Callee::Unknown(name),
    }
}

/// The text in front of a call's arguments, or all of it where there are none.
pub(crate) fn called(call: &str) -> &str {
    let mut open: Vec<usize> = Vec::new();
    let mut last = None;
    let mut quote = None;
    let mut is_escaped = false;
    for (index, c) in call.char_indices() {
        if let Some(end) = quote {
            if is_escaped {
                is_escaped = false;
            } else if c == '\\' && end != '`' {
                is_escaped = true;
            } else if c == end {
                quote = None;
            }
            continue;
        }
        match c {
            '"' | '\'' | '`' => quote = Some(c),
            '(' => open.push(index),
            ')' => last = open.pop().map(|start| (start, index)),
            _ => {}
        }
    }
    match last {
        Some((start, end)) if end + 1 == call.len() && open.is_empty() => {
            call.get(..start).unwrap_or(call)
        }
        _ => call,
    }
}

fn is_exported(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Known;

    impl Names for Known {
        fn is_function(&self, name: &str) -> bool {
            ["run", "Header.write", "Sorted"].contains(&name)
        }

        fn is_package(&self, name: &str) -> bool {
            ["fmt", "sync", "http"].contains(&name)
        }
    }

    #[test]
    fn known_callees_are_told_from_unknown_ones() {
        for (call, callee) in [
            ("append(a, b)", Callee::Builtin("append")),
            ("run(x, \"(\")", Callee::Own("run")),
            ("(*T).Write(b, p)", Callee::Own("(*T).Write")),
            ("Header.write(h, w)", Callee::Own("Header.write")),
            ("Sorted[go.shape.int](x)", Callee::Own("Sorted[go.shape.int]")),
            ("func literal(x)", Callee::Own("func literal")),
            ("fmt.Sprint(... argument...)", Callee::Other("fmt.Sprint")),
            ("(*sync.Mutex).lockSlow(sync.m)", Callee::Other("(*sync.Mutex).lockSlow")),
            ("http.Header.Get(h, k)", Callee::Other("http.Header.Get")),
            ("http.w.Write(p)", Callee::Unknown("http.w.Write")),
            ("w.Write(buffer)", Callee::Unknown("w.Write")),
            ("hook(&session{...})", Callee::Unknown("hook")),
            ("r.hook(x)", Callee::Unknown("r.hook")),
            ("hooks[i](x)", Callee::Unknown("hooks[i]")),
            ("next()(x)", Callee::Unknown("next()")),
        ] {
            assert_eq!(of(call, &Known), callee, "{call}");
        }
    }

    #[test]
    fn odd_brackets_cost_the_name_alone() {
        for call in ["", "(", ")", "f(", "f)", "f('", "f(\"\\", "é(é)", "((((((("] {
            let _ = of(call, &Known);
        }
    }
}
