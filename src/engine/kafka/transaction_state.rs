//! What a transactional id may do next: the decisions of the transaction coordinator, without its log
//! (`TransactionCoordinator.scala`, `TransactionMetadata.java`; kafka-semantics 3.2 and 3.3).
//!
//! A decision is either an answer or a transition. A transition is *pending* until its record is durable
//! in `__transaction_state`; meanwhile everything else about the id is answered with
//! CONCURRENT_TRANSACTIONS.

use super::error::ErrorCode;
use super::event::{TransactionMetadata, TransactionState};
use super::record::MarkerKind;
use super::types::*;
use crate::engine::sim::time::{Span, Time};

/// "No producer epoch yet" (`RecordBatch.NO_PRODUCER_EPOCH`).
pub const NO_PRODUCER_EPOCH: ProducerEpoch = -1;

/// From here on an epoch is exhausted: 32767 is left for a marker (`TransactionMetadata.isEpochExhausted`).
const LAST_USABLE_EPOCH: ProducerEpoch = ProducerEpoch::MAX - 1;

/// What is to be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is answered with this at once.
    Answer(ErrorCode),
    /// This is to be made durable; then it is the state.
    Transit(TransactionMetadata),
}

/// A transactional id at its coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionalIdState {
    /// What is in force.
    pub current: TransactionMetadata,
    /// What is being made durable, or is waiting for markers to be written (`pendingState`).
    pub pending: Option<TransactionMetadata>,
    /// Fencing the last epoch failed for want of a durable log: the next attempt does not bump again.
    pub has_failed_epoch_fence: bool,
}

/// Who ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// A producer, with this id and epoch.
    Producer(ProducerId, ProducerEpoch),
    /// The coordinator itself: a new instance called `initTransactions()`, or the transaction timed out.
    Fencing,
}

impl TransactionalIdState {
    /// An id that the coordinator does not know, with its producer id and the epoch before its first one.
    pub fn new(
        transactional_id: TransactionalId,
        (producer_id, producer_epoch): (ProducerId, ProducerEpoch),
        timeout: Span,
        now: Time,
    ) -> TransactionalIdState {
        let current = TransactionMetadata {
            transactional_id,
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            producer_epoch,
            last_producer_epoch: NO_PRODUCER_EPOCH,
            timeout,
            state: TransactionState::Empty,
            partitions: PartitionSet::EMPTY,
            started_at: None,
            updated_at: now,
            transaction_version: 0,
        };
        TransactionalIdState::loaded(current)
    }

    /// An id as the log has it.
    pub fn loaded(current: TransactionMetadata) -> TransactionalIdState {
        TransactionalIdState { current, pending: None, has_failed_epoch_fence: false }
    }

    fn is_epoch_exhausted(&self) -> bool {
        self.current.producer_epoch >= LAST_USABLE_EPOCH
    }

    /// Whether [`TransactionalIdState::init_producer_id`] or [`TransactionalIdState::end`] may need a
    /// fresh producer id.
    pub fn may_need_producer_id(&self) -> bool {
        self.is_epoch_exhausted()
    }

    /// InitProducerId with this transactional id (`prepareInitProducerIdTransit`). An ongoing
    /// transaction is aborted first: then the transition is to PrepareAbort, and the answer to the client
    /// is CONCURRENT_TRANSACTIONS.
    pub fn init_producer_id(
        &mut self,
        timeout: Span,
        expected: Option<(ProducerId, ProducerEpoch)>,
        fresh_producer_id: ProducerId,
        transaction_version: u8,
        now: Time,
    ) -> Decision {
        let current = &self.current;
        if self.pending.is_some() {
            return Decision::Answer(ErrorCode::ConcurrentTransactions);
        }
        let is_valid = |(producer_id, epoch): (ProducerId, ProducerEpoch)| {
            current.producer_epoch == NO_PRODUCER_EPOCH
                || producer_id == current.producer_id
                || (producer_id == current.previous_producer_id && epoch >= LAST_USABLE_EPOCH)
        };
        if !expected.is_none_or(is_valid) {
            return Decision::Answer(ErrorCode::ProducerFenced);
        }
        let empty = TransactionMetadata {
            next_producer_id: NO_PRODUCER_ID,
            timeout,
            state: TransactionState::Empty,
            partitions: PartitionSet::EMPTY,
            started_at: None,
            updated_at: now,
            ..*current
        };
        let next = match current.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                return Decision::Answer(ErrorCode::ConcurrentTransactions);
            }
            TransactionState::Ongoing => {
                return self.end(
                    EndedBy::Fencing,
                    MarkerKind::Abort,
                    transaction_version,
                    NO_PRODUCER_ID,
                    now,
                );
            }
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                let epoch = current.producer_epoch;
                if self.is_epoch_exhausted() && expected.is_none_or(|(_, expected)| expected == epoch) {
                    TransactionMetadata {
                        producer_id: fresh_producer_id,
                        previous_producer_id: current.producer_id,
                        producer_epoch: 0,
                        last_producer_epoch: if expected.is_some() { epoch } else { NO_PRODUCER_EPOCH },
                        ..empty
                    }
                } else {
                    let (producer_epoch, last_producer_epoch) = match expected {
                        None => (epoch + 1, NO_PRODUCER_EPOCH),
                        Some((_, expected)) if epoch == NO_PRODUCER_EPOCH || expected == epoch => {
                            (epoch + 1, epoch)
                        }
                        // A retry of a call that had succeeded.
                        Some((_, expected)) if expected == current.last_producer_epoch => {
                            (epoch, current.last_producer_epoch)
                        }
                        Some(_) => return Decision::Answer(ErrorCode::ProducerFenced),
                    };
                    TransactionMetadata { producer_epoch, last_producer_epoch, ..empty }
                }
            }
            TransactionState::Dead | TransactionState::PrepareEpochFence => {
                unreachable!("neither is ever a current state")
            }
        };
        self.transit(next)
    }

    /// AddPartitionsToTxn and AddOffsetsToTxn (`handleAddPartitionsToTransaction`).
    pub fn add_partitions(
        &mut self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        partitions: PartitionSet,
        transaction_version: u8,
        now: Time,
    ) -> Decision {
        let current = &self.current;
        // First of all: while an epoch overflows, the producer may use the producer id that is still pending.
        if self.pending.is_some() {
            return Decision::Answer(ErrorCode::ConcurrentTransactions);
        }
        if current.producer_id != producer_id {
            return Decision::Answer(ErrorCode::InvalidProducerIdMapping);
        }
        if current.producer_epoch != producer_epoch {
            return Decision::Answer(ErrorCode::ProducerFenced);
        }
        if matches!(current.state, TransactionState::PrepareCommit | TransactionState::PrepareAbort) {
            return Decision::Answer(ErrorCode::ConcurrentTransactions);
        }
        let is_ongoing = current.state == TransactionState::Ongoing;
        if is_ongoing && current.partitions.contains_all(partitions) {
            return Decision::Answer(ErrorCode::None);
        }
        let next = TransactionMetadata {
            state: TransactionState::Ongoing,
            partitions: current.partitions.union(partitions),
            started_at: if is_ongoing { current.started_at } else { Some(now) },
            updated_at: now,
            transaction_version,
            ..*current
        };
        self.transit(next)
    }

    /// AddPartitionsToTxn that only asks (`handleVerifyPartitionsInTransaction`).
    pub fn verify_partitions(
        &self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        partitions: PartitionSet,
    ) -> ErrorCode {
        let current = &self.current;
        if current.producer_id != producer_id {
            ErrorCode::InvalidProducerIdMapping
        } else if current.producer_epoch != producer_epoch {
            ErrorCode::ProducerFenced
        } else if matches!(current.state, TransactionState::PrepareCommit | TransactionState::PrepareAbort) {
            ErrorCode::ConcurrentTransactions
        } else if !current.partitions.contains_all(partitions) {
            ErrorCode::TransactionAbortable
        } else {
            ErrorCode::None
        }
    }

    /// EndTxn, and the aborts that the coordinator decides by itself (`endTransaction`,
    /// `endTransactionWithTV1`). `fresh_producer_id` is used if the epoch overflows.
    pub fn end(
        &mut self,
        by: EndedBy,
        kind: MarkerKind,
        transaction_version: u8,
        fresh_producer_id: ProducerId,
        now: Time,
    ) -> Decision {
        let bumps = transaction_version >= 2;
        let check = match by {
            EndedBy::Fencing if self.pending.is_some() => Err(ErrorCode::ConcurrentTransactions),
            EndedBy::Fencing if self.current.state != TransactionState::Ongoing => {
                Err(ErrorCode::InvalidTxnState)
            }
            EndedBy::Fencing => Ok(()),
            EndedBy::Producer(producer_id, epoch) if bumps => self.check_end_v2(producer_id, epoch, kind),
            EndedBy::Producer(producer_id, epoch) => self.check_end_v1(producer_id, epoch, kind),
        };
        if let Err(error) = check {
            return Decision::Answer(error);
        }
        let is_fencing = by == EndedBy::Fencing;
        if is_fencing && !bumps {
            // Before version 2 the bump is in force at once, and is not repeated if it can't be made
            // durable (`hasFailedEpochFence`).
            if !self.has_failed_epoch_fence {
                self.current.producer_epoch += 1;
            }
            self.current.last_producer_epoch = NO_PRODUCER_EPOCH;
        }
        let current = &self.current;
        let overflows = bumps && !is_fencing && self.is_epoch_exhausted();
        let (producer_epoch, last_producer_epoch) = if bumps {
            (current.producer_epoch + 1, current.producer_epoch)
        } else {
            (current.producer_epoch, current.last_producer_epoch)
        };
        let next = TransactionMetadata {
            next_producer_id: if overflows { fresh_producer_id } else { NO_PRODUCER_ID },
            producer_epoch,
            last_producer_epoch,
            state: match kind {
                MarkerKind::Commit => TransactionState::PrepareCommit,
                MarkerKind::Abort => TransactionState::PrepareAbort,
            },
            // An abort in version 2 may end a transaction to which nothing was added.
            started_at: if current.state == TransactionState::Ongoing {
                current.started_at
            } else {
                Some(now)
            },
            updated_at: now,
            transaction_version,
            ..*current
        };
        self.transit(next)
    }

    /// Transaction version 2 (kafka-semantics 3.3, second EndTxn table).
    fn check_end_v2(
        &self,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        kind: MarkerKind,
    ) -> Result<(), ErrorCode> {
        use ErrorCode::{ConcurrentTransactions, InvalidTxnState};
        let current = &self.current;
        // First of all: while an epoch overflows, the producer may use the producer id that is still pending.
        if self.pending.is_some() {
            return Err(ConcurrentTransactions);
        }
        let retry_on_overflow = current.previous_producer_id == producer_id
            && epoch == LAST_USABLE_EPOCH
            && current.producer_epoch == 0;
        let retry_on_bump = i32::from(epoch) == i32::from(current.producer_epoch) - 1;
        if current.producer_id != producer_id && !retry_on_overflow {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        let is_current = epoch == current.producer_epoch;
        let is_retry = retry_on_bump || retry_on_overflow;
        let is_valid = match current.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => retry_on_bump,
            TransactionState::CompleteCommit | TransactionState::CompleteAbort => is_retry || is_current,
            _ => is_current,
        };
        if !is_valid {
            return Err(ErrorCode::ProducerFenced);
        }
        match (current.state, kind) {
            (TransactionState::Ongoing, _) => Ok(()),
            (TransactionState::PrepareCommit, MarkerKind::Commit)
            | (TransactionState::PrepareAbort, MarkerKind::Abort) => Err(ConcurrentTransactions),
            (TransactionState::CompleteCommit, MarkerKind::Commit)
            | (TransactionState::CompleteAbort, MarkerKind::Abort)
                if is_retry =>
            {
                Err(ErrorCode::None)
            }
            (TransactionState::CompleteCommit, MarkerKind::Abort) if is_retry => Err(InvalidTxnState),
            (
                TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort,
                MarkerKind::Abort,
            ) => Ok(()),
            _ => Err(InvalidTxnState),
        }
    }

    /// Transaction versions 0 and 1 (kafka-semantics 3.3, first EndTxn table).
    fn check_end_v1(
        &self,
        producer_id: ProducerId,
        epoch: ProducerEpoch,
        kind: MarkerKind,
    ) -> Result<(), ErrorCode> {
        use ErrorCode::{ConcurrentTransactions, InvalidTxnState};
        let current = &self.current;
        if current.producer_id != producer_id {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        if current.producer_epoch != epoch {
            return Err(ErrorCode::ProducerFenced);
        }
        if self.pending.is_some() {
            return Err(ConcurrentTransactions);
        }
        match (current.state, kind) {
            (TransactionState::Ongoing, _) => Ok(()),
            (TransactionState::PrepareCommit, MarkerKind::Commit)
            | (TransactionState::PrepareAbort, MarkerKind::Abort) => Err(ConcurrentTransactions),
            (TransactionState::CompleteCommit, MarkerKind::Commit)
            | (TransactionState::CompleteAbort, MarkerKind::Abort) => Err(ErrorCode::None),
            _ => Err(InvalidTxnState),
        }
    }

    /// The transaction is decided and durable; what follows once all markers are written
    /// (`prepareComplete`) becomes pending and is returned.
    pub fn prepare_complete(&mut self, now: Time) -> TransactionMetadata {
        let current = &self.current;
        self.has_failed_epoch_fence = false;
        let state = match current.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            TransactionState::PrepareAbort => TransactionState::CompleteAbort,
            state => unreachable!("a transaction in state {state:?} has no markers"),
        };
        let overflowed = current.transaction_version >= 2 && current.next_producer_id != NO_PRODUCER_ID;
        let mut next = TransactionMetadata {
            next_producer_id: NO_PRODUCER_ID,
            state,
            partitions: PartitionSet::EMPTY,
            updated_at: now,
            ..*current
        };
        if overflowed {
            next.previous_producer_id = current.producer_id;
            next.producer_id = current.next_producer_id;
            next.producer_epoch = 0;
        }
        self.pending = Some(next);
        next
    }

    /// The pending transition is durable.
    pub fn complete(&mut self) {
        if let Some(next) = self.pending.take() {
            self.current = next;
        }
    }

    /// The pending transition could not be made durable.
    pub fn fail(&mut self, was_fencing: bool) {
        self.pending = None;
        self.has_failed_epoch_fence |= was_fencing;
    }

    /// Whether the decision is durable and markers are on their way.
    pub fn waits_for_markers(&self) -> bool {
        matches!(
            self.pending.map(|pending| pending.state),
            Some(TransactionState::CompleteCommit | TransactionState::CompleteAbort)
        )
    }

    /// Whether the scan for timeouts aborts it (`timedOutTransactions`): strictly more than the timeout
    /// has passed since the first partition was added.
    pub fn is_timed_out(&self, now: Time) -> bool {
        self.pending.is_none()
            && self.current.state == TransactionState::Ongoing
            && self.current.started_at.is_some_and(|started| started + self.current.timeout < now)
    }

    /// Ids that have not been used for `transactional.id.expiration.ms` are forgotten, unless a transaction
    /// is open or not complete (`enableTransactionalIdExpiration`). Returns the transition.
    pub fn expire(&mut self, expiration: Span, now: Time) -> Option<TransactionMetadata> {
        let is_idle = matches!(
            self.current.state,
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort
        );
        if self.pending.is_some() || !is_idle || self.current.updated_at + expiration > now {
            return None;
        }
        let dead = TransactionMetadata {
            state: TransactionState::Dead,
            partitions: PartitionSet::EMPTY,
            ..self.current
        };
        self.pending = Some(dead);
        Some(dead)
    }

    fn transit(&mut self, next: TransactionMetadata) -> Decision {
        self.pending = Some(next);
        Decision::Transit(next)
    }
}
