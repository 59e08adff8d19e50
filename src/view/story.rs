//! A finished run as the views read it: its facts, and an index of what belongs together.

use crate::engine::kafka::error::ErrorCode;
use crate::engine::kafka::event::Event;
use crate::engine::kafka::message::{Api, Request, Response, application_records};
use crate::engine::kafka::network::{ConnectionId, MessageId};
use crate::engine::kafka::record::{Arenas, Batch, Payload};
use crate::engine::kafka::types::*;
use crate::engine::script::{Setup, Topic};
use crate::engine::sim::trace::{self, EntryId};
use crate::view::names::Names;
use std::collections::BTreeMap;

/// A fact of a trace.
pub type Entry = trace::Entry<Node, Event>;

/// A request on its way there and back: the entries that tell of it.
#[derive(Clone, Copy, Debug)]
pub struct Journey {
    /// Its kind.
    pub api: Api,
    /// Who asked.
    pub from: Node,
    /// Who was asked.
    pub to: Node,
    /// It left.
    pub sent: EntryId,
    /// It was taken up.
    pub received: Option<EntryId>,
    /// Its answer left.
    pub answered: Option<EntryId>,
    /// Its answer was read.
    pub answer_received: Option<EntryId>,
    /// It, or its answer, was lost.
    pub lost: Option<(EntryId, Direction)>,
    /// A fault kept it, or its answer, back (the first time).
    pub held: Option<(EntryId, Direction)>,
    /// And let it go.
    pub released: Option<EntryId>,
    /// The client gave it up.
    pub timed_out: Option<EntryId>,
    /// The how many-th sending of the same thing it is, from 1.
    pub attempt: u32,
    /// The (first) error in its answer.
    pub error: Option<ErrorCode>,
}

impl Journey {
    /// The entry of the loss of one direction's message.
    pub fn lost_on(&self, direction: Direction) -> Option<EntryId> {
        self.lost.filter(|lost| lost.1 == direction).map(|lost| lost.0)
    }

    /// The entry at which a fault first kept one direction's message back.
    pub fn held_on(&self, direction: Direction) -> Option<EntryId> {
        self.held.filter(|held| held.1 == direction).map(|held| held.0)
    }
}

/// What is looked up again and again: names, and which entries tell of which message.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// Names of everything.
    pub names: Names,
    /// By `MessageId`.
    journeys: Vec<Option<Journey>>,
    /// By `ConnectionId`: who opened it, and to whom.
    connections: Vec<Option<(Node, Node)>>,
    /// Every statement of a partition's leader, in order.
    leaders: Vec<(EntryId, PartitionId, Option<BrokerId>)>,
}

/// A partition as the controller had it at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownPartition {
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync replicas.
    pub isr: BrokerSet,
}

/// A run to be told. `Copy`, so that every view takes it by value.
#[derive(Clone, Copy)]
pub struct Story<'a> {
    /// What it started from.
    pub setup: &'a Setup,
    /// All facts, oldest first.
    pub entries: &'a [Entry],
    /// The lists inside messages.
    pub arenas: &'a Arenas,
    /// Names and journeys.
    pub index: &'a Index,
}

impl Index {
    /// One pass over a trace.
    pub fn new(setup: &Setup, entries: &[Entry], arenas: &Arenas) -> Index {
        let names = Names::new(setup, entries);
        let mut index = Index { names, ..Index::default() };
        let mut attempts = Attempts::default();
        for entry in entries {
            index.learn(entry, &mut attempts, arenas);
        }
        index
    }

    /// The journey of a message.
    pub fn journey(&self, message: MessageId) -> Option<&Journey> {
        self.journeys.get(message.0 as usize)?.as_ref()
    }

    /// All journeys, in the order of sending.
    pub fn journeys(&self) -> impl Iterator<Item = (MessageId, &Journey)> {
        let numbered = self.journeys.iter().enumerate();
        numbered.filter_map(|(number, journey)| Some((MessageId(number as u32), journey.as_ref()?)))
    }

    /// The two ends of a connection: who opened it, and to whom.
    pub fn connection(&self, connection: ConnectionId) -> Option<(Node, Node)> {
        self.connections.get(connection.0 as usize).copied().flatten()
    }

    fn learn(&mut self, entry: &Entry, attempts: &mut Attempts, arenas: &Arenas) {
        if let Event::PartitionChanged { partition, leader, .. } = entry.event {
            self.leaders.push((entry.id, partition, leader));
        }
        if let Event::ConnectionOpened { connection, to } = entry.event {
            let index = connection.0 as usize;
            if self.connections.len() <= index {
                self.connections.resize(index + 1, None);
            }
            self.connections[index] = Some((entry.actor, to));
        }
        if let Event::RequestSent { message, to, request, .. } = entry.event {
            let index = message.0 as usize;
            if self.journeys.len() <= index {
                self.journeys.resize(index + 1, None);
            }
            self.journeys[index] = Some(Journey {
                api: request.api(),
                from: entry.actor,
                to,
                sent: entry.id,
                received: None,
                answered: None,
                answer_received: None,
                lost: None,
                held: None,
                released: None,
                timed_out: None,
                attempt: attempts.next(entry.actor, &request, arenas),
                error: None,
            });
            return;
        }
        attempts.learn(entry);
        let (message, direction) = match entry.event {
            Event::RequestReceived { message, .. }
            | Event::ResponseSent { message, .. }
            | Event::ResponseReceived { message, .. }
            | Event::RequestTimedOut { message } => (message, Direction::Request),
            Event::MessageLost { message, direction, .. }
            | Event::MessageHeld { message, direction }
            | Event::MessageReleased { message, direction } => (message, direction),
            _ => return,
        };
        let Some(Some(journey)) = self.journeys.get_mut(message.0 as usize) else { return };
        match entry.event {
            Event::RequestReceived { .. } => journey.received = Some(entry.id),
            Event::ResponseSent { response, .. } => {
                journey.answered = Some(entry.id);
                journey.error = error_of(&response, arenas);
            }
            Event::ResponseReceived { .. } => {
                journey.answer_received = Some(entry.id);
                if journey.error.is_none() {
                    attempts.succeeded(journey.from, journey.api);
                }
            }
            Event::RequestTimedOut { .. } => journey.timed_out = Some(entry.id),
            Event::MessageLost { .. } => journey.lost = Some((entry.id, direction)),
            Event::MessageHeld { .. } if journey.held.is_none() => journey.held = Some((entry.id, direction)),
            Event::MessageReleased { .. } => journey.released = Some(entry.id),
            _ => {}
        }
    }
}

/// Counts how often the same thing was sent.
#[derive(Default)]
struct Attempts {
    /// By producer, partition and first record of a batch.
    batches: BTreeMap<(Node, PartitionId, RecordId), u32>,
    /// By client and kind, for requests of which there is one at a time.
    requests: BTreeMap<(Node, Api), u32>,
}

impl Attempts {
    fn next(&mut self, from: Node, request: &Request, arenas: &Arenas) -> u32 {
        match request {
            Request::Produce { batches, .. } => {
                let mut attempt = 1;
                for batch in arenas.batches.get(*batches) {
                    let Some(first) = first_record(batch, arenas) else { continue };
                    let count = self.batches.entry((from, batch.partition, first)).or_insert(0);
                    *count += 1;
                    attempt = attempt.max(*count);
                }
                attempt
            }
            Request::InitProducerId { .. }
            | Request::AddOffsetsToTxn { .. }
            | Request::EndTxn { .. }
            | Request::TxnOffsetCommit { .. } => {
                let count = self.requests.entry((from, request.api())).or_insert(0);
                *count += 1;
                *count
            }
            _ => 1,
        }
    }

    fn succeeded(&mut self, from: Node, api: Api) {
        self.requests.remove(&(from, api));
    }

    fn learn(&mut self, entry: &Entry) {
        match entry.event {
            // The next sending of this record is the application's, not the client's.
            Event::RecordAcknowledged { record, partition, .. }
            | Event::RecordFailed { record, partition, .. } => {
                self.batches.remove(&(entry.actor, partition, record));
            }
            _ => {}
        }
    }
}

/// A partition before anything happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitialPartition {
    /// Its leader.
    pub leader: Option<BrokerId>,
    /// The leader's epoch.
    pub leader_epoch: LeaderEpoch,
    /// The in-sync replicas.
    pub isr: BrokerSet,
    /// All replicas.
    pub replicas: BrokerSet,
}

impl Story<'_> {
    /// A partition at the start: as the first metadata say, or else as its topic is configured.
    pub fn initial_partition(&self, partition: PartitionId) -> InitialPartition {
        let image = self.arenas.images.first().and_then(|image| image.partitions.get(partition.index()));
        if let Some(image) = image {
            return InitialPartition {
                leader: image.leader,
                leader_epoch: image.leader_epoch,
                isr: image.isr,
                replicas: image.replicas().collect(),
            };
        }
        let holds = |topic: &&Topic| {
            let first = topic.first_partition.index();
            (first..first + usize::from(topic.config.partitions)).contains(&partition.index())
        };
        match self.setup.topics.iter().find(holds) {
            Some(topic) => {
                let replicas = topic.config.replicas.iter().copied().collect();
                let leader = topic.config.replicas.first().copied();
                InitialPartition { leader, leader_epoch: 0, isr: replicas, replicas }
            }
            None => InitialPartition::default(),
        }
    }

    /// A partition's leader before an entry happened, as the controller had it.
    pub fn leader_before(&self, partition: PartitionId, entry: EntryId) -> Option<BrokerId> {
        let known = &self.index.leaders[..self.index.leaders.partition_point(|said| said.0 < entry)];
        let said = known.iter().rev().find(|said| said.1 == partition).map(|said| said.2);
        said.unwrap_or_else(|| self.initial_partition(partition).leader)
    }

    /// A partition before an entry happened, as the controller had it.
    pub fn partition_before(&self, partition: PartitionId, entry: EntryId) -> KnownPartition {
        let known = &self.index.leaders[..self.index.leaders.partition_point(|said| said.0 < entry)];
        let said = known.iter().rev().find(|said| said.1 == partition).map(|said| self.entry(said.0).event);
        match said {
            Some(Event::PartitionChanged { leader, leader_epoch, isr, .. }) => {
                KnownPartition { leader, leader_epoch, isr }
            }
            _ => {
                let InitialPartition { leader, leader_epoch, isr, .. } = self.initial_partition(partition);
                KnownPartition { leader, leader_epoch, isr }
            }
        }
    }

    /// To whom a producer last sent the batch that begins with a record, before an entry, and how many records that has.
    pub fn last_produce(&self, entry: &Entry, first: RecordId) -> Option<(Node, u64)> {
        let before = self.entries[..entry.id.0 as usize].iter().rev();
        before.filter(|before| before.actor == entry.actor).find_map(|before| match before.event {
            Event::RequestSent { to, request: Request::Produce { batches, .. }, .. } => {
                let batches = self.arenas.batches.get(batches).iter();
                let mut sizes = batches.map(|batch| self.batch_records(batch));
                let found = sizes.find(|records| records.first() == Some(&first))?;
                Some((to, found.len() as u64))
            }
            _ => None,
        })
    }

    /// The entry of an id.
    pub fn entry(&self, id: EntryId) -> &Entry {
        &self.entries[id.0 as usize]
    }

    /// The request of a journey.
    pub fn request(&self, journey: &Journey) -> Option<Request> {
        match self.entry(journey.sent).event {
            Event::RequestSent { request, .. } => Some(request),
            _ => None,
        }
    }

    /// The response of a journey, if there was one.
    pub fn response(&self, journey: &Journey) -> Option<Response> {
        match self.entry(journey.answered?).event {
            Event::ResponseSent { response, .. } => Some(response),
            _ => None,
        }
    }

    /// The records of applications in a batch.
    pub fn batch_records(&self, batch: &Batch) -> Vec<RecordId> {
        application_records(std::slice::from_ref(batch), self.arenas).collect()
    }

    /// The records of applications that a request carries.
    pub fn request_records(&self, request: &Request) -> Vec<RecordId> {
        match request {
            Request::Produce { batches, .. } => {
                application_records(self.arenas.batches.get(*batches), self.arenas).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The records of applications that a response carries.
    pub fn response_records(&self, response: &Response) -> Vec<RecordId> {
        match response {
            Response::Fetch { partitions } => {
                let fetched = self.arenas.fetched.get(*partitions);
                let batches = fetched.iter().flat_map(|part| self.arenas.batches.get(part.batches));
                batches.flat_map(|batch| self.batch_records(batch)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The records of applications that a fact is about: of a request or response, what it carries; of
    /// an answer to Produce, what was asked.
    pub fn records_of(&self, entry: &Entry) -> Vec<RecordId> {
        match entry.event {
            Event::RecordSent { record, .. }
            | Event::SendThrew { record, .. }
            | Event::RecordAcknowledged { record, .. }
            | Event::RecordFailed { record, .. }
            | Event::RecordDelivered { record, .. }
            | Event::RecordProcessed { record, .. }
            | Event::SinkWritten { record, .. } => vec![record],
            Event::RetryScheduled { first_record, .. } | Event::BatchExpired { first_record, .. } => {
                vec![first_record]
            }
            Event::BatchAppended { batch }
            | Event::DuplicateRecognised { batch }
            | Event::AppendRefused { batch, .. } => self.batch_records(&batch),
            Event::RequestSent { request, .. } => self.request_records(&request),
            Event::RequestReceived { message, .. }
            | Event::ResponseSent { message, .. }
            | Event::ResponseReceived { message, .. }
            | Event::MessageLost { message, .. }
            | Event::MessageHeld { message, .. }
            | Event::MessageReleased { message, .. }
            | Event::RequestTimedOut { message } => self.message_records(message),
            _ => Vec::new(),
        }
    }

    /// The records that a request or its answer carries.
    pub fn message_records(&self, message: MessageId) -> Vec<RecordId> {
        let Some(journey) = self.index.journey(message) else { return Vec::new() };
        let asked = self.request(journey).map(|request| self.request_records(&request)).unwrap_or_default();
        if asked.is_empty() {
            self.response(journey).map(|response| self.response_records(&response)).unwrap_or_default()
        } else {
            asked
        }
    }

    /// The error that a response reports, if any.
    pub fn error_of(&self, response: &Response) -> Option<ErrorCode> {
        error_of(response, self.arenas)
    }
}

fn first_record(batch: &Batch, arenas: &Arenas) -> Option<RecordId> {
    match arenas.payloads.get(batch.records).first() {
        Some(Payload::Record(record)) => Some(*record),
        _ => None,
    }
}

/// The first error in a response.
pub fn error_of(response: &Response, arenas: &Arenas) -> Option<ErrorCode> {
    let first = |mut errors: &mut dyn Iterator<Item = ErrorCode>| {
        (&mut errors).find(|error| *error != ErrorCode::None)
    };
    match *response {
        Response::Produce { partitions } | Response::WriteTxnMarkers { errors: partitions } => {
            first(&mut arenas.produced.get(partitions).iter().map(|part| part.error))
        }
        Response::Fetch { partitions } => {
            first(&mut arenas.fetched.get(partitions).iter().map(|part| part.error))
        }
        Response::Metadata { .. } | Response::FetchMetadata { .. } => None,
        Response::ListOffsets { error, .. }
        | Response::OffsetCommit { error }
        | Response::OffsetFetch { error, .. }
        | Response::FindCoordinator { error, .. }
        | Response::JoinGroup { error, .. }
        | Response::Heartbeat { error }
        | Response::LeaveGroup { error }
        | Response::SyncGroup { error, .. }
        | Response::InitProducerId { error, .. }
        | Response::OffsetForLeaderEpoch { error, .. }
        | Response::AddPartitionsToTxn { error }
        | Response::AddOffsetsToTxn { error }
        | Response::EndTxn { error, .. }
        | Response::TxnOffsetCommit { error }
        | Response::AlterPartition { error, .. }
        | Response::BrokerRegistration { error, .. }
        | Response::BrokerHeartbeat { error, .. } => first(&mut std::iter::once(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{P, Run, T, b, r};

    /// What happens between the first and the second sending of a record, and the second's number.
    #[test]
    fn attempts_are_counted_until_the_application_has_its_answer() {
        let failed =
            Event::RecordFailed { record: r(0), partition: T, exception: ErrorCode::RequestTimedOut.into() };
        let told = Event::RecordAcknowledged { record: r(0), partition: T, offset: 0 };
        let restarted = Event::ClientStarted { application: ApplicationId(0), incarnation: 1 };
        let again = Node::Client(ClientId(1));
        type Row<'a> = (&'a [(Node, Event)], Node, u32);
        let rows: [Row; 4] =
            [(&[], P, 2), (&[(P, failed)], P, 1), (&[(P, told)], P, 1), (&[(again, restarted)], again, 1)];
        for (between, sender, attempt) in rows {
            let mut run = Run::new("kafka-guarantees 1\ntopic t replicas=B1\nproducer P\nP send r0\n");
            run.at(0, P, Event::ClientStarted { application: ApplicationId(0), incarnation: 0 });
            let batch = run.batch(&[0]);
            run.at(1, P, Event::RecordSent { record: r(0), partition: T });
            let first = run.produce(1, b(1), batch);
            for (actor, event) in between {
                run.at(2, *actor, *event);
            }
            let request = match run.trace.entries().iter().find_map(|entry| match entry.event {
                Event::RequestSent { request, .. } => Some(request),
                _ => None,
            }) {
                Some(request) => request,
                None => unreachable!("just sent"),
            };
            let (second, _) = run.request(3, sender, b(1), request);
            let run = run.finish();
            let attempt_of = |message| run.index.journey(message).map(|journey| journey.attempt);
            assert_eq!((attempt_of(first), attempt_of(second)), (Some(1), Some(attempt)), "{between:?}");
        }
    }
}
