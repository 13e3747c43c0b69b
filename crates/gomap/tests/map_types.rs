//! Map types as people write them.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use proptest::prelude::*;
use tophash_gomap::{
    GoSource, StandardTypes, TypeError, TypeFault, WrittenMapType, parse_map_type,
};

const NEWEST: u32 = 27;

fn parse(text: &str) -> Result<WrittenMapType, TypeError> {
    parse_map_type(text, &StandardTypes::of(NEWEST))
}

/// Sizes of key and elem, and the spelling.
fn shown(text: &str) -> (u64, u64, String) {
    let map = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (map.key.size(), map.elem.size(), map.spelling)
}

fn fault(text: &str) -> (TypeFault, usize) {
    let error = parse(text).unwrap_err();
    (error.fault, error.at)
}

#[test]
fn types_are_spelled_as_reflect_prints_them() {
    for (text, key, elem, spelling) in [
        ("map[string]int", 16, 8, "map[string]int"),
        (" map [ string ] struct{} ", 16, 0, "map[string]struct {}"),
        ("map[byte]rune", 1, 4, "map[uint8]int32"),
        ("map[any]error", 16, 16, "map[interface {}]error"),
        ("map[int]interface{}", 8, 16, "map[int]interface {}"),
        ("map[complex64]complex128", 8, 16, "map[complex64]complex128"),
        ("map[[4]int16][]byte", 8, 24, "map[[4]int16][]uint8"),
        ("map[uintptr]unsafe.Pointer", 8, 8, "map[uintptr]unsafe.Pointer"),
        ("map[int]map[string][]bool", 8, 8, "map[int]map[string][]bool"),
        ("map[int]chan int", 8, 8, "map[int]chan int"),
        ("map[int]<-chan int", 8, 8, "map[int]<-chan int"),
        ("map[int]chan<- int", 8, 8, "map[int]chan<- int"),
        ("map[int]chan (<-chan int)", 8, 8, "map[int]chan (<-chan int)"),
        ("map[int](func())", 8, 8, "map[int]func()"),
        (
            "map[int]func(a, b int, c ...string) (n int, err error)",
            8,
            8,
            "map[int]func(int, int, ...string) (int, error)",
        ),
        ("map[int]func([]byte) error", 8, 8, "map[int]func([]uint8) error"),
        ("map[struct{a, b int32}]bool", 8, 1, "map[struct { a int32; b int32 }]bool"),
        (
            "map[int]struct { A int `json:\"a\"`; sync.Mutex; *T; _ [0]func() }",
            8,
            32,
            "map[int]struct { A int \"json:\\\"a\\\"\"; sync.Mutex; *T; _ [0]func() }",
        ),
        (
            "map[int]interface{ Write(p []byte) (int, error); Close() error }",
            8,
            16,
            "map[int]interface { Close() error; Write([]uint8) (int, error) }",
        ),
        ("map[string]*example.com/some-app/v2/store.Session", 16, 8, "map[string]*store.Session"),
        ("map[netip.Addr]time.Time", 24, 24, "map[netip.Addr]time.Time"),
        ("map[int]atomic.Pointer[T]", 8, 8, "map[int]atomic.Pointer[T]"),
        ("http.Header", 16, 24, "http.Header"),
        ("map[uuid.UUID]time.Duration", 16, 8, "map[uuid.UUID]time.Duration"),
    ] {
        assert_eq!(shown(text), (key, elem, spelling.to_owned()), "{text}");
    }
}

#[test]
fn lengths_are_constant_expressions() {
    for (len, is) in [
        ("16", 16),
        ("0x10", 16),
        ("0b1_0000", 16),
        ("0o20", 16),
        ("020", 16),
        ("1_6", 16),
        ("1<<4", 16),
        ("(1 + 3) * 4", 16),
        ("1 + 3 * 5", 16),
        ("18 - 2", 16),
        ("100 / 6 &^ 0", 16),
        ("'\u{10}'", 16),
        ("-(-16)", 16),
        ("0", 0),
    ] {
        assert_eq!(shown(&format!("map[int][{len}]byte")).1, is, "{len}");
    }
    assert_eq!(fault("map[int][-1]int"), (TypeFault::NegativeLength { len: -1 }, 9));
    assert_eq!(fault("map[int][1/0]int").0, TypeFault::NoValue);
    assert_eq!(fault("map[int][1<<99]int").0, TypeFault::NoValue);
    assert_eq!(fault("map[int][N]int").0, TypeFault::UnknownConstant { name: "N".to_owned() });
}

#[test]
fn faults_point_at_the_character() {
    let expected = |wanted| TypeFault::Expected { wanted };
    for (text, at, wanted) in [
        ("", 0, "a type"),
        ("map", 3, "the key's type in brackets"),
        ("map[string", 10, "a closing bracket"),
        ("map[string]", 11, "a type"),
        ("map[int]struct{", 15, "a closing brace"),
        ("map[int]struct{ a int b }", 22, "a semicolon, a new line or a closing brace"),
        ("map[int]func", 12, "the parameters in parentheses"),
        ("map[if]int", 4, "a type"),
        ("map[int]$", 8, "a type"),
    ] {
        assert_eq!(fault(text), (expected(wanted), at), "{text}");
    }
    assert_eq!(fault("map[int]int x"), (TypeFault::TrailingText, 12));
    let unknown = |name: &str| TypeFault::UnknownType { name: name.to_owned() };
    assert_eq!(fault("map[string]Session"), (unknown("Session"), 11));
    assert_eq!(fault("map[string]struct{ s main.Session }"), (unknown("main.Session"), 21));
    assert!(matches!(fault("chan int"), (TypeFault::NotAMap { .. }, 0)));
    assert!(matches!(fault("map[int]comparable").0, TypeFault::NotAValueType { .. }));
    assert_eq!(fault("map[int]interface{ ~int }").0, TypeFault::Constraint);
    assert_eq!(fault("map[int]interface{ int | string }").0, TypeFault::Constraint);
}

#[test]
fn keys_that_can_not_be_compared_are_refused() {
    for text in [
        "map[[]int]int",
        "map[func()]int",
        "map[map[int]int]int",
        "map[[2][]int]int",
        "map[struct{ a int; b []int }]int",
        "map[int]map[[]int]int",
        "map[net.IP]int",
    ] {
        assert!(matches!(fault(text).0, TypeFault::NotComparable { .. }), "{text}");
    }
    for text in ["map[*[]int]int", "map[chan []int]int", "map[any]int", "map[[0]string]int"] {
        parse(text).unwrap();
    }
}

#[test]
fn what_pointers_lead_to_need_not_be_known() {
    for text in ["map[string]*Session", "map[int][]pkg.T", "map[int]map[Key]V", "map[*A]func(B) C"]
    {
        parse(text).unwrap();
    }
}

const PACKAGE: &str = r#"
// Package store has things.
package store

import ("time"; "sync")

const (
	Shards = 1 << iota + 2 // 3
	More                   // 4
	_
	Last, Other = iota, "x,y)"
)
const Size int = Shards * More

type Session struct {
	sync.Mutex
	ID      [Size]byte `json:"id"` // twelve
	started time.Time; next *Session
	names, titles []string
	nested struct { a, b Kind }
}

type (
	Kind uint8
	Pair[K comparable, V any] struct { Key K; Value V }
	Alias = Pair[Kind, string]
	Sessions map[string]*Session
	Tree struct { left, right *Tree; Pair[int, Kind] }
	Loop struct { inner [2]Loop }
	First struct { second Second }
	Second struct { first First }
	Matrix [Last][Size * 2]float32
	Reader interface { Read(p []byte) (n int, err error) }
	Both interface { Reader; Close() error }
	Number interface { ~int | ~float64 }
)

func (s *Session) Do(x int) map[string]int {
	type Session struct{ not, this, one int }
	r := '{'
	return map[string]int{"}": x, `type Kind string`: '\''}
}

type Later struct { s Session }
"#;

fn source() -> GoSource {
    let mut source = GoSource::default();
    source.add("store.go", PACKAGE).unwrap();
    source
}

fn from_source(text: &str) -> Result<WrittenMapType, TypeError> {
    let source = source();
    parse_map_type(text, &(&source as &dyn tophash_gomap::TypeNames, &StandardTypes::of(NEWEST)))
}

#[test]
fn named_types_come_from_source() {
    for (text, size, spelling) in [
        // 8 of the mutex, 12, 4 of padding, 24, 8, 24, 24, 2, 6 of padding.
        ("map[int]Session", 112, "map[int]store.Session"),
        ("map[int]store.Session", 112, "map[int]store.Session"),
        ("map[int]example.com/x/store.Session", 112, "map[int]store.Session"),
        ("map[int]Later", 112, "map[int]store.Later"),
        ("map[int]Kind", 1, "map[int]store.Kind"),
        ("map[int]Pair[string, Kind]", 24, "map[int]store.Pair[string,store.Kind]"),
        ("map[int]Alias", 24, "map[int]store.Pair[store.Kind,string]"),
        ("map[int]Tree", 32, "map[int]store.Tree"),
        ("map[int]Matrix", 288, "map[int]store.Matrix"),
        ("map[int]Both", 16, "map[int]store.Both"),
        ("map[int][Size]byte", 12, "map[int][12]uint8"),
        ("Sessions", 8, "store.Sessions"),
    ] {
        let map = from_source(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((map.elem.size(), map.spelling.as_str()), (size, spelling), "{text}");
    }
}

#[test]
fn faults_in_source_name_the_file_and_line() {
    let fault = |text: &str| from_source(text).unwrap_err();
    assert!(matches!(fault("map[int]Loop").fault, TypeFault::Recursive { .. }));
    assert!(
        fault("map[int]Loop").to_string().contains("(store.go:29:"),
        "{}",
        fault("map[int]Loop")
    );
    assert!(matches!(fault("map[int]First").fault, TypeFault::Recursive { .. }));
    assert!(matches!(fault("map[int]Number").fault, TypeFault::Constraint));
    let wrong = TypeFault::Arguments { name: "Pair".to_owned(), wanted: 2, got: 1 };
    assert_eq!(fault("map[int]Pair[int]").fault, wrong);
    assert!(matches!(fault("map[int]Missing").fault, TypeFault::UnknownType { .. }));
    let error = GoSource::default().add("x.txt", "hello").unwrap_err();
    assert!(matches!(error.fault, TypeFault::Expected { .. }));
}

#[test]
fn newer_syntax_and_broken_bodies_do_no_harm() {
    let mut source = GoSource::default();
    source
        .add(
            "a.go",
            "package a\nfunc (t *T) M[P any](p P) { ]]] ((( \n}\ntype T struct { n int64 }\n",
        )
        .unwrap();
    source.add("b.go", "package a\nvar x = T{ n: ) }\ntype U [2]T").unwrap();
    assert!(parse_map_type("map[U]T", &source).is_ok());
    // What is broken is found when it is asked for.
    source.add("c.go", "package a\ntype Broken struct { n in t }\ntype Fine bool").unwrap();
    assert!(parse_map_type("map[int]Broken", &source).is_err());
    assert!(parse_map_type("map[int]Fine", &source).is_ok());
}

#[test]
fn hostile_texts_end_soon() {
    let deep =
        |open: &str, close: &str| format!("map[int]{}int{}", open.repeat(3000), close.repeat(3000));
    for text in [
        deep("[]", ""),
        deep("*", ""),
        deep("(", ")"),
        deep("struct{a ", "}"),
        deep("[2]", ""),
        deep("func(", ")"),
        deep("interface{m(", ")}"),
        deep("map[int]", ""),
        deep("A[", "]"),
        format!("map[int][{}1]int", "(".repeat(5000)),
        format!("map[int][{}1]int", "1+".repeat(5000)),
        format!("map[int][{}1]int", "-".repeat(5000)),
        format!("map[int]func({}int)", "a,".repeat(50_000)),
        format!("map[int]struct{{{}int}}", "a,".repeat(50_000)),
        format!("map[int]struct{{{}}}", "a[0];".repeat(20_000)),
    ] {
        let start = std::time::Instant::now();
        let _ = parse(&text);
        assert!(start.elapsed().as_secs() < 5, "{}", &text[..40]);
    }
    // Each type twice the one before.
    let mut package = "package a\ntype T0 struct { p *int }\n".to_owned();
    for n in 1..60 {
        package += &format!("type T{n} struct {{ a, b T{} }}\n", n - 1);
        package +=
            &format!("type G{n}[P any] struct {{ a, b P; c G{}[struct{{ x, y P }}] }}\n", n - 1);
        package += &format!("const C{n} = C{} * C{}\n", n - 1, n - 1);
    }
    let mut source = GoSource::default();
    source.add("a.go", &package).unwrap();
    for text in ["map[int]T59", "map[int]G59[int]", "map[int][C59]int"] {
        let error = parse_map_type(text, &source).unwrap_err();
        assert!(
            matches!(error.fault, TypeFault::TooComplex | TypeFault::UnknownConstant { .. }),
            "{text}: {error}"
        );
    }
}

fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "map[",
        "]",
        "[",
        "struct{",
        "}",
        "interface{",
        "func(",
        ")",
        "chan",
        "<-",
        "*",
        "...",
        ",",
        ";",
        "\n",
        "int",
        "string",
        "x ",
        "a.B",
        "[3]",
        "[]",
        "\"t\"",
        "`r`",
        "1<<2",
        "//c",
        "/*",
        "~",
        "|",
        "Pair[int,Kind]",
        "Session",
        "time.Time",
        "'",
        "ß",
        "type ",
        "const ",
        "=",
        "iota",
        "package a\n",
        "(",
        "0x",
        "_",
        "a/b.C",
    ]);
    prop_oneof![4 => words.prop_map(str::to_owned), 1 => "\\PC{0,3}"]
}

#[test]
fn a_package_s_name_has_no_dot_and_no_version() {
    for (path, spelling) in [
        ("gopkg.in/yaml.v3.Node", "yaml.Node"),
        ("example.com/app/v2/store.Session", "store.Session"),
        ("example.com/store/v2.Session", "store.Session"),
        ("a/b.Ca.B", "b.B"),
    ] {
        let map = parse(&format!("map[int]*{path}")).unwrap();
        assert_eq!(map.spelling, format!("map[int]*{spelling}"));
        assert_eq!(parse(&map.spelling).unwrap().spelling, map.spelling);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(pieces in prop::collection::vec(piece(), 0..40)) {
        let text = pieces.concat();
        for text in [text.clone(), format!("map[int]{text}"), format!("map[{text}]int")] {
            if let Err(error) = from_source(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
        let mut source = GoSource::default();
        if source.add("a.go", &format!("package a\n{text}")).is_ok() {
            let _ = parse_map_type("map[int]x", &source);
        }
    }

    #[test]
    fn a_spelling_is_read_as_the_same_type(pieces in prop::collection::vec(piece(), 1..12)) {
        if let Ok(map) = parse(&format!("map[int]{}", pieces.concat())) {
            let again = parse(&map.spelling);
            prop_assert_eq!(again.map(|map| map.spelling), Ok(map.spelling));
        }
    }
}
