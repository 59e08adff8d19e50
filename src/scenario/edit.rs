//! Changes to a scenario, as controls make them, and what is in force after them.

use super::*;
use crate::engine::kafka::config::{ClusterConfig, ConsumerConfig, Key, Names, ProducerConfig, TopicConfig};
use crate::engine::kafka::types::BROKERS_MAX;

/// The value of a key that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The value, as Kafka writes it; `null` where nothing is set and Kafka has no default.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Kafka's default, or the broker's for a topic.
    Default,
    /// The scenario's profile.
    Profile,
    /// The scenario sets it.
    Scenario,
    /// Kafka has silently changed what was set or is the default.
    Changed,
}

impl Effective {
    /// Whether the scenario sets it.
    pub fn is_explicit(&self) -> bool {
        self.origin == Origin::Scenario
    }
}

impl Scenario {
    /// The producer whose settings matter most: the transforming one, else the first with a program,
    /// else the first.
    pub fn main_producer(&self) -> Option<&str> {
        let producers = || self.applications.iter().filter(|known| known.client == Client::Producer);
        producers()
            .find(|known| matches!(known.program, Some(Program::Transform { .. })))
            .or_else(|| producers().find(|known| known.program.is_some()))
            .or_else(|| producers().next())
            .map(|known| known.name.as_str())
    }

    /// The consumer whose settings matter most: the first.
    pub fn main_consumer(&self) -> Option<&str> {
        self.applications
            .iter()
            .find(|known| known.client != Client::Producer)
            .map(|known| known.name.as_str())
    }

    /// Sets a key of an application, of a topic or (`owner` empty) of the cluster; none: back to the
    /// default. False: there is no such owner, or the value is not one word.
    pub fn set(&mut self, owner: &str, key: &str, value: Option<&str>) -> bool {
        let is_word = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if value.is_some_and(|value| !is_word(value) || value.len() > limits::VALUE) || !is_word(key) {
            return false;
        }
        let settings = if owner.is_empty() {
            &mut self.cluster
        } else if let Some(topic) = self.topics.iter_mut().find(|topic| topic.name == owner) {
            &mut topic.settings
        } else if let Some(application) = self.application_mut(owner) {
            &mut application.settings
        } else {
            return false;
        };
        match value {
            Some(value) => settings.set(key, value),
            None => settings.remove(key),
        }
        true
    }

    /// What is in force for a key of an application, a topic or (`owner` empty) the cluster, also where
    /// Kafka refuses the settings as a whole. None: there is no such owner or key.
    pub fn effective(&self, owner: &str, key: &str) -> Option<Effective> {
        let cluster_settings = self.profile.cluster(&self.cluster);
        let cluster = ClusterConfig::from_settings(&cluster_settings);
        let mut names = Names::default();
        if owner.is_empty() {
            return effective(
                ClusterConfig::KEYS,
                key,
                &cluster.config,
                &names,
                &cluster_settings,
                &self.cluster,
            );
        }
        if let Some(topic) = self.topic(owner) {
            let (replicas, own) = (topic.replicas.clone(), &topic.settings);
            let built = TopicConfig::from_settings(&cluster.config, replicas, topic.partitions, own);
            return effective(TopicConfig::KEYS, key, &built.config, &names, own, own);
        }
        let application = self.application(owner)?;
        let own = &application.settings;
        match application.client {
            Client::Producer => {
                let settings = self.profile.producer(own);
                let built = ProducerConfig::from_settings(&settings, &mut names);
                effective(ProducerConfig::KEYS, key, &built.config, &names, &settings, own)
            }
            Client::Consumer { .. } => {
                let settings = self.profile.consumer(own);
                let built = ConsumerConfig::from_settings(&settings, &mut names);
                effective(ConsumerConfig::KEYS, key, &built.config, &names, &settings, own)
            }
        }
    }

    /// When a consuming program commits.
    pub fn commit_strategy(&self, consumer: &str) -> Option<CommitStrategy> {
        match self.application(consumer)?.program {
            Some(Program::Consume { commit, .. }) => Some(commit),
            _ => None,
        }
    }

    /// Sets when a consuming program commits, and enable.auto.commit with it. False: the consumer runs no
    /// such program.
    pub fn set_commit_strategy(&mut self, consumer: &str, strategy: CommitStrategy) -> bool {
        let Some(application) = self.application_mut(consumer) else { return false };
        let Some(Program::Consume { commit, .. }) = &mut application.program else { return false };
        *commit = strategy;
        let automatic = strategy == CommitStrategy::Automatic;
        application.settings.set("enable.auto.commit", if automatic { "true" } else { "false" });
        true
    }

    /// A consumer's sink.
    pub fn sink(&self, consumer: &str) -> Option<Sink> {
        match self.application(consumer)?.client {
            Client::Consumer { sink, .. } => Some(sink),
            Client::Producer => None,
        }
    }

    /// Sets a consumer's sink. False: there is no such consumer.
    pub fn set_sink(&mut self, consumer: &str, new: Sink) -> bool {
        match self.application_mut(consumer).map(|application| &mut application.client) {
            Some(Client::Consumer { sink, .. }) => {
                *sink = new;
                true
            }
            _ => false,
        }
    }

    /// How many records the first producing program sends.
    pub fn record_count(&self) -> Option<u32> {
        self.applications.iter().find_map(|application| match application.program {
            Some(Program::Produce { count, .. }) => Some(count),
            _ => None,
        })
    }

    /// Sets how many records the first producing program sends, 1 to the limit. False: there is none.
    pub fn set_record_count(&mut self, new: u32) -> bool {
        let count = self.applications.iter_mut().find_map(|application| match &mut application.program {
            Some(Program::Produce { count, .. }) => Some(count),
            _ => None,
        });
        let Some(count) = count else { return false };
        *count = new.clamp(1, limits::RECORDS);
        true
    }

    /// Makes a producer transactional (with this transactional.id), or plain. A producing program then sends
    /// so many records a transaction. False: there is no such producer.
    pub fn set_transactional(&mut self, producer: &str, id: Option<&str>, records: u32) -> bool {
        if self.application(producer).is_none_or(|known| known.client != Client::Producer) {
            return false;
        }
        self.set(producer, "transactional.id", id);
        if let Some(Program::Produce { transaction, .. }) =
            self.application_mut(producer).and_then(|known| known.program.as_mut())
        {
            *transaction = id.map(|_| records.clamp(1, limits::RECORDS));
        }
        true
    }

    /// Gives every declared topic so many replicas: the first ones it has, and then the lowest free brokers.
    pub fn set_replication_factor(&mut self, replicas: usize) {
        let replicas = replicas.clamp(1, BROKERS_MAX);
        for topic in &mut self.topics {
            topic.replicas.truncate(replicas);
            for broker in (1..=BROKERS_MAX as u8).map(BrokerId) {
                if topic.replicas.len() < replicas && !topic.replicas.contains(&broker) {
                    topic.replicas.push(broker);
                }
            }
        }
    }

    /// Adds a step, written as in a text, at the end.
    pub fn add_step(&mut self, line: &str) -> Result<(), Problem> {
        if line.contains(['\n', '\r']) {
            let message = "a step is one line".to_owned();
            return Err(Problem {
                line: 0,
                column: 0,
                found: line.to_owned(),
                message,
                kind: ProblemKind::Text,
            });
        }
        let base = self.to_text();
        let place = base.lines().count() as u32 + 1;
        let reading = read(&format!("{base}{line}\n"));
        match reading.problems.into_iter().find(|problem| problem.line == place) {
            Some(problem) => Err(Problem { line: 0, ..problem }),
            None => {
                self.steps.extend(reading.scenario.steps.into_iter().skip(self.steps.len()));
                Ok(())
            }
        }
    }

    /// Takes a step out, by its place from 0.
    pub fn remove_step(&mut self, place: usize) {
        if place < self.steps.len() {
            self.steps.remove(place);
        }
    }

    fn application_mut(&mut self, name: &str) -> Option<&mut ApplicationDeclaration> {
        self.applications.iter_mut().find(|application| application.name == name)
    }
}

fn effective<C>(
    keys: &[Key<C>],
    name: &str,
    config: &C,
    names: &Names,
    with_profile: &Settings,
    own: &Settings,
) -> Option<Effective> {
    let key = keys.iter().find(|key| key.name == name)?;
    let value = key.value(config, names).to_string();
    // `-1` is another spelling of `all`, so it is no change that Kafka has made.
    let says =
        |text: &str| text.eq_ignore_ascii_case(&value) || (name == "acks" && text == "-1" && value == "all");
    let origin = match (own.get(name), with_profile.get(name)) {
        (Some(text), _) if says(text) => Origin::Scenario,
        (None, Some(text)) if says(text) => Origin::Profile,
        (Some(_), _) | (None, Some(_)) => Origin::Changed,
        (None, None) if is_changed(name, &value) => Origin::Changed,
        (None, None) => Origin::Default,
    };
    Some(Effective { value, origin })
}

/// The two defaults that Kafka's producer changes by itself (spec section 1.2, rules 3 and 6).
fn is_changed(name: &str, value: &str) -> bool {
    match name {
        "enable.idempotence" => value != "true",
        "delivery.timeout.ms" => value != "120000",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::presets::Guarantee;

    fn problems(scenario: &Scenario) -> Vec<String> {
        match scenario.lower() {
            Ok(_) => Vec::new(),
            Err(problems) => problems.into_iter().map(|problem| problem.message).collect(),
        }
    }

    #[test]
    fn what_is_in_force_and_why() {
        let mut scenario = Guarantee::AtLeastOnce.base().scenario();
        let of = |scenario: &Scenario, owner: &str, key: &str| {
            scenario.effective(owner, key).map(|effective| (effective.value, effective.origin))
        };
        let pair = |value: &str, origin| Some((value.to_owned(), origin));
        assert_eq!(of(&scenario, "P", "acks"), pair("all", Origin::Scenario));
        assert_eq!(of(&scenario, "P", "linger.ms"), pair("5", Origin::Default));
        assert_eq!(of(&scenario, "P", "transactional.id"), pair("null", Origin::Default));
        assert_eq!(of(&scenario, "t", "max.message.bytes"), pair("1048588", Origin::Default));
        assert_eq!(of(&scenario, "", "group.initial.rebalance.delay.ms"), pair("0", Origin::Scenario));
        assert_eq!(of(&scenario, "P", "no.such.key"), None);
        assert_eq!(of(&scenario, "X", "acks"), None);
        // Spec section 1.2: acks=1 turns idempotence off, if it is not set explicitly.
        scenario.set("P", "enable.idempotence", None);
        assert_eq!(of(&scenario, "P", "enable.idempotence"), pair("true", Origin::Default));
        scenario.set("P", "acks", Some("1"));
        assert_eq!(of(&scenario, "P", "enable.idempotence"), pair("false", Origin::Changed));
        let notes = scenario.lower().expect("a setup").notes;
        assert_eq!((notes[0].owner.as_str(), notes[0].key.as_str()), ("P", "enable.idempotence"));
        // ... and refuses the two together.
        scenario.set("P", "enable.idempotence", Some("true"));
        let refused = scenario.lower().expect_err("a ConfigException");
        assert_eq!(refused[0].kind, ProblemKind::Refused);
        assert!(refused[0].message.contains("Must set acks to all in order to use the idempotent producer."));
        assert_eq!(of(&scenario, "P", "acks"), pair("1", Origin::Scenario));
    }

    #[test]
    fn controls() {
        let mut scenario = Guarantee::AtLeastOnce.base().scenario();
        assert_eq!((scenario.main_producer(), scenario.main_consumer()), (Some("P"), Some("C")));
        assert!(scenario.set_commit_strategy("C", CommitStrategy::Automatic));
        assert_eq!(scenario.effective("C", "enable.auto.commit").expect("a key").value, "true");
        assert!(scenario.set_commit_strategy("C", CommitStrategy::BeforeProcessing));
        assert_eq!(scenario.effective("C", "enable.auto.commit").expect("a key").value, "false");
        assert!(scenario.set_sink("C", Sink::Upsert) && !scenario.set_sink("P", Sink::Upsert));
        assert!(scenario.set_record_count(0) && scenario.record_count() == Some(1));
        scenario.set_replication_factor(2);
        assert_eq!(scenario.topics[0].replicas, [1, 2].map(BrokerId));
        scenario.set_replication_factor(4);
        assert_eq!((scenario.topics[0].replicas.len(), scenario.brokers()), (4, 4));
        assert_eq!(problems(&scenario), Vec::<String>::new());
        // A transactional producer needs idempotence: Kafka's words.
        assert!(scenario.set_transactional("P", Some("x"), 2));
        assert_eq!(
            problems(&scenario),
            ["P: Cannot set a transactional.id without also enabling idempotence."]
        );
        scenario.set("P", "enable.idempotence", Some("true"));
        assert_eq!(problems(&scenario), Vec::<String>::new());
        assert!(scenario.set_transactional("P", None, 2));
        assert_eq!(problems(&scenario), Vec::<String>::new());
    }

    #[test]
    fn steps_come_and_go() {
        let mut scenario = Guarantee::AtLeastOnce.base().scenario();
        scenario.add_step("on C processed 3 C crash for 1s").expect("a step");
        assert_eq!(scenario.steps.len(), 1);
        let problem = scenario.add_step("on C proccessed 3 C crash").expect_err("a problem");
        assert_eq!(problem.found, "proccessed");
        assert_eq!(scenario.steps.len(), 1);
        scenario.remove_step(0);
        assert_eq!(scenario, Guarantee::AtLeastOnce.base().scenario());
    }

    #[test]
    fn exactly_once_is_about_the_transforming_producer() {
        assert_eq!(Guarantee::ExactlyOnce.base().scenario().main_producer(), Some("P"));
    }
}
