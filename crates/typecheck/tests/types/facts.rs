//! What is known of calls, selections, closures and sizes, in small programs.

use tophash_typecheck::{
    Adjust, CallKind, Checked, NoImports, ObjectKind, SelectionKind, Source, Universe, VarRole,
    ast, check, parse_texts,
};

use crate::nodes::{self, Node};

fn checked(text: &str) -> (Universe, Checked) {
    let universe = Universe::new(Box::new(NoImports));
    let parsed = parse_texts([("a.go", text)]);
    assert!(parsed.passed_over.is_empty(), "{:?}", parsed.passed_over);
    let checked = check(&universe, Source::new("a", parsed.files));
    (universe, checked)
}

/// Every expression of which something is asked, in the order of the source.
fn each<T>(checked: &Checked, mut ask: impl FnMut(&ast::Expression) -> Option<T>) -> Vec<T> {
    let mut all = Vec::new();
    for file in &checked.files {
        nodes::visit(&file.ast, &mut |_, _, node| {
            if let Node::Expression(node) = node {
                all.extend(ask(node));
            }
        });
    }
    all
}

fn calls(universe: &Universe, checked: &Checked) -> Vec<String> {
    each(checked, |node| {
        let ast::Expression::Call(call) = node else { return None };
        let info = checked.call(call)?;
        Some(match info.kind {
            CallKind::Conversion(to) => format!("to {}", universe.spell(to)),
            CallKind::Builtin(builtin) => format!("{builtin:?}"),
            CallKind::Function(object) | CallKind::Method(object) => universe.full_name(object),
            CallKind::MethodExpr(Some(object)) => {
                format!("expression {}", universe.full_name(object))
            }
            CallKind::Literal(function) => format!("literal {}", function.index()),
            kind => format!("{kind:?}"),
        })
    })
}

#[test]
fn calls_say_what_they_call() {
    let text = "package a
        type T struct{ f func() }
        func (t T) V() {}
        func (t *T) P() {}
        type I interface{ M() }
        type G[E any] struct{ e E }
        func (g *G[E]) Get() E { return g.e }
        func id[E any](e E) E { return e }
        func f(t T, i I, g func(), m map[int]func()) {
            t.V(); t.P(); t.f(); i.M(); g(); m[0]()
            (*T).P(&t)
            T.V(t)
            func() {}()
            _ = string([]byte{1})
            _ = len(m)
            id(1)
            id[string](\"\")
            (&G[int]{}).Get()
            (f)(t, i, g, m)
            c := func() {}
            c()
        }";
    let (universe, checked) = checked(text);
    assert_eq!(
        calls(&universe, &checked),
        [
            "a.T.V",
            "a.(*T).P",
            "Value",
            "InterfaceMethod",
            "Value",
            "Value",
            "expression a.(*T).P",
            "expression a.T.V",
            "literal 5",
            "to string",
            "Len",
            "a.id",
            "a.id",
            "a.(*G).Get",
            "a.f",
            "Value",
        ]
    );
    assert!(checked.unresolved().is_empty());
}

#[test]
fn selections_tell_fields_on_the_way_and_what_becomes_of_receivers() {
    let text = "package a
        type A struct{ x int }
        func (a *A) P() {}
        func (a A) V() {}
        type B struct{ n int; *A }
        type C struct{ B }
        func f(c C, p *C, a *A) { _ = c.x; _ = p.n; c.P(); c.V(); a.V(); a.P(); p.B.P() }";
    let (_, checked) = checked(text);
    let found = each(&checked, |node| {
        let ast::Expression::Selector(selector) = node else { return None };
        let selection = checked.selection(selector)?;
        let path: Vec<String> = selection
            .path
            .iter()
            .map(|step| format!("{}{}", if step.through_pointer { "*" } else { "" }, step.field))
            .collect();
        let adjust = match selection.kind {
            SelectionKind::Method { adjust, .. } => Some(adjust),
            _ => None,
        };
        Some((selector.sel.name.clone(), path.join("."), adjust))
    });
    let own = |name: &str, path: &str, adjust| (name.to_owned(), path.to_owned(), adjust);
    assert_eq!(
        found,
        [
            own("x", "0.1.*0", None),
            own("n", "*0.0", None),
            own("P", "0.1", Some(Adjust::None)),
            own("V", "0.1", Some(Adjust::Deref)),
            own("V", "", Some(Adjust::Deref)),
            own("P", "", Some(Adjust::None)),
            own("P", "1", Some(Adjust::None)),
            own("B", "*0", None),
        ]
    );
}

#[test]
fn variables_belong_to_the_functions_that_declare_them() {
    let text = "package a
        var g int
        func f(p int) (r int) {
            l := p
            h := func(q int) { l, r = g, q + p }
            h(l)
            return
        }
        var i = func(o int) func() { return func() { o++ } }";
    let (universe, checked) = checked(text);
    let mut owners = Vec::new();
    for file in &checked.files {
        nodes::visit(&file.ast, &mut |_, _, node| {
            let Node::Name(name) = node else { return };
            let Some(object) = checked.definition(name) else { return };
            if let ObjectKind::Var { role, function } = universe.object(object).kind {
                owners.push((name.name.clone(), role, function.map(|function| function.index())));
            }
        });
    }
    let own = |name: &str, role, function| (name.to_owned(), role, function);
    assert_eq!(
        owners,
        [
            own("g", VarRole::Package, None),
            own("p", VarRole::Param, Some(0)),
            own("r", VarRole::Result, Some(0)),
            own("l", VarRole::Local, Some(0)),
            own("h", VarRole::Local, Some(0)),
            own("q", VarRole::Param, Some(1)),
            own("i", VarRole::Package, None),
            own("o", VarRole::Param, Some(2)),
        ]
    );
    let parents: Vec<_> = checked
        .functions()
        .iter()
        .map(|function| function.parent.map(|parent| parent.index()))
        .collect();
    assert_eq!(parents, [None, Some(0), None, Some(2)]);
}

#[test]
fn sizes_and_pointers_are_those_of_gc() {
    let text = "package a
        type T struct { A struct{ a bool; b int64; c bool } }
        type U struct { a int; b struct{} }
        type V struct { a *int; b [3]string; c int }
        type W struct { a int32; b complex128; c any }
        type X [2]struct{ p *int; n int }
        type Y struct { f func() }
        type Z [0]*int";
    let (universe, checked) = checked(text);
    let of = |name: &str| {
        let object = universe.member(checked.package, name).expect("it is declared");
        let typ = universe.type_of(object);
        (
            universe.size_of(typ).expect("a size"),
            universe.pointer_bytes(typ).expect("a size"),
            universe.is_direct_interface(typ).expect("an answer"),
        )
    };
    assert_eq!(of("T"), (24, 0, false));
    assert_eq!(of("U"), (16, 0, false));
    assert_eq!(of("V"), (64, 48, false));
    assert_eq!(of("W"), (40, 40, false));
    assert_eq!(of("X"), (32, 24, false));
    assert_eq!(of("Y"), (8, 8, true));
    assert_eq!(of("Z"), (0, 0, false));
}

#[test]
fn what_another_package_would_tell_is_unknown_and_nothing_more() {
    let text = "package a
        import \"example.com/b\"
        func f(x b.T, n int) int {
            y := x.Do(n)
            z := n + 1
            _ = y
            return b.F() + z
        }";
    let (universe, checked) = checked(text);
    let unknown = checked.unresolved();
    assert!(!unknown.is_empty());
    let names = each(&checked, |node| match node {
        ast::Expression::Ident(name) => {
            Some((name.name.clone(), universe.spell(checked.type_of(node))))
        }
        _ => None,
    });
    assert!(names.contains(&("n".to_owned(), "int".to_owned())));
    assert!(names.contains(&("z".to_owned(), "int".to_owned())));
    assert!(names.contains(&("y".to_owned(), "?".to_owned())));
}

#[test]
fn types_can_be_assigned_as_the_language_says() {
    let text = "package a
        type E struct{}
        func (e *E) Error() string { return \"\" }
        type F func()
        type S []int
        type C chan int
        var e E; var p *E; var f F; var g func(); var s S; var t []int; var c C
        var r <-chan int; var i interface{ Error() string }";
    let (universe, checked) = checked(text);
    let of = |name: &str| {
        universe.type_of(universe.member(checked.package, name).expect("it is declared"))
    };
    let error = universe.error_type();
    for (from, to) in [("p", "i"), ("f", "g"), ("g", "f"), ("s", "t"), ("c", "r")] {
        assert!(universe.assignable(of(from), of(to)), "{from} to {to}");
    }
    for (from, to) in [("e", "i"), ("r", "c"), ("s", "g"), ("e", "p")] {
        assert!(!universe.assignable(of(from), of(to)), "{from} to {to}");
    }
    assert!(universe.assignable(of("i"), error) && universe.assignable(of("p"), error));
}

#[test]
fn arguments_are_put_in_for_type_parameters() {
    let text = "package a
        type M[K comparable, V any] struct{ m map[K][]V }
        func (m *M[A, B]) Get(a A) []B { return m.m[a] }
        func Map[E, R any](list []E, f func(E) R) []R { return nil }
        var x = Map([]string{}, func(s string) M[string, int] { return M[string, int]{} })";
    let (universe, checked) = checked(text);
    let member = |name: &str| universe.member(checked.package, name).expect("it is declared");
    assert_eq!(universe.spell(universe.type_of(member("x"))), "[]a.M[string,int]");
    let generic = universe.type_of(member("M"));
    let methods = universe.declared_methods(generic);
    let params = universe.type_params(methods[0]);
    let spelled: Vec<String> = params.iter().map(|param| universe.spell(*param)).collect();
    assert_eq!(spelled, ["A", "B"]);
    let signature = universe.type_of(methods[0]);
    let args = [universe.error_type(), universe.any_type()];
    let put = universe.substitute(signature, &params, &args);
    assert_eq!(universe.spell(put), "func(error) []interface{}");
    assert_eq!(universe.type_params(member("Map")).len(), 2);
    let instance = universe.instantiate(member("M"), &args);
    assert_eq!(universe.spell(universe.underlying(instance)), "struct{m map[error][]interface{}}");
}

#[test]
fn a_package_that_was_checked_is_what_later_ones_import() {
    let universe = Universe::new(Box::new(NoImports));
    let first =
        parse_texts([("b.go", "package b\ntype T struct{ N int }\nfunc F() *T { return nil }")]);
    let first = check(&universe, Source::new("example.com/b", first.files));
    let text = "package a\nimport \"example.com/b\"\nvar x = b.F()\nvar n = x.N";
    let second = check(&universe, Source::new("a", parse_texts([("a.go", text)]).files));
    assert!(second.unresolved().is_empty());
    let of =
        |name: &str| universe.member(second.package, name).map(|object| universe.type_of(object));
    let declared = universe.member(first.package, "T").map(|object| universe.type_of(object));
    assert_eq!(of("x"), declared.map(|declared| universe.pointer_to(declared)));
    assert_eq!(of("n").map(|typ| universe.spell(typ)).as_deref(), Some("int"));
}
