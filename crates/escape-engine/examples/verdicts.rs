//! Prints what the engine says of one package, as the compiler does with `-m -l`.
//!
//! ```sh
//! cargo run --release -p tophash-escape-engine --example verdicts -- --go 1.27 --goroot /usr/lib/go x.go
//! ```
//!
//! `--flows` prints flows as well, `--mutations` what is written through parameters, `--unresolved` what
//! could not be told.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tophash_escape_engine::{Analysis, GoVersion, Options, Table, analyze};
use tophash_typecheck::{
    BuildContext, Folders, Importer, NoImports, Source, Universe, check, on_deep_stack, parse_texts,
};

#[derive(Default)]
struct Arguments {
    go: Option<String>,
    goroot: Option<PathBuf>,
    path: Option<String>,
    flows: bool,
    mutations: bool,
    unresolved: bool,
    files: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::default();
    let mut rest = std::env::args().skip(1);
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--go" => arguments.go = rest.next(),
            "--goroot" => arguments.goroot = rest.next().map(PathBuf::from),
            "--path" => arguments.path = rest.next(),
            "--flows" => arguments.flows = true,
            "--mutations" => arguments.mutations = true,
            "--unresolved" => arguments.unresolved = true,
            _ => arguments.files.push(argument),
        }
    }
    let version = match &arguments.go {
        Some(text) => GoVersion::parse(text).ok_or("no such release: 1.22 to 1.27 are known")?,
        None => GoVersion::NEWEST,
    };
    let mut texts = Vec::new();
    for path in &arguments.files {
        let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path);
        texts.push((name.to_owned(), std::fs::read_to_string(path)?));
    }
    let (goroot, mutations) = (arguments.goroot.clone(), arguments.mutations);
    let path = arguments.path.clone().unwrap_or_else(|| "p".to_owned());
    let names: Vec<String> = texts.iter().map(|(name, _)| name.clone()).collect();
    let analysis = on_deep_stack(move || analysis(version, &path, goroot, mutations, &texts));
    for verdict in &analysis.verdicts {
        let file = names.get(verdict.file).map_or("?", String::as_str);
        let place = format!("{file}:{}:{}", verdict.line, verdict.column);
        for line in verdict.flow.iter().filter(|_| arguments.flows) {
            println!("{place}: {line}");
        }
        println!("{place}: {}", verdict.text);
    }
    for unresolved in analysis.unresolved.iter().filter(|_| arguments.unresolved) {
        let file = names.get(unresolved.file).map_or("?", String::as_str);
        eprintln!("{file}:{}:{}: {}", unresolved.line, unresolved.column, unresolved.what);
    }
    Ok(())
}

fn analysis(
    version: GoVersion,
    path: &str,
    goroot: Option<PathBuf>,
    mutations_and_calls: bool,
    texts: &[(String, String)],
) -> Analysis {
    let context = BuildContext::linux_amd64(version.minor().into());
    let importer: Box<dyn Importer> = match &goroot {
        Some(goroot) => Box::new(Folders::new(context.clone()).goroot(goroot)),
        None => Box::new(NoImports),
    };
    let universe = Universe::new(importer);
    let parsed = parse_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let checked = check(&universe, Source::new(path, parsed.files));
    let bodies: Box<dyn Importer> = match &goroot {
        Some(goroot) => Box::new(Folders::new(context).goroot(goroot)),
        None => Box::new(NoImports),
    };
    let table = Table::of(version).unwrap_or_default();
    let options = Options { version, imports: &table, mutations_and_calls, bodies: &*bodies };
    analyze(&universe, &checked, options)
}
