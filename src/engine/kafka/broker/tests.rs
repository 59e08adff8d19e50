//! Brokers and controller together, without clients: replication, the high watermark, the ISR, elections,
//! truncation, crashes (kafka-semantics 2, 5.1; conformance rows 29 to 43).

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

#[test]
fn acks_all_waits_for_the_isr() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    assert_eq!(cluster.produced(B1, 0, Acks::All), Some(Ok(0)));
    assert_eq!(cluster.high_watermark(B1), 1);
    // The followers learn of the high watermark with the fetch after.
    cluster.run(Span::millis(300));
    for id in [B1, B2, B3] {
        assert_eq!((cluster.records(id), cluster.high_watermark(id)), (vec![0], 1), "{id}");
    }
    assert_eq!(cluster.produced(B2, 1, Acks::All), Some(Err(ErrorCode::NotLeaderOrFollower)));
}

/// Mistake 5: a follower's high watermark is behind by a fetch.
#[test]
fn followers_learn_the_high_watermark_later() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    assert_eq!((cluster.high_watermark(B1), cluster.high_watermark(B2)), (1, 0));
}

/// P07 and P42: what only a dead leader had is cut off when it comes back.
#[test]
fn failover_truncates_what_was_not_replicated() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    cluster.pause(B2);
    cluster.pause(B3);
    assert_eq!(cluster.produced(B1, 1, Acks::Leader), Some(Ok(1)));
    cluster.kill(B1);
    cluster.resume(B2);
    cluster.resume(B3);
    cluster.run(Span::seconds(3));
    assert_eq!(cluster.leader(), Some(B2));
    assert_eq!(cluster.produced(B2, 2, Acks::All), Some(Ok(1)));
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    for id in [B1, B2, B3] {
        assert_eq!(cluster.records(id), [0, 2], "{id}");
        assert_eq!(cluster.high_watermark(id), 2, "{id}");
    }
}

/// Mistake 17 and kafka-semantics 2.9: a quick restart is refused until the session has ended, so leadership
/// moves all the same.
#[test]
fn a_quick_restart_costs_the_leadership() {
    let config = ClusterConfig { broker_session_timeout: Span::seconds(9), ..cluster_config() };
    let mut cluster = Cluster::new(config, 1);
    cluster.kill(B1);
    cluster.start(B1);
    cluster.run(Span::seconds(16));
    assert_eq!(cluster.leader(), Some(B2));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    let refused = cluster.stage.trace.entries().iter().any(|entry| {
        matches!(
            entry.event,
            Event::ResponseSent {
                response: Response::BrokerRegistration { error: ErrorCode::DuplicateBrokerRegistration, .. },
                ..
            }
        )
    });
    assert!(refused, "DUPLICATE_BROKER_REGISTRATION");
}

/// P52: a clean stop moves leadership first, loses nothing, and the broker returns to the ISR.
#[test]
fn controlled_shutdown() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    cluster.stop(B1);
    assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B2,B3"));
    cluster.run(Span::millis(100));
    assert_eq!(cluster.produced(B2, 1, Acks::All), Some(Ok(1)));
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B1,B2,B3"));
    assert_eq!(cluster.records(B1), [0, 1]);
}

/// Row 30 (`PartitionTest.testMaybeShrinkIsr`), P53, P24: a silent follower leaves the ISR 3 to 4.5 s after it was last caught up; until the
/// controller confirms it, acks=all waits.
#[test]
fn silent_followers_leave_the_isr() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    // The heartbeats go on: only the fetches stop.
    let links: Vec<ConnectionId> = cluster
        .stage
        .network
        .connections
        .iter()
        .enumerate()
        .filter(|(_, c)| c.purpose == Purpose::Replication && c.from == Node::Broker(B3))
        .map(|(index, _)| ConnectionId(index as u32))
        .collect();
    assert!(!links.is_empty());
    cluster.stage.network.held_links.push(crate::engine::kafka::network::Link {
        ends: crate::engine::kafka::network::LinkEnds::Replication { follower: B3, leader: B1 },
        client: None,
    });
    let request = cluster.produce(B1, 0, Acks::All);
    cluster.run(Span::millis(1400));
    assert_eq!(cluster.produce_answer(request), None, "B3 is in the ISR");
    assert_eq!(cluster.high_watermark(B1), 0);
    cluster.run(Span::millis(200));
    assert_eq!(cluster.produce_answer(request), Some(Err(ErrorCode::RequestTimedOut)));
    cluster.run(Span::seconds(4));
    assert_eq!(cluster.isr(), "B1,B2");
    assert_eq!(cluster.high_watermark(B1), 1, "row 30: once it is confirmed");
    cluster.stage.network.held_links.clear();
    cluster.stage.recheck();
    cluster.run(Span::seconds(3));
    assert_eq!((cluster.isr().as_str(), cluster.records(B3)), ("B1,B2,B3", vec![0]));
}

/// P10, P19, P20 and mistakes 3 to 5: below min ISR acks=all is refused before anything is written, acks=1 is
/// taken but stays invisible until the ISR has recovered.
#[test]
fn below_min_isr() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.kill(B2);
    cluster.kill(B3);
    cluster.run(Span::seconds(3));
    assert_eq!(cluster.isr(), "B1");
    assert_eq!(cluster.produced(B1, 0, Acks::All), Some(Err(ErrorCode::NotEnoughReplicas)));
    assert!(cluster.records(B1).is_empty());
    assert_eq!(cluster.produced(B1, 1, Acks::Leader), Some(Ok(0)));
    assert_eq!(cluster.high_watermark(B1), 0, "KAFKA-15583");
    cluster.start(B2);
    cluster.run(Span::seconds(3));
    assert_eq!((cluster.isr().as_str(), cluster.high_watermark(B1)), ("B1,B2", 1));
    assert_eq!(cluster.produced(B1, 2, Acks::All), Some(Ok(1)));
}

/// P20: the ISR shrinks while a request waits; the broker answers REQUEST_TIMED_OUT and the batch stays.
#[test]
fn the_isr_shrinks_while_a_request_waits() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.kill(B2);
    cluster.kill(B3);
    let request = cluster.produce(B1, 0, Acks::All);
    cluster.run(Span::seconds(3));
    assert_eq!(cluster.produce_answer(request), Some(Err(ErrorCode::RequestTimedOut)));
    assert_eq!((cluster.records(B1), cluster.high_watermark(B1)), (vec![0], 0));
}

/// Row 42 (`ReplicaManagerTest.testDeltaToFollowerCompletesProduce`): leadership moves while acks=all waits.
#[test]
fn leader_change_ends_the_wait() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.pause(B3);
    let request = cluster.produce(B1, 0, Acks::All);
    cluster.run(Span::millis(20));
    assert_eq!(cluster.produce_answer(request), None);
    cluster.controller.move_leader(T, B2, &mut cluster.stage.out(Node::Controller, None));
    cluster.run(Span::millis(20));
    assert_eq!(cluster.produce_answer(request), Some(Err(ErrorCode::NotLeaderOrFollower)));
    assert_eq!(cluster.leader(), Some(B2));
    cluster.resume(B3);
    cluster.run(Span::seconds(1));
    // P54: B2 had it, so it stays.
    for id in [B1, B2, B3] {
        assert_eq!((cluster.records(id), cluster.high_watermark(id)), (vec![0], 1), "{id}");
    }
}

/// Row 34 (`PartitionTest.testMonotonicOffsetsAfterLeaderChange`), P55, KIP-207: a new leader does not know the end until its followers have fetched.
#[test]
fn a_new_leader_does_not_know_the_end_at_once() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    assert_eq!(cluster.high_watermark(B2), 0);
    cluster.pause(B3);
    cluster.controller.move_leader(T, B2, &mut cluster.stage.out(Node::Controller, None));
    cluster.run(Span::millis(5));
    assert_eq!(cluster.offset_at(B2, ListOffsetsAt::Latest), (ErrorCode::OffsetNotAvailable, -1));
    assert_eq!(cluster.offset_at(B2, ListOffsetsAt::Earliest), (ErrorCode::None, 0));
    assert_eq!(
        cluster.offset_at(B2, ListOffsetsAt::LogEnd),
        (ErrorCode::None, 1),
        "a follower reads to the end"
    );
    cluster.resume(B3);
    cluster.run(Span::seconds(1));
    assert_eq!(cluster.offset_at(B2, ListOffsetsAt::Latest), (ErrorCode::None, 1));
}

/// P13: an unclean election loses what the other replica did not have.
#[test]
fn unclean_election() {
    let mut cluster = Cluster::new(ClusterConfig { eligible_leader_replicas: false, ..cluster_config() }, 1);
    let partitions = PartitionSet::from_iter([T]);
    cluster.controller.set_unclean_leader_election(
        partitions,
        true,
        &mut cluster.stage.out(Node::Controller, None),
    );
    cluster.kill(B3);
    cluster.produced(B1, 0, Acks::Leader).unwrap().unwrap();
    cluster.run(Span::seconds(3));
    cluster.kill(B2);
    cluster.run(Span::seconds(3));
    assert_eq!((cluster.isr().as_str(), cluster.high_watermark(B1)), ("B1", 1));
    assert_eq!(cluster.produced(B1, 1, Acks::All), Some(Ok(1)));
    cluster.kill(B1);
    cluster.start(B2);
    cluster.run(Span::seconds(4));
    assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B2"));
    assert_eq!(cluster.produced(B2, 2, Acks::All), Some(Ok(1)));
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    assert_eq!((cluster.records(B1), cluster.records(B2)), (vec![0, 2], vec![0, 2]));
}

/// P14 and P15: the last replica loses power; eligible leader replicas save the record.
#[test]
fn last_replica_standing() {
    for (eligible_leader_replicas, records) in [(false, vec![]), (true, vec![0])] {
        let mut cluster = Cluster::new(ClusterConfig { eligible_leader_replicas, ..cluster_config() }, 2);
        cluster.stop(B3);
        cluster.controller.move_leader(T, B2, &mut cluster.stage.out(Node::Controller, None));
        cluster.run(Span::seconds(1));
        assert_eq!(cluster.produced(B2, 0, Acks::All), Some(Ok(0)));
        cluster.run(Span::seconds(1));
        cluster.stop(B1);
        assert_eq!((cluster.leader(), cluster.isr().as_str()), (Some(B2), "B2"));
        cluster.lose_power(B2, 0);
        cluster.start(B1);
        cluster.run(Span::seconds(4));
        cluster.start(B2);
        cluster.run(Span::seconds(6));
        let what = format!("eligible leader replicas: {eligible_leader_replicas}");
        let leader = if eligible_leader_replicas { B1 } else { B2 };
        assert_eq!(cluster.leader(), Some(leader), "{what}");
        assert_eq!((cluster.records(B1), cluster.records(B2)), (records.clone(), records), "{what}");
    }
}

/// P18: killing every process loses nothing.
#[test]
fn killing_all_loses_nothing() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    for id in [B1, B2, B3] {
        cluster.kill(id);
    }
    cluster.run(Span::seconds(3));
    for id in [B1, B2, B3] {
        cluster.start(id);
    }
    cluster.run(Span::seconds(8));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    for id in [B1, B2, B3] {
        assert_eq!((cluster.records(id), cluster.high_watermark(id)), (vec![0], 1), "{id}");
    }
}

/// kafka-semantics 2.6: a follower with an empty disk goes on from where the leader's log starts.
#[test]
fn deleted_records_are_not_fetched_again() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    for record in 0..4 {
        cluster.produced(B1, record, Acks::All).unwrap().unwrap();
    }
    cluster.kill(B3);
    let partitions = PartitionSet::from_iter([T]);
    cluster.brokers[2].wipe(partitions, &mut cluster.stage.out(Node::Broker(B3), None));
    cluster.brokers[0].delete_records(T, 2, &mut cluster.stage.out(Node::Broker(B1), None));
    cluster.start(B3);
    cluster.run(Span::seconds(6));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    assert_eq!(cluster.records(B3), [2, 3]);
    assert_eq!(cluster.brokers[1].log(T).unwrap().log_start_offset(), 2);
}

/// P03: with acks=0 an error closes the connection; what was pipelined behind it is lost.
#[test]
fn acks_0_closes_the_connection_on_an_error() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    let first = cluster.produce_request(0, Acks::None);
    let second = cluster.produce_request(1, Acks::None);
    for (to, records) in [(B2, vec![]), (B1, vec![0, 1])] {
        let mut out = cluster.stage.out(CLIENT, None);
        let connection = out.connect(Node::Broker(to), Purpose::Client);
        out.send(connection, first);
        out.send(connection, second);
        cluster.run(Span::millis(50));
        assert_eq!(cluster.records(B1), records, "sent to {to}");
        let open = cluster.stage.network.connection(connection).client_open;
        assert_eq!(open, to == B1, "sent to {to}");
    }
}

/// Row 38 in part, and 2.4: a consumer's fetch waits for the high watermark, then returns.
#[test]
fn consumers_wait_for_the_high_watermark() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    let partitions = cluster.stage.arenas.fetch_partitions.list([FetchPartition {
        partition: T,
        offset: 0,
        current_leader_epoch: 0,
        last_fetched_epoch: -1,
        log_start_offset: -1,
    }]);
    let fetch = |max_wait| Request::Fetch {
        replica: None,
        isolation_level: IsolationLevel::ReadUncommitted,
        max_wait,
        partitions,
    };
    let waiting = cluster.send(B1, fetch(Span::millis(500)));
    cluster.run(Span::millis(100));
    assert_eq!(cluster.answer(waiting), None);
    cluster.produced(B1, 0, Acks::All).unwrap().unwrap();
    let fetched = |cluster: &Cluster, request_id| match cluster.answer(request_id) {
        Some(Response::Fetch { partitions }) => cluster.stage.arenas.fetched[partitions][0],
        other => panic!("{other:?}"),
    };
    let answer = fetched(&cluster, waiting);
    assert_eq!((answer.error, answer.batches.len(), answer.high_watermark), (ErrorCode::None, 1, 1));
    let empty = cluster.stage.arenas.fetch_partitions.list([FetchPartition {
        partition: T,
        offset: 1,
        current_leader_epoch: 0,
        last_fetched_epoch: 0,
        log_start_offset: -1,
    }]);
    let request = Request::Fetch {
        replica: None,
        isolation_level: IsolationLevel::ReadUncommitted,
        max_wait: Span::millis(100),
        partitions: empty,
    };
    let waiting = cluster.send(B1, request);
    cluster.run(Span::millis(90));
    assert_eq!(cluster.answer(waiting), None);
    cluster.run(Span::millis(20));
    assert_eq!(fetched(&cluster, waiting).batches, List::default());
}

fn read_committed(offset: Offset) -> impl Fn(&mut Cluster) -> Request {
    move |cluster| Request::Fetch {
        replica: None,
        isolation_level: IsolationLevel::ReadCommitted,
        max_wait: Span::ZERO,
        partitions: cluster.stage.arenas.fetch_partitions.list([FetchPartition {
            partition: T,
            offset,
            current_leader_epoch: 0,
            last_fetched_epoch: -1,
            log_start_offset: -1,
        }]),
    }
}

/// What a read_committed fetch from offset 0 says: batches, last stable offset, aborted transactions.
fn stable(cluster: &mut Cluster) -> (usize, Offset, usize) {
    let request = read_committed(0)(cluster);
    let request_id = cluster.send(B1, request);
    cluster.run(Span::millis(20));
    match cluster.answer(request_id) {
        Some(Response::Fetch { partitions }) => {
            let fetched = cluster.stage.arenas.fetched[partitions][0];
            assert_eq!(fetched.error, ErrorCode::None);
            (fetched.batches.len(), fetched.last_stable_offset, fetched.aborted.len())
        }
        other => panic!("{other:?}"),
    }
}

fn transactional(cluster: &mut Cluster, record: u32, sequence: Sequence, version: u8) -> Request {
    let batch = Batch {
        producer_id: 7,
        producer_epoch: 0,
        base_sequence: sequence,
        kind: BatchKind::Transactional,
        ..cluster.batch(record)
    };
    Request::Produce {
        acks: Acks::All,
        timeout: Span::millis(1500),
        transactional_id: Some(TransactionalId(0)),
        transaction_version: version,
        batches: cluster.stage.arenas.batches.list([batch]),
    }
}

fn marker(cluster: &mut Cluster, kind: MarkerKind, coordinator_epoch: i32) -> Option<Vec<ErrorCode>> {
    let markers = cluster.stage.arenas.markers.list([MarkerEntry {
        transactional_id: TransactionalId(0),
        producer_id: 7,
        producer_epoch: 0,
        kind,
        coordinator_epoch,
        partitions: PartitionSet::from_iter([T]),
        transaction_version: 1,
    }]);
    let request_id = cluster.send(B1, Request::WriteTxnMarkers { markers });
    cluster.run(Span::millis(50));
    match cluster.answer(request_id)? {
        Response::WriteTxnMarkers { errors } => {
            Some(cluster.stage.arenas.produced[errors].iter().map(|failed| failed.error).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// Row 38 (`ReplicaManagerTest.testReadCommittedFetchLimitedAtLSO`), row 43
/// (`testDelayedFetchIncludesAbortedTransactions`), T14, T32 and mistake 13: the last stable offset waits for the
/// replicated marker, and markers for the ISR. (Verification is off, as in T15: there is no coordinator here.)
#[test]
fn markers() {
    let config = ClusterConfig {
        transaction_version: 1,
        transaction_partition_verification_enable: false,
        ..cluster_config()
    };
    let mut cluster = Cluster::new(config, 2);
    let request = transactional(&mut cluster, 0, 0, 1);
    let request_id = cluster.send(B1, request);
    cluster.run(Span::millis(50));
    assert_eq!(cluster.produce_answer(request_id), Some(Ok(0)));
    assert_eq!(stable(&mut cluster), (0, 0, 0), "row 38: replicated, but undecided");
    let long_poll = |cluster: &mut Cluster, max_wait| {
        let Request::Fetch { replica, isolation_level, partitions, .. } = read_committed(0)(cluster) else {
            unreachable!("it is a fetch")
        };
        cluster.send(B1, Request::Fetch { replica, isolation_level, max_wait, partitions })
    };
    let fetched = |cluster: &Cluster, request_id| match cluster.answer(request_id) {
        Some(Response::Fetch { partitions }) => cluster.stage.arenas.fetched[partitions][0],
        other => panic!("{other:?}"),
    };
    let timed_out = long_poll(&mut cluster, Span::millis(100));
    cluster.run(Span::millis(120));
    let answer = fetched(&cluster, timed_out);
    assert_eq!(
        (answer.batches.len(), answer.last_stable_offset),
        (0, 0),
        "row 38: nothing after the wait either"
    );
    let waiting = long_poll(&mut cluster, Span::seconds(60));
    cluster.kill(B2);
    cluster.kill(B3);
    cluster.run(Span::seconds(3));
    let refused = Some(vec![ErrorCode::NotEnoughReplicas]);
    assert_eq!(marker(&mut cluster, MarkerKind::Abort, 5), refused, "T32");
    assert_eq!(stable(&mut cluster), (0, 0, 0));
    cluster.start(B2);
    cluster.run(Span::seconds(4));
    assert_eq!(marker(&mut cluster, MarkerKind::Abort, 5), Some(vec![]));
    assert_eq!(stable(&mut cluster), (2, 2, 1), "the reader is told whose records to skip");
    let answer = fetched(&cluster, waiting);
    assert_eq!((answer.batches.len(), answer.aborted.len()), (2, 1), "row 43: so is one who waited");
    let fenced = Some(vec![ErrorCode::TransactionCoordinatorFenced]);
    assert_eq!(marker(&mut cluster, MarkerKind::Commit, 4), fenced, "T14");
    assert_eq!(marker(&mut cluster, MarkerKind::Abort, 5), Some(vec![]), "T13: a second copy is harmless");
    assert_eq!(stable(&mut cluster), (3, 3, 1));
}

/// Row 39 (`ReplicaManagerTest.testReceiveOutOfOrderSequenceExceptionWithLogStartOffset`): a gap is answered with
/// OUT_OF_ORDER_SEQUENCE_NUMBER, and nothing is written.
#[test]
fn a_gap_in_the_sequences_is_refused() {
    let mut cluster = Cluster::new(cluster_config(), 2);
    for (sequence, expected) in
        [(0, Ok(0)), (1, Ok(1)), (2, Ok(2)), (13, Err(ErrorCode::OutOfOrderSequenceNumber)), (3, Ok(3))]
    {
        let batch = Batch {
            producer_id: 7,
            producer_epoch: 0,
            base_sequence: sequence,
            ..cluster.batch(sequence as u32)
        };
        let batches = cluster.stage.arenas.batches.list([batch]);
        let Request::Produce { acks, timeout, transactional_id, transaction_version, .. } =
            cluster.produce_request(0, Acks::All)
        else {
            unreachable!("it is a Produce request")
        };
        let request = Request::Produce { acks, timeout, transactional_id, transaction_version, batches };
        let request_id = cluster.send(B1, request);
        cluster.run(Span::millis(20));
        assert_eq!(cluster.produce_answer(request_id), Some(expected), "sequence {sequence}");
    }
    assert_eq!(cluster.records(B1), [0, 1, 2, 3]);
}

/// Row 43 (`ReplicaManagerTest.testTransactionAddPartitionRetry`): while the markers of the last transaction are still
/// being written, the leader asks the coordinator again, every 20 ms; after 100 ms its client is told
/// CONCURRENT_TRANSACTIONS.
#[test]
fn the_leader_asks_again_while_markers_are_written() {
    for (recovers, expected, asked) in
        [(true, Ok(2), 2..=5), (false, Err(ErrorCode::ConcurrentTransactions), 5..=6)]
    {
        let mut cluster = Cluster::new(cluster_config(), 1);
        let coordinator =
            cluster.controller.image().partition(PartitionId::TRANSACTION_STATE).leader.unwrap();
        let x = TransactionalId(0);
        let begin = cluster.send(
            coordinator,
            Request::InitProducerId {
                transactional_id: Some(x),
                transaction_timeout: Span::seconds(60),
                expected: None,
            },
        );
        cluster.run(Span::millis(50));
        let Some(Response::InitProducerId { error: ErrorCode::None, producer_id, producer_epoch }) =
            cluster.answer(begin)
        else {
            panic!("{:?}", cluster.answer(begin))
        };
        let write = |cluster: &mut Cluster, record, producer_epoch| {
            let batch = Batch {
                producer_id,
                producer_epoch,
                base_sequence: 0,
                kind: BatchKind::Transactional,
                ..cluster.batch(record)
            };
            let request = Request::Produce {
                acks: Acks::Leader,
                timeout: Span::millis(1500),
                transactional_id: Some(x),
                transaction_version: 2,
                batches: cluster.stage.arenas.batches.list([batch]),
            };
            cluster.send(B1, request)
        };
        let first = write(&mut cluster, 0, producer_epoch);
        cluster.run(Span::millis(50));
        assert_eq!(cluster.produce_answer(first), Some(Ok(0)));
        // Without its followers' fetches the marker stays above the high watermark.
        let links = [B2, B3].map(|follower| crate::engine::kafka::network::Link {
            ends: crate::engine::kafka::network::LinkEnds::Replication { follower, leader: B1 },
            client: None,
        });
        let held = cluster.stage.network.held_links.len();
        if coordinator == B1 {
            // The transaction's own log must go on being replicated.
            cluster.controller.move_leader(
                PartitionId::TRANSACTION_STATE,
                B2,
                &mut cluster.stage.out(Node::Controller, None),
            );
            cluster.run(Span::millis(300));
        }
        let coordinator =
            cluster.controller.image().partition(PartitionId::TRANSACTION_STATE).leader.unwrap();
        cluster.stage.network.held_links.extend(links);
        let end = cluster.send(
            coordinator,
            Request::EndTxn {
                transactional_id: x,
                producer_id,
                producer_epoch,
                committed: true,
                transaction_version: 2,
            },
        );
        cluster.run(Span::millis(20));
        assert!(
            matches!(cluster.answer(end), Some(Response::EndTxn { error: ErrorCode::None, .. })),
            "{:?}",
            cluster.answer(end)
        );
        let second = write(&mut cluster, 1, producer_epoch + 1);
        cluster.run(Span::millis(30));
        assert_eq!(cluster.produce_answer(second), None, "it asks again");
        if recovers {
            cluster.stage.network.held_links.truncate(held);
            cluster.stage.recheck();
        }
        cluster.run(Span::millis(120));
        assert_eq!(cluster.produce_answer(second), Some(expected));
        let questions = cluster.stage.trace.entries().iter().filter(|entry| {
            matches!(
                entry.event,
                Event::RequestSent { request: Request::AddPartitionsToTxn { producer_epoch: epoch, .. }, .. }
                    if epoch == producer_epoch + 1
            )
        });
        let count = questions.count();
        assert!(asked.contains(&count), "asked {count} times");
    }
}

/// kafka-semantics 3.7, point 2: while its coordinator can't be asked, a transactional batch is refused with an
/// error that every client retries, and nothing is written.
#[test]
fn no_coordinator_no_transaction() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    cluster.controller.move_leader(
        PartitionId::TRANSACTION_STATE,
        B3,
        &mut cluster.stage.out(Node::Controller, None),
    );
    cluster.run(Span::millis(50));
    cluster.kill(B3);
    cluster.run(Span::millis(50));
    let request = transactional(&mut cluster, 0, 0, 2);
    let request_id = cluster.send(B1, request);
    cluster.run(Span::millis(300));
    assert_eq!(cluster.produce_answer(request_id), Some(Err(ErrorCode::NotEnoughReplicas)));
    assert!(cluster.records(B1).is_empty());
}

/// The trace tells everything: folding it gives every replica's log, high watermark, leader and ISR.
#[test]
fn the_trace_rebuilds_the_replicas() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    for record in 0..3 {
        cluster.produced(B1, record, Acks::All).unwrap().unwrap();
    }
    cluster.kill(B1);
    cluster.run(Span::seconds(3));
    cluster.produced(B2, 3, Acks::Leader).unwrap().unwrap();
    cluster.start(B1);
    cluster.run(Span::seconds(4));
    cluster.lose_power(B3, 1);
    cluster.start(B3);
    cluster.run(Span::seconds(4));
    let mut logs: [Vec<Batch>; 3] = Default::default();
    let mut high_watermarks = [0; 3];
    let mut isr = BrokerSet::EMPTY;
    for entry in cluster.stage.trace.entries() {
        let index = match entry.actor {
            Node::Broker(id) => id.index(),
            Node::Controller => {
                if let Event::PartitionChanged { partition: T, isr: new, .. } = entry.event {
                    isr = new;
                }
                continue;
            }
            _ => continue,
        };
        match entry.event {
            Event::BatchAppended { batch } if batch.partition == T => logs[index].push(batch),
            Event::LogTruncated { partition: T, to } => logs[index].retain(|batch| batch.next_offset() <= to),
            Event::HighWatermarkMoved { partition: T, to } => high_watermarks[index] = to,
            _ => {}
        }
    }
    assert_eq!(isr.to_string(), "B1,B2,B3");
    for (index, broker) in cluster.brokers.iter().enumerate() {
        let log = broker.log(T).unwrap();
        assert_eq!(logs[index], log.batches(), "B{}", index + 1);
        assert_eq!(high_watermarks[index], log.high_watermark(), "B{}", index + 1);
        assert_eq!(log.log_end_offset(), 4, "B{}", index + 1);
    }
}

/// `ReplicaManager.appendRecordsToFollowerOrFutureReplica`: records were deleted up to the middle of a batch; a follower
/// with an empty disk takes the whole batch, and both logs begin at the same record.
#[test]
fn an_empty_follower_begins_with_the_whole_batch() {
    let mut cluster = Cluster::new(cluster_config(), 1);
    let records = (0..4).map(|record| Payload::Record(RecordId(record)));
    let records = cluster.stage.arenas.payloads.list(records);
    let batch = Batch { records, ..cluster.batch(0) };
    let batches = cluster.stage.arenas.batches.list([batch]);
    let request = Request::Produce {
        acks: Acks::All,
        timeout: Span::millis(1500),
        transactional_id: None,
        transaction_version: 2,
        batches,
    };
    cluster.send(B1, request);
    cluster.run(Span::millis(500));
    assert_eq!(cluster.high_watermark(B1), 4);
    cluster.kill(B3);
    let partitions = PartitionSet::from_iter([T]);
    cluster.brokers[2].wipe(partitions, &mut cluster.stage.out(Node::Broker(B3), None));
    cluster.brokers[0].delete_records(T, 2, &mut cluster.stage.out(Node::Broker(B1), None));
    cluster.start(B3);
    cluster.run(Span::seconds(6));
    assert_eq!(cluster.isr(), "B1,B2,B3");
    let log = |id: BrokerId| cluster.brokers[id.index()].log(T).unwrap();
    assert_eq!((log(B3).log_start_offset(), log(B3).log_end_offset()), (2, 4));
    assert_eq!(log(B3).batches(), log(B1).batches());
}
