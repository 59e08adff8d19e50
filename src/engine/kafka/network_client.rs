//! The client's side of connections (`NetworkClient`, `InFlightRequests`, `ClusterConnectionStates`).
//!
//! Requests to one broker are answered in the order in which they were sent. When a connection ends, or a
//! request on it passes `request.timeout.ms`, everything in flight on it fails, oldest first.

use super::client_metadata::ClientMetadata;
pub use super::client_metadata::KnownLeader;
use super::config::ConsumerConfig;
use super::error::ErrorCode;
use super::event::{ConnectionEnd, Event};
use super::message::{Request, Response};
use super::network::{ConnectionId, MessageId, Purpose};
use super::out::{NodeEvent, Out, stream};
use super::types::*;
use crate::engine::sim::time::{Span, Time};
use std::collections::VecDeque;

/// How long after `request.timeout.ms` a client notices that a request is overdue. Its thread sleeps
/// that long from its last look around, not from the sending of the request; when a broker answers
/// REQUEST_TIMED_OUT after the same time, a real client reads that answer first.
const NOTICE: Span = Span::millis(5);

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
    /// `retry.backoff.ms`: between two Metadata requests.
    pub retry_backoff: Span,
    /// `retry.backoff.max.ms`: between two Metadata requests, after several that failed or brought no news.
    pub retry_backoff_max: Span,
    /// `metadata.max.age.ms`
    pub metadata_max_age: Span,
}

impl NetworkConfig {
    /// A consumer's. It has no `max.in.flight.requests.per.connection` to be set (`ConsumerUtils.CONSUMER_MAX_INFLIGHT_REQUESTS_PER_CONNECTION`).
    pub fn of_consumer(config: &ConsumerConfig) -> NetworkConfig {
        NetworkConfig {
            request_timeout: config.request_timeout,
            max_in_flight: 100,
            reconnect_backoff: config.reconnect_backoff,
            reconnect_backoff_max: config.reconnect_backoff_max,
            retry_backoff: config.retry_backoff,
            retry_backoff_max: config.retry_backoff_max,
            metadata_max_age: config.metadata_max_age,
        }
    }
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
struct InFlightRequest<T> {
    message: MessageId,
    /// None: a metadata request of this client's own.
    context: Option<T>,
    sent_at: Time,
    /// `request.timeout.ms`, or what this request may take.
    timeout: Span,
}

impl<T> InFlightRequest<T> {
    fn overdue_at(&self) -> Time {
        self.sent_at + self.timeout + NOTICE
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionState {
    Disconnected,
    Connecting(ConnectionId),
    Ready(ConnectionId),
}

#[derive(Clone, Debug)]
struct NodeConnection<T> {
    state: ConnectionState,
    /// When it was last tried to connect, or lost.
    last_attempt: Option<Time>,
    /// Attempts to connect that failed, since the last that did not.
    failed_attempts: u32,
    reconnect_at: Time,
    /// Oldest first.
    in_flight: VecDeque<InFlightRequest<T>>,
}

/// Connections to all brokers; `T` says what a request was for.
#[derive(Clone, Debug)]
pub struct NetworkClient<T> {
    config: NetworkConfig,
    purpose: Purpose,
    nodes: Vec<NodeConnection<T>>,
    metadata: ClientMetadata,
    /// This client asks for metadata.
    keeps_metadata: bool,
    metadata_in_flight: bool,
    completed: VecDeque<ClientResponse<T>>,
    /// Nothing is overdue before this.
    nothing_overdue_before: Time,
    /// Keys of random draws.
    draws: u64,
}

impl<T: Copy> NetworkClient<T> {
    /// Not connected to anyone, knowing nothing. `partitions` counts those of all topics.
    pub fn new(config: NetworkConfig, purpose: Purpose, brokers: usize, partitions: usize) -> Self {
        let node = || NodeConnection {
            state: ConnectionState::Disconnected,
            last_attempt: None,
            failed_attempts: 0,
            reconnect_at: Time::ZERO,
            in_flight: VecDeque::new(),
        };
        NetworkClient {
            config,
            purpose,
            nodes: (0..brokers).map(|_| node()).collect(),
            metadata: ClientMetadata::new(brokers, partitions, config.metadata_max_age),
            keeps_metadata: true,
            metadata_in_flight: false,
            completed: VecDeque::new(),
            nothing_overdue_before: Time::NEVER,
            draws: 0,
        }
    }

    /// As [`NetworkClient::new`], but asking for no metadata: another one of its process does.
    pub fn without_metadata(config: NetworkConfig, purpose: Purpose, brokers: usize) -> Self {
        NetworkClient { keeps_metadata: false, ..NetworkClient::new(config, purpose, brokers, 0) }
    }

    /// What is known of the cluster.
    pub fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    /// What is known of the cluster, to say what the client works with.
    pub fn metadata_mut(&mut self) -> &mut ClientMetadata {
        &mut self.metadata
    }

    /// What is known of a partition.
    pub fn leader(&self, partition: PartitionId) -> KnownLeader {
        self.metadata.leader(partition)
    }

    /// How many changes of what is known of the cluster there were.
    pub fn metadata_updates(&self) -> u32 {
        self.metadata.updates()
    }

    /// Asks for metadata as soon as possible (`Metadata.requestUpdate`).
    pub fn request_update(&mut self) {
        self.metadata.request_update();
    }

    /// Learns of a leader from a response (KIP-951). Returns whether it was news.
    pub fn learn_leader(&mut self, partition: PartitionId, hint: Option<(BrokerId, LeaderEpoch)>) -> bool {
        hint.is_some_and(|(leader, leader_epoch)| {
            self.metadata.update_leader(partition, leader, leader_epoch)
        })
    }

    /// Whether a request may be sent now; begins to connect if there is no connection and the
    /// back-off allows. Metadata that are due go first: until then nothing is ready
    /// (`NetworkClient.isReady`).
    pub fn ready(&mut self, broker: BrokerId, out: &mut Out) -> bool {
        if self.is_ready(broker, out.now()) {
            return true;
        }
        if self.can_connect(broker, out.now()) {
            self.connect(broker, out);
        }
        false
    }

    /// Whether a request may be sent now.
    pub fn is_ready(&self, broker: BrokerId, now: Time) -> bool {
        !self.is_update_due(now) && self.can_send(broker)
    }

    /// Whether the connection is lost and must wait before it is tried again
    /// (`NetworkClient.connectionFailed`).
    pub fn connection_failed(&self, broker: BrokerId) -> bool {
        let node = &self.nodes[broker.index()];
        node.state == ConnectionState::Disconnected && node.last_attempt.is_some()
    }

    /// When a broker that is not connected may be tried again; none: it is connected, or nearly.
    pub fn retry_at(&self, broker: BrokerId) -> Option<Time> {
        let node = &self.nodes[broker.index()];
        (node.state == ConnectionState::Disconnected).then_some(node.reconnect_at)
    }

    /// The earliest instant at which some broker that is not connected may be tried again.
    pub fn next_reconnect(&self) -> Time {
        (0..self.nodes.len())
            .filter_map(|index| self.retry_at(BrokerId::from_index(index)))
            .min()
            .unwrap_or(Time::NEVER)
    }

    /// How many requests wait for their answer.
    pub fn in_flight(&self, broker: BrokerId) -> usize {
        self.nodes[broker.index()].in_flight.len()
    }

    /// Sends a request on a connection that is ready; its end comes out of [`Self::next_completed`].
    pub fn send(&mut self, broker: BrokerId, request: Request, context: T, out: &mut Out) -> MessageId {
        self.send_in_context(broker, request, Some(context), self.config.request_timeout, out)
    }

    /// As [`NetworkClient::send`], with a timeout of its own (JoinGroup).
    pub fn send_with_timeout(
        &mut self,
        broker: BrokerId,
        request: Request,
        context: T,
        timeout: Span,
        out: &mut Out,
    ) -> MessageId {
        self.send_in_context(broker, request, Some(context), timeout, out)
    }

    /// Sends a request that has no answer (`acks=0`) on a connection that is ready.
    pub fn send_without_answer(&mut self, broker: BrokerId, request: Request, out: &mut Out) -> MessageId {
        out.send(self.connection(broker), request)
    }

    /// Learns of an event. Returns whether it was about one of this client's connections.
    pub fn on_event(&mut self, event: NodeEvent, out: &mut Out) -> bool {
        match event {
            NodeEvent::Connected(connection) => {
                let Some(index) = self.find(connection) else { return false };
                let node = &mut self.nodes[index];
                node.state = ConnectionState::Ready(connection);
                node.failed_attempts = 0;
                true
            }
            NodeEvent::Disconnected(connection) => {
                let Some(index) = self.find(connection) else { return false };
                self.disconnected(index, ErrorCode::NetworkException, out);
                true
            }
            NodeEvent::Response { request_id, response } => {
                let Some(index) = self.find(request_id.connection) else { return false };
                let oldest = self.nodes[index].in_flight.front().map(|request| request.message);
                assert_eq!(oldest, Some(request_id.message), "responses come in the order of the requests");
                let request = self.nodes[index].in_flight.pop_front().expect("just seen");
                self.complete(index, request.context, Ok(response), out);
                true
            }
            NodeEvent::Request { .. } | NodeEvent::Timer(_) => false,
        }
    }

    /// The next request that has ended, in the order of ending.
    pub fn next_completed(&mut self) -> Option<ClientResponse<T>> {
        self.completed.pop_front()
    }

    /// The next instant at which this client has something to do by itself.
    pub fn next_deadline(&self) -> Time {
        let mut deadline = self.first_overdue();
        if self.keeps_metadata && !self.metadata_in_flight {
            let due = self.metadata.next_update();
            let mut brokers = self.metadata.brokers().iter();
            if brokers.any(|broker| self.can_send(broker)) {
                deadline = deadline.min(due);
            } else if let Some(at) = self.known_reconnect() {
                deadline = deadline.min(due.max(at));
            }
        }
        deadline
    }

    /// The broker to ask what any broker can answer: one that is idle, else the one with the fewest
    /// requests in flight, else one that is being connected to, else one that can be connected to;
    /// looked at in a circle from a random start (`NetworkClient.leastLoadedNode`).
    pub fn least_loaded(&mut self, out: &Out) -> Option<BrokerId> {
        let now = out.now();
        let Node::Client(client) = out.node else { unreachable!("only clients have this") };
        let brokers = self.metadata.brokers();
        self.draws += 1;
        let count = brokers.len() as u64;
        let start = out.random().below(count, stream::LEAST_LOADED_NODE, u64::from(client.0), self.draws);
        let mut ready: Option<(usize, BrokerId)> = None;
        let mut connecting = None;
        let mut connectable: Option<(Option<Time>, BrokerId)> = None;
        let after =
            |index: u64| brokers.iter().nth(((start + index) % count) as usize).expect("fewer than count");
        for broker in (0..count).map(after) {
            let node = &self.nodes[broker.index()];
            if self.can_send(broker) {
                let in_flight = node.in_flight.len();
                if in_flight == 0 {
                    return Some(broker);
                }
                if ready.is_none_or(|(fewest, _)| in_flight < fewest) {
                    ready = Some((in_flight, broker));
                }
            } else if matches!(node.state, ConnectionState::Connecting(_)) {
                connecting = Some(broker);
            } else if self.can_connect(broker, now)
                && connectable.is_none_or(|(earliest, _)| node.last_attempt < earliest)
            {
                connectable = Some((node.last_attempt, broker));
            }
        }
        ready.map(|(_, broker)| broker).or(connecting).or(connectable.map(|(_, broker)| broker))
    }

    /// Closes a connection; its requests end with NETWORK_EXCEPTION.
    pub fn disconnect(&mut self, broker: BrokerId, why: ConnectionEnd, out: &mut Out) {
        let index = broker.index();
        if let Some(connection) = self.open_connection(index) {
            out.close(connection, why);
            self.disconnected(index, ErrorCode::NetworkException, out);
        }
    }

    /// Closes everything; requests in flight are forgotten.
    pub fn close(&mut self, out: &mut Out) {
        for index in 0..self.nodes.len() {
            if let Some(connection) = self.open_connection(index) {
                out.close(connection, ConnectionEnd::Closed);
            }
            let node = &mut self.nodes[index];
            node.state = ConnectionState::Disconnected;
            node.in_flight.clear();
        }
        self.completed.clear();
        self.metadata_in_flight = false;
    }

    fn send_in_context(
        &mut self,
        broker: BrokerId,
        request: Request,
        context: Option<T>,
        timeout: Span,
        out: &mut Out,
    ) -> MessageId {
        let message = out.send(self.connection(broker), request);
        let request = InFlightRequest { message, context, sent_at: out.now(), timeout };
        self.nothing_overdue_before = self.nothing_overdue_before.min(request.overdue_at());
        self.nodes[broker.index()].in_flight.push_back(request);
        message
    }

    fn connection(&self, broker: BrokerId) -> ConnectionId {
        match self.nodes[broker.index()].state {
            ConnectionState::Ready(connection) => connection,
            _ => unreachable!("nothing is sent before the connection is ready"),
        }
    }

    fn open_connection(&self, index: usize) -> Option<ConnectionId> {
        match self.nodes[index].state {
            ConnectionState::Disconnected => None,
            ConnectionState::Connecting(connection) | ConnectionState::Ready(connection) => Some(connection),
        }
    }

    fn find(&self, connection: ConnectionId) -> Option<usize> {
        (0..self.nodes.len()).find(|index| self.open_connection(*index) == Some(connection))
    }

    fn can_send(&self, broker: BrokerId) -> bool {
        let node = &self.nodes[broker.index()];
        matches!(node.state, ConnectionState::Ready(_))
            && node.in_flight.len() < self.config.max_in_flight as usize
    }

    fn can_connect(&self, broker: BrokerId, now: Time) -> bool {
        let node = &self.nodes[broker.index()];
        node.state == ConnectionState::Disconnected && now >= node.reconnect_at
    }

    fn connect(&mut self, broker: BrokerId, out: &mut Out) {
        let connection = out.connect(Node::Broker(broker), self.purpose);
        let node = &mut self.nodes[broker.index()];
        node.state = ConnectionState::Connecting(connection);
        node.last_attempt = Some(out.now());
        self.nothing_overdue_before = self.nothing_overdue_before.min(self.overdue_at(out.now()));
    }

    fn overdue_at(&self, since: Time) -> Time {
        since + self.config.request_timeout + NOTICE
    }

    fn is_update_due(&self, now: Time) -> bool {
        self.keeps_metadata && !self.metadata_in_flight && self.metadata.next_update() <= now
    }

    /// When the first of the known brokers may be connected to, if none is or is being connected to.
    fn known_reconnect(&self) -> Option<Time> {
        let nodes = || self.metadata.brokers().iter().map(|broker| &self.nodes[broker.index()]);
        if nodes().any(|node| node.state != ConnectionState::Disconnected) {
            return None;
        }
        nodes().map(|node| node.reconnect_at).min()
    }

    /// Asks for metadata if it is time (`NetworkClient.DefaultMetadataUpdater`). Returns whether a request left:
    /// connections may be ready now that were not while it was due.
    pub fn maybe_update_metadata(&mut self, out: &mut Out) -> bool {
        if !self.is_update_due(out.now()) {
            return false;
        }
        let mut node = self.least_loaded(out);
        if node.is_none() && self.known_reconnect().is_some() {
            self.metadata.rebootstrap();
            node = self.least_loaded(out);
        }
        let Some(broker) = node else { return false };
        if self.can_send(broker) {
            self.metadata.request_sent(out.now());
            self.metadata_in_flight = true;
            self.send_in_context(broker, Request::Metadata, None, self.config.request_timeout, out);
            return true;
        }
        let connecting =
            |broker: BrokerId| matches!(self.nodes[broker.index()].state, ConnectionState::Connecting(_));
        if !self.metadata.brokers().iter().any(connecting) && self.can_connect(broker, out.now()) {
            self.connect(broker, out);
        }
        false
    }

    /// Gives up connections on which a request has waited longer than `request.timeout.ms`.
    pub fn expire(&mut self, out: &mut Out) {
        let now = out.now();
        if now < self.nothing_overdue_before {
            return;
        }
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let is_overdue = match node.state {
                ConnectionState::Connecting(_) => {
                    now >= self.overdue_at(node.last_attempt.expect("set on connecting"))
                }
                _ => node.in_flight.iter().any(|request| now >= request.overdue_at()),
            };
            if !is_overdue {
                continue;
            }
            for at in 0..self.nodes[index].in_flight.len() {
                let request = self.nodes[index].in_flight[at];
                if now >= request.overdue_at() {
                    out.emit_as_cause(Event::RequestTimedOut { message: request.message });
                }
            }
            let connection = self.open_connection(index).expect("it has something under way");
            out.close(connection, ConnectionEnd::TimedOut);
            self.disconnected(index, ErrorCode::RequestTimedOut, out);
        }
        self.nothing_overdue_before = self.first_overdue();
    }

    /// The earliest instant at which something that is under way now will have taken too long.
    fn first_overdue(&self) -> Time {
        let mut first = Time::NEVER;
        for node in &self.nodes {
            let (one, two) = node.in_flight.as_slices();
            for request in one.iter().chain(two) {
                first = first.min(request.overdue_at());
            }
            if let (ConnectionState::Connecting(_), Some(since)) = (node.state, node.last_attempt) {
                first = first.min(self.overdue_at(since));
            }
        }
        first
    }

    /// The connection is over: its requests fail, oldest first, and the metadata may be stale.
    fn disconnected(&mut self, index: usize, error: ErrorCode, out: &mut Out) {
        let now = out.now();
        self.draws += 1;
        let backoff = out.backoff(
            self.config.reconnect_backoff,
            self.config.reconnect_backoff_max,
            self.nodes[index].failed_attempts,
            (1 << 31, self.draws),
        );
        let node = &mut self.nodes[index];
        node.state = ConnectionState::Disconnected;
        node.failed_attempts += 1;
        node.last_attempt = Some(now);
        node.reconnect_at = now + backoff;
        self.metadata.request_update();
        while let Some(request) = self.nodes[index].in_flight.pop_front() {
            self.complete(index, request.context, Err(error), out);
        }
    }

    fn complete(
        &mut self,
        index: usize,
        context: Option<T>,
        result: Result<Response, ErrorCode>,
        out: &mut Out,
    ) {
        let broker = BrokerId::from_index(index);
        match context {
            Some(context) => {
                self.completed.push_back(ClientResponse { context, broker, result });
            }
            None => {
                self.metadata_in_flight = false;
                self.draws += 1;
                let (config, now, key) = (self.config, out.now(), (1 << 30, self.draws));
                let backoff = |times| out.backoff(config.retry_backoff, config.retry_backoff_max, times, key);
                match result {
                    Ok(Response::Metadata { version }) => {
                        let image = &out.stage.arenas.images[version as usize];
                        self.metadata.update(now, version, image, backoff);
                    }
                    _ => self.metadata.failed_update(now, backoff),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kafka::config::ClusterConfig;
    use crate::engine::kafka::network::RequestId;
    use crate::engine::kafka::out::Stage;
    use crate::engine::kafka::testing;

    const ME: Node = Node::Client(ClientId(0));
    const B1: BrokerId = BrokerId(1);

    struct Lab {
        stage: Stage,
        client: NetworkClient<u32>,
    }

    impl Lab {
        fn new(max_in_flight: u32) -> Lab {
            let config = NetworkConfig {
                request_timeout: Span::seconds(30),
                max_in_flight,
                reconnect_backoff: Span::millis(50),
                reconnect_backoff_max: Span::seconds(1),
                retry_backoff: Span::millis(100),
                retry_backoff_max: Span::seconds(1),
                metadata_max_age: Span::seconds(300),
            };
            let stage = testing::stage(testing::setup(ClusterConfig::default()));
            Lab { stage, client: NetworkClient::new(config, Purpose::Client, 3, 4) }
        }

        fn act<R>(&mut self, f: impl FnOnce(&mut NetworkClient<u32>, &mut Out) -> R) -> R {
            f(&mut self.client, &mut self.stage.out(ME, None))
        }

        fn last_connection(&self) -> ConnectionId {
            ConnectionId(self.stage.network.connections.len() as u32 - 1)
        }

        /// Connects to a broker, and gets metadata from it.
        fn connected(max_in_flight: u32) -> Lab {
            let mut lab = Lab::new(max_in_flight);
            assert!(!lab.act(|client, out| client.ready(B1, out)));
            lab.connect_last();
            lab.act(|client, out| client.maybe_update_metadata(out));
            lab.answer(0, Response::Metadata { version: 0 });
            lab
        }

        fn connect_last(&mut self) {
            let connection = self.last_connection();
            assert!(self.act(|client, out| client.on_event(NodeEvent::Connected(connection), out)));
        }

        fn send(&mut self, context: u32) -> MessageId {
            let request = Request::FindCoordinator {
                key: crate::engine::kafka::message::CoordinatorKey::Transaction(TransactionalId(0)),
            };
            self.act(|client, out| client.send(B1, request, context, out))
        }

        fn answer(&mut self, message: u32, response: Response) {
            let request_id = RequestId { connection: self.last_connection(), message: MessageId(message) };
            assert!(
                self.act(|client, out| client.on_event(NodeEvent::Response { request_id, response }, out))
            );
        }

        fn completed(&mut self) -> Vec<(u32, Option<ErrorCode>)> {
            std::iter::from_fn(|| self.client.next_completed())
                .map(|response| (response.context, response.result.err()))
                .collect()
        }
    }

    /// kafka-semantics 0.5 rule 3: all in flight fail, oldest first.
    #[test]
    fn a_lost_connection_fails_all_requests_oldest_first() {
        let mut lab = Lab::connected(5);
        for context in 1..=3 {
            lab.send(context);
        }
        let connection = lab.last_connection();
        lab.act(|client, out| client.on_event(NodeEvent::Disconnected(connection), out));
        let error = Some(ErrorCode::NetworkException);
        assert_eq!(lab.completed(), [(1, error), (2, error), (3, error)]);
        // kafka-semantics 0.5 rule 6: 50 ms with a jitter of a fifth.
        let wait = lab.client.retry_at(B1).expect("not connected").since(lab.stage.now);
        assert!((Span::millis(40)..Span::millis(60)).contains(&wait), "{wait}");
        assert!(!lab.act(|client, out| client.ready(B1, out)), "backs off");
    }

    /// kafka-semantics 0.5 rule 3: strictly more than request.timeout.ms, and then the whole connection.
    #[test]
    fn an_overdue_request_takes_its_connection_with_it() {
        let mut lab = Lab::connected(5);
        lab.send(1);
        lab.stage.now = Time::ZERO + Span::seconds(20);
        lab.send(2);
        lab.stage.now = Time::ZERO + Span::seconds(30);
        lab.act(|client, out| client.expire(out));
        assert_eq!(lab.completed(), []);
        lab.stage.now = lab.client.next_deadline();
        assert!(lab.stage.now > Time::ZERO + Span::seconds(30));
        lab.act(|client, out| client.expire(out));
        let error = Some(ErrorCode::RequestTimedOut);
        assert_eq!(lab.completed(), [(1, error), (2, error)]);
        let overdue = lab.stage.trace.entries().iter();
        assert_eq!(overdue.filter(|e| matches!(e.event, Event::RequestTimedOut { .. })).count(), 1);
    }

    /// kafka-semantics 0.5 rule 7: max.in.flight.requests.per.connection.
    #[test]
    fn no_more_requests_than_allowed_are_in_flight() {
        let mut lab = Lab::connected(2);
        assert!(lab.act(|client, out| client.ready(B1, out)));
        lab.send(1);
        assert!(lab.act(|client, out| client.ready(B1, out)));
        lab.send(2);
        assert!(!lab.act(|client, out| client.ready(B1, out)));
    }

    /// `ClusterConnectionStates`: the back-off doubles with each failed attempt, up to the maximum.
    #[test]
    fn reconnecting_backs_off_exponentially() {
        let mut lab = Lab::new(5);
        for term in [50, 100, 200, 400, 800, 1000, 1000] {
            assert!(!lab.act(|client, out| client.ready(B1, out)));
            let connection = lab.last_connection();
            lab.act(|client, out| client.on_event(NodeEvent::Disconnected(connection), out));
            let at = lab.client.retry_at(B1).expect("not connected");
            let wait = at.since(lab.stage.now).0;
            assert!((term * 800..=(term * 1200).min(1_000_000)).contains(&wait), "{term} ms: {wait}");
            lab.stage.now = at;
        }
    }

    /// `Metadata.updateLatestMetadata`: an older leader epoch is ignored, partition by partition.
    #[test]
    fn older_leader_epochs_are_ignored() {
        let partition = PartitionId::DEFAULT;
        type Told = (u8, LeaderEpoch);
        let rows: [(Option<Told>, Told, Told); 4] = [
            // hint (KIP-951), answer, what is known then
            (None, (2, 1), (2, 1)),
            (Some((3, 5)), (2, 4), (3, 5)),
            (Some((3, 5)), (2, 6), (2, 6)),
            (Some((3, 0)), (1, 0), (1, 0)),
        ];
        for (hint, answer, known) in rows {
            let mut lab = Lab::connected(5);
            lab.client.learn_leader(partition, hint.map(|(leader, epoch)| (BrokerId(leader), epoch)));
            let mut leaders = [(Some(B1), 0); 4];
            leaders[partition.index()] = (Some(BrokerId(answer.0)), answer.1);
            lab.stage.arenas.images.push(testing::image(leaders, &[1, 2, 3]));
            lab.client.request_update();
            lab.stage.now = lab.client.next_deadline();
            lab.act(|client, out| client.maybe_update_metadata(out));
            lab.answer(1, Response::Metadata { version: 1 });
            let expected = KnownLeader { leader: Some(BrokerId(known.0)), leader_epoch: known.1 };
            assert_eq!(lab.client.leader(partition), expected, "{hint:?} {answer:?}");
        }
    }

    /// `Metadata.timeToAllowUpdate`: no more than one request each `retry.backoff.ms`; nothing is
    /// ready while metadata are due (`NetworkClient.isReady`).
    #[test]
    fn metadata_requests_back_off_and_go_first() {
        let mut lab = Lab::connected(5);
        lab.client.request_update();
        assert!(lab.act(|client, out| client.ready(B1, out)), "the back-off still runs");
        lab.stage.now = lab.client.next_deadline();
        assert!((80..=120).contains(&Span(lab.stage.now.0).as_millis()), "{}", lab.stage.now);
        assert!(!lab.act(|client, out| client.ready(B1, out)), "metadata are due");
        lab.act(|client, out| client.maybe_update_metadata(out));
        assert!(lab.act(|client, out| client.ready(B1, out)));
    }
}
