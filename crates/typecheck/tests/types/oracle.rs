//! What go/types says of every expression of the standard library, compared with what is found here: types and
//! values of expressions, what names stand for, what is selected, and sizes.
//!
//! `TYPECHECK_PACKAGES=a,b` names other packages, or files, and `TYPECHECK_SHOW=20` shows what differs. Of
//! constants, those differ whose expression is taken over by later ones of their group: go/types notes the last
//! value, and the first one is noted here. Numbers of more than 127 bits have no value here.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tophash_typecheck::{
    BuildContext, Checked, Folders, ObjectKind, SelectionKind, Source, Universe, Value, ast, check,
    on_deep_stack, parse_folder, parse_texts,
};
use xtask::toolchain::{self, MATRIX, Toolchain};

use crate::nodes;

/// How many expressions there are, and what came of them.
#[derive(Default, Debug)]
struct Tally {
    all: usize,
    equal: usize,
    unknown: usize,
    absent: usize,
    wrong: usize,
    values: usize,
    wrong_values: usize,
}

/// Spells what was found as the oracle does.
fn found(universe: &Universe, checked: &Checked, path: &str) -> HashMap<String, (String, String)> {
    let mut all = HashMap::new();
    for file in &checked.files {
        let name =
            Path::new(&file.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let place = |at: usize| {
            let (line, column) = file.line_byte_column(at);
            format!("{path}/{name}:{line}:{column}")
        };
        nodes::visit(&file.ast, &mut |at, kind, node| {
            if let nodes::Node::Expression(ast::Expression::Selector(selector)) = &node {
                all.extend(selected(universe, checked, selector, &place(selector.sel.pos)));
            }
            let (typ, value, comma_ok) = match node {
                nodes::Node::Name(name) => {
                    all.extend(declared(universe, checked, name, &place(at)));
                    return;
                }
                nodes::Node::Expression(node) => {
                    let Some(info) = checked.expr(node) else { return };
                    (info.typ, info.value.clone(), info.is_comma_ok)
                }
                nodes::Node::Call(node) => {
                    let Some(info) = checked.call(node) else { return };
                    (info.result, None, false)
                }
                nodes::Node::Literal(node) => (checked.literal(node), None, false),
            };
            let mut spelled = universe.spell(typ);
            if comma_ok {
                spelled = format!("({spelled}, bool)");
            }
            let value = match value {
                Some(Value::Bool(value)) => format!("{value}"),
                Some(Value::Int(value)) => format!("{value}"),
                Some(Value::String(text)) => text.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                }),
                _ => String::new(),
            };
            all.insert(format!("{} {kind}", place(at)), (spelled, value));
        });
    }
    all
}

/// What a name stands for, and its size if it names a type where that is declared.
fn declared(
    universe: &Universe,
    checked: &Checked,
    name: &ast::Ident,
    place: &str,
) -> Vec<(String, (String, String))> {
    let Some(id) = checked.object(name) else { return Vec::new() };
    let object = universe.object(id);
    let mut all = Vec::new();
    let origin = match object.place {
        Some(at) if object.package == checked.package => {
            let file = &checked.files[at.file as usize];
            let (line, column) = file.line_byte_column(at.at);
            let name = Path::new(&file.path).file_name().unwrap_or_default().to_string_lossy();
            format!("{name}:{line}:{column}")
        }
        _ => format!("{}.{}", universe.package_path(object.package), object.name),
    };
    all.push((format!("{place} object"), (origin, String::new())));
    if let ObjectKind::TypeName { is_alias: false } = object.kind {
        let typ = universe.type_of(id);
        if let (Some(size), Some(align)) = (universe.size_of(typ), universe.align_of(typ)) {
            all.push((format!("{place} size"), (format!("{size}/{align}"), String::new())));
        }
    }
    all
}

/// What is selected, and over which fields.
fn selected(
    universe: &Universe,
    checked: &Checked,
    selector: &ast::Selector,
    place: &str,
) -> Option<(String, (String, String))> {
    let selection = checked.selection(selector)?;
    let kind = match selection.kind {
        SelectionKind::Field => "field",
        SelectionKind::MethodExpr { .. } => "expression",
        _ => "method",
    };
    let path: Vec<String> = selection.path.iter().map(|step| step.field.to_string()).collect();
    let receiver = universe.spell(selection.receiver);
    let text = format!("{kind} [{}] {receiver}", path.join(" "));
    Some((format!("{place} selection"), (text, String::new())))
}

fn compare(oracle: &str, found: &HashMap<String, (String, String)>, show: usize) -> Tally {
    let mut tally = Tally::default();
    let mut shown = 0;
    for line in oracle.lines() {
        let mut parts = line.splitn(3, ' ').chain(std::iter::repeat(""));
        let mut part = || parts.next().unwrap_or_default();
        let (place, kind, rest) = (part(), part(), part());
        let (typ, value) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
        tally.all += 1;
        let outcome = match found.get(&format!("{place} {kind}")) {
            None => {
                tally.absent += 1;
                "absent".to_owned()
            }
            Some((own, own_value)) if own == typ => {
                tally.equal += 1;
                if value.is_empty() && !rest.contains(" = ") {
                    continue;
                }
                tally.values += 1;
                if own_value == value {
                    continue;
                }
                tally.wrong_values += 1;
                format!("value {own_value}")
            }
            Some((own, _)) if own.contains('?') => {
                tally.unknown += 1;
                own.clone()
            }
            Some((own, _)) => {
                tally.wrong += 1;
                format!("WRONG {own}")
            }
        };
        if shown < show {
            eprintln!("{line}\n    {outcome}");
            shown += 1;
        }
    }
    tally
}

/// All packages of the standard library that can be checked without a C compiler.
fn standard_library(toolchain: &Toolchain, dir: &Path) -> String {
    let mut command = toolchain.go(dir, "");
    let output = command.env("CGO_ENABLED", "0").args(["list", "std"]).output().expect("go runs");
    let listed = String::from_utf8(output.stdout).expect("text");
    let is_plain = |path: &&str| !path.starts_with("vendor/") && *path != "unsafe";
    listed.lines().filter(is_plain).collect::<Vec<_>>().join(",")
}

/// Packages to compare over.
const PACKAGES: [&str; 15] = [
    "fmt",
    "strings",
    "bytes",
    "sort",
    "bufio",
    "container/heap",
    "container/list",
    "container/ring",
    "encoding/json",
    "net/url",
    "text/template",
    "maps",
    "slices",
    "sync",
    "net/http",
];

#[test]
fn expressions_have_the_types_that_go_gives_them() {
    let release = MATRIX.last().expect("a release");
    let toolchain = toolchain::ensure(release.version).expect("a toolchain");
    let dir = tempfile::tempdir().expect("a folder");
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/oracle/main.go"),
        dir.path().join("main.go"),
    )
    .expect("the oracle");
    fs::write(dir.path().join("go.mod"), "module oracle\n\ngo 1.22\n").expect("a module");
    let named = match std::env::var("TYPECHECK_PACKAGES") {
        Ok(named) => named,
        Err(_) if toolchain::is_wide() => standard_library(&toolchain, dir.path()),
        Err(_) => PACKAGES.join(","),
    };
    let packages: Vec<&str> = named.split(',').collect();
    let mut command = toolchain.go(dir.path(), "");
    let output = command.args(["run", "."]).args(&packages).output().expect("go runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let oracle = String::from_utf8(output.stdout).expect("text");
    let mut by_package: BTreeMap<&str, String> = BTreeMap::new();
    for line in oracle.lines() {
        let place = line.split(' ').next().unwrap_or_default();
        let package = place.rsplit_once('/').map_or("", |(package, _)| package);
        let lines = by_package.entry(package).or_default();
        lines.push_str(line);
        lines.push('\n');
    }
    let goroot = toolchain.goroot().to_owned();
    let show: usize =
        std::env::var("TYPECHECK_SHOW").ok().and_then(|show| show.parse().ok()).unwrap_or(0);
    let minor =
        release.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(27);
    let mut sum = Tally::default();
    for (package, lines) in by_package {
        let found = on_deep_stack(|| {
            let context = BuildContext::linux_amd64(minor);
            let parsed = match package.ends_with(".go") {
                true => {
                    let text = fs::read_to_string(package).expect("a file");
                    parse_texts([(package, text.as_str())])
                }
                false => parse_folder(&goroot.join("src").join(package), &context),
            };
            for fault in &parsed.passed_over {
                eprintln!("{}: {}", fault.path, fault.reason);
            }
            let universe = Universe::new(Box::new(Folders::new(context).goroot(&goroot)));
            let checked = check(&universe, Source::new(package, parsed.files));
            found(&universe, &checked, package)
        });
        let tally = compare(&lines, &found, show);
        eprintln!("{package}: {tally:?}");
        sum.all += tally.all;
        sum.equal += tally.equal;
        sum.unknown += tally.unknown;
        sum.absent += tally.absent;
        sum.wrong += tally.wrong;
        sum.values += tally.values;
        sum.wrong_values += tally.wrong_values;
    }
    eprintln!("all: {sum:?}, equal {:.3} %", sum.equal as f64 * 100.0 / sum.all as f64);
    assert!(sum.equal * 10_000 >= sum.all * 9_998, "{sum:?}");
    assert!(sum.wrong * 100_000 <= sum.all, "{sum:?}");
}
