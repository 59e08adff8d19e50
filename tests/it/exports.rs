//! The exports: held to texts in `data/exports`, which tests/e2e/exports.test.mjs hands to programs that read such files.
//! `UPDATE_EXPECT=1` writes them: read the diff.

use kafka_guarantees::scenario::{self, Scenario, link, presets};
use kafka_guarantees::view::export::{self, Exported, Format, Theme};
use std::fs;
use std::path::{Path, PathBuf};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/exports").join(name)
}

fn preset(id: &str) -> Scenario {
    presets::by_id(id).expect("a preset").scenario()
}

fn exported(scenario: &Scenario, format: Format) -> String {
    let (figure, look, count) = export::look_at(scenario).expect("it can be run");
    match export::export(scenario, &figure, &look, count, format) {
        Exported::Text(text) => text,
        json => serde_json::to_string_pretty(&json).expect("it can be written") + "\n",
    }
}

/// The scenarios that are held to files: an anomaly, transactions in the middle of a run, a title that is an attack.
fn scenarios() -> Vec<(&'static str, Scenario)> {
    let hostile = fs::read_to_string(data("hostile-title.txt")).expect("the text");
    let in_the_middle = "v=1&preset=exactly-once-crash-in-transaction&at=100ms";
    let read = |text: &str| {
        let reading = scenario::read(text);
        assert!(reading.problems.is_empty(), "{:?}", reading.problems);
        reading.scenario
    };
    vec![
        ("lost-acknowledgement", preset("at-least-once-lost-acknowledgement")),
        ("transaction", link::open(in_the_middle).scenario),
        ("hostile-title", read(&hostile)),
    ]
}

#[test]
fn exports_are_as_they_were() {
    let mut stale = Vec::new();
    for (name, scenario) in scenarios() {
        let formats = [
            ("svg", Format::Svg(Theme::Light)),
            ("dark.svg", Format::Svg(Theme::Dark)),
            ("mmd", Format::Mermaid),
            ("md", Format::Narration),
            ("trace.json", Format::Trace),
            ("chrome-trace.json", Format::ChromeTrace),
        ];
        for (ending, format) in formats {
            // One of the long files is enough.
            if ending.ends_with("json") && name != "hostile-title" {
                continue;
            }
            let (file, text) = (data(&format!("{name}.{ending}")), exported(&scenario, format));
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(file, text).expect("it can be written");
            } else if fs::read_to_string(&file).unwrap_or_default() != text {
                stale.push(file.display().to_string());
            }
        }
    }
    assert!(stale.is_empty(), "UPDATE_EXPECT=1 cargo test --test it exports, and read the diff: {stale:?}");
}

#[test]
fn every_preset_can_be_exported_in_every_form() {
    for preset in presets::all() {
        let scenario = preset.scenario();
        for (name, format) in Format::NAMES {
            let text = exported(&scenario, format);
            assert!(text.len() > 200, "{} as {name}", preset.id);
            match format {
                Format::Svg(_) => {
                    for word in ["var(", "light-dark", "NaN", "inf", "<script", "http://", "url("] {
                        let without_namespace = text.replacen("http://www.w3.org/2000/svg", "", 1);
                        assert!(!without_namespace.contains(word), "{}: {word}", preset.id);
                    }
                }
                Format::Mermaid => assert!(text.len() <= 50_000, "{}: Mermaid reads no more", preset.id),
                Format::Text => assert_eq!(scenario::read(&text).scenario.to_text(), text),
                _ => {}
            }
        }
    }
}

#[test]
fn a_picture_in_the_middle_says_so() {
    let at_end = exported(&preset("at-least-once"), Format::Svg(Theme::Light));
    let middle =
        exported(&link::open("v=1&preset=at-least-once&at=60ms").scenario, Format::Svg(Theme::Light));
    assert!(!at_end.contains("class=\"playhead\"") && middle.contains("class=\"playhead\""));
    assert!(middle.contains("class=\"future\""));
}

#[test]
fn no_title_becomes_markup() {
    let (_, hostile) = scenarios().pop().expect("the last");
    let svg = exported(&hostile, Format::Svg(Theme::Light));
    assert!(!svg.contains("<script") && svg.matches("</title>").count() == 1, "{svg}");
    let markdown = exported(&hostile, Format::Narration);
    let heading = markdown.lines().next().expect("a heading");
    assert!(!heading.contains("<script") && !heading.contains("[x]"), "{heading}");
    let mermaid = exported(&hostile, Format::Mermaid);
    let title = mermaid.lines().nth(1).expect("a title");
    assert_eq!(title.matches('"').count(), 2, "{title}");
}

#[test]
fn a_trace_names_every_fact_and_its_cause() {
    let trace: serde_json::Value =
        serde_json::from_str(&exported(&preset("at-least-once-lost-acknowledgement"), Format::Trace))
            .expect("JSON");
    let entries = trace["entries"].as_array().expect("a list");
    assert!(entries.len() > 100);
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(entry["id"], place);
        assert!(entry.get("cause").is_none_or(|cause| cause.as_u64() < Some(place as u64)), "{entry}");
    }
    let lost = entries.iter().find(|entry| entry["event"] == "MessageLost").expect("the lost answer");
    assert_eq!((&lost["api"], &lost["records"]), (&"Produce".into(), &serde_json::json!(["r2"])));
    let again = scenario::read(trace["scenario"].as_str().expect("the text"));
    assert!(again.problems.is_empty());
}
