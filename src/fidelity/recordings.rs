//! The recordings of a real Kafka against the engine.

use super::{BadData, compare, json, names, observed, text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// The observations that must agree, but for the replicas' logs and the wire, which are scored apart.
pub(super) const OUTCOMES: [&str; 10] = [
    "producer_saw",
    "log_read_uncommitted",
    "log_read_committed",
    "topics",
    "calls",
    "application_processed",
    "sink_rows",
    "reads",
    "verdict",
    "consumer_verdict",
];

/// The key of the logs, at the top and in each of `topics`.
pub(super) const REPLICA_LOGS: &str = "replica_logs";

/// A recording and what the engine says to its text.
#[derive(Clone, Debug, Serialize)]
pub struct Recording {
    /// Its name: that of its files.
    pub name: String,
    /// What the text is called.
    pub title: String,
    /// What producers were told, calls, reads, processing, sinks, verdicts.
    pub outcomes: Score,
    /// Every replica's log, batch by batch.
    pub replica_logs: Score,
    /// The order of each client's requests, with contents and error codes.
    pub wire: Score,
}

/// Whether one kind of observations agrees.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    /// Nothing differs.
    pub agrees: bool,
    /// What differs, one place each.
    pub differences: Vec<String>,
    /// Why it is right that something differs.
    pub reason: Option<String>,
}

impl Score {
    fn of(differences: Vec<String>, reason: Option<String>) -> Score {
        Score { agrees: differences.is_empty(), differences, reason }
    }
}

/// Compares every recording of a folder with what the engine does with its text.
pub(super) fn check(folder: &Path) -> Result<Vec<Recording>, BadData> {
    let scenarios = folder.join("scenarios");
    let texts = names(&scenarios, "txt")?;
    let recorded = names(&folder.join("recordings"), "json")?;
    if let Some(lonely) = texts.iter().find(|name| !recorded.contains(name)) {
        return Err(BadData { path: scenarios, what: format!("there is no recording of {lonely}") });
    }
    if let Some(lonely) = recorded.iter().find(|name| !texts.contains(name)) {
        return Err(BadData {
            path: scenarios,
            what: format!("there is no text for the recording {lonely}"),
        });
    }
    let differs = differs(&folder.join("differs.json"), &texts)?;
    texts.into_iter().map(|name| check_one(folder, name, &differs)).collect()
}

/// Why something is known to differ, by kind and recording.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Differs {
    outcomes: BTreeMap<String, String>,
    replica_logs: BTreeMap<String, String>,
    wire: BTreeMap<String, String>,
}

fn differs(path: &Path, texts: &[String]) -> Result<Differs, BadData> {
    let bad = |what: String| BadData { path: path.to_owned(), what };
    let differs: Differs = serde_json::from_value(json(path)?).map_err(|error| bad(error.to_string()))?;
    let mut all = differs.outcomes.keys().chain(differs.replica_logs.keys()).chain(differs.wire.keys());
    match all.find(|name| !texts.contains(name)) {
        Some(name) => Err(bad(format!("there is no recording {name}"))),
        None => Ok(differs),
    }
}

fn check_one(folder: &Path, name: String, differs: &Differs) -> Result<Recording, BadData> {
    let source = text(&folder.join(format!("scenarios/{name}.txt")))?;
    let recording = json(&folder.join(format!("recordings/{name}.json")))?;
    let recorded = &recording["observed"];
    let title =
        source.lines().find_map(|line| line.strip_prefix("title ")).unwrap_or(&name).trim().to_owned();
    let [outcomes, replica_logs, wire] = match observed(&source) {
        Ok(engine) => {
            let mut outcomes = Vec::new();
            for key in OUTCOMES {
                let (recorded, engine) = (without_logs(&recorded[key]), without_logs(&engine[key]));
                compare::differences(key, &recorded, &engine, &mut outcomes);
            }
            let mut logs = Vec::new();
            compare::differences("", &logs_only(recorded), &logs_only(&engine), &mut logs);
            [outcomes, logs, wire_differences(recorded, &engine)]
        }
        Err(error) => [(); 3].map(|()| vec![error.clone()]),
    };
    Ok(Recording {
        outcomes: Score::of(outcomes, differs.outcomes.get(&name).cloned()),
        replica_logs: Score::of(replica_logs, differs.replica_logs.get(&name).cloned()),
        wire: Score::of(wire, differs.wire.get(&name).cloned()),
        name,
        title,
    })
}

fn without_logs(value: &Value) -> Value {
    match value {
        Value::Object(entries) => (entries.iter())
            .filter(|(key, _)| *key != REPLICA_LOGS)
            .map(|(key, value)| (key.clone(), without_logs(value)))
            .collect(),
        other => other.clone(),
    }
}

/// The replicas' logs of the default topic and of the others.
fn logs_only(observed: &Value) -> Value {
    let others = observed["topics"].as_object().into_iter().flatten();
    let others = others.map(|(topic, observed)| (format!("topics.{topic}"), observed[REPLICA_LOGS].clone()));
    std::iter::once((REPLICA_LOGS.to_owned(), observed[REPLICA_LOGS].clone())).chain(others).collect()
}

/// One client's requests in the order in which they left, and the answers that it read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientWire {
    /// Broker, kind, content and what became of it.
    pub requests: Vec<String>,
    /// The same with the answer.
    pub answers: Vec<String>,
}

/// The wire by client, without the noise that the recordings' README names: times, how often something is repeated
/// on a timer (so: numbers, and what repeats the line before it), the broker of an idempotent InitProducerId, requests
/// between brokers, joins and leaves, and answers on connections that have ended.
pub fn wires(observed: &Value) -> Vec<(String, ClientWire)> {
    let mut wires: Vec<(String, ClientWire)> = Vec::new();
    for line in observed["wire"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let Some((request, fate)) = line.rsplit_once(" | ") else { continue };
        // Time, "ms", client, broker, kind, number, content.
        let words: Vec<&str> = request.split_whitespace().skip(2).collect();
        let [client, broker, api, _number, content @ ..] = words.as_slice() else { continue };
        if client.starts_with("AddPartitionsManager") || matches!(*api, "JoinGroup" | "LeaveGroup") {
            continue;
        }
        // The recorder numbers its runs: P-17.
        let client = client.split('-').next().unwrap_or(client);
        let content = content.join(" ");
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
fn wire_differences(recorded: &Value, engine: &Value) -> Vec<String> {
    let (recorded, engine) = (wires(recorded), wires(engine));
    let mut found = Vec::new();
    for (client, wire) in &engine {
        let Some((_, known)) = recorded.iter().find(|(name, _)| name == client) else {
            found.push(format!("{client}: not recorded"));
            continue;
        };
        if wire.requests != known.requests {
            let (recorded, engine) = (known.requests.join("\n      "), wire.requests.join("\n      "));
            found.push(format!("{client}: recorded\n      {recorded}\n    {client}: engine\n      {engine}"));
        }
        let unheard = wire.answers.iter().filter(|answer| !known.answers.contains(answer));
        found.extend(unheard.map(|answer| format!("{client}: only the engine has {answer}")));
    }
    for (client, _) in recorded.iter().filter(|(name, _)| engine.iter().all(|(known, _)| known != name)) {
        found.push(format!("{client}: recorded, and not in the engine"));
    }
    found
}
