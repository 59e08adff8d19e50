//! The engine against a real Apache Kafka: every scenario text of `data/real-kafka/scenarios` is run, and what is
//! observed is compared with what a real three-broker Kafka 4.1.1 did (`data/real-kafka/recordings`).

use kafka_guarantees::engine::run;
use kafka_guarantees::scenario;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The observations that must agree; `wire` is scored apart.
const KEYS: [&str; 11] = [
    "producer_saw",
    "log_read_uncommitted",
    "log_read_committed",
    "replica_logs",
    "topics",
    "calls",
    "application_processed",
    "sink_rows",
    "reads",
    "verdict",
    "consumer_verdict",
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/data/real-kafka")
}

/// The names of all recorded scenarios, in alphabetical order.
fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(data().join("scenarios"))
        .expect("the scenarios")
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(names.len(), 81, "all recorded scenarios are compared");
    names
}

/// What the engine observes, as JSON with the recordings' keys.
fn observed(text: &str) -> Result<Value, String> {
    let setup = scenario::parse(text).map_err(|errors| format!("does not parse: {errors:?}"))?;
    let run = run::run(&setup.into());
    if let Some(error) = run.error {
        return Err(format!("did not end: {error:?}"));
    }
    serde_json::to_value(run.observations()).map_err(|error| error.to_string())
}

/// Where two observations differ, in words that a person can read.
fn differences(path: &str, recorded: &Value, engine: &Value, out: &mut Vec<String>) {
    match (recorded, engine) {
        (Value::Object(recorded), Value::Object(engine)) => {
            for (key, value) in recorded {
                match engine.get(key) {
                    Some(other) => differences(&format!("{path}.{key}"), value, other, out),
                    None => out.push(format!("{path}.{key}: recorded {value}, the engine has none")),
                }
            }
            for key in engine.keys().filter(|key| !recorded.contains_key(*key)) {
                out.push(format!("{path}.{key}: not recorded, the engine has {}", engine[key]));
            }
        }
        (Value::Array(recorded), Value::Array(engine)) => {
            let common = recorded.iter().zip(engine).take_while(|(a, b)| a == b).count();
            if recorded == engine {
                return;
            }
            let show = |list: &[Value]| {
                list.iter()
                    .skip(common)
                    .take(4)
                    .map(Value::to_string)
                    .collect::<Vec<_>>()
                    .join("\n                ")
            };
            out.push(format!(
                "{path}: {common} agree, then ({} recorded, {} in the engine)\n      recorded: {}\n      engine:   {}",
                recorded.len(),
                engine.len(),
                show(recorded),
                show(engine),
            ));
        }
        _ if recorded == engine => {}
        _ => out.push(format!("{path}: recorded {recorded}, engine {engine}")),
    }
}

fn disagreements(name: &str) -> Vec<String> {
    let text = fs::read_to_string(data().join(format!("scenarios/{name}.txt"))).expect("the scenario");
    let recording =
        fs::read_to_string(data().join(format!("recordings/{name}.json"))).expect("the recording");
    let recording: Value = serde_json::from_str(&recording).expect("JSON");
    let engine = match observed(&text) {
        Ok(engine) => engine,
        Err(error) => return vec![error],
    };
    let mut out = Vec::new();
    for key in KEYS {
        differences(key, &recording["observed"][key], &engine[key], &mut out);
    }
    out
}

/// Recorded scenarios that the engine does not yet run as recorded. A scenario that agrees must not stand here.
const NOT_YET: &[&str] = &[];

#[test]
fn observations_agree_with_the_recordings() {
    let mut report = Vec::new();
    let names = names();
    let mut agree = 0;
    for name in &names {
        let found = disagreements(name);
        let excused = NOT_YET.contains(&name.as_str());
        match (found.is_empty(), excused) {
            (true, false) => agree += 1,
            (true, true) => report.push(format!("{name}: agrees now; take it off the list NOT_YET")),
            (false, true) => {}
            (false, false) => report.push(format!("{name}:\n    {}", found.join("\n    "))),
        }
    }
    println!("{agree} of {} recordings agree", names.len());
    assert!(report.is_empty(), "{agree} of {} recordings agree\n{}", names.len(), report.join("\n"));
}

/// The comparison itself: a changed expectation must be noticed.
#[test]
fn a_changed_expectation_is_noticed() {
    let recorded: Value = serde_json::json!({"a": ["x", "y"], "b": 1, "c": {"d": "e"}});
    for (path, changed) in [
        ("a", serde_json::json!({"a": ["x", "z"], "b": 1, "c": {"d": "e"}})),
        ("a", serde_json::json!({"a": ["x"], "b": 1, "c": {"d": "e"}})),
        ("b", serde_json::json!({"a": ["x", "y"], "b": 2, "c": {"d": "e"}})),
        ("c.d", serde_json::json!({"a": ["x", "y"], "b": 1, "c": {"d": "f"}})),
        ("c.g", serde_json::json!({"a": ["x", "y"], "b": 1, "c": {"d": "e", "g": 1}})),
        ("c.d", serde_json::json!({"a": ["x", "y"], "b": 1, "c": {}})),
    ] {
        let mut out = Vec::new();
        differences("", &recorded, &changed, &mut out);
        assert_eq!(out.len(), 1, "{changed}");
        assert!(out[0].starts_with(&format!(".{path}:")), "{}", out[0]);
    }
    let mut out = Vec::new();
    differences("", &recorded, &recorded, &mut out);
    assert!(out.is_empty());
}

/// Recordings whose wire differs by more than the noise that their README names, and why.
const WIRE_DIFFERS: &[(&str, &str)] = &[
    ("group-coordinator-failover", "the commit leaves before the consumer notices that its coordinator died"),
    (
        "no-rewind-after-abort",
        "a race: records and offsets of one instant; other recordings have the engine's order",
    ),
    ("two-producers", "a race: which of two producers gets its producer id first"),
];

/// One client's requests in the order in which they left, and the answers that it read.
#[derive(Debug, Default, PartialEq)]
struct ClientWire {
    requests: Vec<String>,
    answers: Vec<String>,
}

/// The wire by client, without the noise that the recordings' README names: times, how often something is repeated
/// on a timer (so: numbers, and what repeats the line before it), the broker of an idempotent InitProducerId, requests
/// between brokers, joins and leaves, and answers on connections that have ended.
fn wires(observed: &Value) -> Vec<(String, ClientWire)> {
    let mut wires: Vec<(String, ClientWire)> = Vec::new();
    for line in observed["wire"].as_array().expect("a list") {
        let line = line.as_str().expect("a line");
        let (request, fate) = line.rsplit_once(" | ").expect("a request and its fate");
        let mut words = request.split_whitespace().skip(2);
        let mut word = || words.next().expect("time, ms, client, broker, kind, number");
        let (client, broker, api, _number) = (word(), word(), word(), word());
        if client.starts_with("AddPartitionsManager") || matches!(api, "JoinGroup" | "LeaveGroup") {
            continue;
        }
        // The recorder numbers its runs: P-17.
        let client = client.split('-').next().expect("a name");
        let content = words.collect::<Vec<_>>().join(" ");
        let broker = if content == "idempotent" { "any broker" } else { broker };
        let index = wires.iter().position(|(name, _)| name == client).unwrap_or_else(|| {
            wires.push((client.to_string(), ClientWire::default()));
            wires.len() - 1
        });
        let line = format!("{broker} {api} {content} | {fate}");
        let wire = &mut wires[index].1;
        if !fate.starts_with("answered") {
            if wire.requests.last() != Some(&line) {
                wire.requests.push(line);
            }
        } else if !fate.ends_with("cut before the client read it") {
            wire.answers.push(line);
        }
    }
    wires.sort_by(|a, b| a.0.cmp(&b.0));
    wires
}

/// Every client sends the same requests in the same order, and reads no answer that the recorded one did not get.
#[test]
fn wires_agree_with_the_recordings() {
    let mut report = Vec::new();
    for name in &names() {
        let text = fs::read_to_string(data().join(format!("scenarios/{name}.txt"))).expect("its text");
        let recording =
            fs::read_to_string(data().join(format!("recordings/{name}.json"))).expect("its recording");
        let recording: Value = serde_json::from_str(&recording).expect("JSON");
        let recorded = wires(&recording["observed"]);
        let engine = wires(&observed(&text).expect("it runs"));
        let mut found = Vec::new();
        for (client, wire) in &engine {
            let Some((_, known)) = recorded.iter().find(|(name, _)| name == client) else {
                found.push(format!("{client}: not recorded"));
                continue;
            };
            if wire.requests != known.requests {
                let (recorded, engine) = (known.requests.join("\n      "), wire.requests.join("\n      "));
                found.push(format!(
                    "{client}: recorded\n      {recorded}\n    {client}: engine\n      {engine}"
                ));
            }
            let unheard = wire.answers.iter().filter(|answer| !known.answers.contains(answer));
            found.extend(unheard.map(|answer| format!("{client}: only the engine has {answer}")));
        }
        if recorded.len() != engine.len() {
            found.push(format!("{} clients recorded, {} in the engine", recorded.len(), engine.len()));
        }
        let excused = WIRE_DIFFERS.iter().any(|(excused, _)| excused == name);
        match (found.is_empty(), excused) {
            (true, true) => report.push(format!("{name}: agrees now; take it off the list WIRE_DIFFERS")),
            (false, false) => report.push(format!("{name}:\n    {}", found.join("\n    "))),
            (true, false) | (false, true) => {}
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}
