//! The wire as the recordings list it: one line as a client's request leaves, one as its answer comes.

use super::kafka::config::Acks;
use super::kafka::event::{ConnectionEnd, Event};
use super::kafka::message::{Api, OffsetEntry, Request, Response};
use super::kafka::network::{ConnectionId, MessageId};
use super::kafka::record::Arenas;
use super::kafka::types::*;
use super::observe::{ProducerNames, record_names};
use super::sim::time::Time;
use super::sim::trace::Entry;
use super::world::World;

/// A client's request on its way, as the wire's lines need it.
struct OnWire {
    message: MessageId,
    connection: ConnectionId,
    prefix: String,
    content: String,
    /// It passed the place where faults act.
    passed: bool,
}

/// What becomes of a request that a client has written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It reaches the broker, whether that takes it up or not.
    Passes,
    /// A fault keeps it back.
    Held,
    /// It is lost with its connection.
    Lost,
}

/// What becomes of a request, in the entries that follow one.
fn fate(of: &OnWire, entries: &[Entry<Node, Event>], at: usize, given_up: &[ConnectionId]) -> Fate {
    let mut given_up = given_up.contains(&of.connection);
    for entry in &entries[at + 1..] {
        match entry.event {
            Event::ConnectionEnded { connection, why: ConnectionEnd::TimedOut | ConnectionEnd::Closed }
                if connection == of.connection =>
            {
                // The client ends it: what it has written before still arrives.
                given_up = true;
            }
            Event::MessageHeld { message, direction: Direction::Request } if message == of.message => {
                return Fate::Held;
            }
            Event::MessageLost { message, direction: Direction::Request, arrived }
                if message == of.message =>
            {
                return if given_up || arrived { Fate::Passes } else { Fate::Lost };
            }
            Event::RequestReceived { message, .. } if message == of.message => return Fate::Passes,
            _ => {}
        }
    }
    Fate::Passes
}

/// The kinds of request that the recordings list.
fn is_listed(api: Api) -> bool {
    use Api::*;
    matches!(
        api,
        Produce
            | OffsetCommit
            | JoinGroup
            | LeaveGroup
            | InitProducerId
            | AddPartitionsToTxn
            | AddOffsetsToTxn
            | EndTxn
            | TxnOffsetCommit
    )
}

/// The lines of a run's wire.
pub(crate) fn wire(world: &World, producers: &mut ProducerNames) -> Vec<String> {
    let mut open: Vec<OnWire> = Vec::new();
    let mut answers: Vec<(MessageId, String)> = Vec::new();
    let mut given_up: Vec<ConnectionId> = Vec::new();
    let mut lines = Vec::new();
    let line = |at: Time, entry: &OnWire, fate: &str| {
        format!("{:6} ms  {} {} | {fate}", at.0 / 1000, entry.prefix, entry.content)
    };
    let arenas = &world.stage.arenas;
    let entries = world.stage.trace.entries();
    for (index, entry) in entries.iter().enumerate() {
        match entry.event {
            Event::ScriptEnded => break,
            Event::ConnectionEnded { connection, why: ConnectionEnd::TimedOut | ConnectionEnd::Closed } => {
                given_up.push(connection);
            }
            Event::RequestSent { message, connection, to, number, request } => {
                let (Node::Client(client), Node::Broker(broker)) = (entry.actor, to) else { continue };
                let api = request.api();
                if !is_listed(api) {
                    continue;
                }
                let Some(name) = client_name(world, client) else { continue };
                let prefix = format!("{name:<10} {broker}  {} #{number}", api.name());
                let content = describe_request(world, &request, producers);
                let known = OnWire { message, connection, prefix, content, passed: false };
                let mut before = open.iter().filter(|other| other.connection == connection);
                let waits = before.any(|other| !other.passed);
                open.push(known);
                let known = open.last_mut().expect("just pushed");
                if !waits && fate(known, entries, index, &given_up) == Fate::Passes {
                    known.passed = true;
                    lines.push(line(entry.at, known, "sent"));
                }
            }
            Event::MessageReleased { message, direction: Direction::Request } => {
                // What is behind it on its connection follows, up to the next that is kept back or lost.
                let Some(first) = open.iter().position(|known| known.message == message) else { continue };
                let connection = open[first].connection;
                for known in open[first..].iter_mut().filter(|known| known.connection == connection) {
                    if fate(known, entries, index, &given_up) != Fate::Passes {
                        break;
                    }
                    known.passed = true;
                    lines.push(line(entry.at, known, "sent"));
                }
            }
            Event::MessageLost { message, direction: Direction::Request, .. } => {
                let first = !matches!(
                    index.checked_sub(1).map(|before| entries[before].event),
                    Some(Event::MessageLost { direction: Direction::Request, .. })
                );
                if let Some(known) = open.iter().find(|known| known.message == message && !known.passed)
                    && first
                {
                    lines.push(line(entry.at, known, "cut on the way"));
                }
            }
            Event::ResponseSent { message, response, .. }
                if open.iter().any(|known| known.message == message) =>
            {
                answers.push((message, describe_response(&response, arenas, producers)));
            }
            Event::ResponseReceived { message, .. } => {
                if let Some(known) = open.iter().find(|known| known.message == message) {
                    let answer = answers.iter().find(|(of, _)| *of == message).map_or("", |(_, text)| text);
                    lines.push(line(entry.at, known, &format!("answered {answer}")));
                }
            }
            Event::MessageLost { message, direction: Direction::Response, .. } => {
                if let Some(known) = open.iter().find(|known| known.message == message) {
                    let answer = answers.iter().find(|(of, _)| *of == message).map_or("", |(_, text)| text);
                    lines.push(line(
                        entry.at,
                        known,
                        &format!("answered {answer}, cut before the client read it"),
                    ));
                }
            }
            _ => {}
        }
    }
    lines
}

/// A client instance's `client.id`: the application's name, and from the second instance on its number.
pub fn client_name(world: &World, client: ClientId) -> Option<String> {
    let client = &world.clients[usize::from(client.0)];
    let name = &world.stage.setup.applications[usize::from(client.application?.0)].name;
    Some(if client.incarnation > 1 { format!("{name}{}", client.incarnation) } else { name.clone() })
}

fn describe_request(world: &World, request: &Request, producers: &mut ProducerNames) -> String {
    let (setup, arenas) = (&world.stage.setup, &world.stage.arenas);
    let partition_index = |partition: PartitionId| {
        let topic = setup.topics.iter().rev().find(|topic| topic.first_partition <= partition);
        partition.0 - topic.map_or(0, |topic| topic.first_partition.0)
    };
    let offsets = |offsets| -> String {
        let list: &[OffsetEntry] = arenas.offsets.get(offsets);
        list.iter().map(|entry| format!("[p{}={}]", partition_index(entry.partition), entry.offset)).collect()
    };
    match *request {
        Request::Produce { acks, transactional_id, batches, .. } => {
            let acks = match acks {
                Acks::None => 0,
                Acks::Leader => 1,
                Acks::All => -1,
            };
            let mut text = format!("acks={acks}");
            if transactional_id.is_some() {
                text += " txn";
            }
            for batch in arenas.batches.get(batches) {
                text += &format!(" [p{}", partition_index(batch.partition));
                if batch.producer_id != NO_PRODUCER_ID {
                    let name = producers.name(batch.producer_id);
                    text += &format!(" {name}/e{}/s{}", batch.producer_epoch, batch.base_sequence);
                }
                text += &record_names(setup, arenas, batch);
                text += "]";
            }
            text
        }
        Request::EndTxn { committed, .. } => if committed { "commit" } else { "abort" }.to_string(),
        Request::OffsetCommit { offsets: list, .. } | Request::TxnOffsetCommit { offsets: list, .. } => {
            offsets(list)
        }
        Request::InitProducerId { transactional_id, .. } => {
            if transactional_id.is_some() { "txn" } else { "idempotent" }.to_string()
        }
        _ => "·".to_string(),
    }
}

fn describe_response(response: &Response, arenas: &Arenas, producers: &mut ProducerNames) -> String {
    let with_producer = |error: &str, producer_id, epoch, producers: &mut ProducerNames| {
        format!("{error},{}/e{epoch}", producers.name(producer_id))
    };
    match *response {
        Response::Produce { partitions } => {
            let list = arenas.produced.get(partitions);
            let mut errors: Vec<_> = list.iter().map(|produced| produced.error).collect();
            errors.sort();
            errors.dedup();
            let mut words: Vec<_> = errors.iter().map(|error| error.name().to_string()).collect();
            words.extend(list.iter().map(|produced| format!("offset {}", produced.base_offset)));
            words.join(",")
        }
        Response::InitProducerId { error, producer_id, producer_epoch }
        | Response::EndTxn { error, producer_id, producer_epoch } => {
            with_producer(error.name(), producer_id, producer_epoch, producers)
        }
        Response::OffsetCommit { error }
        | Response::TxnOffsetCommit { error }
        | Response::AddPartitionsToTxn { error }
        | Response::AddOffsetsToTxn { error }
        | Response::LeaveGroup { error } => error.name().to_string(),
        _ => String::new(),
    }
}
