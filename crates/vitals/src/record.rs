//! A look at a program as one line of JSON, for keeping and for reading back.

use serde::{Deserialize, Serialize};

use crate::bill::Bill;
use crate::goal::Goal;
use crate::vitals::Vitals;

/// The version of the lines' shape: fields may be added, none is renamed or removed without another
/// number.
pub const RECORD_SCHEMA: u32 = 1;

/// One look. Reading takes the figures alone; bill and goal follow from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_SCHEMA`].
    pub schema: u32,
    /// When it was taken: seconds since 1970, or since the program started in a log that has no other
    /// time.
    pub time: f64,
    /// All figures.
    pub vitals: Vitals,
    /// What they add up to.
    #[serde(skip_deserializing)]
    pub bill: Bill,
    /// Why the next collection comes when it comes, if all terms are known.
    #[serde(skip_deserializing)]
    pub goal: Option<Goal>,
}

impl Record {
    /// Makes a record of a look.
    pub fn of(time: f64, vitals: Vitals) -> Self {
        let (bill, goal) = (Bill::of(&vitals), Goal::of(&vitals));
        Self { schema: RECORD_SCHEMA, time, vitals, bill, goal }
    }

    /// Reads a line; `None` if it is none, or of a later shape.
    pub fn from_line(line: &str) -> Option<Self> {
        let found: Self = serde_json::from_str(line).ok()?;
        (found.schema == RECORD_SCHEMA).then(|| Self::of(found.time, found.vitals))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_it_was_and_another_shape_is_not_read() {
        let vitals = Vitals { heap_alloc: Some(5), gc_percent: Some(-1), ..Vitals::default() };
        let record = Record::of(1.5, vitals);
        let line = serde_json::to_string(&record).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(Record::from_line(&line), Some(record));
        assert_eq!(Record::from_line(&line.replace("\"schema\":1", "\"schema\":2")), None);
        assert_eq!(Record::from_line("{}"), None);
    }
}
