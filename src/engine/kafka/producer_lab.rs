//! A producer under test, with brokers that do what the test says.
//!
//! Connections, metadata, coordinators and producer ids are answered at once; Produce and the requests of
//! transactions wait for the test.

use super::config::ProducerConfig;
use super::error::{ErrorCode, Exception};
use super::event::{Call, Event};
use super::message::{ProducedPartition, Request, Response};
use super::network::RequestId;
use super::out::{CallId, NodeEvent, Out, Stage, Timer};
use super::producer::{Producer, ProducerCall};
use super::record::Batch;
use super::testing;
use super::types::*;
use crate::engine::script::Setup;
use crate::engine::sim::time::{Span, Time};

const ME: Node = Node::Client(ClientId(0));
/// Topic `t`, partition 0.
pub const P0: PartitionId = PartitionId::DEFAULT;

/// A request that waits for the test's answer.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub request_id: RequestId,
    pub request: Request,
}

/// See the module's description.
pub struct Lab {
    pub stage: Stage,
    pub producer: Producer,
    pub requests: Vec<Waiting>,
    /// Answers that wait for those before them on their connection.
    deferred: Vec<(RequestId, Response)>,
    /// How many trace entries were looked at.
    seen: usize,
    calls: u32,
}

impl Lab {
    /// A producer that has started, with one record a batch and no linger.
    pub fn new(config: ProducerConfig, setup: Setup) -> Lab {
        let config = ProducerConfig { batch_size: 0, linger: Span::ZERO, ..config };
        Lab::with(config, setup)
    }

    /// A producer that has started.
    pub fn with(config: ProducerConfig, setup: Setup) -> Lab {
        let producer = Producer::with_config(&config, &setup);
        let stage = testing::stage(setup);
        let mut lab = Lab { stage, producer, requests: Vec::new(), deferred: Vec::new(), seen: 0, calls: 0 };
        lab.act(|producer, out| producer.start(out));
        lab.settle();
        lab.pass(Span::millis(1));
        lab
    }

    pub fn act<R>(&mut self, f: impl FnOnce(&mut Producer, &mut Out) -> R) -> R {
        f(&mut self.producer, &mut self.stage.out(ME, None))
    }

    fn event(&mut self, event: NodeEvent) {
        self.act(|producer, out| producer.on_event(event, out));
        self.settle();
    }

    /// Lets the clock ring and answers what is answered at once, until nothing happens at this instant.
    pub fn settle(&mut self) {
        loop {
            let now = self.stage.now;
            if self.producer.alarms.iter().any(|alarm| *alarm <= now) {
                self.act(|producer, out| producer.on_event(NodeEvent::Timer(Timer::Wake), out));
                continue;
            }
            let Some(entry) = self.stage.trace.entries().get(self.seen).copied() else {
                if self.answer_deferred() {
                    continue;
                }
                return;
            };
            self.seen += 1;
            match entry.event {
                Event::ConnectionOpened { connection, .. } => {
                    self.act(|producer, out| producer.on_event(NodeEvent::Connected(connection), out));
                }
                Event::RequestSent { message, connection, to, request, .. } => {
                    self.on_request(RequestId { connection, message }, to, request);
                }
                _ => {}
            }
        }
    }

    fn on_request(&mut self, request_id: RequestId, to: Node, request: Request) {
        let Node::Broker(broker) = to else { unreachable!("clients ask brokers") };
        let response = match request {
            Request::Metadata => Response::Metadata { version: self.stage.arenas.images.len() as u64 - 1 },
            Request::FindCoordinator { .. } => {
                Response::FindCoordinator { error: ErrorCode::None, node: Some(broker) }
            }
            Request::InitProducerId { expected: None, .. } => {
                Response::InitProducerId { error: ErrorCode::None, producer_id: 7, producer_epoch: 0 }
            }
            _ => {
                self.requests.push(Waiting { request_id, request });
                return;
            }
        };
        self.deferred.push((request_id, response));
    }

    /// Gives the answers that nothing before them on their connection holds up.
    fn answer_deferred(&mut self) -> bool {
        let held = |connection, message| {
            let older = |waiting: &Waiting| {
                waiting.request_id.connection == connection && waiting.request_id.message < message
            };
            self.requests.iter().any(older)
        };
        let free = self.deferred.iter().position(|(id, _)| !held(id.connection, id.message));
        let Some(index) = free else { return false };
        let (request_id, response) = self.deferred.remove(index);
        self.act(|producer, out| producer.on_event(NodeEvent::Response { request_id, response }, out));
        true
    }

    /// A record to the other partition, acknowledged: there is a connection to B2.
    pub fn connect_second_broker(&mut self) {
        self.act(|producer, out| producer.send(RecordId(199), PartitionId(3), 100, out)).expect("no error");
        self.settle();
        self.produced(ErrorCode::None, 0);
    }

    /// Time passes; the clock rings when it is set for.
    pub fn pass(&mut self, span: Span) {
        let until = self.stage.now + span;
        loop {
            let next = self.producer.alarms.iter().copied().min().unwrap_or(Time::NEVER);
            if next > until {
                break;
            }
            self.stage.now = self.stage.now.max(next);
            self.settle();
        }
        self.stage.now = until;
        self.settle();
    }

    /// Hands records over, all at one instant.
    pub fn send(&mut self, records: std::ops::Range<u32>) {
        for record in records {
            self.act(|producer, out| producer.send(RecordId(record), P0, 100, out)).expect("send() throws");
        }
        self.settle();
    }

    /// Makes a call.
    pub fn call(&mut self, call: ProducerCall) {
        self.calls += 1;
        let id = CallId(self.calls);
        self.act(|producer, out| producer.call(id, call, out));
        self.settle();
    }

    /// Answers the Produce request that waits at a place.
    pub fn produced_nth(&mut self, index: usize, error: ErrorCode, base_offset: Offset) {
        let partition = self.batches()[index].partition;
        let produced = ProducedPartition { partition, error, base_offset, current_leader: None };
        let partitions = self.stage.arenas.produced.list([produced]);
        self.answer_nth(index, Response::Produce { partitions });
    }

    /// Calls that returned, in order, with what they threw.
    pub fn returned(&self) -> Vec<(Call, Option<Exception>)> {
        self.stage.completions.iter().map(|completion| (completion.call, completion.exception)).collect()
    }

    /// Answers the oldest request that waits.
    pub fn answer(&mut self, response: Response) {
        self.answer_nth(0, response);
    }

    pub fn answer_nth(&mut self, index: usize, response: Response) {
        let Waiting { request_id, .. } = self.requests.remove(index);
        self.event(NodeEvent::Response { request_id, response });
    }

    /// Answers the oldest Produce request that waits.
    pub fn produced(&mut self, error: ErrorCode, base_offset: Offset) {
        self.produced_nth(0, error, base_offset);
    }

    /// Loses the connection of the oldest request that waits.
    pub fn cut(&mut self) {
        let connection = self.requests[0].request_id.connection;
        self.requests.retain(|request| request.request_id.connection != connection);
        self.deferred.retain(|(request_id, _)| request_id.connection != connection);
        self.event(NodeEvent::Disconnected(connection));
    }

    /// The cluster changes: partition 0 gets another leader.
    pub fn new_leader(&mut self, leader: u8, epoch: LeaderEpoch) {
        let mut leaders = testing::LEADERS;
        leaders[P0.index()] = (Some(BrokerId(leader)), epoch);
        self.stage.arenas.images.push(testing::image(leaders, &[1, 2, 3]));
    }

    /// The producer learns of it, over a connection that is idle.
    pub fn learn(&mut self) {
        self.act(|producer, out| {
            producer.network.request_update();
            producer.wake_at(out.now() + Span::seconds(1), out);
        });
        self.pass(Span::seconds(1));
    }

    /// The batches of the Produce requests that wait, in the order of sending.
    pub fn batches(&self) -> Vec<Batch> {
        let batches = self.requests.iter().filter_map(|waiting| match waiting.request {
            Request::Produce { batches, .. } => Some(self.stage.arenas.batches.get(batches)),
            _ => None,
        });
        batches.flatten().copied().collect()
    }

    /// The waiting batches as (first record, producer epoch, base sequence).
    pub fn waiting(&self) -> Vec<(u32, ProducerEpoch, Sequence)> {
        self.batches()
            .iter()
            .map(|batch| {
                let payload = self.stage.arenas.payloads.get(batch.records)[0];
                let super::record::Payload::Record(record) = payload else {
                    unreachable!("applications send it")
                };
                (record.0, batch.producer_epoch, batch.base_sequence)
            })
            .collect()
    }

    /// What became of records: (record, offset or exception), in the order of the facts.
    pub fn answers(&self) -> Vec<(u32, Result<Offset, Exception>)> {
        let entries = self.stage.trace.entries().iter();
        entries
            .filter_map(|entry| match entry.event {
                Event::RecordAcknowledged { record: RecordId(199), .. } => None,
                Event::RecordAcknowledged { record, offset, .. } => Some((record.0, Ok(offset))),
                Event::RecordFailed { record, exception, .. } => Some((record.0, Err(exception))),
                _ => None,
            })
            .collect()
    }

    /// How many messages of a kind of request were sent.
    pub fn count(&self, api: super::message::Api) -> usize {
        let sent =
            |event: &Event| matches!(event, Event::RequestSent { request, .. } if request.api() == api);
        self.stage.trace.entries().iter().filter(|entry| sent(&entry.event)).count()
    }
}
