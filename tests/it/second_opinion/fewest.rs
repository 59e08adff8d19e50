//! The fewest faults by the model and by the engine's own search: the same number for every configuration and promise.

use super::model::Protocol;
use super::{Acks, Config, Outcome, engine, grid};
use crate::explore::{scenario, search};
use kafka_guarantees::engine::explore::moves::{Kind, Kinds};
use kafka_guarantees::engine::explore::promise::Promise;
use kafka_guarantees::scenario::explored::{Answer, Question};
use std::collections::BTreeSet;

/// At most so many faults.
const FAULTS: u8 = 2;

/// The promises that the model can judge, each with its name among the model's verdicts.
const PROMISES: [(Promise, &str); 3] = [
    (Promise::NoAcknowledgedLoss, "lost after acknowledgement"),
    (Promise::NoDuplicate, "duplicated"),
    (Promise::Order, "reordered"),
];

/// By number of faults: all verdicts that the model reaches with so many, cuts of the producer's connection and deaths of
/// the leader.
fn verdicts(config: Config) -> Vec<BTreeSet<&'static str>> {
    (0..=FAULTS)
        .map(|faults| {
            let most_kills = faults.min(config.brokers as u8 - 1);
            (0..=most_kills)
                .flat_map(|kills| Protocol { config, cuts: faults - kills, kills }.outcomes())
                .flat_map(|outcome: Outcome| outcome.verdicts())
                .collect()
        })
        .collect()
}

/// The least number of faults by the engine's search.
fn by_search(config: Config, promise: Promise) -> Option<u32> {
    let kinds = Kinds::NONE.with(Kind::Cut).with(Kind::ProcessKill);
    let question = Question {
        faults: u32::from(FAULTS),
        records: u32::from(config.records),
        kinds,
        // The model knows no time: whatever may come first may. What the draws of latencies decide is tried with some.
        seeds: if config.acks == Acks::One && promise == Promise::NoAcknowledgedLoss { 8 } else { 1 },
        ..Question::new(&scenario(&engine::at_once(config)), promise)
    };
    match search(&question).0 {
        Answer::Found { faults, .. } => Some(faults),
        Answer::NoneWithin { .. } => None,
        Answer::LimitReached { .. } => panic!("the bound is too low"),
    }
}

/// Where the search is right and the model knows too little: it has no broker that starts again. Such a broker knows the last
/// batch of a producer only, so with one replica in sync (the other was killed first) and two batches in flight its death
/// duplicates both. A real Kafka does so: the recording `fewest-duplicate-kill-of-the-only-replica`.
fn is_beyond_the_model(config: Config, promise: Promise) -> bool {
    config.idempotence && config.brokers == 2 && config.in_flight == 2 && promise == Promise::NoDuplicate
}

#[test]
fn the_search_agrees_on_the_fewest_faults() {
    let grid = grid();
    let (mut pairs, mut found) = (0, BTreeSet::new());
    let mut report = Vec::new();
    for config in grid {
        let verdicts = verdicts(config);
        for (promise, name) in PROMISES {
            let least = (0..=u32::from(FAULTS)).find(|faults| verdicts[*faults as usize].contains(name));
            let searched = by_search(config, promise);
            if is_beyond_the_model(config, promise) {
                assert_eq!((least, searched), (None, Some(2)), "{config:?}");
                continue;
            }
            if least != searched {
                report.push(format!(
                    "{config:?}, {promise:?}: the model says {least:?}, the search {searched:?}"
                ));
            }
            pairs += 1;
            found.insert((name, least));
        }
    }
    println!("{pairs} pairs of configuration and promise; {found:?}");
    assert!(report.is_empty(), "{} of {pairs} differ\n{}", report.len(), report.join("\n"));
    assert!(pairs >= 100, "{pairs}");
    for (_, name) in PROMISES {
        assert!(found.contains(&(name, Some(1))) && found.contains(&(name, None)), "{name}: {found:?}");
    }
}
