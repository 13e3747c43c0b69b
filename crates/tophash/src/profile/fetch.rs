//! Profiles from files and from running programs, read as they come: an answer is never in memory
//! whole, and one that is too long, or grows when it is unpacked, is given up.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tophash_profile::{Limits, Profile};
use ureq::http::Uri;

use super::options::FetchOptions;
use crate::http::{self, Client, without_secrets};

/// No delta of a profile takes longer.
const LONGEST_DELTA: u64 = 24 * 3600;

/// Reads a profile from a file or a URL. Returns with it what is to be known about the answer.
pub(super) fn load(source: &str, options: &FetchOptions) -> Result<(Profile, Vec<String>)> {
    let limits = Limits { expanded_bytes: options.max_size, memory_bytes: options.max_size };
    if http::is_url(source) {
        return from_url(source, options, limits);
    }
    let file = File::open(source).with_context(|| format!("{source} can't be read"))?;
    let profile = Profile::read(&mut BufReader::with_capacity(1 << 18, file), limits)
        .with_context(|| format!("{source} can't be used"))?;
    Ok((profile, Vec::new()))
}

fn from_url(url: &str, options: &FetchOptions, limits: Limits) -> Result<(Profile, Vec<String>)> {
    let shown = without_secrets(url);
    let uri = http::parse(url)?;
    let (url, mut notes) = match uri.path() {
        "" | "/" if uri.query().is_none() => {
            let whole = format!("{}/debug/pprof/heap", url.trim_end_matches('/'));
            (whole, vec!["no path was given: asked for /debug/pprof/heap".to_owned()])
        }
        _ => (url.to_owned(), Vec::new()),
    };
    let question = Question::of(&http::parse(&url)?);
    notes.extend(question.notes());
    let client = Client::new(&url, &options.request, Duration::from_secs(question.seconds))?;
    let answer = client.open(&url)?.with_context(|| {
        format!("{shown} has no such profile: is net/http/pprof imported there?")
    })?;
    // What is packed is not longer than what it expands to, but for a few bytes.
    let body = answer.take(limits.expanded_bytes.saturating_add(4096));
    let profile = Profile::read(&mut BufReader::with_capacity(1 << 16, body), limits)
        .with_context(|| format!("the answer of {shown} can't be used"))?;
    Ok((profile, notes))
}

/// What a URL of /debug/pprof asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Question {
    name: String,
    collects: bool,
    seconds: u64,
}

impl Question {
    fn of(uri: &Uri) -> Self {
        let mut question = Self {
            name: uri.path().rsplit('/').next().unwrap_or_default().to_owned(),
            ..Self::default()
        };
        for (key, value) in
            uri.query().unwrap_or_default().split('&').filter_map(|part| part.split_once('='))
        {
            match key {
                "gc" => question.collects = value.parse::<u64>().is_ok_and(|n| n > 0),
                "seconds" => {
                    question.seconds = value.parse::<u64>().unwrap_or(0).min(LONGEST_DELTA);
                }
                _ => {}
            }
        }
        if question.name == "profile" && question.seconds == 0 {
            // What the program does unless told otherwise.
            question.seconds = 30;
        }
        question
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let seconds = self.seconds;
        match self.name.as_str() {
            "heap" | "allocs" if seconds > 0 => notes.push(format!(
                "?seconds={seconds}: the program takes two profiles {seconds} s apart and sends the \
                 difference. alloc_… is what was allocated meanwhile; inuse_… is growth, and negative \
                 where more was freed."
            )),
            "profile" | "trace" => {}
            _ if seconds > 0 => notes.push(format!(
                "?seconds={seconds}: the difference of two profiles {seconds} s apart."
            )),
            "heap" if !self.collects => notes.push(
                "as of the collection before: what has died since still counts, what was allocated \
                 since does not yet. ?gc=1 collects first."
                    .to_owned(),
            ),
            "heap" => notes.push(
                "?gc=1: the program collected before it answered, so that only what is live counts."
                    .to_owned(),
            ),
            _ => {}
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(url: &str) -> Question {
        Question::of(&url.parse().unwrap())
    }

    #[test]
    fn what_a_url_asks_for_is_understood() {
        let heap = question("http://h/debug/pprof/heap?gc=1&seconds=5");
        assert_eq!(heap, Question { name: "heap".to_owned(), collects: true, seconds: 5 });
        assert!(heap.notes()[0].contains("5 s apart"));
        assert_eq!(question("http://h/debug/pprof/profile").seconds, 30);
        assert!(question("http://h/debug/pprof/heap").notes()[0].contains("?gc=1"));
        assert_eq!(question("http://h/x?seconds=99999999999").seconds, LONGEST_DELTA);
    }
}
