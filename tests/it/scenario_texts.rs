//! The texts that a real Kafka was recorded with: all can be read, and print back to what they say.

use std::fs;
use std::path::Path;

use kafka_guarantees::scenario::{self, Scenario};

/// Name and text of each.
fn texts() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka/scenarios");
    let mut texts: Vec<_> = fs::read_dir(folder)
        .expect("the folder of texts")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a text"))
        })
        .collect();
    texts.sort();
    texts
}

fn read(name: &str, text: &str) -> Scenario {
    let reading = scenario::read(text);
    assert!(reading.problems.is_empty(), "{name}: {:?}", reading.problems);
    assert!(reading.lowered.is_some(), "{name} is not resolved");
    reading.scenario
}

#[test]
fn every_recorded_text_is_read_and_printed_back() {
    let texts = texts();
    assert_eq!(texts.len(), 81);
    for (name, text) in texts {
        let scenario = read(&name, &text);
        let printed = scenario.to_text();
        assert_eq!(read(&name, &printed), scenario, "{name}");
        assert_eq!(read(&name, &printed).to_text(), printed, "{name}");
    }
}

#[test]
fn a_step_keeps_its_wording() {
    // The observed calls are listed by it: "P offsets C 4 group-id-only -> ok".
    for (name, text) in texts() {
        let lowered = scenario::read(&text).lowered.expect("a setup");
        for line in &lowered.setup.script {
            let written = text.lines().nth(line.line as usize - 1).expect("its line");
            let written = written.split(" #").next().unwrap_or_default().trim().trim_end_matches(" &");
            let spans = [("500ms", "500ms"), ("1200ms", "1.2s"), ("1500ms", "1.5s"), ("3500ms", "3.5s")];
            let written = spans.iter().fold(written.to_owned(), |line, (from, to)| {
                if line == format!("wait {from}") { format!("wait {to}") } else { line }
            });
            assert_eq!(line.text, written, "{name}, line {}", line.line);
        }
    }
}
