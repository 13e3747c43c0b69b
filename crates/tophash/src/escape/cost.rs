//! What sites cost: by a heap profile, or by the samples that a process keeps of itself.

use anyhow::Result;
use tophash_escape::{Charged, Charger};

use super::go::Verdicts;
use crate::charge::{Account, CostOptions, stacks};
use crate::progress::Progress;

/// What everything costs, and in which words to say so.
pub(super) struct Costs<'v> {
    pub(super) charged: Charged<'v>,
    pub(super) account: Account,
}

/// Charges what the options name; nothing where they name nothing.
pub(super) fn charge<'v>(
    verdicts: &'v Verdicts,
    options: &CostOptions,
    progress: &Progress,
) -> Result<Option<Costs<'v>>> {
    let mut charger = Charger::new(&verdicts.report, &verdicts.sources, &verdicts.programs);
    let account = stacks(options, progress, &mut |frames, sum| charger.charge(frames, sum))?;
    Ok(account.map(|account| Costs { charged: charger.finish(), account }))
}
