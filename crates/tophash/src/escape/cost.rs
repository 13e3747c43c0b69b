//! What sites cost: by a heap profile, or by the samples that a process keeps of itself.

use anyhow::Result;
use tophash_escape::{Charged, Charger, Doubt};

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
    Ok(account.map(|mut account| {
        let charged = charger.finish();
        account.notes.extend(charged.doubts.iter().map(words));
        Costs { charged, account }
    }))
}

fn words(doubt: &Doubt) -> String {
    let Doubt { file, packages } = doubt;
    match packages.as_slice() {
        [package] => format!("{file} is taken to be of {package}, whose folder has another name"),
        several => format!(
            "{file} may be of any of {}: nothing is charged to them; ask about one of them alone",
            several.join(", ")
        ),
    }
}
