//! What a reader can do to a scenario, as values: clicks, keys and programs all send these.

use super::presets;
use super::vocabulary::{COMMITS, SINKS, word};
use super::*;

/// A control of the page: one thing that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Control {
    /// `acks` of the main producer.
    Acks,
    /// `enable.idempotence` of the main producer.
    Idempotence,
    /// `retries` of the main producer.
    Retries,
    /// `max.in.flight.requests.per.connection` of the main producer.
    MaxInFlight,
    /// `transactional.id` of the main producer; empty: none, and no transactions.
    TransactionalId,
    /// How many replicas each topic has.
    ReplicationFactor,
    /// `min.insync.replicas` of each declared topic.
    MinInsyncReplicas,
    /// When the main consumer's program commits.
    Commit,
    /// `isolation.level` of the main consumer.
    IsolationLevel,
    /// Where the main consumer writes.
    Sink,
    /// How many records are produced.
    Records,
    /// The seed of every random draw.
    Seed,
}

impl Control {
    /// All of them.
    pub const ALL: [Control; 12] = [
        Control::Acks,
        Control::Idempotence,
        Control::Retries,
        Control::MaxInFlight,
        Control::TransactionalId,
        Control::ReplicationFactor,
        Control::MinInsyncReplicas,
        Control::Commit,
        Control::IsolationLevel,
        Control::Sink,
        Control::Records,
        Control::Seed,
    ];

    /// The key or the word under which it is known.
    pub const fn key(self) -> &'static str {
        match self {
            Control::Acks => "acks",
            Control::Idempotence => "enable.idempotence",
            Control::Retries => "retries",
            Control::MaxInFlight => "max.in.flight.requests.per.connection",
            Control::TransactionalId => "transactional.id",
            Control::ReplicationFactor => "replication.factor",
            Control::MinInsyncReplicas => "min.insync.replicas",
            Control::Commit => "commit",
            Control::IsolationLevel => "isolation.level",
            Control::Sink => "sink",
            Control::Records => "records",
            Control::Seed => "seed",
        }
    }

    /// What it is set to in a scenario, or what is in force without; none: the scenario has nothing that it controls.
    pub fn value(self, scenario: &Scenario) -> Option<String> {
        let effective = |owner: Option<&str>, key| Some(scenario.effective(owner?, key)?.value);
        let written = |owner: Option<&str>, key: &str| {
            let settings = &scenario.application(owner?)?.settings;
            settings.get(key).map(str::to_owned)
        };
        let (producer, consumer) = (scenario.main_producer(), scenario.main_consumer());
        let topic = scenario.topics.first();
        match self {
            Control::Acks | Control::Idempotence | Control::Retries | Control::MaxInFlight => {
                // What was written is shown as written, also where Kafka refuses it.
                written(producer, self.key()).or_else(|| effective(producer, self.key()))
            }
            Control::TransactionalId => Some(written(Some(producer?), self.key()).unwrap_or_default()),
            Control::ReplicationFactor => Some(topic?.replicas.len().to_string()),
            Control::MinInsyncReplicas => effective(Some(&topic?.name), self.key()),
            Control::Commit => Some(word(COMMITS, &scenario.commit_strategy(consumer?)?).to_owned()),
            Control::IsolationLevel => effective(consumer, self.key()),
            Control::Sink => Some(word(SINKS, &scenario.sink(consumer?)?).to_owned()),
            Control::Records => Some(scenario.record_count()?.to_string()),
            Control::Seed => Some(scenario.seed.to_string()),
        }
    }

    /// Whose setting it is: the name of an application or a topic; empty: the scenario's own.
    pub fn owner(self, scenario: &Scenario) -> &str {
        match self {
            Control::Acks
            | Control::Idempotence
            | Control::Retries
            | Control::MaxInFlight
            | Control::TransactionalId => scenario.main_producer().unwrap_or_default(),
            Control::Commit | Control::IsolationLevel | Control::Sink => {
                scenario.main_consumer().unwrap_or_default()
            }
            Control::ReplicationFactor | Control::MinInsyncReplicas => {
                scenario.topics.first().map(|topic| topic.name.as_str()).unwrap_or_default()
            }
            Control::Records | Control::Seed => "",
        }
    }
}

/// Something done to a scenario.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Another scenario takes its place.
    Open(Box<Scenario>),
    /// A preset takes its place, by its id. What is not known changes nothing.
    OpenPreset(String),
    /// A control is set. What can't be a value of it changes nothing; what Kafka refuses is set all the same, so that
    /// Kafka's answer can be shown.
    Set(Control, String),
    /// A step is added, written as in a text. What can't be read changes nothing.
    AddStep(String),
    /// Steps are added at the end: all that happened before the first of them stays.
    AddSteps(Vec<StepLine>),
    /// A step is taken out, by its place from 0.
    RemoveStep(usize),
}

/// The scenario after a command.
#[must_use]
pub fn reduce(scenario: &Scenario, command: &Command) -> Scenario {
    let mut changed = scenario.clone();
    match command {
        Command::Open(other) => return (**other).clone(),
        Command::OpenPreset(id) => {
            if let Some(preset) = presets::by_id(id) {
                return preset.scenario();
            }
        }
        Command::Set(control, value) => set(&mut changed, *control, value.trim()),
        Command::AddStep(line) => {
            // A step that can't be read is not added: the scenario stays as it was.
            let _ = changed.add_step(line);
        }
        Command::AddSteps(lines) if changed.steps.len() + lines.len() <= limits::STEPS => {
            // What is said already is not said twice.
            let new = lines.iter().filter(|line| !scenario.steps.contains(line));
            changed.steps.extend(new.cloned());
        }
        Command::AddSteps(_) => {}
        Command::RemoveStep(place) => changed.remove_step(*place),
    }
    changed
}

fn set(scenario: &mut Scenario, control: Control, value: &str) {
    let owner = control.owner(scenario).to_owned();
    let plain = |value: &str| value.len() <= limits::NAME && !value.contains(char::is_whitespace);
    match control {
        Control::Acks
        | Control::Idempotence
        | Control::Retries
        | Control::MaxInFlight
        | Control::IsolationLevel
            if plain(value) =>
        {
            scenario.set(&owner, control.key(), (!value.is_empty()).then_some(value));
        }
        Control::TransactionalId if plain(value) => {
            let id = (!value.is_empty()).then_some(value);
            // A transforming program is nothing without its transactions.
            if id.is_some() || !scenario.transforms(&owner) {
                scenario.set_transactional(&owner, id, 1);
            }
        }
        Control::ReplicationFactor => {
            if let Ok(replicas) = value.parse() {
                scenario.set_replication_factor(replicas);
            }
        }
        Control::MinInsyncReplicas if plain(value) => {
            let topics: Vec<String> = scenario.topics.iter().map(|topic| topic.name.clone()).collect();
            for topic in topics {
                scenario.set(&topic, control.key(), (!value.is_empty()).then_some(value));
            }
        }
        Control::Commit => {
            if let Some((_, strategy)) = COMMITS.iter().find(|(word, _)| *word == value) {
                scenario.set_commit_strategy(&owner, *strategy);
            }
        }
        Control::Sink => {
            if let Some((_, sink)) = SINKS.iter().find(|(word, _)| *word == value) {
                scenario.set_sink(&owner, *sink);
            }
        }
        Control::Records => {
            if let Ok(count) = value.parse() {
                scenario.set_record_count(count);
            }
        }
        Control::Seed => {
            if let Ok(seed) = value.parse() {
                scenario.seed = seed;
            }
        }
        _ => {}
    }
}

impl Scenario {
    fn transforms(&self, application: &str) -> bool {
        let program = self.application(application).and_then(|application| application.program.as_ref());
        matches!(program, Some(Program::Transform { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::presets::Guarantee;

    fn after(scenario: &Scenario, control: Control, value: &str) -> Scenario {
        reduce(scenario, &Command::Set(control, value.to_owned()))
    }

    /// What can be set reads back as it was set, from every preset.
    #[test]
    fn what_is_set_is_what_is_shown() {
        let rows = [
            (Control::Acks, "1"),
            (Control::Idempotence, "false"),
            (Control::Retries, "3"),
            (Control::Retries, "-1"),
            (Control::MaxInFlight, "6"),
            (Control::TransactionalId, "x1"),
            (Control::TransactionalId, ""),
            (Control::ReplicationFactor, "1"),
            (Control::MinInsyncReplicas, "3"),
            (Control::Commit, "before"),
            (Control::Commit, "automatic"),
            (Control::IsolationLevel, "read_committed"),
            (Control::Sink, "upsert"),
            (Control::Records, "20"),
            (Control::Seed, "18446744073709551615"),
        ];
        for guarantee in Guarantee::ALL {
            let base = guarantee.base().scenario();
            for (control, value) in rows {
                if control.value(&base).is_none() {
                    // A transforming program commits in its transaction: nothing to choose.
                    assert_eq!((guarantee, control), (Guarantee::ExactlyOnce, Control::Commit));
                    continue;
                }
                let changed = after(&base, control, value);
                if (guarantee, control, value) == (Guarantee::ExactlyOnce, Control::TransactionalId, "") {
                    assert_eq!(changed, base);
                    continue;
                }
                assert_eq!(control.value(&changed).as_deref(), Some(value), "{guarantee:?} {control:?}");
                assert_eq!(
                    read(&changed.to_text()).problems.iter().find(|p| p.kind == ProblemKind::Text),
                    None
                );
            }
        }
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        let base = Guarantee::AtLeastOnce.base().scenario();
        let rows = [
            (Control::Acks, "0 retries=1"),
            (Control::Commit, "sometimes"),
            (Control::Sink, "drain"),
            (Control::Records, "many"),
            (Control::Seed, "-1"),
            (Control::ReplicationFactor, "two"),
        ];
        for (control, value) in rows {
            assert_eq!(after(&base, control, value), base, "{control:?} {value}");
        }
        assert_eq!(reduce(&base, &Command::OpenPreset("at-least-never".to_owned())), base);
        assert_eq!(reduce(&base, &Command::AddStep("P explode".to_owned())), base);
        assert_eq!(reduce(&base, &Command::RemoveStep(7)), base);
    }

    #[test]
    fn steps_and_presets() {
        let base = Guarantee::AtLeastOnce.base().scenario();
        let broken = reduce(&base, &Command::AddStep("fault P Produce 1 response cut".to_owned()));
        assert_eq!(broken.steps.len(), 1);
        assert_eq!(reduce(&broken, &Command::RemoveStep(0)), base);
        assert_eq!(reduce(&base, &Command::AddSteps(broken.steps.clone())), broken);
        assert_eq!(reduce(&broken, &Command::AddSteps(broken.steps.clone())), broken);
        let too_many = vec![broken.steps[0].clone(); limits::STEPS + 1];
        assert_eq!(reduce(&base, &Command::AddSteps(too_many)), base);
        let opened = reduce(&base, &Command::OpenPreset("exactly-once".to_owned()));
        assert_eq!(opened, Guarantee::ExactlyOnce.base().scenario());
        assert_eq!(reduce(&opened, &Command::Open(Box::new(base.clone()))), base);
    }
}
