//! Records that the runtime hangs on objects: finalizers, cleanups, weak handles, profile samples
//! (`runtime/mheap.go`, `type special`).

use tophash_memory::{Address, ByteSize, Memory};

use super::{Span, SpanId};
use crate::error::Error;
use crate::layout::{Field, LayoutTable};

/// A list longer than this in one span is taken for damaged.
const MAX_PER_SPAN: usize = 1 << 20;

/// What a special is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialKind {
    /// `runtime.SetFinalizer`: the function runs once the object is unreachable.
    Finalizer,
    /// `runtime.AddCleanup` (from Go 1.24).
    Cleanup,
    /// A call of a finalizer that is due: it keeps its argument alive.
    Queued,
    /// A sample of the memory profile.
    Profile,
    /// Any other.
    Other,
}

/// A special record.
#[derive(Debug, Clone, Copy)]
pub struct Special {
    /// Where the record is; null in a heap dump, which does not say.
    pub address: Address,
    /// An address in the object that it belongs to.
    pub object: Address,
    /// What it is for.
    pub kind: SpecialKind,
    /// The function value it holds (finalizers and cleanups), or the profile's bucket.
    pub pointer: Address,
    /// What a cleanup's function will be called with (from Go 1.26), or a queued finalizer's; else
    /// null.
    pub argument: Address,
}

/// Where specials come from.
pub(super) enum Specials {
    /// Lists that hang on the spans.
    InMemory(SpecialFields),
    /// One list, by span.
    Listed(Vec<(SpanId, Special)>),
}

pub(super) struct SpecialFields {
    next: Field,
    offset: Field,
    kind: Field,
    finalizer_fn: Field,
    cleanup_fn: Option<Field>,
    cleanup_argument: Option<Field>,
    profile_bucket: Option<Field>,
    kinds: [(Option<i64>, SpecialKind); 3],
}

impl SpecialFields {
    pub(super) fn new(layout: &LayoutTable) -> Result<Self, Error> {
        let field = |name| layout.field("runtime.special", name);
        let kind = |name: &str| layout.constant(&[&format!("runtime._KindSpecial{name}")]);
        let in_cleanup = |name| {
            let cleanup = layout.find("runtime.specialCleanup", "cleanup")?;
            Some(cleanup.then(layout.find("runtime.cleanupFn", name)?))
        };
        Ok(Self {
            next: field("next")?,
            offset: field("offset")?,
            kind: field("kind")?,
            finalizer_fn: layout.field("runtime.specialfinalizer", "fn")?,
            cleanup_fn: layout.find("runtime.specialCleanup", "fn").or_else(|| in_cleanup("fn")),
            cleanup_argument: in_cleanup("arg"),
            profile_bucket: layout.find("runtime.specialprofile", "b"),
            kinds: [
                (kind("Finalizer").or(Some(1)), SpecialKind::Finalizer),
                (kind("Cleanup"), SpecialKind::Cleanup),
                (kind("Profile"), SpecialKind::Profile),
            ],
        })
    }

    pub(super) fn read(&self, memory: &dyn Memory, span: &Span) -> Vec<Special> {
        let mut found = Vec::new();
        let mut at = span.first_special();
        while !at.is_null() && found.len() < MAX_PER_SPAN {
            let Ok(number) = self.kind.read(memory, at) else { break };
            let Ok(offset) = self.offset.read(memory, at) else { break };
            let kind = self
                .kinds
                .iter()
                .find(|(kind, _)| *kind == i64::try_from(number).ok())
                .map_or(SpecialKind::Other, |(_, kind)| *kind);
            let argument = match kind {
                SpecialKind::Cleanup => self.cleanup_argument,
                _ => None,
            };
            let pointer = match kind {
                SpecialKind::Finalizer => Some(self.finalizer_fn),
                SpecialKind::Cleanup => self.cleanup_fn,
                SpecialKind::Profile => self.profile_bucket,
                SpecialKind::Queued | SpecialKind::Other => None,
            };
            let read = |field: Option<Field>| {
                field.and_then(|field| field.read_address(memory, at).ok()).unwrap_or_default()
            };
            found.push(Special {
                address: at,
                object: span.range().start() + ByteSize::new(offset),
                kind,
                pointer: read(pointer),
                argument: read(argument),
            });
            at = self.next.read_address(memory, at).unwrap_or_default();
        }
        found
    }
}
