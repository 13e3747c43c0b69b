//! Telling how far a build has come.

/// A part of the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Finding and numbering what is reachable. The total is that of all nodes, so that this may
    /// end early.
    Number,
    /// Finding what points to each node, and the shortest paths.
    Referrers,
    /// Computing dominators.
    Dominators,
    /// Adding up what is retained.
    Sizes,
}

/// Tells the caller of every so many steps, since a call for each would cost more than the step.
pub(crate) struct Ticker<'a> {
    report: &'a mut dyn FnMut(Stage, u64, u64),
    stage: Stage,
    total: u64,
}

impl<'a> Ticker<'a> {
    const EVERY: u64 = 1 << 16;

    pub(crate) fn new(
        report: &'a mut dyn FnMut(Stage, u64, u64),
        stage: Stage,
        total: usize,
    ) -> Self {
        let total = total as u64;
        report(stage, 0, total);
        Self { report, stage, total }
    }

    /// Says that `done` steps are done.
    #[inline]
    pub(crate) fn tick(&mut self, done: usize) {
        let done = done as u64;
        if done.is_multiple_of(Self::EVERY) {
            (self.report)(self.stage, done, self.total);
        }
    }

    /// Says that the stage is over.
    pub(crate) fn finish(self) {
        (self.report)(self.stage, self.total, self.total);
    }
}
