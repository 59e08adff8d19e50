//! Lanes in the order of the flow, with their life lines.

use crate::engine::kafka::config::{Acks, ProducerConfig};
use crate::engine::kafka::error::ErrorCode;
use crate::engine::kafka::event::Event;
use crate::engine::kafka::message::{Api, Request};
use crate::engine::kafka::network::LinkEnds;
use crate::engine::kafka::types::*;
use crate::engine::script::{ClientConfig, Program, Setup, Sink};
use crate::engine::sim::time::Time;
use crate::engine::sim::trace::EntryId;
use crate::view::scene::Options;
use crate::view::story::{Entry, Story};

/// Who stands on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneKind {
    /// A producing application, over all its instances.
    Producer(ApplicationId),
    /// A broker.
    Broker(BrokerId),
    /// The KRaft controller.
    Controller,
    /// The coordinator of transactions, on whatever broker it is.
    TransactionCoordinator,
    /// The coordinator of groups, on whatever broker it is.
    GroupCoordinator,
    /// A consuming application, over all its instances; also the reader that serves `read` steps.
    Consumer(ApplicationId),
    /// Where the consuming applications write.
    Sink,
}

/// How whoever stands on a lane is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    /// It works.
    #[default]
    Alive,
    /// All its connections, or a broker's to the controller, are held: nothing passes.
    CutOff,
    /// Its process is frozen.
    Paused,
    /// Its process is not there.
    Down,
}

/// A stretch of a life line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// From when.
    pub from: Time,
    /// Until when.
    pub to: Time,
    /// Where it begins on the picture.
    pub x: f64,
    /// Where it ends.
    pub x_end: f64,
    /// How the lane's owner is.
    pub life: Life,
    /// The fact that began it; none at the start.
    pub entry: Option<EntryId>,
}

/// What a broker is to the partition in focus, as the controller last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads, in this epoch.
    Leader(LeaderEpoch),
    /// It follows and is in the ISR.
    InSync,
    /// It follows and is not in the ISR.
    OutOfSync,
    /// It holds no replica.
    NotReplica,
}

/// From when on a broker has a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// From when.
    pub at: Time,
    /// By which fact; none at the start.
    pub entry: Option<EntryId>,
    /// What it is from then on.
    pub role: Role,
}

/// One lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// Who.
    pub kind: LaneKind,
    /// "Producer", "Broker 1", ...
    pub title: String,
    /// "P · acks=all"; a broker's role changes: see [`Lane::subtitle_at`].
    pub subtitle: String,
    /// For narrow screens: "P", "B1", "TC", ...
    pub short: String,
    /// The life line, without gaps, from the start to the end of the run.
    pub segments: Vec<Segment>,
    /// A broker's roles over time; else empty.
    pub roles: Vec<RoleChange>,
}

impl Lane {
    /// A broker's role when the first `count` entries have happened.
    pub fn role_at(&self, count: usize) -> Option<Role> {
        let known = |change: &&RoleChange| change.entry.is_none_or(|entry| (entry.0 as usize) < count);
        self.roles.iter().rev().find(known).map(|change| change.role)
    }

    /// What stands under the title when the first `count` entries have happened.
    pub fn subtitle_at(&self, count: usize) -> String {
        match self.role_at(count) {
            Some(Role::Leader(epoch)) => format!("leader · epoch {epoch}"),
            Some(Role::InSync) => "in sync".to_owned(),
            Some(Role::OutOfSync) => "not in sync".to_owned(),
            Some(Role::NotReplica) | None => self.subtitle.clone(),
        }
    }

    /// How the lane's owner is when the first `count` entries have happened.
    pub fn life_at(&self, count: usize) -> Life {
        let begun = |segment: &&Segment| segment.entry.is_none_or(|entry| (entry.0 as usize) < count);
        self.segments.iter().rev().find(begun).map_or(Life::Alive, |segment| segment.life)
    }
}

/// The lanes of a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lanes {
    /// From top to bottom.
    pub list: Vec<Lane>,
}

impl Lanes {
    /// Which lanes a run needs, with their life lines; x is still 0.
    pub fn new(story: Story, options: &Options) -> Lanes {
        let mut lanes = Lanes { list: kinds(story, options).map(|kind| lane(story.setup, kind)).collect() };
        let mut lives = Lives::new(story, options.focus);
        lives.record(&mut lanes, Time::ZERO, None);
        for entry in story.entries.iter().filter(|entry| concerns_lives(&entry.event)) {
            lives.learn(story, entry);
            lives.record(&mut lanes, entry.at, Some(entry.id));
        }
        let end = story.entries.last().map_or(Time::ZERO, |entry| entry.at);
        for lane in &mut lanes.list {
            for place in 0..lane.segments.len() {
                lane.segments[place].to = lane.segments.get(place + 1).map_or(end, |next| next.from);
            }
        }
        lanes
    }

    /// The place of a lane; none if the picture does not have it.
    pub fn of(&self, kind: LaneKind) -> Option<usize> {
        self.list.iter().position(|lane| lane.kind == kind)
    }

    /// The lane of a client's application.
    pub fn of_application(&self, application: ApplicationId) -> Option<usize> {
        self.of(LaneKind::Producer(application)).or_else(|| self.of(LaneKind::Consumer(application)))
    }

    /// The lane of a node as such.
    pub fn of_node(&self, story: Story, node: Node) -> Option<usize> {
        match node {
            Node::Controller => self.of(LaneKind::Controller),
            Node::Broker(broker) => self.of(LaneKind::Broker(broker)),
            Node::Client(_) => self.of_application(story.index.names.application_of(node)?),
            Node::Script => None,
        }
    }

    /// The lane of the end of a message that a broker holds: the coordinator's where it is meant.
    pub fn of_role(&self, story: Story, node: Node, role: BrokerRole) -> Option<usize> {
        let coordinator = match (node, role) {
            (Node::Broker(_), BrokerRole::TransactionCoordinator) => {
                self.of(LaneKind::TransactionCoordinator)
            }
            (Node::Broker(_), BrokerRole::GroupCoordinator) => self.of(LaneKind::GroupCoordinator),
            _ => None,
        };
        coordinator.or_else(|| self.of_node(story, node))
    }
}

/// As what a broker takes part in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerRole {
    /// As a broker.
    Broker,
    /// As the coordinator of transactions.
    TransactionCoordinator,
    /// As the coordinator of groups.
    GroupCoordinator,
}

/// As what the two ends of a request take part: (sender, receiver).
pub fn broker_roles(request: &Request, story: Story) -> (BrokerRole, BrokerRole) {
    use BrokerRole::*;
    match request {
        Request::InitProducerId { transactional_id: Some(_), .. }
        | Request::AddPartitionsToTxn { .. }
        | Request::AddOffsetsToTxn { .. }
        | Request::EndTxn { .. } => (Broker, TransactionCoordinator),
        Request::OffsetCommit { .. }
        | Request::OffsetFetch { .. }
        | Request::JoinGroup { .. }
        | Request::Heartbeat { .. }
        | Request::LeaveGroup { .. }
        | Request::SyncGroup { .. }
        | Request::TxnOffsetCommit { .. } => (Broker, GroupCoordinator),
        Request::WriteTxnMarkers { markers } => {
            let only_offsets = story.arenas.markers.get(*markers).iter().all(|entry| {
                entry.partitions.contains(PartitionId::CONSUMER_OFFSETS) && entry.partitions.len() == 1
            });
            (TransactionCoordinator, if only_offsets { GroupCoordinator } else { Broker })
        }
        _ => (Broker, Broker),
    }
}

fn kinds(story: Story, options: &Options) -> impl Iterator<Item = LaneKind> {
    let setup = story.setup;
    let id = |index: usize| ApplicationId(index as u8);
    let transforms = |index: usize, wanted: bool| {
        matches!(setup.applications[index].program, Some(Program::Transform { .. })) == wanted
    };
    let producers = |transforming: bool| {
        let all = setup.applications.iter().enumerate();
        let wanted = all.filter(move |(index, application)| {
            matches!(application.client, ClientConfig::Producer(_)) && transforms(*index, transforming)
        });
        wanted.map(move |(index, _)| LaneKind::Producer(id(index))).collect::<Vec<_>>()
    };
    let mut kinds = producers(false);
    kinds.extend((0..usize::from(setup.brokers)).map(|index| LaneKind::Broker(BrokerId::from_index(index))));
    if options.controller {
        kinds.push(LaneKind::Controller);
    }
    if transactions_take_part(story) {
        kinds.push(LaneKind::TransactionCoordinator);
    }
    if options.group_coordinator.unwrap_or_else(|| groups_are_interesting(story)) {
        kinds.push(LaneKind::GroupCoordinator);
    }
    let mut sink = false;
    for (index, application) in setup.applications.iter().enumerate() {
        if let ClientConfig::Consumer { sink: where_to, .. } = application.client {
            kinds.push(LaneKind::Consumer(id(index)));
            sink |= where_to != Sink::None;
        }
    }
    // A program that consumes, transforms and produces stands beside the consumer that it polls.
    kinds.extend(producers(true));
    if options.reader {
        kinds.push(LaneKind::Consumer(id(setup.applications.len())));
    }
    if sink {
        kinds.push(LaneKind::Sink);
    }
    kinds.into_iter()
}

fn transactions_take_part(story: Story) -> bool {
    story.entries.iter().any(|entry| {
        matches!(
            entry.event,
            Event::TransactionChanged { .. }
                | Event::RequestSent {
                    request: Request::InitProducerId { transactional_id: Some(_), .. },
                    ..
                }
        )
    })
}

/// A group is worth a lane when offsets go into transactions, when members come and go, or when a
/// commit does not simply succeed.
fn groups_are_interesting(story: Story) -> bool {
    let events = story.entries.iter().any(|entry| match entry.event {
        Event::OffsetPending { .. } | Event::MemberExpired { .. } => true,
        Event::GroupChanged { members, .. } => members > 1,
        _ => false,
    });
    let commit_went_wrong = story.index.journeys().any(|(_, journey)| {
        let refused = journey.error.is_some_and(|error| error != ErrorCode::None);
        let commit = matches!(journey.api, Api::OffsetCommit | Api::TxnOffsetCommit);
        commit && (refused || journey.lost.is_some() || journey.held.is_some())
    });
    events || commit_went_wrong
}

fn lane(setup: &Setup, kind: LaneKind) -> Lane {
    let several = |producers: bool| {
        let alike = |client: &ClientConfig| matches!(client, ClientConfig::Producer(_)) == producers;
        setup.applications.iter().filter(|application| alike(&application.client)).count() > 1
    };
    let (title, subtitle, short) = match kind {
        LaneKind::Producer(id) => {
            let application = &setup.applications[usize::from(id.0)];
            let ClientConfig::Producer(config) = &application.client else { unreachable!("see kinds") };
            let title =
                if several(true) { format!("Producer {}", application.name) } else { "Producer".to_owned() };
            (title, format!("{} · {}", application.name, guarantee(setup, config)), application.name.clone())
        }
        LaneKind::Broker(broker) => (format!("Broker {}", broker.0), String::new(), broker.to_string()),
        LaneKind::Controller => ("Controller".to_owned(), "KRaft".to_owned(), "K".to_owned()),
        LaneKind::TransactionCoordinator => {
            ("Transactions".to_owned(), "coordinator".to_owned(), "TC".to_owned())
        }
        LaneKind::GroupCoordinator => ("Groups".to_owned(), "coordinator".to_owned(), "GC".to_owned()),
        LaneKind::Consumer(id) => match setup.applications.get(usize::from(id.0)) {
            Some(application) => {
                let ClientConfig::Consumer { config, .. } = &application.client else {
                    unreachable!("see kinds")
                };
                let title = if several(false) {
                    format!("Consumer {}", application.name)
                } else {
                    "Consumer".to_owned()
                };
                let group = config.group_id.map(|group| &setup.groups[usize::from(group.0)]);
                let subtitle = match group {
                    Some(group) => format!("{} · group {group}", application.name),
                    None => application.name.clone(),
                };
                (title, subtitle, application.name.clone())
            }
            None => ("Reader".to_owned(), "reads the log".to_owned(), "R".to_owned()),
        },
        LaneKind::Sink => ("Sink".to_owned(), sink_subtitle(setup).to_owned(), "S".to_owned()),
    };
    Lane { kind, title, subtitle, short, segments: Vec::new(), roles: Vec::new() }
}

fn guarantee(setup: &Setup, config: &ProducerConfig) -> String {
    match (config.transactional_id, config.acks) {
        (Some(id), _) => format!("transactional.id={}", setup.transactional_ids[usize::from(id.0)]),
        (None, Acks::None) => "acks=0".to_owned(),
        (None, Acks::Leader) => "acks=1".to_owned(),
        (None, Acks::All) if config.enable_idempotence => "acks=all, idempotent".to_owned(),
        (None, Acks::All) => "acks=all".to_owned(),
    }
}

fn sink_subtitle(setup: &Setup) -> &'static str {
    let sinks = setup.applications.iter().filter_map(|application| match application.client {
        ClientConfig::Consumer { sink, .. } if sink != Sink::None => Some(sink),
        _ => None,
    });
    match sinks.max() {
        Some(Sink::Insert) => "a new row each",
        Some(Sink::Upsert) => "a row for each name",
        Some(Sink::WithOffset) => "rows with their offset",
        Some(Sink::Call) => "an outside call",
        Some(Sink::None) | None => "",
    }
}

/// What each lane's life hangs on.
#[derive(Clone, Copy, Default)]
struct Health {
    down: bool,
    paused: bool,
    cut_off: bool,
}

impl Health {
    fn life(self) -> Life {
        match self {
            Health { down: true, .. } => Life::Down,
            Health { paused: true, .. } => Life::Paused,
            Health { cut_off: true, .. } => Life::CutOff,
            _ => Life::Alive,
        }
    }
}

/// Follows everything that life lines and roles hang on.
struct Lives {
    brokers: [Health; BROKERS_MAX],
    /// By application; the reader last. A client is not there before it starts.
    applications: Vec<Health>,
    transaction_host: Option<BrokerId>,
    group_host: Option<BrokerId>,
    /// The partition whose leader and ISR are the brokers' roles.
    focus: PartitionId,
    /// As the controller last said of `focus`.
    leader: Option<BrokerId>,
    leader_epoch: LeaderEpoch,
    isr: BrokerSet,
    replicas: BrokerSet,
}

impl Lives {
    fn new(story: Story, focus: PartitionId) -> Lives {
        let focused = story.initial_partition(focus);
        Lives {
            brokers: [Health::default(); BROKERS_MAX],
            applications: vec![
                Health { down: true, ..Health::default() };
                story.setup.applications.len() + 1
            ],
            transaction_host: story.initial_partition(PartitionId::TRANSACTION_STATE).leader,
            group_host: story.initial_partition(PartitionId::CONSUMER_OFFSETS).leader,
            focus,
            leader: focused.leader,
            leader_epoch: focused.leader_epoch,
            isr: focused.isr,
            replicas: focused.replicas,
        }
    }

    fn learn(&mut self, story: Story, entry: &Entry) {
        match (entry.actor, entry.event) {
            (Node::Broker(broker), event) if self.broker_event(broker, &event) => {}
            (Node::Client(client), event) => {
                let Some(instance) = story.index.names.instance(client) else { return };
                let place = usize::from(instance.application.0).min(self.applications.len() - 1);
                self.client_event(place, &event);
            }
            (_, Event::LinkHeld { link }) => self.link(link, true),
            (_, Event::LinkOpened { link }) => self.link(link, false),
            (_, Event::PartitionChanged { partition, leader, leader_epoch, isr, .. }) => {
                if partition == PartitionId::TRANSACTION_STATE {
                    self.transaction_host = leader;
                }
                if partition == PartitionId::CONSUMER_OFFSETS {
                    self.group_host = leader;
                }
                if partition == self.focus {
                    (self.leader, self.leader_epoch, self.isr) = (leader, leader_epoch, isr);
                }
            }
            _ => {}
        }
    }

    fn broker_event(&mut self, broker: BrokerId, event: &Event) -> bool {
        let health = &mut self.brokers[broker.index()];
        match event {
            Event::BrokerStarted => *health = Health { cut_off: health.cut_off, ..Health::default() },
            Event::BrokerKilled | Event::BrokerStopped | Event::BrokerLostPower => health.down = true,
            Event::BrokerPaused => health.paused = true,
            Event::BrokerResumed => health.paused = false,
            _ => return false,
        }
        true
    }

    fn client_event(&mut self, place: usize, event: &Event) {
        let health = &mut self.applications[place];
        match event {
            Event::ClientStarted { .. } => *health = Health { cut_off: health.cut_off, ..Health::default() },
            Event::ClientCrashed | Event::ClientClosed => health.down = true,
            Event::ClientPaused => health.paused = true,
            Event::ClientResumed => health.paused = false,
            _ => {}
        }
    }

    fn link(&mut self, link: LinkEnds, held: bool) {
        match link {
            LinkEnds::Client(application, None) => {
                if let Some(health) = self.applications.get_mut(usize::from(application.0)) {
                    health.cut_off = held;
                }
            }
            LinkEnds::Controller(broker) => self.brokers[broker.index()].cut_off = held,
            LinkEnds::Client(_, Some(_)) | LinkEnds::Replication { .. } => {}
        }
    }

    fn life(&self, kind: LaneKind) -> Life {
        let of_host = |host: Option<BrokerId>| match host {
            Some(broker) => self.brokers[broker.index()].life(),
            None => Life::Down,
        };
        match kind {
            LaneKind::Producer(id) | LaneKind::Consumer(id) => {
                self.applications.get(usize::from(id.0)).map_or(Life::Alive, |health| health.life())
            }
            LaneKind::Broker(broker) => self.brokers[broker.index()].life(),
            LaneKind::TransactionCoordinator => of_host(self.transaction_host),
            LaneKind::GroupCoordinator => of_host(self.group_host),
            LaneKind::Controller | LaneKind::Sink => Life::Alive,
        }
    }

    fn role(&self, broker: BrokerId) -> Role {
        if self.leader == Some(broker) {
            Role::Leader(self.leader_epoch)
        } else if self.isr.contains(broker) {
            Role::InSync
        } else if self.replicas.contains(broker) {
            Role::OutOfSync
        } else {
            Role::NotReplica
        }
    }

    /// Writes down what differs from what the lanes say.
    fn record(&self, lanes: &mut Lanes, at: Time, entry: Option<EntryId>) {
        for lane in &mut lanes.list {
            let life = self.life(lane.kind);
            if lane.segments.last().is_none_or(|last| last.life != life) {
                lane.segments.push(Segment { from: at, to: at, x: 0.0, x_end: 0.0, life, entry });
            }
            if let LaneKind::Broker(broker) = lane.kind {
                let role = self.role(broker);
                if lane.roles.last().is_none_or(|last| last.role != role) {
                    lane.roles.push(RoleChange { at, entry, role });
                }
            }
        }
    }
}

/// Whether a fact can change a life line or a role.
fn concerns_lives(event: &Event) -> bool {
    matches!(
        event,
        Event::BrokerStarted
            | Event::BrokerKilled
            | Event::BrokerStopped
            | Event::BrokerLostPower
            | Event::BrokerPaused
            | Event::BrokerResumed
            | Event::ClientStarted { .. }
            | Event::ClientCrashed
            | Event::ClientClosed
            | Event::ClientPaused
            | Event::ClientResumed
            | Event::LinkHeld { .. }
            | Event::LinkOpened { .. }
            | Event::PartitionChanged { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{P, Run, T, b, transactions_and_failover};

    fn kinds_of(text: &str, then: impl FnOnce(&mut Run)) -> String {
        let mut run = Run::new(&format!("kafka-guarantees 1\ntopic t replicas=B1,B2\n{text}\n"));
        then(&mut run);
        let run = run.finish();
        let lanes = Lanes::new(run.story(), &Options::default());
        lanes.list.iter().map(|lane| lane.short.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn lanes_stand_in_the_order_of_the_flow() {
        let pending = |run: &mut Run| {
            let (group, partition) = (GroupId(0), T);
            run.at(1, b(3), Event::OffsetPending { group, partition, offset: 1, producer_id: 7 });
        };
        let init = |run: &mut Run| {
            let transactional_id = Some(TransactionalId(0));
            let transaction_timeout = crate::engine::sim::time::Span::ZERO;
            let request = Request::InitProducerId { transactional_id, transaction_timeout, expected: None };
            run.request(1, P, b(3), request);
        };
        /// Declarations, facts, lanes.
        type Row<'a> = (&'a str, &'a dyn Fn(&mut Run), &'a str);
        let rows: [Row; 5] = [
            ("consumer C group.id=g sink=insert\nproducer P", &|_| {}, "P B1 B2 B3 C S"),
            ("producer P\nproducer Q", &|_| {}, "P Q B1 B2 B3"),
            ("producer P transactional.id=x", &|_| {}, "P B1 B2 B3"),
            ("producer P transactional.id=x", &init, "P B1 B2 B3 TC"),
            ("producer P\nconsumer C group.id=g", &pending, "P B1 B2 B3 GC C"),
        ];
        for (text, then, wanted) in rows {
            assert_eq!(kinds_of(text, then), wanted, "{text}");
        }
    }

    #[test]
    fn a_failover_on_the_life_lines() {
        let run = transactions_and_failover();
        let lanes = Lanes::new(run.story(), &Options::default());
        let lane = &lanes.list[lanes.of(LaneKind::Broker(BrokerId(1))).expect("B1")];
        let lives: Vec<(u64, u64, Life)> =
            lane.segments.iter().map(|segment| (segment.from.0, segment.to.0, segment.life)).collect();
        assert_eq!(
            lives,
            [(0, 9000, Life::Alive), (9000, 20_000, Life::Down), (20_000, 21_000, Life::Alive)]
        );
        let roles: Vec<(u64, Role)> = lane.roles.iter().map(|change| (change.at.0, change.role)).collect();
        assert_eq!(roles, [(0, Role::Leader(0)), (18_000, Role::OutOfSync)]);
        let elected = lane.roles[1].entry.expect("a fact").0 as usize;
        assert_eq!(lane.subtitle_at(elected), "leader · epoch 0");
        assert_eq!(lane.subtitle_at(elected + 1), "not in sync");
        assert_eq!(lane.life_at(elected), Life::Down);
    }
}
