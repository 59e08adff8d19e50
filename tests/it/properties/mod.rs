//! Properties that hold for every script of a kind, each with the conditions under which it is true, over
//! random scripts; and, for each, a broker broken on purpose that must be caught.
//!
//! Seeds are drawn anew in each run and printed. A failure prints its seed, the shrunk script and its link;
//! `KAFKA_GUARANTEES_SEED=n` begins with that seed again, `KAFKA_GUARANTEES_SCRIPTS=n` sets how many scripts
//! each property is tried with.

mod checks;
mod scripts;

use checks::Verdict;
use kafka_guarantees::engine::kafka::defect::Defect;
use kafka_guarantees::engine::world::{RunError, World};
use kafka_guarantees::scenario;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

/// How many scripts each property is tried with unless the environment says otherwise.
const SCRIPTS: u64 = 150;

/// How many scripts a broken broker may pass before a property is called blind.
const SCRIPTS_TO_NOTICE: u64 = 3000;

/// How many candidates the shrinking of a failure may run.
const SHRINKING_RUNS: usize = 600;

/// The kinds of random scripts, each with what must hold for it.
struct Property {
    name: &'static str,
    /// A script for a seed.
    script: fn(u64) -> Vec<String>,
    /// What the run of such a script must satisfy.
    check: fn(&World) -> Verdict,
    /// At least so many of a hundred scripts must meet the property's conditions.
    percent_meaningful: u64,
    /// The defect that the property must catch.
    defect: Defect,
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}: not a number")))
}

/// Runs a script; the verdict of a run that does not come to its end is a violation, unless a step waited for
/// what the script itself prevents (the clean stop of a frozen broker, say).
fn verdict(lines: &[String], check: fn(&World) -> Verdict, defect: Defect) -> Result<Verdict, String> {
    let text = lines.join("\n");
    let setup = Arc::new(scenario::parse(&text).map_err(|problems| format!("{problems:?}\n{text}"))?);
    let mut world = World::new(setup, true);
    for broker in &mut world.brokers {
        broker.break_for_test(defect);
    }
    Ok(match world.run() {
        Err(RunError::GaveUp { step: Some(_), .. }) => Verdict::DoesNotApply,
        Err(error) => Verdict::Violated(format!("the run does not end: {error:?}")),
        Ok(()) => match checks::of_every_run(&world) {
            Verdict::Violated(why) => Verdict::Violated(why),
            _ => check(&world),
        },
    })
}

/// Leaves out lines, as many as can go, while the script still violates the property.
fn shrink(mut lines: Vec<String>, property: &Property) -> (Vec<String>, String) {
    let violation = |lines: &[String]| match verdict(lines, property.check, Defect::None) {
        Ok(Verdict::Violated(why)) => Some(why),
        _ => None,
    };
    let mut why = violation(&lines).expect("it was violated just now");
    let mut runs = 0;
    let mut size = lines.len() / 2;
    while size > 0 && runs < SHRINKING_RUNS {
        let mut from = 1;
        while from < lines.len() && runs < SHRINKING_RUNS {
            let mut candidate = lines.clone();
            candidate.drain(from..(from + size).min(lines.len()));
            runs += 1;
            match violation(&candidate) {
                Some(reason) => (lines, why) = (candidate, reason),
                None => from += size,
            }
        }
        size /= 2;
    }
    (lines, why)
}

fn hold(property: &Property) {
    let first = environment("KAFKA_GUARANTEES_SEED")
        .unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 16);
    let count = environment("KAFKA_GUARANTEES_SCRIPTS").unwrap_or(SCRIPTS);
    println!("{}: {count} scripts from seed {first}", property.name);
    let mut meaningful = 0;
    for seed in first..first + count {
        let lines = (property.script)(seed);
        match verdict(&lines, property.check, Defect::None).unwrap_or_else(|why| panic!("seed {seed}: {why}"))
        {
            Verdict::Holds => meaningful += 1,
            Verdict::DoesNotApply => {}
            Verdict::Violated(_) => {
                let (shrunk, why) = shrink(lines, property);
                let text = shrunk.join("\n");
                let link = scenario::read(&text).scenario.to_link();
                panic!("{}, seed {seed}: {why}\n\n{text}\n\n#{link}\n", property.name);
            }
        }
    }
    assert!(
        meaningful * 100 >= count * property.percent_meaningful,
        "{}: only {meaningful} of {count} scripts meet its conditions",
        property.name
    );
}

/// The property notices the defect sooner or later.
fn notices(property: &Property) {
    let defect = property.defect;
    let noticed = (0..SCRIPTS_TO_NOTICE).any(|seed| {
        matches!(verdict(&(property.script)(seed), property.check, defect), Ok(Verdict::Violated(_)))
    });
    assert!(noticed, "{}: {defect:?} is not noticed", property.name);
}

/// An acknowledgement with acks=all and min.insync.replicas=2 outlives process kills (no unclean election, no
/// power or disk loss).
const ACKNOWLEDGED_SURVIVES: Property = Property {
    name: "acknowledged survives kills",
    script: scripts::producing_through_kills,
    check: checks::nothing_acknowledged_is_lost,
    percent_meaningful: 50,
    defect: Defect::MovesHighWatermarkEarly,
};

/// One idempotent producer instance never duplicates by retrying. Not so after a broker's restart (P44), an
/// expired producer state (P43), data loss (P39, P40), or a batch that failed (P59, P34): there are none here.
const NO_DUPLICATES: Property = Property {
    name: "idempotent retries do not duplicate",
    script: scripts::idempotent_producing,
    check: checks::no_duplicates_if_all_acknowledged,
    percent_meaningful: 40,
    defect: Defect::ForgetsDuplicates,
};

/// Under transaction.version=2 a read_committed reader sees of a transaction all or nothing in a partition, and
/// what it sees was not aborted.
const WHOLE_TRANSACTIONS: Property = Property {
    name: "transactions are whole",
    script: scripts::transactions,
    check: checks::transactions_are_whole,
    percent_meaningful: 80,
    defect: Defect::WritesCommitsAsAborts,
};

/// Committed offsets never pass the log's end (no data loss, no deleted records, no explicit offsets).
const OFFSETS_WITHIN_LOG: Property = Property {
    name: "committed offsets stay within the log",
    script: scripts::consuming,
    check: checks::committed_offsets_are_within_the_log,
    percent_meaningful: 60,
    defect: Defect::MovesHighWatermarkEarly,
};

#[test]
fn acknowledged_survives_kills() {
    hold(&ACKNOWLEDGED_SURVIVES);
}

#[test]
fn idempotent_retries_do_not_duplicate() {
    hold(&NO_DUPLICATES);
}

#[test]
fn transactions_are_whole() {
    hold(&WHOLE_TRANSACTIONS);
}

#[test]
fn committed_offsets_stay_within_the_log() {
    hold(&OFFSETS_WITHIN_LOG);
}

#[test]
fn broken_brokers_are_caught() {
    for property in [&ACKNOWLEDGED_SURVIVES, &NO_DUPLICATES, &WHOLE_TRANSACTIONS, &OFFSETS_WITHIN_LOG] {
        notices(property);
    }
}
