//! The producer, as an application sees it (`KafkaProducer`).

use super::config::{Acks, ProducerConfig};
use super::error::{Exception, ExceptionClass};
use super::event::{Call, Event};
use super::message::{GroupMetadata, OffsetEntry};
use super::network::Purpose;
use super::network_client::{NetworkClient, NetworkConfig};
use super::out::{CallId, NodeEvent, Out, Timer};
use super::record::Batch;
use super::record_accumulator::{BatchId, BatchRecord, RecordAccumulator};
use super::sender::Blocked;
use super::transaction_manager::TransactionManager;
use super::types::*;
use crate::engine::script::{ClientConfig, Setup, Topic};
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};
use std::collections::VecDeque;

/// A call that may block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerCall {
    /// `initTransactions()`
    Init,
    /// `beginTransaction()`
    Begin,
    /// `commitTransaction()`
    Commit,
    /// `abortTransaction()`
    Abort,
    /// `flush()`
    Flush,
    /// `sendOffsetsToTransaction()`
    SendOffsets {
        /// What the consumer says of its membership.
        member: GroupMetadata,
        /// The offsets.
        offsets: List<OffsetEntry>,
    },
    /// `close(timeout)`
    Close {
        /// After so long what is not done fails.
        timeout: Span,
    },
}

impl ProducerCall {
    fn call(self) -> Call {
        match self {
            ProducerCall::Init => Call::Init,
            ProducerCall::Begin => Call::Begin,
            ProducerCall::Commit => Call::CommitTransaction,
            ProducerCall::Abort => Call::AbortTransaction,
            ProducerCall::Flush => Call::Flush,
            ProducerCall::SendOffsets { .. } => Call::SendOffsets,
            ProducerCall::Close { .. } => Call::Close,
        }
    }
}

/// What a request in flight was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    /// Batches: a place in `Producer::flights`.
    Produce(u32),
    /// A request of the transaction manager.
    Transactional,
}

/// A record whose `send()` blocks: the topic's metadata or memory is not there yet.
#[derive(Clone, Copy, Debug)]
struct WaitingRecord {
    record: RecordId,
    partition: PartitionId,
    bytes: u32,
}

/// Whether an exception of `send()` fails the record's future; others are thrown (`ApiException`).
fn is_of_the_api(exception: Exception) -> bool {
    !matches!(exception.class, ExceptionClass::KafkaException | ExceptionClass::IllegalStateException)
}

/// A flush waits for what was handed over before it.
#[derive(Clone, Debug)]
struct Flush {
    call_id: CallId,
    batches: Vec<BatchId>,
}

/// `close()` is under way.
#[derive(Clone, Copy, Debug)]
struct Closing {
    call_id: CallId,
    deadline: Time,
}

/// A producer instance.
#[derive(Clone, Debug)]
pub struct Producer {
    pub(super) acks: Acks,
    pub(super) retries: u32,
    pub(super) request_timeout: Span,
    pub(super) max_request_size: u32,
    retry_backoff: Span,
    max_block: Span,
    /// `max.in.flight.requests.per.connection=1`: a partition waits for its batch's answer before its next batch.
    pub(super) guarantees_order: bool,
    /// The partitions of each topic.
    topics: Vec<PartitionSet>,
    pub(super) network: NetworkClient<Flight>,
    pub(super) accumulator: RecordAccumulator,
    pub(super) transactions: Option<TransactionManager>,
    /// The batches of each Produce request in flight; empty places are free.
    pub(super) flights: Vec<Vec<(BatchId, PartitionId)>>,
    /// Which flights a turn of the loop sends, and where to.
    pub(super) drained: Vec<(BrokerId, usize)>,
    /// Where each broker's next drain begins.
    pub(super) drain_from: [PartitionId; BROKERS_MAX],
    pub(super) blocked: Option<Blocked>,
    /// A transaction was completed once: since then batches do not linger.
    pub(super) flushes_by_completion: bool,
    pub(super) unsettled: usize,
    /// Records in batches whose `send()` threw or whose future had failed before.
    in_vain: Vec<RecordId>,
    /// The instants for which the clock is set.
    pub(super) alarms: Vec<Time>,
    // Lists kept for their capacity.
    pub(super) wire: Vec<Batch>,
    pub(super) found: Vec<BatchId>,
    /// Records whose `send()` blocks, in order; the first since this instant.
    waiting: VecDeque<WaitingRecord>,
    waiting_since: Time,
    /// Calls that come after the records that wait.
    calls: VecDeque<(CallId, ProducerCall)>,
    flushes: Vec<Flush>,
    closing: Option<Closing>,
    closed: bool,
}

impl Producer {
    /// A new instance of an application's producer.
    ///
    /// # Panics
    /// If the application is no producer.
    pub fn new(_client: ClientId, application: ApplicationId, setup: &Setup) -> Producer {
        let ClientConfig::Producer(config) = &setup.applications[usize::from(application.0)].client else {
            panic!("application {} is no producer", application.0);
        };
        Producer::with_config(config, setup)
    }

    pub(super) fn with_config(config: &ProducerConfig, setup: &Setup) -> Producer {
        let partitions_of = |topic: &Topic| -> PartitionSet {
            let first = topic.first_partition.0;
            (first..first + topic.config.partitions).map(PartitionId).collect()
        };
        let topics: Vec<PartitionSet> = setup.topics.iter().map(partitions_of).collect();
        let partitions = topics.iter().map(|topic| topic.len()).sum();
        let network = NetworkConfig {
            request_timeout: config.request_timeout,
            max_in_flight: config.max_in_flight_requests_per_connection,
            reconnect_backoff: config.reconnect_backoff,
            reconnect_backoff_max: config.reconnect_backoff_max,
            retry_backoff: config.retry_backoff,
            retry_backoff_max: config.retry_backoff_max,
            metadata_max_age: config.metadata_max_age,
        };
        let mut network =
            NetworkClient::new(network, Purpose::Client, usize::from(setup.brokers), partitions);
        network.metadata_mut().want_nothing();
        Producer {
            acks: config.acks,
            retries: config.retries,
            request_timeout: config.request_timeout,
            max_request_size: config.max_request_size,
            retry_backoff: config.retry_backoff,
            max_block: config.max_block,
            guarantees_order: config.max_in_flight_requests_per_connection == 1,
            topics,
            network,
            accumulator: RecordAccumulator::new(config, partitions),
            transactions: config
                .enable_idempotence
                .then(|| TransactionManager::new(config, setup, partitions)),
            flights: Vec::new(),
            drained: Vec::new(),
            drain_from: [PartitionId(0); BROKERS_MAX],
            blocked: None,
            flushes_by_completion: false,
            unsettled: 0,
            in_vain: Vec::new(),
            alarms: Vec::new(),
            wire: Vec::new(),
            found: Vec::new(),
            waiting: VecDeque::new(),
            waiting_since: Time::ZERO,
            calls: VecDeque::new(),
            flushes: Vec::new(),
            closing: None,
            closed: false,
        }
    }

    /// The client's threads start. A producer without transactions asks for the default topic's metadata
    /// (`partitionsFor`), so that its first `send()` does not block for long.
    pub fn start(&mut self, out: &mut Out) {
        if !self.is_transactional() {
            self.want(PartitionId::DEFAULT);
        }
        self.wake_at(out.now(), out);
    }

    /// Whether it has a transactional.id.
    pub fn is_transactional(&self) -> bool {
        self.transactions.as_ref().is_some_and(|manager| manager.is_transactional())
    }

    /// Whether its metadata tells of a partition.
    pub fn knows(&self, partition: PartitionId) -> bool {
        self.network.metadata().knows(partition)
    }

    fn want(&mut self, partition: PartitionId) {
        if let Some(topic) = self.topics.iter().find(|topic| topic.contains(partition)) {
            self.network.metadata_mut().want(*topic);
        }
    }

    /// An event on one of its connections, or its clock.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) {
        let concerns = match event {
            NodeEvent::Timer(Timer::Wake) => {
                self.alarms.retain(|alarm| *alarm > out.now());
                true
            }
            _ => self.network.on_event(event, out),
        };
        if concerns && !self.closed {
            self.run_sender(out);
        }
    }

    /// Hands a record over (`send()`): it goes out when the network thread runs.
    ///
    /// # Errors
    /// What `send()` throws; the record was not handed over.
    pub fn send(
        &mut self,
        record: RecordId,
        partition: PartitionId,
        bytes: u32,
        out: &mut Out,
    ) -> Result<(), Exception> {
        if self.closed || self.closing.is_some() {
            return Err(Exception::new(ExceptionClass::IllegalStateException));
        }
        self.want(partition);
        let waiting = WaitingRecord { record, partition, bytes };
        if self.waiting.is_empty() && self.can_admit(waiting) {
            return self.admit(waiting, out);
        }
        out.emit(Event::RecordSent { record, partition });
        if self.waiting.is_empty() {
            self.waiting_since = out.now();
        }
        self.waiting.push_back(waiting);
        self.unsettled += 1;
        self.wake_at(out.now(), out);
        Ok(())
    }

    fn can_admit(&self, WaitingRecord { partition, bytes, .. }: WaitingRecord) -> bool {
        self.network.metadata().knows(partition)
            && (bytes > self.max_request_size || self.accumulator.has_room(partition, bytes))
    }

    /// The rest of `send()`, once metadata and memory are there (`doSend`).
    fn admit(&mut self, waiting: WaitingRecord, out: &mut Out) -> Result<(), Exception> {
        let WaitingRecord { record, partition, bytes } = waiting;
        if bytes > self.max_request_size {
            self.fail_send(waiting, Exception::new(ExceptionClass::RecordTooLargeException), out);
            return Ok(());
        }
        if let Err(exception) = self.may_send(partition) {
            self.append_in_vain(waiting, out);
            if !is_of_the_api(exception) {
                return Err(exception);
            }
            self.fail_send(waiting, exception, out);
            return Ok(());
        }
        let sent = out.emit(Event::RecordSent { record, partition });
        let transactional = self.is_transactional();
        self.accumulator.append(record, partition, bytes, transactional, out.now(), sent);
        self.unsettled += 1;
        let cause = out.cause;
        out.cause = sent.or(cause);
        self.wake_at(out.now(), out);
        out.cause = cause;
        Ok(())
    }

    /// Whether the transaction takes a record for a partition; if so, the partition belongs to it.
    fn may_send(&mut self, partition: PartitionId) -> Result<(), Exception> {
        self.transactions.as_mut().map_or(Ok(()), |manager| manager.maybe_add_partition(partition))
    }

    /// `send()` asks only after it has appended whether the transaction takes a record. When it throws, or fails
    /// the future, the record stays in its batch: it shares that one's fate, and its callback runs (again).
    fn append_in_vain(&mut self, waiting: WaitingRecord, out: &mut Out) {
        let WaitingRecord { record, partition, bytes } = waiting;
        let transactional = self.is_transactional();
        self.accumulator.append(record, partition, bytes, transactional, out.now(), out.cause);
        self.in_vain.push(record);
        // The network thread is not woken. After a fatal error it looks again and again, else it sleeps no longer than
        // `request.timeout.ms`.
        let is_fatal = self.transactions.as_ref().is_some_and(TransactionManager::has_fatal_error);
        let sleeps = if is_fatal { self.retry_backoff } else { self.request_timeout };
        self.wake_at(out.now() + sleeps, out);
    }

    /// A record of a batch has its answer: nobody waits for it any more.
    pub(super) fn settle(&mut self, record: RecordId) {
        match self.in_vain.iter().position(|vain| *vain == record) {
            Some(place) => {
                self.in_vain.remove(place);
            }
            None => self.unsettled -= 1,
        }
    }

    /// A record's future fails before it is in a batch.
    fn fail_send(&mut self, waiting: WaitingRecord, exception: Exception, out: &mut Out) {
        let WaitingRecord { record, partition, .. } = waiting;
        out.emit(Event::RecordSent { record, partition });
        out.emit(Event::RecordFailed { record, partition, exception });
        if let Some(manager) = &mut self.transactions {
            manager.maybe_transition_to_error_state(exception, out);
        }
    }

    /// Records whose `send()` blocked go on, or give up after `max.block.ms`; then the calls after them. Returns
    /// whether there is something new to send.
    pub(super) fn admit_waiting(&mut self, out: &mut Out) -> bool {
        let mut admitted = false;
        while let Some(waiting) = self.waiting.front().copied() {
            let WaitingRecord { record, partition, .. } = waiting;
            let exception = if self.can_admit(waiting) {
                self.admit_late(waiting, out)
            } else if out.now() >= self.waiting_since + self.max_block {
                let known = self.network.metadata().knows(partition);
                Some(Exception::new(match known {
                    true => ExceptionClass::BufferExhaustedException,
                    false => ExceptionClass::TimeoutException,
                }))
            } else {
                return admitted;
            };
            self.waiting.pop_front();
            self.waiting_since = out.now();
            admitted = true;
            if let Some(exception) = exception {
                self.unsettled -= 1;
                if !is_of_the_api(exception) {
                    out.emit(Event::SendThrew { record, exception, waited: true });
                    continue;
                }
                out.emit(Event::RecordFailed { record, partition, exception });
                if let Some(manager) = &mut self.transactions {
                    manager.maybe_transition_to_error_state(exception, out);
                }
            }
        }
        while let Some((call_id, call)) = self.calls.pop_front() {
            admitted = true;
            self.begin_call(call_id, call, out);
        }
        admitted
    }

    /// A record that was said to be sent goes into a batch, or fails with the exception returned.
    fn admit_late(&mut self, waiting: WaitingRecord, out: &mut Out) -> Option<Exception> {
        let WaitingRecord { record, partition, bytes } = waiting;
        if bytes > self.max_request_size {
            return Some(Exception::new(ExceptionClass::RecordTooLargeException));
        }
        if let Err(exception) = self.may_send(partition) {
            self.append_in_vain(waiting, out);
            return Some(exception);
        }
        let transactional = self.is_transactional();
        self.accumulator.append(record, partition, bytes, transactional, out.now(), out.cause);
        None
    }

    /// Makes a call; its end is told by [`Out::complete`].
    pub fn call(&mut self, call_id: CallId, call: ProducerCall, out: &mut Out) {
        out.emit(Event::CallBegan { call: call.call() });
        // The network thread was woken by what was sent before, and is faster than the application's next call: what
        // can go out is not taken back by the abort.
        if call == ProducerCall::Abort && self.alarms.iter().any(|alarm| *alarm <= out.now()) {
            self.run_sender(out);
        }
        if self.waiting.is_empty() {
            self.begin_call(call_id, call, out);
        } else {
            self.calls.push_back((call_id, call));
        }
    }

    fn begin_call(&mut self, call_id: CallId, call: ProducerCall, out: &mut Out) {
        let kind = call.call();
        match call {
            ProducerCall::Flush => {
                let mut batches = Vec::new();
                self.accumulator.collect_incomplete(&mut batches, |_| true);
                self.flushes.push(Flush { call_id, batches });
                self.finish_flushes(out);
            }
            ProducerCall::Close { .. } if self.closed => out.complete(call_id, kind, None),
            ProducerCall::Close { timeout } => {
                self.closing = Some(Closing { call_id, deadline: out.now() + timeout });
                self.give_up_waiting(out);
                self.go_on_closing(out);
            }
            ProducerCall::SendOffsets { offsets, .. } if offsets.is_empty() => {
                out.complete(call_id, kind, None);
            }
            ProducerCall::Init
            | ProducerCall::Begin
            | ProducerCall::Commit
            | ProducerCall::Abort
            | ProducerCall::SendOffsets { .. } => {
                let offsets = match call {
                    ProducerCall::SendOffsets { member, offsets } => Some((member, offsets)),
                    _ => None,
                };
                let result = match &mut self.transactions {
                    Some(manager) if !self.closed => manager.call(call_id, kind, offsets, out),
                    _ => Some(Some(Exception::new(ExceptionClass::IllegalStateException))),
                };
                if let Some(exception) = result {
                    out.complete(call_id, kind, exception);
                    // The network thread is not woken.
                    return;
                }
            }
        }
        if !self.closed {
            self.wake_at(out.now(), out);
        }
    }

    /// Whether batches go out without lingering: a flush, a completing transaction or `close()` waits for them, or
    /// memory is wanted.
    pub(super) fn is_hurrying(&self) -> bool {
        !self.flushes.is_empty()
            || self.flushes_by_completion
            || self.closing.is_some()
            || !self.waiting.is_empty()
    }

    /// A batch that a flush waits for was split: it waits for the parts.
    pub(super) fn flushes_wait_for_parts(&mut self, id: BatchId, parts: &[BatchId]) {
        for flush in &mut self.flushes {
            if flush.batches.contains(&id) {
                flush.batches.extend_from_slice(parts);
            }
        }
    }

    /// Tells calls that wait how they ended.
    pub(super) fn finish_calls(&mut self, out: &mut Out) {
        if let Some(manager) = &mut self.transactions {
            while let Some((call_id, call, exception)) = manager.take_result(out.now()) {
                out.complete(call_id, call, exception);
            }
        }
        self.finish_flushes(out);
        self.go_on_closing(out);
    }

    fn finish_flushes(&mut self, out: &mut Out) {
        let accumulator = &self.accumulator;
        self.flushes.retain(|flush| {
            let waits = flush.batches.iter().any(|id| !accumulator.is_done(*id));
            if !waits {
                out.complete(flush.call_id, Call::Flush, None);
            }
            waits
        });
    }

    /// `Sender.run` after `initiateClose`: everything handed over goes out first, then an open transaction is
    /// aborted, then the connections are closed.
    fn go_on_closing(&mut self, out: &mut Out) {
        let Some(Closing { call_id, deadline }) = self.closing else { return };
        if out.now() < deadline {
            if self.accumulator.has_incomplete() {
                return;
            }
            if let Some(manager) = &mut self.transactions
                && manager.has_ongoing_transaction()
            {
                if !manager.is_completing() && !manager.has_pending_requests() {
                    manager.begin_abort_on_close(out);
                    self.wake_at(out.now(), out);
                }
                return;
            }
        }
        self.close_now(out);
        out.complete(call_id, Call::Close, None);
    }

    /// Ends at once: what is not done fails (`close(Duration.ZERO)`).
    pub fn close_now(&mut self, out: &mut Out) {
        if self.closed {
            return;
        }
        let forced = Exception::new(ExceptionClass::KafkaException);
        self.give_up_waiting(out);
        if let Some(manager) = &mut self.transactions {
            manager.finish_transition(Some(forced));
            manager.finish_offsets(Some(forced));
            while let Some((call_id, call, exception)) = manager.take_result(out.now()) {
                out.complete(call_id, call, exception);
            }
        }
        self.abort_batches(forced, false, out);
        self.finish_flushes(out);
        self.network.close(out);
        self.closing = None;
        self.closed = true;
        out.emit(Event::ClientClosed);
    }

    /// Records whose `send()` still blocks when the producer closes fail, and so do the calls after them.
    fn give_up_waiting(&mut self, out: &mut Out) {
        let exception = Exception::new(ExceptionClass::KafkaException);
        while let Some(WaitingRecord { record, partition, .. }) = self.waiting.pop_front() {
            self.unsettled -= 1;
            out.emit(Event::RecordFailed { record, partition, exception });
        }
        while let Some((call_id, call)) = self.calls.pop_front() {
            let exception = Exception::new(ExceptionClass::IllegalStateException);
            out.complete(call_id, call.call(), Some(exception));
        }
    }

    /// When the first thing that an application waits for has waited long enough.
    pub(super) fn calls_deadline(&self) -> Time {
        let call = self.transactions.as_ref().map_or(Time::NEVER, |manager| manager.call_deadline());
        let closing = self.closing.map_or(Time::NEVER, |closing| closing.deadline);
        let waiting = if self.waiting.is_empty() { Time::NEVER } else { self.waiting_since + self.max_block };
        call.min(closing).min(waiting)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether `partitionsFor` of the default topic has its answer.
    pub fn knows_default_topic(&self) -> bool {
        self.network.metadata().knows(PartitionId::DEFAULT)
    }

    /// Whether a `send()` still blocks.
    pub fn is_sending(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Records without an answer.
    pub fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// A batch's first record whose answer the application awaits: what `send()` refused goes along in vain.
    pub(super) fn first_awaited(&self, records: &[BatchRecord]) -> RecordId {
        let awaited = records.iter().find(|record| !self.in_vain.contains(&record.record));
        awaited.unwrap_or(&records[0]).record
    }

    /// The records without an answer, each with where it goes and whether a request with it is under way: those in
    /// batches, then those whose `send()` blocks.
    pub fn pending(&self) -> Vec<(RecordId, PartitionId, bool)> {
        let mut ids = Vec::new();
        self.accumulator.collect_incomplete(&mut ids, |_| true);
        let batches = ids.iter().filter_map(|id| self.accumulator.get(*id));
        let in_batches = batches.flat_map(|batch| {
            batch.records.iter().map(move |record| (record.record, batch.partition, batch.in_flight))
        });
        let blocked = self.waiting.iter().map(|waiting| (waiting.record, waiting.partition, false));
        let mut pending: Vec<_> = in_batches.chain(blocked).collect();
        for vain in &self.in_vain {
            // It was refused, and its batch goes all the same.
            if let Some(place) = pending.iter().position(|(record, ..)| record == vain) {
                pending.remove(place);
            }
        }
        pending
    }

    /// Producer ids, sequences and transactions; none without idempotence.
    pub fn transaction_manager(&self) -> Option<&TransactionManager> {
        self.transactions.as_ref()
    }

    /// The batches that are not done.
    pub fn accumulator(&self) -> &RecordAccumulator {
        &self.accumulator
    }
}
