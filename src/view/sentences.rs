//! Facts as sentences, in plain words; settings, states and errors by Kafka's names.

use crate::engine::kafka::config::{Acks, ProducerConfig};
use crate::engine::kafka::event::*;
use crate::engine::kafka::message::{CoordinatorKey, OffsetEntry, Request, Response};
use crate::engine::kafka::network::{LinkEnds, MessageId};
use crate::engine::kafka::record::{Batch, BatchKind, MarkerKind, Payload};
use crate::engine::kafka::types::*;
use crate::engine::script::{ClientConfig, Sink};
use crate::engine::sim::arena::List;
use crate::engine::sim::time::Span;
use crate::view::story::{Entry, Journey, Story};

/// What happened, as one sentence; none for what only the machinery needs.
pub fn sentence(story: Story, entry: &Entry) -> Option<String> {
    let told = Teller { story, who: story.index.names.node(entry.actor) };
    let text = told
        .client(entry)
        .or_else(|| told.message(entry))
        .or_else(|| told.broker(entry))
        .or_else(|| told.controller(entry))
        .or_else(|| told.coordinator(entry))
        .or_else(|| told.script(entry))?;
    Some(capitalised(text))
}

/// A sentence begins with a capital letter; names and calls are left as they are.
pub fn capitalised(text: String) -> String {
    if !text.starts_with("the ") && !text.starts_with("record") {
        return text;
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A length of time in words: milliseconds below a second, seconds above.
pub fn duration(span: Span) -> String {
    let tenths = (span.0 + 50_000) / 100_000;
    match (tenths / 10, tenths % 10) {
        (0, _) => span.to_string(),
        (seconds, 0) => format!("{seconds} s"),
        (seconds, tenth) => format!("{seconds}.{tenth} s"),
    }
}

/// The Java client's name of a call.
pub fn call_name(call: Call) -> &'static str {
    match call {
        Call::Init => "initTransactions()",
        Call::Begin => "beginTransaction()",
        Call::CommitTransaction => "commitTransaction()",
        Call::AbortTransaction => "abortTransaction()",
        Call::Flush => "flush()",
        Call::Close => "close()",
        Call::SendOffsets => "sendOffsetsToTransaction()",
        Call::CommitOffsets { asynchronous: false } => "commitSync()",
        Call::CommitOffsets { asynchronous: true } => "commitAsync()",
        Call::Poll => "poll()",
    }
}

struct Teller<'a> {
    story: Story<'a>,
    who: String,
}

impl Teller<'_> {
    fn records(&self, records: &[RecordId]) -> String {
        self.story.index.names.records(records)
    }

    fn record(&self, record: RecordId) -> String {
        self.records(&[record])
    }

    fn partition(&self, partition: PartitionId) -> &str {
        self.story.index.names.partition(partition)
    }

    fn partitions(&self, partitions: PartitionSet) -> String {
        let names: Vec<&str> = partitions.iter().map(|partition| self.partition(partition)).collect();
        if names.is_empty() { "no partition".to_owned() } else { names.join(", ") }
    }

    fn node(&self, node: Node) -> String {
        self.story.index.names.node(node)
    }

    fn config(&self, node: Node) -> Option<&ClientConfig> {
        let application = self.story.index.names.application_of(node)?;
        self.story.setup.applications.get(usize::from(application.0)).map(|application| &application.client)
    }

    fn producer_config(&self, node: Node) -> Option<&ProducerConfig> {
        match self.config(node)? {
            ClientConfig::Producer(config) => Some(config),
            ClientConfig::Consumer { .. } => None,
        }
    }

    fn client(&self, entry: &Entry) -> Option<String> {
        let who = &self.who;
        Some(match entry.event {
            Event::ClientStarted { application, .. } => {
                let Node::Client(client) = entry.actor else { return None };
                let names = &self.story.index.names;
                let same = |number: u16| {
                    names.instance(ClientId(number)).is_some_and(|other| other.application == application)
                };
                if (0..client.0).any(same) {
                    format!("{who} starts again, as a new process that remembers nothing.")
                } else {
                    format!("{who} starts.")
                }
            }
            Event::ClientCrashed => format!("{who} crashes: what it had in memory is gone."),
            Event::ClientClosed => format!("{who} has closed."),
            Event::ClientPaused => format!("{who} freezes (a long garbage collection, say)."),
            Event::ClientResumed => format!("{who} goes on as if nothing had happened."),
            Event::RecordSent { record, .. } => {
                format!("{who}'s application hands {} to its producer.", self.record(record))
            }
            Event::SendThrew { record, exception, .. } => {
                format!("{who}'s send() of {} throws {exception}.", self.record(record))
            }
            Event::RecordAcknowledged { record, offset, .. } if offset < 0 => {
                format!("{who} counts {} as sent: with acks=0 it expects no answer.", self.record(record))
            }
            Event::RecordAcknowledged { record, offset, .. } => {
                format!("{who} is told that {} is stored at offset {offset}.", self.record(record))
            }
            Event::RecordFailed { record, exception, .. } => {
                format!("{who} is told that {} failed: {exception}.", self.record(record))
            }
            Event::CallBegan { call } => format!("{who} calls {}.", call_name(call)),
            Event::CallReturned { call, exception: None } => {
                format!("{who}'s {} returns.", call_name(call))
            }
            Event::CallReturned { call, exception: Some(exception) } => {
                format!("{who}'s {} throws {exception}.", call_name(call))
            }
            Event::RetryScheduled { first_record, error, at, attempt, .. } => format!(
                "{who} will send {} again (attempt {attempt}) after a back-off of {}: {error}.",
                self.record(first_record),
                duration(at.since(entry.at))
            ),
            Event::BatchExpired { first_record, attempts, .. } => {
                let timeout = self.producer_config(entry.actor)?.delivery_timeout;
                format!(
                    "The batch of {} has passed delivery.timeout.ms ({}) after {attempts} attempt{}: {who} gives it up.",
                    self.record(first_record),
                    duration(timeout),
                    if attempts == 1 { "" } else { "s" }
                )
            }
            Event::ProducerIdChanged { producer_id, producer_epoch } => {
                format!("{who} has producer id {producer_id}, epoch {producer_epoch}.")
            }
            Event::TransactionManagerChanged { state, error: Some(error) } => {
                format!("{who}'s transaction manager is now {state:?}: {error}.")
            }
            Event::TransactionManagerChanged { state, error: None } => {
                format!("{who}'s transaction manager is now {state:?}.")
            }
            Event::PartitionsAssigned { partitions } => {
                format!("{who} is given {}.", self.partitions(partitions))
            }
            Event::PartitionsRevoked { partitions } => {
                format!("{who} gives up {}.", self.partitions(partitions))
            }
            Event::PartitionsLost { partitions } => {
                format!("{who} learns that {} is no longer its own.", self.partitions(partitions))
            }
            Event::PositionMoved { partition, offset, why } => {
                let partition = self.partition(partition);
                match why {
                    PositionChange::Committed => {
                        format!("{who} continues {partition} at the committed offset, {offset}.")
                    }
                    PositionChange::Reset => {
                        format!(
                            "{who} has no valid offset: auto.offset.reset puts it at offset {offset} of {partition}."
                        )
                    }
                    PositionChange::Seek => format!("{who} seeks to offset {offset} of {partition}."),
                    PositionChange::Stored => {
                        format!("{who} seeks to offset {offset} of {partition}, which its sink has stored.")
                    }
                    PositionChange::Truncated => {
                        format!(
                            "The log of {partition} no longer has what {who} read: it goes back to offset {offset}."
                        )
                    }
                    PositionChange::Skipped => {
                        format!(
                            "{who} passes to offset {offset} of {partition}: markers and aborted records are not handed out."
                        )
                    }
                }
            }
            Event::RecordDelivered { record, offset, .. } => {
                format!("{who} gets {} (offset {offset}) from poll().", self.record(record))
            }
            Event::RecordProcessed { record, .. } => format!("{who} has processed {}.", self.record(record)),
            Event::SinkWritten { record, effect } => {
                let record = self.record(record);
                match effect {
                    SinkEffect::Inserted if self.sink(entry.actor) == Sink::WithOffset => {
                        format!(
                            "{who} writes {record} and the next offset to the database, in one transaction."
                        )
                    }
                    SinkEffect::Inserted => format!("{who} writes {record} to its sink: a new row."),
                    SinkEffect::Replaced => {
                        format!(
                            "{who} writes {record} to its sink: the row is there already and stays the same."
                        )
                    }
                    SinkEffect::Refused => {
                        format!("The sink refuses {record}: its stored offset says that it has been done.")
                    }
                    SinkEffect::Called => {
                        format!("{who} calls the outside for {record}: that can't be taken back.")
                    }
                }
            }
            _ => return None,
        })
    }

    fn sink(&self, node: Node) -> Sink {
        match self.config(node) {
            Some(ClientConfig::Consumer { sink, .. }) => *sink,
            _ => Sink::None,
        }
    }

    fn message(&self, entry: &Entry) -> Option<String> {
        let who = &self.who;
        Some(match entry.event {
            Event::RequestSent { message, to, request, .. } => {
                let attempt = self.story.index.journey(message).map_or(1, |journey| journey.attempt);
                let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                format!("{}{again}.", self.request(to, &request)?)
            }
            Event::RequestReceived { message, from } => {
                let what = self.message_words(message, Direction::Request)?;
                format!("{who} takes up {what} of {}.", self.node(from))
            }
            Event::ResponseSent { message, to, response } => self.response(message, to, &response)?,
            Event::ResponseReceived { message, from } => {
                let what = self.message_words(message, Direction::Response)?;
                format!("{what} of {} reaches {who}.", self.node(from))
            }
            Event::MessageLost { message, direction, .. } => {
                let journey = self.story.index.journey(message)?;
                let what = self.message_words(message, direction)?;
                let (from, to) = ends(journey, direction);
                let consequence = match direction {
                    Direction::Request => format!("{} never reads it", self.node(to)),
                    Direction::Response => format!("{} can't know that it was done", self.node(to)),
                };
                format!("{what} from {} is lost with the connection: {consequence}.", self.node(from))
            }
            Event::MessageHeld { message, direction } => {
                let journey = self.story.index.journey(message)?;
                let (from, to) = ends(journey, direction);
                let what = self.message_words(message, direction)?;
                format!("{what} from {} to {} is held back on its way.", self.node(from), self.node(to))
            }
            Event::MessageReleased { message, direction } => {
                let journey = self.story.index.journey(message)?;
                let (from, to) = ends(journey, direction);
                let what = self.message_words(message, direction)?;
                format!("{what} from {} to {} goes on.", self.node(from), self.node(to))
            }
            Event::RequestTimedOut { message } => {
                let journey = self.story.index.journey(message)?;
                let what = self.message_words(message, Direction::Request)?;
                let timeout = match self.config(entry.actor) {
                    Some(ClientConfig::Producer(config)) => Some(config.request_timeout),
                    Some(ClientConfig::Consumer { config, .. }) => Some(config.request_timeout),
                    None => None,
                };
                let timeout = timeout.map_or(String::new(), |timeout| {
                    format!(" after request.timeout.ms ({})", duration(timeout))
                });
                format!(
                    "{who} gives up waiting for {}'s answer to {what}{timeout} and drops the connection.",
                    self.node(journey.to)
                )
            }
            Event::ConnectionOpened { to, .. } => format!("{who} connects to {}.", self.node(to)),
            Event::ConnectionEnded { connection, why } => {
                let (from, to) = self.story.index.connection(connection)?;
                let other = self.node(if entry.actor == from { to } else { from });
                match why {
                    ConnectionEnd::Cut => format!("{who} notices that its connection to {other} was cut."),
                    ConnectionEnd::PeerGone => format!("{who} finds nobody at {other}."),
                    ConnectionEnd::TimedOut => format!("{who} drops its connection to {other}."),
                    ConnectionEnd::Closed => format!("The connection between {who} and {other} is closed."),
                }
            }
            _ => return None,
        })
    }

    /// "the Produce request (record 1)", "the answer to Produce (record 1)".
    fn message_words(&self, message: MessageId, direction: Direction) -> Option<String> {
        let journey = self.story.index.journey(message)?;
        let records = self.story.message_records(message);
        let records =
            if records.is_empty() { String::new() } else { format!(" ({})", self.records(&records)) };
        Some(match direction {
            Direction::Request => format!("the {} request{records}", journey.api.name()),
            Direction::Response => format!("the answer to {}{records}", journey.api.name()),
        })
    }

    fn request(&self, to: Node, request: &Request) -> Option<String> {
        let who = &self.who;
        let to = self.node(to);
        let names = &self.story.index.names;
        Some(match request {
            Request::Produce { acks, .. } => {
                let acks = match acks {
                    Acks::None => "0",
                    Acks::Leader => "1",
                    Acks::All => "all",
                };
                let records = self.records(&self.story.request_records(request));
                format!("{who} sends {records} to {to} (acks={acks})")
            }
            Request::Fetch { replica, partitions, .. } => {
                let partitions = self.story.arenas.fetch_partitions.get(*partitions);
                let from: Vec<String> = partitions
                    .iter()
                    .map(|part| format!("{} from offset {}", self.partition(part.partition), part.offset))
                    .collect();
                let known = if replica.is_some() { ", so it has all before" } else { "" };
                format!("{who} asks {to} for {}{known}", from.join(", "))
            }
            Request::InitProducerId { transactional_id: Some(id), .. } => {
                format!(
                    "{who} asks {to} for the producer id of transactional.id {}",
                    names.transactional_id(*id)
                )
            }
            Request::InitProducerId { transactional_id: None, .. } => {
                format!("{who} asks {to} for a producer id")
            }
            Request::AddPartitionsToTxn { partitions, verify_only: false, .. } => {
                format!("{who} adds {} to its transaction at {to}", self.partitions(*partitions))
            }
            Request::AddPartitionsToTxn { verify_only: true, .. } => {
                format!("{who} asks {to} whether the transaction is really open")
            }
            Request::AddOffsetsToTxn { group, .. } => {
                format!("{who} adds the offsets of group {} to its transaction at {to}", names.group(*group))
            }
            Request::TxnOffsetCommit { offsets, .. } => {
                format!("{who} sends {} in its transaction to {to}", self.offsets(*offsets))
            }
            Request::OffsetCommit { offsets, .. } => {
                format!("{who} commits {} at {to}", self.offsets(*offsets))
            }
            Request::EndTxn { committed: true, .. } => format!("{who} asks {to} to commit its transaction"),
            Request::EndTxn { committed: false, .. } => format!("{who} asks {to} to abort its transaction"),
            Request::WriteTxnMarkers { markers } => {
                let markers = self.story.arenas.markers.get(*markers);
                let kind = markers.first().map_or("", |entry| marker_name(entry.kind));
                let partitions =
                    markers.iter().fold(PartitionSet::EMPTY, |all, entry| all.union(entry.partitions));
                format!(
                    "The transaction coordinator on {who} has {to} write {kind} to {}",
                    self.partitions(partitions)
                )
            }
            Request::JoinGroup { group, .. } => format!("{who} joins group {} at {to}", names.group(*group)),
            Request::SyncGroup { group, .. } => {
                format!("{who} asks {to} for its part of group {}", names.group(*group))
            }
            Request::LeaveGroup { group, .. } => format!("{who} leaves group {}", names.group(*group)),
            Request::Heartbeat { .. } => format!("{who} sends a heartbeat to its group at {to}"),
            Request::OffsetFetch { .. } => format!("{who} asks {to} for the committed offset"),
            Request::FindCoordinator { key: CoordinatorKey::Group(_) } => {
                format!("{who} asks {to} who coordinates its group")
            }
            Request::FindCoordinator { key: CoordinatorKey::Transaction(_) } => {
                format!("{who} asks {to} who coordinates its transactions")
            }
            Request::Metadata => format!("{who} asks {to} for metadata"),
            Request::ListOffsets { .. } => format!("{who} asks {to} where the log begins or ends"),
            Request::OffsetForLeaderEpoch { leader_epoch, .. } => {
                format!("{who} asks {to} where leader epoch {leader_epoch} ended")
            }
            Request::AlterPartition { partition, new_isr, .. } => {
                format!(
                    "{who} asks the controller to make {new_isr} the ISR of {}",
                    self.partition(*partition)
                )
            }
            Request::BrokerRegistration { .. } => format!("{who} registers with the controller"),
            Request::BrokerHeartbeat { .. } => format!("{who} sends a heartbeat to the controller"),
            Request::FetchMetadata { .. } => format!("{who} waits for new metadata"),
        })
    }

    fn offsets(&self, offsets: List<OffsetEntry>) -> String {
        let offsets = self.story.arenas.offsets.get(offsets).iter();
        let texts: Vec<String> = offsets
            .map(|entry| format!("offset {} of {}", entry.offset, self.partition(entry.partition)))
            .collect();
        if texts.is_empty() { "no offset".to_owned() } else { texts.join(", ") }
    }

    fn response(&self, message: MessageId, to: Node, response: &Response) -> Option<String> {
        let who = &self.who;
        let journey = self.story.index.journey(message)?;
        let to = self.node(to);
        if let Some(error) = journey.error {
            let what = self.message_words(message, Direction::Request)?;
            return Some(format!("{who} answers {what} of {to} with {error}."));
        }
        let carried = self.story.response_records(response);
        Some(match response {
            Response::Produce { partitions } => {
                let offset = self.story.arenas.produced.get(*partitions).first()?.base_offset;
                let records = self.records(&self.story.message_records(message));
                format!("{who} acknowledges {records} to {to}: offset {offset}.")
            }
            Response::Fetch { .. } if carried.is_empty() => format!("{who} has nothing new for {to}."),
            Response::Fetch { .. } => format!("{who} sends {} to {to}.", self.records(&carried)),
            Response::OffsetFetch { offsets, .. } => {
                let stored = self.story.arenas.offsets.get(*offsets).iter().any(|entry| entry.offset >= 0);
                if stored {
                    format!("{who} tells {to} its committed position: {}.", self.offsets(*offsets))
                } else {
                    format!("{who} tells {to} that no offset is committed.")
                }
            }
            Response::InitProducerId { producer_id, producer_epoch, .. } => {
                format!("{who} gives {to} producer id {producer_id}, epoch {producer_epoch}.")
            }
            _ => format!("{who} answers {} of {to}.", self.message_words(message, Direction::Request)?),
        })
    }

    fn broker(&self, entry: &Entry) -> Option<String> {
        let who = &self.who;
        Some(match entry.event {
            Event::BrokerStarted => format!("{who} starts."),
            Event::BrokerKilled => {
                format!("{who} is killed; what it had written stays in its machine's page cache.")
            }
            Event::BrokerStopping => format!("{who} begins a controlled shutdown."),
            Event::BrokerStopped => format!("{who} has stopped in good order."),
            Event::BrokerLostPower => format!("{who} loses power: what was not flushed to disk is gone."),
            Event::BrokerPaused => format!("{who} freezes; its connections stay open."),
            Event::BrokerResumed => format!("{who} goes on as if nothing had happened."),
            Event::LogWiped { partition } => {
                format!("{who}'s copy of {} is gone from its disk.", self.partition(partition))
            }
            Event::BatchAppended { batch } => self.appended(entry, &batch)?,
            Event::DuplicateRecognised { batch } => format!(
                "{who} knows {} by producer id {}, epoch {} and sequence {}: it is at offset {} already and is not appended again.",
                self.records(&self.story.batch_records(&batch)),
                batch.producer_id,
                batch.producer_epoch,
                batch.base_sequence,
                batch.base_offset
            ),
            Event::AppendRefused { batch, error } => {
                let records = self.story.batch_records(&batch);
                let what = if records.is_empty() { "a batch".to_owned() } else { self.records(&records) };
                format!("{who} refuses {what}: {error}. Nothing is written.")
            }
            Event::HighWatermarkMoved { partition, to } => {
                format!(
                    "{who}'s high watermark of {} is now {to}: what is below it can be read.",
                    self.partition(partition)
                )
            }
            Event::LastStableOffsetMoved { partition, to } => {
                format!("{who}'s last stable offset of {} is now {to}.", self.partition(partition))
            }
            Event::LogTruncated { partition, to } => {
                format!("{who} cuts its log of {} off at offset {to}.", self.partition(partition))
            }
            Event::LogStartMoved { partition, to } => {
                format!("{who}'s log of {} now begins at offset {to}.", self.partition(partition))
            }
            Event::BecameLeader { partition, leader_epoch } => {
                format!(
                    "{who} learns that it leads {} in leader epoch {leader_epoch}.",
                    self.partition(partition)
                )
            }
            Event::BecameFollower { partition, leader_epoch, leader: Some(leader) } => format!(
                "{who} learns that it follows {leader} for {} in leader epoch {leader_epoch}.",
                self.partition(partition)
            ),
            Event::BecameFollower { partition, leader: None, .. } => {
                format!("{who} learns that {} has no leader.", self.partition(partition))
            }
            Event::ProducerStateExpired { producer_id, .. } => {
                format!("{who} forgets the idle producer {producer_id} and its sequences.")
            }
            _ => return None,
        })
    }

    fn appended(&self, entry: &Entry, batch: &Batch) -> Option<String> {
        let who = &self.who;
        if let BatchKind::Marker { kind, .. } = batch.kind {
            let verb = if self.is_copy(entry, batch.partition) { "copies" } else { "writes" };
            return Some(format!(
                "{who} {verb} the {} marker at offset {} of {}.",
                marker_name(kind),
                batch.base_offset,
                self.partition(batch.partition)
            ));
        }
        let records = self.story.batch_records(batch);
        if records.is_empty() {
            let what = match self.story.arenas.payloads.get(batch.records).first()? {
                Payload::OffsetCommit { group, offset, .. } => {
                    format!("offset {offset} of group {}", self.story.index.names.group(*group))
                }
                Payload::GroupMetadata { group, generation, .. } => {
                    format!("generation {generation} of group {}", self.story.index.names.group(*group))
                }
                Payload::Transaction(transaction) => format!(
                    "{:?} of {}",
                    transaction.state,
                    self.story.index.names.transactional_id(transaction.transactional_id)
                ),
                Payload::Record(_) => return None,
            };
            return Some(format!("{who} writes {what} to {}.", self.partition(batch.partition)));
        }
        let offsets = match records.len() {
            1 => format!("offset {}", batch.base_offset),
            _ => format!("offsets {} to {}", batch.base_offset, batch.last_offset()),
        };
        let verb = if self.is_copy(entry, batch.partition) { "copies" } else { "appends" };
        Some(format!("{who} {verb} {} at {offsets}.", self.records(&records)))
    }

    /// Whether an append is a follower's: what it was handed by a fetch.
    fn is_copy(&self, entry: &Entry, partition: PartitionId) -> bool {
        match entry.cause.map(|cause| self.story.entry(cause).event) {
            Some(Event::ResponseReceived { .. }) => true,
            Some(Event::RequestReceived { .. }) => false,
            _ => self.story.leader_before(partition, entry.id).map(Node::Broker) != Some(entry.actor),
        }
    }

    fn controller(&self, entry: &Entry) -> Option<String> {
        Some(match entry.event {
            Event::BrokerRegistered { broker, .. } => format!("The controller registers {broker}."),
            Event::BrokerFenced { broker } => {
                format!("The controller fences {broker}: it may lead nothing and joins no ISR.")
            }
            Event::BrokerUnfenced { broker } => format!("The controller lets {broker} in again."),
            Event::PartitionChanged { partition, leader, leader_epoch, isr, unclean, .. } => {
                let before = self.story.leader_before(partition, entry.id);
                let partition = self.partition(partition);
                let isr = if isr.is_empty() { "empty".to_owned() } else { isr.to_string() };
                match leader {
                    Some(leader) if unclean => format!(
                        "The controller makes {leader} lead {partition} (leader epoch {leader_epoch}) although it was not in sync: what it lacks is lost."
                    ),
                    Some(_) if leader == before => format!("The ISR of {partition} is now {isr}."),
                    Some(leader) => format!(
                        "{leader} now leads {partition} (leader epoch {leader_epoch}); the ISR is {isr}."
                    ),
                    None => format!("Nobody leads {partition} now; the ISR is {isr}."),
                }
            }
            _ => return None,
        })
    }

    fn coordinator(&self, entry: &Entry) -> Option<String> {
        let who = &self.who;
        let names = &self.story.index.names;
        Some(match entry.event {
            Event::TransactionCoordinatorLoaded { .. } => format!("{who} now coordinates transactions."),
            Event::GroupCoordinatorLoaded { .. } => format!("{who} now coordinates the groups."),
            Event::TransactionChanged { transaction } => {
                let meaning = match transaction.state {
                    TransactionState::Ongoing => "",
                    TransactionState::PrepareCommit => ": it will be committed whatever happens",
                    TransactionState::PrepareAbort => ": it will be aborted whatever happens",
                    TransactionState::PrepareEpochFence => ": its old producer is being fenced",
                    TransactionState::CompleteCommit => ": all markers are written",
                    TransactionState::CompleteAbort => ": all markers are written",
                    TransactionState::Empty => ": no transaction is open",
                    TransactionState::Dead => ": it is forgotten",
                };
                format!(
                    "Transactional id {} is now {:?}{meaning}.",
                    names.transactional_id(transaction.transactional_id),
                    transaction.state
                )
            }
            Event::MarkersSent { kind, partitions, transactional_id } => format!(
                "The coordinator sends {} for {} to {}.",
                marker_name(kind),
                names.transactional_id(transactional_id),
                self.partitions(partitions)
            ),
            Event::GroupChanged { group, state, generation, members } => format!(
                "Group {} is now {state:?}, generation {generation}, with {members} member{}.",
                names.group(group),
                if members == 1 { "" } else { "s" }
            ),
            Event::MemberExpired { group, .. } => {
                format!("Group {} drops a member: it was silent for session.timeout.ms.", names.group(group))
            }
            Event::OffsetCommitted { group, partition, offset } if offset < 0 => {
                format!(
                    "The committed offset of group {} for {} has expired.",
                    names.group(group),
                    self.partition(partition)
                )
            }
            Event::OffsetCommitted { group, partition, offset } => format!(
                "The committed offset of group {} for {} is now {offset}: a restart continues there.",
                names.group(group),
                self.partition(partition)
            ),
            Event::OffsetPending { group, partition, offset, .. } => format!(
                "Offset {offset} of group {} for {} waits for the end of its transaction.",
                names.group(group),
                self.partition(partition)
            ),
            Event::OffsetDecided { group, partition, .. } => format!(
                "The transaction has ended that an offset of group {} for {} waited for.",
                names.group(group),
                self.partition(partition)
            ),
            _ => return None,
        })
    }

    fn script(&self, entry: &Entry) -> Option<String> {
        Some(match entry.event {
            Event::StepBegan { step } => {
                let line = self.story.setup.script.get(step as usize)?;
                format!("Step: {}.", line.text)
            }
            Event::LinkHeld { link } => format!("Nothing passes {} any more.", self.link(link)),
            Event::LinkOpened { link } => format!("Everything passes {} again.", self.link(link)),
            Event::LinkCut { link } => format!("The connections {} are cut.", self.link(link)),
            Event::TopicMinInsyncReplicasSet { topic, value } => {
                let topic = self.story.setup.topics.get(usize::from(topic.0))?;
                format!("The topic {} now has min.insync.replicas={value}.", topic.name)
            }
            Event::ScriptEnded => {
                "The script is done: clients close, brokers that are down start, and the logs are read."
                    .to_owned()
            }
            _ => return None,
        })
    }

    fn link(&self, link: LinkEnds) -> String {
        let names = &self.story.index.names;
        match link {
            LinkEnds::Client(application, Some(broker)) => {
                format!("between {} and {broker}", names.application(application))
            }
            LinkEnds::Client(application, None) => {
                format!("between {} and the brokers", names.application(application))
            }
            LinkEnds::Replication { follower, leader } => {
                format!("between {follower} and its leader {leader}")
            }
            LinkEnds::Controller(broker) => format!("between {broker} and the controller"),
        }
    }
}

fn ends(journey: &Journey, direction: Direction) -> (Node, Node) {
    match direction {
        Direction::Request => (journey.from, journey.to),
        Direction::Response => (journey.to, journey.from),
    }
}

fn marker_name(kind: MarkerKind) -> &'static str {
    match kind {
        MarkerKind::Commit => "COMMIT",
        MarkerKind::Abort => "ABORT",
    }
}
/// A sentence within a sentence keeps its capital where a name begins it.
pub fn uncapitalised(story: Story, text: String) -> String {
    let first = text.split([' ', '\'']).next().unwrap_or_default();
    let names = &story.index.names;
    let broker = first.strip_prefix('B').is_some_and(|digits| digits.parse::<u8>().is_ok());
    let application =
        (0..story.setup.applications.len()).any(|n| names.application(ApplicationId(n as u8)) == first);
    if broker || application {
        return text;
    }
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => text,
    }
}
