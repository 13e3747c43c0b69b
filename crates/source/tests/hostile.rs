//! Text that is broken, cut off, or made to exhaust the stack: it is passed over, and nothing else happens.

use std::fs;
use std::path::Path;
use std::thread;

use tophash_source::{Config, Reason, lint_texts};

/// As much room as the threads have that `lint` starts.
const STACK_BYTES: usize = 256 << 20;

fn on_large_stack(run: impl FnOnce() + Send + 'static) {
    let thread =
        thread::Builder::new().stack_size(STACK_BYTES).spawn(run).expect("a thread starts");
    thread.join().expect("nothing panicked");
}

fn read(text: &str) {
    let report = lint_texts(&[("a.go", text)], Some((1, 22)), &Config::default());
    // Read, passed over, or both where a part of it is whole.
    match (report.files, report.passed_over.as_slice()) {
        (1, []) => {}
        (1, [part]) => assert!(!part.parts.is_empty(), "{part:?}"),
        (0, [whole]) => assert!(whole.parts.is_empty(), "{whole:?}"),
        (files, passed_over) => panic!("{files} files are read, and not {passed_over:?}"),
    }
}

#[test]
fn texts_that_nest_as_deep_as_is_allowed_do_not_exhaust_the_stack() {
    on_large_stack(|| {
        let units = [
            "!",
            "*",
            "(",
            "[",
            "{",
            "a.",
            "a+",
            "<-",
            "&",
            "chan ",
            "map[int]",
            "[]",
            "func() ",
            "struct{a ",
            "a[",
            "f(",
            "[]T{",
            "T{{",
            "func(){",
            "if func() bool {",
            "if a {} else ",
            "for func(){",
            "a: ",
            "a[0]",
            "a()",
            "switch func(){ case ",
            "go func(){",
            "x.(",
        ];
        for unit in units {
            // The depth is counted in tokens; each count is tried from well below the limit to above it.
            for count in [600, 4_900, 9_900, 19_900, 21_000] {
                let deep = unit.repeat(count);
                read(&format!("package a\nvar x = {deep}1\n"));
                read(&format!("package a\nfunc f() {{ m[k] = {deep}x }}\n"));
                read(&format!("package a\ntype t {deep}x\n"));
            }
        }
        // These are well formed, so that all that comes after parsing is reached, too.
        for (unit, count) in
            [(".a", 9_900), ("()", 9_900), ("[0]", 6_600), ("+1", 9_900), ("!=1", 6_600)]
        {
            let text = format!("package a\nfunc f() {{ m[g{}] = 1 }}\n", unit.repeat(count));
            read(&text);
        }
    });
}

#[test]
fn a_text_that_nests_deeper_is_named() {
    let text = format!("package a\nvar x = {}1\n", "!".repeat(1_000_000));
    let report = lint_texts(&[("a.go", &text)], None, &Config::default());
    assert!(matches!(report.passed_over[0].reason, Reason::TooDeep(_)));
}

#[test]
fn types_that_refer_to_each_other_come_to_an_end() {
    on_large_stack(|| {
        let mut text = String::from(
            "package a\ntype A B\ntype B A\ntype C struct { C; *D }\ntype D struct { C; D }\n",
        );
        // Each embeds the next twice: a search that forgets where it was would never end.
        for number in 0..200 {
            text.push_str(&format!("type T{number} struct {{ T{0}; *T{0}; U{0} }}\n", number + 1));
            text.push_str(&format!("type U{number} struct {{ T{0}; U{0} }}\n", number + 1));
        }
        text.push_str("var a A\nvar x = y\nvar y = x\nfunc f(c C, t T0) { c.m[1] = 2; t.none[3] = 4; a[b] = 5 }\n");
        // Each is made of the one before, eight times.
        text.push_str("func g(k string) {\n\tv0 := k\n");
        for number in 0..100 {
            let parts = vec![format!("v{number}"); 8].join(" + ");
            text.push_str(&format!("\tv{} := {parts}\n", number + 1));
        }
        text.push_str("\tm[v100] = 1\n}\nvar m = map[string]int{}\n");
        read(&text);
    });
}

#[test]
fn files_cut_off_anywhere_and_changed_anywhere_are_read_or_passed_over() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/rules");
    let mut texts = Vec::new();
    for entry in fs::read_dir(rules).expect("the test data is there") {
        let path = entry.expect("it can be listed").path().join("bad.go");
        texts.push(fs::read_to_string(path).expect("the test data is there"));
    }
    on_large_stack(move || {
        for text in &texts {
            for end in (0..text.len()).step_by(7) {
                read(&text[..end]);
            }
            let pieces = [
                "{", "}", "(", ")", "[", "]", "\"", "`", "'", "/*", "map", "func ", ":=", ",",
                "\n", "é", "\0",
            ];
            for (number, at) in (0..text.len()).step_by(11).enumerate() {
                let piece = pieces[number % pieces.len()];
                read(&format!("{}{piece}{}", &text[..at], &text[at..]));
                // The same with a byte left out.
                read(&format!("{}{}", &text[..at], &text[at + 1..]));
            }
        }
    });
}
