//! Every package of a Go release's own source is checked: none fails, and little stays unknown.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tophash_typecheck::{
    BuildContext, Checked, Folders, Mode, Source, Universe, check, on_deep_stack, parse_folder,
};
use xtask::toolchain::{self, MATRIX};

use crate::nodes;

/// Expressions, and those of which nothing is known.
fn count(checked: &Checked, show: bool) -> (usize, usize) {
    let (mut all, mut unknown) = (0, 0);
    for file in &checked.files {
        nodes::visit(&file.ast, &mut |at, kind, node| {
            let nodes::Node::Expression(node) = node else { return };
            let Some(info) = checked.expr(node) else { return };
            all += 1;
            let has_no_type = matches!(info.mode, Mode::Builtin(_));
            if info.typ.is_unknown() && !has_no_type {
                unknown += 1;
                if show {
                    let (line, column) = file.line_byte_column(at);
                    eprintln!("{}:{line}:{column} {kind}", file.path);
                }
            }
        });
    }
    (all, unknown)
}

fn folders(root: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(root) else { return };
    let mut has_source = false;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "testdata" && !name.starts_with(['.', '_']) {
            folders(&path, found);
        }
        has_source |= name.ends_with(".go") && !name.ends_with("_test.go");
    }
    if has_source {
        found.push(root.to_path_buf());
    }
}

#[test]
fn all_of_a_release_is_checked_and_little_stays_unknown() {
    let wide = toolchain::is_wide();
    let releases: Vec<_> = match (MATRIX.first(), MATRIX.last()) {
        _ if wide => MATRIX.iter().collect(),
        (_, Some(last)) => vec![last],
        _ => Vec::new(),
    };
    for release in releases {
        let toolchain = toolchain::ensure(release.version).expect("a toolchain");
        let src = toolchain.goroot().join("src");
        let minor = release.version.split('.').nth(1).and_then(|minor| minor.parse().ok());
        let context = BuildContext::linux_amd64(minor.unwrap_or(27));
        let mut found = Vec::new();
        folders(&if wide { src.clone() } else { src.join("net") }, &mut found);
        let show = std::env::var_os("TYPECHECK_SHOW").is_some();
        let (mut packages, mut all, mut unknown) = (0, 0, 0);
        let start = Instant::now();
        for folder in found {
            let (mine, none) = on_deep_stack(|| {
                let parsed = parse_folder(&folder, &context);
                if show {
                    for fault in &parsed.passed_over {
                        eprintln!("{}: {}", fault.path, fault.reason);
                    }
                }
                let path = folder.strip_prefix(&src).unwrap_or(&folder);
                let importer = Folders::new(context.clone()).goroot(toolchain.goroot());
                let universe = Universe::new(Box::new(importer));
                let start = Instant::now();
                let checked = check(&universe, Source::new(&path.to_string_lossy(), parsed.files));
                if show && start.elapsed().as_millis() > 500 {
                    eprintln!("{}: {:?}", path.display(), start.elapsed());
                }
                count(&checked, show)
            });
            packages += 1;
            all += mine;
            unknown += none;
        }
        eprintln!(
            "Go {}: {packages} packages, {all} expressions, {unknown} unknown, {:?}",
            release.version,
            start.elapsed()
        );
        assert!(unknown * 200 <= all, "{unknown} of {all}");
    }
}
