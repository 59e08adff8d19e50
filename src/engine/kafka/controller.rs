//! The KRaft controller: registrations, sessions, elections, ISR changes (`ReplicationControlManager`,
//! `ClusterControlManager`, `BrokerHeartbeatManager`, `PartitionChangeBuilder`; kafka-semantics 2.5 to 2.9).

use super::config::ClusterConfig;
use super::error::ErrorCode;
use super::event::Event;
use super::message::{Request, Response};
use super::metadata::{BrokerImage, ClusterImage, PartitionImage};
use super::network::RequestId;
use super::out::{BrokerTimer, NodeEvent, Out, Timer};
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::time::Time;

/// What the controller knows of a broker beside its registration.
#[derive(Clone, Copy, Debug, Default)]
struct BrokerState {
    last_contact: Time,
    incarnation: u32,
    /// The metadata version that it has applied.
    applied: u64,
    /// Its session is watched.
    watched: bool,
    /// The metadata version with which its controlled shutdown began.
    shutdown_version: Option<u64>,
}

/// How a leader may be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Election {
    /// From ISR or ELR; uncleanly where the topic allows it.
    Any,
    /// The preferred replica, if it is in sync.
    Preferred,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct Controller {
    config: ClusterConfig,
    brokers: Vec<BrokerState>,
    next_epoch: i64,
    /// Brokers that wait for metadata newer than a version.
    waiting: Vec<(RequestId, u64)>,
    draft: ClusterImage,
}

impl Controller {
    /// Before the start of the run.
    pub fn new(setup: &Setup) -> Controller {
        let brokers = vec![
            BrokerImage { epoch: 0, fenced: false, in_controlled_shutdown: false };
            usize::from(setup.brokers)
        ];
        let partition = |replicas: &[BrokerId], min_insync_replicas, unclean| {
            let mut order = [None; BROKERS_MAX];
            for (place, replica) in order.iter_mut().zip(replicas) {
                *place = Some(*replica);
            }
            PartitionImage {
                leader: replicas.first().copied(),
                leader_epoch: 0,
                partition_epoch: 0,
                replicas: order,
                isr: replicas.iter().copied().collect(),
                elr: BrokerSet::EMPTY,
                last_known_leader: None,
                recovering: false,
                min_insync_replicas,
                unclean_leader_election_enable: unclean,
            }
        };
        let partitions = setup
            .topics
            .iter()
            .flat_map(|topic| {
                let config = &topic.config;
                let image = partition(
                    &config.replicas,
                    config.min_insync_replicas,
                    config.unclean_leader_election_enable,
                );
                std::iter::repeat_n(image, usize::from(config.partitions))
            })
            .collect();
        Controller {
            config: setup.cluster.clone(),
            brokers: vec![BrokerState::default(); usize::from(setup.brokers)],
            next_epoch: 1,
            waiting: Vec::new(),
            draft: ClusterImage { partitions, brokers },
        }
    }

    /// The start of the run: every broker registered, every replica in sync.
    pub fn bootstrap(&mut self, out: &mut Out) {
        out.arenas().images.clear();
        out.arenas().images.push(self.draft.clone());
        for index in 0..self.brokers.len() {
            self.watch(BrokerId::from_index(index), out);
        }
        for (partition, image) in self.draft.partitions.iter().enumerate() {
            emit_change(PartitionId(partition as u8), image, false, out);
        }
        let now = out.now();
        if self.config.auto_leader_rebalance_enable {
            out.timer(
                now + self.config.leader_imbalance_check_interval,
                Timer::Broker(BrokerTimer::PreferredElections),
            );
        }
        out.timer(
            now + self.config.unclean_leader_election_interval,
            Timer::Broker(BrokerTimer::UncleanElections),
        );
    }

    /// Requests of brokers, and the clock.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) {
        match event {
            NodeEvent::Request { request_id, request, .. } => self.on_request(request_id, request, out),
            NodeEvent::Disconnected(connection) => {
                self.waiting.retain(|(request_id, _)| request_id.connection != connection);
            }
            NodeEvent::Timer(Timer::Broker(timer)) => self.on_timer(timer, out),
            NodeEvent::Connected(_) | NodeEvent::Response { .. } | NodeEvent::Timer(_) => {}
        }
    }

    fn on_request(&mut self, request_id: RequestId, request: Request, out: &mut Out) {
        let response = match request {
            Request::BrokerRegistration { broker, incarnation, previous_broker_epoch } => {
                self.register(broker, incarnation, previous_broker_epoch, out)
            }
            Request::BrokerHeartbeat {
                broker,
                broker_epoch,
                metadata_version,
                want_fence,
                want_shut_down,
            } => self.heartbeat(broker, broker_epoch, metadata_version, want_fence, want_shut_down, out),
            Request::AlterPartition {
                broker,
                broker_epoch,
                partition,
                leader_epoch,
                partition_epoch,
                new_isr,
            } => self.alter_partition(
                broker,
                broker_epoch,
                partition,
                leader_epoch,
                partition_epoch,
                new_isr,
                out,
            ),
            Request::FetchMetadata { version, .. } => {
                let latest = self.version(out);
                if version >= latest {
                    self.waiting.push((request_id, version));
                    return;
                }
                Response::FetchMetadata { version: latest }
            }
            _ => unreachable!("no client asks the controller"),
        };
        out.respond(request_id, response);
    }

    fn on_timer(&mut self, timer: BrokerTimer, out: &mut Out) {
        let now = out.now();
        match timer {
            BrokerTimer::BrokerSession(broker) => {
                self.brokers[broker.index()].watched = false;
                if self.draft.broker(broker).fenced {
                    return;
                }
                let ends = self.brokers[broker.index()].last_contact + self.config.broker_session_timeout;
                if ends <= now {
                    self.fence(broker, out);
                } else {
                    self.watch(broker, out);
                }
            }
            BrokerTimer::UncleanElections => {
                self.change(out, |this, partition| {
                    let image = this.draft.partition(partition);
                    let wanted = image.leader.is_none() && image.unclean_leader_election_enable;
                    wanted.then_some((image.isr, Election::Any))
                });
                out.timer(now + self.config.unclean_leader_election_interval, Timer::Broker(timer));
            }
            BrokerTimer::PreferredElections => {
                self.change(out, |this, partition| {
                    Some((this.draft.partition(partition).isr, Election::Preferred))
                });
                out.timer(now + self.config.leader_imbalance_check_interval, Timer::Broker(timer));
            }
            _ => {}
        }
    }

    fn version(&self, out: &mut Out) -> u64 {
        out.arenas().images.len() as u64 - 1
    }

    /// Everybody who waits learns of the new metadata.
    fn publish(&mut self, out: &mut Out) {
        let image = self.draft.clone();
        out.arenas().images.push(image);
        let version = self.version(out);
        for (request_id, _) in std::mem::take(&mut self.waiting) {
            out.respond(request_id, Response::FetchMetadata { version });
        }
    }

    fn watch(&mut self, broker: BrokerId, out: &mut Out) {
        let state = &mut self.brokers[broker.index()];
        if !state.watched {
            state.watched = true;
            let ends = state.last_contact + self.config.broker_session_timeout;
            out.timer(ends, Timer::Broker(BrokerTimer::BrokerSession(broker)));
        }
    }

    // ---- brokers -----------------------------------------------------------------------------------

    fn register(
        &mut self,
        broker: BrokerId,
        incarnation: u32,
        previous: Option<i64>,
        out: &mut Out,
    ) -> Response {
        let now = out.now();
        let state = self.brokers[broker.index()];
        let session_lives = !self.draft.broker(broker).fenced
            && state.last_contact + self.config.broker_session_timeout > now
            && state.incarnation != incarnation;
        if session_lives {
            return Response::BrokerRegistration {
                error: ErrorCode::DuplicateBrokerRegistration,
                broker_epoch: -1,
            };
        }
        // A restart that can't show the epoch of a clean shutdown was unclean: what that replica has is
        // not to be trusted with committed records (KIP-966).
        let unclean = previous != Some(self.draft.broker(broker).epoch);
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        self.draft.brokers[broker.index()] =
            BrokerImage { epoch, fenced: true, in_controlled_shutdown: false };
        self.brokers[broker.index()] = BrokerState {
            last_contact: now,
            incarnation,
            applied: 0,
            watched: state.watched,
            shutdown_version: None,
        };
        out.emit_as_cause(Event::BrokerRegistered { broker, broker_epoch: epoch });
        if unclean && self.config.eligible_leader_replicas {
            for index in 0..self.draft.partitions.len() {
                let partition = PartitionId(index as u8);
                let image = self.draft.partitions[index];
                if !image.isr.contains(broker) && !image.elr.contains(broker) {
                    continue;
                }
                let mut isr = image.isr;
                isr.remove(broker);
                self.draft.partitions[index].elr.remove(broker);
                self.alter(partition, isr, Some(broker), Election::Any, out);
            }
        }

        self.publish(out);
        Response::BrokerRegistration { error: ErrorCode::None, broker_epoch: epoch }
    }

    fn heartbeat(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
        metadata_version: u64,
        want_fence: bool,
        want_shut_down: bool,
        out: &mut Out,
    ) -> Response {
        let image = *self.draft.broker(broker);
        if image.epoch != broker_epoch {
            return Response::BrokerHeartbeat {
                error: ErrorCode::StaleBrokerEpoch,
                is_fenced: true,
                should_shut_down: false,
            };
        }
        let state = &mut self.brokers[broker.index()];
        state.last_contact = out.now();
        state.applied = metadata_version;
        if want_shut_down {
            return self.shut_down(broker, out);
        }
        if image.fenced && !want_fence && metadata_version >= self.version(out) {
            self.draft.brokers[broker.index()].fenced = false;
            out.emit_as_cause(Event::BrokerUnfenced { broker });
            self.change_and_publish(out, |this, partition| {
                let image = this.draft.partition(partition);
                image.leader.is_none().then_some((image.isr, Election::Any))
            });
            self.watch(broker, out);
        } else if !image.fenced && want_fence {
            self.fence(broker, out);
        } else if !image.fenced {
            self.watch(broker, out);
        }
        let is_fenced = self.draft.broker(broker).fenced;
        Response::BrokerHeartbeat { error: ErrorCode::None, is_fenced, should_shut_down: false }
    }

    /// Controlled shutdown: leadership moves first, then the broker leaves every ISR, then it may go.
    fn shut_down(&mut self, broker: BrokerId, out: &mut Out) -> Response {
        if self.brokers[broker.index()].shutdown_version.is_none() {
            self.draft.brokers[broker.index()].in_controlled_shutdown = true;
            self.change_and_publish(out, |this, partition| {
                let image = this.draft.partition(partition);
                let mut isr = image.isr;
                isr.remove(broker);
                (image.isr.contains(broker) && !isr.is_empty()).then_some((isr, Election::Any))
            });
            self.brokers[broker.index()].shutdown_version = Some(self.version(out));
        }
        let version = self.brokers[broker.index()].shutdown_version.unwrap_or_default();
        // The others have to know of it before the broker may go.
        let known = (0..self.brokers.len()).all(|index| {
            let other = BrokerId::from_index(index);
            other == broker || self.draft.broker(other).fenced || self.brokers[index].applied >= version
        });
        if known {
            self.fence(broker, out);
        }
        Response::BrokerHeartbeat { error: ErrorCode::None, is_fenced: known, should_shut_down: known }
    }

    fn fence(&mut self, broker: BrokerId, out: &mut Out) {
        if self.draft.broker(broker).fenced {
            return;
        }
        self.draft.brokers[broker.index()].fenced = true;
        out.emit_as_cause(Event::BrokerFenced { broker });
        self.change_and_publish(out, |this, partition| {
            let image = this.draft.partition(partition);
            let mut isr = image.isr;
            isr.remove(broker);
            (image.isr.contains(broker) || image.leader == Some(broker)).then_some((isr, Election::Any))
        });
    }

    // ---- partitions --------------------------------------------------------------------------------

    /// Changes every partition for which `wanted` gives an ISR, and publishes if any did change.
    fn change(
        &mut self,
        out: &mut Out,
        wanted: impl Fn(&Controller, PartitionId) -> Option<(BrokerSet, Election)>,
    ) {
        if self.change_all(out, wanted) {
            self.publish(out);
        }
    }

    fn change_and_publish(
        &mut self,
        out: &mut Out,
        wanted: impl Fn(&Controller, PartitionId) -> Option<(BrokerSet, Election)>,
    ) {
        self.change_all(out, wanted);
        self.publish(out);
    }

    fn change_all(
        &mut self,
        out: &mut Out,
        wanted: impl Fn(&Controller, PartitionId) -> Option<(BrokerSet, Election)>,
    ) -> bool {
        let mut changed = false;
        for index in 0..self.draft.partitions.len() {
            let partition = PartitionId(index as u8);
            if let Some((isr, election)) = wanted(self, partition) {
                changed |= self.alter(partition, isr, None, election, out);
            }
        }
        changed
    }

    fn may_lead(&self, broker: BrokerId) -> bool {
        let image = self.draft.broker(broker);
        !image.fenced && !image.in_controlled_shutdown
    }

    /// Gives a partition a new ISR and, where needed, a new leader (`PartitionChangeBuilder`). `unclean`: a replica
    /// that restarted uncleanly. Returns whether anything changed.
    fn alter(
        &mut self,
        partition: PartitionId,
        isr: BrokerSet,
        unclean: Option<BrokerId>,
        election: Election,
        out: &mut Out,
    ) -> bool {
        let old = self.draft.partitions[partition.index()];
        let mut new = old;
        new.isr = isr;
        // Without ELR the last member never leaves the ISR (kafka-semantics 2.7).
        if !self.config.eligible_leader_replicas && isr.is_empty() {
            new.isr = old.isr;
        }
        let mut unclean_election = false;
        let keeps = old.leader.is_some_and(|leader| new.isr.contains(leader) && self.may_lead(leader));
        if election == Election::Preferred {
            let preferred =
                old.replicas().next().filter(|broker| new.isr.contains(*broker) && self.may_lead(*broker));
            if preferred.is_some() {
                new.leader = preferred;
            }
        } else if !keeps {
            let eligible = |broker: &BrokerId| {
                self.may_lead(*broker)
                    && (new.isr.contains(*broker) || new.isr.is_empty() && old.elr.contains(*broker))
            };
            new.leader = old.replicas().find(eligible);
            if new.leader.is_none() && new.isr.is_empty() && old.elr.is_empty() {
                // Exactly one last known leader, alive again (KIP-966).
                new.leader = old.last_known_leader.filter(|broker| self.may_lead(*broker));
                unclean_election = new.leader.is_some();
            }
            if new.leader.is_none() && old.unclean_leader_election_enable {
                new.leader = old.replicas().find(|broker| self.may_lead(*broker));
                unclean_election = new.leader.is_some();
            }
            if let Some(leader) = new.leader
                && !new.isr.contains(leader)
            {
                new.isr = [leader].into_iter().collect();
                new.recovering = unclean_election;
            }
        }
        if self.config.eligible_leader_replicas {
            if new.isr.len() >= new.min_insync_replicas_effective() {
                new.elr = BrokerSet::EMPTY;
                new.last_known_leader = None;
            } else {
                new.elr = old.elr.union(old.isr).without(new.isr);
                if let Some(broker) = unclean {
                    new.elr.remove(broker);
                }
                if new.isr.is_empty() && new.elr.is_empty() && old.leader.is_some() {
                    new.last_known_leader = old.leader;
                } else if new.isr.is_empty() && new.elr.is_empty() && new.last_known_leader.is_none() {
                    new.last_known_leader = unclean;
                }
            }
        }
        if new.leader != old.leader {
            new.leader_epoch += 1;
        }
        if new == old {
            return false;
        }
        new.partition_epoch += 1;
        self.draft.partitions[partition.index()] = new;
        emit_change(partition, &new, unclean_election, out);
        true
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one request")]
    fn alter_partition(
        &mut self,
        broker: BrokerId,
        broker_epoch: i64,
        partition: PartitionId,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
        new_isr: BrokerSet,
        out: &mut Out,
    ) -> Response {
        let image = *self.draft.partition(partition);
        let answer = |error, image: &PartitionImage| Response::AlterPartition {
            error,
            isr: image.isr,
            leader_epoch: image.leader_epoch,
            partition_epoch: image.partition_epoch,
        };
        let error = if self.draft.broker(broker).epoch != broker_epoch {
            ErrorCode::StaleBrokerEpoch
        } else if leader_epoch < image.leader_epoch || image.leader != Some(broker) {
            ErrorCode::FencedLeaderEpoch
        } else if partition_epoch < image.partition_epoch {
            ErrorCode::InvalidUpdateVersion
        } else if new_isr.iter().any(|member| !self.may_lead(member)) {
            ErrorCode::IneligibleReplica
        } else {
            ErrorCode::None
        };
        if error != ErrorCode::None {
            return answer(error, &image);
        }
        self.draft.partitions[partition.index()].recovering = false;
        if self.alter(partition, new_isr, None, Election::Any, out) {
            self.publish(out);
        }
        answer(ErrorCode::None, self.draft.partition(partition))
    }

    // ---- what an administrator does ------------------------------------------------------------------

    /// Leadership moves: the replica becomes the preferred one, and is elected if it is in sync.
    pub fn move_leader(&mut self, partition: PartitionId, to: BrokerId, out: &mut Out) {
        let image = &mut self.draft.partitions[partition.index()];
        let mut order = [None; BROKERS_MAX];
        let others = image.replicas().filter(|broker| *broker != to);
        let reordered: Vec<BrokerId> = std::iter::once(to).chain(others).collect();
        for (place, broker) in order.iter_mut().zip(reordered) {
            *place = Some(broker);
        }
        image.replicas = order;
        image.partition_epoch += 1;
        let isr = image.isr;
        self.alter(partition, isr, None, Election::Preferred, out);
        self.publish(out);
    }

    /// `min.insync.replicas` of a topic changes; the ELR of its partitions is cleared.
    pub fn set_min_insync_replicas(&mut self, partitions: PartitionSet, value: u32, out: &mut Out) {
        for partition in partitions.iter() {
            let image = &mut self.draft.partitions[partition.index()];
            image.min_insync_replicas = value;
            image.elr = BrokerSet::EMPTY;
        }
        self.publish(out);
    }

    /// `unclean.leader.election.enable` of a topic changes.
    pub fn set_unclean_leader_election(&mut self, partitions: PartitionSet, enable: bool, out: &mut Out) {
        for partition in partitions.iter() {
            self.draft.partitions[partition.index()].unclean_leader_election_enable = enable;
        }
        self.change_and_publish(out, |this, partition| {
            let image = this.draft.partition(partition);
            (partitions.contains(partition) && image.leader.is_none()).then_some((image.isr, Election::Any))
        });
    }
}

fn emit_change(partition: PartitionId, image: &PartitionImage, unclean: bool, out: &mut Out) {
    out.emit(Event::PartitionChanged {
        partition,
        leader: image.leader,
        leader_epoch: image.leader_epoch,
        partition_epoch: image.partition_epoch,
        isr: image.isr,
        elr: image.elr,
        unclean,
    });
}
