//! Connections: reliable first-in-first-out byte streams between two processes (kafka-semantics 0.5).
//!
//! A single message never vanishes. A connection can be *cut* (reset: what the peer has not taken up
//! is lost, in both directions), can be *held* (nothing passes, nothing is closed), or ends with the
//! process at one end. The serving end takes up one request at a time: the next one only after the
//! response to the one before was written (`SocketServer`'s muting), so pipelining pipelines bytes.

use super::message::{Api, Request, Response};
use super::types::*;
use crate::engine::script::{FaultEffect, MessageFault};
use crate::engine::sim::time::{Span, Time};
use crate::engine::sim::trace::EntryId;
use std::collections::VecDeque;

/// One connection, over its whole life. Numbered in the order of opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

/// A request and its response. Numbered in the order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

/// A request that a server has taken up and has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// Where the answer goes.
    pub connection: ConnectionId,
    /// What it answers.
    pub message: MessageId,
}

/// What a connection is for: processes keep separate connections for separate jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// A producer's or consumer's requests to a broker.
    Client,
    /// A consumer's requests to its group coordinator (Kafka gives it a connection of its own).
    Coordination,
    /// A replica's fetches from a leader.
    Replication,
    /// A partition leader's AddPartitionsToTxn to the transaction coordinator.
    Verification,
    /// A transaction coordinator's WriteTxnMarkers.
    Markers,
    /// A broker's heartbeats and registration.
    Heartbeats,
    /// A broker's AlterPartition requests.
    Isr,
    /// A broker's metadata fetches.
    MetadataLog,
}

/// A set of connections, as a script names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkEnds {
    /// `P->B1`, `P->*`: a client's connections to a broker, or to all.
    Client(ApplicationId, Option<BrokerId>),
    /// `B2->B1`: the replica fetches of the first from the second.
    Replication {
        /// Who fetches.
        follower: BrokerId,
        /// From whom.
        leader: BrokerId,
    },
    /// `B1->controller`
    Controller(BrokerId),
}

/// A link as it is in force: an application's link means the client instance that it had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub ends: LinkEnds,
    pub client: Option<ClientId>,
}

impl Link {
    fn matches(&self, connection: &Connection) -> bool {
        match self.ends {
            LinkEnds::Client(_, broker) => {
                Some(connection.from) == self.client.map(Node::Client)
                    && broker.is_none_or(|broker| connection.to == Node::Broker(broker))
            }
            LinkEnds::Replication { follower, leader } => {
                connection.purpose == Purpose::Replication
                    && connection.from == Node::Broker(follower)
                    && connection.to == Node::Broker(leader)
            }
            LinkEnds::Controller(broker) => {
                connection.from == Node::Broker(broker) && connection.to == Node::Controller
            }
        }
    }
}

/// A message fault as it is in force, bound to the client instance that the application had then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActiveFault {
    pub fault: MessageFault,
    pub client: ClientId,
}

/// A message on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub message: MessageId,
    pub content: Content,
    /// Which of this client's requests of this kind, from 1.
    pub number: u32,
    pub api: Api,
    /// When it reaches the other end, if nothing keeps it back.
    pub arrives: Time,
    /// The trace entry of its sending.
    pub sent: Option<EntryId>,
    /// A fault keeps it back.
    pub held: bool,
    /// The environment has been asked about it.
    pub decided: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Request(Request),
    Response(Response),
    /// The client has closed its end.
    End,
}

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    /// Who opened it.
    pub from: Node,
    /// Who serves it.
    pub to: Node,
    pub purpose: Purpose,
    pub client_open: bool,
    pub server_open: bool,
    pub requests: VecDeque<Frame>,
    pub responses: VecDeque<Frame>,
    /// Read from the network by the server, not yet taken up.
    pub inbox: VecDeque<Frame>,
    /// The server is busy with a request of this connection.
    pub busy: bool,
    /// The client's end has closed, as the server knows.
    pub end_received: bool,
    /// It was reset: from this instant on the server's attempts to write fail.
    pub reset_at: Time,
    /// Answers to a client that has closed its end. Its system answers the first with a reset, which the second
    /// meets and the server hears of.
    pub unheard: u32,
    /// No frame of a direction may overtake the one before it.
    pub last_arrival: [Time; 2],
    /// Api, number and sending entry of requests that have no answer yet.
    pub open_requests: VecDeque<OpenRequest>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenRequest {
    pub message: MessageId,
    pub api: Api,
    pub number: u32,
}

/// From the second answer that nobody hears to the reset that the server gets for it.
const RESET_NOTICE: Span = Span::micros(250);

impl Connection {
    /// One more answer to a client that has closed its end.
    pub fn note_unheard(&mut self, now: Time) {
        self.unheard += 1;
        if self.unheard == 2 {
            self.reset_at = self.reset_at.min(now + RESET_NOTICE);
        }
    }

    pub fn frames(&mut self, direction: Direction) -> &mut VecDeque<Frame> {
        match direction {
            Direction::Request => &mut self.requests,
            Direction::Response => &mut self.responses,
        }
    }
}

/// What the environment does to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Cut,
    Hold,
}

/// All connections of a run, and the faults in force.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub(crate) connections: Vec<Connection>,
    /// Of an earlier run: their room is used again.
    spare: Vec<Connection>,
    pub(crate) messages: u32,
    /// How many requests of a kind a client instance has written: by client, then by `Api`.
    pub(crate) counts: Vec<[u32; Api::ALL.len()]>,
    pub(crate) held_links: Vec<Link>,
    pub(crate) faults: Vec<ActiveFault>,
    /// Frozen processes: their connections stay open and nothing is taken up.
    pub(crate) paused: Vec<Node>,
    /// Processes that are not there: connections to them are refused.
    pub(crate) gone: Vec<Node>,
    /// Brokers that start and do not listen yet: connections to them are refused as well.
    pub(crate) starting: Vec<Node>,
    /// Connections on held links whose ApiVersions was not answered.
    pub(crate) handshakes: Vec<ConnectionId>,
}

impl Network {
    /// Forgets everything and keeps the room for it.
    pub(crate) fn clear(&mut self) {
        let Network {
            connections,
            spare,
            messages,
            counts,
            held_links,
            faults,
            paused,
            gone,
            starting,
            handshakes,
        } = self;
        spare.append(connections);
        *messages = 0;
        counts.clear();
        held_links.clear();
        faults.clear();
        paused.clear();
        gone.clear();
        starting.clear();
        handshakes.clear();
    }

    /// Adds a connection that begins to open.
    pub(crate) fn open(&mut self, from: Node, to: Node, purpose: Purpose, now: Time) {
        let mut connection = self.spare.pop().unwrap_or_else(|| Connection {
            from,
            to,
            purpose,
            client_open: true,
            server_open: true,
            requests: VecDeque::new(),
            responses: VecDeque::new(),
            inbox: VecDeque::new(),
            busy: false,
            end_received: false,
            reset_at: Time::NEVER,
            unheard: 0,
            last_arrival: [now; 2],
            open_requests: VecDeque::new(),
        });
        connection.requests.clear();
        connection.responses.clear();
        connection.inbox.clear();
        connection.open_requests.clear();
        let server_open = !self.refuses(to);
        connection = Connection {
            from,
            to,
            purpose,
            client_open: true,
            server_open,
            busy: false,
            end_received: false,
            reset_at: Time::NEVER,
            unheard: 0,
            last_arrival: [now; 2],
            ..connection
        };
        self.connections.push(connection);
    }

    pub(crate) fn connection(&mut self, id: ConnectionId) -> &mut Connection {
        &mut self.connections[id.0 as usize]
    }

    /// How many requests of a kind a client instance has written.
    pub(crate) fn count(&self, client: ClientId, api: Api) -> u32 {
        self.counts.get(usize::from(client.0)).map_or(0, |counts| counts[api as usize])
    }

    /// Counts a request and returns its number, from 1.
    pub(crate) fn count_request(&mut self, node: Node, api: Api) -> u32 {
        let Node::Client(client) = node else { return 0 };
        let index = usize::from(client.0);
        if self.counts.len() <= index {
            self.counts.resize(index + 1, [0; Api::ALL.len()]);
        }
        self.counts[index][api as usize] += 1;
        self.counts[index][api as usize]
    }

    /// What the faults in force say of a frame. The first rule that objects decides.
    pub(crate) fn verdict(&self, id: ConnectionId, direction: Direction, api: Api, number: u32) -> Verdict {
        if self.held_links.is_empty() && self.faults.is_empty() {
            return Verdict::Pass;
        }
        if self.is_held(id) {
            return Verdict::Hold;
        }
        let connection = &self.connections[id.0 as usize];
        let Node::Client(client) = connection.from else { return Verdict::Pass };
        for active in &self.faults {
            let fault = &active.fault;
            let concerns = active.client == client
                && fault.api == api
                && fault.direction == direction
                && (fault.from..=fault.to).contains(&number);
            if !concerns {
                continue;
            }
            let written_enough = fault.after.is_none_or(|after| self.count(client, api) >= after);
            match (fault.effect, written_enough) {
                (_, false) => return Verdict::Hold,
                (FaultEffect::Cut, true) => return Verdict::Cut,
                (FaultEffect::Hold, true) if fault.after.is_none() => return Verdict::Hold,
                (FaultEffect::Hold, true) => {}
            }
        }
        Verdict::Pass
    }

    /// Whether a held link keeps back everything on a connection.
    pub(crate) fn is_held(&self, id: ConnectionId) -> bool {
        let connection = &self.connections[id.0 as usize];
        self.held_links.iter().any(|link| link.matches(connection))
    }

    pub(crate) fn is_paused(&self, node: Node) -> bool {
        self.paused.contains(&node)
    }

    pub(crate) fn is_gone(&self, node: Node) -> bool {
        self.gone.contains(&node)
    }

    /// Whether a connection to a process is refused.
    pub(crate) fn refuses(&self, node: Node) -> bool {
        self.is_gone(node) || self.starting.contains(&node)
    }

    /// The connections that a link names and that are not over.
    pub(crate) fn of_link(&self, link: Link) -> impl Iterator<Item = ConnectionId> {
        self.connections
            .iter()
            .enumerate()
            .filter(move |(_, connection)| {
                (connection.client_open || connection.server_open) && link.matches(connection)
            })
            .map(|(index, _)| ConnectionId(index as u32))
    }
}
