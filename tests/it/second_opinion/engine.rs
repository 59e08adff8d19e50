//! The same faults, one after another, on the engine.

use super::{Acks, Config, Fate, Outcome};
use kafka_guarantees::engine::kafka::defect::{Defect, Defects};
use kafka_guarantees::engine::kafka::event::Event;
use kafka_guarantees::engine::kafka::message::{Api, Request};
use kafka_guarantees::engine::kafka::types::*;
use kafka_guarantees::engine::ledger::Answer;
use kafka_guarantees::engine::observe;
use kafka_guarantees::engine::sim::choice::ChoiceOption;
use kafka_guarantees::engine::world::{World, option};
use kafka_guarantees::scenario;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What time does that the model does not know of: the draws of latencies and back-offs, how far apart the application
/// sends, and what keeps an answer or the followers back.
#[derive(Clone, Copy, Default)]
struct Pace {
    seed: u64,
    is_apart: bool,
    delay: &'static str,
}

fn text(config: Config, pace: Pace, steps: &str) -> String {
    let brokers: Vec<String> = (1..=config.brokers).map(|broker| format!("B{broker}")).collect();
    let acks = match config.acks {
        Acks::Zero => "0",
        Acks::One => "1",
        Acks::All => "all",
    };
    let records: Vec<String> = (0..config.records).map(|record| format!("P send r{record}\n")).collect();
    format!(
        "kafka-guarantees 1\nprofile recorder\nseed {}\ntopic t replicas={} min.insync.replicas={}\n\
         producer P acks={acks} retries={} enable.idempotence={} max.in.flight.requests.per.connection={}\n\
         {}{}{steps}wait P settled\nwait 50ms\n",
        pace.seed,
        brokers.join(","),
        config.min_insync_replicas,
        config.retries,
        config.idempotence,
        config.in_flight,
        pace.delay,
        records.join(if pace.is_apart { "wait 10ms\n" } else { "" }),
    )
}

/// The same configuration as a scenario for a search: a program that sends all records at once.
pub fn at_once(config: Config) -> String {
    let text = text(config, Pace::default(), "");
    let declarations: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("P ") && !line.starts_with("wait")).collect();
    format!("{}\nprogram P produce {} every 0ms\n", declarations.join("\n"), config.records)
}

fn world(text: &str, defect: Option<Defect>) -> World {
    let setup = scenario::parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors:?}"));
    let mut world = World::new(Arc::new(setup), true);
    world.stage.defects = Defects::only(defect);
    world
}

fn outcome(world: &World) -> Outcome {
    let records = world.stage.setup.records.len();
    let fates = (0..records).map(|record| match world.stage.ledger.records[record].answer {
        Answer::Acknowledged(_) => Fate::Acknowledged,
        Answer::Failed(_) => Fate::Failed,
        other => panic!("record {record}: {other:?}"),
    });
    let log = observe::read(world, TopicId(2), IsolationLevel::ReadUncommitted);
    Outcome { fates: fates.collect(), log: log.iter().map(|record| record.0 as u8).collect() }
}

/// All outcomes with at most so many cuts: every Produce request and answer passes, or its connection is cut.
pub fn with_cuts(config: Config, cuts: u8, defect: Option<Defect>) -> BTreeSet<Outcome> {
    let mut outcomes = BTreeSet::new();
    // What the draws decide is who backs off longer, of two that fail at once.
    let seeds = if config.in_flight > 1 && !config.idempotence { 0..3 } else { 0..1 };
    for seed in seeds {
        let mut start = world(&text(config, Pace { seed, ..Pace::default() }, ""), defect);
        start.ask(true);
        let mut open = vec![(start, cuts)];
        while let Some((mut world, cuts)) = open.pop() {
            // With nothing left to decide the rest runs through.
            world.ask(cuts > 0);
            while let Some(choice) = world.run_to_choice().expect("it ends") {
                if cuts > 0 && choice.key.api == Api::Produce {
                    let mut cut = world.clone();
                    cut.resolve(option::CUT);
                    open.push((cut, cuts - 1));
                }
                world.resolve(ChoiceOption::BENIGN);
            }
            outcomes.insert(outcome(&world));
        }
    }
    outcomes
}

/// All outcomes with one death of the leader: between any two facts about the records, from the first sending on.
pub fn with_a_kill(config: Config, defect: Option<Defect>) -> BTreeSet<Outcome> {
    let mut paces = vec![Pace::default()];
    if config.acks == Acks::One {
        let delays = [
            "link B2->B1 hold\nlink B3->B1 hold\n",
            "fault P Produce 1 response hold\n",
            "fault P Produce 2 response hold\n",
        ];
        let delays = &delays[usize::from(config.brokers < 3)..];
        paces.extend(delays.iter().map(|delay| Pace { delay, ..Pace::default() }));
        if config.brokers < 3 {
            paces.push(Pace { delay: "link B2->B1 hold\n", ..Pace::default() });
        }
        paces.push(Pace { is_apart: true, ..Pace::default() });
    }
    let mut outcomes = BTreeSet::new();
    for pace in paces {
        let (instants, benign) = instants(config, pace, defect);
        outcomes.extend(benign);
        for instant in instants {
            let ms = |instant: u64| format!("{}.{:03}ms", instant / 1000, instant % 1000);
            // What was kept back is lost with the connection; from then on nothing is.
            let steps = format!("at {} B1 kill\nat {} release P Produce\n", ms(instant), ms(instant + 1));
            let mut world = world(&text(config, pace, &steps), defect);
            world.run().expect("it ends");
            outcomes.insert(outcome(&world));
        }
    }
    outcomes
}

/// When something happens to the records if nothing goes wrong, each a microsecond later; and how that ends.
fn instants(config: Config, pace: Pace, defect: Option<Defect>) -> (BTreeSet<u64>, Option<Outcome>) {
    let mut benign = world(&text(config, pace, "wait 20ms\n"), defect);
    let is_produce = |request: &Request| matches!(request, Request::Produce { .. });
    let mut messages = BTreeSet::new();
    let mut instants = BTreeSet::new();
    benign.run().expect("it ends");
    for entry in benign.stage.trace.entries() {
        let is_about_records = match entry.event {
            Event::RequestSent { message, request, .. } if is_produce(&request) => messages.insert(message),
            Event::RequestReceived { message, .. }
            | Event::ResponseSent { message, .. }
            | Event::ResponseReceived { message, .. } => messages.contains(&message),
            Event::BatchAppended { batch } => batch.partition == PartitionId::DEFAULT,
            Event::HighWatermarkMoved { partition, .. } => partition == PartitionId::DEFAULT,
            _ => false,
        };
        if is_about_records {
            instants.insert(entry.at.0 + 1);
        }
    }
    // What is kept back for good is no end that the model knows: then only what happens before a time-out counts.
    let first = instants.first().copied().unwrap_or_default();
    instants.retain(|instant| *instant < first + 100_000);
    (instants, pace.delay.is_empty().then(|| outcome(&benign)))
}
