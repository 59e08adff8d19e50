//! The transaction manager's own requests: their order, what is sent, and what an answer does
//! (`TransactionManager.TxnRequestHandler`; kafka-semantics 3.5, 3.7). One at a time is in flight.

use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::TransactionManagerState as State;
use super::message::{CoordinatorKey, GroupMetadata, OffsetEntry, Request, Response};
use super::out::Out;
use super::transaction_manager::TransactionManager;
use super::types::*;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Span;

/// `ADD_PARTITIONS_RETRY_BACKOFF_MS`: how soon the first AddPartitionsToTxn of a transaction is repeated while the
/// transaction before it is still completing.
const ADD_PARTITIONS_RETRY_BACKOFF: Span = Span::millis(20);

/// A request of the transaction manager's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionalRequest {
    /// Where a coordinator is.
    FindCoordinator(CoordinatorKey),
    /// A producer id, or the next epoch.
    InitProducerId {
        /// The next epoch after a transaction that failed (KIP-360, transaction versions 0 and 1).
        bump: bool,
    },
    /// Partitions join the transaction (versions 0 and 1).
    AddPartitions,
    /// A group's offsets join the transaction (versions 0 and 1).
    AddOffsets {
        /// Whose.
        member: GroupMetadata,
        /// What.
        offsets: List<OffsetEntry>,
    },
    /// Offsets are written in the transaction.
    CommitOffsets {
        /// Whose.
        member: GroupMetadata,
        /// What.
        offsets: List<OffsetEntry>,
    },
    /// The transaction ends.
    EndTxn {
        /// Commit or abort.
        committed: bool,
    },
}

impl TransactionalRequest {
    /// `TxnRequestHandler.Priority`: lower goes first.
    fn priority(self) -> u8 {
        match self {
            TransactionalRequest::FindCoordinator(_) => 0,
            TransactionalRequest::InitProducerId { bump: false } => 1,
            TransactionalRequest::AddPartitions
            | TransactionalRequest::AddOffsets { .. }
            | TransactionalRequest::CommitOffsets { .. } => 2,
            TransactionalRequest::EndTxn { .. } => 3,
            TransactionalRequest::InitProducerId { bump: true } => 4,
        }
    }
}

/// A request that waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queued {
    /// What.
    pub request: TransactionalRequest,
    /// It was tried before, or had to wait for its coordinator to be found: the network thread sleeps for
    /// `retry.backoff.ms` before it sends it.
    pub retry: bool,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this coordinator.
    Coordinator(BrokerId),
    /// To whoever has the least to do.
    Anyone,
    /// To a coordinator that has to be found first.
    Unknown,
}

impl TransactionManager {
    pub(super) fn enqueue(&mut self, request: TransactionalRequest) {
        self.put(Queued { request, retry: false });
    }

    /// Queues a request to be sent after `retry.backoff.ms` (`retry`, `reenqueue`).
    pub fn retry(&mut self, request: TransactionalRequest) {
        self.put(Queued { request, retry: true });
    }

    fn put(&mut self, queued: Queued) {
        let priority = queued.request.priority();
        let place = self.queue.iter().take_while(|other| other.request.priority() <= priority).count();
        self.queue.insert(place, queued);
    }

    /// The partitions that are new become those that the next AddPartitionsToTxn asks for.
    pub(super) fn enqueue_add_partitions(&mut self) {
        self.pending_partitions = self.pending_partitions.union(self.new_partitions);
        self.new_partitions = PartitionSet::EMPTY;
        // The one that waits asks for all that are pending.
        if !self.queue.iter().any(|queued| queued.request == TransactionalRequest::AddPartitions) {
            self.enqueue(TransactionalRequest::AddPartitions);
        }
    }

    /// Whether a request waits for its turn.
    pub fn has_pending_requests(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Whether a request is in flight.
    pub fn has_request_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Takes the next request out of the queue; not EndTxn while batches are not done (`nextRequest`).
    pub fn next_request(&mut self, has_incomplete_batches: bool, out: &mut Out) -> Option<Queued> {
        if !self.new_partitions.is_empty() {
            self.enqueue_add_partitions();
        }
        let next = *self.queue.first()?;
        if matches!(next.request, TransactionalRequest::EndTxn { .. }) && has_incomplete_batches {
            return None;
        }
        self.queue.remove(0);
        if self.has_abortable_error() || self.has_fatal_error() {
            // To abort, the coordinator has to be known.
            let finds = matches!(next.request, TransactionalRequest::FindCoordinator(_));
            if self.has_fatal_error() || !finds {
                self.fail(next.request, self.last_error());
                return None;
            }
        }
        if matches!(next.request, TransactionalRequest::EndTxn { .. }) && !self.transaction_started {
            // Nothing was written: nothing is sent (row T39).
            self.end_transaction(out);
            if self.queue.is_empty() {
                return None;
            }
            return Some(self.queue.remove(0));
        }
        Some(next)
    }

    /// The transaction has ended; the call that waits for it returns, unless the epoch is bumped first.
    fn end_transaction(&mut self, out: &mut Out) {
        self.complete_transaction(out);
        let bump = TransactionalRequest::InitProducerId { bump: true };
        if !self.queue.iter().any(|queued| queued.request == bump) {
            self.finish_transition(None);
        }
    }

    /// The call that waits for a request fails.
    fn fail(&mut self, request: TransactionalRequest, error: Option<Exception>) {
        match request {
            TransactionalRequest::InitProducerId { .. } | TransactionalRequest::EndTxn { .. } => {
                self.finish_transition(error);
            }
            TransactionalRequest::AddOffsets { .. } | TransactionalRequest::CommitOffsets { .. } => {
                self.finish_offsets(error);
            }
            TransactionalRequest::FindCoordinator(_) | TransactionalRequest::AddPartitions => {}
        }
    }

    /// Which coordinator a request goes to; none: to anyone.
    pub fn coordinator_key(&self, request: TransactionalRequest) -> Option<CoordinatorKey> {
        match request {
            TransactionalRequest::FindCoordinator(_) => None,
            TransactionalRequest::CommitOffsets { member, .. } => Some(CoordinatorKey::Group(member.group)),
            _ => self.transactional_id.map(CoordinatorKey::Transaction),
        }
    }

    /// Where a request goes.
    pub fn target(&self, request: TransactionalRequest) -> Target {
        let known = match self.coordinator_key(request) {
            None => return Target::Anyone,
            Some(CoordinatorKey::Group(_)) => self.group_coordinator,
            Some(CoordinatorKey::Transaction(_)) => self.coordinator,
        };
        known.map_or(Target::Unknown, Target::Coordinator)
    }

    /// The coordinator that a request goes to has to be found (again); any broker's answer will do for the others
    /// (`lookupCoordinator`).
    pub fn look_up_coordinator(&mut self, request: TransactionalRequest) {
        let Some(key) = self.coordinator_key(request) else { return };
        match key {
            CoordinatorKey::Group(_) => self.group_coordinator = None,
            CoordinatorKey::Transaction(_) => self.coordinator = None,
        }
        let find = TransactionalRequest::FindCoordinator(key);
        if !self.queue.iter().any(|queued| queued.request == find) {
            self.enqueue(find);
        }
    }

    /// How long the network thread sleeps before it repeats a request.
    pub fn retry_backoff(&self, request: TransactionalRequest) -> Span {
        if request == TransactionalRequest::AddPartitions && self.partitions_in_transaction.is_empty() {
            self.retry_backoff.min(ADD_PARTITIONS_RETRY_BACKOFF)
        } else {
            self.retry_backoff
        }
    }

    /// The request as it is sent; it is in flight from now on.
    pub fn send(&mut self, request: TransactionalRequest) -> Request {
        self.in_flight = Some(request);
        self.asked_partitions = self.pending_partitions;
        let (producer_id, producer_epoch) = self.producer();
        let transaction_version = self.transaction_version;
        let transactional_id = || self.transactional_id.expect("only transactional producers send this");
        match request {
            TransactionalRequest::FindCoordinator(key) => Request::FindCoordinator { key },
            TransactionalRequest::InitProducerId { bump } => Request::InitProducerId {
                transactional_id: self.transactional_id,
                transaction_timeout: self.transaction_timeout,
                expected: bump.then_some((producer_id, producer_epoch)),
            },
            TransactionalRequest::AddPartitions => Request::AddPartitionsToTxn {
                transactional_id: transactional_id(),
                producer_id,
                producer_epoch,
                partitions: self.pending_partitions,
                verify_only: false,
            },
            TransactionalRequest::AddOffsets { member, .. } => Request::AddOffsetsToTxn {
                transactional_id: transactional_id(),
                producer_id,
                producer_epoch,
                group: member.group,
            },
            TransactionalRequest::CommitOffsets { member, offsets } => Request::TxnOffsetCommit {
                transactional_id: transactional_id(),
                producer_id,
                producer_epoch,
                member,
                offsets,
                transaction_version,
            },
            TransactionalRequest::EndTxn { committed } => Request::EndTxn {
                transactional_id: transactional_id(),
                producer_id,
                producer_epoch,
                committed,
                transaction_version,
            },
        }
    }

    /// The request in flight was answered, or its connection ended.
    pub fn on_response(&mut self, result: Result<Response, ErrorCode>, out: &mut Out) {
        let Some(request) = self.in_flight.take() else { return };
        let Ok(response) = result else {
            self.look_up_coordinator(request);
            return self.retry(request);
        };
        match (request, response) {
            (TransactionalRequest::FindCoordinator(key), Response::FindCoordinator { error, node }) => {
                match (error, node, key) {
                    (ErrorCode::None, Some(node), CoordinatorKey::Group(_)) => {
                        self.group_coordinator = Some(node);
                    }
                    (ErrorCode::None, Some(node), CoordinatorKey::Transaction(_)) => {
                        self.coordinator = Some(node);
                    }
                    (ErrorCode::None, None, _) => self.retry(request),
                    (error, ..) => self.on_error(request, error, out),
                }
            }
            (
                TransactionalRequest::InitProducerId { bump },
                Response::InitProducerId { error: ErrorCode::None, producer_id, producer_epoch },
            ) => {
                self.set_producer(producer_id, producer_epoch, out);
                self.transition_to(State::Ready, None, out);
                if bump {
                    self.sequences.reset();
                }
                self.finish_transition(None);
            }
            (
                TransactionalRequest::AddPartitions,
                Response::AddPartitionsToTxn { error: ErrorCode::None },
            ) => {
                self.partitions_in_transaction = self.partitions_in_transaction.union(self.asked_partitions);
                self.pending_partitions = self.pending_partitions.without(self.asked_partitions);
                self.transaction_started = true;
            }
            (
                TransactionalRequest::AddOffsets { member, offsets },
                Response::AddOffsetsToTxn { error: ErrorCode::None },
            ) => {
                self.transaction_started = true;
                self.enqueue(TransactionalRequest::CommitOffsets { member, offsets });
            }
            (
                TransactionalRequest::CommitOffsets { .. },
                Response::TxnOffsetCommit { error: ErrorCode::None },
            ) => self.finish_offsets(None),
            (
                TransactionalRequest::EndTxn { .. },
                Response::EndTxn { error: ErrorCode::None, producer_id, producer_epoch },
            ) => {
                if producer_id != NO_PRODUCER_ID && self.transaction_version >= 2 {
                    self.set_producer(producer_id, producer_epoch, out);
                    self.sequences.reset();
                }
                self.end_transaction(out);
            }
            (_, Response::InitProducerId { error, .. })
            | (_, Response::AddPartitionsToTxn { error })
            | (_, Response::AddOffsetsToTxn { error })
            | (_, Response::TxnOffsetCommit { error })
            | (_, Response::EndTxn { error, .. }) => self.on_error(request, error, out),
            _ => unreachable!("a broker answers what it was asked"),
        }
    }

    /// How an error is taken (kafka-semantics 3.5).
    fn on_error(&mut self, request: TransactionalRequest, error: ErrorCode, out: &mut Out) {
        use ErrorCode::*;
        let commits_offsets = matches!(request, TransactionalRequest::CommitOffsets { .. });
        let inits = matches!(request, TransactionalRequest::InitProducerId { .. });
        match error {
            CoordinatorNotAvailable | NotCoordinator => {
                self.look_up_coordinator(request);
                self.retry(request);
            }
            RequestTimedOut if commits_offsets => {
                self.look_up_coordinator(request);
                self.retry(request);
            }
            error if error.is_retriable() => self.retry(request),
            InvalidProducerEpoch | ProducerFenced => {
                self.fatal(request, Exception::new(ExceptionClass::ProducerFencedException), out);
            }
            // Aborting is the way out of it; if that fails too, there is none.
            TransactionAbortable if self.is_aborting() => self.fatal(request, error.into(), out),
            TransactionAbortable => self.abortable(request, error.into(), out),
            FencedInstanceId if commits_offsets => self.abortable(request, error.into(), out),
            UnknownMemberId | IllegalGeneration | StaleMemberEpoch | GroupIdNotFound if commits_offsets => {
                self.abortable(request, Exception::new(ExceptionClass::CommitFailedException), out);
            }
            InvalidTxnState | InvalidProducerIdMapping if !inits && !commits_offsets => {
                self.fatal(request, error.into(), out);
            }
            UnsupportedVersion => self.fatal(request, error.into(), out),
            _ => self.fatal(request, Exception::new(ExceptionClass::KafkaException), out),
        }
    }

    fn fatal(&mut self, request: TransactionalRequest, exception: Exception, out: &mut Out) {
        self.fail(request, Some(exception));
        self.transition_to_fatal(exception, out);
    }

    fn abortable(&mut self, request: TransactionalRequest, exception: Exception, out: &mut Out) {
        self.fail(request, Some(exception));
        self.transition_to_abortable(exception, out);
    }
}
