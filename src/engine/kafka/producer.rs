//! The producer, as an application sees it (`KafkaProducer`).

use super::config::{Acks, ProducerConfig};
use super::error::{Exception, ExceptionClass};
use super::event::{Call, Event};
use super::message::{GroupMetadata, OffsetEntry};
use super::network::Purpose;
use super::network_client::{NetworkClient, NetworkConfig};
use super::out::{CallId, NodeEvent, Out, Timer};
use super::record::Batch;
use super::record_accumulator::{BatchId, RecordAccumulator};
use super::transaction_manager::TransactionManager;
use super::types::*;
use crate::engine::script::{ClientConfig, Setup};
use crate::engine::sim::arena::List;
use crate::engine::sim::time::{Span, Time};

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

/// What a request in flight was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    /// Batches: a place in `Producer::flights`.
    Produce(u32),
    /// A request of the transaction manager.
    Transactional,
}

/// `close()` is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub call_id: CallId,
    pub deadline: Time,
}

/// A flush waits for what was handed over before it.
#[derive(Clone, Debug)]
struct Flush {
    call_id: CallId,
    batches: Vec<BatchId>,
}

/// A producer instance.
#[derive(Clone, Debug)]
pub struct Producer {
    pub(super) acks: Acks,
    pub(super) retries: u32,
    pub(super) request_timeout: Span,
    pub(super) max_request_size: u32,
    /// One request in flight: a partition waits for its batch's answer before the next goes out.
    pub(super) keeps_order: bool,
    pub(super) partitions: usize,
    pub(super) network: NetworkClient<Flight>,
    pub(super) accumulator: RecordAccumulator,
    pub(super) transactions: Option<TransactionManager>,
    /// The batches of each request in flight; empty places are free.
    pub(super) flights: Vec<Vec<BatchId>>,
    pub(super) wire: Vec<Batch>,
    pub(super) unsettled: usize,
    pub(super) wakes_at: Time,
    pub(super) sleeping_until: Time,
    pub(super) slept: bool,
    pub(super) closing: Option<Closing>,
    flushes: Vec<Flush>,
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

    fn with_config(config: &ProducerConfig, setup: &Setup) -> Producer {
        let partitions = setup
            .topics
            .iter()
            .map(|topic| usize::from(topic.first_partition.0) + usize::from(topic.config.partitions))
            .max()
            .unwrap_or(0);
        let network = NetworkConfig {
            request_timeout: config.request_timeout,
            max_in_flight: config.max_in_flight_requests_per_connection,
            reconnect_backoff: config.reconnect_backoff,
            reconnect_backoff_max: config.reconnect_backoff_max,
            retry_backoff: config.retry_backoff,
            metadata_max_age: config.metadata_max_age,
        };
        Producer {
            acks: config.acks,
            retries: config.retries,
            request_timeout: config.request_timeout,
            max_request_size: config.max_request_size,
            keeps_order: config.max_in_flight_requests_per_connection == 1,
            partitions,
            network: NetworkClient::new(network, Purpose::Client, usize::from(setup.brokers), partitions),
            accumulator: RecordAccumulator::new(config, partitions),
            transactions: config
                .enable_idempotence
                .then(|| TransactionManager::new(config, setup, partitions)),
            flights: Vec::new(),
            wire: Vec::new(),
            unsettled: 0,
            wakes_at: Time::ZERO,
            sleeping_until: Time::ZERO,
            slept: false,
            closing: None,
            flushes: Vec::new(),
            closed: false,
        }
    }

    /// The client's threads start.
    pub fn start(&mut self, out: &mut Out) {
        self.wake(out);
    }

    /// The network thread turns to what is new.
    fn wake(&mut self, out: &mut Out) {
        if self.wakes_at != out.now() || out.now() == Time::ZERO {
            self.wakes_at = out.now();
            out.timer(out.now(), Timer::Wake);
        }
    }

    /// An event on one of its connections, or its clock.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) {
        if self.closed {
            return;
        }
        if let NodeEvent::Timer(Timer::Wake) = event {
            if self.wakes_at <= out.now() {
                self.wakes_at = Time::ZERO;
            }
        } else if !self.network.on_event(event, out) {
            return;
        }
        self.run_sender(out);
    }

    /// Hands a record over (`send()`): it goes out when the network thread runs.
    ///
    /// # Errors
    /// What `send()` throws.
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
        if bytes > self.max_request_size {
            let exception = Exception::new(ExceptionClass::RecordTooLargeException);
            out.emit(Event::RecordSent { record, partition });
            if let Some(manager) = &mut self.transactions {
                manager.on_batch_exception(exception, out);
            }
            out.emit(Event::RecordFailed { record, partition, exception });
            return Ok(());
        }
        if let Some(manager) = &mut self.transactions
            && let Err(exception) = manager.maybe_add_partition(partition)
        {
            // API exceptions come through the future, all others are thrown (`doSend`).
            use ExceptionClass::{InvalidProducerEpochException, ProducerFencedException};
            if !matches!(exception.class, InvalidProducerEpochException | ProducerFencedException) {
                return Err(exception);
            }
            out.emit(Event::RecordSent { record, partition });
            out.emit(Event::RecordFailed { record, partition, exception });
            return Ok(());
        }
        let transactional = self.transactions.as_ref().is_some_and(|manager| manager.is_transactional());
        self.accumulator.append(record, partition, bytes, transactional, out.now());
        self.unsettled += 1;
        out.emit(Event::RecordSent { record, partition });
        self.wake(out);
        Ok(())
    }

    /// Makes a call; its end is told by [`Out::complete`].
    pub fn call(&mut self, call_id: CallId, call: ProducerCall, out: &mut Out) {
        let kind = match call {
            ProducerCall::Init => Call::Init,
            ProducerCall::Begin => Call::Begin,
            ProducerCall::Commit => Call::CommitTransaction,
            ProducerCall::Abort => Call::AbortTransaction,
            ProducerCall::Flush => Call::Flush,
            ProducerCall::SendOffsets { .. } => Call::SendOffsets,
            ProducerCall::Close { .. } => Call::Close,
        };
        out.emit(Event::CallBegan { call: kind });
        match call {
            ProducerCall::Flush => {
                self.accumulator.flushing = true;
                self.flushes.push(Flush { call_id, batches: self.accumulator.incomplete().collect() });
            }
            ProducerCall::Close { timeout } => {
                self.closing = Some(Closing { call_id, deadline: out.now() + timeout });
                if let Some(manager) = &mut self.transactions {
                    manager.begin_abort_on_close(out);
                }
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
                    Some(manager) => manager.call(call_id, kind, offsets, out),
                    None => Some(Some(Exception::new(ExceptionClass::IllegalStateException))),
                };
                if let Some(exception) = result {
                    out.complete(call_id, kind, exception);
                }
            }
        }
        self.wake(out);
    }

    pub(super) fn finish_flushes(&mut self, out: &mut Out) {
        let mut index = 0;
        while index < self.flushes.len() {
            let waits = self.flushes[index].batches.iter().any(|id| self.accumulator.get(*id).is_some());
            if waits {
                index += 1;
            } else {
                let flush = self.flushes.remove(index);
                out.complete(flush.call_id, Call::Flush, None);
            }
        }
        self.accumulator.flushing = !self.flushes.is_empty();
    }

    pub(super) fn go_on_closing(&mut self, out: &mut Out) {
        let Some(Closing { call_id, deadline }) = self.closing else { return };
        let busy = self.accumulator.has_incomplete()
            || self.transactions.as_ref().is_some_and(|manager| manager.has_requests());
        if busy && out.now() < deadline {
            return;
        }
        self.closing = None;
        self.close_now(out);
        out.complete(call_id, Call::Close, None);
    }

    /// Ends at once: what is not done fails (`close(Duration.ZERO)`).
    pub fn close_now(&mut self, out: &mut Out) {
        self.abort_batches(Exception::new(ExceptionClass::KafkaException), false, out);
        self.network.close(out);
        self.closed = true;
        out.emit(Event::ClientClosed);
    }

    /// Records without an answer.
    pub fn unsettled(&self) -> usize {
        self.unsettled
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
