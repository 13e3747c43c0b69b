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

/// What a call says of the samples that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// They don't count, whatever else is in them.
    Ignored,
    /// They count.
    Focused,
    /// They count if another call of theirs says so.
    Neither,
}

/// An expression that was asked for, if it was, and whether it matched anything.
struct Rule<'r> {
    matcher: Option<Matcher<'r>>,
    matched: bool,
}

/// The four expressions that are tried on calls.
struct NameRules<'r> {
    focus: Rule<'r>,
    ignore: Rule<'r>,
    hide: Rule<'r>,
    show: Rule<'r>,
}

impl<'r> NameRules<'r> {
    fn new(filter: &'r Filter, profile: &Profile) -> Self {
        let rule = |expression: &'r Option<Regex>| Rule {
            matcher: expression.as_ref().map(|expression| Matcher::new(expression, profile)),
            matched: false,
        };
        Self {
            focus: rule(&filter.focus),
            ignore: rule(&filter.ignore),
            hide: rule(&filter.hide),
            show: rule(&filter.show),
        }
    }

    fn verdict(&mut self, profile: &Profile, location: &LocationEntry) -> Verdict {
        let Self { focus, ignore, .. } = self;
        if let Some(matcher) = &mut ignore.matcher
            && matcher.location(profile, location)
        {
            ignore.matched = true;
            return Verdict::Ignored;
        }
        let is_focused =
            focus.matcher.as_mut().is_none_or(|matcher| matcher.location(profile, location));
        focus.matched |= is_focused;
        if is_focused { Verdict::Focused } else { Verdict::Neither }
    }

    /// Returns the lines of a location that are shown; nothing if it goes from stacks.
    fn lines_left(
        &mut self,
        profile: &Profile,
        location: &LocationEntry,
    ) -> Option<Vec<LineEntry>> {
        let mut lines = profile.lines_of(location).to_vec();
        let mut is_hidden = false;
        let Self { hide, show, .. } = self;
        if let Some(matcher) = &mut hide.matcher
            && matcher.location(profile, location)
        {
            hide.matched = true;
            match matcher.mapping(profile, location) {
                true => lines.clear(),
                false => lines.retain(|line| !matcher.line(profile, line)),
            }
            is_hidden |= lines.is_empty();
        }
        if let Some(matcher) = &mut show.matcher {
            if !matcher.mapping(profile, location) {
                lines.retain(|line| matcher.line(profile, line));
            }
            is_hidden |= lines.is_empty();
            show.matched |= !lines.is_empty();
        }
        (!is_hidden).then_some(lines)
    }

    /// Returns the options that were given and matched nothing.
    fn idle(&self) -> impl Iterator<Item = &'static str> {
        let Self { focus, ignore, hide, show } = self;
        [("focus", focus), ("ignore", ignore), ("hide", hide), ("show", show)]
            .into_iter()
            .filter(|(_, rule)| rule.matcher.is_some() && !rule.matched)
            .map(|(option, _)| option)
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
        let mut rules = NameRules::new(self, profile);
        let mut judgements = Vec::with_capacity(profile.locations.len());
        let mut lines = Vec::with_capacity(profile.lines.len());
        let mut ends = Vec::with_capacity(profile.locations.len());
        for location in &profile.locations {
            let verdict = rules.verdict(profile, location);
            let left = rules.lines_left(profile, location);
            judgements.push((verdict, left.is_none()));
            lines.extend(left.unwrap_or_default());
            ends.push(lines.len() as u32);
        }
        idle.extend(rules.idle());
        profile.lines = lines;
        let mut start = 0;
        for (location, end) in profile.locations.iter_mut().zip(ends) {
            location.lines = start..end;
            start = end;
        }
        let hides_any = judgements.iter().any(|(_, is_hidden)| *is_hidden);
        profile.retain_samples(|stack, _, _| {
            let mut is_focused = false;
            for &call in stack.iter() {
                match judgements[call as usize].0 {
                    Verdict::Ignored => return false,
                    Verdict::Focused => is_focused = true,
                    Verdict::Neither => {}
                }
            }
            if is_focused && hides_any {
                stack.retain(|&call| !judgements[call as usize].1);
                return !stack.is_empty();
            }
            is_focused
        });
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
