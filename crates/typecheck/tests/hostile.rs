//! Text that is broken, cut off, or made to exhaust stack, time or memory: something comes of it, if little.

use tophash_typecheck::{NoImports, Source, Universe, check, on_deep_stack, parse_texts};

/// Checks a text, and asks all that can be asked of the types in it.
fn read(text: &str) {
    let parsed = parse_texts([("a.go", text)]);
    let universe = Universe::new(Box::new(NoImports));
    let checked = check(&universe, Source::new("a", parsed.files));
    for name in ["A", "B", "C", "D", "T", "x", "y", "f"] {
        let Some(object) = universe.member(checked.package, name) else { continue };
        let typ = universe.type_of(object);
        universe.value_of(object);
        universe.spell(typ);
        universe.size_of(typ);
        universe.is_direct_interface(typ);
        universe.range_types(typ);
        universe.core_type(typ);
        universe.type_set(typ);
        universe.implements(typ, universe.error_type());
        universe.lookup(typ, checked.package, "m");
    }
}

#[test]
fn declarations_that_need_each_other_come_to_an_end() {
    on_deep_stack(|| {
        for text in [
            "type A B; type B A",
            "type A = B; type B = A",
            "type A struct { A }",
            "type A struct { *A; m int }; func f(a A) { _ = a.m; _ = a.x }",
            "type A [len(x)]int; var x A",
            "const A = B + 1; const B = A",
            "var x = y; var y = x",
            "var x = f(); func f() int { return x }",
            "var x = func() int { return x() }",
            "type A interface { B }; type B interface { A }",
            "type A interface { A | B }; type B interface { ~A }",
            "type A[P any] struct { x *A[A[P]] }; var x A[int]; func f() { x.x.x.x.x = nil }",
            "type A[P any] struct { A[A[P]] }; var x A[int]; func f() { _ = x.m }",
            "type A[P B[P]] interface { m(P) }; type B[P A[P]] interface { m(P) }; var x A[int]",
            "type A func(A) A; func f(a A) { a(a)(a)(a) }",
            "type A map[A]A; type B chan B; type C []C; type D *D; var x D; func f() { ***x = nil }",
            "func f[P ~[]Q, Q ~[]P](p P) { f(p); f(nil); f(p[0]) }",
            "type A[P any] = A[P]; var x A[int]",
            "type T struct { f func() T }; var x = T{f: func() T { return x }}",
            "func f() { type A struct { *A }; type B = A; var x B; _ = x.A.A.A }",
            "type A [1 << 60][1 << 60]int; var x A; const y = len(x)",
            "const x = 1 << 1000000000000",
            "const x = -9223372036854775808 / -1 % 0",
            "var x = [...]int{1 << 62: 1, 2}",
            "var x = [...]int{-1: 1, 18446744073709551615: 2}",
        ] {
            read(&format!("package a\n{text}\n"));
        }
    });
}

#[test]
fn what_doubles_and_doubles_is_cut_off() {
    on_deep_stack(|| {
        let mut text = String::from("package a\nconst s0 = \"xxxxxxxxxxxxxxxx\"\n");
        for number in 0..200 {
            text.push_str(&format!("const s{} = s{number} + s{number}\n", number + 1));
            text.push_str(&format!("const n{} = 3 << {number} * 7\n", number + 1));
            text.push_str(&format!(
                "type T{number} struct {{ T{0}; *U{0}; a, b T{0} }}\ntype U{number} struct {{ T{0}; U{0} }}\n",
                number + 1
            ));
            text.push_str(&format!(
                "type G{number}[P any] struct {{ a G{0}[[2]P]; b G{0}[map[int]P] }}\n",
                number + 1
            ));
            text.push_str(&format!("type I{number} interface {{ I{0}; J{0} }}\n", number + 1));
            text.push_str(&format!("type J{number} interface {{ I{0}; J{0} }}\n", number + 1));
        }
        text.push_str("var x T0\nvar y = x.m\nvar g G0[int]\nvar z = g.a.b.a.b\nvar i I0\n");
        text.push_str("func f() { _ = i.m; _ = x.none; _ = s200; var A = x; _ = A }\n");
        text.push_str("type A T0\ntype B I0\ntype C G0[int]\n");
        read(&text);
    });
}

#[test]
fn texts_that_nest_as_deep_as_is_allowed_do_not_exhaust_the_stack() {
    on_deep_stack(|| {
        let units = [
            "!",
            "*",
            "(",
            "[",
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
            "if a {} else ",
            "x.(",
            "a[0]",
            "a()",
            "switch func(){ case ",
            "if func() bool {",
        ];
        for unit in units {
            for count in [600, 4_900, 9_900, 19_900] {
                let deep = unit.repeat(count);
                read(&format!("package a\nvar x = {deep}1\n"));
                read(&format!("package a\nfunc f() {{ m[k] = {deep}x }}\n"));
                read(&format!("package a\ntype T {deep}x\n"));
            }
        }
        // These are well formed, so that all that comes after parsing is reached, too.
        for (unit, count) in [
            (".a", 9_900),
            ("()", 9_900),
            ("[0]", 6_600),
            ("+1", 9_900),
            ("!=1", 6_600),
            ("[:]", 6_600),
            (".(T)", 4_900),
        ] {
            read(&format!("package a\nfunc f() {{ m[g{}] = 1 }}\n", unit.repeat(count)));
        }
        let chain = "if x { } else ".repeat(6_000);
        read(&format!("package a\nfunc f() {{ {chain} {{ }}\n}}\n"));
        let types = "*".repeat(9_900);
        read(&format!("package a\ntype T {types}int\nvar x T\n"));
    });
}

#[test]
fn files_cut_off_anywhere_and_changed_anywhere_are_read_or_passed_over() {
    let text = include_str!("data/mixed.go");
    on_deep_stack(|| {
        for end in (0..text.len()).step_by(7) {
            read(&text[..end]);
        }
        let pieces = [
            "{", "}", "(", ")", "[", "]", "\"", "`", "*", "map", "func ", ":=", ",", "\n", "x",
            "1", "T[", "nil", "= ",
        ];
        for (number, at) in (0..text.len()).step_by(3).enumerate() {
            let piece = pieces[number % pieces.len()];
            read(&format!("{}{piece}{}", &text[..at], &text[at..]));
            // The same with a byte left out.
            read(&format!("{}{}", &text[..at], &text[at + 1..]));
        }
    });
}

#[test]
fn long_lists_take_no_more_time_than_they_are_long() {
    on_deep_stack(|| {
        let many = 10_000;
        let each = |unit: &dyn Fn(usize) -> String| (0..many).map(unit).collect::<String>();
        let locals = each(&|number| format!("v{number} := v0\n"));
        let fields = each(&|number| format!("f{number} int\n"));
        let methods = each(&|number| format!("func (T) m{number}() {{}}\n"));
        let uses = each(&|number| format!("x.f{number} = 1; x.m{number}()\n"));
        let terms = each(&|number| format!("|[{number}]int"));
        read(&format!("package a\nfunc f(v0 int) {{\n{locals}\n}}\n"));
        read(&format!(
            "package a\ntype T struct {{\n{fields}\n}}\n{methods}\nfunc f(x T) {{\n{uses}\n}}\n"
        ));
        read(&format!(
            "package a\ntype A interface {{ string{terms} }}\ntype B interface {{ A; A }}\nfunc f[P B](x P) {{ _ = x[0]; f(x) }}\n"
        ));
    });
}
