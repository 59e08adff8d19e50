//! The producer's network thread (`Sender.runOnce`; kafka-semantics 1.3, 1.4).

use super::config::Acks;
use super::error::{ErrorCode, Exception, ExceptionClass};
use super::event::Event;
use super::message::{Request, Response};
use super::network_client::ClientResponse;
use super::out::{Out, Timer};
use super::producer::{Closing, Flight, Producer};
use super::record::{Batch, BatchKind, Payload};
use super::record_accumulator::{BatchId, Readiness};
use super::transaction_manager::Target;
use super::types::*;
use crate::engine::sim::time::{Span, Time};

impl Producer {
    /// Runs the network thread until it has nothing to do, and sets the clock for when it will.
    pub(super) fn run_sender(&mut self, out: &mut Out) {
        self.network.expire(out);
        self.handle_responses(out);
        let mut next = Time::NEVER;
        if self.sleeping_until > out.now() {
            next = self.sleeping_until;
        } else {
            // Each turn of the loop may make room for the next.
            for _ in 0..TURNS_MAX {
                next = Time::NEVER;
                if !self.run_once(&mut next, out) {
                    break;
                }
            }
        }
        self.finish_calls(out);
        self.network.maybe_update_metadata(out);
        next = next
            .min(self.network.next_deadline())
            .min(self.accumulator.next_expiry())
            .min(self.calls_deadline());
        self.wake_at(next, out);
    }

    /// One turn of the loop; whether it did something that the next turn may build on.
    fn run_once(&mut self, next: &mut Time, out: &mut Out) -> bool {
        if let Some(manager) = &mut self.transactions {
            manager.resolve_sequences(out);
            if manager.has_fatal_error() {
                let error = manager.last_error().unwrap_or(Exception::new(ExceptionClass::KafkaException));
                self.abort_batches(error, false, out);
                return false;
            }
            manager.bump_and_reset_if_needed(&mut self.accumulator, out);
            if let Some(done_something) = self.run_transactional_request(next, out) {
                return done_something;
            }
        }
        self.send_producer_data(next, out)
    }

    /// Sends one request of the transaction manager. None: there is none, batches may go
    /// (`maybeSendAndPollTransactionalRequest`).
    fn run_transactional_request(&mut self, next: &mut Time, out: &mut Out) -> Option<bool> {
        let manager = self.transactions.as_mut()?;
        if manager.has_request_in_flight() {
            return Some(false);
        }
        if (manager.has_abortable_error() || manager.is_aborting()) && self.accumulator.has_incomplete() {
            let error = match manager.last_error() {
                Some(error) if manager.has_abortable_error() => error,
                _ => Exception::new(ExceptionClass::TransactionAbortedException),
            };
            self.abort_batches(error, true, out);
        }
        let manager = self.transactions.as_mut()?;
        let (request, retry) = manager.next_request(self.accumulator.has_incomplete(), out)?;
        let broker = match manager.target(request) {
            Target::Unknown(key) => {
                manager.look_up(key);
                manager.put_back(request, retry);
                return Some(true);
            }
            Target::Broker(broker) => Some(broker),
            Target::Anyone => self.network.least_loaded(out),
        };
        let manager = self.transactions.as_mut()?;
        let ready = broker.is_some_and(|broker| self.network.ready(broker, out));
        let Some(broker) = broker.filter(|_| ready) else {
            // The thread waits for the connection; if it can't be had, the coordinator is looked for again.
            let unreachable = broker.is_some_and(|broker| self.network.retry_at(broker).is_some());
            if let (true, Target::Broker(_), Some(key)) =
                (unreachable, manager.target(request), manager.key_of(request))
            {
                manager.look_up(key);
            }
            manager.put_back(request, retry);
            *next = (*next).min(self.network.next_reconnect().max(out.now() + Span::millis(1)));
            return Some(false);
        };
        if retry && !self.slept {
            // The thread sleeps before it repeats a request, and does nothing else meanwhile.
            let backoff = manager.retry_backoff(request);
            manager.put_back(request, retry);
            self.slept = true;
            self.sleeping_until = out.now() + backoff;
            *next = (*next).min(self.sleeping_until);
            return Some(false);
        }
        self.slept = false;
        let built = manager.build(request, retry);
        self.network.send(broker, built, Flight::Transactional, out);
        Some(false)
    }

    /// Drains batches and sends them (`sendProducerData`).
    fn send_producer_data(&mut self, next: &mut Time, out: &mut Out) -> bool {
        self.accumulator.hurrying = self.closing.is_some()
            || self.transactions.as_ref().is_some_and(|manager| manager.is_completing());
        let mut sent = false;
        let mut unknown_leader = false;
        let mut wanted = BrokerSet::EMPTY;
        for partition in (0..self.partitions).map(|index| PartitionId(index as u8)) {
            let known = self.network.leader(partition);
            match self.accumulator.readiness(partition, known.leader_epoch, out) {
                Readiness::Not => {}
                Readiness::At(at) => *next = (*next).min(at),
                Readiness::Ready => match known.leader {
                    Some(leader) => wanted.insert(leader),
                    None => unknown_leader = true,
                },
            }
        }
        if unknown_leader {
            self.network.request_update();
        }
        for broker in wanted.iter() {
            if self.network.ready(broker, out) {
                sent |= self.drain(broker, out);
            } else if let Some(retry_at) = self.network.retry_at(broker) {
                *next = (*next).min(retry_at);
            }
        }
        while let Some(id) = self.accumulator.next_expired(out.now()) {
            self.expire_batch(id, out);
        }
        sent
    }

    /// Takes at most one batch of each of a broker's partitions and sends them in one request.
    fn drain(&mut self, broker: BrokerId, out: &mut Out) -> bool {
        let slot = self.flights.iter().position(Vec::is_empty).unwrap_or_else(|| {
            self.flights.push(Vec::new());
            self.flights.len() - 1
        });
        let mut flight = std::mem::take(&mut self.flights[slot]);
        let mut bytes = 0;
        for partition in (0..self.partitions).map(|index| PartitionId(index as u8)) {
            let known = self.network.leader(partition);
            if known.leader != Some(broker)
                || self.accumulator.readiness(partition, known.leader_epoch, out) != Readiness::Ready
            {
                continue;
            }
            let Some(head) = self.accumulator.queue(partition).front().copied() else { continue };
            let size = self.accumulator.get(head).map_or(0, |batch| batch.bytes);
            if !flight.is_empty() && bytes + size > self.max_request_size {
                break;
            }
            if let Some(manager) = &self.transactions
                && manager.stops_drain(partition, head, &self.accumulator)
            {
                continue;
            }
            bytes += size;
            self.accumulator.take_head(partition);
            if let Some(manager) = &mut self.transactions {
                manager.assign_sequence(head, &mut self.accumulator);
            }
            if self.keeps_order {
                self.accumulator.mute(partition, true);
            }
            if let Some(batch) = self.accumulator.get_mut(head) {
                batch.attempt_leader_epoch = known.leader_epoch;
            }
            flight.push(head);
        }
        if flight.is_empty() {
            self.flights[slot] = flight;
            return false;
        }
        self.send_flight(broker, slot, flight, out);
        true
    }

    fn send_flight(&mut self, broker: BrokerId, slot: usize, flight: Vec<BatchId>, out: &mut Out) {
        let transactional_id = self.transactions.as_ref().and_then(|manager| manager.transactional_id());
        let transaction_version =
            self.transactions.as_ref().map_or(0, |manager| manager.transaction_version());
        self.wire.clear();
        for id in &flight {
            let Some(batch) = self.accumulator.get(*id) else { continue };
            let records =
                out.arenas().payloads.list(batch.records.iter().map(|record| Payload::Record(*record)));
            self.wire.push(Batch {
                partition: batch.partition,
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
        let request = Request::Produce {
            acks: self.acks,
            timeout: self.request_timeout,
            transactional_id,
            transaction_version,
            batches,
        };
        if self.acks == Acks::None {
            // Done as soon as the bytes are written; where they end up, nobody will say.
            self.network.send_without_answer(broker, request, out);
            for id in &flight {
                self.acknowledge(*id, -1, out);
            }
            let mut flight = flight;
            flight.clear();
            self.flights[slot] = flight;
        } else {
            self.flights[slot] = flight;
            self.network.send(broker, request, Flight::Produce(slot as u32), out);
        }
    }

    /// Answers and failures that have come, in order.
    pub(super) fn handle_responses(&mut self, out: &mut Out) {
        while let Some(ClientResponse { context, result, .. }) = self.network.next_completed() {
            match context {
                Flight::Transactional => {
                    if let Some(manager) = &mut self.transactions {
                        manager.on_response(result, out);
                    }
                }
                Flight::Produce(slot) => self.on_produced(slot as usize, result, out),
            }
        }
    }

    fn on_produced(&mut self, slot: usize, result: Result<Response, ErrorCode>, out: &mut Out) {
        let mut flight = std::mem::take(&mut self.flights[slot]);
        for id in &flight {
            let Some(partition) = self.accumulator.get(*id).map(|batch| batch.partition) else { continue };
            let (error, base_offset) = match result {
                Ok(Response::Produce { partitions }) => {
                    let produced = out
                        .arenas()
                        .produced
                        .get(partitions)
                        .iter()
                        .find(|produced| produced.partition == partition);
                    let Some(produced) = produced.copied() else { continue };
                    if self.network.learn_leader(partition, produced.current_leader) {
                        self.network.request_update();
                    }
                    (produced.error, produced.base_offset)
                }
                Ok(_) => unreachable!("a broker answers what it was asked"),
                Err(error) => (error, -1),
            };
            self.complete_batch(*id, error, base_offset, out);
            if self.keeps_order {
                self.accumulator.mute(partition, false);
            }
        }
        // A partition whose batch had expired meanwhile goes on as well.
        if self.keeps_order && flight.iter().any(|id| self.accumulator.get(*id).is_none()) {
            for partition in (0..self.partitions).map(|index| PartitionId(index as u8)) {
                self.accumulator.mute(partition, false);
            }
        }
        flight.clear();
        self.flights[slot] = flight;
    }

    /// One batch's attempt has ended (`completeBatch`).
    fn complete_batch(&mut self, id: BatchId, error: ErrorCode, base_offset: Offset, out: &mut Out) {
        let Some(batch) = self.accumulator.get(id) else { return };
        let (partition, attempts, count) = (batch.partition, batch.attempts, batch.records.len());
        if error == ErrorCode::None {
            return self.acknowledge(id, base_offset, out);
        }
        if error == ErrorCode::MessageTooLarge && count > 1 {
            if let Some(manager) = &mut self.transactions {
                manager.remove_in_flight(id, partition);
            }
            return self.accumulator.split(id);
        }
        if self.can_retry(id, error, attempts, out) {
            let first_record = self.accumulator.get(id).and_then(|batch| batch.records.first().copied());
            self.accumulator.put_back(id, out.now());
            let known = self.network.leader(partition);
            let at = self.accumulator.retry_at(id, known.leader_epoch, out);
            if let Some(first_record) = first_record {
                out.emit(Event::RetryScheduled { partition, first_record, attempt: attempts + 2, error, at });
            }
        } else if error == ErrorCode::DuplicateSequenceNumber {
            self.acknowledge(id, -1, out);
        } else {
            self.fail(id, error.into(), attempts < self.retries, out);
        }
        if error.is_invalid_metadata() {
            self.network.request_update();
        }
    }

    fn can_retry(&mut self, id: BatchId, error: ErrorCode, attempts: u32, out: &Out) -> bool {
        if !self.accumulator.in_time(id, out.now()) || attempts >= self.retries {
            return false;
        }
        match &mut self.transactions {
            Some(manager) => manager.can_retry(id, error, &self.accumulator),
            None => error.is_retriable(),
        }
    }

    fn acknowledge(&mut self, id: BatchId, base_offset: Offset, out: &mut Out) {
        if let Some(manager) = &mut self.transactions {
            manager.on_acknowledged(id, &self.accumulator);
        }
        let Some((partition, records)) = self.accumulator.done(id) else { return };
        self.unsettled -= records.len();
        for (place, record) in records.iter().enumerate() {
            let offset = if base_offset < 0 { -1 } else { base_offset + place as Offset };
            out.emit(Event::RecordAcknowledged { record: *record, partition, offset });
        }
        self.accumulator.recycle(records);
    }

    pub(super) fn fail(&mut self, id: BatchId, exception: Exception, definite: bool, out: &mut Out) {
        if let Some(manager) = &mut self.transactions {
            manager.on_failed(id, exception, definite, &mut self.accumulator, out);
        }
        let Some((partition, records)) = self.accumulator.done(id) else { return };
        self.unsettled -= records.len();
        for record in &records {
            out.emit(Event::RecordFailed { record: *record, partition, exception });
        }
        self.accumulator.recycle(records);
    }

    fn expire_batch(&mut self, id: BatchId, out: &mut Out) {
        let Some(batch) = self.accumulator.get(id) else { return };
        let (partition, in_retry, sequenced) = (batch.partition, batch.in_retry, batch.has_sequence());
        let (last_sequence, attempts) = (batch.last_sequence_or_none(), batch.attempts);
        if let Some(first_record) = batch.records.first().copied() {
            out.emit(Event::BatchExpired { partition, first_record, attempts });
        }
        self.fail(id, Exception::new(ExceptionClass::TimeoutException), false, out);
        if let Some(manager) = &mut self.transactions
            && in_retry
            && sequenced
        {
            manager.mark_unresolved(partition, last_sequence);
        }
    }

    /// Fails batches: all of them, or those that never got a sequence.
    pub(super) fn abort_batches(&mut self, exception: Exception, only_undrained: bool, out: &mut Out) {
        loop {
            let next = self.accumulator.incomplete().find(|id| {
                !only_undrained
                    || self.accumulator.get(*id).is_some_and(|batch| batch.queued && !batch.has_sequence())
            });
            let Some(id) = next else { return };
            let Some((partition, records)) = self.accumulator.done(id) else { return };
            if let Some(manager) = &mut self.transactions {
                manager.remove_in_flight(id, partition);
            }
            self.unsettled -= records.len();
            for record in &records {
                out.emit(Event::RecordFailed { record: *record, partition, exception });
            }
            self.accumulator.recycle(records);
        }
    }

    /// Tells calls that wait how they ended.
    fn finish_calls(&mut self, out: &mut Out) {
        if let Some(manager) = &mut self.transactions {
            while let Some((call_id, call, exception)) = manager.take_result(out.now()) {
                out.complete(call_id, call, exception);
            }
        }
        self.finish_flushes(out);
        self.go_on_closing(out);
    }

    fn calls_deadline(&self) -> Time {
        let call = self.transactions.as_ref().map_or(Time::NEVER, |manager| manager.call_deadline());
        let closing = self.closing.map_or(Time::NEVER, |Closing { deadline, .. }| deadline);
        call.min(closing)
    }

    /// Sets the clock, unless it is set for then or earlier.
    fn wake_at(&mut self, at: Time, out: &mut Out) {
        if at == Time::NEVER {
            return;
        }
        let at = at.max(out.now());
        if self.wakes_at > out.now() && self.wakes_at <= at {
            return;
        }
        self.wakes_at = at;
        out.timer(at, Timer::Wake);
    }
}

/// A turn of the loop sends at most one request to each broker; more turns than requests may be in flight
/// are never needed.
const TURNS_MAX: u32 = 64;
