//! The client's side of connections (`NetworkClient`, `InFlightRequests`, `ClusterConnectionStates`) and its
//! picture of the cluster (`Metadata`).
//!
//! Requests to one broker are answered in the order in which they were sent. When a connection ends, or a
//! request on it passes `request.timeout.ms`, everything in flight on it fails, oldest first.

use super::error::ErrorCode;
use super::event::{ConnectionEnd, Event};
use super::message::{Request, Response};
use super::network::{ConnectionId, MessageId, Purpose, RequestId};
use super::out::{NodeEvent, Out, stream};
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use std::collections::VecDeque;

/// The settings that matter to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkConfig {
    /// `request.timeout.ms`
    pub request_timeout: Span,
    /// `max.in.flight.requests.per.connection`
    pub max_in_flight: u32,
    /// `reconnect.backoff.ms`
    pub reconnect_backoff: Span,
    /// `reconnect.backoff.max.ms`
    pub reconnect_backoff_max: Span,
    /// `retry.backoff.ms`: also between two metadata requests.
    pub retry_backoff: Span,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Span,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientResponse<T> {
    /// What the request was for.
    pub context: T,
    /// Whom it was sent to.
    pub broker: BrokerId,
    /// The answer; NETWORK_EXCEPTION or REQUEST_TIMED_OUT if there was none.
    pub result: Result<Response, ErrorCode>,
}

#[derive(Clone, Copy, Debug)]
struct InFlight<T> {
    message: MessageId,
    /// None: a metadata request of this client's own.
    context: Option<T>,
    sent_at: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Disconnected { retry_at: Time },
    Connecting(ConnectionId),
    Ready(ConnectionId),
}

#[derive(Clone, Debug)]
struct NodeState<T> {
    state: State,
    failures: u32,
    in_flight: VecDeque<InFlight<T>>,
}

/// What a client knows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownLeader {
    /// Who leads; none: nobody, as far as the client knows.
    pub leader: Option<BrokerId>,
    /// In which epoch.
    pub leader_epoch: LeaderEpoch,
}

/// Connections to all brokers; `T` says what a request was for.
#[derive(Clone, Debug)]
pub struct NetworkClient<T> {
    config: NetworkConfig,
    purpose: Purpose,
    nodes: Vec<NodeState<T>>,
    leaders: Vec<KnownLeader>,
    /// Metadata is wanted.
    update_requested: bool,
    metadata_in_flight: bool,
    /// When metadata was last asked for and last came.
    metadata_tried_at: Option<Time>,
    metadata_updated_at: Option<Time>,
    /// How many answers with metadata there were.
    metadata_updates: u32,
    draws: u64,
    completed: VecDeque<ClientResponse<T>>,
}

impl<T: Copy> NetworkClient<T> {
    /// Not connected to anyone, knowing nothing.
    pub fn new(config: NetworkConfig, purpose: Purpose, brokers: usize, partitions: usize) -> Self {
        let node = || NodeState {
            state: State::Disconnected { retry_at: Time::ZERO },
            failures: 0,
            in_flight: VecDeque::new(),
        };
        NetworkClient {
            config,
            purpose,
            nodes: (0..brokers).map(|_| node()).collect(),
            leaders: vec![KnownLeader { leader: None, leader_epoch: -1 }; partitions],
            update_requested: true,
            metadata_in_flight: false,
            metadata_tried_at: None,
            metadata_updated_at: None,
            metadata_updates: 0,
            draws: 0,
            completed: VecDeque::new(),
        }
    }

    /// What is known of a partition.
    pub fn leader(&self, partition: PartitionId) -> KnownLeader {
        self.leaders[partition.index()]
    }

    /// How many answers with metadata there were.
    pub fn metadata_updates(&self) -> u32 {
        self.metadata_updates
    }

    /// Asks for metadata as soon as possible (`Metadata.requestUpdate`).
    pub fn request_update(&mut self) {
        self.update_requested = true;
    }

    /// Learns of a leader from a response (KIP-951). Returns whether it was news.
    pub fn learn_leader(&mut self, partition: PartitionId, hint: Option<(BrokerId, LeaderEpoch)>) -> bool {
        let Some((leader, leader_epoch)) = hint else { return false };
        let known = &mut self.leaders[partition.index()];
        if leader_epoch <= known.leader_epoch {
            return false;
        }
        *known = KnownLeader { leader: Some(leader), leader_epoch };
        true
    }

    /// Whether a request can be sent to a broker now; connects if need be (`NetworkClient.ready`).
    pub fn ready(&mut self, broker: BrokerId, out: &mut Out) -> bool {
        let node = &mut self.nodes[broker.index()];
        match node.state {
            State::Ready(_) => node.in_flight.len() < self.config.max_in_flight as usize,
            State::Connecting(_) => false,
            State::Disconnected { retry_at } => {
                if retry_at <= out.now() {
                    let connection = out.connect(Node::Broker(broker), self.purpose);
                    node.state = State::Connecting(connection);
                }
                false
            }
        }
    }

    /// How many requests are in flight to a broker.
    pub fn in_flight(&self, broker: BrokerId) -> usize {
        self.nodes[broker.index()].in_flight.len()
    }

    /// Sends a request to a broker that is [`ready`](Self::ready).
    ///
    /// # Panics
    /// If the broker is not connected.
    pub fn send(&mut self, broker: BrokerId, request: Request, context: T, out: &mut Out) -> MessageId {
        self.send_any(broker, request, Some(context), out)
    }

    /// Sends a request that has no answer (`acks=0`): it is done once its bytes are written.
    ///
    /// # Panics
    /// If the broker is not connected.
    pub fn send_without_answer(&mut self, broker: BrokerId, request: Request, out: &mut Out) {
        let State::Ready(connection) = self.nodes[broker.index()].state else {
            panic!("sending to {broker} without a connection");
        };
        out.send(connection, request);
    }

    fn send_any(
        &mut self,
        broker: BrokerId,
        request: Request,
        context: Option<T>,
        out: &mut Out,
    ) -> MessageId {
        let node = &mut self.nodes[broker.index()];
        let State::Ready(connection) = node.state else { panic!("sending to {broker} without a connection") };
        let message = out.send(connection, request);
        node.in_flight.push_back(InFlight { message, context, sent_at: out.now() });
        message
    }

    /// The broker with the least to do that can be asked now, or will be (`leastLoadedNode`).
    pub fn least_loaded(&mut self, out: &Out) -> Option<BrokerId> {
        let count = self.nodes.len() as u64;
        let Node::Client(client) = out.node else { unreachable!("only clients have a network client") };
        self.draws += 1;
        let start =
            out.random().below(count, stream::LEAST_LOADED_NODE, u64::from(client.0), self.draws) as usize;
        let now = out.now();
        let rank = |node: &NodeState<T>| match node.state {
            State::Ready(_) if node.in_flight.len() < self.config.max_in_flight as usize => {
                Some(node.in_flight.len())
            }
            State::Ready(_) => None,
            State::Connecting(_) => Some(1_000),
            State::Disconnected { retry_at } => (retry_at <= now).then_some(2_000),
        };
        (0..self.nodes.len())
            .map(|step| (start + step) % self.nodes.len())
            .filter_map(|index| rank(&self.nodes[index]).map(|rank| (rank, index)))
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, index)| BrokerId::from_index(index))
    }

    /// Asks for metadata if it is time (`NetworkClient.DefaultMetadataUpdater`).
    pub fn maybe_update_metadata(&mut self, out: &mut Out) {
        if self.metadata_in_flight || self.next_metadata() > out.now() {
            return;
        }
        let Some(broker) = self.least_loaded(out) else { return };
        if self.ready(broker, out) {
            self.metadata_in_flight = true;
            self.metadata_tried_at = Some(out.now());
            self.send_any(broker, Request::Metadata, None, out);
        }
    }

    fn next_metadata(&self) -> Time {
        let backed_off = self.metadata_tried_at.map_or(Time::ZERO, |at| at + self.config.retry_backoff);
        if self.update_requested {
            return backed_off;
        }
        self.metadata_updated_at.map_or(backed_off, |at| backed_off.max(at + self.config.metadata_max_age))
    }

    /// Learns of an event on one of its connections. The next [`completed`](Self::next_completed) responses
    /// follow from it. Returns whether the event concerned this client's connections.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) -> bool {
        match event {
            NodeEvent::Connected(connection) => {
                let Some(node) =
                    self.nodes.iter_mut().find(|node| node.state == State::Connecting(connection))
                else {
                    return false;
                };
                node.state = State::Ready(connection);
                node.failures = 0;
                true
            }
            NodeEvent::Disconnected(connection) => {
                let Some(index) = self.node_of(connection) else { return false };
                self.disconnected(index, ErrorCode::NetworkException, out);
                true
            }
            NodeEvent::Response { request_id: RequestId { connection, message }, response } => {
                let Some(index) = self.node_of(connection) else { return false };
                let Some(place) =
                    self.nodes[index].in_flight.iter().position(|known| known.message == message)
                else {
                    return true;
                };
                let request = self.nodes[index].in_flight.remove(place).expect("just found");
                let broker = BrokerId::from_index(index);
                match (request.context, response) {
                    (Some(context), _) => {
                        self.completed.push_back(ClientResponse { context, broker, result: Ok(response) });
                    }
                    (None, Response::Metadata { version }) => self.learn(version, out),
                    (None, _) => {}
                }
                true
            }
            NodeEvent::Request { .. } | NodeEvent::Timer(_) => false,
        }
    }

    fn node_of(&self, connection: ConnectionId) -> Option<usize> {
        self.nodes.iter().position(
            |node| matches!(node.state, State::Connecting(known) | State::Ready(known) if known == connection),
        )
    }

    fn learn(&mut self, version: u64, out: &mut Out) {
        self.metadata_in_flight = false;
        self.update_requested = false;
        self.metadata_updated_at = Some(out.now());
        self.metadata_updates += 1;
        let mut leaderless = false;
        for (known, image) in self.leaders.iter_mut().zip(&out.arenas().images[version as usize].partitions) {
            if image.leader_epoch >= known.leader_epoch {
                *known = KnownLeader { leader: image.leader, leader_epoch: image.leader_epoch };
            }
            leaderless |= known.leader.is_none();
        }
        // LEADER_NOT_AVAILABLE: asked for again after the back-off.
        self.update_requested = leaderless;
    }

    fn disconnected(&mut self, index: usize, error: ErrorCode, out: &mut Out) {
        let config = self.config;
        let failures = self.nodes[index].failures;
        let key = (index as u64 | 1 << 16, u64::from(failures) | out.now().0 << 8);
        let backoff = out.backoff(config.reconnect_backoff, config.reconnect_backoff_max, failures, key);
        let node = &mut self.nodes[index];
        node.failures += 1;
        node.state = State::Disconnected { retry_at: out.now() + backoff };
        while let Some(request) = node.in_flight.pop_front() {
            let broker = BrokerId::from_index(index);
            match request.context {
                Some(context) => {
                    self.completed.push_back(ClientResponse { context, broker, result: Err(error) });
                }
                None => self.metadata_in_flight = false,
            }
        }
        self.update_requested = true;
    }

    /// Gives up connections on which a request has waited longer than `request.timeout.ms`.
    pub fn expire(&mut self, out: &mut Out) {
        for index in 0..self.nodes.len() {
            let Some(oldest) = self.nodes[index].in_flight.front() else { continue };
            if out.now().since(oldest.sent_at) <= self.config.request_timeout {
                continue;
            }
            out.emit_as_cause(Event::RequestTimedOut { message: oldest.message });
            if let State::Ready(connection) = self.nodes[index].state {
                out.close(connection, ConnectionEnd::TimedOut);
            }
            self.disconnected(index, ErrorCode::RequestTimedOut, out);
        }
    }

    /// The next response, or failure, in order.
    pub fn next_completed(&mut self) -> Option<ClientResponse<T>> {
        self.completed.pop_front()
    }

    /// The next instant at which this client has something to do by itself.
    pub fn next_deadline(&self) -> Time {
        let mut next = Time::NEVER;
        for node in &self.nodes {
            if let Some(oldest) = node.in_flight.front() {
                next = next.min(oldest.sent_at + self.config.request_timeout + Span::micros(1));
            }
        }
        if !self.metadata_in_flight {
            next = next.min(self.next_metadata());
        }
        next
    }

    /// When a broker that is not connected may be tried again; none: it is connected, or nearly.
    pub fn retry_at(&self, broker: BrokerId) -> Option<Time> {
        match self.nodes[broker.index()].state {
            State::Disconnected { retry_at } => Some(retry_at),
            State::Connecting(_) | State::Ready(_) => None,
        }
    }

    /// The earliest instant at which some broker that is not connected may be tried again.
    pub fn next_reconnect(&self) -> Time {
        (0..self.nodes.len())
            .filter_map(|index| self.retry_at(BrokerId::from_index(index)))
            .min()
            .unwrap_or(Time::NEVER)
    }

    /// Closes all connections; nothing in flight is told of it.
    pub fn close(&mut self, out: &mut Out) {
        for node in &mut self.nodes {
            if let State::Connecting(connection) | State::Ready(connection) = node.state {
                out.close(connection, ConnectionEnd::Closed);
            }
            node.state = State::Disconnected { retry_at: Time::NEVER };
            node.in_flight.clear();
        }
        self.completed.clear();
    }
}
