//! What metrics ask of a map, wherever its entries lie.

use std::sync::{Arc, Weak};

use crate::audit::Operations;
use crate::breaker::{BreakerState, Circuit};
use crate::latency::Latency;
use crate::map::{Inner, SafeMap};
use crate::queue::QueueCounts;
use crate::supervisor::Supervisor;

/// A map of which metrics are told, while it lives.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    Memory(Weak<Inner>),
    Far(Weak<Supervisor>),
}

impl Told {
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Memory(map) => map.strong_count() == 0,
            Self::Far(map) => map.upgrade().is_none_or(|supervisor| supervisor.is_closed()),
        }
    }

    pub(crate) fn figures(&self) -> Option<Figures> {
        match self {
            Self::Memory(map) => map.upgrade().map(|inner| Figures::Memory(SafeMap { inner })),
            Self::Far(map) => {
                map.upgrade().filter(|supervisor| !supervisor.is_closed()).map(Figures::Far)
            }
        }
    }
}

/// A map whose figures are asked for.
#[derive(Debug)]
pub(crate) enum Figures {
    Memory(SafeMap),
    Far(Arc<Supervisor>),
}

/// The same of either.
macro_rules! either {
    ($this:expr, $map:ident => $figure:expr) => {
        match $this {
            Figures::Memory($map) => $figure,
            Figures::Far($map) => $figure,
        }
    };
}

impl Figures {
    pub(crate) fn name(&self) -> &str {
        either!(self, map => map.name())
    }

    pub(crate) fn entries(&self) -> u64 {
        match self {
            Self::Memory(map) => map.len() as u64,
            Self::Far(map) => map.size().0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Memory(map) => {
                let bytes = map.bytes() as u64;
                map.inner.audit.note_bytes(bytes);
                bytes
            }
            Self::Far(map) => map.size().1,
        }
    }

    pub(crate) fn write_failure_rate(&self) -> f64 {
        either!(self, map => map.write_failure_rate())
    }

    pub(crate) fn breaker_state(&self) -> BreakerState {
        either!(self, map => map.breaker_state())
    }

    /// Why the breaker is not closed.
    pub(crate) fn cause(&self) -> Option<String> {
        match self {
            Self::Memory(map) => map.inner.circuit.as_ref().and_then(Circuit::cause),
            Self::Far(map) => map.cause(),
        }
    }

    pub(crate) fn times_opened(&self) -> u64 {
        match self {
            Self::Memory(map) => map.inner.circuit.as_ref().map_or(0, Circuit::times_opened),
            Self::Far(map) => map.times_opened(),
        }
    }

    pub(crate) fn growing_patterns(&self) -> usize {
        either!(self, map => map.growths().len())
    }

    pub(crate) fn queues(&self) -> QueueCounts {
        match self {
            Self::Memory(map) => map.inner.store.hub().counts(),
            Self::Far(map) => map.feed().hub().counts(),
        }
    }

    pub(crate) fn operations(&self) -> Operations {
        either!(self, map => map.operations())
    }

    pub(crate) fn latency(&self) -> &Latency {
        match self {
            Self::Memory(map) => &map.inner.latency,
            Self::Far(map) => map.latency(),
        }
    }
}
