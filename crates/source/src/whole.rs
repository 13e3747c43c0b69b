//! One Go file, parsed, or what is whole of it.

use tophash_typecheck::{PassedOver, Reason, SourceFile, parse};

use crate::broken;

/// What can be read of a text.
pub(crate) struct Read {
    /// The file, or what is whole of it.
    pub(crate) file: Option<SourceFile>,
    /// What is not, and why.
    pub(crate) passed_over: Option<PassedOver>,
    /// The text of that.
    pub(crate) unread: String,
}

/// Parses a text, and where it can't be, what is whole of it.
pub(crate) fn parse_as_far_as_whole(path: &str, text: &str) -> Read {
    let mut fault = match parse(path, text) {
        Ok(file) => return Read { file: Some(file), passed_over: None, unread: String::new() },
        Err(fault) => fault,
    };
    let is_of_syntax = matches!(fault.reason, Reason::Syntax(_) | Reason::ParserFault);
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let remains = is_of_syntax
        .then(|| broken::whole_parts(text, &|part| parse(path, part).is_ok()))
        .flatten();
    if let Some(remains) = remains
        && let Ok(file) = parse(path, &remains.text)
    {
        let line = |at: usize| {
            let before = text.as_bytes().get(..at).unwrap_or_default();
            u32::try_from(memchr::memchr_iter(b'\n', before).count() + 1).unwrap_or(u32::MAX)
        };
        let mut unread = String::new();
        for part in remains.left_out {
            let gone = text.get(part.clone()).unwrap_or_default();
            let lead = gone.len() - gone.trim_start().len();
            let end = part.start + gone.trim_end().len();
            fault.parts.push((line(part.start + lead), line(end)));
            unread.push_str(gone);
            unread.push('\n');
        }
        return Read { file: Some(file), passed_over: Some(fault), unread };
    }
    Read { file: None, passed_over: Some(fault), unread: text.to_owned() }
}
