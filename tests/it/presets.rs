//! What each preset shows, as the sentence above the picture says it.

use kafka_guarantees::engine::run;
use kafka_guarantees::scenario::{self, presets};
use kafka_guarantees::view::figure::Figure;
use std::sync::Arc;

const HEADLINES: &[(&str, &str)] = &[
    ("at-most-once", "Every record is stored once, and takes effect once."),
    ("at-most-once-lost-in-delivery", "Record 2 is lost, and its producer does not know."),
    ("at-most-once-lost-in-processing", "Record 2 is stored and never processed."),
    ("at-least-once", "Every record is stored once, and takes effect once."),
    ("at-least-once-lost-acknowledgement", "Record 2 is stored twice, and its effect happens twice."),
    ("at-least-once-lost-acknowledgement-idempotent", "Every record is stored once, and takes effect once."),
    ("at-least-once-crash-before-commit", "Record 2 is stored once, and its effect happens twice."),
    ("at-least-once-crash-before-commit-upsert", "Record 2 is processed twice, but takes effect once."),
    ("at-least-once-leader-dies", "Records 3 to 5 were acknowledged and are lost."),
    ("at-least-once-leader-dies-acks-all", "Records 3 and 4 are stored behind a record that was sent later."),
    ("exactly-once", "Every record is stored once."),
    (
        "exactly-once-crash-in-transaction",
        "Records r0 to r5 are processed twice, but their outputs are stored once.",
    ),
    ("exactly-once-lost-commit-response", "Every record is stored once."),
    ("exactly-once-database", "Records r0 to r5 are stored once, and their effects happen twice."),
    ("exactly-once-database-upsert", "Records r0 to r5 are processed twice, but take effect once."),
    ("log-aggregation", "Record 2 is lost, and its producer does not know."),
    ("notifications", "Record 2 is stored once, and its effect happens twice."),
    ("orders", "Records r0 and r1 are processed twice, but their outputs are stored once."),
];

#[test]
fn each_preset_tells_its_own_outcome() {
    let told: Vec<(&str, String)> = presets::all()
        .iter()
        .map(|preset| {
            let setup = Arc::new(scenario::parse(preset.text).expect("a valid text"));
            (preset.id, Figure::new(run::run(&setup)).verdict.headline)
        })
        .collect();
    let expected: Vec<(&str, String)> =
        HEADLINES.iter().map(|(id, text)| (*id, (*text).to_string())).collect();
    assert_eq!(told, expected);
}
