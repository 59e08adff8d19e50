//! What a configuration may be said to promise, and when a run breaks it.

use crate::engine::check::{Anomaly, Judge};
use crate::engine::kafka::types::RecordId;
use crate::engine::notice::Sign;
use crate::engine::script::{Program, Setup};

/// A promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// A record whose producer was told that it is stored is in the log.
    NoAcknowledgedLoss,
    /// No record is stored twice; copies of aborted transactions do not count.
    NoDuplicate,
    /// Records of a partition are stored in the order of sending.
    Order,
    /// Every stored record that an application reads is processed, and what it becomes is stored.
    NoSkip,
    /// No record is processed twice.
    NoReprocessing,
    /// No record takes effect twice: in a sink, by an outside call, as an output that readers of committed data get.
    OneEffect,
    /// Of a transaction readers of committed data get all or nothing, and what the application was told is so.
    WholeTransactions,
}

impl Promise {
    /// All of them.
    pub const ALL: [Promise; 7] = [
        Promise::NoAcknowledgedLoss,
        Promise::NoDuplicate,
        Promise::Order,
        Promise::NoSkip,
        Promise::NoReprocessing,
        Promise::OneEffect,
        Promise::WholeTransactions,
    ];

    /// Its name, as the command line and answers spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Promise::NoAcknowledgedLoss => "no-acknowledged-loss",
            Promise::NoDuplicate => "no-duplicate",
            Promise::Order => "order",
            Promise::NoSkip => "no-skip",
            Promise::NoReprocessing => "no-reprocessing",
            Promise::OneEffect => "one-effect",
            Promise::WholeTransactions => "whole-transactions",
        }
    }

    /// The promise of that name.
    pub fn by_name(name: &str) -> Option<Promise> {
        Promise::ALL.into_iter().find(|promise| promise.name() == name)
    }

    /// The promise as a sentence without its full stop.
    pub const fn says(self) -> &'static str {
        match self {
            Promise::NoAcknowledgedLoss => "nothing acknowledged is lost",
            Promise::NoDuplicate => "nothing is stored twice",
            Promise::Order => "order holds",
            Promise::NoSkip => "nothing is skipped",
            Promise::NoReprocessing => "nothing is processed twice",
            Promise::OneEffect => "nothing takes effect twice",
            Promise::WholeTransactions => "a transaction is whole",
        }
    }

    /// Its opposite number: what shows that the faults of a search were felt where the promise could break. A search that
    /// finds nothing and has reached none of these has not looked in the right place.
    pub const fn opposite(self) -> &'static [Sign] {
        match self {
            Promise::NoAcknowledgedLoss => &[Sign::LeaderChanged, Sign::SentAgain, Sign::ReportedFailed],
            Promise::NoDuplicate => &[Sign::SentAgain, Sign::DuplicateRecognised],
            Promise::Order => &[Sign::SentAgain],
            Promise::NoSkip | Promise::NoReprocessing | Promise::OneEffect => {
                &[Sign::ClientRestarted, Sign::AssignedAgain, Sign::CallThrew, Sign::TransactionAborted]
            }
            Promise::WholeTransactions => &[Sign::TransactionAborted, Sign::CallThrew],
        }
    }

    /// Whether the clients of a setup that only read can do anything to the promise: it is about logs, which they do not
    /// change. (A transforming application writes, and its consumer decides what.)
    pub(super) fn heeds_readers(self, setup: &Setup) -> bool {
        let transforms = setup
            .applications
            .iter()
            .any(|application| matches!(application.program, Some(Program::Transform { .. })));
        let of_logs = matches!(self, Promise::NoAcknowledgedLoss | Promise::NoDuplicate | Promise::Order);
        transforms || !of_logs
    }

    /// Whether a run that was judged breaks it.
    pub fn is_broken(self, judge: &Judge) -> bool {
        let any = |anomaly: Anomaly| {
            judge.records().iter().any(|record| record.counts && record.anomalies.contains(anomaly))
        };
        match self {
            Promise::NoAcknowledgedLoss => any(Anomaly::Lost),
            Promise::NoDuplicate => any(Anomaly::Duplicated),
            Promise::Order => judge.counts().reordered_pairs > 0,
            Promise::NoSkip => any(Anomaly::Skipped) || lacks_output(judge),
            Promise::NoReprocessing => any(Anomaly::ProcessedAgain),
            Promise::OneEffect => judge.counts().extra_effects > 0,
            Promise::WholeTransactions => {
                any(Anomaly::AbortedYetVisible) || any(Anomaly::CommittedNotVisible)
            }
        }
    }
}

/// Whether a stored record that a transforming application reads has become nothing.
fn lacks_output(judge: &Judge) -> bool {
    judge.records().iter().enumerate().any(|(index, record)| {
        let output = judge.audience().output_of(RecordId(index as u32));
        record.counts
            && record.is_read
            && record.committed_copies > 0
            && output.is_some_and(|output| judge.records()[output.0 as usize].committed_copies == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_found_by_their_names() {
        for promise in Promise::ALL {
            assert_eq!(Promise::by_name(promise.name()), Some(promise));
            assert!(!promise.opposite().is_empty());
        }
        assert_eq!(Promise::by_name("safety"), None);
    }
}
