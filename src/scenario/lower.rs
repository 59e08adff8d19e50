//! A [`Scenario`] into what the engine starts from: names become numbers, settings become configs.

use std::collections::BTreeMap;

use super::parse::undo;
use super::*;
use crate::engine::kafka::config::{
    Built, ClusterConfig, ConfigProblem, ConsumerConfig, Names, ProducerConfig, TopicConfig,
};
use crate::engine::kafka::network;
use crate::engine::kafka::types::{
    ApplicationId, PARTITIONS_MAX, PartitionId, PartitionSet, RecordId, TopicId,
};
use crate::engine::script;

mod checks;

/// What a scenario says, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// What a run starts from.
    pub setup: Setup,
    /// What Kafka silently changes.
    pub notes: Vec<Note>,
}

/// Something that Kafka changes or ignores without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whose setting: the name of an application or a topic; empty: the cluster's.
    pub owner: String,
    /// The key concerned.
    pub key: String,
    /// What happens and why, in a sentence.
    pub message: String,
}

/// The topics that every cluster has, before the declared ones.
const INTERNAL_TOPICS: usize = 2;

/// The brokers that every cluster has; more, where more are named.
const BROKERS_LEAST: u8 = 3;

impl Scenario {
    /// Resolves names and settings. All problems found are returned; those of Kafka's own making
    /// (`ConfigException`) say so in their kind.
    pub fn lower(&self) -> Result<Lowered, Vec<Problem>> {
        let mut lower =
            Lower { scenario: self, problems: Vec::new(), notes: Vec::new(), names: Names::default() };
        let cluster =
            lower.built("", Line(0), ClusterConfig::from_settings(&self.profile.cluster(&self.cluster)));
        let topics = lower.topics(&cluster);
        let programs = lower.number_records();
        let records = lower.records(&programs);
        let applications = lower.applications(&programs, &records, &topics);
        let script = lower.script(&topics, &records);
        let Lower { problems, notes, names, .. } = lower;
        if !problems.is_empty() {
            return Err(problems);
        }
        let setup = Setup {
            seed: self.seed,
            cluster,
            brokers: self.brokers(),
            topics,
            applications,
            records: records.table,
            transactional_ids: names.transactional_ids,
            groups: names.groups,
            instances: names.instances,
            script,
        };
        Ok(Lowered { setup, notes })
    }

    /// How many brokers there are: three, or up to the highest that is named.
    pub fn brokers(&self) -> u8 {
        let in_condition = |condition: &Condition| match condition {
            Condition::Isr(_, isr) => isr.iter().last(),
            Condition::Leader(_, leader) => *leader,
        };
        let in_step = |line: &StepLine| {
            let in_trigger = match &line.trigger {
                Trigger::When(condition) => in_condition(condition),
                _ => None,
            };
            let in_action = match &line.step {
                Step::Broker(broker, _) | Step::Topic(_, TopicAction::MoveLeader { to: broker }) => {
                    Some(*broker)
                }
                Step::Link(LinkEnds::Client(_, broker), _) => *broker,
                Step::Link(LinkEnds::Replication(a, b), _) => Some(*a.max(b)),
                Step::Link(LinkEnds::Controller(broker), _) => Some(*broker),
                Step::Wait(Wait::Condition(condition)) => in_condition(condition),
                _ => None,
            };
            in_trigger.max(in_action)
        };
        let replicas = self.topics.iter().flat_map(|topic| topic.replicas.iter().copied());
        let named = replicas.chain(self.steps.iter().filter_map(in_step)).map(|broker| broker.0).max();
        named.unwrap_or(0).max(BROKERS_LEAST)
    }
}

/// Every record by name, and what became of the names that programs bring.
struct RecordTable {
    table: Vec<script::Record>,
    by_name: BTreeMap<String, RecordId>,
    /// The output of record `n` is `first_output + n`.
    first_output: u32,
}

/// The first record number of each producing program, by application.
type ProgramRecords = BTreeMap<usize, u32>;

struct Lower<'a> {
    scenario: &'a Scenario,
    problems: Vec<Problem>,
    notes: Vec<Note>,
    names: Names,
}

impl Lower<'_> {
    fn problem(&mut self, line: Line, found: &str, message: impl Into<String>) {
        self.problems.push(Problem::of_line(line.0, found, message));
    }

    /// Keeps the notes and problems of settings.
    fn built<C>(&mut self, owner: &str, line: Line, built: Built<C>) -> C {
        for note in built.notes {
            self.notes.push(Note { owner: owner.to_owned(), key: note.key, message: note.message });
        }
        for problem in built.problems {
            let kind = match problem {
                ConfigProblem::Refused { .. } => ProblemKind::Refused,
                ConfigProblem::NotModelled { .. } => ProblemKind::Text,
            };
            let written = self.scenario.cluster.iter().find(|setting| setting.key == problem.key());
            let line = if owner.is_empty() { written.map_or(line, |setting| setting.line) } else { line };
            let message = match owner {
                "" => problem.to_string(),
                owner => format!("{owner}: {problem}"),
            };
            self.problems.push(Problem { kind, ..Problem::of_line(line.0, problem.key(), message) });
        }
        built.config
    }

    fn topics(&mut self, cluster: &ClusterConfig) -> Vec<script::Topic> {
        let internal = |name: &str, partition, min_insync_replicas, unclean_leader_election_enable| {
            let config = TopicConfig {
                replicas: [3, 2, 1].map(BrokerId).to_vec(),
                partitions: 1,
                min_insync_replicas,
                unclean_leader_election_enable,
                max_message_bytes: cluster.message_max_bytes,
                flush_messages: None,
            };
            let partitions_at_start = config.partitions;
            script::Topic { name: name.to_owned(), config, first_partition: partition, partitions_at_start }
        };
        let unclean = cluster.unclean_leader_election_enable;
        let mut topics = vec![
            internal(
                "__consumer_offsets",
                PartitionId::CONSUMER_OFFSETS,
                cluster.offsets_topic_min_isr,
                unclean,
            ),
            internal(
                "__transaction_state",
                PartitionId::TRANSACTION_STATE,
                cluster.transaction_state_log_min_isr,
                false,
            ),
        ];
        if self.scenario.topics.is_empty() {
            self.problem(Line(0), "", "expected a topic, such as `topic t replicas=B1,B2,B3`");
        }
        let mut next = PartitionId::DEFAULT.index();
        for topic in &self.scenario.topics {
            let partitions = self.most_partitions(topic);
            if next + partitions > PARTITIONS_MAX {
                let free = PARTITIONS_MAX - INTERNAL_TOPICS;
                self.problem(
                    topic.line,
                    &topic.name,
                    format!("there are {free} partitions at most, over all topics"),
                );
                break;
            }
            let built = TopicConfig::from_settings(
                cluster,
                topic.replicas.clone(),
                partitions as u8,
                &topic.settings,
            );
            if topics[..INTERNAL_TOPICS].iter().any(|internal| internal.name == topic.name) {
                let message =
                    format!("{} is Kafka's own, and always there: expected another name", topic.name);
                self.problem(topic.line, &topic.name, message);
            }
            let config = self.built(&topic.name, topic.line, built);
            let first_partition = PartitionId(next as u8);
            let (name, partitions_at_start) = (topic.name.clone(), topic.partitions);
            topics.push(script::Topic { name, config, first_partition, partitions_at_start });
            next += partitions;
        }
        topics
    }

    /// How many partitions a topic comes to have. Steps may only add some.
    fn most_partitions(&mut self, topic: &TopicDeclaration) -> usize {
        let mut most = topic.partitions;
        for line in &self.scenario.steps {
            let Step::Topic(name, TopicAction::SetPartitions { count }) = &line.step else { continue };
            if *name == topic.name && *count <= topic.partitions {
                let message = format!("{name} has {} partitions: expected more", topic.partitions);
                self.problem(line.line, &count.to_string(), message);
            } else if *name == topic.name {
                most = most.max(*count);
            }
        }
        usize::from(most)
    }

    /// The default topic, or one that is named.
    fn topic(&mut self, name: Option<&str>, line: Line) -> TopicId {
        let place = match name {
            None => Some(0),
            Some(name) => self.scenario.topics.iter().position(|topic| topic.name == name),
        };
        let Some(place) = place else {
            let name = name.unwrap_or_default();
            self.problem(line, name, "expected a declared topic");
            return TopicId(INTERNAL_TOPICS as u8);
        };
        TopicId((INTERNAL_TOPICS + place) as u8)
    }

    /// The partitions of `assign=`.
    fn assigned(
        &mut self,
        application: &ApplicationDeclaration,
        topic: &script::Topic,
        numbers: &[u8],
    ) -> PartitionSet {
        let count = topic.config.partitions;
        if let Some(beyond) = numbers.iter().find(|number| **number >= count) {
            let message = format!("{} has {count} partitions, counted from 0", topic.name);
            self.problem(application.line, &beyond.to_string(), message);
        }
        numbers.iter().map(|number| PartitionId(topic.first_partition.0 + number.min(&(count - 1)))).collect()
    }

    fn application(&mut self, name: &str, line: Line) -> ApplicationId {
        match self.scenario.applications.iter().position(|known| known.name == name) {
            Some(place) => ApplicationId(place as u8),
            None => {
                self.problem(line, name, "expected a declared producer or consumer");
                ApplicationId(0)
            }
        }
    }

    /// Gives each producing program its records: r0.. for the first, the numbers that follow for the
    /// next.
    fn number_records(&mut self) -> ProgramRecords {
        let mut next = 0_u32;
        let mut programs = ProgramRecords::new();
        for (place, application) in self.scenario.applications.iter().enumerate() {
            if let Some(Program::Produce { count, .. }) = application.program {
                programs.insert(place, next);
                next = next.saturating_add(count);
            }
        }
        programs
    }

    fn records(&mut self, programs: &ProgramRecords) -> RecordTable {
        let mut records = RecordTable { table: Vec::new(), by_name: BTreeMap::new(), first_output: 0 };
        let mut has_room = true;
        let mut add = |records: &mut RecordTable, record: script::Record| {
            if let Some(known) = records.by_name.get(&record.name) {
                return records.table[known.0 as usize] == record;
            }
            has_room &= records.table.len() < limits::RECORDS as usize;
            if has_room {
                records.by_name.insert(record.name.clone(), RecordId(records.table.len() as u32));
                records.table.push(record);
            }
            true
        };
        for (place, first) in programs {
            let Some(Program::Produce { count, keys, .. }) = &self.scenario.applications[*place].program
            else {
                continue;
            };
            for n in *first..first.saturating_add((*count).min(limits::RECORDS)) {
                let key = (*keys > 0).then(|| format!("k{}", n % keys));
                add(&mut records, script::Record { name: format!("r{n}"), key, poison: false });
            }
        }
        let transforms = self
            .scenario
            .applications
            .iter()
            .any(|known| matches!(known.program, Some(Program::Transform { .. })));
        let sends = || {
            self.scenario.steps.iter().filter_map(|line| match &line.step {
                Step::Client(_, ClientAction::Send { records, key, poison, .. }) => {
                    Some((line.line, records, key, *poison))
                }
                _ => None,
            })
        };
        let mut outputs = BTreeMap::new();
        if transforms {
            // An output that a step sends by name is the same record as the program's.
            let programs = records.table.iter().map(|record| record.name.clone());
            for name in programs.chain(sends().flat_map(|(_, records, ..)| records.names())) {
                outputs.insert(output_name(&name), ());
            }
        }
        let mut others = Vec::new();
        for (line, sent, key, poison) in sends() {
            for name in sent.names().filter(|name| !outputs.contains_key(name)) {
                if !add(&mut records, script::Record { name: name.clone(), key: key.clone(), poison }) {
                    others.push((line, name));
                }
            }
        }
        if transforms {
            records.first_output = records.table.len() as u32;
            for n in 0..records.table.len() {
                let script::Record { name, key, .. } = &records.table[n];
                let (name, key) = (output_name(name), key.clone());
                add(&mut records, script::Record { name, key, poison: false });
            }
        }
        for (line, name) in others {
            let message =
                format!("{name} was given another key before, or none, or was no poison; a record is one");
            self.problem(line, &name, message);
        }
        if !has_room {
            self.problem(Line(0), "", format!("there are more than {} different records", limits::RECORDS));
        }
        records
    }

    fn applications(
        &mut self,
        programs: &ProgramRecords,
        records: &RecordTable,
        topics: &[script::Topic],
    ) -> Vec<script::Application> {
        let scenario = self.scenario;
        let mut applications = Vec::new();
        for (place, application) in scenario.applications.iter().enumerate() {
            let client = match &application.client {
                Client::Producer => {
                    let settings = scenario.profile.producer(&application.settings);
                    let built = ProducerConfig::from_settings(&settings, &mut self.names);
                    let config = self.built(&application.name, application.line, built);
                    if application.first_epoch > 0 && config.transactional_id.is_none() {
                        let message =
                            format!("epoch= needs a transactional.id; {} has none", application.name);
                        self.problem(application.line, "epoch", message);
                    }
                    script::ClientConfig::Producer(config)
                }
                Client::Consumer { topic, assigned, sink } => {
                    let settings = scenario.profile.consumer(&application.settings);
                    let mut built = ConsumerConfig::from_settings(&settings, &mut self.names);
                    if built.problems.is_empty() && assigned.is_none() {
                        built.problems.extend(built.config.check_subscribe());
                    }
                    let config = self.built(&application.name, application.line, built);
                    let topic = self.topic(topic.as_deref(), application.line);
                    let assigned = match (assigned, topics.get(usize::from(topic.0))) {
                        (Some(numbers), Some(topic)) => Some(self.assigned(application, topic, numbers)),
                        _ => None,
                    };
                    script::ClientConfig::Consumer { config, topic, assigned, sink: *sink }
                }
            };
            let first = RecordId(programs.get(&place).copied().unwrap_or(0));
            let program = application.program.as_ref().map(|program| {
                self.check_program(application, program, &client);
                self.program(program, application.program_line, first, records)
            });
            let (name, first_epoch) = (application.name.clone(), application.first_epoch as i16);
            applications.push(script::Application { name, client, program, first_epoch });
        }
        applications
    }

    fn program(
        &mut self,
        program: &Program,
        line: Line,
        first: RecordId,
        records: &RecordTable,
    ) -> script::Program {
        match program {
            Program::Produce { count, every, topic, size, keys: _, resend, transaction } => {
                let topic = self.topic(topic.as_deref(), line);
                let (count, every, size) = (*count, *every, *size);
                let (resend, transaction) = (*resend, *transaction);
                script::Program::Produce { first, count, every, topic, size, resend, transaction }
            }
            Program::Consume { commit, processing } => {
                script::Program::Consume { commit: *commit, processing: *processing }
            }
            Program::Transform { consumer, topic, processing } => script::Program::Transform {
                consumer: self.application(consumer, line),
                topic: self.topic(Some(topic), line),
                first_output: RecordId(records.first_output),
                processing: *processing,
            },
        }
    }

    fn script(&mut self, topics: &[script::Topic], records: &RecordTable) -> Vec<script::ScriptLine> {
        let mut script: Vec<script::ScriptLine> = Vec::new();
        for line in &self.scenario.steps {
            let StepLine { line: place, trigger, step, background, lasts } = line;
            let trigger = self.trigger(trigger, *place);
            let place_in_script = script.len() as u32;
            script.push(script::ScriptLine {
                line: place.0,
                trigger,
                text: step.to_string(),
                background: *background,
                step: self.step(step, *place, topics, records),
            });
            if let Some((span, undone)) = lasts.zip(undo(step)) {
                script.push(script::ScriptLine {
                    line: place.0,
                    trigger: script::Trigger::After { step: place_in_script, span },
                    text: undone.to_string(),
                    background: false,
                    step: self.step(&undone, *place, topics, records),
                });
            }
        }
        script
    }

    fn trigger(&mut self, trigger: &Trigger, line: Line) -> script::Trigger {
        match trigger {
            Trigger::InOrder => script::Trigger::InOrder,
            Trigger::At(at) => script::Trigger::At(*at),
            Trigger::When(condition) => script::Trigger::When(match condition {
                Condition::Isr(topic, isr) => script::Condition::Isr(self.topic(Some(topic), line), *isr),
                Condition::Leader(topic, leader) => {
                    script::Condition::Leader(self.topic(Some(topic), line), *leader)
                }
            }),
            Trigger::Point { application, point, number } => {
                self.check_point(application, *point, line);
                let application = self.application(application, line);
                script::Trigger::Point { application, point: *point, number: *number }
            }
            Trigger::Message { application, api, number, direction } => {
                let application = self.application(application, line);
                script::Trigger::Message { application, api: *api, number: *number, direction: *direction }
            }
        }
    }

    fn step(
        &mut self,
        step: &Step,
        line: Line,
        topics: &[script::Topic],
        records: &RecordTable,
    ) -> script::Step {
        match step {
            Step::Client(name, action) => script::Step::Client {
                application: self.application(name, line),
                action: self.action(name, action, line, topics, records),
            },
            Step::Broker(broker, action) => script::Step::Broker { broker: *broker, action: *action },
            Step::Topic(topic, action) => {
                let id = self.topic(Some(topic), line);
                if let (TopicAction::MoveLeader { to }, Some(declared)) = (action, self.scenario.topic(topic))
                    && !declared.replicas.contains(to)
                {
                    self.problem(line, &to.to_string(), format!("{to} has no replica of {topic}"));
                }
                script::Step::Topic { topic: id, action: *action }
            }
            Step::Link(ends, action) => {
                let link = match ends {
                    LinkEnds::Client(name, broker) => {
                        network::LinkEnds::Client(self.application(name, line), *broker)
                    }
                    LinkEnds::Replication(follower, leader) => {
                        network::LinkEnds::Replication { follower: *follower, leader: *leader }
                    }
                    LinkEnds::Controller(broker) => network::LinkEnds::Controller(*broker),
                };
                script::Step::Link { link, action: *action }
            }
            Step::Fault(fault) => script::Step::Fault(script::MessageFault {
                application: self.application(&fault.application, line),
                api: fault.api,
                from: fault.from,
                to: fault.to,
                direction: fault.direction,
                effect: fault.effect,
                after: fault.after,
            }),
            Step::Release(name, api) => {
                script::Step::Release { application: self.application(name, line), api: *api }
            }
            Step::Read { topic, isolation_level, name } => script::Step::Read {
                topic: self.topic(Some(topic), line),
                isolation_level: *isolation_level,
                name: name.clone(),
            },
            Step::Wait(wait) => script::Step::Wait(match wait {
                Wait::For(span) => script::Wait::For(*span),
                Wait::Until(at) => script::Wait::Until(*at),
                Wait::Settled(name) => script::Wait::Settled(self.application(name, line)),
                Wait::Condition(Condition::Isr(topic, isr)) => {
                    script::Wait::Isr(self.topic(Some(topic), line), *isr)
                }
                Wait::Condition(Condition::Leader(topic, leader)) => {
                    script::Wait::Leader(self.topic(Some(topic), line), *leader)
                }
                Wait::Replicas(topic) => script::Wait::Replicas(self.topic(Some(topic), line)),
            }),
        }
    }

    fn action(
        &mut self,
        name: &str,
        action: &ClientAction,
        line: Line,
        topics: &[script::Topic],
        records: &RecordTable,
    ) -> script::ClientAction {
        use script::ClientAction as Lowered;
        let is_producer =
            self.scenario.application(name).is_none_or(|known| known.client == Client::Producer);
        match action {
            ClientAction::Send { records: sent, topic, partition, size, key, poison: _ } => {
                let topic = self.topic(topic.as_deref(), line);
                let Some(known) = topics.get(usize::from(topic.0)) else { return Lowered::Flush };
                let number = partition.unwrap_or(0);
                if number >= known.config.partitions {
                    let message =
                        format!("{} has {} partitions, numbered from 0", known.name, known.config.partitions);
                    self.problem(line, "partition", message);
                }
                let first = known.first_partition.0;
                // Without a key and without a partition it is the first one.
                let partition = (key.is_none() || partition.is_some())
                    .then_some(PartitionId(first.saturating_add(number)));
                let records = sent.names().filter_map(|name| records.by_name.get(&name).copied()).collect();
                Lowered::Send { records, partition, topic, size: *size }
            }
            ClientAction::Init => Lowered::Init,
            ClientAction::Begin => Lowered::Begin,
            ClientAction::CommitTransaction => Lowered::CommitTransaction,
            ClientAction::AbortTransaction => Lowered::AbortTransaction,
            ClientAction::Flush => Lowered::Flush,
            ClientAction::SendOffsets { consumer, offset, group_id_only } => Lowered::SendOffsets {
                consumer: self.application(consumer, line),
                offset: *offset,
                group_id_only: *group_id_only,
            },
            ClientAction::Poll(records) => Lowered::Poll { records: *records },
            ClientAction::PollOnce => Lowered::PollOnce,
            ClientAction::Process(records) => Lowered::Process { records: *records },
            ClientAction::CommitSync(_) if is_producer => Lowered::CommitTransaction,
            ClientAction::CommitSync(offset) => Lowered::CommitSync { offset: *offset },
            ClientAction::CommitAsync => Lowered::CommitAsync,
            ClientAction::Seek(offset) => Lowered::Seek { offset: *offset },
            ClientAction::Drain => Lowered::Drain,
            ClientAction::Loop => Lowered::Loop,
            ClientAction::Halt => Lowered::Halt,
            ClientAction::Close { timeout } => Lowered::Close { timeout: *timeout },
            ClientAction::Crash => Lowered::Crash,
            ClientAction::Restart => Lowered::Restart,
            ClientAction::Pause => Lowered::Pause,
            ClientAction::Resume => Lowered::Resume,
        }
    }
}

/// The name of a transforming program's output: `o3` for `r3`.
fn output_name(input: &str) -> String {
    match input.strip_prefix('r').and_then(words::whole_number) {
        Some(number) => format!("o{number}"),
        None => format!("o-{input}"),
    }
}
