//! Which samples count, and which of their calls are shown: pprof's filters, in its order.
//!
//! Expressions are tried on a function's name and file and on the program's file, once per string.
//! Sources: `profile/filter.go` and `internal/driver/driver_focus.go` of github.com/google/pprof.

use regex::Regex;

use crate::profile::{LineEntry, LocationEntry, NONE, Profile};
use crate::tag_filter::TagFilter;
use crate::{ProfileError, graph};

/// What is to be left.
#[derive(Debug, Default)]
pub struct Filter {
    /// Only samples with a call that matches.
    pub focus: Option<Regex>,
    /// No samples with a call that matches.
    pub ignore: Option<Regex>,
    /// Calls that match are left out of stacks.
    pub hide: Option<Regex>,
    /// Only calls that match are left in stacks.
    pub show: Option<Regex>,
    /// Stacks start at the outermost call that matches.
    pub show_from: Option<Regex>,
    /// Only samples with such labels.
    pub tag_focus: Option<TagFilter>,
    /// No samples with such labels.
    pub tag_ignore: Option<TagFilter>,
}

/// An expression, and what is known of the strings it was tried on.
struct Matcher<'r> {
    expression: &'r Regex,
    /// By string: 0 for not tried.
    known: Vec<u8>,
}

impl<'r> Matcher<'r> {
    fn new(expression: &'r Regex, profile: &Profile) -> Self {
        Self { expression, known: vec![0; profile.strings.len()] }
    }

    fn is_match(&mut self, profile: &Profile, string: u32) -> bool {
        let Some(known) = self.known.get_mut(string as usize) else { return false };
        if *known == 0 {
            *known = 1 + u8::from(self.expression.is_match(profile.strings.get(string)));
        }
        *known == 2
    }

    fn line(&mut self, profile: &Profile, line: &LineEntry) -> bool {
        let function = profile.functions[line.function as usize];
        self.is_match(profile, function.name) || self.is_match(profile, function.file)
    }

    fn mapping(&mut self, profile: &Profile, location: &LocationEntry) -> bool {
        let file = profile.mapping_file(location);
        file != NONE && self.is_match(profile, file)
    }

    fn location(&mut self, profile: &Profile, location: &LocationEntry) -> bool {
        let lines = profile.lines_of(location).iter();
        lines.into_iter().any(|line| self.line(profile, line)) || self.mapping(profile, location)
    }
}

impl Filter {
    /// Leaves of a profile what is asked for. Returns the options that nothing matched.
    pub fn apply(&self, profile: &mut Profile) -> Vec<&'static str> {
        let mut idle = Vec::new();
        let names = [&self.focus, &self.ignore, &self.hide, &self.show];
        if names.iter().any(|expression| expression.is_some()) {
            self.by_name(profile, &mut idle);
        }
        if let Some(expression) = &self.show_from
            && !show_from(expression, profile)
        {
            idle.push("show-from");
        }
        if self.tag_focus.is_some() || self.tag_ignore.is_some() {
            self.by_tag(profile, &mut idle);
        }
        idle
    }

    fn by_name(&self, profile: &mut Profile, idle: &mut Vec<&'static str>) {
        let matcher = |expression: &'_ Option<Regex>| expression.is_some();
        let [focus_on, ignore_on, hide_on, show_on] =
            [&self.focus, &self.ignore, &self.hide, &self.show].map(matcher);
        let new = |expression| Matcher::new(expression, profile);
        let mut focus = self.focus.as_ref().map(new);
        let mut ignore = self.ignore.as_ref().map(new);
        let mut hide = self.hide.as_ref().map(new);
        let mut show = self.show.as_ref().map(new);
        let mut matched = [false; 4];
        // By location: what it says of a sample, and whether it goes.
        let mut verdicts = Vec::with_capacity(profile.locations.len());
        let mut hidden = Vec::with_capacity(profile.locations.len());
        let mut all_lines = Vec::with_capacity(profile.lines.len());
        let mut ranges = Vec::with_capacity(profile.locations.len());
        for location in &profile.locations {
            let ask = |matcher: &mut Option<Matcher<'_>>| {
                matcher.as_mut().map(|matcher| matcher.location(profile, location))
            };
            let verdict = if ask(&mut ignore) == Some(true) {
                matched[1] = true;
                Some(false)
            } else if ask(&mut focus) != Some(false) {
                matched[0] = true;
                Some(true)
            } else {
                None
            };
            verdicts.push(verdict);
            let mut lines = profile.lines_of(location).to_vec();
            let mut is_hidden = false;
            if let Some(hide) = &mut hide
                && hide.location(profile, location)
            {
                matched[2] = true;
                match hide.mapping(profile, location) {
                    true => lines.clear(),
                    false => lines.retain(|line| !hide.line(profile, line)),
                }
                is_hidden |= lines.is_empty();
            }
            if let Some(show) = &mut show {
                if !show.mapping(profile, location) {
                    lines.retain(|line| show.line(profile, line));
                }
                is_hidden |= lines.is_empty();
                matched[3] |= !lines.is_empty();
            }
            hidden.push(is_hidden);
            let start = all_lines.len() as u32;
            all_lines.extend(lines);
            ranges.push(start..all_lines.len() as u32);
        }
        profile.lines = all_lines;
        for (location, lines) in profile.locations.iter_mut().zip(ranges) {
            location.lines = lines;
        }
        let hides_any = hidden.contains(&true);
        profile.retain_samples(|stack, _, _| {
            let mut is_focused = false;
            for &call in stack.iter() {
                match verdicts[call as usize] {
                    Some(false) => return false,
                    Some(true) => is_focused = true,
                    None => {}
                }
            }
            if is_focused && hides_any {
                stack.retain(|&call| !hidden[call as usize]);
                return !stack.is_empty();
            }
            is_focused
        });
        let asked = [focus_on, ignore_on, hide_on, show_on];
        let options = ["focus", "ignore", "hide", "show"];
        for ((option, asked), matched) in options.into_iter().zip(asked).zip(matched) {
            if asked && !matched {
                idle.push(option);
            }
        }
    }

    fn by_tag(&self, profile: &mut Profile, idle: &mut Vec<&'static str>) {
        let units = graph::label_units(profile);
        let strings = std::mem::take(&mut profile.strings);
        let (mut focused_any, mut ignored_any) = (false, false);
        profile.retain_samples(|_, labels, _| {
            let asks = |filter: &Option<TagFilter>| {
                filter.as_ref().map(|filter| filter.is_match(labels, &strings, &units))
            };
            let is_focused = asks(&self.tag_focus) != Some(false);
            let is_ignored = asks(&self.tag_ignore) == Some(true);
            focused_any |= is_focused;
            ignored_any |= is_ignored;
            is_focused && !is_ignored
        });
        profile.strings = strings;
        if self.tag_focus.is_some() && !focused_any {
            idle.push("tag-focus");
        }
        if self.tag_ignore.is_some() && !ignored_any {
            idle.push("tag-ignore");
        }
    }
}

fn show_from(expression: &Regex, profile: &mut Profile) -> bool {
    let mut matcher = Matcher::new(expression, profile);
    let mut starts = Vec::with_capacity(profile.locations.len());
    let mut ends = Vec::with_capacity(profile.locations.len());
    for location in &profile.locations {
        let lines = profile.lines_of(location);
        let end = location.lines.end;
        let (is_start, end) = if matcher.mapping(profile, location) {
            (true, end)
        } else {
            match lines.iter().rposition(|line| matcher.line(profile, line)) {
                Some(last) => (true, location.lines.start + last as u32 + 1),
                None => (false, end),
            }
        };
        starts.push(is_start);
        ends.push(end);
    }
    for (location, end) in profile.locations.iter_mut().zip(ends) {
        location.lines.end = end;
    }
    profile.retain_samples(|stack, _, _| {
        let outermost = stack.iter().rposition(|&call| starts[call as usize]);
        stack.truncate(outermost.map_or(0, |at| at + 1));
        outermost.is_some()
    });
    starts.contains(&true)
}

impl Profile {
    /// Takes out what the profile itself calls uninteresting: calls below those that its
    /// `drop_frames` match and its `keep_frames` don't.
    ///
    /// # Errors
    ///
    /// Fails where these are no expressions.
    pub fn drop_uninteresting(&mut self) -> Result<(), ProfileError> {
        let compile = |option, text: &str| {
            let whole = format!("^({text})$");
            Regex::new(&whole)
                .map_err(|source| ProfileError::Expression { option, source: Box::new(source) })
        };
        if self.header.drop_frames.is_empty() {
            return Ok(());
        }
        let drop = compile("drop_frames of the profile", &self.header.drop_frames)?;
        let keep = match self.header.keep_frames.as_str() {
            "" => None,
            text => Some(compile("keep_frames of the profile", text)?),
        };
        let mut known = vec![0_u8; self.strings.len()];
        // By location: whether it goes, and whether what is below it does.
        let mut goes = vec![false; self.locations.len()];
        let mut cuts = vec![false; self.locations.len()];
        for index in 0..self.locations.len() {
            let range = self.locations[index].lines.clone();
            let found = self.lines_of(&self.locations[index]).iter().rposition(|line| {
                let name = self.functions[line.function as usize].name;
                let text = self.strings.get(name);
                let Some(known) = known.get_mut(name as usize) else { return false };
                if *known == 0 {
                    let bare = simplified(text);
                    let keeps = keep.as_ref().is_some_and(|keep| keep.is_match(bare));
                    *known = 1 + u8::from(!text.is_empty() && drop.is_match(bare) && !keeps);
                }
                *known == 2
            });
            if let Some(at) = found {
                cuts[index] = true;
                goes[index] = at + 1 == range.len();
                if !goes[index] {
                    self.locations[index].lines.start = range.start + at as u32 + 1;
                }
            }
        }
        self.retain_samples(|stack, _, _| {
            let mut found_user = false;
            for at in (0..stack.len()).rev() {
                let call = stack[at] as usize;
                if !cuts[call] {
                    found_user = true;
                } else if found_user {
                    stack.drain(..if goes[call] { at + 1 } else { at });
                    break;
                }
            }
            true
        });
        Ok(())
    }
}

/// A function's name without its arguments.
fn simplified(name: &str) -> &str {
    const RESERVED: [&str; 2] = ["(anonymous namespace)", "operator()"];
    let name = name.strip_prefix('.').unwrap_or(name);
    let mut at = 0;
    while let Some(found) = name[at..].find('(') {
        let found = at + found;
        if name[found..].starts_with(RESERVED[0]) {
            at = found + RESERVED[0].len();
        } else if name[..found].ends_with("operator") && name[found..].starts_with("()") {
            at = found + 2;
        } else {
            return &name[..found];
        }
    }
    name
}
