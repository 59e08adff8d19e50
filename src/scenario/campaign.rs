//! A whole campaign of measuring: columns, each in its parts, and so many runs of each. What is run by whom
//! changes nothing: a share is a range of run numbers.

use super::Scenario;
use super::measured::{Column, NotMeasurable, Workload};
use super::presets::Guarantee;
use crate::engine::measure::{FaultMix, Metrics, Part};
use crate::engine::sim::hash::StreamHash;
use std::ops::Range;

/// The most runs under faults that one campaign may have.
pub const RUNS_MAX: u64 = 1_000_000_000;

/// The name of the reader's own column.
pub const YOURS: &str = "yours";

/// What is measured together.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// Columns with their names.
    pub columns: Vec<(String, Column)>,
    /// Runs of each column under faults; the other parts have their share ([`Part::runs`]).
    pub runs: u64,
}

/// One part of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// The column, by its place.
    pub column: usize,
    /// The part.
    pub part: Part,
}

impl Campaign {
    /// The columns of the matrix, and the reader's own if there is one.
    ///
    /// # Errors
    /// If the reader's own can't be measured.
    pub fn matrix(
        yours: Option<&Scenario>,
        workload: Workload,
        mix: FaultMix,
        seed: u64,
        runs: u64,
    ) -> Result<Campaign, NotMeasurable> {
        let guarantees =
            Guarantee::ALL.iter().map(|guarantee| (guarantee.base().id, guarantee.base().scenario()));
        let mut columns = Vec::new();
        for (id, scenario) in guarantees.chain(yours.map(|scenario| (YOURS, scenario.clone()))) {
            columns.push((id.to_owned(), Column::new(&scenario, workload, mix, seed)?));
        }
        Ok(Campaign { columns, runs })
    }

    /// All that is to be done, column after column.
    pub fn tasks(&self) -> impl Iterator<Item = Task> + '_ {
        (0..self.columns.len()).flat_map(|column| Part::ALL.map(|part| Task { column, part }))
    }

    /// The place of a task among all.
    pub fn place(&self, task: Task) -> usize {
        task.column * Part::ALL.len() + task.part as usize
    }

    /// The run numbers of a task's share: number `share`, counted from 0, of `shares`.
    pub fn range(&self, task: Task, share: u64, shares: u64) -> Range<u64> {
        let runs = u128::from(task.part.runs(self.runs));
        let begin = |share: u64| (runs * u128::from(share) / u128::from(shares.max(1))) as u64;
        begin(share)..begin(share + 1)
    }

    /// Sums of nothing, one for each task.
    pub fn no_sums(&self) -> Vec<Metrics> {
        self.tasks().map(|_| Metrics::default()).collect()
    }

    /// Names all that decides the outcome.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = StreamHash::new();
        hash.text(env!("CARGO_PKG_VERSION"));
        hash.number(self.runs);
        for (name, column) in &self.columns {
            hash.text(name);
            hash.number(column.fingerprint());
        }
        hash.value()
    }
}
