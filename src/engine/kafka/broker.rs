//! A broker: its process, and which of its parts handles what (`BrokerServer`, `KafkaApis`).
//!
//! What survives is kept apart: the replicas' logs lie in the page cache and live through a process
//! kill; of a power loss only what was flushed. Everything else begins anew with each process.

use super::add_partitions_manager::{AddPartitionsManager, Verification, Writer};
use super::alter_partition_manager::AlterPartitionManager;
use super::broker_lifecycle::{BrokerLifecycle, BrokerState, Next};
use super::error::ErrorCode;
use super::event::Event;
use super::group_coordinator::GroupCoordinator;
use super::message::{CoordinatorKey, Request, Response};
use super::network::{ConnectionId, RequestId};
use super::out::{BrokerTimer, NodeEvent, Out, Timer, stream};
use super::partition_log::PartitionLog;
use super::replica_fetcher::ReplicaFetcher;
use super::replica_manager::{Appended, LeadershipChange, ReplicaManager, Waiter};
use super::transaction_coordinator::TransactionCoordinator;
use super::types::*;
use super::write_txn_markers::MarkerRequests;
use crate::engine::script::Setup;
use crate::engine::sim::random::Quantiles;
use crate::engine::sim::time::Span;

/// From the start of a process to its registration, in microseconds, as on the recorded cluster.
const START: Quantiles = Quantiles::new([
    2_800_000, 2_820_000, 2_840_000, 2_860_000, 2_880_000, 2_900_000, 2_925_000, 2_950_000, 2_975_000,
    3_000_000, 3_025_000, 3_050_000, 3_075_000, 3_100_000, 3_150_000, 3_200_000, 3_300_000,
]);

/// A request that came before the broker served.
#[derive(Clone, Copy, Debug)]
struct EarlyRequest {
    request_id: RequestId,
    from: Node,
    request: Request,
}

/// A broker.
#[derive(Clone, Debug)]
pub struct Broker {
    id: BrokerId,
    lifecycle: BrokerLifecycle,
    replicas: ReplicaManager,
    /// By leading broker.
    fetchers: Vec<ReplicaFetcher>,
    alter_partition: AlterPartitionManager,
    add_partitions: AddPartitionsManager,
    marker_requests: MarkerRequests,
    group_coordinator: GroupCoordinator,
    transaction_coordinator: TransactionCoordinator,
    early: Vec<EarlyRequest>,
}

impl Broker {
    /// A broker that is not running.
    pub fn new(id: BrokerId, setup: &Setup) -> Broker {
        let cluster = &setup.cluster;
        let (interval, session) = (cluster.broker_heartbeat_interval, cluster.broker_session_timeout);
        Broker {
            id,
            lifecycle: BrokerLifecycle::new(id, interval, session),
            replicas: ReplicaManager::new(id, setup),
            fetchers: (0..usize::from(setup.brokers))
                .map(|index| ReplicaFetcher::new(BrokerId::from_index(index)))
                .collect(),
            alter_partition: AlterPartitionManager::default(),
            add_partitions: AddPartitionsManager::default(),
            marker_requests: MarkerRequests::default(),
            group_coordinator: GroupCoordinator::new(setup),
            transaction_coordinator: TransactionCoordinator::new(id, setup),
            early: Vec::new(),
        }
    }

    /// The start of a run: it is registered, unfenced and in every ISR, and begins to fetch. The controller
    /// has published the first image.
    pub fn bootstrap(&mut self, out: &mut Out) {
        let version = out.arenas().images.len() as u64 - 1;
        let broker_epoch = out.arenas().images[version as usize].broker(self.id).epoch;
        out.emit_as_cause(Event::BrokerStarted);
        self.replicas.broker_epoch = broker_epoch;
        self.lifecycle.bootstrap(broker_epoch, version, out);
        self.begin_timers(out);
        self.apply_metadata(version, out);
        self.settle(out);
    }

    /// Whether there is a process.
    pub fn is_running(&self) -> bool {
        self.lifecycle.state != BrokerState::NotRunning
    }

    /// Whether it answers requests: it has registered and caught up with the metadata.
    pub fn is_serving(&self) -> bool {
        self.lifecycle.is_serving()
    }

    /// This broker's copy of a partition, running or not; none if it has no replica.
    pub fn log(&self, partition: PartitionId) -> Option<&PartitionLog> {
        self.replicas.log(partition)
    }

    /// All its replicas, to look at.
    pub fn replicas(&self) -> &ReplicaManager {
        &self.replicas
    }

    /// Its transaction coordinator, to look at.
    pub fn transaction_coordinator(&self) -> &TransactionCoordinator {
        &self.transaction_coordinator
    }

    /// Its group coordinator, to look at.
    pub fn group_coordinator(&self) -> &GroupCoordinator {
        &self.group_coordinator
    }

    // ---- its process ---------------------------------------------------------------------------

    /// The process starts: loads its logs, registers about three seconds later, and serves once it has caught up
    /// with the metadata.
    pub fn start(&mut self, out: &mut Out) {
        if self.is_running() {
            return;
        }
        out.emit_as_cause(Event::BrokerStarted);
        let (now, id) = (out.now(), u64::from(self.id.0));
        let ready_after = out.random().span(&START, stream::BROKER_START, id, now.0);
        let clean = self.lifecycle.start(ready_after, out);
        self.replicas.load(clean, out);
        self.begin_timers(out);
    }

    /// The process is killed; the page cache survives.
    pub fn kill(&mut self, out: &mut Out) {
        if self.is_running() {
            out.emit_as_cause(Event::BrokerKilled);
            self.end_process(false, out);
        }
    }

    /// Begins a controlled shutdown; [`Broker::is_running`] says when it is over.
    pub fn stop(&mut self, out: &mut Out) {
        match self.lifecycle.state {
            BrokerState::NotRunning | BrokerState::PendingControlledShutdown => {}
            BrokerState::Running => {
                out.emit_as_cause(Event::BrokerStopping);
                self.lifecycle.begin_controlled_shutdown(self.replicas.metadata_version, out);
            }
            BrokerState::Starting | BrokerState::Registering | BrokerState::CatchingUp => {
                out.emit_as_cause(Event::BrokerStopping);
                self.shut_down(out);
            }
        }
    }

    /// Power is lost: of these partitions' logs only the first `flushed` records are left.
    pub fn lose_power(&mut self, partitions: PartitionSet, flushed: u32, out: &mut Out) {
        out.emit_as_cause(Event::BrokerLostPower);
        if self.is_running() {
            self.end_process(false, out);
        }
        self.replicas.keep_first_records(partitions, flushed, out);
    }

    /// The files of these partitions are lost; the broker must be down.
    pub fn wipe(&mut self, partitions: PartitionSet, out: &mut Out) {
        self.replicas.wipe(partitions, out);
    }

    /// Deletes the records of a partition before an offset. Nothing happens on a broker that does not lead
    /// it, or beyond the high watermark.
    pub fn delete_records(&mut self, partition: PartitionId, before: Offset, out: &mut Out) {
        if self.lifecycle.is_serving() {
            let _refused = self.replicas.delete_records(partition, before, out);
            self.settle(out);
        }
    }

    fn shut_down(&mut self, out: &mut Out) {
        out.emit_as_cause(Event::BrokerStopped);
        self.end_process(true, out);
    }

    fn end_process(&mut self, cleanly: bool, out: &mut Out) {
        let setup = out.setup();
        self.replicas.end_process(cleanly);
        self.lifecycle.end_process(cleanly);
        self.fetchers.iter_mut().for_each(ReplicaFetcher::end_process);
        self.alter_partition = AlterPartitionManager::default();
        self.add_partitions.clear();
        self.marker_requests.clear();
        self.group_coordinator = GroupCoordinator::new(&setup);
        self.transaction_coordinator = TransactionCoordinator::new(self.id, &setup);
        self.early.clear();
    }

    fn begin_timers(&self, out: &mut Out) {
        for timer in
            [BrokerTimer::ShrinkIsr, BrokerTimer::ExpireProducerIds, BrokerTimer::CheckpointHighWatermarks]
        {
            self.time_again(timer, out);
        }
    }

    /// Sets a timer that runs down at regular intervals.
    fn time_again(&self, timer: BrokerTimer, out: &mut Out) {
        let config = &self.replicas.config;
        let interval = match timer {
            BrokerTimer::ShrinkIsr => Span(config.replica_lag_time_max.0 / 2),
            BrokerTimer::ExpireProducerIds => config.producer_id_expiration_check_interval,
            BrokerTimer::CheckpointHighWatermarks => config.replica_high_watermark_checkpoint_interval,
            _ => unreachable!("not a regular timer: {timer:?}"),
        };
        out.timer(out.now() + interval.max(Span::millis(1)), Timer::Broker(timer));
    }

    // ---- events --------------------------------------------------------------------------------

    /// Handles an event.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) {
        if !self.is_running() {
            return;
        }
        match event {
            NodeEvent::Request { request_id, from, request } => {
                if self.lifecycle.is_serving() {
                    self.on_request(request_id, from, request, out);
                } else {
                    self.early.push(EarlyRequest { request_id, from, request });
                }
            }
            NodeEvent::Response { request_id, response } => self.on_response(request_id, response, out),
            NodeEvent::Connected(connection) => self.on_connected(connection, out),
            NodeEvent::Disconnected(connection) => self.on_disconnected(connection, out),
            NodeEvent::Timer(Timer::Broker(timer)) => self.on_timer(timer, out),
            NodeEvent::Timer(_) => {}
        }
        self.settle(out);
    }

    fn on_connected(&mut self, connection: ConnectionId, out: &mut Out) {
        let Broker { lifecycle, replicas, fetchers, .. } = self;
        if lifecycle.owns(connection) {
            lifecycle.on_connected(connection, replicas.metadata_version, out);
        } else if let Some(fetcher) = fetchers.iter_mut().find(|fetcher| fetcher.owns(connection)) {
            fetcher.on_connected(replicas, out);
        } else if self.alter_partition.owns(connection) {
            self.alter_partition.on_connected(replicas, out);
        } else if self.add_partitions.owns(connection) {
            self.add_partitions.on_connected(connection, out);
        } else {
            self.transaction_coordinator.on_connected(connection, replicas, out);
        }
    }

    fn on_disconnected(&mut self, connection: ConnectionId, out: &mut Out) {
        let Broker { lifecycle, replicas, fetchers, .. } = self;
        if lifecycle.owns(connection) {
            lifecycle.on_disconnected(connection, out);
        } else if let Some(fetcher) = fetchers.iter_mut().find(|fetcher| fetcher.owns(connection)) {
            fetcher.on_disconnected(replicas, out);
        } else if self.alter_partition.owns(connection) {
            self.alter_partition.on_disconnected(replicas);
            out.timer(out.now() + Span::millis(100), Timer::Broker(BrokerTimer::ControllerRetry));
        } else if self.add_partitions.owns(connection) {
            self.add_partitions.on_disconnected(connection, out);
        } else {
            self.early.retain(|early| early.request_id.connection != connection);
            self.transaction_coordinator.on_disconnected(connection, replicas, out);
        }
    }

    fn on_response(&mut self, request_id: RequestId, response: Response, out: &mut Out) {
        let connection = request_id.connection;
        let Broker { lifecycle, replicas, fetchers, .. } = self;
        if lifecycle.owns(connection) {
            match lifecycle.on_response(request_id, response, replicas.metadata_version, out) {
                Next::Nothing => {}
                Next::Registered(broker_epoch) => replicas.broker_epoch = broker_epoch,
                Next::Metadata(version) => self.apply_metadata(version, out),
                Next::ShutDown => self.shut_down(out),
            }
        } else if let Some(fetcher) = fetchers.iter_mut().find(|fetcher| fetcher.owns(connection)) {
            fetcher.on_response(request_id, response, replicas, out);
        } else if self.alter_partition.owns(connection) {
            self.alter_partition.on_response(request_id, response, replicas, out);
        } else if self.add_partitions.owns(connection) {
            self.add_partitions.on_response(request_id, response, replicas, out);
        } else {
            self.transaction_coordinator.on_response(request_id, response, replicas, out);
        }
    }

    fn on_timer(&mut self, timer: BrokerTimer, out: &mut Out) {
        let replicas = &mut self.replicas;
        match timer {
            BrokerTimer::FetchAgain(leader) => self.fetchers[leader.index()].on_timer(replicas, out),
            BrokerTimer::FetchWaitOver => replicas.on_fetch_wait_over(out),
            BrokerTimer::AppendWaitOver => replicas.on_append_wait_over(out),
            BrokerTimer::ShrinkIsr => {
                replicas.shrink_isr(out);
                self.time_again(timer, out);
            }
            BrokerTimer::ExpireProducerIds => {
                replicas.expire_producers(out);
                self.time_again(timer, out);
            }
            BrokerTimer::CheckpointHighWatermarks => {
                replicas.checkpoint_high_watermarks();
                self.time_again(timer, out);
            }
            BrokerTimer::Heartbeat => self.lifecycle.on_heartbeat_timer(replicas.metadata_version, out),
            BrokerTimer::ControllerRetry => self.lifecycle.run(replicas.metadata_version, out),
            BrokerTimer::VerifyAgain(request_id) => self.add_partitions.on_timer(request_id, replicas, out),
            BrokerTimer::GroupSession(..)
            | BrokerTimer::GroupRebalance(..)
            | BrokerTimer::OffsetsCommitTimeout
            | BrokerTimer::ExpireOffsets(_) => self.group_coordinator.on_timer(timer, replicas, out),
            BrokerTimer::CoordinatorLoaded(PartitionId::CONSUMER_OFFSETS, _) => {
                self.group_coordinator.on_timer(timer, replicas, out);
            }
            BrokerTimer::CoordinatorLoaded(..)
            | BrokerTimer::SendMarkers(_)
            | BrokerTimer::AbortTimedOutTransactions(_)
            | BrokerTimer::ExpireTransactionalIds(_) => {
                self.transaction_coordinator.on_timer(timer, replicas, out);
            }
            BrokerTimer::MetadataWaitOver(_)
            | BrokerTimer::BrokerSession(_)
            | BrokerTimer::UncleanElections
            | BrokerTimer::PreferredElections
            | BrokerTimer::ShutDown => {}
        }
    }

    /// New metadata: leads and follows as it says, and the first time begins to serve.
    fn apply_metadata(&mut self, version: u64, out: &mut Out) {
        if self.replicas.metadata_version.is_none_or(|applied| version > applied) {
            self.replicas.apply_metadata(version, out);
        }
        for fetcher in &mut self.fetchers {
            fetcher.run(&mut self.replicas, out);
        }
        if self.lifecycle.on_metadata_applied(version, out) {
            self.settle(out);
            let mut early = std::mem::take(&mut self.early);
            for EarlyRequest { request_id, from, request } in early.drain(..) {
                self.on_request(request_id, from, request, out);
                self.settle(out);
            }
            self.early = early;
        }
    }

    /// Hands on what the handling of an event has brought to an end.
    fn settle(&mut self, out: &mut Out) {
        loop {
            if let Some(change) = self.replicas.next_leadership_change() {
                self.on_leadership_change(change, out);
            } else if let Some(Appended { waiter, result, cause }) = self.replicas.next_appended() {
                out.cause = cause.or(out.cause);
                self.on_appended(waiter, result, out);
            } else if let Some(verification) = self.add_partitions.next_finished() {
                out.cause = verification.cause.or(out.cause);
                self.on_verified(verification, out);
            } else {
                break;
            }
        }
        self.alter_partition.run(&mut self.replicas, out);
    }

    fn on_leadership_change(&mut self, change: LeadershipChange, out: &mut Out) {
        let Broker { replicas, group_coordinator, transaction_coordinator, .. } = self;
        match change {
            LeadershipChange::Elected(PartitionId::CONSUMER_OFFSETS, leader_epoch) => {
                if let Some(log) = replicas.log(PartitionId::CONSUMER_OFFSETS) {
                    group_coordinator.on_elected(leader_epoch, log, out);
                }
            }
            LeadershipChange::Elected(PartitionId::TRANSACTION_STATE, leader_epoch) => {
                if let Some(log) = replicas.log(PartitionId::TRANSACTION_STATE) {
                    transaction_coordinator.on_elected(leader_epoch, log, out);
                }
            }
            LeadershipChange::Resigned(PartitionId::CONSUMER_OFFSETS, _) => {
                group_coordinator.on_resigned(out)
            }
            LeadershipChange::Resigned(PartitionId::TRANSACTION_STATE, _) => {
                transaction_coordinator.on_resigned(out);
            }
            LeadershipChange::Elected(..) | LeadershipChange::Resigned(..) => {}
        }
    }

    fn on_appended(&mut self, waiter: Waiter, result: Result<(), ErrorCode>, out: &mut Out) {
        let replicas = &mut self.replicas;
        match waiter {
            Waiter::Produce { slot, index } => replicas.on_produce_appended(slot, index, result, out),
            Waiter::Markers { slot, index } => self.marker_requests.on_appended(slot, index, result, out),
            Waiter::Group(waiter) => self.group_coordinator.on_appended(waiter, result, replicas, out),
            Waiter::Transaction(waiter) => {
                self.transaction_coordinator.on_appended(waiter, result, replicas, out);
            }
        }
    }

    // ---- requests ------------------------------------------------------------------------------

    fn on_request(&mut self, request_id: RequestId, from: Node, request: Request, out: &mut Out) {
        let replicas = &mut self.replicas;
        match request {
            Request::Produce { acks, timeout, transactional_id, transaction_version, batches } => {
                let writer = transactional_id.and_then(|transactional_id| {
                    // A produce request of a transaction has one producer in all its batches.
                    let first = out.stage.arenas.batches[batches].iter().find(|b| b.is_transactional())?;
                    let (producer_id, producer_epoch) = (first.producer_id, first.producer_epoch);
                    Some(Writer { transactional_id, producer_id, producer_epoch, transaction_version })
                });
                let writer = writer
                    .filter(|writer| AddPartitionsManager::is_needed(writer.transaction_version, replicas));
                match writer {
                    None => replicas.on_produce(request_id, acks, timeout, batches, &[], out),
                    Some(writer) => {
                        self.add_partitions.begin(request_id, from, request, writer, replicas, out);
                    }
                }
            }
            Request::Fetch { replica, isolation_level, max_wait, partitions } => {
                replicas.on_fetch(request_id, replica, isolation_level, max_wait, partitions, out);
            }
            Request::ListOffsets { partition, current_leader_epoch, isolation_level, at } => {
                let response = replicas.list_offsets(partition, current_leader_epoch, isolation_level, at);
                out.respond(request_id, response);
            }
            Request::OffsetForLeaderEpoch { partition, current_leader_epoch, leader_epoch } => {
                let response =
                    replicas.offset_for_leader_epoch(partition, current_leader_epoch, leader_epoch);
                out.respond(request_id, response);
            }
            Request::Metadata => {
                let version = replicas.metadata_version.unwrap_or(0);
                out.respond(request_id, Response::Metadata { version });
            }
            Request::FindCoordinator { key } => {
                let partition = match key {
                    CoordinatorKey::Group(_) => PartitionId::CONSUMER_OFFSETS,
                    CoordinatorKey::Transaction(_) => PartitionId::TRANSACTION_STATE,
                };
                let node = replicas.current_leader(partition, out).map(|(leader, _)| leader);
                let error = if node.is_some() { ErrorCode::None } else { ErrorCode::CoordinatorNotAvailable };
                out.respond(request_id, Response::FindCoordinator { error, node });
            }
            Request::InitProducerId { transactional_id: None, .. } => {
                let producer_id = replicas.producer_ids.generate();
                let error = ErrorCode::None;
                out.respond(request_id, Response::InitProducerId { error, producer_id, producer_epoch: 0 });
            }
            Request::InitProducerId { .. }
            | Request::AddPartitionsToTxn { .. }
            | Request::AddOffsetsToTxn { .. }
            | Request::EndTxn { .. } => {
                self.transaction_coordinator.on_request(request_id, from, request, replicas, out);
            }
            Request::WriteTxnMarkers { markers } => {
                let group_coordinator = &mut self.group_coordinator;
                self.marker_requests.on_request(request_id, markers, replicas, group_coordinator, out);
            }
            Request::TxnOffsetCommit {
                transactional_id,
                producer_id,
                producer_epoch,
                transaction_version,
                ..
            } if replicas.is_leader(PartitionId::CONSUMER_OFFSETS)
                && AddPartitionsManager::is_needed(transaction_version, replicas) =>
            {
                let writer = Writer { transactional_id, producer_id, producer_epoch, transaction_version };
                self.add_partitions.begin(request_id, from, request, writer, replicas, out);
            }
            Request::TxnOffsetCommit { .. }
            | Request::JoinGroup { .. }
            | Request::Heartbeat { .. }
            | Request::LeaveGroup { .. }
            | Request::SyncGroup { .. }
            | Request::OffsetCommit { .. }
            | Request::OffsetFetch { .. } => {
                self.group_coordinator.on_request(request_id, from, request, replicas, out);
            }
            Request::AlterPartition { .. }
            | Request::BrokerRegistration { .. }
            | Request::BrokerHeartbeat { .. }
            | Request::FetchMetadata { .. } => unreachable!("a request to the controller: {request:?}"),
        }
    }

    fn on_verified(&mut self, verification: Verification, out: &mut Out) {
        let Verification { request_id, from, request, verified, .. } = verification;
        match request {
            Request::Produce { acks, timeout, batches, .. } => {
                self.replicas.on_produce(request_id, acks, timeout, batches, &verified, out);
            }
            _ => match verified.first() {
                Some((_, Err(error))) => {
                    out.respond(request_id, Response::TxnOffsetCommit { error: *error });
                }
                verified => {
                    let guard = verified.and_then(|(_, verified)| verified.ok());
                    self.replicas.offsets_guard = guard.unwrap_or_default();
                    self.group_coordinator.on_request(request_id, from, request, &mut self.replicas, out);
                    self.replicas.offsets_guard = Default::default();
                }
            },
        }
        self.add_partitions.give_back(verified);
    }
}

#[cfg(test)]
mod tests;
