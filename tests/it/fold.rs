//! The trace is complete: folding it rebuilds what is shown of the final world. A picture and the world it stands for
//! can then not disagree.

use kafka_guarantees::engine::kafka::types::*;
use kafka_guarantees::engine::run::{self, Run};
use kafka_guarantees::scenario::{self, presets};
use kafka_guarantees::view::state::{History, State};
use kafka_guarantees::view::story::{Index, Story};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The final state as the trace tells it.
fn folded(run: &Run) -> State {
    let stage = &run.world.stage;
    let entries = stage.trace.entries();
    let index = Index::new(&stage.setup, entries, &stage.arenas);
    let story = Story { setup: &stage.setup, entries, arenas: &stage.arenas, index: &index };
    History::new(story).at(story, entries.len())
}

/// Where the fold and the world disagree.
fn disagreements(run: &Run, state: &State) -> Vec<String> {
    let world = &run.world;
    let mut found = Vec::new();
    for index in 0..world.image().partitions.len() {
        let partition = PartitionId(index as u8);
        let image = world.image().partition(partition);
        let shown = &state.partitions[index];
        let told = (shown.leader, shown.leader_epoch, shown.partition_epoch, shown.isr, shown.elr);
        let held = (image.leader, image.leader_epoch, image.partition_epoch, image.isr, image.elr);
        if told != held {
            found.push(format!("partition {index}: the trace tells {told:?}, the controller holds {held:?}"));
        }
        for broker in 0..world.brokers.len() {
            let broker = BrokerId::from_index(broker);
            let log = world.brokers[broker.index()].log(partition);
            let replica = state.replica(broker, partition);
            let (Some(log), Some(replica)) = (log, replica) else {
                if log.is_some_and(|log| !log.batches().is_empty()) {
                    found.push(format!("{broker}, partition {index}: the trace knows of no log"));
                }
                continue;
            };
            let start = log.log_start_offset();
            let held: Vec<_> = log
                .batches()
                .iter()
                .flat_map(|batch| (batch.base_offset..batch.next_offset()).map(move |offset| (offset, batch)))
                .filter(|(offset, _)| *offset >= start)
                .map(|(offset, batch)| (offset, batch.leader_epoch, batch.producer_id, batch.producer_epoch))
                .collect();
            let told: Vec<_> = replica
                .cells()
                .filter(|cell| cell.offset >= start)
                .map(|cell| (cell.offset, cell.leader_epoch, cell.producer_id, cell.producer_epoch))
                .collect();
            if told != held {
                found.push(format!(
                    "{broker}, partition {index}: the trace tells {told:?}, the log holds {held:?}"
                ));
            }
            let told = (replica.high_watermark, replica.last_stable_offset);
            let held = (log.high_watermark(), log.last_stable_offset());
            if told != held {
                found.push(format!("{broker}, partition {index}: the trace tells the watermarks {told:?}, the log has {held:?}"));
            }
        }
    }
    found
}

fn check(name: &str, text: &str, report: &mut Vec<String>) {
    let setup = Arc::new(scenario::parse(text).expect("a valid text"));
    let run = run::run(&setup);
    let state = folded(&run);
    report.extend(disagreements(&run, &state).into_iter().map(|line| format!("{name}: {line}")));
}

#[test]
fn folding_the_trace_rebuilds_the_world() {
    let mut report = Vec::new();
    for preset in presets::all() {
        check(preset.id, preset.text, &mut report);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka/scenarios");
    for entry in fs::read_dir(folder).expect("the scenarios") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        check(&path.file_stem().expect("a name").to_string_lossy(), &text, &mut report);
    }
    assert!(report.is_empty(), "{} disagreements\n{}", report.len(), report.join("\n"));
}

/// The comparison itself: a state from which a fact is missing must be noticed.
#[test]
fn a_missing_fact_is_noticed() {
    let preset = presets::by_id("at-least-once").expect("a preset");
    let setup = Arc::new(scenario::parse(preset.text).expect("a valid text"));
    let run = run::run(&setup);
    let stage = &run.world.stage;
    let entries = stage.trace.entries();
    let index = Index::new(&stage.setup, entries, &stage.arenas);
    let story = Story { setup: &stage.setup, entries, arenas: &stage.arenas, index: &index };
    let half = History::new(story).at(story, entries.len() / 2);
    assert!(!disagreements(&run, &half).is_empty());
}
