//! The search for the fewest faults: what it answers, and that what it finds breaks the promise when it is run as text.

mod expected;
mod reductions;

use kafka_guarantees::engine::explore::moves::{Kind, Kinds};
use kafka_guarantees::engine::explore::promise::Promise;
use kafka_guarantees::engine::run;
use kafka_guarantees::engine::world::World;
use kafka_guarantees::scenario::explored::{self, Answer, Exploration, Question};
use kafka_guarantees::scenario::{self, Scenario};
use std::sync::Arc;

/// The scenario of a text that has nothing wrong with it.
pub fn scenario(text: &str) -> Scenario {
    let reading = scenario::read(text);
    assert!(reading.problems.is_empty(), "{text}{:?}", reading.problems);
    reading.scenario
}

/// Searches in pieces until there is an answer.
pub fn search(question: &Question) -> (Answer, Exploration) {
    let mut exploration = Exploration::new(question).unwrap_or_else(|why| panic!("{why}"));
    loop {
        if let Some(answer) = exploration.advance(1000) {
            break (answer, exploration);
        }
    }
}

/// Whether a scenario breaks a promise when its text is read and run like any other.
pub fn breaks_as_text(found: &Scenario, promise: Promise) -> bool {
    let text = found.to_text();
    explored::broken(&scenario(&text)).unwrap_or_else(|why| panic!("{text}{why}")).contains(promise)
}

const PRODUCER: &str = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\n\
                        producer P acks=all linger.ms=0 batch.size=1\nprogram P produce 2 every 20ms\n";

#[test]
fn one_more_fault_goes_on_where_the_search_stopped() {
    let lossy =
        PRODUCER.replace("replicas=2", "replicas=1").replace("acks=all", "acks=1 enable.idempotence=false");
    let question =
        Question { faults: 0, records: 2, ..Question::new(&scenario(&lossy), Promise::NoDuplicate) };
    let (answer, mut exploration) = search(&question);
    assert_eq!(answer, Answer::NoneWithin { faults: 0, records: 2 });
    exploration.one_more_fault();
    assert_eq!(exploration.answer(), None);
    let answer = loop {
        if let Some(answer) = exploration.advance(10) {
            break answer;
        }
    };
    assert_eq!(answer, search(&Question { faults: 1, ..question }).0);
    assert!(matches!(answer, Answer::Found { faults: 1, .. }));
}

#[test]
fn a_limit_is_kept_to_and_can_be_raised() {
    let kinds = Kinds::NONE.with(Kind::Cut);
    let question = Question { states: 40, kinds, ..Question::new(&scenario(PRODUCER), Promise::NoDuplicate) };
    let (answer, mut exploration) = search(&question);
    assert!(matches!(answer, Answer::LimitReached { .. }), "{answer:?}");
    assert!(exploration.progress().looked.states < 40 + 200);
    exploration.more_states(1_000_000);
    assert!(matches!(exploration.advance(u64::MAX), Some(Answer::NoneWithin { faults: 2, .. })));
}

#[test]
fn there_must_be_something_to_search() {
    let rows = [
        ("topic t replicas=B1\nproducer P", Promise::Order, "nothing to search"),
        ("topic t replicas=B1\nproducer P\nP send r0", Promise::NoSkip, "needs a consumer"),
        ("topic t replicas=B1\nproducer P acks=1 enable.idempotence=true\nP send r0", Promise::Order, "acks"),
    ];
    for (text, promise, expected) in rows {
        let scenario = scenario::read(&format!("kafka-guarantees 1\n{text}\n")).scenario;
        let why = Exploration::new(&Question::new(&scenario, promise)).expect_err(text).to_string();
        assert!(why.contains(expected), "{text}: {why}");
    }
}

/// What has happened is named without when: the same, later, has the same name, and another thing has not. (The waits are so
/// short that no heartbeat and no fetch comes between: those take draws of latencies, and who answers first is something else.)
#[test]
fn shifting_time_does_not_change_the_fingerprint() {
    let declarations = PRODUCER.lines().take(3).map(|line| format!("{line}\n")).collect::<String>();
    let fingerprint = |wait: &str, more: &str| {
        let text = format!(
            "{declarations}wait {wait}\n{more}P send r0\nwait P settled\nP send r1\nwait P settled\n"
        );
        let setup = scenario::parse(&text).unwrap_or_else(|problems| panic!("{text}{problems:?}"));
        let mut world = World::new(Arc::new(setup), false);
        world.notice();
        world.ask(false);
        world.run().expect("it ends");
        (world.fingerprint(), world.stage.ledger.records[1].answered_at.expect("an answer"))
    };
    let (early, early_at) = fingerprint("20ms", "");
    for wait in ["21ms", "90ms", "170.5ms", "301ms"] {
        let (late, late_at) = fingerprint(wait, "");
        assert_eq!(late, early, "{wait}");
        assert!(late_at > early_at, "{wait}");
    }
    for other in
        ["fault P Produce 2 response cut\n", "P send r2\n", "t leader B2\n", "B3 kill\nwait 20s\nB3 start\n"]
    {
        assert_ne!(fingerprint("20ms", other).0, early, "{other}");
    }
}

/// What the search sets off at an instant happens exactly as the text says: the found run, entry for entry.
#[test]
fn a_found_run_is_the_run_of_its_text() {
    let text = PRODUCER.replace("acks=all", "acks=1 enable.idempotence=false");
    let (answer, exploration) = search(&Question::new(&scenario(&text), Promise::NoAcknowledgedLoss));
    let Answer::Found { scenario: found, .. } = answer else { panic!("not found") };
    let setup = Arc::new(found.lower().expect("it is fine").setup);
    let run = run::run(&setup);
    assert!(run.error.is_none());
    assert_eq!(Some(run.ended_at()), exploration.found_ended_at(), "{}", found.to_text());
}
