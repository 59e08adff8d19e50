//! What is counted, not judged: which settings differ from Kafka's defaults, which requests clients send, which states and
//! exceptions the application has to handle. Read off the scenario, a run without faults, and the measured runs.

use super::claims::Counts;
use super::{Cell, Line, Measured, Row};
use crate::engine::kafka::error::{ExceptionClass, ExceptionClasses};
use crate::engine::kafka::event::Event;
use crate::engine::kafka::message::{Api, CoordinatorKey, Request};
use crate::engine::kafka::types::Node;
use crate::engine::meter::ClientStates;
use crate::engine::run;
use crate::scenario::{Client, Scenario};
use std::sync::Arc;

/// What a configuration involves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complexity {
    /// Settings of clients and topics that differ from Kafka's defaults: `acks=0 (default all)`.
    pub settings: Vec<String>,
    /// The kinds of requests that clients send when nothing goes wrong, in the order of first use.
    pub requests: Vec<&'static str>,
    /// Who coordinates.
    pub coordinators: Vec<&'static str>,
}

impl Complexity {
    /// Of a scenario that can be run.
    pub fn of(scenario: &Scenario) -> Complexity {
        let mut complexity = Complexity { settings: changed_settings(scenario), ..Complexity::default() };
        let Ok(lowered) = scenario.lower() else { return complexity };
        let run = run::run(&Arc::new(lowered.setup));
        for entry in run.world.stage.trace.entries() {
            let Event::RequestSent { request, .. } = &entry.event else { continue };
            let (Node::Client(_), api) = (entry.actor, request.api()) else { continue };
            // Goodbyes and signs of life are the client's own affair.
            if matches!(api, Api::Heartbeat | Api::LeaveGroup) {
                continue;
            }
            if !complexity.requests.contains(&api.name()) {
                complexity.requests.push(api.name());
            }
            if let Request::FindCoordinator { key } = request {
                let who = match key {
                    CoordinatorKey::Group(_) => "group coordinator",
                    CoordinatorKey::Transaction(_) => "transaction coordinator",
                };
                if !complexity.coordinators.contains(&who) {
                    complexity.coordinators.push(who);
                }
            }
        }
        complexity
    }
}

/// `key=value (default value)`, each once.
fn changed_settings(scenario: &Scenario) -> Vec<String> {
    let mut changed = Vec::new();
    let mut note = |key: &str, value: &str, default: &str| {
        let line = format!("{key}={value} (default {default})");
        if value != default && !changed.contains(&line) {
            changed.push(line);
        }
    };
    let topics = scenario.topics.iter().map(|topic| (&topic.name, &topic.settings));
    let applications = scenario.applications.iter().map(|known| (&known.name, &known.settings));
    let mut without = scenario.clone();
    for (owner, settings) in applications.chain(topics) {
        for setting in settings.iter() {
            without.set(owner, &setting.key, None);
            let of = |scenario: &Scenario| scenario.effective(owner, &setting.key).map(|known| known.value);
            if let (Some(value), Some(default)) = (of(scenario), of(&without)) {
                note(&setting.key, &value, &default);
            }
            without.set(owner, &setting.key, Some(&setting.value));
        }
    }
    for topic in &scenario.topics {
        // What a topic is created with if nobody says (`default.replication.factor`).
        note("replication.factor", &topic.replicas.len().to_string(), "1");
    }
    changed
}

/// The settings of clients and topics as properties, in the order of the scenario.
pub fn properties(scenario: &Scenario) -> String {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |title: String, lines: Vec<String>| {
        // Topics that are alike, and producers that are, need not be said twice.
        match blocks.iter_mut().find(|(_, known)| *known == lines) {
            Some((known, _)) => *known = format!("{known}, {title}"),
            None => blocks.push((title, lines)),
        }
    };
    for known in &scenario.applications {
        let lines = known.settings.iter().map(|setting| format!("{}={}", setting.key, setting.value));
        let client = if known.client == Client::Producer { "producer" } else { "consumer" };
        add(format!("{client} {}", known.name), lines.collect());
    }
    for topic in &scenario.topics {
        let lines = topic.settings.iter().map(|setting| format!("{}={}", setting.key, setting.value));
        let replicas = format!("replication.factor={}", topic.replicas.len());
        add(format!("topic {}", topic.name), std::iter::once(replicas).chain(lines).collect());
    }
    let blocks = blocks.into_iter().map(|(title, lines)| format!("# {title}\n{}\n", lines.join("\n")));
    blocks.collect::<Vec<_>>().join("\n")
}

/// How many of each.
pub(super) fn counts(column: &Measured) -> Counts {
    let Complexity { settings, requests, .. } = &column.complexity;
    [settings.len(), requests.len(), states(column).len(), exceptions(column).len()].map(|count| count as u64)
}

/// The states of producers and the listeners' calls in the measured runs.
fn states(column: &Measured) -> Vec<&'static str> {
    let bits = column.sums.iter().fold(0, |all, sums| all | sums.states.0);
    ClientStates(bits).names().collect()
}

/// The exceptions that reached the application in the measured runs.
fn exceptions(column: &Measured) -> Vec<&'static str> {
    let bits = column.sums.iter().fold(0, |all, sums| all | sums.raised.0);
    ExceptionClasses(bits).iter().map(ExceptionClass::name).collect()
}

/// The row of what is counted.
pub(super) fn row(columns: &[Measured]) -> Row {
    let cell = |column: &Measured| {
        let Complexity { settings, requests, coordinators } = &column.complexity;
        let list = |what, names: String| (what, if names.is_empty() { "none".to_owned() } else { names });
        Cell {
            number: counts(column).map(|count| count.to_string()).join(" · "),
            listed: vec![
                list("Settings", settings.join(", ")),
                list("Requests", requests.join(", ")),
                list("Coordinators", coordinators.join(", ")),
                list("States", states(column).join(", ")),
                list("Exceptions", exceptions(column).join(", ")),
            ],
            ..Cell::default()
        }
    };
    Row {
        title: "Complexity",
        lines: vec![Line {
            what: "settings changed · kinds of requests · states of the clients · exceptions that reached the application",
            cells: columns.iter().map(cell).collect(),
        }],
    }
}

/// The row of the settings.
pub(super) fn settings_row(columns: &[Measured]) -> Row {
    let cell = |column: &Measured| Cell { block: column.settings.clone(), ..Cell::default() };
    Row {
        title: "Typical setting",
        lines: vec![Line { what: "as it was measured", cells: columns.iter().map(cell).collect() }],
    }
}
