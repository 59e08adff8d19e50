//! Each reduction of the search against the search without any, at small bounds: the same minimum.

use super::{scenario, search};
use kafka_guarantees::engine::explore::moves::{Kind, Kinds};
use kafka_guarantees::engine::explore::promise::Promise;
use kafka_guarantees::scenario::explored::{Answer, Question};

/// The least number of faults; none within the bounds.
fn minimum(question: &Question) -> Option<u32> {
    match search(question).0 {
        Answer::Found { faults, .. } => Some(faults),
        Answer::NoneWithin { .. } => None,
        Answer::LimitReached { .. } => panic!("the bound is too low"),
    }
}

/// Compares the two on a grid; how many promises were broken.
fn compare(kinds: Kinds, faults: u32, records: u32, every: &str, promises: &[Promise]) -> u32 {
    let mut broken = 0;
    for acks in ["0", "1", "all"] {
        for idempotence in [false, true] {
            for (replicas, min) in [("B1", 1), ("B1,B2", 1), ("B1,B2,B3", 2)] {
                if idempotence && acks != "all" {
                    continue;
                }
                let text = format!(
                    "kafka-guarantees 1\nprofile recorder\ntopic t replicas={replicas} min.insync.replicas={min}\n\
                     producer P acks={acks} enable.idempotence={idempotence}\nprogram P produce {records} every {every}\n"
                );
                for promise in promises {
                    let reduced = Question {
                        faults,
                        records,
                        kinds,
                        seeds: 1,
                        ..Question::new(&scenario(&text), *promise)
                    };
                    let unreduced = Question { reduced: false, states: u64::MAX, ..reduced.clone() };
                    let least = minimum(&reduced);
                    assert_eq!(least, minimum(&unreduced), "{promise:?}, {kinds:?}\n{text}");
                    broken += u32::from(least.is_some());
                }
            }
        }
    }
    broken
}

const OF_LOGS: [Promise; 3] = [Promise::NoAcknowledgedLoss, Promise::NoDuplicate, Promise::Order];

#[test]
fn one_fault_of_any_kind_is_enough_with_reductions_where_it_is_without() {
    let broken = compare(Kind::ALL.into_iter().collect(), 1, 2, "0ms", &OF_LOGS);
    assert!(broken > 8, "{broken}");
}

#[test]
fn two_faults_are_enough_with_reductions_where_they_are_without() {
    let kinds = Kinds::NONE.with(Kind::Cut).with(Kind::ProcessKill);
    let broken = compare(kinds, 2, 1, "0ms", &[Promise::NoDuplicate]);
    assert!(broken > 4, "{broken}");
}

#[test]
fn power_losses_are_enough_with_reductions_where_they_are_without() {
    let broken = compare(Kinds::NONE.with(Kind::PowerLoss), 2, 1, "0ms", &[Promise::NoAcknowledgedLoss]);
    assert!(broken > 4, "{broken}");
}
