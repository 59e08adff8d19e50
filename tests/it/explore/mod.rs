//! The search for the fewest faults: what it answers, and that what it finds breaks the promise when it is run as text.

use kafka_guarantees::engine::explore::promise::Promise;
use kafka_guarantees::scenario::explored::{self, Answer, Exploration, Question};
use kafka_guarantees::scenario::{self, Scenario};

fn scenario(producer: &str, program: &str) -> Scenario {
    let text = format!(
        "kafka-guarantees 1\ntopic t replicas=B1,B2,B3 min.insync.replicas=2\nproducer P {producer}\n\
         program P produce {program}\n"
    );
    let reading = scenario::read(&text);
    assert!(reading.problems.is_empty(), "{text}{:?}", reading.problems);
    reading.scenario
}

fn answer(question: &Question) -> Answer {
    let mut exploration = Exploration::new(question).unwrap_or_else(|why| panic!("{why}"));
    loop {
        if let Some(answer) = exploration.advance(1000) {
            break answer;
        }
    }
}

/// What a found text does when it is read and run like any other.
fn breaks_as_text(found: &Scenario, promise: Promise) -> bool {
    let text = found.to_text();
    let reading = scenario::read(&text);
    assert!(reading.problems.is_empty(), "{text}{:?}", reading.problems);
    explored::breaks(&reading.scenario, promise).unwrap_or_else(|why| panic!("{text}{why}"))
}

#[test]
fn one_fault_is_found_where_one_is_enough() {
    let at_once = "linger.ms=0 batch.size=1 enable.idempotence=false";
    let rows = [
        (Promise::NoDuplicate, format!("acks=all {at_once}"), "3 every 20ms"),
        (Promise::NoAcknowledgedLoss, format!("acks=1 {at_once}"), "3 every 20ms"),
        (Promise::Order, format!("acks=1 {at_once}"), "3 every 0ms"),
    ];
    for (promise, producer, program) in rows {
        let question = Question { faults: 1, ..Question::new(&scenario(&producer, program), promise) };
        let Answer::Found { faults, scenario, .. } = answer(&question) else {
            panic!("{producer}: {promise:?} is not found")
        };
        assert_eq!(faults, 1, "{producer}: {promise:?}");
        assert!(breaks_as_text(&scenario, promise), "{}", scenario.to_text());
        assert!(!breaks_as_text(&explored::calm(&scenario), promise), "without the fault it is broken too");
    }
}
