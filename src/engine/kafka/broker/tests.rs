//! A cluster of brokers and a controller without clients, for tests.

mod replication;
mod transactions;

use super::*;
use crate::engine::kafka::config::{Acks, ClusterConfig};
use crate::engine::kafka::controller::Controller;
use crate::engine::kafka::event::ConnectionEnd;
use crate::engine::kafka::message::{FetchPartition, ListOffsetsAt, MarkerEntry, ProducedPartition};
use crate::engine::kafka::network::Purpose;
use crate::engine::kafka::out::{Pending, Stage, What};
use crate::engine::kafka::record::{Batch, BatchKind, MarkerKind, Payload};
use crate::engine::kafka::testing;
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Time;
use std::sync::Arc;

const T: PartitionId = PartitionId::DEFAULT;
const CLIENT: Node = Node::Client(ClientId(0));
const B1: BrokerId = BrokerId(1);
const B2: BrokerId = BrokerId(2);
const B3: BrokerId = BrokerId(3);

/// A cluster and one client that only notes what it is answered.
struct Cluster {
    stage: Stage,
    controller: Controller,
    brokers: Vec<Broker>,
    answers: Vec<(Time, RequestId, Response)>,
    paused: Vec<Node>,
    deferred: Vec<Pending>,
}

fn cluster_config() -> ClusterConfig {
    ClusterConfig {
        replica_lag_time_max: Span::seconds(3),
        broker_session_timeout: Span::seconds(2),
        broker_heartbeat_interval: Span::millis(300),
        replica_socket_timeout: Span::millis(1500),
        replica_fetch_wait_max: Span::millis(200),
        unclean_leader_election_interval: Span::millis(500),
        ..ClusterConfig::default()
    }
}

impl Cluster {
    fn new(config: ClusterConfig, min_insync_replicas: u32) -> Cluster {
        let mut setup = testing::setup(config);
        setup.topics[2].config.min_insync_replicas = min_insync_replicas;
        let setup = Arc::new(setup);
        let mut stage = Stage::new(setup.clone(), true);
        let mut controller = Controller::new(&setup);
        let mut brokers: Vec<Broker> = [B1, B2, B3].map(|id| Broker::new(id, &setup)).into();
        controller.bootstrap(&mut stage.out(Node::Controller, None));
        for (index, broker) in brokers.iter_mut().enumerate() {
            broker.bootstrap(&mut stage.out(Node::Broker(BrokerId::from_index(index)), None));
        }
        let mut cluster = Cluster {
            stage,
            controller,
            brokers,
            answers: Vec::new(),
            paused: Vec::new(),
            deferred: Vec::new(),
        };
        cluster.run(Span::millis(100));
        cluster
    }

    fn run(&mut self, span: Span) {
        let until = self.stage.now + span;
        while self.stage.queue.next_at().is_some_and(|at| at <= until) {
            let (at, pending) = self.stage.queue.pop().unwrap();
            self.stage.now = at;
            self.handle(pending);
        }
        self.stage.now = until;
    }

    fn handle(&mut self, pending: Pending) {
        let node = match pending.what {
            What::Arrive(connection, _) => self.stage.network.connection(connection).from,
            What::TakeUp(connection) => self.stage.network.connection(connection).to,
            What::Connected(connection) => self.stage.network.connection(connection).from,
            What::Disconnected(_, node, _) | What::Timer(node, ..) => node,
            _ => unreachable!("no script runs here"),
        };
        let is_request = matches!(pending.what, What::Arrive(_, Direction::Request));
        if !is_request && self.paused.contains(&node) {
            self.deferred.push(pending);
            return;
        }
        match pending.what {
            What::Arrive(connection, direction) => {
                if let Some((node, event, _)) = self.stage.arrive(connection, direction) {
                    self.dispatch(node, event);
                }
            }
            What::TakeUp(connection) => {
                if let Some((node, event, _)) = self.stage.take_up(connection) {
                    self.dispatch(node, event);
                }
            }
            What::Connected(connection) => {
                let state = self.stage.network.connection(connection);
                if state.client_open && state.server_open {
                    self.dispatch(node, NodeEvent::Connected(connection));
                }
            }
            What::Disconnected(connection, node, _) => {
                let state = self.stage.network.connection(connection);
                if state.from == node {
                    state.client_open = false;
                }
                if !self.stage.network.is_gone(node) {
                    self.dispatch(node, NodeEvent::Disconnected(connection));
                }
            }
            What::Timer(node, process, timer) => {
                if !self.stage.network.is_gone(node) && self.stage.process(node) == process {
                    self.dispatch(node, NodeEvent::Timer(timer));
                }
            }
            _ => unreachable!("no script runs here"),
        }
    }

    fn dispatch(&mut self, node: Node, event: NodeEvent) {
        match node {
            Node::Controller => self.controller.on_event(event, &mut self.stage.out(node, None)),
            Node::Broker(id) => {
                self.brokers[id.index()].on_event(event, &mut self.stage.out(node, None));
                if !self.brokers[id.index()].is_running() {
                    self.process_ended(id);
                }
            }
            _ => {
                if let NodeEvent::Response { request_id, response } = event {
                    self.answers.push((self.stage.now, request_id, response));
                }
            }
        }
    }

    fn process_ended(&mut self, id: BrokerId) {
        let node = Node::Broker(id);
        if self.stage.network.is_gone(node) {
            return;
        }
        self.stage.network.gone.push(node);
        self.stage.broker_processes[id.index()] += 1;
        for index in 0..self.stage.network.connections.len() {
            let state = &self.stage.network.connections[index];
            if state.from == node || state.to == node {
                self.stage.cut(ConnectionId(index as u32), ConnectionEnd::PeerGone, None);
            }
        }
    }

    fn kill(&mut self, id: BrokerId) {
        self.brokers[id.index()].kill(&mut self.stage.out(Node::Broker(id), None));
        self.process_ended(id);
    }

    fn start(&mut self, id: BrokerId) {
        self.stage.network.gone.retain(|gone| *gone != Node::Broker(id));
        self.brokers[id.index()].start(&mut self.stage.out(Node::Broker(id), None));
    }

    fn stop(&mut self, id: BrokerId) {
        self.brokers[id.index()].stop(&mut self.stage.out(Node::Broker(id), None));
        for _ in 0..40 {
            if !self.brokers[id.index()].is_running() {
                return;
            }
            self.run(Span::millis(100));
        }
        panic!("{id} does not stop");
    }

    fn lose_power(&mut self, id: BrokerId, flushed: u32) {
        let partitions = PartitionSet::from_iter([T]);
        self.brokers[id.index()].lose_power(partitions, flushed, &mut self.stage.out(Node::Broker(id), None));
        self.process_ended(id);
    }

    fn pause(&mut self, id: BrokerId) {
        self.paused.push(Node::Broker(id));
    }

    fn resume(&mut self, id: BrokerId) {
        self.paused.retain(|paused| *paused != Node::Broker(id));
        let now = self.stage.now;
        for pending in std::mem::take(&mut self.deferred) {
            self.stage.push(now, pending.cause, pending.what);
        }
    }

    fn batch(&mut self, record: u32) -> Batch {
        Batch {
            partition: T,
            base_offset: -1,
            leader_epoch: -1,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            kind: BatchKind::Plain,
            records: self.stage.arenas.payloads.list([Payload::Record(RecordId(record))]),
            bytes: 200,
        }
    }

    /// Sends a request to a broker on a connection of its own.
    fn send(&mut self, to: BrokerId, request: Request) -> RequestId {
        let mut out = self.stage.out(CLIENT, None);
        let connection = out.connect(Node::Broker(to), Purpose::Client);
        let message = out.send(connection, request);
        RequestId { connection, message }
    }

    fn answer(&self, request_id: RequestId) -> Option<Response> {
        self.answers.iter().find(|(_, id, _)| *id == request_id).map(|(_, _, response)| *response)
    }

    fn produce_request(&mut self, record: u32, acks: Acks) -> Request {
        let batch = self.batch(record);
        Request::Produce {
            acks,
            timeout: Span::millis(1500),
            transactional_id: None,
            transaction_version: 2,
            batches: self.stage.arenas.batches.list([batch]),
        }
    }

    fn produce(&mut self, to: BrokerId, record: u32, acks: Acks) -> RequestId {
        let request = self.produce_request(record, acks);
        self.send(to, request)
    }

    /// Produces and waits a moment for the answer: the offset or the error; none: no answer yet.
    fn produced(&mut self, to: BrokerId, record: u32, acks: Acks) -> Option<Result<Offset, ErrorCode>> {
        let request_id = self.produce(to, record, acks);
        self.run(Span::millis(20));
        self.produce_answer(request_id)
    }

    fn produce_answer(&self, request_id: RequestId) -> Option<Result<Offset, ErrorCode>> {
        match self.answer(request_id)? {
            Response::Produce { partitions } => match self.stage.arenas.produced[partitions] {
                [ProducedPartition { error: ErrorCode::None, base_offset, .. }] => Some(Ok(base_offset)),
                [ProducedPartition { error, .. }] => Some(Err(error)),
                _ => panic!("one partition was asked for"),
            },
            other => panic!("not an answer to Produce: {other:?}"),
        }
    }

    /// The records of a broker's copy.
    fn records(&self, id: BrokerId) -> Vec<u32> {
        let log = self.brokers[id.index()].log(T).unwrap();
        log.batches()
            .iter()
            .flat_map(|batch| &self.stage.arenas.payloads[batch.records])
            .map(|payload| match payload {
                Payload::Record(record) => record.0,
                other => panic!("not a record: {other:?}"),
            })
            .collect()
    }

    fn high_watermark(&self, id: BrokerId) -> Offset {
        self.brokers[id.index()].log(T).unwrap().high_watermark()
    }

    fn isr(&self) -> String {
        self.controller.image().partition(T).isr.to_string()
    }

    fn leader(&self) -> Option<BrokerId> {
        self.controller.image().partition(T).leader
    }

    fn offset_at(&mut self, id: BrokerId, at: ListOffsetsAt) -> (ErrorCode, Offset) {
        match self.brokers[id.index()].replicas.list_offsets(T, -1, IsolationLevel::ReadUncommitted, at) {
            Response::ListOffsets { error, offset, .. } => (error, offset),
            other => panic!("{other:?}"),
        }
    }
}
