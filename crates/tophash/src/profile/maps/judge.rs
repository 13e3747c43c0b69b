//! Whether what a call allocated is part of a map, and how sure that is.
//!
//! The unit of judgement is the call instruction: it calls one function of the runtime, so that all
//! of its objects are parts of maps or none is. A line of source may hold several: `m[k] = &T{}`
//! allocates the value by one call and the map's arrays by another.

use serde::Serialize;
use tophash_gomap::{GoSource, StandardTypes, parse_map_type};

use super::frames::FrameVerdict;
use super::sizes::{Size, SizeCandidate, SizeRules, SizeVerdict};
use super::source_line::{LineFacts, MapUse, Operand};

/// How sure a judgement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Certainty {
    /// It could be a map as well as something else.
    Possible,
    /// What is known of it points to a map.
    Likely,
    /// Nothing else allocates so.
    Certain,
}

/// How a judgement came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KnownBy {
    /// The profile names a function of the runtime's maps, or of `sync.Map`.
    Frames,
    /// The machine code at the recorded address calls one.
    Code,
    /// The source line.
    Source,
    /// An inspection of the program found maps that were allocated there.
    Inspection,
    /// The objects' sizes, and nothing else.
    Sizes,
}

/// What was found out about the objects of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// How sure it is that they are parts of maps; `None` where they are not, or nothing says so.
    pub(crate) map: Option<Certainty>,
    pub(crate) known_by: KnownBy,
    /// The map's type, as far as it is known.
    pub(crate) map_type: Option<String>,
    /// The design and the bytes of a bucket or group, where sizes tell.
    pub(super) layout: Option<SizeCandidate>,
}

impl Judgement {
    pub(super) fn map(certainty: Certainty, known_by: KnownBy) -> Self {
        Self { map: Some(certainty), known_by, map_type: None, layout: None }
    }

    pub(super) fn other(known_by: KnownBy) -> Self {
        Self { map: None, known_by, map_type: None, layout: None }
    }

    fn of_type(mut self, ty: Option<&str>) -> Self {
        self.map_type = ty.map(str::to_owned);
        self
    }

    fn laid_out(mut self, layout: Option<SizeCandidate>) -> Self {
        self.layout = layout;
        self
    }
}

/// What is known of one call, beside its source line.
#[derive(Debug, Default)]
pub(super) struct CallFacts<'c> {
    pub(super) sizes: &'c [Size],
    pub(super) frames: Option<FrameVerdict>,
    /// What the code calls there, and with which map type.
    pub(super) code: Option<(FrameVerdict, Option<&'c str>)>,
}

/// Judges all calls of one line, in the order of their addresses. `inspected` are the types of maps
/// that an inspection found to be allocated on the line.
pub(super) fn line(
    rules: &SizeRules,
    names: &GoSource,
    calls: &[CallFacts<'_>],
    source: Option<&LineFacts>,
    inspected: &[String],
) -> Vec<Judgement> {
    let mut judged: Vec<Option<Judgement>> =
        calls.iter().map(|call| by_itself(rules, names, call)).collect();
    if let Some(source) = source {
        by_source(rules, names, calls, source, inspected, &mut judged);
    }
    if !inspected.is_empty() {
        by_inspection(rules, names, calls, inspected, &mut judged);
    }
    let by_sizes = |(judged, call): (Option<Judgement>, &CallFacts<'_>)| {
        judged.unwrap_or_else(|| match rules.guess(call.sizes) {
            SizeVerdict::Likely(layout) => {
                Judgement::map(Certainty::Likely, KnownBy::Sizes).laid_out(Some(layout))
            }
            SizeVerdict::Possible(layout) => {
                Judgement::map(Certainty::Possible, KnownBy::Sizes).laid_out(Some(layout))
            }
            SizeVerdict::No => Judgement::other(KnownBy::Sizes),
        })
    };
    judged.into_iter().zip(calls).map(by_sizes).collect()
}

/// By names and code, which are certain either way.
fn by_itself(rules: &SizeRules, names: &GoSource, call: &CallFacts<'_>) -> Option<Judgement> {
    let (verdict, known_by, ty) = match (call.frames, call.code) {
        (Some(verdict), _) => (verdict, KnownBy::Frames, None),
        (None, Some((verdict, ty))) => (verdict, KnownBy::Code, ty),
        (None, None) => return None,
    };
    Some(match verdict {
        FrameVerdict::Map => Judgement::map(Certainty::Certain, known_by)
            .of_type(ty)
            .laid_out(layout(rules, names, ty, call.sizes)),
        FrameVerdict::SyncMap => {
            Judgement::map(Certainty::Certain, known_by).of_type(Some("sync.Map"))
        }
        FrameVerdict::Other => Judgement::other(known_by),
    })
}

fn layout(
    rules: &SizeRules,
    names: &GoSource,
    ty: Option<&str>,
    sizes: &[Size],
) -> Option<SizeCandidate> {
    let typed = ty.and_then(|ty| fit(rules, names, ty, true, sizes).1);
    typed.or_else(|| match rules.guess(sizes) {
        SizeVerdict::Likely(layout) => Some(layout),
        _ => None,
    })
}

/// Whether the layout of a type is known, and what explains the sizes if they are of such maps.
fn fit(
    rules: &SizeRules,
    names: &GoSource,
    ty: &str,
    makes: bool,
    sizes: &[Size],
) -> (bool, Option<SizeCandidate>) {
    let mut is_known = false;
    for release in rules.releases() {
        let Ok(parsed) = parse_map_type(ty, &(names, &StandardTypes::of(release.minor()))) else {
            continue;
        };
        is_known = true;
        if let Some(found) = rules.fit(release, &parsed, makes, sizes) {
            return (true, Some(found));
        }
    }
    (is_known, None)
}

fn by_source(
    rules: &SizeRules,
    names: &GoSource,
    calls: &[CallFacts<'_>],
    source: &LineFacts,
    inspected: &[String],
    judged: &mut [Option<Judgement>],
) {
    let maps: Vec<_> = source.uses.iter().filter(|one| one.operand != Operand::NotAMap).collect();
    if maps.is_empty() {
        // An inspection may know better: the file need not be the one that was built.
        if inspected.is_empty() {
            let open = judged.iter_mut().filter(|judged| judged.is_none());
            open.for_each(|judged| *judged = Some(Judgement::other(KnownBy::Source)));
        }
        return;
    }
    let types = maps.iter().filter_map(|one| match &one.operand {
        Operand::Map(ty) => Some((ty.as_deref()?, one.what != MapUse::Assigns)),
        _ => None,
    });
    let types: Vec<(&str, bool)> = types.collect();
    let mut all_known = types.len() == maps.len();
    for (call, judged) in calls.iter().zip(judged.iter_mut()).filter(|(_, judged)| judged.is_none())
    {
        for &(ty, makes) in &types {
            let (is_known, layout) = fit(rules, names, ty, makes, call.sizes);
            all_known &= is_known;
            if layout.is_some() {
                let certain = Judgement::map(Certainty::Certain, KnownBy::Source);
                *judged = Some(certain.of_type(Some(ty)).laid_out(layout));
                break;
            }
        }
    }
    let ty = types.first().map(|(ty, _)| *ty);
    let is_surely_map = maps.iter().any(|one| matches!(one.operand, Operand::Map(_)));
    let open = judged.iter().filter(|judged| judged.is_none()).count();
    let found = judged.iter().flatten().any(|judged| judged.map.is_some());
    let last = judged.iter().rposition(Option::is_none);
    for (index, (call, judged)) in calls.iter().zip(judged.iter_mut()).enumerate() {
        if judged.is_some() {
            continue;
        }
        let guess = rules.guess(call.sizes);
        let layout = match guess {
            SizeVerdict::Likely(layout) | SizeVerdict::Possible(layout) => Some(layout),
            SizeVerdict::No => None,
        };
        let map =
            |certainty| Judgement::map(certainty, KnownBy::Source).of_type(ty).laid_out(layout);
        *judged = Some(match (source.has_others, is_surely_map) {
            // The types are known, and these are not the sizes of their arrays.
            _ if all_known && (found || source.has_others) => Judgement::other(KnownBy::Source),
            (false, true) => map(Certainty::Certain),
            // Only a map's assignment allocates several sizes; one may be a value in an interface.
            (false, false) if call.sizes.len() > 1 => map(Certainty::Certain),
            (false, false) => map(Certainty::Possible),
            // What is assigned is evaluated, and so allocated, before the map grows.
            (true, true) if Some(index) == last && (layout.is_some() || open > 1) => {
                map(if layout.is_some() { Certainty::Certain } else { Certainty::Likely })
            }
            (true, false) if Some(index) == last && layout.is_some() => map(Certainty::Likely),
            (true, true) if open == 1 && !found => map(Certainty::Likely),
            (true, _) => Judgement::other(KnownBy::Source),
        });
    }
}

fn by_inspection(
    rules: &SizeRules,
    names: &GoSource,
    calls: &[CallFacts<'_>],
    types: &[String],
    judged: &mut [Option<Judgement>],
) {
    let open = judged.iter().filter(|judged| judged.is_none()).count();
    let only = match types {
        [one] => Some(one.as_str()),
        _ => None,
    };
    for (call, judged) in calls.iter().zip(judged.iter_mut()) {
        let fits = types.iter().map(|ty| (ty, fit(rules, names, ty, false, call.sizes)));
        let fits: Vec<_> = fits.collect();
        let fitting = fits.iter().find(|(_, (_, layout))| layout.is_some());
        let all_known = fits.iter().all(|(_, (is_known, _))| *is_known);
        if let Some(judged) = judged {
            // What is known to be a map may get a better name: types in source may be parameters.
            let named = fitting.map(|(ty, _)| ty.as_str()).or(only);
            if judged.map.is_some() && judged.map_type.as_deref() != Some("sync.Map") {
                judged.map_type = named.map(str::to_owned).or(judged.map_type.take());
            }
            continue;
        }
        let map = |certainty, ty: Option<&str>, layout| {
            Some(Judgement::map(certainty, KnownBy::Inspection).of_type(ty).laid_out(layout))
        };
        *judged = match (fitting, rules.guess(call.sizes)) {
            (Some((ty, (_, layout))), _) => map(Certainty::Certain, Some(ty), *layout),
            _ if all_known && open > 1 => Some(Judgement::other(KnownBy::Inspection)),
            (None, SizeVerdict::Likely(layout)) => map(Certainty::Certain, only, Some(layout)),
            (None, SizeVerdict::Possible(layout)) => map(Certainty::Likely, only, Some(layout)),
            (None, SizeVerdict::No) if open == 1 => map(Certainty::Likely, only, None),
            (None, SizeVerdict::No) => None,
        };
    }
}
