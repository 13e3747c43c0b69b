//! Makes the table of leaks from what compilers said of the standard library; `cargo xtask leak-table` runs it.
//!
//! The first argument is the file to write. All others are threes: a release (`1.27`), its GOROOT, and a file
//! with what `go build -gcflags='std=-m -d=escapemutationscalls=1' std` printed.
//!
//! The compiler names a parameter's place, not its function. So the source is parsed, and each declaration's
//! parameters are looked up by their places. Of a way to the heap with dereferences the compiler does not say
//! how many: one is assumed, the least.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tophash_escape_engine::{GoVersion, Leaks};
use tophash_typecheck::ast;
use tophash_typecheck::{SourceFile, on_deep_stack, parse};

/// What was said, by file, line and column.
type Said = HashMap<(u32, u32), Vec<String>>;
/// Of each package and function, a row for each release.
type Rows = BTreeMap<(String, String), Vec<Option<String>>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("the file to write is missing")?;
    let arguments: Vec<String> = arguments.collect();
    let mut rows = Rows::new();
    let mut releases = Vec::new();
    let count = arguments.len() / 3;
    for (index, three) in arguments.chunks_exact(3).enumerate() {
        let version = GoVersion::parse(&three[0]).ok_or("no such release")?;
        releases.push(version.minor().to_string());
        let output = std::fs::read_to_string(&three[2])?;
        for (package, files) in packages(&output, Path::new(&three[1])) {
            for (path, said) in files {
                let text = std::fs::read_to_string(&path)?;
                let name = path.display().to_string();
                let found = on_deep_stack(move || match parse(&name, &text) {
                    Ok(file) => functions(&file, &said),
                    Err(_) => Vec::new(),
                });
                for (name, row) in found {
                    let key = (package.clone(), name);
                    rows.entry(key).or_insert_with(|| vec![None; count])[index] = Some(row);
                }
            }
        }
    }
    let text = text(&releases, &rows);
    let mut packed = GzEncoder::new(std::fs::File::create(out)?, Compression::best());
    packed.write_all(text.as_bytes())?;
    packed.finish()?;
    Ok(())
}

/// Files of each package, with what was said of them.
fn packages(output: &str, goroot: &Path) -> BTreeMap<String, BTreeMap<PathBuf, Said>> {
    let mut packages: BTreeMap<String, BTreeMap<PathBuf, Said>> = BTreeMap::new();
    let mut package = "";
    for line in output.lines() {
        if let Some(path) = line.strip_prefix("# ") {
            package = path;
            continue;
        }
        if package.starts_with("vendor/") || package.starts_with("cmd/") {
            continue;
        }
        let mut parts = line.splitn(4, ':');
        let (Some(file), Some(row), Some(column), Some(text)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (Ok(row), Ok(column)) = (row.parse(), column.parse()) else { continue };
        let path = goroot.join(file);
        let said = packages.entry(package.to_owned()).or_default().entry(path).or_default();
        said.entry((row, column)).or_default().push(text.trim().to_owned());
    }
    packages
}

/// Functions of a file that have something said of a parameter.
fn functions(file: &SourceFile, said: &Said) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for declaration in &file.ast.decl {
        let ast::Declaration::Function(function) = declaration else { continue };
        if !function.name.name.starts_with(char::is_uppercase) {
            continue;
        }
        let receiver = function.recv.as_ref().and_then(|list| list.list.first());
        let name = match receiver.map(|field| base_type(&field.typ)) {
            Some(Some((base, true))) => format!("(*{base}).{}", function.name.name),
            Some(Some((base, false))) => format!("{base}.{}", function.name.name),
            Some(None) => continue,
            None => function.name.name.clone(),
        };
        let fields = receiver.into_iter().chain(&function.typ.params.list);
        let results: Vec<_> = function
            .typ
            .result
            .list
            .iter()
            .flat_map(|field| match field.name.len() {
                0 => vec![None],
                _ => field.name.iter().map(|name| Some(name.name.as_str())).collect(),
            })
            .collect();
        let (mut row, mut any, mut unnamed) = (Vec::new(), false, true);
        for field in fields {
            if field.name.is_empty() {
                row.push(Leaks::default());
            }
            for name in &field.name {
                let place = file.line_byte_column(name.pos);
                let lines = said.get(&place).map(Vec::as_slice).unwrap_or_default();
                any |=
                    lines.iter().any(|line| line.contains("param") || line.contains(" does not "));
                unnamed &= name.name == "_";
                row.push(leaks(&name.name, lines, &results));
            }
        }
        if any || (unnamed && !row.is_empty()) {
            let row: Vec<_> = row.iter().map(ToString::to_string).collect();
            found.push((name, row.join(";")));
        }
    }
    found
}

/// A receiver's type, and whether it is a pointer; none for generic ones.
fn base_type(typ: &ast::Expression) -> Option<(String, bool)> {
    match typ {
        ast::Expression::Ident(name) => Some((name.name.clone(), false)),
        ast::Expression::TypePointer(pointer) => Some((base_type(&pointer.typ)?.0, true)),
        ast::Expression::Star(pointer) => Some((base_type(&pointer.right)?.0, true)),
        ast::Expression::Paren(inner) => base_type(&inner.expr),
        ast::Expression::Operation(star) if star.y.is_none() => Some((base_type(&star.x)?.0, true)),
        _ => None,
    }
}

/// What lines say of one parameter.
fn leaks(name: &str, lines: &[String], results: &[Option<&str>]) -> Leaks {
    let mut leaks = Leaks::default();
    for line in lines {
        let derefs = |text: &str| text.rsplit('=').next().and_then(|count| count.parse().ok());
        if line == &format!("moved to heap: {name}") || line == &format!("leaking param: {name}") {
            leaks.add_heap(0);
        } else if line == &format!("leaking param content: {name}") {
            leaks.add_heap(1);
        } else if let Some(rest) = line.strip_prefix(&format!("leaking param: {name} to result ")) {
            let Some((result, _)) = rest.split_once(' ') else { continue };
            let index = match result.strip_prefix("~r").and_then(|index| index.parse().ok()) {
                Some(index) => Some(index),
                None => results.iter().position(|name| *name == Some(result)),
            };
            if let (Some(index), Some(derefs)) = (index, derefs(rest)) {
                leaks.add_result(index, derefs);
            }
        } else if line.starts_with(&format!("mutates param: {name} ")) {
            leaks.add_mutator(derefs(line).unwrap_or(0));
        } else if line.starts_with(&format!("calls param: {name} ")) {
            leaks.add_callee(derefs(line).unwrap_or(0));
        }
    }
    leaks
}

fn text(releases: &[String], rows: &Rows) -> String {
    let mut text = format!("releases {}\n", releases.join(" "));
    let mut package = "";
    for ((path, name), row) in rows {
        if path != package {
            text.push_str(&format!("package {path}\n"));
            package = path;
        }
        let mut masks: BTreeMap<&str, u32> = BTreeMap::new();
        for (bit, leaks) in row.iter().enumerate() {
            if let Some(leaks) = leaks {
                *masks.entry(leaks).or_default() |= 1 << bit;
            }
        }
        for (leaks, mask) in masks {
            text.push_str(&format!("{mask:x} {name} {leaks}\n"));
        }
    }
    text
}
