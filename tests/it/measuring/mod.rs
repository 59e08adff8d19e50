//! Many runs and what they come to: that each can be played, that sums do not depend on who made them, and that
//! the numbers are right where a formula says what they must be.

use kafka_guarantees::engine::check::{FinalLog, Judge};
use kafka_guarantees::engine::measure::{FaultKind, FaultMix, Metrics, Part, Runner};
use kafka_guarantees::engine::run::{self, Run};
use kafka_guarantees::engine::world::World;
use kafka_guarantees::scenario::measured::{Column, NotMeasurable, Workload};
use kafka_guarantees::scenario::presets::Guarantee;
use kafka_guarantees::scenario::{self, Scenario};
use std::sync::Arc;

/// All kinds of faults, often.
fn rough() -> FaultMix {
    let mut mix = FaultMix::none();
    for kind in FaultKind::ALL {
        mix.set_chance(kind, 200_000);
    }
    mix.set_chance(FaultKind::RequestCut, 5_000);
    mix.set_chance(FaultKind::ResponseCut, 5_000);
    mix
}

const SHORT: Workload = Workload {
    records: 30,
    every: kafka_guarantees::engine::sim::time::Span::millis(10),
    saturating_records: 60,
};

fn columns(mix: FaultMix, seed: u64) -> Vec<Column> {
    (Guarantee::ALL.iter())
        .map(|guarantee| Column::new(&guarantee.base().scenario(), SHORT, mix, seed).expect("a column"))
        .collect()
}

/// What the text of a scenario comes to, as the page would run it.
fn played(scenario: &Scenario) -> Run {
    let text = scenario.to_text();
    let setup = scenario::parse(&text).unwrap_or_else(|problems| panic!("{text}\n{problems:?}"));
    let run = run::run(&Arc::new(setup));
    assert_eq!(run.error, None, "{text}");
    run
}

/// Every replica's batches, without the places of their records in memory.
fn logs(world: &World) -> Vec<String> {
    let mut logs = Vec::new();
    for broker in &world.brokers {
        for partition in 0..world.image().partitions.len() {
            let partition = kafka_guarantees::engine::kafka::types::PartitionId(partition as u8);
            let Some(log) = broker.log(partition) else { continue };
            for batch in log.batches() {
                let records = world.stage.arenas.payloads.get(batch.records);
                logs.push(format!("{} {:?} {records:?}", batch.base_offset, batch.kind));
            }
        }
    }
    logs
}

#[test]
fn a_measured_run_can_be_played() {
    let mut kinds = [0; FaultKind::ALL.len()];
    for column in columns(rough(), 7) {
        let mut runner = Runner::new(&column.plan(Part::Faults));
        for run in 0..60 {
            let mut metrics = Metrics::default();
            runner.run(run, &mut metrics);
            if metrics.runs == 0 {
                continue;
            }
            let scenario = column.explain(Part::Faults, run).expect("it has ended before");
            let text = scenario.to_text();
            let played = played(&scenario);
            let (measured, shown) = (runner.world(), &played.world);
            assert_eq!(measured.stage.ledger, shown.stage.ledger, "run {run}\n{text}");
            assert_eq!(logs(measured), logs(shown), "run {run}\n{text}");
            let mut judge = Judge::new(&shown.stage.setup);
            judge.judge(&shown.stage.ledger, &FinalLog::of(shown));
            assert_eq!(judge.counts(), runner.sample().counts, "run {run}\n{text}");
            kinds.iter_mut().zip(metrics.faults).for_each(|(all, here)| *all += here);
        }
    }
    assert!(kinds.iter().all(|times| *times >= 5), "each kind of fault was played: {kinds:?}");
}

#[test]
fn what_nobody_reads_is_not_counted_as_unread() {
    use kafka_guarantees::engine::measure::Metric;
    let text = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3\nproducer P\nconsumer C group.id=g\n\
                program P produce 9 every 10ms\nC poll 9\n";
    let column = Column::new(&scenario::read(text).scenario, SHORT, FaultMix::none(), 0).expect("a column");
    let mut sums = Metrics::default();
    Runner::new(&column.plan(Part::Calm)).run(0, &mut sums);
    let estimate = |name: &str| Metric::by_name(name).expect("a number").estimate(&sums);
    assert_eq!(estimate("never_processed_per_million"), None, "C does nothing without its step");
    assert_eq!(estimate("acknowledged_lost_per_million").map(|estimate| estimate.value.0), Some(0));
}

#[test]
fn without_programs_there_is_nothing_to_measure() {
    let text = "kafka-guarantees 1\ntopic t replicas=B1,B2,B3\nproducer P\nP send r0\n";
    let scenario = scenario::read(text).scenario;
    let refused = Column::new(&scenario, SHORT, FaultMix::none(), 0);
    assert_eq!(refused.err(), Some(NotMeasurable::NoProgram));
}

mod closed_form;
mod examples;
mod luck;
mod shards;
