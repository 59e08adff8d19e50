//! Properties that hold for every script of a kind, each with the conditions under which it is true, over
//! random configurations and scripts; and, for each, clusters broken on purpose that must be caught.
//!
//! Seeds are drawn anew in each run and printed. A failure prints its seed, the shrunk script and its link;
//! `KAFKA_GUARANTEES_SEED=n` begins with that seed again, `KAFKA_GUARANTEES_SCRIPTS=n` sets how many scripts
//! each property is tried with.

mod checks;
mod dice;
mod exceptions;
mod scripts;
mod writer;

use crate::fold;
use checks::{End, Verdict};
use kafka_guarantees::engine::kafka::defect::{Defect, Defects};
use kafka_guarantees::engine::player::Awaited;
use kafka_guarantees::engine::sim::choice::ChoiceOption;
use kafka_guarantees::engine::world::{RunError, World};
use kafka_guarantees::scenario;
use kafka_guarantees::scenario::shrink::leave_out;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

/// How many scripts each property is tried with unless the environment says otherwise.
const SCRIPTS: u64 = 150;

/// How many scripts a broken cluster may pass before a property is called blind.
const SCRIPTS_TO_NOTICE: u64 = 3000;

/// How many candidates the shrinking of a failure may run.
const SHRINKING_RUNS: u32 = 600;

/// So many messages of clients lie between two looks at a run that is watched.
const LOOKS_APART: u32 = 37;

/// The kinds of random scripts, each with what must hold for it.
struct Property {
    name: &'static str,
    /// A script for a seed.
    script: fn(u64) -> Vec<String>,
    /// What must hold again and again while the run goes on, and at its end.
    watch: Option<fn(&World) -> Result<(), String>>,
    /// What a run must satisfy where it has ended.
    check: fn(&World, End) -> Verdict,
    /// At least so many of a hundred scripts must meet the property's conditions.
    percent_meaningful: u64,
    /// The defects that the property must catch.
    defects: &'static [Defect],
}

/// A script that violates a property.
struct Failure {
    property: &'static str,
    seed: u64,
    why: String,
    /// As few lines as were found to violate it.
    script: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.script.join("\n");
        let link = scenario::read(&text).scenario.to_link();
        write!(f, "{}, seed {}: {}\n\n{text}\n\n#{link}\n", self.property, self.seed, self.why)
    }
}

fn environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name}={value}: not a number")))
}

/// Runs a world to its end, and looks at it on the way.
fn run(world: &mut World, watch: fn(&World) -> Result<(), String>) -> Result<Result<(), RunError>, String> {
    world.ask(true);
    let mut messages = 0;
    let ended = loop {
        match world.run_to_choice() {
            Err(error) => break Err(error),
            Ok(None) => break Ok(()),
            Ok(Some(_)) => {
                messages += 1;
                if messages % LOOKS_APART == 0 {
                    watch(world)?;
                }
                world.resolve(ChoiceOption::BENIGN);
            }
        }
    };
    watch(world)?;
    Ok(ended)
}

/// Runs a script, and judges the run. One that does not come to its end is a violation, unless a step or a program waited
/// for what the script itself prevents (the clean stop of a frozen broker, say), or could not be done: it must not
/// have broken anything by then, and does not count as having met the property's conditions.
fn verdict(lines: &[String], property: &Property, defect: Option<Defect>) -> Result<Verdict, String> {
    let text = lines.join("\n");
    let setup = Arc::new(scenario::parse(&text).map_err(|problems| format!("{problems:?}\n{text}"))?);
    let mut world = World::new(setup, true);
    world.stage.defects = Defects::only(defect);
    let ended = match property.watch {
        None => world.run(),
        Some(watch) => match run(&mut world, watch) {
            Err(why) => return Ok(Verdict::Violated(why)),
            Ok(ended) => ended,
        },
    };
    let end = match ended {
        Ok(()) => End::Whole,
        Err(
            RunError::GaveUp { step: Some(_), .. }
            | RunError::GaveUp { step: None, waited_for: Awaited::Programs }
            | RunError::Impossible { .. },
        ) => End::GivenUp,
        Err(error) => return Ok(Verdict::Violated(format!("the run does not end: {error:?}"))),
    };
    let verdict = match checks::of_every_run(&world, end) {
        Verdict::Violated(why) => Verdict::Violated(why),
        _ => (property.check)(&world, end),
    };
    Ok(match (end, verdict) {
        (End::GivenUp, Verdict::Holds) => Verdict::DoesNotApply,
        (_, verdict) => verdict,
    })
}

/// Leaves out lines, as many as can go, while the script still violates the property.
fn shrink(lines: Vec<String>, property: &Property, defect: Option<Defect>) -> (Vec<String>, String) {
    leave_out(lines, 1, SHRINKING_RUNS, |lines| match verdict(lines, property, defect) {
        Ok(Verdict::Violated(why)) => Some(why),
        _ => None,
    })
    .expect("it was violated just now")
}

/// Tries so many scripts: how many met the property's conditions, or the first that violates it.
fn search(property: &Property, first: u64, count: u64, defect: Option<Defect>) -> Result<u64, Failure> {
    let mut meaningful = 0;
    for seed in first..first + count {
        let lines = (property.script)(seed);
        match verdict(&lines, property, defect).unwrap_or_else(|why| panic!("seed {seed}: {why}")) {
            Verdict::Holds => meaningful += 1,
            Verdict::DoesNotApply => {}
            Verdict::Violated(_) => {
                let (script, why) = shrink(lines, property, defect);
                return Err(Failure { property: property.name, seed, why, script });
            }
        }
    }
    Ok(meaningful)
}

fn hold(property: &Property) {
    let first = environment("KAFKA_GUARANTEES_SEED")
        .unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 16);
    let count = environment("KAFKA_GUARANTEES_SCRIPTS").unwrap_or(SCRIPTS);
    println!("{}: {count} scripts from seed {first}", property.name);
    let meaningful = search(property, first, count, None).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{}: {meaningful} of {count} scripts meet its conditions", property.name);
    assert!(
        meaningful * 100 >= count * property.percent_meaningful,
        "{}: only {meaningful} of {count} scripts meet its conditions",
        property.name
    );
}

/// What the trace tells of a run is so, at every instant: folded, it rebuilds all that is shown of the world. Scripts of
/// all kinds, also with power losses, lost disks and unclean elections.
const TRACE_TELLS_ALL: Property = Property {
    name: "the trace rebuilds the world",
    script: scripts::anything,
    watch: Some(|world| match fold::disagreements(world).first() {
        None => Ok(()),
        Some(first) => Err(format!("at {}: {first}", world.stage.now)),
    }),
    check: checks::always,
    percent_meaningful: 60,
    defects: &[Defect::KeepsHighWatermarksToItself],
};

/// An acknowledgement with acks=all and min.insync.replicas=2 outlives process kills (no unclean election, no
/// power or disk loss).
const ACKNOWLEDGED_SURVIVES: Property = Property {
    name: "acknowledged survives kills",
    script: scripts::producing_through_kills,
    watch: None,
    check: checks::nothing_acknowledged_is_lost,
    percent_meaningful: 50,
    defects: &[Defect::MovesHighWatermarkEarly, Defect::AcknowledgesEarly],
};

/// One idempotent producer instance never duplicates by retrying, as long as all its batches succeed. Not so after a
/// broker's restart, when producer state has expired, on a partition that does not know the producer yet (P32), or when a batch failed: `exceptions` shows each.
const NO_DUPLICATES: Property = Property {
    name: "idempotent retries do not duplicate",
    script: scripts::idempotent_producing,
    watch: None,
    check: checks::no_duplicates_if_all_acknowledged,
    percent_meaningful: 40,
    defects: &[Defect::ForgetsDuplicates],
};

/// Under transaction.version=2 a read_committed reader sees of a transaction all or nothing, and what it sees was not
/// aborted (no data is lost: min.insync.replicas=2, processes may be killed).
const WHOLE_TRANSACTIONS: Property = Property {
    name: "transactions are whole",
    script: scripts::transactions,
    watch: None,
    check: checks::transactions_are_whole,
    percent_meaningful: 60,
    defects: &[Defect::WritesCommitsAsAborts, Defect::LeavesMarkersOut],
};

/// Committed offsets never pass the log's end (no unclean election, no power or disk loss, no deleted records, no
/// explicit offsets).
const OFFSETS_WITHIN_LOG: Property = Property {
    name: "committed offsets stay within the log",
    script: scripts::consuming,
    watch: None,
    check: checks::committed_offsets_are_within_the_log,
    percent_meaningful: 40,
    defects: &[Defect::MovesHighWatermarkEarly],
};

/// A connection that is not cut delivers in order: requests are taken up and answers are read in the order in which they
/// were sent, one at a time. (Every run of the other properties is held to this as well.)
const CONNECTIONS_IN_ORDER: Property = Property {
    name: "connections deliver in order",
    script: scripts::anything,
    watch: None,
    check: checks::requests_are_pipelined,
    percent_meaningful: 50,
    defects: &[Defect::TakesUpLastFirst],
};

const ALL: [&Property; 6] = [
    &TRACE_TELLS_ALL,
    &ACKNOWLEDGED_SURVIVES,
    &NO_DUPLICATES,
    &WHOLE_TRANSACTIONS,
    &OFFSETS_WITHIN_LOG,
    &CONNECTIONS_IN_ORDER,
];

#[test]
fn the_trace_rebuilds_the_world() {
    hold(&TRACE_TELLS_ALL);
}

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
fn connections_deliver_in_order() {
    hold(&CONNECTIONS_IN_ORDER);
}

#[test]
fn broken_clusters_are_caught() {
    for property in ALL {
        for defect in property.defects {
            let noticed = (0..SCRIPTS_TO_NOTICE).any(|seed| {
                matches!(verdict(&(property.script)(seed), property, Some(*defect)), Ok(Verdict::Violated(_)))
            });
            assert!(noticed, "{}: {defect:?} is not noticed", property.name);
        }
    }
}

/// What is printed of a failure is enough to have it again: by the seed, by the script, by the link.
#[test]
fn a_failure_prints_seed_script_and_link() {
    for property in [&TRACE_TELLS_ALL, &ACKNOWLEDGED_SURVIVES] {
        let defect = property.defects[0];
        let failure =
            search(property, 0, SCRIPTS_TO_NOTICE, Some(defect)).expect_err("the defect is noticed");
        let printed = failure.to_string();
        let (head, rest) = printed.split_once("\n\n").expect("the script follows");
        let (script, link) = rest.split_once("\n\n#").expect("the link follows");
        let seed = head.split("seed ").nth(1).and_then(|rest| rest.split(':').next()).expect("the seed");
        let seed: u64 = seed.parse().expect("a number");
        let again = search(property, seed, 1, Some(defect)).expect_err("the seed violates it again");
        assert_eq!(again.to_string(), printed);
        let whole = (property.script)(seed);
        let lines: Vec<String> = script.lines().map(str::to_string).collect();
        assert!(lines.len() < whole.len(), "{script}\nis no shorter than\n{}", whole.join("\n"));
        assert!(lines.iter().all(|line| whole.contains(line)), "{script}");
        let linked = scenario::link::open(link.trim_end()).scenario.to_text();
        let linked: Vec<String> = linked.lines().map(str::to_string).collect();
        for lines in [&lines, &linked] {
            let verdict = verdict(lines, property, Some(defect)).expect("it parses");
            assert!(matches!(verdict, Verdict::Violated(_)), "{}\n{verdict:?}", lines.join("\n"));
        }
    }
}
