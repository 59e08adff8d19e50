//! A second opinion: a small model of the protocol, checked exhaustively by stateright, and the engine, put through the same
//! faults, must reach the same outcomes: for each configuration of a grid, neither more nor fewer.

mod engine;
mod fewest;
mod model;

use kafka_guarantees::engine::kafka::defect::Defect;
use model::Protocol;
use std::collections::BTreeSet;
use std::fmt;

/// What a producer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acks {
    Zero,
    One,
    All,
}

/// One configuration: a producer that sends some records, one a batch, to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Config {
    records: u8,
    brokers: usize,
    min_insync_replicas: usize,
    acks: Acks,
    retries: u8,
    idempotence: bool,
    in_flight: usize,
}

/// What a producer was told of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Fate {
    Acknowledged,
    Failed,
}

/// How a run ends: what the producer was told of each record, and what the log holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Outcome {
    fates: Vec<Fate>,
    log: Vec<u8>,
}

impl Outcome {
    /// What went wrong, in words.
    fn verdicts(&self) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        for (record, fate) in self.fates.iter().enumerate() {
            let copies = self.log.iter().filter(|copy| usize::from(**copy) == record).count();
            match (fate, copies) {
                (Fate::Acknowledged, 0) => found.insert("lost after acknowledgement"),
                (Fate::Failed, 0) => found.insert("lost, reported"),
                (Fate::Failed, _) => found.insert("failed yet in the log"),
                (Fate::Acknowledged, _) => false,
            };
            if copies > 1 {
                found.insert("duplicated");
            }
        }
        let mut seen = BTreeSet::new();
        let firsts: Vec<u8> = self.log.iter().copied().filter(|record| seen.insert(*record)).collect();
        if !firsts.is_sorted() {
            found.insert("reordered");
        }
        found
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fates: Vec<&str> = self
            .fates
            .iter()
            .map(|fate| if *fate == Fate::Failed { "failed" } else { "acknowledged" })
            .collect();
        let log: Vec<String> = self.log.iter().map(|record| format!("r{record}")).collect();
        write!(f, "{}; log {}; {:?}", fates.join(", "), log.join(" "), self.verdicts())
    }
}

/// All configurations of the grid.
fn grid() -> Vec<Config> {
    let mut grid = Vec::new();
    for (brokers, min_insync_replicas) in [(2, 1), (3, 2)] {
        for in_flight in [1, 2] {
            let base = Config {
                records: 2,
                brokers,
                min_insync_replicas,
                acks: Acks::Zero,
                retries: 0,
                idempotence: false,
                in_flight,
            };
            grid.push(base);
            for retries in [0, 1, 3] {
                grid.push(Config { acks: Acks::One, retries, ..base });
                grid.push(Config { acks: Acks::All, retries, ..base });
            }
            for retries in [1, 3] {
                grid.push(Config { acks: Acks::All, retries, idempotence: true, ..base });
            }
        }
    }
    // One record more, where there is something to reverse.
    for idempotence in [false, true] {
        let (acks, retries) = (Acks::All, 3);
        grid.push(Config {
            records: 3,
            brokers: 3,
            min_insync_replicas: 2,
            acks,
            retries,
            idempotence,
            in_flight: 2,
        });
    }
    grid
}

/// At most so many connections are cut in a run.
const CUTS: u8 = 2;

/// Where the two differ: the engine must reach nothing that the model does not, to the last copy, and every combination
/// of verdicts that the model reaches.
fn differences(what: &str, model: &BTreeSet<Outcome>, engine: &BTreeSet<Outcome>) -> Vec<String> {
    let beyond = engine.difference(model).map(|outcome| format!("{what}: only the engine reaches {outcome}"));
    let verdicts = |outcomes: &BTreeSet<Outcome>| -> BTreeSet<BTreeSet<&'static str>> {
        outcomes.iter().map(Outcome::verdicts).collect()
    };
    let reached = verdicts(engine);
    let missed = verdicts(model).into_iter().filter(|combination| !reached.contains(combination));
    let missed = missed.map(|combination| {
        let example = model.iter().find(|outcome| outcome.verdicts() == combination).expect("it was reached");
        format!("{what}: only the model reaches {example}")
    });
    beyond.chain(missed).collect()
}

/// The differences of one configuration under cuts and under a kill, and how many outcomes there are.
fn compare(config: Config, defect: Option<Defect>) -> (Vec<String>, usize) {
    let cut_model = Protocol { config, cuts: CUTS, kills: 0 }.outcomes();
    let cut_engine = engine::with_cuts(config, CUTS, defect);
    let kill_model = Protocol { config, cuts: 0, kills: 1 }.outcomes();
    let kill_engine = engine::with_a_kill(config, defect);
    let mut found = differences("cuts", &cut_model, &cut_engine);
    found.extend(differences("kill", &kill_model, &kill_engine));
    (found, cut_model.union(&kill_model).count())
}

#[test]
fn the_engine_agrees_with_a_second_opinion() {
    let grid = grid();
    let mut report = Vec::new();
    let mut count = 0;
    let mut verdicts = BTreeSet::new();
    for config in &grid {
        let (found, outcomes) = compare(*config, None);
        count += outcomes;
        report.extend(found.into_iter().map(|line| format!("{config:?}\n    {line}")));
        for cuts in [0, CUTS] {
            let reached = Protocol { config: *config, cuts, kills: u8::from(cuts == 0) }.outcomes();
            verdicts.extend(reached.iter().flat_map(Outcome::verdicts));
        }
    }
    println!("{} configurations, {count} outcomes, verdicts {verdicts:?}", grid.len());
    assert!(report.is_empty(), "{} differences\n{}", report.len(), report.join("\n"));
    assert_eq!(verdicts.len(), 5, "the grid reaches every verdict: {verdicts:?}");
}

/// The comparison itself: a broken cluster must not agree.
#[test]
fn a_broken_cluster_disagrees() {
    for defect in [Defect::ForgetsDuplicates, Defect::AcknowledgesEarly, Defect::MovesHighWatermarkEarly] {
        let differs = grid().into_iter().any(|config| !compare(config, Some(defect)).0.is_empty());
        assert!(differs, "{defect:?} is not noticed");
    }
}
