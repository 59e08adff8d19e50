//! The recordings of a real Kafka against the engine.

use super::{BadData, compare, json, names, observed, text, wire};
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

impl Recording {
    /// Its scores, and of what each is.
    pub fn scores(&self) -> [(&'static str, &Score); 3] {
        [("outcomes", &self.outcomes), ("replica logs", &self.replica_logs), ("wire", &self.wire)]
    }
}

/// Whether one kind of observations agrees.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    /// Nothing differs.
    pub agrees: bool,
    /// What differs, one place each.
    pub differences: Vec<String>,
    /// Why it is right that just this differs: all of it is known.
    pub reason: Option<String>,
    /// What is not as it was known: a difference that is new, or one that is gone. A text that can't be run is never
    /// known.
    pub unexpected: Vec<String>,
}

impl Score {
    fn of(differences: Result<Vec<String>, String>, known: Option<&Known>) -> Score {
        let differences = match differences {
            Ok(differences) => differences,
            Err(error) => {
                return Score {
                    unexpected: vec![error.clone()],
                    differences: vec![error],
                    ..Score::default()
                };
            }
        };
        let mut gone: Vec<&String> = known.map_or(&[][..], |known| &known.differences).iter().collect();
        let mut unexpected = Vec::new();
        for difference in &differences {
            match gone.iter().position(|known| *known == difference) {
                Some(place) => _ = gone.remove(place),
                None => unexpected.push(difference.clone()),
            }
        }
        unexpected.extend(gone.iter().map(|known| format!("known to differ, and does no more: {known}")));
        let reason = known.filter(|_| unexpected.is_empty()).map(|known| known.reason.clone());
        Score { agrees: differences.is_empty(), differences, reason, unexpected }
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

/// What is known to differ, by kind and recording.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Differs {
    outcomes: BTreeMap<String, Known>,
    replica_logs: BTreeMap<String, Known>,
    wire: BTreeMap<String, Known>,
}

/// Differences of one recording that are known, and why they are right.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    reason: String,
    differences: Vec<String>,
}

fn differs(path: &Path, texts: &[String]) -> Result<Differs, BadData> {
    let bad = |what: String| BadData { path: path.to_owned(), what };
    let differs: Differs = serde_json::from_value(json(path)?).map_err(|error| bad(error.to_string()))?;
    for (name, known) in differs.outcomes.iter().chain(&differs.replica_logs).chain(&differs.wire) {
        if !texts.contains(name) {
            return Err(bad(format!("there is no recording {name}")));
        }
        if known.reason.trim().is_empty() || known.differences.is_empty() {
            return Err(bad(format!("{name}: expected a reason, and what differs")));
        }
    }
    Ok(differs)
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
            [Ok(outcomes), Ok(logs), Ok(wire::differences(recorded, &engine))]
        }
        Err(error) => [(); 3].map(|()| Err(error.clone())),
    };
    Ok(Recording {
        outcomes: Score::of(outcomes, differs.outcomes.get(&name)),
        replica_logs: Score::of(replica_logs, differs.replica_logs.get(&name)),
        wire: Score::of(wire, differs.wire.get(&name)),
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
