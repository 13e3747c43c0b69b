//! What go/types says of every expression of the standard library, compared with what is found here.

mod nodes;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tophash_typecheck::{
    BuildContext, Checked, Folders, Source, Universe, Value, check, on_deep_stack, parse_folder,
};
use xtask::toolchain::{self, MATRIX};

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
        let name = Path::new(&file.path).file_name().unwrap().to_string_lossy().into_owned();
        nodes::visit(&file.ast, &mut |at, kind, node| {
            let (typ, value, comma_ok) = match node {
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
            let (line, column) = file.line_byte_column(at);
            all.insert(format!("{path}/{name}:{line}:{column} {kind}"), (spelled, value));
        });
    }
    all
}

fn compare(oracle: &str, found: &HashMap<String, (String, String)>, show: usize) -> Tally {
    let mut tally = Tally::default();
    let mut shown = 0;
    for line in oracle.lines() {
        let mut parts = line.splitn(3, ' ');
        let (place, kind, rest) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
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
    let named = std::env::var("TYPECHECK_PACKAGES").ok();
    let packages: Vec<&str> = match &named {
        Some(named) => named.split(',').collect(),
        None => PACKAGES.to_vec(),
    };
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
            let parsed = parse_folder(&goroot.join("src").join(package), &context);
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
    assert!(sum.equal * 1000 >= sum.all * 995, "{sum:?}");
}
