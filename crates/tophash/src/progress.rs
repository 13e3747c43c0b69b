//! What a person sees while something takes longer than a moment: a spinner on stderr, if that is
//! a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::style::bytes;

/// A line of progress that goes away when dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        // indicatif draws nothing where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar }
    }

    /// Says what is being done now.
    pub(crate) fn step(&self, what: impl Into<String>) {
        self.bar.set_message(what.into());
    }

    /// Says that a process is being copied; what is returned hears how far it is.
    pub(crate) fn copying(&self, pid: u32) -> impl Fn(u64, u64) + '_ {
        self.step(format!("copying the memory of process {pid}"));
        move |done, total| {
            let (done, total) = (bytes(done), bytes(total));
            self.step(format!("copying the memory of process {pid}: {done} of {total}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
