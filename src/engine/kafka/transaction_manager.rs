//! Producer ids, sequences and transactions, as the producer keeps them (`TransactionManager`,
//! `TxnPartitionMap`; kafka-semantics 1.6, 3.5, 3.6).

use super::config::ProducerConfig;
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::{Call, Event, TransactionManagerState as State};
use super::message::{CoordinatorKey, GroupMetadata, OffsetEntry, Request, Response};
use super::out::{CallId, Out};
use super::record_accumulator::{BatchId, RecordAccumulator};
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

/// What the producer keeps of a partition (`TxnPartitionEntry`).
#[derive(Clone, Debug)]
struct PartitionEntry {
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    next_sequence: Sequence,
    last_acked_sequence: Sequence,
    /// Batches with a sequence that are not done, in flight or waiting for a retry, by sequence.
    in_flight: Vec<BatchId>,
}

/// A request of the transaction manager's own, in the order of priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionalRequest {
    /// Where a coordinator is.
    FindCoordinator(CoordinatorKey),
    /// A producer id, or the next epoch.
    InitProducerId {
        /// The epoch is bumped after an error (KIP-360, transaction versions 0 and 1).
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

#[derive(Clone, Copy, Debug)]
struct Queued {
    request: TransactionalRequest,
    retry: bool,
}

/// An application's call that has not been told its result.
#[derive(Clone, Copy, Debug)]
struct PendingCall {
    call: Call,
    /// Who waits; none after `max.block.ms`: the same call has to be repeated.
    waiting: Option<CallId>,
    deadline: Time,
    result: Option<Option<Exception>>,
}

/// See the module's description.
#[derive(Clone, Debug)]
pub struct TransactionManager {
    transactional_id: Option<TransactionalId>,
    transaction_timeout: Span,
    transaction_version: u8,
    max_block: Span,
    retry_backoff: Span,
    state: State,
    last_error: Option<Exception>,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    partitions: Vec<PartitionEntry>,
    unresolved: Vec<(PartitionId, Sequence)>,
    rewrite: PartitionSet,
    epoch_bump_required: bool,
    new_partitions: PartitionSet,
    pending_partitions: PartitionSet,
    in_transaction: PartitionSet,
    transaction_started: bool,
    queue: Vec<Queued>,
    in_flight: Option<Queued>,
    coordinator: Option<BrokerId>,
    group_coordinator: Option<BrokerId>,
    pending: Option<PendingCall>,
}

impl TransactionManager {
    /// For a producer that is idempotent or transactional.
    pub fn new(config: &ProducerConfig, setup: &Setup, partitions: usize) -> TransactionManager {
        let entry = PartitionEntry {
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            next_sequence: 0,
            last_acked_sequence: -1,
            in_flight: Vec::new(),
        };
        TransactionManager {
            transactional_id: config.transactional_id,
            transaction_timeout: config.transaction_timeout,
            transaction_version: setup.cluster.transaction_version,
            max_block: config.max_block,
            retry_backoff: config.retry_backoff,
            state: State::Uninitialized,
            last_error: None,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            partitions: vec![entry; partitions],
            unresolved: Vec::new(),
            rewrite: PartitionSet::EMPTY,
            epoch_bump_required: false,
            new_partitions: PartitionSet::EMPTY,
            pending_partitions: PartitionSet::EMPTY,
            in_transaction: PartitionSet::EMPTY,
            transaction_started: false,
            queue: Vec::new(),
            in_flight: None,
            coordinator: None,
            group_coordinator: None,
            pending: None,
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

    /// The version of the transaction protocol in use.
    pub fn transaction_version(&self) -> u8 {
        self.transaction_version
    }

    /// Producer id and epoch.
    pub fn producer(&self) -> (ProducerId, ProducerEpoch) {
        (self.producer_id, self.producer_epoch)
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

    fn go_to(&mut self, state: State, error: Option<Exception>, out: &mut Out) {
        self.state = state;
        self.last_error = error;
        out.emit(Event::TransactionManagerChanged { state, error });
    }

    fn set_producer(&mut self, producer_id: ProducerId, producer_epoch: ProducerEpoch, out: &mut Out) {
        if (self.producer_id, self.producer_epoch) != (producer_id, producer_epoch) {
            (self.producer_id, self.producer_epoch) = (producer_id, producer_epoch);
            out.emit(Event::ProducerIdChanged { producer_id, producer_epoch });
        }
    }

    // ---- the application's calls -------------------------------------------------------------------

    /// What a call in an error state throws (`maybeFailWithError`).
    fn refusal(&self) -> Option<Exception> {
        if !matches!(self.state, State::AbortableError | State::FatalError) {
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

    /// A record goes to a partition: the partition joins the transaction (`maybeAddPartition`).
    ///
    /// # Errors
    /// What `send()` throws, or its future fails with.
    pub fn maybe_add_partition(&mut self, partition: PartitionId) -> Result<(), Exception> {
        if let Some(exception) = self.refusal() {
            return Err(exception);
        }
        if !self.is_transactional() {
            return Ok(());
        }
        if self.state != State::InTransaction {
            return Err(Exception::new(ExceptionClass::IllegalStateException));
        }
        if self.in_transaction.contains(partition) || self.pending_partitions.contains(partition) {
            return Ok(());
        }
        if self.transaction_version >= 2 {
            self.in_transaction.insert(partition);
            self.transaction_started = true;
        } else {
            self.new_partitions.insert(partition);
        }
        Ok(())
    }

    /// An application's call: returns its result if that is known at once; else it comes through
    /// [`take_result`](Self::take_result).
    pub fn call(
        &mut self,
        call_id: CallId,
        call: Call,
        offsets: Option<(GroupMetadata, List<OffsetEntry>)>,
        out: &mut Out,
    ) -> Option<Option<Exception>> {
        // A call that timed out has to be repeated, and gets the result of the first.
        if let Some(pending) = &mut self.pending {
            if pending.call != call {
                return Some(Some(Exception::new(ExceptionClass::IllegalStateException)));
            }
            pending.waiting = Some(call_id);
            pending.deadline = out.now() + self.max_block;
            return None;
        }
        if let Some(exception) = self.begin(call, offsets, out) {
            return Some(Some(exception));
        }
        if call == Call::Begin {
            return Some(None);
        }
        let deadline = out.now() + self.max_block;
        self.pending = Some(PendingCall { call, waiting: Some(call_id), deadline, result: None });
        None
    }

    fn begin(
        &mut self,
        call: Call,
        offsets: Option<(GroupMetadata, List<OffsetEntry>)>,
        out: &mut Out,
    ) -> Option<Exception> {
        let illegal = Some(Exception::new(ExceptionClass::IllegalStateException));
        if !self.is_transactional() {
            return illegal;
        }
        match call {
            Call::Init => {
                if let refusal @ Some(_) = self.refusal() {
                    return refusal;
                }
                if self.state != State::Uninitialized {
                    return illegal;
                }
                self.go_to(State::Initializing, None, out);
                self.enqueue(TransactionalRequest::InitProducerId { bump: false });
            }
            Call::Begin => {
                if let refusal @ Some(_) = self.refusal() {
                    return refusal;
                }
                if self.state != State::Ready {
                    return illegal;
                }
                self.go_to(State::InTransaction, None, out);
            }
            Call::SendOffsets => {
                if let refusal @ Some(_) = self.refusal() {
                    return refusal;
                }
                let (State::InTransaction, Some((member, offsets))) = (self.state, offsets) else {
                    return illegal;
                };
                if self.transaction_version >= 2 {
                    self.transaction_started = true;
                    self.enqueue(TransactionalRequest::CommitOffsets { member, offsets });
                } else {
                    self.enqueue(TransactionalRequest::AddOffsets { member, offsets });
                }
            }
            Call::CommitTransaction => {
                if let refusal @ Some(_) = self.refusal() {
                    return refusal;
                }
                if self.state != State::InTransaction {
                    return illegal;
                }
                self.go_to(State::CommittingTransaction, None, out);
                self.begin_completing(true);
            }
            Call::AbortTransaction => {
                if self.state != State::AbortableError {
                    if let refusal @ Some(_) = self.refusal() {
                        return refusal;
                    }
                    if self.state != State::InTransaction {
                        return illegal;
                    }
                }
                self.go_to(State::AbortingTransaction, None, out);
                // Partitions that were not sent to the coordinator need not be.
                self.new_partitions = PartitionSet::EMPTY;
                self.begin_completing(false);
            }
            Call::Flush | Call::Close | Call::CommitOffsets { .. } | Call::Poll => return illegal,
        }
        None
    }

    fn begin_completing(&mut self, committed: bool) {
        if !self.new_partitions.is_empty() {
            self.enqueue(TransactionalRequest::AddPartitions);
        }
        self.enqueue(TransactionalRequest::EndTxn { committed });
        if self.epoch_bump_required {
            self.enqueue(TransactionalRequest::InitProducerId { bump: true });
        }
    }

    /// Aborts what is open, on `close()`.
    pub fn begin_abort_on_close(&mut self, out: &mut Out) {
        if matches!(self.state, State::InTransaction | State::AbortableError) {
            self.begin(Call::AbortTransaction, None, out);
        }
    }

    /// The call whose result is known now, or that has waited longer than `max.block.ms`.
    pub fn take_result(&mut self, now: Time) -> Option<(CallId, Call, Option<Exception>)> {
        let pending = self.pending.as_mut()?;
        if let (Some(result), Some(call_id)) = (pending.result, pending.waiting) {
            let call = pending.call;
            self.pending = None;
            return Some((call_id, call, result));
        }
        if pending.deadline <= now
            && let Some(call_id) = pending.waiting.take()
        {
            return Some((call_id, pending.call, Some(Exception::new(ExceptionClass::TimeoutException))));
        }
        None
    }

    /// When the call that waits has waited long enough.
    pub fn call_deadline(&self) -> Time {
        self.pending
            .filter(|pending| pending.waiting.is_some())
            .map_or(Time::NEVER, |pending| pending.deadline)
    }

    fn finish_call(&mut self, call: Call, exception: Option<Exception>) {
        if let Some(pending) = &mut self.pending
            && pending.call == call
            && pending.result.is_none()
        {
            pending.result = Some(exception);
        }
    }

    // ---- its own requests ----------------------------------------------------------------------------

    fn enqueue(&mut self, request: TransactionalRequest) {
        self.put(Queued { request, retry: false });
    }

    fn put(&mut self, queued: Queued) {
        let place = self
            .queue
            .iter()
            .take_while(|other| other.request.priority() <= queued.request.priority())
            .count();
        self.queue.insert(place, queued);
    }

    /// Whether a request is queued or in flight.
    pub fn has_requests(&self) -> bool {
        !self.queue.is_empty() || self.in_flight.is_some()
    }

    /// Whether a request is in flight.
    pub fn has_request_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// An idempotent producer without a producer id asks for one; a needed bump of the epoch is done
    /// (`bumpIdempotentEpochAndResetIdIfNeeded`).
    pub fn bump_and_reset_if_needed(&mut self, accumulator: &mut RecordAccumulator, out: &mut Out) {
        if self.is_transactional() {
            return;
        }
        if self.epoch_bump_required {
            self.bump_idempotent_epoch(accumulator, out);
        }
        if self.state != State::Initializing && self.producer_id == NO_PRODUCER_ID {
            self.state = State::Initializing;
            self.enqueue(TransactionalRequest::InitProducerId { bump: false });
        }
    }

    /// KIP-360: the next epoch without asking anyone. Batches of the partitions that asked for it are renumbered
    /// from 0, those in flight or waiting for a retry included (KAFKA-14034, row P59).
    fn bump_idempotent_epoch(&mut self, accumulator: &mut RecordAccumulator, out: &mut Out) {
        if self.producer_epoch == ProducerEpoch::MAX {
            self.producer_id = NO_PRODUCER_ID;
            self.producer_epoch = -1;
            self.state = State::Uninitialized;
        } else {
            let (producer_id, producer_epoch) = (self.producer_id, self.producer_epoch + 1);
            self.set_producer(producer_id, producer_epoch, out);
        }
        let (producer_id, producer_epoch) = self.producer();
        for partition in self.rewrite.iter() {
            let entry = &mut self.partitions[partition.index()];
            let mut sequence = 0;
            for id in &entry.in_flight {
                let Some(batch) = accumulator.get_mut(*id) else { continue };
                batch.producer_id = producer_id;
                batch.producer_epoch = producer_epoch;
                batch.base_sequence = sequence;
                batch.sequence_reset = true;
                sequence = super::record::sequence_after(sequence, batch.records.len() as i32);
            }
            entry.producer_id = producer_id;
            entry.producer_epoch = producer_epoch;
            entry.next_sequence = sequence;
            entry.last_acked_sequence = -1;
            self.unresolved.retain(|(unresolved, _)| *unresolved != partition);
        }
        self.rewrite = PartitionSet::EMPTY;
        self.epoch_bump_required = false;
    }

    fn request_epoch_bump(&mut self, partition: PartitionId) {
        self.epoch_bump_required = true;
        self.rewrite.insert(partition);
    }

    /// The next request to send (`nextRequest`): not EndTxn while batches are not done.
    pub fn next_request(
        &mut self,
        has_incomplete_batches: bool,
        out: &mut Out,
    ) -> Option<(TransactionalRequest, bool)> {
        if !self.new_partitions.is_empty()
            && !self.queue.iter().any(|queued| queued.request == TransactionalRequest::AddPartitions)
        {
            self.enqueue(TransactionalRequest::AddPartitions);
        }
        loop {
            let next = *self.queue.first()?;
            if matches!(next.request, TransactionalRequest::EndTxn { .. }) && has_incomplete_batches {
                return None;
            }
            self.queue.remove(0);
            if matches!(self.state, State::AbortableError | State::FatalError) {
                let finding = matches!(next.request, TransactionalRequest::FindCoordinator(_));
                if !(self.has_abortable_error() && finding) {
                    let error = self.last_error;
                    self.fail_request(next.request, error);
                    continue;
                }
            }
            if let TransactionalRequest::EndTxn { committed } = next.request
                && !self.transaction_started
            {
                // Nothing was written: nothing is sent (row T39).
                self.complete_transaction(out);
                self.finish_call(end_call(committed), None);
                continue;
            }
            if next.request == TransactionalRequest::AddPartitions && !next.retry {
                if self.new_partitions.is_empty() && self.pending_partitions.is_empty() {
                    continue;
                }
                self.pending_partitions = self.pending_partitions.union(self.new_partitions);
                self.new_partitions = PartitionSet::EMPTY;
            }
            return Some((next.request, next.retry));
        }
    }

    fn fail_request(&mut self, request: TransactionalRequest, error: Option<Exception>) {
        match request {
            TransactionalRequest::InitProducerId { bump: false } => self.finish_call(Call::Init, error),
            TransactionalRequest::AddOffsets { .. } | TransactionalRequest::CommitOffsets { .. } => {
                self.finish_call(Call::SendOffsets, error);
            }
            TransactionalRequest::EndTxn { committed } => self.finish_call(end_call(committed), error),
            TransactionalRequest::FindCoordinator(_)
            | TransactionalRequest::AddPartitions
            | TransactionalRequest::InitProducerId { bump: true } => {}
        }
    }

    /// Where a request goes: to a coordinator, which has to be found first, or to anyone.
    pub fn target(&self, request: TransactionalRequest) -> Target {
        let key = match request {
            TransactionalRequest::FindCoordinator(_) => return Target::Anyone,
            TransactionalRequest::InitProducerId { .. } if !self.is_transactional() => return Target::Anyone,
            TransactionalRequest::CommitOffsets { member, .. } => CoordinatorKey::Group(member.group),
            _ => match self.transactional_id {
                Some(id) => CoordinatorKey::Transaction(id),
                None => return Target::Anyone,
            },
        };
        let known = match key {
            CoordinatorKey::Group(_) => self.group_coordinator,
            CoordinatorKey::Transaction(_) => self.coordinator,
        };
        known.map_or(Target::Unknown(key), Target::Broker)
    }

    /// A coordinator has to be found before anything else is done with it (`lookupCoordinator`).
    pub fn look_up(&mut self, key: CoordinatorKey) {
        match key {
            CoordinatorKey::Group(_) => self.group_coordinator = None,
            CoordinatorKey::Transaction(_) => self.coordinator = None,
        }
        let find = TransactionalRequest::FindCoordinator(key);
        let known = self.queue.iter().any(|queued| queued.request == find)
            || self.in_flight.is_some_and(|queued| queued.request == find);
        if !known {
            self.enqueue(find);
        }
    }

    /// Puts a request back, to be sent again after `retry.backoff.ms`, or at once.
    pub fn put_back(&mut self, request: TransactionalRequest, retry: bool) {
        self.put(Queued { request, retry });
    }

    /// How long the network thread sleeps before it repeats a request.
    pub fn retry_backoff(&self, request: TransactionalRequest) -> Span {
        // AddPartitionsToTxnHandler: 20 ms while no partition was added yet.
        if request == TransactionalRequest::AddPartitions && self.in_transaction.is_empty() {
            self.retry_backoff.min(Span::millis(20))
        } else {
            self.retry_backoff
        }
    }

    /// The request as it is sent now.
    pub fn build(&mut self, request: TransactionalRequest, retry: bool) -> Request {
        self.in_flight = Some(Queued { request, retry });
        let (producer_id, producer_epoch) = self.producer();
        let transactional_id = self.transactional_id.unwrap_or(TransactionalId(u8::MAX));
        let transaction_version = self.transaction_version;
        match request {
            TransactionalRequest::FindCoordinator(key) => Request::FindCoordinator { key },
            TransactionalRequest::InitProducerId { bump } => Request::InitProducerId {
                transactional_id: self.transactional_id,
                transaction_timeout: self.transaction_timeout,
                expected: bump.then_some((producer_id, producer_epoch)),
            },
            TransactionalRequest::AddPartitions => Request::AddPartitionsToTxn {
                transactional_id,
                producer_id,
                producer_epoch,
                partitions: self.pending_partitions,
                verify_only: false,
            },
            TransactionalRequest::AddOffsets { member, .. } => Request::AddOffsetsToTxn {
                transactional_id,
                producer_id,
                producer_epoch,
                group: member.group,
            },
            TransactionalRequest::CommitOffsets { member, offsets } => Request::TxnOffsetCommit {
                transactional_id,
                producer_id,
                producer_epoch,
                member,
                offsets,
                transaction_version,
            },
            TransactionalRequest::EndTxn { committed } => Request::EndTxn {
                transactional_id,
                producer_id,
                producer_epoch,
                committed,
                transaction_version,
            },
        }
    }

    /// A request of its own was answered, or its connection ended.
    pub fn on_response(&mut self, result: Result<Response, ErrorCode>, out: &mut Out) {
        let Some(Queued { request, .. }) = self.in_flight.take() else { return };
        let Ok(response) = result else {
            if let Target::Broker(_) | Target::Unknown(_) = self.target(request)
                && let Some(key) = self.key_of(request)
            {
                self.look_up(key);
            }
            return self.put_back(request, true);
        };
        match (request, response) {
            (TransactionalRequest::FindCoordinator(key), Response::FindCoordinator { error, node }) => {
                match node {
                    Some(node) if error == ErrorCode::None => match key {
                        CoordinatorKey::Group(_) => self.group_coordinator = Some(node),
                        CoordinatorKey::Transaction(_) => self.coordinator = Some(node),
                    },
                    _ => self.put_back(request, true),
                }
            }
            (
                TransactionalRequest::InitProducerId { bump },
                Response::InitProducerId { error, producer_id, producer_epoch },
            ) => {
                self.on_init(bump, error, producer_id, producer_epoch, out);
            }
            (TransactionalRequest::AddPartitions, Response::AddPartitionsToTxn { error }) => {
                self.on_add_partitions(error, out);
            }
            (TransactionalRequest::AddOffsets { member, offsets }, Response::AddOffsetsToTxn { error }) => {
                if error == ErrorCode::None {
                    self.transaction_started = true;
                    self.enqueue(TransactionalRequest::CommitOffsets { member, offsets });
                } else {
                    self.on_error(request, error, out);
                }
            }
            (TransactionalRequest::CommitOffsets { .. }, Response::TxnOffsetCommit { error }) => {
                if error == ErrorCode::None {
                    self.finish_call(Call::SendOffsets, None);
                } else {
                    self.on_error(request, error, out);
                }
            }
            (
                TransactionalRequest::EndTxn { committed },
                Response::EndTxn { error, producer_id, producer_epoch },
            ) => {
                if error == ErrorCode::None {
                    if self.transaction_version >= 2 && producer_id != NO_PRODUCER_ID {
                        self.set_producer(producer_id, producer_epoch, out);
                        self.reset_sequences();
                    }
                    self.complete_transaction(out);
                    self.finish_call(end_call(committed), None);
                } else {
                    self.on_error(request, error, out);
                }
            }
            _ => unreachable!("a broker answers what it was asked"),
        }
    }

    /// Which coordinator a request concerns.
    pub fn key_of(&self, request: TransactionalRequest) -> Option<CoordinatorKey> {
        match request {
            TransactionalRequest::FindCoordinator(_) => None,
            TransactionalRequest::CommitOffsets { member, .. } => Some(CoordinatorKey::Group(member.group)),
            _ => self.transactional_id.map(CoordinatorKey::Transaction),
        }
    }

    fn on_init(
        &mut self,
        bump: bool,
        error: ErrorCode,
        producer_id: ProducerId,
        producer_epoch: ProducerEpoch,
        out: &mut Out,
    ) {
        let request = TransactionalRequest::InitProducerId { bump };
        if error != ErrorCode::None {
            return self.on_error(request, error, out);
        }
        self.set_producer(producer_id, producer_epoch, out);
        if bump {
            self.reset_sequences();
        }
        if self.is_transactional() {
            self.go_to(State::Ready, None, out);
        } else {
            self.state = State::Ready;
        }
        self.epoch_bump_required = false;
        self.finish_call(Call::Init, None);
    }

    fn on_add_partitions(&mut self, error: ErrorCode, out: &mut Out) {
        if error == ErrorCode::None {
            self.in_transaction = self.in_transaction.union(self.pending_partitions);
            self.pending_partitions = PartitionSet::EMPTY;
            self.transaction_started = true;
        } else {
            self.on_error(TransactionalRequest::AddPartitions, error, out);
        }
    }

    /// How each handler takes an error (kafka-semantics 3.5).
    fn on_error(&mut self, request: TransactionalRequest, error: ErrorCode, out: &mut Out) {
        let offsets = matches!(request, TransactionalRequest::CommitOffsets { .. });
        match error {
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => {
                if let Some(key) = self.key_of(request) {
                    self.look_up(key);
                }
                self.put_back(request, true);
            }
            ErrorCode::RequestTimedOut if offsets => {
                if let Some(key) = self.key_of(request) {
                    self.look_up(key);
                }
                self.put_back(request, true);
            }
            error if error.is_retriable() => self.put_back(request, true),
            ErrorCode::InvalidProducerEpoch | ErrorCode::ProducerFenced => {
                self.fatal(request, Exception::new(ExceptionClass::ProducerFencedException), out);
            }
            ErrorCode::FencedInstanceId
            | ErrorCode::UnknownMemberId
            | ErrorCode::IllegalGeneration
            | ErrorCode::StaleMemberEpoch
            | ErrorCode::GroupIdNotFound
                if offsets =>
            {
                self.abortable(request, Exception::new(ExceptionClass::CommitFailedException), out);
            }
            ErrorCode::TransactionAbortable => {
                if self.is_aborting() {
                    self.fatal(request, error.into(), out);
                } else {
                    self.abortable(request, error.into(), out);
                }
            }
            ErrorCode::InvalidTxnState
            | ErrorCode::InvalidProducerIdMapping
            | ErrorCode::UnsupportedVersion => {
                self.fatal(request, error.into(), out);
            }
            _ => self.fatal(request, Exception::new(ExceptionClass::KafkaException), out),
        }
    }

    fn fatal(&mut self, request: TransactionalRequest, exception: Exception, out: &mut Out) {
        self.fail_request(request, Some(exception));
        self.to_fatal(exception, out);
    }

    fn abortable(&mut self, request: TransactionalRequest, exception: Exception, out: &mut Out) {
        self.fail_request(request, Some(exception));
        self.to_abortable(exception, out);
    }

    fn to_fatal(&mut self, exception: Exception, out: &mut Out) {
        self.go_to(State::FatalError, Some(exception), out);
        if let Some(pending) = &mut self.pending {
            pending.result.get_or_insert(Some(exception));
        }
    }

    fn to_abortable(&mut self, exception: Exception, out: &mut Out) {
        if !self.is_aborting() && !self.has_fatal_error() {
            self.go_to(State::AbortableError, Some(exception), out);
        }
    }

    fn complete_transaction(&mut self, out: &mut Out) {
        let next = if self.epoch_bump_required { State::Initializing } else { State::Ready };
        self.go_to(next, None, out);
        self.transaction_started = false;
        self.new_partitions = PartitionSet::EMPTY;
        self.pending_partitions = PartitionSet::EMPTY;
        self.in_transaction = PartitionSet::EMPTY;
    }

    fn reset_sequences(&mut self) {
        for entry in &mut self.partitions {
            entry.next_sequence = 0;
            entry.last_acked_sequence = -1;
            entry.producer_id = self.producer_id;
            entry.producer_epoch = self.producer_epoch;
            entry.in_flight.clear();
        }
        self.unresolved.clear();
    }

    // ---- sequences -----------------------------------------------------------------------------------

    /// Whether a batch of this partition must wait (`shouldStopDrainBatchesForPartition`).
    pub fn stops_drain(
        &self,
        partition: PartitionId,
        head: BatchId,
        accumulator: &RecordAccumulator,
    ) -> bool {
        let allowed =
            !self.has_fatal_error() && (!self.is_transactional() || self.in_transaction.contains(partition));
        if !allowed || self.producer_id == NO_PRODUCER_ID {
            return true;
        }
        let entry = &self.partitions[partition.index()];
        let Some(batch) = accumulator.get(head) else { return true };
        if !batch.has_sequence() {
            let stale = (entry.producer_id, entry.producer_epoch) != self.producer();
            return !entry.in_flight.is_empty() && stale || self.is_unresolved(partition);
        }
        let first =
            entry.in_flight.first().and_then(|id| accumulator.get(*id)).map(|first| first.base_sequence);
        first.is_some_and(|first| first != batch.base_sequence)
    }

    /// Gives a batch its producer id, epoch and sequence when it is drained for the first time.
    pub fn assign_sequence(&mut self, id: BatchId, accumulator: &mut RecordAccumulator) {
        let (producer_id, producer_epoch) = self.producer();
        let Some(batch) = accumulator.get_mut(id) else { return };
        if batch.has_sequence() {
            return;
        }
        let entry = &mut self.partitions[batch.partition.index()];
        if (entry.producer_id, entry.producer_epoch) != (producer_id, producer_epoch)
            && entry.in_flight.is_empty()
        {
            entry.producer_id = producer_id;
            entry.producer_epoch = producer_epoch;
            entry.next_sequence = 0;
            entry.last_acked_sequence = -1;
        }
        batch.producer_id = producer_id;
        batch.producer_epoch = producer_epoch;
        batch.base_sequence = entry.next_sequence;
        entry.next_sequence = super::record::sequence_after(entry.next_sequence, batch.records.len() as i32);
        entry.in_flight.push(id);
    }

    fn is_unresolved(&self, partition: PartitionId) -> bool {
        self.unresolved.iter().any(|(unresolved, _)| *unresolved == partition)
    }

    /// A batch was acknowledged.
    pub fn on_acknowledged(&mut self, id: BatchId, accumulator: &RecordAccumulator) {
        let Some(batch) = accumulator.get(id) else { return };
        let entry = &mut self.partitions[batch.partition.index()];
        if (batch.producer_id, batch.producer_epoch) == (entry.producer_id, entry.producer_epoch) {
            entry.last_acked_sequence = entry.last_acked_sequence.max(batch.last_sequence());
        }
        entry.in_flight.retain(|other| *other != id);
    }

    /// A batch is split or thrown away: its sequence is free.
    pub fn remove_in_flight(&mut self, id: BatchId, partition: PartitionId) {
        self.partitions[partition.index()].in_flight.retain(|other| *other != id);
    }

    /// Whether a failed batch is tried again (`TransactionManager.canRetry`).
    pub fn can_retry(&mut self, id: BatchId, error: ErrorCode, accumulator: &RecordAccumulator) -> bool {
        let Some(batch) = accumulator.get(id) else { return false };
        if error == ErrorCode::OutOfOrderSequenceNumber {
            let partition = batch.partition;
            let last_acked = self.partitions[partition.index()].last_acked_sequence;
            let is_next = batch.base_sequence
                == if last_acked < 0 { 0 } else { super::record::sequence_after(last_acked, 1) };
            let unresolved =
                self.unresolved.iter().find(|(known, _)| *known == partition).map(|(_, next)| *next);
            if unresolved.is_none() && (batch.sequence_reset || !is_next) {
                return true;
            }
            if !self.is_transactional() {
                if unresolved.is_none_or(|next| next == batch.base_sequence) {
                    self.request_epoch_bump(partition);
                }
                return true;
            }
        }
        error.is_retriable()
    }

    /// A batch failed for good (`handleFailedBatch`). `definite`: it had retries left, so that it is known not to
    /// be in the log.
    pub fn on_failed(
        &mut self,
        id: BatchId,
        exception: Exception,
        definite: bool,
        accumulator: &mut RecordAccumulator,
        out: &mut Out,
    ) {
        let Some(batch) = accumulator.get(id) else { return };
        let (partition, sequenced) = (batch.partition, batch.has_sequence());
        let (base_sequence, count) = (batch.base_sequence, batch.records.len() as i32);
        self.on_batch_exception(exception, out);
        self.remove_in_flight(id, partition);
        if self.has_fatal_error() || !sequenced {
            return;
        }
        if !self.is_transactional() {
            if exception.class == ExceptionClass::OutOfOrderSequenceException || definite {
                self.request_epoch_bump(partition);
            }
        } else if definite {
            self.shift_sequences(partition, base_sequence, count, accumulator);
        }
    }

    /// Later batches in flight take the place of one that is known not to be stored.
    fn shift_sequences(
        &mut self,
        partition: PartitionId,
        base_sequence: Sequence,
        count: i32,
        accumulator: &mut RecordAccumulator,
    ) {
        let entry = &mut self.partitions[partition.index()];
        entry.next_sequence -= count;
        for id in &entry.in_flight {
            let Some(batch) = accumulator.get_mut(*id) else { continue };
            if batch.base_sequence >= base_sequence {
                batch.base_sequence -= count;
                batch.sequence_reset = true;
            }
        }
    }

    /// What a failed batch does to the transaction (`maybeTransitionToErrorState`).
    pub fn on_batch_exception(&mut self, exception: Exception, out: &mut Out) {
        use ExceptionClass::*;
        match exception.class {
            ProducerFencedException | UnsupportedVersionException | InvalidPidMappingException => {
                self.to_fatal(exception, out);
            }
            class if self.is_transactional() => {
                if self.transaction_version < 2 && !self.is_completing() {
                    self.epoch_bump_required = true;
                }
                let wrapped = is_retriable_class(class) || class == InvalidTxnStateException;
                let error = if wrapped {
                    Exception::caused_by(TransactionAbortableException, class)
                } else {
                    exception
                };
                self.to_abortable(error, out);
            }
            _ => {}
        }
    }

    /// A batch expired that had been tried more than once: whether it is in the log is unknown
    /// (`markSequenceUnresolved`).
    pub fn mark_unresolved(&mut self, partition: PartitionId, last_sequence: Sequence) {
        let next = super::record::sequence_after(last_sequence, 1);
        match self.unresolved.iter_mut().find(|(known, _)| *known == partition) {
            Some((_, known)) => *known = (*known).max(next),
            None => self.unresolved.push((partition, next)),
        }
    }

    /// Partitions whose fate is known again (`maybeResolveSequences`).
    pub fn resolve_sequences(&mut self, out: &mut Out) {
        let mut index = 0;
        while index < self.unresolved.len() {
            let (partition, _) = self.unresolved[index];
            let entry = &self.partitions[partition.index()];
            if !entry.in_flight.is_empty() {
                index += 1;
                continue;
            }
            let expected = if entry.last_acked_sequence < 0 {
                0
            } else {
                super::record::sequence_after(entry.last_acked_sequence, 1)
            };
            if expected != entry.next_sequence {
                if self.is_transactional() {
                    self.to_abortable(Exception::new(ExceptionClass::KafkaException), out);
                } else {
                    self.request_epoch_bump(partition);
                }
            }
            self.unresolved.remove(index);
        }
    }
}

/// Where a transactional request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this coordinator.
    Broker(BrokerId),
    /// To whoever has the least to do.
    Anyone,
    /// To a coordinator that has to be found first.
    Unknown(CoordinatorKey),
}

fn end_call(committed: bool) -> Call {
    if committed { Call::CommitTransaction } else { Call::AbortTransaction }
}

/// `RetriableException` and its subclasses, of those that a batch can fail with.
fn is_retriable_class(class: ExceptionClass) -> bool {
    use ExceptionClass::*;
    matches!(
        class,
        TimeoutException
            | NetworkException
            | NotLeaderOrFollowerException
            | NotEnoughReplicasException
            | NotEnoughReplicasAfterAppendException
            | UnknownTopicOrPartitionException
            | LeaderNotAvailableException
            | KafkaStorageException
            | CoordinatorLoadInProgressException
            | CoordinatorNotAvailableException
            | NotCoordinatorException
            | ConcurrentTransactionsException
    )
}
