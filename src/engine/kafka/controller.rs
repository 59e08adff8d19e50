//! The KRaft controller (`QuorumController`, `ClusterControlManager`, `BrokerHeartbeatManager`,
//! `ReplicationControlManager`): who is registered and alive, who leads what, who is in sync.

use super::config::ClusterConfig;
use super::error::ErrorCode;
use super::event::Event;
use super::message::{Request, Response};
use super::metadata::{BrokerImage, ClusterImage, PartitionImage};
use super::network::RequestId;
use super::out::{BrokerTimer, NodeEvent, Out, Timer};
use super::partition_change::{Election, PartitionChange};
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::time::Time;

/// What the controller knows of a broker beside its registration.
#[derive(Clone, Copy, Debug, Default)]
struct BrokerState {
    /// Tells one process of the broker from the next.
    incarnation: u32,
    last_contact: Time,
    has_session: bool,
    /// A timer looks after the session.
    watched: bool,
    /// The metadata version that its last heartbeat named.
    metadata_version: u64,
    /// The version that took its leaderships away, while it shuts down.
    controlled_shutdown_version: Option<u64>,
}

/// A broker that waits for news.
#[derive(Clone, Copy, Debug)]
struct WaitingFetch {
    request_id: RequestId,
    version: u64,
}

/// The controller.
#[derive(Clone, Debug)]
pub struct Controller {
    config: ClusterConfig,
    image: ClusterImage,
    /// The version of the last image that was published.
    version: u64,
    changed: bool,
    brokers: Vec<BrokerState>,
    waiting: Vec<WaitingFetch>,
    unclean_elections_timed: bool,
}

impl Controller {
    /// The controller of a cluster in which every broker is up and every replica in sync.
    pub fn new(setup: &Setup) -> Controller {
        let mut partitions = Vec::new();
        for topic in &setup.topics {
            let mut replicas = [None; BROKERS_MAX];
            for (place, broker) in replicas.iter_mut().zip(&topic.config.replicas) {
                *place = Some(*broker);
            }
            let image = PartitionImage {
                leader: topic.config.replicas.first().copied(),
                leader_epoch: 0,
                partition_epoch: 0,
                replicas,
                isr: topic.config.replicas.iter().copied().collect(),
                elr: BrokerSet::EMPTY,
                last_known_leader: None,
                recovering: false,
                min_insync_replicas: topic.config.min_insync_replicas,
                unclean_leader_election_enable: topic.config.unclean_leader_election_enable,
            };
            let first = topic.first_partition.index();
            let end = first + usize::from(topic.config.partitions);
            partitions.resize(partitions.len().max(end), image);
            let (at_start, later) =
                partitions[first..end].split_at_mut(usize::from(topic.partitions_at_start));
            at_start.fill(image);
            later.fill(PartitionImage::absent(&image));
        }
        let brokers = usize::from(setup.brokers);
        Controller {
            config: setup.cluster.clone(),
            image: ClusterImage { partitions, brokers: vec![BrokerImage::default(); brokers] },
            version: 0,
            changed: false,
            brokers: vec![BrokerState { has_session: true, ..BrokerState::default() }; brokers],
            waiting: Vec::new(),
            unclean_elections_timed: false,
        }
    }

    /// The cluster at the start of a run: states it, and publishes the first image.
    pub fn bootstrap(&mut self, out: &mut Out) {
        for index in 0..self.brokers.len() {
            let broker = BrokerId::from_index(index);
            out.emit(Event::BrokerRegistered { broker, broker_epoch: 0 });
            out.emit(Event::BrokerUnfenced { broker });
            self.watch_session(broker, out);
        }
        for index in 0..self.image.partitions.len() {
            if self.image.partitions[index].exists() {
                self.state_partition(PartitionId(index as u8), false, out);
            }
        }
        out.arenas().images.push(self.image.clone());
        self.version = out.arenas().images.len() as u64 - 1;
        if self.config.auto_leader_rebalance_enable {
            let at = out.now() + self.config.leader_imbalance_check_interval;
            out.timer(at, Timer::Broker(BrokerTimer::PreferredElections));
        }
        self.time_unclean_elections(out);
    }

    /// The cluster as the controller knows it.
    pub fn image(&self) -> &ClusterImage {
        &self.image
    }

    /// Handles an event.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) {
        match event {
            NodeEvent::Request { request_id, request, .. } => self.on_request(request_id, request, out),
            NodeEvent::Timer(Timer::Broker(timer)) => self.on_timer(timer, out),
            NodeEvent::Disconnected(connection) => {
                self.waiting.retain(|waiting| waiting.request_id.connection != connection);
            }
            NodeEvent::Connected(_) | NodeEvent::Response { .. } | NodeEvent::Timer(_) => {}
        }
        self.publish(out);
    }

    fn on_timer(&mut self, timer: BrokerTimer, out: &mut Out) {
        match timer {
            BrokerTimer::BrokerSession(broker) => self.check_session(broker, out),
            BrokerTimer::UncleanElections => {
                self.unclean_elections_timed = false;
                self.time_unclean_elections(out);
                for index in 0..self.image.partitions.len() {
                    let partition = &self.image.partitions[index];
                    if partition.leader.is_none() && partition.unclean_leader_election_enable {
                        self.elect(PartitionId(index as u8), Election::Unclean, out);
                    }
                }
            }
            BrokerTimer::PreferredElections => {
                let at = out.now() + self.config.leader_imbalance_check_interval;
                out.timer(at, Timer::Broker(BrokerTimer::PreferredElections));
                for index in 0..self.image.partitions.len() {
                    self.elect(PartitionId(index as u8), Election::Preferred, out);
                }
            }
            _ => {}
        }
    }

    fn on_request(&mut self, request_id: RequestId, request: Request, out: &mut Out) {
        match request {
            Request::BrokerRegistration { broker, incarnation, previous_broker_epoch } => {
                let response = self.register(broker, incarnation, previous_broker_epoch, out);
                self.publish(out);
                out.respond(request_id, response);
            }
            Request::BrokerHeartbeat {
                broker,
                broker_epoch,
                metadata_version,
                want_fence,
                want_shut_down,
            } => {
                let response =
                    self.heartbeat(broker, broker_epoch, metadata_version, want_fence, want_shut_down, out);
                self.publish(out);
                out.respond(request_id, response);
            }
            Request::FetchMetadata { version, .. } => {
                self.publish(out);
                if self.version > version {
                    out.respond(request_id, Response::FetchMetadata { version: self.version });
                } else {
                    self.waiting.push(WaitingFetch { request_id, version });
                }
            }
            Request::AlterPartition {
                broker,
                broker_epoch,
                partition,
                leader_epoch,
                partition_epoch,
                new_isr,
            } => {
                let error = match self.validate_isr(
                    broker,
                    broker_epoch,
                    partition,
                    leader_epoch,
                    partition_epoch,
                    new_isr,
                ) {
                    Err(error) => error,
                    Ok(()) => self.alter_isr(partition, new_isr, out),
                };
                let image = self.image.partition(partition);
                let (isr, leader_epoch, partition_epoch) =
                    (image.isr, image.leader_epoch, image.partition_epoch);
                self.publish(out);
                out.respond(
                    request_id,
                    Response::AlterPartition { error, isr, leader_epoch, partition_epoch },
                );
            }
            _ => unreachable!("not a request to the controller: {request:?}"),
        }
    }

    // ---- brokers -------------------------------------------------------------------------------

    /// `ClusterControlManager.registerBroker`
    fn register(
        &mut self,
        broker: BrokerId,
        incarnation: u32,
        previous_broker_epoch: Option<i64>,
        out: &mut Out,
    ) -> Response {
        let known = *self.image.broker(broker);
        let state = self.brokers[broker.index()];
        let is_new_process = state.incarnation != incarnation;
        if is_new_process && self.has_valid_session(broker, out.now()) && !known.in_controlled_shutdown {
            let error = ErrorCode::DuplicateBrokerRegistration;
            return Response::BrokerRegistration { error, broker_epoch: -1 };
        }
        if is_new_process {
            let is_clean = previous_broker_epoch == Some(known.epoch);
            self.remove_from_isrs(broker, self.config.eligible_leader_replicas && !is_clean, out);
        }
        // As in Kafka, the broker epoch is the place of the registration in the metadata.
        let broker_epoch = self.version as i64 + 1;
        self.image.brokers[broker.index()] =
            BrokerImage { epoch: broker_epoch, fenced: true, in_controlled_shutdown: false };
        self.changed = true;
        self.brokers[broker.index()] = BrokerState {
            incarnation,
            last_contact: out.now(),
            has_session: true,
            watched: state.watched,
            metadata_version: 0,
            controlled_shutdown_version: None,
        };
        out.emit_as_cause(Event::BrokerRegistered { broker, broker_epoch });
        self.watch_session(broker, out);
        Response::BrokerRegistration { error: ErrorCode::None, broker_epoch }
    }

    fn has_valid_session(&self, broker: BrokerId, now: Time) -> bool {
        let state = &self.brokers[broker.index()];
        state.has_session && now.since(state.last_contact) < self.config.broker_session_timeout
    }

    fn watch_session(&mut self, broker: BrokerId, out: &mut Out) {
        let state = &mut self.brokers[broker.index()];
        if !state.watched {
            state.watched = true;
            let at = state.last_contact + self.config.broker_session_timeout;
            out.timer(at, Timer::Broker(BrokerTimer::BrokerSession(broker)));
        }
    }

    fn check_session(&mut self, broker: BrokerId, out: &mut Out) {
        self.brokers[broker.index()].watched = false;
        if self.has_valid_session(broker, out.now()) {
            self.watch_session(broker, out);
        } else {
            self.brokers[broker.index()].has_session = false;
            if !self.image.broker(broker).fenced {
                self.fence(broker, out);
            }
        }
    }

    /// `handleBrokerFenced`
    fn fence(&mut self, broker: BrokerId, out: &mut Out) {
        self.image.brokers[broker.index()].fenced = true;
        self.changed = true;
        out.emit_as_cause(Event::BrokerFenced { broker });
        self.remove_from_isrs(broker, false, out);
    }

    /// `processBrokerHeartbeat` (`BrokerHeartbeatManager.calculateNextBrokerState`)
    fn heartbeat(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
        metadata_version: u64,
        want_fence: bool,
        want_shut_down: bool,
        out: &mut Out,
    ) -> Response {
        let known = *self.image.broker(broker);
        if known.epoch != broker_epoch {
            let error = ErrorCode::StaleBrokerEpoch;
            return Response::BrokerHeartbeat { error, is_fenced: true, should_shut_down: false };
        }
        let state = &mut self.brokers[broker.index()];
        state.last_contact = out.now();
        state.has_session = true;
        state.metadata_version = metadata_version;
        self.watch_session(broker, out);
        let mut should_shut_down = false;
        if known.fenced {
            if want_shut_down {
                should_shut_down = true;
            } else if !want_fence && metadata_version as i64 >= known.epoch {
                self.image.brokers[broker.index()].fenced = false;
                self.changed = true;
                out.emit_as_cause(Event::BrokerUnfenced { broker });
                self.elect_where_leaderless(out);
            }
        } else if want_shut_down {
            should_shut_down = self.shut_down(broker, out);
        } else if want_fence {
            self.fence(broker, out);
        }
        if should_shut_down {
            if !known.fenced {
                self.fence(broker, out);
            }
            self.brokers[broker.index()].has_session = false;
        }
        let is_fenced = self.image.broker(broker).fenced;
        Response::BrokerHeartbeat { error: ErrorCode::None, is_fenced, should_shut_down }
    }

    /// A broker asks to go: its leaderships move first, and everyone must know. Returns whether it may go
    /// now.
    fn shut_down(&mut self, broker: BrokerId, out: &mut Out) -> bool {
        let leads = self.image.partitions.iter().any(|partition| partition.leader == Some(broker));
        if !self.image.broker(broker).in_controlled_shutdown && leads {
            self.image.brokers[broker.index()].in_controlled_shutdown = true;
            self.changed = true;
            self.remove_from_isrs(broker, false, out);
            self.brokers[broker.index()].controlled_shutdown_version = Some(self.version + 1);
            return false;
        }
        if leads {
            return false;
        }
        let Some(version) = self.brokers[broker.index()].controlled_shutdown_version else { return true };
        (0..self.brokers.len())
            .filter(|index| !self.image.brokers[*index].fenced)
            .all(|index| self.brokers[index].metadata_version >= version)
    }

    /// A broker goes: it leaves every ISR, and after an unclean shutdown every ELR; what it led gets another
    /// leader (`generateLeaderAndIsrUpdates`).
    fn remove_from_isrs(&mut self, broker: BrokerId, unclean_shutdown: bool, out: &mut Out) {
        let removed = BrokerSet::from_iter([broker]);
        for index in 0..self.image.partitions.len() {
            let id = PartitionId(index as u8);
            let partition = self.image.partition(id);
            let leaves_elr = unclean_shutdown && partition.elr.contains(broker);
            if !partition.isr.contains(broker) && !leaves_elr {
                continue;
            }
            let change = PartitionChange {
                target_isr: partition.isr.without(removed),
                unclean_shutdown: if unclean_shutdown { removed } else { BrokerSet::EMPTY },
                election: self.any_election(partition),
                elr_enabled: self.config.eligible_leader_replicas,
            };
            self.change(id, change, Some(broker), out);
        }
    }

    fn elect_where_leaderless(&mut self, out: &mut Out) {
        for index in 0..self.image.partitions.len() {
            let id = PartitionId(index as u8);
            let partition = self.image.partition(id);
            if partition.leader.is_none() && partition.exists() {
                self.elect(id, self.any_election(partition), out);
            }
        }
    }

    // ---- partitions ----------------------------------------------------------------------------

    fn any_election(&self, partition: &PartitionImage) -> Election {
        if partition.unclean_leader_election_enable { Election::Unclean } else { Election::Online }
    }

    fn elect(&mut self, id: PartitionId, election: Election, out: &mut Out) {
        let elr_enabled = self.config.eligible_leader_replicas;
        let change = PartitionChange::elect(self.image.partition(id), election, elr_enabled);
        self.change(id, change, None, out);
    }

    /// Changes a partition. `going` is never elected, whatever the image still says of it.
    fn change(&mut self, id: PartitionId, change: PartitionChange, going: Option<BrokerId>, out: &mut Out) {
        let image = &self.image;
        let changed = change.apply(image.partition(id), |broker| {
            let known = image.broker(broker);
            Some(broker) != going && !known.fenced && !known.in_controlled_shutdown
        });
        if let Some((new, unclean)) = changed {
            self.image.partitions[id.index()] = new;
            self.changed = true;
            self.state_partition(id, unclean, out);
        }
    }

    fn state_partition(&self, id: PartitionId, unclean: bool, out: &mut Out) {
        let &PartitionImage { leader, leader_epoch, partition_epoch, isr, elr, .. } =
            self.image.partition(id);
        out.emit(Event::PartitionChanged {
            partition: id,
            leader,
            leader_epoch,
            partition_epoch,
            isr,
            elr,
            unclean,
        });
    }

    /// `ReplicationControlManager.validateAlterPartitionData`
    fn validate_isr(
        &self,
        broker: BrokerId,
        broker_epoch: i64,
        id: PartitionId,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
        new_isr: BrokerSet,
    ) -> Result<(), ErrorCode> {
        let partition = self.image.partition(id);
        if self.image.broker(broker).epoch != broker_epoch {
            return Err(ErrorCode::StaleBrokerEpoch);
        }
        if leader_epoch < partition.leader_epoch || partition.leader != Some(broker) {
            return Err(ErrorCode::FencedLeaderEpoch);
        }
        if partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::InvalidUpdateVersion);
        }
        let ineligible = new_isr.iter().any(|replica| {
            let known = self.image.broker(replica);
            known.fenced || known.in_controlled_shutdown
        });
        if ineligible { Err(ErrorCode::IneligibleReplica) } else { Ok(()) }
    }

    fn alter_isr(&mut self, id: PartitionId, new_isr: BrokerSet, out: &mut Out) -> ErrorCode {
        let before = self.image.partition(id);
        let (leader_epoch, was_recovering) = (before.leader_epoch, before.recovering);
        let change = PartitionChange {
            target_isr: new_isr,
            unclean_shutdown: BrokerSet::EMPTY,
            election: self.any_election(before),
            elr_enabled: self.config.eligible_leader_replicas,
        };
        self.change(id, change, None, out);
        let partition = &mut self.image.partitions[id.index()];
        if was_recovering && partition.leader_epoch == leader_epoch {
            // A leader that was elected uncleanly says with its first ISR change that it has recovered.
            partition.recovering = false;
        }
        if partition.leader_epoch == leader_epoch { ErrorCode::None } else { ErrorCode::NewLeaderElected }
    }

    fn time_unclean_elections(&mut self, out: &mut Out) {
        let wanted = self.image.partitions.iter().any(|partition| partition.unclean_leader_election_enable);
        if wanted && !self.unclean_elections_timed {
            self.unclean_elections_timed = true;
            let at = out.now() + self.config.unclean_leader_election_interval;
            out.timer(at, Timer::Broker(BrokerTimer::UncleanElections));
        }
    }

    // ---- what a person does to topics ----------------------------------------------------------

    /// Moves leadership as an administrator does: a reassignment puts `to` first among the replicas, then a
    /// preferred election. Nothing moves if `to` is not in sync.
    pub fn move_leader(&mut self, id: PartitionId, to: BrokerId, out: &mut Out) {
        let partition = &mut self.image.partitions[id.index()];
        let Some(place) = partition.replicas.iter().position(|replica| *replica == Some(to)) else { return };
        if place > 0 {
            partition.replicas[..=place].rotate_right(1);
            partition.partition_epoch += 1;
            self.changed = true;
            self.state_partition(id, false, out);
        }
        self.elect(id, Election::Preferred, out);
        self.publish(out);
    }

    /// Sets `min.insync.replicas` of some partitions; eligible leader replicas start anew.
    pub fn set_min_insync_replicas(&mut self, partitions: PartitionSet, value: u32, out: &mut Out) {
        for id in partitions.iter() {
            let partition = &mut self.image.partitions[id.index()];
            partition.min_insync_replicas = value;
            self.changed = true;
            if !partition.elr.is_empty() {
                partition.elr = BrokerSet::EMPTY;
                partition.partition_epoch += 1;
                self.state_partition(id, false, out);
            }
        }
        self.publish(out);
    }

    /// Sets `unclean.leader.election.enable` of some partitions.
    pub fn set_unclean_leader_election(&mut self, partitions: PartitionSet, value: bool, out: &mut Out) {
        for id in partitions.iter() {
            self.image.partitions[id.index()].unclean_leader_election_enable = value;
            self.changed = true;
        }
        self.time_unclean_elections(out);
        self.publish(out);
    }

    /// Adds partitions to a topic (`createPartitions`): on the replicas of its first one, of which those that are
    /// alive are in sync and the first leads.
    pub fn create_partitions(&mut self, like: PartitionId, partitions: PartitionSet, out: &mut Out) {
        let first = *self.image.partition(like);
        for id in partitions.iter() {
            if self.image.partition(id).exists() {
                continue;
            }
            let is_alive = |broker: &BrokerId| !self.image.broker(*broker).fenced;
            let leader = first.replicas().find(is_alive);
            let isr: BrokerSet = first.replicas().filter(is_alive).collect();
            let (elr, last_known_leader) = (BrokerSet::EMPTY, None);
            self.image.partitions[id.index()] = PartitionImage {
                leader,
                leader_epoch: 0,
                partition_epoch: 0,
                isr,
                elr,
                last_known_leader,
                recovering: false,
                ..first
            };
            self.changed = true;
            self.state_partition(id, false, out);
        }
        self.publish(out);
    }

    /// Makes what has changed known to the brokers that wait for news.
    fn publish(&mut self, out: &mut Out) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        out.arenas().images.push(self.image.clone());
        self.version = out.arenas().images.len() as u64 - 1;
        let version = self.version;
        let waiting = std::mem::take(&mut self.waiting);
        for fetch in &waiting {
            if version > fetch.version {
                out.respond(fetch.request_id, Response::FetchMetadata { version });
            } else {
                self.waiting.push(*fetch);
            }
        }
    }
}
