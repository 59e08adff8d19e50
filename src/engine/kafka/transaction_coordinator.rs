//! The transaction coordinator: the leader of `__transaction_state-0` (`TransactionCoordinator`,
//! `TransactionStateManager`; kafka-semantics 3.2, 3.3).
//!
//! Its truth is that partition's log: a transition is appended with acks=all and in force once the high
//! watermark has passed it. What may be done, `transaction_state` decides.

use super::config::{Acks, ClusterConfig};
use super::error::ErrorCode;
use super::event::{Event, TransactionMetadata, TransactionState};
use super::group_coordinator::COORDINATOR_LOAD_TIME;
use super::message::{Request, Response};
use super::network::{ConnectionId, RequestId};
use super::out::{BrokerTimer, Out, Timer};
use super::partition_log::PartitionLog;
use super::record::{Batch, BatchKind, MarkerKind, Payload};
use super::replica_manager::{Origin, ReplicaManager, VerificationGuard, Waiter};
use super::transaction_markers::TransactionMarkers;
use super::transaction_state::{Decision, EndedBy, NO_PRODUCER_EPOCH, TransactionalIdState};
use super::types::*;
use crate::engine::script::{Application, ClientConfig, Setup};
use crate::engine::sim::time::Span;

/// How long a transition may wait for the high watermark (`request.timeout.ms` of the broker).
const APPEND_TIMEOUT: Span = Span::seconds(30);
/// The size of a record of `__transaction_state`, in bytes.
const RECORD_BYTES: u32 = 120;

/// A transition waits for the high watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionWaiter {
    /// The coordinator that appended it; a later one does not know of it.
    coordinator_epoch: LeaderEpoch,
    transactional_id: TransactionalId,
}

/// What is said when a transition is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    /// Nobody asked: a timeout, or the end of a transaction.
    Nobody,
    InitProducerId(RequestId),
    /// The transition aborts what an earlier instance left open; the new one has to ask again.
    Fenced(RequestId),
    AddPartitionsToTxn(RequestId),
    AddOffsetsToTxn(RequestId),
    EndTxn(RequestId),
}

#[derive(Clone, Copy, Debug)]
struct Unanswered {
    transactional_id: TransactionalId,
    reply: Reply,
    fencing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Serving {
    No,
    Loading(LeaderEpoch),
    Yes(LeaderEpoch),
}

/// The transaction coordinator of one broker.
#[derive(Clone, Debug)]
pub struct TransactionCoordinator {
    config: ClusterConfig,
    /// Ids that were used before the run, with the epoch that they get first.
    first_epochs: Vec<(TransactionalId, ProducerEpoch)>,
    serving: Serving,
    ids: Vec<TransactionalIdState>,
    unanswered: Vec<Unanswered>,
    markers: TransactionMarkers,
}

impl TransactionCoordinator {
    /// A coordinator that serves nothing yet.
    pub fn new(broker: BrokerId, setup: &Setup) -> TransactionCoordinator {
        TransactionCoordinator {
            config: setup.cluster.clone(),
            first_epochs: setup.applications.iter().filter_map(first_epoch).collect(),
            serving: Serving::No,
            ids: Vec::new(),
            unanswered: Vec::new(),
            markers: TransactionMarkers::new(broker, usize::from(setup.brokers)),
        }
    }

    /// This broker now leads `__transaction_state-0`: it reads the log, and serves after
    /// [`BrokerTimer::CoordinatorLoaded`].
    pub fn on_elected(&mut self, leader_epoch: LeaderEpoch, log: &PartitionLog, out: &mut Out) {
        self.ids.clear();
        self.serving = Serving::Loading(leader_epoch);
        for batch in log.batches() {
            for payload in out.stage.arenas.payloads.get(batch.records) {
                let Payload::Transaction(metadata) = *payload else { continue };
                let loaded = TransactionalIdState::loaded(metadata);
                match self.find(metadata.transactional_id) {
                    Some(index) if metadata.state == TransactionState::Dead => {
                        self.ids.remove(index);
                    }
                    Some(index) => self.ids[index] = loaded,
                    None => self.ids.push(loaded),
                }
            }
        }
        let timer = BrokerTimer::CoordinatorLoaded(PartitionId::TRANSACTION_STATE, leader_epoch);
        out.timer(out.now() + COORDINATOR_LOAD_TIME, Timer::Broker(timer));
    }

    /// This broker no longer leads `__transaction_state-0`.
    pub fn on_resigned(&mut self, out: &mut Out) {
        self.serving = Serving::No;
        for waiting in std::mem::take(&mut self.unanswered) {
            answer(waiting.reply, ErrorCode::NotCoordinator, None, out);
        }
        self.ids.clear();
        self.markers.clear(out);
    }

    /// One of the coordinator's timers ran down.
    pub fn on_timer(&mut self, timer: BrokerTimer, replicas: &mut ReplicaManager, out: &mut Out) {
        match timer {
            BrokerTimer::CoordinatorLoaded(PartitionId::TRANSACTION_STATE, epoch)
                if self.serving == Serving::Loading(epoch) =>
            {
                self.serving = Serving::Yes(epoch);
                out.emit_as_cause(Event::TransactionCoordinatorLoaded { coordinator_epoch: epoch });
                // What the log says may be more, or after a loss less, than the last coordinator knew as durable.
                for id in &self.ids {
                    out.emit(Event::TransactionChanged { transaction: id.current });
                }
                for index in 0..self.ids.len() {
                    self.send_markers(index, replicas, out);
                }
                self.scan_later(epoch, out);
                self.expire_later(epoch, out);
                self.go_on(replicas, out);
            }
            BrokerTimer::AbortTimedOutTransactions(epoch) if self.serving == Serving::Yes(epoch) => {
                for index in 0..self.ids.len() {
                    if !self.ids[index].is_timed_out(out.now()) {
                        continue;
                    }
                    let version = self.ids[index].current.transaction_version;
                    let fresh = replicas.producer_ids.generate();
                    let decision =
                        self.ids[index].end(EndedBy::Fencing, MarkerKind::Abort, version, fresh, out.now());
                    self.carry_out(index, decision, Reply::Nobody, true, replicas, out);
                }
                self.scan_later(epoch, out);
                self.go_on(replicas, out);
            }
            BrokerTimer::ExpireTransactionalIds(epoch) if self.serving == Serving::Yes(epoch) => {
                for index in 0..self.ids.len() {
                    let expiration = self.config.transactional_id_expiration;
                    if let Some(dead) = self.ids[index].expire(expiration, out.now()) {
                        self.append(dead, replicas, out);
                    }
                }
                self.expire_later(epoch, out);
            }
            BrokerTimer::SendMarkers(_) => {
                self.markers.on_retry(replicas, out);
                self.go_on(replicas, out);
            }
            _ => {}
        }
    }

    fn scan_later(&self, epoch: LeaderEpoch, out: &mut Out) {
        let at = out.now() + self.config.transaction_abort_timed_out_transaction_cleanup_interval;
        out.timer(at, Timer::Broker(BrokerTimer::AbortTimedOutTransactions(epoch)));
    }

    fn expire_later(&self, epoch: LeaderEpoch, out: &mut Out) {
        let at = out.now() + self.config.transaction_remove_expired_transaction_cleanup_interval;
        out.timer(at, Timer::Broker(BrokerTimer::ExpireTransactionalIds(epoch)));
    }

    /// A connection on which markers are sent is established.
    pub fn on_connected(&mut self, connection: ConnectionId, replicas: &mut ReplicaManager, out: &mut Out) {
        self.markers.on_connected(connection, replicas, out);
    }

    /// A connection on which markers are sent is over.
    pub fn on_disconnected(
        &mut self,
        connection: ConnectionId,
        _replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        self.markers.on_disconnected(connection, out);
    }

    /// A broker has answered for markers.
    pub fn on_response(
        &mut self,
        request_id: RequestId,
        response: Response,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        if let Response::WriteTxnMarkers { errors } = response {
            self.markers.on_answer(request_id.connection, errors, replicas, out);
            self.go_on(replicas, out);
        }
    }

    /// Answers a request about a transactional id, now or when it is durable.
    pub fn on_request(
        &mut self,
        request_id: RequestId,
        _from: Node,
        request: Request,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let error = match self.serving {
            Serving::Yes(_) => ErrorCode::None,
            Serving::Loading(_) => ErrorCode::CoordinatorLoadInProgress,
            Serving::No => ErrorCode::NotCoordinator,
        };
        match request {
            Request::InitProducerId { transactional_id: Some(id), transaction_timeout, expected } => {
                let reply = Reply::InitProducerId(request_id);
                if error != ErrorCode::None {
                    return answer(reply, error, None, out);
                }
                self.init_producer_id(id, transaction_timeout, expected, request_id, replicas, out);
            }
            Request::AddPartitionsToTxn {
                transactional_id,
                producer_id,
                producer_epoch,
                partitions,
                verify_only,
            } => {
                let reply = Reply::AddPartitionsToTxn(request_id);
                if error != ErrorCode::None {
                    return answer(reply, error, None, out);
                }
                if verify_only {
                    let error =
                        self.find(transactional_id).map_or(ErrorCode::InvalidProducerIdMapping, |index| {
                            self.ids[index].verify_partitions(producer_id, producer_epoch, partitions)
                        });
                    return answer(reply, error, None, out);
                }
                self.add(transactional_id, producer_id, producer_epoch, partitions, reply, replicas, out);
            }
            Request::AddOffsetsToTxn { transactional_id, producer_id, producer_epoch, .. } => {
                let reply = Reply::AddOffsetsToTxn(request_id);
                if error != ErrorCode::None {
                    return answer(reply, error, None, out);
                }
                let partitions = [PartitionId::CONSUMER_OFFSETS].into_iter().collect();
                self.add(transactional_id, producer_id, producer_epoch, partitions, reply, replicas, out);
            }
            Request::EndTxn {
                transactional_id,
                producer_id,
                producer_epoch,
                committed,
                transaction_version,
            } => {
                let reply = Reply::EndTxn(request_id);
                let index = self.find(transactional_id);
                let (ErrorCode::None, Some(index)) = (error, index) else {
                    let error =
                        if error == ErrorCode::None { ErrorCode::InvalidProducerIdMapping } else { error };
                    return answer(reply, error, None, out);
                };
                let kind = if committed { MarkerKind::Commit } else { MarkerKind::Abort };
                let fresh = replicas.producer_ids.generate();
                let by = EndedBy::Producer(producer_id, producer_epoch);
                let decision = self.ids[index].end(by, kind, transaction_version, fresh, out.now());
                self.carry_out(index, decision, reply, false, replicas, out);
            }
            _ => unreachable!("not a request about transactions"),
        }
        self.go_on(replicas, out);
    }

    fn init_producer_id(
        &mut self,
        id: TransactionalId,
        timeout: Span,
        expected: Option<(ProducerId, ProducerEpoch)>,
        request_id: RequestId,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let reply = Reply::InitProducerId(request_id);
        if timeout == Span::ZERO || timeout > self.config.transaction_max_timeout {
            return answer(reply, ErrorCode::InvalidTransactionTimeout, None, out);
        }
        let fresh = replicas.producer_ids.generate();
        let index = self.find(id).unwrap_or_else(|| {
            let known = self.first_epochs.iter().find(|(known, _)| *known == id);
            let before = known.map_or(NO_PRODUCER_EPOCH, |(_, first)| first - 1);
            self.ids.push(TransactionalIdState::new(id, (fresh, before), timeout, out.now()));
            self.ids.len() - 1
        });
        let version = self.config.transaction_version;
        let decision = self.ids[index].init_producer_id(timeout, expected, fresh, version, out.now());
        let fences =
            matches!(decision, Decision::Transit(next) if next.state == TransactionState::PrepareAbort);
        let reply = if fences { Reply::Fenced(request_id) } else { reply };
        self.carry_out(index, decision, reply, fences, replicas, out);
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one request")]
    fn add(
        &mut self,
        id: TransactionalId,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        partitions: PartitionSet,
        reply: Reply,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let Some(index) = self.find(id) else {
            return answer(reply, ErrorCode::InvalidProducerIdMapping, None, out);
        };
        let version = self.config.transaction_version;
        let decision =
            self.ids[index].add_partitions(producer_id, producer_epoch, partitions, version, out.now());
        self.carry_out(index, decision, reply, false, replicas, out);
    }

    fn find(&self, id: TransactionalId) -> Option<usize> {
        self.ids.iter().position(|known| known.current.transactional_id == id)
    }

    /// Answers, or makes a transition durable first.
    fn carry_out(
        &mut self,
        index: usize,
        decision: Decision,
        reply: Reply,
        fencing: bool,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let transactional_id = self.ids[index].current.transactional_id;
        match decision {
            Decision::Answer(error) => answer(reply, error, Some(&self.ids[index].current), out),
            Decision::Transit(next) => {
                self.unanswered.push(Unanswered { transactional_id, reply, fencing });
                self.append(next, replicas, out);
            }
        }
    }

    fn append(&mut self, next: TransactionMetadata, replicas: &mut ReplicaManager, out: &mut Out) {
        let Serving::Yes(coordinator_epoch) = self.serving else { return };
        let before = out.cause;
        let records = out.arenas().payloads.list([Payload::Transaction(next)]);
        let batch = Batch {
            partition: PartitionId::TRANSACTION_STATE,
            base_offset: -1,
            leader_epoch: -1,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            kind: BatchKind::Plain,
            records,
            bytes: RECORD_BYTES,
        };
        let transactional_id = next.transactional_id;
        match replicas.append(batch, Origin::Coordinator, Acks::All, VerificationGuard::SENTINEL, out) {
            Ok(info) => {
                let waiter = TransactionWaiter { coordinator_epoch, transactional_id };
                let deadline = Some(out.now() + APPEND_TIMEOUT);
                replicas.wait_for_high_watermark(
                    PartitionId::TRANSACTION_STATE,
                    info.next_offset,
                    deadline,
                    Waiter::Transaction(waiter),
                    out,
                );
            }
            Err(error) => self.appended(transactional_id, Err(error), replicas, out),
        }
        out.cause = before;
    }

    /// The high watermark has passed a transition, or the wait failed.
    pub fn on_appended(
        &mut self,
        waiter: TransactionWaiter,
        result: Result<(), ErrorCode>,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        if self.serving == Serving::Yes(waiter.coordinator_epoch) {
            self.appended(waiter.transactional_id, result, replicas, out);
            self.go_on(replicas, out);
        }
    }

    fn appended(
        &mut self,
        id: TransactionalId,
        result: Result<(), ErrorCode>,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let Some(index) = self.find(id) else { return };
        let place = self.unanswered.iter().position(|waiting| waiting.transactional_id == id);
        let waiting = place.map(|place| self.unanswered.remove(place));
        let reply = waiting.map_or(Reply::Nobody, |waiting| waiting.reply);
        if let Err(error) = result {
            let completes = self.ids[index].waits_for_markers();
            let pending = self.ids[index].pending;
            self.ids[index].fail(waiting.is_some_and(|waiting| waiting.fencing));
            let error = match error {
                ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
                _ => ErrorCode::CoordinatorNotAvailable,
            };
            answer(reply, error, None, out);
            // The end of a transaction is written again until it is durable.
            if let (true, Some(next), ErrorCode::CoordinatorNotAvailable) = (completes, pending, error) {
                self.ids[index].pending = Some(next);
                self.markers.finish_later(id, out);
            }
            return;
        }
        self.ids[index].complete();
        let current = self.ids[index].current;
        out.emit_as_cause(Event::TransactionChanged { transaction: current });
        if current.state == TransactionState::Dead {
            self.ids.remove(index);
            return;
        }
        answer(reply, ErrorCode::None, Some(&current), out);
        self.send_markers(index, replicas, out);
    }

    /// A decided transaction's markers go out.
    fn send_markers(&mut self, index: usize, replicas: &ReplicaManager, out: &mut Out) {
        let Serving::Yes(coordinator_epoch) = self.serving else { return };
        let current = self.ids[index].current;
        let kind = match current.state {
            TransactionState::PrepareCommit => MarkerKind::Commit,
            TransactionState::PrepareAbort => MarkerKind::Abort,
            _ => return,
        };
        self.ids[index].prepare_complete(out.now());
        self.markers.add(&current, kind, coordinator_epoch, replicas, out);
    }

    /// Transactions whose markers are all written are complete.
    fn go_on(&mut self, replicas: &mut ReplicaManager, out: &mut Out) {
        while let Some(id) = self.markers.next_finished() {
            let Some(index) = self.find(id) else { continue };
            if let (true, Some(next)) = (self.ids[index].waits_for_markers(), self.ids[index].pending) {
                self.append(next, replicas, out);
            }
        }
    }

    /// Whether this broker coordinates and has read its log.
    pub fn is_serving(&self) -> bool {
        matches!(self.serving, Serving::Yes(_))
    }

    /// What is known of every transactional id.
    pub fn transactions(&self) -> impl Iterator<Item = &TransactionMetadata> {
        self.ids.iter().map(|id| &id.current)
    }
}

/// Says what came of a request. `current`: the transaction as it stands now.
fn answer(reply: Reply, error: ErrorCode, current: Option<&TransactionMetadata>, out: &mut Out) {
    let producer = current.filter(|_| error == ErrorCode::None).map_or((NO_PRODUCER_ID, -1), |current| {
        if current.next_producer_id != NO_PRODUCER_ID {
            (current.next_producer_id, 0)
        } else {
            (current.producer_id, current.producer_epoch)
        }
    });
    let (producer_id, producer_epoch) = producer;
    match reply {
        Reply::Nobody => {}
        Reply::InitProducerId(request_id) => {
            out.respond(request_id, Response::InitProducerId { error, producer_id, producer_epoch });
        }
        Reply::Fenced(request_id) => {
            let error = if error == ErrorCode::None { ErrorCode::ConcurrentTransactions } else { error };
            let response =
                Response::InitProducerId { error, producer_id: NO_PRODUCER_ID, producer_epoch: -1 };
            out.respond(request_id, response);
        }
        Reply::AddPartitionsToTxn(request_id) => {
            out.respond(request_id, Response::AddPartitionsToTxn { error })
        }
        Reply::AddOffsetsToTxn(request_id) => out.respond(request_id, Response::AddOffsetsToTxn { error }),
        Reply::EndTxn(request_id) => {
            // Only EndTxn v5 tells of the next epoch.
            let tells = current.is_some_and(|current| current.transaction_version >= 2);
            let (producer_id, producer_epoch) = if tells { producer } else { (NO_PRODUCER_ID, -1) };
            out.respond(request_id, Response::EndTxn { error, producer_id, producer_epoch });
        }
    }
}

fn first_epoch(application: &Application) -> Option<(TransactionalId, ProducerEpoch)> {
    let ClientConfig::Producer(config) = &application.client else { return None };
    let id = config.transactional_id?;
    (application.first_epoch > 0).then_some((id, application.first_epoch))
}
