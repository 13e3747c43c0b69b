//! The files of a folder that a build takes, read and parsed.

use std::fs;
use std::path::Path;
use std::rc::Rc;

use crate::bodies;
use crate::build_context::BuildContext;
use crate::parse::{self, PassedOver, Reason, SourceFile};

/// Names and texts of files.
pub type Texts = Vec<(String, String)>;

/// More files than this in one folder are not read.
const MAX_FILES: usize = 10_000;

/// Reads what a build takes of a folder, in the order of names. What can't be read is left out.
pub(crate) fn texts(folder: &Path, context: &BuildContext) -> Texts {
    taken(folder, context).0
}

/// What a build takes of a folder, and what can't be read, of which it is not known.
fn taken(folder: &Path, context: &BuildContext) -> (Texts, Vec<PassedOver>) {
    let (mut texts, mut passed_over) = (Vec::new(), Vec::new());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) => {
            let reason = Reason::Unreadable(fault.to_string());
            let path = folder.display().to_string();
            passed_over.push(PassedOver { path, line: None, reason, parts: Vec::new() });
            return (texts, passed_over);
        }
    };
    let mut paths: Vec<_> = entries.flatten().take(MAX_FILES).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else {
            continue;
        };
        if !name.ends_with(".go") || name.ends_with("_test.go") || !path.is_file() {
            continue;
        }
        match parse::read(&path) {
            Ok(text) if context.takes(&name, &text) => {
                texts.push((path.to_string_lossy().into_owned(), text));
            }
            Ok(_) => {}
            Err(fault) => passed_over.push(fault),
        }
    }
    (texts, passed_over)
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
    let (texts, mut passed_over) = taken(folder, context);
    let mut parsed = parse_texts(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    parsed.passed_over.append(&mut passed_over);
    parsed
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
