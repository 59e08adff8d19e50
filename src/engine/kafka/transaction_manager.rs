//! Producer id, sequences and transactions, as the producer keeps them (`TransactionManager`;
//! kafka-semantics 1.6, 3.5, 3.6). Its requests are in [`super::transactional_request`].

use super::config::ProducerConfig;
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::{Call, Event, TransactionManagerState as State};
use super::message::{GroupMetadata, OffsetEntry};
use super::out::{CallId, Out};
use super::record_accumulator::{BatchId, RecordAccumulator};
use super::transactional_request::{Queued, TransactionalRequest};
use super::txn_partition_map::TxnPartitionMap;
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// A call of the application whose result is not known, or not told.
#[derive(Clone, Copy, Debug)]
struct PendingCall {
    call: Call,
    /// Who waits; none after `max.block.ms`.
    waiting: Option<CallId>,
    deadline: Time,
    /// What it threw, once it is known whether it did.
    result: Option<Option<Exception>>,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct TransactionManager {
    pub(super) transactional_id: Option<TransactionalId>,
    pub(super) transaction_timeout: Span,
    pub(super) transaction_version: u8,
    pub(super) retry_backoff: Span,
    max_block: Span,
    state: State,
    last_error: Option<Exception>,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    pub(super) sequences: TxnPartitionMap,
    /// Partitions whose batches get new sequences when the epoch is bumped.
    partitions_to_rewrite: PartitionSet,
    /// The client has to bump the epoch: by itself (KIP-360), or with InitProducerId after the transaction.
    pub(super) epoch_bump_required: bool,
    pub(super) new_partitions: PartitionSet,
    pub(super) pending_partitions: PartitionSet,
    /// Those of the pending partitions that the AddPartitionsToTxn in flight asks for.
    pub(super) asked_partitions: PartitionSet,
    pub(super) partitions_in_transaction: PartitionSet,
    pub(super) transaction_started: bool,
    pub(super) queue: Vec<Queued>,
    pub(super) in_flight: Option<TransactionalRequest>,
    pub(super) coordinator: Option<BrokerId>,
    pub(super) group_coordinator: Option<BrokerId>,
    /// `pendingTransition`: initTransactions, commitTransaction or abortTransaction. After a time-out the same call
    /// has to be repeated.
    pending_transition: Option<PendingCall>,
    pending_offsets: Option<PendingCall>,
}

impl TransactionManager {
    /// For a producer that is idempotent or transactional.
    pub fn new(config: &ProducerConfig, setup: &Setup, partitions: usize) -> TransactionManager {
        TransactionManager {
            transactional_id: config.transactional_id,
            transaction_timeout: config.transaction_timeout,
            transaction_version: setup.cluster.transaction_version,
            retry_backoff: config.retry_backoff,
            max_block: config.max_block,
            state: State::Uninitialized,
            last_error: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            sequences: TxnPartitionMap::new(partitions),
            partitions_to_rewrite: PartitionSet::EMPTY,
            epoch_bump_required: false,
            new_partitions: PartitionSet::EMPTY,
            pending_partitions: PartitionSet::EMPTY,
            asked_partitions: PartitionSet::EMPTY,
            partitions_in_transaction: PartitionSet::EMPTY,
            transaction_started: false,
            queue: Vec::new(),
            in_flight: None,
            coordinator: None,
            group_coordinator: None,
            pending_transition: None,
            pending_offsets: None,
        }
    }

    // ---- what is shown and asked -----------------------------------------------------------------

    /// Its state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether there is a `transactional.id`.
    pub fn is_transactional(&self) -> bool {
        self.transactional_id.is_some()
    }

    /// The `transactional.id`.
    pub fn transactional_id(&self) -> Option<TransactionalId> {
        self.transactional_id
    }

    /// The version of the transaction protocol in use: feature `transaction.version`.
    pub fn transaction_version(&self) -> u8 {
        self.transaction_version
    }

    /// Producer id and epoch; (-1, -1): none.
    pub fn producer(&self) -> (ProducerId, ProducerEpoch) {
        (self.producer_id, self.producer_epoch)
    }

    /// The partitions that belong to the transaction.
    pub fn partitions_in_transaction(&self) -> PartitionSet {
        self.partitions_in_transaction
    }

    /// The sequences of each partition.
    pub fn sequences(&self) -> &TxnPartitionMap {
        &self.sequences
    }

    /// The error that it is in.
    pub fn last_error(&self) -> Option<Exception> {
        self.last_error
    }

    /// Whether nothing works any more.
    pub fn has_fatal_error(&self) -> bool {
        self.state == State::FatalError
    }

    /// Whether the transaction can only be aborted.
    pub fn has_abortable_error(&self) -> bool {
        self.state == State::AbortableError
    }

    /// Whether the transaction is being aborted.
    pub fn is_aborting(&self) -> bool {
        self.state == State::AbortingTransaction
    }

    /// Whether the transaction is being committed or aborted.
    pub fn is_completing(&self) -> bool {
        matches!(self.state, State::CommittingTransaction | State::AbortingTransaction)
    }

    /// Whether a transaction is open or ending.
    pub fn has_ongoing_transaction(&self) -> bool {
        matches!(self.state, State::InTransaction | State::AbortableError) || self.is_completing()
    }

    /// Changes the state. What an idempotent producer without transactions does is not a fact of its own.
    pub(super) fn transition_to(&mut self, state: State, error: Option<Exception>, out: &mut Out) {
        self.state = state;
        self.last_error = error;
        if self.is_transactional() || state == State::FatalError {
            out.emit(Event::TransactionManagerChanged { state, error });
        }
    }

    pub(super) fn set_producer(
        &mut self,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        out: &mut Out,
    ) {
        if self.producer() != (producer_id, producer_epoch) {
            (self.producer_id, self.producer_epoch) = (producer_id, producer_epoch);
            out.emit(Event::ProducerIdChanged { producer_id, producer_epoch });
        }
    }

    // ---- the application's calls -------------------------------------------------------------------

    /// What a call in an error state throws (`maybeFailWithError`).
    fn refusal(&self) -> Option<Exception> {
        if !self.has_abortable_error() && !self.has_fatal_error() {
            return None;
        }
        let error = self.last_error?;
        Some(match error.class {
            ExceptionClass::ProducerFencedException
            | ExceptionClass::InvalidProducerEpochException
            | ExceptionClass::IllegalStateException => Exception::new(error.class),
            class => Exception::caused_by(ExceptionClass::KafkaException, class),
        })
    }

    /// Whether the call before timed out and must be repeated (`throwIfPendingState`).
    fn is_transition_pending(&self) -> bool {
        self.pending_transition.is_some()
    }

    /// A record goes to a partition: the partition joins the transaction (`maybeAddPartition`).
    ///
    /// # Errors
    /// What `send()` throws, or its future fails with.
    pub fn maybe_add_partition(&mut self, partition: PartitionId) -> Result<(), Exception> {
        let illegal = Err(Exception::new(ExceptionClass::IllegalStateException));
        if let Some(exception) = self.refusal() {
            return Err(exception);
        }
        if !self.is_transactional() {
            return Ok(());
        }
        if self.is_transition_pending() || self.state != State::InTransaction {
            return illegal;
        }
        if self.transaction_version >= 2 {
            self.partitions_in_transaction.insert(partition);
            self.transaction_started = true;
        } else if !self.partitions_in_transaction.contains(partition)
            && !self.pending_partitions.contains(partition)
        {
            self.new_partitions.insert(partition);
        }
        Ok(())
    }

    /// Begins an application's call. Its result comes at once, or later out of [`take_result`](Self::take_result).
    pub fn call(
        &mut self,
        call_id: CallId,
        call: Call,
        offsets: Option<(GroupMetadata, List<OffsetEntry>)>,
        out: &mut Out,
    ) -> Option<Option<Exception>> {
        let illegal = Exception::new(ExceptionClass::IllegalStateException);
        let waits = matches!(call, Call::Init | Call::CommitTransaction | Call::AbortTransaction);
        let deadline = out.now() + self.max_block;
        if let Some(pending) = &mut self.pending_transition {
            // A call that timed out has to be repeated, and gets the result of the first
            // (`handleCachedTransactionRequestResult`).
            if pending.call != call || pending.waiting.is_some() {
                return Some(Some(illegal));
            }
            pending.waiting = Some(call_id);
            pending.deadline = deadline;
            return None;
        }
        // `initTransactions` and the rest refuse what the state does not allow before they wait for anything.
        if let Err(exception) = self.begin(call, offsets, out) {
            return Some(Some(exception));
        }
        let pending = PendingCall { call, waiting: Some(call_id), deadline, result: None };
        if waits {
            self.pending_transition = Some(pending);
            None
        } else if call == Call::SendOffsets {
            self.pending_offsets = Some(pending);
            None
        } else {
            Some(None)
        }
    }

    fn begin(
        &mut self,
        call: Call,
        offsets: Option<(GroupMetadata, List<OffsetEntry>)>,
        out: &mut Out,
    ) -> Result<(), Exception> {
        let illegal = Err(Exception::new(ExceptionClass::IllegalStateException));
        if !self.is_transactional() {
            return illegal;
        }
        let may_go_on_after_error = call == Call::AbortTransaction && self.has_abortable_error();
        if let Some(refusal) = self.refusal().filter(|_| !may_go_on_after_error) {
            return Err(refusal);
        }
        match (call, self.state) {
            (Call::Init, State::Uninitialized) => {
                self.transition_to(State::Initializing, None, out);
                self.enqueue(TransactionalRequest::InitProducerId { bump: false });
            }
            (Call::Begin, State::Ready) => self.transition_to(State::InTransaction, None, out),
            (Call::SendOffsets, State::InTransaction) => {
                let Some((member, offsets)) = offsets else { return illegal };
                if self.transaction_version >= 2 {
                    self.transaction_started = true;
                    self.enqueue(TransactionalRequest::CommitOffsets { member, offsets });
                } else {
                    self.enqueue(TransactionalRequest::AddOffsets { member, offsets });
                }
            }
            (Call::CommitTransaction, State::InTransaction) => {
                self.transition_to(State::CommittingTransaction, None, out);
                self.begin_completing(true);
            }
            (Call::AbortTransaction, State::InTransaction | State::AbortableError) => {
                self.transition_to(State::AbortingTransaction, None, out);
                // Partitions that the coordinator has not been told of need not be added any more.
                self.new_partitions = PartitionSet::EMPTY;
                self.begin_completing(false);
            }
            _ => return illegal,
        }
        Ok(())
    }

    fn begin_completing(&mut self, committed: bool) {
        if !self.new_partitions.is_empty() {
            self.enqueue_add_partitions();
        }
        self.enqueue(TransactionalRequest::EndTxn { committed });
        if self.epoch_bump_required {
            self.enqueue(TransactionalRequest::InitProducerId { bump: true });
        }
    }

    /// `close()` aborts the transaction that is open.
    pub fn begin_abort_on_close(&mut self, out: &mut Out) {
        if self.has_ongoing_transaction() && !self.is_completing() {
            // The states that allow it were just checked.
            let _ = self.begin(Call::AbortTransaction, None, out);
        }
    }

    /// The call that waits and whose result is known now, or that has waited for `max.block.ms`.
    pub fn take_result(&mut self, now: Time) -> Option<(CallId, Call, Option<Exception>)> {
        for pending in [&mut self.pending_transition, &mut self.pending_offsets] {
            let Some(PendingCall { call, waiting: Some(call_id), deadline, result }) = *pending else {
                continue;
            };
            if let Some(result) = result {
                *pending = None;
                return Some((call_id, call, result));
            }
            if deadline <= now {
                match call {
                    Call::SendOffsets => *pending = None,
                    _ => pending.as_mut().expect("just seen").waiting = None,
                }
                return Some((call_id, call, Some(Exception::new(ExceptionClass::TimeoutException))));
            }
        }
        None
    }

    /// When the first call that waits has waited long enough.
    pub fn call_deadline(&self) -> Time {
        let waiting = [self.pending_transition, self.pending_offsets].into_iter().flatten();
        waiting.filter(|p| p.waiting.is_some()).map(|p| p.deadline).min().unwrap_or(Time::NEVER)
    }

    /// The result of initTransactions, commitTransaction or abortTransaction is known.
    pub(super) fn finish_transition(&mut self, exception: Option<Exception>) {
        if let Some(pending) = &mut self.pending_transition {
            pending.result.get_or_insert(exception);
        }
    }

    /// The result of sendOffsetsToTransaction is known.
    pub(super) fn finish_offsets(&mut self, exception: Option<Exception>) {
        if let Some(pending) = &mut self.pending_offsets {
            pending.result.get_or_insert(exception);
        }
    }

    // ---- errors ----------------------------------------------------------------------------------------

    pub(super) fn transition_to_fatal(&mut self, exception: Exception, out: &mut Out) {
        self.transition_to(State::FatalError, Some(exception), out);
        self.finish_transition(Some(exception));
    }

    /// Nothing is aborted that is being aborted, or that is no transaction.
    pub(super) fn transition_to_abortable(&mut self, exception: Exception, out: &mut Out) {
        if matches!(self.state, State::InTransaction | State::CommittingTransaction | State::AbortableError) {
            self.transition_to(State::AbortableError, Some(exception), out);
        }
    }

    /// What a failed batch or a failed `send()` does to the transaction (`maybeTransitionToErrorState`).
    pub fn maybe_transition_to_error_state(&mut self, exception: Exception, out: &mut Out) {
        use ExceptionClass::*;
        match exception.class {
            ProducerFencedException | UnsupportedVersionException | InvalidPidMappingException => {
                self.transition_to_fatal(exception, out);
            }
            class if self.is_transactional() => {
                // Since 4.1: retried in vain means that the transaction cannot be completed.
                let aborts = class == InvalidTxnStateException || is_retriable(class);
                let error = if aborts {
                    Exception::caused_by(TransactionAbortableException, class)
                } else {
                    exception
                };
                if self.bumps_epoch_by_client() && !self.is_completing() {
                    self.epoch_bump_required = true;
                }
                self.transition_to_abortable(error, out);
            }
            _ => {}
        }
    }

    /// Before transaction version 2 the client asks for the next epoch after an error
    /// (`needToTriggerEpochBumpFromClient`).
    fn bumps_epoch_by_client(&self) -> bool {
        self.transaction_version < 2
    }

    /// The transaction is over (`completeTransaction`).
    pub(super) fn complete_transaction(&mut self, out: &mut Out) {
        let next = if self.epoch_bump_required { State::Initializing } else { State::Ready };
        self.transition_to(next, None, out);
        self.epoch_bump_required = false;
        self.transaction_started = false;
        self.new_partitions = PartitionSet::EMPTY;
        self.pending_partitions = PartitionSet::EMPTY;
        self.partitions_in_transaction = PartitionSet::EMPTY;
    }

    // ---- sequences -------------------------------------------------------------------------------------

    /// Whether a batch must stay in its queue (`shouldStopDrainBatchesForPartition`).
    pub fn stops_drain(
        &self,
        partition: PartitionId,
        head: BatchId,
        accumulator: &RecordAccumulator,
    ) -> bool {
        let allowed = !self.has_fatal_error()
            && (!self.is_transactional() || self.partitions_in_transaction.contains(partition));
        if !allowed || self.producer_id == NO_PRODUCER_ID {
            return true;
        }
        let Some(batch) = accumulator.get(head) else { return true };
        if !batch.has_sequence() {
            // A new batch waits until those under an older epoch are done, and until it is known what became of an
            // expired one.
            return self.sequences.has_in_flight(partition)
                && self.sequences.is_stale(partition, self.producer())
                || self.sequences.unresolved_sequence(partition).is_some();
        }
        // A retried batch waits until all before it are done: one at a time.
        let first = self.sequences.first_in_flight_sequence(partition, accumulator);
        first.is_some_and(|first| first != batch.base_sequence)
    }

    /// A batch is drained: gets its sequence if it has none.
    pub fn on_drained(&mut self, id: BatchId, accumulator: &mut RecordAccumulator) {
        self.sequences.assign(id, self.producer(), accumulator);
    }

    /// A batch was acknowledged (`handleCompletedBatch`), perhaps after it had expired.
    pub fn on_completed(&mut self, id: BatchId, accumulator: &RecordAccumulator) {
        let Some(batch) = accumulator.get(id) else { return };
        self.sequences.acknowledged(batch.partition, batch.last_sequence());
        self.sequences.remove(id, batch.partition);
    }

    /// Whether a failed batch is tried again (`TransactionManager.canRetry`).
    pub fn can_retry(&mut self, id: BatchId, error: ErrorCode, accumulator: &RecordAccumulator) -> bool {
        let Some(batch) = accumulator.get(id) else { return false };
        if error == ErrorCode::OutOfOrderSequenceNumber {
            let partition = batch.partition;
            let unresolved = self.sequences.unresolved_sequence(partition);
            let is_next = self.sequences.is_next(partition, batch.base_sequence);
            if unresolved.is_none() && (batch.sequence_reset || !is_next) {
                return true;
            }
            if !self.is_transactional() {
                if unresolved.is_none_or(|next| next == batch.base_sequence) {
                    self.request_idempotent_epoch_bump(partition);
                }
                return true;
            }
        }
        error.is_retriable()
    }

    /// A batch failed for good (`handleFailedBatch`). `adjust_sequences`: it had retries left, so that it is known
    /// not to be in the log.
    pub fn on_failed(
        &mut self,
        id: BatchId,
        exception: Exception,
        adjust_sequences: bool,
        accumulator: &mut RecordAccumulator,
        out: &mut Out,
    ) {
        let Some(batch) = accumulator.get(id) else { return };
        let (partition, base_sequence, count) = (batch.partition, batch.base_sequence, batch.count());
        self.maybe_transition_to_error_state(exception, out);
        self.sequences.remove(id, partition);
        if self.has_fatal_error() {
            return;
        }
        if !self.is_transactional() {
            if exception.class == ExceptionClass::OutOfOrderSequenceException || adjust_sequences {
                self.request_idempotent_epoch_bump(partition);
            }
        } else if adjust_sequences {
            self.sequences.adjust_after_failure(partition, base_sequence, count, accumulator);
        }
    }

    fn request_idempotent_epoch_bump(&mut self, partition: PartitionId) {
        self.epoch_bump_required = true;
        self.partitions_to_rewrite.insert(partition);
    }

    /// KIP-360 (`bumpIdempotentEpochAndResetIdIfNeeded`): a needed bump of the epoch is done without asking
    /// anyone; a producer without producer id asks for one.
    pub fn bump_idempotent_epoch_if_needed(&mut self, accumulator: &mut RecordAccumulator, out: &mut Out) {
        if self.is_transactional() {
            return;
        }
        if self.epoch_bump_required {
            if self.producer_epoch == ProducerEpoch::MAX {
                self.set_producer(NO_PRODUCER_ID, -1, out);
                self.state = State::Uninitialized;
            } else {
                self.set_producer(self.producer_id, self.producer_epoch + 1, out);
            }
            for partition in self.partitions_to_rewrite.iter() {
                self.sequences.start_at_beginning(partition, self.producer(), accumulator);
                self.sequences.resolve(partition);
            }
            self.partitions_to_rewrite = PartitionSet::EMPTY;
            self.epoch_bump_required = false;
        }
        if self.state != State::Initializing && self.producer_id == NO_PRODUCER_ID {
            self.transition_to(State::Initializing, None, out);
            self.enqueue(TransactionalRequest::InitProducerId { bump: false });
        }
    }

    /// Partitions where nothing is in flight any more: either all that followed an expired batch is stored, or
    /// sequences start again under a new epoch (`maybeResolveSequences`).
    pub fn maybe_resolve_sequences(&mut self, out: &mut Out) {
        for partition in self.sequences.unresolved().iter() {
            if self.sequences.has_in_flight(partition) {
                continue;
            }
            let next = self.sequences.next_sequence(partition);
            if !self.sequences.is_next(partition, next) {
                if self.is_transactional() {
                    if self.bumps_epoch_by_client() {
                        self.epoch_bump_required = true;
                    }
                    self.transition_to_abortable(Exception::new(ExceptionClass::KafkaException), out);
                } else {
                    self.request_idempotent_epoch_bump(partition);
                }
            }
            self.sequences.resolve(partition);
        }
    }
}

/// Whether a class extends `RetriableException`, of those that a batch can fail with.
fn is_retriable(class: ExceptionClass) -> bool {
    use ExceptionClass::*;
    matches!(
        class,
        TimeoutException
            | BufferExhaustedException
            | NetworkException
            | NotLeaderOrFollowerException
            | NotEnoughReplicasException
            | NotEnoughReplicasAfterAppendException
            | UnknownTopicOrPartitionException
            | LeaderNotAvailableException
            | KafkaStorageException
            | FencedLeaderEpochException
            | UnknownLeaderEpochException
            | CoordinatorLoadInProgressException
            | CoordinatorNotAvailableException
            | NotCoordinatorException
            | ConcurrentTransactionsException
    )
}
