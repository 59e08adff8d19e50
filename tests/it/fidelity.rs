//! The engine against a real Apache Kafka, and against the list of known outcomes: everything of `data/real-kafka` and
//! `data/rows` is run and compared, and `FIDELITY.md` says what came of it.

use kafka_guarantees::fidelity::{self, Fidelity, Standing, Totals};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Run once for all tests.
static FIDELITY: LazyLock<Fidelity> =
    LazyLock::new(|| fidelity::check(&project("tests/it/data")).unwrap_or_else(|bad| panic!("{bad}")));

fn totals() -> Totals {
    fidelity::totals(&FIDELITY)
}

#[test]
fn every_recording_agrees_or_says_why_not() {
    let mut report = Vec::new();
    for recording in &FIDELITY.recordings {
        let scores = [
            ("outcomes", &recording.outcomes),
            ("replica logs", &recording.replica_logs),
            ("wire", &recording.wire),
        ];
        for (what, score) in scores {
            match (score.agrees, &score.reason) {
                (true, None) | (false, Some(_)) => {}
                (true, Some(_)) => {
                    report.push(format!("{}: {what} agree now; take it off differs.json", recording.name));
                }
                (false, None) => {
                    report.push(format!(
                        "{}, {what}:\n    {}",
                        recording.name,
                        score.differences.join("\n    ")
                    ));
                }
            }
        }
    }
    let totals = totals();
    println!("{} of {} recordings agree", totals.outcomes.agree, totals.recordings);
    assert!(totals.recordings >= 81, "all recorded scenarios are compared");
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn every_row_agrees_or_lies_outside() {
    let mut report = Vec::new();
    for row in &FIDELITY.rows {
        match &row.standing {
            Standing::Agrees | Standing::Outside { .. } => {}
            Standing::Disagrees { differences } => {
                report.push(format!("{} {}:\n    {}", row.name, row.title, differences.join("\n    ")));
            }
            // Still being written; FIDELITY.md shows which.
            Standing::Missing => println!("{}: no scenario, and no word why not", row.name),
        }
    }
    assert_eq!(FIDELITY.rows.len(), 135);
    assert!(report.is_empty(), "{}", report.join("\n"));
}

/// `UPDATE_EXPECT=1` writes what is generated: read the diff.
#[test]
fn the_table_is_not_stale() {
    let generated =
        [("FIDELITY.md", fidelity::markdown(&FIDELITY)), ("src/view/fidelity.tsv", totals().lines())];
    for (path, text) in generated {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(project(path), text).expect("it can be written");
            continue;
        }
        let there = fs::read_to_string(project(path)).unwrap_or_default();
        assert!(
            there == text,
            "{path} is stale: UPDATE_EXPECT=1 cargo test --test it fidelity, and read the diff"
        );
    }
}
