//! The files of a folder that a build takes, read and parsed.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use crate::bodies;
use crate::build_context::BuildContext;
use crate::parse::{self, MAX_BYTES, PassedOver, Reason, SourceFile};

/// Names and texts of files.
pub type Texts = Vec<(String, String)>;

/// More files than this in one folder are not read.
const MAX_FILES: usize = 10_000;

/// Reads what a build takes of a folder, in the order of names. What can't be read is left out.
pub(crate) fn texts(folder: &Path, context: &BuildContext) -> Texts {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.flatten().take(MAX_FILES).map(|entry| entry.path()).collect();
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            continue;
        };
        let is_small =
            fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_BYTES);
        if !name.ends_with(".go") || name.ends_with("_test.go") || !is_small {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if context.takes(&name, &text) {
            texts.push((path.to_string_lossy().into_owned(), text));
        }
    }
    texts
}

/// Files of one package, and those that were passed over.
#[derive(Default)]
pub struct Parsed {
    /// What could be parsed.
    pub files: Vec<Rc<SourceFile>>,
    /// What could not.
    pub passed_over: Vec<PassedOver>,
}

/// Parses texts as they are.
pub fn parse_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Parsed {
    let mut parsed = Parsed::default();
    for (name, text) in texts {
        match parse::parse(name, text) {
            Ok(file) => parsed.files.push(Rc::new(file)),
            Err(fault) => parsed.passed_over.push(fault),
        }
    }
    parsed
}

/// Parses the files of a folder that a build takes.
pub fn parse_folder(folder: &Path, context: &BuildContext) -> Parsed {
    let texts = texts(folder, context);
    if texts.is_empty() {
        let reason = Reason::Unreadable("no Go files for this build".to_owned());
        let path = folder.display().to_string();
        let passed_over = PassedOver { path, line: None, reason, parts: Vec::new() };
        return Parsed { files: Vec::new(), passed_over: vec![passed_over] };
    }
    parse_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

/// Parses texts without the bodies of their functions.
pub(crate) fn parse_declarations(texts: &Texts) -> Vec<Rc<SourceFile>> {
    let mut files = Vec::new();
    for (name, text) in texts {
        let text = bodies::without(text);
        if let Ok(file) = parse::parse(name, &text) {
            files.push(Rc::new(file));
        }
    }
    files
}
