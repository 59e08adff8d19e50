//! What may still become of a run: where the moment of no return is and why, for presets, scenes of the guide and texts that
//! a real Kafka was recorded with; and the same by the definition, word for word.

mod definition;
mod odds;

use kafka_guarantees::engine::futures::no_return::{Found, Search};
use kafka_guarantees::engine::run;
use kafka_guarantees::engine::script::Setup;
use kafka_guarantees::scenario::{link, parse, presets};
use kafka_guarantees::view::figure::Figure;
use kafka_guarantees::view::guide;
use kafka_guarantees::view::moments::{self, Told};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Every preset and every scene of the guide, with its name.
fn scenes() -> Vec<(String, Arc<Setup>)> {
    let presets = presets::all()
        .iter()
        .map(|preset| (format!("preset {}", preset.id), Arc::new(parse(preset.text).expect("a valid text"))));
    let scenes = guide::all_scenes().into_iter().map(|scene| {
        let lowered = link::open(&scene.link()).scenario.lower().expect("it can be run");
        (format!("scene {}", scene.name), Arc::new(lowered.setup))
    });
    let mut list: Vec<(String, Arc<Setup>)> = Vec::new();
    for (name, setup) in presets.chain(scenes) {
        // Many scenes are presets.
        if list.iter().all(|(_, known)| *known != setup) {
            list.push((name, setup));
        }
    }
    list
}

/// Texts that a real Kafka was recorded with, in which a promise is broken.
const RECORDED: &[&str] = &[
    "acks0-cut",
    "acks1-failover",
    "acks1-zombie-leader",
    "all-zombie-leader-nonidemp",
    "auto-commit-hand-off-crash",
    "commit-async-response-lost",
    "commit-then-process-crash",
    "commit-timeout-repeat",
    "consumer-paused",
    "crash-before-end-txn",
    "delayed-end-txn-tv1",
    "epoch-bump-duplicate",
    "heartbeat-held",
    "hanging-tv1",
    "last-isr-wiped",
    "late-request-nonidemp",
    "lost-ack-nonidemp",
    "marker-leader-down",
    "process-then-commit-crash",
    "reset-latest",
    "restart-without-crash",
    "rf1-power-loss",
    "retriable-error-reorder-nonidemp",
    "silently-not-idempotent",
    "sink-insert-crash",
    "unclean-election",
    "unclean-later",
];

fn moments_of(setup: &Arc<Setup>) -> Found {
    let mut search = Search::new(setup);
    while !search.advance(u64::MAX) {}
    search.found()
}

fn told(setup: &Arc<Setup>) -> Told {
    Told::new(&Figure::new(run::run(setup)), &moments_of(setup))
}

#[test]
fn the_moments_of_every_broken_promise() {
    let mut text = String::new();
    let recorded = RECORDED.iter().map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka/scenarios");
        let path = path.join(format!("{name}.txt"));
        let source = fs::read_to_string(path).expect("the text");
        (format!("recorded {name}"), Arc::new(parse(&source).expect("a valid text")))
    });
    for (name, setup) in scenes().into_iter().chain(recorded) {
        let told = told(&setup);
        if !told.promises.is_empty() {
            let _ = write!(text, "{name}\n{}\n", moments::text(&told));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/futures/moments.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, &text).expect("the snapshot can be written");
    }
    assert_eq!(text, fs::read_to_string(path).unwrap_or_default());
}
