//! What an actor may do: send, answer, set a timer, state a fact, end an application's call.
//!
//! [`Stage`] holds what all actors share (time, queue, network, randomness, trace); [`Out`] is one
//! actor's view of it while it handles one event.

use super::defect::{Defect, Defects};
use super::error::Exception;
use super::event::{Call, ConnectionEnd, Event};
use super::message::{Api, Request, Response};
use super::network::*;
use super::record::Arenas;
use super::types::*;
use crate::engine::ledger::Ledger;
use crate::engine::meter::Meter;
use crate::engine::notice::Notice;
use crate::engine::script::{ScriptLine, Setup, Trigger};
use crate::engine::sim::queue::EventQueue;
use crate::engine::sim::random::{Quantiles, Random};
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::{EntryId, Trace};
use std::sync::Arc;

/// What reaches an actor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NodeEvent {
    /// A connection that it opened is established.
    Connected(ConnectionId),
    /// A connection is over, at either end.
    Disconnected(ConnectionId),
    /// A request to answer, once, with [`Out::respond`] or [`Out::no_response`].
    Request {
        /// Where to answer.
        request_id: RequestId,
        /// Who asks.
        from: Node,
        /// What.
        request: Request,
    },
    /// The answer to a request that it sent.
    Response {
        /// Which one.
        request_id: RequestId,
        /// What.
        response: Response,
    },
    /// A timer that it set has run down. There is no cancelling: the actor checks whether it still matters.
    Timer(Timer),
}

/// The timers that actors set for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// A client's network thread looks around (`Sender.runOnce`, `ConsumerNetworkClient.poll`).
    Wake,
    /// A consumer's heartbeat thread looks around.
    HeartbeatThread,
    /// An application's program goes on.
    Program,
    /// A broker or the controller: everything of it that hangs on time has a variant here.
    Broker(BrokerTimer),
}

/// The timers of brokers and the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokerTimer {
    /// A replica fetcher tries again (`replica.fetch.backoff.ms`).
    FetchAgain(BrokerId),
    /// The fetch with the earliest deadline has waited `fetch.max.wait.ms` or `replica.fetch.wait.max.ms`.
    FetchWaitOver,
    /// What has the earliest deadline of all that waits for the high watermark has waited long enough.
    AppendWaitOver,
    /// Slow followers leave the ISR (every half `replica.lag.time.max.ms`).
    ShrinkIsr,
    /// `broker.heartbeat.interval.ms`
    Heartbeat,
    /// The registration or another controller request is tried again.
    ControllerRetry,
    /// `producer.id.expiration.check.interval.ms`
    ExpireProducerIds,
    /// `replica.high.watermark.checkpoint.interval.ms`
    CheckpointHighWatermarks,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    AbortTimedOutTransactions(LeaderEpoch),
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    ExpireTransactionalIds(LeaderEpoch),
    /// `offsets.retention.check.interval.ms`
    ExpireOffsets(LeaderEpoch),
    /// Markers are sent (again) to a broker.
    SendMarkers(BrokerId),
    /// AddPartitionsToTxn is tried again for a waiting request.
    VerifyAgain(RequestId),
    /// A group member's session may have run out.
    GroupSession(GroupId, MemberId),
    /// A group's rebalance has waited long enough.
    GroupRebalance(GroupId, i32),
    /// `offsets.commit.timeout.ms`
    OffsetsCommitTimeout,
    /// A coordinator has read the log of its internal topic.
    CoordinatorLoaded(PartitionId, LeaderEpoch),
    /// A metadata fetch has waited long enough.
    MetadataWaitOver(BrokerId),
    /// The controller: a broker's session may have run out.
    BrokerSession(BrokerId),
    /// The controller: `unclean.leader.election.interval.ms`
    UncleanElections,
    /// The controller: `leader.imbalance.check.interval.seconds`
    PreferredElections,
    /// A controlled shutdown has done its work.
    ShutDown,
}

/// Names an application's call of its client, so that its end is told to whoever waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u32);

/// The end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Whose client.
    pub client: ClientId,
    /// Which call.
    pub call_id: CallId,
    /// What was called.
    pub call: Call,
    /// What it threw.
    pub exception: Option<Exception>,
}

/// What is pending in the event queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pending {
    pub what: What,
    pub cause: Option<EntryId>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    /// The head of a direction may have arrived.
    Arrive(ConnectionId, Direction),
    /// The server takes up the next request.
    TakeUp(ConnectionId),
    Connected(ConnectionId),
    Disconnected(ConnectionId, Node, ConnectionEnd),
    /// A timer of a process: the number tells it from the node's earlier processes.
    Timer(Node, u32, Timer),
    /// The script or a program goes on: the task's number.
    Task(u32),
    /// An application's program goes on, in the life that set this instant.
    Program(ApplicationId, u32),
}

/// What all actors share.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What the run starts from.
    pub setup: Arc<Setup>,
    /// Now.
    pub now: Time,
    /// The lists inside messages and logs; the cluster's metadata.
    pub arenas: Arenas,
    /// All luck.
    pub random: Random,
    /// What became of each record.
    pub ledger: Ledger,
    /// The trace.
    pub trace: Trace<Node, Event>,
    /// What is measured on the way; none unless asked for.
    pub meter: Option<Box<Meter>>,
    /// What a search notices on the way; nothing unless asked to.
    pub(crate) notice: Notice,
    pub(crate) queue: EventQueue<Pending>,
    pub(crate) network: Network,
    pub(crate) completions: Vec<Completion>,
    /// How often each broker's process has ended: timers of an earlier process mean nothing.
    pub(crate) broker_processes: [u32; BROKERS_MAX],
    /// What is broken on purpose, in tests of tests.
    pub defects: Defects,
    /// Client messages are choice points (see `World::run_to_choice`).
    pub(crate) asks: bool,
    /// The message that waits for a decision.
    pub(crate) asked: Option<(ConnectionId, Direction)>,
    /// Something has happened that may have been the last thing that programs had to do.
    pub(crate) programs_may_rest: bool,
    /// Steps wait for responses of clients to be written.
    watches_responses: bool,
    /// The responses written since, for those steps.
    pub(crate) written: Vec<(ClientId, Api, u32)>,
}

/// Streams of random draws: what a draw is for.
pub mod stream {
    #![allow(missing_docs, reason = "the names say what is drawn")]
    pub const REQUEST_LATENCY: u32 = 1;
    pub const RESPONSE_LATENCY: u32 = 2;
    pub const HANDLING: u32 = 3;
    pub const BACKOFF: u32 = 4;
    pub const LEAST_LOADED_NODE: u32 = 5;
    pub const PARTITIONER: u32 = 6;
    pub const RECONNECT_BACKOFF: u32 = 7;
    pub const BROKER_START: u32 = 8;
}

/// One way through the network, in microseconds.
const LATENCY: Quantiles =
    Quantiles::new([380, 420, 450, 470, 490, 510, 530, 550, 570, 600, 630, 670, 720, 790, 900, 1100, 1600]);

/// From the arrival of a request to its taking up, in microseconds.
const HANDLING: Quantiles =
    Quantiles::new([120, 130, 140, 150, 155, 160, 165, 170, 180, 190, 200, 215, 235, 260, 300, 380, 600]);

impl Stage {
    /// The stage at the start of a run.
    pub fn new(setup: Arc<Setup>, trace_on: bool) -> Stage {
        Stage {
            now: Time::ZERO,
            arenas: Arenas::default(),
            random: Random::new(setup.seed),
            ledger: Ledger::new(&setup),
            trace: Trace::new(trace_on),
            meter: None,
            notice: Notice::default(),
            queue: EventQueue::default(),
            network: Network::default(),
            completions: Vec::new(),
            broker_processes: [0; BROKERS_MAX],
            defects: Defects::default(),
            asks: false,
            asked: None,
            programs_may_rest: true,
            watches_responses: has_response_triggers(&setup),
            written: Vec::new(),
            setup,
        }
    }

    /// Goes back to the start of a run of the setup, as it is by now, and keeps the room that the last run took.
    pub(crate) fn renew(&mut self) {
        // All fields by name, so that none is forgotten.
        let Stage {
            setup,
            now,
            arenas,
            random,
            ledger,
            trace,
            meter: _,
            notice,
            // A broken cluster stays broken.
            defects: _,
            queue,
            network,
            completions,
            broker_processes,
            asks,
            asked,
            programs_may_rest,
            watches_responses,
            written,
        } = self;
        *now = Time::ZERO;
        arenas.clear();
        *random = Random::new(setup.seed);
        ledger.begin(setup.records.len());
        *trace = Trace::new(trace.is_on());
        *notice = Notice::default();
        queue.clear();
        network.clear();
        completions.clear();
        *broker_processes = [0; BROKERS_MAX];
        *asks = false;
        *asked = None;
        *programs_may_rest = true;
        *watches_responses = has_response_triggers(setup);
        written.clear();
    }

    /// An actor's view while it handles an event that `cause` made happen.
    pub fn out(&mut self, node: Node, cause: Option<EntryId>) -> Out<'_> {
        Out { stage: self, node, cause }
    }

    /// States a fact: the ledger learns of it, and meter and trace if they are on.
    #[inline(always)]
    pub fn emit(&mut self, node: Node, cause: Option<EntryId>, event: Event) -> Option<EntryId> {
        if Ledger::concerns(&event) {
            self.ledger.observe(node, self.now, &event);
        }
        self.programs_may_rest |= !event.is_traffic();
        if Meter::concerns(&event)
            && let Some(meter) = &mut self.meter
        {
            meter.observe(node, self.now, &event, &self.arenas);
        }
        if Notice::concerns(&event) && self.notice.on {
            self.notice.observe(node, &event, &self.arenas);
        }
        self.trace.push(self.now, node, cause, event)
    }

    /// Which process of a node runs now.
    pub(crate) fn process(&self, node: Node) -> u32 {
        match node {
            Node::Broker(broker) => self.broker_processes[broker.index()],
            Node::Controller | Node::Client(_) | Node::Script => 0,
        }
    }

    pub(crate) fn push(&mut self, at: Time, cause: Option<EntryId>, what: What) {
        self.queue.push(at.max(self.now), Pending { what, cause });
    }
}

/// Whether steps wait for responses of clients to be written.
fn has_response_triggers(setup: &Setup) -> bool {
    let waits =
        |line: &ScriptLine| matches!(line.trigger, Trigger::Message { direction: Direction::Response, .. });
    setup.script.iter().any(waits)
}

/// One actor's view of the stage.
pub struct Out<'a> {
    /// What all share.
    pub stage: &'a mut Stage,
    /// Who acts.
    pub node: Node,
    /// What made this happen; facts stated and messages sent from here carry it.
    pub cause: Option<EntryId>,
}

impl Out<'_> {
    /// Now.
    pub fn now(&self) -> Time {
        self.stage.now
    }

    /// What the run starts from.
    pub fn setup(&self) -> Arc<Setup> {
        self.stage.setup.clone()
    }

    /// The lists inside messages and logs.
    pub fn arenas(&mut self) -> &mut Arenas {
        &mut self.stage.arenas
    }

    /// All luck.
    pub fn random(&self) -> Random {
        self.stage.random
    }

    /// States a fact about this actor.
    #[inline(always)]
    pub fn emit(&mut self, event: Event) -> Option<EntryId> {
        self.stage.emit(self.node, self.cause, event)
    }

    /// States a fact that causes what follows in this handling.
    #[inline(always)]
    pub fn emit_as_cause(&mut self, event: Event) {
        if let Some(entry) = self.emit(event) {
            self.cause = Some(entry);
        }
    }

    /// Has [`NodeEvent::Timer`] delivered at an instant.
    pub fn timer(&mut self, at: Time, timer: Timer) {
        let process = self.stage.process(self.node);
        self.stage.push(at, self.cause, What::Timer(self.node, process, timer));
    }

    /// Opens a connection. [`NodeEvent::Connected`] or [`NodeEvent::Disconnected`] (nobody there) follows.
    pub fn connect(&mut self, to: Node, purpose: Purpose) -> ConnectionId {
        let id = ConnectionId(self.stage.network.connections.len() as u32);
        let now = self.stage.now;
        self.stage.network.open(self.node, to, purpose, now);
        let round_trip = self.latency(stream::REQUEST_LATENCY, id, u64::MAX)
            + self.latency(stream::RESPONSE_LATENCY, id, u64::MAX);
        let what = if self.stage.network.refuses(to) {
            What::Disconnected(id, self.node, ConnectionEnd::PeerGone)
        } else {
            self.emit(Event::ConnectionOpened { connection: id, to });
            What::Connected(id)
        };
        self.stage.push(now + round_trip, self.cause, what);
        id
    }

    /// Sends a request and returns its name. Nothing is sent on a connection that this end has closed
    /// or knows to be over.
    pub fn send(&mut self, connection: ConnectionId, request: Request) -> MessageId {
        let api = request.api();
        let message = MessageId(self.stage.network.messages);
        self.stage.network.messages += 1;
        let number = self.stage.network.count_request(self.node, api);
        let to = self.stage.network.connection(connection).to;
        let sent = self.emit(Event::RequestSent { message, connection, to, number, request });
        let latency = self.latency(stream::REQUEST_LATENCY, connection, u64::from(message.0));
        self.stage.network.connection(connection).open_requests.push_back(OpenRequest {
            message,
            api,
            number,
        });
        self.push_frame(
            connection,
            Direction::Request,
            latency,
            message,
            Content::Request(request),
            api,
            number,
            sent,
        );
        // A fault may wait for so many requests to be written.
        if let Node::Client(client) = self.node {
            self.recheck_holds(client, api);
        }
        message
    }

    /// Answers a request that this actor took up. On a connection that is over the answer goes nowhere.
    pub fn respond(&mut self, request_id: RequestId, response: Response) {
        let RequestId { connection, message } = request_id;
        let to = self.stage.network.connection(connection).from;
        if !self.stage.network.connection(connection).server_open {
            return;
        }
        let sent = self.emit(Event::ResponseSent { message, to, response });
        let state = self.stage.network.connection(connection);
        let Some(index) = state.open_requests.iter().position(|open| open.message == message) else { return };
        let open = state.open_requests.remove(index).expect("just found");
        let now = self.stage.now;
        if state.reset_at <= now {
            // The attempt to answer ends the connection, and what was not taken up yet is discarded
            // (kafka-semantics 0.5, rule 4).
            self.lose_unread(connection);
            self.stage.network.connection(connection).server_open = false;
            let what = What::Disconnected(connection, self.node, ConnectionEnd::Closed);
            self.stage.push(now, self.cause, what);
            return;
        }
        let is_kept_back = state.responses.front().is_some_and(|frame| frame.held)
            || self.stage.network.verdict(connection, Direction::Response, open.api, open.number)
                == Verdict::Hold;
        let state = self.stage.network.connection(connection);
        if !state.client_open && !is_kept_back {
            state.note_unheard(now);
        }
        if self.stage.watches_responses
            && let Node::Client(client) = to
        {
            self.stage.written.push((client, open.api, open.number));
        }
        let latency = self.latency(stream::RESPONSE_LATENCY, connection, u64::from(message.0));
        let content = Content::Response(response);
        self.push_frame(
            connection,
            Direction::Response,
            latency,
            message,
            content,
            open.api,
            open.number,
            sent,
        );
        self.take_up_next(connection);
    }

    /// Ends the handling of a request that asks for no answer (`acks=0`).
    pub fn no_response(&mut self, request_id: RequestId) {
        let state = self.stage.network.connection(request_id.connection);
        state.open_requests.retain(|open| open.message != request_id.message);
        if state.server_open {
            self.take_up_next(request_id.connection);
        }
    }

    /// Closes this actor's end. A client's earlier requests are still delivered; a server's unread
    /// ones are discarded (kafka-semantics 0.5, rules 4 and 5).
    pub fn close(&mut self, connection: ConnectionId, why: ConnectionEnd) {
        let node = self.node;
        let now = self.stage.now;
        let state = self.stage.network.connection(connection);
        if state.from == node {
            if !state.client_open {
                return;
            }
            state.client_open = false;
            self.emit(Event::ConnectionEnded { connection, why });
            if self.stage.network.connection(connection).server_open {
                let latency = self.latency(stream::REQUEST_LATENCY, connection, u64::MAX - 1);
                let message = MessageId(u32::MAX);
                self.push_frame(
                    connection,
                    Direction::Request,
                    latency,
                    message,
                    Content::End,
                    Api::Metadata,
                    0,
                    None,
                );
            }
        } else if state.server_open {
            state.server_open = false;
            let client = state.from;
            self.emit(Event::ConnectionEnded { connection, why });
            self.lose_unread(connection);
            // What was written before the close still arrives first.
            let arrives = self.stage.network.connection(connection).last_arrival[1].max(now);
            let latency = self.latency(stream::RESPONSE_LATENCY, connection, u64::MAX - 1);
            self.stage.push(
                arrives + latency,
                self.cause,
                What::Disconnected(connection, client, ConnectionEnd::Closed),
            );
        }
    }

    /// Tells whoever waits that an application's call has ended.
    pub fn complete(&mut self, call_id: CallId, call: Call, exception: Option<Exception>) {
        let Node::Client(client) = self.node else { unreachable!("only clients have calls") };
        self.emit(Event::CallReturned { call, exception });
        self.stage.completions.push(Completion { client, call_id, call, exception });
    }

    /// Exponential back-off with jitter: `base`, doubled `times` times, at most `max`, times 0.8 to 1.2
    /// (`ExponentialBackoff`; kafka-semantics 0.6). The key names the draw.
    pub fn backoff(&self, base: Span, max: Span, times: u32, key: (u64, u64)) -> Span {
        if base >= max {
            return max;
        }
        let term = base.0.saturating_mul(1 << times.min(32)).min(max.0);
        let Node::Client(client) = self.node else { return Span(term) };
        let jitter =
            800 + self.stage.random.below(400, stream::BACKOFF, u64::from(client.0) << 32 | key.0, key.1);
        Span((term * jitter / 1000).min(max.0))
    }

    fn latency(&self, stream: u32, connection: ConnectionId, key: u64) -> Span {
        self.stage.random.span(&LATENCY, stream, u64::from(connection.0), key)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one frame")]
    fn push_frame(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        latency: Span,
        message: MessageId,
        content: Content,
        api: Api,
        number: u32,
        sent: Option<EntryId>,
    ) {
        let earliest = self.stage.now + latency;
        let state = self.stage.network.connection(connection);
        let arrives = earliest.max(state.last_arrival[direction as usize]);
        state.last_arrival[direction as usize] = arrives;
        let frame = Frame { message, content, number, api, arrives, sent, held: false, decided: false };
        state.frames(direction).push_back(frame);
        self.stage.push(arrives, sent.or(self.cause), What::Arrive(connection, direction));
    }

    fn recheck_holds(&mut self, client: ClientId, api: Api) {
        let waiting =
            self.stage.network.faults.iter().any(|active| {
                active.client == client && active.fault.api == api && active.fault.after.is_some()
            });
        if waiting {
            self.stage.recheck();
        }
    }

    /// The serving end goes on with the next request, if there is one.
    fn take_up_next(&mut self, connection: ConnectionId) {
        self.stage.network.connection(connection).busy = false;
        self.stage.schedule_take_up(connection);
    }

    /// What the server has not taken up is lost.
    fn lose_unread(&mut self, connection: ConnectionId) {
        self.stage.lose(connection, Direction::Request);
    }
}

impl Stage {
    /// Frames that were kept back may pass now.
    pub(crate) fn recheck(&mut self) {
        for index in 0..self.network.connections.len() {
            let id = ConnectionId(index as u32);
            for direction in [Direction::Request, Direction::Response] {
                if self.network.connection(id).frames(direction).front().is_some_and(|frame| frame.held) {
                    self.push(self.now, None, What::Arrive(id, direction));
                }
            }
        }
        // What was written on older connections comes first.
        for connection in std::mem::take(&mut self.network.handshakes) {
            self.push(self.now, None, What::Connected(connection));
        }
    }

    pub(crate) fn schedule_take_up(&mut self, connection: ConnectionId) {
        let (now, random) = (self.now, self.random);
        let state = self.network.connection(connection);
        if state.busy || !state.server_open {
            return;
        }
        let Some(frame) = state.inbox.front() else {
            if state.end_received {
                state.server_open = false;
                let to = state.to;
                self.push(now, None, What::Disconnected(connection, to, ConnectionEnd::Closed));
            }
            return;
        };
        let (message, cause) = (frame.message, frame.sent);
        state.busy = true;
        let handling =
            random.span(&HANDLING, stream::HANDLING, u64::from(connection.0), u64::from(message.0));
        self.push(now + handling, cause, What::TakeUp(connection));
    }

    /// Loses what is under way in a direction; for requests also what the server has read but not
    /// taken up.
    pub(crate) fn lose(&mut self, connection: ConnectionId, direction: Direction) {
        let from = self.network.connection(connection).from;
        let mut lost = std::mem::take(self.network.connection(connection).frames(direction));
        if direction == Direction::Request {
            let mut inbox = std::mem::take(&mut self.network.connection(connection).inbox);
            let arrived = inbox.len();
            for (place, frame) in inbox.drain(..).chain(lost.drain(..)).enumerate() {
                if frame.content != Content::End {
                    let (message, arrived) = (frame.message, place < arrived);
                    self.emit(from, frame.sent, Event::MessageLost { message, direction, arrived });
                }
            }
            self.network.connection(connection).inbox = inbox;
        } else {
            for frame in lost.drain(..) {
                let message = frame.message;
                self.emit(from, frame.sent, Event::MessageLost { message, direction, arrived: false });
            }
        }
        *self.network.connection(connection).frames(direction) = lost;
    }

    /// Cuts a connection: a reset for both ends. What is under way is lost, both ways. What has arrived in the
    /// server's socket can still be read there, request after request, until an answer has to be written.
    pub(crate) fn cut(&mut self, connection: ConnectionId, why: ConnectionEnd, cause: Option<EntryId>) {
        let state = self.network.connection(connection);
        let (from, to) = (state.from, state.to);
        let (client_open, server_open) = (state.client_open, state.server_open);
        if !client_open && !server_open {
            return;
        }
        let server_gone = self.network.is_gone(to);
        let state = self.network.connection(connection);
        if server_gone {
            state.server_open = false;
            self.lose(connection, Direction::Request);
        } else {
            let mut lost = std::mem::take(&mut state.requests);
            for frame in lost.drain(..) {
                if frame.content != Content::End {
                    let message = frame.message;
                    self.emit(
                        from,
                        frame.sent,
                        Event::MessageLost { message, direction: Direction::Request, arrived: false },
                    );
                }
            }
            self.network.connection(connection).requests = lost;
        }
        self.lose(connection, Direction::Response);
        let now = self.now;
        // Each end notices a little later; an end whose process is gone notices nothing.
        let notice = Span::micros(100);
        if client_open && !self.network.is_gone(from) {
            self.push(self.now + notice, cause, What::Disconnected(connection, from, why));
        } else {
            self.network.connection(connection).client_open = false;
        }
        let state = self.network.connection(connection);
        if server_open && !server_gone {
            state.end_received = true;
            state.reset_at = state.reset_at.min(now);
            if state.inbox.is_empty() && !state.busy {
                state.server_open = false;
                self.push(self.now + notice, cause, What::Disconnected(connection, to, why));
            }
        }
    }

    /// What is due on a connection moves on: to the server's inbox, or to the client. Returns the event for
    /// an actor, if there is one.
    pub(crate) fn arrive(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
    ) -> Option<(Node, NodeEvent, Option<EntryId>)> {
        loop {
            let now = self.now;
            let state = self.network.connection(connection);
            let (from, to) = (state.from, state.to);
            // Frames are large: only these of its fields are copied before it moves on.
            let &Frame { message, ref content, number, api, arrives, sent, held, decided } =
                state.frames(direction).front()?;
            if arrives > now {
                return None;
            }
            let is_end = matches!(content, Content::End);
            let verdict = self.network.verdict(connection, direction, api, number);
            // The environment decides on what would pass; what is held is decided on when it is let go.
            if self.asks && verdict == Verdict::Pass && !decided && !is_end && matches!(from, Node::Client(_))
            {
                self.asked = Some((connection, direction));
                return None;
            }
            match verdict {
                Verdict::Hold => {
                    if !held {
                        self.network.connection(connection).frames(direction)[0].held = true;
                        self.emit(from, sent, Event::MessageHeld { message, direction });
                    }
                    return None;
                }
                Verdict::Cut if !is_end => {
                    self.cut(connection, ConnectionEnd::Cut, sent);
                    return None;
                }
                Verdict::Cut | Verdict::Pass => {}
            }
            let mut cause = sent;
            if held && !is_end {
                cause = self.emit(from, sent, Event::MessageReleased { message, direction });
            }
            let state = self.network.connection(connection);
            let frame = state.frames(direction).pop_front()?;
            match frame.content {
                Content::Request(_) => {
                    if !state.server_open {
                        self.emit(from, cause, Event::MessageLost { message, direction, arrived: false });
                        continue;
                    }
                    state.inbox.push_back(frame);
                    self.schedule_take_up(connection);
                }
                Content::End => {
                    state.end_received = true;
                    if state.inbox.is_empty() && !state.busy && state.server_open {
                        state.server_open = false;
                        return Some((to, NodeEvent::Disconnected(connection), cause));
                    }
                }
                Content::Response(response) => {
                    if !state.client_open {
                        if held {
                            state.note_unheard(now);
                        }
                        let meets_reset = state.reset_at <= now;
                        self.emit(from, cause, Event::MessageLost { message, direction, arrived: false });
                        if meets_reset {
                            self.cut(connection, ConnectionEnd::Closed, cause);
                        }
                        continue;
                    }
                    // Whatever is behind it comes with its own event.
                    let is_next_due = state.frames(direction).front().is_some_and(|next| next.arrives <= now);
                    let request_id = RequestId { connection, message };
                    let read = self.emit(from, cause, Event::ResponseReceived { message, from: to });
                    if is_next_due {
                        self.push(now, None, What::Arrive(connection, direction));
                    }
                    return Some((from, NodeEvent::Response { request_id, response }, read.or(cause)));
                }
            }
        }
    }

    /// The server takes up the next request of a connection.
    pub(crate) fn take_up(&mut self, connection: ConnectionId) -> Option<(Node, NodeEvent, Option<EntryId>)> {
        let defects = self.defects;
        let state = self.network.connection(connection);
        let (from, to) = (state.from, state.to);
        if !state.server_open {
            state.busy = false;
            return None;
        }
        let next = if defects.has(Defect::TakesUpLastFirst) {
            state.inbox.pop_back()
        } else {
            state.inbox.pop_front()
        };
        let Some(frame) = next else {
            state.busy = false;
            return None;
        };
        let Content::Request(request) = frame.content else { unreachable!("only requests are read") };
        let message = frame.message;
        let taken = self.emit(to, frame.sent, Event::RequestReceived { message, from });
        let request_id = RequestId { connection, message };
        Some((to, NodeEvent::Request { request_id, from, request }, taken.or(frame.sent)))
    }
}
