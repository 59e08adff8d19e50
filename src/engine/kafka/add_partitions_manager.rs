//! A partition leader asks the transaction coordinator before the first transactional batch of a
//! transaction is appended (`AddPartitionsToTxnManager`, `ReplicaManager.handleProduceAppend`; KIP-890):
//! under version 2 it has the partition added, under older ones it only asks whether it was.

use super::delayed_produce::Verified;
use super::error::ErrorCode;
use super::event::ConnectionEnd;
use super::message::{Request, Response};
use super::network::{ConnectionId, MessageId, Purpose, RequestId};
use super::out::{BrokerTimer, Out, Timer};
use super::replica_manager::{ReplicaManager, VerificationGuard};
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::EntryId;

/// `request.timeout.ms` of a broker: how long it waits for the coordinator's answer.
const REQUEST_TIMEOUT: Span = Span::seconds(30);

/// A request that waits for the coordinator's word; its connection is muted meanwhile.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Where the answer goes.
    pub request_id: RequestId,
    /// Who asked.
    pub from: Node,
    /// Produce or TxnOffsetCommit.
    pub request: Request,
    /// What the verification came to, by partition; in the end there are no guards of partitions that
    /// were refused.
    pub verified: Vec<(PartitionId, Verified)>,
    /// The fact that decided it.
    pub cause: Option<EntryId>,
    writer: Writer,
    /// The partitions that the coordinator is asked about.
    partitions: PartitionSet,
    began: Time,
    coordinator: BrokerId,
    message: Option<MessageId>,
    /// It waits to ask again.
    backs_off: bool,
}

/// Who writes, and what the coordinator needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// The transactional id that the request names.
    pub transactional_id: TransactionalId,
    /// Its producer.
    pub producer_id: ProducerId,
    /// The producer's epoch.
    pub producer_epoch: ProducerEpoch,
    /// 2: the partition is added; else it is only asked for.
    pub transaction_version: u8,
}

#[derive(Clone, Copy, Debug)]
struct Link {
    coordinator: BrokerId,
    connection: ConnectionId,
    connected: bool,
}

/// The verifications of one broker.
#[derive(Clone, Debug, Default)]
pub struct AddPartitionsManager {
    pending: Vec<Verification>,
    finished: Vec<Verification>,
    links: Vec<Link>,
    /// Lists to use again.
    spare: Vec<Vec<(PartitionId, Verified)>>,
}

impl AddPartitionsManager {
    /// The process has ended.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.finished.clear();
        self.links.clear();
    }

    /// Whether a connection is its own.
    pub fn owns(&self, connection: ConnectionId) -> bool {
        self.links.iter().any(|link| link.connection == connection)
    }

    /// The next request whose verification is over.
    pub fn next_finished(&mut self) -> Option<Verification> {
        if self.finished.is_empty() { None } else { Some(self.finished.remove(0)) }
    }

    /// The list of a verification that has been handed on.
    pub fn give_back(&mut self, verified: Vec<(PartitionId, Verified)>) {
        self.spare.push(verified);
    }

    /// Whether a transactional request needs verification at all (`transaction.partition.verification.enable`;
    /// version 2 adds the partition that way).
    pub fn is_needed(transaction_version: u8, replicas: &ReplicaManager) -> bool {
        replicas.config.transaction_partition_verification_enable || transaction_version >= 2
    }

    /// Begins the verification of a Produce or TxnOffsetCommit request; it may be over at once (see [`AddPartitionsManager::next_finished`]).
    pub fn begin(
        &mut self,
        request_id: RequestId,
        from: Node,
        request: Request,
        writer: Writer,
        replicas: &mut ReplicaManager,
        out: &mut Out,
    ) {
        let verified = self.spare.pop().unwrap_or_default();
        let verification = Verification {
            request_id,
            from,
            request,
            verified,
            cause: out.cause,
            writer,
            partitions: PartitionSet::EMPTY,
            began: out.now(),
            coordinator: replicas.broker,
            message: None,
            backs_off: false,
        };
        self.go_on(verification, replicas, out);
    }

    /// Begins the verification in the logs, or begins it anew (a marker written meanwhile has ended it), and
    /// asks the coordinator about the partitions where the transaction is not open yet.
    fn go_on(&mut self, mut verification: Verification, replicas: &mut ReplicaManager, out: &mut Out) {
        let Verification { request, verified, writer, partitions, .. } = &mut verification;
        *partitions = PartitionSet::EMPTY;
        verified.clear();
        let mut start = |id: PartitionId, sequence: Sequence| {
            // A broker that does not lead the partition refuses the append itself.
            let Some(partition) = replicas.partition_mut(id).filter(|partition| partition.is_leader()) else {
                return;
            };
            let guard = partition.log.producers_mut().start_verification(
                writer.producer_id,
                writer.producer_epoch,
                sequence,
                writer.transaction_version >= 2,
            );
            if guard.is_ok_and(|guard| guard != VerificationGuard::SENTINEL) {
                partitions.insert(id);
            }
            verified.push((id, guard));
        };
        match *request {
            Request::Produce { batches, .. } => {
                let batches = &out.stage.arenas.batches[batches];
                for batch in batches.iter().filter(|batch| batch.is_transactional()) {
                    start(batch.partition, batch.base_sequence);
                }
            }
            _ => start(PartitionId::CONSUMER_OFFSETS, -1),
        }
        if verification.partitions.is_empty() {
            verification.cause = out.cause;
            self.finished.push(verification);
            return;
        }
        match replicas.current_leader(PartitionId::TRANSACTION_STATE, out) {
            Some((coordinator, _)) => {
                verification.coordinator = coordinator;
                self.pending.push(verification);
                self.ask(coordinator, out);
            }
            None => self.finish(verification, Err(ErrorCode::CoordinatorNotAvailable), out),
        }
    }

    /// Asks a coordinator what has not been asked yet.
    fn ask(&mut self, coordinator: BrokerId, out: &mut Out) {
        let Some(link) = self.links.iter().find(|link| link.coordinator == coordinator) else {
            let connection = out.connect(Node::Broker(coordinator), Purpose::Verification);
            self.links.push(Link { coordinator, connection, connected: false });
            return;
        };
        if !link.connected {
            return;
        }
        let connection = link.connection;
        for verification in &mut self.pending {
            if verification.coordinator != coordinator
                || verification.message.is_some()
                || verification.backs_off
            {
                continue;
            }
            let request = Request::AddPartitionsToTxn {
                transactional_id: verification.writer.transactional_id,
                producer_id: verification.writer.producer_id,
                producer_epoch: verification.writer.producer_epoch,
                partitions: verification.partitions,
                verify_only: verification.writer.transaction_version < 2,
            };
            verification.message = Some(out.send(connection, request));
            let timer = BrokerTimer::VerifyAgain(verification.request_id);
            out.timer(out.now() + REQUEST_TIMEOUT, Timer::Broker(timer));
        }
    }

    /// The connection to a coordinator is there.
    pub fn on_connected(&mut self, connection: ConnectionId, out: &mut Out) {
        let Some(link) = self.links.iter_mut().find(|link| link.connection == connection) else { return };
        link.connected = true;
        let coordinator = link.coordinator;
        self.ask(coordinator, out);
    }

    /// The connection to a coordinator is over: all that waits for it fails with NETWORK_EXCEPTION.
    pub fn on_disconnected(&mut self, connection: ConnectionId, out: &mut Out) {
        let Some(index) = self.links.iter().position(|link| link.connection == connection) else { return };
        let coordinator = self.links.remove(index).coordinator;
        let mut index = 0;
        while index < self.pending.len() {
            if self.pending[index].coordinator == coordinator && !self.pending[index].backs_off {
                let verification = self.pending.remove(index);
                self.finish(verification, Err(ErrorCode::NetworkException), out);
            } else {
                index += 1;
            }
        }
    }

    /// A request's time to ask again, or the end of the coordinator's time to answer, may have come.
    pub fn on_timer(&mut self, request_id: RequestId, replicas: &mut ReplicaManager, out: &mut Out) {
        let Some(index) = self.pending.iter().position(|v| v.request_id == request_id) else { return };
        let verification = &mut self.pending[index];
        let coordinator = verification.coordinator;
        if verification.backs_off {
            verification.backs_off = false;
            let verification = self.pending.remove(index);
            self.go_on(verification, replicas, out);
        } else if out.now().since(verification.began) >= REQUEST_TIMEOUT
            && let Some(link) = self.links.iter().find(|link| link.coordinator == coordinator)
        {
            let connection = link.connection;
            out.close(connection, ConnectionEnd::TimedOut);
            self.on_disconnected(connection, out);
        }
    }

    /// The coordinator has answered.
    pub fn on_response(
        &mut self,
        request_id: RequestId,
        response: Response,
        replicas: &ReplicaManager,
        out: &mut Out,
    ) {
        let message = Some(request_id.message);
        let Some(index) = self.pending.iter().position(|v| v.message == message) else { return };
        let Response::AddPartitionsToTxn { error } = response else {
            unreachable!("a response answers its request")
        };
        let verification = &mut self.pending[index];
        verification.message = None;
        let waited = out.now().since(verification.began);
        let may_ask_again = error == ErrorCode::ConcurrentTransactions
            && verification.writer.transaction_version >= 2
            && waited < replicas.config.add_partitions_to_txn_retry_backoff_max;
        if may_ask_again {
            // The last transaction's markers are still being written, as a rule.
            verification.backs_off = true;
            let at = out.now() + replicas.config.add_partitions_to_txn_retry_backoff;
            let timer = BrokerTimer::VerifyAgain(verification.request_id);
            out.timer(at, Timer::Broker(timer));
            return;
        }
        let verification = self.pending.remove(index);
        let result = if error == ErrorCode::None { Ok(()) } else { Err(error) };
        self.finish(verification, result, out);
    }

    fn finish(&mut self, mut verification: Verification, result: Result<(), ErrorCode>, out: &Out) {
        if let Err(error) = result {
            let error = refusal(error, verification.writer.transaction_version, &verification.request);
            for (id, verified) in &mut verification.verified {
                if verification.partitions.contains(*id) {
                    *verified = Err(error);
                }
            }
        }
        verification.cause = out.cause;
        self.finished.push(verification);
    }
}

/// What the client is told when its transaction could not be verified (kafka-semantics 3.7; conformance row
/// 70, `ReplicaManager.handleProduceAppend`, `GroupCoordinatorService.commitTransactionalOffsets`).
fn refusal(error: ErrorCode, transaction_version: u8, request: &Request) -> ErrorCode {
    use ErrorCode::*;
    let is_produce = matches!(request, Request::Produce { .. });
    match error {
        ProducerFenced => InvalidProducerEpoch,
        ConcurrentTransactions if transaction_version >= 2 => ConcurrentTransactions,
        // Errors that an older client may not retry as it should become one that it does retry, without a
        // refresh of its metadata.
        ConcurrentTransactions
        | NetworkException
        | CoordinatorLoadInProgress
        | CoordinatorNotAvailable
        | NotCoordinator => {
            if is_produce {
                NotEnoughReplicas
            } else {
                CoordinatorLoadInProgress
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::Acks;
    use crate::engine::sim::arena::List;

    /// Row 70 (`AddPartitionsToTxnManagerTest.testAddPartitionsToTxnHandlerErrorHandling`) and kafka-semantics 3.7, point 2.
    #[test]
    fn coordinator_errors_as_the_client_sees_them() {
        use ErrorCode::*;
        let produce = Request::Produce {
            acks: Acks::All,
            timeout: Span::seconds(30),
            transactional_id: Some(TransactionalId(0)),
            transaction_version: 2,
            batches: List::default(),
        };
        for (error, version, expected) in [
            (ProducerFenced, 2, InvalidProducerEpoch),
            (ProducerFenced, 1, InvalidProducerEpoch),
            (ConcurrentTransactions, 2, ConcurrentTransactions),
            (ConcurrentTransactions, 1, NotEnoughReplicas),
            (NotCoordinator, 2, NotEnoughReplicas),
            (CoordinatorNotAvailable, 2, NotEnoughReplicas),
            (CoordinatorLoadInProgress, 2, NotEnoughReplicas),
            (NetworkException, 2, NotEnoughReplicas),
            (TransactionAbortable, 2, TransactionAbortable),
            (InvalidProducerIdMapping, 2, InvalidProducerIdMapping),
            (InvalidTxnState, 1, InvalidTxnState),
        ] {
            assert_eq!(refusal(error, version, &produce), expected, "{error} under version {version}");
        }
    }
}
