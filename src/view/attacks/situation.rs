//! What is so at an instant, as the phrases need it.

use crate::engine::kafka::config::{ConsumerConfig, ProducerConfig};
use crate::engine::kafka::event::Event;
use crate::engine::kafka::network::{LinkEnds, MessageId};
use crate::engine::kafka::types::*;
use crate::engine::script::{ClientConfig, FaultEffect, Program, Sink, Step, TopicAction};
use crate::engine::sim::time::{Span, Time};
use crate::scenario;
use crate::view::figure::Figure;
use crate::view::lanes::Life;
use crate::view::state::{Content, State};
use crate::view::story::Story;

/// A run at an instant.
pub struct Situation<'a> {
    pub story: Story<'a>,
    /// When everything at the instant has happened.
    pub state: State,
    /// The instant.
    pub at: Time,
    /// Links through which nothing passes.
    pub held: Vec<LinkEnds>,
}

impl<'a> Situation<'a> {
    /// After everything that happened at the instant of the `count`-th fact.
    pub fn new(figure: &'a Figure, count: usize) -> Situation<'a> {
        let (story, at) = (figure.story(), figure.at(count));
        let count = story.entries.partition_point(|entry| entry.at <= at);
        let mut held = Vec::new();
        for entry in &story.entries[..count] {
            match entry.event {
                Event::LinkHeld { link } => held.push(link),
                Event::LinkOpened { link } => held.retain(|other| *other != link),
                _ => {}
            }
        }
        Situation { story, state: figure.history.at(story, count), at, held }
    }

    /// The first instant after this one: what is done then finds everything as it is.
    pub fn next_instant(&self) -> Time {
        after(self.at)
    }

    pub fn leader(&self, partition: PartitionId) -> Option<BrokerId> {
        self.state.partitions.get(partition.index())?.leader
    }

    pub fn life(&self, broker: BrokerId) -> Life {
        self.state.brokers.get(broker.index()).map_or(Life::Down, |broker| broker.life)
    }

    /// All brokers, in order.
    pub fn brokers(&self) -> impl Iterator<Item = BrokerId> + use<> {
        (0..self.state.brokers.len()).map(BrokerId::from_index)
    }

    /// The partitions of the declared topics that exist.
    pub fn user_partitions(&self) -> impl Iterator<Item = PartitionId> {
        let all = PartitionId::DEFAULT.index()..self.state.partitions.len();
        all.map(|index| PartitionId(index as u8))
            .filter(|partition| !self.state.partitions[partition.index()].replicas.is_empty())
    }

    /// The partitions of declared topics that a broker leads.
    pub fn led_by(&self, broker: BrokerId) -> Vec<PartitionId> {
        self.user_partitions().filter(|partition| self.leader(*partition) == Some(broker)).collect()
    }

    /// The in-sync replicas of a partition that live, without one broker.
    pub fn others_in_sync(&self, partition: PartitionId, broker: BrokerId) -> Vec<BrokerId> {
        let isr = self.state.partitions[partition.index()].isr;
        isr.iter().filter(|other| *other != broker && self.life(*other) != Life::Down).collect()
    }

    /// `t-0`, `t-0 and t-1`.
    pub fn partitions(&self, partitions: &[PartitionId]) -> String {
        let names: Vec<&str> =
            partitions.iter().map(|partition| self.story.index.names.partition(*partition)).collect();
        super::list(&names)
    }

    /// "record 1", "records 1 and 2".
    pub fn records(&self, records: &[RecordId]) -> String {
        self.story.index.names.records(records)
    }

    pub fn application(&self, application: ApplicationId) -> String {
        self.story.index.names.application(application).to_owned()
    }

    /// All declared applications.
    pub fn applications(&self) -> impl Iterator<Item = ApplicationId> + use<> {
        (0..self.story.setup.applications.len()).map(|index| ApplicationId(index as u8))
    }

    pub fn producer_config(&self, application: ApplicationId) -> Option<&'a ProducerConfig> {
        match &self.story.setup.applications.get(usize::from(application.0))?.client {
            ClientConfig::Producer(config) => Some(config),
            ClientConfig::Consumer { .. } => None,
        }
    }

    pub fn consumer_config(&self, application: ApplicationId) -> Option<(&'a ConsumerConfig, TopicId, Sink)> {
        match &self.story.setup.applications.get(usize::from(application.0))?.client {
            ClientConfig::Producer(_) => None,
            ClientConfig::Consumer { config, topic, sink, .. } => Some((config, *topic, *sink)),
        }
    }

    /// The other half of a process that consumes, transforms and produces.
    pub fn same_process(&self, application: ApplicationId) -> Option<ApplicationId> {
        self.applications().find_map(|other| {
            match self.story.setup.applications[usize::from(other.0)].program {
                Some(Program::Transform { consumer, .. }) if consumer == application => Some(other),
                Some(Program::Transform { consumer, .. }) if other == application => Some(consumer),
                _ => None,
            }
        })
    }

    /// `request.timeout.ms` of an application's client.
    pub fn request_timeout(&self, application: ApplicationId) -> Span {
        match &self.story.setup.applications[usize::from(application.0)].client {
            ClientConfig::Producer(config) => config.request_timeout,
            ClientConfig::Consumer { config, .. } => config.request_timeout,
        }
    }

    /// Acknowledged records of a partition that only one broker's log holds, among the replicas that could lead at once.
    pub fn only_on(&self, broker: BrokerId, partition: PartitionId) -> Vec<RecordId> {
        let others = self.others_in_sync(partition, broker);
        let held_elsewhere = |record: RecordId| {
            others.iter().any(|other| {
                self.state.replica(*other, partition).is_some_and(|replica| {
                    replica.cells().any(|cell| cell.content == Content::Record(record))
                })
            })
        };
        let Some(replica) = self.state.replica(broker, partition) else { return Vec::new() };
        let records = replica.cells().filter_map(|cell| match cell.content {
            Content::Record(record) => Some(record),
            _ => None,
        });
        let mut records: Vec<RecordId> = records
            .filter(|record| {
                self.state.records.get(record.0 as usize).is_some_and(|record| record.acknowledged)
            })
            .filter(|record| !held_elsewhere(*record))
            .collect();
        records.sort_unstable();
        records.dedup();
        records
    }

    /// When the script was over and all that was frozen or held went on, if anything was. What is done later would put that off, and
    /// so change the past.
    pub fn healed(&self) -> Option<Time> {
        let entries = self.story.entries;
        let by_a_step = |place: usize| {
            let at = entries[place].at;
            let before = entries[..place].iter().rev().take_while(|entry| entry.at == at);
            before.into_iter().any(|entry| matches!(entry.event, Event::StepBegan { .. }))
        };
        let healing = entries.iter().enumerate().find(|(place, entry)| {
            let goes_on = match entry.event {
                Event::BrokerResumed | Event::ClientResumed | Event::LinkOpened { .. } => true,
                Event::MessageReleased { message, direction } => self.was_held_for_good(message, direction),
                _ => false,
            };
            goes_on && !by_a_step(*place)
        });
        healing.map(|(_, entry)| entry.at)
    }

    /// Whether a fault without an end of its own kept a message back.
    fn was_held_for_good(&self, message: MessageId, direction: Direction) -> bool {
        let Some(journey) = self.story.index.journey(message) else { return false };
        let Event::RequestSent { number, .. } = self.story.entry(journey.sent).event else { return false };
        let application = self.story.index.names.application_of(journey.from);
        self.story.setup.script.iter().any(|line| match &line.step {
            Step::Fault(fault) => {
                Some(fault.application) == application
                    && (fault.api, fault.direction) == (journey.api, direction)
                    && (fault.effect, fault.after) == (FaultEffect::Hold, None)
                    && (fault.from..=fault.to).contains(&number)
            }
            _ => false,
        })
    }

    /// The steps that have begun, by their place in the script.
    pub fn begun(&self) -> impl Iterator<Item = &'a Step> {
        let script = &self.story.setup.script;
        self.story.entries[..self.state.count].iter().filter_map(move |entry| match entry.event {
            Event::StepBegan { step } => script.get(step as usize).map(|line| &line.step),
            _ => None,
        })
    }

    /// `min.insync.replicas` and `unclean.leader.election.enable` of a topic, as they are by now.
    pub fn topic_settings(&self, topic: TopicId) -> (u32, bool) {
        let config = &self.story.setup.topics[usize::from(topic.0)].config;
        let mut settings = (config.min_insync_replicas, config.unclean_leader_election_enable);
        for step in self.begun() {
            match step {
                Step::Topic { topic: of, action } if *of == topic => match action {
                    TopicAction::SetMinInsyncReplicas(least) => settings.0 = *least,
                    TopicAction::SetUncleanLeaderElection(on) => settings.1 = *on,
                    _ => {}
                },
                _ => {}
            }
        }
        settings
    }

    /// The topic of a partition.
    pub fn topic_of(&self, partition: PartitionId) -> TopicId {
        let topics = &self.story.setup.topics;
        let place = topics.iter().rposition(|topic| topic.first_partition <= partition);
        TopicId(place.unwrap_or(0) as u8)
    }

    /// Whether a client instance has an open connection to a broker.
    pub fn is_connected(&self, client: ClientId, broker: BrokerId) -> bool {
        let (client, broker) = (Node::Client(client), Node::Broker(broker));
        let mut open = 0;
        for entry in &self.story.entries[..self.state.count] {
            match entry.event {
                Event::ConnectionOpened { to, .. } if entry.actor == client && to == broker => open += 1,
                Event::ConnectionEnded { connection, .. }
                    if entry.actor == client
                        && self.story.index.connection(connection) == Some((client, broker)) =>
                {
                    open -= 1;
                }
                _ => {}
            }
        }
        open > 0
    }

    /// Where a consumer's next instance begins in a partition, if the position is known: the stored or committed offset.
    pub fn restart_offset(&self, application: ApplicationId, partition: PartitionId) -> Option<Offset> {
        let (config, _, _) = self.consumer_config(application)?;
        let group = self.state.groups().get(usize::from(config.group_id?.0))?;
        group.committed(partition)
    }

    /// The notation's link for one of the engine's.
    pub fn link(&self, ends: LinkEnds) -> scenario::LinkEnds {
        match ends {
            LinkEnds::Client(application, broker) => {
                scenario::LinkEnds::Client(self.application(application), broker)
            }
            LinkEnds::Replication { follower, leader } => scenario::LinkEnds::Replication(follower, leader),
            LinkEnds::Controller(broker) => scenario::LinkEnds::Controller(broker),
        }
    }
}

/// The first instant after one.
pub fn after(at: Time) -> Time {
    at + Span::micros(1)
}
