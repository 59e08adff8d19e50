//! The producer's network thread: what it does in one turn of its loop, and what becomes of batches
//! (`Sender.runOnce`; kafka-semantics 1.3, 1.4).
//!
//! The thread does one thing at a time: while it waits for a coordinator's connection, sleeps before it repeats a
//! transactional request, or waits for the answer to one, it drains no batches.

use super::config::Acks;
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::Event;
use super::message::{Request, Response};
use super::network_client::ClientResponse;
use super::out::{Out, Timer};
use super::producer::{Flight, Producer};
use super::record::{Batch, BatchKind, Payload};
use super::record_accumulator::{BatchId, Readiness};
use super::transaction_manager::TransactionManager;
use super::transactional_request::{Queued, Target, TransactionalRequest};
use super::types::*;
use crate::engine::sim::time::Time;

/// What keeps the network thread from its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    /// It waits for a connection (`NetworkClientUtils.awaitReady`).
    AwaitingConnection { queued: Queued, broker: BrokerId, deadline: Time },
    /// It sleeps before it sends a request again.
    Sleeping { request: TransactionalRequest, broker: BrokerId, until: Time },
    /// It sleeps because nobody can be asked.
    Pausing { until: Time },
}

/// What the transactional part of a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing to do there: batches may go.
    GoOn,
    /// The next turn can do more.
    Again,
    /// The thread waits: for an event, or for this instant.
    Wait(Time),
}

impl Producer {
    /// Runs the network thread until it has nothing to do, and sets the clock for when it will.
    pub(super) fn run_sender(&mut self, out: &mut Out) {
        self.network.expire(out);
        self.handle_responses(out);
        let deadline = loop {
            let mut deadline = Time::NEVER;
            let admitted = self.admit_waiting(out);
            let again = self.run_once(&mut deadline, out);
            let asked_for_metadata = self.network.maybe_update_metadata(out);
            self.finish_calls(out);
            if self.is_closed() {
                return;
            }
            if !admitted && !again && !asked_for_metadata {
                break deadline;
            }
        };
        let mut deadline = deadline.min(self.network.next_deadline()).min(self.calls_deadline());
        // `NetworkClient.poll` never sleeps longer than `request.timeout.ms`.
        let waits = |manager: &TransactionManager| {
            manager.has_pending_requests() || !manager.sequences.unresolved().is_empty()
        };
        if self.transactions.as_ref().is_some_and(waits) {
            deadline = deadline.min(out.now() + self.request_timeout);
        }
        self.wake_at(deadline, out);
    }

    /// One turn of the loop. Returns whether the next turn may do more at once.
    fn run_once(&mut self, deadline: &mut Time, out: &mut Out) -> bool {
        if let Some(manager) = &mut self.transactions {
            if self.blocked.is_none() {
                manager.maybe_resolve_sequences(out);
                if manager.has_fatal_error() {
                    let error =
                        manager.last_error().unwrap_or(Exception::new(ExceptionClass::KafkaException));
                    self.abort_batches(error, false, out);
                    return false;
                }
                manager.bump_idempotent_epoch_if_needed(&mut self.accumulator, out);
            }
            match self.run_transactional_request(out) {
                Turn::GoOn => {}
                Turn::Again => return true,
                Turn::Wait(until) => {
                    *deadline = until;
                    return false;
                }
            }
        }
        self.send_producer_data(deadline, out)
    }

    /// `maybeSendAndPollTransactionalRequest`
    fn run_transactional_request(&mut self, out: &mut Out) -> Turn {
        let now = out.now();
        match self.blocked {
            None => {}
            Some(Blocked::AwaitingConnection { queued, broker, deadline }) => {
                return self.await_connection(queued, broker, deadline, out);
            }
            Some(Blocked::Sleeping { until, .. } | Blocked::Pausing { until }) if now < until => {
                return Turn::Wait(until);
            }
            Some(Blocked::Sleeping { request, broker, .. }) => {
                self.blocked = None;
                return self.send_transactional(request, broker, out);
            }
            Some(Blocked::Pausing { .. }) => self.blocked = None,
        }
        let Some(manager) = &mut self.transactions else { return Turn::GoOn };
        if manager.has_request_in_flight() {
            return Turn::Wait(Time::NEVER);
        }
        if (manager.has_abortable_error() || manager.is_aborting()) && self.accumulator.has_incomplete() {
            let aborted = Exception::new(ExceptionClass::TransactionAbortedException);
            let error = manager.last_error().unwrap_or(aborted);
            self.abort_batches(error, true, out);
        }
        let Some(manager) = &mut self.transactions else { return Turn::GoOn };
        if manager.is_completing() {
            // Nobody ends this flush: from the first transaction on, batches do not linger.
            self.flushes_by_completion = true;
        }
        let Some(queued) = manager.next_request(self.accumulator.has_incomplete(), out) else {
            return Turn::GoOn;
        };
        let broker = match manager.target(queued.request) {
            Target::Coordinator(broker) => Some(broker),
            Target::Anyone => self.network.least_loaded(out),
            Target::Unknown => {
                manager.look_up_coordinator(queued.request);
                manager.retry(queued.request);
                return Turn::Again;
            }
        };
        match broker {
            Some(broker) => self.await_connection(queued, broker, now + self.request_timeout, out),
            None => self.pause(queued.request, out),
        }
    }

    /// Nobody can be asked: tries again after `retry.backoff.ms`.
    fn pause(&mut self, request: TransactionalRequest, out: &mut Out) -> Turn {
        let Some(manager) = &mut self.transactions else { return Turn::GoOn };
        let until = out.now() + manager.retry_backoff(request);
        manager.retry(request);
        self.blocked = Some(Blocked::Pausing { until });
        Turn::Wait(until)
    }

    /// Sends a request once its connection is there; sleeps first if it was tried before.
    fn await_connection(&mut self, queued: Queued, broker: BrokerId, deadline: Time, out: &mut Out) -> Turn {
        let Some(manager) = &mut self.transactions else { return Turn::GoOn };
        self.blocked = None;
        if !self.network.ready(broker, out) {
            if self.network.retry_at(broker).is_none() && out.now() < deadline {
                self.blocked = Some(Blocked::AwaitingConnection { queued, broker, deadline });
                return Turn::Wait(deadline);
            }
            // The connection failed (`maybeFindCoordinatorAndRetry`). Kafka asks for the coordinator again and again,
            // as fast as answers come, until the connection may be tried again; here it pauses in between.
            if manager.coordinator_key(queued.request).is_some() {
                manager.look_up_coordinator(queued.request);
            } else {
                self.network.request_update();
            }
            return self.pause(queued.request, out);
        }
        if queued.retry {
            let until = out.now() + manager.retry_backoff(queued.request);
            self.blocked = Some(Blocked::Sleeping { request: queued.request, broker, until });
            return Turn::Wait(until);
        }
        self.send_transactional(queued.request, broker, out)
    }

    fn send_transactional(&mut self, request: TransactionalRequest, broker: BrokerId, out: &mut Out) -> Turn {
        let Some(manager) = &mut self.transactions else { return Turn::GoOn };
        // The connection may have ended while the thread slept.
        if !self.network.is_ready(broker, out.now()) {
            let queued = Queued { request, retry: false };
            return self.await_connection(queued, broker, out.now() + self.request_timeout, out);
        }
        let request = manager.send(request);
        self.network.send(broker, request, Flight::Transactional, out);
        Turn::Wait(Time::NEVER)
    }

    /// `sendProducerData`: which brokers can be sent to, drain, expire, send. Returns whether something was sent.
    fn send_producer_data(&mut self, deadline: &mut Time, out: &mut Out) -> bool {
        self.accumulator.hurrying = self.is_hurrying();
        let mut ready = BrokerSet::EMPTY;
        for partition in self.accumulator.nonempty().iter() {
            let known = self.network.leader(partition);
            let Some(leader) = known.leader else {
                self.network.request_update();
                continue;
            };
            match self.accumulator.readiness(partition, known.leader_epoch, out) {
                Readiness::Ready => ready.insert(leader),
                Readiness::At(at) => *deadline = (*deadline).min(at),
                Readiness::Not => {}
            }
        }
        let mut sendable = BrokerSet::EMPTY;
        for broker in ready.iter() {
            if self.network.ready(broker, out) {
                sendable.insert(broker);
            } else if let Some(at) = self.network.retry_at(broker) {
                *deadline = (*deadline).min(at);
            }
        }
        self.drained.clear();
        for broker in sendable.iter() {
            self.drain(broker, out);
        }
        self.expire_batches(out);
        *deadline = (*deadline).min(self.accumulator.next_expiry());
        for index in 0..self.drained.len() {
            let (broker, slot) = self.drained[index];
            self.send_produce_request(broker, slot, out);
        }
        !self.drained.is_empty()
    }

    /// Takes at most one batch of each of a broker's partitions, in turn from where the last drain stopped
    /// (`drainBatchesForOneNode`).
    fn drain(&mut self, broker: BrokerId, out: &mut Out) {
        let slot = self.flights.iter().position(Vec::is_empty).unwrap_or_else(|| {
            self.flights.push(Vec::new());
            self.flights.len() - 1
        });
        let mut flight = std::mem::take(&mut self.flights[slot]);
        let mut bytes = 0;
        let nonempty = self.accumulator.nonempty();
        let start = self.drain_from[broker.index()];
        let from_start = nonempty.iter().filter(|partition| *partition >= start);
        let before_start = nonempty.iter().filter(|partition| *partition < start);
        for partition in from_start.chain(before_start) {
            let known = self.network.leader(partition);
            if known.leader != Some(broker) {
                continue;
            }
            self.drain_from[broker.index()] = partition;
            if !self.accumulator.is_drainable(partition, known.leader_epoch, out) {
                continue;
            }
            let Some(head) = self.accumulator.queue(partition).front().copied() else { continue };
            let size = self.accumulator.get(head).map_or(0, |batch| batch.bytes);
            if bytes + size > self.max_request_size && !flight.is_empty() {
                break;
            }
            // Kafka stops here for the broker's other partitions too.
            let manager = self.transactions.as_ref();
            if manager.is_some_and(|manager| manager.stops_drain(partition, head, &self.accumulator)) {
                break;
            }
            bytes += size;
            self.accumulator.take_head(partition, known.leader_epoch);
            if let Some(manager) = &mut self.transactions {
                manager.on_drained(head, &mut self.accumulator);
            }
            if self.guarantees_order {
                self.accumulator.mute(partition);
            }
            flight.push((head, partition));
        }
        if !flight.is_empty() {
            self.drained.push((broker, slot));
        }
        self.flights[slot] = flight;
    }

    fn send_produce_request(&mut self, broker: BrokerId, slot: usize, out: &mut Out) {
        let manager = self.transactions.as_ref();
        let transactional_id = manager.and_then(|manager| manager.transactional_id());
        let transaction_version = manager.map_or(0, |manager| manager.transaction_version());
        let mut cause = None;
        self.wire.clear();
        for (id, partition) in &self.flights[slot] {
            let batch = self.accumulator.get(*id).expect("it is in flight");
            let payloads = batch.records.iter().map(|record| Payload::Record(record.record));
            let records = out.arenas().payloads.list(payloads);
            cause = cause.or(batch.cause);
            self.wire.push(Batch {
                partition: *partition,
                base_offset: -1,
                leader_epoch: -1,
                producer_id: batch.producer_id,
                producer_epoch: batch.producer_epoch,
                base_sequence: batch.base_sequence,
                kind: if batch.transactional { BatchKind::Transactional } else { BatchKind::Plain },
                records,
                bytes: batch.bytes,
            });
        }
        let batches = out.arenas().batches.list(self.wire.iter().copied());
        let (acks, timeout) = (self.acks, self.request_timeout);
        let request = Request::Produce { acks, timeout, transactional_id, transaction_version, batches };
        let caused = out.cause;
        out.cause = cause.or(caused);
        if acks == Acks::None {
            // Done as soon as the bytes are written; what becomes of them, nobody will say.
            self.network.send_without_answer(broker, request, out);
            out.cause = caused;
            self.on_produced(slot, None, out);
        } else {
            self.network.send(broker, request, Flight::Produce(slot as u32), out);
            out.cause = caused;
        }
    }

    /// Handles the requests that have ended, in order.
    pub(super) fn handle_responses(&mut self, out: &mut Out) {
        while let Some(ClientResponse { context, result, .. }) = self.network.next_completed() {
            match context {
                Flight::Transactional => {
                    if let Some(manager) = &mut self.transactions {
                        manager.on_response(result, out);
                    }
                }
                Flight::Produce(slot) => self.on_produced(slot as usize, Some(result), out),
            }
        }
    }

    /// A Produce request has ended (`handleProduceResponse`): with an answer, with its connection, or (none) as soon
    /// as it was written.
    fn on_produced(&mut self, slot: usize, result: Option<Result<Response, ErrorCode>>, out: &mut Out) {
        let mut flight = std::mem::take(&mut self.flights[slot]);
        for (id, partition) in flight.drain(..) {
            let (error, base_offset) = match result {
                None => (ErrorCode::None, -1),
                Some(Err(error)) => (error, -1),
                Some(Ok(Response::Produce { partitions })) => {
                    let produced = out.stage.arenas.produced.get(partitions);
                    match produced.iter().find(|produced| produced.partition == partition).copied() {
                        Some(produced) => {
                            self.network.learn_leader(partition, produced.current_leader);
                            (produced.error, produced.base_offset)
                        }
                        None => (ErrorCode::UnknownServerError, -1),
                    }
                }
                Some(Ok(_)) => unreachable!("a broker answers what it was asked"),
            };
            self.complete_batch(id, error, base_offset, out);
            self.accumulator.landed(id);
            if self.guarantees_order {
                self.accumulator.unmute(partition);
            }
        }
        self.flights[slot] = flight;
    }

    /// A batch's attempt has ended (`completeBatch`).
    fn complete_batch(&mut self, id: BatchId, error: ErrorCode, base_offset: Offset, out: &mut Out) {
        let batch = self.accumulator.get(id).expect("it was in flight");
        let (done, attempts, count) = (batch.done, batch.attempts, batch.count());
        if error == ErrorCode::None || error == ErrorCode::DuplicateSequenceNumber {
            let offset = if error == ErrorCode::None { base_offset } else { -1 };
            if let Some(manager) = &mut self.transactions {
                manager.on_completed(id, &self.accumulator);
            }
            self.acknowledge(id, offset, out);
        } else if error == ErrorCode::MessageTooLarge && count > 1 && !done {
            self.split(id, out.now());
        } else if self.can_retry(id, error, out) {
            self.retry(id, error, out);
        } else {
            // With retries left the answer is definite: the batch is not in the log.
            self.fail_batch(id, error.into(), attempts < self.retries, out);
        }
        if error.is_invalid_metadata() {
            self.network.request_update();
        }
    }

    fn can_retry(&mut self, id: BatchId, error: ErrorCode, out: &Out) -> bool {
        let batch = self.accumulator.get(id).expect("it was in flight");
        if self.accumulator.has_reached_delivery_timeout(batch, out.now())
            || batch.attempts >= self.retries
            || batch.done
        {
            return false;
        }
        match &mut self.transactions {
            Some(manager) => manager.can_retry(id, error, &self.accumulator),
            None => error.is_retriable(),
        }
    }

    fn retry(&mut self, id: BatchId, error: ErrorCode, out: &mut Out) {
        self.accumulator.reenqueue(id, out.now());
        let batch = self.accumulator.get(id).expect("it was just queued");
        let (partition, attempt) = (batch.partition, batch.attempts + 1);
        let first_record = self.first_awaited(&batch.records);
        let at = self.accumulator.retry_at(id, self.network.leader(partition).leader_epoch, out);
        let entry = out.emit(Event::RetryScheduled { partition, first_record, attempt, error, at });
        self.accumulator.get_mut(id).expect("it was just queued").cause = entry;
    }

    fn split(&mut self, id: BatchId, now: Time) {
        let mut parts = std::mem::take(&mut self.found);
        let partition = self.accumulator.get(id).expect("it was in flight").partition;
        if let Some(manager) = &mut self.transactions {
            manager.sequences.remove(id, partition);
        }
        self.accumulator.split(id, &mut parts, now);
        if let Some(manager) = &mut self.transactions {
            for part in &parts {
                manager.sequences.track(*part, &self.accumulator);
            }
        }
        self.flushes_wait_for_parts(id, &parts);
        self.found = parts;
    }

    fn acknowledge(&mut self, id: BatchId, base_offset: Offset, out: &mut Out) {
        let batch = self.accumulator.get(id).expect("it was in flight");
        if batch.done {
            return;
        }
        let partition = batch.partition;
        for place in 0..batch.records.len() {
            let record = self.accumulator.get(id).expect("it was in flight").records[place].record;
            let offset = if base_offset < 0 { -1 } else { base_offset + place as Offset };
            out.emit(Event::RecordAcknowledged { record, partition, offset });
            self.settle(record);
        }
        self.accumulator.complete(id);
    }

    /// Tells the batch's records that they failed. Returns whether they had no answer before.
    fn fail_records(&mut self, id: BatchId, exception: Exception, out: &mut Out) -> bool {
        let Some(batch) = self.accumulator.get(id).filter(|batch| !batch.done) else { return false };
        let (partition, count) = (batch.partition, batch.records.len());
        for place in 0..count {
            let record = self.accumulator.get(id).expect("seen above").records[place].record;
            out.emit(Event::RecordFailed { record, partition, exception });
            self.settle(record);
        }
        true
    }

    /// `failBatch`
    fn fail_batch(&mut self, id: BatchId, exception: Exception, adjust_sequences: bool, out: &mut Out) {
        if self.fail_records(id, exception, out) {
            if let Some(manager) = &mut self.transactions {
                manager.on_failed(id, exception, adjust_sequences, &mut self.accumulator, out);
            }
            self.accumulator.complete(id);
        }
    }

    /// Fails every batch that has passed `delivery.timeout.ms`, in flight or not. What follows from it waits for the
    /// next turn, and that for an event: an answer that comes first may still resolve the sequence.
    fn expire_batches(&mut self, out: &mut Out) {
        let mut expired = std::mem::take(&mut self.found);
        self.accumulator.collect_expired(out.now(), &mut expired);
        for id in &expired {
            let batch = self.accumulator.get(*id).expect("just found");
            let (partition, attempts, in_retry) = (batch.partition, batch.attempts, batch.in_retry);
            let (first_record, last_sequence) = (self.first_awaited(&batch.records), batch.last_sequence());
            let cause = out.cause;
            out.emit_as_cause(Event::BatchExpired { partition, first_record, attempts });
            self.fail_batch(*id, Exception::new(ExceptionClass::TimeoutException), false, out);
            out.cause = cause;
            // One that never was in flight a second time is not suspected of being in the log.
            if let Some(manager) = &mut self.transactions
                && in_retry
            {
                manager.sequences.mark_unresolved(partition, last_sequence);
            }
        }
        self.found = expired;
    }

    /// Fails all batches that are not done (`abortBatches`), or only those that have no sequence
    /// (`abortUndrainedBatches`).
    pub(super) fn abort_batches(&mut self, exception: Exception, only_undrained: bool, out: &mut Out) {
        let mut aborted = std::mem::take(&mut self.found);
        self.accumulator.collect_incomplete(&mut aborted, |batch| {
            !only_undrained || batch.queued && !batch.has_sequence()
        });
        for id in &aborted {
            self.fail_records(*id, exception, out);
            let partition = self.accumulator.get(*id).expect("just found").partition;
            if let Some(manager) = &mut self.transactions {
                manager.sequences.remove(*id, partition);
            }
            self.accumulator.complete(*id);
        }
        self.found = aborted;
    }

    /// Sets the clock, unless it is set for then or earlier.
    pub(super) fn wake_at(&mut self, at: Time, out: &mut Out) {
        if at == Time::NEVER {
            return;
        }
        let at = at.max(out.now());
        if self.alarms.iter().all(|alarm| *alarm > at) {
            self.alarms.push(at);
            out.timer(at, Timer::Wake);
        }
    }
}
